"""Workflow: a Resource that runs. The first apply runs it once; a re-run is asked for by a counter in its state.

Runs and jobs are units of their own (`runs.py`); this controller only makes runs and mirrors the newest one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Observed, ResourceView
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, UserId
from dataos.kinds.workflow import records
from dataos.kinds.workflow.spec import Job, WorkflowSpec
from dataos.manifest.documents import Manifest
from dataos.manifest.specs import render
from dataos.store import work
from dataos.store.database import Store
from dataos.workloads.attempts import Attempts
from dataos.workloads.ports import JobRequest


def job_request(manifest: Manifest, job: Job, run_as: UserId) -> JobRequest:
    """A job as the stack planners see it."""
    runnable = job.runnable
    return JobRequest(
        workspace=manifest.workspace or "public",
        resource=manifest.meta.name,
        resource_id=manifest.id,
        job=job.name,
        run_as=run_as,
        stack_spec=runnable.stack_spec,
        path=render(runnable.stack_path),
        env=runnable.envs,
        log_level=runnable.log_level,
        cpu=runnable.cpu,
        memory_bytes=runnable.memory_bytes,
        timeout_s=runnable.time_limit_s,
    )


class WorkflowController:
    """The `workflow` kind."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, attempts: Attempts) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._attempts = attempts

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Ask each job's stack what only the server knows."""
        spec: WorkflowSpec = manifest.spec
        problems: list[Problem] = []
        for job in spec.jobs:
            run_as = job.runnable.run_as_user
            if run_as is not None and run_as != actor:
                problems.append(
                    Problem(
                        "auth.forbidden",
                        f"user {actor} may not run jobs as `{run_as}`",
                        hint="leave runAsUser out; running as others comes with part 4",
                        path=render((*job.runnable.stack_path[:-1], "runAsUser")),
                    )
                )
                continue
            try:
                problems += await self._attempts.check(job_request(manifest, job, actor), job.runnable)
            except DataOSError as error:
                problems += error.problems
        return problems

    async def reconcile(self, view: ResourceView) -> Observed:
        """Make the runs that are wanted; report the newest."""
        spec: WorkflowSpec = view.manifest.spec
        if all(job.runnable.dry_run for job in spec.jobs):
            return Observed(info="dry run: nothing is started", state=dict(view.state))
        reruns = int(view.state.get("reruns", 0))
        run = await self._store.write(self._ensure_runs, view, spec, reruns)
        info = run.reason if run.reason else "builder is finished with work for now"
        return Observed(
            runtime=run.state, wanted=len(spec.jobs), processed=len(spec.jobs), info=info, state=dict(view.state)
        )

    def _ensure_runs(self, connection: sa.Connection, view: ResourceView, spec: WorkflowSpec, reruns: int) -> Any:
        """One run per trigger: `apply` for the first, `re-run:<n>` for each that was asked for."""
        view.lease.check(connection)
        trigger = f"re-run:{reruns}" if reruns else "apply"
        if records.run_by_trigger(connection, view.uid, trigger) is None:
            run_id = self._ids.run_id()
            now = self._clock.now_us()
            records.insert_run(connection, run_id, view.uid, view.generation, trigger, spec, now)
            work.wake(connection, f"run:{run_id}", now)
        run = records.newest_run(connection, view.uid)
        assert run is not None  # noqa: S101 - inserted above where there was none
        return run

    async def runtime(self, uid: str, manifest: Manifest) -> dict[str, Any]:
        """What `get runtime` shows; the first error line of a failed run carries its place in the user's file."""
        return await self._store.read(records.describe, uid, manifest.spec)

    async def log(
        self, uid: str, manifest: Manifest, node: str | None, tail: int, after: Mapping[str, int]
    ) -> dict[str, Any]:
        """Logs of the newest attempt of each job of the newest run; of all attempts of one job if `node` names it."""
        run = await self._store.read(records.newest_run, uid)
        if run is None:
            return {"nodes": []}
        rows = await self._store.read(records.attempts_of_run, run.id)
        nodes = {f"{r.name}-execute": r.name for r in await self._store.read(records.jobs, run.id)}
        wanted = nodes.get(node or "", node)
        if node is not None and wanted not in nodes.values():
            raise fail(
                "run.not_found",
                f"the newest run of {manifest.meta.name} has no node `{node}`",
                hint="nodes: " + ", ".join(nodes),
            )
        newest = {r.job: r.number for r in rows}
        chosen = [r for r in rows if (r.job == wanted if wanted else r.number == newest[r.job])]
        shown: list[dict[str, Any]] = []
        for row in chosen:
            text, offset = await self._attempts.log(row.id, tail=tail, after=after.get(row.id))
            shown.append(
                {
                    "node": f"{row.job}-execute",
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

    def _stop_runs(self, connection: sa.Connection, view: ResourceView) -> Sequence[Any]:
        view.lease.check(connection)
        runs = records.open_runs(connection, view.uid)
        now = self._clock.now_us()
        for run in runs:
            if not run.stopping:
                records.update_run(connection, run.id, stopping=True)
            work.wake(connection, f"run:{run.id}", now)
        return runs
