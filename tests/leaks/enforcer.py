"""The suite's own enforcer: what a user may see of a table, in plain Python, from the words of the specification.

It shares nothing with the product's decision index or its masks in SQL: globs are matched by walking, rules are looked
at one by one, values are masked one by one. What it gives is the physical copy that answers are compared with.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from dataos.governance.policies import AccessRule, DataRule, Filter, Mask
from leaks.model import (
    DATE,
    DECIMAL,
    DOUBLE,
    INSTANT,
    NUMBERS,
    REAL,
    TIMESTAMP,
    VARCHAR,
    Column,
    Path,
    Table,
    Type,
    User,
    World,
)

MASK_KEY = b"leak suite"
READ = ("select", "read")
STRICT = (
    "redact",
    "hash",
    "rand_pattern",
    "rand_regexify",
    "regex_replace",
    "bucket_date",
    "bucket_number",
    "pass_through",
)
SHOWN_AT_RANDOM = "(at random)"
"""What stands in a copy for a random text."""


@dataclass(frozen=True)
class Seen:
    """What one user sees of one table. `random`: top-level columns that hold random texts somewhere, with the pattern
    if the column is such a text itself. `bites`: anything is hidden. `broken`: a rule cannot be applied: nothing is shown."""

    table: Table
    random: dict[str, str | None] = field(default_factory=dict)
    bites: bool = False
    broken: bool = False
    masked: frozenset[str] = frozenset()
    hidden_columns: tuple[str, ...] = ()


# --- globs ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=100_000)
def matches(glob: str, text: str) -> bool:
    """Does a glob of a policy match the whole text? `:` separates levels."""
    return any(_walk(one, text) for one in _alternatives(glob))


def _alternatives(glob: str) -> list[str]:
    """`{a,b}` written out."""
    start = glob.find("{")
    if start < 0:
        return [glob]
    depth, end, cuts = 0, start, [start]
    for end in range(start, len(glob)):
        depth += (glob[end] == "{") - (glob[end] == "}")
        if depth == 1 and glob[end] == ",":
            cuts.append(end)
        if depth == 0:
            break
    parts = [glob[a + 1 : b] for a, b in zip(cuts, [*cuts[1:], end], strict=True)]
    return [whole for part in parts for whole in _alternatives(glob[:start] + part + glob[end + 1 :])]


def _walk(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob.startswith("**"):
        rest = glob.lstrip("*")
        if rest.startswith(":") and _walk(rest[1:], text):  # `**:x` also means `x`
            return True
        return any(_walk(rest, text[i:]) for i in range(len(text) + 1))
    if glob[0] == "*":
        end = text.find(":")
        return any(_walk(glob[1:], text[i:]) for i in range((len(text) if end < 0 else end) + 1))
    if glob[0] == "?":
        return bool(text) and text[0] != ":" and _walk(glob[1:], text[1:])
    if glob[0] == "[":
        end = glob.index("]", 2)
        inside, negated = glob[1:end], glob[1] == "!"
        inside = inside[1:] if negated else inside
        members = {c for a, b in re.findall(r"(.)-(.)", inside) for c in map(chr, range(ord(a), ord(b) + 1))}
        members |= set(re.sub(r".-.", "", inside))
        fits = bool(text) and ((text[0] in members) != negated) and not (negated and text[0] == ":")
        return fits and _walk(glob[end + 1 :], text[1:])
    return text[:1] == glob[0] and _walk(glob[1:], text[1:])


# --- who may see what -------------------------------------------------------------------------------------------------


def _concerns(rule: AccessRule, tags: frozenset[str]) -> bool:
    return any(group and all(any(matches(g, t) for t in tags) for g in group) for group in rule.subjects)


def _decides(rule: AccessRule, verbs: Iterable[str], paths: Sequence[str], tags: Sequence[str]) -> bool:
    if not any(matches(p.lower(), v) for p in rule.predicates for v in verbs):
        return False
    fold = (lambda s: s) if rule.allow else str.lower  # no other spelling passes a denial
    if any(matches(fold(p), fold(path)) for p in rule.paths for path in paths):
        return True
    return any(group and all(any(matches(g, t) for t in tags) for g in group) for group in rule.tags)


def _ask(world: World, user: User, verbs: Sequence[str], paths: Sequence[str], tags: Sequence[str]) -> bool | None:
    """True: allowed, False: denied, None: no rule says anything."""
    mine = [r for _, r in world.rules if isinstance(r, AccessRule) and _concerns(r, user.tags)]
    found = [r for r in mine if _decides(r, verbs, paths, tags)]
    return False if any(not r.allow for r in found) else True if found else None


def _decided(world: World, user: User, table: Table) -> tuple[bool | None, ...]:
    """What rules say of it by its address, as a table, and as a dataset."""
    path = (f"dataos://{table.depot}:{world.schema}/{table.name}",)
    own = [tag for name, at, tag in world.column_tags if name == table.name and not at]
    place = f"{table.depot}:{world.schema}:{table.name}"
    return (
        _ask(world, user, READ, path, ()),
        _ask(world, user, ("select",), path, (f"dataos:system:minerva:table:{place}", *own)),
        _ask(world, user, ("read",), path, (f"dataos:system:ds:dataset:{place}", *own)),
    )


def readable(world: World, user: User, table: Table) -> bool:
    """May the table be queried at all?"""
    named, as_table, as_dataset = decided = _decided(world, user, table)
    if False in decided:
        return False
    return named is True or (as_table is True and as_dataset is True)


def refused(world: World, user: User, table: Table) -> bool:
    """Is the table denied to the user? What only nobody allows, another may lend."""
    return False in _decided(world, user, table)


def _tags_at(world: World, table: Table, path: Path) -> list[str]:
    wanted = ".".join(path).lower()
    return [tag for name, at, tag in world.column_tags if name == table.name and at and at.lower() == wanted]


def _denied(world: World, user: User, table: Table, path: Path) -> bool:
    place = f"dataos://{table.depot}:{world.schema}/{table.name}#{'.'.join(path)}"
    return _ask(world, user, READ, (place,), ("dataos:type:column", *_tags_at(world, table, path))) is False


def _selected(world: World, user: User, table: Table, type_: str) -> list[DataRule]:
    def speaks(rule: DataRule) -> bool:
        names = ((rule.depot, table.depot), (rule.collection, world.schema), (rule.dataset, table.name))
        if not rule.user_tags or not all(matches(g.lower(), n.lower()) for g, n in names):
            return False
        hits = [any(matches(g, t) for t in user.tags) for g in rule.user_tags]
        return all(hits) if rule.match_all else any(hits)

    return [r for _, r in world.rules if isinstance(r, DataRule) and r.type == type_ and speaks(r)]


def _winners(rules: Sequence[DataRule]) -> list[DataRule]:
    """The lowest priority replaces the others; layer `system` is never superseded by layer `user`."""
    system = [r for r in rules if r.layer == "system"]
    best_system = min((r.priority for r in system), default=10**9)
    user = [r for r in rules if r.layer != "system" and r.priority <= best_system]
    best_user = min((r.priority for r in user), default=0)
    return [r for r in system if r.priority == best_system] + [r for r in user if r.priority == best_user]


def mask_of(world: World, user: User, table: Table, path: Path) -> Mask | None:
    """The mask of a column or of a part of it: what selects a column holds for all that is in it."""
    found: dict[str, DataRule] = {}
    for rule in _selected(world, user, table, "mask"):
        for depth in range(1, len(path) + 1):
            above = ".".join(path[:depth]).lower()
            named = above in [n.lower() for n in rule.column_names]
            tagged = any(t in rule.column_tags for t in _tags_at(world, table, path[:depth]))
            if named or tagged:
                found[rule.name] = rule
    if not found:
        return None
    best = sorted(_winners(list(found.values())), key=lambda r: (STRICT.index(r.mask.operator), r.name))[0]  # type: ignore[union-attr]
    return None if best.mask is None or best.mask.operator == "pass_through" else best.mask


def filters_of(world: World, user: User, table: Table) -> list[Filter]:
    """All that a row must pass."""
    rules = _selected(world, user, table, "filter")
    found: list[Filter] = []
    for column in {f.column.lower() for r in rules for f in r.filters}:
        on_it = [r for r in rules if any(f.column.lower() == column for f in r.filters)]
        found += [f for r in _winners(on_it) for f in r.filters if f.column.lower() == column]
    return found


# --- values -----------------------------------------------------------------------------------------------------------


class Unfit(Exception):
    """A filter compares a column with what it cannot hold."""


def passes(filter_: Filter, user: User, table: Table, values: tuple[Any, ...]) -> bool:
    """Does a row pass a filter? Raises Unfit."""
    position = next((i for i, c in enumerate(table.columns) if c.name.lower() == filter_.column.lower()), None)
    if position is None:
        raise Unfit
    type_, value = table.columns[position].type, values[position]
    if filter_.attribute is not None:
        given: dict[str, list[str]] = {"id": [user.id], "name": [user.id], "type": ["person"]}
        given |= {"email": [user.email]} if user.email is not None else {}
        for key, text in user.properties:
            given.setdefault(key, []).append(text)
        wanted = [_read(text, type_) for text in given.get(filter_.attribute, [])]
        if not wanted:
            return False
    else:
        wanted = [_read(filter_.value, type_)]
    if value is None:
        return False
    value = _comparable(value, type_)
    return (value in wanted) == (filter_.operator == "equals")


def _comparable(value: Any, type_: Type) -> Any:
    return Decimal(str(value)) if type_ in NUMBERS else value


def _read(given: Any, type_: Type) -> Any:
    text = str(given).lower() if isinstance(given, bool) else str(given)
    if type_ == VARCHAR:
        return text
    if type_ in NUMBERS:
        try:
            return Decimal(text)
        except InvalidOperation:
            raise Unfit from None
    if type_.name == "boolean":
        if text.lower() not in ("true", "false"):
            raise Unfit
        return text.lower() == "true"
    if type_ == DATE:
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise Unfit from None
    raise Unfit


def masked(value: Any, type_: Type, mask: Mask) -> Any:
    """One value without parts under a mask. NULL stays NULL; what the mask does not fit becomes NULL."""
    if value is None:
        return None
    match mask.operator:
        case "redact":
            return _replaced(mask.replacement, type_)
        case "hash" if type_ == VARCHAR:
            if mask.keyed:
                return hmac.new(MASK_KEY, value.encode(), hashlib.sha256).hexdigest()
            return hashlib.sha256(value.encode()).hexdigest()
        case "bucket_number" if type_ in NUMBERS:
            below = [b for b in mask.buckets if Decimal(str(b)) <= Decimal(str(value))]
            return _as_number(below[-1] if below else mask.buckets[0], type_)
        case "bucket_date" if type_ in (DATE, TIMESTAMP, INSTANT):
            return _cut(value, mask.precision or "year")
        case "regex_replace" if type_ == VARCHAR:
            return re.sub(mask.pattern or "", re.sub(r"\$(\d)", r"\\\1", mask.replacement or ""), value)
        case "rand_pattern" | "rand_regexify" if type_ == VARCHAR:
            return SHOWN_AT_RANDOM
        case _:
            return None


def _replaced(text: str | None, type_: Type) -> Any:
    if type_ == VARCHAR:
        return "REDACTED" if text is None else text
    if text is None or type_.nested:
        return None
    try:
        if type_ in NUMBERS:
            return _as_number(Decimal(text), type_)
        if type_.name == "boolean":
            return {"true": True, "false": False, "7": None}.get(text)
        if type_.name == "varbinary":
            return text.encode()
        if type_ == DATE:
            return dt.date.fromisoformat(text)
        if type_.name == "time(6)":  # a day is its midnight
            dt.date.fromisoformat(text)
            return dt.time()
        if type_ in (TIMESTAMP, INSTANT):
            return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC if type_ == INSTANT else None)
    except (ValueError, InvalidOperation):
        pass
    return None


def _as_number(value: Any, type_: Type) -> Any:
    value = Decimal(str(value))
    if type_ in (DOUBLE, REAL):
        return float(value)
    if type_ == DECIMAL:
        value = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
        return value if abs(value) < 10**8 else None
    whole = int(value.quantize(Decimal(1), ROUND_HALF_UP))
    return whole if abs(whole) < 2 ** (31 if type_.name == "integer" else 63) else None


def _cut(value: Any, precision: str) -> Any:
    day = value.date() if isinstance(value, dt.datetime) else value
    if precision == "hour":
        return value.replace(minute=0, second=0, microsecond=0) if isinstance(value, dt.datetime) else value
    day = {
        "day": day,
        "week": day - dt.timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }[precision]
    return dt.datetime.combine(day, dt.time(), value.tzinfo) if isinstance(value, dt.datetime) else day


_GONE = object()


class _Shaper:
    """Masks and leaves out what is inside of one table's columns."""

    def __init__(self, world: World, user: User, table: Table, lender: User | None) -> None:
        both = [u for u in (user, lender) if u is not None]
        self._masks = functools.cache(lambda path: mask_of(world, user, table, path))
        self._gone = functools.cache(lambda path: any(_denied(world, u, table, path) for u in both))
        self.random: dict[str, str | None] = {}
        self.masked: set[str] = set()
        self.left_out = False

    def type(self, type_: Type, path: Path) -> Type | None:
        """The type that is left; None if nothing is."""
        if self._gone(path):
            self.left_out = True
            return None
        mask = self._masks(path)
        if mask is not None:
            self.masked.add(path[0])
            if not type_.nested and type_ == VARCHAR and mask.operator.startswith("rand"):
                self.random[path[0]] = (mask.operator + " " + (mask.pattern or "")) if len(path) == 1 else None
        if not type_.nested:
            return type_
        left = [(name, self.type(part, (*path, name.lower()))) for name, part in type_.parts]
        kept = tuple((n, t) for n, t in left if t is not None)
        if not kept or (type_.name != "row" and len(kept) < len(left)):
            return None
        return Type(type_.name, kept)

    def value(self, value: Any, type_: Type, path: Path) -> Any:
        """A value of the raw type as it is shown."""
        if not type_.nested:
            mask = self._masks(path)
            return masked(value, type_, mask) if mask is not None else value
        if value is None:
            return None
        if type_.name == "row":
            parts = {n: (t, (*path, n.lower())) for n, t in type_.parts}
            return {n: self.value(value[n], t, p) for n, (t, p) in parts.items() if self.type(t, p) is not None}
        if type_.name == "array":
            return [self.value(v, type_.of("element"), (*path, "element")) for v in value]
        on_keys = self._masks((*path, "key"))
        if on_keys is not None and (on_keys.operator != "hash" or type_.of("key") != VARCHAR):
            return None  # two keys could become one
        return [
            (self.value(k, type_.of("key"), (*path, "key")), self.value(v, type_.of("value"), (*path, "value")))
            for k, v in value
        ]


