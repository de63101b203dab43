"""`job.profile`: statistics and suggested tags of the first input's dataset (ch04 3.15, 6.9).

The reference does not say what its levels differ in. Ours: basic counts (nulls, distinct and unique values, least and
most); intermediate adds mean, spread, quantiles, lengths of texts and frequent values; advanced adds histograms, shape
and correlations. Suggested tags come with each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled
from dataos.stacks.flare import sql
from dataos.stacks.flare.engines import EngineName

LEVELS = ("basic", "intermediate", "advanced")


@dataclass(frozen=True)
class Pattern:
    """A tag of the author's own: columns whose name holds one of the words, or whose values match."""

    tag: str
    words: tuple[str, ...]
    regex: str | None


@dataclass(frozen=True)
class Profile:
    """What is to be measured. `filters` are conditions that hold together."""

    level: str
    filters: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    path: Path


class _Filter(Spec):
    type: Text = "expression"
    """`expression`."""
    expression: Text
    """Condition on rows, as in WHERE."""


class _Pattern(Spec):
    tag: Text
    """Tag that is suggested."""
    words: tuple[Text, ...] = spelled("word", "keywords", "dictionary", default=(), lone=True)
    """Words in names of columns."""
    regex: Text | None = spelled("pattern", default=None)
    """What a whole value matches."""


class _Profile(Spec):
    level: Text
    """basic, intermediate or advanced."""
    filters: tuple[_Filter, ...] = spelled("filter", default=(), lone=True)
    """Rows to look at."""
    patterns: tuple[_Pattern, ...] = spelled(default=(), lone=True)
    """Tags of your own to suggest."""


def read(value: Any, reading: Reading, path: Path) -> Profile | None:
    """The profile, or None if there is none, or one with faults (in `reading`)."""
    if value is None or value is False:
        return None
    block = read_model(_Profile, value, reading, path)
    if block is None:
        return None
    before = len(reading.problems)
    level = one_of(block.level, LEVELS, (*path, "level"), reading, "level")
    for number, entry in enumerate(block.filters):
        one_of(entry.type, ("expression",), (*path, "filters", number, "type"), reading, "type of a filter")
    patterns: list[Pattern] = []
    for number, entry in enumerate(block.patterns):
        where = (*path, "patterns", number)
        if not entry.words and not entry.regex:
            reading.error(where, "a pattern has `words` or a `regex`", code="manifest.missing")
        if entry.regex is not None:
            check_regex(entry.regex, reading, (*where, "regex"))
        patterns.append(Pattern(entry.tag, tuple(w.strip().lower() for w in entry.words), entry.regex))
    if level is None or len(reading.problems) > before:
        return None
    return Profile(level, tuple(f.expression for f in block.filters), tuple(patterns), path)


def check(profile: Profile, views: tuple[str, ...], reading: Reading) -> None:
    """Filters are conditions that the engine may see."""
    for number, condition in enumerate(profile.filters):
        where = (*profile.path, "filters", number, "expression")
        reading.attempt(where, partial(sql.check_condition, condition, views, engine=EngineName.SPARK))


def check_regex(text: str, reading: Reading, path: Path) -> None:
    """An error unless it is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        reading.error(path, f"`{text}` is no regular expression: {error}", code="flare.regex")
