"""Another SQL endpoint than our own: does it show each user of a world no more than the world's rules let him see?

The endpoint's owner makes the world that `./dev leaks --stage` prints there: tables, users, and rules by whatever means
the endpoint has. Then each user asks statements of plain SQL, and the answers are compared with those over the twin of
the suite's enforcer. What the endpoint refuses or does not know is not judged, but for what its message tells.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

import psycopg

from dataos.governance.policies import AccessRule, DataRule
from leaks import doors, oracles, worlds
from leaks.expressions import Field, Ref, Scope, Shape, Statement, add, kind
from leaks.grammar import Grammar
from leaks.lab import Answer, Laboratory
from leaks.model import (
    BIGINT,
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    VARCHAR,
    Table,
    Type,
    World,
    quoted,
    show,
)
from leaks.oracles import Failure, Stage, tokens

TYPES = (BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL, VARCHAR, DATE, TIMESTAMP)
"""Of columns: what every SQL database has."""
REFUSED = "endpoint.error"


class Endpoint(Protocol):
    """All that is asked of it."""

    def ask(self, user: str, sql: str) -> Answer:
        """A user's answer: rows, or the code REFUSED and the endpoint's message."""
        ...


class Connections:
    """An endpoint that is reached by DB-API connections, one for each user."""

    def __init__(self, connect: Callable[[str], Any], errors: type[Exception]) -> None:
        self._connect = connect
        self._errors = errors
        self._known: dict[str, Any] = {}

    def ask(self, user: str, sql: str) -> Answer:
        """As `Endpoint`."""
        if user not in self._known:
            self._known[user] = self._connect(user)
        cursor = self._known[user].cursor()
        try:
            cursor.execute(sql)
            return Answer((), tuple(tuple(r) for r in cursor.fetchall()))
        except self._errors as error:
            return Answer(code=REFUSED, message=str(error))
        finally:
            cursor.close()

    def close(self) -> None:
        """No more of it."""
        for connection in self._known.values():
            connection.close()


def postgresql(address: str) -> Connections:
    """Whatever speaks PostgreSQL's protocol. `{user}` in the address stands for who asks; passwords come from libpq's
    own places (`PGPASSFILE`)."""

    def connect(user: str) -> Any:
        return psycopg.connect(address.replace("{user}", user), autocommit=True, options="-c TimeZone=UTC")

    return Connections(connect, psycopg.Error)


# --- a world for others ---------------------------------------------------------------------------------------------------


def plain(seed: int) -> World:
    """The world of a seed without what only the lakehouse and our own masks have."""
    world = worlds.make(seed)
    tables = tuple(_plain(t) for t in world.tables)
    rules = tuple((key, rule) for key, rule in world.rules if _told(rule))
    return replace(world, tables=tables, rules=rules, views=())


def _plain(table: Table) -> Table:
    places = [i for i, c in enumerate(table.columns) if c.type in TYPES]
    rows = tuple(tuple(r[i] for i in places) for r in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in places), rows=rows, old=None)


def _told(rule: AccessRule | DataRule) -> bool:
    mask = rule.mask if isinstance(rule, DataRule) else None
    return mask is None or not (mask.keyed or mask.operator.startswith("rand"))


def staged(world: World) -> str:
    """The world as text: its tables as statements, its users, tags and rules."""
    lines = [f"CREATE SCHEMA {world.schema};"]
    for table in world.tables:
        name = f'{world.schema}."{table.name}"'
        columns = ", ".join(f"{quoted(c.name)} {c.type}" for c in table.columns)
        lines.append(f"CREATE TABLE {name} ({columns});")
        for row in table.rows:
            values = ", ".join(literal(v, c.type) for v, c in zip(row, table.columns, strict=True))
            lines.append(f"INSERT INTO {name} VALUES ({values});")
    rules = [json.dumps(doors.document(rule), default=str, ensure_ascii=False) for _, rule in world.rules]
    bare = replace(world, tables=(), rules=())
    return "\n".join([*lines, *(f"-- {line}" for line in [*show(bare).splitlines(), *rules])])


def literal(value: Any, type_: Type) -> str:
    """A value in SQL."""
    if value is None:
        return "NULL"
    if type_ == VARCHAR:
        return "'" + value.replace("'", "''") + "'"
    if type_ == BOOLEAN:
        return str(value).lower()
    if type_ in (DATE, TIMESTAMP):
        return f"{type_.name.partition('(')[0].upper()} '{value!s}'"
    return str(value)


# --- statements -----------------------------------------------------------------------------------------------------------


class Plain(Grammar):
    """Statements of which every database means the same: no functions but counts, least and greatest."""

    def plain(self) -> Statement:
        """One."""
        sql, outputs = self._probe() if self._draw.random() < 0.25 else self._query(self._draw.choice((1, 2)))
        return self._made(sql, outputs)

    def _table(self, scope: Scope, table: Shape, alias: str) -> str:
        self._used.add(table.name)
        add(scope, alias, table.columns)
        return f'"{table.name}" AS {alias}'

    def _named(self, table: Shape) -> str:
        return f'"{table.name}"'

    def _expression(self, wanted: str, refs: Sequence[Ref], depth: int) -> str:
        if wanted == "boolean" or self._draw.random() < 0.8:
            return self._predicate(refs, 0) if wanted == "boolean" else self._leaf(wanted, refs)
        condition, one, two = self._predicate(refs, 0), self._leaf(wanted, refs), self._leaf(wanted, refs)
        return f"CASE WHEN {condition} THEN {one} ELSE {two} END"

    def _predicate(self, refs: Sequence[Ref], depth: int) -> str:
        kinds = sorted({kind(r.type) for r in refs} & {"number", "varchar", "date"}) or ["number"]
        wanted = self._draw.choice(kinds)
        if depth > 0 and self._draw.random() < 0.4:
            return self._sub_query(refs, depth, kinds)
        one, other = self._leaf(wanted, refs), self._literal(wanted)
        forms = (
            f"{one} {self._draw.choice(('=', '<>', '<', '>='))} {other}",
            f"{one} = {other}",
            f"{one} IS {self._draw.choice(('', 'NOT '))}NULL",
            f"{one} IN ({other}, {self._literal(wanted)})",
            f"{self._leaf('varchar', refs)} LIKE '{self._draw.choice(('a%', 'zq%', '%7%'))}'",
        )
        return self._draw.choice(forms)

    def _aggregate(self, wanted: str, refs: Sequence[Ref], depth: int) -> tuple[str, Type]:
        if wanted == "number":
            form = self._draw.choice(
                ("count(*)", f"count(DISTINCT {self._leaf('varchar', refs)})", f"count({self._leaf('number', refs)})")
            )
            return form, BIGINT
        if wanted == "boolean":
            return f"count(CASE WHEN {self._predicate(refs, 0)} THEN 1 END) > 0", BOOLEAN
        return f"{self._draw.choice(('min', 'max'))}({self._leaf(wanted, refs)})", VARCHAR

    def _window(self, wanted: str, refs: Sequence[Ref]) -> tuple[str, Type]:
        return f"count(*) OVER (PARTITION BY {self._leaf('varchar', refs)})", BIGINT

    def _lag(self, depth: int) -> tuple[str, list[Field]]:
        return self._select(depth, (), None)


# --- judging --------------------------------------------------------------------------------------------------------------


def judge(endpoint: Endpoint, stage: Stage, count: int, counts: Counter[str]) -> Iterator[Failure]:
    """What the endpoint shows to somebody that he may not see, or does not show that he may."""
    for number in range(count):
        draw = random.Random(f"endpoint {stage.world.seed} {number}")
        user = draw.choice(stage.world.users).id
        shapes = stage.shapes(user)
        if not shapes:
            continue
        made = Plain(draw, stage.world.schema, shapes, oracles.words_of(stage.world, draw)).plain()
        found = endpoint.ask(user, made.sql)
        wanted = stage.lab.ask(stage.twin(user), stage.world.schema, user, made.sql)
        counts["asked"] += 1
        failure = Failure("endpoint", "", stage.world, user, made, number)
        shown = (stage.raw - stage.allowed(user) - tokens(made.sql)) & tokens((found.rows, found.message))
        if shown:
            yield oracles.because(failure, f"{sorted(shown)} in the answer")
        elif not found.failed and not wanted.failed:
            counts["compared"] += 1
            mine = Counter(_row(r) for r in found.rows)
            theirs = Counter(_row(r, wanted.columns) for r in wanted.rows)
            if mine != theirs:
                text = f"rows {list((mine - theirs).elements())[:6]} instead of {list((theirs - mine).elements())[:6]}"
                yield oracles.because(failure, text)


def _row(row: Sequence[Any], columns: Sequence[tuple[str, str]] = ()) -> tuple[Any, ...]:
    types = [t for _, t in columns] or [""] * len(row)
    return tuple(_value(v, t) for v, t in zip(row, types, strict=True))


def _value(value: Any, type_: str) -> Any:
    if isinstance(value, str) and type_.startswith(("decimal", "double")):
        value = Decimal(value)
    if isinstance(value, str) and type_.startswith("timestamp"):
        value = dt.datetime.fromisoformat(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        return f"{float(value):.9g}"
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value


def main(address: str, first: int, count: int) -> int:
    """`./dev leaks --sql-endpoint`; exit code 1 if it shows what it should not."""
    world, lab, endpoint, counts = plain(first), Laboratory(), postgresql(address), Counter[str]()
    try:
        found = list(judge(endpoint, Stage(lab, world), count, counts))
    finally:
        endpoint.close()
        lab.close()
    for failure in found:
        print(f"statement {failure.number}: {failure.text[:400]}\n  as {failure.user}: {failure.statement.sql}")
    print(f"world {first}: {counts['asked']} statements, {counts['compared']} answers compared, {len(found)} wrong")
    return 1 if found else 0
