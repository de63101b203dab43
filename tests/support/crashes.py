"""Servers that kill themselves (SIGKILL) at a named point, and what must be true after the next start."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

from support import nursery
from support.server import Installation


def start_until(made: Installation, point: str, nth: int = 1) -> nursery.Forked:
    """Start a server that dies when it reaches `point` for the `nth` time. Returns it once it is up (or dead)."""
    (made.home / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
    read_end, write_end = os.pipe()
    with open(made.home / "logs" / "server.log", "ab") as log:
        words = ["--home", str(made.home), "--port", "0", "--allow", str(made.work), "--report-fd", "3"]
        process = nursery.Forked(dying("main", point, nth, *words), made.env, made.work, log.fileno(), write_end)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        select.select([pipe], [], [], 30)
        line = pipe.readline()
    if line:
        body: dict[str, Any] = json.loads(line)
        assert "errors" not in body, body
        made.ok("up")
    return process


def dying(module: str, point: str, nth: int, *words: str) -> list[str]:
    """The command line of a program of the server that dies at a point (support/dying.py)."""
    return [sys.executable, "-m", "support.dying", f"dataos.server.{module}", point, str(nth), *words]


def wait_dead(process: nursery.Forked, timeout: float = 30.0) -> None:
    """Wait until the server has killed itself."""
    assert process.wait(timeout) == -signal.SIGKILL


def care_until(made: Installation, point: str, *words: str, nth: int = 1, input: str = "\n") -> None:
    """Run `python -m dataos.server.care ...` on the home until it kills itself at `point`."""
    command = dying("care", point, nth, "--home", str(made.home), *words)
    done = nursery.run(command, env=made.env, cwd=made.work, timeout=120, input=input)
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached: {done.stdout}{done.stderr}"
