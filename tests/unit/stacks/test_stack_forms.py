"""Every form of every stack: understood whole, sealed, refused where it cannot run; garbage never gets through."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataos.manifest import registry
from support.kind_reading import read as read_kind
from support.stack_reading import notices, prefix, read, section
from support.stack_samples import FORMS, SECRET

QUIET = {"lakesearch", "resource"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple = ()):
    """Every place inside a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_form_is_read_and_waits_only_for_its_stack(form):
    manifest, reading = read(form)
    assert manifest is not None, reading.problems
    unsupported = {p.code for p in manifest.unsupported}
    assert "stack.unsupported" in unsupported
    assert unsupported <= {"stack.unsupported", "kind.unsupported"}
    in_clear = [w for w in reading.warnings if "in clear" in w.message]
    assert reading.warnings == in_clear


def test_every_stack_that_is_built_in_has_a_form():
    named = {registry.find_stack(stack.split(":")[0].split("+")[0]).name for _, stack, _, _ in FORMS.values()}
    assert named == {*registry.STACKS} - {"flare"}


@pytest.mark.parametrize("form", [f for f in FORMS if SECRET in str(FORMS[f])])
def test_credentials_in_a_stack_spec_are_sealed(form):
    manifest, _ = read(form)
    _, whole = section(form)
    found = set()
    for path in manifest.secret_paths:
        value: Any = whole
        for part in path:
            value = value[part]
        found.add(value)
    hidden = {v for v in leaves(whole) if SECRET in str(v)}
    assert hidden and hidden <= found


@pytest.mark.parametrize("form", [f for f in FORMS if SECRET in str(FORMS[f])])
def test_a_stored_manifest_whose_values_are_sealed_is_read_as_before(form):
    manifest, _ = read(form)
    type_, whole = section(form)
    for path in manifest.secret_paths:
        place: Any = whole
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = "vault:workflow:wool1:public:0#3"
    again, reading = read_kind(type_, whole)
    assert again is not None, reading.problems
    assert again.secret_paths == manifest.secret_paths
    assert not any("in clear" in w.message for w in reading.warnings)
    for path in manifest.secret_paths:
        place = whole
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = "****"
    masked, reading = read_kind(type_, whole)
    assert masked is None
    assert {p.code for p in reading.problems} == {"manifest.masked"}


def leaves(value: Any):
    for path in places(value):
        inner = value
        for part in path:
            inner = inner[part]
        if not isinstance(inner, (dict, list)):
            yield inner


HOSTS = [
    ("dbt", "service"), ("dbt", "worker"), ("toolbox", "worker"), ("rest", "workflow"), ("rest", "worker"),
    ("steampipe", "workflow"), ("flash", "worker"), ("flash", "workflow"), ("talos", "workflow"),
    ("stream monitor", "workflow"), ("stream monitor", "service"), ("soda", "service"), ("soda worker", "workflow"),
    ("depot scan", "service"), ("batch copy", "worker"), ("fastfun", "service"), ("pulsar function", "workflow"),
    ("command", "worker"), ("command", "service"), ("lakesearch", "worker"), ("resource", "service"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "host"), HOSTS)
def test_a_stack_runs_only_under_the_hosts_of_its_chapter(form, host):
    block = section(form)[1]
    block = block["dag"][0]["spec"] if "dag" in block else block
    for key in ("servicePort", "servicePorts", "ingress"):
        block.pop(key, None)
    whole = {"dag": [{"name": "job", "spec": block}]} if host == "workflow" else block
    manifest, reading = read_kind(host, whole)
    assert manifest is None
    (problem,) = [p for p in reading.problems if p.code == "stack.host"]
    assert f"it cannot run under a {host}" in problem.message
    assert "runs under: " in problem.hint


LEGACY = [(form, name) for form, name in (
    ("container job", "container"), ("container worker", "alpha"), ("rest", "beacon"), ("depot scan", "scanner"),
    ("soda", "soda"), ("toolbox", "toolbox"), ("stream worker", "benthos"), ("lookup", "bento"), ("steampipe", "steampipe"),
)]  # fmt: skip


@pytest.mark.acceptance("ch03-AS06")
@pytest.mark.parametrize(("form", "key"), LEGACY)
def test_the_key_of_an_old_manifest_is_read_as_stack_spec_with_one_notice(form, key):
    own = copy.deepcopy(FORMS[form][3])
    said = [n for n in notices(form, ..., **{key: own}) if "in clear" not in n]
    assert said == [f"`{key}` is read as `stackSpec`"]
    manifest, _ = read(form, ..., **{key: own})
    assert [p.code for p in manifest.unsupported if p.path and p.path.endswith("stack")] == ["stack.unsupported"]


@pytest.mark.acceptance("ch03-AS06")
def test_what_is_not_built_yet_is_a_warning_that_says_so():
    manifest, _ = read("rest")
    said = {p.code: p.message for p in manifest.unsupported}
    assert said == {
        "kind.unsupported": "type `service` cannot be applied yet",
        "stack.unsupported": "stack `beacon` cannot run yet",
    }


@given(st.sampled_from(sorted(FORMS)), st.data())
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_anywhere_ends_in_problems_or_a_manifest(form, data):
    whole: Any = {"top": copy.deepcopy(FORMS[form][3])}
    path = data.draw(st.sampled_from(list(places(whole))[1:] or [("top",)]))
    inner = whole
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = data.draw(JSON)
    manifest, reading = read(form, whole["top"])
    assert (manifest is None) == bool(reading.problems)
    if manifest is not None:
        block = section(form, whole["top"])[1]
        for secret in manifest.secret_paths:  # they lead to what the document holds
            value: Any = block
            for part in secret:
                value = value[part]


@given(st.sampled_from(sorted(FORMS)), JSON)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_stack_spec_of_any_shape_ends_in_problems_or_a_manifest(form, spec):
    manifest, reading = read(form, spec)
    assert (manifest is None) == bool(reading.problems)
    start = prefix(form)
    assert all((p.path or "").startswith(start) for p in reading.problems)
