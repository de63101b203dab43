"""Prepared statements, session properties, USE, transactions; EXPLAIN of writes; SHOW CREATE, STATS and SESSION."""

from __future__ import annotations

from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.sessions import Session
from integration.gateway.gateway_world import ALICE, World


class Client:
    """A client that keeps its session, as doors do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.session = Session(catalog="lakehouse", schema="retail")
        self.warnings: list[str] = []

    def run(self, sql: str) -> list[list[Any]]:
        async def run() -> list[list[Any]]:
            result = await self.world.gateway.run(Statement(sql, session=self.session), ALICE)
            self.session = result.session or self.session
            self.warnings = [w.code for w in result.warnings]
            return (await results.as_json(result))["rows"]

        return self.world.do(run())

    def refused(self, sql: str) -> Any:
        with pytest.raises(DataOSError) as caught:
            self.run(sql)
        return caught.value.problem


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def test_prepared_statements_take_values(client: Client):
    client.run("PREPARE p FROM SELECT id, ? FROM orders WHERE id > ? ORDER BY id LIMIT ?")
    assert client.run("EXECUTE p USING 'x', 1 + 1, 2") == [[3, "x"], [4, "x"]]
    assert client.run("EXECUTE p USING NULL, 4, 1") == [[5, None]]
    assert client.run("DESCRIBE INPUT p") == [[0, "unknown"], [1, "unknown"], [2, "unknown"]]
    assert client.run("DESCRIBE OUTPUT p")[0] == ["id", "lakehouse", "retail", "orders", "bigint", 8, False]
    assert client.refused("EXECUTE p USING 1").message == "Incorrect number of parameters: expected 3 but found 1"
    assert client.refused("EXECUTE nope").code == "query.prepared"
    client.run("DEALLOCATE PREPARE p")
    assert client.refused("EXECUTE p USING 1, 2, 3").code == "query.prepared"


def test_a_value_of_execute_is_a_value_and_no_text(client: Client):
    """What is handed in cannot become a part of the statement's syntax."""
    client.run("PREPARE p FROM SELECT count(*) FROM orders WHERE customer = ?")
    assert client.run("EXECUTE p USING 'x'' OR true'") == [[0]]
    assert client.refused("EXECUTE p USING 1) OR (true").code == "query.syntax"
    assert client.refused("EXECUTE p USING (SELECT content FROM read_text('/etc/passwd'))").code == "query.unsupported"


def test_what_is_prepared_is_checked_and_statements_inside_of_statements_too(client: Client):
    assert client.refused("PREPARE p FROM SELEC 1").code == "query.unsupported"
    problem = client.refused("PREPARE p FROM SELECT 1 +")
    assert (problem.code, problem.line, problem.column) == ("query.syntax", 1, 26)
    assert client.refused("PREPARE p FROM PREPARE q FROM SELECT 1").code == "query.unsupported"
    assert client.refused("EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT 1'''").code == "query.unsupported"
    assert client.refused("EXECUTE IMMEDIATE 'SELECT 1; SELECT 2'").code == "query.unsupported"
    assert client.refused("EXECUTE IMMEDIATE 'SELECT getenv(''HOME'')'").code == "query.unsupported_function"
    assert client.run("EXECUTE IMMEDIATE 'SELECT ? || ?' USING 'a', 'b'") == [["ab"]]


def test_prepared_writes(client: Client):
    client.run("CREATE SCHEMA IF NOT EXISTS prepared")
    client.run("USE prepared")
    client.run("DROP TABLE IF EXISTS t")
    client.run("CREATE TABLE t (id bigint, name varchar)")
    client.run("PREPARE add FROM INSERT INTO t VALUES (?, ?)")
    assert client.run("EXECUTE add USING 1, 'a'") == [[1]]
    assert client.run("EXECUTE add USING 2, NULL") == [[1]]
    client.run("PREPARE set FROM UPDATE t SET name = ? WHERE id = ?")
    assert client.run("EXECUTE set USING 'z', 2") == [[1]]
    assert client.run("SELECT * FROM t ORDER BY id") == [[1, "a"], [2, "z"]]
    assert client.run("DESCRIBE OUTPUT set") == [["rows", "", "", "", "bigint", 8, False]]
    assert "UPDATE t" in client.run("EXPLAIN EXECUTE set USING 'q', 1")[0][0]
    assert client.run("SELECT * FROM t ORDER BY id") == [[1, "a"], [2, "z"]]


def test_use_sets_where_names_are_looked_for(client: Client):
    client.run("USE shop.public")
    assert client.run("SELECT count(*) FROM customers") == [[2]]
    assert (client.session.catalog, client.session.schema) == ("shop", "public")
    assert client.refused("USE shop.nope").message == "line 1:5: Schema does not exist: shop.nope"
    assert client.refused("USE nope.public").code == "query.unknown_catalog"
    client.run("USE lakehouse.retail")
    assert client.run("SELECT count(*) FROM empty") == [[0]]


def test_session_properties(client: Client):
    assert [r[:3] for r in client.run("SHOW SESSION LIKE '%run%'")] == [["query_max_run_time", "", ""]]
    client.run("SET SESSION query_max_run_time = '100ms'")
    assert client.run("SHOW SESSION LIKE '%run%'")[0][1] == "100ms"
    long = "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(n) CROSS JOIN UNNEST(sequence(1, 10000)) b(n) WHERE a.n % b.n = 7"
    assert client.refused(long).code == "query.timeout"
    client.run("RESET SESSION query_max_run_time")
    assert client.session.properties == {}
    assert client.refused("SET SESSION nope = 1").code == "query.session_property"
    assert client.refused("RESET SESSION nope").code == "query.session_property"
    assert client.refused("SET SESSION query_max_run_time = 'soon'").code == "query.session_property"


