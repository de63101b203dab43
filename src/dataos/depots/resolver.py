"""Depots by name: where they are, what opens them, and which adapter knows them.

The `depots` table is what the Depot controller made of the living Depots; this is its only reader and writer.
Credentials are read from the vault at each call, so that a rotated secret holds from the next use on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import tableformats
from dataos.depots.ports import (
    Acl,
    Adapter,
    AdapterContext,
    Attachable,
    DatabaseConnection,
    Delivery,
    DepotEntry,
    EngineKind,
    Fence,
    FileDepot,
    HoldsTables,
    LakehouseListing,
    LedgerDepot,
    Ledgers,
    MessageDepot,
    MessageSchema,
    ObjectStoreConnection,
    ObjectStoreDepot,
    Offsets,
    RegistryDepot,
    StoredObject,
    StoredTable,
    TableFormat,
    TakesFiles,
)
from dataos.depots.rowwriting.transactions import Transaction
from dataos.depots.rowwriting.writer import TakesRows
from dataos.depots.types.iceberg import adapter as iceberg
from dataos.governance.vault import Vault
from dataos.manifest import registry
from dataos.store import tables
from dataos.store.database import Store

_PIECE = 1 << 20


class Depots:
    """The resolver. Built once by the server's composition."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        allowed_paths: Sequence[Path],
        connect_timeout_s: float,
        lakehouse: LakehouseListing | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._context = AdapterContext(tuple(allowed_paths), connect_timeout_s, lakehouse)
        self._adapters: dict[str, Adapter] = {}

    @property
    def connect_timeout_s(self) -> float:
        """Seconds to wait for a source to answer."""
        return self._context.connect_timeout_s

    async def get(self, name: str) -> DepotEntry:
        """The depot of that name. Raises DataOSError `depot.not_found` with near names and all names."""
        return await self._store.read(find, name)

    async def list(self) -> list[DepotEntry]:
        """All depots, by name."""
        return await self._store.read(list_entries)

    async def opened_by(self, secret_id: str) -> list[str]:
        """The names of the depots that the values of a Resource open."""
        return await self._store.read(opened_by, secret_id)

    async def credentials(self, name: str, acl: Acl = "r") -> dict[str, str]:
        """Key-value pairs for a purpose, newest versions; later secrets of the depot win over earlier ones.

        A depot with a lone `rw` secret (v1) uses it for reading too. A depot without secrets gives an empty map.
        Raises DataOSError `depot.not_found`, `depot.read_only`, `secret.not_found`, `secret.unreadable`.
        """
        return await self._store.read(self.credentials_in, name, acl)

    def adapter(self, entry: DepotEntry) -> Adapter:
        """The adapter of the depot's type (one instance a type). Raises DataOSError `depot.unsupported`."""
        known = self._adapters.get(entry.type)
        if known is None:
            descriptor = registry.find_depot_type(entry.type)
            if descriptor is None or descriptor.adapter is None:
                raise fail(
                    "depot.unsupported",
                    f"depot '{entry.name}' is of type {entry.type}, which is not installed here",
                    hint="installed: " + ", ".join(registry.known_depot_types()),
                )
            known = cast("Adapter", registry.resolve(descriptor.adapter)(self._context))
            self._adapters[entry.type] = known
        return known

    async def check(self, name: str, timeout_s: float | None = None) -> None:
        """Connect to a depot with its read credentials. Raises what the adapter's `check` raises."""
        entry = await self.get(name)
        await self.check_entry(entry, await self.credentials(name, "r"), timeout_s)

    async def check_entry(
        self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float | None = None
    ) -> None:
        """As `check`, for a depot that is not registered yet."""
        bucket = iceberg.storage(entry)
        for one in (entry, bucket) if bucket is not None else (entry,):
            await self.adapter(one).check(one, credentials, timeout_s or self._context.connect_timeout_s)

    async def resolve(self, udl: Udl) -> str:
        """The physical place that an address names, without credentials. Checks that its `acl` can be served."""
        entry = await self.get(udl.depot)
        if udl.acl == "rw":
            refuse_read_only(entry)
        return await self.adapter(entry).resolve(entry, udl)

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """What the depot is to the embedded SQL engine, which reads it in place; None if it cannot attach it."""
        descriptor = registry.find_depot_type(entry.type)
        if descriptor is None or descriptor.adapter is None:
            return None
        adapter = self.adapter(entry)
        return adapter.engine_kind(entry) if isinstance(adapter, Attachable) else None

    def tables_in(self, entry: DepotEntry) -> TableFormat | None:
        """The format of the tables that the depot's folders are and that the embedded SQL engine reads in place."""
        return tableformats.held_by(entry) if entry.type in tableformats.STORES else None

    async def table(self, name: str, collection: str, dataset: str) -> StoredTable:
        """A table that lies in a folder of a depot, as it is now.

        Raises as `HoldsTables.table`, and DataOSError `depot.not_found`, `depot.unsupported`, `depot.credentials`,
        `depot.unreachable`, `depot.timeout`.
        """
        entry = await self.get(name)
        adapter = self.adapter(entry)
        if not isinstance(adapter, HoldsTables):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: its folders are no tables")
        return await adapter.table(entry, await self.credentials(name, "r"), collection, dataset)

    async def database(self, name: str, acl: Acl = "r") -> DatabaseConnection:
        """How the embedded engine reaches the database of a depot, for a purpose.

        Raises DataOSError `depot.not_found`, `depot.unsupported` (the engine cannot attach it), `depot.read_only`,
        `depot.credentials`, `secret.not_found`.
        """
        entry = await self.get(name)
        adapter = self.adapter(entry)
        if not isinstance(adapter, Attachable) or adapter.engine_kind(entry) is None:
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: no engine attaches it")
        return adapter.connection(entry, await self.credentials(name, acl))

    async def writing(self, name: str) -> Transaction:
        """One statement's writes into a database, with the depot's credentials for writing; nothing is connected yet.

        Raises DataOSError `depot.not_found`, `depot.unsupported`, `depot.read_only`, `depot.credentials`,
        `secret.not_found`.
        """
        entry = await self.get(name)
        adapter = self.adapter(entry)
        if not isinstance(adapter, TakesRows):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it takes no rows")
        return Transaction(adapter.writer(entry, await self.credentials(name, "rw")))

    async def object_store(self, name: str, acl: Acl = "r") -> ObjectStoreConnection:
        """How engines reach the bucket of a depot, for a purpose.

        Raises DataOSError `depot.not_found`, `depot.unsupported` (no object store), `depot.read_only`,
        `depot.credentials`, `secret.not_found`.
        """
        entry = await self.get(name)
        return self._object_stores(entry).object_store(entry, await self.credentials(name, acl))

    async def warehouse_store(self, name: str) -> ObjectStoreConnection | None:
        """How the server reaches the bucket that a Lakehouse's depot names, to read and to write; None: a folder holds
        its files. Raises DataOSError `depot.not_found`, `depot.read_only`, `depot.credentials`, `secret.not_found`."""
        return await self._store.read(self.warehouse_store_in, name)

    def warehouse_store_in(self, connection: sa.Connection, name: str) -> ObjectStoreConnection | None:
        """As `warehouse_store`, in the caller's unit of work."""
        bucket = iceberg.storage(find(connection, name))
        if bucket is None:
            return None
        return self._object_stores(bucket).object_store(bucket, self.credentials_in(connection, name, "rw"))

    async def objects(self, udl: Udl) -> list[StoredObject]:
        """The objects that an address names (see `ObjectStoreDepot.objects`), read with the credentials of its `acl`.

        Raises as `object_store`, and DataOSError `depot.path` (nothing there), `depot.unreachable`, `depot.timeout`.
        """
        entry = await self.get(udl.depot)
        acl: Acl = "rw" if udl.acl == "rw" else "r"
        return await self._object_stores(entry).objects(entry, await self.credentials(udl.depot, acl), udl)

    async def below(self, udl: Udl) -> list[str]:
        """Paths below the depot's root of the files or objects that an address names, links followed; raises as
        `objects`."""
        entry = await self.get(udl.depot)
        if entry.type != "FILE":
            return [found.path for found in await self.objects(udl)]
        adapter = cast("FileDepot", self.adapter(entry))
        root = os.path.realpath(str(entry.location["path"]))
        files = await adapter.files(entry, udl)

        def relative() -> list[str]:
            every = dict.fromkeys([*files, *(os.path.realpath(f) for f in files)])
            return [os.path.relpath(f, root) for f in every]

        return await asyncio.to_thread(relative)

    async def content(self, udl: Udl, path: str) -> AsyncGenerator[bytes]:
        """The content of one of the objects that an address names (see `ObjectStoreDepot.content`), or of one of the
        files (see `FileDepot.files`), by its whole path. Raises DataOSError `depot.path` for another path."""
        entry = await self.get(udl.depot)
        if entry.type == "FILE":
            return _pieces(await cast("FileDepot", self.adapter(entry)).file(entry, udl, path))
        store = self._object_stores(entry)
        return store.content(entry, await self.credentials(udl.depot, "r"), udl, path)

    async def offsets(self, udl: Udl, at_us: int | None = None) -> dict[int, Offsets]:
        """Where the partitions of a topic stand (see `MessageDepot.offsets`)."""
        entry = await self.get(udl.depot)
        return await self._messages(entry).offsets(entry, await self.credentials(udl.depot, "r"), udl, at_us)

    async def messages(
        self, udl: Udl, ranges: Mapping[int, tuple[int, int]], headers: bool = False
    ) -> AsyncGenerator[bytes]:
        """Messages of a topic (see `MessageDepot.messages`)."""
        entry = await self.get(udl.depot)
        source = self._messages(entry)
        return source.messages(entry, await self.credentials(udl.depot, "r"), udl, ranges, headers)

    async def ledgers(self, udl: Udl) -> dict[int, Ledgers]:
        """What the partitions of a topic keep (see `LedgerDepot.ledgers`)."""
        entry = await self.get(udl.depot)
        return await self._ledgers(entry).ledgers(entry, await self.credentials(udl.depot, "r"), udl)

    async def entries(self, udl: Udl, spans: Mapping[int, tuple[str, str]]) -> AsyncGenerator[bytes]:
        """Messages of a topic (see `LedgerDepot.entries`)."""
        entry = await self.get(udl.depot)
        source = self._ledgers(entry)
        return source.entries(entry, await self.credentials(udl.depot, "r"), udl, spans)

    def _ledgers(self, entry: DepotEntry) -> LedgerDepot:
        adapter = self.adapter(entry)
        if not isinstance(adapter, LedgerDepot):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it has no message ids")
        return adapter

    async def message_schema(self, udl: Udl, number: int | None, subject: str, version: str) -> MessageSchema:
        """A schema of the registry of a topic's depot (see `RegistryDepot.schema_of`)."""
        entry = await self.get(udl.depot)
        credentials = await self.credentials(udl.depot, "r")
        return await self._registry(entry).schema_of(entry, credentials, number, subject, version)

    async def register_schema(self, udl: Udl, subject: str, schema: str) -> int:
        """The id of an Avro schema in the registry of a topic's depot (see `RegistryDepot.register_schema`)."""
        entry = await self.get(udl.depot)
        refuse_read_only(entry)
        credentials = await self.credentials(udl.depot, "rw")
        return await self._registry(entry).register_schema(entry, credentials, subject, schema)

    async def topic_of_subject(self, udl: Udl, subject: str) -> Udl | None:
        """The topic whose messages a subject describes (see `RegistryDepot.topic_of`)."""
        return self._registry(await self.get(udl.depot)).topic_of(udl, subject)

    async def topics_of_schema(self, udl: Udl, number: int | None, subject: str, version: str) -> list[Udl]:
        """The topics whose messages a schema describes (see `RegistryDepot.topics_of_schema`)."""
        entry = await self.get(udl.depot)
        credentials = await self.credentials(udl.depot, "r")
        return await self._registry(entry).topics_of_schema(entry, credentials, udl, number, subject, version)

    def _registry(self, entry: DepotEntry) -> RegistryDepot:
        adapter = self.adapter(entry)
        if not isinstance(adapter, RegistryDepot):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it has no schema registry")
        return adapter

    def _messages(self, entry: DepotEntry) -> MessageDepot:
        adapter = self.adapter(entry)
        if not isinstance(adapter, MessageDepot):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it holds no messages")
        return adapter

    async def deliver(self, delivery: Delivery, fence: Fence) -> None:
        """Put files that a job left at a place (see `TakesFiles.deliver`), with the depot's credentials for writing.

        Raises as that, and DataOSError `depot.not_found`, `depot.read_only`, `depot.unsupported`.
        """
        entry = await self.get(delivery.udl.depot)
        adapter = self.adapter(entry)
        if not isinstance(adapter, TakesFiles):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it takes no files")
        await adapter.deliver(entry, await self.credentials(entry.name, "rw"), delivery, fence)

    def _object_stores(self, entry: DepotEntry) -> ObjectStoreDepot:
        adapter = self.adapter(entry)
        if not isinstance(adapter, ObjectStoreDepot):
            raise fail("depot.unsupported", f"depot '{entry.name}' is of type {entry.type}: it holds no objects")
        return adapter

    def find_in(self, connection: sa.Connection, name: str) -> DepotEntry:
        """As `get`, in the caller's unit of work."""
        return find(connection, name)

    def credentials_in(self, connection: sa.Connection, name: str, acl: Acl) -> dict[str, str]:
        """As `credentials`, in the caller's unit of work."""
        entry = find(connection, name)
        if acl == "rw":
            refuse_read_only(entry)
        ids = entry.secrets.get(acl) or (entry.secrets.get("rw") if acl == "r" else None) or ()
        merged: dict[str, str] = {}
        for secret_id in ids:
            merged |= pairs(self._vault.reveal(connection, secret_id))
        return merged


