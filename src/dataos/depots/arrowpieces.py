"""Rows as an Arrow IPC stream that is taken piece by piece while it is written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any


class ArrowPieces:
    """The pieces of one stream, which begin with its schema."""

    def __init__(self, schema: Any) -> None:
        import pyarrow as pa

        self.is_ended = False
        self._schema = schema
        self._sink = io.BytesIO()
        self._writer: Any = pa.ipc.new_stream(self._sink, schema)

    def take(self, columns: Sequence[Sequence[Any]] | None, *, last: bool) -> bytes:
        """The next piece: with some rows, by column, or none; `last` ends the stream."""
        import pyarrow as pa

        if columns is not None:
            made = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(made, schema=self._schema))
        if last:
            self._writer.close()
            self.is_ended = True
        piece = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return piece
