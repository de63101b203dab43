"""What a job's token opens: what its program needs, as its user sees it, and nothing else (ch08 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from support.retail import READERS, Lake, filtered, mask
from support.server import wait_until

HELD = """
import os, pathlib, time
pathlib.Path(os.environ["DATAOS_OUT_DIR"], "token").write_text(os.environ["DATAOS_RUN_AS_APIKEY"])
time.sleep(300)
"""


@pytest.fixture(scope="module")
def job(lake: Lake) -> Iterator[httpx.Client]:
    """A client with the token of a job that runs as an analyst, who sees neither all rows nor addresses."""
    lake.tag("ana", "roles:id:data-dev")
    lake.apply(READERS)
    lake.apply(mask("hide-email", "email", "redact", role="analyst", replacement="gone"))
    lake.apply(filtered("emea", {"column": "region", "operator": "equals", "value": "EMEA"}))
    spec = {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": HELD}}
    document = {"name": "held", "version": "v1", "type": "workflow", "workspace": "public",
                "workflow": {"dag": [{"name": "job", "spec": spec}]}}  # fmt: skip
    lake.apply(document, lake.ana)
    work = lake.server.home / "work"
    file = wait_until(lambda: next(iter(work.glob("*/out/token")), None), 30, "the job's token")
    token = wait_until(lambda: file.read_text().strip(), 5)
    with httpx.Client(base_url=lake.server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client
    lake.op.delete("/api/v1/workspaces/public/resources/workflow/held?force=true")


VALUES = {"type": "policy", "kind": "policy", "name": "hide-email", "user": "ana", "user_id": "ana", "id": "ana", "workspace": "public",
          "depot": "lakehouse", "collection": "retail", "dataset": "customers", "secret": "lakehouse_r",
          "prefix": "lakehouse", "namespace": "retail", "table": "customers", "view": "customers", "warehouse": "lakehouse"}  # fmt: skip


OPEN = frozenset({
    ("get", "/health"), ("get", "/ready"), ("get", "/api/v1/health"), ("get", "/api/v1/version"),
    ("get", "/api/v1/login"), ("post", "/api/v1/login"), ("post", "/api/v1/login/invitation"),
    ("post", "/api/v1/login/oidc/token"), ("post", "/api/v1/login/oidc/device/token"),
})  # fmt: skip
"""What strangers may ask: a token changes nothing there."""
OWN = frozenset({
    ("post", "/api/v1/inputs"), ("post", "/api/v1/inputs/position"), ("post", "/api/v1/inputs/schema"),
    ("post", "/api/v1/stream/begin"), ("post", "/api/v1/stream/commit"), ("get", "/api/v1/datasets/list"),
})  # fmt: skip
"""What programs of jobs need, and are tested below."""
ICEBERG = (
    ("get", "/iceberg/v1/lakehouse/namespaces/retail/tables/{}"),
    ("head", "/iceberg/v1/lakehouse/namespaces/retail/tables/{}"),
    ("post", "/iceberg/v1/lakehouse/namespaces/retail/tables/{}"),
    ("delete", "/iceberg/v1/lakehouse/namespaces/retail/tables/{}"),
    ("delete", "/iceberg/v1/lakehouse/namespaces/retail"),
    ("post", "/iceberg/v1/lakehouse/namespaces/retail/properties"),
)
ADDRESS = "dataos://lakehouse:retail/{}"


class Said:
    """What the server tells of its operations."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.operations = [(verb, path, one) for path, verbs in body["paths"].items() for verb, one in verbs.items()]
        self._schemas: dict[str, Any] = body["components"]["schemas"]

    def example(self, schema: dict[str, Any], name: str, table: str) -> Any:
        """A value that is taken, about a table."""
        if "$ref" in schema:
            return self.example(self._schemas[schema["$ref"].rpartition("/")[2]], name, table)
        if "enum" in schema or "const" in schema:
            return schema["enum"][0] if "enum" in schema else schema["const"]
        for some in ("anyOf", "oneOf", "allOf"):
            if some in schema:
                return self.example(schema[some][0], name, table)
        kind = schema.get("type")
        if kind == "object":
            known = schema.get("properties", {})
            if schema.get("minProperties"):
                return {"a": "b"}
            return {key: self.example(known[key], key, table) for key in schema.get("required", ()) if key in known}
        if kind == "array":
            return [self.example(schema.get("items", {}), name, table)] if schema.get("minItems") else []
        if kind in ("integer", "number"):
            return max(1, schema.get("minimum", 1))
        if kind == "boolean":
            return False
        if "d{1,19}" in schema.get("pattern", ""):
            return "1"
        return ADDRESS.format(table) if "ddress" in name else VALUES.get(name, "xx")

    def request(self, path: str, one: dict[str, Any], table: str) -> tuple[str, dict[str, Any], Any]:
        """Path, parameters and body of a call that is well formed."""
        filled = re.sub(r"\{(\w+)(:path)?\}", lambda m: VALUES.get(m[1], "xx"), path)
        asked = {
            p["name"]: self.example(p.get("schema", {}), p["name"], table)
            for p in one.get("parameters", ())
            if p["in"] == "query" and p.get("required")
        }
        content = one.get("requestBody", {}).get("content", {}).get("application/json")
        return filled, asked, self.example(content["schema"], "", table) if content else None


