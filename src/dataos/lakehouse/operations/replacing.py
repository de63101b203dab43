"""Files of a table replaced by others that hold the same rows (compaction), and manifests put together.

A program outside of the server reads and writes the data files. Here it is checked that what it read still stands, and
the one commit is made that swaps them. New files keep the age (sequence number) of the snapshot that was read, so that
equality deletes which came since still hold; where rows of a rewritten file were deleted by position meanwhile, the
rewrite is refused. Deletes that apply to no file any more go. Source: RewriteFiles of Iceberg's Java implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent, ManifestEntry, ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse import formats, manifests
from dataos.lakehouse.files import Files
from dataos.lakehouse.manifests import SnapshotDraft
from dataos.lakehouse.operations import references
from dataos.lakehouse.operations.changes import Planned, assert_ref
from dataos.lakehouse.operations.references import MAIN

_PATH_COLUMN = 2147483546  # `file_path` of position deletes
_MANIFEST_BYTES = 8 << 20
NEW_PREFIX = "rewrite-"
"""Names of manifests that list a program's new files begin so."""


@dataclass(frozen=True)
class Replacement:
    """What a program rewrote. `added`: (path, spec id) of manifests of its own with the new data files; `removed`: the
    data files that they replace; `base`: the snapshot that it read."""

    base: int
    added: tuple[tuple[str, int], ...]
    removed: tuple[str, ...]


@dataclass
class _Live:
    """What lives in the current snapshot, with the manifests that say so."""

    data: dict[str, ManifestEntry] = field(default_factory=dict[str, ManifestEntry])
    deletes: dict[str, ManifestEntry] = field(default_factory=dict[str, ManifestEntry])
    manifests: list[tuple[ManifestFile, set[str]]] = field(default_factory=list[tuple[ManifestFile, set[str]]])


def replace_files(
    files: Files, metadata: TableMetadata, asked: Replacement, name: Callable[[], str], now_ms: int
) -> Planned:
    """Raises DataOSError `iceberg.conflict` (the table has changed where it was rewritten), `dataset.replace`."""
    formats.refuse_rewriting(metadata, "files cannot be replaced")
    added = {spec: _added(files, metadata, path, spec) for path, spec in asked.added}
    if not asked.removed:
        raise fail("dataset.replace", "no files are named that are to be replaced")
    swap = Swap(asked.base, added, set(asked.removed))
    draft, snapshot, dangling = swap_files(files, metadata, swap, metadata.new_snapshot_id(), name(), now_ms)
    result = {"snapshot": str(snapshot.snapshot_id), "deleteFilesRemoved": dangling}
    return _planned(metadata, snapshot, draft, result)


@dataclass(frozen=True)
class Swap:
    """As Replacement, with the new files by partition spec."""

    base: int
    added: dict[int, list[DataFile]]
    removed: set[str]


def swap_files(
    files: Files, metadata: TableMetadata, swap: Swap, snapshot_id: int, name: str, now_ms: int
) -> tuple[SnapshotDraft, Snapshot, int]:
    """The snapshot that swaps the files on what is current now, and how many delete files go. Writes its manifests.

    Raises DataOSError `iceberg.conflict`, `dataset.replace`; then it has written nothing that stays.
    """
    current = metadata.current_snapshot()
    base = metadata.snapshot_by_id(swap.base)
    if (
        current is None
        or base is None
        or all(s.snapshot_id != swap.base for s in references.ancestors(metadata, current.snapshot_id))
    ):
        raise _conflict(f"main has left snapshot {swap.base}, which was rewritten")
    live = _read(files, current)
    missing = swap.removed - set(live.data)
    if missing:
        raise _conflict(f"{len(missing)} of the rewritten files are gone")
    _refuse_deleted(metadata, live, swap.removed, base, set(swap.added))
    twice = [f.file_path for found in swap.added.values() for f in found if f.file_path in live.data]
    if twice:
        raise fail("dataset.replace", f"{twice[0]} is a file of the table already")
    _check_rows(live, swap.removed, [f for found in swap.added.values() for f in found])
    dangling = _dangling(metadata, live, swap.removed, base)
    draft = SnapshotDraft(files, metadata, snapshot_id, name, metadata.schema())
    number = base.sequence_number if metadata.format_version > 1 else None
    gone = swap.removed | dangling
    try:
        for spec, data_files in sorted(swap.added.items()):
            if data_files:
                draft.add(spec, data_files, number)
        for manifest, inside in live.manifests:
            if inside & gone:
                draft.remove(manifest, gone)
            else:
                draft.keep([manifest])
        snapshot = draft.finish(Operation.REPLACE, {}, max(now_ms, metadata.last_updated_ms + 1))
    except (DataOSError, manifests.NotAnAppendError):
        for path in draft.written:
            files.delete(path)
        raise
    return draft, snapshot, len(dangling)


