"""The YAML form of a dataset (ch06 3.3): what `dataset create` takes and `dataset get` prints. No PyIceberg."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dataos.core.errors import DataOSError, Problem
from dataos.core.names import did_you_mean
from dataos.lakehouse.operations import avro, partitioning
from dataos.lakehouse.operations.partitioning import PartitionField

_PRESET = {"write.metadata.compression-codec": "gzip"}
"""What the reference gives every dataset that it makes."""


@dataclass(frozen=True)
class DatasetForm:
    """A dataset to make. `fields` are those of an Iceberg struct."""

    fields: list[dict[str, Any]]
    partitions: list[PartitionField]
    properties: dict[str, str]


def read(manifest: Any) -> DatasetForm:
    """Raises DataOSError with all problems, each with its path in the manifest (`dataset.manifest`, `.schema`,
    `.partition`)."""
    problems: list[Problem] = []
    body = _mapping(manifest, "", ("schema", "iceberg", "pulsar"), problems)
    if "pulsar" in body:
        problems.append(
            Problem("dataset.manifest", "a Lakehouse keeps tables, not streams", path="pulsar", hint="leave it out")
        )
    fields = _schema(body.get("schema"), problems)
    iceberg = _mapping(body.get("iceberg") or {}, "iceberg", ("specs", "properties"), problems)
    partitions = _specs(iceberg.get("specs"), fields, problems)
    raw = iceberg.get("properties")
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        problems.append(Problem("dataset.manifest", "`properties` is a mapping", path="iceberg.properties"))
        raw = {}
    properties = {str(k): text(v) for k, v in cast("Mapping[Any, Any]", raw).items() if v is not None}
    if problems:
        raise DataOSError(problems)
    return DatasetForm(fields, partitions, {**_PRESET, **properties})


def text(value: Any) -> str:
    """A property's value: YAML's numbers and booleans as Iceberg writes them."""
    return value if isinstance(value, str) else json.dumps(value)


def _mapping(value: Any, path: str, known: tuple[str, ...], problems: list[Problem]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        what = f"`{path}`" if path else "the manifest of a dataset"
        problems.append(Problem("dataset.manifest", f"{what} must be a mapping", path=path or None))
        return {}
    body = cast("Mapping[str, Any]", value)
    for key in body:
        if key not in known:
            where = f"{path}.{key}" if path else str(key)
            problems.append(
                Problem("dataset.manifest", f"unknown key `{key}`", path=where, hint=did_you_mean(str(key), known))
            )
    return body


def _schema(value: Any, problems: list[Problem]) -> list[dict[str, Any]]:
    if value is None:
        problems.append(Problem("dataset.manifest", "`schema` is missing", hint="schema: {type: avro, avro: '{...}'}"))
        return []
    body = _mapping(value, "schema", ("type", "avro"), problems)
    if str(body.get("type", "avro")).lower() != "avro":
        problems.append(
            Problem("dataset.manifest", f"schema type `{body['type']}` is not known", path="schema.type", hint="avro")
        )
    raw = body.get("avro")
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError as error:
            problems.append(Problem("dataset.schema", f"the Avro schema is not JSON: {error}", path="schema.avro"))
            return []
    try:
        return avro.to_fields(raw, "schema.avro")
    except DataOSError as error:
        problems += error.problems
        return []


def _specs(value: Any, fields: list[dict[str, Any]], problems: list[Problem]) -> list[PartitionField]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in cast("list[Any]", value)):
        problems.append(Problem("dataset.manifest", "`specs` is a list of mappings", path="iceberg.specs"))
        return []
    try:
        found = partitioning.read(cast("list[Mapping[str, Any]]", value), "iceberg.specs")
    except DataOSError as error:
        problems += error.problems
        return []
    known = columns(fields)
    for one in found:
        if fields and one.column not in known:
            problems.append(
                Problem(
                    "dataset.partition",
                    f"there is no column `{one.column}` to partition by",
                    path="iceberg.specs",
                    hint=did_you_mean(one.column, known),
                )
            )
    return found


def columns(fields: list[dict[str, Any]], prefix: str = "") -> dict[str, int]:
    """Dotted name -> field id of every column, also those inside structs."""
    found: dict[str, int] = {}
    for field in fields:
        found[prefix + field["name"]] = field["id"]
        kind = field["type"]
        if isinstance(kind, dict) and cast("dict[str, Any]", kind).get("type") == "struct":
            found |= columns(cast("dict[str, Any]", kind)["fields"], f"{prefix}{field['name']}.")
    return found


def write(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The YAML form of a table's metadata JSON; `specs` carry Iceberg's field ids (1000...) as their index."""
    fields = current_fields(metadata)
    names = {number: column for column, number in columns(fields).items()}
    specs: list[dict[str, Any]] = []
    for part in current_spec(metadata):
        if part["transform"] == "void":
            continue
        source: int = (part.get("source-ids") or [part["source-id"]])[0]
        one = PartitionField(names.get(source, f"#{source}"), part["transform"], part["name"])
        specs.append({"index": part["field-id"], **one.to_json()})
    form: dict[str, Any] = {"schema": {"type": "avro", "avro": json.dumps(avro.to_record(fields, name))}}
    form["iceberg"] = {"specs": specs, "properties": dict(metadata.get("properties") or {})}
    return form


def current_fields(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fields of the current schema."""
    current = metadata.get("current-schema-id", 0)
    schemas: list[dict[str, Any]] = metadata.get("schemas") or [metadata["schema"]]
    fields: list[dict[str, Any]] = next(s for s in schemas if s.get("schema-id", 0) == current)["fields"]
    return fields


def current_spec(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fields of the default partition spec."""
    current = metadata.get("default-spec-id", 0)
    specs: list[dict[str, Any]] = metadata.get("partition-specs") or [
        {"spec-id": 0, "fields": metadata.get("partition-spec", [])}
    ]
    fields: list[dict[str, Any]] = next(s for s in specs if s.get("spec-id", 0) == current)["fields"]
    return fields
