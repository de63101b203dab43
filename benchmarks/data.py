"""The data floor: Flare beside Apache Spark and bare DuckDB, streams from Kafka, the catalog beside PyIceberg's own.

Sizes shrink with DATAOS_BENCH_SCALE (1 = the budgets' own, 0.01 for a look at whether it works).
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.setting import Figure, fresh, percentile, timed
from dataos.core.errors import DataOSError
from engines import parts, running
from support import streams
from support.server import Installation, wait_until

SCALE = float(os.environ.get("DATAOS_BENCH_SCALE") or 1)
ROWS = int(10_000_000 * SCALE)
CHANGES = int(100_000 * SCALE)
DEPOT = "name: files\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
COLUMNS = {
    "id": "bigint",
    "store": "int",
    "day": "date",
    "amount": "decimal(12,2)",
    "customer": "string",
    "note": "string",
}
TYPED = "select " + ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in COLUMNS.items()) + " from rows"
MADE = (
    "select i as id, (i * 7919) % 1000 as store, date '2024-01-01' + (i % 365)::int as day, "
    "((i * 31) % 1000000) / 100.0 as amount, 'customer-' || ((i * 17) % 100000) as customer, "
    "'note ' || (i % 97) as note from range({first}, {after}) t(i)"
)
SYSTEM = (
    "MAP {'_dataos_run_mapper_id': 'run-of-a-job-1', "
    "'id': '01234567-89ab-8cde-8f01-' || lpad(lower(hex(row_number() over ())), 12, '0')}"
)
"""The system column of Flare, by DuckDB."""
MEMORY = {"driver": {"coreLimit": "2000m", "cores": 2, "memory": "6g"}}


@contextmanager
def apache_spark() -> Generator[str | None]:
    """Address of an Apache Spark on this machine; None where its parts or a Java are missing."""
    try:
        parts.java(17, 21)
        jars = (parts.SPARK.fetch() / "jars", parts.ICEBERG_AWS.fetch())
    except parts.Missing as why:
        print(f"bench: no Apache Spark: {why}")
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="dataos-bench-") as folder,
        running.spark(Path(folder) / "s", jars) as address,
    ):
        yield address


def known(spark: str | None) -> dict[str, str]:
    """Settings of a server that lets jobs name that Spark."""
    return {"DATAOS_FLARE__SPARK": spark} if spark is not None else {}


def attempt_s(made: Installation, name: str) -> float:
    """Seconds from start to end of the newest run's only attempt, published tables included."""
    (node,) = made.client().runtime("workflow", name, "public")["nodes"]
    (attempt,) = node["attempts"]
    assert attempt["state"] == "succeeded", made.ok("log", "-t", "workflow", "-n", name, "-w", "public").out
    began, ended = (datetime.fromisoformat(attempt[key]).timestamp() for key in ("started", "finished"))
    return ended - began


def run_job(made: Installation, name: str, job: dict[str, Any], spark: str | None = None) -> float:
    """Apply a Flare job and wait for it; its seconds, without the CLI's."""
    conf = {"sparkConf": [{"spark.remote": spark}]} if spark is not None else {}
    spec = {"stack": "flare:7.0", "compute": "runnable-default", "stackSpec": {"job": job, **MEMORY, **conf}}
    body = {"dag": [{"name": "job", "spec": spec}]}
    text = json.dumps({"name": name, "version": "v1", "type": "workflow", "workflow": body})
    made.ok("apply", "-f", made.write(f"{name}.json", text), "--wait", timeout=3600)
    return attempt_s(made, name)


def try_job(made: Installation, name: str, job: dict[str, Any], spark: str | None = None) -> float | str:
    """As `run_job`; why it failed, if it did."""
    try:
        return run_job(made, name, job, spark)
    except AssertionError as error:
        print(str(error)[:2000])
        return "failed with 6 GiB"


def told(found: float | str) -> str:
    """A figure of `try_job`."""
    return f"{found:.1f} s" if isinstance(found, float) else found


def copy_job(file: str, table: str, sql: str = TYPED, **options: Any) -> dict[str, Any]:
    """CSV files into a table."""
    return {
        "inputs": [{"name": "rows", "dataset": f"dataos://files:none/{file}", "format": "csv"}],
        "steps": [{"sequence": [{"name": "typed", "sql": sql}]}],
        "outputs": [{"name": "typed", "dataset": f"dataos://lakehouse:bench/{table}?acl=rw", "options": options}],
    }


