"""A node that is a whole Workflow: each try at it is a run of its own, whose `parent` names the node.

The node's retry rule starts the nested Workflow anew. The run of a node from a file belongs to the same Resource and
generation (its DAG is at `path` in the manifest); that of a named Workflow to that Resource, at its newest generation.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.records import find
from dataos.control.units import Manifests
from dataos.core.clock import Clock
from dataos.core.ids import Ids
from dataos.kinds.workflow import records
from dataos.kinds.workflow.plan import RUN_ENDED, Failure, JobState, RunState, retry_wait_s, should_retry
from dataos.kinds.workflow.spec import MAX_DEPTH, Job, WorkflowSpec
from dataos.store import work
from dataos.store.database import Store
from dataos.store.work import Lease

_Start = tuple[str, int, str | None, WorkflowSpec]
"""uid, generation, path in its manifest, and the DAG there."""


class NestedRuns:
    """What `job:` units do where the job is a Workflow."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, manifests: Manifests) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._manifests = manifests

    async def reconcile(self, run: Any, row: Any, job: Job, lease: Lease) -> float | None:
        """Take the next step of the node."""
        if row.state == JobState.PENDING:
            start = await self._start(run, job)
            return await self._store.write(self._begin, run, row, job, start, lease)
        await self._store.write(self._watch, run, row.name, job, lease)
        return None

    async def _start(self, run: Any, job: Job) -> _Start | None:
        """What the node runs now. None if the Workflow it names is gone."""
        assert job.nested is not None  # noqa: S101 - the caller asked
        if job.nested.spec is not None:
            path = f"{run.path}/{job.name}" if run.path else job.name
            return run.uid, run.generation, path, job.nested.spec
        assert job.nested.target is not None  # noqa: S101 - a node without a file names a Resource
        found = await self._store.read(find, job.nested.target)
        if found is None or found.deleting_at is not None:
            return None
        manifest = await self._manifests.get(found.uid, found.generation)
        return found.uid, found.generation, None, manifest.spec

    def _begin(
        self, connection: sa.Connection, run: Any, row: Any, job: Job, start: _Start | None, lease: Lease
    ) -> float | None:
        lease.check(connection)
        now = self._clock.now_us()
        run = records.run(connection, run.id)
        if run is None:
            return None
        if run.stopping:
            self._end(connection, run, row.name, JobState.ABORTED, "stopped", now)
            return None
        if records.is_paused(connection, run):
            return None
        wait_s = retry_wait_s(row.not_before, now, job.retry)
        if wait_s:
            return wait_s
        if start is None:
            target = job.nested.target if job.nested is not None else None
            self._end(connection, run, row.name, JobState.FAILED, f"there is no {target} any more", now)
            return None
        if len(records.ancestors(connection, run)) >= MAX_DEPTH:
            text = f"workflows are nested deeper than {MAX_DEPTH} levels"
            self._end(connection, run, row.name, JobState.FAILED, text, now)
            return None
        uid, generation, path, spec = start
        number, parent = row.attempt + 1, f"{run.id}/{row.name}"
        child = self._ids.run_id()
        trigger = f"nested:{parent}/{number}"
        records.insert_run(connection, child, uid, generation, trigger, spec, now, parent=parent, path=path)
        values = {"state": JobState.RUNNING, "attempt": number, "reason": "", "started_at": row.started_at or now}
        records.update_job(connection, run.id, row.name, **values)
        records.begin_run(connection, run, now)
        work.wake(connection, f"run:{child}", now)
        return None

    def _watch(self, connection: sa.Connection, run: Any, name: str, job: Job, lease: Lease) -> None:
        lease.check(connection)
        now = self._clock.now_us()
        run, row = records.run(connection, run.id), records.job(connection, run.id, name)
        child = records.child(connection, run.id, name) if run is not None else None
        if run is None or row is None or row.state != JobState.RUNNING:
            return
        if child is not None and child.state not in RUN_ENDED:
            if run.stopping:
                records.stop_run(connection, child, now)
            return
        state = child.state if child is not None else RunState.FAILED
        reason = (child.reason if child is not None else "") or f"run {child.id if child is not None else ''} {state}"
        elapsed = (now - (row.started_at or now)) / 1e6
        if state == RunState.SUCCEEDED:
            self._end(connection, run, name, JobState.SUCCEEDED, "", now)
        elif run.stopping or state == RunState.ABORTED:
            self._end(connection, run, name, JobState.ABORTED, "stopped", now)
        elif should_retry(job.retry, Failure.FAILED, row.attempt, elapsed):
            later = now + int(job.retry.delay_s * 1e6)
            values = {"state": JobState.PENDING, "reason": reason[:2000], "not_before": later}
            records.update_job(connection, run.id, name, **values)
            work.wake(connection, f"job:{run.id}/{name}", now)
        else:
            self._end(connection, run, name, JobState.FAILED, reason, now)

    @staticmethod
    def _end(connection: sa.Connection, run: Any, name: str, state: JobState, reason: str, now: int) -> None:
        records.update_job(connection, run.id, name, state=state, reason=reason[:2000], finished_at=now)
        work.wake(connection, f"run:{run.id}", now)
