"""Single faults at single moments, that the simulator found first: each of these was a bug."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dataos.control import reconciler
from simulation import steps
from simulation.disk import Disk
from simulation.manifests import CRONS, Doc, JobDoc, RetryRule, key_of
from simulation.model import Call
from simulation.mutants import MUTANTS
from simulation.steps import Step
from simulation.weather import STARTS, Climate
from simulation.world import World

QUIET = Climate(
    alone=True,
    machines=1,
    start=STARTS[0],
    cpus=4.0,
    store_faults=0.0,
    lost_rings=0.0,
    start_faults=0.0,
    crashes=0.0,
    slow=0.002,
    stuck=0.0,
    failing=0.0,
)
A = JobDoc("a")


@pytest.fixture(scope="module")
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.close()


Worlds = Callable[..., "contextmanager[World]"]


@pytest.fixture
def worlds(disk: Disk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconciler, "POLL_S", 15.0)

    @contextmanager
    def make(**climate: object) -> Iterator[World]:
        from dataclasses import replace

        world = World(disk, 1, climate=replace(QUIET, **climate), keep_trace=True)
        end = "fails" if world.climate.failing else "ok"
        world.weather.fate = lambda key: (end, 0.5)
        with world.living():
            yield world
            world.calm()
        assert world.faults == [], "\n".join(world.traced)

    return make


def apply(world: World, name: str, *jobs: JobDoc, **more: object) -> None:
    refers = tuple(key_of("workflow", j.target) for j in jobs if j.target)
    doc = Doc("workflow", name, f"{name}.{len(world.calls)}", jobs, refers=refers, **more)
    world.model.docs[doc.marker] = doc
    life = world.life(0)
    assert life is not None
    call = Call(len(world.calls), "apply", doc.key, [doc])
    world.call(life, call, life.resources.apply_all([steps._request(call, doc)]))


def do(world: World, verb: str, name: str, **args: object) -> None:
    """A verb of a Workflow, or `delete`."""
    whole = {
        "at": 0,
        "verb": verb,
        "type": "workflow",
        "name": name,
        "idem": "",
        "from_failed": False,
        "expect": "",
        **args,
    }
    steps.perform(world, Step("delete" if verb == "delete" else "verb", 100 + len(world.calls), whole))


def attempts(world: World) -> list[tuple[str, str]]:
    return [(a.id.partition("-")[2], a.state) for a in world.model.runs.attempts.values()]


def test_a_success_whose_answer_was_lost_is_a_success(worlds):
    with worlds() as world:
        world.weather.scripted["Attempts._succeed"] = ["after"]
        apply(world, "w0", JobDoc("a", retry=RetryRule(3, "Always", 0)), JobDoc("b", ("a",)))
        world.loop.advance(120)
        assert attempts(world) == [("a-1", "succeeded"), ("b-1", "succeeded")]


def test_a_failure_whose_answer_was_lost_is_one_failure(worlds):
    with worlds(failing=1.0) as world:
        world.weather.scripted["Attempts._fail"] = ["after", "after"]
        apply(world, "w0", A)
        world.loop.advance(120)
        assert len(attempts(world)) == 1


@pytest.mark.parametrize("fault", ["slow", "late", "refused"])
def test_a_start_that_was_given_up_never_runs_beside_the_next_one(worlds, fault):
    with worlds() as world:
        world.weather.scripted["start"] = [fault]
        apply(world, "w0", JobDoc("a", retry=RetryRule(3, "Always", 0)))
        world.loop.advance(60)
        ended = [state for _, state in attempts(world)]
        assert ended[-1] == "succeeded"
        assert len(world.model.runs.started) == 1


def test_a_start_that_was_given_up_by_a_server_that_died_is_no_stop(worlds):
    """Its process is told to end, and before that is written down its server dies: nobody stopped the run."""
    with worlds() as world:
        life = world.life(0)

        async def start_and_miss_it(key, launch):
            world.machines["m0"].start(key, launch)
            world.machines["m0"].end(world.machines["m0"].processes[key], "stopped")
            life.kill()
            raise asyncio.CancelledError

        life.runner.start = start_and_miss_it
        apply(world, "w0", JobDoc("a", retry=RetryRule(3, "Always", 0)))
        world.loop.advance(5)
        world.machines["m0"].begin_life()
        world.loop.advance(60)
        assert [state for _, state in attempts(world)][-1] == "succeeded"
        assert "aborted" not in [state for _, state in attempts(world)]


def test_a_failed_start_that_was_cut_off_can_still_succeed(worlds):
    """What an attempt holds is dropped with the transaction that ends it, not before: a successor may yet publish."""
    with worlds() as world:
        world.weather.scripted["start"] = ["refused"]
        world.weather.scripted["Attempts._fail"] = ["before"]
        apply(world, "w0", A)
        world.loop.advance(60)
        assert attempts(world) == [("a-1", "succeeded")]


def test_a_resume_reaches_runs_that_are_nodes_of_others(worlds):
    with worlds() as world:
        apply(world, "w1", A)
        world.loop.advance(10)
        do(world, "run", "w1")
        world.loop.advance(0.001)
        do(world, "pause", "w1")
        world.loop.advance(5)
        apply(world, "w0", JobDoc("n", target="w1"))
        world.loop.advance(5)
        assert any(r.open and r.parent for r in world.model.runs.runs.values())
        do(world, "resume", "w1")
        world.loop.advance(60)
        assert not any(r.open for r in world.model.runs.runs.values())


def test_a_paused_workflow_that_is_deleted_holds_nobody_for_ever(worlds):
    with worlds() as world:
        apply(world, "w1", A)
        world.loop.advance(10)
        do(world, "run", "w1")
        world.loop.advance(0.001)
        do(world, "pause", "w1")
        world.loop.advance(5)
        apply(world, "w0", JobDoc("n", target="w1"))
        world.loop.advance(5)
        do(world, "delete", "w1", force=True)
        world.loop.advance(60)
        assert not any(r.open for r in world.model.runs.runs.values())


def test_retries_do_not_wait_for_a_clock_that_was_set_back(worlds):
    with worlds(failing=1.0) as world:
        apply(world, "w0", JobDoc("a", retry=RetryRule(1, "Always", 30)))
        world.loop.advance(10)
        assert len(attempts(world)) == 1
        world.machines["m0"].offset_us -= 86_400_000_000
        world.loop.advance(90)
        assert len(attempts(world)) == 2


def test_a_start_after_the_clock_was_set_back_looks_at_everything(worlds):
    with worlds(failing=1.0) as world:
        apply(world, "w0", JobDoc("a", retry=RetryRule(1, "Always", 30)))
        world.loop.advance(10)
        machine = world.machines["m0"]
        machine.life.kill()
        machine.offset_us -= 86_400_000_000
        machine.begin_life()
        world.loop.advance(90)
        assert len(attempts(world)) == 2


def test_a_start_finds_what_was_reckoned_by_a_clock_that_was_ahead_though_nothing_was_said_since(worlds):
    """The newest event is older than the time to which the clock was set back."""
    with worlds() as world:
        world.weather.fate = lambda key: ("ok", 7200.0)
        machine = world.machines["m0"]
        life = world.life(0)
        write = life.store.write

        async def write_and_die(fn, /, *args, **kwargs):
            answer = await write(fn, *args, **kwargs)
            if fn.__name__ == "_succeed":  # the run is due now, and nobody has looked at it
                life.kill()
                raise asyncio.CancelledError
            return answer

        life.store.write = write_and_die
        apply(world, "w0", A)
        world.loop.advance(7210)
        machine.offset_us -= 3600_000_000
        machine.begin_life()
        world.loop.advance(60)
        (run,) = world.model.runs.runs.values()
        assert not run.open


def test_a_clock_that_is_set_back_before_the_first_round_of_a_start_delays_nothing(worlds):
    with worlds() as world:
        apply(world, "w0", A)
        while world.pending:
            world.loop.advance(0.0005)
        machine = world.machines["m0"]
        machine.life.kill()  # nobody has looked at it yet
        assert attempts(world) == []
        machine.begin_life()
        life = machine.life
        write = life.store.write

        async def slow(fn, /, *args, **kwargs):
            answer = await write(fn, *args, **kwargs)
            if fn.__name__ == "take_over":
                machine.offset_us -= 86_400_000_000
            return answer

        life.store.write = slow
        world.loop.advance(30)
        assert attempts(world) == [("a-1", "succeeded")]


def test_what_waited_for_the_store_while_the_clock_was_set_back_is_not_late(worlds):
    with worlds() as world:
        fates = [("fails", 5.0), ("ok", 0.5)]
        world.weather.fate = lambda key: fates.pop(0)
        apply(world, "w0", JobDoc("a", retry=RetryRule(1, "OnFailure", 20)))
        world.loop.advance(4)
        world.weather.waits["end_look"] = [30.0, 30.0]  # when to try again is reckoned, and written much later
        world.loop.advance(6)
        assert attempts(world) == [("a-1", "failed")]
        world.machines["m0"].offset_us -= 36_000_000_000
        world.loop.advance(120)
        assert attempts(world) == [("a-1", "failed"), ("a-2", "succeeded")]


def test_a_tick_that_was_due_when_its_clock_was_set_back_is_dealt_with(worlds):
    with worlds() as world:
        apply(world, "w0", A, cron=CRONS[0])
        world.loop.advance(5)
        world.weather.waits["WorkflowController._tick.<locals>.write"] = [1.0]
        before = len(world.model.runs.runs)
        while world.weather.waits["WorkflowController._tick.<locals>.write"]:
            world.loop.advance(0.1)
        world.machines["m0"].jump(-30_000_000)
        world.loop.advance(2)
        assert len(world.model.runs.runs) == before + 1
        world.loop.advance(60)  # until its clock has come there again


def test_the_next_job_begins_at_once_on_sqlite(worlds):
    with worlds(slow=0.0) as world:
        apply(world, "w0", A, JobDoc("b", ("a",)), JobDoc("c", ("b",)))
        world.loop.advance(2.0)  # far below the interval of polling
        assert [state for _, state in attempts(world)] == ["succeeded"] * 3


@pytest.mark.parametrize("what", ["stop", "pause"])
def test_a_job_does_not_begin_in_a_run_that_was_held_while_it_asked_for_its_slot(worlds, what):
    with worlds(cpus=1.0) as world:
        life = world.life(0)
        ask, held = life.admissions.ask, []

        async def ask_and_meanwhile(demand, unit):
            decision = await ask(demand, unit)
            if not held:
                held.append(what)
                do(world, what, "w0")
                await asyncio.sleep(0.5)  # it is answered before the attempt is stored
            return decision

        life.admissions.ask = ask_and_meanwhile
        apply(world, "w0", A)
        world.loop.advance(5)
        assert world.calls[-1].outcome == "done"
        assert attempts(world) == []


def test_a_run_that_was_asked_for_keeps_its_workflow_from_being_collected(worlds):
    with worlds(slow=0.01) as world:
        apply(world, "w0", A)
        world.loop.advance(20)
        steps.perform(world, Step("collect", 50, {"at": 0, "older_s": 0.0}))
        do(world, "run", "w0")
        world.loop.advance(30)
        run = next(c for c in world.calls if c.verb == "run")
        if run.outcome == "done":  # else the collection was first
            assert key_of("workflow", "w0") in world.model.living


def test_a_stop_ends_what_runs(worlds):
    with worlds() as world:
        world.weather.stop_fate = lambda grace_s: ("stopped", 1.0)
        world.weather.fate = lambda key: ("ok", 3600.0)
        apply(world, "w0", A, JobDoc("b", ("a",)))
        world.loop.advance(5)
        do(world, "stop", "w0")
        world.loop.advance(20)
        assert attempts(world) == [("a-1", "aborted")]
        assert [r.state for r in world.model.runs.runs.values()] == ["aborted"]


def test_a_server_that_was_cut_off_ends_what_others_took_over(worlds):
    with worlds(alone=False, machines=2) as world:
        lengths = [3600.0, 0.5]
        world.weather.fate = lambda key: ("ok", lengths.pop(0))
        apply(world, "w0", A)
        world.loop.advance(5)
        (process,) = world.model.runs.started.values()
        machine = process.machine.id
        world.cut.add(machine)
        world.weather.cut_off.add(machine)
        world.loop.advance(2 * world.ttl_s)
        assert attempts(world) == [("a-1", "lost"), ("a-2", "succeeded")]
        assert process.alive, "nobody there knows yet"
        world.weather.cut_off.discard(machine)
        world.loop.advance(world.ttl_s)
        assert not process.alive
        assert world.machines[machine].life.up


def test_a_server_whose_sign_of_life_hangs_ends_what_others_took_over(worlds):
    with worlds(alone=False, machines=2) as world:
        lengths = [3600.0, 0.5]
        world.weather.fate = lambda key: ("ok", lengths.pop(0))
        apply(world, "w0", A)
        world.loop.advance(5)
        (process,) = world.model.runs.started.values()
        other = next(m for m in world.machines.values() if m is not process.machine)
        other.life.freeze(7.0, silent=False)  # so that the next sign of life is the machine's whose process runs
        world.weather.waits["beat"] = [2 * world.ttl_s]
        world.loop.advance(2)  # it is under way
        process.machine.life.freeze(50.0, silent=False)  # so that the other one is first to look at the attempt
        world.loop.advance(1.5 * world.ttl_s - 2)
        assert attempts(world) == [("a-1", "lost"), ("a-2", "succeeded")]
        assert process.alive, "it still waits for the store"
        world.loop.advance(world.ttl_s)
        assert not process.alive
        assert process.machine.life.up


def test_a_repeated_run_is_one_though_the_first_was_forgotten_meanwhile(worlds):
    with worlds() as world:
        apply(world, "w0", A)
        world.loop.advance(5)
        do(world, "run", "w0", idem="new")
        world.loop.advance(5)
        (first,) = world.calls[-1].answer["runs"]
        for _ in range(5):  # more than are kept
            do(world, "run", "w0", idem="new")
            world.loop.advance(5)
        assert first not in world.model.runs.runs
        made = len(world.model.runs.triggers)
        again = world.calls[1]
        do(world, "run", "w0", key=again.idempotency)
        world.loop.advance(5)
        assert world.calls[-1].answer == {**again.answer, "result": "unchanged"}
        assert len(world.model.runs.triggers) == made


def test_a_stop_reaches_nested_runs(worlds):
    with worlds() as world:
        world.weather.fate = lambda key: ("ok", 3600.0)
        apply(world, "w0", JobDoc("n", inner=(JobDoc("m", inner=(A,)),)))
        world.loop.advance(5)
        do(world, "stop", "w0")
        world.loop.advance(20)
        assert [r.state for r in world.model.runs.runs.values()] == ["aborted"] * 3


def test_a_look_that_was_too_slow_gives_no_token_to_an_ended_attempt(worlds):
    with worlds() as world:
        life = world.life(0)
        write, held = life.store.write_deferred, []

        async def slow(fn, /, *args, **kwargs):
            if fn.__name__ == "_credentials" and not held:
                held.append(fn)
                world.disk.raw.execute("UPDATE work SET lease_until = 0")  # somebody else looks meanwhile
                do(world, "stop", "w0")
                await asyncio.sleep(20)
            return await write(fn, *args, **kwargs)

        life.store.write_deferred = slow
        apply(world, "w0", A)
        world.loop.advance(60)
        assert held
        assert attempts(world) == [("a-1", "aborted")]


def test_a_start_whose_permission_came_late_does_not_happen(worlds):
    """The store's answer is long on its way; the others give this server up meanwhile and begin the next try."""
    with worlds(alone=False, machines=2) as world:
        apply(world, "w0", A)
        held = []
        for machine in world.machines.values():
            store = machine.life.store

            async def late(fn, /, *args, write=store.write, machine=machine.id, **kwargs):
                answer = await write(fn, *args, **kwargs)
                if fn.__name__ == "_record_plan" and not held:
                    held.append(machine)
                    world.weather.cut_off.add(machine)
                    await asyncio.sleep(2 * world.ttl_s)
                    world.weather.cut_off.discard(machine)
                    await asyncio.sleep(world.ttl_s)
                return answer

            store.write = late
        world.loop.advance(10 * world.ttl_s)
        assert held
        assert [a for a in attempts(world) if a[1] == "succeeded"] == [("a-2", "succeeded")]
        assert list(world.model.runs.started) == [k for k in world.model.runs.started if k.endswith("-a-2")]


