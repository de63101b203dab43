"""`dataos dataset ...` against a real server: forms of calling, log lines, tables, refusals, SQL that agrees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import lakes
from support.server import Done, Installation, installation

ADDRESS = "dataos://lakehouse:retail/orders"
MANIFEST = """\
schema:
  type: avro
  avro: '{"type":"record","name":"orders","fields":[
    {"name":"order_id","type":"long","field-id":1},
    {"name":"store_id","type":["null","int"],"default":null,"field-id":2},
    {"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}],"default":null,"field-id":3},
    {"name":"ordered_at","type":{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true},"field-id":4}]}'
iceberg:
  specs:
    - {index: 1, type: identity, column: store_id}
    - {index: 2, type: month, column: ordered_at, name: month_partition}
  properties: {write.format.default: parquet, write.metadata.compression-codec: gzip}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("datasets")) as made:
        yield made


def dataset(server: Installation, *argv: str) -> Done:
    return server.ok("dataset", *argv)


def columns(server: Installation, table: str = "lakehouse.retail.orders") -> list[str]:
    shown = server.ok("query", f"SHOW COLUMNS FROM {table}", "-O", "json").json
    return [row["Column"] for row in shown]


@pytest.mark.acceptance("ch06-AS04", "ch06-AS05", "ch06-AS06")
def test_a_dataset_from_create_to_drop(server: Installation) -> None:
    done = dataset(server, "create", "-a", ADDRESS, "-f", server.write("orders.yaml", MANIFEST))
    assert '"📂 create dataset..."' in done.err
    assert '"📂 create dataset...completed"' in done.err
    listed = dataset(server, "list", "-a", "dataos://lakehouse:retail").out.split()
    assert listed[0] == "DATASETS"
    assert listed[-1] == "orders"
    form = dataset(server, "get", "-a", ADDRESS, "-O", "json").json
    assert [s["name"] for s in form["iceberg"]["specs"]] == ["store_id", "month_partition"]
    assert form["iceberg"]["properties"]["write.metadata.compression-codec"] == "gzip"
    assert dataset(server, "get", "-a", ADDRESS).out.startswith("schema:\n  type: avro\n")
    again = server.write("again.yaml", dataset(server, "get", "-a", ADDRESS).out)
    dataset(server, "create", "-a", "dataos://lakehouse:retail/again", "-f", again)
    assert columns(server) == ["order_id", "store_id", "amount", "ordered_at"]

    # the three forms of calling, and SQL that agrees at once
    dataset(server, "add-field", "-a", ADDRESS, "-n", "channel", "-t", "string")
    dataset(server, "-a", ADDRESS, "add-field", "-n", "tags", "-t", "map", "-k", "string", "-v", "string")
    dataset(server, "-a", ADDRESS, "-p", "day:ordered_at:d")
    assert columns(server)[-2:] == ["channel", "tags"]
    dataset(server, "rename-field", "-a", ADDRESS, "-n", "channel", "--new-name", "via")
    dataset(server, "update-field", "-a", "dataos://retail/orders?acl=rw", "-n", "store_id", "--type", "long")
    dataset(server, "drop-field", "-a", ADDRESS, "-n", "tags")
    assert columns(server) == ["order_id", "store_id", "amount", "ordered_at", "via"]
    refused = server.cli("dataset", "update-field", "-a", ADDRESS, "-n", "store_id", "-t", "int")
    assert refused.code == 1
    assert '"📂 update field datatype...error"' in refused.err
    assert "allowed from long: none" in refused.err
    history = server.ok(
        "query", 'SELECT count(*) n FROM lakehouse.retail."orders$metadata_log_entries"', "-O", "json"
    ).json
    assert history[0]["n"] == 7
    specs = dataset(server, "get", "-a", ADDRESS, "-O", "json").json["iceberg"]["specs"]
    assert [(s["type"], s["column"], s["name"]) for s in specs] == [("day", "ordered_at", "d")]

    dataset(server, "add-properties", "-a", ADDRESS, "-p", "note:a:b", "-p", "owner:ida")
    dataset(server, "remove-properties", "-a", ADDRESS, "-p", "owner")
    properties = dataset(server, "properties", "-a", ADDRESS)
    assert properties.out.splitlines()[0].split("|")[0].strip() == "PROPERTY NAME"
    assert "a:b" in properties.out
    assert "owner" not in properties.out
    assert "VERSION" in dataset(server, "metadata", "-a", ADDRESS).out
    dataset(server, "set-metadata", "-a", ADDRESS, "-v", "latest")
    assert "restricted to Hadoop Catalog" in server.cli("dataset", "set-metadata", "-a", ADDRESS, "-v", "v1.json").err


