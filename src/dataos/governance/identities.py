"""Users and tokens. Tokens are random (or derived, for attempts), kept as HMAC only, and compared by lookup of that.

An attempt's token may read and write through the catalog, open inputs and nothing else; what others may do is said in
rules.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.ids import AttemptId, Ids, RunId, UserId
from dataos.governance import keyring
from dataos.governance.keyring import Keyring
from dataos.governance.principals import OPERATOR_TAG, AttemptScope, Principal
from dataos.store import tables

ADMINISTRATOR = UserId("admin")


# Statements of every call, built once: building one costs more than running it.
_BY_DIGEST = (
    sa.select(tables.tokens, tables.users.c.tags)
    .join(tables.users, tables.users.c.id == tables.tokens.c.user_id)
    .where(tables.tokens.c.digest == sa.bindparam("digest"))
)
_USER = sa.select(tables.users.c.id).where(tables.users.c.id == sa.bindparam("user"))


class Identities:
    """Who exists and which tokens open what. Functions take the caller's open connection."""

    def __init__(self, keys: Keyring | bytes, clock: Clock, ids: Ids) -> None:
        self._keys = Keyring(keys) if isinstance(keys, bytes) else keys
        self._clock = clock
        self._ids = ids

    def ensure_administrator(self, connection: sa.Connection) -> str | None:
        """Make the first user, an operator. Returns its fresh token the first time, None afterwards."""
        known = connection.execute(sa.select(tables.users.c.id).where(tables.users.c.id == ADMINISTRATOR)).first()
        if known:
            return None
        connection.execute(
            tables.users.insert().values(
                id=ADMINISTRATOR,
                name="Administrator",
                type="person",
                tags=["roles:id:user", OPERATOR_TAG],
                created_at=self._clock.now_us(),
            )
        )
        return self.issue(connection, ADMINISTRATOR, "first start")

    def issue(self, connection: sa.Connection, user: UserId, name: str, *, expires_at: int | None = None) -> str:
        """A new API key of a user; shown once, kept as HMAC. `expires_at`: UTC microseconds, None: never."""
        token = "dk_" + self._ids.token()
        self._insert(connection, token, user, name, "apikey", {}, expires_at)
        return token

    def pick(self, words: Sequence[str]) -> str:
        """One of the words, at random."""
        return words[int.from_bytes(self._ids.token().encode(), "big") % len(words)]

    def attempt_token(self, connection: sa.Connection, user: UserId, scope: AttemptScope) -> str:
        """The token of a job attempt. Derived from the attempt's id, so that a restarted server finds the same one,
        also one that was derived before a key was rotated."""
        made = self._attempt_tokens(connection, scope.attempt_id)
        digests = {self._digest(token): token for token in made}
        t = tables.tokens
        known = connection.execute(sa.select(t.c.digest).where(t.c.digest.in_(list(digests)))).scalar()
        if known is not None:
            return digests[known]
        self._insert(
            connection,
            made[0],
            user,
            f"attempt {scope.attempt_id}",
            "attempt",
            {"workspace": scope.workspace, "run_id": scope.run_id, "attempt_id": scope.attempt_id},
        )
        return made[0]

    def _attempt_tokens(self, connection: sa.Connection, attempt_id: AttemptId) -> list[str]:
        """What an attempt's token is, or was before keys were rotated; the newest first."""
        return [keyring.attempt_token(key, attempt_id) for key in self._keys.now(connection).attempts]

    def revoke_attempt(self, connection: sa.Connection, attempt_id: AttemptId) -> None:
        """End the token of an attempt. It stays revoked: a late job cannot speak any more."""
        digests = [self._digest(token) for token in self._attempt_tokens(connection, attempt_id)]
        connection.execute(
            tables.tokens.update()
            .where(tables.tokens.c.digest.in_(digests), tables.tokens.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now_us())
        )

    def end_key(self, connection: sa.Connection, name: str) -> None:
        """Revoke the API keys of that name; none is fine."""
        t = tables.tokens
        connection.execute(
            t.update()
            .where(t.c.name == name, t.c.kind == "apikey", t.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now_us())
        )

    def authenticate(self, connection: sa.Connection, token: str) -> Principal:
        """The principal of a token. Raises DataOSError `auth.invalid` or `auth.expired`."""
        row = connection.execute(_BY_DIGEST, {"digest": self._digest(token)}).first()
        if row is None:
            raise fail("auth.invalid", "this token is not known here", hint=_LOST)
        if row.revoked_at is not None:
            raise fail("auth.expired", "this token was revoked", hint=_LOST)
        if row.expires_at is not None and row.expires_at <= self._clock.now_us():
            raise fail("auth.expired", "this token has expired", hint=_LOST)
        scope: dict[str, Any] = row.scope
        attempt = (
            AttemptScope(scope["workspace"], RunId(scope["run_id"]), AttemptId(scope["attempt_id"]))
            if row.kind == "attempt"
            else None
        )
        return Principal(UserId(row.user_id), frozenset(row.tags), attempt)

    def user_exists(self, connection: sa.Connection, user: str) -> bool:
        """True if a user of that id is known."""
        return connection.execute(_USER, {"user": user}).first() is not None

    def reset_token(self, connection: sa.Connection) -> str:
        """Revoke the administrator's API keys and issue a new one (for whoever holds the machine itself)."""
        connection.execute(
            tables.tokens.update()
            .where(
                tables.tokens.c.user_id == ADMINISTRATOR,
                tables.tokens.c.kind == "apikey",
                tables.tokens.c.revoked_at.is_(None),
            )
            .values(revoked_at=self._clock.now_us())
        )
        return self.issue(connection, ADMINISTRATOR, "reset")

    def _digest(self, token: str) -> str:
        return hmac.new(self._keys.newest.tokens, token.encode(), hashlib.sha256).hexdigest()

    def _insert(
        self,
        connection: sa.Connection,
        token: str,
        user: UserId,
        name: str,
        kind: str,
        scope: dict[str, Any],
        expires_at: int | None = None,
    ) -> None:
        connection.execute(
            tables.tokens.insert().values(
                id=self._ids.uid(),
                digest=self._digest(token),
                user_id=user,
                name=name,
                kind=kind,
                scope=scope,
                created_at=self._clock.now_us(),
                expires_at=expires_at,
                revoked_at=None,
            )
        )


_LOST = "run `dataos up` on the machine itself, or `dataos admin reset-token` there"
