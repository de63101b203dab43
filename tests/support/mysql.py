"""A real MariaDB for tests (Debian's `mariadb-server`), with data in a fresh private folder, on loopback.

As root it runs under the unprivileged user `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket as sockets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from support.patience import deadline
from support.ports import free_port

WHY = "MariaDB is not installed: apt-get install mariadb-server"


def installed() -> Path | None:
    """The server program, or None."""
    found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found and shutil.which("mariadb-install-db") else None


@dataclass(frozen=True)
class Mysql:
    """A running server, and the way in of a user who may do everything."""

    host: str
    port: int
    user: str
    password: str
    socket: str
    _start: Callable[[], None]
    _stop: Callable[[], None]

    def run(self, *statements: str) -> None:
        """Run statements as root."""
        with pymysql.connect(unix_socket=self.socket, user="root", autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)

    def stop(self) -> None:
        """Take it away; `start` brings it back with its data."""
        self._stop()

    def start(self) -> None:
        """Bring it back."""
        self._start()


@contextmanager
def running() -> Iterator[Mysql]:
    """Start a server on 127.0.0.1, yield it, stop it and remove its data."""
    program = installed()
    assert program is not None, WHY
    password = secrets.token_urlsafe(12)
    folder = Path(tempfile.mkdtemp(prefix="my-test-"))
    drop: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        drop = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data, socket, port = folder / "data", folder / "s", free_port()
    environ = {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(folder)}
    servers: list[subprocess.Popen[bytes]] = []
    argv = [str(program), "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--port={port}",
            "--bind-address=127.0.0.1", f"--pid-file={folder}/pid", "--skip-name-resolve", f"--tmpdir={folder}",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--performance-schema=OFF"]  # fmt: skip

    def start() -> None:
        with (folder / "log").open("ab") as log:
            servers.append(subprocess.Popen(argv, stdout=log, stderr=log, env=environ, cwd=folder, **drop))
        until = deadline(60)
        while True:
            try:
                with sockets.socket(sockets.AF_UNIX) as knock:
                    knock.connect(str(socket))
                pymysql.connect(unix_socket=str(socket), user="root", connect_timeout=3).close()
            except (OSError, pymysql.Error):
                assert servers[-1].poll() is None, (folder / "log").read_text()[-2000:]
                assert time.monotonic() < until, "the test MariaDB did not answer within 60 s"
                time.sleep(0.1)
            else:
                return

    def stop() -> None:
        if servers:
            server = servers.pop()
            server.send_signal(signal.SIGKILL)  # its data are of no worth
            server.wait()

    try:
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", f"--tmpdir={folder}",
             "--auth-root-authentication-method=normal"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ, cwd=folder, **drop,
        )  # fmt: skip
        start()
        server = Mysql("127.0.0.1", port, "tester", password, str(socket), start, stop)
        server.run(
            f"CREATE USER tester@'127.0.0.1' IDENTIFIED BY '{password}'",
            "GRANT ALL PRIVILEGES ON *.* TO tester@'127.0.0.1'",
        )
        yield server
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mysql]:
    """A MariaDB with database `shop`, and a user `reader` who may read two tables of it."""
    if installed() is None:
        pytest.skip(WHY)
    with running() as server:
        server.run(
            "CREATE DATABASE shop CHARACTER SET utf8mb4",
            "CREATE DATABASE hidden",
            "CREATE TABLE shop.Orders (id INT UNSIGNED PRIMARY KEY, name VARCHAR(20), amount DECIMAL(10,2), day DATE)",
            "INSERT INTO shop.Orders VALUES (1, 'abc', 1.50, '2024-01-01'), (2, 'ABC', 2.50, '2024-02-01'), "
            "(3, 'abc ', NULL, '2024-03-01'), (4, NULL, 4.00, NULL)",
            "CREATE TABLE shop.secret (id INT)",
            "CREATE VIEW shop.named AS SELECT id, name FROM shop.Orders WHERE name IS NOT NULL",
            "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader-canary'",
            "GRANT SELECT ON shop.Orders TO reader@'127.0.0.1'",
            "GRANT SELECT ON shop.named TO reader@'127.0.0.1'",
        )
        yield server
