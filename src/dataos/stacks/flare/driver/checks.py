"""Measuring assertions (ch04 3.14, 6.7): one query for all column tests of a frame that share a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError, Problem, fail
from dataos.manifest.specs import Path, render
from dataos.stacks.flare import sql
from dataos.stacks.flare.assertions import NUMERIC_METRICS, Assertion, Test, as_number
from dataos.stacks.flare.driver import problems
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.output import Log, Result, table
from dataos.stacks.flare.model import relative
from dataos.stacks.flare.quoting import literal, quoted
from dataos.stacks.flare.udfs import Udfs

_EXPRESSIONS = {
    "avg": "avg({n})",
    "min": "min({n})",
    "max": "max({n})",
    "sum": "sum({n})",
    "stddev": "stddev({n})",
    "variance": "variance({n})",
    "skewness": "skewness({n})",
    "kurtosis": "kurtosis({n})",
    "avg_length": "avg(length({s}))",
    "min_length": "min(length({s}))",
    "max_length": "max(length({s}))",
    "distinct_count": "count(DISTINCT {c})",
    "duplicate_count": "count({c}) - count(DISTINCT {c})",
    "missing_count": "count_if({c} IS NULL OR {s} = '')",
    "missing_percentage": "count_if({c} IS NULL OR {s} = '') / greatest(count(1), 1)",
    "null_count": "count_if({c} IS NULL)",
    "null_percentage": "count_if({c} IS NULL) / greatest(count(1), 1)",
    "invalid_count": "count_if({c} IS NOT NULL AND NOT {s} RLIKE {r})",
    "invalid_percentage": "count_if({c} IS NOT NULL AND NOT {s} RLIKE {r}) / greatest(count(1), 1)",
    "regex_match": "count_if({s} RLIKE {r})",
}
_NO_NUMBER = "count_if({c} IS NOT NULL AND {s} <> '' AND try_cast({c} AS DOUBLE) IS NULL)"
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean")


@dataclass(frozen=True)
class Measured:
    """One test with what was found. `note` says why there is no value."""

    view: str
    column: str | None
    test: str
    value: float | None
    passed: bool
    path: str
    note: str = ""

    def row(self) -> dict[str, Any]:
        """Its form in the result file."""
        row = {"output": self.view, "column": self.column, "test": self.test, "value": self.value,
               "passed": self.passed, "path": self.path}  # fmt: skip
        return {**row, "note": self.note} if self.note else row


class Checker:
    """Measures assertions on registered views."""

    def __init__(self, engine: Engine, views: sql.Views, now: datetime, root: Path, own: Udfs | None = None) -> None:
        """`own`: the job's functions and how many arguments they take."""
        self._udfs = own or {}
        self._engine = engine
        self._views = views
        self._now = now
        self._root = root

    def measure(self, view: str, assertions: Sequence[Assertion]) -> list[Measured]:
        """All tests, in the manifest's order. Raises DataOSError for assertions that cannot be measured."""
        types = dict(self._engine.sql(f"SELECT * FROM {quoted(view)}").dtypes)
        found: dict[int, list[Measured]] = {}
        columns = [(i, a) for i, a in enumerate(assertions) if a.column is not None]
        for condition in dict.fromkeys(a.filter for _, a in columns):
            group = [(i, a) for i, a in columns if a.filter == condition]
            found.update(self._measure_columns(view, types, condition, group))
        for position, assertion in enumerate(assertions):
            if assertion.sql is not None:
                found[position] = self._measure_query(view, assertion)
        return [m for position in sorted(found) for m in found[position]]

    def _measure_columns(
        self, view: str, types: dict[str, str], condition: str | None, group: Sequence[tuple[int, Assertion]]
    ) -> dict[int, list[Measured]]:
        expressions: dict[str, int] = {}
        plans: list[tuple[int, Assertion, list[tuple[Test, str]], str | None, str]] = []
        for position, assertion in group:
            column = self._column(assertion, types, view)
            values = _values(column, types[column], assertion.regex)
            guard: str | None = None
            if types[column] == "string" and any(t.metric in (*NUMERIC_METRICS, "min", "max") for t in assertion.tests):
                guard = _NO_NUMBER.format(**values)
                expressions.setdefault(guard, len(expressions))
            tests = [(t, _EXPRESSIONS[t.metric].format(**values)) for t in assertion.tests]
            for _, text in tests:
                expressions.setdefault(text, len(expressions))
            plans.append((position, assertion, tests, guard, types[column]))
        where = ""
        if condition is not None:
            checked = sql.check_condition(condition, self._views, self._now, self._engine.name, self._udfs)
            where = f" WHERE {checked.text}"
        text = f"SELECT {', '.join(expressions)} FROM {quoted(view)}{where}"
        try:
            row = self._engine.run(text)[0]
        except Exception as error:
            first = group[0][1]
            what = f"assertions of {view}"
            raise problems.of_step(error, what, condition or "", self._relative(first, "filter"), types) from error
        found: dict[int, list[Measured]] = {}
        for position, assertion, tests, guard, kind in plans:
            strays = int(row[expressions[guard]] or 0) if guard else 0
            found[position] = [
                self._judge(view, assertion, n, test, row[expressions[text]], kind, strays)
                for n, (test, text) in enumerate(tests)
            ]
        return found

    def _judge(
        self, view: str, assertion: Assertion, number: int, test: Test, value: Any, kind: str, strays: int
    ) -> Measured:
        note = ""
        if strays and test.metric in (*NUMERIC_METRICS, "min", "max"):
            value, note = None, f"{strays} values are no numbers"
        elif value is None:
            note = "no value: there are no rows to measure"
        elif as_number(value) is None:
            note = f"{test.metric} of a {kind} is no number"
        path = render(relative((*assertion.path, "tests", number), self._root))
        return Measured(view, assertion.column, test.text, as_number(value), test.holds(value), path, note)

    def _column(self, assertion: Assertion, types: dict[str, str], view: str) -> str:
        wanted = assertion.column or ""
        found = next((c for c in types if c.lower() == wanted.strip("`").lower()), None)
        if found is None:
            raise DataOSError(
                Problem(
                    "flare.unknown_column",
                    f"assertion: `{view}` has no column `{wanted}`",
                    hint=names.did_you_mean(wanted, types),
                    path=render(self._relative(assertion, "column")),
                )
            )
        return found

    def _measure_query(self, view: str, assertion: Assertion) -> list[Measured]:
        text = assertion.sql or ""
        path = self._relative(assertion, "sql")
        try:
            checked = sql.check(text, self._views, self._now, engine=self._engine.name, udfs=self._udfs)
            frame = self._engine.sql(checked.text)
            rows = frame.collect()
            columns = [c.lower() for c in frame.columns]
        except Exception as error:
            raise problems.of_step(error, "assertion", text, path, ()) from error
        if len(rows) != 1:
            raise fail(
                "flare.assertion",
                f"the assertion's query gave {len(rows)} rows; it must give one",
                hint="aggregate, or add LIMIT 1",
                path=render(path),
            )
        found: list[Measured] = []
        for number, test in enumerate(assertion.tests):
            if test.metric.lower() not in columns:
                raise fail(
                    "flare.assertion",
                    f"the assertion's query has no column `{test.metric}`",
                    hint=names.did_you_mean(test.metric, frame.columns),
                    path=render(relative((*assertion.path, "tests", number), self._root)),
                )
            value = rows[0][columns.index(test.metric.lower())]
            found.append(self._judge(view, assertion, number, test, value, "text", 0))
        return found

    def _relative(self, assertion: Assertion, key: str) -> Path:
        return relative((*assertion.path, key), self._root)


