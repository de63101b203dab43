"""Schedules, verbs and nested Workflows on a real server, driven by the CLI: ch03 scenarios 3, 4, 5, 18, 20; ch01
scenarios 5, 6 and 15."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from support.crashes import start_until, wait_dead
from support.server import Installation, installation, wait_until
from support.workflows import job, workflow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("server")) as made:
        yield made


def apply(server: Installation, name: str, text: str, *flags: str):
    return server.ok("apply", "-f", server.write(f"{name}.yaml", text), *flags)


def runtime(server: Installation, name: str) -> dict:
    return server.client().runtime("workflow", name, "public")


def runs(server: Installation, name: str) -> list[dict]:
    return server.client().runs("workflow", name, "public")["items"]


def ask(server: Installation, verb: str, name: str, *flags: str):
    return server.ok("runtime", verb, "-t", "workflow", "-n", name, *flags)


def states(server: Installation, name: str) -> list[str]:
    return [r["state"] for r in runs(server, name)]


SECONDS = "cron: '* * * * * *'"
SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(60)"


# --- ticks ------------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch03-AS03")
def test_ticks_come_in_the_zone_until_the_end_and_pause_holds_them(server):
    end = (datetime.now(UTC) + timedelta(seconds=12)).replace(microsecond=0)
    text = workflow(
        "ticking",
        job("a"),
        schedule=f"cron: '*/2 * * * * *', timezone: Asia/Kolkata, endOn: '{end.isoformat()}'",
    )
    apply(server, "ticking", text)
    wait_until(lambda: re.fullmatch(r"next:.*\+05:30", runtime(server, "ticking")["runtime"]), what="next:")
    wait_until(lambda: "succeeded" in states(server, "ticking"), what="a first tick")
    ask(server, "pause", "ticking")
    wait_until(lambda: runtime(server, "ticking")["runtime"] == "paused", what="paused")
    wait_until(lambda: set(states(server, "ticking")) == {"succeeded"}, what="the runs' end")
    count = len(runs(server, "ticking"))
    time.sleep(2.5)
    assert len(runs(server, "ticking")) == count
    ask(server, "resume", "ticking")
    wait_until(lambda: len(runs(server, "ticking")) > count, what="a tick after resume")
    wait_until(lambda: datetime.now(UTC) > end + timedelta(seconds=2), what="the end")
    found = runs(server, "ticking")
    scheduled = [datetime.fromisoformat(r["scheduled"]) for r in found]
    assert max(scheduled) < end
    assert len(set(scheduled)) == len(scheduled)
    assert all(t.second % 2 == 0 for t in scheduled)
    body = runtime(server, "ticking")
    assert body["schedule"]["next"] is None
    assert body["runtime"] == "succeeded"


@pytest.mark.acceptance("ch03-AS03")
@pytest.mark.acceptance("ch01-AS05")
def test_run_forces_a_run_beside_the_schedule(server):
    text = workflow(
        "nightly", job("a"), job("b", "print('b')", "a"), schedule="cron: '0 2 * * *'", meta="workspace: sandbox\n"
    )
    done = server.ok("apply", "-f", server.write("nightly.yaml", text), "-w", "public")
    assert "wins over" in done.err
    key = ("-t", "workflow", "-n", "nightly", "-w", "sandbox")

    def shown() -> str:
        return server.client().resource("workflow", "nightly", "sandbox")["runtime"]

    wait_until(lambda: re.fullmatch(r"next:.*T02:00:00\+00:00", shown()), what="next at two")
    asked = server.ok("runtime", "run", *key)
    assert 'msg="💨 runtime run...complete"' in asked.err
    wait_until(lambda: server.client().runs("workflow", "nightly", "sandbox")["items"][0]["state"] == "succeeded")
    wait_until(lambda: re.fullmatch(r"next:.*T02:00:00\+00:00", shown()), what="next again")
    table = server.ok(*key, "get", "runtime").out
    for words in ("SCHEDULED RUNTIME", "LAST SCHEDULED TIME", "2/2", "a-execute", "b-execute", "JOB DEPENDENCIES"):
        assert words in table
    assert "succeeded" in server.ok("get", "runtime", *key, "--node", "b").out
    assert "run " in server.ok("get", "runs", *key).out


@pytest.mark.acceptance("ch03-AS04")
def test_forbid_skips_ticks_while_a_run_goes_on(server):
    text = workflow("forbid", job("a", SLEEP), schedule=f"{SECONDS}, concurrencyPolicy: forbid")
    apply(server, "forbid", text)
    wait_until(lambda: "still going on" in runtime(server, "forbid")["schedule"]["skipped"], what="a skipped tick")
    assert len(runs(server, "forbid")) == 1
    refused = server.cli("runtime", "run", "-t", "workflow", "-n", "forbid")
    assert refused.code == 1
    assert "was still going on (concurrencyPolicy: Forbid)" in refused.err
    server.ok("delete", "-t", "workflow", "-n", "forbid")


@pytest.mark.acceptance("ch03-AS04")
def test_allow_overlaps(server):
    text = workflow("allow", job("a", SLEEP), schedule=f"{SECONDS}, concurrencyPolicy: Allow")
    apply(server, "allow", text)
    wait_until(lambda: len(runs(server, "allow")) >= 2, what="a second run")
    server.ok("delete", "-t", "workflow", "-n", "allow")


@pytest.mark.acceptance("ch03-AS04")
def test_replace_leaves_the_earlier_run_aborted(server):
    text = workflow("replace", job("a", SLEEP), schedule="cron: '*/3 * * * * *', concurrencyPolicy: Replace")
    apply(server, "replace", text)
    wait_until(lambda: "aborted" in states(server, "replace"), what="an aborted run")
    server.ok("delete", "-t", "workflow", "-n", "replace")


# --- verbs ------------------------------------------------------------------------------------------------------------


def test_stop_aborts_the_run_and_re_run_starts_anew(server):
    apply(server, "stopped", workflow("stopped", job("a", SLEEP), job("b", "print(1)", "a")))
    wait_until(lambda: runtime(server, "stopped")["runtime"] == "running")
    refused = server.cli("runtime", "re-run", "-t", "workflow", "-n", "stopped")
    assert refused.code == 1
    assert "is still running" in refused.err
    ask(server, "stop", "stopped")
    wait_until(lambda: runtime(server, "stopped")["runtime"] == "aborted", what="aborted")
    assert [n["phase"] for n in runtime(server, "stopped")["nodes"]] == ["aborted", "skipped"]
    ask(server, "re-run", "stopped")
    wait_until(lambda: states(server, "stopped") == ["running", "aborted"], what="a second run")
    server.ok("delete", "-t", "workflow", "-n", "stopped")


def test_a_paused_run_starts_no_further_job_until_it_is_resumed(server):
    text = workflow("held", job("a", "import time\ntime.sleep(1.5)"), job("b", "print(1)", "a"))
    apply(server, "held", text)
    wait_until(lambda: runtime(server, "held")["runtime"] == "running")
    ask(server, "pause", "held")
    wait_until(lambda: [n["phase"] for n in runtime(server, "held")["nodes"]][:1] == ["succeeded"], what="the end of a")
    time.sleep(0.5)
    assert runtime(server, "held")["nodes"][1]["phase"] == "waiting"
    assert runtime(server, "held")["runtime"] == "paused"
    assert "unchanged" in ask(server, "pause", "held").err
    ask(server, "resume", "held")
    wait_until(lambda: runtime(server, "held")["runtime"] == "succeeded", what="succeeded")
    nothing = server.cli("runtime", "pause", "-t", "workflow", "-n", "held")
    assert nothing.code == 1
    assert "nothing to pause" in nothing.err


def test_re_run_from_failed_takes_over_what_succeeded(server):
    script = "import os, sys\nprint(os.environ['DATAOS_RUN_ID'])\n"
    fail = script + "sys.exit(3)"
    text = workflow("partly", job("good", script), job("bad", fail, "good"), job("last", script, "bad"))
    assert server.cli("apply", "-f", server.write("partly.yaml", text), "--wait").code == 1
    ask(server, "re-run", "partly", "--from-failed")
    wait_until(lambda: states(server, "partly") == ["failed", "failed"], what="the second end")
    nodes = runtime(server, "partly")["nodes"]
    assert [(n["phase"], len(n["attempts"])) for n in nodes] == [("succeeded", 0), ("failed", 1), ("skipped", 0)]
    assert "taken over from run" in nodes[0]["reason"]
    apply(server, "partly", text.replace("sys.exit(3)", "pass"))
    refused = server.cli("runtime", "re-run", "-n", "partly", "--from-failed")
    assert refused.code == 1
    assert "has changed since run" in refused.err


def test_other_types_cannot_be_paused(server):
    refused = server.cli("runtime", "pause", "-t", "cluster", "-n", "miniature", "-w", "system")
    assert refused.code == 1
    assert "type cluster cannot be paused" in refused.err


def test_apply_with_re_run_says_so(server):
    text = workflow("again", job("a"))
    apply(server, "again", text, "--wait")
    assert "again:v1:workflow...unchanged" in apply(server, "again", text).err
    assert "again:v1:workflow...re-run" in apply(server, "again", text, "-r", "--wait").err
    assert states(server, "again") == ["succeeded", "succeeded"]


@pytest.mark.acceptance("ch01-AS06")
def test_a_superseded_version_is_stored_as_v1(server):
    text = workflow("old", job("a")).replace("version: v1", "version: v1beta1")
    done = apply(server, "old", text, "--wait")
    assert "🚨" in done.err
    row = server.client().resource("workflow", "old", "public")
    assert (row["version"], row["status"]) == ("v1", "active")


@pytest.mark.acceptance("ch03-AS20")
def test_logs_of_any_run_are_served(server):
    text = workflow("runs", job("a", "import os\nprint('run', os.environ['DATAOS_RUN_ID'])"))
    apply(server, "runs", text, "--wait")
    (first,) = runs(server, "runs")
    apply(server, "runs", text, "-r", "--wait")
    newest = runs(server, "runs")[0]
    key = ("-t", "workflow", "-n", "runs")
    assert f"run {newest['id']}" in server.ok("log", *key).out
    assert f"run {first['id']}" in server.ok("log", *key, "--run", first["id"]).out
    assert first["id"] in server.ok("get", "runs", *key).out
    assert server.cli("log", *key, "--run", "nope").code == 1


@pytest.mark.acceptance("ch03-AS20")
def test_a_run_that_cannot_be_scheduled_is_pending_with_the_reason(server):
    greedy = "import time\ntime.sleep(60)"
    text = workflow("wide", job("a", greedy)).replace(
        "compute: runnable-default", "compute: runnable-default\n        resources: {requests: {cpu: 1000}}"
    )
    apply(server, "wide", text)
    wait_until(lambda: runtime(server, "wide")["runtime"] == "running", what="the whole machine")
    apply(server, "behind", workflow("behind", job("a")))
    wait_until(
        lambda: "in use" in (runtime(server, "behind")["nodes"] or [{"reason": ""}])[0]["reason"], what="a reason"
    )
    shown = wait_until(
        lambda: (
            (found := server.client().resource("workflow", "behind", "public"))
            and "in use" in found["builder"]["info"]
            and found
        )
    )
    assert shown["runtime"] == "pending"
    assert "in use" in server.ok("get", "runtime", "-n", "behind", "-t", "workflow").out
    server.ok("delete", "-t", "workflow", "-n", "wide")
    wait_until(lambda: runtime(server, "behind")["runtime"] == "succeeded", what="its turn")


# --- retries ----------------------------------------------------------------------------------------------------------


def test_a_pattern_of_passing_errors_decides_what_is_retried(server):
    script = """
