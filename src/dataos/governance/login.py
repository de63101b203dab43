"""Logging in with what this installation keeps itself: passwords, and links by which they are set.

Answers never tell an unknown user from a wrong password, neither by words nor by time. Tries are counted before they
are made (throttling.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError, fail
from dataos.core.loginsettings import AuthSettings
from dataos.core.secrecy import Secret
from dataos.governance import changes, passwords, standing
from dataos.governance.invitations import Invitations, no_invitation
from dataos.governance.passwords import Hasher
from dataos.governance.sessions import Sessions
from dataos.governance.throttling import Throttle
from dataos.governance.users import Users
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)
_u = tables.users
PERSON = "person"


@dataclass(frozen=True)
class LoginParts:
    """What a login is made of."""

    users: Users
    sessions: Sessions
    invitations: Invitations
    throttle: Throttle
    hasher: Hasher


class Login:
    """One per server."""

    def __init__(self, store: Store, clock: Clock, parts: LoginParts, settings: AuthSettings) -> None:
        self._store = store
        self._clock = clock
        self._users = parts.users
        self._sessions = parts.sessions
        self._invitations = parts.invitations
        self._throttle = parts.throttle
        self._hasher = parts.hasher
        self._passwords_on = settings.passwords

    @property
    def has_passwords(self) -> bool:
        """May persons log in with passwords?"""
        return self._passwords_on

    async def with_password(self, user: str, password: Secret, address: str) -> dict[str, Any]:
        """A new session of a person. Raises DataOSError `login.refused`, `login.too_many`, `login.off`,
        `login.busy`; `auth.disabled` to who knows the password of a disabled person."""
        self._need_passwords()
        counters = self._throttle.counters(address, user)
        await self._store.write(self._throttle.begin, counters)
        known = await self._store.read(passwords.known, user)
        if not await self._hasher.verify(known, password):
            _log.info("login refused", address=address)
            raise refused()
        assert known is not None  # noqa: S101 - verified
        renewed = await self._hasher.make(password) if self._hasher.is_outdated(known) else None

        def admit(connection: sa.Connection) -> dict[str, Any]:
            if passwords.known(connection, user) != known:  # changed at this moment
                raise refused()
            if standing.is_disabled(connection, user):
                raise standing.disabled()
            if renewed is not None:
                passwords.renew(connection, user, known, renewed)
            self._throttle.succeeded(connection, counters)
            return self._sessions.open(connection, user, "password")

        session = await self._store.write(admit)
        _log.info("logged in", actor=user, how="password", address=address)
        return session

    async def set_password(
        self, actor: str, user: str, password: Secret, old: Secret | None, *, address: str, token: str
    ) -> int:
        """Set a person's password; returns how many sessions ended by that (all but the one of `token`).

        Who has one already proves it with `old`; who sets another's (an operator: the caller checked) does not.
        Raises DataOSError `user.not_found`, `user.password`, `login.refused`, `login.too_many`, `login.off`.
        """
        self._need_passwords()
        found = await self._store.read(self._users.get, user)
        self._check_person(found)
        passwords.check(password, user, found["name"], found["email"])
        known = await self._store.read(passwords.known, user)
        counters = self._throttle.counters(address, user)
        proved = actor == user and known is not None
        if proved:
            await self._store.write(self._throttle.begin, counters)
            if old is None or not await self._hasher.verify(known, old):
                raise fail("login.refused", "the old password is wrong", hint="an operator can set a new one")
        made = await self._hasher.make(password)

        def write(connection: sa.Connection) -> int:
            self._users.get(connection, user)
            if actor == user and passwords.known(connection, user) != known:  # changed at this moment
                raise fail("login.refused", "the old password is wrong", hint="it was changed a moment ago")
            if proved:
                self._throttle.succeeded(connection, counters)
            return self._store_password(connection, actor, user, made, token)

        return await self._store.write(write)

    async def invite(self, actor: str, user: str) -> dict[str, Any]:
        """A link's token for a person: {user_id, token, expiration}. Raises DataOSError `user.not_found`,
        `user.password`, `auth.disabled`, `login.off`."""
        self._need_passwords()

        def write(connection: sa.Connection) -> dict[str, Any]:
            self._check_person(self._users.get(connection, user))
            if standing.is_disabled(connection, user):
                raise standing.disabled()
            made = self._invitations.make(connection, actor, user)
            return {"user_id": user, "token": made.token, "expiration": rfc3339(made.expires_at)}

        return await self._store.write(write)

    async def with_invitation(self, token: str, password: Secret, address: str) -> dict[str, Any]:
        """Set the password of who was invited, and log them in: a new session.

        Raises DataOSError `login.invitation`, `user.password` (the link is still good then), `login.too_many`.
        """
        self._need_passwords()
        counters = self._throttle.counters(address)
        await self._store.write(self._throttle.begin, counters)
        user = await self._store.read(self._invitations.find, token)
        found = await self._store.read(self._users.get, user)
        passwords.check(password, user, found["name"], found["email"])
        made = await self._hasher.make(password)

        def write(connection: sa.Connection) -> dict[str, Any]:
            if self._invitations.take(connection, token) != user or standing.is_disabled(connection, user):
                raise no_invitation()
            self._throttle.succeeded(connection, counters)
            self._store_password(connection, user, user, made, None)
            return self._sessions.open(connection, user, "invitation")

        session = await self._store.write(write)
        _log.info("logged in", actor=user, how="invitation", address=address)
        return session

    async def forget(self) -> None:
        """Remove what is over: sessions, links, counts of failures."""
        await self._store.write(self._sessions.forget)
        await self._store.write(self._invitations.forget)
        await self._store.write(self._throttle.forget)

    def _store_password(self, connection: sa.Connection, actor: str, user: str, made: str, token: str | None) -> int:
        passwords.store(connection, self._clock, user, made)
        self._invitations.forget_of(connection, user)
        changes.record(connection, self._clock.now_us(), f"user:{user}", "password set", actor)
        return self._sessions.end_all(connection, actor, user, but=token)

    def _need_passwords(self) -> None:
        if not self._passwords_on:
            raise fail(
                "login.off", "passwords are switched off here", hint="setting auth.passwords; dataos login --oidc"
            )

    @staticmethod
    def _check_person(found: dict[str, Any]) -> None:
        if found["type"] != PERSON:
            text = f"`{found['id']}` is an application: it has no password"
            raise fail("user.password", text, hint=f"make an API key: dataos user apikey create -i {found['id']}")


def refused() -> DataOSError:
    """The one answer to an unknown user, one without a password and a wrong password."""
    return fail(
        "login.refused", "user or password is wrong", hint="an operator can send a link: dataos user invite -i ID"
    )