def write_csv(file: Path, first: int, after: int) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"COPY ({MADE.format(first=first, after=after)}) TO '{file}' (HEADER)")


class Largest:
    """The most memory (resident, MB) that a process used while the block ran, looked at every 0.2 s."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mb = 0.0

    def __enter__(self) -> Largest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.2):
            with suppress(OSError, StopIteration):
                line = next(s for s in self._status.read_text().splitlines() if s.startswith("VmRSS"))
                self.mb = max(self.mb, int(line.split()[1]) / 1024)


def bench_flare_rows() -> list[Figure]:
    """Ten million rows of CSV into a table, and 100,000 rows merged into them: both engines, and DuckDB's COPY."""
    import duckdb

    with apache_spark() as spark, fresh(env=known(spark)) as made:
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=made.work)))
        write_csv(made.work / "rows.csv", 0, ROWS)
        write_csv(made.work / "changes.csv", ROWS - CHANGES // 2, ROWS + CHANGES // 2)
        bare_sql = TYPED.replace("from rows", f"from read_csv('{made.work / 'rows.csv'}', all_varchar = true)")
        with duckdb.connect() as connection:
            bare = timed(lambda: connection.execute(f"COPY ({bare_sql}) TO '{made.work / 'bare.parquet'}'"))
            same_sql = f"select {SYSTEM} as __metadata, * from ({bare_sql})"
            same = timed(lambda: connection.execute(f"COPY ({same_sql}) TO '{made.work / 'same.parquet'}'"))
        with Largest(made.pid) as largest:
            ours = run_job(made, "load", copy_job("rows.csv", "t", saveMode="overwrite"))
            merge = {
                "onClause": "old.id = new.id",
                "whenClause": "MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
            }
            change = copy_job("changes.csv", "t", saveMode="append", iceberg={"merge": merge})
            merged = try_job(made, "merge", change)
        counted = made.ok("query", "SELECT count(*) AS n FROM lakehouse.bench.t", "-O", "json").json[0]["n"]
        assert counted == ROWS + (CHANGES // 2 if isinstance(merged, float) else 0), counted
        beside = f"DuckDB COPY to Parquet {bare:.1f} s, ratio {ours / bare:.2f}"
        beside += f"; with the map that ours gives every row {same:.1f} s, ratio {ours / same:.2f}"
        beside_merge = ""
        if spark is not None:
            first = copy_job("changes.csv", "warm", saveMode="overwrite")
            run_job(made, "warm-spark", first, spark)  # its first job pays for loading classes
            theirs = run_job(made, "load-spark", copy_job("rows.csv", "s", saveMode="overwrite"), spark)
            change = copy_job("changes.csv", "s", saveMode="append", iceberg={"merge": merge})
            their_merge = try_job(made, "merge-spark", change, spark)
            beside += f"; Apache Spark {theirs:.1f} s, {theirs / ours:.1f} times ours"
            beside_merge = f"Apache Spark: {told(their_merge)}"
            if isinstance(merged, float) and isinstance(their_merge, float):
                beside_merge += f", {their_merge / merged:.1f} times ours"
        return [
            Figure(f"Flare: {ROWS:,} rows of CSV into Iceberg", f"{ours:.1f} s", "1.5 x DuckDB, 1/3 of Spark", beside),
            Figure(f"Flare: {CHANGES:,} rows merged into {ROWS:,}", told(merged), "-", beside_merge),
            Figure("server's largest memory meanwhile", f"{largest.mb:.0f} MB", "-"),
        ]


def bench_overhead() -> list[Figure]:
    """A Flare job of one row on a server that has run some: asked for to published, without the CLI."""
    with fresh() as made:
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=made.work)))
        made.write("tiny.csv", "a,b\n1,2\n")
        job = copy_job("tiny.csv", "tiny", "select a, b from rows", saveMode="overwrite")
        cold = run_job(made, "tiny", job)
        client = made.client()

        def again() -> float:
            seen = client.runs("workflow", "tiny", "public")["items"][0]["id"]
            made.ok("runtime", "run", "-t", "workflow", "-n", "tiny", "-w", "public")

            def done() -> bool:
                newest = client.runs("workflow", "tiny", "public")["items"][0]
                return newest["id"] != seen and newest["finished"] is not None

            wait_until(done, 60)
            newest = client.runs("workflow", "tiny", "public")["items"][0]
            began, ended = (datetime.fromisoformat(newest[key]).timestamp() for key in ("created", "finished"))
            return ended - began

        def rested() -> float:
            time.sleep(3)  # the next program has been loaded
            return again()

        warm = statistics.median(rested() for _ in range(5))
        in_a_row = statistics.median(again() for _ in range(7))
        what = "asked for to published"
        return [
            Figure("overhead of a Flare job, first on a server", f"{cold:.2f} s", "-", what),
            Figure("overhead of a Flare job that finds a program waiting", f"{warm:.2f} s", "< 1 s", what),
            Figure("overhead of Flare jobs one right after the other", f"{in_a_row:.2f} s", "-", what),
        ]


