"""Tests of assertions: reading and judging them."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.manifest.specs import Reading
from dataos.stacks.flare import assertions

GOOD = [
    ("min >= 0", "min", ">=", 0.0),
    ("  avg<1.5 ", "avg", "<", 1.5),
    ("max = -3", "max", "=", -3.0),
    ("n == 1e3", "n", "==", 1000.0),
    ("sum != +.5", "sum", "!=", 0.5),
    ("sum <> 2.", "sum", "!=", 2.0),
    ("Null_Count > 0", "Null_Count", ">", 0.0),
]


@pytest.mark.parametrize(("text", "metric", "op", "bound"), GOOD)
def test_tests(text: str, metric: str, op: str, bound: float) -> None:
    test = assertions.parse_test(text)
    assert test is not None
    assert (test.metric, test.op, test.bound) == (metric, op, bound)


@pytest.mark.parametrize(
    "text", ["", "min", "min >=", "min > x", "> 1", "min >> 1", "min > 1 or 1", "a b > 1", "min = 'x'"]
)
def test_no_tests(text: str) -> None:
    assert assertions.parse_test(text) is None


VERDICTS: list[tuple[str, Any, bool]] = [
    ("a > 1", 2, True), ("a > 1", 1, False), ("a >= 1", Decimal("1.0"), True), ("a < 1", 0.5, True),
    ("a <= 1", 1, True), ("a = 1", True, True), ("a == 1", 1.0, True), ("a != 1", 1, False), ("a != 1", None, False),
    ("a > 0", "5", False), ("a > 0", math.nan, False), ("a > 0", [1], False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "passed"), VERDICTS)
def test_verdicts(text: str, value: Any, passed: bool) -> None:
    test = assertions.parse_test(text)
    assert test is not None
    assert test.holds(value) is passed


@given(st.text(max_size=40))
def test_any_text_is_a_test_or_not(text: str) -> None:
    assertions.parse_test(text)


FAULTS: list[tuple[Any, str, str]] = [
    ({"tests": ["min > 0"]}, "neither `column` nor `sql`", "x[0]"),
    ({"column": "a", "sql": "SELECT 1", "tests": ["min > 0"]}, "both `column` and `sql`", "x[0]"),
    ({"column": "a"}, "has no `tests`", "x[0]"),
    ({"column": "a", "tests": ["min >"]}, "`min >` is no test", "x[0].tests[0]"),
    ({"column": "a", "tests": ["min > 0", "mni > 0"]}, "unknown metric `mni`", "x[0].tests[1]"),
    ({"column": "a", "tests": ["invalid_count = 0"]}, "needs `validFormat.regex`", "x[0].tests[0]"),
    ({"sql": "SELECT 1 AS n", "filter": "a", "tests": ["n > 0"]}, "belong to assertions on a column", "x[0]"),
    ({"column": "a", "validFormat": {"regex": "(?=x)"}, "tests": ["invalid_count = 0"]}, "look-around", "x[0].validFormat.regex"),
    ({"column": "a", "validFormat": {}, "tests": ["min > 0"]}, "`regex` is required", "x[0].validFormat"),
    ("min > 0", "expected a mapping", "x[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "message", "path"), FAULTS)
def test_faults(entry: Any, message: str, path: str) -> None:
    reading = Reading()
    assertions.read([entry], reading, ("x",))
    assert any(message in p.message and p.path == path for p in reading.problems), reading.problems


def test_a_lone_test_is_a_list_of_one() -> None:
    reading = Reading()
    (found,) = assertions.read([{"column": "a", "tests": "MIN > 0"}], reading, ())
    assert [(t.metric, t.text) for t in found.tests] == [("min", "MIN > 0")]


def test_not_a_list() -> None:
    reading = Reading()
    assertions.read({"column": "a"}, reading, ("x",))
    assert reading.problems[0].message == "assertions must be a list"
