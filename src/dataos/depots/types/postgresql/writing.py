"""Writing tables of PostgreSQL: one REPEATABLE READ transaction for a statement, rows by COPY.

The transaction's snapshot is taken before the statement reads, and the table is locked against those who define it
anew, not against those who write it. Rows are named by a key, or by `ctid`: a row that is in the snapshot and
unchanged at the commit is the row that was read, whenever between the two it was read. PostgreSQL itself refuses a row
that was changed since the snapshot; one that came after it is not found, so that counts differ. While the
snapshot stands no `ctid` of a row that it sees is used again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataos.depots.rowwriting.facts import CTID, Identity, TableFacts, best_key
from dataos.depots.rowwriting.writer import LOCK_WAIT_S, Refusal, RowWriter

_TABLE = """
SELECT c.oid, c.relkind, c.relhassubclass,
  c.relhasrules
    OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion))
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f')
    OR EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_KEYS = """
SELECT (SELECT array_agg(a.attname ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)
FROM pg_catalog.pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indisprimary DESC, i.indexrelid
"""
_EXACT = ("smallint", "integer", "bigint", "numeric(", "character", "text", "uuid", "date", "timestamp", "boolean",
          "bytea", "citext")  # fmt: skip
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "c": "a type"}
_LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones
_CONSTRAINT, _VALUE = "23", "22"


