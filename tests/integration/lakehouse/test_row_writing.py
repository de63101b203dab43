"""Rows that statements write: a process killed at a named moment leaves a table as it was, or all of the statement."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import PUBLISHED, CreateRequest, TableRef
from dataos.lakehouse.writing.tablerows import TableRows
from dataos.store import tables
from dataos.store.database import Store, sqlite_url

REF = TableRef("w", "s", "t")
FIELDS = [{"id": 1, "name": "n", "required": False, "type": "long"}]
REQUEST = CreateRequest(REF, {"type": "struct", "schema-id": 0, "fields": FIELDS}, properties={"format-version": "2"})


async def batches(*numbers: int) -> AsyncIterator[Any]:
    yield pa.record_batch({"n": pa.array(numbers, pa.int64())})


def catalog_of(folder: Path, checkpoint: Any = lambda _: None) -> Catalog:
    store = Store(sqlite_url(folder / "store.db"))
    store.write_sync(tables.metadata.create_all)
    made = Catalog(store, SystemClock(), RandomIds(), checkpoint)
    (folder / "warehouse").mkdir(exist_ok=True)
    store.write_sync(made.register_warehouse, "w", "uid", folder / "warehouse")
    return made


async def statement(catalog: Catalog, what: str) -> int:
    await catalog.ensure_namespace(PUBLISHED, "w", "s")
    rows = TableRows(catalog)
    if what == "create":
        return await rows.create(PUBLISHED, REQUEST, batches(1, 2))
    at = await rows.stand(PUBLISHED, REF)
    if what == "append":
        return await rows.append(PUBLISHED, at, batches(3))
    return await rows.empty(PUBLISHED, at) or 0


def doomed(folder: Path, what: str, deadly: str) -> None:
    """Run a statement in a process that kills itself at a checkpoint."""
    done = subprocess.run([sys.executable, __file__, str(folder), what, deadly], check=False, env=_environment())
    assert done.returncode == -signal.SIGKILL, "the checkpoint was not reached"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def numbers(catalog: Catalog) -> list[int]:
    writing = TableRows(catalog)
    files, _ = asyncio.run(writing.files(asyncio.run(writing.stand(PUBLISHED, REF))))
    return sorted(n for f in files for n in pq.read_table(f).column("n").to_pylist())


POINTS = [("sql.rows-written", False), ("iceberg.before-commit", False), ("iceberg.after-commit", True)]


@pytest.mark.parametrize(("deadly", "committed"), POINTS)
def test_killed_while_a_table_is_made_of_rows(tmp_path: Path, deadly: str, committed: bool):
    doomed(tmp_path, "create", deadly)
    catalog = catalog_of(tmp_path)
    if committed:
        assert numbers(catalog) == [1, 2]
    else:
        with pytest.raises(DataOSError):
            asyncio.run(catalog.pointer(PUBLISHED, REF))
        assert asyncio.run(statement(catalog, "create")) == 2
        assert numbers(catalog) == [1, 2]
    left = len(list((tmp_path / "warehouse" / "s").iterdir()))
    assert left == (1 if committed else 2)
    catalog.store.write_sync(lambda c: c.execute(tables.iceberg_garbage.update().values(due_at=0)))
    asyncio.run(catalog.collect_garbage())
    assert len(list((tmp_path / "warehouse" / "s").iterdir())) == 1, "what was not made is swept, what was made stays"
    assert numbers(catalog) == [1, 2]
    catalog.close()
    catalog.store.close()


@pytest.mark.parametrize("what", ["append", "empty"])
@pytest.mark.parametrize(("deadly", "committed"), POINTS)
def test_killed_while_rows_are_written(tmp_path: Path, what: str, deadly: str, committed: bool):
    catalog = catalog_of(tmp_path)
    asyncio.run(statement(catalog, "create"))
    doomed(tmp_path, what, deadly)
    after = {"append": [1, 2, 3], "empty": []}[what]
    assert numbers(catalog) == (after if committed else [1, 2])
    asyncio.run(statement(catalog, "append"))
    assert numbers(catalog) == sorted([*(after if committed else [1, 2]), 3])
    catalog.close()
    catalog.store.close()


def main(folder: str, what: str, deadly: str) -> None:
    """The process that dies."""
    begun: list[bool] = []

    def checkpoint(name: str) -> None:
        if begun and name == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    catalog = catalog_of(Path(folder), checkpoint)
    begun.append(True)
    asyncio.run(statement(catalog, what))


if __name__ == "__main__":
    main(*sys.argv[1:])
