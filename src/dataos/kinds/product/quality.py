"""Quality of a product: results of checks on its datasets by category, with trend and adherence (ch09 3.5, 6.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.store import tables

CATEGORIES = ("Accuracy", "Completeness", "Freshness", "Schema", "Uniqueness", "Validity")
"""In the order in which they are shown."""
RUNS = 10
_q = tables.dataset_quality
_WORDS = (
    (("missing", "null"), "Completeness"),
    (("duplicate", "distinct", "unique"), "Uniqueness"),
    (("invalid", "regex", "valid"), "Validity"),
    (("freshness",), "Freshness"),
    (("schema",), "Schema"),
)


def category(name: str, test: str) -> str:
    """The category of a check that names none, by the metric it is about; what fits nowhere is about values."""
    for text in (name.lower(), test.lower()):
        for words, found in _WORDS:
            if any(word in text for word in words):
                return found
    return "Accuracy"


@dataclass(frozen=True)
class Result:
    """A check's result in one run."""

    address: str
    column: str
    name: str
    test: str
    passed: bool
    value: float | None
    at: int
    run: str

    @property
    def category(self) -> str:
        """Where it is shown."""
        return category(self.name, self.test)

    @property
    def check(self) -> tuple[str, str, str]:
        """The same in every run."""
        return self.address, self.column, self.test


def results(connection: sa.Connection, addresses: Iterable[str], since_us: int = 0) -> list[Result]:
    """All that are kept of these datasets, the newest first."""
    query = sa.select(_q).where(_q.c.address.in_(sorted(set(addresses))), _q.c.at >= since_us)
    return [_result(row) for row in connection.execute(query.order_by(_q.c.id.desc()))]


def _result(r: sa.Row[Any]) -> Result:
    return Result(r.address, r.column, r.name, r.test, bool(r.passed), r.value, r.at, str(r.job.get("run") or r.at))


def newest(connection: sa.Connection, addresses: Iterable[str]) -> dict[str, list[Result]]:
    """The newest result of each check, by dataset."""
    last = sa.select(sa.func.max(_q.c.id)).where(_q.c.address.in_(sorted(set(addresses))))
    last = last.group_by(_q.c.address, _q.c.column, _q.c.test)
    found: dict[str, list[Result]] = {}
    for r in connection.execute(sa.select(_q).where(_q.c.id.in_(last)).order_by(_q.c.id)):
        found.setdefault(r.address, []).append(_result(r))
    return found


def badges(found: Iterable[Result]) -> dict[str, dict[str, Any]]:
    """{category: {passed, applied, ok, at}} of the newest results; only categories that have checks."""
    by: dict[str, list[Result]] = {}
    for result in found:
        by.setdefault(result.category, []).append(result)
    return {
        name: {
            "passed": sum(r.passed for r in by[name]),
            "applied": len(by[name]),
            "ok": all(r.passed for r in by[name]),
            "at": rfc3339(max(r.at for r in by[name])),
        }
        for name in CATEGORIES
        if name in by
    }


def of_category(found: Sequence[Result]) -> dict[str, Any]:
    """Trend and adherence of results, which are those of one category or of all: `trend` is a point a run, oldest
    first; adherence is passed / applied over the last 10 runs, in percent, null without any."""
    runs: dict[str, list[Result]] = {}
    for result in found:
        runs.setdefault(result.run, []).append(result)
    ordered = sorted(runs.values(), key=lambda results_: max(r.at for r in results_))
    last = [r for results_ in ordered[-RUNS:] for r in results_]
    return {
        "trend": [
            {"at": rfc3339(max(r.at for r in results_)), "percent": percent(results_), "checks": len(results_)}
            for results_ in ordered
        ],
        "adherence": percent(last),
        "runs": len(ordered[-RUNS:]),
    }


def percent(found: Sequence[Result]) -> float | None:
    """Passed of all, in percent."""
    return round(100.0 * sum(r.passed for r in found) / len(found), 2) if found else None


def checks(found: Sequence[Result]) -> list[dict[str, Any]]:
    """Each check with its newest result. `found`: newest first."""
    seen: dict[tuple[str, str, str], Result] = {}
    for result in found:
        seen.setdefault(result.check, result)
    return [
        {
            "dataset": r.address,
            "column": r.column or None,
            "check": r.name,
            "description": r.test,
            "category": r.category,
            "status": "passed" if r.passed else "failed",
            "at": rfc3339(r.at),
        }
        for r in sorted(seen.values(), key=lambda r: (CATEGORIES.index(r.category), r.address, r.column, r.test))
    ]


def declared(outputs: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Checks that a manifest declares on its outputs: {dataset, check, description, category}."""
    found: list[dict[str, Any]] = []
    for address, given in outputs:
        for entry in given or ():
            text: Mapping[str, Any] = entry if isinstance(entry, dict) else {"check": entry}
            check = str(text.get("check") or next(iter(text), ""))
            name = str(text.get("name") or check)
            group = str(text.get("category") or category(name, check))
            found.append({"dataset": address, "check": name, "description": check, "category": group})
    return found