@pytest.mark.acceptance("ch06-AS07", "ch06-AS08")
def test_write_audit_publish_and_going_back(server: Installation) -> None:
    address = "dataos://lakehouse:sales/orders"
    table = lakes.make_table(server, "sales.orders", 1, 2)
    count = lambda: server.ok("query", "SELECT count(*) n FROM lakehouse.sales.orders", "-O", "json").json[0]["n"]  # noqa: E731
    at = lambda ref: server.ok(  # noqa: E731
        "query", f"SELECT count(*) n FROM lakehouse.sales.orders FOR VERSION AS OF {ref}", "-O", "json"
    ).json[0]["n"]
    first = dataset(server, "snapshots", "-a", address, "-O", "json").json[-1]["id"]
    dataset(server, "create-branch", "-a", address, "-b", "stage")
    table.refresh().append(lakes.rows(*range(10, 20)), branch="stage")
    assert (count(), at("'stage'")) == (2, 12)
    dataset(server, "delete-branch", "-a", address, "-b", "stage")
    dataset(server, "create-branch", "-a", address, "-b", "stage")
    table.refresh().append(lakes.rows(3), branch="stage")
    shown = dataset(server, "snapshots", "-a", address, "-b", "stage")
    assert [h.strip() for h in shown.out.splitlines()[0].split("|")] == [
        "SNAPSHOTID",
        "TIMESTAMP",
        "DATE AND TIME (GMT)",
    ]
    picked = shown.out.splitlines()[-1].split("|")[0].strip()
    assert shown.out.splitlines()[-1].endswith("+00:00")
    assert (
        dataset(server, "cherrypick-snapshot", "-a", address, "-sid", picked).out
        == f"branch main: {first} -> {picked}\n"
    )
    assert (count(), at("'stage'")) == (3, 3)
    assert server.cli("dataset", "cherrypick-snapshot", "-a", address, "--sid", picked).code == 1

    assert dataset(server, "rollback", "-a", address, "-i", first).out == f"branch main: {picked} -> {first}\n"
    assert count() == 2
    assert server.cli("dataset", "rollback", "-a", address, "-i", picked).code == 1
    assert count() == 2
    dataset(server, "set-snapshot", "-a", address, "-i", picked)
    assert count() == 3
    dataset(server, "rename-branch", "-a", address, "-b", "stage", "-n", "staged")
    branches = [line.split() for line in dataset(server, "list-branch", "-a", address).out.splitlines()]
    assert branches[0] == ["BRANCH", "|", "SNAPSHOTID"]
    assert branches[2:] == [["main", "|", picked], ["staged", "|", picked]]
    table.refresh().append(lakes.rows(4), branch="staged")
    moved = dataset(server, "fastforward-branch", "-a", address, "--source", "staged", "--target", "main").out
    assert moved.startswith(f"branch main: {picked} -> ")
    assert count() == 4
    dataset(server, "create-tag", "-a", address, "-b", "v1", "-i", first)
    assert at("'v1'") == 2
    moved = dataset(server, "replace-branch", "-a", address, "--source", "staged", "--target", "v1").out
    assert moved.endswith(f"-> {first}\n")


@pytest.mark.acceptance("ch06-AS09")
def test_dropping_is_for_operators(server: Installation) -> None:
    lakes.make_table(server, "gone.orders", 1, 2)
    address = "dataos://lakehouse:gone/orders"
    server.ok("user", "create", "-t", "application", "-u", "bot", "-n", "Bot")
    key = server.ok("user", "apikey", "create", "-i", "bot", "-O", "json").json["token"]
    server.ok("login", "-n", "bot", "--url", server.url, "--token-stdin", input=key)
    refused = server.cli("dataset", "drop", "-a", address, "--context", "bot")
    assert refused.code == 4
    assert "roles:id:operator" in refused.err
    server.ok("context", "select", "-n", "local")
    done = dataset(server, "drop", "-a", address)
    file = done.err.rsplit(" -m ", 1)[1].split('"')[0].strip()
    assert server.cli("dataset", "get", "-a", address).code == 1
    dataset(server, "register", "-a", address, "-m", file)
    assert lakes.ids_of(server, "gone.orders") == [1, 2]
    dataset(server, "drop", "-a", address, "--purge", "true")
    assert server.cli("dataset", "register", "-a", address, "-m", file).code == 1


