"""Format versions of tables: what each asks of metadata and of snapshots, and the way from one to the next.

PyIceberg knows the metadata of version 3 but neither writes it, nor upgrades to it, nor checks what a snapshot of it
names; that is done here. Source: Iceberg table specification, version 3, "Row Lineage" and "Deletion Vectors".
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import fastavro
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.metadata import TableMetadata, TableMetadataV3
from pyiceberg.table.snapshots import MetadataLogEntry, Snapshot
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    UpgradeFormatVersionUpdate,
    update_table_metadata,
)
from pyiceberg.typedef import IcebergBaseModel

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse.files import Files, contains

NEWEST = 3
_NO_TYPE_YET = ("variant",)
_DATA, _POSITION_DELETES = 0, 1
_DELETED = 2


def to_json(metadata: TableMetadata) -> bytes:
    """A metadata file's content."""
    if isinstance(metadata, TableMetadataV3):  # its own method refuses
        return IcebergBaseModel.model_dump_json(metadata, exclude_none=True, by_alias=True).encode()
    return metadata.model_dump_json().encode()


def begin_rows(metadata: TableMetadata) -> TableMetadata:
    """New metadata, with the number of its first row if its version numbers rows."""
    if metadata.format_version < 3 or metadata.next_row_id is not None:  # type: ignore[union-attr] - version 3 has it
        return metadata
    return metadata.model_copy(update={"next_row_id": 0})


def apply(base: TableMetadata, updates: Sequence[Any], location: str | None, *, whole: bool) -> TableMetadata:
    """Metadata after the updates, upgrades to version 3 among them. `whole`: of a new table, which is validated.

    Raises what PyIceberg raises, and CommitFailedException for a snapshot whose numbers another commit has taken.
    """
    # whatever stands before it in a commit: PyIceberg takes updates of whole metadata only
    upgrades = [u for u in updates if isinstance(u, UpgradeFormatVersionUpdate) and u.format_version == NEWEST]
    updates = [u for u in updates if u not in upgrades]
    if upgrades and base.format_version < NEWEST:
        fields: dict[str, Any] = {**dict(base), "format_version": NEWEST, "next_row_id": 0}
        base = TableMetadataV3.model_construct(None, **fields)
        if not updates and location is not None:
            logged = MetadataLogEntry.model_validate({"metadata-file": location, "timestamp-ms": base.last_updated_ms})
            now = max(int(time.time() * 1000), base.last_updated_ms + 1)
            return base.model_copy(update={"metadata_log": [*base.metadata_log, logged], "last_updated_ms": now})
    return update_table_metadata(base, tuple(updates), enforce_validation=whole, metadata_location=location)


def check_snapshots(updates: Iterable[Any], base: TableMetadata) -> None:
    """Sequence and row numbers of new snapshots lie above those that the table has given out.

    Raises CommitFailedException where another commit took them, ValueError where version 3 misses some.
    """
    asked = [u.format_version for u in updates if isinstance(u, UpgradeFormatVersionUpdate)]
    version = max([base.format_version, *asked])
    last = getattr(base, "last_sequence_number", 0)
    for update in updates:
        if not isinstance(update, AddSnapshotUpdate):
            continue
        snapshot = update.snapshot
        number = snapshot.sequence_number
        if base.format_version >= 2 and number is not None and number <= last:
            raise CommitFailedException(
                f"sequence number {number} is not above the table's {last}: another commit was first"
            )
        if version >= 3:
            if snapshot.first_row_id is None or snapshot.added_rows is None:
                raise ValueError(
                    "a snapshot of a table of version 3 needs `first-row-id` and `added-rows`: this client does not "
                    "number rows"
                )
            if snapshot.added_rows < 0:
                raise ValueError(f"added-rows is {snapshot.added_rows}")
            behind = getattr(base, "next_row_id", None) or 0
            if snapshot.first_row_id < behind:
                raise CommitFailedException(
                    f"first-row-id {snapshot.first_row_id} is below the table's next-row-id {behind}: "
                    "another commit was first"
                )


def check_rows(files: Files, location: str, snapshot: Snapshot, known: set[str]) -> None:
    """What version 3 asks of the files that a snapshot names: each manifest of data has its row numbers, new ones lie
    in what the snapshot claims, and a deletion vector says where it is and of which file.

    `known`: manifests that were checked before. Raises DataOSError `iceberg.invalid`.
    """
    first, rows = snapshot.first_row_id or 0, snapshot.added_rows or 0
    taken: list[tuple[int, int]] = []
    for manifest in _records(files, snapshot.manifest_list):
        path = str(manifest["manifest_path"])
        if manifest.get("content") == _DATA:
            start = manifest.get("first_row_id")
            if start is None:
                raise _invalid(f"{path} holds data and has no first_row_id")
            count = int(manifest["added_rows_count"]) + int(manifest["existing_rows_count"])
            if path not in known and start >= first:
                taken.append((start, count))
        elif path not in known:
            _check_vectors(files, location, path)
    reach = first
    for start, count in sorted(taken):
        if start < reach:
            raise _invalid(f"rows from {start} on are numbered twice")
        reach = start + count
    if reach > first + rows:
        raise _invalid(f"rows are numbered up to {reach}, and the snapshot claims {first} to {first + rows}")


def _check_vectors(files: Files, location: str, manifest: str) -> None:
    for entry in _records(files, manifest):
        file: dict[str, Any] = entry["data_file"]
        if entry["status"] == _DELETED or str(file["file_format"]).upper() != "PUFFIN":
            continue
        path, target = str(file["file_path"]), file.get("referenced_data_file")
        if file.get("content") != _POSITION_DELETES or file.get("content_offset") is None or not target:
            raise _invalid(f"{path} is no deletion vector of one data file")
        if not contains(location, str(target)):
            raise _invalid(f"{path} deletes rows of {target}, which does not lie in {location}")


def _records(files: Files, location: str) -> list[dict[str, Any]]:
    try:
        return [cast("dict[str, Any]", r) for r in fastavro.reader(io.BytesIO(files.read(location)))]
    except DataOSError:
        raise
    except Exception as error:
        raise _invalid(f"{location} cannot be read: {type(error).__name__}: {str(error)[:200]}") from error


def _invalid(why: str) -> DataOSError:
    return fail("iceberg.invalid", why, hint="is the client one that writes tables of format version 3?")


def check_types(schema: Mapping[str, Any]) -> None:
    """Raises DataOSError `iceberg.unsupported` for types of version 3 that this catalog cannot read yet."""
    found = sorted(set(_types(schema)) & set(_NO_TYPE_YET))
    if found:
        raise fail(
            "iceberg.unsupported",
            f"columns of type {', '.join(found)} are not supported",
            hint="keep such values as JSON text (`string`)",
        )


def _types(schema: Any) -> Iterable[str]:
    if isinstance(schema, str):
        yield schema.lower()
    elif isinstance(schema, Mapping):
        known = cast("Mapping[str, Any]", schema)
        for field in known.get("fields", ()):
            yield from _types(field.get("type"))
        for key in ("element", "key", "value"):
            yield from _types(known.get(key))


def refuse_rewriting(metadata: TableMetadata, what: str) -> None:
    """Raises DataOSError `iceberg.unsupported` where manifests would have to be written that number rows."""
    if metadata.format_version >= 3:
        raise fail(
            "iceberg.unsupported",
            f"{what}: the table has format version {metadata.format_version}, whose rows are numbered, and this is "
            "done here for versions 1 and 2 only",
            hint="let an engine do it that keeps the numbers: Apache Spark's procedures (`CALL system...`)",
        )
