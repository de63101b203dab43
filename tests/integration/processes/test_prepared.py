"""Programs that wait for a job: they serve one, once, that is like the one before; whatever dies, the job runs once."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dataos.processes import prepared, trees
from dataos.processes.local import LocalRunner
from dataos.processes.ports import Isolation, Launch, Mount, Phase
from integration.processes import serverlike
from integration.processes.conftest import Home, eventually, needs_sandbox, processes_called, until
from integration.processes.test_crashes import POINTS, bury, go, runs, serve

pytestmark = needs_sandbox

GREETS = (
    serverlike.WAITS
    + """
print("waited" if waited else "begun", os.environ["DATAOS_NAME"], "DATAOS_WAITS" in os.environ)
print(open(os.environ["DATAOS_SECRET_DIR"] + "/token").read(), os.getcwd() == os.environ["DATAOS_TEMP_DIR"])
open(os.environ["DATAOS_OUT_DIR"] + "/result.json", "w").write("{}")
"""
)


@pytest.fixture(autouse=True)
def _steady_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests beside these mount disks: a program that waits would not see them, so jobs rightly begin anew."""
    monkeypatch.setattr(prepared, "mounted", str)


def launch(name: str, code: str = GREETS, **more: Any) -> Launch:
    env = {"DATAOS_NAME": name, **more.pop("env", {})}
    files = {"secret/token": f"token of {name}".encode()}
    argv = (sys.executable, "-S", "-c", code)
    return Launch(argv, Isolation.USER, env=env, files=files, **{"waits": True, **more})


def waiting(home: Home) -> list[int]:
    """Shims without a job on this home's folder."""
    return processes_called("dataos-waits", home)


async def ran(runner: LocalRunner, key: str, job: Launch) -> str:
    """Run it to its end, and wait until the next one is prepared or would be; the first word of its log."""
    await runner.start(key, job)
    assert (await until(runner, key)).exit_code == 0, (await runner.read_log(key))[0]
    return (await runner.read_log(key))[0].decode().split()[0]


async def one_waits(home: Home, runner: LocalRunner) -> int:
    """The shim's number, once its program is up."""
    await eventually(lambda: runner.prepared == 1)
    (shim,) = waiting(home)
    return shim


def left(home: Home) -> list[str]:
    return [e.name for e in home.work.iterdir() if e.name.startswith((".new", ".old"))]


def test_the_next_job_finds_a_program_that_waits_and_nothing_of_the_one_before(home: Home):
    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            await runner.start("a", launch("first"))
            assert (await until(runner, "a")).exit_code == 0
            assert (await runner.read_log("a"))[0].decode().splitlines() == [
                "begun first False",
                "token of first True",
            ]
            shim = await one_waits(home, runner)
            await runner.start("b", launch("second"))
            assert (await until(runner, "b")).exit_code == 0
            assert (await runner.read_log("b"))[0].decode().splitlines() == [
                "waited second False",
                "token of second True",
            ]
            assert await runner.read_out("b", "result.json") == b"{}"
            assert not (home.work / "b" / "secret").exists()
            await eventually(lambda: not trees.start_time(shim))
            await one_waits(home, runner)
            assert left(home)
        await eventually(lambda: not waiting(home) and not left(home))

    asyncio.run(story())


