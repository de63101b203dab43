"""CREATE, ALTER, DROP of tables and schemas, COMMENT, procedures, ANALYZE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataos.core.errors import DataOSError
from dataos.core.names import did_you_mean
from dataos.gateway import problems, types
from dataos.gateway.commands import targets
from dataos.gateway.commands.model import (
    AlterSchema,
    AlterTable,
    Analyze,
    Call,
    ColumnDefinition,
    Comment,
    CreateSchema,
    CreateTable,
    DropSchema,
    DropTable,
    Execute,
    Like,
    Named,
)
from dataos.gateway.commands.ports import NewTable, Outcome, Queries, Statements, TableWrites, done
from dataos.gateway.relations import RelationProvider

_POSITIONS: Mapping[str, tuple[str, ...]] = {
    "rollback_to_snapshot": ("snapshot_id",),
    "set_current_snapshot": ("snapshot_id",),
    "cherrypick_snapshot": ("snapshot_id",),
    "fast_forward": ("branch", "to"),
    "expire_snapshots": ("retention_threshold", "retain_last"),
    "remove_orphan_files": ("retention_threshold",),
    "optimize": ("file_size_threshold",),
}
"""Arguments that CALL takes by their place, after the table's."""


async def create_table(command: CreateTable, names: Statements, queries: Queries) -> Outcome:
    """Make an empty table. Raises DataOSError `query.exists`, `query.forbidden`, `query.type`, `query.property`."""
    place = await targets.new(command.table, names)
    await targets.allow(queries, names, place.full_name, "create")
    if await place.exists():
        if command.exists_ok:
            return done("CREATE TABLE")
        raise targets.exists(place.full_name, names, command.table)
    columns: list[ColumnDefinition] = []
    properties: dict[str, Any] = {}
    for element in command.elements:
        if isinstance(element, Like):
            more, theirs = await _like(element, names)
            columns += more
            properties |= theirs
        else:
            columns.append(element)
    _refuse_twins(columns, names, command.table)
    table = NewTable(place.schema, place.table, tuple(columns), command.comment, {**properties, **command.properties})
    try:
        await place.writes.create(names.principal, table, None)
    except DataOSError as error:
        if not (command.exists_ok and error.problem.code.startswith(("iceberg.exists", "depot.exists"))):
            raise
    return done("CREATE TABLE")


async def _like(element: Like, names: Statements) -> tuple[list[ColumnDefinition], dict[str, Any]]:
    source = await targets.existing(element.table, names)
    columns = [
        ColumnDefinition(c.name, types.data_type(c.type), c.nullable, c.comment or None)
        for c in source.relation.columns
    ]
    if not element.properties:
        return columns, {}
    found = await source.writes.describe(names.principal, source.relation)
    return columns, {k: v for k, v in found["properties"].items() if k != "location"}


def _refuse_twins(columns: list[ColumnDefinition], names: Statements, table: Named) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            place = names.source.place(column.start or table.start)
            raise problems.at(place, "query.type", f"Column name '{column.name}' specified more than once")
        seen.add(column.name.lower())


async def drop_table(command: DropTable, names: Statements, queries: Queries) -> Outcome:
    """Drop a table, with its files."""
    target = await _optional(command.table, command.exists_ok, names)
    if target is not None:
        await targets.allow(queries, names, target.relation, "drop")
        await target.writes.drop(names.principal, target.relation)
    return done("DROP TABLE")


async def _optional(name: Named, exists_ok: bool, names: Statements) -> targets.Target | None:
    return await targets.optional(name, names) if exists_ok else await targets.existing(name, names)


