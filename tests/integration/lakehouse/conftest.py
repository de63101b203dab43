"""A catalog on a real store, behind a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request

from dataos.core.clock import SystemClock
from dataos.core.ids import RandomIds
from dataos.core.meters import Meters
from dataos.depots.ports import ObjectStoreConnection
from dataos.doors.objects.door import ObjectDoor
from dataos.doors.objects.uploads import Uploads
from dataos.doors.observing import Observed
from dataos.lakehouse import rest
from dataos.lakehouse.access import Authorise, allow_all
from dataos.lakehouse.buckets import BucketFiles, Buckets
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import PlacedFiles
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from integration.lakehouse.engines import Clients, embedded
from integration.lakehouse.helpers import WAREHOUSE, Server, authenticate, client, identify, rows
from support import postgres, s3, stores
from support.patience import deadline
from support.ports import free_port
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


@pytest.fixture(scope="session")
def object_store() -> Iterator[s3.S3]:
    with s3.running() as found:
        yield found


@pytest.fixture
def place(root: Path, request: pytest.FixtureRequest) -> str:
    """Where the warehouse lies: in the folder `root`, or a bucket for `parametrize("place", ["bucket"], indirect=True)`."""
    if getattr(request, "param", "folder") == "folder":
        return str(root)
    name = f"lake-{uuid.uuid4().hex[:12]}"
    request.getfixturevalue("object_store").bucket(name)
    return f"s3://{name}/tables"


@pytest.fixture
def endpoints() -> list[str]:
    """Where the warehouse's bucket is looked for instead, if a test puts an address here."""
    return []


@pytest.fixture
def buckets(store: Store, place: str, endpoints: list[str], request: pytest.FixtureRequest) -> Buckets:
    def connect(_: sa.Connection, name: str) -> ObjectStoreConnection | None:
        endpoint = endpoints[0] if endpoints else request.getfixturevalue("object_store").endpoint
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        keys = {"access_key_id": "me", "secret_access_key": s3.SECRET}
        return ObjectStoreConnection("s3", bucket, prefix, endpoint=endpoint, path_style=True, credentials=keys)

    return Buckets(store, connect, 3.0, known_s=0.0)


@pytest.fixture
def catalog(store: Store, place: str, buckets: Buckets) -> Iterator[Catalog]:
    made = Catalog(store, SystemClock(), RandomIds(), files=PlacedFiles(BucketFiles(buckets)))
    store.write_sync(made.register_warehouse, WAREHOUSE, "uid-1", place)
    yield made
    made.close()


@pytest.fixture
def authorise() -> Authorise:
    """What the doors ask; a test may put something stricter here."""
    return allow_all


@pytest.fixture
def server(
    catalog: Catalog, store: Store, root: Path, buckets: Buckets, tmp_path: Path, authorise: Authorise
) -> Iterator[Server]:
    port = free_port()
    app = FastAPI()
    app.include_router(rest.router(catalog, authenticate, authorise), prefix="/iceberg")
    running = Server(f"http://127.0.0.1:{port}/iceberg", catalog, store, root)

    @app.middleware("http")
    async def note(request: Request, call_next):
        answer = await call_next(request)
        running.requests.append(f"{request.method} {request.url.path} {answer.status_code}")
        return answer

    uploads = Uploads(tmp_path / "uploads")
    door = ObjectDoor(app, buckets, catalog.place_of, identify, uploads, RandomIds(), authorise)
    web = uvicorn.Server(
        uvicorn.Config(
            Observed(door, Meters(), access_log=False), host="127.0.0.1", port=port, log_level="warning", ws="none"
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()), daemon=True)
    thread.start()
    until = deadline(10)
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
