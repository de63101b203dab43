"""A server that is killed while a statement writes a table of a database: all of it is there, or nothing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.test_database_outputs import Target, _lite, _my, _pg, prepare
from support import mysql, postgres
from support.server import Installation, installation, wait_until

MANY = "SELECT a.n * 10000 + b.n AS n FROM UNNEST(sequence(1, 3000)) a(n) CROSS JOIN UNNEST(sequence(1, 3000)) b(n)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pg: postgres.Postgres, my: mysql.Mysql) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("writes")) as made:
        prepare(made, pg, my)
        yield made


@pytest.fixture(params=["pgdb", "mydb", "lite"])
def target(request: pytest.FixtureRequest, server: Installation, pg: postgres.Postgres, my: mysql.Mysql) -> Target:
    lite = Path(server.write("x", "")).parent / "lite.db"
    return {
        "pgdb": Target("pgdb", "public", lambda q: _pg(pg, q)),
        "mydb": Target("mydb", "shop", lambda q: _my(my, q)),
        "lite": Target("lite", "main", lambda q: _lite(lite, q)),
    }[request.param]


def writing(target: Target) -> Callable[[], bool]:
    """Is somebody writing rows in the database now?"""
    if target.depot == "pgdb":
        asked = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY %' AND pid <> pg_backend_pid()"
    elif target.depot == "mydb":
        asked = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_rows_modified > 20000"
    else:
        return lambda: time.sleep(3) is None  # its rows lie in a file without a name meanwhile
    return lambda: bool(target.ask(asked))


@pytest.mark.parametrize("statement", ["INSERT INTO {t} (n) {many}", "CREATE TABLE {t}_made AS {many}"])
def test_a_server_killed_amid_a_statement_leaves_all_or_nothing(
    server: Installation, target: Target, statement: str
) -> None:
    target.ask("DROP TABLE IF EXISTS big")
    target.ask("DROP TABLE IF EXISTS big_made")
    target.ask("CREATE TABLE big (n bigint PRIMARY KEY)")
    target.ask("INSERT INTO big VALUES (1)")
    place = f"{target.depot}.{target.schema}"
    sql = statement.format(t=f"{place}.big", many=MANY)
    client = server.client()

    def run() -> None:
        with contextlib.suppress(Exception):  # the connection breaks
            client.query(sql)

    thread = threading.Thread(target=run)
    thread.start()
    is_written = writing(target)
    wait_until(is_written, 60, "rows on their way")
    server.kill()
    thread.join(60)
    wait_until(lambda: target.depot == "lite" or not is_written(), 60, "the end of it in the database")
    assert target.ask("SELECT n FROM big") == [(1,)]
    server.up()
    there = server.ok("query", f"SHOW TABLES FROM {place} LIKE 'big_made'", "-O", "json").json
    if there:  # MySQL's CREATE TABLE is no part of the transaction: it is there, empty
        assert target.depot == "mydb"
        assert target.ask("SELECT count(*) FROM big_made") == [(0,)]
    server.ok("query", f"INSERT INTO {place}.big VALUES (-1)")
    assert target.ask("SELECT n FROM big ORDER BY n") == [(-1,), (1,)]
