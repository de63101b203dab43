"""What a job reported about data, as far as it can be believed. Pure.

The report comes out of a sandbox: shapes are checked, sizes are bounded, and only addresses that the job's plan named
are taken. What is wrong is left out; nothing here raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError

_MOST_DATASETS = 500
_MOST_COLUMNS = 2000
_MOST_EDGES = 50_000
_MOST_TESTS = 2000
_MOST_TAGS = 100
_TEXT = 4000
_NAME = 300
_MOST_SQL = 100_000
_MOST_VALUES = 50


@dataclass(frozen=True)
class Dataset:
    """One dataset that a job read or wrote."""

    view: str  # its name in the job
    address: str
    columns: tuple[dict[str, str], ...] = ()  # {name, type, description}
    rows: int | None = None
    operation: str = ""
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    column_tags: tuple[tuple[str, str], ...] = ()  # (column, tag)
    reads: tuple[str, ...] | None = None  # of an output: names of the inputs that it is made of; None: not told


@dataclass(frozen=True)
class Line:
    """One output column: what it is made of. Not `resolved`: of anything among them."""

    column: str
    sources: tuple[tuple[str, str], ...]  # (address, column)
    resolved: bool


@dataclass(frozen=True)
class Test:
    """One assertion with its result."""

    address: str
    column: str
    name: str
    test: str
    value: float | None
    passed: bool


@dataclass(frozen=True)
class Profile:
    """Statistics of one dataset."""

    address: str
    level: str
    filters: tuple[str, ...]
    rows: int
    columns: tuple[dict[str, Any], ...]
    correlations: tuple[dict[str, Any], ...]
    labels: tuple[tuple[str, str, float], ...]  # (column, tag, confidence)


@dataclass(frozen=True)
class Report:
    """Everything that metadata takes from a job's result."""

    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict[str, tuple[Line, ...]])  # by output address
    tests: tuple[Test, ...] = ()
    profile: Profile | None = None
    sql: str = ""


def read(result: Mapping[str, Any], reads: Iterable[str], writes: Iterable[str]) -> Report:
    """The report in a job's result. `reads`, `writes`: addresses of its plan."""
    readable, writable = _normal(reads), _normal(writes)
    inputs = tuple(_datasets(result.get("inputs"), readable))
    outputs = tuple(_datasets(result.get("outputs"), writable))
    touched = readable | writable
    return Report(
        inputs=_with_unreported(inputs, readable),
        outputs=outputs,
        lines=_lines(result.get("lineage"), inputs, outputs),
        tests=tuple(_tests(result.get("assertions"), touched)),
        profile=_profile(result.get("profile"), touched),
        sql=_text(result.get("sql"), _MOST_SQL),
    )


def address_of(text: Any) -> str | None:
    """An address in its one form: no purpose, no options. None for what is none, or names no dataset."""
    if not isinstance(text, str) or len(text) > _TEXT:
        return None
    try:
        udl = Udl.parse(text)
    except DataOSError:
        return None
    return str(Udl(udl.depot, udl.collection, udl.dataset)) if udl.collection and udl.dataset else None


def _normal(addresses: Iterable[str]) -> set[str]:
    return {found for found in map(address_of, addresses) if found is not None}


def _with_unreported(inputs: tuple[Dataset, ...], readable: set[str]) -> tuple[Dataset, ...]:
    """Inputs with those of the plan that the job did not speak of: it ended early, or speaks of nothing."""
    known = {d.address for d in inputs}
    return (*inputs, *(Dataset("", a) for a in sorted(readable - known)))


def _items(value: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", v) for v in cast("list[Any]", value)[:most] if isinstance(v, dict)]


def _texts(value: Any, most: int) -> list[str]:
    if not isinstance(value, list):
        return []
    return [v for v in cast("list[Any]", value)[:most] if isinstance(v, str) and 0 < len(v) <= _NAME]


def _text(value: Any, most: int = _TEXT) -> str:
    return value[:most] if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _datasets(value: Any, allowed: set[str]) -> Iterable[Dataset]:
    for item in _items(value, _MOST_DATASETS):
        sources = item.get("sources")
        names = cast("list[Any]", sources) if isinstance(sources, list) else [item.get("address")]
        found = [a for a in map(address_of, names[:_MOST_DATASETS]) if a in allowed]
        for address in found:
            columns = _columns(item.get("columns")) if address_of(item.get("address")) == address else ()
            known = {c["name"] for c in columns}
            yield Dataset(
                view=_text(item.get("name"), _NAME),
                address=address,
                columns=columns,
                rows=_count(item.get("rows")),
                operation=_text(item.get("operation"), _NAME),
                title=_text(item.get("title")),
                description=_text(item.get("description")),
                tags=tuple(dict.fromkeys(_texts(item.get("tags"), _MOST_TAGS))),
                reads=tuple(_texts(item["reads"], _MOST_DATASETS)) if isinstance(item.get("reads"), list) else None,
                column_tags=tuple(
                    (tagged["column"], tag)
                    for tagged in _items(item.get("columnTags"), _MOST_COLUMNS)
                    if tagged.get("column") in known
                    for tag in _texts(tagged.get("tags"), _MOST_TAGS)
                ),
            )


def _columns(value: Any) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "name": _text(item["name"], _NAME),
            "type": _text(item.get("type"), _TEXT),
            "description": _text(item.get("description")),
        }
        for item in _items(value, _MOST_COLUMNS)
        if isinstance(item.get("name"), str)
    )


