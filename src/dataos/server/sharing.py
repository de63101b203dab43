"""What servers that share a store must agree on, and how this one shows that it lives.

The store's address and password, the master key, the folders of the warehouses, the id of a home.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.core import durable
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.core.secrecy import Secret
from dataos.core.settings import Settings
from dataos.processes import limits
from dataos.server.home import Home, unwritable
from dataos.store import tables
from dataos.store.database import Store, sqlite_url

_SHOW_S = 0.25
ORPHAN_SHARE = 0.6
"""The part of `store.server_ttl_s` after which a job ends whose server shows no life: well before another begins it."""


def open_store(home: Home, settings: Settings) -> Store:
    """The store that the settings name. Raises DataOSError `settings.invalid`."""
    password = settings.store.password.get_secret_value() if settings.store.password is not None else None
    if settings.store.password_file is not None:
        try:
            password = Path(settings.store.password_file).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            text = f"setting store.password_file: cannot read {settings.store.password_file}: {error}"
            raise fail("settings.invalid", text, hint="name a file that this user can read") from error
    secret = Secret(password) if password is not None else None
    return Store(settings.store.url or sqlite_url(home.store), readers=settings.store.readers, password=secret)


def server_id(home: Home, ids: Ids) -> str:
    """The id of this home among the servers of a store: made once, kept in `<home>/server.id`."""
    file = home.root / "server.id"
    with contextlib.suppress(FileNotFoundError):
        known = file.read_text("ascii").strip()
        if known:
            return known
    made = str(ids.run_id())
    try:
        durable.write(file, made.encode() + b"\n")
    except OSError as error:
        raise unwritable(home.root, error) from error
    return made


def host_name() -> str:
    """This machine, for people who read a list of servers."""
    return socket.gethostname()


class SignOfLife:
    """Keeps `<home>/run/alive` fresh while this process runs, for the jobs' supervisors (`processes.limits`).

    A thread: a busy event loop must not end jobs.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sign-of-life", daemon=True)

    def start(self) -> None:
        """From here on jobs of an earlier life of this server go on."""
        limits.show_alive(str(self._file))
        self._thread.start()

    def stop(self) -> None:
        """The server ends."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SHOW_S):
            with contextlib.suppress(OSError):  # a full disk: the next one may succeed, or the jobs end
                limits.show_alive(str(self._file))


def warehouses_health(connection: sa.Connection) -> list[dict[str, Any]]:
    """A line per warehouse that this server cannot reach: its folder must lie on storage that all servers share."""
    rows = connection.execute(sa.select(tables.iceberg_warehouses.c.name, tables.iceberg_warehouses.c.location)).all()
    return [
        {
            "name": f"warehouse {row.name}",
            "ok": False,
            "detail": f"{row.location} is not there or not writable on this server: put it on shared storage",
        }
        for row in rows
        if row.location.startswith("/") and not os.access(row.location, os.R_OK | os.W_OK | os.X_OK)
    ]
