"""Run transactions: held, published together, once, or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pyiceberg.exceptions import CommitFailedException, ForbiddenError, NoSuchNamespaceError, NoSuchTableError

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.store import tables
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)

A = AttemptId("a1")
B = AttemptId("b1")


def publish(server: Server, attempt: AttemptId) -> list[str]:
    asyncio.run(server.catalog.prepare_publish(attempt))
    return [str(t) for t in server.store.write_sync(server.catalog.publish, attempt)]


def abandon(server: Server, attempt: AttemptId) -> None:
    asyncio.run(server.catalog.abandon(attempt))


def files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file())


def count(server: Server, table: str) -> int:
    with server.store._reader.begin() as connection:
        return len(connection.execute(tables.metadata.tables[table].select()).all())


def test_commits_are_held_and_seen_by_their_attempt_only(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    assert ids_of(server, orders, "attempt:a1") == [1, 2, 3]
    assert ids_of(server, orders) == [1, 2]
    assert ids_of(server, orders, "attempt:b1") == [1, 2]
    assert publish(server, A) == ["dataos://lakehouse:sales/orders"]
    assert ids_of(server, orders) == ids_of(server, orders, "attempt:c1") == [1, 2, 3]


def test_an_attempt_sees_a_table_as_it_first_loaded_it(server: Server, orders: str) -> None:
    user = client(server)
    user.load_table(orders).append(rows(3))
    assert ids_of(server, orders, "attempt:a1") == [1, 2, 3]
    user.load_table(orders).append(rows(4))
    assert ids_of(server, orders, "attempt:a1") == [1, 2, 3]
    assert ids_of(server, orders, "attempt:b1") == [1, 2, 3, 4]
    assert publish(server, A) == [], "what it only read is no change, and no conflict"
    assert ids_of(server, orders, "attempt:a1") == [1, 2, 3, 4]
    assert ids_of(server, orders) == [1, 2, 3, 4]


def test_an_overwrite_from_an_older_read_is_a_conflict(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    seen = ids_of(server, orders, "attempt:a1")
    client(server).load_table(orders).append(rows(3))
    job.load_table(orders).overwrite(rows(*seen, 9))  # loaded anew, as Sail does between reading and committing
    with pytest.raises(DataOSError, match="was changed by another"):
        publish(server, A)
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2, 3]


def test_an_append_from_an_older_read_is_reapplied(server: Server, orders: str) -> None:
    table = client(server, "attempt:a1").load_table(orders)
    client(server).load_table(orders).append(rows(3))
    table.append(rows(4))
    publish(server, A)
    assert ids_of(server, orders) == [1, 2, 3, 4]


def test_a_purge_waits_for_runs_that_read_the_table(server: Server, orders: str) -> None:
    table = client(server, "attempt:a1").load_table(orders)
    client(server).purge_table(orders)
    asyncio.run(server.catalog.sweep(lambda _: [A]))
    assert len(table.scan().to_arrow()) == 2


def test_two_tables_are_published_at_once(server: Server, orders: str) -> None:
    user = client(server)
    user.create_table("sales.totals", rows().schema).append(rows(5))
    job = client(server, "attempt:a1")
    job.load_table(orders).append(rows(3))
    job.load_table("sales.totals").append(rows(6))
    user.load_table("sales.totals").overwrite(rows(99))
    job.load_table("sales.totals").overwrite(rows(7))  # not an append: cannot be re-applied on what the user wrote
    with pytest.raises(DataOSError) as refused:
        publish(server, A)
    assert refused.value.problem.code == "iceberg.conflict"
    assert refused.value.problem.retry is None
    assert ids_of(server, orders) == [1, 2], "nothing of a refused run is published"
    assert ids_of(server, "sales.totals") == [99]


def test_publish_itself_is_all_or_nothing(server: Server, orders: str) -> None:
    user = client(server)
    user.create_table("sales.totals", rows().schema)
    job = client(server, "attempt:a1")
    job.load_table(orders).append(rows(3))
    job.load_table("sales.totals").append(rows(6))
    user.load_table("sales.totals").append(rows(99))
    with pytest.raises(DataOSError) as refused:  # without the preparation that would re-apply
        server.store.write_sync(server.catalog.publish, A)
    assert refused.value.problem.retry is not None
    assert ids_of(server, orders) == [1, 2]
    assert len(publish(server, A)) == 2
    assert (ids_of(server, orders), ids_of(server, "sales.totals")) == ([1, 2, 3], [6, 99])


def test_appends_are_reapplied_on_a_moved_base(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1").load_table(orders)
    job.append(rows(3), snapshot_properties={"offset": "7"})
    job.append(rows(4), snapshot_properties={"offset": "8"})
    held = job.current_snapshot().snapshot_id
    user = client(server).load_table(orders)
    user.append(rows(50))
    with user.update_schema() as change:
        from pyiceberg.types import StringType

        change.add_column("note", StringType())
    before = files(server.root)
    publish(server, A)
    assert ids_of(server, orders) == [1, 2, 3, 4, 50]
    table = client(server).load_table(orders)
    newest = table.current_snapshot()
    assert newest.snapshot_id == held
    assert newest.parent_snapshot_id == user.current_snapshot().snapshot_id
    assert newest.summary["dataos.attempt-id"] == "a1"
    assert newest.summary["offset"] == "8"
    assert newest.summary["total-records"] == "5"
    assert newest.summary["added-records"] == "2"
    gone = [p for p in before if not p.exists()]
    assert len([p for p in gone if p.suffix == ".json"]) == 2, "the metadata that was held is gone"
    assert all(p.suffix != ".parquet" for p in gone)
    table.delete("id = 3")  # data sequence numbers are right: later deletes apply, earlier ones do not
    assert ids_of(server, orders) == [1, 2, 4, 50]


def test_deletes_before_the_reapplied_append_do_not_touch_it(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(1))
    client(server).load_table(orders).delete("id = 1")
    publish(server, A)
    assert ids_of(server, orders) == [1, 2]


@pytest.mark.parametrize("change", ["overwrite", "delete", "property", "append then overwrite"])
def test_other_changes_are_a_conflict_on_a_moved_base(server: Server, orders: str, change: str) -> None:
    job = client(server, "attempt:a1").load_table(orders)
    match change:
        case "overwrite":
            job.overwrite(rows(9))
        case "delete":
            job.delete("id = 1")
        case "property":
            with job.transaction() as transaction:
                transaction.set_properties(a="b")
        case _:
            job.append(rows(8))
            job.overwrite(rows(9))
    client(server).load_table(orders).append(rows(3))
    with pytest.raises(DataOSError, match="was changed by another run or client"):
        publish(server, A)
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2, 3]


def test_overwrite_on_an_unmoved_base_is_published(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).overwrite(rows(9))
    publish(server, A)
    assert ids_of(server, orders) == [9]


def test_publishing_twice_changes_nothing(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    first = publish(server, A)
    client(server).load_table(orders).append(rows(4))
    assert publish(server, A) == first
    assert ids_of(server, orders) == [1, 2, 3, 4]
    assert count(server, "publications") == 1


@pytest.mark.parametrize("end", ["published", "abandoned"])
def test_a_settled_attempt_commits_no_more(server: Server, orders: str, end: str) -> None:
    table = client(server, "attempt:a1").load_table(orders)
    table.append(rows(3))
    if end == "published":
        publish(server, A)
    else:
        abandon(server, A)
    before = ids_of(server, orders)
    with pytest.raises(ForbiddenError, match=f"was {end}"):
        client(server, "attempt:a1").load_table(orders).append(rows(4))
    with pytest.raises(ForbiddenError, match=f"was {end}"):
        client(server, "attempt:a1").create_table("sales.late", rows().schema)
    with pytest.raises(ForbiddenError, match=f"was {end}"):
        client(server, "attempt:a1").create_namespace("late")
    with pytest.raises(ForbiddenError, match=f"was {end}"):
        client(server, "attempt:a1").drop_table(orders)
    assert ids_of(server, orders) == before


def test_an_attempt_that_wrote_nothing_can_be_published(server: Server) -> None:
    assert publish(server, A) == []
    assert publish(server, A) == []


def test_an_abandoned_attempt_cannot_be_published(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    abandon(server, A)
    abandon(server, A)
    with pytest.raises(DataOSError) as refused:
        publish(server, A)
    assert refused.value.problem.code == "iceberg.settled"


def test_abandon_leaves_no_files_of_the_attempt(server: Server, orders: str) -> None:
    before = files(server.root)
    job = client(server, "attempt:a1")
    job.load_table(orders).append(rows(3))
    job.load_table(orders).append(rows(4))
    job.load_table(orders).overwrite(rows(5))
    job.create_table("sales.new", rows().schema).append(rows(6))
    assert len(files(server.root)) > len(before) + 10
    abandon(server, A)
    assert files(server.root) == before
    assert count(server, "iceberg_garbage") == count(server, "iceberg_overlays") == 0
    assert ids_of(server, orders) == [1, 2]


def test_abandon_after_publish_touches_nothing(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    publish(server, A)
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2, 3]


def test_sweep_abandons_the_dead_and_spares_the_living(server: Server, orders: str) -> None:
    for name in ("a1", "b1"):
        client(server, f"attempt:{name}").create_table(f"sales.{name}", rows().schema)
    client(server, "attempt:c1").create_namespace("only_a_namespace")
    assert asyncio.run(server.catalog.sweep(lambda _: [B])) == ["a1", "c1"]
    publish(server, B)
    assert client(server).list_tables("sales") == [("sales", "b1"), ("sales", "orders")]


def test_created_tables_appear_at_publish(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    job.create_table("sales.new", rows().schema).append(rows(3))
    with job.create_table_transaction("sales.staged", rows().schema) as transaction:
        transaction.append(rows(4))
    assert ids_of(server, "sales.new", "attempt:a1") == [3]
    assert [t[1] for t in job.list_tables("sales")] == ["new", "orders", "staged"]
    with pytest.raises(NoSuchTableError):
        client(server).load_table("sales.new")
    publish(server, A)
    assert (ids_of(server, "sales.new"), ids_of(server, "sales.staged")) == ([3], [4])


def test_two_attempts_that_create_one_name_conflict(server: Server, orders: str) -> None:
    for attempt in ("a1", "b1"):
        client(server, f"attempt:{attempt}").create_table("sales.new", rows().schema).append(rows(3))
    publish(server, A)
    with pytest.raises(DataOSError, match="was created by another run or client"):
        publish(server, B)
    abandon(server, B)
    assert ids_of(server, "sales.new") == [3]


def test_drop_is_held_and_conflicts_with_a_change(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    job.drop_table(orders)
    assert job.list_tables("sales") == []
    assert ids_of(server, orders) == [1, 2]
    client(server).load_table(orders).append(rows(3))
    with pytest.raises(DataOSError, match="was changed by another"):
        publish(server, A)
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2, 3]
    client(server, "attempt:b1").drop_table(orders)
    publish(server, B)
    assert client(server).list_tables("sales") == []


def test_a_table_dropped_meanwhile_is_a_conflict(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    client(server).drop_table(orders)
    with pytest.raises(DataOSError, match="was dropped by another"):
        publish(server, A)


def test_a_table_replaced_meanwhile_is_a_conflict(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    user = client(server)
    user.drop_table(orders)
    user.create_table(orders, rows().schema).append(rows(70))
    with pytest.raises(DataOSError, match="was changed by another"):
        publish(server, A)
    abandon(server, A)
    assert ids_of(server, orders) == [70]


def test_drop_and_create_is_published_as_one_replace(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    job.drop_table(orders)
    job.create_table(orders, rows().schema).append(rows(7))
    assert ids_of(server, orders) == [1, 2]
    old = asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "sales", "orders"))).location
    publish(server, A)
    assert ids_of(server, orders) == [7]
    new = asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "sales", "orders"))).location
    assert new != old
    assert Path(old).exists(), "a drop without purge keeps files"


def test_purge_in_a_run_deletes_files_after_publish_only(server: Server, orders: str) -> None:
    old = asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "sales", "orders"))).location
    client(server, "attempt:a1").purge_table(orders)
    asyncio.run(server.catalog.sweep(lambda _: [A]))
    assert ids_of(server, orders) == [1, 2]
    publish(server, A)
    asyncio.run(server.catalog.sweep(lambda _: []))
    assert not Path(old).exists()


def test_a_purge_that_is_abandoned_deletes_nothing(server: Server, orders: str) -> None:
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    client(server, "attempt:a1").purge_table(orders)
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2]


def test_rename_is_held(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    job.create_table("sales.tmp", rows().schema).append(rows(5))
    job.rename_table(orders, "sales.backup")
    job.rename_table("sales.tmp", orders)
    assert ids_of(server, orders, "attempt:a1") == [5]
    assert ids_of(server, orders) == [1, 2]
    asyncio.run(server.catalog.sweep(lambda _: [A]))
    publish(server, A)
    assert (ids_of(server, orders), ids_of(server, "sales.backup")) == ([5], [1, 2])


def test_an_abandoned_rename_keeps_the_files_of_the_published_table(server: Server, orders: str) -> None:
    before = files(server.root)
    job = client(server, "attempt:a1")
    job.rename_table(orders, "sales.elsewhere")
    job.load_table("sales.elsewhere").append(rows(3))
    job.create_table("sales.tmp", rows().schema).append(rows(5))
    job.rename_table("sales.tmp", "sales.tmp2")
    abandon(server, A)
    assert ids_of(server, orders) == [1, 2]
    assert files(server.root) == before


def test_namespaces_are_held(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    job.create_namespace("fresh", {"a": "b"})
    job.create_table("fresh.t", rows().schema).append(rows(1))
    assert ("fresh",) in job.list_namespaces()
    with pytest.raises(NoSuchNamespaceError):
        client(server).load_namespace_properties("fresh")
    client(server).create_namespace("fresh")  # somebody else was first: no conflict, theirs stays
    publish(server, A)
    assert ids_of(server, "fresh.t") == [1]
    job = client(server, "attempt:b1")
    job.create_namespace("gone")
    abandon(server, B)
    assert ("gone",) not in client(server).list_namespaces()


def test_a_namespace_dropped_meanwhile_is_a_conflict(server: Server) -> None:
    user = client(server)
    user.create_namespace("short")
    client(server, "attempt:a1").create_table("short.t", rows().schema)
    user.drop_namespace("short")
    with pytest.raises(DataOSError) as refused:
        publish(server, A)
    assert refused.value.problem.code == "iceberg.conflict"


def test_changes_that_cannot_be_held_are_refused(server: Server, orders: str) -> None:
    job = client(server, "attempt:a1")
    user = client(server)
    user.load_table(orders).append(rows(3))
    user.create_namespace("empty")
    with pytest.raises(Exception, match="could not be held back"):
        job.drop_namespace("empty")
    table = job.load_table(orders)
    with pytest.raises(Exception, match="expire snapshots"):
        table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()


def test_snapshots_carry_their_attempt_and_nobody_can_claim_one(server: Server, orders: str) -> None:
    table = client(server).load_table(orders)
    table.append(rows(3), snapshot_properties={"dataos.attempt-id": "forged"})
    job = client(server, "attempt:a1").load_table(orders)
    job.append(rows(4), snapshot_properties={"dataos.attempt-id": "forged"})
    publish(server, A)
    marks = [s.summary["dataos.attempt-id"] for s in client(server).load_table(orders).snapshots()]
    assert marks == [None, None, "a1"]


def test_stale_commits_inside_one_attempt_are_refused(server: Server, orders: str) -> None:
    one = client(server, "attempt:a1").load_table(orders)
    with one.transaction() as other:
        other.set_properties({"commit.retry.num-retries": "0"})
    stale = client(server, "attempt:a1").load_table(orders)
    one.refresh()
    one.append(rows(3))
    with pytest.raises(CommitFailedException):
        stale.overwrite(rows(9))
    assert ids_of(server, orders, "attempt:a1") == [1, 2, 3]
