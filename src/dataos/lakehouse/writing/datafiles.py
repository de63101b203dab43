"""Arrow batches become Parquet data files of one table: by partition, of bounded memory, with statistics.

The files are named by nobody until a commit says so (`rowchanges`); `discard` deletes them. All calls block and are
made in worker threads, one at a time. Loaded at first use only: it imports PyIceberg and PyArrow.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
from pyiceberg.io import InputFile, OutputFile, OutputStream
from pyiceberg.io.fileformat import FileFormatFactory, FileFormatWriter
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec, partition_record_value
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import VoidTransform
from pyiceberg.typedef import Record

from dataos.core.errors import fail
from dataos.lakehouse.files import Files

pc: Any = pyarrow.compute

_HELD_BYTES = 128 << 20  # rows that wait in memory for their row group, of all partitions together
_GROUP_BYTES = 32 << 20  # rows that make a row group
_OPEN_FILES = 64
_FILE_BYTES = 512 << 20
_FILE_BYTES_KEY = "write.target-file-size-bytes"


@dataclass
class _Part:
    """Rows of one partition: what waits, and the file that is open."""

    record: Record
    held: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    held_bytes: int = 0
    path: str = ""
    writer: FileFormatWriter | None = None
    output: _Output | None = None
    used: int = 0


class DataFileWriter:
    """Writes rows of a table's current schema into files of its default partition spec. `kept`: the files belong to a
    commit, or may do so: they are not to be discarded."""

    def __init__(self, files: Files, metadata: TableMetadata, name: str) -> None:
        """`name`: a prefix of the files' names that no other writer has. Raises DataOSError `iceberg.unsupported`."""
        _refuse_format(metadata)
        self._files = files
        self._properties = metadata.properties
        self._schema = metadata.schema()
        self._spec: PartitionSpec = metadata.spec()
        self._file_schema: Schema = sanitize_column_names(self._schema)
        self._arrow = _plain(schema_to_pyarrow(self._file_schema, include_field_ids=True))
        self._folder = f"{metadata.location.rstrip('/')}/data"
        self._name = name
        self._target = _size(metadata.properties)
        self._parts: dict[tuple[Any, ...], _Part] = {}
        self._number = 0
        self._clock = 0
        self._written: list[str] = []
        self._done: list[DataFile] = []
        self._lock = Lock()  # a cancelled statement discards what a thread is still writing
        self.rows = 0
        self.kept = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows: the table's columns in their order, of types that cast to the table's without loss.

        Raises DataOSError `iceberg.null` for a NULL in a required column, `iceberg.value` for what does not fit.
        """
        if batch.num_rows == 0:
            return
        with self._lock:
            rows = self._cast(batch)
            self.rows += rows.num_rows
            for record, some in self._split(rows):
                self._hold(record, some)
            while sum(p.held_bytes for p in self._parts.values()) > _HELD_BYTES:
                self._flush(max(self._parts.values(), key=lambda p: p.held_bytes))

    def finish(self) -> list[DataFile]:
        """Close all files; the data files that a commit may name."""
        with self._lock:
            for part in self._parts.values():
                self._flush(part)
                self._close(part)
            self._parts.clear()
            return self._done

    def discard(self) -> None:
        """Delete what was written."""
        with self._lock:
            for part in self._parts.values():
                if part.writer is not None and part.output is not None:
                    part.output.drop()
                    with contextlib.suppress(Exception):  # it writes its end into nothing
                        part.writer.close()
            self._parts.clear()
            for path in self._written:
                self._files.delete(path)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns: list[pa.Array] = []
        for position, wanted in enumerate(self._arrow):
            found: Any = batch.column(position)
            shown = self._schema.fields[position].name
            if found.null_count and not wanted.nullable:
                raise fail(
                    "iceberg.null",
                    f"NULL value not allowed for NOT NULL column: {shown}",
                    hint="give every row a value: COALESCE(x, ...)",
                )
            columns.append(_as(found, wanted.type, shown))
        return pa.RecordBatch.from_arrays(columns, schema=self._arrow)

    def _split(self, rows: pa.RecordBatch) -> Iterator[tuple[Record, pa.RecordBatch]]:
        fields = [f for f in self._spec.fields if not isinstance(f.transform, VoidTransform)]
        if not fields:
            yield Record(*[None for _ in self._spec.fields]), rows
            return
        names = [f"__partition_{i}" for i in range(len(fields))]
        table = pa.Table.from_batches([rows])
        for one, name in zip(fields, names, strict=True):
            table = table.append_column(name, self._values(table, one))
        keys: list[dict[str, Any]] = table.select(names).group_by(names).aggregate([]).to_pylist()
        for key in keys:
            record = self._record({f.field_id: key[n] for f, n in zip(fields, names, strict=True)})
            if len(keys) == 1:
                yield record, rows
                return
            conditions = [pc.field(n) == key[n] if key[n] is not None else pc.field(n).is_null() for n in names]
            chosen = table.filter(functools.reduce(operator.and_, conditions)).drop_columns(names).combine_chunks()
            for some in chosen.to_batches():
                yield record, some

    def _values(self, table: pa.Table, one: PartitionField) -> Any:
        source = self._file_schema.find_field(one.source_id)
        path = (self._file_schema.find_column_name(one.source_id) or "").split(".")
        column: Any = table.column(path[0])
        for inner in path[1:]:
            column = pc.struct_field(column, inner)
        if column.null_count == len(column):  # the transforms of empty columns fail in some versions
            kind: Any = schema_to_pyarrow(one.transform.result_type(source.field_type))
            return pa.nulls(len(column), kind)
        return one.transform.pyarrow_transform(source.field_type)(column)

    def _record(self, values: dict[int, Any]) -> Record:
        return Record(
            *[
                partition_record_value(f, values[f.field_id], self._schema) if f.field_id in values else None
                for f in self._spec.fields
            ]
        )

    def _hold(self, record: Record, rows: pa.RecordBatch) -> None:
        key = tuple(repr(record[i]) for i in range(len(self._spec.fields)))
        part = self._parts.setdefault(key, _Part(record))
        part.held.append(rows)
        part.held_bytes += rows.nbytes
        if part.held_bytes >= _GROUP_BYTES:
            self._flush(part)

    # --- files ------------------------------------------------------------------------------------------------------

    def _flush(self, part: _Part) -> None:
        if not part.held:
            return
        rows = pa.Table.from_batches(part.held, self._arrow)
        part.held, part.held_bytes = [], 0
        if part.writer is None:
            self._open(part)
        assert part.writer is not None and part.output is not None  # noqa: S101, PT018 - it was opened
        self._clock += 1
        part.used = self._clock
        part.writer.write(rows)
        if part.output.size >= self._target:
            self._close(part)

    def _open(self, part: _Part) -> None:
        opened = [p for p in self._parts.values() if p.writer is not None]
        if len(opened) >= _OPEN_FILES:
            self._close(min(opened, key=lambda p: p.used))
        part.path = f"{self._folder}/{self._name}-{self._number:05d}.parquet"
        self._number += 1
        self._written.append(part.path)
        part.output = _Output(self._files, part.path)
        part.writer = FileFormatFactory.get(FileFormat.PARQUET).create_writer(
            part.output, self._file_schema, self._properties
        )

    def _close(self, part: _Part) -> None:
        if part.writer is None or part.output is None:
            return
        statistics = part.writer.close()
        made = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=part.path,
            file_format=FileFormat.PARQUET,
            partition=part.record,
            file_size_in_bytes=part.output.size,
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        made.spec_id = self._spec.spec_id
        self._done.append(made)
        part.writer = part.output = None


def _refuse_format(metadata: TableMetadata) -> None:
    wanted = metadata.properties.get("write.format.default", "parquet").lower()
    if wanted != "parquet":
        raise fail(
            "iceberg.unsupported",
            f"the table's property write.format.default is `{wanted}`: only Parquet files are written here",
            hint="unset the property, or write the table with an engine that writes such files",
        )


def _size(properties: Any) -> int:
    text = str(properties.get(_FILE_BYTES_KEY, ""))
    return max(1 << 16, int(text)) if text.isdigit() else _FILE_BYTES


def _plain(schema: pa.Schema) -> pa.Schema:
    """PyIceberg's Arrow schema names large types; their values are written alike, and the others are what comes."""
    return pa.schema([f.with_type(_small(f.type)) for f in schema])


