"""kill -9 of server, shim and job at named points: everything converges, nothing runs twice, nothing is lost."""

from __future__ import annotations

import os
import signal

import pytest

from support.crashes import start_until, wait_dead
from support.server import Installation, below, installation, shims, wait_until

SCRIPT = """
import os, pathlib, time
ran = pathlib.Path(os.environ["DATAOS_OUT_DIR"]) / "ran"
with ran.open("a") as f:
    f.write("x")
time.sleep(0.5)
print("done")
"""


def workflow(name: str = "w", script: str = SCRIPT, extra: str = "") -> str:
    body = "\n".join("            " + line for line in script.strip().splitlines())
    return f"""
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: first
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          {extra}
          script: |
{body}
    - name: second
      dependencies: [first]
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          script: |
{body}
"""


@pytest.fixture
def made(tmp_path):
    with installation(tmp_path, start=False) as installed:
        yield installed


def runs_of(made: Installation) -> dict[str, str]:
    """How often each attempt's program ran, by attempt folder."""
    return {p.parent.parent.name: p.read_text() for p in (made.home / "work").glob("*/out/ran")}


def finished(made: Installation, name: str = "w"):
    def look():
        body = made.client().resource("workflow", name, "public")
        return body if body["runtime"] in ("succeeded", "failed", "aborted") else None

    return wait_until(look, 60, "the run's end")


POINTS = [
    ("control.claimed", 4),
    ("workloads.attempt-stored", 1),
    ("processes.folder-writing", 1),
    ("processes.folder-half-written", 1),
    ("processes.folder-written", 1),
    ("processes.shim-spawned", 1),
    ("processes.shim-up", 1),
    ("workloads.launched", 1),
    ("workloads.exited", 1),
    ("workloads.before-publish", 1),
    ("iceberg.before-publish", 1),
    ("iceberg.after-publish", 1),
    ("workloads.published", 1),
    ("workloads.launched", 2),
    ("workloads.published", 2),
]


@pytest.mark.parametrize(("point", "nth"), POINTS, ids=[f"{p}-{n}" for p, n in POINTS])
def test_a_server_killed_at_a_point_goes_on_from_there(made, point, nth):
    process = start_until(made, point, nth)
    made.cli("apply", "-f", made.write("w.yaml", workflow()))
    wait_dead(process)
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", workflow()))  # whether or not the first one was accepted
    assert finished(made)["runtime"] == "succeeded"
    assert runs_of(made).values() and set(runs_of(made).values()) == {"x"}
    attempts = [a for n in made.client().runtime("workflow", "w", "public")["nodes"] for a in n["attempts"]]
    assert [(a["state"], a["number"]) for a in attempts] == [("succeeded", 1), ("succeeded", 1)]


def test_an_accepted_apply_survives_kill_9(made):
    made.up()
    secret = "name: s{}\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: {{a: b}}}}\n"
    for i in range(5):
        made.ok("apply", "-f", made.write("s.yaml", secret.format(i)))
        made.kill()
        made.up()
    names = [r["name"] for r in made.client().resources(type="secret")]
    assert names == [f"s{i}" for i in range(5)]


@pytest.mark.parametrize("point", ["control.deleting", "control.before-deleted"])
def test_a_deletion_that_was_cut_off_is_completed(made, point):
    process = start_until(made, point)
    made.ok("apply", "-f", made.write("w.yaml", workflow()), "--wait")
    made.cli("delete", "-t", "workflow", "-n", "w")
    wait_dead(process)
    made.up()
    wait_until(lambda: made.cli("get", "-t", "workflow", "-n", "w").code == 1, 20, "the deletion")


LONG = SCRIPT.replace("time.sleep(0.5)", "time.sleep(4)")


def running(made: Installation):
    wait_until(lambda: runs_of(made), 20, "the job's start")


def test_jobs_go_on_while_the_server_is_down_and_are_found_again(made):
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", workflow(script=SCRIPT.replace("0.5", "2"))))
    running(made)
    made.kill()
    assert shims(made)
    made.up()
    assert finished(made)["runtime"] == "succeeded"
    assert set(runs_of(made).values()) == {"x"}


def test_a_killed_shim_takes_its_job_along_and_a_job_with_effects_fails(made):
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", workflow(script=LONG)))
    running(made)
    (shim,) = shims(made)
    os.kill(shim, signal.SIGKILL)
    body = finished(made)
    assert body["runtime"] == "failed"
    assert "its supervisor was killed" in body["builder"]["info"]
    assert runs_of(made) == {next(iter(runs_of(made))): "x"}


def test_a_killed_shim_of_a_job_without_outside_effects_is_started_again(made):
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", workflow(script=LONG.replace("4", "2"), extra="rerunnable: true")))
    running(made)
    (shim,) = shims(made)
    os.kill(shim, signal.SIGKILL)
    assert finished(made)["runtime"] == "succeeded"
    (first, _) = made.client().runtime("workflow", "w", "public")["nodes"]
    assert [a["state"] for a in first["attempts"]] == ["lost", "succeeded"]


def test_a_killed_job_fails_with_its_signal(made):
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", workflow(script=LONG)))
    running(made)
    (shim,) = shims(made)
    os.kill(below(shim)[-1], signal.SIGKILL)
    assert "exit code 137" in finished(made)["builder"]["info"]


def test_a_second_server_on_one_home_is_refused(made):
    made.up()
    done = made.cli("up", "--port", "0")
    assert done.code == 0  # the running one is used
    (made.home / "run" / "server.json").unlink()
    done = made.cli("up", "--port", "0")
    assert done.code == 1
    assert "a server already runs on" in done.err
