"""Bytes between two sockets, both ways, until both have ended. Standard library only: jobs' supervisors use it."""

from __future__ import annotations

import contextlib
import selectors
import socket

_PIECE = 1 << 16


def pump(near: socket.socket, far: socket.socket) -> None:
    """Pass on what comes from either end to the other one. Returns when both have ended. Raises OSError."""
    peers = {near: far, far: near}
    with selectors.DefaultSelector() as selector:
        for end in peers:
            selector.register(end, selectors.EVENT_READ)
        while peers:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)  # noqa: S101 - for the type checker
                piece = source.recv(_PIECE)
                if piece:
                    peers[source].sendall(piece)
                    continue
                # one direction is done; the other may still carry an answer
                selector.unregister(source)
                other = peers.pop(source)
                with contextlib.suppress(OSError):
                    other.shutdown(socket.SHUT_WR)
