"""MySQL and MariaDB through PyMySQL. A collection is a database; a JDBC depot shows the one that it names.

Sessions are read-only but for `writer`. TLS is asked for in the words of several drivers (`tls`, `sslMode`,
`useSSL`): see `tls_mode`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DatabaseConnection, DepotEntry, EngineKind
from dataos.depots.types.mysql.spec import FILE_PARAMS
from dataos.depots.types.mysql.writing import MysqlWriter

_SYSTEM = "('information_schema', 'mysql', 'performance_schema', 'sys')"


class MysqlAdapter(DatabaseAdapter):
    """MYSQL depots, and JDBC ones with subprotocol mysql or mariadb."""

    title = "MySQL"
    module = "pymysql"
    collections = f"SELECT schema_name FROM information_schema.schemata WHERE lower(schema_name) NOT IN {_SYSTEM}"
    datasets = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = BINARY %s "
        f"AND lower(table_schema) NOT IN {_SYSTEM}"
    )
    columns = (
        "SELECT column_name, column_type, is_nullable FROM information_schema.columns WHERE table_schema = BINARY %s "
        f"AND table_name = BINARY %s AND lower(table_schema) NOT IN {_SYSTEM} ORDER BY ordinal_position"
    )

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """See `Attachable`."""
        return "mysql"

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection:
        """How to reach the server; `options` are ssl_mode and, where named, ssl_ca, ssl_cert, ssl_key."""
        user, password = databases.login(entry, credentials)
        where = entry.location
        options = {"ssl_mode": tls_mode(where.get("params") or {})}
        params = {str(k).lower(): str(v) for k, v in dict(where.get("params") or {}).items()}
        for option, spellings in FILE_PARAMS.items():
            for spelling in spellings:
                if spelling in params:
                    place = databases.allowed_file(entry, self.allowed, f"params.{spelling}", params[spelling])
                    options[option] = str(place)
        return DatabaseConnection(
            kind="mysql",
            host=str(where["host"]),
            port=int(where["port"]),
            database=self.database(entry),
            user=user,
            password=password,
            options=options,
        )

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        waits = {"read_timeout": max(1, round(timeout_s * 2)), "write_timeout": max(1, round(timeout_s))}
        return self._opened(
            entry, credentials, timeout_s, init_command="SET SESSION TRANSACTION READ ONLY", autocommit=True, **waits
        )

    def writer(self, entry: DepotEntry, credentials: Mapping[str, str]) -> MysqlWriter:
        """See `TakesRows`."""
        pymysql = databases.driver(self.module, self.extra, entry)

        def open_() -> Any:
            found = pymysql.constants.CLIENT.FOUND_ROWS
            return self._opened(entry, credentials, self._timeout_s, autocommit=False, client_flag=found)

        return MysqlWriter(
            entry, open_, self.columns, self.database(entry), lambda error: self.problem(entry, error, self._timeout_s)
        )

    def _opened(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float, **more: Any) -> Any:
        pymysql = databases.driver(self.module, self.extra, entry)
        target = self.connection(entry, credentials)
        return pymysql.connect(
            host=target.host,
            port=target.port,
            user=target.user,
            password=target.password,
            database=target.database or None,
            charset="utf8mb4",
            connect_timeout=max(1, round(timeout_s)),
            local_infile=False,
            **_tls(target.options),
            **more,
        )

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        found = await super().list_collections(entry, credentials)
        named = self.database(entry)
        return [name for name in found if not named or name == named]

    def problem(self, entry: DepotEntry, error: BaseException, timeout_s: float) -> DataOSError:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text, where = str(error), self.where(entry)
        if number in (1045, 1698, 1251, 2059, 1862, 4151):
            return databases.refused_login(entry, where)
        if number in (1044, 1142, 1143, 1227, 1370):
            return databases.refused_right(entry)
        if number == 1049:
            return databases.no_database(entry, where, self.database(entry))
        if number in (1130, 1129):
            return fail(
                "depot.credentials",
                f"depot '{entry.name}': {where} does not let this machine in",
                hint="allow the user from this machine's address on the database server",
            )
        if number in (1040, 1203, 1226):
            return fail(
                "depot.unreachable",
                f"depot '{entry.name}': {where} has no connection left for its user",
                hint="repeat it later, or raise the server's limit",
                retry=5.0,
            )
        if number == 3159 or "insecure transport" in text or "doesn't support SSL" in text:
            return databases.unreachable(entry, self.title, where, "tls")
        if databases.timed_out(error) or number == 2013:
            return databases.too_slow(entry, where, timeout_s)
        return databases.unreachable(entry, self.title, where, text)


def tls_mode(params: Mapping[str, Any]) -> str:
    """disabled, preferred, required, verify_ca or verify_identity, from the words of several drivers.

    `tls`: true, false, skip-verify, preferred (Go); `sslMode`, `ssl-mode`: the words themselves (Connector/J, mysql);
    `useSSL`, `requireSSL`, `verifyServerCertificate` (older Connector/J); `sslmode` of libpq. Default: preferred.
    """
    folded = {str(k).lower().replace("-", "").replace("_", ""): str(v).strip().lower() for k, v in params.items()}
    if "tls" in folded:
        words = {"true": "verify_identity", "1": "verify_identity", "false": "disabled", "0": "disabled",
                 "skip-verify": "required", "preferred": "preferred"}  # fmt: skip
        return words.get(folded["tls"], "verify_identity")
    if "sslmode" in folded:
        word = folded["sslmode"].replace("-", "_")
        words = {"disable": "disabled", "allow": "preferred", "prefer": "preferred", "require": "required",
                 "verify_full": "verify_identity"}  # fmt: skip
        word = words.get(word, word)
        return word if word in ("disabled", "preferred", "required", "verify_ca") else "verify_identity"
    if folded.get("verifyservercertificate") == "true":
        return "verify_ca"
    if folded.get("requiressl") == "true" or folded.get("usessl") == "true":
        return "required"
    return "disabled" if folded.get("usessl") == "false" else "preferred"


def _tls(options: Mapping[str, str]) -> dict[str, Any]:
    mode = options["ssl_mode"]
    if mode == "disabled":
        return {"ssl_disabled": True}
    if mode == "preferred":
        return {}
    context = ssl.create_default_context(cafile=options.get("ssl_ca"))
    context.check_hostname = mode == "verify_identity"
    if mode == "required":
        context.verify_mode = ssl.CERT_NONE
    if "ssl_cert" in options:
        context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    return {"ssl": context}
