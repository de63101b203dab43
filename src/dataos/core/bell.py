"""Wake-ups inside one process; those of other servers come in by `store.listening`, which rings it.

A bell only shortens a wait: whoever waits on it also polls, so a lost ring costs at most one polling interval.
Rings from other threads are allowed.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Rung when there may be work; many rings before a wait count as one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Wake the waiter; from the loop's own thread or any other."""
        loop = self._loop
        if loop is None:
            self._event.set()
            return
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is loop:
            self._event.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most `timeout_s` seconds. True if it rang."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
