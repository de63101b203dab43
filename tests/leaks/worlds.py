"""Worlds by seed: tables with odd names and every type, users, policies of every form; and the changes they go through."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dataos.governance.policies import AccessRule, DataRule, Filter, Mask
from leaks import views
from leaks.model import (
    BIGINT,
    BOOLEAN,
    DATE,
    DECIMAL,
    DEPOT,
    DOUBLE,
    INSTANT,
    INTEGER,
    NUMBERS,
    REAL,
    SCALARS,
    TIME,
    TIMESTAMP,
    UUID,
    VARBINARY,
    VARCHAR,
    Column,
    Table,
    Type,
    User,
    World,
    array,
    keeps,
    map_,
    row,
)

_WORDS = ("ann", "bob", "cyd", "Dan", "O'Neil", "a,b", "ünï", "x")
_NAMES = ("id", "region", "name", "amount", "qty", "day", "Mixed", "two words", "select", "naïve", "phone", "note", "k")
TAGS = ("PII.Email", "PII.Name", "PII.Income", "Secret.A", "Secret.B")
ROLES = ("roles:id:analyst", "roles:id:emea", "roles:id:audit:eu", "roles:id:audit:us", "roles:id:lead")


class Values:
    """Draws values. Every text and large number that it makes is a canary: it stands in one cell only."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._made = 0

    def of(self, type_: Type, *, null: float = 0.15) -> Any:
        """A value of a type, or None."""
        if self._draw.random() < null:
            return None
        if type_.name == "row":
            return {name: self.of(part) for name, part in type_.parts}
        if type_.name == "array":
            return [self.of(type_.of("element")) for _ in range(self._draw.randrange(3))]
        if type_.name == "map":
            keys = dict.fromkeys(self.of(type_.of("key"), null=0) for _ in range(self._draw.randrange(3)))
            return [(key, self.of(type_.of("value"))) for key in keys]
        return _MAKERS[type_](self)

    def token(self) -> str:
        """A text that is nowhere else."""
        self._made += 1
        return f"zq{self._draw.randrange(36**5):05x}{self._made}w"

    def text(self) -> str:
        """A common word or a canary."""
        return self._draw.choice(_WORDS) if self._draw.random() < 0.4 else self.token()

    def whole(self) -> int:
        """A small number, which others may have too, or a canary."""
        self._made += 1
        small = self._draw.random() < 0.6
        return (
            self._draw.randrange(-3, 9) if small else 700_000_000_000 + self._draw.randrange(10**9) * 100 + self._made
        )

    def number(self, most: int = 12) -> int:
        """A small number."""
        return self._draw.randrange(-3, most)


def _day(values: Values) -> dt.date:
    return dt.date(2020 + values.number(4) % 4, 1 + values.number() % 12, 1 + values.number(25) % 28)


def _moment(values: Values) -> dt.datetime:
    return dt.datetime.combine(_day(values), _time(values))


def _time(values: Values) -> dt.time:
    return dt.time(
        values.number() % 24, values.number(50) % 60, values.number(50) % 60, 250_000 * (values.number() % 4)
    )


_MAKERS: dict[Type, Callable[[Values], Any]] = {
    BOOLEAN: lambda v: v.number() > 3,
    INTEGER: lambda v: v.number(),
    BIGINT: lambda v: v.whole(),
    REAL: lambda v: v.number() / 4,
    DOUBLE: lambda v: v.number() / 8,
    DECIMAL: lambda v: Decimal(v.number(40) * 25).scaleb(-2),
    VARCHAR: lambda v: v.text(),
    VARBINARY: lambda v: v.text().encode(),
    UUID: lambda v: uuid.UUID(int=0x5EA1 << 64 | abs(v.whole())),
    DATE: _day,
    TIME: _time,
    TIMESTAMP: _moment,
    INSTANT: lambda v: _moment(v).replace(tzinfo=dt.UTC),
}

_NESTED = (
    row(city=VARCHAR, zip=INTEGER),
    row(Name=VARCHAR, inner=row(code=VARCHAR, n=BIGINT)),
    array(VARCHAR),
    array(INTEGER),
    array(row(sku=VARCHAR, n=BIGINT)),
    map_(VARCHAR, VARCHAR),
    map_(VARCHAR, BIGINT),
    map_(INTEGER, VARCHAR),
    row(tags=array(VARCHAR), at=TIMESTAMP),
)


