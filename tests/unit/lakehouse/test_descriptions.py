"""What is read out of a table's metadata."""

from __future__ import annotations

import pytest

from dataos.core.errors import DataOSError
from dataos.lakehouse import descriptions
from dataos.lakehouse.files import contains

METADATA = {
    "format-version": 2,
    "table-uuid": "u",
    "location": "/w/t",
    "current-schema-id": 1,
    "schemas": [
        {"schema-id": 0, "fields": [{"id": 1, "name": "id", "required": True, "type": "long"}]},
        {
            "schema-id": 1,
            "fields": [
                {"id": 1, "name": "id", "required": True, "type": "long", "doc": "key"},
                {
                    "id": 2,
                    "name": "at",
                    "required": False,
                    "type": {
                        "type": "struct",
                        "fields": [
                            {"id": 3, "name": "ts", "required": False, "type": "timestamptz"},
                            {
                                "id": 4,
                                "name": "tags",
                                "required": False,
                                "type": {
                                    "type": "map",
                                    "key": "string",
                                    "value": {"type": "list", "element": "decimal(10, 2)"},
                                },
                            },
                        ],
                    },
                },
            ],
        },
    ],
    "default-spec-id": 2,
    "partition-specs": [
        {"spec-id": 0, "fields": []},
        {
            "spec-id": 2,
            "fields": [
                {"source-id": 3, "transform": "month", "name": "m"},
                {"source-id": 1, "transform": "identity", "name": "id"},
                {"source-id": 1, "transform": "void", "name": "gone"},
                {"source-ids": [1], "transform": "bucket[8]", "name": "b"},
            ],
        },
    ],
    "current-snapshot-id": 20,
    "refs": {"main": {"snapshot-id": 20, "type": "branch"}, "audit": {"snapshot-id": 10, "type": "tag"}},
    "snapshots": [
        {"snapshot-id": 10, "schema-id": 0, "summary": {"operation": "append", "total-records": "5"}},
        {"snapshot-id": 20, "schema-id": 1, "summary": {"operation": "append"}},
    ],
}


def test_types_and_partitions_read_as_people_write_them() -> None:
    info = descriptions.describe(METADATA, "/w/t/metadata/1.json", None)
    assert [(c.name, c.type, c.required, c.doc, c.field_id) for c in info.columns] == [
        ("id", "long", True, "key", 1),
        ("at", "struct<ts: timestamptz, tags: map<string, list<decimal(10, 2)>>>", False, "", 2),
    ]
    assert info.partition_spec == "month(at.ts), id, bucket[8](id)"


def test_a_writer_without_totals_leaves_the_count_open() -> None:
    info = descriptions.describe(METADATA, "m", None)
    assert (info.snapshot_id, info.row_count) == (20, None)


@pytest.mark.parametrize(("deletes", "rows"), [("0", 5), ("1", None)])
def test_files_of_deletions_leave_the_count_open(deletes: str, rows: int | None) -> None:
    summary = {"operation": "append", "total-records": "5", "total-delete-files": deletes}
    snapshots = [{"snapshot-id": 20, "schema-id": 1, "summary": summary}]
    assert descriptions.describe({**METADATA, "snapshots": snapshots}, "m", None).row_count == rows


@pytest.mark.parametrize("snapshot", [10, "audit"])
def test_a_snapshot_brings_its_schema(snapshot: int | str) -> None:
    info = descriptions.describe(METADATA, "m", snapshot)
    assert (info.snapshot_id, info.row_count, [c.name for c in info.columns]) == (10, 5, ["id"])


def test_a_missing_snapshot_is_told() -> None:
    with pytest.raises(DataOSError) as missing:
        descriptions.describe(METADATA, "m", "aduit")
    assert "audit" in missing.value.problem.hint


def test_an_empty_table_has_no_snapshot() -> None:
    info = descriptions.describe({**METADATA, "snapshots": [], "refs": {}, "current-snapshot-id": -1}, "m", None)
    assert (info.snapshot_id, info.row_count) == (None, None)


@pytest.mark.parametrize(
    ("outer", "inner", "inside"),
    [
        ("/w/t", "/w/t/data/x", True),
        ("/w/t", "file:///w/t/data/x", True),
        ("/w/t", "file:/w/t/data/x", True),
        ("/w/t/", "/w/t", True),
        ("/w/t", "/w/t2/x", False),
        ("/w/t", "/w/t/../u/x", False),
        ("/w/t", "file:///w/t/../../etc/passwd", False),
        ("/w/t", "/w/t/./x", True),
    ],
)
def test_what_lies_in_a_folder(outer: str, inner: str, inside: bool) -> None:
    assert contains(outer, inner) is inside
