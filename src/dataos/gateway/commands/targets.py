"""The tables that commands change: found, allowed, and refused in words that name what is missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.gateway import problems
from dataos.gateway.commands.auditing import AuditedWrites
from dataos.gateway.commands.model import Named
from dataos.gateway.commands.ports import Queries, Statements, TableWrites, Writable
from dataos.gateway.qualifying import TableName
from dataos.gateway.relations import (
    FILE,
    POSITION,
    Column,
    DatabaseScan,
    IcebergScan,
    Relation,
    RelationProvider,
    ViewScan,
    WriteDecision,
)
from dataos.governance.principals import Principal

_TAKEN = ("filename", "file_row_number")


@dataclass(frozen=True)
class Target:
    """A table that is there."""

    relation: Relation
    writes: TableWrites


@dataclass(frozen=True)
class Place:
    """A name in a schema that is there. `exists`: is there a table or view of that name now?"""

    catalog: str
    schema: str
    table: str
    writes: TableWrites
    exists: Callable[[], Awaitable[bool]]

    @property
    def full_name(self) -> str:
        """As messages show it."""
        return f"{self.catalog}.{self.schema}.{self.table}"


async def existing(name: Named, names: Statements) -> Target:
    """The table of a name. Raises DataOSError `query.unknown_relation`, `query.unsupported` if it cannot be written."""
    place = names.source.place(name.start)
    wanted, _, table = names.parts(name.parts, place)
    catalog, provider = names.catalog(wanted, place)
    writes = writer(catalog, provider, place, names)
    relation = await names.relation(TableName(name.parts, place))
    if isinstance(relation.scan, ViewScan):
        raise problems.at(
            place,
            "query.unsupported",
            f"{relation.full_name} is a view: it cannot be written",
            "DROP VIEW and ALTER VIEW",
        )
    if "$" in table and not isinstance(relation.scan, IcebergScan):
        raise problems.at(place, "query.unsupported", f"{relation.full_name} is a metadata table: it cannot be written")
    return Target(relation, writes)


async def optional(name: Named, names: Statements) -> Target | None:
    """As `existing`, None where there is no table of that name."""
    place = names.source.place(name.start)
    found = await names.find(TableName(name.parts, place))
    return await existing(name, names) if found is not None else None


async def readable(name: Named, names: Statements) -> Relation:
    """The table of a name, to be read. Raises DataOSError `query.unknown_relation`."""
    return await names.relation(TableName(name.parts, names.source.place(name.start)))


def identifiers(name: Named) -> dict[str, exp.Identifier]:
    """The parts of a table's node in a query."""
    made = [exp.to_identifier(p, quoted=True) for p in name.parts]
    made[-1].meta["start"] = name.start
    return dict(zip(("this", "db", "catalog"), reversed(made), strict=False))


def spelled(*parts: str) -> str:
    """A name as a statement writes it."""
    return ".".join(exp.to_identifier(p, quoted=not (p.isidentifier() and p == p.lower())).sql("trino") for p in parts)


async def new(name: Named, names: Statements) -> Place:
    """Where a table can be made. Raises DataOSError `query.unknown_catalog`, `query.unknown_relation` (the schema)."""
    place = names.source.place(name.start)
    wanted, schema, table = names.parts(name.parts, place)
    catalog, provider = names.catalog(wanted, place)
    writes = writer(catalog, provider, place, names)
    schemas = await provider.schemas(catalog, names.principal)
    spelled = next((s for s in schemas if s.lower() == schema.lower()), None)
    if spelled is None:
        raise problems.at(
            place,
            "query.unknown_relation",
            f"Schema '{catalog}.{schema}' does not exist",
            did_you_mean(schema.lower(), schemas) or "CREATE SCHEMA makes it",
        )

    async def exists() -> bool:
        return await names.find(TableName((catalog, spelled, table), place)) is not None

    return Place(catalog, spelled, table, writes, exists)


def writer(
    catalog: str, provider: RelationProvider, place: tuple[int | None, int | None], names: Statements
) -> TableWrites:
    """Who writes a catalog's tables, with the audit before each write. Raises DataOSError `query.unsupported`."""
    if not isinstance(provider, Writable):
        raise problems.at(
            place,
            "query.unsupported",
            f"Catalog '{catalog}' cannot be written by SQL statements",
            "Lakehouses, PostgreSQL, MySQL, MariaDB and SQLite can; a Flare job writes tables in folders",
        )
    return AuditedWrites(provider.writes(catalog), catalog, names.intend)


