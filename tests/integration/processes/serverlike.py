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


async def main(root: str, counter: str, mode: str, die_at: str, seconds: str) -> None:
    """Start the job `k`; then wait to be killed unless that has happened."""

    def checkpoint(name: str) -> None:
        if name == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    runner = LocalRunner(
        root=pathlib.Path(root),
        server_socket=None,
        sandbox=mode,  # pyright: ignore[reportArgumentType]
        trust_user_code=True,
        clock=SystemClock(),
        checkpoint=checkpoint,
    )
    print("ready", flush=True)
    sys.stdin.readline()
    await runner.start("k", launch(pathlib.Path(counter), seconds))
    print("started", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
