"""What governance starts with, put into the store once an installation: what is removed later stays removed."""

from __future__ import annotations

import sqlalchemy as sa

from dataos.governance import artifacts, grants
from dataos.store import tables

_DONE = "governance-1"
_f = tables.facts


def ensure(connection: sa.Connection, now_us: int) -> None:
    """Tag-namespaces, roles, providers, use-cases, and what roles hold."""
    if connection.execute(sa.select(_f.c.key).where(_f.c.key == _DONE)).first() is not None:
        return
    artifacts.seed(connection, now_us)
    grants.seed(connection, now_us)
    connection.execute(_f.insert().values(key=_DONE, value="done"))
