"""What a job's token opens of tables' files: those that the plan of its attempt names."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId
from dataos.depots import resolver
from dataos.depots.types.iceberg.adapter import warehouse as warehouse_of
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

_MOST_KNOWN = 1000


@dataclass(frozen=True)
class _Named:
    """Tables as (warehouse, namespace, table)."""

    reads: frozenset[tuple[str, str, str]]
    writes: frozenset[tuple[str, str, str]]


class JobReach:
    """An `Authorise` (`lakehouse.access`) for files: a user may what the catalog allows, a job what its plan says."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[AttemptId, _Named] = {}

    async def __call__(
        self, principal: Principal, action: str, warehouse: str, namespace: str | None, table: str | None
    ) -> None:
        """Raises DataOSError `auth.forbidden`. Files of a namespace and no table are those of a table that the job is
        about to make, in its run's own folder; files of no namespace belong to others."""
        if principal.attempt is None or action in ("list", "namespace.read"):
            return
        named = await self._named(principal.attempt.attempt_id)
        changes = action not in ("table.read", "list", "namespace.read")
        allowed = named.writes if changes else named.reads | named.writes
        if table is None and action.startswith("table."):
            if any(known[:2] == (warehouse, namespace) for known in named.writes):
                return
        elif namespace is None or table is None:
            if any(known == warehouse for known, _, _ in named.writes):
                return
        elif (warehouse, namespace, table) in allowed:
            return
        what = f"{warehouse}.{namespace}.{table}" if table is not None else f"other files of {warehouse}"
        verb = "writes" if changes else "reads"
        raise fail(
            "auth.forbidden",
            f"this job neither reads nor writes {what}" if verb == "reads" else f"this job does not write {what}",
            hint="name the dataset among the job's inputs or outputs",
        )

    async def _named(self, attempt: AttemptId) -> _Named:
        found = self._known.get(attempt)
        if found is None:
            found = await self._store.read(_plan, attempt)
            while len(self._known) >= _MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[attempt] = found
        return found


def _plan(connection: sa.Connection, attempt: AttemptId) -> _Named:
    a = tables.attempts
    result = connection.execute(sa.select(a.c.result).where(a.c.id == attempt)).scalar() or {}
    lakes = {e.name: warehouse_of(e) for e in resolver.list_entries(connection) if e.type == "ICEBERG"}
    return _Named(_tables(result.get("reads", ()), lakes), _tables(result.get("writes", ()), lakes))


def _tables(addresses: list[str], lakes: dict[str, str]) -> frozenset[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for text in addresses:
        try:
            address = Udl.parse(text)
        except DataOSError:
            continue
        if address.depot in lakes and address.collection and address.dataset:
            found.add((lakes[address.depot], address.collection, address.dataset.partition("@")[0]))
    return frozenset(found)
