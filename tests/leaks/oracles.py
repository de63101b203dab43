"""Who judges an answer. Each oracle tells in words what it saw; nothing means that everything was as it should be."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataos.governance import decisions
from dataos.governance.exposure import DatasetName
from dataos.governance.policies import AccessRule, DataRule
from leaks import enforcer, views, worlds
from leaks.enforcer import SHOWN_AT_RANDOM, Eye, Seen, Unfit
from leaks.expressions import Field, Shape, Statement
from leaks.grammar import Grammar
from leaks.lab import Answer, Copy, Laboratory
from leaks.model import DEPOT, NUMBERS, VARCHAR, Table, Type, User, View, World

RUNTIME = frozenset({"query.division_by_zero", "query.invalid_cast", "query.out_of_range", "query.invalid_argument"})
"""What depends on values, and on which of them are looked at first."""
ENGINE_FAULT = "query.internal"
"""DuckDB 1.5.5 cannot plan some correlated sub-queries, as their data are; with other data it can."""
_PLACE = re.compile(r"\bline \d+:\d+: ")
_TOKEN = re.compile(r"zq[0-9a-z]+w|7\d{11}")


@dataclass(frozen=True)
class Failure:
    """Something leaked, or an answer was wrong."""

    oracle: str
    text: str
    world: World
    user: str
    statement: Statement
    number: int = -1


def because(failure: Failure, text: str) -> Failure:
    """The failure, in these words."""
    return replace(failure, text=text)


def tokens(anything: object) -> frozenset[str]:
    """The canaries in something."""
    return frozenset(_TOKEN.findall(repr(anything)))


# --- comparing --------------------------------------------------------------------------------------------------------


def same(one: Answer, other: Answer, shown: Sequence[str | None] = (), *, ordered: bool = False) -> str:
    """Why two answers are not the same; empty if they are. `shown`: the patterns of random columns."""
    if (one.code, _bare(one)) != (other.code, _bare(other)):
        return f"{one.code or 'rows'} ({one.message}) instead of {other.code or 'rows'} ({other.message})"
    if one.columns != other.columns:
        return f"columns {one.columns} instead of {other.columns}"
    mine, theirs = _rows(one, shown), _rows(other, shown)
    if ordered and mine != theirs:
        return f"rows {mine[:6]} instead of {theirs[:6]}"
    more, fewer = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
    if more or fewer:
        return f"rows {list(more.elements())[:6]} instead of {list(fewer.elements())[:6]}"
    return ""


def _bare(answer: Answer) -> str:
    return "" if answer.code == "iceberg.not_found.snapshot" else answer.message  # lists snapshots


def _rows(answer: Answer, shown: Sequence[str | None]) -> list[Any]:
    if not any(s is not None for s in shown) or len(shown) != len(answer.columns):
        return [_exact(r) for r in answer.rows]
    return [
        tuple(_at_random(v, s) if s is not None else _exact(v) for v, s in zip(r, shown, strict=True))
        for r in answer.rows
    ]


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9g}"
    return tuple(_exact(v) for v in value) if isinstance(value, tuple) else value


def _at_random(value: Any, how: str) -> Any:
    if value is None:
        return None
    if not how:
        return "~"
    operator, _, pattern = how.partition(" ")
    if operator == "rand_pattern":
        pattern = "".join("[0-9]" if c == "#" else "[A-Za-z]" if c == "?" else re.escape(c) for c in pattern)
    fits = value == SHOWN_AT_RANDOM or re.fullmatch(pattern, value) is not None
    return "~" if fits else f"{value!r} does not match {how}"


# --- another database that looks the same ------------------------------------------------------------------------------


def other(world: World, user: User, table: Table, draw: random.Random) -> Table:
    """A table that differs in what the user may not see, and in nothing else."""
    values = worlds.Values(draw)
    if not enforcer.readable(world, user, table) and not views.lent(world, user, table):
        rows = tuple(tuple(values.of(c.type) for c in table.columns) for _ in range(draw.randrange(6)))
        return replace(table, rows=rows, old=rows[:1] if table.old is not None else None)
    try:
        eye = Eye(world, user, table)
    except Unfit:
        return table

    def change(rows: tuple[tuple[Any, ...], ...]) -> tuple[tuple[Any, ...], ...]:
        found: list[tuple[Any, ...]] = []
        for row in rows:
            shown = eye.row(row)
            if shown is None and draw.random() < 0.3:
                continue
            for position, column in enumerate(table.columns):
                for _ in range(4):
                    new = _changed(row[position], column.type, values, draw, free=shown is None)
                    candidate = (*row[:position], new, *row[position + 1 :])
                    if eye.row(candidate) == shown:
                        row = candidate
                        break
            found += [row] * (2 if shown is None and draw.random() < 0.3 else 1)
        return tuple(found)

    return replace(table, rows=change(table.rows), old=change(table.old) if table.old is not None else None)


def _changed(value: Any, type_: Type, values: worlds.Values, draw: random.Random, *, free: bool) -> Any:
    """Another value; without `free` of the same form, so that it may look the same."""
    if free or value is None:
        return values.of(type_, null=0.1)
    if type_.name == "row":
        return {
            n: _changed(value[n], t, values, draw, free=False) if draw.random() < 0.6 else value[n]
            for n, t in type_.parts
        }
    if type_.name == "array":
        return [_changed(v, type_.of("element"), values, draw, free=False) for v in value]
    if type_.name == "map":
        return [(k, _changed(v, type_.of("value"), values, draw, free=False)) for k, v in value]
    if type_ == VARCHAR and draw.random() < 0.5:  # its end stays, or its beginning
        cut = draw.randrange(len(value) + 1)
        return values.token() + value[cut:] if draw.random() < 0.5 else value[:cut] + values.token()
    if type_ in NUMBERS and draw.random() < 0.5:
        return value + type(value)(1)
    return values.of(type_, null=0)


# --- a world on the stage ------------------------------------------------------------------------------------------------


class Stage:
    """One world in a laboratory, with copies for each of its users."""

    def __init__(self, lab: Laboratory, world: World) -> None:
        self.lab = lab
        self.world = world
        lab.enforce(None, world)
        lab.place(world.schema, world.tables)
        lab.view(world)
        self._seen: dict[tuple[str, str], Seen | None] = {}
        self._twins: dict[str, Any] = {}
        self._others: dict[str, Any] = {}
        self.raw = canaries(world)
        self.said: defaultdict[str, frozenset[str]] = defaultdict(frozenset)  # canaries in what each user asked
        self.ruled = tokens((world.rules, world.users))  # what policies and users ever held themselves
        lab.keep(world.seed % 3 == 0)

    def become(self, world: World) -> None:
        """The world changes: what is in force, not the tables."""
        self.lab.enforce(self.world, world)
        self.world = world
        self.ruled |= tokens((world.rules, world.users))
        self._seen.clear()
        self._twins.clear()
        self._others.clear()

    def close(self) -> None:
        """Nothing of it is in force any more."""
        self.lab.enforce(self.world, World(self.world.seed, self.world.schema, (), ()))

    def seen(self, user: str, table: Table | View) -> Seen | None:
        """What somebody sees."""
        key = (user, table.name)
        if key not in self._seen:
            see = views.see if isinstance(table, View) else enforcer.see
            self._seen[key] = see(self.world, self.world.user(user), table)  # pyright: ignore[reportArgumentType]
        return self._seen[key]

    @property
    def relations(self) -> list[Table | View]:
        """All that has a name in the world's schema."""
        return [*self.world.tables, *self.world.views]

    def twin(self, user: str) -> Any:
        """The gateway over copies that hold only what somebody may see."""
        if user not in self._twins:
            seen = {t.name: s for t in self.relations if (s := self.seen(user, t)) is not None}
            copies = {n.lower(): Copy(n, self.lab.copy(s.table), s.table.depot, s) for n, s in seen.items()}
            depots = frozenset(t.depot for t in self.world.tables)
            self._twins[user] = self.lab.over(self.world.schema, copies, depots, lambda name: self._open(user, name))
        return self._twins[user]

    def _open(self, user: str, name: DatasetName) -> bool:
        """May somebody know that a name means nothing? One that means something he knows, or he does not."""
        meant = name.dataset.lower()
        if name.depot == DEPOT:  # which has metadata tables
            meant = meant.partition("$")[0]
        places = {(DEPOT if isinstance(t, View) else t.depot, t.name.lower()) for t in self.relations}
        if (name.depot, meant) in places:
            return False
        return enforcer.readable(self.world, self.world.user(user), Table(name.dataset, (), (), depot=name.depot))

    def other(self, user: str) -> Any:
        """The gateway over tables that differ in what somebody may not see."""
        if user not in self._others:
            draw = random.Random(f"other {self.world.seed} {user}")
            asking = self.world.user(user)
            tables = [other(self.world, asking, t, draw) for t in self.world.tables]
            copies = {t.name.lower(): Copy(t.name, self.lab.copy(t), t.depot) for t in tables}
            self._others[user] = self.lab.swapped(self.world, copies)
        return self._others[user]

    def shapes(self, user: str) -> list[Shape]:
        """The tables as somebody knows them."""
        found: list[Shape] = []
        for table in self.relations:
            seen = self.seen(user, table)
            if seen is not None and not seen.broken:
                columns = tuple(
                    Field(c.name, c.type, _pattern(seen, c.name), c.name.lower() in seen.masked)
                    for c in seen.table.columns
                )
                view, has_old = isinstance(table, View), seen.table.old is not None
                found.append(Shape(table.name, columns, has_old, seen.bites, seen.table.depot, view))
        return found

    def may_write(self, user: str, may: bool) -> None:
        """Let somebody write every table, or not."""
        verbs, paths = ("write", "update", "delete", "create"), worlds.everything(self.world)
        rule = AccessRule("writer", ((f"users:id:{user}",),), verbs, paths, allow=True)
        self.lab.store.write_sync(decisions.write, {"policy:writer": rule if may else None})

    def allowed(self, user: str) -> frozenset[str]:
        """The canaries that somebody may see."""
        seen = [s for t in self.relations if (s := self.seen(user, t)) is not None and not s.broken]
        return frozenset[str]().union(*(tokens((s.table.rows, s.table.old)) for s in seen))

    def ask(self, user: str, sql: str) -> Answer:
        """The governed answer."""
        self.said[user] |= tokens(sql)
        return self.lab.ask(self.lab.governed, self.world.schema, user, sql)


