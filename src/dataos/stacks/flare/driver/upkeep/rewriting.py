"""Data files rewritten: small ones put together, rows sorted, deletes applied (`rewrite_dataset`, ch04 3.16).

A group of files of one partition is read and written as a stream; the swap is one commit that the server makes
(`replace-files`), and that fails if what was read has changed. The rows stay the same.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.io.pyarrow import (
    ArrowProjectionVisitor,
    ArrowScan,
    _get_parquet_writer_kwargs,  # pyright: ignore[reportPrivateUsage] - the version is pinned
    _read_all_delete_files,  # pyright: ignore[reportPrivateUsage]
    _to_requested_schema,  # pyright: ignore[reportPrivateUsage]
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    write_manifest,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table import FileScanTask, Table
from pyiceberg.typedef import Record

from dataos.core import nestednulls
from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.actions import Options
from dataos.stacks.flare.driver.upkeep import orders, predicates
from dataos.stacks.flare.driver.upkeep.partitions import split

_SMALL, _LARGE = 0.75, 1.8
_NEWEST = 2  # format version that PyIceberg writes
_FLUSH_BYTES = 64 << 20
_PARQUET = FileFormatFactory.get(FileFormat.PARQUET)
_UNSURE = ("server.", "wait.", "store.")

Commit = Callable[[int, Sequence[tuple[str, int]], Sequence[str]], dict[str, Any]]
"""(snapshot read, manifests with the new files as (path, spec id), paths that go) -> {snapshot, deleteFilesRemoved}:
the server's `replace-files`. Raises DataOSError `iceberg.conflict`."""


