"""Events to the configured receiver: in order, in batches, until it took them or their time is over.

The first event that is not taken stops a round, so that no run's events overtake each other. What the receiver refuses
for good (4xx) is given up with a line in the log. No job waits for this.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.secrecy import Secret
from dataos.store import tables
from dataos.store.database import Store
from dataos.store.work import Lease

_log = logs.get(__name__)
_ev = tables.lineage_events
BATCH = 100
_LONGEST_WAIT_S = 300.0
_PASSING = frozenset({401, 403, 404, 408, 421, 425, 429})
"""Refusals that mending the receiver or its settings ends: the event is kept. Other 4xx are about the event itself."""


class Sender:
    """One per server; the unit's lease sees to it that one server sends at a time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        url: str,
        api_key: Secret | None,
        *,
        timeout_s: float,
        keep_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._url = url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._keep_us = int(keep_s * 1e6)
        self._monotonic = monotonic
        self._failures = 0
        self._not_before = 0.0

    async def send(self, lease: Lease) -> float | None:
        """Send what is pending. Seconds until it should be called again; None: nothing is left."""
        wait_s = self._not_before - self._monotonic()
        if wait_s > 0:
            return wait_s
        rows = await self._store.read(self._pending)
        if not rows:
            return None
        old = [r.seq for r in rows if r.at < self._clock.now_us() - self._keep_us]
        if old:
            _log.warning("lineage events were given up: their receiver did not take them in time", events=len(old))
            await self._store.write(self._done, old, lease)
        taken, failure = await asyncio.to_thread(self._post, [r for r in rows if r.seq not in set(old)])
        if taken:
            await self._store.write(self._done, taken, lease)
        if failure is None:
            self._failures = 0
            return 0.001
        self._failures += 1
        wait_s = min(_LONGEST_WAIT_S, 1.0 * 2.0 ** min(self._failures - 1, 10))
        self._not_before = self._monotonic() + wait_s
        _log.warning("the lineage receiver took no event", reason=failure, again_s=wait_s)
        return wait_s

    def _post(self, rows: list[sa.Row[Any]]) -> tuple[list[int], str | None]:
        """(numbers of events that need not be sent again, why the round stopped)."""
        import httpx

        headers = {"Content-Type": "application/json"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key.reveal()}"
        done: list[int] = []
        try:
            with httpx.Client(timeout=self._timeout_s, headers=headers, follow_redirects=False) as client:
                for row in rows:
                    answer = client.post(self._url, content=json.dumps(row.body).encode())
                    status = answer.status_code
                    if 300 <= status < 400 or status >= 500 or status in _PASSING:
                        return done, f"HTTP {status}"
                    if status >= 400:
                        _log.warning("a lineage event was refused", status=status, run=row.run, type=row.type)
                    done.append(row.seq)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return done, type(error).__name__  # its text may hold what stands in the address
        return done, None

    @staticmethod
    def _pending(connection: sa.Connection) -> list[sa.Row[Any]]:
        return list(connection.execute(sa.select(_ev).where(_ev.c.pending.is_(True)).order_by(_ev.c.seq).limit(BATCH)))

    @staticmethod
    def _done(connection: sa.Connection, seqs: list[int], lease: Lease) -> None:
        lease.check(connection)
        connection.execute(_ev.update().where(_ev.c.seq.in_(seqs)).values(pending=False))


def check_url(url: str) -> str:
    """The receiver's address. Raises DataOSError `settings.invalid`."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise fail(
            "settings.invalid",
            "setting metadata.openlineage_url is no address of a receiver",
            hint="it reads http(s)://host:port/api/v1/lineage; a token goes into metadata.openlineage_api_key",
        )
    return url
