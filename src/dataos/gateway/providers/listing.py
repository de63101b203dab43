"""What providers of depots share: the names that a depot has, in any letter case."""

from __future__ import annotations

from dataos.core.names import as_spelled
from dataos.depots.resolver import Depots
from dataos.governance.principals import Principal


class DepotListing:
    """Schemas and tables of depots, as their adapters list them. The catalog's name is the depot's."""

    def __init__(self, depots: Depots) -> None:
        self._depots = depots

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        entry = await self._depots.get(catalog)
        return await self._depots.adapter(entry).list_collections(entry, await self._depots.credentials(catalog))

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        namespace = as_spelled(await self.schemas(catalog, principal), schema)
        return await self._datasets(catalog, namespace) if namespace is not None else []

    async def find(self, catalog: str, schema: str, table: str, principal: Principal) -> tuple[str, str] | None:
        """Schema and table as the depot spells them; None if it has none of these names, or several."""
        namespace = as_spelled(await self.schemas(catalog, principal), schema)
        if namespace is None:
            return None
        name = as_spelled(await self._datasets(catalog, namespace), table)
        return (namespace, name) if name is not None else None

    async def _datasets(self, catalog: str, namespace: str) -> list[str]:
        entry = await self._depots.get(catalog)
        secret = await self._depots.credentials(catalog)
        return await self._depots.adapter(entry).list_datasets(entry, secret, namespace)
