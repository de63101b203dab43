"""Typed expressions of Trino's SQL, by seed, over the columns that are in scope."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from leaks.model import BIGINT, BOOLEAN, DATE, DEPOT, DOUBLE, NUMBERS, VARCHAR, Type, array, quoted


@dataclass(frozen=True)
class Field:
    """A column of something that can stand in FROM. `random`: None, or the pattern of its texts (empty: inside).
    `hot`: something is masked in it, which is asked about more often."""

    name: str
    type: Type
    random: str | None = None
    hot: bool = False


@dataclass(frozen=True)
class Shape:
    """A table as its reader knows it. `hot`: something is hidden in it."""

    name: str
    columns: tuple[Field, ...]
    has_old: bool = False
    hot: bool = False
    depot: str = DEPOT
    view: bool = False


@dataclass(frozen=True)
class Statement:
    """A statement. `random`: per output column as in `Field`; `ordered`: its rows come in one order only; `fragile`: an
    expression may fail on some rows before others are looked at; `query`: it can stand in a sub-query, or be the source
    of an INSERT."""

    sql: str
    outputs: tuple[Field, ...] = ()
    ordered: bool = False
    fragile: bool = False
    query: bool = True
    tables: frozenset[str] = frozenset()

    @property
    def random(self) -> tuple[str | None, ...]:
        """Which outputs are random."""
        return tuple(o.random for o in self.outputs)

    def random_of(self, columns: Sequence[str]) -> tuple[str | None, ...]:
        """As `random`, of the columns that came: `*` over a table with hidden ones gives fewer."""
        if len(columns) == len(self.outputs):
            return self.random
        known = {o.name.lower(): o.random for o in self.outputs}
        return tuple(known.get(name.lower()) for name in columns)


@dataclass(frozen=True)
class Ref:
    """A column, or a part of one, as an expression."""

    sql: str
    type: Type
    random: str | None = None
    hot: bool = False


@dataclass
class Scope:
    refs: list[Ref] = field(default_factory=list)
    stars: list[tuple[str, tuple[Field, ...]]] = field(default_factory=list)  # alias, its columns
    merged: bool = False  # USING and NATURAL: * is not the sum of its parts


def kind(type_: Type) -> str:
    """Types that may be compared and mixed have one kind."""
    return "number" if type_ in NUMBERS else type_.name if type_.nested else str(type_)


SORTABLE = ("number", "varchar", "boolean", "date", "timestamp(6)", "uuid", "time(6)", "timestamp(6) with time zone")
_LITERALS = {
    "number": ("0", "1", "2", "-1", "3.5", "1e0", "7"),
    "varchar": ("'ann'", "'bob'", "''", "'REDACTED'", "'***'", "'x'"),
    "boolean": ("true", "false"),
    "date": ("DATE '2021-01-01'", "DATE '2022-07-01'"),
    "timestamp(6)": ("TIMESTAMP '2021-06-01 00:00:00'",),
    "timestamp(6) with time zone": ("TIMESTAMP '2021-06-01 00:00:00 UTC'",),
    "time(6)": ("TIME '10:00:00'",),
    "uuid": ("UUID '00000000-0000-5ea1-0000-000000000001'",),
    "varbinary": ("X'00'",),
}
COMPARED = ("=", "<>", "<", "<=", ">", ">=")


class Expressions:
    """Draws expressions. `words`: literals of raw values, by kind, to probe with."""

    def __init__(self, draw: random.Random, schema: str, tables: Sequence[Shape], words: dict[str, list[str]]) -> None:
        self._draw = draw
        self._schema = schema
        self._tables = [t for t in tables for _ in range(3 if t.hot else 1)]
        self._words = words
        self._count = 0
        self._ctes: list[tuple[str, tuple[Field, ...]]] = []
        self._used: set[str] = set()
        self._fragile = False

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _from(self, depth: int, outer: Sequence[Ref]) -> tuple[Scope, str]:
        raise NotImplementedError

    def _select(self, depth: int, outer: Sequence[Ref], kinds: Sequence[str] | None) -> tuple[str, list[Field]]:
        raise NotImplementedError

    def _query(
        self, depth: int, outer: Sequence[Ref] = (), kinds: Sequence[str] | None = None
    ) -> tuple[str, list[Field]]:
        raise NotImplementedError

    # --- expressions --------------------------------------------------------------------------------------------------

    def _literal(self, wanted: str) -> str:
        words = self._words.get(wanted)
        if words and self._draw.random() < 0.5:
            return self._draw.choice(words)
        return self._draw.choice(_LITERALS.get(wanted, ("NULL",)))

    def _wanted(self, refs: Sequence[Ref]) -> str:
        """A kind that is there."""
        known = [k for k in (kind(r.type) for r in refs if r.random is None) if k in ("number", "varchar", "date")]
        return self._draw.choice([*known, "varchar", "boolean"])

    def _leaf(self, wanted: str, refs: Sequence[Ref]) -> str:
        fitting = [r for r in refs if r.random is None and kind(r.type) == wanted]
        if fitting and self._draw.random() < 0.93:
            hot = [r for r in fitting if r.hot]
            return self._draw.choice(hot if hot and self._draw.random() < 0.5 else fitting).sql
        return self._literal(wanted)

    def _expression(self, wanted: str, refs: Sequence[Ref], depth: int) -> str:
        maker: Callable[[Sequence[Ref], int], str] | None = {
            "number": self._number,
            "varchar": self._text,
            "boolean": self._predicate,
            "date": self._date,
        }.get(wanted)
        if maker is None or self._draw.random() < 0.4 or depth < 0:
            return self._leaf(wanted, refs)
        if self._draw.random() < 0.2 and depth > 0:
            return self._scalar(wanted, refs, depth)
        if self._draw.random() < 0.1:
            condition, one, two = self._predicate(refs, 0), self._leaf(wanted, refs), self._leaf(wanted, refs)
            return f"CASE WHEN {condition} THEN {one} ELSE {two} END"
        return maker(refs, depth - 1)

    def _scalar(self, wanted: str, refs: Sequence[Ref], depth: int) -> str:
        scope, source = self._from(depth - 2, refs)
        value = self._expression(wanted, scope.refs, 0)
        where = self._correlation(scope.refs, refs) if self._draw.random() < 0.6 else self._predicate(scope.refs, 0)
        return f"(SELECT {self._draw.choice(('max', 'min'))}({value}) FROM {source} WHERE {where})"

    def _number(self, refs: Sequence[Ref], depth: int) -> str:
        def one() -> str:
            return self._expression("number", refs, depth - 1)

        if self._draw.random() < 0.06:
            self._fragile = True
            return self._draw.choice(
                (
                    f"({one()} / ({self._leaf('number', refs)} - {self._literal('number')}))",
                    f"CASE WHEN {self._predicate(refs, 0)} THEN 1 / 0 ELSE 1 END",
                    f"CAST({self._leaf('varchar', refs)} AS bigint)",
                    f"(1 / (CASE WHEN {self._predicate(refs, 0)} THEN 0 ELSE 1 END))",
                )
            )
        arrays = [r.sql for r in refs if r.type.name in ("array", "map") and r.random is None]
        forms: list[Callable[[], str]] = [
            lambda: f"({one()} {self._draw.choice('+-')} {one()})",
            lambda: f"({self._leaf('number', refs)} * {self._draw.choice(('2', '3', '-1'))})",
            lambda: f"coalesce({one()}, {self._literal('number')})",
            lambda: f"abs({one()})",
            lambda: f"length({self._expression('varchar', refs, depth - 1)})",
            lambda: f"try({self._leaf('number', refs)} / ({self._leaf('number', refs)} - {self._literal('number')}))",
            lambda: f"TRY_CAST({self._leaf('varchar', refs)} AS bigint)",
            lambda: f"nullif({self._leaf('number', refs)}, {self._literal('number')})",
            lambda: f"greatest({self._leaf('number', refs)}, {self._leaf('number', refs)})",
            lambda: f"year({self._expression('date', refs, depth - 1)})",
            lambda: f"if({self._predicate(refs, 0)}, 1, {self._leaf('number', refs)})",
            lambda: f"cardinality({self._draw.choice(arrays)})" if arrays else one(),
            lambda: f"strpos({self._leaf('varchar', refs)}, {self._literal('varchar')})",
        ]
        return self._draw.choice(forms)()

    def _text(self, refs: Sequence[Ref], depth: int) -> str:
        def one() -> str:
            return self._expression("varchar", refs, depth - 1)

        scalars = [r.sql for r in refs if r.random is None and not r.type.nested and kind(r.type) in SORTABLE]
        lists = [r.sql for r in refs if r.type == array(VARCHAR) and r.random is None]
        maps = [r for r in refs if r.type.name == "map" and r.random is None and r.type.of("key") == VARCHAR]
        forms: list[Callable[[], str]] = [
            lambda: f"({one()} || {one()})",
            lambda: f"upper({one()})",
            lambda: f"substr({one()}, {self._draw.randrange(-3, 4) or 1}, 3)",
            lambda: f"coalesce({one()}, {self._literal('varchar')})",
            lambda: f"CAST({self._draw.choice(scalars)} AS varchar)" if scalars else one(),
            lambda: f"regexp_replace({self._leaf('varchar', refs)}, '[0-9]', '')",
            lambda: f"reverse({one()})",
            lambda: f"to_hex(sha256(to_utf8({self._leaf('varchar', refs)})))",
            lambda: f"nullif({one()}, {self._literal('varchar')})",
            lambda: f"array_join({self._draw.choice(lists)}, '-')" if lists else one(),
            lambda: f"array_join(map_keys({self._draw.choice(maps).sql}), '-')" if maps else one(),
            lambda: f"array_join(transform(ARRAY[{self._leaf('varchar', refs)}], e -> e || '!'), '')",
            lambda: f"typeof({self._draw.choice(scalars)})" if scalars else one(),
            lambda: f"json_format(CAST({self._leaf('varchar', refs)} AS json))",
        ]
        return self._draw.choice(forms)()

    def _date(self, refs: Sequence[Ref], depth: int) -> str:
        moments = [r.sql for r in refs if kind(r.type) == "timestamp(6)" and r.random is None]
        forms = [
            f"date_add('day', 1, {self._leaf('date', refs)})",
            f"date_trunc('month', {self._leaf('date', refs)})",
            f"coalesce({self._leaf('date', refs)}, DATE '2020-02-29')",
            *(f"CAST({m} AS date)" for m in moments[:1]),
        ]
        return self._draw.choice(forms)

    def _predicate(self, refs: Sequence[Ref], depth: int) -> str:
        shaky = [r for r in refs if r.random is not None]
        if shaky and self._draw.random() < 0.1:
            return f"{self._draw.choice(shaky).sql} IS {self._draw.choice(('', 'NOT '))}NULL"
        kinds = sorted({kind(r.type) for r in refs if r.random is None and kind(r.type) in SORTABLE}) or ["number"]
        wanted = self._draw.choice(kinds)

        def one() -> str:
            made = self._expression(wanted, refs, depth - 1)
            return f"({made})" if wanted == "boolean" else made  # comparisons do not follow each other

        if depth > 0 and self._draw.random() < 0.35:
            return self._sub_query(refs, depth, kinds)
        lists = [r.sql for r in refs if r.type == array(VARCHAR) and r.random is None]
        forms: list[Callable[[], str]] = [
            lambda: f"{self._leaf(wanted, refs)} {self._draw.choice(COMPARED)} {self._literal(wanted)}",
            lambda: f"{self._leaf(wanted, refs)} = {self._literal(wanted)}",
            lambda: f"{one()} {self._draw.choice(COMPARED)} {one()}",
            lambda: f"{one()} IS {self._draw.choice(('', 'NOT '))}NULL",
            lambda: f"{one()} IS DISTINCT FROM {one()}",
            lambda: (
                f"{one()} {self._draw.choice(('', 'NOT '))}IN ({self._literal(wanted)}, {self._literal(wanted)}, {one()})"
            ),
            lambda: f"{one()} BETWEEN {self._literal(wanted)} AND {self._literal(wanted)}",
            lambda: f"{self._leaf('varchar', refs)} LIKE '{self._draw.choice(('a%', '%n', 'zq%', '_o_', '%7%'))}'",
            lambda: f"(NOT {self._predicate(refs, depth - 1)})" if depth >= 0 else "true",
            lambda: (
                f"({self._predicate(refs, depth - 2)} {self._draw.choice(('AND', 'OR'))} {self._predicate(refs, depth - 2)})"
                if depth >= 0
                else "false"
            ),
            lambda: f"contains({self._draw.choice(lists)}, {self._literal('varchar')})" if lists else "true",
            lambda: (
                f"any_match({self._draw.choice(lists)}, e -> e = {self._leaf('varchar', refs)})" if lists else "true"
            ),
            lambda: f"regexp_like({self._leaf('varchar', refs)}, '^[a-z]')",
        ]
        return self._draw.choice(forms)()

    def _sub_query(self, refs: Sequence[Ref], depth: int, kinds: Sequence[str]) -> str:
        outer = [r for r in refs if not r.type.nested and r.random is None]
        if self._draw.random() < 0.5:
            sql, _ = self._select(depth - 2, outer, [self._draw.choice(kinds)])
            return f"{self._draw.choice(('', 'NOT '))}EXISTS ({sql})"
        wanted = self._draw.choice(kinds)
        sql, _ = self._query(depth - 2, outer if self._draw.random() < 0.4 else (), [wanted])
        if self._draw.random() < 0.2:
            return f"{self._leaf(wanted, refs)} {self._draw.choice(('>', '<=', '='))} {self._draw.choice(('ALL', 'ANY'))} ({sql})"
        return f"{self._leaf(wanted, refs)} {self._draw.choice(('', 'NOT '))}IN ({sql})"

    # --- aggregates and windows -----------------------------------------------------------------------------------------

    def _aggregate(self, wanted: str, refs: Sequence[Ref], depth: int) -> tuple[str, Type]:
        shaky = [r for r in refs if r.random is not None]
        if wanted == "number" and shaky and self._draw.random() < 0.3:
            return f"count({self._draw.choice(shaky).sql})", BIGINT
        number, text = self._expression("number", refs, 1), self._expression("varchar", refs, 1)
        forms = {
            "number": (
                "count(*)",
                f"count({text})",
                f"count(DISTINCT {text})",
                f"sum({number})",
                f"max({number})",
                f"min({number})",
                f"count_if({self._predicate(refs, 0)})",
                f"avg({number})",
                f"sum({number}) FILTER (WHERE {self._predicate(refs, 0)})",
                f"count(DISTINCT {number})",
            ),
            "varchar": (
                f"max({text})",
                f"min({text})",
                f"listagg({text}, ',') WITHIN GROUP (ORDER BY {text})",
                f"array_join(array_agg({text} ORDER BY {text}), '|')",
                f"min_by({text}, {text})",
            ),
            "boolean": (f"bool_or({self._predicate(refs, 0)})", f"every({self._predicate(refs, 0)})"),
            "date": (f"max({self._leaf('date', refs)})", f"min({self._leaf('date', refs)})"),
        }.get(wanted)
        if forms is None:
            return f"max({self._leaf(wanted, refs)})", type_of(wanted)
        return self._draw.choice(forms), type_of(wanted)

    def _window(self, wanted: str, refs: Sequence[Ref]) -> tuple[str, Type]:
        part = [r.sql for r in refs if r.random is None and kind(r.type) in SORTABLE]
        over = f"PARTITION BY {self._draw.choice(part)}" if part and self._draw.random() < 0.6 else ""
        order = f"ORDER BY {self._draw.choice(part)}{self._draw.choice(('', ' DESC'))}" if part else ""
        inside = f"{over} {order}".strip() if self._draw.random() < 0.7 else over
        if wanted == "number":
            number = self._leaf("number", refs)
            functions = ["count(*)", f"sum({number})", f"max({number})"]
            functions += ["rank()", "dense_rank()", "percent_rank()"] if "ORDER" in inside else []
            return f"{self._draw.choice(functions)} OVER ({inside})", DOUBLE
        return f"{self._draw.choice(('max', 'min'))}({self._leaf(wanted, refs)}) OVER ({inside})", type_of(wanted)

    def _correlation(self, left: Sequence[Ref], right: Sequence[Ref]) -> str:
        pairs = [
            (a, b)
            for a in left
            for b in right
            if a.random is None is b.random and kind(a.type) == kind(b.type) and kind(a.type) in SORTABLE
        ]
        if not pairs:
            return "true"
        near = [(a, b) for a, b in pairs if a.sql.rpartition(".")[2] == b.sql.rpartition(".")[2]]
        a, b = self._draw.choice(near if near and self._draw.random() < 0.6 else pairs)
        return f"{a.sql} {self._draw.choice(('=', '=', '=', '<', '<>', 'IS NOT DISTINCT FROM'))} {b.sql}"


def type_of(wanted: str) -> Type:
    return {"number": DOUBLE, "varchar": VARCHAR, "boolean": BOOLEAN, "date": DATE}.get(wanted, Type(wanted))


def listed(shown: Sequence[tuple[str, Type]], source: str, where: str) -> tuple[str, list[Field]]:
    listed = ", ".join(f"{sql} AS c{i}" for i, (sql, _) in enumerate(shown))
    return f"SELECT {listed} FROM {source}{where}", [Field(f"c{i}", t) for i, (_, t) in enumerate(shown)]


def add(scope: Scope, alias: str, fields: Sequence[Field]) -> None:
    scope.stars.append((alias, tuple(fields)))
    scope.refs += fields_as_refs(alias, fields)


def fields_as_refs(alias: str, fields: Sequence[Field]) -> list[Ref]:
    found: list[Ref] = []
    for one in fields:
        _expand(Ref(f"{quoted(alias)}.{quoted(one.name)}", one.type, one.random, one.hot), found, 0)
    return found


def _expand(ref: Ref, found: list[Ref], depth: int) -> None:
    """A column, and expressions for what is in it."""
    found.append(ref)
    if ref.random is not None or depth > 2:
        return
    parts: list[tuple[str, Type]] = []
    if ref.type.name == "row":
        parts = [(f"{ref.sql}.{quoted(name)}", part) for name, part in ref.type.parts]
    elif ref.type.name == "array":
        parts = [(f"element_at({ref.sql}, 1)", ref.type.of("element"))]
    elif ref.type.name == "map" and ref.type.of("key") == VARCHAR:
        parts = [(f"element_at({ref.sql}, 'ann')", ref.type.of("value"))]
    for sql, part in parts:
        _expand(replace(ref, sql=sql, type=part), found, depth + 1)
