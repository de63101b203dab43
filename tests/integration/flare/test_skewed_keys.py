"""Keys of which one has nearly all rows (issue 5 §4), with less memory than the rows take."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.flare.helpers import Jobs, Server, output, rows, spec, table

ROWS = 400_000
MEMORY = 512 << 20


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    """19 of 20 rows have the key 7; `filler` makes them large."""
    file = tmp_path / "skewed.parquet"
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, pa.schema([("id", pa.int64()), ("k", pa.int64()), ("filler", pa.string())])) as writer:
        for start in range(0, ROWS, 50_000):
            ids = range(start, start + 50_000)
            keys = [7 if i % 20 else i % 1000 for i in ids]
            writer.write_table(pa.table({"id": list(ids), "k": keys, "filler": [f"{i:0400}" for i in ids]}))
    return file


def raw(name: str = "raw") -> dict[str, str]:
    return {"name": name, "dataset": "dataos://dropzone:none/x", "format": "parquet"}


def test_an_aggregate_and_a_window_over_one_large_key(jobs: Jobs, server: Server, skewed: Path) -> None:
    target = f"skew.a{jobs.count}"
    steps = {
        "numbered": "SELECT k, id, filler, row_number() OVER (PARTITION BY k ORDER BY filler DESC) AS n FROM raw",
        "final": "SELECT k, count(*) AS many, max(CASE WHEN n = 1 THEN id END) AS newest FROM numbered GROUP BY k",
    }
    done = jobs.run(spec([raw()], steps, [output("final", target)]), {"raw": [skewed]}, memory_bytes=MEMORY)
    assert done.code == 0, done.log
    found = {k: (many, newest) for k, many, newest in rows(server, target)}
    assert sum(many for many, _ in found.values()) == ROWS
    large = [i for i in range(ROWS) if i % 20 or i % 1000 == 7]
    assert found[7] == (len(large), large[-1])


def test_what_cannot_be_put_aside_fails_with_the_way_out(jobs: Jobs, skewed: Path) -> None:
    """The table that a hash join builds is kept in memory: the job ends by itself, and says what to raise."""
    steps = {"final": "SELECT one.id, two.k FROM raw one JOIN raw two ON one.filler = two.filler"}
    target = f"skew.d{jobs.count}"
    done = jobs.run(spec([raw()], steps, [output("final", target)]), {"raw": [skewed]}, memory_bytes=MEMORY // 4)
    if jobs.spark is not None:  # its memory is its own
        assert done.code == 0, done.log
        return
    assert done.code == 1
    assert done.problem["code"] == "flare.memory"
    assert "driver.memory" in done.problem["hint"]
    assert done.result["outputs"] == []


def test_a_join_on_one_large_key(jobs: Jobs, server: Server, skewed: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("k,name\n" + "".join(f"{k},n{k}\n" for k in range(1000)))
    target = f"skew.j{jobs.count}"
    second = {"name": "names", "dataset": "dataos://dropzone:none/n", "format": "csv"}
    steps = {"final": "SELECT raw.id, names.name FROM raw JOIN names ON raw.k = CAST(names.k AS BIGINT)"}
    job = spec([raw(), second], steps, [output("final", target)])
    done = jobs.run(job, {"raw": [skewed], "names": [names]}, memory_bytes=MEMORY)
    assert done.code == 0, done.log
    found = table(server, target).scan().to_arrow()
    assert found.num_rows == ROWS
    assert found["name"].to_pylist().count("n7") == sum(1 for i in range(ROWS) if i % 20 or i % 1000 == 7)


def test_a_merge_into_a_table_with_one_large_partition(jobs: Jobs, server: Server, skewed: Path) -> None:
    """Every row of the large key is updated; the others stay."""
    target = f"skew.m{jobs.count}"
    done = jobs.run(spec([raw()], None, [output("raw", target)]), {"raw": [skewed]}, memory_bytes=2 * MEMORY)
    assert done.code == 0, done.log
    merge = {
        "onClause": "old.id = new.id",
        "whenClause": "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    }
    steps = {"final": "SELECT id, k, 'new' AS filler FROM raw WHERE k = 7"}
    job = spec([raw()], steps, [output("final", target, iceberg={"merge": merge})])
    done = jobs.run(job, {"raw": [skewed]}, memory_bytes=4 * MEMORY)
    assert done.code == 0, done.log
    found = table(server, target).scan(selected_fields=("id", "k", "filler")).to_arrow()
    assert found.num_rows == len(set(found["id"].to_pylist())) == ROWS
    large = sum(1 for i in range(ROWS) if i % 20 or i % 1000 == 7)
    assert found["filler"].to_pylist().count("new") == large
