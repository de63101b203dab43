"""One life of one server: the real rooms, wired as `server.wiring` does it, over a simulated store and machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataos.control.bounds import Bounds as TableBounds
from dataos.control.events import Events
from dataos.control.history import History
from dataos.control.membership import Membership
from dataos.control.ports import Controller, UnitHandler
from dataos.control.reconciler import Reconciler
from dataos.control.resources import Resources
from dataos.control.units import Manifests, ResourceUnits
from dataos.control.upkeep import Upkeep
from dataos.core.bell import Bell
from dataos.core.errors import DataOSError
from dataos.governance.identities import Identities
from dataos.governance.vault import Vault
from dataos.kinds.depot.controller import DepotController
from dataos.kinds.secret.controller import SecretController
from dataos.kinds.workflow.controller import WorkflowController
from dataos.kinds.workflow.keeping import prune_runs
from dataos.kinds.workflow.nested import NestedRuns
from dataos.kinds.workflow.runs import JobUnits, Kept, RunUnits
from dataos.kinds.workflow.verbs import Verbs
from dataos.lakehouse.catalog import Catalog
from dataos.metadata.recording import Recorder
from dataos.processes.admission import Admission
from dataos.store import upgrades
from dataos.store.clocks import DatabaseClock
from dataos.store.servers import Server
from dataos.workloads.admissions import Admissions
from dataos.workloads.attempts import Attempts, Bounds, job_unit
from dataos.workloads.ports import Rooms
from simulation.disk import MASTER_KEY, SimulatedStore
from simulation.loop import OWNER
from simulation.machines import Machine, SimulatedDepots, SimulatedRunner
from support.access import OpenAccess

if TYPE_CHECKING:
    from simulation.world import World

KEPT = Kept(succeeded=3, failed=3)
KEEP_RUNS = 8
BOUNDS = TableBounds(events=10_000, idempotency_keys=1000, generations=1000)
KEEP_FINISHED_S = 3 * 86_400.0
KEEP_DELETED_S = 30 * 86_400.0
KEEP_EVENTS_S = 90 * 86_400.0
KEEP_ATTEMPTS_S = 168 * 3600.0
MEMORY = 1 << 40


class MeasuredClock(DatabaseClock):
    """The database's clock is the world's true time."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, machine.world.loop.time)
        self._machine = machine

    def _ask(self, connection: sa.Connection) -> tuple[float, int, float]:
        now = self._machine.world.loop.time()
        return now, self._machine.world.true_us(), now


