"""What people and programs ask about data: ways, datasets, profiles, quality, versions, events.

A dataset is known to those who may read any of it, to its owner and to those who govern: to all others it is as if it
was not there, and a way that leads through it shows no more than that there is one. Of columns that are denied to
somebody nothing is told, nor numbers of rows to whom some are hidden. What holds values of the data (profiles, results
of tests) and decisions about tags are for the dataset's owner and for operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Literal

import sqlalchemy as sa

from dataos.core import names
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError, fail
from dataos.governance import knowing, rules
from dataos.governance.decisions import DecisionPoint
from dataos.governance.knowing import Sight
from dataos.governance.objects import writable
from dataos.governance.principals import Principal
from dataos.metadata import entities, graph, measures, reports, sighting
from dataos.store import tables
from dataos.store.database import Store, batches

_d, _e, _ev = tables.datasets, tables.lineage_edges, tables.lineage_events
_p, _q, _l, _v = tables.dataset_profiles, tables.dataset_quality, tables.dataset_labels, tables.dataset_versions
_SETTLED_US = 5_000_000
_SUGGESTED_FROM = 500
_RECENT = 5
_LOOKED_AT = 100
"""Datasets at least in one look for those of which somebody may know."""

Direction = Literal["up", "down", "both"]


@dataclass(frozen=True)
class Way:
    """What is asked of the lineage of a dataset."""

    address: str
    direction: Direction = "both"
    depth: int = 20
    column: str | None = None
    columns: bool = False  # answer the pairs of columns too


@dataclass(frozen=True)
class Wanted:
    """Which datasets a listing shows; None means any."""

    text: str | None = None
    depot: str | None = None
    tag: str | None = None
    owner: str | None = None


class Reading:
    """Reads, and the one decision that people take here: about suggested tags."""

    def __init__(self, store: Store, clock: Clock, point: DecisionPoint) -> None:
        self._store = store
        self._clock = clock
        self._point = point

    # --- lineage ----------------------------------------------------------------------------------------------------

    async def lineage(self, principal: Principal, way: Way) -> dict[str, Any]:
        """{address, column, direction, depth, truncated, nodes, edges}. Raises `metadata.not_found`,
        `metadata.column`."""
        return await self._store.read(self._lineage, principal, way)

    def _lineage(self, connection: sa.Connection, principal: Principal, way: Way) -> dict[str, Any]:
        address = self._find(connection, principal, way.address)
        column = self._column(connection, principal, address, way.column)
        directions: list[graph.Direction] = ["up", "down"] if way.direction == "both" else [way.direction]
        nodes: dict[str, dict[str, Any]] = {}
        edges: list[dict[str, Any]] = []
        truncated = False
        for direction in directions:
            walk = graph.walk(connection, address, direction, way.depth, column)
            truncated = truncated or walk.truncated
            for found, depth in walk.depths.items():
                node = nodes.setdefault(found, {"address": found, "up": None, "down": None, "columns": []})
                node[direction] = depth
                node["columns"] = sorted({*node["columns"], *walk.columns.get(found, ())})
            jobs = graph.jobs(connection, ((r.namespace, r.job) for r in walk.edges))
            edges += [_edge(r, jobs.get((r.namespace, r.job)), direction, way, walk) for r in walk.edges]
        sights = self._sights(connection, principal, nodes)
        self._describe(connection, nodes, sights)
        for found, node in nodes.items():  # columns as the dataset spells them
            node["columns"] = [c for c in _spelt(node["columns"], node.pop("known")) if not sights[found].denied(c)]
        for edge in edges:
            _without_denied(edge, sights)
        _restrict(nodes, edges, self._unknown(connection, principal, nodes))
        return {
            "address": address,
            "column": column,
            "direction": way.direction,
            "depth": way.depth,
            "truncated": truncated,
            "nodes": sorted(nodes.values(), key=lambda n: (n["up"] or n["down"] or 0, n["address"])),
            "edges": edges,
        }

    def _describe(
        self, connection: sa.Connection, nodes: Mapping[str, dict[str, Any]], sights: Mapping[str, Sight]
    ) -> None:
        for address, row in _rows(connection, nodes).items():
            node = nodes[address]
            node |= {
                "restricted": False,
                "title": row.title if row is not None else "",
                "description": row.description if row is not None else "",
                "owner": row.owner if row is not None else "",
                "rowsWritten": row.rows if row is not None and sights[address].whole else None,
                "writtenAt": rfc3339(row.written_at) if row is not None else None,
                "known": [c["name"] for c in row.columns] if row is not None else [],
            }

    def _unknown(self, connection: sa.Connection, principal: Principal, addresses: Iterable[str]) -> set[str]:
        """Those of the addresses of which the principal may not know."""
        return sighting.unknown(connection, self._point.now(connection), principal, addresses)

    def _sights(self, connection: sa.Connection, principal: Principal, addresses: Iterable[str]) -> dict[str, Sight]:
        """How much of each dataset there is for the principal."""
        return sighting.sights(connection, self._point.now(connection), principal, addresses)

    def _find(self, connection: sa.Connection, principal: Principal, asked: str) -> str:
        """The address under which the store knows what was asked, and of which the principal may know. A file may be
        part of a pattern that a job reads."""
        address = reports.address_of(asked) or asked
        known = sa.or_(_e.c.upstream == address, _e.c.downstream == address)
        if (
            entities.find(connection, address) is not None
            or connection.execute(sa.select(_e.c.upstream).where(known).limit(1)).first() is not None
        ) and not self._unknown(connection, principal, [address]):
            return address
        depot = address.partition("://")[2].partition(":")[0]
        near = sa.select(_d.c.address).order_by((_d.c.depot == depot).desc(), _d.c.address).limit(_SUGGESTED_FROM)
        others = list(connection.execute(near).scalars())
        hidden = self._unknown(connection, principal, others)
        others = [a for a in others if a not in hidden]
        for pattern in others:
            if any(c in pattern for c in "*?[") and fnmatchcase(address, pattern):
                return pattern
        hint = names.did_you_mean(address, others)
        raise fail(
            "metadata.not_found",
            f"nothing is known of {asked}: no job has read or written it",
            hint=hint
            or "known datasets: dataos dataset catalog; their addresses read dataos://depot:collection/dataset",
        )

    def _column(self, connection: sa.Connection, principal: Principal, address: str, asked: str | None) -> str | None:
        if asked is None:
            return None
        row = entities.find(connection, address)
        denied = self._sights(connection, principal, [address])[address].denied
        known = [c["name"] for c in row.columns if not denied(c["name"])] if row is not None else []
        found = next((c for c in known if c.lower() == asked.lower()), None)
        if (known or denied(asked)) and found is None:
            hint = names.did_you_mean(asked, known) or "columns: " + ", ".join(known[:20])
            raise fail("metadata.column", f"{address} has no column `{asked}`", hint=hint)
        return found or asked

    # --- datasets ---------------------------------------------------------------------------------------------------

    async def listing(self, principal: Principal, wanted: Wanted, after: str | None, limit: int) -> dict[str, Any]:
        """Datasets in order of their addresses: {items, next}."""
        return await self._store.read(self._listing, principal, wanted, after, limit)

    def _listing(
        self, connection: sa.Connection, principal: Principal, wanted: Wanted, after: str | None, limit: int
    ) -> dict[str, Any]:
        query = sa.select(_d).order_by(_d.c.address)
        if wanted.depot is not None:
            query = query.where(_d.c.depot == wanted.depot)
        if wanted.owner is not None:
            query = query.where(_d.c.owner == wanted.owner)
        if wanted.tag is not None:
            t = tables.dataset_tags
            query = query.where(_d.c.address.in_(sa.select(t.c.address).where(t.c.tag == wanted.tag)))
        if wanted.text:
            text = f"%{_escaped(wanted.text.lower())}%"
            parts = (_d.c.address, _d.c.title, _d.c.description)
            query = query.where(sa.or_(*(sa.func.lower(p).like(text, escape="\\") for p in parts)))
        found = list(islice(self._known(connection, principal, query, after, max(limit + 1, _LOOKED_AT)), limit + 1))
        page = found[:limit]
        sights = self._sights(connection, principal, [row.address for row in page])
        items = [_summary(row, entities.tags(connection, row.address), sights[row.address]) for row in page]
        return {"items": items, "next": page[-1].address if len(found) > limit else None}

    def _known(
        self, connection: sa.Connection, principal: Principal, query: sa.Select[Any], after: str | None, at_once: int
    ) -> Iterator[sa.Row[Any]]:
        """Datasets behind an address of which the principal may know, in order; so many are looked at at once."""
        while True:
            rows = connection.execute(
                (query if after is None else query.where(_d.c.address > after)).limit(at_once)
            ).all()
            hidden = self._unknown(connection, principal, [row.address for row in rows])
            yield from (row for row in rows if row.address not in hidden)
            if len(rows) < at_once:
                return
            after = rows[-1].address

    async def dataset(self, principal: Principal, address: str) -> dict[str, Any]:
        """Everything that is known of one dataset but values. Raises `metadata.not_found`."""
        return await self._store.read(self._dataset, principal, address)

    def _dataset(self, connection: sa.Connection, principal: Principal, asked: str) -> dict[str, Any]:
        address = self._find(connection, principal, asked)
        row = entities.find(connection, address)
        if row is None:  # an edge names it, of another producer without a schema
            raise fail(
                "metadata.not_found", f"only the lineage of {address} is known", hint=f"dataos lineage -a {address}"
            )
        tagged = entities.tags(connection, address)
        labels = connection.execute(sa.select(_l).where(_l.c.address == address).order_by(_l.c.column, _l.c.tag)).all()
        newest = sa.select(_p.c.at, _p.c.level, _p.c.rows).where(_p.c.address == address)
        profile = connection.execute(newest.order_by(_p.c.id.desc()).limit(1)).first()
        tests = _newest_tests(connection, address)
        sight = self._sights(connection, principal, [address])[address]
        columns = [{**c, "tags": tagged.get(c["name"], [])} for c in row.columns if not sight.denied(c["name"])]
        return {
            **_summary(row, tagged, sight),
            "columns": columns,
            "suggestions": [
                {"column": r.column, "tag": r.tag, "confidence": r.confidence, "state": r.state,
                 "decidedBy": r.decided_by} for r in labels if not sight.denied(r.column)
            ],
            "profile": None if profile is None else
                {"at": rfc3339(profile.at), "level": profile.level, "rows": profile.rows if sight.whole else None},
            "quality": {
                "passed": sum(1 for t in tests if t[0].passed),
                "failed": sum(1 for t in tests if not t[0].passed),
            },
        }  # fmt: skip

    async def versions(self, principal: Principal, address: str, limit: int) -> list[dict[str, Any]]:
        """Meta versions, newest first: {version, at, by, changes, state}."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            found = self._find(connection, principal, address)
            denied = self._sights(connection, principal, [found])[found].denied
            query = sa.select(_v).where(_v.c.address == found).order_by(_v.c.major.desc(), _v.c.minor.desc())
            return [
                {"version": f"{r.major}.{r.minor}", "at": rfc3339(r.at), "by": r.actor, **_known_of(r, denied)}
                for r in connection.execute(query.limit(limit))
            ]

        return await self._store.read(read)

    # --- measures ---------------------------------------------------------------------------------------------------

    async def profile(self, address: str, principal: Principal, days: float) -> dict[str, Any]:
        """The newest profile, and how many rows there were in the last days. Raises `auth.forbidden`,
        `metadata.not_found`, `metadata.no_profile`."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            found = self._owned(connection, address, principal, "read the profile of")
            row = connection.execute(
                sa.select(_p).where(_p.c.address == found).order_by(_p.c.id.desc()).limit(1)
            ).first()
            if row is None:
                hint = "a Flare job with `profile: {level: basic}` makes one of its first input"
                raise fail("metadata.no_profile", f"{found} was not profiled yet", hint=hint)
            since = self._clock.now_us() - int(days * 86_400e6)
            history = sa.select(_p.c.at, _p.c.rows, _p.c.level, _p.c.filters).where(_p.c.address == found)
            rows = connection.execute(history.where(_p.c.at >= since).order_by(_p.c.id)).all()
            return {
                "address": found,
                "at": rfc3339(row.at),
                "job": row.job,
                "level": row.level,
                "filters": row.filters,
                "rows": row.rows,
                "columns": row.columns,
                "correlations": row.correlations,
                "history": [
                    {"at": rfc3339(r.at), "rows": r.rows, "level": r.level, "filters": r.filters} for r in rows
                ],
            }

        return await self._store.read(read)

    async def quality(self, address: str, principal: Principal, status: str | None) -> list[dict[str, Any]]:
        """Each test with its newest result and the results of its last runs, newest first."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            found = self._owned(connection, address, principal, "read quality results of")
            return [
                {
                    "name": newest.name,
                    "column": newest.column or None,
                    "test": newest.test,
                    "status": _status(newest.passed),
                    "value": newest.value,
                    "at": rfc3339(newest.at),
                    "job": newest.job,
                    "recent": [
                        {"at": rfc3339(r.at), "status": _status(r.passed), "value": r.value} for r in recent[:_RECENT]
                    ],
                }
                for newest, recent in _newest_tests(connection, found)
                if status is None or _status(newest.passed) == status
            ]

        return await self._store.read(read)

    async def decide(self, address: str, principal: Principal, column: str, tag: str, accept: bool) -> dict[str, Any]:
        """Accept a suggested tag (the column carries it from now on) or discard it (it is not suggested again).
        Raises `auth.forbidden`, `metadata.not_found`, `metadata.no_suggestion`."""

        def write(connection: sa.Connection) -> dict[str, Any]:
            found = self._owned(connection, address, principal, "decide about tags of")
            where = (_l.c.address == found, _l.c.column == column, _l.c.tag == tag)
            row = connection.execute(sa.select(_l).where(*where)).first()
            if row is None:
                of_dataset = sa.select(_l.c.column, _l.c.tag).where(_l.c.address == found)
                known = [f"{r.column}: {r.tag}" for r in connection.execute(of_dataset)]
                hint = "suggested: " + ", ".join(known[:20]) if known else "a profile makes suggestions"
                raise fail("metadata.no_suggestion", f"`{tag}` is not suggested for `{column}` of {found}", hint=hint)
            now = self._clock.now_us()
            state = measures.ACCEPTED if accept else measures.DISCARDED
            change = {"state": state, "decided_by": str(principal.user_id), "decided_at": now}
            connection.execute(_l.update().where(*where).values(**change))
            t = tables.dataset_tags
            key = {"address": found, "column": column, "tag": tag, "source": measures.SUGGESTED}

            def retag() -> None:
                connection.execute(t.delete().where(*(t.c[name] == value for name, value in key.items())))
                if accept:
                    connection.execute(t.insert().values(**key))

            entities.changed_tags(connection, found, f"user:{principal.user_id}", now, retag)
            return {"address": found, "column": column, "tag": tag, "state": state}

        return await self._store.write(write)

    async def sight(self, principal: Principal, address: str) -> Sight:
        """How much of a dataset there is for somebody who may know of it."""

        def read(connection: sa.Connection) -> Sight:
            return self._sights(connection, principal, [address])[address]

        return await self._store.read(read)

    async def owner(self, address: str) -> str:
        """Whose job wrote a dataset last; empty: nobody's did."""
        row = await self._store.read(entities.find, address)
        return str(row.owner) if row is not None else ""

    def _owned(self, connection: sa.Connection, asked: str, principal: Principal, action: str) -> str:
        found = self._find(connection, principal, asked)
        row = entities.find(connection, found)
        owner = row.owner if row is not None else ""
        rules.require_own(principal, owner, f"{action} {found}", rules.DATASETS, writable(found))
        return found

    # --- events -----------------------------------------------------------------------------------------------------

    async def events(
        self, principal: Principal, after: int, limit: int, job: str | None = None, run: str | None = None
    ) -> dict[str, Any]:
        """OpenLineage events after a sequence number, oldest first: {items, next}. Users see those of their own."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            horizon = self._horizon(connection, after)
            query = sa.select(_ev.c.seq, _ev.c.body).where(_ev.c.seq > after, _ev.c.seq <= horizon)
            if not rules.may(principal, rules.AUDIT):
                query = query.where(_ev.c.owner == str(principal.user_id))
            if job is not None:
                query = query.where(sa.or_(_ev.c.job == job, _ev.c.job.like(f"{_escaped(job)}.%", escape="\\")))
            if run is not None:
                query = query.where(_ev.c.run == run)
            rows = connection.execute(query.order_by(_ev.c.seq).limit(limit)).all()
            reached = rows[-1].seq if len(rows) == limit else max(after, horizon)
            return {"items": [r.body for r in rows], "next": int(reached)}

        return await self._store.read(read)

    def _horizon(self, connection: sa.Connection, after: int) -> int:
        """The highest number a reader may pass: a young gap may still be filled by a transaction under way."""
        settled = self._clock.now_us() - _SETTLED_US
        query = sa.select(sa.func.max(_ev.c.seq)).where(_ev.c.at <= settled, _ev.c.seq > after)
        last = int(connection.execute(query).scalar() or after)
        if last == after:  # numbers below `after` may have been forgotten: begin at the oldest that is left
            first = connection.execute(sa.select(sa.func.min(_ev.c.seq)).where(_ev.c.seq > after)).scalar()
            last = max(after, int(first) - 1) if first is not None else after
        for seq in connection.execute(sa.select(_ev.c.seq).where(_ev.c.seq > last).order_by(_ev.c.seq)).scalars():
            if seq != last + 1:
                break
            last = seq
        return last


def _rows(connection: sa.Connection, addresses: Iterable[str]) -> dict[str, sa.Row[Any] | None]:
    """What is stored of each of them; None where an edge alone names it."""
    found: dict[str, sa.Row[Any] | None] = dict.fromkeys(addresses)
    for some in batches(list(found)):
        query = sa.select(_d).where(_d.c.address.in_(some))
        found |= {row.address: row for row in connection.execute(query)}
    return found


def _edge(
    row: sa.Row[Any], job: sa.Row[Any] | None, direction: graph.Direction, way: Way, walk: graph.Walk
) -> dict[str, Any]:
    about: dict[str, Any] = job.about if job is not None else {}
    found: dict[str, Any] = {
        "from": row.upstream,
        "to": row.downstream or None,
        "direction": direction,
        "resolved": row.resolved,
        "run": row.run,
        "at": rfc3339(row.last_at),
        "since": rfc3339(row.first_at),
        "job": {
            "namespace": row.namespace,
            "name": row.job,
            "workspace": about.get("workspace"),
            "workflow": about.get("workflow"),
            "job": about.get("job"),
            "stack": about.get("stack"),
            "state": job.state if job is not None else None,
            "lastRun": job.run if job is not None else None,
            "lastAt": rfc3339(job.last_at) if job is not None else None,
        },
    }
    if way.column is not None:
        found["columns"] = [
            pair
            for pair in row.columns
            if _on_way(walk, row.upstream, pair[0]) and _on_way(walk, row.downstream, pair[1])
        ]
    elif way.columns:
        found["columns"] = row.columns
    return found


def _restrict(nodes: Mapping[str, dict[str, Any]], edges: Iterable[dict[str, Any]], unknown: set[str]) -> None:
    """Take the names away of nodes of which the reader may not know, and everything else that is told of them."""
    nothing = {"restricted": True, "columns": [], "title": "", "description": "", "owner": "", "rowsWritten": None,
               "writtenAt": None}  # fmt: skip
    hidden = (address for address in nodes if address in unknown)
    names_ = {address: f"{knowing.RESTRICTED} {number}" for number, address in enumerate(hidden, 1)}
    for address, name in names_.items():
        nodes[address].update(nothing, address=name)
    for edge in edges:
        if edge["from"] in names_ or edge["to"] in names_:
            edge.update({"from": names_.get(edge["from"], edge["from"]), "to": names_.get(edge["to"], edge["to"])})
            if "columns" in edge:
                edge["columns"] = []


def _on_way(walk: graph.Walk, address: str, column: str) -> bool:
    known = walk.columns.get(address)
    return known is None or column.lower() in known


def _spelt(found: Sequence[str], known: Iterable[str]) -> list[str]:
    by_folded = {c.lower(): c for c in known}
    return [by_folded.get(c, c) for c in found]


def _known_of(version: sa.Row[Any], denied: Callable[[str], bool]) -> dict[str, Any]:
    """A version's changes and state without denied columns."""
    columns: list[dict[str, Any]] = version.state.get("columns", [])
    changes = [c for c in version.changes if not any(map(denied, entities.columns_of(c)))]
    return {
        "changes": changes,
        "state": {**version.state, "columns": [c for c in columns if not denied(c["name"])]},
    }


