"""A server killed at any named moment leaves a catalog that is right, and files that are orphans at worst."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dataos.core.ids import AttemptId
from integration.lakehouse.helpers import Server, client, ids_of, rows
from support.patience import deadline
from support.ports import free_port

TESTS = Path(__file__).parents[2]


@contextmanager
def doomed(server: Server, deadly: str) -> Iterator[Server]:
    """A second server process on the same store; armed, it dies at the checkpoint."""
    port = free_port()
    database = server.store.url.database
    assert database is not None
    process = subprocess.Popen(
        [sys.executable, "-m", "integration.lakehouse.serve", database, str(port), deadly],
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = deadline(30)
        while True:
            try:
                httpx.get(f"{url}/docs")
                break
            except httpx.TransportError:
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.05)
        yield Server(f"{url}/iceberg", server.catalog, server.store, server.root)
        assert process.wait(10) == -signal.SIGKILL, "the checkpoint was not reached"
    finally:
        process.kill()
        process.wait()


def arm(server: Server) -> None:
    httpx.post(server.url.replace("/iceberg", "/arm"))


@pytest.mark.parametrize(("deadly", "committed"), [("iceberg.before-commit", False), ("iceberg.after-commit", True)])
def test_killed_around_a_commit(server: Server, orders: str, deadly: str, committed: bool) -> None:
    with doomed(server, deadly) as dying:
        table = client(dying).load_table(orders)
        arm(dying)
        with pytest.raises(Exception, match="onnection aborted"):
            table.append(rows(3))
    assert ids_of(server, orders) == ([1, 2, 3] if committed else [1, 2])
    client(server).load_table(orders).append(rows(4))
    assert ids_of(server, orders) == ([1, 2, 3, 4] if committed else [1, 2, 4])


@pytest.mark.parametrize("deadly", ["iceberg.before-commit", "iceberg.after-commit"])
def test_killed_around_a_held_commit(server: Server, orders: str, deadly: str) -> None:
    with doomed(server, deadly) as dying:
        table = client(dying, "attempt:a1").load_table(orders)
        arm(dying)
        with pytest.raises(Exception, match="onnection aborted"):
            table.append(rows(3))
    asyncio.run(server.catalog.abandon(AttemptId("a1")))
    assert ids_of(server, orders) == [1, 2]
    table = client(server, "attempt:a2").load_table(orders)
    table.append(rows(3))
    server.store.write_sync(server.catalog.publish, AttemptId("a2"))
    assert ids_of(server, orders) == [1, 2, 3]


@pytest.mark.parametrize("deadly", ["iceberg.before-publish", "iceberg.after-publish"])
@pytest.mark.parametrize("moved", [False, True])
def test_killed_around_publish(server: Server, orders: str, deadly: str, moved: bool) -> None:
    job = client(server, "attempt:a1")
    job.load_table(orders).append(rows(3))
    job.create_table("sales.new", rows().schema).append(rows(9))
    if moved:
        client(server).load_table(orders).append(rows(4))
    with doomed(server, deadly) as dying:
        arm(dying)
        with pytest.raises(httpx.TransportError):
            httpx.post(dying.url.replace("/iceberg", "/publish"), params={"attempt": "a1"}, timeout=20)
    before = [1, 2, 4] if moved else [1, 2]
    assert ids_of(server, orders) == before, "the unit of work was not committed"
    assert client(server).list_tables("sales") == [("sales", "orders")]
    for _ in range(2):
        asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
        server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    assert ids_of(server, orders) == sorted([*before, 3])
    assert ids_of(server, "sales.new") == [9]
