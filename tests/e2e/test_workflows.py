"""Workflows of script jobs on a real server, driven by the CLI: ch03 scenarios 1 and 2, ch01 scenario 14."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from support.server import Installation, installation, wait_until
from support.workflows import job, workflow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("server")) as made:
        yield made


STAMP = "import time\nprint('start', time.time())\ntime.sleep(0.6)\nprint('end', time.time())"


def nodes(server: Installation, name: str) -> list[dict[str, Any]]:
    """Of its newest run; none as long as it has none."""
    return server.client().runtime("workflow", name, "public")["nodes"]


def times_of(server: Installation, name: str, node: str) -> tuple[float, float]:
    text = server.client().log("workflow", name, "public", node=node)["nodes"][-1]["text"]
    words = text.split()
    return float(words[1]), float(words[3])


@pytest.mark.acceptance("ch03-AS01")
def test_a_diamond_runs_b_and_c_side_by_side_and_d_after_both(server):
    text = workflow("diamond", job("a", STAMP), job("b", STAMP, "a"), job("c", STAMP, "a"), job("d", STAMP, "b", "c"))
    done = server.ok("apply", "-f", server.write("diamond.yaml", text), "--wait")
    assert "applying(public) diamond:v1:workflow...created" in done.err
    (a, b, c, d) = (times_of(server, "diamond", n) for n in "abcd")
    assert b[0] > a[1]
    assert c[0] > a[1]
    assert b[0] < c[1]
    assert c[0] < b[1]
    assert d[0] > max(b[1], c[1])
    runtime = server.ok("get", "runtime", "-t", "workflow", "-n", "diamond", "-O", "json").json
    assert (runtime["runtime"], runtime["run"]["progress"]) == ("succeeded", "4/4")
    assert runtime["run"]["started"] < runtime["run"]["finished"]
    assert [n["node"] for n in runtime["nodes"]] == ["a-execute", "b-execute", "c-execute", "d-execute"]
    shown = server.ok("get", "runtime", "-t", "workflow", "-n", "diamond").out
    for heading in ("JOB DEPENDENCIES", "PROGRESS", "STARTED", "FINISHED", "NODE NAME", "PHASE"):
        assert heading in shown


FLAKY = """
import os
number = int(os.environ["DATAOS_RUN_ATTEMPT"])
print("attempt", number)
raise SystemExit(0 if number > 2 else 7)
"""


@pytest.mark.acceptance("ch03-AS02")
def test_a_job_that_fails_twice_succeeds_at_the_third_attempt_with_a_log_each(server):
    text = workflow("flaky", job("try", FLAKY, extra="      retry: {count: 2, strategy: OnFailure}"))
    server.ok("apply", "-f", server.write("flaky.yaml", text), "--wait")
    (node,) = server.client().runtime("workflow", "flaky", "public")["nodes"]
    assert [(a["state"], a["exitCode"]) for a in node["attempts"]] == [("failed", 7), ("failed", 7), ("succeeded", 0)]
    logs = server.client().log("workflow", "flaky", "public", node="try")["nodes"]
    assert [entry["text"] for entry in logs] == ["attempt 1\n", "attempt 2\n", "attempt 3\n"]


@pytest.mark.acceptance("ch03-AS02")
def test_with_one_retry_too_few_it_fails_and_dependents_never_start(server):
    text = workflow(
        "tooflaky", job("try", FLAKY, extra="      retry: {count: 1, strategy: OnFailure}"), job("after", "pass", "try")
    )
    done = server.cli("apply", "-f", server.write("tooflaky.yaml", text), "--wait")
    assert done.code == 1
    assert "job try failed: exit code 7" in done.err
    nodes = server.client().runtime("workflow", "tooflaky", "public")["nodes"]
    assert [(n["job"], n["phase"], len(n["attempts"])) for n in nodes] == [
        ("try", "failed", 2),
        ("after", "skipped", 0),
    ]


@pytest.mark.acceptance("ch01-AS14")
def test_logs_of_a_failed_job_are_served_in_every_length(server):
    script = (
        "for i in range(1000):\n    print('line', i)\nimport sys\nprint('the reason', file=sys.stderr)\nsys.exit(1)"
    )
    server.cli("apply", "-f", server.write("loud.yaml", workflow("loud", job("talk", script))), "--wait")
    row = server.ok("get", "-t", "workflow", "-n", "loud", "-O", "json").json[0]
    assert (row["status"], row["runtime"]) == ("active", "failed")
    default = server.ok("log", "-t", "workflow", "-n", "loud", "--node", "talk-execute").out
    assert "the reason" in default
    assert len([x for x in default.splitlines() if x.startswith("line ")]) == 299
    everything = server.ok("log", "-t", "workflow", "-n", "loud", "-l", "-1").out
    assert "line 0\n" in everything
    assert len([x for x in everything.splitlines() if x.startswith("line ")]) == 1000
    assert server.cli("log", "-t", "workflow", "-n", "loud", "-c", "nope").code == 1
    assert "nodes: talk-execute" in server.cli("log", "-t", "workflow", "-n", "loud", "--node", "x").err


def test_follow_prints_until_the_run_ends(server):
    script = "import time\nfor i in range(5):\n    print('tick', i, flush=True)\n    time.sleep(0.2)"
    server.ok("apply", "-f", server.write("ticks.yaml", workflow("ticks", job("tick", script))))
    wait_until(lambda: any(n["attempts"] for n in nodes(server, "ticks")))
    out = server.ok("log", "-t", "workflow", "-n", "ticks", "-f").out
    assert [f"tick {i}" for i in range(5)] == [x for x in out.splitlines() if x.startswith("tick")]


def test_a_time_limit_ends_a_job_with_its_reason(server):
    text = workflow("slow", job("sleep", "import time\ntime.sleep(60)", resources="timeLimit: 1s"))
    done = server.cli("apply", "-f", server.write("slow.yaml", text), "--wait", timeout=60)
    assert done.code == 1
    assert "longer than its time limit" in done.err


def test_a_job_that_asks_for_more_memory_than_its_limit_is_killed_with_the_reason(server):
    script = "import time\nx = bytearray(600_000_000)\ntime.sleep(30)"
    text = workflow("greedy", job("eat", script, resources="resources: {limits: {memory: 128Mi}}"))
    done = server.cli("apply", "-f", server.write("greedy.yaml", text), "--wait", timeout=60)
    assert done.code == 1
    assert "more memory than its limit" in done.err


def test_jobs_wait_for_capacity_with_the_reason_and_run_one_after_the_other(server):
    big = "resources: {requests: {cpu: '64'}}"
    text = workflow("big", job("one", STAMP, resources=big), job("two", STAMP, resources=big))
    server.ok("apply", "-f", server.write("big.yaml", text))

    def waiting():
        nodes = server.client().runtime("workflow", "big", "public")["nodes"]
        return next((n["reason"] for n in nodes if n["phase"] == "pending" and n["reason"]), None)

    assert "CPU" in wait_until(waiting, 10)
    wait_until(lambda: server.client().resource("workflow", "big", "public")["runtime"] == "succeeded", 30)
    one, two = times_of(server, "big", "one"), times_of(server, "big", "two")
    assert one[1] <= two[0] or two[1] <= one[0]


def test_a_changed_workflow_runs_again_only_when_asked(server):
    file = server.write("again.yaml", workflow("again", job("a", "print(1)")))
    server.ok("apply", "-f", file, "--wait")
    first = server.client().runtime("workflow", "again", "public")["run"]["id"]
    server.write("again.yaml", workflow("again", job("a", "print(2)")))
    server.ok("apply", "-f", file, "--wait")
    assert server.client().runtime("workflow", "again", "public")["run"]["id"] == first
    server.ok("apply", "-f", file, "-r", "--wait")
    run = server.client().runtime("workflow", "again", "public")["run"]
    assert (run["id"] != first, run["generation"]) == (True, 2)
    assert "2" in server.client().log("workflow", "again", "public")["nodes"][0]["text"]


def test_deleting_a_workflow_ends_what_runs(server):
    file = server.write("endless.yaml", workflow("endless", job("sleep", "import time\ntime.sleep(600)")))
    server.ok("apply", "-f", file)
    wait_until(lambda: any(n["phase"] == "running" for n in nodes(server, "endless")))
    server.ok("delete", "-f", file)
    wait_until(lambda: server.cli("get", "-t", "workflow", "-n", "endless").code == 1, 20)


@pytest.mark.acceptance("ch02-AS09")
def test_secrets_reach_a_job_as_variables_properties_and_files_and_nowhere_else(server):
    secret = (
        "name: api\nversion: v1\ntype: secret\nsecret:\n  type: key-value\n  acl: r\n"
        "  data: {USER_TOKEN: 'canary-a1', other: 'canary-b2'}\n"
    )
    script = """
