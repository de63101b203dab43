"""The program of an engine process: `python -m dataos.engines.duckdb.process <folder>`.

Its configuration, with token and database credentials, comes as one JSON line on stdin, so that they stand in no
file, no argument and no environment. Stdin then stays open as the leash: when the supervisor dies, it closes, and
this process ends. It answers on `<folder>/engine.sock` (`frames`); the folder is 0700 and each request carries the
token.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import duckdb

from dataos.engines.duckdb import frames
from dataos.engines.duckdb.database import clearing, open_database
from dataos.engines.duckdb.running import Statement, failure_of

SOCKET = "engine.sock"


class Program:
    """What answers: one database, many statements, each on its own cursor and thread."""

    def __init__(self, config: dict[str, Any], database: duckdb.DuckDBPyConnection) -> None:
        self._token = str(config["token"])
        self._database = database
        self._clearing = clearing(config["mounts"])
        self._threads = ThreadPoolExecutor(int(config["max_statements"]) + 4, thread_name_prefix="statement")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        """Answer the requests of one connection, one after the other. `gone`: the other side closed it."""
        try:
            while (frame := await frames.read(reader)) is not None:
                request: dict[str, Any] = json.loads(frame[1])
                if not hmac.compare_digest(str(request.get("token", "")), self._token):
                    return
                if request["do"] == "execute":
                    if not await self._execute(request, writer, gone):
                        return
                else:
                    writer.write(await self._control(request))
                    await writer.drain()
        except (ConnectionError, ValueError, KeyError):
            return  # it went away, or is not our server
        finally:
            writer.close()

    async def _control(self, request: dict[str, Any]) -> bytes:
        work = self._parse if request["do"] == "parse" else self._refresh
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, request)
        except duckdb.Error as error:
            return frames.pack_json(frames.FAILURE, failure_of(error))

    def _parse(self, request: dict[str, Any]) -> bytes:
        with self._database.cursor() as cursor:
            trees = [
                cursor.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()[0][0]
                for text in request["statements"]
            ]
        return frames.pack(frames.TREES, ("[" + ",".join(trees) + "]").encode())

    def _refresh(self, _: dict[str, Any]) -> bytes:
        with self._database.cursor() as cursor:
            for statement in self._clearing:
                cursor.execute(statement)
        return frames.pack_json(frames.END, {})

    async def _execute(self, request: dict[str, Any], writer: asyncio.StreamWriter, gone: asyncio.Event) -> bool:
        """True if the answer came to its end: the connection may be used again."""
        statement = Statement(self._database.cursor(), asyncio.get_running_loop(), clearing=self._clearing)
        self._threads.submit(statement.run, str(request["sql"]), request.get("max_rows"))
        watch = asyncio.create_task(_cancel_when(gone, statement))
        last = b""
        try:
            async with aclosing(statement.all_frames()) as produced:
                async for frame in produced:
                    last = frame[:1]
                    writer.write(frame)
                    await writer.drain()
        finally:
            watch.cancel()
        return last in (frames.END, frames.FAILURE)


async def _cancel_when(gone: asyncio.Event, statement: Statement) -> None:
    await gone.wait()
    statement.cancel()


class _Wire(asyncio.StreamReaderProtocol):
    """A connection that says at once when the other side closed it, also while nobody reads."""

    def __init__(self, program: Program) -> None:
        self._gone = asyncio.Event()
        reader = asyncio.StreamReader(limit=frames.PIECE)
        super().__init__(reader, lambda r, w: program.serve(r, w, self._gone))

    def eof_received(self) -> bool | None:
        self._gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        super().connection_lost(exc)


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
    del (
        config["mounts"],
        config["buckets"],
        config["mask_key"],
    )  # the credentials are the database's business from here on

    asyncio.run(_serve(program, folder / SOCKET, failures))


async def _serve(program: Program, path: Path, failures: dict[str, str]) -> None:
    server = await asyncio.get_running_loop().create_unix_server(lambda: _Wire(program), path, backlog=1024)
    os.chmod(path, 0o600)
    _tell({"ready": True, "failures": failures})
    async with server:
        await server.serve_forever()


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
