"""What server and engine process say to each other on a unix socket: frames of one type byte, a length (4 bytes, big
endian) and the content.

The server sends `Q`, a request (JSON {token, do, ...}), and nothing more before its answer has ended:

- `parse` {statements}: `T`, the trees (JSON). `refresh`: `Z`.
- `execute` {sql, max_rows}: `S` schema (JSON {columns: [[name, type]]}), `A` pieces of the Arrow IPC stream, `Z` end
  (JSON {rows, truncated}).
- `E`, failure (JSON {kind, text}), ends an answer at any place.

An answer without `T`, `Z` or `E` was cut off. Who closes the connection cancels what runs on it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

HEADER = struct.Struct(">cI")
PIECE = 1 << 20

REQUEST, TREES, SCHEMA, ARROW, FAILURE, END = b"Q", b"T", b"S", b"A", b"E", b"Z"


def pack(kind: bytes, content: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(kind, len(content)) + content


def pack_json(kind: bytes, content: Any) -> bytes:
    """One frame with JSON content."""
    return pack(kind, json.dumps(content, ensure_ascii=False).encode())


def receive(wire: socket.socket) -> tuple[bytes, bytes] | None:
    """As `read`, from a blocking socket."""
    head = _exactly(wire, HEADER.size)
    if head is None:
        return None
    kind, length = HEADER.unpack(head)
    content = _exactly(wire, length)
    return None if content is None else (kind, content)


def _exactly(wire: socket.socket, length: int) -> bytes | None:
    content = bytearray()
    while len(content) < length:
        piece = wire.recv(min(length - len(content), PIECE))
        if not piece:
            return None
        content += piece
    return bytes(content)


async def read(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The next frame's kind and content; None where the connection ended, within a frame too."""
    try:
        kind, length = HEADER.unpack(await reader.readexactly(HEADER.size))
        return kind, await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
