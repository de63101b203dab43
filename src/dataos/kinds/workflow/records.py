"""Runs and jobs in the store. Plain functions over an open connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataos.control.records import PLATFORM, add_event
from dataos.core.ids import RunId
from dataos.kinds.workflow.plan import RUN_ENDED, JobState, RunState
from dataos.kinds.workflow.spec import WorkflowSpec
from dataos.store import tables, work

_runs = tables.runs
_jobs = tables.jobs
_attempts = tables.attempts


_IS_OPEN = _runs.c.state.not_in(list(RUN_ENDED))

# Statements of every look, built once: building one costs more than running it.
_OF_UID = _runs.c.uid == sa.bindparam("of_uid")
_OWN = sa.and_(_OF_UID, _runs.c.parent.is_(None))
_OPEN = sa.select(_runs).where(_OWN, _IS_OPEN).order_by(_runs.c.created_at, _runs.c.id)
_NEWEST = sa.select(_runs).where(_OWN).order_by(_runs.c.created_at.desc(), _runs.c.id.desc()).limit(1)
_BY_TRIGGER = sa.select(_runs).where(_OF_UID, _runs.c.trigger == sa.bindparam("by"))
_LATEST = sa.select(sa.func.max(_runs.c.created_at)).where(_OF_UID)
_RUN = sa.select(_runs).where(_runs.c.id == sa.bindparam("of_run"))
_UPDATE_RUN = _runs.update().where(_runs.c.id == sa.bindparam("of_run"))
_INSERT_RUN = _runs.insert()
_JOBS = sa.select(_jobs).where(_jobs.c.run_id == sa.bindparam("of_run")).order_by(_jobs.c.position)
_ONE = sa.and_(_jobs.c.run_id == sa.bindparam("of_run"), _jobs.c.name == sa.bindparam("of_job"))
_JOB = sa.select(_jobs).where(_ONE)
_UPDATE_JOB = _jobs.update().where(_ONE)
_INSERT_JOB = _jobs.insert()
_ATTEMPT = sa.select(_attempts).where(
    _attempts.c.run_id == sa.bindparam("of_run"),
    _attempts.c.job == sa.bindparam("of_job"),
    _attempts.c.number == sa.bindparam("of_number"),
)
_CHILD = (
    sa.select(_runs)
    .where(_runs.c.parent == sa.bindparam("node"))
    .order_by(_runs.c.created_at.desc(), _runs.c.id.desc())
    .limit(1)
)
_PAUSED = sa.select(tables.schedules.c.uid).where(
    tables.schedules.c.uid.in_(sa.bindparam("uids", expanding=True)), tables.schedules.c.paused_at.is_not(None)
)


def newest_run(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The newest run of a Workflow of its own (not as a node of another)."""
    return connection.execute(_NEWEST, {"of_uid": uid}).first()


def history(connection: sa.Connection, uid: str, limit: int, before: str | None = None) -> list[sa.Row[Any]]:
    """Runs of a Workflow of its own, newest first; `before`: older ones than that run."""
    query = sa.select(_runs).where(_runs.c.uid == uid, _runs.c.parent.is_(None))
    if before is not None:
        moment = sa.select(_runs.c.created_at).where(_runs.c.id == before).scalar_subquery()
        query = query.where(
            sa.or_(_runs.c.created_at < moment, sa.and_(_runs.c.created_at == moment, _runs.c.id < before))
        )
    return list(connection.execute(query.order_by(_runs.c.created_at.desc(), _runs.c.id.desc()).limit(limit)))


def run_by_trigger(connection: sa.Connection, uid: str, trigger: str) -> sa.Row[Any] | None:
    """The run that a trigger made, if it did already."""
    return connection.execute(_BY_TRIGGER, {"of_uid": uid, "by": trigger}).first()


def run(connection: sa.Connection, run_id: str) -> sa.Row[Any] | None:
    """A run."""
    return connection.execute(_RUN, {"of_run": run_id}).first()


def open_runs(connection: sa.Connection, uid: str) -> list[sa.Row[Any]]:
    """Runs of a Workflow of its own that have not ended, oldest first."""
    return list(connection.execute(_OPEN, {"of_uid": uid}))


