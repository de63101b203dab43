"""Tables of a database as statements write and define them: PostgreSQL, MySQL and MariaDB, SQLite.

Each statement is one transaction of the database, with the credentials that its Depot has for writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlglot import exp

from dataos.core.errors import DataOSError, Problem, fail
from dataos.depots import columntypes
from dataos.depots.ports import EngineKind
from dataos.depots.resolver import Depots
from dataos.depots.rowwriting.facts import Clause, Identity
from dataos.depots.rowwriting.transactions import Transaction
from dataos.depots.rowwriting.writer import RowWriter
from dataos.gateway import sources, types
from dataos.gateway.commands.model import ColumnDefinition
from dataos.gateway.commands.ports import Batches, NewTable, NewView, Survivors
from dataos.gateway.relations import Relation
from dataos.governance.principals import Principal

T = TypeVar("T")
_TITLES: Mapping[str, str] = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite"}
_ENGINE_NAMES: Mapping[exp.DType, str] = {
    exp.DType.BOOLEAN: "BOOLEAN",
    exp.DType.TINYINT: "TINYINT",
    exp.DType.SMALLINT: "SMALLINT",
    exp.DType.INT: "INTEGER",
    exp.DType.BIGINT: "BIGINT",
    exp.DType.FLOAT: "FLOAT",
    exp.DType.DOUBLE: "DOUBLE",
    exp.DType.VARCHAR: "VARCHAR",
    exp.DType.TEXT: "VARCHAR",
    exp.DType.CHAR: "CHAR",
    exp.DType.VARBINARY: "BLOB",
    exp.DType.DATE: "DATE",
    exp.DType.TIME: "TIME",
    exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMP",
    exp.DType.UUID: "UUID",
    exp.DType.JSON: "JSON",
    exp.DType.INTERVAL: "INTERVAL",
}


@dataclass(frozen=True)
class DatabaseStanding:
    """A table in a transaction that has begun."""

    transaction: Transaction
    columns: tuple[str, ...]
    identity: Identity | None
    telling: bool
    snapshot_id: int | None = None

    async def aclose(self) -> None:
        """Give up what is not committed."""
        await self.transaction.aclose()


class DatabaseWrites:
    """One depot. `forget`: what is remembered of its tables is not true any more. `identities`: how rows of its tables
    are told apart, as they were seen last; who writes them looks again."""

    by_clause = True

    def __init__(
        self,
        depots: Depots,
        depot: str,
        forget: Callable[[], None],
        identities: dict[tuple[str, str, str], Identity | None],
    ) -> None:
        self._depots = depots
        self._depot = depot
        self._forget = forget
        self._identities = identities

    # --- rows -------------------------------------------------------------------------------------------------------

    async def identity(self, principal: Principal, relation: Relation) -> Identity | None:
        """How the rows of a table are told apart; None: they cannot be. Raises DataOSError `depot.*`."""
        key = (self._depot, relation.schema, relation.table)
        if self._identities.get(key) is None:
            async with await self._writing(principal) as transaction:
                facts = await transaction.stand(relation.schema, relation.table)
            self._identities[key] = facts.identity
        return self._identities[key]

    async def stand(self, principal: Principal, relation: Relation) -> DatabaseStanding:
        transaction = await self._writing(principal)
        try:
            facts = await transaction.stand(relation.schema, relation.table)
        except BaseException as error:
            await transaction.aclose()
            if isinstance(error, DataOSError) and error.problem.code == "depot.conflict":
                self._forget()
            raise
        self._identities[(self._depot, relation.schema, relation.table)] = facts.identity
        kind = transaction.kind
        now = {c.name: sources.column(kind, c.name, c.native_type, c.nullable)[0].type for c in facts.columns}
        columns = tuple(c.name for c in relation.columns if now.get(c.name) == c.type)
        if len(columns) != len(relation.columns):  # what is remembered of it is not true any more
            self._forget()
        return DatabaseStanding(transaction, columns, facts.identity, facts.telling)

    async def append(self, principal: Principal, at: DatabaseStanding, batches: Batches, columns: Sequence[str]) -> int:
        return await at.transaction.append(columns, batches)

    async def change(
        self,
        principal: Principal,
        at: DatabaseStanding,
        changes: Batches,
        clauses: Sequence[Clause],
        survivors: Survivors,
    ) -> int:
        del survivors  # rows that stay are not written anew
        return await at.transaction.change(clauses, at.columns, changes)

    async def empty(self, principal: Principal, at: DatabaseStanding) -> int | None:
        await at.transaction.empty()
        return None

    async def _writing(self, principal: Principal) -> Transaction:
        if principal.attempt is not None:
            raise fail(
                "query.unsupported",
                f"a job writes tables of depot '{self._depot}' by its outputs, not by SQL statements: what they do "
                "could not be held back until the run succeeds",
                hint="an output `dataos://depot:schema/table?acl=rw` of a Flare job",
            )
        return await self._depots.writing(self._depot)

    # --- tables -----------------------------------------------------------------------------------------------------

    async def create(self, principal: Principal, table: NewTable, batches: Batches | None) -> int:
        if table.properties:
            raise fail(
                "query.property",
                f"Catalog '{self._depot}' does not support table property '{next(iter(table.properties))}': tables of "
                "databases have none here",
                hint="leave WITH (...) out",
            )
        columns = await self._native(table.columns)
        async with await self._writing(principal) as transaction:
            count = await transaction.create(table.schema, table.table.lower(), columns, table.comment, batches)
        self._forget()
        return count

    async def _native(self, columns: Sequence[ColumnDefinition]) -> list[tuple[str, str, bool, str | None]]:
        """Columns in the database's types. Raises DataOSError `query.unsupported` of all that have none there."""
        kind = await self._kind()
        made: list[tuple[str, str, bool, str | None]] = []
        problems: list[Problem] = []
        for column in columns:
            name = _engine_name(column.type)
            found = columntypes.native(kind, name) if name is not None else None
            if found is None:
                problems.append(
                    Problem(
                        "query.unsupported",
                        f"Unsupported column type: {types.text(column.type)} of column '{column.name}': "
                        f"{_TITLES[kind]} has none for it",
                        hint="make it text: CAST(CAST(x AS json) AS varchar), or json_format(CAST(x AS json))",
                    )
                )
            else:
                made.append((column.name.lower(), found, column.nullable, column.comment))
        if problems:
            raise DataOSError(problems)
        return made

    async def _kind(self) -> EngineKind:
        kind = self._depots.engine_kind(await self._depots.get(self._depot))
        if kind is None:
            raise fail("depot.unsupported", f"depot '{self._depot}' is none that SQL statements write")
        return kind

    async def _define(self, principal: Principal, work: Callable[[RowWriter], T]) -> T:
        async with await self._writing(principal) as transaction:
            answer = await transaction.define(work)
        self._forget()
        return answer

    async def drop(self, principal: Principal, relation: Relation) -> None:
        await self._define(principal, lambda writer: writer.drop_table(relation.schema, relation.table))

    async def rename(self, principal: Principal, relation: Relation, schema: str, table: str) -> None:
        old = (relation.schema, relation.table)
        await self._define(principal, lambda writer: writer.rename_table(*old, schema, table.lower()))

    async def alter(self, principal: Principal, relation: Relation, action: str, details: Mapping[str, Any]) -> None:
        place = (relation.schema, relation.table)
        column = details.get("column")
        if isinstance(column, str) and column not in {c.name for c in relation.columns}:
            raise fail("query.unsupported", f"'{column}' is no column of {relation.full_name}, but a part of one")
        match action:
            case "add_column":
                await self._define(principal, await self._added(place, details["column"]))
            case "drop_column":
                await self._define(principal, lambda writer: writer.drop_column(*place, str(column)))
            case "rename_column":
                new = str(details["name"]).lower()
                await self._define(principal, lambda writer: writer.rename_column(*place, str(column), new))
            case "column_type":
                ((_, kind, _, _),) = await self._native([ColumnDefinition(str(column), details["type"])])
                await self._define(principal, lambda writer: writer.change_type(*place, str(column), kind))
            case "column_nullable":
                null = bool(details["nullable"])
                await self._define(principal, lambda writer: writer.change_nullable(*place, str(column), null))
            case _:
                what = action.replace("_", " ")
                raise fail("query.unsupported", f"ALTER TABLE: {what} is not supported for tables of databases")

    async def _added(self, place: tuple[str, str], column: ColumnDefinition) -> Callable[[RowWriter], None]:
        if not column.nullable:
            raise fail(
                "query.unsupported",
                f"column '{column.name}' cannot be added as NOT NULL: rows that are there have no value for it",
                hint="add it without, fill it, then ALTER COLUMN ... SET NOT NULL",
            )
        ((name, kind, _, comment),) = await self._native([column])
        return lambda writer: writer.add_column(*place, name, kind, comment)

    async def comment(self, principal: Principal, relation: Relation, column: str | None, text: str | None) -> None:
        place = (relation.schema, relation.table)
        await self._define(principal, lambda writer: writer.say(*place, column, text, anyway=True))

    async def describe(self, principal: Principal, relation: Relation) -> Mapping[str, Any]:
        """Without credentials for writing nothing is told: who reads needs none."""
        entry = await self._depots.get(self._depot)
        if entry.read_only or principal.attempt is not None:
            return {"comment": None, "properties": {}}
        async with await self._writing(principal) as transaction:
            said = await transaction.define(lambda writer: writer.said(relation.schema, relation.table))
        return {"comment": said, "properties": {}}

    async def procedure(
        self, principal: Principal, relation: Relation, name: str, arguments: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        raise fail(
            "query.procedure",
            f"Table procedure '{name}' is not registered for catalog '{self._depot}': tables of databases have none",
            hint="ALTER TABLE ... EXECUTE and CALL work on tables of Lakehouses",
        )

    # --- views ------------------------------------------------------------------------------------------------------

    async def create_view(self, principal: Principal, view: NewView, *, replace: bool) -> None:
        raise self._no_views()

    async def drop_view(self, principal: Principal, relation: Relation) -> None:
        raise self._no_views()

    async def rename_view(self, principal: Principal, relation: Relation, schema: str, name: str) -> None:
        raise self._no_views()

    async def comment_view(self, principal: Principal, relation: Relation, text: str | None) -> None:
        raise self._no_views()

    def _no_views(self) -> DataOSError:
        return fail(
            "query.unsupported",
            f"views are not kept in catalog '{self._depot}': a database's own views would lend its credentials",
            hint="make the view in a Lakehouse; it may read tables of databases",
        )

    # --- schemas ----------------------------------------------------------------------------------------------------

    async def create_schema(self, principal: Principal, schema: str, properties: Mapping[str, Any]) -> None:
        if any(v is not None for v in properties.values()):
            raise fail("query.property", f"schemas of catalog '{self._depot}' have no properties")
        await self._define(principal, lambda writer: writer.create_schema(schema.lower()))

    async def drop_schema(self, principal: Principal, schema: str, cascade: bool) -> None:
        await self._define(principal, lambda writer: writer.drop_schema(schema, cascade))

    async def rename_schema(self, principal: Principal, schema: str, name: str) -> None:
        await self._define(principal, lambda writer: writer.rename_schema(schema, name.lower()))


def _engine_name(type_: exp.DataType) -> str | None:
    """A type in the engine's words, with length and digits; None for nested ones other than arrays."""
    kind = types.kind(type_)
    if kind is exp.DType.ARRAY and len(type_.expressions) == 1 and isinstance(type_.expressions[0], exp.DataType):
        inner = _engine_name(type_.expressions[0])
        return f"{inner}[]" if inner is not None else None
    if kind is exp.DType.DECIMAL:
        digits = types.digits(type_) or (types.MAX_DIGITS, 0)
        return f"DECIMAL({digits[0]},{digits[1]})"
    name = _ENGINE_NAMES.get(kind) if kind is not None else None
    if name is None:
        return None
    sizes = [p.name for p in type_.expressions if isinstance(p, exp.DataTypeParam)]
    sized = f"{name}({','.join(sizes)})" if sizes and kind is not exp.DType.INTERVAL else name
    return f"{sized} WITH TIME ZONE" if kind is exp.DType.TIMESTAMPTZ else sized
