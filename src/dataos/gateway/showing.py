"""SHOW, DESCRIBE and EXPLAIN: answers from our own catalog, as rows that the engine only repeats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dataos.core import names
from dataos.core.sqltext import literal, quoted
from dataos.gateway import duckdb_types, functions, journal, problems, statements
from dataos.gateway.commands.model import Explain
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import Decision, Relation, RelationProvider
from dataos.governance.principals import Principal

Place = tuple[int | None, int | None]


class Names(Protocol):
    """What is asked of a statement's name resolution."""

    @property
    def principal(self) -> Principal: ...

    @property
    def source(self) -> problems.Source: ...

    @property
    def providers(self) -> Mapping[str, RelationProvider]: ...

    @property
    def default_catalog(self) -> str | None: ...

    @property
    def default_schema(self) -> str | None: ...

    def catalog(self, name: str | None, place: Place) -> tuple[str, RelationProvider]: ...

    async def shown(self, name: TableName) -> Relation: ...

    async def schemas(self, catalog: str, provider: RelationProvider) -> list[str]: ...

    async def tables(self, catalog: str, schema: str, provider: RelationProvider) -> list[str]: ...


@dataclass(frozen=True)
class Table:
    """Rows of text. None is NULL."""

    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]


async def answer(parsed: statements.Parsed, asked: Names, cluster: str) -> Table:
    """The rows of a SHOW or DESCRIBE."""
    match parsed:
        case statements.ShowCatalogs():
            return _names("Catalog", sorted(asked.providers), parsed.like)
        case statements.ShowSchemas():
            catalog, provider = asked.catalog(parsed.catalog or asked.default_catalog, (1, 1))
            return _names("Schema", await asked.schemas(catalog, provider), parsed.like)
        case statements.ShowTables():
            return await _tables(parsed, asked)
        case statements.ShowColumns():
            return await _columns(parsed, asked)
        case statements.ShowFunctions():
            return _functions(parsed.like)
        case _:
            raise problems.at((1, 1), "query.unsupported", f"this statement is not supported on cluster {cluster}")


async def _tables(parsed: statements.ShowTables, asked: Names) -> Table:
    schema = parsed.name[-1] if parsed.name else asked.default_schema
    wanted = parsed.name[0] if len(parsed.name) > 1 else asked.default_catalog
    if schema is None:
        raise problems.at((1, 1), "query.unknown_relation", "Schema must be specified when session schema is not set")
    catalog, provider = asked.catalog(wanted, (1, 1))
    schemas = await asked.schemas(catalog, provider)
    if schema.lower() not in (s.lower() for s in schemas):
        raise problems.at(
            (1, 1),
            "query.unknown_relation",
            f"Schema '{catalog}.{schema}' does not exist",
            names.did_you_mean(schema.lower(), schemas),
        )
    return _names("Table", await asked.tables(catalog, schema, provider), parsed.like)


async def _columns(parsed: statements.ShowColumns, asked: Names) -> Table:
    relation = await asked.shown(TableName(parsed.name, asked.source.place(parsed.start)))
    rows: list[tuple[str | None, ...]] = [
        (c.name.lower(), c.type, "", c.comment) for c in relation.columns if is_like(parsed.like, c.name.lower())
    ]
    return Table(("Column", "Type", "Extra", "Comment"), rows)


def _functions(like: str | None) -> Table:
    rows: list[tuple[str | None, ...]] = []
    for f in functions.ALL:
        if is_like(like, f.name):
            arity = f"{f.arity}{' or more' if f.open_ended else ''}"
            sure = "false" if f.name in functions.NONDETERMINISTIC else "true"
            returns = "" if f.returns in ("?", "0", "1", "2", "e0", "a0") else f.returns
            rows.append((f.name, returns, arity, f.kind, sure, ""))
    columns = ("Function", "Return Type", "Argument Types", "Function Type", "Deterministic", "Description")
    return Table(columns, sorted(rows, key=lambda r: (r[0] or "", r[2] or "")))


