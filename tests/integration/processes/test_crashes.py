"""Servers, shims and jobs are killed; the program runs once, is found again, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataos.processes import folders, limits, records, trees
from dataos.processes.ports import Phase
from integration.processes import serverlike
from integration.processes.conftest import (
    MODES,
    Home,
    eventually,
    python,
    shell,
    sleepers,
    text_in_log,
    unique_seconds,
    until,
)

pytestmark = pytest.mark.parametrize("mode", MODES)

POINTS = [
    "processes.folder-writing",
    "processes.folder-half-written",
    "processes.folder-written",
    "processes.shim-spawned",
    "processes.shim-up",
]


def serve(
    home: Home, counter: Path, mode: str, die_at: str = "", seconds: str = "0.05", *, waits: bool = False
) -> subprocess.Popen[str]:
    """A server-like process that waits for a line before it starts the job."""
    counter.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, serverlike.__file__, str(home.work), str(counter), mode, die_at, seconds]
    command.append("waits" if waits else "")
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def go(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    server.stdin.write("go\n")
    server.stdin.flush()


def bury(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.wait()
    for pipe in (server.stdin, server.stdout):
        assert pipe is not None
        pipe.close()


def runs(counter: Path) -> int:
    file = counter / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_of_the_start_the_program_still_runs_once(home: Home, mode: str, point: str, tmp_path: Path):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, point)
    go(server)
    assert server.wait(20) == -signal.SIGKILL, f"{point} was never reached"
    bury(server)

    async def story():
        async with home.runner(mode) as runner:
            await runner.adopt()
            await runner.start("k", serverlike.launch(counter))
            assert (await until(runner, "k")).exit_code == 0
            await asyncio.sleep(0.2)  # for a shim that comes late
            await runner.start("k", serverlike.launch(counter))
            assert runs(counter) == 1
            assert [name for name in os.listdir(home.work) if name.startswith((".new", ".old"))] == []

    asyncio.run(story())


def test_killed_at_any_moment_the_program_still_runs_once(home: Home, mode: str, tmp_path: Path):
    async def story(number: int) -> None:
        counter = tmp_path / f"counter{number}"
        server = await asyncio.to_thread(serve, home, counter, mode)
        go(server)
        time.sleep(number * 0.003)
        bury(server)
        async with home.runner(mode) as runner:
            await runner.adopt()
            await runner.start("k", serverlike.launch(counter))
            assert (await until(runner, "k")).exit_code == 0
            await asyncio.sleep(0.1)
            assert runs(counter) == 1, number
            await runner.remove("k")

    for number in range(16):
        asyncio.run(story(number))


def test_many_servers_that_start_one_key_run_it_once(home: Home, mode: str, tmp_path: Path):
    counter = tmp_path / "counter"
    servers = [serve(home, counter, mode, seconds="0.3") for _ in range(6)]
    for server in servers:
        go(server)
    for server in servers:
        assert server.stdout is not None
        assert server.stdout.readline() == "started\n"
        bury(server)

    async def story():
        async with home.runner(mode) as runner:
            await until(runner, "k")
            assert runs(counter) == 1

    asyncio.run(story())


def test_after_the_servers_death_jobs_go_on_and_are_watched_again(home: Home, mode: str, tmp_path: Path):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, seconds="1")
    go(server)
    assert server.stdout is not None
    assert server.stdout.readline() == "started\n"
    bury(server)

    async def story():
        async with home.runner(mode) as runner:
            heard = asyncio.Event()
            runner.on_change(lambda key: heard.set())
            assert await runner.adopt() == ["k"]
            assert (await runner.observe("k")).phase in (Phase.STARTING, Phase.RUNNING)
            await asyncio.wait_for(heard.wait(), 20)
            seen = await runner.observe("k")
            assert (seen.phase, seen.exit_code, seen.reason) == (Phase.EXITED, 0, "")
            assert await runner.adopt() == []

    asyncio.run(story())


def test_a_runner_that_is_closed_leaves_its_jobs_to_the_next(home: Home, mode: str):
    async def first():
        async with home.runner(mode) as runner:
            await runner.start("k", shell("sleep 0.6; echo done"))

    async def second():
        async with home.runner(mode) as runner:
            assert await runner.adopt() == ["k"]
            assert (await until(runner, "k")).exit_code == 0
            assert (await runner.read_log("k"))[0] == b"done\n"

    asyncio.run(first())
    asyncio.run(second())


TREE = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "LONG"], start_new_session=True)
subprocess.Popen(["sleep", "LONG"])
print("up")
time.sleep(600)
"""


