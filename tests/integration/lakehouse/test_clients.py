"""Unmodified clients: what one writes, all read; with a run's token it is held until published."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from dataos.core.ids import AttemptId
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.lakehouse.engines import Clients, Engine, Row, sail
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows

JAN, FEB = datetime(2024, 1, 31, 23, 59, 59, 123456), datetime(2024, 2, 1)
FIRST: list[Row] = [(1, JAN, "a"), (2, FEB, None)]
SECOND: list[Row] = [(3, FEB, "ü 'x'".replace("'", "`")), (4, JAN, "")]
THIRD: list[Row] = [(7, JAN, "new")]


PLACES = pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)


def steps(engine: Engine, table: str) -> list[Row]:
    engine.create(table)
    engine.append(table, FIRST)
    engine.append(table, SECOND)
    engine.delete(table, 1)
    return sorted((FIRST + SECOND)[1:])


@PLACES
def test_one_writes_all_read(server: Server, clients: Clients, writer: str) -> None:
    client(server).create_namespace("shop")
    with clients.open(writer, server) as engine:
        expected = steps(engine, "shop.t")
        for reader in clients.readers():
            with clients.open(reader, server) as other:
                assert other.read("shop.t") == expected, reader
        info = asyncio.run(server.catalog.describe_table(PUBLISHED, WAREHOUSE, "shop", "t"))
        assert info.partition_spec == "month(ts)"
        assert [(c.name, c.type) for c in info.columns] == [("id", "long"), ("ts", "timestamp"), ("s", "string")]
        engine.replace("shop.t", THIRD)
        for reader in clients.readers():
            with clients.open(reader, server) as other:
                assert other.read("shop.t") == THIRD, reader


@PLACES
def test_what_a_run_writes_is_held_from_every_client(server: Server, clients: Clients, writer: str) -> None:
    user = client(server)
    user.create_namespace("shop")
    user.create_table("shop.old", rows().schema).append(rows(1))
    with clients.open(writer, server, "attempt:a1") as engine:
        expected = steps(engine, "shop.t")
        assert engine.read("shop.t") == expected
    assert user.list_tables("shop") == [("shop", "old")]
    asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
    server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    for reader in clients.readers():
        with clients.open(reader, server) as other:
            assert other.read("shop.t") == expected, reader
    marks = {s.summary["dataos.attempt-id"] for s in user.load_table("shop.t").snapshots()}
    assert marks == {"a1"}


@PLACES
def test_an_append_of_every_client_is_reapplied(server: Server, clients: Clients, writer: str) -> None:
    client(server).create_namespace("shop")
    with clients.open(writer, server) as engine:
        engine.create("shop.t")
    with clients.open(writer, server, "attempt:a1") as job, clients.open(writer, server) as other:
        other.append("shop.t", FIRST)
        job.append("shop.t", SECOND)
        other.append("shop.t", THIRD)
        asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
        server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    for reader in clients.readers():
        with clients.open(reader, server) as engine:
            assert engine.read("shop.t") == sorted(FIRST + SECOND + THIRD), reader


def test_what_the_flare_driver_builds_on(server: Server) -> None:
    """The forms of NOTES.md, through one Sail with a run's token."""
    user = client(server)
    with sail(server, "attempt:a1") as engine:
        run = engine.run
        run("CREATE NAMESPACE IF NOT EXISTS lakehouse.shop")
        run("CREATE NAMESPACE IF NOT EXISTS lakehouse.shop")
        run(
            "CREATE TABLE lakehouse.shop.t (id INT, k STRING, d DATE, ts TIMESTAMP, x DECIMAL(10,2), m MAP<STRING,INT>)"
            " USING iceberg PARTITIONED BY (k, years(d), days(ts), bucket(4, id), truncate(2, k))"
            " TBLPROPERTIES ('write.parquet.compression-codec'='zstd')"
        )
        row = "1, 'abc', DATE'2024-01-05', TIMESTAMP'2024-01-05 01:00:00', 1.50, map('a', 1)"
        run(f"INSERT INTO lakehouse.shop.t VALUES ({row})")
        frame = engine._spark.sql(f"SELECT {row}").toDF("id", "k", "d", "ts", "x", "m")
        frame.writeTo("lakehouse.shop.t").append()
        assert run("SELECT count(*) FROM lakehouse.shop.t")[0][0] == 2
        frame.write.insertInto("lakehouse.shop.t", overwrite=True)
        assert run("SELECT count(*) FROM lakehouse.shop.t")[0][0] == 1
        other = engine._spark.sql(f"SELECT {row.replace('abc', 'xyz')}").toDF("id", "k", "d", "ts", "x", "m")
        other.writeTo("lakehouse.shop.t").overwritePartitions()
        assert run("SELECT count(*) FROM lakehouse.shop.t")[0][0] == 2, "other partitions stay"
        run(
            "MERGE INTO lakehouse.shop.t t USING (SELECT 'xyz' AS k) u ON t.k = u.k WHEN MATCHED THEN UPDATE SET id = 9"
        )
        assert sorted(r[0] for r in run("SELECT id FROM lakehouse.shop.t")) == [1, 9]
        for _ in range(2):  # made again in one run: another folder, no leftovers
            run("CREATE TABLE lakehouse.shop.copy USING iceberg PARTITIONED BY (k) AS SELECT k FROM lakehouse.shop.t")
            assert run("SELECT count(*) FROM lakehouse.shop.copy")[0][0] == 2
            run("DROP TABLE lakehouse.shop.copy")
        run("CREATE TABLE lakehouse.shop.copy USING iceberg AS SELECT id FROM lakehouse.shop.t")
    assert user.list_namespaces() == []
    asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
    published = server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    assert sorted(map(str, published)) == ["dataos://lakehouse:shop/copy", "dataos://lakehouse:shop/t"]
    info = asyncio.run(server.catalog.describe_table(PUBLISHED, WAREHOUSE, "shop", "t"))
    assert info.partition_spec == "k, year(d), day(ts), bucket[4](id), truncate[2](k)"
    assert {c.name: c.type for c in info.columns} == {
        "id": "int",
        "k": "string",
        "d": "date",
        "ts": "timestamptz",
        "x": "decimal(10, 2)",
        "m": "map<string, int>",
    }


