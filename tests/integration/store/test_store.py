"""The store on SQLite: units of work, leases, migrations, portable SQL."""

import asyncio
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from dataos.core.errors import DataOSError, Problem
from dataos.store import tables, upgrades, work
from dataos.store.database import Store, takes_longer
from dataos.store.work import StaleLease
from support import stores

NOW = 1_000_000


@pytest.fixture
def store(tmp_path):
    made = Store(stores.url(tmp_path))
    upgrades.upgrade(made)
    yield made
    made.close()


def test_the_migrations_make_exactly_the_tables_of_the_code(store):
    def compare(connection):
        return compare_metadata(MigrationContext.configure(connection), tables.metadata)

    assert store.read_sync(compare) == []


def test_a_second_upgrade_does_nothing_and_a_newer_store_is_refused(store):
    upgrades.upgrade(store)
    version = sa.table("alembic_version", sa.column("version_num"))
    store.write_sync(lambda c: c.execute(version.update().values(version_num="9999")))
    with pytest.raises(DataOSError) as caught:
        upgrades.upgrade(store)
    assert caught.value.problem.code == "store.newer"


def test_every_table_can_be_made_on_postgresql():
    for table in tables.metadata.sorted_tables:
        assert "CREATE TABLE" in str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))


def test_no_database_defaults():
    for table in tables.metadata.sorted_tables:
        assert [c.name for c in table.columns if c.server_default is not None] == []


def test_a_unit_of_work_that_raises_leaves_nothing(store):
    def half(connection):
        connection.execute(tables.facts.insert().values(key="a", value="b"))
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        store.write_sync(half)
    assert store.read_sync(lambda c: c.execute(sa.select(tables.facts)).all()) == []


def test_a_read_sees_one_snapshot_while_writes_go_on(store):
    async def scenario():
        def slow(connection):
            first = len(connection.execute(sa.select(tables.facts)).all())
            store.write_sync(lambda c: c.execute(tables.facts.insert().values(key="x", value="y")))
            return first, len(connection.execute(sa.select(tables.facts)).all())

        return await store.read(slow)

    assert asyncio.run(scenario()) == (0, 0)


def wake(store, unit, at=NOW):
    store.write_sync(work.wake, unit, at)


def claim(store, owner="a", at=NOW, limit=10, kicked=()):
    return store.write_sync(work.claim, owner, at, 1000, limit, kicked)


def test_a_unit_is_claimed_by_one_until_its_lease_ends(store):
    wake(store, "u:1")
    (first,) = claim(store)
    assert claim(store, "b") == []
    (second,) = claim(store, "b", NOW + 2000)
    assert second.fence == first.fence + 1
    with pytest.raises(StaleLease):
        store.write_sync(lambda c: first.check(c))
    store.write_sync(lambda c: second.check(c))


def test_a_lease_on_a_row_that_went_and_came_back_is_stale(store):
    wake(store, "u:1")
    (first,) = claim(store)
    (second,) = claim(store, "b", NOW + 2000)
    store.write_sync(work.finish, second, NOW + 2000, None)
    wake(store, "u:1", NOW + 3000)
    (third,) = claim(store, "b", NOW + 3000)
    for stale in (first, second):
        with pytest.raises(StaleLease):
            store.write_sync(lambda c, stale=stale: stale.check(c))
    store.write_sync(lambda c: third.check(c))


@pytest.mark.sqlite
def test_a_commit_that_makes_something_due_rings(store):
    rung: list[str] = []
    store.on_ring = lambda: rung.append("ring")
    store.write_sync(lambda c: c.execute(tables.facts.insert().values(key="k", value="v")))
    assert rung == []
    wake(store, "u:1")
    assert rung == ["ring"]

    def undone(connection):
        work.wake(connection, "u:2", NOW)
        raise ValueError

    with pytest.raises(ValueError):
        store.write_sync(undone)
    assert rung == ["ring"]


def test_a_clock_that_was_set_back_keeps_nothing_waiting(store):
    later = NOW + 3_600_000_000
    wake(store, "u:due-later", later)
    wake(store, "u:held")
    (held,) = claim(store)
    assert held.unit == "u:held"
    store.write_sync(work.renew, "a", ["u:held"], later)
    store.write_sync(work.set_back, NOW, 1000)
    assert [lease.unit for lease in claim(store, "b")] == ["u:due-later"]
    assert "u:held" in [lease.unit for lease in claim(store, "b", NOW + 1001)]


def test_a_start_after_the_clock_was_set_back_makes_everything_due(store):
    store.write_sync(lambda c: work.wake(c, "u:nightly", NOW, delay_s=3600.0))
    wake(store, "u:1", NOW + 3_600_000_000)  # by a clock that is an hour ahead
    store.write_sync(work.take_over, "a", NOW, alone=True)
    assert [lease.unit for lease in claim(store)] == ["u:1"]


def test_finishing_a_stale_lease_changes_nothing(store):
    wake(store, "u:1")
    (first,) = claim(store)
    (second,) = claim(store, "b", NOW + 2000)
    store.write_sync(work.finish, first, NOW + 2000, None)
    store.write_sync(lambda c: second.check(c))


def test_a_wake_during_a_look_is_not_lost(store):
    wake(store, "u:1")
    (lease,) = claim(store)
    wake(store, "u:1", NOW + 5)
    store.write_sync(work.finish, lease, NOW + 10, None)
    assert [again.unit for again in claim(store, at=NOW + 10)] == ["u:1"]


