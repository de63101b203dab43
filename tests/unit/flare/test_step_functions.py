"""Reading `functions`: every fault with its place, offline; sed expressions; schemas as DDL (ch04 4, 3.7; ch04-AS13)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Reading
from dataos.stacks.flare import structures
from dataos.stacks.flare.stepfunctions import reading, sed


def read(*calls: Any) -> tuple[Any, Reading]:
    found = Reading()
    return reading.read(list(calls), found, ("functions",)), found


def test_all_functions_of_the_language_are_there():
    assert len(reading.FUNCTIONS) == 42


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "no_such"}, "functions[0].name", "there is no function"),
    ({"name": "renam", "column": "a", "asColumn": "b"}, "functions[0].name", "there is no function"),
    ({"column": "a"}, "functions[0].name", "no `name`"),
    ({"name": "rename", "column": "a"}, "functions[0]", "needs `asColumn`"),
    ({"name": "hash", "column": "a", "algo": "sha"}, "functions[0].algo", "may not be `sha`"),
    ({"name": "add_column", "column": "a", "value": "1", "type": "number"}, "functions[0].type", "Invalid datatype"),
    ({"name": "set_type", "columns": {"a": "intt"}}, "functions[0].columns", "Invalid datatype found: `intt`"),
    ({"name": "cut_character", "column": "a", "asColumn": "b", "startIndex": "x", "endIndex": 2},
     "functions[0].startIndex", "whole number"),
    ({"name": "drop", "columns": [{"a": 1}]}, "functions[0].columns", "list of texts"),
    ({"name": "rename_all", "columns": ["a"]}, "functions[0].columns", "mapping"),
    ({"name": "find_and_replace", "column": "a", "sedExpression": "x/y/z"}, "functions[0].sedExpression", "no sed"),
    ({"name": "find_and_replace", "column": "a", "sedExpression": "s/(/x/"}, "functions[0].sedExpression",
     "no regular expression"),
    ({"name": "columns_replace", "sedExpression": r"s/a/\2/"}, "functions[0].sedExpression", "0 groups"),
    ({"name": "any_date", "column": "a", "asColumn": "b", "rule": ["(?<year>[0-9]+)"]}, "functions[0].rule",
     "no year, month and day"),
    ({"name": "pivot", "groupBy": ["a"], "column": "b", "aggregateExpression": "amount"},
     "functions[0].aggregateExpression", "no aggregate"),
    ({"name": "parse_as_json", "column": "a", "asColumn": "b"}, "functions[0]", "one of `sparkSchema`"),
    ({"name": "parse_as_json", "column": "a", "asColumn": "b", "sparkSchema": "a foo("}, "functions[0].sparkSchema",
     "names no columns"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "path", "message"), FAULTS)
def test_a_fault_is_told_with_its_place(call: dict[str, Any], path: str, message: str):
    calls, found = read(call)
    assert not calls
    (problem,) = found.problems
    assert problem.path.startswith(path)
    assert message in problem.message


def test_all_faults_at_once_and_unknown_parameters_are_warnings():
    calls, found = read({"name": "nope"}, {"name": "copy", "fromColumn": "a"}, {"name": "snake_case", "colum": "a"})
    assert len(found.problems) == 2
    assert [w.path for w in found.warnings] == ["functions[2].colum"]
    assert [c.name for c in calls] == ["snake_case"]


def test_spellings_of_parameters():
    calls, found = read(
        {"name": "format_date", "column": "a", "refformat": "yyyy"},
        {"NAME": "Any_Date", "Column": "a", "ascolumn": "b", "rules": "(?<year>.)(?<month>.)(?<day>.)"},
        "cleanse_column_names",
        {"name": "change_case", "column": "a", "case": "titlecase"},
    )
    assert not found.problems
    assert next(c.arguments.get("format") for c in calls) == "yyyy"
    assert calls[1].arguments["rule"] == ("(?<year>.)(?<month>.)(?<day>.)",)
    assert calls[3].arguments["case"] == "title"


@pytest.mark.parametrize(
    ("expression", "pattern", "replacement", "everywhere"),
    [
        ("s/a/b/g", "a", ("b",), True),
        ("s/a/b/", "a", ("b",), False),
        ("s|a/b|c|g", "a/b", ("c",), True),
        (r"s/a\/b/c/g", "a/b", ("c",), True),
        (r"s/(a)(b)/\2-\1&\&/g", "(a)(b)", (2, "-", 1, 0, "&"), True),
        ("s/(a)/$1x/gi", "(?i)(a)", (1, "x"), True),
        ("s/a//g", "a", (), True),
    ],
)
def test_sed(expression: str, pattern: str, replacement: tuple[Any, ...], everywhere: bool):
    assert sed.parse(expression) == sed.Sed(pattern, replacement, everywhere)


@given(st.text("abx-_ ", max_size=12), st.sampled_from("abx"), st.text("yz$", max_size=3), st.booleans())
def test_names_are_replaced_as_by_hand(name: str, letter: str, new: str, everywhere: bool):
    change = sed.parse(f"s/{letter}/{new}/{'g' if everywhere else ''}")
    assert change.of_name(name) == name.replace(letter, new, -1 if everywhere else 1)


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str):
    try:
        change = sed.parse(text)
    except DataOSError:
        return
    re.compile(change.pattern)


SCHEMAS = [
    ("a int, b string not null", "`a` INT, `b` STRING"),
    ("struct<a:int,b:array<struct<c:decimal(10,2)>>>", "`a` INT, `b` ARRAY<STRUCT<c: DECIMAL(10, 2)>>"),
    (('{"type":"struct","fields":[{"name":"a b","type":"long"},{"name":"m","type":{"type":"map","keyType":"string",'
     '"valueType":"double","valueContainsNull":true}}]}'), "`a b`: BIGINT, `m`: MAP<STRING, DOUBLE>"),
    (
     ('{"type":"record","name":"r","fields":[{"name":"d","type":["null",{"type":"bytes","logicalType":"decimal",'
     '"precision":12,"scale":2}],"default":null},{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},'
     '{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"f","type":"E"}]}'),
     "`d`: DECIMAL(12, 2), `t`: TIMESTAMP, `e`: STRING, `f`: STRING"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "ddl"), SCHEMAS)
def test_schemas_as_ddl(schema: str, ddl: str):
    assert structures.ddl_of(schema, None) == ddl


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "empty"),
        ("{", "no JSON"),
        ("a", "cannot be read|names no columns"),
        ('{"type":"record","name":"r"}', "`fields` must be a list"),
        ('{"type":"record","name":"r","fields":[{"name":"a","type":"strin"}]}', "schema.a: unknown Avro type `strin`"),
        ('{"type":"record","name":"r","fields":[{"name":"a","type":["int","string"]}]}', "a union of"),
        ('{"type":"struct","fields":[{"name":"a","type":"txt"}]}', "schema.a: unknown type `txt`"),
        ('"string"', "not a record"),
    ],
)
def test_schemas_that_are_none(schema: str, message: str):
    with pytest.raises(DataOSError, match=message):
        structures.ddl_of(schema, None)
