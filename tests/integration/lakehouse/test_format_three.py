"""Tables of format version 3 (issue 5 §2): rows are numbered, deletes are vectors, and nothing of both is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest
from pyiceberg.table.snapshots import Snapshot

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.core.moves import Moves
from dataos.lakehouse import avrofiles, formats, relocation
from dataos.lakehouse.files import LocalFiles
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.lakehouse.engines import Clients, DuckDB, Row, sail
from integration.lakehouse.helpers import USER, WAREHOUSE, Server, client

DAY = datetime(2024, 1, 1)
T = TableRef(WAREHOUSE, "three", "t")


@pytest.fixture
def three(server: Server) -> str:
    """An empty table of version 3."""
    user = client(server)
    user.create_namespace("three")
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField, StringType, TimestampType

    schema = Schema(
        NestedField(1, "id", LongType()), NestedField(2, "ts", TimestampType()), NestedField(3, "s", StringType())
    )
    user.create_table("three.t", schema, properties={"format-version": "3"})
    return "three.t"


def metadata(server: Server, name: str = "three.t", token: str = USER) -> dict[str, Any]:
    location = client(server, token).load_table(name).metadata_location
    return json.loads(Path(location.removeprefix("file://")).read_text())


def records(location: str) -> list[dict[str, Any]]:
    return avrofiles.records(Path(location.removeprefix("file://")))


def manifests(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the newest snapshot."""
    return records(found["snapshots"][-1]["manifest-list"])


def written(server: Server, clients: Clients, name: str = "three.t") -> list[Row]:
    """Rows by two writers, and deletes of both; what must be there."""
    for number, writer in enumerate(("sail", "duckdb")):
        with clients.open(writer, server) as engine:
            base = number * 10
            engine.append(name, [(base + n, DAY, writer) for n in range(4)])
            engine.delete(name, base + 1)
    return [(base + n, DAY, w) for base, w in ((0, "sail"), (10, "duckdb")) for n in (0, 2, 3)]


def update(server: Server, *updates: dict[str, Any], requirements: tuple[dict[str, Any], ...] = ()) -> httpx.Response:
    url = f"{server.url}/v1/{WAREHOUSE}/namespaces/three/tables/t"
    body = {"requirements": list(requirements), "updates": list(updates)}
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {USER}"})


NO_VECTORS = {"sail": "Invalid Parquet file"}
"""Readers that take DuckDB's vectors (`puffin`, not `PUFFIN`, in its manifests) for Parquet; jobs read such tables
another way (driver/readers)."""


def test_what_the_writers_of_version_3_write_all_read(server: Server, clients: Clients, three: str) -> None:
    """Row numbers are given out once, and deletion vectors are among the files."""
    expected = written(server, clients)
    found = metadata(server)
    assert found["format-version"] == 3
    assert found["next-row-id"] == sum(s["added-rows"] for s in found["snapshots"]) > 0
    starts = [m["first_row_id"] for m in manifests(found) if m["content"] == 0]
    assert len(set(starts)) == len(starts)
    deletes = [r["data_file"] for m in manifests(found) if m["content"] == 1 for r in records(m["manifest_path"])]
    assert {d["file_format"].upper() for d in deletes} == {"PUFFIN"}
    for reader in clients.readers():
        with clients.open(reader, server) as engine:
            if reader in NO_VECTORS:
                with pytest.raises(Exception, match=NO_VECTORS[reader]):
                    engine.read(three)
            else:
                assert engine.read(three) == expected, reader


@pytest.mark.parametrize("writer", ["sail", "duckdb"])
def test_clients_create_tables_of_version_3(server: Server, clients: Clients, writer: str) -> None:
    client(server).create_namespace("three")
    if writer == "duckdb":
        engine = DuckDB(server, USER)
        engine._connection.execute(
            "CREATE TABLE lake.three.t (id BIGINT, ts TIMESTAMP, s VARCHAR) WITH ('format-version' = '3')"
        )
        engine.append("three.t", [(1, DAY, "a")])
    else:
        with sail(server) as spark:
            more = "USING iceberg TBLPROPERTIES ('format-version' = '3')"
            spark.run(
                f"CREATE TABLE {WAREHOUSE}.three.t {more} AS SELECT 1L AS id, TIMESTAMP_NTZ'{DAY}' AS ts, 'a' AS s"
            )
    assert metadata(server)["format-version"] == 3
    assert metadata(server)["next-row-id"] == 1
    for reader in clients.readers():
        with clients.open(reader, server) as opened:
            assert opened.read("three.t") == [(1, DAY, "a")], reader