def explained(parsed: Explain, qualified: Qualified) -> Table:
    """What EXPLAIN tells: relations and columns that are read, as our catalog resolves them. No engine estimates."""
    if parsed.type == "VALIDATE":
        return Table(("Valid",), [("true",)])
    inputs = [
        {
            "table": {"catalog": r.catalog, "schemaTable": {"schema": r.schema, "table": r.table}},
            "columns": _own(sorted(used)),
        }
        for r, used in zip(qualified.relations, qualified.used, strict=True)
    ]
    if parsed.type == "IO" or parsed.format == "JSON":
        return Table(
            ("Query Plan",), [(json.dumps({"inputTableColumnInfos": inputs, "outputColumns": _own(qualified.names)}),)]
        )
    return Table(("Query Plan",), [(plan(qualified),)])


def plan(qualified: Qualified) -> str:
    """The text of EXPLAIN."""
    lines = [f"Output[columnNames = [{', '.join(_own(qualified.names))}]]"]
    for relation, used in zip(qualified.relations, qualified.used, strict=True):
        lines.append(f"    TableScan[table = {relation.full_name}, columns = [{', '.join(_own(sorted(used)))}]]")
    return "\n".join(lines)


def _own(columns: Sequence[str]) -> list[str]:
    """Without columns that only the gateway knows."""
    return [c for c in columns if not c.startswith("__dt_")]


def policies(touched: Sequence[tuple[Relation, Decision]]) -> Table:
    """What EXPLAIN (TYPE POLICY) tells: who decided about each table, and what is hidden of it for the caller."""
    rows: list[tuple[str | None, ...]] = []
    for table in journal.told(touched):
        name = f"{table['catalog']}.{table['schema']}.{table['table']}"
        rows += [(name, None, "allowed", None, policy) for policy in table["policies"]]
        rows += [(name, f["column"], "filter", f["filter"], f["policy"]) for f in table["filters"]]
        rows += [(name, m["column"], "mask", m["mask"], m["policy"]) for m in table["masks"]]
        rows += [(name, column, "denied", None, None) for column in table["denied"]]
    return Table(("Table", "Column", "Effect", "Expression", "Policy"), rows)


def _names(column: str, found: Sequence[str], like: str | None) -> Table:
    return Table((column,), [(n,) for n in sorted(found) if is_like(like, n)])


def is_like(pattern: str | None, text: str) -> bool:
    """Does a text fit the pattern of LIKE? None fits all."""
    if pattern is None:
        return True
    made = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(made, text, re.DOTALL) is not None


def as_sql(table: Table) -> str:
    """The rows as a SELECT of constants in the engine's dialect."""
    if not table.rows:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {quoted(c)}" for c in table.columns)
        return f"SELECT {nothing} WHERE false"
    columns = ", ".join(quoted(f"c{i}") for i in range(len(table.columns)))
    rows = ", ".join("(" + ", ".join(_text(v) for v in row) + ")" for row in table.rows)
    return f"SELECT * FROM (VALUES {rows}) AS t({columns})"


def typed_sql(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> str:
    """Rows of text as a SELECT of constants of Trino's types."""
    names = [f"c{i}" for i in range(len(columns))]
    casts = ", ".join(
        f"CAST({quoted(n)} AS {duckdb_types.of(type_).sql('duckdb')}) AS {quoted(name)}"
        for n, (name, type_) in zip(names, columns, strict=True)
    )
    if not rows:
        nothing = ", ".join(f"NULL AS {quoted(n)}" for n in names)
        return f"SELECT {casts} FROM (SELECT {nothing}) AS t WHERE false"
    listed = ", ".join("(" + ", ".join(_text(v) for v in row) + ")" for row in rows)
    return f"SELECT {casts} FROM (VALUES {listed}) AS t({', '.join(quoted(n) for n in names)})"


def _text(value: str | None) -> str:
    return "NULL" if value is None else literal(value)
