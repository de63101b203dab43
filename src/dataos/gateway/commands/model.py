"""What the parsers make of statements. Queries inside are SQLGlot's trees, to be secured as every query is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp


@dataclass(frozen=True)
class Named:
    """A name of up to three parts, and where it stands in the text (an offset)."""

    parts: tuple[str, ...]
    start: int

    @property
    def last(self) -> str:
        """The name itself, without what it lies in."""
        return self.parts[len(self.parts) - 1]

    def __str__(self) -> str:
        return ".".join(self.parts)


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Insert:
    """INSERT INTO t [(columns)] query."""

    table: Named
    columns: tuple[str, ...] | None
    query: exp.Query


@dataclass(frozen=True)
class Update:
    """UPDATE t SET c = e, ... [WHERE p]. `query`: SELECT e, ... [WHERE p], without a FROM."""

    table: Named
    columns: tuple[str, ...]
    query: exp.Select


@dataclass(frozen=True)
class Delete:
    """DELETE FROM t [WHERE p]. `query`: SELECT 1 [WHERE p], without a FROM."""

    table: Named
    query: exp.Select


@dataclass(frozen=True)
class MergeClause:
    """WHEN [NOT] MATCHED [AND c] THEN action. `action`: update, delete, insert. `condition` and `values` are positions
    in the SELECT list of the statement's query; a value None is DEFAULT."""

    matched: bool
    action: str
    condition: int | None
    columns: tuple[str, ...] | None
    values: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Merge:
    """MERGE INTO t [AS a] USING s ON c WHEN .... `query`: SELECT c, conditions, values FROM s."""

    table: Named
    alias: str
    clauses: tuple[MergeClause, ...]
    query: exp.Select


@dataclass(frozen=True)
class Truncate:
    """TRUNCATE TABLE t."""

    table: Named


# --- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnDefinition:
    """A column of CREATE TABLE or ADD COLUMN."""

    name: str
    type: exp.DataType
    nullable: bool = True
    comment: str | None = None
    start: int = 0


@dataclass(frozen=True)
class Like:
    """LIKE t [INCLUDING PROPERTIES]."""

    table: Named
    properties: bool


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE with columns, or AS a query."""

    table: Named
    exists_ok: bool = False
    replace: bool = False
    elements: tuple[ColumnDefinition | Like, ...] = ()
    comment: str | None = None
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    query: exp.Query | None = None
    aliases: tuple[str, ...] | None = None
    with_data: bool = True


@dataclass(frozen=True)
class DropTable:
    """DROP TABLE [IF EXISTS] t."""

    table: Named
    exists_ok: bool


@dataclass(frozen=True)
class AlterTable:
    """ALTER TABLE [IF EXISTS] t action. `action` and what belongs to it in `details`."""

    table: Named
    exists_ok: bool
    action: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Execute:
    """ALTER TABLE t EXECUTE procedure(arguments) [WHERE p], or CALL of the same. `where` is its text."""

    table: Named
    procedure: str
    arguments: dict[str, Any]
    where: str | None = None


@dataclass(frozen=True)
class Call:
    """CALL [c.][s.]procedure(arguments)."""

    procedure: Named
    positional: tuple[Any, ...]
    named: dict[str, Any]


@dataclass(frozen=True)
class Comment:
    """COMMENT ON TABLE | VIEW | COLUMN name IS text."""

    kind: str
    name: Named
    text: str | None


@dataclass(frozen=True)
class Analyze:
    """ANALYZE t [WITH (...)]."""

    table: Named
    properties: dict[str, Any]


# --- schemas and views ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA [IF NOT EXISTS] s [WITH (...)]."""

    schema: Named
    exists_ok: bool
    properties: dict[str, Any]


@dataclass(frozen=True)
class AlterSchema:
    """ALTER SCHEMA s RENAME TO n, or SET AUTHORIZATION."""

    schema: Named
    rename: str | None
    owner: str | None = None


@dataclass(frozen=True)
class DropSchema:
    """DROP SCHEMA [IF EXISTS] s [CASCADE | RESTRICT]."""

    schema: Named
    exists_ok: bool
    cascade: bool


@dataclass(frozen=True)
class CreateView:
    """CREATE [OR REPLACE] VIEW v [COMMENT c] [SECURITY m] AS query. `text` is the query's."""

    view: Named
    replace: bool
    comment: str | None
    security: str
    query: exp.Query
    text: str


@dataclass(frozen=True)
class AlterView:
    """ALTER VIEW v RENAME TO n, SET AUTHORIZATION."""

    view: Named
    rename: Named | None
    owner: str | None = None


@dataclass(frozen=True)
class DropView:
    """DROP VIEW [IF EXISTS] v."""

    view: Named
    exists_ok: bool


# --- the session, and statements about statements ---------------------------------------------------------------------


@dataclass(frozen=True)
class Prepare:
    """PREPARE n FROM statement."""

    name: str
    text: str


@dataclass(frozen=True)
class ExecutePrepared:
    """EXECUTE n [USING ...], EXECUTE IMMEDIATE 'statement' [USING ...]. One of `name` and `text`; `arguments` are
    tokens."""

    name: str | None
    text: str | None
    arguments: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Deallocate:
    """DEALLOCATE PREPARE n."""

    name: str


@dataclass(frozen=True)
class DescribePrepared:
    """DESCRIBE INPUT | OUTPUT n."""

    name: str
    output: bool


@dataclass(frozen=True)
class SetSession:
    """SET SESSION name = value."""

    name: str
    value: Any


@dataclass(frozen=True)
class ResetSession:
    """RESET SESSION name."""

    name: str


@dataclass(frozen=True)
class Use:
    """USE [c.]s."""

    name: Named


@dataclass(frozen=True)
class SetTimeZone:
    """SET TIME ZONE zone; None for LOCAL."""

    zone: str | None


@dataclass(frozen=True)
class Transaction:
    """START TRANSACTION, COMMIT, ROLLBACK."""

    verb: str


@dataclass(frozen=True)
class ShowCreate:
    """SHOW CREATE TABLE | VIEW | SCHEMA x."""

    kind: str
    name: Named


@dataclass(frozen=True)
class ShowStats:
    """SHOW STATS FOR t | (query)."""

    table: Named | None
    query: exp.Query | None


@dataclass(frozen=True)
class ShowSession:
    """SHOW SESSION [LIKE p]."""

    like: str | None


@dataclass(frozen=True)
class Explain:
    """EXPLAIN [ANALYZE [VERBOSE]] [(TYPE t, FORMAT f)] statement."""

    type: str
    format: str
    analyze: bool
    inner: Any


RowCommand = Insert | Update | Delete | Merge | Truncate
TableCommand = CreateTable | DropTable | AlterTable | Execute | Call | Comment | Analyze
SchemaCommand = CreateSchema | AlterSchema | DropSchema
ViewCommand = CreateView | AlterView | DropView
SessionCommand = (
    Prepare
    | ExecutePrepared
    | Deallocate
    | DescribePrepared
    | SetSession
    | ResetSession
    | Use
    | SetTimeZone
    | Transaction
)
ShowCommand = ShowCreate | ShowStats | ShowSession
Command = RowCommand | TableCommand | SchemaCommand | ViewCommand | SessionCommand | ShowCommand | Explain
