"""The guard: what a step may say, what the engine gets, and a permanent list of escapes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dataos.core.errors import DataOSError
from dataos.stacks.flare import sql
from dataos.stacks.flare.engines import EngineName

VIEWS = ["orders", "Stores", "raw_events"]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def refusal(text: str) -> list[str]:
    with pytest.raises(DataOSError) as caught:
        sql.check(text, VIEWS)
    return [p.code for p in caught.value.problems]


# Each once got data, code or settings from outside out of some engine of the family. None may ever pass.
ESCAPES = [
    "SELECT * FROM csv.`/etc/passwd`",
    "SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM parquet.`/var/lib/x`",
    "SELECT * FROM json.`file:///etc/passwd`",
    "SELECT * FROM binaryFile.`/etc`",
    "SELECT * FROM avro.`s3://bucket/x`",
    "SELECT * FROM delta.`/warehouse/other`",
    "SELECT * FROM iceberg.`/warehouse/other`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `csv`.`/etc/passwd`",
    "SELECT * FROM orders, csv.`/etc/passwd`",
    "SELECT * FROM orders JOIN text.`/etc/passwd` t ON true",
    "SELECT (SELECT value FROM text.`/etc/passwd` LIMIT 1) FROM orders",
    "SELECT * FROM orders WHERE id IN (SELECT value FROM text.`/etc/passwd`)",
    "SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM text.`/etc/passwd`)",
    "WITH x AS (SELECT * FROM text.`/etc/passwd`) SELECT * FROM x",
    "WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x",
    "SELECT * FROM orders UNION ALL SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM text.`/etc/passwd`))",
    "SELECT * FROM orders LATERAL VIEW explode((SELECT collect_list(value) FROM text.`/etc/passwd`)) t AS x",
    "SELECT transform(array(1), x -> (SELECT max(value) FROM text.`/etc/passwd`)) FROM orders",
    "SELECT * FROM orders ORDER BY (SELECT value FROM text.`/etc/passwd`)",
    "SELECT * FROM orders LIMIT (SELECT count(*) FROM text.`/etc/passwd`)",
    "SELECT * FROM dw_lakehouse.sales.secrets",
    "SELECT * FROM sales.secrets",
    "SELECT * FROM sail.default.orders",
    "SELECT * FROM default.orders",
    "SELECT * FROM global_temp.orders",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM system.session.catalogs",
    "SELECT * FROM orders.snapshots",
    "SELECT * FROM payroll",
    "SELECT * FROM raw_orders_of_somebody",
    "TABLE payroll",
    "SELECT * FROM IDENTIFIER('payroll')",
    "SELECT * FROM IDENTIFIER('csv.`/etc/passwd`')",
    "SELECT IDENTIFIER('x') FROM orders",
    "SELECT * FROM orders VERSION AS OF 1",
    "SELECT * FROM orders TIMESTAMP AS OF '2020-01-01'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_files('/etc/passwd')",
    "SELECT * FROM read_parquet('/x')",
    "SELECT * FROM http_get('http://x')",
    "SELECT java_method('java.lang.System', 'getenv', 'APIKEY')",
    "SELECT reflect('java.lang.System', 'getenv')",
    "SELECT try_reflect('java.lang.System', 'getenv')",
    "SELECT `java_method`('java.lang.System', 'getenv')",
    "SELECT call_function('java_method', 'a', 'b')",
    "SELECT call_udf('x') FROM orders",
    "SELECT input_file_name() FROM orders",
    "SELECT orders._metadata.file_path, input_file_name() FROM orders",
    "SELECT from_avro(x, '{}') FROM orders",
    "SELECT default.my_udf(id) FROM orders",
    "SELECT TRANSFORM(id) USING 'cat /etc/passwd' FROM orders",
    "SELECT TRANSFORM(id) USING '/bin/sh' AS (x) FROM orders",
    "SET spark.sql.catalog.x = y",
    "RESET",
    "ADD JAR '/tmp/x.jar'",
    "ADD FILE '/etc/passwd'",
    "LIST FILES",
    "CREATE TABLE x USING csv LOCATION '/etc'",
    "CREATE TEMPORARY VIEW x USING csv OPTIONS (path '/etc/passwd')",
    "CREATE OR REPLACE TEMPORARY FUNCTION f AS 'x' USING JAR '/x.jar'",
    "INSERT INTO orders SELECT 1",
    "INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT * FROM orders",
    "MERGE INTO orders USING Stores ON true WHEN MATCHED THEN DELETE",
    "DELETE FROM orders",
    "UPDATE orders SET id = 1",
    "DROP TABLE orders",
    "TRUNCATE TABLE orders",
    "ALTER TABLE orders ADD COLUMN x int",
    "LOAD DATA INPATH '/etc/passwd' INTO TABLE orders",
    "MSCK REPAIR TABLE orders",
    "CALL system.rollback('x')",
    "USE CATALOG dw_lakehouse",
    "SHOW TABLES",
    "DESCRIBE orders",
    "EXPLAIN SELECT 1",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "DECLARE x INT",
    "BEGIN SELECT 1; END",
    "SELECT 1; DROP TABLE orders",
    "SELECT 1;; SELECT 2",
    "CACHE TABLE x AS SELECT * FROM text.`/etc/passwd`",
    "CACHE TABLE x OPTIONS ('storageLevel' 'DISK_ONLY') SELECT * FROM text.`/etc/passwd`",
    "CACHE TABLE x; DROP TABLE orders",
    "REFRESH '/etc'; SELECT 1",
    "ANALYZE TABLE orders COMPUTE STATISTICS; SET a = b",
    "SELECT * FROM orders /* */; SELECT 1",
    "SELECT ${env:APIKEY} FROM orders",
    "SELECT :name FROM orders",
    "SELECT ? FROM orders",
    "SELECT @@version FROM orders",
    "FROM text.`/etc/passwd` SELECT *",
    "FROM orders |> JOIN text.`/etc/passwd`",
    "SELECT /*+ REPARTITION((SELECT 1 FROM text.`/x`)) */ id FROM orders, text.`/x`",
    "SELECT * FROM orders PIVOT (max(id) FOR id IN (SELECT value FROM text.`/etc/passwd`))",
    "SELECT * FROM VALUES ((SELECT value FROM text.`/etc/passwd`)) t(x)",
    "SELECT * FROM STREAM(orders)",
    "SELECT * FROM STREAM payroll",
    "SELECT * FROM orders MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS true)",
    "SELECT dataos__call__java_method('a', 'b') FROM orders",
    "SELECT dataos__call__dataos__call__reflect('a', 'b') FROM orders",
    "SELECT current_user(), current_catalog(), version()",
    "SELECT session_user FROM orders",
    "",
    "-- nothing",
    ";",
    "CALL x()",
    "DECLARE x INT",
    "TRUNCATE TABLE orders",
    "SELECT TRANSFORM (a) USING 'cat' FROM orders",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_escapes_are_refused(text: str) -> None:
    codes = refusal(text)
    assert set(codes) <= {"flare.sql_refused", "flare.sql_syntax", "flare.unknown_view", "stack.unsupported"}


def test_the_list_of_escapes_is_long() -> None:
    assert len(set(ESCAPES)) >= 100


NEEDS_SPARK = [
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    "SELECT * FROM orders TABLESAMPLE (10 ROWS)",
    "SELECT zip_with(a, b, (x, y) -> x + y) FROM orders",
    "SELECT transform_keys(m, (k, v) -> k) FROM orders",
    "SELECT map_zip_with(a, b, (k, x, y) -> x) FROM orders",
    "SELECT session_window(ts, '5 minutes') FROM orders",
    "SELECT schema_of_xml(x) FROM orders",
    "SELECT bround(2.5, 0) FROM orders",
    "SELECT regexp_replace(a, '(?<=x)y', 'z') FROM orders",
    "SELECT * FROM orders WHERE a RLIKE '^(?!x)'",
    "SELECT get_json_object(a, '$[*].b') FROM orders",
    "SELECT * FROM orders, LATERAL explode(a) AS t(x)",
    "SELECT * EXCEPT (a) FROM orders",
    "SELECT * FROM orders ORDER BY ALL",
    "SELECT a COLLATE UTF8_LCASE AS c FROM orders",
]


@pytest.mark.parametrize("text", NEEDS_SPARK)
def test_what_the_embedded_engine_cannot_do_is_said(text: str) -> None:
    assert refusal(text) == ["flare.needs_spark"]
    with pytest.raises(DataOSError) as caught:
        sql.check(text, VIEWS)
    assert "let Apache Spark run the job: docs/howto/use-apache-spark.md" in caught.value.problem.hint


@pytest.mark.parametrize("text", NEEDS_SPARK)
def test_apache_spark_gets_it(text: str) -> None:
    assert sql.check(text, VIEWS, engine=EngineName.SPARK).text


@pytest.mark.parametrize("text", ESCAPES)
def test_escapes_are_refused_on_apache_spark_too(text: str) -> None:
    with pytest.raises(DataOSError) as caught:
        sql.check(text, VIEWS, engine=EngineName.SPARK)
    assert {p.code for p in caught.value.problems} <= {"flare.sql_refused", "flare.sql_syntax", "flare.unknown_view"}


AS_WRITTEN = [
    "SELECT weekday(d) AS w, initcap(a), log(x), bround(2.5, 0) AS b FROM orders",
    "SELECT a FROM orders LATERAL VIEW EXPLODE(m) t AS k, v",
    "SELECT 1 FROM orders AS s CLUSTER BY a",
    "SELECT a, COUNT(*) AS n FROM orders GROUP BY ALL",
    "SELECT percentile_approx(x, 0.5) AS p, regexp_replace(a, '(b)', '$1x') AS r FROM orders",
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_apache_spark_gets_no_rewrites(text: str) -> None:
    found = sql.check(text, VIEWS, NOW, {"orders": {"a": "int"}}, EngineName.SPARK).text
    assert found.replace("`", "").lower() == text.lower()


def test_clocks_show_the_instant_of_the_run_on_apache_spark_too() -> None:
    found = sql.check("SELECT now() AS t FROM orders", VIEWS, NOW, engine=EngineName.SPARK).text
    assert found == "SELECT CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP) AS t FROM orders"


ACCEPTED = [
    ("SELECT * FROM ORDERS", "SELECT * FROM `orders` AS `ORDERS`"),
    ("SELECT o.*, s.city FROM orders o LEFT JOIN stores s ON o.a = s.a", None),
    ("SELECT a.b.c, m['k'], arr[0], `Mixed Case` FROM orders", None),
    ("SELECT * FROM orders;", "SELECT * FROM orders"),
    ("-- about\nSELECT * /* all */ FROM orders -- end", "SELECT * FROM orders"),
    ("WITH orders AS (SELECT 1 AS a) SELECT * FROM ORDERS", "WITH orders AS (SELECT 1 AS a) SELECT * FROM `orders` AS `ORDERS`"),
    ("SELECT x FROM orders LATERAL VIEW OUTER explode(arr) t AS x", None),
    ("SELECT k, v FROM orders LATERAL VIEW explode(m) t AS k, v",
     "SELECT k, v FROM orders LATERAL VIEW inline(map_entries(m)) t AS k, v"),
    ("SELECT weekday(d) FROM orders", "SELECT ((dayofweek(d) + 5) % 7) AS `weekday(d)` FROM orders"),
    ("SELECT weekday(d) AS w FROM orders", "SELECT ((dayofweek(d) + 5) % 7) AS w FROM orders"),
    ("SELECT now() FROM orders", "SELECT CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP) AS `now()` FROM orders"),
    ("SELECT current_date AS d FROM orders", "SELECT CAST('2026-01-02' AS DATE) AS d FROM orders"),
    ("SELECT /*+ BROADCAST(s) */ 1 FROM orders s", "SELECT 1 FROM orders AS s"),
    ("SELECT * FROM orders CLUSTER BY a", "SELECT * FROM orders SORT BY a"),
    ("SELECT * FROM orders DISTRIBUTE BY a", "SELECT * FROM orders"),
    ("SELECT a LIKE ANY ('x', 'y') AS b FROM orders", "SELECT (a LIKE 'x' OR a LIKE 'y') AS b FROM orders"),
    ("SELECT a, count(*) AS n FROM orders GROUP BY ALL", "SELECT a, count(*) AS n FROM orders GROUP BY a"),
    ("SELECT * FROM orders PIVOT (sum(v) FOR k IN ('a'))", "SELECT * FROM orders PIVOT(sum(v) FOR (k) IN ('a'))"),
    ("SELECT log(x) AS l FROM orders", "SELECT ln(x) AS l FROM orders"),
    ("SELECT log(2, x) AS l FROM orders", "SELECT log(2, x) AS l FROM orders"),
    ("SELECT to_char(x, '999') AS l FROM orders", "SELECT to_char(x, '999') AS l FROM orders"),
    ("SELECT date_format(d, \"yyyy 'Y'\") AS l FROM orders", "SELECT date_format(d, 'yyyy \\'Y\\'') AS l FROM orders"),
    ("SELECT percentile_approx(x, 0.5) AS p FROM orders", "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) AS p FROM orders"),
    ("FROM orders SELECT a", "SELECT a FROM orders"),
    ("SELECT * FROM VALUES (1, 'a') AS t(x, y)", None),
    ("SELECT * FROM range(10)", None),
    ("SELECT count(DISTINCT a) FILTER (WHERE b > 1) AS n, first(a) IGNORE NULLS AS f FROM orders", None),
    ("SELECT window.start AS s FROM orders GROUP BY window(ts, '1 hour')", None),
    ("SELECT exists(arr, x -> x > 1) AS e FROM orders WHERE EXISTS (SELECT 1 FROM Stores)", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_what_the_engine_gets(text: str, expected: str | None) -> None:
    checked = sql.check(text, VIEWS, NOW)
    if expected is not None:
        assert checked.text == expected
    # what was written is understood the same way once more
    assert (
        sql.check(checked.text, VIEWS, NOW).text == sql.check(sql.check(checked.text, VIEWS, NOW).text, VIEWS, NOW).text
    )


@pytest.mark.parametrize("text", ["CACHE TABLE orders", "cache lazy table orders", "UNCACHE TABLE orders", "REFRESH TABLE orders", "ANALYZE TABLE orders COMPUTE STATISTICS FOR ALL COLUMNS"])  # fmt: skip
def test_statements_without_meaning_are_skipped(text: str) -> None:
    assert sql.check(text, VIEWS).text == ""


def test_a_statement_inside_a_text_is_a_text() -> None:
    text = "SELECT 'a\\'; SELECT * FROM text.`/etc/passwd` --' AS a FROM orders"
    assert sql.check(text, VIEWS).text == text


def test_what_a_step_reads() -> None:
    text = "WITH x AS (SELECT * FROM STORES) SELECT * FROM x JOIN orders ON true WHERE a IN (SELECT b FROM orders)"
    assert set(sql.check(text, VIEWS).reads) == {"Stores", "orders"}
    assert sql.check("WITH orders AS (SELECT 1 AS a) SELECT * FROM orders", VIEWS).reads == ()


def test_a_cte_is_not_known_before_or_outside_its_query() -> None:
    assert refusal("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) JOIN x ON true") == ["flare.unknown_view"]
    assert refusal("SELECT * FROM x UNION ALL (WITH x AS (SELECT 1) SELECT * FROM x)") == ["flare.unknown_view"]


def test_volatile_and_costly() -> None:
    assert sql.check("SELECT rand() FROM orders", VIEWS).volatile
    assert sql.check("SELECT * FROM orders TABLESAMPLE (10 PERCENT)", VIEWS).volatile
    plain = sql.check("SELECT a, upper(b) AS b FROM orders WHERE a > 1", VIEWS)
    assert not plain.volatile
    assert not plain.costly
    for text in (
        "SELECT count(*) FROM orders",
        "SELECT DISTINCT a FROM orders",
        "SELECT * FROM orders a JOIN orders b",
    ):
        assert sql.check(text, VIEWS).costly


def test_all_faults_are_told_with_their_places() -> None:
    text = "SELECT foo(a),\n  java_method('x')\nFROM ordres\nJOIN csv.`/x` c ON true"
    with pytest.raises(DataOSError) as caught:
        sql.check(text, VIEWS)
    found = [(p.code, p.line, p.column) for p in caught.value.problems]
    assert sorted(found, key=str) == [
        ("flare.sql_refused", 1, 8),
        ("flare.sql_refused", 2, 3),
        ("flare.sql_refused", 4, 10),
        ("flare.unknown_view", 3, 6),
    ]
    hints = " ".join(p.hint for p in caught.value.problems)
    assert "did you mean `orders` or `Stores`?" in hints


def test_syntax_errors_have_a_place() -> None:
    with pytest.raises(DataOSError) as caught:
        sql.check("SELECT a,\n  FROM orders WHERE )", VIEWS)
    assert caught.value.problem.code == "flare.sql_syntax"
    assert caught.value.problem.line == 2


def test_conditions() -> None:
    assert sql.check_condition("a == 'x' AND b > 1", VIEWS).text == "a = 'x' AND b > 1"
    with pytest.raises(DataOSError) as caught:
        sql.check_condition("a = 1 AND java_method('x')", VIEWS)
    assert caught.value.problem.column == 11


@pytest.mark.parametrize(
    "text", ["a = 1 GROUP BY b", "a = 1 UNION SELECT 1", "a = 1; SELECT 2", "1 = 1 LIMIT 1", "", "a = 1 ORDER BY a"]
)
def test_more_than_a_condition_is_refused(text: str) -> None:
    with pytest.raises(DataOSError):
        sql.check_condition(text, VIEWS)


def test_depth_and_length_are_bounded() -> None:
    with pytest.raises(DataOSError):
        sql.check("SELECT " + "(" * 3000 + "1" + ")" * 3000, VIEWS)
    with pytest.raises(DataOSError):
        sql.check("SELECT '" + "x" * (2 << 20) + "'", VIEWS)
