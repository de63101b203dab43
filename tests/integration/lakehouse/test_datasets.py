"""Operations on datasets: each checked through another client, PyIceberg's or DuckDB's."""

# pyright: reportCallIssue=false
# (PyIceberg's predicates take a name and a value, which their types do not tell of)

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.expressions import EqualTo

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.views import PUBLISHED, AttemptView, TableRef
from integration.lakehouse.engines import DuckDB
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows

ORDERS = TableRef(WAREHOUSE, "sales", "orders")
MADE = TableRef(WAREHOUSE, "retail", "orders")
AVRO = {
    "type": "record",
    "name": "orders",
    "fields": [
        {"name": "order_id", "type": "long", "field-id": 1},
        {"name": "store_id", "type": ["null", "int"], "default": None, "field-id": 2},
        {
            "name": "amount",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}],
            "field-id": 3,
        },
        {
            "name": "ordered_at",
            "type": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": True},
            "field-id": 4,
        },
        {
            "name": "place",
            "type": ["null", {"type": "record", "name": "p", "fields": [{"name": "city", "type": ["null", "string"]}]}],
        },
    ],
}
MANIFEST = {
    "schema": {"type": "avro", "avro": json.dumps(AVRO)},
    "iceberg": {
        "specs": [
            {"index": 1, "type": "identity", "column": "store_id"},
            {"index": 2, "type": "month", "column": "ordered_at", "name": "month_partition"},
        ],
        "properties": {"write.format.default": "parquet"},
    },
}


class Do:
    """The operations on one table, synchronously."""

    def __init__(self, server: Server, ref: TableRef, view: Any = PUBLISHED) -> None:
        self._datasets = Datasets(server.catalog)
        self._ref = ref
        self._view = view

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._datasets, name)
        return lambda *args, **kwargs: asyncio.run(method(self._view, self._ref, *args, **kwargs))


def refused(code: str, call: Any, *args: Any, **kwargs: Any) -> str:
    """Text and hint of the refusal."""
    with pytest.raises(DataOSError) as raised:
        call(*args, **kwargs)
    assert raised.value.problem.code == code, raised.value
    return f"{raised.value.problem.message}\n{raised.value.problem.hint}"


@pytest.fixture
def do(server: Server, orders: str) -> Do:
    return Do(server, ORDERS)


@pytest.fixture
def made(server: Server) -> Do:
    do = Do(server, MADE)
    do.create(MANIFEST)
    return do


def data(*ids: int, month: int = 1) -> pa.Table:
    from datetime import UTC, datetime
    from decimal import Decimal

    return pa.table(
        {
            "order_id": pa.array(ids, pa.int64()),
            "store_id": pa.array([i % 2 for i in ids], pa.int32()),
            "amount": pa.array([Decimal("1.50")] * len(ids), pa.decimal128(12, 2)),
            "ordered_at": pa.array(
                [datetime(2026, month, 1 + i % 20, tzinfo=UTC) for i in ids], pa.timestamp("us", "UTC")
            ),
            "place": pa.array([{"city": "Ulm"}] * len(ids), pa.struct([("city", pa.string())])),
        },
        schema=pa.schema(
            [
                pa.field("order_id", pa.int64(), nullable=False),
                ("store_id", pa.int32()),
                ("amount", pa.decimal128(12, 2)),
                pa.field("ordered_at", pa.timestamp("us", "UTC"), nullable=False),
                ("place", pa.struct([("city", pa.string())])),
            ]
        ),
    )


# --- making -------------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch06-AS04")
def test_a_dataset_of_a_manifest_comes_back_as_it_was(server: Server, made: Do) -> None:
    table = client(server).load_table("retail.orders")
    assert [(f.name, str(f.field_type), f.required) for f in table.schema().fields] == [
        ("order_id", "long", True),
        ("store_id", "int", False),
        ("amount", "decimal(12, 2)", False),
        ("ordered_at", "timestamptz", True),
        ("place", "struct<6: city: optional string>", False),
    ]
    assert [(f.name, str(f.transform)) for f in table.spec().fields] == [
        ("store_id", "identity"),
        ("month_partition", "month"),
    ]
    form = made.get()
    assert [s["index"] for s in form["iceberg"]["specs"]] == [1000, 1001]
    assert form["iceberg"]["properties"]["write.metadata.compression-codec"] == "gzip"
    twin = Do(server, TableRef(WAREHOUSE, "retail", "twin"))
    twin.create(form)
    again = twin.get()
    assert json.loads(again["schema"]["avro"])["fields"] == json.loads(form["schema"]["avro"])["fields"]
    assert again["iceberg"] == form["iceberg"]
    assert asyncio.run(Datasets(server.catalog).list(PUBLISHED, WAREHOUSE, "retail")) == ["orders", "twin"]
    assert asyncio.run(Datasets(server.catalog).list(PUBLISHED, WAREHOUSE)) == ["retail/orders", "retail/twin"]
    refused("iceberg.exists.table", twin.create, MANIFEST)