def _small(kind: Any) -> Any:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_small(kind.value_type)))
    if pa.types.is_map(kind):
        key, item = kind.key_field, kind.item_field
        return pa.map_(key.with_type(_small(key.type)), item.with_type(_small(item.type)))
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(_small(f.type)) for f in kind])
    return kind


def _as(column: Any, wanted: Any, name: str) -> Any:
    if column.type == wanted:
        return column
    try:
        return _cast(column, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise fail(
            "iceberg.value",
            f"a value does not fit column `{name}`, or holds a NULL where its type forbids one",
            hint=f"the column is {wanted}: cast the values to what it takes",
        ) from error


def _cast(column: Any, wanted: Any) -> Any:
    if isinstance(column.type, pa.BaseExtensionType) and not isinstance(wanted, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_string(column.type) and isinstance(wanted, pa.UuidType):
        return _uuids(column, wanted)
    if pa.types.is_string(column.type) and pa.types.is_fixed_size_binary(wanted):
        return _uuids(column, wanted)
    return column.cast(wanted)


def _uuids(column: Any, wanted: Any) -> Any:
    import uuid

    found = [None if v is None else uuid.UUID(v).bytes for v in cast("list[str | None]", column.to_pylist())]
    stored = pa.array(found, pa.binary(16))
    return pa.ExtensionArray.from_storage(wanted, stored) if isinstance(wanted, pa.BaseExtensionType) else stored


# --- PyIceberg's file interface, for one new file ---------------------------------------------------------------------


class _Output(OutputFile):
    """A new file that grows where it is to be (a folder), or beside it (a bucket), and is whole when it is closed."""

    def __init__(self, files: Files, location: str) -> None:
        super().__init__(location)
        self._files = files
        self._stream: Any = None
        self._kept = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._kept if self._stream is None or self._stream.closed else int(self._stream.tell())

    def __len__(self) -> int:
        return self.size

    def exists(self) -> bool:
        return self._files.exists(self.location)

    def to_input_file(self) -> InputFile:
        raise NotImplementedError  # data files are not read here

    def create(self, overwrite: bool = False) -> OutputStream:
        self._stream = _Stream(self._files, self.location, self._keep)
        return cast("OutputStream", self._stream)

    def _keep(self, size: int) -> None:
        self._kept = size

    def drop(self) -> None:
        """Let go of a file that is not finished."""
        if self._stream is not None:
            self._stream.drop()


class _Stream:
    """What Parquet's writer writes to."""

    def __init__(self, files: Files, location: str, kept: Callable[[int], None]) -> None:
        self._growing = files.grow(location)
        self._handle = self._growing.__enter__()
        self._kept = kept
        self.closed = False

    def write(self, content: Any) -> int:
        return len(content) if self.closed else self._handle.write(content)

    def tell(self) -> int:
        return 0 if self.closed else self._handle.tell()

    def flush(self) -> None:
        pass

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._kept(self._handle.tell())
            self._growing.__exit__(None, None, None)

    def drop(self) -> None:
        if not self.closed:
            self.closed = True
            self._growing.__exit__(_Dropped, _Dropped(), None)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.drop()


class _Dropped(Exception):
    """A file that is not finished."""
