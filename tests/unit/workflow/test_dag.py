"""The Workflow: reading its DAG, and `plan_next` over all states."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError
from dataos.kinds.workflow.plan import (
    ENDED,
    RUN_ENDED,
    Failure,
    JobState,
    RunState,
    plan_next,
    retry_wait_s,
    should_retry,
)
from dataos.kinds.workflow.spec import MAX_DEPTH, Job, Retry, Schedule, find_cycle
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


def schedule(text: str):
    manifest, problems, warnings = read(f"    - {{name: a, spec: {JOB}}}\n", schedule=text)
    return (manifest.spec.schedule if manifest else None), problems, warnings


def test_a_schedule_is_read_with_its_defaults_and_variants():
    found, problems, _ = schedule("{cron: '*/60 * * * *'}")
    assert problems == []
    assert found == Schedule("*/60 * * * *", "UTC", "Allow")
    text = "{cron: 30 2 * * 1-5, timezone: europe/lisbon, concurrencyPolicy: replace, endOn: 2030-12-31T23:59:59Z}"
    found, problems, _ = schedule(text)
    assert problems == []
    assert found == Schedule("30 2 * * 1-5", "Europe/Lisbon", "Replace", 1924991999000000)
    found, _, warnings = schedule("{cron: 0 0 2 * * *, timezone: Asia/Kolkata, completeOn: 2030-01-01}")
    assert found == Schedule("0 0 2 * * *", "Asia/Kolkata", "Allow", 1893436200000000)
    assert any("has no offset" in w.message for w in warnings)


@pytest.mark.acceptance("ch03-AS18")
@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("{cron: '/10 * * * *'}", "cron", "*/10"),
        ("{cron: '61 * * * *'}", "cron", "0 to 59"),
        ("{cron: '* * * *'}", "cron", "five fields"),
        ("{cron: 0 2 * * *, timezone: 'Eurpoe/Berlin'}", "timezone", "Europe/Berlin"),
        ("{cron: 0 2 * * *, concurrencyPolicy: Queue}", "concurrencyPolicy", "Forbid"),
        ("{cron: 0 2 * * *, endOn: tomorrow}", "endOn", "2030-12-31T23:59:59Z"),
        ("{timezone: UTC}", "cron", ""),
    ],
)
def test_faults_of_a_schedule_name_their_path_and_the_way_out(text, path, hint):
    _, problems, _ = schedule(text)
    assert [p.path for p in problems] in ([f"workflow.schedule.{path}"], ["workflow.schedule"])
    assert problems[0].line == 5
    assert hint in problems[0].hint + problems[0].message


@pytest.mark.acceptance("ch03-AS18")
def test_an_unquoted_cron_says_to_quote_it():
    with pytest.raises(DataOSError) as caught:
        read(f"    - {{name: a, spec: {JOB}}}\n", schedule="{cron: */5 * * * *}")
    assert "quote" in caught.value.problem.message + caught.value.problem.hint
    assert caught.value.problem.line == 5


INNER = f"{{name: inner, version: v1, type: workflow, workflow: {{dag: [{{name: x, spec: {JOB}}}]}}}}"


def test_a_nested_file_is_a_dag_of_its_own_and_its_schedule_has_no_effect():
    inner = INNER.replace("{dag:", "{schedule: {cron: '@daily'}, dag:")
    manifest, problems, warnings = read(f"    - {{name: a, file: inner.yaml, manifest: {inner}}}\n")
    assert problems == []
    assert manifest.spec.at("a").job("x").runnable.stack == "script"
    assert [path for path, _ in manifest.spec.runnables()] == ["a/x"]
    assert any("nested workflow has no effect" in w.message for w in warnings)


def test_faults_inside_a_nested_file_carry_the_path_there():
    inner = INNER.replace("name: x", "name: X_1")
    _, problems, _ = read(f"    - {{name: a, file: inner.yaml, manifest: {inner}}}\n")
    assert [p.path for p in problems] == ["workflow.dag[0].manifest.workflow.dag[0].name"]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ("{name: a, file: other.yaml}", "was not put in"),
        ("{name: a, file: d.yaml, manifest: {name: d, type: depot}}", "is no workflow"),
        ("{name: a, file: d.yaml, manifest: {name: d, type: workflow}}", "section `workflow` is missing"),
        (f"{{name: a, workflow: other, spec: {JOB}}}", "one of `spec`, `file` and `workflow`"),
        ("{name: a, workflow: w}", "names itself"),
        ("{name: a}", "`spec` is required"),
    ],
)
def test_what_no_node_can_be(node, text):
    _, problems, _ = read(f"    - {node}\n")
    assert len(problems) == 1
    assert text in problems[0].message


def test_a_named_workflow_is_a_reference():
    manifest, problems, _ = read(
        "    - {name: a, workflow: other}\n    - {name: b, workflow: {name: c, workspace: lab}}\n"
    )
    assert problems == []
    assert [str(r.target) for r in manifest.references] == [
        str(ResourceKey("workflow", "other", "public")),
        str(ResourceKey("workflow", "c", "lab")),
    ]


def test_nesting_without_an_end_is_refused():
    inner = INNER
    for _ in range(MAX_DEPTH):
        inner = (
            f"{{name: n, version: v1, type: workflow, workflow: {{dag: [{{name: n, file: f, manifest: {inner}}}]}}}}"
        )
    _, problems, _ = read(f"    - {{name: a, file: f, manifest: {inner}}}\n")
    assert "nested deeper" in problems[0].message


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


@pytest.mark.acceptance("ch03-AS06")
def test_spellings_of_old_manifests_are_accepted_with_one_warning_each():
    text = """
