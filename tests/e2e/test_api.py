"""The HTTP API as a program meets it: one error body everywhere, the right status, nothing without a token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import Installation, installation, wait_until

OPEN = {"/api/v1/health", "/api/v1/version", "/health", "/ready", "/api/v1/login"}
TO_LOG_IN = {
    "/api/v1/login",
    "/api/v1/login/invitation",
    *(f"/api/v1/login/oidc{path}" for path in ("", "/callback", "/token", "/device", "/device/token")),
}
"""What needs no token either: whoever logs in has none yet (tests/integration/governance)."""
HOLDER = """
name: holder
version: v1
type: workflow
workflow:
  dag:
    - name: hold
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          script: |
            import os, time
            print(os.environ["DATAOS_RUN_AS_APIKEY"], flush=True)
            time.sleep(600)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("api"), env={"DATAOS_AUTH__WRONG_TOKENS": "100000"}) as made:
        yield made


@pytest.fixture(scope="module")
def token(server) -> str:
    return (server.home / "keys" / "admin.token").read_text().strip()


@pytest.fixture(scope="module")
def job_token(server) -> Iterator[str]:
    """The token of a job that runs."""
    server.ok("apply", "-f", server.write("holder.yaml", HOLDER))

    def printed() -> str:
        nodes = server.client().log("workflow", "holder", "public")["nodes"]
        return nodes[0]["text"].strip() if nodes else ""

    yield wait_until(printed, 20, "the job's token")
    server.ok("delete", "-t", "workflow", "-n", "holder")


def call(
    server: Installation,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: Any = None,
    raw: Any = None,
    headers: dict[str, str] | None = None,
    chunked: bool = False,
) -> tuple[int, Any, dict[str, str]]:
    """Status, parsed body, headers (in small letters)."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    sent = {"Content-Type": "application/json", **(headers or {})}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    payload = raw if raw is not None else None if body is None else json.dumps(body)
    try:
        connection.request(method, path, payload, sent, encode_chunked=chunked)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def check_error(answer: tuple[int, Any, dict[str, str]], status: int) -> list[dict[str, Any]]:
    """The one error body, with this status. Returns the problems."""
    found, body, headers = answer
    assert found == status, body
    assert set(body) == {"errors", "warnings"}
    assert body["errors"]
    for problem in body["errors"]:
        assert {"code", "message"} <= set(problem)
        assert set(problem) <= {
            "code", "message", "hint", "type", "name", "path", "file", "line", "column", "retry"
        }  # fmt: skip
        assert all(problem[k] and isinstance(problem[k], str) for k in ("code", "message"))
    assert headers["content-type"].startswith("application/json")
    return body["errors"]


def operations(server: Installation) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of the API: method, path with names that nothing has, description."""
    described = call(server, "GET", "/api/v1/openapi.json")[1]
    missing = {
        "{type}": "workflow", "{name}": "nosuch", "{workspace}": "public", "{id}": "nosuch", "{generation}": "1",
        "{verb}": "stop", "{run}": "nosuchrun", "{run_id}": "nosuchrun",
        "{kind}": "roles", "{depot}": "nosuch", "{owner}": "nosuch", "{secret}": "nosuch_r", "{collection}": "nosuch",
        "{dataset}": "nosuch", "{version}": "latest", "{field}": "nosuch", "{nullable}": "true",
        "{address}": "nosuch:nosuch/nosuch",
    }  # fmt: skip
    found = []
    for path, methods in described["paths"].items():
        filled = path
        for key, value in missing.items():
            filled = filled.replace(key, value)
        assert "{" not in filled, f"say what {path} needs"
        found += [(method.upper(), filled, operation) for method, operation in methods.items()]
    return found


def takes_manifest(path: str, method: str) -> bool:
    """Routes whose body is the manifest itself, or an artifact of governance."""
    product = path.startswith("/api/v1/products/data/") and path.endswith("/nosuch")
    return (path.startswith(("/poros/", "/api/v1/governance/")) or product) and method in ("POST", "PUT")


def test_the_api_describes_what_it_has(server):
    paths = {path for _, path, _ in operations(server)}
    assert {"/api/v1/apply", "/api/v1/plan", "/api/v1/query", "/api/v1/inputs", "/api/v1/resources"} <= paths


