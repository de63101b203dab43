"""Outputs that are tables of databases: all rows in one transaction, an append once however often it is tried."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from support import mysql, postgres
from support.crashes import start_until, wait_dead
from support.server import Installation, installation, wait_until

SECRET = """\
name: {name}-{acl}
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: {acl}, data: {{username: {user}, password: "{password}"}}}}
---
"""
DEPOT = """\
name: {name}
version: v2alpha
type: depot
depot:
  type: {type}
  {section}
  {secrets}
"""
SQL = (
    "select cast(id as bigint) id, name, cast(amount as decimal(10,2)) amount, cast(day as date) day, "
    "cast(at as timestamp) at, cast(id as int) % 2 = 0 even, array(id, name) tags, map('k', name) attributes from people"
)
PEOPLE = "id,name,amount,day,at\n1,ann,10.50,2024-01-02,2024-01-02 03:04:05.678\n2,,-1,2024-02-29,2024-02-29 00:00:00\n"


@dataclass
class Target:
    """A depot's name, the collection to write to, and a way to ask its database past the platform."""

    depot: str
    schema: str
    ask: Callable[[str], list[tuple[Any, ...]]]


def _pg(made: postgres.Postgres, sql: str) -> list[tuple[Any, ...]]:
    text = f"host=127.0.0.1 port={made.port} user={made.user} dbname=postgres"
    with psycopg.connect(text, password=made.password, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def _my(made: mysql.Mysql, sql: str) -> list[tuple[Any, ...]]:
    way = {"unix_socket": made.socket, "user": "root", "database": "shop", "autocommit": True}
    with pymysql.connect(**way) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _lite(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pg: postgres.Postgres, my: mysql.Mysql) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("databases")) as made:
        prepare(made, pg, my)
        yield made


def prepare(made: Installation, pg: postgres.Postgres, my: mysql.Mysql | None) -> None:
    folder = Path(made.write("landing/people.csv", PEOPLE)).parent
    lite = folder.parent / "lite.db"
    _lite(lite, "CREATE TABLE first (x int)")
    places = {
        "pgdb": ("POSTGRESQL", f"postgresql: {{host: 127.0.0.1, port: {pg.port}, database: postgres}}", pg),
        "lite": ("JDBC", f"jdbc: {{subprotocol: sqlite, database: {lite}}}", None),
        "landing": ("FILE", f"file: {{path: {folder}}}", None),
    }
    if my is not None:
        places["mydb"] = ("MYSQL", f"mysql: {{host: 127.0.0.1, port: {my.port}}}", my)
    text = ""
    for name, (type_, section, with_) in places.items():
        secrets = ""
        if with_ is not None:
            text += "".join(
                SECRET.format(name=name, acl=a, user=with_.user, password=with_.password) for a in ("r", "rw")
            )
            secrets = f"secrets: [{{name: {name}-r, allKeys: true}}, {{name: {name}-rw, allKeys: true}}]"
        text += DEPOT.format(name=name, type=type_, section=section, secrets=secrets) + "---\n"
    made.ok("apply", "--disable-interpolation", "-f", made.write("depots.yaml", text))


@pytest.fixture(params=["pgdb", "mydb", "lite"])
def target(request: pytest.FixtureRequest, server: Installation, pg: postgres.Postgres, my: mysql.Mysql) -> Target:
    lite = Path(server.write("x", "")).parent / "lite.db"
    return {
        "pgdb": Target("pgdb", "public", lambda q: _pg(pg, q)),
        "mydb": Target("mydb", "shop", lambda q: _my(my, q)),
        "lite": Target("lite", "main", lambda q: _lite(lite, q)),
    }[request.param]


def workflow(name: str, dataset: str, sql: str, **output: Any) -> str:
    job = {
        "inputs": [{"name": "people", "dataset": "dataos://landing:none/people.csv", "format": "csv"}],
        "steps": [{"sequence": [{"name": "final", "sql": sql}]}],
        "outputs": [{"name": "final", "dataset": dataset, **output}],
    }
    spec = {"stack": "flare:7.0", "stackSpec": {"job": job}}
    dag = {"dag": [{"name": "export", "spec": spec}]}
    return json.dumps({"name": name, "version": "v1", "type": "workflow", "workflow": dag})


