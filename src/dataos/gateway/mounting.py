"""Which depots a Cluster shows, and making its engine able to reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataos.core.addresses import Udl
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem
from dataos.core.logs import get as get_logger
from dataos.depots.ports import DepotEntry, ObjectStoreConnection
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import Access, Bucket, Mount
from dataos.gateway.providers.databases import DatabaseProvider, WritableDatabaseProvider
from dataos.gateway.providers.lakehouse import LakehouseProvider
from dataos.gateway.providers.procedures import Rewrites
from dataos.gateway.providers.tablefolders import TableFolderProvider
from dataos.gateway.relations import RelationProvider
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import in_bucket
from dataos.manifest import depot_types, registry

_log = get_logger(__name__)


class MountedDepots:
    """The catalogs of one Cluster: all depots (`only` None), or those it lists.

    Depots that the engine cannot attach are no catalogs."""

    def __init__(
        self,
        depots: Depots,
        catalog: Catalog,
        clock: Clock,
        only: frozenset[str] | None = None,
        rewrites: Rewrites | None = None,
    ) -> None:
        """`rewrites`: who rewrites data files for ALTER TABLE ... EXECUTE optimize."""
        self._rewrites = rewrites
        self._depots = depots
        self._catalog = catalog
        self._read_only = DatabaseProvider(depots, clock)
        self._databases = WritableDatabaseProvider(depots, clock)
        self._folders = TableFolderProvider(depots)
        self._only = only

    async def entries(self) -> list[DepotEntry]:
        """The depots that this Cluster mounts and that can be queried."""
        found = await self._depots.list()
        return [e for e in found if (self._only is None or e.name in self._only) and self._is_readable(e)]

    def _is_readable(self, entry: DepotEntry) -> bool:
        """Can the engine read it in place?"""
        tables = self._depots.tables_in(entry) is not None
        return entry.type == "ICEBERG" or tables or self._depots.engine_kind(entry) is not None

    async def providers(self) -> Mapping[str, RelationProvider]:
        """Catalog name -> who answers for it."""
        return self.answering(await self.entries())

    def answering(self, entries: Sequence[DepotEntry]) -> Mapping[str, RelationProvider]:
        """As `providers`, for what `entries` found."""
        made: dict[str, RelationProvider] = {}
        for entry in entries:
            if entry.type == "ICEBERG":
                made[entry.name] = LakehouseProvider(self._catalog, warehouse(entry), self._rewrites)
            elif self._depots.tables_in(entry) is not None:
                made[entry.name] = self._folders
            elif self._depots.engine_kind(entry) == "duckdb":
                made[entry.name] = self._read_only
            else:
                made[entry.name] = self._databases
        return made

    async def why_not(self, catalog: str) -> Problem | None:
        """The refusal of a depot whose type cannot be queried here; None if there is no such depot, or it can."""
        found = next((e for e in await self._depots.list() if e.name.lower() == catalog.lower()), None)
        descriptor = registry.find_depot_type(found.type) if found is not None else None
        if found is None or descriptor is None or self._is_readable(found):
            return None
        return depot_types.refusal(descriptor, "query", found.name)

    async def access(self, folders: Sequence[Path] = ()) -> Access:
        """What the engine must reach for these depots: the warehouses' folders (and `folders`), the databases.

        A depot whose credentials cannot be read is left out, and logged.
        """
        places = {Path(f) for f in folders}
        mounts: list[Mount] = []
        buckets: list[Bucket] = []
        delta = False
        for entry in await self.entries():
            tables = self._depots.tables_in(entry)
            delta = delta or tables == "delta"
            try:
                if entry.type == "ICEBERG":
                    found = await self._catalog.load_warehouse(warehouse(entry))
                    store = await self._depots.warehouse_store(entry.name) if in_bucket(found.location) else None
                    if store is not None:
                        buckets.append(_bucket(store))
                    else:
                        places.add(Path(found.location.removeprefix("file://")))
                elif tables is not None and entry.type == "FILE":
                    places.add(Path(await self._depots.resolve(Udl(entry.name))))
                elif tables is not None:
                    buckets.append(_bucket(await self._depots.object_store(entry.name)))
                else:
                    mounts.append(await self._mount(entry))
            except DataOSError as error:
                _log.warning("depot_not_mounted", depot=entry.name, code=error.problem.code)
        return Access(
            tuple(sorted(places)),
            tuple(sorted(mounts, key=lambda m: m.depot)),
            tuple(sorted(buckets, key=lambda b: b.location)),
            delta=delta,
        )

    async def sync(self, engine: DuckdbEngine, folders: Sequence[Path] = ()) -> None:
        """Bring the engine to what the depots are now. Level-triggered: call it whenever something may have changed."""
        await engine.apply(await self.access(folders))

    async def _mount(self, entry: DepotEntry) -> Mount:
        target = await self._depots.database(entry.name)

        async def probe() -> None:
            await self._depots.check(entry.name)

        return Mount(
            depot=entry.name,
            kind=target.kind,
            host=target.host,
            port=target.port,
            database=target.database,
            user=target.user,
            password=target.password,
            options=dict(target.options),
            path=target.path,
            probe=probe,
        )


def _bucket(store: ObjectStoreConnection) -> Bucket:
    return Bucket(
        location=store.location(store.prefix),
        region=store.region or "us-east-1",
        endpoint=store.endpoint or "",
        path_style=store.path_style,
        key_id=store.credentials.get("access_key_id", ""),
        secret=store.credentials.get("secret_access_key", ""),
        session_token=store.credentials.get("session_token", ""),
        ca_pem=store.ca_pem or "",
    )