def bench_tpch() -> list[Figure]:
    """TPC-H at scale 1: its 22 queries as one Flare job over Parquet files, each kept as a table; DuckDB beside."""
    import duckdb
    import duckdb_extension_tpch

    extension = next(Path(next(iter(duckdb_extension_tpch.__path__))).glob("extensions/*/tpch.duckdb_extension"))
    with apache_spark() as spark, fresh(env=known(spark)) as made, duckdb.connect() as connection:
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=made.work)))
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"CALL dbgen(sf = {SCALE})")
        names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        for name in names:
            connection.execute(f"COPY {name} TO '{made.work / name}.parquet'")
            connection.execute(f"DROP TABLE {name}")
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{made.work / name}.parquet')")
        queries = {
            int(n): str(sql) for n, sql in connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()
        }

        def bare() -> None:
            for number, sql in queries.items():
                connection.execute(f"COPY ({sql.strip().rstrip(';')}) TO '{made.work}/bare-{number}.parquet'")

        def job(prefix: str) -> dict[str, Any]:
            inputs = [{"name": n, "dataset": f"dataos://files:none/{n}.parquet", "format": "parquet"} for n in names]
            views = [{"name": f"q{n}", "sql": sql.strip().rstrip(";")} for n, sql in queries.items()]
            outputs = [
                {
                    "name": f"q{n}",
                    "dataset": f"dataos://lakehouse:bench/{prefix}{n}?acl=rw",
                    "options": {"saveMode": "overwrite"},
                }
                for n in queries
            ]
            return {"inputs": inputs, "steps": [{"sequence": views}], "outputs": outputs}

        duck = timed(bare)
        ours = run_job(made, "tpch", job("q"))
        beside = f"DuckDB {duck:.1f} s, ratio {ours / duck:.1f}"
        if spark is not None:
            run_job(
                made,
                "tpch-warm",
                copy_job("none.csv", "w", "select 1 as a", saveMode="overwrite") | {"inputs": []},
                spark,
            )
            theirs = run_job(made, "tpch-spark", job("s"), spark)
            beside += f"; Apache Spark {theirs:.1f} s, {theirs / ours:.1f} times ours"
        return [Figure(f"TPC-H scale {SCALE:g}, 22 queries as a Flare job", f"{ours:.1f} s", "-", beside)]


