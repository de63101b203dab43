"""Ticks: against a stepper that walks minute by minute, over changes of the clocks; catch-up; ends; years."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.control.timers import Due, Timing, decide_due, next_tick, wall_clock
from dataos.core.clock import from_us, to_us

MINUTE = timedelta(minutes=1)


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def ticks(cron: str, after: str, count: int, zone: str = "UTC", end: str | None = None) -> list[str]:
    timing = Timing(cron, zone, us(end) if end else None)
    found: list[str] = []
    moment = us(after)
    for _ in range(count):
        tick = next_tick(timing, moment)
        if tick is None:
            break
        found.append(wall_clock(tick, zone))
        moment = tick
    return found


# --- the naive stepper ------------------------------------------------------------------------------------------------


def field(text: str, least: int, most: int) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        low, high = (least, most) if span == "*" else (int(first), int(last or first))
        found |= set(range(low, high + 1, int(step or 1)))
    return found


def stepped(cron: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """All ticks in (after, until], by looking at every minute."""
    minute, hour, day, month, weekday = cron.split()
    minutes, hours, days = field(minute, 0, 59), field(hour, 0, 23), field(day, 1, 31)
    months, weekdays = field(month, 1, 12), {d % 7 for d in field(weekday, 0, 7)}
    every_hour, tz = hour.startswith("*"), ZoneInfo(zone)

    def matches(t: datetime) -> bool:
        if t.minute not in minutes or t.hour not in hours or t.month not in months:
            return False
        by_day, by_weekday = t.day in days, t.isoweekday() % 7 in weekdays
        return (by_day and by_weekday) if day.startswith("*") or weekday.startswith("*") else (by_day or by_weekday)

    found: list[datetime] = []
    moment = after.replace(second=0, microsecond=0) + MINUTE
    previous = (moment - MINUTE).astimezone(tz).replace(tzinfo=None)
    while moment <= until:
        local = moment.astimezone(tz)
        here = local.replace(tzinfo=None)
        skipped: list[datetime] = []
        while previous + MINUTE < here:
            previous += MINUTE
            skipped.append(previous)
        if (matches(here) and (every_hour or not local.fold)) or (not every_hour and any(map(matches, skipped))):
            found.append(moment)
        previous = here
        moment += MINUTE
    return found


def part(least: int, most: int) -> st.SearchStrategy[str]:
    numbers = st.integers(least, most)
    spans = st.tuples(numbers, numbers).map(lambda p: f"{min(p)}-{max(p)}")
    steps = st.tuples(st.one_of(st.just("*"), spans), st.integers(1, most)).map(lambda p: f"{p[0]}/{p[1]}")
    return st.one_of(
        st.just("*"),
        numbers.map(str),
        spans,
        steps,
        st.lists(numbers, min_size=2, max_size=4).map(lambda x: ",".join(map(str, x))),
    )


CRONS = st.tuples(part(0, 59), part(0, 23), st.just("*"), st.just("*"), st.one_of(st.just("*"), part(0, 6))).map(
    " ".join
)
PLACES = [
    ("Europe/Lisbon", "2030-03-31T01:00:00+00:00"),
    ("Europe/Lisbon", "2030-10-27T01:00:00+00:00"),
    ("America/New_York", "2030-03-10T07:00:00+00:00"),
    ("America/New_York", "2030-11-03T06:00:00+00:00"),
    ("Australia/Lord_Howe", "2030-04-06T15:00:00+00:00"),  # half an hour
    ("Australia/Lord_Howe", "2030-10-05T15:30:00+00:00"),
    ("Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a whole day left out
    ("Asia/Kolkata", "2030-06-01T00:00:00+00:00"),
    ("UTC", "2030-02-28T12:00:00+00:00"),
]


@settings(max_examples=60, deadline=None)
@given(cron=CRONS, place=st.sampled_from(PLACES), back=st.integers(0, 60 * 26))
def test_ticks_are_those_of_a_walk_minute_by_minute(cron, place, back):
    zone, change = place
    start = datetime.fromisoformat(change) - back * MINUTE
    until = start + timedelta(hours=30)
    expected = stepped(cron, zone, start, until)
    found: list[datetime] = []
    moment = to_us(start)
    while (tick := next_tick(Timing(cron, zone), moment)) is not None and tick <= to_us(until):
        found.append(from_us(tick))
        moment = tick
    assert found == expected


# --- the rule at changes of the clocks, in words ----------------------------------------------------------------------


def test_a_daily_tick_whose_time_is_left_out_runs_at_the_change_and_once():
    assert ticks("30 2 * * *", "2030-03-30T12:00:00+00:00", 2, "Europe/Berlin") == [
        "2030-03-31T03:00:00+02:00",
        "2030-04-01T02:30:00+02:00",
    ]


def test_a_daily_tick_whose_time_comes_twice_runs_the_first_time_only():
    assert ticks("30 2 * * *", "2030-10-26T12:00:00+00:00", 2, "Europe/Berlin") == [
        "2030-10-27T02:30:00+02:00",
        "2030-10-28T02:30:00+01:00",
    ]


def test_asked_within_the_second_passage_the_first_one_counts():
    assert ticks("45 2 * * *", "2030-10-27T01:10:00+00:00", 1, "Europe/Berlin") == ["2030-10-28T02:45:00+01:00"]


def test_a_tick_every_half_hour_follows_real_time():
    found = ticks("*/30 * * * *", "2030-10-27T00:00:00+00:00", 5, "Europe/Berlin")
    assert [t[11:16] for t in found] == ["02:30", "02:00", "02:30", "03:00", "03:30"]
    found = ticks("*/30 * * * *", "2030-03-31T00:30:00+00:00", 3, "Europe/Berlin")
    assert [t[11:16] for t in found] == ["03:00", "03:30", "04:00"]


# --- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("*/60 * * * *", ["2030-01-01T01:00:00+00:00", "2030-01-01T02:00:00+00:00"]),
        ("*/20 * * * * *", ["2030-01-01T00:00:20+00:00", "2030-01-01T00:00:40+00:00"]),
        ("0 0 0 1 3 * 2035", ["2035-03-01T00:00:00+00:00"]),
        ("0 0 29 2 *", ["2032-02-29T00:00:00+00:00", "2036-02-29T00:00:00+00:00"]),
        ("0 6 13 * 5", ["2030-01-04T06:00:00+00:00", "2030-01-11T06:00:00+00:00"]),  # the 13th, and every Friday
        ("0 0 L * *", ["2030-01-31T00:00:00+00:00", "2030-02-28T00:00:00+00:00"]),
        ("0 0 * * mon-wed", ["2030-01-02T00:00:00+00:00", "2030-01-07T00:00:00+00:00"]),
        ("0 0 30 2 *", []),
    ],
)
def test_forms(cron, expected):
    assert ticks(cron, "2030-01-01T00:00:00+00:00", 2) == expected


@pytest.mark.acceptance("ch03-AS03")
def test_an_end_in_another_zone_excludes_its_own_moment():
    # the worked example of the reference, with its off-by-one mended
    found = ticks("*/2 * * * *", "2024-11-01T23:35:00+00:00", 9, "Asia/Kolkata", end="2024-11-01T23:40:45+00:00")
    assert [t[11:] for t in found] == ["05:06:00+05:30", "05:08:00+05:30", "05:10:00+05:30"]
    assert ticks("* * * * *", "2030-01-01T00:00:00+00:00", 9, end="2030-01-01T00:02:00+00:00") == [
        "2030-01-01T00:01:00+00:00"
    ]


# --- catch-up ---------------------------------------------------------------------------------------------------------

HOURLY = Timing("0 * * * *")


def test_nothing_is_due_before_its_time_and_one_tick_is_at_it():
    at = us("2030-01-01T05:00:00+00:00")
    assert decide_due(HOURLY, at, at - 1) == Due(None, 0, at)
    assert decide_due(HOURLY, at, at) == Due(at, 0, at + 3_600_000_000)


def test_of_many_missed_ticks_the_newest_counts_once():
    planned, now = us("2030-01-01T05:00:00+00:00"), us("2030-01-03T07:20:00+00:00")
    due = decide_due(HOURLY, planned, now)
    assert due == Due(us("2030-01-03T07:00:00+00:00"), 50, us("2030-01-03T08:00:00+00:00"))


def test_a_last_tick_older_than_a_period_is_left_out():
    timing = Timing("0 * * * *", "UTC", us("2030-01-01T06:30:00+00:00"))
    planned = us("2030-01-01T05:00:00+00:00")
    assert decide_due(timing, planned, us("2030-01-01T06:59:00+00:00")) == Due(us("2030-01-01T06:00:00+00:00"), 1, None)
    assert decide_due(timing, planned, us("2030-01-01T07:00:00+00:00")) == Due(None, 2, None)


def test_a_year_of_missed_seconds_is_decided_in_no_time():
    timing = Timing("* * * * * *")
    planned, now = us("2030-01-01T00:00:00+00:00"), us("2031-01-01T00:00:00+00:00")
    assert decide_due(timing, planned, now).tick_us == now


@settings(max_examples=50, deadline=None)
@given(cron=CRONS, away_h=st.floats(0, 24 * 20), place=st.sampled_from(PLACES))
def test_catch_up_starts_the_newest_tick_and_plans_the_one_after_now(cron, away_h, place):
    timing = Timing(cron, place[0])
    planned = next_tick(timing, us(place[1]))
    assert planned is not None
    now = planned + int(away_h * 3.6e9)
    due = decide_due(timing, planned, now)
    assert due.tick_us is not None
    assert due.next_us is not None
    assert planned <= due.tick_us <= now < due.next_us
    assert next_tick(timing, due.tick_us) == due.next_us
