"""pause, resume, stop, re-run, run: what people ask of a Workflow beside applying it (ch01 8.3, ch03 2.2).

Each is one transaction over what the loop reads (a paused schedule, a run that is to stop, a new run), so that it holds
whatever dies next. Repeating pause or resume changes nothing; nor does a call with the same idempotency key, for a day
(`control.idempotency`), whatever happened in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from dataos.control import idempotency
from dataos.control.records import add_event, find, may_read_reports, summary, thing, without_reports
from dataos.control.units import Manifests
from dataos.core.addresses import ResourceKey
from dataos.core.bell import Bell
from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.kinds.workflow import describing, owners, records, ticks
from dataos.kinds.workflow.controller import WorkflowController
from dataos.kinds.workflow.plan import RUN_ENDED, JobState, RunState
from dataos.kinds.workflow.spec import WorkflowSpec
from dataos.store import tables, work
from dataos.store.database import Store

_r = tables.resources


class Verb(StrEnum):
    """What may be asked of a Workflow."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    RERUN = "re-run"
    RUN = "run"


DONE = {
    Verb.PAUSE: "paused",
    Verb.RESUME: "resumed",
    Verb.STOP: "stopped",
    Verb.RERUN: "re-run",
    Verb.RUN: "run",
}


@dataclass(frozen=True)
class Asked:
    """One call. `from_failed`: only what did not succeed in the newest run; `key`: repeats are one."""

    verb: Verb
    principal: Principal
    from_failed: bool = False
    key: str | None = None

    def call(self, uid: str) -> idempotency.Call | None:
        """What its key stands for: this verb of this Resource, by this caller."""
        if self.key is None:
            return None
        return idempotency.Call(f"{self.verb} {uid} {self.key}", str(self.verb), self.principal.user_id)


