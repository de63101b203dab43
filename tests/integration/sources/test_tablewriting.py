"""Rows into Iceberg and Delta tables of folders and buckets: in one commit, once, beside other writers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import AdapterContext, Delivery, DepotEntry, TablePartition, TableWriting
from dataos.depots.tableformats import current_metadata
from dataos.depots.types.file.adapter import FileAdapter
from dataos.depots.types.s3.adapter import S3Adapter
from dataos.engines.duckdb.database import TABLE_EXTENSIONS, load_extensions
from support import s3

KEYS = {"accesskeyid": "AKIACANARY", "secretkey": "canary-secret"}
UDL = Udl.parse("dataos://cold:retail/orders?acl=rw")
FORMATS = ["delta", "iceberg"]


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as running:
        running.bucket("mill")
        yield running


class Depot:
    """A folder's depot."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "depot"
        self.root.mkdir()
        self.staging = folder / "staging"
        self.adapter = FileAdapter(AdapterContext((folder,), 5.0))
        self.entry = DepotEntry("cold", "u1", "FILE", {"path": str(self.root)})

    def stage(self, *pieces: pa.Table) -> Path:
        number = len(list(self.staging.glob("*"))) if self.staging.exists() else 0
        folder = self.staging / str(number)
        folder.mkdir(parents=True)
        for index, piece in enumerate(pieces):
            pq.write_table(piece, folder / f"part-{index}.parquet")
        (folder / "_SUCCESS").touch()
        return folder

    async def bring(self, folder: Path, mode: str, mark: str, table: TableWriting, fence=None) -> None:
        async def fine() -> None:
            return None

        delivery = Delivery(folder, UDL, mode, mark, table)  # type: ignore[arg-type]
        await self.adapter.deliver(self.entry, KEYS, delivery, fence or fine)

    def do(self, *pieces: pa.Table, mode: str = "overwrite", mark: str = "m1", **table: object) -> None:
        asyncio.run(self.bring(self.stage(*pieces), mode, mark, TableWriting(**table)))  # type: ignore[arg-type]

    @property
    def place(self) -> Path:
        return self.root / "retail" / "orders"

    def rows(self, format_: str) -> pa.Table:
        if format_ == "delta":
            return DeltaTable(str(self.place)).to_pyarrow_table()
        return iceberg(self.place).scan().to_arrow()


def iceberg(place: Path) -> StaticTable:
    file = current_metadata([p.name for p in (place / "metadata").iterdir()])
    return StaticTable.from_metadata(f"file://{place}/metadata/{file}")


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    return Depot(tmp_path)


def orders(*ids: int, **more: list[object]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "city": [f"c{i % 2}" for i in ids], **more})


@pytest.mark.parametrize("format_", FORMATS)
def test_overwrite_append_and_overwrite(depot: Depot, format_: str) -> None:
    depot.do(orders(1, 2), orders(3), format=format_)
    depot.do(orders(4), mode="append", mark="m2", format=format_)
    assert sorted(depot.rows(format_)["id"].to_pylist()) == [1, 2, 3, 4]
    depot.do(orders(9), mark="m3", format=format_)
    assert depot.rows(format_).to_pylist() == [{"id": 9, "city": "c1"}]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_append_is_done_once_however_often_it_is_brought(depot: Depot, format_: str) -> None:
    for _ in range(3):
        depot.do(orders(1, 2), mode="append", mark="same", format=format_)
    depot.do(orders(3), mode="append", mark="other", format=format_)
    depot.do(orders(1, 2), mode="append", mark="same", format=format_)
    assert sorted(depot.rows(format_)["id"].to_pylist()) == [1, 2, 3]


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_shows_where_the_lease_was_lost(depot: Depot, format_: str) -> None:
    depot.do(orders(1), format=format_)

    async def lost() -> None:
        raise fail("store.stale_lease", "taken over")

    with pytest.raises(DataOSError, match="taken over"):
        asyncio.run(depot.bring(depot.stage(orders(2)), "append", "m2", TableWriting(format_), lost))  # type: ignore[arg-type]
    assert depot.rows(format_)["id"].to_pylist() == [1]


@pytest.mark.parametrize("format_", FORMATS)
def test_writers_at_once_lose_nothing(depot: Depot, format_: str) -> None:
    depot.do(orders(0), format=format_)
    folders = [depot.stage(orders(n * 10 + 1, n * 10 + 2)) for n in range(4)]
    begin = threading.Barrier(4)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            begin.wait()
            asyncio.run(depot.bring(folders[number], "append", f"w{number}", TableWriting(format_)))  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - shown below
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(depot.rows(format_)["id"].to_pylist()) == sorted([0, 1, 2, 11, 12, 21, 22, 31, 32])


