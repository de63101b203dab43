"""Masks and filters as SQL expressions of the embedded engine (ch08 3.4, 3.5).

NULL stays NULL. A mask that does not fit a type gives NULL of that type, never the value. Structs, lists and maps are
masked from within. All functions here take and give expressions in DuckDB's dialect over raw values.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dataos.core.errors import fail
from dataos.governance import randomised
from dataos.governance.exposure import AppliedFilter, AppliedMask, ColumnPath
from dataos.governance.policies import Mask

KEYED = "dt_keyed"
"""Macro of an engine process: a digest that nobody without the installation's key can compute."""
REPLACE = "dt_regex_replace"
"""Function of an engine process: replacement by expressions that the engine's own cannot read, with a time limit."""
REDACTED = "REDACTED"

TEXTS = frozenset({exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.TEXT})
NUMBERS = frozenset(
    {exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.FLOAT, exp.DType.DOUBLE,
     exp.DType.DECIMAL}
)  # fmt: skip
DAYS = frozenset({exp.DType.DATE})
MOMENTS = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMPNTZ})
NESTED = frozenset({exp.DType.STRUCT, exp.DType.ARRAY, exp.DType.LIST, exp.DType.MAP})

_FITS: dict[str, frozenset[exp.DType]] = {
    "hash": TEXTS,
    "bucket_number": NUMBERS,
    "bucket_date": DAYS | MOMENTS,
    "rand_pattern": TEXTS,
    "rand_regexify": TEXTS,
    "regex_replace": TEXTS,
}


@dataclass(frozen=True)
class Shape:
    """What a column looks like inside: its type, and what of it may be shown. `denied`: parts that do not exist for the
    user; `masks`: the mask of each part that has one, by its path."""

    denied: frozenset[ColumnPath]
    masks: Callable[[ColumnPath], AppliedMask | None]


def fits(mask: Mask, type_: exp.DataType) -> bool:
    """Does a mask fit the type? Others give NULL; inside of nested types each part counts by itself."""
    wanted = _FITS.get(mask.operator)
    return wanted is None or type_.this in wanted or type_.this in NESTED


def masked(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    """One value without parts under a mask, in the same type."""
    if mask.operator == "pass_through":
        return value
    null = _null(type_)
    if mask.operator == "redact":
        shown: exp.Expr = _redacted(type_, mask)
    elif not fits(mask, type_) or type_.this in NESTED:
        return null
    else:
        shown = _MAKERS[mask.operator](value, type_, mask)
    if isinstance(shown, exp.Cast) and isinstance(shown.this, exp.Null):
        return shown
    return exp.Case(
        ifs=[exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=null)], default=exp.Paren(this=shown)
    )


def project(value: exp.Expr, type_: exp.DataType, path: ColumnPath, shape: Shape, depth: int = 0) -> exp.Expr:
    """A value with everything in it masked and left out as the shape says; the value itself where nothing is."""
    if type_.this not in NESTED:
        applied = shape.masks(path)
        return masked(value, type_, applied.mask) if applied is not None else value
    if not _touched(type_, path, shape):
        return value
    if type_.this is exp.DType.STRUCT:
        return _struct(value, type_, path, shape, depth)
    if type_.this is exp.DType.MAP:
        return _map(value, type_, path, shape, depth)
    element = type_.expressions[0] if type_.expressions else exp.DataType.build("varchar")
    return _listed(value, lambda x: project(x, element, (*path, "element"), shape, depth + 1), depth)


def remaining(type_: exp.DataType, path: ColumnPath, denied: frozenset[ColumnPath]) -> exp.DataType | None:
    """The type without its denied parts; None if nothing is left."""
    if path in denied:
        return None
    if type_.this not in NESTED or not type_.expressions:
        return type_
    made = type_.copy()
    if type_.this is exp.DType.STRUCT:
        kept: list[exp.Expr] = []
        for position, field in enumerate(type_.expressions):
            inner = remaining(_field_type(field), (*path, _field_name(field, position)), denied)
            if inner is not None:
                kept.append(_with_type(field, inner))
        if not kept:
            return None
        made.set("expressions", kept)
        return made
    parts = ("key", "value") if type_.this is exp.DType.MAP else ("element",)
    inner_types = [remaining(t, (*path, p), denied) for p, t in zip(parts, type_.expressions, strict=False)]
    if any(t is None for t in inner_types):
        return None
    made.set("expressions", [t.copy() for t in inner_types if t is not None])
    return made


