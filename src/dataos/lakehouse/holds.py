"""Holding off the deletion of table files while somebody copies them (a backup).

A hold is a fact in the store with a moment at which it ends by itself, so that a holder that died holds nothing for
long. What was noted as garbage before the hold may still be deleted, and is needed by nobody who looks at the store
after the hold began; what becomes garbage later is not touched (docs/decisions/0008).
"""

from __future__ import annotations

import sqlalchemy as sa

from dataos.store import tables

_f = tables.facts
_PREFIX = "files-hold:"


def hold(connection: sa.Connection, holder: str, until_us: int) -> None:
    """Begin or prolong a hold."""
    key = _PREFIX + holder
    done = connection.execute(_f.update().where(_f.c.key == key).values(value=str(until_us)))
    if not done.rowcount:
        connection.execute(_f.insert().values(key=key, value=str(until_us)))


def release(connection: sa.Connection, holder: str) -> None:
    """End a hold; one that is gone is fine."""
    connection.execute(_f.delete().where(_f.c.key == _PREFIX + holder))


def until(connection: sa.Connection, now_us: int) -> int | None:
    """When the last living hold ends by itself (UTC microseconds); None if none is there. Dead ones are forgotten by
    `forget`."""
    found = connection.execute(sa.select(_f.c.value).where(_f.c.key.startswith(_PREFIX))).scalars()
    living = [int(value) for value in found if int(value) > now_us]
    return max(living, default=None)


def forget(connection: sa.Connection) -> None:
    """Remove all holds: in a copy of a store, whose holders are not there."""
    connection.execute(_f.delete().where(_f.c.key.startswith(_PREFIX)))
