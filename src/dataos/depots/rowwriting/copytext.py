"""Arrow batches as PostgreSQL's text form of COPY, column by column and not value by value.

Source: PostgreSQL documentation, COPY, File Formats: Text Format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from dataos.depots.rowwriting import values

pc: Any = pyarrow.compute

_NULL = "\\N"
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def lines(columns: Sequence[Any]) -> bytes:
    """The rows of some Arrow columns of one length, at least one column."""
    texts = [pc.fill_null(_text(values.plain(c), c.type), _scalar(_NULL)) for c in columns]
    texts[-1] = _joined(texts[-1], _scalar(""), "\n")
    joined = _joined(*texts, "\t") if len(texts) > 1 else texts[0]
    return b"".join(_content(joined.cast(pa.large_binary())))


def _scalar(text: str) -> Any:
    return pa.scalar(text, pa.large_string())


def _joined(*parts: Any) -> Any:
    """Texts, with the last one between them."""
    return pc.binary_join_element_wise(*parts[:-1], _scalar(parts[-1]))


def _content(column: Any) -> Sequence[bytes]:
    """The bytes of all values, which lie side by side."""
    if len(column) == 0:
        return ()
    offsets = memoryview(column.buffers()[1]).cast("q")
    first, last = offsets[column.offset], offsets[column.offset + len(column)]
    return (bytes(memoryview(column.buffers()[2])[first:last]),)


def _text(column: Any, kind: Any) -> Any:
    """A column as texts, escaped."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_string())
    if pa.types.is_timestamp(column.type):
        written = column.cast(pa.large_string())
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        return _joined(written, _scalar("+00"), "") if zoned else written
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _escaped(column.cast(pa.large_string()))
    if _is_simple(column.type):
        return column.cast(pa.large_string())
    made = [None if v is None else literal(v) for v in column.to_pylist()]
    return _escaped(pa.array(made, pa.large_string()))


def _is_simple(kind: Any) -> bool:
    """Is its text free of what must be escaped?"""
    known = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date,
             pa.types.is_time)  # fmt: skip
    return any(is_kind(kind) for is_kind in known)


def _escaped(column: Any) -> Any:
    for char, written in _ESCAPES:
        column = pc.replace_substring(column, char, written)
    return column


def literal(value: Any) -> str:
    """A value of Python as PostgreSQL reads it: bytes, arrays and intervals, and whatever arrays hold."""
    if isinstance(value, list):
        return "{" + ",".join(_element(v) for v in value) + "}"  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "nanoseconds"):
        return values.interval(value)
    return str(value)


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = literal(value)
    if isinstance(value, list):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
