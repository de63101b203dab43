"""What people see of a depot: whether it can be reached and with which credentials, and what is in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from dataos.core import messageids
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem
from dataos.core.messageids import MessageId
from dataos.depots import tableformats
from dataos.depots.ports import Acl, ColumnDescription, DepotEntry, FileDepot, ObjectStoreDepot
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg import adapter as iceberg

_PROVED_BY_TYPE = {
    "FILE": "the folder is there and can be read",
    "ICEBERG": "the catalog of its Lakehouse answers",
    "S3": "the bucket lists its objects",
    "GCS": "the bucket lists its objects",
    "ABFSS": "the container lists its objects",
    "WASBS": "the container lists its objects",
    "KAFKA": "the brokers list their topics",
    "EVENTHUB": "the namespace lists its event hubs",
    "PULSAR": "the admin service lists the tenant's namespaces",
    "HTTP": "the address answers",
    "REDIS": "logged in, and the server answers PING",
    "MONGODB": "logged in, and the server answers",
    "ELASTICSEARCH": "logged in, and the cluster answers",
    "OPENSEARCH": "logged in, and the cluster answers",
}
_PROVED = "logged in, and a statement was answered"


@dataclass(frozen=True)
class Tried:
    """One connection, with the credentials of one purpose. `proved` if it worked, else `problem`."""

    acl: Acl
    proved: str = ""
    problem: Problem | None = None


@dataclass(frozen=True)
class FileItem:
    """One file or object. `name` is what an address says after the collection, or the physical place."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Look:
    """What an address holds: names of collections or datasets, files, or columns. Only the list of `kind` is filled."""

    kind: Literal["collections", "datasets", "files", "columns"]
    names: tuple[str, ...] = ()
    files: tuple[FileItem, ...] = ()
    columns: tuple[ColumnDescription, ...] = ()


async def try_connections(depots: Depots, entry: DepotEntry) -> list[Tried]:
    """Connect once for each purpose that the depot has credentials for; without any, once for reading."""
    acls: list[Acl] = [acl for acl in ("r", "rw") if entry.secrets.get(acl)] or ["r"]
    return list(await asyncio.gather(*(_try(depots, entry, acl) for acl in acls)))


async def _try(depots: Depots, entry: DepotEntry, acl: Acl) -> Tried:
    try:
        await depots.check_entry(entry, await depots.credentials(entry.name, acl))
    except DataOSError as error:
        return Tried(acl, problem=error.problem)
    proved = _PROVED_BY_TYPE.get(entry.type, _PROVED)
    if iceberg.storage(entry) is not None:
        proved += f", and {_PROVED_BY_TYPE['S3']}"
    if acl == "rw":
        proved += " (whether it may write is not tried: a test changes nothing)"
    return Tried(acl, proved)


async def look(depots: Depots, udl: Udl) -> Look:
    """What is at an address. Raises DataOSError as the adapters do, `depot.not_found`, `secret.*`."""
    entry = await depots.get(udl.depot)
    adapter = depots.adapter(entry)
    acl: Acl = "rw" if udl.acl == "rw" else "r"
    secret = await depots.credentials(entry.name, acl)
    if udl.collection is None:
        return Look("collections", tuple(await adapter.list_collections(entry, secret)))
    if not udl.dataset:
        return Look("datasets", tuple(await adapter.list_datasets(entry, secret, udl.collection)))
    if not tableformats.held_by(entry):
        if isinstance(adapter, ObjectStoreDepot):
            objects = await adapter.objects(entry, secret, udl)
            return Look("files", files=tuple(FileItem(o.location, o.size_bytes, o.modified_at) for o in objects))
        if entry.type == "FILE":
            files = await cast("FileDepot", adapter).files(entry, udl)
            return Look("files", files=await asyncio.to_thread(_stated, files))
    return Look("columns", columns=tuple(await adapter.describe(entry, secret, udl.collection, udl.dataset)))


