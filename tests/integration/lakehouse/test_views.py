"""Iceberg views through PyIceberg's client and the bare protocol: versions, one name space with tables, refusals."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any

import pytest
from pyiceberg.exceptions import (
    NamespaceNotEmptyError,
    NoSuchViewError,
    TableAlreadyExistsError,
    ViewAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField
from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion

from integration.lakehouse.helpers import USER, WAREHOUSE, Server, client, rows

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)

SCHEMA = Schema(NestedField(1, "id", LongType()))
PLACE = f"/v1/{WAREHOUSE}/namespaces/sales/views"


def version(sql: str = "SELECT id FROM sales.orders", dialect: str = "trino") -> ViewVersion:
    return ViewVersion(
        **{
            "schema-id": 0,
            "representations": [SQLViewRepresentation(type="sql", sql=sql, dialect=dialect)],
            "default-namespace": ("sales",),
        }
    )


def call(
    server: Server, method: str, path: str, body: Any = None, token: str = USER, key: str | None = None
) -> tuple[int, Any]:
    host, _, rest = server.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
    try:
        connection.request(method, f"/{rest}{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def body(name: str = "recent", sql: str = "SELECT 1 AS id") -> dict[str, Any]:
    return {
        "name": name,
        "schema": {
            "type": "struct",
            "schema-id": 0,
            "fields": [{"id": 1, "name": "id", "type": "long", "required": False}],
        },
        "view-version": {
            "version-id": 1,
            "schema-id": 0,
            "timestamp-ms": 1,
            "summary": {"engine-name": "test"},
            "representations": [{"type": "sql", "sql": sql, "dialect": "trino"}],
            "default-namespace": ["sales"],
        },
        "properties": {"comment": "what came lately"},
    }


def replacement(sql: str, dialect: str = "trino", uuid: str | None = None) -> dict[str, Any]:
    new = {**body(sql=sql)["view-version"], "schema-id": -1, "version-id": 9}
    new["representations"] = [{"type": "sql", "sql": sql, "dialect": dialect}]
    return {
        "requirements": [{"type": "assert-view-uuid", "uuid": uuid}] if uuid else [],
        "updates": [
            {"action": "add-schema", "schema": body()["schema"]},
            {"action": "add-view-version", "view-version": new},
            {"action": "set-current-view-version", "view-version-id": -1},
        ],
    }


def test_a_view_through_pyiceberg(server: Server, orders: str) -> None:
    user = client(server)
    made = user.create_view("sales.recent", SCHEMA, version(), properties={"a": "b"})
    assert made.metadata.current_version_id == 1
    assert user.view_exists("sales.recent")
    assert user.list_views("sales") == [("sales", "recent")]
    loaded = user.load_view("sales.recent")
    assert loaded.metadata.versions[0].representations[0].root.sql == "SELECT id FROM sales.orders"
    assert loaded.metadata.properties == {"a": "b"}
    assert user.list_tables("sales") == [("sales", "orders")]
    with pytest.raises(ViewAlreadyExistsError):
        user.create_view("sales.recent", SCHEMA, version())
    with pytest.raises(TableAlreadyExistsError):
        user.create_table("sales.recent", rows().schema)
    with pytest.raises(ViewAlreadyExistsError):
        user.create_view("sales.orders", SCHEMA, version())
    with pytest.raises(TableAlreadyExistsError):
        user.rename_table("sales.orders", "sales.recent")
    user.drop_view("sales.recent")
    assert not user.view_exists("sales.recent")
    with pytest.raises(NoSuchViewError):
        user.drop_view("sales.recent")
    asyncio.run(server.catalog.collect_garbage())
    assert not list(server.root.rglob("recent-*"))


def test_a_view_has_versions(server: Server, orders: str) -> None:
    status, made = call(server, "POST", PLACE, body())
    assert status == 200
    uuid = made["metadata"]["view-uuid"]
    status, changed = call(server, "POST", f"{PLACE}/recent", replacement("SELECT 2 AS id", uuid=uuid))
    assert status == 200, changed
    metadata = changed["metadata"]
    assert (metadata["current-version-id"], [v["version-id"] for v in metadata["versions"]]) == (2, [1, 2])
    assert [entry["version-id"] for entry in metadata["version-log"]] == [1, 2]
    assert len(metadata["schemas"]) == 1
    assert changed["metadata-location"] != made["metadata-location"]
    # the same version again is no new one; going back is possible
    status, same = call(server, "POST", f"{PLACE}/recent", replacement("SELECT 2 AS id"))
    assert same["metadata"]["current-version-id"] == 2
    back = {"updates": [{"action": "set-current-view-version", "view-version-id": 1}]}
    status, first = call(server, "POST", f"{PLACE}/recent", back)
    assert (status, first["metadata"]["current-version-id"]) == (200, 1)
    for number in range(3, 15):
        assert call(server, "POST", f"{PLACE}/recent", replacement(f"SELECT {number} AS id"))[0] == 200
    _, last = call(server, "GET", f"{PLACE}/recent")
    assert len(last["metadata"]["versions"]) == 10
    assert call(server, "POST", f"{PLACE}/recent", replacement("SELECT 1", uuid="other"))[0] == 409
    status, lost = call(server, "POST", f"{PLACE}/recent", replacement("SELECT 1", dialect="spark"))
    assert (status, "trino" in lost["error"]["message"]) == (400, True)
    allowed = replacement("SELECT 1", dialect="spark")
    allowed["updates"].insert(0, {"action": "set-properties", "updates": {"replace.drop-dialect.allowed": "true"}})
    assert call(server, "POST", f"{PLACE}/recent", allowed)[0] == 200


def test_rename_register_and_pages(server: Server, orders: str) -> None:
    for name in ("a", "b", "c"):
        assert call(server, "POST", PLACE, body(name))[0] == 200
    status, page = call(server, "GET", PLACE + "?pageSize=2")
    assert [i["name"] for i in page["identifiers"]] == ["a", "b"]
    status, rest = call(server, "GET", f"{PLACE}?pageSize=2&pageToken={page['next-page-token']}")
    assert ([i["name"] for i in rest["identifiers"]], rest.get("next-page-token")) == (["c"], None)

    def rename(source: str, target: str) -> int:
        names = {"source": source, "destination": target}
        identifiers = {k: {"namespace": ["sales"], "name": v} for k, v in names.items()}
        return call(server, "POST", f"/v1/{WAREHOUSE}/views/rename", identifiers)[0]

    assert rename("a", "b") == 409
    assert rename("a", "orders") == 409
    assert rename("nope", "d") == 404
    assert rename("a", "d") == 204
    assert call(server, "HEAD", f"{PLACE}/d")[0] == 204
    assert call(server, "HEAD", f"{PLACE}/a")[0] == 404
    _, found = call(server, "GET", f"{PLACE}/d")
    with pytest.raises(NamespaceNotEmptyError):
        client(server).drop_table(orders)
        client(server).drop_namespace("sales")
    assert call(server, "DELETE", f"{PLACE}/d")[0] == 204
    place = f"/v1/{WAREHOUSE}/namespaces/sales/register-view"
    again = {"name": "again", "metadata-location": found["metadata-location"]}
    status, registered = call(server, "POST", place, again)
    assert (status, registered["metadata"]) == (200, found["metadata"])
    asyncio.run(server.catalog.collect_garbage())
    assert call(server, "GET", f"{PLACE}/again")[0] == 200
    assert call(server, "POST", place, {**again, "metadata-location": "/etc/passwd"})[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b["view-version"].pop("representations"),
        lambda b: b["view-version"]["representations"].append({"type": "sql", "sql": "x", "dialect": "Trino"}),
        lambda b: b["view-version"]["representations"].append({"type": "python", "code": "x"}),
        lambda b: b["view-version"].update({"schema-id": 7}),
        lambda b: b["view-version"].pop("default-namespace"),
        lambda b: b.update({"name": "a/b"}),
        lambda b: b.update({"location": "/tmp/elsewhere"}),
        lambda b: b.pop("schema"),
    ],
)
def test_what_is_no_view_is_refused(server: Server, orders: str, change: Any) -> None:
    broken = body()
    change(broken)
    status, answer = call(server, "POST", PLACE, broken)
    assert status == 400, answer
    assert call(server, "GET", PLACE)[1] == {"identifiers": []}


def test_a_call_that_is_sent_again_does_nothing_twice(server: Server, orders: str) -> None:
    first = call(server, "POST", PLACE, body(), key="k1")
    assert call(server, "POST", PLACE, body(), key="k1") == first
    changed = call(server, "POST", f"{PLACE}/recent", replacement("SELECT 2"), key="k2")
    call(server, "POST", f"{PLACE}/recent", replacement("SELECT 3"))
    assert call(server, "POST", f"{PLACE}/recent", replacement("SELECT 2"), key="k2") == changed
    assert call(server, "DELETE", f"{PLACE}/recent", key="k3")[0] == 204
    assert call(server, "DELETE", f"{PLACE}/recent", key="k3")[0] == 204
    assert call(server, "DELETE", f"{PLACE}/recent", key="k4")[0] == 404


def test_a_job_reads_views_and_does_not_change_them(server: Server, orders: str) -> None:
    assert call(server, "POST", PLACE, body(), token="attempt:a1")[0] == 406
    call(server, "POST", PLACE, body())
    assert call(server, "GET", f"{PLACE}/recent", token="attempt:a1")[0] == 200
    assert call(server, "DELETE", f"{PLACE}/recent", token="attempt:a1")[0] == 406
    assert call(server, "POST", f"{PLACE}/recent", replacement("SELECT 2"), token="attempt:a1")[0] == 406


def test_a_view_made_meanwhile_keeps_a_run_from_its_name(server: Server, orders: str) -> None:
    from dataos.core.errors import DataOSError
    from dataos.core.ids import AttemptId

    client(server, "attempt:a1").create_table("sales.recent", rows().schema)
    assert call(server, "POST", PLACE, body())[0] == 200
    with pytest.raises(DataOSError, match="another run or client"):
        asyncio.run(server.catalog.prepare_publish(AttemptId("a1")))
        server.store.write_sync(server.catalog.publish, AttemptId("a1"))
    assert call(server, "GET", f"{PLACE}/recent")[0] == 200
