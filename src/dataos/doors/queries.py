"""SQL over HTTP: POST /api/v1/query for people and programs, POST /api/v1/inputs for jobs. Both call the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.gateway import results
from dataos.gateway.answer import QueryResult
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway
from dataos.gateway.sessions import Session
from dataos.governance.principals import Principal
from dataos.governance.standing import Ongoing

T = TypeVar("T")

_LOOK_S = 0.5  # between two looks whether the client still waits
ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"
_ARROW: dict[str, Any] = {ARROW: {"schema": {"type": "string", "format": "binary"}}}
ROWS = answers.ok(answers.Rows, content=_ARROW)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "An Arrow IPC stream, or bytes", "content": {**_ARROW, BYTES: _ARROW[ARROW]}}
}


class SessionBody(BaseModel):
    """What goes on from statement to statement: sent back as the last answer had it."""

    model_config = ConfigDict(extra="forbid")
    catalog: str | None = Field(default=None, description="Default catalog, which USE sets.")
    schema_: str | None = Field(default=None, alias="schema", description="Default schema, which USE sets.")
    prepared: dict[str, str] = Field(default={}, description="Prepared statements by name.", max_length=1000)
    properties: dict[str, str] = Field(default={}, description="What SET SESSION set.", max_length=100)
    timeZone: str | None = Field(default=None, description="What SET TIME ZONE set.")
    inTransaction: bool = Field(default=False, description="Since START TRANSACTION.")

    def session(self) -> Session:
        """As the gateway takes it."""
        return Session(self.catalog, self.schema_, self.prepared, self.properties, self.timeZone, self.inTransaction)


class QueryBody(BaseModel):
    """POST /api/v1/query."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description="One statement in Trino dialect.", max_length=4 << 20)
    catalog: str | None = Field(default=None, description="Default catalog: a Depot.")
    schema_: str | None = Field(default=None, alias="schema", description="Default schema: a collection.")
    cluster: str | None = Field(default=None, description="The Cluster to ask; default `miniature`.")
    maxRows: int | None = Field(default=None, ge=1, description="Most rows to return.")
    timeoutS: float | None = Field(default=None, gt=0, description="Longest run time (seconds).")
    session: SessionBody | None = Field(default=None, description="The session that the last answer gave, if any did.")
    source: str | None = Field(
        default=None, max_length=100, description="The client's name for itself, for the history."
    )

    def statement(self) -> Statement:
        """As the gateway takes it."""
        return Statement(
            self.sql,
            catalog=self.catalog,
            schema=self.schema_,
            max_rows=self.maxRows,
            timeout_s=self.timeoutS,
            session=self.session.session() if self.session is not None else None,
            source=self.source or "",
        )


class InputBody(BaseModel):
    """POST /api/v1/inputs."""

    model_config = ConfigDict(extra="forbid")
    address: str | None = Field(default=None, description="dataos://depot:collection/dataset")
    query: str | None = Field(default=None, description="Instead of an address: one SELECT.", max_length=4 << 20)
    cluster: str | None = Field(default=None, description="The Cluster to ask `query` of; default `miniature`.")
    path: str | None = Field(
        default=None, description="Of an object store: one object that `address` names, by its path below the depot."
    )
    offsets: dict[int, tuple[int, int]] | None = Field(
        default=None, description="Of a topic: partition -> first offset, and the one to end before."
    )
    headers: bool = Field(default=False, description="Of a topic: the headers of messages too.")
    spans: dict[int, tuple[str, str]] | None = Field(
        default=None, description="Of a topic in ledgers: partition -> the message id to begin after, and the last one."
    )


class Raw(Protocol):
    """Who may read data as it lies there (`gateway.direct`)."""

    async def check_readable(self, principal: Principal, udl: Udl) -> None: ...


