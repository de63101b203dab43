"""MySQL, SQLite and DuckDB depots against the real thing: looking, faults."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots.ports import AdapterContext, DepotEntry
from dataos.depots.types.jdbc.adapter import JdbcAdapter
from dataos.depots.types.mysql.adapter import MysqlAdapter, tls_mode
from support import mysql

READER = {"username": "reader", "password": "reader-canary"}


def entry(server: mysql.Mysql, **changes: Any) -> DepotEntry:
    return DepotEntry("shop", "u", "MYSQL", {"host": server.host, "port": server.port, "params": {}} | changes)


def jdbc(**location: Any) -> DepotEntry:
    return DepotEntry("db", "u", "JDBC", {"params": {}, **location})


def adapter(timeout_s: float = 5.0) -> MysqlAdapter:
    return MysqlAdapter(AdapterContext((), timeout_s))


def problem(work: Any) -> Any:
    with pytest.raises(DataOSError) as caught:
        asyncio.run(work)
    assert "canary" not in repr(caught.value.problem)
    assert caught.value.__cause__ is None
    return caught.value.problem


def test_mysql_shows_only_what_its_user_may_read(mariadb: mysql.Mysql):
    one, made = entry(mariadb), adapter()

    async def look() -> None:
        await made.check(one, READER, 5)
        assert await made.list_collections(one, READER) == ["shop"]
        assert await made.list_datasets(one, READER, "shop") == ["Orders", "named"]
        columns = await made.describe(one, READER, "shop", "Orders")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("id", "int(10) unsigned", False),
            ("name", "varchar(20)", True),
            ("amount", "decimal(10,2)", True),
            ("day", "date", True),
        ]
        assert (
            await made.resolve(one, Udl.parse("dataos://shop:shop/Orders"))
            == f"mysql://127.0.0.1:{mariadb.port} shop.Orders"
        )

    asyncio.run(look())
    for schema, table in (
        ("shop", "secret"),
        ("shop", "orders"),
        ("mysql", "global_priv"),
        ("information_schema", "tables"),
    ):
        assert problem(made.describe(one, READER, schema, table)).code == "depot.dataset_not_found"
    root = {"username": mariadb.user, "password": mariadb.password}
    assert asyncio.run(made.list_collections(one, root)) == ["hidden", "shop"]
    assert asyncio.run(made.list_datasets(one, root, "mysql")) == []


def test_mysql_sessions_cannot_write(mariadb: mysql.Mysql):
    root = {"username": mariadb.user, "password": mariadb.password}
    wrong = problem(adapter().rows(entry(mariadb), root, "INSERT INTO shop.secret VALUES (1)", ()))
    assert wrong.code == "depot.unreachable"


def test_jdbc_of_mysql_shows_the_database_that_it_names(mariadb: mysql.Mysql):
    made = JdbcAdapter(AdapterContext((), 5.0))
    root = {"username": mariadb.user, "password": mariadb.password}
    one = jdbc(subprotocol="mariadb", host="127.0.0.1", port=mariadb.port, database="hidden")
    assert asyncio.run(made.list_collections(one, root)) == ["hidden"]
    assert made.engine_kind(one) == "mysql"
    other = jdbc(subprotocol="informix", host="h", port=1)
    assert made.engine_kind(other) is None
    assert problem(made.check(other, root, 1.0)).code == "depot.unsupported"


@pytest.mark.parametrize(
    ("changes", "secret", "expected"),
    [
        ({}, {"username": "reader", "password": "wrong-canary"}, "depot.credentials"),
        ({}, {"username": "reader"}, "depot.credentials"),
        ({"database": "absent"}, {"username": "tester"}, "depot.no_such_database"),
        ({"port": 1}, READER, "depot.unreachable"),
        ({"host": "nowhere.invalid"}, READER, "depot.unreachable"),
        ({"params": {"tls": "skip-verify"}}, READER, "depot.unreachable"),
        ({"params": {"sslMode": "VERIFY_CA", "ssl_ca": "/etc/passwd"}}, READER, "depot.path"),
    ],
)
def test_mysql_check_says_what_is_wrong(
    mariadb: mysql.Mysql, changes: dict[str, Any], secret: dict[str, str], expected: str
):
    if secret == {"username": "tester"}:
        secret = {"username": mariadb.user, "password": mariadb.password}
    wrong = problem(adapter().check(entry(mariadb, **changes), secret, 5))
    assert wrong.code == expected, wrong
    assert wrong.hint


def test_a_silent_server_is_a_timeout_and_stops_no_other(mariadb: mysql.Mysql):
    made = adapter(5.0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        silent = DepotEntry("silent", "u", "MYSQL", entry(mariadb, port=listener.getsockname()[1]).location)

        async def look() -> list[Any]:
            waiting = [asyncio.create_task(made.check(silent, READER, 5.0)) for _ in range(8)]
            await asyncio.sleep(0.1)
            await made.check(entry(mariadb), READER, 5.0)
            assert not any(task.done() for task in waiting)
            return await asyncio.gather(*waiting, return_exceptions=True)

        outcomes = asyncio.run(look())
        assert {o.problem.code for o in outcomes} == {"depot.timeout"}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "preferred"),
        ({"tls": "skip-verify"}, "required"),
        ({"tls": "true"}, "verify_identity"),
        ({"tls": "custom"}, "verify_identity"),
        ({"tls": "false"}, "disabled"),
        ({"sslMode": "VERIFY_CA"}, "verify_ca"),
        ({"ssl-mode": "Required"}, "required"),
        ({"sslmode": "verify-full"}, "verify_identity"),
        ({"sslMode": "unheard-of"}, "verify_identity"),
        ({"useSSL": "true"}, "required"),
        ({"useSSL": "true", "verifyServerCertificate": "true"}, "verify_ca"),
        ({"useSSL": "false"}, "disabled"),
    ],
)
def test_tls_in_the_words_of_several_drivers(params: dict[str, str], expected: str):
    assert tls_mode(params) == expected


# --- files that are databases --------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT NOT NULL, total AS (id * 2));"
            "CREATE VIEW names AS SELECT name FROM orders; CREATE VIRTUAL TABLE notes USING fts5(body);"
        )
    connection.close()
    return file


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Path:
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA sales")
        connection.execute("CREATE TABLE sales.orders (id INTEGER NOT NULL, tags VARCHAR[])")
        connection.execute("CREATE VIEW sales.spy AS SELECT * FROM read_text('/etc/hostname')")
    return file


def files(tmp_path: Path) -> JdbcAdapter:
    return JdbcAdapter(AdapterContext((tmp_path,), 5.0))


def test_a_sqlite_file_is_a_database_of_one_schema(sqlite_file: Path, tmp_path: Path):
    made, one = files(tmp_path), jdbc(subprotocol="sqlite", database=str(sqlite_file))

    async def look() -> None:
        await made.check(one, {}, 5)
        assert await made.list_collections(one, {}) == ["main"]
        assert await made.list_datasets(one, {}, "main") == ["names", "notes", "orders"]
        assert await made.list_datasets(one, {}, "other") == []
        columns = await made.describe(one, {}, "main", "orders")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("id", "INTEGER", True), ("name", "TEXT", False), ("total", "", True)]  # fmt: skip

    asyncio.run(look())
    assert made.connection(one, {}).path == str(sqlite_file)
    assert problem(made.describe(one, {}, "main", "sqlite_master")).code == "depot.dataset_not_found"


def test_a_duckdb_file_shows_tables_and_no_views(duckdb_file: Path, tmp_path: Path):
    made, one = files(tmp_path), jdbc(subprotocol="duckdb", database=str(duckdb_file))

    async def look() -> None:
        await made.check(one, {}, 5)
        assert await made.list_collections(one, {}) == ["main", "sales"]
        assert await made.list_datasets(one, {}, "sales") == ["orders"]
        columns = await made.describe(one, {}, "sales", "orders")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("id", "INTEGER", False),
            ("tags", "VARCHAR[]", True),
        ]

    asyncio.run(look())
    assert problem(made.describe(one, {}, "sales", "spy")).code == "depot.dataset_not_found"
    with duckdb.connect(str(duckdb_file)):
        locked = problem(made.check(one, {}, 5))
        assert locked.code == "depot.unreachable"
        assert "open for writing" in locked.message


@pytest.mark.parametrize("subprotocol", ["sqlite", "duckdb"])
def test_database_files_are_fenced(subprotocol: str, tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside.db").write_bytes(b"")
    (inside / "link.db").symlink_to(tmp_path / "outside.db")
    (inside / "garbage.db").write_bytes(b"no database at all, but long enough to be read as one" * 200)
    made = JdbcAdapter(AdapterContext((inside,), 5.0))
    for name in ("link.db", "../outside.db", "absent.db", "garbage.db"):
        wrong = problem(made.check(jdbc(subprotocol=subprotocol, database=str(inside / name)), {}, 5))
        assert wrong.code == "depot.path", name
        assert wrong.hint
    assert not (inside / "absent.db").exists()
