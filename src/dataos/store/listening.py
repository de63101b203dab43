"""Hearing other servers: LISTEN on a connection of its own, which comes back by itself.

Only shortens waiting: the reconciler polls besides. A ring may be lost while the connection is away, so that coming
back counts as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dataos.core import logs
from dataos.store.database import RING_CHANNEL, Store, postgresql_arguments

_log = logs.get(__name__)
_AGAIN_S = 1.0
_PROBE_S = 30.0


class Listener:
    """Calls `ring` whenever any server committed due work. Does nothing on SQLite: there is no other server."""

    def __init__(self, store: Store, ring: Callable[[], None]) -> None:
        self._store = store
        self._ring = ring
        self.connected = False

    async def run(self) -> None:
        """Listen until cancelled."""
        if self._store.is_sqlite:
            return
        import psycopg  # a driver that servers on SQLite never load

        while True:
            try:
                await self._listen(psycopg)
            except (psycopg.Error, OSError) as error:
                if self.connected:
                    _log.warning("lost the bell of the other servers", reason=" ".join(str(error).split())[:200])
                self.connected = False
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, psycopg: Any) -> None:
        url = self._store.url
        arguments = {**postgresql_arguments(url), **url.query}
        # the driver's names; None means its own default (environment, password file)
        parts = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
        arguments |= {key: value for key, value in parts.items() if value is not None}
        if url.password is not None:
            arguments["password"] = url.password
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **arguments)
        async with connection:
            await connection.execute(f"LISTEN {RING_CHANNEL}")
            self.connected = True
            self._ring()  # what was rung while nobody listened
            while True:
                heard = False
                async for _ in connection.notifies(timeout=_PROBE_S, stop_after=1):
                    heard = True
                if heard:
                    self._ring()
                else:
                    await connection.execute("SELECT 1")  # a connection that died silently shows here
