"""Environment variables in manifests (ch01 3.5)."""

import pytest

from dataos.manifest.interpolation import interpolate
from dataos.manifest.loader import load_text


def filled(text, **env):
    (document,) = load_text(text, "f.yaml")
    problems = interpolate(document, env, "sales")
    return document.data, problems


def test_set_variables_are_replaced_in_both_spellings():
    data, problems = filled("a: $X\nb: pre-${X}-post\n", X="v")
    assert data == {"a": "v", "b": "pre-v-post"}
    assert problems == []


@pytest.mark.acceptance("ch01-AS02")
def test_a_password_with_special_characters_stays_as_written():
    data, problems = filled("password: p@s$s{1}\n")
    assert data == {"password": "p@s$s{1}"}
    assert [p.code for p in problems] == ["manifest.unset_variable"]


@pytest.mark.acceptance("ch02-AS07")
def test_an_unset_variable_in_a_value_warns_and_stays():
    data, problems = filled("x: p@ss$word;1\n")
    assert data == {"x": "p@ss$word;1"}
    assert "variable word not set (line 1)" in problems[0].message


def test_values_are_never_scanned_again_and_cannot_change_the_structure():
    data, _ = filled("a: $X\n", X="$Y: [1]\nb: 2", Y="no")
    assert data == {"a": "$Y: [1]\nb: 2"}


def test_a_substituted_number_counts_as_one_and_an_empty_value_stays_text():
    data, _ = filled("replicas: ${N}\nempty: ${E}\nzeros: ${Z}\n", N="3", E="", Z="007")
    assert data == {"replicas": 3, "empty": "", "zeros": "007"}


def test_current_workspace_is_always_known():
    assert filled("a: ${CURRENT_WORKSPACE}\n")[0] == {"a": "sales"}


def test_a_placeholder_left_over_is_an_error_with_its_line():
    _, problems = filled("a: 1\nname: ${{ depot-name }}\n")
    assert (problems[0].code, problems[0].line) == ("manifest.placeholder", 2)


def test_a_placeholder_in_a_block_scalar_is_text():
    data, problems = filled("a: |\n  ${{ x }}\n")
    assert data == {"a": "${{ x }}\n"}
    assert problems == []


def test_sql_of_flare_is_left_alone_and_the_rest_of_its_spec_is_not():
    text = "stack: flare:7.0\nstackSpec:\n  job:\n    logLevel: $LVL\n    steps:\n      - sql: SELECT $LVL\n"
    data, _ = filled(text, LVL="DEBUG")
    assert data["stackSpec"]["job"]["logLevel"] == "DEBUG"
    assert data["stackSpec"]["job"]["steps"][0]["sql"] == "SELECT $LVL"


def test_templates_of_streams_survive():
    data, problems = filled("m: ${! meta() }\nn: $1\nre: '^a$'\n")
    assert data == {"m": "${! meta() }", "n": "$1", "re": "^a$"}
    assert problems == []


def test_stack_manifests_are_never_interpolated():
    assert filled("type: stack\na: $X\n", X="v")[0]["a"] == "$X"


OPAQUE = [
    ("bento:4.0", "stackSpec: {input: {http_client: {url: $X}}}"),
    ("bento", "bento: {pipeline: {processors: [{mapping: root = $X}]}}"),
    ("benthos", "STACKSPEC: {output: {sql_raw: {query: select $X}}}"),
    ("flash+python", "stackSpec: {init: [select $X], schedule: [{sql: $X}], datasets: [{refresh: {where: a = $X}}]}"),
    ("stream-monitor", "stackSpec: {stream: {conditions: [{valueJqFilter: '.a as $X | $X'}]}}"),
    ("flare:7.0", "stackSpec: {job: {steps: [{sequence: [{SQL: select $X}]}]}}"),
]


@pytest.mark.parametrize(("stack", "spec"), OPAQUE)
def test_programs_inside_a_stack_spec_are_left_alone(stack, spec):
    data, problems = filled(f"stack: {stack}\nenvs: {{A: $X}}\n{spec}\n", X="v")
    assert data["envs"] == {"A": "v"}
    assert problems == []
    assert "$X" in str(data) and "'v'" not in str({k: v for k, v in data.items() if k != "envs"})


@pytest.mark.parametrize("stack", ["container", "dataos-ctl", "scanner:2.0", "dbt+python:1.0", "nilus"])
def test_other_stack_specs_are_filled_in(stack):
    data, _ = filled(f"stack: {stack}\nstackSpec: {{arguments: [-w, '${{CURRENT_WORKSPACE}}', $X]}}\n", X="v")
    assert data["stackSpec"] == {"arguments": ["-w", "sales", "v"]}
