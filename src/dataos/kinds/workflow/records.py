"""Runs and jobs in the store. Plain functions over an open connection."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.core.ids import RunId
from dataos.kinds.workflow.plan import JobState, RunState
from dataos.kinds.workflow.spec import WorkflowSpec
from dataos.store import tables

_runs = tables.runs
_jobs = tables.jobs
_attempts = tables.attempts


def newest_run(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The newest run of a Workflow."""
    return connection.execute(
        sa.select(_runs).where(_runs.c.uid == uid).order_by(_runs.c.created_at.desc(), _runs.c.id.desc()).limit(1)
    ).first()


def run_by_trigger(connection: sa.Connection, uid: str, trigger: str) -> sa.Row[Any] | None:
    """The run that a trigger made, if it did already."""
    return connection.execute(sa.select(_runs).where(_runs.c.uid == uid, _runs.c.trigger == trigger)).first()


def run(connection: sa.Connection, run_id: str) -> sa.Row[Any] | None:
    """A run."""
    return connection.execute(sa.select(_runs).where(_runs.c.id == run_id)).first()


def open_runs(connection: sa.Connection, uid: str) -> list[sa.Row[Any]]:
    """Runs of a Workflow that have not ended."""
    ended = [RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED]
    return list(connection.execute(sa.select(_runs).where(_runs.c.uid == uid, _runs.c.state.not_in(ended))))


def insert_run(
    connection: sa.Connection, run_id: RunId, uid: str, generation: int, trigger: str, spec: WorkflowSpec, now: int
) -> None:
    """A new run with its jobs, all waiting."""
    connection.execute(
        _runs.insert().values(
            id=run_id,
            uid=uid,
            generation=generation,
            trigger=trigger,
            state=RunState.PENDING,
            stopping=False,
            reason="",
            created_at=now,
            started_at=None,
            finished_at=None,
        )
    )
    for position, job in enumerate(spec.jobs):
        connection.execute(
            _jobs.insert().values(
                run_id=run_id,
                name=job.name,
                position=position,
                state=JobState.WAITING,
                attempt=0,
                reason="",
                not_before=None,
                started_at=None,
                finished_at=None,
            )
        )


def jobs(connection: sa.Connection, run_id: str) -> list[sa.Row[Any]]:
    """The jobs of a run in manifest order."""
    return list(connection.execute(sa.select(_jobs).where(_jobs.c.run_id == run_id).order_by(_jobs.c.position)))


def job(connection: sa.Connection, run_id: str, name: str) -> sa.Row[Any] | None:
    """One job of a run."""
    return connection.execute(sa.select(_jobs).where(_jobs.c.run_id == run_id, _jobs.c.name == name)).first()


def attempts_of_run(connection: sa.Connection, run_id: str) -> list[sa.Row[Any]]:
    """All attempts of a run, in order."""
    return list(
        connection.execute(
            sa.select(_attempts).where(_attempts.c.run_id == run_id).order_by(_attempts.c.created_at, _attempts.c.id)
        )
    )


def attempt(connection: sa.Connection, run_id: str, job_name: str, number: int) -> sa.Row[Any] | None:
    """One attempt."""
    return connection.execute(
        sa.select(_attempts).where(
            _attempts.c.run_id == run_id, _attempts.c.job == job_name, _attempts.c.number == number
        )
    ).first()


def update_job(connection: sa.Connection, run_id: str, name: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(_jobs.update().where(_jobs.c.run_id == run_id, _jobs.c.name == name).values(**values))


def update_run(connection: sa.Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run."""
    connection.execute(_runs.update().where(_runs.c.id == run_id).values(**values))


def describe(connection: sa.Connection, uid: str, spec: WorkflowSpec) -> dict[str, Any]:
    """What `get runtime` shows of the newest run (ch01 8.3)."""
    by_name = {j.name: j for j in spec.jobs}
    shown: dict[str, Any] = {
        "jobs": [
            {
                "name": j.name,
                "stack": j.runnable.stack + (f":{j.runnable.stack_version}" if j.runnable.stack_version else ""),
                "title": j.title,
                "dependencies": list(j.dependencies),
            }
            for j in spec.jobs
        ],
        "run": None,
        "nodes": [],
    }
    row = newest_run(connection, uid)
    if row is None:
        return shown
    rows = jobs(connection, row.id)
    done = sum(1 for r in rows if r.state == JobState.SUCCEEDED)
    shown["run"] = {
        "id": row.id,
        "generation": row.generation,
        "state": row.state,
        "reason": row.reason,
        "progress": f"{done}/{len(rows)}",
        "started": rfc3339(row.started_at),
        "finished": rfc3339(row.finished_at),
    }
    attempts: dict[str, list[sa.Row[Any]]] = {}
    for item in attempts_of_run(connection, row.id):
        attempts.setdefault(item.job, []).append(item)
    for r in rows:
        shown["nodes"].append(
            {
                "node": f"{r.name}-execute",
                "job": r.name,
                "phase": r.state,
                "reason": r.reason,
                "type": "pod-flare"
                if r.name in by_name and by_name[r.name].runnable.stack == "flare"
                else "pod-workflow",
                "dataplane": "hub",
                "started": rfc3339(r.started_at),
                "finished": rfc3339(r.finished_at),
                "attempts": [_attempt(a) for a in attempts.get(r.name, [])],
            }
        )
    return shown


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
