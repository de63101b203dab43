"""OpenLineage events of others: what is taken, and every fault of what is not."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.metadata import openlineage, receiving
from support import openlineage as checker

RUN = "3b452093-782c-4ef2-9c0c-aafe2aa6f34d"
EVENT: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2030-01-01T00:00:00.5+02:00",
    "run": {"runId": RUN},
    "job": {"namespace": "airflow", "name": "dag.task"},
    "inputs": [{"namespace": "postgres://db:5432", "name": "d.s.t"}],
    "outputs": [],
    "producer": "https://example.org/producer",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}


def test_a_good_event_has_no_faults() -> None:
    assert receiving.check(EVENT, "", "dataos") == []
    assert receiving.check({k: v for k, v in EVENT.items() if k not in ("eventType", "inputs")}, "", "dataos") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"eventType": "DONE"}, "eventType"),
        ({"eventTime": "yesterday"}, "eventTime"),
        ({"eventTime": "2030-01-01T00:00:00"}, "eventTime"),
        ({"producer": "me"}, "producer"),
        ({"schemaURL": None}, "schemaURL"),
        ({"run": {"runId": "1"}}, "run.runId"),
        ({"run": {"runId": RUN, "facets": []}}, "run.facets"),
        ({"job": {"namespace": "", "name": "x"}}, "job"),
        ({"job": {"namespace": "dataos", "name": "public.w.j"}}, "job.namespace"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [{"name": "x"}]}, "inputs[0]"),
        ({"outputs": [{"namespace": "a", "name": "b", "facets": 1}]}, "outputs[0].facets"),
        ({"outputs": [{"namespace": "a", "name": "b"}] * 1001}, "outputs"),
    ],
)
def test_each_fault_is_named_with_its_place(change: dict[str, Any], path: str) -> None:
    (problem,) = receiving.check({**EVENT, **change}, "[3]", "dataos")
    assert (problem.code, problem.path) == ("lineage.event", f"[3].{path}")
    assert problem.hint or "list" in problem.message or "facets" in problem.message


def test_all_faults_come_at_once() -> None:
    found = receiving.check({"run": {}, "job": {}}, "", "dataos")
    assert [p.path for p in found] == ["eventTime", "producer", "schemaURL", "run.runId", "job"]


def test_events_without_a_run_are_refused() -> None:
    (problem,) = receiving.check({"job": EVENT["job"], "eventTime": EVENT["eventTime"]}, "", "dataos")
    assert "run events" in problem.message


_ANY = st.recursive(st.none() | st.integers() | st.text(max_size=10), lambda x: st.lists(x, max_size=3) | st.dictionaries(
    st.sampled_from(["run", "job", "runId", "name", "namespace", "facets", "inputs", "eventType"]), x, max_size=4), max_leaves=10)  # fmt: skip


@given(_ANY | st.fixed_dictionaries({k: st.just(v) | _ANY for k, v in EVENT.items()}))
def test_no_body_makes_the_check_fail(body: Any) -> None:
    receiving.check(body, "", "dataos")


def test_the_checker_of_events_finds_faults() -> None:
    """The tests' own checker: an event as ours passes, one without what the schema demands does not."""
    good = openlineage.event("START", 0, {"runId": RUN}, {"namespace": "n", "name": "j"})
    checker.check(good)
    for broken in ({**good, "run": {}}, {**good, "schemaURL": "x:y"}, {**good, "eventType": "NO"},
                   {**good, "job": {**good["job"], "facets": {"sql": {"query": "SELECT 1"}}}}):  # fmt: skip
        with pytest.raises((AssertionError, jsonschema.ValidationError)):
            checker.check(broken)
