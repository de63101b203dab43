"""A Lakehouse's own depot. All answers come from the lakehouse room through `LakehouseListing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry, LakehouseListing


class IcebergAdapter:
    """Needs no credentials: the catalog is ours. What opens a bucket with the files is used by the resolver."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._lakehouse(entry).list_namespaces(warehouse(entry))

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return sorted(await self._lakehouse(entry).list_namespaces(warehouse(entry)))

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        return sorted(await self._lakehouse(entry).list_tables(warehouse(entry), collection))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        return await self._lakehouse(entry).describe(warehouse(entry), collection, dataset)

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return await self._lakehouse(entry).location(warehouse(entry), udl.collection, udl.dataset)

    def _lakehouse(self, entry: DepotEntry) -> LakehouseListing:
        if self._context.lakehouse is None:
            raise fail(
                "depot.unreachable",
                f"depot '{entry.name}' belongs to a Lakehouse, and no lakehouse catalog runs here",
                hint="start the server with its lakehouse",
            )
        return self._context.lakehouse


def storage(entry: DepotEntry) -> DepotEntry | None:
    """The bucket that holds the files, as a depot of its type; None if they lie in a folder of the server."""
    place = entry.location.get("s3")
    return replace(entry, type="S3", location=place) if place else None


def warehouse(entry: DepotEntry) -> str:
    """The name of the warehouse that an ICEBERG depot stands for."""
    return str(entry.location.get("warehouse") or entry.name)
