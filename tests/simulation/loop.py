"""An asyncio event loop whose time is a number: it moves when nothing else is left to do.

Everything runs in the calling thread, in an order that depends on nothing but what was scheduled. Each handle belongs to
a `Life` (one life of one server) through its context, or to nobody: a frozen life's handles wait until it thaws.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, Protocol


class Owner(Protocol):
    """Whose handle it is."""

    frozen_until_us: int


OWNER: ContextVar[Owner | None] = ContextVar("simulation_owner", default=None)


class Livelock(Exception):
    """Work without end at one moment."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Microseconds since the start are its time."""

    def __init__(self) -> None:
        self.now_us = 0
        self.problems: list[str] = []
        self.handles = 0  # that ran, ever
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.Handle]] = []
        self._number = 0

    # --- what asyncio asks ------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now_us / 1e6

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_us(self.now_us + max(0, round(delay * 1e6)), callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        return self.call_us(round(when * 1e6), callback, *args, context=context)

    def call_us(self, when_us: int, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """As call_at, in microseconds."""
        handle = asyncio.TimerHandle(when_us / 1e6, callback, args, self, context)
        self._push(when_us, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Work of other threads happens at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to who waits
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.problems.append(f"{context.get('message')}: {type(error).__name__}: {error}")

    # --- what the simulator asks --------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """asyncio knows this loop as the running one inside."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that happens meanwhile."""
        end = self.now_us + round(seconds * 1e6)
        self.drain()
        while self._timers and self._timers[0][0] <= end:
            when, _, handle = heapq.heappop(self._timers)
            if handle._cancelled:
                continue
            self.now_us = max(self.now_us, when)
            self._ready.append(handle)
            self.drain()
        self.now_us = max(self.now_us, end)

    def suspend(self, seconds: float) -> None:
        """Time passes and nobody runs: all machines sleep."""
        self.now_us += round(seconds * 1e6)

    def drain(self) -> None:
        """Run what is due now."""
        ready, count = self._ready, 0
        while ready:
            handle = ready.popleft()
            if handle._cancelled:
                continue
            owner = handle._context.get(OWNER)
            if owner is not None and owner.frozen_until_us > self.now_us:
                self._push(owner.frozen_until_us, handle)
                continue
            handle._run()
            count += 1
            if count > 100_000:
                raise Livelock(f"100,000 turns at one moment; now: {handle}")
        self.handles += count

    def _push(self, when_us: int, handle: asyncio.Handle) -> None:
        self._number += 1
        heapq.heappush(self._timers, (when_us, self._number, handle))
