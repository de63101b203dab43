"""Streams on a real server: each row once, however they are started, stopped and killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import s3, streams
from support.crashes import start_until, wait_dead
from support.server import Installation, installation, wait_until

DEPOT = "name: landing\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {path}}}}}\n"
LINES = {"name": "lines", "dataset": "dataos://landing:none/lines", "format": "csv", "isStream": True}
SQL = "SELECT cast(id AS bigint) AS id, text FROM lines"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("streams")) as installed:
        (installed.work / "data").mkdir()
        installed.ok("apply", "-f", installed.write("depot.yaml", DEPOT.format(path=installed.work / "data")))
        yield installed


@pytest.fixture
def folder(made: Installation, request: pytest.FixtureRequest) -> Path:
    """An empty folder of this test's own below the depot."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]
    place = made.work / "data" / name
    place.mkdir(parents=True)
    return place


def lines(folder: Path, **options: object) -> dict[str, object]:
    return {**LINES, "dataset": f"dataos://landing:none/{folder.name}", "options": options}


def apply(made: Installation, name: str, *rest: object, **job: object) -> None:
    made.ok("apply", "-f", made.write(f"{name}.yaml", streams.workflow(name, *rest, **job)))


def test_each_run_reads_what_is_new_and_only_that(made: Installation, folder: Path) -> None:
    streams.put(folder, "a.csv", range(10))
    streams.put(folder, "b.csv", range(10, 20))
    apply(
        made,
        "new-files",
        [lines(folder, maxFilesPerTrigger=1)],
        SQL,
        [streams.table("files")],
        streaming=streams.trigger(),
    )
    assert streams.ended(made, "new-files")["runtime"] == "succeeded", streams.log(made, "new-files")
    assert streams.ids(made, "files") == list(range(20))
    assert streams.state(made, "new-files")["(stream)"]["batch"] == "2"
    assert streams.state(made, "new-files")["lines"]["files"] == "2"
    streams.put(folder, "c.csv", range(20, 25))
    assert streams.rerun(made, "new-files")["runtime"] == "succeeded"
    assert streams.ids(made, "files") == list(range(25))
    assert streams.rerun(made, "new-files")["runtime"] == "succeeded"
    assert streams.ids(made, "files") == list(range(25))


def test_a_stream_goes_on_over_stops_and_restarts(made: Installation, folder: Path) -> None:
    streams.put(folder, "a.csv", range(10))
    apply(made, "endless", [lines(folder)], SQL, [streams.table("endless")], streaming=streams.trigger(None))
    wait_until(lambda: streams.ids(made, "endless") == list(range(10)), 60, "the first file")
    streams.put(folder, "b.csv", range(10, 20))
    wait_until(lambda: streams.ids(made, "endless") == list(range(20)), 30, "the second file")
    made.kill()
    streams.put(folder, "c.csv", range(20, 30))
    time.sleep(2)
    made.up()
    wait_until(lambda: streams.ids(made, "endless") == list(range(30)), 60, "the file of the outage")
    (node,) = made.client().runtime("workflow", "endless", "public")["nodes"]
    assert [a["state"] for a in node["attempts"]] == ["running"], "it outlived the server"
    made.ok("runtime", "stop", "-t", "workflow", "-n", "endless", "-w", "public")
    assert streams.ended(made, "endless")["runtime"] == "aborted"
    streams.put(folder, "d.csv", range(30, 35))
    made.ok("runtime", "run", "-t", "workflow", "-n", "endless", "-w", "public")
    wait_until(lambda: streams.ids(made, "endless") == list(range(35)), 60, "the file of the stop")
    made.ok("runtime", "stop", "-t", "workflow", "-n", "endless", "-w", "public")
    assert streams.ended(made, "endless")["runtime"] == "aborted"
    assert streams.ids(made, "endless") == list(range(35))


