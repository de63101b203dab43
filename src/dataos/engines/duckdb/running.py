"""One statement inside the engine process: a thread produces frames, the event loop sends them.

At most a few frames wait in between, so a slow reader slows the engine down instead of filling memory. Cancelling
interrupts the cursor until its thread has noticed (an interrupt before the first instruction would be lost).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from dataos.engines.duckdb import frames
from dataos.engines.ports import FailureKind

_WAITING = 4  # frames between thread and loop
_BATCH_ROWS = 20_480  # ten DuckDB vectors


class _Stopped(Exception):
    """The reader went away."""


class Statement:
    """Runs one SELECT on its own cursor. `run` is called in a thread, the rest on the event loop."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, loop: asyncio.AbstractEventLoop, *, clearing: Sequence[str]
    ) -> None:
        self._cursor = cursor
        self._loop = loop
        self._clearing = clearing
        self._frames: deque[bytes | None] = deque()
        self._room = threading.Condition()
        self._news = asyncio.Event()
        self._stopped = False
        self._done = False

    # --- event loop ---------------------------------------------------------------------------------------------

    async def next_frame(self) -> bytes | None:
        """The next frame, or None after the last."""
        while True:
            with self._room:
                if self._frames:
                    frame = self._frames.popleft()
                    self._room.notify()
                    return frame
                self._news.clear()
            await self._news.wait()

    async def all_frames(self) -> AsyncGenerator[bytes]:
        """Every frame. Left early (the client went away), it cancels the statement."""
        try:
            while (frame := await self.next_frame()) is not None:
                yield frame
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Stop the thread: it is interrupted until it has ended."""
        with self._room:
            self._stopped = True
            self._frames.clear()
            self._frames.append(None)
            self._room.notify_all()
        self._news.set()
        if not self._done:
            threading.Thread(target=self._interrupt, name="interrupt", daemon=True).start()

    def _interrupt(self) -> None:
        while not self._done:
            try:
                self._cursor.interrupt()
            except duckdb.Error:
                return
            time.sleep(0.02)

    # --- thread -------------------------------------------------------------------------------------------------

    def run(self, sql: str, max_rows: int | None) -> None:
        """Execute and produce frames; failures become a frame too."""
        try:
            self._produce(sql, max_rows)
        except _Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: everything must reach the caller
            self._put_last(frames.pack_json(frames.FAILURE, failure_of(error)))
        finally:
            self._done = True
            self._put_last(None)
            self._cursor.close()

    def _produce(self, sql: str, max_rows: int | None) -> None:
        self._execute(sql)
        names = [column[0] for column in self._cursor.description or []]
        types = [str(column[1]) for column in self._cursor.description or []]
        reader = self._cursor.to_arrow_reader(_BATCH_ROWS)
        self._put(frames.pack_json(frames.SCHEMA, {"columns": list(zip(names, types, strict=True))}))
        sink = _Sink()
        rows, truncated = 0, False
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            self._flush(sink)
            for batch in reader:
                if max_rows is not None and rows + batch.num_rows > max_rows:
                    batch, truncated = batch.slice(0, max_rows - rows), True
                rows += batch.num_rows
                writer.write_batch(batch)
                self._flush(sink)
                if truncated:
                    break
        self._flush(sink)
        self._put(frames.pack_json(frames.END, {"rows": rows, "truncated": truncated}))

    def _execute(self, sql: str) -> None:
        statements = self._cursor.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise PermissionError("the engine runs one SELECT at a time")
        try:
            self._cursor.execute(statements[0])
        except duckdb.Error as error:
            # Tables of a mounted database are remembered by DuckDB and may have changed since.
            stale = isinstance(error, (duckdb.CatalogException, duckdb.BinderException)) or "prepare COPY" in str(error)
            if not (stale and self._clearing):
                raise
            for statement in self._clearing:
                self._cursor.execute(statement)
            self._cursor.execute(sql)

    def _flush(self, sink: _Sink) -> None:
        content = sink.take()
        for start in range(0, len(content), frames.PIECE):
            self._put(frames.pack(frames.ARROW, content[start : start + frames.PIECE]))

    def _put(self, frame: bytes) -> None:
        with self._room:
            while len(self._frames) >= _WAITING and not self._stopped:
                self._room.wait()
            if self._stopped:
                raise _Stopped
            self._frames.append(frame)
        self._wake()

    def _put_last(self, frame: bytes | None) -> None:
        """Without waiting for room: nothing comes after it."""
        with self._room:
            self._frames.append(frame)
        self._wake()

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)


class _Sink:
    """The file-like end of the Arrow writer."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: Any) -> int:
        data = bytes(content)
        self._parts.append(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


_KINDS: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (duckdb.InterruptException, FailureKind.CANCELLED),
    (duckdb.ParserException, FailureKind.SYNTAX),
    (duckdb.SyntaxException, FailureKind.SYNTAX),
    (duckdb.BinderException, FailureKind.BINDING),
    (duckdb.CatalogException, FailureKind.BINDING),
    (duckdb.TypeMismatchException, FailureKind.BINDING),
    (duckdb.ConversionException, FailureKind.CONVERSION),
    (duckdb.OutOfRangeException, FailureKind.RANGE),
    (duckdb.InvalidInputException, FailureKind.INPUT),
    (duckdb.InvalidTypeException, FailureKind.INPUT),
    (duckdb.OutOfMemoryException, FailureKind.MEMORY),
    (duckdb.PermissionException, FailureKind.REFUSED),
    (duckdb.HTTPException, FailureKind.SOURCE),
    (duckdb.IOException, FailureKind.SOURCE),
    (PermissionError, FailureKind.REFUSED),
    (MemoryError, FailureKind.MEMORY),
)


_HEADS = {
    "Conversion Error:": FailureKind.CONVERSION,
    "Out of Range Error:": FailureKind.RANGE,
    "Invalid Input Error:": FailureKind.INPUT,
    "Out of Memory Error:": FailureKind.MEMORY,
    "IO Error:": FailureKind.SOURCE,
    "HTTP Error:": FailureKind.SOURCE,
}
"""How DuckDB's words begin: what fails after the first batch comes through Arrow, which keeps no class of it."""


def _by_head(text: str) -> FailureKind:
    return next((kind for head, kind in _HEADS.items() if text.startswith(head)), FailureKind.INTERNAL)


def failure_of(error: BaseException) -> dict[str, str]:
    """{kind, text} of an exception of the engine."""
    text = str(error)[:4000]
    kind = next((k for cls, k in _KINDS if isinstance(error, cls)), None) or _by_head(text)
    if kind in (FailureKind.MEMORY, FailureKind.SOURCE) and "max_temp_directory_size" in text:
        kind = FailureKind.DISK
    if kind is FailureKind.INTERNAL and any(w in text for w in ("prepare COPY", "Postgres", "MySQL", "sqlite")):
        kind = FailureKind.SOURCE
    return {"kind": kind.value, "text": text}
