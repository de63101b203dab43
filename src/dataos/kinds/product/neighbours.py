"""Products among each other: who reads whose outputs, circles, outputs that two claim, and products that are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dataos.kinds.product import index
from dataos.kinds.product.index import INPUT, OUTPUT, Ref
from dataos.store import tables

_p = tables.products
_f = tables.product_refs
_q = tables.query_history
_ALIKE = 0.5
_MOST_QUERIES = 20_000


def edges(connection: sa.Connection) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Of all living products by name: the datasets that each reads, and those that each makes."""
    query = sa.select(_p.c.name, _f.c.side, _f.c.target).join(_f, _f.c.uid == _p.c.uid)
    rows = connection.execute(query.where(_p.c.deleted_at.is_(None), _f.c.side.in_([INPUT, OUTPUT]))).all()
    made: dict[str, set[str]] = {}
    for row in rows:
        if row.side == OUTPUT:
            made.setdefault(row.name, set()).add(row.target)
    read: dict[str, set[str]] = {}
    for row in rows:
        if row.side == INPUT:
            read.setdefault(row.name, set()).update(_expanded(row.target, made))
    return read, made


def _expanded(target: str, made: Mapping[str, set[str]]) -> set[str]:
    """An input that names a product stands for all that it makes."""
    return made.get(index.product_name(target), set()) if target.startswith("data:") else {target}


def readers(connection: sa.Connection, name: str) -> list[str]:
    """Names of living products whose inputs are outputs of this one."""
    read, made = edges(connection)
    mine = made.get(name, set())
    by_id = {r.name for r in index.pointing(connection, _ids(name), [INPUT])}
    return sorted(({other for other, inputs in read.items() if inputs & mine} | by_id) - {name})


def _ids(name: str) -> list[str]:
    return [f"data:{version}:{name}" for version in ("v1beta", "v1alpha")]


def circle(connection: sa.Connection, name: str, refs: list[Ref]) -> list[str]:
    """Names along a circle that the product would close, beginning with it; empty: none."""
    read, made = edges(connection)
    made[name] = {r.target for r in refs if r.side == OUTPUT}
    read[name] = {t for r in refs if r.side == INPUT for t in _expanded(r.target, made)}
    makers: dict[str, set[str]] = {}
    for product, outputs in made.items():
        for target in outputs:
            makers.setdefault(target, set()).add(product)
    ways: dict[str, list[str]] = {name: [name]}
    queue = [name]
    while queue:
        here = queue.pop(0)
        for maker in sorted({m for target in read.get(here, ()) for m in makers.get(target, ())}):
            if maker == here:
                continue  # what publishes what it reads (ch09 2.3) is no circle
            if maker == name:
                return [*ways[here], name]
            if maker not in ways:
                ways[maker] = [*ways[here], maker]
                queue.append(maker)
    return []


def claimed(connection: sa.Connection, name: str, refs: list[Ref]) -> dict[str, list[str]]:
    """Outputs that other products claim too: address to their names."""
    targets = [r.target for r in refs if r.side == OUTPUT]
    found: dict[str, list[str]] = {}
    for row in index.pointing(connection, targets, [OUTPUT]) if targets else []:
        if row.name != name:
            found.setdefault(row.target, []).append(row.name)
    return found


def similar(connection: sa.Connection, name: str, refs: list[Ref], use_cases: tuple[str, ...]) -> dict[str, str]:
    """Living products that may do already what this one is for: name to what they share (ch09 4)."""
    read, made = edges(connection)
    inputs = {t for r in refs if r.side == INPUT for t in _expanded(r.target, made)}
    columns = _columns(connection, {r.target for r in refs if r.side == OUTPUT})
    wanted = {u.lower() for u in use_cases}
    found: dict[str, str] = {}
    for row in connection.execute(sa.select(_p.c.name, _p.c.use_cases).where(_p.c.deleted_at.is_(None))):
        if row.name == name:
            continue
        shared: list[str] = []
        if _share(inputs, read.get(row.name, set())) >= _ALIKE:
            shared.append("the same inputs")
        if columns and _share(columns, _columns(connection, made.get(row.name, set()))) >= _ALIKE:
            shared.append("similar columns")
        same = wanted & {str(u).lower() for u in row.use_cases}
        if same and shared:
            shared.append("the use case " + ", ".join(sorted(same)))
        if len(shared) > 1:
            found[row.name] = " and ".join(shared)
    return found


def _share(mine: set[str], theirs: set[str]) -> float:
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0


def _columns(connection: sa.Connection, addresses: set[str]) -> set[str]:
    d = tables.datasets
    rows = connection.execute(sa.select(d.c.columns).where(d.c.address.in_(sorted(addresses)))) if addresses else []
    return {str(c["name"]).lower() for row in rows for c in row.columns}


def consumers(connection: sa.Connection, addresses: list[str], since_us: int) -> dict[str, dict[str, int]]:
    """Who asked these datasets since then, by the query history: user to {address: statements}."""
    wanted = {a.lower(): a for a in addresses}
    found: dict[str, dict[str, int]] = {}
    query = sa.select(_q.c.user, _q.c.tables).where(_q.c.created_at >= since_us, _q.c.state == "finished")
    for row in connection.execute(query.order_by(_q.c.created_at.desc()).limit(_MOST_QUERIES)):
        for address in {table_address(table) for table in row.tables} & set(wanted):
            of_user = found.setdefault(row.user, {})
            of_user[wanted[address]] = of_user.get(wanted[address], 0) + 1
    return found


def table_address(table: Mapping[str, Any]) -> str:
    """The address, in lower case, of a table of the query history; of a metadata table that of its table."""
    name = str(table["table"]).partition("$")[0].partition("@")[0]
    return f"dataos://{table['catalog']}:{table['schema']}/{name}".lower()
