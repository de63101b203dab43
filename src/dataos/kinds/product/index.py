"""What lists of products show and search: one row a product, and one for each thing that it points at.

Written in the transaction that stores a generation, so that a product is in the Hub at once (ch09 3.2). Nothing here
asks a source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core.addresses import ResourceKey, Udl, resource_id
from dataos.kinds.product.spec import Dataset, ProductSpec
from dataos.manifest import registry
from dataos.manifest.documents import Manifest
from dataos.store import tables

_p = tables.products
_f = tables.product_refs

INPUT, OUTPUT, BUNDLE, MEMBER, LENS, SERVICE, RELATED = (
    "input",
    "output",
    "bundle",
    "member",
    "lens",
    "service",
    "related",
)


@dataclass(frozen=True)
class Ref:
    """One thing that a product points at. `target`: address of a dataset, id of a product, or a Resource's live key."""

    side: str
    target: str
    description: str = ""
    purpose: str = ""


def refs_of(spec: ProductSpec) -> list[Ref]:
    """Everything that a product points at, in the order of its manifest."""
    found = [_dataset(INPUT, d) for d in spec.inputs] + [_dataset(OUTPUT, d) for d in spec.outputs]
    keys: list[tuple[str, ResourceKey]] = [(BUNDLE, spec.bundle)] if spec.bundle is not None else []
    keys += [(MEMBER, key) for key in spec.members]
    keys += [(LENS, key) for key in spec.ports.lens] + [(SERVICE, key) for key in spec.ports.services]
    found += [Ref(side, records.live_key(key)) for side, key in keys]
    found += [Ref(RELATED, id_) for id_ in spec.related if id_]
    return found


def _dataset(side: str, dataset: Dataset) -> Ref:
    return Ref(side, str(dataset.address or dataset.product), dataset.description, dataset.purpose)


def key_of(target: str) -> ResourceKey:
    """The Resource of a live key."""
    type_, workspace, name = target.split("/", 2)
    return ResourceKey(type_, name, workspace or None)


def shown(side: str, target: str) -> str:
    """A target as people write it: an address, or TYPE:VERSION:NAME[:WORKSPACE]."""
    if side in (INPUT, OUTPUT, RELATED):
        return target
    key = key_of(target)
    kind = registry.find_kind(key.type)
    return resource_id(key.type, kind.versions[0] if kind else "v1", key.name, key.workspace)


def product_name(id_: str) -> str:
    """The name in `data:<version>:<name>`."""
    return id_.split(":", 2)[2]


def register(connection: sa.Connection, manifest: Manifest, uid: str, now_us: int) -> None:
    """Write the rows of a generation that is being stored."""
    spec: ProductSpec = manifest.spec
    pointed = refs_of(spec)
    row = records.by_uid(connection, uid)
    ports = [name for name, there in (("lens", spec.ports.lens), ("api", spec.ports.services),
             ("rest", spec.ports.rest), ("postgres", spec.ports.postgres)) if there]  # fmt: skip
    values: dict[str, Any] = {
        "name": manifest.meta.name,
        "version": manifest.version,
        "title": spec.title,
        "description": manifest.meta.description,
        "owner": row.owner if row is not None else "",
        "people": [list(person) for person in spec.collaborators],
        "tiers": list(spec.tiers),
        "domains": list(spec.domains),
        "use_cases": list(spec.use_cases),
        "custom_tags": list(spec.custom_tags),
        "ports": ports,
        "draft": spec.draft,
        "lifecycle": lifecycle(spec),
        "contract_version": spec.contract_version,
        "updated_at": now_us,
        "deleted_at": None,
    }
    if connection.execute(_p.update().where(_p.c.uid == uid).values(**values)).rowcount == 0:
        connection.execute(_p.insert().values(uid=uid, resolved=False, contract={}, created_at=now_us, **values))
    connection.execute(_f.delete().where(_f.c.uid == uid))
    rows = [
        {"uid": uid, "position": i, "side": r.side, "target": r.target, "description": r.description,
         "purpose": r.purpose, "missing": "not looked for yet"}
        for i, r in enumerate(pointed)
    ]  # fmt: skip
    if rows:
        connection.execute(_f.insert(), rows)
    targets = [r.target for r in pointed if r.side not in (INPUT, OUTPUT, RELATED)]
    targets += [f"depot//{Udl.parse(r.target).depot}" for r in pointed if r.target.startswith("dataos://")]
    targets += [f"data//{product_name(r.target)}" for r in pointed if r.target.startswith("data:")]
    records.watch(connection, uid, targets)


def lifecycle(spec: ProductSpec) -> dict[str, Any]:
    """Life cycle as kept."""
    found = spec.lifecycle
    return {
        "stage": found.stage,
        "deprecatedOn": found.deprecated_on.isoformat() if found.deprecated_on else None,
        "retireOn": found.retire_on.isoformat() if found.retire_on else None,
        "replacedBy": found.replaced_by,
    }


def unregister(connection: sa.Connection, uid: str, now_us: int) -> None:
    """It is being deleted: it is shown under deleted ones only."""
    connection.execute(_p.update().where(_p.c.uid == uid).values(deleted_at=now_us))


def living(connection: sa.Connection, name: str) -> sa.Row[Any] | None:
    """The row of a product that is not deleted."""
    return connection.execute(sa.select(_p).where(_p.c.name == name, _p.c.deleted_at.is_(None))).first()


def refs(connection: sa.Connection, uid: str) -> list[sa.Row[Any]]:
    """What a product points at."""
    return list(connection.execute(sa.select(_f).where(_f.c.uid == uid).order_by(_f.c.position)))


def pointing(connection: sa.Connection, targets: Iterable[str], sides: Iterable[str]) -> list[sa.Row[Any]]:
    """Living products that point at any of these: their rows with `side` and `target`."""
    query = (
        sa.select(_p, _f.c.side, _f.c.target)
        .join(_f, _f.c.uid == _p.c.uid)
        .where(_f.c.target.in_(list(targets)), _f.c.side.in_(list(sides)), _p.c.deleted_at.is_(None))
        .order_by(_p.c.name)
    )
    return list(connection.execute(query))


def set_missing(connection: sa.Connection, uid: str, missing: dict[int, str]) -> None:
    """Write which references do not resolve, by position; all others do."""
    for row in refs(connection, uid):
        text = missing.get(row.position, "")
        if row.missing != text:
            here = (_f.c.uid == uid, _f.c.position == row.position)
            connection.execute(_f.update().where(*here).values(missing=text))
    connection.execute(_p.update().where(_p.c.uid == uid).values(resolved=not missing))
