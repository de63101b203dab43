"""Measuring a profile (ch04 3.15): counts, spread and frequent values of each column of one view.

The rows are kept once, as Parquet in scratch; then one query for what a pass over all columns tells, and one a column
for distinct and frequent values. Values of the data leave the job in the profile only, never in the log.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from dataos.stacks.flare import fingerprints
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.profiling import Profile
from dataos.stacks.flare.quoting import quoted

_BATCH = 25  # columns of one query
_SAMPLE = 300  # values that are looked at for tags
_TOP = 10
_BINS = 20
_CORRELATED = 12  # numeric columns that are compared with each other
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_QUANTILE = "quantile "  # one figure each: the embedded engine takes no list of shares
_TEXT = 200
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_ORDERED = (*_NUMBERS, "string", "date", "timestamp", "boolean", "varchar", "char")
_SAMPLED = ("string", "varchar", "char", "tinyint", "smallint", "int", "bigint", "decimal")

Types = dict[str, str]


def measure(engine: Engine, view: str, address: str, profile: Profile) -> dict[str, Any]:
    """The profile of a view, in the form of the result file."""
    types: Types = dict(engine.sql(f"SELECT * FROM {quoted(view)}").dtypes)
    rows, columns = _overall(engine, view, types, profile.level)
    labels: list[dict[str, Any]] = []
    own = [fingerprints.Attribute(p.tag, p.words, p.regex) for p in profile.patterns]
    for column in columns:
        kind = types[column["name"]]
        sample: list[tuple[str, int]] = []
        if kind.startswith(_ORDERED):
            sample = _values(engine, view, column, kind, rows, profile.level)
        known = fingerprints.Column(column["name"], kind, rows, column["count"], column.get("distinct"), sample)
        for label in fingerprints.label(known, own):
            labels.append({"column": column["name"], "tag": label.tag, "confidence": label.confidence})
    correlations: list[dict[str, Any]] = []
    if profile.level == "advanced":
        for column in columns:
            if types[column["name"]].startswith(_NUMBERS):
                column["histogram"] = _histogram(engine, view, column)
        correlations = _correlations(engine, view, types)
    return {
        "address": address,
        "level": profile.level,
        "filters": list(profile.filters),
        "rows": rows,
        "columns": columns,
        "correlations": correlations,
        "labels": labels,
    }


def _overall(engine: Engine, view: str, types: Types, level: str) -> tuple[int, list[dict[str, Any]]]:
    """Rows, and what one pass tells of each column."""
    rows = int(engine.run(f"SELECT count(1) FROM {quoted(view)}")[0][0])
    found: list[dict[str, Any]] = []
    names = list(types)
    for start in range(0, len(names), _BATCH):
        page = names[start : start + _BATCH]
        wanted = [(name, figure, text) for name in page for figure, text in _figures(name, types[name], level)]
        answer = engine.run(f"SELECT {', '.join(text for _, _, text in wanted)} FROM {quoted(view)}")[0]
        by_column: dict[str, dict[str, Any]] = {name: {"name": name, "type": types[name]} for name in page}
        for (name, figure, _), value in zip(wanted, answer, strict=True):
            if figure.startswith(_QUANTILE):
                share = round(float(figure.removeprefix(_QUANTILE)) * 100)
                by_column[name].setdefault("quantiles", {})[f"p{share:02}"] = plain(value)
            else:
                by_column[name][figure] = plain(value)
        for column in by_column.values():
            column["nulls"] = rows - column["count"]
            column["nullShare"] = column["nulls"] / rows if rows else 0.0
        found += by_column.values()
    return rows, found


def _figures(name: str, kind: str, level: str) -> list[tuple[str, str]]:
    """(figure, SQL) of one column."""
    column = quoted(name)
    found = [("count", f"count({column})")]
    if not kind.startswith(_ORDERED):
        return found
    found += [("min", f"min({column})"), ("max", f"max({column})")]
    if level == "basic":
        if kind.startswith(_NUMBERS):
            found.append(("mean", f"avg(CAST({column} AS DOUBLE))"))
        return found
    if kind.startswith(_NUMBERS):
        number = f"CAST({column} AS DOUBLE)"
        found += [
            ("mean", f"avg({number})"),
            ("stddev", f"stddev({number})"),
            ("sum", f"sum({number})"),
            ("zeros", f"count_if({number} = 0)"),
            ("negatives", f"count_if({number} < 0)"),
        ]
        found += [(f"{_QUANTILE}{q}", f"percentile_approx({number}, {q})") for q in _QUANTILES]
        if level == "advanced":
            found += [("skewness", f"skewness({number})"), ("kurtosis", f"kurtosis({number})")]
    elif kind == "string":
        length = f"length({column})"
        found += [
            ("minLength", f"min({length})"),
            ("maxLength", f"max({length})"),
            ("meanLength", f"avg({length})"),
            ("empty", f"count_if({column} = '')"),
        ]
    return found


def _values(
    engine: Engine, view: str, column: dict[str, Any], kind: str, rows: int, level: str
) -> list[tuple[str, int]]:
    """Distinct, unique and frequent values into `column`; the frequent ones as a sample, where texts tell a thing."""
    name = quoted(column["name"])
    groups = f"SELECT {name} AS v, count(1) AS n FROM {quoted(view)} WHERE {name} IS NOT NULL GROUP BY {name}"
    distinct, unique = engine.run(f"SELECT count(1), count_if(n = 1) FROM ({groups})")[0]
    column["distinct"], column["unique"] = int(distinct), int(unique)
    column["distinctShare"] = column["distinct"] / column["count"] if column["count"] else 0.0
    column["uniqueShare"] = column["unique"] / column["count"] if column["count"] else 0.0
    sampled = kind.startswith(_SAMPLED)
    frequent = level != "basic"
    if not sampled and not frequent:
        return []
    most = engine.run(f"SELECT v, n FROM ({groups}) ORDER BY n DESC, v LIMIT {_SAMPLE if sampled else _TOP}")
    if frequent:
        column["frequent"] = [{"value": plain(v), "count": int(n)} for v, n in most[:_TOP]]
    return [(str(v), int(n)) for v, n in most] if sampled else []


def _histogram(engine: Engine, view: str, column: dict[str, Any]) -> list[dict[str, Any]]:
    """Equal parts of the range, each with how many values lie in it; the last one holds the greatest."""
    low, high = column.get("min"), column.get("max")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return []
    if low == high:
        return [{"from": low, "to": high, "count": column["count"]}]
    width = (high - low) / _BINS
    number = f"CAST({quoted(column['name'])} AS DOUBLE)"
    part = f"CAST(least(floor(({number} - {low!r}D) / {width!r}D), {_BINS - 1}) AS INT)"
    query = f"SELECT {part} AS b, count(1) AS n FROM {quoted(view)} WHERE {number} IS NOT NULL AND NOT isnan({number})"
    counts = {int(b): int(n) for b, n in engine.run(f"{query} GROUP BY {part}") if b is not None}
    return [{"from": low + n * width, "to": low + (n + 1) * width, "count": counts.get(n, 0)} for n in range(_BINS)]


def _correlations(engine: Engine, view: str, types: Types) -> list[dict[str, Any]]:
    """Pearson's coefficient of each pair of the first numeric columns."""
    numeric = [n for n, kind in types.items() if kind.startswith(_NUMBERS)][:_CORRELATED]
    pairs = [(a, b) for i, a in enumerate(numeric) for b in numeric[i + 1 :]]
    if not pairs:
        return []
    doubles = {n: f"CAST({quoted(n)} AS DOUBLE)" for n in numeric}
    wanted = ", ".join(f"corr({doubles[a]}, {doubles[b]})" for a, b in pairs)
    answer = engine.run(f"SELECT {wanted} FROM {quoted(view)}")[0]
    return [{"a": a, "b": b, "value": plain(v)} for (a, b), v in zip(pairs, answer, strict=True)]


def plain(value: Any) -> Any:
    """A value as JSON has it: times as text, numbers that are none as null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)[:_TEXT]
