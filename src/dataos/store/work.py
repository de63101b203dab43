"""Due rows, leases and fences: which unit needs a reconciler's look, and who is looking.

A unit (`resource:<uid>`, `run:<id>`, `job:<run>/<name>`) has a row while it needs work. Waking it is part of the
transaction that makes it need work. A claim takes a lease with a fencing token; what the holder writes checks the token
first (`Lease.check`), so that a holder that was too slow cannot write over its successor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail
from dataos.store import tables
from dataos.store.database import ring_after_commit

_w = tables.work

# Statements of every look, built once: building one costs more than running it.
_UNIT = _w.c.unit == sa.bindparam("of_unit")
_FENCE = sa.select(_w.c.fence).where(_UNIT)
_ROW = sa.select(_w).where(_UNIT)
_INSERT = _w.insert()
_UPDATE = _w.update().where(_UNIT)
_DELETE = _w.delete().where(_UNIT)
_NEXT_DUE = sa.select(sa.func.min(_w.c.due_at)).where(_w.c.due_at > sa.bindparam("now"))
_STATE_OF = sa.select(tables.servers.c.state).where(tables.servers.c.id == sa.bindparam("of_server"))


def _due(or_kicked: bool) -> sa.Select[Any, Any, Any, Any]:
    """Units to take: the oldest due first; those of the list `kicks` before them, due or not."""
    now = sa.bindparam("now")
    kicked = _w.c.unit.in_(sa.bindparam("kicks", expanding=True))
    free = sa.or_(_w.c.lease_until.is_(None), _w.c.lease_until < now)
    ours = sa.or_(_w.c.server.is_(None), _w.c.server == sa.bindparam("owner"))
    due = _w.c.due_at <= now
    return (
        sa.select(_w.c.unit, _w.c.fence, _w.c.wakes, _w.c.failures)
        .where(sa.or_(due, kicked) if or_kicked else due, free, ours)
        .order_by(*([sa.case((kicked, 0), else_=1)] if or_kicked else []), _w.c.due_at)
        .limit(sa.bindparam("most"))
        .with_for_update(skip_locked=True)
    )


_DUE, _DUE_OR_KICKED = _due(or_kicked=False), _due(or_kicked=True)


_WAITING_US = 300 * 1_000_000
"""Longer than any handler waits between two looks at something that it waits for."""


SET_BACK_US = 1_000_000
"""A clock that went back by more was set; less is its correction while it runs."""


LOST, GONE = "lost", "gone"
GIVEN_UP = (LOST, GONE)
"""States of servers (`store.servers`) that hold nothing any more."""


class StaleLease(DataOSError):
    """The lease was lost; whoever holds it now does the work."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a unit until it expires or is taken over."""

    unit: str
    owner: str
    fence: int
    wakes: int
    failures: int

    def check(self, connection: sa.Connection) -> None:
        """Raise StaleLease unless this is still the newest claim. First statement of every unit of work of a holder."""
        fence = connection.execute(_FENCE, {"of_unit": self.unit}).scalar()
        if fence != self.fence:
            raise StaleLease(fail("store.stale_lease", f"the lease on {self.unit} was taken over").problem)


def wake(connection: sa.Connection, unit: str, now_us: int, *, delay_s: float = 0.0) -> None:
    """Make a unit due (never later than it already is)."""
    due = now_us + int(delay_s * 1_000_000)
    if delay_s <= 0:
        ring_after_commit(connection)
    row = connection.execute(_ROW, {"of_unit": unit}).first()
    if row is None:
        # Fences begin with the time: a row that comes back must not repeat a number that somebody may still hold.
        fresh = {"unit": unit, "due_at": due, "fence": now_us, "wakes": 1, "failures": 0, "error": "",
                 "reckoned_at": now_us}  # fmt: skip
        connection.execute(_INSERT, fresh)
    else:
        change = {
            "of_unit": unit,
            "due_at": min(row.due_at, due),
            "wakes": row.wakes + 1,
            "reckoned_at": now_us,
        }
        connection.execute(_UPDATE, change)


def claim(
    connection: sa.Connection, owner: str, now_us: int, lease_us: int, limit: int, kicked: Iterable[str] = ()
) -> list[Lease]:
    """Take up to `limit` due units (or kicked ones) that nobody holds, and that are not bound to another server.
    Kicked ones first (what ended makes room for others), then the oldest due."""
    wanted: dict[str, Any] = {"now": now_us, "owner": owner, "most": limit}
    kicks = list(kicked)
    rows = connection.execute(*((_DUE_OR_KICKED, {**wanted, "kicks": kicks}) if kicks else (_DUE, wanted))).all()
    leases: list[Lease] = []
    for row in rows:
        held = {"of_unit": row.unit, "lease_owner": owner, "lease_until": now_us + lease_us, "fence": row.fence + 1}
        connection.execute(_UPDATE, held)
        leases.append(Lease(row.unit, owner, row.fence + 1, row.wakes, row.failures))
    return leases


def next_due(connection: sa.Connection, now_us: int) -> int | None:
    """When the next unit becomes due, after now."""
    return connection.execute(_NEXT_DUE, {"now": now_us}).scalar()


def renew(connection: sa.Connection, owner: str, units: Iterable[str], until_us: int) -> None:
    """Extend the leases that `owner` still holds."""
    connection.execute(
        _w.update().where(_w.c.lease_owner == owner, _w.c.unit.in_(list(units))).values(lease_until=until_us)
    )


