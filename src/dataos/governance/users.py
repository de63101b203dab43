"""Users, applications, their tags and API keys as the CLI and the API see them (ch01 9).

API keys are kept as HMAC and shown once: unlike the reference, nobody can print one again. Functions take the caller's
open connection; each writes who did what into `identity_changes` in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from dataos.core import names
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import fail
from dataos.core.ids import UserId
from dataos.governance import artifacts, changes, profiles, standing
from dataos.governance.identities import ADMINISTRATOR, Identities
from dataos.governance.principals import OPERATOR_TAG
from dataos.store import tables

TYPES = ("person", "application")
DEFAULT_KEY_S = 24 * 3600
_ID = r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?"
_WORDS = (
    *("amber", "birch", "brisk", "cedar", "delta", "early", "ember", "field", "grand", "happy", "ivory", "jolly"),
    *("jade", "keen", "lemon", "lucky", "maple", "noble", "north", "olive", "pearl", "plain", "quick", "rapid"),
    *("river", "silver", "solid", "tidy", "topaz", "upper", "valley", "vivid", "warm", "willow", "young", "zinc"),
)


class Users:
    """Reads and changes identities."""

    def __init__(self, identities: Identities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    # --- users ------------------------------------------------------------------------------------------------------

    def list(self, connection: sa.Connection, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """All users, or those of the given ids, ordered by id."""
        query = sa.select(tables.users).order_by(tables.users.c.id)
        if ids is not None:
            query = query.where(tables.users.c.id.in_(list(ids)))
        return [profiles.record_of(row) for row in connection.execute(query)]

    def get(self, connection: sa.Connection, user: str) -> dict[str, Any]:
        """One user. Raises DataOSError `user.not_found`."""
        found = self.list(connection, [user])
        if not found:
            known = list(connection.execute(sa.select(tables.users.c.id)).scalars())
            raise fail("user.not_found", f"no user `{user}`", hint=names.did_you_mean(user, known))
        return found[0]

    def create(
        self,
        connection: sa.Connection,
        actor: str,
        *,
        id: str | None,
        name: str,
        type: str,
        email: str | None = None,
        tags: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Make a user. Without an id it is made from the name. Raises `user.exists`, `user.invalid`."""
        if type not in TYPES:
            raise fail("user.invalid", f"`{type}` is no type of user", hint="allowed: " + ", ".join(TYPES))
        user = id or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        if not re.fullmatch(_ID, user) or len(user) > names.MAX_NAME:
            raise fail(
                "user.invalid",
                f"`{user}` is no user id",
                hint=f"at most {names.MAX_NAME} characters, and {_ID}",
            )
        if self._identities.user_exists(connection, user):
            raise fail("user.exists", f"user `{user}` exists already", hint="choose another id with -u")
        given = [*dict.fromkeys(["roles:id:user", f"users:id:{user}", *tags])]
        artifacts.check_subject_tags(connection, given)
        connection.execute(
            tables.users.insert().values(
                id=user, name=name, type=type, email=email, tags=given, created_at=self._clock.now_us()
            )
        )
        self._record(connection, f"user:{user}", "created", actor, {"type": type, "tags": given})
        return self.get(connection, user)

    def delete(self, connection: sa.Connection, actor: str, user: str) -> None:
        """Remove a user without Resources, with its keys. Raises `user.not_found`, `user.in_use`, `user.last`."""
        found = self.get(connection, user)
        if user == ADMINISTRATOR:
            raise fail("user.last", "the built-in administrator cannot be removed")
        self._check_operator_remains(connection, found, without=user)
        owned = connection.execute(
            sa.select(tables.resources.c.name).where(
                tables.resources.c.owner == user, tables.resources.c.live_key.is_not(None)
            )
        ).scalars()
        left = list(owned.fetchmany(5))
        if left:
            raise fail(
                "user.in_use",
                f"user `{user}` still owns Resources: {', '.join(left)}",
                hint=f"delete them or give them another owner; list: dataos get -a -o {user}",
            )
        for of_user in (tables.tokens, tables.passwords, tables.invitations, tables.login_handovers):
            connection.execute(of_user.delete().where(of_user.c.user_id == user))
        connection.execute(tables.benches.delete().where(tables.benches.c.owner == user))
        connection.execute(tables.users.delete().where(tables.users.c.id == user))
        self._record(connection, f"user:{user}", "deleted", actor, {})

    # --- tags -------------------------------------------------------------------------------------------------------

    def add_tags(self, connection: sa.Connection, actor: str, user: str, tags: Iterable[str]) -> list[str]:
        """Give tags (roles are tags). Returns all tags. Raises `user.not_found`, `user.tag`."""
        found = self.get(connection, user)
        fresh = list(dict.fromkeys(tags))
        artifacts.check_subject_tags(connection, fresh)
        return self._store_tags(connection, actor, found, [*dict.fromkeys([*found["tags"], *fresh])], "tags added")

    def remove_tags(self, connection: sa.Connection, actor: str, user: str, tags: Iterable[str]) -> list[str]:
        """Take tags away. Raises `user.not_found`, `user.last` for the last operator."""
        found = self.get(connection, user)
        gone = set(tags)
        missing = sorted(gone - set(found["tags"]))
        if missing:
            raise fail(
                "user.tag",
                f"user `{user}` has no tag {', '.join(missing)}",
                hint="tags: " + ", ".join(found["tags"]),
            )
        if OPERATOR_TAG in gone:
            self._check_operator_remains(connection, found, without=user)
        return self._store_tags(connection, actor, found, [t for t in found["tags"] if t not in gone], "tags removed")

    def _store_tags(
        self, connection: sa.Connection, actor: str, user: dict[str, Any], tags: list[str], change: str
    ) -> list[str]:
        if tags != user["tags"]:
            connection.execute(tables.users.update().where(tables.users.c.id == user["id"]).values(tags=tags))
            difference = sorted(set(tags) ^ set(user["tags"]))
            self._record(connection, f"user:{user['id']}", change, actor, {"tags": difference})
            for tag in difference:
                if tag.startswith("roles:id:"):
                    self._record(
                        connection, "role:" + tag.removeprefix("roles:id:"), change, actor, {"user": user["id"]}
                    )
        return tags

    def _check_operator_remains(self, connection: sa.Connection, user: dict[str, Any], without: str) -> None:
        if OPERATOR_TAG in user["tags"]:
            standing.check_operator_remains(connection, without)

    # --- keys -------------------------------------------------------------------------------------------------------

    def create_key(
        self, connection: sa.Connection, actor: str, user: str, name: str | None, duration_s: float
    ) -> dict[str, Any]:
        """A new API key: {token, name, type, expiration}. The token is in this answer and nowhere else."""
        self.get(connection, user)
        if duration_s <= 0:
            raise fail("user.key", "an API key must last longer than no time", hint="for instance -d 24h")
        chosen = name or self._fresh_name(connection)
        if self._key(connection, chosen) is not None:
            raise fail("user.exists", f"an API key `{chosen}` exists already", hint="choose another name with -n")
        expires = self._clock.now_us() + int(duration_s * 1e6)
        token = self._identities.issue(connection, UserId(user), chosen, expires_at=expires)
        self._record(connection, f"user:{user}", "key created", actor, {"name": chosen})
        return {"token": token, "name": chosen, "type": "apikey", "expiration": rfc3339(expires), "user_id": user}

    def keys(self, connection: sa.Connection, user: str) -> list[dict[str, Any]]:
        """Keys of a user that still work, without their tokens."""
        self.get(connection, user)
        t = tables.tokens
        rows = connection.execute(
            sa.select(t)
            .where(t.c.user_id == user, t.c.kind == "apikey", t.c.revoked_at.is_(None))
            .order_by(t.c.created_at)
        )
        return [
            {
                "name": row.name,
                "type": "apikey",
                "expiration": rfc3339(row.expires_at) if row.expires_at else None,
                "expired": bool(row.expires_at and row.expires_at <= self._clock.now_us()),
                "created": rfc3339(row.created_at),
                "user_id": row.user_id,
            }
            for row in rows
        ]

    def key_owner(self, connection: sa.Connection, name: str) -> str:
        """Whose key that is. Raises `user.key`."""
        row = self._key(connection, name)
        if row is None:
            raise fail("user.key_not_found", f"no API key `{name}`", hint="dataos user apikey get lists yours")
        return str(row.user_id)

    def delete_key(self, connection: sa.Connection, actor: str, name: str) -> None:
        """End a key: it is refused from the next call on. Raises `user.key`."""
        owner = self.key_owner(connection, name)
        t = tables.tokens
        connection.execute(
            t.update()
            .where(t.c.name == name, t.c.kind == "apikey", t.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now_us())
        )
        self._record(connection, f"user:{owner}", "key deleted", actor, {"name": name})

    def _key(self, connection: sa.Connection, name: str) -> sa.Row[Any] | None:
        t = tables.tokens
        return connection.execute(
            sa.select(t).where(t.c.name == name, t.c.kind == "apikey", t.c.revoked_at.is_(None))
        ).first()

    def _fresh_name(self, connection: sa.Connection) -> str:
        while True:
            name = "token_" + "_".join(self._identities.pick(_WORDS) for _ in range(4))
            if self._key(connection, name) is None:
                return name

    # --- changes ----------------------------------------------------------------------------------------------------

    def changes(self, connection: sa.Connection, subject: str, limit: int = 200) -> list[dict[str, Any]]:
        """What happened to `user:<id>` or `role:<id>`, newest first. Raises `user.not_found`."""
        c = tables.identity_changes
        rows = connection.execute(sa.select(c).where(c.c.subject == subject).order_by(c.c.seq.desc()).limit(limit))
        found = [{"at": rfc3339(r.at), "change": r.change, "by": r.actor, **r.data} for r in rows]
        kind, _, id_ = subject.partition(":")
        if not found and kind == "user":
            self.get(connection, id_)
        return found

    def _record(self, connection: sa.Connection, subject: str, change: str, actor: str, data: dict[str, Any]) -> None:
        changes.record(connection, self._clock.now_us(), subject, change, actor, data)
