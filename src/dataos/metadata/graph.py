"""The lineage graph: edges from dataset to dataset through a job, and walks along them. Over a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dataos.metadata import inheritance
from dataos.metadata.reports import Line
from dataos.store import tables
from dataos.store.database import batches

_e = tables.lineage_edges
_j = tables.lineage_jobs
MOST_NODES = 2000

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Made:
    """What a run made of what: one output with its inputs."""

    downstream: str  # empty: the job only reads
    upstreams: tuple[str, ...]
    lines: tuple[Line, ...]


def replace(connection: sa.Connection, namespace: str, job: str, run: str, made: Iterable[Made], now_us: int) -> None:
    """Let the job's edges into each of these outputs be those of this run."""
    for one in made:
        of_output = (_e.c.downstream == one.downstream, _e.c.namespace == namespace, _e.c.job == job)
        before = {
            row.upstream: row.first_at
            for row in connection.execute(sa.select(_e.c.upstream, _e.c.first_at).where(*of_output))
        }
        connection.execute(_e.delete().where(*of_output))
        rows = [
            {
                "upstream": upstream,
                "downstream": one.downstream,
                "namespace": namespace,
                "job": job,
                "columns": _pairs(one.lines, upstream),
                "resolved": _is_resolved(one.lines),
                "run": run,
                "first_at": before.get(upstream, now_us),
                "last_at": now_us,
            }
            for upstream in dict.fromkeys(one.upstreams)
            if upstream != one.downstream
        ]
        if rows:
            connection.execute(_e.insert(), rows)
        inheritance.spread(connection, [one.downstream])


_MOST_PAIRS = 20_000


def _is_resolved(lines: Sequence[Line]) -> bool:
    """Are all ways of columns known, and kept?"""
    return bool(lines) and all(line.resolved for line in lines) and sum(len(x.sources) for x in lines) <= _MOST_PAIRS


def _pairs(lines: Sequence[Line], upstream: str) -> list[list[str]]:
    found: list[list[str]] = []
    for line in lines:
        if line.resolved:  # of what does not resolve, the edge of the datasets is all that is known
            found += [[column, line.column] for address, column in line.sources if address == upstream]
    return found[:_MOST_PAIRS]


def save_job(
    connection: sa.Connection,
    namespace: str,
    name: str,
    about: Mapping[str, Any],
    owner: str,
    state: str,
    run: str,
    now_us: int,
) -> None:
    """The newest run of a job."""
    values = {"about": dict(about), "owner": owner, "state": state, "run": run, "last_at": now_us}
    where = (_j.c.namespace == namespace, _j.c.name == name)
    if connection.execute(_j.update().where(*where).values(**values)).rowcount == 0:
        connection.execute(_j.insert().values(namespace=namespace, name=name, **values))


@dataclass(frozen=True)
class Walk:
    """What was met on the way: edges in breadth-first order, and the depth of each dataset (0: where it began)."""

    edges: tuple[sa.Row[Any], ...]
    depths: Mapping[str, int]
    truncated: bool
    columns: Mapping[str, tuple[str, ...]]  # of a walk of one column: which columns of each dataset are on the way


def walk(connection: sa.Connection, address: str, direction: Direction, depth: int, column: str | None = None) -> Walk:
    """Go up or down, `depth` steps of dataset to dataset. With `column`: only where that column goes; of an edge whose
    columns are not known the way goes on, and from there on all columns count."""
    here, there = ("downstream", "upstream") if direction == "up" else ("upstream", "downstream")
    depths: dict[str, int] = {address: 0}
    wanted: dict[str, set[str] | None] = {address: None if column is None else {column.lower()}}
    frontier, edges = [address], []
    seen: set[tuple[str, str, str, str]] = set()
    for level in range(1, depth + 1):
        rows = _edges(connection, frontier, here)
        following: dict[str, None] = {}
        for row in rows:
            key = (row.upstream, row.downstream, row.namespace, row.job)
            start, end = getattr(row, here), getattr(row, there)
            reached = _reached(row, wanted[start], direction)
            if reached is not None and not reached and column is not None:
                continue
            if key not in seen:
                seen.add(key)
                edges.append(row)
            if not end:
                continue
            before = wanted.get(end, set())
            both = None if column is None or reached is None or before is None else before | reached
            if end not in wanted or both != before:
                wanted[end] = both
                depths.setdefault(end, level)
                following[end] = None
        if len(depths) > MOST_NODES:
            return Walk(tuple(edges), depths, True, _named(wanted))
        frontier = list(following)
        if not frontier:
            break
    truncated = bool(frontier) and any(r for r in _edges(connection, frontier, here) if getattr(r, there) not in depths)
    return Walk(tuple(edges), depths, truncated, _named(wanted))


def _named(wanted: Mapping[str, set[str] | None]) -> dict[str, tuple[str, ...]]:
    return {address: tuple(sorted(found)) for address, found in wanted.items() if found is not None}


def _edges(connection: sa.Connection, addresses: Sequence[str], here: str) -> list[sa.Row[Any]]:
    found: list[sa.Row[Any]] = []
    for some in batches(addresses):
        query = sa.select(_e).where(_e.c[here].in_(some))
        found += connection.execute(query.order_by(_e.c.downstream, _e.c.upstream, _e.c.namespace, _e.c.job)).all()
    return found


def _reached(row: sa.Row[Any], columns: set[str] | None, direction: Direction) -> set[str] | None:
    """Columns at the other end that these lead to; None: not known, any may."""
    if columns is None:
        return None
    if not row.downstream:
        return set()
    if not row.resolved and not row.columns:
        return None
    here, there = (1, 0) if direction == "up" else (0, 1)
    found = {pair[there].lower() for pair in row.columns if pair[here].lower() in columns}
    return found if found or row.resolved else None


def jobs(connection: sa.Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], sa.Row[Any]]:
    """Jobs by namespace and name."""
    wanted = set(keys)
    names = sorted({name for _, name in wanted})
    found: dict[tuple[str, str], sa.Row[Any]] = {}
    for some in batches(names):
        for row in connection.execute(sa.select(_j).where(_j.c.name.in_(some))):
            if (row.namespace, row.name) in wanted:
                found[row.namespace, row.name] = row
    return found
