"""Which types go into a column of another without a CAST, as Trino has it for INSERT and UPDATE."""

from __future__ import annotations

from sqlglot import exp

from dataos.gateway import types

_MOMENTS = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ})


def fits(value: str, column: str) -> bool:
    """May a value of one Trino type be written into a column of another? Integers and decimals may get
    fewer digits: the engine refuses a value that has no room."""
    return value == column or _fits(types.data_type(value), types.data_type(column))


def _fits(value: exp.DataType, column: exp.DataType) -> bool:
    a, b = types.kind(value), types.kind(column)
    if a is None or b is None:
        return a is None and value.this is not exp.DType.UNKNOWN
    if a in types.STRINGS and b in types.STRINGS:
        return True
    if a in types.INTEGERS:
        return b in types.INTEGERS or b in types.FLOATS or (b is exp.DType.DECIMAL and _digits_fit(value, column))
    if a is exp.DType.DECIMAL:
        if b in types.FLOATS:
            return True
        if b is exp.DType.BIGINT and types.digits(value) == (types.MAX_DIGITS, 0):
            return True  # the engine's widest integers
        return b is exp.DType.DECIMAL and _digits_fit(value, column)
    if a in types.FLOATS:
        return b in types.FLOATS
    if a is exp.DType.DATE:
        return b is exp.DType.DATE or b in _MOMENTS
    if a in _MOMENTS:
        return b in _MOMENTS
    if a is not b:
        return False
    if a is exp.DType.STRUCT:
        fields = [(_field(x), _field(y)) for x, y in zip(value.expressions, column.expressions, strict=False)]
        return len(value.expressions) == len(column.expressions) and all(_fits(x, y) for x, y in fields)
    if a in (exp.DType.ARRAY, exp.DType.MAP):
        pairs = zip(value.expressions, column.expressions, strict=False)
        return len(value.expressions) == len(column.expressions) and all(_fits(x, y) for x, y in pairs)
    return True


def _field(part: exp.Expr) -> exp.DataType:
    kind = part.args.get("kind") if isinstance(part, exp.ColumnDef) else part
    return kind if isinstance(kind, exp.DataType) else exp.DataType.build("unknown")


def _digits_fit(value: exp.DataType, column: exp.DataType) -> bool:
    """No digit behind the point is lost; whether those before it have room, the engine sees by the value."""
    have, room = types.digits(value), types.digits(column)
    return have is not None and room is not None and have[1] <= room[1]
