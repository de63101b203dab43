"""Ticks of scheduled Workflows in the store: `schedules` holds the next one, and the newest one that was dealt with.

A tick makes its run, or is left out, in the same transaction that moves `next_at` on; the run's trigger names the
tick and is unique. So neither a doubled wake-up nor a jump of the clock starts a tick twice, and a server that was
away finds what it missed in `next_at`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.control.records import PLATFORM, add_event
from dataos.control.timers import Due, Timing, decide_due, next_tick
from dataos.core.ids import RunId
from dataos.kinds.workflow import owners, records
from dataos.kinds.workflow.spec import Schedule, WorkflowSpec
from dataos.store import tables, work

_s = tables.schedules

# Statements of every look, built once: building one costs more than running it.
_ROW = sa.select(_s).where(_s.c.uid == sa.bindparam("of_uid"))
_INSERT = _s.insert()
_UPDATE = _s.update().where(_s.c.uid == sa.bindparam("of_uid"))

MAX_OPEN = 100
"""Runs of one Workflow that may be open at once: a schedule whose jobs hang must not fill the store."""


@dataclass(frozen=True)
class Plan:
    """What a look decided, and what it was decided on: anything else in the store makes it void."""

    timing: str
    seen: Seen
    due: Due


Seen = tuple[int | None, str, int | None] | None
"""Of a schedule's row: next tick, timing, since when it is paused. None: there was no row."""


def _seen(found: sa.Row[Any] | None) -> Seen:
    return None if found is None else (found.next_at, found.timing, found.paused_at)


def row(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The schedule's row; None before the first look."""
    return connection.execute(_ROW, {"of_uid": uid}).first()


def timing_of(schedule: Schedule) -> Timing:
    """The schedule as timers know it."""
    return Timing(schedule.cron, schedule.zone, schedule.end_us)


def plan(found: sa.Row[Any] | None, schedule: Schedule, now_us: int) -> Plan:
    """Decide what is due. A new or changed schedule is reckoned from now on; so is one that was paused."""
    timing = timing_of(schedule)
    key = timing.key()
    if found is not None and found.paused_at is not None:
        due = Due(None, 0, None)
    elif found is None or found.timing != key:
        due = Due(None, 0, next_tick(timing, max(now_us, (found.last_at or 0) if found is not None else 0)))
    else:
        due = decide_due(timing, found.next_at, now_us)
    return Plan(key, _seen(found), due)


def apply_plan(
    connection: sa.Connection,
    uid: str,
    generation: int,
    spec: WorkflowSpec,
    planned: Plan,
    new_id: Callable[[], RunId],
    now_us: int,
) -> bool:
    """Deal with what is due and store the next tick. False if the row changed since the plan was made."""
    found = row(connection, uid)
    if _seen(found) != planned.seen:
        return False
    if found is not None and found.paused_at is not None:
        return True
    schedule, due = spec.schedule, planned.due
    assert schedule is not None  # noqa: S101 - only scheduled Workflows are planned
    values: dict[str, Any] = {"timing": planned.timing, "next_at": due.next_us}
    if due.missed:
        data = {"missed": due.missed, "reason": "nobody looked in time"}
        add_event(connection, now_us, uid, "tick.missed", PLATFORM, data)
    if due.tick_us is not None:
        values["last_at"] = due.tick_us
        values["skipped"] = admit(connection, uid, spec, now_us)
        if values["skipped"]:
            data = {"tick": due.tick_us, "reason": values["skipped"]}
            add_event(connection, now_us, uid, "tick.skipped", PLATFORM, data)
        else:
            start(connection, uid, generation, spec, f"tick:{due.tick_us}", new_id, now_us)
    if found is None:
        connection.execute(_INSERT, {"uid": uid, "skipped": "", "last_at": None, "paused_at": None, **values})
    elif any(getattr(found, key) != value for key, value in values.items()):
        connection.execute(_UPDATE, {"of_uid": uid, **values})
    return True


def admit(connection: sa.Connection, uid: str, spec: WorkflowSpec, now_us: int) -> str:
    """May a run start now? Its owner must be able to act, and the concurrency policy allow it. Returns why it must
    not, or nothing."""
    if why := owners.barred(connection, uid):
        return why
    going_on = records.open_runs(connection, uid)
    if not going_on or spec.schedule is None:
        return ""
    match spec.schedule.policy:
        case "Forbid":
            return f"run {going_on[0].id} was still going on (concurrencyPolicy: Forbid)"
        case "Replace":
            for item in going_on:
                records.stop_run(connection, item, now_us)
        case "Allow" if len(going_on) >= MAX_OPEN:
            return f"{len(going_on)} runs were still going on: no more than {MAX_OPEN} at once"
        case _:
            pass
    return ""


def start(
    connection: sa.Connection,
    uid: str,
    generation: int,
    spec: WorkflowSpec,
    trigger: str,
    new_id: Callable[[], RunId],
    now_us: int,
) -> RunId | None:
    """Make the run of a trigger, unless it was made already (None then)."""
    if records.run_by_trigger(connection, uid, trigger) is not None:
        return None
    run_id = new_id()
    records.insert_run(connection, run_id, uid, generation, trigger, spec, now_us)
    work.wake(connection, f"run:{run_id}", now_us)
    return run_id


def pause(connection: sa.Connection, uid: str, actor: str, now_us: int) -> bool:
    """Hold ticks and jobs that have not begun. False if it was paused already."""
    found = row(connection, uid)
    values = {"paused_at": now_us, "paused_by": actor, "next_at": None}
    if found is None:
        connection.execute(_s.insert().values(uid=uid, timing="", last_at=None, skipped="", **values))
    elif found.paused_at is not None:
        return False
    else:
        connection.execute(_s.update().where(_s.c.uid == uid).values(**values))
    return True


def resume(connection: sa.Connection, uid: str) -> bool:
    """Go on, with ticks from now on. False if it was not paused."""
    found = row(connection, uid)
    if found is None or found.paused_at is None:
        return False
    connection.execute(_s.update().where(_s.c.uid == uid).values(paused_at=None, paused_by=None, timing=""))
    return True


def clear(connection: sa.Connection, uid: str) -> None:
    """The Workflow has no schedule (any more)."""
    connection.execute(_s.update().where(_s.c.uid == uid, _s.c.timing != "").values(timing="", next_at=None))
