"""`python -m dataos.engines.duckdb.loading`: rows of Parquet files into a table of a database, in one transaction.

A process of its own, made by `loader.py` for one delivery. Its order comes as one line of JSON on stdin (credentials
never in arguments or environment); it answers in lines of JSON on stdout: {"ready": rows} when all rows are there and
not seen yet, and, after a line `go`, {"done": rows}. {"already": true}: this delivery was made before. {"problem": ...}
and {"failed": ...}: nothing was changed.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.core.sqltext import quoted
from dataos.depots import columntypes
from dataos.depots.ports import EngineKind
from dataos.engines.duckdb import database
from dataos.engines.duckdb.database import literal

MARKS = "dataos_deliveries"
"""The table that remembers which appends were made and when (Unix seconds), in the schema of the target."""

_AWAY = re.compile(
    "unable to connect|failed to connect|server has gone away|lost connection|connection to server", re.IGNORECASE
)
_KEEP_S = 30 * 86_400
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "JSON")


class Loading:
    """One delivery. `order`: see `loader.py`."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._kind: EngineKind = order["mount"]["kind"]
        self._schema, self._table = order["schema"], order["table"]
        self._place = f"target.{quoted(self._schema)}.{quoted(self._table)}"
        self._marks = f"target.{quoted(self._schema)}.{MARKS}"
        self._rows_of = f"read_parquet([{', '.join(literal(f) for f in order['files'])}])"
        self._sql = self._open()

    def _open(self) -> duckdb.DuckDBPyConnection:
        folder = Path(self._order["folder"])
        sql = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_persistent_secrets": "false",
                "memory_limit": f"{self._order['memory_mib']}MiB",
                "temp_directory": str(folder / "spill"),
                "home_directory": str(folder),
                "threads": "2",
            },
        )
        database.load_extensions(sql, folder, [database.MOUNT_EXTENSIONS[self._kind]])
        if self._kind == "mysql":
            for setting in database.MYSQL_SETTINGS:
                sql.execute(setting)
        sql.execute("SET TimeZone = 'UTC'")
        database.attach_one(sql, {**self._order["mount"], "catalog": "target", "writable": True})
        return sql

    def load(self) -> int | None:
        """Put the rows there, not committed yet. Returns how many; None where this delivery was made before.

        Raises DataOSError, or duckdb.Error with the database's own words.
        """
        appends = self._order["mode"] == "append"
        self._check_schema()
        columns = self._columns()
        self._check_values(columns)
        there = self._there()
        if there is not None:
            self._check_fit(columns, there)
        if appends:
            self._make_marks()
        if there is None and self._kind == "mysql":  # it ends a transaction at each CREATE
            self._create(columns)
        self._sql.execute("BEGIN")
        if appends and self._is_made():
            self._sql.execute("ROLLBACK")
            return None
        if there is None and self._kind != "mysql":
            self._create(columns)
        elif not appends:
            self._sql.execute(f"DELETE FROM {self._place}")
        named = ", ".join(quoted(self._spelt(c, there)) for c, _ in columns)
        values = ", ".join(self._value(c, kind) for c, kind in columns)
        done = self._sql.execute(f"INSERT INTO {self._place} ({named}) SELECT {values} FROM {self._rows_of}").fetchone()
        if appends:
            now = int(time.time())
            self._sql.execute(f"DELETE FROM {self._marks} WHERE delivered_at < {now - _KEEP_S}")
            self._sql.execute(f"INSERT INTO {self._marks} VALUES ({literal(self._order['mark'])}, {now})")
        return int(done[0]) if done else 0

    def _is_made(self) -> bool:
        query = f"SELECT 1 FROM {self._marks} WHERE mark = ?"
        return self._sql.execute(query, [self._order["mark"]]).fetchone() is not None

    def commit(self) -> None:
        """Let the rows be seen."""
        self._sql.execute("COMMIT")

    def _check_schema(self) -> None:
        query = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'target' ORDER BY 1"
        known = [row[0] for row in self._sql.execute(query).fetchall()]
        if self._schema not in known:
            raise fail(
                "depot.dataset_not_found",
                f"there is no schema `{self._schema}`",
                hint=names.did_you_mean(self._schema, known) or "make it in the database first",
            )

    def _columns(self) -> list[tuple[str, str]]:
        """Names and DuckDB types of what is to be written."""
        return [(r[0], r[1]) for r in self._sql.execute(f"DESCRIBE SELECT * FROM {self._rows_of}").fetchall()]

    def _there(self) -> list[str] | None:
        """Columns of the table; None if there is no such table."""
        query = (
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'target' AND schema_name = ? "
            "AND table_name = ? ORDER BY column_index"
        )
        found = [row[0] for row in self._sql.execute(query, [self._schema, self._table]).fetchall()]
        return found or None

    def _check_fit(self, columns: list[tuple[str, str]], there: list[str]) -> None:
        have = {c.lower() for c in there}
        extra = [c for c, _ in columns if c.lower() not in have]
        if extra:
            raise fail(
                "flare.schema",
                f"Too many data columns: {', '.join(extra)} not in the table; the table has {', '.join(there)}; "
                f"the data has {', '.join(c for c, _ in columns)}",
                hint="leave the column out in the last step, or add it to the table first (ALTER TABLE)",
            )

    def _check_values(self, columns: list[tuple[str, str]]) -> None:
        if self._kind != "mysql":
            return
        for column, kind in columns:
            if kind in ("DOUBLE", "FLOAT"):
                name = quoted(column)
                asked = f"SELECT bool_or(isnan({name}) OR isinf({name})) FROM {self._rows_of}"
                found = self._sql.execute(asked).fetchone()
                if found and found[0]:
                    raise fail(
                        "flare.types",
                        f"column `{column}` holds NaN or infinity, which MySQL has no value for",
                        hint=f"make them NULL in the last step: CASE WHEN isnan({column}) THEN NULL ELSE {column} END",
                    )

    def _create(self, columns: list[tuple[str, str]]) -> None:
        made = ", ".join(f"{quoted(c)} {self._type(kind)}" for c, kind in columns)
        if self._kind == "mysql":
            made = ", ".join(f"{_ticked(c)} {self._type(kind)}" for c, kind in columns)
            self._mysql(f"CREATE TABLE {_ticked(self._schema)}.{_ticked(self._table)} ({made})")
        else:
            self._sql.execute(f"CREATE TABLE {self._place} ({made})")

    def _make_marks(self) -> None:
        if self._kind == "mysql":
            place = f"{_ticked(self._schema)}.{MARKS}"
            self._mysql(
                f"CREATE TABLE IF NOT EXISTS {place} (mark VARCHAR(64) PRIMARY KEY, delivered_at BIGINT NOT NULL)"
            )
        else:
            self._sql.execute(
                f"CREATE TABLE IF NOT EXISTS {self._marks} (mark VARCHAR PRIMARY KEY, delivered_at BIGINT NOT NULL)"
            )

    def _mysql(self, statement: str) -> None:
        """A statement in MySQL's own words, past DuckDB; what DuckDB remembers of its tables is read anew."""
        self._sql.execute(f"CALL mysql_execute('target', {literal(statement)})")
        self._sql.execute("CALL mysql_clear_cache()")

    def _type(self, kind: str) -> str:
        """The column type in the database for what DuckDB calls `kind`."""
        known = columntypes.native(self._kind, "VARCHAR" if self._is_text(kind) else kind)
        return known or kind  # which the database refuses in its own words

    def _value(self, column: str, kind: str) -> str:
        name = quoted(column)
        if self._is_text(kind):
            return f"CAST(to_json({name}) AS VARCHAR)"
        if kind == "TIMESTAMP WITH TIME ZONE" and self._kind != "postgresql":
            return f"CAST({name} AS TIMESTAMP)"  # in UTC, which the session's zone is
        return name

    def _is_text(self, kind: str) -> bool:
        """Is such a column written as JSON text? PostgreSQL has arrays; nothing else of what is nested fits."""
        is_plain_array = self._kind == "postgresql" and kind.count("[") == 1
        return kind.startswith(_NESTED) or (kind.endswith("]") and not is_plain_array)

    @staticmethod
    def _spelt(column: str, there: list[str] | None) -> str:
        return next((c for c in there or () if c.lower() == column.lower()), column)


def _ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def words_of(error: Exception) -> str:
    """What of the database's own words helps, without the statement and without how it is reached."""
    text = str(error)
    found = re.search(r"ERROR:\s+(.+)", text) or re.search(r'Failed to run query ".*?": (.+)', text, re.DOTALL)
    line = (found[1] if found else text).strip().splitlines()[0]
    return re.sub(r"^[A-Za-z -]+ Error: ", "", line)[:300]


def _say(body: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the order, load, wait for the word, commit."""
    order = json.loads(sys.stdin.readline())
    try:
        loading = Loading(order)
        rows = loading.load()
        if rows is None:
            _say({"already": True})
            return
        _say({"ready": rows})
        if sys.stdin.readline().strip() != "go":
            return  # whoever asked is gone, or has lost the right: the transaction ends with this process
        loading.commit()
        _say({"done": rows})
    except DataOSError as error:
        _say({"problem": error.problem.to_json()})
    except duckdb.Error as error:
        away = _AWAY.search(str(error)) is not None
        _say({"failed": "" if away else words_of(error), "unreachable": away})


if __name__ == "__main__":
    main()
