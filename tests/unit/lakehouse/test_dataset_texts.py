"""Types, partitions and manifests of datasets as people write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.lakehouse.descriptions import type_text
from dataos.lakehouse.operations import columns, forms, partitioning


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("integer", {}, "int"),
        ("LONG", {}, "long"),
        ("timestamp_with_zone", {}, "timestamptz"),
        ("timestamp_without_zone", {}, "timestamp"),
        ("decimal", {"precision": 12, "scale": 2}, "decimal(12, 2)"),
        ("decimal", {"precision": 12}, "decimal(12, 1)"),
        ("decimal(38,10)", {}, "decimal(38, 10)"),
        ("fixed(16)", {}, "fixed[16]"),
        ("fixed[16]", {}, "fixed[16]"),
    ],
)
def test_types(text: str, options: dict[str, int], wanted: str) -> None:
    assert columns.parse(text, **options) == wanted


def test_maps_and_nested_types() -> None:
    by_flags = columns.parse("map", key="string", value="long")
    assert by_flags == columns.parse("map<string,long>")
    assert type_text(columns.parse("struct<a: list<decimal(10, 2)>, b: map<int, struct<c: date>>>")) == (
        "struct<a: list<decimal(10, 2)>, b: map<int, struct<c: date>>>"
    )


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("nteger", {}, "integer"),
        ("decimal", {}, "precision"),
        ("decimal", {"precision": 39, "scale": 2}, "38"),
        ("decimal", {"precision": 3, "scale": 4}, "scale"),
        ("map", {"key": "string"}, "-v long"),
        ("string", {"key": "string", "value": "int"}, "map"),
        ("string", {"precision": 3}, "decimal"),
        ("list<string", {}, ">"),
        ("list<string>>", {}, "too much"),
        ("fixed(0)", {}, "at least 1"),
        ("struct<a: int, A: int>", {}, "twice"),
        ("", {}, "missing"),
    ],
)
def test_types_that_are_refused(text: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataOSError) as raised:
        columns.parse(text, **options)
    assert raised.value.problem.code == "dataset.type"
    assert said in raised.value.problem.message + raised.value.problem.hint


@given(st.text(max_size=30))
def test_any_text_is_a_type_or_refused(text: str) -> None:
    try:
        columns.parse(text)
    except DataOSError as error:
        assert error.problem.code == "dataset.type"


def test_widening() -> None:
    assert columns.can_become("int", "long")
    assert columns.can_become("float", "double")
    assert columns.can_become("decimal(10, 2)", "decimal(12, 2)")
    for old, new in [
        ("long", "int"),
        ("int", "double"),
        ("decimal(10, 2)", "decimal(12, 3)"),
        ("decimal(10, 2)", "decimal(9, 2)"),
        ("int", "string"),
        ("date", "timestamp"),
    ]:
        assert not columns.can_become(old, new)


def test_partitions() -> None:
    found = partitioning.parse_texts(
        ["identity:state_code", "month:ts_city:month_partition", "bucket:id:by_id:16", "bucket:other", "days:ts"],
        count=4,
    )
    assert [(f.column, f.transform, f.name) for f in found] == [
        ("state_code", "identity", "state_code"),
        ("ts_city", "month", "month_partition"),
        ("id", "bucket[16]", "by_id"),
        ("other", "bucket[4]", "other_bucket"),
        ("ts", "day", "ts_day"),
    ]
    assert partitioning.read([f.to_json() for f in found], "specs") == found


def test_partitions_that_are_refused_come_at_once() -> None:
    with pytest.raises(DataOSError) as raised:
        partitioning.parse_texts(["month", "range:a", "bucket:a", "bucket:a:b:x", "year:a:b:3", "a:b:c:1:2", ":a"])
    assert len(raised.value.problems) == 7
    assert "identity, year, month, day, hour, bucket" in raised.value.problems[1].hint


MANIFEST = {
    "schema": {
        "type": "avro",
        "avro": json.dumps(
            {
                "type": "record",
                "name": "orders",
                "fields": [{"name": "id", "type": "long"}, {"name": "ts", "type": "long"}],
            }
        ),
    },
    "iceberg": {
        "specs": [
            {"index": 2, "type": "bucket", "column": "ts", "numBuckets": 3},
            {"index": 1, "type": "identity", "column": "id"},
        ],
        "properties": {"write.metadata.previous-versions-max": 12, "a": True},
    },
}


def test_a_manifest() -> None:
    form = forms.read(MANIFEST)
    assert [f["name"] for f in form.fields] == ["id", "ts"]
    assert [p.transform for p in form.partitions] == ["identity", "bucket[3]"]
    assert form.properties == {
        "write.metadata.compression-codec": "gzip",
        "write.metadata.previous-versions-max": "12",
        "a": "true",
    }


def test_problems_of_a_manifest_come_at_once() -> None:
    broken = {
        "shema": {},
        "schema": {"type": "json", "avro": "{"},
        "iceberg": {"specs": [{"index": 1, "type": "range", "column": "id"}], "properties": [], "more": 1},
    }
    with pytest.raises(DataOSError) as raised:
        forms.read(broken)
    assert [p.path for p in raised.value.problems] == [
        "shema",
        "schema.type",
        "schema.avro",
        "iceberg.more",
        "iceberg.specs[0]",
        "iceberg.properties",
    ]


def test_a_partition_needs_its_column() -> None:
    with pytest.raises(DataOSError) as raised:
        forms.read({**MANIFEST, "iceberg": {"specs": [{"type": "day", "column": "tss"}]}})
    assert "`ts`" in raised.value.problem.hint


@pytest.mark.parametrize("manifest", [None, [], "x", {}, {"schema": None}, {"schema": []}, {"schema": {"avro": 3}}])
def test_what_is_no_manifest_is_refused(manifest: Any) -> None:
    with pytest.raises(DataOSError):
        forms.read(manifest)
