"""What somebody with a login and no right to a dataset is told of it by lists, near names and hints: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa
import pytest

from support.server import Installation, installation, wait_until

ROWS = pa.table({"id": pa.array([1, 2], pa.int64())})
WAREHOUSE = "/iceberg/v1/lakehouse"
NAMESPACES = f"{WAREHOUSE}/namespaces"
COLLECTIONS = "/ds/api/v2/depots/lakehouse/collections"


@dataclass
class Scene:
    """A server with its operator, a user who may read one table and write into one namespace, and one of few rights."""

    server: Installation
    op: httpx.Client
    dev: httpx.Client
    uma: httpx.Client

    def must(self, document: dict[str, Any], who: httpx.Client | None = None) -> None:
        answer = (who or self.op).post("/api/v1/apply", json={"document": document})
        assert answer.status_code == 200, answer.text


def access(name: str, user: str, *paths: str, predicates: Any = ("read", "select"), allow: bool = True) -> Any:
    block = {"subjects": {"tags": [[f"users:id:{user}"]]}, "predicates": list(predicates),
             "objects": {"paths": list(paths)}, "allow": allow}  # fmt: skip
    return {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"access": block}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    from pyiceberg.catalog.rest import RestCatalog

    with ExitStack() as stack:
        server = stack.enter_context(installation(tmp_path_factory.mktemp("listings") / "server"))
        token = (server.home / "keys" / "admin.token").read_text().strip()

        def client(key: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {key}"}
            return stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=60))

        op = client(token)
        keys: dict[str, str] = {}
        for user, role in (("dev", "data-dev"), ("uma", "user")):
            body = {"id": user, "name": user, "type": "person", "tags": [f"roles:id:{role}"]}
            assert op.post("/api/v1/users", json=body).status_code == 200
            keys[user] = op.post(f"/api/v1/users/{user}/tokens", json={}).json()["token"]
        catalog = RestCatalog("l", uri=f"{server.url}/iceberg", token=token, warehouse="lakehouse")
        for namespace in ("retail", "lab", "canaryhr", "deep", "deep.canaryinner", "deep.open"):
            catalog.create_namespace(namespace)
        for table in ("retail.customers", "retail.canarysalaries", "canaryhr.people", "deep.canaryinner.t", "deep.open.t"):  # fmt: skip
            catalog.create_table(table, ROWS.schema).append(ROWS)
        made = Scene(server, op, client(keys["dev"]), client(keys["uma"]))
        made.must(access("dev-reads", "dev", "dataos://lakehouse:retail/customers", "dataos://lakehouse:deep.open/*"))
        made.must(access("dev-makes", "dev", "dataos://lakehouse:lab/*", "dataos://lakehouse:lab", predicates=["**"]))
        sql = "CREATE VIEW lakehouse.retail.canaryview AS SELECT id FROM lakehouse.retail.canarysalaries"
        assert op.post("/api/v1/query", json={"sql": sql}).status_code == 200
        yield made


def names(answer: httpx.Response) -> Any:
    """What a list of the catalog names."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if "namespaces" in body:
        return [".".join(levels) for levels in body["namespaces"]]
    return [i["name"] for i in body["identifiers"]] if "identifiers" in body else body["items"]


# --- tables and namespaces --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params", "dev", "all_"),
    [
        (NAMESPACES, {}, ["deep", "lab", "retail"], ["canaryhr", "deep", "lab", "retail"]),
        (NAMESPACES, {"parent": "deep"}, ["deep.open"], ["deep.canaryinner", "deep.open"]),
        (f"{NAMESPACES}/retail/tables", {}, ["customers"], ["canarysalaries", "customers"]),
        (f"{NAMESPACES}/retail/views", {}, [], ["canaryview"]),
        (f"{NAMESPACES}/lab/tables", {}, [], []),
        ("/api/v1/datasets/list", {"address": "dataos://lakehouse:retail"}, ["customers"], ["canarysalaries", "customers"]),
        ("/api/v1/datasets/list", {"address": "dataos://lakehouse"}, ["deep.open/t", "retail/customers"],
         ["canaryhr/people", "deep.canaryinner/t", "deep.open/t", "retail/canarysalaries", "retail/customers"]),
    ],
)  # fmt: skip
def test_lists_name_what_their_reader_may_know(
    scene: Scene, path: str, params: dict[str, str], dev: list[str], all_: list[str]
):
    assert names(scene.op.get(path, params=params)) == all_
    assert names(scene.dev.get(path, params=params)) == dev
    assert names(scene.uma.get(path, params=params)) == []


