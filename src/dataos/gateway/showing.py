"""SHOW, DESCRIBE and EXPLAIN: answers from our own catalog, as rows that the engine only repeats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dataos.core import names
from dataos.gateway import functions, problems, statements
from dataos.gateway.qualifying import Qualified, TableName
from dataos.gateway.relations import Relation, RelationProvider
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

    async def relation(self, name: TableName) -> Relation: ...


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
            return _names("Schema", await provider.schemas(catalog, asked.principal), parsed.like)
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
    schemas = await provider.schemas(catalog, asked.principal)
    if schema.lower() not in (s.lower() for s in schemas):
        raise problems.at(
            (1, 1),
            "query.unknown_relation",
            f"Schema '{catalog}.{schema}' does not exist",
            names.did_you_mean(schema.lower(), schemas),
        )
    return _names("Table", await provider.tables(catalog, schema, asked.principal), parsed.like)


async def _columns(parsed: statements.ShowColumns, asked: Names) -> Table:
    relation = await asked.relation(TableName(parsed.name, asked.source.place(parsed.start)))
    rows: list[tuple[str | None, ...]] = [
        (c.name.lower(), c.type, "", c.comment) for c in relation.columns if _like(parsed.like, c.name.lower())
    ]
    return Table(("Column", "Type", "Extra", "Comment"), rows)


def _functions(like: str | None) -> Table:
    rows: list[tuple[str | None, ...]] = []
    for f in functions.ALL:
        if _like(like, f.name):
            arity = f"{f.arity}{' or more' if f.open_ended else ''}"
            sure = "false" if f.name in functions.NONDETERMINISTIC else "true"
            returns = "" if f.returns in ("?", "0", "1", "2", "e0", "a0") else f.returns
            rows.append((f.name, returns, arity, f.kind, sure, ""))
    columns = ("Function", "Return Type", "Argument Types", "Function Type", "Deterministic", "Description")
    return Table(columns, sorted(rows, key=lambda r: (r[0] or "", r[2] or "")))


def explained(parsed: statements.Explain, qualified: Qualified) -> Table:
    """What EXPLAIN tells: relations and columns that are read, as our catalog resolves them. No engine estimates."""
    if parsed.type == "VALIDATE":
        return Table(("Valid",), [("true",)])
    inputs = [
        {
            "table": {"catalog": r.catalog, "schemaTable": {"schema": r.schema, "table": r.table}},
            "columns": sorted(used),
        }
        for r, used in zip(qualified.relations, qualified.used, strict=True)
    ]
    if parsed.type == "IO" or parsed.format == "JSON":
        return Table(
            ("Query Plan",), [(json.dumps({"inputTableColumnInfos": inputs, "outputColumns": qualified.names}),)]
        )
    lines = [f"Output[columnNames = [{', '.join(qualified.names)}]]"]
    for relation, used in zip(qualified.relations, qualified.used, strict=True):
        lines.append(f"    TableScan[table = {relation.full_name}, columns = [{', '.join(sorted(used))}]]")
    return Table(("Query Plan",), [("\n".join(lines),)])


def _names(column: str, found: Sequence[str], like: str | None) -> Table:
    return Table((column,), [(n,) for n in sorted(found) if _like(like, n)])


def _like(pattern: str | None, text: str) -> bool:
    if pattern is None:
        return True
    made = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(made, text, re.DOTALL) is not None


def as_sql(table: Table) -> str:
    """The rows as a SELECT of constants in the engine's dialect."""
    if not table.rows:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {_quoted(c)}" for c in table.columns)
        return f"SELECT {nothing} WHERE false"
    columns = ", ".join(_quoted(f"c{i}") for i in range(len(table.columns)))
    rows = ", ".join("(" + ", ".join(_text(v) for v in row) + ")" for row in table.rows)
    return f"SELECT * FROM (VALUES {rows}) AS t({columns})"


def _text(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