def _lines(value: Any, inputs: Sequence[Dataset], outputs: Sequence[Dataset]) -> Mapping[str, tuple[Line, ...]]:
    """Lineage of columns, by the address of the output. Views become addresses; a view of several datasets (a query)
    stands for each of them, unless the entry names the address."""
    of_view: dict[str, list[str]] = {}
    for dataset in inputs:
        of_view.setdefault(dataset.view, []).append(dataset.address)
    readable = {d.address for d in inputs}
    found: dict[str, list[Line]] = {}
    edges = 0
    for item in _items(value, _MOST_EDGES):
        column = item.get("column")
        sources: dict[tuple[str, str], None] = {}
        for source in _items(item.get("inputs"), _MOST_COLUMNS * 10):
            name = source.get("column")
            if not isinstance(name, str) or len(name) > _NAME:
                continue
            named = address_of(source.get("address"))
            places = [named] if named in readable else of_view.get(str(source.get("input")), [])
            sources.update(dict.fromkeys((a, name) for a in places))
        edges += len(sources)
        if not isinstance(column, str) or len(column) > _NAME or edges > _MOST_EDGES:
            continue
        line = Line(column, tuple(sources), item.get("resolved") is not False)
        for output in outputs:
            if output.view == item.get("output"):
                found.setdefault(output.address, []).append(line)
    return {address: tuple(lines) for address, lines in found.items()}


_WORDS = {">": "GreaterThan", "<": "LessThan", ">=": "GreaterThanOrEquals", "<=": "LessThanOrEquals",
          "==": "Equals", "=": "Equals", "!=": "NotEquals"}  # fmt: skip


def test_name(test: str, column: str) -> str:
    """`avg > 3` -> `columnValueAvgGreaterThan` (ch04 15); of a query's answer `queryValue...`."""
    metric, _, rest = test.strip().partition(" ")
    for sign in (">=", "<=", "==", "!=", ">", "<", "="):
        if sign in test:
            metric = test.partition(sign)[0].strip()
            rest = sign
            break
    words = "".join(part[:1].upper() + part[1:] for part in metric.split("_"))
    return f"{'columnValue' if column else 'queryValue'}{words}{_WORDS.get(rest, '')}"


def _tests(value: Any, allowed: set[str]) -> Iterable[Test]:
    for item in _items(value, _MOST_TESTS):
        address = address_of(item.get("address"))
        if address in allowed and isinstance(item.get("test"), str):
            column, test = _text(item.get("column"), _NAME), _text(item["test"], _NAME)
            name = test_name(test, column)
            yield Test(address, column, name, test, number(item.get("value")), item.get("passed") is True)


def _profile(value: Any, allowed: set[str]) -> Profile | None:
    if not isinstance(value, dict):
        return None
    body = cast("dict[str, Any]", value)
    address, rows = address_of(body.get("address")), _count(body.get("rows"))
    if address not in allowed or rows is None:
        return None
    columns = tuple(
        {k: _bounded(v) for k, v in item.items() if len(k) <= _NAME}
        for item in _items(body.get("columns"), _MOST_COLUMNS)
        if isinstance(item.get("name"), str)
    )
    names = {c["name"] for c in columns}
    return Profile(
        address=address,
        level=_text(body.get("level"), _NAME),
        filters=tuple(_texts(body.get("filters"), _MOST_VALUES)),
        rows=rows,
        columns=columns,
        correlations=tuple(
            {"a": item["a"], "b": item["b"], "value": number(item.get("value"))}
            for item in _items(body.get("correlations"), _MOST_COLUMNS)
            if item.get("a") in names and item.get("b") in names
        ),
        labels=tuple(
            (item["column"], _text(item["tag"], _NAME), min(1.0, max(0.0, number(item.get("confidence")) or 0.0)))
            for item in _items(body.get("labels"), _MOST_COLUMNS)
            if item.get("column") in names and isinstance(item.get("tag"), str)
        ),
    )


def _bounded(value: Any, depth: int = 3) -> Any:
    """A JSON value with its texts cut and its lists short."""
    if isinstance(value, str):
        return value[:_NAME]
    if isinstance(value, list) and depth:
        return [_bounded(v, depth - 1) for v in cast("list[Any]", value)[:_MOST_VALUES]]
    if isinstance(value, dict) and depth:
        found = list(cast("dict[Any, Any]", value).items())[:_MOST_VALUES]
        return {str(k)[:_NAME]: _bounded(v, depth - 1) for k, v in found}
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 62 else None
    return number(value)
