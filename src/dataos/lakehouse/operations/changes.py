"""Plans of changes: a table's metadata in, requirements and updates of the REST protocol out. Nothing is written here.

Each function looks at the metadata that it is given and refuses what must not be; its requirements make sure that the
commit fails if what it looked at has changed meanwhile, and then it is asked again. Loaded late: it imports PyIceberg.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.exceptions import ResolveError, ValidationError
from pyiceberg.partitioning import PartitionField as SpecField
from pyiceberg.partitioning import PartitionSpec, validate_partition_name
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import Transform, parse_transform
from pyiceberg.types import NestedField

from dataos.core.errors import fail
from dataos.core.names import did_you_mean
from dataos.lakehouse.operations import columns
from dataos.lakehouse.operations.partitioning import PartitionField

_NAME_MAPPING = "schema.name-mapping.default"


@dataclass(frozen=True)
class Planned:
    """A commit to make. `result` is what the caller is told; `written` are new files that only this commit names."""

    updates: tuple[Mapping[str, Any], ...] = ()
    requirements: tuple[Mapping[str, Any], ...] = ()
    result: Any = None
    written: tuple[str, ...] = field(default=())


# --- the schema -------------------------------------------------------------------------------------------------------


def add_field(metadata: TableMetadata, name: str, kind: Any) -> Planned:
    """An optional column, or a field of a struct by its dotted name. `kind`: Iceberg type JSON."""
    path = tuple(name.split("."))
    if not all(path):
        raise fail("dataset.field", f"`{name}` is no name of a column", hint="as in `channel`, or `address.city`")
    _refuse_twin(metadata.schema(), name)
    if len(path) > 1:
        _known(metadata.schema(), ".".join(path[:-1]))
    parsed = NestedField.model_validate({"id": 0, "name": "x", "required": False, "type": _numbered(kind)})
    return _evolve(metadata, lambda update: update.add_column(path, parsed.field_type))


def drop_field(metadata: TableMetadata, name: str) -> Planned:
    """A column or a field of a struct goes; its data stays in old snapshots."""
    found = _known(metadata.schema(), name)
    gone = {found.field_id, *_below(found)}
    for spec in metadata.partition_specs:
        used = [f.name for f in spec.fields if f.source_id in gone]
        if used and spec.spec_id == metadata.default_spec_id:
            raise fail(
                "dataset.field",
                f"`{name}` cannot be dropped: the table is partitioned by it ({', '.join(used)})",
                hint="choose another partitioning first: dataos dataset update-partition",
            )
        if used:
            raise fail(
                "dataset.field",
                f"`{name}` cannot be dropped: files of an earlier partitioning ({', '.join(used)}) need it",
                hint="keep the column: without it engines cannot read the partitions of those files",
            )
    order = metadata.sort_order()
    if any(f.source_id in gone for f in order.fields):
        raise fail(
            "dataset.field",
            f"`{name}` cannot be dropped: the table's sort order uses it",
            hint="write the table with another sort order first",
        )
    if len(metadata.schema().fields) == 1 and "." not in name:
        raise fail("dataset.field", f"`{name}` is the table's last column", hint="drop the dataset instead")
    return _evolve(metadata, lambda update: update.delete_column(tuple(name.split("."))))


def rename_field(metadata: TableMetadata, name: str, new_name: str) -> Planned:
    """`new_name` is the last part only: a field stays in its struct."""
    _known(metadata.schema(), name)
    parent, _, last = name.rpartition(".")
    if parent and new_name.startswith(parent + "."):
        new_name = new_name[len(parent) + 1 :]
    if not new_name or "." in new_name:
        raise fail("dataset.field", f"`{new_name}` is no new name for `{name}`", hint="one name, without dots")
    if new_name.lower() != last.lower():
        _refuse_twin(metadata.schema(), f"{parent}.{new_name}" if parent else new_name)
    return _evolve(metadata, lambda update: update.rename_column(tuple(name.split(".")), new_name))


def update_field(metadata: TableMetadata, name: str, kind: Any) -> Planned:
    """A wider type for a primitive column."""
    found = _known(metadata.schema(), name)
    old = str(found.field_type)
    if not found.field_type.is_primitive:
        raise fail(
            "dataset.type", f"`{name}` is {old}: its type cannot change", hint="allowed: none; change its fields"
        )
    if not isinstance(kind, str) or not columns.can_become(old, kind):
        allowed = columns.wider(old)
        wanted = kind if isinstance(kind, str) else kind["type"]
        raise fail(
            "dataset.type",
            f"the type of `{name}` cannot change from {old} to {wanted}: types only become wider",
            hint=f"allowed from {old}: {', '.join(allowed) or 'none'}"
            " (int to long, float to double, decimals to a larger precision)",
        )
    if old == kind:
        return Planned()
    parsed = NestedField.model_validate({"id": 0, "name": "x", "required": False, "type": kind})
    path = tuple(name.split("."))
    return _evolve(metadata, lambda update: update.update_column(path, field_type=parsed.field_type))


def set_nullable(
    metadata: TableMetadata, name: str, nullable: bool, has_nulls: Callable[[TableMetadata, int], str | None]
) -> Planned:
    """`has_nulls` says why it cannot be known that a column holds no nulls, or None. A column becomes required only
    where no row of any branch holds a null in it."""
    found = _known(metadata.schema(), name)
    if found.required is not nullable:
        return Planned()
    path = tuple(name.split("."))
    if nullable:
        if found.field_id in metadata.schema().identifier_field_ids:
            raise fail("dataset.field", f"`{name}` is part of the table's identifier and cannot be null")
        return _evolve(metadata, lambda update: update.make_column_optional(path))
    reason = has_nulls(metadata, found.field_id)
    if reason is not None:
        raise fail(
            "dataset.nullable",
            f"`{name}` cannot become required: {reason}",
            hint="fill the nulls (and expire branches that hold some), then try again",
        )
    planned = _evolve(metadata, lambda update: update.update_column(path, required=True), allow=True)
    # nobody may have written a null in between
    heads = tuple(assert_ref(metadata, name) for name in metadata.refs) or (assert_ref(metadata, "main"),)
    return Planned(planned.updates, (*planned.requirements, *heads))


def document_field(metadata: TableMetadata, name: str, text: str) -> Planned:
    """What a column says of itself; an empty text takes it away."""
    found = _known(metadata.schema(), name)
    if (found.doc or "") == text:
        return Planned()
    return _evolve(metadata, lambda update: update.update_column(tuple(name.split(".")), doc=text))


def _numbered(kind: Any) -> Any:
    """Type JSON with distinct ids inside: PyIceberg's parser wants them, the table replaces them."""
    numbers = iter(range(1, 1 << 20))
    kind = copy.deepcopy(kind)

    def walk(part: Any) -> None:
        if not isinstance(part, dict):
            return
        for key in ("id", "element-id", "key-id", "value-id"):
            if key in part:
                part[key] = next(numbers)
        for inner in ("element", "key", "value", "type"):
            walk(part.get(inner))
        for one in part.get("fields", []):
            walk(one)

    walk(kind)
    return kind