@pytest.mark.parametrize("wrong", [None, "", "nonsense", "dk_" + "x" * 43, "da_" + "0" * 64, "\u00ff\u00fe"])
def test_every_route_but_health_and_version_needs_a_known_token_whatever_is_sent(server, wrong):
    for method, path, operation in operations(server):
        if path in TO_LOG_IN - OPEN or (path in TO_LOG_IN and method == "POST"):
            unknown = path.endswith(("/oidc", "/callback", "/device"))  # no provider is known here
            check_error(call(server, method, path, token=wrong, body={}), 403 if unknown else 400)
            continue
        if path in OPEN:
            assert call(server, method, path, token=wrong)[0] in ((200, 503) if path == "/ready" else (200,))
            continue
        for body in (None, {}, {"document": {}}) if "requestBody" in operation else (None,):
            answer = call(server, method, path, token=wrong, body=body)
            (problem,) = check_error(answer, 401)
            assert problem["code"] == ("auth.invalid" if wrong else "auth.missing")
            assert answer[2]["www-authenticate"] == "Bearer"
            assert not wrong or len(wrong) < 20 or wrong not in json.dumps(answer[1])


def test_the_reference_header_is_a_token_too(server, token):
    assert call(server, "GET", "/api/v1/resources", headers={"apikey": token})[0] == 200
    check_error(call(server, "GET", "/api/v1/resources", headers={"apikey": "nonsense"}), 401)
    check_error(call(server, "GET", "/api/v1/resources", headers={"Authorization": f"Basic {token}"}), 401)


FOR_JOBS = ("/api/v1/stream/",)
"""What only a job's token opens."""


def is_open_to_jobs(path: str) -> bool:
    """Inputs, the job's own stream and outputs, and what is a table's: seen and changed in the job's own view, as by
    /iceberg."""
    return path.startswith(("/api/v1/inputs", "/api/v1/outputs/schema", *FOR_JOBS)) or (
        path.startswith("/api/v1/datasets/") and "/compact" not in path
    )


def test_a_jobs_token_opens_inputs_and_tables_and_nothing_else(server, job_token):
    for method, path, operation in operations(server):
        if path in OPEN | TO_LOG_IN:
            continue
        body = {} if "requestBody" in operation else None
        answer = call(server, method, path, token=job_token, body=body)
        if is_open_to_jobs(path):
            check_error(answer, 400)
        else:
            assert check_error(answer, 403)[0]["code"] == "auth.forbidden"
    document = {"name": "s", "version": "v1", "type": "secret", "secret": {"type": "key-value", "acl": "r", "data": {}}}
    check_error(call(server, "POST", "/api/v1/apply", token=job_token, body={"document": document}), 403)
    done = server.cli("get", env={"DATAOS_FQDN": server.url, "APIKEY": job_token})
    assert done.code == 4
    assert job_token not in done.err + done.out


NEEDED: dict[str, dict[str, Any]] = {
    "/nosuch/state": {"state": "disabled"},
    "/nosuch/properties": {"properties": {"region": "emea"}},
    "/nosuch/properties/remove": {"keys": ["region"]},
    "/nosuch/federation": {"federated_user_id": "x"},
    "/nosuch/password": {"password": "three grey horses"},
}
"""What routes of users must be told before they look for one."""


def test_a_missing_object_is_404_on_every_route(server, token):
    for method, path, operation in operations(server):
        if "nosuch" not in path or takes_manifest(path, method):
            continue
        body: dict[str, Any] = {"tags": ["roles:id:user"]} if path.endswith(("/tags", "/tags/remove")) else {}
        if path.endswith("/state"):
            body = {"job": "j", "input": "i", "state": {"since": "1"}}
        if "/users/" in path:
            body = next((b for end, b in NEEDED.items() if path.endswith(end)), body)
        if path.endswith("/access-requests"):
            body = {"reason": "x"}
        if path.startswith("/api/v1/benches/"):
            body = {"name": "n", "sql": "SELECT 1", "version": 1}
        if path.endswith("/labels"):
            body = {"column": "c", "tag": "t", "decision": "accept"}
        answer = call(server, method, path, token=token, body=body if "requestBody" in operation else None)
        if "/workflow/" not in path:
            known = ("user.not_found", "user.key_not_found", "role.not_found", "governance.not_found", "query.not_found", "bench.not_found", "policy.not_in_force", "depot.dataset_not_found", "resource.not_found", "depot.not_found",
                     "secret.not_found", "dataset.not_found.compaction", "metadata.not_found")  # fmt: skip
            if path.startswith("/ds/") and method != "GET":
                continue  # their bodies are of many forms: test_depots.py
            assert check_error(answer, 404)[0]["code"] in known
            continue
        if method == "DELETE":
            assert answer[:2] == (200, {"count": 0} if path.endswith("/state") else {"result": "nothing"})
        else:
            (problem,) = check_error(answer, 404)
            assert problem["code"] == "resource.not_found"
            assert "no workflow `nosuch` in workspace public" in problem["message"]
        sent = body if "requestBody" in operation else None
        unknown = call(server, method, path.replace("/workflow/", "/wrkflow/"), token=token, body=sent)
        assert check_error(unknown, 422)[0]["code"] == "kind.unknown", operation["summary"]
        elsewhere = call(server, method, path.replace("/public/", "/nowhere/"), token=token, body=sent)
        assert elsewhere[0] in (404, 200)


