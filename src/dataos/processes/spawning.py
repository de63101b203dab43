"""The server's side of `spawner`: starts it at the first need, and again where it died."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from dataos.processes import spawner

_ANSWER_S = 60.0


class Spawner:
    """Starts shims of the jobs below a folder. May be used by many threads."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._pid = 0

    def spawn(self, folder: str, ready: int) -> None:
        """Start the shim of a job folder; it says on the descriptor `ready` that it is up.

        Raises OSError where no process can be started. A request that died on its way is made again: of two shims of
        one folder, one has the claim and the other leaves it alone.
        """
        self._send(spawner.JOB, folder, ready)

    def prepare(self, folder: str, control: int) -> None:
        """Start a shim that waits for a job on the socket `control` (`waiting`). Raises OSError."""
        self._send(spawner.WAITING, folder, control)

    def _send(self, kind: bytes, folder: str, descriptor: int) -> None:
        with self._lock:
            try:
                self._ask(kind, folder, descriptor)
            except OSError:
                self._end()
                self._ask(kind, folder, descriptor)

    def close(self) -> None:
        """Let it end; shims go on."""
        with self._lock:
            self._end()

    def _ask(self, kind: bytes, folder: str, descriptor: int) -> None:
        channel = self._channel or self._begin()
        socket.send_fds(channel, [kind + os.fsencode(folder)], [descriptor])
        if not channel.recv(8):
            raise ConnectionResetError("the spawner ended")

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # Out of the way of 0 to 3, which the spawner gets.
        far = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
        theirs.close()
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", spawner.__file__, self._root],
                {"PATH": os.defpath, "LANG": "C.UTF-8"},  # nothing of the server's environment reaches a job
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, far, spawner.CHANNEL_FD),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE],
            )
        except OSError:
            ours.close()
            raise
        finally:
            os.close(far)
        ours.settimeout(_ANSWER_S)
        self._channel = ours
        return ours

    def _end(self) -> None:
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # it may stand still; our own child, so the number is still its own
            os.waitpid(self._pid, 0)
