"""Exported JSON Schemas of stackSpecs say what the readers say, as far as a schema can."""

from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dataos.manifest import exports, registry
from dataos.manifest.model_schemas import field_docs
from support.mutations import mutations, says_type_word_or_absence
from support.stack_reading import read, section
from support.stack_samples import FORMS


def stack_of(form: str) -> str:
    return FORMS[form][1].split(":")[0].split("+")[0]


@cache
def validator(stack: str, strict: bool = False) -> Draft202012Validator:
    return Draft202012Validator(exports.stack_schema(stack, strict=strict))


@cache
def manifest_validator(type_: str) -> Draft202012Validator:
    return Draft202012Validator(exports.manifest_schema(type_))


def faults(form: str, spec: Any, strict: bool = False) -> list[str]:
    return [f"{e.json_path}: {e.message[:200]}" for e in validator(stack_of(form), strict).iter_errors(spec)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_taken_by_its_schema_and_by_the_schema_of_its_manifest(form):
    assert faults(form, FORMS[form][3]) == faults(form, FORMS[form][3], strict=True) == []
    type_, block = section(form)
    whole = {"name": "w", "version": registry.KINDS[type_].versions[0], "type": type_, type_: block}
    assert list(manifest_validator(type_).iter_errors(whole)) == []


@pytest.mark.parametrize("stack", registry.STACKS)
def test_every_schema_is_one_of_its_draft_and_every_field_says_what_it_is(stack):
    Draft202012Validator.check_schema(exports.stack_schema(stack))
    model = registry.written_model(registry.STACKS[stack].spec)
    if model is None:
        assert stack in ("lakesearch", "dataos-resource")  # no attribute of theirs is described
        return
    assert [f for f in model.model_fields if f not in field_docs(model) and f != "configs"] == []


CONDITIONS = {
    "bento": (),  # the engine's language: envelopes are read, no schema says them
    "scan without a depot": ("type", "source", "sourceConnection", "sourceConnection.config"),  # by type
    "depot scan": ("depot",),
    "product scan": ("type",),
    "user scan": ("type",),
    "indexer": ("worker",),
    "soda": ("inputs.#.checks.#", "inputs.#.options.clusterName"),
    "soda worker": ("inputs.#.checks.#",),
    "dbt": ("profiles.retail", "dbt_packages.packages.#.git", "dbt_project.profile", "dbt_project.name"),
    "command": ("manifest",),
    "batch copy": ("source.options", "sink.options.partition-by.#.bucket-count"),
    "changes": ("source.options.topic.prefix",),
}  # fmt: skip
"""What the readers know and no schema says: conditions between values that stand apart, and free mappings."""


@pytest.mark.parametrize("form", FORMS)
def test_a_schema_refuses_nothing_that_is_read_and_takes_no_wrong_type_word_or_absence(form):
    missed = []
    for path, spec in mutations(FORMS[form][3]):
        manifest, reading = read(form, spec)
        refused_by_schema = bool(faults(form, spec))
        assert manifest is None or not refused_by_schema, (path, faults(form, spec))
        shown = ".".join("#" if isinstance(p, int) else str(p) for p in path)
        refused = manifest is None and says_type_word_or_absence(reading.problems[0])
        known = registry.find_stack(stack_of(form)).name == "bento" or any(
            shown.startswith(place) for place in CONDITIONS.get(form, ())
        )
        if refused and not refused_by_schema and not known:
            missed.append((shown, reading.problems[0].message))
    assert missed == []
