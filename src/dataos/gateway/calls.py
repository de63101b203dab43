"""Builders of calls that depend on types or constants of their arguments (`@name` in the function table)."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from dataos.gateway import duckdb_types, formats, problems, types
from dataos.gateway.problems import Source

Builder = Callable[[str, list[exp.Expr], Source], exp.Expr]


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of an engine function."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def integer_cast(class_: type[exp.Expr], value: exp.Expr, to: exp.DataType) -> exp.Expr:
    """Text to integer: DuckDB would take '1.5' and round it, Trino refuses."""
    strict = exp.Case(
        ifs=[
            exp.If(this=call("regexp_full_match", value, exp.Literal.string(r"\s*[+-]?[0-9]+\s*")), true=value.copy())
        ],
        default=exp.Case(
            ifs=[exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=exp.Null())],
            default=exp.Literal.string("not a number"),
        ),
    )
    return class_(this=strict, to=to)


def _mod(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    if types.kind(a[0]) in types.FLOATS or types.kind(a[1]) in types.FLOATS:
        return exp.Mod(this=exp.Paren(this=a[0]), expression=exp.Paren(this=a[1]))
    return call("dt_any_mod", *a)


def _sign(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    type_ = a[0].type
    made = call("sign", a[0])
    return (
        exp.Cast(this=made, to=duckdb_types.translate(type_))
        if isinstance(type_, exp.DataType) and types.kind(type_)
        else made
    )


def _concat(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    kinds = [types.kind(x) for x in a]
    made = exp.Paren(this=a[0])
    if exp.DType.ARRAY in kinds:
        items = [x if k is exp.DType.ARRAY else call("list_value", x) for x, k in zip(a, kinds, strict=True)]
        result: exp.Expr = items[0]
        for item in items[1:]:
            result = call("dt_array_concat", result, item)
        return result
    result = made
    for item in a[1:]:
        result = exp.DPipe(this=result, expression=exp.Paren(this=item))
    return exp.Paren(this=result)


def _length(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("octet_length" if types.kind(a[0]) is exp.DType.VARBINARY else "length", *a)


def _reverse(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("list_reverse" if types.kind(a[0]) is exp.DType.ARRAY else "reverse", *a)


def _digest(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    """md5(varbinary) -> varbinary; md5(varchar) -> varchar (ch06 7.3)."""
    made = call(name, *a)
    return call("unhex", made) if types.kind(a[0]) is exp.DType.VARBINARY else made


def _regexp_extract(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("dt_regexp_extract", a[0], a[1], a[2] if len(a) > 2 else exp.Literal.number(0))


def _regexp_replace(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    replacement = a[2] if len(a) > 2 else exp.Literal.string("")
    if isinstance(replacement, exp.Lambda):
        raise problems.unsupported(source, replacement, "regexp_replace with a lambda")
    if not isinstance(replacement, exp.Literal):
        raise problems.unsupported(
            source, replacement, "regexp_replace with a computed replacement", "write a constant"
        )
    text = re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)\$(\d)", r"\\\\\1", replacement.name))
    return call("regexp_replace", a[0], a[1], exp.Literal.string(text), exp.Literal.string("g"))


def _extreme(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("dt_null_any", call("list_value", *a), call(name, *[x.copy() for x in a]))


def _typeof(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    type_ = a[0].type
    if not isinstance(type_, exp.DataType) or types.kind(type_) is None:
        raise problems.unsupported(source, a[0], "typeof of this expression", "its type is not known beforehand")
    return exp.Literal.string(type_.sql("trino").lower().replace(", ", ","))


def _zone(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return exp.Literal.string("UTC")


def _never(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    raise problems.unsupported(source, None, f"function {name} here")


_STEPS = {
    "millisecond": "to_milliseconds",
    "second": "to_seconds",
    "minute": "to_minutes",
    "hour": "to_hours",
    "day": "to_days",
    "week": "to_weeks",
    "month": "to_months",
    "quarter": "to_quarters",
    "year": "to_years",
}


def _unit(node: exp.Expr, source: Source, name: str) -> str:
    unit = node.name.lower() if isinstance(node, exp.Literal) and node.is_string else ""
    if unit not in _STEPS:
        raise source.refuse(
            node,
            "query.invalid_argument",
            f"{name}: '{node.name}' is not a valid field",
            "fields: " + ", ".join(_STEPS),
        )
    return unit


def _date(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return exp.Cast(this=a[0], to=exp.DataType.build("date"))


def _date_add(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    unit = _unit(a[0], source, name)
    count = a[1] if unit in ("millisecond", "second") else exp.Cast(this=a[1], to=exp.DataType.build("int"))
    moved = exp.Add(this=exp.Paren(this=a[2]), expression=call(_STEPS[unit], count))
    if types.kind(a[2]) is exp.DType.DATE:
        return exp.Cast(this=exp.Paren(this=moved), to=exp.DataType.build("date"))
    return exp.Paren(this=moved)


def _date_diff(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    """Whole units between two moments: DuckDB calls that date_sub (its date_diff counts borders crossed)."""
    return call("date_sub", exp.Literal.string(_unit(a[0], source, name)), a[1], a[2])


def _date_trunc(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    made = call("date_trunc", exp.Literal.string(_unit(a[0], source, name)), a[1])
    return exp.Cast(this=made, to=exp.DataType.build("date")) if types.kind(a[1]) is exp.DType.DATE else made


def _constant(node: exp.Expr, source: Source, name: str) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise problems.unsupported(source, node, f"{name} with a computed format", "write the format as a constant")
    return node.name


def _date_format(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("strftime", a[0], exp.Literal.string(formats.mysql(_constant(a[1], source, name), a[1], source)))


def _date_parse(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("strptime", a[0], exp.Literal.string(formats.mysql(_constant(a[1], source, name), a[1], source)))


def _format_datetime(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("strftime", a[0], exp.Literal.string(formats.joda(_constant(a[1], source, name), a[1], source)))


def _to_iso8601(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    forms = {
        exp.DType.DATE: "%Y-%m-%d",
        exp.DType.TIMESTAMP: "%Y-%m-%dT%H:%M:%S.%g",
        exp.DType.TIMESTAMPTZ: "%Y-%m-%dT%H:%M:%S.%gZ",
    }
    kind = types.kind(a[0])
    form = forms.get(kind) if kind is not None else None
    if form is None:
        raise problems.unsupported(source, a[0], "to_iso8601 of this type")
    return call("strftime", a[0], exp.Literal.string(form))


def _match(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    tested = call("list_transform", *a)
    if name == "none_match":
        return exp.Not(this=call("dt_any_match", tested))
    return call("dt_any_match" if name == "any_match" else "dt_all_match", tested)


def _cardinality(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    counted = call("cardinality" if types.kind(a[0]) is exp.DType.MAP else "len", *a)
    return exp.Cast(this=counted, to=exp.DataType.build("bigint"))


def _element_at(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    if _is_map(a):
        return call("map_extract_value", *a)
    return call("dt_element_at", *a)


def _subscript(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("dt_map_at" if _is_map(a) else "dt_at", *a)


def _is_map(a: list[exp.Expr]) -> bool:
    kind = types.kind(a[0])
    return kind is exp.DType.MAP or (kind is None and types.kind(a[1]) in types.STRINGS)


def _reduce(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    values, start, step, finish = a
    folded = call("list_reduce", values, step, start)
    if not isinstance(finish, exp.Lambda):
        raise source.refuse(finish, "query.type", "reduce takes a lambda as its last argument")
    return exp.Paren(
        this=call("dt_element_at", call("list_transform", call("list_value", folded), finish), exp.Literal.number(1))
    )


def _sequence(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    dates = types.kind(a[0]) is exp.DType.DATE
    base = "dt_sequence_dates" if dates else "dt_sequence"
    if types.kind(a[0]) in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        if len(a) < 3:
            raise source.refuse(a[0], "query.type", "sequence of timestamps needs a step")
        return call("generate_series", *a)
    return call(base + ("3" if len(a) == 3 else ""), *a)


def _map(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("map", *(a or [call("list_value"), call("list_value")]))


def _avg(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    inner = a[0].expressions[0] if isinstance(a[0], exp.Distinct) else a[0]
    made = call("avg", *a)
    if types.kind(inner) is exp.DType.DECIMAL and isinstance(inner.type, exp.DataType):
        return _after(made, duckdb_types.translate(inner.type))
    return made


def _sum(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    inner = a[0].expressions[0] if isinstance(a[0], exp.Distinct) else a[0]
    made = call("sum", *a)
    return _after(made, exp.DataType.build("bigint")) if types.kind(inner) in types.INTEGERS else made


def _count_if(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    """The engine's own gives NULL where there are no rows."""
    distinct = isinstance(a[0], exp.Distinct)
    condition = a[0].expressions[0] if distinct else a[0]
    counted: exp.Expr = exp.Case(ifs=[exp.If(this=condition, true=exp.Literal.number(1))])
    return call("count", exp.Distinct(expressions=[counted]) if distinct else counted)


