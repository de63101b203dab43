"""Thousands of small files as one input (issue 5 §4): few are open at once, and memory does not grow with their number.

`./dev bench files` does it with 100,000.
"""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataos.stacks.flare.driver import duckfiles
from dataos.stacks.flare.driver.csvfiles import Dialect
from integration.flare.helpers import Jobs, Server, output, rows, spec

FILES = 3000
OPEN = 900


@pytest.fixture
def few_open() -> Iterator[None]:
    """This process, and the job that it starts, may have few files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _parquet(path: Path, number: int) -> None:
    pq.write_table(pa.table({"id": [number], "name": [f"n{number}"]}), path)


FORMS: dict[str, tuple[str, str, Callable[[Path, int], object]]] = {
    "csv": ("csv", "csv", lambda p, n: p.write_text(f"id,name\n{n},n{n}\n")),
    "quoted csv": ("csv", "csv", lambda p, n: p.write_text(f'id,name\n{n},"a ""{n}"""\n')),
    "packed csv": ("csv", "csv.gz", lambda p, n: p.write_bytes(gzip.compress(f"id,name\n{n},n{n}\n".encode(), 1))),
    "json": ("json", "json", lambda p, n: p.write_text(json.dumps({"id": n, "name": f"n{n}"}) + "\n")),
    "parquet": ("parquet", "parquet", _parquet),
    "text": ("text", "txt", lambda p, n: p.write_text(f"{n}\n")),
}


@pytest.mark.parametrize("form", FORMS)
def test_thousands_of_files_are_one_input(
    jobs: Jobs, server: Server, tmp_path: Path, few_open: None, form: str
) -> None:
    kind, suffix, write = FORMS[form]
    folder = tmp_path / "many"
    folder.mkdir()
    files = [folder / f"f{n:05d}.{suffix}" for n in range(FILES)]
    for number, file in enumerate(files):
        write(file, number)
    table = f"many.t{jobs.count}"
    entry = {"name": "raw", "dataset": "dataos://dropzone:none/many", "format": kind}
    done = jobs.run(spec([entry], None, [output("raw", table)]), {"raw": files})
    assert done.code == 0, done.log
    column = "value" if kind == "text" else "id"
    assert sorted(int(r[0]) for r in rows(server, table, column)) == list(range(FILES))


def test_hundreds_of_folders_are_one_input(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    files: list[Path] = []
    for number in range(700):
        file = tmp_path / f"day={number % 350}" / f"f{number}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"id\n{number}\n")
        files.append(file)
    table = f"many.t{jobs.count}"
    entry = {"name": "raw", "dataset": "dataos://dropzone:none/x", "format": "csv"}
    done = jobs.run(spec([entry], None, [output("raw", table)]), {"raw": files})
    assert done.code == 0, done.log
    assert sorted((int(i), d) for i, d in rows(server, table, "id", "day")) == [(n, n % 350) for n in range(700)]


def test_the_file_that_is_broken_among_thousands_is_named(jobs: Jobs, tmp_path: Path) -> None:
    files = [tmp_path / f"f{n:05d}.csv" for n in range(2500)]
    for file in files:
        file.write_text("id,name\n1,a\n")
    files[2400].write_text("id,name\n1,a,b\n")
    entry = {"name": "raw", "dataset": "dataos://dropzone:none/x", "format": "csv"}
    done = jobs.run(spec([entry], None, [output("raw", f"many.t{jobs.count}")]), {"raw": files})
    assert done.code == 1
    assert str(files[2400]) in done.problem["message"]
    assert "line 2" in done.problem["message"]


# --- slices give what the whole gives -----------------------------------------------------------------------------------

DOCUMENTS = [
    [{"a": 1}, {"a": 2}, {"a": None}, {"a": 3.5}],
    [{"a": None}, {"a": None}, {"a": {"b": 1}}, {"a": {"c": "x"}}],
    [{"a": "x"}, {"a": 1}, {"b": True}, {"a": [1]}],
    [{"a": []}, {"a": [{"b": 1}]}, {"a": [{"b": "x"}]}, {"c": 2**63}],
    [{"a": 1, "b": "x"}] * 4,
]


@pytest.mark.parametrize("documents", DOCUMENTS)
def test_json_in_slices_has_the_types_and_rows_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: list[dict[str, object]]
) -> None:
    files: list[str] = []
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.json").write_text(json.dumps(document) + "\n")
        files.append(str(tmp_path / f"{number}.json"))
    converter = duckfiles.Converter(tmp_path, 1, 0)
    whole = converter.json("whole", files, {})
    monkeypatch.setattr(duckfiles, "_SLICE", 1)
    sliced = converter.json("sliced", files, {})
    assert (len(whole.paths), len(sliced.paths)) == (1, len(files))
    expected = pq.read_table(whole.paths[0])
    parts = [pq.read_table(p) for p in sliced.paths]
    assert {p.schema for p in parts} == {expected.schema}
    key = str
    assert sorted(pa.concat_tables(parts).to_pylist(), key=key) == sorted(expected.to_pylist(), key=key)


def test_parquet_in_slices_has_the_columns_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [{"a": [1]}, {"a": [2], "b": ["x"]}, {"b": ["y"]}, {"a": [3]}]
    files = [str(tmp_path / f"{n}.parquet") for n in range(len(tables))]
    for file, content in zip(files, tables, strict=True):
        pq.write_table(pa.table(content), file)
    monkeypatch.setattr(duckfiles, "_SLICE", 2)
    made = duckfiles.Converter(tmp_path, 1, 0).parquet("made", files, files[:3])
    parts = [pq.read_table(p) for p in made.paths]
    assert [p.schema.names for p in parts] == [["a", "b"], ["a", "b"]]
    found = [(r["a"], r["b"]) for part in parts for r in part.to_pylist()]
    assert sorted(found, key=str) == sorted([(1, None), (2, "x"), (None, "y"), (3, None)], key=str)
    assert made.rows == 4


def test_malformed_rows_are_counted_over_all_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(tmp_path / f"{n}.csv") for n in range(3)]
    for file in files:
        Path(file).write_text("a,b\n1,2\n1,2,3\n")
    monkeypatch.setattr(duckfiles, "_SLICE", 1)
    made = duckfiles.Converter(tmp_path, 1, 0).csv("made", files, ["a", "b"], Dialect(), {"mode": "DROPMALFORMED"})
    assert (made.rows, made.dropped) == (3, 3)