def swap_of(files: Files, before: Snapshot, after: Snapshot, ids: set[int]) -> Swap:
    """What replacing snapshots (`ids`, the last is `after`) did to the files of `before`."""
    old, new = _read(files, before), _read(files, after)
    added: dict[int, list[DataFile]] = {}
    for entry in new.data.values():
        if entry.snapshot_id in ids and entry.data_file.file_path not in old.data:
            added.setdefault(entry.data_file.spec_id, []).append(entry.data_file)
    return Swap(before.snapshot_id, added, set(old.data) - set(new.data))


def _planned(metadata: TableMetadata, snapshot: Snapshot, draft: SnapshotDraft, result: dict[str, Any]) -> Planned:
    after = metadata.model_copy(update={"snapshots": [*metadata.snapshots, snapshot]})
    moved = references.move(after, MAIN, snapshot.snapshot_id)
    add = {"action": "add-snapshot", "snapshot": snapshot.model_dump(mode="json", by_alias=True)}
    return Planned((add, *moved.updates), (assert_ref(metadata, MAIN),), result, tuple(draft.written))


def _conflict(why: str) -> DataOSError:
    return fail(
        "iceberg.conflict",
        f"the table has changed while its files were rewritten: {why}",
        hint="nothing was changed; rewrite again",
        retry=1.0,
    )


def _read(files: Files, snapshot: Snapshot) -> _Live:
    found = _Live()
    for manifest in manifests.manifests_of(files, snapshot):
        target = found.data if manifest.content == ManifestContent.DATA else found.deletes
        entries = {e.data_file.file_path: e for e in manifests.entries_of(files, manifest)}
        target.update(entries)
        found.manifests.append((manifest, set(entries)))
    return found


def _added(files: Files, metadata: TableMetadata, path: str, spec_id: int) -> list[DataFile]:
    if not path.rsplit("/", 1)[-1].startswith(NEW_PREFIX):  # it is deleted in the end: it must be nobody else's
        raise fail("dataset.replace", f"{path} is no list of new files", hint=f"its name begins with `{NEW_PREFIX}`")
    files.secure(path, metadata.location)
    manifest = ManifestFile.from_args(
        manifest_path=path,
        manifest_length=len(files.read(path)),
        partition_spec_id=spec_id,
        content=ManifestContent.DATA,
        sequence_number=0,
        min_sequence_number=0,
        added_snapshot_id=0,
    )
    return [entry.data_file for entry in manifests.entries_of(files, manifest)]


def _place(entry: ManifestEntry) -> tuple[int, str]:
    """Spec and partition of a file."""
    return entry.data_file.spec_id, repr(entry.data_file.partition)


def _only_path(data_file: DataFile) -> str | None:
    """The one data file that position deletes speak of, if they speak of one only."""
    low = (data_file.lower_bounds or {}).get(_PATH_COLUMN)
    high = (data_file.upper_bounds or {}).get(_PATH_COLUMN)
    return low.decode("utf-8", "replace") if low is not None and low == high else None


def applies(metadata: TableMetadata, delete: ManifestEntry, data: ManifestEntry) -> bool:
    """Could a delete file speak of a data file's rows? Rules of the specification (scan planning)."""
    ours, theirs = data.sequence_number or 0, delete.sequence_number or 0
    if delete.data_file.content == DataFileContent.EQUALITY_DELETES:
        everywhere = metadata.specs()[delete.data_file.spec_id].is_unpartitioned()
        return ours < theirs and (everywhere or _place(delete) == _place(data))
    only = _only_path(delete.data_file)
    return ours <= theirs and _place(delete) == _place(data) and only in (None, data.data_file.file_path)


