"""Folders named `key=value`: columns that stand in paths and not in files, as Hive and Spark write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import unquote

from dataos.core.errors import fail

_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_MOST = 2000

Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Groups:
    """Files by the values of their folders. Without keys there is nothing to add."""

    keys: tuple[str, ...]
    types: tuple[str, ...]
    members: dict[Values, list[str]]


def split(files: Sequence[str], base: str) -> Groups:
    """Group files by `key=value` folders below `base` (all folders if that is unknown).

    Raises DataOSError `flare.file` where files do not agree on the keys. Types as Spark infers them: int, bigint, date,
    else string.
    """
    found: dict[Values, list[str]] = {}
    keys: tuple[str, ...] | None = None
    for path in files:
        pairs = _pairs(path, base)
        names = tuple(k for k, _ in pairs)
        if keys is None:
            keys = names
        elif names != keys:
            raise fail(
                "flare.file",
                f"{path} lies in folders {_shown(names)}, {files[0]} in {_shown(keys)}",
                hint="read folders of one kind with one input",
            )
        found.setdefault(tuple(v for _, v in pairs), []).append(path)
    keys = keys or ()
    if keys and len(found) > _MOST:
        raise fail("flare.file", f"there are {len(found)} partition folders", hint=f"name fewer than {_MOST}")
    types = tuple(_type([values[i] for values in found]) for i in range(len(keys)))
    return Groups(keys, types, found)


def _pairs(path: str, base: str) -> list[tuple[str, str | None]]:
    folder = PurePosixPath(path).parent
    if base and folder.is_relative_to(base):
        folder = folder.relative_to(base)
    pairs: list[tuple[str, str | None]] = []
    for part in folder.parts:
        match = _PART.fullmatch(part)
        if match:
            value = unquote(match[2])
            pairs.append((match[1], None if value == _NULL else value))
    return pairs


def _shown(keys: Sequence[str]) -> str:
    return "/".join(f"{k}=..." for k in keys) or "without key=value"


def _type(values: Sequence[str | None]) -> str:
    known = [v for v in values if v is not None]
    if known and all(re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", v) for v in known):
        return "INT" if all(-(2**31) <= int(v) < 2**31 for v in known) else "BIGINT"
    if known and all(_is_date(v) for v in known):
        return "DATE"
    return "STRING"


def _is_date(value: str) -> bool:
    try:
        return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)) and bool(date.fromisoformat(value))
    except ValueError:
        return False
