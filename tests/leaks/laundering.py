"""Ways on which one user might hand another what that one may not see: tables made of what he sees, and statements that
he prepared."""

from __future__ import annotations

import random
from dataclasses import replace

from dataos.governance.policies import DataRule, Mask
from leaks import enforcer, oracles
from leaks.expressions import Statement
from leaks.lab import Answer, Copy
from leaks.model import DEPOT, Table
from leaks.oracles import RUNTIME, Failure, Stage, same


def judge(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """One attempt of `user` to give something to another."""
    others = [u.id for u in stage.world.users if u.id != user] or [user]
    return draw.choice((_derived, _derived, _prepared))(stage, user, draw.choice(others), draw)


def _derived(stage: Stage, user: str, other: str, draw: random.Random) -> Failure | None:
    """A table that one user makes of another shows his values, under the rules of its own name and with the tags of all
    columns of what it was made of."""
    world = stage.world
    told = sorted({tag for _, path, tag in world.column_tags if path and stage.lab.keeps})
    if told and draw.random() < 0.7:  # rules by tag seldom reach a table that nobody has named
        rule = DataRule(
            "told", "mask", 1, (f"users:id:{other}",), column_tags=(draw.choice(told),), mask=Mask("redact")
        )
        stage.become(replace(world, rules=(*world.rules, ("policy:told", rule))))
    try:
        return _made(stage, user, other, draw)
    finally:
        if stage.world is not world:
            stage.become(world)


def _made(stage: Stage, user: str, other: str, draw: random.Random) -> Failure | None:
    known = [t for t in stage.world.tables if (s := stage.seen(user, t)) is not None and not s.broken]
    if not known:
        return None
    source = draw.choice(known)
    seen = stage.seen(user, source)
    assert seen is not None
    columns = [c for c in seen.table.columns if c.name.lower() not in seen.random]
    if not columns:
        return None
    chosen = draw.sample(columns, draw.randrange(1, len(columns) + 1))
    stage.lab.turn += 1
    name = f"derived{stage.lab.turn}"
    place, shown = f"{DEPOT}.{stage.world.schema}.{name}", ", ".join(f'"{c.name}"' for c in chosen)
    query = f'SELECT {shown} FROM {source.depot}.{stage.world.schema}."{source.name}"'
    made = [f"CREATE TABLE {place} AS {query}"]
    if draw.random() < 0.4:
        made = [f"CREATE TABLE {place} AS {query} WHERE false", f"INSERT INTO {place} {query}"]
    stage.may_write(user, True)
    done = [stage.ask(user, sql) for sql in made]
    stage.may_write(user, False)
    try:
        if any(a.failed for a in done):
            return None  # not every type can be written, and some may not write
        places = [next(i for i, c in enumerate(seen.table.columns) if c == x) for x in chosen]
        rows = tuple(tuple(r[i] for i in places) for r in seen.table.rows)
        table = Table(name, tuple(replace(c, name=c.name.lower()) for c in chosen), rows)
        return _read(stage, user, other, source, table, made)
    finally:
        stage.lab.ask(stage.lab.open, stage.world.schema, "admin", f"DROP TABLE IF EXISTS {place}")


def _read(stage: Stage, user: str, other: str, source: Table, table: Table, made: list[str]) -> Failure | None:
    """What the other finds in the table, beside what he should."""
    tags = {tag for of, path, tag in stage.world.column_tags if of == source.name and path and stage.lab.keeps}
    given = {(table.name, c.name, tag) for c in table.columns for tag in tags}
    world = replace(
        stage.world, tables=(*stage.world.tables, table), column_tags=stage.world.column_tags | given, views=()
    )
    expected = enforcer.see(world, world.user(other), table)
    sql = f"SELECT * FROM {DEPOT}.{world.schema}.{table.name}"
    found = stage.ask(other, sql)
    statement = Statement(f"{'; '.join(made)} (by {user}); {sql}", query=False)
    if expected is None or expected.broken:
        why = "" if found.failed else f"{found.rows[:3]} of what may not be read"
        return Failure("laundering", why, stage.world, other, statement) if why else None
    copies = {table.name: Copy(table.name, stage.lab.copy(expected.table), DEPOT, expected)}
    wanted = stage.lab.ask(stage.lab.over(world.schema, copies), world.schema, other, sql)
    columns = expected.table.columns
    why = same(found, wanted, [expected.random[c.name] or "" if c.name in expected.random else None for c in columns])
    return Failure("laundering", why, stage.world, other, statement) if why else None


def _prepared(stage: Stage, user: str, other: str, draw: random.Random) -> Failure | None:
    """A statement that one prepared gives to another, who has the session, that one's own answer."""
    made = oracles.statement(stage, user, draw)
    read = [s for t in stage.relations if t.name in made.tables and (s := stage.seen(other, t)) is not None]
    if not made.query or any(s.broken or s.random for s in read):
        return None
    stage.said[user] |= oracles.tokens(made.sql)
    session = stage.lab.session(user, stage.world.schema, f"PREPARE p FROM {made.sql}")
    if session is None:
        return None
    found = stage.lab.ask(stage.lab.governed, stage.world.schema, other, "EXECUTE p", session)
    wanted = stage.lab.ask(stage.twin(other), stage.world.schema, other, made.sql)
    if made.fragile and {found.code, wanted.code} <= RUNTIME | {""}:
        return None
    both = [Answer(a.columns, a.rows, a.code) for a in (found, wanted)]  # places in a text are others
    why = same(*both, ordered=made.ordered)
    statement = replace(made, sql=f"PREPARE p FROM {made.sql} (by {user}); EXECUTE p", query=False)
    return Failure("laundering", why, stage.world, other, statement) if why else None
