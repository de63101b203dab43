"""The program of an engine process: `python -m dataos.engines.duckdb.process <folder>`.

Its configuration, with token and database credentials, comes as one JSON line on stdin, so that they stand in no
file, no argument and no environment. Stdin then stays open as the leash: when the supervisor dies, it closes, and
this process ends. It answers HTTP on `<folder>/engine.sock`; the folder is 0700 and each request carries the token.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dataos.engines.duckdb import frames
from dataos.engines.duckdb.database import clearing, open_database
from dataos.engines.duckdb.running import Statement, failure_of

SOCKET = "engine.sock"


class Program:
    """The HTTP side: one database, many statements, each on its own cursor and thread."""

    def __init__(self, config: dict[str, Any], database: duckdb.DuckDBPyConnection) -> None:
        self._token = str(config["token"])
        self._database = database
        self._clearing = clearing(config["mounts"])
        self._threads = ThreadPoolExecutor(int(config["max_statements"]) + 4, thread_name_prefix="statement")
        self._watching: set[asyncio.Task[None]] = set()
        self.app = Starlette(
            routes=[
                Route("/ready", self._ready),
                Route("/parse", self._parse, methods=["POST"]),
                Route("/execute", self._execute, methods=["POST"]),
                Route("/refresh", self._refresh, methods=["POST"]),
            ]
        )

    def _allowed(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("x-engine-token", ""), self._token)

    async def _ready(self, request: Request) -> Response:
        return Response(status_code=204 if self._allowed(request) else 403)

    async def _parse(self, request: Request) -> Response:
        if not self._allowed(request):
            return Response(status_code=403)
        body = await request.json()

        def parse() -> list[str]:
            with self._database.cursor() as cursor:
                return [
                    cursor.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()[0][0]
                    for text in body["statements"]
                ]

        trees = await asyncio.get_running_loop().run_in_executor(self._threads, parse)
        return Response("[" + ",".join(trees) + "]", media_type="application/json")

    async def _refresh(self, request: Request) -> Response:
        if not self._allowed(request):
            return Response(status_code=403)
        if self._clearing:

            def clear() -> None:
                with self._database.cursor() as cursor:
                    for statement in self._clearing:
                        cursor.execute(statement)

            await asyncio.get_running_loop().run_in_executor(self._threads, clear)
        return Response(status_code=204)

    async def _execute(self, request: Request) -> Response:
        if not self._allowed(request):
            return Response(status_code=403)
        body = await request.json()
        statement = Statement(self._database.cursor(), asyncio.get_running_loop(), clearing=self._clearing)
        self._threads.submit(statement.run, str(body["sql"]), body.get("max_rows"))
        # Neither server nor framework ends a handler when the client goes away: we listen for it ourselves.
        watch = asyncio.create_task(_cancel_on_disconnect(request, statement))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)
        first = await statement.next_frame()
        if first is None:
            return Response(status_code=499)
        if first[:1] == frames.FAILURE:
            watch.cancel()
            return JSONResponse(json.loads(first[frames.HEADER.size :]), status_code=422)
        return StreamingResponse(
            _then_stop(statement.frames_after(first), watch), media_type="application/octet-stream"
        )


async def _cancel_on_disconnect(request: Request, statement: Statement) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    statement.cancel()


async def _then_stop(content: AsyncIterator[bytes], watch: asyncio.Task[None]) -> AsyncIterator[bytes]:
    try:
        async for frame in content:
            yield frame
    finally:
        watch.cancel()


def _leash() -> None:
    """End with the supervisor: its end of the pipe closes when it dies, however it dies."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def main() -> None:
    """Read the configuration, open the database, tell the supervisor, serve until the leash is cut."""
    folder = Path(sys.argv[1])
    config = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leash, name="leash", daemon=True).start()
    try:
        database, failures = open_database(config, folder)
    except (duckdb.Error, RuntimeError, OSError) as error:
        _tell({"failed": failure_of(error)["text"]})
        sys.exit(1)
    program = Program(config, database)
    del config["mounts"], config["buckets"]  # the credentials are the database's business from here on

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            os.chmod(folder / SOCKET, 0o600)
            _tell({"ready": True, "failures": failures})

    Server(
        uvicorn.Config(
            program.app,
            uds=str(folder / SOCKET),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=3600,
        )
    ).run()


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
