"""Depots as users meet them: commands, the Depot Service, sources that go away."""

from __future__ import annotations

import base64
import http.client
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from support import postgres, s3
from support.server import Installation, installation, wait_until

DS = "/ds/api/v2"

SECRETS = """
name: retaildb-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{username: {user}, password: "{password}"}}}}
---
name: retaildb-rw
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: rw, data: {{username: {user}, password: "{password}"}}}}
"""

REFS = "[{name: retaildb-r, allKeys: true}, {name: retaildb-rw, allkeys: true}]"
PLACE = "{host: 127.0.0.1, port: %PORT%, database: postgres}"
JDBC = "{subprotocol: postgresql, host: 127.0.0.1, port: %PORT%, database: postgres}"
INLINE = '[{acl: rw, type: key-value-properties, data: {username: %USER%, password: "%WORD%"}}]'
SPELLINGS = {
    "inline": ("v1", f"{{type: JDBC, spec: {JDBC}, connectionSecret: {INLINE}}}"),
    "oldrefs": ("v1", f"{{type: JDBC, spec: {JDBC}, secrets: [{{name: retaildb-r, keys: [retaildb-r]}}]}}"),
    "typed": ("v2alpha", f"{{type: POSTGRESQL, postgresql: {PLACE}, secrets: {REFS}}}"),
    "plain": ("v2alpha", f"{{type: postgresql, spec: {PLACE}, secrets: {REFS}}}"),
    "mixed": ("v2alpha", f"{{type: JDBC, postgresql: {JDBC}, secrets: {REFS}}}"),
    "keys": ("v2alpha", f"{{type: POSTGRES, postgres: {PLACE}, dataosSecrets: [{{name: retaildb-r, allkeys: true}}]}}"),
}


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Postgres]:
    with postgres.running() as made:
        made.run("CREATE TABLE orders (id int PRIMARY KEY, note text)", "INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: postgres.Postgres) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("depots")) as made:
        made.ok("apply", "-f", made.write("s.yaml", SECRETS.format(user=database.user, password=database.password)))
        for name, (version, section) in SPELLINGS.items():
            made.ok(
                "apply",
                "--disable-interpolation",
                "-f",
                made.write(f"{name}.yaml", manifest(name, version, section, database)),
            )
        yield made


@pytest.fixture(scope="module")
def token(server: Installation) -> str:
    return (server.home / "keys" / "admin.token").read_text().strip()


@pytest.fixture(scope="module")
def bot(server: Installation) -> str:
    server.ok("user", "create", "-t", "application", "-u", "bot", "-n", "Bot")
    return server.ok("user", "apikey", "create", "-i", "bot", "-O", "json").json["token"]


def manifest(name: str, version: str, section: str, database: postgres.Postgres) -> str:
    filled = section.replace("%PORT%", str(database.port)).replace("%USER%", database.user)
    return f"name: {name}\nversion: {version}\ntype: depot\ndepot: {filled.replace('%WORD%', database.password)}\n"


def call(server: Installation, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/json", "Apikey": token}
    try:
        connection.request(method, DS + path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


@pytest.mark.acceptance("ch02-AS03")
def test_six_spellings_of_one_database_resolve_to_the_same_connection(server: Installation, token: str):
    seen = {}
    for name in SPELLINGS:
        status, info, _ = call(server, "GET", f"/resolve?address=dataos://{name}:public/orders", token)
        assert status == 200, info
        assert (info["depot"], info["type"], info["collection"], info["dataset"]) == (
            name,
            "POSTGRESQL",
            "public",
            "orders",
        )
        seen[name] = info["connection"]
    first = seen["typed"]
    assert set(first) == {"url", "host", "port", "subprotocol", "database", "schema", "table", "params"}
    assert first["url"].startswith("jdbc:postgresql://127.0.0.1:")
    assert all(connection == first for connection in seen.values())


@pytest.mark.acceptance("ch02-AS04")  # who may is the built-in rule's here: policies come later
def test_credentials_of_a_depot_by_purpose(server: Installation, token: str, bot: str, database: postgres.Postgres):
    status, body, headers = call(server, "GET", "/depots/typed/secrets?acl=r", token)
    assert (status, headers["cache-control"]) == (200, "no-store")
    (entry,) = body["data"]
    lines = base64.b64decode(entry["base64Value"]).decode().splitlines()
    assert sorted(lines) == [f"password={database.password}", f"username={database.user}"]
    assert call(server, "GET", "/depots/typed/secrets?acl=rw", bot)[0] == 403
    assert call(server, "GET", "/depots/typed/secrets?acl=r", bot)[0] == 403
    assert call(server, "GET", "/depots/keys/secrets?acl=rw", token)[0] == 404  # it has none for writing
    assert call(server, "GET", "/secrets/typed_rw", token)[1] == {
        "username": database.user,
        "password": database.password,
    }
    assert call(server, "GET", "/secrets/typed_rw", bot)[0] == 403
    assert call(server, "GET", "/secrets/nothing_r", token)[0] == 404
    events = server.client().json("GET", "/api/v1/events?type=depot&name=typed&limit=100")["items"]
    assert [e for e in events if e["kind"] == "revealed"]
    assert database.password not in server.server_log()
    heimdall = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    heimdall.request("GET", "/heimdall/api/v1/secrets/typed_r", headers={"apikey": token})
    shown = json.loads(heimdall.getresponse().read())
    heimdall.close()
    assert (shown["id"], shown["data"][0]["key"]) == ("typed_r", "typed-r")
    refused = call(server, "GET", "/resolve?address=dataos://keys:public/orders?acl=rw", token)
    assert refused[0] == 403
    assert "could not get the secret map for the dataos address" in json.dumps(refused[1])


def test_depots_are_read_made_changed_and_archived(server: Installation, token: str, bot: str, tmp_path: Path):
    status, found, _ = call(server, "GET", "/depots", token)
    assert status == 200
    assert {*SPELLINGS, "lakehouse"} <= set(found)
    assert found["typed"]["postgresql"]["database"] == "postgres"
    folder = server.work / "dropped"
    folder.mkdir(exist_ok=True)
    body = {"type": "FILE", "file": {"path": str(folder)}, "description": "what arrives", "meta": {"team": "mill"}}
    assert call(server, "PUT", "/depots/landing", bot, body)[0] == 403
    status, made, _ = call(server, "PUT", "/depots/landing", token, body)
    assert (status, made["description"], made["meta"], made["file"]) == (
        200,
        "what arrives",
        {"team": "mill"},
        {"path": str(folder)},
    )
    assert call(server, "PATCH", "/depots/landing/meta", token, {"room": "4"})[1] == {"team": "mill", "room": "4"}
    assert call(server, "DELETE", "/depots/landing/meta?key=team", token)[1] == {"room": "4"}
    assert call(server, "GET", "/depots/landing/meta", token)[1] == {"room": "4"}
    owner = call(server, "GET", "/depots/landing/owners", token)[1][0]
    assert call(server, "PUT", "/depots/landing/owners/ida", token)[1] == [owner, "ida"]
    assert call(server, "DELETE", "/depots/landing/owners/ida", token)[1] == [owner]
    status, archived, _ = call(
        server, "PATCH", "/depots/landing/archived", token, {"isArchived": True, "archivalMessage": "old"}
    )
    assert (status, archived["isArchived"], archived["archivalMessage"]) == (200, True, "old")
    wait_until(lambda: call(server, "GET", "/resolve?address=dataos://landing", token)[0] == 200)
    assert call(server, "GET", "/resolve?address=dataos://landing", token)[1]["is_archived"] is True
    # Values that stand in the manifest stay as they were, and are not shown.
    status, changed, _ = call(server, "PATCH", "/depots/inline/meta", token, {"a": "b"})
    assert status == 200, changed
    wait_until(lambda: server.cli("depot", "test", "inline").code == 0)
    assert call(server, "GET", "/depots/absent", token)[0] == 404
    assert call(server, "GET", "/resolve?address=dataos:////x", token)[0] == 422


def test_datasets_of_a_lakehouse_live_through_the_depot_service(server: Installation, token: str, bot: str):
    place = "/depots/lakehouse/collections/mill/datasets/looms"
    fields = [{"name": "id", "type": "long"}, {"name": "kind", "type": ["null", "string"], "default": None}]
    avro = json.dumps({"type": "record", "name": "looms", "fields": fields})
    assert call(server, "POST", "/depots/lakehouse/collections/mill", token)[0] == 200
    status, made, _ = call(server, "POST", place, token, {"schema": {"type": "avro", "avro": avro}})
    assert status == 200, made
    assert "mill" in call(server, "GET", "/depots/lakehouse/collections", token)[1]
    assert call(server, "GET", "/depots/lakehouse/collections/mill/datasets", token)[1] == ["looms"]
    assert call(server, "PATCH", place + "/fields", token, {"name": "age", "type": "int"})[0] == 200
    assert call(server, "PATCH", place + "/fields/age/update", token, {"type": "long"})[0] == 200
    assert call(server, "PATCH", place + "/fields/age/rename", token, {"name": "years"})[0] == 200
    assert call(server, "PATCH", place + "/fields/id/nullable/true", token)[0] == 200
    names = [f["name"] for f in call(server, "GET", place + "/schema", token)[1]["fields"]]
    assert names == ["id", "kind", "years"]
    assert call(server, "DELETE", place + "/fields/years", token)[0] == 200
    partition = [{"index": 1, "type": "bucket", "column": "id", "name": "b", "num_buckets": 4}]
    assert call(server, "PATCH", place + "/partitions", token, partition)[0] == 200
    assert call(server, "PATCH", place + "/properties", token, {"mill": "4"})[0] == 200
    assert call(server, "GET", place + "/properties", token)[1]["mill"] == "4"
    assert call(server, "DELETE", place + "/properties", token, ["mill"])[0] == 200
    assert call(server, "PATCH", place + "/metadata/latest", token)[0] == 200
    assert call(server, "GET", place + "/metadata", token)[1][-1]["version"]
    assert call(server, "GET", place + "/snapshots", token)[1] == []
    assert call(server, "GET", place + "/stats", token)[1]["stats"] == {}
    assert call(server, "GET", place, token)[1]["address"] == "dataos://lakehouse:mill/looms"
    assert call(server, "DELETE", place, bot)[0] == 403
    assert call(server, "DELETE", place + "?purge=true", token)[0] == 200
    assert call(server, "GET", place, token)[0] == 404
    # Other sources are looked at, and not changed.
    assert call(server, "GET", "/depots/typed/collections/public/datasets", token)[1] == ["orders"]
    assert call(server, "GET", "/depots/typed/collections/public/datasets", bot)[0] == 403
    fields = call(server, "GET", "/depots/typed/collections/public/datasets/orders/schema", token)[1]["fields"]
    assert [f["name"] for f in fields] == ["id", "note"]
    assert call(server, "POST", "/depots/typed/collections/fresh", token)[0] == 422


def test_commands_look_into_depots(server: Installation):
    types = {t["type"]: t for t in server.ok("depot", "types", "-O", "json").json}
    assert types["POSTGRESQL"]["abilities"]["query"] == "yes"
    assert types["KAFKA"]["abilities"]["query"] == "no"
    assert "SNOWFLAKE" in server.ok("depot", "types").out
    tested = server.ok("depot", "test", "typed")
    assert "typed (acl: r): ok: logged in" in tested.out
    assert "typed (acl: rw): ok" in tested.out
    assert "PUBLIC" in server.ok("depot", "ls", "dataos://typed").out.upper()
    assert "orders" in server.ok("depot", "ls", "dataos://typed:public").out
    assert server.ok("depot", "ls", "-a", "dataos://typed:public/orders", "-O", "json").json["items"][0] == {
        "name": "id", "type": "integer", "nullable": False}  # fmt: skip
    wait_until(lambda: server.cli("depot", "sample", "dataos://typed:public/orders").code == 0)
    assert server.ok("depot", "sample", "dataos://typed:public/orders", "-O", "json").json[0]["note"] == "a"
    wrong = server.cli("depot", "sample", "dataos://typed:public/ordrs")
    assert (wrong.code, "orders" in wrong.err) == (1, True)
    assert server.cli("depot", "sample", "dataos://typed").code == 2
    assert server.cli("depot", "test").code == 2
    assert server.cli("depot", "test", "absent").code == 1


def test_a_database_file_outside_of_the_fence_is_refused_at_apply(server: Installation):
    for place in ("/etc/passwd", f"{server.work}/absent.db"):
        section = f'{{type: JDBC, jdbc: {{subprotocol: sqlite, database: "{place}"}}}}'
        text = f"name: outside\nversion: v1\ntype: depot\ndepot: {section}\n"
        done = server.cli("apply", "-f", server.write("outside.yaml", text))
        assert done.code == 1
        assert place in done.err
        assert "depot.jdbc.database" in done.err
    assert server.cli("get", "-t", "depot", "-n", "outside").code == 1


def test_a_source_that_is_down_is_said_and_stays_declared(server: Installation, database: postgres.Postgres):
    database.stop()
    try:
        done = server.cli("depot", "test", "typed")
        assert done.code == 1
        assert "refused the connection" in done.err
        assert "failed" in done.out
        assert database.password not in done.out + done.err
        assert server.ok("get", "-t", "depot", "-n", "typed", "-O", "json").json[0]["status"] == "active"
    finally:
        database.start()
    server.ok("depot", "test", "typed")


def test_objects_files_and_sqlite_are_depots(server: Installation):
    with s3.running() as store:
        store.bucket("mill", {"raw/orders/a.csv": b"id\n1\n", "raw/orders/b.csv": b"id\n2\n"})
        with sqlite3.connect(server.work / "small.db") as made:
            made.execute("CREATE TABLE looms (id INTEGER, name TEXT)")
            made.execute("INSERT INTO looms VALUES (1, 'north')")
        made.close()
        (server.work / "top.csv").write_text("id\n1\n")
        server.ok("apply", "-f", server.write("objects.yaml", f"""
name: wool-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{accesskeyid: AKIACANARY, secretkey: canary}}}}
---
name: wool
version: v2alpha
type: depot
depot:
  type: S3
  secrets: [{{name: wool-r, allKeys: true}}]
  s3: {{bucket: mill, relativePath: raw, endpoint: "{store.endpoint}"}}
---
name: small
version: v2alpha
type: depot
depot: {{type: JDBC, jdbc: {{subprotocol: sqlite, database: "{server.work}/small.db"}}}}
---
name: files
version: v2alpha
type: depot
depot: {{type: FILE, file: {{path: "{server.work}"}}}}
"""), "--wait")  # fmt: skip
        assert "the bucket lists its objects" in server.ok("depot", "test", "wool").out
        assert "orders" in server.ok("depot", "ls", "wool").out
        listed = server.ok("depot", "ls", "dataos://wool:orders/*.csv", "-O", "json").json
        assert [(i["name"], i["sizeBytes"]) for i in listed["items"]] == [
            ("s3://mill/raw/orders/a.csv", 5), ("s3://mill/raw/orders/b.csv", 5)]  # fmt: skip
        refused = server.cli("depot", "sample", "dataos://wool:orders/a.csv")
        assert (refused.code, "is of type S3" in refused.err) == (1, True)
        assert server.ok("depot", "ls", "dataos://files:none/top.csv", "-O", "json").json["kind"] == "files"
        wait_until(lambda: server.cli("depot", "sample", "dataos://small:main/looms").code == 0)
        assert "north" in server.ok("depot", "sample", "dataos://small:main/looms").out
    gone = server.cli("depot", "test", "wool")
    assert gone.code == 1
    assert "canary" not in (gone.out + gone.err + server.server_log()).lower().replace("akiacanary", "")


FROM_DATABASE = """\
name: looms
version: v1
type: workflow
workflow:
  dag:
    - name: looms
      spec:
        stack: flare:7.0
        stackSpec:
          job:
            inputs: [{{name: looms, dataset: "{address}", options: {{driver: org.sqlite.JDBC}}}}]
            outputs: [{{name: looms, dataset: "dataos://lakehouse:mill/looms?acl=rw"}}]
"""


def test_a_job_reads_what_a_cluster_queries_in_place_and_refuses_the_rest(server: Installation):
    with sqlite3.connect(server.work / "looms.db") as made:
        made.execute("CREATE TABLE looms (id INTEGER, name TEXT)")
        made.executemany("INSERT INTO looms VALUES (?, ?)", [(1, "north"), (2, "south")])
    made.close()
    place = f'{{type: JDBC, jdbc: {{subprotocol: sqlite, database: "{server.work}/looms.db"}}}}'
    server.ok(
        "apply", "-f", server.write("l.yaml", f"name: loomsdb\nversion: v1\ntype: depot\ndepot: {place}\n"), "--wait"
    )
    wait_until(lambda: server.cli("depot", "sample", "dataos://loomsdb:main/looms").code == 0)
    text = FROM_DATABASE.format(address="dataos://loomsdb:main/looms")
    server.ok("apply", "-f", server.write("looms.yaml", text), "--wait")
    found = server.ok("query", "SELECT id, name FROM lakehouse.mill.looms ORDER BY id", "-O", "json").json
    assert found == [{"id": 1, "name": "north"}, {"id": 2, "name": "south"}]
    web = "name: pages\nversion: v1\ntype: depot\ndepot: {type: HTTP, http: {baseUrl: 'http://127.0.0.1:9/'}}\n"
    server.ok("apply", "-f", server.write("w.yaml", web))
    refused = server.cli("apply", "-f", server.write("no.yaml", FROM_DATABASE.format(address="dataos://pages:none/a")))
    assert refused.code == 1
    assert "is of type HTTP, which cannot yet be read by jobs" in refused.err
    assert "types that can: " in refused.err


@pytest.mark.acceptance("ch02-AS20")  # the scan of its topics comes with the Scanner
def test_topics_are_listed_with_their_partitions_and_not_queried(server: Installation):
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    producer.produce("orders", b"one")
    producer.flush(10)
    brokers = list(producer.list_topics(timeout=10).brokers.values())
    address = f"{brokers[0].host}:{brokers[0].port}"
    section = f'{{type: KAFKA, kafka: {{brokers: ["{address}"]}}}}'
    server.ok(
        "apply", "-f", server.write("k.yaml", f"name: queue\nversion: v1\ntype: depot\ndepot: {section}\n"), "--wait"
    )
    assert "the brokers list their topics" in server.ok("depot", "test", "queue").out
    assert "orders" in server.ok("depot", "ls", "dataos://queue:default").out
    columns = server.ok("depot", "ls", "dataos://queue:default/orders", "-O", "json").json["items"]
    assert next(c["type"] for c in columns if c["name"] == "partition") == "int (0 to 3)"
    refused = server.cli("query", "SELECT * FROM queue.default.orders")
    assert refused.code == 1
    assert "is of type KAFKA, which cannot be queried in place with SQL" in refused.err
    cluster = "name: streams\nversion: v1\ntype: cluster\nworkspace: sandbox\ncluster: {compute: query-default, type: minerva, minerva: {replicas: 1, depots: [{address: 'dataos://queue:default'}]}}\n"
    listed = server.cli("apply", "-f", server.write("c.yaml", cluster))
    assert listed.code == 1
    assert "KAFKA" in listed.err
    del producer


FLARE = """
name: arrive
version: v1
type: workflow
workspace: sandbox
workflow:
  dag:
    - name: arrive
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: raw, dataset: "dataos://dropzone:none/orders/2024.csv", format: csv}]
            steps: [{sequence: [{name: orders, sql: "SELECT cast(id AS bigint) AS id FROM raw"}]}]
            outputs: [{name: orders, dataset: "dataos://lakehouse:arrived/orders?acl=rw", format: iceberg}]
"""


@pytest.mark.acceptance("ch02-AS05")
def test_a_file_that_was_put_in_place_by_path_is_read_by_a_job_without_a_secret(server: Installation):
    folder = server.work / "dropzone" / "orders"
    folder.mkdir(parents=True)
    (folder / "2024.csv").write_text("id\n7\n8\n")
    section = f"{{type: FILE, file: {{path: '{folder.parent}'}}}}"
    server.ok(
        "apply",
        "-f",
        server.write("drop.yaml", f"name: dropzone\nversion: v1\ntype: depot\ndepot: {section}\n"),
        "--wait",
    )
    assert "secret" not in FLARE.lower()
    server.ok("apply", "-f", server.write("arrive.yaml", FLARE), "--wait", "--timeout", "120")
    rows = server.ok("query", "SELECT id FROM lakehouse.arrived.orders ORDER BY 1", "-O", "json").json
    assert [r["id"] for r in rows] == [7, 8]