import os, pathlib
folder = pathlib.Path(os.environ["DATAOS_SECRET_DIR"])
print("env", os.environ.get("USER_TOKEN") == "canary-" + "a1", "other" in os.environ)
print("props", sorted((folder / "api").read_text().split()) == ["USER_TOKEN=canary-" + "a1", "other=canary-" + "b2"])
print("file", (folder / "other").read_text() == "canary-" + "b2")
"""
    uses = (
        "dataosSecrets:\n          - {name: api, key: USER_TOKEN, consumptionType: envVars}\n"
        "          - {name: api, allkeys: true, consumptionType: propFile}\n"
        "          - {name: api, keys: [other], consumptionType: file}"
    )
    server.ok("apply", "-f", server.write("secret.yaml", secret))
    server.ok("apply", "-f", server.write("uses.yaml", workflow("uses", job("look", script, resources=uses))), "--wait")
    text = server.client().log("workflow", "uses", "public")["nodes"][0]["text"]
    assert text.splitlines() == ["env True False", "props True", "file True"]
    lint = server.ok(
        "apply", "-l", "-f", server.write("uses.yaml", workflow("uses", job("look", script, resources=uses)))
    )
    assert "canary" not in lint.out + lint.err


@pytest.mark.acceptance("ch02-AS08")
def test_a_secret_of_another_workspace_and_a_missing_key_are_refused_at_apply(server):
    server.ok(
        "apply",
        "-f",
        server.write(
            "s.yaml",
            "name: box\nversion: v1\ntype: secret\nworkspace: sandbox\nsecret: {type: key-value, acl: r, data: {a: b}}\n",
        ),
    )
    foreign = job("x", "pass", resources="dataosSecrets: [{name: box, workspace: sandbox}]")
    done = server.cli("apply", "-f", server.write("f.yaml", workflow("foreign", foreign)))
    assert done.code == 1
    assert all(word in done.err for word in ("`box`", "`sandbox`", "`public`"))
    missing = job("x", "pass", resources="dataosSecrets: [{name: box, key: nokey}]")
    text = workflow("missing", missing).replace("type: workflow\n", "type: workflow\nworkspace: sandbox\n")
    done = server.cli("apply", "-f", server.write("m.yaml", text))
    assert done.code == 1
    assert all(word in done.err for word in ("`box`", "`nokey`", "`sandbox`"))
    assert server.cli("get", "-t", "workflow", "-n", "foreign").code == 1


@pytest.mark.acceptance("ch01-AS09")
def test_every_way_of_naming_finds_the_same_object(server):
    server.ok("apply", "-f", server.write("n.yaml", workflow("named", job("a", "pass"))), "--wait")
    ways = [
        ["get", "-t", "workflow", "-w", "public", "-n", "named"],
        ["-t", "workflow", "-w", "public", "-n", "named", "get"],
        ["-i", "named | v1 | workflow | public", "get"],
        ["get", "-i", "named | | v1 | | workflow | public | active | me"],
        ["get", "-i", "workflow:v1:named:public"],
        ["get", "--id", "workflow:v1:named:public"],
        ["get", "-t", "Workflow", "-wpublic", "-n", "named"],
    ]
    uids = {server.ok(*way, "-O", "json").json[0]["uid"] for way in ways}
    assert len(uids) == 1


def test_attempts_are_dated_and_tokens_end_with_them(server):
    script = "import os\nprint(os.environ['DATAOS_RUN_AS_APIKEY'])"
    server.ok("apply", "-f", server.write("t.yaml", workflow("tokens", job("a", script))), "--wait")
    token = server.client().log("workflow", "tokens", "public")["nodes"][0]["text"].strip()
    done = server.cli("get", env={"DATAOS_FQDN": server.url, "APIKEY": token})
    assert done.code == 3
    assert "revoked" in done.err
    node = server.client().runtime("workflow", "tokens", "public")["nodes"][0]
    started = datetime.fromisoformat(node["attempts"][0]["started"].replace("Z", "+00:00"))
    assert started.tzinfo is not None
    assert json.dumps(node).count(token) == 0
