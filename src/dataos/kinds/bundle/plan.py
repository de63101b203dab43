"""What to do next with the members of a Bundle: pure functions over what is wanted and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataos.control import timers
from dataos.control.timers import Timing
from dataos.kinds.bundle.spec import BundleSpec, Condition, Item, Schedule, States

FAILED = ("error", "failed")
NOT_THERE = "not made yet"


@dataclass(frozen=True)
class Seen:
    """A member as the store has it. `settled`: its controller looked at its newest generation."""

    uid: str
    status: str
    runtime: str
    settled: bool
    info: str = ""
    leaving: bool = False


@dataclass(frozen=True)
class Step:
    """`ready` may be applied now; `waiting` says for each of the others what it waits for."""

    ready: tuple[Item, ...]
    waiting: Mapping[str, str]


def plan_next(spec: BundleSpec, seen: Mapping[str, Seen], applied: frozenset[str]) -> Step:
    """`seen`: living members by id; `applied`: ids whose present form was applied and is there."""
    ready: list[Item] = []
    waiting: dict[str, str] = {}
    for item in spec.items:
        if item.id in applied:
            continue
        unmet = [_unmet(c, seen.get(c.on) if c.on in applied else None) for c in item.conditions]
        reasons = [reason for reason in unmet if reason]
        if reasons:
            waiting[item.id] = "waiting for " + "; ".join(reasons)
        else:
            ready.append(item)
    return Step(tuple(ready), waiting)


def _unmet(condition: Condition, found: Seen | None) -> str:
    """`id: status=..., runtime=...` of what a condition still waits for; empty if it holds."""
    if found is None or found.leaving:
        return f"{condition.on}: {NOT_THERE}"
    if found.settled and condition.status.matches(found.status) and condition.runtime.matches(found.runtime):
        return ""
    wanted = [f"{name} {_words(s)}" for name, s in (("status", condition.status), ("runtime", condition.runtime)) if
              s != States()]  # fmt: skip
    shown = f"status={found.status}, runtime={found.runtime or 'none'}"
    return f"{condition.on}: {shown} (wanted: {' and '.join(wanted)})"


def _words(states: States) -> str:
    return " or ".join([*states.exact, *(f"*{part}*" for part in states.holding)])


def summarise(spec: BundleSpec, seen: Mapping[str, Seen], errors: Mapping[str, str], step: Step) -> tuple[str, str]:
    """STATUS of the Bundle and what there is to say: a member in error is an error, whatever else goes on."""
    faults = dict(errors)
    for item in spec.items:
        found = seen.get(item.id)
        if found is not None and found.settled and found.status in FAILED:
            faults.setdefault(item.id, found.info or f"status {found.status}")
    waiting = [f"{id_} is {reason}" for id_, reason in step.waiting.items()]
    if faults:
        return "error", "; ".join([*(f"{id_}: {text}" for id_, text in faults.items()), *waiting])
    at_work = [
        i.id for i in spec.items if i.id not in seen or not (seen[i.id].settled and seen[i.id].status == "active")
    ]
    if waiting or at_work:
        return "pending", "; ".join(waiting) or f"not active yet: {', '.join(at_work)}"
    return "active", "builder is finished with work for now"


# --- schedule -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clocked:
    """Where a schedule stands. `up`: the members are wanted now; `next_create`, `next_delete`: the next ticks of each
    expression (UTC microseconds)."""

    key: str
    up: bool
    next_create: tuple[int | None, ...]
    next_delete: tuple[int | None, ...]

    def soonest(self, verb: str) -> int | None:
        """The next tick of `create` or `delete`."""
        found = [t for t in (self.next_create if verb == "create" else self.next_delete) if t is not None]
        return min(found, default=None)

    def to_state(self) -> dict[str, Any]:
        """As it is kept."""
        return {"key": self.key, "up": self.up, "create": list(self.next_create), "delete": list(self.next_delete)}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Clocked:
        """From what was kept."""
        return cls(str(state["key"]), bool(state["up"]), tuple(state["create"]), tuple(state["delete"]))


def advance(schedule: Schedule, before: Mapping[str, Any] | None, now_us: int) -> Clocked:
    """Where the schedule stands now: the newest tick that passed says whether the members are wanted; of two at the
    same moment `create` counts. A changed schedule begins anew, with what is there staying as it is."""
    key = f"{schedule.timezone}|{'|'.join(schedule.create)}||{'|'.join(schedule.delete)}|{schedule.starts_absent}"
    creates = [Timing(cron, schedule.timezone) for cron in schedule.create]
    deletes = [Timing(cron, schedule.timezone) for cron in schedule.delete]
    known = Clocked.of(before) if before else None
    if known is None or known.key != key:
        up = known.up if known is not None else not schedule.starts_absent
        first = [tuple(timers.next_tick(t, now_us) for t in timings) for timings in (creates, deletes)]
        return Clocked(key, up, first[0], first[1])
    passed: list[tuple[int, bool]] = []
    following: list[tuple[int | None, ...]] = []
    for timings, nexts, up in ((creates, known.next_create, True), (deletes, known.next_delete, False)):
        dues = [timers.decide_due(t, n, now_us) for t, n in zip(timings, nexts, strict=True)]
        passed += [(due.tick_us, up) for due in dues if due.tick_us is not None]
        following.append(tuple(due.next_us for due in dues))
    up = max(passed)[1] if passed else known.up
    return replace(known, up=up, next_create=following[0], next_delete=following[1])
