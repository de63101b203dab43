"""Attempts: one try at a job, from launch to settled, in steps that survive death between any two lines.

launching -> running -> succeeded | failed | lost | aborted. The token of an attempt opens its own view of the catalog;
when its program ended well, the tables it wrote are published in the same store transaction that makes the attempt
succeeded. Whoever runs jobs (Workflow) decides about retries; this module only says how an attempt ended.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.governance import objects, rules, standing
from dataos.governance.identities import Identities
from dataos.governance.principals import AttemptScope
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.manifest import registry
from dataos.manifest.runnables import Runnable
from dataos.manifest.specs import render
from dataos.metadata import openlineage
from dataos.metadata.recording import About, Attempt, Recorder
from dataos.processes.admission import Demand
from dataos.processes.ports import Launch, Observation, Phase, ProcessRunner
from dataos.store import tables, work
from dataos.store.database import Store
from dataos.store.work import Lease, StaleLease
from dataos.workloads import deliveries, environment, states
from dataos.workloads.ports import RESULT_FILE, Adviser, AttemptRequest, JobRequest, Plan, Rooms, StackPlanner

_log = logs.get(__name__)
_a = tables.attempts
_INSERT = _a.insert()
_UPDATE = _a.update().where(_a.c.id == sa.bindparam("of_attempt"))

ORPHANED = "orphaned"
"""Why a job was ended that outlived its server: others may have taken it over (processes.ports.Observation)."""

_PAGE = 500
_FRESH_S = 1.0  # how old the knowledge may be, at a start, that the attempt is this server's
_ATTEMPT_KEY = re.compile(r"[0-9a-z]{12}-.+-[0-9]+")
"""Only attempts' files are looked after here: other programs may run under other keys."""

STOPPED = "stopped"
"""Why a process ended that was told to (processes.ports.Observation). Where its run was not stopped, its start was
given up by a server that died before it could write that down, or the machine told all its processes to end."""

LOST_SERVER = "server"
"""Why a job counts as lost whose process belongs to a server that was given up."""

DEFAULT_CPU = 1.0
DEFAULT_MEMORY = 2 << 30


class AttemptState(StrEnum):
    """Where an attempt stands."""

    LAUNCHING = "launching"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    ABORTED = "aborted"


OPEN = frozenset({AttemptState.LAUNCHING, AttemptState.RUNNING})

WRITABLE = "writable"
"""Kept with an attempt: the folders of tables that its program may write to."""


class Ending(StrEnum):
    """How an attempt that did not succeed ended, for the retry rule of whoever runs it."""

    FAILED = "failed"  # its program said so
    ERROR = "error"  # the platform could not start, keep or publish it
    TRANSIENT = "transient"  # a conflict or an unreachable source: may pass
    LOST = "lost"  # its supervisor died, and all its effects were held back: start it again
    ABORTED = "aborted"  # somebody stopped it


@dataclass(frozen=True)
class Settled:
    """The end of an attempt. `ending` None means success."""

    ending: Ending | None
    reason: str
    problems: tuple[Problem, ...] = ()


Also = Callable[[sa.Connection, Settled], None]
"""What the owner writes in the transaction that settles an attempt."""


@dataclass(frozen=True)
class _End:
    """All that is written when an attempt ends."""

    row: sa.Row[Any]
    observation: Observation
    result: dict[str, Any]
    lease: Lease
    settled: Settled
    also: Also


Locate = Callable[[Problem], Problem]
"""Puts a job's problem (path and line inside its stackSpec) into terms of the user's file."""


@dataclass(frozen=True)
class Bounds:
    """What holds for every attempt: seconds between asking to stop and killing, sizes of log and scratch."""

    stop_grace_s: float
    log_bytes: int
    scratch_bytes: int


def job_unit(attempt_id: str) -> str:
    """The unit of work of an attempt: `<run>-<job>-<number>` -> `job:<run>/<job>`."""
    run_id, _, rest = attempt_id.partition("-")
    return f"job:{run_id}/{rest.rpartition('-')[0]}"