def test_a_table_goes_from_version_1_to_3_and_never_back(server: Server, clients: Clients) -> None:
    user = client(server)
    user.create_namespace("three")
    with sail(server) as spark:
        columns = "(id BIGINT, ts TIMESTAMP_NTZ, s STRING)"
        spark.run(f"CREATE TABLE {WAREHOUSE}.three.t {columns} USING iceberg TBLPROPERTIES ('format-version' = '1')")
        spark.append("three.t", [(1, DAY, "one")])
    assert metadata(server)["format-version"] == 1
    before = user.load_table("three.t").metadata_location
    for version in (2, 3):
        assert update(server, {"action": "upgrade-format-version", "format-version": version}).status_code == 200
    found = metadata(server)
    assert (found["format-version"], found["next-row-id"]) == (3, 0)
    assert before in [e["metadata-file"] for e in found["metadata-log"]]
    assert len(found["metadata-log"]) == 3
    for version, status in ((2, 400), (1, 400), (4, 400), (3, 200)):
        answer = update(server, {"action": "upgrade-format-version", "format-version": version})
        assert answer.status_code == status, answer.text
    with sail(server) as spark:
        spark.append("three.t", [(3, DAY, "three")])
    assert metadata(server)["next-row-id"] == 2, "the row from before has a number now"
    for reader in clients.readers():
        with clients.open(reader, server) as engine:
            assert engine.read("three.t") == [(1, DAY, "one"), (3, DAY, "three")], reader


def test_a_run_holds_its_rows_and_meets_others(server: Server, three: str) -> None:
    """Row numbers are in the files: on a moved base they cannot be put on top, so the run is a conflict."""
    with sail(server, "attempt:a1") as spark:
        spark.append(three, [(1, DAY, "held")])
    assert metadata(server).get("snapshots", []) == []
    asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
    server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    assert metadata(server)["next-row-id"] == 1
    with sail(server, "attempt:a2") as spark:
        spark.append(three, [(2, DAY, "late")])
    with sail(server) as spark:
        spark.append(three, [(3, DAY, "first")])
    with pytest.raises(DataOSError) as raised:
        asyncio.run(server.catalog.prepare_publish(AttemptId("a2")))
        server.store.write_sync(server.catalog.publish, AttemptId("a2"))
    assert raised.value.problem.code.startswith("iceberg.conflict")
    with sail(server) as spark:
        assert spark.read(three) == [(1, DAY, "held"), (3, DAY, "first")]


def test_columns_have_defaults_and_nanoseconds(server: Server, three: str) -> None:
    with sail(server) as spark:
        spark.append(three, [(1, DAY, "a")])
    found = metadata(server)
    schema = found["schemas"][-1]
    fields = [
        *schema["fields"],
        {"id": 4, "name": "d", "type": "int", "required": False, "initial-default": 5, "write-default": 7},
        {"id": 5, "name": "n", "type": "timestamp_ns", "required": False},
    ]
    add = {"action": "add-schema", "schema": {**schema, "fields": fields}, "last-column-id": 5}
    answer = update(server, add, {"action": "set-current-schema", "schema-id": -1})
    assert answer.status_code == 200, answer.text
    kept = {f["name"]: f for f in metadata(server)["schemas"][-1]["fields"]}
    assert (kept["d"]["initial-default"], kept["d"]["write-default"], kept["n"]["type"]) == (5, 7, "timestamp_ns")
    engine = DuckDB(server, USER)
    assert engine._connection.execute("SELECT id, d, n FROM lake.three.t").fetchall() == [(1, 5, None)]
    fields[-1] = {"id": 5, "name": "v", "type": {"type": "list", "element-id": 6, "element": "variant"}}
    answer = update(server, {**add, "schema": {**schema, "fields": fields}})
    assert answer.status_code == 406
    assert "columns of type variant are not supported" in answer.json()["error"]["message"]


def test_columns_of_version_3_need_a_table_of_it(server: Server, orders: str) -> None:
    body = {
        "name": "n",
        "schema": {"type": "struct", "fields": [{"id": 1, "name": "n", "type": "timestamp_ns", "required": False}]},
    }
    url = f"{server.url}/v1/{WAREHOUSE}/namespaces/sales/tables"
    answer = httpx.post(url, json=body, headers={"authorization": f"Bearer {USER}"})
    assert answer.status_code == 400
    assert "format version" in answer.json()["error"]["message"].lower()


def test_snapshots_without_row_numbers_or_with_old_ones_are_refused(server: Server, three: str) -> None:
    with sail(server) as spark:
        spark.append(three, [(1, DAY, "a")])
        spark.append(three, [(2, DAY, "b")])
    newest = metadata(server)["snapshots"][-1]
    again = {**newest, "snapshot-id": 77, "sequence-number": 3, "parent-snapshot-id": newest["snapshot-id"]}
    without = {k: v for k, v in again.items() if k != "first-row-id"}
    answer = update(server, {"action": "add-snapshot", "snapshot": without})
    assert answer.status_code == 400
    assert "first-row-id" in answer.json()["error"]["message"]
    answer = update(server, {"action": "add-snapshot", "snapshot": {**again, "first-row-id": 1}})
    assert answer.status_code == 409, "its client loads the table again and numbers anew"
    assert "next-row-id 2" in answer.json()["error"]["message"]
    answer = update(server, {"action": "add-snapshot", "snapshot": {**again, "sequence-number": 2, "first-row-id": 2}})
    assert answer.status_code == 409
    assert len(metadata(server)["snapshots"]) == 2


