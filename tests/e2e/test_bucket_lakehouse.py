"""A Lakehouse whose tables lie in a bucket of S3 (ch06 1.2 to 1.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import s3
from support.server import Installation, installation, wait_until

SECRET = """\
name: retaillake-{acl}
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: {acl}, data: {{accesskeyid: me, secretkey: {secret}}}}}
"""
LAKE = """\
name: retail-lake
version: v1alpha
type: lakehouse
layer: user
description: Tables of the retail domain
lakehouse:
  type: iceberg
  compute: query-default
  iceberg:
    storage:
      depotName: retaillake
      type: s3
      s3: {{bucket: retail-tables, relativePath: /prod, format: ICEBERG, region: eu-central-1, endpoint: "{endpoint}"}}
      secrets:
        - {{name: retaillake-r,  keys: [retaillake-r],  allkeys: true}}
        - {{name: retaillake-rw, keys: [retaillake-rw], allkeys: true}}
    metastore: {{type: iceberg-rest-catalog}}
"""
VARIANT = """\
name: retail-lake
version: v1alpha
type: lakehouse
layer: user
description: Tables of the retail domain
lakehouse:
  type: ICEBERG
  iceberg:
    storage:
      type: S3
      s3:
        depotName: retaillake
        bucket: retail-tables
        relativePath: /prod
        region: eu-central-1
        scheme: s3a
        endpoint: "{endpoint}"
        secrets: [retaillake-r, retaillake-rw]
  metaStore: {{type: iceberg-rest-catlog}}
