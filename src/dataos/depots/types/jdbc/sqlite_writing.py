"""Writing tables of SQLite files: rows wait in a temporary database and are put in place in one short transaction.

So a statement that reads the file it writes does not wait for itself, nobody else waits long, and a statement that
is stopped leaves nothing. A commit of anybody else between the beginning of the statement and its end is a conflict
for statements that change rows: SQLite tells that the file was written, not where.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import DepotEntry
from dataos.depots.rowwriting import values
from dataos.depots.rowwriting.facts import ROWID, Clause, Identity, TableFacts, best_key
from dataos.depots.rowwriting.writer import Refusal, RowWriter, new_facts

_TABLE = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
_KEYS = (
    "SELECT l.name, i.name FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i "
    "WHERE l.\"unique\" = 1 AND l.partial = 0 ORDER BY l.origin <> 'pk', l.seq, i.seqno"
)
_TELLING = (
    'SELECT EXISTS (SELECT 1 FROM pragma_index_list(?) WHERE "unique" = 1) OR EXISTS '
    "(SELECT 1 FROM pragma_foreign_key_list(?)) OR EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE pk > 0) OR EXISTS "
    "(SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?)"
)
_BUSY, _CONSTRAINT, _MISMATCH, _READONLY = 5, 19, 20, 8
_LOCKED = 6


class SqliteWriter(RowWriter):
    """See the module."""

    kind = "sqlite"

    def __init__(
        self,
        entry: DepotEntry,
        open_: Callable[[], sqlite3.Connection],
        columns: str,
        unreachable: Callable[[BaseException], DataOSError],
    ) -> None:
        super().__init__(entry, open_, columns, unreachable)
        self._version = 0
        self._begun = False
        self._new: tuple[Any, ...] | None = None

    def connect(self) -> None:
        self.connection = self._open()
        self.run("PRAGMA temp_store = FILE")
        self.run("PRAGMA foreign_keys = ON")
        self.run("PRAGMA synchronous = FULL")

    def begin(self) -> None:
        self._version = self._data_version()

    def _data_version(self) -> int:
        """A number that changes when another connection has committed. Source: SQLite, PRAGMA data_version."""
        return int(self.ask("PRAGMA data_version")[0][0])

    def look(self, schema: str, table: str) -> TableFacts:
        found = self.ask(_TABLE, (table,))
        if not found:
            raise self.gone(schema, table)
        kind, without_rowid = found[0]
        if kind != "table":
            raise self.no_table(schema, table, f"a {kind} table" if kind != "view" else "a view")
        columns = self.columns_of(self.ask(self._columns, (schema, table)))
        identity: Identity | None = Identity(own=ROWID)
        if without_rowid or any(c.name.lower() == ROWID for c in columns):
            keys: dict[str, list[str]] = {}
            for index, column in self.ask(_KEYS, (table,)):
                keys.setdefault(str(index), []).append(str(column))
            inexact = ("real", "floa", "doub", "dec", "num", "time", "bool")
            exact = [c for c in columns if not any(word in c.native_type.lower() for word in inexact)]
            key = best_key(list(keys.values()), exact)
            identity = Identity(key) if key is not None else None
        telling = self.ask(_TELLING, (table,) * 4)[0][0]
        return TableFacts(schema, table, columns, identity, bool(telling))

    def make_stage(self, number: int, columns: str) -> None:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        if self._new is not None:  # the target is not there yet
            self.run(f"CREATE TEMPORARY TABLE dt_stage_{number} ({columns})")
            return
        place = self.place(self._facts.schema, self._facts.table)
        self.run(f"CREATE TEMPORARY TABLE dt_stage_{number} AS SELECT {columns} FROM {place} t LIMIT 0")

    def stage(self, number: int) -> str:
        return f"temp.dt_stage_{number}"

    def append(self, columns: Sequence[str], batch: Any) -> int:
        self.take(1, Clause("insert", tuple(columns)), None, batch)
        return int(batch.num_rows)

    def finish(self) -> None:
        if self._new is not None:
            self.settle()
            super().create_table(*self._new)
        if self._staged:
            self.change()

    def fill(self, place: str, columns: Sequence[str], keys: Sequence[Sequence[Any]] | None, batch: Any) -> None:
        given = ", ".join(self.quoted(c) for c in columns)
        marks = ", ".join("?" for _ in columns)
        rows = values.rows(batch, _converter)
        if keys:
            rows = [(*key, *row) for key, row in zip(keys, rows, strict=True)]
        self.connection.execute("SAVEPOINT filling")
        self.connection.executemany(f"INSERT INTO {place} ({given}) VALUES ({marks})", rows)
        self.connection.execute("RELEASE filling")

    def settle(self) -> None:
        if self._begun:
            return
        self.run("BEGIN IMMEDIATE")
        self._begun = True
        changes = any(clause.action != "insert" for clause, _ in self._staged.values())
        if changes and self._data_version() != self._version:
            raise self.conflict("the file was written meanwhile")

    def is_binary(self, native: str) -> bool:
        return not native or super().is_binary(native)

    def delete(self, number: int, pairs: str) -> int:
        del pairs  # SQLite deletes from one table: it looks the rows up in the list of those that go
        identity = self._facts.identity if self._facts is not None else None
        assert identity is not None  # noqa: S101 - keys were given
        names = identity.own or ", ".join(self.quoted(c) for c in identity.columns)
        listed = ", ".join(f"k{i}" for i in range(identity.width))
        return self.run(f"DELETE FROM {self._target()} WHERE ({names}) IN (SELECT {listed} FROM {self.stage(number)})")

    def _target(self) -> str:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        return self.place(self._facts.schema, self._facts.table)

    def update(self, number: int, assigned: str, pairs: str) -> int:
        return self.run(f"UPDATE {self._target()} AS t SET {assigned} FROM {self.stage(number)} AS s WHERE {pairs}")

    # --- tables ----------------------------------------------------------------------------------------------------

    def make(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        self.say(schema, table, None, comment)
        for name, _, _, said in columns:
            self.say(schema, table, name, said)
        self.begin()
        self._facts = new_facts(schema, table, columns)
        self._new = (schema, table, columns, comment)

    def stage_columns(self, clause: Clause) -> str:
        if self._new is None:
            return super().stage_columns(clause)
        types = {name: kind for name, kind, _, _ in self._new[2]}
        return ", ".join(f"v{i} {types[c]}" for i, c in enumerate(clause.columns))

    def empty(self, schema: str, table: str) -> None:
        self.run(f"DELETE FROM {self.place(schema, table)}")

    def rename_table(self, schema: str, table: str, new_schema: str, new_table: str) -> None:
        del new_schema  # there is one
        self.run(f"ALTER TABLE {self.place(schema, table)} RENAME TO {self.quoted(new_table)}")

    def create_schema(self, name: str) -> None:
        raise self.cannot("CREATE SCHEMA")

    # --- the connection --------------------------------------------------------------------------------------------

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        return int(self.connection.execute(statement, tuple(values)).rowcount)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self.connection.execute(statement, tuple(values)).fetchall())

    def commit(self) -> None:
        if self._begun:
            self.run("COMMIT")
            self._begun = False

    def close(self) -> None:
        if self.connection is None:
            return
        with contextlib.suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.run("ROLLBACK")
        self.connection.close()

    def abort(self) -> None:
        if self.connection is not None:
            self.connection.interrupt()

    def is_answer(self, error: BaseException) -> bool:
        return isinstance(error, (sqlite3.Error, OverflowError))

    def refusal(self, error: BaseException) -> Refusal | None:
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, OverflowError):
            return Refusal("depot.value", "an integer has no room in 64 bits")
        if code is None:
            return None
        text = str(error)[:300]
        if code & 0xFF in (_BUSY, _LOCKED):
            return Refusal("depot.locked", "the file is locked")
        if code & 0xFF == _READONLY:
            return Refusal("depot.credentials", "the file, or its folder, cannot be written by the server's user")
        if code & 0xFF == _CONSTRAINT:
            return Refusal("depot.constraint", text)
        if code & 0xFF == _MISMATCH:
            return Refusal("depot.value", text)
        if "already exists" in text:
            return Refusal("depot.exists", text)
        return Refusal("depot.write", text) if code & 0xFF == 1 else None


def _converter(kind: Any) -> values.Converter | None:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return values.moment
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return lambda value: value.isoformat()
    if pa.types.is_decimal(kind):
        return values.number
    if pa.types.is_boolean(kind):
        return int
    return _number if pa.types.is_floating(kind) else None


def _number(value: float) -> float:
    if value != value:
        raise fail(
            "depot.value",
            "a value is NaN, which SQLite would keep as NULL",
            hint="CASE WHEN NOT is_nan(x) THEN x END makes it NULL",
        )
    return value