class Verbs:
    """One per server."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, bell: Bell, manifests: Manifests, controller: WorkflowController
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._bell = bell
        self._manifests = manifests
        self._controller = controller

    async def ask(self, key: ResourceKey, asked: Asked) -> dict[str, Any]:
        """Do it. Returns {verb, result, resource, runs: [ids]}; result: done | unchanged.

        Raises DataOSError `kind.no_runtime` for other types, `resource.not_found`, `auth.forbidden`, `run.conflict`
        where there is nothing to pause or stop, the Workflow is paused, or its policy forbids another run now.
        """
        if key.type != "workflow":
            raise fail(
                "kind.no_runtime",
                f"type {key.type} cannot be {DONE[asked.verb]}",
                hint="only workflows can",
                type=key.type,
                name=key.name,
            )
        while True:
            row = await self._store.read(self._find, key)
            about = await self._store.read(thing, row)
            action = f"{asked.verb} {summary(row)['id']}"
            rules.require_own(asked.principal, row.owner, action, rules.MANAGE, about)
            manifest = await self._manifests.get(row.uid, row.generation)
            answer = await self._store.write(self._ask, key, row, manifest.spec, asked)
            if answer is not None:
                break
        self._bell.ring()
        return {"verb": str(asked.verb), "resource": summary(row)["id"], **answer}

    @staticmethod
    def _find(connection: sa.Connection, key: ResourceKey) -> Any:
        row = find(connection, key)
        if row is None or row.deleting_at is not None:
            where = f" in workspace {key.workspace}"
            raise fail("resource.not_found", f"no workflow `{key.name}`{where}", type=key.type, name=key.name)
        return row

    def _ask(
        self, connection: sa.Connection, key: ResourceKey, row: Any, spec: WorkflowSpec, asked: Asked
    ) -> dict[str, Any] | None:
        """None if the Workflow was deleted, and made anew, since its manifest was read."""
        if self._find(connection, key).uid != row.uid:
            return None
        now = self._clock.now_us()
        call = asked.call(row.uid)
        known = idempotency.known(connection, call) if call is not None else None
        if known is not None:
            return {"result": "unchanged", "runs": known["runs"]}
        match asked.verb:
            case Verb.PAUSE:
                answer = self._pause(connection, row, spec, asked, now)
            case Verb.RESUME:
                answer = self._resume(connection, row, now)
            case Verb.STOP:
                answer = self._stop(connection, row, now)
            case Verb.RERUN | Verb.RUN:
                answer = self._run(connection, row, spec, asked, now)
        if answer["result"] != "unchanged":
            data = {"verb": str(asked.verb), "runs": answer["runs"], "id": summary(row)["id"]}
            add_event(connection, now, row.uid, f"runtime.{asked.verb}", asked.principal.user_id, data)
            work.wake(connection, f"resource:{row.uid}", now)
        if call is not None:
            idempotency.remember(connection, call, {"runs": answer["runs"]}, now)
        return answer

    def _pause(self, connection: sa.Connection, row: Any, spec: WorkflowSpec, asked: Asked, now: int) -> dict[str, Any]:
        going_on = records.open_runs(connection, row.uid)
        if spec.schedule is None and not going_on:
            raise _conflict(row, "there is nothing to pause: it has no schedule, and nothing runs")
        changed = ticks.pause(connection, row.uid, asked.principal.user_id, now)
        return _answer(changed, going_on)

    def _resume(self, connection: sa.Connection, row: Any, now: int) -> dict[str, Any]:
        changed = ticks.resume(connection, row.uid)
        going_on = records.open_runs(connection, row.uid)
        for run in records.held_runs(connection, row.uid) if changed else ():
            records.wake_tree(connection, run, now)
        return _answer(changed, going_on)

    @staticmethod
    def _stop(connection: sa.Connection, row: Any, now: int) -> dict[str, Any]:
        going_on = records.open_runs(connection, row.uid)
        if not going_on:
            raise _conflict(row, "there is nothing to stop: no run is going on")
        for run in going_on:
            records.stop_run(connection, run, now)
        return _answer(True, going_on)

    def _run(self, connection: sa.Connection, row: Any, spec: WorkflowSpec, asked: Asked, now: int) -> dict[str, Any]:
        run_id = self._ids.run_id()
        trigger = f"{asked.verb}:{asked.key or run_id}"
        known = records.run_by_trigger(connection, row.uid, trigger)
        if known is not None:
            return _answer(False, [known])
        timer = ticks.row(connection, row.uid)
        if timer is not None and timer.paused_at is not None:
            raise _conflict(row, "it is paused: a run would not begin", "resume it first: dataos runtime resume")
        if barred := owners.barred(connection, row.uid):
            raise _conflict(row, barred, f"enable it first: dataos user enable -i {row.owner}")
        going_on = records.open_runs(connection, row.uid)
        if spec.schedule is None and going_on:
            text = f"run {going_on[0].id} is still {going_on[0].state}"
            raise _conflict(row, text, "wait for its end, or stop it first: dataos runtime stop")
        refused = ticks.admit(connection, row.uid, spec, now)
        if refused:
            raise _conflict(row, refused, "wait for its end, or stop it first: dataos runtime stop")
        taken = _taken_over(connection, row, spec) if asked.from_failed else None
        records.insert_run(connection, run_id, row.uid, row.generation, trigger, spec, now, taken_over=taken)
        work.wake(connection, f"run:{run_id}", now)
        # Before the first look, too: whoever waits for its end must not take the last run's for it.
        connection.execute(_r.update().where(_r.c.uid == row.uid).values(runtime=str(RunState.PENDING)))
        return {"result": "done", "runs": [run_id]}

    # --- history ----------------------------------------------------------------------------------------------------

    async def history(self, key: ResourceKey, principal: Principal, limit: int, before: str | None) -> dict[str, Any]:
        """A page of runs, newest first: {items, next}. `before`: the id to go on from. Raises `auth.forbidden`."""
        row = await self._row(key)
        reports = await self._check_read(row, principal)
        items = await self._store.read(describing.history, row.uid, limit, before)
        shown = items if reports else without_reports({"runs": items})["runs"]
        return {"items": shown, "next": items[-1]["id"] if len(items) == limit else None}

    async def one(self, key: ResourceKey, run_id: str, principal: Principal) -> dict[str, Any]:
        """One run with its nodes, as `get runtime` shows the newest. Raises `auth.forbidden`, `run.not_found`."""
        row, run = await self._of(key, run_id)
        reports = await self._check_read(row, principal)
        manifest = await self._manifests.get(run.uid, run.generation)
        found = await self._store.read(describing.describe, row.uid, manifest.spec, run_id)
        return {**summary(row, reports=reports), **(found if reports else without_reports(found))}

    async def _check_read(self, row: sa.Row[Any], principal: Principal) -> bool:
        """May somebody read what its jobs reported, too? Raises `auth.forbidden` for who may not know of its runs."""
        about = await self._store.read(thing, row)
        rules.require_own(principal, row.owner, f"read {summary(row)['id']}", rules.READ, about)
        return may_read_reports(principal, row.owner, about)

    async def log(
        self,
        key: ResourceKey,
        run_id: str,
        principal: Principal,
        node: str | None,
        tail: int,
        after: Mapping[str, int],
    ) -> dict[str, Any]:
        """Logs of one run, in the form of the newest run's. Raises `auth.forbidden`, `run.not_found`."""
        row, run = await self._of(key, run_id)
        about = await self._store.read(thing, row)
        rules.require_own(principal, row.owner, f"read the logs of {summary(row)['id']}", rules.READ_LOG, about)
        return await self._controller.log_of(run, key.name, node, tail, after)

    async def _row(self, key: ResourceKey) -> sa.Row[Any]:
        row = await self._store.read(find, key)
        if row is None:
            raise fail("resource.not_found", f"no {key.type} `{key.name}` in workspace {key.workspace}")
        if key.type != "workflow":
            raise fail("kind.no_runtime", f"type {key.type} has no runs", type=key.type, name=key.name)
        return row

    async def _of(self, key: ResourceKey, run_id: str) -> tuple[sa.Row[Any], sa.Row[Any]]:
        row = await self._row(key)
        run = await self._store.read(records.run, run_id)
        if run is None or run.uid != row.uid:
            raise fail("run.not_found", f"workflow {key.name} has no run `{run_id}`", hint="dataos get runs lists them")
        return row, run


def _answer(changed: bool, runs: list[Any]) -> dict[str, Any]:
    return {"result": "done" if changed else "unchanged", "runs": [run.id for run in runs]}


def _conflict(row: Any, text: str, hint: str = "") -> Exception:
    return fail("run.conflict", f"{summary(row)['id']}: {text}", hint=hint, type=row.type, name=row.name)


def _taken_over(connection: sa.Connection, row: Any, spec: WorkflowSpec) -> dict[str, str]:
    """Jobs that succeeded in the newest run, with that run's id. Raises `run.conflict` where that means nothing."""
    newest = records.newest_run(connection, row.uid)
    if newest is None or newest.state not in RUN_ENDED:
        raise _conflict(row, "there is no ended run to go on from")
    if newest.generation != row.generation:
        text = f"it has changed since run {newest.id}: what that run did may not fit any more"
        raise _conflict(row, text, "re-run all of it: leave --from-failed out")
    done = {j.name: newest.id for j in records.jobs(connection, newest.id) if j.state == JobState.SUCCEEDED}
    if len(done) == len(spec.jobs):
        raise _conflict(row, f"all jobs of run {newest.id} succeeded", "re-run all of it: leave --from-failed out")
    return done
