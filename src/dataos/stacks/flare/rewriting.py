"""Changes between Spark's meaning and the embedded engine's (Sail 0.7.2), each measured against values.

Silent differences come first: a statement that would run and answer wrongly is rewritten or refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import cast

from sqlglot import exp

from dataos.core.errors import Problem
from dataos.stacks.flare import functions, parsing
from dataos.stacks.flare.engines import NEEDS_SPARK, ONLY_SPARK, with_remedy

Refusal = tuple[Problem, exp.Expr]


def rewrite(tree: exp.Expr, now: datetime | None) -> list[Refusal]:
    """Change a checked tree in place. Returns what turned out to be impossible, with its node."""
    refusals: list[Refusal] = []
    names = unnamed(tree)
    for node in list(tree.walk()):
        if isinstance(node, exp.Select):
            refusals += _select(node)
        elif isinstance(node, exp.Lateral):
            refusals += _lateral(node)
        elif isinstance(node, exp.Pivot):
            _pivot(node)
        elif isinstance(node, exp.Window):
            _window(node)
        elif isinstance(node, exp.Like | exp.ILike):
            _like(node)
    for node in [n for n in tree.walk() if isinstance(n, exp.Anonymous | exp.CurrentDate | exp.CurrentTimestamp)]:
        _call(node, now)
    keep_names(names)
    return refusals


def freeze(tree: exp.Expr, now: datetime | None) -> None:
    """For Apache Spark, whose meaning nothing else need be changed for: one instant for the whole run."""
    names = unnamed(tree)
    for node in [n for n in tree.walk() if isinstance(n, exp.Anonymous | exp.CurrentDate | exp.CurrentTimestamp)]:
        _clock(node, now)
    keep_names(names)


def tells_time(tree: exp.Expr) -> bool:
    """Does it ask the clock?"""
    return any(_clock(n, None) for n in tree.find_all(exp.Anonymous, exp.CurrentDate, exp.CurrentTimestamp))


Unnamed = list[tuple[exp.Select, int, str]]


def keep_names(names: Unnamed) -> None:
    """Give projections that were rewritten the name that their column has in Spark: their text."""
    for select, position, text in names:
        projection = select.expressions[position]
        if parsing.write(projection) != text:
            alias = exp.to_identifier(text, quoted=True)
            projection.replace(exp.Alias(this=projection.copy(), alias=alias))


def unnamed(tree: exp.Expr) -> Unnamed:
    """Projections without an alias that may be rewritten: (select, position, text)."""
    found: Unnamed = []
    for select in tree.find_all(exp.Select):
        for position, projection in enumerate(select.expressions):
            named = isinstance(projection, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.Dot)
            if not named and projection.find(exp.Anonymous, exp.CurrentDate, exp.CurrentTimestamp, exp.Binary):
                found.append((select, position, parsing.write(projection)))
    return found


def spell_table(node: exp.Table, name: str) -> None:
    """Write a table's name as it was declared: the engine tells letter case apart, Spark does not."""
    written = node.this.name
    if written == name:
        return
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(written, quoted=True)))
    node.set("this", exp.to_identifier(name, quoted=True))


def _select(node: exp.Select) -> list[Refusal]:
    node.set("hint", None)
    node.set("distribute", None)
    cluster = node.args.get("cluster")
    if cluster is not None:
        # where a row ends up is not visible in SQL, the order inside a partition is
        node.set("cluster", None)
        node.set("sort", exp.Sort(expressions=[e.copy() for e in cluster.expressions]))
    group = node.args.get("group")
    if group is not None and group.args.get("all"):
        keys = [_unaliased(e) for e in node.expressions if not _aggregates(e)]
        if any(isinstance(k, exp.Star) or (isinstance(k, exp.Column) and k.is_star) for k in keys):
            return [(_only_spark("GROUP BY ALL with `*`", "list the columns"), node)]
        node.set("group", exp.Group(expressions=keys) if keys else None)
    order = node.args.get("order")
    if order is not None and any(_is_all(o) for o in order.expressions):
        return [(_only_spark("ORDER BY ALL", "list the columns"), order)]
    return []


