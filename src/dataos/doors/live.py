"""What changed, as server-sent events: what screens hear instead of asking again and again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from dataos.control.events import Happened
from dataos.control.feed import Feed
from dataos.core.errors import DataOSError, fail
from dataos.doors.authentication import Authenticator, token_of, users_only
from dataos.governance import rules
from dataos.governance.principals import Principal

PER_USER = 32
CHECK_S = 2.0
KEEP_ALIVE_S = 15.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
_BAD_ENDS = ("run.failed", "run.aborted", "tick.missed")


class Topic(StrEnum):
    """What one can listen to."""

    RESOURCES = "resources"
    """Resources were made, changed, deleted, or have another status."""

    RUNS = "runs"
    """Runs began, went on or ended."""

    NOTICES = "notices"
    """What the caller owns failed."""


def router(feed: Feed, authenticate: Authenticator) -> APIRouter:
    """GET /api/v1/stream."""
    api = APIRouter(prefix="/api/v1", tags=["events"])
    user = users_only(authenticate, "listen to what changes")
    streams: Counter[str] = Counter()

    @api.get(
        "/stream",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events"}},
    )
    async def stream(
        request: Request,
        topic: Annotated[list[Topic] | None, Query(description="Which; all if left out.")] = None,
        last_event_id: Annotated[str | None, Header(description="Where a listener stopped.")] = None,
        principal: Principal = Depends(user),
    ) -> Response:
        """What changes from now on (or after Last-Event-ID) of what the caller may read: events `change` with {kind,
        topics, id, type, name, workspace, run, at}; `gap`: read all anew; `end`: this session is over. Ends with the
        session."""
        place = _place(last_event_id)
        if streams[principal.user_id] >= PER_USER:
            text = f"user {principal.user_id} listens on {PER_USER} connections already"
            raise fail("stream.too_many", text, hint="close some; pages of one browser share one", retry=30.0)
        start = await feed.newest() if place is None else place
        topics = frozenset(topic or Topic)
        token = token_of(request)

        async def pieces() -> AsyncIterator[str]:
            streams[principal.user_id] += 1
            try:
                with feed.watching():
                    async for piece in _listen(feed, authenticate, token, topics, start):
                        yield piece
            finally:
                streams[principal.user_id] -= 1
                if not streams[principal.user_id]:
                    del streams[principal.user_id]

        return StreamingResponse(pieces(), media_type="text/event-stream", headers=_HEADERS)

    return api


async def _listen(
    feed: Feed, authenticate: Authenticator, token: str, topics: frozenset[Topic], place: int
) -> AsyncIterator[str]:
    """The text of the stream. Whose token it is, and what that one may read, is asked before each piece."""
    yield f"retry: 2000\nid: {place}\nevent: hello\ndata: {{}}\n\n"
    clock = asyncio.get_running_loop().time
    said = clock()
    while not feed.closed:
        try:
            look = await feed.after(place, CHECK_S)
            principal = await authenticate.identify(token)
        except DataOSError as error:
            if error.problem.code.startswith("store."):  # it comes back, or the client asks again
                await asyncio.sleep(CHECK_S)
                continue
            yield _event("end", place, {"code": error.problem.code})
            return
        place = look.reached
        found = [_event("gap", place, {})] if look.gap else []
        for item in look.items:
            heard = _topics(item, principal) & topics
            if heard and (item.is_known_to(principal) or (item.published and rules.may(principal, rules.HUB))):
                found.append(_event("change", item.seq, _body(item, heard)))
        if not found and clock() - said >= KEEP_ALIVE_S:
            found = [f"id: {place}\n: keep-alive\n\n"]
        if found:
            said = clock()
            yield "".join(found)


def _topics(item: Happened, principal: Principal) -> frozenset[Topic]:
    found = {Topic.RUNS if item.kind.startswith(("run.", "runtime.", "tick.")) else Topic.RESOURCES}
    failed = item.kind in _BAD_ENDS or item.body["data"].get("status") == "error"
    if failed and item.thing is not None and rules.owns(principal, item.owner):
        found.add(Topic.NOTICES)
    return frozenset(found)


def _body(item: Happened, topics: frozenset[Topic]) -> dict[str, Any]:
    """No more than which thing it was: the listener reads the rest by the routes that decide about it."""
    return {
        "kind": item.kind,
        "topics": sorted(topics),
        "id": item.body["id"],
        "type": item.type,
        "name": item.name,
        "workspace": item.workspace,
        "run": item.body["data"].get("run"),
        "at": item.body["at"],
    }


def _event(name: str, place: int, body: dict[str, Any]) -> str:
    return f"id: {place}\nevent: {name}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n"


def _place(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise fail("request.invalid", "Last-Event-ID must be a number that this stream sent", path="last-event-id")
    return int(text)
