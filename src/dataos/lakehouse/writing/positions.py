"""Which rows of which data files a statement changes, and what is left of these files.

Rows are named by file and position, as the engine reads them. One byte a row of a touched file is held. All calls block
and are made in worker threads. Loaded at first use only: it imports PyArrow and NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from dataos.core.errors import fail

pc: Any = pyarrow.compute

DELETED, UPDATED, INSERTED = 1, 2, 3
"""What a statement does to a row."""

_FILE, _POSITION, _ACTION = 0, 1, 2
_FIRST = 3  # columns of the table begin here


class Changes:
    """The rows that one statement changes. `count`: how many rows it deletes, updates and inserts."""

    def __init__(self, files: Mapping[str, int]) -> None:
        """`files`: data files of the snapshot that is read, with their rows as written."""
        self._rows = files
        self._spelled = {_bare(path): path for path in files}
        self._hit: dict[str, Any] = {}
        self.count = 0

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """Note what a batch says (file, position, action, the row as it becomes); the rows to write, if there are some.

        Raises DataOSError `iceberg.row_twice` if a row is changed a second time.
        """
        self.count += batch.num_rows
        actions = batch.column(_ACTION)
        old = pc.not_equal(actions, INSERTED)
        if pc.any(old).as_py():
            self._mark(batch.filter(old) if not pc.all(old).as_py() else batch)
        new = batch.filter(pc.not_equal(actions, DELETED))
        return new.select(list(range(_FIRST, batch.num_columns))) if new.num_rows else None

    def _mark(self, batch: pa.RecordBatch) -> None:
        for path, positions in self._by_file(batch.column(_FILE), batch.column(_POSITION)):
            flags = self._hit.get(path)
            if flags is None:
                flags = self._hit[path] = np.zeros(self._rows[path], np.bool_)
            if flags[positions].any() or len(np.unique(positions)) != len(positions):
                raise fail(
                    "iceberg.row_twice",
                    "MERGE_TARGET_ROW_MULTIPLE_MATCHES: One MERGE target table row matched more than one source row",
                    hint="leave one row a key in the source: row_number() OVER (PARTITION BY key ORDER BY ...) = 1",
                )
            flags[positions] = True

    def _by_file(self, files: Any, positions: Any) -> list[tuple[str, Any]]:
        encoded = pc.dictionary_encode(files)
        codes, numbers = encoded.indices.to_numpy(zero_copy_only=False), positions.to_numpy(zero_copy_only=False)
        found: list[tuple[str, Any]] = []
        for code, name in enumerate(encoded.dictionary.to_pylist()):
            path = self._spelled.get(_bare(str(name)))
            if path is None:
                raise fail("iceberg.conflict", f"{name} is no data file of the table as it was read", retry=0.0)
            found.append((path, numbers[codes == code]))
        return found

    def files(self) -> frozenset[str]:
        """Files that hold changed rows."""
        return frozenset(self._hit)

    def partly(self) -> list[str]:
        """Those of them in which rows may stay."""
        return sorted(path for path, flags in self._hit.items() if not flags.all())

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """Of rows of touched files (columns of the table, then file and position) those that stay as they are."""
        width = batch.num_columns - 2
        encoded = pc.dictionary_encode(batch.column(width))
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        positions = batch.column(width + 1).to_numpy(zero_copy_only=False)
        stays = np.ones(batch.num_rows, np.bool_)
        for code, name in enumerate(encoded.dictionary.to_pylist()):
            flags = self._hit[self._spelled[_bare(str(name))]]
            here = codes == code
            stays[here] = ~flags[positions[here]]
        rows = batch.filter(pa.array(stays))
        return rows.select(list(range(width))) if rows.num_rows else None


def _bare(path: str) -> str:
    return path.removeprefix("file://")
