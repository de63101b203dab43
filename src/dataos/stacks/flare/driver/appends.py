"""Rows that were appended to a Lakehouse table between two of its snapshots, read with PyIceberg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataos.core import nestednulls
from dataos.core.errors import fail
from dataos.stacks.flare.model import Input

_QUIET = ("append", "replace")
"""Operations that neither change nor remove rows; `replace` only writes files anew."""

_SKIPS = {"delete": "streaming-skip-delete-snapshots", "overwrite": "streaming-skip-overwrite-snapshots"}
_AGAIN = "begin anew: dataos runtime state --reset"


def check(entry: Input, table: Any, since: int, upto: int, options: Mapping[str, str]) -> None:
    """Refuse a way from one snapshot to another that is not known, or that is more than appends.

    Raises DataOSError `flare.stream_lost`, `flare.stream_changed`.
    """
    known = {s.snapshot_id: s for s in table.metadata.snapshots}
    at: int | None = upto
    while at is not None and at != since:
        snapshot = known.get(at)
        if snapshot is None:
            break
        operation = snapshot.summary.operation.value if snapshot.summary is not None else "append"
        skip = _SKIPS.get(operation, "")
        if operation not in _QUIET and options.get(skip, "false").strip().lower() != "true":
            raise fail(
                "flare.stream_changed",
                f"{entry.name}: snapshot {at} of {entry.address} is no append, but `{operation}`: rows that were read "
                "are changed or gone",
                hint=f"set the input's option {skip}: true to pass such snapshots by, or {_AGAIN}",
            )
        at = snapshot.parent_snapshot_id
    if at != since:
        raise fail(
            "flare.stream_lost",
            f"{entry.name}: {entry.address} has no way from snapshot {since}, where the stream stands, to {upto}: "
            "snapshots were expired, or the table was rolled back or made anew",
            hint=_AGAIN,
        )


def copy(table: Any, since: int, upto: int, target: Path) -> int:
    """Write the rows as one Parquet file; how many they are."""
    if since not in {s.snapshot_id for s in table.metadata.snapshots}:  # expired, though its child is known
        raise fail("flare.stream_lost", f"snapshot {since}, where the stream stands, was expired", hint=f"{_AGAIN}")
    scan = table.incremental_append_scan(from_snapshot_id_exclusive=since, to_snapshot_id_inclusive=upto)
    return keep(scan, target)


def keep(scan: Any, target: Path) -> int:
    """Write the rows of a scan as one Parquet file; how many they are."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import ArrowProjectionVisitor

    nestednulls.keep(ArrowProjectionVisitor)
    rows = 0
    with scan.to_arrow_batch_reader() as batches, pq.ParquetWriter(target, batches.schema) as writer:
        for batch in batches:
            rows += batch.num_rows
            writer.write_batch(batch)
    return rows
