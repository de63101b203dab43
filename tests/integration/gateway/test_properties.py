"""Generated statements: each is refused in our own words, or scans exactly relations that it names.

The oracle is independent of the gateway's check: the written SQL is parsed by a DuckDB of this process, and every scan in
it is looked at. Statements mix good parts with table functions, engine names and names that collide.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from dataos.core.errors import DataOSError
from dataos.engines.ports import EngineFailure, FailureKind
from dataos.gateway import checking, statements
from dataos.gateway.asking import Statement
from dataos.gateway.commands import model, parsing
from dataos.gateway.journal import Asked
from dataos.gateway.naming import Names
from integration.gateway.gateway_world import ALICE, World
from support.access import NoJournal

NAMES = [
    "orders",
    "things",
    "o",
    "x",
    "id",
    "qty",
    "retail",
    "lakehouse",
    "e",
    "abs",
    "row",
    "filter",
    "duckdb_secrets",
]
names = st.sampled_from(NAMES)
GOOD_TABLES = [
    "orders",
    "retail.orders",
    "lakehouse.retail.things",
    "things",
    "shop.public.customers",
    "empty",
    "x",
    "o",
]
tables = st.sampled_from(
    [
        *GOOD_TABLES * 8,
        "orders", "retail.orders", "lakehouse.retail.things", "things", "shop.public.customers", "empty", "x", "o", "e",
        "memory.main.orders", "duckdb_secrets()", "read_csv('/etc/passwd')", "glob('*')", "'/etc/passwd'",
        '"/etc/passwd"', "main.duckdb_settings", "shop.pg_catalog.pg_authid", "range(3)", "query('SELECT 1')",
        "UNNEST(ARRAY[1, 2]) AS u(n)", "(VALUES (1, 'a')) AS v(id, name)", "LATERAL (SELECT 1 AS one) AS l",
        'lakehouse.retail."orders$files"', "iceberg_scan('x')", "orders FOR VERSION AS OF 'main'",
    ]
)  # fmt: skip
columns = st.sampled_from(
    ["id", "1", "NULL", "'s'", "id", "*", "id", "id"] * 3
    + ["id", "qty", "customer", "amount", "o.id", "orders.id", "x.id", "name", "n", "*", "o.*", "1", "NULL", "'s'", "rowid",
     "orders", "filename", "lakehouse.retail.orders.id", '"id"', "price", "current_user"]
)  # fmt: skip


GOOD = [
    "abs({})", "coalesce({}, {})", "{} + {}", "{} / {}", "cast({} AS varchar)", "try({})", "count({})", "sum({}) OVER ()",
    "CASE WHEN {} IS NULL THEN {} END", "ARRAY[{}][1]", "transform(ARRAY[{}], e -> e)", "({})", "row({}, {})",
    "max({}) FILTER (WHERE {} IS NULL)",
]  # fmt: skip
BAD = [
    "getenv({})", "query({})", "current_setting({})", "COLUMNS({})", "read_text({})", "dt_int_div({}, {})", "error({})",
    "nextval({})", "duckdb_secrets({})",
]  # fmt: skip


def expressions(wild: bool) -> st.SearchStrategy[str]:
    leaf = columns if wild else st.sampled_from(["id", "1", "NULL", "2 * 3", "id"])
    form = st.sampled_from(GOOD * 2 + BAD if wild else GOOD)
    return st.recursive(leaf, lambda inner: st.builds(_fill, form, inner, inner), max_leaves=3)


def _fill(form: str, a: str, b: str) -> str:
    return form.replace("{}", a, 1).replace("{}", b)


@st.composite
def queries(draw: st.DrawFn, depth: int = 2, wild: bool | None = None, visible: tuple[str, ...] = ()) -> str:
    wild = draw(st.booleans()) if wild is None else wild
    plain = ["orders", "retail.orders", "lakehouse.retail.things", "things", "empty", *visible]

    def inner() -> str:
        return draw(queries(depth=depth - 1, wild=wild, visible=visible))

    def source(alias: str) -> str:
        if depth > 0 and draw(st.booleans()):
            return f"({inner()}) AS {draw(names) if wild else alias}"
        table = draw(tables if wild else st.sampled_from(plain))
        return table if " AS " in table else f"{table} AS {draw(names) if wild else alias}"

    head = ""
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        name = draw(names) if wild else draw(st.sampled_from(["orders", "x", "things"]))
        head = f"WITH {'RECURSIVE ' if wild else ''}{name} AS ({inner()}) "
        visible = (*visible, name)
        plain.append(name)
    select = ["1 AS id", *draw(st.lists(expressions(wild), max_size=2))]
    text = f"SELECT {', '.join(select)} FROM {source('o')}"
    if wild and draw(st.booleans()):
        joins = [" CROSS JOIN ", ", ", " NATURAL JOIN "]
        text += draw(st.sampled_from(joins)) + source("x")
    elif draw(st.integers(0, 2)) == 0:
        text = f"SELECT count(*) AS id FROM {source('o')} JOIN {source('x')} USING (id)"
    if draw(st.integers(0, 2)) == 0:
        text += f" WHERE {draw(columns) if wild else '1'} IS NOT NULL"
        if depth > 0 and draw(st.booleans()):
            text += f" AND EXISTS ({inner()})"
    if draw(st.integers(0, 4)) == 0:
        text += f" UNION ALL SELECT {', '.join(['1'] * len(select)) if ' AS id FROM' not in text else '1'} FROM orders"
    if wild and draw(st.integers(0, 4)) == 0:
        text += f" ORDER BY {draw(expressions(wild))}"
    return head + text


def scans(node: Any) -> set[str]:
    """Everything that reads data in a tree of DuckDB's parser, WITH names left out."""
    found: set[str] = set()
    if isinstance(node, list):
        for item in node:
            found |= scans(item)
    elif isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and (node["catalog_name"] or node["schema_name"]):
            found.add(f"{node['catalog_name']}.{node['schema_name']}.{node['table_name']}")
        if node.get("type") == "TABLE_FUNCTION":
            function = node["function"]
            found.add(f"{function['function_name']}({function['children'][0]['value']['value']})")
        for value in node.values():
            found |= scans(value)
    return found


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(sql=queries())
def test_a_statement_is_refused_or_scans_what_it_names(world: World, sql: str):
    async def plan() -> tuple[str, list[Any], dict[str, str]] | None:
        session = await world.engine.session()
        try:
            parsed, source = parsing.parse(sql)
            assert isinstance(parsed, statements.Select)
            providers = await world.mounted.providers()
            asked = Asked("q", ALICE, sql, "miniature")
            names_ = Names(
                "miniature",
                world.gateway.authority,
                providers,
                Statement(sql, catalog="lakehouse", schema="retail"),
                asked,
                source,
                NoJournal(),
            )
            made = await world.gateway._plan(parsed.tree, names_, session)
            trees = await session.parse([made.sql, *(s.sql for s in made.secured)])
            checking.verify(trees[0], trees[1:])
            return made.sql, made.qualified.relations, dict(session.catalogs)
        except DataOSError as error:
            assert error.problem.code != "query.internal", sql
            return None
        except EngineFailure as failure:  # the gateway refuses what the engine's parser does not read (docs/limits.md)
            assert failure.kind is FailureKind.SYNTAX
            return None
        finally:
            await session.release()

    planned = world.do(plan())
    if planned is None:
        return
    written, relations, catalogs = planned
    tree = json.loads(duckdb.execute("SELECT json_serialize_sql(?::VARCHAR)", [written]).fetchall()[0][0])
    allowed: set[str] = set()
    for relation in relations:
        scan = relation.scan
        if hasattr(scan, "metadata_location"):
            allowed.add(f"iceberg_scan({scan.metadata_location.removeprefix('file://')})")
        elif hasattr(scan, "depot"):  # rows of metadata tables are scanned nowhere
            allowed.add(f"{catalogs[scan.depot]}.{scan.schema}.{scan.table}")
        assert relation.table in sql.replace("customers", "customers"), "a relation that the statement does not name"
    assert scans(tree) <= allowed, sql


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_statement_or_a_coded_error(text: str):
    try:
        parsing.parse(text)
    except DataOSError as error:
        assert error.problem.code.startswith("query.")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "FROM",
                "(",
                ")",
                ",",
                "*",
                "orders",
                "id",
                "'a'",
                '"',
                ";",
                "--",
                "/*",
                "*/",
                "WITH",
                "AS",
                "UNION",
                "VALUES",
                "1",
                "=",
                ".",
                "$1",
                "?",
                "@",
                "->",
                "=>",
                "[",
                "]",
                "::",
                "{",
            ]
        ),
        max_size=14,
    )
)
def test_token_soup_never_crashes_the_parser(words: list[str]):
    try:
        parsing.parse(" ".join(words))
    except DataOSError as error:
        assert error.problem.code.startswith("query.")