def _refuse_deleted(metadata: TableMetadata, live: _Live, removed: set[str], base: Snapshot, specs: set[int]) -> None:
    for delete in live.deletes.values():
        if (delete.sequence_number or 0) <= (base.sequence_number or 0):
            continue
        if not any(applies(metadata, delete, live.data[path]) for path in removed):
            continue
        found = delete.data_file
        if found.content == DataFileContent.EQUALITY_DELETES and (
            metadata.specs()[found.spec_id].is_unpartitioned() or specs <= {found.spec_id}
        ):
            continue  # it holds for the new files too
        raise _conflict("rows of rewritten files were deleted")


def _check_rows(live: _Live, removed: set[str], added: list[DataFile]) -> None:
    """Without deletes in the table, a rewrite keeps the number of rows."""
    before = sum(live.data[path].data_file.record_count for path in removed)
    after = sum(f.record_count for f in added)
    if after > before or (not live.deletes and after != before):
        raise fail("dataset.replace", f"the files to replace hold {before} rows, the new ones {after}")


def _dangling(metadata: TableMetadata, live: _Live, removed: set[str], base: Snapshot) -> set[str]:
    """Delete files that apply to nothing once the files are replaced."""
    stays = [entry for path, entry in live.data.items() if path not in removed]
    return {
        path
        for path, delete in live.deletes.items()
        if (delete.sequence_number or 0) <= (base.sequence_number or 0)
        and not any(applies(metadata, delete, entry) for entry in stays)
    }


# --- manifests --------------------------------------------------------------------------------------------------------


def rewrite_manifests(
    files: Files, metadata: TableMetadata, name: Callable[[], str], now_ms: int, dry_run: bool = False
) -> Planned:
    """Data files of each partition come to stand together, in manifests of about 8 MiB; fewer are opened then.

    `result`: {before, after, entries}. Nothing to do where there are no more manifests than needed.
    """
    current = metadata.current_snapshot()
    if current is None:
        return Planned(result={"before": 0, "after": 0, "entries": 0})
    here = manifests.manifests_of(files, current)
    target = _size(metadata)
    by_spec: dict[int, list[ManifestFile]] = {}
    for manifest in here:
        if manifest.content == ManifestContent.DATA:
            by_spec.setdefault(manifest.partition_spec_id, []).append(manifest)
    chosen: dict[int, tuple[list[ManifestFile], int]] = {}
    for spec, found in by_spec.items():
        needed = max(1, -(-sum(m.manifest_length for m in found) // target))
        if len(found) > needed:
            chosen[spec] = (found, needed)
    replaced = sum(len(found) for found, _ in chosen.values())
    made = sum(needed for _, needed in chosen.values())
    result = {"before": len(here), "after": len(here) - replaced + made, "entries": 0}
    if not chosen or dry_run:
        return Planned(result=result)
    draft = SnapshotDraft(files, metadata, metadata.new_snapshot_id(), name(), metadata.schema())
    try:
        for spec, (found, needed) in sorted(chosen.items()):
            entries = [e for m in found for e in manifests.entries_of(files, m)]
            entries.sort(key=lambda e: (repr(e.data_file.partition), e.data_file.file_path))
            result["entries"] += len(entries)
            each = max(1, -(-len(entries) // needed))
            for start in range(0, len(entries), each):
                draft.gather(spec, entries[start : start + each])
        gone = {m.manifest_path for found, _ in chosen.values() for m in found}
        draft.keep([m for m in here if m.manifest_path not in gone])
        counts = {
            "manifests-created": str(made),
            "manifests-kept": str(len(here) - replaced),
            "manifests-replaced": str(replaced),
            "entries-processed": str(result["entries"]),
        }
        snapshot = draft.finish(Operation.REPLACE, counts, max(now_ms, metadata.last_updated_ms + 1))
    except DataOSError:
        for path in draft.written:
            files.delete(path)
        raise
    return _planned(metadata, snapshot, draft, result)


def _size(metadata: TableMetadata) -> int:
    text = metadata.properties.get("commit.manifest.target-size-bytes", "")
    return max(1 << 10, int(text)) if text.isdigit() else _MANIFEST_BYTES