def held_runs(connection: sa.Connection, uid: str) -> list[sa.Row[Any]]:
    """As `open_runs`, with those that are nodes of other Workflows: all that a pause of this one holds."""
    return list(connection.execute(sa.select(_runs).where(_runs.c.uid == uid, _IS_OPEN).order_by(_runs.c.created_at)))


def child(connection: sa.Connection, run_id: str, name: str) -> sa.Row[Any] | None:
    """The newest run that node `name` of a run is."""
    return connection.execute(_CHILD, {"node": f"{run_id}/{name}"}).first()


def tree(connection: sa.Connection, row: sa.Row[Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, run, job) of all jobs of a run, those of the newest runs of its nested Workflows behind their node."""
    for job_row in jobs(connection, row.id):
        path = prefix + job_row.name
        yield path, row, job_row
        nested = child(connection, row.id, job_row.name)
        if nested is not None:
            yield from tree(connection, nested, f"{path}/")


def ancestors(connection: sa.Connection, row: sa.Row[Any]) -> list[sa.Row[Any]]:
    """The run and those whose node it is, up to the one that is no node."""
    found = [row]
    while found[-1].parent is not None:
        above = run(connection, found[-1].parent.partition("/")[0])
        if above is None:
            break
        found.append(above)
    return found


def is_paused(connection: sa.Connection, row: sa.Row[Any]) -> bool:
    """True while the Workflow of a run, or one whose node it is, is paused."""
    uids = sorted({r.uid for r in ancestors(connection, row)})
    return connection.execute(_PAUSED, {"uids": uids}).first() is not None


def insert_run(
    connection: sa.Connection,
    run_id: RunId,
    uid: str,
    generation: int,
    trigger: str,
    spec: WorkflowSpec,
    now: int,
    *,
    parent: str | None = None,
    path: str | None = None,
    taken_over: Mapping[str, str] | None = None,
) -> None:
    """A new run with its jobs, all waiting, except those taken over from an earlier run (name -> that run's id).

    Runs of a Workflow are ordered by `created_at`: it grows by at least 1 us from run to run, whatever the clock does.
    """
    newest = connection.execute(_LATEST, {"of_uid": uid}).scalar()
    fresh = {
        "id": run_id,
        "uid": uid,
        "generation": generation,
        "trigger": trigger,
        "state": RunState.PENDING,
        "stopping": False,
        "reason": "",
        "created_at": now if newest is None else max(now, newest + 1),
        "started_at": None,
        "finished_at": None,
        "parent": parent,
        "path": path,
    }
    connection.execute(_INSERT_RUN, fresh)
    rows: list[dict[str, Any]] = []
    for position, job in enumerate(spec.jobs):
        source = (taken_over or {}).get(job.name)
        rows.append(
            {
                "run_id": run_id,
                "name": job.name,
                "position": position,
                "state": JobState.SUCCEEDED if source else JobState.WAITING,
                "attempt": 0,
                "reason": f"taken over from run {source}" if source else "",
                "not_before": None,
                "started_at": None,
                "finished_at": now if source else None,
            }
        )
    if rows:
        connection.execute(_INSERT_JOB, rows)


def begin_run(connection: sa.Connection, row: sa.Row[Any], now: int) -> None:
    """Its first job begins."""
    changed = connection.execute(
        _runs.update()
        .where(_runs.c.id == row.id, _runs.c.state == RunState.PENDING)
        .values(state=RunState.RUNNING, reason="", started_at=now)
    )
    if changed.rowcount:
        add_event(connection, now, row.uid, "run.running", PLATFORM, {"run": row.id, "reason": ""})
        work.wake(connection, f"resource:{row.uid}", now)


def stop_run(connection: sa.Connection, row: sa.Row[Any], now: int) -> None:
    """Ask a run to end; its jobs under way hear of it by a look."""
    if not row.stopping:
        update_run(connection, row.id, stopping=True)
    work.wake(connection, f"run:{row.id}", now)


def wake_tree(connection: sa.Connection, row: sa.Row[Any], now: int) -> None:
    """Let a held run, its nested runs and the jobs that wait go on."""
    woken: set[str] = set()
    for _, inner, job_row in tree(connection, row):
        if inner.id not in woken:
            woken.add(inner.id)
            work.wake(connection, f"run:{inner.id}", now)
        if job_row.state == JobState.PENDING:
            work.wake(connection, f"job:{inner.id}/{job_row.name}", now)


def prune(connection: sa.Connection, uid: str, keep_succeeded: int, keep_failed: int) -> None:
    """Forget the oldest ended runs of a Workflow beyond the limits, with their jobs, attempts and nested runs."""
    for states, keep in (
        ([RunState.SUCCEEDED], keep_succeeded),
        ([RunState.FAILED, RunState.ABORTED], keep_failed),
    ):
        query = sa.select(_runs.c.id).where(_runs.c.uid == uid, _runs.c.parent.is_(None), _runs.c.state.in_(states))
        old = query.order_by(_runs.c.created_at.desc(), _runs.c.id.desc()).offset(keep).limit(_PRUNED)
        for run_id in connection.execute(old).scalars().all():
            _forget(connection, run_id)


_PRUNED = 20


def prune_all(connection: sa.Connection, keep: int) -> int:
    """Forget the oldest ended runs of all Workflows beyond the limit; how many went (a page at most)."""
    own = _runs.c.parent.is_(None)
    count = connection.execute(sa.select(sa.func.count()).select_from(_runs).where(own)).scalar_one()
    if count <= keep:
        return 0
    old = sa.select(_runs.c.id).where(own, _runs.c.state.in_(list(RUN_ENDED)))
    gone = connection.execute(old.order_by(_runs.c.created_at).limit(min(_PRUNED, count - keep))).scalars().all()
    for run_id in gone:
        _forget(connection, run_id)
    return len(gone)


def _forget(connection: sa.Connection, run_id: str) -> None:
    for job_row in jobs(connection, run_id):
        nested = sa.select(_runs.c.id).where(_runs.c.parent == f"{run_id}/{job_row.name}")
        for inner in connection.execute(nested).scalars().all():
            _forget(connection, inner)
    connection.execute(_attempts.delete().where(_attempts.c.run_id == run_id))
    connection.execute(_jobs.delete().where(_jobs.c.run_id == run_id))
    connection.execute(_runs.delete().where(_runs.c.id == run_id))


def jobs(connection: sa.Connection, run_id: str) -> list[sa.Row[Any]]:
    """The jobs of a run in manifest order."""
    return list(connection.execute(_JOBS, {"of_run": run_id}))


def job(connection: sa.Connection, run_id: str, name: str) -> sa.Row[Any] | None:
    """One job of a run."""
    return connection.execute(_JOB, {"of_run": run_id, "of_job": name}).first()


def ended_at(connection: sa.Connection, run_id: str, names: Sequence[str]) -> int:
    """When the last of these jobs ended (UTC microseconds); 0 if none did."""
    query = sa.select(sa.func.max(_jobs.c.finished_at)).where(_jobs.c.run_id == run_id, _jobs.c.name.in_(names))
    return connection.execute(query).scalar() or 0


def attempts_of_run(connection: sa.Connection, run_id: str) -> list[sa.Row[Any]]:
    """All attempts of a run, in order."""
    return list(
        connection.execute(
            sa.select(_attempts).where(_attempts.c.run_id == run_id).order_by(_attempts.c.created_at, _attempts.c.id)
        )
    )


def attempt(connection: sa.Connection, run_id: str, job_name: str, number: int) -> sa.Row[Any] | None:
    """One attempt."""
    return connection.execute(_ATTEMPT, {"of_run": run_id, "of_job": job_name, "of_number": number}).first()


def update_job(connection: sa.Connection, run_id: str, name: str, **values: Any) -> None:
    """Change columns of a job."""
    connection.execute(_UPDATE_JOB, {"of_run": run_id, "of_job": name, **values})


def update_run(connection: sa.Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run."""
    connection.execute(_UPDATE_RUN, {"of_run": run_id, **values})
