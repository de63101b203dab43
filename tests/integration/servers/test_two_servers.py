"""Two servers on one PostgreSQL: they share the work, and one may die at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from support.server import Installation, alive, wait_until

TICKS = """
import os, pathlib, sys, time
ran = pathlib.Path(os.environ["DATAOS_OUT_DIR"]) / "ran"
with ran.open("a") as f:
    end = time.time() + SECONDS
    while time.time() < end:
        f.write(f"{time.time()}\\n")
        f.flush()
        time.sleep(0.02)
    f.write("done\\n")
"""


def workflow(name: str, *seconds: float, rerunnable: bool = True, chained: bool = True) -> str:
    jobs = ""
    for number, length in enumerate(seconds):
        script = TICKS.replace("SECONDS", str(length)).strip()
        body = "\n".join("            " + line for line in script.splitlines())
        after = f"[j{number - 1}]" if number and chained else "[]"
        jobs += f"""
    - name: j{number}
      dependencies: {after}
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          rerunnable: {str(rerunnable).lower()}
          script: |
{body}
"""
    return f"name: {name}\nversion: v1\ntype: workflow\nworkflow:\n  dag:{jobs}"


def attempts(*servers: Installation) -> dict[str, list[str]]:
    """What each attempt's program wrote, by attempt."""
    found: dict[str, list[str]] = {}
    for server in servers:
        for file in (server.home / "work").glob("*/out/ran"):
            found[file.parent.parent.name] = file.read_text().split()
    return found


def no_overlap(*servers: Installation) -> None:
    """No job ran twice at once: the attempts of one job lie one after the other."""
    by_job: dict[str, list[tuple[float, float]]] = {}
    for attempt, lines in attempts(*servers).items():
        times = [float(line) for line in lines if line != "done"]
        if times:
            by_job.setdefault(attempt.rpartition("-")[0], []).append((times[0], times[-1]))
    for job, spans in by_job.items():
        for (_, ended), (began, _) in pairwise(sorted(spans)):
            assert began > ended, f"{job} ran twice at once: {spans}"


def finished(server: Installation, name: str, within_s: float = 60.0) -> str:
    def look() -> str | None:
        runtime = str(server.client().resource("workflow", name, "public")["runtime"])
        return runtime if runtime in ("succeeded", "failed", "aborted") else None

    return str(wait_until(look, within_s, f"the end of {name}"))


def runs_where(name: str, *servers: Installation) -> Installation:
    """The server whose process an attempt of the newest run is."""

    def look() -> Installation | None:
        return next((s for s in servers if any((s.home / "work").glob("*/out/ran"))), None)

    found = wait_until(look, 30, f"a job of {name}")
    assert isinstance(found, Installation)
    return found


def health(server: Installation) -> dict[str, dict]:
    body = server.client().json("GET", "/api/v1/health")
    return {part["name"]: part for part in body["parts"]}


def test_both_answer_for_what_either_was_told(join):
    a, b = join("a"), join("b")
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 0.2, 0.2)), "--wait")
    assert finished(b, "w") == "succeeded"
    for server in (a, b):
        assert "41" in server.ok("query", "SELECT 40 + 1 AS answer").out
    seen = [part for name, part in health(b).items() if name.startswith("server ")]
    assert len(seen) == 2
    assert all(part["ok"] for part in seen)
    assert {s.url for s in (a, b)} == {part["detail"].split()[1] for part in seen}


def test_a_server_that_dies_loses_nothing_and_the_other_goes_on(join):
    a, b = join("a"), join("b")
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 4.0, 0.2, 0.2)))
    victim = runs_where("w", a, b)
    other = b if victim is a else a
    before = set(attempts(a, b))
    victim.kill()
    died = time.monotonic()
    wait_until(lambda: set(attempts(a, b)) - before, 30, "the job on the other server")
    took_s = time.monotonic() - died
    assert finished(other, "w") == "succeeded"
    no_overlap(a, b)
    done = sorted(k.split("-", 1)[1].rpartition("-")[0] for k, lines in attempts(a, b).items() if lines[-1] == "done")
    assert done == ["j0", "j1", "j2"]
    print(f"taken over after {took_s:.2f} s")  # within five on a quiet machine


def test_a_job_that_may_not_run_twice_fails_with_its_server(join):
    a, b = join("a"), join("b")
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 30.0, rerunnable=False)))
    victim = runs_where("w", a, b)
    other = b if victim is a else a
    victim.kill()
    assert finished(other, "w", 20) == "failed"
    runtime = other.ok("get", "runtime", "-t", "workflow", "-n", "w", "-O", "json").json
    assert "its server was lost" in runtime["run"]["reason"]
    assert len(attempts(a, b)) == 1


