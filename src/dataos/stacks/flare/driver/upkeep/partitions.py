"""Rows split by the partitions that they belong to: for files of an earlier partitioning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record


def split(batch: pa.RecordBatch, spec: PartitionSpec, schema: Schema) -> Iterator[tuple[Record, pa.RecordBatch]]:
    """(partition, its rows). A value is transformed once, however many rows hold it."""
    if spec.is_unpartitioned():
        yield Record(), batch
        return
    keys: list[pa.Array] = []
    values: list[list[Any]] = []
    for field in spec.fields:
        source = schema.find_field(field.source_id)
        column = _column(batch, schema.find_column_name(field.source_id) or "")
        encoded = _internal(column).dictionary_encode("encode")
        transform: Any = field.transform.transform(source.field_type)
        distinct = [transform(v) for v in encoded.dictionary.to_pylist()]
        keys.append(encoded.indices)
        values.append(distinct)
    table = pa.table({f"k{i}": key for i, key in enumerate(keys)} | {"row": pa.array(range(len(batch)), pa.int64())})
    grouped = table.group_by([f"k{i}" for i in range(len(keys))]).aggregate([("row", "list")])
    rows: dict[str, tuple[Record, list[int]]] = {}
    for one in grouped.to_pylist():
        partition = Record(*(values[i][one[f"k{i}"]] for i in range(len(keys))))
        rows.setdefault(repr(partition), (partition, []))[1].extend(one["row_list"])
    for partition, numbers in rows.values():
        yield partition, batch.take(pa.array(sorted(numbers), pa.int64()))


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column, or a field of a struct, by its dotted name."""
    if name in batch.schema.names:
        return batch.column(name)
    first, *rest = name.split(".")
    found = batch.column(first)
    for part in rest:
        found = pc.call_function("struct_field", [found], pc.StructFieldOptions([part]))
    return found


def _internal(column: pa.Array) -> pa.Array:
    """As Iceberg counts: dates in days, times and timestamps in microseconds."""
    kind = column.type
    if pa.types.is_date32(kind):
        return column.cast(pa.int32())
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        unit = pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else pa.time64("us")
        return column.cast(unit).cast(pa.int64())
    if isinstance(column, pa.ExtensionArray):
        return column.storage
    return column
