"""The process that forks shims dies, stands still, is asked by many at once: programs run once each, and go on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataos.processes import spawning
from integration.processes.conftest import Home, processes_called, python, until
from integration.processes.test_crashes import bury, go, serve
from support.patience import deadline


def spawners(home: Home) -> list[int]:
    """Those of this home that live."""
    return processes_called("dataos-spawner", home)


def test_many_starts_at_once_take_one_spawner(home: Home):
    async def story():
        async with home.runner("off") as runner:
            keys = [f"k{n}" for n in range(40)]
            await asyncio.gather(*(runner.start(k, python("print(1)")) for k in keys))
            assert len(spawners(home)) == 1
            assert {(await until(runner, k)).exit_code for k in keys} == {0}
        assert spawners(home) == []

    asyncio.run(story())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_new_one_comes_and_what_runs_goes_on(home: Home, how: signal.Signals, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spawning, "_ANSWER_S", 1.0)

    async def story():
        async with home.runner("off") as runner:
            await runner.start("long", python("import time; time.sleep(2); print('done')"))
            (first,) = spawners(home)
            os.kill(first, how)
            await runner.start("next", python("pass"))
            assert first not in spawners(home)
            assert (await until(runner, "next")).exit_code == 0
            assert (await until(runner, "long")).exit_code == 0
            assert (await runner.read_log("long"))[0] == b"done\n"

    asyncio.run(story())


def test_it_ends_with_its_server_and_the_program_does_not(home: Home, tmp_path: Path):
    server = serve(home, tmp_path / "count", "off", seconds="1.5")
    go(server)
    counted = tmp_path / "count"
    last = deadline(20)
    while not list(counted.iterdir()):
        assert time.monotonic() < last
        time.sleep(0.02)
    bury(server)
    while spawners(home):
        assert time.monotonic() < last, "it outlives its server"
        time.sleep(0.02)

    async def story():
        async with home.runner("off") as runner:
            (key,) = await runner.adopt()
            assert (await until(runner, key)).exit_code == 0

    asyncio.run(story())


def test_what_it_needs_is_in_the_standard_library():
    """A shim must not wait for site-packages, and nothing of ours may shadow a module of Python's."""
    code = "import sys; sys.argv = ['x']; from dataos.processes import spawner; print('\\n'.join(sys.modules))"
    source = Path(spawning.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(source)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {"dataos", "dataos.core", "dataos.core.pumping", "dataos.processes"} | {
        f"dataos.processes.{name}"
        for name in ("spawner", "shim", "waiting", "records", "trees", "limits", "logfiles", "relay")
    }
    foreign = {m.partition(".")[0] for m in done.stdout.split()} - set(sys.stdlib_module_names) - {"__main__", "dataos"}
    assert {m for m in done.stdout.split() if m.startswith("dataos")} == ours
    assert not {m for m in foreign if not m.startswith("_")}
