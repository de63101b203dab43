"""The Workflow: reading its DAG, and `plan_next` over all states."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.kinds.workflow.plan import ENDED, Failure, JobState, RunState, plan_next, should_retry
from dataos.kinds.workflow.spec import Job, Retry, find_cycle
from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import load_text
from dataos.manifest.specs import Reading

JOB = "{stack: script, compute: runnable-default, stackSpec: {script: 'pass'}}"


def read(dag, **extra):
    lines = "".join(f"  {k}: {v}\n" for k, v in extra.items())
    (document,) = load_text(f"name: w\nversion: v1\ntype: workflow\nworkflow:\n{lines}  dag:\n{dag}", "f.yaml")
    reading = Reading()
    manifest = read_manifest(document.data, reading)
    return manifest, [document.located(p) for p in reading.problems], reading.warnings


def job(name, *dependencies):
    return Job(name, "", None, dependencies, Retry())  # type: ignore[arg-type] - the plan does not look at runnables


def test_dependencies_may_be_one_word_and_retry_may_stand_inside_spec():
    dag = f"    - {{name: a, spec: {JOB}}}\n    - name: b\n      dependencies: a\n      spec:\n        stack: script\n        compute: runnable-default\n        stackSpec: {{script: 'pass'}}\n        retry: {{count: 2, strategy: onfailure, duration: 1m30s}}\n"
    manifest, problems, _ = read(dag)
    assert problems == []
    assert manifest is not None
    second = manifest.spec.jobs[1]
    assert second.dependencies == ("a",)
    assert second.retry == Retry(2, "OnFailure", 90.0)


@pytest.mark.acceptance("ch01-AS07")
def test_a_job_name_that_breaks_the_rule_names_its_path_and_line():
    _, problems, _ = read(f"    - {{name: Sample_1, spec: {JOB}}}\n")
    assert problems[0].path == "workflow.dag[0].name"
    assert problems[0].line == 6
    assert "job name is invalid 'Sample_1', must be less than '48' chars" in problems[0].message


def test_a_cycle_is_spelt_out():
    dag = "".join(f"    - {{name: {n}, dependencies: [{d}], spec: {JOB}}}\n" for n, d in ("ab", "bc", "ca"))
    _, problems, _ = read(dag)
    assert "form a cycle" in problems[0].message
    assert "failure matching dag step" in problems[0].message


def test_an_unknown_dependency_and_a_repeated_name_are_both_reported():
    dag = f"    - {{name: load, spec: {JOB}}}\n    - {{name: load, dependencies: [laod], spec: {JOB}}}\n"
    _, problems, _ = read(dag)
    assert {p.code for p in problems} == {"manifest.duplicate_job", "manifest.dag"}


@pytest.mark.parametrize(("extra", "path"), [({"schedule": "{cron: '0 2 * * *'}"}, "workflow.schedule")])
def test_schedules_are_refused_by_name(extra, path):
    _, problems, _ = read(f"    - {{name: a, spec: {JOB}}}\n", **extra)
    assert [(p.code, p.path) for p in problems] == [("manifest.unsupported", path)]


def test_a_nested_file_is_refused_by_name():
    _, problems, _ = read("    - {name: a, file: other.yaml}\n")
    assert problems[0].code == "manifest.unsupported"


def test_an_empty_dag_is_refused():
    assert read("    []\n")[1][0].path == "workflow.dag"


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ("{stack: sparkle, compute: runnable-default, stackSpec: {}}", "workflow.dag[0].spec.stack"),
        ("{stack: 'script:9.9', compute: runnable-default, stackSpec: {script: '1'}}", "workflow.dag[0].spec.stack"),
        (
            "{stack: script, compute: runnable-default, stackSpec: {script: 'a b'}}",
            "workflow.dag[0].spec.stackSpec.script",
        ),
        (
            "{stack: script, compute: runnable-default, logLevel: LOUD, stackSpec: {script: '1'}}",
            "workflow.dag[0].spec.logLevel",
        ),
        ("{compute: runnable-default, stackSpec: {script: '1'}}", "workflow.dag[0].spec"),
        (
            "{stack: script, compute: runnable-default, stackSpec: {script: '1'}, resources: {limits: {memory: lots}}}",
            "workflow.dag[0].spec.resources.limits.memory",
        ),
    ],
)
def test_faults_in_a_job_name_their_path(bad, path):
    _, problems, _ = read(f"    - {{name: a, spec: {bad}}}\n")
    assert [p.path for p in problems] == [path]


def test_quantities_survive_known_slips_with_a_warning():
    spec = "{stack: script, compute: runnable-default, stackSpec: {script: '1'}, resource: {request: {cpu: 100Mi, memory: 500m}}}"
    manifest, problems, warnings = read(f"    - {{name: a, spec: {spec}}}\n")
    assert problems == []
    assert manifest is not None
    runnable = manifest.spec.jobs[0].runnable
    assert (runnable.cpu, runnable.memory_bytes) == (None, 500 << 20)
    assert len([w for w in warnings if "cpu" in w.message or "500Mi" in w.message]) == 2


def test_misplaced_job_keys_are_lifted():
    manifest, problems, warnings = read(
        "    - {name: a, stack: script, compute: runnable-default, stackSpec: {script: '1'}, spec: }\n"
    )
    assert problems == []
    assert manifest is not None
    assert any("`spec` is empty" in w.message for w in warnings)


# --- plan_next --------------------------------------------------------------------------------------------------------

DIAMOND = [job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c")]


def test_plan_next_over_the_product_of_all_states():
    for states in itertools.product(JobState, repeat=4):
        known = dict(zip("abcd", states, strict=True))
        for stopping in (False, True):
            step = plan_next(DIAMOND, known, stopping)
            halted = stopping or any(s in (JobState.FAILED, JobState.ABORTED) for s in states)
            assert not (step.ready and halted)
            for name in step.ready:
                needed = next(j for j in DIAMOND if j.name == name).dependencies
                assert all(known[d] is JobState.SUCCEEDED for d in needed)
                assert known[name] is JobState.WAITING
            assert all(known[name] is JobState.WAITING for name in step.skip)
            after = {
                **known,
                **dict.fromkeys(step.ready, JobState.PENDING),
                **dict.fromkeys(step.skip, JobState.SKIPPED),
            }
            ended = all(s in ENDED for s in after.values())
            assert (step.state is not RunState.RUNNING) is ended
            if step.state is RunState.SUCCEEDED:
                assert not halted


def test_a_diamond_runs_b_and_c_together_and_d_after_both():
    states = dict.fromkeys("abcd", JobState.WAITING)
    assert plan_next(DIAMOND, states, False).ready == ("a",)
    states["a"] = JobState.SUCCEEDED
    assert plan_next(DIAMOND, states, False).ready == ("b", "c")
    states["b"], states["c"] = JobState.SUCCEEDED, JobState.RUNNING
    assert plan_next(DIAMOND, states, False).ready == ()
    states["c"] = JobState.SUCCEEDED
    assert plan_next(DIAMOND, states, False).ready == ("d",)


def test_after_a_failure_running_branches_end_and_nothing_new_starts():
    states = {"a": JobState.SUCCEEDED, "b": JobState.FAILED, "c": JobState.RUNNING, "d": JobState.WAITING}
    step = plan_next(DIAMOND, states, False)
    assert (step.ready, step.skip, step.state) == ((), ("d",), RunState.RUNNING)
    states |= {"c": JobState.SUCCEEDED, "d": JobState.SKIPPED}
    assert plan_next(DIAMOND, states, False).state is RunState.FAILED


@pytest.mark.parametrize(
    ("strategy", "retried"),
    [
        ("Always", set(Failure)),
        ("OnFailure", set(Failure)),
        ("OnError", {Failure.ERROR, Failure.TRANSIENT}),
        ("OnTransientError", {Failure.TRANSIENT}),
    ],
)
def test_retry_strategies(strategy, retried):
    rule = Retry(1, strategy)
    assert {f for f in Failure if should_retry(rule, f, 1, 0)} == retried
    assert not any(should_retry(rule, f, 2, 0) for f in Failure)


def test_the_retry_window_ends_retries():
    rule = Retry(10, "OnFailure", delay_s=10, window_s=60)
    assert should_retry(rule, Failure.FAILED, 1, 49)
    assert not should_retry(rule, Failure.FAILED, 1, 51)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3).map(tuple), max_size=6)
)
def test_find_cycle_finds_one_exactly_when_there_is_one(graph):
    cycle = find_cycle(graph)
    if cycle is not None:
        for node, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert following in graph[node]
    else:
        order: list[str] = []
        left = dict(graph)
        while left:
            free = [n for n, ds in left.items() if not any(d in left for d in ds)]
            assert free, "no cycle was found, but nothing is free"
            order += free
            left = {n: ds for n, ds in left.items() if n not in free}
