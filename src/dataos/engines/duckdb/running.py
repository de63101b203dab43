"""One statement inside the engine process, in the thread of its connection.

What is small goes out in one piece, at its end: each write wakes a thread of the server. A slow reader slows the engine
down by the socket, so that memory holds one batch. Cancelling interrupts the cursor until its thread has noticed (an
interrupt before the first instruction would be lost).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from dataos.engines.duckdb import frames
from dataos.engines.ports import FailureKind

_BATCH_ROWS = 20_480  # ten DuckDB vectors
_WAITING = 1 << 16
"""Bytes that may wait for what comes after them."""


class Gone(Exception):
    """The other side went away."""


class Statement:
    """One SELECT on a cursor of its own. `send` writes to the other side, and raises OSError where that is gone."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, send: Callable[[bytes], None], *, clearing: Sequence[str]
    ) -> None:
        self._cursor = cursor
        self._send = send
        self._clearing = clearing
        self._waiting: list[bytes] = []
        self._done = False

    def cancel(self) -> None:
        """Called in another thread: it is interrupted until it has ended."""
        threading.Thread(target=self._interrupt, name="interrupt", daemon=True).start()

    def _interrupt(self) -> None:
        while not self._done:
            try:
                self._cursor.interrupt()
            except duckdb.Error:
                return
            time.sleep(0.02)

    def run(self, sql: str, max_rows: int | None) -> bytes:
        """Execute, send frames, and give the last ones; failures become a frame too. Raises Gone."""
        try:
            self._produce(sql, max_rows)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: everything must reach the caller
            self._waiting.append(frames.pack_json(frames.FAILURE, failure_of(error)))
        finally:
            self._done = True
        return b"".join(self._waiting)

    def close(self) -> None:
        """Give back what it held in the engine."""
        self._cursor.close()

    def _produce(self, sql: str, max_rows: int | None) -> None:
        self._execute(sql)
        names = [column[0] for column in self._cursor.description or []]
        types = [str(column[1]) for column in self._cursor.description or []]
        reader = self._cursor.to_arrow_reader(_BATCH_ROWS)
        self._waiting.append(frames.pack_json(frames.SCHEMA, {"columns": list(zip(names, types, strict=True))}))
        sink = _Sink()
        rows, truncated = 0, False
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                if max_rows is not None and rows + batch.num_rows > max_rows:
                    batch, truncated = batch.slice(0, max_rows - rows), True
                rows += batch.num_rows
                writer.write_batch(batch)
                if batch.num_rows >= _BATCH_ROWS or sink.size >= _WAITING:  # a small one is the last
                    self._flush(sink)
                if truncated:
                    break
        self._take(sink)
        self._waiting.append(frames.pack_json(frames.END, {"rows": rows, "truncated": truncated}))

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

    def _take(self, sink: _Sink) -> None:
        content = sink.take()
        for start in range(0, len(content), frames.PIECE):
            self._waiting.append(frames.pack(frames.ARROW, content[start : start + frames.PIECE]))

    def _flush(self, sink: _Sink) -> None:
        self._take(sink)
        try:
            for piece in self._waiting:
                self._send(piece)
        except OSError as error:
            raise Gone from error
        self._waiting.clear()


class _Sink:
    """The file-like end of the Arrow writer."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, content: Any) -> int:
        data = bytes(content)
        self._parts.append(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
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
