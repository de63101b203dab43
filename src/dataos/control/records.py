"""Resources in the store: rows to views, listings, events. Plain functions over an open connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import ResourceKey, resource_id
from dataos.core.clock import rfc3339
from dataos.store import tables

_r = tables.resources
_g = tables.generations

# Statements of every apply and every look, built once: building one costs more than running it.
_BY_KEY = sa.select(_r).where(_r.c.live_key == sa.bindparam("key"))
_BY_UID = sa.select(_r).where(_r.c.uid == sa.bindparam("of_uid"))
_GENERATION = sa.select(_r.c.generation).where(_r.c.uid == sa.bindparam("of_uid"))
_MANIFEST = sa.select(_g).where(_g.c.uid == sa.bindparam("of_uid"), _g.c.generation == sa.bindparam("number"))
_ADD_EVENT = tables.events.insert()


def live_key(key: ResourceKey) -> str:
    """The unique key of a living Resource."""
    return f"{key.type}/{key.workspace or ''}/{key.name}"


def find(connection: sa.Connection, key: ResourceKey) -> sa.Row[Any] | None:
    """The living row of a key."""
    return connection.execute(_BY_KEY, {"key": live_key(key)}).first()


def by_uid(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The row of an incarnation, living or not."""
    return connection.execute(_BY_UID, {"of_uid": uid}).first()


def names_of(connection: sa.Connection, type_: str, workspace: str | None = None) -> list[str]:
    """Names of living Resources of a type, for near-miss hints."""
    query = sa.select(_r.c.name).where(_r.c.type == type_, _r.c.live_key.is_not(None))
    if workspace is not None:
        query = query.where(_r.c.workspace == workspace)
    return list(connection.execute(query).scalars())


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


def children(connection: sa.Connection, uid: str) -> list[ResourceKey]:
    """Living Resources that the Resource `uid` made and takes along when it goes."""
    rows = connection.execute(sa.select(_r).where(_r.c.parent_uid == uid, _r.c.live_key.is_not(None)))
    return [ResourceKey(row.type, row.name, row.workspace) for row in rows]


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
    connection: sa.Connection, wanted: Filter, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of living Resources, ordered by live key (type, workspace, name), and the key to go on from."""
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
    rows = connection.execute(query.order_by(_r.c.live_key).limit(limit + 1)).all()
    more = rows[limit - 1].live_key if len(rows) > limit else None
    return [summary(row) for row in rows[:limit]], more


def summary(row: sa.Row[Any]) -> dict[str, Any]:
    """The wire form of a Resource without its manifest."""
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
            "info": row.info,
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
    """Write to the outbox, in the transaction that makes the event true."""
    connection.execute(_ADD_EVENT, {"at": at_us, "uid": uid, "kind": kind, "actor": actor, "data": data})


def automatic_tags(type_: str, layer: str, workspace: str | None) -> list[str]:
    """Tags every Resource carries (ch01 3.3)."""
    tags = ["dataos:type:resource", f"dataos:resource:{type_}", f"dataos:layer:{layer}"]
    tags.append(f"dataos:workspace:{workspace}" if workspace else "dataos:type:cluster-resource")
    return tags
