"""Forks shims: one small process that has imported what each of them needs, so that a supervisor is up in milliseconds.

Started by the server as `python -I -S spawner.py <folder of the jobs>`, in a session of its own, with descriptor 3, a
socket: a message is a letter and the path of a folder, with a descriptor for the shim: for `j`, a job folder, the one
on which it says that it is up; for `w`, a folder without a job, the socket on which it waits for one (`waiting`). The
answer is the shim's process number. The spawner ends with the server; shims of jobs go on. Standard library only, no
threads, as in `shim`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys

# `-I -S` leaves only the standard library on the path; our package is appended, so nothing in it can shadow that.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from dataos.processes import shim, waiting

CHANNEL_FD = 3
JOB, WAITING = b"j", b"w"


def serve(channel: socket.socket) -> None:
    """Fork until nobody asks any more."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 1 + waiting.LONGEST, 1)
        if not message:
            return
        (descriptor,) = descriptors
        pid = os.fork()
        if pid == 0:
            _become_shim(message[:1], os.fsdecode(message[1:]), descriptor, channel)
        os.close(descriptor)
        channel.sendall(pid.to_bytes(8, "big"))


def _become_shim(kind: bytes, folder: str, descriptor: int, channel: socket.socket) -> None:
    """As if it had been started alone; never returns."""
    try:
        channel.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if descriptor != shim.READY_FD:
            os.dup2(descriptor, shim.READY_FD)
            os.close(descriptor)
        said = os.open(f"{folder}/shim.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 2)
        os.close(said)
    except OSError:
        os._exit(1)  # its folder is gone
    shim.run(waiting.main if kind == WAITING else shim.main, folder)


def main() -> None:
    """Serve the process that started this one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for shims: they leave records
    shim.name_process(b"dataos-spawner")
    gc.freeze()
    channel = socket.socket(fileno=CHANNEL_FD)
    with contextlib.suppress(OSError):  # the server died
        serve(channel)


if __name__ == "__main__":
    main()
