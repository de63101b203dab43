"""What every installation starts with: workspaces, Computes, a Lakehouse `lakehouse`, a
Cluster `miniature` (architecture 7)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.resources import ApplyRequest, Resources
from dataos.governance.identities import ADMINISTRATOR
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


async def ensure(store: Store, resources: Resources, now_us: int) -> None:
    """Make what is missing, once per installation: what an operator deleted later stays deleted."""
    if not await store.write(_workspaces, now_us):
        return
    for document in RESOURCES:
        await resources.apply(ApplyRequest(document=dict(document), actor=ADMINISTRATOR))
    await store.write(_mark)


def _workspaces(connection: sa.Connection, now_us: int) -> bool:
    """Insert missing workspaces; False if the defaults were completed before."""
    if connection.execute(sa.select(tables.facts.c.value).where(tables.facts.c.key == _DONE)).first():
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


def _mark(connection: sa.Connection) -> None:
    if not connection.execute(sa.select(tables.facts.c.key).where(tables.facts.c.key == _DONE)).first():
        connection.execute(tables.facts.insert().values(key=_DONE, value="done"))
