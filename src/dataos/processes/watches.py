"""Tells the event loop that a process has ended, also one that is no child of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

_POLL_S = 0.25


class Watches:
    """Watched processes by key. Calls `on_end(key)` on the loop once for each; lives on one event loop."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._fds: dict[str, int] = {}
        self._polled: dict[str, tuple[int, Callable[[], bool]]] = {}
        self._poller: asyncio.Task[None] | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._fds or key in self._polled

    def add(self, key: str, pid: int, is_alive: Callable[[], bool]) -> None:
        """Watch a process; `is_alive` proves that the pid still is the one meant."""
        if key in self:
            return
        loop = asyncio.get_running_loop()
        try:
            fd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or it is gone already
            self._polled[key] = (pid, is_alive)
            if self._poller is None or self._poller.done():
                self._poller = loop.create_task(self._poll())
            return
        if not is_alive():  # asked after the descriptor was opened, so the number can't have changed hands since
            os.close(fd)
            _reap(pid)
            loop.call_soon(self._on_end, key)
            return
        self._fds[key] = fd
        loop.add_reader(fd, self._readable, key, pid)

    def _readable(self, key: str, pid: int) -> None:
        fd = self._fds.pop(key)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        _reap(pid)
        self._on_end(key)

    async def _poll(self) -> None:
        pause = 0.0  # the first look is at once: it may be here because it has ended
        while self._polled:
            await asyncio.sleep(pause)
            pause = _POLL_S
            for key, (pid, is_alive) in list(self._polled.items()):
                _reap(pid)
                if not is_alive() and self._polled.pop(key, None) is not None:
                    self._on_end(key)

    def remove(self, key: str) -> None:
        """Watch no longer."""
        self._polled.pop(key, None)
        fd = self._fds.pop(key, None)
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)

    def close(self) -> None:
        """Watch nothing any longer; the processes go on."""
        for key in [*self._fds, *self._polled]:
            self.remove(key)
        if self._poller is not None:
            self._poller.cancel()


def _reap(pid: int) -> None:
    """Wait for a child that ended; a process of an earlier server is somebody else's child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