def test_bad_bodies_and_parameters_are_400_on_every_route(server, token, job_token):
    bodies: list[tuple[Any, Any]] = [
        (None, None), ([], None), ("text", None), (5, None), ({"nonsense": 1}, None), (None, '{"docu'),
        (None, b'{"document":"\xff"}'), (None, "[" * 100_000 + "]" * 100_000),
    ]  # fmt: skip
    seen = 0
    for method, path, operation in operations(server):
        if "requestBody" in operation:
            for body, raw in bodies if operation["requestBody"].get("required") else bodies[1:]:
                if path.startswith("/ds/") and isinstance(body, (dict, list)):
                    continue  # lists and mappings of any names
                if takes_manifest(path, method) and isinstance(body, dict):
                    continue  # any mapping is a document: whether it is a manifest is another question
                own = job_token if path.startswith(FOR_JOBS) else token
                for problem in check_error(call(server, method, path, token=own, body=body, raw=raw), 400):
                    assert problem["code"] == "request.invalid"
                    assert problem["path"].startswith("body")
                seen += 1
        for parameter in operation.get("parameters", []):
            kinds = {parameter["schema"].get("type")}
            if parameter["in"] == "query" and kinds & {"integer", "boolean", "number"}:
                for value in ("nonsense", "", "9" * 40, "-9"):
                    answer = call(server, method, f"{path}?{parameter['name']}={value}", token=token)
                    assert f"query.{parameter['name']}" in {p["path"] for p in check_error(answer, 400)}
                    seen += 1
    assert seen > 30


def test_what_is_no_route_takes_the_same_form(server, token):
    assert check_error(call(server, "GET", "/api/v1/nowhere", token=token), 404)[0]["code"] == "request.not_found"
    assert check_error(call(server, "PUT", "/api/v1/apply", token=token), 405)[0]["code"] == "request.method"
    check_error(call(server, "GET", "/nowhere"), 404)
    check_error(call(server, "GET", "/api/v1/resources/%2e%2e/%2e%2e/etc/passwd", token=token), 404)


def test_a_body_that_is_too_large_is_413_announced_or_not(server, token):
    announced = call(server, "POST", "/api/v1/apply", token=token, raw=b"", headers={"Content-Length": str(1 << 40)})
    assert check_error(announced, 413)[0]["code"] == "request.too_large"
    pieces = (b"x" * (1 << 20) for _ in range(40))
    check_error(call(server, "POST", "/api/v1/apply", token=token, raw=pieces, chunked=True), 413)


def document(**changed: Any) -> dict[str, Any]:
    section = {"type": "key-value", "acl": "r", "data": {"a": "b"}}
    return {"name": "s", "version": "v1", "type": "secret", "secret": section, **changed}


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


DOCUMENTS = {
    "nothing": ({}, "manifest.missing"),
    "half a character": (document(description="\ud800"), "manifest.encoding"),
    "half a character in a secret": (
        document(secret={"type": "key-value", "acl": "r", "data": {"a": "x\udfff"}}), "manifest.encoding"
    ),
    "half a character in a key": (document(**{"\ud800": 1}), "manifest.encoding"),
    "no number": (document(description=float("nan")), "manifest.invalid"),
    "infinity": (document(tags=[float("inf")]), "manifest.invalid"),
    "deep nesting": (document(secret=nested(500)), "manifest.too_large"),
    "a list as a name": (document(name=["s"]), "manifest.invalid"),
    "a mapping as a tag": (document(tags=[{"a": 1}]), "manifest.invalid"),
    "a name that is a path": (document(name="../../etc"), "manifest.name"),
    "a workspace that is a path": (document(workspace="../.."), "manifest.name"),
    "no section": (document(secret=None), "manifest.missing"),
    "a number as a section": (document(secret=5), "manifest.invalid"),
    "a secret inside a secret": (
        document(secret={"type": "key-value", "acl": "r", "data": {"a": {"b": "c"}}}), "manifest.invalid"
    ),
    "an unknown type": (document(type="nosuch"), "kind.unknown"),
}  # fmt: skip


