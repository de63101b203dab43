"""What commands need: of a catalog that can be written, and of the gateway that runs their queries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from sqlglot import exp

from dataos.core.errors import Problem
from dataos.depots.rowwriting.facts import Clause, Identity
from dataos.engines.ports import EngineColumn
from dataos.gateway.commands.model import ColumnDefinition
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import Authority, Column, Decision, Relation
from dataos.gateway.sessions import Session
from dataos.gateway.showing import Names
from dataos.governance.principals import Principal

Batches = AsyncIterator[Any]
"""Arrow record batches."""


@dataclass(frozen=True)
class NewTable:
    """A table to make. Names are as the catalog is to keep them."""

    schema: str
    table: str
    columns: tuple[ColumnDefinition, ...]
    comment: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])


Survivors = Callable[[Sequence[str]], Batches]
"""From some files of a table to all of their rows."""


class Standing(Protocol):
    """A table as it is now, to be handed to the methods that write its rows. It may hold a transaction: close it."""

    @property
    def snapshot_id(self) -> int | None: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def identity(self) -> Identity | None:
        """How rows of a database's table are told apart; None for other tables."""
        ...

    @property
    def telling(self) -> bool:
        """Has it unique or foreign keys or triggers, whose errors tell of rows that are there?"""
        ...

    async def aclose(self) -> None: ...


class TableWrites(Protocol):
    """Tables of one catalog, for statements that write rows and define tables. Names are spelled as the catalog has
    them.

    Every method raises DataOSError of the catalog's own codes.
    """

    @property
    def by_clause(self) -> bool:
        """Are columns that a statement does not name left to the catalog (which has defaults for them)? Batches of
        `append` have the named columns only then, and a change says its clause (from 1) and not its kind."""
        ...

    async def identity(self, principal: Principal, relation: Relation) -> Identity | None:
        """How rows are told apart, where it is not by file and position."""
        ...

    async def stand(self, principal: Principal, relation: Relation) -> Standing: ...

    async def append(self, principal: Principal, at: Any, batches: Batches, columns: Sequence[str]) -> int: ...

    async def change(
        self, principal: Principal, at: Any, changes: Batches, clauses: Sequence[Clause], survivors: Survivors
    ) -> int:
        """`changes`: what names a row (two columns), what is done to it, and the row as it becomes."""
        ...

    async def empty(self, principal: Principal, at: Any) -> int | None: ...

    async def create(self, principal: Principal, table: NewTable, batches: Batches | None) -> int: ...

    async def drop(self, principal: Principal, relation: Relation) -> None: ...

    async def rename(self, principal: Principal, relation: Relation, schema: str, table: str) -> None: ...

    async def alter(
        self, principal: Principal, relation: Relation, action: str, details: Mapping[str, Any]
    ) -> None: ...

    async def comment(self, principal: Principal, relation: Relation, column: str | None, text: str | None) -> None: ...

    async def procedure(
        self, principal: Principal, relation: Relation, name: str, arguments: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """Run a procedure of a table; what it tells, as names and values."""
        ...

    async def describe(self, principal: Principal, relation: Relation) -> Mapping[str, Any]:
        """Comment and properties of a table, as CREATE TABLE would name them."""
        ...

    async def create_view(self, principal: Principal, view: NewView, *, replace: bool) -> None: ...

    async def drop_view(self, principal: Principal, relation: Relation) -> None: ...

    async def rename_view(self, principal: Principal, relation: Relation, schema: str, name: str) -> None: ...

    async def comment_view(self, principal: Principal, relation: Relation, text: str | None) -> None: ...

    async def create_schema(self, principal: Principal, schema: str, properties: Mapping[str, Any]) -> None: ...

    async def drop_schema(self, principal: Principal, schema: str, cascade: bool) -> None: ...

    async def rename_schema(self, principal: Principal, schema: str, name: str) -> None: ...


@runtime_checkable
class Writable(Protocol):
    """A relation provider whose catalogs can be written."""

    def writes(self, catalog: str) -> TableWrites: ...


@dataclass(frozen=True)
class Opened:
    """A secured query that runs. `columns` are the engine's; `names` what clients see."""

    qualified: Qualified
    decided: Sequence[Decision]
    columns: tuple[EngineColumn, ...]
    batches: Batches


Wrap = Callable[[str, Sequence[EngineColumn]], str]
"""From a secured query's engine SQL and its columns to the SELECT around it that is run."""


class Statements(Names, Protocol):
    """Names of one statement, with what commands look up besides."""

    def parts(self, given: Sequence[str], place: tuple[int | None, int | None]) -> tuple[str | None, str, str]: ...

    async def relation(self, name: TableName) -> Relation:
        """The table as it is, whatever of it the principal may see."""
        ...

    @property
    def views(self) -> set[str]:
        """Addresses of the views that were put in their place so far."""
        ...

    async def find(self, name: TableName) -> Relation | None:
        """As `relation`, None where there is none."""
        ...

    def permit(self, policies: Sequence[str]) -> None:
        """These policies allow what the statement is to change."""
        ...

    async def intend(self, action: str, thing: str) -> None:
        """Something is about to be changed. Raises DataOSError `store.*`; then it may not be."""
        ...


class Queries(Protocol):
    """The gateway, as far as commands need it."""

    @property
    def cluster(self) -> str: ...

    @property
    def authority(self) -> Authority: ...

    def secured(
        self,
        tree: exp.Query,
        names: Any,
        query_id: str,
        check: Callable[[Qualified, Sequence[Decision]], None],
        wrap: Wrap,
    ) -> AbstractAsyncContextManager[Opened]:
        """Run a query with its relations secured, inside of a SELECT that `wrap` puts around it. `check` may refuse it
        by what it reads. Raises as `Gateway.run`."""
        ...

    async def derived(
        self, names: Any, query_id: str, target: str, columns: Sequence[Column], qualified: Qualified
    ) -> None:
        """Say of what a dataset is about to be made, before its rows are written: tags come with data."""
        ...

    def raw(self, sql: str, names: Any, query_id: str) -> Batches:
        """Rows of a SELECT that the gateway wrote over a relation which this principal sees whole."""
        ...


@dataclass(frozen=True)
class NewView:
    """A view to make. `catalog`, `default_schema`: where names in its text are looked for."""

    schema: str
    name: str
    columns: tuple[ColumnDefinition, ...]
    text: str
    catalog: str | None
    default_schema: str | None
    security: str
    comment: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a command answers: columns as (name, Trino's type), rows of text. `kind` names what was done (Trino's update
    type); `count`: the rows that it changed, where that is known."""

    columns: tuple[tuple[str, str], ...] = (("result", "boolean"),)
    rows: Sequence[tuple[str | None, ...]] = (("true",),)
    kind: str = ""
    count: int | None = None
    warnings: tuple[Problem, ...] = ()
    session: Session | None = None  # as it is from now on, if it changed


def counted(kind: str, count: int) -> Outcome:
    """The answer of a statement that changed rows."""
    return Outcome((("rows", "bigint"),), ((str(count),),), kind, count)


def done(kind: str) -> Outcome:
    """The answer of a statement that has nothing to count."""
    return Outcome(kind=kind)
