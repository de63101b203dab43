"""Addresses of datasets -> tables of the lakehouse (ch06 3.1)."""

from __future__ import annotations

import re

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.lakehouse import namespaces
from dataos.lakehouse.views import TableRef

_WITHOUT_DEPOT = re.compile(r"dataos://(?P<collection>[A-Za-z0-9_$.-]+)/(?P<dataset>[^?/:]+)(?:\?.*)?")


class DatasetAddresses:
    """Finds the Lakehouse that an address means. Raises DataOSError `manifest.address`, `depot.not_found`,
    `dataset.depot`."""

    def __init__(self, depots: Depots) -> None:
        self._depots = depots

    async def table(self, address: str) -> TableRef:
        """`dataos://depot:collection/dataset`, or without the depot where there is one Lakehouse only."""
        bare = _WITHOUT_DEPOT.fullmatch(address.strip())
        if bare is not None:
            lone = await self._only(address)
            return TableRef(warehouse(lone), bare["collection"], bare["dataset"])
        udl = Udl.parse(address)
        if udl.collection is None or not udl.dataset or "/" in udl.dataset:
            raise fail(
                "manifest.address",
                f"{address} names no dataset",
                hint=f"dataos://{udl.depot}:{udl.collection or '[collection]'}/[dataset]",
            )
        namespaces.check(udl.dataset, "table")
        return TableRef(warehouse(await self._lakehouse(udl.depot)), udl.collection, udl.dataset)

    async def collection(self, address: str) -> tuple[str, str | None]:
        """`dataos://depot[:collection]` -> warehouse and collection."""
        udl = Udl.parse(address)
        if udl.dataset:
            raise fail(
                "manifest.address",
                f"{address} names a dataset; a list is of a collection",
                hint=f"dataos://{udl.depot}:{udl.collection}",
            )
        return warehouse(await self._lakehouse(udl.depot)), udl.collection

    async def _lakehouse(self, name: str) -> DepotEntry:
        try:
            entry = await self._depots.get(name)
        except DataOSError as error:
            known = [d.name for d in await self._lakehouses()]
            hint = names.did_you_mean(name, known) or error.problem.hint
            raise fail("depot.not_found", f"there is no depot '{name}'", hint=hint) from error
        if entry.type != "ICEBERG":
            known = [d.name for d in await self._lakehouses()]
            raise fail(
                "dataset.depot",
                f"depot '{name}' is of type {entry.type}: datasets are managed in Lakehouses",
                hint="Lakehouses: " + (", ".join(known) or "none"),
            )
        return entry

    async def _lakehouses(self) -> list[DepotEntry]:
        return [d for d in await self._depots.list() if d.type == "ICEBERG"]

    async def _only(self, address: str) -> DepotEntry:
        known = await self._lakehouses()
        if len(known) != 1:
            raise fail(
                "manifest.address",
                f"{address} names no depot, and there is not exactly one Lakehouse",
                hint="Lakehouses: " + (", ".join(d.name for d in known) or "none"),
            )
        return known[0]