def make(seed: int, sources: Sequence[str] = (DEPOT,)) -> World:
    """The world of a seed. In half of them some tables lie elsewhere than in the lakehouse: in one of `sources`."""
    draw, placing = random.Random(f"world {seed}"), random.Random(f"sources {seed}")
    values = Values(draw)
    elsewhere = placing.random() < 0.5
    places = [DEPOT, *(placing.choice((DEPOT, *sources, *sources)) if elsewhere else DEPOT for _ in range(2))]
    tables = tuple(_table(draw, values, n, places[n]) for n in range(draw.randrange(2, 4)))
    users = tuple(_user(draw, n) for n in range(draw.randrange(2, 5)))
    world = World(seed, f"w{seed}", tables, users)
    chosen = draw.choice((draw.sample(ROLES, 2), ["roles:id:user"], ["roles:id:user"]))
    readers = AccessRule(
        "readers", tuple((r,) for r in (*chosen, "users:id:u0")), ("read", "select"), everything(world), allow=True
    )
    world = views.draw(replace(world, rules=(("policy:readers", readers),)))
    for kind in ("mask", "mask", "filter"):
        if draw.random() < 0.85:
            world = with_rule(world, draw, kind)
    for _ in range(draw.randrange(1, 6)):
        world = _more_tags(world, draw) if draw.random() < 0.3 else world
        world = _more_rules(world, draw)
    return world


def everything(world: World) -> tuple[str, ...]:
    """The paths of all that it holds."""
    return tuple(f"dataos://{depot}:{world.schema}/*" for depot in dict.fromkeys(t.depot for t in world.tables))


def _table(draw: random.Random, values: Values, number: int, depot: str) -> Table:
    name = ("orders", "People", "things")[number]
    columns = [Column("id", draw.choice((INTEGER, BIGINT))), Column("region", VARCHAR)]
    names = [n for n in _NAMES if n not in ("id", "region")]
    draw.shuffle(names)
    pool = [*SCALARS, VARCHAR, VARCHAR, BIGINT, DECIMAL, *draw.sample(_NESTED, 3)]
    pool = [t for t in pool if keeps(depot, t)]
    names = [n for n in names if depot != "delta" or " " not in n]  # Delta has no such names
    columns += [Column(n, draw.choice(pool)) for n in names[: draw.randrange(2, 6)]]

    def some(count: int) -> list[tuple[Any, ...]]:
        found = [tuple(values.of(c.type) for c in columns) for _ in range(count)]
        return [*found, *found[: draw.randrange(2)]]  # duplicates

    rows = some(draw.choice((0, 2, 4, 6, 8)))
    old = None
    if draw.random() < 0.4 and depot in (DEPOT, "iceberg"):
        old = tuple(some(draw.randrange(1, 5)))
        rows = [*old[: draw.randrange(len(old) + 1)], *rows]
    return Table(name, tuple(columns), tuple(rows), old, depot)


def _user(draw: random.Random, number: int) -> User:
    id_ = f"u{number}"
    tags = {"roles:id:user", f"users:id:{id_}", *draw.sample(ROLES, draw.randrange(0, 4))}
    properties = [("region", w) for w in draw.sample(_WORDS, draw.randrange(0, 3))]
    if draw.random() < 0.5:
        properties.append(("level", str(draw.randrange(-3, 9))))
    return User(
        id_, frozenset(tags), f"{draw.choice(_WORDS)}@x.org" if draw.random() < 0.7 else None, tuple(properties)
    )


# --- rules ------------------------------------------------------------------------------------------------------------


def _more_tags(world: World, draw: random.Random) -> World:
    table = draw.choice(world.tables)
    path = draw.choice(paths(table)) if draw.random() < 0.9 else ()
    return replace(world, column_tags=world.column_tags | {(table.name, ".".join(path), draw.choice(TAGS))})


def paths(table: Table) -> list[tuple[str, ...]]:
    """Every column, and every part of one."""
    found: list[tuple[str, ...]] = []

    def into(path: tuple[str, ...], type_: Type) -> None:
        found.append(path)
        for name, part in type_.parts:
            into((*path, name), part)

    for column in table.columns:
        into((column.name,), column.type)
    return found


