"""Reading the outbox: what happened, in order, from where a reader stopped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import resource_id
from dataos.core.clock import Clock, rfc3339
from dataos.store import tables
from dataos.store.database import Store

_e = tables.events
_r = tables.resources
_SETTLED_US = 5_000_000
_LOOK_S = 0.2


@dataclass(frozen=True)
class EventFilter:
    """What a reader wants to see; None means any."""

    type: str | None = None
    workspace: str | None = None
    name: str | None = None
    kind: str | None = None


class Events:
    """Pages of events, and waiting for the next one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, wanted: EventFilter, after: int, limit: int, wait_s: float = 0.0) -> dict[str, Any]:
        """Events after a sequence number, oldest first: {items, next}. Waits up to `wait_s` seconds for the first."""
        waited = 0.0
        while True:
            items, reached = await self._store.read(self._page, wanted, after, limit)
            if items or waited >= wait_s:
                return {"items": items, "next": reached}
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S

    async def newest(self, wanted: EventFilter, limit: int) -> dict[str, Any]:
        """The last events, oldest first: {items, next}."""
        return await self._store.read(self._newest, wanted, limit)

    def _newest(self, connection: sa.Connection, wanted: EventFilter, limit: int) -> dict[str, Any]:
        rows = connection.execute(self._query(wanted).order_by(_e.c.seq.desc()).limit(limit)).all()[::-1]
        last = int(connection.execute(sa.select(sa.func.max(_e.c.seq))).scalar() or 0)
        return {"items": [_event(row) for row in rows], "next": last}

    def _page(
        self, connection: sa.Connection, wanted: EventFilter, after: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        horizon = self._horizon(connection, after)
        query = self._query(wanted).where(_e.c.seq > after, _e.c.seq <= horizon)
        rows = connection.execute(query.order_by(_e.c.seq).limit(limit)).all()
        reached = rows[-1].seq if len(rows) == limit else max(after, horizon)
        return [_event(row) for row in rows], int(reached)

    def _horizon(self, connection: sa.Connection, after: int) -> int:
        """The highest number a reader may pass: writers of one database commit out of order, so a young gap may still
        be filled (an old one is a transaction that was undone)."""
        settled = self._clock.now_us() - _SETTLED_US
        last = int(
            connection.execute(sa.select(sa.func.max(_e.c.seq)).where(_e.c.at <= settled, _e.c.seq > after)).scalar()
            or after
        )
        for seq in connection.execute(sa.select(_e.c.seq).where(_e.c.seq > last).order_by(_e.c.seq)).scalars():
            if seq != last + 1:
                break
            last = seq
        return last

    @staticmethod
    def _query(wanted: EventFilter) -> sa.Select[Any]:
        query = sa.select(_e, _r.c.type, _r.c.version, _r.c.name, _r.c.workspace).outerjoin(_r, _r.c.uid == _e.c.uid)
        for column, value in (
            (_r.c.type, wanted.type),
            (_r.c.workspace, wanted.workspace),
            (_r.c.name, wanted.name),
            (_e.c.kind, wanted.kind),
        ):
            if value is not None:
                query = query.where(column == value)
        return query


def _event(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": rfc3339(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "uid": row.uid,
        "id": resource_id(row.type, row.version, row.name, row.workspace) if row.type else row.data.get("id"),
        "data": row.data,
    }