@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_document_that_is_no_manifest_is_422_and_nothing_is_stored(server, token, what):
    sent, code = DOCUMENTS[what]
    for extra in ({}, {"dryRun": True}):
        problems = check_error(
            call(server, "POST", "/api/v1/apply", token=token, body={"document": sent, **extra}), 422
        )
        assert code in {p["code"] for p in problems}
    status, body, _ = call(server, "POST", "/api/v1/plan", token=token, body={"documents": [sent]})
    assert (status, body["items"][0]["action"]) == (200, "invalid")
    assert code in {p["code"] for p in body["items"][0]["errors"]}
    check_error(call(server, "GET", "/api/v1/workspaces/public/resources/secret/s", token=token), 404)


def test_places_that_are_none_are_refused_before_they_break_a_later_message(server, token):
    for source in ({"file": 5}, {"lines": {"a": "b"}}, {"lines": {"a": [1]}}, {"more": 1}, []):
        body = {"document": document(), "source": source}
        check_error(call(server, "POST", "/api/v1/apply", token=token, body=body), 400)


def test_a_listing_of_what_cannot_be_is_an_error_and_of_what_is_not_there_is_empty(server, token):
    for query, status in (("type=nosuch", 422), ("workspace=nowhere", 422), ("type=lens", 200), ("name=nosuch", 200)):
        answer = call(server, "GET", f"/api/v1/resources?{query}", token=token)
        if status == 200:
            assert answer[:2] == (200, {"items": [], "next": None})
        else:
            check_error(answer, status)


def test_pages_hold_every_resource_once(server, token):
    every = [r["id"] for r in server.client().resources()]
    found: list[str] = []
    after = ""
    while True:
        page = call(server, "GET", f"/api/v1/resources?limit=1{after}", token=token)[1]
        found += [r["id"] for r in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == every
    assert len(set(found)) == len(found) >= 3


QUERIES = [
    ({"sql": ""}, 400),
    ({"sql": ";"}, 400),
    ({"sql": "SELECT FROM"}, 400),
    ({"sql": "SELECT \ud800"}, 400),
    ({"sql": "SELECT 1", "cluster": "nosuch"}, 404),
    ({"sql": "SELECT 1", "maxRows": 0}, 400),
    ({"sql": "SELECT 1", "timeoutS": -1}, 400),
    ({"sql": "SELECT " + "(" * 3000 + "1" + ")" * 3000}, 400),
    ({"sql": "SELECT * FROM nosuch.a.b"}, 404),
    ({"sql": "x" * (5 << 20)}, 400),
]


@pytest.mark.parametrize(("body", "status"), QUERIES, ids=[repr(b)[:40] for b, _ in QUERIES])
def test_a_bad_statement_is_answered_in_the_same_form(server, token, body, status):
    check_error(call(server, "POST", "/api/v1/query", token=token, body=body), status)


@pytest.mark.parametrize(
    "address", ["x", "dataos://nosuch:a/b", "dataos://lakehouse:a/b?acl=rw", "dataos://lakehouse:../b"]
)
def test_a_bad_address_of_an_input_is_answered_in_the_same_form(server, token, job_token, address):
    for who in (token, job_token):
        answer = call(server, "POST", "/api/v1/inputs", token=who, body={"address": address})
        assert answer[0] in (400, 404, 422)
        check_error(answer, answer[0])


def test_the_catalogs_door_needs_a_token_and_keeps_its_protocols_error_form(server, token):
    for path in ("/v1/config", "/v1/lakehouse/namespaces"):
        status, body, _ = call(server, "GET", path)
        if status == 404:
            status, body, _ = call(server, "GET", "/iceberg" + path)
        assert status == 401
        assert set(body) == {"error"}
        assert {"message", "type", "code"} <= set(body["error"])


def test_no_answer_was_a_crash(server):
    log = (server.home / "logs" / "server.log").read_text()
    assert "Traceback" not in log
    assert "crashed" not in log
