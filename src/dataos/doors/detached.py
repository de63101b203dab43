"""Statements that run without their client, under /api/v1/queries: submitted, fetched later, and stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.queries import ARROW, ROWS, QueryBody, send, send_bytes
from dataos.gateway.downloads import FORMATS
from dataos.gateway.gateway import Gateway
from dataos.gateway.journal import QUEUED, RUNNING, History
from dataos.gateway.spooling import Spool
from dataos.gateway.underway import Underway
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.governance.standing import Ongoing

_MOST_JSON_ROWS = 100_000
_MOST_PART = 10_000
Format = Literal["csv", "json", "jsonl", "parquet", "arrow", "xlsx"]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {f.media_type: {"schema": {"type": "string", "format": "binary"}} for f in FORMATS.values()},
    }
}


class Submitted(answers.Answer):
    """A statement that was taken on."""

    id: str = Field(description="Its handle: for its user only.")
    result: str = Field(description="Where its answer will be.")


class Stopped(answers.Answer):
    """What became of a statement."""

    id: str
    stopped: bool = Field(description="False: it had ended already; its answer, if one was kept, is forgotten.")


def router(
    gateways: Callable[[str | None], Awaitable[Gateway]],
    spool: Spool,
    underway: Underway,
    history: History,
    server_id: str,
    ongoing: Ongoing,
    authenticate: Authenticate,
) -> APIRouter:
    """Routes of detached statements; `gateways` gives a Cluster's by name (None: the default one)."""
    api = APIRouter(prefix="/api/v1", tags=["queries"])
    user = users_only(authenticate, "run statements")

    @api.post("/queries", status_code=202, responses={202: {"model": Submitted, "description": "Taken on"}})
    async def submit(body: QueryBody, response: Response, principal: Principal = Depends(user)) -> Any:
        """Run a statement without waiting for it. Its answer is kept for `query.spool_min` on the server that ran it,
        for its user only; `query.max_rows` does not bound it."""
        query_id = spool.submit(await gateways(body.cluster), body.statement(), principal)
        response.headers["Location"] = where = f"/api/v1/queries/{query_id}/result"
        return {"id": query_id, "result": where}

    @api.get("/queries/{id}/result", responses=ROWS, response_class=Response)
    async def result(
        id: str,
        request: Request,
        wait_s: float = Query(default=0.0, alias="waitS", ge=0, le=60, description="Wait for its end so long."),
        offset: int = Query(default=0, ge=0, le=2**62, description="With `limit`: how many rows to pass over."),
        limit: int | None = Query(default=None, ge=0, le=_MOST_PART, description="Only so many rows: a part."),
        principal: Principal = Depends(user),
    ) -> Response:
        """The answer of a statement that was submitted: as POST /api/v1/query answers it, with 409 while it runs.

        With `limit` a part of it, and in `rowCount` how many rows the whole one has."""
        arrow = ARROW in request.headers.get("accept", "")
        if limit is not None:
            part = await spool.part(id, str(principal.user_id), wait_s, range(offset, offset + limit))
            return await send(part, principal, ongoing, arrow=arrow)
        found = await spool.result(id, str(principal.user_id), wait_s)
        if not arrow and (found.rows or 0) > _MOST_JSON_ROWS:
            raise fail(
                "request.too_large",
                f"the answer has {found.rows:,} rows: more than the {_MOST_JSON_ROWS:,} that are sent as JSON",
                hint=f"ask for an Arrow stream (Accept: {ARROW}; -O arrow or parquet)",
            )
        return await send(found, principal, ongoing, arrow=arrow)

    @api.get("/queries/{id}/download", responses=_FILE, response_class=Response)
    async def download(
        id: str,
        format: Format = Query(default="csv", description="The form of the file."),
        principal: Principal = Depends(user),
    ) -> Response:
        """The answer of a statement that was submitted, as a file. Needs the use case `download-workbench-file`."""
        rules.require(principal, "download the rows of a statement", rules.DOWNLOADS)
        found = await spool.result(id, str(principal.user_id), 0)
        form = FORMATS[format]
        headers = {"Content-Disposition": f'attachment; filename="{id[:8]}.{form.extension}"'}
        return await send_bytes(ongoing.stream(principal.user_id, form.write(found)), form.media_type, headers)

    @api.delete("/queries/{id}", responses=answers.ok(Stopped))
    async def stop(id: str, principal: Principal = Depends(user)) -> Any:
        """Stop a statement that waits or runs, or forget its answer."""
        whom = str(principal.user_id)
        going = underway.find(id)
        if going is not None and (going.user == whom or principal.is_operator):
            going.stop(whom)
            return {"id": id, "stopped": True}
        known = await history.get(id)
        if known is None or (known["user"] != whom and not principal.is_operator):
            raise fail("query.not_found", f"no statement `{id}`")
        if known["state"] in (QUEUED, RUNNING) and known["server"] != server_id:
            raise fail(
                "query.elsewhere",
                f"statement `{id}` runs on server {known['server']}",
                hint="ask that one (--url)",
            )
        spool.drop(id, whom)
        return {"id": id, "stopped": False}

    return api
