"""Tables of a Lakehouse, from our own catalog: the metadata file and snapshot of this very moment."""

from __future__ import annotations

from dataos.core.errors import DataOSError, fail
from dataos.core.names import as_spelled
from dataos.gateway import literals, types
from dataos.gateway.providers.lakehousewrites import LakehouseWrites, view_of
from dataos.gateway.providers.procedures import Rewrites
from dataos.gateway.relations import Column, IcebergScan, Relation, RowsScan, Version
from dataos.governance.principals import Principal
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.descriptions import TableInfo
from dataos.lakehouse.operations import metadata_tables
from dataos.lakehouse.operations.metadata_tables import MetadataTables
from dataos.lakehouse.views import AttemptView, TableRef, View

_MOST_BYTES = 8 << 20


class LakehouseProvider:
    """One warehouse. A job's token sees its own run's held commits (architecture 4: run transactions)."""

    def __init__(self, catalog: Catalog, warehouse: str, rewrites: Rewrites | None = None) -> None:
        self._catalog = catalog
        self._warehouse = warehouse
        self._tables = MetadataTables(catalog)
        self._writes = LakehouseWrites(catalog, warehouse, rewrites)

    def writes(self, catalog: str) -> LakehouseWrites:
        """How statements write its tables."""
        return self._writes

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        return await self._catalog.list_namespaces(view_of(principal), self._warehouse)

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        namespace = as_spelled(await self.schemas(catalog, principal), schema)
        if namespace is None:
            return []
        views = await self._writes.view_names(principal, namespace)
        return sorted([*await self._catalog.list_tables(view_of(principal), self._warehouse, namespace), *views])

    async def view(self, catalog: str, schema: str, table: str, principal: Principal) -> Relation | None:
        """The view of that name, or None."""
        return await self._writes.view(principal, catalog, schema, table)

    async def views(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        """The names of a schema's views."""
        return await self._writes.view_names(principal, schema)

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        view = view_of(principal)
        found = await self._table(view, catalog, schema, table, version, principal)
        base, mark, kind = table.rpartition("$")
        if found is None and mark and kind.lower() in metadata_tables.KINDS:
            return await self._metadata_table(view, catalog, schema, base, kind.lower(), version, principal)
        return found

    async def _table(
        self, view: View, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        named: TableRef | None = TableRef(self._warehouse, schema, table)
        simple = version is None and not isinstance(view, AttemptView)  # a job pins what it describes
        found = await self._describe(view, named, None) if simple else None
        if found is None:  # it is spelled in another way, or not there
            named = await self._catalog.spelled(view, TableRef(self._warehouse, schema, table))
            if named is None:
                return None
            found = await self._describe(view, named, await self._snapshot(view, named, version))
        if found is None:
            return None
        await self._catalog.refuse_links(self._warehouse, found.location)
        columns = _columns(found)
        scan = IcebergScan(found.metadata_location, found.snapshot_id, found.location, past=version is not None)
        dataset = named.name.partition("@")[0]
        return Relation(catalog, named.namespace, named.name, columns, scan, dataset, found.past_names)

    async def _metadata_table(
        self,
        view: View,
        catalog: str,
        schema: str,
        table: str,
        kind: str,
        version: Version | None,
        principal: Principal,
    ) -> Relation | None:
        named = await self._catalog.spelled(view, TableRef(self._warehouse, schema, table))
        if named is None:
            return None
        chosen = await self._snapshot(view, named, version)
        base = await self._describe(view, named, chosen)
        found = await self._tables.read(view, named, kind, chosen, types.from_iceberg)
        literal = literals.rows(found.columns, found.rows)
        if len(literal) > _MOST_BYTES:
            raise fail(
                "query.unsupported",
                f"{kind} of {named} has {len(found.rows):,} rows: too many to show by SQL",
                hint="ask for partitions or manifests, or read it with an Iceberg client",
            )
        columns = tuple(Column(name, type_) for name, type_ in found.columns)
        scan = RowsScan(literal, _columns(base) if base is not None else ())
        dataset, past = named.name.partition("@")[0], base.past_names if base is not None else ()
        return Relation(catalog, named.namespace, f"{named.name}${kind}", columns, scan, dataset, past)

    async def _snapshot(self, view: View, named: TableRef, version: Version | None) -> int | str | None:
        if version is None:
            return None
        if version.timestamp_us is not None:
            return await self._catalog.snapshot_at(view, named, version.timestamp_us)
        return version.snapshot_id or version.reference

    def forget(self, catalog: str) -> None:
        """Nothing is remembered: the catalog is ours."""

    async def _describe(self, view: View, named: TableRef, snapshot: int | str | None) -> TableInfo | None:
        try:
            return await self._catalog.describe_table(view, named.warehouse, named.namespace, named.name, snapshot)
        except DataOSError as error:
            code = error.problem.code
            if code.startswith("iceberg.not_found") and not code.endswith("snapshot"):
                return None
            raise


def _columns(table: TableInfo) -> tuple[Column, ...]:
    return tuple(Column(c.name, types.from_iceberg(c.type), not c.required, c.doc) for c in table.columns)
