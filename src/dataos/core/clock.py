"""Time as an argument. All times are aware UTC; stored times are integer microseconds since the epoch."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What code asks for the time; tests pass a `ManualClock`."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        ...

    def now_us(self) -> int:
        """Current time as UTC microseconds since the epoch (the stored form)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        return time.time_ns() // 1000


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return to_us(self._now)

    def advance(self, seconds: float) -> None:
        """Move forward (or back, for clock-jump tests)."""
        self._now += timedelta(seconds=seconds)


def to_us(moment: datetime) -> int:
    """Aware datetime -> UTC microseconds. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place in the store")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """UTC microseconds -> aware datetime."""
    return _EPOCH + timedelta(microseconds=us)


def rfc3339(us: int | None) -> str | None:
    """UTC microseconds -> RFC 3339 text with `Z`, or None."""
    if us is None:
        return None
    return from_us(us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
