"""Which files a table's metadata names. Loaded late: it imports PyIceberg."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyiceberg.manifest import ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from dataos.lakehouse import manifests
from dataos.lakehouse.files import Files


@dataclass
class Contents:
    """Paths by kind. `data` and `deletes` carry sizes in bytes."""

    lists: set[str] = field(default_factory=set[str])
    manifests: dict[str, ManifestFile] = field(default_factory=dict[str, ManifestFile])
    data: dict[str, int] = field(default_factory=dict[str, int])
    deletes: dict[str, int] = field(default_factory=dict[str, int])
    statistics: set[str] = field(default_factory=set[str])

    def paths(self) -> set[str]:
        """All of them."""
        return {*self.lists, *self.manifests, *self.data, *self.deletes, *self.statistics}


def named_by(files: Files, tables: Iterable[TableMetadata]) -> Contents:
    """All that the snapshots of some versions of a table name; each manifest is read once."""
    found = Contents()
    seen: set[int] = set()
    for table in tables:
        for snapshot in table.snapshots:
            if snapshot.snapshot_id not in seen:
                seen.add(snapshot.snapshot_id)
                _lists(files, snapshot, found)
        for statistics in (*table.statistics, *table.partition_statistics):
            found.statistics.add(statistics.statistics_path)
    read(files, found, found.manifests.values())
    return found


def of_snapshots(files: Files, snapshots: Iterable[Snapshot], table: TableMetadata) -> Contents:
    """Lists, manifests and statistics of some snapshots; their manifests are not read yet (`read`)."""
    found = Contents()
    ids: set[int] = set()
    for snapshot in snapshots:
        ids.add(snapshot.snapshot_id)
        _lists(files, snapshot, found)
    for statistics in (*table.statistics, *table.partition_statistics):
        if statistics.snapshot_id in ids:
            found.statistics.add(statistics.statistics_path)
    return found


def _lists(files: Files, snapshot: Snapshot, found: Contents) -> None:
    found.lists.add(snapshot.manifest_list)
    for manifest in manifests.manifests_of(files, snapshot):
        found.manifests.setdefault(manifest.manifest_path, manifest)


def read(files: Files, found: Contents, chosen: Iterable[ManifestFile]) -> None:
    """Add the files that live in manifests."""
    for manifest in list(chosen):
        target = found.data if manifest.content == 0 else found.deletes
        for entry in manifests.entries_of(files, manifest):
            target[entry.data_file.file_path] = entry.data_file.file_size_in_bytes


def metadata_files(table: TableMetadata, location: str) -> set[str]:
    """A version's own file and those that its log still names."""
    return {location, *(entry.metadata_file for entry in table.metadata_log)}
