"""Programs that are up before there is a job for them: what takes long about their start is done once the job comes.

A prepared program waits in a sandbox of its own, in a folder that has no key yet. It serves one job, and only one that
would have been given the very same sandbox; its folder becomes that job's folder. Nothing of a job is in it before.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataos.core.errors import DataOSError
from dataos.processes import folders, records
from dataos.processes.spawning import Spawner

FOLDER = Path("/folder/of/the/job")
"""Stands for the job's folder in the arguments of a form."""

_NAMES = ("CURRENT_WORKSPACE", "LOG_LEVEL", "NAMESPACE", "POD_NAME")  # as every job has them
_LONGEST_ENVIRONMENT = 1 << 15  # it travels through a pipe, whose reader may be busy


@dataclass(frozen=True)
class Form:
    """What a waiting program and a job must agree in. `places`: device and inode of what the sandbox shows, by path:
    a folder that was replaced meanwhile is another one."""

    argv: tuple[str, ...]
    program: str
    arguments: tuple[str, ...]
    seccomp: str
    env: tuple[tuple[str, str], ...]
    etc: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, int, int], ...]
    mounted: str  # the machine's mounts: those that come later are not seen by a sandbox that is there

    def record(self, folder: Path) -> dict[str, Any]:
        """For the shim that starts it."""
        args = [a.replace(str(FOLDER), str(folder)) for a in self.arguments]
        inside = {"program": self.program, "args": args, "seccomp": self.seccomp}
        return {"argv": list(self.argv), "sandbox": inside, "env": dict(self.env), "cwd": "/"}


def places(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """The identity of what is at these paths. Raises OSError."""
    return tuple((str(p), (found := os.stat(p)).st_dev, found.st_ino) for p in paths)


def mounted() -> str:
    """The mounts that this process sees."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return ""


def fits(env: Mapping[str, str]) -> bool:
    """May a program learn this environment after its start? Not what libraries read while they are loaded."""
    size = sum(len(name) + len(value) for name, value in env.items())
    return size < _LONGEST_ENVIRONMENT and all(n in _NAMES or n.startswith(("DATAOS_", "RUNNABLE_")) for n in env)


class Slot:
    """A prepared program: its folder, and the way to tell its shim that there is a job."""

    def __init__(self, form: Form, folder: Path, control: socket.socket) -> None:
        self.form = form
        self.folder = folder
        self.since = time.monotonic()
        self.is_up = False
        self._control = control

    def look(self) -> bool:
        """See whether its program is up. False once its shim has hung up."""
        try:
            if not self._control.recv(1, socket.MSG_DONTWAIT):
                return False
            self.is_up = True
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def give(self, folder: Path, ready: int) -> None:
        """Hand over the job in the folder; its shim says on `ready` that it is up. One that has ended says nothing."""
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [os.fsencode(folder)], [ready])

    def end(self) -> None:
        """Hang up. One without a job ends."""
        self._control.close()


class Prepared:
    """The programs that wait. May be used by many threads."""

    def __init__(self, root: Path, spawner: Spawner, most: int, idle_s: float) -> None:
        """`most`: how many wait at once, 0: none; `idle_s`: how long one waits."""
        self._root = root
        self._spawner = spawner
        self._most = most
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._slots: list[Slot] = []
        self._closed = most <= 0

    @property
    def is_off(self) -> bool:
        """True if none is ever prepared."""
        return self._closed

    @property
    def count(self) -> int:
        """How many are up."""
        with self._lock:
            self._drop_ended()
            return sum(s.is_up for s in self._slots)

    def take(self, form: Form) -> Slot | None:
        """A program of this form, which is the caller's from now on, with its folder."""
        with self._lock:
            self._drop_ended()
            found = next((s for s in self._slots if s.is_up and s.form == form), None)
            if found is None:
                return None
            self._slots.remove(found)
        try:
            found.folder = folders.take(self._root, found.folder)
        except OSError:  # its shim was faster: it has ended
            found.end()
            return None
        return found

    def prepare(self, form: Form) -> None:
        """See to it that one of this form waits; the one that waited longest may go for it."""
        with self._lock:
            self._drop_ended()
            if self._closed or any(s.form == form for s in self._slots):
                return
            with contextlib.suppress(OSError, DataOSError):  # then jobs start as they do without
                self._slots.append(self._begin(form))
            while len(self._slots) > self._most:
                self._slots.pop(0).end()

    def expire(self) -> None:
        """Let those go that waited long enough."""
        with self._lock:
            self._drop_ended()
            old = [s for s in self._slots if time.monotonic() - s.since >= self._idle_s]
            for slot in old:
                self._slots.remove(slot)
                slot.end()

    def close(self) -> None:
        """Let all go; none comes any more."""
        with self._lock:
            self._closed = True
            for slot in self._slots:
                slot.end()
            self._slots.clear()

    def _drop_ended(self) -> None:
        for slot in [s for s in self._slots if not s.look()]:
            self._slots.remove(slot)
            slot.end()

    def _begin(self, form: Form) -> Slot:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = folders.begin(self._root, dict(form.etc))
        try:
            records.write(str(folder), records.PREPARED, form.record(folder))
            self._spawner.prepare(str(folder), theirs.fileno())
        except BaseException:
            ours.close()
            folders.delete(folder)
            raise
        finally:
            theirs.close()
        return Slot(form, folder, ours)
