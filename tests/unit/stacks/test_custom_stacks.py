"""Stacks that a document of the same set defines: chosen by name, flavour and version, checked by their schema."""

import json
from typing import Any

import pytest

from dataos.cli.documents import load, ordered
from dataos.manifest.documents import read_manifest
from dataos.manifest.sets import stacks_in
from dataos.manifest.specs import Reading

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["dataset"],
                "properties": {"dataset": {"type": "string"}, "maxPrice": {"type": "number"}},
            },
        },
        "password": {"type": "string"},
    },
}
INPUTS = {"inputs": [{"dataset": "dataos://lakehouse:retail/products", "maxPrice": 9}]}


def stack(version: str = "1.0", schema: Any = None, flavour: str | None = "python", **more: Any) -> dict[str, Any]:
    section = {
        "name": "price-check", "version": version, "reconciler": "stackManager", **({"flavor": flavour} if flavour else {}),
        "image": {"registry": "r", "repository": "retail", "image": "price-check", "tag": "1"},
        "stackSpecValueSchema": {"jsonSchema": json.dumps(SCHEMA if schema is None else schema)},
        "workflowJobConfig": {}, **more,
    }  # fmt: skip
    return {"name": f"price-check-{version[0]}", "version": "v1alpha", "type": "stack", "stack": section}


def workload(reference: str, spec: Any = INPUTS, type_: str = "workflow") -> dict[str, Any]:
    block = {"stack": reference, "compute": "runnable-default", "stackSpec": spec}
    section = {"dag": [{"name": "check", "spec": block}]} if type_ == "workflow" else block
    return {"name": "w", "version": "v1", "type": type_, type_: section}


def read(document: dict[str, Any], *stacks: dict[str, Any]):
    reading = Reading(stacks=stacks_in(stacks))
    return read_manifest(document, reading), reading


def fault(document: dict[str, Any], *stacks: dict[str, Any]) -> tuple[str | None, str, str]:
    manifest, reading = read(document, *stacks)
    assert manifest is None
    (problem,) = reading.problems
    return problem.path, problem.code, f"{problem.message} | {problem.hint}"


@pytest.mark.parametrize(
    "reference", ["price-check+python:1.0", "price-check:1.0", "price-check", "PRICE-CHECK+Python"]
)
def test_a_stack_of_the_same_set_is_known_and_waits(reference):
    manifest, reading = read(workload(reference), stack())
    assert manifest is not None, reading.problems
    assert reading.warnings == []
    (problem,) = manifest.unsupported
    assert problem.code == "stack.unsupported"
    assert problem.message == "stack `price-check+python:1.0` of Stack `price-check-1` cannot run yet"
    runnable = manifest.spec.jobs[0].runnable
    assert (runnable.stack, runnable.stack_flavour, runnable.stack_version) == ("price-check", "python", "1.0")


def test_without_its_document_it_is_unknown_and_the_hint_says_what_is_needed():
    path, code, text = fault(workload("price-check"))
    assert (path, code) == ("workflow.dag[0].spec.stack", "stack.unknown")
    assert "a manifest of type stack in the same files" in text
    assert "`dataos develop stack versions`" in text


def test_the_newest_version_is_taken_where_none_is_named():
    manifest, _ = read(workload("price-check"), stack("2.0"), stack("10.0"), stack("9.1"))
    assert manifest.spec.jobs[0].runnable.stack_version == "10.0"
    _, code, text = fault(workload("price-check:3.0"), stack("2.0"), stack("10.0"))
    assert code == "stack.version"
    assert "price-check+python:10.0 or price-check+python:2.0" in text


def test_a_flavour_must_be_named_where_there_are_several():
    both = (stack(), stack(flavour="rust"))
    assert "several flavours" in fault(workload("price-check"), *both)[2]
    assert read(workload("price-check+rust"), *both)[0] is not None
    assert "no flavour `go`" in fault(workload("price-check+go"), *both)[2]