def test_a_killed_shim_means_lost_and_takes_its_tree_along(home: Home, mode: str):
    long = unique_seconds()

    async def story():
        async with home.runner(mode) as runner:
            heard = asyncio.Event()
            runner.on_change(lambda key: heard.set())
            await runner.start(
                "k", python(TREE.replace("LONG", long), env={"T": "canary"}, files={"secret/t": b"canary"})
            )
            await text_in_log(runner, "k", b"up")
            await eventually(lambda: len(sleepers(long)) == 2)
            record = json.loads((home.work / "k" / "shim.json").read_text())
            assert record["group"] is None or os.path.isdir(record["group"])
            os.kill(record["pid"], signal.SIGKILL)
            await asyncio.wait_for(heard.wait(), 20)
            seen = await runner.observe("k")
            assert (seen.phase, seen.exit_code) == (Phase.LOST, None)
            assert "supervisor" in seen.reason
            await eventually(lambda: sleepers(long) == [])
            await runner.start("k", python(TREE.replace("LONG", long)))  # a lost key is not started again
            assert (await runner.observe("k")).phase is Phase.LOST
            assert b"canary" not in b"".join(p.read_bytes() for p in (home.work / "k").rglob("*") if p.is_file())
            assert record["group"] is None or not os.path.exists(record["group"])

    asyncio.run(story())


def test_a_shim_killed_while_no_server_lives_is_found_lost_by_the_next(home: Home, mode: str):
    long = unique_seconds()

    async def first():
        async with home.runner(mode) as runner:
            await runner.start("k", python(TREE.replace("LONG", long)))
            await text_in_log(runner, "k", b"up")

    async def second():
        async with home.runner(mode) as runner:
            assert await runner.adopt() == []
            assert (await runner.observe("k")).phase is Phase.LOST
            assert sleepers(long) == []

    asyncio.run(first())
    record = json.loads((home.work / "k" / "shim.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    asyncio.run(eventually(lambda: trees.start_time(record["child_pid"]) == 0))  # with nobody to see to it
    if mode == "required":
        asyncio.run(eventually(lambda: sleepers(long) == []))
    asyncio.run(second())


def test_a_killed_program_is_an_exit_with_its_signal(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", shell("kill -KILL $$"))
            seen = await until(runner, "k")
            assert (seen.exit_code, seen.reason) == (137, "")
            await runner.start("l", python("import time; print('up'); time.sleep(60)"))
            await text_in_log(runner, "l", b"up")
            pid = (await runner.observe("l")).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            seen = await until(runner, "l")
            assert (seen.phase, seen.exit_code) == (Phase.EXITED, 137)

    asyncio.run(story())


def test_a_claim_whose_holder_died_before_it_began_is_void(home: Home, mode: str, tmp_path: Path):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, "processes.folder-written")
    go(server)
    server.wait(20)
    bury(server)
    dead = subprocess.Popen(["true"])
    holder = {"pid": dead.pid, "start_time": 1, "boot_id": trees.boot_id()}
    dead.wait()
    (home.work / "k" / "claimed.1").write_text(json.dumps(holder))

    async def story():
        async with home.runner(mode) as runner:
            assert (await runner.observe("k")).phase is Phase.ABSENT
            await asyncio.gather(*(runner.start("k", serverlike.launch(counter)) for _ in range(4)))
            await until(runner, "k")
            assert runs(counter) == 1
            assert (home.work / "k" / "claimed.2").exists()

    asyncio.run(story())


@pytest.mark.parametrize("with_shim_record", [True, False])
def test_what_was_claimed_before_a_restart_of_the_machine_is_lost(
    home: Home, mode: str, tmp_path: Path, with_shim_record: bool
):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, "processes.folder-written")
    go(server)
    server.wait(20)
    bury(server)
    # The recorded numbers are those of a living process of this boot: another boot's record must not match it.
    holder = {**records.identity(), "boot_id": "another-boot", "claim": 1}
    (home.work / "k" / "claimed.1").write_text(json.dumps(holder))
    if with_shim_record:
        (home.work / "k" / "shim.json").write_text(json.dumps({**holder, "child_pid": os.getpid(), "group": None}))

    async def story():
        async with home.runner(mode) as runner:
            assert await runner.adopt() == []
            await runner.start("k", serverlike.launch(counter))
            assert (await runner.observe("k")).phase is Phase.LOST
            assert runs(counter) == 0

    asyncio.run(story())


def test_a_folder_that_an_earlier_boot_left_unclaimed_is_made_anew(home: Home, mode: str, tmp_path: Path):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, "processes.folder-written")
    go(server)
    server.wait(20)
    bury(server)
    (home.work / "k" / "launch.json").write_bytes(b'{"argv": ["sh", ')  # as a loss of power may leave it

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", serverlike.launch(counter))
            assert (await until(runner, "k")).exit_code == 0
            assert runs(counter) == 1

    asyncio.run(story())