def test_a_refused_manifest_makes_nothing(server: Server) -> None:
    broken = {**MANIFEST, "iceberg": {"specs": [{"type": "month", "column": "store_id"}]}}
    refused("dataset.partition", Do(server, MADE).create, broken)
    assert asyncio.run(server.catalog.list_namespaces(PUBLISHED, WAREHOUSE)) == []


@pytest.mark.acceptance("ch06-AS09")
def test_a_dropped_dataset_is_registered_again_unless_it_was_purged(server: Server, do: Do) -> None:
    dropped = do.drop()
    assert not asyncio.run(server.catalog.table_exists(PUBLISHED, ORDERS))
    assert list(server.root.rglob("*.parquet"))
    do.register(dropped.metadata_location)
    assert ids_of(server, "sales.orders") == [1, 2]
    do.drop(purge=True)
    asyncio.run(server.catalog.collect_garbage())
    assert not [p for p in server.root.rglob("*") if p.is_file()]


def test_properties(server: Server, do: Do) -> None:
    do.add_properties({"a": "b:c", "owner": "ida"})
    do.remove_properties(["a"])
    assert client(server).load_table("sales.orders").properties["owner"] == "ida"
    assert "a" not in do.properties()
    assert "`owner`" in refused("dataset.property", do.remove_properties, ["ownr"])


# --- columns ------------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch06-AS05")
def test_columns_change_under_rows(server: Server, made: Do) -> None:
    client(server).load_table("retail.orders").append(data(1, 2))
    made.add_field("channel", "string")
    made.add_field("place.zip", "int")
    made.add_field("tags", "map", key="string", value="list<int>")
    made.rename_field("channel", "via")
    made.rename_field("place.city", "town")
    made.update_field("store_id", "long")
    made.update_field("place.zip", "long")
    made.update_field("amount", "decimal", precision=18)
    made.update_partition(["day:ordered_at"])
    table = client(server).load_table("retail.orders")
    assert [f"{f.name} {f.field_type}" for f in table.schema().fields] == [
        "order_id long",
        "store_id long",
        "amount decimal(18, 2)",
        "ordered_at timestamptz",
        "place struct<6: town: optional string, 8: zip: optional long>",
        "via string",
        "tags map<string, list<int>>",
    ]
    read = table.scan().to_arrow().sort_by("order_id").to_pylist()
    assert [(r["order_id"], r["store_id"], r["place"], r["via"]) for r in read] == [
        (1, 1, {"town": "Ulm", "zip": None}, None),
        (2, 0, {"town": "Ulm", "zip": None}, None),
    ]
    made.drop_field("place.town")
    made.drop_field("via")
    assert DuckDB(server, "user")._connection.execute(
        "SELECT order_id, store_id, amount, place.zip FROM lake.retail.orders ORDER BY 1"
    ).fetchall() == [(1, 1, pytest.approx(1.5), None), (2, 0, pytest.approx(1.5), None)]
    said = refused("dataset.type", made.update_field, "store_id", "int")
    assert "allowed from long: none" in said
    assert "P from 19 to 38" in refused("dataset.type", made.update_field, "amount", "decimal", precision=10)


@pytest.mark.parametrize(
    ("code", "verb", "args", "said"),
    [
        ("dataset.field", "add_field", ("STORE_ID", "int"), "store_id"),
        ("dataset.field", "add_field", ("a..b", "int"), "no name"),
        ("dataset.field", "add_field", ("order_id.x", "int"), "non-struct"),
        ("dataset.field", "add_field", ("plaec.x", "int"), "`place`"),
        ("dataset.field", "add_field", ("month_partition", "int"), "month_partition"),
        ("dataset.type", "add_field", ("x", "decimal"), "precision"),
        ("dataset.field", "drop_field", ("nope",), "`nope`"),
        ("dataset.field", "drop_field", ("store_id",), "partitioned"),
        ("dataset.field", "rename_field", ("order_id", "Amount"), "amount"),
        ("dataset.field", "rename_field", ("order_id", "a.b"), "without dots"),
        ("dataset.type", "update_field", ("place", "string"), "its fields"),
        ("dataset.type", "update_field", ("order_id", "string"), "wider"),
        ("dataset.type", "update_field", ("order_id", "lng"), "long"),
        ("dataset.partition", "update_partition", (["month:order_id"],), "cannot be partitioned"),
        ("dataset.partition", "update_partition", (["month:nope"],), "`nope`"),
        ("dataset.partition", "update_partition", (["day:ordered_at:amount"],), "amount"),
        ("dataset.partition", "update_partition", (["day:ordered_at:d", "hour:ordered_at:d"],), "twice"),
    ],
)
def test_changes_that_are_refused_change_nothing(
    server: Server, made: Do, code: str, verb: str, args: tuple[Any, ...], said: str
) -> None:
    before = made.metadata()
    assert said in refused(code, getattr(made, verb), *args)
    assert made.metadata() == before


