"""Who may do what over HTTP: the hook is asked before anything is done, and what a job's token opens."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError, fail
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.doors import dataset_upkeep, datasets, problems
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.lakehouse.access import Authorise, allow_all
from dataos.lakehouse.listing import Listing
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep
from integration.lakehouse.helpers import WAREHOUSE, Server, authenticate, client, ids_of, rows

ADDRESS = f"dataos://{WAREHOUSE}:sales/orders"


def application(server: Server, authorise: Authorise = allow_all) -> FastAPI:
    server.store.write_sync(resolver.register, DepotEntry(WAREHOUSE, "u1", "ICEBERG", {"warehouse": WAREHOUSE}))
    depots = resolver.Depots(
        server.store,
        Vault(b"v" * 32, SystemClock()),
        allowed_paths=[],
        connect_timeout_s=5,
        lakehouse=Listing(server.catalog),
    )
    app = FastAPI()
    problems.install(app)
    door = datasets.DatasetDoor(depots, authorise)
    app.include_router(datasets.router(Datasets(server.catalog), door, authenticate))
    nothing = cast("Any", None)  # rewrites are started by users only
    app.include_router(dataset_upkeep.router(Upkeep(server.catalog), nothing, door, SystemClock(), authenticate))
    return app


def call(app: FastAPI, method: str, verb: str, token: str, **body: Any) -> tuple[int, Any]:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
            headers = {"Authorization": f"Bearer {token}"}
            path = f"/api/v1/datasets/{verb}"
            given = {"address": ADDRESS, **body}
            if method == "GET":
                return await http.get(path, params=given, headers=headers)
            return await http.post(path, json=given, headers=headers)

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


def test_a_job_maintains_what_it_has_loaded_and_nothing_else(server: Server, orders: str) -> None:
    app = application(server)
    for verb, body in (
        ("expire", {"dryRun": True}),
        ("clean-orphans", {"dryRun": True}),
        ("rewrite-manifests", {"dryRun": True}),
        ("replace-files", {"baseSnapshot": "1", "added": [], "removed": ["x"]}),
    ):
        status, answer = call(app, "POST", verb, "attempt:a1", **body)
        assert (status, "has not loaded it" in answer["errors"][0]["message"]) == (403, True), verb
    client(server, "attempt:a1").load_table(orders)
    assert call(app, "POST", "expire", "attempt:a1", dryRun=True)[0] == 200
    assert call(app, "POST", "clean-orphans", "attempt:a1", dryRun=True)[0] == 200
    assert call(app, "POST", "drop", "attempt:a1")[0] == 403
    assert call(app, "POST", "compact", "attempt:a1")[0] == 403
    assert ids_of(server, orders) == [1, 2]


def test_what_a_job_changes_is_held(server: Server, orders: str) -> None:
    app = application(server)
    client(server, "attempt:a1").load_table(orders).append(rows(3))
    assert call(app, "POST", "add-field", "attempt:a1", name="channel", datatype="string")[0] == 200
    assert "channel" in call(app, "GET", "get", "attempt:a1")[1]["schema"]["avro"]
    assert "channel" not in call(app, "GET", "get", "user")[1]["schema"]["avro"]
    assert len(call(app, "GET", "snapshots", "attempt:a1")[1]["items"]) == 2
    assert len(call(app, "GET", "snapshots", "user")[1]["items"]) == 1


def test_the_hook_is_asked_on_every_route(server: Server, orders: str) -> None:
    asked: list[tuple[str, str, str | None, str | None]] = []

    async def authorise(_: Principal, action: str, warehouse: str, namespace: str | None, table: str | None) -> None:
        asked.append((action, warehouse, namespace, table))
        raise fail("auth.forbidden", "no")

    app = application(server, authorise)
    bodies: dict[str, dict[str, Any]] = {
        "create": {"manifest": {}},
        "register": {"metadataLocation": "/x"},
        "add-properties": {"properties": {"a": "b"}},
        "remove-properties": {"names": ["a"]},
        "add-field": {"name": "x", "datatype": "int"},
        "drop-field": {"name": "x"},
        "rename-field": {"name": "x", "newName": "y"},
        "update-field": {"name": "x", "datatype": "int"},
        "set-nullable": {"name": "x", "nullable": True},
        "update-partition": {"partitions": []},
        "set-metadata": {"version": "latest"},
        "set-snapshot": {"id": "1"},
        "rollback": {"id": "1"},
        "cherrypick-snapshot": {"id": "1"},
        "replace-branch": {"source": "a", "target": "b"},
        "fastforward-branch": {"source": "a", "target": "b"},
        **{f"{verb}-{kind}": {"name": "x"} for verb in ("create", "delete") for kind in ("branch", "tag")},
        **{f"rename-{kind}": {"name": "x", "newName": "y"} for kind in ("branch", "tag")},
        "expire": {},
        "clean-orphans": {},
        "rewrite-manifests": {},
        "replace-files": {"baseSnapshot": "1", "added": [], "removed": ["x"]},
        "compact": {},
    }
    routes = [r for r in app.routes if getattr(r, "path", "").startswith("/api/v1/datasets/")]
    for route in routes:
        verb = str(getattr(route, "path", "")).rsplit("datasets/", 1)[1]
        (method,) = cast("Any", route).methods
        if verb in ("drop", "compactions/{id}"):  # the one asks for an operator first, the other names no table
            continue
        asked.clear()
        more = {"address": f"dataos://{WAREHOUSE}:sales"} if verb == "list" else {}
        status, _ = call(app, method, verb, "user", **bodies.get(verb, {}), **more)
        assert (status, len(asked)) == (403, 1), verb
        assert asked[0][1:] == (WAREHOUSE, "sales", None if verb == "list" else "orders"), verb


@pytest.mark.parametrize("token", ["", "wrong"])
def test_strangers_are_refused(server: Server, orders: str, token: str) -> None:
    assert call(application(server), "GET", "get", token)[0] == 401


def test_an_address_of_another_depot_is_refused(server: Server, orders: str) -> None:
    app = application(server)
    server.store.write_sync(resolver.register, DepotEntry("files", "u2", "FILE", {"path": "/x"}))

    async def find(address: str) -> str:
        depots = resolver.Depots(server.store, Vault(b"v" * 32, SystemClock()), allowed_paths=[], connect_timeout_s=5)
        return str(await datasets.DatasetDoor(depots).addresses.table(address))

    with pytest.raises(DataOSError, match="type FILE"):
        asyncio.run(find("dataos://files:a/b"))
    assert asyncio.run(find("dataos://sales/orders")) == f"{WAREHOUSE}.sales.orders"
    server.store.write_sync(resolver.register, DepotEntry("second", "u3", "ICEBERG", {}))
    with pytest.raises(DataOSError, match="not exactly one"):
        asyncio.run(find("dataos://sales/orders"))
    assert call(app, "GET", "get", "user")[0] == 200
