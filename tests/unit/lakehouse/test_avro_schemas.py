"""Avro schemas with Iceberg's extras: both ways, any nesting, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.lakehouse.operations import avro

PRIMITIVES = (
    st.sampled_from(
        [
            "boolean",
            "int",
            "long",
            "float",
            "double",
            "string",
            "binary",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "uuid",
        ]
    )
    | st.builds(lambda p, s: f"decimal({p}, {min(p, s)})", st.integers(1, 38), st.integers(0, 38))
    | st.builds(lambda n: f"fixed[{n}]", st.integers(1, 40))
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.builds(
        lambda element, required: {"type": "list", "element": element, "element-required": required},
        inner,
        st.booleans(),
    )
    maps = st.builds(
        lambda key, value, required: {"type": "map", "key": key, "value": value, "value-required": required},
        PRIMITIVES,
        inner,
        st.booleans(),
    )
    return lists | maps | structs(inner)


def structs(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    field = st.tuples(st.booleans(), inner, st.sampled_from(["", "what it is"]))
    return st.lists(field, min_size=1, max_size=4).map(
        lambda fields: {
            "type": "struct",
            "fields": [
                {"name": f"f{i}", "required": r, "type": t, **({"doc": d} if d else {})}
                for i, (r, t, d) in enumerate(fields)
            ],
        }
    )


def number(kind: Any, ids: Any) -> Any:
    """The type with ids of its own."""
    if isinstance(kind, str):
        return kind
    match kind["type"]:
        case "struct":
            return {
                "type": "struct",
                "fields": [{"id": next(ids), **f, "type": number(f["type"], ids)} for f in kind["fields"]],
            }
        case "list":
            return {**kind, "element-id": next(ids), "element": number(kind["element"], ids)}
        case _:
            return {
                **kind,
                "key-id": next(ids),
                "value-id": next(ids),
                "key": number(kind["key"], ids),
                "value": number(kind["value"], ids),
            }


@given(structs(st.recursive(PRIMITIVES, nested, max_leaves=6)))
def test_every_schema_comes_back(kind: Any) -> None:
    fields = number(kind, itertools.count(1))["fields"]
    assert avro.to_fields(avro.to_record(fields, "orders"), "schema.avro") == fields


def field(kind: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "t", "fields": [{"name": "a", "type": kind, "field-id": 1, **more}]}


@pytest.mark.parametrize(
    ("kind", "wanted", "required"),
    [
        ("long", "long", True),
        (["null", "int"], "int", False),
        (["int", "null"], "int", False),
        ({"type": "string"}, "string", True),
        ({"type": {"type": "string"}}, "string", True),
        ({"type": "enum", "name": "e", "symbols": ["A"]}, "string", True),
        ({"type": "long", "logicalType": "timestamp-millis"}, "timestamp", True),
        ({"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": True}, "timestamptz", True),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "timestamp", True),
        ({"type": "fixed", "size": 6, "logicalType": "decimal", "precision": 12, "scale": 2}, "decimal(12, 2)", True),
        ({"type": "bytes", "logicalType": "decimal", "precision": 12}, "decimal(12, 0)", True),
        ({"type": "string", "logicalType": "uuid"}, "uuid", True),
        ({"type": "string", "logicalType": "no such"}, "string", True),
    ],
)
def test_spellings(kind: Any, wanted: str, required: bool) -> None:
    (found,) = avro.to_fields(field(kind), "schema.avro")
    assert (found["type"], found["required"]) == (wanted, required)


def test_ids_may_be_left_out() -> None:
    kind = {"type": "map", "values": {"type": "array", "items": ["null", "long"]}}
    record = {"type": "record", "name": "t", "fields": [{"name": "a", "type": kind}, {"name": "b", "type": "int"}]}
    a, b = avro.to_fields(record, "s")
    ids = [a["id"], a["type"]["key-id"], a["type"]["value-id"], a["type"]["value"]["element-id"], b["id"]]
    assert len(set(ids)) == 5
    assert a["type"]["value"]["element-required"] is False


def test_all_problems_come_at_once_with_their_places() -> None:
    record = {
        "type": "record",
        "name": "t",
        "fields": [
            {"name": "a", "type": "lnog", "field-id": 1},
            {"type": "int", "field-id": 2},
            {"name": "b", "type": ["int", "string"], "field-id": 1},
            {"name": "A", "type": "int"},
            {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 2}},
        ],
    }
    with pytest.raises(DataOSError) as raised:
        avro.to_fields(record, "schema.avro")
    found = [(p.path, p.message) for p in raised.value.problems]
    assert [path for path, _ in found] == [f"schema.avro.fields[{i}]" for i in (0, 1, 2, 2, 3, 4)]
    assert "`lnog`" in found[0][1]
    assert "39" in found[-1][1]


@pytest.mark.parametrize("broken", [None, 7, [], {"type": "record"}, {"type": "record", "fields": []}, {"type": "int"}])
def test_what_is_no_record_is_refused(broken: Any) -> None:
    with pytest.raises(DataOSError):
        avro.to_fields(broken, "schema.avro")
