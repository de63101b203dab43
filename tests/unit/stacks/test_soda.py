"""The language of quality checks: every form of the chapter is read, every fault is named."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Reading
from dataos.stacks.soda.checks import FORMATS, read_check
from dataos.stacks.soda.expressions import ARGUMENTS, PERCENTS, Expression, Threshold, parse_expression
from support.stack_reading import faults, good, notices, spec_of

EXPRESSIONS = [
    ("row_count > 0", Expression("metric", "row_count", (), Threshold(">", (0.0,)))),
    ("row_count = 1 :", Expression("metric", "row_count", (), Threshold("=", (1.0,)))),
    ("row_count(id) >= 5", Expression("metric", "row_count", ("id",), Threshold(">=", (5.0,)))),
    ('missing_percent("phone") < 5 %', Expression("metric", "missing_percent", ("phone",), Threshold("<", (5.0,), True))),
    ("MISSING_COUNT(id)=0", Expression("metric", "missing_count", ("id",), Threshold("=", (0.0,)))),
    ("avg(x) between 10 and 55", Expression("metric", "avg", ("x",), Threshold("between", (10.0, 55.0)))),
    ("avg(x) between (10 and 55)", Expression("metric", "avg", ("x",), Threshold("between", (10.0, 55.0)))),
    ("avg(x) not between -1 and .5", Expression("metric", "avg", ("x",), Threshold("not between", (-1.0, 0.5)))),
    ("row_count between 1 and 2", Expression("metric", "row_count", (), Threshold("between", (1.0, 2.0)))),
    ("max(x) <> 3", Expression("metric", "max", ("x",), Threshold("!=", (3.0,)))),
    ("duplicate_count(a, b) = 0", Expression("metric", "duplicate_count", ("a", "b"), Threshold("=", (0.0,)))),
    ('duplicate_count("a, b") = 0', Expression("metric", "duplicate_count", ("a, b",), Threshold("=", (0.0,)))),
    ("percentile(x, 0.95) < 9", Expression("metric", "percentile", ("x", "0.95"), Threshold("<", (9.0,)))),
    ("freshness(t) < 1d6h", Expression("metric", "freshness", ("t",), Threshold("<", (108000.0,), is_duration=True))),
    ("freshness(t) < 30m", Expression("metric", "freshness", ("t",), Threshold("<", (1800.0,), is_duration=True))),
    ("missing_count(id)", Expression("metric", "missing_count", ("id",))),
    ("basket size > 2", Expression("metric", "basket size", (), Threshold(">", (2.0,)))),
    ("row_count same as orders_2", Expression("cross", "row_count", dataset="orders_2")),
    ("values in (a, b) must exist in s (c, d)", Expression("reference", "reference", ("a", "b"), None, "s", ("c", "d"))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), EXPRESSIONS)
def test_an_expression_is_read(text, wanted):
    assert parse_expression(text) == wanted


BAD_EXPRESSIONS = [
    ("", "is empty"),
    ("> 5", "begins with no metric"),
    ("between 1 and 2", "begins with no metric"),
    ("row_count > many", "is no number"),
    ("row_count 5", "is no threshold"),
    ("row_count => 5", "is no number"),
    ("row_count between 5 and 1", "ends below its beginning"),
    ("missing_count > 5", "takes a column, found none"),
    ("missing_count(a, b) > 5", "takes a column, found 2"),
    ("missing_count(a > 5", "not closed"),
    ("missing_count(a,) > 5", "an argument is empty"),
    ("percentile(a) > 5", "a column and a share"),
    ("percentile(a, 95) > 5", "is no share"),
    ("freshness(t) < 5", "is no time span"),
    ("values in (a) must exist in s (b, c)", "1 columns cannot exist in 2"),
    ("values in (a) exist in s (b)", "no check of references"),
]


@pytest.mark.parametrize(("text", "words"), BAD_EXPRESSIONS)
def test_a_wrong_expression_says_what_is_wrong(text, words):
    with pytest.raises(DataOSError) as caught:
        parse_expression(text)
    assert words in caught.value.problem.message
    assert caught.value.problem.hint


numbers = st.integers(-999, 999) | st.floats(-999, 999).map(lambda x: round(x, 3))
columns = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


@given(
    st.sampled_from(sorted(set(ARGUMENTS) - {"freshness", "percentile"})),
    st.lists(columns, min_size=1, max_size=3),
    st.sampled_from(["=", "<", ">", "<=", ">=", "!=", "<>"]),
    numbers,
    st.text(" ", max_size=2),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_by_the_rules_is_read_as_meant(metric, names, operator, value, gap, is_percent):
    least, most = ARGUMENTS[metric]
    names = names[: max(least, min(most, len(names)))]
    text = f"{metric}{gap}({', '.join(names)}){gap}{operator}{gap}{value}{'%' if is_percent else ''}"
    found = parse_expression(text)
    assert found.metric == metric
    assert list(found.arguments) == names
    wanted = "!=" if operator == "<>" else operator
    assert found.threshold == Threshold(wanted, (float(value),), is_percent)


@given(st.text(max_size=40) | st.text("()\"' ,<>=%", max_size=20).map(lambda t: f"row_count{t}"))
@settings(max_examples=500, deadline=None)
def test_any_text_is_an_expression_or_a_fault(text):
    try:
        assert parse_expression(text).metric
    except DataOSError as error:
        assert error.problem.code == "soda.check"
        assert error.problem.hint


def check(item: Any):
    reading = Reading()
    return read_check(item, ("checks", 0), reading), reading


def fault(item: Any) -> str:
    found, reading = check(item)
    assert found is None
    return " ; ".join(f"{p.message} | {p.hint}" for p in reading.problems)


BAD = [
    (5, "a check is a text"),
    ({"row_count > 0": {}, "attributes": {}}, "indent `attributes` below `row_count > 0:`"),
    ({"row_count > 0": "x"}, "a check holds keys"),
    ("row_cont > 0", "did you mean `row_count`?"),
    ("row_count", "is compared with nothing"),
    ({"row_count > 0": {"nmae": "x"}}, "did you mean `name`?"),
    ({"row_count > 0": {"filter": "a = (1"}}, "not closed"),
    ({"row_count > 0": {"samples limit": "many"}}, "whole number"),
    ({"row_count": {"fail": "above 5"}}, "begins with `when`"),
    ({"row_count": {"fail": "when > x"}}, "is no number"),
    ({"freshness(t)": {"fail": "when < 1d"}}, "compare with `>`"),
    ("invalid_count(email) = 0", "needs to know what is valid"),
    ({"invalid_count(email) = 0": {"valid format": "emial"}}, "did you mean `email`"),
    ({"invalid_count(a) = 0": {"valid regex": "(a"}}, "no regular expression"),
    ({"invalid_count(a) = 0": {"valid values": "a"}}, "is a list of values"),
    ({"invalid_count(a) = 0": {"valid min length": -1}}, "is a whole number"),
    ({"invalid_count(a) = 0": {"valid min": 5, "valid max": 1}}, "is greater than `valid max`"),
    ({"schema": {"name": "x"}}, "needs `warn` or `fail`"),
    ({"schema": {"fail": {"when required columns missing": ["a"]}}}, "when required column missing"),
    ({"schema": {"fail": {"when required column missing": "a"}}}, "is a list of columns"),
    ({"schema": {"fail": {"when wrong column type": ["a"]}}}, "maps columns to a type"),
    ({"schema": {"fail": {"when wrong column index": {"a": "one"}}}}, "has no position here"),
    ({"schema": {"warn": {"when schema changes": ["column added"]}}}, "did you mean `column add`"),
    ({"failed rows": {"samples limit": 5}}, "found neither"),
    ({"failed rows": {"fail condition": "a", "fail query": "b"}}, "found both"),
    ({"size > 2": {"size expresion": "avg(x)"}}, "`size` is no metric"),
    ({"size > 2": {"size expression": "avg(x)", "size query": "select 1"}}, "both an expression and a query"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "words"), BAD)
def test_a_faulty_check_says_what_is_wrong(item, words):
    assert words in fault(item)


def test_warn_and_fail_win_over_a_threshold():
    found, reading = check(
        {"duplicate_count(a) > 1": {"warn": "when between 5 and 27", "fail": ["when > 27", "when < 0"]}}
    )
    assert found.warn == (Threshold("between", (5.0, 27.0)),)
    assert [t.operator for t in found.fail] == [">", "<"]
    assert "those win" in reading.warnings[0].message


CATEGORIES = [
    ("freshness(t) < 1d", "Freshness"), ("missing_count(a) = 0", "Completeness"), ("duplicate_count(a) = 0", "Uniqueness"),
    ({"invalid_percent(a) < 1": {"valid length": 3}}, "Validity"), ("row_count > 0", "Accuracy"),
    ({"schema": {"warn": {"when schema changes": "any"}}}, "Schema"), ({"failed rows": {"fail condition": "a < 0"}}, "Completeness"),
    ({"row_count > 0": {"attributes": {"category": "Schema validation"}}}, "Schema"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "category"), CATEGORIES)
def test_a_category_is_derived_where_none_is_named(item, category):
    assert check(item)[0].category == category


def test_titles_names_and_expressions_are_shown_in_this_order():
    assert check("row_count > 0")[0].title == "row_count > 0"
    assert check({"row_count > 0": {"name": "n"}})[0].title == "n"
    assert check({"row_count > 0": {"name": "n", "attributes": {"title": "t"}}})[0].title == "t"


def test_a_doubled_backslash_is_read_as_one():
    found, reading = check({"invalid_count(a) = 0": {"valid regex": r"^\\d{3}$"}})
    assert found.validity == {"valid regex": r"^\d{3}$"}
    assert len(reading.warnings) == 1


def test_the_formats_are_those_of_the_chapter():
    assert len(FORMATS) == len(set(FORMATS)) == 41
    assert {"negative percentage point", "timestamp 24h", "ipv6 address", "date iso 8601"} <= set(FORMATS)
    assert set(PERCENTS) < set(ARGUMENTS)


# --- the stackSpec around them ----------------------------------------------------------------------------------------


def test_a_scan_in_canonical_form():
    (entry,) = good("soda").inputs
    assert len(entry.checks) == 12
    assert (entry.engine, entry.cluster, entry.branch, entry.fail_on) == ("minerva", "miniature", "main", "fail")
    assert (entry.profile.include, entry.profile.exclude) == (("*", "d*"), ("email",))
    assert entry.properties == {"x": "1"}
    assert entry.filter == "status = 'active'"
    (plain,) = good("soda worker").inputs
    assert (plain.engine, plain.branch, plain.fail_on, plain.address.acl) == ("default", "main", "never", "r")


INPUTS = [
    ({"checks": None}, "inputs[0].checks", None),
    ({"dataset": "dataos://lakehouse:retail"}, "inputs[0].dataset", "names no dataset"),
    ({"options": {"engine": "minerva"}}, "inputs[0].options", "`clusterName` is required with engine minerva"),
    ({"options": {"engine": "themis"}}, "inputs[0].options.engine", "default, minerva"),
    ({"options": {"failOn": "always"}}, "inputs[0].options.failOn", "fail, warn, never"),
    ({"options": {"clusterNam": "x"}}, "inputs[0].options.clusterNam", "did you mean `clusterName`?"),
    ({"profile": {"columns": []}}, "inputs[0].profile.columns", "at least one column"),
    ({"profile": {"columns": ["include a b"]}}, "inputs[0].profile.columns[0]", "names no column"),
    ({"filter": {"where": "a = 'b"}}, "inputs[0].filter.where", "not closed"),
    ({"filter": {"name": "x"}}, "inputs[0].filter", "`where` is required"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "place", "words"), [i for i in INPUTS if i[2]])
def test_a_faulty_input_names_its_place(change, place, words):
    spec = spec_of("soda")
    spec["inputs"][0].update(change)
    found = faults("soda", spec)
    assert set(found) == {f"stackSpec.{place}"}
    assert words in found[f"stackSpec.{place}"]


def test_checks_or_a_profile_are_needed():
    spec = {"inputs": [{"dataset": "dataos://a:b/c"}]}
    assert "`checks` or `profile` is required" in str(faults("soda", spec))
    assert (
        good("soda", {"inputs": [{"dataset": "dataos://a:b/c", "profile": {"columns": ["exclude x"]}}]})
        .inputs[0]
        .profile
    )
    assert "at least one dataset" in str(faults("soda", {"inputs": []}))


@pytest.mark.acceptance("ch03-AS06")
def test_the_old_form_holds_the_list_itself_and_the_engine_beside_it():
    old = [
        {
            "dataset": "dataos://lakehouse:retail/C",
            "engine": "minerva",
            "options": {"clusterName": "m"},
            "checks": ["row_count > 0"],
        }
    ]
    said = notices("soda", ..., soda=old)
    assert said == [
        "`soda` is read as `stackSpec`",
        "a list is read as `inputs` of it",
        "`engine` is read as `options.engine`",
        "names are in lower case on a cluster",
    ]
    assert good("soda", ..., soda=old).inputs[0].engine == "minerva"
    found = faults("soda", ..., soda=[{**old[0], "checks": ["row_cont > 0"]}])
    assert set(found) == {"soda[0].checks[0]"}  # a path that the document has


def test_texts_of_checks_are_never_filled_in():
    from dataos.manifest.interpolation import interpolate
    from dataos.manifest.loader import load_text

    text = """
stack: soda+python:1.0
stackSpec:
  inputs:
    - dataset: dataos://$DEPOT:retail/c
      checks: [{"invalid_count(a) = 0": {"valid regex": "^$DEPOT$"}}]
      filter: {where: "a = '$DEPOT'"}
"""
    (document,) = load_text(text)
    assert interpolate(document, {"DEPOT": "x"}, "public") == []
    (entry,) = document.data["stackSpec"]["inputs"]
    assert entry["dataset"] == "dataos://x:retail/c"
    assert "$DEPOT" in str(entry["checks"]) and "$DEPOT" in str(entry["filter"])
