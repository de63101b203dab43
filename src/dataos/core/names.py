"""Name rules of Resources, jobs, workspaces and secret keys (ch01 4.1)."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

STD = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS = "[a-z]([-a-z0-9]*[a-z0-9])?"
FLAT = "[a-z]([a-z0-9]*)"
DATABASE = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SECRET_KEY = "[-._A-Za-z0-9]+"  # noqa: S105 - a pattern

MAX_NAME = 48
MAX_WORKSPACE = 32


def matches(name: str, pattern: str, limit: int = MAX_NAME) -> bool:
    """True if `name` obeys the pattern as a whole and is at most `limit` characters long."""
    return len(name) <= limit and re.fullmatch(pattern, name) is not None


def rule_text(what: str, name: str, pattern: str, limit: int = MAX_NAME) -> str:
    """The message users of the reference know (ch01 18)."""
    return (
        f"{what} is invalid '{name}', must be less than '{limit}' chars and conform to the following regex: {pattern}"
    )


def folded(name: str) -> str:
    """A name as policies compare it: without regard to letter case, and to whether an accent is a sign of its own."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Known names close to a misspelt one, best first."""
    return difflib.get_close_matches(name, sorted(set(known)), n=count, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint sentence naming near matches, or all of a short list, or nothing."""
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return "did you mean " + " or ".join(f"`{c}`" for c in close) + "?"
    if 0 < len(names) <= 12:
        return "known: " + ", ".join(names)
    return ""


def without_places(text: str) -> str:
    """A docstring for users: without the places in the specification that it names (`(ch03 1.3)`)."""
    return re.sub(r"\s*\(ch\d\d[^)]*\)", "", text)


def as_spelled(known: Iterable[str], wanted: str) -> str | None:
    """The name that is this one, else the only one that is it in another letter case; None if there is none."""
    names = list(known)
    if wanted in names:
        return wanted
    same = [n for n in names if n.lower() == wanted.lower()]
    return same[0] if len(same) == 1 else None