def _pattern(seen: Seen | None, column: str) -> str | None:
    if seen is None or column.lower() not in seen.random:
        return None
    return seen.random[column.lower()] or ""


def canaries(world: World) -> frozenset[str]:
    """Every token that stands in a cell of a world."""
    return tokens([(t.rows, t.old) for t in world.tables])


def statement(stage: Stage, user: str, draw: random.Random) -> Statement:
    """A statement for somebody: mostly over what he sees."""
    shapes = stage.shapes(user)
    hidden: list[Shape] = []
    for view in stage.world.views:
        seen = stage.seen(user, view)
        if seen is None or seen.broken:
            columns = tuple(Field(c.name, c.type) for c in views.declared(stage.world, view).columns)
            hidden.append(Shape(view.name, columns, view=True))
    for table in stage.world.tables:
        seen = stage.seen(user, table)
        known = {c.name for c in seen.table.columns} if seen is not None and not seen.broken else set[str]()
        if len(known) < len(table.columns):
            columns = tuple(Field(c.name, c.type, _pattern(seen, c.name)) for c in table.columns)
            hidden.append(Shape(table.name, columns, table.old is not None, depot=table.depot))
    often = 0.12 if stage.world.views else 0.04
    if hidden and (not shapes or draw.random() < often):
        shapes = [draw.choice(hidden), *shapes[:1]]
    return Grammar(draw, stage.world.schema, shapes, words_of(stage.world, draw)).statement()