def _after(aggregate: exp.Anonymous, to: exp.DataType) -> exp.Expr:
    """Mark that the aggregate's result is to be cast, outside FILTER and OVER (see `casts_after`)."""
    aggregate.meta["dt_cast"] = to
    return aggregate


def _histogram(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("histogram", *a)


def _map_agg(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("map", call("list", a[0]), call("list", a[1]))


def _map_concat(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    """DuckDB wants all maps of one type; Trino widens them."""
    type_ = next((x.type for x in a if isinstance(x.type, exp.DataType) and types.kind(x.type) is exp.DType.MAP), None)
    if type_ is None or len(type_.expressions) != 2:
        return call("map_concat", *a)
    return call("map_concat", *[exp.Cast(this=x, to=duckdb_types.translate(type_)) for x in a])


_ENTRY = "dt_entry"


def _over_entries(lambda_: exp.Expr, source: Source, keys: tuple[exp.Expr, exp.Expr]) -> exp.Lambda:
    """`(k, v) -> body` as a lambda over one entry, whose two parts stand for k and v."""
    if not isinstance(lambda_, exp.Lambda) or len(lambda_.expressions) != 2:
        raise source.refuse(lambda_, "query.type", "a lambda with two variables is expected here")
    names = [v.name for v in lambda_.expressions]
    body = exp.Paren(this=lambda_.this.copy())
    for node in list(body.find_all(exp.Identifier)):
        if node.name in names and not isinstance(node.parent, (exp.Column, exp.Dot, exp.Lambda)):
            part = keys[names.index(node.name)]
            node.replace(call("struct_extract", exp.to_identifier(_ENTRY), part.copy()))
    return exp.Lambda(this=body, expressions=[exp.to_identifier(_ENTRY)])


_OF_MAP = (exp.Literal.string("key"), exp.Literal.string("value"))


def _map_lambda(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    entries, over = call("map_entries", a[0].copy()), _over_entries(a[1], source, _OF_MAP)
    if name == "map_filter":
        return call("map_from_entries", call("list_filter", entries, over))
    made = call("list_transform", entries, over)
    if name == "transform_keys":
        return call("map", made, call("map_values", a[0]))
    return call("map", call("map_keys", a[0]), made)


def _zip_with(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    over = _over_entries(a[2], source, (exp.Literal.number(1), exp.Literal.number(2)))
    return call("list_transform", call("list_zip", a[0], a[1]), over)


def _nfc(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("nfc_normalize", *a)


def _trim(name: str, a: list[exp.Expr], source: Source) -> exp.Expr:
    return call("trim", *a)


BUILDERS: dict[str, Builder] = {
    "mod": _mod,
    "sign": _sign,
    "concat": _concat,
    "length": _length,
    "reverse": _reverse,
    "digest": _digest,
    "regexp_extract": _regexp_extract,
    "regexp_replace": _regexp_replace,
    "extreme": _extreme,
    "typeof": _typeof,
    "zone": _zone,
    "never": _never,
    "version": _never,
    "date": _date,
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    "date_parse": _date_parse,
    "format_datetime": _format_datetime,
    "to_iso8601": _to_iso8601,
    "match": _match,
    "cardinality": _cardinality,
    "element_at": _element_at,
    "$subscript": _subscript,
    "reduce": _reduce,
    "sequence": _sequence,
    "map": _map,
    "avg": _avg,
    "sum": _sum,
    "count_if": _count_if,
    "histogram": _histogram,
    "map_agg": _map_agg,
    "map_lambda": _map_lambda,
    "zip_with": _zip_with,
    "map_concat": _map_concat,
    "$nfc": _nfc,
    "$trim": _trim,
}
