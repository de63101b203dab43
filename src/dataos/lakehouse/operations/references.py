"""Snapshots, branches and tags: where they stand, and how they move (ch06 3.6). Metadata only; files stay as they are.

Loaded late: it takes PyIceberg's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRef
from pyiceberg.table.snapshots import Snapshot

from dataos.core.errors import fail
from dataos.core.names import did_you_mean
from dataos.lakehouse.operations.changes import Planned, assert_ref

MAIN = "main"
_NAME = re.compile(r"[^\s\x00-\x1f'\"`]+")


@dataclass(frozen=True)
class Moved:
    """Where a branch or tag stood and where it stands; None: it was, or is, not there."""

    name: str
    kind: str
    old: int | None
    new: int | None

    def to_json(self) -> dict[str, Any]:
        """Ids as text: JSON numbers of many languages do not hold them."""
        return {"name": self.name, "type": self.kind, "old": _text(self.old), "new": _text(self.new)}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


# --- looking ----------------------------------------------------------------------------------------------------------


def ancestors(metadata: TableMetadata, snapshot_id: int | None) -> Iterator[Snapshot]:
    """A snapshot and those before it, newest first; ends where one has expired."""
    seen: set[int] = set()
    while snapshot_id is not None and snapshot_id not in seen:
        seen.add(snapshot_id)
        found = metadata.snapshot_by_id(snapshot_id)
        if found is None:
            return
        yield found
        snapshot_id = found.parent_snapshot_id


def list_snapshots(metadata: TableMetadata, branch: str | None = None) -> list[dict[str, Any]]:
    """All snapshots, oldest first, or those of a branch."""
    if branch is None:
        chosen = sorted(metadata.snapshots, key=lambda s: (s.timestamp_ms, s.sequence_number or 0))
    else:
        chosen = list(reversed(list(ancestors(metadata, _reference(metadata, branch).snapshot_id))))
    names: dict[int, list[str]] = {}
    for name, ref in sorted(metadata.refs.items()):
        names.setdefault(ref.snapshot_id, []).append(name)
    return [
        {
            "id": str(s.snapshot_id),
            "parent": _text(s.parent_snapshot_id),
            "timestamp": s.timestamp_ms,
            "at": datetime.fromtimestamp(s.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
            "operation": s.summary.operation.value if s.summary else None,
            "summary": dict(s.summary.additional_properties) if s.summary else {},
            "references": names.get(s.snapshot_id, []),
        }
        for s in chosen
    ]


def list_references(metadata: TableMetadata) -> list[dict[str, Any]]:
    """Branches and tags, `main` first."""
    known = sorted(metadata.refs.items(), key=lambda item: (item[0] != MAIN, item[0]))
    return [
        {
            "name": name,
            "type": ref.snapshot_ref_type.value,
            "snapshot": str(ref.snapshot_id),
            **{
                key: value
                for key, value in (
                    ("minSnapshotsToKeep", ref.min_snapshots_to_keep),
                    ("maxSnapshotAgeMs", ref.max_snapshot_age_ms),
                    ("maxRefAgeMs", ref.max_ref_age_ms),
                )
                if value is not None
            },
        }
        for name, ref in known
    ]


def list_metadata(metadata: TableMetadata, location: str) -> list[dict[str, Any]]:
    """Metadata files that are known, oldest first; the last is the current one."""
    entries = [(e.metadata_file, e.timestamp_ms) for e in metadata.metadata_log]
    entries.append((location, metadata.last_updated_ms))
    return [{"version": file.rsplit("/", 1)[-1], "timestamp": ms, "file": file} for file, ms in entries]


def _reference(metadata: TableMetadata, name: str, kind: str | None = None) -> SnapshotRef:
    found = metadata.refs.get(name)
    if found is None or (kind is not None and found.snapshot_ref_type.value != kind):
        what = kind or "branch or tag"
        other = f"; `{name}` is a {found.snapshot_ref_type.value}" if found is not None else ""
        known = [n for n, r in metadata.refs.items() if kind in (None, r.snapshot_ref_type.value)]
        raise fail(
            "dataset.not_found.reference",
            f"the table has no {what} `{name}`{other}",
            hint=did_you_mean(name, known) or "dataos dataset list-branch shows them",
        )
    return found


def snapshot(metadata: TableMetadata, snapshot_id: int) -> Snapshot:
    """Raises `dataset.not_found.snapshot`."""
    found = metadata.snapshot_by_id(snapshot_id)
    if found is None:
        raise fail(
            "dataset.not_found.snapshot",
            f"the table has no snapshot {snapshot_id}",
            hint=did_you_mean(str(snapshot_id), [str(s.snapshot_id) for s in metadata.snapshots])
            or "dataos dataset snapshots shows them",
        )
    return found


# --- moving -----------------------------------------------------------------------------------------------------------


def set_snapshot(metadata: TableMetadata, snapshot_id: int) -> Planned:
    """Any snapshot becomes the current one."""
    snapshot(metadata, snapshot_id)
    return move(metadata, MAIN, snapshot_id)


def rollback(metadata: TableMetadata, snapshot_id: int) -> Planned:
    """An ancestor of the current snapshot becomes the current one."""
    snapshot(metadata, snapshot_id)
    if all(s.snapshot_id != snapshot_id for s in ancestors(metadata, metadata.current_snapshot_id)):
        raise fail(
            "dataset.ancestry",
            f"snapshot {snapshot_id} is no ancestor of the current one, {metadata.current_snapshot_id}",
            hint="`dataos dataset snapshots -b main` shows the ancestors; set-snapshot takes any snapshot",
        )
    return move(metadata, MAIN, snapshot_id)


def create(
    metadata: TableMetadata,
    name: str,
    kind: str,
    snapshot_id: int | None = None,
    retention: dict[str, int] | None = None,
) -> Planned:
    """A branch or tag, at the current snapshot of main if none is named."""
    if not _NAME.fullmatch(name) or name.isdigit():
        raise fail(
            "dataset.reference", f"{name!r} cannot name a {kind}", hint="no blanks or quotes, and not only digits"
        )
    if name in metadata.refs:
        other = metadata.refs[name].snapshot_ref_type.value
        raise fail("dataset.exists", f"the table has a {other} `{name}` already", hint="choose another name")
    where = snapshot_id if snapshot_id is not None else metadata.current_snapshot_id
    if where is None:
        raise fail(
            "dataset.snapshot",
            f"{kind} `{name}` needs a snapshot, and the table has none yet",
            hint="write into the table first",
        )
    snapshot(metadata, where)
    if kind == "tag" and retention and set(retention) - {"max-ref-age-ms"}:
        raise fail("dataset.reference", "a tag keeps one snapshot", hint="only its own age can be limited")
    update = {"action": "set-snapshot-ref", "ref-name": name, "type": kind, "snapshot-id": where, **(retention or {})}
    return Planned((update,), (assert_ref(metadata, name),), Moved(name, kind, None, where))


def rename(metadata: TableMetadata, name: str, new_name: str, kind: str) -> Planned:
    """It stays where it is, and keeps how long it is kept."""
    known = _reference(metadata, name, kind)
    _refuse_main(name, "renamed")
    made = create(metadata, new_name, kind, known.snapshot_id, _retention(known))
    remove = {"action": "remove-snapshot-ref", "ref-name": name}
    return Planned(
        (*made.updates, remove),
        (*made.requirements, assert_ref(metadata, name)),
        Moved(new_name, kind, None, known.snapshot_id),
    )


def delete(metadata: TableMetadata, name: str, kind: str) -> Planned:
    """Its snapshots stay until they expire."""
    _refuse_main(name, "deleted")
    known = _reference(metadata, name, kind)
    return Planned(
        ({"action": "remove-snapshot-ref", "ref-name": name},),
        (assert_ref(metadata, name),),
        Moved(name, kind, known.snapshot_id, None),
    )


def replace_branch(metadata: TableMetadata, source: str, target: str) -> Planned:
    """`source` comes to stand where `target` stands (ch06 3.6)."""
    _reference(metadata, source, "branch")
    where = _reference(metadata, target).snapshot_id
    planned = move(metadata, source, where)
    return Planned(planned.updates, (*planned.requirements, assert_ref(metadata, target)), planned.result)


def fast_forward(metadata: TableMetadata, source: str, target: str) -> Planned:
    """`target` advances to where `source` stands, if it stands on the way to it (ch06 3.6)."""
    where = _reference(metadata, source).snapshot_id
    here = _reference(metadata, target, "branch").snapshot_id
    if all(s.snapshot_id != here for s in ancestors(metadata, where)):
        raise fail(
            "dataset.ancestry",
            f"branch `{target}` ({here}) cannot be fast-forwarded to `{source}` ({where}): it has gone another way",
            hint="cherrypick-snapshot takes over one commit, replace-branch moves a branch anywhere",
        )
    planned = move(metadata, target, where)
    return Planned(planned.updates, (*planned.requirements, assert_ref(metadata, source)), planned.result)


def move(metadata: TableMetadata, name: str, snapshot_id: int) -> Planned:
    """A branch comes to stand at a snapshot; it keeps how long it is kept."""
    known = metadata.refs.get(name)
    old = known.snapshot_id if known else None
    moved = Moved(name, "branch", old, snapshot_id)
    if old == snapshot_id:
        return Planned(result=moved)
    update = {
        "action": "set-snapshot-ref",
        "ref-name": name,
        "type": "branch",
        "snapshot-id": snapshot_id,
        **(_retention(known) if known else {}),
    }
    return Planned((update,), (assert_ref(metadata, name),), moved)


def _retention(known: SnapshotRef) -> dict[str, int]:
    found = {
        "min-snapshots-to-keep": known.min_snapshots_to_keep,
        "max-snapshot-age-ms": known.max_snapshot_age_ms,
        "max-ref-age-ms": known.max_ref_age_ms,
    }
    return {key: value for key, value in found.items() if value is not None}


def _refuse_main(name: str, what: str) -> None:
    if name == MAIN:
        raise fail("dataset.reference", f"branch `main` cannot be {what}", hint="it is what everybody reads")
