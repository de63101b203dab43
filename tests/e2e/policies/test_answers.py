"""Answers about policy, the audit and the query history, by CLI and HTTP (ch08 11.5, 15)."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.retail import READERS, Lake, access, filtered, mask
from support.server import wait_until

ADDRESS = "dataos://lakehouse:retail/customers"


def test_explain_names_what_decides_and_what_is_seen(lake: Lake, readers: None):
    lake.apply(mask("hide-email", "email", "hash", algo="sha256"))
    lake.apply(mask("hide-email-less", "email", "redact", priority=60))
    lake.apply(filtered("emea", {"column": "region", "operator": "equals", "value": "EMEA"}))
    found = lake.server.ok("policy", "explain", "--user", "ana", "--object", ADDRESS, "-O", "json").json
    assert (found["allowed"], found["decidedBy"]) == (True, ["readers"])
    email = next(c for c in found["columns"] if c["column"] == "email")
    assert (email["shown"], email["mask"], email["policy"]) == (
        "masked",
        "CAST(sha256(email) AS varchar)",
        "hide-email",
    )
    assert [c["policy"] for c in email["candidates"]] == ["hide-email", "hide-email-less"]
    assert found["filters"] == [{"filter": "region = 'EMEA'", "policy": "emea"}]
    shown = lake.server.ok("policy", "explain", "--user", "ana", "--object", ADDRESS).out
    assert "ana may read dataos://lakehouse:retail/customers: readers" in shown
    assert "only rows with region = 'EMEA' (policy emea)" in shown
    plan = lake.rows(lake.ana, "EXPLAIN (TYPE POLICY) SELECT customer_id FROM lakehouse.retail.customers")
    assert ["lakehouse.retail.customers", "region", "filter", "region = 'EMEA'", "emea"] in plan
    assert any(row[1:3] == ["email", "mask"] for row in plan)
    other = lake.ana.post("/api/v1/policy/explain", json={"user": "ben", "object": ADDRESS})
    assert other.status_code == 403
    mine = lake.ana.post("/api/v1/policy/explain", json={"object": ADDRESS}).json()
    assert mine["user"] == "ana"
    lake.delete("policy", "hide-email", "hide-email-less", "emea")
    denied = lake.server.ok(
        "policy", "explain", "--user", "ana", "--object", "dataos://lakehouse:other/x", "-O", "json"
    ).json
    assert (denied["allowed"], denied["decidedBy"], denied["columns"]) == (False, [], [])


def test_a_simulation_tells_who_gains_and_loses_by_what_was_asked(lake: Lake, readers: None):
    lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.customers")
    document = lake.server.write("mask.yaml", json.dumps(mask("new-mask", "email", "redact", role="analyst")))
    found = lake.server.ok("policy", "simulate", "-f", document, "-O", "json").json
    assert {"user": "ana", "what": "column email", "before": "raw", "after": "'REDACTED'"}.items() <= next(
        e for e in found["loses"] if e["user"] == "ana"
    ).items()
    assert found["gains"] == []
    gone = lake.op.post("/api/v1/policy/simulate", json={"delete": ["readers"]}).json()
    assert any(e["what"] == "dataset" and e["after"] == "denied" for e in gone["loses"] if e["user"] == "ana")
    assert lake.rows(lake.ana, "SELECT email FROM lakehouse.retail.customers WHERE customer_id = 1") == [["ann@x.org"]]


def test_coverage_finds_tagged_columns_in_clear(lake: Lake, readers: None):
    column = f"{ADDRESS}#phone"
    shown = lake.server.ok("tag", "add", column, "-t", "PII.Unknown,PII.PhoneNumber", "-O", "json").json
    assert {t["tagFqn"] for t in shown} == {"PII.Unknown", "PII.PhoneNumber"}
    assert all(t["source"] == "user:admin" for t in shown)
    covered = lake.server.ok("policy", "coverage", "-O", "json").json
    assert not any(u["column"] == "phone" for u in covered["uncovered"]), "the shipped mask covers it"
    lake.server.ok("tag", "remove", column, "-t", "PII.PhoneNumber")
    open_ = next(
        u for u in lake.server.ok("policy", "coverage", "-O", "json").json["uncovered"] if u["column"] == "phone"
    )
    assert (open_["tags"], open_["inClear"]) == (["PII.Unknown"], ["ana", "ben"])
    lake.server.ok("tag", "add", column, "-t", "PII.PhoneNumber")
    viewers = lake.server.ok("policy", "coverage", "--dataset", ADDRESS, "--column", "phone", "-O", "json").json
    assert {v["user"]: v["shown"] for v in viewers} == {"admin": "masked", "ana": "masked", "ben": "masked"}
    assert lake.ana.put("/api/v1/asset-tags", json={"assetFqn": column, "tagFqn": "PII.Name"}).status_code == 403
    lake.server.ok("tag", "remove", column, "-t", "PII.PhoneNumber,PII.Unknown")
    again = lake.server.cli("tag", "remove", column, "-t", "PII.Unknown")
    assert (again.code, "has no tag `PII.Unknown`" in again.err) == (1, True)


def test_policies_are_tested_in_yaml(lake: Lake, readers: None):
    tests = """
