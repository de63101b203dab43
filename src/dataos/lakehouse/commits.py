"""What a commit makes of a table's metadata, by PyIceberg's models: requirements, updates, schema and spec ids.

All functions block (files) and run in worker threads. They write new metadata files and never move a pointer.
Loaded at first use only: it imports PyIceberg.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pyiceberg import exceptions
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil, TableMetadataV1, new_table_metadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    SetSnapshotRefUpdate,
    SetStatisticsUpdate,
    TableRequirement,
    TableUpdate,
    update_table_metadata,
)

from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId
from dataos.lakehouse import formats, manifests
from dataos.lakehouse.files import Files, below, contains, in_bucket, plain
from dataos.lakehouse.operations import replacing
from dataos.lakehouse.updates import normalise
from dataos.lakehouse.views import CommitRequest, CreateRequest, Pointer

ATTEMPT_PROPERTY = "dataos.attempt-id"
_WRITE_PATHS = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")
_requirements: TypeAdapter[list[Any]] = TypeAdapter(list[TableRequirement])
_updates: TypeAdapter[list[Any]] = TypeAdapter(list[TableUpdate])


@dataclass(frozen=True)
class Staged:
    """A new metadata file that no pointer names yet."""

    pointer: Pointer
    metadata: bytes
    appends_only: bool


class Commits:
    """Makes new metadata from old. Keeps parsed metadata of recent tables: it never changes under its location."""

    def __init__(self, files: Files, new_uuid: Callable[[], str]) -> None:
        self._files = files
        self._new_uuid = new_uuid
        self._parsed: OrderedDict[str, TableMetadata] = OrderedDict()
        self._lock = Lock()

    def load(self, metadata_location: str) -> TableMetadata:
        """Parsed metadata; shared, so never to be changed. Raises DataOSError `iceberg.corrupt`."""
        with self._lock:
            found = self._parsed.get(metadata_location)
            if found is not None:
                self._parsed.move_to_end(metadata_location)
                return found
        content = self._files.read(metadata_location)
        try:
            metadata = TableMetadataUtil.parse_raw(content.decode())
        except (exceptions.ValidationError, ValueError) as error:
            raise fail(
                "iceberg.corrupt",
                f"table metadata {metadata_location} cannot be understood: {str(error)[:300]}",
                hint="restore the file from a backup, or register the table anew from an older metadata file",
            ) from error
        self._keep(metadata_location, metadata)
        return metadata

    def _keep(self, metadata_location: str, metadata: TableMetadata) -> None:
        with self._lock:
            self._parsed[metadata_location] = metadata
            while len(self._parsed) > 64:
                self._parsed.popitem(last=False)

    # --- creating ---------------------------------------------------------------------------------------------------

    def create(self, request: CreateRequest, location: str, *, write: bool) -> Staged:
        """Fresh metadata for a table at `location`; with `write` False nothing is written but the folders."""
        _check_properties(request.properties, location)
        with _Refusals(f"create table {request.ref}"):
            formats.check_types(request.schema)
            schema = Schema.model_validate(request.schema)
            spec = PartitionSpec.model_validate(_with_field_ids(request.partition_spec or {}))
            order = SortOrder.model_validate(request.write_order) if request.write_order else UNSORTED_SORT_ORDER
            metadata = formats.begin_rows(
                new_table_metadata(schema, spec, order, location, dict(request.properties), uuid.UUID(self._new_uuid()))
            )
        _check_format(metadata)
        self._files.make_table(location)
        if not write:
            return Staged(Pointer(str(metadata.table_uuid), location, ""), formats.to_json(metadata), False)
        return self._write(metadata, 0, False)

    def register(self, metadata_location: str, root: str) -> Staged:
        """Existing metadata under the warehouse's root, every file of which lies in the table's own folder."""
        metadata_location = below(root, metadata_location, "its metadata file")
        metadata = self.load(metadata_location)
        _check_format(metadata)
        location = below(root, metadata.location, "its folder")
        if not metadata_location.startswith(f"{location}/"):
            raise fail("iceberg.invalid", f"{metadata_location} does not lie in its table's folder {location}")
        self._files.secure(metadata_location, location)
        known: set[str] = set()
        for snapshot in metadata.snapshots:
            manifests.secure_snapshot(self._files, metadata.location, snapshot, known)
        pointer = Pointer(str(metadata.table_uuid), location, metadata_location)
        return Staged(pointer, formats.to_json(metadata), False)

    # --- committing -------------------------------------------------------------------------------------------------

    def stage(self, request: CommitRequest, pointer: Pointer | None, root: str, attempt_id: AttemptId | None) -> Staged:
        """Check the requirements against where the table stands, apply the updates, write the new metadata file.

        Raises DataOSError `iceberg.conflict` (a requirement does not hold), `iceberg.invalid`, `iceberg.unsupported`.
        """
        base = self.load(pointer.metadata_location) if pointer else None
        with _Refusals(f"commit to {request.ref}"):
            requirements = _requirements.validate_python([dict(r) for r in request.requirements])
            for requirement in requirements:
                requirement.validate(base)
            for update in request.updates:
                formats.check_types(update.get("schema") or {})
            raw = [_mark(u, attempt_id) for u in request.updates]
            updates = _updates.validate_python(normalise(raw, base))
            metadata = self._apply(updates, base, pointer, root)
        _check_held(raw, attempt_id)
        _check_removed(raw, base)
        _check_format(metadata)
        _check_properties(metadata.properties, metadata.location)
        self._secure(updates, base, metadata)
        if not updates and base is not None and pointer is not None:
            return Staged(pointer, formats.to_json(base), True)
        if base is None:
            self._files.make_table(metadata.location)
        version = _version(pointer.metadata_location) + 1 if pointer else 0
        return self._write(metadata, version, base is not None and _appends_only(updates))

    def _apply(
        self, updates: Sequence[Any], base: TableMetadata | None, pointer: Pointer | None, root: str
    ) -> TableMetadata:
        if base is None:
            empty: TableMetadata = TableMetadataV1.model_construct(last_column_id=-1, schema=Schema())
            formats.check_snapshots(updates, empty)
            metadata = formats.apply(empty, updates, None, whole=True)
            if not metadata.location:
                raise ValueError("a new table needs set-location")
            return metadata.model_copy(update={"location": below(root, metadata.location, "a table's folder")})
        formats.check_snapshots(updates, base)
        metadata = formats.apply(base, updates, pointer.metadata_location if pointer else None, whole=False)
        if metadata.location.rstrip("/") != base.location.rstrip("/"):
            raise fail("iceberg.unsupported", "a table cannot change its location", hint="create a new table there")
        if metadata.table_uuid != base.table_uuid:
            raise fail("iceberg.unsupported", "a table cannot change its uuid")
        return metadata

    def _secure(self, updates: Sequence[Any], base: TableMetadata | None, metadata: TableMetadata) -> None:
        added = [u.snapshot for u in updates if isinstance(u, AddSnapshotUpdate)]
        if added:
            parents = {s.parent_snapshot_id for s in added}
            old = [s for s in base.snapshots if s.snapshot_id in parents] if base else []
            known = manifests.manifest_paths(self._files, old)
            for snapshot in added:
                checked = set(known)
                manifests.secure_snapshot(self._files, metadata.location, snapshot, known)
                if metadata.format_version >= 3:
                    formats.check_rows(self._files, metadata.location, snapshot, checked)
        for statistics in (*metadata.statistics, *metadata.partition_statistics):
            _check_inside(metadata.location, statistics.statistics_path, "a statistics file")

    def _write(self, metadata: TableMetadata, version: int, appends_only: bool) -> Staged:
        location = metadata.location.rstrip("/")
        if not in_bucket(location):
            location = plain(location)
        path = f"{location}/metadata/{version:05d}-{self._new_uuid()}.metadata.json"
        content = formats.to_json(metadata)
        self._files.write_new(path, content)
        self._keep(path, metadata)
        return Staged(Pointer(str(metadata.table_uuid), location, path), content, appends_only)

    # --- run transactions -------------------------------------------------------------------------------------------

    def rebase(self, held_location: str, origin_location: str, base: Pointer) -> Staged | None:
        """Held appends, or held rewrites of files, re-applied as one commit on a moved base; None if they cannot be."""
        try:
            return self._rebase(held_location, origin_location, base)
        except manifests.NotAnAppendError:
            return None

    def _rebase(self, held_location: str, origin_location: str, base: Pointer) -> Staged | None:
        held = self.load(held_location)
        origin = self.load(origin_location)
        current = self.load(base.metadata_location)
        if current.table_uuid != held.table_uuid:
            raise manifests.NotAnAppendError("the table was replaced by another one of its name")
        known = {s.snapshot_id for s in origin.snapshots}
        snapshots = [s for s in held.snapshots if s.snapshot_id not in known]
        if not snapshots:
            return Staged(base, formats.to_json(current), True)
        if held.format_version >= 3 or current.format_version >= 3:
            return None  # their rows are numbered already, and others have taken the numbers
        moved = [name for name, ref in held.refs.items() if origin.refs.get(name) != ref]
        if len(moved) > 1 or (moved and moved[0] not in current.refs and moved[0] != "main"):
            return None
        branch = moved[0] if moved else "main"
        if branch == "main" and all(_operation(s) == "replace" for s in snapshots):
            return self._replace_again(held, origin, current, snapshots, base)
        if any(_operation(s) != "append" for s in snapshots):
            return None  # what was rewritten and what was added cannot be told apart any more
        with _Refusals("re-apply held appends"):
            snapshot = manifests.reapply(self._files, held, snapshots, current, self._new_uuid(), branch)
            kept = current.refs[branch].model_dump(by_alias=True, exclude_none=True) if branch in current.refs else {}
            moved_to = {**kept, "ref-name": branch, "type": "branch", "snapshot-id": snapshot.snapshot_id}
            updates = (AddSnapshotUpdate(snapshot=snapshot), SetSnapshotRefUpdate.model_validate(moved_to))
            metadata = update_table_metadata(current, updates, metadata_location=base.metadata_location)
        return self._write(metadata, _version(base.metadata_location) + 1, True)

    def _replace_again(
        self,
        held: TableMetadata,
        origin: TableMetadata,
        current: TableMetadata,
        snapshots: list[Snapshot],
        base: Pointer,
    ) -> Staged | None:
        """Held rewrites of files, on a table that others have changed elsewhere; None if they changed those files."""
        before, after = origin.current_snapshot(), snapshots[-1]
        if before is None or held.current_snapshot_id != after.snapshot_id:
            return None
        swap = replacing.swap_of(self._files, before, after, {s.snapshot_id for s in snapshots})
        if not swap.removed:  # manifests were put together: the newer ones stay as they are
            return Staged(base, formats.to_json(current), True)
        try:
            _, snapshot, _ = replacing.swap_files(
                self._files, current, swap, after.snapshot_id, self._new_uuid(), after.timestamp_ms
            )
        except DataOSError as error:
            if error.problem.code != "iceberg.conflict":
                raise
            return None
        marked = {**snapshot.model_dump(mode="json", by_alias=True)}
        marked["summary"] = {**marked["summary"], **dict(manifests.own_properties(after))}
        updates = _updates.validate_python(
            [
                {"action": "add-snapshot", "snapshot": marked},
                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": after.snapshot_id},
            ]
        )
        metadata = update_table_metadata(current, tuple(updates), metadata_location=base.metadata_location)
        return self._write(metadata, _version(base.metadata_location) + 1, True)

    def difference(self, held_location: str, origin_location: str) -> tuple[set[str], set[str]]:
        """(metadata and manifest files, data files) that came with held metadata and were not in what it grew from."""
        held = self.load(held_location)
        origin = self.load(origin_location)
        known = {s.snapshot_id for s in origin.snapshots}
        snapshots = [s for s in held.snapshots if s.snapshot_id not in known]
        own = manifests.own_files(self._files, snapshots, {s.snapshot_id for s in snapshots})
        before = {e.metadata_file for e in origin.metadata_log} | {origin_location}
        logs = {held_location} | {e.metadata_file for e in held.metadata_log}
        told = {s.statistics_path for s in held.statistics} - {s.statistics_path for s in origin.statistics}
        folder = held_location.rpartition("/metadata/")[0]  # the files themselves may have been rewritten
        inside = {p for p in own | told | (logs - before) if contains(folder, p)}
        data = {p for p in own if not p.endswith(".avro")} & inside
        return inside - data, data


# --- checks -----------------------------------------------------------------------------------------------------------


_REFUSED = (
    exceptions.ValidationError,
    exceptions.ValidationException,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    StopIteration,
)


class _Refusals:
    """Turns what PyIceberg raises about a client's request into our errors."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, (DataOSError, manifests.NotAnAppendError)):
            return
        if isinstance(error, exceptions.CommitFailedException):
            raise fail("iceberg.conflict", f"{self._what}: {error}", hint="load the table again and retry") from error
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(p) for p in first["loc"])
            raise fail("iceberg.invalid", f"{self._what}: {where}: {first['msg']}") from error
        if isinstance(error, _REFUSED):
            raise fail("iceberg.invalid", f"{self._what}: {str(error)[:500]}") from error


