"""Lineage, profiles, quality and tags as their users meet them: CLI, API, a receiver of events, and a kill -9."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from dataos.core.errors import DataOSError
from support import openlineage as checker
from support.crashes import start_until, wait_dead
from support.retail import access
from support.server import Installation, installation, wait_until

DEPOT = "name: files\nversion: v2alpha\ntype: depot\ndepot: {{type: FILE, file: {{path: {path}}}}}\n"
WORKFLOW = """
name: orders
version: v1
type: workflow
description: orders and what is known of them
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: raw, dataset: "dataos://files:data/orders.csv", format: csv}]
            steps:
              - sequence:
                  - {name: orders, sql: "SELECT cast(id AS bigint) AS id, email, cast(amount AS double) * 2 AS doubled FROM raw"}
            outputs:
              - name: orders
                dataset: dataos://lakehouse:shop/orders?acl=rw
                format: iceberg
                title: Orders
                description: One row per order
                tags: [Tier.Gold]
                columnTags: [{columnName: email, tags: [contact]}]
    - name: quality
      dependencies: [load]
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: orders, dataset: "dataos://lakehouse:shop/orders"}]
            assertions:
              - {column: email, validFormat: {regex: "^[^@]+@[^@]+$"}, tests: ["invalid_percentage < 0.02"]}
              - {column: id, tests: ["duplicate_count == 0"]}
    - name: profile
      dependencies: [quality]
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: orders, dataset: "dataos://lakehouse:shop/orders"}]
            profile: {level: intermediate, filters: [{type: expression, expression: "id >= 0"}]}
"""
ORDERS = "dataos://lakehouse:shop/orders"
CSV = "dataos://files:data/orders.csv"


def prepare(made: Installation, workflow: str = WORKFLOW) -> None:
    (made.work / "data").mkdir(exist_ok=True)
    rows = "\n".join(f"{n},user{n}@example.org,{n}.5" for n in range(50))
    (made.work / "data" / "orders.csv").write_text(f"id,email,amount\n{rows}\n")
    made.write("depot.yaml", DEPOT.format(path=made.work))
    made.write("orders.yaml", workflow)


@pytest.fixture(scope="module")
def receiver():
    """Where the server sends its events: a real HTTP server."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Authorization"] == "Bearer canary-of-the-receiver"
            taken.append(json.loads(body))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", taken
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def made(tmp_path_factory, receiver):
    env = {
        "DATAOS_METADATA__OPENLINEAGE_URL": receiver[0],
        "DATAOS_METADATA__OPENLINEAGE_API_KEY": "canary-of-the-receiver",
    }
    with installation(tmp_path_factory.mktemp("lineage"), env=env) as here:
        prepare(here)
        here.ok("apply", "-f", "depot.yaml")
        here.ok("apply", "-f", "orders.yaml", "--wait", timeout=180)
        yield here


@pytest.fixture(scope="module")
def guest(made):
    """Another user, without any role."""
    made.ok("user", "create", "-t", "application", "-u", "guest", "-n", "a guest")
    key = made.ok("user", "apikey", "create", "-i", "guest", "-n", "k", "-O", "json").json
    return {"USER_ID": "guest", "APIKEY": key["token"], "DATAOS_FQDN": made.url}


@pytest.mark.acceptance("ch04-AS01")
@pytest.mark.acceptance("ch02-AS15")
def test_the_catalog_shows_what_a_job_wrote(made):
    """Title, tags, tags of columns and the way from the file, without any scan."""
    found = made.ok("dataset", "describe", "-a", ORDERS, "-O", "json").json
    assert (found["title"], found["description"], found["rowsWritten"]) == ("Orders", "One row per order", 50)
    assert set(found["tags"]) == {"Tier.Gold", "dataos.profile", "dataos.quality"}
    columns = {c["name"]: c for c in found["columns"]}
    assert columns["email"]["tags"] == ["contact"]
    told = made.ok("lineage", "-a", ORDERS, "--column", "doubled", "--up").out
    assert "public/orders/load" in told
    assert f"{CSV} [amount]" in told
    listed = made.ok("dataset", "catalog", "--tag", "contact", "-O", "json").json
    assert [d["address"] for d in listed] == [ORDERS]


