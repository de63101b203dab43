"""Writing Iceberg and Delta tables that lie in folders, without a catalog: rows of Parquet files in one commit.

A commit shows at once and to one writer only: Delta's log takes a version once, and so does `v<n>.metadata.json` of an
Iceberg table (layout of the Iceberg spec's file system tables). Who comes second takes what the first one wrote into
account and tries again. A commit names the delivery's mark (Delta: as application transaction, Iceberg: in the
snapshot's summary), so that an append is done once however often it is brought.

What blocks runs in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core.errors import DataOSError, fail
from dataos.depots import placing, tableformats
from dataos.depots.ports import (
    Delivery,
    Fence,
    ObjectStoreConnection,
    TablePartition,
    TableWriting,
    WriteMode,
)
from dataos.depots.tableformats import Folder as Names

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyiceberg.table import Table

_TRIES = 8
_BATCH_ROWS = 65_536
_PIECE_BYTES = 256 << 20  # rows of partitioned tables are held in memory by so much
_MARK = "dataos.delivery"
_HADOOP = re.compile(r"v(\d+)(?:\.gz)?\.metadata\.json")


@dataclass(frozen=True)
class Place:
    """Where a table is, and how its folder is written.

    `create` makes a file below the table's folder unless one of that name is there (False then); `replace` writes one
    anyway. `delta` and `iceberg` are the libraries' own words for the store and its credentials.
    """

    name: str  # for messages
    location: str  # a folder's path, or s3://bucket/key
    create: Callable[[str, bytes], bool] = field(repr=False)
    replace: Callable[[str, bytes], None] = field(repr=False)
    delta: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    iceberg: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


async def deliver(
    place: Place, folder: Names, path: str, delivery: Delivery, table: TableWriting, fence: Fence
) -> None:
    """Bring a delivery's rows into the table at `path` of a depot's folder. Raises as `write`."""
    loop = asyncio.get_running_loop()
    names = await asyncio.to_thread(placing.staged, delivery.folder)
    files = [delivery.folder / name for name in names if name.endswith(".parquet")]

    def newest() -> str | None:
        return asyncio.run_coroutine_threadsafe(_newest(folder, path), loop).result()

    async def look() -> None:
        await fence()

    def fenced() -> None:
        asyncio.run_coroutine_threadsafe(look(), loop).result()

    current = await _newest(folder, path)
    other = "DELTA" if table.format == "iceberg" else "ICEBERG"
    if await tableformats.is_table(folder, other, path):
        raise fail("depot.table", f"{place.name} is a table of format {other.lower()}", hint="name another dataset")
    arguments = (place, current, files, delivery.mode, delivery.mark, table, fenced, newest)
    await asyncio.to_thread(write, *arguments)


async def _newest(folder: Names, path: str) -> str | None:
    found = await tableformats.metadata_path(folder, path)
    return folder.place(found) if found is not None else None


def delta_options(store: ObjectStoreConnection) -> dict[str, str]:
    """delta-rs's words for a store. Commits are conditional writes."""
    options = {
        "aws_region": store.region or "us-east-1",
        "aws_access_key_id": store.credentials.get("access_key_id", ""),
        "aws_secret_access_key": store.credentials.get("secret_access_key", ""),
        "aws_session_token": store.credentials.get("session_token", ""),
        "aws_endpoint_url": store.endpoint or "",
        "aws_allow_http": str((store.endpoint or "").startswith("http://")).lower(),
        "aws_virtual_hosted_style_request": str(not store.path_style).lower(),
        "aws_skip_signature": str(not store.credentials).lower(),
        "aws_conditional_put": "etag",
    }
    return {key: value for key, value in options.items() if value}


def iceberg_options(store: ObjectStoreConnection) -> dict[str, str]:
    """PyIceberg's words for a store."""
    options = {
        "s3.region": store.region or "us-east-1",
        "s3.access-key-id": store.credentials.get("access_key_id", ""),
        "s3.secret-access-key": store.credentials.get("secret_access_key", ""),
        "s3.session-token": store.credentials.get("session_token", ""),
        "s3.endpoint": store.endpoint or "",
        "s3.force-virtual-addressing": str(not store.path_style).lower(),
        "s3.anonymous": str(not store.credentials).lower(),
    }
    return {key: value for key, value in options.items() if value}