def refuse_read_only(entry: DepotEntry) -> None:
    """Raises DataOSError `depot.read_only` for a depot that was given no credentials for writing."""
    if entry.read_only:
        raise fail(
            "depot.read_only",
            f"could not get the secret map for the dataos address: 'dataos://{entry.name}?acl=rw' err: 403 "
            "(the depot has no secret with acl: rw)",
            hint="apply an Instance-Secret with acl: rw and name it below the Depot's `secrets`, or read with acl=r",
        )


def pairs(values: Mapping[str, str]) -> dict[str, str]:
    """Key-value pairs of a secret. A value that is itself lines of `key=value` under a lone key is unfolded.

    Source: ch02 2.4 (split lines; the first `=` separates; blank lines are ignored).
    """
    if len(values) != 1:
        return dict(values)
    ((key, text),) = values.items()
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.find("=") > 0 and " " not in line.partition("=")[0].strip() for line in lines):
        return {k.strip(): v for k, _, v in (line.partition("=") for line in lines)}
    return {key: text}


def register(connection: sa.Connection, entry: DepotEntry) -> None:
    """Unit of work: write what the Depot controller found; a second call with the same entry changes nothing."""
    values = {
        "uid": entry.uid,
        "type": entry.type,
        "location": dict(entry.location),
        "secrets": {k: list(v) for k, v in entry.secrets.items()},
        "generation": entry.generation,
    }
    table = tables.depots
    changed = connection.execute(table.update().where(table.c.name == entry.name).values(**values))
    if changed.rowcount == 0:
        connection.execute(table.insert().values(name=entry.name, **values))


