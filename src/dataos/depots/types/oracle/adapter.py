"""Oracle through python-oracledb in its thin mode (no client libraries). A collection is a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class OracleAdapter(DatabaseAdapter):
    """ORACLE depots, and JDBC ones with subprotocol oracle:thin (`database` is the service)."""

    title = "Oracle"
    module = "oracledb"
    extra = "oracle"
    collections = (
        "SELECT DISTINCT owner FROM all_tables "
        "WHERE owner NOT IN (SELECT username FROM all_users WHERE oracle_maintained = 'Y')"
    )
    datasets = (
        "SELECT table_name FROM all_tables WHERE owner = :1 UNION SELECT view_name FROM all_views WHERE owner = :1"
    )
    columns = (
        "SELECT column_name, data_type, nullable FROM all_tab_columns WHERE owner = :1 AND table_name = :2 "
        "ORDER BY column_id"
    )
    probe = "SELECT 1 FROM dual"

    def database(self, entry: DepotEntry) -> str:
        return str(entry.location.get("service") or entry.location.get("database") or "")

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets. `params.protocol: tcps` asks for TLS."""
        user, password = databases.login(entry, credentials)
        params = {str(k).lower(): str(v).lower() for k, v in dict(entry.location.get("params") or {}).items()}
        return {
            "user": user,
            "password": password,
            "host": str(entry.location["host"]),
            "port": int(entry.location["port"]),
            "service_name": self.database(entry),
            "protocol": "tcps" if params.get("protocol") == "tcps" else "tcp",
            "tcp_connect_timeout": timeout_s,
            "retry_count": 0,
        }

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        connection = driver.connect(**self.settings(entry, credentials, timeout_s))
        connection.call_timeout = int(timeout_s * 3000)
        return connection
