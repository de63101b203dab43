"""What changed, for those who watch: one reader of the outbox per server, however many watch.

A watcher keeps nothing here but its place: what happened lies once in a bounded window. Whoever falls behind it, or
comes back from before it, reads the store; who was away for longer than the
store remembers is told that there is a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from dataos.control.events import Events, Happened
from dataos.core import logs
from dataos.core.bell import Bell
from dataos.core.errors import DataOSError

_log = logs.get(__name__)
KEPT = 2_000
EVERY_S = 0.5


@dataclass(frozen=True)
class Look:
    """What came after a place. `gap`: something before it may be missing, so that all has to be read anew."""

    items: list[Happened]
    reached: int
    gap: bool = False


class Feed:
    """One per server. It reads while somebody watches, and not else."""

    def __init__(self, events: Events, bell: Bell, kept: int = KEPT, every_s: float = EVERY_S) -> None:
        self._events = events
        self._bell = bell
        self._every_s = every_s
        self._window: deque[Happened] = deque(maxlen=kept)
        self._kept = kept
        self._floor = 0
        """The window holds all that came after this number."""
        self._reached: int | None = None  # nothing was read yet
        self._watching = 0
        self._reading: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self.closed = False

    @contextlib.contextmanager
    def watching(self) -> Generator[None]:
        """While the block runs, the outbox is read."""
        self._watching += 1
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self._watching -= 1
            if not self._watching:
                self._reading.cancel()
                self._reading = None
                self._window.clear()
                self._reached = None

    async def newest(self) -> int:
        """The place of who has seen all. Raises DataOSError `store.*`."""
        return await self._events.last()

    async def after(self, place: int, wait_s: float) -> Look:
        """What came after a place, oldest first; waits that long for something. Raises DataOSError `store.*`."""
        reached = self._reached
        if reached is not None and self._floor <= place <= reached:
            if place == reached and not self.closed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._moved.wait()
            if place >= self._floor:
                return Look([item for item in self._window if item.seq > place], self._reached or place)
        oldest, last = await self._events.kept()
        if place > last or place < oldest - 1:
            return Look([], last, gap=True)
        items, reached = await self._events.happened(place, self._kept)
        if len(items) == self._kept:
            return Look([], last, gap=True)
        if not items:
            await asyncio.sleep(min(wait_s, self._every_s))
        return Look(items, reached)

    def close(self) -> None:
        """Nobody shall wait any more: the server stops."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _read(self) -> None:
        while True:
            try:
                if self._reached is None:
                    self._floor = self._reached = await self._events.last()
                items, reached = await self._events.happened(self._reached, self._kept)
            except DataOSError as error:
                _log.warning("cannot read what happened", error=error.problem.message)
                await asyncio.sleep(self._every_s)
                continue
            if items:
                whole = [*self._window, *items]
                if len(whole) > self._kept:
                    self._floor = whole[-self._kept - 1].seq
                self._window.extend(items)
            if reached > self._reached:
                self._reached = reached
                self._wake()
            if len(items) < self._kept:
                await self._bell.wait(self._every_s)