def test_a_table_is_read_on_from_where_it_was(made: Installation, folder: Path) -> None:
    streams.put(folder, "a.csv", range(10))
    source = {"name": "lines", "dataset": "dataos://lakehouse:live/source", "isStream": True}
    first = ("fill", [lines(folder)], SQL, [streams.table("source")])
    again = ("copy", [source], "SELECT id, text FROM lines", [streams.table("copy")])
    assert streams.run(made, *first, streaming=streams.trigger())["runtime"] == "succeeded"
    assert streams.run(made, *again, streaming=streams.trigger())["runtime"] == "succeeded", streams.log(made, "copy")
    assert streams.ids(made, "copy") == list(range(10))
    for start in (10, 20):
        streams.put(folder, f"b{start}.csv", range(start, start + 10))
        assert streams.rerun(made, "fill")["runtime"] == "succeeded"
    assert streams.rerun(made, "copy")["runtime"] == "succeeded", streams.log(made, "copy")
    assert streams.ids(made, "copy") == list(range(30))
    assert streams.rerun(made, "copy")["runtime"] == "succeeded"
    assert streams.ids(made, "copy") == list(range(30))
    overwrite = [streams.table("source", saveMode="overwrite")]
    streams.put(folder, "c.csv", range(3))
    job = {"streaming": streams.trigger(forEachBatchMode="true")}
    assert streams.run(made, "fill", [lines(folder)], SQL, overwrite, **job)["runtime"] == "succeeded"
    assert streams.rerun(made, "copy")["runtime"] == "failed"
    assert "is no append, but `overwrite`" in streams.log(made, "copy")
    assert streams.ids(made, "copy") == list(range(30))


def test_files_and_tables_of_a_batch_appear_together(made: Installation, folder: Path) -> None:
    streams.put(folder, "a.csv", range(10))
    streams.put(folder, "b.csv", range(10, 20))
    out = {"name": "made", "dataset": f"dataos://landing:none/out-{folder.name}?acl=rw", "format": "csv"}
    outputs = [streams.table("both"), out]
    job = {"streaming": streams.trigger()}
    done = streams.run(made, "both", [lines(folder, maxFilesPerTrigger=1)], SQL, outputs, **job)
    assert done["runtime"] == "succeeded", streams.log(made, "both")
    assert streams.ids(made, "both") == list(range(20))
    written = [x for f in (folder.parent / f"out-{folder.name}").glob("*.csv") for x in f.read_text().splitlines()[1:]]
    assert sorted(int(x.partition(",")[0]) for x in written) == list(range(20))


def test_another_checkpoint_begins_anew(made: Installation, folder: Path) -> None:
    streams.put(folder, "a.csv", range(3))
    first = ("begins", [lines(folder)], SQL, [streams.table("begins")])
    assert streams.run(made, *first, streaming=streams.trigger())["runtime"] == "succeeded"
    assert streams.run(made, *first, streaming=streams.trigger())["runtime"] == "succeeded"
    assert streams.ids(made, "begins") == [0, 1, 2]
    other = {"triggerMode": "Once", "checkpointLocation": "/another"}
    assert streams.run(made, *first, streaming=other)["runtime"] == "succeeded"
    assert streams.ids(made, "begins") == [0, 0, 1, 1, 2, 2]
    made.ok("runtime", "state", "-t", "workflow", "-n", "begins", "-w", "public", "--reset")
    assert streams.rerun(made, "begins")["runtime"] == "succeeded"
    assert streams.ids(made, "begins") == sorted([0, 1, 2] * 3)


def test_rows_of_the_clock_come_once(made: Installation) -> None:
    rate = {"name": "ticks", "format": "rate-micro-batch", "isStream": True, "options": {"rowsPerBatch": 5}}
    first = ("ticks", [rate], "SELECT value AS id, timestamp FROM ticks", [streams.table("ticks")])
    for runs in (1, 2, 3):
        assert streams.run(made, *first, streaming=streams.trigger("Once"))["runtime"] == "succeeded"
        assert streams.ids(made, "ticks") == list(range(5 * runs))


@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("streams.before-commit", 2),
        ("iceberg.before-publish", 2),
        ("iceberg.after-publish", 2),
        ("streams.after-commit", 2),
    ],
)
def test_a_server_killed_at_a_point_publishes_a_batch_once(tmp_path: Path, point: str, nth: int) -> None:
    with installation(tmp_path, start=False) as mine:
        process = start_until(mine, point, nth)
        (mine.work / "data").mkdir()
        mine.ok("apply", "-f", mine.write("depot.yaml", DEPOT.format(path=mine.work / "data")))
        for number in range(4):
            streams.put(mine.work / "data" / "lines", f"{number}.csv", range(number * 10, number * 10 + 10))
        text = streams.workflow(
            "killed", [{**LINES, "options": {"maxFilesPerTrigger": 1}}], SQL, [streams.table("killed")],
            streaming=streams.trigger(),
        )  # fmt: skip
        mine.cli("apply", "-f", mine.write("killed.yaml", text))
        wait_dead(process, 60)
        mine.up()
        mine.ok("apply", "-f", mine.write("killed.yaml", text))
        assert streams.ended(mine, "killed")["runtime"] == "succeeded", streams.log(mine, "killed")
        assert streams.ids(mine, "killed") == list(range(40))
        assert streams.state(mine, "killed")["(stream)"]["batch"] == "4"


