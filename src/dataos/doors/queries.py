"""SQL over HTTP: POST /api/v1/query for people and programs, POST /api/v1/inputs for jobs. Both call the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate
from dataos.gateway import results
from dataos.gateway.gateway import Gateway, QueryResult, Statement
from dataos.governance.principals import Principal
from dataos.governance.rules import require_operator

ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"
_ARROW: dict[str, Any] = {ARROW: {"schema": {"type": "string", "format": "binary"}}}
_ROWS = answers.ok(answers.Rows, content=_ARROW)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "An Arrow IPC stream, or bytes", "content": {**_ARROW, BYTES: _ARROW[ARROW]}}
}


class QueryBody(BaseModel):
    """POST /api/v1/query."""

    model_config = ConfigDict(extra="forbid")
    sql: str = Field(description="One statement in Trino dialect.", max_length=4 << 20)
    catalog: str | None = Field(default=None, description="Default catalog: a Depot.")
    schema_: str | None = Field(default=None, alias="schema", description="Default schema: a collection.")
    cluster: str | None = Field(default=None, description="The Cluster to ask; default `miniature`.")
    maxRows: int | None = Field(default=None, ge=1, description="Most rows to return.")
    timeoutS: float | None = Field(default=None, gt=0, description="Longest run time (seconds).")


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


def router(
    gateways: Callable[[str | None], Awaitable[Gateway]],
    content: Callable[[Udl, str], Awaitable[AsyncGenerator[bytes]]],
    messages: Callable[[Udl, Mapping[int, tuple[int, int]], bool], Awaitable[AsyncGenerator[bytes]]],
    entries: Callable[[Udl, Mapping[int, tuple[str, str]]], Awaitable[AsyncGenerator[bytes]]],
    authenticate: Authenticate,
) -> APIRouter:
    """Routes of the gateways; `gateways` gives a Cluster's by name (None: the default one), `content` an object's,
    `messages` those of a topic by offsets, `entries` by message ids."""
    api = APIRouter(prefix="/api/v1", tags=["queries"])

    async def operator(request: Request) -> Principal:
        principal = await authenticate(request)
        require_operator(principal, "run statements")
        return principal

    async def reader(request: Request) -> Principal:
        principal = await authenticate(request)
        if principal.attempt is None:
            require_operator(principal, "open inputs")
        return principal

    @api.post("/query", responses=_ROWS, response_class=Response)
    async def query(body: QueryBody, request: Request, principal: Principal = Depends(operator)) -> Response:
        """Run a statement. JSON ({columns, rows, truncated}) or, by `Accept`, an Arrow IPC stream."""
        statement = Statement(
            body.sql,
            catalog=body.catalog,
            schema=body.schema_,
            max_rows=body.maxRows,
            timeout_s=body.timeoutS,
        )
        result = await (await gateways(body.cluster)).run(statement, principal)
        if ARROW in request.headers.get("accept", ""):
            return _stream(result)
        return await _json(result)

    @api.post("/inputs", responses=_STREAM, response_class=Response)
    async def inputs(body: InputBody, principal: Principal = Depends(reader)) -> Response:
        """A dataset, or the answer of a query, as an Arrow IPC stream, for a job and as the user it runs as.

        With `path`: the bytes of one object of a store; with `offsets` or `spans`: messages of a topic."""
        if (body.address is None) == (body.query is None):
            raise fail("request.invalid", "name an `address` or a `query`", hint="one of them")
        if body.query is not None:
            return _stream(await (await gateways(body.cluster)).open_query(body.query, principal))
        assert body.address is not None  # noqa: S101 - one of the two is there
        udl = Udl.parse(body.address)
        if udl.acl != "r":
            raise fail("manifest.address", f"{body.address} is opened for reading", hint="leave ?acl=rw out")
        if body.path is not None:
            return await _bytes(await content(udl, body.path))
        if body.offsets is not None:
            return await _bytes(await messages(udl, body.offsets, body.headers), ARROW)
        if body.spans is not None:
            return await _bytes(await entries(udl, body.spans), ARROW)
        return _stream(await (await gateways(None)).open_input(udl, principal))

    return api


def _stream(result: QueryResult) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        try:
            async for piece in result.stream:
                yield piece
        finally:
            await result.aclose()

    return StreamingResponse(body(), media_type=ARROW, headers={"X-DataOS-Query-Id": result.query_id})


async def _bytes(pieces: AsyncGenerator[bytes], media_type: str = BYTES) -> StreamingResponse:
    first = await anext(pieces, b"")  # what cannot be opened is said by the status

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(body(), media_type=media_type)


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
