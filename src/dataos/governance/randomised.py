"""Random texts by a pattern or a regular expression, as SQL of the embedded engine; and which expressions its own
regular expressions cannot read.

Python's own parser of regular expressions is asked (`re._parser`), so what is accepted here is what `re` accepts.
"""

from __future__ import annotations

import re._constants as words  # pyright: ignore[reportMissingImports] - the parsed form has no public names
import re._parser as parser  # pyright: ignore[reportMissingImports]
import string
import sys
from typing import Any

from sqlglot import exp

MOST_SIGNS = 512
"""Longest text that may be made."""
_OPEN_REPEATS = 8
"""How often `*` and `+` repeat at most beyond what they need."""
_PRINTABLE = "".join(chr(c) for c in range(32, 127))
_CATEGORIES = {
    words.CATEGORY_DIGIT: string.digits,
    words.CATEGORY_WORD: string.ascii_letters + string.digits + "_",
    words.CATEGORY_SPACE: " \t",
}
_NEGATED = {
    words.CATEGORY_NOT_DIGIT: words.CATEGORY_DIGIT,
    words.CATEGORY_NOT_WORD: words.CATEGORY_WORD,
    words.CATEGORY_NOT_SPACE: words.CATEGORY_SPACE,
}


class Unsupported(ValueError):
    """A regular expression from which no text can be made; the message says why."""


def of_pattern(pattern: str) -> exp.Expr:
    """`#` is a digit, `?` a letter, anything else stands for itself."""
    parts = [
        _pick(string.digits) if c == "#" else _pick(string.ascii_uppercase) if c == "?" else exp.Literal.string(c)
        for c in pattern
    ]
    return _concatenated(parts)


def of_regex(pattern: str) -> exp.Expr:
    """A random text that matches the expression as a whole. Raises Unsupported."""
    made = _Maker()
    found = made.sequence(parser.parse(pattern))
    return _concatenated(found)


def fault(pattern: str) -> str | None:
    """Why no text can be made of a regular expression, or None."""
    try:
        of_regex(pattern)
    except Unsupported as error:
        return str(error)
    return None


def needs_backtracking(pattern: str) -> bool:
    """Look-around, references to groups, atomic and possessive parts: RE2 has none of these."""
    return _backtracks(parser.parse(pattern))


_BACKTRACKING = {
    getattr(words, name)
    for name in ("ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS", "ATOMIC_GROUP", "POSSESSIVE_REPEAT")
    if hasattr(words, name)
}


def _backtracks(tree: Any) -> bool:
    for operator, argument in tree:
        if operator in _BACKTRACKING:
            return True
        for inner in _inner(operator, argument):
            if _backtracks(inner):
                return True
    return False


def _inner(operator: Any, argument: Any) -> list[Any]:
    if operator is words.SUBPATTERN:
        return [argument[3]]
    if operator in (words.MAX_REPEAT, words.MIN_REPEAT):
        return [argument[2]]
    if operator is words.BRANCH:
        return list(argument[1])
    return []