WORDS_OF_COMMANDS = [
    "INSERT",
    "INTO",
    "UPDATE",
    "SET",
    "DELETE",
    "FROM",
    "MERGE",
    "USING",
    "ON",
    "WHEN",
    "NOT",
    "MATCHED",
    "THEN",
    "AND",
    "VALUES",
    "CREATE",
    "OR",
    "REPLACE",
    "TABLE",
    "VIEW",
    "SCHEMA",
    "IF",
    "EXISTS",
    "AS",
    "WITH",
    "NO",
    "DATA",
    "COMMENT",
    "LIKE",
    "INCLUDING",
    "PROPERTIES",
    "NULL",
    "ALTER",
    "RENAME",
    "TO",
    "ADD",
    "DROP",
    "COLUMN",
    "TYPE",
    "EXECUTE",
    "optimize",
    "TRUNCATE",
    "CALL",
    "ANALYZE",
    "EXPLAIN",
    "PREPARE",
    "p",
    "DEALLOCATE",
    "IMMEDIATE",
    "SESSION",
    "TIME",
    "ZONE",
    "LOCAL",
    "START",
    "TRANSACTION",
    "COMMIT",
    "USE",
    "SHOW",
    "STATS",
    "FOR",
    "SELECT",
    "WHERE",
    "CASE",
    "END",
    "DEFAULT",
    "CASCADE",
    "SECURITY",
    "INVOKER",
    "IS",
    "(",
    ")",
    ",",
    "=",
    "=>",
    ".",
    "?",
    "1",
    "'a'",
    '"b"',
    "t",
    "id",
    "bigint",
    "[",
    "]",
    "ARRAY",
    "MAP",
    "-",
    ";",
    "DESCRIBE",
    "INPUT",
]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(WORDS_OF_COMMANDS), min_size=1, max_size=16))
def test_words_of_commands_never_crash_the_parsers(words: list[str]):
    try:
        parsing.parse(" ".join(words))
    except DataOSError as error:
        assert error.problem.code.startswith("query.")


