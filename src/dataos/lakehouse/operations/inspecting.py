"""Metadata tables: what is known of a table, as rows (ch06 4.1). Columns are those of Iceberg's own, types are Trino's.

Bounds are texts, as Trino shows them. Loaded late: it imports PyIceberg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFileContent, ManifestContent, ManifestEntry, ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import PrimitiveType

from dataos.lakehouse import manifests
from dataos.lakehouse.files import Files
from dataos.lakehouse.operations import references

Row = tuple[Any, ...]
_MOMENT = "timestamp(3) with time zone"
_COUNTS = "map(integer, bigint)"
_TEXTS = "map(integer, varchar)"


@dataclass(frozen=True)
class Rows:
    """Column names with Trino's types, and rows. Moments are UTC epoch milliseconds; rows of rows are tuples."""

    columns: tuple[tuple[str, str], ...]
    rows: list[Row]


TrinoType = Callable[[str], str]
"""Iceberg type text -> Trino's."""


def inspect(
    files: Files, metadata: TableMetadata, location: str, kind: str, snapshot_id: int | None, trino: TrinoType
) -> Rows:
    """Rows of one metadata table; those about files are of a snapshot, the current one if None. `kind`: of `KINDS`."""
    look = _Look(files, metadata, location, snapshot_id, trino)
    found: Rows = getattr(look, kind)()
    return found


