"""Names of namespaces and tables, and their three spellings.

Inside the platform a namespace is one text: its levels joined by `.`, with `.` and `%` inside a level written as `%2E`
and `%25`. So `sales.eu` are two levels and no two namespaces share a text. On the wire a namespace is a list of levels
(bodies) or the levels joined by the unit separator (paths and queries).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataos.core.errors import fail

SEPARATOR = "\x1f"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]")
_NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9_-]+")
_MAX = 255


def join(levels: Sequence[str]) -> str:
    """Levels -> text. Raises DataOSError `iceberg.invalid` for a name that no table could have."""
    if not levels:
        raise fail("iceberg.invalid", "a namespace needs at least one level", hint="name it, as in `sales`")
    return ".".join(check(level, "namespace").replace("%", "%25").replace(".", "%2E") for level in levels)


def split(text: str) -> tuple[str, ...]:
    """Text -> levels; the inverse of `join`."""
    return tuple(part.replace("%2E", ".").replace("%25", "%") for part in text.split("."))


def from_path(segment: str) -> str:
    """A decoded path segment or query value (levels joined by the unit separator) -> text."""
    return join(segment.split(SEPARATOR))


def check(name: str, what: str) -> str:
    """The name itself, or DataOSError `iceberg.invalid`: control characters and slashes break paths and addresses."""
    if not name or name in (".", "..") or len(name.encode()) > _MAX or _FORBIDDEN.search(name):
        raise fail(
            "iceberg.invalid",
            f"{what} name {name[:80]!r} cannot be used",
            hint=f"a name has 1 to {_MAX} bytes, without slashes and control characters",
        )
    return name


def folder(name: str) -> str:
    """A harmless folder name that reminds of `name`. Not unique: uniqueness comes from the table's uuid."""
    return _NOT_IN_FOLDERS.sub("_", name)[:80] or "_"