def bench_stream() -> list[Figure]:
    """Messages of a topic into a table: from sending to a query that sees them, and rows a second of a backlog."""
    try:
        parts.java(17, 99)
        jars = parts.KAFKA.fetch() / "jars"
    except parts.Missing as why:
        return [Figure("Kafka to queryable", "not measured", "-", str(why))]
    backlog = int(1_000_000 * SCALE)
    depot = "name: shop\nversion: v2alpha\ntype: depot\ndepot:\n  type: KAFKA\n  kafka: {{brokers: ['{address}']}}\n"
    sql = "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id FROM clicks"
    with fresh() as made, tempfile.TemporaryDirectory(prefix="dataos-bench-") as folder:  # noqa: SIM117 - the folder is last
        with running.Broker(Path(folder) / "kafka", jars) as broker:
            made.ok("apply", "-f", made.write("depot.yaml", depot.format(address=broker.address)))

            def topic(name: str) -> list[dict[str, Any]]:
                options = {"startingOffsets": "earliest", "maxOffsetsPerTrigger": "200000"}
                address = f"dataos://shop:default/{name}?acl=rw"
                return [
                    {"name": "clicks", "dataset": address, "format": "kafkajson", "isStream": True, "options": options}
                ]

            broker.make("old", 2)
            for first in range(0, backlog, 50_000):  # what a producer holds at once
                broker.send("old", [str(i) for i in range(first, min(first + 50_000, backlog))])
            text = streams.workflow("backlog", topic("old"), sql, [streams.table("old")], streaming=streams.trigger())
            made.ok("apply", "-f", made.write("backlog.yaml", text), "--wait", timeout=1800)
            seconds = attempt_s(made, "backlog")
            broker.make("live", 1)
            text = streams.workflow(
                "live", topic("live"), sql, [streams.table("live")], streaming=streams.trigger(None)
            )
            made.ok("apply", "-f", made.write("live.yaml", text))
            delays = latencies(made, broker)
            made.ok("runtime", "stop", "-t", "workflow", "-n", "live", "-w", "public")
    note = f"300 messages, 10 a second; p99 {percentile(delays, 0.99):.2f} s"
    return [
        Figure("Kafka to a query that sees it, p50", f"{percentile(delays, 0.5):.2f} s", "-", note),
        Figure(f"a backlog of {backlog:,} messages", f"{backlog / seconds:,.0f} rows/s", "-", f"{seconds:.1f} s"),
    ]


def latencies(made: Installation, broker: running.Broker) -> list[float]:
    """Seconds from sending each of 300 messages to the first query that sees it."""
    client = made.client()
    seen: dict[int, float] = {}

    def look() -> int:
        try:
            found = json.loads(client.query("SELECT max(id) AS n FROM lakehouse.live.live").read())
        except DataOSError:  # the table is not there yet
            return -1
        value = found["rows"][0][0]
        return -1 if value is None else int(value)

    broker.send("live", ["0"])
    wait_until(lambda: look() >= 0, 120, "the first message")
    sent: dict[int, float] = {}
    ended = threading.Event()

    def send() -> None:
        for number in range(1, 301):
            sent[number] = time.time()
            broker.send("live", [str(number)])
            time.sleep(0.1)
        ended.set()

    threading.Thread(target=send, daemon=True).start()
    newest, until = 0, time.time() + 180
    while (newest < 300 or not ended.is_set()) and time.time() < until:
        now_seen, now = look(), time.time()
        for number in range(newest + 1, now_seen + 1):
            seen[number] = now
        newest = max(newest, now_seen)
        time.sleep(0.02)
    return [seen[n] - sent[n] for n in sorted(sent) if n in seen]


SCHEMA = {
    "type": "struct",
    "schema-id": 0,
    "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}],
}


def bench_catalog() -> list[Figure]:
    """Loads and commits a second with 8 and 32 clients over HTTP; beside PyIceberg's own catalog, in its process."""
    figures: list[Figure] = []
    with fresh() as made:
        token = (made.home / "keys" / "admin.token").read_text().strip()
        base = f"{made.url}/iceberg/v1/lakehouse"
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(headers=headers, timeout=60) as http:
            http.post(f"{base}/namespaces", json={"namespace": ["bench"]}).raise_for_status()
            made_tables = [_create(http, base, f"t{n}") for n in range(32)]
        for many in (8, 32):
            with httpx.Client(headers=headers, timeout=60, limits=httpx.Limits(max_connections=many)) as http:
                loads = per_second(
                    many, lambda n, http=http: http.get(f"{base}/namespaces/bench/tables/t{n}").raise_for_status()
                )
                commits = per_second(many, lambda n, http=http: _commit(http, base, f"t{n}", made_tables[n]))
            theirs_loads, theirs_commits = local_catalog(many)
            figures.append(
                Figure(
                    f"catalog: loads a second, {many} clients",
                    f"{loads:.0f}",
                    "-",
                    f"PyIceberg's SqlCatalog (SQLite, one process, no HTTP): {theirs_loads:.0f}",
                )
            )
            figures.append(
                Figure(
                    f"catalog: commits a second, {many} clients",
                    f"{commits:.0f}",
                    "-",
                    f"SqlCatalog: {theirs_commits:.0f}",
                )
            )
    return figures


