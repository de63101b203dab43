"""Integer arithmetic that fails when it overflows, as Spark's does; the embedded engine's wraps round without a word.

`a * b` of two ints becomes `CAST(CAST(a AS BIGINT) * b AS INT)`, which fails where the product does not fit. That needs
types: they are inferred where that is certain (columns of known views, casts, literals, some functions) and left alone
where not. Arithmetic of BIGINT stays as it is (docs/limits.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dataos.stacks.flare.functions import words

Columns = Mapping[str, str | None]
"""Column in lower case -> type word of the engine, None where it is not known."""

_SMALL = {"tinyint": 1, "smallint": 2, "int": 3}
_NAMES = {1: "TINYINT", 2: "SMALLINT", 3: "INT"}
_WORDS = {
    exp.DType.TINYINT: "tinyint",
    exp.DType.SMALLINT: "smallint",
    exp.DType.INT: "int",
    exp.DType.BIGINT: "bigint",
}
_INT_CALLS = words(
    """
    int size cardinality length char_length character_length year month day dayofmonth dayofweek dayofyear hour minute
    second quarter weekofyear ascii instr locate position levenshtein row_number rank dense_rank ntile
    """
)
_SAME_AS_ARGUMENTS = words("coalesce greatest least ifnull nvl abs max min first last lag lead")

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul)


@dataclass(frozen=True)
class _Source:
    """Something in FROM. `columns` None: what it has is not known."""

    alias: str
    columns: Columns | None


Resolve = Callable[[exp.Column], str | None]


def guard(tree: exp.Expr, views: Mapping[str, Columns]) -> None:
    """Change a checked tree in place. `views`: view in lower case -> its columns."""
    _query(tree, dict(views))


def _query(node: exp.Expr, known: dict[str, Columns]) -> Columns | None:
    """Guard a query and all inside it; its columns if they are known."""
    with_ = node.args.get("with_")
    if isinstance(with_, exp.With):
        known = dict(known)
        for cte in with_.expressions:
            made = _renamed(_query(cte.this, known), cte.args.get("alias"))
            known[cte.alias.lower()] = made if made is not None else _Unknown()
    if isinstance(node, exp.Subquery):
        return _query(node.this, known)
    if isinstance(node, exp.SetOperation):
        left, right = _query(node.this, known), _query(node.expression, known)
        if left is None or right is None or len(left) != len(right):
            return None
        pairs = zip(left.items(), right.values(), strict=True)
        return {name: kind if kind == other else None for (name, kind), other in pairs}
    return _select(node, known) if isinstance(node, exp.Select) else None


class _Unknown(dict[str, str | None]):
    """Columns of a query that could not be told."""


def _select(node: exp.Select, known: dict[str, Columns]) -> Columns | None:
    sources = _sources(node, known)
    is_open = any(s.columns is None for s in sources)

    def resolve(column: exp.Column) -> str | None:
        name, table = column.name.lower(), column.table.lower()
        if table:
            one = next((s for s in sources if s.alias == table), None)
            return one.columns.get(name) if one is not None and one.columns is not None else None
        found = [s.columns[name] for s in sources if s.columns is not None and name in s.columns]
        return found[0] if len(found) == 1 and not is_open else None

    aliases = {p.alias.lower() for p in node.expressions if isinstance(p, exp.Alias)}
    outputs: dict[str, str | None] = {}
    complete = True
    for projection in list(node.expressions):
        kind = _visit(projection, resolve, known)
        if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and projection.is_star):
            complete = complete and not is_open
            for source in sources:
                outputs.update(source.columns or {})
        elif projection.output_name:
            outputs[projection.output_name.lower()] = kind
        else:
            complete = False
    for key in ("where", "group", "having", "qualify", "joins", "order", "sort"):
        value = node.args.get(key)
        for part in value if isinstance(value, list) else [value]:
            # an alias may stand for another column there: then types are not certain
            shadowed = key in ("order", "sort", "qualify") and any(
                c.name.lower() in aliases for c in (part.find_all(exp.Column) if part is not None else ())
            )
            if isinstance(part, exp.Expr) and not shadowed:
                _visit(part.args.get("on") if isinstance(part, exp.Join) else part, resolve, known)
    return outputs if complete else None


def _sources(node: exp.Select, known: dict[str, Columns]) -> list[_Source]:
    found: list[_Source] = []
    from_ = node.args.get("from_")
    parts: list[exp.Expr] = [from_.this] if isinstance(from_, exp.From) else []
    parts += [j.this for j in node.args.get("joins") or ()]
    for part in parts:
        alias = (part.alias or part.name or "").lower()
        if part.args.get("pivots") or part.args.get("laterals") or part.args.get("joins"):
            found.append(_Source(alias, None))
            if isinstance(part, exp.Subquery):
                _query(part, known)
        elif isinstance(part, exp.Table) and isinstance(part.this, exp.Identifier):
            columns = known.get(part.name.lower())
            found.append(_Source(alias, None if isinstance(columns, _Unknown) else columns))
        elif isinstance(part, exp.Subquery):
            found.append(_Source(alias, _renamed(_query(part, known), part.args.get("alias"))))
        else:
            found.append(_Source(alias, None))
    found += [_Source((lateral.alias or "").lower(), None) for lateral in node.args.get("laterals") or ()]
    return found


def _renamed(columns: Columns | None, alias: exp.Expr | None) -> Columns | None:
    names = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    if columns is None or not names:
        return columns
    if len(names) != len(columns):
        return None
    return {n.name.lower(): kind for n, kind in zip(names, columns.values(), strict=True)}


def _visit(node: exp.Expr | None, resolve: Resolve, known: dict[str, Columns]) -> str | None:
    """Guard what is below a node; the node's own type if it is certain."""
    if node is None:
        return None
    if isinstance(node, exp.Query):
        _query(node, known)
        return None
    if isinstance(node, exp.Lambda):
        own = {p.name.lower() for p in node.expressions}
        _visit(node.this, lambda c: None if c.name.lower() in own or c.table.lower() in own else resolve(c), known)
        return None
    kinds = [_visit(child, resolve, known) for child in list(node.iter_expressions())]
    if isinstance(node, _ARITHMETIC):
        return _arithmetic(node, kinds)
    return _kind(node, kinds, resolve)


def _arithmetic(node: exp.Expr, kinds: list[str | None]) -> str | None:
    left, right = [*kinds, None, None][:2]
    if left in _SMALL and right in _SMALL:
        size = max(_SMALL[left], _SMALL[right])
        wide = exp.cast(node.this.copy(), "bigint", dialect="spark")
        summed = type(node)(this=wide, expression=node.expression.copy())
        node.replace(exp.cast(exp.Paren(this=summed), _NAMES[size], dialect="spark"))
        return _NAMES[size].lower()
    if {left, right} <= {*_SMALL, "bigint"}:
        return "bigint"
    return None


def _kind(node: exp.Expr, kinds: list[str | None], resolve: Resolve) -> str | None:
    match node:
        case exp.Column():
            return None if node.is_star else resolve(node)
        case exp.Literal() if not node.is_string and node.name.isdigit():
            return "int" if int(node.name) < 2**31 else "bigint"
        case exp.Cast() | exp.TryCast():
            return _WORDS.get(node.to.this)
        case exp.Paren() | exp.Neg() | exp.Alias():
            return kinds[0] if kinds else None
        case exp.Anonymous():
            name = node.name.lower()
            if name in _INT_CALLS:
                return "int"
            alike = kinds and kinds[0] is not None and all(k == kinds[0] for k in kinds)
            return kinds[0] if name in _SAME_AS_ARGUMENTS and alike else None
        case _:
            return None
