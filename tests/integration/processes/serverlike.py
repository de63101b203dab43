"""A program that starts one job as a server would, and dies at a named point. Run by the crash tests."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys

from dataos.core.clock import SystemClock
from dataos.processes.local import LocalRunner
from dataos.processes.ports import Isolation, Launch, Mount


def launch(counter: pathlib.Path, seconds: str = "0.05") -> Launch:
    """A job that leaves one line for each time it is run."""
    code = f"echo ran >> {counter}/runs; sleep {seconds}"
    return Launch(("sh", "-c", code), Isolation.USER, mounts=(Mount(counter, str(counter), True),))


WAITS = """
import json, os, sys
waited = "DATAOS_WAITS" in os.environ
if waited:
    print(flush=True)
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    os.environ.clear()
    os.environ.update(json.loads(line))
"""
"""How a program begins that may be there before its job."""


def waits(counter: pathlib.Path, seconds: str) -> Launch:
    """The job of `launch`, by a program that can wait."""
    code = f"{WAITS}open({str(counter / 'runs')!r}, 'a').write('ran\\n')\nimport time; time.sleep({seconds})"
    return Launch(
        (sys.executable, "-S", "-c", code), Isolation.USER, mounts=(Mount(counter, str(counter), True),), waits=True
    )


async def main(root: str, counter: str, mode: str, die_at: str, seconds: str, prepares: str) -> None:
    """Start the job `k`; then wait to be killed unless that has happened. With `prepares`, a program waits for it."""
    is_armed = False

    def checkpoint(name: str) -> None:
        if name == die_at and is_armed:
            os.kill(os.getpid(), signal.SIGKILL)

    runner = LocalRunner(
        root=pathlib.Path(root),
        server_socket=None,
        sandbox=mode,  # pyright: ignore[reportArgumentType]
        trust_user_code=True,
        clock=SystemClock(),
        checkpoint=checkpoint,
        prepared_most=1,
    )
    job = (waits if prepares else launch)(pathlib.Path(counter), seconds)
    if prepares:
        await runner.start("first", job)
        while (await runner.observe("first")).exit_code is None or not runner.prepared:
            await asyncio.sleep(0.01)
        await runner.remove("first")
        (pathlib.Path(counter) / "runs").unlink()
    is_armed = True
    print("ready", flush=True)
    sys.stdin.readline()
    await runner.start("k", job)
    print("started", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