class Attempts:
    """Starts, watches and settles attempts. One per server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        runner: ProcessRunner,
        catalog: Catalog,
        identities: Identities,
        vault: Vault,
        rooms: Rooms,
        checkpoint: Callable[[str], None],
        bounds: Bounds,
        server: str,
        recorder: Recorder,
    ) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner
        self._catalog = catalog
        self._identities = identities
        self._vault = vault
        self._rooms = rooms
        self._checkpoint = checkpoint
        self._bounds = bounds
        self._server = server
        self._recorder = recorder
        self._planners: dict[str, StackPlanner] = {}

    def planner(self, stack: str) -> StackPlanner:
        """The planner of a stack, made once."""
        if stack not in self._planners:
            descriptor = registry.find_stack(stack)
            if descriptor is None:
                raise fail("stack.unknown", f"stack `{stack}` is not installed")
            if descriptor.planner is None:
                raise fail("stack.unsupported", f"stack `{stack}` cannot run yet", hint="see docs/roadmap.md")
            self._planners[stack] = registry.resolve(descriptor.planner)()
        return self._planners[stack]

    async def check(self, job: JobRequest, runnable: Runnable) -> list[Problem]:
        """What only the server can say about a job, at apply."""
        problems: list[Problem] = []
        if runnable.secrets:
            problems += await self._store.read(self._check_secrets, job, runnable)
            problems += await self._check_values(job, runnable)
        problems += environment.check_scratch(runnable, self._bounds.scratch_bytes)
        return problems + await self.planner(runnable.stack).check(job, self._rooms)

    async def check_run_as(self, user: UserId, run_as: UserId) -> None:
        """May somebody let jobs run as somebody else? Raises DataOSError `auth.forbidden` naming the use case,
        `user.not_found`, `auth.disabled`."""

        def read(connection: sa.Connection) -> None:
            rules.require(
                self._identities.principal(connection, user),
                f"run jobs as `{run_as}`",
                rules.RUN_AS,
                objects.user(run_as),
            )
            self._identities.principal(connection, run_as)
            if standing.is_disabled(connection, run_as):
                raise standing.disabled()

        if user != run_as:
            await self._store.read(read)

    def _check_secrets(self, connection: sa.Connection, job: JobRequest, runnable: Runnable) -> list[Problem]:
        who = self._identities.principal(connection, job.run_as)
        return environment.check_secrets(connection, self._vault, runnable, job.workspace, who)

    async def _check_values(self, job: JobRequest, runnable: Runnable) -> list[Problem]:
        """Secrets that open Depots go to nobody from whom policies hide anything there."""
        problems: list[Problem] = []
        path = render((*runnable.stack_path[:-1], "dataosSecrets"))
        for holder in await self._store.read(environment.holders, runnable, job.workspace):
            try:
                await self._rooms.access.check_values(job.run_as, holder)
            except DataOSError as error:
                problems += [replace(p, path=path) for p in error.problems]
        return problems

    async def advise(self, job: JobRequest, runnable: Runnable) -> list[Problem]:
        """Notices about a job that passed `check`: of its stack, and of its Compute."""
        computes = self._rooms.computes
        compute = await computes.get(job.compute) if computes is not None else None
        notices: list[Problem] = []
        if compute is not None and compute.purpose == "query":
            notices.append(
                Problem(
                    "compute.purpose",
                    f"job `{job.job}`: Compute `{job.compute}` is of purpose `query`, which is for Clusters",
                    hint="name one of purpose `runnable`",
                    path=render((*runnable.stack_path[:-1], "compute")),
                )
            )
        planner = self.planner(runnable.stack)
        if not isinstance(planner, Adviser):
            return notices
        wrote = await self._store.read(_wrote, job)
        return notices + await planner.advise(replace(job, wrote=wrote), self._rooms)

    async def sweep(self) -> None:
        """After a restart: abandon what attempts hold that are not open any more."""

        def live(connection: sa.Connection) -> list[AttemptId]:
            rows = connection.execute(sa.select(_a.c.id).where(_a.c.state.in_(list(OPEN)))).scalars()
            return [AttemptId(row) for row in rows]

        await self._catalog.sweep(live)

    def is_elsewhere(self, row: Any) -> bool:
        """Does this attempt's process belong to another server? Who may look at it then knows that server is lost."""
        return row.server not in (None, self._server)

    async def reclaim(self) -> list[str]:
        """End the processes on this machine whose attempts are not this server's any more: others took them over while
        it was away, or are about to. What nobody has looked at yet is its own again. Returns the keys of what ends."""

        def lost(connection: sa.Connection, keys: list[str]) -> set[str]:
            rows = connection.execute(sa.select(_a.c.id, _a.c.state, _a.c.server).where(_a.c.id.in_(keys))).all()
            return {
                r.id
                for r in rows
                if r.state not in OPEN
                or self.is_elsewhere(r)
                or not work.take_back(connection, job_unit(r.id), self._server)
            }

        keys = sorted(await self._store.write(lost, await self._runner.keys()))
        for key in keys:
            await self._runner.stop(key, 0.0)
        return keys

    async def open_here(self) -> set[str]:
        """Attempts that are open, and this server's."""
        query = sa.select(_a.c.id).where(_a.c.state.in_(list(OPEN)), _a.c.server == self._server)
        return set(await self._store.read(lambda connection: connection.execute(query).scalars().all()))

    async def forget(self, older_s: float) -> int:
        """Remove from this machine the files (log, scratch, result) of attempts that ended longer ago than that
        (seconds), and of those whose run is forgotten. Returns how many."""
        before = self._clock.now_us() - int(older_s * 1e6)

        def stay(connection: sa.Connection, keys: list[str]) -> set[str]:
            rows = connection.execute(sa.select(_a.c.id, _a.c.state, _a.c.finished_at).where(_a.c.id.in_(keys))).all()
            return {r.id for r in rows if r.state in OPEN or (r.finished_at or before) >= before}

        keys = sorted(k for k in await self._runner.keys() if _ATTEMPT_KEY.fullmatch(k))
        removed = 0
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            staying = await self._store.read(stay, page)
            for key in page:
                if key not in staying:
                    await self._runner.remove(key)
                    removed += 1
        return removed

    # --- opening ----------------------------------------------------------------------------------------------------

    def demand(self, attempt_id: str, workspace: str, runnable: Runnable, since_us: int) -> Demand:
        """What an attempt asks of this machine."""
        return Demand(
            key=attempt_id,
            group=workspace,
            cpu=runnable.cpu or DEFAULT_CPU,
            memory_bytes=runnable.memory_bytes or DEFAULT_MEMORY,
            since_us=since_us,
        )

    def open(
        self, connection: sa.Connection, run_id: RunId, job: str, number: int, demand: Demand, lease: Lease
    ) -> AttemptId:
        """Record a new attempt, in the owner's transaction. From here on it will be launched, whatever dies, and this
        server alone looks at it."""
        work.bind(connection, lease, self._server)
        attempt_id = AttemptId(f"{run_id}-{job}-{number}")
        fresh = {
            "id": attempt_id,
            "run_id": run_id,
            "job": job,
            "number": number,
            "state": AttemptState.LAUNCHING,
            "cpu": demand.cpu,
            "memory_bytes": demand.memory_bytes,
            "reason": "",
            "exit_code": None,
            "result": None,
            "created_at": self._clock.now_us(),
            "started_at": None,
            "finished_at": None,
            "server": self._server,
        }
        connection.execute(_INSERT, fresh)
        return attempt_id

    async def launch(
        self, request: AttemptRequest, runnable: Runnable, standard_env: dict[str, str], lease: Lease
    ) -> None:
        """Plan and start the program, once. Raises DataOSError if it cannot be planned or started."""
        job = request.job
        if refused := await self._check_values(job, runnable):
            raise DataOSError(refused)
        token, injected, state = await self._store.write_deferred(self._credentials, request, runnable, lease)
        request = replace(request, token=token, state=state)
        plan = await self.planner(runnable.stack).plan(request, self._rooms)
        env = {
            **plan.launch.env,
            **standard_env,
            "DATAOS_RUN_AS_APIKEY": token,
            **injected.env,
            **dict(runnable.envs),
        }
        launch = replace(
            plan.launch,
            env=env,
            files=environment.files(plan.launch.files, injected, runnable.configs),
            timeout_s=job.timeout_s if job.timeout_s is not None else plan.launch.timeout_s,
            log_bytes=self._bounds.log_bytes,
            scratch_bytes=min(runnable.scratch_bytes or self._bounds.scratch_bytes, self._bounds.scratch_bytes),
        )
        await self._record(request.attempt_id, plan, lease)
        await self._start(request.attempt_id, launch)
        self._checkpoint("workloads.launched")
        try:
            about = About(runnable.stack, runnable.description, str(job.run_as))
            await self._store.write_deferred(self._mark_running, request.attempt_id, about, lease)
        except StaleLease:
            await self.reclaim()  # if it was taken over meanwhile, what was just started must not go on
            raise

    async def _record(self, attempt_id: AttemptId, plan: Plan, lease: Lease) -> None:
        """Write the plan, and come back with fresh knowledge that the attempt is this server's.

        While the store's answer was on its way, others may have given this server up and begun the next attempt.
        """
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await self._store.write(self._record_plan, attempt_id, plan, lease)
        while loop.time() - asked > _FRESH_S:
            asked = loop.time()
            await self._store.read(lease.check)

    async def _start(self, attempt_id: AttemptId, launch: Launch) -> None:
        """Start the program. Where the runner gave up waiting, its supervisor may be up after all, or come up later: an
        attempt that counts as not started must not run then beside the next one."""
        try:
            await self._runner.start(attempt_id, launch)
        except DataOSError:
            if (await self._runner.observe(attempt_id)).phase is Phase.ABSENT:
                await self._runner.stop(attempt_id, 0.0)
                raise

    def _credentials(
        self, connection: sa.Connection, request: AttemptRequest, runnable: Runnable, lease: Lease
    ) -> tuple[str, environment.Injected, states.State]:
        lease.check(connection)  # who was too slow must not give a token to an attempt that has ended
        scope = AttemptScope(request.job.workspace, request.run_id, request.attempt_id)
        token = self._identities.attempt_token(connection, request.job.run_as, scope)
        state = states.load(connection, request.job.workspace, request.job.resource, request.job.job)
        who = self._identities.principal(connection, request.job.run_as)
        return token, environment.inject(connection, self._vault, runnable, request.job.workspace, who), state

    @staticmethod
    def _record_plan(connection: sa.Connection, attempt_id: AttemptId, plan: Plan, lease: Lease) -> None:
        """Before the start, and durably, with all that was written before it: whether it may be started again must be
        known whatever dies next."""
        lease.check(connection)
        known = {"reads": list(plan.reads), "writes": list(plan.writes), "rerunnable": plan.rerunnable}
        known |= deliveries.planned(plan)
        if folders := [str(m.source) for m in plan.launch.mounts if m.writable]:
            known[WRITABLE] = folders
        connection.execute(_UPDATE, {"of_attempt": attempt_id, "result": known})

    def _mark_running(self, connection: sa.Connection, attempt_id: AttemptId, about: About, lease: Lease) -> None:
        lease.check(connection)
        changed = connection.execute(
            _a.update()
            .where(_a.c.id == attempt_id, _a.c.state == AttemptState.LAUNCHING)
            .values(state=AttemptState.RUNNING, started_at=self._clock.now_us())
        )
        if changed.rowcount:
            row = connection.execute(sa.select(_a).where(_a.c.id == attempt_id)).one()
            self._recorder.started(connection, recorded(row), about)

    # --- watching and settling --------------------------------------------------------------------------------------

    async def observe(self, attempt_id: AttemptId) -> Observation:
        """How its process is."""
        return await self._runner.observe(attempt_id)

    async def log(self, attempt_id: str, *, tail: int, after: int | None) -> tuple[str, int]:
        """Log text of an attempt and the byte offset to go on from: the last `tail` lines (-1: all of it), or all that
        came after the offset. Empty if it has none (any more). A log stays on the server whose process wrote it: any
        other says where it is."""
        if after is None and (elsewhere := await self._store.read(self._where, attempt_id)):
            return elsewhere, 0
        text = bytearray()
        offset = after or 0
        while True:
            piece, offset_after = await self._runner.read_log(attempt_id, offset=offset)
            if not piece:
                break
            text += piece
            offset = offset_after
        shown = text.decode("utf-8", "replace")
        if after is None and tail >= 0:
            shown = "".join(shown.splitlines(keepends=True)[-tail:]) if tail else ""
        return shown, offset

    def _where(self, connection: sa.Connection, attempt_id: str) -> str:
        row = connection.execute(
            sa.select(_a.c.server, tables.servers.c.url, tables.servers.c.host)
            .join(tables.servers, tables.servers.c.id == _a.c.server)
            .where(_a.c.id == attempt_id)
        ).first()
        if row is None or not self.is_elsewhere(row):
            return ""
        return f"(this log is on server {row.server}, {row.host}: ask that one, --url {row.url})\n"

    async def forbid(self, attempt_id: AttemptId) -> Observation:
        """See to it that its program does not begin any more if it has not, not even by a look that is late; and how
        its process is."""
        return await self._runner.forbid(attempt_id)

    async def stop(self, attempt_id: AttemptId) -> None:
        """Ask its process to end."""
        await self._runner.stop(attempt_id, self._bounds.stop_grace_s)

    async def settle(
        self, row: sa.Row[Any], observation: Observation, lease: Lease, stopping: bool, also: Also, locate: Locate
    ) -> Settled:
        """End an attempt whose process ended or was lost; `also` joins the deciding transaction.

        On success the attempt's tables are published in that same transaction; a conflict makes it a failure instead.
        """
        attempt_id = AttemptId(row.id)
        result = await result_of(self._runner, attempt_id)
        settled = _judge(row, observation, result, stopping)
        settled = replace(settled, problems=tuple(locate(p) for p in settled.problems))
        self._checkpoint("workloads.exited")
        try:
            await self._catalog.clear_links((row.result or {}).get(WRITABLE, ()))
        except DataOSError as error:
            _log.warning("a job left links", attempt=attempt_id, error=str(error))
            if settled.ending is None:
                settled = _publish_failure(error)
        if settled.ending is None:
            brought = not deliveries.at_end(row.result)
            for _ in range(8):
                try:
                    await self._catalog.prepare_publish(attempt_id)
                    if not brought:
                        await self._deliver(row, lease)
                        brought = True
                    self._checkpoint("workloads.before-publish")
                    await self._store.write(self._succeed, _End(row, observation, result, lease, settled, also))
                    self._checkpoint("workloads.published")
                    return settled
                except DataOSError as error:
                    if error.problem.code.startswith("store."):
                        raise  # it may have been published all the same: the next look finds out
                    if error.problem.code != "iceberg.conflict" or error.problem.retry is None:
                        settled = _publish_failure(error)
                        break
            else:
                settled = Settled(Ending.TRANSIENT, "its tables kept changing while it was being published")
        await self._store.write(self._fail, _End(row, observation, result, lease, settled, also))
        await self._catalog.collect_garbage()
        return settled

    async def refuse(self, row: sa.Row[Any], error: DataOSError, lease: Lease, also: Also) -> Settled:
        """End an attempt that could not be launched. Where its supervisor died while starting, the plan decides as for
        a lost one."""
        row = await self._store.read(lambda c: c.execute(sa.select(_a).where(_a.c.id == row.id)).one())
        ending = Ending.ERROR if error.problem.retry is None else Ending.TRANSIENT
        if error.problem.code == "process.start" and (row.result or {}).get("rerunnable"):
            ending = Ending.LOST
        settled = Settled(ending, error.problem.message, error.problems)
        await self._store.write(self._fail, _End(row, Observation(Phase.ABSENT), {}, lease, settled, also))
        await self._catalog.collect_garbage()
        return settled

    async def _deliver(self, row: sa.Row[Any], lease: Lease) -> None:
        """Bring what its program left for other places. A look that has lost its lease brings nothing more."""

        async def fence() -> None:
            await self._store.read(lease.check)

        await deliveries.bring(self._rooms, row.result, self._runner.out_folder(row.id), fence)
        self._checkpoint("workloads.delivered")

    def _succeed(self, connection: sa.Connection, end: _End) -> None:
        end.lease.check(connection)
        published = [str(table) for table in self._catalog.publish(connection, AttemptId(end.row.id))]
        if end.result.get("state"):
            self._remember(connection, end)
        known = connection.execute(sa.select(_a.c.result).where(_a.c.id == end.row.id)).scalar() or {}
        published = list(dict.fromkeys([*known.get("published", ()), *published]))  # a stream's batches, and the rest
        self._close(connection, end, AttemptState.SUCCEEDED, {"published": published})

    def _remember(self, connection: sa.Connection, end: _End) -> None:
        """Keep the state that the job reported, unless this is the same end once more."""
        if connection.execute(sa.select(_a.c.state).where(_a.c.id == end.row.id)).scalar() not in OPEN:
            return
        owner = owner_of(connection, end.row.run_id)
        run, now = str(end.row.run_id), self._clock.now_us()
        states.save(connection, *owner, end.row.job, run, end.result["state"], now)

    def _fail(self, connection: sa.Connection, end: _End) -> None:
        end.lease.check(connection)
        self._catalog.drop(connection, AttemptId(end.row.id))  # here, and not before: who takes over may still publish
        state = {Ending.LOST: AttemptState.LOST, Ending.ABORTED: AttemptState.ABORTED}.get(
            end.settled.ending or Ending.FAILED, AttemptState.FAILED
        )
        self._close(connection, end, state, {"problems": [p.to_json() for p in end.settled.problems]})

    def _close(self, connection: sa.Connection, end: _End, state: AttemptState, more: dict[str, Any]) -> None:
        """Revoke the token, write how it ended, and what its owner writes beside that."""
        row, observation = end.row, end.observation
        found = connection.execute(sa.select(_a.c.state, _a.c.result).where(_a.c.id == row.id)).one()
        if found.state not in OPEN:
            return  # an answer of the store was lost on its way: this is the same end again
        work.bind(connection, end.lease, None)
        self._identities.revoke_attempt(connection, AttemptId(row.id))
        change = {
            "of_attempt": row.id,
            "state": state,
            "reason": end.settled.reason[:2000],
            "exit_code": observation.exit_code,
            # the row of now: batches of a stream may have been published since it was looked at
            "result": {**(found.result or {}), **end.result, "batches": (found.result or {}).get("batches", 0), **more},
            "started_at": observation.started_at or row.started_at,
            "finished_at": observation.ended_at or self._clock.now_us(),
        }
        connection.execute(_UPDATE, change)
        said = {AttemptState.SUCCEEDED: openlineage.COMPLETE, AttemptState.ABORTED: openlineage.ABORT}
        type_ = said.get(state, openlineage.FAIL)
        at, began = observation.ended_at or self._clock.now_us(), observation.started_at or row.started_at
        self._recorder.ended(connection, recorded(row), type_, end.result, end.settled.reason, at, began)
        end.also(connection, end.settled)


