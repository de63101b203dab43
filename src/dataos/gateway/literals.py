"""Rows as one text that DuckDB casts to a list of structs: how known rows come into a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def rows(columns: Sequence[tuple[str, str]], found: Sequence[Sequence[Any]]) -> str:
    """`[{"a": 1, "b": "x"}, ...]`. Columns are (name, Trino type); moments are UTC epoch milliseconds."""
    listed = [
        "{" + ", ".join(f"{_quoted(n)}: {value(v, t)}" for (n, t), v in zip(columns, row, strict=True)) + "}"
        for row in found
    ]
    return "[" + ", ".join(listed) + "]"


def value(given: Any, type_: str = "") -> str:
    """One value. A tuple is a row of the fields of `type_`."""
    if given is None:
        return "NULL"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and type_.startswith("timestamp"):
        return _quoted(datetime.fromtimestamp(given / 1000, UTC).isoformat(sep=" ", timespec="milliseconds"))
    if isinstance(given, (int, float)):
        return str(given)
    if isinstance(given, tuple):
        return (
            "{"
            + ", ".join(f"{_quoted(n)}: {value(v, t)}" for (n, t), v in zip(_fields(type_), given, strict=True))
            + "}"
        )  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(given, list):
        return "[" + ", ".join(value(v) for v in given) + "]"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(given, Mapping):
        return "{" + ", ".join(f"{value(k)}={value(v)}" for k, v in given.items()) + "}"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return _quoted(str(given))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


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
