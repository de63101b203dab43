"""Addresses of the web. Nothing can be listed there; `check` asks the base address itself."""

from __future__ import annotations

from collections.abc import Mapping

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots import databases, paths, web
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry
from dataos.manifest import depot_types


class HttpAdapter:
    """HTTP depots. A secret logs in by `username` and `password`, or by `token` as a bearer."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        where = entry.location
        user, token = databases.pick(credentials, "username"), databases.pick(credentials, "token")
        headers = {str(k): str(v) for k, v in dict(where.get("headers") or {}).items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            await web.get(
                entry,
                "HTTP",
                [str(where["baseUrl"])],
                "",
                timeout_s=timeout_s,
                login=(user, databases.pick(credentials, "password") or "") if user is not None else None,
                headers=headers,
                params={str(k): str(v) for k, v in dict(where.get("queryParams") or {}).items()},
                ca_pem=databases.pick(credentials, "ca_file"),
            )
        except DataOSError as error:
            if error.problem.code != "depot.path":  # a base address may have no page of its own
                raise

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        raise self._no_list(entry)

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        raise self._no_list(entry)

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        raise self._no_list(entry)

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        path = paths.relative(udl.collection, udl.dataset)
        return str(entry.location["baseUrl"]).rstrip("/") + (f"/{path}" if path else "")

    def _no_list(self, entry: DepotEntry) -> DataOSError:
        return DataOSError(depot_types.refusal(depot_types.DEPOT_TYPES["HTTP"], "list", entry.name))