def write(
    place: Place,
    current: str | None,
    files: Sequence[Path],
    mode: WriteMode,
    mark: str,
    table: TableWriting,
    fence: Callable[[], None],
    newest: Callable[[], str | None],
) -> None:
    """Bring the rows of Parquet files (all of one schema) into the table.

    `current` is the address of an Iceberg table's metadata file, None for a table that is to be made; `newest` looks
    again. `fence` is called right before the commit. Raises DataOSError `depot.table`, and what `fence` raises.
    """
    try:
        if table.format == "delta":
            _write_delta(place, files, mode, mark, table, fence)
        else:
            _write_iceberg(place, current, files, mode, mark, table, fence, newest)
    except DataOSError:
        raise
    except Exception as error:  # noqa: BLE001 - both libraries raise many classes
        raise _problem(place, error) from None


def rows(files: Sequence[Path]) -> pa.RecordBatchReader:
    """The rows of Parquet files, piece by piece."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _plain(pq.read_schema(files[0]))

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with pq.ParquetFile(file) as opened:
                for batch in opened.iter_batches(_BATCH_ROWS):
                    if batch.num_rows:
                        yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _plain(schema: pa.Schema) -> pa.Schema:
    """Times in microseconds and no engine's remarks: what both formats hold."""
    import pyarrow as pa

    def plain(kind: pa.DataType) -> pa.DataType:
        return pa.timestamp("us", tz=kind.tz and "UTC") if pa.types.is_timestamp(kind) else kind

    return pa.schema([pa.field(f.name, plain(f.type), f.nullable) for f in schema])


# --- Delta ------------------------------------------------------------------------------------------------------------


def _write_delta(
    place: Place,
    files: Sequence[Path],
    mode: WriteMode,
    mark: str,
    table: TableWriting,
    fence: Callable[[], None],
) -> None:
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    options = dict(place.delta)
    for attempt in range(_TRIES):
        there = _delta_table(place.location, options)
        if there is not None and mode == "append" and there.transaction_version(mark) is not None:
            return
        partitions = [p.column for p in table.partitions]
        if there is not None and partitions and mode == "append":
            _same_partitions(place, there.metadata().partition_columns, partitions)
        version = (there.transaction_version(mark) or 0) + 1 if there is not None else 1
        fence()
        try:
            write_deltalake(
                there if there is not None else place.location,
                rows(files),
                mode=mode,
                partition_by=partitions or None,
                schema_mode="overwrite" if mode == "overwrite" else None,
                configuration=dict(table.properties) if there is None else None,
                storage_options=options if there is None else None,
                commit_properties=CommitProperties(app_transactions=[Transaction(mark, version)]),
            )
            return
        except CommitFailedError:
            if attempt == _TRIES - 1:
                raise


def _delta_table(location: str, options: dict[str, str]) -> DeltaTable | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:  # `is_deltatable` would hold the interpreter's lock while it asks
        return DeltaTable(location, storage_options=options)
    except TableNotFoundError:
        return None


def _same_partitions(place: Place, known: Sequence[str], wanted: Sequence[str]) -> None:
    if list(known) != list(wanted):
        raise fail(
            "depot.table",
            f"{place.name} is partitioned by {', '.join(known) or 'nothing'}, not by {', '.join(wanted)}",
            hint="leave partitions out (an append takes the table's own), or overwrite the table",
        )


# --- Iceberg ----------------------------------------------------------------------------------------------------------


def _write_iceberg(
    place: Place,
    current: str | None,
    files: Sequence[Path],
    mode: WriteMode,
    mark: str,
    table: TableWriting,
    fence: Callable[[], None],
    newest: Callable[[], str | None],
) -> None:
    for _ in range(_TRIES):
        found = _iceberg_table(place, current, files, table, fence)
        delivered = any((s.summary or {}).get(_MARK) == mark for s in found.metadata.snapshots)
        if mode == "append" and delivered:
            return
        try:
            _commit(found, files, mode, mark)
            return
        except _Overtaken:
            current = newest()
    raise fail("depot.table", f"{place.name} kept changing while it was written", hint="repeat it later", retry=10.0)


