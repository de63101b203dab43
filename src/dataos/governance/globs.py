"""Globs of policies: tags, predicates, addresses and API paths (ch08 3.2). `:` separates levels, nothing else does.

`?` one character of a level, `*` a run within a level, `**` (or more stars) a run across levels, also none; `[ab]`,
`[!ab]`, `[a-c]` one character; `{a,b}` alternatives; a backslash escapes.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_META = frozenset("?*[{\\")


@dataclass(frozen=True)
class Glob:
    """A compiled glob. `prefix` is what every match begins with; `literal` if nothing else matches."""

    text: str
    prefix: str
    literal: bool

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """As a regular expression."""
        return re.compile(_Reader(self.text).read(), re.DOTALL)

    def matches(self, value: str) -> bool:
        """Does the whole value match?"""
        return value == self.prefix if self.literal else self.pattern.fullmatch(value) is not None


@functools.lru_cache(maxsize=65536)
def compile_glob(text: str) -> Glob:
    """A glob of a policy, as `manifest.patterns.glob_fault` accepts it. What it does not accept matches nothing, with a
    ValueError at the first look."""
    prefix, rest = _literal(text)
    return Glob(text, prefix, not rest)


def _literal(text: str) -> tuple[str, bool]:
    """What a glob begins with literally, and whether anything follows."""
    found: list[str] = []
    position = 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and position + 1 < len(text):
            found.append(text[position + 1])
            position += 2
            continue
        if sign in _META:
            # `:**:` and a leading `**:` also stand for nothing: the separator before them is no sure prefix
            return "".join(found), True
        found.append(sign)
        position += 1
    return "".join(found), False


class _Reader:
    """Reads one glob into a regular expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> str:
        written = self._sequence(ends="")
        if self._at != len(self._text):
            raise ValueError(f"`{self._text}` has a `}}` that was not opened")
        return written

    def _sequence(self, ends: str) -> str:
        found: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in ends:
            sign = self._text[self._at]
            if sign == "}" and not ends:
                break
            found.append(self._sign(sign, first=not found))
        return "".join(found)

    def _sign(self, sign: str, *, first: bool) -> str:
        self._at += 1
        if sign == "\\":
            if self._at == len(self._text):
                raise ValueError(f"`{self._text}` ends with an escape that escapes nothing")
            self._at += 1
            return re.escape(self._text[self._at - 1])
        if sign == "?":
            return "[^:]"
        if sign == "*":
            return self._stars(first=first)
        if sign == "[":
            return self._set()
        if sign == "{":
            return self._alternatives()
        return re.escape(sign)

    def _stars(self, *, first: bool) -> str:
        start = self._at - 1
        while self._text[self._at : self._at + 1] == "*":
            self._at += 1
        if self._at - start == 1:
            return "[^:]*"
        opens = (first and start == 0) or self._text[start - 1] == ":"
        if opens and self._text[self._at : self._at + 1] == ":":
            self._at += 1
            return "(?:.*:)?"
        return ".*"

    def _set(self) -> str:
        end = self._text.find("]", self._at + 1)
        body = self._text[self._at : end]
        negated = body.startswith("!")
        body = body[1:] if negated else body
        if end < 0 or not body:
            raise ValueError(f"`{self._text}` has a `[` that is not closed, or nothing in it")
        self._at = end + 1
        inner = re.sub(r"[\\^\[\]&~|]", lambda m: "\\" + m[0], body)
        if inner.startswith("-") or inner.endswith("-"):
            inner = inner.replace("-", "\\-")
        return f"(?!:)[^{inner}]" if negated else f"[{inner}]"

    def _alternatives(self) -> str:
        found: list[str] = []
        while True:
            found.append(self._sequence(ends=",}"))
            if self._at == len(self._text):
                raise ValueError(f"`{self._text}` has a `{{` that is not closed")
            self._at += 1
            if self._text[self._at - 1] == "}":
                return "(?:" + "|".join(found) + ")"
