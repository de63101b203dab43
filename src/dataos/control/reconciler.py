"""The loop: claim due units, hand each to its handler, write down when to look again.

A bell shortens waiting, polling every second finds what a lost ring missed. Each unit is worked on by one task at a
time (its lease); a handler that raises is retried with back-off. Broad excepts live here, by name: this is the boundary
where an exception becomes a recorded outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dataos.control.ports import UnitHandler
from dataos.core import logs
from dataos.core.bell import Bell
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError
from dataos.store import work
from dataos.store.database import Store
from dataos.store.work import Lease, StaleLease

_log = logs.get(__name__)

POLL_S = 1.0
LEASE_S = 60.0
MAX_IN_FLIGHT = 64
_MAX_BACKOFF_S = 60.0


class Reconciler:
    """One per server. `owner` names this server in leases."""

    def __init__(self, store: Store, bell: Bell, clock: Clock, owner: str, handlers: Mapping[str, UnitHandler]) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._owner = owner
        self._handlers = handlers
        self._kicked: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def kick(self, unit: str) -> None:
        """Look at a unit now, without a store write: for wake-ups that a poll would find anyway."""
        self._kicked.add(unit)
        self._bell.ring()

    async def run(self) -> None:
        """Work until `stop`. Begins with a look at every unit that has work."""
        await self._store.write(work.take_over, self._owner, self._clock.now_us(), alone=self._store.is_sqlite)
        renewal = asyncio.create_task(self._renew_leases())
        try:
            while not self._stopping:
                started = await self._round()
                if started < MAX_IN_FLIGHT:
                    await self._bell.wait(await self._until_due())
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, *self._tasks.values(), return_exceptions=True)

    def stop(self) -> None:
        """End after the looks in progress."""
        self._stopping = True
        self._bell.ring()

    async def _until_due(self) -> float:
        """Seconds until the next unit is due, at most POLL_S: a timer is not late by a poll."""
        now = self._clock.now_us()
        try:
            due = await self._store.read(work.next_due, now)
        except DataOSError:  # said when the next claim fails
            return POLL_S
        return POLL_S if due is None else min(POLL_S, (due - now) / 1e6)

    async def _round(self) -> int:
        room = MAX_IN_FLIGHT - len(self._tasks)
        if room <= 0:
            return 0
        busy = {unit for unit in self._kicked if unit in self._tasks}  # looked at again when that look ends
        kicked, self._kicked = self._kicked - busy, busy
        try:
            leases = await self._store.write(
                work.claim, self._owner, self._clock.now_us(), int(LEASE_S * 1e6), room, kicked
            )
        except DataOSError as error:
            _log.error("claiming work failed", error=str(error))
            return 0
        for lease in leases:
            task = asyncio.create_task(self._look(lease), name=lease.unit)
            self._tasks[lease.unit] = task
            task.add_done_callback(lambda _, unit=lease.unit: self._ended(unit))
        return len(leases)

    def _ended(self, unit: str) -> None:
        self._tasks.pop(unit, None)
        self._bell.ring()

    async def _look(self, lease: Lease) -> None:
        again, error = await self._handle(lease)
        try:
            await self._store.write(work.finish, lease, self._clock.now_us(), again, error)
        except DataOSError as failure:
            # the lease runs out and another look finds the unit as it is
            _log.error("giving back a lease failed", unit=lease.unit, error=str(failure))

    async def _handle(self, lease: Lease) -> tuple[float | None, str]:
        prefix, _, unit_id = lease.unit.partition(":")
        handler = self._handlers.get(prefix)
        if handler is None:
            _log.error("no handler for unit", unit=lease.unit)
            return _MAX_BACKOFF_S, f"no handler for {prefix}"
        try:
            return await handler.reconcile(unit_id, lease), ""
        except StaleLease:
            return 0.0, ""
        except DataOSError as error:
            delay = error.problem.retry or self._backoff(lease)
            _log.warning("look failed", unit=lease.unit, code=error.problem.code, error=str(error), again_s=delay)
            return delay, str(error)
        except Exception as error:  # noqa: BLE001 - named boundary: one unit's bug must not stop the loop
            delay = self._backoff(lease)
            _log.error("look crashed", unit=lease.unit, again_s=delay, exc_info=error)
            return delay, f"{type(error).__name__}: {error}"

    @staticmethod
    def _backoff(lease: Lease) -> float:
        return min(_MAX_BACKOFF_S, 0.5 * 2.0 ** min(lease.failures, 10))

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 4)
            if self._tasks:
                until = self._clock.now_us() + int(LEASE_S * 1e6)
                try:
                    await self._store.write(work.renew, self._owner, list(self._tasks), until)
                except DataOSError as error:
                    _log.warning("renewing leases failed", error=str(error))