class PostgresqlWriter(RowWriter):
    """See the module."""

    kind = "postgresql"

    def connect(self) -> None:
        self.connection = self._open()
        self.run(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
        self.run("SET timezone = 'UTC'")
        self.run("SET DateStyle = 'ISO, YMD'")

    def begin(self) -> None:
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")

    def look(self, schema: str, table: str) -> TableFacts:
        found = self.ask(_TABLE, (schema, table))
        if not found:
            raise self.gone(schema, table)
        oid, kind, parent, telling = found[0]
        if kind not in ("r", "p"):
            raise self.no_table(schema, table, _KINDS.get(str(kind), "no table"))
        self.run(f"LOCK TABLE {self.place(schema, table)} IN ROW EXCLUSIVE MODE")
        columns = self.columns_of(self.ask(self._columns, (schema, table)))
        exact = [c for c in columns if c.native_type.startswith(_EXACT) and not c.native_type.endswith("[]")]
        key = best_key([row[0] or () for row in self.ask(_KEYS, (oid,))], exact)
        identity = Identity(key) if key is not None else None
        if identity is None and kind == "r" and not parent:  # a ctid is one partition's
            identity = Identity(own=CTID)
        return TableFacts(schema, table, columns, identity, bool(telling))

    def make_stage(self, number: int, columns: str) -> None:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        self.run(
            f"CREATE TEMPORARY TABLE {self.stage(number)} ON COMMIT DROP AS "
            f"SELECT {columns} FROM {place} t WITH NO DATA"
        )

    def fill(self, place: str, columns: Sequence[str], keys: Sequence[Sequence[Any]] | None, batch: Any) -> None:
        import pyarrow as pa

        from dataos.depots.rowwriting.copytext import lines

        named = [pa.array(list(column), pa.large_string()) for column in zip(*keys, strict=True)] if keys else []
        given = ", ".join(self.quoted(c) for c in columns)
        text = lines([*named, *batch.columns])
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {place} ({given}) FROM STDIN (ENCODING 'UTF8')".encode()) as copy,
        ):
            copy.write(text)

    def from_hex(self, text: str) -> Any:
        return "\\x" + text

    def delete(self, number: int, pairs: str) -> int:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        return self.run(f"DELETE FROM {place} t USING {self.stage(number)} s WHERE {pairs}")

    def update(self, number: int, assigned: str, pairs: str) -> int:
        assert self._facts is not None  # noqa: S101 - `stand` was called
        place = self.place(self._facts.schema, self._facts.table)
        return self.run(f"UPDATE {place} t SET {assigned} FROM {self.stage(number)} s WHERE {pairs}")

    # --- tables ----------------------------------------------------------------------------------------------------

    def create_table(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        for name in (table, *(c[0] for c in columns)):
            self._check_name(name)
        super().create_table(schema, table, columns, comment)

    def _check_name(self, name: str) -> None:
        if len(name.encode()) > _LONGEST_NAME:
            raise self.cannot(f"A name of more than {_LONGEST_NAME} bytes ('{name}')")

    def rename_table(self, schema: str, table: str, new_schema: str, new_table: str) -> None:
        self._check_name(new_table)
        if new_table != table:
            self.run(f"ALTER TABLE {self.place(schema, table)} RENAME TO {self.quoted(new_table)}")
        if new_schema != schema:
            self.run(f"ALTER TABLE {self.place(schema, new_table)} SET SCHEMA {self.quoted(new_schema)}")

    def add_column(self, schema: str, table: str, name: str, kind: str, comment: str | None) -> None:
        self._check_name(name)
        super().add_column(schema, table, name, kind, comment)

    def rename_column(self, schema: str, table: str, name: str, new: str) -> None:
        self._check_name(new)
        super().rename_column(schema, table, name, new)

    def change_type(self, schema: str, table: str, name: str, kind: str) -> None:
        self.run(f"ALTER TABLE {self.place(schema, table)} ALTER COLUMN {self.quoted(name)} TYPE {kind}")

    def change_nullable(self, schema: str, table: str, name: str, nullable: bool) -> None:
        what = "DROP" if nullable else "SET"
        self.run(f"ALTER TABLE {self.place(schema, table)} ALTER COLUMN {self.quoted(name)} {what} NOT NULL")

    def say(self, schema: str, table: str, column: str | None, text: str | None, *, anyway: bool = False) -> None:
        if text is None and not anyway:
            return
        thing = f"COLUMN {self.place(schema, table)}.{self.quoted(column)}" if column else None
        said = "NULL" if text is None else _literal(text)
        self.run(f"COMMENT ON {thing or 'TABLE ' + self.place(schema, table)} IS {said}")

    def said(self, schema: str, table: str) -> str | None:
        found = self.ask("SELECT obj_description(%s::regclass, 'pg_class')", (self.place(schema, table),))
        return str(found[0][0]) if found and found[0][0] is not None else None

    def create_schema(self, name: str) -> None:
        self._check_name(name)
        super().create_schema(name)

    def drop_schema(self, name: str, cascade: bool) -> None:
        self.run(f"DROP SCHEMA {self.quoted(name)} {'CASCADE' if cascade else 'RESTRICT'}")

    def rename_schema(self, name: str, new: str) -> None:
        self._check_name(new)
        self.run(f"ALTER SCHEMA {self.quoted(name)} RENAME TO {self.quoted(new)}")

    # --- the connection --------------------------------------------------------------------------------------------

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        return int(self.connection.execute(statement.encode(), values or None).rowcount)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self.connection.execute(statement.encode(), values or None).fetchall())

    def commit(self) -> None:
        done = self.connection.execute(b"COMMIT").statusmessage
        if done != "COMMIT":  # what PostgreSQL says to the end of a transaction in which something failed
            raise self.conflict()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()  # the server gives up what is not committed

    def abort(self) -> None:
        if self.connection is not None:
            self.connection.cancel_safe(timeout=5)

    def is_answer(self, error: BaseException) -> bool:
        import psycopg

        return isinstance(error, (psycopg.Error, OSError))

    def refusal(self, error: BaseException) -> Refusal | None:
        state = getattr(error, "sqlstate", None)
        if not state or str(state).startswith(("08", "57P", "28")):
            return None
        said = getattr(getattr(error, "diag", None), "message_primary", None) or "no words"
        return Refusal(_code(str(state)), str(said)[:300])


def _code(state: str) -> str:
    known: Mapping[str, str] = {"42501": "depot.credentials", "42P07": "depot.exists", "42P06": "depot.exists",
                                "40001": "depot.conflict", "40P01": "depot.conflict", "55P03": "depot.locked",
                                "25006": "depot.credentials"}  # fmt: skip
    if state in known:
        return known[state]
    return {_CONSTRAINT: "depot.constraint", _VALUE: "depot.value"}.get(state[:2], "depot.write")


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
