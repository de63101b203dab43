"""Data files rewritten: rows stay, files change, deletes are applied, and what happens meanwhile is not lost."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import PUBLISHED, AttemptView, TableRef
from dataos.stacks.flare.actions import Options
from dataos.stacks.flare.driver.upkeep import rewriting
from integration.lakehouse.engines import DuckDB
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows

ORDERS = TableRef(WAREHOUSE, "sales", "orders")
QUIET = lambda _: None  # noqa: E731


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(scratch=tmp_path)


def committer(server: Server, ref: TableRef = ORDERS, before: Any = None) -> rewriting.Commit:
    """As the server's route; `before` happens just before the commit."""

    def commit(base: int, added: Sequence[tuple[str, int]], removed: Sequence[str]) -> dict[str, Any]:
        if before is not None:
            before()
        return asyncio.run(Upkeep(server.catalog).replace_files(PUBLISHED, ref, base, added, removed))

    return commit


def load(server: Server, name: str = "sales.orders") -> Any:
    return client(server).load_table(name)


def data_files(table: Any) -> list[str]:
    return sorted(t.file.file_path for t in table.scan().plan_files())


def parquet(server: Server) -> int:
    return len(list(server.root.rglob("*.parquet")))


def test_small_files_are_put_together(server: Server, orders: str, options: Options) -> None:
    for n in range(3, 9):
        load(server).append(rows(n))
    planned = rewriting.rewrite(load(server), options, committer(server), QUIET, dry_run=True)
    assert (planned.rewritten, planned.written, planned.files_after) == (7, 1, 1)
    before = load(server).current_snapshot()
    done = rewriting.rewrite(load(server), options, committer(server), QUIET)
    assert (done.files_before, done.files_after, done.rewritten, done.rows, done.commits) == (7, 1, 7, 8, 1)
    table = load(server)
    assert ids_of(server, orders) == list(range(1, 9))
    assert len(data_files(table)) == 1
    newest = table.current_snapshot()
    assert newest.summary.operation.value == "replace"
    assert newest.parent_snapshot_id == before.snapshot_id
    assert (newest.summary["total-records"], newest.summary["total-data-files"]) == ("8", "1")
    assert newest.summary["deleted-data-files"] == "7"
    assert sorted(table.scan(snapshot_id=before.snapshot_id).to_arrow()["id"].to_pylist()) == list(range(1, 9))
    assert DuckDB(server, "user")._connection.execute("SELECT sum(id) FROM lake.sales.orders").fetchone() == (36,)
    again = rewriting.rewrite(load(server), options, committer(server), QUIET)
    assert (again.rewritten, again.commits) == (0, 0)
    load(server).append(rows(9))
    assert ids_of(server, orders) == list(range(1, 10))
    assert not list(Path(table.location(), "metadata").glob("rewrite-*"))


def test_deletes_are_applied_and_go(server: Server, orders: str, options: Options) -> None:
    load(server).append(rows(*range(10, 20)))
    duck = DuckDB(server, "user")
    duck._connection.execute("DELETE FROM lake.sales.orders WHERE id IN (1, 12, 15)")
    tasks = list(load(server).scan().plan_files())
    assert any(t.delete_files for t in tasks)
    done = rewriting.rewrite(load(server), options, committer(server), QUIET)
    assert done.rows == 9
    assert done.delete_files_removed == len({d.file_path for t in tasks for d in t.delete_files})
    assert not any(t.delete_files for t in load(server).scan().plan_files())
    assert load(server).current_snapshot().summary["total-delete-files"] == "0"
    assert ids_of(server, orders) == [2, 10, 11, 13, 14, 16, 17, 18, 19]
    assert DuckDB(server, "user")._connection.execute("SELECT count(*) FROM lake.sales.orders").fetchone() == (9,)


def test_a_table_whose_rows_are_all_deleted(server: Server, orders: str, options: Options) -> None:
    DuckDB(server, "user")._connection.execute("DELETE FROM lake.sales.orders")
    done = rewriting.rewrite(load(server), options, committer(server), QUIET)
    assert (done.rewritten, done.written, done.files_after) == (1, 0, 0)
    assert ids_of(server, orders) == []
    load(server).append(rows(4))
    assert ids_of(server, orders) == [4]


