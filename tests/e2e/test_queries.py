"""Asking through the CLI: formats, limits, databases that go and come, secrets that change."""

from __future__ import annotations

import csv
import io
import json
import os
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import postgres
from support.ports import free_port
from support.server import Installation, installation, wait_until

SOURCES = """
name: shop-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{username: {user}, password: "{password}"}}}}
---
name: shop
version: v2alpha
type: depot
depot:
  type: POSTGRESQL
  secrets: [{{name: shop-r, allKeys: true}}]
  postgresql: {{host: 127.0.0.1, port: {port}, database: {database}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("queries")) as made:
        yield made


SQL = (
    "SELECT n, n * 1.5 AS x, CAST(n AS varchar) || 'ü' AS t, DATE '2026-01-02' AS d FROM UNNEST(sequence(1, 3)) AS s(n)"
)


def test_every_format_carries_the_same_rows(server, tmp_path):
    table = server.ok("query", SQL)
    assert "1ü" in table.out
    assert "(3 rows)" in table.err
    assert server.ok("query", SQL, "-O", "json").json[0]["n"] == 1
    rows = list(csv.DictReader(io.StringIO(server.ok("query", SQL, "-O", "csv").out)))
    assert [r["t"] for r in rows] == ["1ü", "2ü", "3ü"]
    arrow, parquet = tmp_path / "a.arrow", tmp_path / "a.parquet"
    server.ok("query", SQL, "-O", "arrow", "-o", str(arrow))
    server.ok("query", SQL, "-O", "parquet", "-o", str(parquet))
    with pa.OSFile(str(arrow)) as source:
        from_arrow = pa.ipc.open_stream(source).read_all()
    assert from_arrow.num_rows == 3
    assert pq.read_table(parquet).column("t").to_pylist() == ["1ü", "2ü", "3ü"]


def test_statements_that_write_say_what_they_did(server):
    server.ok("query", "CREATE SCHEMA lakehouse.written")
    assert server.ok("query", "CREATE TABLE lakehouse.written.t AS SELECT 1 AS id").out == "CREATE TABLE: 1 row\n"
    assert server.ok("query", "INSERT INTO lakehouse.written.t VALUES (2), (3)").out == "INSERT: 2 rows\n"
    assert server.ok("query", "UPDATE lakehouse.written.t SET id = 9 WHERE id = 1", "-O", "json").json == [{"rows": 1}]
    told = server.ok("query", "ALTER TABLE lakehouse.written.t EXECUTE optimize(file_size_threshold => '1MB')").out
    assert "filesRewritten" in told
    assert server.ok("query", "SELECT id FROM lakehouse.written.t ORDER BY id", "-O", "csv").out == "id\n2\n3\n9\n"
    assert server.ok("query", "DROP TABLE lakehouse.written.t").out == "DROP TABLE\n"


def test_a_session_goes_on_over_http_and_in_the_shell(server):
    def ask(sql, **more):
        return json.loads(server.client().query(sql, **more).read())

    used = ask("PREPARE p FROM SELECT ? + 1 AS n")
    assert used["updateType"] == "PREPARE"
    assert used["session"]["prepared"] == {"p": "SELECT ? + 1 AS n"}
    assert ask("EXECUTE p USING 41", session=used["session"])["rows"] == [[42]]
    told = ask("START TRANSACTION", session=used["session"])
    assert told["session"]["inTransaction"] is True
    assert told["warnings"][0]["code"] == "query.autocommit"
    done = server.ok(
        "query-gateway", "connect", "-c", "lakehouse", input="PREPARE q FROM SELECT ? AS n;\nEXECUTE q USING 7;\n"
    )
    assert "7" in done.out


def test_a_row_limit_says_that_it_cut(server):
    done = server.ok("query", "SELECT * FROM UNNEST(sequence(1, 100)) AS s(n)", "--limit", "10")
    assert "only the first 10 rows" in done.err


def test_a_time_limit_ends_a_statement_with_its_code(server):
    slow = (
        "SELECT sum(a.x * b.x) FROM UNNEST(sequence(1, 100000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 100000)) AS b(x)"
    )
    done = server.cli("query", slow, "--timeout", "1")
    assert done.code == 5
    assert "1" in done.err


def test_a_statement_may_come_from_a_file_or_standard_input(server):
    file = server.write("q.sql", "SELECT 42 AS answer")
    assert server.ok("query", "-f", file, "-O", "json").json == [{"answer": 42}]
    assert server.ok("query", "-", "-O", "json", input="SELECT 43 AS answer").json == [{"answer": 43}]


def test_a_database_that_comes_back_can_be_asked_at_once_and_a_new_password_is_picked_up(server):
    port = free_port()
    file = server.write("shop.yaml", SOURCES.format(user="tester", password="none", port=port, database="postgres"))
    server.ok("apply", "-f", file)
    done = server.cli("query", "SELECT * FROM shop.public.t")
    assert done.code == 1
    assert f"127.0.0.1:{port}" in done.err
    with postgres.running(port) as database:
        database.run("CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x'), (2, 'y')")
        server.write(
            "shop.yaml",
            SOURCES.format(user=database.user, password=database.password, port=port, database=database.database),
        )
        server.ok("apply", "-f", file)
        wait_until(lambda: server.cli("query", "SELECT * FROM shop.public.t").code == 0, 20, "the new password")
        assert server.ok("query", "SELECT count(*) AS n FROM shop.public.t", "-O", "json").json == [{"n": 2}]
    assert server.cli("query", "SELECT * FROM shop.public.t").code == 1
    with postgres.running(port) as database:
        database.run(f"ALTER ROLE {database.user} PASSWORD 'fresh-one'", "CREATE TABLE u (a int)")
        text = SOURCES.format(user=database.user, password="fresh-one", port=port, database=database.database)
        server.write("shop.yaml", text)
        server.ok("apply", "-f", file)
        wait_until(
            lambda: (
                json.loads(server.cli("query", "SELECT count(*) AS n FROM shop.public.u", "-O", "json").out or "[]")
                == [{"n": 0}]
            ),
            20,
            "the database's return",
        )


@pytest.mark.acceptance("ch02-AS01")
def test_a_secret_shows_no_value(server):
    shown = server.ok("get", "-t", "instance-secret", "-n", "shop-r", "-d").out
    assert "fresh-one" not in shown
    assert "****" in shown


@pytest.mark.acceptance("ch01-AS13")
def test_a_cluster_says_that_its_engine_was_killed_and_comes_back(server: Installation) -> None:
    """The part of a Cluster, whose replica is one engine."""
    id_ = "cluster:v1:miniature:system"
    client = server.client()

    def shown() -> set[str]:
        """RUNTIME by the report API, by the resource API and by the CLI."""
        report = client.json("GET", f"/collated/api/v1/reports/resources/runtime?id={id_}")
        (listed,) = server.ok("get", "-t", "cluster", "-n", "miniature", "-w", "system", "-O", "json").json
        resource = client.json("GET", "/api/v1/resources/cluster/miniature?workspace=system")
        return {report["items"][0]["observations"][0]["value"], listed["runtime"], resource["runtime"]}

    def told() -> list[str]:
        """What RUNTIME was, change by change."""
        events = client.json("GET", "/api/v1/events?type=cluster&name=miniature&limit=1000")["items"]
        return [e["data"]["runtime"] for e in events if e["kind"] == "status"]

    wait_until(lambda: shown() == {"running:1"})
    before = len(told())
    health = client.json("GET", "/api/v1/health")["parts"]
    (detail,) = [part["detail"] for part in health if part["name"] == "cluster miniature"]
    os.kill(int(detail.removeprefix("pid ")), signal.SIGKILL)
    wait_until(lambda: told()[before:] == ["pending:0/1", "running:1"])
    assert shown() == {"running:1"}
    assert server.ok("query", "SELECT 1 AS one", "-O", "json").json == [{"one": 1}]
