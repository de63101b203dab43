"""Invitations: a link by which a person sets a password, once and soon. Kept as HMAC, gone when used."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.governance import changes
from dataos.governance.identities import Identities
from dataos.store import tables

PREFIX = "di_"
_i = tables.invitations


@dataclass(frozen=True)
class Invitation:
    """A fresh one. The token is here and nowhere else."""

    token: str
    expires_at: int


class Invitations:
    """Makes and takes them. `last_s`: how long one is good."""

    def __init__(self, identities: Identities, clock: Clock, ids: Ids, last_s: float) -> None:
        self._identities = identities
        self._clock = clock
        self._ids = ids
        self._last_us = int(last_s * 1e6)

    def make(self, connection: sa.Connection, actor: str, user: str) -> Invitation:
        """A new invitation of a person who exists; earlier ones of that person end."""
        now = self._clock.now_us()
        made = Invitation(PREFIX + self._ids.token(), now + self._last_us)
        self.forget_of(connection, user)
        connection.execute(
            _i.insert().values(
                digest=self._identities.digest(made.token),
                user_id=user,
                created_by=actor,
                created_at=now,
                expires_at=made.expires_at,
            )
        )
        changes.record(connection, now, f"user:{user}", "invited", actor)
        return made

    def find(self, connection: sa.Connection, token: str) -> str:
        """Whose it is, without using it up. Raises DataOSError `login.invitation`."""
        row = connection.execute(
            sa.select(_i.c.user_id, _i.c.expires_at).where(_i.c.digest == self._identities.digest(token))
        ).first()
        if row is None or row.expires_at <= self._clock.now_us():
            raise no_invitation()
        return str(row.user_id)

    def take(self, connection: sa.Connection, token: str) -> str:
        """Use it up; whose it was. Raises DataOSError `login.invitation`."""
        user = self.find(connection, token)
        if not connection.execute(_i.delete().where(_i.c.digest == self._identities.digest(token))).rowcount:
            raise no_invitation()
        return user

    def forget_of(self, connection: sa.Connection, user: str) -> None:
        """End all of a person's."""
        connection.execute(_i.delete().where(_i.c.user_id == user))

    def forget(self, connection: sa.Connection) -> int:
        """Remove those that are over."""
        return connection.execute(_i.delete().where(_i.c.expires_at <= self._clock.now_us())).rowcount


def no_invitation() -> DataOSError:
    """The one answer for links that were never made, were used, or are over."""
    return fail(
        "login.invitation",
        "this link is not good (any more)",
        hint="it works once and for a short time; ask an operator for a new one: dataos user invite -i ID",
    )
