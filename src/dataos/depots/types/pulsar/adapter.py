"""Pulsar by its admin service: a collection is a namespace of the tenant, a dataset a topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots import connections, databases, web
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry


class PulsarAdapter:
    """PULSAR depots. A secret logs in by `token` as a bearer, or by `username` and `password`."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._get(entry, credentials, f"/admin/v2/namespaces/{self._tenant(entry)}", timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        path = f"/admin/v2/namespaces/{self._tenant(entry)}"
        found = await self._get(entry, credentials, path, self._timeout_s)
        return sorted(str(name).rpartition("/")[2] for name in found or [])

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        place = f"/admin/v2/persistent/{self._tenant(entry)}/{quote(collection, safe='')}"
        plain = await self._get(entry, credentials, place, self._timeout_s)
        parted = await self._get(entry, credentials, f"{place}/partitioned", self._timeout_s)
        topics = {str(t).rpartition("/")[2] for t in [*(plain or []), *(parted or [])]}
        return sorted({t.rpartition("-partition-")[0] or t if "-partition-" in t else t for t in topics})

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        known = await self.list_datasets(entry, credentials, collection)
        if dataset not in known:
            text = f"depot '{entry.name}' has no topic '{collection}/{dataset}' that its user may see"
            raise fail("depot.dataset_not_found", text, hint=names.did_you_mean(dataset, known))
        return [
            ColumnDescription("value", "binary", True),
            ColumnDescription("__key", "string", True),
            ColumnDescription("__topic", "string", False),
            ColumnDescription("__messageId", "binary", False),
            ColumnDescription("__publishTime", "timestamp", False),
            ColumnDescription("__eventTime", "timestamp", True),
            ColumnDescription("__messageProperties", "map<string,string>", True),
        ]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        made = connections.connection(entry, udl)
        return f"{made['serviceUrl']} {made['topic'] or made['tenant']}"

    def _tenant(self, entry: DepotEntry) -> str:
        return quote(str(entry.location["tenant"]), safe="")

    async def _get(self, entry: DepotEntry, credentials: Mapping[str, str], path: str, timeout_s: float) -> Any:
        user, token = databases.pick(credentials, "username"), databases.pick(credentials, "token")
        return await web.get(
            entry,
            "Pulsar",
            [str(entry.location["adminUrl"])],
            path,
            timeout_s=timeout_s,
            login=(user, databases.pick(credentials, "password") or "") if user is not None else None,
            headers={"Authorization": f"Bearer {token}"} if token is not None else None,
            ca_pem=databases.pick(credentials, "ca_file"),
        )