def whole(stage: Stage, user: str, view: View) -> Statement:
    """All that somebody sees of a view."""
    seen = stage.seen(user, view)
    shown = seen.table.columns if seen is not None and not seen.broken else ()
    outputs = tuple(Field(c.name, c.type, _pattern(seen, c.name)) for c in shown)
    return Statement(f"SELECT * FROM {view.name}", outputs, tables=frozenset({view.name}))


def words_of(world: World, draw: random.Random) -> dict[str, list[str]]:
    """Raw values to probe with."""
    found: dict[str, list[str]] = {}
    for table in world.tables:
        for position, column in enumerate(table.columns):
            for row in draw.sample(table.rows, min(2, len(table.rows))):
                value = row[position]
                if isinstance(value, str):
                    found.setdefault("varchar", []).append("'" + value.replace("'", "''") + "'")
                elif column.type in NUMBERS and value is not None:
                    found.setdefault("number", []).append(str(value))
    return found


# --- judging -------------------------------------------------------------------------------------------------------------


class Judge:
    """Asks on a stage and judges the answers. `counts`: how often each oracle judged."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.counts = Counter[str]()
        self.answer = Answer()

    def judge(self, user: str, made: Statement, *, interference: bool = True) -> Failure | None:
        """One statement, by every oracle that applies; the first that objects."""
        stage, self._user, self._made = self.stage, user, made
        stage.lab.log.clear()
        broken = [t.name for t in stage.relations if t.name in made.tables and self._is_broken(t)]
        if broken:
            self.counts["broken policy"] += 1
            self.answer = answer = stage.ask(user, made.sql)
            if not answer.failed and made.query and any(_names(made, name) for name in broken):
                return self._failed("broken policy", f"an answer of {broken}, whose filter cannot be applied")
            return self._canaries(answer)
        stage.said[user] |= tokens(made.sql)
        gateways = [stage.lab.governed, stage.twin(user), *([stage.other(user)] if interference else [])]
        answer, twin, *others = stage.lab.ask_all(gateways, stage.world.schema, user, made.sql)
        self.answer = answer
        return self._twin(answer, twin) or self._interference(answer, others) or self._canaries(answer)

    def _is_broken(self, table: Table | View) -> bool:
        """Is there a policy that cannot be applied to it?"""
        seen = self.stage.seen(self._user, table)
        return seen is not None and seen.broken

    def _failed(self, oracle: str, text: str) -> Failure:
        return Failure(oracle, text, self.stage.world, self._user, self._made)

    def _twin(self, answer: Answer, expected: Answer) -> Failure | None:
        self.counts["twin"] += 1
        made, stage = self._made, self.stage
        if "$" in made.sql and not answer.failed:  # metadata are those of the original
            bitten = [
                t
                for t in stage.world.tables
                if (s := stage.seen(self._user, t)) and s.bites and f'"{t.name}$' in made.sql
            ]
            return self._failed("twin", f"metadata of {bitten[0].name} are shown") if bitten else None
        if made.sql.startswith(("SHOW CREATE", "SHOW STATS")) and not (answer.failed or expected.failed):
            return self._definition(answer)
        if made.sql.startswith("EXPLAIN") and any(v.name in made.tables for v in stage.world.views):
            return None  # it tells of the tables below
        if any(v.name in made.tables for v in stage.world.views):  # beside a view not every error has its place
            answer, expected = (replace(a, message=_PLACE.sub("", a.message)) for a in (answer, expected))
        if made.fragile and {answer.code, expected.code} & RUNTIME and {answer.code, expected.code} <= RUNTIME | {""}:
            return None
        if expected.code == ENGINE_FAULT and not answer.failed:
            self.counts["twin: the engine cannot plan it"] += 1
            return None
        why = same(answer, expected, made.random_of([n for n, _ in answer.columns]), ordered=made.ordered)
        return self._failed("twin", why) if why else None

    def _definition(self, answer: Answer) -> Failure | None:
        """Places and sizes of a copy are its own; what may not be known must not be in the original's either."""
        text = repr(answer.rows)
        for table in self.stage.world.tables:
            seen = self.stage.seen(self._user, table) if table.name in self._made.tables else None
            for name in seen.hidden_columns if seen is not None else ():
                if re.search(rf"\b{re.escape(name)}\b", text):
                    return self._failed("twin", f"column {name} is told of")
        return None

    def _interference(self, answer: Answer, others: Sequence[Answer]) -> Failure | None:
        made = self._made
        if not others or ("$" in made.sql and not answer.failed) or made.sql.startswith("SHOW CREATE"):
            return None
        other = others[0]
        if made.sql.startswith("SHOW STATS"):
            if not self._bitten():
                return None
            answer, other = (replace(a, rows=self._counted(a.rows)) for a in (answer, other))
        self.counts["non-interference"] += 1
        why = same(answer, other, made.random_of([n for n, _ in answer.columns]), ordered=made.ordered)
        return self._failed("non-interference", why) if why else None

    def _counted(self, rows: Any) -> Any:
        """Statistics without those of columns whose texts are drawn anew for each statement."""
        seen = [self.stage.seen(self._user, t) for t in self.stage.relations if t.name in self._made.sql]
        drawn = {name for s in seen if s is not None for name in s.random}
        return [row for row in rows if str(row[0]).lower() not in drawn]

    def _bitten(self) -> bool:
        seen = [self.stage.seen(self._user, t) for t in self.stage.relations if t.name in self._made.sql]
        return any(s is None or s.bites for s in seen)

    def _canaries(self, answer: Answer) -> Failure | None:
        self.counts["canaries"] += 1
        stage = self.stage
        protected = stage.raw - stage.allowed(self._user) - tokens(self._made.sql)
        shown = protected & tokens((answer.rows, answer.message))
        if shown:
            return self._failed("canary", f"{sorted(shown)} in the answer")
        told = protected & tokens(stage.lab.log)
        told -= tokens((stage.world.rules, stage.world.users))  # policies hold values themselves
        return self._failed("canary", f"{sorted(told)} in the log") if told else None


