"""An incremental Workflow on a real server: it goes on where it published, shows how far it is, begins anew when told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import Installation, installation

FIRST = "id,at,name\n1,2024-01-05 10:00:00,ann\n2,2024-01-20 10:00:00,bob\n"
SECOND = FIRST + "2,2024-02-02 10:00:00,BOB\n3,2024-02-03 10:00:00,cy\n4,2024-03-09 10:00:00,di\n"
WORKFLOW = """\
name: changes
version: v1
type: workflow
workflow:
  dag:
    - name: upsert
      spec:
        stack: flare:7.0
        stackSpec:
          job:
            inputs:
              - name: changes
                dataset: dataos://landing:none/changes.csv
                format: csv
                incremental:
                  context: crm
                  sql: select * from crm where cast(at as timestamp) > '$|since|' and cast(at as timestamp) <= '$|until|'
                  keys:
                    - {name: since, sql: "select to_timestamp('2024-01-01 00:00:00')"}
                    - {name: until, sql: "select to_timestamp('$|since|') + interval '1' month"}
                  state:
                    - {key: since, value: until}
            outputs:
              - name: changes
                dataset: dataos://lakehouse:crm/customers?acl=rw
                format: iceberg
                options:
                  iceberg:
                    merge:
                      onClause: "old.id = new.id"
                      whenClause: "matched then update set * when not matched then insert *"
"""
DEPOT = """\
name: landing
version: v1
type: depot
depot: {{type: FILE, file: {{path: {folder}}}}}
"""
NAMED = ("-t", "workflow", "-n", "changes", "-w", "public")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("incremental")) as made:
        yield made


def customers(server: Installation) -> list[tuple[str, str]]:
    found = server.ok("query", "SELECT id, name FROM lakehouse.crm.customers ORDER BY 1, 2", "-O", "json").json
    return [(r["id"], r["name"]) for r in found]


def remembered(server: Installation) -> list[dict[str, str]]:
    return [s["state"] for s in server.ok("runtime", "state", *NAMED, "-O", "json").json]


@pytest.mark.acceptance("ch04-AS04")
def test_a_workflow_goes_on_where_it_published(server: Installation) -> None:
    data = server.write("changes.csv", FIRST)
    folder = data.rsplit("/", 1)[0]
    server.ok("apply", "-f", server.write("depot.yaml", DEPOT.format(folder=folder)))
    server.ok("apply", "-f", server.write("workflow.yaml", WORKFLOW), "--wait")
    assert customers(server) == [("1", "ann"), ("2", "bob")]
    assert remembered(server) == [{"since": "2024-02-01 00:00:00"}]
    shown = server.ok("runtime", "state", *NAMED).out
    assert "JOB" in shown
    assert "2024-02-01 00:00:00" in shown

    server.write("changes.csv", SECOND)
    server.ok("runtime", "run", *NAMED)
    _wait(server)
    assert customers(server) == [("1", "ann"), ("2", "BOB"), ("3", "cy")]
    assert remembered(server) == [{"since": "2024-03-01 00:00:00"}]


def test_state_is_set_and_reset(server: Installation) -> None:
    done = server.cli("runtime", "state", *NAMED, "--set", "since=2024-03-05 00:00:00")
    assert done.code == 2
    assert "--set needs --job and --input" in done.err
    server.ok("runtime", "state", *NAMED, "--job", "upsert", "--input", "changes", "--set", "since=2024-03-05 00:00:00")
    assert remembered(server) == [{"since": "2024-03-05 00:00:00"}]
    assert "reset (1 input)" in server.ok("runtime", "state", *NAMED, "--reset").err
    assert remembered(server) == []


def test_what_a_failed_run_read_is_read_again(server: Installation) -> None:
    server.ok("runtime", "state", *NAMED, "--job", "upsert", "--input", "changes", "--set", "since=2024-02-20 00:00:00")
    twice = "3,2024-03-10 10:00:00,CY\n3,2024-03-11 10:00:00,Cy\n"
    server.write("changes.csv", SECOND + twice)  # two rows become one of the table: the merge is refused
    server.ok("runtime", "run", *NAMED)
    _wait(server)
    assert remembered(server) == [{"since": "2024-02-20 00:00:00"}]
    assert ("3", "cy") in customers(server)


def _wait(server: Installation) -> None:
    from support.server import wait_until

    wait_until(
        lambda: server.ok("get", "runtime", *NAMED, "-O", "json").json["run"]["state"] in ("succeeded", "failed"),
        what="the run's end",
        timeout=90,
    )


QUERIED = """\
name: counted
version: v1
type: workflow
workflow:
  dag:
    - name: count
      spec:
        stack: flare:7.0
        stackSpec:
          job:
            inputs:
              - name: counted
                query: "SELECT count(*) AS n, max(name) AS last FROM lakehouse.crm.customers c WHERE c.id < '9'"
                options: {cluster: miniature, driver: io.trino.jdbc.TrinoDriver, SSL: "true"}
            outputs:
              - {name: counted, dataset: "dataos://lakehouse:crm/counted?acl=rw"}
"""


@pytest.mark.acceptance("ch04-AS11")
def test_a_query_is_an_input(server: Installation) -> None:
    """ch04-AS11 (plain join or aggregate): the query engine runs it, as the user of the job."""
    server.ok("apply", "-f", server.write("counted.yaml", QUERIED), "--wait")
    found = server.ok("query", "SELECT n, last FROM lakehouse.crm.counted", "-O", "json").json
    expected = server.ok(
        "query", "SELECT count(*) AS n, max(name) AS last FROM lakehouse.crm.customers", "-O", "json"
    ).json
    assert found == expected
    wrong = QUERIED.replace("lakehouse.crm.customers", "lakehouse.crm.custmers").replace(
        "name: counted", "name: wrong", 1
    )
    done = server.cli("apply", "-f", server.write("wrong.yaml", wrong), "--wait")
    assert done.code == 1
    assert "wrong.yaml:13:" in done.err, "the line in the file"
    assert "Table 'lakehouse.crm.custmers' does not exist" in done.err
