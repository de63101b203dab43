"""Computes on a real server, and which engine jobs get by them (ch03 12, ch04 15)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Installation, installation

COMPUTE = """\
name: {name}
version: {version}
type: compute
layer: system
description: pool for retail jobs
compute:
  dataplane: hub
  purpose: {purpose}
  nodePool:
    nodeSelector: {{"dataos.io/purpose": {purpose}}}
    tolerations:
      - {{key: dedicated, operator: Equal, value: runnable, effect: NoSchedule}}
{more}"""
WORKFLOW = """\
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: {compute}
        stackSpec:
          {conf}
          job:
            inputs:
              - name: orders
                dataset: dataos://landing:none/orders.csv
                format: csv
            steps:
              - sequence:
                  - name: sums
                    sql: |
                      SELECT id,
                        {expression} AS n
                      FROM orders
            outputs:
              - {{name: sums, dataset: "dataos://lakehouse:retail/{name}?acl=rw", format: Iceberg}}
"""
DEPOT = "name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
SPARK_ONLY = "zip_with(array(1, 2), array(10, 20), (a, b) -> a + b)[1]"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("computes")) as made:
        data = made.write("orders.csv", "id\n1\n2\n")
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(folder=data.rsplit("/", 1)[0])))
        yield made


def compute(server: Installation, name: str, more: str = "", purpose: str = "runnable", version: str = "v1") -> str:
    text = COMPUTE.format(name=name, purpose=purpose, version=version, more=more)
    return server.write(f"{name}.yaml", text)


def workflow(
    server: Installation, name: str, compute: str, expression: str = "2", conf: str = "driver: {cores: 1}"
) -> str:
    text = WORKFLOW.format(name=name, compute=compute, expression=expression, conf=conf)
    return server.write(f"{name}.yaml", text)


def test_two_computes_ship(server: Installation) -> None:
    shown = server.ok("get", "-t", "compute", "-a", "-O", "json").json
    assert {(c["name"], c["status"]) for c in shown if "default" in c["name"]} == {
        ("runnable-default", "active"),
        ("query-default", "active"),
    }


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_compute_lives_and_goes(server: Installation, version: str) -> None:
    name = f"retail-{version}"
    server.ok("apply", "-f", compute(server, name, version=version), "--wait")
    shown = server.ok("get", "-t", "compute", "-n", name, "-d", "-O", "json").json
    assert shown[0]["status"] == "active"
    assert shown[0]["manifest"]["compute"]["nodePool"]["tolerations"][0]["key"] == "dedicated"
    server.ok("delete", "-t", "compute", "-n", name)
    assert server.cli("get", "-t", "compute", "-n", name).code == 1


def test_a_job_names_a_compute_that_must_be_there_and_stay(server: Installation) -> None:
    job = workflow(server, "named", "batch-pool")
    refused = server.cli("apply", "-f", job)
    assert refused.code == 1
    assert "not found: batch-pool:compute" in refused.err + refused.out
    assert "purpose: runnable" in refused.err + refused.out, "the manifest of one is shown"
    server.ok("apply", "-f", compute(server, "batch-pool"), "--wait")
    server.ok("apply", "-f", job, "--wait")
    kept = server.cli("delete", "-t", "compute", "-n", "batch-pool")
    assert kept.code == 1
    assert "workflow:v1:named:public" in kept.err + kept.out
    server.ok("delete", "-t", "workflow", "-n", "named", "-w", "public")
    server.ok("delete", "-t", "compute", "-n", "batch-pool")


def test_a_compute_of_another_purpose_is_told(server: Installation) -> None:
    told = server.ok("apply", "-f", workflow(server, "purpose", "query-default"), "--wait")
    assert "Compute `query-default` is of purpose `query`" in told.out + told.err


def test_only_operators_say_where_jobs_run(server: Installation) -> None:
    server.ok("user", "create", "-t", "application", "-u", "bot", "-n", "bot")
    server.ok("user", "tag", "add", "-i", "bot", "-t", "roles:id:data-dev")
    key = server.ok("user", "apikey", "create", "-i", "bot", "-d", "1h", "-O", "json").json
    bot = {"USER_ID": "bot", "APIKEY": key["token"], "DATAOS_FQDN": server.url}
    made = compute(server, "mine", "  spark: {address: sc://127.0.0.1:1}\n")
    for layer in ("system", "user"):
        file = server.write("mine.yaml", Path(made).read_text().replace("layer: system", f"layer: {layer}"))
        assert server.cli("apply", "-f", file, env=bot).code == 4


def test_what_needs_apache_spark_is_refused_with_reason_and_remedy(server: Installation) -> None:
    file = workflow(server, "zipped", "runnable-default", SPARK_ONLY)
    offline = server.ok("validate", "-f", file)
    assert "Apache Spark does" in offline.out + offline.err, "offline nobody knows whether there is one"
    refused = server.cli("apply", "-f", file)
    text = refused.err + refused.out
    assert refused.code == 1
    assert "`zip_with`: the embedded engine does not do this, Apache Spark does" in text
    assert "set a Spark address (setting flare.spark, or a Compute)" in text
    assert "zipped.yaml:22" in text, "the line of the SQL in the user's file"


def test_a_spark_that_no_operator_named_is_refused(server: Installation) -> None:
    conf = "sparkConf: [{spark.remote: 'sc://evil.example:15002'}]"
    refused = server.cli("apply", "-f", workflow(server, "elsewhere", "runnable-default", conf=conf))
    assert refused.code == 1
    assert "sc://evil.example:15002, which no operator has named" in refused.err + refused.out


def test_a_spark_elsewhere_cannot_see_files_of_this_machine(server: Installation) -> None:
    server.ok("apply", "-f", compute(server, "far", "  spark: {address: 'sc://spark.example:15002'}\n"), "--wait")
    refused = server.cli("apply", "-f", workflow(server, "far-job", "far"))
    text = refused.err + refused.out
    assert refused.code == 1
    assert "Apache Spark at sc://spark.example:15002 cannot see dataos://landing:none/orders.csv" in text


def test_a_token_is_sealed_and_an_absent_spark_is_the_jobs_error(server: Installation) -> None:
    secret = "very-secret-token"
    more = f"  spark: {{address: 'sc://127.0.0.1:9', token: {secret}}}\n"
    server.ok("apply", "-f", compute(server, "away", more), "--wait")
    shown = server.ok("get", "-t", "compute", "-n", "away", "-d", "-O", "json").out
    assert secret not in shown
    assert "sc://127.0.0.1:9" in shown
    told = server.cli("apply", "-f", workflow(server, "lost", "away"), "--wait")
    assert "runs on Apache Spark at sc://127.0.0.1:9: Compute `away` names it" in told.out + told.err
    assert told.code == 1
    log = server.ok("log", "-t", "workflow", "-n", "lost", "-w", "public").out
    assert "Apache Spark at sc://127.0.0.1:9 does not answer" in log
    assert secret not in log + server.server_log()
