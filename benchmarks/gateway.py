"""Statements through the gateway beside the bare engine: TPC-H under filters and masks, many clients, a large answer.

Sizes shrink with DATAOS_BENCH_SCALE, as those of `benchmarks.data`.
"""

from __future__ import annotations

import io
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from benchmarks.data import SCALE
from benchmarks.policy import ALL, apply, client, iceberg, small_table
from benchmarks.setting import Figure, fresh, memory_mb, percentile, timed
from support.lakes import catalog
from support.server import processes_of

ARROW = "application/vnd.apache.arrow.stream"
RUNS = 3
SELECTOR = {"match": "any", "tags": ["roles:id:analyst"]}
RULES: dict[str, dict[str, Any]] = {
    "low": {"dataset_id": "lakehouse.tpch.orders", "type": "filter",
            "filters": [{"column": "o_orderpriority", "operator": "not_equals", "value": "5-LOW"}]},
    "air": {"dataset_id": "lakehouse.tpch.lineitem", "type": "filter",
            "filters": [{"column": "l_shipmode", "operator": "not_equals", "value": "REG AIR"}]},
    "phone": {"dataset_id": "lakehouse.tpch.customer", "type": "mask", "columns": ["c_phone", "c_address"],
              "mask": {"operator": "hash", "hash": {"algo": "sha256"}}},
    "comment": {"dataset_id": "lakehouse.tpch.supplier", "type": "mask", "columns": ["s_comment", "s_address"],
                "mask": {"operator": "redact"}},
}  # fmt: skip
BARE = {
    "orders": "SELECT * FROM {scan} WHERE o_orderpriority <> '5-LOW'",
    "lineitem": "SELECT * FROM {scan} WHERE l_shipmode <> 'REG AIR'",
    "customer": "SELECT * REPLACE (sha256(c_phone) AS c_phone, sha256(c_address) AS c_address) FROM {scan}",
    "supplier": "SELECT * REPLACE ('REDACTED' AS s_comment, 'REDACTED' AS s_address) FROM {scan}",
}
"""What the policies mean, by hand."""


def _policy(rule: dict[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in rule.items() if k != "columns"}
    column = {"column": {"names": rule["columns"]}} if "columns" in rule else {}
    return {"data": {**rest, "priority": 40, "selector": {"user": SELECTOR, **column}}}


def bench_tpch() -> list[Figure]:
    """TPC-H: its 22 queries over Lakehouse tables as a restricted user, and by bare DuckDB with the same views."""
    import duckdb
    import duckdb_extension_tpch
    import pyarrow as pa

    extension = next(Path(next(iter(duckdb_extension_tpch.__path__))).glob("extensions/*/tpch.duckdb_extension"))
    with fresh() as made, client(made) as op, client(made, "ana") as ana, duckdb.connect() as connection:
        iceberg(connection)
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"CALL dbgen(sf = {SCALE})")
        lake = catalog(made)
        lake.create_namespace("tpch")
        names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        for name in names:
            rows = connection.execute(f"SELECT * FROM {name}").to_arrow_table()
            table = lake.create_table(f"tpch.{name}", rows.schema)
            table.append(rows)
            scan = f"iceberg_scan('{table.metadata_location}')"
            connection.execute(f"DROP TABLE {name}")
            connection.execute(f"CREATE VIEW {name} AS " + BARE.get(name, "SELECT * FROM {scan}").format(scan=scan))
        apply(op, "all", ALL)
        for name, rule in RULES.items():
            apply(op, name, _policy(rule))
        queries = {
            # Trino groups by no alias
            int(n): str(q).strip().rstrip(";").replace("GROUP BY\n        supplier_no", "GROUP BY l_suppkey")
            for n, q in connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall()
        }

        def governed(sql: str) -> Any:
            body = {"sql": sql, "catalog": "lakehouse", "schema": "tpch"}
            answer = ana.post("/api/v1/query", json=body, headers={"Accept": ARROW})
            assert answer.status_code == 200, answer.text
            return pa.ipc.open_stream(answer.content).read_all()

        def bare(sql: str) -> Any:
            return connection.execute(sql).to_arrow_table()

        ours: dict[int, float] = {}
        theirs: dict[int, float] = {}
        for number, sql in queries.items():
            assert governed(sql).num_rows == bare(sql).num_rows, f"query {number} answers something else"
            pairs = [(timed(lambda: governed(sql)), timed(lambda: bare(sql))) for _ in range(RUNS)]  # noqa: B023
            ours[number], theirs[number] = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        total, total_bare = sum(ours.values()), sum(theirs.values())
        each = ", ".join(f"{n}: {ours[n] / theirs[n]:.2f}" for n in ours)
        return [
            Figure(
                f"TPC-H scale {SCALE:g} under two filters and four masks",
                f"{total:.1f} s",
                "<= 1.10 times bare DuckDB",
                f"bare DuckDB with the same views {total_bare:.1f} s, ratio {total / total_bare:.2f}; each: {each}",
            )
        ]


