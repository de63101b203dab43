"""All that plans changes, behind one late import: PyIceberg comes with it (`Datasets`, `Upkeep`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata

from dataos.lakehouse import manifests
from dataos.lakehouse.commits import Commits
from dataos.lakehouse.files import Files
from dataos.lakehouse.operations import (
    changes,
    columns,
    contents,
    expiry,
    inspecting,
    picking,
    references,
    replacing,
)
from dataos.lakehouse.operations.changes import Planned
from dataos.lakehouse.operations.partitioning import PartitionField


class Plans:
    """Planners that need no more than metadata (`changes`, `references`), and those that look into files."""

    changes = changes
    references = references
    expiry = expiry
    contents = contents

    def __init__(self, files: Files, commits: Commits, new_uuid: Callable[[], str], now_us: Callable[[], int]) -> None:
        self._files = files
        self._commits = commits
        self._new_uuid = new_uuid
        self._now_us = now_us

    def spec_for(self, schema: Mapping[str, Any], fields: Sequence[PartitionField]) -> dict[str, Any]:
        """A new table's partition spec. Raises DataOSError `dataset.partition`."""
        return changes.spec_for(Schema.model_validate(schema), fields)

    def cherry_pick(self, metadata: TableMetadata, snapshot_id: int) -> Planned:
        """One commit on `main`."""
        return picking.cherry_pick(self._files, metadata, snapshot_id, self._new_uuid, self._now_us() // 1000)

    def replace_files(
        self, metadata: TableMetadata, base: int, added: Sequence[tuple[str, int]], removed: Sequence[str]
    ) -> Planned:
        """Files replaced by others with the same rows."""
        asked = replacing.Replacement(base, tuple(added), tuple(removed))
        return replacing.replace_files(self._files, metadata, asked, self._new_uuid, self._now_us() // 1000)

    def rewrite_manifests(self, metadata: TableMetadata, dry_run: bool) -> Planned:
        """Manifests put together."""
        return replacing.rewrite_manifests(self._files, metadata, self._new_uuid, self._now_us() // 1000, dry_run)

    def inspect(
        self, metadata: TableMetadata, location: str, kind: str, snapshot_id: int | None, trino: Callable[[str], str]
    ) -> inspecting.Rows:
        """Rows of a metadata table."""
        return inspecting.inspect(self._files, metadata, location, kind, snapshot_id, trino)

    def scale_of(self, metadata: TableMetadata, name: str) -> int | None:
        """Scale of a decimal column; None for any other."""
        try:
            kind = str(metadata.schema().find_field(name).field_type)
        except ValueError:
            return None
        return columns.decimal_of(kind)[1] if kind.startswith("decimal") else None

    def has_nulls(self, metadata: TableMetadata, field_id: int) -> str | None:
        """Why rows of some branch or tag may hold a null in a column, or None if none does."""
        for name, ref in sorted(metadata.refs.items()):
            snapshot = metadata.snapshot_by_id(ref.snapshot_id)
            if snapshot is None:
                continue
            for manifest in manifests.manifests_of(self._files, snapshot):
                if manifest.content != 0:
                    continue
                for entry in manifests.entries_of(self._files, manifest):
                    nulls = (entry.data_file.null_value_counts or {}).get(field_id)
                    where = f"`{name}` ({entry.data_file.file_path.rsplit('/', 1)[-1]})"
                    if nulls is None:
                        return f"a file of {where} does not say whether it holds nulls"
                    if nulls:
                        return f"a file of {where} holds {nulls} nulls"
        return None
