"""UPDATE, DELETE and MERGE against a plain model in Python: generated statements, the same rows afterwards.

Tables carry position deletes of another writer in half of the runs, and several files, so that rows are named by file and
position across both.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Operation
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StringType

from dataos.core.errors import DataOSError
from dataos.lakehouse import manifests
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.operations.replacing import _planned
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.gateway.gateway_world import World

Row = tuple[int | None, int | None]

NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8)
CONDITIONS = {
    "k > 0": lambda k, v: None if k is None else k > 0,
    "v IS NULL": lambda k, v: v is None,
    "NOT (k = v)": lambda k, v: None if k is None or v is None else k != v,
    "k = 1 OR v > 1": lambda k, v: _or(None if k is None else k == 1, None if v is None else v > 1),
    "k IN (1, NULL)": lambda k, v: True if k == 1 else None,
    "true": lambda k, v: True,
    "false": lambda k, v: False,
}
VALUES = {
    "v + 1": lambda k, v: None if v is None else v + 1,
    "k": lambda k, v: k,
    "NULL": lambda k, v: None,
    "coalesce(k, 0) * 10": lambda k, v: (k or 0) * 10,
}
CONDITION = st.sampled_from(sorted(CONDITIONS))
VALUE = st.sampled_from(sorted(VALUES))


def _or(a: bool | None, b: bool | None) -> bool | None:
    if a or b:
        return True
    return None if a is None or b is None else False


@pytest.fixture(autouse=True, scope="module")
def schema(world: World):
    world.rows("CREATE SCHEMA IF NOT EXISTS model")


REF = TableRef("lakehouse", "model", "t")
OPTIONS: dict[str, Any] = {"max_examples": 25, "deadline": None, "database": None}
CHECKS = list(HealthCheck)


def rows(world: World, sql: str) -> list[list[Any]]:
    return world.rows(sql, schema="model")


def fill(world: World, parts: list[list[Row]], deleted: set[int]) -> list[Row]:
    """A table of a file for each part; of the first file rows are deleted by position. The rows that are left."""
    rows(world, "DROP TABLE IF EXISTS t")
    rows(world, "CREATE TABLE t (k bigint, v bigint)")
    for part in parts:
        if part:
            listed = ", ".join(f"({sql(k)}, {sql(v)})" for k, v in part)
            rows(world, f"INSERT INTO t SELECT CAST(k AS bigint), CAST(v AS bigint) FROM (VALUES {listed}) AS x(k, v)")
    left = [list(part) for part in parts]
    first = next((i for i, part in enumerate(parts) if part), None)
    if first is not None and (gone := sorted(d for d in deleted if d < len(parts[first]))):
        delete_by_position(world, gone)
        left[first] = [r for i, r in enumerate(parts[first]) if i not in gone]
    return [r for part in left for r in part]


def sql(value: int | None) -> str:
    return "NULL" if value is None else str(value)


_DELETES = Schema(
    NestedField(2147483546, "file_path", StringType(), required=True),
    NestedField(2147483545, "pos", LongType(), required=True),
)


def delete_by_position(world: World, positions: list[int]) -> None:
    """As another writer does: a file of position deletes for the oldest data file."""

    def plan(plans: Any, metadata: Any) -> Any:
        files = world.catalog.files
        current = metadata.current_snapshot()
        here = manifests.manifests_of(files, current)
        entries = [e for m in here for e in manifests.entries_of(files, m)]
        oldest = min(entries, key=lambda e: e.sequence_number or 0).data_file.file_path
        path = f"{metadata.location}/data/{uuid.uuid4()}-deletes.parquet"
        table = pa.table({"file_path": [oldest] * len(positions), "pos": positions})
        arrow = schema_to_pyarrow(_DELETES, include_field_ids=True)
        pq.write_table(table.cast(pa.schema([f.with_nullable(False) for f in arrow])), path)
        made = DataFile.from_args(
            content=DataFileContent.POSITION_DELETES,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=len(positions),
            file_size_in_bytes=Path(path).stat().st_size,
        )
        made.spec_id = 0
        draft = manifests.SnapshotDraft(
            files, metadata, metadata.new_snapshot_id(), str(uuid.uuid4()), metadata.schema()
        )
        draft.keep(here)
        with draft._writer(PartitionSpec(), deletes=True) as writer:
            writer.add_entry(
                manifests.ManifestEntry.from_args(
                    status=manifests.ManifestEntryStatus.ADDED, snapshot_id=draft._id, data_file=made
                )
            )
        draft._manifests.append(writer.to_manifest_file())
        snapshot = draft.finish(Operation.OVERWRITE, {}, metadata.last_updated_ms + 1)
        return _planned(metadata, snapshot, draft, {})

    world.do(Changes(world.catalog).change(PUBLISHED, REF, plan))


def left_in(world: World) -> list[tuple[Any, ...]]:
    return sorted((tuple(r) for r in rows(world, "SELECT k, v FROM t")), key=repr)


PARTS = st.lists(ROWS, min_size=1, max_size=3)
DELETED = st.sets(st.integers(0, 7), max_size=3)


@settings(suppress_health_check=CHECKS, **OPTIONS)
@given(parts=PARTS, deleted=DELETED, condition=CONDITION)
def test_delete(world: World, parts: list[list[Row]], deleted: set[int], condition: str):
    before = fill(world, parts, deleted)
    holds = CONDITIONS[condition]
    wanted = [r for r in before if holds(*r) is not True]
    assert rows(world, f"DELETE FROM t WHERE {condition}") == [[len(before) - len(wanted)]]
    assert left_in(world) == sorted(wanted, key=repr)


@settings(suppress_health_check=CHECKS, **OPTIONS)
@given(parts=PARTS, deleted=DELETED, condition=CONDITION, k=VALUE, v=VALUE)
def test_update(world: World, parts: list[list[Row]], deleted: set[int], condition: str, k: str, v: str):
    before = fill(world, parts, deleted)
    holds = CONDITIONS[condition]
    wanted = [(VALUES[k](*r), VALUES[v](*r)) if holds(*r) is True else r for r in before]
    count = sum(holds(*r) is True for r in before)
    assert rows(world, f"UPDATE t SET k = {k}, v = {v} WHERE {condition}") == [[count]]
    assert left_in(world) == sorted(wanted, key=repr)


CLAUSES = st.lists(
    st.tuples(st.booleans(), CONDITION, st.sampled_from(["delete", "update"]), VALUE), min_size=1, max_size=4
)


@settings(suppress_health_check=CHECKS, **{**OPTIONS, "max_examples": 40})
@given(parts=PARTS, deleted=DELETED, source=ROWS, clauses=CLAUSES)
def test_merge(world: World, parts: list[list[Row]], deleted: set[int], source: list[Row], clauses: list[Any]):
    before = fill(world, parts, deleted)
    wanted, count, twice = merged(before, source, clauses)
    whens = " ".join(
        f"WHEN MATCHED AND {named(condition, 't')} THEN "
        + ("DELETE" if action == "delete" else f"UPDATE SET v = {named(value, 't')}")
        if matched
        else f"WHEN NOT MATCHED AND {named(condition, 's')} THEN INSERT (v, k) VALUES ({named(value, 's')}, s.k)"
        for matched, condition, action, value in clauses
    )
    listed = ", ".join(f"({sql(k)}, {sql(v)})" for k, v in source) or "(NULL, NULL)"
    none = "" if source else " WHERE false"
    using = f"(SELECT CAST(k AS bigint) AS k, CAST(v AS bigint) AS v FROM (VALUES {listed}) AS x(k, v){none})"
    statement = f"MERGE INTO t USING {using} s ON t.k = s.k {whens}"
    if twice:
        with pytest.raises(DataOSError) as caught:
            rows(world, statement)
        assert caught.value.problem.code == "iceberg.row_twice"
        assert left_in(world) == sorted(before, key=repr)
        return
    assert rows(world, statement) == [[count]]
    assert left_in(world) == sorted(wanted, key=repr)


def named(expression: str, table: str) -> str:
    """An expression over the columns of one of the two tables."""
    return "".join(f"{table}.{c}" if c in "kv" and not _word(expression, i) else c for i, c in enumerate(expression))


def _word(text: str, at: int) -> bool:
    return text[at - 1 : at].isalpha() or text[at + 1 : at + 2].isalpha()


def merged(target: list[Row], source: list[Row], clauses: list[Any]) -> tuple[list[Row], int, bool]:
    changed: dict[int, tuple[str, Row]] = {}
    inserted: list[Row] = []
    for s in source:
        partners = [i for i, t in enumerate(target) if t[0] is not None and t[0] == s[0]]
        for i in partners:
            chosen = next((c for c in clauses if c[0] and CONDITIONS[c[1]](*target[i]) is True), None)
            if chosen is None:
                continue
            if i in changed:
                return [], 0, True
            changed[i] = (chosen[2], (target[i][0], VALUES[chosen[3]](*target[i])))
        if not partners:
            chosen = next((c for c in clauses if not c[0] and CONDITIONS[c[1]](*s) is True), None)
            if chosen is not None:
                inserted.append((s[0], VALUES[chosen[3]](*s)))
    left = [t for i, t in enumerate(target) if i not in changed]
    left += [new for action, new in changed.values() if action == "update"]
    return [*left, *inserted], len(changed) + len(inserted), False
