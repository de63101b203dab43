"""Who may start now on this machine: keeps the demands, asks the pure decider in `processes.admission`.

Rebuilt from the store at start (`holds` is called for every open attempt that is looked at), so it holds nothing that
cannot be found again. A freed slot is granted to whose turn it is, and rings that unit alone: with a thousand waiting,
an end of one must not make a thousand look.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from dataos.processes.admission import Admission, Decision, Demand

_LOOKS_PER_S = 20.0
"""How many waiting units ask again in a second, all together: in case a ring was lost, or another server has room."""

_GONE_S = 10.0
"""A demand that did not ask again for so long (or three times its interval) has gone elsewhere: another server had a
free slot for it, or its run was stopped."""


class Admissions:
    """The queue of one server."""

    def __init__(
        self,
        admission: Admission,
        kick: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        closed: Callable[[], str] = lambda: "",
    ) -> None:
        """`closed` says why nothing may begin at all now; empty if something may."""
        self._closed = closed
        self._admission = admission
        self._kick = kick
        self._monotonic = monotonic
        self._running: dict[str, Demand] = {}
        self._granted: dict[str, float] = {}  # running ones that have not heard of it yet, and since when
        self._waiting: dict[str, tuple[Demand, str, float]] = {}
        self._doubtful: set[str] = set()  # running ones that the last round of `tidy` found to be no open attempts

    @property
    def again_s(self) -> float:
        """Seconds until a waiting unit asks again by itself; longer, the more of them wait."""
        return max(1.0, len(self._waiting) / _LOOKS_PER_S)

    async def ask(self, demand: Demand, unit: str) -> Decision:
        """May `demand` start now? If not, `unit` is rung when its turn comes."""
        if demand.key not in self._running:
            self._waiting[demand.key] = (demand, unit, self._monotonic())
            decision = self._grant(demand.key)
            if not decision.admit:
                return decision
        self._granted.pop(demand.key, None)
        return Decision(demand.key, True, "")

    def holds(self, attempt: Any) -> None:
        """An open attempt found in the store occupies its slot."""
        if attempt.id not in self._running:
            self._running[attempt.id] = Demand(
                attempt.id, attempt.run_id, attempt.cpu, attempt.memory_bytes, attempt.created_at
            )
        self._granted.pop(attempt.id, None)
        self._waiting.pop(attempt.id, None)

    def release(self, attempt_id: str) -> None:
        """An attempt ended: give its slot to whose turn it is."""
        self._running.pop(attempt_id, None)
        self._granted.pop(attempt_id, None)
        if self._waiting:
            self._grant()

    @property
    def counts(self) -> tuple[int, int]:
        """(running, waiting) on this server."""
        return len(self._running), len(self._waiting)

    def retain(self, attempt_ids: Collection[str]) -> None:
        """Only these attempts are this server's (any more): free the slots of all others."""
        for key in [k for k in self._running if k not in attempt_ids]:
            self.release(key)

    async def tidy(self, open_here: Callable[[], Awaitable[Collection[str]]]) -> None:
        """Free the slots of attempts that are not open: a look that worked on what it had read long ago may have taken
        one for an attempt that ended meanwhile, and nobody looks at that again.

        `open_here` tells this server's open attempts. Two rounds must find the same: an attempt may be about to begin.
        """
        before = self._running.keys() - self._granted.keys()
        open_ = await open_here()
        gone = {key for key in before if key not in open_}
        for key in gone & self._doubtful:
            self.release(key)
        self._doubtful = gone - self._doubtful

    def forget(self, attempt_id: str) -> None:
        """A waiting demand went away; a slot that it was granted is somebody else's."""
        self._waiting.pop(attempt_id, None)
        if attempt_id in self._granted:
            self.release(attempt_id)

    def _grant(self, asking: str = "") -> Decision:
        """Give what is free to whose turn it is, and ring all of them but the one that asks. Returns its answer."""
        now = self._monotonic()
        gone = now - max(_GONE_S, 3 * self.again_s)
        self._waiting = {key: entry for key, entry in self._waiting.items() if entry[2] >= gone}
        for key in [k for k, since in self._granted.items() if since < gone]:
            del self._granted[key], self._running[key]
        if reason := self._closed():
            return Decision(asking, False, reason)
        answer = Decision(asking, False)
        waiting = [demand for demand, _, _ in self._waiting.values()]
        for decision in self._admission.decide(waiting, list(self._running.values()), asking):
            if decision.key == asking:
                answer = decision
            if decision.admit:
                demand, unit, _ = self._waiting.pop(decision.key)
                self._running[decision.key] = demand
                self._granted[decision.key] = now
                if decision.key != asking:
                    self._kick(unit)
        return answer
