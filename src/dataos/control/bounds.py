"""Upper bounds on rows that grow by themselves. A page per transaction; the oldest go first, nothing in use goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from dataos.store import tables
from dataos.store.database import Store

PAGE = 1000
_SPENT_US = 7 * 24 * 3600 * 1_000_000
"""A spent token of an attempt, and the note that its view of the catalog is closed, stay for so long after it."""


@dataclass(frozen=True)
class Bounds:
    """How many rows may stay."""

    events: int
    idempotency_keys: int
    generations: int


async def trim(store: Store, bounds: Bounds, now_us: int) -> dict[str, int]:
    """Remove what is too much. Returns how many rows went, by name."""
    steps: dict[str, Callable[[sa.Connection], int]] = {
        "events": lambda c: _trim_events(c, bounds.events),
        "idempotency_keys": lambda c: _trim_idempotency(c, bounds.idempotency_keys),
        "generations": lambda c: _trim_generations(c, bounds.generations),
        "tokens": lambda c: _forget_tokens(c, now_us - _SPENT_US),
        "publications": lambda c: _forget_publications(c, now_us - _SPENT_US),
    }
    removed: dict[str, int] = {}
    for name, step in steps.items():
        removed[name] = 0
        while gone := await store.write(step):
            removed[name] += gone
    return removed


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many rows there are, by the name of their quota; events are taken as many as their numbers say."""
    e, i, r = tables.events, tables.idempotency, tables.runs
    first, last = connection.execute(sa.select(sa.func.min(e.c.seq), sa.func.max(e.c.seq))).one()
    return {
        "events": 0 if last is None else last - first + 1,
        "idempotency_keys": connection.execute(sa.select(sa.func.count()).select_from(i)).scalar_one(),
        "runs": connection.execute(sa.select(sa.func.count()).select_from(r).where(r.c.parent.is_(None))).scalar_one(),
    }


def _trim_events(connection: sa.Connection, keep: int) -> int:
    e = tables.events
    last = connection.execute(sa.select(sa.func.max(e.c.seq))).scalar() or 0
    old = sa.select(e.c.seq).where(e.c.seq <= last - keep, e.c.pending.is_not(True)).order_by(e.c.seq).limit(PAGE)
    return connection.execute(e.delete().where(e.c.seq.in_(old.scalar_subquery()))).rowcount


def _trim_idempotency(connection: sa.Connection, keep: int) -> int:
    i = tables.idempotency
    count = connection.execute(sa.select(sa.func.count()).select_from(i)).scalar_one()
    if count <= keep:
        return 0
    old = sa.select(i.c.key).order_by(i.c.created_at).limit(min(PAGE, count - keep))
    return connection.execute(i.delete().where(i.c.key.in_(old.scalar_subquery()))).rowcount


def _trim_generations(connection: sa.Connection, keep: int) -> int:
    """Never the newest ones, nor one that a kept run was made of."""
    g, r, runs = tables.generations, tables.resources, tables.runs
    used = sa.select(runs.c.id).where(runs.c.uid == g.c.uid, runs.c.generation == g.c.generation).exists()
    old = (
        sa.select(g.c.uid, g.c.generation)
        .join(r, r.c.uid == g.c.uid)
        .where(g.c.generation <= r.c.generation - keep, ~used)
        .limit(PAGE)
    )
    rows = connection.execute(old).all()
    for row in rows:
        connection.execute(g.delete().where(g.c.uid == row.uid, g.c.generation == row.generation))
    return len(rows)


def _forget_tokens(connection: sa.Connection, before: int) -> int:
    t = tables.tokens
    spent = sa.select(t.c.id).where(t.c.kind == "attempt", t.c.revoked_at < before).limit(PAGE)
    return connection.execute(t.delete().where(t.c.id.in_(spent.scalar_subquery()))).rowcount


def _forget_publications(connection: sa.Connection, before: int) -> int:
    p, a = tables.publications, tables.attempts
    known = sa.select(a.c.id).where(a.c.id == p.c.attempt_id).exists()
    old = sa.select(p.c.attempt_id).where(p.c.settled_at < before, ~known).limit(PAGE)
    return connection.execute(p.delete().where(p.c.attempt_id.in_(old.scalar_subquery()))).rowcount
