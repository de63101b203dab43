"""SHOW CREATE, SHOW STATS, SHOW SESSION."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from dataos.core.errors import DataOSError
from dataos.core.names import did_you_mean
from dataos.engines.ports import EngineColumn
from dataos.gateway import problems, sessions, showing, types
from dataos.gateway.commands import constants, model, targets, viewing
from dataos.gateway.commands.ports import Outcome, Queries, Statements, Writable
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import Decision, Relation, ViewScan
from dataos.gateway.sessions import Session

_STATS = (
    ("column_name", "varchar"),
    ("data_size", "double"),
    ("distinct_values_count", "double"),
    ("nulls_fraction", "double"),
    ("row_count", "double"),
    ("low_value", "varchar"),
    ("high_value", "varchar"),
)
_ORDERED = types.INTEGERS | types.FLOATS | {
    exp.DType.DECIMAL, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ
}  # fmt: skip
_NESTED = frozenset({exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT})


def session(command: model.ShowSession, now: Session) -> Outcome:
    """Properties of the session."""
    columns = tuple((n, "varchar") for n in ("Name", "Value", "Default", "Type", "Description"))
    rows = [
        (name, now.properties.get(name, known.default), known.default, known.type, known.description)
        for name, known in sorted(sessions.PROPERTIES.items())
        if showing.is_like(command.like, name)
    ]
    return Outcome(columns, rows)


async def create(command: model.ShowCreate, names: Statements) -> Outcome:
    """The statement that would make a table or schema again."""
    place = names.source.place(command.name.start)
    if command.kind == "schema":
        wanted = command.name.parts[0] if len(command.name.parts) > 1 else names.default_catalog
        catalog, provider = names.catalog(wanted, place)
        known = await names.schemas(catalog, provider)
        schema = next((s for s in known if s.lower() == command.name.last.lower()), None)
        if schema is None:
            raise _no_schema(place, f"{catalog}.{command.name.last}", known)
        return _created("Create Schema", f"CREATE SCHEMA {targets.spelled(catalog, schema)}")
    whole = await names.relation(TableName(command.name.parts, place))
    relation = await names.shown(TableName(command.name.parts, place))
    if command.kind == "view" or isinstance(relation.scan, ViewScan):
        if command.kind != "view":
            raise problems.at(
                place, "query.unsupported", f"{relation.full_name} is a view", "SHOW CREATE VIEW shows it"
            )
        return _created("Create View", viewing.create_text(relation))
    described: Any = {"comment": None, "properties": {}}
    _, provider = names.catalog(relation.catalog, place)
    if isinstance(provider, Writable):
        described = await provider.writes(relation.catalog).describe(names.principal, relation)
    hidden = () if len(relation.columns) == len(whole.columns) else ("partitioning", "sorted_by")
    properties = {k: v for k, v in described["properties"].items() if k not in hidden}
    return _created("Create Table", create_table(relation, described["comment"], properties))


def _no_schema(place: Any, name: str, known: Sequence[str]) -> DataOSError:
    hint = did_you_mean(name.rpartition(".")[2].lower(), known)
    return problems.at(place, "query.unknown_relation", f"Schema '{name}' does not exist", hint)


def _created(title: str, text: str) -> Outcome:
    return Outcome(((title, "varchar"),), [(text,)])


def create_table(relation: Relation, comment: str | None, properties: dict[str, Any]) -> str:
    """CREATE TABLE of a relation as it is now."""
    lines: list[str] = []
    for column in relation.columns:
        line = f"   {targets.spelled(column.name)} {column.type}"
        line += "" if column.nullable else " NOT NULL"
        line += f" COMMENT {constants.literal(column.comment)}" if column.comment else ""
        lines.append(line)
    made = (
        f"CREATE TABLE {targets.spelled(relation.catalog, relation.schema, relation.table)} (\n"
        + ",\n".join(lines)
        + "\n)"
    )
    made += f"\nCOMMENT {constants.literal(comment)}" if comment else ""
    if properties:
        listed = ",\n".join(f"   {key} = {constants.literal(value)}" for key, value in properties.items())
        made += f"\nWITH (\n{listed}\n)"
    return made


async def stats(command: model.ShowStats, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Figures of the columns of a table or query, computed of what the principal sees of it."""
    tree = command.query
    if tree is None:
        assert command.table is not None  # noqa: S101 - one of the two is there
        await targets.readable(command.table, names)
        table = exp.Table(**targets.identifiers(command.table))
        tree = exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))
    shown: list[str] = []
    known: list[EngineColumn] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        del decided
        shown[:] = qualified.names

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        known[:] = columns
        inner = ", ".join(f'"c{i}"' for i in range(len(columns)))
        figures = ", ".join(_figures(i, c) for i, c in enumerate(columns))
        return f"SELECT count(*), {figures} FROM ({sql}) AS __dt_looked({inner})"

    async with queries.secured(tree, names, query_id, check, wrap) as opened:
        values: list[Any] = []
        async for batch in opened.batches:
            values = [batch.column(i)[0].as_py() for i in range(batch.num_columns)]
    total = int(values[0])
    rows: list[tuple[str | None, ...]] = []
    for i, name in enumerate(shown):
        there, distinct, low, high = values[1 + 4 * i : 5 + 4 * i]
        nulls = (total - there) / total if total else 0.0
        count = None if distinct is None else str(float(distinct))
        rows.append((name, None, count, str(nulls), None, low, high))
    return Outcome(_STATS, [*rows, (None, None, None, None, str(float(total)), None, None)])


def _figures(position: int, column: EngineColumn) -> str:
    name = f'"c{position}"'
    kind = types.kind(types.data_type(types.from_duckdb(column.type)))
    distinct = "NULL" if kind in _NESTED or kind is None else f"approx_count_distinct({name})"
    ends = [f"CAST({end}({name}) AS VARCHAR)" if kind in _ORDERED else "NULL" for end in ("min", "max")]
    return f"count({name}), {distinct}, {', '.join(ends)}"
