"""The access half of the decision index: may this subject do that with this object? (ch08 3.2)

A rule matches if one of its subject groups, one predicate, and a path or tag group match. A matching rule that denies
wins over any number that allow; no match denies. Rules that can concern a set of tags are found once and remembered,
with their patterns sorted by what they begin with: a decision looks at few of them, however many there are.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from dataos.core.names import folded
from dataos.governance.globs import Glob, compile_glob
from dataos.governance.policies import AccessObject, AccessRule, Decision

DATASET = "dataos://"
_REMEMBERED = 512
T = TypeVar("T")

Group = tuple[Glob, ...]


class AccessIndex:
    """Immutable: a change of rules makes a new one (`changed`)."""

    def __init__(self, rules: Mapping[str, AccessRule]) -> None:
        self._rules = dict(rules)
        self._subjects = _subjects(self._rules)
        self._view = functools.lru_cache(maxsize=_REMEMBERED)(self._find)

    def decide(self, tags: frozenset[str], predicates: Sequence[str], thing: AccessObject) -> Decision:
        """One decision about one object; any of `predicates` may be allowed, none may be denied."""
        view = self._view(tags)
        for predicate in predicates:
            rule = view.match(predicate, thing, allow=False)
            if rule is not None:
                return Decision(False, (rule.name,))
        for predicate in predicates:
            rule = view.match(predicate, thing, allow=True)
            if rule is not None:
                return Decision(True, (rule.name,))
        return Decision(False)

    def denying(self, tags: frozenset[str], predicates: Sequence[str], thing: AccessObject) -> AccessRule | None:
        """The first rule that denies, if there is one."""
        view = self._view(tags)
        found = (view.match(predicate, thing, allow=False) for predicate in predicates)
        return next((rule for rule in found if rule is not None), None)

    def can_deny(self, tags: frozenset[str], predicates: Sequence[str]) -> bool:
        """Is there any rule that could deny something of this?"""
        view = self._view(tags)
        return any(view.has(predicate, allow=False) for predicate in predicates)

    def denials(self, tags: frozenset[str], predicates: Sequence[str]) -> list[AccessRule]:
        """Every rule that denies any of this to somebody, whatever the object."""
        found = (r for r in self._view(tags).rules if not r.allow and _counts(r))
        return [r for r in found if any(_does(r, p.lower()) for p in predicates)]

    def matching(self, tags: frozenset[str], predicates: Sequence[str], thing: AccessObject) -> list[AccessRule]:
        """Every rule that matches, denials first: for explanations."""
        found: dict[str, AccessRule] = {}
        for allow in (False, True):
            for predicate in predicates:
                for rule in self._view(tags).all(predicate, thing, allow=allow):
                    found.setdefault(rule.name, rule)
        return list(found.values())

    def _find(self, tags: frozenset[str]) -> _View:
        keys = dict.fromkeys(self._subjects.matching(tags))
        return _View([self._rules[key] for key in keys])


def speaks_of(rule: AccessRule, thing: AccessObject) -> bool:
    """Is the thing one of the rule's objects?"""
    return next(_Objects([rule], fold=not rule.allow).matching(thing), None) is not None


def concerns(rule: AccessRule, tags: Iterable[str]) -> bool:
    """Is somebody with these tags one of the rule's subjects?"""
    return any(True for _ in _subjects({"": rule}).matching(tags))


def _subjects(rules: Mapping[str, AccessRule]) -> _Groups[str]:
    """Keys of the rules by the groups of tags that they concern."""
    found = _Groups[str]()
    for key, rule in rules.items():
        for group in rule.subjects:
            found.add(tuple(compile_glob(g) for g in group), key)
    return found


class _View:
    """The rules whose subjects match one set of tags, by predicate."""

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        self.rules = rules
        self._found: dict[tuple[str, bool], _Objects] = {}

    def match(self, predicate: str, thing: AccessObject, *, allow: bool) -> AccessRule | None:
        return next(self.all(predicate, thing, allow=allow), None)

    def all(self, predicate: str, thing: AccessObject, *, allow: bool) -> Iterator[AccessRule]:
        return self._objects(predicate, allow).matching(thing)

    def has(self, predicate: str, *, allow: bool) -> bool:
        return not self._objects(predicate, allow).empty

    def _objects(self, predicate: str, allow: bool) -> _Objects:
        found = self._found.get((predicate, allow))
        if found is None:
            wanted = predicate.lower()
            mine = [r for r in self.rules if r.allow is allow and _does(r, wanted)]
            found = _Objects(mine, fold=not allow)
            if len(self._found) >= _REMEMBERED:  # predicates of applications are any texts
                self._found.clear()
            self._found[(predicate, allow)] = found
        return found


def _does(rule: AccessRule, predicate: str) -> bool:
    return any(compile_glob(p.lower()).matches(predicate) for p in rule.predicates)


class _Objects:
    """Object patterns of some rules. `fold`: addresses of datasets match without regard to letter case and form of
    accents, so that a denial cannot be passed by another spelling; what allows must be spelled as it is."""

    def __init__(self, rules: Iterable[AccessRule], *, fold: bool) -> None:
        self._fold = fold
        self._paths = _Prefixes[AccessRule]()
        self._tags = _Groups[AccessRule]()
        self.empty = True
        for rule in rules:
            self.empty = False
            for path in rule.paths:
                self._paths.add(compile_glob(self._folded(path)), rule)
            for group in rule.tags:
                self._tags.add(tuple(compile_glob(g) for g in group), rule)

    def matching(self, thing: AccessObject) -> Iterator[AccessRule]:
        for path in thing.paths:
            yield from (r for r in self._paths.matching(self._folded(path)) if _counts(r))
        yield from (r for r in self._tags.matching(thing.tags) if _counts(r))

    def _folded(self, path: str) -> str:
        return folded(path) if self._fold and path[: len(DATASET)].lower() in (DATASET, DATASET[: len(path)]) else path


def _counts(rule: AccessRule) -> bool:
    return rule.until is None or time.time_ns() // 1000 < rule.until


class _Prefixes(Generic[T]):
    """Globs sorted by what they begin with."""

    def __init__(self) -> None:
        self._literal: dict[str, list[T]] = {}
        self._open: dict[int, dict[str, list[tuple[Glob, T]]]] = {}

    def add(self, glob: Glob, item: T) -> None:
        if glob.literal:
            self._literal.setdefault(glob.prefix, []).append(item)
        else:
            self._open.setdefault(len(glob.prefix), {}).setdefault(glob.prefix, []).append((glob, item))

    def matching(self, value: str) -> Iterator[T]:
        yield from self._literal.get(value, ())
        for length, found in self._open.items():
            for glob, item in found.get(value[:length], ()):
                if glob.matches(value):
                    yield item


class _Groups(Generic[T]):
    """AND-groups of globs, each found by its most telling member."""

    def __init__(self) -> None:
        self._by_member = _Prefixes[tuple[Group, T]]()

    def add(self, group: Group, item: T) -> None:
        if group:  # an empty group would match everybody: no manifest may hold one
            telling = max(group, key=lambda g: (g.literal, len(g.prefix)))
            self._by_member.add(telling, (tuple(g for g in group if g is not telling), item))

    def matching(self, tags: Iterable[str]) -> Iterator[T]:
        held = tuple(tags)
        for tag in held:
            for rest, item in self._by_member.matching(tag):
                if all(any(g.matches(t) for t in held) for g in rest):
                    yield item