def test_maintenance_keeps_vectors_that_are_named_and_deletes_the_others(
    server: Server, clients: Clients, three: str
) -> None:
    expected = written(server, clients)
    upkeep = Upkeep(server.catalog)
    vectors = set(server.root.rglob("*.puffin"))
    assert vectors
    orphan = next(iter(vectors)).with_name("left-behind.puffin")
    orphan.write_bytes(b"PFA1")
    asyncio.run(upkeep.remove_orphans(T, older_than_ms=_now_ms()))
    assert set(server.root.rglob("*.puffin")) == vectors
    asyncio.run(upkeep.expire_snapshots(T, older_than_ms=_now_ms()))
    assert len(metadata(server)["snapshots"]) == 1
    assert DuckDB(server, USER).read(three) == expected
    with sail(server) as spark:
        spark.replace(three, [(5, DAY, "all new")])
    asyncio.run(upkeep.expire_snapshots(T, older_than_ms=_now_ms()))
    assert not set(server.root.rglob("*.puffin"))
    for reader in clients.readers():
        with clients.open(reader, server) as engine:
            assert engine.read(three) == [(5, DAY, "all new")], reader


def _now_ms() -> int:
    import time

    time.sleep(0.01)
    return int(time.time() * 1000)


def test_what_would_number_rows_anew_is_refused_before_anything_is_written(server: Server, three: str) -> None:
    with sail(server) as spark:
        spark.append(three, [(1, DAY, "a")])
        spark.append(three, [(2, DAY, "b")])
    before = {p for p in server.root.rglob("*") if p.is_file()}
    calls: list[Callable[[], Any]] = [
        lambda: asyncio.run(Upkeep(server.catalog).rewrite_manifests(PUBLISHED, T)),
        lambda: asyncio.run(
            Upkeep(server.catalog).replace_files(
                PUBLISHED, T, metadata(server)["snapshots"][-1]["snapshot-id"], [], [_data_file(server)]
            )
        ),
    ]
    for call in calls:
        with pytest.raises(DataOSError) as raised:
            call()
        assert raised.value.problem.code == "iceberg.unsupported"
        assert "Apache Spark" in raised.value.problem.hint
    assert {p for p in server.root.rglob("*") if p.is_file()} == before


def _data_file(server: Server) -> str:
    (manifest, *_) = [m for m in manifests(metadata(server)) if m["content"] == 0]
    return str(records(manifest["manifest_path"])[0]["data_file"]["file_path"])


def test_schema_branches_and_rollback_work_as_on_version_2(server: Server, three: str) -> None:
    do = Datasets(server.catalog)
    with sail(server) as spark:
        spark.append(three, [(1, DAY, "a")])
        first = metadata(server)["snapshots"][-1]["snapshot-id"]
        spark.append(three, [(2, DAY, "b")])
        asyncio.run(do.create_reference(PUBLISHED, T, "old", "branch", first))
        asyncio.run(do.rollback(PUBLISHED, T, first))
        assert spark.read(three) == [(1, DAY, "a")]
        spark.append(three, [(3, DAY, "c")])
    found = metadata(server)
    assert found["next-row-id"] == 3, "numbers that were given out are never given out again"
    assert set(found["refs"]) == {"main", "old"}


def test_a_table_that_moved_names_its_vectors_at_the_new_place(
    server: Server, clients: Clients, three: str, tmp_path: Path
) -> None:

    expected = written(server, clients)
    location = Path(client(server).load_table(three).metadata_location.removeprefix("file://"))
    new = tmp_path / "elsewhere"
    relative = location.relative_to(server.root)
    server.root.rename(new)
    moves = Moves.of([(server.root, new)])
    done = relocation.relocate([new], moves)
    assert done.problems == []
    assert done.deletes > 0
    assert relocation.relocate([new], moves).deletes == 0, "twice is once"
    old = str(server.root).encode()
    assert [p for p in new.rglob("*.puffin") if old in p.read_bytes()] == []
    needed = set(relocation.needed(str(new / relative)))
    assert {str(p) for p in new.rglob("*.puffin")} <= needed
    assert all(Path(p.removeprefix("file://")).exists() for p in needed)
    with DuckDB(server, USER)._connection as connection:
        sql = f"SELECT id, ts, s FROM iceberg_scan('{new / relative}') ORDER BY id"
        assert connection.execute(sql).fetchall() == expected
    server.root.mkdir()


