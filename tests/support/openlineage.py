"""A checker of OpenLineage run events: what the published schemas (2-0-2 and each facet's own) demand, as JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema

_URI = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:.+"}
_UUID = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_JOB_ID = _object({"namespace": _TEXT, "name": _TEXT})
_FACETS: dict[str, dict[str, Any]] = {
    "run": {
        "parent": _object({"run": _object({"runId": _UUID}), "job": _JOB_ID},
                          root=_object({"run": _object({"runId": _UUID}), "job": _JOB_ID})),
        "nominalTime": _object({"nominalStartTime": _TIME}, nominalEndTime=_TIME),
        "errorMessage": _object({"message": _TEXT, "programmingLanguage": _TEXT}, stackTrace=_TEXT),
    },
    "job": {
        "sql": _object({"query": _TEXT}),
        "documentation": _object({"description": _TEXT}),
        "ownership": _object({"owners": _list(_object({"name": _TEXT}, type=_TEXT))}),
        "jobType": _object({"processingType": {"enum": ["BATCH", "STREAMING", "SERVICE"]}, "integration": _TEXT},
                           jobType=_TEXT),
    },
    "dataset": {
        "schema": _object({"fields": _list(_object({"name": _TEXT}, type={"type": "string"}))}),
        "dataSource": _object({"name": _TEXT, "uri": _URI}),
        "documentation": _object({"description": _TEXT}),
        "symlinks": _object({"identifiers": _list(_object({"namespace": _TEXT, "name": _TEXT, "type": _TEXT}))}),
        "columnLineage": _object({"fields": {"type": "object", "additionalProperties": _object(
            {"inputFields": _list(_object({"namespace": _TEXT, "name": _TEXT, "field": _TEXT}))})}}),
    },
    "input": {
        "inputStatistics": _object({}, rowCount=_COUNT, size=_COUNT, fileCount=_COUNT),
        "dataQualityAssertions": _object({"assertions": _list(
            _object({"assertion": _TEXT, "success": {"type": "boolean"}}, column=_TEXT))}),
    },
    "output": {"outputStatistics": _object({}, rowCount=_COUNT, size=_COUNT, fileCount=_COUNT)},
}  # fmt: skip


def _facets(kind: str) -> dict[str, Any]:
    """An object of facets: each has `_producer` and `_schemaURL`, and what its own schema demands."""
    base = _object({"_producer": _URI, "_schemaURL": _URI})
    return {
        "type": "object",
        "properties": {name: {"allOf": [base, own]} for name, own in _FACETS[kind].items()},
        "additionalProperties": base,
    }


_DATASET = {"facets": _facets("dataset")}
RUN_EVENT = _object(
    {
        "eventTime": _TIME,
        "producer": _URI,
        "schemaURL": {
            "type": "string",
            "pattern": r"^https://openlineage\.io/spec/2-0-2/OpenLineage\.json#/\$defs/RunEvent$",
        },
        "run": _object({"runId": _UUID}, facets=_facets("run")),
        "job": _object({"namespace": _TEXT, "name": _TEXT}, facets=_facets("job")),
    },
    eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
    inputs=_list(_object({"namespace": _TEXT, "name": _TEXT}, **_DATASET, inputFacets=_facets("input"))),
    outputs=_list(_object({"namespace": _TEXT, "name": _TEXT}, **_DATASET, outputFacets=_facets("output"))),
)


def check(event: dict[str, Any]) -> None:
    """Fails with the place of the first fault. A column's lineage names columns of the schema beside it, and inputs of
    the same event (the specification says so in words)."""
    jsonschema.validate(event, RUN_EVENT)
    inputs = {(d["namespace"], d["name"]) for d in event["inputs"]}
    for output in event["outputs"]:
        facets = output.get("facets", {})
        known = {f["name"] for f in facets.get("schema", {}).get("fields", [])}
        for column, value in facets.get("columnLineage", {}).get("fields", {}).items():
            assert column in known, column
            for source in value["inputFields"]:
                assert (source["namespace"], source["name"]) in inputs, source