def test_a_change_that_changes_nothing_commits_nothing(made: Do) -> None:
    before = made.metadata()
    made.update_field("store_id", "int")
    made.set_nullable("store_id", True)
    made.update_partition(["identity:store_id", "month:ordered_at:month_partition"])
    made.add_properties({"write.format.default": "parquet"})
    made.set_metadata("latest")
    assert made.metadata() == before
    assert "restricted to Hadoop Catalog" in refused("dataset.metadata", made.set_metadata, "v1.metadata.json")


def test_a_column_becomes_required_only_without_nulls(server: Server, made: Do) -> None:
    table = client(server).load_table("retail.orders")
    table.append(data(1, 2))
    made.create_reference("stage")
    made.set_nullable("amount", False)
    assert client(server).load_table("retail.orders").schema().find_field("amount").required
    made.set_nullable("amount", True)
    nulls = data(3).set_column(2, pa.field("amount", pa.decimal128(12, 2)), pa.nulls(1, pa.decimal128(12, 2)))
    client(server).load_table("retail.orders").append(nulls, branch="stage")
    assert "`stage`" in refused("dataset.nullable", made.set_nullable, "amount", False)
    made.delete_reference("stage")
    made.set_nullable("amount", False)


@pytest.mark.acceptance("ch06-AS06")
def test_rows_of_two_partitionings(server: Server, made: Do) -> None:
    client(server).load_table("retail.orders").append(data(1, 2))
    made.update_partition(["day:ordered_at:d"])
    client(server).load_table("retail.orders").append(data(3, 4))
    table = client(server).load_table("retail.orders")
    assert sorted(table.scan().to_arrow()["order_id"].to_pylist()) == [1, 2, 3, 4]
    assert set(table.inspect.files()["spec_id"].to_pylist()) == {0, 1}
    made.update_partition(["identity:store_id", "month:ordered_at:month_partition"])
    assert client(server).load_table("retail.orders").spec().spec_id == 0
    made.update_partition(["bucket:order_id:by_order"], 4)
    client(server).load_table("retail.orders").append(data(5))
    assert sorted(DuckDB(server, "user")._connection.execute("SELECT order_id FROM lake.retail.orders").fetchall()) == [
        (i,) for i in range(1, 6)
    ]
    assert "earlier partitioning" in refused("dataset.field", made.drop_field, "store_id")
    made.update_partition([])
    assert client(server).load_table("retail.orders").spec().is_unpartitioned()


# --- branches and snapshots ---------------------------------------------------------------------------------------------


def current(server: Server, branch: str = "main") -> str:
    return str(client(server).load_table("sales.orders").metadata.refs[branch].snapshot_id)


@pytest.mark.acceptance("ch06-AS07")
def test_write_audit_publish(server: Server, do: Do) -> None:
    table = lambda: client(server).load_table("sales.orders")  # noqa: E731
    do.create_reference("stage")
    table().append(rows(*range(100, 110)), branch="stage")
    assert ids_of(server, "sales.orders") == [1, 2]
    assert len(table().scan(snapshot_id=int(current(server, "stage"))).to_arrow()) == 12
    do.delete_reference("stage")
    do.create_reference("stage")
    table().append(rows(3, 4), branch="stage")
    picked = current(server, "stage")
    assert do.snapshots("stage")[-1]["id"] == picked
    moved = do.cherry_pick(int(picked))
    assert (moved["name"], moved["new"]) == ("main", picked)  # main was its parent: a fast-forward
    assert ids_of(server, "sales.orders") == [1, 2, 3, 4]
    assert "part of main" in refused("dataset.applied", do.cherry_pick, int(picked))


