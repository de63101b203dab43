"""How much of the history of all Workflows stays."""

from __future__ import annotations

from dataos.kinds.workflow import records
from dataos.store.database import Store


async def prune_runs(store: Store, keep: int) -> int:
    """Forget the oldest ended runs beyond the limit, a page per transaction; how many went."""
    gone = 0
    while found := await store.write(records.prune_all, keep):
        gone += found
    return gone
