"""What `get runtime` and the run history show, as JSON (ch01 8.3)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.timers import wall_clock
from dataos.core.clock import rfc3339
from dataos.kinds.workflow import records, ticks
from dataos.kinds.workflow.plan import RUN_ENDED, JobState
from dataos.kinds.workflow.spec import Job, WorkflowSpec

HISTORY = 10


def describe(connection: sa.Connection, uid: str, spec: WorkflowSpec, run_id: str | None = None) -> dict[str, Any]:
    """Jobs as declared, one run (the newest open one, else the newest; or `run_id`) with its nodes, the newest runs,
    and the schedule."""
    runs = records.history(connection, uid, HISTORY)
    row = next((r for r in runs if r.state not in RUN_ENDED), runs[0] if runs else None)
    if run_id is not None:
        row = records.run(connection, run_id)
    shown: dict[str, Any] = {
        "title": spec.title,
        "jobs": [_declared(j) for j in spec.jobs],
        "run": None,
        "nodes": [],
        "runs": [_run(connection, r) for r in runs],
        "schedule": _schedule(connection, uid, spec),
        "paused": None,
    }
    state = ticks.row(connection, uid)
    if state is not None and state.paused_at is not None:
        shown["paused"] = {"since": rfc3339(state.paused_at), "by": state.paused_by}
    if row is not None:
        shown["run"] = _run(connection, row)
        shown["nodes"] = _nodes(connection, row, spec)
    return shown


def history(connection: sa.Connection, uid: str, limit: int, before: str | None) -> list[dict[str, Any]]:
    """A page of the run history, newest first."""
    return [_run(connection, r) for r in records.history(connection, uid, limit, before)]


def pending_reason(connection: sa.Connection, row: sa.Row[Any]) -> str:
    """Why nothing of a run has begun yet."""
    if row.reason:
        return str(row.reason)
    return next((j.reason for _, _, j in records.tree(connection, row) if j.state == JobState.PENDING and j.reason), "")


def _declared(job: Job) -> dict[str, Any]:
    if job.runnable is None:
        stack = "workflow"
    else:
        stack = job.runnable.stack + (f":{job.runnable.stack_version}" if job.runnable.stack_version else "")
    return {"name": job.name, "stack": stack, "title": job.title, "dependencies": list(job.dependencies)}


def _run(connection: sa.Connection, row: sa.Row[Any]) -> dict[str, Any]:
    rows = records.jobs(connection, row.id)
    done = sum(1 for r in rows if r.state == JobState.SUCCEEDED)
    kind, _, at = row.trigger.partition(":")
    return {
        "id": row.id,
        "generation": row.generation,
        "trigger": kind,
        "scheduled": rfc3339(int(at)) if kind == "tick" else None,
        "state": row.state,
        "stopping": row.stopping and row.state not in RUN_ENDED,
        "reason": row.reason,
        "progress": f"{done}/{len(rows)}",
        "created": rfc3339(row.created_at),
        "started": rfc3339(row.started_at),
        "finished": rfc3339(row.finished_at),
    }


def _nodes(connection: sa.Connection, row: sa.Row[Any], spec: WorkflowSpec) -> list[dict[str, Any]]:
    flare = {path for path, runnable in spec.runnables() if runnable.stack == "flare"}
    attempts: dict[tuple[str, str], list[sa.Row[Any]]] = {}
    seen: set[str] = set()
    shown: list[dict[str, Any]] = []
    for path, run, job in records.tree(connection, row):
        if run.id not in seen:
            seen.add(run.id)
            for item in records.attempts_of_run(connection, run.id):
                attempts.setdefault((run.id, item.job), []).append(item)
        nested = records.child(connection, run.id, job.name)
        shown.append(
            {
                "node": f"{path}-execute",
                "job": path,
                "run": run.id,
                "phase": job.state,
                "reason": job.reason,
                "type": "workflow" if nested is not None else "pod-flare" if path in flare else "pod-workflow",
                "dataplane": "hub",
                "started": rfc3339(job.started_at),
                "finished": rfc3339(job.finished_at),
                "attempts": [_attempt(a) for a in attempts.get((run.id, job.name), [])],
            }
        )
    return shown


def _schedule(connection: sa.Connection, uid: str, spec: WorkflowSpec) -> dict[str, Any] | None:
    if spec.schedule is None:
        return None
    zone = spec.schedule.zone
    row = ticks.row(connection, uid)
    return {
        "cron": spec.schedule.cron,
        "timezone": zone,
        "concurrencyPolicy": spec.schedule.policy,
        "endOn": rfc3339(spec.schedule.end_us),
        "next": wall_clock(row.next_at, zone) if row is not None and row.next_at is not None else None,
        "last": wall_clock(row.last_at, zone) if row is not None and row.last_at is not None else None,
        "skipped": row.skipped if row is not None else "",
    }


def _attempt(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "reason": row.reason,
        "exitCode": row.exit_code,
        "started": rfc3339(row.started_at),
        "finished": rfc3339(row.finished_at),
        "result": row.result,
    }
