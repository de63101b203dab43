"""Rows as one JSON text that DuckDB casts to a list of structs: how known rows come into a statement.

JSON, because DuckDB's own text form of nested values loses count of brackets and quotes inside of texts: a text with
`}` could end its row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def rows(columns: Sequence[tuple[str, str]], found: Sequence[Sequence[Any]]) -> str:
    """`[{"a": 1, "b": "x"}, ...]`. Columns are (name, Trino type); moments are UTC epoch milliseconds."""
    return joined(row(columns, values) for values in found)


def row(columns: Sequence[tuple[str, str]], values: Sequence[Any]) -> str:
    """One row of `rows`."""
    return "{" + ", ".join(f"{_quoted(n)}: {value(v, t)}" for (n, t), v in zip(columns, values, strict=True)) + "}"


def joined(written: Iterable[str]) -> str:
    """Rows that `row` wrote, as `rows` writes them."""
    return "[" + ", ".join(written) + "]"


def value(given: Any, type_: str = "") -> str:
    """One value. A tuple is a row of the fields of `type_`."""
    if given is None:
        return "null"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and type_.startswith("timestamp"):
        return _quoted(datetime.fromtimestamp(given / 1000, UTC).isoformat(sep=" ", timespec="milliseconds"))
    if isinstance(given, int) or (isinstance(given, float) and math.isfinite(given)):
        return str(given)
    if isinstance(given, tuple):
        return row(_fields(type_), given)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(given, list):
        return joined(value(v, _element(type_)) for v in given)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(given, Mapping):
        return "{" + ", ".join(f"{_quoted(str(k))}: {value(v)}" for k, v in given.items()) + "}"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return _quoted(str(given))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _element(type_: str) -> str:
    return type_[len("array(") : -1] if type_.startswith("array(") else ""


def _fields(type_: str) -> list[tuple[str, str]]:
    """`row("a" bigint, "b" row(...))` -> its fields. Names are quoted."""
    inner = type_[len("row(") : -1]
    found: list[tuple[str, str]] = []
    depth, start, in_name = 0, 0, False
    parts: list[str] = []
    for at, char in enumerate(inner):
        if char == '"':
            in_name = not in_name
        elif not in_name and char == "(":
            depth += 1
        elif not in_name and char == ")":
            depth -= 1
        elif char == "," and not depth and not in_name:
            parts.append(inner[start:at])
            start = at + 1
    parts.append(inner[start:])
    for part in parts:
        name, _, kind = part.strip()[1:].partition('" ')
        found.append((name.replace('""', '"'), kind))
    return found
