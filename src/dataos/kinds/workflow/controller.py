"""Workflow: a Resource that runs: once when applied, or at the ticks of its schedule, and when asked to.

Runs and jobs are units of their own (`runs.py`); this controller makes the runs that are due and says when the next one
is. It is level-triggered: what is due is found in the store (`ticks.py`), whenever a look comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Made, Observed, ResourceView, kernel_object, service_record
from dataos.control.records import PLATFORM, add_event, by_uid, find, manifest_of
from dataos.control.timers import wall_clock
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, UserId
from dataos.kinds.workflow import describing, patterns, records, ticks
from dataos.kinds.workflow.plan import RUN_ENDED, RunState
from dataos.kinds.workflow.spec import MAX_DEPTH, TRANSIENT_PATTERN, Schedule, WorkflowSpec
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.runnables import Runnable
from dataos.manifest.specs import Reading, render
from dataos.store.database import Store
from dataos.workloads.attempts import Attempts
from dataos.workloads.ports import JobRequest

_ATTEMPTS = 5
_SOONEST_US = 10_000


def job_request(manifest: Manifest, name: str, runnable: Runnable, run_as: UserId) -> JobRequest:
    """A job as the stack planners see it."""
    return JobRequest(
        workspace=manifest.workspace or "public",
        resource=manifest.meta.name,
        resource_id=manifest.id,
        job=name,
        run_as=run_as,
        stack_spec=runnable.stack_spec,
        path=render(runnable.stack_path),
        env=runnable.envs,
        log_level=runnable.log_level,
        cpu=runnable.cpu,
        memory_bytes=runnable.memory_bytes,
        timeout_s=runnable.time_limit_s,
        compute=runnable.compute,
    )


class WorkflowController:
    """The `workflow` kind."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, attempts: Attempts, checkpoint: Callable[[str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._attempts = attempts
        self._checkpoint = checkpoint

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Ask each job's stack what only the server knows."""
        spec: WorkflowSpec = manifest.spec
        problems: list[Problem] = []
        for path, runnable in spec.runnables():
            run_as = UserId(runnable.run_as_user or actor)
            try:
                await self._attempts.check_run_as(actor, run_as)
            except DataOSError as error:
                where = render((*runnable.stack_path[:-1], "runAsUser"))
                problems += [replace(p, path=where) for p in error.problems]
                continue
            pattern = runnable.envs.get(TRANSIENT_PATTERN)
            fault = patterns.fault(pattern) if pattern is not None else None
            if fault is not None:
                where = render((*runnable.stack_path[:-1], "envs", TRANSIENT_PATTERN))
                hint = "RE2 syntax: no look-around and no back references"
                problems.append(Problem("manifest.invalid", f"{TRANSIENT_PATTERN}: {fault}", hint=hint, path=where))
            name = path.rpartition("/")[2]
            try:
                problems += await self._attempts.check(job_request(manifest, name, runnable, run_as), runnable)
            except DataOSError as error:
                problems += error.problems
        if any(spec.targets()):
            problems += await self._store.read(_check_circle, manifest)
        return problems

    async def advise(self, manifest: Manifest, actor: UserId, warnings: list[Problem]) -> list[Problem]:
        """What the jobs' stacks say; it takes the place of what they could only guess offline."""
        spec: WorkflowSpec = manifest.spec
        kept = [w for w in warnings if w.code != "flare.needs_spark"]
        for path, runnable in spec.runnables():
            request = job_request(manifest, path.rpartition("/")[2], runnable, actor)
            kept += await self._attempts.advise(request, runnable)
        return kept

    async def reconcile(self, view: ResourceView) -> Observed:
        """Make the runs that are due; report the newest and the next."""
        spec: WorkflowSpec = view.manifest.spec
        runnables = [runnable for _, runnable in spec.runnables()]
        if runnables and all(r.dry_run for r in runnables) and not list(spec.targets()):
            return Observed(info="dry run: nothing is started", state=dict(view.state))
        reruns = int(view.state.get("reruns", 0))
        observed = await self._tick(view, spec, spec.schedule, reruns) if spec.schedule is not None else None
        return observed or await self._store.write(self._look, view, spec, reruns)

    async def _tick(self, view: ResourceView, spec: WorkflowSpec, schedule: Schedule, reruns: int) -> Observed | None:
        """Deal with the ticks that are due, and look. They are reckoned outside of the transaction that relies on
        them; None if others changed the schedule each time."""
        for _ in range(_ATTEMPTS):
            found = await self._store.read(ticks.row, view.uid)
            now = self._clock.now_us()
            planned = ticks.plan(found, schedule, now)

            def write(connection: sa.Connection, planned: ticks.Plan = planned, now: int = now) -> Observed | None:
                view.lease.check(connection)
                new_id = self._ids.run_id
                newest = _is_newest(connection, view)  # else the next look is at that one
                if newest and not ticks.apply_plan(connection, view.uid, view.generation, spec, planned, new_id, now):
                    return None
                return self._look(connection, view, spec, reruns)

            if planned.due.tick_us is not None:
                self._checkpoint("workflow.tick-planned")
            observed = await self._store.write(write)
            if observed is not None:
                if planned.due.tick_us is not None:
                    self._checkpoint("workflow.tick-stored")
                return observed
        return None

    def _look(self, connection: sa.Connection, view: ResourceView, spec: WorkflowSpec, reruns: int) -> Observed:
        """Make the run of an apply or a re-run; observe. The counter of re-runs that were dealt with is kept in the
        state, so that forgetting old runs never makes one again."""
        view.lease.check(connection)
        now = self._clock.now_us()
        done = view.state.get("ran")
        trigger = f"re-run:{reruns}" if reruns else "apply"
        if done != reruns and (reruns or spec.schedule is None) and _is_newest(connection, view):
            ticks.start(connection, view.uid, view.generation, spec, trigger, self._ids.run_id, now)
            done = reruns
        if spec.schedule is None:
            ticks.clear(connection, view.uid)
        state = {**view.state, "ran": done}
        going_on = records.open_runs(connection, view.uid)
        run = going_on[-1] if going_on else records.newest_run(connection, view.uid)
        timer = ticks.row(connection, view.uid)
        count = len(spec.jobs)
        runtime, info = self._runtime(connection, spec, run, timer)
        again = None
        if timer is not None and timer.next_at is not None:
            again = max(now + _SOONEST_US, timer.next_at)
        return Observed(runtime=runtime, wanted=count, processed=count, info=info, state=state, again_at_us=again)

    @staticmethod
    def _runtime(connection: sa.Connection, spec: WorkflowSpec, run: Any, timer: Any) -> tuple[str, str]:
        """RUNTIME (ch01 5.2), and what there is to say about it."""
        info = "builder is finished with work for now"
        if timer is not None and timer.paused_at is not None:
            return "paused", f"paused by {timer.paused_by}: `runtime resume` goes on"
        if run is not None and run.state not in RUN_ENDED:
            if run.state == RunState.PENDING:
                info = describing.pending_reason(connection, run) or info
            return str(run.state), info
        if run is not None and run.reason:
            info = str(run.reason)
        if spec.schedule is not None and timer is not None and timer.next_at is not None:
            return f"next:{wall_clock(timer.next_at, spec.schedule.zone)}", timer.skipped or info
        if spec.schedule is not None and run is None:
            return "", "the schedule has ended: no tick comes any more"
        return (str(run.state) if run is not None else ""), info

    async def runtime(self, uid: str, manifest: Manifest) -> dict[str, Any]:
        """What `get runtime` shows; the first error line of a failed run carries its place in the user's file."""
        return await self._store.read(describing.describe, uid, manifest.spec)

    async def log(
        self, uid: str, manifest: Manifest, node: str | None, tail: int, after: Mapping[str, int]
    ) -> dict[str, Any]:
        """Logs of the newest attempt of each job of the newest run; of all attempts of one job if `node` names it."""
        run = await self._store.read(records.newest_run, uid)
        if run is None:
            return {"nodes": []}
        return await self.log_of(run, manifest.meta.name, node, tail, after)

    async def log_of(
        self, run: sa.Row[Any], name: str, node: str | None, tail: int, after: Mapping[str, int]
    ) -> dict[str, Any]:
        """As `log`, of any run."""
        rows = await self._store.read(_attempts_of, run)
        nodes = {f"{path}-execute": path for path in rows}
        wanted = nodes.get(node or "", node)
        if node is not None and wanted not in rows:
            raise fail(
                "run.not_found", f"run {run.id} of {name} has no node `{node}`", hint="nodes: " + ", ".join(nodes)
            )
        chosen = [(p, a) for p, found in rows.items() for a in (found if wanted == p else found[-1:])]
        shown: list[dict[str, Any]] = []
        for path, row in chosen:
            if wanted not in (None, path):
                continue
            text, offset = await self._attempts.log(row.id, tail=tail, after=after.get(row.id))
            shown.append(
                {
                    "node": f"{path}-execute",
                    "attempt": row.id,
                    "number": row.number,
                    "state": row.state,
                    "error": row.reason,
                    "text": text,
                    "next": offset,
                }
            )
        return {"run": run.id, "state": run.state, "nodes": shown}

    async def delete(self, view: ResourceView) -> bool:
        """Stop what runs; gone when every run has ended. Run history and logs stay for their retention time."""
        return not await self._store.write(self._stop_runs, view)

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """The processes of its newest run, and its schedule."""
        newest = records.newest_run(connection, row.uid)
        attempts = records.attempts_of_run(connection, newest.id) if newest is not None else []
        state = ticks.row(connection, row.uid)
        schedule = service_record(
            f"{row.name}_{row.workspace}",
            "poros",
            "schedule",
            f"/api/v1/workspaces/{row.workspace}/resources/workflow/{row.name}/runtime",
        )
        return Made(
            running=tuple(kernel_object(a.id, row.workspace or "", "Process", "jobs", a.state) for a in attempts),
            kept=(schedule,) if state is not None and state.next_at is not None else (),
        )

    def _stop_runs(self, connection: sa.Connection, view: ResourceView) -> Sequence[Any]:
        view.lease.check(connection)
        runs = records.open_runs(connection, view.uid)
        now = self._clock.now_us()
        if ticks.resume(connection, view.uid):  # nobody could do it later: its runs that are nodes of others go on
            for run in records.held_runs(connection, view.uid):
                records.wake_tree(connection, run, now)
            data = {"verb": "resume", "runs": [], "id": view.manifest.id}
            add_event(connection, now, view.uid, "runtime.resume", PLATFORM, data)
        for run in runs:
            records.stop_run(connection, run, now)
        return runs


