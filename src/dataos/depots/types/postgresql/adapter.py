"""PostgreSQL databases through psycopg 3. Each call opens one short-lived connection, read-only but for `writer`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import AdapterContext, ColumnDescription, DatabaseConnection, DepotEntry, EngineKind
from dataos.depots.types.postgresql.spec import FILE_PARAMS
from dataos.depots.types.postgresql.writing import PostgresqlWriter

# The system's own schemas are no collections: they show roles, password hashes and other databases' names.
_COLLECTIONS = """
SELECT nspname FROM pg_catalog.pg_namespace
WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%%' AND has_schema_privilege(oid, 'USAGE')
ORDER BY 1
"""

_DATASETS = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY 1
"""

_EVERY_COLUMN = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_COLUMNS = _EVERY_COLUMN.replace("ORDER BY", "AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY")


class PostgresqlAdapter:
    """POSTGRESQL depots: collection = schema, dataset = table or view that the depot's user may select from."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._allowed = tuple(Path(os.path.realpath(p)) for p in context.allowed_paths)

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        async with self._connected(entry, credentials, timeout_s) as connection:
            await connection.execute("SELECT 1")

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return [row[0] for row in await self._rows(entry, credentials, _COLLECTIONS, ())]

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        return [row[0] for row in await self._rows(entry, credentials, _DATASETS, (collection,))]

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        rows = await self._rows(entry, credentials, _COLUMNS, (collection, dataset))
        if not rows:
            known = await self.list_datasets(entry, credentials, collection)
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no table '{collection}.{dataset}' that its user may read",
                hint=names.did_you_mean(dataset, known),
            )
        return [ColumnDescription(name, type_, nullable) for name, type_, nullable in rows]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        where = entry.location
        text = f"postgresql://{where['host']}:{where['port']}/{where['database']}"
        if udl.collection:
            text += f" {udl.collection}" + (f".{udl.dataset}" if udl.dataset else "")
        return text

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        return "postgresql"

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection:
        """How to reach the database. Raises DataOSError `depot.credentials` if user name or password is missing."""
        user = _pick(credentials, "username", "user")
        password = _pick(credentials, "password")
        if user is None or password is None:
            raise fail(
                "depot.credentials",
                f"the secret of depot '{entry.name}' lacks `{'username' if user is None else 'password'}`",
                hint="a PostgreSQL secret has the keys username and password",
            )
        where = entry.location
        options = {str(k): str(v) for k, v in dict(where.get("params") or {}).items()}
        for name in FILE_PARAMS & options.keys():
            self._check_file(entry, name, options[name])
        return DatabaseConnection(
            kind="postgresql",
            host=str(where["host"]),
            port=int(where["port"]),
            database=str(where["database"]),
            user=user,
            password=password,
            options=options,
        )

    def writer(self, entry: DepotEntry, credentials: Mapping[str, str]) -> PostgresqlWriter:
        """See `TakesRows`."""
        import psycopg

        target = self.connection(entry, credentials)

        def open_() -> Any:
            text = _conninfo(target, self._timeout_s, read_only=False)
            return psycopg.connect(text, password=target.password, autocommit=True)

        return PostgresqlWriter(entry, open_, _EVERY_COLUMN, lambda error: _problem(entry, error, self._timeout_s))

    def _check_file(self, entry: DepotEntry, name: str, value: str) -> None:
        """A certificate is a file that the server opens for somebody else: the fence of FILE depots holds."""
        place = Path(os.path.realpath(value))
        if value != "system" and not any(a in place.parents for a in self._allowed):
            raise fail(
                "depot.path",
                f"depot '{entry.name}': params.{name} is outside the folders that this server may read",
                hint="allowed: " + (", ".join(str(a) for a in self._allowed) or "none"),
            )

    async def _rows(
        self, entry: DepotEntry, credentials: Mapping[str, str], query: str, values: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        async with self._connected(entry, credentials, self._timeout_s) as connection:
            cursor = await connection.execute(query.encode(), values)
            return list(await cursor.fetchall())

    @asynccontextmanager
    async def _connected(
        self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float
    ) -> AsyncGenerator[Any]:
        import psycopg  # the driver costs 60 ms and 15 MB: only for those who have such depots

        target = self.connection(entry, credentials)
        try:
            async with asyncio.timeout(timeout_s):
                connection = await psycopg.AsyncConnection.connect(
                    _conninfo(target, timeout_s), password=target.password, autocommit=True
                )
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise _problem(entry, error, timeout_s) from None  # the driver's error may carry the connection text
        try:
            async with asyncio.timeout(timeout_s * 3):
                yield connection
        except (psycopg.Error, TimeoutError) as error:
            raise _problem(entry, error, timeout_s * 3) from None
        finally:
            await connection.close()


def _conninfo(target: DatabaseConnection, timeout_s: float, *, read_only: bool = True) -> str:
    """A libpq connection text without the password."""
    words = {
        "host": target.host,
        "port": str(target.port),
        "dbname": target.database,
        "user": target.user,
        "application_name": "dataos",
        "connect_timeout": str(max(2, round(timeout_s))),
        **target.options,
        "options": f"-c default_transaction_read_only={'on' if read_only else 'off'}",
    }
    return " ".join(f"{key}={quoted(value)}" for key, value in words.items())


def quoted(value: str) -> str:
    """A value inside a libpq connection text."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _pick(credentials: Mapping[str, str], *keys: str) -> str | None:
    folded = {k.lower(): v for k, v in credentials.items()}
    return next((folded[k] for k in keys if folded.get(k)), None)


