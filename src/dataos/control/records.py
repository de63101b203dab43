"""Resources in the store: rows to views, listings, events. Plain functions over an open connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import ResourceKey, resource_id
from dataos.core.clock import rfc3339
from dataos.governance import objects, rules
from dataos.governance.policies import AccessObject
from dataos.governance.principals import Principal
from dataos.manifest import registry
from dataos.store import tables

_r = tables.resources
_g = tables.generations

# Statements of every apply and every look, built once: building one costs more than running it.
_BY_KEY = sa.select(_r).where(_r.c.live_key == sa.bindparam("key"))
_BY_UID = sa.select(_r).where(_r.c.uid == sa.bindparam("of_uid"))
_GENERATION = sa.select(_r.c.generation).where(_r.c.uid == sa.bindparam("of_uid"))
_MANIFEST = sa.select(_g).where(_g.c.uid == sa.bindparam("of_uid"), _g.c.generation == sa.bindparam("number"))
_ADD_EVENT = tables.events.insert()
PLATFORM = "control"
"""The actor of what the platform does by itself."""


def live_key(key: ResourceKey) -> str:
    """The unique key of a living Resource."""
    return f"{key.type}/{key.workspace or ''}/{key.name}"


def find(connection: sa.Connection, key: ResourceKey) -> sa.Row[Any] | None:
    """The living row of a key."""
    return connection.execute(_BY_KEY, {"key": live_key(key)}).first()


def by_uid(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The row of an incarnation, living or not."""
    return connection.execute(_BY_UID, {"of_uid": uid}).first()


def names_of(
    connection: sa.Connection, type_: str, workspace: str | None = None, principal: Principal | None = None
) -> list[str]:
    """Names of living Resources of a type that the principal may read, for near-miss hints; None: the platform
    itself."""
    columns = (_r.c.type, _r.c.name, _r.c.workspace, _r.c.layer, _r.c.owner, _r.c.tags)
    query = sa.select(*columns).where(_r.c.type == type_, _r.c.live_key.is_not(None))
    if workspace is not None:
        query = query.where(_r.c.workspace == workspace)
    known = layers(connection)
    return [row.name for row in connection.execute(query) if shows(principal, row, known)]


def shows(principal: Principal | None, row: Any, layers_: Mapping[str, str]) -> bool:
    """May the principal know of a Resource, as its list tells it? None: the platform itself."""
    return principal is None or rules.may_own(principal, row.owner, rules.READ, thing_of(row, layers_))


def dependents(connection: sa.Connection, key: ResourceKey) -> list[sa.Row[Any]]:
    """Living Resources (not on their way out) whose newest generation refers to `key`."""
    refs = tables.references
    return list(
        connection.execute(
            sa.select(_r)
            .join(refs, refs.c.uid == _r.c.uid)
            .where(refs.c.target == live_key(key), _r.c.live_key.is_not(None), _r.c.deleting_at.is_(None))
            .order_by(_r.c.type, _r.c.name)
        )
    )


def children(connection: sa.Connection, uid: str) -> list[sa.Row[Any]]:
    """Living Resources that the Resource `uid` made and takes along when it goes, the oldest first."""
    query = sa.select(_r).where(_r.c.parent_uid == uid, _r.c.live_key.is_not(None))
    return list(connection.execute(query.order_by(_r.c.created_at, _r.c.live_key)))


def family(connection: sa.Connection, row: sa.Row[Any]) -> list[sa.Row[Any]]:
    """A living Resource, what it made, and what that made."""
    return [row, *(below for child in children(connection, row.uid) for below in family(connection, child))]


def gathers(row: sa.Row[Any] | None) -> bool:
    """Is it one whose members are Resources of their own (`KindDescriptor.gathers`)?"""
    kind = registry.find_kind(row.type) if row is not None else None
    return kind is not None and kind.gathers


def key_of(row: sa.Row[Any]) -> ResourceKey:
    """Identity of the Resource in a row."""
    return ResourceKey(row.type, row.name, row.workspace)


def watch(connection: sa.Connection, uid: str, targets: Iterable[str]) -> None:
    """Give a Resource a look whenever one of these (live keys) comes, changes its state, or goes."""
    watches = tables.watches
    connection.execute(watches.delete().where(watches.c.uid == uid))
    rows = [{"uid": uid, "target": target} for target in dict.fromkeys(targets)]
    if rows:
        connection.execute(watches.insert(), rows)


def watchers(connection: sa.Connection, target: str) -> list[str]:
    """Uids of those that watch a live key."""
    watches = tables.watches
    return list(connection.execute(sa.select(watches.c.uid).where(watches.c.target == target)).scalars())


def add_references(connection: sa.Connection, uid: str, targets: Mapping[str, str]) -> None:
    """Let a Resource depend on others (by live key: where that is said) besides what its manifest refers to."""
    refs = tables.references
    known = set(connection.execute(sa.select(refs.c.target).where(refs.c.uid == uid)).scalars())
    rows = [{"uid": uid, "target": target, "path": path} for target, path in targets.items() if target not in known]
    if rows:
        connection.execute(refs.insert(), rows)


@dataclass(frozen=True)
class Filter:
    """What a listing asks for; None means any."""

    type: str | None = None
    workspace: str | None = None
    name: str | None = None
    owner: str | None = None
    version: str | None = None
    tag: str | None = None


