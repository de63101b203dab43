"""Logging in at a provider: where browsers are sent and come back, and how a CLI gets its session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from dataos.core.errors import DataOSError, fail
from dataos.core.secrecy import Secret
from dataos.doors import answers
from dataos.doors.authentication import address_of
from dataos.doors.login import NO_STORE, Sealed, Session, is_secure, opened, set_cookie
from dataos.doors.web import DONE_PAGE, LOGIN_PAGE
from dataos.governance.provider_login import LASTS_S, Flow, ProviderLogin, Waiting

CALLBACK = "/api/v1/login/oidc/callback"
_BACK: dict[int | str, dict[str, Any]] = {
    303: {"description": "On to the page that was asked for, or to the CLI that waits."}
}
Text = Annotated[str | None, Query(max_length=4000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CodeBody(_Body):
    """POST /api/v1/login/oidc/token."""

    code: Sealed = Field(min_length=1, max_length=200, description="What the browser brought.")
    verifier: Sealed = Field(min_length=1, max_length=200, description="What `challenge` was made of.")


class DeviceBody(_Body):
    """POST /api/v1/login/oidc/device/token."""

    device_code: Sealed = Field(min_length=1, max_length=4000)


class Device(answers.Answer):
    """What to show a person, and what to ask with."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: int
    interval: int


def router(login: ProviderLogin | None, address: Callable[[], str]) -> APIRouter:
    """Routes under /api/v1/login/oidc. Without a provider each says so. `address`: this installation's for browsers."""
    api = APIRouter(prefix="/api/v1/login/oidc", tags=["login"])

    def provider() -> ProviderLogin:
        if login is None:
            raise fail(
                "login.off", "no login provider is known here", hint="settings auth.oidc; dataos login --user ID"
            )
        return login

    def redirect_uri() -> str:
        return address() + CALLBACK

    def cookie_of(answer: Response, request: Request, name: str, value: str, last_s: int) -> None:
        secure = is_secure(request, address)
        answer.set_cookie(name, value, max_age=last_s, path="/api/v1/login/oidc", httponly=True, secure=secure)

    @api.get(
        "", responses={302: {"description": "On to the login provider."}}, status_code=302, response_class=Response
    )
    async def begin(
        request: Request, next: Text = None, redirect: Text = None, challenge: Text = None, state: Text = None
    ) -> Response:
        """Log in with a browser. `next`: the page to show afterwards. A CLI that waits gives `redirect` (an address on
        the browser's own machine), the S256 `challenge` of its verifier, and a `state` of its own."""
        waiting = None
        if redirect is not None:
            waiting = Waiting(redirect, challenge or "", state or "")
        begun = await provider().begin(redirect_uri(), next or DONE_PAGE, waiting)
        answer = RedirectResponse(begun.url, 302, headers=NO_STORE)
        cookie_of(answer, request, begun.cookie_name, begun.cookie, LASTS_S)
        return answer

    @api.get("/callback", responses=_BACK, status_code=303, response_class=Response)
    async def callback(
        request: Request, state: Text = None, code: Text = None, iss: Text = None, error: Text = None
    ) -> Response:
        """Where the provider sends the browser back to."""
        known, mark = provider(), state or ""
        name = known.cookie_name(mark)
        flow = known.read_flow(mark, request.cookies.get(name))
        try:
            if error is not None or code is None:
                what = "was refused there" if error == "access_denied" else f"failed: {(error or 'no code')[:80]}"
                raise fail("login.flow", f"the login at the provider {what}", hint="log in again")
            finished = await known.finish(flow, code, iss, redirect_uri())
        except DataOSError as refused:
            if flow.waiting is None:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                # the code only: a text of the address would be anybody's text on our page
                query = urlencode({"problem": refused.problem.code, "next": flow.target})
                answer = RedirectResponse(f"{LOGIN_PAGE}?{query}", 303, headers=NO_STORE)
                cookie_of(answer, request, name, "", 0)
                return answer
            answer = _to_cli(flow, {"error": refused.problem.code, "message": refused.problem.message})
        else:
            if finished.session is None:
                answer = _to_cli(flow, {"code": finished.code or ""})
            else:
                answer = RedirectResponse(flow.target, 303, headers=NO_STORE)
                set_cookie(answer, finished.session, is_secure(request, address))
        cookie_of(answer, request, name, "", 0)
        return answer

    @api.post("/token", responses=answers.ok(Session))
    async def token(body: CodeBody, request: Request) -> Response:
        """The session of a CLI, for the code that the browser brought and the CLI's own verifier."""
        verifier = Secret(body.verifier.get_secret_value())
        session = await provider().take_over(body.code.get_secret_value(), verifier, address_of(request))
        return opened(session, False, False)

    @api.post("/device", responses=answers.ok(Device))
    async def device(request: Request) -> Response:
        """Begin to log in with a code that is typed in on another device."""
        begun = await provider().begin_device(address_of(request))
        shown: dict[str, Any] = {
            "device_code": begun.device_code.reveal(),
            "user_code": begun.user_code,
            "verification_uri": begun.verification_uri,
            "verification_uri_complete": begun.verification_uri_complete,
            "expires_in": begun.expires_in,
            "interval": begun.interval,
        }
        return JSONResponse(shown, headers=NO_STORE)

    @api.post("/device/token", responses=answers.ok(Session))
    async def device_token(body: DeviceBody, request: Request) -> Response:
        """The session of who typed the code in; `login.pending` until that was done."""
        code = Secret(body.device_code.get_secret_value())
        return opened(await provider().finish_device(code, address_of(request)), False, False)

    return api


def _to_cli(flow: Flow, found: dict[str, str]) -> Response:
    assert flow.waiting is not None  # noqa: S101 - the caller saw it
    query = urlencode({**found, "state": flow.waiting.state})
    return RedirectResponse(f"{flow.waiting.redirect}?{query}", 303, headers=NO_STORE)