def _evolve(metadata: TableMetadata, change: Callable[[UpdateSchema], Any], allow: bool = False) -> Planned:
    transaction = Table(("dataset",), metadata, "", _NOWHERE, _NOWHERE).transaction()
    try:
        with transaction.update_schema(allow_incompatible_changes=allow) as update:
            change(update)
        changed = transaction.table_metadata
    except (ValueError, ValidationError, ResolveError) as error:
        raise fail("dataset.field", str(error)[:300]) from error
    if changed.schema() == metadata.schema():
        return Planned()
    updates: list[dict[str, Any]] = [
        {"action": "add-schema", "schema": changed.schema().model_dump(mode="json", by_alias=True)},
        {"action": "set-current-schema", "schema-id": -1},
    ]
    mapping = changed.properties.get(_NAME_MAPPING)
    if mapping != metadata.properties.get(_NAME_MAPPING) and mapping is not None:
        updates.append({"action": "set-properties", "updates": {_NAME_MAPPING: mapping}})
    requirements = (
        {"type": "assert-current-schema-id", "current-schema-id": metadata.current_schema_id},
        {"type": "assert-last-assigned-field-id", "last-assigned-field-id": metadata.last_column_id},
    )
    return Planned(tuple(updates), requirements)


_NOWHERE: Any = None
"""In the place of the file access and the catalog that a table has: planning needs neither."""


def _known(schema: Schema, name: str) -> NestedField:
    try:
        return schema.find_field(name)
    except ValueError as error:
        raise fail(
            "dataset.field", f"there is no column `{name}`", hint=did_you_mean(name, schema.column_names)
        ) from error


def _refuse_twin(schema: Schema, name: str) -> None:
    twin = next((known for known in schema.column_names if known.lower() == name.lower()), None)
    if twin is not None:
        raise fail("dataset.field", f"column `{twin}` is there already", hint="names differ by more than letter case")


def _below(found: NestedField) -> set[int]:
    """Ids of everything inside a column."""
    return set(Schema(found).field_ids)


# --- partitions -------------------------------------------------------------------------------------------------------


