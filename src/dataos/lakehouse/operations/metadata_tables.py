"""Metadata tables by name (`t$files`, ch06 4.1), as the gateway's provider of Lakehouses asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataos.core.errors import fail
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.views import TableRef, View

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

    from dataos.lakehouse.operations.plans import Plans

KINDS = (
    "history",
    "metadata_log_entries",
    "snapshots",
    "refs",
    "manifests",
    "all_manifests",
    "files",
    "data_files",
    "delete_files",
    "all_files",
    "all_data_files",
    "entries",
    "partitions",
)


@dataclass(frozen=True)
class MetadataRows:
    """Columns with Trino's types, and rows (dataos.lakehouse.operations.inspecting)."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


class MetadataTables:
    """Reads metadata tables. Stateless."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changes = Changes(catalog)

    async def read(
        self, view: View, ref: TableRef, kind: str, version: int | str | None, trino: Callable[[str], str]
    ) -> MetadataRows:
        """Rows of one metadata table as of now, or of a snapshot, branch or tag.

        Raises DataOSError as `Catalog.pointer`, and `iceberg.not_found.snapshot`.
        """
        here = await self._catalog.pointer(view, ref)

        def look(plans: Plans, metadata: TableMetadata) -> MetadataRows:
            found = plans.inspect(metadata, here.metadata_location, kind, _snapshot(metadata, version), trino)
            return MetadataRows(found.columns, found.rows)

        found: MetadataRows = await self._catalog.work(
            lambda: look(self._changes.plans(), self._catalog.commits().load(here.metadata_location))
        )
        return found


def _snapshot(metadata: TableMetadata, version: int | str | None) -> int | None:
    if version is None:
        return None
    if isinstance(version, str) and version in metadata.refs:
        return metadata.refs[version].snapshot_id
    number = int(version) if str(version).isdigit() else None
    if number is None or metadata.snapshot_by_id(number) is None:
        raise fail("iceberg.not_found.snapshot", f"the table has no snapshot, branch or tag `{version}`")
    return number
