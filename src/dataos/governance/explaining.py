"""Why somebody may do something, or not, and who sees what: answers for people (ch08 15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataos.governance import masking, objects
from dataos.governance.decisions import Policies
from dataos.governance.exposure import AppliedFilter, ColumnPath, DatasetName
from dataos.governance.policies import AccessObject, AccessRule, Decision, Mask, Rule

Tags = Mapping[ColumnPath, frozenset[str]]


@dataclass(frozen=True)
class Explanation:
    """A decision with every rule that matched, denials first."""

    decision: Decision
    matched: tuple[AccessRule, ...]

    def to_json(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "allowed": self.decision.allowed,
            "decidedBy": list(self.decision.rules),
            "matched": [shown(rule) for rule in self.matched],
        }


def shown(rule: AccessRule) -> dict[str, Any]:
    """A rule, for people."""
    return {
        "policy": rule.name,
        "allow": rule.allow,
        "layer": rule.layer,
        "origin": rule.origin,
        "subjects": [list(g) for g in rule.subjects],
        "predicates": list(rule.predicates),
        "paths": list(rule.paths),
        "tags": [list(g) for g in rule.tags],
    }


def access(policies: Policies, tags: frozenset[str], predicates: Sequence[str], thing: AccessObject) -> Explanation:
    """Which policies match, and which one decides."""
    decision = policies.decide(tags, predicates, thing)
    return Explanation(decision, tuple(policies.access.matching(tags, predicates, thing)))


def in_force(rule: Rule) -> dict[str, Any]:
    """A rule of either sort, for people. What a filter or mask does is said as SQL."""
    if isinstance(rule, AccessRule):
        found = {key: value for key, value in shown(rule).items() if key != "allow"}
        data = {"priority": None, "columnTags": [], "columnNames": [], "mask": None, "filters": []}
        return {**found, "effect": "allow" if rule.allow else "deny", "description": rule.description, **data}
    groups = [list(rule.user_tags)] if rule.match_all else [[tag] for tag in rule.user_tags]
    return {
        "policy": rule.name,
        "effect": rule.type,
        "layer": rule.layer,
        "origin": "policy",
        "description": rule.description,
        "subjects": groups,
        "predicates": [],
        "paths": [f"dataos://{rule.depot}:{rule.collection}/{rule.dataset}"],
        "tags": [],
        "priority": rule.priority,
        "columnTags": list(rule.column_tags),
        "columnNames": list(rule.column_names),
        "mask": _mask(rule.mask),
        "filters": [masking.describe_filter(AppliedFilter(f, rule.name)) for f in rule.filters],
    }


def _mask(mask: Mask | None) -> str | None:
    if mask is None:
        return None
    return "shown as it is" if mask.operator == "pass_through" else masking.describe(mask, "value")


def columns(
    policies: Policies, user: frozenset[str], name: DatasetName, paths: Iterable[ColumnPath], tags: Tags
) -> list[dict[str, Any]]:
    """What a user sees of each column: {column, shown, mask, policy, candidates}."""
    exposure = policies.exposure(user, name)
    found: list[dict[str, Any]] = []
    for path in paths:
        column = ".".join(path)
        thing = objects.column(name, path, tags.get(path, ()))
        denied = policies.access.denying(user, objects.READ_TABLE, thing)
        mask = exposure.mask(path, tags)
        found.append(
            {
                "column": column,
                "tags": sorted(tags.get(path, ())),
                "shown": "denied" if denied is not None else "masked" if mask is not None else "raw",
                "mask": masking.describe(mask.mask, column) if mask is not None else None,
                "policy": denied.name if denied is not None else mask.policy if mask is not None else None,
                "candidates": [
                    {"policy": r.name, "priority": r.priority, "layer": r.layer} for r in exposure.selecting(path, tags)
                ],
            }
        )
    return found


def filters(policies: Policies, user: frozenset[str], name: DatasetName) -> list[dict[str, Any]]:
    """Which rows a user sees: {filter, policy}."""
    applied = policies.exposure(user, name).filters
    return [{"filter": masking.describe_filter(f), "policy": f.policy} for f in applied]