def _mark(update: Mapping[str, Any], attempt_id: AttemptId | None) -> dict[str, Any]:
    """Put the attempt's id into a new snapshot's summary; nobody else may claim to be one."""
    marked = copy.deepcopy(dict(update))
    snapshot = marked.get("snapshot")
    if marked.get("action") == "add-snapshot" and isinstance(snapshot, dict):
        summary: dict[str, Any] = snapshot.setdefault("summary", {"operation": "overwrite"})
        summary.pop(ATTEMPT_PROPERTY, None)
        if attempt_id is not None:
            summary[ATTEMPT_PROPERTY] = attempt_id
    return marked


def _check_held(updates: Sequence[Mapping[str, Any]], attempt_id: AttemptId | None) -> None:
    if attempt_id is not None and any(u.get("action") == "remove-snapshots" for u in updates):
        raise fail(
            "iceberg.unsupported",
            "a job cannot expire snapshots: their files would be gone before the run is published",
            hint="use the dataset maintenance operations outside of a run",
        )


def _check_removed(updates: Sequence[Mapping[str, Any]], base: TableMetadata | None) -> None:
    """Snapshots on which a branch or tag stands do not expire: one may have been put there since the client looked."""
    gone = {i for u in updates if u.get("action") == "remove-snapshots" for i in u.get("snapshot-ids", [])}
    if base is None or not gone:
        return
    moved = {u.get("ref-name") for u in updates if u.get("action") in ("remove-snapshot-ref", "set-snapshot-ref")}
    heads = [name for name, ref in base.refs.items() if ref.snapshot_id in gone and name not in moved]
    if heads:
        raise fail(
            "iceberg.conflict",
            f"snapshots to expire are in use: {', '.join(f'`{h}`' for h in sorted(heads))} stands on one",
            hint="load the table again and retry, or remove the branch or tag first",
        )


