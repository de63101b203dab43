"""A thousand Resources are under way when the server dies: nothing accepted is lost, nothing runs twice, all goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataos.client.api import Client
from dataos.core.errors import DataOSError
from support.server import Installation, alive, installation, wait_until

COUNT = 1000
WORKFLOWS = 20
THREADS = 4
RAN = """
import os, pathlib
with (pathlib.Path(os.environ["DATAOS_OUT_DIR"]) / "ran").open("a") as f:
    f.write("x")
"""


def document(number: int) -> dict[str, Any]:
    """Every fiftieth is a Workflow of two jobs, the others are Secrets."""
    name = f"r{number:04}"
    if number % (COUNT // WORKFLOWS):
        values = {"type": "key-value", "acl": "r", "data": {"a": name}}
        return {"name": name, "version": "v1", "type": "secret", "secret": values}
    spec = {
        "stack": "script",
        "compute": "runnable-default",
        "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}},
        "stackSpec": {"script": RAN},
    }
    dag = [{"name": "a", "spec": spec}, {"name": "b", "dependencies": ["a"], "spec": spec}]
    return {"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": dag}}


class Callers:
    """Threads that apply all documents, each on its own connection, until the server is gone."""

    def __init__(self, client: Client) -> None:
        self.accepted: set[str] = set()
        self._client = client
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._apply, args=(n,)) for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _apply(self, first: int) -> None:
        for number in range(first, COUNT, THREADS):
            try:
                answer = self._client.apply(document(number))
            except DataOSError:
                return
            with self._lock:
                self.accepted.add(answer["resource"]["name"])

    def join(self) -> None:
        for thread in self._threads:
            thread.join(120)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as installed:
        yield installed


def listed(made: Installation) -> dict[str, dict[str, Any]]:
    return {r["name"]: r for r in made.client().resources(workspace="public") if r["name"].startswith("r0")}


def ran(made: Installation) -> dict[str, str]:
    """How often each attempt's program ran."""
    return {p.parent.parent.name: p.read_text() for p in (made.home / "work").glob("*/out/ran")}


@pytest.mark.parametrize(
    ("after", "number"),
    [(COUNT * 2 // 5, signal.SIGKILL), (COUNT * 2 // 5, signal.SIGTERM), (COUNT, signal.SIGKILL)],
    ids=["killed-while-applying", "stopped-while-applying", "killed-at-work"],
)
def test_a_server_that_dies_with_a_thousand_resources_under_way_goes_on(made, after, number, capsys):
    pid, callers = made.pid, Callers(made.client())
    wait_until(lambda: len(callers.accepted) >= after, 300, "the calls")
    os.kill(pid, number)
    wait_until(lambda: not alive(pid), 60, "the server's end")
    callers.join()
    assert after <= len(callers.accepted) <= COUNT

    began = time.monotonic()
    made.up()
    up_s = time.monotonic() - began
    known = listed(made)
    assert callers.accepted <= known.keys(), "what was accepted is there"
    assert len(known) <= len(callers.accepted) + THREADS, "a call that was not answered did one thing or nothing"
    wait_until(lambda: all(r["status"] == "active" and r["settled"] for r in listed(made).values()), 120, "all active")
    with capsys.disabled():
        print(f"\n{len(known)} Resources: up in {up_s:.2f} s, all active in {time.monotonic() - began:.2f} s")

    rest = Callers(made.client())  # the same calls again: those that were stored change nothing
    rest.join()
    assert len(rest.accepted) == COUNT
    flows = [document(n)["name"] for n in range(0, COUNT, COUNT // WORKFLOWS)]
    wait_until(lambda: all(listed(made)[n]["runtime"] == "succeeded" for n in flows), 240, "the end of all runs")
    found = listed(made)
    assert len(found) == COUNT
    assert {r["generation"] for r in found.values()} == {1}
    assert all(r["status"] == "active" for r in found.values())
    assert len(ran(made)) == 2 * WORKFLOWS
    assert set(ran(made).values()) == {"x"}
