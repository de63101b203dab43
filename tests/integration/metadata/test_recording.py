"""What runs say of data: events, entities, edges, quality, profiles; of the last successful run, and once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.metadata import keeping
from dataos.metadata.reading import Wanted, Way
from dataos.store import tables
from integration.metadata.runs import ANN, BOB, OPERATOR, Room, is_workflow
from support import openlineage as checker

CSV, RAW, DAILY = "dataos://files:raw/orders.csv", "dataos://lake:shop/orders", "dataos://lake:shop/daily"
PEOPLE = "dataos://shop:public/people"


def chain(known: Room) -> None:
    """CSV and a database table -> orders -> daily; and a job that only reads."""
    known.run("load", "in", {"csv": CSV, "people": PEOPLE}, {"o": RAW},
              {"o.id": ["csv.id"], "o.x": ["csv.x", "people.id"]}, reads=["csv", "people"])  # fmt: skip
    known.run("sum", "daily", {"orders": RAW}, {"d": DAILY}, {"d.x": ["orders.x"], "d.id": []}, reads=["orders"])
    known.run("check", "tests", {"d": DAILY}, {})


def lineage(known: Room, address: str, **more: Any) -> dict[str, Any]:
    return asyncio.run(known.reading.lineage(OPERATOR, Way(address, **more)))


def ways(body: dict[str, Any]) -> set[tuple[str, str | None, str]]:
    return {(e["from"], e["to"], e["job"]["name"]) for e in body["edges"]}


def test_a_way_leads_up_and_down(known: Room) -> None:
    chain(known)
    up = lineage(known, DAILY, direction="up")
    assert ways(up) == {(RAW, DAILY, "public.sum.daily"), (CSV, RAW, "public.load.in"), (PEOPLE, RAW, "public.load.in")}
    assert {n["address"]: n["up"] for n in up["nodes"]} == {DAILY: 0, RAW: 1, CSV: 2, PEOPLE: 2}
    down = lineage(known, CSV, direction="down")
    assert ways(down) == {
        (CSV, RAW, "public.load.in"), (RAW, DAILY, "public.sum.daily"), (DAILY, None, "public.check.tests")
    }  # fmt: skip
    both = lineage(known, RAW)
    assert len(both["edges"]) == 4
    assert lineage(known, DAILY, direction="up", depth=1)["truncated"] is True
    assert up["truncated"] is False


def test_a_column_has_its_own_way(known: Room) -> None:
    chain(known)
    body = lineage(known, DAILY, direction="up", column="X")
    assert {n["address"]: n["columns"] for n in body["nodes"]} == {DAILY: ["x"], RAW: ["x"], CSV: ["x"], PEOPLE: ["id"]}
    assert {tuple(map(tuple, e["columns"])) for e in body["edges"]} == {(("x", "x"),), (("id", "x"),)}
    made_of_nothing = lineage(known, DAILY, direction="up", column="id")
    assert made_of_nothing["edges"] == []
    with pytest.raises(DataOSError, match="no column `idd`") as failure:
        lineage(known, DAILY, column="idd")
    assert "id" in failure.value.problem.hint


def test_where_columns_are_not_known_the_way_goes_on(known: Room) -> None:
    known.run("load", "in", {"csv": CSV}, {"o": RAW}, reads=["csv"])  # a query that nobody could resolve
    known.run("sum", "daily", {"orders": RAW}, {"d": DAILY}, {"d.x": ["orders.x"]}, reads=["orders"])
    body = lineage(known, DAILY, direction="up", column="x")
    assert ways(body) == {(RAW, DAILY, "public.sum.daily"), (CSV, RAW, "public.load.in")}
    assert next(e for e in body["edges"] if e["to"] == RAW)["resolved"] is False


def test_edges_are_those_of_the_last_successful_run(known: Room) -> None:
    """A run that failed changes nothing; one that reads something else replaces what it wrote, and that only."""
    chain(known)
    known.run("load", "in", {"people": PEOPLE}, {"o": RAW}, type_="FAIL")
    assert len(ways(lineage(known, RAW, direction="up"))) == 2
    known.run("load", "in", {"people": PEOPLE}, {"other": "dataos://lake:shop/other"}, reads=["people"])
    assert ways(lineage(known, RAW, direction="up")) == {(CSV, RAW, "public.load.in"), (PEOPLE, RAW, "public.load.in")}
    known.run("load", "in", {"people": PEOPLE}, {"o": RAW}, {"o.id": ["people.id"]}, reads=["people"])
    body = lineage(known, RAW, direction="up")
    assert ways(body) == {(PEOPLE, RAW, "public.load.in")}
    (edge,) = body["edges"]
    assert edge["since"] < edge["at"]


def test_an_output_is_made_of_the_inputs_that_its_view_reads(known: Room) -> None:
    known.run("load", "in", {"csv": CSV, "people": PEOPLE}, {"o": RAW}, reads=["csv"])
    assert ways(lineage(known, RAW, direction="up")) == {(CSV, RAW, "public.load.in")}


def test_a_circle_ends(known: Room) -> None:
    known.run("a", "j", {"i": RAW}, {"o": DAILY}, {"o.x": ["i.x"]})
    known.run("b", "j", {"i": DAILY}, {"o": RAW}, {"o.x": ["i.x"]})
    for column in (None, "x"):
        assert len(lineage(known, RAW, direction="up", column=column)["edges"]) == 2


def test_nothing_known_says_what_is(known: Room) -> None:
    chain(known)
    with pytest.raises(DataOSError) as failure:
        lineage(known, "dataos://lake:shop/ordrs")
    assert failure.value.problem.code == "metadata.not_found"
    assert RAW in failure.value.problem.hint


def test_a_file_is_part_of_the_pattern_that_a_job_reads(known: Room) -> None:
    known.run("load", "in", {"csv": "dataos://files:raw/day-*.csv"}, {"o": RAW})
    assert lineage(known, "dataos://files:raw/day-1.csv")["address"] == "dataos://files:raw/day-*.csv"


def test_events_of_a_run_are_openlineage(known: Room) -> None:
    """START and one end; each as the published schemas demand; with what they say of parent, schema, columns, rows."""
    outer = known.workflow("outer", trigger="tick:1893456000000000")
    inner = known.workflow("inner", parent=f"{outer}/node", trigger=f"nested:{outer}/node/1")
    attempt = known.attempt(inner, "j", [CSV, PEOPLE], [RAW])
    known.start(attempt, description="loads orders")
    known.end(attempt, {
        "inputs": [{"name": "csv", "address": CSV, "rows": 3, "columns": [{"name": "id", "type": "string"}]}],
        "outputs": [{"name": "o", "address": RAW, "rows": 3, "columns": [{"name": "id", "type": "long"}],
                     "description": "orders"}],
        "lineage": [{"output": "o", "column": "id", "inputs": [{"input": "csv", "column": "id"}], "resolved": True}],
        "assertions": [{"address": CSV, "column": "id", "test": "min > 0", "value": 1, "passed": True}],
        "sql": "SELECT id FROM csv",
    })  # fmt: skip
    start, end = known.events()
    for event in (start, end):
        checker.check(event)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert end["job"]["name"] == "public.inner.j"
    parent = end["run"]["facets"]["parent"]
    assert (parent["job"]["name"], parent["root"]["job"]["name"]) == ("public.inner", "public.outer")
    assert end["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2030-01-01T00:00:00.000Z"
    assert end["job"]["facets"]["sql"]["query"] == "SELECT id FROM csv"
    assert end["job"]["facets"]["documentation"]["description"] == "loads orders"
    (output,) = end["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 3
    (source,) = output["facets"]["columnLineage"]["fields"]["id"]["inputFields"]
    assert source == {"namespace": "dataos://files", "name": "raw/orders.csv", "field": "id"}
    inputs = {d["name"]: d for d in end["inputs"]}
    assert inputs["raw/orders.csv"]["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True
    (elsewhere,) = inputs["public/people"]["facets"]["symlinks"]["identifiers"]
    assert elsewhere == {"namespace": "postgres://db:5432", "name": "retail.public.people", "type": "TABLE"}


def test_runs_of_workflows_are_told_with_their_first_job(known: Room) -> None:
    """Outer before inner before job; an end each, once they ended; nothing of a run that began no job."""
    outer = known.workflow("outer", trigger="tick:1893456000000000")
    inner = known.workflow("inner", parent=f"{outer}/node", trigger=f"nested:{outer}/node/1")
    idle = known.workflow("idle")
    for name in ("a", "b"):
        attempt = known.attempt(inner, name)
        known.start(attempt)
        known.end(attempt, {})
    for run_id, type_ in ((inner, "COMPLETE"), (outer, "FAIL"), (idle, "COMPLETE")):
        known.store.write_sync(
            known.recorder.run_ended, run_id, type_, "" if type_ == "COMPLETE" else "job x failed", 1
        )
    events = known.all_events()
    for event in events:
        checker.check(event)
    told = [f"{e['job']['name']} {e['eventType']}" for e in events if is_workflow(e)]
    assert told == ["public.outer START", "public.inner START", "public.inner COMPLETE", "public.outer FAIL"]
    assert is_workflow(events[0])
    runs = {e["job"]["name"]: e["run"] for e in events}
    assert runs["public.inner"]["facets"]["parent"]["run"]["runId"] == runs["public.outer"]["runId"]
    assert runs["public.inner.a"]["facets"]["parent"]["run"]["runId"] == runs["public.inner"]["runId"]
    assert runs["public.outer"]["facets"]["errorMessage"]["message"] == "job x failed"


@pytest.mark.parametrize(("type_", "reason"), [("FAIL", "no such column"), ("ABORT", "stopped")])
def test_runs_that_do_not_succeed_say_why(known: Room, type_: str, reason: str) -> None:
    run_id = known.workflow("w")
    attempt = known.attempt(run_id, "j", [CSV], [RAW])
    known.end(attempt, {}, type_, reason)  # its program never ran: the pair is whole all the same
    start, end = known.events()
    checker.check(end)
    assert (start["eventType"], end["eventType"]) == ("START", type_)
    assert end["run"]["facets"]["errorMessage"]["message"] == reason
    assert [d["name"] for d in end["outputs"]] == ["shop/orders"]
    with pytest.raises(DataOSError, match="nothing is known"):
        lineage(known, RAW)


def test_a_start_is_told_once(known: Room) -> None:
    attempt = known.attempt(known.workflow("w"), "j")
    known.start(attempt)
    known.start(attempt)
    assert [e["eventType"] for e in known.events()] == ["START"]


def test_tags_are_owned_by_who_gave_them(known: Room) -> None:
    """Ch04 3.12: what is taken out of a manifest goes; another job's tags stay; every change is a version."""
    tagged = {"tags": ["Tier.Gold"], "columnTags": [{"column": "id", "tags": ["PII.Id", "key"]}]}
    known.run("a", "j", {"i": CSV}, {"o": RAW}, **tagged)
    known.run("b", "j", {"i": CSV}, {"o": RAW}, tags=["Tier.Gold", "b"])
    known.run("a", "j", {"i": CSV}, {"o": RAW}, columnTags=[{"column": "id", "tags": ["key"]}])
    found = asyncio.run(known.reading.dataset(OPERATOR, RAW))
    assert found["tags"] == ["Tier.Gold", "b"]
    assert {c["name"]: c["tags"] for c in found["columns"]} == {"id": ["key"], "x": []}
    versions = asyncio.run(known.reading.versions(OPERATOR, RAW, 10))
    assert [v["version"] for v in versions] == ["0.3", "0.2", "0.1"]
    assert versions[0]["changes"] == ["column id: tag PII.Id removed"]
    assert versions[0]["by"] == "job:dataos:public.a.j"


