"""The body of an `/execute` answer: frames of one type byte, a length (4 bytes, big endian) and the content.

`S` schema (JSON {columns: [[name, type]]}), `A` a piece of the Arrow IPC stream, `E` failure (JSON {kind, text}), `Z`
end (JSON {rows, truncated}). A body without `E` or `Z` was cut off. HTTP alone cannot tell a failure after the first
byte.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from typing import Any

HEADER = struct.Struct(">cI")
PIECE = 1 << 20

SCHEMA, ARROW, FAILURE, END = b"S", b"A", b"E", b"Z"


def pack(kind: bytes, content: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(kind, len(content)) + content


def pack_json(kind: bytes, content: Any) -> bytes:
    """One frame with JSON content."""
    return pack(kind, json.dumps(content, ensure_ascii=False).encode())


async def unpack(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
    """(kind, content) of each whole frame; what is left at the end of a cut body is dropped."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        start = 0
        while len(held) - start >= HEADER.size:
            kind, length = HEADER.unpack_from(held, start)
            end = start + HEADER.size + length
            if len(held) < end:
                break
            yield kind, bytes(held[start + HEADER.size : end])
            start = end
        del held[:start]
