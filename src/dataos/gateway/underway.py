"""Statements that wait or run in this process, by id: so they can be stopped from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from dataos.core.errors import DataOSError, fail

T = TypeVar("T")
Stop = Callable[[DataOSError], object]


class Going:
    """One statement."""

    def __init__(self, query_id: str, user: str, statements: dict[str, Going]) -> None:
        self.query_id = query_id
        self.user = user
        self._statements = statements
        self._stopped: DataOSError | None = None
        self._stop: Stop | None = None
        statements[query_id] = self

    async def during(self, work: Coroutine[Any, Any, T], lost: Callable[[T], object]) -> T:
        """The result of a step that takes time; `lost` gets one that came when nobody waited any more. Raises
        DataOSError `query.cancelled` where it is stopped meanwhile."""
        if self._stopped is not None:
            work.close()
            raise self._stopped
        task = asyncio.ensure_future(work)
        self._stop = lambda _: task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()  # it may be who waits for the step that was cancelled, not the step
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                lost(task.result())
            if self._stopped is not None:
                raise self._stopped from None
            raise
        finally:
            self._stop = None

    def streams(self, stop: Stop) -> None:
        """Its rows leave from now on: this is how that is stopped."""
        self._stop = stop
        if self._stopped is not None:
            stop(self._stopped)

    def stop(self, by: str) -> None:
        """End it: who waits for it, or reads its rows, gets `query.cancelled`."""
        self._stopped = self._stopped or fail("query.cancelled", f"the statement was stopped by {by}")
        if self._stop is not None:
            self._stop(self._stopped)

    def end(self) -> None:
        """It is over."""
        self._statements.pop(self.query_id, None)


class Underway:
    """All of a server."""

    def __init__(self) -> None:
        self._statements: dict[str, Going] = {}

    def begin(self, query_id: str, user: str) -> Going:
        """A statement came; it stays known until its `end`."""
        return Going(query_id, user, self._statements)

    def find(self, query_id: str) -> Going | None:
        """The statement, if it is still under way."""
        return self._statements.get(query_id)
