"""Statements that write rows of tables of databases: PostgreSQL, MariaDB, SQLite."""

from __future__ import annotations

import pytest

from integration.gateway.database_world import KEYS, Database

# --- insert -----------------------------------------------------------------------------------------------------------


def test_rows_of_a_query_are_inserted_by_place_or_by_name(db: Database):
    db.fresh("t", "id bigint PRIMARY KEY, name varchar(20), note varchar(20) DEFAULT 'mine'")
    assert db.do("INSERT INTO t VALUES (1, 'a', 'x'), (2, NULL, NULL)") == [[2]]
    assert db.do("INSERT INTO t (name, ID) SELECT name, id + 2 FROM t WHERE id = 1") == [[1]]
    assert db.do("INSERT INTO t SELECT * FROM t WHERE false") == [[0]]
    expected = [(1, "a", "x"), (2, None, None), (3, "a", "mine")]
    assert db.ask("SELECT id, name, note FROM t ORDER BY id") == expected
    assert db.do("SELECT * FROM t ORDER BY id") == [list(row) for row in expected]


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("INSERT INTO t VALUES (1)", "query.type", "too few data columns"),
        ("INSERT INTO t (id) VALUES ('x')", "query.type", "the query gives varchar"),
        ("INSERT INTO t (nope) VALUES (1)", "query.unknown_column", "'nope'"),
        ("INSERT INTO t (id, name) VALUES (5, 'a'), (1, 'twice')", "depot.constraint", "break a rule of the table"),
        ("INSERT INTO t (name) VALUES ('nothing')", "depot.constraint", "break a rule of the table"),
        ("INSERT INTO t (id) SELECT 1 / 0", "query.division_by_zero", ""),
        ("UPDATE t SET id = NULL", "depot.constraint", "break a rule of the table"),
        ("INSERT INTO nope VALUES (1)", "query.unknown_relation", "nope"),
        ("CREATE TABLE x (a row(b bigint))", "query.unsupported", "Unsupported column type: row"),
        ("CREATE TABLE x (a bigint) WITH (format = 'x')", "query.property", "does not support table property 'format'"),
        ("ALTER TABLE t EXECUTE optimize", "query.procedure", "'optimize' is not registered"),
        ("ALTER TABLE t ADD COLUMN z bigint NOT NULL", "query.unsupported", "cannot be added as NOT NULL"),
        ("CREATE VIEW v AS SELECT 1 AS x", "query.unsupported", "views are not kept"),
        ("CREATE TABLE t (a bigint)", "query.exists", "already exists"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(db: Database, sql: str, code: str, words: str):
    db.fresh(
        "t",
        "id bigint NOT NULL PRIMARY KEY, name varchar(20)"
        if db.depot != "lite"
        else "id bigint NOT NULL, name varchar(20), UNIQUE (id)",
    )
    db.ask("INSERT INTO t VALUES (1, 'a')")
    problem = db.refused(sql)
    assert problem.code == code, problem
    assert words in problem.message
    assert db.ask("SELECT id, name FROM t") == [(1, "a")]


# --- first rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT n FROM f ORDER BY n NULLS FIRST LIMIT 2", [[None], [1]]),
        ("SELECT n FROM f ORDER BY n DESC NULLS FIRST LIMIT 2", [[None], [3]]),
        ("SELECT n FROM f ORDER BY n NULLS FIRST FETCH FIRST 2 ROWS ONLY", [[None], [1]]),
        ("SELECT n FROM f ORDER BY n NULLS FIRST OFFSET 1 LIMIT 2", [[1], [2]]),
        ("SELECT name, n FROM f ORDER BY name NULLS FIRST, n LIMIT 2", [["a", 1], ["b", 2]]),
        ("SELECT DISTINCT n FROM f ORDER BY 1 NULLS FIRST LIMIT 2", [[None], [1]]),
        ("SELECT n, count(*) FROM f GROUP BY n ORDER BY 1 NULLS FIRST LIMIT 2", [[None, 1], [1, 1]]),
        ("SELECT n FROM f UNION ALL SELECT n FROM f ORDER BY 1 NULLS FIRST LIMIT 3", [[None], [None], [1]]),
        ("SELECT * FROM (SELECT n FROM f ORDER BY n NULLS FIRST) LIMIT 2", [[None], [1]]),
        ("SELECT a.n FROM f a JOIN f b ON a.name = b.name ORDER BY a.n NULLS FIRST LIMIT 2", [[None], [1]]),
        ("SELECT (SELECT b.n FROM f b WHERE b.name = a.name ORDER BY b.n NULLS FIRST LIMIT 1) AS x FROM f a ORDER BY x",
         [[1], [2], [3], [None]]),
        ("SELECT l.n FROM f a, LATERAL (SELECT n FROM f b WHERE b.n >= a.n ORDER BY n NULLS FIRST LIMIT 1) l ORDER BY 1",
         [[1], [2], [3]]),
    ],
)  # fmt: skip
def test_the_first_rows_are_those_of_all_where_nulls_come_first(db: Database, sql: str, expected: list[list[object]]):
    db.fresh("f", "n integer, name varchar(20)")
    db.ask("INSERT INTO f VALUES (3, 'c'), (1, 'a'), (NULL, 'n'), (2, 'b')")
    assert db.do(sql) == expected


