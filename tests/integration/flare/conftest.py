"""A catalog on a real store behind a real HTTP server, and the jobs that use it."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from dataos.core.clock import SystemClock
from dataos.core.ids import RandomIds
from dataos.lakehouse import rest
from dataos.lakehouse.catalog import Catalog
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from integration.flare.helpers import WAREHOUSE, Jobs, Server, authenticate
from support.patience import deadline
from support.ports import free_port


@pytest.fixture(scope="session")
def spark_address() -> str | None:
    """Which Spark runs the jobs. None here: the embedded engine does; tests/engines runs the same tests on Spark."""
    return None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("lakehouse")
    (root / "warehouse").mkdir()
    store = Store(sqlite_url(root / "store.db"))
    store.write_sync(tables.metadata.create_all)
    catalog = Catalog(store, SystemClock(), RandomIds())
    store.write_sync(catalog.register_warehouse, WAREHOUSE, "uid-1", root / "warehouse")
    port = free_port()
    running = Server(f"http://127.0.0.1:{port}", catalog, store, root)
    app = FastAPI()
    app.include_router(rest.router(catalog, authenticate), prefix="/iceberg")

    @app.post("/api/v1/inputs")
    async def inputs(request: Request) -> Response:
        import pyarrow as pa

        await authenticate(request)
        asked = await request.json()
        answer = running.answers[asked.get("address") or asked["query"]]
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, answer.schema) as stream:
            stream.write_table(answer, max_chunksize=1000)
        return Response(sink.getvalue(), media_type="application/vnd.apache.arrow.stream")

    web = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()), daemon=True)
    thread.start()
    until = deadline(10)
    while not web.started and time.monotonic() < until:
        time.sleep(0.01)
    yield running
    web.should_exit = True
    thread.join(10)
    catalog.close()
    store.close()


@pytest.fixture
def jobs(server: Server, tmp_path: Path, spark_address: str | None) -> Jobs:
    return Jobs(server, tmp_path / "jobs", count=time.monotonic_ns(), spark=spark_address)
