"""A statement that runs: its columns, its rows as they come, how it ended, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from dataos.core import logs
from dataos.core.errors import DataOSError, Problem
from dataos.engines.ports import ArrowStream, EngineFailure, EngineSession
from dataos.gateway import problems
from dataos.gateway.journal import CANCELLED, FAILED, FINISHED
from dataos.gateway.sessions import Session

Ended = Callable[[str, str, int | None, int], None]
"""(state, error code, rows, bytes) of a statement that ended."""

_log = logs.get(__name__)


@dataclass(frozen=True)
class ResultColumn:
    """An output column; `type` is Trino's type text."""

    name: str
    type: str


@dataclass
class QueryResult:
    """A running statement. Iterate for Arrow IPC bytes (one stream, schema first), or `aclose` to cancel it.

    Column names of the Arrow schema may differ from `columns` (duplicates, letter case); positions agree.
    """

    query_id: str
    columns: tuple[ResultColumn, ...]
    stream: AsyncIterator[bytes]
    warnings: tuple[Problem, ...] = ()
    _running: Running | None = field(default=None, repr=False)
    update_type: str | None = None
    """What a statement did that changes something, as Trino names it (`INSERT`, `CREATE TABLE`); None for a query."""
    update_count: int | None = None
    """The rows that it changed."""
    _ended: tuple[int | None, bool] | None = field(default=None, repr=False)
    session: Session | None = None
    """The session as the door is to hand it in from now on; None if it did not change."""
    whole_rows: int | None = None
    """Of a part of an answer: the rows of the whole one."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.stream

    @property
    def rows(self) -> int | None:
        """Rows sent, after the end."""
        if self._ended is not None:
            return self._ended[0]
        return self._running.arrow.rows if self._running else None

    @property
    def truncated(self) -> bool:
        """True if `max_rows` cut the result; known after the end."""
        if self._ended is not None:
            return self._ended[1]
        return bool(self._running and self._running.arrow.truncated)

    def replayed(self, stream: AsyncIterator[bytes], rows: int | None, truncated: bool) -> QueryResult:
        """The same answer, after its end, from where its bytes were kept."""
        return replace(self, stream=stream, _running=None, _ended=(rows, truncated))

    async def read(self) -> bytes:
        """All bytes of the Arrow stream. For small results."""
        return b"".join([piece async for piece in self.stream])

    def watch(self, ended: Ended) -> None:
        """Have somebody told when it ends: its state, error code, rows and bytes."""
        if self._running is not None:
            self._running.ended = ended

    def at_engine_end(self, call: Callable[[], None]) -> None:
        """Have somebody told when the engine is done with it, whether its rows were read or not."""
        if self._running is not None:
            self._running.arrow.at_end(call)

    def stop(self, why: DataOSError) -> None:
        """End it: who reads it gets `why` in place of the rows that are left."""
        if self._running is not None:
            self._running.stop(why)

    async def aclose(self) -> None:
        """Stop the statement, wherever it is. A second call does nothing."""
        if self._running is not None:
            await self._running.close()


def logged(failure: EngineFailure, query_id: str, sql: str) -> DataOSError:
    """What the caller gets. Engine text and written SQL go to the log only."""
    _log.warning("query_engine_failure", query_id=query_id, kind=failure.kind.value, engine_text=failure.text, sql=sql)
    return problems.from_engine(failure, query_id)


class Running:
    """A stream with its session: failures become coded errors, the session is given back at the end."""

    def __init__(self, arrow: ArrowStream, session: EngineSession, query_id: str, sql: str) -> None:
        self.ended: Ended | None = None
        self._state, self._code, self._bytes = CANCELLED, "", 0
        self.arrow = arrow
        self._session = session
        self._query_id = query_id
        self._sql = sql

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes. Raises DataOSError `query.*`, `engine.*`."""
        try:
            async for piece in self.arrow:
                self._bytes += len(piece)
                yield piece
            self._state = FINISHED
        except EngineFailure as failure:
            error = logged(failure, self._query_id, self._sql)
            self._state, self._code = FAILED, error.problem.code
            raise error from None
        except DataOSError as error:
            self._note(error)
            raise
        finally:
            await self.close()

    def stop(self, why: DataOSError) -> None:
        """As `QueryResult.stop`, also where nobody reads it."""
        self._note(why)
        self.arrow.stop(why)
        self._closing = asyncio.get_running_loop().create_task(self.close())

    def _note(self, error: DataOSError) -> None:
        code = error.problem.code
        self._state, self._code = CANCELLED if code == "query.cancelled" else FAILED, code

    async def close(self) -> None:
        """Over, wherever it is; who watches it is told how. A second call does nothing."""
        await self.arrow.aclose()
        await self._session.release()
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(self._state, self._code, self.arrow.rows, self._bytes)