class Eye:
    """How one user sees one table, row by row. `lender`: what is denied to him does not exist either. Raises Unfit where
    a filter cannot be applied."""

    def __init__(self, world: World, user: User, table: Table, lender: User | None = None) -> None:
        self._user = user
        self._table = table
        self._filters = filters_of(world, user, table)
        self._shaper = _Shaper(world, user, table, lender)
        self._columns = [(c, self._shaper.type(c.type, (c.name.lower(),))) for c in table.columns]
        for filter_ in self._filters:
            passes(filter_, user, table, (None,) * len(table.columns))

    def row(self, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """A row as it is shown; None: not at all."""
        if not all(passes(f, self._user, self._table, values) for f in self._filters):
            return None
        return tuple(
            self._shaper.value(v, c.type, (c.name.lower(),))
            for v, (c, left) in zip(values, self._columns, strict=True)
            if left is not None
        )

    def rows(self, rows: Iterable[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
        """All rows that are shown."""
        return tuple(shown for values in rows if (shown := self.row(values)) is not None)

    def table(self) -> Seen:
        """The copy."""
        table, shaper = self._table, self._shaper
        old = self.rows(table.old) if table.old is not None else None
        columns = tuple(Column(c.name, t) for c, t in self._columns if t is not None)
        hidden = tuple(c.name for c, t in self._columns if t is None)
        masked_ = frozenset(shaper.masked) - {h.lower() for h in hidden}
        bites = bool(self._filters or shaper.masked or shaper.left_out)
        return Seen(
            replace(table, columns=columns, rows=self.rows(table.rows), old=old),
            shaper.random,
            bites,
            False,
            masked_,
            hidden,
        )


def see(world: World, user: User, table: Table, lender: str | None = None) -> Seen | None:
    """What the user sees of a table; None if it does not exist for him. `lender`: whose right to select a view lends."""
    if not may(world, user, table, lender):
        return None
    try:
        return Eye(world, user, table, _known(world, lender)).table()
    except Unfit:
        return Seen(table, bites=True, broken=True)


def may(world: World, user: User, table: Table, lender: str | None) -> bool:
    """May he select from it, or does a lender, to whom it is not denied? Who is no user any more lends nothing."""
    if lender is None:
        return readable(world, user, table)
    lending = _known(world, lender)
    return lending is not None and readable(world, lending, table) and not refused(world, user, table)


def _known(world: World, id_: str | None) -> User | None:
    return next((u for u in world.users if u.id == id_), None)


def closed(world: World, user: User, table: Table, lender: str | None) -> bool:
    """Do rules hide anything of what has this name and these columns?"""
    shaper = _Shaper(world, user, table, _known(world, lender))
    for column in table.columns:
        shaper.type(column.type, (column.name.lower(),))
    return bool(filters_of(world, user, table) or shaper.masked or shaper.left_out)
