"""Sample manifests: one for each type and version, right as it stands."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from dataos.cli import develop
from dataos.core.errors import DataOSError
from dataos.manifest import exports, registry
from dataos.manifest.documents import read_manifest
from dataos.manifest.interpolation import interpolate
from dataos.manifest.loader import load_text
from dataos.manifest.specs import Reading

SECRETS = {"OVEN_PASSWORD": "a", "BAKERY_USER": "b", "BAKERY_PASSWORD": "c"}
CASES = [
    (type_, version)
    for type_, kind in registry.KINDS.items()
    for version in kind.versions
    if not kind.versioned_section or version == kind.versions[0]
]


@pytest.mark.acceptance("ch01-AS08")
@pytest.mark.parametrize(("type_", "version"), CASES)
def test_a_sample_is_read_without_a_word_of_complaint(type_, version):
    kind = registry.KINDS[type_]
    text = develop.sample(kind, "my1", version)
    (document,) = load_text(text, "sample.yaml")
    raw = load_text(text, "sample.yaml")[0].data
    assert list(Draft202012Validator(exports.manifest_schema(type_, version, strict=True)).iter_errors(raw)) == []
    assert interpolate(document, SECRETS, "public") == []
    reading = Reading()
    manifest = read_manifest(document.data, reading)
    assert manifest is not None, reading.problems
    assert (manifest.kind.type, manifest.meta.name, manifest.meta.version) == (type_, "my1", version)
    assert [w.message for w in reading.warnings if w.code != "manifest.superseded"] == []


def test_a_sample_keeps_its_own_name_and_version_where_none_is_asked_for():
    text = develop.sample(registry.KINDS["workflow"])
    assert text.startswith("name: bake-daily\nversion: v1\n")


def test_a_version_that_is_not_there_and_a_type_without_a_sample_are_refused():
    with pytest.raises(DataOSError) as caught:
        develop.sample(registry.KINDS["workflow"], version="v7")
    assert "v1, v1beta" in caught.value.problem.hint
    foreign = registry.KindDescriptor("x", instance_level=False, versions=("v1",), spec="json.decoder:JSONDecoder")
    with pytest.raises(DataOSError) as caught:
        develop.sample(foreign)
    assert caught.value.problem.code == "kind.sample"