def test_a_start_that_comes_after_the_stop_of_its_run_does_not_happen(worlds):
    """A look that is slow lost its lease; meanwhile another one ends the attempt that the first is about to start."""
    with worlds() as world:
        runner = world.life(0).runner
        start, held = runner.start, []

        async def slow(key, launch):
            if not held:
                held.append(key)
                world.disk.raw.execute("UPDATE work SET lease_until = 0")
                do(world, "stop", "w0")
                await asyncio.sleep(20)
            await start(key, launch)

        runner.start = slow
        apply(world, "w0", A)
        world.loop.advance(60)
        assert held
        assert attempts(world) == [("a-1", "aborted")]
        assert not world.model.runs.started


def test_a_server_that_was_given_up_keeps_what_nobody_has_looked_at_yet(worlds):
    with worlds(alone=False) as world:
        world.weather.fate = lambda key: ("ok", 60.0)
        apply(world, "w0", A)
        world.loop.advance(5)
        raw = world.disk.raw
        raw.execute("UPDATE servers SET state = 'lost'")
        raw.execute("UPDATE work SET server = NULL, lease_owner = NULL, lease_until = NULL")
        world.loop.advance(world.ttl_s)
        bound = raw.execute("SELECT count(*) FROM work WHERE unit LIKE 'job:%' AND server IS NOT NULL").fetchone()
        assert bound[0] == 1
        world.loop.advance(120)
        assert attempts(world) == [("a-1", "succeeded")]