async def alter_table(command: AlterTable, names: Statements, queries: Queries) -> Outcome:
    """Change a table's name, columns or properties."""
    target = await _optional(command.table, command.exists_ok, names)
    if target is None:
        return done("ALTER TABLE")
    relation, details = target.relation, dict(command.details)
    verb = "rename" if command.action == "rename" else "alter"
    targets.refuse_bitten(await targets.allow(queries, names, relation, verb), relation, verb)
    if command.action == "owner":
        raise _no_owners(names, command.table)
    if command.action == "rename":
        written: Named = details["name"]
        parts = (*(relation.catalog, relation.schema)[: 3 - len(written.parts)], *written.parts)
        place = await targets.new(Named(parts, written.start), names)
        if place.catalog != relation.catalog:
            raise problems.at(
                names.source.place(written.start), "query.unsupported", "Table rename across catalogs is not supported"
            )
        await targets.allow(queries, names, place.full_name, "create")
        await target.writes.rename(names.principal, relation, place.schema, place.table)
        return done("RENAME TABLE")
    if command.action == "add_column":
        column: ColumnDefinition = details["column"]
        if details["exists_ok"] and any(c.name.lower() == column.name.lower() for c in relation.columns):
            return done("ADD COLUMN")
    elif "column" in details:
        spelled = await _path(target, details["column"], names, command.table, details.get("exists_ok", False))
        if spelled is None:
            return done("ALTER TABLE")
        details["column"] = spelled
    await target.writes.alter(names.principal, relation, command.action, details)
    return done("ALTER TABLE")


async def _path(target: targets.Target, written: str, names: Statements, table: Named, exists_ok: bool) -> str | None:
    """A column as the table spells it; fields of structs are left to the catalog. None if it may be missing and is."""
    first, _, rest = written.partition(".")
    known = next((c.name for c in target.relation.columns if c.name.lower() == first.lower()), None)
    if known is None:
        if exists_ok:
            return None
        known = targets.column(target.relation, first, names, table).name
    return f"{known}.{rest}" if rest else known


def _no_owners(names: Statements, name: Named) -> DataOSError:
    return problems.at(
        names.source.place(name.start),
        "query.unsupported",
        "SET AUTHORIZATION is not supported: tables and schemas have no owners here",
        "grants and policies say who may do what: dataos apply",
    )


async def comment(command: Comment, names: Statements, queries: Queries) -> Outcome:
    """Say something of a table or a column."""
    table = command.name
    column = None
    if command.kind == "column":
        column = table.last
        table = replace(table, parts=table.parts[:-1])
    target = await targets.existing(table, names)
    await targets.allow(queries, names, target.relation, "comment")
    if column is not None:
        column = targets.column(target.relation, column, names, table).name
    await target.writes.comment(names.principal, target.relation, column, command.text)
    return done("COMMENT")


async def execute(command: Execute, names: Statements, queries: Queries) -> Outcome:
    """Run a procedure of a table; what it tells, as rows."""
    target = await targets.existing(command.table, names)
    decision = await targets.allow(queries, names, target.relation, "procedure")
    targets.refuse_bitten(decision, target.relation, "procedure")
    arguments = dict(command.arguments)
    if command.where is not None:
        arguments["where"] = command.where
    told = await target.writes.procedure(names.principal, target.relation, command.procedure, arguments)
    return Outcome((("metric_name", "varchar"), ("metric_value", "varchar")), told, "ALTER TABLE EXECUTE")


async def call(command: Call, names: Statements, queries: Queries) -> Outcome:
    """CALL [c.]system.procedure(schema, table, ...): a procedure of a table."""
    parts = command.procedure.parts
    place = names.source.place(command.procedure.start)
    if len(parts) > 1 and parts[-2].lower() != "system":
        raise problems.at(
            place,
            "query.procedure",
            f"Procedure '{command.procedure}' is not registered",
            "CALL c.system.procedure(...)",
        )
    name = command.procedure.last.lower()
    given = dict(command.named)
    order = ("schema_name", "table_name", *_POSITIONS.get(name, ()))
    if len(command.positional) > len(order):
        raise problems.at(place, "query.procedure", f"Procedure {name} takes at most {len(order)} arguments")
    for key, value in zip(order, command.positional, strict=False):
        if key in given:
            raise problems.at(place, "query.procedure", f"argument {key} of {name} is given twice")
        given[key] = value
    schema, table = given.pop("schema_name", None), given.pop("table_name", None)
    if not isinstance(schema, str) or not isinstance(table, str):
        raise problems.at(
            place,
            "query.procedure",
            f"Procedure {name} needs a schema and a table",
            f"CALL lakehouse.system.{name}(schema_name => 'retail', table_name => 'orders', ...)",
        )
    catalog = (parts[0],) if len(parts) > 2 else (names.default_catalog,) if names.default_catalog else ()
    found = await execute(
        Execute(Named((*catalog, schema, table), command.procedure.start), name, given), names, queries
    )
    return replace(found, kind="CALL")


