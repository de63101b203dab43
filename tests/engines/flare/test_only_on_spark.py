"""What the embedded engine refuses, on Apache Spark: the same guard, Spark's own functions, values compared (ch04 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.stacks.flare import sql
from integration.flare.helpers import Jobs, Server
from integration.flare.test_jobs import Runner
from integration.flare.test_jobs import runner as runner

ONE = "FROM orders WHERE id = 1"
ONLY_SPARK: list[tuple[str, str, Any]] = [
    ("zip_with", f"SELECT zip_with(array(1, 2), array(10, 20), (a, b) -> a + b)[1] AS n {ONE}", 22),
    ("transform_keys", f"SELECT transform_keys(map(1, 'a'), (k, v) -> k + 1)[2] AS n {ONE}", "a"),
    ("transform_values", f"SELECT transform_values(map(1, 2), (k, v) -> k + v)[1] AS n {ONE}", 3),
    ("map_zip_with", f"SELECT map_zip_with(map(1, 2), map(1, 3), (k, a, b) -> a * b)[1] AS n {ONE}", 6),
    ("bround of decimals", f"SELECT CAST(bround(CAST(2.5 AS DECIMAL(2,1)), 0) AS INT) AS n {ONE}", 2),
    ("look-behind", f"SELECT regexp_replace('xyzy', '(?<=x)y', 'Q') AS n {ONE}", "xQzy"),
    ("look-ahead", "SELECT count(*) AS n FROM orders WHERE city RLIKE '^(?!R)'", 1),
    ("get_json_object of all", f"""SELECT get_json_object('[{{"b":1}},{{"b":2}}]', '$[*].b') AS n {ONE}""", "[1,2]"),
    ("conv to a negative base", f"SELECT conv('-10', 16, -10) AS n {ONE}", "-16"),
    ("* EXCEPT", "SELECT max(n) AS n FROM (SELECT * EXCEPT (name, amount, city), 5 AS n FROM orders)", 5),
    ("LATERAL explode", "SELECT count(*) AS n FROM orders, LATERAL explode(array(1, 2)) AS t(x)", 8),
    ("LATERAL explode of nothing",
     "SELECT count(*) AS n FROM orders, LATERAL explode(filter(array(1), v -> v > 1)) AS t(x)", 0),
    ("ORDER BY ALL", "SELECT first(id) AS n FROM (SELECT id, name FROM orders ORDER BY ALL)", "1"),
    ("COLLATE", "SELECT count(*) AS n FROM orders WHERE city COLLATE UTF8_LCASE = 'rome'", 2),
    ("TABLESAMPLE by rows", "SELECT count(*) AS n FROM orders TABLESAMPLE (3 ROWS)", 3),
    ("a recursive CTE",
     "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT max(n) AS n FROM t", 5),
    ("session_window",
     (f"SELECT count(*) AS n FROM (SELECT session_window(t, '5 minutes') AS w, count(*) AS c FROM (SELECT explode(array("
     f"TIMESTAMP'2024-01-01 00:00:00', TIMESTAMP'2024-01-01 00:01:00', TIMESTAMP'2024-01-01 01:00:00')) AS t {ONE}) "
     "GROUP BY session_window(t, '5 minutes'))"), 2),
    ("schema_of_xml", f"SELECT schema_of_xml('<p><a>1</a></p>') AS n {ONE}", "STRUCT<a: BIGINT>"),
    ("hash of an array", f"SELECT hash(array(1, 2)) AS n {ONE}", -222940379),
    ("UNPIVOT with aliases",
     "SELECT max(k) AS n FROM (SELECT id, name FROM orders) UNPIVOT (v FOR k IN (name AS who))", "who"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in ONLY_SPARK], ids=[c[0] for c in ONLY_SPARK])
def test_spark_does_what_the_embedded_engine_refuses(runner: Runner, text: str, expected: Any) -> None:
    with pytest.raises(DataOSError) as caught:
        sql.check(text, ["orders"])
    assert {p.code for p in caught.value.problems} == {"flare.needs_spark"}
    assert runner.rows(text) == [(expected,)]


def test_no_token_is_in_sparks_log_and_no_session_sees_anothers_catalog(
    jobs: Jobs, server: Server, runner: Runner, spark: str, spark_log: Path
) -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.session import SparkSession

    runner.rows("SELECT count(*) AS n FROM orders")
    assert f"attempt:a{jobs.count}" not in spark_log.read_text()
    other = SparkSession.builder.channelBuilder(DefaultChannelBuilder(spark)).create()
    try:
        with pytest.raises(PySparkException):
            other.sql(f"SELECT * FROM dw_lakehouse.{runner.table}").collect()
        with pytest.raises(PySparkException):
            other.conf.get("spark.sql.catalog.dw_lakehouse.token")
    finally:
        other.stop()
