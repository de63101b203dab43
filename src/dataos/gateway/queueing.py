"""Who runs now and who waits: a Cluster runs so many statements at once, and of one user no more than a share.

A freed place goes to the user who has the fewest statements running, of these to the one who waits longest: nobody
gets ahead by asking often. What waits knows why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dataos.core.errors import DataOSError, fail

Told = Callable[[str], Awaitable[None]]
"""Is told why a statement waits."""


@dataclass(frozen=True)
class QueueLimits:
    """Bounds of one Cluster, by the names of their settings (`query.*`)."""

    running: int = 16
    running_per_user: int = 12
    queued: int = 500
    queued_s: float = 300.0


@dataclass(eq=False)
class Place:
    """A statement's place. `leave` gives it to the next; a second call does nothing."""

    queue: Queue
    user: str
    given: asyncio.Future[None]

    def leave(self) -> None:
        """Its statement is over."""
        self.queue.leave(self)


class Queue:
    """The places of one Cluster."""

    def __init__(self, cluster: str, limits: QueueLimits = QueueLimits()) -> None:
        self._cluster = cluster
        self._limits = limits
        self._running: set[Place] = set()
        self._waiting: list[Place] = []  # the longest wait first

    async def enter(self, user: str, told: Told) -> Place:
        """A place to run a statement in, once there is one; `told` is told why, if it has to wait.

        Raises DataOSError `query.queue_full`, `query.queue_timeout`, both worth a repetition.
        """
        place = Place(self, user, asyncio.get_running_loop().create_future())
        if not self._waiting and self._reason(user) is None:
            self._give(place)
            return place
        if len(self._waiting) >= self._limits.queued:
            raise self._refused("query.queue_full", f"{len(self._waiting)} statements wait already (query.queued)")
        self._waiting.append(place)
        try:
            self._fill()
            if not place.given.done():
                await told(self._reason(user) or f"{len(self._waiting) - 1} statements wait before it")
            async with asyncio.timeout(self._limits.queued_s):
                await place.given
        except TimeoutError as error:
            place.leave()
            why = self._reason(user) or "others were before it"
            text = f"the statement waited longer than {self._limits.queued_s:g} s (query.queued_s): {why}"
            raise self._refused("query.queue_timeout", text) from error
        except BaseException:
            place.leave()
            raise
        return place

    def leave(self, place: Place) -> None:
        """See `Place.leave`."""
        self._running.discard(place)
        if place in self._waiting:
            self._waiting.remove(place)
        self._fill()

    def _reason(self, user: str) -> str | None:
        """Why a statement of this user cannot run now; None: it can."""
        running = Counter(p.user for p in self._running)
        if running[user] >= self._limits.running_per_user:
            return f"running statements of {user}: {running[user]}, the most that may (query.running_per_user)"
        if running.total() >= self._limits.running:
            return f"running statements of this cluster: {running.total()}, the most that may (query.running)"
        return None

    def _fill(self) -> None:
        """Give free places to those who wait."""
        while able := [p for p in self._waiting if not p.given.done() and self._reason(p.user) is None]:
            running = Counter(p.user for p in self._running)
            place = min(able, key=lambda p: running[p.user])  # the first of equals waits longest
            self._waiting.remove(place)
            self._give(place)

    def _give(self, place: Place) -> None:
        self._running.add(place)
        place.given.set_result(None)

    def _refused(self, code: str, text: str) -> DataOSError:
        return fail(
            code,
            f"cluster {self._cluster} is saturated: {text}",
            hint="repeat it later, or ask another Cluster",
            retry=5.0,
        )