class LossyBell(Bell):
    """Rings of this process may be lost too: whoever waits also polls."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def ring(self) -> None:
        for delay in self._world.weather.rings():
            if delay:
                self._world.loop.call_later(delay, super().ring)
            else:
                super().ring()


class Life:
    """From a start to a stop or a kill."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.world = world
        self.machine = machine
        machine.lives += 1
        machine.life = self
        self.name = f"{machine.id}.{machine.lives}"
        self.dead = False
        self.up = False
        self.stopping = False
        self.silent = False  # not even its sign of life moves
        self.frozen_until_us = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(OWNER.set, self)
        self._context.run(self._wire)

    def _wire(self) -> None:
        world, machine = self.world, self.machine
        self.store = store = SimulatedStore(world, self)
        self.clock = clock = MeasuredClock(machine)
        clock.measure(store)
        ids, bell = world.ids, LossyBell(world)
        self.bell = bell
        store.on_ring = bell.ring
        vault = Vault(MASTER_KEY, clock)
        identities = Identities(MASTER_KEY, clock, ids)
        self.runner = SimulatedRunner(machine, self)
        catalog = Catalog(store, clock, ids, self.checkpoint)
        depots: Any = SimulatedDepots(world)
        manifests = Manifests(store)
        me = Server(machine.id, str(ids.uid()), machine.id, "simulated")
        bounds = Bounds(stop_grace_s=5.0, log_bytes=1 << 20, scratch_bytes=1 << 20)
        rooms = Rooms(depots, catalog, OpenAccess())
        self.attempts = Attempts(
            store,
            clock,
            self.runner,
            catalog,
            identities,
            vault,
            rooms,
            self.checkpoint,
            bounds,
            me.id,
            Recorder(clock, "dataos", False),
        )
        controllers: dict[str, Controller] = {}
        self.resources = Resources(store, vault, identities, clock, ids, bell, controllers)
        workflows = WorkflowController(store, clock, ids, self.attempts, self.checkpoint)
        secrets = SecretController()
        controllers |= {
            "secret": secrets,
            "instance-secret": secrets,
            "depot": DepotController(store, clock, depots, identities, "/simulated"),
            "workflow": workflows,
        }
        handlers: dict[str, UnitHandler] = {
            "resource": ResourceUnits(store, clock, vault, manifests, controllers, self.checkpoint),
            "run": RunUnits(store, clock, manifests, KEPT, Recorder(clock, "dataos", False)),
        }
        self.reconciler = Reconciler(store, bell, clock, me.id, handlers)
        self.admissions = Admissions(
            Admission(world.climate.cpus, MEMORY), self.reconciler.kick, monotonic=world.loop.time
        )
        nested = NestedRuns(store, clock, ids, manifests)
        handlers["job"] = JobUnits(
            store, clock, manifests, self.attempts, self.admissions, self.checkpoint, "localhost", nested
        )
        self.runner.on_change(lambda key: self.reconciler.kick(job_unit(key)))
        self.membership = Membership(
            store,
            clock,
            me,
            ttl_s=world.ttl_s,
            revision=upgrades.revisions()[-1],
            given_up=self._given_up,
            monotonic=world.loop.time,
        )
        self.upkeep = Upkeep(
            store,
            clock,
            self.resources,
            keep_finished_s=KEEP_FINISHED_S,
            keep_deleted_s=KEEP_DELETED_S,
            keep_events_s=KEEP_EVENTS_S,
            chores=[
                lambda: self.attempts.forget(KEEP_ATTEMPTS_S),
                lambda: prune_runs(store, KEEP_RUNS),
                catalog.collect_garbage,
            ],
            often=[lambda: self.admissions.tidy(self.attempts.open_here)],
            row_bounds=BOUNDS,
        )
        self.history = History(store, clock, bell, self.resources.generations, controllers, KEEP_DELETED_S)
        self.verbs = Verbs(store, clock, ids, bell, manifests, workflows)
        self.events = Events(store, clock)

    async def _given_up(self) -> None:
        await self.attempts.reclaim()
        self.admissions.retain(await self.attempts.open_here())

    # --- what is asked of it ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, as `server.main` does."""
        self.task(self._run())

    async def _run(self) -> None:
        try:
            await self.membership.register(f"http://{self.machine.id}")
            await self.runner.adopt()
            await self.attempts.reclaim()
            await self.attempts.sweep()
            for key in await self.runner.keys():
                self.reconciler.kick(job_unit(key))
        except DataOSError as error:
            self.world.trace(self.name, "does not start:", error.problem.code)
            self._end()
            return
        self.up = True
        loop = self.task(self.reconciler.run())
        upkeep = self.task(self.upkeep.forever())
        often = self.task(self.upkeep.look_often())
        member = self.task(self._stay())
        await asyncio.wait({loop, member}, return_when=asyncio.FIRST_COMPLETED)
        self.up = False
        for task in (loop, member):
            if task.done() and not task.cancelled() and task.exception() is not None:
                self.world.trace(self.name, "ends:", task.exception())
                if not isinstance(task.exception(), DataOSError):
                    self.world.fault("server", f"a part of the server ended: {task.exception()!r}")
        self.reconciler.stop()
        for task in (upkeep, often, member):
            task.cancel()
        await asyncio.gather(loop, upkeep, often, member, return_exceptions=True)
        with contextlib.suppress(DataOSError):
            await self.membership.leave()
        self._end()

    async def _stay(self) -> None:
        if self.store.is_sqlite:
            await asyncio.Event().wait()
        await self.membership.run()

    def stop(self) -> None:
        """SIGTERM: end in order, after the looks in progress."""
        if not self.dead and self.up and not self.stopping:
            self.stopping = True
            self._context.run(self.reconciler.stop)
            # a bell may be lost here; a signal is not
            self._context.run(Bell.ring, self.bell)

    def kill(self) -> None:
        """SIGKILL: nothing of it goes on, nobody hears of it any more."""
        if self.dead:
            return
        self.world.trace(self.name, "is killed")
        self._end()

    def freeze(self, seconds: float, *, silent: bool) -> None:
        """Nothing of it moves for a while; `silent`: its sign of life neither (SIGSTOP)."""
        self.frozen_until_us = max(self.frozen_until_us, self.world.loop.now_us + round(seconds * 1e6))
        if silent:
            self.silent = True
            self.machine.sign_of_life_ends()
            self.world.loop.call_us(self.frozen_until_us, self._thaw)

    def _thaw(self) -> None:
        if self.frozen_until_us <= self.world.loop.now_us:
            self.silent = False

    def _end(self) -> None:
        self.dead = True
        self.up = False
        self.frozen_until_us = 0
        if self.machine.life is self:
            self.machine.life = None
            self.machine.sign_of_life_ends()
        for task in self._tasks:
            if task is not asyncio.current_task(self.world.loop):
                task.cancel()

    def task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Work of this life."""
        made = self._context.copy().run(self.world.loop.create_task, work)
        self._tasks.append(made)
        return made

    def call(self, work: Coroutine[Any, Any, Any], **variables: Any) -> asyncio.Task[Any]:
        """As `task`, for a call from outside; `variables` are context variables by name of `world`."""
        context = self._context.copy()
        for variable, value in variables.values():
            context.run(variable.set, value)
        made = context.run(self.world.loop.create_task, work)
        self._tasks.append(made)
        return made

    def heard_of(self, key: str) -> None:
        """A process here changed."""
        if not self.dead:
            for listener in self.runner.listeners:
                self._context.copy().run(self.world.loop.call_soon, listener, key)

    def rung(self) -> None:
        """The bell of the store."""
        if not self.dead:
            self._context.run(Bell.ring, self.bell)

    # --- what its rooms ask -------------------------------------------------------------------------------------------

    def live(self) -> None:
        """A dead server changes nothing and hears nothing: whatever of it still runs ends here."""
        if self.dead:
            raise asyncio.CancelledError

    def checkpoint(self, name: str) -> None:
        """A crash point of the product's."""
        self.live()
        if self.world.weather.crash():
            self.world.trace("at", name)
            self.kill()
            raise asyncio.CancelledError
