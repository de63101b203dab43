"""`/ready`: can this server do its work now? One answer per part."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError
from dataos.doors.watching import Part
from dataos.server import sharing
from dataos.store import tables
from dataos.store.database import Store

_LOOP_S = 15.0
_LATE_US = 30 * 1_000_000


class Readiness:
    """Asks each part. `looked_at`: when the reconciler's loop last went round (monotonic seconds); `engines`: name and
    process id of each that this server runs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        looked_at: Callable[[], float],
        engines: Callable[[], list[tuple[str, int | None]]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._looked_at = looked_at
        self._engines = engines
        self.stopping = False
        """Set when the server begins to stop: callers should go elsewhere."""

    async def parts(self) -> list[Part]:
        """store, reconciler, engine, catalog, timers; and `server` while it stops."""
        problem = await self._store.problem()
        found = [Part("store", not problem, problem)]
        behind = time.monotonic() - self._looked_at()
        text = "" if behind < _LOOP_S else f"its loop has not gone round for {behind:.0f} s"
        found.append(Part("reconciler", not text, text))
        if problem:
            found += [Part(name, False, "the store is away") for name in ("engine", "catalog", "timers")]
        else:
            found += await self._of_store()
        if self.stopping:
            found.append(Part("server", False, "it is stopping"))
        return found

    async def _of_store(self) -> list[Part]:
        try:
            wanted, folders, late = await self._store.read(_look, self._clock.now_us())
        except DataOSError as error:
            return [Part(name, False, str(error)) for name in ("engine", "catalog", "timers")]
        up = {name for name, pid in self._engines() if pid is not None}
        down = sorted(wanted - up)
        engine = f"not running: {', '.join(down)}" if down else ""
        timers = f"a tick is overdue by {late / 1e6:.0f} s" if late > _LATE_US else ""
        return [
            Part("engine", not engine, engine),
            Part("catalog", not folders, "; ".join(folders)),
            Part("timers", not timers, timers),
        ]


def _look(connection: sa.Connection, now_us: int) -> tuple[set[str], list[str], int]:
    """Clusters that should run, warehouses that cannot be reached, microseconds by which the latest tick is overdue. A
    Cluster in error is its owner's matter."""
    r, s = tables.resources, tables.schedules
    clusters = connection.execute(
        sa.select(r.c.name).where(
            r.c.type == "cluster", r.c.live_key.is_not(None), r.c.deleting_at.is_(None), r.c.status != "error"
        )
    ).scalars()
    away = [f"{line['name']}: {line['detail']}" for line in sharing.warehouses_health(connection)]
    due = connection.execute(
        sa.select(sa.func.min(s.c.next_at))
        .join(r, r.c.uid == s.c.uid)
        .where(s.c.paused_at.is_(None), r.c.live_key.is_not(None))
    ).scalar()
    return set(clusters), away, now_us - due if due is not None else 0
