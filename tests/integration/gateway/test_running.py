"""Running: limits, cancelling, row limits, changed sources, engines that go away, inputs of jobs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.governance.principals import AttemptScope, Principal
from dataos.lakehouse.views import AttemptView, TableRef
from integration.gateway.gateway_world import ALICE, DEFAULTS, ORDERS, World

SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 50000)) AS a(x), UNNEST(sequence(1, 50000)) AS b(y), "
    "UNNEST(sequence(1, 100)) AS c(z) WHERE x + y + z = -1"
)


def test_a_statement_has_a_time_limit(world: World):
    with pytest.raises(DataOSError) as caught:
        world.rows(SLOW, timeout_s=0.5)
    assert caught.value.problem.code == "query.timeout"
    assert "0.5 s" in caught.value.problem.message
    assert world.rows("SELECT 1") == [[1]]


def test_cancelling_ends_it_and_ids_are_long(world: World):
    async def run() -> None:
        result = await world.gateway.run(Statement("SELECT x FROM UNNEST(sequence(1, 10000000)) AS t(x)"), ALICE)
        assert len(result.query_id) >= 22  # 128 bits and more
        pieces = aiter(result)
        await anext(pieces)
        await result.aclose()
        await result.aclose()
        await pieces.aclose()  # type: ignore[attr-defined]

    world.do(run())
    assert world.rows("SELECT 1") == [[1]]


def test_rows_are_cut_at_the_limit_and_said_so(world: World):
    answer = world.do(world.query("SELECT x FROM UNNEST(sequence(1, 1000)) AS t(x)", max_rows=10))
    assert len(answer["rows"]) == 10
    assert answer["truncated"] is True
    assert world.do(world.query("SELECT 1", max_rows=10))["truncated"] is False


def test_arrow_passes_through(world: World):
    async def run() -> pa.Table:
        result = await world.gateway.run(Statement("SELECT id, amount FROM orders", **DEFAULTS), ALICE)
        return pa.ipc.open_stream(await result.read()).read_all()

    assert world.do(run()).num_rows == 5


def test_a_new_table_and_a_new_snapshot_are_seen_at_once(world: World):
    world.write("fresh", ORDERS)
    assert world.rows("SELECT count(*) FROM fresh") == [[5]]
    first = world.rows("SELECT count(*) FROM fresh")
    world.write("fresh", ORDERS, append=True)
    assert world.rows("SELECT count(*) FROM fresh") == [[10]]
    snapshot = world.pyiceberg.load_table("retail.fresh").history()[0].snapshot_id
    assert world.rows(f"SELECT count(*) FROM fresh FOR VERSION AS OF {snapshot}") == first


def test_a_changed_database_table_is_seen(world: World):
    with world.server.connect("shop") as connection:
        connection.execute(b"CREATE TABLE moving (a int)")
        connection.execute(b"INSERT INTO moving VALUES (1)")
        assert world.rows("SELECT * FROM shop.public.moving") == [[1]]
        connection.execute(b"ALTER TABLE moving ADD COLUMN b text DEFAULT 'x'")
        assert world.rows("SELECT b FROM shop.public.moving") == [["x"]]
        connection.execute(b"ALTER TABLE moving DROP COLUMN a")
        assert world.rows("SELECT b FROM shop.public.moving") == [["x"]]
        connection.execute(b"ALTER TABLE moving ALTER COLUMN b DROP DEFAULT")
        connection.execute(b"ALTER TABLE moving ALTER COLUMN b TYPE bigint USING 7")
        world.mounted._databases.forget("shop")
        assert world.rows("SELECT b + 1 FROM shop.public.moving") == [[8]]
        connection.execute(b"DROP TABLE moving")
    world.mounted._databases.forget("shop")
    with pytest.raises(DataOSError) as caught:
        world.rows("SELECT b FROM shop.public.moving")
    assert caught.value.problem.code == "query.unknown_relation"


def test_a_job_sees_its_own_held_tables(world: World):
    attempt = AttemptId("run1-job-1")
    scope = AttemptScope("sales", RunId("run1"), attempt)
    job = Principal(UserId("alice"), attempt=scope)
    table = world.pyiceberg.create_table("retail.held", ORDERS.schema)
    table.append(ORDERS)
    ref = TableRef("lakehouse", "retail", "held")
    world.do(world.catalog.register_table(AttemptView(attempt), ref, table.metadata_location))

    async def count(principal: Principal) -> Any:
        statement = Statement("SELECT count(*) FROM held", **DEFAULTS)
        return (await results.as_json(await world.gateway.run(statement, principal)))["rows"]

    assert world.do(count(job)) == [[5]]
    with pytest.raises(DataOSError):
        world.do(count(ALICE))


def test_open_input_gives_a_whole_dataset(world: World):
    async def read(address: str, query: str | None = None) -> pa.Table:
        result = await world.gateway.open_input(Udl.parse(address), ALICE, query)
        return pa.ipc.open_stream(await result.read()).read_all()

    assert world.do(read("dataos://shop:public/customers")).column_names[:2] == ["name", "city"]
    assert world.do(read("dataos://lakehouse:retail/orders")).num_rows == 5
    assert world.do(read("dataos://shop:public/customers", "SELECT name FROM customers WHERE score > 5")).num_rows == 1
    with pytest.raises(DataOSError):
        world.do(read("dataos://shop:public"))


def test_a_depot_that_is_down_says_so_and_others_work(world: World):
    world.store.write_sync(world.vault.seal, "instance-secret:down-r", {"username": "u", "password": "p"})
    entry = DepotEntry(
        "down",
        "u9",
        "POSTGRESQL",
        {"host": "127.0.0.1", "port": 1, "database": "x", "params": {}},
        {"r": ("instance-secret:down-r",)},
    )
    world.store.write_sync(resolver.register, entry)
    try:
        world.do(world.mounted.sync(world.engine))
        with pytest.raises(DataOSError) as caught:
            world.rows("SELECT * FROM down.public.t")
        assert caught.value.problem.code == "depot.unreachable"
        assert world.rows("SELECT count(*) FROM shop.public.customers") == [[2]]
        assert world.rows("SHOW CATALOGS LIKE 'd%'") == [["down"]]
    finally:
        world.store.write_sync(resolver.forget, "down")
        world.do(world.mounted.sync(world.engine))


def test_an_engine_that_dies_fails_cleanly_and_comes_back(world: World):
    async def run() -> None:
        running = asyncio.create_task(world.query(SLOW))
        await asyncio.sleep(0.7)
        os.kill(world.engine.pid or 0, signal.SIGKILL)
        with pytest.raises(DataOSError) as caught:
            await running
        assert caught.value.problem.code == "engine.unavailable"
        assert (await world.query("SELECT count(*) FROM shop.public.customers"))["rows"] == [[2]]

    world.do(run())


def test_many_statements_at_once(world: World):
    async def run() -> None:
        answers = await asyncio.gather(*(world.query(f"SELECT {i} + count(*) FROM orders") for i in range(40)))
        assert [a["rows"][0][0] for a in answers] == [i + 5 for i in range(40)]

    world.do(run())


def test_json_rows_of_every_type(world: World):
    answer = world.do(
        world.query(
            "SELECT CAST(1 AS tinyint), CAST(1.5 AS real), CAST('x' AS varchar), DATE '2024-01-02', "
            "CAST('10:11:12' AS time), TIMESTAMP '2024-01-02 03:04:05.678', from_unixtime(0), uuid() IS NULL, "
            "to_utf8('a'), INTERVAL '26' HOUR, ARRAY[DECIMAL '1.0'], MAP(ARRAY['k'], ARRAY[DATE '2024-01-01']), "
            "CAST(ROW(1, 'a') AS ROW(n integer, s varchar)), json_parse('[1]'), NULL, true, 1e400"
        )
    )
    assert [c["type"] for c in answer["columns"]] == [
        "tinyint", "real", "varchar", "date", "time(6)", "timestamp(6)", "timestamp(6) with time zone", "boolean",
        "varbinary", "interval day to second", "array(decimal(2,1))", "map(varchar, date)",
        "row(n integer, s varchar)", "json", "integer", "boolean", "double",
    ]  # fmt: skip
    assert json.loads(json.dumps(answer["rows"][0])) == [
        1, 1.5, "x", "2024-01-02", "10:11:12.000000", "2024-01-02 03:04:05.678000", "1970-01-01 00:00:00.000000 UTC",
        False, "YQ==", "1 02:00:00.000", ["1.0"], {"k": "2024-01-01"}, [1, "a"], "[1]", None, True, "Infinity",
    ]  # fmt: skip


def test_overhead_of_a_small_statement(world: World, capsys: pytest.CaptureFixture[str]):
    async def timed(sql: str) -> float:
        times: list[float] = []
        for _ in range(30):
            begin = time.perf_counter()
            await world.query(sql)
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1000

    async def engine_only(sql: str) -> float:
        times: list[float] = []
        for _ in range(30):
            begin = time.perf_counter()
            session = await world.engine.session()
            stream = await session.execute(sql, timeout_s=10)
            async for _piece in stream:
                pass
            await session.release()
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1000

    bare = world.do(engine_only("SELECT 1"))
    one = world.do(timed("SELECT 1"))
    lake = world.do(timed("SELECT id, amount FROM orders WHERE id = 3"))
    shop = world.do(timed("SELECT city FROM shop.public.customers WHERE name = 'ann'"))
    with capsys.disabled():
        print(f"\nmedian ms: engine {bare:.1f}, gateway {one:.1f}, iceberg {lake:.1f}, postgres {shop:.1f}")


def test_nothing_heavy_is_imported_by_the_gateway():
    import subprocess
    import sys

    program = (
        "import sys\n"
        "import dataos.gateway.gateway, dataos.gateway.mounting, dataos.gateway.results, dataos.depots.resolver\n"
        "import dataos.depots.types.postgresql.adapter\n"
        "heavy = {'duckdb', 'pyarrow', 'pyiceberg', 'psycopg', 'pandas', 'pyspark'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
