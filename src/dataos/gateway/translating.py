"""Step 5: the qualified Trino tree as DuckDB SQL, with the same meaning.

Works bottom-up on a tree whose types are annotated. Where DuckDB's own operator means something else, a macro of the
engine (`dt_...`) or a cast stands in. Where no type is known, the translation that is right for every type is used,
if there is one. What cannot be translated faithfully is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from dataos.engines.duckdb import macros
from dataos.gateway import duckdb_types, functions, problems, qualifying, types
from dataos.gateway.calls import BUILDERS, call, integer_cast
from dataos.gateway.problems import Source
from dataos.gateway.qualifying import PREFIX
from dataos.gateway.relations import DatabaseScan
from dataos.gateway.securing import Secured
from dataos.gateway.statements import MARK, function_name
from dataos.governance.principals import Principal

_COMPUTED = "dt_computed"
"""Mark, in a LIMIT's meta, that the engine must not know its number while it plans."""


@dataclass(frozen=True)
class Session:
    """What session functions answer."""

    principal: Principal
    cluster: str
    catalog: str | None = None


def translate(tree: exp.Query, secured: Sequence[Secured], source: Source, session: Session) -> str:
    """The statement in DuckDB's dialect, each relation replaced by its secured sub-query."""
    wrapper = exp.Paren(this=tree)
    if any(isinstance(s.relation.scan, DatabaseScan) for s in secured):
        _keep_rows_of_databases(tree)
    # Children before parents, so that types of a call's arguments are still those that were annotated.
    for node in reversed(list(tree.walk(bfs=True))):
        replacement = _after_aggregate(node, _node(node, secured, source, session))
        if replacement is not node:
            if replacement._type is None or types.kind(node) is not None:  # pyright: ignore[reportPrivateUsage]
                replacement._type = node._type  # pyright: ignore[reportPrivateUsage]
            node.replace(replacement)
    try:
        return wrapper.this.sql("duckdb", copy=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise problems.unsupported(source, None, "a part of this statement") from error


def _keep_rows_of_databases(tree: exp.Query) -> None:
    """Where a statement wants the first rows by a column with NULLS FIRST, DuckDB 1.5.5 asks PostgreSQL for its NULLs
    only. It does not where the limit is no constant, nor in a correlated sub-query, which takes constants only."""
    if any(ordered.args.get("nulls_first") for ordered in tree.find_all(exp.Ordered)):
        for limit in tree.find_all(exp.Limit, exp.Fetch):
            query = limit.parent
            limit.meta[_COMPUTED] = query is None or not qualifying.correlated(query)


def _after_aggregate(node: exp.Expr, made: exp.Expr) -> exp.Expr:
    """Cast the result of SUM and AVG to Trino's type; outside FILTER and OVER, which belong to the call."""
    holder = (exp.Filter, exp.Window)
    carrier = made.this if isinstance(made, holder) else made
    to = carrier.meta.get("dt_cast") if isinstance(carrier, exp.Expr) else None
    if to is None:
        return made
    if isinstance(node.parent, holder) and node.arg_key == "this":
        made.meta["dt_cast"] = to
        return made
    # The copy leaves its place to the cast; `made` may be the node itself.
    inner = made.copy()
    inner.meta.pop("dt_cast", None)
    return exp.Cast(this=inner, to=to)


def _node(node: exp.Expr, secured: Sequence[Secured], source: Source, session: Session) -> exp.Expr:
    rule = _RULES.get(type(node))
    if rule is not None:
        return rule(node, source)
    if isinstance(node, exp.Anonymous):
        return _function(node, source, session)
    if isinstance(node, exp.Table):
        return _table(node, secured)
    if isinstance(node, exp.CurrentUser):
        return exp.Literal.string(str(session.principal.user_id))
    if isinstance(node, exp.CurrentCatalog):
        return exp.Literal.string(session.catalog) if session.catalog else exp.Null()
    return node


def _table(node: exp.Table, secured: Sequence[Secured]) -> exp.Expr:
    if not node.name.startswith(PREFIX):
        return node
    # a variable is written as it stands: the text that the engine's parser confirms on its own
    made = exp.Subquery(this=exp.Var(this=secured[int(node.name[len(PREFIX) :])].sql), alias=node.args.get("alias"))
    if node.args.get("sample"):
        made.set("sample", node.args["sample"])
    if node.args.get("joins"):
        made.set("joins", node.args["joins"])
    return made


def _function(node: exp.Anonymous, source: Source, session: Session) -> exp.Expr:
    written = node.this if isinstance(node.this, str) else node.this.name
    if not written.startswith(MARK):
        return node  # made by a rule below
    name = function_name(node) or ""
    arguments: list[exp.Expr] = node.expressions
    if node.meta.get("dt_internal"):
        return BUILDERS[name](name, arguments, source)
    if name == "version":
        return exp.Literal.string("dataos")
    function = functions.find(name, 0 if arguments and isinstance(arguments[0], exp.Star) else len(arguments))
    if function is None:
        raise problems.unsupported(source, node, f"function {name}")
    if function.kind == "window" and not isinstance(_holder(node), exp.Window):
        raise source.refuse(node, "query.type", f"Window function {name} requires an OVER clause")
    if function.target.startswith("@"):
        return BUILDERS[function.target[1:]](name, arguments, source)
    if name == "try":
        for inner in arguments[0].find_all(exp.Anonymous):
            inner.set("this", macros.FAILING.get(str(inner.this), inner.this))
    return call(function.target, *arguments)


def _holder(node: exp.Expr) -> exp.Expr | None:
    parent = node.parent
    while isinstance(parent, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)):
        parent = parent.parent
    return parent


