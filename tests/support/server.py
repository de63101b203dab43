"""A real server process with its own home, driven by the real CLI. Nothing is shared between two of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataos.client.api import Client
from dataos.client.connections import find_connection
from dataos.processes import sandbox
from support import nursery
from support.patience import deadline

# Without bubblewrap the tests' own scripts run as plain child processes: they are ours. CI has it (tests/conftest.py).
NO_SANDBOX = sandbox.probe()


@dataclass
class Done:
    """A finished CLI call."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Installation:
    """A home and a client folder, with or without a running server."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    crash_at: str | None = None

    def __post_init__(self) -> None:
        keep = {k: os.environ[k] for k in ("PATH", "LANG", "CI", "PYTHONPATH") if k in os.environ}
        self.work = self.folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.env = {
            **keep,
            "HOME": str(self.folder),
            "DATAOS_HOME": str(self.folder / "home"),
            "DATAOS_CONFIG_DIRECTORY": str(self.folder / "client"),
            **({"DATAOS_WORKLOADS__TRUST_USER_CODE": "true"} if NO_SANDBOX else {}),
            **self.env,
        }

    @property
    def home(self) -> Path:
        return Path(self.env["DATAOS_HOME"])

    def cli(
        self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 120, input: str | None = None
    ) -> Done:
        """Run `dataos ...` as a user would."""
        command = [sys.executable, "-m", "dataos.cli.main", *argv]
        whole = {**self.env, **(env or {})}
        done = nursery.run(command, env=whole, cwd=self.work, timeout=timeout, input=input)
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *argv: str, **options: Any) -> Done:
        """As `cli`; the exit code must be 0."""
        done = self.cli(*argv, **options)
        assert done.code == 0, (
            f"dataos {' '.join(argv)} ended with {done.code}:\n{done.out}\n{done.err}\n{self.server_log()}"
        )
        return done

    def up(self, *argv: str) -> Done:
        """Start the server on a free port."""
        return self.ok("up", "--port", "0", *argv)

    @property
    def pid(self) -> int:
        return int(json.loads((self.home / "run" / "server.json").read_text())["pid"])

    @property
    def url(self) -> str:
        return str(json.loads((self.home / "run" / "server.json").read_text())["url"])

    def kill(self) -> None:
        """kill -9 the server."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 10)

    def client(self) -> Client:
        """The SDK on this installation."""
        return Client(find_connection(self.env))

    def write(self, name: str, text: str) -> str:
        """A manifest file in the working folder."""
        file = self.work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return str(file)

    def server_log(self) -> str:
        file = self.home / "logs" / "server.log"
        return file.read_text()[-6000:] if file.exists() else ""

    def stop(self) -> None:
        """Stop whatever runs on this home: the server, jobs, engines, the demo's outside database (and remove that)."""
        register = Path(self.env["DATAOS_CONFIG_DIRECTORY"]) / "demos" / "flights.json"
        if register.exists():
            self.cli("demo", "--stop")
            shutil.rmtree(json.loads(register.read_text())["folder"], ignore_errors=True)
        self.cli("down")
        for pid in processes_of(self.folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line or environment names the folder."""
    found: list[int] = []
    marker = os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if marker in text:
            found.append(int(entry.name))
    return found


def shims(made: Installation) -> list[int]:
    """Supervisors of its jobs."""
    return [pid for pid in processes_of(made.home / "work") if called(pid) == "dataos-shim"]


def called(pid: int) -> str:
    """A process's name; empty if it ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it ended
        return ""


def below(pid: int) -> list[int]:
    """Descendants of a process, nearest first."""
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it ended
        return found
    for child in children:
        found += [int(child), *below(int(child))]
    return found


def alive(pid: int) -> bool:
    """True while a thread of the process is there and no zombie: until its last one ends it holds its files open."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    for thread in threads:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
            if text.rsplit(")", 1)[1].split()[0] != "Z":
                return True
    return False


def wait_until(condition: Any, timeout: float = 30.0, what: str = "the condition") -> Any:
    """Poll until the condition holds; returns its value."""
    last = deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < last, f"{what} did not come true within {timeout} s"
        time.sleep(0.02)


@contextmanager
def installation(
    folder: Path, *up: str, start: bool = True, env: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """An installation that is cleaned up, with a running server."""
    made = Installation(folder, dict(env or {}))
    try:
        if start:
            made.up(*up)
        yield made
    finally:
        made.stop()
