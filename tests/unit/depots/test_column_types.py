"""The types that columns get in databases."""

from __future__ import annotations

import pytest

from dataos.depots.columntypes import native


@pytest.mark.parametrize(
    ("engine", "postgresql", "mysql", "sqlite"),
    [
        ("BOOLEAN", "BOOLEAN", "BOOLEAN", "BOOLEAN"),
        ("TINYINT", "SMALLINT", "TINYINT", "TINYINT"),
        ("UBIGINT", "NUMERIC(20,0)", "BIGINT UNSIGNED", "UBIGINT"),
        ("DECIMAL(10,2)", "NUMERIC(10,2)", "DECIMAL(10,2)", "DECIMAL(10,2)"),
        ("varchar", "VARCHAR", "LONGTEXT", "VARCHAR"),
        ("VARCHAR(20)", "VARCHAR(20)", "VARCHAR(20)", "VARCHAR(20)"),
        ("VARCHAR(20000)", "VARCHAR(20000)", "LONGTEXT", "VARCHAR(20000)"),
        ("BLOB", "BYTEA", "LONGBLOB", "BLOB"),
        ("TIME", "TIME", "TIME(6)", "VARCHAR"),
        ("TIMESTAMP", "TIMESTAMP", "DATETIME(6)", "TIMESTAMP"),
        ("TIMESTAMP(3)", "TIMESTAMP(3)", "DATETIME(3)", "TIMESTAMP"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", "DATETIME(6)", "TIMESTAMP"),
        ("TIMESTAMP(3) WITH TIME ZONE", "TIMESTAMP(3) WITH TIME ZONE", "DATETIME(3)", "TIMESTAMP"),
        ("TIMESTAMP_NS", "TIMESTAMP", "DATETIME(6)", "TIMESTAMP"),
        ("TIMESTAMP(9)", None, None, None),
        ("JSON", "JSONB", "JSON", "JSON"),
        ("INTERVAL", "INTERVAL", None, None),
        ("INTEGER[]", "INTEGER[]", None, None),
        ("INTEGER[][]", None, None, None),
        ("STRUCT(a INTEGER)", None, None, None),
    ],
)
def test_each_type_of_the_engine_has_one_in_the_database_or_none(
    engine: str, postgresql: str | None, mysql: str | None, sqlite: str | None
) -> None:
    assert (native("postgresql", engine), native("mysql", engine), native("sqlite", engine)) == (
        postgresql,
        mysql,
        sqlite,
    )
