"""Runs go on only as long as their Workflow's owner may act: a disabled user's runs end, and its ticks make none."""

from __future__ import annotations

import sqlalchemy as sa

from dataos.control.records import PLATFORM, add_event
from dataos.kinds.workflow import records
from dataos.kinds.workflow.plan import RUN_ENDED
from dataos.store import tables, work

_r, _u, _runs = tables.resources, tables.users, tables.runs

# Statements of every look, built once: building one costs more than running it.
_OWNER = (
    sa.select(_r.c.owner)
    .join(_u, _u.c.id == _r.c.owner)
    .where(_r.c.uid == sa.bindparam("of_uid"), _u.c.disabled_at.is_not(None))
)


def barred(connection: sa.Connection, uid: str) -> str:
    """Why nothing may run of a Workflow now, or nothing."""
    owner = connection.execute(_OWNER, {"of_uid": uid}).scalar()
    return f"its owner, user {owner}, is disabled" if owner is not None else ""


def stop_runs_of(connection: sa.Connection, user: str, now: int) -> int:
    """Ask all runs of a user's Workflows to end. How many those are. Nested runs end with theirs."""
    rows = connection.execute(
        sa.select(_runs)
        .join(_r, _r.c.uid == _runs.c.uid)
        .where(_r.c.owner == user, _runs.c.state.not_in(list(RUN_ENDED)), _runs.c.parent.is_(None))
    ).all()
    for run in rows:
        records.stop_run(connection, run, now)
        data = {"verb": "stop", "runs": [run.id], "reason": f"user {user} was disabled"}
        add_event(connection, now, run.uid, "runtime.stop", PLATFORM, data)
        work.wake(connection, f"resource:{run.uid}", now)
    return len(rows)
