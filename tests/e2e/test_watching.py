"""/health, /ready, /metrics, logs and quotas of a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.server import Installation, installation, wait_until

JOB = """
name: NAME
version: v1
type: workflow
workflow:
  dag:
    - name: a
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          script: "SCRIPT"
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("up")) as made:
        wait_until(lambda: ask(made, "/ready")[0] == 200, 30, "readiness")
        yield made


@pytest.fixture
def made(tmp_path):
    with installation(tmp_path, start=False) as one:
        yield one


def ask(made: Installation, path: str, token: str | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(made.url + path, headers=headers)  # noqa: S310 - loopback
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def admin(made: Installation) -> str:
    return (made.home / "keys" / "admin.token").read_text().strip()


def metrics(made: Installation) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    code, text, headers = ask(made, "/metrics", admin(made))
    assert code == 200
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def run_job(made: Installation, name: str, script: str = "print(1)") -> str:
    made.ok("apply", "-f", made.write("w.yaml", JOB.replace("NAME", name).replace("SCRIPT", script)))
    ended = ("succeeded", "failed", "aborted")
    return wait_until(lambda: (r := made.client().resource("workflow", name, "public")["runtime"]) in ended and r, 60)


# --- health and readiness -----------------------------------------------------------------------------------------------


def test_health_and_readiness_say_names_only_to_strangers(up):
    assert json.loads(ask(up, "/health")[1]) == {"ok": True}
    code, text, _ = ask(up, "/ready")
    body = json.loads(text)
    assert (code, body["ok"]) == (200, True)
    assert [p["name"] for p in body["parts"]] == ["store", "reconciler", "engine", "catalog", "timers"]
    assert all(set(p) == {"name", "ok"} for p in body["parts"])
    known = json.loads(ask(up, "/ready", admin(up))[1])
    assert all("detail" in p for p in known["parts"])
    assert ask(up, "/ready", "dk_wrong")[0] == 200
    browser = json.loads(ask(up, "/ready", Cookie=f"dataos_session={admin(up)}")[1])
    assert browser == known
    health = json.loads(ask(up, "/api/v1/health", Cookie=f"dataos_session={admin(up)}")[1])
    assert all("detail" in p for p in health["parts"])


def test_each_part_that_fails_is_named(made):
    made.up()
    wait_until(lambda: ask(made, "/ready")[0] == 200, 30, "readiness")

    def failing() -> list[str]:
        code, text, _ = ask(made, "/ready")
        parts = [p["name"] for p in json.loads(text)["parts"] if not p["ok"]]
        assert code == (503 if parts else 200)
        return parts

    lake = ("lakehouse", "lakehouse", "public")
    wait_until(lambda: made.client().resource(*lake)["status"] == "active", 30, "the warehouse")
    time.sleep(2)  # a look that is under way would make its folder again
    os.rename(made.home / "warehouse", made.home / "away")
    assert failing() == ["catalog"]
    assert str(made.home) not in ask(made, "/ready")[1]
    assert str(made.home) in ask(made, "/ready", admin(made))[1]
    os.rename(made.home / "away", made.home / "warehouse")
    assert failing() == []
    for folder in Path("/proc").iterdir():
        command = _command(folder) if folder.name.isdigit() else b""
        if b"dataos.engines.duckdb.process" in command and str(made.home).encode() in command:
            os.kill(int(folder.name), signal.SIGKILL)
    wait_until(lambda: failing() in (["engine"], []), 10)
    wait_until(lambda: failing() == [], 30, "a new engine")
    os.kill(made.pid, signal.SIGTERM)


def _command(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


# --- metrics ------------------------------------------------------------------------------------------------------------


def test_metrics_need_an_operators_token(up):
    assert ask(up, "/metrics")[0] == 401
    made = up.ok("user", "create", "-n", "Eve", "-u", "eve", "-O", "json").json
    token = up.ok("user", "apikey", "create", "-i", made["id"], "-n", "k", "-O", "json").json["token"]
    code, text, _ = ask(up, "/metrics", token)
    assert (code, "read-metrics" in text) == (403, True)


def test_metrics_open_on_loopback_where_settings_say_so_and_no_proxy_stands_between(made):
    made.env["DATAOS_METRICS__OPEN_ON_LOOPBACK"] = "true"
    made.up()
    assert ask(made, "/metrics")[0] == 200
    assert ask(made, "/metrics", **{"X-Forwarded-For": "192.0.2.1"})[0] == 401


def test_what_is_counted(up):
    before = metrics(up)
    assert run_job(up, "counted") == "succeeded"
    assert run_job(up, "failing", "raise SystemExit(3)") == "failed"
    after = metrics(up)

    def grew(name: str, **labels: str) -> float:
        key = tuple(sorted(labels.items()))
        return after[name][key] - before.get(name, {}).get(key, 0.0)

    assert grew("dataos_runs_ended_total", outcome="succeeded") == 1
    assert grew("dataos_runs_ended_total", outcome="failed") == 1
    assert grew("dataos_attempts_ended_total", outcome="succeeded") == 1
    assert grew("dataos_job_start_delay_seconds_count") == 2
    assert 0 < grew("dataos_job_start_delay_seconds_sum") < 60
    assert grew("dataos_reconcile_duration_seconds_count", unit="job") >= 2
    assert grew("dataos_store_duration_seconds_count", kind="write") > 5
    assert after["dataos_runs"][(("state", "failed"),)] == 1
    assert after["dataos_resources"][(("status", "active"), ("type", "cluster"))] == 1
    assert after["dataos_engine_resident_memory_bytes"][(("cluster", "miniature"),)] > 1 << 20
    assert after["process_resident_memory_bytes"][()] > 1 << 20
    assert after["dataos_store_up"][()] == 1
    limits, used = after["dataos_quota_limit"], after["dataos_quota_used"]
    assert set(limits) == set(used)
    assert used[(("quota", "runs"),)] == 2
    assert used[(("quota", "server_log"),)] > 0
    assert after["dataos_build_info"][(("version", "0.1.0"),)] == 1


def test_routes_are_templates_and_unknown_ones_are_one(up):
    for path in ("/nothing/1", "/nothing/2", "/api/v1/workspaces/a", "/api/v1/workspaces/b"):
        ask(up, path, admin(up))
    routes = {dict(labels)["route"] for labels in metrics(up)["dataos_http_request_duration_seconds_count"]}
    assert "unmatched" in routes
    assert "/api/v1/workspaces/{workspace}" in routes
    assert not [r for r in routes if r.startswith("/nothing")]


# --- logs ---------------------------------------------------------------------------------------------------------------


def lines(made: Installation) -> list[dict]:
    """The log's whole lines: a server may be in the middle of its last one."""
    found = []
    for line in (made.home / "logs" / "server.log").read_text().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            found.append(json.loads(line))
    return found


def test_lines_say_request_actor_resource_and_run(up):
    code, _, headers = ask(up, "/api/v1/workspaces?secret=CANARY-QUERY", admin(up), **{"X-Request-Id": "my-id.1"})
    assert (code, headers["x-request-id"]) == (200, "my-id.1")
    # The line is written once the answer has been sent.
    (line,) = wait_until(lambda: [x for x in lines(up) if x.get("request") == "my-id.1"], what="the request's line")
    assert (line["event"], line["actor"], line["status"], line["path"]) == ("http", "admin", 200, "/api/v1/workspaces")
    assert ask(up, "/health", **{"X-Request-Id": "a b;c"})[2]["x-request-id"] != "a b;c"
    bad = (
        JOB.replace("NAME", "badone")
        .replace("stack: script", "stack: script\n        envs: {A: b}")
        .replace("SCRIPT", "x")
    )
    up.cli("apply", "-f", up.write("b.yaml", bad))
    assert "CANARY-QUERY" not in up.server_log()
    assert admin(up) not in (up.home / "logs" / "server.log").read_text()


def test_a_look_that_fails_names_its_resource_and_run(made):
    made.up()
    made.ok(
        "apply", "-f", made.write("w.yaml", JOB.replace("NAME", "slow").replace("SCRIPT", "import time; time.sleep(3)"))
    )
    wait_until(lambda: list((made.home / "work").glob("*/shim.json")), 20)
    os.chmod(made.home / "work", 0o700)
    text = made.write(
        "l.yaml",
        "name: far\nversion: v1alpha\ntype: lakehouse\nlakehouse:\n  type: iceberg\n  iceberg:\n"
        f"    storage: {{depotName: far, type: file, file: {{path: {made.work}/lake}}}}\n",
    )
    (made.work / "lake").write_text("a file is in the way")
    made.cli("apply", "-f", text)
    found = wait_until(lambda: [x for x in lines(made) if "lakehouse" in str(x.get("resource"))], 20, "a line")
    assert found[0]["unit"].startswith("resource:")
    assert "far" in found[0]["resource"]


def test_level_form_and_access_log_are_settings(made):
    made.env |= {"DATAOS_LOG_LEVEL": "warning", "DATAOS_LOG_FORMAT": "text", "DATAOS_ACCESS_LOG": "false"}
    made.up()
    made.ok("get")
    assert [x for x in lines(made) if x["event"] == "http"] == []
    assert "server up" not in made.server_log()


def test_the_servers_log_is_bounded(made):
    made.env |= {"DATAOS_QUOTAS__SERVER_LOG_MIB": "1"}
    made.up()
    token, began = admin(made), time.monotonic()
    while not (made.home / "logs" / "server.log.1").exists() and time.monotonic() - began < 100:
        for _ in range(50):
            ask(made, "/api/v1/workspaces/" + "x" * 250, token)
    files = sorted((made.home / "logs").glob("server.log*"))
    assert [f.name for f in files] == ["server.log", "server.log.1"]
    assert files[1].stat().st_size < 300_000
    ask(made, "/api/v1/workspaces", token, **{"X-Request-Id": "after"})
    wait_until(lambda: [x for x in lines(made) if x.get("request") == "after"], what="a line in the new file")


# --- quotas -------------------------------------------------------------------------------------------------------------


def test_no_job_begins_without_room_and_the_reason_is_shown(made):
    made.env["DATAOS_QUOTAS__FREE_MIB"] = str(1 << 30)
    made.up()
    made.ok("apply", "-f", made.write("w.yaml", JOB.replace("NAME", "w").replace("SCRIPT", "print(1)")))
    shown = wait_until(
        lambda: "quotas.free_mib" in (o := made.ok("get", "runtime", "-t", "workflow", "-n", "w").out) and o, 20
    )
    assert "waits for disk space" in shown
    assert metrics(made)["dataos_jobs_waiting"][(("reason", "disk"),)] == 1
    made.ok("down")
    made.env["DATAOS_QUOTAS__FREE_MIB"] = "0"
    made.up()
    wait_until(lambda: made.client().resource("workflow", "w", "public")["runtime"] == "succeeded", 60)


def test_scratch_and_logs_of_ended_attempts_go_oldest_first(made):
    made.up()
    script = (
        "import os, pathlib; pathlib.Path(os.environ['DATAOS_TEMP_DIR'], 'x').write_bytes(bytes(2_000_000)); "
        "print('y' * 700_000)"
    )
    for name in ("one", "two", "three"):
        assert run_job(made, name, script) == "succeeded"
    made.ok(
        "apply",
        "-f",
        made.write("w.yaml", JOB.replace("NAME", "going").replace("SCRIPT", script + "; import time; time.sleep(40)")),
    )
    wait_until(lambda: len(list((made.home / "work").glob("*/scratch/x"))) == 4, 30)
    made.ok("down")
    made.env |= {"DATAOS_QUOTAS__SCRATCH_MIB": "3", "DATAOS_QUOTAS__RUN_LOGS_MIB": "1"}
    made.up()
    wait_until(lambda: len(list((made.home / "work").glob("*/scratch/x"))) == 2, 30)
    log = {n: "yyy" in made.cli("log", "-t", "workflow", "-n", n).out for n in ("one", "two", "three", "going")}
    assert log == {"one": False, "two": False, "three": True, "going": True}
    assert made.client().resource("workflow", "one", "public")["runtime"] == "succeeded"
    used = metrics(made)["dataos_quota_used"]
    assert 0 < used[(("quota", "scratch"),)] < 3 << 20
    assert 0 < used[(("quota", "run_logs"),)] < 1 << 20


DASHBOARD = Path(__file__).parents[2] / "docs" / "howto" / "dashboard.json"


def test_the_dashboard_asks_for_what_there_is(up):
    asked = {t["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for t in panel["targets"]}
    names = {name for expr in asked for name in re.findall(r"\b(?:dataos|process)_[a-z0-9_]+", expr)}
    up.ok("backup", "-f", str(up.folder / "b"), "--without-keys")
    families = {family.name for family in text_string_to_metric_families(ask(up, "/metrics", admin(up))[1])}
    endings = re.compile(r"_(?:bucket|count|sum|total)$")
    assert {name for name in names if name not in families and endings.sub("", name) not in families} == set()
    assert len(names) > 15


def test_health_tells_details_to_operators_only(up):
    def parts(token: str | None = None):
        return json.loads(ask(up, "/api/v1/health", token)[1])["parts"]

    assert all(set(part) == {"name", "ok"} for part in [*parts(), *parts("nonsense")])
    assert any(part.get("detail") for part in parts(admin(up)))
