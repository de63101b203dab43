"""Who may start now on this machine: keeps the demands, asks the pure decider in `processes.admission`.

Rebuilt from the store at start (`holds` is called for every open attempt that is looked at), so it holds nothing that
cannot be found again. A freed slot rings the units that wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dataos.processes.admission import Admission, Decision, Demand

_ASKS_AGAIN_S = 10.0
"""A demand that did not ask again for so long has gone elsewhere: another server had a free slot for it."""


class Admissions:
    """The queue of one server."""

    def __init__(
        self, admission: Admission, kick: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._admission = admission
        self._kick = kick
        self._monotonic = monotonic
        self._running: dict[str, Demand] = {}
        self._waiting: dict[str, tuple[Demand, str, float]] = {}

    async def ask(self, demand: Demand, unit: str) -> Decision:
        """May `demand` start now? If not, `unit` is rung when a slot becomes free."""
        if demand.key in self._running:
            return Decision(demand.key, True, "")
        now = self._monotonic()
        self._waiting[demand.key] = (demand, unit, now)
        for key, (_, _, asked) in list(self._waiting.items()):
            if now - asked > _ASKS_AGAIN_S:
                del self._waiting[key]
        decisions = self._admission.decide([d for d, _, _ in self._waiting.values()], list(self._running.values()))
        decision = next(d for d in decisions if d.key == demand.key)
        if decision.admit:
            del self._waiting[demand.key]
            self._running[demand.key] = demand
        return decision

    def holds(self, attempt: Any) -> None:
        """An open attempt found in the store occupies its slot."""
        if attempt.id not in self._running:
            self._running[attempt.id] = Demand(
                attempt.id, attempt.run_id, attempt.cpu, attempt.memory_bytes, attempt.created_at
            )
        self._waiting.pop(attempt.id, None)

    def release(self, attempt_id: str) -> None:
        """An attempt ended: give its slot to whoever waits."""
        self._running.pop(attempt_id, None)
        for _, unit, _ in list(self._waiting.values()):
            self._kick(unit)

    def forget(self, attempt_id: str) -> None:
        """A waiting demand went away."""
        self._waiting.pop(attempt_id, None)
