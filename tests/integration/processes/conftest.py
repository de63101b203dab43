"""A home in a temporary folder, runners on it, and small programs to run."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataos.core.clock import SystemClock
from dataos.processes import sandbox, trees
from dataos.processes.local import LocalRunner
from dataos.processes.ports import Isolation, Launch, Observation, Phase
from support.patience import deadline
from support.server import called, processes_of

NO_SANDBOX = sandbox.probe()
needs_sandbox = pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
MODES = [pytest.param("required", marks=needs_sandbox, id="sandbox"), pytest.param("off", id="plain")]


@dataclass
class Home:
    """The folder of a server."""

    path: Path

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def socket(self) -> Path:
        return self.path / "run" / "jobs" / "server.sock"

    @asynccontextmanager
    async def runner(self, mode: Any = "auto", **more: Any) -> AsyncGenerator[LocalRunner]:
        options: dict[str, Any] = {"trust_user_code": mode == "off", "server_socket": self.socket, **more}
        runner = LocalRunner(root=self.work, sandbox=mode, clock=SystemClock(), **options)
        try:
            yield runner
        finally:
            await runner.close()


@pytest.fixture
def home(tmp_path: Path):
    home = Home(tmp_path / "home")
    yield home

    async def clear() -> None:
        async with home.runner() as runner:
            for key in await runner.keys():
                await runner.remove(key)

    asyncio.run(clear())


def python(code: str, **more: Any) -> Launch:
    """A launch of a Python program given as text."""
    files = {"work/main.py": code.encode(), **more.pop("files", {})}
    more.setdefault("isolation", Isolation.USER)
    return Launch((sys.executable, "-S", "$(RUNNABLE_ARTIFACT_DIR)/main.py"), files=files, **more)


def shell(code: str, **more: Any) -> Launch:
    """A launch of a shell script given as text."""
    more.setdefault("isolation", Isolation.USER)
    return Launch(("sh", "-c", code), **more)


async def until(runner: LocalRunner, key: str, *phases: Phase, within_s: float = 30.0) -> Observation:
    """Observe until the key is in one of the phases (default: exited)."""
    last = deadline(within_s)
    while True:
        seen = await runner.observe(key)
        if seen.phase in (phases or (Phase.EXITED,)):
            return seen
        assert time.monotonic() < last, f"{key} is still {seen}"
        await asyncio.sleep(0.01)


async def eventually(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something outside the runner."""
    last = deadline(within_s)
    while not true():
        assert time.monotonic() < last, "it did not happen in time"
        await asyncio.sleep(0.01)


async def text_in_log(runner: LocalRunner, key: str, text: bytes, within_s: float = 20.0) -> bytes:
    """Follow the log until a text shows up."""
    last = deadline(within_s)
    log, offset = b"", 0
    while text not in log:
        more, offset = await runner.read_log(key, offset=offset)
        log += more
        assert time.monotonic() < last, log
        await asyncio.sleep(0.01)
    return log


def processes_called(name: str, home: Home) -> list[int]:
    """Our own helpers of that name that live and serve this home; other tests have theirs at the same time."""
    return [pid for pid in processes_of(home.work.resolve()) if called(pid) == name]


def unique_seconds() -> str:
    """A long time to sleep that nobody else sleeps: by it `sleepers` finds what a test started."""
    return f"{random.randint(10_000, 99_999_999)}.25"


def sleepers(seconds: str) -> list[int]:
    """Living processes `sleep <seconds>` on this machine."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{seconds}\0".encode() and trees.start_time(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