def test_a_finished_unit_has_no_row_and_a_later_look_waits(store):
    wake(store, "u:1")
    wake(store, "u:2")
    one, two = claim(store)
    store.write_sync(work.finish, one, NOW, None)
    store.write_sync(work.finish, two, NOW, 3.0)
    assert claim(store, at=NOW + 2_900_000) == []
    assert [again.unit for again in claim(store, at=NOW + 3_000_000)] == ["u:2"]


def test_failures_are_counted_in_a_row(store):
    wake(store, "u:1")
    for expected in range(3):
        (lease,) = claim(store)
        assert lease.failures == expected
        store.write_sync(work.finish, lease, NOW, 0.0, "boom")
    (lease,) = claim(store)
    store.write_sync(work.finish, lease, NOW, 0.0)
    assert claim(store)[0].failures == 0


def test_a_kick_claims_a_unit_that_is_not_due(store):
    wake(store, "u:1", NOW + 10**9)
    assert claim(store) == []
    assert [k.unit for k in claim(store, kicked=["u:1", "u:unknown"])] == ["u:1"]


def test_kicked_units_come_before_older_ones(store):
    for number in range(3):
        wake(store, f"u:{number}", NOW - 1000 + number)
    wake(store, "u:ended", NOW + 10**9)
    assert [k.unit for k in claim(store, limit=2, kicked=["u:ended"])] == ["u:ended", "u:0"]


def test_a_restarted_owner_gets_its_units_back_at_once(store):
    wake(store, "u:1")
    claim(store)
    store.write_sync(lambda c: work.wake(c, "u:2", NOW, delay_s=60.0))
    store.write_sync(lambda c: work.wake(c, "u:nightly", NOW, delay_s=3600.0))
    store.write_sync(work.take_over, "a", NOW, alone=False)
    assert [k.unit for k in claim(store)] == ["u:1", "u:2"]


@pytest.mark.sqlite
def test_a_full_disk_is_a_coded_problem(tmp_path, store):
    def fill(connection):
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.execute(tables.facts.insert().values(key="k", value="v" * 100_000))

    with pytest.raises(DataOSError) as caught:
        store.write_sync(fill)
    assert caught.value.problem.code == "store.full"


def test_a_deferred_write_is_seen_at_once_and_waits_for_no_disk_of_its_own(store):
    def how(connection):
        asked = "PRAGMA synchronous" if store.is_sqlite else "SHOW synchronous_commit"
        return str(connection.exec_driver_sql(asked).scalar())

    def put(connection, key):
        connection.execute(tables.facts.insert().values(key=key, value="v"))
        return how(connection)

    def keys(connection):
        return set(connection.execute(sa.select(tables.facts.c.key)).scalars())

    async def scenario():
        assert await store.write_deferred(put, "deferred") == ("1" if store.is_sqlite else "on")
        assert "deferred" in await store.read(keys)
        assert await store.write(put, "durable") == ("2" if store.is_sqlite else "on")
        with pytest.raises(ZeroDivisionError):
            await store.write_deferred(lambda c: (put(c, "undone"), 1 // 0))
        assert await store.read(keys) >= {"deferred", "durable"}
        assert "undone" not in await store.read(keys)

    asyncio.run(scenario())


def test_a_look_needs_no_other_thread_until_it_takes_longer(store):
    threads: list[bool] = []

    def look(connection, longer):
        threads.append(threading.current_thread() is threading.main_thread())
        if longer:
            takes_longer(connection)
        return connection.execute(sa.select(tables.facts.c.value).where(tables.facts.c.key == "k")).scalar()

    async def scenario():
        await store.write(lambda c: c.execute(tables.facts.insert().values(key="k", value="v")))
        assert await store.look(look, False) == "v"
        assert await store.look(look, True) == "v"

    asyncio.run(scenario())
    assert threads == ([True, True, False] if store.is_sqlite else [False, False])


def test_a_look_that_fails_says_why(store):
    def wrong(connection):
        raise DataOSError(Problem("store.full", "as the function says"))

    async def scenario():
        with pytest.raises(DataOSError, match="as the function says"):
            await store.look(wrong)
        with pytest.raises((DataOSError, DBAPIError), match=r"nothing|nowhere"):
            await store.look(lambda c: c.exec_driver_sql("SELECT nothing FROM nowhere"))

    asyncio.run(scenario())


@pytest.mark.sqlite
def test_a_look_does_not_wait_in_the_event_loop(tmp_path, store):
    """Another program holds the file alone: whoever looks waits for it in a worker thread."""
    held = sqlite3.connect(store.url.database, isolation_level=None)
    asyncio.run(store.look(lambda c: c.execute(sa.select(tables.facts)).all()))
    store.close()
    held.execute("PRAGMA locking_mode=EXCLUSIVE")
    held.execute("BEGIN EXCLUSIVE")
    held.execute("UPDATE facts SET value = value")
    again = Store(store.url.render_as_string(hide_password=False))
    ticks: list[float] = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def scenario():
        ticking = asyncio.create_task(tick())
        looking = asyncio.create_task(again.look(lambda c: c.execute(sa.select(tables.facts)).all()))
        await asyncio.sleep(0.3)
        assert not looking.done()
        assert len(ticks) > 3
        held.execute("COMMIT")
        held.close()
        await looking
        ticking.cancel()

    asyncio.run(scenario())
    again.close()
