"""Arrow IPC bytes that arrive in pieces, as record batches. Imports pyarrow on first use only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any


async def batches(pieces: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The record batches of a stream."""
    import pyarrow as pa

    feed = Feed()
    async for piece in pieces:
        for batch in feed.feed(piece, pa):
            yield batch


def cut(path: Path, rows: range) -> bytes:
    """Some rows of a file that holds a stream, as a stream. The file is mapped: batches before the first of these rows
    are passed over without reading their values."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with (
        pa.memory_map(str(path)) as source,
        pa.ipc.open_stream(source) as reader,
        pa.ipc.new_stream(sink, reader.schema) as writer,
    ):
        begin = 0
        for batch in reader:
            first, end = max(rows.start, begin), min(rows.stop, begin + batch.num_rows)
            if first < end:
                writer.write_batch(batch.slice(first - begin, end - first))
            begin += batch.num_rows
            if begin >= rows.stop:
                break
    return sink.getvalue().to_pybytes()


class Feed:
    """Decodes an Arrow IPC stream that arrives in pieces: whole messages are cut off its front."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._head = b""

    def feed(self, piece: bytes, pa: Any) -> list[Any]:
        """The batches that are whole with this piece; `pa` is the module pyarrow."""
        self._held += piece
        batches: list[Any] = []
        while (message := self._message()) is not None:
            if not self._head:
                self._head = message
            elif message:
                batches += list(pa.ipc.open_stream(self._head + message))
        return batches

    def _message(self) -> bytes | None:
        """One encapsulated message: 0xFFFFFFFF, metadata length, metadata (padded), body. Source: Arrow IPC format."""
        held = self._held
        if len(held) < 8:
            return None
        length = int.from_bytes(held[4:8], "little", signed=True)
        if length == 0:  # end of stream
            del held[:8]
            return b""
        if len(held) < 8 + length:
            return None
        total = 8 + length + _body_length(bytes(held[8 : 8 + length]))
        if len(held) < total:
            return None
        message = bytes(held[:total])
        del held[:total]
        return message


def _body_length(metadata: bytes) -> int:
    """Field 3 (bodyLength: long) of the flatbuffer table Message."""
    table = int.from_bytes(metadata[:4], "little")
    vtable = table - int.from_bytes(metadata[table : table + 4], "little", signed=True)
    size = int.from_bytes(metadata[vtable : vtable + 2], "little")
    slot = 4 + 2 * 3
    if slot >= size:
        return 0
    offset = int.from_bytes(metadata[vtable + slot : vtable + slot + 2], "little")
    return int.from_bytes(metadata[table + offset : table + offset + 8], "little", signed=True) if offset else 0
