"""Who asks: a bearer token (or the `apikey` header of the reference) -> Principal. Nothing is anonymous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from dataos.core import logs
from dataos.core.errors import fail
from dataos.governance import rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.store.database import Store

Authenticate = Callable[[Request], Awaitable[Principal]]
"""Principal of a request. Raises DataOSError `auth.*`."""


def users_only(authenticate: Authenticate, what: str) -> Authenticate:
    """The dependency of routes that a job's token does not open. `what`: what it may not do, for the refusal."""

    async def user(request: Request) -> Principal:
        principal = await authenticate(request)
        rules.require_user(principal, what)
        return principal

    return user


class Authenticator:
    """Callable with a request. Raises DataOSError `auth.missing`, `auth.invalid`, `auth.expired`."""

    def __init__(self, store: Store, identities: Identities) -> None:
        self._store = store
        self._identities = identities

    async def __call__(self, request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            token = request.headers.get("apikey", "")
        if not token.strip():
            raise fail(
                "auth.missing",
                "this call needs a token",
                hint="send `Authorization: Bearer <token>`; the CLI does it for you after `dataos up` or login",
            )
        principal = await self.identify(token.strip())
        logs.bind(actor=principal.user_id, run=principal.attempt.run_id if principal.attempt is not None else None)
        return principal

    async def identify(self, token: str) -> Principal:
        """Whose token it is. Raises DataOSError `auth.invalid`, `auth.expired`."""
        return await self._store.read(self._identities.authenticate, token)
