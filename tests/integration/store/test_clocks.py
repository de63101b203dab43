"""One time for all servers of a store: the database's."""

import time
from datetime import UTC, datetime

import sqlalchemy as sa

from dataos.core.clock import ManualClock, SystemClock, to_us
from dataos.store import upgrades
from dataos.store.clocks import DatabaseClock
from dataos.store.database import Store
from support import stores


def opened(folder) -> Store:
    store = Store(stores.url(folder))
    upgrades.upgrade(store)
    return store


def test_the_databases_time_counts_whatever_this_machines_clock_says(tmp_path):
    store, local = opened(tmp_path), ManualClock(datetime(2001, 1, 1, tzinfo=UTC))
    try:
        clock = DatabaseClock(local)
        clock.measure(store)
        if store.is_sqlite:  # the database is this machine's own
            assert clock.now() == local.now()
            local.advance(-3600)
            assert clock.now_us() == local.now_us()
            return
        there = to_us(store.read_sync(lambda c: c.execute(sa.select(sa.func.clock_timestamp())).scalar_one()))
        assert abs(clock.now_us() - there) < 1_000_000
        before = clock.now_us()
        local.advance(86_400)
        assert 0 <= clock.now_us() - before < 1_000_000
        clock.measure(store)
        assert 0 <= clock.now_us() - before < 2_000_000
    finally:
        store.close()


def test_time_passes_between_two_measurements(tmp_path):
    store, passed = opened(tmp_path), [100.0]
    try:
        clock = DatabaseClock(SystemClock(), lambda: passed[0])
        clock.measure(store)
        before = clock.now_us()
        passed[0] += 5.0
        if not store.is_sqlite:
            assert clock.now_us() - before == 5_000_000
            clock.measure(store)  # five seconds that did not pass in the database are taken back
            assert abs(clock.now_us() - before) < 2_000_000
        assert abs(clock.now_us() / 1e6 - time.time()) < 5
    finally:
        store.close()
