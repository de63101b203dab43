"""Many writers at once: no row lost, none twice, none of a failed run."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.exceptions import CommitFailedException, ValidationException

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.stacks.flare.actions import Options
from dataos.stacks.flare.driver.upkeep import rewriting
from integration.lakehouse.engines import DuckDB
from integration.lakehouse.helpers import WAREHOUSE, Server, client, rows

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)

WRITERS = 5
ROUNDS = 6


def settle(server: Server, attempt: AttemptId) -> bool:
    """As workloads settle an attempt: prepare and publish, a few times; True if published."""
    for _ in range(20):
        try:
            asyncio.run(server.catalog.prepare_publish(attempt))
            asyncio.run(server.store.write(server.catalog.publish, attempt))
        except DataOSError as error:
            if error.problem.code != "iceberg.conflict":
                raise
            if error.problem.retry is None:
                break
        else:
            return True
    asyncio.run(server.catalog.abandon(attempt))
    return False


@pytest.mark.parametrize("seed", [1, 2])
def test_concurrent_runs_over_two_tables(server: Server, orders: str, seed: int) -> None:
    user = client(server)
    user.create_table("sales.other", rows().schema).append(rows(-1))
    user.load_table(orders).overwrite(rows(-1))
    kept: list[int] = []
    refused: list[int] = []
    kinds: Counter[str] = Counter()
    lock = threading.Lock()

    def write(writer: int) -> None:
        choice = random.Random(seed * 100 + writer)
        for number in range(ROUNDS):
            mark = writer * 1000 + number
            kind = choice.choice(["append", "append", "append twice", "replace", "direct", "give up"])
            done = run(kind, mark)
            with lock:
                kinds[f"{kind}: {'kept' if done else 'refused'}"] += 1
                (kept if done else refused).append(mark)

    def run(kind: str, mark: int) -> bool:
        attempt = AttemptId(f"at-{mark}")
        catalog = client(server, "user" if kind == "direct" else f"attempt:{attempt}")
        for name in (orders, "sales.other"):
            table = catalog.load_table(name)
            match kind:
                case "replace":  # read, change, write all: right only if nobody wrote in between
                    seen = table.scan().to_arrow()["id"].to_pylist()
                    catalog.load_table(name).overwrite(rows(*seen, mark))
                case "append twice":
                    table.append(rows(mark))
                    table.append(rows(-1))
                case _:
                    table.append(rows(mark))
        if kind == "direct":
            return True
        if kind == "give up":
            asyncio.run(server.catalog.abandon(attempt))
            return False
        return settle(server, attempt)

    with ThreadPoolExecutor(WRITERS) as pool:
        for outcome in [pool.submit(write, w) for w in range(WRITERS)]:
            outcome.result()
    print(dict(kinds))
    for name in (orders, "sales.other"):
        found = Counter(client(server).load_table(name).scan().to_arrow()["id"].to_pylist())
        del found[-1]
        assert found == Counter(kept), name
    assert len(kept) + len(refused) == WRITERS * ROUNDS
    assert any(k.startswith("append") for k in kinds)
    # what the failed and the replaced left behind: nothing is held, and no metadata that no pointer knows
    assert asyncio.run(server.catalog.sweep(lambda _: [])) == []
    for name in (orders, "sales.other"):
        table = client(server).load_table(name)
        named = {table.metadata_location, *(e.metadata_file for e in table.metadata.metadata_log)}
        there = {str(p) for p in server.root.glob(f"sales/{name.split('.')[1]}-*/metadata/*.metadata.json")}
        assert there <= named, "orphan metadata files"


class Marks:
    """What must be in the table: each mark belongs to one writer, who alone puts it in and takes it out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.present: set[int] = set()
        self.gone: set[int] = set()
        self.refused: set[int] = set()
        self.done: Counter[str] = Counter()

    def note(self, what: str, *, present: set[int] | None = None, gone: set[int] | None = None) -> None:
        with self._lock:
            self.done[what] += 1
            self.present |= present or set()
            self.present -= gone or set()
            self.gone |= gone or set()

    def begin(self, leaving: set[int]) -> None:
        """They may be gone from now on, and need not be."""
        with self._lock:
            self.present -= leaving

    def check(self, read: Callable[[], list[int]]) -> None:
        """Nothing lost, doubled or resurrected, in what anybody reads at any moment."""
        with self._lock:
            present, gone, refused = set(self.present), set(self.gone), set(self.refused)
        found = Counter(read())
        with self._lock:
            leaving = present - self.present
        assert not [m for m, count in found.items() if count > 1], "doubled"
        assert not (present - leaving) - set(found), "lost"
        assert not gone & set(found), "resurrected"
        assert not refused & set(found), "refused, and yet there"