def test_collections_of_the_depot_service_are_those_of_which_one_may_know(scene: Scene):
    every = ["canaryhr", "deep", "deep.canaryinner", "deep.open", "lab", "retail"]
    assert scene.op.get(COLLECTIONS).json() == every
    assert scene.dev.get(COLLECTIONS).json() == ["deep.open", "lab", "retail"]
    assert scene.uma.get(COLLECTIONS).json() == []
    assert scene.op.get(f"{COLLECTIONS}/retail/datasets").json() == ["canarysalaries", "customers"]
    assert scene.dev.get(f"{COLLECTIONS}/retail/datasets").json() == ["customers"]
    assert scene.uma.get(f"{COLLECTIONS}/retail/datasets").json() == []


def test_pages_and_what_sql_shows_agree(scene: Scene):
    """A page's token is the last name that was shown."""
    found: list[str] = []
    params = {"pageSize": "1"}
    while True:
        answer = scene.dev.get(NAMESPACES, params=params)
        found += names(answer)
        if "next-page-token" not in answer.json():
            break
        params = {"pageSize": "1", "pageToken": answer.json()["next-page-token"]}
    assert found == ["deep", "lab", "retail"]
    shown = scene.dev.post("/api/v1/query", json={"sql": "SHOW TABLES FROM lakehouse.retail"}).json()["rows"]
    assert shown == [["customers"]]


@pytest.mark.parametrize(
    "path",
    [
        f"{NAMESPACES}/canary", f"{NAMESPACES}/canaryh/tables", f"{NAMESPACES}/canaryh/views",
        f"{COLLECTIONS}/canaryh/datasets", "/api/v1/datasets/list?address=dataos://lakehouse:canaryh",
        f"{NAMESPACES}/retail/tables/canarysalarie", f"{NAMESPACES}/retail/views/canaryvie",
    ],
)  # fmt: skip
def test_near_names_are_no_list(scene: Scene, path: str):
    scene.must(access("dev-guesses", "dev", "dataos://lakehouse:retail/canarysalarie", "dataos://lakehouse:retail/canaryvie"))  # fmt: skip
    answer = scene.dev.get(path)
    assert answer.status_code == 404, answer.text
    assert not [n for n in ("canaryhr", "canarysalaries", "canaryview") if n in answer.text], answer.text


def test_the_folder_of_a_namespace_is_for_who_makes_tables_there(scene: Scene):
    assert scene.op.get(f"{NAMESPACES}/retail/properties").status_code in (404, 405)
    answer = scene.op.post(f"{NAMESPACES}/retail/properties", json={"updates": {"note": "canary-note"}})
    assert answer.status_code == 200, answer.text

    def properties(who: httpx.Client, namespace: str) -> set[str]:
        assert who.head(f"{NAMESPACES}/{namespace}").status_code == 204
        return set(who.get(f"{NAMESPACES}/{namespace}").json()["properties"])

    assert properties(scene.op, "retail") == {"location", "note"}
    assert properties(scene.dev, "lab") == {"location"}
    assert properties(scene.dev, "retail") == {"note"}
    assert properties(scene.uma, "retail") == set()