def test_a_change_of_columns_is_a_major_version(known: Room) -> None:
    known.run("a", "j", {}, {"o": RAW}, columns={"id": "long"})
    known.run("a", "j", {}, {"o": RAW}, columns={"id": "long"})
    known.run("a", "j", {}, {"o": RAW}, columns={"id": "string", "y": "double"})
    versions = asyncio.run(known.reading.versions(OPERATOR, RAW, 10))
    assert [v["version"] for v in versions] == ["1.0", "0.1"]
    assert versions[0]["changes"] == ["column y added", "column id: type long -> string"]


def test_quality_is_kept_of_failed_runs_too(known: Room) -> None:
    def tested(value: float, passed: bool) -> None:
        attempt = known.attempt(known.workflow("q"), "j", [RAW])
        row = {"address": RAW, "column": "email", "test": "invalid_percentage < 0.02", "value": value, "passed": passed}
        known.end(attempt, {"assertions": [row]}, "COMPLETE" if passed else "FAIL", "" if passed else "failed")

    tested(0.01, passed=True)
    tested(0.5, passed=False)
    (found,) = asyncio.run(known.reading.quality(RAW, OPERATOR, None))
    assert (found["name"], found["status"], found["value"]) == ("columnValueInvalidPercentageLessThan", "failed", 0.5)
    assert [r["status"] for r in found["recent"]] == ["failed", "success"]
    assert asyncio.run(known.reading.quality(RAW, OPERATOR, "success")) == []
    assert "dataos.quality" in asyncio.run(known.reading.dataset(OPERATOR, RAW))["tags"]


