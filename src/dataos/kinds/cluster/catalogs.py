"""Which catalogs a Cluster shows: a Lakehouse's Depot through the lakehouse, a database's through the depots room."""

from __future__ import annotations

from collections.abc import Mapping

from dataos.core.clock import Clock
from dataos.depots.ports import Attachable
from dataos.depots.resolver import Depots
from dataos.gateway.providers.databases import DatabaseProvider
from dataos.gateway.providers.lakehouse import LakehouseProvider
from dataos.gateway.relations import RelationProvider
from dataos.lakehouse.catalog import Catalog


class MountedDepots:
    """The gateway's `Catalogs` of one Cluster. `names` None: every Depot that can be queried."""

    def __init__(self, depots: Depots, catalog: Catalog, clock: Clock, names: tuple[str, ...] | None) -> None:
        self._depots = depots
        self._catalog = catalog
        self._names = names
        self._databases = DatabaseProvider(depots, clock)
        self._lakehouses: dict[str, LakehouseProvider] = {}

    async def providers(self) -> Mapping[str, RelationProvider]:
        """Catalog name -> who answers for it."""
        found: dict[str, RelationProvider] = {}
        for entry in await self._depots.list():
            if self._names is not None and entry.name not in self._names:
                continue
            if entry.type == "ICEBERG":
                warehouse = str(entry.location["warehouse"])
                provider = self._lakehouses.setdefault(warehouse, LakehouseProvider(self._catalog, warehouse))
                found[entry.name] = provider
            elif isinstance(self._depots.adapter(entry), Attachable):
                found[entry.name] = self._databases
        return found