def forget(connection: sa.Connection, name: str) -> None:
    """Unit of work: the depot is gone. Forgetting an unknown one is no fault."""
    connection.execute(tables.depots.delete().where(tables.depots.c.name == name))


def list_entries(connection: sa.Connection) -> list[DepotEntry]:
    """Unit of work: all depots, by name."""
    return [_entry(row) for row in connection.execute(sa.select(tables.depots).order_by(tables.depots.c.name))]


def opened_by(connection: sa.Connection, secret_id: str) -> list[str]:
    """Unit of work: the names of the depots that a secret opens; `secret_id` is the Resource whose values they are."""
    return [
        entry.name
        for entry in list_entries(connection)
        if any(id_ == secret_id or id_.startswith(f"{secret_id}:") for ids in entry.secrets.values() for id_ in ids)
    ]


def find(connection: sa.Connection, name: str) -> DepotEntry:
    """Unit of work: one depot by exact name. Raises DataOSError `depot.not_found`."""
    row = connection.execute(sa.select(tables.depots).where(tables.depots.c.name == name)).first()
    if row is None:
        known = list(connection.execute(sa.select(tables.depots.c.name).order_by(tables.depots.c.name)).scalars())
        raise not_found(name, known, coming=is_coming(connection, name))
    return _entry(row)