class _Maker:
    """Writes the expression of one random text; counts how long it can become."""

    def __init__(self) -> None:
        self._signs = 0

    def sequence(self, tree: Any) -> list[exp.Expr]:
        found: list[exp.Expr] = []
        for operator, argument in tree:
            found += self._node(operator, argument)
        return found

    def _node(self, operator: Any, argument: Any) -> list[exp.Expr]:
        if operator is words.LITERAL:
            return [self._counted(exp.Literal.string(chr(argument)))]
        if operator is words.NOT_LITERAL:
            return [self._counted(_pick(_PRINTABLE.replace(chr(argument), "")))]
        if operator is words.ANY:
            return [self._counted(_pick(_PRINTABLE))]
        if operator is words.IN:
            return [self._counted(_pick(_charset(argument)))]
        if operator is words.AT:  # the whole text matches: beginnings and ends are there
            if argument in (words.AT_BEGINNING, words.AT_BEGINNING_STRING, words.AT_END, words.AT_END_STRING):
                return []
            raise Unsupported("has a word boundary, which a random text cannot promise")
        if operator is words.SUBPATTERN:
            return self.sequence(argument[3])
        if operator is words.BRANCH:
            return [_choice([_concatenated(self.sequence(branch)) for branch in argument[1]])]
        if operator in (words.MAX_REPEAT, words.MIN_REPEAT):
            return self._repeat(*argument)
        raise Unsupported("has look-around or a reference to a group, of which no random text can be made")

    def _repeat(self, least: int, most: Any, body: Any) -> list[exp.Expr]:
        limit = least + _OPEN_REPEATS if most is words.MAXREPEAT else int(most)
        if limit > MOST_SIGNS:
            raise Unsupported(f"repeats a part {limit} times; at most {MOST_SIGNS}")
        found: list[exp.Expr] = []
        for _ in range(least):
            found += self.sequence(body)
        optional: exp.Expr | None = None
        for _ in range(limit - least):  # from the innermost: each one more only if the one before is there
            one = _concatenated([*self.sequence(body), *([optional] if optional is not None else [])])
            optional = _choice([one, exp.Literal.string("")])
        return [*found, optional] if optional is not None else found

    def _counted(self, part: exp.Expr) -> exp.Expr:
        self._signs += 1
        if self._signs > MOST_SIGNS:
            raise Unsupported(f"makes texts of more than {MOST_SIGNS} characters")
        return part


def _charset(members: list[Any]) -> str:
    negated = bool(members) and members[0][0] is words.NEGATE
    found: list[str] = []
    for operator, argument in members[1:] if negated else members:
        if operator is words.LITERAL:
            found.append(chr(argument))
        elif operator is words.RANGE:
            low, high = argument
            if high - low > 1024 or high > sys.maxunicode:
                raise Unsupported("has a set of more than 1,024 characters")
            found += [chr(c) for c in range(low, high + 1)]
        elif operator is words.CATEGORY:
            if argument in _CATEGORIES:
                found += _CATEGORIES[argument]
            else:
                found += [c for c in _PRINTABLE if c not in _CATEGORIES[_NEGATED[argument]]]
    signs = dict.fromkeys(found)
    chosen = [c for c in _PRINTABLE if c not in signs] if negated else list(signs)
    if not chosen:
        raise Unsupported("has a set without a printable character")
    return "".join(chosen)


def _pick(signs: str) -> exp.Expr:
    """One of the characters, at random."""
    if len(signs) == 1:
        return exp.Literal.string(signs)
    return exp.Anonymous(
        this="substr", expressions=[exp.Literal.string(signs), _at_random(len(signs)), exp.Literal.number(1)]
    )


def _at_random(count: int) -> exp.Expr:
    """1 to `count`."""
    drawn = exp.Mul(this=exp.Anonymous(this="random"), expression=exp.Literal.number(count))
    floor = exp.Anonymous(this="floor", expressions=[drawn])
    return exp.Add(this=exp.Cast(this=floor, to=exp.DataType.build("int")), expression=exp.Literal.number(1))


def _choice(options: list[exp.Expr]) -> exp.Expr:
    """One of the texts, each as likely: every draw is its own, so the chances are worked out one after the other."""
    *before, last = options
    found = last
    for position, option in enumerate(reversed(before), start=2):
        draws = exp.LT(
            this=exp.Anonymous(this="random"),
            expression=exp.Div(this=exp.Literal.number("1.0"), expression=exp.Literal.number(position)),
        )
        found = exp.Case(ifs=[exp.If(this=draws, true=option)], default=found)
    return exp.Paren(this=found)


def _concatenated(parts: list[exp.Expr]) -> exp.Expr:
    merged: list[exp.Expr] = []
    for part in parts:
        if merged and isinstance(part, exp.Literal) and isinstance(merged[-1], exp.Literal):
            merged[-1] = exp.Literal.string(merged[-1].name + part.name)
        else:
            merged.append(part)
    if not merged:
        return exp.Literal.string("")
    if len(merged) == 1:
        return merged[0]
    return exp.Anonymous(this="concat", expressions=merged)