def test_appends_in_between_stay(server: Server, orders: str, options: Options) -> None:
    load(server).append(rows(3))
    commit = committer(server, before=lambda: load(server).append(rows(4)))
    rewriting.rewrite(load(server), options, commit, QUIET)
    assert ids_of(server, orders) == [1, 2, 3, 4]
    assert len(data_files(load(server))) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda server: DuckDB(server, "user")._connection.execute("DELETE FROM lake.sales.orders WHERE id = 2"),
        lambda server: load(server).delete("id = 2"),
        lambda server: load(server).overwrite(rows(5)),
        lambda server: asyncio.run(
            Datasets(server.catalog).rollback(PUBLISHED, ORDERS, load(server).metadata.snapshots[0].snapshot_id)
        ),
    ],
    ids=["delete by position", "delete by rewriting", "overwrite", "rollback"],
)
def test_what_changes_rewritten_files_in_between_wins(
    server: Server, orders: str, options: Options, change: Any
) -> None:
    load(server).append(rows(3))
    seen: list[list[int]] = []

    def meanwhile() -> None:
        change(server)
        seen.append(ids_of(server, orders))

    before = parquet(server)
    with pytest.raises(DataOSError) as raised:
        rewriting.rewrite(load(server), options, committer(server, before=meanwhile), QUIET)
    assert raised.value.problem.code == "iceberg.conflict"
    assert ids_of(server, orders) == seen[0]
    made_by_the_change = set(data_files(load(server)))
    assert all(Path(f).exists() for f in made_by_the_change)
    assert parquet(server) <= before + 2  # what the rewrite had written is deleted again
    rewriting.rewrite(load(server), options, committer(server), QUIET)
    assert ids_of(server, orders) == seen[0]


def test_a_delete_elsewhere_in_between_is_no_conflict(server: Server, options: Options) -> None:
    made = partitioned(server)
    made.append(sample(range(8)))
    made.append(sample(range(8, 16)))
    ref = TableRef(WAREHOUSE, "sales", "parts")
    meanwhile = lambda: DuckDB(server, "user")._connection.execute(  # noqa: E731
        "DELETE FROM lake.sales.parts WHERE id = 1"
    )
    rewriting.rewrite(
        load(server, "sales.parts"), replace(options, where="k = 'even'"), committer(server, ref, meanwhile), QUIET
    )
    assert ids_of(server, "sales.parts") == [0, *range(2, 16)]


def sample(ids: Any) -> pa.Table:
    chosen = list(ids)
    return pa.table(
        {
            "id": pa.array(chosen, pa.int64()),
            "k": pa.array(["odd" if i % 2 else "even" for i in chosen]),
            "at": pa.array(
                [datetime(2026, 1 + i % 3, 5, i % 24, tzinfo=UTC) for i in chosen], pa.timestamp("us", "UTC")
            ),
            "day": pa.array([date(2026, 1 + i % 3, 5) if i % 5 else None for i in chosen], pa.date32()),
            "amount": pa.array([Decimal(i) / 4 for i in chosen], pa.decimal128(12, 2)),
            "tags": pa.array([{"a": str(i)} if i % 3 else None for i in chosen], pa.map_(pa.string(), pa.string())),
            "place": pa.array([{"city": f"c{i % 4}"} for i in chosen], pa.struct([("city", pa.string())])),
        }
    )


def partitioned(server: Server) -> Any:
    known = client(server)
    if ("sales",) not in known.list_namespaces():
        known.create_namespace("sales")
    made = known.create_table("sales.parts", sample([1]).schema)
    with made.update_spec() as update:
        update.add_identity("k")
    return made


def content(table: Any, **options: Any) -> Counter[str]:
    return Counter(str(r) for r in table.scan(**options).to_arrow().to_pylist())


def test_files_of_an_earlier_partitioning_come_into_the_new_one(server: Server, options: Options) -> None:
    ref = TableRef(WAREHOUSE, "sales", "parts")
    partitioned(server).append(sample(range(30)))
    before = content(load(server, "sales.parts"))
    asyncio.run(
        Datasets(server.catalog).update_partition(
            PUBLISHED,
            ref,
            ["month:at:m", "day:day:d", "bucket:id:b:3", "identity:place.city:c", "identity:amount:a", "bucket:k:kb:2"],
        )
    )
    done = rewriting.rewrite(load(server, "sales.parts"), options, committer(server, ref), QUIET)
    table = load(server, "sales.parts")
    assert (done.rewritten, done.rows) == (2, 30)
    assert {f.file.spec_id for f in table.scan().plan_files()} == {table.spec().spec_id}
    assert content(table) == before
    # PyIceberg's own pruning agrees with the partition values that were written
    for where in ("id = 7", "day = '2026-02-05'", "day is null", "k = 'odd'", "amount = 1.25"):
        assert content(table, row_filter=where) == content(
            client(server).load_table("sales.parts"),
            row_filter=where,
            snapshot_id=table.metadata.snapshots[0].snapshot_id,
        ), where
    assert DuckDB(server, "user")._connection.execute(
        "SELECT count(*) FROM lake.sales.parts WHERE day >= '2026-02-01' AND day < '2026-03-01'"
    ).fetchone() == (8,)


