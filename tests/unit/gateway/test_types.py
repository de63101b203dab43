"""Types: Trino's arithmetic, and names from DuckDB, Iceberg and PostgreSQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.gateway import types


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("+", "decimal(10,2)", "decimal(5,4)", "DECIMAL(13, 4)"),
        ("*", "decimal(10,2)", "decimal(5,4)", "DECIMAL(15, 6)"),
        ("/", "decimal(10,2)", "decimal(5,4)", "DECIMAL(16, 4)"),
        ("%", "decimal(10,2)", "decimal(5,4)", "DECIMAL(5, 4)"),
        ("+", "decimal(38,2)", "bigint", "DECIMAL(38, 2)"),
        ("+", "integer", "bigint", "BIGINT"),
        ("/", "integer", "integer", "INT"),
        ("+", "integer", "double", "DOUBLE"),
        ("*", "real", "real", "FLOAT"),
    ],
)
def test_arithmetic_types(operator: str, left: str, right: str, expected: str):
    result = types.arithmetic(operator, types.data_type(left), types.data_type(right))
    assert result is not None
    assert result.sql() == expected


def test_unknown_types_stay_unknown():
    assert types.arithmetic("+", types.data_type("varchar"), types.data_type("integer")) is None
    assert types.kind(types.data_type("no such type (")) is None


@pytest.mark.parametrize(
    ("duckdb", "trino"),
    [
        ("DECIMAL(10,2)", "decimal(10,2)"),
        ("STRUCT(a INTEGER, \"B c\" VARCHAR[])[]", 'array(row(a integer, "B c" array(varchar)))'),
        ("MAP(VARCHAR, STRUCT(x DECIMAL(3,1)))", "map(varchar, row(x decimal(3,1)))"),
        ("STRUCT(INTEGER, VARCHAR)", "row(integer, varchar)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp(6) with time zone"),
        ("INTEGER[3]", "array(integer)"),
        ("ENUM('a', 'b')", "varchar"),
        ("HUGEINT", "decimal(38,0)"),
    ],
)  # fmt: skip
def test_names_from_duckdb(duckdb: str, trino: str):
    assert types.from_duckdb(duckdb) == trino


@pytest.mark.parametrize(
    ("iceberg", "trino"),
    [
        ("long", "bigint"),
        ("decimal(10, 2)", "decimal(10,2)"),
        ("list<struct<a: string, b: list<int>>>", "array(row(a varchar, b array(integer)))"),
        ("map<string, decimal(3, 1)>", "map(varchar, decimal(3,1))"),
        ("struct<1: a: optional int, 2: Big Name: required string>", 'row(a integer, "Big Name" varchar)'),
        ("timestamptz", "timestamp(6) with time zone"),
        ("fixed[16]", "varbinary"),
        ("variant", "unknown"),
    ],
)
def test_names_from_iceberg(iceberg: str, trino: str):
    assert types.from_iceberg(iceberg) == trino


@pytest.mark.parametrize(
    ("postgresql", "trino"),
    [
        ("numeric(10,2)", "decimal(10,2)"),
        ("numeric", "double"),
        ("numeric(50,2)", "double"),
        ("character varying(5)[]", "array(varchar)"),
        ("timestamp(3) with time zone", "timestamp(6) with time zone"),
        ("time without time zone", "time(6)"),
        ("my_enum", "varchar"),
        ("jsonb", "json"),
    ],
)
def test_names_from_postgresql(postgresql: str, trino: str):
    assert types.from_postgresql(postgresql) == trino


@given(st.text(max_size=40))
def test_any_type_text_gives_some_type(text: str):
    assert isinstance(types.from_iceberg(text), str)
    assert isinstance(types.from_postgresql(text), str)
    types.data_type(text)
