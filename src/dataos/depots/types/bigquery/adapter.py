"""BigQuery through Google's client. A collection is a dataset of the project, a dataset one of its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry


class BigqueryAdapter:
    """BIGQUERY depots."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._ask(entry, credentials, lambda c, t: list(c.list_datasets(max_results=1, timeout=t)), timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        found = await self._ask(entry, credentials, lambda c, t: list(c.list_datasets(timeout=t)), self._timeout_s)
        return sorted(d.dataset_id for d in found)

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        found = await self._ask(
            entry, credentials, lambda c, t: list(c.list_tables(collection, timeout=t)), self._timeout_s
        )
        return sorted(table.table_id for table in found)

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        table = await self._ask(
            entry, credentials, lambda c, t: c.get_table(f"{collection}.{dataset}", timeout=t), self._timeout_s
        )
        return [
            ColumnDescription(f.name, f"ARRAY<{f.field_type}>" if f.mode == "REPEATED" else f.field_type, f.is_nullable)
            for f in table.schema
        ]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        parts = (entry.location.get("project") or "", udl.collection, udl.dataset)
        return "bigquery://" + ".".join(str(p) for p in parts if p)

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
        """Project, and the service account's key. Raises DataOSError `depot.credentials`."""
        text = databases.pick(credentials, "json_keyfile", "gcskey_json")
        try:
            key: Any = json.loads(text or "")
        except ValueError:
            key = None
        if not isinstance(key, dict) or "private_key" not in key:
            raise fail(
                "depot.credentials",
                f"depot '{entry.name}': `json_keyfile` of its secret is no JSON key of a service account",
                hint="give the file's content: `files: {json_keyfile: path/to/key.json}`",
            )
        project = entry.location.get("project") or databases.pick(credentials, "projectid") or key.get("project_id")
        return project, key

    async def _ask(self, entry: DepotEntry, credentials: Mapping[str, str], work: Any, timeout_s: float) -> Any:
        def call() -> Any:
            bigquery = databases.driver("google.cloud.bigquery", "bigquery", entry)
            project, key = self.settings(entry, credentials)
            try:
                client = bigquery.Client.from_service_account_info(key, project=project)
                try:
                    return work(client, timeout_s)
                finally:
                    client.close()
            except Exception as error:  # noqa: BLE001 - Google's clients raise many; their text holds requests
                raise _problem(entry, str(project), error, timeout_s) from None

        return await self._calls.run(entry.name, call, timeout_s * 4)


def _problem(entry: DepotEntry, project: str, error: BaseException, timeout_s: float) -> DataOSError:
    code = getattr(error, "code", None)
    if code == 404:
        return fail("depot.dataset_not_found", f"depot '{entry.name}' has nothing of that name in project {project}")
    if isinstance(error, ValueError):
        text = f"depot '{entry.name}': the key of its secret cannot be read"
        return fail("depot.credentials", text, hint="is it complete, with its line breaks?")
    return databases.usual_problem(entry, "BigQuery", f"project {project}", project, error, timeout_s)
