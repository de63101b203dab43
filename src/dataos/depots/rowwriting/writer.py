"""The writing side of a database: what PostgreSQL, MySQL and SQLite share. All calls block, and come from one thread.

A statement's rows wait in temporary tables of the session, one for each clause, and are applied together: deletes,
then updates, then inserts. Each row that is to change must still be what the statement read, else all of it is a
conflict; how that is found is the type's (see `begin` and `check_unchanged`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from dataos.core import sqltext
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import ColumnDescription, DepotEntry, EngineKind
from dataos.depots.rowwriting.facts import Clause, Identity, TableFacts

LOCK_WAIT_S = 30
"""How long a statement waits for others who write the same rows."""


class Refusal(Exception):
    """What a database answered; `code` is a Problem's, `text` its own words without values of other rows."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@runtime_checkable
class TakesRows(Protocol):
    """The ability of databases whose tables SQL statements write."""

    def writer(self, entry: DepotEntry, credentials: Mapping[str, str]) -> RowWriter:
        """Somebody who writes, with the credentials for that; nothing is connected yet."""
        ...


class RowWriter(ABC):
    """One connection for one statement. Every method raises the driver's errors, which `problem` puts in words."""

    kind: ClassVar[EngineKind]

    def __init__(
        self,
        entry: DepotEntry,
        open_: Callable[[], Any],
        columns: str,
        unreachable: Callable[[BaseException], DataOSError],
    ) -> None:
        """`columns`: statement that tells a table's columns, as the adapter has it; `unreachable`: words for an error
        of the connection."""
        self.entry = entry
        self._open = open_
        self._columns = columns
        self.unreachable = unreachable
        self.connection: Any = None
        self._staged: dict[int, tuple[Clause, int]] = {}
        self._facts: TableFacts | None = None

    # --- what a type says ------------------------------------------------------------------------------------------

    @abstractmethod
    def connect(self) -> None:
        """Open the connection, with the credentials for writing."""

    @abstractmethod
    def begin(self) -> None:
        """Begin the transaction: rows that others change from here on are conflicts."""

    @abstractmethod
    def look(self, schema: str, table: str) -> TableFacts:
        """The table now. Within a transaction it stays as it is, rows excepted."""

    def settle(self) -> None:  # noqa: B027 - a hook that need not be used
        """All rows were read: get ready to change the table."""

    def finish(self) -> None:  # noqa: B027
        """All rows were added, all else is done: what is left before the commit."""

    def check_unchanged(self, number: int, clause: Clause, staged: int) -> None:
        """Raises DataOSError `depot.conflict` if the rows of a clause are not those that were read. Counts are compared
        besides, by `change`."""
        del number, clause, staged

    def stage_columns(self, clause: Clause) -> str:
        """SELECT list of a clause's temporary table over the target `t`: k0.. and v0.."""
        assert self._facts is not None  # noqa: S101 - `stand` was called
        named: list[str] = []
        if clause.action != "insert" and (identity := self._facts.identity) is not None:
            places = [identity.own] if identity.own else [self.quoted(c) for c in identity.columns]
            named += [f"t.{p} AS k{i}" for i, p in enumerate(places)]
        named += [f"t.{self.quoted(c)} AS v{i}" for i, c in enumerate(clause.columns)]
        return ", ".join(named)

    @abstractmethod
    def make_stage(self, number: int, columns: str) -> None:
        """CREATE TEMPORARY TABLE, of a SELECT list over the target `t`."""

    @abstractmethod
    def fill(self, place: str, columns: Sequence[str], keys: Sequence[Sequence[Any]] | None, batch: Any) -> None:
        """Put rows into a table: `keys` (texts, as the target's columns or places) before the columns of a batch."""

    @abstractmethod
    def delete(self, number: int, pairs: str) -> int: ...

    @abstractmethod
    def update(self, number: int, assigned: str, pairs: str) -> int: ...

    @abstractmethod
    def commit(self) -> None:
        """Let all of it be seen. Raises; then it is not known whether it was done, unless the database said so."""

    @abstractmethod
    def close(self) -> None:
        """Give up what is not committed. Never raises."""

    @abstractmethod
    def abort(self) -> None:
        """Have the call that runs fail soon. From any thread."""

    @abstractmethod
    def is_answer(self, error: BaseException) -> bool:
        """Is it the driver's, or the connection's, and not a fault of ours?"""

    @abstractmethod
    def refusal(self, error: BaseException) -> Refusal | None:
        """What the database itself answered; None if it did not, but the connection failed."""

    @abstractmethod
    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the rows that it changed."""

    @abstractmethod
    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""

    def quoted(self, name: str) -> str:
        return sqltext.quoted(name)

    def place(self, schema: str, table: str) -> str:
        """A table's name in a statement."""
        return f"{self.quoted(schema)}.{self.quoted(table)}"

    def stage(self, number: int) -> str:
        """The name of a clause's temporary table."""
        return f"dt_stage_{number}"

    def make(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        """Begin with a new table, to which rows are added."""
        self.begin()
        self.create_table(schema, table, columns, comment)
        self._facts = new_facts(schema, table, columns)

    # --- tables ----------------------------------------------------------------------------------------------------

    def create_table(
        self, schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]], comment: str | None
    ) -> None:
        """Columns are (name, native type, nullable, comment)."""
        made = ", ".join(f"{self.quoted(n)} {kind}" + ("" if null else " NOT NULL") for n, kind, null, _ in columns)
        self.run(f"CREATE TABLE {self.place(schema, table)} ({made})")
        self.say(schema, table, None, comment)
        for name, _, _, said in columns:
            self.say(schema, table, name, said)

    def drop_table(self, schema: str, table: str) -> None:
        self.run(f"DROP TABLE {self.place(schema, table)}")

    @abstractmethod
    def rename_table(self, schema: str, table: str, new_schema: str, new_table: str) -> None: ...

    def empty(self, schema: str, table: str) -> None:
        self.run(f"TRUNCATE TABLE {self.place(schema, table)}")

    def add_column(self, schema: str, table: str, name: str, kind: str, comment: str | None) -> None:
        self.run(f"ALTER TABLE {self.place(schema, table)} ADD COLUMN {self.quoted(name)} {kind}")
        self.say(schema, table, name, comment)

    def drop_column(self, schema: str, table: str, name: str) -> None:
        self.run(f"ALTER TABLE {self.place(schema, table)} DROP COLUMN {self.quoted(name)}")

    def rename_column(self, schema: str, table: str, name: str, new: str) -> None:
        place = self.place(schema, table)
        self.run(f"ALTER TABLE {place} RENAME COLUMN {self.quoted(name)} TO {self.quoted(new)}")

    def change_type(self, schema: str, table: str, name: str, kind: str) -> None:
        raise self.cannot("ALTER COLUMN ... SET DATA TYPE")

    def change_nullable(self, schema: str, table: str, name: str, nullable: bool) -> None:
        raise self.cannot("ALTER COLUMN ... SET or DROP NOT NULL")

    def say(self, schema: str, table: str, column: str | None, text: str | None, *, anyway: bool = False) -> None:
        """Keep a comment; with `anyway` also none, in place of one that is there."""
        if text is not None or anyway:
            raise self.cannot("COMMENT")

    def said(self, schema: str, table: str) -> str | None:
        """The comment of a table."""
        del schema, table
        return None

    def create_schema(self, name: str) -> None:
        self.run(f"CREATE SCHEMA {self.quoted(name)}")

    def drop_schema(self, name: str, cascade: bool) -> None:
        raise self.cannot("DROP SCHEMA")

    def rename_schema(self, name: str, new: str) -> None:
        raise self.cannot("ALTER SCHEMA ... RENAME TO")

    def cannot(self, what: str) -> DataOSError:
        """The refusal of what the database has not, or not in one step."""
        title = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite"}[self.kind]
        return fail(
            "query.unsupported",
            f"{what} is not supported for tables of {title} (depot '{self.entry.name}')",
            hint="do it in the database itself",
        )

    # --- rows ------------------------------------------------------------------------------------------------------

    def stand(self, schema: str, table: str) -> TableFacts:
        """Begin, and look at the table."""
        self.begin()
        self._facts = self.look(schema, table)
        return self._facts

    def append(self, columns: Sequence[str], batch: Any) -> int:
        """Add rows, which others see at the commit."""
        assert self._facts is not None  # noqa: S101 - `stand` was called
        self.fill(self.place(self._facts.schema, self._facts.table), columns, None, batch)
        return int(batch.num_rows)

    def take(self, number: int, clause: Clause, keys: Sequence[Sequence[str]] | None, batch: Any) -> None:
        """Keep rows of a clause for `change`. Bytes in `keys` are written in hex."""
        known = self._staged.get(number)
        if known is None:
            self.make_stage(number, self.stage_columns(clause))
        width = len(keys[0]) if keys else 0
        columns = [*(f"k{i}" for i in range(width)), *(f"v{i}" for i in range(len(clause.columns)))]
        self.fill(self.stage(number), columns, self._with_bytes(keys) if keys else None, batch)
        self._staged[number] = (clause, (known[1] if known else 0) + int(batch.num_rows))

    def _with_bytes(self, keys: Sequence[Sequence[str]]) -> Sequence[Sequence[Any]]:
        facts = self._facts
        assert facts is not None  # noqa: S101 - `stand` was called, and keys were given
        assert facts.identity is not None  # noqa: S101
        native = {c.name: c.native_type.lower() for c in facts.columns}
        binary = {i for i, c in enumerate(facts.identity.columns) if self.is_binary(native[c])}
        if not binary:
            return keys
        return [[self.from_hex(v) if i in binary else v for i, v in enumerate(key)] for key in keys]

    def is_binary(self, native: str) -> bool:
        """Does a column of a type (in lower case) hold bytes?"""
        return any(word in native for word in ("binary", "blob", "bytea"))

    def from_hex(self, text: str) -> Any:
        """Bytes as `fill` takes them in keys."""
        return bytes.fromhex(text)

    def change(self) -> int:
        """Do what was taken, as one; how many rows. Raises DataOSError `depot.row_twice`, `depot.conflict`."""
        assert self._facts is not None  # noqa: S101 - `stand` was called
        identity = self._facts.identity
        changing = {n: found for n, found in self._staged.items() if found[0].action != "insert"}
        self.settle()
        if identity is not None and changing:
            self._refuse_twice(identity, list(changing))
        for number, (clause, count) in sorted(changing.items(), key=lambda item: (item[1][0].action, item[0])):
            assert identity is not None  # noqa: S101 - keys were given
            self.check_unchanged(number, clause, count)
            pairs = self.pairs(identity)
            if clause.action == "delete":
                done = self.delete(number, pairs)
            else:
                done = self.update(number, self._assigned(clause), pairs)
            if done != count:
                raise self.conflict()
        for number, (clause, _) in sorted(self._staged.items()):
            if clause.action == "insert":
                names = ", ".join(self.quoted(c) for c in clause.columns)
                given = ", ".join(f"v{i}" for i in range(len(clause.columns)))
                place = self.place(self._facts.schema, self._facts.table)
                self.run(f"INSERT INTO {place} ({names}) SELECT {given} FROM {self.stage(number)}")
        return sum(count for _, count in self._staged.values())

    def pairs(self, identity: Identity) -> str:
        """The condition under which a row `s` of a temporary table means a row `t` of the target."""
        places = [identity.own] if identity.own else [self.quoted(c) for c in identity.columns]
        return " AND ".join(f"t.{p} = s.k{i}" for i, p in enumerate(places))

    def _assigned(self, clause: Clause) -> str:
        return ", ".join(f"{self.assigned(c)} = s.v{i}" for i, c in enumerate(clause.columns))

    def assigned(self, column: str) -> str:
        """A column on the left side of SET."""
        return self.quoted(column)

    def _refuse_twice(self, identity: Identity, numbers: Sequence[int]) -> None:
        names = ", ".join(f"k{i}" for i in range(identity.width))
        every = " UNION ALL ".join(f"SELECT {names} FROM {self.stage(n)}" for n in numbers)
        if self.ask(f"SELECT 1 FROM ({every}) AS u GROUP BY {names} HAVING count(*) > 1 LIMIT 1"):
            raise fail(
                "depot.row_twice",
                "MERGE_TARGET_ROW_MULTIPLE_MATCHES: One MERGE target table row matched more than one source row",
                hint="leave one row a key in the source: row_number() OVER (PARTITION BY key ORDER BY ...) = 1",
            )

    # --- words -----------------------------------------------------------------------------------------------------

    def conflict(self, why: str = "") -> DataOSError:
        """Somebody else was faster."""
        where = f"{self._facts.schema}.{self._facts.table}" if self._facts else "the table"
        return fail(
            "depot.conflict",
            f"depot '{self.entry.name}': rows of {where} were changed by somebody else while the statement ran, "
            "which changed nothing" + (f" ({why})" if why else ""),
            hint="run it again; if it stays so, a trigger or a policy of the database keeps rows from being changed",
            retry=1.0,
        )

    def columns_of(self, rows: Sequence[Sequence[Any]]) -> tuple[ColumnDescription, ...]:
        """Columns as (name, type, nullable)."""
        return tuple(ColumnDescription(str(n), str(t), str(x).upper() in ("YES", "TRUE", "1")) for n, t, x in rows)

    def gone(self, schema: str, table: str) -> DataOSError:
        """There is no such table."""
        return fail("depot.conflict", f"depot '{self.entry.name}': there is no table '{schema}.{table}' any more")

    def no_table(self, schema: str, table: str, what: str) -> DataOSError:
        """It is something whose rows are not written."""
        return fail(
            "query.unsupported",
            f"'{schema}.{table}' of depot '{self.entry.name}' is {what}: SQL statements write tables only",
            hint="name the table behind it",
        )

    def problem(self, error: BaseException) -> DataOSError:
        """A clear Problem for a driver's error."""
        found = self.refusal(error)
        if found is None:
            return self.unreachable(error)
        return refused(self.entry, found, self)


