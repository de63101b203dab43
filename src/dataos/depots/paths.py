"""Places below a depot's root: an address as a relative path, globs over paths, which names are hidden.

Pure. Of folders and of object stores the same holds: `*`, `?` and `[..]` stay within one part, `**` crosses parts, a
pattern that matches a folder takes all below it, and hidden names (`.x`, `_x`) are met by being named only.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from dataos.core.errors import fail

_GLOB = frozenset("*?[")


def relative(collection: str | None, dataset: str | None) -> str:
    """Path of an address below the root; collection `none` is the root itself. Empty: the root.

    Raises DataOSError `depot.path` for `.` and `..`, which must not lead anywhere.
    """
    parts: list[str] = []
    if collection and collection != "none":
        parts += [p for p in collection.split("/") if p]
    if dataset:
        parts += [p for p in dataset.split("/") if p]
    for part in parts:
        if part in (".", "..") or "\x00" in part:
            raise fail("depot.path", f"'{'/'.join(parts)}' may not hold `.` or `..` as a path part")
    return "/".join(parts)


def is_pattern(path: str) -> bool:
    """True if the path holds a glob."""
    return bool(_GLOB & set(path))


def check_target(depot: str, path: str) -> None:
    """Raise DataOSError `depot.path` for a path below a depot's root that no output may have: the root itself, globs,
    hidden names."""
    if not path or is_pattern(path) or hidden(path):
        raise fail(
            "depot.path",
            f"depot '{depot}': nothing can be written to '{path}'",
            hint="a folder's name has no `*`, `?`, `[`, and begins with neither `.` nor `_`",
        )


def literal_folder(pattern: str) -> str:
    """The folder above the first part that holds a glob: what must be listed to find all matches."""
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return "/".join(parts[:first])


def matches(path: str, pattern: str) -> bool:
    """True if the pattern takes this path: it matches the path or a folder above it."""
    return _matches(path.split("/"), pattern.split("/"))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return True  # what lies in a matched folder
    if not parts:
        return False
    head, rest = pattern[0], pattern[1:]
    if head != "**":
        return fnmatch.fnmatchcase(parts[0], head) and _matches(parts[1:], rest)
    if not rest:
        return True
    return any(_matches(parts[skipped:], rest) for skipped in range(len(parts)))


def hidden(path: str, named: str = "") -> bool:
    """True if a part of the path below the folder `named` begins with `.` or `_`."""
    rest = path[len(named) :].lstrip("/") if named and path.startswith(named) else path
    return any(part.startswith((".", "_")) for part in rest.split("/"))
