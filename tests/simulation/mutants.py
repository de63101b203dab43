"""Faults that somebody could make in the product. The simulator must see each of them: else it would see nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control import generations, history, idempotency, records, timers, units
from dataos.control.generations import Generations
from dataos.control.ports import Outcome
from dataos.control.reconciler import Reconciler
from dataos.control.resources import Resources
from dataos.control.upkeep import Upkeep
from dataos.governance.identities import Identities
from dataos.governance.vault import Vault
from dataos.kinds.workflow import nested, plan, runs, ticks, verbs
from dataos.kinds.workflow import records as workflow_records
from dataos.kinds.workflow.controller import WorkflowController
from dataos.kinds.workflow.plan import JobState
from dataos.store import tables, work
from dataos.workloads.admissions import Admissions
from dataos.workloads.attempts import Attempts
from simulation.disk import SimulatedStore
from support.mutants import Mutants, Patch, nothing

MUTANTS = Mutants()
mutant = MUTANTS.mutant


async def nothing_later(*_: Any, **__: Any) -> None:
    """As `nothing`."""


# --- leases and wake-ups ----------------------------------------------------------------------------------------------


@mutant("a lease is not checked before a write: two holders write over each other")
def _(patch: Patch) -> None:
    patch.setattr(work.Lease, "check", nothing)


@mutant("a wake-up during a look is forgotten")
def _(patch: Patch) -> None:
    def finish(
        connection: sa.Connection, lease: work.Lease, now_us: int, again_s: float | None, error: str = ""
    ) -> None:
        w = tables.work
        if again_s is None and not error:
            connection.execute(w.delete().where(w.c.unit == lease.unit, w.c.fence == lease.fence))
        else:
            due = now_us + int((again_s or 0) * 1e6)
            connection.execute(
                w.update().where(w.c.unit == lease.unit).values(due_at=due, lease_owner=None, lease_until=None)
            )

    patch.setattr(work, "finish", finish)


@mutant("a lost server's units stay bound to it")
def _(patch: Patch) -> None:
    patch.setattr(work, "give_up", lambda connection, server, now_us: work.give_back(connection, server))


@mutant("a started server does not look at what was due later")
def _(patch: Patch) -> None:
    patch.setattr(work, "take_over", lambda connection, owner, now_us, *, alone: None)


@mutant("any server may look at a job whose process runs on another")
def _(patch: Patch) -> None:
    patch.setattr(work, "bind", nothing)


@mutant("a clock that was set back is not noticed")
def _(patch: Patch) -> None:
    patch.setattr(work, "set_back", nothing)
    patch.setattr(work, "mend_late", nothing)


@mutant("what was reckoned before the clock was set back and is written after that stays late")
def _(patch: Patch) -> None:
    patch.setattr(work, "mend_late", nothing)


@mutant("a failed look is not repeated")
def _(patch: Patch) -> None:
    async def give_back(self: Any, lease: Any, again_s: float, error: str) -> None:
        await self._store.write(work.finish, lease, self._clock.now_us(), None, "")

    patch.setattr(Reconciler, "_give_back", give_back)


# --- Resources --------------------------------------------------------------------------------------------------------


@mutant("idempotency keys are not remembered")
def _(patch: Patch) -> None:
    patch.setattr(idempotency, "remember", nothing)


@mutant("the expected generation is not looked at")
def _(patch: Patch) -> None:
    patch.setattr(generations, "check_generation", nothing)
    patch.setattr(history, "check_generation", nothing)


@mutant("the transaction of an apply does not check again what it refers to")
def _(patch: Patch) -> None:
    patch.setattr(Generations, "check_references", lambda self, connection, manifest, pending=frozenset(): [])


@mutant("a set of documents is stored one by one: half of it may be there")
def _(patch: Patch) -> None:
    async def apply_all(self: Any, requests: Any, *, key: str | None = None) -> Any:
        prepared = await self._prepare(requests)
        results: list[Any] = []
        for one in prepared:
            results += await self._store.write(self._store_all, [one], None)
        return results

    patch.setattr(Resources, "apply_all", apply_all)


@mutant("an unchanged document is stored again")
def _(patch: Patch) -> None:
    numbers = iter(range(10**9))
    patch.setattr(Generations, "digest", lambda self, document: f"d{next(numbers)}")


@mutant("an update leaves no event")
def _(patch: Patch) -> None:
    real = records.add_event
    patch.setattr(
        records, "add_event", lambda c, at, uid, kind, *rest: kind == "updated" or real(c, at, uid, kind, *rest)
    )


@mutant("deleting ignores what depends on it")
def _(patch: Patch) -> None:
    patch.setattr(records, "dependents", lambda connection, key: [])


@mutant("a Resource goes before its runs have ended")
def _(patch: Patch) -> None:
    async def delete(self: Any, view: Any) -> bool:
        await self._store.write(self._stop_runs, view)
        return True

    patch.setattr(WorkflowController, "delete", delete)


@mutant("an accepted deletion is not carried out")
def _(patch: Patch) -> None:
    async def delete(self: Any, controller: Any, view: Any) -> Outcome:
        return Outcome()

    patch.setattr(units.ResourceUnits, "_delete", delete)


@mutant("sealed values outlive their Resource")
def _(patch: Patch) -> None:
    patch.setattr(Vault, "destroy", nothing)


@mutant("secret values are stored as they came")
def _(patch: Patch) -> None:
    patch.setattr(Generations, "_seal", lambda self, connection, manifest, document: document)


@mutant("upkeep forgets deleted Resources too early")
def _(patch: Patch) -> None:
    real = Upkeep._purge
    patch.setattr(
        Upkeep, "_purge", staticmethod(lambda connection, before: real(connection, before + 29 * 86_400_000_000))
    )


@mutant("a look at an old generation says that the newest is active")
def _(patch: Patch) -> None:
    real = units.ResourceUnits._write

    def write(self: Any, connection: Any, view: Any, observed: Any) -> None:
        real(self, connection, view, observed)
        r = tables.resources
        connection.execute(r.update().where(r.c.uid == view.uid).values(status=observed.status))

    patch.setattr(units.ResourceUnits, "_write", write)


# --- ticks ------------------------------------------------------------------------------------------------------------


@mutant("a tick makes no run")
def _(patch: Patch) -> None:
    patch.setattr(ticks, "start", nothing)


@mutant("the schedule does not move on with the run of its tick")
def _(patch: Patch) -> None:
    numbers = iter(range(10**9))
    real = ticks.apply_plan

    def apply_plan(
        connection: Any, uid: str, generation: int, spec: Any, planned: Any, new_id: Any, now_us: int
    ) -> bool:
        if planned.due.tick_us is None or next(numbers) % 2:
            return real(connection, uid, generation, spec, planned, new_id, now_us)
        trigger = f"tick:{planned.due.tick_us}"
        if workflow_records.run_by_trigger(connection, uid, trigger) is None:
            ticks.start(connection, uid, generation, spec, trigger, new_id, now_us)
        return True

    patch.setattr(ticks, "apply_plan", apply_plan)


@mutant("the concurrency policy is ignored")
def _(patch: Patch) -> None:
    patch.setattr(ticks, "admit", lambda connection, uid, spec, now_us: "")


@mutant("a replacing run begins before the replaced one has ended; re-runs overlap")
def _(patch: Patch) -> None:
    patch.setattr(runs, "_holder", lambda connection, row, scheduled: None)


@mutant("every tick that was missed is left out, also the newest")
def _(patch: Patch) -> None:
    real = timers.decide_due

    def decide_due(timing: Any, next_us: int | None, now_us: int) -> Any:
        due = real(timing, next_us, now_us)
        late = due.tick_us is not None and now_us - due.tick_us > 5_000_000
        return timers.Due(None, due.missed + 1, due.next_us) if late else due

    patch.setattr(ticks, "decide_due", decide_due)


@mutant("missed ticks are not counted")
def _(patch: Patch) -> None:
    real = timers.decide_due

    def decide_due(timing: Any, next_us: int | None, now_us: int) -> Any:
        due = real(timing, next_us, now_us)
        return timers.Due(due.tick_us, 0, due.next_us)

    patch.setattr(ticks, "decide_due", decide_due)


@mutant("schedules know no time zones")
def _(patch: Patch) -> None:
    real = timers.next_tick
    patch.setattr(
        ticks, "next_tick", lambda timing, after: real(timers.Timing(timing.cron, "UTC", timing.end_us), after)
    )


@mutant("a pause holds no ticks")
def _(patch: Patch) -> None:
    real = ticks.pause

    def pause(connection: Any, uid: str, actor: str, now_us: int) -> bool:
        before = ticks.row(connection, uid)
        changed = real(connection, uid, actor, now_us)
        if before is not None:
            s = tables.schedules
            connection.execute(s.update().where(s.c.uid == uid).values(next_at=before.next_at))
        return changed

    patch.setattr(ticks, "pause", pause)
    real_plan = ticks.plan

    def plan_(found: Any, schedule: Any, now_us: int) -> Any:
        class Awake:
            next_at, timing, last_at, paused_at = (
                (found.next_at, found.timing, found.last_at, None) if found else (None,) * 4
            )

        return real_plan(Awake if found is not None else None, schedule, now_us)

    patch.setattr(ticks, "plan", plan_)
    real_apply = ticks.apply_plan

    def apply_plan(
        connection: Any, uid: str, generation: int, spec: Any, planned: Any, new_id: Any, now_us: int
    ) -> bool:
        if planned.due.tick_us is not None:
            ticks.start(connection, uid, generation, spec, f"tick:{planned.due.tick_us}", new_id, now_us)
        return real_apply(connection, uid, generation, spec, planned, new_id, now_us)

    patch.setattr(ticks, "apply_plan", apply_plan)


# --- runs and jobs ----------------------------------------------------------------------------------------------------


@mutant("jobs do not wait for their dependencies")
def _(patch: Patch) -> None:
    real = plan.plan_next

    def plan_next(jobs: Any, states: Any, stopping: bool, paused: bool = False) -> Any:
        step = real(jobs, states, stopping, paused)
        if step.state in plan.RUN_ENDED or paused or stopping or step.skip:
            return step
        ready = tuple(j.name for j in jobs if states[j.name] is JobState.WAITING)
        return plan.Next(ready, step.skip, step.state, step.reason)

    patch.setattr(runs, "plan_next", plan_next)


@mutant("a job begins although its Workflow is paused")
def _(patch: Patch) -> None:
    patch.setattr(workflow_records, "is_paused", lambda connection, row: False)


@mutant("a resume does not reach runs that are nodes of other Workflows")
def _(patch: Patch) -> None:
    patch.setattr(workflow_records, "held_runs", workflow_records.open_runs)


@mutant("one retry too many")
def _(patch: Patch) -> None:
    real = plan.should_retry
    for module in (runs, nested):
        patch.setattr(
            module, "should_retry", lambda retry, failure, tries, elapsed: real(retry, failure, tries - 1, elapsed)
        )


@mutant("no retries")
def _(patch: Patch) -> None:
    patch.setattr(runs, "should_retry", lambda retry, failure, tries, elapsed: False)


@mutant("lost attempts of jobs with outside effects are started again")
def _(patch: Patch) -> None:
    real = Attempts._record_plan

    def record(connection: Any, attempt_id: Any, planned: Any, lease: Any) -> None:
        from dataclasses import replace

        real(connection, attempt_id, replace(planned, rerunnable=True), lease)

    patch.setattr(Attempts, "_record_plan", staticmethod(record))


@mutant("an apply is answered before it is on the disk")
def _(patch: Patch) -> None:
    real = SimulatedStore._call

    async def call(self: Any, write: bool, fn: Any, args: Any, kwargs: Any, *, deferred: bool = False) -> Any:
        return await real(self, write, fn, args, kwargs, deferred=deferred or fn.__name__ == "_store_all")

    patch.setattr(SimulatedStore, "_call", call)


@mutant("a failed answer of the store counts as a failed attempt")
def _(patch: Patch) -> None:
    from dataos.workloads import attempts

    real = attempts.Attempts.settle

    async def settle(self: Any, row: Any, observation: Any, lease: Any, stopping: bool, also: Any, locate: Any) -> Any:
        from dataos.core.errors import DataOSError

        try:
            return await real(self, row, observation, lease, stopping, also, locate)
        except DataOSError as error:
            settled = attempts.Settled(attempts.Ending.ERROR, error.problem.message)
            end = attempts._End(row, observation, {}, lease, settled, also)
            await self._store.write(self._fail, end)
            return settled

    patch.setattr(attempts.Attempts, "settle", settle)
    patch.setattr(attempts, "OPEN", frozenset({*attempts.OPEN, attempts.AttemptState.SUCCEEDED}))


@mutant("what may have been started after all is left running")
def _(patch: Patch) -> None:
    async def start(self: Any, attempt_id: Any, launch: Any) -> None:
        await self._runner.start(attempt_id, launch)

    patch.setattr(Attempts, "_start", start)


@mutant("a stop does not forbid a start that is under way")
def _(patch: Patch) -> None:
    patch.setattr(Attempts, "forbid", Attempts.observe)


@mutant("the token of an ended attempt stays good")
def _(patch: Patch) -> None:
    patch.setattr(Identities, "revoke_attempt", nothing)


@mutant("slots of attempts that are not this server's any more stay taken")
def _(patch: Patch) -> None:
    patch.setattr(Admissions, "retain", nothing)
    patch.setattr(Admissions, "tidy", nothing_later)


@mutant("the slot of an ended attempt stays taken")
def _(patch: Patch) -> None:
    patch.setattr(Admissions, "release", nothing)


@mutant("the end of a nested run is not heard by its node")
def _(patch: Patch) -> None:
    def after_end(self: Any, connection: Any, row: Any, now: int) -> None:
        for waiting in workflow_records.open_runs(connection, row.uid):
            work.wake(connection, f"run:{waiting.id}", now)

    patch.setattr(runs.RunUnits, "_after_end", after_end)


@mutant("pruning forgets runs that go on")
def _(patch: Patch) -> None:
    def prune(connection: Any, uid: str, keep_succeeded: int, keep_failed: int) -> None:
        r = tables.runs
        query = sa.select(r.c.id).where(r.c.uid == uid, r.c.parent.is_(None)).order_by(r.c.created_at.desc()).offset(2)
        for run_id in connection.execute(query).scalars().all():
            workflow_records._forget(connection, run_id)

    patch.setattr(workflow_records, "prune", prune)


@mutant("a re-run's key is not looked at: a repeated call runs twice")
def _(patch: Patch) -> None:
    real = verbs.Verbs.ask
    numbers = iter(range(10**9))

    async def ask(self: Any, key: Any, asked: Any) -> Any:
        from dataclasses import replace

        return await real(self, key, replace(asked, key=asked.key and f"{asked.key}-{next(numbers)}"))

    patch.setattr(verbs.Verbs, "ask", ask)


SEEN = {
    "a lease is not checked before a write: two holders write over each other": 18,
    "a lost server's units stay bound to it": 12,
    "any server may look at a job whose process runs on another": 12,
    "a Resource goes before its runs have ended": 20,
    "sealed values outlive their Resource": 10,
    "upkeep forgets deleted Resources too early": 13,
    "the concurrency policy is ignored": 10,
    "schedules know no time zones": 22,
    "a resume does not reach runs that are nodes of other Workflows": 74,
    "no retries": 4,
    "what may have been started after all is left running": 17,
    "slots of attempts that are not this server's any more stay taken": 135,
    "a re-run's key is not looked at: a repeated call runs twice": 65,
    "a started server does not look at what was due later": 4,
    "a clock that was set back is not noticed": 25,
    "idempotency keys are not remembered": 17,
    "the transaction of an apply does not check again what it refers to": 9,
    "deleting ignores what depends on it": 24,
    "a look at an old generation says that the newest is active": 17,
    "the schedule does not move on with the run of its tick": 10,
    "a replacing run begins before the replaced one has ended; re-runs overlap": 12,
    "missed ticks are not counted": 10,
    "a pause holds no ticks": 10,
    "a job begins although its Workflow is paused": 4,
    "lost attempts of jobs with outside effects are started again": 4,
    "a failed answer of the store counts as a failed attempt": 22,
    "pruning forgets runs that go on": 20,
}
"""The first seed that sees it, where others do not: tried first, to spare time. A change of the steps' drawing makes
another one."""
