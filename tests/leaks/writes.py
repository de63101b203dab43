"""Statements that write: what they wrote is what the twin would have written, and what they may not change stays."""

from __future__ import annotations

import random

from leaks import oracles
from leaks.expressions import Statement, kind
from leaks.lab import Answer, scratch
from leaks.model import DEPOT
from leaks.oracles import RUNTIME, Failure, Stage, same


def judge(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """One write."""
    stage.lab.turn += 1
    return draw.choice((_made, _made, _inserted, _changed, _deleted, _masked_back))(stage, user, draw)


def _query(stage: Stage, user: str, draw: random.Random) -> Statement | None:
    for _ in range(8):
        made = oracles.statement(stage, user, draw)
        broken = any(
            s is not None and s.broken for t in stage.relations if t.name in made.tables and (s := stage.seen(user, t))
        )
        plain = all(o.random is None for o in made.outputs) and made.outputs and not broken
        if made.query and plain and all(o.name.startswith("c") or o.name in ("n", "s") for o in made.outputs):
            return made
    return None


def _made(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """CREATE TABLE AS, in a schema of the user's own: its rows are those of the query over the twin."""
    made = _query(stage, user, draw)
    if made is None:
        return None
    place = _place(stage, user)
    done = stage.ask(user, f"CREATE TABLE {place} AS {made.sql}")
    wanted = stage.lab.ask(stage.twin(user), stage.world.schema, user, made.sql)
    if done.failed or wanted.failed:
        return _failures(stage, user, made, done, wanted)
    found = _whole(stage, place)
    _drop(stage, place)
    why = same(Answer((), found.rows), Answer((), wanted.rows))
    return Failure("writes", f"CREATE TABLE AS wrote {why}", stage.world, user, made) if why else None


def _failures(stage: Stage, user: str, made: Statement, done: Answer, wanted: Answer) -> Failure | None:
    if not done.failed:
        _drop(stage, _place(stage, user))
    both = {done.code, wanted.code}
    if (
        (wanted.failed and done.failed)
        or (both <= RUNTIME | {""} and made.fragile)
        or done.code in ("query.type", "query.unsupported")
    ):
        return None  # not every type can be written
    return Failure(
        "writes", f"{done.code} ({done.message}) instead of {wanted.code} ({wanted.message})", stage.world, user, made
    )


def _inserted(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """INSERT of one column into a table of the user's own."""
    made = _query(stage, user, draw)
    if made is None or kind(made.outputs[0].type) not in ("number", "varchar"):
        return None
    place = _place(stage, user)
    type_ = "varchar"
    stage.ask(user, f"CREATE TABLE {place} (v {type_})")
    names = ", ".join(f"x{i}" for i in range(len(made.outputs)))
    query = f"SELECT CAST(x0 AS varchar) FROM ({made.sql}) AS q({names})"
    done = stage.ask(user, f"INSERT INTO {place} {query}")
    wanted = stage.lab.ask(stage.twin(user), stage.world.schema, user, query)
    found = _whole(stage, place)
    _drop(stage, place)
    if done.failed or wanted.failed:
        if (done.failed and wanted.failed) or ({done.code, wanted.code} <= RUNTIME | {""} and made.fragile):
            return None
        text = f"INSERT: {done.code} ({done.message}) instead of {wanted.code} ({wanted.message})"
        return Failure("writes", text, stage.world, user, made)
    why = same(Answer((), found.rows), Answer((), wanted.rows))
    return Failure("writes", f"INSERT wrote {why}", stage.world, user, made) if why else None


def _changed(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """UPDATE, DELETE, MERGE, TRUNCATE of a table of which something is hidden: refused, and nothing changes."""
    bitten = [t for t in stage.world.tables if (s := stage.seen(user, t)) is None or s.bites]
    if not bitten:
        return None
    table = draw.choice(bitten)
    name = f'{table.depot}.{stage.world.schema}."{table.name}"'
    sql = draw.choice((
        f"DELETE FROM {name}", f"DELETE FROM {name} WHERE id > 1", f"UPDATE {name} SET region = 'x'",
        f"UPDATE {name} SET region = 'x' WHERE id = 1", f"TRUNCATE TABLE {name}",
        f"MERGE INTO {name} t USING (SELECT 1 AS one) s ON t.id = s.one WHEN MATCHED THEN DELETE",
        f"MERGE INTO {name} t USING {name} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET region = s.region",
    ))  # fmt: skip
    return _stays(stage, user, name, sql, "a table with hidden parts was changed")


def _masked_back(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """INSERT of what a mask made of a column of a table into that table: refused by whichever way it comes."""
    found = [
        (u.id, t, s)
        for u in stage.world.users
        for t in stage.world.tables
        if t.depot == DEPOT and (s := stage.seen(u.id, t)) is not None and s.masked and not s.broken
    ]
    if not found:
        return None
    own = [f for f in found if f[0] == user]
    user, table, seen = draw.choice(own or found)
    column = draw.choice([c for c in seen.table.columns if c.name.lower() in seen.masked])
    name, shown = f'{table.depot}.{stage.world.schema}."{table.name}"', f'"{column.name}"'
    sql = draw.choice((
        f"SELECT {shown} FROM {name}", f"SELECT a.{shown} FROM {name} AS a", f"WITH w AS (SELECT * FROM {name}) SELECT {shown} FROM w",
        f"SELECT {shown} FROM (SELECT {shown} FROM {name} UNION ALL SELECT {shown} FROM {name}) AS u",
        f"SELECT a.{shown} FROM {name} AS a CROSS JOIN (VALUES 1) AS v(one)", f"SELECT coalesce({shown}, {shown}) FROM {name}",
    ))  # fmt: skip
    return _stays(stage, user, name, f"INSERT INTO {name} ({shown}) {sql}", "masked values went back into their table")


def _stays(stage: Stage, user: str, name: str, sql: str, text: str) -> Failure | None:
    """A statement is refused, and its table stays as it was."""
    before = _whole(stage, name)
    stage.may_write(user, True)
    answer = stage.ask(user, sql)
    stage.may_write(user, False)
    if not answer.failed:
        stage.lab.spoil()
        return Failure("writes", f"{text}: {sql}", stage.world, user, Statement(sql, query=False))
    if _whole(stage, name).rows != before.rows:
        stage.lab.spoil()
        return Failure("writes", "a refused statement changed rows", stage.world, user, Statement(sql, query=False))
    return None


def _deleted(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """DELETE of the user's own rows by what a query over hidden things says."""
    made = _query(stage, user, draw)
    if made is None or kind(made.outputs[0].type) != "varchar":
        return None
    place = _place(stage, user)
    words = oracles.words_of(stage.world, draw).get("varchar", ["'ann'"])[:6]
    rows = ", ".join(f"({w})" for w in [*words, "'REDACTED'", "NULL"])
    stage.ask(user, f"CREATE TABLE {place} AS SELECT * FROM (VALUES {rows}) AS t(v)")
    names = ", ".join(f"x{i}" for i in range(len(made.outputs)))
    query = f"SELECT x0 FROM ({made.sql}) AS q({names})"
    done = stage.ask(user, f"DELETE FROM {place} WHERE v IN ({query})")
    stays = f"SELECT v FROM (VALUES {rows}) AS t(v) WHERE coalesce(NOT (v IN ({query})), true)"
    wanted = stage.lab.ask(stage.twin(user), stage.world.schema, user, stays)
    found = _whole(stage, place)
    _drop(stage, place)
    if done.failed or wanted.failed:
        return None
    why = same(Answer((), found.rows), Answer((), wanted.rows))
    return Failure("writes", f"DELETE left {why}", stage.world, user, made) if why else None


def _place(stage: Stage, user: str) -> str:
    """A table of the user's own, which he may write and read whole."""
    return f"{DEPOT}.{scratch(user)}.t{stage.lab.turn}"


def _drop(stage: Stage, place: str) -> None:
    stage.lab.ask(stage.lab.open, stage.world.schema, "admin", f"DROP TABLE IF EXISTS {place}")


def _whole(stage: Stage, place: str) -> Answer:
    return stage.lab.ask(stage.lab.open, stage.world.schema, "admin", f"SELECT * FROM {place}")
