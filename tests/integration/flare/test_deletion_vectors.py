"""Lakehouse tables of format version 3 in jobs (issue 5 §2): the embedded engine cannot read deletion vectors itself."""

from __future__ import annotations

from datetime import datetime

import pytest

from integration.flare.helpers import Jobs, Server, output, rows, spec
from integration.lakehouse import engines
from integration.lakehouse.helpers import Server as Iceberg

DAY = datetime(2024, 1, 1)


@pytest.fixture
def name(jobs: Jobs, server: Server) -> str:
    """A table of version 3 out of which rows were deleted by a vector."""
    made = f"three.t{jobs.count}"
    address = Iceberg(f"{server.url}/iceberg", server.catalog, server.store, server.root)
    duck = engines.DuckDB(address, "user")
    duck._connection.execute("CREATE SCHEMA IF NOT EXISTS lake.three")
    duck._connection.execute(f"CREATE TABLE lake.{made} (id BIGINT, s VARCHAR) WITH ('format-version' = '3')")
    duck._connection.execute(f"INSERT INTO lake.{made} SELECT i, 'n' || i FROM range(10) AS r(i)")
    duck._connection.execute(f"DELETE FROM lake.{made} WHERE id IN (3, 7)")
    return made


def _input(name: str) -> dict[str, str]:
    namespace, _, table = name.partition(".")
    return {"name": "raw", "dataset": f"dataos://lakehouse:{namespace}/{table}", "format": "iceberg"}


KEPT = [(n, f"n{n}") for n in range(10) if n not in (3, 7)]


def test_rows_that_a_vector_deletes_are_not_read(jobs: Jobs, server: Server, name: str) -> None:
    target = f"three.o{jobs.count}"
    done = jobs.run(spec([_input(name)], {"final": "SELECT * FROM raw"}, [output("final", target)]))
    assert done.code == 0, done.log
    assert rows(server, target) == sorted(KEPT, key=str)


@pytest.mark.parametrize(("mode", "expected"), [("append", [*KEPT, *KEPT]), ("overwrite", KEPT)])
def test_such_a_table_is_appended_to_and_overwritten(
    jobs: Jobs, server: Server, name: str, mode: str, expected: list[tuple[int, str]]
) -> None:
    done = jobs.run(spec([_input(name)], {"final": "SELECT * FROM raw"}, [output("final", name, saveMode=mode)]))
    assert done.code == 0, done.log
    assert rows(server, name) == sorted(expected, key=str)


def test_a_merge_into_it_is_refused_with_the_way_out(jobs: Jobs, server: Server, name: str) -> None:
    merge = {
        "onClause": "old.id = new.id",
        "whenClause": "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    }
    job = spec([_input(name)], {"final": "SELECT * FROM raw"}, [output("final", name, iceberg={"merge": merge})])
    done = jobs.run(job)
    if jobs.spark is not None:
        assert done.code == 0, done.log
        return
    assert done.code == 1
    assert done.problem["code"] == "flare.merge"
    assert "deletion vectors" in done.problem["message"]
    assert "Apache Spark" in done.problem["hint"]
    assert rows(server, name) == sorted(KEPT, key=str)
