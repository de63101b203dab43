"""What a statement did to a table's rows, as one commit: data files that come, and those that go.

Files that go must still be there, and no row of the table may have changed since the statement read it, or the commit
is refused and the statement runs again. Loaded late: it imports PyIceberg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent, ManifestEntry
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse import manifests
from dataos.lakehouse.files import Files
from dataos.lakehouse.manifests import SnapshotDraft
from dataos.lakehouse.operations import references, replacing
from dataos.lakehouse.operations.changes import Planned, assert_ref
from dataos.lakehouse.operations.references import MAIN


def change(
    files: Files,
    metadata: TableMetadata,
    added: Sequence[DataFile],
    removed: frozenset[str],
    name: str,
    now_ms: int,
    read: int | None,
) -> Planned:
    """Files that come and go. `removed`: paths as manifests have them; `read`: the snapshot that was looked at, None
    where nothing was.

    Raises DataOSError `iceberg.conflict` if main is not at `read` any more, `iceberg.unsupported` (format version 3).
    """
    if read is not None and metadata.current_snapshot_id != read:
        raise fail("iceberg.conflict", "the table has changed while the statement ran", hint="run it again", retry=0.0)
    current = metadata.current_snapshot()
    draft = SnapshotDraft(files, metadata, metadata.new_snapshot_id(), name, metadata.schema())
    try:
        for spec, some in sorted(_by_spec(added).items()):
            draft.add(spec, some)
        here = manifests.manifests_of(files, current) if current is not None else []
        if not removed:
            draft.keep(here)
        else:
            _without(files, draft, metadata, here, removed)
        operation = _operation(added, removed)
        snapshot = draft.finish(operation, {}, max(now_ms, metadata.last_updated_ms + 1))
    except (DataOSError, manifests.NotAnAppendError) as error:
        for path in draft.written:
            files.delete(path)
        if isinstance(error, DataOSError):
            raise
        raise fail("iceberg.conflict", f"the table was changed meanwhile: {error}", hint="run it again") from error
    after = metadata.model_copy(update={"snapshots": [*metadata.snapshots, snapshot]})
    moved = references.move(after, MAIN, snapshot.snapshot_id)
    add: Mapping[str, Any] = {
        "action": "add-snapshot",
        "snapshot": snapshot.model_dump(mode="json", by_alias=True),
    }
    schema_same = {"type": "assert-current-schema-id", "current-schema-id": metadata.current_schema_id}
    return Planned(
        (add, *moved.updates), (assert_ref(metadata, MAIN), schema_same), snapshot.snapshot_id, tuple(draft.written)
    )


def _operation(added: Sequence[DataFile], removed: frozenset[str]) -> Operation:
    if not removed:
        return Operation.APPEND
    return Operation.OVERWRITE if added else Operation.DELETE


def _by_spec(added: Sequence[DataFile]) -> dict[int, list[DataFile]]:
    found: dict[int, list[DataFile]] = {}
    for one in added:
        found.setdefault(one.spec_id, []).append(one)
    return found


def _without(
    files: Files, draft: SnapshotDraft, metadata: TableMetadata, here: Sequence[Any], removed: frozenset[str]
) -> None:
    """Keep manifests, those that list removed files without them, and drop deletes that speak of nothing any more."""
    data: dict[str, ManifestEntry] = {}
    deletes: dict[str, ManifestEntry] = {}
    listed: list[tuple[Any, set[str]]] = []
    for manifest in here:
        entries = {e.data_file.file_path: e for e in manifests.entries_of(files, manifest)}
        (data if manifest.content == ManifestContent.DATA else deletes).update(entries)
        listed.append((manifest, set(entries)))
    missing = removed - set(data)
    if missing:
        raise fail("iceberg.conflict", f"{len(missing)} files of the table are gone", hint="run it again", retry=0.0)
    stays = [entry for path, entry in data.items() if path not in removed]
    dangling = {
        path
        for path, delete in deletes.items()
        if not any(replacing.applies(metadata, delete, entry) for entry in stays)
    }
    gone = removed | dangling
    for manifest, inside in listed:
        if inside & gone:
            draft.remove(manifest, set(gone))
        else:
            draft.keep([manifest])


def live_files(files: Files, metadata: TableMetadata) -> tuple[dict[str, int], bool]:
    """Data files of main with their rows as written, and whether some of these rows are deleted by delete files."""
    current = metadata.current_snapshot()
    found: dict[str, int] = {}
    deletes = False
    for manifest in manifests.manifests_of(files, current) if current is not None else []:
        for entry in manifests.entries_of(files, manifest):
            if entry.data_file.content == DataFileContent.DATA:
                found[entry.data_file.file_path] = entry.data_file.record_count
            else:
                deletes = True
    return found, deletes
