"""Whether what a product points at is there (ch09 2.5, 2.7): from the store alone, no source is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core.addresses import Udl
from dataos.kinds.product import index
from dataos.kinds.product.index import Ref
from dataos.store import tables

_ICEBERG = "ICEBERG"


def missing(connection: sa.Connection, refs: Iterable[Ref]) -> dict[int, str]:
    """By position, why a reference does not resolve, with what makes it."""
    wanted = list(refs)
    addresses = [r.target for r in wanted if r.target.startswith("dataos://")]
    known = _known(connection, addresses)
    depots = _depots(connection)
    found: dict[int, str] = {}
    for position, ref in enumerate(wanted):
        if ref.target.startswith("dataos://"):
            text = "" if ref.target in known else _dataset(connection, Udl.parse(ref.target), depots)
        elif ref.target.startswith("data:"):
            there = index.living(connection, index.product_name(ref.target)) is not None
            text = "" if there else f"there is no product {ref.target}: dataos product apply -f FILE"
        else:
            text = _resource(connection, ref)
        if text:
            found[position] = text
    return found


def _resource(connection: sa.Connection, ref: Ref) -> str:
    key = index.key_of(ref.target)
    row = records.find(connection, key)
    shown = index.shown(ref.side, ref.target)
    if row is None:
        where = f" -w {key.workspace}" if key.workspace else ""
        return f"there is no {shown}: dataos apply -f FILE{where}"
    if row.deleting_at is not None:
        return f"{shown} is being deleted"
    if row.status != "active":
        return f"{shown} is {row.status}: dataos get -t {key.type} -n {key.name}"
    return ""


def _known(connection: sa.Connection, addresses: list[str]) -> set[str]:
    d = tables.datasets
    return set(connection.execute(sa.select(d.c.address).where(d.c.address.in_(addresses))).scalars())


def _depots(connection: sa.Connection) -> Mapping[str, sa.Row[Any]]:
    return {row.name: row for row in connection.execute(sa.select(tables.depots))}


def _dataset(connection: sa.Connection, udl: Udl, depots: Mapping[str, sa.Row[Any]]) -> str:
    entry = depots.get(udl.depot)
    if entry is None:
        return f"{udl}: there is no depot `{udl.depot}`: dataos apply -f FILE"
    if entry.type != _ICEBERG or not udl.collection or not udl.dataset:
        return ""  # it lives elsewhere: whether it is there is seen when it is read
    warehouse = str(entry.location.get("warehouse", entry.name))
    for table in (tables.iceberg_tables, tables.iceberg_views):
        at = (table.c.warehouse == warehouse, table.c.namespace == udl.collection, table.c.name == udl.dataset)
        if connection.execute(sa.select(table.c.name).where(*at)).first() is not None:
            return ""
    return f"{udl} is not there yet: a job of the product makes it"
