"""The HTTP application: routes of all doors, one error form, health. Rooms come in wired; nothing is looked up here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import dataos
from dataos.core import versions
from dataos.core.errors import DataOSError, Problem
from dataos.core.meters import Meters
from dataos.doors import answers, problems, web
from dataos.doors.authentication import Authenticate
from dataos.doors.observing import Observed, Refused, nobody
from dataos.doors.watching import is_operator

MAX_BODY = 32 << 20
_TOO_LARGE = Problem("request.too_large", f"the request is larger than {MAX_BODY >> 20} MiB", hint="send less at once")
HealthCheck = Callable[[], Awaitable[list[dict[str, Any]]]]


def build(
    routers: Sequence[APIRouter],
    iceberg: APIRouter,
    health: HealthCheck,
    authenticate: Authenticate,
    meters: Meters | None = None,
    access_log: bool = False,
    objects: Callable[[ASGIApp], ASGIApp] | None = None,
    refused: Refused = nobody,
) -> FastAPI:
    """The app of one server. `iceberg` is the lakehouse's own REST protocol, mounted under /iceberg; `objects` answers
    requests of the S3 protocol, wherever they go. The web app has what is left."""
    app = FastAPI(
        title="DataOS",
        version=dataos.__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=answers.FAILURES,
        generate_unique_id_function=answers.operation_id,
        description="Resources, runs, identities and statements. Every failure has one form, `Faults`.",
    )
    problems.install(app)
    common = APIRouter(prefix="/api/v1", tags=["server"])

    @common.get("/health", responses=answers.ok(answers.Health))
    async def healthy(request: Request) -> Any:
        """Is each part well? Needs no token: without an operator's it says nothing but that."""
        parts = await health()
        if not await is_operator(request, authenticate):  # details name paths and addresses
            parts = [{"name": p["name"], "ok": p["ok"]} for p in parts]
        return {"ok": all(p["ok"] for p in parts), "parts": parts}

    @common.get("/version", responses=answers.ok(answers.Version))
    async def version() -> Any:
        """Version of this server."""
        return {"version": dataos.__version__, "api": "v1"}

    app.include_router(common)
    for router in routers:
        app.include_router(router)
    app.include_router(iceberg, prefix="/iceberg")
    app.router.routes.extend(web.routes(app.router.routes))
    app.add_middleware(_BodyLimit)
    app.add_middleware(_Versions)
    app.add_middleware(_Spelling)
    if objects is not None:
        app.add_middleware(objects)
    app.add_middleware(Observed, meters=meters or Meters(), access_log=access_log, refused=refused)
    return app


class _Spelling:
    """Paths of the reference's services as clients spell them: `//` after the host, `Resources` for `resources`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = "/" + scope["path"].lstrip("/") if scope["path"].startswith("//") else scope["path"]
            if path.lower().startswith(_FOLDED):
                path = "/".join(w.lower() if w.lower() in _WORDS else w for w in path.split("/"))
            if path != scope["path"]:
                scope = {**scope, "path": path}
        await self._app(scope, receive, send)


_FOLDED = ("/poros/", "/collated/", "/heimdall/")
_WORDS = frozenset({"poros", "collated", "heimdall", "api", "v1", "workspaces", "resources", "reports", "status",
                    "runtime", "log", "validate", "users", "tokens", "secrets", "authorize", "batch", "products",
                    "facets"})  # fmt: skip


class _Versions:
    """Says this server's version with every answer; refuses a client that says it cannot work with it, before anything
    is done for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._side = versions.Side(dataos.__version__, versions.API_LEVEL, versions.OLDEST_CLIENT)
        self._header = (versions.SERVER_HEADER.lower().encode(), str(self._side).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), self._header]}
            await send(message)

        said = dict(scope["headers"]).get(versions.CLIENT_HEADER.lower().encode(), b"").decode("latin-1")
        client = versions.parse_side(said)
        problem = versions.find_problem(client, self._side) if client is not None else None
        app = problems.answer([problem]) if problem is not None else self._app
        await app(scope, receive, signed)


class _BodyLimit:
    """Refuses request bodies beyond MAX_BODY, by header or while they arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > MAX_BODY:
            await problems.answer([_TOO_LARGE])(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise DataOSError(_TOO_LARGE)
            return message

        await self._app(scope, counted, send)
