"""Client and server of different versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import http_status
from dataos.core.versions import Side, find_notice, find_problem, parse_side


def side(level: int = 1, needs: int = 1, version: str = "1.2.0") -> Side:
    return Side(version, level, needs)


@given(st.from_regex(r"[0-9A-Za-z.+-]{1,64}", fullmatch=True), st.integers(0, 999_999), st.integers(0, 999_999))
def test_what_is_said_is_heard(version, level, needs):
    assert parse_side(str(Side(version, level, needs))) == Side(version, level, needs)


@pytest.mark.parametrize("text", [None, "", "curl/8", "1.0; api=x; needs=1", "1.0; api=1", "1.0\n; api=1; needs=1"])
def test_what_is_no_version_counts_as_nothing(text):
    assert parse_side(text) is None


def test_equal_levels_work_together_whatever_the_versions():
    assert find_problem(side(version="0.1.0"), side(version="9.9.9")) is None


def test_who_is_too_old_is_said():
    old = find_problem(side(level=1), side(level=3, needs=2))
    assert old is not None
    assert (old.code, http_status(old.code)) == ("client.too_old", 426)
    behind = find_problem(side(level=3, needs=2), side(level=1))
    assert behind is not None
    assert (behind.code, http_status(behind.code)) == ("server.too_old", 426)


def test_a_newer_side_that_still_knows_the_other_is_worth_a_notice_only():
    assert find_problem(side(level=1), side(level=2, needs=1)) is None
    assert "server is newer than the client" in find_notice(side(version="1.9.0"), side(version="1.10.0rc1"))
    assert "client is newer than the server" in find_notice(side(version="2.0"), side(version="1.10.0"))
    assert find_notice(side(), side()) == ""