def _names(made: Statement, table: str) -> bool:
    """Does the statement name the table, and no WITH query so?"""
    shadowed = re.search(rf'\b{table}"?(\([^)]*\))? AS \(', made.sql, re.IGNORECASE)
    return table in made.tables and table.lower() in made.sql.lower() and not shadowed


def partitions(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """TLP and NoREC: the rows of a query are those of which a condition is true, false and unknown."""
    shapes = stage.shapes(user)
    if not shapes:
        return None
    grammar = Grammar(draw, stage.world.schema, shapes, words_of(stage.world, draw))
    source, condition, shown = grammar.parted()
    made = Statement(f"SELECT {shown} FROM {source} WHERE {condition}", fragile=True)
    whole = stage.ask(user, f"SELECT {shown} FROM {source}")
    parts = [
        stage.ask(user, f"SELECT {shown} FROM {source} WHERE {part}")
        for part in (condition, f"NOT ({condition})", f"({condition}) IS NULL")
    ]
    counted = stage.ask(user, f"SELECT count_if({condition}) AS n FROM {source}")
    if whole.failed or counted.failed or any(p.failed for p in parts):
        return None
    together = Answer(whole.columns, tuple(r for p in parts for r in p.rows))
    why = same(whole, together)
    if why:
        return Failure("TLP", why, stage.world, user, made)
    if counted.rows != ((len(parts[0].rows),),):
        return Failure("NoREC", f"{counted.rows} instead of {len(parts[0].rows)} rows", stage.world, user, made)
    return None


def narrower(stage: Stage, user: str, draw: random.Random) -> Failure | None:
    """Metamorphism: a denial, and a filter or mask where there was none, never shows more; without it all is as before."""
    world = stage.world
    kind = draw.choice(("deny", "column", "mask", "filter", "mask"))
    bare = world
    if kind in ("mask", "filter"):
        bare = replace(world, rules=tuple(r for r in world.rules if not isinstance(r[1], DataRule)))
    stricter = worlds.with_rule(bare, draw, kind)
    made = Statement(f"SELECT * of every table, with {stricter.rules[-1]}", query=False)
    try:
        stage.become(bare)
        before = _shown(stage, user)
        stage.become(stricter)
        after = _shown(stage, user)
        stage.become(bare)
        again = _shown(stage, user)
    finally:
        stage.become(world)
    if again != before:
        return Failure("metamorphism", "a rule that is gone still counts", world, user, made)
    for table, (count, tokens) in after.items():
        was = before.get(table, (0, frozenset[str]()))
        if count > was[0] or not tokens <= was[1]:
            return Failure("metamorphism", f"{table}: {count} rows, {tokens - was[1]} came to light", world, user, made)
    return None


def _shown(stage: Stage, user: str) -> dict[str, tuple[int, frozenset[str]]]:
    """How many rows, and which canaries, each table shows."""
    found: dict[str, tuple[int, frozenset[str]]] = {}
    for table in stage.world.tables:
        answer = stage.ask(user, f'SELECT * FROM {table.depot}.{stage.world.schema}."{table.name}"')
        if not answer.failed:
            found[table.name] = (len(answer.rows), frozenset(_TOKEN.findall(repr(answer.rows))) & stage.raw)
    return found
