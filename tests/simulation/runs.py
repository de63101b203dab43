"""What must hold of runs, jobs, attempts and ticks, change by change. Plain dictionaries; fed by the commits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulation.disk import Change
from simulation.manifests import Doc, JobDoc, RetryRule

if TYPE_CHECKING:
    from simulation.machines import Process
    from simulation.servers import Life
    from simulation.world import World

RUN_ENDED = {"succeeded", "failed", "aborted"}
JOB_ENDED = {"succeeded", "failed", "aborted", "skipped"}
MAX_LOST = 5
_RETRIED = {
    "Always": {"failed", "error", "transient"},
    "OnFailure": {"failed", "error", "transient"},
    "OnError": {"error", "transient"},
    "OnTransientError": {"transient"},
}
_STEPS = {
    "waiting": {"pending", "skipped"},
    "pending": {"running", "aborted", "succeeded", "failed", "skipped"},
    "running": {"pending", "succeeded", "failed", "aborted"},
}


@dataclass
class Attempt:
    id: str
    run: str
    job: str
    server: str
    state: str = "launching"
    reason: str = ""


@dataclass
class Job:
    doc: JobDoc
    state: str
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    tries: int = 0  # of a nested Workflow


@dataclass
class Run:
    id: str
    uid: str
    generation: int
    trigger: str
    parent: str | None
    order: int
    doc: Doc
    state: str = "pending"
    stopping: bool = False
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])

    @property
    def open(self) -> bool:
        return self.state not in RUN_ENDED


@dataclass(frozen=True)
class Timer:
    timing: str
    next_at: int | None
    last_at: int | None
    paused: bool


class Runs:
    """Runs of all Workflows. `doc_of(uid, generation)` is what their manifest means."""

    def __init__(self, world: World, doc_of: Callable[[str, int], Doc | None]) -> None:
        self._world = world
        self._doc_of = doc_of
        self.runs: dict[str, Run] = {}
        self.attempts: dict[str, Attempt] = {}
        self.triggers: dict[tuple[str, str], int] = {}  # when each made its run, in true time
        self._made = 0
        self.timers: dict[str, Timer] = {}
        self.started: dict[str, Process] = {}

    def _must(self, condition: object, text: str) -> None:
        if not condition:
            self._world.fault("runs", text)

    # --- questions ----------------------------------------------------------------------------------------------------

    def open_runs(self, uid: str) -> list[Run]:
        """Runs of its own that go on."""
        return [r for r in self.runs.values() if r.uid == uid and r.parent is None and r.open]

    def ancestors(self, run: Run) -> list[Run]:
        """The run and those whose node it is."""
        found = [run]
        while found[-1].parent is not None:
            found.append(self.runs[found[-1].parent.partition("/")[0]])
        return found

    def paused(self, run: Run) -> bool:
        return any(self.timers[r.uid].paused for r in self.ancestors(run) if r.uid in self.timers)

    # --- changes ------------------------------------------------------------------------------------------------------

    def changed(self, life: Life, change: Change, events: list[Any]) -> None:
        """One change of a commit; `events` are those of the same commit: (kind, uid, data)."""
        match change:
            case ("runs+", id_, uid, generation, trigger, parent, path):
                self._new_run(id_, uid, generation, trigger, parent, path)
            case ("runs-", id_, *_):
                run = self.runs.pop(id_)
                self._must(not run.open, f"run {id_} was forgotten while it was {run.state}")
            case ("runs.state", id_, before, after, *_):
                self._run_state(self.runs[id_], before, after, events)
            case ("runs.stopping", id_, _, after, *_):
                self.runs[id_].stopping = bool(after)
            case ("jobs+", run_id, name, state, *_):
                run = self.runs[run_id]
                doc = next(j for j in run.doc.jobs if j.name == name)
                self._must(state in ("waiting", "succeeded"), f"job {name} of {run_id} begins as {state}")
                run.jobs[name] = Job(doc, state)
            case ("jobs.state", run_id, name, before, after, reason, *_):
                self._job_state(self.runs[run_id], self.runs[run_id].jobs[name], before, after, reason or "")
            case ("attempts+", id_, run_id, name, number, server, *_):
                self._new_attempt(id_, self.runs[run_id], name, number, server)
            case ("attempts.state", id_, before, after, reason, *_):
                self._attempt_state(self.attempts[id_], before, after, reason or "")
            case ("schedules+" | "schedules.next_at" | "schedules.paused_at" | "schedules.timing", uid, *rest):
                self._timer(life, uid, Timer(rest[0], rest[1], rest[2], rest[3] is not None), events)
            case _:
                raise AssertionError(change)

    def _new_run(self, id_: str, uid: str, generation: int, trigger: str, parent: str | None, path: str | None) -> None:
        doc = self._doc_of(uid, generation)
        assert doc is not None, (uid, generation)
        kind, _, detail = trigger.partition(":")
        before = self.triggers.get((uid, trigger))
        forgotten = before is not None and detail.startswith("key-") and not self._world.model.keeps_key(before)
        self._must(before is None or forgotten, f"{doc.name}: trigger {trigger} made a second run, {id_}")
        self.triggers[uid, trigger] = self._world.true_us()
        self._made += 1
        inner = Doc(doc.type, doc.name, doc.marker, doc.at(path), doc.cron, doc.policy)
        if parent is None:
            going_on = self.open_runs(uid)
            if doc.cron is not None and kind != "nested":
                if doc.policy == "Forbid" and kind in ("tick", "run", "re-run") and not _by_apply(trigger):
                    ids = [r.id for r in going_on]
                    self._must(not going_on, f"{doc.name}: {trigger} began beside {ids} (Forbid)")
                if doc.policy == "Replace" and not _by_apply(trigger):
                    others = [r.id for r in going_on if not r.stopping]
                    self._must(not others, f"{doc.name}: {trigger} replaces nothing of {others}")
            if kind == "tick":
                tick = int(detail)
                self._must(doc.cron is not None, f"{doc.name} has no schedule, and yet a run {trigger}")
                if doc.cron is not None:
                    real = doc.cron.next(tick - 1) == tick
                    self._must(real, f"{doc.name}: {trigger} is no tick of `{doc.cron.cron}` in {doc.cron.zone}")
                now = max(m.lately_us() for m in self._world.machines.values())
                early = tick - max(now, self._world.true_us())
                self._must(early <= 0, f"{doc.name}: {trigger} came {early / 1e6} s too early")
                timer = self.timers.get(uid)
                self._must(timer is None or not timer.paused, f"{doc.name}: {trigger} while paused")
                if timer is not None and timer.last_at is not None:
                    self._must(tick > timer.last_at, f"{doc.name}: {trigger} after {timer.last_at}")
        self.runs[id_] = Run(id_, uid, generation, trigger, parent, self._made, inner)

    def _run_state(self, run: Run, before: str, after: str, events: list[Any]) -> None:
        self._must(before == run.state and before not in RUN_ENDED, f"run {run.id}: {before} -> {after}")
        run.state = after
        told = any(kind == f"run.{after}" and data.get("run") == run.id for kind, _, data in events)
        self._must(told, f"run {run.id} is {after}: no event says so")
        if after not in RUN_ENDED:
            return
        states = {name: job.state for name, job in run.jobs.items()}
        self._must(all(s in JOB_ENDED for s in states.values()), f"run {run.id} is {after} with jobs {states}")
        found = set(states.values())
        right = "failed" if "failed" in found else "succeeded" if found == {"succeeded"} else "aborted"
        fine = after == right or (after == "aborted" and run.stopping and right == "succeeded")  # stopped too late
        self._must(fine, f"run {run.id} is {after} with jobs {states}")
        if after == "aborted":
            self._must(run.stopping or "aborted" in found, f"run {run.id} is aborted: nobody stopped it: {states}")

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def _job_state(self, run: Run, job: Job, before: str, after: str, reason: str) -> None:
        what = f"job {job.doc.name} of {run.doc.name} run {run.id}"
        self._must(before == job.state, f"{what}: the model has {job.state}, the store had {before}")
        self._must(after in _STEPS.get(before, set()), f"{what}: {before} -> {after}")
        if before == "waiting" and after == "pending":
            self._may_begin(run, job, what)
        if after == "running" and job.doc.nested:
            self._may_begin(run, job, what)
            self._may_try_again(job, what, job.tries)
            job.tries += 1
        if after == "succeeded" and not job.doc.dry and not job.doc.nested:
            fine = job.attempts and job.attempts[-1].state == "succeeded"
            self._must(fine, f"{what} succeeded without an attempt that did")
        if after == "succeeded" and job.doc.nested:
            child = self._child(run, job)
            self._must(child is not None and child.state == "succeeded", f"{what} succeeded, its run did not")
        if before == "running" and after == "failed" and not job.doc.nested:
            last = job.attempts[-1]
            again = self._wants_retry(job, last)
            self._must(not again or run.stopping, f"{what} failed for good ({last.reason}): {job.doc.retry} was left")
        if after == "aborted":
            child = self._child(run, job) if job.doc.nested else None
            fine = run.stopping or any(r.stopping for r in self.ancestors(run)) or "stopped" in reason
            self._must(fine or child is not None, f"{what} was aborted: nobody stopped it")
        job.state = after

    def _may_begin(self, run: Run, job: Job, what: str) -> None:
        missing = [d for d in job.doc.after if run.jobs[d].state != "succeeded"]
        self._must(not missing, f"{what} begins before {missing}")
        self._must(run.open, f"{what} begins in a run that is {run.state}")
        self._must(not run.stopping, f"{what} begins in a run that is being stopped")
        self._must(not self.paused(run), f"{what} begins while its Workflow is paused")
        top = self.ancestors(run)[-1]
        older = [r for r in self.open_runs(top.uid) if r.order < top.order]
        scheduled = top.doc.cron is not None
        held = [r.id for r in older if r.stopping or not scheduled]
        if top.state == "pending":
            self._must(not held, f"{what} begins before run {held} ended")

    def _child(self, run: Run, job: Job) -> Run | None:
        parent = f"{run.id}/{job.doc.name}"
        found = [r for r in self.runs.values() if r.parent == parent]
        return max(found, key=lambda r: r.order, default=None)

    @staticmethod
    def _rule(job: Job) -> RetryRule:
        return job.doc.retry or RetryRule(0, "OnFailure", 0)

    def _may_try_again(self, job: Job, what: str, tries: int) -> None:
        rule = self._rule(job)
        self._must(tries <= rule.count, f"{what} is tried {tries + 1} times, retry {rule}")

    def _wants_retry(self, job: Job, last: Attempt) -> bool:
        rule = self._rule(job)
        lost = sum(a.state == "lost" for a in job.attempts)
        if last.state == "lost" and lost <= MAX_LOST:
            return True
        return len(job.attempts) - lost <= rule.count and self._failure(last) in _RETRIED[rule.strategy]

    def _failure(self, attempt: Attempt) -> str:
        process = self.started.get(attempt.id)
        if attempt.reason.startswith("cannot start") and "took too long" in attempt.reason:
            return "transient"  # before it began
        if process is None or process.fate in ("lost", "orphaned") or process.alive:
            return "error"
        if attempt.reason.startswith(("cannot start", "its server was lost", "its supervisor was killed")):
            return "error"
        return "transient" if process.fate == "transient" else "failed"

    # --- attempts -------------------------------------------------------------------------------------------------------

    def _new_attempt(self, id_: str, run: Run, name: str, number: int, server: str) -> None:
        job = run.jobs[name]
        what = f"attempt {id_} of {run.doc.name}"
        self._must(number == len(job.attempts) + 1, f"{what}: number {number} after {len(job.attempts)}")
        before = [a.id for a in job.attempts if a.state in ("launching", "running")]
        self._must(not before, f"{what} begins beside {before}")
        self._must(not job.doc.dry, f"{what}: a dry run")
        self._may_begin(run, job, what)
        if job.attempts:
            self._must(self._wants_retry(job, job.attempts[-1]), f"{what}: no retry is left ({job.doc.retry})")
        attempt = Attempt(id_, run.id, name, server)
        job.attempts.append(attempt)
        self.attempts[id_] = attempt

    def _attempt_state(self, attempt: Attempt, before: str, after: str, reason: str) -> None:
        what = f"attempt {attempt.id}"
        self._must(before == attempt.state and before in ("launching", "running"), f"{what}: {before} -> {after}")
        attempt.state, attempt.reason = after, reason
        process = self.started.get(attempt.id)
        if after == "running":
            self._must(process is not None, f"{what} is running: no process was started")
            return
        if after == "succeeded":
            fine = process is not None and process.fate == "ok" and not process.alive
            self._must(fine, f"{what} succeeded: its process {process and process.fate}")
        if after == "lost":
            rerunnable = self.runs[attempt.run].jobs[attempt.job].doc.rerunnable
            self._must(rerunnable or process is None, f"{what} counts as lost: it may have had effects outside")
        if after == "aborted":
            run = self.runs[attempt.run]
            self._must(run.stopping, f"{what} was aborted: nobody stopped run {run.id}")
        if process is not None and process.alive:
            elsewhere = (
                process.machine.life is None or process.machine.life.silent or process.machine.id in self._world.cut
            )
            unsure = after != "succeeded" and (reason.startswith("cannot start") or "server" in reason)
            fine = elsewhere or unsure
            self._must(fine, f"{what} is {after} ({reason}): its process goes on")

    def process_started(self, process: Process) -> None:
        """A program begins on a machine: the only moment that has effects outside."""
        key = process.key
        attempt = self.attempts.get(key)
        self._must(key not in self.started, f"{key} was started twice")
        self.started[key] = process
        if attempt is None:
            self._must(False, f"{key} was started: there is no such attempt")
            return
        self._must(attempt.state == "launching", f"{key} was started: its attempt is {attempt.state}")
        self._must(
            attempt.server == process.machine.id, f"{key} was started on {process.machine.id}, not {attempt.server}"
        )
        prefix = key.rpartition("-")[0] + "-"
        beside = [
            p
            for p in self.started.values()
            if p.alive and p is not process and p.key.startswith(prefix) and p.machine.id not in self._world.cut
        ]
        self._must(not beside, f"{key} was started while {[p.key for p in beside]} runs")

    # --- ticks --------------------------------------------------------------------------------------------------------

    def _timer(self, life: Life, uid: str, new: Timer, events: list[Any]) -> None:
        old = self.timers.get(uid)
        self.timers[uid] = new
        if old is not None and old.paused != new.paused:
            verb = "pause" if new.paused else "resume"
            told = any(kind == f"runtime.{verb}" and who == uid for kind, who, _ in events)
            self._must(told, f"{uid} is {verb}d: no event says so")
        doc = self._world.model.doc_of_newest(uid)
        cron = doc.cron if doc is not None else None
        if old is None or cron is None or old.timing != new.timing or old.paused or new.paused or old.next_at is None:
            return
        if new.next_at == old.next_at and new.last_at == old.last_at:
            return
        name, now = doc.name if doc else uid, max(life.clock.now_us(), life.machine.lately_us())
        ticks: list[int] = []
        tick = old.next_at
        while (new.next_at is None or tick < new.next_at) and len(ticks) < 150:
            ticks.append(tick)
            tick = cron.next(tick)
        dealt = [t for t in ticks if t == new.last_at and new.last_at != old.last_at]
        missed = sum(data["missed"] for kind, who, data in events if kind == "tick.missed" and who == uid)
        right = len(dealt) + missed == len(ticks) or (missed >= 100 and len(ticks) > 100)
        self._must(
            right, f"{name}: ticks {ticks[:3]}.. ({len(ticks)}): {len(dealt)} dealt with, {missed} said to be missed"
        )
        for t in ticks:
            if t not in dealt:
                self._must(cron.next(t) <= now + 1_000_000, f"{name}: tick {t} was left out before its period passed")
        if dealt:
            ran = (uid, f"tick:{dealt[0]}") in self.triggers
            skipped = any(kind == "tick.skipped" and data["tick"] == dealt[0] for kind, _, data in events)
            self._must(ran != skipped, f"{name}: tick {dealt[0]} was dealt with: run {ran}, skipped {skipped}")
        if new.next_at is not None:
            self._must(
                cron.next(new.next_at - 1) == new.next_at, f"{name}: next {new.next_at} is no tick of `{cron.cron}`"
            )


def _by_apply(trigger: str) -> bool:
    """`re-run:<number>` of an apply with -r."""
    kind, _, detail = trigger.partition(":")
    return kind == "apply" or (kind == "re-run" and detail.isdigit())


def data_of(text: Any) -> dict[str, Any]:
    """An event's data."""
    return json.loads(text) if isinstance(text, str) else {}
