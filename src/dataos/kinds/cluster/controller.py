"""Cluster: an engine process that mounts its Depots, and the door through which the gateway gets at engines.

Level-triggered: each look computes what the engine should reach (folders, databases, credentials) and hands it over;
the engine starts a new process only if that changed. A Cluster looks again every few seconds, so that a new Depot or a
rotated secret is picked up without a signal.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from dataos.control import records
from dataos.control.ports import Observed, ResourceView
from dataos.core import logs, names
from dataos.core.clock import Clock
from dataos.core.errors import Problem, fail
from dataos.core.ids import Ids, UserId
from dataos.depots.resolver import Depots
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import EngineOptions
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.mounting import MountedDepots
from dataos.kinds.cluster.spec import ClusterSpec
from dataos.lakehouse.catalog import Catalog
from dataos.manifest.documents import Manifest
from dataos.store.database import Store

_log = logs.get(__name__)

DEFAULT = "miniature"
LOOK_AGAIN_S = 2.0
_START_WAIT_S = 10


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
    ) -> None:
        self._store = store
        self._depots = depots
        self._catalog = catalog
        self._clock = clock
        self._ids = ids
        self._run_folder = run_folder
        self._spill_folder = spill_folder
        self._options = options
        self._limits = limits
        self._engines: dict[str, DuckdbEngine] = {}
        self._gateways: dict[str, Gateway] = {}
        self._mounted: dict[str, ClusterSpec] = {}

    # --- what doors ask -----------------------------------------------------------------------------------------------

    async def gateway(self, cluster: str | None = None) -> Gateway:
        """The gateway of a Cluster (default `miniature`), never of another; waits a little for one that is starting.

        Raises DataOSError `cluster.not_found`, `engine.unavailable`.
        """
        name = cluster or DEFAULT
        declared = await self._store.read(records.names_of, "cluster")
        if name not in declared:
            raise fail(
                "cluster.not_found",
                f"there is no cluster `{name}`",
                hint=names.did_you_mean(name, declared) or "see `dataos get -t cluster`",
            )
        for _ in range(_START_WAIT_S * 20):
            gateway = self._gateways.get(name)
            if gateway is not None:
                return gateway
            await asyncio.sleep(0.05)
        raise fail(
            "engine.unavailable",
            f"cluster `{name}` has not started",
            hint="see `dataos get -t cluster -d` for the reason",
            retry=2.0,
        )

    def health(self) -> list[dict[str, Any]]:
        """A line per engine."""
        return [
            {"name": f"cluster {name}", "ok": engine.pid is not None, "detail": f"pid {engine.pid}"}
            for name, engine in sorted(self._engines.items())
        ]

    # --- the kind -----------------------------------------------------------------------------------------------------

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Engines are named by Cluster, and a statement may name one: names are unique in the installation."""
        return []

    async def reconcile(self, view: ResourceView) -> Observed:
        """Start the engine if it is not there, and let it reach exactly what it should."""
        spec: ClusterSpec = view.manifest.spec
        name = view.manifest.meta.name
        depots = MountedDepots(
            self._depots, self._catalog, self._clock, None if spec.depots is None else frozenset(spec.depots)
        )
        access = await depots.access()
        engine = self._engines.get(name)
        if engine is None:
            engine = DuckdbEngine(
                name,
                run_folder=self._run_folder / name,
                spill_folder=self._spill_folder / name / "spill",
                ids=self._ids,
                options=self._sized(spec),
            )
            await engine.start(access)
            self._engines[name] = engine
            self._mounted[name] = spec
            self._gateways[name] = Gateway(engine, depots, ids=self._ids, limits=self._limits)
        else:
            await engine.apply(access)
            if self._mounted.get(name) != spec:  # other Depots: names resolve anew, the engine goes on
                self._gateways[name] = Gateway(engine, depots, ids=self._ids, limits=self._limits)
                self._mounted[name] = spec
        lacking = sorted(engine.unavailable.items())
        info = "; ".join(f"{depot} is not mounted: {problem.message}" for depot, problem in lacking)
        return Observed(
            runtime="running:1",
            info=info or f"{len(await depots.entries())} depots mounted",
            state=dict(view.state),
            again_s=LOOK_AGAIN_S,
        )

    async def delete(self, view: ResourceView) -> bool:
        """Stop the engine; statements in progress fail."""
        name = view.manifest.meta.name
        self._gateways.pop(name, None)
        engine = self._engines.pop(name, None)
        if engine is not None:
            await engine.close()
        return True

    async def close(self) -> None:
        """Stop all engines (the server ends)."""
        for engine in list(self._engines.values()):
            await engine.close()
        self._engines.clear()
        self._gateways.clear()

    def _sized(self, spec: ClusterSpec) -> EngineOptions:
        memory = (spec.memory_bytes or 0) >> 20
        return EngineOptions(
            memory_mib=max(256, memory) if memory else self._options.memory_mib,
            threads=max(1, round(spec.cpu)) if spec.cpu else self._options.threads,
            spill_mib=self._options.spill_mib,
        )