import os, sys
number = int(os.environ["DATAOS_RUN_ATTEMPT"])
print("connection reset by peer" if number < 2 else "no such column")
sys.exit(1)
"""
    retry = "      retry: {count: 5, strategy: OnTransientError}"
    text = workflow("passing", job("a", script, extra=retry)).replace(
        "compute: runnable-default",
        "compute: runnable-default\n        envs: {TRANSIENT_ERROR_PATTERN: 'reset.*peer'}",
    )
    assert server.cli("apply", "-f", server.write("passing.yaml", text), "--wait").code == 1
    (node,) = runtime(server, "passing")["nodes"]
    assert len(node["attempts"]) == 2
    bad = server.cli("apply", "-f", server.write("passing.yaml", text.replace("reset.*peer", "(?=a)")))
    assert bad.code == 1
    assert "RE2" in bad.err


# --- nested -----------------------------------------------------------------------------------------------------------


def nested(server: Installation, name: str, *nodes: str) -> str:
    return server.write(
        f"{name}.yaml", f"name: {name}\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n" + "".join(nodes)
    )


@pytest.mark.acceptance("ch03-AS05")
def test_nested_files_run_as_nodes_in_order(server):
    server.write("parts/one.yaml", workflow("one", job("x", "import time\nprint(time.time())\ntime.sleep(0.3)")))
    server.write(
        "parts/two.yaml", workflow("two", job("y", "import time\nprint(time.time())"), job("z", "print(3)", "y"))
    )
    file = nested(
        server,
        "parent",
        "    - {name: first, file: parts/one.yaml}\n",
        "    - {name: second, file: parts/two.yaml, dependencies: first}\n",
    )
    server.ok("apply", "-f", file, "--wait")
    body = runtime(server, "parent")
    assert body["run"]["progress"] == "2/2"
    assert [(n["job"], n["phase"], n["type"]) for n in body["nodes"]] == [
        ("first", "succeeded", "workflow"),
        ("first/x", "succeeded", "pod-workflow"),
        ("second", "succeeded", "workflow"),
        ("second/y", "succeeded", "pod-workflow"),
        ("second/z", "succeeded", "pod-workflow"),
    ]
    assert len(runs(server, "parent")) == 1
    logs = {n["node"]: n["text"] for n in server.client().log("workflow", "parent", "public")["nodes"]}
    assert float(logs["first/x-execute"]) < float(logs["second/y-execute"])
    (server.work / "parts/two.yaml").unlink()
    gone = server.cli("apply", "-l", "-f", file)
    assert gone.code == 1
    assert "file `parts/two.yaml` was not found; tried: " in gone.err
    assert gone.err.count("two.yaml") >= 2 or str(server.work) in gone.err
    assert f"{file}:7" in gone.err


def test_a_retry_of_a_node_runs_the_nested_workflow_again_and_stop_reaches_into_it(server):
    server.write("flaky.yaml", workflow("inner", job("good"), job("bad", "raise SystemExit(1)", "good")))
    file = nested(
        server,
        "outer",
        "    - {name: n, file: flaky.yaml, retry: {count: 1}}\n",
        "    - {name: m, dependencies: n, file: flaky.yaml}\n",
    )
    assert server.cli("apply", "-f", file, "--wait").code == 1
    body = runtime(server, "outer")
    assert "job n failed: job bad failed: exit code 1" in body["run"]["reason"]
    assert [(n["job"], n["phase"]) for n in body["nodes"]] == [
        ("n", "failed"),
        ("n/good", "succeeded"),
        ("n/bad", "failed"),
        ("m", "skipped"),
    ]
    server.write("long.yaml", workflow("inner", job("long", SLEEP)))
    server.ok("apply", "-f", nested(server, "outer2", "    - {name: n, file: long.yaml}\n"))
    wait_until(lambda: [n["phase"] for n in runtime(server, "outer2")["nodes"]] == ["running", "running"])
    ask(server, "stop", "outer2")
    wait_until(lambda: runtime(server, "outer2")["runtime"] == "aborted", what="aborted")
    assert [n["phase"] for n in runtime(server, "outer2")["nodes"]] == ["aborted", "aborted"]


def test_a_named_workflow_is_a_node_and_cannot_go_while_it_is_one(server):
    apply(server, "base", workflow("base", job("x")), "--wait")
    file = nested(server, "user", "    - {name: n, workflow: base}\n")
    server.ok("apply", "-f", file, "--wait")
    assert [n["job"] for n in runtime(server, "user")["nodes"]] == ["n", "n/x"]
    assert len(runs(server, "base")) == 1
    refused = server.cli("delete", "-t", "workflow", "-n", "base")
    assert refused.code == 1
    assert "it is a dependency of 'workflow:v1:user:public'" in refused.err
    circle = server.cli("apply", "-f", nested(server, "base", "    - {name: n, workflow: user}\n"))
    assert circle.code == 1
    assert "circle: base -> user -> base" in circle.err


def test_files_that_name_each_other_are_an_error(server):
    for name, other in (("ring-a", "ring-b"), ("ring-b", "ring-a")):
        nested(server, name, f"    - {{name: n, file: {other}.yaml}}\n")
    done = server.cli("validate", "-f", str(server.work / "ring-a.yaml"))
    assert done.code == 1
    assert "circle: ring-a.yaml -> ring-b.yaml -> ring-a.yaml" in done.err


# --- resource run -----------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch01-AS15")
def test_resource_run_streams_waits_and_deletes(server):
    file = server.write("once.yaml", workflow("once", job("a", "print('hello from once')")))
    done = server.ok("resource", "run", "-f", file, "--stream-logs")
    assert "hello from once" in done.out
    assert server.cli("get", "-t", "workflow", "-n", "once").code == 1
    bad = server.write("bad.yaml", workflow("badonce", job("a", "print('why'); raise SystemExit(4)")))
    failed = server.cli("resource", "run", "-f", bad, "--stream-logs")
    assert failed.code == 1
    assert "why" in failed.out
    assert "exit code 4" in failed.err
    assert server.cli("get", "-t", "workflow", "-n", "badonce").code == 0
    twice = server.cli("resource", "run", "-f", bad)
    assert twice.code == 1
    assert "exists" in twice.err
    slow = server.write("slowonce.yaml", workflow("slowonce", job("a", SLEEP)))
    late = server.cli("resource", "run", "-f", slow, "--run-timeout-duration", "1s", "--delete-on-failure")
    assert late.code == 5
    assert "did not end within 1 s" in late.err
    assert server.cli("get", "-t", "workflow", "-n", "slowonce").code == 1


# --- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["workflow.tick-planned", "workflow.tick-stored"])
def test_a_server_killed_at_a_tick_runs_it_once(tmp_path, point):
    with installation(tmp_path, start=False) as made:
        process = start_until(made, point)
        made.ok("apply", "-f", made.write("t.yaml", workflow("t", job("a"), schedule="cron: '*/20 * * * * *'")))
        wait_dead(process, 40)
        made.up()
        wait_until(lambda: "succeeded" in states(made, "t"), what="the tick's run")
        ask(made, "pause", "t")
        found = runs(made, "t")
        assert len({r["scheduled"] for r in found}) == len(found)
        assert len(found) <= 2


def test_a_server_that_was_away_catches_up_once(tmp_path):
    with installation(tmp_path) as made:
        made.ok("apply", "-f", made.write("t.yaml", workflow("t", job("a"), schedule="cron: '*/3 * * * * *'")))
        wait_until(lambda: len(runs(made, "t")) >= 1, what="a tick")
        made.kill()
        gone = datetime.now(UTC)
        time.sleep(10)
        back = datetime.now(UTC)
        made.up()
        wait_until(lambda: datetime.fromisoformat(runs(made, "t")[0]["scheduled"]) > back, what="a tick in time")
        ask(made, "pause", "t")
        ticks = [datetime.fromisoformat(r["scheduled"]) for r in runs(made, "t")]
        assert len([t for t in ticks if gone < t <= back]) <= 1  # of three or four
        missed = made.client().json("GET", "/api/v1/events", params={"limit": 1000})["items"]
        assert any(e["kind"] == "tick.missed" for e in missed)
