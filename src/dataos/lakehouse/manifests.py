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
    DataFile,
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
    read_manifest_list,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotSummaryCollector, Summary, update_snapshot_summaries

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse import formats
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
    files: Files,
    held: TableMetadata,
    held_snapshots: list[Snapshot],
    base: TableMetadata,
    name: str,
    branch: str = "main",
) -> Snapshot:
    """A snapshot on top of a branch of `base` that adds what the held snapshots added. Writes its manifests.

    Each manifest keeps the partition spec and schema that its data files were written with. The newest held snapshot's
    id is kept, so that a client that asks for it later finds it. Raises NotAnAppendError.
    """
    seam = _SeamIO(files)
    newest = held_snapshots[-1]
    added = _added_entries(seam, held_snapshots)
    schema_id = newest.schema_id if newest.schema_id is not None else held.current_schema_id
    parent = head_of(base, branch)
    draft = SnapshotDraft(files, base, newest.snapshot_id, name, held.schema_by_id(schema_id) or held.schema(), branch)
    for spec_id, entries in sorted(added.items()):
        draft.add(spec_id, [e.data_file for e in entries])
    draft.keep(_read_list(seam, parent) if parent else [])
    kept = {k: v for s in held_snapshots for k, v in own_properties(s).items()}
    return draft.finish(Operation.APPEND, kept, max(newest.timestamp_ms, base.last_updated_ms))


def head_of(metadata: TableMetadata, branch: str) -> Snapshot | None:
    """The newest snapshot of a branch; None if there is none."""
    return metadata.current_snapshot() if branch == "main" else metadata.snapshot_by_name(branch)


class SnapshotDraft:
    """A snapshot on top of a branch's newest one, put together of manifests: some are kept as they are, some written
    anew. `written` are the files that only this draft names. `schema`: the one that added files were written with.
    """

    def __init__(
        self, files: Files, base: TableMetadata, snapshot_id: int, name: str, schema: Schema, branch: str = "main"
    ) -> None:
        formats.refuse_rewriting(base, "manifests cannot be written anew")
        self._parent = head_of(base, branch)
        self._seam = _SeamIO(files)
        self._base = base
        self._id = snapshot_id
        self._name = name
        self._schema = schema
        self._folder = f"{base.location.rstrip('/')}/metadata"
        self._codec: Any = base.properties.get("write.avro.compression-codec", "gzip")
        self._collector = SnapshotSummaryCollector()
        self._manifests: list[ManifestFile] = []
        self._number = 0
        self.written: list[str] = []

    def keep(self, manifests: Iterable[ManifestFile]) -> None:
        """Take over manifests that stay as they are; those in which nothing lives are left behind."""
        self._manifests += [m for m in manifests if m.added_files_count != 0 or m.existing_files_count != 0]

    def add(self, spec_id: int, data_files: Iterable[DataFile], sequence_number: int | None = None) -> None:
        """Add data files of one partition spec. `sequence_number`: of the rows, if they are older than this snapshot.
        Raises NotAnAppendError if the table has lost that spec."""
        spec = self._spec(spec_id)
        with self._writer(spec) as writer:
            for data_file in data_files:
                writer.add_entry(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=self._id,
                        sequence_number=sequence_number,  # None: taken from the new snapshot
                        file_sequence_number=None,
                        data_file=data_file,
                    )
                )
                self._collector.add_file(data_file, self._schema, spec)
        self._manifests.append(writer.to_manifest_file())

    def remove(self, manifest: ManifestFile, paths: set[str]) -> None:
        """Keep a manifest without some of its files: it is written anew."""
        spec = self._spec(manifest.partition_spec_id)
        with self._writer(spec, deletes=manifest.content == ManifestContent.DELETES) as writer:
            for entry in _read_entries(self._seam, manifest, discard_deleted=True):
                if entry.data_file.file_path in paths:
                    self._collector.remove_file(entry.data_file, self._schema, spec)
                    writer.delete(entry)
                else:
                    writer.existing(entry)
        self._manifests.append(writer.to_manifest_file())

    def gather(self, spec_id: int, entries: Iterable[ManifestEntry]) -> None:
        """One manifest of data files that live in others, which are not kept then."""
        with self._writer(self._spec(spec_id)) as writer:
            for entry in entries:
                writer.existing(entry)
        self._manifests.append(writer.to_manifest_file())

    def _spec(self, spec_id: int) -> PartitionSpec:
        spec = self._base.specs().get(spec_id)
        if spec is None:
            raise NotAnAppendError(f"its partition spec {spec_id} is gone")
        return spec

    def _writer(self, spec: PartitionSpec, deletes: bool = False) -> ManifestWriter:
        path = f"{self._folder}/{self._name}-m{self._number}.avro"
        self._number += 1
        self.written.append(path)
        output = self._seam.new_output(path)
        if deletes:
            return _DeletesWriter(spec, self._schema, output, self._id, self._codec)
        return write_manifest(self._base.format_version, spec, self._schema, output, self._id, self._codec)

    def finish(self, operation: Operation, properties: Mapping[str, str], timestamp_ms: int) -> Snapshot:
        """Write the manifest list; returns the snapshot."""
        parent = self._parent
        sequence_number = self._base.next_sequence_number()
        manifest_list = f"{self._folder}/snap-{self._id}-{self._name}.avro"
        self.written.append(manifest_list)
        with write_manifest_list(
            self._base.format_version,
            self._seam.new_output(manifest_list),
            self._id,
            parent.snapshot_id if parent else None,
            sequence_number,
            self._codec,
        ) as lists:
            lists.add_manifests(self._manifests)
        # PyIceberg counts totals for the operations that it makes itself; a replacement counts as an overwrite does
        summary = update_snapshot_summaries(
            Summary(Operation.OVERWRITE, **self._collector.build(), **properties),
            parent.summary.additional_properties if parent and parent.summary else None,
        )
        summary = Summary(operation, **summary.additional_properties)
        return Snapshot.model_validate(
            {
                "snapshot-id": self._id,
                "parent-snapshot-id": parent.snapshot_id if parent else None,
                "sequence-number": sequence_number,
                "timestamp-ms": timestamp_ms,
                "manifest-list": manifest_list,
                "summary": summary,
                "schema-id": self._base.current_schema_id,
            }
        )


