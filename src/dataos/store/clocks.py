"""One time for all servers: the database's, asked for now and then, and this machine's monotonic clock in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, from_us, to_us
from dataos.store.database import Store

_log = logs.get(__name__)
_NOISE_US = 100_000
_WORTH_A_WORD_US = 5_000_000


class DatabaseClock:
    """A Clock that every server of one store agrees on. Leases and due times compare across machines by it."""

    def __init__(self, local: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._local = local
        self._monotonic = monotonic
        self._offset_us = 0
        self._measured: tuple[int, float] | None = None  # the database's time, and this machine's monotonic one then

    def now(self) -> datetime:
        return from_us(self.now_us())

    def now_us(self) -> int:
        """From one comparison to the next time passes by the monotonic clock: whoever sets this machine's clock moves
        no due time and no lease of the others."""
        if self._measured is None:
            return self._local.now_us()
        there, then = self._measured
        return there + int((self._monotonic() - then) * 1e6)

    def measure(self, store: Store) -> None:
        """Compare with the database (one short question). Differences below a tenth of a second are left alone."""
        if store.is_sqlite:
            return
        # the clock itself, not the transaction's start; a connection may have to be opened first
        before, there, after = store.read_sync(self._ask)
        then = (before + after) / 2
        if self._measured is not None:
            seen, since = self._measured
            drift = there - seen - int((then - since) * 1e6)
            if abs(drift) < _NOISE_US:
                return
        self._measured = (there, then)
        offset = there - self._local.now_us()
        if abs(offset) > _WORTH_A_WORD_US and abs(offset - self._offset_us) > _NOISE_US:
            _log.warning("this machine's clock differs from the database's", seconds=offset / 1e6)
        self._offset_us = offset

    def _ask(self, connection: sa.Connection) -> tuple[float, int, float]:
        before = self._monotonic()
        there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return before, to_us(there), self._monotonic()
