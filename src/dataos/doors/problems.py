"""One error body everywhere: {errors: [Problem], warnings: [Problem]} with the status of the first problem's code."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from dataos.core import logs
from dataos.core.errors import DataOSError, Problem, http_status
from dataos.doors.observing import call_of

_log = logs.get(__name__)


def answer(problems: Iterable[Problem], status: int | None = None) -> JSONResponse:
    """The error answer for problems."""
    listed = list(problems)
    code = status or http_status(listed[0].code)
    headers = {}
    if listed[0].retry is not None:
        headers["Retry-After"] = str(max(1, round(listed[0].retry)))
    if code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"errors": [p.to_json() for p in listed], "warnings": []}, code, headers)


def install(app: FastAPI) -> None:
    """Make every failure of the app take the one form."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, DataOSError)  # noqa: S101 - registered for this class
        call_of(request.scope).code = error.problem.code
        return answer(error.problems)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
        # the values themselves are left out: a body may hold secrets
        return answer(
            Problem("request.invalid", str(e["msg"]), path=".".join(str(p) for p in e["loc"])) for e in error.errors()
        )

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        cause = error.__cause__
        if isinstance(cause, DataOSError):  # raised while the body was read, and wrapped by the framework
            return answer(cause.problems)
        if isinstance(cause, (UnicodeDecodeError, RecursionError)):
            text = "is nested too deeply" if isinstance(cause, RecursionError) else "is not UTF-8"
            return answer([Problem("request.invalid", f"the body {text}", path="body")])
        code = {404: "request.not_found", 405: "request.method"}.get(error.status_code, "request.invalid")
        text = f"{request.method} {request.url.path}: {error.detail}"
        return answer([Problem(code, text, hint="the API is described at /api/v1/openapi.json")], error.status_code)

    async def crashed(request: Request, error: Exception) -> JSONResponse:
        _log.error("request crashed", method=request.method, path=request.url.path, exc_info=error)
        problem = Problem("server.internal", "the server failed on this request", hint="its log says why")
        return answer([problem])

    app.add_exception_handler(DataOSError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, crashed)
