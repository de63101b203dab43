"""Cherry-pick: one commit, made elsewhere (on a branch, or staged), becomes part of `main` (ch06 3.6).

Rules of Iceberg: where `main` is the commit's parent, main moves to it. Else its changes are applied again: data files
that it added (an append), or the files of the partitions that it replaced, if nobody wrote into those since. What
deleted rows in any other way cannot be picked. Source: CherryPickOperation of Iceberg's Java implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse import manifests
from dataos.lakehouse.files import Files
from dataos.lakehouse.manifests import SnapshotDraft
from dataos.lakehouse.operations import references
from dataos.lakehouse.operations.changes import Planned, assert_ref
from dataos.lakehouse.operations.references import MAIN, Moved

SOURCE = "source-snapshot-id"
PUBLISHED_WAP = "published-wap-id"
STAGED_WAP = "wap.id"
_REPLACES = "replace-partitions"


def cherry_pick(
    files: Files, metadata: TableMetadata, snapshot_id: int, name: Callable[[], str], now_ms: int
) -> Planned:
    """Raises DataOSError `dataset.not_found.snapshot`, `dataset.applied`, `dataset.pick`."""
    picked = references.snapshot(metadata, snapshot_id)
    _refuse_applied(metadata, picked)
    current = metadata.current_snapshot_id
    if picked.parent_snapshot_id == current:
        return references.move(metadata, MAIN, snapshot_id)
    if current is None:
        raise _refuse(picked, "main has no snapshot, and the commit stands on others", "use set-snapshot")
    operation = picked.summary.operation if picked.summary else None
    properties = _properties(picked)
    replaces = operation is Operation.OVERWRITE and properties.get(_REPLACES, "").lower() == "true"
    if operation is not Operation.APPEND and not replaces:
        what = operation.value if operation else "unknown"
        raise _refuse(
            picked,
            f"it is of kind {what}, and main has moved on since",
            "appends and replaced partitions can be picked; else use fastforward-branch, or write it again on main",
        )
    return _apply_again(files, metadata, picked, replaces, name(), now_ms)


def _refuse(picked: Snapshot, why: str, hint: str) -> DataOSError:
    return fail("dataset.pick", f"snapshot {picked.snapshot_id} cannot be picked: {why}", hint=hint)


def _properties(snapshot: Snapshot) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot.summary else {}


def _refuse_applied(metadata: TableMetadata, picked: Snapshot) -> None:
    wap = _properties(picked).get(STAGED_WAP)
    for known in references.ancestors(metadata, metadata.current_snapshot_id):
        said = _properties(known)
        how = None
        if known.snapshot_id == picked.snapshot_id:
            how = "it is part of main"
        elif said.get(SOURCE) == str(picked.snapshot_id):
            how = f"it was picked as {known.snapshot_id}"
        elif wap is not None and wap in (said.get(PUBLISHED_WAP), said.get(STAGED_WAP)):
            how = f"its write-audit-publish id `{wap}` was published as {known.snapshot_id}"
        if how is not None:
            raise fail("dataset.applied", f"snapshot {picked.snapshot_id} is applied already: {how}")


def _apply_again(
    files: Files, metadata: TableMetadata, picked: Snapshot, replaces: bool, name: str, now_ms: int
) -> Planned:
    current = metadata.current_snapshot()
    if current is None:  # cherry_pick refused that
        raise _refuse(picked, "main has no snapshot", "use set-snapshot")
    added: dict[int, list[Any]] = {}
    removed: dict[str, ManifestEntry] = {}
    for manifest in manifests.manifests_of(files, picked):
        if manifest.added_snapshot_id != picked.snapshot_id:
            continue
        for entry in manifests.entries_of(files, manifest, deleted=True):
            if entry.snapshot_id != picked.snapshot_id:
                continue
            if manifest.content != 0 and entry.status is ManifestEntryStatus.ADDED:
                raise _refuse(picked, "it deletes single rows, and main has moved on since", "write it again on main")
            if entry.status is ManifestEntryStatus.ADDED:
                added.setdefault(manifest.partition_spec_id, []).append(entry.data_file)
            elif entry.status is ManifestEntryStatus.DELETED:
                removed[entry.data_file.file_path] = entry
    if removed and not replaces:
        raise _refuse(picked, "it takes files away, and main has moved on since", "write it again on main")
    schema = metadata.schema_by_id(picked.schema_id) if picked.schema_id is not None else None
    draft = SnapshotDraft(files, metadata, metadata.new_snapshot_id(), name, schema or metadata.schema())
    try:
        for spec_id, data_files in sorted(added.items()):
            draft.add(spec_id, data_files)
        here = manifests.manifests_of(files, current)
        if replaces:
            touched = {(s, repr(f.partition)) for s, found in added.items() for f in found}
            touched |= {(e.data_file.spec_id, repr(e.data_file.partition)) for e in removed.values()}
            _refuse_changed(files, metadata, picked, here, touched, set(removed))
            _replace(files, draft, here, set(removed))
        else:
            draft.keep(here)
        said = {k: v for k, v in manifests.own_properties(picked).items() if k not in (SOURCE, STAGED_WAP)}
        said[SOURCE] = str(picked.snapshot_id)
        if wap := _properties(picked).get(STAGED_WAP):
            said[PUBLISHED_WAP] = wap
        operation = Operation.OVERWRITE if replaces else Operation.APPEND
        snapshot = draft.finish(operation, said, max(now_ms, metadata.last_updated_ms + 1))
    except manifests.NotAnAppendError as error:
        _discard(files, draft)
        raise _refuse(picked, str(error), "write it again on main") from error
    except DataOSError:
        _discard(files, draft)
        raise
    update = {"action": "add-snapshot", "snapshot": snapshot.model_dump(mode="json", by_alias=True)}
    moved = references.move(_with(metadata, snapshot), MAIN, snapshot.snapshot_id)
    return Planned(
        (update, *moved.updates),
        (assert_ref(metadata, MAIN),),
        Moved(MAIN, "branch", current.snapshot_id, snapshot.snapshot_id),
        tuple(draft.written),
    )


def _with(metadata: TableMetadata, snapshot: Snapshot) -> TableMetadata:
    return metadata.model_copy(update={"snapshots": [*metadata.snapshots, snapshot]})


def _discard(files: Files, draft: SnapshotDraft) -> None:
    for path in draft.written:
        files.delete(path)


def _refuse_changed(
    files: Files,
    metadata: TableMetadata,
    picked: Snapshot,
    here: list[ManifestFile],
    touched: set[tuple[int, str]],
    removed: set[str],
) -> None:
    """The partitions that the commit replaced must be as it found them."""
    parent = metadata.snapshot_by_id(picked.parent_snapshot_id) if picked.parent_snapshot_id is not None else None
    before: set[str] = set()
    if parent is not None:
        for manifest in manifests.manifests_of(files, parent):
            before |= {e.data_file.file_path for e in manifests.entries_of(files, manifest)}
    missing = set(removed)
    for manifest in here:
        for entry in manifests.entries_of(files, manifest):
            path = entry.data_file.file_path
            missing.discard(path)
            if (manifest.partition_spec_id, repr(entry.data_file.partition)) in touched and path not in before:
                raise _refuse(
                    picked, "main wrote into a partition that it replaces", "write the partitions again on main"
                )
    if missing:
        raise _refuse(picked, "files that it replaces are gone from main", "write the partitions again on main")


def _replace(files: Files, draft: SnapshotDraft, here: list[ManifestFile], removed: set[str]) -> None:
    for manifest in here:
        inside = {e.data_file.file_path for e in manifests.entries_of(files, manifest)}
        if inside & removed:
            draft.remove(manifest, removed)
        else:
            draft.keep([manifest])
