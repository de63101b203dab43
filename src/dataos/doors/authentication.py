"""Who asks: a bearer token (or the `apikey` header of the reference, or a browser's cookie) -> Principal. Nothing is
anonymous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.doors.observing import call_of
from dataos.governance import rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.governance.throttling import Strangers
from dataos.store.database import Store

Authenticate = Callable[[Request], Awaitable[Principal]]
"""Principal of a request. Raises DataOSError `auth.*`, `login.too_many`."""

COOKIE = "dataos_session"
_SAFE = ("GET", "HEAD", "OPTIONS")


def users_only(authenticate: Authenticate, what: str) -> Authenticate:
    """The dependency of routes that a job's token does not open. `what`: what it may not do, for the refusal."""

    async def user(request: Request) -> Principal:
        principal = await authenticate(request)
        rules.require_user(principal, what)
        return principal

    return user


def token_of(request: Request) -> str:
    """The token that came with a request, or nothing. A cookie counts only where the browser says that a page of this
    server sent the request, or where nothing can change by it: pages of others could use it otherwise."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        token = request.headers.get("apikey", "")
    if not token.strip() and (request.method in _SAFE or _is_own_page(request)):
        token = request.cookies.get(COOKIE, "")
    return token.strip()


def address_of(request: Request) -> str:
    """Where a request came from, for counting. Jobs come by a socket, which has no address."""
    return request.client.host if request.client is not None else "socket"


def _is_own_page(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")


class Authenticator:
    """Callable with a request. Raises DataOSError `auth.missing`, `auth.invalid`, `auth.expired`, `auth.disabled`, and
    `login.too_many` where an address sent too many unknown tokens."""

    def __init__(self, store: Store, identities: Identities, strangers: Strangers) -> None:
        self._store = store
        self._identities = identities
        self._strangers = strangers

    async def __call__(self, request: Request) -> Principal:
        token = token_of(request)
        if not token:
            raise fail(
                "auth.missing",
                "this call needs a token",
                hint="send `Authorization: Bearer <token>`; the CLI does it for you after `dataos up` or login",
            )
        try:
            principal = await self.identify(token)
        except DataOSError as error:
            if error.problem.code == "auth.invalid" and (too_many := self._strangers.refused(address_of(request))):
                raise too_many from error
            raise
        call_of(request.scope).actor = principal.user_id
        logs.bind(actor=principal.user_id, run=principal.attempt.run_id if principal.attempt is not None else None)
        return principal

    async def identify(self, token: str) -> Principal:
        """Whose token it is. Raises DataOSError `auth.invalid`, `auth.expired`, `auth.disabled`."""
        return await self._store.look(self._identities.authenticate, token)