# --- what a snapshot says of its rows ---------------------------------------------------------------------------------

LIST = {
    "type": "record",
    "name": "manifest_file",
    "fields": [
        {"name": "manifest_path", "type": "string"},
        {"name": "content", "type": "int"},
        {"name": "added_rows_count", "type": "long"},
        {"name": "existing_rows_count", "type": "long"},
        {"name": "first_row_id", "type": ["null", "long"], "default": None},
    ],
}
ENTRY = {
    "type": "record",
    "name": "manifest_entry",
    "fields": [
        {"name": "status", "type": "int"},
        {
            "name": "data_file",
            "type": {
                "type": "record",
                "name": "r2",
                "fields": [
                    {"name": "content", "type": "int"},
                    {"name": "file_path", "type": "string"},
                    {"name": "file_format", "type": "string"},
                    {"name": "referenced_data_file", "type": ["null", "string"], "default": None},
                    {"name": "content_offset", "type": ["null", "long"], "default": None},
                ],
            },
        },
    ],
}


def _avro(path: Path, schema: dict[str, Any], *found: dict[str, Any]) -> str:
    with path.open("wb") as file:
        fastavro.writer(file, schema, found)
    return str(path)


def data(first: int | None, added: int = 1, existing: int = 0, path: str = "m") -> dict[str, Any]:
    counts = {"added_rows_count": added, "existing_rows_count": existing}
    return {"manifest_path": f"{path}{first}", "content": 0, "first_row_id": first, **counts}


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ([data(10, 3), data(13, 2)], None),
        ([data(10, 5), data(2, 8)], None),  # what stood before
        ([data(10, 3, 2)], None),
        ([data(None)], "has no first_row_id"),
        ([data(10, 3), data(12, 2)], "from 12 on are numbered twice"),
        ([data(10, 6)], "numbered up to 16, and the snapshot claims 10 to 15"),
        ([data(15, 1)], "numbered up to 16"),
    ],
)
def test_row_numbers_of_a_snapshot(tmp_path: Path, lists: list[dict[str, Any]], said: str | None) -> None:
    listed = _avro(tmp_path / "list.avro", LIST, *lists)
    snapshot = Snapshot.model_validate(
        {"snapshot-id": 1, "manifest-list": listed, "first-row-id": 10, "added-rows": 5, "timestamp-ms": 1}
    )
    if said is None:
        formats.check_rows(LocalFiles(), str(tmp_path), snapshot, set())
        return
    with pytest.raises(DataOSError, match=said) as raised:
        formats.check_rows(LocalFiles(), str(tmp_path), snapshot, set())
    assert raised.value.problem.code == "iceberg.invalid"


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ({"referenced_data_file": "{here}/a.parquet", "content_offset": 4}, None),
        ({"referenced_data_file": "/else/where.parquet", "content_offset": 4}, "deletes rows of /else/where.parquet"),
        ({"referenced_data_file": None, "content_offset": 4}, "is no deletion vector of one data file"),
        ({"referenced_data_file": "{here}/a.parquet", "content_offset": None}, "is no deletion vector"),
    ],
)
def test_deletion_vectors_speak_of_files_of_their_table(
    tmp_path: Path, vector: dict[str, Any], said: str | None
) -> None:
    target = vector["referenced_data_file"]
    vector = {**vector, "referenced_data_file": target and target.format(here=tmp_path)}
    file = {"content": 1, "file_path": f"{tmp_path}/d.puffin", "file_format": "PUFFIN", **vector}
    manifest = _avro(tmp_path / "m.avro", ENTRY, {"status": 1, "data_file": file})
    counts = {"content": 1, "added_rows_count": 1, "existing_rows_count": 0}
    listed = _avro(tmp_path / "list.avro", LIST, {"manifest_path": manifest, **counts})
    snapshot = Snapshot.model_validate(
        {"snapshot-id": 1, "manifest-list": listed, "first-row-id": 0, "added-rows": 0, "timestamp-ms": 1}
    )
    if said is None:
        formats.check_rows(LocalFiles(), str(tmp_path), snapshot, set())
        return
    with pytest.raises(DataOSError, match=said):
        formats.check_rows(LocalFiles(), str(tmp_path), snapshot, set())


def test_pyiceberg_says_that_it_cannot_write_version_3(server: Server, three: str) -> None:
    import pyarrow as pa

    table = client(server).load_table(three)
    content = pa.table({"id": [1], "ts": pa.array([DAY], pa.timestamp("us")), "s": ["a"]})
    with pytest.raises(ValueError, match="Cannot write manifest for table version: 3"):
        table.append(content)
