"""The program of an engine process: `python -m dataos.engines.duckdb.process <folder>`.

Its configuration, with token and database credentials, comes as one JSON line on stdin, so that they stand in no
file, no argument and no environment. Stdin then stays open as the leash: when the supervisor dies, it closes, and
this process ends. It answers on `<folder>/engine.sock` (`frames`); the folder is 0700 and each request carries the
token.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import duckdb

from dataos.engines.duckdb import frames
from dataos.engines.duckdb.database import clearing, open_database
from dataos.engines.duckdb.running import Gone, Statement, failure_of

SOCKET = "engine.sock"


class Program:
    """What answers: one database, many statements, each on its own cursor. A connection has its own thread: a
    statement that comes and goes wakes no other."""

    def __init__(self, config: dict[str, Any], database: duckdb.DuckDBPyConnection) -> None:
        self._token = str(config["token"])
        self._database = database
        self._clearing = clearing(config["mounts"])
        self._lookout = _Lookout()

    def serve(self, wire: socket.socket) -> None:
        """Answer the requests of one connection, one after the other, until the other side closes it."""
        with wire, contextlib.suppress(OSError, ValueError, KeyError, Gone):  # it went away, or is not our server
            while (frame := frames.receive(wire)) is not None:
                request: dict[str, Any] = json.loads(frame[1])
                if not hmac.compare_digest(str(request.get("token", "")), self._token):
                    return
                if request["do"] == "execute":
                    self._execute(request, wire)
                else:
                    wire.sendall(self._control(request))

    def _control(self, request: dict[str, Any]) -> bytes:
        work = self._parse if request["do"] == "parse" else self._refresh
        try:
            return work(request)
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

    def _execute(self, request: dict[str, Any], wire: socket.socket) -> None:
        statement = Statement(self._database.cursor(), wire.sendall, clearing=self._clearing)
        try:
            with self._lookout.over(wire, statement.cancel):
                last = statement.run(str(request["sql"]), request.get("max_rows"))
            wire.sendall(last)  # after it, the next request may come
        finally:
            statement.close()


class _Lookout:
    """Says when the other side of a connection went away, also while nobody reads from it or writes to it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._changing = threading.Lock()
        threading.Thread(target=self._look, name="lookout", daemon=True).start()

    @contextlib.contextmanager
    def over(self, wire: socket.socket, gone: Callable[[], None]) -> Generator[None]:
        """Look at a connection on which nothing may come: what can be read there is its end."""
        with self._changing:
            self._selector.register(wire, selectors.EVENT_READ, gone)
        try:
            yield
        finally:
            self._forget(wire)

    def _forget(self, wire: Any) -> None:
        with self._changing, contextlib.suppress(KeyError, ValueError):  # the other thread was first, and closed it
            self._selector.unregister(wire)

    def _look(self) -> None:
        while True:
            for key, _ in self._selector.select():
                self._forget(key.fileobj)
                key.data()


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
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / SOCKET))
        os.chmod(folder / SOCKET, 0o600)
        server.listen(1024)
        _tell({"ready": True, "failures": failures})
        while True:
            wire, _ = server.accept()
            threading.Thread(target=program.serve, args=(wire,), name="connection", daemon=True).start()


def _leash() -> None:
    """End with the supervisor: its end of the pipe closes when it dies, however it dies."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
