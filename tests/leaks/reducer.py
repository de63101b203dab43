"""The smallest case that still fails: rules, tags, users, tables, rows, columns and parts of the statement are left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from leaks.model import Table, World
from leaks.oracles import Failure
from leaks.run import Runner, failing

T = TypeVar("T")


def reduce(runner: Runner, failure: Failure, *, within_s: float = 120.0) -> Failure:
    """The smallest found within a time. A failure that needs what came before it stays as it is."""
    found = _Found(runner, failure, time.monotonic() + within_s)
    if not found.fails(failure.world, failure.statement.sql):
        return failure
    for _ in range(3):
        before = found.best
        _worlds(found)
        _statement(found)
        _rows(found)
        _columns(found)
        if found.best is before:
            break
    return found.best


class _Found:
    """The smallest so far."""

    def __init__(self, runner: Runner, failure: Failure, until: float) -> None:
        self._runner = runner
        self.best = failure
        self._until = until

    @property
    def over(self) -> bool:
        """Is the time used up?"""
        return time.monotonic() > self._until

    def fails(self, world: World, sql: str) -> bool:
        """Does it still fail so? Then it is the best."""
        if self.over:
            return False
        try:
            failure = failing(self._runner, self.best, world, sql)
        except Exception:  # noqa: BLE001 - a world that cannot be made is none
            return False
        if failure is not None:
            self.best = replace(failure, number=self.best.number)
        return failure is not None


def _fewer(items: Sequence[T], keeps: Callable[[list[T]], bool]) -> None:
    """Leave out as much as possible: halves first."""
    kept, size = list(items), max(1, len(items) // 2)
    while kept:
        start, any_ = 0, False
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if keeps(rest):
                kept, any_ = rest, True
            else:
                start += size
        if size == 1 and not any_:
            return
        size = max(1, size // 2)


def _worlds(found: _Found) -> None:
    def with_(**changes: Any) -> bool:
        return found.fails(replace(found.best.world, **changes), found.best.statement.sql)

    _fewer(found.best.world.rules, lambda rules: with_(rules=tuple(rules)))
    _fewer(sorted(found.best.world.column_tags), lambda tags: with_(column_tags=frozenset(tags)))
    _fewer(found.best.world.views, lambda views: with_(views=tuple(views)))
    others = [u for u in found.best.world.users if u.id != found.best.user]
    me = found.best.world.user(found.best.user)
    _fewer(others, lambda users: with_(users=(me, *users)))
    _fewer(found.best.world.tables, lambda tables: with_(tables=tuple(tables)))


def _rows(found: _Found) -> None:
    for name in [t.name for t in found.best.world.tables]:

        def with_(name: str = name, **changes: Any) -> bool:
            return found.fails(_changed(found.best.world, name, **changes), found.best.statement.sql)

        table = found.best.world.table(name)
        if table.old is not None and not with_(old=None):
            _fewer(table.old, lambda rows, with_=with_: with_(old=tuple(rows)))
        _fewer(table.rows, lambda rows, with_=with_: with_(rows=tuple(rows)))


def _columns(found: _Found) -> None:
    for name in [t.name for t in found.best.world.tables]:
        for column in found.best.world.table(name).columns:
            table = found.best.world.table(name)
            at = table.columns.index(column)

            def without(row: tuple[Any, ...], at: int = at) -> tuple[Any, ...]:
                return (*row[:at], *row[at + 1 :])

            old = tuple(without(r) for r in table.old) if table.old is not None else None
            changes: dict[str, Any] = {"columns": without(table.columns), "rows": tuple(without(r) for r in table.rows)}
            found.fails(_changed(found.best.world, name, old=old, **changes), found.best.statement.sql)


def _changed(world: World, name: str, **changes: Any) -> World:
    tables: tuple[Table, ...] = tuple(replace(t, **changes) if t.name == name else t for t in world.tables)
    return replace(world, tables=tables)


def _statement(found: _Found) -> None:
    """Parts of the tree are left out, or take the place of what holds them."""
    fewer = True
    while fewer and not found.over:
        fewer = False
        for sql in _smaller(found.best.statement.sql):
            if len(sql) < len(found.best.statement.sql) and found.fails(found.best.world, sql):
                fewer = True
                break


def _smaller(sql: str) -> Iterator[str]:
    try:
        tree = parse_one(sql, dialect="trino")
    except SqlglotError:
        return
    count = sum(1 for _ in tree.walk())
    for number in range(count):
        yield from _without(tree, number)


def _without(tree: exp.Expr, number: int) -> Iterator[str]:
    """The statement with one node replaced by a part of it, or with one of its parts gone."""
    node = list(tree.walk())[number]
    for key, value in list(node.args.items()):
        places = range(len(value)) if isinstance(value, list) else [None]
        for place in places:
            copy = tree.copy()
            twin = list(copy.walk())[number]
            if place is None:
                if not isinstance(value, exp.Expr):
                    continue
                twin.set(key, None)
            else:
                twin.args[key].pop(place)
            yield from _written(copy)
    for child in list(node.iter_expressions()):
        if number and isinstance(child, (exp.Condition, exp.Query, exp.Table)):
            copy = tree.copy()
            twin = list(copy.walk())[number]
            inner = next((c for c in twin.iter_expressions() if c == child), None)
            if inner is not None:
                twin.replace(inner.copy())
                yield from _written(copy)
        elif not number and isinstance(child, exp.Query):
            yield from _written(child.copy())


def _written(tree: exp.Expr) -> Iterator[str]:
    try:
        yield tree.sql("trino")
    except (SqlglotError, AttributeError, TypeError, ValueError, KeyError):
        return
