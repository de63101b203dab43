"""Partition fields as people write them (ch06 3.5), and their names. No PyIceberg.

Text form `type:column[:name[:buckets]]`; in manifests `{type, column, name, numBuckets}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataos.core.errors import DataOSError, Problem, fail

TYPES = ("identity", "year", "month", "day", "hour", "bucket")
_PLURALS = {"years": "year", "months": "month", "days": "day", "hours": "hour"}
_SIZED = re.compile(r"(bucket|truncate)\[(\d+)\]")
_MAX_BUCKETS = (1 << 31) - 1


@dataclass(frozen=True)
class PartitionField:
    """One field of a spec: `transform` is Iceberg's text (`month`, `bucket[16]`), `column` a dotted name."""

    column: str
    transform: str
    name: str

    def to_json(self) -> dict[str, Any]:
        """As manifests and `dataset get` write it."""
        sized = _SIZED.fullmatch(self.transform)
        kind = sized[1] if sized else self.transform
        body: dict[str, Any] = {"type": kind, "column": self.column, "name": self.name}
        if sized:
            body["numBuckets" if kind == "bucket" else "width"] = int(sized[2])
        return body


def parse_texts(texts: Sequence[str], count: int | None = None) -> list[PartitionField]:
    """Several `type:column[:name[:buckets]]`, in hierarchy order. `count`: buckets of those that name none.

    Raises DataOSError with all problems (`dataset.partition`).
    """
    problems: list[Problem] = []
    found: list[PartitionField] = []
    for text in texts:
        parts = [p.strip() for p in text.split(":")]
        if not 2 <= len(parts) <= 4 or not parts[0] or not parts[1]:
            problems.append(
                _problem(f"`{text}` is no partition", "type:column[:name[:buckets]], as in month:ordered_at")
            )
            continue
        raw = parts[3] if len(parts) == 4 and parts[3] else None
        if raw is not None and not raw.isdigit():
            problems.append(_problem(f"`{text}`: `{raw}` is no number of buckets", "bucket:customer_id:by_customer:16"))
            continue
        kind = parts[0].lower()
        buckets = int(raw) if raw is not None else count if kind == "bucket" else None
        try:
            found.append(make(kind, parts[1], parts[2] if len(parts) > 2 else "", buckets))
        except DataOSError as error:
            problems += error.problems
    if problems:
        raise DataOSError(problems)
    return found


def read(entries: Sequence[Mapping[str, Any]], path: str) -> list[PartitionField]:
    """Fields of a manifest's `specs`, ordered by `index` where it is given. Raises DataOSError with all problems."""
    problems: list[Problem] = []
    found: list[tuple[int, PartitionField]] = []
    for number, entry in enumerate(entries):
        where = f"{path}[{number}]"
        unknown = sorted(
            set(entry) - {"index", "type", "column", "name", "numBuckets", "bucket_count", "count", "width"}
        )
        if unknown:
            problems.append(
                _problem(f"unknown key: {', '.join(unknown)}", "index, type, column, name, numBuckets", where)
            )
        index = entry.get("index", number)
        buckets = next((entry[k] for k in ("numBuckets", "bucket_count", "count", "width") if entry.get(k)), None)
        kind, column = entry.get("type"), entry.get("column")
        if not isinstance(kind, str) or not isinstance(column, str):
            problems.append(
                _problem("a partition needs `type` and `column`", "{type: month, column: ordered_at}", where)
            )
            continue
        if not isinstance(index, int) or not (buckets is None or isinstance(buckets, int)):
            problems.append(_problem("`index` and `numBuckets` are whole numbers", "", where))
            continue
        try:
            found.append((index, make(kind.lower(), column, str(entry.get("name") or ""), buckets)))
        except DataOSError as error:
            problems += [Problem(p.code, p.message, hint=p.hint, path=where) for p in error.problems]
    if problems:
        raise DataOSError(problems)
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _problem(message: str, hint: str, path: str | None = None) -> Problem:
    return Problem("dataset.partition", message, hint=hint, path=path)


def make(kind: str, column: str, name: str, buckets: int | None) -> PartitionField:
    """One field. Raises DataOSError `dataset.partition`."""
    kind = _PLURALS.get(kind, kind)
    if kind == "truncate" and buckets:  # what other clients made is taken back as `get` shows it
        return PartitionField(column, f"truncate[{buckets}]", name or f"{column}_trunc")
    if kind not in TYPES:
        raise fail("dataset.partition", f"`{kind}` is no type of partition", hint="allowed: " + ", ".join(TYPES))
    if kind == "bucket":
        if buckets is None or not 1 <= buckets <= _MAX_BUCKETS:
            raise fail(
                "dataset.partition",
                f"a bucket partition of `{column}` needs a number of buckets, at least 1",
                hint=f"-p bucket:{column}:{name or column + '_bucket'}:16, or -n 16",
            )
        return PartitionField(column, f"bucket[{buckets}]", name or f"{column}_bucket")
    if buckets is not None:
        raise fail("dataset.partition", f"{kind}:{column} takes no number of buckets", hint="only `bucket` does")
    return PartitionField(column, kind, name or (column if kind == "identity" else f"{column}_{kind}"))
