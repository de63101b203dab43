"""Metadata tables and time travel by SQL: the same way as every other relation, for real Iceberg tables."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from dataos.core.errors import DataOSError
from dataos.gateway import literals
from dataos.lakehouse.operations.metadata_tables import KINDS
from integration.gateway.gateway_world import World


@pytest.fixture(scope="module")
def traveller(world: World) -> list[float]:
    """A table of three commits, partitioned anew after the first; the moments between them (epoch seconds)."""
    rows = lambda *ids: pa.table({"id": pa.array(ids, pa.int64()), 'k "q", {x=1}': [f"a='{i}'" for i in ids]})  # noqa: E731
    moments = [time.time()]
    world.write("travel", rows(1, 2))
    table = world.pyiceberg.load_table("retail.travel")
    for ids in ((3,), (4, 5, 6)):
        time.sleep(0.02)
        moments.append(time.time())
        time.sleep(0.02)
        if len(ids) == 3:
            with table.update_spec() as update:
                update.add_identity("id")
        world.write("travel", rows(*ids), append=True)
    time.sleep(0.02)
    moments.append(time.time())
    return moments


def refused(world: World, sql: str) -> str:
    with pytest.raises(DataOSError) as raised:
        world.rows(sql)
    return f"{raised.value.problem.code}: {raised.value.problem.message} {raised.value.problem.hint}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_read(world: World, traveller: list[float], kind: str) -> None:
    body = world.do(world.query(f'SELECT * FROM "travel${kind}"'))
    assert bool(body["rows"]) is (kind != "delete_files")
    assert world.rows(f"SELECT count(*) FROM lakehouse.retail.travel.{kind}") == [[len(body["rows"])]]
    # of a table without snapshots: no rows, or those of its metadata file
    assert len(world.rows(f'SELECT * FROM "empty${kind}"')) == (1 if kind == "metadata_log_entries" else 0)


def test_what_they_say(world: World, traveller: list[float]) -> None:
    assert world.rows("""SELECT sum(record_count), count(DISTINCT spec_id) FROM "travel$files" """) == [[6, 2]]
    assert world.rows("""SELECT "partition"."id", record_count FROM "travel$partitions" ORDER BY 1 NULLS FIRST""") == [
        [None, 3],
        [4, 1],
        [5, 1],
        [6, 1],
    ]
    added = world.rows("""SELECT summary['added-records'] FROM "travel$snapshots" ORDER BY committed_at""")
    assert added == [["2"], ["1"], ["3"]]
    # entries joined with history: which commit wrote which file
    joined = world.rows(
        """SELECT count(*) FROM "travel$entries" e JOIN "travel$snapshots" s ON e.snapshot_id = s.snapshot_id
           JOIN "travel$files" f ON f.file_path = e.data_file.file_path WHERE e.status = 1"""
    )
    assert joined == [[5]]
    assert world.rows("""SELECT name, type FROM "travel$refs" """) == [["main", "BRANCH"]]
    assert world.rows("""SELECT count(*) FROM "travel$history" WHERE is_current_ancestor""") == [[3]]
    # names and values with every kind of quote come through
    bounds = world.rows("""SELECT lower_bounds[2], null_value_counts[2] FROM "travel$files" ORDER BY 1""")
    assert bounds[0] == ["a='1'", 0]
    first = world.rows("""SELECT snapshot_id FROM "travel$snapshots" ORDER BY committed_at""")[0][0]
    assert world.rows(f'SELECT count(*) FROM "travel$files" FOR VERSION AS OF {first}') == [[1]]
    assert world.rows("SELECT count(*) FROM \"travel$files\" FOR VERSION AS OF 'main'") == [[5]]


def test_time_travel_by_moment(world: World, traveller: list[float]) -> None:
    counts = []
    for moment in traveller[1:]:
        text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f"{moment % 1:.6f}"[1:]
        counts.append(world.rows(f"SELECT count(*) FROM travel FOR TIMESTAMP AS OF TIMESTAMP '{text} UTC'")[0][0])
    assert counts == [2, 3, 6]
    assert "no snapshot at that time" in refused(world, "SELECT * FROM travel FOR TIMESTAMP AS OF DATE '2001-01-01'")
    assert "constant" in refused(world, "SELECT * FROM travel FOR TIMESTAMP AS OF current_timestamp")


def test_what_is_refused(world: World, traveller: list[float]) -> None:
    assert "does not exist" in refused(world, 'SELECT * FROM "travel$nothing"')
    assert "does not exist" in refused(world, 'SELECT * FROM "nothing$files"')
    assert "does not exist" in refused(world, "SELECT * FROM lakehouse.retail.travel.nothing")
    assert "cannot be resolved" in refused(world, 'SELECT nope FROM "travel$files"')


def test_literals() -> None:
    assert literals.rows((("a", "bigint"), ("b", "varchar")), [(1, 'x "y" \\'), (None, "")]) == (
        '[{"a": 1, "b": "x \\"y\\" \\\\"}, {"a": null, "b": ""}]'
    )


def test_texts_with_brackets_and_quotes_stay_in_their_place(world: World) -> None:
    """A text that looks like the end of its row made rows of its own."""
    written = """SELECT 'x''}, {"a": 1}] \\ " }' AS c"""
    world.rows("CREATE SCHEMA IF NOT EXISTS odd")
    world.rows(f"CREATE OR REPLACE VIEW odd.v AS {written}")
    shown = world.rows("SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = 'odd'")
    assert shown == [["v", written]]
    world.rows("DROP SCHEMA odd CASCADE")