# --- operators --------------------------------------------------------------------------------------------------------


def _div(node: exp.Expr, source: Source) -> exp.Expr:
    left, right = node.this, node.expression
    x, y = _infer(left), _infer(right)
    a, b = types.kind(x), types.kind(y)
    result = types.arithmetic("/", x, y)
    if a in types.INTEGERS and b in types.INTEGERS:
        return _typed(call("dt_int_div", left, right), result)
    if a in types.FLOATS or b in types.FLOATS or a is exp.DType.INTERVAL:
        return _typed(call("dt_float_div", left, right), result)
    if a is not None and b is not None:
        divided = call("dt_dec_div", left, right)
        return exp.Cast(this=divided, to=duckdb_types.translate(result)) if result else divided
    return call("dt_any_div", left, right)


def _mod(node: exp.Expr, source: Source) -> exp.Expr:
    x, y = _infer(node.this), _infer(node.expression)
    a, b = types.kind(x), types.kind(y)
    if a in types.FLOATS or b in types.FLOATS:
        return exp.Mod(this=node.this, expression=node.expression)
    known = a is not None and b is not None
    return _typed(call("dt_mod" if known else "dt_any_mod", node.this, node.expression), types.arithmetic("%", x, y))


def _typed(node: exp.Expr, type_: exp.DataType | None) -> exp.Expr:
    node._type = type_.copy() if type_ is not None else None  # pyright: ignore[reportPrivateUsage]
    return node


_OPERATORS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Mod: "%"}


def _infer(node: exp.Expr) -> exp.DataType | None:
    """The type of an operand; inside a lambda, where annotation gives up, from what the lambda is applied to."""
    if types.kind(node) is not None and isinstance(node.type, exp.DataType):
        return node.type
    if isinstance(node, (exp.Paren, exp.Neg)):
        return _infer(node.this)
    if type(node) in _OPERATORS:
        return types.arithmetic(_OPERATORS[type(node)], _infer(node.this), _infer(node.expression))
    return _variable(node) if isinstance(node, exp.Identifier) else None


def _variable(node: exp.Identifier) -> exp.DataType | None:
    lambda_ = node.find_ancestor(exp.Lambda)
    while lambda_ is not None:
        variables = [v.name for v in lambda_.expressions]
        if node.name in variables:
            applied = lambda_.parent.expressions[0] if isinstance(lambda_.parent, exp.Anonymous) else None
            type_ = applied.type if applied is not None and isinstance(applied.type, exp.DataType) else None
            single = len(variables) == 1 and types.kind(type_) is exp.DType.ARRAY
            return type_.expressions[0] if type_ is not None and single and type_.expressions else None
        lambda_ = lambda_.find_ancestor(exp.Lambda)
    return None


def _plus_minus(node: exp.Expr, source: Source) -> exp.Expr:
    left, right = types.kind(node.this), types.kind(node.expression)
    date = exp.DType.DATE
    if isinstance(node, exp.Sub) and left is date and right is date:
        return call("dt_dates_between", node.this, node.expression)
    if date in (left, right) and (left in _INTERVALS or right in _INTERVALS or _is_interval(node)):
        return exp.Cast(this=exp.Paren(this=node.copy()), to=exp.DataType.build("date"))
    return node


_INTERVALS = frozenset({exp.DType.INTERVAL})


def _is_interval(node: exp.Expr) -> bool:
    return isinstance(node.this, exp.Interval) or isinstance(node.expression, exp.Interval)


def _concat(node: exp.Expr, source: Source) -> exp.Expr:
    left, right = types.kind(node.this), types.kind(node.expression)
    array = exp.DType.ARRAY
    if left is array and right is array:
        return call("dt_array_concat", node.this, node.expression)
    if left is array and right is not None:
        return call("list_append", node.this, node.expression)
    if right is array and left is not None:
        return call("list_prepend", node.this, node.expression)
    return node


