"""ch01-AS20 and ch01 5.3: what is over goes, by command or by itself; what runs, comes again or is new stays."""

from __future__ import annotations

import asyncio

import pytest

from dataos.control import records
from dataos.control.history import History
from dataos.control.upkeep import Upkeep
from dataos.core.addresses import ResourceKey
from dataos.core.bell import Bell
from dataos.core.errors import DataOSError
from dataos.core.ids import UserId
from dataos.kinds.workflow.plan import JobState
from dataos.store import tables
from integration.workflow.world import World, world
from support.principals import principal

DAY_S = 86_400.0
JOB = "{name: j, spec: {stack: script, compute: runnable-default, stackSpec: {script: pass}}}"


def text(name: str, *, schedule: str = "", layer: str = "user") -> str:
    timing = f"schedule: {{cron: '{schedule}', timezone: UTC}}, " if schedule else ""
    return (
        f"name: {name}\nversion: v1\ntype: workflow\nlayer: {layer}\nworkspace: public\n"
        f"workflow: {{{timing}dag: [{JOB}]}}\n"
    )


def upkeep(w: World, finished_days: float) -> Upkeep:
    return Upkeep(
        w.store,
        w.clock,
        w.resources,
        keep_finished_s=finished_days * DAY_S,
        keep_deleted_s=30 * DAY_S,
        keep_events_s=90 * DAY_S,
    )


async def delete_soon(w: World, call):
    """Deleting waits for the loop; here the loop is ours."""
    task = asyncio.create_task(call)
    while not task.done():
        await asyncio.sleep(0.01)
        await w.settle()
    return await task


async def living(w: World) -> set[str]:
    page, _ = await w.store.read(records.listing, records.Filter(type="workflow"), None, 100)
    return {item["name"] for item in page}


async def apply_all(w: World) -> None:
    await w.apply(text("done"))
    w.jobs.ends["j"] = JobState.FAILED
    await w.apply(text("broken"))
    w.jobs.ends["j"] = None
    await w.apply(text("running"))
    w.jobs.ends["j"] = JobState.SUCCEEDED
    await w.apply(text("nightly", schedule="0 3 * * *"))
    await w.apply(text("ours", layer="system"))


@pytest.mark.acceptance("ch01-AS20")
def test_collecting_garbage_removes_only_finished_one_shot_workflows_of_its_layer_and_age(tmp_path):
    async def main() -> None:
        async with world(tmp_path) as w:
            await apply_all(w)
            care = upkeep(w, finished_days=0)
            await w.advance(6 * DAY_S)
            assert await care.collect_garbage(w.principal, 7 * DAY_S, "user") == []
            await w.advance(1.5 * DAY_S)
            await w.apply(text("new"))
            removed = await delete_soon(w, care.collect_garbage(w.principal, 7 * DAY_S, "user"))
            assert sorted(removed) == ["workflow:v1:broken:public", "workflow:v1:done:public"]
            assert await living(w) == {"running", "nightly", "new", "ours"}
            assert await delete_soon(w, care.collect_garbage(w.principal, 7 * DAY_S, "system")) == [
                "workflow:v1:ours:public"
            ]

    asyncio.run(main())


def test_only_operators_collect_and_only_layers_that_there_are(tmp_path):
    async def main() -> None:
        async with world(tmp_path) as w:
            care = upkeep(w, finished_days=0)
            with pytest.raises(DataOSError) as caught:
                await care.collect_garbage(principal("ann"), DAY_S, "user")
            assert caught.value.problem.code == "auth.forbidden"
            with pytest.raises(DataOSError) as caught:
                await care.collect_garbage(w.principal, DAY_S, "moon")
            assert caught.value.problem.code == "request.invalid"
            assert "user, system" in caught.value.problem.hint

    asyncio.run(main())


def test_finished_one_shot_workflows_go_by_themselves_and_can_come_back(tmp_path):
    async def main() -> None:
        async with world(tmp_path) as w:
            await apply_all(w)
            await w.advance(2.9 * DAY_S)
            assert (await upkeep(w, finished_days=3).run())["finished"] == 0
            await w.advance(0.2 * DAY_S)
            assert (await upkeep(w, finished_days=0).run())["finished"] == 0
            assert (await delete_soon(w, upkeep(w, finished_days=3).run()))["finished"] == 3
            assert await living(w) == {"running", "nightly"}
            key = ResourceKey("workflow", "done", "public")
            assert await w.store.read(records.find, key) is None

    asyncio.run(main())


def test_an_undeleted_workflow_does_not_run_again_and_can_be_asked_to(tmp_path):
    """Also where its runs are forgotten: that it ran is known all the same."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.apply(text("w"))
            await w.apply(text("w"), rerun=True)
            assert [r["trigger"] for r in await w.runs()] == ["apply", "re-run"]
            first = (await w.row()).generation
            await delete_soon(w, w.resources.delete(w.key, UserId("admin")))
            await w.store.write(lambda c: [c.execute(t.delete()) for t in (tables.jobs, tables.runs)])
            history = History(w.store, w.clock, Bell(), w.resources.generations, w.resources._controllers, 30 * DAY_S)
            await history.rollback(w.key, first, w.principal)
            await w.advance(60)
            assert await w.runs() == []
            await w.apply(text("w"), rerun=True)
            assert [r["trigger"] for r in await w.runs()] == ["re-run"]

    asyncio.run(main())