def test_a_pick_onto_a_main_that_moved_on_is_a_new_snapshot(server: Server, do: Do) -> None:
    table = lambda: client(server).load_table("sales.orders")  # noqa: E731
    do.create_reference("stage")
    table().append(rows(3), branch="stage", snapshot_properties={"wap.id": "w1", "note": "kept"})
    picked = int(current(server, "stage"))
    table().append(rows(10))
    moved = do.cherry_pick(picked)
    assert moved["new"] not in (str(picked), moved["old"])
    assert ids_of(server, "sales.orders") == [1, 2, 3, 10]
    newest = do.snapshots("main")[-1]
    assert newest["parent"] == moved["old"]
    assert newest["summary"]["source-snapshot-id"] == str(picked)
    assert newest["summary"]["published-wap-id"] == "w1"
    assert newest["summary"]["note"] == "kept"
    assert newest["summary"]["total-records"] == "4"
    assert "picked as" in refused("dataset.applied", do.cherry_pick, picked)
    assert DuckDB(server, "user")._connection.execute("SELECT count(*) FROM lake.sales.orders").fetchone() == (4,)


def test_what_deletes_is_picked_only_where_main_stands_still(server: Server, do: Do) -> None:
    do.create_reference("stage")
    client(server).load_table("sales.orders").delete(EqualTo("id", 2), branch="stage")
    picked = int(current(server, "stage"))
    client(server).load_table("sales.orders").append(rows(3))
    before = do.metadata()
    assert "overwrite" in refused("dataset.pick", do.cherry_pick, picked)
    assert do.metadata() == before
    assert "no snapshot 7" in refused("dataset.not_found.snapshot", do.cherry_pick, 7)


@pytest.mark.parametrize("disturbed", [False, True])
def test_replaced_partitions_are_picked_if_nobody_wrote_into_them(server: Server, made: Do, disturbed: bool) -> None:
    load = lambda: client(server).load_table("retail.orders")  # noqa: E731
    load().append(data(1, 3))  # store 1
    load().append(data(2, 4))  # store 0
    made.create_reference("stage")
    table = load()
    (old,) = [t.file for t in table.scan(row_filter=EqualTo("store_id", 1)).plan_files()]
    load().append(data(5, 7), branch="stage")
    stage = load().metadata.refs["stage"].snapshot_id
    new = [t.file for t in load().scan(snapshot_id=stage, row_filter=EqualTo("order_id", 5)).plan_files()]
    made.delete_reference("stage")
    made.create_reference("stage")
    with (
        load().transaction() as transaction,
        transaction.update_snapshot(
            snapshot_properties={"replace-partitions": "true"}, branch="stage"
        ).overwrite() as o,
    ):
        for file in new:
            o.append_data_file(file)
        o.delete_data_file(old)
    picked = load().metadata.refs["stage"].snapshot_id
    load().append(data(9) if disturbed else data(6))
    if disturbed:
        assert "wrote into a partition" in refused("dataset.pick", made.cherry_pick, picked)
        return
    made.cherry_pick(picked)
    assert sorted(load().scan().to_arrow()["order_id"].to_pylist()) == [2, 4, 5, 6, 7]
    assert load().current_snapshot().summary["total-records"] == "5"


@pytest.mark.acceptance("ch06-AS08")
def test_going_back(server: Server, do: Do) -> None:
    first = current(server)
    client(server).load_table("sales.orders").append(rows(3))
    second = current(server)
    do.create_reference("side", snapshot_id=int(first))
    client(server).load_table("sales.orders").append(rows(9), branch="side")
    side = current(server, "side")
    assert do.rollback(int(first)) == {"name": "main", "type": "branch", "old": second, "new": first}
    assert ids_of(server, "sales.orders") == [1, 2]
    before = do.metadata()
    refused("dataset.ancestry", do.rollback, int(side))
    refused("dataset.ancestry", do.rollback, int(second))
    assert do.metadata() == before
    do.set_snapshot(int(side))
    assert ids_of(server, "sales.orders") == [1, 2, 9]
    do.set_snapshot(int(second))
    assert ids_of(server, "sales.orders") == [1, 2, 3]


