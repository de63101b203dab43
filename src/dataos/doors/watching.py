"""`/health`, `/ready`, `/metrics` and `/api/v1/doctor`: for load balancers, Prometheus and operators.

`/health` says that the process answers; `/ready` that it can do its work, part by part. Both need no token and say
names only; with an operator's token `/ready` says what is wrong. `/metrics` needs a token unless settings open it to
callers on the machine itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from dataos.core.errors import DataOSError
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, token_of
from dataos.governance import rules

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True)
class Part:
    """One part of a server and whether it works. `detail` may name paths and addresses: for operators only."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Watched:
    """What the server's composition gives: asked anew at each call."""

    ready: Callable[[], Awaitable[Sequence[Part]]]
    metrics: Callable[[], Awaitable[bytes]]
    doctor: Callable[[], Awaitable[list[dict[str, str]]]]
    metrics_open: bool


def router(watched: Watched, authenticate: Authenticate) -> APIRouter:
    """Routes at the root, where the tools of the field look for them, and the operator's under /api/v1."""
    api = APIRouter(tags=["server"])

    @api.get("/health", responses=answers.ok(answers.Alive))
    async def health() -> Any:
        """Does this process answer? Needs no token."""
        return {"ok": True}

    @api.get(
        "/ready",
        responses={**answers.ok(answers.Ready), 503: {"model": answers.Ready, "description": "Some part cannot."}},
    )
    async def ready(request: Request) -> Response:
        """Can this server do its work? 503 with the parts that cannot. Details only with an operator's token."""
        parts = await watched.ready()
        operator = await is_operator(request, authenticate)
        shown = [{"name": p.name, "ok": p.ok, **({"detail": p.detail} if operator else {})} for p in parts]
        ok = all(p.ok for p in parts)
        return JSONResponse({"ok": ok, "parts": shown}, 200 if ok else 503)

    @api.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {OPENMETRICS: {"schema": {"type": "string"}}}, "description": "OpenMetrics text"}},
    )
    async def metrics(request: Request) -> Response:
        """Counters, times and gauges of this server in OpenMetrics text."""
        if not (watched.metrics_open and _from_here(request)):
            rules.require(await authenticate(request), "read metrics", rules.METRICS)
        return Response(await watched.metrics(), media_type=OPENMETRICS)

    @api.get("/api/v1/doctor", responses=answers.ok(answers.Page[answers.Finding]))
    async def doctor(request: Request) -> Any:
        """Checks of this server and its home: {items: [{name, state, detail, mend}]}."""
        rules.require(await authenticate(request), "examine the server", rules.MAINTAIN)
        return {"items": await watched.doctor(), "next": None}

    return api


async def is_operator(request: Request, authenticate: Authenticate) -> bool:
    """Does the caller prove to be an operator? False where nobody can be known now."""
    if not token_of(request):
        return False
    try:
        principal = await authenticate(request)
    except DataOSError:  # also where the store is away: then nobody can be known
        return False
    return rules.may(principal, rules.MAINTAIN)


def _from_here(request: Request) -> bool:
    """A caller on this machine that came by no proxy. Jobs come by a unix socket, which has no address: not they."""
    if request.client is None or any(name in request.headers for name in ("x-forwarded-for", "forwarded")):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
