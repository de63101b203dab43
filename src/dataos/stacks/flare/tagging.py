"""`outputs[].columnTags`: which columns carry which tags and texts (ch04 3.12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.stacks.flare.profiling import check_regex


@dataclass(frozen=True)
class ColumnTag:
    """Columns by name or by a pattern (from the start of the name), and what is said of them."""

    names: tuple[str, ...]
    regex: str | None
    tags: tuple[str, ...]
    description: str
    path: Path


class _Entry(Spec):
    column_name: Text | None = spelled("column", default=None)
    """One column."""
    column_names: tuple[Text, ...] = spelled("columns", default=(), lone=True)
    """Several columns."""
    column_regex: Text | None = None
    """Columns whose name begins like this pattern."""
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    """Tags, for instance `PII.Name`; upper and lower case differ."""
    description: Text = ""
    """What the column holds."""


def read(value: Any, reading: Reading, path: Path) -> tuple[ColumnTag, ...]:
    """All entries; faults are in `reading`."""
    if value is None:
        return ()
    entries: list[Any] = value if isinstance(value, list) else [value]
    found: list[ColumnTag] = []
    for number, item in enumerate(entries):
        where = (*path, number)
        entry = read_model(_Entry, item, reading, where)
        if entry is None:
            continue
        selectors = [bool(entry.column_name), bool(entry.column_names), bool(entry.column_regex)]
        if not any(selectors):
            hint = "name columns with columnName, columnNames or columnRegex"
            reading.error(where, "the entry names no column", hint=hint, code="manifest.missing")
        if sum(selectors) > 1:
            reading.warn(where, "several selectors in one entry: the tags go to the columns of each of them")
        if not entry.tags and not entry.description:
            reading.error(where, "the entry has no tags", hint="tags: [PII.Name]", code="manifest.missing")
        if entry.column_regex is not None:
            check_regex(entry.column_regex, reading, (*where, "columnRegex"))
        names = (*((entry.column_name,) if entry.column_name else ()), *entry.column_names)
        found.append(ColumnTag(names, entry.column_regex, entry.tags, entry.description, where))
    return tuple(found)


@dataclass(frozen=True)
class Tagged:
    """What entries come to on real columns."""

    tags: dict[str, list[str]]  # column -> tags
    descriptions: dict[str, str]
    unknown: tuple[str, ...]  # names that no column has


def resolve(entries: Sequence[ColumnTag], columns: Sequence[str]) -> Tagged:
    """The union over all entries. Names in any letter case."""
    tags: dict[str, list[str]] = {}
    descriptions: dict[str, str] = {}
    unknown: list[str] = []
    folded = {c.lower(): c for c in columns}
    for entry in entries:
        unknown += [name for name in entry.names if name.lower() not in folded]
        chosen = [folded[name.lower()] for name in entry.names if name.lower() in folded]
        if entry.regex is not None:
            pattern = re.compile(entry.regex)
            chosen += [c for c in columns if pattern.match(c)]
        for column in dict.fromkeys(chosen):
            tags[column] = list(dict.fromkeys([*tags.get(column, ()), *entry.tags]))
            if entry.description:
                descriptions[column] = entry.description
    return Tagged({c: t for c, t in tags.items() if t}, descriptions, tuple(dict.fromkeys(unknown)))
