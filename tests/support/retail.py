"""A server with retail tables, three users and a client for each; manifests of policies (ch08 14)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from support.server import Installation, installation

CUSTOMERS = pa.table(
    {
        "customer_id": pa.array([1, 2, 3, 4], pa.int64()),
        "name": ["Ann", "Bob", None, "Dan"],
        "email": ["ann@x.org", "bob@x.org", "cyd@x.org", "dan@x.org"],
        "age": pa.array([27, 4, None, 77], pa.int32()),
        "region": ["EMEA", "AMER", "EMEA", "test"],
        "home_store": ["s1", "s2", "s3", "s4"],
        "born": pa.array([None, "2001-05-17", "1990-11-02", "1950-02-28"]).cast(pa.date32()),
        "phone": ["0123456789", "0987654321", None, "0555555555"],
        "plate": ["AB-1234", "CD-5678", "EF-9012", None],
        "ssn": ["111-11", "222-22", "333-33", "444-44"],
        "address": pa.array(
            [{"city": "Oslo", "zip": "0150"}, {"city": "Rome", "zip": None}, None, {"city": "Bonn", "zip": "5311"}]
        ),
    }
)


@dataclass
class Lake:
    """A server with three users, and clients for each."""

    server: Installation
    op: httpx.Client
    ana: httpx.Client
    ben: httpx.Client

    def rows(self, who: httpx.Client, sql: str) -> list[list[Any]]:
        """The answer of a statement that works."""
        answer = who.post("/api/v1/query", json={"sql": sql})
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def refused(self, who: httpx.Client, sql: str) -> dict[str, Any]:
        """The problem of a statement that does not."""
        answer = who.post("/api/v1/query", json={"sql": sql})
        assert answer.status_code == 403, answer.text
        return answer.json()["errors"][0]

    def apply(self, document: dict[str, Any], who: httpx.Client | None = None) -> dict[str, Any]:
        """Apply a document; it must work."""
        answer = (who or self.op).post("/api/v1/apply", json={"document": document})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, type_: str, *names: str) -> None:
        """Delete Resources."""
        for name in names:
            assert self.op.delete(f"/api/v1/resources/{type_}/{name}").json()["result"] == "deleted"

    def tag(self, user: str, tag: str, *, remove: bool = False) -> None:
        """Give a user a tag, or take it away."""
        if remove:
            answer = self.op.post(f"/api/v1/users/{user}/tags/remove", json={"tags": [tag]})
        else:
            answer = self.op.put(f"/api/v1/users/{user}/tags", json={"tags": [tag]})
        assert answer.status_code == 200, answer.text


@contextmanager
def lake_in(folder: Path) -> Iterator[Lake]:
    """Start it, and stop it at the end."""
    with installation(folder) as server:
        server.up()
        token = (server.home / "keys" / "admin.token").read_text().strip()

        def client(key: str) -> httpx.Client:
            return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

        op = client(token)
        for role in ("analyst", "emea", "auditor"):
            assert op.post("/api/v1/governance/roles", json={"name": role}).status_code == 200
        people: dict[str, httpx.Client] = {}
        for user, tags in (("ana", ["analyst"]), ("ben", ["analyst", "emea"])):
            body = {"id": user, "name": user, "type": "person", "tags": [f"roles:id:{t}" for t in tags]}
            assert op.post("/api/v1/users", json=body).status_code == 200
            people[user] = client(op.post(f"/api/v1/users/{user}/tokens", json={}).json()["token"])
        _tables(server.url, token)
        try:
            yield Lake(server, op, people["ana"], people["ben"])
        finally:
            for client_ in (op, *people.values()):
                client_.close()


def _tables(url: str, token: str) -> None:
    from pyiceberg.catalog.rest import RestCatalog

    catalog = RestCatalog("lake", uri=f"{url}/iceberg", token=token, warehouse="lakehouse")
    catalog.create_namespace("retail")
    catalog.create_table("retail.customers", CUSTOMERS.schema).append(CUSTOMERS)
    orders = pa.table({"id": pa.array([1, 2], pa.int64()), "region": ["EMEA", "AMER"]})
    for name in ("orders", "stores", "supplier_costs"):
        catalog.create_table(f"retail.{name}", orders.schema).append(orders)


def access(name: str, tags: Any, *paths: str, allow: bool = True, predicates: Any = ("read", "select")) -> Any:
    block = {
        "subjects": {"tags": tags},
        "predicates": list(predicates),
        "objects": {"paths": list(paths)},
        "allow": allow,
    }
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"access": block}}


def mask(
    name: str, column: str | dict[str, Any], operator: str, *, priority: int = 40, role: str = "user", **more: Any
) -> Any:
    chosen = column if isinstance(column, dict) else {"names": [column]}
    block = {
        "type": "mask",
        "priority": priority,
        "dataset_id": "lakehouse.retail.customers",
        "selector": {"user": {"match": "any", "tags": [f"roles:id:{role}"]}, "column": chosen},
        "mask": {"operator": operator, **({operator: more} if more else {})},
    }
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"data": block}}


def filtered(name: str, *filters: dict[str, Any], priority: int = 40, role: str = "analyst") -> Any:
    block = {
        "type": "filter",
        "priority": priority,
        "dataset_id": "lakehouse.retail.customers",
        "selector": {"user": {"match": "any", "tags": [f"roles:id:{role}"]}},
        "filters": list(filters),
    }
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"data": block}}


READERS = access("readers", [["roles:id:analyst"]], "dataos://lakehouse:retail/*")
