"""The members of a Bundle in the store: what is there, what depends on what, workspaces that were made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core.addresses import ResourceKey
from dataos.kinds.bundle.plan import Seen
from dataos.kinds.bundle.spec import BundleSpec
from dataos.store import tables

MADE_BY = "dataos:bundle:"
"""Tag of a workspace that a Bundle made: only such a one goes with it."""


def seen(connection: sa.Connection, uid: str, spec: BundleSpec) -> dict[str, Seen]:
    """Members that are there, by id in the Bundle. A Resource that is not its own is none."""
    rows = {row.live_key: row for row in records.children(connection, uid)}
    found: dict[str, Seen] = {}
    for item in spec.items:
        row = rows.get(records.live_key(item.manifest.key))
        if row is not None:
            settled = row.observed_generation == row.generation
            leaving = row.deleting_at is not None
            found[item.id] = Seen(row.uid, row.status, row.runtime or "", settled, row.info or "", leaving)
    return found


def dropped(connection: sa.Connection, uid: str, spec: BundleSpec | None) -> list[sa.Row[Any]]:
    """Members that are there and not wanted (None: none is), those that others depend on last."""
    wanted = {records.live_key(item.manifest.key) for item in spec.items} if spec is not None else set[str]()
    return [row for row in reversed(records.children(connection, uid)) if row.live_key not in wanted]


def removable(connection: sa.Connection, going: list[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """Which of these may go now: those that none of the others depends on."""
    uids = {row.uid for row in going}
    free: list[sa.Row[Any]] = []
    for row in going:
        holders = {d.uid for d in _holders(connection, row)} & uids - {row.uid}
        if not holders:
            free.append(row)
    return free or going[:1]  # a circle is cut at the newest


def _holders(connection: sa.Connection, row: sa.Row[Any]) -> list[sa.Row[Any]]:
    """Living Resources that depend on it or on what it made, also those that are on their way out."""
    refs, r = tables.references, tables.resources
    keys = [below.live_key for below in records.family(connection, row)]
    query = sa.select(r).join(refs, refs.c.uid == r.c.uid).where(refs.c.target.in_(keys), r.c.live_key.is_not(None))
    return list(connection.execute(query))


def tie(connection: sa.Connection, uid: str, spec: BundleSpec, found: Mapping[str, Seen], section: str) -> None:
    """Write down who depends on whom: the Bundle on its members, and these on those that they wait for."""
    keys = {item.id: records.live_key(item.manifest.key) for item in spec.items if item.id in found}
    paths = {item.id: f"{section}.resources[{item.position}]" for item in spec.items}
    records.add_references(connection, uid, {key: paths[id_] for id_, key in keys.items()})
    for item in spec.items:
        if item.id in found:
            waits = {keys[c.on]: f"{section} {paths[item.id]}" for c in item.conditions if c.on in keys}
            records.add_references(connection, found[item.id].uid, waits)


def missing_workspaces(connection: sa.Connection, spec: BundleSpec) -> list[str]:
    """Names of its workspaces that are not there."""
    w = tables.workspaces
    known = set(connection.execute(sa.select(w.c.name)).scalars())
    return [entry.name for entry in spec.workspaces if entry.name not in known]


def made_workspaces(connection: sa.Connection, uid: str) -> list[str]:
    """Workspaces that were made for it and hold nothing."""
    w, r = tables.workspaces, tables.resources
    held = set(connection.execute(sa.select(r.c.workspace).where(r.c.live_key.is_not(None))).scalars())
    rows = connection.execute(sa.select(w.c.name, w.c.tags))
    return [row.name for row in rows if f"{MADE_BY}{uid}" in row.tags and row.name not in held]


def conflict(connection: sa.Connection, key: ResourceKey, owner: str, bundle: sa.Row[Any] | None) -> str:
    """Why a Resource that is there cannot become a member; empty if it can."""
    row = records.find(connection, key)
    if row is None or (bundle is not None and row.parent_uid == bundle.uid):
        return ""
    shown = records.summary(row)["id"]
    if row.parent_uid is not None:
        parent = records.by_uid(connection, row.parent_uid)
        return f"{shown} is part of {records.summary(parent)['id'] if parent else 'another Resource'} already"
    return f"{shown} exists already and belongs to `{row.owner}`, not to `{owner}`" if row.owner != owner else ""
