"""Published tables as the ICEBERG depot type lists them (`depots.ports.LakehouseListing`)."""

from __future__ import annotations

from dataos.core.errors import fail
from dataos.depots.ports import ColumnDescription
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import PUBLISHED, TableRef


class Listing:
    """The catalog, seen as a depot."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list_namespaces(self, warehouse: str) -> list[str]:
        """Namespaces of a warehouse. Raises DataOSError `iceberg.not_found.warehouse`."""
        return await self._catalog.list_namespaces(PUBLISHED, warehouse)

    async def list_tables(self, warehouse: str, namespace: str) -> list[str]:
        """Published tables of a namespace."""
        return await self._catalog.list_tables(PUBLISHED, warehouse, namespace)

    async def describe(self, warehouse: str, namespace: str, table: str) -> list[ColumnDescription]:
        """Columns with their Iceberg types."""
        info = await self._catalog.describe_table(PUBLISHED, warehouse, namespace, table)
        return [ColumnDescription(c.name, c.type, not c.required) for c in info.columns]

    async def location(self, warehouse: str, namespace: str | None, table: str | None) -> str:
        """The folder of a warehouse, namespace or table."""
        if namespace is None:
            return (await self._catalog.load_warehouse(warehouse)).location
        if table is None:
            properties = await self._catalog.load_namespace(PUBLISHED, warehouse, namespace)
            return properties["location"]
        ref = TableRef(warehouse, namespace, table)
        found = await self._catalog.locations(PUBLISHED, [ref])
        if ref not in found:
            raise fail("iceberg.not_found.table", f"table `{ref}` does not exist")
        return found[ref]
