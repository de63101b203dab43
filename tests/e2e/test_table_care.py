"""Flare's maintenance actions on a real server (ch04 3.16, 6.8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from support.server import Installation, installation, wait_until

HEAD = """\
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: {name}
      spec:
        stack: flare:7.0
        stackSpec:
          job:
"""
APPEND = (
    HEAD.format(name="append")
    + """\
            inputs: [{name: rows, dataset: "dataos://landing:none/rows.csv", format: csv}]
            steps: [{sequence: [{name: typed, sql: "select cast(id as int) as id, name from rows"}]}]
            outputs: [{name: typed, dataset: "dataos://lakehouse:care/t?acl=rw", options: {saveMode: append}}]
"""
)
CARE = (
    HEAD.format(name="care")
    + """\
            inputs: [{name: t, dataset: "dataos://lakehouse:care/t?acl=rw", format: Iceberg}]
            actions:
"""
)
DEPOT = "name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
NAMED = ("-t", "workflow", "-n", "append", "-w", "public")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("care")) as made:
        folder = made.write("rows.csv", "id,name\n1,a\n2,b\n").rsplit("/", 1)[0]
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=folder)))
        made.ok("apply", "-f", made.write("append.yaml", APPEND), "--wait")
        for count in range(2, 5):
            made.ok("runtime", "run", *NAMED)
            wait_until(lambda n=count: len(snapshots(made)) == n, what="an append", timeout=90)
        yield made


def ask(server: Installation, sql: str) -> list[dict[str, Any]]:
    return server.ok("query", sql, "-O", "json").json


def snapshots(server: Installation) -> list[dict[str, Any]]:
    return ask(server, 'SELECT snapshot_id FROM lakehouse.care."t$snapshots"')


def files(server: Installation) -> int:
    return ask(server, 'SELECT count(*) AS n FROM lakehouse.care."t$files"')[0]["n"]


def rows(server: Installation) -> list[int]:
    return [r["id"] for r in ask(server, "SELECT id FROM lakehouse.care.t ORDER BY id")]


def care(server: Installation, *actions: str, ok: bool = True) -> str:
    name = f"care{len(list(server.folder.glob('work/care*.yaml')))}"
    text = CARE.replace("name: care\n", f"name: {name}\n") + "".join(f"              - {a}\n" for a in actions)
    done = server.cli("apply", "-f", server.write(f"{name}.yaml", text), "--wait")
    assert (done.code == 0) is ok, done.err
    return done.err


@pytest.mark.acceptance("ch04-AS08")
def test_actions_compact_expire_look_for_orphans_and_delete(server: Installation) -> None:
    assert (files(server), len(snapshots(server))) == (4, 4)
    care(server, "{name: rewrite_dataset, input: t, options: {properties: {rewrite-all: 'true'}}}")
    assert files(server) == 1
    assert rows(server) == [1, 1, 1, 1, 2, 2, 2, 2]
    care(server, "{name: rewrite_manifests, input: T, options: {useCaching: false}}")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000")
    care(server, f"{{name: expire_snapshots, input: t, options: {{olderThanTimestamp: '{now}', retainLast: 2}}}}")
    assert len(snapshots(server)) == 2
    care(server, "{name: remove_orphans, input: t, options: {dryRun: true}}")
    care(server, "{name: delete_from_dataset, input: t, deleteWhere: 'target.id < 2'}")
    assert rows(server) == [2, 2, 2, 2]


def test_compacting_keeps_null_apart_from_empty(server: Installation) -> None:
    made = "CAST({} AS array(row(sku varchar, n integer)))"
    ask(server, f"CREATE TABLE lakehouse.care.nested AS SELECT 1 AS id, {made.format('NULL')} AS parts")
    ask(server, f"INSERT INTO lakehouse.care.nested SELECT 2, {made.format('ARRAY[]')}")
    ask(server, "ALTER TABLE lakehouse.care.nested EXECUTE optimize")
    assert ask(server, 'SELECT count(*) AS n FROM lakehouse.care."nested$files"')[0]["n"] == 1
    found = ask(server, "SELECT id, cardinality(parts) AS n FROM lakehouse.care.nested ORDER BY id")
    assert [(r["id"], r["n"]) for r in found] == [(1, None), (2, 0)]


@pytest.mark.acceptance("ch04-AS09")
def test_what_an_action_may_not_do_is_refused_and_changes_nothing(server: Installation) -> None:
    before = (files(server), len(snapshots(server)), rows(server))
    current = ask(server, "SELECT snapshot_id FROM lakehouse.care.\"t$refs\" WHERE name = 'main'")[0]["snapshot_id"]
    told = care(server, f"{{name: expire_snapshots, input: t, options: {{snapshotIds: ['{current}']}}}}", ok=False)
    assert str(current) in told
    both = "{name: remove_orphans, input: t, options: {olderThanMillis: 1, olderThanTimestamp: '2020-01-01 00:00:00'}}"
    assert "takes one cut-off" in care(server, both, ok=False)
    assert "no `deleteWhere`" in care(server, "{name: delete_from_dataset, input: t}", ok=False)
    assert "is no action" in care(server, "{name: rewrite_datasets, input: t}", ok=False)
    assert "is no Iceberg input" in care(server, "{name: rewrite_dataset, input: x}", ok=False)
    text = (CARE + "              - {name: rewrite_dataset, input: t}\n").replace(
        "lakehouse:care/t?acl=rw", "landing:none/rows.csv"
    )
    done = server.cli("apply", "-f", server.write("csv.yaml", text.replace("format: Iceberg", "format: csv")))
    assert done.code == 1
    assert "is no Iceberg input" in done.err
    assert (files(server), len(snapshots(server)), rows(server)) == before
