"""What people did to Resources and workspaces, from the outbox into the audit.

An event is marked in the transaction that makes it true; its row of the audit is written and the mark taken away in one
other, so that none is missed or told twice, whenever a server ends. Not in the same one: all who change something would
meet at the end of the audit.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.addresses import resource_id
from dataos.core.bell import Bell
from dataos.core.clock import rfc3339
from dataos.core.errors import DataOSError
from dataos.governance.audit import Audit, Entry
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)
_e = tables.events
_r = tables.resources
_PAGE = 200
_EVERY_S = 1.0
_RESOURCE = "resource."
_WORDS = {"deleting": "deleted"}
"""What somebody did, where the event says what the platform does about it."""

_PENDING = sa.select(_e.c.seq).where(_e.c.pending.is_(True)).order_by(_e.c.seq).limit(_PAGE)
_MARKED = _PENDING.with_for_update(skip_locked=True)
_ROWS = (
    sa.select(_e, _r.c.type, _r.c.version, _r.c.name, _r.c.workspace)
    .outerjoin(_r, _r.c.uid == _e.c.uid)
    .where(_e.c.seq.in_(sa.bindparam("seqs", expanding=True)))
    .order_by(_e.c.seq)
)
_UNMARK = _e.update().where(_e.c.seq.in_(sa.bindparam("seqs", expanding=True))).values(pending=False)


class Auditing:
    """One per server; of several, whichever comes first writes a row."""

    def __init__(self, store: Store, audit: Audit, bell: Bell, every_s: float = _EVERY_S) -> None:
        self._store = store
        self._audit = audit
        self._bell = bell
        self._every_s = every_s

    async def keep(self) -> None:
        """Write what is marked, as it comes, for as long as the server runs."""
        while True:
            try:
                while await self.write():
                    pass
            except DataOSError as error:  # the store is away: the marks wait
                _log.warning("audit_of_changes_waits", error=error.problem.message)
            await self._bell.wait(self._every_s)

    async def write(self) -> int:
        """Write a page of what is marked; how many rows that were. Raises DataOSError `store.*`."""
        if not await self._store.read(lambda connection: connection.execute(_PENDING.limit(1)).first()):
            return 0
        return await self._store.write(self._write)

    def _write(self, connection: sa.Connection) -> int:
        seqs = list(connection.execute(_MARKED).scalars())
        if seqs:
            rows = connection.execute(_ROWS, {"seqs": seqs}).all()
            self._audit.append(connection, [_entry(row) for row in rows])
            connection.execute(_UNMARK, {"seqs": seqs})
        return len(seqs)


def _entry(row: sa.Row[Any]) -> Entry:
    data = dict(row.data)
    thing = str(data.pop("id", ""))
    if row.type is not None:
        thing = resource_id(row.type, row.version, row.name, row.workspace)
    word = _WORDS.get(row.kind) or str(row.kind)
    action = word if "." in word else _RESOURCE + word
    return Entry(row.actor, action, thing, True, data={**data, "event": row.seq, "at": rfc3339(row.at)})
