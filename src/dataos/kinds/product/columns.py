"""What the platform knows of a dataset's shape: of a lakehouse table from the catalog, else as jobs left it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.governance.decisions import DecisionPoint
from dataos.governance.knowing import Sight
from dataos.governance.principals import Principal
from dataos.lakehouse.descriptions import TableInfo
from dataos.lakehouse.views import PUBLISHED, View
from dataos.metadata import sighting
from dataos.store import tables
from dataos.store.database import Store


class Described(Protocol):
    """Of the catalog."""

    async def describe_table(
        self, view: View, warehouse: str, namespace: str, table: str, snapshot: int | str | None = None
    ) -> TableInfo: ...


Columns = Callable[[Udl], Awaitable[list[dict[str, str]]]]
"""Columns of a dataset: [{name, type, description}], in order; none if nothing is known."""


@dataclass(frozen=True)
class Shape:
    """`columns`: [{name, type, description}], in order; empty if nothing is known. `rows`: how many there are now, if
    the catalog knows it for certain."""

    columns: list[dict[str, str]]
    rows: int | None = None


class DatasetColumns:
    """Looks them up; no source is asked."""

    def __init__(self, store: Store, depots: Depots, catalog: Described, point: DecisionPoint) -> None:
        self._store = store
        self._point = point
        self._depots = depots
        self._catalog = catalog

    def seen_by(self, principal: Principal) -> Columns:
        """The columns of datasets as somebody may know them: those that are not denied, of what he may know of."""

        async def columns(udl: Udl) -> list[dict[str, str]]:
            address = str(udl)

            def look(connection: sa.Connection) -> Sight | None:
                policies = self._point.now(connection)
                if sighting.unknown(connection, policies, principal, [address]):
                    return None
                return sighting.sights(connection, policies, principal, [address])[address]

            sight = await self._store.read(look)
            if sight is None:
                return []
            return [c for c in (await self.shape(udl)).columns if not sight.denied(c["name"])]

        return columns

    async def shape(self, udl: Udl) -> Shape:
        """What is known now."""
        known = await self._store.read(_kept, str(udl))
        if not udl.collection or not udl.dataset:
            return Shape(known)
        try:
            entry = await self._depots.get(udl.depot)
            if entry.type != "ICEBERG":
                return Shape(known)
            found = await self._catalog.describe_table(PUBLISHED, warehouse(entry), udl.collection, udl.dataset)
        except DataOSError:
            return Shape(known)
        texts = {c["name"].lower(): c["description"] for c in known}
        columns = [
            {"name": c.name, "type": str(c.type), "description": texts.get(c.name.lower(), "")} for c in found.columns
        ]
        return Shape(columns, found.row_count)


def _kept(connection: sa.Connection, address: str) -> list[dict[str, str]]:
    d = tables.datasets
    rows: list[dict[str, Any]] = connection.execute(sa.select(d.c.columns).where(d.c.address == address)).scalar() or []
    return [{key: str(row.get(key) or "") for key in ("name", "type", "description")} for row in rows]