def _more_rules(world: World, draw: random.Random) -> World:
    return with_rule(world, draw, draw.choices(("mask", "filter", "deny", "column", "allow"), (8, 5, 1, 2, 2))[0])


def with_rule(world: World, draw: random.Random, kind: str) -> World:
    """One more rule: a `mask`, a `filter`, a `deny` of a table, of a `column`, or what lets somebody `allow`."""
    number = 1 + max(
        (int(key.rpartition("-")[2]) for key, _ in world.rules if key.startswith("policy:") and "-" in key), default=0
    )
    name = f"{kind}-{number}"
    rule = {"mask": _mask_rule, "filter": _filter_rule, "deny": _deny, "column": _column_deny, "allow": _allow}[kind]
    return replace(world, rules=(*world.rules, (f"policy:{name}", rule(world, draw, name))))


def _subject(world: World, draw: random.Random) -> str:
    user = draw.choice(world.users)
    if draw.random() < 0.4:
        return draw.choice(("roles:id:user", f"users:id:{user.id}", "roles:id:us*"))
    return draw.choice(
        (
            *sorted(user.tags),
            *ROLES,
            "roles:id:*",
            "roles:**",
            "users:id:u[01]",
            "roles:id:{analyst,emea}",
            "roles:id:audit:*",
            "roles:id:audi?:eu",
            "users:id:[!0]*",
            "**",
            "roles:*",
        )
    )


def _groups(world: World, draw: random.Random) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(_subject(world, draw) for _ in range(draw.choices((1, 2), (4, 1))[0]))
        for _ in range(draw.choices((1, 2), (3, 1))[0])
    )


def _selected(world: World, draw: random.Random) -> tuple[str, str, str]:
    chosen = draw.choice(world.tables)
    table, depot = chosen.name, chosen.depot
    schema = draw.choice((world.schema, world.schema.upper(), world.schema, world.schema + "*", "*", "w?*"))
    names = (table, table.lower(), table.upper(), "*", table[:2] + "*", "{" + table + ",nothing}", "[!z]*", "**", table)
    dataset = table if draw.random() < 0.4 else draw.choice(names)
    return draw.choice((depot, depot, depot, depot[:4] + "*", "**", depot.upper())), schema, dataset


def _data_rule(world: World, draw: random.Random, name: str, type_: Any, **more: Any) -> DataRule:
    depot, schema, dataset = _selected(world, draw)
    tags = tuple(_subject(world, draw) for _ in range(draw.choices((1, 2), (3, 1))[0]))
    return DataRule(
        name, type_, draw.choice((1, 10, 10, 40, 99)), tags, match_all=draw.random() < 0.3,
        depot=depot, collection=schema, dataset=dataset, layer=draw.choice(("user", "user", "system")), **more,
    )  # fmt: skip


def _mask_rule(world: World, draw: random.Random, name: str) -> DataRule:
    others = [rule for _, rule in world.rules if isinstance(rule, DataRule) and rule.type == "mask"]
    if others and draw.random() < 0.4:
        return _rival(draw.choice(others), draw, name)
    table = draw.choice(world.tables)
    path = draw.choice((*paths(table), *(("id",), ("region",), ("region",))))
    spelled = ".".join(path)
    column = draw.choice((spelled, spelled.lower(), spelled.upper(), spelled))
    type_ = _type_of(table, path)
    by_tag = draw.random() < 0.3
    tags = draw.sample(TAGS, draw.choices((1, 2), (3, 1))[0]) if by_tag else []
    known = sorted({tag for _, _, tag in world.column_tags})
    tags = [draw.choice(known)] if by_tag and known and draw.random() < 0.8 else tags
    names = () if by_tag else (column, *(draw.choice(paths(table))[0] for _ in range(draw.choices((0, 1), (4, 1))[0])))
    return _data_rule(world, draw, name, "mask", mask=_mask(draw, type_), column_tags=tuple(tags), column_names=names)


def _rival(rule: DataRule, draw: random.Random, name: str) -> DataRule:
    """Another mask of the same columns for the same users: which of them counts?"""
    layer = draw.choice(("user", "system"))
    mask = draw.choice((Mask("redact"), Mask("pass_through"), _mask(draw, draw.choice((VARCHAR, BIGINT, DATE)))))
    return replace(rule, name=name, layer=layer, priority=draw.choice((rule.priority, 1, 99)), mask=mask)


