"""The Iceberg REST protocol itself: statuses, bodies, fences."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dataos.core.errors import DataOSError, fail
from dataos.governance.principals import Principal
from dataos.lakehouse import protocol, rest
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.lakehouse.helpers import WAREHOUSE, Server, authenticate, client, ids_of, rows

SCHEMA = {"type": "struct", "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}
BASE = f"/v1/{WAREHOUSE}"
ORDERS = f"{BASE}/namespaces/sales/tables/orders"


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer user"}) as opened:
        yield opened


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()["error"]
    assert body["code"] == answer.status_code
    assert body["message"]
    return answer.status_code, body["type"]


def commit(updates: list[dict[str, Any]], *requirements: dict[str, Any]) -> dict[str, Any]:
    return {"requirements": list(requirements), "updates": updates}


def set_property(**properties: str) -> dict[str, Any]:
    return {"action": "set-properties", "updates": properties}


# --- who may enter ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "wrong"])
def test_every_route_refuses_strangers(server: Server, orders: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=server.url, headers=headers) as stranger:
        for endpoint in (*protocol.ENDPOINTS, "GET /v1/config"):
            method, path = endpoint.split(" ")
            path = (
                path.replace("{prefix}", WAREHOUSE)
                .replace("{namespace}", "sales")
                .replace("{table}", "orders")
                .replace("{view}", "v")
            )
            body = {
                "namespace": ["x"],
                "name": "x",
                "schema": SCHEMA,
                "metadata-location": "/x",
                "source": {"namespace": ["sales"], "name": "orders"},
                "destination": {"namespace": ["sales"], "name": "x"},
            }
            answer = stranger.request(method, path, json=body if method == "POST" else None)
            assert answer.status_code == 401, endpoint
            assert answer.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                assert error(answer) == (401, "NotAuthorizedException")
    assert client(server).list_tables("sales") == [("sales", "orders")]


def test_the_hook_is_asked_on_every_route(server: Server, orders: str) -> None:
    asked: list[tuple[str, str, str | None, str | None]] = []

    async def authorise(_: Principal, action: str, warehouse: str, namespace: str | None, table: str | None) -> None:
        asked.append((action, warehouse, namespace, table))
        raise fail("auth.forbidden", "no")

    app = FastAPI()
    app.include_router(rest.router(server.catalog, authenticate, authorise))
    transport = httpx.ASGITransport(app)

    async def ask() -> None:
        headers = {"Authorization": "Bearer user"}
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as http:
            body = {
                "namespace": ["sales"],
                "name": "orders",
                "schema": SCHEMA,
                "metadata-location": "/x",
                "source": {"namespace": ["sales"], "name": "orders"},
                "destination": {"namespace": ["sales"], "name": "x"},
            }
            for endpoint in (*protocol.ENDPOINTS, f"GET /v1/config?warehouse={WAREHOUSE}"):
                method, path = endpoint.split(" ")
                path = path.replace("{prefix}", WAREHOUSE).replace("{namespace}", "sales").replace("{table}", "orders")
                asked.clear()
                answer = await http.request(method, path, json=body if method == "POST" else None)
                assert answer.status_code == 403, endpoint
                assert len(asked) == 1, endpoint
                assert asked[0][1] == WAREHOUSE
                if "{table}" in endpoint:
                    assert asked[0][2:] == ("sales", "orders")

    asyncio.run(ask())


# --- configuration and listing ----------------------------------------------------------------------------------------


def test_config(http: httpx.Client) -> None:
    config = http.get("/v1/config", params={"warehouse": WAREHOUSE}).json()
    assert config["overrides"] == {"prefix": WAREHOUSE}
    assert "POST /v1/{prefix}/transactions/commit" in config["endpoints"]
    assert "POST /v1/{prefix}/namespaces/{namespace}/views" in config["endpoints"]
    assert http.get("/v1/config").json()["overrides"] == {"prefix": WAREHOUSE}, "the only one need not be named"


def test_an_unknown_warehouse_names_the_known(http: httpx.Client) -> None:
    answer = http.get("/v1/config", params={"warehouse": "lakehous"})
    assert error(answer) == (404, "NoSuchWarehouseException")
    assert "known: lakehouse" in answer.json()["error"]["message"]
    assert error(http.get("/v1/lakehous/namespaces")) == (404, "NoSuchWarehouseException")


def test_several_warehouses_must_be_named(server: Server, http: httpx.Client, tmp_path: Path) -> None:
    server.store.write_sync(server.catalog.register_warehouse, "second", "uid-2", tmp_path / "second")
    answer = http.get("/v1/config")
    assert error(answer) == (400, "BadRequestException")
    assert "lakehouse, second" in answer.json()["error"]["message"]


def test_namespaces_of_several_levels(http: httpx.Client) -> None:
    for levels in (["a"], ["a", "b"], ["a", "b", "c.d"], ["a.b"], ["x", "only child"]):
        made = http.post(f"{BASE}/namespaces", json={"namespace": levels, "properties": {"k": "v"}})
        assert made.json()["namespace"] == levels
    assert http.get(f"{BASE}/namespaces").json() == {"namespaces": [["a"], ["a.b"], ["x"]]}
    assert http.get(f"{BASE}/namespaces", params={"parent": "a"}).json() == {"namespaces": [["a", "b"]]}
    assert http.get(f"{BASE}/namespaces", params={"parent": "a\x1fb"}).json() == {"namespaces": [["a", "b", "c.d"]]}
    loaded = http.get(f"{BASE}/namespaces/a%1Fb%1Fc.d").json()
    assert loaded["namespace"] == ["a", "b", "c.d"]
    assert loaded["properties"]["k"] == "v"
    assert loaded["properties"]["location"].startswith("/")
    assert http.head(f"{BASE}/namespaces/a%1Fb").status_code == 204
    assert http.head(f"{BASE}/namespaces/b").status_code == 404
    assert error(http.get(f"{BASE}/namespaces", params={"parent": "zz"})) == (404, "NoSuchNamespaceException")
    assert error(http.delete(f"{BASE}/namespaces/a")) == (409, "NamespaceNotEmptyException")
    assert http.delete(f"{BASE}/namespaces/a%1Fb%1Fc.d").status_code == 204
    assert error(http.delete(f"{BASE}/namespaces/a%1Fb%1Fc.d")) == (404, "NoSuchNamespaceException")


def test_a_namespace_is_made_once(http: httpx.Client) -> None:
    assert http.post(f"{BASE}/namespaces", json={"namespace": ["a"]}).status_code == 200
    assert error(http.post(f"{BASE}/namespaces", json={"namespace": ["a"]})) == (409, "AlreadyExistsException")


@pytest.mark.parametrize("levels", [[], [""], ["a/b"], [".."], ["a\x00"], "a", [1], ["x" * 300]])
def test_names_that_cannot_be_used(http: httpx.Client, levels: Any) -> None:
    assert error(http.post(f"{BASE}/namespaces", json={"namespace": levels})) == (400, "BadRequestException")


def test_namespace_properties(http: httpx.Client) -> None:
    http.post(f"{BASE}/namespaces", json={"namespace": ["a"], "properties": {"x": "1", "y": "2"}})
    done = http.post(
        f"{BASE}/namespaces/a/properties", json={"updates": {"x": "3", "z": "4"}, "removals": ["y", "nothing"]}
    )
    assert done.json() == {"updated": ["x", "z"], "removed": ["y"], "missing": ["nothing"]}
    properties = http.get(f"{BASE}/namespaces/a").json()["properties"]
    assert {k: v for k, v in properties.items() if k != "location"} == {"x": "3", "z": "4"}
    both = http.post(f"{BASE}/namespaces/a/properties", json={"updates": {"x": "3"}, "removals": ["x"]})
    assert error(both)[0] == 400


def test_pages(http: httpx.Client, orders: str) -> None:
    for number in range(7):
        made = http.post(f"{BASE}/namespaces/sales/tables", json={"name": f"t{number}", "schema": SCHEMA})
        assert made.status_code == 200
    names: list[str] = []
    token = ""
    while token is not None:
        page = http.get(f"{BASE}/namespaces/sales/tables", params={"pageToken": token, "pageSize": 3}).json()
        names += [i["name"] for i in page["identifiers"]]
        assert len(page["identifiers"]) <= 3
        token = page.get("next-page-token")
    assert names == ["orders", *(f"t{n}" for n in range(7))]
    assert len(http.get(f"{BASE}/namespaces/sales/tables").json()["identifiers"]) == 8
    assert http.get(f"{BASE}/namespaces/sales/tables", params={"pageSize": "x"}).status_code == 400
    assert http.get(f"{BASE}/namespaces/sales/tables", params={"pageToken": "\xff"}).status_code == 400


# --- tables -----------------------------------------------------------------------------------------------------------


def test_missing_tables(http: httpx.Client, orders: str) -> None:
    answer = http.get(f"{BASE}/namespaces/sales/tables/order")
    assert error(answer) == (404, "NoSuchTableException")
    assert "orders" not in answer.json()["error"]["message"]  # whoever asks may not know of it
    assert error(http.get(f"{BASE}/namespaces/none/tables/x")) == (404, "NoSuchNamespaceException")
    assert http.head(f"{BASE}/namespaces/sales/tables/x").status_code == 404
    assert http.head(ORDERS).status_code == 204
    assert error(http.post(f"{BASE}/namespaces/sales/tables/x", json=commit([set_property(a="b")])))[0] == 404
    assert error(http.delete(f"{BASE}/namespaces/sales/tables/x")) == (404, "NoSuchTableException")


def test_creating_twice(http: httpx.Client, orders: str) -> None:
    again = http.post(f"{BASE}/namespaces/sales/tables", json={"name": "orders", "schema": SCHEMA})
    assert error(again) == (409, "AlreadyExistsException")
    missing = http.post(f"{BASE}/namespaces/none/tables", json={"name": "orders", "schema": SCHEMA})
    assert error(missing) == (404, "NoSuchNamespaceException")


def test_a_table_made_again_never_shares_files(http: httpx.Client, orders: str) -> None:
    places: set[str] = set()
    home = http.get(f"{BASE}/namespaces/sales").json()["properties"]["location"].rsplit("/", 1)[0]
    for location in (None, None, f"{home}/t", f"{home}/t/"):
        body = {"name": "t", "schema": SCHEMA, **({"location": location} if location else {})}
        places.add(http.post(f"{BASE}/namespaces/sales/tables", json=body).json()["metadata"]["location"])
        http.delete(f"{BASE}/namespaces/sales/tables/t")
    assert len(places) == 4


def test_metadata_is_passed_on_with_a_tag(http: httpx.Client, orders: str) -> None:
    answer = http.get(ORDERS)
    body = answer.json()
    assert body["metadata"] == json.loads(Path(body["metadata-location"]).read_text())
    assert http.get(ORDERS, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    changed = http.post(ORDERS, json=commit([set_property(a="b")]))
    assert changed.json()["metadata"]["properties"]["a"] == "b"
    assert http.get(ORDERS, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200


def test_only_snapshots_that_refs_name(http: httpx.Client, server: Server, orders: str) -> None:
    client(server).load_table(orders).append(rows(3))
    assert len(http.get(ORDERS).json()["metadata"]["snapshots"]) == 2
    assert len(http.get(ORDERS, params={"snapshots": "refs"}).json()["metadata"]["snapshots"]) == 1


def test_requirements_that_do_not_hold(http: httpx.Client, orders: str) -> None:
    for requirement in (
        {"type": "assert-create"},
        {"type": "assert-table-uuid", "uuid": "00000000-0000-0000-0000-000000000000"},
        {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1},
        {"type": "assert-current-schema-id", "current-schema-id": 5},
        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": 99},
        {"type": "assert-default-spec-id", "default-spec-id": 4},
    ):
        answer = http.post(ORDERS, json=commit([set_property(a="b")], requirement))
        assert error(answer) == (409, "CommitFailedException"), requirement
    assert "a" not in http.get(ORDERS).json()["metadata"]["properties"]


@pytest.mark.parametrize(
    "updates",
    [
        [{"action": "no-such-thing"}],
        [{"action": "set-current-schema", "schema-id": 7}],
        [{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 1}],
        [{"action": "add-snapshot", "snapshot": {"snapshot-id": 1}}],
        [{"action": "set-current-schema", "schema-id": -1}],
    ],
)
def test_updates_that_make_no_sense(http: httpx.Client, orders: str, updates: list[dict[str, Any]]) -> None:
    assert error(http.post(ORDERS, json=commit(updates))) == (400, "BadRequestException")


def test_nonsense_bodies(http: httpx.Client, orders: str) -> None:
    for content in (b"", b"[]", b"{", b'"x"', b'{"name": 3}', b'{"name": "x", "schema": []}', b"\xff"):
        answer = http.post(f"{BASE}/namespaces/sales/tables", content=content)
        assert error(answer) == (400, "BadRequestException"), content
    answer = http.post(f"{BASE}/namespaces/sales/tables", json={"name": "x", "schema": {"type": "struct"}})
    assert answer.status_code in (200, 400)


def test_ids_are_the_catalogs_to_give(http: httpx.Client, orders: str) -> None:
    current = http.get(ORDERS).json()["metadata"]
    schema = current["schemas"][0]
    same = [
        {"action": "add-schema", "schema": {**schema, "schema-id": 9}},
        {"action": "set-current-schema", "schema-id": -1},
    ]
    assert http.post(ORDERS, json=commit(same)).json()["metadata"]["current-schema-id"] == 0, "known already"
    wider = {**schema, "fields": [*schema["fields"], {"id": 9, "name": "note", "required": False, "type": "string"}]}
    taken = [
        {"action": "add-schema", "schema": {**wider, "schema-id": 0}},
        {"action": "set-current-schema", "schema-id": 0},
    ]
    metadata = http.post(ORDERS, json=commit(taken)).json()["metadata"]
    assert metadata["current-schema-id"] == 1
    assert [s["schema-id"] for s in metadata["schemas"]] == [0, 1]
    assert metadata["last-column-id"] == 9
    spec = {"spec-id": 0, "fields": [{"source-id": 1, "transform": "bucket[4]", "name": "b"}]}
    metadata = http.post(
        ORDERS, json=commit([{"action": "add-spec", "spec": spec}, {"action": "set-default-spec", "spec-id": -1}])
    ).json()["metadata"]
    assert metadata["default-spec-id"] == 1
    assert metadata["partition-specs"][1]["fields"][0]["field-id"] == 1000
    order = {
        "order-id": 0,
        "fields": [{"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}],
    }
    added = [
        {"action": "add-sort-order", "sort-order": order},
        {"action": "set-default-sort-order", "sort-order-id": -1},
    ]
    assert http.post(ORDERS, json=commit(added)).json()["metadata"]["default-sort-order-id"] == 1


def test_removing_what_is_not_there(http: httpx.Client, orders: str) -> None:
    answer = http.post(ORDERS, json=commit([{"action": "remove-properties", "removals": ["nothing"]}]))
    assert answer.status_code == 200


def test_format_version_4_is_refused(http: httpx.Client, orders: str) -> None:
    body = {"name": "v4", "schema": SCHEMA, "properties": {"format-version": "4"}}
    assert http.post(f"{BASE}/namespaces/sales/tables", json=body).status_code in (400, 406)
    up = commit([{"action": "upgrade-format-version", "format-version": 4}])
    assert http.post(ORDERS, json=up).status_code in (400, 406)
    assert http.get(ORDERS).json()["metadata"]["format-version"] == 2


def test_rename_and_drop(http: httpx.Client, server: Server, orders: str) -> None:
    source, target = ({"namespace": ["sales"], "name": n} for n in ("orders", "renamed"))
    assert http.post(f"{BASE}/tables/rename", json={"source": source, "destination": target}).status_code == 204
    assert ids_of(server, "sales.renamed") == [1, 2]
    assert error(http.post(f"{BASE}/tables/rename", json={"source": source, "destination": target}))[0] == 404
    http.post(f"{BASE}/namespaces/sales/tables", json={"name": "orders", "schema": SCHEMA})
    taken = http.post(f"{BASE}/tables/rename", json={"source": source, "destination": target})
    assert error(taken) == (409, "AlreadyExistsException")
    nowhere = {"namespace": ["none"], "name": "x"}
    assert error(http.post(f"{BASE}/tables/rename", json={"source": source, "destination": nowhere}))[0] == 404
    place = Path(http.get(f"{BASE}/namespaces/sales/tables/renamed").json()["metadata"]["location"])
    assert http.delete(f"{BASE}/namespaces/sales/tables/renamed", params={"purgeRequested": "true"}).status_code == 204
    asyncio.run(server.catalog.sweep(lambda _: []))
    assert not place.exists()


def test_a_dropped_table_can_be_registered_again(http: httpx.Client, server: Server, orders: str) -> None:
    location = http.get(ORDERS).json()["metadata-location"]
    body = {"name": "back", "metadata-location": location}
    living = http.post(f"{BASE}/namespaces/sales/register", json=body)
    assert error(living) == (400, "BadRequestException"), "two tables cannot share files"
    http.delete(ORDERS)
    assert http.post(f"{BASE}/namespaces/sales/register", json=body).status_code == 200
    assert ids_of(server, "sales.back") == [1, 2]
    assert error(http.post(f"{BASE}/namespaces/sales/register", json=body)) == (409, "AlreadyExistsException")
    assert http.post(f"{BASE}/namespaces/sales/register", json={**body, "overwrite": True}).status_code == 200


def test_metrics_are_accepted(http: httpx.Client, orders: str) -> None:
    assert http.post(f"{ORDERS}/metrics", json={"report-type": "scan-report"}).status_code == 204


def test_staged_creation(http: httpx.Client, server: Server, orders: str) -> None:
    staged = http.post(
        f"{BASE}/namespaces/sales/tables", json={"name": "s", "schema": SCHEMA, "stage-create": True}
    ).json()
    assert "metadata-location" not in staged
    assert http.head(f"{BASE}/namespaces/sales/tables/s").status_code == 404
    metadata = staged["metadata"]
    updates = [
        {"action": "assign-uuid", "uuid": metadata["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": metadata["schemas"][0], "last-column-id": 1},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": metadata["location"]},
    ]
    done = http.post(f"{BASE}/namespaces/sales/tables/s", json=commit(updates, {"type": "assert-create"}))
    assert done.json()["metadata"]["table-uuid"] == metadata["table-uuid"]
    again = http.post(f"{BASE}/namespaces/sales/tables/s", json=commit(updates, {"type": "assert-create"}))
    assert error(again) == (409, "CommitFailedException")
    elsewhere = [*updates[:-1], {"action": "set-location", "location": "/tmp/elsewhere"}]
    outside = http.post(f"{BASE}/namespaces/sales/tables/o", json=commit(elsewhere, {"type": "assert-create"}))
    assert error(outside)[0] == 400
    stolen = http.post(f"{BASE}/namespaces/sales/tables/o", json=commit(updates, {"type": "assert-create"}))
    assert error(stolen)[0] == 400, "the folder of a living table"


def test_a_transaction_is_all_or_nothing(http: httpx.Client, server: Server, orders: str) -> None:
    http.post(f"{BASE}/namespaces/sales/tables", json={"name": "t", "schema": SCHEMA})

    def change(name: str, *requirements: dict[str, Any]) -> dict[str, Any]:
        identifier = {"namespace": ["sales"], "name": name}
        return {"identifier": identifier, **commit([set_property(a="b")], *requirements)}

    bad = {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}
    answer = http.post(f"{BASE}/transactions/commit", json={"table-changes": [change("orders"), change("t", bad)]})
    assert error(answer) == (409, "CommitFailedException")
    assert "a" not in http.get(ORDERS).json()["metadata"]["properties"]
    good = http.post(f"{BASE}/transactions/commit", json={"table-changes": [change("orders"), change("t")]})
    assert good.status_code == 204
    assert http.get(ORDERS).json()["metadata"]["properties"]["a"] == "b"
    twice = http.post(f"{BASE}/transactions/commit", json={"table-changes": [change("t"), change("t")]})
    assert error(twice)[0] == 400
    written = list(server.root.rglob("*.metadata.json"))
    named = http.get(ORDERS).json()["metadata-location"], http.get(f"{BASE}/namespaces/sales/tables/t").json()
    assert len(written) == 5, f"the refused try left no file: {written} {named}"


def test_idempotency_keys(http: httpx.Client, server: Server, orders: str) -> None:
    headers = {"Idempotency-Key": "0195f0a0-0000-7000-8000-000000000001"}
    table = client(server).load_table(orders)
    requirement = {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": table.current_snapshot().snapshot_id}
    body = commit([set_property(a="b")], requirement)
    first = http.post(ORDERS, json=body, headers=headers)
    table.append(rows(3))
    again = http.post(ORDERS, json=body, headers=headers)
    assert again.status_code == 200
    assert again.json() == first.json(), "the answer that was lost"
    assert error(http.post(ORDERS, json=body))[0] == 409, "without the key it is a new commit"
    made = {"name": "t", "schema": SCHEMA}
    tables = f"{BASE}/namespaces/sales/tables"
    assert http.post(tables, json=made, headers=headers).json() == http.post(tables, json=made, headers=headers).json()
    for _ in range(2):
        assert http.delete(f"{tables}/t", headers=headers).status_code == 204
        assert http.post(f"{BASE}/namespaces", json={"namespace": ["n"]}, headers=headers).status_code == 200
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer attempt:a1"}) as other:
        assert error(other.post(ORDERS, json=body, headers=headers))[0] == 409, "keys belong to their caller"


# --- fences -----------------------------------------------------------------------------------------------------------


def test_a_table_lies_below_the_warehouse(http: httpx.Client, server: Server, orders: str, tmp_path: Path) -> None:
    own = http.get(ORDERS).json()["metadata"]["location"]
    for location in (
        str(tmp_path / "outside"),
        f"{server.root}/../outside",
        str(server.root),
        own,
        f"{own}/data",
        str(Path(own).parent),
        "s3://bucket/x",
        "relative",
    ):
        body = {"name": "x", "schema": SCHEMA, "location": location}
        answer = http.post(f"{BASE}/namespaces/sales/tables", json=body)
        assert answer.status_code in (400, 406), location
    assert not (tmp_path / "outside").exists()
    moved = commit([{"action": "set-location", "location": str(server.root / "new")}])
    assert error(http.post(ORDERS, json=moved)) == (406, "UnsupportedOperationException")
    aside = commit([set_property(**{"write.data.path": str(tmp_path)})])
    assert error(http.post(ORDERS, json=aside)) == (406, "UnsupportedOperationException")


def test_a_table_cannot_show_another_tables_files(http: httpx.Client, server: Server, orders: str) -> None:
    user = client(server)
    secret = user.load_table(orders)
    thief = user.create_table("sales.thief", rows().schema)
    path = secret.inspect.files()["file_path"].to_pylist()[0]
    with pytest.raises(Exception, match="does not lie in the folder of its table"):
        thief.add_files([path])
    link = Path(thief.location()) / "data" / "link.parquet"
    link.symlink_to(path)
    with pytest.raises(Exception, match="does not lie in the folder of its table"):
        thief.add_files([str(link)])
    stolen = http.get(ORDERS).json()["metadata"]["snapshots"][0]
    add = {"action": "add-snapshot", "snapshot": {**stolen, "snapshot-id": 5, "sequence-number": 9}}
    answer = http.post(f"{BASE}/namespaces/sales/tables/thief", json=commit([add]))
    assert error(answer)[0] == 400
    assert user.load_table("sales.thief").current_snapshot() is None


def test_a_commit_names_files_that_are_there(http: httpx.Client, server: Server, orders: str) -> None:
    table = client(server).load_table(orders)
    table.append(rows(3))
    metadata = http.get(ORDERS).json()["metadata"]
    newest = metadata["snapshots"][-1]
    for path in (newest["manifest-list"] + ".missing", f"{metadata['location']}/metadata"):
        snapshot = {**newest, "snapshot-id": 5, "sequence-number": 9, "manifest-list": path}
        answer = http.post(ORDERS, json=commit([{"action": "add-snapshot", "snapshot": snapshot}]))
        assert error(answer)[0] == 400, path
    broken = Path(metadata["location"]) / "metadata" / "broken.avro"
    broken.write_bytes(b"not avro")
    snapshot = {**newest, "snapshot-id": 5, "sequence-number": 9, "manifest-list": str(broken)}
    answer = http.post(ORDERS, json=commit([{"action": "add-snapshot", "snapshot": snapshot}]))
    assert error(answer)[0] == 400


def test_a_lost_metadata_file_is_told(http: httpx.Client, server: Server, orders: str) -> None:
    ref = TableRef(WAREHOUSE, "sales", "orders")
    location = asyncio.run(server.catalog.pointer(PUBLISHED, ref)).metadata_location
    Path(location).rename(f"{location}.away")
    fresh = type(server.catalog)(server.store, server.catalog.clock, server.catalog.ids)
    with pytest.raises(DataOSError) as told:
        asyncio.run(fresh.load_table(PUBLISHED, ref))
    assert told.value.problem.code == "iceberg.corrupt"
    assert location in told.value.problem.message
    fresh.close()


# --- warehouses -------------------------------------------------------------------------------------------------------


def test_a_warehouse_with_tables_does_not_move(server: Server, orders: str, tmp_path: Path) -> None:
    server.store.write_sync(server.catalog.register_warehouse, WAREHOUSE, "uid-1", server.root)
    with pytest.raises(DataOSError) as refused:
        server.store.write_sync(server.catalog.register_warehouse, WAREHOUSE, "uid-1", tmp_path / "b")
    assert refused.value.problem.code == "iceberg.exists.warehouse"
    with pytest.raises(DataOSError, match="do not agree"):
        server.store.write_sync(server.catalog.register_warehouse, "spaced", "uid-2", tmp_path / "a b")


def test_a_warehouse_is_dropped_with_its_pointers_not_its_files(server: Server, orders: str) -> None:
    server.store.write_sync(server.catalog.drop_warehouse, WAREHOUSE)
    assert asyncio.run(server.catalog.list_warehouses()) == []
    assert list(server.root.rglob("*.parquet"))


def test_descriptions(server: Server, orders: str) -> None:
    table = client(server).load_table(orders)
    first = table.current_snapshot().snapshot_id
    table.append(rows(3))
    with table.update_schema() as change:
        from pyiceberg.types import StringType

        change.add_column("note", StringType(), doc="free text")
    describe = server.catalog.describe_table
    now = asyncio.run(describe(PUBLISHED, WAREHOUSE, "sales", "orders"))
    then = asyncio.run(describe(PUBLISHED, WAREHOUSE, "sales", "orders", first))
    assert (now.row_count, then.row_count) == (3, 2)
    assert [c.name for c in now.columns] == ["id", "run", "note"]
    assert now.columns[2].doc == "free text"
    assert [c.name for c in then.columns] == ["id", "run"]
    assert asyncio.run(describe(PUBLISHED, WAREHOUSE, "sales", "orders", "main")).row_count == 3
    with pytest.raises(DataOSError) as missing:
        asyncio.run(describe(PUBLISHED, WAREHOUSE, "sales", "orders", 7))
    assert missing.value.problem.code == "iceberg.not_found.snapshot"
