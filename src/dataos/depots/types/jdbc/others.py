"""Databases that are depots of type JDBC only: Databricks and Db2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.core.errors import fail
from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class DatabricksAdapter(DatabaseAdapter):
    """Subprotocol databricks-jdbc: `params.httpPath` names the warehouse, the secret has `token`."""

    title = "Databricks"
    module = "databricks.sql"
    extra = "databricks"
    collections = "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'information_schema'"
    datasets = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
    columns = (
        "SELECT column_name, full_data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
    )

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets."""
        params = {str(k).lower(): str(v) for k, v in dict(entry.location.get("params") or {}).items()}
        token = databases.pick(credentials, "token", "password")
        if token is None:
            raise fail("depot.credentials", f"the secret of depot '{entry.name}' lacks `token`", hint="add it")
        if "httppath" not in params:
            raise fail(
                "depot.unsupported", f"depot '{entry.name}' lacks `params.httpPath`", hint="the warehouse's path"
            )
        return {
            "server_hostname": str(entry.location["host"]),
            "_port": int(entry.location["port"]),
            "http_path": params["httppath"],
            "access_token": token,
            "catalog": entry.location.get("database"),
            "_socket_timeout": max(1, round(timeout_s * 3)),
            "_retry_stop_after_attempts_count": 2,
        }

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        return driver.connect(**self.settings(entry, credentials, timeout_s))


class Db2Adapter(DatabaseAdapter):
    """Subprotocol db2. A collection is a schema."""

    title = "Db2"
    module = "ibm_db_dbi"
    extra = "db2"
    collections = "SELECT schemaname FROM syscat.schemata WHERE schemaname NOT LIKE 'SYS%' AND definer <> 'SYSIBM'"
    datasets = "SELECT tabname FROM syscat.tables WHERE tabschema = ? AND type IN ('T', 'V', 'S')"
    columns = "SELECT colname, typename, nulls FROM syscat.columns WHERE tabschema = ? AND tabname = ? ORDER BY colno"
    probe = "SELECT 1 FROM sysibm.sysdummy1"

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> str:
        """The connection text, with the password: never shown. `;` in a value would begin another setting."""
        user, password = databases.login(entry, credentials)
        params = {str(k).lower(): str(v).lower() for k, v in dict(entry.location.get("params") or {}).items()}
        words = {
            "DATABASE": self.database(entry),
            "HOSTNAME": str(entry.location["host"]),
            "PORT": str(entry.location["port"]),
            "PROTOCOL": "TCPIP",
            "UID": user,
            "PWD": password,
            "ConnectTimeout": str(max(1, round(timeout_s))),
            **({"SECURITY": "SSL"} if params.get("sslconnection") == "true" else {}),
        }
        if any(";" in value for value in words.values()):
            text = f"depot '{entry.name}': a value of its location or secret holds `;`, which Db2's driver cannot take"
            raise fail("depot.credentials", text, hint="change it")
        return "".join(f"{key}={value};" for key, value in words.items())

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        return driver.connect(self.settings(entry, credentials, timeout_s), "", "")