OTHERS: dict[str, dict[str, Any]] = {
    "more memory": {"memory_bytes": 2 << 30},
    "an own variable": {"env": {"OMP_NUM_THREADS": "1"}},
    "no door to the server": {"server_access": False},
    "one that cannot wait": {"waits": False},
    "another program": {"code": GREETS + "\n"},
    "an address outside": {"egress": ("127.0.0.1:1",)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_job_of_another_kind_does_not_get_it(home: Home, other: str):
    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            assert await ran(runner, "a", launch("first")) == "begun"
            shim = await one_waits(home, runner)
            assert await ran(runner, "b", launch("second", **OTHERS[other])) == "begun"
            assert trees.start_time(shim)

    asyncio.run(story())


def test_a_folder_that_was_replaced_is_another_one(home: Home, tmp_path: Path):
    """The sandbox that waits still shows the old one."""
    data = tmp_path / "data"
    code = serverlike.WAITS + f"\nprint('waited' if waited else 'begun'); print(open({str(data / 'x')!r}).read())"
    mounts = (Mount(data, str(data)),)

    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            for n, (text, word) in enumerate([("old", "begun"), ("new", "begun")]):
                data.mkdir()
                (data / "x").write_text(text)
                assert await ran(runner, f"k{n}", launch("x", code, mounts=mounts)) == word
                assert (await runner.read_log(f"k{n}"))[0].decode().split()[1] == text
                await eventually(lambda count=n + 1: runner.prepared == count)
                (data / "x").write_text("changed in place")
                assert await ran(runner, f"k{n}-again", launch("x", code, mounts=mounts)) == "waited"
                assert b"changed in place" in (await runner.read_log(f"k{n}-again"))[0]
                await eventually(lambda count=n + 1: runner.prepared == count)
                shutil.rmtree(data)

    asyncio.run(story())


def test_no_more_wait_than_may_and_not_for_longer(home: Home):
    async def story():
        async with home.runner("required", prepared_most=1, prepared_s=4.0) as runner:
            for n in range(3):
                await ran(runner, f"k{n}", launch("x", GREETS + "\n" * n))
            await eventually(lambda: len(waiting(home)) == 1)
            await eventually(lambda: not waiting(home) and not left(home))
        async with home.runner("required", prepared_most=0) as runner:
            await ran(runner, "k9", launch("x"))
            await asyncio.sleep(0.3)
            assert waiting(home) == []

    asyncio.run(story())


@pytest.mark.parametrize("whom", ["the shim", "the program"])
def test_one_that_died_is_not_missed(home: Home, whom: str):
    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            await ran(runner, "a", launch("x"))
            shim = await one_waits(home, runner)
            os.kill(shim if whom == "the shim" else trees.descendants(shim)[-1], signal.SIGKILL)
            await eventually(lambda: not waiting(home))
            assert await ran(runner, "b", launch("x")) == "begun"
            await one_waits(home, runner)
            assert await ran(runner, "c", launch("x")) == "waited"

    asyncio.run(story())


@pytest.mark.parametrize("whom", ["the shim", "the program"])
def test_one_that_dies_as_it_is_called_is_replaced(home: Home, whom: str, monkeypatch: pytest.MonkeyPatch):
    give = prepared.Slot.give

    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            await ran(runner, "a", launch("x"))
            shim = await one_waits(home, runner)

            def dies(slot: prepared.Slot, folder: Path, ready: int) -> None:
                os.kill(shim if whom == "the shim" else trees.descendants(shim)[-1], signal.SIGKILL)
                give(slot, folder, ready)

            monkeypatch.setattr(prepared.Slot, "give", dies)
            await runner.start("b", launch("x"))
            seen = await until(runner, "b")
            # the program may have been the job's already when it was killed: then the job has ended by that
            assert (seen.exit_code, (await runner.read_log("b"))[0].decode().split()[:1]) in [
                (0, ["begun"]),
                (128 + signal.SIGKILL, []),
            ]
            assert whom == "the program" or seen.exit_code == 0

    asyncio.run(story())


def test_its_memory_is_bounded_from_then_on(home: Home):
    code = serverlike.WAITS + "\nheld = [bytearray(1 << 20) for _ in range(400)]\nimport time; time.sleep(20)"

    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            small = launch("x", code, memory_bytes=200 << 20)
            await runner.start("a", small)
            assert (await until(runner, "a")).reason == "memory"
            await one_waits(home, runner)
            await runner.start("b", small)
            assert (await until(runner, "b")).reason == "memory"

    asyncio.run(story())


def test_it_is_asked_to_stop_as_any_other(home: Home):
    code = serverlike.WAITS + "\nprint('waited' if waited else 'begun', flush=True)\nimport time; time.sleep(60)"

    async def story():
        async with home.runner("required", prepared_most=2) as runner:
            for key in ("a", "b"):
                await runner.start(key, launch("x", code))
                await runner.stop(key, 5.0)
                seen = await until(runner, key)
                assert (seen.reason, seen.phase) == ("stopped", Phase.EXITED)
                await one_waits(home, runner)

    asyncio.run(story())


@pytest.mark.parametrize("point", ["", *POINTS])
def test_a_server_that_dies_while_it_calls_one(home: Home, point: str, tmp_path: Path):
    """At each point of the start, and after: the program runs once, and none that waits is left."""
    counter = tmp_path / "counter"
    server = serve(home, counter, "required", point, waits=True)
    assert len(waiting(home)) == 1
    go(server)
    if point:
        assert server.wait(20) == -signal.SIGKILL, f"{point} was never reached"
    else:
        assert server.stdout is not None
        assert server.stdout.readline() == "started\n"
    bury(server)

    async def story():
        async with home.runner("required") as runner:
            await eventually(lambda: not waiting(home))
            await runner.adopt()
            await runner.start("k", serverlike.waits(counter, "0.05"))
            assert (await until(runner, "k")).exit_code == 0
            assert runs(counter) == 1
            await eventually(lambda: not left(home))

    asyncio.run(story())
