"""Ways out of a sandbox, which has no network: a unix socket for each address that a job may reach.

Runs in a child of the job's shim, outside of the sandbox, and ends with the shim. Standard library only; names are
looked up at each connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Sequence

from dataos.core.pumping import pump

FOLDER = "egress"
_BACKLOG = 64
_CONNECT_S = 30.0


def name(number: int) -> str:
    """The socket's file name for the address at that place of the list."""
    return f"{number}.sock"


def listen(addresses: Sequence[str]) -> list[socket.socket]:
    """Sockets below `FOLDER` of the current folder (a whole path may be too long for one), not served yet."""
    made: list[socket.socket] = []
    for number in range(len(addresses)):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = os.path.join(FOLDER, name(number))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a shim that died before it ran the program
        listener.bind(path)
        listener.listen(_BACKLOG)
        made.append(listener)
    return made


def serve(listeners: Sequence[socket.socket], addresses: Sequence[str]) -> None:
    """Forward every connection to its address, for good."""
    for listener, address in zip(listeners, addresses, strict=True):
        threading.Thread(target=_accept, args=(listener, address), daemon=True).start()
    threading.Event().wait()


def _accept(listener: socket.socket, address: str) -> None:
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_forward, args=(near, address), daemon=True).start()


def _forward(near: socket.socket, address: str) -> None:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), near:
        far = socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)
        with far:
            far.settimeout(None)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pump(near, far)