def parts(type_: exp.DataType, path: ColumnPath) -> list[ColumnPath]:
    """The paths of a column and of everything in it."""
    found = [path]
    if type_.this is exp.DType.STRUCT:
        for position, field in enumerate(type_.expressions):
            found += parts(_field_type(field), (*path, _field_name(field, position)))
    elif type_.this in NESTED:
        names = ("key", "value") if type_.this is exp.DType.MAP else ("element",)
        for name, inner in zip(names, type_.expressions, strict=False):
            found += parts(inner, (*path, name))
    return found


def condition(
    applied: AppliedFilter, name: str, type_: exp.DataType, attributes: Mapping[str, tuple[str, ...]]
) -> exp.Expr:
    """Which rows stay. `name`: the column as the source spells it. Raises DataOSError `policy.filter` for a value that
    the column cannot have."""
    filter_ = applied.filter
    column = exp.Column(this=exp.to_identifier(name, quoted=True))
    values: list[str | int | float | bool]
    if filter_.attribute is not None:
        values = list(attributes.get(filter_.attribute, ()))
        if not values:
            return exp.false()  # who has no such attribute sees no row
    else:
        values = [filter_.value if filter_.value is not None else ""]
    if type_.this in NESTED:
        raise _unfit(applied, name, "a nested column cannot be compared")
    literals = [_literal(v, type_, applied, name) for v in values]
    if filter_.operator == "equals":
        compared: exp.Expr = (
            exp.EQ(this=column, expression=literals[0])
            if len(literals) == 1
            else exp.In(this=column, expressions=literals)
        )
        return compared
    if len(literals) == 1:
        return exp.NEQ(this=column, expression=literals[0])
    return exp.Not(this=exp.In(this=column, expressions=literals))


# --- parts of nested values -------------------------------------------------------------------------------------------


def _touched(type_: exp.DataType, path: ColumnPath, shape: Shape) -> bool:
    """Is anything in it masked or left out?"""
    if path in shape.denied:
        return True
    if type_.this not in NESTED or not type_.expressions:
        return shape.masks(path) is not None
    if type_.this is exp.DType.STRUCT:
        fields = enumerate(type_.expressions)
        return any(_touched(_field_type(f), (*path, _field_name(f, i)), shape) for i, f in fields)
    parts = ("key", "value") if type_.this is exp.DType.MAP else ("element",)
    return any(_touched(t, (*path, p), shape) for p, t in zip(parts, type_.expressions, strict=False))


def _struct(value: exp.Expr, type_: exp.DataType, path: ColumnPath, shape: Shape, depth: int) -> exp.Expr:
    if not isinstance(value, exp.Column):  # it is named once for each field: a name keeps the expression short
        one = exp.Anonymous(this="list_value", expressions=[value])
        each = _listed(one, lambda x: _struct(x, type_, path, shape, depth + 1), depth)
        return exp.Anonymous(this="list_extract", expressions=[each, exp.Literal.number(1)])
    parts: list[exp.Expr] = []
    for position, field in enumerate(type_.expressions):
        inner = (*path, _field_name(field, position))
        kept = remaining(_field_type(field), inner, shape.denied)
        if kept is None:
            continue
        key: exp.Expr = exp.Literal.string(_spelled(field)) if _spelled(field) else exp.Literal.number(position + 1)
        taken = exp.Anonymous(this="struct_extract", expressions=[value.copy(), key])
        shown = project(taken, _field_type(field), inner, shape, depth)
        parts.append(
            exp.PropertyEQ(this=exp.to_identifier(_spelled(field) or f"_{position}", quoted=True), expression=shown)
        )
    made = exp.Struct(expressions=parts)
    return exp.Case(ifs=[exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=exp.Null())], default=made)


