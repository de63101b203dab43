"""Rights to Resources, credentials and other users' names, as policies and grants give them (ch01, ch02, ch03)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.retail import READERS, Lake, access, mask
from support.server import wait_until

PASSWORD = "p@ss$word;1"
DATABASE = {"type": "POSTGRESQL", "postgresql": {"host": "127.0.0.1", "port": 1, "database": "x"}}


def secret(name: str, acl: str | None = None) -> dict[str, Any]:
    """A Secret of a workspace; with an acl an Instance-Secret with a database's credentials."""
    if acl is None:
        body: dict[str, Any] = {"type": "key-value", "acl": "r", "data": {"token": "canary"}}
        return {"name": name, "version": "v1", "type": "secret", "workspace": "public", "secret": body}
    body = {"type": "key-value-properties", "acl": acl, "data": {"username": f"u-{acl}", "password": PASSWORD}}
    return {"name": name, "version": "v1", "type": "instance-secret", "layer": "user", "instance-secret": body}


def workflow(name: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One Flare job."""
    job = {"name": "job", "spec": {"stack": "flare:7.0", "stackSpec": {"job": body}, **more}}
    return {"name": name, "version": "v1", "type": "workflow", "workspace": "public", "workflow": {"dag": [job]}}


def copy_of(source: str, target: str) -> dict[str, Any]:
    return {
        "inputs": [{"name": "i", "dataset": source, "format": "iceberg"}],
        "steps": [{"sequence": [{"name": "o", "sql": "SELECT * FROM i"}]}],
        "outputs": [{"name": "o", "dataset": f"{target}?acl=rw", "format": "iceberg"}],
    }


def problem(answer: httpx.Response, status: int = 403) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return answer.json()["errors"][0]


def missing(told: dict[str, Any]) -> str:
    """The use case that a refusal names."""
    found = re.search(r"missing use case: .+ \(`([a-z-]+)`\)", told["hint"])
    assert found, told
    return found[1]


def lacking(use_case: str, who: httpx.Client, document: dict[str, Any], given: Any) -> dict[str, Any]:
    """The refusal that names one use case, when all rights that are asked for before it are given."""
    for _ in range(4):
        told = problem(apply(who, document))
        if f"`{use_case}`" in told["hint"]:
            return told
        given(missing(told), "ana")
    raise AssertionError(told)


def apply(who: httpx.Client, document: dict[str, Any]) -> httpx.Response:
    return who.post("/api/v1/apply", json={"document": document})


@pytest.fixture
def given(lake: Lake) -> Iterator[Any]:
    """Approves a grant for a user, until the test ends."""
    ids: list[str] = []

    def give(use_case: str, user: str, values: dict[str, Any] | None = None) -> str:
        body = {
            "policy_use_case_id": use_case,
            "subjects": [f"users:id:{user}"],
            "approve": True,
            "values": values or {},
        }
        answer = lake.op.post("/api/v1/grants", json=body)
        assert answer.status_code == 200, answer.text
        ids.append(str(answer.json()["id"]))
        return ids[-1]

    yield give
    for id_ in ids:
        lake.op.delete(f"/api/v1/grants/{id_}")


@pytest.mark.acceptance("ch01-AS18")
def test_who_may_not_create_is_told_the_use_case_and_a_grant_is_in_force_at_once(lake: Lake, given: Any):
    document = secret("own-secret")
    told = problem(apply(lake.ana, document))
    assert told["message"] == "Forbidden: user ana may not apply secret:v1:own-secret:public"
    id_ = given(missing(told), "ana")
    assert apply(lake.ana, document).status_code == 200
    assert lake.op.delete(f"/api/v1/grants/{id_}").status_code == 200
    document["secret"]["data"] = {"token": "another"}
    problem(apply(lake.ana, document))
    assert lake.ana.delete("/api/v1/workspaces/public/resources/secret/own-secret").status_code == 200, "it is hers"


@pytest.mark.acceptance("ch01-AS11")
def test_what_is_anothers_is_shown_with_a_grant_and_its_values_with_another(lake: Lake, given: Any):
    lake.apply(secret("ops-secret"))
    key = lake.ana.headers["Authorization"].partition(" ")[2]
    ana = {"USER_ID": "ana", "APIKEY": key, "DATAOS_FQDN": lake.server.url}

    def shown(*flags: str) -> bool:
        return "ops-secret" in lake.server.ok("get", "-t", "secret", "-w", "public", *flags, env=ana).out

    detail = ("get", "-i", "ops-secret:v1:secret:public", "-d")
    assert not shown("-a")
    assert lake.server.cli(*detail, env=ana).code == 4
    given("read-all-resources-in-user-workspaces", "ana")
    assert shown("-a")
    assert not shown(), "it is not hers"
    masked = lake.server.ok(*detail, env=ana).out
    assert "****" in masked
    assert "canary" not in masked
    refused = lake.server.cli(*detail, "--unSanitize", env=ana)
    assert (refused.code, "`un-sanitize-resource`" in refused.err) == (4, True)
    given("un-sanitize-resource", "ana")
    assert "canary" in lake.server.ok(*detail, "--unSanitize", env=ana).out
    lake.op.delete("/api/v1/workspaces/public/resources/secret/ops-secret")


READ_SHOP = {
    "minerva-table-read": [{"catalog": "shopdb", "schema": "**", "table": "**"}],
    "ds-read": [{"depot": "shopdb", "collection": "**", "dataset": "**"}],
}


@pytest.mark.acceptance("ch02-AS04")
def test_credentials_by_purpose_need_a_grant_of_that_purpose(lake: Lake, given: Any):
    for acl in ("r", "rw"):
        lake.apply(secret(f"shopdb-{acl}", acl))
    lake.apply({"name": "shopdb", "version": "v2alpha", "type": "depot", "layer": "user",
                "depot": {**DATABASE, "secrets": [{"name": f"shopdb-{acl}", "allkeys": True} for acl in ("r", "rw")]}})  # fmt: skip
    wait_until(lambda: lake.op.get("/ds/api/v2/depots/shopdb").status_code == 200, 20, "the depot")
    lake.apply(READERS)

    def asked(acl: str) -> httpx.Response:
        return lake.ana.get("/ds/api/v2/depots/shopdb/secrets", params={"acl": acl})

    assert [asked(acl).status_code for acl in ("r", "rw")] == [403, 403]
    given("read-specific-secret", "ana", {"read-secret": [{"secret": "shopdb_r"}]})
    assert asked("r").status_code == 403, "it opens all of a Depot of which she may read nothing"
    given("read-specific-dataset", "ana", READ_SHOP)
    (entry,) = asked("r").json()["data"]
    lines = base64.b64decode(entry["base64Value"]).decode().splitlines()
    assert sorted(lines) == [f"password={PASSWORD}", "username=u-r"]
    told = problem(asked("rw"))
    assert "with acl rw" in told["message"]
    job = copy_of("dataos://lakehouse:retail/orders", "dataos://shopdb:public/totals")
    job["outputs"][0]["format"] = "jdbc"
    writes = workflow("writes-shop", job)
    told = lacking("manage-specific-dataset", lake.ana, writes, given)
    assert "dataos://shopdb:public/totals" in told["message"], told
    lake.delete("depot", "shopdb")
    lake.delete("instance-secret", "shopdb-r", "shopdb-rw")
    lake.delete("policy", "readers")


@pytest.mark.acceptance("ch03-AS19")
def test_a_job_sees_what_the_user_sees_as_whom_it_runs(lake: Lake, given: Any):
    assert lake.op.post("/api/v1/query", json={"sql": "CREATE SCHEMA lakehouse.lab"}).status_code == 200
    lake.apply(READERS)
    lake.apply(access("labs", [["roles:id:analyst"]], "dataos://lakehouse:lab/*", predicates=["**"]))
    lake.apply(mask("emea-email", "email", "redact", role="emea", replacement="as ben"))
    sql = "SELECT DISTINCT email FROM lakehouse.{}"
    assert len(lake.rows(lake.ana, sql.format("retail.customers"))) == 4
    job = copy_of("dataos://lakehouse:retail/customers", "dataos://lakehouse:lab/seen")
    as_ben = workflow("as-ben", job, runAsUser="ben")
    told = lacking("run-as-user", lake.ana, as_ben, given)
    assert "may not run jobs as `ben`" in told["message"], told
    given("run-as-user", "ana", {"run-as-dataos-resource": [{"user": "ben"}]})
    assert apply(lake.ana, as_ben).status_code == 200
    path = "/api/v1/workspaces/public/resources/workflow/as-ben/runtime"

    def ended() -> Any:
        run = lake.op.get(path).json()["run"] or {}
        return run if run.get("state") in ("succeeded", "failed", "aborted") else None

    run = wait_until(ended, 90, "the run as ben")
    assert run["state"] == "succeeded", run
    assert lake.rows(lake.op, sql.format("lab.seen")) == [["as ben"]]
    keyed = workflow("keyed", job, runAsApiKey="canary-key")
    assert "runAsUser names somebody else" in problem(apply(lake.ana, keyed), 422)["hint"]
    cluster = {"type": "minerva", "compute": "query-default", "runAsApiKey": "canary-key", "minerva": {"replicas": 1}}
    lake.apply({"name": "keyed", "version": "v1", "type": "cluster", "workspace": "public", "cluster": cluster})
    shown = lake.server.ok("get", "-i", "keyed:v1:cluster:public", "-d").out
    assert "runAsApiKey" in shown
    assert "****" in shown
    assert "canary-key" not in shown
    assert lake.op.delete("/api/v1/workspaces/public/resources/cluster/keyed?force=true").status_code == 200
