"""The loop itself: outcomes in one transaction with the end of the lease, timers on time, kicks never lost, faults."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa

from dataos.control.ports import Outcome
from dataos.control.reconciler import MAX_IN_FLIGHT, Reconciler
from dataos.core.bell import Bell
from dataos.core.clock import SystemClock
from dataos.core.errors import fail
from dataos.store import tables, upgrades, work
from dataos.store.database import Store
from dataos.store.work import Lease
from support import stores
from support.patience import FACTOR

Look = Callable[[str, Lease], Awaitable[Outcome]]


class Loop:
    """A reconciler whose one handler is the test's; `looked` counts the looks at each unit."""

    def __init__(self, store: Store, look: Look) -> None:
        self.store, self.clock, self.bell = store, SystemClock(), Bell()
        self.looked: Counter[str] = Counter()
        self._look = look
        self.reconciler = Reconciler(store, self.bell, self.clock, "me", {"u": self})

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        self.looked[unit_id] += 1
        return await self._look(unit_id, lease)

    async def wake(self, *units: str, delay_s: float = 0.0) -> None:
        def write(connection: sa.Connection) -> None:
            for unit in units:
                work.wake(connection, f"u:{unit}", self.clock.now_us(), delay_s=delay_s)

        await self.store.write(write)
        self.bell.ring()

    async def until(self, condition: Callable[[], bool], within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s * FACTOR):
            while not condition():
                await asyncio.sleep(0.005)

    async def row(self, unit: str) -> sa.Row | None:
        w = tables.work
        return await self.store.read(lambda c: c.execute(sa.select(w).where(w.c.unit == f"u:{unit}")).first())


@pytest.fixture
def store(tmp_path):
    made = Store(stores.url(tmp_path))
    upgrades.upgrade(made)
    yield made
    made.close()


def run(store: Store, look: Look, scenario: Callable[[Loop], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = Loop(store, look)
        running = asyncio.create_task(loop.reconciler.run())
        try:
            await scenario(loop)
        finally:
            loop.reconciler.stop()
            await running

    asyncio.run(main())


def put(key: str) -> Callable[[sa.Connection], None]:
    return lambda c: c.execute(tables.facts.insert().values(key=key, value="v"))


def facts(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(tables.facts.c.key)).scalars())


def test_what_a_look_came_to_is_written_with_the_end_of_its_lease(store):
    async def look(unit: str, lease: Lease) -> Outcome:
        return Outcome(write=put(unit))

    async def scenario(loop: Loop) -> None:
        await loop.wake("one", "two")
        await loop.until(lambda: loop.looked.total() == 2)
        while await loop.row("one") is not None or await loop.row("two") is not None:
            await asyncio.sleep(0.005)
        assert await store.read(facts) >= {"one", "two"}

    run(store, look, scenario)


def test_an_outcome_that_cannot_be_written_leaves_nothing_and_is_looked_at_again(store):
    async def look(unit: str, lease: Lease) -> Outcome:
        def write(connection: sa.Connection) -> None:
            put(f"{unit}-{loops[0].looked[unit]}")(connection)
            if loops[0].looked[unit] < 3:
                raise fail("store.full", "no room", retry=0.02)

        return Outcome(write=write)

    loops: list[Loop] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake("one")
        await loop.until(lambda: loop.looked["one"] == 3)
        while await loop.row("one") is not None:
            await asyncio.sleep(0.005)
        assert {f for f in await store.read(facts) if f.startswith("one")} == {"one-3"}

    run(store, look, scenario)


def test_a_look_that_crashes_is_noted_with_its_reason_and_backs_off(store):
    async def look(unit: str, lease: Lease) -> Outcome:
        raise ZeroDivisionError("nought")

    async def scenario(loop: Loop) -> None:
        await loop.wake("one")
        await loop.until(lambda: loop.looked["one"] >= 2)
        found = await loop.row("one")
        assert found is not None
        assert "ZeroDivisionError: nought" in found.error
        assert found.failures >= 1

    run(store, look, scenario)


def test_a_look_whose_lease_was_taken_over_writes_nothing(store):
    async def look(unit: str, lease: Lease) -> Outcome:
        if loops[0].looked[unit] == 1:
            await store.write(work.give_back, None)  # as if another server had given this one up

        def write(connection: sa.Connection) -> None:
            lease.check(connection)
            put(f"{unit}-{loops[0].looked[unit]}")(connection)

        return Outcome(write=write)

    loops: list[Loop] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake("one")
        await loop.until(lambda: loop.looked["one"] == 2)
        while await loop.row("one") is not None:
            await asyncio.sleep(0.005)
        assert {f for f in await store.read(facts) if f.startswith("one")} == {"one-2"}

    run(store, look, scenario)


def test_a_timer_shorter_than_the_poll_is_not_late_by_a_poll(store):
    async def look(unit: str, lease: Lease) -> Outcome:
        return Outcome(0.03 if loops[0].looked[unit] < 12 else None)

    loops: list[Loop] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake("one")
        await loop.until(lambda: loop.looked["one"] == 12, within_s=8.0)  # twelve polls would take longer

    run(store, look, scenario)


def test_kicks_are_not_lost_while_more_is_due_than_there_is_room_for(store):
    busy = [f"b{n:03}" for n in range(3 * MAX_IN_FLIGHT)]
    ended = [f"e{n:03}" for n in range(MAX_IN_FLIGHT + 5)]

    async def look(unit: str, lease: Lease) -> Outcome:
        await asyncio.sleep(0.02)
        if unit.startswith("e"):
            before_end.append(loops[0].looked.total())
        return Outcome(3600.0 if unit.startswith("e") else None)

    loops: list[Loop] = []
    before_end: list[int] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake(*ended, delay_s=3600.0)
        await loop.wake(*busy)
        for unit in ended:
            loop.reconciler.kick(f"u:{unit}")
        await loop.until(lambda: len(before_end) == len(ended))
        await loop.until(lambda: sum(loop.looked[b] for b in busy) == len(busy))

    run(store, look, scenario)


def test_a_moment_is_kept_where_the_look_took_its_time_to_be_written(store):
    """A tick must not come later by as long as the store stood still."""
    moments: list[int] = []

    async def look(unit: str, lease: Lease) -> Outcome:
        moments.append(loops[0].clock.now_us() + 30_000_000)
        outcome = Outcome(again_at_us=moments[-1])
        await asyncio.sleep(0.3)  # after it knew when
        return outcome

    loops: list[Loop] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake("one")
        while not moments or (row := await loop.row("one")).lease_owner is not None:
            await asyncio.sleep(0.005)
        assert abs(row.due_at - moments[0]) < 10

    run(store, look, scenario)


def test_leases_of_looks_in_progress_last_while_a_server_ends(store, monkeypatch):
    monkeypatch.setattr("dataos.control.reconciler.LEASE_S", 1.0)
    ended: list[str] = []

    async def look(unit: str, lease: Lease) -> Outcome:
        loops[0].reconciler.stop()
        await asyncio.sleep(2.5)
        return Outcome(write=lambda connection: (lease.check(connection), ended.append(unit)))

    loops: list[Loop] = []

    async def scenario(loop: Loop) -> None:
        loops.append(loop)
        await loop.wake("one")
        await loop.until(lambda: loop.looked["one"] == 1)
        for _ in range(20):  # another server takes what nobody holds
            await asyncio.sleep(0.1)
            assert await store.write(work.claim, "other", loop.clock.now_us(), 10_000_000, 10) == []
        await loop.until(lambda: bool(ended))

    run(store, look, scenario)