def _only_spark(what: str, hint: str) -> Problem:
    return Problem(NEEDS_SPARK, f"{what}: {ONLY_SPARK}", hint=with_remedy(hint))


def _is_all(ordered: exp.Expr) -> bool:
    inner = ordered.this if isinstance(ordered, exp.Ordered) else ordered
    named = isinstance(inner, exp.Var) or (isinstance(inner, exp.Column) and not inner.table)
    return named and inner.name.lower() == "all"


def _unaliased(node: exp.Expr) -> exp.Expr:
    return (node.this if isinstance(node, exp.Alias) else node).copy()


def _aggregates(node: exp.Expr) -> bool:
    for call in node.find_all(exp.Anonymous):
        if call.name.lower() in functions.AGGREGATES and not isinstance(call.parent, exp.Window):
            return True
    return False


def _lateral(node: exp.Lateral) -> list[Refusal]:
    this = node.this
    if not isinstance(this, exp.Anonymous):
        return []
    if not node.args.get("view"):
        # `, LATERAL explode(a)` gives a row of NULL for an empty array on this engine
        return [(_only_spark("LATERAL with a generator", "write LATERAL VIEW explode(...) t AS c"), node)]
    alias = node.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    if len(columns or ()) == 2 and this.name.lower() in ("explode", "explode_outer"):
        # two columns: the keys and values of a map, on which this engine's explode panics
        entries = exp.Anonymous(this="map_entries", expressions=[a.copy() for a in this.expressions])
        name = "inline_outer" if this.name.lower() == "explode_outer" else "inline"
        node.set("this", exp.Anonymous(this=name, expressions=[entries]))
    return []


def _pivot(node: exp.Pivot) -> None:
    if node.args.get("unpivot"):
        return
    for field in node.args.get("fields") or ():
        if isinstance(field, exp.In) and isinstance(field.this, exp.Column):
            field.set("this", exp.Paren(this=field.this.copy()))


def _window(node: exp.Window) -> None:
    spec = node.args.get("spec")
    order = node.args.get("order")
    if not isinstance(spec, exp.WindowSpec) or not isinstance(order, exp.Order) or spec.args.get("kind") is None:
        return
    if str(spec.args["kind"]).upper() != "RANGE" or spec.find(exp.Interval) is None:
        return
    # right over TIMESTAMP, wrong over DATE: a timestamp stays what it is
    for ordered in order.expressions:
        if isinstance(ordered, exp.Ordered):
            ordered.set("this", exp.cast(ordered.this.copy(), "timestamp", dialect="spark"))


def _like(node: exp.Like | exp.ILike) -> None:
    """`a LIKE ANY ('x', 'y')` -> `(a LIKE 'x' OR a LIKE 'y')`."""
    quantified = node.expression
    if not isinstance(quantified, exp.Any | exp.All):
        return
    inner = quantified.this
    patterns = (
        inner.expressions if isinstance(inner, exp.Tuple) else [inner.this if isinstance(inner, exp.Paren) else inner]
    )
    parts = [type(node)(this=node.this.copy(), expression=p.copy()) for p in patterns]
    joined = exp.or_(*parts) if isinstance(quantified, exp.Any) else exp.and_(*parts)
    node.replace(exp.Paren(this=joined))


def _clock(node: exp.Expr, now: datetime | None) -> bool:
    """Is it a clock? Then it shows the instant of the run, where there is one."""
    name = node.name.lower() if isinstance(node, exp.Anonymous) else _CLOCK_NODES[type(node)]
    if name not in functions.CLOCKS and (name != "unix_timestamp" or node.expressions):
        return False
    if now is not None:
        node.replace(_instant(name, now))
    return True


def _call(node: exp.Expr, now: datetime | None) -> None:
    if _clock(node, now):
        return
    change = _CALLS.get(node.name.lower())
    if change is not None and isinstance(node, exp.Anonymous):
        changed = change([cast("exp.Expr", a) for a in node.expressions])
        if changed is not None:
            node.replace(changed)


_CLOCK_NODES: dict[type[exp.Expr], str] = {
    exp.CurrentDate: "current_date",
    exp.CurrentTimestamp: "current_timestamp",
}


