"""SQLite files, read through Python's own driver. One collection: `main`.

The file is never made, and written by `writer` only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DatabaseConnection, DepotEntry, EngineKind
from dataos.depots.rowwriting.writer import LOCK_WAIT_S
from dataos.depots.types.jdbc.sqlite_writing import SqliteWriter

_TABLES = (
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') "
    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)


class SqliteAdapter(DatabaseAdapter):
    """JDBC depots with subprotocol sqlite; `database` is the file's path."""

    title = "SQLite"
    module = "sqlite3"
    collections = "SELECT 'main'"
    datasets = f"SELECT name FROM ({_TABLES}) WHERE ? = 'main' ORDER BY name"
    columns = (
        "SELECT c.name, c.type, CASE WHEN c.\"notnull\" = 1 THEN 'NO' ELSE 'YES' END "
        f"FROM ({_TABLES}) t JOIN pragma_table_xinfo(t.name) c "
        "WHERE ? = 'main' AND t.name = ? AND c.hidden <> 1 ORDER BY c.cid"
    )
    probe = "SELECT count(*) FROM sqlite_master"

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """See `Attachable`."""
        return "sqlite"

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection:
        """The file, links followed. Raises DataOSError `depot.path`."""
        return DatabaseConnection(kind="sqlite", path=str(database_file(entry, self.allowed)))

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        file = database_file(entry, self.allowed)
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=timeout_s)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def writer(self, entry: DepotEntry, credentials: Mapping[str, str]) -> SqliteWriter:
        """See `TakesRows`."""
        del credentials  # a file has none

        def open_() -> sqlite3.Connection:
            file = database_file(entry, self.allowed)
            made = sqlite3.connect(
                f"file:{quote(str(file))}?mode=rw", uri=True, timeout=LOCK_WAIT_S, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            made.execute("PRAGMA trusted_schema = OFF")
            return made

        return SqliteWriter(entry, open_, self.columns, lambda error: self.problem(entry, error, self._timeout_s))

    def where(self, entry: DepotEntry) -> str:
        return str(entry.location["database"])

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return f"sqlite:{self.where(entry)}" + (f" {udl.dataset}" if udl.dataset else "")

    def problem(self, entry: DepotEntry, error: BaseException, timeout_s: float) -> DataOSError:
        if "locked" in str(error):
            return databases.too_slow(entry, self.where(entry), timeout_s)
        if "not a database" in str(error) or "malformed" in str(error):
            return no_database_file(entry, "SQLite")
        return fail(
            "depot.path",
            f"depot '{entry.name}': {self.where(entry)} cannot be opened",
            hint="may the server's user read the file and its folder?",
        )


def database_file(entry: DepotEntry, allowed: tuple[Path, ...]) -> Path:
    """The depot's file. Raises DataOSError `depot.path` if it is not allowed or not there."""
    written = str(entry.location["database"])
    place = databases.allowed_file(entry, allowed, written, written)
    if not place.is_file():
        raise fail(
            "depot.path",
            f"depot '{entry.name}': {written} does not exist",
            hint="put the file on the machine that runs the server, or correct `database`",
        )
    return place


def no_database_file(entry: DepotEntry, title: str) -> DataOSError:
    """The file is something else."""
    return fail(
        "depot.path",
        f"depot '{entry.name}': {entry.location['database']} is no {title} database, or it is damaged",
        hint="correct `database` or `subprotocol`",
    )