@pytest.mark.parametrize("seed", [1, 2])
def test_competing_engines_and_maintenance(server: Server, orders: str, seed: int, tmp_path: Path) -> None:
    """PyIceberg, DuckDB, cherry-picks, compaction, manifests and expiry at once on one table, checked all the while."""
    ref = TableRef(WAREHOUSE, *orders.split("."))
    client(server).load_table(orders).overwrite(rows(0))
    marks = Marks()
    marks.note("start", present={0})
    upkeep, datasets = Upkeep(server.catalog), Datasets(server.catalog)

    def read() -> list[int]:
        return client(server).load_table(orders).scan().to_arrow()["id"].to_pylist()

    def swap(base: int, added: Any, removed: Any) -> dict[str, Any]:
        return asyncio.run(upkeep.replace_files(PUBLISHED, ref, base, added, removed))

    def append(engine: str, duck: DuckDB, mark: int) -> set[int]:
        new = {mark, mark + 1}
        if engine == "duckdb":
            duck._connection.execute(f"INSERT INTO lake.{orders} VALUES ({mark}, 'd'), ({mark + 1}, 'd')")
        elif engine == "pick":
            name = f"b{mark}"
            asyncio.run(datasets.create_reference(PUBLISHED, ref, name))
            client(server).load_table(orders).append(rows(*new), branch=name)
            head = client(server).load_table(orders).metadata.refs[name].snapshot_id
            asyncio.run(datasets.cherry_pick(PUBLISHED, ref, head))
            asyncio.run(datasets.delete_reference(PUBLISHED, ref, name))
        else:
            client(server).load_table(orders).append(rows(*new))
        return new

    def write(writer: int) -> None:
        choice = random.Random(seed * 100 + writer)
        duck = DuckDB(server, "user")
        mine: list[int] = []
        for number in range(6):
            mark = writer * 1000 + number * 10 + 1
            kind = choice.choice(["append", "append", "duckdb", "pick", "delete", "duckdb delete"])
            leaving = {mine.pop()} if "delete" in kind and mine else set()
            marks.begin(leaving)
            try:
                if kind == "delete" and leaving:
                    client(server).load_table(orders).delete(f"id = {next(iter(leaving))}")
                    marks.note(kind, gone=leaving)
                elif kind == "duckdb delete" and leaving:
                    duck._connection.execute(f"DELETE FROM lake.{orders} WHERE id = {next(iter(leaving))}")
                    marks.note(kind, gone=leaving)
                else:
                    new = append(kind, duck, mark)
                    mine += sorted(new)
                    marks.note(kind, present=new)
            except (CommitFailedException, ValidationException, duckdb.Error, DataOSError) as error:
                marks.note(f"{kind} refused")
                if leaving:
                    marks.note("stays", present=leaving)
                    mine += leaving
                elif kind != "pick":  # a pick may fail after it: the branch is not deleted
                    with marks._lock:
                        marks.refused |= {mark, mark + 1}
                print(kind, type(error).__name__, str(error)[:150])
            marks.check(read)

    def maintain() -> None:
        for _ in range(5):
            try:
                rewriting.rewrite(client(server).load_table(orders), Options(scratch=tmp_path), swap, lambda _: None)
                marks.note("compact")
            except (DataOSError, FileNotFoundError) as error:
                marks.note("compact refused")
                assert isinstance(error, FileNotFoundError) or error.problem.code == "iceberg.conflict", error
            asyncio.run(upkeep.rewrite_manifests(PUBLISHED, ref))
            marks.check(read)

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(write, w) for w in range(1, 5)] + [pool.submit(maintain)]
        for outcome in running:
            outcome.result()
    print(dict(marks.done))
    marks.check(read)
    assert any(kind in marks.done for kind in ("compact", "delete", "duckdb delete"))
    before = sorted(read())
    asyncio.run(upkeep.expire_snapshots(ref, older_than_ms=int(time.time() * 1000) - 1))
    asyncio.run(upkeep.remove_orphans(ref, older_than_ms=int(time.time() * 1000) - 1))
    assert sorted(read()) == before
    assert (
        sorted(r[0] for r in DuckDB(server, "user")._connection.execute(f"SELECT id FROM lake.{orders}").fetchall())
        == before
    )
