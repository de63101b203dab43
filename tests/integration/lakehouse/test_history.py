"""Many writers at once: no row lost, none twice, none of a failed run."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from integration.lakehouse.helpers import Server, client, rows

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