def profiled(known: Room, labels: list[dict[str, Any]]) -> None:
    attempt = known.attempt(known.workflow("p"), "j", [RAW])
    columns = [{"name": "email", "type": "string", "count": 3, "nulls": 0, "min": "a@b.de"}]
    known.end(attempt, {"profile": {"address": RAW, "level": "basic", "filters": ["x > 1"], "rows": 3, "columns": columns,
                                    "correlations": [], "labels": labels}})  # fmt: skip


def test_suggested_tags_are_accepted_or_discarded_for_good(known: Room) -> None:
    known.run("a", "j", {}, {"o": RAW}, columns={"email": "string"})
    both = [
        {"column": "email", "tag": "PII.Email", "confidence": 0.98},
        {"column": "email", "tag": "x.y", "confidence": 0.4},
    ]
    profiled(known, both)
    asyncio.run(known.reading.decide(RAW, ANN, "email", "PII.Email", accept=True))
    asyncio.run(known.reading.decide(RAW, ANN, "email", "x.y", accept=False))
    profiled(known, both)  # the next profile finds both again
    known.run("a", "j", {}, {"o": RAW}, columns={"email": "string"})  # and the job writes without tags
    found = asyncio.run(known.reading.dataset(OPERATOR, RAW))
    assert {s["tag"]: s["state"] for s in found["suggestions"]} == {"PII.Email": "accepted", "x.y": "discarded"}
    assert found["columns"][0]["tags"] == ["PII.Email"]
    asyncio.run(known.reading.decide(RAW, OPERATOR, "email", "PII.Email", accept=False))
    assert asyncio.run(known.reading.dataset(OPERATOR, RAW))["columns"][0]["tags"] == []
    with pytest.raises(DataOSError, match="not suggested"):
        asyncio.run(known.reading.decide(RAW, ANN, "email", "nope", accept=True))