_NUMBERS = types.INTEGERS | types.FLOATS | {exp.DType.DECIMAL}
_SIGNS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


def _compare(node: exp.Expr, source: Source) -> exp.Expr:
    left, right = types.kind(node.this), types.kind(node.expression)
    mixed = (left in types.STRINGS and right in _NUMBERS) or (right in types.STRINGS and left in _NUMBERS)
    if mixed:
        sign = _SIGNS.get(type(node), "=")
        shown = " ".join((_shown(node.this), sign, _shown(node.expression)))
        raise source.refuse(node, "query.type", f"Cannot apply operator: {shown}", "CAST one side")
    return node


def _shown(node: exp.Expr) -> str:
    return node.type.sql("trino").lower() if isinstance(node.type, exp.DataType) else "unknown"


# --- casts and literals -----------------------------------------------------------------------------------------------


def _cast(node: exp.Expr, source: Source) -> exp.Expr:
    to: exp.DataType = node.args["to"]
    for inner in to.find_all(exp.DataType):
        if inner.this not in duckdb_types.CASTABLE:
            raise problems.unsupported(source, node, f"CAST to {inner.sql('trino').lower()}")
    value: exp.Expr = node.this
    from_, wanted = types.kind(value), to.this
    class_ = type(node)
    if wanted in types.INTEGERS and from_ in types.FLOATS:
        return class_(this=call("round", value), to=duckdb_types.translate(to))
    if wanted in types.INTEGERS and from_ in types.STRINGS:
        return integer_cast(class_, value, duckdb_types.translate(to))
    if wanted is exp.DType.JSON and from_ is not exp.DType.JSON:
        return call("to_json", value)
    if from_ is exp.DType.JSON and wanted in types.STRINGS:
        return call("json_extract_string", value, exp.Literal.string("$"))
    made: exp.Expr = class_(this=value, to=duckdb_types.translate(to))
    if wanted in types.STRINGS and len(to.expressions) == 1:
        made = call("left", made, exp.Literal.number(to.expressions[0].name))
    return made


def _array(node: exp.Expr, source: Source) -> exp.Expr:
    return call("list_value", *node.expressions)


def _row(node: exp.Expr, source: Source) -> exp.Expr:
    if any(isinstance(e, exp.PropertyEQ) for e in node.expressions):
        raise problems.unsupported(source, node, "a struct literal", "ROW(...) is")
    return call("row", *node.expressions)


def _star(node: exp.Expr, source: Source) -> exp.Expr:
    if isinstance(node.parent, exp.Anonymous):
        return node
    raise problems.unsupported(source, node, "* here")


def _ignore_nulls(node: exp.Expr, source: Source) -> exp.Expr:
    inner = node.this
    if not isinstance(inner, exp.Anonymous) or not inner.expressions:
        raise problems.unsupported(source, node, "IGNORE NULLS here")
    if isinstance(node, exp.IgnoreNulls):
        arguments = inner.expressions
        last = exp.Column(this=exp.Var(this=f"{arguments[-1].sql('duckdb', normalize_functions=False)} IGNORE NULLS"))
        return call(str(inner.this), *arguments[:-1], last)
    return inner


def _within_group(node: exp.Expr, source: Source) -> exp.Expr:
    inner, order = node.this, node.expression
    if not isinstance(inner, exp.Anonymous) or inner.this != "string_agg" or not isinstance(order, exp.Order):
        raise problems.unsupported(source, node, "WITHIN GROUP here", "it goes with listagg")
    arguments = [a.copy() for a in inner.expressions]
    if len(arguments) == 1:
        arguments.append(exp.Literal.string(""))
    last = exp.Order(this=arguments[-1], expressions=[o.copy() for o in order.expressions])
    return call("string_agg", *arguments[:-1], last)


def _extract(node: exp.Expr, source: Source) -> exp.Expr:
    field = node.name.lower()
    function = functions.find(field, 1)
    allowed = (
        "year quarter month week day day_of_month day_of_week dow day_of_year doy year_of_week yow hour minute second"
    )
    if field not in allowed.split() or function is None:
        raise problems.unsupported(source, node, f"EXTRACT({field.upper()} FROM ...)", f"fields: {allowed}")
    return call(function.target, node.expression)


def _current_timestamp(node: exp.Expr, source: Source) -> exp.Expr:
    return call("now")


def _localtimestamp(node: exp.Expr, source: Source) -> exp.Expr:
    return exp.Cast(this=call("now"), to=exp.DataType.build("timestamp"))


def _current_date(node: exp.Expr, source: Source) -> exp.Expr:
    return exp.Cast(this=call("now"), to=exp.DataType.build("date"))


