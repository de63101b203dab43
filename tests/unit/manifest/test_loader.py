"""YAML in: places, scalars, refusals."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError, Problem
from dataos.manifest.loader import MAX_BYTES, load_file, load_text, source_lines


def problem_of(text: str) -> Problem:
    with pytest.raises(DataOSError) as caught:
        load_text(text, "f.yaml")
    return caught.value.problem


def test_values_remember_their_place():
    (document,) = load_text("name: a\nspec:\n  - x: 1\n    y: [p, q]\n", "f.yaml")
    assert document.place(("spec", 0, "y", 1)) == (4, 12)
    assert document.place(("spec", 0, "missing")) == (3, 5)
    assert document.located(Problem("c", "m", path="spec[0].x")).where() == "f.yaml:3:5"


def test_scalars_keep_the_text_that_a_number_would_lose():
    (document,) = load_text(
        "a: 1.0\nb: 7.10\nc: 007\nd: 1e3\ne: 12\nf: true\ng: '5'\nh: ~\ni: 2024-11-01T23:40:45Z\nj: yes\n"
    )
    assert document.data == {
        "a": 1.0,
        "b": "7.10",
        "c": "007",
        "d": "1e3",
        "e": 12,
        "f": True,
        "g": "5",
        "h": None,
        "i": "2024-11-01T23:40:45Z",
        "j": "yes",
    }


def test_several_documents_and_a_list_of_manifests():
    documents = load_text("a: 1\n---\n- b: 2\n- c: 3\n---\n# only a comment\n")
    assert [d.data for d in documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [d.index for d in documents] == [0, 1, 2]


def test_broken_yaml_names_line_and_column():
    problem = problem_of("a: b\nc: [1, 2\nd: e\n")
    assert (problem.code, problem.file, problem.line) == ("manifest.syntax", "f.yaml", 3)


def test_tab_indentation_is_named_and_not_guessed():
    problem = problem_of("a:\n  b: 1\n\tc: 2\n")
    assert (problem.code, problem.line) == ("manifest.tab", 3)
    assert "tab used for indentation" in problem.message


def test_unquoted_cron_says_to_quote_it():
    assert "quote the cron" in problem_of("schedule:\n  cron: */10 * * * *\n").hint


def test_duplicate_keys_warn_and_the_last_wins():
    (document,) = load_text("a: 1\na: 2\n", "f.yaml")
    assert document.data == {"a": 2}
    assert [(w.code, w.line) for w in document.warnings] == [("manifest.duplicate_key", 2)]


def test_a_yaml_bomb_is_stopped_quickly():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 10):
        bomb += f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    assert problem_of(bomb).code == "manifest.too_large"


def test_a_self_reference_ends_too():
    assert problem_of("a: &a [*a]\n").code in ("manifest.too_large", "manifest.syntax")


def test_deep_nesting_ends_with_a_message():
    assert problem_of("[" * 20_000 + "]" * 20_000).code in ("manifest.too_large", "manifest.syntax")


def test_a_ten_megabyte_manifest_is_refused_with_its_size(tmp_path):
    file = tmp_path / "big.yaml"
    file.write_text("a: " + "x" * 10_000_000)
    assert file.stat().st_size > MAX_BYTES
    with pytest.raises(DataOSError) as caught:
        load_file(file)
    assert caught.value.problem.code == "manifest.too_large"
    assert "9.5 MiB" in caught.value.problem.message


def test_bytes_that_are_not_utf8_name_their_line(tmp_path):
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: ok\nb: caf\xe9\n")
    with pytest.raises(DataOSError) as caught:
        load_file(file)
    assert (caught.value.problem.code, caught.value.problem.line) == ("manifest.encoding", 2)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n"])
def test_nothing_is_not_a_manifest(text):
    assert problem_of(text).code == "manifest.empty"


def test_a_missing_file_says_why(tmp_path):
    with pytest.raises(DataOSError) as caught:
        load_file(tmp_path / "no.yaml")
    assert "No such file" in caught.value.problem.message


def test_merge_keys_fill_in_what_is_not_written():
    (document,) = load_text("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n")
    assert document.data["use"] == {"x": 1, "y": 3}


def test_sql_text_knows_where_its_first_character_stands():
    (document,) = load_text(
        "steps:\n  - sql: |\n      SELECT 1\n      FROM x\n  - sql: SELECT 2\n  - sql: 'SELECT 3'\n"
    )
    assert source_lines(document) == {"steps[0].sql": (3, 7), "steps[1].sql": (5, 10), "steps[2].sql": (6, 11)}


def test_a_problem_inside_sql_is_placed_in_the_file():
    (document,) = load_text("steps:\n  - sql: |\n      SELECT 1\n      FROM x\n  - sql: SELECT 2\n", "f.yaml")
    assert document.located(Problem("c", "m", path="steps[0].sql", line=2, column=6)).where() == "f.yaml:4:12"
    assert document.located(Problem("c", "m", path="steps[1].sql", line=1, column=8)).where() == "f.yaml:5:17"


# The parser follows YAML 1.1 for these three: raw in a quoted text they are line breaks, and folded (written as escapes
# they stay; see the test below). JSON has no such rule, so they are outside of "JSON is read as itself".
YAML_BREAKS = "\x85\u2028\u2029"
json_text = st.text(st.characters(exclude_characters=YAML_BREAKS, exclude_categories=("Cs",)), max_size=12)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | json_text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(json_text, children, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(json_text, json_values, min_size=1, max_size=4))
def test_json_is_read_as_itself(value):
    text = json.dumps(value, ensure_ascii=False)
    try:
        yaml.safe_load(text)
    except yaml.YAMLError:
        return  # characters that YAML does not allow
    (document,) = load_text(text)
    assert document.data == value


@pytest.mark.parametrize("escape", ["\\x85", "\\u2028", "\\u2029"])
def test_line_breaks_of_yaml_stay_where_they_are_escaped(escape):
    (document,) = load_text(f'a: "x{escape}y"\n')
    assert document.data == {"a": "x" + escape.encode().decode("unicode_escape") + "y"}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_problem(text):
    try:
        load_text(text)
    except DataOSError as error:
        assert error.problem.message