@dataclass
class Result:
    """Counts; bytes of data files. `before` and `after` are of the whole table."""

    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rewritten: int = 0
    written: int = 0
    rows: int = 0
    delete_files_removed: int = 0
    commits: int = 0
    failed: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """As logs and the API show it."""
        return {
            "filesBefore": self.files_before,
            "filesAfter": self.files_after,
            "bytesBefore": self.bytes_before,
            "bytesAfter": self.bytes_after,
            "filesRewritten": self.rewritten,
            "filesWritten": self.written,
            "rows": self.rows,
            "deleteFilesRemoved": self.delete_files_removed,
            "commits": self.commits,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Group:
    """Files of one partition of one spec that are rewritten together."""

    spec_id: int
    partition: Record
    tasks: list[FileScanTask]

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(t.file.file_size_in_bytes for t in self.tasks)


def rewrite(
    table: Table, options: Options, commit: Commit, say: Callable[[str], None], *, dry_run: bool = False
) -> Result:
    """Rewrite what is worth it. Raises DataOSError `dataset.rewrite`, `dataset.where`, `dataset.order`, as `Commit`;
    then nothing has changed, or with partial progress only whole groups have."""
    nestednulls.keep(ArrowProjectionVisitor)
    result = Result()
    snapshot = table.current_snapshot()
    if snapshot is None:
        return result
    if table.format_version > _NEWEST:
        raise fail(
            "dataset.rewrite",
            f"the table has format version {table.format_version}, whose rows are numbered: files are rewritten up "
            f"to version {_NEWEST}",
            hint="let Apache Spark do it, which keeps the numbers: CALL system.rewrite_data_files",
        )
    order = _order(table, options)
    where: BooleanExpression = AlwaysTrue()
    if options.where:
        where = predicates.parse(options.where, table.schema())
    every = _plan(table, AlwaysTrue())
    chosen = every if isinstance(where, AlwaysTrue) else _plan(table, where)
    result.files_before = result.files_after = len(every)
    result.bytes_before = result.bytes_after = sum(t.file.file_size_in_bytes for t in every)
    found = groups(table, chosen, options, order)
    say(f"to rewrite: {sum(len(g.tasks) for g in found)} of {len(every)} files, in groups: {len(found)}")
    if dry_run:
        result.rewritten = sum(len(g.tasks) for g in found)
        result.written = sum(max(1, math.ceil(g.size / options.target_bytes)) for g in found)
        result.files_after += result.written - result.rewritten
        return result
    parts = max(1, min(options.max_commits, len(found))) if options.partial_progress else 1
    each = max(1, math.ceil(len(found) / parts))
    for start in range(0, len(found), each):
        some = found[start : start + each]
        try:
            _rewrite_some(table, snapshot.snapshot_id, some, options, order, commit, say, result)
        except DataOSError as error:
            if not options.partial_progress:
                raise
            result.failed.append(str(error))
            say(f"a part was not committed: {error}")
    return result


def _order(table: Table, options: Options) -> orders.Order | None:
    if options.strategy == "binpack":
        if options.sort_order:
            raise fail("dataset.rewrite", "binpack keeps rows as they stand", hint="strategy: sort goes with sortOrder")
        return None
    if options.sort_order:
        return orders.parse(options.sort_order, table.schema())
    return orders.of_table(table.sort_order(), table.schema())


def _plan(table: Table, where: BooleanExpression) -> list[FileScanTask]:
    try:
        found = list(table.scan(row_filter=where).plan_files())
    except ValueError as error:
        if "equality deletes" not in str(error):
            raise
        raise fail(
            "dataset.rewrite",
            "the table holds equality deletes, which are not applied here",
            hint="let the engine that wrote them (Flink, Spark) rewrite the table once",
        ) from error
    # all rows of a file are rewritten, whichever of them the predicate means
    return [FileScanTask(t.file, t.delete_files, AlwaysTrue()) for t in found]


def groups(table: Table, tasks: list[FileScanTask], options: Options, order: orders.Order | None) -> list[Group]:
    """What is worth a rewrite: files of another size than wanted, of an earlier partitioning, with deletes, or not in
    order; each group at most `max_group_bytes`."""
    by_place: dict[tuple[int, str], list[FileScanTask]] = {}
    for task in tasks:
        if options.rewrite_all or _needs(table, task, options, order):
            by_place.setdefault((task.file.spec_id, repr(task.file.partition)), []).append(task)
    found: list[Group] = []
    for (spec_id, _), members in sorted(by_place.items()):
        members.sort(key=lambda t: t.file.file_path)
        some: list[FileScanTask] = []
        for task in members:
            if (
                some
                and sum(t.file.file_size_in_bytes for t in some) + task.file.file_size_in_bytes
                > options.max_group_bytes
            ):
                found.append(Group(spec_id, some[0].file.partition, some))
                some = []
            some.append(task)
        found.append(Group(spec_id, some[0].file.partition, some))
    return [g for g in found if options.rewrite_all or len(g.tasks) > 1 or _alone(table, g.tasks[0], options, order)]


def _needs(table: Table, task: FileScanTask, options: Options, order: orders.Order | None) -> bool:
    size = task.file.file_size_in_bytes
    wrong = size < _SMALL * options.target_bytes or size > _LARGE * options.target_bytes
    return wrong or _alone(table, task, options, order)


def _alone(table: Table, task: FileScanTask, options: Options, order: orders.Order | None) -> bool:
    """Worth it for a single file."""
    old = task.file.spec_id != table.spec().spec_id
    unsorted = order is not None and order.order_id is not None and task.file.sort_order_id != order.order_id
    return bool(task.delete_files) or old or unsorted or task.file.file_size_in_bytes > _LARGE * options.target_bytes


def _rewrite_some(
    table: Table,
    base: int,
    some: list[Group],
    options: Options,
    order: orders.Order | None,
    commit: Commit,
    say: Callable[[str], None],
    result: Result,
) -> None:
    made: list[DataFile] = []
    others: list[str] = []
    sure = True
    try:
        for group in some:
            made += _rewrite_group(table, group, options, order)
            say(f"rewritten: {len(group.tasks)} files of {_place(table, group)}, {group.size:,} bytes")
        if made:  # not where no row was left
            others.append(_list(table, made))
        removed = [t.file.file_path for g in some for t in g.tasks]
        try:
            done = commit(base, [(path, table.spec().spec_id) for path in others], removed)
        except DataOSError as error:
            sure = not error.problem.code.startswith(_UNSURE)  # else it may have been done
            raise
    except BaseException:
        if sure:
            for path in [*(f.file_path for f in made), *others]:
                table.io.delete(path)
        raise
    result.commits += 1
    result.rewritten += len(removed)
    result.written += len(made)
    result.rows += sum(f.record_count for f in made)
    result.files_after += len(made) - len(removed)
    result.bytes_after += sum(f.file_size_in_bytes for f in made) - sum(g.size for g in some)
    result.delete_files_removed += int(done.get("deleteFilesRemoved", 0))


def _place(table: Table, group: Group) -> str:
    """A group's partition, for people."""
    spec = table.specs()[group.spec_id]
    return "the table" if spec.is_unpartitioned() else spec.partition_to_path(group.partition, table.schema())


def _list(table: Table, made: Iterable[DataFile]) -> str:
    """A manifest of new files, for the server to read."""
    path = f"{table.location().rstrip('/')}/metadata/rewrite-{uuid.uuid4()}.avro"
    metadata = table.metadata
    output = table.io.new_output(path)
    codec: Any = "gzip"
    with write_manifest(metadata.format_version, table.spec(), table.schema(), output, 1, codec) as writer:
        for data_file in made:
            writer.add_entry(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED,
                    snapshot_id=1,
                    sequence_number=None,
                    file_sequence_number=None,
                    data_file=data_file,
                )
            )
    return path


