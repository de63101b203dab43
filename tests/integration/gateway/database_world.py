"""PostgreSQL, MariaDB and SQLite behind one gateway, for tests of statements that write them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pymysql
import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import EngineOptions
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.mounting import MountedDepots
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from integration.gateway.gateway_world import ALICE
from support import mysql
from support import postgres as pg
from support.access import AllowAll, NoJournal

T = TypeVar("T")


class World:
    """A gateway over depots of the test's choice."""

    def __init__(self, folder: Path, depots: list[tuple[DepotEntry, dict[str, str]]]) -> None:
        self.loop = asyncio.new_event_loop()
        self.store = Store(sqlite_url(folder / "store.db"))
        self.store.write_sync(tables.metadata.create_all)
        clock, ids = SystemClock(), RandomIds()
        vault = Vault(b"v" * 32, clock)
        self.depots = resolver.Depots(self.store, vault, allowed_paths=[folder], connect_timeout_s=5)
        for entry, secret in depots:
            if secret:
                self.store.write_sync(vault.seal, f"instance-secret:{entry.name}", secret)
            self.store.write_sync(resolver.register, entry)
        self.engine = DuckdbEngine(
            "miniature",
            run_folder=folder / "run",
            spill_folder=folder / "spill",
            ids=ids,
            options=EngineOptions(memory_mib=512, threads=2),
        )
        catalog = Catalog(self.store, clock, ids)
        self.catalog = catalog
        self.mounted = MountedDepots(self.depots, catalog, clock)
        self.gateway = Gateway(
            self.engine,
            self.mounted,
            ids=ids,
            limits=Limits(timeout_s=30, max_rows=1000),
            authority=AllowAll(),
            journal=NoJournal(),
        )
        self.do(self.engine.start(self.do(self.mounted.access())))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _query(self, sql: str) -> dict[str, Any]:
        result = await self.gateway.run(Statement(sql), ALICE)
        try:
            return await results.as_json(result)
        finally:
            await result.aclose()

    def query(self, sql: str) -> dict[str, Any]:
        return self.do(self._query(sql))

    def rows(self, sql: str) -> list[list[Any]]:
        return self.query(sql)["rows"]

    def code(self, sql: str) -> str:
        with pytest.raises(DataOSError) as caught:
            self.query(sql)
        return caught.value.problem.code

    def close(self) -> None:
        self.do(self.engine.close())
        self.catalog.close()
        self.store.close()
        self.loop.close()


DATABASES = ["pgdb", "mydb", "lite"]


@dataclass
class Database:
    """A mounted database: its depot and schema, its own connection past the platform."""

    world: World
    depot: str
    schema: str
    connect: Callable[[], Any]

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the database; the rows of the last one."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            found = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
            return found
        finally:
            connection.close()

    def do(self, sql: str, **options: Any) -> list[list[Any]]:
        return self.world.do(self.run(sql, **options))

    async def run(self, sql: str, principal: Principal = ALICE, gateway: Gateway | None = None) -> list[list[Any]]:
        statement = Statement(sql, catalog=self.depot, schema=self.schema)
        result = await (gateway or self.world.gateway).run(statement, principal)
        try:
            return (await results.as_json(result))["rows"]
        finally:
            await result.aclose()

    def refused(self, sql: str, **options: Any) -> Any:
        with pytest.raises(DataOSError) as caught:
            self.do(sql, **options)
        return caught.value.problem

    def fresh(self, name: str, columns: str) -> None:
        """A table that the database itself made."""
        self.ask(f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} ({columns})")


@pytest.fixture(scope="module")
def writing(
    tmp_path_factory: pytest.TempPathFactory, server: pg.Postgres, mariadb: mysql.Mysql
) -> Iterator[dict[str, Database]]:
    folder = tmp_path_factory.mktemp("writing")
    mariadb.run("DROP DATABASE IF EXISTS writes", "CREATE DATABASE writes")
    server.run("DROP DATABASE IF EXISTS writes", "CREATE DATABASE writes")
    file = folder / "lite.db"
    sqlite3.connect(file).execute("CREATE TABLE first (x int)").connection.close()
    where = {"host": "127.0.0.1", "params": {}}
    both = dict.fromkeys(("r", "rw"), ("instance-secret:{}",))
    entries = [
        ("pgdb", "POSTGRESQL", {**where, "port": server.port, "database": "writes"}, server),
        ("mydb", "MYSQL", {**where, "port": mariadb.port}, mariadb),
        ("lite", "JDBC", {"subprotocol": "sqlite", "database": str(file), "params": {}}, None),
    ]
    depots: list[tuple[DepotEntry, dict[str, str]]] = []
    for name, type_, location, with_ in entries:
        secrets = {acl: tuple(s.format(name) for s in ids) for acl, ids in both.items()} if with_ else {}
        secret = {"username": with_.user, "password": with_.password} if with_ else {}
        depots.append((DepotEntry(name, f"u-{name}", type_, location, secrets), secret))
    # A Depot without credentials for writing, and one whose user for writing may read only.
    server.run(
        "DO $$ BEGIN CREATE ROLE visitor LOGIN PASSWORD 'visitor'; EXCEPTION WHEN duplicate_object THEN END $$",
        "GRANT pg_read_all_data TO visitor",
    )
    place = {**where, "port": server.port, "database": "writes"}
    superuser = {"username": server.user, "password": server.password}
    depots.append(
        (DepotEntry("readonly", "u-ro", "POSTGRESQL", place, {"r": ("instance-secret:readonly",)}), superuser)
    )
    visitor = dict.fromkeys(("r", "rw"), ("instance-secret:visited",))
    depots.append(
        (DepotEntry("visited", "u-v", "POSTGRESQL", place, visitor), {"username": "visitor", "password": "visitor"})
    )
    made = World(folder, depots)

    def pgsql() -> Any:
        return server.connect("writes")

    def my() -> Any:
        return pymysql.connect(unix_socket=mariadb.socket, user="root", database="writes", autocommit=True)

    yield {
        "pgdb": Database(made, "pgdb", "public", pgsql),
        "mydb": Database(made, "mydb", "writes", my),
        "readonly": Database(made, "readonly", "public", pgsql),
        "visited": Database(made, "visited", "public", pgsql),
        "lite": Database(made, "lite", "main", lambda: sqlite3.connect(file, timeout=30)),
    }
    made.close()


@pytest.fixture(params=DATABASES)
def db(request: pytest.FixtureRequest, writing: dict[str, Database]) -> Database:
    return writing[request.param]


KEYS = {
    "primary": "id bigint NOT NULL PRIMARY KEY, name varchar(20), n bigint",
    "unique": "id bigint NOT NULL, name varchar(20) NOT NULL, n bigint, UNIQUE (name, id)",
    "none": "id bigint, name varchar(20), n bigint",
}


def gateway(db: Database, authority: Any, journal: Any = None) -> Gateway:
    world = db.world
    limits = Limits(timeout_s=60, max_rows=1000)
    return Gateway(
        world.engine, world.mounted, ids=world.catalog.ids, limits=limits, authority=authority,
        journal=journal or NoJournal(),
    )  # fmt: skip