def _values(column: str, kind: str, regex: str | None) -> dict[str, str]:
    name = quoted(column)
    number = name
    if kind == "string":
        number = f"try_cast({name} AS DOUBLE)"
    elif kind.startswith(_NUMBERS):
        number = f"CAST({name} AS DOUBLE)"
    text = name if kind == "string" else f"CAST({name} AS STRING)"
    return {"c": name, "n": number, "s": text, "r": literal(regex or "")}


def verdict(
    checker: Checker,
    progress: Log,
    result: Result,
    view: str,
    address: str,
    assertions: Sequence[Assertion],
    path: Path,
    name: str = "",
) -> Problem | None:
    """Measure the assertions of one dataset, and tell of them. What failed, at `path` below stackSpec; None: nothing.
    `name`: what the view is called, where that is not its name.

    Raises as `Checker.measure`.
    """
    with result.timed(f"assertions {view}"):
        measured = [replace(m, view=name or view) for m in checker.measure(view, assertions)]
    result.assertions += [{**m.row(), "address": address} for m in measured]
    progress.info(f"assertion results of {address}")
    progress.block(_table(measured))
    failed = [m for m in measured if not m.passed]
    if not failed:
        return None
    return Problem(
        "flare.assertions_failed",
        f"{len(failed)} out of {len(measured)} assertions failed for dataset {address}. "
        "For more details, please look into the assertion results table in logs.",
        hint="; ".join(_shown(m) for m in failed[:5]),
        path=render(path),
    )


def _shown(measured: Measured) -> str:
    where = f"{measured.column}: " if measured.column else ""
    value = measured.note or f"is {measured.value:g}"
    return f"{where}{measured.test} ({value})"


def _table(measured: Sequence[Measured]) -> str:
    rows = [
        (m.view, m.column or "(sql)", m.test, m.note if m.value is None else f"{m.value:g}",
         "passed" if m.passed else "FAILED")
        for m in measured
    ]  # fmt: skip
    return table(("dataset", "column", "test", "value", "result"), rows)
