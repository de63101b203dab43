"""The SELECT that the gateway writes around a secured query: the columns that a table takes, in its order and types."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dataos.core.sqltext import quoted
from dataos.engines.ports import EngineColumn
from dataos.gateway import duckdb_types, types
from dataos.gateway.commands import coercion
from dataos.gateway.relations import Column


def around(sql: str, width: int, outputs: Sequence[str], where: str = "") -> str:
    """SELECT outputs FROM (sql), whose columns are named by `value`."""
    names = ", ".join(value(i) for i in range(width))
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {', '.join(outputs)} FROM ({sql}) AS __dt_source({names}){condition}"


def value(position: int) -> str:
    """A column of the query inside."""
    return f'"__dt_c{position}"'


def named(text: str, name: str) -> str:
    """An output column."""
    return f"{text} AS {quoted(name)}"


def cast(text: str, have: EngineColumn | None, column: Column, *, exact: bool = False) -> str:
    """A value as a column's type; the caller has made sure that it fits. `exact`: a column that is read as `double` may
    hold more digits (PostgreSQL's `numeric`), and gets a decimal as it is."""
    given = types.from_duckdb(have.type) if have is not None else ""
    if given == column.type or (exact and column.type == "double" and given.startswith("decimal")):
        return text
    return f"CAST({text} AS {duckdb_types.of(column.type).sql('duckdb')})"


_ODD = (
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "BIT",
)


def plain(text: str, have: EngineColumn) -> str:
    """A value as the type that clients see it in, where the engine has another one of its own."""
    if have.type not in _ODD:
        return text
    return f"CAST({text} AS {duckdb_types.of(types.from_duckdb(have.type)).sql('duckdb')})"


def missing(column: Column) -> str:
    """NULL, of a column's type."""
    return f"CAST(NULL AS {duckdb_types.of(column.type).sql('duckdb')})"


def fits(have: EngineColumn, column: Column) -> bool:
    """Does an output of a query go into a column?"""
    return coercion.fits(types.from_duckdb(have.type), column.type)


def always_null(query: exp.Expr, position: int) -> bool:
    """Is an output of a (not yet resolved) query NULL in every row, as it is written? Its type says nothing then."""
    if isinstance(query, exp.Subquery):
        return always_null(query.this, position)
    if isinstance(query, exp.SetOperation):
        return always_null(query.this, position) and always_null(query.expression, position)
    if isinstance(query, exp.Values):
        rows = [t.expressions if isinstance(t, exp.Tuple) else [t] for t in query.expressions]
        return all(position < len(row) and is_null(row[position]) for row in rows)
    if not isinstance(query, exp.Select) or query.args.get("joins"):
        return False
    from_ = query.args.get("from_")
    if len(query.expressions) == 1 and isinstance(query.expressions[0], exp.Star) and isinstance(from_, exp.From):
        return always_null(from_.this, position)
    return position < len(query.expressions) and is_null(query.expressions[position])


def is_null(node: exp.Expr) -> bool:
    """Is it NULL, as it is written?"""
    while isinstance(node, (exp.Paren, exp.Alias)):
        node = node.this
    return isinstance(node, exp.Null)
