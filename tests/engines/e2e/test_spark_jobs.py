"""Flare jobs of a real server on a real Apache Spark: by the settings, by a Compute, by the job (ch04 1, 3.1; ch03 12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_computes import DEPOT, SPARK_ONLY, compute, workflow
from support.server import Installation, installation

NAMED = ("-t", "workflow", "-w", "public")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, spark: str) -> Iterator[Installation]:
    env = {"DATAOS_FLARE__SPARK": spark}
    with installation(tmp_path_factory.mktemp("spark"), env=env) as made:
        data = made.write("orders.csv", "id\n1\n2\n")
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=data.rsplit("/", 1)[0])))
        yield made


def rows(server: Installation, table: str) -> list[tuple[str, str]]:
    found = server.ok("query", f"SELECT id, n FROM lakehouse.retail.{table} ORDER BY 1", "-O", "json").json
    return [(str(r["id"]), str(r["n"])) for r in found]


def test_what_the_embedded_engine_cannot_do_goes_to_spark_and_says_so(server: Installation, spark: str) -> None:
    told = server.ok("apply", "-f", workflow(server, "zipped", "runnable-default", SPARK_ONLY), "--wait")
    text = told.out + told.err
    assert f"job `load` runs on Apache Spark at {spark}: it needs it" in text
    assert "`zip_with`" in text
    assert rows(server, "zipped") == [("1", "22"), ("2", "22")]
    log = server.ok("log", *NAMED, "-n", "zipped").out
    assert f"runs on Apache Spark at {spark}" in log
    assert "JVM stacktrace" not in log
    run = server.ok("get", "runtime", *NAMED, "-n", "zipped", "-O", "json").out
    assert spark in run


def test_the_rest_stays_on_the_embedded_engine(server: Installation) -> None:
    told = server.ok("apply", "-f", workflow(server, "plain", "runnable-default"), "--wait")
    assert "Apache Spark" not in told.out + told.err
    assert (
        "runs on the embedded engine: nothing in the job needs Apache Spark"
        in server.ok("log", *NAMED, "-n", "plain").out
    )


def test_jobs_of_a_compute_with_a_spark_run_there(server: Installation, spark: str) -> None:
    server.ok("apply", "-f", compute(server, "cluster", f"  spark: {{address: '{spark}'}}\n"), "--wait")
    told = server.ok("apply", "-f", workflow(server, "there", "cluster"), "--wait")
    assert f"runs on Apache Spark at {spark}: Compute `cluster` names it" in told.out + told.err
    assert rows(server, "there") == [("1", "2"), ("2", "2")]


def test_a_job_names_a_spark_that_is_known(server: Installation, spark: str) -> None:
    conf = f"sparkConf: [{{spark.remote: '{spark}'}}]"
    told = server.ok("apply", "-f", workflow(server, "own", "runnable-default", conf=conf), "--wait")
    assert "its sparkConf names it" in told.out + told.err
    assert rows(server, "own") == [("1", "2"), ("2", "2")]


def test_a_failed_job_publishes_nothing_and_names_the_line(server: Installation) -> None:
    bad = f"{SPARK_ONLY} + CAST('x' AS INT)"
    told = server.cli("apply", "-f", workflow(server, "broken", "runnable-default", bad), "--wait")
    assert told.code == 1
    assert "the text 'x' cannot be cast to int" in told.out + told.err
    assert server.cli("query", "SELECT * FROM lakehouse.retail.broken").code == 1


def test_tables_have_no_hidden_files_beside_them(server: Installation) -> None:
    hidden = [p.name for p in Path(server.home, "warehouse").rglob(".*")]
    assert hidden == []
