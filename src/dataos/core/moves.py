"""Folders that moved, and what that does to a path, a location or any JSON value that names files in them.

Used by whoever rewrites absolute paths: table metadata, pointers in the store, manifests. Applying it twice is the same
as once, so that work that was cut off can be done again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dataos.core.errors import fail

_SCHEMES = ("file://", "file:", "")


@dataclass(frozen=True)
class Moves:
    """Pairs of absolute folders (old, new), without a slash at the end. The longest old folder that fits counts."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str | Path, str | Path]]) -> Moves:
        """Raises DataOSError `home.relocate` for the root, and where a new folder lies inside an old one, or an old
        one inside a new one: a path could not be told from one that was moved already."""
        plain = [(str(old).rstrip("/"), str(new).rstrip("/")) for old, new in pairs if str(old) != str(new)]
        if any("" in pair for pair in plain):
            raise fail("home.relocate", "nothing can move from or to the root folder", hint="name a folder below it")
        for _, new in plain:
            for old, _ in plain:
                if _below(new, old) is not None:
                    raise fail(
                        "home.relocate",
                        f"{new} lies inside {old}, where files move away from",
                        hint="choose a folder beside it",
                    )
                if _below(old, new) is not None:
                    raise fail(
                        "home.relocate",
                        f"{new} holds {old}, where files move away from",
                        hint="choose a folder beside it",
                    )
        return cls(tuple(sorted(plain, key=lambda pair: -len(pair[0]))))

    def path(self, text: str) -> str:
        """The text itself, or where the file that it names is now. `file:` and `file://` stay in front."""
        for scheme in _SCHEMES:
            if text.startswith(scheme + "/"):
                rest = text[len(scheme) :]
                for old, new in self.pairs:
                    inside = _below(rest, old)
                    if inside is not None:
                        return scheme + new + inside
                return text
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it moved (keys are left)."""
        if isinstance(value, str):
            return self.path(value)
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self.value(inner) for inner in cast("list[Any]", value)]
        return value


def _below(path: str, folder: str) -> str | None:
    """What follows the folder (with its slash), empty for the folder itself, None if the path lies elsewhere."""
    if path == folder:
        return ""
    return path[len(folder) :] if path.startswith(folder + "/") else None
