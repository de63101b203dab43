"""The loop: claim due units, hand each to its handler, write down when to look again.

A claim and the outcome of a look need not reach the disk at once: a start after a loss of power looks at everything
again, and comes to the same.

A bell shortens waiting, polling every second finds what a lost ring missed. Each unit is worked on by one task at a
time (its lease); a handler that raises is retried with back-off. Broad excepts live here, by name: this is the boundary
where an exception becomes a recorded outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from dataos.control.ports import Outcome, UnitHandler
from dataos.core import logs
from dataos.core.bell import Bell
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.store import work
from dataos.store.database import Store
from dataos.store.work import Lease, StaleLease

_log = logs.get(__name__)

POLL_S = 1.0
LEASE_S = 60.0
MAX_IN_FLIGHT = 64
_MAX_BACKOFF_S = 60.0
_NEVER_US = 2**63
_LATE_S = 300.0  # longer than a unit of work waits for the store


class Reconciler:
    """One per server. `owner` names this server in leases."""

    def __init__(
        self,
        store: Store,
        bell: Bell,
        clock: Clock,
        owner: str,
        handlers: Mapping[str, UnitHandler],
        looked: Callable[[str, float, str], None] = lambda unit, seconds, failure: None,
    ) -> None:
        """`looked` hears of each look: kind of unit, seconds, error code or nothing."""
        self._looked = looked
        self.looked_at = time.monotonic()
        """When the loop last went round: it does so every second at least."""
        self._store = store
        self._bell = bell
        self._clock = clock
        self._owner = owner
        self._handlers = handlers
        self._kicked: set[str] = set()
        self._tasks: dict[Lease, asyncio.Task[None]] = {}
        self._wait_until = _NEVER_US  # when the loop looks again by itself, in the clock's time
        self._stopping = False
        self._latest_us = 0
        self._set_back_until = 0.0  # until when what was reckoned before the clock was set back may still be written

    def kick(self, unit: str) -> None:
        """Look at a unit now, without a store write: for wake-ups that a poll would find anyway."""
        self._kicked.add(unit)
        self._bell.ring()

    async def run(self) -> None:
        """Work until `stop`. Begins with a look at every unit that has work."""
        self._latest_us = self._clock.now_us()  # the clock may be set back before the first round
        await self._store.write(work.take_over, self._owner, self._latest_us, alone=self._store.is_sqlite)
        renewal = asyncio.create_task(self._renew_leases())
        try:
            while not self._stopping:
                self._wait_until = _NEVER_US  # what becomes due during the round rings, whenever it is
                due = await self._round()
                now = self._clock.now_us()
                self._wait_until = min(due or _NEVER_US, now + int(POLL_S * 1e6))
                if self._wait_until > now:
                    await self._bell.wait((self._wait_until - now) / 1e6)
        finally:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)  # their leases last as long as they
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    def stop(self) -> None:
        """End after the looks in progress."""
        self._stopping = True
        self._bell.ring()

    async def _round(self) -> int | None:
        """Claim what is due as far as there is room, and begin to look at it. Returns when the next unit is due, if
        one is: a timer is not late by a poll."""
        self.looked_at = time.monotonic()
        room = MAX_IN_FLIGHT - len(self._tasks)
        if room <= 0:
            return None
        busy = self._kicked & self._units()  # looked at again when that look ends
        kicked, self._kicked = self._kicked - busy, busy
        now = self._clock.now_us()
        try:
            await self._mend_times(now)
            leases, due = await self._store.write_deferred(self._claim, now, room, kicked)
        except DataOSError as error:
            _log.error("claiming work failed", error=str(error))
            return None
        if len(leases) == room:  # there may be more: what was kicked and not claimed comes first in the next round
            self._kicked |= kicked - {lease.unit for lease in leases}
        for lease in leases:
            task = asyncio.create_task(self._look(lease), name=lease.unit)
            self._tasks[lease] = task
            task.add_done_callback(lambda _, lease=lease: self._ended(lease))
        return due

    async def _mend_times(self, now: int) -> None:
        """Where the clock was set back, nothing waits for its old time; nor does what was reckoned by that and is
        written only now."""
        passed = asyncio.get_running_loop().time()
        if now < self._latest_us - work.SET_BACK_US:
            _log.warning("the clock was set back: every unit gets a look", seconds=(self._latest_us - now) / 1e6)
            await self._store.write(work.set_back, now, int(LEASE_S * 1e6))
            self._set_back_until = passed + _LATE_S
        elif passed < self._set_back_until:
            await self._store.write_deferred(work.mend_late, now, int(LEASE_S * 1e6))
        self._latest_us = now

    def _claim(
        self, connection: sa.Connection, now: int, room: int, kicked: set[str]
    ) -> tuple[list[Lease], int | None]:
        leases = work.claim(connection, self._owner, now, int(LEASE_S * 1e6), room, kicked)
        return leases, work.next_due(connection, now)

    def _units(self) -> set[str]:
        """Units that are looked at. One may be twice: where a lease ran out, and its look still goes on."""
        return {lease.unit for lease in self._tasks}

    def _ended(self, lease: Lease) -> None:
        full = len(self._tasks) >= MAX_IN_FLIGHT
        self._tasks.pop(lease, None)
        if full or self._stopping or lease.unit in self._kicked:
            self._bell.ring()

    async def _look(self, lease: Lease) -> None:
        """One look, its outcome written with the end of the lease. A fault on the way becomes a later look."""
        prefix, _, unit_id = lease.unit.partition(":")
        handler = self._handlers.get(prefix)
        logs.bind(unit=lease.unit, run=unit_id.partition("/")[0] if prefix in ("run", "job") else None)
        began, failure = time.perf_counter(), ""
        try:
            if handler is None:
                raise fail("server.internal", f"no handler for {prefix}", retry=_MAX_BACKOFF_S)
            outcome = await handler.reconcile(unit_id, lease)
            due = await self._store.write_deferred(end_look, lease, outcome, self._clock.now_us())
        except StaleLease:
            due = await self._give_back(lease, 0.0, "")
        except DataOSError as error:
            delay = error.problem.retry or self._backoff(lease)
            failure = error.problem.code
            _log.warning("look failed", code=error.problem.code, error=str(error), again_s=delay)
            due = await self._give_back(lease, delay, str(error))
        except Exception as error:  # noqa: BLE001 - named boundary: one unit's bug must not stop the loop
            delay = self._backoff(lease)
            failure = "crash"
            _log.error("look crashed", again_s=delay, exc_info=error)
            due = await self._give_back(lease, delay, f"{type(error).__name__}: {error}")
        self._looked(prefix if handler is not None else "unknown", time.perf_counter() - began, failure)
        if due is not None and due < self._wait_until:
            self._bell.ring()

    async def _give_back(self, lease: Lease, again_s: float, error: str) -> int | None:
        try:
            return await self._store.write_deferred(end_look, lease, Outcome(again_s), self._clock.now_us(), error)
        except DataOSError as failure:
            # the lease runs out and another look finds the unit as it is
            _log.error("giving back a lease failed", unit=lease.unit, error=str(failure))
            return None

    @staticmethod
    def _backoff(lease: Lease) -> float:
        return min(_MAX_BACKOFF_S, 0.5 * 2.0 ** min(lease.failures, 10))

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 4)
            if self._tasks:
                until = self._clock.now_us() + int(LEASE_S * 1e6)
                try:
                    await self._store.write_deferred(work.renew, self._owner, sorted(self._units()), until)
                except DataOSError as error:
                    _log.warning("renewing leases failed", error=str(error))


def end_look(connection: sa.Connection, lease: Lease, outcome: Outcome, now_us: int, error: str = "") -> int | None:
    """Write what a look came to and give its lease back, in one transaction. Returns when the unit is due again."""
    if outcome.write is not None:
        outcome.write(connection)
    again_s = outcome.again_s
    if outcome.again_at_us is not None:
        again_s = max(0.0, (outcome.again_at_us - now_us) / 1e6)
    return work.finish(connection, lease, now_us, again_s, error)
