"""Writing tables of MySQL and MariaDB: one transaction for a statement, rows by INSERTs of many rows.

Rows are named by a key. The transaction's snapshot is taken before the statement reads. Before rows are changed they
are locked, and what they are now is compared with what the snapshot has; MariaDB refuses by itself a row that was
changed since (`innodb_snapshot_isolation`), also where it was changed back. CREATE, ALTER and DROP end transactions
here: each is whole by itself, and a table that was made for rows that do not come is dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import DepotEntry
from dataos.depots.rowwriting import values
from dataos.depots.rowwriting.facts import Clause, Identity, TableFacts, best_key
from dataos.depots.rowwriting.writer import LOCK_WAIT_S, Refusal, RowWriter

_TABLE = (
    "SELECT t.table_type, t.engine, e.transactions FROM information_schema.tables t "
    "LEFT JOIN information_schema.engines e ON e.engine = t.engine "
    "WHERE t.table_schema = BINARY %s AND t.table_name = BINARY %s"
)
_TELLING = (
    "SELECT (SELECT count(*) FROM information_schema.table_constraints WHERE table_schema = BINARY %s "
    "AND table_name = BINARY %s AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')) "
    "+ (SELECT count(*) FROM information_schema.triggers WHERE event_object_schema = BINARY %s "
    "AND event_object_table = BINARY %s)"
)
_KEYS = (
    "SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = BINARY %s "
    "AND table_name = BINARY %s AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
)
_INEXACT = ("float", "double", "bit", "json", "geometry", "point", "linestring", "polygon", "multi", "geom")
_ROWS = 1000  # of one INSERT; the driver makes it shorter where values are long
_UNKNOWN_VARIABLE = 1193
_CONFLICT = (1020, 1213)
_WAITED = (1205,)
_CONSTRAINT = (1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 1761, 1762, 3819, 4025)
_VALUE = (1264, 1265, 1292, 1366, 1406, 1411, 1416, 1441, 3140, 3156)
_RIGHT = (1044, 1142, 1143, 1227, 1290, 1370, 1792, 1836)
_CODES = {
    "depot.conflict": _CONFLICT,
    "depot.locked": _WAITED,
    "depot.constraint": _CONSTRAINT,
    "depot.value": _VALUE,
    "depot.credentials": _RIGHT,
    "depot.exists": (1050,),
}
_SERVERS = range(1000, 2000)
_LATER = range(3000, 6000)
_AWAY = (1040, 1045, 1053, 1077, 1129, 1130, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1251, 1698, 1927, 4151)


class MysqlWriter(RowWriter):
    """See the module."""

    kind = "mysql"

    def __init__(
        self,
        entry: DepotEntry,
        open_: Callable[[], Any],
        columns: str,
        shown: str,
        unreachable: Callable[[BaseException], DataOSError],
    ) -> None:
        """`shown`: the only database that the depot shows, or empty. `open_` counts matched rows as changed ones."""
        super().__init__(entry, open_, columns, unreachable)
        self._shown = shown
        self._made: tuple[str, str] | None = None

    def connect(self) -> None:
        self.connection = self._open()
        # Without it values that do not fit are cut; zero dates are what Trino has no value for.
        self.run(
            "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,"
            "ERROR_FOR_DIVISION_BY_ZERO')"
        )
        self.run("SET SESSION time_zone = '+00:00'")
        self.run(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}, SESSION lock_wait_timeout = {LOCK_WAIT_S}")
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with self._unless(_UNKNOWN_VARIABLE):  # MariaDB only
            self.run("SET SESSION innodb_snapshot_isolation = ON")

    @contextlib.contextmanager
    def _unless(self, number: int) -> Any:
        try:
            yield
        except Exception as error:
            if _number(error) != number:
                raise

    def begin(self) -> None:
        self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE")

    def look(self, schema: str, table: str) -> TableFacts:
        found = self.ask(_TABLE, (schema, table))
        if not found:
            raise self.gone(schema, table)
        kind, engine, transactions = found[0]
        if kind != "BASE TABLE":
            raise self.no_table(schema, table, f"a {str(kind).lower()}")
        if str(transactions).upper() != "YES":
            raise fail(
                "query.unsupported",
                f"table '{schema}.{table}' of depot '{self.entry.name}' has the engine {engine}, which knows no "
                "transactions: a statement could stop halfway",
                hint="ALTER TABLE ... ENGINE = InnoDB in the database",
            )
        self.ask(f"SELECT 1 FROM {self.place(schema, table)} LIMIT 0")  # nobody defines it anew from here on
        self.run(f"USE {self.quoted(schema)}")  # DELETE of an alias needs a database
        columns = self.columns_of(self.ask(self._columns, (schema, table)))
        keys: dict[str, list[str]] = {}
        for index, column in self.ask(_KEYS, (schema, table)):
            keys.setdefault(str(index), []).append(str(column))
        exact = [c for c in columns if not c.native_type.lower().startswith(_INEXACT)]
        key = best_key(list(keys.values()), exact)
        telling = self.ask(_TELLING, (schema, table, schema, table))[0][0]
        return TableFacts(schema, table, columns, Identity(key) if key is not None else None, int(telling) > 0)

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def stage(self, number: int) -> str:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        return self.place(self._facts.schema, f"dt_stage_{number}")

    def make_stage(self, number: int, columns: str) -> None:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        self.run(
            f"CREATE TEMPORARY TABLE {self.stage(number)} ENGINE = InnoDB AS SELECT {columns} FROM {place} t LIMIT 0"
        )

    def fill(self, place: str, columns: Sequence[str], keys: Sequence[Sequence[Any]] | None, batch: Any) -> None:
        given = ", ".join(self.quoted(c).replace("%", "%%") for c in columns)
        marks = ", ".join("%s" for _ in columns)
        rows = values.rows(batch, _converter)
        if keys:
            rows = [(*key, *row) for key, row in zip(keys, rows, strict=True)]
        with self.connection.cursor() as cursor:
            for start in range(0, len(rows), _ROWS):
                into = place.replace("%", "%%")
                cursor.executemany(f"INSERT INTO {into} ({given}) VALUES ({marks})", rows[start : start + _ROWS])

    def delete(self, number: int, pairs: str) -> int:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        return self.run(f"DELETE t FROM {place} t JOIN {self.stage(number)} s ON {pairs}")

    def update(self, number: int, assigned: str, pairs: str) -> int:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        return self.run(f"UPDATE {place} t JOIN {self.stage(number)} s ON {pairs} SET {assigned}")

    def assigned(self, column: str) -> str:
        return f"t.{self.quoted(column)}"

    def check_unchanged(self, number: int, clause: Clause, staged: int) -> None:
        """What the snapshot has of the rows, against what is there now; which is locked by that.

        Rows that this statement changes under an earlier clause are not among them (`depot.row_twice`)."""
        del clause
        facts = self._facts
        assert facts is not None  # noqa: S101 - `stand` was called, and keys were given
        assert facts.identity is not None  # noqa: S101
        parts = ", ".join(f"IFNULL(SHA2({self._exact(c.name, c.native_type)}, 256), '-')" for c in facts.columns)
        digest = f"CAST(CONV(SUBSTRING(SHA2(CONCAT({parts}), 256), 1, 16), 16, 10) AS UNSIGNED)"
        place = self.place(facts.schema, facts.table)
        query = (
            f"SELECT count(*), BIT_XOR({digest}) FROM {place} t JOIN {self.stage(number)} s "
            f"ON {self.pairs(facts.identity)}"
        )
        before = self.ask(query)
        if before != self.ask(f"{query} FOR UPDATE") or before[0][0] != staged:
            raise self.conflict()

    def _exact(self, column: str, native: str) -> str:
        """A column as bytes that differ where values do."""
        name = f"t.{self.quoted(column)}"
        if native.lower().startswith("float"):
            return f"CAST({name} + 0e0 AS CHAR)"  # as text FLOAT has six digits
        if native.lower().startswith(("geom", "point", "linestring", "polygon", "multi")):
            return f"ST_AsBinary({name})"
        return f"CAST({name} AS BINARY)"

    # --- tables ----------------------------------------------------------------------------------------------------

    def make(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        super().make(schema, table, columns, comment)
        self._made = (schema, table)
        self.begin()  # CREATE TABLE has ended the transaction

    def create_table(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        made = ", ".join(
            f"{self.quoted(name)} {kind}{'' if null else ' NOT NULL'}{self._comment(said)}"
            for name, kind, null, said in columns
        )
        self.run(
            f"CREATE TABLE {self.place(schema, table)} ({made}) ENGINE = InnoDB CHARACTER SET utf8mb4"
            f"{self._comment(comment)}"
        )

    def _comment(self, text: str | None) -> str:
        return "" if text is None else f" COMMENT {self.connection.escape(text)}"

    def rename_table(self, schema: str, table: str, new_schema: str, new_table: str) -> None:
        self.run(f"RENAME TABLE {self.place(schema, table)} TO {self.place(new_schema, new_table)}")

    def add_column(self, schema: str, table: str, name: str, kind: str, comment: str | None) -> None:
        place = self.place(schema, table)
        self.run(f"ALTER TABLE {place} ADD COLUMN {self.quoted(name)} {kind} NULL{self._comment(comment)}")

    def say(self, schema: str, table: str, column: str | None, text: str | None, *, anyway: bool = False) -> None:
        if text is None and not anyway:
            return
        if column is not None:
            raise self.cannot("COMMENT ON COLUMN")  # MODIFY COLUMN would need all of the column's definition
        self.run(f"ALTER TABLE {self.place(schema, table)} COMMENT = {self.connection.escape(text or '')}")

    def said(self, schema: str, table: str) -> str | None:
        query = (
            "SELECT table_comment FROM information_schema.tables WHERE table_schema = BINARY %s "
            "AND table_name = BINARY %s"
        )
        found = self.ask(query, (schema, table))
        return str(found[0][0]) or None if found else None

    def create_schema(self, name: str) -> None:
        if self._shown:
            raise fail(
                "query.unsupported",
                f"depot '{self.entry.name}' shows the one database `{self._shown}`: a new one would not be seen in it",
                hint="CREATE SCHEMA in a depot that names no database",
            )
        self.run(f"CREATE DATABASE {self.quoted(name)} CHARACTER SET utf8mb4")

    def drop_schema(self, name: str, cascade: bool) -> None:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = BINARY %s LIMIT 1"
        if not cascade and (found := self.ask(query, (name,))):
            raise fail(
                "depot.write",
                f"depot '{self.entry.name}': cannot drop non-empty schema '{name}': it has {found[0][0]}",
                hint="DROP SCHEMA ... CASCADE drops all of it",
            )
        self.run(f"DROP DATABASE {self.quoted(name)}")

    # --- the connection --------------------------------------------------------------------------------------------

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        with self.connection.cursor() as cursor:
            return int(cursor.execute(statement, tuple(values) or None))

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, tuple(values) or None)
            return list(cursor.fetchall())

    def commit(self) -> None:
        made, self._made = self._made, None
        try:
            self.connection.commit()
        except Exception as error:
            self._made = made if self.refusal(error) is not None else None
            raise

    def close(self) -> None:
        if self.connection is None:
            return
        with contextlib.suppress(Exception):  # a connection that failed is given up by the server
            self.connection.rollback()
            if self._made is not None:
                self.drop_table(*self._made)
        with contextlib.suppress(Exception):
            self.connection.close()

    def abort(self) -> None:
        if self.connection is None:
            return
        with contextlib.closing(self._open()) as other, other.cursor() as cursor:
            cursor.execute(f"KILL QUERY {int(self.connection.thread_id())}")

    def is_answer(self, error: BaseException) -> bool:
        import pymysql

        return isinstance(error, (pymysql.err.Error, OSError))

    def refusal(self, error: BaseException) -> Refusal | None:
        number = _number(error)
        if number in _AWAY or not (number in _SERVERS or number in _LATER):
            return None
        text = str(error.args[1])[:300] if len(error.args) > 1 else "no words"
        code = next((code for code, numbers in _CODES.items() if number in numbers), "depot.write")
        return Refusal(code, text)


def _number(error: BaseException) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _converter(kind: Any) -> values.Converter | None:
    import pyarrow as pa

    return _finite if pa.types.is_floating(kind) else None


def _finite(value: float) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        raise fail(
            "depot.value",
            "a value is NaN or infinity, which MySQL has no value for",
            hint="CASE WHEN is_finite(x) THEN x END makes it NULL",
        )
    return value
