"""A Lakehouse in a bucket, written and read by Flare jobs on a real Apache Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_bucket_lakehouse import LAKE, SECRET, ask, flare, load
from support import s3
from support.server import Installation, installation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, spark: str) -> Iterator[Installation]:
    with s3.running() as store, installation(tmp_path_factory.mktemp("s"), env={"DATAOS_FLARE__SPARK": spark}) as made:
        store.bucket("retail-tables")
        folder = Path(made.write("landing/orders.csv", "id,region,amount\n1,eu,10.5\n2,us,\n3,eu,7\n")).parent
        made.write("landing/changes.csv", "id,region,amount\n2,us,4\n4,asia,1\n")
        landing = f"name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
        secrets = [SECRET.format(acl=acl, secret=s3.SECRET) for acl in ("r", "rw")]
        text = "---\n".join([landing, *secrets, LAKE.format(endpoint=store.endpoint)])
        made.ok("apply", "--disable-interpolation", "-f", made.write("all.yaml", text), "--wait")
        yield made


def test_spark_reaches_the_tables_through_the_server(server: Installation, spark: str) -> None:
    there = {"sparkConf": [{"spark.remote": spark}]}
    flare(server, "w-orders", load("orders.csv", {"saveMode": "overwrite"}), there)
    merge = {"onClause": "old.id = new.id", "whenClause": "MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"}
    flare(server, "w-merge", load("changes.csv", {"saveMode": "append", "iceberg": {"merge": merge}}), there)
    found = ask(server, "SELECT id, amount FROM retaillake.shop.orders ORDER BY id")
    assert [(r["id"], r["amount"]) for r in found] == [(1, 10.5), (2, 4.0), (3, 7.0), (4, 1.0)]
    assert f"runs on Apache Spark at {spark}" in server.ok("log", "-t", "workflow", "-w", "public", "-n", "w-merge").out