def apply(server: Installation, name: str, dataset: str, sql: str = SQL, **output: Any) -> Any:
    text = workflow(name, dataset, sql, **output)
    return server.cli("apply", "--wait", "-f", server.write(f"{name}.yaml", text))


def ok(server: Installation, *args: Any, **more: Any) -> None:
    done = apply(server, *args, **more)
    assert done.code == 0, done.err


def test_a_table_is_made_with_the_types_that_the_database_has(server: Installation, target: Target) -> None:
    ok(
        server,
        f"make-{target.depot}",
        f"dataos://{target.depot}:{target.schema}/people?acl=rw",
        format="jdbc",
        driver="x",
    )
    assert target.ask("SELECT id, name, CAST(amount AS CHAR(8)), even FROM people ORDER BY id") != []
    query = f"SELECT id, name, CAST(amount AS DECIMAL(10,2)) a, CAST(day AS DATE) d FROM {target.depot}.{target.schema}.people ORDER BY 1"
    rows = server.ok("query", query, "-O", "json").json
    assert [(r["id"], r["name"], float(r["a"]), r["d"]) for r in rows] == [
        (1, "ann", 10.5, "2024-01-02"), (2, None, -1.0, "2024-02-29"),
    ]  # fmt: skip
    ((at,),) = target.ask("SELECT at FROM people WHERE id = 1")
    assert str(at).startswith("2024-01-02 03:04:05.678")
    ((attributes,),) = target.ask("SELECT attributes FROM people WHERE id = 1")
    assert json.loads(attributes) == {"k": "ann"}


def test_overwrite_keeps_the_table_and_shows_all_or_nothing(server: Installation, target: Target) -> None:
    place = f"dataos://{target.depot}:{target.schema}/kept?acl=rw"
    target.ask("CREATE TABLE kept (ID bigint PRIMARY KEY, name varchar(20), note varchar(20) DEFAULT 'mine')")
    target.ask("INSERT INTO kept (id, name) VALUES (7, 'old')")
    ok(server, f"over-{target.depot}", place, "select cast(id as bigint) id, name from people")
    assert target.ask("SELECT id, name, note FROM kept ORDER BY id") == [(1, "ann", "mine"), (2, None, "mine")]
    done = apply(server, f"twice-{target.depot}", place, "select 5 as id, name from people")
    assert done.code == 1
    assert "the database refused the rows" in done.err
    assert target.ask("SELECT id FROM kept ORDER BY id") == [(1,), (2,)]
    done = apply(server, f"extra-{target.depot}", place, "select id, name, day from people")
    assert "too many data columns: day not in the table; the table has id, name, note" in done.err.lower()
    assert target.ask("SELECT id FROM kept ORDER BY id") == [(1,), (2,)]


def test_append_adds_once_a_run(server: Installation, target: Target) -> None:
    name = f"add-{target.depot}"
    ok(
        server,
        name,
        f"dataos://{target.depot}:{target.schema}/added?acl=rw",
        "select id from people",
        options={"saveMode": "append"},
    )
    assert len(target.ask("SELECT id FROM added")) == 2
    server.ok(
        "apply", "--wait", "-r", "-f", server.write(f"{name}.yaml", Path(server.work / f"{name}.yaml").read_text())
    )
    assert len(target.ask("SELECT id FROM added")) == 4
    assert len(target.ask("SELECT mark FROM dataos_deliveries")) == 2


