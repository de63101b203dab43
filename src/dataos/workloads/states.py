"""What a job remembers from one run to the next, by input: how far an incremental read has come.

A job reports it with its result; it is written in the transaction that publishes the job's tables, so that it never
says more than was published, nor less. It belongs to the names of workspace, Workflow, job and input, and outlives the
Workflow: `dataos runtime state --reset` makes a job begin anew.

A job that is a stream remembers itself too, beside its inputs (`STREAM`): which batch it published last, and the
checkpoint that its positions belong to. An input whose position is long (the names of all files that were read) keeps
it in several parts, `<input>/<number>`, of which a batch writes those that changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

STREAM = "(stream)"
"""What the stream itself is called among the inputs of its job; no input can have that name."""

_PART = "/"


@dataclass(frozen=True)
class Stream:
    """`id`: this reading of the inputs, from their beginning on; `number`: the batch that was published last."""

    id: str
    number: int
    checkpoint: str


def load(connection: sa.Connection, workspace: str, resource: str, job: str) -> State:
    """All that a job remembers."""
    rows = connection.execute(sa.select(_t.c.input, _t.c.state).where(*_of(workspace, resource, job))).all()
    return {row.input: dict(row.state) for row in rows}


def load_stream(connection: sa.Connection, workspace: str, resource: str, job: str) -> Stream | None:
    """Where a job's stream stands; None if it never began."""
    query = sa.select(_t.c.state).where(*_of(workspace, resource, job), _t.c.input == STREAM)
    found: dict[str, str] | None = connection.execute(query).scalar()
    return Stream(found["id"], int(found["batch"]), found["checkpoint"]) if found else None


def begin_stream(
    connection: sa.Connection, workspace: str, resource: str, job: str, run_id: str, stream: Stream, now_us: int
) -> None:
    """Let a job's stream begin anew: no input has a position."""
    forget(connection, workspace, resource, job, None)
    _save_stream(connection, workspace, resource, job, run_id, stream, now_us)


def advance(
    connection: sa.Connection,
    workspace: str,
    resource: str,
    job: str,
    run_id: str,
    number: int,
    reported: Any,
    now_us: int,
) -> bool:
    """Keep the positions that a batch reported, and that it is published. False, and nothing kept, for no state."""
    known = load_stream(connection, workspace, resource, job)
    if known is None or (reported and STREAM in reported):
        return False
    if not save(connection, workspace, resource, job, run_id, reported, now_us):
        return False
    _save_stream(connection, workspace, resource, job, run_id, Stream(known.id, number, known.checkpoint), now_us)
    return True


def touch_stream(connection: sa.Connection, workspace: str, resource: str, job: str | None) -> None:
    """Somebody changed a position: a batch that is under way may not be published, its job must look again."""
    query = sa.select(_t.c.job, _t.c.state).where(*_of(workspace, resource, job), _t.c.input == STREAM)
    for row in connection.execute(query).all():
        changed = {**row.state, "id": f"{row.state['id']}+"}
        connection.execute(_t.update().where(*_of(workspace, resource, row.job, STREAM)).values(state=changed))


def _save_stream(
    connection: sa.Connection, workspace: str, resource: str, job: str, run_id: str, stream: Stream, now_us: int
) -> None:
    state = {"id": stream.id, "batch": str(stream.number), "checkpoint": stream.checkpoint}
    save(connection, workspace, resource, job, run_id, {STREAM: state}, now_us)


def listing(connection: sa.Connection, workspace: str, resource: str) -> list[dict[str, Any]]:
    """What all jobs of a Workflow remember: [{job, input, state, run, updatedAt (UTC microseconds)}], in order.

    Parts of long positions are left out: what they say is for programs.
    """
    query = sa.select(_t).where(*_of(workspace, resource), _t.c.input.not_like(f"%{_PART}%"))
    query = query.order_by(_t.c.job, _t.c.input)
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
    of_inputs = [*_of(workspace, resource, job), _t.c.input.not_like(f"%{_PART}%"), _t.c.input != STREAM]
    if name is not None:
        parts = _t.c.input.like(f"{_like(name)}{_PART}%", escape="!")
        connection.execute(_t.delete().where(*_of(workspace, resource, job), parts))
        touch_stream(connection, workspace, resource, job)
        return connection.execute(_t.delete().where(*of_inputs, _t.c.input == name)).rowcount
    count = connection.execute(sa.select(sa.func.count()).select_from(_t).where(*of_inputs)).scalar() or 0
    connection.execute(_t.delete().where(*_of(workspace, resource, job)))
    return count


def _like(text: str) -> str:
    """A text as a pattern that means itself."""
    return text.replace("!", "!!").replace("_", "!_").replace("%", "!%")


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