@pytest.mark.parametrize("table", ["customers", "orders"])
def test_no_route_that_a_program_does_not_need_answers_a_jobs_token(lake: Lake, job: httpx.Client, table: str):
    """Of a table that policies hide in part, and of one that its user may read whole: its plan names neither."""
    said = Said(lake.op.get("/api/v1/openapi.json").json())
    assert len(said.operations) > 200
    answered: list[str] = []
    for verb, path, one in said.operations:
        if (verb, path) in OPEN | OWN:
            continue
        filled, asked, body = said.request(path, one, table)
        answer = job.request(verb, filled, params=asked, json=body)
        if answer.status_code not in (401, 403):
            answered.append(f"{verb} {path} {answer.status_code} {answer.text[:200]}")
    for verb, path in ICEBERG:
        body = {"requirements": [], "updates": []} if verb == "post" else None
        answer = job.request(verb, path.format(table), json=body)
        if answer.status_code not in (401, 403):
            answered.append(f"{verb} {path} {answer.status_code} {answer.text[:200]}")
    assert not answered, "\n".join(answered)
    assert len(lake.rows(lake.op, "SELECT * FROM lakehouse.retail.customers")) == 4


def test_what_a_program_may_ask_shows_what_its_user_sees(lake: Lake, job: httpx.Client):
    """Queries and inputs by address go through the policies; bytes of a table's files and streams of it are closed."""
    for body in (
        {"query": "SELECT * FROM lakehouse.retail.customers"},
        {"address": ADDRESS.format("customers")},
    ):
        answer = job.post("/api/v1/inputs", json=body)
        assert answer.status_code == 200, answer.text
        shown = pa.ipc.open_stream(answer.content).read_all().to_pylist()
        assert {row["email"] for row in shown} == {"gone"}
        assert {row["region"] for row in shown} == {"EMEA"}
    (file,) = (lake.server.home / "warehouse").glob("**/retail/customers*/data/*.parquet")
    for body in (
        {"address": ADDRESS.format("customers"), "path": str(file)},
        {"address": ADDRESS.format("customers"), "path": file.name},
        {"address": ADDRESS.format("customers"), "spans": []},
        {"query": "SELECT * FROM lakehouse.retail.supplier_costs", "address": ADDRESS.format("customers")},
        {"query": "DELETE FROM lakehouse.retail.customers"},
        {"query": "SHOW TABLES FROM lakehouse.other"},
        {"query": f"SELECT * FROM read_parquet('{file}')"},
    ):
        answer = job.post("/api/v1/inputs", json=body)
        assert answer.status_code in (400, 403, 404, 422) or b"@x.org" not in answer.content, (body, answer.text[:300])
        assert b"@x.org" not in answer.content, body
    for verb, path, given in (
        ("POST", "/api/v1/inputs/position", {"json": {"address": ADDRESS.format("customers")}}),
        ("POST", "/api/v1/inputs/schema", {"json": {"address": ADDRESS.format("customers"), "id": 1}}),
        ("GET", "/api/v1/datasets/list", {"params": {"address": "dataos://lakehouse:vault"}}),
    ):
        answer = job.request(verb, path, **given)
        assert answer.status_code in (403, 404), answer.text
    stream = {"checkpoint": ADDRESS.format("customers"), "stream": "x", "sources": {}, "batch": 1}
    for verb in ("begin", "commit"):
        answer = job.post(f"/api/v1/stream/{verb}", json=stream)
        assert answer.status_code in (400, 403, 404, 409, 422), answer.text
