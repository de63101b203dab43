"""Run events of OpenLineage (spec 2-0-2), made of plain values. Pure: knows neither store nor clock.

A dataset `dataos://lake:retail/orders` has the namespace `dataos://lake` and the name `retail/orders`, so that both
make the address again. Facets follow their own published schemas; their versions are in `_FACETS`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import dataos
from dataos.core.addresses import Udl
from dataos.core.clock import rfc3339

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = f"urn:dataos:server:{dataos.__version__}"
START, RUNNING, COMPLETE, FAIL, ABORT = "START", "RUNNING", "COMPLETE", "FAIL", "ABORT"
TYPES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
ENDS = (COMPLETE, FAIL, ABORT)

_IDS = uuid.UUID("6f1f4a0e-5b52-5c1e-9c5e-6d1a3b0f2d41")
_FACETS = {
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "dataSource": ("1-0-1", "DatasourceDatasetFacet"),
    "documentation": ("1-0-1", "DocumentationJobFacet"),
    "datasetDocumentation": ("1-0-1", "DocumentationDatasetFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "jobType": ("2-0-3", "JobTypeJobFacet"),
    "nominalTime": ("1-0-1", "NominalTimeRunFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "inputStatistics": ("1-0-0", "InputStatisticsInputDatasetFacet"),
    "ownership": ("1-0-1", "OwnershipJobFacet"),
    "parent": ("1-0-1", "ParentRunFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "schema": ("1-1-1", "SchemaDatasetFacet"),
    "sql": ("1-0-1", "SQLJobFacet"),
    "symlinks": ("1-0-1", "SymlinksDatasetFacet"),
    "dataQualityAssertions": ("1-0-1", "DataQualityAssertionsDatasetFacet"),
}


def run_uuid(own_id: str) -> str:
    """The UUID of a run or attempt of ours."""
    return str(uuid.uuid5(_IDS, own_id))


def facet(name: str, /, **values: Any) -> dict[str, Any]:
    """One facet with its producer and schema."""
    version, definition = _FACETS[name]
    url = f"https://openlineage.io/spec/facets/{version}/{definition}.json#/$defs/{definition}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def event(
    type_: str,
    at_us: int,
    run: Mapping[str, Any],
    job: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]] = (),
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A run event."""
    return {
        "eventType": type_,
        "eventTime": rfc3339(at_us),
        "run": dict(run),
        "job": dict(job),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }


def dataset_id(address: str) -> dict[str, str]:
    """Namespace and name of an address."""
    udl = Udl.parse(address)
    tail = address.partition("://")[2].partition(":")[2]
    return {"namespace": f"dataos://{udl.depot}", "name": tail or udl.depot}


def parent(namespace: str, name: str, own_id: str, root: tuple[str, str] | None = None) -> dict[str, Any]:
    """The facet that names the run of which this one is a part; `root`: name and id of the outermost one."""
    found = facet("parent", run={"runId": run_uuid(own_id)}, job={"namespace": namespace, "name": name})
    if root is not None:
        found["root"] = {"run": {"runId": run_uuid(root[1])}, "job": {"namespace": namespace, "name": root[0]}}
    return found


def schema(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of a dataset: {name, type, description?} each."""
    fields = [
        {"name": c["name"], "type": c["type"], **({"description": c["description"]} if c.get("description") else {})}
        for c in columns
    ]
    return facet("schema", fields=fields)


def column_lineage(edges: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, Any]:
    """Output column -> (address, column) of what it is made of."""
    fields: dict[str, Any] = {}
    for column, sources in edges.items():
        fields[column] = {"inputFields": [{**dataset_id(address), "field": name} for address, name in sources]}
    return facet("columnLineage", fields=fields)
