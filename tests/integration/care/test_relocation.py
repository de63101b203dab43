"""Table files that moved: every client's tables are read at the new place, with all their snapshots and deletes."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import ManifestContent, read_manifest_list
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import DateType, DecimalType, LongType, NestedField, StringType, TimestamptzType, UUIDType

from dataos.core.moves import Moves
from dataos.lakehouse import avrofiles, relocation


@pytest.fixture
def catalog(tmp_path: Path) -> SqlCatalog:
    made = SqlCatalog("t", uri=f"sqlite:///{tmp_path}/c.db", warehouse=str(tmp_path / "old"))
    made.create_namespace("s")
    return made


def moved(folder: Path, **options) -> relocation.Rewritten:
    """Move `old` to `new` and rewrite."""
    (folder / "old").rename(folder / "new")
    return relocation.relocate([folder / "new"], Moves.of([(folder / "old", folder / "new")]), **options)


def metadata_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.metadata.json"))


def table(folder: Path) -> StaticTable:
    return StaticTable.from_metadata(str(metadata_files(folder / "new")[-1]))


def names_old(folder: Path) -> list[str]:
    """Files that still name the old place, decoded where they are Avro."""
    old, found = str(folder / "old"), []
    for file in (folder / "new").rglob("*"):
        if file.suffix == ".avro":
            text = repr(avrofiles.records(file))
        elif file.suffix == ".parquet":
            text = repr(pq.read_table(file).to_pylist())
        else:
            text = file.read_text() if file.is_file() else ""
        if old in text:
            found.append(file.name)
    return found


def test_every_snapshot_is_read_at_the_new_place(tmp_path, catalog):
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "day", DateType()),
        NestedField(3, "at", TimestamptzType()),
        NestedField(4, "price", DecimalType(12, 2)),
        NestedField(5, "who", UUIDType()),
        NestedField(6, "name", StringType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "day"),
        PartitionField(3, 1001, DayTransform(), "at_day"),
        PartitionField(4, 1002, IdentityTransform(), "price"),
        PartitionField(6, 1003, IdentityTransform(), "name"),
    )
    made = catalog.create_table("s.t", schema, partition_spec=spec)

    def rows(number: int) -> pa.Table:
        return pa.Table.from_pylist(
            [
                {
                    "id": number, "day": date(1800 + number, 2, 3), "at": datetime(2024, 1, number + 1, tzinfo=UTC),
                    "price": Decimal("-1234567.89"), "who": UUID(int=number).bytes, "name": "ä/b=c ü",
                }
            ],
            schema=made.schema().as_arrow(),
        )  # fmt: skip

    for number in range(3):
        made.append(rows(number))
    before = {s.snapshot_id: made.scan(snapshot_id=s.snapshot_id).to_arrow().sort_by("id") for s in made.snapshots()}
    partitions = made.inspect.partitions().to_pylist()
    done = moved(tmp_path)
    assert done.problems == []
    assert done.manifests == 3
    assert done.lists == 3
    assert done.metadata == 4
    after = table(tmp_path)
    assert {
        s.snapshot_id: after.scan(snapshot_id=s.snapshot_id).to_arrow().sort_by("id") for s in after.snapshots()
    } == before
    assert after.inspect.partitions().to_pylist() == partitions
    assert names_old(tmp_path) == []
    assert {entry.metadata_file for entry in after.metadata.metadata_log} <= {
        str(f) for f in metadata_files(tmp_path / "new")
    }


def test_lengths_that_files_state_of_each_other_stay_true(tmp_path, catalog):
    made = catalog.create_table("s.t", Schema(NestedField(1, "id", LongType())))
    made.append(pa.table({"id": pa.array([1], pa.int64())}))
    moved(tmp_path)
    snapshot = table(tmp_path).current_snapshot()
    for manifest in read_manifest_list(table(tmp_path).io.new_input(snapshot.manifest_list)):
        assert manifest.manifest_length == Path(manifest.manifest_path).stat().st_size


def test_headers_with_field_ids_and_unknown_entries_stay(tmp_path, catalog):
    made = catalog.create_table("s.t", Schema(NestedField(1, "id", LongType())))
    made.append(pa.table({"id": pa.array([1], pa.int64())}))
    (manifest,) = [f for f in (tmp_path / "old").rglob("*.avro") if not f.name.startswith("snap")]
    import fastavro

    with manifest.open("rb") as file:
        before = fastavro.reader(file).metadata
    moved(tmp_path)
    with (tmp_path / "new" / manifest.relative_to(tmp_path / "old")).open("rb") as file:
        after = fastavro.reader(file).metadata
    assert after == before
    assert "field-id" in after["avro.schema"]


def with_position_delete(catalog: SqlCatalog, folder: Path) -> None:
    """A table of ids 1 to 4 whose newest snapshot deletes the second row of its file by a file of position deletes, as
    merge-on-read clients write it."""
    from pyiceberg.manifest import (
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
        write_manifest_list,
    )
    from pyiceberg.typedef import Record

    made = catalog.create_table("s.t", Schema(NestedField(1, "id", LongType())))
    made.append(pa.table({"id": pa.array([1, 2, 3, 4], pa.int64())}))
    snapshot = made.current_snapshot()
    data = made.inspect.files()["file_path"][0].as_py()
    location = Path(made.location())
    deletes = location / "data" / "deletes.parquet"
    fields = [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
    ]
    pq.write_table(pa.table({"file_path": [data], "pos": [1]}, schema=pa.schema(fields)), deletes)
    bound = {2147483546: data.encode(), 2147483545: (1).to_bytes(8, "little")}
    file = DataFile.from_args(
        _table_format_version=2, content=DataFileContent.POSITION_DELETES, file_path=str(deletes),
        file_format=FileFormat.PARQUET, partition=Record(), record_count=1, file_size_in_bytes=deletes.stat().st_size,
        lower_bounds=bound, upper_bounds=bound, column_sizes={2147483546: 7},
    )  # fmt: skip

    class Deletes(ManifestWriterV2):
        def content(self) -> ManifestContent:
            return ManifestContent.DELETES

    new_id = snapshot.snapshot_id + 1
    output = made.io.new_output(str(location / "metadata" / "deletes-m0.avro"))
    with Deletes(made.spec(), made.schema(), output, new_id, "gzip") as writer:
        writer.add_entry(
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED, snapshot_id=new_id, sequence_number=None, file_sequence_number=None,
                data_file=file,
            )
        )  # fmt: skip
    manifests = [writer.to_manifest_file(), *read_manifest_list(made.io.new_input(snapshot.manifest_list))]
    lists = location / "metadata" / "snap-deletes.avro"
    with write_manifest_list(2, made.io.new_output(str(lists)), new_id, snapshot.snapshot_id, 2, "gzip") as out:
        out.add_manifests(manifests)
    newest = metadata_files(folder)[-1]
    body = json.loads(newest.read_text())
    body["last-sequence-number"] = 2
    body["current-snapshot-id"] = new_id
    body["refs"]["main"]["snapshot-id"] = new_id
    body["snapshots"].append(
        {
            "snapshot-id": new_id, "parent-snapshot-id": snapshot.snapshot_id, "sequence-number": 2,
            "timestamp-ms": body["last-updated-ms"], "manifest-list": str(lists), "schema-id": 0,
            "summary": {"operation": "delete"},
        }
    )  # fmt: skip
    newest.with_name("00009-x.metadata.json").write_text(json.dumps(body))


def test_position_deletes_go_on_deleting(tmp_path, catalog):
    with_position_delete(catalog, tmp_path / "old")
    before = StaticTable.from_metadata(str(metadata_files(tmp_path / "old")[-1]))
    assert sorted(before.scan().to_arrow()["id"].to_pylist()) == [1, 3, 4]
    done = moved(tmp_path)
    assert done.deletes == 1
    after = table(tmp_path)
    assert sorted(after.scan().to_arrow()["id"].to_pylist()) == [1, 3, 4]
    assert names_old(tmp_path) == []
    (entry,) = avrofiles.records(next((tmp_path / "new").rglob("deletes-m0.avro")))
    file = entry["data_file"]
    assert file["file_size_in_bytes"] == Path(file["file_path"]).stat().st_size
    assert any(str(tmp_path / "new") in bytes(b["value"]).decode("utf-8", "replace") for b in file["lower_bounds"])


class Stop(Exception):
    pass


@pytest.mark.parametrize("point", ["relocation.manifest", "relocation.list", "relocation.metadata"])
@pytest.mark.parametrize("nth", [1, 2])
def test_cut_off_anywhere_and_done_again(tmp_path, catalog, point, nth):
    with_position_delete(catalog, tmp_path / "old")
    left = nth

    def checkpoint(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Stop

    with pytest.raises(Stop):
        moved(tmp_path, checkpoint=checkpoint)
    moves = Moves.of([(tmp_path / "old", tmp_path / "new")])
    relocation.relocate([tmp_path / "new"], moves)
    assert sorted(table(tmp_path).scan().to_arrow()["id"].to_pylist()) == [1, 3, 4]
    assert names_old(tmp_path) == []
    again = relocation.relocate([tmp_path / "new"], moves)
    assert (again.metadata, again.lists, again.manifests, again.deletes) == (0, 0, 0, 0)


def test_damaged_files_are_named_and_the_rest_moves(tmp_path, catalog):
    made = catalog.create_table("s.t", Schema(NestedField(1, "id", LongType())))
    made.append(pa.table({"id": pa.array([1], pa.int64())}))
    other = Path(made.location()).with_name("broken")
    shutil.copytree(made.location(), other)
    for file in other.rglob("*.metadata.json"):
        file.write_text("{")
    manifest = next(f for f in other.rglob("*.avro") if not f.name.startswith("snap"))
    manifest.write_bytes(manifest.read_bytes()[:-40])
    done = moved(tmp_path)
    assert len(done.problems) == 3
    assert all("broken" in text for text in done.problems)
    newest = [f for f in metadata_files(tmp_path / "new") if "broken" not in str(f)][-1]
    assert StaticTable.from_metadata(str(newest)).scan().to_arrow().num_rows == 1


def test_what_a_table_needs(tmp_path, catalog):
    made = catalog.create_table("s.t", Schema(NestedField(1, "id", LongType())))
    for number in range(2):
        made.append(pa.table({"id": pa.array([number], pa.int64())}))
    named = list(relocation.needed(str(metadata_files(tmp_path / "old")[-1])))
    on_disk = {str(f) for f in (tmp_path / "old").rglob("*") if f.suffix in (".parquet", ".avro")}
    assert set(named) == on_disk | {str(metadata_files(tmp_path / "old")[-1])}
    assert len(named) == len(set(named))
