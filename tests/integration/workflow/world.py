"""Workflows under a clock that the test moves: real store, real control, real controller and runs. Only the programs of
jobs are missing: a job ends when the test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Outcome
from dataos.control.reconciler import end_look
from dataos.control.records import find
from dataos.control.resources import ApplyRequest, Resources
from dataos.control.units import Manifests, ResourceUnits
from dataos.core.addresses import ResourceKey
from dataos.core.bell import Bell
from dataos.core.clock import ManualClock, from_us
from dataos.core.errors import DataOSError
from dataos.core.ids import SeededIds, UserId
from dataos.depots.resolver import Depots
from dataos.governance.identities import ADMINISTRATOR, Identities
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.kinds.workflow import describing, records
from dataos.kinds.workflow.controller import WorkflowController
from dataos.kinds.workflow.nested import NestedRuns
from dataos.kinds.workflow.plan import ENDED, JobState
from dataos.kinds.workflow.runs import Kept, RunUnits
from dataos.kinds.workflow.spec import WorkflowSpec
from dataos.kinds.workflow.verbs import Asked, Verb, Verbs
from dataos.lakehouse.catalog import Catalog
from dataos.manifest.loader import load_text
from dataos.metadata.recording import Recorder
from dataos.processes.local import LocalRunner
from dataos.server import defaults
from dataos.store import tables, upgrades, work
from dataos.store.database import Store
from dataos.store.work import Lease
from dataos.workloads.attempts import Attempts, Bounds
from dataos.workloads.ports import Rooms
from support import stores
from support.access import OpenAccess
from support.principals import operator
from support.rooms import MASTER_KEY, no_checkpoint

START = datetime(2030, 1, 1, tzinfo=UTC)


class EndedByTheTest:
    """`job:` units whose program is the test: `ends` says how the jobs of that name end (None: they go on)."""

    def __init__(self, store: Store, clock: ManualClock, manifests: Manifests, nested: NestedRuns) -> None:
        self._store, self._clock, self._manifests, self._nested = store, clock, manifests, nested
        self.ends: dict[str, JobState | None] = {}

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        return Outcome(await self._step(unit_id, lease))

    async def _step(self, unit_id: str, lease: Lease) -> float | None:
        run_id, _, name = unit_id.partition("/")
        run, row = await self._store.read(lambda c: (records.run(c, run_id), records.job(c, run_id, name)))
        if run is None or row is None or row.state in ENDED or row.state == JobState.WAITING:
            return None
        spec = (await self._manifests.get(run.uid, run.generation)).spec.at(run.path or "")
        if spec.job(name).runnable is None:
            return await self._nested.reconcile(run, row, spec.job(name), lease)

        def step(connection: sa.Connection) -> None:
            lease.check(connection)
            now = self._clock.now_us()
            if records.is_paused(connection, run) and row.state == JobState.PENDING and not run.stopping:
                return
            end = JobState.ABORTED if run.stopping else self.ends.get(name, JobState.SUCCEEDED)
            records.begin_run(connection, run, now)
            values: dict[str, Any] = {"state": end or JobState.RUNNING, "attempt": 1}
            if end is not None:
                values["finished_at"] = now
                work.wake(connection, f"run:{run_id}", now)
            records.update_job(connection, run_id, name, **values)

        await self._store.write(step)
        return None


@dataclass
class World:
    """One life of a server over the store."""

    store: Store
    clock: ManualClock
    resources: Resources
    verbs: Verbs
    jobs: EndedByTheTest
    handlers: dict[str, Any]
    manifests: Manifests
    attempts: Attempts
    runner: LocalRunner
    key: ResourceKey = field(default_factory=lambda: ResourceKey("workflow", "w", "public"))
    principal: Principal = field(default_factory=lambda: operator(ADMINISTRATOR))

    async def apply(self, text: str, **options: Any) -> Any:
        (loaded,) = load_text(text)
        result = await self.resources.apply(ApplyRequest(loaded.data, UserId(ADMINISTRATOR), **options))
        await self.settle()
        return result

    async def settle(self) -> None:
        """Look at what is due until nothing is."""
        for _ in range(2000):
            leases = await self.store.write(work.claim, "test", self.clock.now_us(), 60_000_000, 64)
            if not leases:
                return
            for lease in leases:
                prefix, _, unit = lease.unit.partition(":")
                try:
                    outcome = await self.handlers[prefix].reconcile(unit, lease)
                except DataOSError:
                    outcome = Outcome(1.0)
                await self.store.write(end_look, lease, outcome, self.clock.now_us())
        raise AssertionError("it does not come to rest")

    async def advance(self, seconds: float) -> None:
        """Time passes, and then there is a look."""
        self.clock.advance(seconds)
        await self.settle()

    async def wake(self) -> None:
        """A wake-up for no reason."""
        row = await self.row()
        await self.store.write(work.wake, f"resource:{row.uid}", self.clock.now_us())
        await self.settle()

    async def row(self, name: str = "w") -> Any:
        return await self.store.read(find, ResourceKey("workflow", name, "public"))

    async def spec(self) -> WorkflowSpec:
        row = await self.row()
        return (await self.manifests.get(row.uid, row.generation)).spec

    async def runtime(self) -> str:
        return (await self.row()).runtime

    async def ask(self, verb: Verb, **options: Any) -> dict[str, Any]:
        answer = await self.verbs.ask(self.key, Asked(verb, self.principal, **options))
        await self.settle()
        return answer

    async def runs(self) -> list[dict[str, Any]]:
        """Oldest first."""
        row = await self.row()
        return list(reversed(await self.store.read(describing.history, row.uid, 1000, None)))

    async def ticks(self) -> list[str]:
        """The ticks that have runs, `01T05:00`, oldest first."""
        return [r["scheduled"][8:16] for r in await self.runs() if r["scheduled"]]

    async def events(self, kind: str) -> list[Any]:
        e = tables.events
        query = sa.select(e.c.data).where(e.c.kind == kind).order_by(e.c.seq)
        return await self.store.read(lambda c: list(c.execute(query).scalars()))

    def now(self) -> datetime:
        return from_us(self.clock.now_us())


@asynccontextmanager
async def world(
    folder: Path, clock: ManualClock | None = None, kept: Kept | None = None, seed: int = 1
) -> AsyncIterator[World]:
    """A server's life; a second one on the same folder is a restart (give it the clock and another seed)."""
    clock, ids, bell = clock or ManualClock(START), SeededIds(seed), Bell()
    store = Store(stores.url(folder), readers=2)
    upgrades.upgrade(store)
    vault = Vault(MASTER_KEY, clock)
    identities = Identities(MASTER_KEY, clock, ids)
    catalog = Catalog(store, clock, ids, no_checkpoint)
    depots = Depots(store, vault, allowed_paths=[folder], connect_timeout_s=1.0)
    runner = LocalRunner(root=folder / "work", server_socket=None, sandbox="off", trust_user_code=True, clock=clock)
    bounds = Bounds(stop_grace_s=1.0, log_bytes=1 << 20, scratch_bytes=1 << 20)
    rooms = Rooms(depots, catalog, OpenAccess())
    attempts = Attempts(
        store,
        clock,
        runner,
        catalog,
        identities,
        vault,
        rooms,
        no_checkpoint,
        bounds,
        "test",
        Recorder(clock, "dataos", False),
    )
    controller = WorkflowController(store, clock, ids, attempts, no_checkpoint)
    manifests = Manifests(store)
    resources = Resources(store, vault, identities, clock, ids, bell, {"workflow": controller})
    jobs = EndedByTheTest(store, clock, manifests, NestedRuns(store, clock, ids, manifests))
    handlers = {
        "resource": ResourceUnits(store, clock, vault, manifests, {"workflow": controller}, no_checkpoint),
        "run": RunUnits(store, clock, manifests, kept or Kept(), Recorder(clock, "dataos", False)),
        "job": jobs,
    }
    await store.write(identities.ensure_administrator)
    await store.write(defaults._workspaces, clock.now_us())
    try:
        yield World(
            store,
            clock,
            resources,
            Verbs(store, clock, ids, bell, manifests, controller),
            jobs,
            handlers,
            manifests,
            attempts,
            runner,
        )
    finally:
        await runner.close()
        store.close()