async def newest_messages(depots: Depots, udl: Udl, most: int) -> dict[str, Any]:
    """{columns, rows, truncated} of the newest messages of all partitions of a topic, the newest last; bytes as text.

    Raises DataOSError `depot.unsupported` for a depot of another kind, and as `Depots.messages`.
    """
    if (await depots.get(udl.depot)).type == "PULSAR":
        return await _newest_entries(depots, udl, most)
    stand = await depots.offsets(udl)
    ranges = {p: (max(o.first, o.next - most), o.next) for p, o in stand.items()}
    return await _newest(await depots.messages(udl, ranges, True), most)


async def _newest_entries(depots: Depots, udl: Udl, most: int) -> dict[str, Any]:
    """As `newest_messages`, of a topic in ledgers."""
    spans: dict[int, tuple[str, str]] = {}
    for partition, kept in (await depots.ledgers(udl)).items():
        if kept.last is None or not kept.ledgers:
            continue
        first, last = MessageId(kept.ledgers[0][0], -1), MessageId(*kept.last)
        skipped = messageids.count(kept.ledgers, first, last) - most
        after = messageids.walk(kept.ledgers, first, last, skipped) if skipped > 0 else first
        spans[partition] = (after.text(), last.text())
    return await _newest(await depots.entries(udl, spans), most)


async def _newest(pieces: AsyncGenerator[bytes], most: int) -> dict[str, Any]:
    import pyarrow as pa

    content = bytearray()
    async for piece in pieces:
        content += piece
    table = pa.ipc.open_stream(bytes(content)).read_all()
    order = next(o for o in _ORDERS if set(o) <= set(table.schema.names))
    table = table.sort_by([(name, "ascending") for name in order])
    table = table.drop_columns([n for n in table.schema.names if n == "__schemaVersion"])
    rows = table.slice(max(0, table.num_rows - most)).to_pylist(maps_as_pydicts="lossy")
    columns = [{"name": f.name, "type": str(f.type)} for f in table.schema]
    shown = [[_message_id(v) if n == "__messageId" else _plain(v) for n, v in row.items()] for row in rows]
    return {"columns": columns, "rows": shown, "truncated": False}


def _message_id(value: bytes) -> str:
    """As options of jobs take it: `ledger:entry:partition:batch`, or without what there is not."""
    found = messageids.decode(value)
    if isinstance(found, str) or found.batch < 0:
        return found if isinstance(found, str) else found.text()
    return f"{found.ledger}:{found.entry}:-1:{found.batch}"


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), 127)}
"""Bytes that are no text are not sent to a terminal as they are."""
_ORDERS = (("timestamp", "offset"), ("enqueuedTime", "sequenceNumber"), ("__publishTime",))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").translate(_CONTROLS)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [{k: _plain(v) for k, v in item.items()} for item in cast("list[dict[str, Any]]", value)]
    return value.isoformat() if isinstance(value, datetime) else value


def _stated(files: list[str]) -> tuple[FileItem, ...]:
    found: list[FileItem] = []
    for file in files:
        try:
            status = os.stat(file)
        except OSError:  # it went away since it was listed
            continue
        found.append(FileItem(file, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return tuple(found)


def to_json(found: Look, most: int) -> dict[str, Any]:
    """The wire form: `kind`, `items` (at most so many) and whether that cut it."""
    items: list[dict[str, Any]]
    if found.kind == "files":
        items = [
            {"name": f.name, "sizeBytes": f.size_bytes, "modified": f.modified_at.astimezone(UTC).strftime(_TIME)}
            for f in found.files
        ]
    elif found.kind == "columns":
        items = [{"name": c.name, "type": c.native_type, "nullable": c.nullable} for c in found.columns]
    else:
        items = [{"name": name} for name in found.names]
    return {"kind": found.kind, "items": items[:most], "truncated": len(items) > most}


_TIME = "%Y-%m-%dT%H:%M:%SZ"
