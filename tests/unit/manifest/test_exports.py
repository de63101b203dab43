"""Exported JSON Schemas say what the readers say: all forms are taken, what the readers refuse is refused."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dataos.core.errors import DataOSError
from dataos.manifest import depot_types, exports, registry
from dataos.manifest.documents import Meta, read_manifest
from dataos.manifest.model_schemas import field_docs
from dataos.manifest.specs import Reading, Spec
from support.asset_samples import FORMS, LOCATIONS, OLD_PRODUCT, PRODUCT
from support.kind_samples import SAMPLES
from support.mutations import mutations, says_type_word_or_absence

ALL = {**SAMPLES, **FORMS}


@cache
def validator(type_: str | None, version: str | None = None, strict: bool = False) -> Draft202012Validator:
    schema = exports.manifest_schema(type_, version, strict=strict)
    return Draft202012Validator(schema)


def faults(document: Any, type_: str | None, strict: bool = False) -> list[str]:
    return [
        f"{error.json_path}: {error.message[:200]}" for error in validator(type_, None, strict).iter_errors(document)
    ]


def document(type_: str, section: Any, **more: Any) -> dict[str, Any]:
    return {"name": "wool1", "version": registry.KINDS[type_].versions[0], "type": type_, type_: section, **more}


def deepest(schema: Draft202012Validator, manifest: Any) -> tuple[str, str]:
    """Place and text of the error that an editor shows: the innermost one."""
    errors, found = list(schema.iter_errors(manifest)), []
    while errors:
        error = errors.pop()
        found.append(error)
        errors += error.context or ()
    chosen = max(found, key=lambda e: (len(e.absolute_path), "required" in e.message))
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in chosen.absolute_path), chosen.message


NIGHTLY = """
name: load-${REGION}-parcels
version: v1
type: workflow
tags:
- parcels
description: parcels of the night
workspace: depot-north
workflow:
  schedule:
    cron: '15 3 * * *'
    concurrencyPolicy: Forbid
    endOn: '2031-06-30T00:00:00Z'
  dag:
    - name: copy-parcels
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            logLevel: ${LEVEL}
            inputs:
              - {name: parcels, dataset: 'dataos://parceldb:public/parcels'}
            outputs:
              - {name: clean, dataset: 'dataos://lakehouse:north/parcels?acl=rw', format: iceberg}
            steps:
              - sequence:
                  - {name: clean, sql: SELECT * FROM parcels WHERE id IS NOT NULL}
