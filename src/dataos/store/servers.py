"""The servers that share this store: who is there, who was lost, and what becomes of its work.

A server proves its life by changing its `beat`; the others judge by their own monotonic clock (`Watch`), so that clocks
that differ between machines lose nobody. Declaring a server lost, and giving back all that it held, is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import fail
from dataos.store import tables, work

_s = tables.servers
_version = sa.table("alembic_version", sa.column("version_num"))

_ALL = sa.select(_s)
_BEAT = (
    _s.update()
    .where(_s.c.id == sa.bindparam("of_server"))
    .values(state=sa.bindparam("as_state"), beat=_s.c.beat + 1, seen_at=sa.bindparam("now"))
)
_REVISION = sa.select(_version.c.version_num)

RUNNING, STOPPED, LOST, GONE = "running", "stopped", work.LOST, work.GONE
"""Gone: stopped in order, and not back within the time to live. Lost and gone servers hold nothing any more."""

_GIVEN_UP = work.GIVEN_UP


@dataclass(frozen=True)
class Server:
    """One start of one server. `id` belongs to the home for good, `incarnation` to this process."""

    id: str
    incarnation: str
    host: str
    version: str


@dataclass(frozen=True)
class Beat:
    """What a sign of life brought back."""

    lost: bool  # the others had given this server up; its work is theirs
    superseded: bool  # another process beats under this server's id
    revision: str | None  # of the store's schema, now
    others: Mapping[str, int]  # beats of the servers that count as there


def register(connection: sa.Connection, me: Server, url: str, now_us: int, ttl_us: int) -> bool:
    """Be there. True if the others had given this server up since its last life.

    Raises DataOSError `server.duplicate` if a server with this id lives on another machine (a copied home).
    """
    row = connection.execute(sa.select(_s).where(_s.c.id == me.id)).first()
    values: dict[str, Any] = {
        "incarnation": me.incarnation,
        "state": RUNNING,
        "beat": (row.beat if row else 0) + 1,
        "seen_at": now_us,
        "started_at": now_us,
        "url": url,
        "host": me.host,
        "version": me.version,
    }
    if row is None:
        connection.execute(_s.insert().values(id=me.id, **values))
        return False
    if row.state == RUNNING and row.host != me.host and now_us - row.seen_at < ttl_us:
        raise fail(
            "server.duplicate",
            f"a server with the id of this home runs on {row.host} ({row.url})",
            hint="this home is a copy of that one: remove its file server.id and start again",
        )
    connection.execute(_s.update().where(_s.c.id == me.id).values(**values))
    return row.state in _GIVEN_UP


def beat(connection: sa.Connection, me: Server, now_us: int) -> Beat:
    """A sign of life; the answer says how the others stand."""
    rows = {row.id: row for row in connection.execute(_ALL).all()}
    mine = rows.pop(me.id, None)
    superseded = mine is None or mine.incarnation != me.incarnation
    if not superseded:
        connection.execute(_BEAT, {"of_server": me.id, "as_state": RUNNING, "now": now_us})
    return Beat(
        lost=mine is not None and mine.state in _GIVEN_UP,
        superseded=superseded,
        revision=connection.execute(_REVISION).scalar(),
        others={row.id: row.beat for row in rows.values() if row.state not in _GIVEN_UP},
    )


def declare_lost(connection: sa.Connection, server_id: str, seen_beat: int, now_us: int) -> bool:
    """Give up a server whose beat is still the one that was seen, and take back all that it held. False if it lives."""
    row = connection.execute(sa.select(_s.c.beat, _s.c.state).where(_s.c.id == server_id)).first()
    if row is None or row.beat != seen_beat or row.state in _GIVEN_UP:
        return False
    after = GONE if row.state == STOPPED else LOST
    connection.execute(_s.update().where(_s.c.id == server_id).values(state=after))
    work.give_up(connection, server_id, now_us)
    return True


def leave(connection: sa.Connection, me: Server, now_us: int) -> None:
    """An orderly end. Leases go back at once; its jobs stay its own until the others give it up."""
    connection.execute(
        _s.update()
        .where(_s.c.id == me.id, _s.c.incarnation == me.incarnation)
        .values(state=STOPPED, beat=_s.c.beat + 1, seen_at=now_us)
    )
    work.give_back(connection, me.id)


def listing(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    """All servers that ever were, newest sign of life first."""
    return connection.execute(sa.select(_s).order_by(_s.c.seen_at.desc(), _s.c.id)).all()


class Watch:
    """Decides which servers are lost: those whose beat did not change during `ttl_s` of our own unbroken watching.

    Where our own looks were apart (the store was away, this process stood still), nobody is judged by what we missed.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._seen: dict[str, tuple[int, float]] = {}
        self._last: float | None = None

    def look(self, now_s: float, beats: Mapping[str, int]) -> list[tuple[str, int]]:
        """(id, beat) of the lost ones, at monotonic time `now_s`."""
        if self._last is not None and now_s - self._last > self._ttl_s / 2:
            self._seen.clear()
        self._last = now_s
        self._seen = {
            server: (beat, self._seen[server][1] if self._seen.get(server, (None,))[0] == beat else now_s)
            for server, beat in beats.items()
        }
        return [(server, beat) for server, (beat, since) in self._seen.items() if now_s - since >= self._ttl_s]