"""
ORDERS = "id,region,amount\n1,eu,10.5\n2,us,\n3,eu,7\n"
TABLE = "dataos://retaillake:shop/orders"


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as made:
        made.bucket("retail-tables")
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, store: s3.S3) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("buckets")) as made:
        folder = Path(made.write("landing/orders.csv", ORDERS)).parent
        made.write("landing/changes.csv", "id,region,amount\n2,us,4\n4,asia,1\n")
        landing = f"name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
        secrets = [SECRET.format(acl=acl, secret=s3.SECRET) for acl in ("r", "rw")]
        lake = LAKE.format(endpoint=store.endpoint)
        text = "---\n".join([landing, *secrets, lake])
        made.ok("apply", "--disable-interpolation", "-f", made.write("all.yaml", text), "--wait")
        yield made


def flare(server: Installation, name: str, job: dict[str, Any], more: dict[str, Any] | None = None) -> None:
    dag = [{"name": "job", "spec": {"stack": "flare:7.0", "stackSpec": {"job": job, **(more or {})}}}]
    body = {"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": dag}}
    server.ok("apply", "-f", server.write(f"{name}.yaml", json.dumps(body)), "--wait", timeout=180)


def load(file: str, options: dict[str, Any]) -> dict[str, Any]:
    typed = "select cast(id as int) as id, region, cast(amount as double) as amount from orders"
    return {
        "inputs": [{"name": "orders", "dataset": f"dataos://landing:none/{file}", "format": "csv"}],
        "steps": [{"sequence": [{"name": "typed", "sql": typed}]}],
        "outputs": [{"name": "typed", "dataset": f"{TABLE}?acl=rw", "format": "iceberg", "options": options}],
    }


def ask(server: Installation, sql: str) -> list[dict[str, Any]]:
    return server.ok("query", sql, "-O", "json").json


def test_jobs_write_and_merge_queries_read_and_maintenance_cares(server: Installation, store: s3.S3) -> None:
    flare(server, "w-orders", load("orders.csv", {"saveMode": "overwrite"}))
    assert ask(server, "SELECT count(*) AS n, sum(amount) AS s FROM retaillake.shop.orders") == [{"n": 3, "s": 17.5}]
    merge = {"onClause": "old.id = new.id", "whenClause": "MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"}
    flare(server, "w-merge", load("changes.csv", {"saveMode": "append", "iceberg": {"merge": merge}}))
    rows = ask(server, "SELECT id, amount FROM retaillake.shop.orders ORDER BY id")
    assert [(r["id"], r["amount"]) for r in rows] == [(1, 10.5), (2, 4.0), (3, 7.0), (4, 1.0)]
    keys = store.keys("retail-tables")
    assert keys
    assert all(re.match("prod/shop/run-[0-9a-f]{12}/orders-", key) for key in keys)
    history = ask(server, 'SELECT * FROM retaillake.shop."orders$snapshots"')
    assert len(history) >= 2
    server.ok("dataset", "compact", "-a", TABLE, timeout=120)
    server.ok("dataset", "expire", "-a", TABLE, "--retain-last", "1", "--older-than", "0")
    assert len(ask(server, "SELECT * FROM retaillake.shop.orders")) == 4
    wait_until(lambda: len(store.keys("retail-tables")) < len(keys) + 8, what="files of expired snapshots go")
    assert TABLE.rpartition("/")[2] in server.ok("depot", "ls", "dataos://retaillake:shop").out


def test_statements_write_rows_into_a_bucket(server: Installation) -> None:
    ask(server, "CREATE SCHEMA IF NOT EXISTS retaillake.written")
    made = "CREATE TABLE retaillake.written.t WITH (partitioning = ARRAY['bucket(n, 2)']) AS "
    assert ask(server, made + "SELECT n, n * 2 AS m FROM UNNEST(sequence(1, 5)) AS s(n)") == [{"rows": 5}]
    assert ask(server, "INSERT INTO retaillake.written.t VALUES (6, 0)") == [{"rows": 1}]
    assert ask(server, "UPDATE retaillake.written.t SET m = 9 WHERE n > 4") == [{"rows": 2}]
    assert ask(server, "DELETE FROM retaillake.written.t WHERE n < 4") == [{"rows": 3}]
    rows = ask(server, "SELECT n, m FROM retaillake.written.t ORDER BY n")
    assert [(r["n"], r["m"]) for r in rows] == [(4, 8), (5, 9), (6, 9)]
    ask(server, "DROP TABLE retaillake.written.t")


def test_every_spelling_of_the_reference_means_the_same(server: Installation, store: s3.S3) -> None:
    """ch06-AS03: the same Lakehouse, otherwise spelled, is unchanged but for what is written."""
    before = server.ok("get", "-t", "depot", "-n", "retaillake", "-O", "json").json
    server.ok("apply", "--disable-interpolation", "-f", server.write("v.yaml", VARIANT.format(endpoint=store.endpoint)))
    server.ok("apply", "--disable-interpolation", "-f", server.write("v.yaml", VARIANT.format(endpoint=store.endpoint)))
    after = server.ok("get", "-t", "depot", "-n", "retaillake", "-O", "json").json
    assert after == before


def test_keys_of_the_bucket_stay_in_the_server(server: Installation) -> None:
    """An Iceberg client is told to come to the server."""
    client = server.client()
    answer = client.json("GET", "/iceberg/v1/retaillake/namespaces/shop/tables/orders")
    assert answer["config"]["s3.endpoint"].startswith("http://")
    assert s3.SECRET not in json.dumps(answer)


def test_an_operator_sees_how_its_bucket_does(server: Installation) -> None:
    assert "and the bucket lists its objects" in server.ok("depot", "test", "retaillake").out
    assert "1 reachable and writable, 1 in buckets" in server.cli("doctor").out
    told = server.ok("backup", "-f", str(server.folder / "b.tar"), "--without-keys")
    assert "table files in buckets are not part of a backup: retaillake" in told.out + told.err


def test_two_lakehouses_do_not_share_a_folder(server: Installation, store: s3.S3) -> None:
    text = (
        LAKE.format(endpoint=store.endpoint)
        .replace("retail-lake", "other")
        .replace("depotName: retaillake", "depotName: other")
    )
    found = server.cli(
        "apply", "--disable-interpolation", "-f", server.write("o.yaml", text.replace("/prod", "/prod/in"))
    )
    assert found.code == 1
    assert "holds the tables of Lakehouse depot `retaillake`" in found.err


def test_a_bucket_without_secrets_is_refused(server: Installation, store: s3.S3) -> None:
    text = (
        LAKE.format(endpoint=store.endpoint)
        .replace("retail-lake", "bare")
        .replace("depotName: retaillake", "depotName: bare")
    )
    text = text[: text.index("      secrets:")] + text[text.index("    metastore:") :]
    found = server.cli("apply", "--disable-interpolation", "-f", server.write("b.yaml", text))
    assert found.code == 1
    assert "`secrets` is required for a bucket" in found.err
