"""EXPLAIN of statements that write, and EXPLAIN ANALYZE. What is told is what our catalog and the secured rows say."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlglot import exp

from dataos.gateway import showing, statements
from dataos.gateway.commands import model, running
from dataos.gateway.commands.ports import Batches, Opened, Outcome, Queries, Statements, Wrap
from dataos.gateway.qualifying import Qualified
from dataos.gateway.relations import Authority, Column, Decision


async def explain(command: model.Explain, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """What a statement that writes reads and changes, without running it."""
    planned = await _planned(command.inner, names, queries, query_id)
    if command.type == "VALIDATE":
        return Outcome((("Valid", "boolean"),), [("true",)])
    verb = _verb(command.inner)
    if planned is None:
        return _plan(verb)
    if command.type == "IO" or command.format == "JSON":
        told = json.loads(showing.explained(command, planned).rows[0][0] or "{}")
        return _plan(json.dumps({"statement": verb, **told}))
    return _plan(f"{verb}\n{showing.explained(command, planned).rows[0][0]}")


def _plan(text: str) -> Outcome:
    return Outcome((("Query Plan", "varchar"),), [(text,)])


def _verb(inner: Any) -> str:
    """INSERT lakehouse.retail.t, DROP TABLE t: what a command does to what."""
    words = "".join(f" {c}" if c.isupper() else c for c in type(inner).__name__).upper().split()
    named = next((getattr(inner, key) for key in ("table", "view", "schema", "name") if hasattr(inner, key)), "")
    return f"{' '.join(words)} {named or ''}".strip()


class _Stop(Exception):
    def __init__(self, qualified: Qualified) -> None:
        super().__init__("planned")
        self.qualified = qualified


class _Dry:
    """The gateway for a statement that is only planned: its query is not run, and it is stopped before it writes."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    @property
    def cluster(self) -> str:
        return self._queries.cluster

    @property
    def authority(self) -> Authority:
        return self._queries.authority

    @asynccontextmanager
    async def secured(
        self,
        tree: exp.Query,
        names: Any,
        query_id: str,
        check: Callable[[Qualified, Sequence[Decision]], None],
        wrap: Wrap,
    ) -> AsyncGenerator[Opened]:
        def nothing(sql: str, columns: Any) -> str:
            return f"SELECT * FROM ({wrap(sql, columns)}) AS __dt_planned LIMIT 0"

        async with self._queries.secured(tree, names, query_id, check, nothing) as opened:
            raise _Stop(opened.qualified)
            yield opened  # for the type: nobody gets here

    async def derived(
        self, names: Any, query_id: str, target: str, columns: Sequence[Column], qualified: Qualified
    ) -> None:
        """Nothing is written."""

    def raw(self, sql: str, names: Any, query_id: str) -> Batches:
        return self._queries.raw(sql, names, query_id)


async def _planned(inner: Any, names: Statements, queries: Queries, query_id: str) -> Qualified | None:
    reads = isinstance(inner, model.Insert | model.Update | model.Delete | model.Merge) or (
        isinstance(inner, model.CreateTable) and inner.query is not None
    )
    if not reads:
        return None
    try:
        await running.run(inner, names, _Dry(queries), query_id)
    except _Stop as stop:
        return stop.qualified
    return None  # IF NOT EXISTS of what is there


async def analyze(command: model.Explain, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Run a statement, and tell what it read and gave and how long it took."""
    started = time.monotonic()
    if not isinstance(command.inner, statements.Select):
        done = await running.run(command.inner, names, queries, query_id)
        rows = f", rows: {done.count}" if done.count is not None else ""
        return _plan(f"{_verb(command.inner)}\nElapsed: {_seconds(started)}{rows}")
    found: list[Qualified] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        del decided
        found[:] = [qualified]

    count = size = 0
    async with queries.secured(command.inner.tree, names, query_id, check, lambda sql, _: sql) as opened:
        async for batch in opened.batches:
            count += batch.num_rows
            size += batch.nbytes
    told = showing.explained(command, found[0]).rows[0][0]
    return _plan(f"Elapsed: {_seconds(started)}, output: {count} rows ({size} B)\n{told}")


def _seconds(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.2f}ms"
