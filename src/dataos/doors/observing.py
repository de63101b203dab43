"""Around every HTTP call: an id, a line in the log, a time; a refusal of somebody who is known is told to the audit
before it is answered, at whatever door. Never a body, a query string or a header's value."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataos.core import logs
from dataos.core.meters import Meters

_log = logs.get(__name__)
_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_QUIET = frozenset({"/health", "/ready", "/metrics", "/api/v1/health"})
"""Asked every few seconds by machines: said at level DEBUG only."""
HEADER = b"x-request-id"
_CALL = "dataos.call"
_FORBIDDEN = 403
_TOLD_ELSEWHERE = ("query.", "policy.")
"""Codes of refused statements: the gateway's journal has audited them."""

Refused = Callable[[str, str, str], Awaitable[None]]
"""Hears of (actor, method and path, request id)."""


@dataclass
class Call:
    """What doors say of the call that they answer. `code`: of the problem that it ended with."""

    actor: str = ""
    code: str = ""


def call_of(scope: Scope) -> Call:
    """The call of a request; one that nobody looks at where no `Observed` is around it."""
    found: Any = scope.get(_CALL)
    return found if isinstance(found, Call) else Call()


async def nobody(actor: str, call: str, request: str) -> None:
    """The default for `refused`: servers without an audit."""


class Observed:
    """ASGI middleware. Takes the caller's `X-Request-Id` where it is a plain word, else makes one; answers with it."""

    def __init__(self, app: ASGIApp, meters: Meters, access_log: bool, refused: Refused = nobody) -> None:
        self._app = app
        self._meters = meters
        self._access_log = access_log
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(HEADER, b"")
        request = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        logs.bind(request=request.decode())
        call = Call()
        scope[_CALL] = call
        status = 500
        began = time.perf_counter()
        waits = headers.get(b"expect", b"").lower() == b"100-continue"

        async def heard() -> Message:
            nonlocal waits
            waits = False
            return await receive()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                if status == _FORBIDDEN and call.actor and not call.code.startswith(_TOLD_ELSEWHERE):
                    await self._refused(call.actor, f"{_method(scope)} {scope['path']}", request.decode())
                more = [(HEADER, request)]
                if waits:  # its content was not asked for and will not come: what comes next is no part of this request
                    more.append((b"connection", b"close"))
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            await self._app(scope, heard, noted)
        finally:
            self._say(scope, status, time.perf_counter() - began)

    def _say(self, scope: Scope, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        template = str(getattr(route, "path", "")) or "unmatched"
        self._meters.called(_method(scope), template, status, seconds)
        if not self._access_log:
            return
        write = _log.debug if template in _QUIET else _log.warning if status >= 500 else _log.info
        write(
            "http",
            method=_method(scope),
            path=str(scope.get("path", ""))[:300],
            status=status,
            ms=round(seconds * 1000, 1),
        )


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _method(scope: Scope) -> str:
    method = str(scope.get("method", ""))
    return method if method in _METHODS else "other"