def new_facts(schema: str, table: str, columns: Sequence[tuple[str, str, bool, str | None]]) -> TableFacts:
    """What is known of a table that is being made."""
    made = tuple(ColumnDescription(name, kind, nullable) for name, kind, nullable, _ in columns)
    return TableFacts(schema, table, made, None, telling=False)


def refused(entry: DepotEntry, found: Refusal, writer: RowWriter) -> DataOSError:
    """The Problem for a database's answer."""
    match found.code:
        case "depot.conflict":
            return writer.conflict(found.text)
        case "depot.locked":
            return fail(
                "depot.locked",
                f"depot '{entry.name}': somebody else has been writing these rows, or the table, for {LOCK_WAIT_S} s; "
                "nothing was changed",
                hint="run it again when the other has ended",
                retry=5.0,
            )
        case "depot.constraint":
            return fail(
                "depot.constraint",
                f"depot '{entry.name}': the rows break a rule of the table: {found.text}",
                hint="nothing was changed: correct the rows",
            )
        case "depot.value":
            return fail(
                "depot.value",
                f"depot '{entry.name}': a value does not go into its column: {found.text}",
                hint="nothing was changed: correct the value, or CAST it",
            )
        case "depot.credentials":
            return fail(
                "depot.credentials",
                f"depot '{entry.name}': the user of its secret for writing may not do this: {found.text}",
                hint="GRANT it in the database, or name a secret with acl: rw whose user may",
            )
        case "depot.exists":
            return fail(
                "depot.exists", f"depot '{entry.name}': {found.text}", hint="choose another name, or IF NOT EXISTS"
            )
        case _:
            return fail("depot.write", f"depot '{entry.name}': the database refused the statement: {found.text}")
