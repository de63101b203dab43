"""Iceberg and Delta tables in folders and buckets, queried in place: no catalog knows them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from dataos.core.errors import DataOSError
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from integration.gateway.gateway_world import World
from support import postgres as pg
from support import s3

KEYS = {"accesskeyid": "AKIACANARY", "secretkey": "canary-secret"}
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "city": ["Oslo", "Bern", None],
        "price": pa.array([Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(10, 2)),
        "at": pa.array([dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("us", tz="UTC")),
        "tags": pa.array([["a"], [], None], pa.list_(pa.string())),
        "place": pa.array([{"x": 1, "Y z": "q"}, None, None], pa.struct([("x", pa.int32()), ("Y z", pa.string())])),
    }
)
TYPES = ["bigint", "varchar", "decimal(10,2)", "timestamp(6) with time zone", "array(varchar)"]


def iceberg(folder: str, properties: dict[str, str] | None = None) -> SqlCatalog:
    """Writes tables at `<folder>/<namespace>/<table>`, as any engine with a file catalog does."""
    return SqlCatalog("t", uri="sqlite:///:memory:", warehouse=folder, **(properties or {}))


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as running:
        running.bucket("mill")
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: pg.Postgres, store: s3.S3) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("folders"), server)
    files = made.folder / "files"
    bucket = {"bucket": "mill", "relativePath": "lake", "endpoint": store.endpoint, "scheme": "s3a"}
    made.store.write_sync(made.vault.seal, "instance-secret:mill-r", KEYS)
    for entry in (
        DepotEntry("ice", "u11", "FILE", {"path": str(files / "ice"), "format": "ICEBERG"}),
        DepotEntry("delta", "u12", "FILE", {"path": str(files / "delta"), "format": "DELTA"}),
        DepotEntry("cold", "u13", "S3", {**bucket, "format": "ICEBERG"}, {"r": ("instance-secret:mill-r",)}),
        DepotEntry("river", "u14", "S3", {**bucket, "format": "DELTA"}, {"r": ("instance-secret:mill-r",)}),
    ):
        made.store.write_sync(resolver.register, entry)
    for name in ("ice", "delta"):
        (files / name / "retail").mkdir(parents=True)
    made.do(made.mounted.sync(made.engine))
    yield made
    made.close()


def s3_properties(store: s3.S3) -> dict[str, str]:
    return {
        "s3.endpoint": store.endpoint,
        "s3.access-key-id": KEYS["accesskeyid"],
        "s3.secret-access-key": KEYS["secretkey"],
        "s3.region": "us-east-1",
    }


def delta_options(store: s3.S3) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": KEYS["accesskeyid"],
        "AWS_SECRET_ACCESS_KEY": KEYS["secretkey"],
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "aws_conditional_put": "etag",
    }


@pytest.fixture(scope="module")
def written(world: World, store: s3.S3) -> World:
    """`retail.orders` in each of the four depots."""
    files = world.folder / "files"
    for catalog in (iceberg(f"file://{files}/ice"), iceberg("s3://mill/lake", s3_properties(store))):
        catalog.create_namespace("retail")
        catalog.create_table("retail.orders", ROWS.schema).append(ROWS)
    write_deltalake(str(files / "delta/retail/orders"), ROWS)
    write_deltalake("s3://mill/lake/retail/orders_delta", ROWS, storage_options=delta_options(store))
    return world


TABLES = ["ice.retail.orders", "delta.retail.orders", "cold.retail.orders", "river.retail.orders_delta"]


@pytest.mark.parametrize("table", TABLES)
def test_rows_and_types(written: World, table: str):
    found = written.do(written.query(f"SELECT * FROM {table} ORDER BY id"))
    assert [c["type"] for c in found["columns"]][:5] == TYPES
    assert [row[0] for row in found["rows"]] == [1, 2, 3]
    assert found["rows"][0][1:3] == ["Oslo", "1.50"]
    assert written.rows(f'SELECT place.x, place."Y z", tags[1] FROM {table} WHERE id = 1') == [[1, "q", "a"]]
    assert written.rows(f"SELECT count(*), sum(price) FROM {table} WHERE city IS NOT NULL") == [[2, "1.50"]]


def test_names_are_listed_and_found_in_any_letter_case(written: World):
    assert written.rows("SHOW SCHEMAS FROM delta") == [["none"], ["retail"]]
    assert written.rows("SHOW TABLES FROM delta.retail") == [["orders"]]
    assert written.rows("SELECT count(*) FROM DELTA.Retail.ORDERS") == [[3]]
    assert written.rows("SHOW TABLES FROM cold.retail") == [["orders"]]


def test_tables_of_all_kinds_are_joined(written: World):
    sql = (
        "SELECT i.city, count(*) FROM ice.retail.orders i JOIN river.retail.orders_delta r USING (id) "
        "JOIN lakehouse.retail.orders o ON o.id = r.id GROUP BY 1 ORDER BY 1"
    )
    assert written.rows(sql) == [["Bern", 1], ["Oslo", 1], [None, 1]]


def test_what_is_added_is_seen_by_the_next_statement(world: World, tmp_path: Path):
    place = world.folder / "files/delta/retail/grows"
    write_deltalake(str(place), ROWS)
    assert world.rows("SELECT count(*) FROM delta.retail.grows") == [[3]]
    write_deltalake(str(place), ROWS.append_column("more", pa.array([1, 2, 3])), mode="append", schema_mode="merge")
    assert world.rows("SELECT count(*), sum(more) FROM delta.retail.grows") == [[6, 6]]
    DeltaTable(str(place)).delete("id = 1")
    assert world.rows("SELECT count(*), min(id) FROM delta.retail.grows") == [[4, 2]]


def test_the_schema_of_a_delta_table_may_stand_in_a_checkpoint_only(world: World):
    place = world.folder / "files/delta/retail/cleaned"
    write_deltalake(str(place), ROWS)
    write_deltalake(str(place), ROWS, mode="append")
    DeltaTable(str(place)).create_checkpoint()
    for commit in (place / "_delta_log").glob("*.json"):
        commit.unlink()
    assert world.rows("SELECT count(city) FROM delta.retail.cleaned") == [[4]]


def test_past_snapshots_of_iceberg_tables(world: World):
    catalog = iceberg(f"file://{world.folder}/files/ice")
    catalog.create_namespace("past")
    table = catalog.create_table("past.orders", ROWS.schema)
    assert world.rows("SELECT count(*) FROM ice.past.orders") == [[0]]
    table.append(ROWS)
    first = table.current_snapshot().snapshot_id
    with table.update_schema() as change:
        change.delete_column("tags")
    table.append(ROWS.drop_columns(["tags"]))
    table.manage_snapshots().create_tag(first, "monday").commit()
    assert world.rows("SELECT count(*) FROM ice.past.orders") == [[6]]
    assert world.rows(f"SELECT count(*), max(element_at(tags, 1)) FROM ice.past.orders FOR VERSION AS OF {first}") == [
        [3, "a"]
    ]
    assert world.rows("SELECT count(*) FROM ice.past.orders FOR VERSION AS OF 'monday'") == [[3]]
    with pytest.raises(DataOSError, match="no branch or tag `tuesday`"):
        world.rows("SELECT 1 FROM ice.past.orders FOR VERSION AS OF 'tuesday'")
    with pytest.raises(DataOSError, match="no snapshot as of 2001"):
        world.rows("SELECT 1 FROM ice.past.orders FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00 UTC'")


def test_what_is_not_there_is_said(written: World):
    with pytest.raises(DataOSError, match=r"delta\.retail\.ordrs"):
        written.rows("SELECT 1 FROM delta.retail.ordrs")
    with pytest.raises(DataOSError, match="past versions of Delta tables"):
        written.rows("SELECT 1 FROM delta.retail.orders FOR VERSION AS OF 3")


def test_the_engine_reads_nothing_beside_these_places(written: World, store: s3.S3):
    """The engine's own locks: what the gateway never writes is refused there too."""
    other = written.folder / "outside"
    write_deltalake(str(other), ROWS)
    store.bucket("private", {"x/a.csv": b"id\n1\n"})
    for scan in (f"delta_scan('{other}')", "read_csv('s3://private/x/a.csv')", "read_csv('s3://mill/else/a.csv')"):

        async def run(scan: str = scan) -> None:
            session = await written.engine.session()
            try:
                stream = await session.execute(f"SELECT * FROM {scan}", timeout_s=10)
                async for _ in stream:
                    pass
            finally:
                await session.release()

        with pytest.raises(Exception, match=r"refused|source|internal"):
            written.do(run())