def test_objects_of_a_store_are_read_once(made: Installation) -> None:
    with s3.running() as store:
        store.bucket("shop", {"raw/in/a.csv": b"id,text\n1,x\n", "raw/in/b.csv": b"id,text\n2,x\n"})
        made.ok("apply", "-f", made.write("store.yaml", s3.depot(store.endpoint)))
        entry = {**LINES, "dataset": "dataos://store:none/in", "options": {"maxFilesPerTrigger": 1}}
        first = ("objects", [entry], SQL, [streams.table("objects")])
        done = streams.run(made, *first, streaming=streams.trigger())
        assert done["runtime"] == "succeeded", streams.log(made, "objects")
        assert streams.ids(made, "objects") == [1, 2]
        store.put("shop", "raw/in/c.csv", b"id,text\n3,x\n")
        assert streams.rerun(made, "objects")["runtime"] == "succeeded", streams.log(made, "objects")
        assert streams.ids(made, "objects") == [1, 2, 3]
        assert "1 new file (c.csv)" in streams.log(made, "objects")


def test_a_stream_reads_what_another_writes(made: Installation, folder: Path) -> None:
    """Two streams at once: a folder into a table, and that table into another, without end."""
    streams.put(folder, "a.csv", range(5))
    apply(made, "upper", [lines(folder)], SQL, [streams.table("upper")], streaming=streams.trigger(None))
    wait_until(lambda: streams.ids(made, "upper") == list(range(5)), 60, "the first table")
    source = {"name": "lines", "dataset": "dataos://lakehouse:live/upper", "isStream": True}
    every = streams.trigger("ProcessingTime", triggerDuration="500 milliseconds")
    apply(made, "lower", [source], "SELECT id, text FROM lines", [streams.table("lower")], streaming=every)
    for start in range(5, 20, 5):
        streams.put(folder, f"{start}.csv", range(start, start + 5))
        wait_until(lambda end=start + 5: streams.ids(made, "lower") == list(range(end)), 60, "the second table")
    for name in ("upper", "lower"):
        made.ok("runtime", "stop", "-t", "workflow", "-n", name, "-w", "public")
        assert streams.ended(made, name)["runtime"] == "aborted"
    assert streams.ids(made, "lower") == list(range(20))


def test_bad_records_are_left_out_and_functions_of_the_author_are_called(made: Installation, folder: Path) -> None:
    """ch04 3.6, 3.17: `mode` in a stream; a UDF in its steps, in every batch."""
    job = {"streaming": streams.trigger(), "udfs": {"shout": "lambda t: t.upper() + '!'"}}
    streams.put(folder, "a.csv", range(2))
    (folder / "b.csv").write_text("id,text\n7,row 7\n8,row 8,and more,and more\n9,row 9\n")
    inputs = [lines(folder, maxFilesPerTrigger=1, mode="DROPMALFORMED")]
    sql = "SELECT cast(id AS bigint) AS id, shout(text) AS text FROM lines"
    done = streams.run(made, "bad-records", inputs, sql, [streams.table("bad")], **job)
    told = streams.log(made, "bad-records")
    assert done["runtime"] == "succeeded", told
    assert streams.ids(made, "bad") == [0, 1, 7, 9]
    assert "1 malformed rows were left out (mode DROPMALFORMED)" in told
    found = made.ok("query", "SELECT text FROM lakehouse.live.bad WHERE id = 7", "-O", "json").json
    assert found == [{"text": "ROW 7!"}]
    counted = streams.workflow("bad-counted", inputs, "SELECT shout(text) AS t, count(*) AS n FROM lines GROUP BY 1", [streams.table("n")], **job)  # fmt: skip
    refused = made.cli("apply", "-f", made.write("counted.yaml", counted))
    assert refused.code == 1
    assert "GROUP BY on a stream would need the rows of all batches" in refused.err
