"""Servers that kill themselves (SIGKILL) at a named point, and what must be true after the next start."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

from support.server import Installation

# In its command line this process names dataos.server, as a real one does.
_PROGRAM = """
import os, signal, sys
from dataos.server.{module} import main
point, nth = sys.argv[1], int(sys.argv[2])
seen = 0
def checkpoint(name):
    global seen
    if name == point:
        seen += 1
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main(sys.argv[3:], checkpoint))
"""


def start_until(made: Installation, point: str, nth: int = 1) -> subprocess.Popen[bytes]:
    """Start a server that dies when it reaches `point` for the `nth` time. Returns it once it is up (or dead)."""
    (made.home / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
    read_end, write_end = os.pipe()
    with open(made.home / "logs" / "server.log", "ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-c", _PROGRAM.format(module="main"), point, str(nth), "--home", str(made.home), "--port", "0",
                "--allow", str(made.work), "--report-fd", str(write_end),
            ],
            stdout=log, stderr=log, env=made.env, pass_fds=(write_end,), cwd=made.work, start_new_session=True,
        )  # fmt: skip
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        select.select([pipe], [], [], 30)
        line = pipe.readline()
    if line:
        body: dict[str, Any] = json.loads(line)
        assert "errors" not in body, body
        made.ok("up")
    return process


def wait_dead(process: subprocess.Popen[bytes], timeout: float = 30.0) -> None:
    """Wait until the server has killed itself."""
    assert process.wait(timeout) == -signal.SIGKILL


def care_until(made: Installation, point: str, *words: str, nth: int = 1, input: str = "\n") -> None:
    """Run `python -m dataos.server.care ...` on the home until it kills itself at `point`."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(module="care"), point, str(nth), "--home", str(made.home), *words],
        env=made.env, cwd=made.work, input=input, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached: {done.stdout}{done.stderr}"