tests:
  - {name: ana reads, user: ana, object: "dataos://lakehouse:retail/customers", allow: true, columns: {email: raw}, policies: [readers]}
  - {name: nobody else, user: ana, object: "dataos://lakehouse:other/x", allow: false}
"""
    good = lake.server.write("good.yaml", tests)
    assert "2 tests, 0 differences" in lake.server.ok("policy", "test", "-f", good).out
    bad = lake.server.write("bad.yaml", tests.replace("email: raw", "email: masked"))
    done = lake.server.cli("policy", "test", "-f", bad)
    assert done.code == 1
    assert "ana reads: column email is raw, expected masked" in done.out


@pytest.mark.acceptance("ch08-AS01")
def test_every_statement_is_audited_and_changes_of_the_audit_are_found(lake: Lake, readers: None):
    lake.apply(mask("audited", "email", "redact"))
    answer = lake.ana.post("/api/v1/query", json={"sql": "SELECT email FROM lakehouse.retail.customers"})
    query_id = answer.json()["query_id"]
    lake.delete("policy", "audited")
    lake.refused(lake.ana, "SELECT * FROM lakehouse.other.things")
    rows = lake.server.ok("audit", "get", "--actor", "ana", "-O", "json").json
    read = next(r for r in rows if r["correlation"] == query_id)
    assert (read["action"], read["object"], read["allowed"]) == ("query", "lakehouse.retail.customers", True)
    assert read["policies"] == ["readers", "audited"]
    assert read["data"]["tables"][0]["masks"] == [{"column": "email", "mask": "'REDACTED'", "policy": "audited"}]
    assert any(not r["allowed"] for r in rows)
    assert lake.server.ok("audit", "get", "--actor", "ana", "--denied", "-O", "json").json
    assert {r["actor"] for r in lake.ana.get("/api/v1/audit").json()["items"]} == {"ana"}
    assert lake.ana.get("/api/v1/audit", params={"actor": "ben"}).status_code == 403
    assert "rows are as they were written" in lake.server.ok("audit", "verify").out
    exported = [json.loads(line) for line in lake.server.ok("audit", "export").out.splitlines()]
    assert [r["seq"] for r in exported] == list(range(1, len(exported) + 1))

    store = sqlite3.connect(lake.server.home / "store.db", timeout=10)
    before = store.execute("SELECT object FROM audit WHERE seq = ?", (read["seq"],)).fetchone()[0]
    store.execute("UPDATE audit SET object = 'nothing' WHERE seq = ?", (read["seq"],))
    store.commit()
    done = lake.server.cli("audit", "verify")
    assert (done.code, f"row {read['seq']} is not as it was written" in done.out) == (1, True)
    store.execute("UPDATE audit SET object = ? WHERE seq = ?", (before, read["seq"]))
    store.commit()
    store.close()
    lake.server.ok("audit", "verify")


def test_statements_are_kept_for_who_asked_them(lake: Lake, readers: None):
    answer = lake.ana.post("/api/v1/query", json={"sql": "SELECT customer_id FROM lakehouse.retail.customers"})
    query_id = answer.json()["query_id"]
    kept = wait_until(
        lambda: (found := lake.ana.get(f"/api/v1/queries/{query_id}").json()).get("state") == "finished" and found,
        what="its end is kept",
    )
    assert (kept["rows"], kept["user"], kept["cluster"], kept["error"]) == (4, "ana", "miniature", "")
    assert kept["bytes"] > 0
    assert set(kept["timings"]) >= {"started", "end"}
    assert kept["tables"][0]["table"] == "customers"
    assert lake.ben.get(f"/api/v1/queries/{query_id}").status_code == 404
    assert lake.ben.get("/api/v1/queries", params={"user": "*"}).status_code == 403
    assert all(q["user"] == "ben" for q in lake.ben.get("/api/v1/queries").json()["items"])
    everything = lake.server.ok("queries", "get", "-a", "-O", "json").json
    assert query_id in {q["id"] for q in everything}
    lake.ana.post("/api/v1/query", json={"sql": "SELECT nosuch FROM lakehouse.retail.customers"})
    failed = lake.ana.get("/api/v1/queries").json()["items"][0]
    assert (failed["state"], failed["error"]) == ("failed", "query.unknown_column")


def test_a_grant_goes_its_way_by_cli(lake: Lake):
    made = lake.server.ok(
        "grant", "request", "-u", "read-specific-dataset", "-s", "users:id:ana", "--note", "please",
        "--values", "minerva-table-read:catalog=lakehouse,schema=retail,table=orders",
        "--values", "ds-read:depot=lakehouse,collection=retail,dataset=orders", "-O", "json",
    ).json[0]  # fmt: skip
    assert made["state"] == "requested"
    assert lake.server.ok("grant", "approve", "-i", made["id"], "-O", "json").json[0]["state"] == "approved"
    assert lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.orders") == [[2]]
    lake.server.ok("grant", "delete", "-i", made["id"])
    lake.refused(lake.ana, "SELECT count(*) FROM lakehouse.retail.orders")
    assert "ds-read" in lake.server.ok("governance", "get", "providers", "-O", "json").out


def test_who_decides_says_why_and_until_when(lake: Lake):
    body = {
        "policy_use_case_id": "read-specific-dataset",
        "subjects": ["users:id:ana"],
        "values": {
            "minerva-table-read": [{"catalog": "lakehouse", "schema": "retail", "table": "orders"}],
            "ds-read": [{"depot": "lakehouse", "collection": "retail", "dataset": "orders"}],
        },
    }
    refused, first, second = (lake.op.post("/api/v1/grants", json=body).json()["id"] for _ in range(3))
    no = lake.server.ok("grant", "reject", "-i", refused, "--reason", "ask the owner", "-O", "json").json[0]
    assert (no["state"], no["reason"], no["decision"]) == ("rejected", "ask the owner", "admin")
    past = lake.op.post(f"/api/v1/grants/{first}/approve", json={"expires": "2001-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["code"]) == (409, "governance.expired")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    kept = lake.op.post(f"/api/v1/grants/{first}/approve", json={"reason": "an hour", "expires": later}).json()
    assert (kept["state"], kept["reason"], kept["expires"][:16]) == ("approved", "an hour", later[:16])
    lake.op.delete(f"/api/v1/grants/{first}")
    assert lake.op.post(f"/api/v1/grants/{second}/approve", json={"expires": soon}).status_code == 200
    assert lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.orders") == [[2]]
    wait_until(
        lambda: (
            lake.ana.post("/api/v1/query", json={"sql": "SELECT 1 FROM lakehouse.retail.orders"}).status_code == 403
        ),
        10,
        "the grant's end",
    )
    (row,) = lake.op.get("/api/v1/audit", params={"object": f"GRANT:{refused}", "action": "grant.rejected"}).json()[
        "items"
    ]
    assert row["data"]["reason"] == "ask the owner"


def test_policies_in_force_say_what_they_do_and_whom_they_reach(lake: Lake, readers: None):
    lake.apply(mask("hide-tagged", {"tags": ["PII.Shown"]}, "redact", role="analyst"))
    lake.apply(filtered("emea", {"column": "region", "operator": "equals", "value": "EMEA"}))
    lake.server.ok("tag", "add", f"{ADDRESS}#phone", "-t", "PII.Shown")
    found = {r["policy"]: r for r in lake.op.get("/api/v1/policy/rules").json()["items"]}
    readers_ = found["readers"]
    assert (readers_["effect"], readers_["subjects"]) == ("allow", [["roles:id:analyst"]])
    assert readers_["paths"] == ["dataos://lakehouse:retail/*"]
    tagged = found["hide-tagged"]
    assert (tagged["effect"], tagged["priority"], tagged["mask"], tagged["columnTags"]) == (
        "mask",
        40,
        "'REDACTED'",
        ["PII.Shown"],
    )
    assert (found["emea"]["effect"], found["emea"]["filters"]) == ("filter", ["region = 'EMEA'"])
    assert not any(name.startswith("grant") for name in found)
    assert lake.ana.get("/api/v1/policy/rules").status_code == 403

    def concerning(user: str) -> set[str]:
        return {r["policy"] for r in lake.op.get("/api/v1/policy/rules", params={"user": user}).json()["items"]}

    assert {"readers", "emea"} <= concerning("ana")
    assert not {"readers", "emea"} & concerning("admin")
    held = lake.op.get("/api/v1/grants", params={"user": "ana"}).json()["items"]
    subjects = {g["subjects"][0] for g in held}
    assert "roles:id:user" in subjects
    assert "roles:id:operator" not in subjects

    def reach(name: str) -> dict[str, Any]:
        return lake.op.get(f"/api/v1/policy/rules/{name}/reach").json()

    assert reach("hide-tagged") == {
        "policy": "hide-tagged",
        "users": ["ana", "ben"],
        "datasets": [{"dataset": ADDRESS, "columns": ["phone"]}],
    }
    assert ADDRESS in {d["dataset"] for d in reach("readers")["datasets"]}
    denied = access("no-phone", ["roles:id:emea"], f"{ADDRESS}#phone", allow=False)
    lake.apply(denied)
    assert (reach("no-phone")["users"], reach("no-phone")["datasets"]) == (
        ["ben"],
        [{"dataset": ADDRESS, "columns": ["phone"]}],
    )
    lake.delete("policy", "hide-tagged", "emea", "no-phone")
    assert lake.op.get("/api/v1/policy/rules/emea/reach").status_code == 404
    (used,) = [t for t in lake.op.get("/api/v1/asset-tags/used").json()["items"] if t["tag"] == "PII.Shown"]
    assert (used["datasets"], used["columns"]) == (1, 1)
    (use,) = lake.op.get("/api/v1/asset-tags/uses", params={"tagFqn": "PII.Shown"}).json()["items"]
    assert (use["assetFqn"], use["source"]) == (f"{ADDRESS}#phone", "user:admin")
    assert lake.ana.get("/api/v1/asset-tags/used").status_code == 403
    assert lake.ana.get("/api/v1/asset-tags/uses", params={"tagFqn": "PII.Shown"}).status_code == 403
    lake.server.ok("tag", "remove", f"{ADDRESS}#phone", "-t", "PII.Shown")


def test_the_audit_is_read_from_its_end_and_by_what_is_sought(lake: Lake, readers: None):
    lake.rows(lake.ana, "SELECT customer_id FROM lakehouse.retail.customers")

    def rows(**wanted: Any) -> list[dict[str, Any]]:
        answer = lake.op.get("/api/v1/audit", params=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    every = [r["seq"] for r in rows(limit=10_000)]
    first = lake.op.get("/api/v1/audit", params={"before": 2**62, "limit": 2}).json()
    assert [r["seq"] for r in first["items"]] == every[-1:-3:-1]
    assert [r["seq"] for r in rows(before=first["next"], limit=2)] == every[-3:-5:-1]
    assert {r["action"] for r in rows(action="policy.*")} >= {"policy.stored"}
    assert all("customers" in r["object"] for r in rows(object="CUSTOMERS"))
    assert rows(object="CUSTOMERS", actor="ana")
    assert rows(object="100%_sure") == []
    moment = rows(before=2**62, limit=1)[0]["at"]
    assert all(r["at"] >= moment for r in rows(since=moment))
    assert all(r["at"] < moment for r in rows(until=moment))
    assert len(rows(since=moment, limit=10_000)) + len(rows(until=moment, limit=10_000)) == len(every)
    exported = lake.op.get("/api/v1/audit/export", params={"action": "policy.*", "allowed": True}).text.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == [r["seq"] for r in rows(action="policy.*", allowed=True)]


def test_the_catalogs_own_protocol_is_open_where_nothing_is_hidden(lake: Lake):
    from pyiceberg.catalog.rest import RestCatalog
    from pyiceberg.exceptions import ForbiddenError

    token = lake.ana.headers["Authorization"].partition(" ")[2]
    catalog = RestCatalog("ana", uri=f"{lake.server.url}/iceberg", token=token, warehouse="lakehouse")
    with pytest.raises(ForbiddenError):
        catalog.load_table("retail.customers")
    lake.apply(READERS)
    table = catalog.load_table("retail.customers")
    assert table.scan().to_arrow().num_rows == 4
    with pytest.raises(ForbiddenError):
        table.append(table.scan().to_arrow())
    lake.apply(mask("raw-email", "email", "redact"))
    with pytest.raises(ForbiddenError, match="raw-email"):
        catalog.load_table("retail.customers")
    assert catalog.load_table("retail.orders").scan().to_arrow().num_rows == 2
    lake.apply(access("no-age", ["roles:id:analyst"], "dataos://lakehouse:retail/orders#region", allow=False))
    with pytest.raises(ForbiddenError, match="no-age"):
        catalog.load_table("retail.orders")
    lake.delete("policy", "readers", "raw-email", "no-age")


@pytest.mark.acceptance("ch08-AS09")
def test_the_decision_api_says_what_the_query_applied(lake: Lake, readers: None):
    lake.apply(filtered("emea", {"column": "region", "operator": "equals", "value": "EMEA"}))
    record = {
        "name": "hide-mail", "type": "mask", "priority": 30, "dataset_id": "lakehouse.retail.customers",
        "selector": {"user": {"match": "any", "tags": ["roles:id:analyst"]}, "column": {"names": ["email"]}},
        "mask": {"operator": "hash", "hash": {"algo": "sha256"}},
    }  # fmt: skip
    assert lake.ana.put("/gateway/api/v1/datapolicy", json=record).status_code == 403
    made = lake.op.put("/gateway/api/v1/datapolicy", json=record)
    assert (made.status_code, made.json()["name"]) == (200, "hide-mail"), made.text
    asked = {"depot": "lakehouse", "collection": "retail", "dataset": "customers", "queryId": "x", "predicate": "read"}
    decision = lake.ana.get("/gateway/api/v1/datapolicy/decision", params=asked).json()
    assert decision == lake.ana.get("/gateway/api/v1/datapolicy/decision/lakehouse/retail/customers").json()
    query = lake.ana.post("/api/v1/query", json={"sql": "SELECT * FROM lakehouse.retail.customers"}).json()
    (applied,) = lake.ana.get(f"/api/v1/queries/{query['query_id']}").json()["tables"]
    assert (
        decision["masks"]
        == {m["column"]: m["mask"] for m in applied["masks"]}
        == {"email": "CAST(sha256(email) AS varchar)"}
    )
    assert decision["filter"] == [f["filter"] for f in applied["filters"]] == ["region = 'EMEA'"]
    assert decision["user"] == "ana"
    shown = lake.op.get("/heimdall/dp/api/v1/policies").json()["items"]
    assert {"hide-mail", "emea", "age"} <= {p["name"] for p in shown}
    assert lake.op.get("/heimdall/dp/api/v1/policies/readers").status_code == 404
    assert lake.op.get("/gateway/api/v1/datapolicy/decision/lakehouse/retail/nothing").status_code == 404
    assert lake.ana.get("/gateway/api/v1/datapolicy/decision/lakehouse/other/things").status_code == 403
    assert lake.op.delete("/gateway/api/v1/datapolicy/hide-mail").json() == {"result": "deleted"}
    lake.delete("policy", "emea")


def test_tags_of_what_is_not_there_are_kept_with_a_warning(lake: Lake):
    """A tag on a name that is wrong masks nothing: whoever gives it hears of it."""
    for asset, said in (
        (f"{ADDRESS}#emial", "has no column `emial` now: the tag waits for one"),
        ("dataos://lakehouse:retail/Customers#email", "there is no dataset dataos://lakehouse:retail/Customers now"),
        ("dataos://nowhere:retail/customers", "there is no dataset dataos://nowhere:retail/customers now"),
    ):
        done = lake.server.ok("tag", "add", asset, "-t", "PII.Tried")
        assert said in done.err
        lake.server.ok("tag", "remove", asset, "-t", "PII.Tried")
    assert "did you mean `email`?" in lake.server.ok("tag", "add", f"{ADDRESS}#emial", "-t", "PII.Tried").err
    lake.server.ok("tag", "remove", f"{ADDRESS}#emial", "-t", "PII.Tried")
    for asset in (f"{ADDRESS}#address.zip", f"{ADDRESS}#Email", ADDRESS):
        body = {"assetFqn": asset, "tagFqn": "PII.Tried"}
        assert lake.op.put("/api/v1/asset-tags", json=body).json()["warnings"] == []
        lake.op.delete("/api/v1/asset-tags", params=body)
