"""Tags that come with data: what a column is made of says how it is protected.

A column inherits the tags of the columns that it is made of; where that is not known, those of every column of the
inputs. What an owner took off is not inherited again. Inherited tags have a source of their own and are worked out anew
whenever tags or ways of data change, in the same transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import sqlalchemy as sa

from dataos.store import tables

SOURCE = "inherited"
_e = tables.lineage_edges
_t = tables.dataset_tags
_r = tables.dataset_tag_refusals
_MOST = 10_000

Tags = set[tuple[str, str]]
"""(column in lower case, tag)."""


def spread(connection: sa.Connection, addresses: Iterable[str]) -> None:
    """Bring what these datasets inherit, and everything made of them, up to date."""
    waiting = deque(dict.fromkeys(addresses))
    seen = 0
    while waiting and seen < _MOST:
        address = waiting.popleft()
        seen += 1
        if address and _refresh(connection, address):
            waiting.extend(a for a in _made_of(connection, address) if a not in waiting)


def spread_from(connection: sa.Connection, address: str) -> None:
    """Tags of a dataset changed: bring everything made of it up to date."""
    spread(connection, _made_of(connection, address))


def refuse(connection: sa.Connection, address: str, column: str, tag: str, by: str, now_us: int) -> None:
    """Somebody took an inherited tag off: it does not come again."""
    key = {"address": address, "column": column, "tag": tag}
    connection.execute(_r.delete().where(*(_r.c[name] == value for name, value in key.items())))
    connection.execute(_r.insert().values(**key, by=by, at=now_us))


def accept(connection: sa.Connection, address: str, column: str, tag: str) -> None:
    """Somebody gave the tag: what was refused before counts no more."""
    connection.execute(_r.delete().where(_r.c.address == address, _r.c.column == column, _r.c.tag == tag))


def _made_of(connection: sa.Connection, address: str) -> list[str]:
    return list(connection.execute(sa.select(_e.c.downstream).where(_e.c.upstream == address).distinct()).scalars())


def _refresh(connection: sa.Connection, address: str) -> bool:
    """True if what the dataset inherits is not what it was."""
    wanted: Tags = set()
    for edge in connection.execute(sa.select(_e).where(_e.c.downstream == address, _e.c.upstream != address)):
        given = _tags(connection, edge.upstream)
        if not given:
            continue
        if edge.resolved:
            ways = [(pair[0].lower(), pair[1].lower()) for pair in edge.columns]
            wanted |= {(to, tag) for column, tag in given for of, to in ways if _is_in(column, of)}
        else:
            tags = {tag for _, tag in given}
            wanted |= {(column, tag) for column in _columns(connection, address) for tag in tags}
    refused = {(row.column, row.tag) for row in connection.execute(sa.select(_r).where(_r.c.address == address))}
    wanted -= refused
    where = (_t.c.address == address, _t.c.source == SOURCE)
    known = {(row.column, row.tag) for row in connection.execute(sa.select(_t.c.column, _t.c.tag).where(*where))}
    if wanted == known:
        return False
    connection.execute(_t.delete().where(*where))
    if wanted:
        rows = [{"address": address, "column": c, "tag": t, "source": SOURCE} for c, t in sorted(wanted)]
        connection.execute(_t.insert(), rows)
    return True


def _is_in(column: str, of: str) -> bool:
    """Is the tagged column this one, a part of it, or what it lies in?"""
    return column == of or column.startswith(f"{of}.") or of.startswith(f"{column}.")


def _tags(connection: sa.Connection, address: str) -> Tags:
    rows = connection.execute(sa.select(_t.c.column, _t.c.tag).where(_t.c.address == address, _t.c.column != ""))
    return {(row.column.lower(), row.tag) for row in rows}


def _columns(connection: sa.Connection, address: str) -> list[str]:
    columns = connection.execute(
        sa.select(tables.datasets.c.columns).where(tables.datasets.c.address == address)
    ).scalar()
    return [str(c["name"]).lower() for c in columns or ()]
