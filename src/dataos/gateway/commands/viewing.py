"""CREATE, ALTER, DROP VIEW, COMMENT ON VIEW, SHOW CREATE VIEW."""

from __future__ import annotations

from collections.abc import Sequence

from dataos.core.errors import DataOSError, fail
from dataos.engines.ports import EngineColumn
from dataos.gateway import problems, types
from dataos.gateway.commands import constants, targets
from dataos.gateway.commands.model import AlterView, ColumnDefinition, CreateView, DropView, Named
from dataos.gateway.commands.ports import NewView, Outcome, Queries, Statements, TableWrites, done
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import Decision, Relation, ViewScan


async def create(command: CreateView, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Keep a query under a name. It is planned as the user's own, and not run.

    Raises DataOSError `query.exists`, `query.forbidden`, `query.type`, and what the query raises.
    """
    place = await targets.new(command.view, names)
    await targets.allow(queries, names, place.full_name, "create_view")
    there = await names.find(TableName((place.catalog, place.schema, place.table), (None, None)))
    if there is not None and not (command.replace and isinstance(there.scan, ViewScan)):
        what = "View" if isinstance(there.scan, ViewScan) else "Table"
        raise problems.at(
            names.source.place(command.view.start),
            "query.exists",
            f"{what} '{place.full_name}' already exists",
            "CREATE OR REPLACE VIEW replaces a view" if what == "View" else "choose another name",
        )
    shown: list[str] = []
    columns: list[ColumnDefinition] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        del decided
        shown[:] = qualified.names
        if there is not None and there.udl in names.views:
            raise problems.at(names.source.place(command.view.start), "query.view", "a view cannot read itself")

    def wrap(sql: str, found: Sequence[EngineColumn]) -> str:
        columns[:] = [
            ColumnDefinition(name.lower(), types.data_type(types.from_duckdb(c.type)))
            for name, c in zip(shown, found, strict=True)
        ]
        return f"SELECT * FROM ({sql}) AS __dt_view LIMIT 0"

    async with queries.secured(command.query, names, query_id, check, wrap) as opened:
        async for _ in opened.batches:
            pass
    twice = {c.name for c in columns if sum(o.name == c.name for o in columns) > 1}
    if twice:
        raise problems.at(
            names.source.place(command.view.start),
            "query.type",
            f"Column name '{min(twice)}' specified more than once",
            "SELECT x AS name",
        )
    view = NewView(
        place.schema,
        place.table,
        tuple(columns),
        command.text,
        names.default_catalog,
        names.default_schema,
        command.security,
        command.comment,
    )
    await place.writes.create_view(names.principal, view, replace=there is not None)
    return done("CREATE VIEW")


async def _existing(name: Named, names: Statements) -> tuple[Relation, TableWrites]:
    place = names.source.place(name.start)
    relation = await names.relation(TableName(name.parts, place))
    if not isinstance(relation.scan, ViewScan):
        raise problems.at(place, "query.unknown_relation", f"'{relation.full_name}' is no view, but a table")
    catalog, provider = names.catalog(relation.catalog, place)
    return relation, targets.writer(catalog, provider, place, names)


async def drop(command: DropView, names: Statements, queries: Queries) -> Outcome:
    """Forget a view."""
    place = names.source.place(command.view.start)
    if command.exists_ok and await names.find(TableName(command.view.parts, place)) is None:
        return done("DROP VIEW")
    relation, writes = await _existing(command.view, names)
    await targets.allow(queries, names, relation, "drop_view")
    await writes.drop_view(names.principal, relation)
    return done("DROP VIEW")


async def alter(command: AlterView, names: Statements, queries: Queries) -> Outcome:
    """Rename a view; it keeps its definer."""
    relation, writes = await _existing(command.view, names)
    await targets.allow(queries, names, relation, "alter_view")
    if command.rename is None:
        raise fail(
            "query.unsupported",
            "SET AUTHORIZATION of a view is not supported: a definer lends its own rights only",
            hint="let that user CREATE OR REPLACE the view, or use SECURITY INVOKER and grants",
        )
    parts = (*(relation.catalog, relation.schema)[: 3 - len(command.rename.parts)], *command.rename.parts)
    place = await targets.new(Named(parts, command.rename.start), names)
    if place.catalog != relation.catalog:
        raise fail("query.unsupported", "View rename across catalogs is not supported")
    await targets.allow(queries, names, place.full_name, "create_view")
    await writes.rename_view(names.principal, relation, place.schema, place.table)
    return done("RENAME VIEW")


async def comment(name: Named, text: str | None, names: Statements, queries: Queries) -> Outcome:
    """Say something of a view."""
    relation, writes = await _existing(name, names)
    await targets.allow(queries, names, relation, "comment")
    await writes.comment_view(names.principal, relation, text)
    return done("COMMENT")


def create_text(relation: Relation) -> str:
    """CREATE VIEW of a view as it is now."""
    scan = relation.scan
    if not isinstance(scan, ViewScan):
        raise no_view(relation)
    name = targets.spelled(relation.catalog, relation.schema, relation.table)
    said = f"\nCOMMENT {constants.literal(scan.comment)}" if scan.comment else ""
    return f"CREATE VIEW {name}{said}\nSECURITY {scan.security.upper()} AS\n{scan.text}"


def no_view(relation: Relation) -> DataOSError:
    """What is asked of a view is asked of a table."""
    return fail("query.unknown_relation", f"'{relation.full_name}' is no view, but a table")
