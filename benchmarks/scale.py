"""Many of everything: thousands of Resources, schedules and executions, and the start after a crash among them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.setting import Figure, cpu_s, fresh, memory_mb, percentile
from dataos.client.api import Client
from support.server import Installation, wait_until

SCRIPT = {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": "pass"}}
SMALL = {"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}}


def secret(number: int) -> dict[str, Any]:
    """The smallest Resource."""
    body = {"type": "key-value", "acl": "r", "data": {"a": "b"}}
    return {"name": f"s{number}", "version": "v1", "type": "secret", "secret": body}


def workflow(name: str, **more: Any) -> dict[str, Any]:
    """A Workflow of one job that does nothing; `schedule`, `dag` and the like may be given."""
    dag = [{"name": "job", "spec": {**SCRIPT, **SMALL}}]
    return {"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": dag, **more}}


def settled(client: Client, type_: str, count: int) -> bool:
    found = list(client.resources(type=type_))
    return len(found) >= count and all(r["settled"] for r in found)


def apply_all(made: Installation, count: int, make: Callable[[int], dict[str, Any]]) -> float:
    """Seconds until `count` Resources, applied by one client one after the other, are all active."""
    client = made.client()
    started = time.perf_counter()
    for number in range(count):
        client.apply(make(number))
    type_ = str(make(0)["type"])
    wait_until(lambda: settled(client, type_, count), 600)
    return time.perf_counter() - started


def bench_apply() -> list[Figure]:
    """1,000 and 10,000 Resources through the SDK, one call each; reading among them; the start after a kill."""
    with fresh() as made:
        few = apply_all(made, 1000, secret)
        kill_s, recovered = crash(made)
    with fresh() as made:
        many = apply_all(made, 10_000, secret)
        client = made.client()
        get = [timed_ms(lambda n=n: client.resource("secret", f"s{n * 37 % 10_000}", "public")) for n in range(500)]
        page = [timed_ms(lambda: client.json("GET", "/api/v1/resources", params={"limit": 100})) for _ in range(100)]
        memory = memory_mb([made.pid])
    return [
        Figure("1,000 Resources applied and active", f"{few:.1f} s", "< 10 s"),
        Figure("10,000 Resources applied and active", f"{many:.1f} s", "linear", f"{many / few:.1f} times as long"),
        Figure("get among 10,000 Resources, p99", f"{percentile(get, 0.99):.0f} ms", "< 50 ms", over_http(get)),
        Figure("list among 10,000, a page of 100, p99", f"{percentile(page, 0.99):.0f} ms", "< 50 ms", over_http(page)),
        Figure("server with 10,000 Resources", f"{memory:.0f} MB", "-"),
        Figure("start after kill -9 with 1,000 Resources", f"{kill_s:.2f} s", "< 2 s", recovered),
    ]


def timed_ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def over_http(values: list[float]) -> str:
    return f"over HTTP; median {percentile(values, 0.5):.0f} ms"


def crash(made: Installation) -> tuple[float, str]:
    """Kill a server whose 1,000 Resources were all asked to look again, and start it: seconds until it answers and all
    are settled."""
    os.kill(made.pid, signal.SIGKILL)
    started = time.perf_counter()
    made.up()
    up = time.perf_counter() - started
    client = made.client()
    wait_until(lambda: settled(client, "secret", 1000), 60)
    return time.perf_counter() - started, f"of these `dataos up` {up:.2f} s"


def bench_schedules() -> list[Figure]:
    """10,000 scheduled Workflows: what they cost while none is due, and how late 60 of them are, one each second."""
    begin = datetime.now(UTC) + timedelta(seconds=400)

    def make(number: int) -> dict[str, Any]:
        if number < 60:
            at = begin + timedelta(seconds=number)
            cron = f"{at.second} {at.minute} {at.hour} {at.day} {at.month} *"
        else:
            cron = f"0 {number % 60} {number % 24} 1 1 *"
        schedule = {"cron": cron, "timezone": "UTC", "concurrencyPolicy": "Forbid"}
        return workflow(f"w{number}", schedule=schedule)

    with fresh() as made:
        seconds = apply_all(made, 10_000, make)
        before = cpu_s(made.pid)
        time.sleep(20)
        idle = (cpu_s(made.pid) - before) / 20
        if datetime.now(UTC) >= begin:
            late = "not measured: applying took longer than until their ticks"
        else:
            client = made.client()
            wait_until(lambda: datetime.now(UTC) > begin + timedelta(seconds=65), 600)
            delays = [tick_delay_ms(client, f"w{n}") for n in range(60)]
            late = f"{percentile(delays, 0.99):.0f} ms"
        return [
            Figure("10,000 scheduled Workflows applied and active", f"{seconds:.1f} s", "linear"),
            Figure("CPU while 10,000 schedules are idle", f"{idle * 100:.1f} % of one core", "-"),
            Figure("lateness of a tick among 10,000 schedules, p99 of 60", late, "< 100 ms", "tick to stored run"),
        ]


def tick_delay_ms(client: Client, name: str) -> float:
    """How long after its tick the newest run of a Workflow was stored."""
    (run, *_) = client.runs("workflow", name, "public")["items"]
    created, tick = datetime.fromisoformat(run["created"]), datetime.fromisoformat(run["scheduled"])
    return (created - tick).total_seconds() * 1000


def bench_executions() -> list[Figure]:
    """1,000 executions that do nothing in one minute: how long after each was asked for its process started."""
    with fresh() as made:
        client = made.client()
        for number in range(50):
            schedule = {"cron": "0 0 1 1 *", "timezone": "UTC", "concurrencyPolicy": "Allow"}
            client.apply(workflow(f"w{number}", schedule=schedule))
        wait_until(lambda: settled(client, "workflow", 50), 60)
        before = cpu_s(made.pid)
        started = time.monotonic()
        for number in range(1000):
            pause = started + number * 0.06 - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            client.ask_runtime("workflow", f"w{number % 50}", "public", "run")
        asked = time.monotonic() - started
        wait_until(lambda: len(exit_records(made)) >= 1000, 300)
        all_s = time.monotonic() - started
        delays = start_delays(client, made)
        share = (cpu_s(made.pid) - before) / all_s
        return [
            Figure(
                "1,000 executions that do nothing, asked for in one minute",
                f"{all_s:.0f} s",
                "60 s",
                f"asking took {asked:.0f} s; server {share * 100:.0f} % of one core",
            ),
            Figure(
                "start delay among them, p99",
                f"{percentile(delays, 0.99) * 1000:.0f} ms",
                "< 500 ms",
                f"asked for to process started; median {percentile(delays, 0.5) * 1000:.0f} ms",
            ),
        ]


def exit_records(made: Installation) -> list[Path]:
    return list((made.home / "work").glob("*/exit.json"))


def start_delays(client: Client, made: Installation) -> list[float]:
    """Seconds from each run's creation to the start of its process."""
    created: dict[str, float] = {}
    for number in range(50):
        for run in client.runs("workflow", f"w{number}", "public", limit=200)["items"]:
            created[run["id"]] = datetime.fromisoformat(run["created"]).timestamp()
    delays: list[float] = []
    for file in exit_records(made):
        run_id = file.parent.name.partition("-")[0]
        if run_id in created:
            delays.append(json.loads(file.read_text())["started_at"] / 1e6 - created[run_id])
    return delays


