"""Statements that make, change and drop tables and schemas of databases, and values of every type in them."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.gateway.database_world import Database

# --- tables and schemas -----------------------------------------------------------------------------------------------


VALUES = {
    "a": ("boolean", "true"),
    "b": ("integer", "7"),
    "c": ("bigint", "8"),
    "d": ("real", "REAL '1.5'"),
    "e": ("double", "2.5e0"),
    "f": ("decimal(30,4)", "DECIMAL '12.3456'"),
    "g": ("date", "DATE '2024-02-29'"),
    "i": ("timestamp(6)", "TIMESTAMP '2024-02-29 10:11:12.123456'"),
    "k": ("varchar", "'ÿ''x\\\t\n\"'"),
    "l": ("varbinary", "X'00ff5c'"),
    "m": ("smallint", "-3"),
    "n": ("varchar(5)", "'\\N'"),
    "o": ("tinyint", "1"),
}
MORE = {
    "pgdb": {
        "p": ("timestamp(6) with time zone", "TIMESTAMP '2024-02-29 10:11:12 UTC'"),
        "q": ("uuid", "UUID '00000000-0000-0000-0000-000000000001'"),
        "r": ("json", "json_parse('{\"a\": [1, null]}')"),
        "s": ("array(varchar)", "ARRAY['p', NULL, 'a\"b\\c,{}']"),
        "t": ("time(6)", "TIME '10:11:12.5'"),
    },
    "mydb": {
        "r": ("json", "json_format(json_parse('{\"a\": 1}'))"),
        "q": ("uuid", "'00000000-0000-0000-0000-000000000001'"),
    },
    "lite": {"q": ("uuid", "'00000000-0000-0000-0000-000000000001'")},
}


def test_values_of_every_type_come_back(db: Database):
    every = VALUES | MORE[db.depot]
    if db.depot != "pgdb":  # neither has booleans
        every |= {"a": ("boolean", "TINYINT '1'")}
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in every.items())
    values = ", ".join(value for _, value in every.values())
    for name in ("every", "every2"):
        db.do(f"DROP TABLE IF EXISTS {name}")
    assert db.do(f"CREATE TABLE every ({columns})") == [[True]]
    assert db.do(f"INSERT INTO every VALUES ({values})") == [[1]]
    assert db.do(f"INSERT INTO every VALUES ({', '.join('NULL' for _ in every)})") == [[1]]
    wanted = db.do(f"SELECT {', '.join(value for _, value in every.values())}")
    got = db.do("SELECT * FROM every WHERE b = 7")
    if db.depot == "lite":  # it has no decimals
        wanted[0][5] = 12.3456
    assert [str(v).replace(" ", "") for v in got[0]] == [str(v).replace(" ", "") for v in wanted[0]]
    assert db.do("SELECT * FROM every WHERE b IS NULL") == [[None] * len(every)]
    assert db.do("CREATE TABLE every2 AS SELECT * FROM every") == [[2]]
    assert db.do("SELECT * FROM every2 ORDER BY b") == db.do("SELECT * FROM every ORDER BY b")
    assert [t for t in db.do("DESCRIBE every2") if t[0] != "r"] == [t for t in db.do("DESCRIBE every") if t[0] != "r"]


def test_tables_are_made_changed_and_dropped(db: Database):
    for name in ("made", "named", "filled"):
        db.ask(f"DROP TABLE IF EXISTS {name}")
    assert db.do("CREATE TABLE Made (ID bigint NOT NULL, Name varchar(5))") == [[True]]
    assert db.do("CREATE TABLE IF NOT EXISTS made (x bigint)") == [[True]]
    assert db.refused("INSERT INTO made (name) VALUES ('x')").code == "depot.constraint"
    problem = db.refused("INSERT INTO made VALUES (1, 'too long')") if db.depot != "lite" else None
    assert problem is None or problem.code == "depot.value", problem
    db.do("INSERT INTO made VALUES (1, 'a')")
    if db.depot == "mydb":  # whose rows are named by a key
        db.ask("ALTER TABLE made ADD PRIMARY KEY (id)")
    db.do("ALTER TABLE made ADD COLUMN more double")
    db.do("ALTER TABLE made ADD COLUMN IF NOT EXISTS more double")
    db.do("ALTER TABLE made RENAME COLUMN name TO title")
    db.do("UPDATE made SET more = 1.5e0")
    assert db.do("SELECT * FROM made") == [[1, "a", 1.5]]
    db.do("ALTER TABLE made DROP COLUMN more")
    db.do("ALTER TABLE made RENAME TO named")
    assert db.do("SELECT id, title FROM named") == [[1, "a"]]
    assert db.refused("SELECT * FROM made").code == "query.unknown_relation"
    assert db.do("CREATE TABLE filled AS SELECT id, title FROM named WITH NO DATA") == [[True]]
    assert db.do("INSERT INTO filled TABLE named") == [[1]]
    db.do("DROP TABLE named")
    db.do("DROP TABLE IF EXISTS named")
    assert db.refused("DROP TABLE named").code == "query.unknown_relation"
    assert db.ask("SELECT * FROM filled") == [(1, "a")]


def test_a_failed_create_table_as_leaves_nothing(db: Database):
    db.ask("DROP TABLE IF EXISTS broken")
    problem = db.refused(
        "CREATE TABLE broken AS SELECT 1 / (x - 150000) AS y FROM UNNEST(sequence(1, 200000)) AS t (x)"
    )
    assert problem.code == "query.division_by_zero", problem
    assert db.refused("SELECT * FROM broken").code == "query.unknown_relation"
    assert db.do("CREATE TABLE broken AS SELECT 1 AS y") == [[1]]


def test_comments_and_schemas_where_the_database_has_them(db: Database):
    db.fresh("t", "id int")
    if db.depot == "lite":
        assert db.refused("COMMENT ON TABLE t IS 'x'").code == "query.unsupported"
        assert db.refused("CREATE SCHEMA more").code == "query.unsupported"
        assert db.refused("CREATE TABLE c (a bigint COMMENT 'x')").code == "query.unsupported"
        return
    db.do("COMMENT ON TABLE t IS 'it''s \\ here'")
    assert "COMMENT 'it''s \\ here'" in db.do("SHOW CREATE TABLE t")[0][0]
    db.do("COMMENT ON TABLE t IS NULL")
    assert "COMMENT" not in db.do("SHOW CREATE TABLE t")[0][0]
    db.ask("DROP TABLE IF EXISTS c")
    db.do("CREATE TABLE c (a bigint COMMENT 'of a') COMMENT 'of c'")
    assert "COMMENT 'of c'" in db.do("SHOW CREATE TABLE c")[0][0]
    db.do("DROP SCHEMA IF EXISTS more CASCADE")
    db.do("CREATE SCHEMA more")
    assert db.refused("CREATE SCHEMA more").code == "query.exists"
    db.do("CREATE TABLE more.t AS SELECT 5 AS x")
    problem = db.refused("DROP SCHEMA more")
    assert problem.code == "depot.write", problem
    db.do(f"ALTER TABLE more.t RENAME TO {db.schema}.moved") if not db.ask("DROP TABLE IF EXISTS moved") else None
    assert db.do("SELECT * FROM moved") == [[5]]
    db.do("DROP SCHEMA more")
    if db.depot == "pgdb":
        db.do("COMMENT ON COLUMN t.id IS 'a column'")
        assert db.ask("SELECT col_description('t'::regclass, 1)") == [("a column",)]
        db.do("ALTER TABLE t ALTER COLUMN id SET DATA TYPE bigint")
        db.do("ALTER TABLE t ALTER COLUMN id SET NOT NULL")
        assert db.do("DESCRIBE t")[0][:2] == ["id", "bigint"]
        db.do("CREATE SCHEMA other")
        db.do("ALTER SCHEMA other RENAME TO other2")
        db.do("DROP SCHEMA other2")
    else:
        assert db.refused("COMMENT ON COLUMN t.id IS 'a column'").code == "query.unsupported"


def test_what_is_no_table_of_rows_is_not_written(writing: dict[str, Database]):
    pgdb, mydb = writing["pgdb"], writing["mydb"]
    for db in (pgdb, mydb, writing["lite"]):
        db.ask("DROP VIEW IF EXISTS seen", "CREATE VIEW seen AS SELECT 1 AS x")
        problem = db.refused("INSERT INTO seen VALUES (1)")
        assert problem.code == "query.unsupported"
        assert "SQL statements write tables only" in problem.message
        assert db.refused("DROP TABLE seen").code == "depot.write"
    mydb.ask("DROP TABLE IF EXISTS plain", "CREATE TABLE plain (id int PRIMARY KEY) ENGINE = MyISAM")
    assert "knows no transactions" in mydb.refused("INSERT INTO plain VALUES (1)").message
    mydb.do("DROP TABLE plain")
    pgdb.ask("DROP TABLE IF EXISTS parts", "CREATE TABLE parts (id int, v int) PARTITION BY LIST (id)",
             "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)")  # fmt: skip
    assert pgdb.do("INSERT INTO parts VALUES (1, 1)") == [[1]]
    assert "has no key by which they are told apart" in pgdb.refused("DELETE FROM parts").message
    query = "SELECT count(*) FROM system.metadata.table_properties WHERE catalog_name = 'pgdb'"
    assert pgdb.do(query) == [[0]], "tables of databases have no properties"
    assert "names of more than 63" in pgdb.refused(f"CREATE TABLE {'x' * 64} (a bigint)").message.lower().replace(
        "a name", "names"
    )


# --- any values -------------------------------------------------------------------------------------------------------


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ROW = st.tuples(
    st.none() | TEXTS,
    st.none() | st.binary(max_size=20),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.none() | st.decimals(-(10**14), 10**14, places=5),
    st.none() | st.dates(dt.date(1000, 1, 1)),
    st.none() | st.datetimes(dt.datetime(1000, 1, 1)),
)
SCHEMA = pa.schema(
    [("t", pa.string()), ("b", pa.binary()), ("i", pa.int64()), ("f", pa.float64()), ("d", pa.decimal128(20, 5)),
     ("y", pa.date32()), ("m", pa.timestamp("us"))]
)  # fmt: skip
COLUMNS = {
    "pgdb": "t text, b bytea, i bigint, f double precision, d numeric(20,5), y date, m timestamp",
    "mydb": "t text CHARACTER SET utf8mb4, b blob, i bigint, f double, d decimal(20,5), y date, m datetime(6)",
    "lite": "t text, b blob, i bigint, f double, d decimal(20,5), y date, m timestamp",
}


@given(rows=st.lists(ROW, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_any_values_arrive_as_they_are(db: Database, rows: list[tuple[Any, ...]]):
    db.fresh("anything", COLUMNS[db.depot])

    async def batches() -> AsyncIterator[Any]:
        columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
        yield pa.record_batch(columns, schema=SCHEMA)

    async def append() -> int:
        async with await db.world.depots.writing(db.depot) as transaction:
            await transaction.stand(db.schema, "anything")
            return await transaction.append(SCHEMA.names, batches())

    assert db.world.do(append()) == len(rows)
    got = [_plain(row) for row in db.ask("SELECT t, b, i, f, d, y, m FROM anything")]
    wanted = [_plain(row) for row in rows]
    if db.depot == "lite":  # texts of moments and days; decimals become numbers of up to 15 digits
        wanted = [(*r[:4], None, *(None if v is None else str(v) for v in r[5:])) for r in wanted]
        got = [(*r[:4], None, *r[5:]) for r in got]
    assert sorted(got, key=repr) == sorted(wanted, key=repr)


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(decimal.Decimal(v).normalize() + 0 if isinstance(v, decimal.Decimal) else v for v in row)


def test_values_that_a_database_has_not_are_refused(db: Database):
    db.fresh("t", "id bigint PRIMARY KEY, f double precision, s varchar(3)")
    problem = db.refused("INSERT INTO t (id, f) VALUES (1, nan())") if db.depot != "pgdb" else None
    assert problem is None or (problem.code, "NaN" in problem.message) == ("depot.value", True)
    if db.depot != "lite":
        assert db.refused("INSERT INTO t (id, s) VALUES (1, 'long')").code == "depot.value"
    assert db.ask("SELECT count(*) FROM t") == [(0,)]


def test_a_statement_that_is_cancelled_leaves_nothing_and_holds_nothing(db: Database):
    db.fresh("t", "n bigint")
    db.ask("DROP TABLE IF EXISTS made")
    endless = "SELECT a.n FROM UNNEST(sequence(1, 10000)) a(n) CROSS JOIN UNNEST(sequence(1, 10000)) b(n)"

    async def cancelled(sql: str) -> None:
        task = asyncio.ensure_future(db.run(sql))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for sql in (f"INSERT INTO t {endless}", f"CREATE TABLE made AS {endless}"):
        db.world.do(cancelled(sql))
    assert db.ask("SELECT count(*) FROM t") == [(0,)]
    assert db.do("INSERT INTO t VALUES (1)") == [[1]]
    assert db.do("CREATE TABLE made AS SELECT 1 AS x") == [[1]]
    db.ask("DROP TABLE t")
