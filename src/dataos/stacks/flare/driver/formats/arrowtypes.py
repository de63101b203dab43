"""Types of a schema as Arrow has them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp


def arrow_of(ddl: str) -> Any:
    """The Arrow type of a type that `structures.columns_of` gave (`STRUCT<a: INT>`)."""
    return _kind(exp.DataType.build(ddl, dialect="spark"))


def _kind(node: exp.DataType) -> Any:
    import pyarrow as pa

    word = node.this
    inner = node.expressions
    match word:
        case exp.DType.STRUCT:
            return pa.struct([pa.field(e.name, _kind(e.args["kind"])) for e in inner])
        case exp.DType.ARRAY:
            return pa.list_(_kind(inner[0]))
        case exp.DType.MAP:
            return pa.map_(_kind(inner[0]), _kind(inner[1]))
        case exp.DType.DECIMAL:
            sizes = [int(e.name) for e in inner]
            return pa.decimal128(sizes[0] if sizes else 10, sizes[1] if len(sizes) > 1 else 0)
        case _:
            pass
    simple = {
        exp.DType.BOOLEAN: pa.bool_(), exp.DType.TINYINT: pa.int8(), exp.DType.SMALLINT: pa.int16(),
        exp.DType.INT: pa.int32(), exp.DType.BIGINT: pa.int64(), exp.DType.FLOAT: pa.float32(),
        exp.DType.DOUBLE: pa.float64(), exp.DType.DATE: pa.date32(), exp.DType.BINARY: pa.binary(),
        exp.DType.VARBINARY: pa.binary(), exp.DType.TIMESTAMPNTZ: pa.timestamp("us"),
        exp.DType.TIMESTAMP: pa.timestamp("us", tz="UTC"), exp.DType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
        exp.DType.TIMESTAMPLTZ: pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    return simple.get(word, pa.string())
