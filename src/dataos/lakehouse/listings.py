"""Names of a warehouse for somebody: those of which he may know, as `SHOW SCHEMAS` and `SHOW TABLES` tell them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataos.governance.principals import Principal
from dataos.lakehouse import namespaces, rows
from dataos.lakehouse.access import Sight
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import View


class Listings:
    """What a principal may know of. Stateless."""

    def __init__(self, catalog: Catalog, sight: Sight) -> None:
        self._catalog = catalog
        self._sight = sight

    async def namespaces(self, principal: Principal, view: View, warehouse: str) -> list[str]:
        """Texts of namespaces, sorted: those that are his as a whole, and those in which he may know of a table."""
        found = await self._catalog.list_namespaces(view, warehouse)
        return await self._known(principal, view, warehouse, found)

    async def top(self, principal: Principal, view: View, warehouse: str) -> list[str]:
        """Their first levels."""
        return _levels(await self.namespaces(principal, view, warehouse), 1)

    async def children(self, principal: Principal, view: View, warehouse: str, parent: str) -> list[str]:
        """Those right below one. Raises DataOSError `iceberg.not_found.namespace`."""
        await self._catalog.list_namespaces(view, warehouse, parent)
        known = await self.namespaces(principal, view, warehouse)
        below = (name for name in known if name.startswith(parent + "."))
        return _levels(below, len(namespaces.split(parent)) + 1)

    async def shown(self, principal: Principal, warehouse: str, namespace: str, names: Sequence[str]) -> list[str]:
        """Those of the names in a namespace of which he may know."""
        known = await self._sight.known(principal, warehouse, [(namespace, name) for name in names])
        return [name for name, open_ in zip(names, known, strict=True) if open_]

    async def properties(
        self, principal: Principal, view: View, warehouse: str, namespace: str, properties: dict[str, str]
    ) -> dict[str, str]:
        """A namespace's properties: none for whom there is nothing in it, no `location` for who makes nothing there."""
        if await self._sight.makes(principal, warehouse, namespace):
            return properties
        if not await self._known(principal, view, warehouse, [namespace]):
            return {}
        return {key: value for key, value in properties.items() if key != "location"}

    async def _known(self, principal: Principal, view: View, warehouse: str, found: Sequence[str]) -> list[str]:
        whole = await self._sight.known(principal, warehouse, [(name, "") for name in found])
        known = {name for name, open_ in zip(found, whole, strict=True) if open_}
        if len(known) < len(found):
            only = found[0] if len(found) == 1 else None
            every = await self._catalog.store.read(rows.names, view, warehouse, only)
            closed = [pair for pair in every if pair[0] not in known]
            open_ = await self._sight.known(principal, warehouse, closed)
            known |= {namespace for (namespace, _), is_open in zip(closed, open_, strict=True) if is_open}
        return [name for name in found if name in known]


def _levels(names: Iterable[str], depth: int) -> list[str]:
    return sorted({namespaces.join(namespaces.split(name)[:depth]) for name in names})
