"""Assertions: reading `tests`, and judging measured values. Pure; the driver measures (ch04 3.14)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataos.core import names
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled

COLUMN_METRICS = (
    "avg",
    "min",
    "max",
    "sum",
    "avg_length",
    "min_length",
    "max_length",
    "distinct_count",
    "duplicate_count",
    "missing_count",
    "missing_percentage",
    "null_count",
    "null_percentage",
    "stddev",
    "variance",
    "skewness",
    "kurtosis",
)
FORMAT_METRICS = ("invalid_count", "invalid_percentage", "regex_match")
NUMERIC_METRICS = ("avg", "sum", "stddev", "variance", "skewness", "kurtosis")
"""Metrics that read the values as numbers."""

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TEST = re.compile(rf"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(>=|<=|==|!=|<>|=|>|<)\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Test:
    """`metric op bound`. `metric` is a metric, or a column alias of the assertion's SQL."""

    metric: str
    op: str
    bound: float
    text: str

    __test__ = False  # not for pytest

    def holds(self, value: Any) -> bool:
        """True if a measured value passes. No value (no rows to measure) never does; nor does what is no number."""
        number = as_number(value)
        return number is not None and _OPERATORS[self.op](number, self.bound)


@dataclass(frozen=True)
class Assertion:
    """One entry: tests on a column or on the one row of a query."""

    column: str | None
    filter: str | None
    regex: str | None
    sql: str | None
    tests: tuple[Test, ...]
    path: Path


class _ValidFormat(Spec):
    regex: Text


class _Entry(Spec):
    column: Text | None = None
    filter: Text | None = None
    valid_format: _ValidFormat | None = None
    sql: Text | None = None
    tests: tuple[Text, ...] = spelled("test", default=(), lone=True)


def as_number(value: Any) -> float | None:
    """A measured value as a number; booleans count as 0 and 1, texts and NaN as none."""
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if number != number else number


def parse_test(text: str) -> Test | None:
    """`min >= 0` -> Test, or None if it is no test."""
    match = _TEST.fullmatch(text)
    if match is None:
        return None
    op = "!=" if match[2] == "<>" else match[2]
    return Test(match[1], op, float(match[3]), " ".join(text.split()))


def read(data: Any, reading: Reading, path: Path) -> tuple[Assertion, ...]:
    """The list at `path`; every fault lands in `reading`."""
    if data is None:
        return ()
    if not isinstance(data, list):
        reading.error(path, "assertions must be a list")
        return ()
    found = [_read_one(item, reading, (*path, i)) for i, item in enumerate(data)]
    return tuple(a for a in found if a is not None)


def _read_one(data: Any, reading: Reading, path: Path) -> Assertion | None:
    before = len(reading.problems)
    entry = read_model(_Entry, data, reading, path)
    if entry is None:
        return None
    if (entry.column is None) == (entry.sql is None):
        what = "both `column` and `sql`" if entry.column else "neither `column` nor `sql`"
        reading.error(path, f"the assertion names {what}", hint="give one of them", code="flare.assertion")
    if not entry.tests:
        reading.error(
            path, "the assertion has no `tests`", hint='for instance tests: ["min >= 0"]', code="flare.assertion"
        )
    if entry.sql is not None and (entry.valid_format or entry.filter):
        reading.error(
            path,
            "`filter` and `validFormat` belong to assertions on a column",
            hint="put the condition into the SQL",
            code="flare.assertion",
        )
    regex = entry.valid_format.regex if entry.valid_format else None
    if regex is not None:
        _check_regex(regex, reading, (*path, "validFormat", "regex"))
    tests = [_read_test(t, entry, regex, reading, (*path, "tests", i)) for i, t in enumerate(entry.tests)]
    if len(reading.problems) > before:
        return None
    return Assertion(entry.column, entry.filter, regex, entry.sql, tuple(t for t in tests if t), path)


def _check_regex(regex: str, reading: Reading, path: Path) -> None:
    if re.search(r"\(\?(?:=|!|<=|<!)|\\[1-9]", regex):
        reading.error(
            path,
            "the pattern uses look-around or a back-reference, which tests cannot have",
            code="stack.unsupported",
            hint="write it without: tests are measured on both engines alike",
        )


def _read_test(text: str, entry: _Entry, regex: str | None, reading: Reading, path: Path) -> Test | None:
    test = parse_test(text)
    if test is None:
        reading.error(
            path,
            f"`{text}` is no test",
            hint="write `<metric> <operator> <number>`; operators: > < >= <= == = !=",
            code="flare.assertion",
        )
        return None
    if entry.sql is not None:
        return test  # its metrics are the aliases of the query, known at run time
    metric = test.metric.lower()
    if metric in FORMAT_METRICS and regex is None:
        reading.error(path, f"`{metric}` needs `validFormat.regex`", code="flare.assertion")
        return None
    allowed = COLUMN_METRICS + FORMAT_METRICS
    if metric not in allowed:
        reading.error(
            path,
            f"unknown metric `{test.metric}`",
            hint=names.did_you_mean(metric, allowed) or "known: " + ", ".join(allowed),
            code="flare.assertion",
        )
        return None
    return Test(metric, test.op, test.bound, test.text)
