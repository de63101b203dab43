"""Manifest files: checking what a client's snapshot names, and re-applying held appends on a moved base.

Loaded at first use only: it imports PyIceberg.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.manifest import (
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    read_manifest_list,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotSummaryCollector, Summary, update_snapshot_summaries

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse.files import Files, contains

_COMPUTED = ("added-", "deleted-", "removed-", "total-", "changed-partition", "partitions.", "partition-summaries")


class NotAnAppendError(Exception):
    """The held snapshots did more than add data files."""


def secure_snapshot(files: Files, location: str, snapshot: Snapshot, known: set[str]) -> None:
    """Check that a new snapshot names files of its table's folder only, and bring them to disk.

    `known` holds manifest paths of snapshots that were checked before; the new ones are added. Without this a table
    could show another table's files to whoever may read it, and a power cut could empty what a commit names.
    Raises DataOSError `iceberg.invalid`.
    """
    files.secure(snapshot.manifest_list, location)
    written = [snapshot.manifest_list]
    seam = _SeamIO(files)
    for manifest in _read_list(seam, snapshot):
        if manifest.manifest_path in known:
            continue
        files.secure(manifest.manifest_path, location)
        written.append(manifest.manifest_path)
        for entry in _read_entries(seam, manifest, discard_deleted=False):
            path = entry.data_file.file_path
            if entry.status is ManifestEntryStatus.ADDED:
                files.secure(path, location)
                written.append(path)
            elif not contains(location, path):
                raise fail("iceberg.invalid", f"{path} does not lie in the folder of its table, {location}")
        known.add(manifest.manifest_path)
    files.secure_folders(written, location)


def manifest_paths(files: Files, snapshots: Iterable[Snapshot]) -> set[str]:
    """Paths of all manifests of snapshots that the catalog holds already."""
    seam = _SeamIO(files)
    return {m.manifest_path for s in snapshots for m in _read_list(seam, s)}


def own_files(files: Files, snapshots: Iterable[Snapshot], ids: set[int]) -> set[str]:
    """Files that came with the snapshots: manifest lists, their manifests, and the data files these added."""
    seam = _SeamIO(files)
    found: set[str] = set()
    for snapshot in snapshots:
        found.add(snapshot.manifest_list)
        for manifest in _read_list(seam, snapshot):
            if manifest.added_snapshot_id not in ids:
                continue
            found.add(manifest.manifest_path)
            for entry in _read_entries(seam, manifest, discard_deleted=False):
                if entry.status is ManifestEntryStatus.ADDED and entry.snapshot_id in ids:
                    found.add(entry.data_file.file_path)
    return found


def reapply(
    files: Files, held: TableMetadata, held_snapshots: list[Snapshot], base: TableMetadata, name: str
) -> Snapshot:
    """A snapshot on top of `base` that adds what the held snapshots added. Writes its manifests.

    Each manifest keeps the partition spec and schema that its data files were written with. The newest held snapshot's
    id is kept, so that a client that asks for it later finds it. Raises NotAnAppendError.
    """
    seam = _SeamIO(files)
    newest = held_snapshots[-1]
    added = _added_entries(seam, held_snapshots)
    folder = f"{base.location.rstrip('/')}/metadata"
    codec: Any = base.properties.get("write.avro.compression-codec", "gzip")
    schema_id = newest.schema_id if newest.schema_id is not None else held.current_schema_id
    schema = held.schema_by_id(schema_id) or held.schema()
    parent = base.current_snapshot()
    collector = SnapshotSummaryCollector()
    new_manifests: list[ManifestFile] = []
    for number, (spec_id, entries) in enumerate(sorted(added.items())):
        spec = base.specs().get(spec_id)
        if spec is None:
            raise NotAnAppendError(f"its partition spec {spec_id} is gone")
        output = seam.new_output(f"{folder}/{name}-m{number}.avro")
        with write_manifest(base.format_version, spec, schema, output, newest.snapshot_id, codec) as writer:
            for entry in entries:
                writer.add_entry(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=newest.snapshot_id,
                        sequence_number=None,  # taken from the new snapshot
                        file_sequence_number=None,
                        data_file=entry.data_file,
                    )
                )
                collector.add_file(entry.data_file, schema, spec)
        new_manifests.append(writer.to_manifest_file())
    sequence_number = base.next_sequence_number()
    manifest_list = f"{folder}/snap-{newest.snapshot_id}-{name}.avro"
    with write_manifest_list(
        base.format_version,
        seam.new_output(manifest_list),
        newest.snapshot_id,
        parent.snapshot_id if parent else None,
        sequence_number,
        codec,
    ) as lists:
        lists.add_manifests(new_manifests + (_read_list(seam, parent) if parent else []))
    kept = {k: v for s in held_snapshots for k, v in _own_properties(s).items()}
    summary = update_snapshot_summaries(
        Summary(Operation.APPEND, **collector.build(), **kept),
        parent.summary.additional_properties if parent and parent.summary else None,
    )
    return Snapshot.model_validate(
        {
            "snapshot-id": newest.snapshot_id,
            "parent-snapshot-id": parent.snapshot_id if parent else None,
            "sequence-number": sequence_number,
            "timestamp-ms": max(newest.timestamp_ms, base.last_updated_ms),
            "manifest-list": manifest_list,
            "summary": summary,
            "schema-id": base.current_schema_id,
        }
    )


def _added_entries(seam: _SeamIO, snapshots: list[Snapshot]) -> dict[int, list[ManifestEntry]]:
    ids = {s.snapshot_id for s in snapshots}
    found: dict[int, list[ManifestEntry]] = {}
    # every held file is alive in the newest snapshot, since nothing was removed
    for manifest in _read_list(seam, snapshots[-1]):
        fresh = [e for e in _read_entries(seam, manifest, discard_deleted=False) if e.snapshot_id in ids]
        for entry in fresh:
            if entry.status is ManifestEntryStatus.DELETED:
                raise NotAnAppendError("it removed files")
            if manifest.content is not ManifestContent.DATA or entry.data_file.content is not DataFileContent.DATA:
                raise NotAnAppendError("it deleted rows")
        if fresh:
            found.setdefault(manifest.partition_spec_id, []).extend(fresh)
    return found


def _own_properties(snapshot: Snapshot) -> Mapping[str, str]:
    if snapshot.summary is None:
        return {}
    return {k: v for k, v in snapshot.summary.additional_properties.items() if not k.startswith(_COMPUTED)}


def _read_list(seam: _SeamIO, snapshot: Snapshot) -> list[ManifestFile]:
    # not Snapshot.manifests: its cache is keyed by paths that clients choose
    try:
        return list(read_manifest_list(seam.new_input(snapshot.manifest_list)))
    except DataOSError:
        raise
    except Exception as error:
        raise _broken(snapshot.manifest_list, error) from error


def _read_entries(seam: _SeamIO, manifest: ManifestFile, *, discard_deleted: bool) -> list[ManifestEntry]:
    try:
        return manifest.fetch_manifest_entry(seam, discard_deleted=discard_deleted)
    except DataOSError:
        raise
    except Exception as error:
        raise _broken(manifest.manifest_path, error) from error


def _broken(path: str, error: Exception) -> DataOSError:
    return fail("iceberg.invalid", f"manifest file {path} cannot be read: {type(error).__name__}: {str(error)[:200]}")


# --- PyIceberg's file interface over our seam -------------------------------------------------------------------------


class _SeamIO(FileIO):
    """Reads whole files and writes them atomically: manifests are small."""

    def __init__(self, files: Files) -> None:
        super().__init__({})
        self._files = files

    def new_input(self, location: str) -> InputFile:
        return _Input(self._files, location)

    def new_output(self, location: str) -> OutputFile:
        return _Output(self._files, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._files.delete(location if isinstance(location, str) else location.location)


class _Input(InputFile):
    def __init__(self, files: Files, location: str) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return len(self._files.read(self.location))

    def exists(self) -> bool:
        try:
            self._files.read(self.location)
        except DataOSError:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:
        return cast("InputStream", io.BytesIO(self._files.read(self.location)))


class _Output(OutputFile):
    def __init__(self, files: Files, location: str) -> None:
        super().__init__(location)
        self._files = files
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return _Input(self._files, self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        return cast("OutputStream", _Draft(self))

    def finish(self, content: bytes) -> None:
        self._size = len(content)
        self._files.write_new(self.location, content)


class _Draft(io.BytesIO):
    """Collects a file and hands it over when closed without an error."""

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._output.finish(content)
