"""A catalog on a real store, behind a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request

from dataos.core.clock import SystemClock
from dataos.core.ids import RandomIds
from dataos.lakehouse import rest
from dataos.lakehouse.catalog import Catalog
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from integration.lakehouse.engines import Clients, embedded
from integration.lakehouse.helpers import WAREHOUSE, Server, authenticate, client, rows
from support import postgres, stores
from support.stores import postgresql_server  # noqa: F401


@pytest.fixture
def clients() -> Clients:
    """The clients whose tables all others read; tests/engines has more of them."""
    return Clients(embedded())


@pytest.fixture(params=["pyiceberg", "duckdb", "sail"])
def writer(request: pytest.FixtureRequest) -> str:
    """Each client that writes."""
    return request.param


@pytest.fixture
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """SQLite, or what `parametrize(..., indirect=True)` asks for."""
    if getattr(request, "param", "sqlite") == "postgresql":
        server: postgres.Postgres = request.getfixturevalue("postgresql_server")
        opened = Store(stores.address(server, stores.fresh(server, template=False)))
    else:
        opened = Store(sqlite_url(tmp_path / "store.db"))
    opened.write_sync(tables.metadata.create_all)
    yield opened
    opened.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse"
    path.mkdir()
    return path


@pytest.fixture
def catalog(store: Store, root: Path) -> Iterator[Catalog]:
    made = Catalog(store, SystemClock(), RandomIds())
    store.write_sync(made.register_warehouse, WAREHOUSE, "uid-1", root)
    yield made
    made.close()


@pytest.fixture
def server(catalog: Catalog, store: Store, root: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = FastAPI()
    app.include_router(rest.router(catalog, authenticate), prefix="/iceberg")
    running = Server(f"http://127.0.0.1:{port}/iceberg", catalog, store, root)

    @app.middleware("http")
    async def note(request: Request, call_next):
        answer = await call_next(request)
        running.requests.append(f"{request.method} {request.url.path} {answer.status_code}")
        return answer

    web = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()), daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not web.started and time.monotonic() < until:
        time.sleep(0.01)
    yield running
    web.should_exit = True
    thread.join(10)


@pytest.fixture
def orders(server: Server) -> str:
    """A published table sales.orders with ids 1 and 2."""
    user = client(server)
    user.create_namespace("sales")
    user.create_table("sales.orders", rows().schema).append(rows(1, 2))
    return "sales.orders"