LAYERS, WIDTH = 20, 50


def layered(make: Callable[[int, int, list[str]], dict[str, Any]]) -> list[dict[str, Any]]:
    """1,000 jobs in 20 layers of 50; each depends on two of the layer above it."""
    jobs: list[dict[str, Any]] = []
    for layer in range(LAYERS):
        for place in range(WIDTH):
            above = [f"j{layer - 1}-{(place + k) % WIDTH}" for k in range(2)] if layer else []
            jobs.append(make(layer, place, above))
    return jobs


PREFECT = """
import sys, time
from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

@task
def job(above):
    return None

@flow(task_runner=ThreadPoolTaskRunner(max_workers=8), log_prints=False)
def layered():
    before = []
    for layer in range(20):
        now = []
        for place in range(50):
            above = [before[(place + k) % 50] for k in range(2)] if before else []
            now.append(job.submit(above))
        before = now
    for future in before:
        future.wait()

started = time.perf_counter()
layered()
print("seconds", time.perf_counter() - started)
"""


def bench_big_dag() -> list[Figure]:
    """A DAG of 1,000 jobs that do nothing; beside Prefect 3, whose tasks are threads of one process."""

    def job(layer: int, place: int, above: list[str]) -> dict[str, Any]:
        return {"name": f"j{layer}-{place}", "dependencies": above, "spec": {**SCRIPT, **SMALL}}

    with fresh() as made:
        client = made.client()
        started = time.perf_counter()
        client.apply(workflow("layered", dag=layered(job)))
        wait_until(lambda: client.resource("workflow", "layered", "public")["runtime"] in ("succeeded", "failed"), 900)
        ours = time.perf_counter() - started
        assert client.resource("workflow", "layered", "public")["runtime"] == "succeeded"
    theirs = prefect()
    beside = f"Prefect 3: {theirs:.1f} s (threads of one process), ratio {ours / theirs:.2f}" if theirs else NO_PREFECT
    return [Figure("a DAG of 1,000 jobs, a process in a sandbox each", f"{ours:.1f} s", "-", beside)]


NO_PREFECT = "Prefect 3 is not installed: `python -m venv` a folder, install it there, and set PREFECT_PYTHON"


def prefect() -> float | None:
    """Seconds for the same DAG in Prefect 3 with a local server, in the Python that PREFECT_PYTHON names."""
    python = os.environ.get("PREFECT_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory(prefix="dataos-bench-") as folder:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "PREFECT_HOME": folder,
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        done = subprocess.run(
            [python, "-c", PREFECT], env=env, capture_output=True, text=True, timeout=1800, check=False
        )
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return None
        return float(done.stdout.split("seconds")[-1])


BENCHES = {
    "apply": bench_apply,
    "schedules": bench_schedules,
    "executions": bench_executions,
    "big-dag": bench_big_dag,
}