def test_a_server_that_stood_still_lets_go_of_what_was_taken_over(join):
    a, b = join("a"), join("b")
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 4.0, 0.1)))
    victim = runs_where("w", a, b)
    other = b if victim is a else a
    pid = victim.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert finished(other, "w") == "succeeded"
    finally:
        os.kill(pid, signal.SIGCONT)
    no_overlap(a, b)
    wait_until(lambda: all(p["ok"] for n, p in health(victim).items() if n.startswith("server ")), 10)
    assert alive(pid)
    victim.ok("apply", "-f", victim.write("again.yaml", workflow("again", 0.1)), "--wait")


def test_a_server_that_comes_back_soon_keeps_its_jobs(join):
    a = join("a", env={"DATAOS_STORE__SERVER_TTL_S": "30"})
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 4.0)))
    runs_where("w", a)
    a.kill()
    a.up()
    assert finished(a, "w") == "succeeded"
    assert len(attempts(a)) == 1


def test_another_master_key_is_refused_clearly(join):
    join("a")
    stranger = join("b", start=False, share_key=False)
    done = stranger.cli("up", "--port", "0")
    assert done.code == 1
    assert "master key" in done.err + done.out
    assert "copy keys/master.key" in done.err + done.out


def test_a_wrong_password_is_said_without_it(join, address):
    one = join("a", start=False, env={"DATAOS_STORE__PASSWORD": "canary-93f1"})
    done = one.cli("up", "--port", "0")
    assert done.code == 1
    assert "password authentication failed" in done.out + done.err
    assert "canary-93f1" not in done.out + done.err + one.server_log()


def test_the_password_is_in_no_argument_and_no_log(join, postgresql_server):
    a = join("a")
    a.ok("query", "SELECT 1")
    password = postgresql_server.password.encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            assert password not in words
    for file in a.home.rglob("*"):
        if file.is_file():
            assert password not in file.read_bytes(), file


def test_many_workflows_on_two_servers_run_each_job_once(join):
    a, b = join("a"), join("b")
    files = "\n---\n".join(workflow(f"w{n}", 0.05, 0.05) for n in range(10))
    a.ok("apply", "-f", a.write("all.yaml", files))
    for n in range(10):
        assert finished(b, f"w{n}") == "succeeded"
    assert len(attempts(a, b)) == 20
    assert all(attempts(s) for s in (a, b)), "one server did all the work"


def test_tables_written_through_one_server_are_read_through_the_other(join, tmp_path):
    a, b = join("a"), join("b")
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("id,name\n" + "\n".join(f"{i},n{i}" for i in range(20)) + "\n")
    a.ok("apply", "-f", a.write("depot.yaml", DEPOT.format(path=tmp_path)))
    for turn, server in enumerate((a, b)):
        text = LOAD.replace("name: load\n", f"name: load{turn}\n", 1)
        server.ok("apply", "-f", server.write("load.yaml", text), "--wait")
        assert finished(b, f"load{turn}") == "succeeded"
    for server in (a, b):
        done = server.ok("query", "SELECT count(*) AS n FROM lakehouse.shop.items", "-O", "json")
        assert done.json == [{"n": 40}]


DEPOT = "name: files\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {path}}}}}\n"
LOAD = """
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
            steps: [{sequence: [{name: items, sql: "SELECT cast(id AS bigint) AS id, name FROM raw"}]}]
            outputs:
              - {name: items, dataset: "dataos://lakehouse:shop/items?acl=rw", format: iceberg, options: {saveMode: append}}
"""


def test_a_log_is_where_its_job_ran_and_the_other_server_says_so(join):
    a, b = join("a"), join("b")
    a.ok("apply", "-f", a.write("w.yaml", workflow("w", 0.1)), "--wait")
    where = runs_where("w", a, b)
    other = b if where is a else a
    shown = other.client().log("workflow", "w", "public")["nodes"][0]["text"]
    assert where.url in shown
    assert where.url not in where.client().log("workflow", "w", "public")["nodes"][0]["text"]


def test_a_home_moves_from_sqlite_to_postgresql_with_all_it_has(join, tmp_path, address, postgresql_server):
    alone = Installation(tmp_path / "one")
    try:
        alone.up()
        alone.ok("apply", "-f", alone.write("w.yaml", workflow("w", 0.1)), "--wait")
        alone.ok("down")
        file = str(tmp_path / "store.jsonl.gz")
        server(alone, "--dump", file)
        alone.env |= {"DATAOS_STORE__URL": address, "DATAOS_STORE__PASSWORD": postgresql_server.password}
        server(alone, "--load", file)
        alone.up()
        assert finished(alone, "w") == "succeeded"
        assert health(alone)["store"]["detail"] == "postgresql"
        alone.ok("apply", "-f", alone.write("again.yaml", workflow("again", 0.1)), "--wait")
    finally:
        alone.stop()


def server(made: Installation, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dataos.server", *words], env=made.env, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