def finish(connection: sa.Connection, lease: Lease, now_us: int, again_s: float | None, error: str = "") -> int | None:
    """Give a lease back: the unit goes (`again_s` None), or is due again later. A wake in between keeps it due now.
    Returns when it is due, None if it went or is somebody else's now."""
    row = connection.execute(_ROW, {"of_unit": lease.unit}).first()
    if row is None or row.fence != lease.fence:
        return None
    woken = row.wakes != lease.wakes
    if again_s is None and not woken and not error:
        connection.execute(_DELETE, {"of_unit": lease.unit})
        return None
    due = now_us if woken else now_us + int((again_s or 0.0) * 1_000_000)
    connection.execute(
        _UPDATE,
        {
            "of_unit": lease.unit,
            "due_at": due,
            "reckoned_at": now_us,
            "lease_owner": None,
            "lease_until": None,
            "failures": lease.failures + 1 if error else 0,
            "error": error[:2000],
        },
    )
    return due


def bind(connection: sa.Connection, lease: Lease, server: str | None) -> None:
    """From now on only `server` may look at the leased unit (its process runs there); None: any server again.

    Raises DataOSError `store.stale_lease` if the others gave that server up and it did not hear of it yet: if it died
    now, nobody would take the unit back.
    """
    if server is not None and connection.execute(_STATE_OF, {"of_server": server}).scalar() in GIVEN_UP:
        text = f"the other servers gave server {server} up"
        raise fail("store.stale_lease", text, hint="it hears of it with its next sign of life, and goes on", retry=1.0)
    connection.execute(_UPDATE, {"of_unit": lease.unit, "server": server})


def take_over(connection: sa.Connection, owner: str, now_us: int, *, alone: bool) -> None:
    """At the start of a server: give back every lease of its earlier life (`alone`: of anybody's, there is no other
    server), and make due what waits for something: it gets a look at what happened while this server was away. What is
    due later than in a few minutes waits for a time of day (a schedule), and that has not changed; unless it was
    reckoned by a clock that was set back meanwhile."""
    give_back(connection, None if alone else owner)
    if alone:
        connection.execute(_w.update().where(_w.c.server != owner).values(server=None))
    soon = sa.or_(_w.c.due_at <= now_us + _WAITING_US, _by_another_clock(now_us))
    connection.execute(_w.update().where(_w.c.due_at > now_us, soon).values(due_at=now_us, reckoned_at=now_us))


def set_back(connection: sa.Connection, now_us: int, lease_us: int) -> None:
    """The clock was set back: what was reckoned by the old time would come too late. Every unit gets a look, and no
    lease lasts longer than one that is taken now."""
    connection.execute(_w.update().where(_w.c.due_at > now_us).values(due_at=now_us, reckoned_at=now_us))
    _shorten_leases(connection, now_us, lease_us)


def mend_late(connection: sa.Connection, now_us: int, lease_us: int) -> None:
    """As `set_back`, for what was reckoned by the old time and written after that."""
    late = _w.update().where(_w.c.due_at > now_us, _by_another_clock(now_us))
    if connection.execute(late.values(due_at=now_us, reckoned_at=now_us)).rowcount:
        ring_after_commit(connection)
    _shorten_leases(connection, now_us, lease_us)


def _by_another_clock(now_us: int) -> sa.ColumnElement[bool]:
    """Was it reckoned by a clock that was ahead of this one?"""
    return _w.c.reckoned_at > now_us + SET_BACK_US


def _shorten_leases(connection: sa.Connection, now_us: int, lease_us: int) -> None:
    connection.execute(_w.update().where(_w.c.lease_until > now_us + lease_us).values(lease_until=now_us + lease_us))


def give_back(connection: sa.Connection, owner: str | None) -> None:
    """Free the leases of a server (None: all). The fence moves on: a look that still goes on there cannot write."""
    held = _w.c.lease_owner.is_not(None) if owner is None else _w.c.lease_owner == owner
    connection.execute(_w.update().where(held).values(lease_owner=None, lease_until=None, fence=_w.c.fence + 1))
    ring_after_commit(connection)


def give_up(connection: sa.Connection, server: str, now_us: int) -> None:
    """A server is lost: its leases are free, and the units of its processes are anybody's, at once."""
    give_back(connection, server)
    connection.execute(_w.update().where(_w.c.server == server).values(server=None, due_at=now_us))


def take_back(connection: sa.Connection, unit: str, server: str) -> bool:
    """A server that was given up, and lives: the unit of a process of its is its own again, unless somebody else looks
    at it, or has begun something with it, already. False if so."""
    row = connection.execute(_ROW, {"of_unit": unit}).first()
    if row is None or row.server == server:
        return True
    if row.server is not None or row.lease_owner not in (None, server):
        return False
    connection.execute(_UPDATE, {"of_unit": unit, "server": server})
    return True


def claimable(connection: sa.Connection, now_us: int) -> int:
    """How many units are due or being looked at now (for tests and health)."""
    due = sa.or_(_w.c.due_at <= now_us, _w.c.lease_until.is_not(None))
    return int(connection.execute(sa.select(sa.func.count()).select_from(_w).where(due)).scalar() or 0)
