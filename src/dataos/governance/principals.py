"""Who is asking, and by which rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dataos.core.ids import AttemptId, RunId, UserId
from dataos.governance.decisions import Policies
from dataos.governance.policies import AccessObject, Decision

OPERATOR_TAG = "roles:id:operator"
OWNER = "dataos:owner:"
_NOTHING = Policies(0, {}, {})


def subject_tags(user: str, tags: Iterable[str]) -> frozenset[str]:
    """The tags by which policies know a user; the one with the id is always there."""
    return frozenset(tags) | {f"users:id:{user}"}


@dataclass(frozen=True)
class AttemptScope:
    """What an attempt's token is limited to."""

    workspace: str
    run_id: RunId
    attempt_id: AttemptId


@dataclass(frozen=True)
class Principal:
    """An authenticated identity. `attempt` is set for tokens of jobs, which see their own run's catalog view.

    `policies`: the rules in force when it was authenticated; without them nothing is allowed.
    """

    user_id: UserId
    tags: frozenset[str] = field(default_factory=frozenset[str])
    attempt: AttemptScope | None = None
    policies: Policies = field(default=_NOTHING, compare=False, repr=False)

    @property
    def subject_tags(self) -> frozenset[str]:
        """The tags by which policies know the identity; the one with its id is always there."""
        return subject_tags(self.user_id, self.tags)

    @property
    def is_operator(self) -> bool:
        """True for holders of the operator role."""
        return OPERATOR_TAG in self.tags

    def decide(self, predicates: Sequence[str], thing: AccessObject) -> Decision:
        """May it do one of these to the thing? What it owns carries `dataos:owner:self` besides."""
        if f"{OWNER}{self.user_id}" in thing.tags:
            thing = AccessObject((*thing.tags, f"{OWNER}self"), thing.paths)
        return self.policies.decide(self.subject_tags, predicates, thing)
