"""The two engines side by side, feature by feature: what the guard lets each do, and whether the values are right.

Every case runs on both. The outcomes are kept in `side_by_side.json`, of which `./dev docs` makes a page that needs no
Spark; `./dev test-engines --write` writes it anew, and without that a test fails where it is out of date.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.core.sparkaddresses import SparkAddress
from dataos.stacks.flare import sql
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.engines import NEEDS_SPARK, EngineName
from engines.flare.test_only_on_spark import ONLY_SPARK
from integration.flare.helpers import Jobs, Server, output, rows, spec
from integration.flare.test_jobs import VALUES
from integration.flare.test_step_functions import ABSENT, CASES, Bench

KEPT = Path(__file__).with_name("side_by_side.json")
ORDERS = (
    "SELECT * FROM VALUES ('1', 'ann', '10', 'Rome'), ('2', 'bob', '20', 'Oslo'), ('3', 'cy', '-5', 'Rome'), "
    "('4', NULL, 'x', NULL) AS d(id, name, amount, city)"
)
SILENT: list[tuple[str, str, Any]] = [
    ("BIGINT overflow fails", "SELECT 9223372036854775807 + bigint(id) AS n FROM orders WHERE id = 1", "an error"),
    ("a large double as text", "SELECT CAST(1e10 AS STRING) AS n FROM orders WHERE id = 1", "1.0E10"),
    ("substring of binary", "SELECT hex(substring(unhex('010203'), 2, 1)) AS n FROM orders WHERE id = 1", "02"),
    ("element past the end fails", "SELECT element_at(array(1), int(id) + 1) AS n FROM orders WHERE id = 1", "an error"),
    ("a window in a time zone", "SELECT date_format(timestamp_millis(1500), 'ss.SSS') AS n FROM orders WHERE id = 1",
     "01.500"),
]  # fmt: skip
"""Where the engines are known to differ without a word, or did."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, spark: str) -> Iterator[list[Engine]]:
    made = [
        engines.start("http://127.0.0.1:9", Secret("x"), [], threads=2, memory_bytes=0,
                      scratch=tmp_path_factory.mktemp("side"), spark=address)
        for address in (None, SparkAddress.parse(spark))
    ]  # fmt: skip
    for engine in made:
        engine.sql(ORDERS).createOrReplaceTempView("orders")
    yield made
    for engine in made:
        engine.close()


Outcomes = dict[str, dict[str, dict[str, str]]]
"""area -> feature -> engine -> outcome."""


@pytest.fixture(scope="module")
def found() -> Iterator[Outcomes]:
    """Filled by the tests below, in their order."""
    return {}


def note(found: Outcomes, area: str, feature: str, engine: EngineName, outcome: str) -> None:
    found.setdefault(area, {}).setdefault(feature, {})[engine] = outcome


def of_query(engine: Engine, text: str, expected: Any) -> str:
    """`yes`, `yes, rewritten`, `no`, or what came instead."""
    types = {"orders": dict.fromkeys(("id", "name", "amount", "city"), "string")}
    try:
        checked = sql.check(text, ["orders"], None, types, engine.name)
    except DataOSError as error:
        assert {p.code for p in error.problems} == {NEEDS_SPARK}, error
        return "no"
    plain = sql.check(text, ["orders"], engine=EngineName.SPARK).text
    try:
        value = engine.run(checked.text)[0][0]
    except Exception:  # noqa: BLE001 - that it fails may be what is expected
        value = "an error"
    if value != expected:
        return f"differs: {value}"
    return "yes" if checked.text == plain else "yes, rewritten"


@pytest.mark.parametrize(
    ("area", "cases"), [("SQL", VALUES), ("SQL of Spark alone", ONLY_SPARK), ("Silent differences", SILENT)]
)
def test_queries(both: list[Engine], found: Outcomes, area: str, cases: list[tuple[str, str, Any]]) -> None:
    for feature, text, expected in cases:
        for engine in both:
            outcome = of_query(engine, text, expected)
            note(found, area, feature, engine.name, outcome)
            if area == "SQL" or engine.name is EngineName.SPARK:
                assert outcome.startswith("yes"), (feature, engine.name, outcome)


def test_step_functions(both: list[Engine], found: Outcomes) -> None:
    for engine in both:
        bench = Bench(engine)
        for case, data, call, expected in CASES:
            row = bench.one(data, call)
            right = all(c not in row if v is ABSENT else row.get(c) == v for c, v in expected.items())
            name = str(call["name"])
            before = found.get("Step functions", {}).get(name, {}).get(engine.name, "yes")
            note(found, "Step functions", name, engine.name, before if right else f"differs: {case}")
            assert right, (engine.name, case, row)


def _job(options: dict[str, Any], text: str) -> Callable[[Jobs, Server, Path], list[Any]]:
    def run(jobs: Jobs, server: Server, file: Path) -> list[Any]:
        table = f"side.t{jobs.count}"
        raw = {"name": "orders", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}
        first = spec([raw], {"s": "SELECT int(id) AS id, city FROM orders"},
                     [output("s", table, iceberg={"partitionSpec": [{"type": "identity", "column": "city"}]})])  # fmt: skip
        second = spec([raw], {"s": text}, [output("s", table, **options)])
        for job in (first, second):
            done = jobs.run(job, {"orders": [file]})
            assert done.code == 0, done.log
        return rows(server, table)

    return run


MERGE = {"onClause": "old.id = new.id", "whenClause": "matched then update set * when not matched then insert *"}
OUTPUTS: list[tuple[str, Callable[[Jobs, Server, Path], list[Any]], list[Any]]] = [
    ("append", _job({"saveMode": "append"}, "SELECT 9 AS id, 'Rome' AS city FROM orders WHERE id = 1"),
     [(1, "Rome"), (2, "Oslo"), (9, "Rome")]),
    ("overwrite", _job({"saveMode": "overwrite"}, "SELECT 9 AS id, 'Rome' AS city FROM orders WHERE id = 1"),
     [(9, "Rome")]),
    ("overwrite of partitions",
     _job({"saveMode": "overwrite", "iceberg": {"properties": {"overwrite-mode": "dynamic"}}},
          "SELECT 9 AS id, 'Rome' AS city FROM orders WHERE id = 1"),
     [(2, "Oslo"), (9, "Rome")]),
    ("merge", _job({"iceberg": {"merge": MERGE}}, "SELECT int(id) + 1 AS id, 'Bari' AS city FROM orders"),
     [(1, "Rome"), (2, "Bari"), (3, "Bari")]),
]  # fmt: skip


def test_outputs(jobs: Jobs, server: Server, tmp_path: Path, spark: str, found: Outcomes) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("id,city\n1,Rome\n2,Oslo\n")
    jobs.inside = False  # sessions of both engines are open here, and PySpark mixes up whose a checkpoint is
    for feature, run, expected in OUTPUTS:
        for name, address in ((EngineName.SAIL, None), (EngineName.SPARK, spark)):
            jobs.spark = address
            outcome = "yes" if run(jobs, server, file) == expected else "differs"
            note(found, "Outputs to tables", feature, name, outcome)
            assert outcome == "yes", (feature, name)


def test_the_page_tells_what_was_found(found: Outcomes) -> None:
    assert set(found) == {"SQL", "SQL of Spark alone", "Silent differences", "Step functions", "Outputs to tables"}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("DATAOS_WRITE_SIDE_BY_SIDE"):
        KEPT.write_text(text, "utf-8")
    assert KEPT.read_text("utf-8") == text, "run `./dev test-engines --write`, then `./dev docs`"
