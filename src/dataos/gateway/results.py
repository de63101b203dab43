"""Arrow results as JSON rows, as Trino's clients show values. Imports pyarrow on first use only."""

from __future__ import annotations

import base64
import datetime as dt
import math
import uuid
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

from dataos.gateway.answer import QueryResult, ResultColumn
from dataos.gateway.arrowfeed import Feed
from dataos.gateway.sessions import Session

_EPOCH = dt.datetime(1970, 1, 1)


async def json_rows(result: QueryResult) -> AsyncGenerator[list[list[Any]]]:
    """The rows of a result, a batch at a time.

    Numbers are numbers; decimals, dates, times, timestamps, uuids and intervals are strings; varbinary is base64; NaN
    and infinities are strings; arrays and rows are lists, maps are objects.
    """
    import pyarrow as pa

    reader = Feed()
    shapes = [_shape(c.type) for c in result.columns]
    try:
        async for piece in result:
            for batch in reader.feed(piece, pa):
                columns = [_column(batch.column(i), shapes[i], pa) for i in range(batch.num_columns)]
                yield [list(row) for row in zip(*columns, strict=True)]
    finally:
        await result.aclose()


async def as_json(result: QueryResult) -> dict[str, Any]:
    """The whole result: {columns: [{name, type}], rows: [[...]], query_id, truncated} and `told_json`. For answers of
    bounded size."""
    rows: list[list[Any]] = []
    async for batch in json_rows(result):
        rows.extend(batch)
    return {
        "query_id": result.query_id,
        "columns": columns_json(result.columns),
        "rows": rows,
        "truncated": result.truncated,
        **told_json(result),
    }


def told_json(result: QueryResult) -> dict[str, Any]:
    """What a result says besides its rows, if anything: {updateType, updateCount, session, warnings,
    rowCount}."""
    told: dict[str, Any] = {}
    if result.update_type is not None:
        told["updateType"] = result.update_type
    if result.update_count is not None:
        told["updateCount"] = result.update_count
    if result.session is not None:
        told["session"] = session_json(result.session)
    if result.warnings:
        told["warnings"] = [w.to_json() for w in result.warnings]
    if result.whole_rows is not None:
        told["rowCount"] = result.whole_rows
    return told


def session_json(session: Session) -> dict[str, Any]:
    """A session as clients keep it and send it back."""
    return {
        "catalog": session.catalog,
        "schema": session.schema,
        "prepared": dict(session.prepared),
        "properties": dict(session.properties),
        "timeZone": session.time_zone,
        "inTransaction": session.in_transaction,
    }


def columns_json(columns: tuple[ResultColumn, ...]) -> list[dict[str, str]]:
    """[{name, type}]."""
    return [{"name": c.name, "type": c.type} for c in columns]


def _shape(type_: str) -> str:
    return type_.partition("(")[0]


def _column(column: Any, shape: str, pa: Any) -> list[Any]:
    """JSON values of an Arrow array. By columns, because Arrow's own dictionaries refuse rows with unnamed fields."""
    type_ = column.type
    if pa.types.is_struct(type_):
        parts = [_column(part, "", pa) for part in column.flatten()]
        valid = column.is_valid().to_pylist()
        return [list(row) if ok else None for ok, *row in zip(valid, *parts, strict=True)]
    if pa.types.is_map(type_):
        keys, items = _column(column.keys, "", pa), _column(column.items, "", pa)
        return [None if span is None else {str(keys[i]): items[i] for i in range(*span)} for span in _spans(column)]
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        values = _column(column.values, "", pa)
        return [None if span is None else values[span[0] : span[1]] for span in _spans(column)]
    if pa.types.is_timestamp(type_) and type_.unit in ("us", "ms", "s"):
        scale = {"us": 1, "ms": 1000, "s": 1_000_000}[type_.unit]
        raw = column.cast(pa.int64()).to_pylist()
        return [None if v is None else _moment(v * scale, type_.tz is not None) for v in raw]
    values = column.to_pylist()
    simple = pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_string(type_)
    if simple:
        return values
    if shape == "uuid":
        return [None if v is None else str(v) for v in values]
    return [_value(v) for v in values]


def _spans(column: Any) -> list[tuple[int, int] | None]:
    offsets = column.offsets.to_pylist()
    valid = column.is_valid().to_pylist()
    return [(offsets[i], offsets[i + 1]) if ok else None for i, ok in enumerate(valid)]


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
