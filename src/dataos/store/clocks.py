"""One time for all servers: the database's, by this machine's clock and the measured difference."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, to_us
from dataos.store.database import Store

_log = logs.get(__name__)
_NOISE_US = 100_000
_WORTH_A_WORD_US = 5_000_000


class DatabaseClock:
    """A Clock that every server of one store agrees on. Leases and due times compare across machines by it."""

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._offset_us = 0

    def now(self) -> datetime:
        return self._local.now() + timedelta(microseconds=self._offset_us)

    def now_us(self) -> int:
        return self._local.now_us() + self._offset_us

    def measure(self, store: Store) -> None:
        """Compare with the database (one short question). Differences below a tenth of a second are left alone."""
        if store.is_sqlite:
            return
        # the clock itself, not the transaction's start; a connection may have to be opened first
        before, there, after = store.read_sync(self._ask)
        offset = there - (before + after) // 2
        if abs(offset - self._offset_us) < _NOISE_US:
            return
        if abs(offset) > _WORTH_A_WORD_US:
            _log.warning("this machine's clock differs from the database's", seconds=offset / 1e6)
        self._offset_us = offset

    def _ask(self, connection: sa.Connection) -> tuple[int, int, int]:
        before = self._local.now_us()
        there = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return before, to_us(there), self._local.now_us()
