"""MySQL, SQLite and DuckDB queried in place: the same steps and the same meaning as all other relations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds, UserId
from dataos.depots.ports import DepotEntry
from dataos.gateway import relations, results, sources
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.governance.exposure import AppliedFilter
from dataos.governance.policies import Filter
from dataos.governance.principals import Principal
from integration.gateway.database_world import World
from support import mysql
from support import postgres as pg
from support.access import AllowAll, NoJournal

T = TypeVar("T")
ALICE = Principal(UserId("alice"))

MYSQL_COLUMNS = {
    "t": ("TINYINT", "1"), "b": ("BOOLEAN", "TRUE"), "tu": ("TINYINT UNSIGNED", "200"), "s": ("SMALLINT", "2"),
    "su": ("SMALLINT UNSIGNED", "60000"), "m": ("MEDIUMINT", "3"), "mu": ("MEDIUMINT UNSIGNED", "9"),
    "i": ("INT(11) ZEROFILL", "4"), "n": ("INT", "-4"), "iu": ("INT UNSIGNED", "4000000000"), "big": ("BIGINT", "-5"),
    "bu": ("BIGINT UNSIGNED", "18000000000000000000"), "dec1": ("DECIMAL(12,3)", "1.125"), "wide": ("DECIMAL(50,2)", "2.5"),
    "plain": ("DECIMAL", "7"), "f": ("FLOAT", "1.5"), "d": ("DOUBLE", "2.5"), "bit1": ("BIT(1)", "b'1'"),
    "bits": ("BIT(8)", "b'11111111'"), "dt": ("DATE", "'2024-02-29'"), "tm": ("TIME", "'25:10:00'"),
    "ts": ("TIMESTAMP(3) NULL", "'2024-01-02 03:04:05.125'"), "at": ("DATETIME(6)", "'2024-01-02 03:04:05.123456'"),
    "y": ("YEAR", "2024"), "j": ("JSON", "'{\"a\": 1}'"), "e": ("ENUM('x','y')", "'y'"), "st": ("SET('p','q')", "'p,q'"),
    "bl": ("BLOB", "x'00ff'"), "vb": ("VARBINARY(4)", "'ab'"), "c": ("CHAR(3)", "'z'"), "tx": ("TEXT", "'text'"),
    "g": ("POINT", "POINT(1, 2)"), "u": ("UUID", "'123e4567-e89b-12d3-a456-426614174000'"), "ip": ("INET4", "'1.2.3.4'"),
}  # fmt: skip


Make = Callable[[DepotEntry, dict[str, str]], World]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="module")
def shop(mariadb: mysql.Mysql, folder: Path) -> Iterator[World]:
    kinds = ", ".join(f"{name} {type_}" for name, (type_, _) in MYSQL_COLUMNS.items())
    values = ", ".join(value for _, value in MYSQL_COLUMNS.values())
    mariadb.run(
        "DROP DATABASE IF EXISTS kinds",
        "CREATE DATABASE kinds",
        f"CREATE TABLE kinds.every ({kinds})",
        f"INSERT INTO kinds.every VALUES ({values})",
        "DROP DATABASE IF EXISTS twins",
        "CREATE DATABASE twins",
        "CREATE TABLE twins.pair (id INT)",
        "CREATE TABLE twins.Pair (id INT)",
        "CREATE TABLE twins.alone (id INT)",
    )
    location = {"host": "127.0.0.1", "port": mariadb.port, "params": {}}
    entry = DepotEntry("shop", "u1", "MYSQL", location, {"r": ("instance-secret:shop",)})
    place = folder / "mysql"
    place.mkdir()
    world = World(place, [(entry, {"username": mariadb.user, "password": mariadb.password})])
    yield world
    world.close()


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[World]:
    place = folder / "files"
    place.mkdir()
    with sqlite3.connect(place / "a.db") as connection:
        connection.executescript(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, amount REAL, day DATE, free);"
            "INSERT INTO orders VALUES (1, 'abc', 1.5, '2024-01-02', x'00'), (2, 'ABC', NULL, NULL, NULL);"
            "CREATE TABLE loose (n INTEGER, d DATE); INSERT INTO loose VALUES ('canary', 'canary');"
        )
    connection.close()
    with duckdb.connect(str(place / "b.duckdb")) as made:
        made.execute("CREATE SCHEMA sales")
        made.execute("CREATE TABLE sales.orders (id INTEGER, big HUGEINT, ub UBIGINT, e ENUM('x', 'y'), l VARCHAR[])")
        made.execute("INSERT INTO sales.orders VALUES (1, 5, 6, 'y', ['p'])")
        made.execute("CREATE VIEW sales.spy AS SELECT * FROM read_text('/etc/hostname')")
    entries = [
        DepotEntry("lite", "u1", "JDBC", {"subprotocol": "sqlite", "database": str(place / "a.db"), "params": {}}),
        DepotEntry("duck", "u2", "JDBC", {"subprotocol": "duckdb", "database": str(place / "b.duckdb"), "params": {}}),
        DepotEntry("queue", "u3", "KAFKA", {"brokers": ["127.0.0.1:1"]}),
    ]
    world = World(place, [(e, {}) for e in entries])
    yield world
    world.close()


def test_mysql_answers_as_trino_would_whatever_its_collation(shop: World):
    orders = '"shop"."shop"."Orders"'
    assert shop.rows(f"SELECT id FROM {orders} WHERE name = 'abc'") == [[1]]
    assert shop.rows(f"SELECT id FROM {orders} WHERE name IN ('ABC', 'zz')") == [[2]]
    assert shop.rows(f"SELECT id FROM {orders} WHERE name LIKE 'AB%'") == [[2]]
    assert shop.rows(f"SELECT id FROM {orders} WHERE name >= 'abc' ORDER BY id") == [[1], [3]]
    assert shop.rows(f"SELECT name, count(*) FROM {orders} GROUP BY 1 ORDER BY 1") == [
        ["ABC", 1], ["abc", 1], ["abc ", 1], [None, 1]]  # fmt: skip
    assert shop.rows(f"SELECT id FROM {orders} ORDER BY name LIMIT 1") == [[2]]
    assert shop.rows(f"SELECT count(DISTINCT name) FROM {orders}") == [[3]]
    assert shop.rows(f"SELECT a.id, b.id FROM {orders} a JOIN {orders} b ON a.name = b.name ORDER BY 1") == [
        [1, 1],
        [2, 2],
        [3, 3],
    ]
    assert shop.rows(f"SELECT id FROM {orders} WHERE day < DATE '2024-02-15' AND id > 1") == [[2]]
    assert shop.rows(f"SELECT avg(id), sum(amount) FROM {orders} WHERE id <= 2") == [[1.5, "4.00"]]
    assert shop.rows(f"SELECT id - 5 FROM {orders} WHERE id = 1") == [[-4]]
    assert shop.rows("SELECT count(*) FROM shop.shop.named") == [[3]]


def test_filters_on_numbers_reach_mysql_and_those_on_texts_do_not(shop: World, mariadb: mysql.Mysql):
    mariadb.run("SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON", "TRUNCATE mysql.general_log")
    shop.rows("SELECT name FROM shop.shop.\"Orders\" WHERE day = DATE '2024-02-01' AND name = 'canary'")
    mariadb.run("SET GLOBAL general_log = OFF")
    import pymysql

    with pymysql.connect(unix_socket=mariadb.socket, user="root") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT argument FROM mysql.general_log WHERE argument LIKE '%`Orders`%' AND argument LIKE 'SELECT%'"
        )
        sent = [row[0] if isinstance(row[0], str) else row[0].decode() for row in cursor.fetchall()]
    scans = [text for text in sent if "information_schema" not in text]
    assert scans
    assert all("canary" not in text for text in scans)
    assert any("WHERE" in text and "2024-02-01" in text for text in scans), scans


def test_filters_of_policies_on_texts_are_the_engines_too(shop: World):
    """A row filter that MySQL judged would show rows that it denies."""

    class Only(AllowAll):
        async def decide(self, principal: Principal, relations_: Any) -> list[relations.Decision]:
            only = AppliedFilter(Filter("name", "equals", "abc"), "p")
            return [relations.Decision(filters=(only,)) for _ in relations_]

    gateway = Gateway(
        shop.engine,
        shop.mounted,
        ids=RandomIds(),
        limits=Limits(timeout_s=30, max_rows=10),
        authority=Only(),
        journal=NoJournal(),
    )

    async def ask() -> Any:
        result = await gateway.run(Statement('SELECT id FROM shop.shop."Orders"'), ALICE)
        return (await results.as_json(result))["rows"]

    assert shop.do(ask()) == [[1]]


def test_every_type_of_mysql_is_read_as_it_is_described(shop: World):
    described = {row[0]: row[1] for row in shop.rows("SHOW COLUMNS FROM shop.kinds.every")}
    for name in MYSQL_COLUMNS:
        answer = shop.query(f"SELECT {name} FROM shop.kinds.every")
        assert answer["columns"][0]["type"] == described[name], name
        assert answer["rows"][0][0] is not None, name
    row = shop.rows("SELECT t, b, tu, iu, bu, dec1, y, tm, bit1, e, st, j FROM shop.kinds.every")[0]
    assert row == [
        1,
        1,
        200,
        4000000000,
        "18000000000000000000",
        "1.125",
        2024,
        "25:10:00",
        True,
        "y",
        "p,q",
        '{"a": 1}',
    ]
    assert shop.rows("SELECT count(*) FROM shop.kinds.every WHERE ts = TIMESTAMP '2024-01-02 03:04:05.125'") == [[1]]
    assert shop.rows("SELECT count(*) FROM shop.kinds.every WHERE vb = X'6162' AND bit1 AND f = REAL '1.5'") == [[1]]


def test_names_are_found_in_any_letter_case_and_twins_are_refused(shop: World):
    assert shop.rows("SELECT count(*) FROM shop.shop.orders") == [[4]]
    assert shop.rows("SELECT NAME FROM SHOP.SHOP.ORDERS WHERE ID = 1") == [["abc"]]
    assert shop.code('SELECT * FROM shop.twins."pair"') == "query.ambiguous"
    assert shop.code("SELECT * FROM shop.twins.alone") == "query.ambiguous"  # the engine cannot read the schema at all
    assert shop.code("SELECT * FROM shop.mysql.global_priv") == "query.unknown_relation"
    assert shop.code("SELECT * FROM shop.information_schema.routines") == "query.unknown_relation"
    assert ["shop"] in shop.rows("SHOW SCHEMAS FROM shop")


def test_changed_tables_are_seen(shop: World, mariadb: mysql.Mysql):
    mariadb.run("CREATE OR REPLACE TABLE shop.changing (a INT)", "INSERT INTO shop.changing VALUES (1)")
    assert shop.rows("SELECT * FROM shop.shop.changing") == [[1]]
    mariadb.run("ALTER TABLE shop.changing ADD COLUMN b INT DEFAULT 7")
    assert shop.rows("SELECT b FROM shop.shop.changing") == [[7]]
    mariadb.run("ALTER TABLE shop.changing MODIFY COLUMN a VARCHAR(5)")
    for provider in shop.do(shop.mounted.providers()).values():
        provider.forget("shop")
    assert shop.rows("SELECT a || 'x' FROM shop.shop.changing") == [["1x"]]
    mariadb.run("DROP TABLE shop.changing")


def test_sqlite_is_queried_in_place(local: World):
    assert local.rows("SELECT id, name FROM lite.main.orders WHERE name = 'abc'") == [[1, "abc"]]
    assert local.rows("SELECT count(*), max(day) FROM lite.main.orders") == [[2, "2024-01-02"]]
    types = {row[0]: row[1] for row in local.rows("SHOW COLUMNS FROM lite.main.orders")}
    assert types == {"id": "bigint", "name": "varchar", "amount": "double", "day": "date", "free": "varbinary"}
    assert local.rows("SHOW SCHEMAS FROM lite") == [["main"]]
    assert local.code("SELECT * FROM lite.main.sqlite_master") == "query.unknown_relation"


def test_a_value_that_does_not_fit_its_column_is_said_without_being_shown(local: World):
    for column in ("n", "d"):
        with pytest.raises(DataOSError) as caught:
            local.query(f"SELECT {column} FROM lite.main.loose")
        assert caught.value.problem.code == "query.invalid_cast"
        assert "canary" not in repr(caught.value.problem)


def test_duckdb_files_are_queried_in_place_without_their_views(local: World):
    answer = local.query("SELECT id, big, ub, e, l FROM duck.sales.orders")
    assert answer["rows"] == [[1, "5", "6", "y", ["p"]]]
    assert [c["type"] for c in answer["columns"]] == [
        "integer",
        "decimal(38,0)",
        "decimal(20,0)",
        "varchar",
        "array(varchar)",
    ]
    assert local.code("SELECT * FROM duck.sales.spy") == "query.unknown_relation"
    assert local.rows("SELECT a.id FROM duck.sales.orders a JOIN lite.main.orders b ON a.id = b.id") == [[1]]


def test_what_cannot_be_queried_is_no_catalog(local: World):
    with pytest.raises(DataOSError) as caught:
        local.query("SELECT * FROM queue.default.orders")
    assert caught.value.problem.code == "depot.unsupported"
    assert "KAFKA" in caught.value.problem.message


SQLITE_TYPES = ["INT", "TINYINT", "BIGINT UNSIGNED", "POINT", "CHAR(5)", "NVARCHAR(3)", "CLOB", "TEXT", "BLOB", "REAL",
                "FLOAT", "DOUBLE PRECISION", "DATE", "DATETIME", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "XDATE", "NUMERIC",
                "DECIMAL(10,2)", "BOOLEAN", "JSON", "UUID", "STRING", "", "MONEY", "YEAR", "INTERVAL", "VARBINARY(3)",
                "DATETIME(6)", "DATE(3)", "BLOBTEXT", "DEC", "FOO"]  # fmt: skip


def test_sqlite_types_are_those_that_the_engine_takes(folder: Path):
    place = folder / "types"
    place.mkdir()
    with sqlite3.connect(place / "t.db") as connection:
        connection.execute("CREATE TABLE t (" + ", ".join(f"c{i} {t}" for i, t in enumerate(SQLITE_TYPES)) + ")")
    connection.close()
    world = World(
        place, [(DepotEntry("lite", "u", "JDBC", {"subprotocol": "sqlite", "database": str(place / "t.db")}), {})]
    )
    try:
        answer = world.query("SELECT * FROM lite.main.t")
    finally:
        world.close()
    assert [c["type"] for c in answer["columns"]] == [sources.from_sqlite(t) for t in SQLITE_TYPES]


def test_postgresql_twins_are_refused(tmp_path: Path):
    with pg.running() as server:
        server.run("CREATE DATABASE twins")
        with server.connect("twins") as connection:
            connection.execute('CREATE TABLE "Pair" (id int); CREATE TABLE pair (id int); CREATE TABLE alone (id int)')
            connection.execute(
                'INSERT INTO "Pair" VALUES (1); INSERT INTO pair VALUES (2); INSERT INTO alone VALUES (3)'
            )
        location = {"host": server.host, "port": server.port, "database": "twins", "params": {}}
        entry = DepotEntry("twins", "u", "POSTGRESQL", location, {"r": ("instance-secret:twins",)})
        world = World(tmp_path, [(entry, {"username": server.user, "password": server.password})])
        try:
            assert world.code('SELECT * FROM twins.public."Pair"') == "query.ambiguous"
            assert world.rows("SELECT * FROM twins.public.alone") == [[3]]
        finally:
            world.close()
