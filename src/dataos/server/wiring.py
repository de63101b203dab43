"""The composition root: every object of a server is made here, once, and handed to who needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI

import dataos
from dataos.control.auditing import Auditing
from dataos.control.bounds import Bounds
from dataos.control.events import Events
from dataos.control.feed import Feed
from dataos.control.history import History
from dataos.control.membership import Membership
from dataos.control.ports import Controller, UnitHandler
from dataos.control.reconciler import Reconciler
from dataos.control.resources import Resources
from dataos.control.units import Manifests, ResourceUnits
from dataos.control.upkeep import Upkeep
from dataos.control.workspaces import Workspaces
from dataos.core import logs
from dataos.core.addresses import Udl
from dataos.core.bell import Bell
from dataos.core.clock import Clock, SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import Ids, RandomIds
from dataos.core.meters import Meters
from dataos.core.settings import QuotaSettings, Settings
from dataos.depots.resolver import Depots, list_entries
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.doors import (
    accounts,
    answering,
    benches,
    datapolicies,
    dataset_upkeep,
    datasets,
    depot_datasets,
    depot_service,
    detached,
    governance,
    heimdall,
    identities,
    live,
    metadata,
    outputs,
    personal,
    product_pages,
    products,
    queries,
    reference,
    resources,
    streams,
    tags,
    watching,
    workspaces,
)
from dataos.doors import app as http
from dataos.doors import depots as depot_routes
from dataos.doors import manifests as manifest_texts
from dataos.doors import workflows as runs
from dataos.doors.authentication import Authenticator
from dataos.doors.objects.door import ObjectDoor
from dataos.doors.objects.uploads import Uploads
from dataos.engines.duckdb.loader import DatabaseLoader
from dataos.engines.ports import EngineOptions
from dataos.gateway import historytables, journal
from dataos.gateway.authority import PolicyAuthority
from dataos.gateway.benches import Benches
from dataos.gateway.direct import DirectAccess
from dataos.gateway.gateway import Limits
from dataos.gateway.journal import History as QueryHistory
from dataos.gateway.journal import StoredJournal
from dataos.gateway.policy_answers import KnownColumns, PolicyAnswers
from dataos.gateway.queueing import QueueLimits
from dataos.gateway.spooling import Spool, SpoolLimits
from dataos.governance import grants
from dataos.governance.audit import Audit
from dataos.governance.decisions import DecisionPoint
from dataos.governance.identities import Identities
from dataos.governance.keyring import Keyring, load_master_key
from dataos.governance.noting import Noted
from dataos.governance.refusals import Refusals
from dataos.governance.standing import Ongoing
from dataos.governance.users import Users
from dataos.governance.vault import Vault
from dataos.kinds.bundle.controller import BundleController
from dataos.kinds.cluster.controller import ClusterController
from dataos.kinds.compute.controller import ComputeController
from dataos.kinds.depot.controller import DepotController
from dataos.kinds.grant.controller import GrantController
from dataos.kinds.lakehouse.controller import LakehouseController
from dataos.kinds.policy.controller import PolicyController, rule_of
from dataos.kinds.product.columns import DatasetColumns
from dataos.kinds.product.controller import ProductController
from dataos.kinds.product.pages import Pages
from dataos.kinds.product.verbs import Verbs as ProductVerbs
from dataos.kinds.rooms import KindRooms
from dataos.kinds.secret.controller import SecretController
from dataos.kinds.workflow import owners
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
from dataos.lakehouse.views import TableRef
from dataos.manifest import registry
from dataos.metadata import statements, tagging
from dataos.metadata.keeping import Kept as KeptMetadata
from dataos.metadata.keeping import trim as trim_metadata
from dataos.metadata.reading import Reading
from dataos.metadata.receiving import Receiver
from dataos.metadata.recording import Recorder
from dataos.metadata.tagging import Tagging
from dataos.processes.admission import Admission
from dataos.processes.local import LocalRunner
from dataos.server import doctor, lineage, login, rotation, sharing
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
from dataos.workloads.run_as import RunAs

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
    ongoing: Ongoing
    spool: Spool
    logins: login.Logins
    feed: Feed
    auditing: Auditing
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
    point = DecisionPoint()
    known = Identities(keys, clock, ids, point)
    bell, feed_bell, audit_bell = Bell(), Bell(), Bell()

    def ring() -> None:
        bell.ring()
        feed_bell.ring()
        audit_bell.ring()

    store.on_ring = ring
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
    catalog.on_rename(_tags_follow)
    options = EngineOptions(
        memory_mib=settings.engine.memory_mib,
        threads=settings.engine.threads,
        spill_mib=settings.engine.spill_mib,
        mask_key=keys.newest.masks.hex(),
    )
    limits = Limits(
        settings.query.timeout_s,
        settings.query.max_rows,
        QueueLimits(
            settings.query.running, settings.query.running_per_user, settings.query.queued, settings.query.queued_s
        ),
    )
    manifests = Manifests(store)
    authority = PolicyAuthority(store, point)
    audit = Audit(store, clock, keys.newest.audit)
    store.on_notes = audit.append
    refusals = Refusals(audit, clock)
    compactions = Compactions(store, clock, ids, runner, catalog, known)
    clusters = ClusterController(
        store,
        depots,
        catalog,
        clock,
        ids,
        home.sockets / "engines",
        home.engines,
        options,
        limits,
        manifests,
        authority,
        StoredJournal(
            store, clock, audit, statements.Statements(settings.metadata.openlineage_namespace).derived, me.id
        ),
        compactions,
        {historytables.CATALOG: historytables.HistoryProvider(store, point)},
    )
    computes = Computes(store, vault, settings.flare)
    access = DirectAccess(depots, catalog, authority, JobReach(store), Noted(audit))
    rooms = Rooms(depots, catalog, RunAs(store, known, access), DatabaseLoader(home.engines / "loads"), computes)
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
    res = Resources(store, vault, known, clock, ids, bell, controllers, access.check_values)
    secrets = SecretController()
    workflows = WorkflowController(store, clock, ids, attempts, checkpoint)
    controllers |= {
        "secret": secrets,
        "instance-secret": secrets,
        "depot": DepotController(store, clock, depots, known, str(home.root)),
        "lakehouse": LakehouseController(store, catalog, res, home.root, allowed),
        "cluster": clusters,
        "compute": ComputeController(),
        "policy": PolicyController(store, point),
        "grant": GrantController(store, clock, ids),
        "workflow": workflows,
    }
    spaces = Workspaces(store, clock)
    controllers["bundle"] = BundleController(store, clock, known, res, spaces, checkpoint)
    product_columns = DatasetColumns(store, depots, catalog, point)
    controllers["data"] = ProductController(store, clock, known, product_columns)
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
    clusters.on_change = lambda uid: reconciler.kick(f"resource:{uid}")
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

    users = Users(known, clock)
    logins = login.build(store, known, users, clock, ids, settings.auth)
    ongoing = Ongoing(store)
    spool = Spool(
        home.spool,
        SpoolLimits(
            settings.query.spool_result_mib << 20, settings.query.spool_mib << 20, settings.query.spool_min * 60
        ),
        ids,
        ongoing.during,
    )
    authenticate = Authenticator(store, known, logins.strangers)
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
            logins.forget,
            *_governance_chores(store, clock, settings, audit, known),
        ],
        often=[files.trim, refusals.tell_counted, spool.sweep, lambda: admissions.tidy(attempts.open_here)],
        row_bounds=Bounds(
            events=settings.quotas.events,
            idempotency_keys=settings.quotas.idempotency_keys,
            generations=settings.quotas.generations,
        ),
    )
    events = Events(store, clock)
    feed = Feed(events, feed_bell)
    history = History(store, clock, bell, res.generations, controllers, settings.keep.deleted_days * 86_400)
    rooms_of_resources = resources.ResourceRooms(store, res, history, manifests, controllers)
    readiness = Readiness(store, clock, lambda: reconciler.looked_at, clusters.engines)
    quotas = Quotas(settings, home.logs, home.engines, lambda: files.used)
    watched = watching.Watched(
        ready=readiness.parts,
        metrics=Gauges(meters, store, clock, home.root, clusters.engines, quotas).text,
        doctor=lambda: asyncio.to_thread(_examine, home, settings, clusters),
        metrics_open=settings.metrics.open_on_loopback,
    )
    dataset_door = datasets.DatasetDoor(depots, access, access)
    depot_secrets = depot_service.DepotSecrets(store, depots, clock, access)
    pages = Pages(store, clock, point, product_columns)
    product_verbs = ProductVerbs(store, clock, ids, res, point)
    columns = KnownColumns(store, depots, catalog)
    about_policies = PolicyAnswers(store, point, columns)
    routers = [
        # routes are tried in their order: what is asked most goes first
        queries.router(
            clusters.gateway, depots.content, depots.messages, depots.entries, authenticate, ongoing, access
        ),
        resources.router(rooms_of_resources, authenticate),
        products.router(pages, product_verbs, res, product_columns, authenticate),
        products.poros(pages, authenticate),
        product_pages.router(pages, product_verbs, history, authenticate),
        personal.router(pages, product_verbs, authenticate),
        manifest_texts.router(rooms_of_resources, authenticate),
        workspaces.router(spaces, events, upkeep, authenticate),
        live.router(feed, authenticate),
        identities.router(store, users, authenticate),
        governance.router(store, clock, ids, authenticate),
        datapolicies.router(res, about_policies, authenticate),
        answering.router(
            about_policies,
            audit,
            QueryHistory(store),
            rule_of,
            authenticate,
        ),
        accounts.router(
            store,
            users,
            clock,
            lambda connection, user: owners.stop_runs_of(connection, user, clock.now_us()),
            ongoing,
            settings.auth.oidc.connector,
            authenticate,
        ),
        *logins.routers(authenticate),
        benches.router(Benches(store, clock, ids), authenticate),
        detached.router(clusters.gateway, spool, clusters.underway, QueryHistory(store), me.id, ongoing, authenticate),
        streams.router(
            lambda udl, branch, at_us: positions.look(rooms, udl, branch, at_us),
            Batches(store, clock, ids, runner, catalog, rooms, recorder, checkpoint),
            depots,
            access,
            authenticate,
        ),
        outputs.router(Handing(rooms, attempts.planner, home.uploads), access, authenticate),
        datasets.router(Datasets(catalog), dataset_door, authenticate),
        dataset_upkeep.router(
            TableUpkeep(catalog),
            compactions,
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
        tags.router(Tagging(store, clock), Reading(store, clock, point), authority, columns, authenticate),
        metadata.router(
            Reading(store, clock, point),
            Receiver(store, clock, settings.metadata.openlineage_namespace),
            authority,
            authenticate,
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
        listener=Listener(store, ring),
        clock=clock,
        keys=keys,
        readiness=readiness,
        ongoing=ongoing,
        spool=spool,
        logins=logins,
        feed=feed,
        auditing=Auditing(store, audit, audit_bell),
        app=http.build(
            routers,
            iceberg_router(catalog, authenticate, access, access, meters.reported),
            health,
            authenticate,
            meters,
            settings.access_log,
            lambda inner: ObjectDoor(
                inner, buckets, catalog.place_of, authenticate.identify, Uploads(home.uploads), ids, access
            ),
            refusals.tell,
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


def _tags_follow(connection: sa.Connection, old: TableRef, new: TableRef) -> None:
    """Tags of a table that gets another name."""
    for entry in list_entries(connection):
        if entry.type == "ICEBERG" and warehouse(entry) == old.warehouse:
            addresses = [str(Udl(entry.name, ref.namespace, ref.name)) for ref in (old, new)]
            tagging.renamed(connection, *addresses)


def _governance_chores(
    store: Store, clock: Clock, settings: Settings, audit: Audit, known: Identities
) -> list[Callable[[], Awaitable[object]]]:
    """Grants, keys, statements and rows of the audit whose time is over."""
    keep, day = settings.keep, 86_400
    chores: list[Callable[[], Awaitable[object]]] = [
        lambda: store.write(grants.expire, clock.now_us()),
        lambda: store.write(known.forget_keys, keep.keys_days * day),
        lambda: journal.trim(store, settings.quotas.statements),
    ]
    return [*chores, lambda: audit.trim(keep.audit_days * day)] if keep.audit_days else chores


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
