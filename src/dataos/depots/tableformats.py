"""Iceberg and Delta tables that lie in folders: which folders are tables, what their columns and snapshots are.

Works on any place that gives names and content (`Folder`): a folder of this machine or of an object store. An Iceberg
table has `metadata/*.metadata.json`, a Delta table `_delta_log/`. Nothing is written; the newest state is found as
readers without a catalog find it. Sources: Iceberg table spec (file system tables), Delta protocol (actions).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import ColumnDescription, DepotEntry, StoredTable, TableFormat, TableSnapshot

_MOST_METADATA = 64 << 20
_AT_ONCE = 8
_VERSION = re.compile(r"v?(\d+)(?:-[0-9a-fA-F-]+)?(?:\.gz)?\.metadata\.json(?:\.gz)?")
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint(\..+)?\.parquet")


class Folder(Protocol):
    """A place that holds tables. Paths are relative, with `/`; an absent folder is an empty one."""

    async def folders(self, folder: str) -> list[str]:
        """Visible folders directly below."""
        ...

    async def names(self, folder: str) -> list[str]:
        """All files directly below, hidden ones too."""
        ...

    async def read(self, path: str, most_bytes: int) -> bytes:
        """Content of a file. Raises FileNotFoundError; ValueError if it is larger."""
        ...

    def place(self, path: str = "") -> str:
        """The physical place, for messages."""
        ...


STORES = ("FILE", "S3")
"""Depot types in which tables are read in place and written."""


def held_by(entry: DepotEntry) -> TableFormat | None:
    """The format of the tables that the folders of a depot are; None: it holds files."""
    match entry.location.get("format"):
        case "ICEBERG":
            return "iceberg"
        case "DELTA":
            return "delta"
        case _:
            return None


def no_columns(entry: DepotEntry) -> DataOSError:
    """Files that are no tables."""
    return fail(
        "depot.unsupported",
        f"files of depot '{entry.name}' have no columns before a job reads them",
        hint="load them into a Lakehouse with a Flare job; say `format: ICEBERG` or `DELTA` if the depot holds tables",
    )


async def tables(folder: Folder, format_: str, place: str) -> list[str]:
    """Names of the folders directly below `place` that are tables."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> str | None:
        async with gate:
            return name if await is_table(folder, format_, f"{place}/{name}".lstrip("/")) else None

    found = await asyncio.gather(*(one(name) for name in await folder.folders(place)))
    return [name for name in found if name is not None]


async def is_table(folder: Folder, format_: str, path: str) -> bool:
    """True if the folder at `path` is a table of the format."""
    if format_ == "DELTA":
        return any(_COMMIT.fullmatch(n) or ".checkpoint." in n for n in await folder.names(f"{path}/_delta_log"))
    return current_metadata(await folder.names(f"{path}/metadata")) is not None


def current_metadata(files: Sequence[str], hint: str | None = None) -> str | None:
    """The metadata file that is current: the one that the hint names, else that of the highest version."""
    versions = {name: int(match[1]) for name in files if (match := _VERSION.fullmatch(name))}
    if hint is not None and hint.strip().isdigit():
        named = [name for name, version in versions.items() if version == int(hint) and name.startswith("v")]
        newer = [name for name, version in versions.items() if version > int(hint) and name.startswith("v")]
        if named and not newer:
            return named[0]
    return max(versions, key=lambda name: (versions[name], name), default=None)


async def metadata_path(folder: Folder, path: str) -> str | None:
    """Path of the current metadata file of the Iceberg table at `path`, or None if it is no table."""
    files = await folder.names(f"{path}/metadata")
    hint = None
    if "version-hint.text" in files:
        hint = (await folder.read(f"{path}/metadata/version-hint.text", 64)).decode("ascii", "replace")
    current = current_metadata(files, hint)
    return f"{path}/metadata/{current}" if current else None


async def read(folder: Folder, entry: DepotEntry, path: str) -> StoredTable:
    """The table at `path` of a depot that holds tables, as it is now.

    Raises DataOSError `depot.dataset_not_found`, `depot.unsupported` (its schema cannot be read).
    """
    format_ = str(entry.location["format"])
    if not await is_table(folder, format_, path):
        above, _, name = path.rpartition("/")
        known = await tables(folder, format_, above)
        text = f"depot '{entry.name}' has no {format_.title()} table at {folder.place(path)}"
        raise fail("depot.dataset_not_found", text, hint=names.did_you_mean(name, known))
    try:
        return await (_delta(folder, path) if format_ == "DELTA" else _iceberg(folder, path))
    except (ValueError, KeyError, TypeError, StopIteration, OSError) as error:
        text = f"depot '{entry.name}': the schema of the table at {folder.place(path)} cannot be read"
        raise fail("depot.unsupported", text, hint=f"its metadata is damaged or too new: {str(error)[:80]}") from None


