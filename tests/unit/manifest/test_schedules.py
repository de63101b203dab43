"""Cron expressions and time zones: what is accepted, and what a refusal proposes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.manifest import schedules
from dataos.manifest.specs import Reading


def cron(text, *more):
    reading = Reading()
    return schedules.cron(text, ("cron",), reading, *more), [f"{p.message} | {p.hint}" for p in reading.problems]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("  0  8-18/2 1,15 jan-MAR Mon-fri ", "0 8-18/2 1,15 jan-MAR Mon-fri"),
        ("*/60 * * * *", "*/60 * * * *"),
        ("5/10 * * * FRI-MON", "5/10 * * * FRI-MON"),
        ("0 0 L * ?", "0 0 L * ?"),
        ("30 0 2 * * 7", "30 0 2 * * 7"),
        ("0 0 2 * * * 2030-2040", "0 0 2 * * * 2030-2040"),
        ("@daily", "0 0 * * *"),
    ],
)
def test_what_is_accepted(text, wanted):
    assert cron(text) == (wanted, [])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("/10 * * * *", "begins with `/` | write `*/10`"),
        ("* * *", "has 3 fields"),
        ("", "has 0 fields"),
        ("60 * * * *", "minute `60` is outside of 0 to 59"),
        ("* 24 * * *", "hour `24`"),
        ("* * 0 * *", "day of month `0`"),
        ("* * * foo *", "month `foo` holds `foo`"),
        ("* * * * 8", "day of week `8`"),
        ("*/0 * * * *", "no whole step"),
        ("30-10 * * * *", "runs backwards: `30-10` | write `10-30`"),
        ("1,,2 * * * *", "holds ``"),
        ("١ * * * *", "holds `١`"),
    ],
)
def test_a_refusal_names_the_field_and_its_fix(text, part):
    found, problems = cron(text)
    assert found is None
    assert part in problems[0]


def test_all_faulty_fields_come_at_once_and_the_number_of_fields_may_be_bound():
    assert len(cron("60 24 * * *")[1]) == 2
    assert cron("0 0 2 * * *", (5,))[0] is None


@given(st.text(max_size=30))
def test_any_text_is_accepted_as_it_stands_or_refused(text):
    found, problems = cron(text)
    assert (found is None) == bool(problems)
    assert found is None or found == " ".join(text.split()) or text.strip().startswith("@")


@pytest.mark.parametrize(
    ("text", "zone"), [("Europe/Lisbon", "Europe/Lisbon"), ("asia/kolkata", "Asia/Kolkata"), ("", "UTC")]
)
def test_a_zone_in_any_letter_case(text, zone):
    reading = Reading()
    assert schedules.timezone(text, ("timezone",), reading) == zone
    assert reading.problems == []


def test_a_misspelt_zone_suggests_a_near_one():
    reading = Reading()
    assert schedules.timezone("Eurpoe/Berlin", ("timezone",), reading) is None
    assert reading.problems[0].hint == "did you mean `Europe/Berlin`?"
