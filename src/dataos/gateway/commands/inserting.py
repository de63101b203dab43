"""INSERT and CREATE TABLE AS: a secured query's rows go, as a stream, into a table."""

from __future__ import annotations

from collections.abc import Sequence

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.engines.ports import EngineColumn
from dataos.gateway import problems, types
from dataos.gateway.commands import targets, wrapping
from dataos.gateway.commands.model import ColumnDefinition, CreateTable, Insert, Named
from dataos.gateway.commands.ports import NewTable, Outcome, Queries, Statements, counted, done
from dataos.gateway.qualifying import Qualified
from dataos.gateway.relations import Column, Decision, Relation


async def insert(command: Insert, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Add the rows of a query to a table.

    Raises DataOSError `query.forbidden`, `query.type`, `query.unknown_column`, and what reading and writing raise.
    """
    target = await targets.existing(command.table, names)
    decision = await targets.allow(queries, names, target.relation, "insert")
    chosen = _chosen(command, target.relation, names)
    places = {c.name: i for i, c in enumerate(chosen)}
    given = [c for c in target.relation.columns if c.name in places or not target.writes.by_clause]

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        _refuse_masked_back(target.relation, qualified, decided)

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        _refuse_misfits(command, target.relation, chosen, columns, names)
        outputs = [
            wrapping.named(
                wrapping.cast(wrapping.value(places[c.name]), columns[places[c.name]], c, exact=target.writes.by_clause)
                if c.name in places
                else wrapping.missing(c),
                c.name,
            )
            for c in given
        ]
        return wrapping.around(sql, len(columns), outputs)

    async with targets.standing(target, names, unchanged=False) as at:
        if decision.bites and at.telling:
            raise targets.refused(
                target.relation, "insert", "it has unique or foreign keys or triggers, whose errors would tell of rows"
            )
        async with queries.secured(command.query, names, query_id, check, wrap) as opened:
            await queries.derived(
                names, query_id, targets.address(target.relation), target.relation.columns, opened.qualified
            )
            written = [c.name for c in given]
            count = await target.writes.append(names.principal, at, opened.batches, written)
    return counted("INSERT", count)


def _chosen(command: Insert, relation: Relation, names: Statements) -> list[Column]:
    if command.columns is None:
        return list(relation.columns)
    return [targets.column(relation, name, names, command.table) for name in command.columns]


def _refuse_masked_back(target: Relation, qualified: Qualified, decided: Sequence[Decision]) -> None:
    """Values that a mask made must not take the place of the true ones in the table that they come from."""
    for relation, decision, used in zip(qualified.relations, decided, qualified.used, strict=True):
        masked = sorted(used & decision.masked(relation))
        if relation.udl == target.udl and masked:
            raise fail(
                "query.forbidden",
                f"masked values of {target.full_name} ({', '.join(masked)}) cannot be written back into it",
                hint="leave these columns out, or ask for a grant that shows them as they are",
            )


def _refuse_misfits(
    command: Insert, relation: Relation, chosen: Sequence[Column], columns: Sequence[EngineColumn], names: Statements
) -> None:
    place = names.source.place(command.table.start)
    if len(columns) != len(chosen):
        shown = ", ".join(c.name for c in chosen)
        verdict = "too many data columns" if len(columns) > len(chosen) else "too few data columns"
        raise problems.at(
            place,
            "query.type",
            f"Insert query has {len(columns)} columns, {relation.full_name} takes {len(chosen)} ({shown}): {verdict}",
            "name the columns that get values: INSERT INTO t (a, b) ...",
        )
    for position, (have, column) in enumerate(zip(columns, chosen, strict=True)):
        if not wrapping.fits(have, column) and not wrapping.always_null(command.query, position):
            raise problems.at(
                place,
                "query.type",
                f"Insert query has mismatched column types: column {column.name} of {relation.full_name} is "
                f"{column.type}, the query gives {types.from_duckdb(have.type)}",
                f"CAST(... AS {column.type})",
            )


# --- CREATE TABLE AS --------------------------------------------------------------------------------------------------


async def create_as(command: CreateTable, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Make a table of a query's columns, with its rows. Raises as `insert`, and `query.exists`."""
    assert command.query is not None  # noqa: S101 - the caller has looked
    place = await targets.new(command.table, names)
    await targets.allow(queries, names, place.full_name, "create")
    if await place.exists():
        if command.exists_ok:
            return counted("CREATE TABLE", 0)
        if not command.replace:
            raise targets.exists(place.full_name, names, command.table)
        raise problems.at(
            names.source.place(command.table.start),
            "query.unsupported",
            f"CREATE OR REPLACE of a table that is there ({place.full_name}) is not supported",
            "DROP TABLE first, or DELETE FROM it and INSERT",
        )
    made: list[ColumnDefinition] = []

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        made[:] = _columns(command, columns, shown, names)
        outputs = [wrapping.named(wrapping.plain(wrapping.value(i), columns[i]), c.name) for i, c in enumerate(made)]
        return wrapping.around(sql, len(columns), outputs, "" if command.with_data else "false")

    shown: list[str] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        del decided
        shown[:] = qualified.names

    async with queries.secured(command.query, names, query_id, check, wrap) as opened:
        columns = [Column(c.name, c.type.sql("trino").lower()) for c in made]
        address = str(Udl(place.catalog, place.schema, place.table))
        await queries.derived(names, query_id, address, columns, opened.qualified)
        table = NewTable(place.schema, place.table, tuple(made), command.comment, command.properties)
        count = await place.writes.create(names.principal, table, opened.batches if command.with_data else None)
    return counted("CREATE TABLE", count) if command.with_data else done("CREATE TABLE")


def _columns(
    command: CreateTable, columns: Sequence[EngineColumn], shown: Sequence[str], names: Statements
) -> list[ColumnDefinition]:
    aliases = command.aliases or tuple(n.lower() for n in shown)
    if len(aliases) != len(columns):
        raise _problem(
            names,
            command.table,
            f"Column alias list has {len(aliases)} entries but the query has {len(columns)} columns",
        )
    seen: set[str] = set()
    made: list[ColumnDefinition] = []
    for name, column in zip(aliases, columns, strict=True):
        if name.lower() in seen:
            raise _problem(names, command.table, f"Column name '{name}' specified more than once")
        seen.add(name.lower())
        made.append(ColumnDefinition(name, types.data_type(types.from_duckdb(column.type))))
    return made


def _problem(names: Statements, table: Named, text: str) -> DataOSError:
    return problems.at(names.source.place(table.start), "query.type", text, "SELECT x AS name")