def _instant(name: str, now: datetime) -> exp.Expr:
    moment = now.astimezone(UTC)
    if name in ("current_date", "curdate"):
        return parsing.expression(f"CAST('{moment:%Y-%m-%d}' AS DATE)")
    if name == "unix_timestamp":
        return parsing.expression(f"CAST({int(moment.timestamp())} AS BIGINT)")
    kind = "TIMESTAMP_NTZ" if name == "localtimestamp" else "TIMESTAMP"
    return parsing.expression(f"CAST('{moment:%Y-%m-%d %H:%M:%S.%f}' AS {kind})")


def _template(text: str, count: int) -> Callable[[list[exp.Expr]], exp.Expr | None]:
    """A change that fills the arguments into a text, if there are `count` of them."""

    def change(arguments: list[exp.Expr]) -> exp.Expr | None:
        if len(arguments) != count:
            return None
        tree = exp.Paren(this=parsing.expression(text))
        for column in list(tree.find_all(exp.Column)):
            if column.name.startswith("arg_"):
                column.replace(_bracketed(arguments[int(column.name[4:])]))
        return tree.this if isinstance(tree.this, exp.Anonymous | exp.Cast) else tree

    return change


def _bracketed(node: exp.Expr) -> exp.Expr:
    copy = node.copy()
    return exp.Paren(this=copy) if isinstance(copy, exp.Binary | exp.Connector | exp.Not | exp.Neg) else copy


def _percentile(arguments: list[exp.Expr]) -> exp.Expr | None:
    """`percentile_approx` answers a value of the column in Spark, an interpolated one here; the exact one is such."""
    if len(arguments) not in (2, 3):
        return None
    ordered = exp.Order(expressions=[exp.Ordered(this=arguments[0].copy(), nulls_first=True)])
    call = exp.Anonymous(this="percentile_disc", expressions=[arguments[1].copy()])
    return exp.WithinGroup(this=call, expression=ordered)


def _replacement(arguments: list[exp.Expr]) -> exp.Expr | None:
    """`regexp_replace` with a replacement as Java reads it: `$1x` is group 1 and an x, `\\$` a dollar. This engine
    takes `$1x` for a group of that name, which answers nothing."""
    if len(arguments) != 3 or not all(isinstance(a, exp.Literal) and a.is_string for a in arguments[1:]):
        return None
    try:
        groups = re.compile(arguments[1].name).groups
    except re.error:
        groups = 9
    written = "".join(_java_pieces(arguments[2].name, groups))
    if written == arguments[2].name:
        return None
    changed = [arguments[0].copy(), arguments[1].copy(), exp.Literal.string(written)]
    return exp.Anonymous(this="regexp_replace", expressions=changed)


def _java_pieces(text: str, groups: int) -> Iterator[str]:
    """Pieces of a replacement in this engine's form. A group's number takes digits as long as there is such a group."""
    position = 0
    while position < len(text):
        letter, following = text[position], text[position + 1 : position + 2]
        position += 1
        if letter == "\\" and following:
            yield "$$" if following == "$" else following
            position += 1
        elif letter == "$" and following.isdigit():
            number = following
            position += 1
            while position < len(text) and text[position].isdigit() and int(number + text[position]) <= groups:
                number += text[position]
                position += 1
            yield f"${{{number}}}"
        else:
            yield letter


_CALLS: dict[str, Callable[[list[exp.Expr]], exp.Expr | None]] = {
    "weekday": _template("(dayofweek(arg_0) + 5) % 7", 1),
    "log": _template("ln(arg_0)", 1),
    "initcap": _template(
        "array_join(transform(split(lower(arg_0), ' '), w -> concat(upper(substring(w, 1, 1)), substring(w, 2))), ' ')",
        1,
    ),
    "timestamp_seconds": _template("timestamp_micros(CAST(round(arg_0 * 1000000) AS BIGINT))", 1),
    "percentile_approx": _percentile,
    "approx_percentile": _percentile,
    "regexp_replace": _replacement,
}


def _try_to_date(arguments: list[exp.Expr]) -> exp.Expr | None:
    call = exp.Anonymous(this="try_to_timestamp", expressions=[a.copy() for a in arguments])
    return exp.cast(call, "date", dialect="spark")


_CALLS["try_to_date"] = _try_to_date
