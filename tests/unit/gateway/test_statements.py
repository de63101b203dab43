"""Reading statements: kinds, names of functions, refusals with places."""

from __future__ import annotations

import pytest
from sqlglot import exp

from dataos.core.errors import DataOSError
from dataos.gateway import functions, shapes, statements
from dataos.gateway.commands import parsing
from dataos.gateway.commands.model import Explain
from dataos.gateway.statements import function_name


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SHOW CATALOGS", statements.ShowCatalogs()),
        ("show catalogs like 'a%';", statements.ShowCatalogs("a%")),
        ("SHOW SCHEMAS IN lakehouse LIKE 'x_'", statements.ShowSchemas("lakehouse", "x_")),
        ("/* c */ SHOW TABLES", statements.ShowTables()),
        ('SHOW TABLES FROM "my cat"."s.t"', statements.ShowTables(("my cat", "s.t"))),
        ("SHOW COLUMNS FROM a.b.c", statements.ShowColumns(("a", "b", "c"), 18)),
        ("DESC a", statements.ShowColumns(("a",), 5)),
        ("SHOW FUNCTIONS", statements.ShowFunctions()),
    ],
)
def test_small_statements(sql: str, expected: statements.Parsed):
    assert parsing.parse(sql)[0] == expected


def test_explain_options():
    parsed, _ = parsing.parse("EXPLAIN (TYPE IO, FORMAT JSON) SELECT 1")
    assert isinstance(parsed, Explain)
    assert (parsed.type, parsed.format) == ("IO", "JSON")
    inner, _ = parsing.parse("EXPLAIN (SELECT 1)")
    assert isinstance(inner, Explain)
    assert isinstance(inner.inner, statements.Select)


def test_function_names_are_kept_and_aliases_are_not_functions():
    parsed, _ = parsing.parse("SELECT Date_Diff('day', a, b), \"abs\"(1) FROM (VALUES (1)) AS max(filter)")
    assert isinstance(parsed, statements.Select)
    calls = [function_name(n) for n in parsed.tree.find_all(exp.Anonymous)]
    assert sorted(c or "" for c in calls) == ["abs", "date_diff"]
    assert parsed.tree.find(exp.TableAlias).this.name == "max"  # type: ignore[union-attr]


def test_decimal_literals_keep_their_digits():
    parsed, _ = parsing.parse("SELECT DECIMAL '12.30', DECIMAL '5'")
    assert isinstance(parsed, statements.Select)
    assert [n.this for n in parsed.tree.find_all(exp.Literal)] == ["12.30", "5."]


@pytest.mark.parametrize(
    ("sql", "code", "line", "column"),
    [
        ("SELECT 1 +", "query.syntax", 1, 11),
        ("SELECT 1\nFROM t WHERE )", "query.syntax", 2, 14),
        ("GRANT SELECT ON x TO y", "query.unsupported", 1, 1),
        ("  \n  insert overwrite x values (1)", "query.syntax", 2, 10),
        ("SELECT 1; SELECT 2", "query.unsupported", 1, 9),
        ("SHOW GRANTS", "query.unsupported", 1, 6),
        ("SHOW TABLES FROM", "query.syntax", 1, 17),
        ("SHOW CATALOGS LIKE x", "query.syntax", 1, 20),
    ],
)
def test_refusals_name_the_place(sql: str, code: str, line: int, column: int):
    with pytest.raises(DataOSError) as caught:
        parsing.parse(sql)
    problem = caught.value.problem
    assert (problem.code, problem.line, problem.column) == (code, line, column)
    assert problem.message.startswith(f"line {line}:{column}: ")


def checked(sql: str) -> None:
    parsed, source = parsing.parse(sql)
    assert isinstance(parsed, statements.Select)
    shapes.check(parsed.tree, source, "c")


@pytest.mark.parametrize(
    "condition", ["a = b = c", "a < b > c", "a = b NOT IN (1)", "a = NOT b", "a LIKE 'x' ESCAPE '#' = true"]
)
def test_a_condition_is_compared_in_parentheses_only(condition: str):
    """As in Trino's grammar."""
    with pytest.raises(DataOSError, match="needs parentheses"):
        checked(f"SELECT 1 FROM t WHERE {condition}")


@pytest.mark.parametrize(
    "condition",
    [
        "(a = b) = c",
        "NOT a = b AND c IS NOT NULL",
        "a NOT LIKE 'x' ESCAPE '#'",
        "a IN (b = 1, c)",
        "a = EXISTS (SELECT 1)",
    ],
)
def test_conditions_are_values_where_trino_has_them(condition: str):
    checked(f"SELECT 1 FROM t WHERE {condition}")


def test_the_function_table_is_consistent():
    from dataos.gateway.calls import BUILDERS
    from dataos.gateway.checking import ALLOWED

    for function in functions.ALL:
        if function.target.startswith("@"):
            assert function.target[1:] in BUILDERS, function
        else:
            assert function.target in ALLOWED
    seen = [(f.name, f.arity) for f in functions.ALL]
    assert len(seen) == len(set(seen))
    assert len(functions.NAMES) > 200


@pytest.mark.parametrize("text", ["select", "WITH x AS (SELECT) SELECT 1", "SELECT * FROM (SELECT FROM t)"])
def test_a_select_of_nothing_is_a_syntax_error(text):
    with pytest.raises(DataOSError) as caught:
        parsed, source = parsing.parse(text)
        assert isinstance(parsed, statements.Select)
        shapes.check(parsed.tree, source, "c")
    assert caught.value.problem.code == "query.syntax"