def _without_denied(edge: dict[str, Any], sights: Mapping[str, Sight]) -> None:
    """Pairs of columns of an edge whose ends are both there for the reader."""
    if "columns" in edge:
        ends = [sights[a].denied if a in sights else lambda _: False for a in (edge["from"], edge["to"])]
        edge["columns"] = [pair for pair in edge["columns"] if not any(d(c) for d, c in zip(ends, pair, strict=True))]


def _summary(row: sa.Row[Any], tagged: Mapping[str, Sequence[str]], sight: Sight) -> dict[str, Any]:
    return {
        "address": row.address,
        "title": row.title,
        "description": row.description,
        "owner": row.owner,
        "tags": list(tagged.get("", ())),
        "rowsWritten": row.rows if sight.whole else None,
        "version": f"{row.major}.{row.minor}",
        "writtenBy": row.written_by,
        "writtenAt": rfc3339(row.written_at),
        "seenAt": rfc3339(row.seen_at),
        "created": rfc3339(row.created_at),
        "updated": rfc3339(row.updated_at),
    }


def _newest_tests(connection: sa.Connection, address: str) -> list[tuple[sa.Row[Any], list[sa.Row[Any]]]]:
    """Tests of a dataset, each with its results, newest first."""
    rows = connection.execute(sa.select(_q).where(_q.c.address == address).order_by(_q.c.id.desc())).all()
    found: dict[tuple[str, str, str], list[sa.Row[Any]]] = {}
    for row in rows:
        found.setdefault((row.job.get("job", ""), row.column, row.test), []).append(row)
    return [(results[0], results) for _, results in sorted(found.items())]


def _status(passed: bool) -> str:
    return "success" if passed else "failed"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def not_found(error: DataOSError) -> bool:
    """Is it that nothing is known of the address?"""
    return error.problem.code == "metadata.not_found"
