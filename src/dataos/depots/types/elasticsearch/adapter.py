"""Elasticsearch and OpenSearch by their HTTP interface. One collection, `default`; a dataset is an index.

A node without a scheme is asked by https where the depot has credentials (or `params.ssl: true`), else by http.
`params.verify: false` leaves certificates unchecked; `ca_file` of the secret is the authority to trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases, web
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry


class SearchAdapter:
    """ELASTICSEARCH and OPENSEARCH depots."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._get(entry, credentials, "/", timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return ["default"]

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        if collection not in ("default", "none"):
            return []
        found = await self._get(entry, credentials, "/_cat/indices?format=json&h=index", self._timeout_s)
        return sorted(i["index"] for i in found or [] if not str(i["index"]).startswith("."))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        known = await self.list_datasets(entry, credentials, collection)
        if dataset not in known:
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no index '{dataset}' that its user may read",
                hint=names.did_you_mean(dataset, known),
            )
        try:
            found: dict[str, Any] = await self._get(entry, credentials, f"/{dataset}/_mapping", self._timeout_s) or {}
        except DataOSError as error:
            if error.problem.code == "depot.path":
                raise fail("depot.dataset_not_found", f"depot '{entry.name}': index '{dataset}' is gone") from None
            raise
        mappings = next(iter(found.values()), {}).get("mappings") or {}
        return list(_fields(mappings.get("properties") or {}, ""))

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return ",".join(entry.location["nodes"]) + (f" index {udl.dataset}" if udl.dataset else "")

    async def _get(self, entry: DepotEntry, credentials: Mapping[str, str], path: str, timeout_s: float) -> Any:
        params = {str(k).lower(): v for k, v in dict(entry.location.get("params") or {}).items()}
        user, password = databases.pick(credentials, "username"), databases.pick(credentials, "password")
        tls = web.is_true(params["ssl"]) if "ssl" in params else user is not None
        return await web.get(
            entry,
            entry.type.title(),
            web.addresses(entry.location["nodes"], tls=tls),
            path,
            timeout_s=timeout_s,
            login=(user, password or "") if user is not None else None,
            ca_pem=databases.pick(credentials, "ca_file"),
            verify=web.is_true(params.get("verify", "true")),
        )


def _fields(properties: Mapping[str, Any], above: str) -> Any:
    for name, body in properties.items():
        inner = body.get("properties")
        if inner:
            yield from _fields(inner, f"{above}{name}.")
        else:
            yield ColumnDescription(f"{above}{name}", str(body.get("type") or "object"), True)
