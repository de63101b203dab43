"""Tables of a Lakehouse, from our own catalog: the metadata file and snapshot of this very moment."""

from __future__ import annotations

from dataos.core.errors import DataOSError
from dataos.gateway import types
from dataos.gateway.relations import Column, IcebergScan, Relation, Version
from dataos.governance.principals import Principal
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.descriptions import TableInfo
from dataos.lakehouse.views import PUBLISHED, AttemptView, View


class LakehouseProvider:
    """One warehouse. A job's token sees its own run's held commits (architecture 4: run transactions)."""

    def __init__(self, catalog: Catalog, warehouse: str) -> None:
        self._catalog = catalog
        self._warehouse = warehouse

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        return await self._catalog.list_namespaces(_view(principal), self._warehouse)

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        namespace = await self._spelled(await self.schemas(catalog, principal), schema)
        return await self._catalog.list_tables(_view(principal), self._warehouse, namespace) if namespace else []

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        view = _view(principal)
        snapshot = None if version is None else (version.snapshot_id or version.reference)
        found = await self._describe(view, schema, table, snapshot)
        if found is None:
            namespace = await self._spelled(await self.schemas(catalog, principal), schema)
            if namespace is None:
                return None
            tables = await self._catalog.list_tables(view, self._warehouse, namespace)
            name = await self._spelled(tables, table)
            found = await self._describe(view, namespace, name, snapshot) if name else None
            if found is None or name is None:
                return None
            schema, table = namespace, name
        columns = tuple(Column(c.name, types.from_iceberg(c.type), not c.required, c.doc) for c in found.columns)
        scan = IcebergScan(found.metadata_location, found.snapshot_id, found.location)
        return Relation(catalog, schema, table, columns, scan)

    def forget(self, catalog: str) -> None:
        """Nothing is remembered: the catalog is ours."""

    async def _describe(self, view: View, schema: str, table: str, snapshot: int | str | None) -> TableInfo | None:
        try:
            return await self._catalog.describe_table(view, self._warehouse, schema, table, snapshot)
        except DataOSError as error:
            code = error.problem.code
            if code.startswith("iceberg.not_found") and not code.endswith("snapshot"):
                return None
            raise

    async def _spelled(self, known: list[str], wanted: str) -> str | None:
        """The name as it is spelled in the catalog, if exactly one matches in any letter case."""
        matching = [k for k in known if k.lower() == wanted.lower()]
        return matching[0] if len(matching) == 1 else None


def _view(principal: Principal) -> View:
    return AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED
