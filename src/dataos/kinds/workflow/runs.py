"""Runs and jobs as reconciled units: `run:<id>` and `job:<run id>/<job name>`.

A run applies `plan_next`; a job walks pending -> (admission) -> attempt -> settled -> retry or end. Each look takes one
step whose effect is recorded in one transaction, so that a restart goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Outcome
from dataos.control.records import PLATFORM, add_event, by_uid, manifest_of
from dataos.control.units import Manifests
from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.core.meters import Meters
from dataos.kinds.workflow import owners, patterns, records
from dataos.kinds.workflow.controller import job_request
from dataos.kinds.workflow.nested import NestedRuns
from dataos.kinds.workflow.plan import (
    ENDED,
    RUN_ENDED,
    Failure,
    JobState,
    RunState,
    plan_next,
    retry_wait_s,
    should_retry,
)
from dataos.kinds.workflow.spec import TRANSIENT_PATTERN, Job, WorkflowSpec
from dataos.manifest.documents import Manifest
from dataos.manifest.loader import inside
from dataos.manifest.runnables import Runnable
from dataos.manifest.specs import render
from dataos.metadata import openlineage
from dataos.metadata.recording import Recorder
from dataos.processes.ports import Observation, Phase
from dataos.store import work
from dataos.store.database import Store
from dataos.store.work import Lease
from dataos.workloads import environment
from dataos.workloads.admissions import Admissions
from dataos.workloads.attempts import LOST_SERVER, OPEN, Attempts, AttemptState, Ending, Settled
from dataos.workloads.ports import AttemptRequest

MAX_LOST = 5
"""Attempts of one job that may be lost to killed supervisors or restarts before the job fails."""

_PATTERN_LINES = 50
_PATTERN_CHARACTERS = 16_384
_WATCH_S = 5.0
_STOPPING_S = 0.5
_NOW_S = 0.001
"""Look again at once."""


@dataclass(frozen=True)
class Kept:
    """How many ended runs of one Workflow are kept."""

    succeeded: int = 200
    failed: int = 200


_TOLD = {
    RunState.SUCCEEDED: openlineage.COMPLETE,
    RunState.FAILED: openlineage.FAIL,
    RunState.ABORTED: openlineage.ABORT,
}
"""How OpenLineage calls the ends of runs."""


class RunUnits:
    """The handler of `run:` units."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        manifests: Manifests,
        kept: Kept,
        recorder: Recorder,
        meters: Meters | None = None,
    ) -> None:
        self._recorder = recorder
        self._meters = meters
        self._store = store
        self._clock = clock
        self._manifests = manifests
        self._kept = kept

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        """Take the next step of a run."""
        row = await self._store.read(records.run, unit_id)
        if row is None or row.state in RUN_ENDED:
            return Outcome()
        manifest = await self._manifests.get(row.uid, row.generation)
        logs.bind(resource=manifest.id)
        whole: WorkflowSpec = manifest.spec
        spec, scheduled = whole.at(row.path or ""), whole.schedule is not None
        return Outcome(write=lambda connection: self._advance(connection, unit_id, spec, scheduled, lease))

    def _advance(
        self, connection: sa.Connection, run_id: str, spec: WorkflowSpec, scheduled: bool, lease: Lease
    ) -> None:
        lease.check(connection)
        row = records.run(connection, run_id)
        if row is None or row.state in RUN_ENDED:
            return
        now = self._clock.now_us()
        if not row.stopping and row.parent is None and owners.barred(connection, row.uid):
            records.stop_run(connection, row, now)  # wakes this unit again
            return
        holder = _holder(connection, row, scheduled)
        if holder is not None and not row.stopping:
            reason = f"waits for run {holder.id} to end"
            if row.reason != reason:
                records.update_run(connection, run_id, reason=reason)
                work.wake(connection, f"resource:{row.uid}", now)
            return
        rows = records.jobs(connection, run_id)
        paused = records.is_paused(connection, row)
        step = plan_next(spec.jobs, {r.name: JobState(r.state) for r in rows}, row.stopping, paused)
        for name in step.ready:
            records.update_job(connection, run_id, name, state=JobState.PENDING)
            work.wake(connection, f"job:{run_id}/{name}", now)
        for name in step.skip:
            records.update_job(connection, run_id, name, state=JobState.SKIPPED, reason="not started", finished_at=now)
        if row.stopping:  # jobs that are under way hear of it by a look
            for r in rows:
                if r.state not in ENDED and r.name not in step.skip:
                    work.wake(connection, f"job:{run_id}/{r.name}", now)
        ended = step.state in RUN_ENDED
        reason = step.reason
        if step.state is RunState.FAILED:
            failed = next(r for r in rows if r.state == JobState.FAILED)
            reason = f"job {failed.name} failed: {failed.reason}"
        # a job that waits for its retry does not make a run pending again
        state = RunState.RUNNING if row.state == RunState.RUNNING and not ended else step.state
        started = row.started_at or (now if state is not RunState.PENDING else None)
        finished = now if ended else None
        records.update_run(
            connection, run_id, state=state, reason=reason[:2000], started_at=started, finished_at=finished
        )
        if state != row.state:
            add_event(connection, now, row.uid, f"run.{state}", PLATFORM, {"run": run_id, "reason": reason[:500]})
            work.wake(connection, f"resource:{row.uid}", now)
        if ended:
            self._recorder.run_ended(connection, run_id, _TOLD[step.state], reason, now)
            self._after_end(connection, row, now)
            if self._meters is not None and row.parent is None:
                self._meters.run_ended(run_id, state)

    def _after_end(self, connection: sa.Connection, row: Any, now: int) -> None:
        """Wake who waits for this run, and forget the oldest runs."""
        if row.parent is not None:
            work.wake(connection, f"job:{row.parent}", now)
            return
        for waiting in records.open_runs(connection, row.uid):
            if waiting.state == RunState.PENDING and waiting.id != row.id:
                work.wake(connection, f"run:{waiting.id}", now)
        records.prune(connection, row.uid, self._kept.succeeded, self._kept.failed)


def _holder(connection: sa.Connection, row: Any, scheduled: bool) -> Any:
    """The older run that a run which has not begun waits for: runs of a Workflow without a schedule follow each other,
    and what replaces a run waits until that one has stopped."""
    if row.state != RunState.PENDING or row.parent is not None:
        return None
    earlier = (r for r in records.open_runs(connection, row.uid) if (r.created_at, r.id) < (row.created_at, row.id))
    return next((r for r in earlier if r.stopping or not scheduled), None)


class JobUnits:
    """The handler of `job:` units."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        manifests: Manifests,
        attempts: Attempts,
        admissions: Admissions,
        checkpoint: Callable[[str], None],
        fqdn: str,
        nested: NestedRuns,
        meters: Meters | None = None,
    ) -> None:
        self._meters = meters
        self._store = store
        self._clock = clock
        self._manifests = manifests
        self._attempts = attempts
        self._admissions = admissions
        self._checkpoint = checkpoint
        self._fqdn = fqdn
        self._nested = nested
        self._tails: dict[str, str] = {}  # ends of logs, while an attempt is being settled

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        """Take the next step of a job."""
        return Outcome(await self._step(unit_id, lease))

    async def _step(self, unit_id: str, lease: Lease) -> float | None:
        run_id, _, name = unit_id.partition("/")
        run, row, attempt = await self._store.read(self._load, run_id, name)
        if run is None or row is None or row.state in ENDED or row.state == JobState.WAITING:
            return None
        manifest = await self._manifests.get(run.uid, run.generation)
        logs.bind(resource=manifest.id)
        job: Job = manifest.spec.at(run.path or "").job(name)
        if job.runnable is None:
            return await self._nested.reconcile(run, row, job, lease)
        if attempt is None or attempt.state not in OPEN:
            if (
                row.state == JobState.RUNNING
            ):  # settled, but the job's own row was not: cannot happen in one transaction
                return None
            again = await self._open(run, row, job, manifest, lease)
            if again is not None:
                return again or None
            run, row, attempt = await self._store.read(self._load, run_id, name)
            if run is None or row is None or attempt is None:
                return None
        return await self._drive(run, row, attempt, job, manifest, lease)

    @staticmethod
    def _load(connection: sa.Connection, run_id: str, name: str) -> tuple[Any, Any, Any]:
        row = records.job(connection, run_id, name)
        attempt = records.attempt(connection, run_id, name, row.attempt) if row is not None else None
        return records.run(connection, run_id), row, attempt

    async def _open(self, run: Any, row: Any, job: Job, manifest: Manifest, lease: Lease) -> float | None:
        """Begin an attempt where one may begin. None when one was opened; 0.0 when nothing is left to do."""
        now = self._clock.now_us()
        runnable = _runnable(job)
        if run.stopping:
            self._admissions.forget(f"{run.id}-{row.name}-{row.attempt + 1}")
            await self._store.write(self._skip, run, row.name, JobState.ABORTED, "stopped", lease)
            return 0.0
        if runnable.dry_run:
            await self._store.write(self._skip, run, row.name, JobState.SUCCEEDED, "dry run: not started", lease)
            return 0.0
        if await self._store.read(records.is_paused, run):  # a resume wakes it
            self._admissions.forget(f"{run.id}-{row.name}-{row.attempt + 1}")
            return 0.0
        wait_s = retry_wait_s(row.not_before, now, job.retry)
        if wait_s:
            return wait_s
        workspace = manifest.workspace or "public"
        demand = self._attempts.demand(f"{run.id}-{row.name}-{row.attempt + 1}", workspace, runnable, run.created_at)
        decision = await self._admissions.ask(demand, f"job:{run.id}/{row.name}")
        if not decision.admit:
            if decision.reason != row.reason:
                await self._store.write_deferred(
                    self._note, run, row.name, decision.reason, lease, self._clock.now_us()
                )
            return self._admissions.again_s
        begun = False
        try:
            begun = await self._store.write_deferred(self._begin, run, row, demand, lease)  # `launch` makes it durable
        finally:
            if not begun:  # its slot is free; where the attempt was stored after all, the next look takes it again
                self._admissions.release(demand.key)
        self._checkpoint("workloads.attempt-stored")
        return None if begun else _NOW_S

    def _begin(self, connection: sa.Connection, run: Any, row: Any, demand: Any, lease: Lease) -> bool:
        """Store the attempt. False if the run was stopped or paused while the job waited for its slot."""
        lease.check(connection)
        fresh = records.run(connection, run.id)
        if fresh is None or fresh.stopping or records.is_paused(connection, fresh):
            return False
        number = row.attempt + 1
        self._attempts.open(connection, RunId(run.id), row.name, number, demand, lease)
        records.update_job(
            connection,
            run.id,
            row.name,
            state=JobState.RUNNING,
            attempt=number,
            reason="",
            started_at=row.started_at or self._clock.now_us(),
        )
        records.begin_run(connection, run, self._clock.now_us())
        return True

    def _skip(self, connection: sa.Connection, run: Any, name: str, state: JobState, reason: str, lease: Lease) -> None:
        lease.check(connection)
        now = self._clock.now_us()
        records.update_job(connection, run.id, name, state=state, reason=reason, finished_at=now)
        work.wake(connection, f"run:{run.id}", now)

    @staticmethod
    def _note(connection: sa.Connection, run: Any, name: str, reason: str, lease: Lease, now: int) -> None:
        lease.check(connection)
        records.update_job(connection, run.id, name, reason=reason)
        if run.state == RunState.PENDING:
            work.wake(connection, f"resource:{run.uid}", now)

    async def _drive(
        self, run: Any, row: Any, attempt: Any, job: Job, manifest: Manifest, lease: Lease
    ) -> float | None:
        """Launch, watch and settle the newest attempt."""
        attempt_id = AttemptId(attempt.id)
        also = self._also(run, row, attempt, job, lease)
        if self._attempts.is_elsewhere(attempt):  # its server is lost: nobody else could look at it
            await self._finish(run, attempt, Observation(Phase.LOST, reason=LOST_SERVER), lease, job, also)
            return None
        self._admissions.holds(attempt)
        if attempt.state == AttemptState.LAUNCHING and not run.stopping:
            try:
                await self._launch(run, row, attempt_id, job, manifest, lease)
                await self._time_start(run, row, job)
            except DataOSError as error:
                if error.problem.code.startswith("store."):
                    raise
                try:
                    await self._attempts.refuse(attempt, error, lease, also)
                finally:
                    self._admissions.release(attempt.id)
                return None
            return _WATCH_S
        look = self._attempts.forbid if run.stopping else self._attempts.observe
        observation = await look(attempt_id)
        if observation.phase in (Phase.STARTING, Phase.RUNNING):
            if run.stopping:
                await self._attempts.stop(attempt_id)
                return _STOPPING_S
            return _WATCH_S
        await self._finish(run, attempt, observation, lease, job, also)
        return None

    async def _time_start(self, run: Any, row: Any, job: Job) -> None:
        """How long after it could begin the process of a job began."""
        if self._meters is None:
            return
        began = self._clock.now_us()
        ended = await self._store.read(records.ended_at, run.id, job.dependencies) if job.dependencies else 0
        self._meters.started((began - max(run.created_at, row.not_before or 0, ended)) / 1e6)

    async def _finish(
        self, run: Any, attempt: Any, observation: Any, lease: Lease, job: Job, also: Callable[..., None]
    ) -> None:
        generation = await self._store.read(manifest_of, run.uid, run.generation)
        prefix = render(_runnable(job).stack_path)
        pattern = _runnable(job).envs.get(TRANSIENT_PATTERN)
        if pattern is not None:
            tail, _ = await self._attempts.log(attempt.id, tail=_PATTERN_LINES, after=None)
            self._tails[attempt.id] = tail[-_PATTERN_CHARACTERS:]
        source = generation.source if generation is not None else {}
        try:
            settled = await self._attempts.settle(
                attempt, observation, lease, run.stopping, also, lambda problem: _located(problem, prefix, source)
            )
        finally:  # its program has ended, whatever became of the store's answer
            self._tails.pop(attempt.id, None)
            self._admissions.release(attempt.id)
        if self._meters is not None:
            self._meters.attempt_ended(settled.ending or "succeeded")

    async def _launch(
        self, run: Any, row: Any, attempt_id: AttemptId, job: Job, manifest: Manifest, lease: Lease
    ) -> None:
        resource = await self._store.read(by_uid, run.uid)
        assert resource is not None  # noqa: S101 - runs refer to their Resource by foreign key
        runnable = _runnable(job)
        run_as = UserId(runnable.run_as_user or resource.owner)
        await self._attempts.check_run_as(UserId(resource.owner), run_as)  # the grant may have ended meanwhile
        request = AttemptRequest(
            job=job_request(manifest, job.name, runnable, run_as),
            run_id=RunId(run.id),
            attempt_id=attempt_id,
            number=row.attempt,
            token="",
        )
        env = environment.standard(
            manifest, runnable, "workflow", RunId(run.id), run_as, run.uid, resource.stamp, self._fqdn
        )
        root = await self._store.read(lambda c: records.ancestors(c, run)[-1])
        env |= {
            "DATAOS_RUN_ATTEMPT": str(row.attempt),
            "DATAOS_JOB_TAGS": ",".join(runnable.tags),
            "DATAOS_JOB_DESCRIPTION": runnable.description,
            "NAMESPACE": manifest.workspace or "public",
            "POD_NAME": f"{row.name}-execute",
            "RUNNABLE_NAME": row.name,
            "RUNNABLE_RUN_ID": run.id,
            "RUNNABLE_WORKFLOW_NAME": manifest.meta.name,
            "RUNNABLE_WORKFLOW_RUN_ID": root.id,
        }
        await self._attempts.launch(request, runnable, env, lease)

    def _also(
        self, run: Any, row: Any, attempt: Any, job: Job, lease: Lease
    ) -> Callable[[sa.Connection, Settled], None]:
        """What happens to the job in the transaction that settles its attempt."""

        def write(connection: sa.Connection, settled: Settled) -> None:
            now = self._clock.now_us()
            state, values = self._after(connection, run, row, job, settled, now)
            records.update_job(connection, run.id, row.name, state=state, reason=settled.reason[:2000], **values)
            if state is JobState.PENDING:
                work.wake(connection, f"job:{run.id}/{row.name}", now)
            else:
                work.wake(connection, f"run:{run.id}", now)

        return write

    def _is_known_to_pass(self, job: Job, settled: Settled, attempt_id: str) -> bool:
        """Does the job's own pattern for passing errors match what is said of the failure, or the end of the log?"""
        pattern = _runnable(job).envs.get(TRANSIENT_PATTERN)
        if pattern is None:
            return False
        return patterns.matches(pattern, f"{settled.reason}\n{self._tails.get(attempt_id, '')}")

    def _after(
        self, connection: sa.Connection, run: Any, row: Any, job: Job, settled: Settled, now: int
    ) -> tuple[JobState, dict[str, Any]]:
        if settled.ending is None:
            return JobState.SUCCEEDED, {"finished_at": now}
        if settled.ending is Ending.ABORTED or run.stopping:
            return JobState.ABORTED, {"finished_at": now}
        earlier = [a for a in records.attempts_of_run(connection, run.id) if a.job == row.name]
        lost = sum(1 for a in earlier if a.state == AttemptState.LOST)
        idle = sum(1 for a in earlier if a.state == AttemptState.LOST and not (a.result or {}).get("batches"))
        if settled.ending is Ending.LOST and idle <= MAX_LOST:  # a stream that went on meanwhile is not counted
            return JobState.PENDING, {"not_before": None}
        tries = len(earlier) - lost
        elapsed = (now - (row.started_at or now)) / 1e6
        failure = {Ending.FAILED: Failure.FAILED, Ending.TRANSIENT: Failure.TRANSIENT}.get(
            settled.ending, Failure.ERROR
        )
        if self._is_known_to_pass(job, settled, earlier[-1].id if earlier else ""):
            failure = Failure.TRANSIENT
        if should_retry(job.retry, failure, tries, elapsed):
            return JobState.PENDING, {"not_before": now + int(job.retry.delay_s * 1e6)}
        return JobState.FAILED, {"finished_at": now}


def _runnable(job: Job) -> Runnable:
    assert job.runnable is not None  # noqa: S101 - nested Workflows are dealt with elsewhere
    return job.runnable


def _located(problem: Problem, prefix: str, source: Mapping[str, Any]) -> Problem:
    """A job's problem in terms of the file that was applied: whole path, and line and column of that file."""
    if not problem.path:
        return problem
    path = f"{prefix}.{problem.path}"
    start = source.get("lines", {}).get(path)
    whole = replace(problem, path=path)
    return inside(whole, (start[0], start[1]), source.get("file")) if start and problem.line is not None else whole