@pytest.mark.acceptance("ch04-AS06")
def test_quality_results_have_their_names(made):
    """And a test that fails makes the job fail, is kept, and what depends on it does not run."""
    found = made.ok("dataset", "quality", "-a", ORDERS, "-O", "json").json
    assert {q["name"]: q["status"] for q in found} == {
        "columnValueInvalidPercentageLessThan": "success",
        "columnValueDuplicateCountEquals": "success",
    }
    made.write(
        "failing.yaml", WORKFLOW.replace("name: orders\nversion", "name: failing\nversion").replace("< 0.02", "< 0")
    )
    assert made.cli("apply", "-f", "failing.yaml", "--wait", timeout=180).code == 1
    found = made.ok("dataset", "quality", "-a", ORDERS, "--status", "failed", "-O", "json").json
    assert [(q["name"], q["test"]) for q in found] == [
        ("columnValueInvalidPercentageLessThan", "invalid_percentage < 0")
    ]
    nodes = {n["job"]: n["phase"] for n in made.client().runtime("workflow", "failing", "public")["nodes"]}
    assert (nodes["quality"], nodes["profile"]) == ("failed", "skipped")


@pytest.mark.acceptance("ch04-AS07")
def test_a_profile_shows_columns_and_suggests_a_tag(made):
    body = made.ok("dataset", "profile", "-a", ORDERS, "-O", "json").json
    assert (body["rows"], body["level"], body["filters"]) == (50, "intermediate", ["id >= 0"])
    email = next(c for c in body["columns"] if c["name"] == "email")
    assert (email["nullShare"], email["distinctShare"], email["uniqueShare"]) == (0.0, 1.0, 1.0)
    shown = made.ok("dataset", "profile", "-a", ORDERS).out
    assert "100.0%" in shown
    assert "quantiles p50" in made.ok("dataset", "profile", "-a", ORDERS, "-c", "doubled").out
    found = made.ok("dataset", "describe", "-a", ORDERS, "-O", "json").json
    suggested = {(s["column"], s["tag"]): s for s in found["suggestions"]}
    assert suggested["email", "PII.Email"]["confidence"] >= 0.8
    made.ok("dataset", "label", "-a", ORDERS, "-c", "email", "--accept", "PII.Email")
    found = made.ok("dataset", "describe", "-a", ORDERS, "-O", "json").json
    assert {c["name"]: c["tags"] for c in found["columns"]}["email"] == ["PII.Email", "contact"]


def test_events_are_served_and_sent(made, receiver):
    """The same events, as the published schemas demand: a START and one end for each run, in order."""
    client = made.client()
    served: list[dict[str, Any]] = []
    after = 0
    while True:
        page = client.json("GET", "/api/v1/lineage/events", params={"after": after, "limit": 2, "job": "public.orders"})
        served += page["items"]
        if not page["items"]:
            break
        after = page["next"]
    for event in served:
        checker.check(event)
    told = [(e["job"]["name"], e["eventType"]) for e in served]
    jobs = [(f"public.orders.{j}", t) for j in ("load", "quality", "profile") for t in ("START", "COMPLETE")]
    assert told == [("public.orders", "START"), *jobs, ("public.orders", "COMPLETE")]
    end = served[2]
    assert end["run"]["facets"]["parent"]["job"]["name"] == "public.orders"
    assert "cast(amount AS double)" in end["job"]["facets"]["sql"]["query"]
    (output,) = end["outputs"]
    (source,) = output["facets"]["columnLineage"]["fields"]["doubled"]["inputFields"]
    assert source == {"namespace": "dataos://files", "name": "data/orders.csv", "field": "amount"}
    wait_until(lambda: len(receiver[1]) >= len(served), 20)
    assert receiver[1][: len(served)] == served
    assert "canary-of-the-receiver" not in made.server_log()


