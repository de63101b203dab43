"""Plain JSON by the Avro schema that describes it, read and written."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.stacks.flare.driver import jsonrecords
from dataos.stacks.flare.driver.formats import avro

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
ORDER: Any = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "price", "type": ["null", "double"]},
            {"name": "tags", "type": ["null", {"type": "map", "values": "string"}]},
            {"name": "lines", "type": {"type": "array", "items": {
                "type": "record", "name": "Line", "fields": [{"name": "n", "type": "int"}]}}},
            {"name": "first", "type": ["null", "Line"]},
            {"name": "at", "type": ["null", MILLIS]},
            {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
            {"name": "raw", "type": ["null", "bytes"]},
            {"name": "sum", "type": ["null", DECIMAL]},
            {"name": "done", "type": ["null", "boolean"]},
            {"name": "state", "type": ["null", {"type": "enum", "name": "State", "symbols": ["NEW"]}]},
        ],
    }
)  # fmt: skip


def read(text: str) -> dict[str, Any]:
    kind, _ = avro.type_of(ORDER)
    value = jsonrecords.change_of(ORDER)(jsonrecords.parse(text.encode()))
    return pa.array([value], kind).to_pylist()[0]


def test_values_have_the_types_of_their_schema() -> None:
    found = read(
        '{"id": 9007199254740993, "price": 1, "tags": {"a": "b"}, "lines": [{"n": 1}, {"n": 2, "more": 3}], '
        '"first": {"n": 7}, "at": 1700000000123, "day": 19000, "raw": "AAE=", "sum": 12.34, "done": true, '
        '"state": "NEW", "unknown": 5}'
    )
    assert found["id"] == 9007199254740993
    assert found["price"] == 1.0
    assert found["tags"] == [("a", "b")]
    assert found["lines"] == [{"n": 1}, {"n": 2}]
    assert found["first"] == {"n": 7}
    assert found["at"] == dt.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=dt.UTC)
    assert found["day"] == dt.date(2022, 1, 8)
    assert (found["raw"], found["sum"], found["done"]) == (b"\x00\x01", decimal.Decimal("12.34"), True)


def test_what_is_lacking_is_null_and_times_may_be_texts() -> None:
    found = read('{"id": 1, "lines": [], "at": "2026-05-01T10:00:00Z", "day": "2026-05-01", "sum": "1.50"}')
    assert found["price"] is None
    assert found["at"] == dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)
    assert found["day"] == dt.date(2026, 5, 1)
    assert found["sum"] == decimal.Decimal("1.50")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting"),
        ("[]", "not an object"),
        ('{"id": "1", "lines": []}', "`id`: '1' is not a whole number"),
        ('{"id": 1.5, "lines": []}', "not a whole number"),
        ('{"id": true, "lines": []}', "not a whole number"),
        ('{"id": 99999999999999999999, "lines": []}', "is no long"),
        ('{"id": 1, "lines": [{"n": 3000000000}]}', "`lines`: `n`: 3000000000 is no int"),
        ('{"id": 1, "lines": {}}', "not a list"),
        ('{"id": 1, "lines": [], "raw": "a!"}', "not base64"),
        ('{"id": 1, "lines": [], "at": "noon"}', "`at`"),
    ],
)
def test_what_does_not_go_with_the_schema_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("`", ".")):
        read(text)


def test_a_union_of_several_types_is_refused() -> None:
    with pytest.raises(ValueError, match="union of several types"):
        jsonrecords.change_of(["null", "string", "long"])


def test_rows_are_written_in_the_units_of_the_schema() -> None:
    at = dt.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=dt.UTC)
    row = {"id": 1, "tags": [("a", "b")], "lines": [{"n": 1}], "at": at, "day": dt.date(2022, 1, 8), "raw": b"\x00",
           "sum": decimal.Decimal("1.50"), "price": None}  # fmt: skip
    assert json.loads(jsonrecords.write(row, ORDER)) == {
        "id": 1, "tags": {"a": "b"}, "lines": [{"n": 1}], "at": 1700000000123, "day": 19000, "raw": "AA==",
        "sum": "1.50", "price": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"no field .more."):
        jsonrecords.write({"id": 1, "lines": [], "more": 1}, ORDER)
    with pytest.raises(ValueError, match="`id`"):
        jsonrecords.write({"id": "x", "lines": []}, ORDER)


ROWS = st.fixed_dictionaries(
    {
        "id": st.integers(-(1 << 63), (1 << 63) - 1),
        "price": st.none() | st.floats(allow_nan=False),
        "tags": st.none() | st.dictionaries(st.text(), st.text(), max_size=3).map(lambda d: list(d.items())),
        "lines": st.lists(st.fixed_dictionaries({"n": st.integers(-(1 << 31), (1 << 31) - 1)}), max_size=3),
        "raw": st.none() | st.binary(),
        "at": st.none()
        | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)).map(
            lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, tzinfo=dt.UTC)
        ),
    }
)


@given(ROWS)
def test_what_is_written_is_read_again(row: dict[str, Any]) -> None:
    found = jsonrecords.change_of(ORDER)(jsonrecords.parse(jsonrecords.write(row, ORDER)))
    assert {k: found[k] for k in row} == row