def test_values_are_for_the_owner_and_operators(known: Room) -> None:
    known.run("a", "j", {}, {"o": RAW}, columns={"email": "string"})
    profiled(known, [])
    for principal in (ANN, OPERATOR):
        assert asyncio.run(known.reading.profile(RAW, principal, 90))["columns"][0]["min"] == "a@b.de"
    for call in (
        known.reading.profile(RAW, BOB, 90),
        known.reading.quality(RAW, BOB, None),
        known.reading.decide(RAW, BOB, "email", "t", accept=True),
    ):
        with pytest.raises(DataOSError) as failure:
            asyncio.run(call)
        assert failure.value.problem.code == "metadata.not_found", "of what he may not read he does not know"
    assert asyncio.run(known.reading.dataset(OPERATOR, RAW))["profile"]["rows"] == 3  # that there is one is no secret
    mine = asyncio.run(known.reading.events(ANN, 0, 100))["items"]
    assert mine
    assert asyncio.run(known.reading.events(BOB, 0, 100))["items"] == []


def test_events_come_in_pages(known: Room) -> None:
    chain(known)
    known.clock.advance(60)
    seen: list[str] = []
    after = 0
    while True:
        page = asyncio.run(known.reading.events(OPERATOR, after, 2))
        if not page["items"]:
            break
        assert len(page["items"]) <= 2
        seen += [f"{e['job']['name']} {e['eventType']}" for e in page["items"]]
        after = page["next"]
    seen = [s for s in seen if s.partition(" ")[0].count(".") == 2]
    assert seen == [f"public.{j} {t}" for j in ("load.in", "sum.daily", "check.tests") for t in ("START", "COMPLETE")]
    of_one = asyncio.run(known.reading.events(OPERATOR, 0, 100, job="public.sum"))["items"]
    assert {e["job"]["name"] for e in of_one} == {"public.sum", "public.sum.daily"}


def test_datasets_are_listed_in_pages(known: Room) -> None:
    chain(known)
    first = asyncio.run(known.reading.listing(OPERATOR, Wanted(), None, 3))
    rest = asyncio.run(known.reading.listing(OPERATOR, Wanted(), first["next"], 3))
    assert [i["address"] for i in (*first["items"], *rest["items"])] == sorted([CSV, RAW, DAILY, PEOPLE])
    assert rest["next"] is None
    assert [
        i["address"] for i in asyncio.run(known.reading.listing(OPERATOR, Wanted(text="ORD"), None, 9))["items"]
    ] == [
        CSV,
        RAW,
    ]
    assert asyncio.run(known.reading.listing(OPERATOR, Wanted(text="%"), None, 9))["items"] == []
    assert [
        i["address"]
        for i in asyncio.run(known.reading.listing(OPERATOR, Wanted(owner="ann", depot="lake"), None, 9))["items"]
    ] == [DAILY, RAW]


