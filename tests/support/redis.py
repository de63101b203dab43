"""A real Redis for tests (Debian's `redis-server`), on loopback, with a password and nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.patience import deadline
from support.ports import free_port

WHY = "Redis is not installed: apt-get install redis-server"


def installed() -> str | None:
    """The server program, or None."""
    return shutil.which("redis-server")


@dataclass(frozen=True)
class Redis:
    """A running server."""

    port: int
    password: str


@contextmanager
def running() -> Iterator[Redis]:
    """Start a server on 127.0.0.1, yield it, stop it."""
    program = installed()
    assert program is not None, WHY
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-test-") as folder:
        argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", "redis-canary", "--save", "",
                "--appendonly", "no", "--dir", folder, "--daemonize", "no"]  # fmt: skip
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = deadline(30)
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < until, "the test Redis did not answer within 30 s"
                    time.sleep(0.05)
            yield Redis(port, "redis-canary")
        finally:
            server.kill()
            server.wait()
