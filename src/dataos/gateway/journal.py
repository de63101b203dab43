"""What is kept of statements: who asked what of which tables under which policies, how long it took, and how it ended.

The audit's row is in the store before the first row of an answer leaves; if it cannot be written, nothing is shown.
It is written while the engine works, so that a query which fails there has one too.
A statement that changes something has a row of action `write` before each thing that it does, without which it is not
done, and the row of the statement itself says afterwards how that went (`data.outcome`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError
from dataos.gateway.relations import Decision, Relation
from dataos.governance import masking
from dataos.governance.audit import Audit, Entry
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

_q = tables.query_history
_INSERT = _q.insert()
_UPDATE = _q.update().where(_q.c.id == sa.bindparam("of"))
_log = logs.get(__name__)
_MOST_SQL = 100_000
_MOST_PLAN = 50_000
_MOST_AUDITED = 2000
_PAGE = 1000
QUEUED, RUNNING, FINISHED, FAILED, CANCELLED = "queued", "running", "finished", "failed", "cancelled"


@dataclass
class Asked:
    """One statement under way. `touched` fills as relations are decided about."""

    query_id: str
    principal: Principal
    sql: str
    cluster: str
    source: str = ""
    dialect: str = "trino"
    started: float = field(default_factory=time.monotonic)
    touched: list[tuple[Relation, Decision]] = field(default_factory=list[tuple[Relation, Decision]])
    plans: list[str] = field(default_factory=list[str])
    """What EXPLAIN tells of each query in it."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    intended: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """What the audit says that it is about to change: (action, full name)."""
    permitted: list[str] = field(default_factory=list[str])
    """The policies that allow what it changes."""
    done: bool = False
    """Is what it changes changed? Telling the answer may still fail."""
    audited: int | None = None
    """How many decisions the row of the audit has; None: there is none."""
    kept: bool = False
    """Does the history have it?"""
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)

    def passed(self, step: str) -> None:
        """A step of the statement's way is done: seconds since it came."""
        self.timings[step] = round(time.monotonic() - self.started, 6)


class Journal(Protocol):
    """Where it is kept."""

    async def queued(self, asked: Asked, reason: str) -> None:
        """It waits for a place to run in. Raises `store.*`."""
        ...

    def lasting(self, asked: Asked) -> None:
        """It runs for a while already, and no rows are there yet."""
        ...

    async def opened(self, asked: Asked) -> None:
        """Rows are about to leave. Raises `store.*`; then none may. Said again, it is written once, and once more where
        something else was decided about since."""
        ...

    async def intended(self, asked: Asked, action: str, thing: str) -> None:
        """It is about to change something. Raises `store.*`; then it may not."""
        ...

    async def refused(self, asked: Asked, error: DataOSError) -> None:
        """It was refused, or failed before a row left."""
        ...

    async def derived(
        self, user: str, query_id: str, target: str, columns: Sequence[tuple[str, str]], sources: Sequence[str]
    ) -> None:
        """Rows of datasets are about to be written into another, with these (name, type). Raises `store.*`; then none
        may be."""
        ...

    def closed(self, asked: Asked, state: str, error: str, rows: int | None, bytes_: int) -> None:
        """It ended."""
        ...


Derived = Callable[[sa.Connection, str, str, str, Sequence[tuple[str, str]], Sequence[str], int], None]
"""Writes down (user, query id, target, columns, sources, time): `metadata.statements.derived`."""