def test_history_is_bounded(known: Room) -> None:
    for n in range(6):
        known.run("a", "j", {}, {"o": RAW}, columns={f"c{n}": "long"})
        profiled(known, [])
    asyncio.run(keeping.trim(known.store, keeping.Kept(events=4, profiles=2, quality_results=1, versions=3)))

    def count(connection: sa.Connection) -> list[int]:
        all_ = (tables.lineage_events, tables.dataset_profiles, tables.dataset_versions)
        return [connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in all_]

    assert known.store.read_sync(count) == [4, 2, 3]
    assert asyncio.run(known.reading.versions(OPERATOR, RAW, 10))[0]["changes"] == [
        "column c5 added",
        "column c4 dropped",
    ]


def test_events_of_others_join_our_ways(known: Room) -> None:
    """An event that names the database by its host becomes an edge of the Depot's address."""
    chain(known)
    event = {
        "eventType": "COMPLETE", "eventTime": "2030-01-01T00:00:00Z", "producer": "https://airflow/1", "schemaURL": "https://x/y",
        "run": {"runId": "3b452093-782c-4ef2-9c0c-aafe2aa6f34d"}, "job": {"namespace": "airflow", "name": "sync.people"},
        "inputs": [{"namespace": "snowflake://org-acc", "name": "CRM.PUBLIC.PEOPLE"}],
        "outputs": [{"namespace": "postgres://db:5432", "name": "retail.public.people", "facets": {"columnLineage": {
            "fields": {"id": {"inputFields": [{"namespace": "snowflake://org-acc", "name": "CRM.PUBLIC.PEOPLE", "field": "ID"}]}}}}}],
    }  # fmt: skip
    start = {**event, "eventType": "START", "outputs": []}
    assert asyncio.run(known.receiver.receive([start, {**event, "inputs": []}], BOB)) == 2
    body = lineage(known, DAILY, direction="up", column="x")
    assert ("snowflake://org-acc/CRM.PUBLIC.PEOPLE", PEOPLE, "sync.people") in ways(body)
    down = lineage(known, "snowflake://org-acc/CRM.PUBLIC.PEOPLE", direction="down")
    assert {n["address"] for n in down["nodes"]} >= {PEOPLE, RAW, DAILY}


def test_nobody_tells_where_anothers_dataset_comes_from(known: Room) -> None:
    """Nothing of such a call is kept; and our own namespace is refused."""
    chain(known)
    before = ways(lineage(known, RAW))
    event = {
        "eventType": "COMPLETE", "eventTime": "2030-01-01T00:00:00Z", "producer": "https://x/1", "schemaURL": "https://x/y",
        "run": {"runId": "3b452093-782c-4ef2-9c0c-aafe2aa6f34d"}, "job": {"namespace": "mine", "name": "j"},
        "inputs": [{"namespace": "file", "name": "/tmp/x"}], "outputs": [{"namespace": "dataos://lake", "name": "shop/orders"}],
    }  # fmt: skip
    with pytest.raises(DataOSError) as failure:
        asyncio.run(known.receiver.receive(event, BOB))
    assert failure.value.problem.code == "auth.forbidden"
    assert ways(lineage(known, RAW)) == before
    assert not [e for e in known.events() if e["job"]["namespace"] == "mine"]
    asyncio.run(known.receiver.receive(event, ANN))  # her own she may
    assert len(ways(lineage(known, RAW))) == len(before) + 1
    with pytest.raises(DataOSError, match="own jobs"):
        asyncio.run(known.receiver.receive({**event, "job": {"namespace": "dataos", "name": "public.load.in"}}, ANN))


def test_a_foreign_event_with_our_run_id_changes_nothing(known: Room) -> None:
    attempt = known.attempt(known.workflow("w", owner="ann"), "j", [CSV], [RAW])
    from dataos.metadata.openlineage import run_uuid

    forged = {
        "eventType": "START", "eventTime": "2030-01-01T00:00:00Z", "producer": "https://x/1", "schemaURL": "https://x/y",
        "run": {"runId": run_uuid(attempt.id)}, "job": {"namespace": "evil", "name": "j"},
    }  # fmt: skip
    asyncio.run(known.receiver.receive(forged, BOB))
    known.start(attempt)
    known.end(attempt, {"outputs": [{"name": "o", "address": RAW}]})
    assert [(e["job"]["namespace"], e["eventType"]) for e in known.events()] == [
        ("evil", "START"),
        ("dataos", "START"),
        ("dataos", "COMPLETE"),
    ]
    assert asyncio.run(known.reading.dataset(OPERATOR, RAW))["owner"] == "ann"