def update_partition(metadata: TableMetadata, fields: Sequence[PartitionField]) -> Planned:
    """A new spec for what is written from now on; files that are there keep theirs. No fields: unpartitioned."""
    return _set_spec(metadata, partition_json(metadata.schema(), fields))


def partition_json(schema: Schema, fields: Sequence[PartitionField]) -> list[dict[str, Any]]:
    """Fields of a spec as the protocol has them, without ids: the catalog knows those. Raises `dataset.partition`."""
    listed: list[dict[str, Any]] = []
    names: set[str] = set()
    uses: set[tuple[int, str]] = set()
    for one in fields:
        try:
            source = schema.find_field(one.column)
        except ValueError as error:
            raise fail(
                "dataset.partition",
                f"there is no column `{one.column}` to partition by",
                hint=did_you_mean(one.column, schema.column_names),
            ) from error
        transform: Transform[Any, Any] = parse_transform(one.transform)
        if not source.field_type.is_primitive or not transform.can_transform(source.field_type):
            raise fail(
                "dataset.partition",
                f"`{one.column}` is {source.field_type}: it cannot be partitioned by {one.transform}",
                hint="year, month and day take dates and timestamps, hour takes timestamps",
            )
        if (source.field_id, one.transform) in uses or one.name in names:
            raise fail("dataset.partition", f"partition `{one.name}` is there twice", hint="give each its own name")
        try:
            validate_partition_name(one.name, transform, source.field_id, schema, names)
        except ValueError as error:
            raise fail("dataset.partition", str(error), hint="name it otherwise: type:column:name") from error
        uses.add((source.field_id, one.transform))
        names.add(one.name)
        listed.append({"source-id": source.field_id, "transform": one.transform, "name": one.name})
    return listed


def _set_spec(metadata: TableMetadata, fields: list[dict[str, Any]]) -> Planned:
    now = metadata.spec()
    if _same_fields(now.fields, fields):
        return Planned()
    if metadata.format_version == 1:  # its specs only grow: what goes becomes void
        wanted = {(f["source-id"], f["transform"]): f for f in fields}
        kept: list[dict[str, Any]] = []
        for old in now.fields:
            match = wanted.pop((old.source_id, str(old.transform)), None)
            kept.append(match or {"source-id": old.source_id, "transform": "void", "name": old.name})
            kept[-1]["field-id"] = old.field_id
        fields = [*kept, *wanted.values()]
    return Planned(
        ({"action": "add-spec", "spec": {"fields": fields}}, {"action": "set-default-spec", "spec-id": -1}),
        (
            {"type": "assert-default-spec-id", "default-spec-id": metadata.default_spec_id},
            {"type": "assert-current-schema-id", "current-schema-id": metadata.current_schema_id},
            {
                "type": "assert-last-assigned-partition-id",
                "last-assigned-partition-id": metadata.last_partition_id or 999,
            },
        ),
    )


def _same_fields(now: Iterable[SpecField], fields: list[dict[str, Any]]) -> bool:
    return [(f.source_id, str(f.transform), f.name) for f in now] == [
        (f["source-id"], f["transform"], f["name"]) for f in fields
    ]


def spec_for(schema: Schema, fields: Sequence[PartitionField]) -> dict[str, Any]:
    """A new table's spec as the protocol has it."""
    spec = {"fields": [{"field-id": 1000 + i, **f} for i, f in enumerate(partition_json(schema, fields))]}
    PartitionSpec.model_validate(spec)
    return spec


# --- properties -------------------------------------------------------------------------------------------------------


def add_properties(metadata: TableMetadata, properties: Mapping[str, str]) -> Planned:
    """Set some; others stay."""
    new = {k: v for k, v in properties.items() if metadata.properties.get(k) != v}
    return Planned(({"action": "set-properties", "updates": new},)) if new else Planned()


def remove_properties(metadata: TableMetadata, names: Sequence[str]) -> Planned:
    """Unset some. Raises `dataset.property` if one is not there."""
    missing = [name for name in names if name not in metadata.properties]
    if missing:
        raise fail(
            "dataset.property",
            f"the table has no property {', '.join(f'`{m}`' for m in missing)}",
            hint=did_you_mean(missing[0], metadata.properties) or "dataos dataset properties shows them",
        )
    return Planned(({"action": "remove-properties", "removals": list(names)},))


def assert_ref(metadata: TableMetadata, name: str) -> dict[str, Any]:
    """The requirement that a branch or tag stands where it stands now, or is still not there."""
    known = metadata.refs.get(name)
    return {"type": "assert-ref-snapshot-id", "ref": name, "snapshot-id": known.snapshot_id if known else None}
