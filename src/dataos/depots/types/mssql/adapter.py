"""SQL Server and Azure SQL through pymssql. A collection is a schema (`dbo`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class MssqlAdapter(DatabaseAdapter):
    """MSSQL depots, and JDBC ones with subprotocol sqlserver."""

    title = "SQL Server"
    module = "pymssql"
    extra = "mssql"
    collections = (
        "SELECT name FROM sys.schemas WHERE schema_id < 16384 AND name NOT IN ('sys', 'INFORMATION_SCHEMA', 'guest')"
    )
    datasets = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
    columns = (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    )

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets. `params.encrypt: false` allows a connection without TLS."""
        user, password = databases.login(entry, credentials)
        params = {str(k).lower(): str(v).lower() for k, v in dict(entry.location.get("params") or {}).items()}
        return {
            "server": str(entry.location["host"]),
            "port": str(entry.location["port"]),
            "user": user,
            "password": password,
            "database": self.database(entry),
            "login_timeout": max(1, round(timeout_s)),
            "timeout": max(1, round(timeout_s * 3)),
            "appname": "dataos",
            "encryption": "request" if params.get("encrypt") == "false" else "require",
            "read_only": True,
        }

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        return driver.connect(**self.settings(entry, credentials, timeout_s))
