"""What is believed of a job's report: addresses of its plan only, bounded shapes, and never an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.metadata import reports

READS, WRITES = ["dataos://files:raw/a.csv"], ["dataos://lake:shop/orders"]
RESULT: dict[str, Any] = {
    "inputs": [{"name": "a", "address": READS[0], "rows": 3, "columns": [{"name": "id", "type": "string"}]}],
    "outputs": [
        {"name": "o", "address": WRITES[0], "rows": 3, "operation": "overwrite", "reads": ["a"], "tags": ["Tier.Gold"],
         "columns": [{"name": "id", "type": "long"}], "columnTags": [{"column": "id", "tags": ["PII.Id", "x"]}]}
    ],
    "lineage": [{"output": "o", "column": "id", "inputs": [{"input": "a", "column": "id"}], "resolved": True}],
    "assertions": [{"output": "o", "address": WRITES[0], "column": "id", "test": "avg >= 3", "value": 4, "passed": True}],
    "sql": "SELECT 1",
}  # fmt: skip


def test_a_report_becomes_addresses() -> None:
    report = reports.read(RESULT, READS, ["dataos://lake:shop/orders?acl=rw"])
    (output,) = report.outputs
    assert (output.address, output.rows, output.reads) == (WRITES[0], 3, ("a",))
    assert output.column_tags == (("id", "PII.Id"), ("id", "x"))
    assert report.lines[WRITES[0]] == (reports.Line("id", ((READS[0], "id"),), True),)
    (test,) = report.tests
    assert (test.name, test.value, test.passed) == ("columnValueAvgGreaterThanOrEquals", 4.0, True)


def test_a_job_speaks_of_what_its_plan_named_only() -> None:
    """A job that claims to have written, tested or profiled somebody else's table is not believed."""
    other = "dataos://lake:finance/salaries"
    claimed = {
        "outputs": [{**RESULT["outputs"][0], "address": other}],
        "assertions": [{**RESULT["assertions"][0], "address": other}],
        "profile": {"address": other, "level": "basic", "rows": 1, "columns": []},
        "lineage": RESULT["lineage"],
    }
    report = reports.read(claimed, READS, WRITES)
    assert (report.outputs, report.tests, report.profile, report.lines) == ((), (), None, {})
    assert [d.address for d in report.inputs] == READS  # of the plan, which is trusted


@pytest.mark.parametrize(
    ("test", "column", "name"),
    [
        ("avg > 3", "c", "columnValueAvgGreaterThan"),
        ("invalid_percentage < 0.02", "email", "columnValueInvalidPercentageLessThan"),
        ("duplicate_count == 0", "id", "columnValueDuplicateCountEquals"),
        ("min<=1", "c", "columnValueMinLessThanOrEquals"),
        ("flights != 1", "", "queryValueFlightsNotEquals"),
    ],
)
def test_names_of_tests(test: str, column: str, name: str) -> None:
    assert reports.test_name(test, column) == name


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([*READS, *WRITES, "a", "o", "id"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["name", "address", "columns", "rows", "type", "column", "inputs", "input", "output", "tags",
                         "columnTags", "reads", "test", "value", "labels", "tag", "confidence", "sources", "level"]),
        inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*RESULT, "profile"]), _JSON))
def test_no_report_makes_it_fail(result: dict[str, Any]) -> None:
    report = reports.read(result, READS, WRITES)
    touched = {*READS, *WRITES}
    assert {d.address for d in (*report.inputs, *report.outputs)} <= touched
    assert {t.address for t in report.tests} <= touched
    for lines in report.lines.values():
        assert {a for line in lines for a, _ in line.sources} <= touched


def test_sizes_are_bounded() -> None:
    wide = {"outputs": [{"name": "o", "address": WRITES[0], "columns": [{"name": f"c{i}"} for i in range(9000)]}],
            "sql": "x" * 10**6,
            "lineage": [{"output": "o", "column": "c", "inputs": [{"input": "a", "column": str(i)} for i in range(9)]}
                        for _ in range(30_000)],
            "inputs": RESULT["inputs"]}  # fmt: skip
    report = reports.read(wide, READS, WRITES)
    assert len(report.outputs[0].columns) == 2000
    assert len(report.sql) == 100_000
    assert sum(len(line.sources) for line in report.lines[WRITES[0]]) <= 50_000
