"""Schedules over time: what runs, what is caught up, what never runs twice. The clock is the test's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from dataos.core.clock import ManualClock
from dataos.core.errors import DataOSError
from dataos.kinds.workflow import describing, ticks
from dataos.kinds.workflow.plan import JobState
from dataos.kinds.workflow.runs import Kept
from dataos.kinds.workflow.verbs import Asked, Verb
from dataos.store import tables, work
from integration.workflow.world import START, World, world
from support.principals import principal

JOB = "{stack: script, compute: runnable-default, stackSpec: {script: 'pass'}}"
HOURLY = "{cron: '0 * * * *'}"


def manifest(schedule: str | None = HOURLY, name: str = "w", dag: str = f"[{{name: a, spec: {JOB}}}]") -> str:
    timing = f"schedule: {schedule}, " if schedule else ""
    return f"name: {name}\nversion: v1\ntype: workflow\nworkflow: {{{timing}dag: {dag}}}\n"


def lives(tmp_path, test: Callable[[World], Awaitable[None]], **options) -> None:
    async def main() -> None:
        async with world(tmp_path, **options) as made:
            await test(made)

    asyncio.run(main())


@pytest.mark.acceptance("ch01-AS05")
def test_between_runs_the_runtime_is_the_next_tick(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest("{cron: 0 2 * * *, timezone: Asia/Kolkata}"))
        assert await w.runtime() == "next:2030-01-02T02:00:00+05:30"
        assert await w.runs() == []
        await w.advance(24 * 3600)
        assert await w.runtime() == "next:2030-01-03T02:00:00+05:30"
        assert [r["state"] for r in await w.runs()] == ["succeeded"]

    lives(tmp_path, test)


def test_whoever_was_away_for_days_catches_up_once(tmp_path):
    clock = ManualClock(START)

    async def before(w: World) -> None:
        await w.apply(manifest())
        await w.advance(3600)
        assert await w.ticks() == ["01T01:00"]

    async def after(w: World) -> None:
        await w.settle()
        assert await w.ticks() == ["01T01:00", "04T05:00"]
        assert (await w.events("tick.missed"))[0]["missed"] == 75
        assert await w.runtime() == "next:2030-01-04T06:00:00+00:00"

    lives(tmp_path, before, clock=clock)
    clock.advance(3 * 86400 + 4 * 3600 + 1200)
    lives(tmp_path, after, clock=clock, seed=2)


def test_whatever_the_clock_does_no_tick_runs_twice_and_none_runs_early(tmp_path):
    """Random jumps forth and back, doubled wake-ups, restarts."""
    clock, chance = ManualClock(START), random.Random(7)
    seen: list[str] = []

    async def life(w: World) -> None:
        await w.apply(manifest("{cron: '*/7 * * * *'}"))
        for _ in range(40):
            step = chance.choice([5, 60, 420, 421, 3600, 90_000, -300, -4000])
            await w.advance(step)
            if chance.random() < 0.5:
                await w.wake()
            for r in (await w.runs())[len(seen) :]:
                seen.append(r["scheduled"])
                assert datetime.fromisoformat(r["scheduled"]) <= w.now()
        assert len(seen) == len(set(seen))
        assert seen == sorted(seen)

    for seed in range(3):
        lives(tmp_path, life, clock=clock, seed=seed + 1)
    assert len(seen) > 20


def test_in_ordinary_time_every_tick_runs(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest("{cron: '*/10 * * * *'}"))
        for _ in range(60):
            await w.advance(137)
        expected = [(START + timedelta(minutes=10 * i)).isoformat()[8:16] for i in range(1, 60 * 137 // 600 + 1)]
        assert await w.ticks() == expected

    lives(tmp_path, test)


def test_two_looks_at_the_same_tick_make_one_run(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        row = await w.row()
        spec = await w.spec()
        w.clock.advance(3600)
        now = w.clock.now_us()
        found = await w.store.read(ticks.row, row.uid)
        planned = ticks.plan(found, spec.schedule, now)
        made = [
            await w.store.write(ticks.apply_plan, row.uid, 1, spec, planned, w.resources.generations._ids.run_id, now)
            for _ in range(2)
        ]
        assert made == [True, False]
        await w.settle()
        assert await w.ticks() == ["01T01:00"]

    lives(tmp_path, test)


def test_a_changed_schedule_is_reckoned_from_now_and_the_same_one_is_not_disturbed(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        await w.advance(1800)
        await w.apply(manifest().replace("version: v1", "version: v1\ndescription: other"))
        assert await w.runtime() == "next:2030-01-01T01:00:00+00:00"
        await w.apply(manifest("{cron: '*/5 * * * *'}"))
        assert await w.runtime() == "next:2030-01-01T00:35:00+00:00"
        assert await w.runs() == []
        await w.apply(manifest(None))
        assert await w.runtime() == "succeeded"
        assert [r["trigger"] for r in await w.runs()] == ["apply"]
        w.clock.advance(7200)
        await w.apply(manifest("{cron: '*/5 * * * *'}"))
        assert await w.ticks() == []

    lives(tmp_path, test)


@pytest.mark.acceptance("ch03-AS03")
def test_after_the_end_nothing_comes_and_what_runs_goes_on(tmp_path):
    async def test(w: World) -> None:
        w.jobs.ends["a"] = None
        await w.apply(manifest("{cron: '0 * * * *', endOn: 2030-01-01T02:00:00Z}"))
        await w.advance(3600)
        await w.advance(2 * 3600)
        assert await w.ticks() == ["01T01:00"]
        assert await w.runtime() == "running"
        assert (await w.store.read(ticks.row, (await w.row()).uid)).next_at is None

    lives(tmp_path, test)


def test_paused_ticks_are_not_made_up_for(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        await w.ask(Verb.PAUSE)
        await w.advance(5.5 * 3600)
        assert await w.runtime() == "paused"
        with pytest.raises(DataOSError, match="it is paused"):
            await w.ask(Verb.RUN)
        await w.ask(Verb.RESUME)
        assert await w.runtime() == "next:2030-01-01T06:00:00+00:00"
        assert await w.ticks() == []
        assert (await w.ask(Verb.RESUME))["result"] == "unchanged"

    lives(tmp_path, test)


@pytest.mark.acceptance("ch03-AS04")
@pytest.mark.parametrize(
    ("policy", "states"),
    [("Allow", ["running"] * 3), ("Forbid", ["running"]), ("Replace", ["aborted", "aborted", "running"])],
)
def test_concurrency_policies(tmp_path, policy, states):
    async def test(w: World) -> None:
        w.jobs.ends["a"] = None
        await w.apply(manifest(f"{{cron: '0 * * * *', concurrencyPolicy: {policy}}}"))
        for _ in range(3):
            await w.advance(3600)
        assert [r["state"] for r in await w.runs()] == states
        assert len(await w.events("tick.skipped")) == (2 if policy == "Forbid" else 0)
        if policy == "Forbid":
            with pytest.raises(DataOSError, match="was still going on"):
                await w.ask(Verb.RUN)

    lives(tmp_path, test)


def test_runs_that_hang_do_not_pile_up_for_ever(tmp_path):
    async def test(w: World) -> None:
        w.jobs.ends["a"] = None
        await w.apply(manifest("{cron: '* * * * *'}"))
        for _ in range(ticks.MAX_OPEN + 3):
            await w.advance(60)
        assert len(await w.runs()) == ticks.MAX_OPEN
        assert "no more than 100 at once" in (await w.events("tick.skipped"))[-1]["reason"]

    lives(tmp_path, test)


def test_only_so_many_ended_runs_are_kept_and_a_forgotten_one_does_not_come_again(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest(None))
        for _ in range(4):
            await w.ask(Verb.RERUN)
            w.clock.advance(1)
        w.jobs.ends["a"] = JobState.FAILED
        for _ in range(4):
            await w.ask(Verb.RERUN)
            w.clock.advance(1)
        assert [r["state"] for r in await w.runs()] == ["succeeded"] * 2 + ["failed"] * 3
        await w.apply(manifest(None), rerun=True)
        await w.ask(Verb.RERUN)
        before = [(r["id"], r["trigger"]) for r in await w.runs()]
        assert "apply" not in dict(before).values()
        for _ in range(3):
            await w.wake()
        assert [(r["id"], r["trigger"]) for r in await w.runs()] == before

    lives(tmp_path, test, kept=Kept(2, 3))


def test_a_repeated_call_with_the_same_key_is_one_run(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        first = await w.ask(Verb.RUN, key="k1")
        again = await w.ask(Verb.RUN, key="k1")
        assert (first["result"], again["result"]) == ("done", "unchanged")
        assert first["runs"] == again["runs"]
        assert len(await w.runs()) == 1

    lives(tmp_path, test)


def test_a_run_that_was_asked_for_is_under_way_before_anybody_looked_at_it(tmp_path):
    """Whoever asks for a run and waits for its end must not take the end of the run before for it."""

    async def test(w: World) -> None:
        await w.apply(manifest(None))
        assert await w.runtime() == "succeeded"
        await w.verbs.ask(w.key, Asked(Verb.RUN, w.principal))
        assert await w.runtime() == "pending"
        await w.settle()
        assert await w.runtime() == "succeeded"

    lives(tmp_path, test)


def test_a_re_run_that_is_applied_while_one_goes_on_waits_for_it(tmp_path):
    async def test(w: World) -> None:
        w.jobs.ends["a"] = None
        await w.apply(manifest(None))
        await w.apply(manifest(None), rerun=True)
        first, second = await w.runs()
        assert (first["state"], second["state"]) == ("running", "pending")
        assert second["reason"] == f"waits for run {first['id']} to end"
        w.jobs.ends["a"] = JobState.SUCCEEDED
        await w.store.write(work.wake, f"job:{first['id']}/a", w.clock.now_us())
        await w.settle()
        assert [r["state"] for r in await w.runs()] == ["succeeded", "succeeded"]

    lives(tmp_path, test)


def test_ten_thousand_idle_schedules_cost_nothing(tmp_path):
    """A look for due work touches due rows only."""

    async def test(w: World) -> None:
        await w.apply(manifest())
        row = await w.row()
        future = w.clock.now_us() + 10**12
        rows = [
            {
                "unit": f"resource:{i}", "due_at": future + i, "lease_owner": None, "lease_until": None, "fence": 0,
                "wakes": 1, "failures": 0, "error": "",
            }
            for i in range(10_000)
        ]  # fmt: skip
        await w.store.write(lambda c: c.execute(tables.work.insert(), rows))
        for _ in range(5):
            assert await w.store.write(work.claim, "test", w.clock.now_us(), 1, 64) == []
            assert await w.store.read(work.next_due, w.clock.now_us()) is not None
        await w.advance(3600)
        assert await w.ticks() == ["01T01:00"]
        assert (
            await w.store.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(tables.work)).scalar())
            == 10_001
        )
        assert row is not None

    lives(tmp_path, test)


# --- nested -----------------------------------------------------------------------------------------------------------

INNER = f"{{name: inner, version: v1, type: workflow, workflow: {{dag: [{{name: x, spec: {JOB}}}]}}}}"


def test_a_node_is_retried_as_a_whole_after_its_delay(tmp_path):
    dag = f"[{{name: n, file: f, manifest: {INNER}, retry: {{count: 1, duration: 30s}}}}]"

    async def test(w: World) -> None:
        w.jobs.ends["x"] = JobState.FAILED
        await w.apply(manifest(None, dag=dag))
        assert await w.runtime() == "running"
        await w.advance(29)
        assert await w.runtime() == "running"
        w.jobs.ends["x"] = JobState.SUCCEEDED
        await w.advance(2)
        assert await w.runtime() == "succeeded"
        rows = await w.store.read(lambda c: c.execute(sa.select(tables.runs.c.trigger, tables.runs.c.state)).all())
        assert sorted(r.state for r in rows) == ["failed", "succeeded", "succeeded"]

    lives(tmp_path, test)


def test_a_pause_holds_what_is_nested_too(tmp_path):
    inner = INNER.replace("]}}", f", {{name: y, dependencies: x, spec: {JOB}}}]}}}}")
    dag = f"[{{name: n, file: f, manifest: {inner}}}]"

    async def test(w: World) -> None:
        w.jobs.ends["x"] = None
        await w.apply(manifest(None, dag=dag))
        await w.ask(Verb.PAUSE)
        w.jobs.ends["x"] = JobState.SUCCEEDED
        runs = await w.store.read(
            lambda c: c.execute(sa.select(tables.runs).where(tables.runs.c.parent.is_not(None))).all()
        )
        await w.store.write(work.wake, f"job:{runs[0].id}/x", w.clock.now_us())
        await w.settle()
        jobs = await w.store.read(lambda c: dict(c.execute(sa.select(tables.jobs.c.name, tables.jobs.c.state)).all()))
        assert jobs == {"n": "running", "x": "succeeded", "y": "waiting"}
        await w.ask(Verb.RESUME)
        assert await w.runtime() == "succeeded"

    lives(tmp_path, test)


def test_a_named_workflow_that_is_gone_fails_its_node(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest(None, name="other"))
        await w.apply(manifest(None, dag="[{name: n, workflow: other}]"))
        assert await w.runtime() == "succeeded"
        await w.resources.delete(
            w.key.__class__("workflow", "other", "public"), w.principal.user_id, force=True, wait_s=0
        )
        await w.settle()
        await w.ask(Verb.RERUN)
        assert await w.runtime() == "failed"
        assert "there is no" in (await w.runs())[-1]["reason"]

    lives(tmp_path, test)


def test_who_does_not_own_a_workflow_may_not_stop_it(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        w.principal = principal("eve")
        for verb in Verb:
            with pytest.raises(DataOSError) as caught:
                await w.ask(verb)
            assert caught.value.problem.code == "auth.forbidden"
        assert await w.runtime() == "next:2030-01-01T01:00:00+00:00"

    lives(tmp_path, test)


def test_a_clock_that_went_back_and_a_changed_schedule_do_not_bring_a_tick_again(tmp_path):
    async def test(w: World) -> None:
        await w.apply(manifest())
        await w.advance(5 * 3600)
        assert await w.ticks() == ["01T05:00"]
        shown = await w.store.read(describing.describe, (await w.row()).uid, await w.spec())
        assert shown["schedule"]["last"] == "2030-01-01T05:00:00+00:00"
        w.clock.advance(-3 * 3600)
        await w.apply(manifest("{cron: '*/30 * * * *'}"))
        assert await w.runtime() == "next:2030-01-01T05:30:00+00:00"
        await w.advance(3 * 3600)
        assert await w.ticks() == ["01T05:00"]

    lives(tmp_path, test)
