"""Who changed which identity, and who changed what governs: rows in the transaction that does it.

`note` is the one place from where a change gets into the audit; the store hands it to the audit before the transaction
commits, and without that row nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dataos.governance.audit import Entry
from dataos.store import tables
from dataos.store.database import note_before_commit

_INSERT = tables.identity_changes.insert()


def record(
    connection: sa.Connection, now_us: int, subject: str, change: str, actor: str, data: Mapping[str, Any] | None = None
) -> None:
    """Write a change of an identity down, for its own log and for the audit. `subject`: `user:<id>` or `role:<id>`;
    `data` holds nothing secret."""
    row = {"at": now_us, "subject": subject, "change": change, "actor": actor, "data": dict(data or {})}
    connection.execute(_INSERT, row)
    kind, _, _ = subject.partition(":")
    note(connection, f"{kind}.{change.replace(' ', '-')}", subject, actor, data)


def note(connection: sa.Connection, action: str, thing: str, actor: str, data: Mapping[str, Any] | None = None) -> None:
    """Have the audit say that somebody changed something, if this transaction commits. `action`: `grant.approved`;
    `data` holds nothing secret."""
    note_before_commit(connection, Entry(actor=actor, action=action, object=thing, allowed=True, data=dict(data or {})))
