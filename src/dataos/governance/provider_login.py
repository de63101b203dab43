"""Logging in at a provider: what a browser, a CLI beside one, and a CLI without one go through.

A browser carries its login with it in a signed cookie: the server keeps nothing of a login that nobody has finished.
The code's PKCE verifier and the nonce are derived from `state` by a key of this server, so that neither is kept
anywhere. A CLI gets its session by a code that the browser takes to it, which only opens with the CLI's own verifier.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from dataos.core import logs, pkce
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.core.loginsettings import OidcSettings
from dataos.core.secrecy import Secret
from dataos.governance import federation, standing
from dataos.governance.identities import Identities
from dataos.governance.login import LoginParts
from dataos.governance.oidc import DeviceLogin, Provider, Redeemed
from dataos.store import tables
from dataos.store.database import Store

LASTS_S = 600
_HANDOVER_US = 60_000_000
_HOSTS = ("127.0.0.1", "::1", "localhost")
_h = tables.login_handovers
_log = logs.get(__name__)
HOW = "oidc"


@dataclass(frozen=True)
class Waiting:
    """A CLI that waits for a browser: where it listens, what proves that it is the same, its own mark."""

    redirect: str
    challenge: str
    state: str


@dataclass(frozen=True)
class Flow:
    """A login in a browser that has begun. `target`: the page to show after it."""

    state: str
    expires_at: int
    target: str = "/"
    waiting: Waiting | None = None


@dataclass(frozen=True)
class Begun:
    """Where to send the browser, and what it must bring back."""

    url: str
    cookie_name: str
    cookie: str


@dataclass(frozen=True)
class Finished:
    """Who logged in: a session for the browser, or a code for the CLI that waits."""

    flow: Flow
    session: dict[str, Any] | None = None
    code: str | None = None


class ProviderLogin:
    """One per server that has a provider."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        identities: Identities,
        parts: LoginParts,
        provider: Provider,
        settings: OidcSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._identities = identities
        self._users = parts.users
        self._sessions = parts.sessions
        self._throttle = parts.throttle
        self._provider = provider
        self._settings = settings

    # --- a browser --------------------------------------------------------------------------------------------------

    async def begin(self, redirect_uri: str, target: str, waiting: Waiting | None) -> Begun:
        """Begin a login. Raises DataOSError `login.flow` where it should lead to another place than this server or a
        CLI on the browser's own machine; `login.provider`, `login.untrusted`."""
        _check_target(target)
        if waiting is not None:
            _check_waiting(waiting)
        state = self._ids.token()
        flow = Flow(state, self._clock.now_us() + LASTS_S * 1_000_000, target, waiting)
        url = await self._provider.authorization_url(redirect_uri, state, self._nonce(state), self._verifier(state))
        return Begun(url, self.cookie_name(state), self._sign(flow))

    async def finish(self, flow: Flow, code: str, issuer: str | None, redirect_uri: str) -> Finished:
        """The browser came back with a code. Raises DataOSError `login.flow`, `login.provider`, `login.untrusted`,
        `login.unknown_person`, `auth.disabled`."""
        await self._provider.check_sender(issuer)
        redeemed = await self._provider.redeem(code, redirect_uri, self._nonce(flow.state), self._verifier(flow.state))
        person = federation.read_person(await self._claims(redeemed), self._settings)

        def write(connection: sa.Connection) -> tuple[str, Finished]:
            user = federation.admit(connection, self._users, self._clock, person, self._settings)
            if flow.waiting is None:
                return user, Finished(flow, session=self._sessions.open(connection, user, HOW))
            return user, Finished(flow, code=self._hand_over(connection, user, flow.waiting.challenge))

        user, finished = await self._store.write(write)
        _log.info("logged in", actor=user, how=HOW)
        return finished

    def read_flow(self, state: str, cookie: str | None) -> Flow:
        """The login that this browser began. Raises DataOSError `login.flow` if it is another's, or over."""
        flow = self._read(cookie) if cookie else None
        if (
            flow is None
            or not hmac.compare_digest(flow.state.encode(), state.encode())
            or flow.expires_at < self._clock.now_us()
        ):
            raise fail("login.flow", "this browser has not begun this login, or it took too long", hint="log in again")
        return flow

    @staticmethod
    def cookie_name(state: str) -> str:
        """A cookie per login, so that two tabs do not disturb each other."""
        return "dataos_login_" + "".join(c for c in state if c.isalnum())[:12]

    # --- a CLI ------------------------------------------------------------------------------------------------------

    async def take_over(self, code: str, verifier: Secret, address: str) -> dict[str, Any]:
        """The session of a CLI for whose code a person logged in. Raises DataOSError `login.flow`, `auth.disabled`,
        `login.too_many`."""
        counters = self._throttle.counters(address)
        await self._store.write(self._throttle.begin, counters)

        def write(connection: sa.Connection) -> dict[str, Any]:
            digest = self._identities.digest(code)
            row = connection.execute(sa.select(_h).where(_h.c.digest == digest)).first()
            gone = connection.execute(_h.delete().where(_h.c.digest == digest)).rowcount
            if row is None or not gone or row.expires_at < self._clock.now_us():
                raise fail("login.flow", "this code is not good (any more)", hint="log in again")
            if standing.is_disabled(connection, row.user_id):
                raise standing.disabled()
            self._throttle.succeeded(connection, counters)
            return {"right": _is_of(verifier, row.challenge), "user": str(row.user_id)}

        found = await self._store.write(write)
        if not found["right"]:  # the code is used up all the same
            raise fail("login.flow", "this code was made for another program", hint="log in again")
        return await self._store.write(self._sessions.open, found["user"], HOW)

    async def begin_device(self, address: str) -> DeviceLogin:
        """A code that a person types in elsewhere. Raises DataOSError `login.off`, `login.provider`,
        `login.too_many`."""
        await self._store.write(self._throttle.begin, self._throttle.counters(address))
        return await self._provider.begin_device()

    async def finish_device(self, device_code: Secret, address: str) -> dict[str, Any]:
        """The session of who typed it in. Raises DataOSError `login.pending` until then; as `finish`."""
        counters = self._throttle.counters(address)
        await self._store.write(self._throttle.begin, counters)
        try:
            redeemed = await self._provider.poll_device(device_code)
        except DataOSError as error:
            if error.problem.code == "login.pending":
                await self._store.write(self._throttle.succeeded, counters)
            raise
        person = federation.read_person(await self._claims(redeemed), self._settings)

        def write(connection: sa.Connection) -> dict[str, Any]:
            user = federation.admit(connection, self._users, self._clock, person, self._settings)
            self._throttle.succeeded(connection, counters)
            return self._sessions.open(connection, user, HOW)

        session = await self._store.write(write)
        _log.info("logged in", actor=session["user_id"], how=HOW)
        return session

    async def has_device_flow(self) -> bool:
        """Does the provider know codes for other devices? False where it does not answer now."""
        try:
            return bool((await self._provider.metadata()).get("device_authorization_endpoint"))
        except DataOSError:
            return False

    async def forget(self) -> None:
        """Remove codes that nobody fetched a session with."""
        now = self._clock.now_us()
        await self._store.write(
            lambda connection: connection.execute(_h.delete().where(_h.c.expires_at < now)).rowcount
        )

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _claims(self, redeemed: Redeemed) -> dict[str, Any]:
        """Those of the ID token; the provider is asked for more where it lacks what is needed."""
        wanted = (self._settings.user_claim, self._settings.groups_claim)
        if all(name in redeemed.claims for name in wanted):
            return redeemed.claims
        return {**await self._provider.userinfo(redeemed), **redeemed.claims}

    def _hand_over(self, connection: sa.Connection, user: str, challenge: str) -> str:
        code = self._ids.token()
        expires = self._clock.now_us() + _HANDOVER_US
        row = {"digest": self._identities.digest(code), "user_id": user, "challenge": challenge, "expires_at": expires}
        connection.execute(_h.insert().values(**row))
        return code

    def _nonce(self, state: str) -> str:
        return self._identities.digest(f"login nonce {state}")

    def _verifier(self, state: str) -> str:
        return self._identities.digest(f"login verifier {state}")

    def _sign(self, flow: Flow) -> str:
        body = base64.urlsafe_b64encode(json.dumps(asdict(flow)).encode()).decode().rstrip("=")
        return f"{body}.{self._identities.digest(f'login flow {body}')}"

    def _read(self, cookie: str) -> Flow | None:
        body, _, mark = cookie.partition(".")
        if not hmac.compare_digest(mark.encode(), self._identities.digest(f"login flow {body}").encode()):
            return None
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        waiting = Waiting(**found["waiting"]) if found["waiting"] is not None else None
        return Flow(found["state"], found["expires_at"], found["target"], waiting)


def _is_of(verifier: Secret, challenge: str) -> bool:
    text = verifier.reveal()
    return text.isascii() and hmac.compare_digest(pkce.challenge_of(text), challenge)


def _check_target(target: str) -> None:
    """A page of this server: a path, never another host."""
    parts = urlsplit(target)
    if not target.startswith("/") or target.startswith(("//", "/\\")) or parts.netloc or parts.scheme:
        raise fail("login.flow", "a login leads to a page of this server only", hint="`next` is a path: /hub")


def _check_waiting(waiting: Waiting) -> None:
    """A program on the browser's own machine, with what it proves itself by."""
    try:
        parts = urlsplit(waiting.redirect)
        here = parts.scheme == "http" and parts.hostname in _HOSTS and parts.port and not parts.username
        plain = not parts.fragment and not parts.query
    except ValueError:
        here = plain = False
    if not here or not plain:
        raise fail("login.flow", "a code is handed to a program on the browser's own machine only")
    if len(waiting.challenge) != pkce.LENGTH:
        raise fail("login.flow", "`challenge` is no S256 challenge of PKCE")
