"""The cost of one gate: decisions, securing, small statements, TPC-H under policies beside the bare engine."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.setting import Figure, fresh, timed
from dataos.gateway import securing
from dataos.gateway.relations import Column, IcebergScan, Relation
from dataos.governance.decisions import Policies
from dataos.governance.policies import AccessObject, AccessRule, DataRule, Filter, Mask
from support.lakes import catalog
from support.server import Installation

ANA = frozenset({"users:id:ana", "roles:id:user", "roles:id:analyst"})
COUNTS = (10, 1_000, 10_000, 100_000)


def bench_decisions() -> list[Figure]:
    """A decision with so many access policies, a third of which concern the user; warm, 2,000 different objects."""
    found: list[str] = []
    warm_up: list[str] = []
    for count in COUNTS:
        rules = {
            f"r{n}": AccessRule(
                f"r{n}",
                ((("roles:id:analyst", "roles:id:other", "users:id:u" + str(n))[n % 3],),),
                ("read", "select"),
                (f"dataos://lake:c{n % 500}/t{n}" + ("*" if n % 5 == 0 else ""),),
                allow=n % 7 != 0,
            )
            for n in range(count)
        }
        policies = Policies(1, rules, {})
        things = [AccessObject(paths=(f"dataos://lake:c{n % 500}/t{n}",)) for n in range(2_000)]
        warm_up.append(f"{timed(lambda: policies.decide(ANA, ('read', 'select'), things[0])) * 1000:.0f} ms")  # noqa: B023
        seconds = timed(lambda: [policies.decide(ANA, ("read", "select"), t) for t in things])  # noqa: B023
        found.append(f"{seconds / len(things) * 1e6:.1f} us")
    counts = ", ".join(f"{c:,}" for c in COUNTS)
    return [
        Figure(
            f"decision with {counts} policies",
            ", ".join(found),
            "< 50 us at 10,000",
            f"the first one of a user after a change: {', '.join(warm_up)}",
        )
    ]


class _NoSession:
    catalogs: dict[str, str] = {}
    unavailable: dict[str, Any] = {}


def bench_securing() -> list[Figure]:
    """What policies add to a statement: the secured relations of 20 tables of 20 columns, and of one of 1,000."""
    masks = {f"m{n}": DataRule(f"m{n}", "mask", 50, ("roles:id:analyst",), column_names=(f"c{n}",), mask=Mask("hash"))
             for n in range(0, 1_000, 5)}  # fmt: skip
    only = DataRule("f", "filter", 50, ("roles:id:analyst",), filters=(Filter("c1", "equals", "x"),))
    everything = AccessRule("all", (("roles:id:analyst",),), ("**",), ("dataos://**",), allow=True)
    policies = Policies(1, {"all": everything}, {**masks, "f": only})
    session: Any = _NoSession()

    def secure(tables: int, columns: int) -> float:
        made = tuple(Column(f"c{n}", "varchar") for n in range(columns))
        relations = [Relation("lake", "s", f"t{n}", made, IcebergScan("/m.json", 1, "/t")) for n in range(tables)]
        from dataos.gateway import authority

        known = authority._Known(policies, ANA, {}, {})

        def go() -> None:
            for relation in relations:
                securing.secure(relation, authority._decide(known, relation), session, "bench")

        go()
        return statistics.median(timed(go) for _ in range(15)) * 1000

    return [
        Figure("securing 20 tables of 20 columns, filter and masks", f"{secure(20, 20):.1f} ms", "< 10 ms"),
        Figure("securing a table of 1,000 columns, 200 masked", f"{secure(1, 1_000):.1f} ms", "< 10 ms"),
    ]


def client(made: Installation, user: str | None = None) -> httpx.Client:
    """A client of the operator, or of a new analyst."""
    token = (made.home / "keys" / "admin.token").read_text().strip()
    client = httpx.Client(base_url=made.url, headers={"Authorization": f"Bearer {token}"}, timeout=300)
    if user is None:
        return client
    client.post("/api/v1/governance/roles", json={"name": "analyst"})
    client.post("/api/v1/users", json={"id": user, "name": user, "type": "person", "tags": ["roles:id:analyst"]})
    key = client.post(f"/api/v1/users/{user}/tokens", json={}).json()["token"]
    return httpx.Client(base_url=made.url, headers={"Authorization": f"Bearer {key}"}, timeout=300)


def apply(client: httpx.Client, name: str, policy: dict[str, Any]) -> None:
    """Apply a Policy of the layer `user`."""
    document = {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": policy}
    answer = client.post("/api/v1/apply", json={"document": document})
    assert answer.status_code == 200, answer.text


ALL = {
    "access": {
        "subjects": {"tags": ["roles:id:analyst"]},
        "predicates": ["read", "select"],
        "objects": {"paths": ["dataos://lakehouse:**"]},
        "allow": True,
    }
}


def small_table(made: Installation, op: httpx.Client) -> None:
    """lakehouse.b.t (id, email) of 1,000 rows, which analysts may read."""
    import pyarrow as pa

    lake = catalog(made)
    lake.create_namespace("b")
    rows = pa.table({"id": pa.array(range(1000), pa.int64()), "email": [f"u{n}@x" for n in range(1000)]})
    lake.create_table("b.t", rows.schema).append(rows)
    apply(op, "all", ALL)


def bench_small() -> list[Figure]:
    """The smallest statement over a table, by HTTP as a restricted user; and from a changed policy to its effect."""
    with fresh() as made, client(made) as op, client(made, "ana") as ana:
        small_table(made, op)
        selector = {"user": {"match": "any", "tags": ["roles:id:analyst"]}}
        mask = {"type": "mask", "dataset_id": "lakehouse.b.t", "priority": 40,
                "selector": {**selector, "column": {"names": ["email"]}}, "mask": {"operator": "redact"}}  # fmt: skip
        apply(op, "mask", {"data": mask})

        def ask(sql: str) -> Any:
            answer = ana.post("/api/v1/query", json={"sql": sql})
            assert answer.status_code == 200, answer.text
            return answer.json()["rows"]

        small = "SELECT email FROM lakehouse.b.t WHERE id = 7"
        for _ in range(20):
            ask(small)
        governed = [timed(lambda: ask(small)) * 1000 for _ in range(100)]
        nothing = [timed(lambda: ask("SELECT 1")) * 1000 for _ in range(100)]
        waits: list[float] = []
        for number in range(10):
            mask["mask"] = {"operator": "redact", "redact": {"replacement": f"v{number}"}}
            started = time.perf_counter()
            apply(op, "mask", {"data": mask})
            while ask(small) != [[f"v{number}"]]:
                pass
            waits.append((time.perf_counter() - started) * 1000)
        bare = _bare(made, 7)
        return [
            Figure(
                "small statement by HTTP under a mask, p50",
                f"{statistics.median(governed):.1f} ms",
                "< 10 ms over the engine",
                f"the engine alone: {bare:.1f} ms; SELECT 1 by HTTP: {statistics.median(nothing):.1f} ms",
            ),
            Figure("apply of a policy until a statement shows it", f"{statistics.median(waits):.0f} ms", "< 1 s"),
        ]


def _bare(made: Installation, key: int) -> float:
    """The same scan by DuckDB in this process (milliseconds)."""
    import duckdb

    metadata = sorted((made.home / "warehouse").rglob("*.metadata.json"))[-1]
    with duckdb.connect() as connection:
        iceberg(connection)
        sql = f"SELECT email FROM iceberg_scan('{metadata}') WHERE id = {key}"
        connection.execute(sql).fetchall()
        return statistics.median(timed(lambda: connection.execute(sql).fetchall()) for _ in range(50)) * 1000


def iceberg(connection: Any) -> None:
    """Load what a bare DuckDB needs to read the tables."""
    import tempfile

    from dataos.engines.duckdb.database import TABLE_EXTENSIONS, load_extensions

    load_extensions(connection, Path(tempfile.mkdtemp()), TABLE_EXTENSIONS)


BENCHES = {"decisions": bench_decisions, "securing": bench_securing, "small": bench_small}
