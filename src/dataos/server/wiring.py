"""The composition root: every object of a server is made here, once, and handed to who needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI

import dataos
from dataos.control.bounds import Bounds
from dataos.control.events import Events
from dataos.control.history import History
from dataos.control.membership import Membership
from dataos.control.ports import Controller, UnitHandler
from dataos.control.reconciler import Reconciler
from dataos.control.resources import Resources
from dataos.control.units import Manifests, ResourceUnits
from dataos.control.upkeep import Upkeep
from dataos.control.workspaces import Workspaces
from dataos.core import logs
from dataos.core.bell import Bell
from dataos.core.clock import Clock, SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import Ids, RandomIds
from dataos.core.meters import Meters
from dataos.core.settings import QuotaSettings, Settings
from dataos.depots.resolver import Depots
from dataos.doors import app as http
from dataos.doors import (
    dataset_upkeep,
    datasets,
    depot_datasets,
    depot_service,
    heimdall,
    identities,
    metadata,
    outputs,
    queries,
    reference,
    resources,
    streams,
    watching,
    workspaces,
)
from dataos.doors import depots as depot_routes
from dataos.doors import workflows as runs
from dataos.doors.authentication import Authenticator
from dataos.doors.objects.door import ObjectDoor
from dataos.doors.objects.uploads import Uploads
from dataos.engines.duckdb.loader import DatabaseLoader
from dataos.engines.ports import EngineOptions
from dataos.gateway.gateway import Limits
from dataos.governance.identities import Identities
from dataos.governance.keyring import Keyring, load_master_key
from dataos.governance.users import Users
from dataos.governance.vault import Vault
from dataos.kinds.cluster.controller import ClusterController
from dataos.kinds.compute.controller import ComputeController
from dataos.kinds.depot.controller import DepotController
from dataos.kinds.lakehouse.controller import LakehouseController
from dataos.kinds.rooms import KindRooms
from dataos.kinds.secret.controller import SecretController
from dataos.kinds.workflow.controller import WorkflowController
from dataos.kinds.workflow.keeping import prune_runs
from dataos.kinds.workflow.memory import Memory
from dataos.kinds.workflow.nested import NestedRuns
from dataos.kinds.workflow.runs import JobUnits, Kept, RunUnits
from dataos.kinds.workflow.verbs import Verbs
from dataos.lakehouse.buckets import BucketFiles, Buckets
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import PlacedFiles
from dataos.lakehouse.listing import Listing
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep as TableUpkeep
from dataos.lakehouse.rest import router as iceberg_router
from dataos.manifest import registry
from dataos.metadata.keeping import Kept as KeptMetadata
from dataos.metadata.keeping import trim as trim_metadata
from dataos.metadata.reading import Reading
from dataos.metadata.receiving import Receiver
from dataos.metadata.recording import Recorder
from dataos.processes.admission import Admission
from dataos.processes.local import LocalRunner
from dataos.server import doctor, lineage, rotation, sharing
from dataos.server.gauges import Gauges
from dataos.server.home import Home
from dataos.server.readiness import Readiness
from dataos.server.usage import Quotas
from dataos.store import upgrades
from dataos.store.clocks import DatabaseClock
from dataos.store.database import Store
from dataos.store.listening import Listener
from dataos.store.servers import Server
from dataos.workloads import positions
from dataos.workloads.admissions import Admissions
from dataos.workloads.attempts import Attempts, job_unit
from dataos.workloads.attempts import Bounds as AttemptBounds
from dataos.workloads.batches import Batches
from dataos.workloads.compactions import Compactions
from dataos.workloads.computes import Computes
from dataos.workloads.files import AttemptFiles, FileQuotas
from dataos.workloads.handing import Handing
from dataos.workloads.ports import Rooms
from dataos.workloads.reach import JobReach

_log = logs.get(__name__)


def no_checkpoint(_: str) -> None:
    """The default for crash points: nothing happens there."""


@dataclass
class Parts:
    """A wired server, before it is started."""

    home: Home
    settings: Settings
    store: Store
    identities: Identities
    resources: Resources
    reconciler: Reconciler
    runner: LocalRunner
    clusters: ClusterController
    computes: Computes
    catalog: Catalog
    attempts: Attempts
    upkeep: Upkeep
    membership: Membership
    listener: Listener
    clock: DatabaseClock
    keys: Keyring
    readiness: Readiness
    app: FastAPI
    controllers: dict[str, Controller] = field(default_factory=dict[str, Controller])


def build(
    home: Home,
    settings: Settings,
    *,
    checkpoint: Callable[[str], None] = no_checkpoint,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Parts:
    """Open the store (bringing its schema up to date) and wire everything on top of it."""
    clock = DatabaseClock(clock or SystemClock())
    ids = ids or RandomIds()
    me = Server(sharing.server_id(home, ids), str(ids.uid()), sharing.host_name(), dataos.__version__)
    keys = Keyring(load_master_key(home.keys), home.keys)
    meters = Meters()
    store = sharing.open_store(home, settings)
    store.meter = meters.stored
    upgrades.upgrade(store, backups=home.backups, watch_s=settings.store.server_ttl_s, checkpoint=checkpoint)
    rotation.open_keys(store, keys, me.id)
    clock.measure(store)
    vault = Vault(keys, clock)
    known = Identities(keys, clock, ids)
    bell = Bell()
    store.on_ring = bell.ring
    allowed = tuple(Path(p).resolve() for p in (*settings.storage.allowed_paths, str(home.files)))

    runner = LocalRunner(
        root=home.work,
        server_socket=home.jobs_socket,
        sandbox=settings.workloads.sandbox,
        trust_user_code=settings.workloads.trust_user_code,
        clock=clock,
        checkpoint=checkpoint,
        alive=None if store.is_sqlite else (home.alive_file, sharing.ORPHAN_SHARE * settings.store.server_ttl_s),
        prepared_most=settings.workloads.prepared,
        prepared_s=settings.workloads.prepared_s,
    )
    buckets = Buckets(
        store,
        lambda connection, name: depots.warehouse_store_in(connection, name),  # the depots ask the catalog too
        settings.query.connect_timeout_s,
    )
    catalog = Catalog(store, clock, ids, checkpoint, PlacedFiles(BucketFiles(buckets)))
    depots = Depots(
        store,
        vault,
        allowed_paths=allowed,
        connect_timeout_s=settings.query.connect_timeout_s,
        lakehouse=Listing(catalog),
    )
    options = EngineOptions(
        memory_mib=settings.engine.memory_mib, threads=settings.engine.threads, spill_mib=settings.engine.spill_mib
    )
    limits = Limits(timeout_s=settings.query.timeout_s, max_rows=settings.query.max_rows)
    manifests = Manifests(store)
    clusters = ClusterController(
        store, depots, catalog, clock, ids, home.sockets / "engines", home.engines, options, limits, manifests
    )
    computes = Computes(store, vault, settings.flare)
    rooms = Rooms(depots, catalog, DatabaseLoader(home.engines / "loads"), computes)
    recorder = Recorder(clock, settings.metadata.openlineage_namespace, settings.metadata.openlineage_url is not None)
    attempts = Attempts(
        store,
        clock,
        runner,
        catalog,
        known,
        vault,
        rooms,
        checkpoint,
        AttemptBounds(
            settings.workloads.stop_grace_s, settings.workloads.log_mib << 20, settings.workloads.scratch_mib << 20
        ),
        me.id,
        recorder,
    )

    controllers: dict[str, Controller] = {}
    res = Resources(store, vault, known, clock, ids, bell, controllers)
    secrets = SecretController()
    workflows = WorkflowController(store, clock, ids, attempts, checkpoint)
    controllers |= {
        "secret": secrets,
        "instance-secret": secrets,
        "depot": DepotController(store, clock, depots),
        "lakehouse": LakehouseController(store, catalog, res, home.root, allowed),
        "cluster": clusters,
        "compute": ComputeController(),
        "workflow": workflows,
    }
    controllers |= _third_party(KindRooms(store, clock, ids, res, depots, catalog, allowed))
    handlers: dict[str, UnitHandler] = {
        "resource": ResourceUnits(store, clock, vault, manifests, controllers, checkpoint),
        "run": RunUnits(
            store, clock, manifests, Kept(settings.keep.succeeded_runs, settings.keep.failed_runs), recorder, meters
        ),
    }
    handlers |= lineage.handlers(store, clock, settings.metadata)
    reconciler = Reconciler(store, bell, clock, me.id, handlers, meters.looked)
    files = AttemptFiles(store, runner, home.work, _file_quotas(settings.quotas))
    admissions = Admissions(_admission(settings), reconciler.kick, closed=files.closed)
    nested = NestedRuns(store, clock, ids, manifests)
    handlers["job"] = JobUnits(store, clock, manifests, attempts, admissions, checkpoint, "localhost", nested, meters)
    runner.on_change(lambda attempt_id: reconciler.kick(job_unit(attempt_id)))

    async def given_up() -> None:
        await attempts.reclaim()
        admissions.retain(await attempts.open_here())

    membership = Membership(
        store,
        clock,
        me,
        ttl_s=settings.store.server_ttl_s,
        revision=upgrades.revisions()[-1],
        given_up=given_up,
    )

    authenticate = Authenticator(store, known)
    upkeep = Upkeep(
        store,
        clock,
        res,
        keep_finished_s=settings.keep.finished_days * 86_400,
        keep_deleted_s=settings.keep.deleted_days * 86_400,
        keep_events_s=settings.keep.events_days * 86_400,
        chores=[
            lambda: attempts.forget(settings.workloads.keep_attempts_h * 3600),
            lambda: prune_runs(store, settings.quotas.runs),
            catalog.collect_garbage,
            lambda: trim_metadata(store, _kept_metadata(settings.quotas)),
        ],
        often=[files.trim, lambda: admissions.tidy(attempts.open_here)],
        row_bounds=Bounds(
            events=settings.quotas.events,
            idempotency_keys=settings.quotas.idempotency_keys,
            generations=settings.quotas.generations,
        ),
    )
    spaces = Workspaces(store, clock)
    history = History(store, clock, bell, res.generations, controllers, settings.keep.deleted_days * 86_400)
    rooms_of_resources = resources.ResourceRooms(store, res, history, manifests, controllers)
    users = Users(known, clock)
    readiness = Readiness(store, clock, lambda: reconciler.looked_at, clusters.engines)
    quotas = Quotas(settings, home.logs, home.engines, lambda: files.used)
    watched = watching.Watched(
        ready=readiness.parts,
        metrics=Gauges(meters, store, clock, home.root, clusters.engines, quotas).text,
        doctor=lambda: asyncio.to_thread(_examine, home, settings, clusters),
        metrics_open=settings.metrics.open_on_loopback,
    )
    dataset_door = datasets.DatasetDoor(depots)
    depot_secrets = depot_service.DepotSecrets(store, depots, clock)
    routers = [
        resources.router(rooms_of_resources, authenticate),
        workspaces.router(spaces, Events(store, clock), upkeep, authenticate),
        identities.router(store, users, authenticate),
        queries.router(clusters.gateway, depots.content, depots.messages, depots.entries, authenticate),
        streams.router(
            lambda udl, branch, at_us: positions.look(rooms, udl, branch, at_us),
            Batches(store, clock, ids, runner, catalog, rooms, recorder, checkpoint),
            depots,
            authenticate,
        ),
        outputs.router(Handing(rooms, attempts.planner, home.uploads), authenticate),
        datasets.router(Datasets(catalog), dataset_door, authenticate),
        dataset_upkeep.router(
            TableUpkeep(catalog),
            Compactions(store, clock, ids, runner, catalog, known),
            dataset_door,
            clock,
            authenticate,
        ),
        reference.poros(rooms_of_resources, spaces, authenticate),
        reference.collated(rooms_of_resources, authenticate),
        heimdall.router(store, known, users, res, depot_secrets, authenticate),
        depot_routes.router(depots, clock, authenticate),
        depot_service.router(store, depots, res, depot_secrets, authenticate),
        depot_datasets.router(depots, catalog, Datasets(catalog), dataset_door, authenticate),
        metadata.router(
            Reading(store, clock), Receiver(store, clock, settings.metadata.openlineage_namespace), authenticate
        ),
        watching.router(watched, authenticate),
        runs.router(Verbs(store, clock, ids, bell, manifests, workflows), Memory(store, clock), authenticate),
    ]

    async def health() -> list[dict[str, Any]]:
        problem = await store.problem()
        line = {"name": "store", "ok": not problem, "detail": problem or str(store.url.get_backend_name())}
        parts: list[dict[str, Any]] = [line, *clusters.health()]
        if not problem:
            with contextlib.suppress(DataOSError):  # it went away a moment ago: the next look says so
                parts += await store.read(sharing.warehouses_health)
                parts += await membership.health()
        return parts

    return Parts(
        home=home,
        settings=settings,
        store=store,
        identities=known,
        resources=res,
        reconciler=reconciler,
        runner=runner,
        clusters=clusters,
        computes=computes,
        catalog=catalog,
        attempts=attempts,
        upkeep=upkeep,
        membership=membership,
        listener=Listener(store, bell.ring),
        clock=clock,
        keys=keys,
        readiness=readiness,
        app=http.build(
            routers,
            iceberg_router(catalog, authenticate, reported=meters.reported),
            health,
            authenticate,
            meters,
            settings.access_log,
            lambda inner: ObjectDoor(
                inner, buckets, catalog.table_at, authenticate.identify, Uploads(home.uploads), ids, JobReach(store)
            ),
        ),
        controllers=controllers,
    )


def _third_party(rooms: KindRooms) -> dict[str, Controller]:
    """Controllers of installed kinds. One that cannot be made is left out: the others still work."""
    made: dict[str, Controller] = {}
    for kind in registry.third_party_kinds():
        if kind.controller is None:
            continue
        try:
            made[kind.type] = registry.resolve(kind.controller)(rooms)
        except Exception as error:  # noqa: BLE001 - named boundary: somebody else's code
            _log.error("a kind is left out: its controller cannot be made", kind=kind.type, exc_info=error)
    return made


def _examine(home: Home, settings: Settings, clusters: ClusterController) -> list[dict[str, str]]:
    """What `doctor` finds on a working server."""
    return doctor.to_json([*doctor.examine(home, settings, running=True), *doctor.check_engines(clusters.engines())])


def _file_quotas(quotas: QuotaSettings) -> FileQuotas:
    return FileQuotas(logs=quotas.run_logs_mib << 20, scratch=quotas.scratch_mib << 20, free=quotas.free_mib << 20)


def _kept_metadata(quotas: QuotaSettings) -> KeptMetadata:
    return KeptMetadata(quotas.lineage_events, quotas.profiles, quotas.quality_results, quotas.dataset_versions)


def _admission(settings: Settings) -> Admission:
    cpus = settings.workloads.cpus or float(os.cpu_count() or 1)
    memory = (settings.workloads.memory_mib or 0) << 20
    if not memory:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = int(total * 0.8)
    return Admission(cpus, memory)