class StoredJournal:
    """The audit and the query history of an installation."""

    def __init__(self, store: Store, clock: Clock, audit: Audit, derive: Derived, server: str) -> None:
        self._server = server
        self._store = store
        self._derive = derive
        self._clock = clock
        self._audit = audit
        self._ending: set[asyncio.Task[None]] = set()

    async def queued(self, asked: Asked, reason: str) -> None:
        """As `Journal`."""
        await self._keep(asked, {"state": QUEUED, "reason": reason})

    def lasting(self, asked: Asked) -> None:
        """As `Journal`: written a moment later."""
        self._later(asked, {"state": RUNNING, "timings": asked.timings, **_read(asked)})

    async def opened(self, asked: Asked) -> None:
        """As `Journal`."""
        try:
            async with asked.keeping:
                decided = len(asked.touched)
                if asked.audited == decided:
                    return
                change = {"state": RUNNING, "timings": asked.timings, **_read(asked)}
                await self._audit.write(_entry(asked, allowed=True), self._change(asked, change))
                asked.kept, asked.audited = True, decided
        except DataOSError as lost:
            if not asked.intended:
                raise
            # It is done and was audited before: a refusal now would say that nothing was changed.
            _log.error("query_not_journaled", query_id=asked.query_id, code=lost.problem.code)

    async def intended(self, asked: Asked, action: str, thing: str) -> None:
        """As `Journal`. Said once where a statement runs again because of a conflict."""
        if (action, thing) in asked.intended:
            return
        data = {"intended": action, "cluster": asked.cluster, "sql": asked.sql[:_MOST_AUDITED]}
        entry = Entry(
            actor=str(asked.principal.user_id),
            action="write",
            object=thing,
            allowed=True,
            policies=tuple(dict.fromkeys(asked.permitted)),
            correlation=asked.query_id,
            data=data | _of_attempt(asked),
        )
        await self._audit.write(entry)
        asked.intended.add((action, thing))

    async def refused(self, asked: Asked, error: DataOSError) -> None:
        """As `Journal`. A refusal stands, whether it can be written down or not."""
        code = error.problem.code
        denied = code in ("query.forbidden", "policy.filter", "policy.unavailable", "query.refused")
        try:
            if denied or asked.intended:
                await self._audit.write(_entry(asked, allowed=not denied, why=code))
            state = CANCELLED if code == "query.cancelled" else FAILED
            await self._keep(asked, {**self._ended(asked, state, code), **_read(asked)})
        except DataOSError as lost:
            _log.error("query_not_journaled", query_id=asked.query_id, code=lost.problem.code)

    async def derived(
        self, user: str, query_id: str, target: str, columns: Sequence[tuple[str, str]], sources: Sequence[str]
    ) -> None:
        """As `Journal`."""
        await self._store.write(self._derive, user, query_id, target, columns, sources, self._clock.now_us())

    def closed(self, asked: Asked, state: str, error: str, rows: int | None, bytes_: int) -> None:
        """As `Journal`: written a moment later."""
        asked.passed("end")
        change = {**self._ended(asked, state, error), "rows": rows, "bytes": bytes_}
        if "started" not in asked.timings:  # `opened` has not written them
            change |= _read(asked)
        self._later(asked, change)

    def _ended(self, asked: Asked, state: str, error: str) -> dict[str, Any]:
        return {"state": state, "error": error, "finished_at": self._clock.now_us(), "timings": asked.timings}

    def _later(self, asked: Asked, change: dict[str, Any]) -> None:
        task = asyncio.create_task(self._try(asked, change))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _try(self, asked: Asked, change: dict[str, Any]) -> None:
        try:
            await self._keep(asked, change)
        except DataOSError as lost:
            _log.error("query_not_journaled", query_id=asked.query_id, code=lost.problem.code)

    async def _keep(self, asked: Asked, change: dict[str, Any]) -> None:
        """Write a change of a statement's row, which is made with the first one."""
        async with asked.keeping:
            await self._store.write_deferred(sa.Connection.execute, *self._change(asked, change))
            asked.kept = True

    def _change(self, asked: Asked, change: dict[str, Any]) -> tuple[sa.Executable, dict[str, Any]]:
        """A statement of SQL and its values."""
        if asked.kept:
            return _UPDATE, {"of": asked.query_id, **change}
        return _INSERT, self._row(asked) | change

    def _row(self, asked: Asked) -> dict[str, Any]:
        return {
            "id": asked.query_id,
            "user": str(asked.principal.user_id),
            "cluster": asked.cluster,
            "source": asked.source[:200],
            "dialect": asked.dialect,
            "sql": asked.sql[:_MOST_SQL],
            "reason": "",
            "error": "",
            "server": self._server,
            "created_at": self._clock.now_us() - round((time.monotonic() - asked.started) * 1e6),
            "finished_at": None,
            "timings": asked.timings,
            "rows": None,
            "bytes": None,
            **_read(asked),
        }


def _read(asked: Asked) -> dict[str, Any]:
    """What it read, as columns of its row."""
    plan = "\n".join(dict.fromkeys(asked.plans))[:_MOST_PLAN]
    return {"tables": told(asked.touched), "plan": plan or None}


