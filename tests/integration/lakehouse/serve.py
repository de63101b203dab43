"""A catalog server of its own process, which dies without a word at a named moment.

Usage: python -m integration.lakehouse.serve STORE PORT CHECKPOINT
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

from dataos.core.clock import SystemClock
from dataos.core.ids import AttemptId, RandomIds
from dataos.lakehouse import rest
from dataos.lakehouse.catalog import Catalog
from dataos.store.database import Store, sqlite_url
from integration.lakehouse.helpers import authenticate


def main(path: str, port: str, deadly: str) -> None:
    """Serve until killed."""
    armed = False

    def checkpoint(name: str) -> None:
        if armed and name == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store(sqlite_url(Path(path)))
    catalog = Catalog(store, SystemClock(), RandomIds(), checkpoint)
    app = FastAPI()
    app.include_router(rest.router(catalog, authenticate), prefix="/iceberg")

    @app.post("/arm")
    async def arm() -> None:
        nonlocal armed
        armed = True

    @app.post("/publish")
    async def publish(request: Request) -> None:
        attempt = AttemptId(request.query_params["attempt"])
        await catalog.prepare_publish(attempt)
        await store.write(catalog.publish, attempt)

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error", ws="none")


if __name__ == "__main__":
    main(*sys.argv[1:])
