"""What holds for every form of depots, secrets, policies, grants, monitors, pagers, Lenses and products: garbage ends
in problems, secret values are sealed wherever they stand, and no message repeats one."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataos.manifest import patterns
from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading
from support.asset_samples import FORMS, OLD_PRODUCT, PRODUCT, SECRET
from support.kind_reading import read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple = ()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def at(value: Any, path: tuple) -> Any:
    for part in path:
        value = value[part]
    return value


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_all_its_secret_values_are_sealed(form):
    type_, section = FORMS[form]
    manifest, reading = read(type_, copy.deepcopy(section))
    assert manifest is not None, reading.problems
    secret = {p for p in places(section) if isinstance(at(section, p), str) and SECRET in at(section, p)}
    assert secret <= set(manifest.secret_paths)
    sealed = [path for group in manifest.sealed_values().values() for path in group.values()]
    assert sorted(map(str, sealed)) == sorted(map(str, manifest.secret_paths))  # none hides another
    assert SECRET not in str(reading.warnings)


@given(st.sampled_from(sorted(FORMS)), st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_anywhere_ends_in_problems_and_repeats_no_secret(form, data):
    type_, section = FORMS[form]
    whole: Any = {"top": copy.deepcopy(section)}
    path = data.draw(st.sampled_from(list(places(whole))[1:]))
    at(whole, path[:-1])[path[-1]] = data.draw(JSON)
    manifest, reading = read(type_, whole["top"])
    assert (manifest is None) == bool(reading.problems)
    assert SECRET not in str((reading.problems, reading.warnings, reading.unsupported))
    if manifest is not None:
        for secret in manifest.secret_paths:
            at(whole["top"], secret)  # each leads to what the document holds
        left = {
            p for p in places(whole["top"]) if isinstance(at(whole["top"], p), str) and SECRET in at(whole["top"], p)
        }
        assert left <= set(manifest.secret_paths)


SEALING = sorted(f for f in FORMS if f == "pager" or f.startswith(("depot with", "secret", "instance secret")))


@given(st.sampled_from(SEALING), st.data(), st.text(min_size=1, max_size=12) | st.sampled_from(["Data", "VALUES", "x"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_renamed_key_never_leaves_a_secret_value_unsealed(form, data, name):
    type_, section = FORMS[form]
    whole: Any = {"top": copy.deepcopy(section)}
    holders = [p for p in places(whole) if isinstance(at(whole, p), dict) and p and SECRET in str(at(whole, p))]
    block = at(whole, data.draw(st.sampled_from(holders)))
    key = data.draw(st.sampled_from([k for k in block if SECRET in str(block[k])]))
    block[name] = block.pop(key)
    manifest, reading = read(type_, whole["top"])
    assert SECRET not in str((reading.problems, reading.warnings))
    if manifest is not None:
        top = whole["top"]
        left = {p for p in places(top) if isinstance(at(top, p), str) and SECRET in at(top, p)}
        assert left <= set(manifest.secret_paths)


@given(st.sampled_from(sorted(FORMS)), JSON)
@settings(max_examples=200, deadline=None)
def test_a_section_of_any_shape_ends_in_problems_or_a_manifest(form, section):
    manifest, reading = read(FORMS[form][0], section)
    assert (manifest is None) == bool(reading.problems)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_anywhere_in_a_product_ends_in_problems_or_a_manifest(data):
    version, body = data.draw(st.sampled_from([("v1beta", PRODUCT), ("v1alpha", OLD_PRODUCT)]))
    document: Any = {
        "name": "yarn",
        "version": version,
        "type": "data",
        "entity": "product",
        "refs": [{"href": "https://x"}],
        version: {"data": copy.deepcopy(body)},
    }
    path = data.draw(st.sampled_from([p for p in places(document) if p]))
    at(document, path[:-1])[path[-1]] = data.draw(JSON)
    reading = Reading()
    manifest = read_manifest(document, reading)
    assert (manifest is None) == bool(reading.problems)


@given(st.text(max_size=30))
def test_checks_of_patterns_take_any_text(text):
    patterns.glob_fault(text)
    patterns.regex_fault(text)
    patterns.jq_fault(text)


@pytest.mark.parametrize("glob", ["**", "foo:*:bar", "[!a-c]at", "{a,b,[mt]c}", r"foo\*bar", "dataos://******", "a]b"])
def test_globs_that_are_right(glob):
    assert patterns.glob_fault(glob) is None


@pytest.mark.parametrize("glob", ["", "[ab", "{a", "a}", "a\\", "[]", "[!]"])
def test_globs_that_match_nothing(glob):
    assert patterns.glob_fault(glob)


@pytest.mark.parametrize(
    "text",
    [".value", '.value[] | select(.a == "]") | .phase', "{a: .b, c: (now - 600)}", '.a # ] "', '.["a\\"b"]'],
)
def test_filters_that_are_whole(text):
    assert patterns.jq_fault(text) is None


@pytest.mark.parametrize("text", [" ", ".a[", ".a)", '."a', "(]"])
def test_filters_that_are_not(text):
    assert patterns.jq_fault(text)
