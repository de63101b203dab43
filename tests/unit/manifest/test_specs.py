"""Reading free-form data: variants, unknown keys, all errors at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import parse_path
from dataos.manifest.specs import Reading, Spec, Text, normalise, read_model, render, spelled


class Inner(Spec):
    """An inner model."""

    all_keys: bool = spelled("allkeys", default=False)
    name: Text


class Outer(Spec):
    """An outer model."""

    label: Text = "x"
    uses: tuple[Inner, ...] = spelled("use", default=(), lone=True)
    by_name: dict[str, Inner] = {}
    one: Inner | None = None
    anything: Any = None


def read(data):
    reading = Reading()
    return read_model(Outer, data, reading, ("spec",)), reading


def test_variants_are_renamed_with_one_warning_each_at_any_depth():
    model, reading = read({"Label": 2.0, "use": {"name": 5, "allkeys": "yes"}, "byName": {"k": {"NAME": "n"}}})
    assert model == Outer.model_validate(
        {"label": "2.0", "uses": [{"name": "5", "allKeys": True}], "byName": {"k": {"name": "n"}}}
    )
    assert [w.path for w in reading.warnings] == [
        "spec.Label",
        "spec.use",
        "spec.uses[0].allkeys",
        "spec.byName.k.NAME",
    ]


def test_a_key_close_to_a_known_one_is_an_error_with_a_suggestion():
    model, reading = read({"labell": "a"})
    assert model is None
    assert [(p.path, p.hint) for p in reading.problems] == [("spec.labell", "did you mean `label`?")]


def test_a_foreign_key_is_a_warning_that_lists_what_is_known():
    model, reading = read({"zebra": 1})
    assert model is not None
    assert "anything" in reading.warnings[0].hint


def test_all_errors_come_at_once_with_their_paths():
    model, reading = read({"uses": [{"allKeys": "maybe"}, {"name": []}], "one": 3})
    assert model is None
    assert sorted(p.path or "" for p in reading.problems) == [
        "spec.one",
        "spec.uses[0]",
        "spec.uses[0].allKeys",
        "spec.uses[1].name",
    ]


def test_an_empty_value_means_the_default_and_a_missing_section_is_empty():
    assert read({"label": None})[0] == Outer()
    assert read(None)[0] == Outer()


def test_booleans_of_text_fields_come_back_as_written():
    assert read({"label": True})[0].label == "true"


def test_a_section_that_is_no_mapping_says_what_it_found():
    model, reading = read(["a"])
    assert model is None
    assert "found a list" in reading.problems[0].message


def test_the_canonical_spelling_wins_over_its_variant():
    model, reading = read({"label": "a", "LABEL": "b"})
    assert model is not None
    assert model.label == "a"
    assert len(reading.warnings) == 1


@given(
    st.dictionaries(
        st.sampled_from(["label", "LABEL", "uses", "one", "q", "anything"]), st.integers() | st.text() | st.none()
    )
)
def test_normalising_twice_changes_nothing_more(data):
    first = normalise(Outer, data, Reading(), ())
    again = Reading()
    assert first is not None
    assert normalise(Outer, first, again, ()) == first
    assert [w for w in again.warnings if w.code == "manifest.variant"] == []


def test_paths_render_as_people_write_them():
    assert render(("workflow", "dag", 0, "name")) == "workflow.dag[0].name"


@pytest.mark.parametrize("key", ["dbPassword", "auth_token", "apiKey", "CLIENT_SECRET"])
def test_an_unknown_key_that_is_named_like_a_credential_is_refused(key):
    reading = Reading()
    document = {"name": "w", "version": "v1", "type": "workflow", "workflow": {"dag": [], key: "s3cr3t-canary"}}
    assert read_manifest(document, reading) is None
    assert f"workflow.{key}" in {p.path for p in reading.problems}
    assert "s3cr3t-canary" not in str(reading.problems)


keys = st.text(min_size=0, max_size=6) | st.sampled_from(["a.b", "a[0]", 'say "x"', "\\", "row_count > 0.5", ""])


@given(st.lists(keys | st.integers(0, 99), min_size=1, max_size=5))
def test_a_path_as_text_leads_back_to_the_path(path):
    assert parse_path(render(tuple(path))) == tuple(path)
