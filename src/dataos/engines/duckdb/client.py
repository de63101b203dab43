"""The server's side of an engine's socket (`frames`): parse, refresh, execute with a stream. For the supervisor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from dataos.core.errors import DataOSError, fail
from dataos.engines.duckdb import frames
from dataos.engines.ports import ArrowStream, EngineColumn, EngineFailure, FailureKind

_CONTROL_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_MOST_FREE = 16
_CUT = (b"", b"")
"""In the place of a frame where the connection ended."""


class Client(Protocol):
    """What the supervisor needs of the connection to a process."""

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]: ...

    async def refresh(self) -> None: ...

    async def execute(
        self, sql: str, *, timeout_s: float, deadline: float, max_rows: int | None, at_end: Callable[[], None]
    ) -> ArrowStream: ...

    async def aclose(self) -> None: ...


class _Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, request: bytes) -> None:
        """Raises OSError if the other side is gone."""
        self._writer.write(request)
        await self._writer.drain()

    async def read(self) -> tuple[bytes, bytes] | None:
        """The next frame; None where the connection ended. Raises OSError."""
        return await frames.read(self._reader)

    def close(self) -> None:
        """Drop it: what runs on it is cancelled."""
        self._writer.transport.abort()


class SocketClient:
    """One engine process. A connection carries one statement at a time; free ones are kept. Closing one early cancels
    its statement."""

    def __init__(self, cluster: str, socket: Path, token: str) -> None:
        self._cluster = cluster
        self._socket = socket
        self._token = token
        self._free: list[_Wire] = []
        self._closed = False
        self.on_broken: Callable[[], None] = lambda: None

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's trees; a statement that it does not parse is an EngineFailure."""
        trees: list[dict[str, Any]] = json.loads(await self._control("parse", statements=list(statements)))
        for tree in trees:
            if tree.get("error"):
                raise EngineFailure(FailureKind.SYNTAX, str(tree.get("error_message", ""))[:4000])
        return trees

    async def refresh(self) -> None:
        """Clear what DuckDB remembers of mounted databases."""
        await self._control("refresh")

    async def execute(
        self, sql: str, *, timeout_s: float, deadline: float, max_rows: int | None, at_end: Callable[[], None]
    ) -> ArrowStream:
        """Start a statement. `at_end` is called once, when its stream is over (or could not start)."""
        stream = _Stream(self._gone, timeout_s, deadline, at_end, self.keep)
        try:
            await stream.open(self._ask("execute", sql=sql, max_rows=max_rows))
        except BaseException:
            await stream.aclose()
            raise
        return stream

    def keep(self, wire: _Wire) -> None:
        """Its answer came to the end: it may be used again."""
        if self._closed or len(self._free) >= _MOST_FREE:
            wire.close()
        else:
            self._free.append(wire)

    async def aclose(self) -> None:
        """Close all free connections; those in use close with their statements."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _gone(self) -> DataOSError:
        self.on_broken()
        return _gone(self._cluster)

    async def _ask(self, do: str, **more: Any) -> _Wire:
        """Send a request. Raises OSError, TimeoutError."""
        request = frames.pack_json(frames.REQUEST, {"token": self._token, "do": do, **more})
        if self._free:
            wire = self._free.pop()
        else:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                wire = _Wire(*await asyncio.open_unix_connection(self._socket, limit=frames.PIECE))
        try:
            await wire.send(request)
        except BaseException:
            wire.close()
            raise
        return wire

    async def _control(self, do: str, **more: Any) -> bytes:
        wire: _Wire | None = None
        answer: tuple[bytes, bytes] | None = None
        try:
            async with asyncio.timeout(_CONTROL_TIMEOUT_S):
                wire = await self._ask(do, **more)
                answer = await wire.read()
        except (OSError, TimeoutError) as error:
            raise self._gone() from error
        finally:
            if wire is not None and answer is None:
                wire.close()
        if wire is None or answer is None:
            raise self._gone()
        self.keep(wire)
        if answer[0] == frames.FAILURE:
            raise _failure(answer[1])
        return answer[1]


class _Stream:
    """A running statement, seen from the server."""

    def __init__(
        self,
        gone: Callable[[], DataOSError],
        timeout_s: float,
        deadline: float,
        at_end: Callable[[], None],
        keep: Callable[[_Wire], None],
    ) -> None:
        self._gone = gone
        self._keep = keep
        self._timeout_s = timeout_s
        self._at_end: list[Callable[[], None]] | None = [at_end]  # None: it is over
        self._wire: _Wire | None = None
        self._deadline = deadline  # in the event loop's time; waiting for a slot counts
        self._expiry: asyncio.TimerHandle | None = None
        self._stopped: DataOSError | None = None
        self._closing: asyncio.Task[None] | None = None
        self.columns: tuple[EngineColumn, ...] = ()
        self.rows: int | None = None
        self.truncated = False

    async def open(self, asked: Awaitable[_Wire]) -> None:
        """Send, wait for the columns."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._wire = await asked
                kind, content = await self._wire.read() or _CUT
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._gone() from error
        if kind != frames.SCHEMA:
            raise self._failed(content) if kind == frames.FAILURE else self._gone()
        self.columns = tuple(EngineColumn(name, type_) for name, type_ in json.loads(content)["columns"])
        # A reader that stalls must not hold the engine beyond the time limit either.
        self._expiry = asyncio.get_running_loop().call_at(self._deadline, lambda: self.stop(self._timed_out()))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                kind, content = await self._next()
                if kind == frames.ARROW:
                    yield content
                elif kind == frames.END:
                    end = json.loads(content)
                    self._let_go()
                    self.rows, self.truncated = end["rows"], end["truncated"]
                    return
                elif kind == frames.FAILURE:
                    raise self._failed(content)
                else:
                    raise self._gone()
        finally:
            await self.aclose()

    async def _next(self) -> tuple[bytes, bytes]:
        if self._stopped is not None:
            raise self._stopped
        if self._wire is None:
            return _CUT
        try:
            async with asyncio.timeout_at(self._deadline):
                found = await self._wire.read()
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._stopped or self._gone() from error
        if found is None and self._stopped is not None:
            raise self._stopped
        return found or _CUT

    def _failed(self, content: bytes) -> EngineFailure:
        self._let_go()
        return _failure(content)

    def _let_go(self) -> None:
        """The answer is over: the connection is free for the next one."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._keep(wire)

    def at_end(self, call: Callable[[], None]) -> None:
        """As `ArrowStream`."""
        if self._at_end is None:
            call()
        else:
            self._at_end.append(call)

    def stop(self, why: DataOSError) -> None:
        """As `ArrowStream`."""
        self._stopped = self._stopped or why
        self._closing = asyncio.get_running_loop().create_task(self.aclose())

    async def aclose(self) -> None:
        """Over: closing the connection early cancels the statement in the engine. A second call does nothing."""
        if self._expiry is not None:
            self._expiry.cancel()
        told, self._at_end = self._at_end or [], None
        for call in told:
            call()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _timed_out(self) -> DataOSError:
        return fail(
            "query.timeout",
            f"the statement was stopped: it ran longer than {self._timeout_s:g} s (query.timeout_s)",
            hint="narrow it (WHERE, LIMIT), or ask for a higher limit",
        )


def _failure(content: bytes) -> EngineFailure:
    body = json.loads(content)
    return EngineFailure(FailureKind(body["kind"]), body["text"])


def _gone(cluster: str) -> DataOSError:
    return fail(
        "engine.unavailable",
        f"the query engine of cluster '{cluster}' ended while the statement ran",
        hint="it is being restarted; repeat the statement. If it happens again, the statement may need more memory",
        retry=2.0,
    )