def test_only_files_that_may_hold_the_rows(server: Server, options: Options) -> None:
    ref = TableRef(WAREHOUSE, "sales", "parts")
    partitioned(server).append(sample(range(8)))
    load(server, "sales.parts").append(sample(range(8, 16)))
    before = content(load(server, "sales.parts"))
    done = rewriting.rewrite(
        load(server, "sales.parts"), replace(options, where='k = "odd" AND id > 2'), committer(server, ref), QUIET
    )
    assert (done.rewritten, done.written) == (2, 1)
    assert content(load(server, "sales.parts")) == before
    assert len(data_files(load(server, "sales.parts"))) == 3


def test_rows_are_sorted_into_files_of_the_wanted_size(server: Server, orders: str, options: Options) -> None:
    import random

    numbers = list(range(20_000))
    random.Random(1).shuffle(numbers)
    load(server).overwrite(rows(*numbers[:10_000]))
    load(server).append(rows(*numbers[10_000:]))
    sized = replace(
        options, strategy="sort", sort_order="(id, DESC NULLS LAST).", target_bytes=20_000, rewrite_all=True
    )
    done = rewriting.rewrite(load(server), sized, committer(server), QUIET)
    assert done.written > 2
    files = [pq.read_table(path)["id"].to_pylist() for path in data_files(load(server))]
    assert all(f == sorted(f, reverse=True) for f in files)
    assert sorted(i for f in files for i in f) == list(range(20_000))
    spans = sorted((min(f), max(f)) for f in files)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_zorder_keeps_neighbours_in_all_columns_together(server: Server, options: Options) -> None:
    user = client(server)
    user.create_namespace("sales")
    grid = pa.table({"x": [i % 64 for i in range(4096)], "y": [i // 64 for i in range(4096)]})
    user.create_table("sales.grid", grid.schema).append(grid)
    ref = TableRef(WAREHOUSE, "sales", "grid")
    asked = replace(options, strategy="sort", sort_order="zorder(x, y)", target_bytes=2_000, rewrite_all=True)
    done = rewriting.rewrite(load(server, "sales.grid"), asked, committer(server, ref), QUIET)
    assert done.written >= 4
    assert load(server, "sales.grid").scan().to_arrow().num_rows == 4096
    areas = []
    for path in data_files(load(server, "sales.grid")):
        found = pq.read_table(path)
        spans = [max(found[c].to_pylist()) - min(found[c].to_pylist()) + 1 for c in ("x", "y")]
        areas.append(spans[0] * spans[1] / found.num_rows)
    assert sum(areas) / len(areas) < 4  # in the order of x alone it would be far more in y


def test_partial_progress_commits_group_by_group(server: Server, options: Options) -> None:
    ref = TableRef(WAREHOUSE, "sales", "parts")
    partitioned(server).append(sample(range(8)))
    load(server, "sales.parts").append(sample(range(8, 16)))
    calls: list[int] = []
    real = committer(server, ref)

    def commit(base: int, added: Any, removed: Any) -> dict[str, Any]:
        calls.append(base)
        if len(calls) == 1:
            raise fail("iceberg.conflict", "somebody was first")
        return real(base, added, removed)

    before = content(load(server, "sales.parts"))
    done = rewriting.rewrite(load(server, "sales.parts"), replace(options, partial_progress=True), commit, QUIET)
    assert (done.commits, len(done.failed), len(calls)) == (1, 1, 2)
    assert content(load(server, "sales.parts")) == before
    assert len(data_files(load(server, "sales.parts"))) == 3
    assert parquet(server) == 5


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("dataset.order", {"strategy": "sort"}),
        ("dataset.order", {"strategy": "sort", "sort_order": "idd"}),
        ("dataset.order", {"strategy": "sort", "sort_order": "zorder()"}),
        ("dataset.rewrite", {"sort_order": "id"}),
        ("dataset.where", {"where": "idd = 3"}),
        ("dataset.where", {"where": "id + 1 = 3"}),
        ("dataset.where", {"where": "id ="}),
        ("dataset.where", {"where": "id = 'x'"}),
    ],
)
def test_what_is_refused(server: Server, orders: str, options: Options, code: str, more: dict[str, Any]) -> None:
    with pytest.raises(DataOSError) as raised:
        rewriting.rewrite(load(server), replace(options, **more), committer(server), QUIET)
    assert raised.value.problem.code == code, raised.value


def test_a_swap_that_loses_rows_is_refused(server: Server, orders: str) -> None:
    table = load(server)
    table.append(rows(3))
    paths = data_files(load(server))
    for removed in (paths, []):
        with pytest.raises(DataOSError) as raised:
            committer(server)(load(server).current_snapshot().snapshot_id, [], removed)
        assert raised.value.problem.code == "dataset.replace"
    assert ids_of(server, orders) == [1, 2, 3]


def test_manifests_of_the_table_are_no_lists_of_new_files(server: Server, orders: str) -> None:
    table = load(server)
    (manifest,) = table.current_snapshot().manifests(table.io)
    copied = Path(manifest.manifest_path).with_name("rewrite-copy.avro")
    copied.write_bytes(Path(manifest.manifest_path).read_bytes())
    for path in (manifest.manifest_path, str(copied)):
        with pytest.raises(DataOSError) as raised:
            committer(server)(table.current_snapshot().snapshot_id, [(path, 0)], data_files(table))
        assert raised.value.problem.code == "dataset.replace"
    assert Path(manifest.manifest_path).exists()
    assert ids_of(server, orders) == [1, 2]


def test_manifests_are_put_together(server: Server, orders: str) -> None:
    for n in range(3, 9):
        load(server).append(rows(n))
    upkeep = Upkeep(server.catalog)
    planned = asyncio.run(upkeep.rewrite_manifests(PUBLISHED, ORDERS, dry_run=True))
    assert (planned["before"], planned["after"]) == (7, 1)
    done = asyncio.run(upkeep.rewrite_manifests(PUBLISHED, ORDERS))
    assert done == {"before": 7, "after": 1, "entries": 7}
    table = load(server)
    assert len(table.current_snapshot().manifests(table.io)) == 1
    assert table.current_snapshot().summary["manifests-replaced"] == "7"
    assert table.current_snapshot().summary["total-records"] == "8"
    assert ids_of(server, orders) == list(range(1, 9))
    assert asyncio.run(upkeep.rewrite_manifests(PUBLISHED, ORDERS))["entries"] == 0
    DuckDB(server, "user")._connection.execute("DELETE FROM lake.sales.orders WHERE id = 3")
    load(server).append(rows(20))
    asyncio.run(upkeep.rewrite_manifests(PUBLISHED, ORDERS))
    assert ids_of(server, orders) == [1, 2, *range(4, 9), 20]


# --- in a run -----------------------------------------------------------------------------------------------------------


def run(server: Server, options: Options, meanwhile: Any, also: Any = None) -> bool:
    """A job that rewrites the table while something happens; True if it could be published."""
    attempt = AttemptId("a1")
    view = AttemptView(attempt)

    def commit(base: int, added: Any, removed: Any) -> dict[str, Any]:
        return asyncio.run(Upkeep(server.catalog).replace_files(view, ORDERS, base, added, removed))

    job = client(server, "attempt:a1")
    rewriting.rewrite(job.load_table("sales.orders"), options, commit, QUIET)
    if also is not None:
        also(job)
    assert len(data_files(load(server))) == 2  # nobody sees it yet
    meanwhile()
    try:
        asyncio.run(server.catalog.prepare_publish(attempt))
        server.store.write_sync(server.catalog.publish, attempt)
    except DataOSError as error:
        assert error.problem.code == "iceberg.conflict"
        asyncio.run(server.catalog.abandon(attempt))
        return False
    return True


def test_a_run_publishes_its_rewrite_beside_appends(server: Server, orders: str, options: Options) -> None:
    load(server).append(rows(3))
    assert run(server, options, lambda: load(server).append(rows(4)))
    assert ids_of(server, orders) == [1, 2, 3, 4]
    assert len(data_files(load(server))) == 2
    newest = load(server).current_snapshot()
    assert newest.summary.operation.value == "replace"
    assert newest.summary["dataos.attempt-id"] == "a1"


def test_a_run_does_not_publish_its_rewrite_over_deletes(server: Server, orders: str, options: Options) -> None:
    load(server).append(rows(3))
    assert not run(
        server,
        options,
        lambda: DuckDB(server, "user")._connection.execute("DELETE FROM lake.sales.orders WHERE id = 2"),
    )
    assert ids_of(server, orders) == [1, 3]


def test_a_run_that_also_appends_doubles_nothing(server: Server, orders: str, options: Options) -> None:
    load(server).append(rows(3))
    also = lambda job: job.load_table("sales.orders").append(rows(9))  # noqa: E731
    assert not run(server, options, lambda: load(server).append(rows(4)), also)
    assert ids_of(server, orders) == [1, 2, 3, 4]
