"""Ticks of cron expressions in time zones: pure functions over UTC microseconds.

croniter reckons on naive wall-clock times only; what a change of the clocks means is decided here:

- Wall-clock times that are left out (spring): a tick with a fixed hour runs at the moment of the change, once. A tick
  of every hour (the hour field begins with `*`) follows the time that really passes, and has no tick there.
- Wall-clock times that come twice (autumn): a tick with a fixed hour runs the first time only. A tick of every hour
  runs both times.

So a daily job runs once on every day, and a job every ten minutes runs every ten minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from dataos.core.clock import from_us, to_us

_STEP = timedelta(hours=6)
_INSTANT = timedelta(microseconds=1)
_HORIZON = timedelta(days=366 * 9)  # 29 February is at most eight years away
_FIXED_YEAR_FIELDS = 7


@dataclass(frozen=True)
class Timing:
    """When something runs. `end_us`: no tick at or after that moment. The expression was checked offline
    (`manifest.schedules`)."""

    cron: str
    zone: str = "UTC"
    end_us: int | None = None

    def key(self) -> str:
        """Equal for timings with equal ticks: a stored `next tick` belongs to one of these."""
        return f"{self.cron}|{self.zone}|{self.end_us or ''}"


def next_tick(timing: Timing, after_us: int) -> int | None:
    """The first tick after a moment, or None if none comes (within nine years; a year field may name a later one)."""
    found = next(_ticks(timing, from_us(after_us)), None)
    if found is None or (timing.end_us is not None and to_us(found) >= timing.end_us):
        return None
    return to_us(found)


@dataclass(frozen=True)
class Due:
    """What a look at a timing found: the tick to run now, if any, how many were left out, and the next one."""

    tick_us: int | None
    missed: int
    next_us: int | None


def decide_due(timing: Timing, next_us: int | None, now_us: int) -> Due:
    """What is due now, where `next_us` was reckoned earlier as the next tick.

    Of several ticks that passed unseen only the newest counts, and only while its period has not passed: whoever was
    away catches up once. `missed` counts up to 100.
    """
    if next_us is None or next_us > now_us:
        return Due(None, 0, next_us)
    newest = _newest(timing, next_us, now_us)
    missed = 0
    tick = next_us
    while tick < newest and missed < _COUNTED:
        missed += 1
        tick = next_tick(timing, tick) or newest
    following = next_tick(timing, newest)
    period_end = next_tick(Timing(timing.cron, timing.zone), newest)  # also of the last one before the end
    stale = period_end is not None and period_end <= now_us
    return Due(None if stale else newest, missed + stale, following)


_COUNTED = 100
_LONE_RANGE = re.compile(r"(?<![^\s,])(\w+)-\1(?:/\d+)?(?![^\s,])")
"""`5-5` and `5-5/2` are 5; croniter 7 reads them as the whole field."""


def _newest(timing: Timing, first_us: int, now_us: int) -> int:
    """The newest tick up to now, where `first_us` is one: by halving, because a second's ticks of a year are many."""
    newest, low, high = first_us, first_us, now_us
    while True:
        following = next_tick(timing, newest)
        if following is None or following > now_us:
            return newest
        newest = following
        low = max(low, newest)
        middle = low + (high - low) // 2
        jump = next_tick(timing, middle)
        if jump is not None and jump <= now_us:
            newest = low = jump
        else:
            high = middle


def wall_clock(us: int, zone: str) -> str:
    """RFC 3339 with the zone's offset, whole seconds: `2030-01-01T02:00:00+05:30`."""
    return from_us(us).astimezone(ZoneInfo(zone)).replace(microsecond=0).isoformat()


def _ticks(timing: Timing, after: datetime) -> Iterator[datetime]:
    """Ticks after a moment, in order, stretch by stretch of constant offset."""
    zone = ZoneInfo(timing.zone)
    fields = timing.cron.split()
    every_hour = fields[1 if len(fields) == 5 else 2].startswith("*")
    limit = after + (_HORIZON if len(fields) < _FIXED_YEAR_FIELDS else timedelta(days=366 * 80))
    wall = _local(after, zone) if every_hour else _after_repetition(after, zone)
    moment, last = after, after
    while moment < limit:
        naive = _next_naive(timing.cron, wall)
        if naive is None:
            return
        offset = _offset(moment, zone)
        candidate = (naive - offset).replace(tzinfo=UTC)
        change = _change(moment, min(candidate, limit), zone)
        if change is None:
            if candidate > last:
                last = candidate
                yield candidate
            moment, wall = candidate, naive
            continue
        before, behind = (change + offset).replace(tzinfo=None), _local(change, zone)
        if behind > before:  # wall-clock times from `before` up to `behind` are left out
            if not every_hour and naive < behind and change > last:
                last = change
                yield change
            wall = behind - _INSTANT
        else:  # wall-clock times from `behind` up to `before` come a second time
            wall = (behind if every_hour else before) - _INSTANT
        moment = change


def _after_repetition(moment: datetime, zone: ZoneInfo) -> datetime:
    """The wall-clock time of a moment; inside the second passage of a repeated stretch, the stretch's end."""
    local = moment.astimezone(zone)
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if local.fold and first is not None and second is not None and first > second:
        change = _change(moment - (first - second), moment, zone)
        if change is not None:
            return (change + first).replace(tzinfo=None) - _INSTANT
    return local.replace(tzinfo=None)


def _next_naive(cron: str, wall: datetime) -> datetime | None:
    cron = _LONE_RANGE.sub(r"\1", cron)
    try:
        # the library counts whole seconds: a tick at the second of `wall` itself is after it if `wall` is before it
        start = wall.replace(microsecond=0)
        return croniter(cron, start, second_at_beginning=True, max_years_between_matches=80).get_next(datetime)
    except CroniterBadDateError:
        return None


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None  # noqa: S101 - an aware time has one
    return found


def _change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment in (start, end] from which another offset holds than at `start`."""
    offset = _offset(start, zone)
    low = start
    while low < end:
        high = min(low + _STEP, end)
        if _offset(high, zone) != offset:
            while high - low > _INSTANT:
                middle = low + (high - low) / 2
                if _offset(middle, zone) == offset:
                    low = middle
                else:
                    high = middle
            return high
        low = high
    return None
