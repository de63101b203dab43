"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataos.core.ids import AttemptId, RunId, UserId

OPERATOR_TAG = "roles:id:operator"


@dataclass(frozen=True)
class AttemptScope:
    """What an attempt's token is limited to."""

    workspace: str
    run_id: RunId
    attempt_id: AttemptId


@dataclass(frozen=True)
class Principal:
    """An authenticated identity. `attempt` is set for tokens of jobs, which see their own run's catalog view."""

    user_id: UserId
    tags: frozenset[str] = field(default_factory=frozenset[str])
    attempt: AttemptScope | None = None

    @property
    def is_operator(self) -> bool:
        """True for holders of the operator role."""
        return OPERATOR_TAG in self.tags
