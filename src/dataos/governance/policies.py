"""Rules as the decision index keeps them: canonical, readable from and to JSON (ch08 3).

A Policy manifest is one rule; a grant gives one access rule for each atom and set of values of its use-case.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Groups = tuple[tuple[str, ...], ...]
"""OR of AND-groups of globs."""


@dataclass(frozen=True)
class AccessRule:
    """Who may (`allow`) or may not do what with which objects. `origin`: `policy`, `grant` or `shipped`. `until`: the
    moment (UTC microseconds) from which it does not count any more."""

    name: str
    subjects: Groups
    predicates: tuple[str, ...]
    paths: tuple[str, ...] = ()
    tags: Groups = ()
    allow: bool = False
    layer: str = "user"
    origin: str = "policy"
    description: str = ""
    until: int | None = None


@dataclass(frozen=True)
class Mask:
    """What is shown instead of a value. Which fields are set follows from the operator; buckets rise."""

    operator: str
    algo: str | None = None
    replacement: str | None = None
    buckets: tuple[float, ...] = ()
    precision: str | None = None
    pattern: str | None = None
    keyed: bool = False


@dataclass(frozen=True)
class Filter:
    """Rows for which this holds stay visible. `attribute`: the value is this attribute of the calling user."""

    column: str
    operator: str
    value: str | int | float | bool | None = None
    attribute: str | None = None


@dataclass(frozen=True)
class DataRule:
    """Which rows and values users with these tags see of which datasets. `depot`, `collection`, `dataset`: globs."""

    name: str
    type: Literal["mask", "filter"]
    priority: int
    user_tags: tuple[str, ...]
    match_all: bool = False
    depot: str = "**"
    collection: str = "**"
    dataset: str = "**"
    column_tags: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    mask: Mask | None = None
    filters: tuple[Filter, ...] = ()
    layer: str = "user"
    description: str = ""


Rule = AccessRule | DataRule


@dataclass(frozen=True)
class AccessObject:
    """What a decision is about. All tags and paths belong to the one object."""

    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """An access decision and the rules that made it; none: nothing matched, which denies."""

    allowed: bool
    rules: tuple[str, ...] = field(default=())


def to_json(rule: Rule) -> dict[str, Any]:
    """For the store."""
    return asdict(rule)


def from_json(body: dict[str, Any]) -> Rule:
    """A stored rule. Raises TypeError, KeyError for what is none."""
    known: dict[str, Any] = dict(body)
    if "predicates" in body:
        known |= {"subjects": _groups(body["subjects"]), "tags": _groups(body["tags"])}
        known |= {key: tuple(body[key]) for key in ("predicates", "paths")}
        return AccessRule(**known)
    known |= {key: tuple(body[key]) for key in ("user_tags", "column_tags", "column_names")}
    if body["mask"] is not None:
        mask: dict[str, Any] = {**body["mask"], "buckets": tuple(body["mask"]["buckets"])}
        known["mask"] = Mask(**mask)
    known["filters"] = tuple(Filter(**f) for f in body["filters"])
    return DataRule(**known)


def _groups(written: list[list[str]]) -> Groups:
    return tuple(tuple(group) for group in written)
