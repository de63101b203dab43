"""Arrow results as JSON rows, as Trino's clients show values. Imports pyarrow on first use only."""

from __future__ import annotations

import base64
import datetime as dt
import math
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from dataos.gateway.gateway import QueryResult, ResultColumn

_EPOCH = dt.datetime(1970, 1, 1)


async def json_rows(result: QueryResult) -> AsyncIterator[list[list[Any]]]:
    """The rows of a result, a batch at a time.

    Numbers are numbers; decimals, dates, times, timestamps, uuids and intervals are strings; varbinary is base64; NaN
    and infinities are strings; arrays and rows are lists, maps are objects.
    """
    import pyarrow as pa

    reader = _Feed()
    shapes = [_shape(c.type) for c in result.columns]
    try:
        async for piece in result:
            for batch in reader.feed(piece, pa):
                columns = [_column(batch.column(i), shapes[i], pa) for i in range(batch.num_columns)]
                yield [list(row) for row in zip(*columns, strict=True)]
    finally:
        await result.aclose()


async def as_json(result: QueryResult) -> dict[str, Any]:
    """The whole result: {columns: [{name, type}], rows: [[...]], query_id, truncated}. For answers of bounded size."""
    rows: list[list[Any]] = []
    async for batch in json_rows(result):
        rows.extend(batch)
    return {
        "query_id": result.query_id,
        "columns": columns_json(result.columns),
        "rows": rows,
        "truncated": result.truncated,
    }


def columns_json(columns: tuple[ResultColumn, ...]) -> list[dict[str, str]]:
    """[{name, type}]."""
    return [{"name": c.name, "type": c.type} for c in columns]


class _Feed:
    """Decodes an Arrow IPC stream that arrives in pieces: whole messages are cut off its front."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._head = b""

    def feed(self, piece: bytes, pa: Any) -> list[Any]:
        self._held += piece
        batches: list[Any] = []
        while (message := self._message()) is not None:
            if not self._head:
                self._head = message
            elif message:
                batches += list(pa.ipc.open_stream(self._head + message))
        return batches

    def _message(self) -> bytes | None:
        """One encapsulated message: 0xFFFFFFFF, metadata length, metadata (padded), body. Source: Arrow IPC format."""
        held = self._held
        if len(held) < 8:
            return None
        length = int.from_bytes(held[4:8], "little", signed=True)
        if length == 0:  # end of stream
            del held[:8]
            return b""
        if len(held) < 8 + length:
            return None
        total = 8 + length + _body_length(bytes(held[8 : 8 + length]))
        if len(held) < total:
            return None
        message = bytes(held[:total])
        del held[:total]
        return message


def _body_length(metadata: bytes) -> int:
    """Field 3 (bodyLength: long) of the flatbuffer table Message."""
    table = int.from_bytes(metadata[:4], "little")
    vtable = table - int.from_bytes(metadata[table : table + 4], "little", signed=True)
    size = int.from_bytes(metadata[vtable : vtable + 2], "little")
    slot = 4 + 2 * 3
    if slot >= size:
        return 0
    offset = int.from_bytes(metadata[vtable + slot : vtable + slot + 2], "little")
    return int.from_bytes(metadata[table + offset : table + offset + 8], "little", signed=True) if offset else 0


def _shape(type_: str) -> str:
    return type_.partition("(")[0]


def _column(column: Any, shape: str, pa: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit in ("us", "ms", "s"):
        scale = {"us": 1, "ms": 1000, "s": 1_000_000}[column.type.unit]
        zoned = column.type.tz is not None
        raw = column.cast(pa.int64()).to_pylist()
        return [None if v is None else _moment(v * scale, zoned) for v in raw]
    simple = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type) or pa.types.is_string(column.type)
    values = column.to_pylist()
    return values if simple else [_value(v) for v in values]


def _moment(us: int, zoned: bool) -> str:
    try:
        text = (_EPOCH + dt.timedelta(microseconds=us)).isoformat(" ", "microseconds")
    except OverflowError:
        text = f"{us} us since 1970"
    return text + (" UTC" if zoned else "")


def _value(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        case Decimal():
            return format(value, "f")
        case dt.datetime():
            bare = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
            return bare.isoformat(" ", "microseconds") + (" UTC" if value.tzinfo else "")
        case dt.date():
            return value.isoformat()
        case dt.time():
            return value.isoformat("microseconds")
        case dt.timedelta():
            return _interval(0, value.days, value.seconds * 1_000_000_000 + value.microseconds * 1000)
        case bytes():
            return base64.b64encode(value).decode()
        case uuid.UUID():
            return str(value)
        case dict():
            return [_value(v) for v in value.values()]
        case list():
            if (
                value
                and all(isinstance(v, tuple) and len(v) == 2 for v in value)
                and not hasattr(value[0], "nanoseconds")
            ):
                return {str(_value(k)): _value(v) for k, v in value}
            return [_value(v) for v in value]
        case _ if hasattr(value, "nanoseconds"):
            return _interval(value.months, value.days, value.nanoseconds)
        case _:
            return str(value)


def _interval(months: int, days: int, nanoseconds: int) -> str:
    """Trino's text: `1-2` (years-months) or `3 04:05:06.007` (days and time)."""
    if months and not days and not nanoseconds:
        sign = "-" if months < 0 else ""
        return f"{sign}{abs(months) // 12}-{abs(months) % 12}"
    total = (days + months * 30) * 86_400_000 + nanoseconds // 1_000_000
    sign, total = ("-", -total) if total < 0 else ("", total)
    days, rest = divmod(total, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{sign}{days} {hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
