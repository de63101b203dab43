"""Users and tokens. Tokens are random (or derived, for attempts), kept as HMAC only, and compared by lookup of that.

A session is what a login gives (sessions.py). An attempt's token may read and write through the catalog, open inputs
and nothing else; what others may do is said in rules.py.
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
from dataos.governance import artifacts, changes, decisions, keyring, standing
from dataos.governance.decisions import DecisionPoint
from dataos.governance.globs import compile_glob
from dataos.governance.keyring import Keyring
from dataos.governance.principals import OPERATOR_TAG, AttemptScope, Principal, subject_tags
from dataos.store import tables

ADMINISTRATOR = UserId("admin")
MACHINE = "machine"
"""Who acts, in the audit, for whoever holds the machine of the server itself."""


# Statements of every call, built once: building one costs more than running it.
_BY_DIGEST = (
    sa.select(
        tables.tokens,
        tables.users.c.tags,
        tables.users.c.disabled_at,
        decisions.VERSION.label("policy_version"),
    )
    .join(tables.users, tables.users.c.id == tables.tokens.c.user_id)
    .where(tables.tokens.c.digest == sa.bindparam("digest"))
)
_TAGS = sa.select(tables.users.c.id, tables.users.c.tags).where(tables.users.c.id == sa.bindparam("user"))
_USER = sa.select(tables.users.c.id).where(tables.users.c.id == sa.bindparam("user"))


class Identities:
    """Who exists and which tokens open what. Functions take the caller's open connection."""

    def __init__(self, keys: Keyring | bytes, clock: Clock, ids: Ids, point: DecisionPoint | None = None) -> None:
        self.point = point or DecisionPoint()
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

    def issue(
        self,
        connection: sa.Connection,
        user: UserId,
        name: str,
        *,
        expires_at: int | None = None,
        kind: str = "apikey",
        prefix: str = "dk_",
    ) -> str:
        """A new API key, or session, of a user; shown once, kept as HMAC. `expires_at`: UTC microseconds, None:
        never."""
        token = prefix + self._ids.token()
        self._insert(connection, token, user, name, kind, {}, expires_at)
        return token

    def pick(self, words: Sequence[str]) -> str:
        """One of the words, at random."""
        return words[int.from_bytes(self._ids.token().encode(), "big") % len(words)]

    def attempt_token(self, connection: sa.Connection, user: UserId, scope: AttemptScope) -> str:
        """The token of a job attempt. Derived from the attempt's id, so that a restarted server finds the same one,
        also one that was derived before a key was rotated."""
        made = self._attempt_tokens(connection, scope.attempt_id)
        digests = {self.digest(token): token for token in made}
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
        digests = [self.digest(token) for token in self._attempt_tokens(connection, attempt_id)]
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

    def maker_of_key(self, connection: sa.Connection, name: str) -> str | None:
        """For whom the first API key of that name was made, as long as ended keys are kept."""
        t = tables.tokens
        query = sa.select(t.c.user_id).where(t.c.name == name, t.c.kind == "apikey").order_by(t.c.created_at, t.c.id)
        return connection.execute(query.limit(1)).scalar()

    def forget_keys(self, connection: sa.Connection, older_s: float) -> int:
        """Remove API keys that expired or were deleted longer ago than that. Returns how many."""
        t, before = tables.tokens, self._clock.now_us() - int(older_s * 1e6)
        over = sa.or_(t.c.expires_at < before, t.c.revoked_at < before)
        return connection.execute(t.delete().where(t.c.kind == "apikey", over)).rowcount

    def authenticate(self, connection: sa.Connection, token: str) -> Principal:
        """The principal of a token. Raises DataOSError `auth.invalid`, `auth.expired` or `auth.disabled`."""
        row = connection.execute(_BY_DIGEST, {"digest": self.digest(token)}).first()
        if row is None:
            raise fail("auth.invalid", "this token is not known here", hint=_LOST)
        if row.revoked_at is not None:
            raise fail("auth.expired", "this token was revoked", hint=_LOST)
        if row.expires_at is not None and row.expires_at <= self._clock.now_us():
            raise fail("auth.expired", "this token has expired", hint=_LOST)
        if row.disabled_at is not None:
            raise standing.disabled()
        scope: dict[str, Any] = row.scope
        attempt = (
            AttemptScope(scope["workspace"], RunId(scope["run_id"]), AttemptId(scope["attempt_id"]))
            if row.kind == "attempt"
            else None
        )
        policies = self.point.now(connection, row.policy_version or 0)
        return Principal(UserId(row.user_id), frozenset(row.tags), attempt, policies)

    def principal(self, connection: sa.Connection, user: str) -> Principal:
        """A user by id, for what acts for him without his token. Raises DataOSError `user.not_found`."""
        row = connection.execute(_TAGS, {"user": user}).first()
        if row is None:
            raise fail("user.not_found", f"no user `{user}`")
        return Principal(UserId(row.id), frozenset(row.tags), None, self.point.now(connection))

    def user_exists(self, connection: sa.Connection, user: str) -> bool:
        """True if a user of that id is known."""
        return connection.execute(_USER, {"user": user}).first() is not None

    def reset_token(self, connection: sa.Connection) -> str:
        """Revoke the administrator's API keys and issue a new one (for whoever holds the machine itself). The
        administrator is enabled and an operator after it, whatever others did."""
        u = tables.users
        tags = connection.execute(sa.select(u.c.tags).where(u.c.id == ADMINISTRATOR)).scalar() or []
        again = {"disabled_at": None, "disabled_by": None, "tags": [*dict.fromkeys([*tags, OPERATOR_TAG])]}
        connection.execute(u.update().where(u.c.id == ADMINISTRATOR).values(**again))
        connection.execute(
            tables.tokens.update()
            .where(
                tables.tokens.c.user_id == ADMINISTRATOR,
                tables.tokens.c.kind == "apikey",
                tables.tokens.c.revoked_at.is_(None),
            )
            .values(revoked_at=self._clock.now_us())
        )
        changes.record(connection, self._clock.now_us(), f"user:{ADMINISTRATOR}", "token reset", MACHINE)
        return self.issue(connection, ADMINISTRATOR, "reset")

    def digest(self, token: str) -> str:
        """By what the store knows a token."""
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
                digest=self.digest(token),
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


def holders(connection: sa.Connection, tag: str) -> list[str]:
    """Users that have a tag."""
    rows = connection.execute(sa.select(tables.users.c.id, tables.users.c.tags))
    return [row.id for row in rows if tag in row.tags]


def tags_of(connection: sa.Connection, user: str) -> frozenset[str]:
    """The tags by which policies know a user. Raises DataOSError `user.not_found`."""
    row = connection.execute(sa.select(tables.users).where(tables.users.c.id == user)).first()
    if row is None:
        raise fail("user.not_found", f"no user `{user}`", hint="dataos user get -a lists them")
    return subject_tags(row.id, row.tags)


def tags_in_namespace(connection: sa.Connection, namespace: str) -> list[str]:
    """Tags of users that lie in a tag-namespace and in no other."""
    found = artifacts.listing(connection, "tag-namespace")
    mine = [compile_glob(n["glob"]) for n in found if n["id"] == namespace]
    others = [compile_glob(n["glob"]) for n in found if n["id"] != namespace and n["type"] == "subject"]
    held = {t for tags in connection.execute(sa.select(tables.users.c.tags)).scalars() for t in tags}
    return sorted(t for t in held if any(g.matches(t) for g in mine) and not any(g.matches(t) for g in others))
