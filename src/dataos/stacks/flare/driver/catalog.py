"""The Iceberg REST catalog, as much of it as a job needs: look at a table, make one, change its partition spec.

Plain JSON over HTTP: PyIceberg would cost a third of a second at each start and is not needed for this. The SDK's
client is of no use here, because the protocol has an error form of its own.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from dataos.core.errors import DataOSError, fail
from dataos.core.secrecy import Secret

_SEPARATOR = "\x1f"
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Table:
    """A table as this attempt sees it: the metadata of the Iceberg specification."""

    metadata: Mapping[str, Any]

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Columns of the current schema, in order."""
        current = self.metadata["current-schema-id"]
        return next(s["fields"] for s in self.metadata["schemas"] if s["schema-id"] == current)

    @property
    def spec(self) -> list[dict[str, Any]]:
        """Fields of the current partition spec."""
        current = self.metadata["default-spec-id"]
        return next(s["fields"] for s in self.metadata["partition-specs"] if s["spec-id"] == current)

    @property
    def sort_order(self) -> list[dict[str, Any]]:
        """Fields of the current sort order."""
        current = self.metadata.get("default-sort-order-id", 0)
        orders = self.metadata.get("sort-orders", [])
        return next((o["fields"] for o in orders if o["order-id"] == current), [])

    @property
    def snapshot(self) -> dict[str, Any] | None:
        """The current snapshot, or None for a table that never held one."""
        current = self.metadata.get("current-snapshot-id")
        return next((s for s in self.metadata.get("snapshots", []) if s["snapshot-id"] == current), None)

    @property
    def branches(self) -> list[str]:
        """Names of all branches and tags."""
        return list(self.metadata.get("refs", {}))

    def branch(self, name: str) -> dict[str, Any] | None:
        """The snapshot at the head of a branch (or under a tag), or None."""
        if name == "main":
            return self.snapshot
        wanted = self.metadata.get("refs", {}).get(name, {}).get("snapshot-id")
        return next((s for s in self.metadata.get("snapshots", []) if s["snapshot-id"] == wanted), None)


def has_vectors(table: Table, snapshot: Mapping[str, Any] | None) -> bool:
    """May rows of a snapshot be deleted by deletion vectors (format version 3)? Yes where its summary does not tell."""
    if snapshot is None or int(table.metadata.get("format-version", 1)) < 3:
        return False
    return snapshot.get("summary", {}).get("total-delete-files") != "0"


def rows_of(snapshot: Mapping[str, Any] | None) -> int | None:
    """Rows of a snapshot, where its summary tells them for certain; 0 for none."""
    if snapshot is None:
        return 0
    summary = snapshot.get("summary", {})
    if int(summary.get("total-delete-files", 0) or 0):
        return None
    total = summary.get("total-records")
    return int(total) if total is not None else None


class Catalog:
    """The tables of all warehouses, through the server's REST catalog."""

    def __init__(self, server: str, token: Secret) -> None:
        self._server = server
        self._token = token

    def access(self, warehouse: str) -> dict[str, str]:
        """How its files are reached if they lie in a bucket: Iceberg's `s3.*` properties; empty for a folder's. Raises
        DataOSError as `find`."""
        body = self._call("GET", f"/iceberg/v1/config?warehouse={quote(warehouse, safe='')}")
        return {key: value for key, value in body["defaults"].items() if key.startswith("s3.")}

    def find(self, warehouse: str, namespace: Sequence[str], table: str) -> Table | None:
        """The table, or None. Raises DataOSError `iceberg.*`, `auth.*`, `server.*`."""
        try:
            body = self._call("GET", self._path(warehouse, namespace, table))
        except DataOSError as error:
            if error.problem.code.startswith("iceberg.not_found"):
                return None
            raise
        return Table(body["metadata"])

    def open(self, warehouse: str, namespace: Sequence[str], table: str) -> Any:
        """The table as PyIceberg's, which reads files and manifests; imported only here."""
        from pyiceberg.catalog import load_catalog

        known = load_catalog(
            "dataos", type="rest", uri=f"{self._server}/iceberg", warehouse=warehouse, token=self._token.reveal()
        )
        return known.load_table((*namespace, table))

    def create(
        self,
        warehouse: str,
        namespace: Sequence[str],
        table: str,
        fields: Sequence[Mapping[str, Any]],
        spec: Sequence[Mapping[str, Any]],
        order: Sequence[Mapping[str, Any]],
        properties: Mapping[str, str],
    ) -> Table:
        """Make a table, and its namespace if need be."""
        self._ensure_namespace(warehouse, namespace)
        body: dict[str, Any] = {
            "name": table,
            "schema": {"type": "struct", "schema-id": 0, "fields": list(fields)},
            "partition-spec": {"spec-id": 0, "fields": list(spec)},
            "properties": dict(properties),
        }
        if order:
            body["write-order"] = {"order-id": 1, "fields": list(order)}
        path = f"/iceberg/v1/{quote(warehouse)}/namespaces/{_levels(namespace)}/tables"
        return Table(self._call("POST", path, body)["metadata"])

    def change(
        self,
        warehouse: str,
        namespace: Sequence[str],
        name: str,
        table: Table,
        updates: Sequence[Mapping[str, Any]],
        requirements: Sequence[Mapping[str, Any]] = (),
    ) -> Table:
        """Commit metadata changes on the table as it was seen. `requirements`: what must hold besides."""
        body = {
            "identifier": {"namespace": list(namespace), "name": name},
            "requirements": [
                {"type": "assert-table-uuid", "uuid": table.metadata["table-uuid"]},
                {"type": "assert-default-spec-id", "default-spec-id": table.metadata["default-spec-id"]},
                *requirements,
            ],
            "updates": list(updates),
        }
        return Table(self._call("POST", self._path(warehouse, namespace, name), body)["metadata"])

    def _ensure_namespace(self, warehouse: str, namespace: Sequence[str]) -> None:
        path = f"/iceberg/v1/{quote(warehouse)}/namespaces"
        try:
            self._call("POST", path, {"namespace": list(namespace), "properties": {}})
        except DataOSError as error:
            if not error.problem.code.startswith("iceberg.exists"):
                raise

    def _path(self, warehouse: str, namespace: Sequence[str], table: str) -> str:
        return f"/iceberg/v1/{quote(warehouse)}/namespaces/{_levels(namespace)}/tables/{quote(table, safe='')}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        target = urlsplit(self._server)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise fail("server.unreachable", f"the catalog does not answer: {error}", retry=5.0) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise _failure(answer.status, raw)
        return json.loads(raw) if raw else None


def _levels(namespace: Sequence[str]) -> str:
    return quote(_SEPARATOR.join(namespace), safe="")


def _failure(status: int, raw: bytes) -> DataOSError:
    """The catalog's own problem out of Iceberg's error form."""
    try:
        error = json.loads(raw)["error"]
        code, message = str(error.get("dataos-code") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError):
        code, message = "", raw[:200].decode("utf-8", "replace")
    code = code or {404: "iceberg.not_found", 409: "iceberg.conflict"}.get(status, "server.internal")
    return fail(code, message, retry=5.0 if status == 503 or code.startswith("iceberg.conflict") else None)
