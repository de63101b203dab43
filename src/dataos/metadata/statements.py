"""Ways of data by statements: of which tables a statement of SQL made rows. Which column became which is not traced:
every column of the target inherits the tags of every column of what was read (`inheritance`)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from dataos.metadata import entities, inheritance
from dataos.store import tables

_e = tables.lineage_edges


class Statements:
    """Writes them down. `namespace`: of this installation's jobs, which nobody else's events may name."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def derived(
        self,
        connection: sa.Connection,
        user: str,
        query_id: str,
        target: str,
        columns: Sequence[tuple[str, str]],
        sources: Sequence[str],
        now_us: int,
        /,
    ) -> None:
        """Unit of work: rows of `sources` are about to be written into `target` with these (name, type). Said before
        the rows are there: a crash in between leaves tags too many, and never too few."""
        job = f"sql.{user}"
        mine = (_e.c.downstream == target, _e.c.namespace == self._namespace, _e.c.job == job)
        known = set(connection.execute(sa.select(_e.c.upstream).where(*mine)).scalars())
        fresh = [source for source in dict.fromkeys(sources) if source != target and source not in known]
        entities.shaped(connection, target, columns, f"user:{user}", now_us)
        if fresh:
            common = {"downstream": target, "namespace": self._namespace, "job": job, "columns": [], "resolved": False}
            times = {"run": query_id, "first_at": now_us, "last_at": now_us}
            connection.execute(_e.insert(), [{"upstream": source, **common, **times} for source in fresh])
        inheritance.spread(connection, [target])
