"""What is said of a user: the whole record, its content id, and properties that filters may ask for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import fail
from dataos.governance import changes, standing
from dataos.store import tables

MOST_PROPERTIES = 100
LONGEST_VALUE = 1000
KEY = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
_CONTENT = ("id", "name", "type", "email", "tags", "properties", "federated_user_id", "federated_connector_id")
_u = tables.users


def record_of(row: sa.Row[Any]) -> dict[str, Any]:
    """A user's record as the API shows it."""
    properties: dict[str, str] = row.properties or {}
    found = {
        "id": row.id,
        "name": row.name,
        "type": row.type,
        "email": row.email or "",
        "tags": row.tags,
        "created": rfc3339(row.created_at),
        "state": standing.ACTIVE if row.disabled_at is None else standing.DISABLED,
        "properties": [{"key": key, "value": properties[key]} for key in sorted(properties)],
        "federated_user_id": row.federated_user_id,
        "federated_connector_id": row.federated_connector_id,
    }
    return {**found, "cid": content_id(found)}


def content_id(found: Mapping[str, Any]) -> str:
    """The same for records of the same content; another one after each change of it."""
    content = {key: found[key] for key in _CONTENT}
    text = json.dumps({**content, "tags": sorted(content["tags"])}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def set_properties(
    connection: sa.Connection, clock: Clock, actor: str, user: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Set properties of a user who exists, beside those that are there. Returns all. Raises `user.property`."""
    for key, value in given.items():
        if not re.fullmatch(KEY, key):
            raise fail("user.property", f"`{key[:80]}` is no name of a property", hint=f"letters, digits, _ . -: {KEY}")
        if len(value) > LONGEST_VALUE or not value.isprintable():
            text = f"the value of `{key}` is no line of at most {LONGEST_VALUE} characters"
            raise fail("user.property", text, hint="line breaks and other control characters are none")
    before = _properties(connection, user)
    return _store(connection, clock, actor, user, before, {**before, **given}, "properties set")


def remove_properties(
    connection: sa.Connection, clock: Clock, actor: str, user: str, keys: Iterable[str]
) -> dict[str, str]:
    """Take properties away. Returns what is left. Raises `user.property` for one that is not there."""
    before, gone = _properties(connection, user), set(keys)
    if missing := sorted(gone - set(before)):
        known = ", ".join(sorted(before)) or "none"
        raise fail("user.property", f"user `{user}` has no property {', '.join(missing)}", hint=f"properties: {known}")
    left = {key: value for key, value in before.items() if key not in gone}
    return _store(connection, clock, actor, user, before, left, "properties removed")


def assigners(connection: sa.Connection, user: str) -> dict[str, str]:
    """Who gave each tag, as far as the log of changes goes back."""
    c = tables.identity_changes
    rows = connection.execute(sa.select(c).where(c.c.subject == f"user:{user}").order_by(c.c.seq))
    return {tag: row.actor for row in rows if row.change in ("created", "tags added") for tag in row.data["tags"]}


def _properties(connection: sa.Connection, user: str) -> dict[str, str]:
    return dict(connection.execute(sa.select(_u.c.properties).where(_u.c.id == user)).scalar() or {})


def _store(
    connection: sa.Connection,
    clock: Clock,
    actor: str,
    user: str,
    before: dict[str, str],
    after: dict[str, str],
    change: str,
) -> dict[str, str]:
    if len(after) > MOST_PROPERTIES:
        text = f"{len(after)} properties are too many"
        raise fail("user.property", text, hint=f"at most {MOST_PROPERTIES} of one user")
    if after != before:
        connection.execute(_u.update().where(_u.c.id == user).values(properties=after))
        touched = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
        changes.record(connection, clock.now_us(), f"user:{user}", change, actor, {"properties": touched})
    return after
