"""Sessions: what a login gives. A bearer token like an API key, for some hours, that ends earlier by a logout, a new
password or the end of its user. Functions take the caller's open connection."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import fail
from dataos.core.ids import UserId
from dataos.governance import changes
from dataos.governance.identities import Identities
from dataos.store import tables

PREFIX = "ds_"
KIND = "session"
_KEPT_US = 86_400_000_000
_t = tables.tokens


class Sessions:
    """Opens and ends sessions. `last_s`: how long one lasts."""

    def __init__(self, identities: Identities, clock: Clock, last_s: float) -> None:
        self._identities = identities
        self._clock = clock
        self._last_us = int(last_s * 1e6)

    def open(self, connection: sa.Connection, user: str, how: str) -> dict[str, Any]:
        """A new session: {token, type, name, expiration, user_id}. The token is in this answer and nowhere else.
        `how` the person proved who they are."""
        expires = self._clock.now_us() + self._last_us
        token = self._identities.issue(connection, UserId(user), how, expires_at=expires, kind=KIND, prefix=PREFIX)
        return {"token": token, "type": KIND, "name": how, "expiration": rfc3339(expires), "user_id": user}

    def list(self, connection: sa.Connection, user: str) -> list[dict[str, Any]]:
        """Sessions of a user that go on, the newest first, without their tokens. Raises `user.not_found`."""
        self._need(connection, user)
        rows = connection.execute(sa.select(_t).where(*self._going_on(user)).order_by(_t.c.created_at.desc(), _t.c.id))
        return [
            {"id": r.id, "name": r.name, "created": rfc3339(r.created_at), "expiration": rfc3339(r.expires_at)}
            for r in rows
        ]

    def end(self, connection: sa.Connection, token: str) -> str:
        """Log out: end a token's session. Returns its user. Raises DataOSError `login.no_session` for an API key."""
        digest = self._identities.digest(token)
        row = connection.execute(sa.select(_t.c.user_id, _t.c.kind).where(_t.c.digest == digest)).first()
        if row is None or row.kind != KIND:
            raise fail(
                "login.no_session",
                "this token is no session: there is nothing to log out of",
                hint="an API key goes on until it expires; `dataos user apikey delete -n NAME` ends it",
            )
        changed = _t.update().where(_t.c.digest == digest, _t.c.revoked_at.is_(None))
        connection.execute(changed.values(revoked_at=self._clock.now_us()))
        return str(row.user_id)

    def end_all(self, connection: sa.Connection, actor: str, user: str, *, but: str | None = None) -> int:
        """End a user's sessions, except that of the token `but`. Returns how many. Raises `user.not_found`."""
        self._need(connection, user)
        wanted = _t.update().where(*self._going_on(user))
        if but is not None:
            wanted = wanted.where(_t.c.digest != self._identities.digest(but))
        count = connection.execute(wanted.values(revoked_at=self._clock.now_us())).rowcount
        if count:
            changes.record(connection, self._clock.now_us(), f"user:{user}", "sessions ended", actor, {"count": count})
        return count

    def forget(self, connection: sa.Connection) -> int:
        """Remove sessions that ended more than a day ago."""
        before = self._clock.now_us() - _KEPT_US
        ended = sa.or_(_t.c.expires_at < before, _t.c.revoked_at < before)
        return connection.execute(_t.delete().where(_t.c.kind == KIND, ended)).rowcount

    def _need(self, connection: sa.Connection, user: str) -> None:
        if not self._identities.user_exists(connection, user):
            raise fail("user.not_found", f"no user `{user}`")

    def _going_on(self, user: str) -> tuple[sa.ColumnElement[bool], ...]:
        now = self._clock.now_us()
        return _t.c.user_id == user, _t.c.kind == KIND, _t.c.revoked_at.is_(None), _t.c.expires_at > now
