"""Generated SQL is refused, or names declared views only: whatever is put together out of good and bad pieces."""

from __future__ import annotations

import re

import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from dataos.core.errors import DataOSError
from dataos.stacks.flare import functions, sql

VIEWS = ("orders", "Stores", "t")

_TABLES = st.sampled_from(
    ["orders", "ORDERS", "stores", "t", "`orders`", "x", "y", "csv.`/etc/passwd`", "text.`/a`", "`/etc/x`", "a.b", "a.b.c",
     "payroll", "IDENTIFIER('payroll')", "range(3)", "read_csv('/x')", "explode(array(1))", "orders.snapshots", "'/etc/x'",
     "orders VERSION AS OF 1", "STREAM(payroll)", "VALUES (1) AS v(a)"]
)  # fmt: skip
_SCALARS = st.sampled_from(
    ["a", "t.a", "1", "'x'", "upper(a)", "java_method('a', 'b')", "input_file_name()", "rand()", "now()", "weekday(a)",
     "a LIKE ANY ('x')", "CAST(a AS INT)", "a['k']", "sum(a) OVER (PARTITION BY a)", "count(*)", "\"text\"", "`a b`",
     "transform(arr, x -> x + 1)", "CASE WHEN a THEN 1 END", ":p", "${v}", "reflect('a')", "explode(arr)", "a:b", "-1"]
)  # fmt: skip


def _queries(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    source = st.one_of(_TABLES, inner.map(lambda q: f"({q}) s"))
    scalar = st.one_of(_SCALARS, inner.map(lambda q: f"({q})"))
    select = st.builds(
        lambda c, s, j, w, e: f"SELECT {c} FROM {s}{j}{w}{e}",
        scalar,
        source,
        st.one_of(
            st.just(""),
            source.map(lambda s: f" JOIN {s} ON true"),
            source.map(lambda s: f", {s}"),
            scalar.map(lambda s: f" LATERAL VIEW explode({s}) l AS z"),
            source.map(lambda s: f" LEFT ANTI JOIN {s} USING (a)"),
        ),
        st.one_of(
            st.just(""),
            scalar.map(lambda s: f" WHERE {s}"),
            source.map(lambda s: f" WHERE a IN (SELECT a FROM {s})"),
            source.map(lambda s: f" WHERE EXISTS (SELECT 1 FROM {s})"),
        ),
        st.sampled_from(
            ["", "", " GROUP BY a", " ORDER BY a", " LIMIT 3", "; SELECT 1", " CLUSTER BY a", " --", " /* "]
        ),
    )
    return st.one_of(
        select,
        st.builds(lambda a, b, o: f"{a} {o} {b}", select, inner, st.sampled_from(["UNION ALL", "EXCEPT", "INTERSECT"])),
        st.builds(lambda n, a, b: f"WITH {n} AS ({a}) {b}", st.sampled_from(["x", "y", "ORDERS"]), inner, inner),
    )


QUERIES = st.recursive(st.just("SELECT 1"), _queries, max_leaves=6)


def tables_of(text: str) -> tuple[set[str], set[str]]:
    """(tables, CTE names) of a text, told by SQLGlot's own dialect: not by our parser."""
    (tree,) = sqlglot.parse(text, read="spark")
    assert tree is not None
    names: set[str] = set()
    for node in tree.find_all(exp.Table):
        if isinstance(node.this, exp.Func):
            assert node.this.name.lower() in functions.TABLE_FUNCTIONS or type(node.this) is not exp.Anonymous
        else:
            assert not node.args.get("db"), text
            names.add(node.name)
    return names, {c.alias for c in tree.find_all(exp.CTE)}


def judge(text: str) -> None:
    try:
        checked = sql.check(text, VIEWS)
    except DataOSError:
        return
    if not checked.text:
        return
    tables, ctes = tables_of(checked.text)
    assert tables <= set(VIEWS) | ctes, text
    assert set(checked.reads) <= set(VIEWS)
    for word in ("java_method(", "reflect(", "input_file_name(", "read_csv(", "identifier("):
        assert word not in re.sub(r"'[^']*'", "", checked.text.lower()), text


@settings(max_examples=400, deadline=None)
@given(QUERIES)
def test_generated_queries(text: str) -> None:
    judge(text)


_PIECES = st.sampled_from(
    ["SELECT", "FROM", "*", ",", "(", ")", "orders", "t", "csv", ".", "`/etc/passwd`", "`", "'", '"', "\\", ";", "--", "/*",
     "*/", "WITH", "AS", "JOIN", "ON", "WHERE", "x", "1", "LATERAL", "VIEW", "explode", "UNION", "IDENTIFIER", "/*+", "\n",
     "TABLE", "VALUES", "USING", "TRANSFORM", "java_method", "::", "INT", "@", "$", "{", "}", "|>", "=>", "->", "é", "\x00"]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(_PIECES, max_size=14).map(" ".join))
def test_rubble(text: str) -> None:
    judge(text)


@settings(max_examples=400, deadline=None)
@given(QUERIES, st.integers(0, 200), _PIECES)
def test_queries_with_something_put_in(text: str, at: int, piece: str) -> None:
    judge(text[:at] + piece + text[at:])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    judge(text)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=0, max_size=30).filter(lambda t: "\x00" not in t))
def test_texts_keep_their_value(value: str) -> None:
    """A literal comes out of the guard as it went in, quotes and backslashes included."""
    written = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    checked = sql.check(f"SELECT {written} AS a FROM t", VIEWS)
    (tree,) = sqlglot.parse(checked.text, read="spark")
    assert tree is not None
    assert tree.expressions[0].this.name == value
