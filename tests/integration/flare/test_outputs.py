"""Writing Lakehouse tables: modes, partitions, schemas, atomicity."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from integration.flare.helpers import Jobs, Server, output, rows, spec, table

ORDERS = "id,day,amount\n1,2024-01-05,10.5\n2,2024-02-06,20\n3,2024-02-07,\n"
TYPED = "SELECT CAST(id AS BIGINT) AS id, CAST(day AS DATE) AS day, CAST(amount AS DOUBLE) AS amount FROM raw"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    return file


def raw(file: Path) -> tuple[list[dict[str, str]], dict[str, list[Path]]]:
    return [{"name": "raw", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}], {"raw": [file]}


def test_a_csv_becomes_a_table_with_counts_lineage_and_types(jobs: Jobs, server: Server, orders: Path) -> None:
    inputs, sources = raw(orders)
    done = jobs.run(spec(inputs, {"typed": TYPED}, [output("typed", "sales.first")]), sources)
    assert done.code == 0, done.log
    assert rows(server, "sales.first") == [
        (1, dt.date(2024, 1, 5), 10.5),
        (2, dt.date(2024, 2, 6), 20.0),
        (3, dt.date(2024, 2, 7), None),
    ]
    assert done.result["inputs"] == [{"name": "raw", "address": "dataos://dropzone:none/orders.csv", "rows": 3}]
    written = done.result["outputs"][0]
    assert (written["rows"], written["operation"]) == (3, "overwrite")
    assert written["columns"] == [
        {"name": "id", "type": "long"},
        {"name": "day", "type": "date"},
        {"name": "amount", "type": "double"},
    ]
    assert done.result["lineage"][2] == {
        "output": "typed",
        "column": "amount",
        "inputs": [{"input": "raw", "column": "amount"}],
        "resolved": True,
    }
    for line in ("Loading raw table...", "calculating sequence typed", "run complete", "build version: "):
        assert line in done.log


def test_nothing_is_visible_before_publish(jobs: Jobs, server: Server, orders: Path) -> None:
    inputs, sources = raw(orders)
    job = spec(inputs, {"typed": TYPED}, [output("typed", "sales.held")])
    done = jobs.run(job, sources, publish=False)
    assert done.code == 0, done.log
    with pytest.raises(Exception, match=r"sales\.held|does not exist"):
        table(server, "sales.held")
