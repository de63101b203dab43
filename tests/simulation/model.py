"""What must hold of Resources and of answers: a sequential model, fed by the commits in their order.

A call's one transaction happens at one moment (or never): the model says what it must do then, whatever becomes of the
server and of the answer. What was answered must be what was done; what failed for a reason must have that reason.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataos.control.idempotency import KEPT_S
from dataos.core.errors import DataOSError
from simulation.disk import Change
from simulation.manifests import Doc
from simulation.runs import Runs, data_of

if TYPE_CHECKING:
    from simulation.machines import Process
    from simulation.servers import Life
    from simulation.world import World

_WRITERS = ("apply", "delete", "rollback")

CALL: ContextVar[Call | None] = ContextVar("simulation_call", default=None)

UNSURE = ("store.unavailable",)
"""Answers after which a caller does not know whether it happened."""


@dataclass
class Call:
    """One call of a client."""

    number: int
    verb: str
    key: str  # of the Resource it names
    docs: list[Doc] = field(default_factory=list[Doc])
    idempotency: str | None = None
    expected: int | None = None
    mode: str = "apply"
    rerun: bool = False
    force: bool = False
    to: int | None = None
    from_failed: bool = False
    life: str = ""
    outcome: str = ""  # done | refused | unsure, when it is over
    answer: Any = None
    error: DataOSError | None = None
    commits: int = 0
    result: Any = None  # of the transaction that was committed

    def __str__(self) -> str:
        more = " ".join(d.marker for d in self.docs)
        return f"call {self.number}: {self.verb} {self.key} {more}".rstrip()


@dataclass
class Known:
    """A Resource of the model."""

    uid: str
    key: str
    type: str
    generation: int = 0
    markers: dict[int, str] = field(default_factory=dict[int, str])
    living: bool = True
    deleting: bool = False
    deleted_us: int | None = None  # true time
    reruns: int = 0

    @property
    def marker(self) -> str:
        return self.markers[self.generation]


class Model:
    """The whole of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.docs: dict[str, Doc] = {}  # by marker
        self.resources: dict[str, Known] = {}
        self.living: dict[str, str] = {}  # key -> uid
        self.answers: dict[str, tuple[Call, Any, int]] = {}  # idempotency key -> the first call, its result, when
        self.asked: dict[tuple[str, str, str], tuple[list[str], int]] = {}  # runs by Resource, verb and idempotency key
        self.runs = Runs(world, self.doc_of)
        self.forced = False  # somebody deleted what others need
        self.last_event = 0

    def _must(self, condition: object, text: str) -> None:
        if not condition:
            self._world.fault("resources", text)

    # --- questions ----------------------------------------------------------------------------------------------------

    def _clocks_s(self) -> float:
        """By how much a duration measured by clocks of this world may differ from the true one, at most."""
        return max(abs(m.offset_us) for m in self._world.machines.values()) / 1e6 + self._world.jumped_s

    def keeps_key(self, since_us: int) -> bool:
        """Is an idempotency key still known that was first used then (true time)?"""
        return self._world.true_us() - since_us < (KEPT_S - self._clocks_s()) * 1_000_000

    def doc_of(self, uid: str, generation: int) -> Doc | None:
        known = self.resources.get(uid)
        return self.docs[known.markers[generation]] if known is not None else None

    def doc_of_newest(self, uid: str) -> Doc | None:
        known = self.resources.get(uid)
        return self.docs[known.marker] if known is not None and known.generation else None

    def find(self, key: str) -> Known | None:
        uid = self.living.get(key)
        return self.resources[uid] if uid is not None else None

    def kept(self, key: str) -> Known | None:
        """The newest deleted Resource of a key that can come back."""
        gone = [r for r in self.resources.values() if r.key == key and r.deleted_us is not None]
        return max(gone, key=lambda r: r.deleted_us or 0, default=None)

    def dependents(self, key: str, uid: str) -> list[str]:
        return [
            r.key
            for r in self.resources.values()
            if r.living and not r.deleting and r.uid != uid and r.generation and key in self.docs[r.marker].refers
        ]

    # --- commits ------------------------------------------------------------------------------------------------------

    def committed(self, life: Life, fn: Any, changes: list[Change], result: Any) -> None:
        """A unit of work is true now."""
        call = CALL.get()
        predicted = self._predict(call) if call is not None and call.commits == 0 else None
        if changes:
            self._world.trace(life.name, getattr(fn, "__qualname__", fn), [c[:5] for c in changes if c[0] != "events+"])
        events = [(c[3], c[2], data_of(c[5])) for c in changes if c[0] == "events+"]
        for change in changes:
            self._change(life, change, events, call)
        if call is None or call.verb in ("collect", "upkeep"):
            return
        if getattr(fn, "__qualname__", "") == "Verbs._ask" and result is None and not changes:
            return  # the Resource was made anew since it was read: it looks again
        call.commits += 1
        call.result = result
        self._must(call.commits == 1, f"{call} committed {call.commits} transactions")
        done = len([c for c in changes if c[0] == "generations+"])
        self._compare(call, predicted, result, done)

    def refused(self, life: Life, fn: Any, error: DataOSError) -> None:
        """A unit of work of a call was undone because of what it found: it must have found that."""
        call = CALL.get()
        if call is None or call.verb in ("collect", "upkeep"):
            return
        row = self.find(call.key)
        doc_keys = [d.key for d in call.docs]
        for problem in error.problems:
            code, right = problem.code, True
            match code:
                case "resource.generation_conflict":
                    now = row.generation if row is not None else 0
                    if row is None and call.verb == "rollback" and (old := self.kept(call.key)) is not None:
                        now = old.generation
                    right = call.expected is not None and call.expected != now
                case "resource.exists":
                    right = call.mode == "create" and row is not None
                case "resource.in_use":
                    right = row is not None and bool(self.dependents(call.key, row.uid))
                case "resource.conflict":
                    right = any((found := self.find(k)) is not None and found.deleting for k in doc_keys or [call.key])
                case "resource.not_found":
                    right = row is None or (row.deleting and call.verb not in _WRITERS)
                case "request.idempotency":
                    first = self.answers.get(call.idempotency or "")
                    right = first is not None and first[0].docs != call.docs
                case "resource.dependency":
                    wanted = [r for d in call.docs for r in d.refers] or [
                        r for m in (self._goal(call),) if m for r in self.docs[m].refers
                    ]
                    right = any((found := self.find(r)) is None or found.deleting for r in wanted)
                case "run.conflict" if "nothing to stop" in problem.message:
                    right = row is not None and not self.runs.open_runs(row.uid)
                case "run.conflict" if "it is paused" in problem.message:
                    right = row is not None and row.uid in self.runs.timers and self.runs.timers[row.uid].paused
                case _:
                    pass
            self._must(
                right, f"{call} was refused: {problem.message} (the model has generation {row and row.generation})"
            )

    def _goal(self, call: Call) -> str | None:
        """The marker that a rollback goes back to."""
        row = self.find(call.key) or self.kept(call.key)
        if row is None:
            return None
        goal = call.to or (row.generation - 1 if row.living else row.generation)
        return row.markers.get(goal)

    def _predict(self, call: Call) -> list[str] | str | None:
        """What the call's transaction must do now, if it does anything."""
        if call.verb == "apply":
            first = self.answers.get(call.idempotency or "")
            if first is not None:
                return "replay"
            actions: list[str] = []
            seen: dict[str, str] = {}
            for doc in call.docs:
                row = self.find(doc.key)
                marker = seen.get(doc.key) or (row.marker if row is not None else None)
                if marker == doc.marker:
                    actions.append("re-run" if call.rerun and doc.type == "workflow" else "unchanged")
                else:
                    actions.append("created" if marker is None else "updated")
                seen[doc.key] = doc.marker
            row = self.find(call.key)
            now = row.generation if row is not None else 0
            self._must(call.expected in (None, now), f"{call} was stored at generation {now}, expected {call.expected}")
            self._must(call.mode != "create" or row is None, f"{call}: create where something was")
            self._must(call.mode != "update" or row is not None, f"{call}: update where nothing was")
            for doc in call.docs:
                row = self.find(doc.key)
                self._must(row is None or not row.deleting, f"{call} was stored while it is being deleted")
                for ref in doc.refers:
                    target = self.find(ref)
                    here = ref in seen or (target is not None and not target.deleting)
                    self._must(here, f"{call} was stored without {ref}")
            return actions
        if call.verb == "delete":
            row = self.find(call.key)
            if row is None:
                return "nothing"
            holders = self.dependents(call.key, row.uid)
            if holders and call.force and not row.deleting:
                self.forced = True
            self._must(row.deleting or call.force or not holders, f"{call}: {holders} depend on it")
            self._must(row.deleting or call.expected in (None, row.generation), f"{call}: expected {call.expected}")
            return "deleting"
        if call.verb == "rollback":
            row = self.find(call.key)
            if row is None:
                return "undeleted"
            return "unchanged" if self._goal(call) == row.marker else "rolled-back"
        return None

    def _compare(self, call: Call, predicted: Any, result: Any, done: int) -> None:
        match call.verb:
            case "apply" if predicted == "replay":
                first, answer, at = self.answers[call.idempotency or ""]
                fresh = self.keeps_key(at)
                same = [r.to_json() for r in result] == answer
                self._must((done == 0 and same) or not fresh, f"{call} repeats {first}: {done} stored, same: {same}")
                if not same:  # forgotten after a day: this is the first call again
                    self.answers[call.idempotency or ""] = (call, [r.to_json() for r in result], self._world.true_us())
                    self._count_reruns(call, result)
            case "apply":
                actions = [r.action for r in result]
                self._must(actions == predicted, f"{call} did {actions}, not {predicted}")
                stored = sum(a in ("created", "updated") for a in actions)
                self._must(done == stored, f"{call} answered {actions} and stored {done} generations")
                if call.idempotency:
                    self.answers[call.idempotency] = (call, [r.to_json() for r in result], self._world.true_us())
                self._count_reruns(call, result)
            case "rollback":
                self._must(result["action"] == predicted, f"{call} did {result['action']}, not {predicted}")
                self._must(done == (predicted != "unchanged"), f"{call} stored {done} generations")
            case "run" | "re-run" if call.idempotency and (row := self.find(call.key)) is not None:
                asked = (row.uid, call.verb, call.idempotency)
                known, at = self.asked.setdefault(asked, (result["runs"], self._world.true_us()))
                same = result["runs"] == known or not self.keeps_key(at)
                self._must(same, f"{call} made {result['runs']}: {known} was made for its key before")
                if result["runs"] != known:
                    self.asked[asked] = (result["runs"], self._world.true_us())
            case "delete":
                self._must(result == (predicted != "nothing"), f"{call} answered {result}: {predicted}")
            case _:
                pass

    def _count_reruns(self, call: Call, result: Any) -> None:
        for doc, done in zip(call.docs, result, strict=True):
            if call.rerun and doc.type == "workflow" and done.action != "created":
                row = self.find(doc.key)
                assert row is not None
                row.reruns += 1

    def _change(self, life: Life, change: Change, events: list[Any], call: Call | None) -> None:
        what = change[0]
        if what == "events+":
            self._must(change[1] > self.last_event, f"event {change[1]} after {self.last_event}")
            self.last_event = change[1]
        elif what.startswith("resources") or what == "generations+":
            self._resource(change, events, call)
        else:
            self.runs.changed(life, change, events)

    def _resource(self, change: Change, events: list[Any], call: Call | None) -> None:
        uid: str = change[1]
        match change:
            case ("resources+", _, key, type_, *_):
                self._must(key not in self.living, f"{key} is there twice")
                self.resources[uid] = Known(uid, key, type_)
                self.living[key] = uid
            case ("resources-", *_):
                gone = self.resources.pop(uid)
                age_s = (self._world.true_us() - (gone.deleted_us or self._world.true_us())) / 1e6
                clocks = self._clocks_s()
                self._must(not gone.living, f"{gone.key} was purged while it lived")
                self._must(age_s > 30 * 86_400.0 - clocks - 1, f"{gone.key} was purged after {age_s:.0f} s")
            case ("generations+", _, generation, _, marker, *_):
                known = self.resources[uid]
                self._must(
                    generation == known.generation + 1, f"{known.key}: generation {generation} after {known.generation}"
                )
                known.generation = generation
                known.markers[generation] = marker
                told = [k for k, who, d in events if who == uid and d.get("generation") == generation]
                fine = told and told[0] in ("created", "updated", "rolled-back", "undeleted")
                self._must(fine, f"{known.key}: no event tells of generation {generation}")
                self._must(call is not None, f"{known.key}: generation {generation} from nobody")
                if call is not None and call.verb == "apply":
                    asked = [d.marker for d in call.docs if d.key == known.key]
                    self._must(marker in asked, f"{call} stored {marker} in {known.key}")
            case ("resources.live_key", _, before, after, *_):
                known = self.resources[uid]
                if after is None:
                    self._must(known.deleting, f"{known.key} went: nobody deleted it")
                    self._must(_tells(events, "deleted", uid), f"{known.key} went: no event says so")
                    open_runs = [r.id for r in self.runs.open_runs(uid)]
                    self._must(not open_runs, f"{known.key} went with open runs {open_runs}")
                    known.living, known.deleted_us = False, self._world.true_us()
                    self.living.pop(before)
                else:
                    self._must(after not in self.living, f"{after} is there twice")
                    self._must(_tells(events, "undeleted", uid), f"{known.key} came back: no event says so")
                    known.living, known.deleting, known.deleted_us = True, False, None
                    self.living[after] = uid
            case ("resources.deleting_at", _, _, after, *_):
                known = self.resources[uid]
                known.deleting = after is not None
                if after is not None:
                    self._must(_tells(events, "deleting", uid), f"{known.key} is to go: no event says so")
                    if call is None or call.verb != "delete":  # upkeep: one-shot Workflows that are over
                        doc = self.docs[known.marker]
                        self._must(doc.type == "workflow" and doc.cron is None, f"{known.key}: deleted by nobody")
                        going_on = [r.id for r in self.runs.open_runs(uid)]
                        self._must(not going_on, f"{known.key} was collected while {going_on} went on")
            case ("resources.generation", _, _, after, *_):
                pass  # compared with `generations+` at rest
            case ("resources.status", _, before, after, *_):
                if after not in ("pending", "deleted"):
                    self._must(
                        _tells(events, "status", uid), f"{self.resources[uid].key}: {before} -> {after} without event"
                    )
            case _:
                raise AssertionError(change)

    # --- answers --------------------------------------------------------------------------------------------------------

    def answered(self, call: Call) -> None:
        """A call is over: `outcome`, `answer` and `error` are set."""
        error = call.error
        if call.verb in ("collect", "upkeep", "plan"):
            return
        if call.outcome == "refused" and error is not None:
            self._must(call.commits == 0, f"{call} was refused ({error}) after it was done")
        if call.outcome == "done":
            if call.verb == "apply" and call.commits == 0:
                first = self.answers.get(call.idempotency or "")
                same = first is not None and [r.to_json() for r in call.answer] == first[1]
                self._must(same, f"{call} was answered: nothing was stored")
            elif call.verb == "apply":
                same = [r.to_json() for r in call.answer] == [r.to_json() for r in call.result]
                self._must(same, f"{call}: the answer is not what was done")
            elif call.verb in ("delete", "rollback"):
                self._must(call.commits == 1, f"{call} was answered: nothing was done")

    def process_started(self, process: Process) -> None:
        """See `Runs`."""
        self.runs.process_started(process)


def _tells(events: list[Any], kind: str, uid: str) -> bool:
    return any(k == kind and who == uid for k, who, _ in events)
