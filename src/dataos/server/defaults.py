"""What every installation starts with: workspaces, Computes, a Lakehouse `lakehouse`, a
Cluster `miniature` (architecture 7)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.resources import ApplyRequest, Resources
from dataos.governance.identities import ADMINISTRATOR
from dataos.governance.policies import DataRule
from dataos.governance.shipped import DATA_POLICIES
from dataos.store import tables
from dataos.store.database import Store

WORKSPACES = (
    ("public", "user", "shared by the whole organisation"),
    ("sandbox", "user", "for trying things out"),
    ("system", "system", "the platform's own Resources"),
)


def _compute(name: str, purpose: str, description: str) -> dict[str, Any]:
    pool = {"nodeSelector": {"dataos.io/purpose": purpose}, "tolerations": []}
    section = {"dataplane": "hub", "purpose": purpose, "nodePool": pool}
    return {"name": name, "version": "v1", "type": "compute", "description": description, "compute": section}


RESOURCES: tuple[dict[str, Any], ...] = (
    _compute("runnable-default", "runnable", "where jobs run that name no other Compute"),
    _compute("query-default", "query", "where Clusters run that name no other Compute"),
    {
        "name": "lakehouse",
        "version": "v1alpha",
        "type": "lakehouse",
        "workspace": "public",
        "layer": "user",
        "description": "the lakehouse that comes with the installation",
        "lakehouse": {
            "type": "iceberg",
            "iceberg": {"storage": {"depotName": "lakehouse", "type": "file"}},
        },
    },
    {
        "name": "miniature",
        "version": "v1",
        "type": "cluster",
        "workspace": "system",
        "layer": "system",
        "description": "the query cluster that comes with the installation: it mounts every Depot",
        "cluster": {"compute": "query-default", "type": "minerva", "minerva": {"replicas": 1}},
    },
)

_DONE = "defaults-1"
_MASKED = "masks-1"


async def ensure(store: Store, resources: Resources, now_us: int) -> None:
    """Make what is missing, once per installation: what an operator deleted later stays deleted."""
    if await store.write(_workspaces, now_us):
        for document in RESOURCES:
            await resources.apply(ApplyRequest(document=dict(document), actor=ADMINISTRATOR))
        await store.write(_mark, _DONE)
    if not await store.read(_is_done, _MASKED):
        await resources.apply_all([ApplyRequest(document=_policy(r), actor=ADMINISTRATOR) for r in DATA_POLICIES])
        await store.write(_mark, _MASKED)


def _policy(rule: DataRule) -> dict[str, Any]:
    """A shipped mask as the Policy that an operator may change or delete."""
    mask = rule.mask
    assert mask is not None  # noqa: S101 - shipped ones are masks
    words = {"algo": mask.algo, "buckets": list(mask.buckets), "precision": mask.precision, "pattern": mask.pattern}
    words["replacement"] = mask.replacement
    said = {key: value for key, value in words.items() if value}
    block: dict[str, Any] = {"operator": mask.operator}
    if said:
        block[mask.operator] = said
    selector = {
        "user": {"match": "any", "tags": list(rule.user_tags)},
        "column": {"tags": list(rule.column_tags)},
    }
    data = {"type": "mask", "priority": rule.priority, "selector": selector, "mask": block}
    return {
        "name": rule.name,
        "version": "v1",
        "type": "policy",
        "layer": "user",
        "description": rule.description,
        "policy": {"data": data},
    }


def _workspaces(connection: sa.Connection, now_us: int) -> bool:
    """Insert missing workspaces; False if the defaults were completed before."""
    if _is_done(connection, _DONE):
        return False
    known = set(connection.execute(sa.select(tables.workspaces.c.name)).scalars())
    for name, layer, description in WORKSPACES:
        if name not in known:
            tags = ["dataos:type:workspace", "dataos:type:workspace:default", f"dataos:layer:{layer}"]
            connection.execute(
                tables.workspaces.insert().values(
                    name=name,
                    layer=layer,
                    description=description,
                    owner=ADMINISTRATOR,
                    tags=[*tags, f"dataos:workspace:{name}"],
                    created_at=now_us,
                )
            )
    return True


def _is_done(connection: sa.Connection, what: str) -> bool:
    return connection.execute(sa.select(tables.facts.c.key).where(tables.facts.c.key == what)).first() is not None


def _mark(connection: sa.Connection, what: str) -> None:
    if not _is_done(connection, what):
        connection.execute(tables.facts.insert().values(key=what, value="done"))