# --- Resources --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hidden(scene: Scene) -> None:
    """Resources of the operator, which others may not read."""
    value = {"type": "key-value", "acl": "r", "data": {"token": "x"}}
    scene.must({"name": "canarykey", "version": "v1", "type": "instance-secret", "instance-secret": value})
    scene.must({"name": "canarykey2", "version": "v1", "type": "secret", "workspace": "public", "secret": value})
    job = {"name": "j", "spec": {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": "pass"}}}
    flow = {"name": "canaryflow", "version": "v1", "type": "workflow", "workspace": "public",
            "workflow": {"schedule": {"cron": "0 0 1 1 *"}, "dag": [job]}}  # fmt: skip
    scene.must(flow)
    scene.must({**flow, "name": "canarygone"})
    assert scene.op.delete("/api/v1/workspaces/public/resources/workflow/canarygone?force=true").status_code == 200


@pytest.mark.parametrize("what", ["status", "runtime"])
def test_reports_are_of_resources_that_one_may_read(scene: Scene, hidden: None, what: str):
    path = f"/collated/api/v1/reports/resources/{what}"
    for id_ in ("%:%:%:%", "%:%:%", "workflow:v1:canary%:public", "workflow:v1:canaryflow:public"):
        known = {i["id"] for i in _items(scene.uma, "/api/v1/resources")}
        found = {i["id"] for i in _items(scene.uma, path, id=id_)}
        assert found <= known
        assert not [i for i in found if "canary" in i]
    assert [i["id"] for i in _items(scene.op, path, id="workflow:v1:canary%:public")] == [
        "workflow:v1:canaryflow:public"
    ]
    assert len(_items(scene.op, path, id="workflow:v1:canarygone:public")) == 1
    assert _items(scene.uma, path, id="workflow:v1:canarygone:public") == []


def _items(who: httpx.Client, path: str, **params: str) -> list[dict[str, Any]]:
    answer = who.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/resources/instance-secret/canaryke", "/api/v1/resources/instance-secret/canaryke/history",
        "/api/v1/workspaces/public/resources/secret/canaryke", "/api/v1/workspaces/public/resources/workflow/canaryflo",
        "/api/v1/workspaces/public/resources/workflow/canaryflo/runtime",
        "/api/v1/workspaces/public/resources/workflow/canaryflo/log",
        "/api/v1/workspaces/public/resources/workflow/canaryflo/history",
        "/api/v1/workspaces/public/resources/workflow/canaryflo/history/1",
    ],
)  # fmt: skip
def test_near_names_are_of_resources_that_one_may_read(scene: Scene, hidden: None, path: str):
    told = scene.op.get(path)
    assert told.status_code == 404 and "canary" in told.json()["errors"][0]["hint"], told.text
    answer = scene.uma.get(path)
    assert answer.status_code == 404, answer.text
    assert not [n for n in ("canarykey", "canaryflow") if n in answer.text], answer.text


def test_what_a_manifest_misses_tells_no_secrets(scene: Scene, hidden: None):
    spec = {"stack": "script", "compute": "runnable-default", "stackSpec": {"script": "pass"},
            "dataosSecrets": [{"name": "canaryke", "allkeys": True}]}  # fmt: skip
    flow = {"name": "guess", "version": "v1", "type": "workflow", "workspace": "public",
            "workflow": {"dag": [{"name": "j", "spec": spec}]}}  # fmt: skip
    told = scene.op.post("/api/v1/apply", json={"document": flow})
    assert "canarykey" in told.text
    answer = scene.uma.post("/api/v1/apply", json={"document": flow})
    assert answer.status_code == 422 and "canarykey" not in answer.text, answer.text


def test_a_rewrite_is_told_of_to_who_started_it(scene: Scene):
    started = scene.op.post("/api/v1/datasets/compact", json={"address": "dataos://lakehouse:canaryhr/people"})
    assert started.status_code == 200, started.text
    path = f"/api/v1/datasets/compactions/{started.json()['id']}"
    for who in (scene.dev, scene.uma):
        answer = who.get(path)
        assert answer.status_code == 404, answer.text
    wait_until(lambda: scene.op.get(path).json()["state"] == "done", 60, "the rewrite")
    scene.must(access("dev-maintains", "dev", "dataos://lakehouse:lab/*", predicates=["**"]))
    assert (
        scene.dev.post("/api/v1/query", json={"sql": "CREATE TABLE lakehouse.lab.own AS SELECT 1 AS a"}).status_code
        == 200
    )
    own = scene.dev.post("/api/v1/datasets/compact", json={"address": "dataos://lakehouse:lab/own"}).json()["id"]
    path = f"/api/v1/datasets/compactions/{own}"
    wait_until(lambda: scene.dev.get(path).json()["state"] == "done", 60, "the rewrite")
    assert scene.uma.get(path).status_code == 404
    assert scene.op.get(path).json()["state"] == "done"


def test_asking_for_access_names_no_dataset_of_which_one_may_not_know(scene: Scene):
    data = {"meta": {"title": "S"}, "inputs": [{"refType": "dataos", "ref": "dataos://lakehouse:retail/customers"}],
            "outputs": [{"refType": "dataos", "ref": "dataos://lakehouse:canaryhr/people"}],
            "resource": {"refType": "dataos", "ref": "bundle:v1beta:s-bundle"}}  # fmt: skip
    scene.must(
        {
            "name": "staff",
            "version": "v1beta",
            "entity": "product",
            "type": "data",
            "description": "w",
            "v1beta": {"data": data},
        }
    )
    body = {"reason": "why", "datasets": ["dataos://lakehouse:retail/other"]}
    path = "/api/v1/products/data/v1beta/staff/access-requests"
    told = scene.op.post(path, json=body)
    assert "canaryhr" in told.text, told.text
    answer = scene.dev.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["hint"] == "datasets: dataos://lakehouse:retail/customers"
