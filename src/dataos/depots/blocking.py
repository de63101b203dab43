"""Threads for drivers that block. A source that hangs keeps a few threads of its own busy, never another's.

A call that is given up still runs in its thread until the driver's own time-out: it counts until then.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dataos.core.errors import fail

T = TypeVar("T")

_PER_DEPOT = 4
_WORKERS = 64


class BlockingCalls:
    """A bounded pool. Its threads start when they are needed."""

    def __init__(self, workers: int = _WORKERS, per_depot: int = _PER_DEPOT) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="depot")
        self._per_depot = per_depot
        self._gates: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]
        self._gates = weakref.WeakKeyDictionary()

    async def run(self, depot: str, call: Callable[[], T], timeout_s: float) -> T:
        """Run a blocking call for a depot. Raises DataOSError `depot.timeout`, and what the call raises."""
        loop = asyncio.get_running_loop()
        gate = self._gates.setdefault(loop, {}).setdefault(depot, asyncio.Semaphore(self._per_depot))
        try:
            async with asyncio.timeout(timeout_s):
                await gate.acquire()
                try:
                    future = self._threads.submit(call)
                except BaseException:
                    gate.release()
                    raise
                future.add_done_callback(lambda _: _let_go(loop, gate))
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise fail(
                "depot.timeout",
                f"depot '{depot}' did not answer within {timeout_s:g} s",
                hint="is the host right, does a firewall let this machine through, and is the source busy?",
                retry=5.0,
            ) from None


def _let_go(loop: asyncio.AbstractEventLoop, gate: asyncio.Semaphore) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(gate.release)