def _rewrite_group(table: Table, group: Group, options: Options, order: orders.Order | None) -> list[DataFile]:
    batches = _read(table, group)
    if order is not None:
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        cast = (pa.Table.from_batches([b]).cast(schema).combine_chunks().to_batches() for b in batches)
        flat = (batch for some in cast for batch in some)
        batches = orders.apply(order, schema, flat, options.memory_bytes, options.scratch)
    same = group.spec_id == table.spec().spec_id
    writers: dict[str, _Writer] = {}
    try:
        for batch in batches:
            pieces = [(group.partition, batch)] if same else split(batch, table.spec(), table.schema())
            for partition, piece in pieces:
                key = repr(partition)
                if key not in writers:
                    writers[key] = _Writer(table, partition, options.target_bytes, order)
                writers[key].write(piece)
        return [data_file for writer in writers.values() for data_file in writer.finish()]
    except BaseException:
        for writer in writers.values():
            writer.discard()
        raise


def _read(table: Table, group: Group) -> Iterator[pa.RecordBatch]:
    """All rows that live, file by file."""
    scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    for task in group.tasks:
        deleted = _read_all_delete_files(table.io, [task])
        yield from scan._record_batches_from_scan_tasks_and_deletes([task], deleted)  # pyright: ignore[reportPrivateUsage] - its public sister keeps whole files in memory


class _Writer:
    """Parquet files of one partition, each about as large as wanted."""

    def __init__(self, table: Table, partition: Record, target_bytes: int, order: orders.Order | None) -> None:
        self._table = table
        self._partition = partition
        self._target = target_bytes
        self._order_id = order.order_id if order is not None else None
        self._schema: Schema = sanitize_column_names(table.schema())
        self._plan = compute_statistics_plan(self._schema, table.metadata.properties)
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._sink: Any = None
        self._writer: pq.ParquetWriter | None = None
        self._path = ""
        self._made: list[DataFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows; row groups are written when enough have come."""
        limit = min(_FLUSH_BYTES, self._target)
        at = 0
        while at < len(batch):
            step = max(1, len(batch) * limit // max(1, batch.nbytes))
            piece = batch.slice(at, step)
            at += step
            self._waiting.append(
                _to_requested_schema(
                    self._schema, self._table.schema(), piece, include_field_ids=True, format_model=_PARQUET
                )
            )
            self._waiting_bytes += piece.nbytes
            if self._waiting_bytes >= limit:
                self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        if self._writer is None:
            self._path = self._new_path(self._table.spec())
            self._sink = self._table.io.new_output(self._path).create()
            kwargs = _get_parquet_writer_kwargs(self._table.metadata.properties)
            self._writer = pq.ParquetWriter(self._sink, rows.schema, store_decimal_as_integer=True, **kwargs)
        self._writer.write_table(rows)
        if self._sink.tell() >= self._target:
            self._close()

    def _new_path(self, spec: PartitionSpec) -> str:
        name = f"00000-0-{uuid.uuid4()}.parquet"
        if not spec.is_unpartitioned():
            name = f"{spec.partition_to_path(self._partition, self._table.schema())}/{name}"
        return self._table.location_provider().new_data_location(name)

    def _close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._sink.close()
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=self._writer.writer.metadata,
            stats_columns=self._plan,
            parquet_column_mapping=parquet_path_to_id_mapping(self._schema),
        )
        self._made.append(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=self._path,
                file_format=FileFormat.PARQUET,
                partition=self._partition,
                file_size_in_bytes=len(self._table.io.new_input(self._path)),
                sort_order_id=self._order_id,
                spec_id=self._table.spec().spec_id,
                equality_ids=None,
                key_metadata=None,
                **statistics.to_serialized_dict(),
            )
        )
        self._writer = None

    def finish(self) -> list[DataFile]:
        """Write the rest; the files that were made."""
        self._flush()
        self._close()
        return self._made

    def discard(self) -> None:
        """Delete what was written."""
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._table.io.delete(self._path)
        for data_file in self._made:
            self._table.io.delete(data_file.file_path)