class _DeletesWriter(ManifestWriterV2):
    """A manifest of delete files: PyIceberg writes none itself."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _added_entries(seam: _SeamIO, snapshots: list[Snapshot]) -> dict[int, list[ManifestEntry]]:
    ids = {s.snapshot_id for s in snapshots}
    found: dict[int, list[ManifestEntry]] = {}
    # every held file is alive in the newest snapshot, since nothing was removed
    for manifest in _read_list(seam, snapshots[-1]):
        fresh = [e for e in _read_entries(seam, manifest, discard_deleted=False) if e.snapshot_id in ids]
        for entry in fresh:
            if entry.status is ManifestEntryStatus.DELETED:
                raise NotAnAppendError("it removed files")
            if manifest.content != ManifestContent.DATA or entry.data_file.content != DataFileContent.DATA:
                raise NotAnAppendError("it deleted rows")
        if fresh:
            found.setdefault(manifest.partition_spec_id, []).extend(fresh)
    return found


def own_properties(snapshot: Snapshot) -> Mapping[str, str]:
    """What a client wrote into a snapshot's summary, without the figures."""
    if snapshot.summary is None:
        return {}
    return {k: v for k, v in snapshot.summary.additional_properties.items() if not k.startswith(_COMPUTED)}


def manifests_of(files: Files, snapshot: Snapshot) -> list[ManifestFile]:
    """Manifests of a snapshot. Raises DataOSError `iceberg.invalid`, `iceberg.corrupt`."""
    return _read_list(_SeamIO(files), snapshot)


def entries_of(files: Files, manifest: ManifestFile, *, deleted: bool = False) -> list[ManifestEntry]:
    """Entries of a manifest, with `deleted` also those of files that it took away. Raises as `manifests_of`."""
    return _read_entries(_SeamIO(files), manifest, discard_deleted=not deleted)


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
