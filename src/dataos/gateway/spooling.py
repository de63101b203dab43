"""Statements whose rows are fetched later: they run without a client, and their answers are kept in files for a while.

An answer is its user's alone, by a handle of 128 random bits. It shows what policies left when it ran.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.gateway import arrowfeed
from dataos.gateway.answer import QueryResult
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway
from dataos.governance.principals import Principal

During = Callable[[str, Coroutine[Any, Any, None]], Awaitable[None]]
"""Ends the work of a user who must not act any more (`Ongoing.during`)."""

_CHUNK = 1 << 20
_log = logs.get(__name__)


@dataclass(frozen=True)
class SpoolLimits:
    """Bounds, by the names of their settings (`query.*`)."""

    result_bytes: int
    bytes: int
    keep_s: float


@dataclass(eq=False)
class _Held:
    """A statement of somebody, and what became of it."""

    query_id: str
    user: str
    path: Path
    done: asyncio.Event
    result: QueryResult | None = None
    error: DataOSError | None = None
    rows: int | None = None
    truncated: bool = False
    bytes: int = 0
    ended_at: float = 0.0


class Spool:
    """The detached statements of a server."""

    def __init__(self, folder: Path, limits: SpoolLimits, ids: Ids, during: During) -> None:
        self._folder = folder
        self._limits = limits
        self._ids = ids
        self._during = during
        self._held: dict[str, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin with nothing: what an earlier server kept is gone with its statements."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def submit(self, gateway: Gateway, statement: Statement, principal: Principal) -> str:
        """Let a statement run; its handle."""
        query_id = self._ids.token()
        held = _Held(query_id, str(principal.user_id), self._folder / f"{query_id}.arrows", asyncio.Event())
        self._held[query_id] = held
        task = asyncio.create_task(self._run(held, gateway, statement, principal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return query_id

    async def result(self, query_id: str, user: str, wait_s: float) -> QueryResult:
        """The answer of a statement; waits for its end, up to `wait_s`.

        Raises DataOSError `query.not_found`, `query.unfinished`, and what the statement itself ended with.
        """
        held = self._held.get(query_id)
        if held is None or held.user != user:
            raise fail(
                "query.not_found",
                f"no answer of a statement `{query_id}` is kept here",
                hint=f"they are kept for {self._limits.keep_s / 60:g} min (query.spool_min), until a restart at most",
            )
        try:
            if not held.done.is_set():  # a wait of no time never sees that it is
                async with asyncio.timeout(wait_s):
                    await held.done.wait()
        except TimeoutError as error:
            raise fail(
                "query.unfinished",
                f"statement `{query_id}` has not ended yet",
                hint="ask again; `dataos queries get` shows whether it waits or runs",
                retry=1.0,
            ) from error
        if held.error is not None:
            raise held.error
        assert held.result is not None  # noqa: S101 - it ended without an error
        return held.result.replayed(_pieces(held.path), held.rows, held.truncated)

    async def part(self, query_id: str, user: str, wait_s: float, rows: range) -> QueryResult:
        """Some rows of an answer, by their positions; those beyond its end are left out. Raises as `result`."""
        whole = await self.result(query_id, user, wait_s)
        held = self._held[query_id]
        stream = _part(held.path, rows)
        return replace(whole, stream=stream, whole_rows=held.rows or 0)

    def drop(self, query_id: str, user: str) -> bool:
        """Forget an answer before its time. True if there was one."""
        held = self._held.get(query_id)
        if held is None or held.user != user or not held.done.is_set():
            return False
        self._forget(held)
        return True

    async def sweep(self) -> None:
        """Forget answers whose time is over."""
        edge = time.monotonic() - self._limits.keep_s
        for held in [h for h in self._held.values() if h.done.is_set() and h.ended_at < edge]:
            self._forget(held)

    async def close(self) -> None:
        """The server stops: so do the statements."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- running ----------------------------------------------------------------------------------------------------

    async def _run(self, held: _Held, gateway: Gateway, statement: Statement, principal: Principal) -> None:
        try:
            await self._during(held.user, self._fetch(held, gateway, statement, principal))
        except DataOSError as error:
            held.error = error
        except Exception:  # noqa: BLE001 - named boundary: nobody else waits for this task
            _log.error("query_spool", query_id=held.query_id, exc_info=True)
            held.error = fail(
                "query.internal", f"the statement failed (query {held.query_id})", hint="the log says why"
            )
        finally:
            if held.error is not None:
                held.path.unlink(missing_ok=True)
            held.ended_at = time.monotonic()
            held.done.set()

    async def _fetch(self, held: _Held, gateway: Gateway, statement: Statement, principal: Principal) -> None:
        result = await gateway.run_detached(statement, principal, held.query_id)
        try:
            held.result = result
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with await asyncio.to_thread(_create, held.path) as file:
                async for piece in result:
                    self._make_room(held, len(piece))
                    await asyncio.to_thread(file.write, piece)
            held.rows, held.truncated = result.rows, result.truncated
        finally:
            await result.aclose()

    def _make_room(self, held: _Held, more: int) -> None:
        """Raises DataOSError `query.spool_full`."""
        held.bytes += more
        if held.bytes > self._limits.result_bytes:
            raise fail(
                "query.spool_full",
                f"the answer is larger than {self._limits.result_bytes >> 20} MiB (query.spool_result_mib)",
                hint="narrow it (WHERE, LIMIT, fewer columns), or write it into a table (CREATE TABLE ... AS)",
            )
        over = sum(h.bytes for h in self._held.values()) - self._limits.bytes
        if over <= 0:
            return
        for old in sorted((h for h in self._held.values() if h.done.is_set()), key=lambda h: h.ended_at):
            if over <= 0:
                break
            over -= old.bytes
            self._forget(old)
        if over > 0:
            raise fail(
                "query.spool_full",
                f"answers that are being written fill {self._limits.bytes >> 20} MiB (query.spool_mib)",
                hint="repeat it later",
                retry=30.0,
            )

    def _forget(self, held: _Held) -> None:
        self._held.pop(held.query_id, None)
        held.path.unlink(missing_ok=True)


def _create(path: Path) -> BinaryIO:
    file = path.open("xb", buffering=0)
    path.chmod(0o600)
    return file


async def _part(path: Path, rows: range) -> AsyncIterator[bytes]:
    try:
        yield await asyncio.to_thread(arrowfeed.cut, path, rows)
    except FileNotFoundError as error:
        raise _gone() from error


def _gone() -> DataOSError:
    return fail("query.result_gone", "the answer was forgotten a moment ago", hint="run the statement again")


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as error:
        raise _gone() from error
    with file:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece
