"""Lakehouse Resources from apply to delete: children, names, spellings (ch06 §1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import lakes, s3
from support.server import Installation, installation, wait_until

LOCAL = """\
name: {name}
version: v1alpha
type: lakehouse
layer: user
description: Tables of the retail domain
tags: [retail, iceberg]
lakehouse:
  type: iceberg
  compute: query-default
  iceberg:
    storage: {{{depot}type: file}}
    metastore: {{type: iceberg-rest-catalog, replicas: 1}}
"""
BUCKET = """\
name: {name}
version: v1alpha
type: lakehouse
lakehouse:
  type: iceberg
  compute: query-default
  iceberg:
    storage:
      depotName: {depot}
      type: s3
      s3: {{bucket: retail-tables, relativePath: /{depot}, format: ICEBERG, region: eu-central-1, endpoint: "{endpoint}"}}
      secrets:
        - {{name: keys-r,  keys: [keys-r],  allKeys: true}}
        - {{name: keys-rw, keys: [keys-rw], allKeys: true}}
    metastore: {{type: iceberg-rest-catalog, replicas: 1, autoScaling: {{enabled: true, minReplicas: 1, maxReplicas: 2}}}}
    queryEngine:
      type: themis
      storageAcl: r
      themis:
        spark:
          driver: {{memory: 2048M, cores: 1}}
          executor: {{memory: 2048M, cores: 1, instanceCount: 1, maxInstanceCount: 3}}
"""
OTHERWISE = """\
name: {name}
version: v1alpha
type: lakehouse
lakehouse:
  type: iceberg
  compute: query-default
  iceberg:
    storage:
      type: S3
      s3:
        depotName: {depot}
        bucket: retail-tables
        relativePath: /{depot}
        format: Iceberg
        region: eu-central-1
        endpoint: "{endpoint}"
        secrets:
          - {{name: keys-r,  keys: [keys-r],  allkeys: true}}
          - {{name: keys-rw, keys: [keys-rw], allkeys: true}}
    metaStore: {{type: iceberg-rest-catalog, replicas: 1, autoscaling: {{enabled: true, minReplicas: 1, maxReplicas: 2}}}}
  queryEngine:
    type: themis
    storageAcl: r
    themis:
      spark:
        driver: {{memory: 2048M, cores: 1}}
        executor: {{memory: 2048M, cores: 1, instanceCount: 1, maxInstanceCount: 3}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("lakehouses")) as made:
        yield made


def apply(server: Installation, text: str, *more: str) -> str:
    done = server.ok("apply", "--disable-interpolation", "-f", server.write("lake.yaml", text), *more)
    return done.out + done.err


def without_engine(text: str) -> str:
    return text[: text.index("queryEngine:")].rstrip() + "\n"


def depots(server: Installation) -> set[str]:
    return {row["name"] for row in server.ok("get", "-t", "depot", "-a", "-O", "json").json}


@pytest.mark.acceptance("ch06-AS01")
def test_a_lakehouse_has_children_that_go_with_it_and_files_that_stay(server: Installation) -> None:
    text = LOCAL.format(name="retaillake", depot="depotName: retaillake, ")
    apply(server, text, "-w", "public")

    def row() -> str:
        shown = server.ok("get", "-t", "lakehouse", "-w", "public").out
        return next(line for line in shown.splitlines() if "retaillake" in line)

    wait_until(lambda: "active" in row(), what="the lakehouse is active")
    assert "retaillake" in depots(server)
    lakes.make_table(server, "shop.orders", 1, 2, 3, warehouse="retaillake")
    counted = server.ok("query", "SELECT count(*) AS n FROM retaillake.shop.orders", "-O", "json").json
    assert counted == [{"n": 3}]
    files = {p for p in (server.home / "warehouse" / "retaillake").rglob("*") if p.is_file()}
    assert any(p.suffix == ".parquet" for p in files)
    done = server.ok("delete", "-t", "lakehouse", "-w", "public", "-n", "retaillake")
    assert "🗑 deleting(public) retaillake" in done.out + done.err
    wait_until(lambda: "retaillake" not in depots(server), what="the child goes")
    assert all(p.exists() for p in files)
    gone = server.cli("query", "SELECT count(*) AS n FROM retaillake.shop.orders")
    assert gone.code != 0
    apply(server, text, "-w", "public")
    wait_until(lambda: "retaillake" in depots(server), what="the child is there again")
    assert lakes.ids_of(server, "shop.orders", warehouse="retaillake") == [1, 2, 3], "it finds its tables again"


