"""Rows into an Iceberg table of a folder: the next `v<n>.metadata.json`, which one writer only can make.

The delivery's mark stands in the snapshot's summary. Layout: Iceberg spec, file system tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dataos.core import nestednulls
from dataos.core.errors import fail
from dataos.depots.ports import TablePartition
from dataos.depots.tableplaces import TRIES, Writing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

_PIECE_BYTES = 256 << 20  # rows of partitioned tables are held in memory by so much
_MARK = "dataos.delivery"
_HADOOP = re.compile(r"v(\d+)(?:\.gz)?\.metadata\.json")


def write(writing: Writing, newest: Callable[[], str | None]) -> None:
    """Bring the rows into the table. `newest`: the address of its newest metadata file, None for a table that is to be
    made. Raises DataOSError `depot.table`, what the fence raises, and what the library does."""
    for _ in range(TRIES):
        found = _iceberg_table(writing, newest())
        delivered = any((s.summary or {}).get(_MARK) == writing.mark for s in found.metadata.snapshots)
        if writing.mode == "append" and delivered:
            return
        try:
            _commit(found, writing)
            return
        except _Overtaken:
            continue
    name = writing.place.name
    raise fail("depot.table", f"{name} kept changing while it was written", hint="repeat it later", retry=10.0)


class _Overtaken(Exception):
    """Somebody else made the next version."""


def _iceberg_table(writing: Writing, current: str | None) -> Table:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io import load_file_io
    from pyiceberg.io.pyarrow import ArrowProjectionVisitor
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.update import update_table_metadata

    nestednulls.keep(ArrowProjectionVisitor)
    place = writing.place
    io = load_file_io(dict(place.iceberg), place.location)
    number = 0
    if current is None:
        metadata = _fresh(writing)
    else:
        matched = _HADOOP.fullmatch(current.rpartition("/")[2])
        if matched is None:
            raise fail(
                "depot.table",
                f"{place.name} is kept by a catalog: its newest metadata file is {current.rpartition('/')[2]}",
                hint="write it through that catalog, which would not see what is written beside it; or name another "
                "dataset",
            )
        number = int(matched[1])
        metadata = FromInputFile.table_metadata(io.new_input(current))

    class Folder(NoopCatalog):
        """Commits a table by making its next metadata file."""

        def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
            for requirement in requirements:
                requirement.validate(table.metadata)
            made = update_table_metadata(table.metadata, updates, False, current)
            content = made.model_dump_json(exclude_none=True).encode()
            writing.fence()
            if not place.create(f"metadata/v{number + 1}.metadata.json", content):
                raise _Overtaken
            place.replace("metadata/version-hint.text", str(number + 1).encode())
            location = f"{place.location}/metadata/v{number + 1}.metadata.json"
            return CommitTableResponse.model_validate({"metadata": made, "metadata-location": location})

    return Table(("table",), metadata, current or f"{place.location}/metadata/v0.metadata.json", io, Folder("folder"))


def _fresh(writing: Writing) -> Any:
    """Metadata of a table that has no rows yet, and is not written yet."""
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids  # pyright: ignore[reportPrivateUsage]
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

    columns = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(writing.rows().schema))
    fields = [
        PartitionField(
            source_id=columns.find_field(part.column, case_sensitive=False).field_id,
            field_id=PARTITION_FIELD_ID_START + position,
            transform=_transform(part),
            name=part.name or _partition_name(part),
        )
        for position, part in enumerate(writing.table.partitions)
    ]
    return new_table_metadata(
        columns, PartitionSpec(*fields), UNSORTED_SORT_ORDER, writing.place.location, dict(writing.table.properties)
    )


def _transform(part: TablePartition) -> Any:
    from pyiceberg.transforms import parse_transform

    return parse_transform(f"bucket[{part.buckets}]" if part.transform == "bucket" else part.transform)


def _partition_name(part: TablePartition) -> str:
    return part.column if part.transform == "identity" else f"{part.column}_{part.transform}"


def _commit(table: Table, writing: Writing) -> None:
    """All rows in one commit. A partitioned table takes them in pieces, each a snapshot of that commit."""
    from pyiceberg.expressions import AlwaysTrue

    summary = {_MARK: writing.mark}
    with table.transaction() as change:
        reader = writing.rows()
        if writing.mode == "overwrite":
            if table.metadata.snapshots:
                change.delete(AlwaysTrue(), snapshot_properties=summary)
            with change.update_schema(allow_incompatible_changes=True) as schema:
                _take_columns(schema, table, reader.schema)
        if table.spec().is_unpartitioned():
            change.append(reader, snapshot_properties=summary)
            return
        for piece in _pieces(reader):
            change.append(piece, snapshot_properties=summary)


def _take_columns(change: Any, table: Table, wanted: pa.Schema) -> None:
    """Make the columns those that are written: an overwrite brings its own."""
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids  # pyright: ignore[reportPrivateUsage]

    fresh = {f.name: f for f in _pyarrow_to_schema_without_ids(wanted).fields}
    known = {f.name: f for f in table.schema().fields}
    kept = {
        name
        for name, old in known.items()
        if name in fresh and (str(fresh[name].field_type) == str(old.field_type) or not old.field_type.is_primitive)
    }
    for name in known:
        if name not in kept:
            change.delete_column(name)
    for name, new in fresh.items():
        if name not in kept:
            change.add_column(name, new.field_type)


def _pieces(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        held.append(batch)
        size += batch.nbytes
        if size >= _PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held, reader.schema)
