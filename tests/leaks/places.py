"""Other places where a cell may come to light than the answer of the statement that asks for it: what the platform keeps
and tells of statements, of tables and of their values. After every few statements one of the users looks into them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from dataos.gateway.journal import History
from leaks import oracles
from leaks.expressions import Statement
from leaks.lab import Answer
from leaks.model import DEPOT
from leaks.oracles import Failure, Stage, tokens

QUERY, AUDIT = "SELECT * FROM gateway.public.query", "SELECT * FROM gateway.public.query_audit"
LOG = "the log"
"""Operators read it. Statements that the engine fails at stand there as they were typed."""
_OWNER = {QUERY: 3, AUDIT: 2}
"""Where these have the user who asked."""


def look(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """What one user finds: nothing that he may not see, no statement of another, and of names only what he may know."""
    protected = stage.raw - stage.allowed(user) - stage.said[user] - stage.ruled
    for place, answer in _places(stage, user, draw):
        failure = Failure("places", place, stage.world, user, Statement(place, query=False))
        typed = frozenset[str]().union(*stage.said.values()) if place == LOG else frozenset[str]()
        if shown := (protected - typed) & tokens((answer.rows, answer.message)):
            return oracles.because(failure, f"{sorted(shown)} in {place}")
        if place in _OWNER and (others := {r[_OWNER[place]] for r in answer.rows} - {user}):
            return oracles.because(failure, f"statements of {sorted(others)} in {place}")
    return _names(stage, user)


def _places(stage: Stage, user: str, draw: random.Random) -> Iterator[tuple[str, Answer]]:
    if stage.lab.keeps:
        for sql in (QUERY, AUDIT):
            yield sql, stage.ask(user, sql)
        kept = stage.lab.do(History(stage.lab.store).listing(user, None, 1000))
        yield "the query history", Answer(rows=(repr(kept),))
    for depot in dict.fromkeys((DEPOT, *(t.depot for t in stage.world.tables))):
        sql = f"SELECT * FROM {depot}.information_schema.{draw.choice(('tables', 'columns', 'views', 'schemata'))}"
        yield sql, stage.ask(user, sql)
    for relation in stage.relations:
        depot = getattr(relation, "depot", DEPOT)
        name = f'{depot}.{stage.world.schema}."{relation.name}"'
        verb = draw.choice(("SHOW STATS FOR", "SHOW CREATE TABLE", "EXPLAIN ANALYZE SELECT * FROM"))
        yield f"{verb} {name}", stage.ask(user, f"{verb} {name}")
    yield LOG, Answer(rows=tuple(stage.lab.log))


def _names(stage: Stage, user: str) -> Failure | None:
    """Tables and columns that are told of are those that he may know of, neither more nor fewer."""
    for depot in dict.fromkeys(t.depot for t in stage.world.tables):
        sql = f"SELECT table_name, column_name FROM {depot}.information_schema.columns WHERE table_schema = '{stage.world.schema}'"
        answer = stage.ask(user, sql)
        views = {v.name for v in stage.world.views}
        told = {(table, column) for table, column in answer.rows if table not in views}
        known: set[tuple[str, str]] = set()
        broken: set[str] = set()
        for table in stage.world.tables:
            seen = stage.seen(user, table) if table.depot == depot else None
            if seen is not None and seen.broken:
                broken.add(table.name)  # it is said nowhere what is told of those
            elif seen is not None:
                known |= {(table.name, c.name.lower()) for c in seen.table.columns}
        told = {(t, c) for t, c in told if t not in broken}
        if answer.failed or told != known:
            text = f"{answer.message} {sorted(told - known)} too many, {sorted(known - told)} too few in {depot}"
            return Failure("places", text, stage.world, user, Statement(sql, query=False))
    return None
