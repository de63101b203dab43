"""Cluster: an engine process that mounts its Depots, and the door through which the gateway gets at engines.

Level-triggered: each look computes what the engine should reach (folders, databases, credentials) and hands it over;
the engine starts a new process only if that changed. A Cluster looks again every few seconds, so that a new Depot or a
rotated secret is picked up without a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Made, Observed, ResourceView, kernel_object, service_record
from dataos.control.units import Manifests
from dataos.core import logs, names
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, UserId
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import EngineOptions
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.journal import Journal
from dataos.gateway.mounting import MountedDepots
from dataos.gateway.providers.procedures import Rewrites
from dataos.gateway.relations import Authority, RelationProvider
from dataos.gateway.underway import Underway
from dataos.kinds.cluster.spec import ClusterSpec
from dataos.lakehouse.catalog import Catalog
from dataos.manifest.documents import Manifest
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)

DEFAULT = "miniature"
LOOK_AGAIN_S = 5.0
_START_WAIT_S = 10


def _signature(entries: Sequence[DepotEntry]) -> frozenset[tuple[str, str, int]]:
    return frozenset((e.name, e.uid, e.generation) for e in entries)


@dataclass
class _Followed:
    """The catalogs of a Cluster that runs: a Depot that was applied a moment ago can be asked at once, as the engine is
    brought up to date first. `mounted`: which Depots, in which generation, it was last brought up to."""

    depots: MountedDepots
    engine: DuckdbEngine
    mounted: frozenset[tuple[str, str, int]]

    async def providers(self) -> Mapping[str, RelationProvider]:
        """As `Catalogs`."""
        entries = await self.depots.entries()
        mounted = _signature(entries)
        if mounted != self.mounted:
            await self.engine.apply(await self.depots.access())
            self.mounted = mounted
        return self.depots.answering(entries)

    async def why_not(self, catalog: str) -> Problem | None:
        """As `Catalogs`."""
        return await self.depots.why_not(catalog)


@dataclass
class _Running:
    """A Cluster that runs."""

    spec: ClusterSpec
    engine: DuckdbEngine
    catalogs: _Followed
    gateway: Gateway


def _declared(connection: sa.Connection) -> Sequence[sa.Row[Any, Any, Any]]:
    r = tables.resources
    living = (r.c.type == "cluster", r.c.live_key.is_not(None), r.c.deleting_at.is_(None))
    return connection.execute(sa.select(r.c.name, r.c.uid, r.c.generation).where(*living)).all()


class ClusterController:
    """The `cluster` kind, and the gateway's source of engines."""

    def __init__(
        self,
        store: Store,
        depots: Depots,
        catalog: Catalog,
        clock: Clock,
        ids: Ids,
        run_folder: Path,
        spill_folder: Path,
        options: EngineOptions,
        limits: Limits,
        manifests: Manifests,
        authority: Authority,
        journal: Journal,
        rewrites: Rewrites | None = None,
        own_catalogs: Mapping[str, RelationProvider] | None = None,
    ) -> None:
        """`own_catalogs`: of the platform itself.

        `rewrites`: who rewrites data files for ALTER TABLE ... EXECUTE optimize."""
        self.underway = Underway()
        self._authority = authority
        self._journal = journal
        self._own_catalogs = own_catalogs
        self._rewrites = rewrites
        self._store = store
        self._depots = depots
        self._catalog = catalog
        self._clock = clock
        self._ids = ids
        self._run_folder = run_folder
        self._spill_folder = spill_folder
        self._options = options
        self._limits = limits
        self._manifests = manifests
        self._running: dict[str, _Running] = {}
        self._starts: dict[str, asyncio.Lock] = {}
        self._wanted = asyncio.Event()
        self.on_change: Callable[[str], None] = lambda uid: None
        """Hears of the Cluster whose engine ended by itself or came back."""

    # --- what doors ask -----------------------------------------------------------------------------------------------

    async def gateway(self, cluster: str | None = None) -> Gateway:
        """The gateway of a Cluster (default `miniature`), never of another; waits a little for one that is starting.

        Raises DataOSError `cluster.not_found`, `engine.unavailable`.
        """
        name = cluster or DEFAULT
        running = self._running.get(name) or await self._starting(name)
        return running.gateway

    async def _starting(self, name: str) -> _Running:
        """A declared Cluster that does not run yet, once it does."""
        declared = await self._store.read(records.names_of, "cluster")
        if name not in declared:
            raise fail(
                "cluster.not_found",
                f"there is no cluster `{name}`",
                hint=names.did_you_mean(name, declared)
                or "no cluster is declared: docs/howto/operate.md shows how to make the first one again",
            )
        self._wanted.set()
        for _ in range(_START_WAIT_S * 20):
            running = self._running.get(name)
            if running is not None:
                return running
            await asyncio.sleep(0.05)
        raise fail(
            "engine.unavailable",
            f"cluster `{name}` has not started",
            hint="see `dataos get -t cluster -d` for the reason",
            retry=2.0,
        )

    def engines(self) -> list[tuple[str, int | None]]:
        """(cluster, process id) of each engine of this server; None for one whose process is away."""
        return sorted((name, r.engine.pid) for name, r in self._running.items())

    def health(self) -> list[dict[str, Any]]:
        """A line per engine."""
        return [
            {"name": f"cluster {name}", "ok": r.engine.pid is not None, "detail": f"pid {r.engine.pid}"}
            for name, r in sorted(self._running.items())
        ]

    # --- the kind -----------------------------------------------------------------------------------------------------

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """A statement names a Cluster without its workspace: names are unique in the installation."""

        def elsewhere(connection: sa.Connection) -> list[str]:
            rows, _ = records.listing(connection, records.Filter(type="cluster", name=manifest.meta.name), None, 100)
            return [str(r["workspace"]) for r in rows if r["workspace"] != manifest.workspace]

        problems = await self._unqueryable(manifest)
        taken = await self._store.read(elsewhere)
        if not taken:
            return problems
        text = f"a cluster named `{manifest.meta.name}` exists in workspace `{taken[0]}`"
        return [Problem("resource.conflict", text, hint="choose another name", path="name"), *problems]

    async def _unqueryable(self, manifest: Manifest) -> list[Problem]:
        """Depots that it lists and that cannot be catalogs; a missing one is found by its reference."""
        spec: ClusterSpec = manifest.spec
        mounted = MountedDepots(self._depots, self._catalog, self._clock)
        found = [await mounted.why_not(depot) for depot in spec.depots or ()]
        return [replace(problem, path=manifest.section_key) for problem in found if problem is not None]

    async def reconcile(self, view: ResourceView) -> Observed:
        """Start the engine if it is not there, and let it reach exactly what it should."""
        spec: ClusterSpec = view.manifest.spec
        name = view.manifest.meta.name
        down = self._down(name, spec)
        if down is not None:
            return Observed(runtime="pending:0/1", info=down, state=dict(view.state), again_s=LOOK_AGAIN_S)
        running = await self._ensure(view.uid, name, spec)
        lacking = sorted(running.engine.unavailable.items())
        info = "; ".join(f"{depot} is not mounted: {problem.message}" for depot, problem in lacking)
        return Observed(
            runtime="running:1",
            info=info or f"{len(running.catalogs.mounted)} depots mounted",
            state=dict(view.state),
            again_s=LOOK_AGAIN_S,
        )

    async def keep(self) -> None:
        """Where servers share a store, one of them reconciles a Cluster, but every one answers statements: each keeps
        engines of its own for all Clusters that are declared. Until cancelled."""
        while not self._store.is_sqlite:
            try:
                await self._keep_all()
            except DataOSError as error:
                _log.warning("keeping the engines failed", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _keep_all(self) -> None:
        declared = await self._store.read(_declared)
        for row in declared:
            manifest = await self._manifests.get(row.uid, row.generation)
            await self._ensure(row.uid, row.name, manifest.spec)
        for name in set(self._running) - {row.name for row in declared}:
            running = self._running.pop(name)
            await running.engine.close()

    def _down(self, name: str, spec: ClusterSpec) -> str | None:
        """Why the engine of a Cluster has no process, which its supervisor starts again; None if it has one."""
        running = self._running.get(name)
        if running is None or running.spec != spec or running.engine.pid is not None:
            return None
        return f"started again: {running.engine.why_down or 'its process ended'}"

    async def _ensure(self, uid: str, name: str, spec: ClusterSpec) -> _Running:
        """The engine of a Cluster on this server, started or brought up to date."""
        async with self._starts.setdefault(name, asyncio.Lock()):
            running = self._running.get(name)
            if running is None or running.spec != spec:
                return await self._start(uid, name, spec, running)
            await running.engine.apply(await running.catalogs.depots.access())
            return running

    async def _start(self, uid: str, name: str, spec: ClusterSpec, earlier: _Running | None) -> _Running:
        """A new engine for a new spec; the earlier one, if any, goes first (its statements fail cleanly)."""
        only = None if spec.depots is None else frozenset(spec.depots)
        depots = MountedDepots(self._depots, self._catalog, self._clock, only, self._rewrites)
        engine = DuckdbEngine(
            name,
            run_folder=self._run_folder / name,
            spill_folder=self._spill_folder / name / "spill",
            ids=self._ids,
            options=self._sized(spec),
        )
        engine.on_change = lambda: self.on_change(uid)
        mounted = _signature(await depots.entries())
        if earlier is not None:
            await earlier.engine.close()
        await engine.start(await depots.access())
        catalogs = _Followed(depots, engine, mounted)
        gateway = Gateway(
            engine,
            catalogs,
            ids=self._ids,
            limits=self._limits,
            authority=self._authority,
            journal=self._journal,
            underway=self.underway,
            own_catalogs=self._own_catalogs,
        )
        self._running[name] = _Running(spec, engine, catalogs, gateway)
        return self._running[name]

    async def delete(self, view: ResourceView) -> bool:
        """Stop the engine; statements in progress fail."""
        running = self._running.pop(view.manifest.meta.name, None)
        if running is not None:
            await running.engine.close()
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """Its engine's process, and the endpoint that statements go to."""
        engine = self._running.get(row.name)
        state = "created" if engine is not None and engine.engine.pid is not None else "pending"
        return Made(
            running=(kernel_object(f"{row.name}-engine", row.workspace or "", "Process", "engines", state),),
            kept=(service_record(f"{row.name}_{row.workspace}", "gateway", "cluster", "/api/v1/query"),),
        )

    async def close(self) -> None:
        """Stop all engines (the server ends)."""
        for running in list(self._running.values()):
            await running.engine.close()
        self._running.clear()

    def _sized(self, spec: ClusterSpec) -> EngineOptions:
        memory = (spec.memory_bytes or 0) >> 20
        return EngineOptions(
            memory_mib=max(256, memory) if memory else self._options.memory_mib,
            threads=max(1, round(spec.cpu)) if spec.cpu else self._options.threads,
            spill_mib=self._options.spill_mib,
        )