def _problem(entry: DepotEntry, error: BaseException, timeout_s: float) -> DataOSError:
    """A clear Problem for a driver error. The driver's text is matched, and only known-safe parts are repeated."""
    text = str(error)
    state = getattr(error, "sqlstate", None)
    address = f"{entry.location['host']}:{entry.location['port']}"
    database = str(entry.location["database"])
    if state in ("28P01", "28000") or "password authentication failed" in text or "no password supplied" in text:
        return fail(
            "depot.credentials",
            f"depot '{entry.name}': {address} refuses the user name or password of its secret",
            hint="correct the Instance-Secret and apply it again, then the Depot",
        )
    if "no pg_hba.conf entry" in text:
        return fail(
            "depot.credentials",
            f"depot '{entry.name}': {address} does not let this user in from this machine (pg_hba.conf)",
            hint="allow it on the database server; if it demands TLS, set params.sslmode: require",
        )
    if state == "3D000" or ('database "' in text and "does not exist" in text):
        return fail(
            "depot.no_such_database",
            f"depot '{entry.name}': there is no database '{database}' at {address}",
            hint="correct `database`",
        )
    if isinstance(error, TimeoutError) or "timeout expired" in text or "timed out" in text:
        return fail(
            "depot.timeout",
            f"depot '{entry.name}': {address} did not answer within {timeout_s:g} s",
            hint="is the host right, and does a firewall let this machine through?",
            retry=5.0,
        )
    if "SSL" in text or "certificate" in text:
        return fail(
            "depot.unreachable",
            f"depot '{entry.name}': {address} and the TLS settings of the depot do not go together",
            hint="params.sslmode is one of disable, prefer, require, verify-ca, verify-full",
        )
    if state == "42501":
        return fail("depot.credentials", f"depot '{entry.name}': its user may not read this", hint="grant it SELECT")
    why = "it refused the connection" if "refused" in text else "the host name is not known"
    if "refused" not in text and "resolve" not in text and "Name or service" not in text and "nodename" not in text:
        why = "the connection failed"
    return fail(
        "depot.unreachable",
        f"depot '{entry.name}': cannot reach PostgreSQL at {address}: {why}",
        hint="is the server running, and are host and port right?",
        retry=5.0,
    )