def listing(
    connection: sa.Connection,
    wanted: Filter,
    after: str | None,
    limit: int,
    shows: Callable[[sa.Row[Any], Mapping[str, str]], bool] = lambda _row, _layers: True,
    reports: Callable[[sa.Row[Any], Mapping[str, str]], bool] = lambda _row, _layers: True,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of living Resources, ordered by live key (type, workspace, name), and the key to go on from.

    `shows`: which of them; it is given the layers of workspaces. `reports`: of which to tell what jobs reported."""
    known = layers(connection)
    found: list[sa.Row[Any]] = []
    while True:
        rows, following = _page(connection, wanted, after, limit)
        found += [row for row in rows if shows(row, known)]
        if following is None or len(found) > limit:
            break
        after = following
    more = found[limit - 1].live_key if len(found) > limit else None
    return [summary(row, reports=reports(row, known)) for row in found[:limit]], more


def _page(
    connection: sa.Connection, wanted: Filter, after: str | None, limit: int
) -> tuple[list[sa.Row[Any]], str | None]:
    query = sa.select(_r).where(_r.c.live_key.is_not(None))
    for column, value in (
        (_r.c.type, wanted.type),
        (_r.c.workspace, wanted.workspace),
        (_r.c.name, wanted.name),
        (_r.c.owner, wanted.owner),
        (_r.c.version, wanted.version),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.tag is not None:  # tags are a JSON list of texts: an element with its quotes is found exactly
        query = query.where(sa.cast(_r.c.tags, sa.Text).contains(json.dumps(wanted.tag), autoescape=True))
    if after is not None:
        query = query.where(_r.c.live_key > after)
    rows = list(connection.execute(query.order_by(_r.c.live_key).limit(limit + 1)))
    return rows, rows[-1].live_key if len(rows) > limit else None


WITHHELD = "withheld: who may read its logs may read this"
"""Stands for what a job reported: its words may hold values of the data, as its log does."""


def _is_report(row: sa.Row[Any]) -> bool:
    """Is what is said of a Resource the words of one of its jobs?"""
    return row.type == "workflow" and row.runtime in ("pending", "failed", "aborted")


def may_read_reports(principal: Principal | None, owner: str, thing: AccessObject) -> bool:
    """May somebody read what the jobs of a Resource reported? None: the platform itself."""
    return principal is None or rules.may_own(principal, owner, rules.READ_LOG, thing)


def without_reports(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a run to who may know of it, and may not read its logs."""

    def told(found: Mapping[str, Any]) -> dict[str, Any]:
        return {**found, "reason": WITHHELD if found.get("reason") else ""}

    nodes = [
        {**told(node), "attempts": [{**told(a), "result": None} for a in node.get("attempts", ())]}
        for node in runtime.get("nodes", ())
    ]
    run = runtime.get("run")
    return {**runtime, "run": told(run) if run else None, "runs": [told(r) for r in runtime.get("runs", ())],
            "nodes": nodes}  # fmt: skip


def summary(row: sa.Row[Any], *, reports: bool = True) -> dict[str, Any]:
    """The wire form of a Resource without its manifest. `reports`: with what its jobs reported."""
    return {
        "id": resource_id(row.type, row.version, row.name, row.workspace),
        "name": row.name,
        "version": row.version,
        "type": row.type,
        "workspace": row.workspace,
        "owner": row.owner,
        "layer": row.layer,
        "tags": row.tags,
        "generation": row.generation,
        "uid": row.uid,
        "created": rfc3339(row.created_at),
        "updated": rfc3339(row.updated_at),
        "stamp": row.stamp,
        "status": "deleting" if row.deleting_at and not row.deleted_at else row.status,
        "runtime": row.runtime,
        "builder": {
            "stage": row.stage,
            "numberOfWantedResources": str(row.wanted),
            "numberOfProcessedResources": str(row.processed),
            "info": row.info if reports or not _is_report(row) else WITHHELD,
        },
        "settled": row.observed_generation == row.generation and row.status != "pending",
    }


def generation_of(connection: sa.Connection, uid: str) -> int:
    """The number of the newest generation; 0 before the first."""
    return int(connection.execute(_GENERATION, {"of_uid": uid}).scalar_one())


def manifest_of(connection: sa.Connection, uid: str, generation: int) -> sa.Row[Any] | None:
    """The generation row: sealed manifest, source places, who and when."""
    return connection.execute(_MANIFEST, {"of_uid": uid, "number": generation}).first()


def add_event(
    connection: sa.Connection, at_us: int, uid: str | None, kind: str, actor: str, data: dict[str, Any]
) -> None:
    """Write to the outbox, in the transaction that makes the event true. What somebody did goes on into the audit
    (`auditing`)."""
    row = {"at": at_us, "uid": uid, "kind": kind, "actor": actor, "data": data, "pending": actor != PLATFORM}
    connection.execute(_ADD_EVENT, row)


def thing(connection: sa.Connection, row: sa.Row[Any]) -> AccessObject:
    """A Resource as decisions know it."""
    return thing_of(row, layers(connection))


def thing_of(row: Any, layers_: Mapping[str, str]) -> AccessObject:
    """As `thing`, with the layers of workspaces at hand."""
    is_system = "system" in (row.layer, layers_.get(row.workspace or "", "user"))
    return objects.resource(row.type, row.name, row.workspace, "system" if is_system else "user", row.owner, row.tags)


def layers(connection: sa.Connection) -> dict[str, str]:
    """Layers of all workspaces."""
    w = tables.workspaces
    return {row.name: row.layer for row in connection.execute(sa.select(w.c.name, w.c.layer))}


def automatic_tags(type_: str, name: str, layer: str, workspace: str | None) -> list[str]:
    """Tags every Resource carries (ch01 3.3), and every product (ch09 2.2)."""
    if type_ == objects.PRODUCT:
        return objects.product_tags(name)
    tags = ["dataos:type:resource", f"dataos:resource:{type_}", f"dataos:layer:{layer}"]
    tags.append(f"dataos:workspace:{workspace}" if workspace else "dataos:type:cluster-resource")
    return tags