@pytest.mark.parametrize(
    ("dataset", "output", "said"),
    [
        ("dataos://pgdb:nosuch/t?acl=rw", {}, "there is no schema `nosuch`"),
        ("dataos://pgdb:public/t?acl=rw", {"format": "csv"}, "holds tables of a database, no csv files"),
        ("dataos://pgdb:public/t?acl=rw", {"format": "jdbc", "iceberg": {"properties": {"a": "b"}}}, "is a table of a database"),
        ("dataos://pgdb:public/t?acl=rw", {"options": {"iceberg": {"merge": {"onClause": "old.id = new.id", "whenClause": "not matched then insert *"}}}}, "are of Lakehouse tables"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(server: Installation, dataset: str, output: dict[str, Any], said: str) -> None:
    name = f"bad-{abs(hash(said)) % 10000}"
    done = apply(server, name, dataset, "select id from people", **output)
    assert done.code == 1
    assert said in done.err


def test_a_value_that_mysql_has_not_is_named(server: Installation) -> None:
    done = apply(server, "nan", "dataos://mydb:shop/nan?acl=rw", "select cast('NaN' as double) x from people")
    assert "column `x` holds NaN or infinity, which MySQL has no value for" in done.err


def test_a_database_that_is_away_is_told(server: Installation, my: mysql.Mysql) -> None:
    my.stop()
    try:
        done = apply(server, "away", "dataos://mydb:shop/away?acl=rw", "select id from people")
    finally:
        my.start()
    assert "the database of depot 'mydb' cannot be reached" in done.err
    assert my.password not in done.err


@pytest.mark.parametrize("point", ["workloads.exited", "workloads.delivered", "workloads.published"])
def test_a_server_killed_at_a_point_delivers_rows_once(tmp_path: Path, pg: postgres.Postgres, point: str) -> None:
    with installation(tmp_path, start=False) as made:
        _pg(pg, "DROP TABLE IF EXISTS once")
        process = start_until(made, point, 1)
        prepare(made, pg, None)
        text = workflow(
            "load", "dataos://pgdb:public/once?acl=rw", "select id from people", options={"saveMode": "append"}
        )
        made.cli("apply", "-f", made.write("load.yaml", text))
        wait_dead(process, 60)
        made.up()

        def done() -> bool:
            return made.client().resource("workflow", "load", "public")["runtime"] == "succeeded"

        wait_until(done, 90, "the run's end")
        assert _pg(pg, "SELECT id FROM once ORDER BY id") == [("1",), ("2",)]


SYNDICATION = """\
name: wf-store-sales-out
version: v1
type: workflow
workflow:
  dag:
    - name: store-sales
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs:
              - name: store_sales
                query: SELECT store_id, sum(amount) AS revenue FROM lakehouse.retail.sales GROUP BY 1
                options: {SSL: "true", driver: io.trino.jdbc.TrinoDriver}
            outputs:
              - name: store_sales
                dataset: dataos://pgdb:public/store_sales?acl=rw
                driver: org.postgresql.Driver
                format: jdbc
                options: {saveMode: overwrite}
    - name: products-legacy
      spec:
        stack: flare:3.0
        compute: runnable-default
        flare:
          job:
            inputs:
              - {name: products, dataset: "dataos://lakehouse:retail/sales", format: iceberg}
            outputs:
              - {name: out01, depot: "dataos://landing:exports?acl=rw"}
            steps:
              - sequence:
                  - {name: final, sql: "SELECT store_id, amount AS price FROM products"}
                sink:
                  - sequenceName: final
                    datasetName: products_out
                    outputName: out01
                    outputType: Parquet
                    outputOptions: {saveMode: overwrite, partitionBy: [price]}
"""


@pytest.mark.acceptance("ch04-AS10")
def test_an_answer_goes_to_a_database_and_an_old_writer_to_files(server: Installation, pg: postgres.Postgres) -> None:
    sql = "select cast(id as int) % 2 as store_id, cast(amount as decimal(8,2)) amount from people"
    ok(server, "sales", "dataos://lakehouse:retail/sales?acl=rw", sql)
    done = server.cli("apply", "--wait", "-f", server.write("syndication.yaml", SYNDICATION))
    assert done.code == 0, done.err
    assert [(s, float(r)) for s, r in _pg(pg, "SELECT store_id, revenue FROM store_sales ORDER BY 1")] == [
        (0, -1),
        (1, 10.5),
    ]
    folder = Path(server.work) / "landing" / "exports" / "products_out"
    files = sorted(str(p.relative_to(folder)).split("/")[0] for p in folder.rglob("part-*.parquet"))
    assert files == ["price=-1.00", "price=10.50"]