def _is_newest(connection: sa.Connection, view: ResourceView) -> bool:
    """Is what the look was begun with still wanted? Nothing starts of what was changed or deleted meanwhile."""
    row = by_uid(connection, view.uid)
    return row is not None and row.generation == view.generation and row.deleting_at is None


def _attempts_of(connection: sa.Connection, run: sa.Row[Any]) -> dict[str, list[sa.Row[Any]]]:
    """Attempts of each job of a run by its path, in order; nested Workflows' jobs by `node/job`."""
    found: dict[str, list[sa.Row[Any]]] = {}
    attempts: dict[str, list[sa.Row[Any]]] = {}
    for path, inner, job in records.tree(connection, run):
        if inner.id not in attempts:
            attempts[inner.id] = records.attempts_of_run(connection, inner.id)
        found[path] = [a for a in attempts[inner.id] if a.job == job.name]
    return found


def _check_circle(connection: sa.Connection, manifest: Manifest) -> list[Problem]:
    """Workflow Resources that are each other's nodes would run for ever."""

    def look(spec: WorkflowSpec, trail: tuple[str, ...]) -> list[str] | None:
        for target in spec.targets():
            if target == manifest.key or len(trail) >= MAX_DEPTH:
                return [*trail, target.name]
            row = find(connection, target)
            stored = manifest_of(connection, row.uid, row.generation) if row is not None else None
            inner = read_manifest(stored.manifest, Reading()) if stored is not None else None
            circle = look(inner.spec, (*trail, target.name)) if inner is not None else None
            if circle:
                return circle
        return None

    circle = look(manifest.spec, (manifest.meta.name,))
    if circle is None:
        return []
    text = " -> ".join(circle)
    closes = circle[-1] == manifest.meta.name
    message = (
        f"workflows form a circle: {text}" if closes else f"workflows are nested deeper than {MAX_DEPTH} levels: {text}"
    )
    return [Problem("manifest.dag", message, path=f"{manifest.section_key}.dag")]