async def allow(queries: Queries, names: Statements, target: Relation | str, action: str) -> WriteDecision:
    """Ask whether the principal may do this. Raises DataOSError `query.forbidden`."""
    decision = await queries.authority.decide_write(names.principal, target, action)
    if not decision.allowed:
        raise refused(target, action, f"the predicate '{decision.missing or action}' is not granted")
    names.permit(decision.policies)
    return decision


def refused(target: Relation | str, action: str, why: str) -> DataOSError:
    """The refusal of a write."""
    shown = target if isinstance(target, str) else target.full_name
    return fail(
        "query.forbidden",
        f"Access Denied: Cannot {action.replace('_', ' ')} {shown}: {why}",
        hint="ask an operator for a grant or policy that allows it",
    )


def refuse_bitten(decision: WriteDecision, relation: Relation, action: str) -> None:
    """Rows that a principal does not see whole are not changed by it. Raises DataOSError `query.forbidden`."""
    if decision.bites:
        which = f" ({', '.join(decision.policies)})" if decision.policies else ""
        raise refused(
            relation, action, f"filters or masks are in effect for you on it{which}, and only INSERT goes with them"
        )


def exists(full_name: str, names: Statements, name: Named) -> DataOSError:
    """The refusal of a name that is taken."""
    return problems.at(
        names.source.place(name.start),
        "query.exists",
        f"Table '{full_name}' already exists",
        "DROP TABLE it first, or CREATE TABLE IF NOT EXISTS",
    )


@asynccontextmanager
async def standing(target: Target, names: Statements, *, unchanged: bool) -> AsyncGenerator[Any]:
    """The table as it is now, held until its rows are written. Raises DataOSError `iceberg.conflict`, `depot.conflict`
    if its columns, or with `unchanged` its rows, are not those that the statement was read for."""
    relation = target.relation
    at = await target.writes.stand(names.principal, relation)
    try:
        scan = relation.scan
        moved = isinstance(scan, IcebergScan) and scan.snapshot_id != at.snapshot_id
        if at.columns != tuple(c.name for c in relation.columns) or (unchanged and moved):
            raise changed(relation)
        yield at
    finally:
        await at.aclose()


def changed(relation: Relation) -> DataOSError:
    """Somebody else has changed the table meanwhile: the statement runs again."""
    text = f"table {relation.full_name} kept changing while the statement ran; nothing was changed"
    hint = "run it again, or put writers of one table in order"
    if isinstance(relation.scan, DatabaseScan):
        return fail("depot.conflict", text, hint=hint, retry=1.0)
    return fail("iceberg.conflict", text, hint=hint, retry=1.0)


def column(relation: Relation, name: str, names: Statements, table: Named) -> Column:
    """A column of a table, by its name in any letter case. Raises DataOSError `query.unknown_column`."""
    found = next((c for c in relation.columns if c.name.lower() == name.lower()), None)
    if found is None:
        raise problems.at(
            names.source.place(table.start),
            "query.unknown_column",
            f"Column '{name}' does not exist in {relation.full_name}",
            did_you_mean(name, [c.name for c in relation.columns]),
        )
    return found


def address(relation: Relation) -> str:
    """The address of the dataset whose rows a statement writes."""
    return str(Udl(relation.catalog, relation.schema, relation.dataset or relation.table))


async def with_places(relation: Relation, writes: TableWrites | None, principal: Principal, place: Any) -> Relation:
    """A table whose rows come with what names them. Raises DataOSError `query.unsupported`."""
    more = (Column(FILE, "varchar"), Column(POSITION, "bigint"))
    if isinstance(relation.scan, DatabaseScan) and writes is not None:
        identity = await writes.identity(principal, relation)
        if identity is None:
            raise problems.at(
                place,
                "query.unsupported",
                f"rows of {relation.full_name} cannot be changed: it has no key by which they are told apart",
                "give it in the database a PRIMARY KEY, or a UNIQUE key of NOT NULL columns that are no floats; "
                "INSERT works without",
            )
        return replace(relation, columns=(*relation.columns, *more), scan=replace(relation.scan, identity=identity))
    scan = relation.scan
    if not isinstance(scan, IcebergScan):
        raise problems.at(
            place, "query.unsupported", f"rows of {relation.full_name} cannot be changed by SQL statements"
        )
    taken = [c.name for c in relation.columns if c.name.lower() in _TAKEN]
    if taken:
        raise problems.at(
            place,
            "query.unsupported",
            f"rows of {relation.full_name} cannot be changed here: its column '{taken[0]}' has a name that the engine "
            "keeps for itself",
            "rename the column: ALTER TABLE t RENAME COLUMN a TO b",
        )
    return replace(relation, columns=(*relation.columns, *more), scan=replace(scan, positions=True))
