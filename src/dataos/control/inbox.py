"""Notices for users: written in the transaction that makes them true, read by the user, marked as read."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.store import tables

_i = tables.inbox


def tell(
    connection: sa.Connection, user: str, kind: str, subject: str, text: str, data: dict[str, Any], now_us: int
) -> bool:
    """Put a notice into a user's inbox. The same text about the same subject comes once: False if it is there."""
    id_ = hashlib.sha256("\0".join((user, kind, subject, text)).encode()).hexdigest()[:24]
    if connection.execute(sa.select(_i.c.id).where(_i.c.id == id_)).first() is not None:
        return False
    row = {"id": id_, "user": user, "at": now_us, "kind": kind, "subject": subject, "text": text, "data": data}
    connection.execute(_i.insert().values(**row, read_at=None))
    return True


def listing(connection: sa.Connection, user: str, unread: bool, limit: int) -> list[dict[str, Any]]:
    """A user's notices, the newest first."""
    query = sa.select(_i).where(_i.c.user == user).order_by(_i.c.at.desc(), _i.c.id).limit(limit)
    if unread:
        query = query.where(_i.c.read_at.is_(None))
    return [
        {
            "id": row.id,
            "at": rfc3339(row.at),
            "kind": row.kind,
            "subject": row.subject,
            "text": row.text,
            "data": row.data,
            "readAt": rfc3339(row.read_at),
        }
        for row in connection.execute(query)
    ]


def mark_read(connection: sa.Connection, user: str, id_: str | None, now_us: int) -> int:
    """Mark one notice (None: all) of a user as read. Returns how many were not."""
    query = _i.update().where(_i.c.user == user, _i.c.read_at.is_(None)).values(read_at=now_us)
    if id_ is not None:
        query = query.where(_i.c.id == id_)
    return connection.execute(query).rowcount
