"""Logging in and out, and what belongs to it: passwords, invitations, sessions. The routes to log in need no token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from starlette.responses import JSONResponse, Response

from dataos.core.secrecy import Secret
from dataos.doors import answers
from dataos.doors.authentication import COOKIE, Authenticate, address_of, token_of, users_only
from dataos.doors.web import INVITATION_PAGE
from dataos.governance import rules, standing
from dataos.governance.login import Login
from dataos.governance.passwords import LONGEST
from dataos.governance.principals import Principal
from dataos.governance.sessions import Sessions
from dataos.governance.users import Users
from dataos.store.database import Store

NO_STORE = {"Cache-Control": "no-store"}


def _is_text(word: SecretStr) -> SecretStr:
    try:
        word.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character") from None
    return word


Sealed = Annotated[SecretStr, AfterValidator(_is_text)]
"""A secret of a body that is a text: JSON can spell what is none."""
Word = Field(min_length=1, max_length=4 * LONGEST)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Opening(_Body):
    cookie: bool = Field(default=False, description="Set the session as the browser's cookie too.")


class LoginBody(_Opening):
    """POST /api/v1/login."""

    user: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="User id.")
    password: Sealed = Word


class InvitationBody(_Opening):
    """POST /api/v1/login/invitation."""

    token: Sealed = Field(min_length=1, max_length=200, description="From the link, what follows the #.")
    password: Sealed = Word


class PasswordBody(_Body):
    """PUT /api/v1/users/{id}/password."""

    password: Sealed = Word
    old: Sealed | None = Field(
        default=None, max_length=4 * LONGEST, description="The present one; needed to change one's own."
    )


class Session(answers.Answer):
    """A session. Its token is in this answer and nowhere else."""

    token: str
    type: str
    name: str
    expiration: str
    user_id: str


class OpenSession(answers.Answer):
    """A session that goes on."""

    id: str
    name: str = Field(description="How it was opened: password, invitation, oidc.")
    created: str
    expiration: str


class NewInvitation(answers.Answer):
    """An invitation; its link is in this answer and nowhere else."""

    user_id: str
    link: str
    token: str
    expiration: str


class Ways(answers.Answer):
    """How one can log in here."""

    password: bool
    oidc: bool
    device: bool = Field(description="With a code that is typed in elsewhere.")


class Ended(answers.Answer):
    """How many sessions ended."""

    count: int


def router(
    store: Store,
    users: Users,
    login: Login,
    sessions: Sessions,
    authenticate: Authenticate,
    address: Callable[[], str],
    ways: Callable[[], Awaitable[dict[str, bool]]],
) -> APIRouter:
    """Routes of logins with what is kept here. `address`: this installation's, for links; `ways`: others to log in."""
    api = APIRouter(prefix="/api/v1", tags=["login"])

    user = users_only(authenticate, "work with logins")

    async def reaches(principal: Principal, id: str, action: str) -> None:
        standing.check_reach(principal, await store.read(users.get, id), action)

    @api.get("/login", responses=answers.ok(Ways))
    async def how() -> Any:
        """How one can log in here."""
        return {"password": login.has_passwords, **await ways()}

    @api.post("/login", responses=answers.ok(Session))
    async def with_password(body: LoginBody, request: Request) -> Response:
        """Log in with a password: a session's token, which is used like an API key."""
        session = await login.with_password(body.user, _secret(body.password), address_of(request))
        return opened(session, body.cookie, is_secure(request, address))

    @api.post("/login/invitation", responses=answers.ok(Session))
    async def with_invitation(body: InvitationBody, request: Request) -> Response:
        """Set a password with the token of an invitation, and log in."""
        token = body.token.get_secret_value()
        session = await login.with_invitation(token, _secret(body.password), address_of(request))
        return opened(session, body.cookie, is_secure(request, address))

    @api.post("/logout", responses=answers.ok(answers.Deleted))
    async def logout(request: Request, _: Principal = Depends(user)) -> Response:
        """End the session of this call's token."""
        await store.write(sessions.end, token_of(request))
        answer = JSONResponse({"result": "deleted"}, headers=NO_STORE)
        answer.delete_cookie(COOKIE)
        return answer

    @api.put("/users/{id}/password", responses=answers.ok(Ended))
    async def password(id: str, body: PasswordBody, request: Request, principal: Principal = Depends(user)) -> Any:
        """Set or change a person's password. Their sessions end, but for the one that asks."""
        rules.require_own(principal, id, f"set the password of user {id}", rules.USERS)
        await reaches(principal, id, f"set the password of user {id}")
        old = _secret(body.old) if body.old is not None else None
        where, token = address_of(request), token_of(request)
        count = await login.set_password(principal.user_id, id, _secret(body.password), old, address=where, token=token)
        return {"count": count}

    @api.post("/users/{id}/invitations", responses=answers.ok(NewInvitation))
    async def invite(id: str, principal: Principal = Depends(user)) -> Response:
        """A link by which a person sets a password, once and soon."""
        rules.require(principal, f"invite user {id}", rules.USERS)
        await reaches(principal, id, f"invite user {id}")
        made = await login.invite(principal.user_id, id)
        # behind the #: browsers do not send it, so that it stands in no log
        link = f"{address()}{INVITATION_PAGE}#{made['token']}"
        return JSONResponse({**made, "link": link}, headers=NO_STORE)

    @api.get("/users/{id}/sessions", responses=answers.ok(answers.Items[OpenSession]))
    async def open_sessions(id: str, principal: Principal = Depends(user)) -> Any:
        """Sessions of a user that go on."""
        rules.require_own(principal, id, f"see the sessions of user {id}", rules.TOKENS)
        return {"items": await store.read(sessions.list, id)}

    @api.delete("/users/{id}/sessions", responses=answers.ok(Ended))
    async def end_sessions(id: str, principal: Principal = Depends(user)) -> Any:
        """Log a user out everywhere."""
        rules.require_own(principal, id, f"end the sessions of user {id}", rules.TOKENS)
        return {"count": await store.write(sessions.end_all, principal.user_id, id)}

    return api


def opened(session: dict[str, Any], cookie: bool, secure: bool) -> JSONResponse:
    """The answer that hands over a session."""
    answer = JSONResponse(session, headers=NO_STORE)
    if cookie:
        set_cookie(answer, session, secure)
    return answer


def set_cookie(answer: Response, session: dict[str, Any], secure: bool) -> None:
    """The session as a cookie that no script reads, until the session ends. `secure`: over HTTPS only."""
    ends = datetime.fromisoformat(session["expiration"])
    answer.set_cookie(COOKIE, session["token"], expires=ends, httponly=True, secure=secure, samesite="lax")


def is_secure(request: Request, address: Callable[[], str]) -> bool:
    """Do browsers come by HTTPS?"""
    return request.url.scheme == "https" or address().startswith("https:")


def _secret(word: SecretStr) -> Secret:
    return Secret(word.get_secret_value())
