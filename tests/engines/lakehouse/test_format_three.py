"""What each client does with tables of format version 3 (issue 5 §2). The outcomes are kept in `format_three.json`, of
which `./dev docs` makes a page; `DATAOS_WRITE_FORMAT_THREE=1` writes it anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from engines.lakehouse.matrix import Spark, Trino
from integration.lakehouse.engines import Clients, DuckDB, Engine, PyIceberg, Row
from integration.lakehouse.helpers import WAREHOUSE, Server

KEPT = Path(__file__).with_name("format_three.json")
DAY = datetime(2024, 1, 1)
PLAIN: list[Row] = [(n, DAY, f"n{n}") for n in range(6)]
ON_READ = ", ".join(f"'write.{verb}.mode' = 'merge-on-read'" for verb in ("delete", "update", "merge"))


def _create(engine: Engine, table: str) -> None:
    if isinstance(engine, PyIceberg):
        from pyiceberg.schema import Schema
        from pyiceberg.types import LongType, NestedField, StringType, TimestampType

        kinds = (("id", LongType()), ("ts", TimestampType()), ("s", StringType()))
        fields = [NestedField(i, name, kind) for i, (name, kind) in enumerate(kinds, 1)]
        engine._catalog.create_table(table, Schema(*fields), properties={"format-version": "3"})
    elif isinstance(engine, DuckDB):
        columns = "(id BIGINT, ts TIMESTAMP, s VARCHAR)"
        engine._connection.execute(f"CREATE TABLE lake.{table} {columns} WITH ('format-version' = '3')")
    elif isinstance(engine, Trino):
        engine.run(
            f"CREATE TABLE {engine._catalog}.{table} (id BIGINT, ts TIMESTAMP(6), s VARCHAR) WITH (format_version = 3)"
        )
    else:
        engine.run(  # type: ignore[attr-defined] - Sail and Spark
            f"CREATE TABLE {WAREHOUSE}.{table} (id BIGINT, ts TIMESTAMP_NTZ, s STRING) USING iceberg "
            f"TBLPROPERTIES ('format-version' = '3', {ON_READ})"
        )


def _tried(act: Callable[[], Any]) -> str:
    """yes, no, or differs (False)."""
    try:
        return "differs" if act() is False else "yes"
    except Exception:  # noqa: BLE001 - whatever a client says: that it says something is what counts
        return "no"


def test_what_each_client_does_with_version_3(server: Server, clients: Clients) -> None:
    found: dict[str, dict[str, str]] = {}
    with clients.open("spark", server) as opened:
        assert isinstance(opened, Spark)
        spark = opened
        spark.run(f"CREATE NAMESPACE {WAREHOUSE}.three")
        _create(spark, "three.plain")
        spark.append("three.plain", PLAIN)
        _create(spark, "three.vectors")
        spark.run(f"INSERT INTO {WAREHOUSE}.three.vectors SELECT /*+ COALESCE(1) */ * FROM {WAREHOUSE}.three.plain")
        spark.delete("three.vectors", 2)
        left = [r for r in PLAIN if r[0] != 2]
        assert spark.read("three.vectors") == left
        assert list(server.root.rglob("*.puffin")), "Spark wrote no deletion vector: nothing would be tried"
        for name in clients.readers():
            with clients.open(name, server) as engine:
                did: dict[str, str] = {}
                own, copy = f"three.of_{name}", f"three.deleted_by_{name}"
                did["create"] = _tried(lambda e=engine, t=own: _create(e, t))
                if did["create"] != "yes":
                    _create(spark, own)
                did["append"] = _tried(lambda e=engine, t=own: e.append(t, [(9, DAY, "nine")]))
                assert spark.read(own) == ([(9, DAY, "nine")] if did["append"] == "yes" else []), name
                did["read"] = _tried(lambda e=engine: e.read("three.plain") == PLAIN)
                did["read with deletion vectors"] = _tried(lambda e=engine: e.read("three.vectors") == left)
                _create(spark, copy)
                spark.run(f"INSERT INTO {WAREHOUSE}.{copy} SELECT /*+ COALESCE(1) */ * FROM {WAREHOUSE}.three.plain")
                did["delete rows"] = _tried(lambda e=engine, t=copy: e.delete(t, 3))
                kept = [r for r in PLAIN if did["delete rows"] != "yes" or r[0] != 3]
                assert spark.read(copy) == kept, name
                found[name] = did
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if os.environ.get("DATAOS_WRITE_FORMAT_THREE"):
        KEPT.write_text(text, "utf-8")
    assert "differs" not in text, "a wrong answer without a word"
    assert KEPT.read_text("utf-8") == text


def test_row_numbers_stay_with_their_rows_on_spark(server: Server, clients: Clients) -> None:
    """Through updates, deletes, rewriting and an upgrade; and ours refuses what would lose them."""
    with clients.open("spark", server) as spark:
        assert isinstance(spark, Spark)
        spark.run(f"CREATE NAMESPACE {WAREHOUSE}.three")
        _create(spark, "three.rows")
        spark.append("three.rows", PLAIN)
        query = f"SELECT id, _row_id FROM {WAREHOUSE}.three.rows ORDER BY id"
        before = {r[0]: r[1] for r in spark.run(query)}
        assert sorted(before.values()) == list(range(6))
        spark.delete("three.rows", 1)
        spark.run(f"UPDATE {WAREHOUSE}.three.rows SET s = 'new' WHERE id = 4")
        spark.append("three.rows", [(7, DAY, "later")])
        options = "options => map('rewrite-all', 'true')"
        spark.run(f"CALL {WAREHOUSE}.system.rewrite_data_files(table => 'three.rows', {options})")
        after = {r[0]: r[1] for r in spark.run(query)}
        assert {i: after[i] for i in (0, 2, 3, 4, 5)} == {i: before[i] for i in (0, 2, 3, 4, 5)}
        assert after[7] not in before.values()
        spark.run(
            f"CREATE TABLE {WAREHOUSE}.three.old (id BIGINT) USING iceberg TBLPROPERTIES ('format-version' = '2')"
        )
        spark.run(f"INSERT INTO {WAREHOUSE}.three.old VALUES (1), (2)")
        spark.run(f"ALTER TABLE {WAREHOUSE}.three.old SET TBLPROPERTIES ('format-version' = '3')")
        spark.run(f"INSERT INTO {WAREHOUSE}.three.old VALUES (3)")
        numbers = [r[0] for r in spark.run(f"SELECT _row_id FROM {WAREHOUSE}.three.old")]
        assert sorted(numbers) == [0, 1, 2]