def test_maintenance(server: Installation) -> None:
    table = lakes.make_table(server, "kept.orders", 1, 2)
    address = "dataos://lakehouse:kept/orders"
    table.overwrite(lakes.rows(3))
    folder = Path(table.location())
    before = len(list(folder.rglob("*.parquet")))
    ask = ("expire", "-a", address, "--older-than", "0s")
    planned = dataset(server, *ask, "--dry-run", "-O", "json").json
    assert len(list(folder.rglob("*.parquet"))) == before
    done = dataset(server, *ask, "-O", "json").json
    assert {**planned, "dryRun": False} == done
    assert (len(done["snapshots"]), done["dataFiles"]) == (2, 1)
    assert len(list(folder.rglob("*.parquet"))) == before - 1
    assert "snapshots expired" in dataset(server, *ask).out
    lost = folder / "data" / "lost.parquet"
    lost.write_bytes(b"x")
    assert dataset(server, "clean-orphans", "-a", address, "-O", "json").json["files"] == 0
    assert str(lost) in dataset(server, "clean-orphans", "-a", address, "--older-than", "0s", "--dry-run").out
    assert lost.exists()
    assert dataset(server, "clean-orphans", "-a", address, "--older-than", "0s", "-O", "json").json["files"] == 1
    assert not lost.exists()
    assert lakes.ids_of(server, "kept.orders") == [3]
    current = table.refresh().current_snapshot().snapshot_id
    refused = server.cli("dataset", "expire", "-a", address, "-i", str(current))
    assert refused.code == 1
    assert "it is the current snapshot" in refused.err


def test_compaction(server: Installation) -> None:
    table = lakes.make_table(server, "small.orders", 1, 2)
    address = "dataos://lakehouse:small/orders"
    for number in range(3, 7):
        table.refresh().append(lakes.rows(number))
    planned = dataset(server, "compact", "-a", address, "--dry-run", "-O", "json").json
    assert (planned["filesBefore"], planned["filesAfter"], planned["commits"]) == (5, 1, 0)
    done = dataset(server, "compact", "-a", address, "-O", "json").json
    assert (done["filesBefore"], done["filesAfter"], done["rows"], done["commits"]) == (5, 1, 6, 1)
    assert lakes.ids_of(server, "small.orders") == [1, 2, 3, 4, 5, 6]
    sorted_ = dataset(
        server, "compact", "-a", address, "--strategy", "sort", "--sort-order", "id DESC", "--rewrite-all"
    )
    assert "rewritten: 1 files of the table" in sorted_.err
    assert "data files after" in sorted_.out
    assert table.refresh().scan().to_arrow()["id"].to_pylist() == [6, 5, 4, 3, 2, 1]
    refused = server.cli("dataset", "compact", "-a", address, "--where", "nope = 1")
    assert refused.code == 1
    assert "there is no column `nope`" in refused.err
    manifests = dataset(server, "rewrite-manifests", "-a", address, "-O", "json").json
    assert manifests["after"] == 1
    keys = server.ok("user", "apikey", "get", "-O", "json").json
    assert not [k for k in keys if k["name"].startswith("compact")]


def test_bad_calls(server: Installation) -> None:
    broken = server.write(
        "broken.yaml", "schema:\n  type: avro\n  avro: '{'\niceberg:\n  specs: [{type: range, column: a}]\n"
    )
    for argv, code, said in [
        (("create", "-a", ADDRESS + "2", "-f", broken), 1, "broken.yaml:3:3"),
        (("create", "-a", ADDRESS + "2", "-f", broken), 1, "broken.yaml:5"),
        (("get", "-a", "dataos://lakehouse:retail"), 1, "names no dataset"),
        (("get", "-a", "lakehouse:retail/orders"), 1, "Invalid dataset"),
        (("get", "-a", "dataos://lakehous:retail/orders"), 1, "`lakehouse`"),
        (("get",), 2, "-a dataos://"),
        (("rollback", "-a", ADDRESS, "-i", "abc"), 2, "no id"),
        (("rollback", "-a", ADDRESS, "-i", "9" * 19), 1, "snapshot"),
        (("drop", "-a", ADDRESS, "-p", "maybe"), 2, "true"),
        (("add-properties", "-a", ADDRESS, "-p", "x"), 2, "name:value"),
        (("frob", "-a", ADDRESS), 2, "frob"),
    ]:
        done = server.cli("dataset", *argv)
        assert (done.code, said in done.err) == (code, True), (argv, done)