def bench_clients() -> list[Figure]:
    """Small statements of a restricted user by 1, 8 and 32 clients at once, ten seconds each."""
    found: list[str] = []
    with fresh() as made, client(made) as op, client(made, "ana") as ana:
        small_table(made, op)
        body = {"sql": "SELECT email FROM lakehouse.b.t WHERE id = 7"}
        key = ana.headers["Authorization"]
        for count in (1, 8, 32):
            until = time.monotonic() + 10
            waits: list[float] = []

            def ask(until: float = until, waits: list[float] = waits) -> None:
                with httpx.Client(base_url=made.url, headers={"Authorization": key}, timeout=60) as own:
                    while time.monotonic() < until:

                        def one() -> None:
                            answer = own.post("/api/v1/query", json=body)
                            assert answer.status_code == 200, answer.text

                        waits.append(timed(one))

            with ThreadPoolExecutor(count) as pool:
                for done in [pool.submit(ask) for _ in range(count)]:
                    done.result()
            middle, late = percentile(waits, 0.5) * 1000, percentile(waits, 0.99) * 1000
            found.append(f"{count}: {len(waits) / 10:.0f}/s, {middle:.0f} and {late:.0f} ms")
    return [Figure("small statements by 1, 8, 32 clients: rate, p50 and p99", "; ".join(found), "-")]


class _Pieces(io.RawIOBase):
    """An HTTP answer as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = [self._rest]
        while (size < 0 or sum(map(len, found)) < size) and (piece := next(self._pieces, b"")):
            found.append(piece)
        whole = b"".join(found)
        self._rest = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole


def bench_large() -> list[Figure]:
    """An answer of ten million rows as an Arrow stream: the memory of the server and its engine meanwhile."""
    import pyarrow as pa

    count = max(int(1000 * SCALE), 1) * 10_000
    with fresh(env={"DATAOS_QUERY__MAX_ROWS": str(count)}) as made, client(made) as op:
        op.post("/api/v1/query", json={"sql": "SELECT 1"})
        sql = (
            "SELECT a.x * 10000 + b.y AS id, CAST(a.x AS varchar) || '-customer' AS name, b.y * 1.5 AS amount "
            f"FROM UNNEST(sequence(0, {count // 10_000 - 1})) AS a(x), UNNEST(sequence(0, 9999)) AS b(y)"
        )
        server, tree, over = [memory_mb([made.pid])], [0.0], threading.Event()

        def watch() -> None:
            while not over.wait(0.25):
                server.append(memory_mb([made.pid]))
                tree.append(memory_mb(processes_of(made.folder)))

        watching = threading.Thread(target=watch)
        watching.start()
        body = {"sql": sql, "maxRows": count}
        started, size, rows = time.perf_counter(), 0, 0
        with op.stream("POST", "/api/v1/query", json=body, headers={"Accept": ARROW}) as answer:
            for batch in pa.ipc.open_stream(_Pieces(answer.iter_raw())):
                size, rows = size + batch.nbytes, rows + batch.num_rows
        assert rows == count, f"{rows:,} rows came"
        seconds = time.perf_counter() - started
        over.set()
        watching.join()
        return [
            Figure(
                f"memory of the server with an answer of {count:,} rows",
                f"{max(server):.0f} MB",
                "< 400 MB",
                f"{max(tree):.0f} MB with its engine; {size / 1e6:.0f} MB in {seconds:.1f} s",
            )
        ]


BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "governed-tpch": bench_tpch,
    "clients": bench_clients,
    "large": bench_large,
}
