"""HTTP over the engine's unix socket: parse, refresh, execute with a stream. Used by the supervisor only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx

from dataos.core.errors import DataOSError, fail
from dataos.engines.duckdb import frames
from dataos.engines.ports import ArrowStream, EngineColumn, EngineFailure, FailureKind

_CONTROL_TIMEOUT_S = 30.0


class Client(Protocol):
    """What the supervisor needs of the connection to a process."""

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]: ...

    async def refresh(self) -> None: ...

    async def execute(
        self, sql: str, *, timeout_s: float, deadline: float, max_rows: int | None, at_end: Callable[[], None]
    ) -> ArrowStream: ...

    async def aclose(self) -> None: ...


class HttpClient:
    """One engine process. Connections are pooled; closing an answer early closes its connection, which cancels."""

    def __init__(self, cluster: str, socket: Path, token: str) -> None:
        self._cluster = cluster
        self.on_broken: Callable[[], None] = lambda: None
        transport = httpx.AsyncHTTPTransport(
            uds=str(socket),
            verify=False,  # no TLS on a unix socket: saves loading the certificate store
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=300),
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url="http://engine",
            headers={"x-engine-token": token},
            timeout=httpx.Timeout(None, connect=5.0),
            trust_env=False,
        )

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's trees; a statement that it does not parse is an EngineFailure."""
        response = await self._control("/parse", {"statements": list(statements)})
        trees: list[dict[str, Any]] = response.json()
        for tree in trees:
            if tree.get("error"):
                raise EngineFailure(FailureKind.SYNTAX, str(tree.get("error_message", ""))[:4000])
        return trees

    async def refresh(self) -> None:
        """Clear what DuckDB remembers of mounted databases."""
        await self._control("/refresh", {})

    async def execute(
        self, sql: str, *, timeout_s: float, deadline: float, max_rows: int | None, at_end: Callable[[], None]
    ) -> ArrowStream:
        """Start a statement. `at_end` is called once, when its stream is over (or could not start)."""
        stream = _Stream(self._gone, timeout_s, deadline, at_end)
        request = self._http.build_request("POST", "/execute", json={"sql": sql, "max_rows": max_rows})
        try:
            await stream.open(self._http, request)
        except BaseException:
            await stream.aclose()
            raise
        return stream

    def _gone(self) -> DataOSError:
        self.on_broken()
        return _gone(self._cluster)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _control(self, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            response = await self._http.post(path, json=body, timeout=_CONTROL_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise self._gone() from error
        if response.status_code >= 300:
            raise EngineFailure(FailureKind.INTERNAL, f"{path} answered {response.status_code}")
        return response


class _Stream:
    """A running statement, seen from the server."""

    def __init__(
        self, gone: Callable[[], DataOSError], timeout_s: float, deadline: float, at_end: Callable[[], None]
    ) -> None:
        self._gone = gone
        self._timeout_s = timeout_s
        self._at_end: Callable[[], None] | None = at_end
        self._response: httpx.Response | None = None
        self._frames: AsyncIterator[tuple[bytes, bytes]] = frames.unpack(_nothing())
        self._deadline = deadline  # in the event loop's time; waiting for a slot counts
        self._expiry: asyncio.TimerHandle | None = None
        self._expired = False
        self._closing: asyncio.Task[None] | None = None
        self.columns: tuple[EngineColumn, ...] = ()
        self.rows: int | None = None
        self.truncated = False

    async def open(self, http: httpx.AsyncClient, request: httpx.Request) -> None:
        """Send, wait for the columns."""
        try:
            async with asyncio.timeout_at(self._deadline):
                self._response = await http.send(request, stream=True)
                if self._response.status_code == 422:
                    raise _failure(await self._response.aread())
                if self._response.status_code != 200:
                    raise EngineFailure(FailureKind.INTERNAL, f"/execute answered {self._response.status_code}")
                self._frames = frames.unpack(self._response.aiter_raw())
                kind, content = await anext(self._frames, (b"", b""))
        except TimeoutError as error:
            raise self._timed_out() from error
        except httpx.HTTPError as error:
            raise self._gone() from error
        if kind != frames.SCHEMA:
            raise _failure(content) if kind == frames.FAILURE else self._gone()
        self.columns = tuple(EngineColumn(name, type_) for name, type_ in json.loads(content)["columns"])
        # A reader that stalls must not hold the engine beyond the time limit either.
        self._expiry = asyncio.get_running_loop().call_at(self._deadline, self._expire)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                kind, content = await self._next()
                if kind == frames.ARROW:
                    yield content
                elif kind == frames.END:
                    end = json.loads(content)
                    self.rows, self.truncated = end["rows"], end["truncated"]
                    return
                elif kind == frames.FAILURE:
                    raise _failure(content)
                else:
                    raise self._gone()
        finally:
            await self.aclose()

    async def _next(self) -> tuple[bytes, bytes]:
        if self._expired:
            raise self._timed_out()
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(self._frames, (b"", b""))
        except TimeoutError as error:
            raise self._timed_out() from error
        except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:
            if self._expired:
                raise self._timed_out() from error
            raise self._gone() from error

    def _expire(self) -> None:
        self._expired = True
        self._closing = asyncio.get_running_loop().create_task(self.aclose())

    async def aclose(self) -> None:
        """Over: closing the connection early cancels the statement in the engine. A second call does nothing."""
        if self._expiry is not None:
            self._expiry.cancel()
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()
        if self._response is not None:
            await self._response.aclose()

    def _timed_out(self) -> DataOSError:
        return fail(
            "query.timeout",
            f"the statement was stopped: it ran longer than {self._timeout_s:g} s (query.timeout_s)",
            hint="narrow it (WHERE, LIMIT), or ask for a higher limit",
        )


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


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