def _check_format(metadata: TableMetadata) -> None:
    if not 1 <= metadata.format_version <= formats.NEWEST:
        raise fail(
            "iceberg.unsupported",
            f"Iceberg format version {metadata.format_version} is not supported",
            hint=f"use format-version 2, or {formats.NEWEST} where all your engines read it",
        )


def _check_properties(properties: Mapping[str, str], location: str) -> None:
    for key in _WRITE_PATHS:
        if key in properties and not contains(location, properties[key]):
            raise fail(
                "iceberg.unsupported",
                f"{key} = {properties[key]} lies outside of the table's folder {location}",
                hint="leave it out: a table keeps its files in its own folder",
            )


def _check_inside(outer: str, inner: str, what: str) -> None:
    if not contains(outer, inner) or contains(inner, outer):
        raise fail(
            "iceberg.invalid",
            f"{what} must lie below {outer}; got {inner}",
            hint="leave the location out and the catalog chooses one",
        )


def _operation(snapshot: Snapshot) -> str | None:
    return snapshot.summary.operation.value if snapshot.summary is not None else None


def _appends_only(updates: Sequence[Any]) -> bool:
    """Statistics (Trino makes some with each append) are about a snapshot: a re-applied one goes without."""
    added = {u.snapshot.snapshot_id for u in updates if isinstance(u, AddSnapshotUpdate)}
    for update in updates:
        if isinstance(update, SetStatisticsUpdate):
            continue
        if isinstance(update, AddSnapshotUpdate):
            if _operation(update.snapshot) not in ("append", "replace"):
                return False
            continue
        is_move = isinstance(update, SetSnapshotRefUpdate)
        if not is_move or (update.ref_name != "main" and update.snapshot_id not in added):
            return False
    return True


def _with_field_ids(spec: Mapping[str, Any]) -> dict[str, Any]:
    # a request's spec may leave ids out; the catalog assigns fresh ones anyhow
    fields = [{"field-id": 1000 + i, **dict(f)} for i, f in enumerate(spec.get("fields", []))]
    return {**spec, "fields": fields}


def _version(metadata_location: str) -> int:
    match = re.match(r"v?(\d+)", metadata_location.rsplit("/", 1)[-1])
    return int(match[1]) if match else 0
