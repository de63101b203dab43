"""Where arithmetic is guarded, and where types are not certain enough."""

from __future__ import annotations

import pytest

from dataos.stacks.flare import sql

TYPES = {
    "t": {"a": "int", "b": "int", "c": "bigint", "d": "double", "s": "string", "x": "smallint", "arr": "array<int>"},
    "u": {"a": "double", "k": "int"},
}

CASES = [
    ("SELECT a * b AS n FROM t", "SELECT CAST((CAST(a AS BIGINT) * b) AS INT) AS n FROM t"),
    ("SELECT a + 1 FROM t", "SELECT CAST((CAST(a AS BIGINT) + 1) AS INT) AS `a + 1` FROM t"),
    ("SELECT x - x AS n FROM t", "SELECT CAST((CAST(x AS BIGINT) - x) AS SMALLINT) AS n FROM t"),
    ("SELECT t.a + u.k AS n FROM t JOIN u ON t.a + 1 = u.k",
     "SELECT CAST((CAST(t.a AS BIGINT) + u.k) AS INT) AS n FROM t JOIN u ON CAST((CAST(t.a AS BIGINT) + 1) AS INT) = u.k"),
    ("SELECT n + 1 AS m FROM (SELECT a AS n FROM t) q",
     "SELECT CAST((CAST(n AS BIGINT) + 1) AS INT) AS m FROM (SELECT a AS n FROM t) AS q"),
    ("WITH q AS (SELECT a AS n FROM t) SELECT n * 2 AS m FROM q",
     "WITH q AS (SELECT a AS n FROM t) SELECT CAST((CAST(n AS BIGINT) * 2) AS INT) AS m FROM q"),
    ("SELECT CAST(s AS INT) * 3 AS n FROM t", "SELECT CAST((CAST(CAST(s AS INT) AS BIGINT) * 3) AS INT) AS n FROM t"),
    ("SELECT size(arr) * 2 AS n FROM t", "SELECT CAST((CAST(size(arr) AS BIGINT) * 2) AS INT) AS n FROM t"),
    ("SELECT count(*) AS n FROM t GROUP BY a + b", "SELECT count(*) AS n FROM t GROUP BY CAST((CAST(a AS BIGINT) + b) AS INT)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_small_integers_are_computed_in_wide_ones(text: str, expected: str) -> None:
    assert sql.check(text, ["t", "u"], types=TYPES).text == expected


LEFT_ALONE = [
    "SELECT c + 1 AS n FROM t",
    "SELECT d * a AS n FROM t",
    "SELECT s + 1 AS n FROM t",
    "SELECT a / b AS n FROM t",
    "SELECT a + 1 AS n FROM t CROSS JOIN u",  # whose `a`?
    "SELECT k + 1 AS n FROM t LATERAL VIEW explode(arr) e AS k",  # may hide a column
    "SELECT TRANSFORM(arr, a -> a + 1) AS n FROM t",  # not the column
    "SELECT d AS a FROM t ORDER BY a + 1",  # the alias, not the column
    "SELECT n + 1 AS m FROM (SELECT d AS n FROM t) AS q",
    "SELECT n + 1 AS m FROM (SELECT a AS n FROM t UNION ALL SELECT d FROM t) AS q",
]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_is_not_certain_is_left_alone(text: str) -> None:
    assert sql.check(text, ["t", "u"], types=TYPES).text == text


def test_without_types_nothing_changes() -> None:
    assert sql.check("SELECT a + b AS n FROM t", ["t"]).text == "SELECT a + b AS n FROM t"