def test_who_may_see_what(made, guest):
    """Of what they may not read users do not know, and it has no name on the ways of what they may read; values,
    results of tests and events are for owners and operators."""
    for argv in (
        ["lineage", "-a", ORDERS],
        ["dataset", "describe", "-a", ORDERS],
        ["lineage", "-a", "lakehouse:shop/ordrs"],
    ):
        unknown = made.cli(*argv, env=guest)
        assert unknown.code == 1
        assert "nothing is known of" in unknown.err
        assert "shop/orders`" not in unknown.err, "no hint names what is hidden"
    assert guest_call(made, guest, "GET", "/api/v1/metadata/datasets") == {"items": [], "next": None}
    made.client().apply(access("readers-of-orders", ["users:id:guest"], ORDERS))
    told = made.ok("lineage", "-a", ORDERS, "--up", "-c", "doubled", env=guest).out
    assert "restricted dataset 1" in told
    assert "orders.csv" not in told
    way = guest_call(made, guest, "GET", f"/api/v1/lineage/{ORDERS}", params={"columns": True, "direction": "up"})
    (hidden,) = (n for n in way["nodes"] if n["restricted"])
    assert (hidden["columns"], hidden["title"], hidden["rowsWritten"], hidden["owner"]) == ([], "", None, "")
    assert not any(e["columns"] for e in way["edges"])
    assert "email" not in str(way["nodes"]) + str(way["edges"]), "columns of what is hidden are hidden too"
    listed = guest_call(made, guest, "GET", "/api/v1/metadata/datasets", params={"limit": 1})
    assert [i["address"] for i in listed["items"]] == [ORDERS]
    assert listed["next"] is None
    assert CSV in made.ok("lineage", "-a", ORDERS).out
    assert made.ok("dataset", "describe", "-a", ORDERS, "-O", "json", env=guest).json["title"] == "Orders"
    for verb in (["profile"], ["quality"], ["label", "-c", "email", "--discard", "PII.Email"]):
        done = made.cli("dataset", *verb, "-a", ORDERS, env=guest)
        assert done.code == 4, verb
        assert "user3@example.org" not in done.out + done.err
    assert guest_call(made, guest, "GET", "/api/v1/lineage/events")["items"] == []


def test_what_is_hidden_of_a_dataset_is_told_nowhere(made, guest):
    """Of a denied column neither its name nor its tags, changes and ways; no number of all rows to whom some are hidden."""
    made.client().apply(access("readers-of-both", ["users:id:guest"], ORDERS, CSV))
    path = f"/api/v1/metadata/datasets/{ORDERS}"

    def told() -> tuple[dict[str, Any], dict[str, Any], str]:
        way = guest_call(made, guest, "GET", f"/api/v1/lineage/{ORDERS}", params={"columns": True})
        listed = guest_call(made, guest, "GET", "/api/v1/metadata/datasets", params={"q": ORDERS})["items"]
        described = guest_call(made, guest, "GET", path)
        history = guest_call(made, guest, "GET", f"{path}/versions")
        node = next(n for n in way["nodes"] if n["address"] == ORDERS)
        assert node["rowsWritten"] == listed[0]["rowsWritten"] == described["rowsWritten"]
        return described, way, str((way, listed, described, history))

    wait_until(lambda: "email" in str(told()[1]["edges"]), 10, "both ends of the way are open")
    described, _, _ = told()
    assert (described["rowsWritten"], described["profile"]["rows"]) == (50, 50)
    assert "email" in str(described["columns"])
    made.client().apply(access("no-email", ["users:id:guest"], f"{ORDERS}#email", allow=False))
    block = {"type": "filter", "priority": 1, "selector": {"user": {"match": "any", "tags": ["users:id:guest"]}},
             "dataset_id": "lakehouse.shop.orders", "filters": [{"column": "id", "operator": "equals", "value": 1}]}  # fmt: skip
    made.client().apply({"name": "few", "version": "v1", "type": "policy", "policy": {"data": block}})
    try:
        wait_until(lambda: told()[0]["rowsWritten"] is None, 10, "the filter is in force")
        described, way, text = told()
        assert described["profile"]["rows"] is None
        assert "email" not in text.lower()
        assert {"doubled", "id"} <= {c["name"] for c in described["columns"]}
        assert way["nodes"]
        for column in ("email", "EMAIL", "emial"):  # as one that is not there
            unknown = made.cli("lineage", "-a", ORDERS, "-c", column, env=guest)
            assert (unknown.code, f"has no column `{column}`" in unknown.err) == (1, True)
            assert "did you mean email" not in unknown.err
        assert "email" in str(made.client().json("GET", path)), "who governs tags it"
    finally:
        for name in ("no-email", "few", "readers-of-both"):
            made.ok("delete", "-t", "policy", "-n", name)


def guest_call(made: Installation, guest: dict[str, str], method: str, path: str, **more: Any) -> Any:
    from dataos.client.api import Client
    from dataos.client.connections import find_connection

    return Client(find_connection({**made.env, **guest})).json(method, path, **more)


