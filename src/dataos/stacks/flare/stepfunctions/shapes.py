"""Functions that change the shape of a frame: rows to columns, columns to rows, nested values to flat ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from dataos.core.errors import fail
from dataos.stacks.flare import parsing, structures
from dataos.stacks.flare.quoting import literal, quoted
from dataos.stacks.flare.stepfunctions.model import Ask, Call, Frame, Function, text, texts

_MOST_PIVOT_VALUES = 1000


def _flatten(call: Call, frame: Frame, ask: Ask) -> str:
    return _exploded(call, frame, "LATERAL VIEW explode")


def _flatten_outer(call: Call, frame: Frame, ask: Ask) -> str:
    return _exploded(call, frame, "LATERAL VIEW OUTER explode")


def _exploded(call: Call, frame: Frame, how: str) -> str:
    column = frame.find(call.text("column"))
    kind = frame.columns[column]
    if not kind.startswith("array"):
        raise fail(
            "flare.function",
            f"`{column}` is {kind}, not an array",
            hint="read it with parse_as_json, or split() it in the step's SQL",
        )
    made = call.text("asColumn")
    kept = [quoted(c) for c in frame.columns if c.lower() != made.lower()]
    element = f"{quoted('__element')}.{quoted('__value')} AS {quoted(made)}"
    return (
        f"SELECT {', '.join([*kept, element])} FROM {quoted(frame.view)} "
        f"{how}({quoted(column)}) {quoted('__element')} AS {quoted('__value')}"
    )


def _unfurl(call: Call, frame: Frame, ask: Ask) -> str:
    """`explode(xs) [AS x]` or `s.*` beside the other columns."""
    expression = call.text("expression").strip()
    whole = re.fullmatch(r"`?([A-Za-z_][A-Za-z0-9_]*)`?\s*\.\s*\*", expression)
    if whole:
        column = frame.find(whole[1])
        fields = structures.fields_of(frame.columns[column])
        if fields is None:
            raise fail("flare.function", f"`{column}` is {frame.columns[column]}, not a struct")
        taken = [f for f in fields if frame.get(f) not in (None, column)]
        if taken:
            raise fail(
                "flare.function",
                f"the fields {', '.join(f'`{f}`' for f in taken)} of `{column}` are columns already",
                hint="rename or drop those columns first",
            )
        kept = [c for c in frame.columns if c.lower() not in {f.lower() for f in fields}]
        chosen = [quoted(c) for c in kept] + [f"{quoted(column)}.{quoted(f)} AS {quoted(f)}" for f in fields]
        return f"SELECT {', '.join(chosen)} FROM {quoted(frame.view)}"
    named = re.fullmatch(r"(.*\))\s+(?:as\s+)?`?([A-Za-z_][A-Za-z0-9_]*)`?", expression, re.IGNORECASE | re.DOTALL)
    made = named[2].lower() if named else ("col" if expression.lower().startswith("explode") else "")
    kept_text = ", ".join(quoted(c) for c in frame.columns if c.lower() != made)
    return f"SELECT {kept_text + ', ' if kept_text else ''}{expression} FROM {quoted(frame.view)}"


def _pivot(call: Call, frame: Frame, ask: Ask) -> str:
    keys = [frame.find(c) for c in call.texts("groupBy")]
    column = frame.find(call.text("column"))
    call_text = aggregate(call.text("aggregateExpression"))
    values: Sequence[Any] = call.texts("values")
    if not values:
        query = (
            f"SELECT DISTINCT {quoted(column)} AS v FROM {quoted(frame.view)} ORDER BY v LIMIT {_MOST_PIVOT_VALUES + 1}"
        )
        values = ask(query)
        if len(values) > _MOST_PIVOT_VALUES:
            raise fail(
                "flare.function",
                f"`{column}` has more than {_MOST_PIVOT_VALUES} values: each would be a column",
                hint="name the `values`, or pivot another column",
            )
    compared = frame.text(column)
    chosen = [quoted(k) for k in keys]
    for value in values:
        name = "null" if value is None else _shown(value)
        test = f"{quoted(column)} IS NULL" if value is None else f"{compared} = {literal(name)}"
        chosen.append(f"{call_text} FILTER (WHERE {test}) AS {quoted(name)}")
    grouped = f" GROUP BY {', '.join(map(quoted, keys))}" if keys else ""
    return f"SELECT {', '.join(chosen)} FROM {quoted(frame.view)}{grouped}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def aggregate(expression: str) -> str:
    """The call in `sum(Amount) as Amount`."""
    hint = "write one aggregate, for instance sum(amount) as amount"
    try:
        statements = parsing.parse(f"SELECT {expression}")
    except Exception as error:
        raise fail("flare.function", f"`{expression}` is no aggregate", hint=hint) from error
    found = statements[0].expressions if len(statements) == 1 else []
    inner = found[0].unalias() if len(found) == 1 else None
    if not isinstance(inner, exp.Anonymous):
        raise fail("flare.function", f"`{expression}` is no aggregate", hint=hint)
    return parsing.write(inner)


def _unpivot(call: Call, frame: Frame, ask: Ask) -> str:
    melted, kept = call.texts("columns"), call.texts("pivotColumns")
    if melted == ("*",) and kept == ("*",):
        raise fail("flare.function", "`columns` and `pivotColumns` cannot both be `*`", hint="name one of them")
    if melted == ("*",):
        stay = [frame.find(c) for c in kept]
        turn = [c for c in frame.columns if c not in stay]
    else:
        turn = [frame.find(c) for c in melted]
        stay = [c for c in frame.columns if c not in turn] if kept == ("*",) else [frame.find(c) for c in kept]
    kinds = {frame.columns[c] for c in turn}
    if len(kinds) != 1:
        shown = ", ".join(f"`{c}` {frame.columns[c]}" for c in turn)
        raise fail(
            "flare.function",
            f"columns of different types cannot become one: {shown}" if turn else "no column is left to turn into rows",
            hint="give them one type first (set_type)" if turn else "name other `columns`",
        )
    key, value = call.text("keyColumnName"), call.text("valueColumnName")
    rows = ", ".join(f"named_struct('k', {literal(c)}, 'v', {quoted(c)})" for c in turn)
    pair = quoted("__pair")
    chosen = [quoted(c) for c in stay]
    chosen += [f"{pair}.{quoted('__k')} AS {quoted(key)}", f"{pair}.{quoted('__v')} AS {quoted(value)}"]
    return (
        f"SELECT {', '.join(chosen)} FROM {quoted(frame.view)} "
        f"LATERAL VIEW inline(array({rows})) {pair} AS {quoted('__k')}, {quoted('__v')}"
    )


def _drop_duplicates(call: Call, frame: Frame, ask: Ask) -> str:
    keys = [frame.find(c) for c in call.texts("columns")] or list(frame.columns)
    if len(keys) == len(frame.columns):
        return f"SELECT DISTINCT {', '.join(map(quoted, frame.columns))} FROM {quoted(frame.view)}"
    all_columns = ", ".join(map(quoted, frame.columns))
    by = ", ".join(map(quoted, keys))
    numbered = (
        f"SELECT {all_columns}, row_number() OVER (PARTITION BY {by} ORDER BY {by}) AS {quoted('__number')} "
        f"FROM {quoted(frame.view)}"
    )
    return f"SELECT {all_columns} FROM ({numbered}) AS {quoted('__numbered')} WHERE {quoted('__number')} = 1"


def _parse_as_json(call: Call, frame: Frame, ask: Ask) -> str:
    spark, avro = call.arguments.get("sparkSchema"), call.arguments.get("avroSchema")
    schema = structures.ddl_of(str(spark), "spark") if spark else structures.ddl_of(str(avro), "avro")
    value = frame.text(frame.find(call.text("column")))
    kind = literal(f"STRUCT<{schema}>")  # Spark reads bare columns without the colons only
    return frame.select({}, [(call.text("asColumn"), f"from_json({value}, {kind})")])


FUNCTIONS = {
    "drop_duplicates": Function(_drop_duplicates, (texts("columns", "column", required=False),)),
    "flatten": Function(_flatten, (text("column"), text("asColumn"))),
    "flatten_outer": Function(_flatten_outer, (text("column"), text("asColumn"))),
    "parse_as_json": Function(
        _parse_as_json,
        (text("column"), text("asColumn"), text("sparkSchema", required=False), text("avroSchema", required=False)),
    ),
    "pivot": Function(
        _pivot,
        (
            texts("groupBy"),
            text("column"),
            texts("values", required=False),
            text("aggregateExpression"),
            text("approach", required=False),
        ),
    ),
    "unfurl": Function(_unfurl, (text("expression"),)),
    "unpivot": Function(
        _unpivot, (texts("columns"), texts("pivotColumns"), text("keyColumnName"), text("valueColumnName"))
    ),
}
