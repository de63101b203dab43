"""Whatever a section holds, reading it ends in a manifest or in problems; and what a model allows is accepted."""

import copy
import typing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataos.kinds.compute.spec import ComputeSection
from dataos.kinds.service.spec import ServiceSection
from dataos.kinds.volume.spec import VolumeSection
from dataos.kinds.worker.spec import WorkerSection
from dataos.manifest.engines import Minerva, Nats, Themis
from dataos.manifest.specs import Reading, Spec, read_model
from support.kind_reading import read
from support.kind_samples import SAMPLES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FORMS = sorted(SAMPLES)


def places(value: Any, path: tuple = ()):
    """Every place inside a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@given(st.sampled_from(FORMS), st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_anywhere_ends_in_problems_or_a_manifest(form, data):
    type_, section = SAMPLES[form]
    whole: Any = {"top": copy.deepcopy(section)}
    path = data.draw(st.sampled_from(list(places(whole))[1:]))
    inner = whole
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = data.draw(JSON)
    manifest, reading = read(type_, whole["top"])
    assert (manifest is None) == bool(reading.problems)
    if manifest is not None:
        for secret in manifest.secret_paths:  # they lead to what the document holds
            value = whole["top"]
            for part in secret:
                value = value[part]


@given(st.sampled_from(FORMS), JSON)
@settings(max_examples=200, deadline=None)
def test_a_section_of_any_shape_ends_in_problems_or_a_manifest(form, section):
    manifest, reading = read(SAMPLES[form][0], section)
    assert (manifest is None) == bool(reading.problems)


def shapes(annotation: Any, metadata: tuple = ()) -> st.SearchStrategy:
    """Values in the JSON shape of a field."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return documents(annotation)
    if origin is typing.Annotated:
        return shapes(arguments[0], (*metadata, *arguments[1:]))
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        bounds = {k: getattr(m, k) for m in flat(metadata) for k in ("ge", "le") if getattr(m, k, None) is not None}
        return st.integers(bounds.get("ge", 0), bounds.get("le", 99))
    if annotation is str:
        return st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=9)
    if annotation is type(None):
        return st.none()
    if annotation is Any:
        return st.none()
    if origin is tuple:
        return st.lists(shapes(arguments[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(st.from_regex("[A-Z]{1,6}", fullmatch=True), shapes(arguments[1]), max_size=2)
    return st.one_of([shapes(a, metadata) for a in arguments])


def flat(metadata: tuple):
    for item in metadata:
        yield from item.metadata if hasattr(item, "metadata") else (item,)


def documents(model: type[Spec]) -> st.SearchStrategy[dict]:
    """Sections in the JSON shape of a model: optional keys come and go."""
    needed, optional = {}, {}
    for info in model.model_fields.values():
        kept = needed if info.is_required() else optional
        kept[info.alias] = shapes(info.annotation, tuple(info.metadata))
    return st.fixed_dictionaries(needed, optional=optional)


@pytest.mark.parametrize(
    "model",
    [ServiceSection, WorkerSection, VolumeSection, ComputeSection, Minerva, Themis, Nats],
    ids=lambda m: m.__name__,
)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_has_the_shape_of_a_model_is_read_by_it_and_reads_the_same_again(model, data):
    document = data.draw(documents(model))
    reading = Reading()
    found = read_model(model, document, reading, ())
    assert found is not None, (document, reading.problems)
    assert reading.warnings == []
    again = read_model(model, found.model_dump(mode="json", by_alias=True), Reading(), ())
    assert again == found
