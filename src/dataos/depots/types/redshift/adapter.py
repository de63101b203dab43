"""Redshift through its own driver. A collection is a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class RedshiftAdapter(DatabaseAdapter):
    """REDSHIFT depots, and JDBC ones with subprotocol redshift."""

    title = "Redshift"
    module = "redshift_connector"
    extra = "redshift"
    collections = (
        "SELECT schema_name FROM svv_all_schemas WHERE database_name = current_database() "
        "AND schema_name NOT IN ('information_schema', 'pg_internal') AND schema_name NOT LIKE 'pg\\_%%'"
    )
    datasets = "SELECT table_name FROM svv_tables WHERE table_schema = %s"
    columns = (
        "SELECT column_name, data_type, is_nullable FROM svv_columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    )

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets."""
        user, password = databases.login(entry, credentials)
        params = {str(k).lower(): str(v) for k, v in dict(entry.location.get("params") or {}).items()}
        wanted = params.get("sslmode", "verify-ca")
        return {
            "host": str(entry.location["host"]),
            "port": int(entry.location["port"]),
            "database": self.database(entry),
            "user": user,
            "password": password,
            "timeout": max(1, round(timeout_s * 3)),
            "ssl": wanted != "disable",
            "sslmode": wanted if wanted in ("verify-ca", "verify-full") else "verify-ca",
            "application_name": "dataos",
        }

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        return driver.connect(**self.settings(entry, credentials, timeout_s))
