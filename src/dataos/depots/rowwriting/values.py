"""Arrow batches as rows of Python's values, in the forms that drivers take. Imports nothing of Arrow at load time."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

Converter = Callable[[Any], Any]


def rows(batch: Any, convert: Callable[[Any], Converter | None]) -> list[tuple[Any, ...]]:
    """The rows of a batch. `convert`: from a column's Arrow type to what is done to its values, None for nothing."""
    columns: list[Sequence[Any]] = []
    for column in batch.columns:
        values = plain(column).to_pylist()
        change = convert(column.type)
        columns.append(values if change is None else [None if v is None else change(v) for v in values])
    return list(zip(*columns, strict=True)) if columns else [()] * int(batch.num_rows)


def plain(column: Any) -> Any:
    """A column without dictionary (enumerations come so), and with moments in UTC that know no zone: Arrow's own
    conversion would ask the machine for a table of zones."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp(column.type.unit))
    return column


def keys(column: Any) -> list[list[str]]:
    """The values that name each row (see `Identity`), of a column of JSON arrays."""
    return [json.loads(text) for text in column.to_pylist()]


def interval(value: Any) -> str:
    """An interval as PostgreSQL reads it; `value` has months, days, nanoseconds."""
    return f"{value.months} mons {value.days} days {value.nanoseconds // 1000} microseconds"


def moment(value: dt.datetime) -> str:
    """`2024-01-02 03:04:05.123`, as SQLite keeps it."""
    return value.replace(tzinfo=None).isoformat(" ")


def number(value: Decimal) -> str:
    """A decimal without an exponent."""
    return format(value, "f")
