"""Reading the outbox: what happened, in order, from where a reader stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.control.records import WITHHELD, layers, may_read_reports, thing_of
from dataos.core.addresses import resource_id
from dataos.core.clock import Clock, rfc3339
from dataos.governance import rules
from dataos.governance.policies import AccessObject
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

_e = tables.events
_r = tables.resources
_SETTLED_US = 5_000_000
_LOOK_S = 0.2
_ROUNDS = 50
"""So many pages are looked through for the newest events that somebody may know of."""


@dataclass(frozen=True)
class EventFilter:
    """What a reader wants to see; None means any."""

    type: str | None = None
    workspace: str | None = None
    name: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Happened:
    """One event, with what decides who may know of it. `thing`: None where it is about no Resource that is known."""

    seq: int
    kind: str
    body: dict[str, Any]
    owner: str = ""
    type: str | None = None
    name: str | None = None
    workspace: str | None = None
    thing: AccessObject | None = None
    published: bool = False
    """A data product that is no draft: whoever may open the Hub may know that something happened to it (ch09 3.6)."""

    def is_known_to(self, principal: Principal | None) -> bool:
        """Who may read a Resource may know what happened to it; workspaces are known to all, the rest to who maintains
        the installation. None: the platform itself."""
        if principal is None:
            return True
        if self.thing is not None:
            return rules.may_own(principal, self.owner, rules.READ, self.thing)
        return self.kind.startswith("workspace.") or rules.may(principal, rules.MAINTAIN)

    def told_to(self, principal: Principal | None) -> dict[str, Any]:
        """The event, without what jobs reported for who may not read their logs."""
        if self.thing is None or self.type != "workflow" or may_read_reports(principal, self.owner, self.thing):
            return self.body
        data = {k: WITHHELD if k in ("reason", "info") and v else v for k, v in self.body["data"].items()}
        return {**self.body, "data": data}


class Events:
    """Pages of events, and waiting for the next one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(
        self, wanted: EventFilter, after: int, limit: int, wait_s: float = 0.0, principal: Principal | None = None
    ) -> dict[str, Any]:
        """Events after a sequence number that the principal may know of (None: the platform itself), oldest first:
        {items, next}. Waits up to `wait_s` seconds for the first."""
        waited = 0.0
        while True:
            found, reached = await self._store.read(self._page, wanted, after, limit)
            items = [item.told_to(principal) for item in found if item.is_known_to(principal)]
            if items or waited >= wait_s:
                return {"items": items, "next": reached}
            after = reached
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S

    async def newest(self, wanted: EventFilter, limit: int, principal: Principal | None = None) -> dict[str, Any]:
        """The last events that the principal may know of, oldest first: {items, next}."""
        return await self._store.read(self._newest, wanted, limit, principal)

    async def happened(self, after: int, limit: int) -> tuple[list[Happened], int]:
        """Events after a sequence number, oldest first, whoever may know of them; and the number that was reached."""
        return await self._store.read(self._page, EventFilter(), after, limit)

    async def last(self) -> int:
        """The newest sequence number; 0 where nothing ever happened."""
        return (await self.kept())[1]

    async def kept(self) -> tuple[int, int]:
        """The oldest and the newest sequence number in the outbox; (0, 0) if it is empty."""
        row = await self._store.read(
            lambda connection: connection.execute(sa.select(sa.func.min(_e.c.seq), sa.func.max(_e.c.seq))).one()
        )
        return int(row[0] or 0), int(row[1] or 0)

    def _newest(
        self, connection: sa.Connection, wanted: EventFilter, limit: int, principal: Principal | None
    ) -> dict[str, Any]:
        last = int(connection.execute(sa.select(sa.func.max(_e.c.seq))).scalar() or 0)
        known = layers(connection)
        found: list[dict[str, Any]] = []
        before = last + 1
        for _ in range(_ROUNDS):
            query = self._query(wanted).where(_e.c.seq < before).order_by(_e.c.seq.desc()).limit(limit)
            rows = connection.execute(query).all()
            if not rows or len(found) >= limit:
                break
            items = [_happened(row, known) for row in rows]
            found += [item.told_to(principal) for item in items if item.is_known_to(principal)]
            before = rows[-1].seq
        return {"items": found[:limit][::-1], "next": last}

    def _page(
        self, connection: sa.Connection, wanted: EventFilter, after: int, limit: int
    ) -> tuple[list[Happened], int]:
        horizon = self._horizon(connection, after)
        query = self._query(wanted).where(_e.c.seq > after, _e.c.seq <= horizon)
        rows = connection.execute(query.order_by(_e.c.seq).limit(limit)).all()
        reached = rows[-1].seq if len(rows) == limit else max(after, horizon)
        known = layers(connection) if rows else {}
        return [_happened(row, known) for row in rows], int(reached)

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
        about = (_r.c.type, _r.c.version, _r.c.name, _r.c.workspace, _r.c.owner, _r.c.layer, _r.c.tags, _r.c.status)
        query = sa.select(_e, *about).outerjoin(_r, _r.c.uid == _e.c.uid)
        for column, value in (
            (_r.c.type, wanted.type),
            (_r.c.workspace, wanted.workspace),
            (_r.c.name, wanted.name),
            (_e.c.kind, wanted.kind),
        ):
            if value is not None:
                query = query.where(column == value)
        return query


def _happened(row: sa.Row[Any], known: Mapping[str, str]) -> Happened:
    if not row.type:
        return Happened(row.seq, row.kind, _event(row))
    thing = thing_of(row, known)
    published = row.type == "data" and row.status == "active"  # drafts wait
    return Happened(row.seq, row.kind, _event(row), row.owner, row.type, row.name, row.workspace, thing, published)


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
