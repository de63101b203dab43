"""How much of the history of data stays. A page per transaction; the oldest go first, and what is the newest stays."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from dataos.store import tables
from dataos.store.database import Store

_PAGE = 1000


@dataclass(frozen=True)
class Kept:
    """How many rows stay: of events in all, of the others per dataset."""

    events: int = 50_000
    profiles: int = 100
    quality_results: int = 5_000
    versions: int = 200


async def trim(store: Store, kept: Kept) -> int:
    """Remove what is too much. Returns how many rows went."""
    removed = 0
    while gone := await store.write(_trim_events, kept.events):
        removed += gone
    for table, keep in ((tables.dataset_profiles, kept.profiles), (tables.dataset_quality, kept.quality_results)):
        for address in await store.read(_crowded, table, keep):
            removed += await store.write(_trim_rows, table, address, keep)
    for address in await store.read(_crowded, tables.dataset_versions, kept.versions):
        removed += await store.write(_trim_versions, address, kept.versions)
    return removed


def _trim_events(connection: sa.Connection, keep: int) -> int:
    e = tables.lineage_events
    last = connection.execute(sa.select(sa.func.max(e.c.seq))).scalar() or 0
    old = sa.select(e.c.seq).where(e.c.seq <= last - keep).order_by(e.c.seq).limit(_PAGE)
    return connection.execute(e.delete().where(e.c.seq.in_(old.scalar_subquery()))).rowcount


def _crowded(connection: sa.Connection, table: sa.Table, keep: int) -> list[str]:
    query = sa.select(table.c.address).group_by(table.c.address).having(sa.func.count() > keep)
    return list(connection.execute(query).scalars())


def _trim_rows(connection: sa.Connection, table: sa.Table, address: str, keep: int) -> int:
    of_dataset = table.c.address == address
    newest = sa.select(table.c.id).where(of_dataset).order_by(table.c.id.desc()).offset(keep).limit(1)
    last = connection.execute(newest).scalar()
    return 0 if last is None else connection.execute(table.delete().where(of_dataset, table.c.id <= last)).rowcount


def _trim_versions(connection: sa.Connection, address: str, keep: int) -> int:
    v = tables.dataset_versions
    query = sa.select(v.c.major, v.c.minor).where(v.c.address == address)
    old = connection.execute(query.order_by(v.c.major.desc(), v.c.minor.desc()).offset(keep)).all()
    for row in old:
        connection.execute(v.delete().where(v.c.address == address, v.c.major == row.major, v.c.minor == row.minor))
    return len(old)
