"""This server among the others: its sign of life, its watch over theirs, and what follows from both.

On SQLite a server is alone: it registers and says no more. On PostgreSQL a server whose beat stood still for the time
to live is given up by whoever sees it first (`store.servers`); a server that was given up while it only stood still
hears of it with its next beat, and lets go of what is not its own any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from dataos.core import logs
from dataos.core.clock import rfc3339
from dataos.core.errors import DataOSError, fail
from dataos.store import servers
from dataos.store.clocks import DatabaseClock
from dataos.store.database import Store

_log = logs.get(__name__)
BEATS_PER_LIFE = 7
_SHOW_LOST_US = 3600 * 1_000_000


class Membership:
    """One per server. `given_up` is called when the others took this server's work over."""

    def __init__(
        self,
        store: Store,
        clock: DatabaseClock,
        me: servers.Server,
        *,
        ttl_s: float,
        revision: str,
        given_up: Callable[[], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self.me = me
        self._ttl_s = ttl_s
        self._revision = revision
        self._given_up = given_up
        self._monotonic = monotonic
        self._watch = servers.Watch(ttl_s)

    async def register(self, url: str) -> None:
        """Be there. Raises DataOSError `server.duplicate`."""
        ttl_us = int(self._ttl_s * 1e6)
        await self._store.write(servers.register, self.me, url, self._clock.now_us(), ttl_us)

    async def run(self) -> None:
        """Beat and watch until cancelled. Raises DataOSError `server.duplicate`, `store.newer`: then this server must
        end, because another has taken its place or its schema."""
        if self._store.is_sqlite:
            return
        while True:
            await asyncio.sleep(self._ttl_s / BEATS_PER_LIFE)
            try:
                await self._beat()
            except DataOSError as error:
                if error.problem.retry is None:
                    raise
                _log.warning("no sign of life could be given", error=str(error))

    async def _beat(self) -> None:
        await asyncio.to_thread(self._clock.measure, self._store)
        beat = await self._store.write(servers.beat, self.me, self._clock.now_us())
        if beat.superseded:
            raise fail("server.duplicate", "another process runs under the id of this home", hint="see file server.id")
        if beat.revision != self._revision:
            raise fail(
                "store.newer",
                f"the store was upgraded to revision {beat.revision} under this server (it knows {self._revision})",
                hint="start the newer version here too",
            )
        if beat.lost:
            _log.warning("the other servers had given this one up: it lets go of what they took over")
            await self._given_up()
        for server, seen in self._watch.look(self._monotonic(), beat.others):
            if await self._store.write(servers.declare_lost, server, seen, self._clock.now_us()):
                _log.warning("a server is lost: its work goes on elsewhere", server=server)

    async def leave(self) -> None:
        """An orderly end."""
        await self._store.write(servers.leave, self.me, self._clock.now_us())

    async def health(self) -> list[dict[str, Any]]:
        """A line per server that is or should be there."""
        rows = await self._store.read(servers.listing)
        forgotten = self._clock.now_us() - _SHOW_LOST_US
        return [
            {
                "name": f"server {row.id}",
                "ok": row.state != servers.LOST,
                "detail": f"{row.state} {row.url} {row.version} on {row.host}, started {rfc3339(row.started_at)}, "
                f"seen {rfc3339(row.seen_at)}",
            }
            for row in rows
            if row.state == servers.RUNNING or (row.state == servers.LOST and row.seen_at > forgotten)
        ]