def _map(value: exp.Expr, type_: exp.DataType, path: ColumnPath, shape: Shape, depth: int) -> exp.Expr:
    """Keys of a masked map are values too. Masks that could make two keys one leave nothing of the map."""
    key_type, value_type = type_.expressions[0], type_.expressions[1]
    on_keys = shape.masks((*path, "key"))
    if on_keys is not None and (on_keys.mask.operator != "hash" or key_type.this not in TEXTS):
        return _null(type_)
    keys = exp.Anonymous(this="map_keys", expressions=[value.copy()])
    values = exp.Anonymous(this="map_values", expressions=[value.copy()])
    shown_keys = _listed(keys, lambda x: project(x, key_type, (*path, "key"), shape, depth + 1), depth)
    shown_values = _listed(values, lambda x: project(x, value_type, (*path, "value"), shape, depth + 1), depth)
    made = exp.Anonymous(this="map", expressions=[shown_keys, shown_values])
    return exp.Case(ifs=[exp.If(this=exp.Is(this=value.copy(), expression=exp.Null()), true=exp.Null())], default=made)


def _listed(value: exp.Expr, each: Callable[[exp.Expr], exp.Expr], depth: int) -> exp.Expr:
    name = exp.to_identifier(f"__dt_x{depth}", quoted=True)
    body = each(exp.Column(this=name.copy()))
    if isinstance(body, exp.Column) and body.name == name.name:
        return value
    return exp.Anonymous(this="list_transform", expressions=[value, exp.Lambda(this=body, expressions=[name])])


def _field_type(field: exp.Expr) -> exp.DataType:
    kind = field.args.get("kind") if isinstance(field, exp.ColumnDef) else field
    return kind if isinstance(kind, exp.DataType) else exp.DataType.build("varchar")


def _spelled(field: exp.Expr) -> str:
    return field.name if isinstance(field, exp.ColumnDef) else ""


def _field_name(field: exp.Expr, position: int) -> str:
    return _spelled(field).lower() or f"_{position}"


def _with_type(field: exp.Expr, type_: exp.DataType) -> exp.Expr:
    if not isinstance(field, exp.ColumnDef):
        return type_.copy()
    made = field.copy()
    made.set("kind", type_.copy())
    return made


# --- operators --------------------------------------------------------------------------------------------------------


def _null(type_: exp.DataType) -> exp.Expr:
    return exp.Cast(this=exp.Null(), to=type_.copy())


def _redacted(type_: exp.DataType, mask: Mask) -> exp.Expr:
    if type_.this in TEXTS:
        return exp.Literal.string(REDACTED if mask.replacement is None else mask.replacement)
    if mask.replacement is None or type_.this in NESTED:
        return _null(type_)
    return exp.TryCast(this=exp.Literal.string(mask.replacement), to=type_.copy())