async def result_of(runner: ProcessRunner, attempt_id: str) -> dict[str, Any]:
    """What a job left in its out folder; nonsense counts as nothing (the job is not trusted)."""
    try:
        raw = await runner.read_out(attempt_id, RESULT_FILE)
        found = json.loads(raw) if raw else {}
    except (DataOSError, ValueError) as error:
        _log.warning("unreadable job result", attempt=attempt_id, error=str(error))
        return {}
    return found if isinstance(found, dict) else {}


def owner_of(connection: sa.Connection, run_id: str) -> tuple[str, str]:
    """Workspace and Workflow of a run."""
    query = sa.select(tables.resources.c.workspace, tables.resources.c.name)
    query = query.join(tables.runs, tables.runs.c.uid == tables.resources.c.uid)
    found = connection.execute(query.where(tables.runs.c.id == run_id)).one()
    return found.workspace or "", found.name


def _wrote(connection: sa.Connection, job: JobRequest) -> tuple[str, ...]:
    """Addresses that the newest try of a job wrote, or would have; empty where it never ran."""
    held, runs, known = tables.attempts, tables.runs, tables.resources
    query = sa.select(held.c.result).join(runs, runs.c.id == held.c.run_id).join(known, known.c.uid == runs.c.uid)
    query = query.where(known.c.type == "workflow", known.c.workspace == job.workspace, known.c.name == job.resource)
    query = query.where(known.c.status != "deleted", held.c.job == job.job, held.c.result.is_not(None))
    found = connection.execute(query.order_by(held.c.created_at.desc()).limit(1)).first()
    return tuple(str(a) for a in (found.result or {}).get("writes", ())) if found is not None else ()