def is_coming(connection: sa.Connection, name: str) -> bool:
    """Unit of work: is a Depot of that name stored and not looked at yet, or a Lakehouse, which makes one?"""
    r = tables.resources
    fresh = sa.or_(r.c.observed_generation != r.c.generation, r.c.status == "pending")
    made = sa.or_(sa.and_(r.c.type == "depot", r.c.name == name), r.c.type == "lakehouse")
    query = sa.select(r.c.uid).where(r.c.live_key.is_not(None), r.c.deleting_at.is_(None), made, fresh)
    return connection.execute(query.limit(1)).first() is not None


def not_found(name: str, known: Sequence[str], *, coming: bool = False) -> DataOSError:
    """The error for an unknown depot: near names first, then all names. `coming`: the same may succeed in a moment."""
    shown = ", ".join(known[:50]) + (f" and {len(known) - 50} more" if len(known) > 50 else "")
    near = names.nearest(name, known)
    return fail(
        "depot.not_found",
        f"there is no depot '{name}'",
        hint=("did you mean " + " or ".join(f"`{n}`" for n in near) + "? " if near else "")
        + (f"known: {shown}" if known else "no depot exists yet: apply a Depot or a Lakehouse first"),
        retry=1.0 if coming else None,
    )


def _entry(row: sa.Row[Any]) -> DepotEntry:
    secrets = cast("dict[str, list[str]]", row.secrets)
    return DepotEntry(
        name=row.name,
        uid=row.uid,
        type=row.type,
        location=row.location,
        secrets={k: tuple(v) for k, v in secrets.items()},
        generation=row.generation,
    )


async def _pieces(file: Path) -> AsyncGenerator[bytes]:
    try:
        with await asyncio.to_thread(file.open, "rb") as opened:
            while piece := await asyncio.to_thread(opened.read, _PIECE):
                yield piece
    except OSError as error:
        raise fail("depot.path", f"{file} cannot be read: {error.strerror}") from error