@pytest.mark.parametrize("format_", FORMATS)
def test_an_overwrite_brings_its_own_columns(depot: Depot, format_: str) -> None:
    depot.do(orders(1), format=format_)
    depot.do(pa.table({"id": ["x"], "extra": [1.5]}), mark="m2", format=format_)
    assert depot.rows(format_).to_pylist() == [{"id": "x", "extra": 1.5}]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_append_of_other_columns_is_refused_and_changes_nothing(depot: Depot, format_: str) -> None:
    depot.do(orders(1), format=format_)
    with pytest.raises(DataOSError, match="does not take these rows") as caught:
        depot.do(pa.table({"id": ["x"], "extra": [1.5]}), mode="append", mark="m2", format=format_)
    assert caught.value.problem.code == "depot.table"
    assert depot.rows(format_)["id"].to_pylist() == [1]


@pytest.mark.parametrize("format_", FORMATS)
def test_partitions(depot: Depot, format_: str) -> None:
    part = (TablePartition("city"),)
    depot.do(orders(1, 2, 3), format=format_, partitions=part)
    depot.do(orders(4), mode="append", mark="m2", format=format_)
    assert sorted(depot.rows(format_)["id"].to_pylist()) == [1, 2, 3, 4]
    if format_ == "delta":
        assert DeltaTable(str(depot.place)).metadata().partition_columns == ["city"]
        with pytest.raises(DataOSError, match="is partitioned by city, not by id"):
            depot.do(orders(5), mode="append", mark="m3", format="delta", partitions=(TablePartition("id"),))
    else:
        assert [f.name for f in iceberg(depot.place).spec().fields] == ["city"]
        files = [f.file.partition for f in iceberg(depot.place).scan(row_filter="city = 'c0'").plan_files()]
        assert {str(p[0]) for p in files} == {"c0"}


def test_iceberg_transforms_and_properties(depot: Depot) -> None:
    rows = orders(1, 2, at=pa.array([0, 86_400_000_000 * 40], pa.timestamp("us")))
    part = (TablePartition("at", "month"), TablePartition("id", "bucket", "pail", 4))
    depot.do(rows, format="iceberg", partitions=part, properties={"owner": "me"})
    table = iceberg(depot.place)
    assert [(f.name, str(f.transform)) for f in table.spec().fields] == [("at_month", "month"), ("pail", "bucket[4]")]
    assert table.properties["owner"] == "me"
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == [1, 2]


def test_a_table_that_a_catalog_keeps_is_not_written_beside_it(depot: Depot) -> None:
    catalog = SqlCatalog("t", uri="sqlite:///:memory:", warehouse=f"file://{depot.root}")
    catalog.create_namespace("retail")
    catalog.create_table("retail.orders", orders(1).schema).append(orders(1))
    with pytest.raises(DataOSError, match="is kept by a catalog"):
        depot.do(orders(2), mode="append", format="iceberg")
    assert catalog.load_table("retail.orders").scan().to_arrow().num_rows == 1


def test_a_table_of_the_other_format_is_left_alone(depot: Depot) -> None:
    depot.do(orders(1), format="delta")
    with pytest.raises(DataOSError, match="is a table of format delta"):
        depot.do(orders(2), format="iceberg")


@pytest.mark.parametrize("format_", FORMATS)
def test_buckets(tmp_path: Path, store: s3.S3, format_: str) -> None:
    depot = Depot(tmp_path)
    depot.adapter = S3Adapter(AdapterContext((), 5.0))  # type: ignore[assignment]
    where = {"bucket": "mill", "relativePath": f"lake-{format_}", "endpoint": store.endpoint, "scheme": "s3a"}
    depot.entry = DepotEntry("cold", "u1", "S3", where)
    depot.do(orders(1, 2), format=format_)
    for _ in range(2):
        depot.do(orders(3), mode="append", mark="m2", format=format_)
    location = f"s3://mill/lake-{format_}/retail/orders"
    if format_ == "delta":
        options = {
            "aws_endpoint_url": store.endpoint,
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }
        found = DeltaTable(location, storage_options=options).to_pyarrow_table()
    else:
        assert store.read("mill", "lake-iceberg/retail/orders/metadata/version-hint.text") == b"2"
        properties = {
            "s3.endpoint": store.endpoint,
            "s3.access-key-id": "a",
            "s3.secret-access-key": "b",
            "s3.region": "us-east-1",
        }
        found = StaticTable.from_metadata(f"{location}/metadata/v2.metadata.json", properties).scan().to_arrow()
    assert sorted(found["id"].to_pylist()) == [1, 2, 3]


def test_duckdb_reads_what_was_written(depot: Depot) -> None:
    depot.do(orders(1, 2), format="iceberg")
    depot.do(orders(3), mode="append", mark="m2", format="iceberg")
    file = current_metadata([p.name for p in (depot.place / "metadata").iterdir()])
    with duckdb.connect() as connection:
        load_extensions(connection, depot.staging, TABLE_EXTENSIONS)
        found = connection.execute(f"SELECT count(*) FROM iceberg_scan('{depot.place}/metadata/{file}')").fetchall()
    assert found == [(3,)]