"""


@pytest.mark.acceptance("ch01-AS08")
def test_a_scheduled_workflow_with_variables_is_taken_and_a_job_without_a_stack_is_not():
    manifest = yaml.safe_load(NIGHTLY)
    schema = validator("workflow", "v1")
    assert list(schema.iter_errors(manifest)) == []
    assert faults(manifest, None) == faults(manifest, "workflow", strict=True) == []
    without = copy.deepcopy(manifest)
    del without["workflow"]["dag"][0]["spec"]["stack"]
    assert deepest(schema, without) == ("$.workflow.dag[0].spec", "'stack' is a required property")
    inner = copy.deepcopy(manifest)
    inner["workflow"]["dag"][0]["spec"]["stackSpec"]["job"]["inputs"] = [{"dataset": "dataos://a:b/c"}]
    place = "$.workflow.dag[0].spec.stackSpec.job.inputs[0]"
    assert deepest(schema, inner) == (place, "'name' is a required property")
    assert list(schema.iter_errors({**manifest, "version": "v2"}))


@pytest.mark.parametrize("form", ALL)
def test_every_form_that_is_read_is_taken(form):
    type_, section = ALL[form]
    assert faults(document(type_, section), type_) == []
    assert faults(document(type_, section), None) == []


@pytest.mark.parametrize("form", ALL)
def test_what_is_read_without_a_notice_is_taken_by_the_strict_schema(form):
    type_, section = ALL[form]
    reading = Reading()
    manifest = read_manifest(document(type_, section), reading)
    assert manifest is not None
    spelling = [w for w in reading.warnings if w.code in ("manifest.variant", "manifest.unknown_key")]
    if not spelling:
        assert faults(document(type_, section), type_, strict=True) == []


def test_the_strict_schema_refuses_old_spellings_and_unknown_keys_the_open_one_marks_them():
    section = {"type": "key-value", "acl": "r", "values": {"a": "b"}}
    assert faults(document("secret", section), "secret") == []
    assert faults(document("secret", section), "secret", strict=True)
    old = exports.manifest_schema("secret")["$defs"]["kinds.secret.SecretSpec"]["properties"]["values"]
    assert old["deprecated"] is True
    assert "`data`" in old["deprecationMessage"]
    more = {**document("volume", SAMPLES["volume"][1]), "colour": "red"}
    assert faults(more, "volume") == []
    assert faults(more, "volume", strict=True)
    assert faults({**document("workflow", {}), "version": "v1beta1"}, "workflow", strict=True)


@pytest.mark.parametrize("product", [("v1beta", PRODUCT), ("v1alpha", OLD_PRODUCT)])
def test_products_are_taken_below_their_version(product):
    version, data = product
    whole = {"name": "yarn", "version": version, "type": "data", "entity": "product", version: {"data": data}}
    assert faults(whole, "data") == faults(whole, None) == []
    whole[version]["data"] = {**data, "inputs": [{"refType": "dataos"}]}
    assert faults(whole, "data")


# --- what the readers refuse ------------------------------------------------------------------------------------------

CONDITIONS = {
    "service": {"servicePort", "stackSpec"},  # needed by an ingress; needed by most stacks
    "worker": {"stackSpec", "stackSpec.input", "stackSpec.output", "stackSpec.input.generate",
               "stackSpec.input.generate.mapping", "stackSpec.output.drop"},  # the engine's language
    "compute": {"nodePool.tolerations.#.value"},  # needed by an operator
    "operator": {"resources.#.natsApi"},  # or shared
    "stack": {"image", "workflowJobConfig", "workflowJobConfig.resourceTemplateConfig"},
    "cluster": {"themis.spark.driver.memory", "themis.spark.executor.memory", "themis.spark.sparkConf",
                "themis.spark.sparkConf.spark.ui.port"},
    "lakehouse": {"iceberg.queryEngine.themis.spark.driver.memory", "iceberg.queryEngine.themis.spark.executor.memory",
                  "iceberg.storage.secrets", "iceberg.storage.secrets.#"},  # they may stand in the storage's own block
    "bundle": {f"resources.#.dependencyConditions.#.{k}" for k in (
        "status", "status.is", "status.is.#", "runtime", "runtime.contains", "runtime.contains.#")},
    "depot": {"jdbc.database", "jdbc.host", "jdbc.port", "postgresql.params.sslmode", "opensearch.nodes.#", "kafka.brokers.#",
              "connectionSecret.#.data", "connectionSecret.#.values", "connectionSecrets.#.data",
              "connectionSecret.data", "secrets.#.data"},  # keys may stand beside them
    "policy": {"access.collection", "access.objects.paths.#", "data.selector.column", "data.selector.column.tags",
               "data.selector.column.tags.#", "data.mask.hash.algo"},
    "grant": {"subjects.#", "values", "values.table-read.#", "values.table-read.#.catalog",
              "values.table-read.#.schema", "values.cluster-use", "values.cluster-use.cluster"},
    "monitor": {"equation.leftExpression.query", "equation.leftExpression.query.cluster",
                "equation.leftExpression.query.ql", "report.conditions"},
    "lens": {"api.autoScaling.maxReplicas"},
}  # fmt: skip
"""What the readers know and no schema says: conditions between values that stand apart, and free mappings."""


@pytest.mark.parametrize("form", ALL)
def test_a_schema_refuses_nothing_that_is_read_and_takes_no_wrong_type_word_or_absence(form):
    type_, section = ALL[form]
    missed = []
    for path, section_ in mutations(section):
        reading = Reading()
        read = read_manifest(document(type_, section_), reading) is not None
        found = not validator(type_).is_valid(document(type_, section_))
        assert not (read and found), (path, faults(document(type_, section_), type_))
        shown = ".".join("#" if isinstance(p, int) else str(p) for p in path)
        refused = not read and says_type_word_or_absence(reading.problems[0])
        if refused and not found and shown not in CONDITIONS.get(type_, ()):
            missed.append((shown, reading.problems[0].message))
    assert missed == []


@pytest.mark.parametrize("type_", LOCATIONS)
def test_depot_types_have_a_schema_of_their_location(type_):
    schema = Draft202012Validator(exports.depot_schema(type_))
    assert list(schema.iter_errors(LOCATIONS[type_])) == []
    assert list(schema.iter_errors([]))


# --- words, descriptions, refusals ------------------------------------------------------------------------------------


def test_words_are_offered_and_taken_in_any_case_and_variables_in_any_place():
    size = exports.manifest_schema("volume", "v1beta")["$defs"]["kinds.volume.VolumeSection"]["properties"]
    assert size["accessMode"]["anyOf"][0] == {"enum": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]}
    for mode in ("readwriteonce", "ReadWriteOnce", "$MODE", "${MODE}"):
        assert faults(document("volume", {"size": "1Gi", "accessMode": mode, "type": "temp"}), "volume") == [], mode
    service = {**SAMPLES["service"][1], "servicePort": "$PORT", "replicas": "2"}
    assert faults(document("service", service), "service") == []
    assert faults(document("service", {**service, "servicePort": "many"}), "service")
    assert faults(document("service", {**service, "servicePort": 70000}), "service")


def test_every_field_of_a_manifest_says_what_it_is():
    """Of the meta section, the sections and locations themselves; parts below them may speak for themselves."""
    models: list[type[Spec]] = [Meta]
    models += [registry.written_model(k.spec) for k in registry.KINDS.values()]
    models += [registry.written_model(d.spec) for d in depot_types.DEPOT_TYPES.values()]
    silent = [
        f"{model.__name__}.{field}"
        for model in models
        for field in model.model_fields
        if field not in field_docs(model)
    ]
    assert silent == []


@pytest.mark.parametrize("type_", [k for k in registry.KINDS if k != "bundle"])  # a bundle holds all the others
def test_a_schema_is_one_of_its_draft(type_):
    Draft202012Validator.check_schema(exports.manifest_schema(type_))


def test_definitions_are_complete():
    schema = exports.manifest_schema()
    text = json.dumps(schema)
    for mark in ("x-words", "x-also", "x-lone", "x-stacks", "x-null", "x-manifest"):
        assert mark not in text
    for part in text.split('"$ref": "#/$defs/')[1:]:
        assert part.split('"')[0] in schema["$defs"]


@pytest.mark.parametrize(
    ("ask", "code", "hint"),
    [
        (lambda: exports.manifest_schema("workfow"), "kind.unknown", "workflow"),
        (lambda: exports.manifest_schema("workflow", "v9"), "kind.version", "v1, v1beta"),
        (lambda: exports.depot_schema("S4"), "depot.type", "S3"),
        (lambda: exports.stack_schema("flair:1"), "stack.unknown", "flare"),
    ],
)
def test_what_has_no_schema_is_refused_with_near_names(ask, code, hint):
    with pytest.raises(DataOSError) as caught:
        ask()
    assert caught.value.problem.code == code
    assert hint in caught.value.problem.hint


def test_schemas_speak_to_users_and_name_no_place_of_a_specification():
    for name in registry.KINDS:
        assert "(ch0" not in json.dumps(exports.manifest_schema(name)), name
    for name in registry.STACKS:
        assert "(ch0" not in json.dumps(exports.stack_schema(name)), name
