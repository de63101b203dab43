"""Delta and Iceberg tables in folders and buckets, written and read by Flare and queried in place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import s3
from support.server import Installation, installation

DEPOT = """\
name: {name}
version: v1
type: depot
depot: {{type: FILE, file: {{path: {folder}, format: {format}}}}}
"""
ORDERS = "id,region,amount\n1,eu,10.5\n2,us,\n3,eu,7\n"


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as made:
        made.bucket("shop")
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, store: s3.S3) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("tables")) as made:
        root = Path(made.write("landing/orders.csv", ORDERS)).parent.parent
        plain = DEPOT.replace(", format: {format}", "").format(name="landing", folder=root / "landing")
        made.ok("apply", "-f", made.write("landing.yaml", plain))
        for form in ("delta", "iceberg"):
            (root / form).mkdir()
            text = DEPOT.format(name=f"local{form}", folder=root / form, format=form.upper())
            made.ok("apply", "-f", made.write(f"{form}.yaml", text))
            text = s3.depot(store.endpoint, f"store{form}", f"relativePath: lake-{form}, format: {form.upper()}")
            made.ok("apply", "--disable-interpolation", "-f", made.write(f"s{form}.yaml", text))
        yield made


def job(source: dict[str, object], target: dict[str, object], sql: str) -> dict[str, object]:
    return {
        "job": {
            "inputs": [{"name": "orders", **source}],
            "steps": [{"sequence": [{"name": "final", "sql": sql}]}],
            "outputs": [{"name": "final", **target}],
        }
    }


def workflow(name: str, *jobs: dict[str, object]) -> str:
    dag = [
        {
            "name": f"j{n}",
            "spec": {"stack": "flare:7.0", "stackSpec": spec},
            **({"dependencies": [f"j{n - 1}"]} if n else {}),
        }
        for n, spec in enumerate(jobs)
    ]
    return json.dumps({"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": dag}})


@pytest.mark.parametrize("depot", ["localdelta", "localiceberg", "storedelta", "storeiceberg"])
def test_a_table_is_written_appended_to_read_and_queried(server: Installation, depot: str) -> None:
    form = depot.removeprefix("local").removeprefix("store")
    csv = {"dataset": "dataos://landing:none/orders.csv", "format": "csv", "options": {"inferSchema": "true"}}
    table = f"dataos://{depot}:retail/orders"
    part = {"partitionBy": ["region"]} if form == "delta" else {}
    once = {"dataset": f"{table}?acl=rw", "format": form, "options": {"saveMode": "overwrite", **part}}
    more = {"dataset": f"{table}?acl=rw", "options": {"saveMode": "append"}}
    back = {"dataset": "dataos://lakehouse:back/" + depot + "?acl=rw", "format": "iceberg"}
    text = workflow(
        f"w-{depot}",
        job(
            csv, once, "select id, region, amount, if(id = 2, null, array(named_struct('n', id))) as parts from orders"
        ),
        job({"dataset": table, "format": form}, more, "select id + 10 as id, region, amount, parts from orders"),
        job({"dataset": table}, back, "select region, count(*) as n, sum(amount) as total from orders group by region"),
    )
    server.ok("apply", "-f", server.write(f"{depot}.yaml", text), "--wait", timeout=180)
    rows = server.ok("query", f"SELECT id, region FROM {depot}.retail.orders ORDER BY id", "-O", "json").json
    assert [(r["id"], r["region"]) for r in rows] == [
        (1, "eu"),
        (2, "us"),
        (3, "eu"),
        (11, "eu"),
        (12, "us"),
        (13, "eu"),
    ]
    rows = server.ok(
        "query", f"SELECT id FROM {depot}.retail.orders WHERE parts IS NULL ORDER BY id", "-O", "json"
    ).json
    assert [r["id"] for r in rows] == [2, 12]
    rows = server.ok("query", f"SELECT * FROM lakehouse.back.{depot} ORDER BY region", "-O", "json").json
    assert [(r["region"], r["n"], r["total"]) for r in rows] == [("eu", 4, 35.0), ("us", 2, None)]
    shown = server.ok("depot", "ls", f"dataos://{depot}:retail").out
    assert "orders" in shown


def test_what_cannot_be_written_so_is_refused_at_apply(server: Installation) -> None:
    csv = {"dataset": "dataos://landing:none/orders.csv", "format": "csv"}
    merge = {"iceberg": {"merge": {"onClause": "old.id = new.id", "whenClause": "MATCHED THEN UPDATE SET *"}}}
    text = workflow(
        "refused",
        job(csv, {"dataset": "dataos://localiceberg:retail/m?acl=rw", "options": merge}, "select * from orders"),
    )
    found = server.cli("apply", "-f", server.write("refused.yaml", text))
    assert found.code == 1
    assert "`merge` is of Lakehouse tables" in found.err
    text = workflow(
        "refused",
        job(csv, {"dataset": "dataos://localdelta:retail/m?acl=rw", "format": "csv"}, "select * from orders"),
    )
    found = server.cli("apply", "-f", server.write("refused.yaml", text))
    assert found.code == 1
    assert "holds delta tables" in found.err
