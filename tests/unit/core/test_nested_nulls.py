"""NULL lists, maps and rows are not empty ones, whatever stands in them, after PyIceberg has written and read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import ArrowProjectionVisitor

from dataos.core import nestednulls

PART = pa.struct([("sku", pa.string()), ("n", pa.int64())])
SHAPE = pa.schema(
    [
        ("plain", pa.list_(pa.int64())),
        ("rows", pa.list_(PART)),
        ("deep", pa.list_(pa.list_(PART))),
        ("named", pa.map_(pa.string(), PART)),
        ("inside", pa.struct([("rows", pa.list_(PART)), ("named", pa.map_(pa.string(), PART))])),
    ]
)


def _maybe(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


_part = _maybe(st.fixed_dictionaries({"sku": _maybe(st.sampled_from("ab")), "n": _maybe(st.integers(0, 3))}))
_rows = _maybe(st.lists(_part, max_size=2))
_named = _maybe(st.dictionaries(st.sampled_from("xyz"), _part, max_size=2).map(lambda d: list(d.items())))
_row = st.fixed_dictionaries(
    {
        "plain": _maybe(st.lists(_maybe(st.integers(0, 3)), max_size=2)),
        "rows": _rows,
        "deep": _maybe(st.lists(_rows, max_size=2)),
        "named": _named,
        "inside": _maybe(st.fixed_dictionaries({"rows": _rows, "named": _named})),
    }
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> SqlCatalog:
    folder = tmp_path_factory.mktemp("nulls")
    made = SqlCatalog("nulls", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    made.create_namespace("n")
    nestednulls.keep(ArrowProjectionVisitor)
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_row, min_size=1, max_size=6))
def test_what_is_written_is_what_is_read(catalog: SqlCatalog, rows: list[dict[str, Any]]):
    given_ = pa.Table.from_pylist(rows, SHAPE)
    if catalog.table_exists("n.t"):
        catalog.drop_table("n.t")
    table = catalog.create_table("n.t", SHAPE)
    table.append(given_)
    assert table.scan().to_arrow().to_pylist() == given_.to_pylist()
    (file,) = (task.file.file_path.removeprefix("file://") for task in table.scan().plan_files())
    assert pq.read_table(file).to_pylist() == given_.to_pylist()


def test_the_files_name_their_columns_by_number(catalog: SqlCatalog, tmp_path: Path):
    table = catalog.create_table("n.numbered", SHAPE)
    table.append(pa.Table.from_pylist([{"named": None, "rows": None}, {"named": [], "rows": []}], SHAPE))
    (file,) = (task.file.file_path.removeprefix("file://") for task in table.scan().plan_files())
    shape = pq.read_schema(file)
    named, rows = shape.field("named").type, shape.field("rows").type
    fields = (named.key_field, named.item_field, named.item_type.field("sku"), rows.value_field)
    assert all(b"PARQUET:field_id" in (f.metadata or {}) for f in fields)
