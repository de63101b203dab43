"""Any rows that a format can hold come back from it; any cut of a text gives the same lines."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.stacks.flare.driver.formats import avro, excel, model, orcfiles, text, xmlfiles

PLAIN = st.text(
    st.characters(
        min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn", "Zs", "Zl", "Zp", "Cc", "Cf")
    ),
    max_size=20,
)
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
SCHEMA = pa.schema(
    [
        ("i", pa.int32()), ("l", pa.int64()), ("s", pa.string()), ("b", pa.bool_()), ("d", pa.date32()),
        ("f", pa.float64()), ("m", pa.decimal128(12, 3)), ("t", pa.timestamp("us", tz="UTC")),
        ("a", pa.list_(pa.string())), ("r", pa.struct([("x", pa.int32()), ("y", pa.string())])),
    ]
)  # fmt: skip
DDL = "i int, l bigint, s string, b boolean, d date, f double, m decimal(12, 3), t timestamp, a array<string>, r struct<x: int, y: string>"


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": maybe(st.integers(-(2**31), 2**31 - 1)), "l": maybe(st.integers(-(2**63), 2**63 - 1)), "s": maybe(PLAIN),
            "b": maybe(st.booleans()), "d": maybe(st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
            "f": maybe(st.floats(allow_nan=False, allow_infinity=False)),
            "m": maybe(st.decimals(-(10**8), 10**8, places=3)), "t": maybe(MOMENTS),
            "a": maybe(st.lists(PLAIN, min_size=1, max_size=3)),
            "r": maybe(st.fixed_dictionaries({"x": st.integers(0, 9), "y": PLAIN})),
        }
    ),
    max_size=8,
)  # fmt: skip


def there_and_back(
    form: Any, rows: list[dict[str, Any]], codec: str, schema: str | None = None, **options: str
) -> list[Any]:
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "x")
        assert form.write(iter([batch]), SCHEMA, target, options, codec) == len(rows)
        wanted = model.Wanted([str(target)], {k: v for k, v in options.items() if k == "rowtag"}, schema, print)
        found = form.read(wanted)
        return pa.Table.from_batches(list(found.batches), found.schema).to_pylist()


@given(ROWS, st.sampled_from(["none", "gzip", "snappy", "zstd"]))
@settings(max_examples=40, deadline=None)
def test_avro_and_orc(rows: list[dict[str, Any]], codec: str) -> None:
    assert there_and_back(avro, rows, codec) == rows
    assert there_and_back(orcfiles, rows, codec) == rows


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_xml(rows: list[dict[str, Any]]) -> None:
    """Milliseconds are what XML has of times, and an element without text is an empty text."""
    for row in rows:
        if row["t"] is not None:
            row["t"] = row["t"].replace(microsecond=row["t"].microsecond // 1000 * 1000)
    assert there_and_back(xmlfiles, rows, "none", DDL, rowtag="ROW") == rows


@given(
    st.lists(st.text(st.sampled_from("ab\r\n|é"), max_size=6), max_size=6),
    st.sampled_from([None, "|", "\n", "\r\n", "ab"]),
)
def test_lines_do_not_depend_on_where_a_text_is_cut(pieces: list[str], separator: str | None) -> None:
    whole = "".join(pieces)
    lines = re.split("\r\n|\r|\n", whole) if separator is None else whole.split(separator)
    assert list(text.lines_of(pieces, separator)) == (lines[:-1] if lines[-1] == "" else lines)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("form", [avro, orcfiles, xmlfiles, excel, text])
def test_any_bytes_are_read_or_refused(form: Any, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x")
        file.write_bytes(content)
        try:
            found = form.read(model.Wanted([str(file)], {}, None, print))
            list(found.batches)
        except DataOSError as error:
            assert error.problem.code == "flare.file"
            assert str(file) in error.problem.message


def test_decimals_that_do_not_fit_are_faults() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x")
        file.write_text("<r><x><m>123.4</m></x></r>")
        with pytest.raises(DataOSError, match=r"`123.4` of <m> is no decimal128\(2, 1\)"):
            list(xmlfiles.read(model.Wanted([str(file)], {}, "m decimal(2, 1)", print)).batches)
        assert Decimal("1.5") == pa.scalar(Decimal("1.5"), pa.decimal128(2, 1)).as_py()