@pytest.mark.acceptance("ch06-AS02")
def test_a_depot_without_a_name_is_named_after_lakehouse_and_workspace(server: Installation) -> None:
    apply(server, LOCAL.format(name="newlakehouse", depot=""), "-w", "sandbox")
    assert "newlakehouse0sandbox0storage" in depots(server)
    lakes.make_table(server, "shop.orders", 7, warehouse="newlakehouse0sandbox0storage")
    listed = server.ok("dataset", "list", "-a", "dataos://newlakehouse0sandbox0storage:shop").out
    assert "orders" in listed


@pytest.mark.acceptance("ch06-AS03")
def test_spellings_of_one_lakehouse_make_one_lakehouse(server: Installation) -> None:
    """The same manifest in both spellings, under two names: all that differs is the names."""
    with s3.running() as store:
        store.bucket("retail-tables")
        for acl in ("r", "rw"):
            apply(
                server,
                f"name: keys-{acl}\nversion: v1\ntype: instance-secret\ninstance-secret: {{type: key-value-properties, "
                f"acl: {acl}, data: {{accesskeyid: me, secretkey: {s3.SECRET}}}}}\n",
            )
        first = BUCKET.format(name="lakeone", depot="one", endpoint=store.endpoint)
        other = OTHERWISE.format(name="laketwo", depot="two", endpoint=store.endpoint)
        for text in (first, other):  # an engine of its own cannot run yet, wherever it is written
            refused = server.cli("apply", "--disable-interpolation", "-f", server.write("lake.yaml", text))
            assert refused.code == 1
            assert "a Lakehouse's own query engine (Themis) cannot run yet" in refused.err
        apply(server, without_engine(first), "-w", "public")
        apply(server, without_engine(other), "-w", "public")
        found: list[str] = []
        for depot in ("one", "two"):
            (made,) = server.ok("get", "-t", "depot", "-n", depot, "-O", "json").json
            text = str(made["manifest"]["depot"])
            assert "'bucket': 'retail-tables'" in text or "retail-tables" in text
            found.append(text.replace(depot, "X"))
            lakes.make_table(server, "shop.orders", 1, 2, warehouse=depot)
            assert lakes.ids_of(server, "shop.orders", warehouse=depot) == [1, 2]
            assert store.keys("retail-tables", f"{depot}/shop/")
        assert found[0] == found[1]
        statuses = {
            row["name"]: row["status"]
            for row in server.ok("get", "-t", "lakehouse", "-w", "public", "-O", "json").json
            if row["name"] in ("lakeone", "laketwo")
        }
        assert statuses == {"lakeone": "active", "laketwo": "active"}
        # and the second spelling over the first changes nothing but what is written
        apply(server, without_engine(other).replace("laketwo", "lakeone").replace("two", "one"), "-w", "public")
        assert lakes.ids_of(server, "shop.orders", warehouse="one") == [1, 2]


WRITER = """\
name: fill
version: v1
type: workflow
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: orders, dataset: "dataos://lakehouse:retail/orders", format: iceberg}]
            outputs: [{name: copied, dataset: "dataos://together:retail/copy?acl=rw", format: iceberg}]
            steps: [{sequence: [{name: copied, sql: "SELECT * FROM orders"}]}]
"""


@pytest.mark.parametrize("how", [(), ("--atomic",)])
def test_a_lakehouse_and_the_job_that_fills_it_come_together(tmp_path, how):
    """One by one the job waits for the Depot that the Lakehouse makes; as a set both are stored before it is there."""
    with installation(tmp_path) as here:
        here.up()
        lakes.make_table(here, "retail.orders", 1, 2, 3)
        both = LOCAL.format(name="together", depot="depotName: together, ") + "---\n" + WRITER
        here.ok("apply", "--wait", *how, "-f", here.write("both.yaml", both))
        assert lakes.ids_of(here, "retail.copy", warehouse="together") == [1, 2, 3]