class _Overtaken(Exception):
    """Somebody else made the next version."""


def _iceberg_table(
    place: Place, current: str | None, files: Sequence[Path], table: TableWriting, fence: Callable[[], None]
) -> Table:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io import load_file_io
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.update import update_table_metadata

    io = load_file_io(dict(place.iceberg), place.location)
    number = 0
    if current is None:
        metadata = _fresh(place, rows(files).schema, table)
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
            fence()
            if not place.create(f"metadata/v{number + 1}.metadata.json", content):
                raise _Overtaken
            place.replace("metadata/version-hint.text", str(number + 1).encode())
            location = f"{place.location}/metadata/v{number + 1}.metadata.json"
            return CommitTableResponse.model_validate({"metadata": made, "metadata-location": location})

    return Table(("table",), metadata, current or f"{place.location}/metadata/v0.metadata.json", io, Folder("folder"))


def _fresh(place: Place, schema: pa.Schema, table: TableWriting) -> Any:
    """Metadata of a table that has no rows yet, and is not written yet."""
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids  # pyright: ignore[reportPrivateUsage]
    from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.table.metadata import new_table_metadata
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

    columns = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(schema))
    fields = [
        PartitionField(
            source_id=columns.find_field(part.column, case_sensitive=False).field_id,
            field_id=PARTITION_FIELD_ID_START + position,
            transform=_transform(part),
            name=part.name or _partition_name(part),
        )
        for position, part in enumerate(table.partitions)
    ]
    return new_table_metadata(
        columns, PartitionSpec(*fields), UNSORTED_SORT_ORDER, place.location, dict(table.properties)
    )


def _transform(part: TablePartition) -> Any:
    from pyiceberg.transforms import parse_transform

    return parse_transform(f"bucket[{part.buckets}]" if part.transform == "bucket" else part.transform)


def _partition_name(part: TablePartition) -> str:
    return part.column if part.transform == "identity" else f"{part.column}_{part.transform}"


def _commit(table: Table, files: Sequence[Path], mode: WriteMode, mark: str) -> None:
    """All rows in one commit. A partitioned table takes them in pieces, each a snapshot of that commit."""
    from pyiceberg.expressions import AlwaysTrue

    summary = {_MARK: mark}
    with table.transaction() as change:
        reader = rows(files)
        if mode == "overwrite" and table.metadata.snapshots:
            change.delete(AlwaysTrue(), snapshot_properties=summary)
        if mode == "overwrite":
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
    for name, old in known.items():
        new = fresh.get(name)
        if new is None or (str(new.field_type) != str(old.field_type) and old.field_type.is_primitive):
            change.delete_column(name)
    for name, new in fresh.items():
        old = known.get(name)
        if old is None or (str(new.field_type) != str(old.field_type) and old.field_type.is_primitive):
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


def _problem(place: Place, error: Exception) -> DataOSError:
    """Words for a library's error; its own may show requests with their headers, so only known ones are repeated."""
    text = str(error)
    if isinstance(error, PermissionError) or "403" in text or "AccessDenied" in text:
        return fail("depot.credentials", f"{place.name} may not be written with the depot's credentials")
    if isinstance(error, OSError) and error.strerror:
        return fail("depot.path", f"{place.name} cannot be written: {error.strerror}", hint="is the disk full?")
    words = ("chema", "type", "column", "field", "partition")
    if any(word in text for word in words) and "http" not in text:
        return fail(
            "depot.table",
            f"{place.name} does not take these rows: {' '.join(text.split())[:500]}",
            hint="an append needs the table's own columns and types; an overwrite brings its own",
        )
    return fail(
        "depot.table", f"{place.name} cannot be written ({type(error).__name__})", hint="repeat it later", retry=10.0
    )