def _type_of(table: Table, path: Sequence[str]) -> Type:
    type_ = next(c.type for c in table.columns if c.name == path[0])
    for part in path[1:]:
        type_ = type_.of(part)
    return type_


def _mask(draw: random.Random, type_: Type) -> Mask:
    """One that fits, mostly."""
    fitting = {
        VARCHAR: ("redact", "hash", "hash", "regex", "regex", "pattern", "regexify"),
        DATE: ("redact", "date"),
        TIMESTAMP: ("redact", "date"),
        INSTANT: ("redact", "date"),
        **dict.fromkeys(NUMBERS, ("redact", "number", "number")),
    }.get(type_, ("redact", "hash", "number", "date", "regex"))
    if draw.random() < 0.15:
        fitting = ("redact", "hash", "number", "date", "regex", "pattern", "regexify", "pass")
    match draw.choice((*fitting, *(("pass",) if draw.random() < 0.1 else ()))):
        case "hash":
            return Mask("hash", algo="sha256", keyed=draw.random() < 0.3)
        case "number":
            buckets = draw.choice(((0.0, 4.0, 9.0), (-2.5, 2.5), (5.0,), (1.0, 100.0, 8e11), (0.0, 0.5, 3.0, 7.0)))
            return Mask("bucket_number", buckets=buckets)
        case "date":
            return Mask("bucket_date", precision=draw.choice(("hour", "day", "week", "month", "year")))
        case "pattern":
            return Mask("rand_pattern", pattern=draw.choice(("###-??", "ID #", "??")))
        case "regexify":
            return Mask("rand_regexify", pattern=draw.choice(("[a-c]{2}[0-9]", "(x|yz)+", "no[12]?")))
        case "regex":
            pattern, replacement = draw.choice(_REPLACEMENTS)
            return Mask("regex_replace", pattern=pattern, replacement=replacement)
        case "pass":
            return Mask("pass_through")
        case _:
            return Mask("redact", replacement=draw.choice((None, "***", "7", "", "2021-01-01", "true")))


_REPLACEMENTS = (
    (".{2}$", "xx"), ("[0-9]", "#"), ("(.)(.*)", "$1***"), ("^.", ""), ("[a-z]+", "-"), ("(?<=z)q[0-9a-z]+", "*"),
    ("(.)(?!$)", "."),
)  # fmt: skip


def _filter_rule(world: World, draw: random.Random, name: str) -> DataRule:
    table = draw.choice(world.tables)
    count = draw.choices((1, 2), (3, 1))[0]
    return _data_rule(world, draw, name, "filter", filters=tuple(_filter(table, draw) for _ in range(count)))


def _filter(table: Table, draw: random.Random) -> Filter:
    operator = draw.choice(("equals", "not_equals", "not_equals"))
    if draw.random() < 0.25:
        column, attribute = draw.choice(
            (("region", "region"), ("region", "email"), ("id", "level"), ("region", "none"))
        )
        return Filter(column, operator, attribute=attribute)
    plain = [c for c in table.columns if c.type in (BOOLEAN, INTEGER, BIGINT, DECIMAL, DOUBLE, VARCHAR, DATE)]
    column = draw.choice(plain[:2] if draw.random() < 0.5 else plain)
    position = table.columns.index(column)
    known = [r[position] for r in table.rows if r[position] is not None]
    value = draw.choice(known) if known and draw.random() < 0.8 else draw.choice((1, "ann", "nobody"))
    if isinstance(value, (Decimal, dt.date)):
        value = str(value)
    spelled = draw.choice((column.name, column.name, column.name.upper(), column.name.lower()))
    return Filter(spelled if draw.random() < 0.97 else "nowhere", operator, value)


def _deny(world: World, draw: random.Random, name: str) -> AccessRule:
    chosen = draw.choice(world.tables)
    table = chosen.name
    path = draw.choice((table, table.upper(), "*" + table[1:], "{" + table + "}"))
    return AccessRule(
        name, _groups(world, draw), draw.choice((("select",), ("read",), ("**",), ("{read,select}",), ("write",))),
        (f"dataos://{chosen.depot}:{world.schema}/{path}",), layer=draw.choice(("user", "system")),
    )  # fmt: skip


