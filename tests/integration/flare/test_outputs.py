"""Writing Lakehouse tables: modes, partitions, schemas, atomicity."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from integration.flare.helpers import Jobs, Server, client, columns, output, rows, spec, table

ORDERS = "id,day,amount\n1,2024-01-05,10.5\n2,2024-02-06,20\n3,2024-02-07,\n"
TYPED = "SELECT CAST(id AS BIGINT) AS id, CAST(day AS DATE) AS day, CAST(amount AS DOUBLE) AS amount FROM raw"
JAN, FEB, FEB7 = dt.date(2024, 1, 5), dt.date(2024, 2, 6), dt.date(2024, 2, 7)
BY_MONTH: dict[str, Any] = {"partitionSpec": [{"type": "month", "column": "day", "name": "order_month"}]}
DYNAMIC = {"properties": {"overwrite-mode": "dynamic"}, **BY_MONTH}


class Loader:
    """Loads CSV text into a table of its own."""

    def __init__(self, jobs: Jobs, folder: Path) -> None:
        self.jobs = jobs
        self.file = folder / "orders.csv"
        self.table = f"sales.t{jobs.count}"

    def load(self, text: str = ORDERS, sql: str = TYPED, *, publish: bool = True, **options: Any) -> Any:
        self.file.write_text(text)
        inputs = [{"name": "raw", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}]
        job = spec(inputs, {"typed": sql}, [output("typed", self.table, **options)])
        return self.jobs.run(job, {"raw": [self.file]}, publish=publish)

    def ok(self, *args: Any, **options: Any) -> Any:
        done = self.load(*args, **options)
        assert done.code == 0, done.log
        return done


@pytest.fixture
def loader(jobs: Jobs, tmp_path: Path) -> Loader:
    return Loader(jobs, tmp_path)


def test_a_csv_becomes_a_table_with_counts_lineage_and_types(loader: Loader, server: Server) -> None:
    done = loader.ok()
    assert rows(server, loader.table) == [(1, JAN, 10.5), (2, FEB, 20.0), (3, FEB7, None)]
    (told,) = done.result["inputs"]
    assert (told["name"], told["address"], told["rows"]) == ("raw", "dataos://dropzone:none/orders.csv", 3)
    assert [c["name"] for c in told["columns"]] == ["id", "day", "amount"]
    written = done.result["outputs"][0]
    assert (written["rows"], written["operation"]) == (3, "overwrite")
    assert [(c["name"], c["type"]) for c in written["columns"]] == [
        ("__metadata", "map<string,string>"),
        ("id", "long"),
        ("day", "date"),
        ("amount", "double"),
    ]
    assert done.result["lineage"][2] == {
        "output": "typed",
        "column": "amount",
        "inputs": [{"input": "raw", "column": "amount"}],
        "resolved": True,
    }
    for line in ("Loading raw table...", "calculating sequence typed", "run complete", "build version: "):
        assert line in done.log


def test_nothing_is_visible_before_publish(loader: Loader, server: Server) -> None:
    loader.ok(publish=False)
    with pytest.raises(Exception, match="NoSuch"):
        table(server, loader.table)


def test_overwrite_replaces_everything_and_keeps_history(loader: Loader, server: Server) -> None:
    loader.ok()
    loader.ok("id,day,amount\n9,2024-03-01,1\n")
    assert rows(server, loader.table) == [(9, dt.date(2024, 3, 1), 1.0)]
    assert len(table(server, loader.table).metadata.snapshots) == 2


def test_append_adds_rows(loader: Loader, server: Server) -> None:
    loader.ok(saveMode="Append")
    done = loader.ok("id,day,amount\n9,2024-03-01,1\n", saveMode="append")
    assert [r[0] for r in rows(server, loader.table)] == [1, 2, 3, 9]
    assert (done.result["outputs"][0]["rows"], done.result["outputs"][0]["operation"]) == (1, "append")


def test_an_empty_frame_empties_the_table_on_overwrite(loader: Loader, server: Server) -> None:
    loader.ok()
    done = loader.ok("id,day,amount\n")
    assert rows(server, loader.table) == []
    assert done.result["outputs"][0]["rows"] == 0


@pytest.mark.acceptance("ch04-AS02")
def test_dynamic_overwrite_replaces_only_partitions_that_receive_rows(loader: Loader, server: Server) -> None:
    loader.ok(iceberg=DYNAMIC)
    done = loader.ok("id,day,amount\n7,2024-02-01,7\n", iceberg=DYNAMIC)
    assert rows(server, loader.table, "id") == [(1,), (7,)]
    assert done.result["outputs"][0]["operation"] == "overwrite partitions"
    loader.ok("id,day,amount\n", iceberg=DYNAMIC)
    assert rows(server, loader.table, "id") == [(1,), (7,)]


def test_dynamic_overwrite_of_a_table_without_partitions_replaces_all(loader: Loader, server: Server) -> None:
    loader.ok()
    loader.ok("id,day,amount\n7,2024-02-01,7\n", iceberg={"properties": {"overwrite-mode": "dynamic"}})
    assert rows(server, loader.table, "id") == [(7,)]


PARTITIONS = [
    ([{"type": "identity", "column": "day"}], ["identity"], ["day"]),
    ([{"type": "years", "column": "day"}], ["year"], ["day_year"]),
    ([{"type": "Months", "column": "day"}], ["month"], ["day_month"]),
    ([{"type": "days", "column": "day", "asColumn": "d"}], ["day"], ["d"]),
    ([{"type": "bucket", "column": "id", "bucket_count": 4}], ["bucket[4]"], ["id_bucket"]),
    (
        [{"type": "month", "column": "day", "name": "m"}, {"type": "bucket", "column": "id", "numBuckets": 2}],
        ["month", "bucket[2]"],
        ["m", "id_bucket"],
    ),
]


@pytest.mark.parametrize(("fields", "transforms", "names"), PARTITIONS)
def test_partition_specs(
    loader: Loader, server: Server, fields: list[Any], transforms: list[str], names: list[str]
) -> None:
    loader.ok(iceberg={"partitionSpec": fields})
    made = table(server, loader.table)
    assert [str(f.transform) for f in made.spec().fields] == transforms
    assert [f.name for f in made.spec().fields] == names
    # a reader that prunes by partition must find each row where the writer put it
    for number in (1, 2, 3):
        assert made.scan(row_filter=f"id == {number}").to_arrow()["id"].to_pylist() == [number]
    assert made.scan(row_filter="day == '2024-02-06'").to_arrow()["id"].to_pylist() == [2]


def test_hours_of_timestamps(loader: Loader, server: Server) -> None:
    text = "id,at\n1,2024-01-05 10:30:00\n2,2024-01-05 11:30:00\n"
    sql = "SELECT CAST(id AS INT) AS id, CAST(at AS TIMESTAMP) AS at FROM raw"
    loader.ok(text, sql, iceberg={"partitionSpec": [{"type": "hours", "column": "at"}]})
    made = table(server, loader.table)
    assert str(made.spec().fields[0].transform) == "hour"
    assert len(list(made.scan().plan_files())) == 2


def test_partition_by_means_identity(loader: Loader, server: Server) -> None:
    loader.ok(partitionBy=["day"])
    assert [str(f.transform) for f in table(server, loader.table).spec().fields] == ["identity"]


def test_another_partition_spec_changes_new_data_only(loader: Loader, server: Server) -> None:
    loader.ok(saveMode="append", iceberg=BY_MONTH)
    year = {"partitionSpec": [{"type": "year", "column": "day"}]}
    loader.ok("id,day,amount\n9,2025-03-01,1\n", saveMode="append", iceberg=year)
    made = table(server, loader.table)
    assert [str(f.transform) for f in made.spec().fields] == ["year"]
    assert rows(server, loader.table, "id") == [(1,), (2,), (3,), (9,)]
    # back to the first spec: its fields keep their ids
    loader.ok("id,day,amount\n10,2025-03-01,1\n", saveMode="append", iceberg=BY_MONTH)
    assert [f.name for f in table(server, loader.table).spec().fields] == ["order_month"]
    assert made.scan(row_filter="day >= '2025-01-01'").to_arrow()["id"].to_pylist() == [9]


def test_dynamic_overwrite_with_another_spec_is_refused(loader: Loader, server: Server) -> None:
    loader.ok(iceberg=BY_MONTH)
    done = loader.load(
        iceberg={"partitionSpec": [{"type": "year", "column": "day"}], "properties": {"overwrite-mode": "dynamic"}}
    )
    assert done.code == 1
    assert done.problem["code"] == "flare.partition"
    assert len(rows(server, loader.table)) == 3


def test_properties_reach_the_table_and_its_files(loader: Loader, server: Server) -> None:
    import pyarrow.parquet as pq

    loader.ok(compressionType="gzip", iceberg={"properties": {"write.metadata.previous-versions-max": 7}})
    made = table(server, loader.table)
    assert made.properties["write.metadata.previous-versions-max"] == "7"
    file = next(iter(made.scan().plan_files())).file.file_path.removeprefix("file://")
    assert pq.read_metadata(file).row_group(0).column(0).compression == "GZIP"


def test_rows_are_sorted_inside_partitions(loader: Loader, server: Server) -> None:
    import pyarrow.parquet as pq

    text = "id,day,amount\n" + "".join(f"{i},2024-0{1 + i % 2}-01,{(i * 7) % 100}\n" for i in range(100))
    sort = {"mode": "partition", "columns": [{"name": "amount", "order": "desc"}]}
    loader.ok(text, sort=sort, iceberg=BY_MONTH)
    files = [f.file.file_path.removeprefix("file://") for f in table(server, loader.table).scan().plan_files()]
    assert len(files) >= 2
    for file in files:
        amounts = pq.read_table(file)["amount"].to_pylist()
        assert amounts == sorted(amounts, reverse=True)


def test_columns_are_matched_by_name_and_widened(loader: Loader, server: Server) -> None:
    loader.ok()
    loader.ok(sql="SELECT CAST(amount AS FLOAT) AS AMOUNT, CAST(id AS INT) AS id, CAST(day AS DATE) AS Day FROM raw")
    assert rows(server, loader.table) == [(1, JAN, 10.5), (2, FEB, 20.0), (3, FEB7, None)]


@pytest.mark.acceptance("ch04-AS14")
def test_an_additional_column_names_both_column_lists(loader: Loader, server: Server) -> None:
    loader.ok()
    done = loader.load(sql=TYPED.replace("FROM raw", ", 1 AS extra FROM raw"))
    assert done.code == 1
    assert done.problem["code"] == "flare.schema"
    assert "the table has id, day, amount; the data has id, day, amount, extra" in done.problem["message"]
    assert "add-field" in done.problem["hint"]
    assert done.problem["path"] == "job.outputs[0]"


def test_a_missing_column_names_both_column_lists(loader: Loader) -> None:
    loader.ok()
    done = loader.load(sql="SELECT CAST(id AS BIGINT) AS id, CAST(day AS DATE) AS day FROM raw")
    assert "Cannot find data for the output column `amount`" in done.problem["message"]
    assert "the data has id, day" in done.problem["message"]


def test_an_unsafe_cast_is_refused_before_anything_is_written(loader: Loader, server: Server) -> None:
    loader.ok()
    done = loader.load(sql="SELECT id, CAST(day AS DATE) AS day, CAST(amount AS DOUBLE) AS amount FROM raw")
    assert done.code == 1
    assert "Cannot safely cast 'id': string to long" in done.problem["message"]
    assert "CAST(id AS BIGINT)" in done.problem["hint"]


def test_a_typeless_column_is_refused_with_its_name(loader: Loader) -> None:
    done = loader.load(sql="SELECT id, NULL AS nothing FROM raw")
    assert done.problem["code"] == "flare.types"
    assert "`nothing`" in done.problem["message"]


def test_nested_types_come_back_as_they_were(loader: Loader, server: Server) -> None:
    sql = (
        "SELECT CAST(id AS INT) AS id, array(id, amount) AS list, map('k', CAST(id AS INT)) AS m, "
        "named_struct('a', day, 'b', array(1)) AS s, CAST(amount AS DECIMAL(10, 2)) AS d FROM raw"
    )
    loader.ok(sql=sql)
    loader.ok(sql=sql, saveMode="append")
    first = rows(server, loader.table)[0]
    assert first[1] == ["1", "10.5"]
    assert first[2] == [("k", 1)]
    assert first[3] == {"a": "2024-01-05", "b": [1]}


def test_two_outputs_appear_together_or_not_at_all(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    inputs = [{"name": "raw", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}]
    one, two = f"sales.one{jobs.count}", f"sales.two{jobs.count}"
    steps = {"good": "SELECT id FROM raw", "bad": "SELECT CAST(day AS INT) AS n FROM raw"}
    done = jobs.run(spec(inputs, steps, [output("good", one), output("bad", two)]), {"raw": [file]})
    assert done.code == 1
    assert done.problem["code"] == "flare.cast"
    assert done.problem["path"] == "job.steps[0].sequence[1].sql"
    for name in (one, two):
        with pytest.raises(Exception, match="NoSuch"):
            table(server, name)


def test_a_table_may_be_read_and_overwritten(jobs: Jobs, server: Server, loader: Loader) -> None:
    loader.ok()
    namespace, name = loader.table.split(".")
    inputs = [{"name": "before", "dataset": f"dataos://lakehouse:{namespace}/{name}"}]
    job = spec(inputs, {"after": "SELECT id + 10 AS id, day, amount FROM before"}, [output("after", loader.table)])
    done = jobs.run(job)
    assert done.code == 0, done.log
    assert rows(server, loader.table, "id") == [(11,), (12,), (13,)]
    assert done.result["inputs"][0]["rows"] == 3


def test_odd_column_names_survive(loader: Loader, server: Server) -> None:
    loader.ok("id,unit price (€),a`b\n1,2,3\n", "SELECT * FROM raw", sort={"columns": [{"name": "unit price (€)"}]})
    assert columns(server, loader.table) == ["id", "unit price (€)", "a`b"]


# --- merge ------------------------------------------------------------------------------------------------------------

UPSERT = {"onClause": "old.id = new.id", "whenClause": "matched then update set * when not matched then insert *"}
CHANGES = "id,day,amount\n2,2024-02-06,21\n4,2024-02-07,4\n"


@pytest.mark.parametrize(
    "options",
    [
        {"iceberg": {"merge": UPSERT}},
        {"merge": UPSERT},
        {"iceberg": {"merge": {"onClause": "target.id = source.id", "whenClause": "WHEN MATCHED THEN UPDATE SET * "
                                                                                    "WHEN NOT MATCHED THEN INSERT *;"}}},
    ],
)  # fmt: skip
def test_a_merge_updates_what_is_there_and_inserts_what_is_new(loader: Loader, server: Server, options: dict[str, Any]):
    """ch04-AS04 (the merge): wherever it stands, and with the aliases of PyFlare."""
    loader.ok(saveMode="overwrite", **options)
    assert rows(server, loader.table) == [(1, JAN, 10.5), (2, FEB, 20.0), (3, FEB7, None)], "made from the frame"
    before = table(server, loader.table).metadata.snapshots[-1].snapshot_id
    done = loader.ok(CHANGES, **options)
    assert rows(server, loader.table) == [(1, JAN, 10.5), (2, FEB, 21.0), (3, FEB7, None), (4, FEB7, 4.0)]
    assert done.result["outputs"][0]["operation"] == "merge"
    assert before in [s.snapshot_id for s in table(server, loader.table).metadata.snapshots]
    loader.ok(CHANGES, **options)
    assert len(rows(server, loader.table)) == 4, "once more changes nothing"


def test_a_merge_leaves_files_without_a_match(loader: Loader, server: Server) -> None:
    loader.ok()
    loader.ok("id,day,amount\n7,2024-02-07,7\n", saveMode="append")
    before = {f.file.file_path for f in table(server, loader.table).scan().plan_files()}
    loader.ok("id,day,amount\n7,2024-02-07,8\n9,2024-02-07,9\n", merge=UPSERT)
    after = {f.file.file_path for f in table(server, loader.table).scan().plan_files()}
    assert len(before & after) == len(before) - 1
    assert rows(server, loader.table)[-2:] == [(7, FEB7, 8.0), (9, FEB7, 9.0)]


def test_a_merge_holds_what_comes_in_memory_not_the_table(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    count = 3_000_000
    large = pa.table({"id": pa.array(range(count)), "text": pa.array([f"text {n} {'x' * 40}" for n in range(count)])})
    catalog = client(server)
    catalog.create_namespace("large")
    catalog.create_table("large.rows", large.schema).append(large)
    file = tmp_path / "changes.csv"
    file.write_text("id,text\n5,new\n-1,new\n")
    entry = {"name": "changes", "dataset": "dataos://dropzone:none/changes.csv", "format": "csv"}
    typed = "SELECT CAST(id AS BIGINT) AS id, text FROM changes"
    job = spec([entry], {"typed": typed}, [output("typed", "large.rows", merge=UPSERT)])
    done = jobs.run(job, {"changes": [file]}, memory_bytes=512 << 20)
    assert done.code == 0, done.log
    new = table(server, "large.rows").scan(row_filter="text = 'new'").to_arrow()
    assert sorted(new["id"].to_pylist()) == [-1, 5]


def test_clauses_of_a_merge_name_columns_conditions_and_deletes(loader: Loader, server: Server) -> None:
    loader.ok()
    whens = (
        "matched and new.op = 'D' then delete when matched then update set old.amount = old.amount + new.more "
        "when not matched then insert (id, amount) values (new.id, new.more)"
    )
    sql = "SELECT CAST(id AS BIGINT) AS id, op, CAST(more AS DOUBLE) AS more FROM raw"
    loader.ok("id,op,more\n1,D,0\n2,U,5\n9,U,7\n", sql, merge={"onClause": "old.id = new.id", "whenClause": whens})
    assert rows(server, loader.table) == [(2, FEB, 25.0), (3, FEB7, None), (9, None, 7.0)]


def test_a_merge_of_several_rows_into_one_is_refused(loader: Loader, server: Server) -> None:
    loader.ok()
    done = loader.load("id,day,amount\n2,2024-02-06,1\n2,2024-02-06,2\n", merge=UPSERT)
    assert done.code == 1
    assert done.problem["code"] == "flare.merge"
    assert done.problem["path"] == "job.outputs[0].options.iceberg.merge.onClause"
    assert "drop_duplicates" in done.problem["hint"]
    assert rows(server, loader.table)[1] == (2, FEB, 20.0)


def test_a_merge_of_other_columns_names_both_lists(loader: Loader) -> None:
    loader.ok()
    done = loader.load("id,amount\n2,1\n", "SELECT CAST(id AS BIGINT) AS id, amount FROM raw", merge=UPSERT)
    assert done.code == 1
    assert "Cannot find data for the output column `day`" in done.problem["message"]


# --- the system column ------------------------------------------------------------------------------------------------


def test_every_row_says_which_run_wrote_it_and_has_an_id(loader: Loader, server: Server) -> None:
    """ch04 6.3: first column, a map; taken away again where the table is read."""
    loader.ok()
    loader.ok(saveMode="append")
    found = table(server, loader.table)
    assert found.schema().fields[0].name == "__metadata"
    stamps = [dict(r) for r in found.scan().to_arrow().column("__metadata").to_pylist()]
    assert all(set(s) == {"_dataos_run_mapper_id", "id"} for s in stamps)
    assert len({s["id"] for s in stamps}) == 6
    assert all(len(s["id"]) == 36 and s["id"].count("-") == 4 for s in stamps)
    assert len({s["_dataos_run_mapper_id"] for s in stamps}) == 2

    source = {"name": "old", "dataset": f"dataos://lakehouse:sales/{loader.table.partition('.')[2]}"}
    copy, kept = f"{loader.table}copy", f"{loader.table}kept"
    done = loader.jobs.run(spec([source], None, [output("old", copy)]))
    assert done.code == 0, done.log
    assert "Will delete the system columns" in done.log
    again = [dict(r)["id"] for r in table(server, copy).scan().to_arrow().column("__metadata").to_pylist()]
    assert not set(again) & {s["id"] for s in stamps}
    done = loader.jobs.run(spec([source], None, [output("old", kept)], variables={"keepSystemColumns": "true"}))
    assert done.code == 0, done.log
    same = [dict(r)["id"] for r in table(server, kept).scan().to_arrow().column("__metadata").to_pylist()]
    assert set(same) == {s["id"] for s in stamps}


def test_the_system_column_can_be_left_out(loader: Loader, server: Server) -> None:
    loader.file.write_text(ORDERS)
    inputs = [{"name": "raw", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}]
    without = spec(inputs, {"typed": TYPED}, [output("typed", loader.table)], variables={"writeSystemColumns": "false"})
    done = loader.jobs.run(without, {"raw": [loader.file]})
    assert done.code == 0, done.log
    assert [f.name for f in table(server, loader.table).schema().fields] == ["id", "day", "amount"]
    loader.ok(saveMode="append")
    assert len(rows(server, loader.table)) == 6, "a table without it stays without"


def on_branch(loader: Loader, server: Server, branch: str = "stage") -> list[int]:
    found = table(server, loader.table)
    rows_ = found.scan(snapshot_id=found.refs()[branch].snapshot_id).to_arrow().to_pylist()
    return sorted(r["id"] for r in rows_)


@pytest.mark.acceptance("ch04-AS16")
@pytest.mark.parametrize("spelling", ["extraOptions", "options"])
def test_a_branch_is_written(loader: Loader, server: Server, spelling: str) -> None:
    loader.ok()
    found = table(server, loader.table)
    manager = found.manage_snapshots()
    manager.create_branch(found.current_snapshot().snapshot_id, "stage", min_snapshots_to_keep=7).commit()
    to = {"branch": "stage"} if spelling == "options" else {"extraOptions": {"branch": "stage"}}
    loader.ok("id,day,amount\n9,2024-01-05,1\n", saveMode="append", **to)
    assert on_branch(loader, server) == [1, 2, 3, 9]
    assert [r[0] for r in rows(server, loader.table, "id")] == [1, 2, 3]
    assert table(server, loader.table).metadata.refs["stage"].min_snapshots_to_keep == 7
    before = [e.snapshot_id for e in table(server, loader.table).history()]
    loader.ok("id,day,amount\n5,2024-01-05,1\n", **to)
    assert on_branch(loader, server) == [5]
    assert [e.snapshot_id for e in table(server, loader.table).history()] == before  # of main: untouched
    done = loader.load("id,day,amount\n5,2024-01-05,1\n", branch="stge")
    assert done.code == 1
    assert "has no branch `stge`" in done.problem["message"]


def test_a_branch_and_main_are_written_at_once(loader: Loader, server: Server) -> None:
    """What a job appended to a branch is put on top of it again where others moved `main`, or the branch, meanwhile."""
    loader.ok()
    found = table(server, loader.table)
    found.manage_snapshots().create_branch(found.current_snapshot().snapshot_id, "stage").commit()
    late = [
        loader.load(f"id,day,amount\n{n},2024-01-05,1\n", publish=False, saveMode="append", branch="stage")
        for n in (9, 10)
    ]
    assert [d.code for d in late] == [0, 0]
    attempts = [f"a{loader.jobs.count - 1}", f"a{loader.jobs.count}"]
    loader.ok("id,day,amount\n4,2024-01-05,1\n", saveMode="append")
    for attempt in attempts:
        loader.jobs.publish(attempt)
    assert on_branch(loader, server) == [1, 2, 3, 9, 10]
    assert [r[0] for r in rows(server, loader.table, "id")] == [1, 2, 3, 4]


def test_a_branch_is_a_table_to_any_client(loader: Loader, server: Server) -> None:
    """`orders@stage`: PyIceberg appends, deletes and reads there, and `main` does not move."""
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError

    loader.ok()
    found = table(server, loader.table)
    found.manage_snapshots().create_branch(found.current_snapshot().snapshot_id, "stage-1").commit()
    found.manage_snapshots().create_tag(found.current_snapshot().snapshot_id, "v1").commit()
    catalog = load_catalog("branch", type="rest", uri=f"{server.url}/iceberg", warehouse="lakehouse", token="user")
    staged = catalog.load_table(f"{loader.table}@stage-1")
    staged.append(staged.scan(row_filter="id = 1").to_arrow())
    staged.delete("id = 3")
    assert sorted(catalog.load_table(f"{loader.table}@stage-1").scan().to_arrow()["id"].to_pylist()) == [1, 1, 2]
    assert [r[0] for r in rows(server, loader.table, "id")] == [1, 2, 3]
    for name in ("nosuch", "v1"):
        with pytest.raises(NoSuchTableError):
            catalog.load_table(f"{loader.table}@{name}")
        assert not catalog.table_exists(f"{loader.table}@{name}")
    with pytest.raises(Exception, match="other branches and tags are changed under its own name"):
        staged.manage_snapshots().create_branch(found.current_snapshot().snapshot_id, "other").commit()
    own = catalog.create_table(f"{loader.table}@own", found.schema())
    own.append(found.scan().to_arrow())
    assert len(catalog.load_table(f"{loader.table}@own").scan().to_arrow()) == 3


def test_a_branch_is_read(loader: Loader, server: Server) -> None:
    """The reading half of ch04-AS16."""
    loader.ok()
    found = table(server, loader.table)
    found.manage_snapshots().create_branch(found.current_snapshot().snapshot_id, "stage").commit()
    loader.ok("id,day,amount\n9,2024-01-05,1\n")
    entry = {"name": "old", "dataset": f"dataos://lakehouse:sales/{loader.table.partition('.')[2]}"}
    copy = f"{loader.table}copy"
    done = loader.jobs.run(spec([{**entry, "options": {"branch": "stage"}}], None, [output("old", copy)]))
    assert done.code == 0, done.log
    assert done.result["inputs"][0]["rows"] == 3
    assert [r[0] for r in rows(server, copy)] == [1, 2, 3]
    done = loader.jobs.run(spec([{**entry, "options": {"branch": "stge"}}], None, [output("old", copy)]))
    assert "has no branch `stge`" in done.problem["message"]
    assert "main, stage" in done.problem["hint"]


def test_columns_may_come_and_go_where_the_output_lets_them(jobs: Jobs, server: Server) -> None:
    """ch04 18: schemaEvolution strict (as ever), add, ignore."""

    def write(sql: str, evolution: str | None, **options: Any) -> Any:
        more = {"schemaEvolution": evolution} if evolution else {}
        written = output("made", "evolve.t", saveMode="append", **more, **options)
        return jobs.run(spec([], {"made": sql}, [written]), {})

    first = write("SELECT 1 AS id, 'a' AS name", None)
    assert first.code == 0, first.log
    for word in (None, "strict"):
        done = write("SELECT 2 AS id, 'b' AS name, 2.5D AS more", word)
        assert (done.code, done.problem["code"]) == (1, "flare.schema")
        assert "options.schemaEvolution: add does that" in done.problem["hint"]
        done = write("SELECT 2 AS id", word)
        assert (done.code, done.problem["code"]) == (1, "flare.schema")
    done = write("SELECT 2 AS id, named_struct('x', 1) AS more, array(1) AS list", "Add")
    assert done.code == 0, done.log
    assert "new columns `more`, `list` (schemaEvolution: add)" in done.log
    assert columns(server, "evolve.t") == ["id", "name", "more", "list"]
    done = write("SELECT 3 AS id, 'c' AS name, 'x' AS other", "ignore")
    assert done.code == 0, done.log
    assert "`other` are not written" in done.log
    assert columns(server, "evolve.t") == ["id", "name", "more", "list"]
    merge = {"onClause": "old.id = new.id", "whenClause": "MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"}
    done = write("SELECT 1 AS id, 'A' AS name, named_struct('x', 7) AS more, array(9) AS list, true AS flag", "add", iceberg={"merge": merge})  # fmt: skip
    assert done.code == 0, done.log
    assert rows(server, "evolve.t", "id", "name", "more", "list", "flag") == [
        (1, "A", {"x": 7}, [9], True), (2, None, {"x": 1}, [1], None), (3, "c", None, None, None),
    ]  # fmt: skip
    ids = [f.field_id for f in table(server, "evolve.t").schema().fields]
    assert len(set(ids)) == len(ids)
    done = write("SELECT 4 AS id, map(1, 2) AS name", "add")
    assert (done.code, done.problem["code"]) == (1, "flare.schema")  # types are not let go