def test_a_look_that_began_while_paused_does_not_end_the_schedule_of_a_resumed_one(worlds):
    with worlds() as world:
        apply(world, "w0", A, cron=CRONS[0])
        world.loop.advance(5)
        do(world, "pause", "w0")
        world.loop.advance(5)
        world.disk.raw.execute("UPDATE schedules SET timing = ''")  # as if paused before its first tick was reckoned
        life = world.life(0)
        write, held = life.store.write, []

        async def slow(fn, /, *args, **kwargs):
            if fn.__qualname__.startswith("WorkflowController._tick") and not held:
                held.append(fn)
                do(world, "resume", "w0")
                await asyncio.sleep(2)
            return await write(fn, *args, **kwargs)

        life.store.write = slow
        apply(world, "w0", A, cron=CRONS[0])
        world.loop.advance(30)
        assert held
        (timer,) = world.model.runs.timers.values()
        assert timer.next_at is not None


SEEN_HERE = {
    "what was reckoned before the clock was set back and is written after that stays late": (
        test_what_waited_for_the_store_while_the_clock_was_set_back_is_not_late
    ),
    "a stop does not forbid a start that is under way": (
        test_a_start_that_comes_after_the_stop_of_its_run_does_not_happen
    ),
}
"""Mutants that next to no seed sees, and the scenario that does."""


@pytest.mark.parametrize("name", SEEN_HERE)
def test_a_scenario_sees(name, worlds, monkeypatch):
    MUTANTS[name](monkeypatch)
    with pytest.raises(AssertionError):
        SEEN_HERE[name](worlds)
