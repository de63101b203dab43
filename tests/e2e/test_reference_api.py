"""The routes of the reference (/poros, /collated, /heimdall), and whether the API's description is true."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from support.server import Installation, installation, wait_until

POROS = "/poros/api/v1"
HEIMDALL = "/heimdall/api/v1"
REPORTS = "/collated/api/v1/reports/resources"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("reference")) as made:
        yield made


@pytest.fixture(scope="module")
def token(server) -> str:
    return (server.home / "keys" / "admin.token").read_text().strip()


@pytest.fixture(scope="module")
def bot(server) -> str:
    """The key of a user who is no operator."""
    server.ok("user", "create", "-t", "application", "-u", "bot", "-n", "Bot")
    return server.ok("user", "apikey", "create", "-i", "bot", "-O", "json").json["token"]


def call(
    server: Installation, method: str, path: str, token: str | None = None, body: Any = None
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/json", **({"apikey": token} if token else {})}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def secret(name: str, **more: Any) -> dict[str, Any]:
    section = {"type": "key-value", "acl": "r", "data": {"user": "ida", "word": "=a=\nb"}}
    return {"name": name, "version": "v1", "type": "secret", "secret": section, **more}


def workflow(name: str) -> dict[str, Any]:
    job = {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": "print('heard')"}}
    return {"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": [{"name": "only", "spec": job}]}}


# --- /poros -------------------------------------------------------------------------------------------------------------


def test_resources_are_made_read_changed_and_deleted_by_their_place(server, token):
    place = f"{POROS}/workspaces/sandbox/resources"
    status, body, _ = call(server, "POST", place, token, secret("one"))
    assert (status, body["name"], body.get("workspace")) == (200, "one", "sandbox")
    assert body["secret"]["data"] == {"user": "****", "word": "****"}
    assert body["status"]["webServiceResources"] == [
        {"id": "one_sandbox", "service": "heimdall", "type": "secret", "self": f"{HEIMDALL}/secrets/one_sandbox",
         "status": "created"}
    ]  # fmt: skip
    assert call(server, "POST", place, token, secret("one"))[0] == 409
    assert call(server, "POST", f"{place}/secret", token, secret("two", workspace="sandbox"))[0] == 200
    status, listed, _ = call(server, "GET", f"{place}/secret", token)
    assert ([i["name"] for i in listed["items"]], listed["next"]) == (["one", "two"], None)
    changed = secret("one", description="changed")
    assert call(server, "PUT", f"{place}/secret/one", token, changed)[1]["generation"] == 2
    assert call(server, "PUT", f"{place}/secret/three", token, secret("three"))[0] == 404
    native = call(server, "GET", "/api/v1/workspaces/sandbox/resources/secret/one", token)[1]
    assert (native["generation"], native["manifest"]["description"]) == (2, "changed")
    assert call(server, "DELETE", f"{place}/secret/one", token)[1] == {"result": "deleted"}
    assert call(server, "GET", f"{place}/secret/one", token)[0] == 404
    call(server, "DELETE", f"{place}/secret/two", token)


@pytest.mark.parametrize(
    ("path", "document", "status", "code"),
    [
        ("/workspaces/sandbox/resources", secret("x", workspace="public"), 400, "request.invalid"),
        ("/workspaces/sandbox/resources/depot", secret("x"), 400, "request.invalid"),
        ("/resources", secret("x"), 400, "request.invalid"),
        ("/workspaces/nowhere/resources", secret("x"), 422, "resource.workspace"),
        ("/workspaces/sandbox/resources", {}, 422, "manifest.missing"),
        ("/workspaces/sandbox/resources/nosuch", secret("x"), 422, "kind.unknown"),
        ("/workspaces/sandbox/resources/validate", secret("X"), 422, "manifest.name"),
    ],
)
def test_a_manifest_in_the_wrong_place_is_refused_and_nothing_is_stored(server, token, path, document, status, code):
    found, body, _ = call(server, "POST", POROS + path, token, document)
    assert (found, body["errors"][0]["code"]) == (status, code), body
    assert not [r for r in server.client().resources() if r["name"].lower() == "x"]


def test_validating_stores_nothing_and_instance_level_types_have_no_workspace(server, token):
    place = f"{POROS}/workspaces/public/resources/validate"
    assert call(server, "POST", place, token, secret("checked"))[1] == {"valid": True, "warnings": []}
    assert call(server, "GET", f"{POROS}/workspaces/public/resources/secret/checked", token)[0] == 404
    document = {**secret("whole"), "type": "instance-secret"}
    document["instance-secret"] = document.pop("secret")
    assert call(server, "POST", f"{POROS}/resources", token, document)[0] == 200
    assert call(server, "GET", f"{POROS}/resources/instance-secret/whole", token)[1]["name"] == "whole"
    assert call(server, "DELETE", f"{POROS}/resources/instance-secret/whole", token)[1]["result"] == "deleted"


def test_spellings_of_paths_that_occur_are_understood(server, token):
    for path in (f"/{POROS}/workspaces", "/poros/api/v1/Workspaces", "/Poros/Api/V1/workspaces"):
        assert {w["name"] for w in call(server, "GET", path, token)[1]["items"]} >= {"public", "sandbox"}, path
    assert call(server, "GET", f"{POROS}/workspaces/public/Resources/lakehouse", token)[1]["items"]
    assert call(server, "GET", f"{POROS}/workspaces/public", token)[1]["name"] == "public"


def test_logs_and_reports_follow_a_run(server, token):
    place = f"{POROS}/workspaces/public/resources"
    assert call(server, "POST", place, token, workflow("heard"))[0] == 200
    id_ = "workflow:v1:heard:public"

    def value(what: str = "runtime") -> str:
        page = call(server, "GET", f"{REPORTS}/{what}?id={id_}", token)[1]
        (item,) = page["items"]
        (seen,) = item["observations"]
        assert (item["id"], seen["type"]) == (id_, "runtime" if what == "runtime" else "state")
        return seen["value"]

    wait_until(lambda: value() == "succeeded", 30, "the run's end")
    assert value("status") == "active"
    assert server.ok("get", "-t", "workflow", "-n", "heard", "-O", "json").json[0]["runtime"] == value()
    log = call(server, "GET", f"{place}/workflow/heard/log", token)[1]
    assert log["nodes"][0]["text"] == "heard\n"
    shown = server.ok("get", "-t", "workflow", "-n", "heard", "-d").out
    assert "cloudKernelResources:\n  - name:" in shown
    assert call(server, "GET", f"{place}/secret/heard/log", token)[0] == 404
    everything = call(server, "GET", f"/{REPORTS}/status?id=%25:%25:%25&size=2", token)[1]
    assert (len(everything["items"]), everything["page"], everything["size"]) == (2, 1, 2)
    assert everything["total_pages"] == -(-everything["total_records"] // 2)
    found = call(server, "GET", f"{REPORTS}/status?id=workflow:v1:hea%25:public", token)[1]
    assert [i["id"] for i in found["items"]] == [id_]
    assert call(server, "GET", f"{REPORTS}/status?id=workflow", token)[0] == 400
    server.ok("delete", "-t", "workflow", "-n", "heard")
    assert value("status") == "deleted"
    assert call(server, "GET", f"{REPORTS}/status?id=workflow:v1:never:public", token)[1]["items"] == []


# --- /heimdall ----------------------------------------------------------------------------------------------------------


def ask(server: Installation, token: str, who: str, predicate: str, **object_: Any) -> dict[str, Any]:
    body = {
        "token": who,
        "context": {"predicate": predicate, "object": object_},
        "pepContext": {"atomId": "read-secret"},
    }
    return call(server, "POST", f"{HEIMDALL}/authorize", token, body)[1]


def test_decisions_follow_the_policies_and_doubt_is_no(server, token, bot):
    path = "/poros/api/v1/workspaces/public"
    yes = ask(server, token, token, "delete", paths=[path])
    assert (yes["allow"], yes["valid"], yes["result"]["id"], yes["error"]) == (True, True, "admin", None)
    assert "roles:id:operator" in yes["result"]["tags"]
    case = {"policy_use_case_id": "peek", "subjects": ["users:id:bot"], "approve": True}
    provider = {
        "version": "0.1.0", "id": "peeking", "name": "Peeking", "description": "to look",
        "authorization_atoms": [{"id": "peek-path", "predicate": "get", "paths": [path]}],
    }  # fmt: skip
    assert call(server, "POST", "/api/v1/governance/providers", token, provider)[0] == 200
    peek = {"id": "peek", "name": "Peek", "authorization_atoms": ["peek-path"]}
    assert call(server, "POST", "/api/v1/governance/use-cases", token, peek)[0] == 200
    assert ask(server, bot, bot, "get", paths=[path])["allow"] is False
    assert call(server, "POST", "/api/v1/grants", token, case)[0] == 200
    assert ask(server, bot, bot, "get", paths=[path])["allow"] is True
    for predicate, object_ in (
        ("delete", {"paths": [path]}), ("get", {}), ("get", {"paths": ["/elsewhere"]}),
        ("select", {"tags": ["dataos:type:resource"]}), ("get", {"tags": ["PII.Email"]}), ("frob", {"paths": [path]}),
    ):  # fmt: skip
        no = ask(server, token, bot, predicate, **object_)
        assert (no["allow"], no["valid"], no["error"]["status"]) == (False, True, 403), (predicate, object_)
    unknown = ask(server, token, "nonsense", "get", paths=[path])
    assert (unknown["allow"], unknown["valid"], unknown["error"]["status"]) == (False, False, 401)
    contexts = {"a": {"predicate": "get", "object": {"paths": [path]}}, "b": {"predicate": "put", "object": {}}}
    batch = call(server, "POST", f"{HEIMDALL}/authorize/batch", token, {"token": bot, "contexts": contexts})[1]
    assert batch["id"] == "bot"
    assert {key: found["allow"] for key, found in batch["results"].items()} == {"a": True, "b": False}


def test_users_and_their_keys_have_the_references_shape_and_no_key_is_shown(server, token, bot):
    user = call(server, "GET", f"{HEIMDALL}/users/bot", bot)[1]
    assert set(user) == {
        "name", "type", "id", "email", "cid", "properties", "federated_user_id", "federated_connector_id", "tags", "_links"
    }  # fmt: skip
    assert {"bot", "admin"} <= {u["id"] for u in call(server, "GET", f"{HEIMDALL}/users", bot)[1]["items"]}
    (key,) = call(server, "GET", f"{HEIMDALL}/users/bot/tokens", bot)[1]["items"]
    assert set(key) == {"name", "expiration", "type", "data", "user_id"}
    assert bot not in json.dumps(key)
    assert call(server, "GET", f"{HEIMDALL}/users/admin/tokens", bot)[0] == 403
    assert call(server, "GET", f"{HEIMDALL}/users/nobody", bot)[0] == 404


def test_secrets_open_for_operators_only_and_it_is_written_down(server, token, bot):
    call(server, "POST", f"{POROS}/workspaces/public/resources", token, secret("opened"))
    properties = {
        **secret("props"),
        "secret": {"type": "key-value-properties", "acl": "r", "data": {"a": "1", "b": "x=y"}},
    }
    call(server, "POST", f"{POROS}/workspaces/public/resources", token, properties)
    status, body, headers = call(server, "GET", f"{HEIMDALL}/secrets/opened_public", token)
    assert (status, headers["cache-control"]) == (200, "no-store")
    plain = {e["key"]: base64.b64decode(e["base64Value"]).decode() for e in body["data"]}
    assert plain == {"user": "ida", "word": "=a=\nb"}
    (entry,) = call(server, "GET", f"{HEIMDALL}/secrets/props_public", token)[1]["data"]
    assert (entry["key"], base64.b64decode(entry["base64Value"]).decode()) == ("props", "a=1\nb=x=y\n")
    refused = call(server, "GET", f"{HEIMDALL}/secrets/opened_public", bot)
    assert (refused[0], "read-specific-secret" in refused[1]["errors"][0]["hint"]) == (403, True)
    assert call(server, "GET", f"{HEIMDALL}/secrets/nosuch", token)[0] == 404
    events = server.ok("events", "--kind", "revealed", "-O", "json").out.splitlines()
    assert any("secret:v1:opened:public" in line for line in events)
    assert server.ok("get", "-t", "secret", "-n", "opened", "-d", "--unSanitize").out.count("ida") == 1


# --- the description ----------------------------------------------------------------------------------------------------


def described(server: Installation) -> dict[str, Any]:
    return call(server, "GET", "/api/v1/openapi.json")[1]


def test_every_route_has_an_id_a_tag_a_summary_typed_answers_and_the_one_error_form(server):
    body = described(server)
    seen: set[str] = set()
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            assert len(operation["tags"]) == 1, where
            assert operation["summary"], where
            assert operation["description"], where
            if path.startswith("/iceberg"):
                continue  # the catalog's own protocol describes itself
            (good,) = [code for code in operation["responses"] if code.startswith(("2", "3"))]
            for content in operation["responses"][good].get("content", {} if good[0] == "3" else None).values():
                assert content["schema"] not in ({}, {"type": "object"}), where
            fault = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert fault == {"$ref": "#/components/schemas/Faults"}, where
            assert "422" not in operation["responses"], where
    assert {"resources_get", "resources_get_in_workspace", "poros_create_in_workspace", "heimdall_authorize"} <= seen


def test_no_alias_is_open_without_a_token_or_with_a_wrong_one(server):
    checked = 0
    for path, methods in described(server)["paths"].items():
        if not path.startswith(("/poros", "/collated", "/heimdall")):
            continue
        filled = path.replace("{workspace}", "public").replace("{type}", "secret")
        filled = filled.replace("{name}", "x").replace("{id}", "x")
        for method in methods:
            for wrong in (None, "nonsense"):
                status, body, _ = call(server, method.upper(), f"{filled}?id=a:b:c", wrong, {})
                assert (status, body["errors"][0]["code"].startswith("auth.")) == (401, True), (method, path)
                checked += 1
    assert checked > 40


def resolved(body: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": body["components"]})


READS = [
    "/health", "/ready", "/api/v1/doctor",
    "/api/v1/health", "/api/v1/version", "/api/v1/resources", "/api/v1/workspaces", "/api/v1/workspaces/{workspace}",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}/history",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}/history/{generation}",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runtime",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}/log",
    "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runs",
    "/api/v1/events", "/api/v1/me", "/api/v1/users", "/api/v1/users/{id}", "/api/v1/users/{id}/changes",
    "/api/v1/users/{id}/tokens", "/api/v1/users/{id}/sessions", "/api/v1/login", "/api/v1/roles", "/api/v1/roles/{role}/changes", "/poros/api/v1/workspaces",
    "/poros/api/v1/workspaces/{workspace}", "/poros/api/v1/workspaces/{workspace}/resources/{type}",
    "/poros/api/v1/workspaces/{workspace}/resources/{type}/{name}",
    "/poros/api/v1/workspaces/{workspace}/resources/{type}/{name}/log", "/heimdall/api/v1/users",
    "/heimdall/api/v1/users/{id}", "/heimdall/api/v1/users/{id}/tokens", "/heimdall/api/v1/users/{id}/tags",
    "/api/v1/benches", "/collated/api/v1/reports/resources/status?id=workflow:v1:told:public",
    "/collated/api/v1/reports/resources/runtime?id=workflow:v1:told:public",
]  # fmt: skip


@pytest.fixture(scope="module")
def told(server, token) -> None:
    place = f"{POROS}/workspaces/public/resources"
    call(server, "POST", place, token, workflow("told"))
    call(server, "PUT", f"{place}/workflow/told", token, {**workflow("told"), "description": "again"})
    runtime = f"{REPORTS}/runtime?id=workflow:v1:told:public"
    wait_until(
        lambda: call(server, "GET", runtime, token)[1]["items"][0]["observations"][0]["value"] == "succeeded",
        30,
        "its end",
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("path", READS)
def test_what_a_read_answers_is_what_the_description_says(server, token, path):
    body = described(server)
    known = path.split("?")[0].replace("{role}", "{id}")
    schema = body["paths"][known]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    values = {
        "workspace": "public",
        "type": "workflow",
        "name": "told",
        "generation": "1",
        "id": "admin",
        "role": "operator",
    }
    status, answer, _ = call(server, "GET", path.format(**values), token)
    assert status == 200, answer
    assert [f"{e.json_path}: {e.message}" for e in resolved(body, schema).iter_errors(answer)] == []


@pytest.mark.usefixtures("told")
def test_what_a_write_answers_is_what_the_description_says(server, token):
    body = described(server)
    document = secret("written")
    writes: list[tuple[str, str, Any]] = [
        ("post", "/api/v1/plan", {"documents": [document, secret("Wrong")]}),
        ("post", "/api/v1/apply", {"document": document, "dryRun": True}),
        ("post", "/api/v1/apply", {"document": document}),
        ("post", "/api/v1/apply", {"document": {**document, "description": "more"}}),
        ("post", "/api/v1/apply-set", {"documents": [{"document": secret("written-too")}]}),
        ("post", "/api/v1/workspaces/{workspace}/resources/{type}/{name}/rollback", {}),
        ("delete", "/api/v1/workspaces/{workspace}/resources/{type}/{name}", None),
        ("post", "/api/v1/workspaces", {"name": "written"}),
        ("delete", "/api/v1/workspaces/{workspace}", None),
        ("post", "/api/v1/users", {"id": "written", "name": "Written"}),
        ("put", "/api/v1/users/{id}/tags", {"tags": ["roles:id:data-dev"]}),
        ("post", "/api/v1/users/{id}/tags/remove", {"tags": ["roles:id:data-dev"]}),
        ("post", "/api/v1/users/{id}/tokens", {"name": "written"}),
        ("delete", "/api/v1/users/{id}", None),
        ("post", "/api/v1/maintenance/collect-garbage", {"older_s": 1e9}),
        ("post", "/api/v1/query", {"sql": "SELECT 1 AS a, 'x' AS b"}),
        ("post", "/api/v1/benches", {"name": "written", "sql": "SELECT 1"}),
        ("post", "/poros/api/v1/workspaces/{workspace}/resources/validate", secret("written")),
    ]  # fmt: skip
    for method, path, sent in writes:
        values = {"workspace": "public", "type": "secret", "name": "written", "id": "written"}
        if path == "/api/v1/workspaces/{workspace}":
            values["workspace"] = "written"
        status, answer, _ = call(server, method.upper(), path.format(**values), token, sent)
        assert status == 200, (path, answer)
        schema = body["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        assert [f"{e.json_path}: {e.message}" for e in resolved(body, schema).iter_errors(answer)] == [], path
    verb = "/api/v1/workspaces/public/resources/workflow/told/runtime/re-run"
    answer = call(server, "POST", verb, token, {})[1]
    assert set(answer) == {"verb", "result", "resource", "runs"}


def test_generated_calls_find_no_crash_and_no_answer_beside_the_description(server, token):
    """Schemathesis with a small budget: any body and parameter that the description allows, and some that it does not."""
    api = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    wanted = [
        CHECKS.get_one(n) for n in ("not_a_server_error", "response_schema_conformance", "content_type_conformance")
    ]
    calls = 0
    for found in api.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        others = ("/iceberg", "/api/v1/inputs", "/api/v1/outputs")  # streams of rows and archives of files
        if operation.path.startswith(others) or "collect-garbage" in operation.path:
            continue
        if operation.path == "/api/v1/stream":  # it never ends: tests/e2e/test_web.py
            continue
        if (operation.method.upper(), operation.path) in HARMFUL:
            continue

        @settings(
            max_examples=4, database=None, deadline=None, phases=[Phase.generate], derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def try_it(case: schemathesis.Case) -> None:
            nonlocal calls
            calls += 1
            response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=60)
            case.validate_response(response, checks=wanted)

        try_it()
    assert calls > 150


HARMFUL = {("POST", "/api/v1/users/{id}/tokens"), ("DELETE", "/api/v1/tokens/{name}"), ("GET", "/api/v1/events")}
"""Calls that would end the test's own key, or wait."""