async def analyze(command: Analyze, names: Statements, queries: Queries) -> Outcome:
    """Check the table and its columns. Figures of tables are kept with their files and need no ANALYZE."""
    target = await targets.existing(command.table, names)
    await targets.allow(queries, names, target.relation, "analyze")
    for key, value in command.properties.items():
        if key not in ("columns", "partitions"):
            raise problems.at(
                names.source.place(command.table.start),
                "query.property",
                f"Analyze property '{key}' does not exist",
                "known: columns, partitions",
            )
        for column in value if key == "columns" and isinstance(value, list) else []:  # pyright: ignore[reportUnknownVariableType]
            targets.column(target.relation, str(column), names, command.table)  # pyright: ignore[reportUnknownArgumentType]
    return done("ANALYZE")


# --- schemas ----------------------------------------------------------------------------------------------------------


async def create_schema(command: CreateSchema, names: Statements, queries: Queries) -> Outcome:
    """Make a schema (a collection)."""
    catalog, schema, provider, writes = _schema(command.schema, names)
    await targets.allow(queries, names, f"{catalog}.{schema}", "create_schema")
    if any(s.lower() == schema.lower() for s in await provider.schemas(catalog, names.principal)):
        if command.exists_ok:
            return done("CREATE SCHEMA")
        raise problems.at(
            names.source.place(command.schema.start), "query.exists", f"Schema '{catalog}.{schema}' already exists"
        )
    await writes.create_schema(names.principal, schema, command.properties)
    return done("CREATE SCHEMA")


async def drop_schema(command: DropSchema, names: Statements, queries: Queries) -> Outcome:
    """Drop a schema; with CASCADE all that is in it."""
    found = await _existing_schema(command.schema, names, missing_ok=command.exists_ok)
    if found is not None:
        catalog, schema, writes = found
        await targets.allow(queries, names, f"{catalog}.{schema}", "drop_schema")
        await writes.drop_schema(names.principal, schema, command.cascade)
    return done("DROP SCHEMA")


async def alter_schema(command: AlterSchema, names: Statements, queries: Queries) -> Outcome:
    """Rename a schema, with its tables."""
    if command.rename is None:
        raise _no_owners(names, command.schema)
    found = await _existing_schema(command.schema, names, missing_ok=False)
    assert found is not None  # noqa: S101 - else it was raised
    catalog, schema, writes = found
    await targets.allow(queries, names, f"{catalog}.{schema}", "alter_schema")
    await writes.rename_schema(names.principal, schema, command.rename)
    return done("RENAME SCHEMA")


async def _existing_schema(name: Named, names: Statements, *, missing_ok: bool) -> tuple[str, str, TableWrites] | None:
    catalog, schema, provider, writes = _schema(name, names)
    known = await provider.schemas(catalog, names.principal)
    spelled = next((s for s in known if s.lower() == schema.lower()), None)
    if spelled is not None:
        return catalog, spelled, writes
    if missing_ok:
        return None
    raise problems.at(
        names.source.place(name.start),
        "query.unknown_relation",
        f"Schema '{catalog}.{schema}' does not exist",
        did_you_mean(schema.lower(), known),
    )


def _schema(name: Named, names: Statements) -> tuple[str, str, RelationProvider, TableWrites]:
    place = names.source.place(name.start)
    wanted = name.parts[0] if len(name.parts) > 1 else names.default_catalog
    catalog, provider = names.catalog(wanted, place)
    return catalog, name.last, provider, targets.writer(catalog, provider, place, names)