def test_names_in_partition_folders_are_taken_literally(server: Server, clients: Clients) -> None:
    client(server).create_namespace("shop")
    odd: list[Row] = [(1, JAN, "a b/ü%20=x"), (2, FEB, "~#?&"), (3, FEB, None)]
    with sail(server) as engine:
        engine.run(
            "CREATE TABLE lakehouse.shop.t (id BIGINT, ts TIMESTAMP_NTZ, s STRING) USING iceberg PARTITIONED BY (s)"
        )
        engine.append("shop.t", odd)
    for reader in clients.readers():
        with clients.open(reader, server) as other:
            assert other.read("shop.t") == odd, reader


def test_latency(server: Server, orders: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = client(server).load_table(orders)
    for number in range(30):
        table.append(rows(100 + number))
    url = f"{server.url}/v1/{WAREHOUSE}/namespaces/sales/tables/orders"
    headers = {"Authorization": "Bearer user"}
    loads: list[float] = []
    commits: list[float] = []
    with httpx.Client(headers=headers) as http:
        for number in range(50):
            begun = time.perf_counter()
            assert http.get(url).status_code == 200
            loads.append(time.perf_counter() - begun)
            change = {"requirements": [], "updates": [{"action": "set-properties", "updates": {"n": str(number)}}]}
            begun = time.perf_counter()
            assert http.post(url, json=change).status_code == 200
            commits.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    for number in range(10):
        table.refresh().append(rows(number))
    append = (time.perf_counter() - begun) / 10
    with capsys.disabled():
        print(
            f"\n30 snapshots: loadTable {statistics.median(loads) * 1e3:.1f} ms, property commit"
            f" {statistics.median(commits) * 1e3:.1f} ms, whole PyIceberg append {append * 1e3:.0f} ms (medians)"
        )
    assert statistics.median(loads) < 0.1
    assert len(ids_of(server, orders)) == 42
    pointer = asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "sales", "orders")))
    assert Path(pointer.metadata_location).exists()
