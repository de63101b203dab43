"""Who may see what: access policies, filters, masks, use-cases and grants on a real server (ch08 3, 4)."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from support.retail import READERS, Lake, access, filtered, mask


@pytest.mark.acceptance("ch08-AS01")
def test_nobody_reads_without_a_policy_and_one_is_in_force_with_the_next_statement(lake: Lake):
    problem = lake.refused(lake.ana, "SELECT * FROM lakehouse.retail.orders")
    assert "User is forbidden to access Table: lakehouse.retail.orders!" in problem["message"]
    assert 'msg=Forbidden status: 403, body: {"code":403,"message":"' in problem["message"]
    nothing = lake.refused(lake.ana, "SELECT * FROM lakehouse.retail.nothing")
    assert nothing["message"].replace("nothing", "orders") == problem["message"], "what exists is not told"
    lake.apply(READERS)
    assert len(lake.rows(lake.ana, "SELECT * FROM lakehouse.retail.orders")) == 2
    lake.delete("policy", "readers")
    lake.refused(lake.ana, "SELECT * FROM lakehouse.retail.orders")


@pytest.mark.acceptance("ch08-AS02")
def test_groups_are_alternatives_of_tags_that_must_all_be_there(lake: Lake):
    lake.apply(
        access("groups", [["roles:id:analyst", "roles:id:emea"], ["roles:id:auditor"]], "dataos://lakehouse:retail/*")
    )
    sql = "SELECT count(*) FROM lakehouse.retail.orders"
    assert lake.rows(lake.ben, sql) == [[2]]
    lake.refused(lake.ana, sql)
    lake.tag("ana", "roles:id:auditor")
    assert lake.rows(lake.ana, sql) == [[2]]
    lake.tag("ana", "roles:id:auditor", remove=True)
    lake.refused(lake.ana, sql)
    lake.delete("policy", "groups")


@pytest.mark.acceptance("ch08-AS03")
def test_a_denial_wins_over_everything(lake: Lake, readers: None):
    lake.apply(
        access(
            "costs",
            ["roles:id:**", "users:id:**"],
            "dataos://lakehouse:retail/supplier_costs",
            allow=False,
            predicates=["**"],
        )
    )
    assert lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.customers") == [[4]]
    for who in (lake.ana, lake.op):
        problem = lake.refused(who, "SELECT * FROM lakehouse.retail.supplier_costs")
        assert "supplier_costs" in problem["message"]
        lake.refused(who, 'SELECT * FROM lakehouse.retail."SUPPLIER_COSTS"')
        assert ["supplier_costs"] not in lake.rows(who, "SHOW TABLES FROM lakehouse.retail")
    lake.delete("policy", "costs")


@pytest.mark.acceptance("ch08-AS05")
@pytest.mark.acceptance("ch08-AS06")
def test_buckets_of_tagged_columns_and_who_is_let_through(lake: Lake, readers: None):
    sql = "SELECT customer_id, age FROM lakehouse.retail.customers ORDER BY 1"
    raw = [[1, 27], [2, 4], [3, None], [4, 77]]
    assert lake.rows(lake.ana, sql) == raw
    put = lake.op.put(
        "/api/v1/asset-tags", json={"assetFqn": "dataos://lakehouse:retail/customers#age", "tagFqn": "PII.Age"}
    )
    assert put.status_code == 200, put.text
    assert lake.rows(lake.ana, sql) == [[1, 25], [2, 5], [3, None], [4, 70]]
    lake.apply(mask("own-buckets", {"tags": ["PII.Age"]}, "bucket_number", buckets=[45, 18, 30]))
    assert lake.rows(lake.ana, sql) == [[1, 18], [2, 18], [3, None], [4, 45]]
    lake.apply(mask("let-through", {"tags": ["PII.Age"]}, "pass_through", priority=30, role="pii-reader"))
    assert lake.rows(lake.ana, sql)[0] == [1, 18]
    lake.tag("ana", "roles:id:pii-reader")
    assert lake.rows(lake.ana, sql) == raw
    lake.tag("ana", "roles:id:pii-reader", remove=True)
    assert lake.rows(lake.ana, sql)[0] == [1, 18]
    gone = lake.op.delete(
        "/api/v1/asset-tags", params={"assetFqn": "dataos://lakehouse:retail/customers#age", "tagFqn": "PII.Age"}
    )
    assert gone.status_code == 200, gone.text
    assert lake.rows(lake.ana, sql) == raw
    lake.delete("policy", "own-buckets", "let-through")


@pytest.mark.acceptance("ch08-AS07")
def test_every_operator_in_one_statement(lake: Lake, readers: None):
    made = [
        mask("m-hash", "name", "hash", algo="sha256"),
        mask("m-redact", "ssn", "redact", replacement="HIDDEN"),
        mask("m-redact-number", "age", "redact"),
        mask("m-date", "born", "bucket_date", precision="quarter"),
        mask("m-pattern", "plate", "rand_pattern", pattern="??-####"),
        mask("m-replace", "phone", "regex_replace", pattern="[0-9](?=.*.{4})", replacement="x"),
        mask("m-regexify", "email", "rand_regexify", pattern="[A-Z]{2}[0-9]{4}"),
    ]
    for one in made:
        lake.apply(one)
    sql = "SELECT name, ssn, age, born, plate, phone, email FROM lakehouse.retail.customers ORDER BY customer_id"
    first, second, third, fourth = lake.rows(lake.ana, sql)
    assert first[0] == "85b9f72e4d88dd6bdd9f0b5b5e0e6fd2aefba7b5b4fd6ec1e6ea2ea8b6c9d0c5" or re.fullmatch(
        "[0-9a-f]{64}", first[0]
    )
    assert third[0] is None, "NULL stays NULL"
    assert [r[1] for r in (first, second, third, fourth)] == ["HIDDEN"] * 4
    assert [r[2] for r in (first, second, third, fourth)] == [None] * 4
    assert [r[3] for r in (first, second, third, fourth)] == [None, "2001-04-01", "1990-10-01", "1950-01-01"]
    for row, plate in ((first, "AB-1234"), (second, "CD-5678"), (third, "EF-9012")):
        assert re.fullmatch("[A-Za-z]{2}-[0-9]{4}", row[4])
        assert row[4] != plate
    assert fourth[4] is None
    assert first[5] == "xxxxxx6789"
    assert third[5] is None
    assert all(re.fullmatch("[A-Z]{2}[0-9]{4}", row[6]) for row in (first, second, third, fourth))
    lake.apply(mask("m-wrong", "customer_id", "hash", algo="sha256"))
    assert lake.rows(lake.ana, "SELECT DISTINCT customer_id FROM lakehouse.retail.customers") == [[None]]
    lake.delete("policy", "m-wrong", *(one["name"] for one in made))


@pytest.mark.acceptance("ch08-AS08")
def test_filters_hold_for_their_users_and_masked_values_cannot_be_probed(lake: Lake, readers: None):
    lake.apply(
        filtered(
            "emea-only",
            {"column": "region", "operator": "equals", "value": "EMEA"},
            {"column": "home_store", "operator": "not_equals", "value": "s3"},
        )
    )
    lake.apply(mask("hide-name", "name", "redact", role="analyst"))
    lake.apply(mask("hide-region", "region", "redact", replacement="?", role="analyst"))
    assert lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.customers") == [[1]]
    assert lake.rows(lake.op, "SELECT count(*) FROM lakehouse.retail.customers") == [[4]]
    assert lake.rows(lake.ana, "SELECT customer_id, region FROM lakehouse.retail.customers") == [[1, "?"]]
    for probe in ("name = 'Ann'", "name LIKE 'A%'", "length(name) = 3", "region = 'EMEA'"):
        assert lake.rows(lake.ana, f"SELECT count(*) FROM lakehouse.retail.customers WHERE {probe}") == [[0]], probe
    lake.delete("policy", "emea-only", "hide-name", "hide-region")


def test_fields_of_structs_are_masked_and_denied(lake: Lake, readers: None):
    sql = "SELECT address FROM lakehouse.retail.customers ORDER BY customer_id"
    lake.apply(mask("hide-zip", "address.zip", "redact", replacement="0000"))
    assert lake.rows(lake.ana, sql)[0] == [["Oslo", "0000"]]
    assert lake.rows(lake.ana, "SELECT address.zip FROM lakehouse.retail.customers ORDER BY customer_id") == [
        ["0000"],
        [None],
        [None],
        ["0000"],
    ]
    lake.delete("policy", "hide-zip")
    lake.apply(access("no-zip", ["roles:id:analyst"], "dataos://lakehouse:retail/customers#address.zip", allow=False))
    assert lake.rows(lake.ana, sql) == [[["Oslo"]], [["Rome"]], [None], [["Bonn"]]]
    lake.delete("policy", "no-zip")


def test_a_filter_that_cannot_be_applied_shows_nothing(lake: Lake, readers: None):
    answer = lake.op.post(
        "/api/v1/apply", json={"document": filtered("odd", {"column": "age", "operator": "equals", "value": "young"})}
    )
    assert answer.status_code == 200, answer.text
    problem = lake.refused(lake.ana, "SELECT 1 FROM lakehouse.retail.customers")
    assert problem["code"] == "policy.filter"
    assert "`odd`" in problem["message"]
    lake.delete("policy", "odd")
    lake.apply(filtered("missing", {"column": "nosuch", "operator": "equals", "value": 1}))
    assert "`missing`" in lake.refused(lake.ana, "SELECT 1 FROM lakehouse.retail.customers")["message"]
    lake.delete("policy", "missing")


@pytest.mark.acceptance("ch08-AS10")
def test_a_grant_is_requested_approved_and_ended(lake: Lake):
    sql = "SELECT count(*) FROM lakehouse.retail.stores"
    values = {
        "minerva-table-read": [{"catalog": "lakehouse", "schema": "retail", "table": "stores"}],
        "ds-read": [{"depot": "lakehouse", "collection": "retail", "dataset": "stores"}],
    }
    grant = {
        "name": "stores-for-ana", "version": "v1alpha", "type": "grant", "layer": "user",
        "grant": {
            "policy_use_case_id": "read-specific-dataset", "subjects": ["users:id:ana"], "values": values,
            "notes": "I need it", "approve": False,
        },
    }  # fmt: skip
    lake.refused(lake.ana, sql)
    lake.apply(grant, lake.ana)
    (request,) = [g for g in lake.ana.get("/api/v1/grants").json()["items"] if g["notes"] == "I need it"]
    assert (request["state"], request["requester"], request["grant_id"]) == ("requested", "ana", None)
    lake.refused(lake.ana, sql)
    assert lake.ana.post(f"/api/v1/grants/{request['id']}/approve").status_code == 403
    approved = lake.op.post(f"/api/v1/grants/{request['id']}/approve").json()
    assert (approved["state"], approved["decision"]) == ("approved", "admin")
    assert approved["grant_id"]
    assert lake.rows(lake.ana, sql) == [[2]]
    assert lake.op.post(f"/api/v1/grants/{request['id']}/approve").status_code == 409
    lake.delete("grant", "stores-for-ana")
    lake.refused(lake.ana, sql)
    at_once = {**grant, "name": "at-once", "grant": {**grant["grant"], "approve": True}}
    answer = lake.ana.post("/api/v1/apply", json={"document": at_once})
    assert answer.status_code == 403
    assert "manage-governance-primitives" in answer.json()["errors"][0]["hint"]
    lake.apply(at_once)
    assert lake.rows(lake.ana, sql) == [[2]]
    lake.delete("grant", "at-once")


def test_faulty_grants_make_nothing(lake: Lake):
    def problems(**grant: Any) -> list[str]:
        document = {"name": "bad", "version": "v1alpha", "type": "grant", "grant": grant}
        answer = lake.op.post("/api/v1/apply", json={"document": document})
        assert answer.status_code in (404, 422), answer.text
        return [e["message"] for e in answer.json()["errors"]]

    assert "no use-case `nosuch`" in problems(policy_use_case_id="nosuch", subjects=["users:id:ana"])[0]
    missing = problems(policy_use_case_id="read-specific-dataset", subjects=["users:id:ana"])
    assert any("`depot`, `collection`, `dataset` of atom `ds-read` has no value" in m for m in missing)
    unknown = problems(
        policy_use_case_id="read-specific-secret", subjects=["users:id:ana"], values={"nosuch": [{"secret": "x"}]}
    )
    assert any("atom not found with id nosuch" in m for m in unknown)
    assert any(
        "belongs to no tag-namespace" in m for m in problems(policy_use_case_id="read-users", subjects=["folks:id:ana"])
    )
    assert lake.op.get("/api/v1/resources/grant/bad").status_code == 404


@pytest.mark.acceptance("ch08-AS11")
def test_applications_declare_atoms_and_ask_for_decisions(lake: Lake):
    provider = {
        "version": "0.1.0", "id": "stores-app", "name": "Stores App", "description": "store locator app",
        "authorization_atoms": [
            {"id": "stores-ui", "description": "open the app", "predicate": "get", "paths": ["${path}"]},
            {"id": "stores-edit", "description": "change a store", "predicate": "edit_store", "paths": ["${path}"]},
        ],
    }  # fmt: skip
    case = {
        "id": "stores-app-access", "name": "Stores App Access", "category": "stores-app",
        "authorization_atoms": ["stores-ui", "stores-edit"],
        "values": [
            {"authorization_atom_id": "stores-ui", "variable_values": [{"path": "/stores/**"}]},
            {"authorization_atom_id": "stores-edit", "variable_values": [{"path": "/stores/**"}]},
        ],
    }  # fmt: skip
    assert lake.op.post("/api/v1/governance/providers", json=provider).status_code == 200
    assert lake.op.post("/api/v1/governance/use-cases", json=case).status_code == 200
    body = {"policy_use_case_id": "stores-app-access", "subjects": ["users:id:ana"], "approve": True}
    assert lake.op.post("/api/v1/grants", json=body).status_code == 200
    tokens = {
        who: client.headers["Authorization"].partition(" ")[2] for who, client in (("ana", lake.ana), ("ben", lake.ben))
    }

    def ask(who: str, path: str, atom: str = "stores-edit") -> httpx.Response:
        context = {"predicate": "edit_store", "object": {"paths": [path]}}
        asked = {"token": tokens[who], "context": context, "pep_context": {"authorization_atom_id": atom}}
        return lake.ana.post("/heimdall/api/v1/authorize", json=asked)

    assert ask("ana", "/stores/s-1").json()["allow"] is True
    assert ask("ben", "/stores/s-1").json()["allow"] is False
    assert ask("ana", "/elsewhere").json()["allow"] is False
    unknown = ask("ana", "/stores/s-1", "nosuch")
    assert unknown.status_code == 400
    assert "atom not found with id nosuch" in unknown.text
    contexts = {
        key: {"predicate": "edit_store", "object": {"paths": [path]}} for key, path in (("a", "/stores/x"), ("b", "/x"))
    }
    batch = lake.ana.post(
        "/heimdall/api/v1/authorize/batch", json={"token": tokens["ana"], "contexts": contexts}
    ).json()
    assert {key: found["allow"] for key, found in batch["results"].items()} == {"a": True, "b": False}
    empty = lake.ana.post("/heimdall/api/v1/authorize", json={"token": ""}).json()
    assert (empty["valid"], empty["error"]) == (False, {"status": 400, "message": "token is empty"})
    assert lake.ana.post("/heimdall/api/v1/authorize", json={"token": tokens["ana"]}).json()["result"]["id"] == "ana"
    in_use = lake.op.delete("/api/v1/governance/use-cases/stores-app-access")
    assert in_use.status_code == 409
    assert lake.op.delete("/api/v1/governance/use-cases/stores-app-access?force=true").status_code == 200
    assert ask("ana", "/stores/s-1").json()["allow"] is False


@pytest.mark.acceptance("ch08-AS12")
def test_nobody_makes_himself_an_operator(lake: Lake):
    answer = lake.ana.put("/api/v1/users/ana/tags", json={"tags": ["roles:id:operator"]})
    assert answer.status_code == 403
    assert "manage-user-tags" in answer.json()["errors"][0]["hint"]
    for document in (READERS, filtered("own", {"column": "age", "value": 1})):
        assert lake.ana.post("/api/v1/apply", json={"document": document}).status_code == 403


def test_what_would_lock_out_everybody_is_refused(lake: Lake):
    block = {"subjects": {"tags": ["roles:**"]}, "predicates": ["**"], "objects": {"tags": ["**"], "paths": ["**"]}}
    document = {"name": "lock", "version": "v1", "type": "policy", "layer": "user", "policy": {"access": block}}
    answer = lake.op.post("/api/v1/apply", json={"document": document})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "policy.lockout")
    assert lake.op.get("/api/v1/me").status_code == 200


def test_a_policy_is_taken_out_of_force_on_the_machine_itself(lake: Lake, readers: None):
    """However it came: here a denial that leaves one operator, who then is lost."""
    lake.apply(access("nobody", ["roles:id:analyst"], "dataos://**", allow=False, predicates=["**"]))
    lake.refused(lake.ana, "SELECT count(*) FROM lakehouse.retail.orders")
    unknown = lake.server.cli("admin", "disable-policy", "-n", "nobodi")
    assert (unknown.code, "did you mean `nobody`?" in unknown.err) == (1, True)
    lake.server.ok("admin", "disable-policy", "-n", "nobody")
    assert lake.rows(lake.ana, "SELECT count(*) FROM lakehouse.retail.orders") == [[2]]
    lake.delete("policy", "nobody")