name: old
version: v1beta
type: workflow
workflow:
  dag:
    - name: job1
      spec:
        stack: container
        tags: [a]
        alpha: {image: registry.example.internal/x:1, command: [python]}
        resource: {request: {cpu: 100m}}
        retry: {count: 1, strategy: onfailure}
    - name: job2
      dependencies: job1
      gcWhenComplete: true
      spec:
        stack: script
        compute: runnable-default
        dependency: job1
        stackSpec: {script: 'pass'}
"""
    (document,) = load_text(text)
    reading = Reading()
    manifest = read_manifest(document.data, reading)
    assert [p.message for p in reading.problems] == []
    assert manifest is not None
    assert manifest.version == "v1"
    assert [j.dependencies for j in manifest.spec.jobs] == [(), ("job1",)]
    assert manifest.spec.jobs[0].retry == Retry(1, "OnFailure")
    said = " ".join(w.message for w in reading.warnings)
    for words in (
        "v1beta has been replaced",
        "`alpha` is read as",
        "no compute named",
        "`retry` belongs beside",
        "gcWhenComplete",
    ):
        assert words in said
    assert len(reading.warnings) == len(set(reading.warnings))


DBT = {
    "profiles": {"p": {"target": "d", "outputs": {"d": {"type": "postgres", "threads": 1, "password": "canary"}}}},
    "dbt_project": {"name": "n", "version": "1", "profile": "p"},
}
SPELLINGS = [
    {"dag": [{"name": "a", "spec": {"stack": "dbt", "stackSpec": DBT}}]},
    {"DAG": [{"name": "a", "Spec": {"stack": "dbt", "stackSpec": DBT}}]},
    {"dag": [{"name": "a", "spec": {"stack": "dbt", "STACKSPEC": DBT}}]},
    {"dag": [{"name": "a", "spec": {"stack": "dbt", "dbt": DBT}}]},
    {"dag": [{"name": "a", "spec": None, "stack": "dbt", "stackSpec": DBT}]},
    {"dag": [{"name": "a", "stack": "dbt", "dbt": DBT}]},
    {"dag": [{"name": "f", "file": "x", "manifest": {
        "type": "workflow", "Workflow": {"dag": [{"name": "a", "spec": {"stack": "dbt", "stackSpec": DBT}}]}}}]},
]  # fmt: skip


@pytest.mark.parametrize("section", SPELLINGS)
def test_credentials_are_found_in_the_spelling_of_the_document(section):
    reading = Reading()
    document = {"name": "w", "version": "v1", "type": "workflow", "workflow": section}
    manifest = read_manifest(document, reading)
    if manifest is None:  # refused is right too: kept unsealed would not be
        assert any("cannot be sealed" in p.message or p.code == "manifest.unknown_key" for p in reading.problems)
        return
    (path,) = manifest.secret_paths
    value = section
    for part in path:
        value = value[part]
    assert value == "canary"


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
            assert (step.state in RUN_ENDED) is ended
            if not ended:
                begun = any(s not in (JobState.WAITING, JobState.PENDING, JobState.SKIPPED) for s in states)
                assert step.state is (RunState.RUNNING if begun else RunState.PENDING)
            assert plan_next(DIAMOND, known, stopping, paused=True).ready == ()
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


def test_a_retry_waits_at_most_its_own_delay():
    rule = Retry(1, "Always", 30.0)
    now = 1_000_000_000
    assert retry_wait_s(None, now, rule) == 0.0
    assert retry_wait_s(now - 1, now, rule) == 0.0
    assert retry_wait_s(now + 12_000_000, now, rule) == 12.0
    assert retry_wait_s(now + 3_600_000_000, now, rule) == 0.0, "reckoned before the clock was set back"