def told(touched: Sequence[tuple[Relation, Decision]]) -> list[dict[str, Any]]:
    """What policies did to each table: {catalog, schema, table, policies, masks, filters}."""
    return [
        {
            "catalog": relation.catalog,
            "schema": relation.schema,
            "table": relation.table,
            "allowed": decision.allowed,
            "policies": list(decision.policies),
            "masks": [
                {"column": ".".join(path), "mask": masking.describe(a.mask, ".".join(path)), "policy": a.policy}
                for path, a in sorted(decision.applied.items())
            ],
            "filters": [
                {"filter": masking.describe_filter(a), "column": a.filter.column, "policy": a.policy}
                for a in decision.filters
            ],
            "denied": sorted(".".join(path) for path in decision.shape.denied),
        }
        for relation, decision in touched
    ]


def _entry(asked: Asked, *, allowed: bool, why: str = "") -> Entry:
    found = told(asked.touched)
    policies = [p for table in found for p in table["policies"]]
    policies += [m["policy"] for table in found for m in (*table["masks"], *table["filters"])]
    data: dict[str, Any] = {"cluster": asked.cluster, "sql": asked.sql[:_MOST_AUDITED], "tables": found}
    if why:
        data["code"] = why
    if asked.intended:
        data["outcome"] = "done" if asked.done else "failed"
    data |= _of_attempt(asked)
    named = ", ".join(f"{t['catalog']}.{t['schema']}.{t['table']}" for t in found)
    return Entry(
        actor=str(asked.principal.user_id),
        action="query",
        object=named or asked.cluster,
        allowed=allowed,
        policies=tuple(dict.fromkeys(policies)),
        correlation=asked.query_id,
        data=data,
    )


def _of_attempt(asked: Asked) -> dict[str, str]:
    attempt = asked.principal.attempt
    return {} if attempt is None else {"attempt": str(attempt.attempt_id)}


class History:
    """Reads what is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listing(self, user: str | None, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Statements, the newest first; of one user, or of all (None)."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            query = sa.select(_q).order_by(_q.c.created_at.desc(), _q.c.id).limit(limit)
            if user is not None:
                query = query.where(_q.c.user == user)
            if before is not None:
                query = query.where(_q.c.created_at < before)
            return [_shown(row) for row in connection.execute(query)]

        return await self._store.read(read)

    async def get(self, query_id: str) -> dict[str, Any] | None:
        """One statement."""

        def read(connection: sa.Connection) -> dict[str, Any] | None:
            row = connection.execute(sa.select(_q).where(_q.c.id == query_id)).first()
            return _shown(row) if row is not None else None

        return await self._store.read(read)


def reclaim(connection: sa.Connection, server: str, now_us: int) -> None:
    """Statements that a server had under way when it ended are over: it starts again."""
    left = (_q.c.server == server) & _q.c.state.in_([QUEUED, RUNNING])
    connection.execute(_q.update().where(left).values(state=FAILED, error="server.stopped", finished_at=now_us))


async def trim(store: Store, most: int) -> int:
    """Forget the oldest statements that ended, beyond `most`. Returns how many."""
    removed = 0
    while gone := await store.write(_trim, most):
        removed += gone
    return removed


def _trim(connection: sa.Connection, most: int) -> int:
    edge = connection.execute(
        sa.select(_q.c.created_at).order_by(_q.c.created_at.desc()).offset(most).limit(1)
    ).scalar()
    if edge is None:
        return 0
    old = sa.select(_q.c.id).where(_q.c.created_at <= edge, _q.c.finished_at.is_not(None)).limit(_PAGE)
    return connection.execute(_q.delete().where(_q.c.id.in_(old.scalar_subquery()))).rowcount


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.user,
        "cluster": row.cluster,
        "source": row.source,
        "dialect": row.dialect,
        "sql": row.sql,
        "state": row.state,
        "reason": row.reason,
        "error": row.error,
        "server": row.server,
        "created": rfc3339(row.created_at),
        "createdUs": row.created_at,
        "finished": rfc3339(row.finished_at),
        "timings": row.timings,
        "rows": row.rows,
        "bytes": row.bytes,
        "tables": row.tables,
        "plan": row.plan,
    }