async def _iceberg(folder: Folder, path: str) -> StoredTable:
    file = await metadata_path(folder, path)
    if file is None:
        raise ValueError("no metadata file")
    content = await folder.read(file, _MOST_METADATA)
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    body: dict[str, Any] = json.loads(content)
    schemas: list[dict[str, Any]] = body.get("schemas") or [body["schema"]]
    by_id = {s.get("schema-id"): _iceberg_columns(s) for s in schemas}
    columns = by_id.get(body.get("current-schema-id")) or _iceberg_columns(schemas[-1])
    at = {entry["snapshot-id"]: entry["timestamp-ms"] for entry in body.get("snapshot-log") or ()}
    current = body.get("current-snapshot-id")
    return StoredTable(
        "iceberg",
        folder.place(path),
        columns,
        metadata=folder.place(file),
        snapshot_id=None if current in (None, -1) else current,
        snapshots=tuple(
            TableSnapshot(
                one["snapshot-id"],
                one["timestamp-ms"] * 1000,
                one["snapshot-id"] in at,
                by_id.get(one.get("schema-id"), columns),
            )
            for one in body.get("snapshots") or ()
        ),
        references={name: ref["snapshot-id"] for name, ref in (body.get("refs") or {}).items()},
    )


def _iceberg_columns(schema: Mapping[str, Any]) -> tuple[ColumnDescription, ...]:
    return tuple(ColumnDescription(f["name"], iceberg_type(f["type"]), not f.get("required")) for f in schema["fields"])


def iceberg_type(type_: Any) -> str:
    """Text of a type in the spelling that Iceberg's tools print (`list<struct<1: a: optional int>>`)."""
    if isinstance(type_, str):
        return type_
    kind = type_["type"]
    if kind == "list":
        return f"list<{iceberg_type(type_['element'])}>"
    if kind == "map":
        return f"map<{iceberg_type(type_['key'])}, {iceberg_type(type_['value'])}>"
    fields = (
        f"{f['id']}: {f['name']}: {'required' if f.get('required') else 'optional'} {iceberg_type(f['type'])}"
        for f in type_["fields"]
    )
    return f"struct<{', '.join(fields)}>"


async def _delta(folder: Folder, path: str) -> StoredTable:
    log = f"{path}/_delta_log"
    files = await folder.names(log)
    for commit in sorted((n for n in files if _COMMIT.fullmatch(n)), reverse=True):
        lines = (await folder.read(f"{log}/{commit}", _MOST_METADATA)).splitlines()
        for line in lines:
            action: dict[str, Any] = json.loads(line) if line.strip() else {}
            if "metaData" in action:
                return _delta_table(folder, path, action["metaData"]["schemaString"])
    for checkpoint in sorted((n for n in files if _CHECKPOINT.fullmatch(n)), reverse=True):
        content = await folder.read(f"{log}/{checkpoint}", _MOST_METADATA)
        schema = await asyncio.to_thread(_checkpoint_schema, content)
        if schema is not None:
            return _delta_table(folder, path, schema)
    raise ValueError("no commit and no checkpoint says it")


def _delta_table(folder: Folder, path: str, schema: str) -> StoredTable:
    body: dict[str, Any] = json.loads(schema)
    columns = (ColumnDescription(f["name"], delta_type(f["type"]), f["nullable"]) for f in body["fields"])
    return StoredTable("delta", folder.place(path), tuple(columns))


def _checkpoint_schema(content: bytes) -> str | None:
    """The schema that a checkpoint (Parquet) states, if this part of it does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(pa.BufferReader(content), columns=["metaData"]).column("metaData")
    return next((row["schemaString"] for row in rows.to_pylist() if row is not None), None)


def delta_type(type_: Any) -> str:
    """Text of a Delta type in Spark's words (`array<struct<a:integer>>`)."""
    if isinstance(type_, str):
        return type_
    body = cast("Mapping[str, Any]", type_)
    if body["type"] == "array":
        return f"array<{delta_type(body['elementType'])}>"
    if body["type"] == "map":
        return f"map<{delta_type(body['keyType'])},{delta_type(body['valueType'])}>"
    return f"struct<{','.join(f['name'] + ':' + delta_type(f['type']) for f in body['fields'])}>"
