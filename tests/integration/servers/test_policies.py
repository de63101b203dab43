"""Policies of two servers on one store: what is changed through one is in force on the other with the next statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pyarrow as pa
import pytest

from support.retail import access, mask
from support.server import Installation

AT_ONCE_S = 1.0
ROWS = pa.table({"customer_id": pa.array([1, 2], pa.int64()), "email": ["canary-a", "canary-b"]})
EMAILS = "SELECT DISTINCT email FROM lakehouse.retail.customers"


@pytest.fixture
def clients(join: Any) -> Iterator[tuple[httpx.Client, httpx.Client, httpx.Client]]:
    """The operator on the first server, and an analyst on the first and on the second."""
    first, second = join("a"), join("b")
    token = (first.home / "keys" / "admin.token").read_text().strip()
    with ExitStack() as stack:

        def client(server: Installation, key: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {key}"}
            return stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=60))

        op = client(first, token)
        assert op.post("/api/v1/governance/roles", json={"name": "analyst"}).status_code == 200
        body = {"id": "ana", "name": "ana", "type": "person", "tags": ["roles:id:analyst"]}
        assert op.post("/api/v1/users", json=body).status_code == 200
        key = op.post("/api/v1/users/ana/tokens", json={}).json()["token"]
        from pyiceberg.catalog.rest import RestCatalog

        catalog = RestCatalog("l", uri=f"{first.url}/iceberg", token=token, warehouse="lakehouse")
        catalog.create_namespace("retail")
        catalog.create_table("retail.customers", ROWS.schema).append(ROWS)
        yield op, client(first, key), client(second, key)


def apply(op: httpx.Client, document: dict[str, Any]) -> None:
    answer = op.post("/api/v1/apply", json={"document": document})
    assert answer.status_code == 200, answer.text


def within(who: httpx.Client, wanted: Callable[[httpx.Response], bool]) -> None:
    """The answer is as wanted from a second after now at the latest, and stays so."""
    since = began = time.monotonic()
    while not wanted(answer := who.post("/api/v1/query", json={"sql": EMAILS})):
        assert began - since < AT_ONCE_S, answer.text
        began = time.monotonic()
    for _ in range(5):
        assert wanted(who.post("/api/v1/query", json={"sql": EMAILS}))


def test_a_change_through_one_server_is_in_force_on_the_other(clients: Any):
    op, here, there = clients
    reads = access("readers", [["roles:id:analyst"]], "dataos://lakehouse:retail/*")
    hides = mask("hide", "email", "redact", replacement="gone")

    def forbidden(answer: httpx.Response) -> bool:
        return answer.status_code == 403

    def raw(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and "canary-a" in answer.text

    def masked(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and answer.json()["rows"] == [["gone"]]

    for who in (here, there):
        within(who, forbidden)
    apply(op, reads)
    for who in (there, here):
        within(who, raw)
    apply(op, hides)
    within(there, masked)
    within(here, masked)
    assert op.delete("/api/v1/resources/policy/hide").status_code == 200
    within(there, raw)
    assert op.delete("/api/v1/resources/policy/readers").status_code == 200
    within(there, forbidden)
    given = {"policy_use_case_id": "read-specific-dataset", "subjects": ["users:id:ana"], "approve": True,
             "values": {"minerva-table-read": [{"catalog": "lakehouse", "schema": "retail", "table": "*"}],
                        "ds-read": [{"depot": "lakehouse", "collection": "retail", "dataset": "*"}]}}  # fmt: skip
    grant = op.post("/api/v1/grants", json=given).json()["id"]
    within(there, raw)
    assert op.delete(f"/api/v1/grants/{grant}").status_code == 200
    within(there, forbidden)