EXPRESSIONS = st.sampled_from(
    [
        "1",
        "a + 1",
        "(SELECT max(a) FROM u)",
        "CASE WHEN a > 1 THEN 'x' ELSE b END",
        "a IN (1, 2)",
        "upper(b)",
        "ARRAY[1, 2][1]",
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    columns=st.lists(st.sampled_from(["a", "b", "c", '"D d"']), min_size=1, max_size=4, unique=True),
    values=st.lists(EXPRESSIONS, min_size=4, max_size=4),
    condition=EXPRESSIONS,
)
def test_clauses_come_out_as_they_went_in(columns: list[str], values: list[str], condition: str):
    """What the small parsers cut apart holds each expression whole, in its place."""

    def parsed(text: str) -> exp.Expr:
        select = parsing.parse(f"SELECT ({text})")[0]
        assert isinstance(select, statements.Select)
        return select.tree.expressions[0]

    sets = ", ".join(f"{c} = {v}" for c, v in zip(columns, values, strict=False))
    update = parsing.parse(f"UPDATE t SET {sets} WHERE {condition}")[0]
    assert isinstance(update, model.Update)
    assert update.columns == tuple(c.strip('"') for c in columns)
    assert list(update.query.expressions) == [parsed(v) for v in values[: len(columns)]]
    assert update.query.args["where"].this == parsed(condition)
    listed = ", ".join(values[: len(columns)])
    merge = parsing.parse(
        f"MERGE INTO t USING (SELECT 1 AS x) s ON {condition} WHEN MATCHED AND {values[0]} THEN UPDATE SET {sets} "
        f"WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({listed})"
    )[0]
    assert isinstance(merge, model.Merge)
    update_, delete, insert = merge.clauses
    assert [c.action for c in merge.clauses] == ["update", "delete", "insert"]
    assert merge.query.expressions[0] == parsed(condition)
    assert update_.condition is not None and merge.query.expressions[update_.condition] == parsed(values[0])
    assert delete.condition is None and not insert.matched
    assert [merge.query.expressions[i] for i in insert.values] == [parsed(v) for v in values[: len(columns)]]
    assert [merge.query.expressions[i] for i in update_.values] == [parsed(v) for v in values[: len(columns)]]


def test_the_generator_reaches_both_sides(world: World):
    """A generator whose statements are all refused would prove nothing."""
    seen = {"planned": 0, "refused": 0}

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(sql=queries())
    def count(sql: str) -> None:
        try:
            world.rows(f"EXPLAIN (TYPE VALIDATE) {sql}")
            seen["planned"] += 1
        except DataOSError:
            seen["refused"] += 1

    count()
    assert seen["planned"] >= 10
    assert seen["refused"] >= 10