SPECS = [
    ({}, "stackSpec", "required here: `inputs`"),
    ({"inputs": [{}]}, "stackSpec.inputs[0]", "required here: `dataset`"),
    ({"inputs": [{"dataset": 5}]}, "stackSpec.inputs[0].dataset", "expected string, found a number"),
    ({**INPUTS, "input": 1}, "stackSpec", "unknown key `input`: did you mean `inputs`?"),
]


@pytest.mark.parametrize(("spec", "place", "words"), SPECS)
def test_a_stack_spec_that_breaks_the_schema_names_place_and_rule(spec, place, words):
    path, code, text = fault(workload("price-check", spec), stack())
    assert (path, code) == (f"workflow.dag[0].spec.{place}", "stack.spec")
    assert words in text
    assert "the schema of Stack `price-check-1` says" in text


def test_all_faults_come_at_once_and_values_are_not_shown():
    spec = {"inputs": [{"maxPrice": "s3cret"}], "password": 12345}
    _, reading = read(workload("price-check", spec), stack())
    assert len(reading.problems) == 3
    assert "s3cret" not in str(reading.problems) and "12345" not in str(reading.problems)


def test_only_hosts_that_it_configures():
    path, code, text = fault(workload("price-check", type_="worker"), stack())
    assert (path, code) == ("worker.stack", "stack.host")
    assert "stack price-check has no workerConfig" in text
    manifest, _ = read(workload("price-check", type_="worker"), stack(workerConfig={}))
    assert manifest is not None


def test_credentials_of_a_custom_stack_are_sealed():
    manifest, reading = read(workload("price-check", {**INPUTS, "password": "canary"}), stack())
    assert [p[-1] for p in manifest.secret_paths] == ["password"]
    assert any("in clear" in w.message for w in reading.warnings)


@pytest.mark.parametrize("schema", [True, {}])
def test_a_schema_that_allows_all_takes_all(schema):
    assert read(workload("price-check", {"any": 1}), stack(schema=schema))[0] is not None


def test_a_schema_that_allows_nothing_takes_nothing():
    assert fault(workload("price-check", {"any": 1}), stack(schema=False))[1] == "stack.spec"


def test_a_schema_fetches_nothing():
    far = {"properties": {"inputs": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    manifest, reading = read(workload("price-check"), stack(schema=far))
    assert manifest is not None
    assert any("cannot be used" in w.message for w in reading.warnings)


def test_a_stack_with_faults_of_its_own_is_known_nevertheless():
    broken = stack(reconciler="nobody")
    manifest, reading = read(workload("price-check", {"x": 1}), broken)
    assert manifest is not None, reading.problems


def test_what_is_installed_is_not_defined_anew():
    flare = stack()
    flare["stack"]["name"] = "container"
    manifest, reading = read(workload("container"), flare)
    assert manifest is None
    assert any("`image` is required" in p.message for p in reading.problems)


def test_a_bundle_knows_the_stacks_that_it_holds():
    items = [{"id": "s", "spec": stack()}, {"id": "w", "workspace": "public", "spec": workload("price-check")}]
    bundle = {"name": "b", "version": "v1beta", "type": "bundle", "bundle": {"resources": items}}
    manifest, reading = read(bundle)
    assert manifest is not None, reading.problems
    alone = {**bundle, "bundle": {"resources": items[1:]}}
    assert fault(alone)[1] == "stack.unknown"
    assert read(alone, stack())[0] is not None


def test_a_workload_refers_to_its_stack_and_comes_after_it_when_files_are_ordered(tmp_path):
    manifest, _ = read(workload("price-check"), stack())
    assert [str(r.target) for r in manifest.references] == ["stack:price-check-1"]
    (tmp_path / "a.yaml").write_text(json.dumps(workload("price-check")))
    (tmp_path / "b.yaml").write_text(json.dumps(stack()))
    loaded = load([tmp_path], False, None, False)
    assert [d.data["type"] for d in ordered(loaded.documents)] == ["stack", "workflow"]
    assert read_manifest(loaded.documents[0].data, loaded.reading()) is not None
