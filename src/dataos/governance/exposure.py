"""The data half of the decision index: which rows and values of a dataset does a user see? (ch08 3.4 to 3.6)

Names of datasets and columns match without regard to letter case, and to how their accents are written. Of the rules
that select one column the best priority replaces the others; of equal ones filters are AND-ed and the strictest mask
counts. What layer `user` says never loosens what layer `system` says.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dataos.core.addresses import Udl
from dataos.core.names import folded
from dataos.governance.globs import Glob, compile_glob
from dataos.governance.policies import DataRule, Filter, Mask

ColumnPath = tuple[str, ...]
"""Names from a column down into its fields, in lower case; `element`, `key` and `value` stand for parts of lists and
maps."""

STRICTNESS = ("redact", "hash", "rand_pattern", "rand_regexify", "regex_replace", "bucket_date", "bucket_number",
              "pass_through")  # fmt: skip
_REMEMBERED = 2048


@dataclass(frozen=True)
class DatasetName:
    """A dataset as the catalog spells it."""

    depot: str
    collection: str
    dataset: str

    @classmethod
    def of(cls, udl: Udl) -> DatasetName:
        """The dataset at an address."""
        return cls(udl.depot, udl.collection or "", udl.dataset or "")


@dataclass(frozen=True)
class AppliedMask:
    """The mask of one column, and the policy that says so."""

    mask: Mask
    policy: str


@dataclass(frozen=True)
class AppliedFilter:
    """A filter on one column, and the policy that says so."""

    filter: Filter
    policy: str


class Exposure:
    """What the data rules of one user say of one dataset."""

    def __init__(self, rules: Sequence[DataRule]) -> None:
        self.filters: tuple[AppliedFilter, ...] = _filters([r for r in rules if r.type == "filter"])
        self._names: dict[str, list[DataRule]] = {}
        self._tags: dict[str, list[DataRule]] = {}
        for rule in (r for r in rules if r.type == "mask" and r.mask is not None):
            for name in rule.column_names:
                self._names.setdefault(folded(name), []).append(rule)
            for tag in rule.column_tags:
                self._tags.setdefault(tag, []).append(rule)

    @property
    def paths(self) -> frozenset[ColumnPath]:
        """The columns, and parts of some, that masks name."""
        return frozenset(tuple(name.split(".")) for name in self._names)

    @property
    def has_masks(self) -> bool:
        """Could any column be masked?"""
        return bool(self._names or self._tags)

    def masking(self, tags: Mapping[ColumnPath, frozenset[str]]) -> list[str]:
        """Masks that could bite where columns are not known: those that name any, and those of tags that are given."""
        given = frozenset(tag for found in tags.values() for tag in found)
        named = [r for rules in self._names.values() for r in rules]
        tagged = [r for tag, rules in self._tags.items() if tag in given for r in rules]
        return list(
            dict.fromkeys(r.name for r in (*named, *tagged) if r.mask is not None and r.mask.operator != "pass_through")
        )

    def mask(self, path: ColumnPath, tags: Mapping[ColumnPath, frozenset[str]]) -> AppliedMask | None:
        """The mask of a column or of a field in it; rules that select what it lies in count for it too. None: none,
        or `pass_through` won."""
        found: list[DataRule] = []
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            found += self._names.get(folded(".".join(part)), ())
            for tag in tags.get(part, ()):
                found += self._tags.get(tag, ())
        if not found:
            return None
        best = found[0] if len(found) == 1 else min(_winners(found), key=lambda r: (_strictness(r), r.name))
        assert best.mask is not None  # noqa: S101 - only rules with masks were taken
        return AppliedMask(best.mask, best.name) if best.mask.operator != "pass_through" else None

    def strictest(self, paths: Sequence[ColumnPath], tags: Mapping[ColumnPath, frozenset[str]]) -> AppliedMask | None:
        """The strictest mask of a column by any of its names."""
        if len(paths) == 1:
            return self.mask(paths[0], tags)
        found = [applied for path in paths if (applied := self.mask(path, tags)) is not None]
        return min(found, key=lambda a: (STRICTNESS.index(a.mask.operator), a.policy), default=None)

    def selecting(self, path: ColumnPath, tags: Mapping[ColumnPath, frozenset[str]]) -> list[DataRule]:
        """Every mask rule that selects the column, the best priority first: for explanations."""
        found: dict[str, DataRule] = {}
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            for rule in self._names.get(folded(".".join(part)), ()):
                found[rule.name] = rule
            for tag in tags.get(part, ()):
                found |= {rule.name: rule for rule in self._tags.get(tag, ())}
        return sorted(found.values(), key=lambda r: (r.priority, r.name))


def _winners(rules: Iterable[DataRule]) -> list[DataRule]:
    """The rules that count for one column: the best of layer `system`, and those of layer `user` that are as good
    or better."""
    known = list(rules)
    system = [r for r in known if r.layer == "system"]
    user = [r for r in known if r.layer != "system"]
    first = min((r.priority for r in system), default=None)
    best = min((r.priority for r in user), default=None)
    found = [r for r in system if r.priority == first]
    if best is not None and (first is None or best <= first):
        found += [r for r in user if r.priority == best]
    return found


def _strictness(rule: DataRule) -> int:
    return STRICTNESS.index(rule.mask.operator) if rule.mask is not None else len(STRICTNESS)


def _filters(rules: Sequence[DataRule]) -> tuple[AppliedFilter, ...]:
    by_column: dict[str, list[DataRule]] = {}
    for rule in rules:
        for filter_ in rule.filters:
            by_column.setdefault(folded(filter_.column), []).append(rule)
    found: dict[AppliedFilter, None] = {}
    for column, selecting in by_column.items():
        for rule in sorted({r.name: r for r in _winners(selecting)}.values(), key=lambda r: r.name):
            for filter_ in rule.filters:
                if folded(filter_.column) == column:
                    found[AppliedFilter(filter_, rule.name)] = None
    return tuple(found)


class ExposureIndex:
    """Immutable: a change of rules makes a new one."""

    def __init__(self, rules: Mapping[str, DataRule]) -> None:
        self._exact: dict[tuple[str, str, str], list[DataRule]] = {}
        self._globs: list[tuple[tuple[Glob, Glob, Glob], DataRule]] = []
        self._users: dict[str, tuple[Glob, ...]] = {}
        for rule in rules.values():
            names = tuple(compile_glob(folded(n)) for n in (rule.depot, rule.collection, rule.dataset))
            depot, collection, dataset = names
            if depot.literal and collection.literal and dataset.literal:
                self._exact.setdefault((depot.prefix, collection.prefix, dataset.prefix), []).append(rule)
            else:
                self._globs.append(((depot, collection, dataset), rule))
            self._users[rule.name] = tuple(compile_glob(t) for t in rule.user_tags)
        self.exposure = functools.lru_cache(maxsize=_REMEMBERED)(self._exposure)
        """What these rules say to a user with these tags, of one dataset."""
        self.of_dataset = functools.lru_cache(maxsize=_REMEMBERED)(self._of_dataset)
        """Every rule that speaks of a dataset, for whomever."""

    def _exposure(self, tags: frozenset[str], dataset: DatasetName) -> Exposure:
        return Exposure([rule for rule in self.of_dataset(dataset) if self.concerns(rule, tags)])

    def _of_dataset(self, dataset: DatasetName) -> tuple[DataRule, ...]:
        names = (folded(dataset.depot), folded(dataset.collection), folded(dataset.dataset))
        matching = (r for globs, r in self._globs if all(g.matches(n) for g, n in zip(globs, names, strict=True)))
        return (*self._exact.get(names, ()), *matching)

    def touching(self, tags: frozenset[str], depot: str, given: frozenset[str]) -> list[str]:
        """Names of rules that hide anything of any dataset of a depot from a user with these tags. `given`: the tags
        that columns of the depot have; masks of other tags hide nothing there."""
        exact = (rule for rules in self._exact.values() for rule in rules)
        return [
            rule.name
            for rule in (*exact, *(r for _, r in self._globs))
            if compile_glob(folded(rule.depot)).matches(folded(depot))
            and (rule.mask is None or rule.mask.operator != "pass_through")
            and (rule.mask is None or rule.column_names or not given.isdisjoint(rule.column_tags))
            and self.concerns(rule, tags)
        ]

    def concerns(self, rule: DataRule, tags: frozenset[str]) -> bool:
        """Does a rule select a user with these tags?"""
        globs = self._users[rule.name]
        if not globs:
            return False
        test = all if rule.match_all else any
        return test(any(g.matches(t) for t in tags) for g in globs)
