"""What is known of a table, read from its metadata's JSON alone: no PyIceberg, so an idle server stays small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from dataos.core.errors import fail
from dataos.core.names import did_you_mean


@dataclass(frozen=True)
class Column:
    """A top-level column. `type` is Iceberg type text: `long`, `decimal(10, 2)`, `struct<a: string>`, `list<int>`."""

    name: str
    type: str
    required: bool
    doc: str
    field_id: int


NamePath = tuple[str, ...]
"""Names from a column down into its parts; `element`, `key` and `value` stand for those of lists and maps."""


@dataclass(frozen=True)
class TableInfo:
    """A table, as of one snapshot. `row_count` and `snapshot_id` are None while it has no snapshot; `row_count` also
    where a writer kept no totals, or files tell of rows that are deleted. `partition_spec` reads `month(ts),
    bucket[16](id)`, empty if unpartitioned."""

    uuid: str
    location: str
    metadata_location: str
    format_version: int
    columns: tuple[Column, ...]
    partition_spec: str
    properties: dict[str, str] = field(default_factory=dict[str, str])
    snapshot_id: int | None = None
    row_count: int | None = None
    updated_ms: int = 0
    past_names: tuple[tuple[NamePath, tuple[NamePath, ...]], ...] = ()
    """For each column or part of one that was called otherwise in another schema: its other names, in lower case."""


def describe(metadata: dict[str, Any], metadata_location: str, snapshot: int | str | None) -> TableInfo:
    """Raises DataOSError `iceberg.not_found.snapshot` for a snapshot id, branch or tag that is not there."""
    chosen = _snapshot(metadata, snapshot)
    schema_id = metadata.get("current-schema-id", 0)
    if snapshot is not None and chosen is not None and chosen.get("schema-id") is not None:
        schema_id = chosen["schema-id"]
    schemas = metadata.get("schemas") or [metadata.get("schema", {"fields": []})]
    schema = next((s for s in schemas if s.get("schema-id", 0) == schema_id), schemas[-1])
    summary = (chosen or {}).get("summary", {})
    total = summary.get("total-records") if str(summary.get("total-delete-files", 0)) == "0" else None
    return TableInfo(
        uuid=metadata["table-uuid"],
        location=metadata["location"],
        metadata_location=metadata_location,
        format_version=metadata["format-version"],
        columns=tuple(
            Column(f["name"], type_text(f["type"]), bool(f["required"]), f.get("doc", ""), f["id"])
            for f in schema["fields"]
        ),
        partition_spec=_spec_text(metadata, schema),
        properties=dict(metadata.get("properties", {})),
        snapshot_id=chosen["snapshot-id"] if chosen else None,
        row_count=int(total) if total is not None and str(total).isdigit() else None,
        updated_ms=metadata.get("last-updated-ms", 0),
        past_names=_past_names(schemas, schema),
    )


def _past_names(
    schemas: list[dict[str, Any]], chosen: dict[str, Any]
) -> tuple[tuple[NamePath, tuple[NamePath, ...]], ...]:
    if len(schemas) < 2:
        return ()
    known: dict[int, set[NamePath]] = {}
    for schema in schemas:
        for id_, path in _ids(schema["fields"], ()):
            known.setdefault(id_, set()).add(path)
    other = {path: tuple(sorted(known[id_] - {path})) for id_, path in _ids(chosen["fields"], ())}
    return tuple((path, names) for path, names in other.items() if names)


def _ids(fields: list[dict[str, Any]], above: NamePath) -> Iterator[tuple[int, NamePath]]:
    for field_ in fields:
        path = (*above, field_["name"].lower())
        yield field_["id"], path
        yield from _inner_ids(field_["type"], path)


def _inner_ids(type_: Any, path: NamePath) -> Iterator[tuple[int, NamePath]]:
    if not isinstance(type_, dict):
        return
    shape = cast("dict[str, Any]", type_)
    if shape["type"] == "struct":
        yield from _ids(shape["fields"], path)
    for part in ("element", "key", "value"):
        if part in shape:
            if f"{part}-id" in shape:  # some writers leave them out
                yield shape[f"{part}-id"], (*path, part)
            yield from _inner_ids(shape[part], (*path, part))


def snapshot_at(metadata: dict[str, Any], timestamp_us: int) -> int:
    """The snapshot that was current at a moment. Raises DataOSError `iceberg.not_found.snapshot` before the first."""
    entries = metadata.get("snapshot-log", [])
    past: list[int] = [e["snapshot-id"] for e in entries if e["timestamp-ms"] * 1000 <= timestamp_us]
    if not past:
        raise fail("iceberg.not_found.snapshot", "the table had no snapshot at that time", hint="list its snapshots")
    return past[-1]


def _snapshot(metadata: dict[str, Any], wanted: int | str | None) -> dict[str, Any] | None:
    snapshots = {s["snapshot-id"]: s for s in metadata.get("snapshots", [])}
    if wanted is None:
        return snapshots.get(metadata.get("current-snapshot-id"))
    refs: dict[str, Any] = metadata.get("refs", {})
    found = snapshots.get(refs[wanted]["snapshot-id"] if isinstance(wanted, str) and wanted in refs else wanted)
    if found is None:
        raise fail(
            "iceberg.not_found.snapshot",
            f"the table has no snapshot, branch or tag `{wanted}`",
            hint=did_you_mean(str(wanted), [*refs, *map(str, snapshots)]) or "list its snapshots",
        )
    return found


def type_text(kind: Any) -> str:
    """Iceberg type JSON -> text."""
    if not isinstance(kind, dict):
        return str(kind)
    match kind.get("type"):
        case "struct":
            return "struct<" + ", ".join(f"{f['name']}: {type_text(f['type'])}" for f in kind["fields"]) + ">"
        case "list":
            return f"list<{type_text(kind['element'])}>"
        case "map":
            return f"map<{type_text(kind['key'])}, {type_text(kind['value'])}>"
        case _:
            return json.dumps(kind)


def _spec_text(metadata: dict[str, Any], schema: dict[str, Any]) -> str:
    specs: list[dict[str, Any]] = metadata.get("partition-specs") or [
        {"spec-id": 0, "fields": metadata.get("partition-spec", [])}
    ]
    spec = next((s for s in specs if s.get("spec-id", 0) == metadata.get("default-spec-id", 0)), specs[-1])
    names = _names(schema)
    parts: list[str] = []
    fields: list[dict[str, Any]] = spec["fields"]
    for part in fields:
        sources: list[int] = part.get("source-ids") or [part["source-id"]]
        source = sources[0]
        name = names.get(source, f"#{source}")
        transform = part["transform"]
        if transform != "void":
            parts.append(name if transform == "identity" else f"{transform}({name})")
    return ", ".join(parts)


def _names(struct: dict[str, Any], prefix: str = "") -> dict[int | None, str]:
    found: dict[int | None, str] = {}
    for part in struct.get("fields", []):
        found[part["id"]] = prefix + part["name"]
        if isinstance(part["type"], dict) and part["type"].get("type") == "struct":
            found |= _names(part["type"], f"{prefix}{part['name']}.")
    return found
