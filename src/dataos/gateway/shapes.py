"""Step 2, first half: account for every node of a statement by a closed list, before anything else looks at it.

SQLGlot parses much more than Trino has, and passes what it does not understand. What is not on these lists is refused
by name. Parsed forms with a syntax of their own (subscripts, SUBSTRING FROM, MAP(...)) become marked function calls
here, so that the function table decides about them too.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.expressions import apply_index_offset

from dataos.gateway import functions, problems
from dataos.gateway.problems import Source
from dataos.gateway.statements import MARK, function_name

_TRINO = Dialect.get_or_raise("trino")

# Class -> its arguments that may be set. None: any (their nodes are looked at one by one).
_ALLOWED: dict[type[exp.Expr], frozenset[str] | None] = {
    exp.Select: frozenset(
        [
            "with_",
            "expressions",
            "from_",
            "joins",
            "laterals",
            "where",
            "group",
            "having",
            "windows",
            "order",
            "limit",
            "offset",
            "distinct",
        ]
    ),
    exp.Union: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Intersect: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Except: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Subquery: frozenset(["this", "alias", "with_", "order", "limit", "offset", "sample", "joins"]),
    exp.With: frozenset({"expressions", "recursive"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.From: frozenset({"this"}),
    exp.Join: frozenset({"this", "on", "using", "side", "kind", "method"}),
    exp.Lateral: frozenset({"this", "alias"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias", "version", "sample", "joins"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.TableSample: frozenset({"method", "percent"}),
    exp.Version: frozenset({"this", "kind", "expression"}),
    exp.Values: frozenset({"expressions", "alias"}),
    exp.Where: None,
    exp.Group: frozenset({"expressions", "grouping_sets", "rollup", "cube"}),
    exp.GroupingSets: None,
    exp.Rollup: None,
    exp.Cube: None,
    exp.Having: None,
    exp.Order: frozenset({"this", "expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Fetch: frozenset({"direction", "count", "limit_options"}),
    exp.LimitOptions: frozenset({"rows"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "alias", "over", "first"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Identifier: None,
    exp.Star: frozenset(),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Literal: None,
    exp.Boolean: None,
    exp.Null: None,
    exp.Paren: None,
    exp.Tuple: None,
    exp.Array: frozenset({"expressions", "value_constructor", "bracket_notation"}),
    exp.Struct: frozenset({"expressions"}),
    exp.Dot: None,
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe"}),
    exp.DataType: None,
    exp.DataTypeParam: None,
    exp.ColumnDef: frozenset({"this", "kind"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.IntervalSpan: None,
    exp.Var: None,
    exp.Case: None,
    exp.If: frozenset({"this", "true", "false"}),
    exp.EQ: None,
    exp.NEQ: None,
    exp.GT: None,
    exp.GTE: None,
    exp.LT: None,
    exp.LTE: None,
    exp.NullSafeEQ: None,
    exp.NullSafeNEQ: None,
    exp.Is: None,
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.Escape: None,
    exp.Not: None,
    exp.And: None,
    exp.Or: None,
    exp.Neg: None,
    exp.Add: None,
    exp.Sub: None,
    exp.Mul: None,
    exp.Div: None,
    exp.Mod: None,
    exp.DPipe: None,
    exp.Exists: frozenset({"this"}),
    exp.Any: None,
    exp.All: None,
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Lambda: frozenset({"this", "expressions"}),
    exp.Filter: None,
    exp.WithinGroup: None,
    exp.IgnoreNulls: None,
    exp.RespectNulls: None,
    exp.Extract: None,
    exp.CurrentDate: frozenset(),
    exp.CurrentTimestamp: frozenset({"this"}),
    exp.Localtimestamp: frozenset({"this"}),
    exp.CurrentUser: frozenset(),
    exp.CurrentCatalog: frozenset(),
    exp.HexString: None,
    exp.UnicodeString: None,
}

_NAMES: dict[type[exp.Expr], str] = {
    exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.Pivot: "PIVOT",
    exp.AtTimeZone: "AT TIME ZONE",
    exp.Placeholder: "a parameter (?)",
    exp.Normalize: "function normalize",
    exp.JSONExtract: "the operator ->",
    exp.Slice: "an array slice",
    exp.CurrentTime: "current_time",
    exp.Localtime: "localtime",
}

_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.Is, exp.In, exp.Between, exp.Like,
)  # fmt: skip
_CONDITIONS = (*_COMPARISONS, exp.Escape, exp.Not, exp.And, exp.Or)
_OPERANDS = ("this", "expression", "low", "high")

_JOIN_KINDS = frozenset({"", "INNER", "CROSS", "OUTER"})


def check(tree: exp.Query, source: Source, cluster: str) -> exp.Query:
    """Refuse what is not on the lists; returns the tree with special syntax turned into marked calls."""
    wrapper = exp.Paren(this=tree)
    for node in list(tree.walk(bfs=False)):
        _replace_special(node, source)
    for node in list(wrapper.this.walk(bfs=False)):
        _check_node(node, source, cluster)
    result = wrapper.this
    if not isinstance(result, exp.Query):
        raise problems.unsupported(source, result, "this statement")
    result.pop()
    return result


def _check_node(node: exp.Expr, source: Source, cluster: str) -> None:
    if isinstance(node, exp.Select) and not node.expressions:  # SQLGlot reads a bare SELECT
        raise source.refuse(node, "query.syntax", "SELECT names nothing to select")
    allowed = _ALLOWED.get(type(node), frozenset())
    if type(node) not in _ALLOWED:
        raise _refused(node, source, cluster)
    if allowed is not None:
        for key, value in node.args.items():
            if key not in allowed and value is not None and value is not False and value != []:
                what = f"{key.strip('_').replace('_', ' ').upper()} in {type(node).__name__.upper()}"
                raise problems.unsupported(source, node, what)
    if isinstance(node, _COMPARISONS):
        _check_operands(node, source)
    elif isinstance(node, exp.Anonymous):
        _check_function(node, source, cluster)
    elif isinstance(node, exp.Join):
        kind = str(node.args.get("kind") or "").upper()
        method = str(node.args.get("method") or "").upper()
        if kind not in _JOIN_KINDS or method not in ("", "NATURAL"):
            raise problems.unsupported(source, node, f"{method or kind} JOIN")
    elif isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        part = node.this
        plain = isinstance(part, exp.Dot) and all(isinstance(p, exp.Identifier) for p in (part.this, part.expression))
        if not plain or node.args.get("catalog") is None:
            raise _table_function(node, source)
        # catalog.schema.table.files is Spark's way to write the metadata table "table$files"
        node.set("this", exp.to_identifier(f"{part.this.name}${part.expression.name}", quoted=True))
    elif isinstance(node, exp.TableSample):
        percent = node.args.get("percent")
        if str(node.args.get("method") or "").upper() not in ("BERNOULLI", "SYSTEM") or not isinstance(
            percent, exp.Literal
        ):
            raise problems.unsupported(source, node, "this TABLESAMPLE", "write BERNOULLI (p) or SYSTEM (p)")
    elif isinstance(node, exp.Distinct) and node.args.get("on") is not None:
        raise problems.unsupported(source, node, "DISTINCT ON")
    elif isinstance(node, exp.Star) and not isinstance(node.parent, (exp.Select, exp.Column, exp.Anonymous)):
        raise problems.unsupported(source, node, "* here")


def _check_operands(node: exp.Expr, source: Source) -> None:
    """Trino compares values: a condition that is compared stands in parentheses. Engines read a chain in ways of their
    own."""
    for operand in (node.args.get(key) for key in _OPERANDS):
        if isinstance(operand, _CONDITIONS):
            text = "a condition that is compared needs parentheses"
            raise source.refuse(operand, "query.syntax", text, "write (a = b) = c")


def _check_function(node: exp.Anonymous, source: Source, cluster: str) -> None:
    name = function_name(node) or ""
    written = node.this if isinstance(node.this, str) else node.this.name
    if isinstance(node.parent, exp.Table):
        raise _table_function(node.parent, source)
    if node.meta.get("dt_internal"):
        return
    if not written.startswith(MARK) or name not in functions.NAMES:
        raise source.refuse(
            node,
            "query.unsupported_function",
            f"Function {name} is not supported on cluster {cluster} (engine DuckDB)",
            "SHOW FUNCTIONS lists what is",
        )
    count = len(node.expressions)
    if name == "count" and count == 1 and isinstance(node.expressions[0], exp.Star):
        return
    if any(isinstance(e, exp.Star) for e in node.expressions):
        raise source.refuse(node, "query.syntax", f"{name}(*) is not allowed")
    if functions.find(name, count) is None:
        raise source.refuse(
            node,
            "query.type",
            f"Unexpected parameters for function {name}: {count} given, {functions.arities(name)} expected",
        )


def _table_function(node: exp.Table, source: Source) -> Exception:
    call = node.this
    name = function_name(call) or "?" if isinstance(call, exp.Expr) else "?"
    return problems.unsupported(
        source, node, f"the table function {name.upper()}", "FROM takes tables, sub-queries, VALUES and UNNEST"
    )


def _refused(node: exp.Expr, source: Source, cluster: str) -> Exception:
    named = _NAMES.get(type(node))
    if named is not None:
        return problems.unsupported(source, node, named)
    if isinstance(node, exp.Func):
        return source.refuse(
            node,
            "query.unsupported_function",
            f"Function {node.sql_name().lower()} is not supported on cluster {cluster} (engine DuckDB)",
            "SHOW FUNCTIONS lists what is",
        )
    return problems.unsupported(source, node, f"{type(node).__name__} in a query")


def _marked(name: str, *arguments: exp.Expr | None) -> exp.Anonymous:
    made = exp.Anonymous(this=MARK + name, expressions=[a for a in arguments if a is not None])
    if name.startswith("$"):
        made.meta["dt_internal"] = True  # a form that has no function name: users cannot write it
    return made


def _replace_special(node: exp.Expr, source: Source) -> None:
    if isinstance(node, exp.Anonymous) and str(node.this).upper() in ("ALL", "SOME") and len(node.expressions) == 1:
        # SQLGlot knows `> ALL (SELECT ...)`, not `> ALL (VALUES ...)`.
        if isinstance(node.expressions[0], exp.Values):
            class_ = exp.All if str(node.this).upper() == "ALL" else exp.Any
            _swap(node, class_(this=exp.Select(expressions=[exp.Star()], from_=exp.From(this=node.expressions[0]))))
    elif isinstance(node, exp.Bracket):
        indexes = apply_index_offset(node.this, node.expressions, 1, _TRINO)
        if len(indexes) != 1 or isinstance(indexes[0], exp.Slice):
            raise problems.unsupported(source, node, "an array slice")
        _swap(node, _marked("$subscript", node.this, indexes[0]))
    elif isinstance(node, exp.Substring):
        _swap(node, _marked("substring", node.this, node.args.get("start"), node.args.get("length")))
    elif isinstance(node, exp.StrPosition):
        _swap(node, _marked("strpos", node.this, node.args.get("substr")))
    elif isinstance(node, exp.Trim):
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "$trim")
        if node.expression is None and name == "$trim":
            name = "trim"
        _swap(node, _marked(name, node.this, node.expression))
    elif isinstance(node, (exp.Map, exp.VarMap)):
        _swap(node, _marked("map", node.args.get("keys"), node.args.get("values")))
    elif isinstance(node, exp.Date):
        _swap(node, _marked("date", node.this))
    elif isinstance(node, exp.Normalize):
        form = node.args.get("form")
        if form is not None and form.name.upper() != "NFC":
            raise problems.unsupported(source, node, f"normalize to {form.name}", "NFC is")
        _swap(node, _marked("$nfc", node.this))


def _swap(node: exp.Expr, replacement: exp.Expr) -> None:
    if node._meta is not None:  # pyright: ignore[reportPrivateUsage] - keeps the place for messages
        replacement.meta.update(node.meta)
    node.replace(replacement)
