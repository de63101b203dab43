"""Tables of POSTGRESQL depots. Descriptions are remembered for seconds: a connection for each statement would cost more
than the statement. A failure that a stale description explains makes the gateway forget it and try once more."""

from __future__ import annotations

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.depots.resolver import Depots
from dataos.gateway import types
from dataos.gateway.relations import Column, DatabaseScan, Relation, Version
from dataos.governance.principals import Principal

_REMEMBER_US = 10_000_000


class DatabaseProvider:
    """All POSTGRESQL depots; the catalog's name is the depot's."""

    def __init__(self, depots: Depots, clock: Clock) -> None:
        self._depots = depots
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[int, object]] = {}

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        entry = await self._depots.get(catalog)
        return await self._depots.adapter(entry).list_collections(entry, await self._depots.credentials(catalog))

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        namespace = _spelled(await self.schemas(catalog, principal), schema)
        if namespace is None:
            return []
        entry = await self._depots.get(catalog)
        secret = await self._depots.credentials(catalog)
        return await self._depots.adapter(entry).list_datasets(entry, secret, namespace)

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
            schemas = await self.schemas(catalog, principal)
            namespace = _spelled(schemas, schema)
            name = _spelled(await self.tables(catalog, namespace, principal), table) if namespace else None
            if namespace is None or name is None:
                return None
            found = await self._describe(catalog, namespace, name)
        if found is not None:
            self._known[key] = (self._clock.now_us(), found)
        return found

    def forget(self, catalog: str) -> None:
        for key in [k for k in self._known if k[0] == catalog]:
            del self._known[key]

    async def _describe(self, catalog: str, schema: str, table: str) -> Relation | None:
        entry = await self._depots.get(catalog)
        secret = await self._depots.credentials(catalog)
        try:
            columns = await self._depots.adapter(entry).describe(entry, secret, schema, table)
        except DataOSError as error:
            if error.problem.code == "depot.dataset_not_found":
                return None
            raise
        made = tuple(Column(c.name, types.from_postgresql(c.native_type), c.nullable) for c in columns)
        return Relation(catalog, schema, table, made, DatabaseScan(catalog, schema, table))


def _spelled(known: list[str], wanted: str) -> str | None:
    if wanted in known:
        return wanted
    matching = [k for k in known if k.lower() == wanted.lower()]
    return matching[0] if len(matching) == 1 else None