def test_a_stop_that_comes_before_the_shim_is_obeyed(home: Home, mode: str, tmp_path: Path):
    counter = tmp_path / "counter"
    server = serve(home, counter, mode, "processes.folder-written")
    go(server)
    server.wait(20)
    bury(server)

    async def story():
        async with home.runner(mode) as runner:
            await runner.stop("k", 5)
            await runner.start("k", serverlike.launch(counter))
            seen = await until(runner, "k")
            assert (seen.exit_code, seen.reason) == (None, "stopped")
            assert runs(counter) == 0

    asyncio.run(story())


@pytest.mark.parametrize("point", ["", *POINTS[:4]])
def test_what_is_forbidden_does_not_begin_wherever_its_start_stands(home: Home, mode: str, point: str, tmp_path: Path):
    """A start that is held up at a point while another look forbids it; \"\": it comes later."""
    counter = tmp_path / "counter"
    counter.mkdir()

    async def story():
        loop = asyncio.get_running_loop()
        async with home.runner(mode) as other:

            def meanwhile(reached: str) -> None:
                if reached == point:
                    asyncio.run_coroutine_threadsafe(other.forbid("k"), loop).result(20)

            async with home.runner(mode, checkpoint=meanwhile) as runner:
                if not point:
                    assert (await other.forbid("k")).reason == "stopped"
                await runner.start("k", serverlike.launch(counter))
                seen = await until(runner, "k")
                if point != "processes.shim-spawned":  # there it may have been too late
                    assert (seen.exit_code, seen.reason) == (None, "stopped")
                    assert runs(counter) == 0
                await runner.start("k", serverlike.launch(counter))
                assert runs(counter) == (1 if seen.exit_code == 0 else 0)
                await runner.remove("k")
                assert await runner.keys() == []

    asyncio.run(story())


def test_forbidding_leaves_what_runs_and_what_ended_alone(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", shell("sleep 0.5"))
            await until(runner, "k", Phase.RUNNING)
            assert (await runner.forbid("k")).phase is Phase.RUNNING
            seen = await until(runner, "k")
            assert (seen.exit_code, seen.reason) == (0, "")
            assert await runner.forbid("k") == seen

    asyncio.run(story())


def test_a_process_that_got_a_dead_shims_number_is_left_alone(home: Home, mode: str):
    bystander = subprocess.Popen(["sleep", "30"], start_new_session=True)
    time.sleep(0.1)  # start times count in hundredths of a second

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", shell("sleep 30"))
            os.kill(_shim(home, "k"), signal.SIGKILL)
            await until(runner, "k", Phase.LOST)
            record = json.loads((home.work / "k" / "shim.json").read_text())
            forged = {**record, "pid": bystander.pid, "child_pid": bystander.pid, "group": None}
            await asyncio.sleep(0.3)
            (home.work / "k" / "shim.json").write_text(json.dumps(forged))
            (home.work / "k" / "buried").unlink(missing_ok=True)
            assert (await runner.observe("k")).phase is Phase.LOST
            await runner.stop("k", 0)
            folders.bury(home.work.resolve(), "k")
            await runner.remove("k")

    asyncio.run(story())
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def _shim(home: Home, key: str) -> int:
    return int(json.loads((home.work / key / "shim.json").read_text())["pid"])


def test_a_memory_group_that_a_dead_shim_left_is_swept(home: Home, mode: str):
    dead = subprocess.Popen(["true"])
    dead.wait()
    group = limits.MemoryGroup.make(f"dataos-{dead.pid}-1", 1 << 30)
    if group is None:
        pytest.skip("no memory groups can be made here")

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", shell("sleep 0.5"))
            await runner.adopt()
            assert not os.path.exists(group.path)
            assert (await until(runner, "k")).exit_code == 0

    asyncio.run(story())
