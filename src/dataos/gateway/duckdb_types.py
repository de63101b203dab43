"""Trino's types as DuckDB writes them, for casts."""

from __future__ import annotations

import functools

from sqlglot import exp

from dataos.gateway import types

_MOMENTS = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIME, exp.DType.TIMETZ})

CASTABLE = (
    types.INTEGERS
    | types.FLOATS
    | types.STRINGS
    | _MOMENTS
    | {
        exp.DType.BOOLEAN,
        exp.DType.DECIMAL,
        exp.DType.VARBINARY,
        exp.DType.DATE,
        exp.DType.JSON,
        exp.DType.UUID,
        exp.DType.INTERVAL,
        exp.DType.ARRAY,
        exp.DType.MAP,
        exp.DType.STRUCT,
    }
)
"""Types that CAST may name."""


def translate(type_: exp.DataType) -> exp.DataType:
    """The DuckDB form of a type: no lengths, no precision of moments, DECIMAL spelled out, at every depth."""
    made = type_.copy()
    for inner in made.find_all(exp.DataType):
        if inner.this in _MOMENTS or inner.this in types.STRINGS:
            inner.set("expressions", [])
        if inner.this is exp.DType.CHAR:
            inner.set("this", exp.DType.VARCHAR)
        if inner.this is exp.DType.DECIMAL and len(inner.expressions) != 2:
            digits = types.digits(inner) or (types.MAX_DIGITS, 0)
            inner.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(n)) for n in digits])
        if inner.this is exp.DType.INTERVAL:
            inner.set("this", exp.DType.INTERVAL)
            inner.set("expressions", [])
    return made


def of(trino: str) -> exp.DataType:
    """The DuckDB type of Trino type text; what is unknown becomes VARCHAR."""
    return shared(trino).copy()


@functools.lru_cache(maxsize=4096)
def shared(trino: str) -> exp.DataType:
    """As `of`, to be looked at only: it is everybody's. What goes into a tree is a copy of it."""
    made = types.data_type(trino)
    return translate(made) if types.kind(made) is not None else exp.DataType.build("varchar")