def _create(http: httpx.Client, base: str, name: str) -> str:
    answer = http.post(f"{base}/namespaces/bench/tables", json={"name": name, "schema": SCHEMA})
    answer.raise_for_status()
    return str(answer.json()["metadata"]["table-uuid"])


def _commit(http: httpx.Client, base: str, name: str, table: str) -> None:
    body = {
        "requirements": [{"type": "assert-table-uuid", "uuid": table}],
        "updates": [{"action": "set-properties", "updates": {"mark": uuid.uuid4().hex}}],
    }
    http.post(f"{base}/namespaces/bench/tables/{name}", json=body).raise_for_status()


def per_second(many: int, call: Callable[[int], object], seconds: float = 6.0) -> float:
    """Calls a second of `many` threads, each with a number of its own."""
    counts = [0] * many
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < until:
            call(number)
            counts[number] += 1

    started = time.perf_counter()
    with ThreadPoolExecutor(many) as pool:
        list(pool.map(work, range(many)))
    return sum(counts) / (time.perf_counter() - started)


def local_catalog(many: int) -> tuple[float, float]:
    """The same of PyIceberg's SqlCatalog on SQLite: (loads, commits) a second."""
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField

    with tempfile.TemporaryDirectory(prefix="dataos-bench-") as folder:
        catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
        catalog.create_namespace("bench")
        schema = Schema(NestedField(1, "id", LongType()))
        tables = [catalog.create_table(f"bench.t{n}", schema) for n in range(many)]

        def commit(number: int) -> None:
            tables[number].transaction().set_properties(mark=uuid.uuid4().hex).commit_transaction()

        loads = per_second(many, lambda n: catalog.load_table(f"bench.t{n}"))
        return loads, per_second(many, commit)


def bench_planning() -> list[Figure]:
    """Planning a query over a table of 10,000 data files (EXPLAIN), and one that reads a single file of it."""
    files = max(100, int(10_000 * SCALE))
    with fresh() as made:
        table = _many_files(made, files)
        client = made.client()
        plan = [timed(lambda: client.query(f"EXPLAIN SELECT * FROM {table} WHERE id = 7").read()) for _ in range(7)]
        one = [timed(lambda: client.query(f"SELECT * FROM {table} WHERE id = 7").read()) for _ in range(7)]
        counted = [timed(lambda: client.query(f"SELECT count(*) FROM {table}").read()) for _ in range(3)]
        rss = next(s for s in Path(f"/proc/{made.pid}/status").read_text().splitlines() if s.startswith("VmHWM"))
        return [
            Figure(
                f"plan over {files:,} data files", f"{statistics.median(plan) * 1000:.0f} ms", "-", "EXPLAIN, over HTTP"
            ),
            Figure("one row of one of them", f"{statistics.median(one) * 1000:.0f} ms", "-"),
            Figure("all of them counted", f"{statistics.median(counted) * 1000:.0f} ms", "-"),
            Figure("server's largest memory meanwhile", f"{int(rss.split()[1]) / 1024:.0f} MB", "-"),
        ]


def _many_files(made: Installation, files: int) -> str:
    """A table of that many files of one row, added in one commit."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.catalog import load_catalog
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField

    token = (made.home / "keys" / "admin.token").read_text().strip()
    catalog = load_catalog("bench", type="rest", uri=f"{made.url}/iceberg", warehouse="lakehouse", token=token)
    catalog.create_namespace("bench")
    table = catalog.create_table("bench.many", Schema(NestedField(1, "id", LongType())))
    folder = Path(table.location()) / "data"
    for number in range(files):
        pq.write_table(pa.table({"id": pa.array([number], pa.int64())}), folder / f"{number:06}.parquet")
    table.add_files([str(folder / f"{number:06}.parquet") for number in range(files)])
    return "lakehouse.bench.many"


BENCHES = {
    "flare-rows": bench_flare_rows,
    "overhead": bench_overhead,
    "tpch": bench_tpch,
    "stream": bench_stream,
    "catalog": bench_catalog,
    "planning": bench_planning,
}