def test_time_zones_are_checked_and_said_to_have_no_effect(client: Client):
    client.run("SET TIME ZONE 'Europe/Rome'")
    assert (client.session.time_zone, client.warnings) == ("Europe/Rome", ["query.time_zone"])
    client.run("SET TIME ZONE INTERVAL -'08:30' HOUR TO MINUTE")
    assert client.session.time_zone == "-08:30"
    client.run("SET TIME ZONE LOCAL")
    assert client.session.time_zone is None
    for wrong in ("'Mars/Dome'", "'+14:01'", "'../../etc/passwd'"):
        assert client.refused(f"SET TIME ZONE {wrong}").code == "query.invalid_argument"


def test_transactions_are_autocommit_and_say_so(client: Client):
    client.run("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE")
    assert (client.session.in_transaction, client.warnings) == (True, ["query.autocommit"])
    assert client.run("SELECT count(*) FROM empty") == [[0]]
    problem = client.refused("INSERT INTO empty (id) VALUES (1)")
    assert problem.code == "query.transaction"
    assert "autocommit" in problem.message
    assert client.refused("DROP TABLE empty").code == "query.transaction"
    assert client.refused("START TRANSACTION").code == "query.transaction"
    client.run("ROLLBACK WORK")
    assert client.refused("COMMIT").code == "query.transaction"


def test_explain_of_a_write_changes_nothing(client: Client):
    client.run("CREATE SCHEMA IF NOT EXISTS prepared")
    client.run("DROP TABLE IF EXISTS prepared.e")
    client.run("CREATE TABLE prepared.e (id bigint)")
    text = client.run("EXPLAIN INSERT INTO prepared.e SELECT id FROM orders")[0][0]
    assert "INSERT prepared.e" in text
    assert "TableScan[table = lakehouse.retail.orders, columns = [id]]" in text
    shown = client.run("EXPLAIN (TYPE IO) DELETE FROM prepared.e WHERE id = 1")[0][0]
    assert "__dt" not in shown
    for sql in ("TRUNCATE TABLE prepared.e", "DROP TABLE prepared.e", "ALTER TABLE prepared.e RENAME TO f"):
        client.run(f"EXPLAIN {sql}")
    assert client.run("EXPLAIN (TYPE VALIDATE) UPDATE prepared.e SET id = 2") == [[True]]
    assert client.refused("EXPLAIN UPDATE prepared.e SET id = 'x'").code == "query.type"
    client.run("EXPLAIN CREATE TABLE prepared.g AS SELECT 1 AS a")
    assert client.refused("SELECT * FROM prepared.g").code == "query.unknown_relation"
    assert client.run("SELECT count(*) FROM prepared.e") == [[0]]


def test_explain_analyze_runs_it(client: Client):
    client.run("CREATE SCHEMA IF NOT EXISTS prepared")
    client.run("DROP TABLE IF EXISTS prepared.a")
    client.run("CREATE TABLE prepared.a (id bigint)")
    assert "rows: 2" in client.run("EXPLAIN ANALYZE INSERT INTO prepared.a VALUES (1), (2)")[0][0]
    assert "output: 2 rows" in client.run("EXPLAIN ANALYZE VERBOSE SELECT * FROM prepared.a")[0][0]


def test_show_create_can_be_run_again(client: Client):
    client.run("CREATE SCHEMA IF NOT EXISTS prepared")
    client.run("DROP TABLE IF EXISTS prepared.one")
    client.run(
        "CREATE TABLE prepared.one (id bigint NOT NULL COMMENT 'it''s', \"Odd name\" row(a varchar, b array(integer)), "
        "at timestamp(6)) COMMENT 'all' WITH (partitioning = ARRAY['day(at)', 'bucket(id, 3)'], sorted_by = "
        "ARRAY['id DESC NULLS LAST'], compression_codec = 'GZIP', \"write.target-file-size-bytes\" = '99999')"
    )
    ((made,),) = client.run("SHOW CREATE TABLE prepared.one")
    again = made.replace("prepared.one", "prepared.two")
    lines = [line for line in again.split("\n") if "location" not in line]
    client.run("DROP TABLE IF EXISTS prepared.two")
    client.run("\n".join(lines))
    ((second,),) = client.run("SHOW CREATE TABLE prepared.two")
    without = [line for line in second.split("\n") if "location" not in line]
    assert without == lines
    assert client.run("SHOW CREATE SCHEMA shop.public") == [["CREATE SCHEMA shop.public"]]
    assert (
        "CREATE TABLE shop.public.customers (\n   name varchar"
        in client.run("SHOW CREATE TABLE shop.public.customers")[0][0]
    )


def test_stats_are_of_what_is_seen(client: Client):
    rows = {r[0]: r for r in client.run("SHOW STATS FOR orders")}
    assert rows[None][4] == 5.0
    assert rows["qty"][2:] == [4.0, 0.2, None, "0", "7"]
    assert rows["customer"][3:] == [0.2, None, None, None]
    assert client.run("SHOW STATS FOR (SELECT id FROM orders WHERE id < 3)") == [
        ["id", None, 2.0, 0.0, None, "1", "2"],
        [None, None, None, None, 2.0, None, None],
    ]
