"""Flare under kill -9: outputs of a run appear once or not at all; no row is doubled or lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from support.crashes import start_until, wait_dead
from support.server import NO_SANDBOX, Installation, alive, below, installation, shims, wait_until

DEPOT = "name: files\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {path}}}}}\n"

# Two outputs of one job, one appended to and one overwritten: both or neither.
WORKFLOW = """
name: load
version: v1
type: workflow
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: raw, dataset: "dataos://files:data/rows.csv", format: csv}]
            steps:
              - sequence:
                  - {name: items, sql: "SELECT cast(id AS bigint) AS id, name FROM raw"}
                  - {name: totals, sql: "SELECT count(*) AS n FROM raw"}
            outputs:
              - {name: items, dataset: "dataos://lakehouse:shop/items?acl=rw", format: iceberg, options: {saveMode: append}}
              - {name: totals, dataset: "dataos://lakehouse:shop/totals?acl=rw", format: iceberg}
"""


@pytest.fixture
def made(tmp_path):
    with installation(tmp_path, start=False) as installed:
        (installed.work / "data").mkdir()
        lines = "\n".join(f"{i},n{i}" for i in range(1000))
        (installed.work / "data" / "rows.csv").write_text("id,name\n" + lines + "\n")
        installed.write("depot.yaml", DEPOT.format(path=installed.work))
        installed.write("load.yaml", WORKFLOW)
        yield installed


def rows(made: Installation, sql: str):
    return json.loads(made.ok("query", sql, "-O", "json").out)


def items(made: Installation) -> tuple[int, int]:
    (row,) = rows(made, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM lakehouse.shop.items")
    return row["n"], row["d"]


def finished(made: Installation):
    def look():
        body = made.client().resource("workflow", "load", "public")
        return body if body["settled"] and body["runtime"] in ("succeeded", "failed", "aborted") else None

    return wait_until(look, 90, "the run's end")


POINTS = [
    ("workloads.launched", 1),
    ("iceberg.before-commit", 1),
    ("iceberg.after-commit", 1),
    ("iceberg.before-commit", 3),
    ("iceberg.after-commit", 3),
    ("workloads.exited", 1),
    ("workloads.before-publish", 1),
    ("iceberg.before-publish", 1),
    ("iceberg.after-publish", 1),
    ("workloads.published", 1),
]


@pytest.mark.parametrize(("point", "nth"), POINTS, ids=[f"{p}-{n}" for p, n in POINTS])
def test_a_server_killed_at_a_point_publishes_the_run_once(made, point, nth):
    process = start_until(made, point, nth)
    made.ok("apply", "-f", "depot.yaml")
    made.cli("apply", "-f", "load.yaml")
    wait_dead(process, 60)
    made.up()
    made.ok("apply", "-f", "load.yaml")
    body = finished(made)
    assert body["runtime"] == "succeeded", body["builder"]["info"]
    assert items(made) == (1000, 1000)
    assert rows(made, "SELECT n FROM lakehouse.shop.totals") == [{"n": 1000}]


FILES = WORKFLOW.replace(
    '"dataos://lakehouse:shop/items?acl=rw", format: iceberg', '"dataos://files:out/items?acl=rw", format: csv'
).replace(
    '"dataos://lakehouse:shop/totals?acl=rw", format: iceberg', '"dataos://files:out/totals?acl=rw", format: json'
)


@pytest.mark.parametrize("point", ["workloads.exited", "workloads.delivered", "workloads.published"])
def test_a_server_killed_at_a_point_delivers_files_once(made, point):
    made.write("load.yaml", FILES)
    process = start_until(made, point, 1)
    made.ok("apply", "-f", "depot.yaml")
    made.cli("apply", "-f", "load.yaml")
    wait_dead(process, 60)
    made.up()
    made.ok("apply", "-f", "load.yaml")
    body = finished(made)
    assert body["runtime"] == "succeeded", body["builder"]["info"]
    lines = [x for f in (made.work / "out" / "items").glob("*.csv") for x in f.read_text().splitlines()[1:]]
    assert len(lines) == len(set(lines)) == 1000
    (total,) = (made.work / "out" / "totals").glob("*.json")
    assert json.loads(total.read_text()) == {"n": 1000}
    assert sorted(p.name for p in (made.work / "out").iterdir()) == ["items", "totals"]


@pytest.mark.parametrize("how", ["down", "kill"])
def test_a_run_outlives_its_server(made, how):
    made.up()
    made.ok("apply", "-f", "depot.yaml")
    made.ok("apply", "-f", "load.yaml")
    wait_until(lambda: shims(made), 20, "the job's start")
    if how == "down":
        made.ok("down")
    else:
        made.kill()
    time.sleep(3)
    made.up()
    body = finished(made)
    assert body["runtime"] == "succeeded", body["builder"]["info"]
    assert items(made) == (1000, 1000)


def test_a_killed_job_leaves_nothing_and_a_retry_starts_clean(made):
    made.up()
    made.ok("apply", "-f", "depot.yaml")
    made.ok("apply", "-f", "load.yaml", "--wait")
    made.ok("apply", "-f", "load.yaml", "-r")
    shim = wait_until(lambda: shims(made), 20, "the job's start")[0]
    layers = 0 if NO_SANDBOX else 2  # bubblewrap stands between shim and program
    wait_until(lambda: len(below(shim)) > layers, 20)
    os.kill(below(shim)[-1], signal.SIGKILL)
    assert finished(made)["runtime"] == "failed"
    assert items(made) == (1000, 1000)
    made.ok("apply", "-f", "load.yaml", "-r", "--wait")
    assert items(made) == (2000, 1000)


def test_a_killed_shim_is_started_again_by_itself(made):
    made.up()
    made.ok("apply", "-f", "depot.yaml")
    made.ok("apply", "-f", "load.yaml")
    shim = wait_until(lambda: shims(made), 20, "the job's start")[0]
    os.kill(shim, signal.SIGKILL)
    body = finished(made)
    (node,) = made.client().runtime("workflow", "load", "public")["nodes"]
    assert body["runtime"] == "succeeded", node
    assert [a["state"] for a in node["attempts"]] == ["lost", "succeeded"]
    assert items(made) == (1000, 1000)


def test_a_killed_engine_comes_back_and_a_running_statement_fails_cleanly(made):
    made.up()
    made.ok("query", "SELECT 1")
    parts = made.ok("health", "-O", "json").json["parts"]
    engine = next(int(p["detail"].removeprefix("pid ")) for p in parts if p["name"] == "cluster miniature")
    slow = subprocess.Popen(
        [sys.executable, "-m", "dataos.cli.main", "query", SLOW], env=made.env, stderr=subprocess.PIPE, text=True
    )
    time.sleep(1.5)
    os.kill(engine, signal.SIGKILL)
    _, text = slow.communicate(timeout=30)
    assert slow.returncode == 1, text
    assert "engine" in text
    wait_until(lambda: not alive(engine), 10)
    wait_until(lambda: made.cli("query", "SELECT 1").code == 0, 20, "the engine's return")


SLOW = "SELECT sum(a.x * b.x) FROM UNNEST(sequence(1, 100000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 100000)) AS b(x)"
