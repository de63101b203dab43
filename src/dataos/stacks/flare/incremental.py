"""Incremental inputs: a window of a source, whose bounds SQL tells and the last run remembers (ch04 3.8, 6.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.stacks.flare import parsing, rewriting, sql
from dataos.stacks.flare.blocks import NAME
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.quoting import literal

_PLACEHOLDER = re.compile(r"(['\"]?)\$\|([^|\s]+)\|\1")
_BARE = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?|true|false", re.IGNORECASE)


@dataclass(frozen=True)
class Key:
    """A bound of the window. `sql` answers its value where none is remembered."""

    name: str
    sql: str
    path: Path


@dataclass(frozen=True)
class Increment:
    """`context`: what `sql` calls the whole source; `state`: remembered name -> key whose value is remembered."""

    context: str
    sql: str
    keys: tuple[Key, ...]
    state: Mapping[str, str]
    path: Path


class _Key(Spec):
    name: Text
    sql: Text


class _State(Spec):
    key: Text
    value: Text


class _Entry(Spec):
    context: Text
    sql: Text
    keys: tuple[_Key, ...] = spelled("key", default=(), lone=True)
    state: tuple[_State, ...] = spelled(default=(), lone=True)


def read(data: Any, reading: Reading, path: Path) -> Increment | None:
    """The block at `path`, or None with its faults in `reading`."""
    if data is None:
        return None
    before = len(reading.problems)
    entry = read_model(_Entry, data, reading, path)
    if entry is None:
        return None
    if not NAME.fullmatch(entry.context):
        reading.error(
            (*path, "context"),
            f"`{entry.context}` cannot name a view",
            hint="letters, digits and `_`, beginning with a letter or `_`",
            code="flare.name",
        )
        return None
    known: list[str] = []
    keys: list[Key] = []
    for number, key in enumerate(entry.keys):
        where = (*path, "keys", number)
        if key.name in known:
            reading.error((*where, "name"), f"two keys are named `{key.name}`", code="flare.duplicate_name")
        _check(key.sql, entry.context, known, reading, (*where, "sql"))
        known.append(key.name)
        keys.append(Key(key.name, key.sql, where))
    _check(entry.sql, entry.context, known, reading, (*path, "sql"))
    for number, state in enumerate(entry.state):
        for part, word in (("key", state.key), ("value", state.value)):
            if word not in known:
                reading.error(
                    (*path, "state", number, part),
                    f"`{word}` names no key",
                    hint=names.did_you_mean(word, known)
                    or "`state` remembers the value of one key under another's name",
                    code="flare.incremental",
                )
    if len(reading.problems) > before:
        return None
    return Increment(entry.context, entry.sql, tuple(keys), {s.key: s.value for s in entry.state}, path)


def _check(text: str, context: str, known: list[str], reading: Reading, path: Path) -> None:
    for match in _PLACEHOLDER.finditer(text):
        if match[2] not in known:
            reading.error(
                path,
                f"`$|{match[2]}|` names no key that is known here",
                hint=names.did_you_mean(match[2], known) or "a key may use those before it",
                code="flare.incremental",
                line=text.count("\n", 0, match.start()) + 1,
            )
            return
    try:
        sql.check(fill(text, dict.fromkeys(known, "0")), (context,), engine=EngineName.SPARK)
    except DataOSError as error:
        for problem in error.problems:
            reading.error(path, problem.message, code=problem.code, hint=problem.hint, line=problem.line)


def clock_keys(increment: Increment) -> frozenset[str]:
    """Keys whose SQL asks the clock, itself or by another key."""
    found: set[str] = set()
    for key in increment.keys:
        names = {match[2] for match in _PLACEHOLDER.finditer(key.sql)}
        trees = parsing.parse(fill(key.sql, dict.fromkeys(names, "0")))
        if names & found or any(rewriting.tells_time(tree) for tree in trees):
            found.add(key.name)
    return frozenset(found)


def goes_back(new: str, old: str) -> bool:
    """Is a bound before another? Times in ISO's form and numbers are compared; of anything else nobody knows."""
    try:
        return float(new) < float(old)
    except ValueError:
        pass
    try:
        return _moment(new) < _moment(old)
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in: a literal where it stands in quotes, or is no number."""

    def put(match: re.Match[str]) -> str:
        value = values[match[2]]
        if not match[1] and _BARE.fullmatch(value):
            return value
        return literal(value)

    return _PLACEHOLDER.sub(put, text)
