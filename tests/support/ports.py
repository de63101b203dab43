"""Ports of loopback for servers of tests."""

from __future__ import annotations

import random
import socket

RANGE = (12_000, 32_000)
"""Below the ports that the system gives to outgoing connections: what is free stays free until its server starts."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    numbers = random.SystemRandom()
    while True:
        port = numbers.randrange(*RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
