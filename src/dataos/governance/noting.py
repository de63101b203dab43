"""What users read and change as it lies, past the gateway, is in the audit before it happens: tables by the catalog's
own protocol, files, raw data and credentials of Depots.

Clients ask for one table many times in a row: of one user's reads of one thing a minute has one row. Programs of jobs
are not told here: their runs, inputs and outputs are lineage.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dataos.governance.audit import Audit, Entry
from dataos.governance.principals import Principal

WINDOW_S = 60.0
_MOST = 10_000
READS = frozenset({"table.read", "namespace.read", "depot.read", "depot.credential"})


class Noted:
    """One per server."""

    def __init__(self, audit: Audit, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._monotonic = monotonic
        self._told: dict[tuple[str, str, str], float] = {}

    async def allowed(self, principal: Principal, action: str, thing: str) -> None:
        """A user is about to do what he may. Raises DataOSError `store.*`: then it must not happen."""
        if principal.attempt is not None:
            return
        key, now = (str(principal.user_id), action, thing), self._monotonic()
        if action in READS and now - self._told.get(key, -WINDOW_S) < WINDOW_S:
            return
        await self._audit.write(Entry(actor=key[0], action=action, object=thing, allowed=True))
        if action in READS:
            if len(self._told) >= _MOST:
                self._told = {k: at for k, at in self._told.items() if now - at < WINDOW_S}
            self._told[key] = now