def _hash(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    return exp.Anonymous(this=KEYED if mask.keyed else "sha256", expressions=[value.copy()])


def _bucket_number(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    """The greatest lower bound that is not above the value; the first bucket for what is below all."""
    cases: list[exp.If] = []
    for upper, bound in zip(mask.buckets[1:], mask.buckets, strict=False):
        below = exp.LT(this=value.copy(), expression=_number(upper))
        cases.append(exp.If(this=below, true=_bound(bound, type_)))
    last = _bound(mask.buckets[-1], type_)
    return exp.Case(ifs=cases, default=last) if cases else last


def _bound(bound: float, type_: exp.DataType) -> exp.Expr:
    return exp.TryCast(this=_number(bound), to=type_.copy())


def _number(value: float) -> exp.Expr:
    text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    if text.startswith("-"):
        return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
    return exp.Literal.number(text)


def _bucket_date(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    cut = exp.Anonymous(this="date_trunc", expressions=[exp.Literal.string(mask.precision or "year"), value.copy()])
    return exp.Cast(this=cut, to=type_.copy())


def _rand_pattern(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    return randomised.of_pattern(mask.pattern or "")


def _rand_regexify(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    return randomised.of_regex(mask.pattern or "")


def _regex_replace(value: exp.Expr, type_: exp.DataType, mask: Mask) -> exp.Expr:
    pattern = mask.pattern or ""
    replacement = re.sub(r"\$(\d)", r"\\\1", mask.replacement or "")
    words = [value.copy(), exp.Literal.string(pattern), exp.Literal.string(replacement)]
    if randomised.needs_backtracking(pattern):
        return exp.Anonymous(this=REPLACE, expressions=words)
    return exp.Anonymous(this="regexp_replace", expressions=[*words, exp.Literal.string("g")])


_MAKERS: dict[str, Callable[[exp.Expr, exp.DataType, Mask], exp.Expr]] = {
    "hash": _hash,
    "bucket_number": _bucket_number,
    "bucket_date": _bucket_date,
    "rand_pattern": _rand_pattern,
    "rand_regexify": _rand_regexify,
    "regex_replace": _regex_replace,
}


# --- filters ----------------------------------------------------------------------------------------------------------


def _literal(value: str | float | bool, type_: exp.DataType, applied: AppliedFilter, name: str) -> exp.Expr:
    """The value in the column's type. What the column cannot hold is a fault of the policy, not an empty answer."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if type_.this in TEXTS:
        return exp.Literal.string(text)
    if type_.this in NUMBERS:
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text):
            raise _unfit(applied, name, "its value is no number")
        return _number_text(text)
    if type_.this is exp.DType.BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise _unfit(applied, name, "its value is neither true nor false")
        return exp.true() if text.lower() == "true" else exp.false()
    reader = _READERS.get(type_.this)
    if reader is None:
        raise _unfit(applied, name, "columns of its type cannot be compared")
    try:
        reader(text)
    except ValueError:
        raise _unfit(applied, name, f"its value is no {type_.sql('trino').lower()}") from None
    return exp.Cast(this=exp.Literal.string(text), to=type_.copy())


_READERS: dict[exp.DType, Callable[[str], object]] = {
    **dict.fromkeys(DAYS, dt.date.fromisoformat),
    **dict.fromkeys(MOMENTS, dt.datetime.fromisoformat),
    exp.DType.TIME: dt.time.fromisoformat,
    exp.DType.UUID: uuid.UUID,
}
"""What else a column may be compared with. Read here: the engine would fail on it only where there are rows."""


def _number_text(text: str) -> exp.Expr:
    text = text.lstrip("+")
    if text.startswith("-"):
        return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
    return exp.Literal.number(text)


def _unfit(applied: AppliedFilter, name: str, why: str) -> Exception:
    # without the value: whom the policy concerns may not read it, and it may be one that is hidden from him elsewhere
    return fail(
        "policy.filter",
        f"policy `{applied.policy}` cannot be applied: it filters column `{name}`, and {why}",
        hint="nobody whom the policy concerns can read the dataset until the policy is corrected",
    )


# --- in words ---------------------------------------------------------------------------------------------------------


def describe(mask: Mask, column: str) -> str:
    """A mask as SQL of the statement's dialect, for people."""
    match mask.operator:
        case "hash":
            return f"CAST({'hmac_sha256' if mask.keyed else 'sha256'}({column}) AS varchar)"
        case "redact":
            return f"'{REDACTED if mask.replacement is None else mask.replacement}'"
        case "bucket_number":
            bounds = ", ".join(f"{b:g}" for b in mask.buckets)
            return f"bucket({column}, ARRAY[{bounds}])"
        case "bucket_date":
            return f"date_trunc('{mask.precision}', {column})"
        case "rand_pattern" | "rand_regexify":
            return f"{mask.operator}('{mask.pattern}')"
        case "regex_replace":
            return f"regexp_replace({column}, '{mask.pattern}', '{mask.replacement}')"
        case _:
            return column


def describe_filter(applied: AppliedFilter) -> str:
    """A filter as SQL, for people."""
    filter_ = applied.filter
    sign = "=" if filter_.operator == "equals" else "<>"
    if filter_.attribute is not None:
        return f"{filter_.column} {sign} attribute `{filter_.attribute}` of the user"
    value = filter_.value
    return f"{filter_.column} {sign} {repr(value) if isinstance(value, str) else str(value).lower()}"