def test_others_tell_where_their_data_goes(made, guest):
    """An event of another producer names the file by its path: it becomes an edge of the Depot's address."""
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2030-01-01T00:00:00Z",
        "producer": "https://example.org/exporter",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "3b452093-782c-4ef2-9c0c-aafe2aa6f34d"},
        "job": {"namespace": "erp", "name": "export.orders"},
        "inputs": [{"namespace": "oracle://erp:1521", "name": "XE.SALES.ORDERS"}],
        "outputs": [{"namespace": "file", "name": f"{made.work}/data/orders.csv"}],
    }
    assert guest_call(made, guest, "POST", "/api/v1/lineage", body=event) == {"count": 1}
    told = made.ok("lineage", "-a", ORDERS, "--up").out
    assert "erp/export.orders" in told
    assert "oracle://erp:1521/XE.SALES.ORDERS" in told
    stolen = {**event, "outputs": [{"namespace": "dataos://lakehouse", "name": "shop/orders"}]}
    with pytest.raises(DataOSError) as failure:
        guest_call(made, guest, "POST", "/api/v1/lineage", body=stolen)
    assert failure.value.problem.code == "auth.forbidden"
    with pytest.raises(DataOSError) as failure:
        guest_call(made, guest, "POST", "/api/v1/lineage", body=[event, {**event, "eventType": "X", "job": {}}])
    assert [p.path for p in failure.value.problems] == ["[1].eventType", "[1].job"]


def test_addresses_in_paths(made):
    """Percent-encoded, plain, or without `dataos://`; what names no dataset is refused."""
    client = made.client()
    for path in (quote(ORDERS, safe=""), ORDERS, "lakehouse:shop/orders"):
        assert client.json("GET", f"/api/v1/lineage/{path}")["address"] == ORDERS
        assert client.json("GET", f"/api/v1/metadata/datasets/{path}/profile")["address"] == ORDERS
        assert client.json("GET", f"/api/v1/metadata/datasets/{path}")["address"] == ORDERS
        assert client.json("GET", f"/api/v1/metadata/datasets/{path}/versions")["items"]
    for path, code in (("lakehouse", "metadata.address"), ("lakehouse:shop/none", "metadata.not_found")):
        with pytest.raises(DataOSError) as failure:
            client.json("GET", f"/api/v1/lineage/{path}")
        assert failure.value.problem.code == code


def test_usage_faults(made):
    for argv, code in ((["lineage"], 2), (["lineage", "-a", ORDERS, "-O", "xml"], 2), (["lineage", "-a", ORDERS, "-c", "no"], 1),
                       (["dataset", "label", "-a", ORDERS, "-c", "email"], 2), (["dataset", "quality", "-a", ORDERS, "--status", "x"], 2)):  # fmt: skip
        done = made.cli(*argv)
        assert done.code == code, (argv, done.err)
        assert done.err
    dot = made.ok("lineage", "-a", ORDERS, "-O", "dot").out
    assert dot.startswith("digraph lineage {")


LOAD_ONLY = WORKFLOW.partition("    - name: quality")[0]


@pytest.mark.parametrize("point", ["workloads.launched", "workloads.before-publish", "workloads.published"])
def test_a_kill_loses_no_lineage_and_doubles_none(tmp_path, point):
    """kill -9 between start and end: the way, the versions and the pair of events are there once."""
    with installation(tmp_path, start=False) as here:
        prepare(here, LOAD_ONLY)
        process = start_until(here, point)
        here.ok("apply", "-f", "depot.yaml")
        here.cli("apply", "-f", "orders.yaml")
        wait_dead(process, 60)
        here.up()
        wait_until(lambda: here.client().resource("workflow", "orders", "public")["runtime"] == "succeeded", 90)
        body = here.client().json("GET", f"/api/v1/lineage/{quote(ORDERS, safe='')}", params={"direction": "up"})
        assert [(e["from"], e["to"]) for e in body["edges"]] == [(CSV, ORDERS)]
        events = here.client().json("GET", "/api/v1/lineage/events")["items"]
        by_run: dict[str, list[str]] = {}
        for event in events:
            by_run.setdefault(event["run"]["runId"], []).append(event["eventType"])
        assert all(types in (["START", "COMPLETE"], ["START", "FAIL"]) for types in by_run.values()), by_run
        assert [t[-1] for t in by_run.values()].count("COMPLETE") == 2  # of the job and of the Workflow
        versions = here.client().json("GET", f"/api/v1/metadata/datasets/{quote(ORDERS, safe='')}/versions")["items"]
        assert [v["version"] for v in versions] == ["0.1"]
