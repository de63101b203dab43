"""Tables of the databases that the engine attaches.

Descriptions are remembered for seconds: a connection for each statement would cost more
than the statement. A failure that a stale description explains makes the gateway forget it and try once more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots
from dataos.depots.rowwriting.facts import Identity
from dataos.gateway import sources
from dataos.gateway.providers.databasewrites import DatabaseWrites
from dataos.gateway.providers.listing import DepotListing
from dataos.gateway.relations import DatabaseScan, Relation, Version
from dataos.governance.principals import Principal

_REMEMBER_US = 10_000_000


class DatabaseProvider(DepotListing):
    """All of them; the catalog's name is the depot's."""

    def __init__(self, depots: Depots, clock: Clock) -> None:
        super().__init__(depots)
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[int, object]] = {}

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        if version is not None:
            raise fail(
                "query.unsupported",
                f"depot '{catalog}' keeps no past versions of its tables",
                hint="FOR VERSION AS OF works on Lakehouse tables",
            )
        entry = await self._depots.get(catalog)
        key = (catalog, entry.uid, str(entry.generation), schema, table)
        known = self._known.get(key)
        if known is not None and self._clock.now_us() - known[0] < _REMEMBER_US:
            return known[1] if isinstance(known[1], Relation) else None
        found = await self._describe(catalog, schema, table)
        if found is None:
            names = await self.find(catalog, schema, table, principal)
            if names is None:
                return None
            found = await self._describe(catalog, *names)
        if found is not None:
            self._known[key] = (self._clock.now_us(), found)
        return found

    def forget(self, catalog: str) -> None:
        for key in [k for k in self._known if k[0] == catalog]:
            del self._known[key]

    async def _describe(self, catalog: str, schema: str, table: str) -> Relation | None:
        entry = await self._depots.get(catalog)
        secret = await self._depots.credentials(catalog)
        kind = self._depots.engine_kind(entry)
        try:
            columns = await self._depots.adapter(entry).describe(entry, secret, schema, table)
        except DataOSError as error:
            if error.problem.code == "depot.dataset_not_found":
                return None
            raise
        if kind in ("postgresql", "mysql"):  # the others have no such names
            await self._refuse_twins(entry, secret, schema, table)
        made = [sources.column(str(kind), c.name, c.native_type, c.nullable) for c in columns]
        reading = tuple((column.name, form) for column, form in made if form)
        scan = DatabaseScan(catalog, schema, table, reading)
        return Relation(catalog, schema, table, tuple(column for column, _ in made), scan)

    async def _refuse_twins(self, entry: DepotEntry, secret: Mapping[str, str], schema: str, table: str) -> None:
        """The engine folds letter case: of two names that differ in it only, it would read either one."""
        adapter = self._depots.adapter(entry)
        schemas, tables = await asyncio.gather(
            adapter.list_collections(entry, secret), adapter.list_datasets(entry, secret, schema)
        )
        where = f"depot '{entry.name}'"
        if len(_twins(schemas, schema)) > 1:
            raise _ambiguous(f"{where} has schemas", _twins(schemas, schema))
        # MySQL's tables are read schema by schema: one pair makes the whole schema unreadable.
        wanted = tables if self._depots.engine_kind(entry) == "mysql" else [table]
        for name in wanted:
            if len(_twins(tables, name)) > 1:
                raise _ambiguous(f"{where}: schema '{schema}' has tables", _twins(tables, name))


class WritableDatabaseProvider(DatabaseProvider):
    """Those whose tables SQL statements write."""

    def __init__(self, depots: Depots, clock: Clock) -> None:
        super().__init__(depots, clock)
        self._identities: dict[tuple[str, str, str], Identity | None] = {}

    def forget(self, catalog: str) -> None:
        super().forget(catalog)
        for key in [k for k in self._identities if k[0] == catalog]:
            del self._identities[key]

    def writes(self, catalog: str) -> DatabaseWrites:
        """See `Writable`."""
        return DatabaseWrites(self._depots, catalog, lambda: self.forget(catalog), self._identities)


def _twins(known: list[str], name: str) -> list[str]:
    return [k for k in known if k.lower() == name.lower()]


def _ambiguous(where: str, twins: list[str]) -> DataOSError:
    return fail(
        "query.ambiguous",
        f"{where} whose names differ in letter case only: {', '.join(twins)}",
        hint="names are compared without letter case here: rename one, or read it through a view",
    )
