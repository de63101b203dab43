"""Which snapshots expire (ch06 4.3). Loaded late: it takes PyIceberg's metadata.

Rules of Iceberg: what a branch or tag keeps (`min-snapshots-to-keep`, ages; of the reference, else of the table's
`history.expire.*`, else 1 and 5 days) stays, heads always. Snapshots that no reference leads to stay while they are
young. Snapshots that are named expire whatever their age, unless a reference stands on them. Source: RemoveSnapshots of
Iceberg's Java implementation; there a call that only names snapshots expires old ones besides, here it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRef

from dataos.core.errors import fail
from dataos.lakehouse.operations import references
from dataos.lakehouse.operations.changes import Planned, assert_ref
from dataos.lakehouse.operations.references import MAIN

_DAY_MS = 24 * 3600 * 1000
_DEFAULT_AGE_MS = 5 * _DAY_MS


@dataclass(frozen=True)
class ExpireOptions:
    """`older_than_ms`: UTC epoch milliseconds; None: as the table says. `retain_last`: newest snapshots of each branch
    that are kept whatever their age; None: as the table says."""

    older_than_ms: int | None = None
    snapshot_ids: tuple[int, ...] = ()
    retain_last: int | None = None


@dataclass(frozen=True)
class Expiring:
    """What goes: snapshot ids and references, oldest first."""

    snapshots: list[int] = field(default_factory=list[int])
    references: list[str] = field(default_factory=list[str])


def plan(metadata: TableMetadata, options: ExpireOptions, now_ms: int) -> Planned:
    """Raises DataOSError `dataset.not_found.snapshot`, `dataset.expire`."""
    gone = _expiring(metadata, options, now_ms)
    if not gone.snapshots and not gone.references:
        return Planned(result=gone)
    updates: list[dict[str, Any]] = [{"action": "remove-snapshot-ref", "ref-name": name} for name in gone.references]
    ids = set(gone.snapshots)
    updates += [
        {"action": "remove-partition-statistics", "snapshot-id": s.snapshot_id}
        for s in metadata.partition_statistics
        if s.snapshot_id in ids
    ]
    if ids:
        updates.append({"action": "remove-snapshots", "snapshot-ids": gone.snapshots})
    # a reference that was moved meanwhile may lead to what was to go; new ones are looked at by the catalog
    requirements = tuple(assert_ref(metadata, name) for name in metadata.refs)
    return Planned(tuple(updates), requirements, gone)


def _expiring(metadata: TableMetadata, options: ExpireOptions, now_ms: int) -> Expiring:
    if options.retain_last is not None and options.retain_last < 1:
        raise fail("dataset.expire", f"retainLast {options.retain_last} keeps nothing", hint="at least 1")
    if options.older_than_ms is not None and options.older_than_ms > now_ms:
        raise fail(
            "dataset.expire",
            f"olderThan {options.older_than_ms} lies in the future",
            hint="milliseconds since 1970, UTC",
        )
    named = set(options.snapshot_ids)
    for number in options.snapshot_ids:
        references.snapshot(metadata, number)
        heads = [name for name, ref in metadata.refs.items() if ref.snapshot_id == number]
        if heads:
            what = "the current snapshot" if MAIN in heads else f"the head of {', '.join(f'`{h}`' for h in heads)}"
            raise fail(
                "dataset.expire",
                f"snapshot {number} cannot be expired: it is {what}",
                hint="go to another snapshot, or delete the branch or tag first",
            )
    if named and options.older_than_ms is None and options.retain_last is None:
        return Expiring([s.snapshot_id for s in metadata.snapshots if s.snapshot_id in named])
    properties = metadata.properties
    age = _number(properties, "history.expire.max-snapshot-age-ms", _DEFAULT_AGE_MS)
    before = options.older_than_ms if options.older_than_ms is not None else now_ms - age
    least = options.retain_last or max(1, _number(properties, "history.expire.min-snapshots-to-keep", 1))
    oldest_ref = _number(properties, "history.expire.max-ref-age-ms", None)
    gone_refs = [n for n, r in metadata.refs.items() if n != MAIN and _is_old(metadata, r, oldest_ref, now_ms)]
    kept: set[int] = set()
    reached: set[int] = set()
    for name, ref in metadata.refs.items():
        if name in gone_refs:
            continue
        if ref.snapshot_ref_type.value == "tag":
            kept.add(ref.snapshot_id)
            continue
        limit = before if ref.max_snapshot_age_ms is None else now_ms - ref.max_snapshot_age_ms
        minimum = ref.min_snapshots_to_keep or least
        for number, snapshot in enumerate(references.ancestors(metadata, ref.snapshot_id)):
            reached.add(snapshot.snapshot_id)
            if number < minimum or snapshot.timestamp_ms >= limit:
                kept.add(snapshot.snapshot_id)
    for snapshot in metadata.snapshots:
        if snapshot.snapshot_id not in reached and snapshot.timestamp_ms >= before:
            kept.add(snapshot.snapshot_id)
    kept -= named
    gone = [s for s in metadata.snapshots if s.snapshot_id not in kept]
    return Expiring([s.snapshot_id for s in sorted(gone, key=lambda s: s.timestamp_ms)], sorted(gone_refs))


def _is_old(metadata: TableMetadata, ref: SnapshotRef, default_ms: int | None, now_ms: int) -> bool:
    limit = ref.max_ref_age_ms or default_ms
    snapshot = metadata.snapshot_by_id(ref.snapshot_id)
    if snapshot is None:
        return True
    return limit is not None and now_ms - snapshot.timestamp_ms > limit


def _number(properties: dict[str, str], key: str, default: Any) -> Any:
    text = properties.get(key)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise fail(
            "dataset.expire", f"the table's property {key} = {text} is no number", hint="mend it with add-properties"
        ) from error