# --- update, delete, merge -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_rows_are_updated_deleted_and_merged(db: Database, key: str):
    db.fresh("t", KEYS[key])
    db.ask("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', NULL)")
    if key == "none" and db.depot == "mydb":
        problem = db.refused("UPDATE t SET n = 1")
        assert problem.code == "query.unsupported"
        assert "has no key by which they are told apart" in problem.message
        assert "PRIMARY KEY" in problem.hint
        return
    assert db.do("UPDATE t SET n = id + coalesce(n, 10), name = upper(name) WHERE id <> 2") == [[2]]
    assert db.do("UPDATE t SET n = 0 WHERE n > 100") == [[0]]
    assert db.ask("SELECT * FROM t ORDER BY id") == [(1, "A", 2), (2, "b", 2), (3, "C", 13)]
    assert db.do("DELETE FROM t WHERE n = 2") == [[2]]
    merge = (
        "MERGE INTO t USING (VALUES (3, 'new', 5), (4, 'd', 6), (5, 'e', 7)) AS s (id, name, n) ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET n = t.n + s.n WHEN NOT MATCHED AND s.id = 4 THEN INSERT (id, name) VALUES (s.id, s.name) "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name, s.n)"
    )
    assert db.do(merge) == [[3]]
    assert db.ask("SELECT * FROM t ORDER BY id") == [(3, "C", 18), (4, "d", None), (5, "e", 7)]
    problem = db.refused("MERGE INTO t USING (VALUES 3, 3) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE")
    assert problem.code == "depot.row_twice"
    assert db.do("MERGE INTO t USING (VALUES 3) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE") == [[1]]
    assert db.do("TRUNCATE TABLE t") == [[True]]
    assert db.ask("SELECT count(*) FROM t") == [(0,)]


def test_unassigned_columns_keep_what_the_engine_does_not_read_exactly(writing: dict[str, Database]):
    db = writing["pgdb"]
    db.fresh("t", "id int PRIMARY KEY, n numeric, a varchar(3), made int GENERATED ALWAYS AS (id * 2) STORED")
    db.ask("INSERT INTO t (id, n, a) VALUES (1, 12345678901234567890.123456789, 'x')")
    assert db.do("UPDATE t SET a = 'y'") == [[1]]
    assert db.do("MERGE INTO t USING (VALUES 1) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = 'z'") == [[1]]
    assert db.do("INSERT INTO t (id, n) VALUES (2, DECIMAL '1234567890123456789.25')") == [[1]]
    db.do("UPDATE t SET n = DECIMAL '98765432109876543210.5' WHERE id = 2")
    assert [str(v) for row in db.ask("SELECT n FROM t ORDER BY id") for v in row] == [
        "12345678901234567890.123456789",
        "98765432109876543210.5",
    ]
    assert db.ask("SELECT a, made FROM t ORDER BY id") == [("z", 2), (None, 4)]


def test_keys_of_every_kind_name_their_rows(db: Database):
    keys = {
        "pgdb": [("varchar(9)", "'a\"\\\\é'", "'b'"), ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", "'123e4567-e89b-12d3-a456-426614174001'"),
                 ("bytea", "'\\x00ff'", "'\\x01'"), ("timestamptz", "'2024-01-02 03:04:05.123456+02'", "'2024-01-02'"),
                 ("numeric(12,3)", "1.125", "2"), ("date", "'2024-02-29'", "'2024-03-01'"), ("char(5)", "'a'", "'b'")],
        "mydb": [("varchar(9)", "'a\"\\\\é'", "'b'"), ("bigint unsigned", "18000000000000000000", "2"), ("varbinary(4)", "x'00ff'", "x'01'"),
                 ("datetime(6)", "'2024-01-02 03:04:05.123456'", "'2024-01-02'"), ("decimal(12,3)", "1.125", "2"),
                 ("date", "'2024-02-29'", "'2024-03-01'"), ("enum('x','y')", "'y'", "'x'"), ("timestamp(3)", "'2024-01-02 03:04:05.123'", "'2024-01-02'")],
        "lite": [("text", "'a\"\\é'", "'b'"), ("integer", "7", "8")],
    }  # fmt: skip
    for kind, one, other in keys[db.depot]:
        more = " WITHOUT ROWID" if db.depot == "lite" else ""
        db.ask("DROP TABLE IF EXISTS k", f"CREATE TABLE k (k {kind} NOT NULL PRIMARY KEY, v bigint){more}")
        db.ask(f"INSERT INTO k VALUES ({one}, 1), ({other}, 2)")
        assert db.do("UPDATE k SET v = v + 10 WHERE v = 1") == [[1]], kind
        assert db.do("DELETE FROM k WHERE v = 2") == [[1]], kind
        assert db.ask("SELECT v FROM k") == [(11,)], kind
