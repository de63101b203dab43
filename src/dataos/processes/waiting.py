"""A shim that has no job yet: its program is up, in its sandbox, and waits with it.

Forked by the server's `spawner`, with descriptor 3, a socket to the server. A byte on it says that the program is
there: its sandbox is made, and the folder may get another name. What comes back is the path of a job folder (this one,
with its new name) with the descriptor on which to say that the shim is up. From there on it is a shim like any other.
Before that it ends, and takes its folder along, when the server does, or hangs up, or its program ends. Standard
library only, no threads, as in `shim`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket

from dataos.processes import records, shim, trees

LONGEST = 8192
"""Bytes of a path."""

_KILL_WITHIN_S = 10.0


def main(folder: str) -> None:
    """Start the program, wait, and become its job's shim."""
    shim.name_process(b"dataos-waits")
    os.umask(0o077)
    os.chdir(folder)
    signals = shim.take_signals()
    shim.adopt_orphans()
    launch = records.read(folder, records.PREPARED)
    if launch is None:
        return
    program = shim.start(launch, None, waits=True)
    job = _wait(program, signals)
    if job is None:
        trees.kill_until_gone(_family, within_s=_KILL_WITHIN_S)
        _remove(folder)
        return
    os.unlink(records.PREPARED)
    shim.name_process(b"dataos-shim")
    if not shim.supervise(job, signals, program):
        trees.kill_until_gone(_family, within_s=_KILL_WITHIN_S)


def _wait(program: shim.Program, signals: int) -> str | None:
    """The folder's new name, once it has one; None where it will not get one."""
    control = socket.socket(fileno=os.dup(shim.READY_FD))
    poll = select.poll()
    for fd in (control.fileno(), signals, program.output):
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == signals and (signal.SIGTERM in os.read(signals, 512) or program.child.poll() is not None):
                return None
            if fd == program.output:
                poll.unregister(fd)
                if os.read(fd, 1) != b"\n":
                    return None
                with contextlib.suppress(OSError):
                    control.send(b".")
            if fd != control.fileno():
                continue
            message, descriptors, _, _ = socket.recv_fds(control, LONGEST, 1)
            control.close()
            if not message or not descriptors or program.child.poll() is not None:
                return None
            os.dup2(descriptors[0], shim.READY_FD)
            os.close(descriptors[0])
            return os.fsdecode(message)


def _remove(folder: str) -> None:
    """Unless it was taken for a job, which is seen by its name."""
    aside = os.path.join(os.path.dirname(folder), f".old-{os.path.basename(folder)}")
    with contextlib.suppress(OSError):
        os.rename(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _family() -> list[int]:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return trees.descendants(os.getpid())
