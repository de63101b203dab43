"""Calls that may be repeated: the first answer is kept with what it changed, in the same transaction, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import fail
from dataos.store import tables

KEPT_S = 24 * 3600
MAX_KEY = 200
_i = tables.idempotency


@dataclass(frozen=True)
class Call:
    """A caller's key, and a keyed digest of what is asked with it."""

    key: str
    digest: str
    actor: str

    @property
    def id(self) -> str:
        """Keys of different callers never meet."""
        return f"{self.actor}/{self.key}"


def known(connection: sa.Connection, call: Call) -> dict[str, Any] | None:
    """The answer given before, or None. Raises DataOSError `request.idempotency` if it was for another request."""
    row = connection.execute(sa.select(_i).where(_i.c.key == call.id)).first()
    if row is None:
        return None
    if row.request != call.digest:
        raise fail(
            "request.idempotency",
            f"the idempotency key `{call.key}` was used for another request",
            hint="use a new key for a new request; repeat the old one unchanged",
        )
    answer: dict[str, Any] = row.answer
    return answer


def remember(connection: sa.Connection, call: Call, answer: dict[str, Any], now_us: int) -> None:
    """Keep the answer."""
    connection.execute(_i.insert().values(key=call.id, request=call.digest, answer=answer, created_at=now_us))


def forget(connection: sa.Connection, now_us: int) -> None:
    """Drop answers that are older than a day."""
    connection.execute(_i.delete().where(_i.c.created_at < now_us - KEPT_S * 1_000_000))
