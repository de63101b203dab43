"""What is kept, and for how long: finished one-shot Workflows, deleted Resources, events, answers of repeatable calls.

`run` is called by the server every hour; `collect_garbage` by an operator. Both are idempotent and small: a page at a
time, each in its own transaction, so that a server that dies in between goes on at the next hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from dataos.control import bounds, idempotency, records
from dataos.control.resources import Resources
from dataos.core import logs
from dataos.core.addresses import ResourceKey
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import UserId
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)
_r = tables.resources
_PAGE = 200
LAYERS = ("user", "system")
ENDED = ("succeeded", "failed", "aborted")
"""Runtimes of a one-shot Workflow that is over; a scheduled one reads `next:...`."""


class Upkeep:
    """Removes what is over. Durations in seconds."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        resources: Resources,
        *,
        keep_finished_s: float,
        keep_deleted_s: float,
        keep_events_s: float,
        chores: Sequence[Callable[[], Awaitable[object]]] = (),
        often: Sequence[Callable[[], Awaitable[object]]] = (),
        row_bounds: bounds.Bounds | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._resources = resources
        self._keep_finished_s = keep_finished_s
        self._keep_deleted_us = int(keep_deleted_s * 1e6)
        self._keep_events_us = int(keep_events_s * 1e6)
        self._chores = chores  # what other rooms remove now and then
        self._often = often  # what may fill a disk between two rounds
        self._row_bounds = row_bounds

    async def forever(self, every_s: float = 3600.0) -> None:
        """A round now and then, until cancelled. A failed round is said in the log; the next one finds the same."""
        while True:
            try:
                await self.run()
            except DataOSError as error:
                _log.warning("upkeep failed", error=str(error))
            await asyncio.sleep(every_s)

    async def look_often(self, every_s: float = 30.0) -> None:
        """What cannot wait for the next round, until cancelled."""
        while True:
            for chore in self._often:
                try:
                    await chore()
                except (DataOSError, OSError) as error:
                    _log.warning("upkeep failed", error=str(error))
            await asyncio.sleep(every_s)

    async def run(self) -> dict[str, int]:
        """One round: {finished, purged, events}: one-shot Workflows that were deleted since their time was over (ch01
        5.3), deleted Resources that are forgotten now, and old events that went."""
        now = self._clock.now_us()
        finished = 0
        if self._keep_finished_s > 0:
            for layer in LAYERS:
                finished += len(await self._collect(UserId(records.PLATFORM), self._keep_finished_s, layer))
        for chore in self._chores:
            await chore()
        await self._store.write(idempotency.forget, now)
        purged = 0
        while found := await self._store.write(self._purge, now - self._keep_deleted_us):
            purged += found
        events = await self._store.write(self._forget_events, now - self._keep_events_us)
        trimmed = await bounds.trim(self._store, self._row_bounds, now) if self._row_bounds is not None else {}
        return {"finished": finished, "purged": purged, "events": events + trimmed.get("events", 0)}

    @staticmethod
    def _purge(connection: sa.Connection, before: int) -> int:
        """Forget a page of Resources deleted before that moment, with their runs and history."""
        gone = list(
            connection.execute(
                sa.select(_r.c.uid).where(_r.c.live_key.is_(None), _r.c.deleted_at < before).limit(_PAGE)
            ).scalars()
        )
        if not gone:
            return 0
        runs = sa.select(tables.runs.c.id).where(tables.runs.c.uid.in_(gone))
        for table in (tables.attempts, tables.jobs):
            connection.execute(table.delete().where(table.c.run_id.in_(runs)))
        for table in (
            tables.runs,
            tables.schedules,
            tables.generations,
            tables.product_refs,
            tables.product_marks,
            tables.products,
        ):
            connection.execute(table.delete().where(table.c.uid.in_(gone)))
        e = tables.events
        last = connection.execute(sa.select(sa.func.max(e.c.seq))).scalar() or 0  # its number is not given again
        connection.execute(e.delete().where(e.c.uid.in_(gone), e.c.seq < last, e.c.pending.is_not(True)))
        connection.execute(_r.delete().where(_r.c.uid.in_(gone)))
        return len(gone)

    @staticmethod
    def _forget_events(connection: sa.Connection, before: int) -> int:
        """The newest event always stays: its number says where readers are."""
        e = tables.events
        last = connection.execute(sa.select(sa.func.max(e.c.seq))).scalar() or 0
        return connection.execute(e.delete().where(e.c.at < before, e.c.seq < last, e.c.pending.is_not(True))).rowcount

    async def collect_garbage(self, principal: Principal, older_s: float, layer: str) -> list[str]:
        """Delete one-shot Workflows of a layer whose last run ended longer ago than that; their ids.

        Raises DataOSError `auth.forbidden`, `request.invalid`. What something depends on is left.
        """
        rules.require(principal, "collect garbage", rules.MAINTAIN)
        if layer not in LAYERS:
            raise fail("request.invalid", f"layer `{layer}` is not allowed", hint=f"allowed: {', '.join(LAYERS)}")
        return await self._collect(UserId(principal.user_id), older_s, layer)

    async def _collect(self, actor: UserId, older_s: float, layer: str) -> list[str]:
        before = self._clock.now_us() - int(older_s * 1e6)
        removed: list[str] = []
        for row in await self._store.read(self._finished, before, layer):
            key = ResourceKey(row.type, row.name, row.workspace)
            try:
                still = partial(self._is_finished, row.uid, before, layer)  # a run may have been asked for meanwhile
                result = await self._resources.delete(key, actor, expected_generation=row.generation, only_if=still)
            except DataOSError as error:
                _log.warning("garbage is left", resource=str(key), code=error.problem.code)
                continue
            if result == "nothing":
                continue
            removed.append(records.summary(row)["id"])
        return removed

    def _is_finished(self, uid: str, before: int, layer: str, connection: sa.Connection) -> bool:
        return bool(self._finished(connection, before, layer, uid))

    @staticmethod
    def _finished(connection: sa.Connection, before: int, layer: str, uid: str | None = None) -> list[sa.Row[Any]]:
        """All that are over; of one Resource if `uid` is given."""
        runs = tables.runs
        ended = sa.select(sa.func.max(runs.c.finished_at)).where(runs.c.uid == _r.c.uid).scalar_subquery()
        goes_on = sa.exists().where(runs.c.uid == _r.c.uid, runs.c.finished_at.is_(None))
        query = sa.select(_r).where(
            _r.c.type == "workflow",
            _r.c.layer == layer,
            _r.c.live_key.is_not(None),
            _r.c.deleting_at.is_(None),
            _r.c.parent_uid.is_(None),
            _r.c.status == "active",
            _r.c.runtime.in_(ENDED),
            ended < before,
            ~goes_on,
        )
        if uid is not None:
            query = query.where(_r.c.uid == uid)
        return list(connection.execute(query.order_by(_r.c.live_key)))
