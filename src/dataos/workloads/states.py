"""What a job remembers from one run to the next, by input: how far an incremental read has come.

A job reports it with its result; it is written in the transaction that publishes the job's tables, so that it never
says more than was published, nor less. It belongs to the names of workspace, Workflow, job and input, and outlives the
Workflow: `dataos runtime state --reset` makes a job begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import sqlalchemy as sa

from dataos.core import logs
from dataos.store import tables

_log = logs.get(__name__)
_t = tables.job_states
_MOST_INPUTS = 1000
_MOST_CHARACTERS = 64 << 10

State = dict[str, dict[str, str]]
"""Input -> name -> value."""


def load(connection: sa.Connection, workspace: str, resource: str, job: str) -> State:
    """All that a job remembers."""
    rows = connection.execute(sa.select(_t.c.input, _t.c.state).where(*_of(workspace, resource, job))).all()
    return {row.input: dict(row.state) for row in rows}


def listing(connection: sa.Connection, workspace: str, resource: str) -> list[dict[str, Any]]:
    """What all jobs of a Workflow remember: [{job, input, state, run, updatedAt (UTC microseconds)}], in order."""
    query = sa.select(_t).where(*_of(workspace, resource)).order_by(_t.c.job, _t.c.input)
    return [
        {"job": r.job, "input": r.input, "state": dict(r.state), "run": r.run_id, "updatedAt": r.updated_at}
        for r in connection.execute(query).all()
    ]


def save(
    connection: sa.Connection, workspace: str, resource: str, job: str, run_id: str, reported: Any, now_us: int
) -> bool:
    """Keep what a job reported. What is no state (the job is not trusted) is left out and logged: False."""
    found = _checked(reported)
    if found is None:
        _log.warning("a job reported a state that is none", workspace=workspace, workflow=resource, job=job)
        return False
    for name, state in found.items():
        key = {"workspace": workspace, "resource": resource, "job": job, "input": name}
        values = {"state": state, "run_id": run_id, "updated_at": now_us}
        changed = connection.execute(_t.update().where(*_of(workspace, resource, job, name)).values(**values))
        if changed.rowcount == 0:
            connection.execute(_t.insert().values(**key, **values))
    return True


def forget(connection: sa.Connection, workspace: str, resource: str, job: str | None, name: str | None) -> int:
    """Let a Workflow (or one job, or one input) begin anew. Returns how many inputs that were."""
    return connection.execute(_t.delete().where(*_of(workspace, resource, job, name))).rowcount


def _of(workspace: str, resource: str, job: str | None = None, name: str | None = None) -> list[Any]:
    clauses: list[Any] = [_t.c.workspace == workspace, _t.c.resource == resource]
    if job is not None:
        clauses.append(_t.c.job == job)
    if name is not None:
        clauses.append(_t.c.input == name)
    return clauses


def _checked(reported: Any) -> Mapping[str, dict[str, str]] | None:
    if not isinstance(reported, dict) or len(cast("dict[str, Any]", reported)) > _MOST_INPUTS:
        return None
    size = 0
    for name, state in cast("dict[Any, Any]", reported).items():
        if not isinstance(name, str) or not isinstance(state, dict):
            return None
        for key, value in cast("dict[Any, Any]", state).items():
            if not isinstance(key, str) or not isinstance(value, str):
                return None
            size += len(key) + len(value)
    return cast("dict[str, dict[str, str]]", reported) if size <= _MOST_CHARACTERS else None