def test_branches_and_tags(server: Server, do: Do) -> None:
    first = current(server)
    do.create_reference("draft")
    do.create_reference("v1", "tag")
    client(server).load_table("sales.orders").append(rows(3), branch="draft")
    second = current(server, "draft")
    do.create_reference("stage", "branch", int(second), {"min-snapshots-to-keep": 3})
    do.delete_reference("draft")
    do.rename_reference("stage", "staged")
    (staged,) = [r for r in do.references() if r["name"] == "staged"]
    assert staged == {"name": "staged", "type": "branch", "snapshot": second, "minSnapshotsToKeep": 3}
    assert do.fast_forward("staged", "main") == {"name": "main", "type": "branch", "old": first, "new": second}
    assert ids_of(server, "sales.orders") == [1, 2, 3]
    client(server).load_table("sales.orders").append(rows(4))
    refused("dataset.ancestry", do.fast_forward, "staged", "main")
    assert do.replace_branch("staged", "main")["new"] == current(server)
    assert [r["minSnapshotsToKeep"] for r in do.references() if r["name"] == "staged"] == [3]
    for call in (
        lambda: do.delete_reference("main"),
        lambda: do.rename_reference("main", "other"),
        lambda: do.create_reference("two words"),
    ):
        refused("dataset.reference", call)
    refused("dataset.exists", do.create_reference, "v1")
    refused("dataset.exists", do.rename_reference, "staged", "v1")
    assert "is a tag" in refused("dataset.not_found.reference", do.delete_reference, "v1")
    assert "`staged`" in refused("dataset.not_found.reference", do.snapshots, "stage")
    do.delete_reference("v1", "tag")
    do.delete_reference("staged")
    assert [r["name"] for r in do.references()] == ["main"]


# --- together -----------------------------------------------------------------------------------------------------------


def test_a_run_holds_its_changes(server: Server, do: Do) -> None:
    attempt = AttemptId("a1")
    held = Do(server, ORDERS, AttemptView(attempt))
    held.add_field("channel", "string")
    assert "channel" not in do.get()["schema"]["avro"]
    asyncio.run(server.catalog.prepare_publish(attempt))
    server.store.write_sync(server.catalog.publish, attempt)
    assert "channel" in do.get()["schema"]["avro"]


@pytest.mark.acceptance("ch06-AS21")
def test_readers_see_the_last_commit_while_others_write_and_appends_both_land(server: Server, orders: str) -> None:
    reader = client(server).load_table(orders)
    first, second = (client(server).load_table(orders) for _ in range(2))
    long = client(server, "attempt:a1").load_table(orders)
    long.append(rows(7))  # a run that goes on
    assert sorted(reader.refresh().scan().to_arrow()["id"].to_pylist()) == [1, 2]
    with ThreadPoolExecutor(2) as pool:
        for outcome in [pool.submit(table.append, rows(n)) for table, n in ((first, 3), (second, 4))]:
            outcome.result()
    assert ids_of(server, orders) == [1, 2, 3, 4]
    asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
    assert ids_of(server, orders) == [1, 2, 3, 4]
    server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    assert ids_of(server, orders) == [1, 2, 3, 4, 7]


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_changes_at_the_same_time_all_hold(server: Server, orders: str) -> None:
    """Schema, properties, branches, tags and appends from many threads: nothing is lost, nothing is undone."""
    done: list[str] = []
    lock = threading.Lock()

    def change(number: int) -> None:
        do = Do(server, ORDERS)
        match number % 5:
            case 0:
                do.add_field(f"f{number}", "string")
            case 1:
                do.add_properties({f"p{number}": str(number)})
            case 2:
                do.create_reference(f"b{number}")
            case 3:
                client(server).load_table(orders).append(rows(number))
            case _:
                do.create_reference(f"t{number}", "tag")
        with lock:
            done.append(str(number))

    failed: list[DataOSError] = []
    with ThreadPoolExecutor(5) as pool:
        for outcome in [pool.submit(change, n) for n in range(20, 45)]:
            try:
                outcome.result()
            except DataOSError as error:
                failed.append(error)
    assert all(e.problem.code == "iceberg.conflict" for e in failed), failed
    assert not failed
    table = client(server).load_table(orders)
    assert {f"f{n}" for n in range(20, 45, 5)} <= set(table.schema().column_names)
    assert {f"p{n}" for n in range(21, 45, 5)} <= set(table.properties)
    assert {f"b{n}" for n in range(22, 45, 5)} | {f"t{n}" for n in range(24, 45, 5)} <= set(table.metadata.refs)
    assert ids_of(server, orders) == [1, 2, *range(23, 45, 5)]


@settings(max_examples=15, deadline=None)
@given(picks=st.lists(st.integers(0, 3), max_size=5))
def test_names_of_partition_fields_of_other_clients_come_back(picks: list[int]) -> None:
    from dataos.lakehouse.operations import partitioning

    transforms = ["identity", "truncate[4]", "bucket[7]", "hour"]
    fields = [partitioning.PartitionField(f"c{i}", transforms[p], f"n{i}") for i, p in enumerate(picks)]
    assert partitioning.read([f.to_json() for f in fields], "specs") == fields
