"""`s/pattern/replacement/g`: the expressions of `find_and_replace` and `columns_replace`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dataos.core.errors import fail
from dataos.stacks.flare.quoting import literal

_FLAGS = frozenset("gi")


@dataclass(frozen=True)
class Sed:
    """`replacement`: texts and numbers of groups, in order; 0 is the whole match."""

    pattern: str
    replacement: tuple[str | int, ...]
    everywhere: bool

    def of_text(self, value: str) -> str:
        """The SQL expression that replaces in the SQL expression `value`."""
        if self.everywhere:
            return f"regexp_replace({value}, {literal(self.pattern)}, {literal(self._written(0))})"
        # the first match only: what stands before it is matched too and put back, so that groups count more
        whole = 0 in self.replacement
        pattern = f"(?s)^(.*?)({self.pattern})" if whole else f"(?s)^(.*?)(?:{self.pattern})"
        written = self._written(2 if whole else 1, before=(1,))
        return f"regexp_replace({value}, {literal(pattern)}, {literal(written)})"

    def of_name(self, name: str) -> str:
        """The name of a column after replacing."""

        def put(match: re.Match[str]) -> str:
            return "".join((match[p] or "") if isinstance(p, int) else p for p in self.replacement)

        return re.sub(self.pattern, put, name, count=0 if self.everywhere else 1)

    def _written(self, shift: int, before: tuple[int, ...] = ()) -> str:
        """The replacement as Java writes it. Group n of the pattern is n + shift (group 0 too, unless nothing is
        shifted); `before`: groups that come first as they are."""
        groups = re.compile(self.pattern).groups + shift
        parts: list[str] = []
        last: int | None = None
        for part in (*before, *((p + shift if isinstance(p, int) else p) for p in self.replacement)):
            if isinstance(part, int):
                parts.append(f"${part}")
                last = part
                continue
            if last is not None and part[:1].isdigit() and int(f"{last}{part[0]}") <= groups:
                raise fail(
                    "flare.function",
                    f"a pattern of so many groups: group {last} cannot be told from group {last}{part[0]}",
                    hint="use groups that capture nothing: (?:...)",
                )
            parts.append(part.replace("\\", "\\\\").replace("$", "\\$"))
            last = None
        return "".join(parts)


def parse(text: str) -> Sed:
    """Read a sed expression. Raises DataOSError `flare.function` if it is none, or its pattern is no pattern."""
    if len(text) < 4 or text[0] != "s" or text[1].isalnum() or text[1] in "\\ \n":
        raise _no_sed(text)
    parts = _split(text[2:], text[1])
    if len(parts) != 3 or set(parts[2].strip()) - _FLAGS:
        raise _no_sed(text)
    pattern, replacement, flags = parts[0], parts[1], parts[2].strip()
    if "i" in flags:
        pattern = "(?i)" + pattern
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise fail("flare.function", f"`{pattern}` is no regular expression: {error}") from error
    pieces = _pieces(replacement)
    beyond = next((p for p in pieces if isinstance(p, int) and p > compiled.groups), None)
    if beyond is not None:
        raise fail("flare.function", f"the pattern has {compiled.groups} groups, the replacement names group {beyond}")
    return Sed(pattern, tuple(pieces), "g" in flags)


def _no_sed(text: str) -> Exception:
    return fail("flare.function", f"`{text}` is no sed expression", hint="write s/pattern/replacement/g")


def _split(text: str, mark: str) -> list[str]:
    parts, piece, position = [], "", 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and position + 1 < len(text):
            following = text[position + 1]
            piece += mark if following == mark else letter + following
            position += 2
            continue
        if letter == mark:
            parts.append(piece)
            piece = ""
        else:
            piece += letter
        position += 1
    return [*parts, piece]


def _pieces(text: str) -> list[str | int]:
    """`a\\1b$2&` -> a, 1, b, 2, 0."""
    pieces: list[str | int] = []
    plain = ""
    for match in re.finditer(r"\\([0-9])|\$([0-9])|(&)|\\(.)|(.)", text, re.DOTALL):
        group = match[1] or match[2]
        if group is None and match[3] is None:
            escaped = match[4]
            plain += {"n": "\n", "t": "\t"}.get(escaped, escaped) if escaped is not None else match[5]
            continue
        if plain:
            pieces.append(plain)
            plain = ""
        pieces.append(int(group) if group is not None else 0)
    if plain:
        pieces.append(plain)
    return pieces