def router(
    gateways: Callable[[str | None], Awaitable[Gateway]],
    content: Callable[[Udl, str], Awaitable[AsyncGenerator[bytes]]],
    messages: Callable[[Udl, Mapping[int, tuple[int, int]], bool], Awaitable[AsyncGenerator[bytes]]],
    entries: Callable[[Udl, Mapping[int, tuple[str, str]]], Awaitable[AsyncGenerator[bytes]]],
    authenticate: Authenticate,
    ongoing: Ongoing,
    access: Raw,
) -> APIRouter:
    """Routes of the gateways; `gateways` gives a Cluster's by name (None: the default one), `content` an object's,
    `messages` those of a topic by offsets, `entries` by message ids."""
    api = APIRouter(prefix="/api/v1", tags=["queries"])

    user = users_only(authenticate, "run statements")

    @api.post("/query", responses=ROWS, response_class=Response)
    async def query(body: QueryBody, request: Request, principal: Principal = Depends(user)) -> Response:
        """Run a statement. JSON ({columns, rows, truncated}) or, by `Accept`, an Arrow IPC stream.

        A statement that changes something says so in `updateType` and `updateCount`, one that changes the session
        in `session`, which the next call sends back; beside an Arrow stream the header `X-DataOS-Told` holds these as
        JSON. A statement whose client goes away before it has answered is cancelled."""
        running = (await gateways(body.cluster)).run(body.statement(), principal)
        result = await ongoing.during(principal.user_id, _while_connected(request, running))
        return await send(result, principal, ongoing, arrow=ARROW in request.headers.get("accept", ""))

    @api.post("/inputs", responses=_STREAM, response_class=Response)
    async def inputs(body: InputBody, principal: Principal = Depends(authenticate)) -> Response:
        """A dataset, or the answer of a query, as an Arrow IPC stream, for a job and as the user it runs as.

        With `path`: the bytes of one object of a store; with `offsets` or `spans`: messages of a topic."""
        if (body.address is None) == (body.query is None):
            raise fail("request.invalid", "name an `address` or a `query`", hint="one of them")
        if body.query is not None:
            return stream(await (await gateways(body.cluster)).open_query(body.query, principal), principal, ongoing)
        assert body.address is not None  # noqa: S101 - one of the two is there
        udl = Udl.parse(body.address)
        if udl.acl != "r":
            raise fail("manifest.address", f"{body.address} is opened for reading", hint="leave ?acl=rw out")
        if body.path is not None or body.offsets is not None or body.spans is not None:
            await access.check_readable(principal, udl)
        if body.path is not None:
            return await send_bytes(ongoing.stream(principal.user_id, await content(udl, body.path)))
        if body.offsets is not None:
            found = await messages(udl, body.offsets, body.headers)
            return await send_bytes(ongoing.stream(principal.user_id, found), ARROW)
        if body.spans is not None:
            return await send_bytes(ongoing.stream(principal.user_id, await entries(udl, body.spans)), ARROW)
        return stream(await (await gateways(None)).open_input(udl, principal), principal, ongoing)

    return api


def stream(result: QueryResult, principal: Principal, ongoing: Ongoing) -> StreamingResponse:
    """An answer as an Arrow IPC stream; it ends where its user must not act any more."""

    async def body() -> AsyncIterator[bytes]:
        try:
            async with aclosing(ongoing.stream(principal.user_id, result.stream)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await result.aclose()

    headers = {"X-DataOS-Query-Id": result.query_id}
    if told := results.told_json(result):
        headers["X-DataOS-Told"] = json.dumps(told)
    return StreamingResponse(body(), media_type=ARROW, headers=headers)


async def send(result: QueryResult, principal: Principal, ongoing: Ongoing, *, arrow: bool) -> Response:
    """An answer as the client accepts it: an Arrow IPC stream, or JSON."""
    if arrow:
        return stream(result, principal, ongoing)
    return await ongoing.during(principal.user_id, _json(result))


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do something as long as the client waits for it; it is cancelled once nobody does."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if await request.is_disconnected():
                raise fail("query.cancelled", "the client went away before the statement had answered")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def send_bytes(
    pieces: AsyncGenerator[bytes], media_type: str = BYTES, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """Bytes as they come."""
    first = await anext(pieces, b"")  # what cannot be opened is said by the status

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(body(), media_type=media_type, headers=headers)


async def _json(result: QueryResult) -> Response:
    try:
        body = await results.as_json(result)
    finally:
        await result.aclose()
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        media_type="application/json",
        headers={"X-DataOS-Query-Id": result.query_id},
    )