def recorded(row: sa.Row[Any]) -> Attempt:
    """An attempt as the metadata room knows it: its plan is ours, and is trusted."""
    plan = row.result or {}
    return Attempt(row.id, row.run_id, row.job, row.number, plan.get("reads", ()), plan.get("writes", ()))


def _judge(row: sa.Row[Any], observation: Observation, result: dict[str, Any], stopping: bool) -> Settled:
    if observation.phase is Phase.EXITED and observation.exit_code == 0 and not observation.reason:
        return Settled(None, "")
    problems = tuple(Problem.from_json(p) for p in result.get("problems", []) if isinstance(p, dict))
    if stopping:
        return Settled(Ending.ABORTED, "stopped", problems)
    if observation.phase in (Phase.LOST, Phase.ABSENT) or observation.reason in (ORPHANED, STOPPED):
        # without a recorded plan nothing was started
        rerunnable = row.result is None or bool(row.result.get("rerunnable"))
        texts = {
            ORPHANED: "its server was away too long",
            LOST_SERVER: "its server was lost",
            STOPPED: "it was ended, but not by its run: its start was given up, or its machine was shut down",
        }
        reason = texts.get(observation.reason, "its supervisor was killed or the machine restarted")
        return Settled(Ending.LOST if rerunnable else Ending.ERROR, reason)
    texts = {
        "timeout": "it ran longer than its time limit",
        "memory": "it used more memory than its limit: raise resources.limits.memory (or driver.memory)",
        "scratch": "it wrote more scratch data than its tempVolume, or workloads.scratch_mib, allows",
    }
    if observation.reason:
        return Settled(Ending.FAILED, texts.get(observation.reason, observation.reason), problems)
    if problems and problems[0].code == "server.unreachable" and (row.result or {}).get("rerunnable"):
        return Settled(Ending.LOST, "the server was away while it ran", problems)
    if problems:
        ending = Ending.TRANSIENT if problems[0].retry is not None else Ending.FAILED
        return Settled(ending, problems[0].message, problems)
    return Settled(Ending.FAILED, f"exit code {observation.exit_code}: see its log")


def _publish_failure(error: DataOSError) -> Settled:
    conflict = error.problem.code == "iceberg.conflict"
    passing = conflict or error.problem.retry is not None
    return Settled(Ending.TRANSIENT if passing else Ending.ERROR, error.problem.message, error.problems)