class _Look:
    def __init__(
        self, files: Files, metadata: TableMetadata, location: str, snapshot_id: int | None, trino: TrinoType
    ) -> None:
        self._files = files
        self._metadata = metadata
        self._location = location
        self._trino = trino
        chosen = metadata.current_snapshot_id if snapshot_id is None else snapshot_id
        self._snapshot = metadata.snapshot_by_id(chosen) if chosen is not None else None

    # --- of the metadata file alone ---------------------------------------------------------------------------------

    def history(self) -> Rows:
        line = {s.snapshot_id for s in references.ancestors(self._metadata, self._metadata.current_snapshot_id)}
        rows: list[Row] = []
        for entry in self._metadata.snapshot_log:
            known = self._metadata.snapshot_by_id(entry.snapshot_id)
            parent = known.parent_snapshot_id if known else None
            rows.append((entry.timestamp_ms, entry.snapshot_id, parent, entry.snapshot_id in line))
        return Rows(
            (
                ("made_current_at", _MOMENT),
                ("snapshot_id", "bigint"),
                ("parent_id", "bigint"),
                ("is_current_ancestor", "boolean"),
            ),
            rows,
        )

    def metadata_log_entries(self) -> Rows:
        entries = [(e.timestamp_ms, e.metadata_file) for e in self._metadata.metadata_log]
        entries.append((self._metadata.last_updated_ms, self._location))
        rows: list[Row] = []
        for moment, file in entries:
            past = [e for e in self._metadata.snapshot_log if e.timestamp_ms <= moment]
            known = self._metadata.snapshot_by_id(past[-1].snapshot_id) if past else None
            rows.append(
                (moment, file, past[-1].snapshot_id if past else None)
                + ((known.schema_id, known.sequence_number) if known else (None, None))
            )
        return Rows(
            (
                ("timestamp", _MOMENT),
                ("file", "varchar"),
                ("latest_snapshot_id", "bigint"),
                ("latest_schema_id", "integer"),
                ("latest_sequence_number", "bigint"),
            ),
            rows,
        )

    def snapshots(self) -> Rows:
        rows: list[Row] = [
            (
                s.timestamp_ms,
                s.snapshot_id,
                s.parent_snapshot_id,
                s.summary.operation.value if s.summary else None,
                s.manifest_list,
                dict(s.summary.additional_properties) if s.summary else {},
            )
            for s in self._metadata.snapshots
        ]
        return Rows(
            (
                ("committed_at", _MOMENT),
                ("snapshot_id", "bigint"),
                ("parent_id", "bigint"),
                ("operation", "varchar"),
                ("manifest_list", "varchar"),
                ("summary", "map(varchar, varchar)"),
            ),
            rows,
        )

    def refs(self) -> Rows:
        rows: list[Row] = [
            (
                name,
                ref.snapshot_ref_type.value.upper(),
                ref.snapshot_id,
                ref.max_ref_age_ms,
                ref.min_snapshots_to_keep,
                ref.max_snapshot_age_ms,
            )
            for name, ref in sorted(self._metadata.refs.items())
        ]
        return Rows(
            (
                ("name", "varchar"),
                ("type", "varchar"),
                ("snapshot_id", "bigint"),
                ("max_reference_age_in_ms", "bigint"),
                ("min_snapshots_to_keep", "integer"),
                ("max_snapshot_age_in_ms", "bigint"),
            ),
            rows,
        )

    # --- of manifests -----------------------------------------------------------------------------------------------

    def manifests(self) -> Rows:
        return self._manifests([self._snapshot] if self._snapshot else [])

    def all_manifests(self) -> Rows:
        return self._manifests(self._metadata.snapshots)

    def _manifests(self, snapshots: Iterable[Snapshot]) -> Rows:
        rows: list[Row] = []
        for snapshot in snapshots:
            for m in manifests.manifests_of(self._files, snapshot):
                data = m.content == ManifestContent.DATA
                counts = (m.added_files_count, m.existing_files_count, m.deleted_files_count)
                none = (0, 0, 0)
                rows.append(
                    (
                        0 if data else 1,
                        m.manifest_path,
                        m.manifest_length,
                        m.partition_spec_id,
                        m.added_snapshot_id,
                        *(counts if data else none),
                        *(none if data else counts),
                        snapshot.snapshot_id,
                    )
                )
        counts = [
            (f"{what}_{of}_files_count", "integer")
            for of in ("data", "delete")
            for what in ("added", "existing", "deleted")
        ]
        return Rows(
            (
                ("content", "integer"),
                ("path", "varchar"),
                ("length", "bigint"),
                ("partition_spec_id", "integer"),
                ("added_snapshot_id", "bigint"),
                *counts,
                ("reference_snapshot_id", "bigint"),
            ),
            rows,
        )

    # --- of files ---------------------------------------------------------------------------------------------------

    def files(self) -> Rows:
        return self._of_files(self._live(), None)

    def data_files(self) -> Rows:
        return self._of_files(self._live(), True)

    def delete_files(self) -> Rows:
        return self._of_files(self._live(), False)

    def all_data_files(self) -> Rows:
        return self._of_files(self._all(), True)

    def all_files(self) -> Rows:
        return self._of_files(self._all(), None)

    def entries(self) -> Rows:
        rows: list[Row] = []
        for entry in self._entries(self._snapshot_manifests(), deleted=True):
            numbers = (entry.snapshot_id, entry.sequence_number, entry.file_sequence_number)
            rows.append((entry.status.value, *numbers, self._file(entry)))
        inner = ", ".join(f'"{name}" {kind}' for name, kind in self._file_columns())
        return Rows(
            (
                ("status", "integer"),
                ("snapshot_id", "bigint"),
                ("sequence_number", "bigint"),
                ("file_sequence_number", "bigint"),
                ("data_file", f"row({inner})"),
            ),
            rows,
        )

    def partitions(self) -> Rows:
        found: dict[str, list[Any]] = {}
        for entry in self._live():
            file = entry.data_file
            key = f"{file.spec_id} {file.partition!r}"
            row = found.setdefault(key, [self._partition(entry), file.spec_id, 0, 0, 0, 0, 0])
            if file.content == DataFileContent.DATA:
                row[2] += file.record_count
                row[3] += 1
                row[4] += file.file_size_in_bytes
            else:
                row[5] += file.record_count
                row[6] += 1
        names = [
            ("spec_id", "integer"),
            ("record_count", "bigint"),
            ("file_count", "bigint"),
            ("total_data_file_size_in_bytes", "bigint"),
            ("delete_record_count", "bigint"),
            ("delete_file_count", "bigint"),
        ]
        partitioned = self._partition_type()
        rows: list[Row] = [tuple(row if partitioned else row[1:]) for row in found.values()]
        head = [("partition", partitioned)] if partitioned else []
        return Rows((*head, *names), rows)

    def _snapshot_manifests(self) -> list[ManifestFile]:
        return manifests.manifests_of(self._files, self._snapshot) if self._snapshot else []

    def _entries(self, found: Iterable[ManifestFile], deleted: bool = False) -> Iterator[ManifestEntry]:
        for manifest in found:
            yield from manifests.entries_of(self._files, manifest, deleted=deleted)

    def _live(self) -> Iterator[ManifestEntry]:
        return self._entries(self._snapshot_manifests())

    def _all(self) -> Iterator[ManifestEntry]:
        seen: dict[str, ManifestFile] = {}
        for snapshot in self._metadata.snapshots:
            for manifest in manifests.manifests_of(self._files, snapshot):
                seen.setdefault(manifest.manifest_path, manifest)
        known: set[str] = set()
        for entry in self._entries(seen.values()):
            if entry.data_file.file_path not in known:
                known.add(entry.data_file.file_path)
                yield entry

    def _of_files(self, entries: Iterator[ManifestEntry], data: bool | None) -> Rows:
        rows = [self._file(e) for e in entries if data is None or (e.data_file.content == DataFileContent.DATA) is data]
        return Rows(self._file_columns(), rows)

    def _file_columns(self) -> tuple[tuple[str, str], ...]:
        partitioned = self._partition_type()
        return (
            ("content", "integer"),
            ("file_path", "varchar"),
            ("file_format", "varchar"),
            ("spec_id", "integer"),
            *([("partition", partitioned)] if partitioned else []),
            ("record_count", "bigint"),
            ("file_size_in_bytes", "bigint"),
            ("column_sizes", _COUNTS),
            ("value_counts", _COUNTS),
            ("null_value_counts", _COUNTS),
            ("nan_value_counts", _COUNTS),
            ("lower_bounds", _TEXTS),
            ("upper_bounds", _TEXTS),
            ("key_metadata", "varchar"),
            ("split_offsets", "array(bigint)"),
            ("equality_ids", "array(integer)"),
            ("sort_order_id", "integer"),
        )

    def _file(self, entry: ManifestEntry) -> Row:
        file = entry.data_file
        partition = [self._partition(entry)] if self._partition_type() else []
        return (
            int(file.content),
            file.file_path,
            str(getattr(file.file_format, "value", file.file_format)),
            file.spec_id,
            *partition,
            file.record_count,
            file.file_size_in_bytes,
            file.column_sizes,
            file.value_counts,
            file.null_value_counts,
            file.nan_value_counts,
            self._bounds(file.lower_bounds),
            self._bounds(file.upper_bounds),
            file.key_metadata.hex() if file.key_metadata else None,
            file.split_offsets,
            file.equality_ids,
            file.sort_order_id,
        )

    def _bounds(self, bounds: dict[int, bytes] | None) -> dict[int, str] | None:
        if bounds is None:
            return None
        found: dict[int, str] = {}
        for number, raw in bounds.items():
            try:
                kind = self._metadata.schema().find_type(number)
                found[number] = _text(from_bytes(kind, raw), kind) if isinstance(kind, PrimitiveType) else raw.hex()
            except (ValueError, KeyError):  # of a column that is gone, or of position deletes
                found[number] = raw.decode("utf-8", "replace")
        return found

    def _fields(self) -> list[tuple[int, str, PrimitiveType]]:
        """(field id, name, type) of the partition fields of all specs, each once."""
        found: dict[int, tuple[int, str, PrimitiveType]] = {}
        schema = self._metadata.schema()
        for spec in sorted(self._metadata.partition_specs, key=lambda s: -s.spec_id):
            for field, made in zip(spec.fields, spec.partition_type(schema).fields, strict=True):
                if isinstance(made.field_type, PrimitiveType):
                    found.setdefault(field.field_id, (field.field_id, field.name, made.field_type))
        return [found[key] for key in sorted(found)]

    def _partition_type(self) -> str:
        fields = self._fields()
        if not fields:
            return ""
        return "row(" + ", ".join(f'"{name}" {self._trino(str(kind))}' for _, name, kind in fields) + ")"

    def _partition(self, entry: ManifestEntry) -> Row:
        spec = self._metadata.specs()[entry.data_file.spec_id]
        values = {field.field_id: entry.data_file.partition[i] for i, field in enumerate(spec.fields)}
        return tuple(
            None if values.get(number) is None else _text(values[number], kind) for number, _, kind in self._fields()
        )


def _text(value: Any, kind: PrimitiveType) -> str:
    """A value as people read it: dates and moments are kept as numbers in metadata."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    human: Any = IdentityTransform()
    return str(human.to_human_string(kind, value))
