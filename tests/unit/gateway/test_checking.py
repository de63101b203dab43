"""The last net: what the engine's parser reads must be what the gateway meant."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from dataos.gateway import checking

RAW = 'SELECT "a" AS "a" FROM iceberg_scan(\'/w/m.json\', snapshot_from_id => 7)'
OTHER = 'SELECT "b" AS "b" FROM "c1"."s"."t"'


def tree(sql: str) -> dict[str, Any]:
    return json.loads(duckdb.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0])


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT x.a FROM ({RAW}) AS x",
        f"SELECT x.a + 1, count(*) FROM ({RAW}) AS x JOIN ({OTHER}) AS y ON x.a = y.b GROUP BY 1",
        f"WITH c AS (SELECT x.a FROM ({RAW}) AS x) SELECT c.a FROM c AS c",
        f"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT r.n FROM r AS r, ({RAW}) AS x",
        f"SELECT (SELECT max(x.a) FROM ({RAW}) AS x), t.v FROM (VALUES (1), (2)) AS t(v)",
        f"SELECT x.a FROM ({RAW}) AS x UNION ALL SELECT y.b FROM ({OTHER}) AS y ORDER BY 1 LIMIT 1",
        "SELECT l.x FROM (VALUES (1)) AS t(v), LATERAL (SELECT unnest(list_value(t.v)) AS x) AS l",
    ],
)
def test_what_was_meant_passes(sql: str):
    checking.verify(tree(sql), [tree(RAW), tree(OTHER)])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM iceberg_scan('/w/m.json', snapshot_from_id => 7)",
        'SELECT x.a FROM (SELECT "a" AS "a" FROM iceberg_scan(\'/w/m.json\', snapshot_from_id => 8)) AS x',
        'SELECT x.a FROM (SELECT "a" AS "a", "z" AS "z" FROM iceberg_scan(\'/w/m.json\', snapshot_from_id => 7)) AS x',
        'SELECT b FROM "c1"."s"."t"',
        'SELECT b FROM "t"',
        f"WITH c AS (SELECT x.a FROM ({RAW}) AS x) SELECT d.a FROM d",
        f"SELECT x.a FROM ({RAW}) AS x, read_csv('/etc/passwd')",
        f"SELECT getenv('HOME') FROM ({RAW}) AS x",
        f"SELECT * FROM ({RAW}) AS x",
        f"SELECT COLUMNS('a') FROM ({RAW}) AS x",
        f"SELECT x.a FROM ({RAW}) AS x WHERE EXISTS (SELECT 1 FROM duckdb_secrets())",
        f"SELECT sum(x.a) OVER (ORDER BY current_setting('x')) FROM ({RAW}) AS x",
        "SELECT * FROM (VALUES (getenv('HOME'))) AS t(v)",
        "SELECT other.abs(1)",
        "SELECT r.range FROM range(3) AS r",
        f"SELECT x.a FROM ({RAW}) AS x QUALIFY getenv('x') = 'y'",
        "SELECT $1",
    ],
)
def test_any_difference_is_found(sql: str):
    with pytest.raises(checking.Difference):
        checking.verify(tree(sql), [tree(RAW), tree(OTHER)])


def test_a_statement_that_the_engine_does_not_parse_is_a_difference():
    with pytest.raises(checking.Difference):
        checking.verify({"error": True}, [])
