"""Catalogs of another Presto or Trino cluster, through the trino client. A collection is a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class PrestoAdapter(DatabaseAdapter):
    """PRESTO depots. With a password TLS is used, as the protocol demands."""

    title = "Trino"
    module = "trino.dbapi"
    extra = "trino"
    collections = "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'information_schema'"
    datasets = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
    columns = (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
    )

    def database(self, entry: DepotEntry) -> str:
        return str(entry.location["catalog"])

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets, but the login."""
        params = {str(k).lower(): str(v).lower() for k, v in dict(entry.location.get("params") or {}).items()}
        tls = databases.pick(credentials, "password") is not None or params.get("ssl") == "true"
        return {
            "host": str(entry.location["host"]),
            "port": int(entry.location["port"]),
            "catalog": self.database(entry),
            "schema": entry.location.get("schema"),
            "user": databases.pick(credentials, "username") or "dataos",
            "http_scheme": "https" if tls else "http",
            "request_timeout": timeout_s,
            "max_attempts": 2,
            "source": "dataos",
        }

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        settings = self.settings(entry, credentials, timeout_s)
        password = databases.pick(credentials, "password")
        if password is not None:
            auth = databases.driver("trino.auth", self.extra, entry)
            settings["auth"] = auth.BasicAuthentication(settings["user"], password)
        return driver.connect(**settings)