def _column_deny(world: World, draw: random.Random, name: str) -> AccessRule:
    table = draw.choice(world.tables)
    predicates = draw.choice((("select",), ("read",), ("*",)))
    if draw.random() < 0.3:
        known = sorted({tag for _, _, tag in world.column_tags}) or list(TAGS)
        group = (draw.choice(known), "dataos:type:column") if draw.random() < 0.5 else (draw.choice(known),)
        return AccessRule(name, _groups(world, draw), predicates, tags=(group,))
    inner = [(t, p) for t in world.tables for p in paths(t) if len(p) > 1]
    table, chosen = draw.choice(inner) if inner and draw.random() < 0.5 else (table, draw.choice(paths(table)))
    path = ".".join(chosen)
    spelled = draw.choice((path, path.upper(), path.lower(), path))
    return AccessRule(
        name, _groups(world, draw), predicates, (f"dataos://{table.depot}:{world.schema}/{table.name}#{spelled}",)
    )


def _allow(world: World, draw: random.Random, name: str) -> AccessRule:
    chosen = draw.choice(world.tables)
    table, depot = chosen.name, chosen.depot
    if draw.random() < 0.3:
        tag = f"dataos:system:minerva:table:{depot}:{world.schema}:{table}"
        both = ((tag,), (f"dataos:system:ds:dataset:{depot}:{world.schema}:*",))
        return AccessRule(name, _groups(world, draw), ("select", "read"), tags=both[: draw.randrange(1, 3)], allow=True)
    path = draw.choice((table, table, table.upper(), "*", table[0] + "*"))
    predicates = draw.choice((("read",), ("select",), ("read", "select"), ("r*",)))
    return AccessRule(name, _groups(world, draw), predicates, (f"dataos://{depot}:{world.schema}/{path}",), allow=True)


# --- changes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What was done to a world, and what it is now."""

    text: str
    world: World


def change(world: World, draw: random.Random) -> Change:
    """One command: a policy, a tag of a user or of a column, a grant, or the taking away of one."""
    kind = draw.choice(("rule", "rule", "drop", "tag", "untag", "column tag", "column untag", "grant", "revoke"))
    user = draw.choice(world.users)
    grants = [key for key, _ in world.rules if key.startswith("grant:")]
    if kind == "drop" and len(world.rules) > 1:
        key = draw.choice(world.rules[1:])[0]
        return Change(f"drop {key}", replace(world, rules=tuple(r for r in world.rules if r[0] != key)))
    if kind == "tag":
        tag = draw.choice(ROLES)
        return Change(f"tag {user.id} {tag}", world.with_user(replace(user, tags=user.tags | {tag})))
    given = sorted(user.tags & set(ROLES))
    if kind == "untag" and given:
        tag = draw.choice(given)
        return Change(f"untag {user.id} {tag}", world.with_user(replace(user, tags=user.tags - {tag})))
    if kind == "column tag":
        return Change("tag a column", _more_tags(world, draw))
    if kind == "column untag" and world.column_tags:
        gone = draw.choice(sorted(world.column_tags))
        return Change(f"untag {gone}", replace(world, column_tags=world.column_tags - {gone}))
    if kind == "grant":
        number = 1 + max((int(g.split(":")[1].partition("-")[2]) for g in grants), default=0)
        return Change(f"grant {user.id}", replace(world, rules=(*world.rules, *_grant(world, draw, user, number))))
    if kind == "revoke" and grants:
        gone = draw.choice(grants).rsplit(":", 1)[0]
        return Change(
            f"revoke {gone}", replace(world, rules=tuple(r for r in world.rules if not r[0].startswith(gone + ":")))
        )
    return Change("a policy", _more_rules(world, draw))


def _grant(world: World, draw: random.Random, user: User, number: int) -> list[tuple[str, AccessRule]]:
    """What the use case `read-specific-dataset` comes to."""
    chosen = draw.choice(world.tables)
    table, depot = chosen.name, chosen.depot
    name, subjects = f"grant g-{number} of read-specific-dataset", ((f"users:id:{user.id}",),)
    tags = (("read", f"dataos:system:ds:dataset:{depot}:{world.schema}:{table}"),
            ("select", f"dataos:system:minerva:table:{depot}:{world.schema}:{table}"))  # fmt: skip
    return [
        (f"grant:g-{number}:{n}", AccessRule(name, subjects, (verb,), tags=((tag,),), allow=True, origin="grant"))
        for n, (verb, tag) in enumerate(tags)
    ]