def _fetch(node: exp.Expr, source: Source) -> exp.Expr:
    return _limited(node, node.args.get("count") or exp.Literal.number(1))


def _limit(node: exp.Expr, source: Source) -> exp.Expr:
    if isinstance(node.expression, exp.Var):  # LIMIT ALL
        return exp.Limit(expression=exp.Null())
    if not isinstance(node.expression, exp.Literal) or node.expression.is_string:
        raise problems.unsupported(source, node, "LIMIT with an expression", "write a number")
    return _limited(node, node.expression)


def _limited(node: exp.Expr, count: exp.Expr) -> exp.Limit:
    if node.meta.get(_COMPUTED):
        nothing = exp.Mul(this=call("random"), expression=exp.Literal.number(0))
        count = exp.Add(this=count, expression=exp.Cast(this=nothing, to=exp.DataType.build("bigint")))
    return exp.Limit(expression=count)


# --- UNNEST -----------------------------------------------------------------------------------------------------------


def _unnest(node: exp.Expr, source: Source) -> exp.Expr:
    """`UNNEST(a, m) WITH ORDINALITY AS u(x, k, v, n)` as a lateral sub-query: DuckDB pads parallel unnests as Trino."""
    alias = node.args.get("alias")
    offset = node.args.get("offset")
    names = [c.name for c in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    ordinal = offset.name if isinstance(offset, exp.Identifier) else None
    if offset and ordinal is None:
        ordinal = names.pop() if names else "ordinality"
    lists: list[exp.Expr] = []
    for argument in node.expressions:
        lists += _unnested(argument)
    if names and len(names) != len(lists):
        raise source.refuse(
            node, "query.type", f"Column alias list has {len(names)} entries but UNNEST gives {len(lists)} columns"
        )
    names = names or [f"_col{i}" for i in range(len(lists))]
    projections: list[exp.Expr] = [
        exp.Alias(this=call("unnest", value), alias=exp.to_identifier(name, quoted=True))
        for name, value in zip(names, lists, strict=True)
    ]
    if ordinal is not None:
        lengths = [call("coalesce", call("len", v.copy()), exp.Literal.number(0)) for v in lists]
        longest = call("greatest", *lengths) if len(lengths) > 1 else lengths[0]
        numbers = call("range", exp.Literal.number(1), exp.Add(this=longest, expression=exp.Literal.number(1)))
        projections.append(exp.Alias(this=call("unnest", numbers), alias=exp.to_identifier(ordinal, quoted=True)))
    name = alias.this if isinstance(alias, exp.TableAlias) and alias.this else exp.to_identifier("_unnest", quoted=True)
    inner = exp.Subquery(this=exp.Select(expressions=projections))
    return exp.Lateral(this=inner, alias=exp.TableAlias(this=name.copy()))


def _unnested(argument: exp.Expr) -> list[exp.Expr]:
    type_ = argument.type if isinstance(argument.type, exp.DataType) else None
    if types.kind(type_) is exp.DType.MAP:
        return [call("map_keys", argument.copy()), call("map_values", argument.copy())]
    element = type_.expressions[0] if type_ is not None and type_.expressions else None
    if types.kind(type_) is exp.DType.ARRAY and types.kind(element) is exp.DType.STRUCT and element is not None:
        return [
            call("list_transform", argument.copy(), _field_of(f, position))
            for position, f in enumerate(element.expressions)
        ]
    return [argument.copy()]


def _field_of(field: exp.Expr, position: int) -> exp.Expr:
    variable = exp.to_identifier("r", quoted=True)
    key: exp.Expr = (
        exp.Literal.string(field.name) if isinstance(field, exp.ColumnDef) else exp.Literal.number(position + 1)
    )
    return exp.Lambda(this=call("struct_extract", variable.copy(), key), expressions=[variable])


_RULES: dict[type[exp.Expr], Callable[[exp.Expr, Source], exp.Expr]] = {
    exp.Div: _div,
    exp.Mod: _mod,
    exp.Add: _plus_minus,
    exp.Sub: _plus_minus,
    exp.DPipe: _concat,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Array: _array,
    exp.Struct: _row,
    exp.Star: _star,
    exp.IgnoreNulls: _ignore_nulls,
    exp.RespectNulls: _ignore_nulls,
    exp.WithinGroup: _within_group,
    exp.Extract: _extract,
    exp.CurrentTimestamp: _current_timestamp,
    exp.Localtimestamp: _localtimestamp,
    exp.CurrentDate: _current_date,
    exp.Fetch: _fetch,
    exp.Limit: _limit,
    exp.Unnest: _unnest,
    **dict.fromkeys(_SIGNS, _compare),
}
