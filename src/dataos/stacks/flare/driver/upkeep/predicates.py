"""`where` of a rewrite: a SQL predicate -> PyIceberg's expression, which chooses files (ch04 3.16).

Spark's spelling: double quotes are texts. What cannot choose files is refused rather than ignored.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlglot
from pyiceberg import expressions as ice
from pyiceberg.expressions import visitors
from pyiceberg.schema import Schema
from pyiceberg.types import DateType, TimestampType, TimestamptzType
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean

_COMPARISONS: dict[type[exp.Expr], tuple[Any, Any]] = {
    exp.EQ: (ice.EqualTo, ice.EqualTo),
    exp.NEQ: (ice.NotEqualTo, ice.NotEqualTo),
    exp.GT: (ice.GreaterThan, ice.LessThan),
    exp.GTE: (ice.GreaterThanOrEqual, ice.LessThanOrEqual),
    exp.LT: (ice.LessThan, ice.GreaterThan),
    exp.LTE: (ice.LessThanOrEqual, ice.GreaterThanOrEqual),
}
# their constructors are pydantic's to a type checker
_is_null: Any = ice.IsNull
_in: Any = ice.In
_starts: Any = ice.StartsWith
_least: Any = ice.GreaterThanOrEqual
_most: Any = ice.LessThanOrEqual
_HINT = "comparisons of columns with constants, IN, BETWEEN, IS NULL, LIKE 'text%', with AND, OR, NOT"


def parse(text: str, schema: Schema) -> ice.BooleanExpression:
    """Raises DataOSError `dataset.where`."""
    try:
        tree = sqlglot.parse_one(text, read="spark", into=exp.Condition)
    except SqlglotError as error:
        raise fail("dataset.where", f"`{text[:200]}` is no predicate: {str(error)[:200]}", hint=_HINT) from error
    found = _Reader(schema, text).read(tree)
    try:
        visitors.bind(schema, found, case_sensitive=True)
    except (TypeError, ValueError) as error:
        raise fail("dataset.where", f"`{text[:200]}`: {str(error)[:200]}", hint=_HINT) from error
    return found


class _Reader:
    def __init__(self, schema: Schema, text: str) -> None:
        self._schema = schema
        self._text = text

    def read(self, node: Any) -> ice.BooleanExpression:
        """One node of the predicate."""
        match node:
            case exp.Paren():
                return self.read(node.this)
            case exp.And():
                return ice.And(self.read(node.this), self.read(node.expression))
            case exp.Or():
                return ice.Or(self.read(node.this), self.read(node.expression))
            case exp.Not():
                return ice.Not(self.read(node.this))
            case exp.Boolean():
                return ice.AlwaysTrue() if node.this else ice.AlwaysFalse()
            case exp.Between():
                name = self._column(node.this)
                low, high = self._value(node.args["low"], name), self._value(node.args["high"], name)
                return ice.And(_least(name, low), _most(name, high))
            case exp.In() if node.expressions:
                name = self._column(node.this)
                return _in(name, {self._value(v, name) for v in node.expressions})
            case exp.Is() if isinstance(node.expression, exp.Null):
                return _is_null(self._column(node.this))
            case exp.Like():
                return self._like(node)
            case _ if type(node) in _COMPARISONS:
                return self._comparison(node)
            case _:
                raise self._refuse(node)

    def _comparison(self, node: Any) -> ice.BooleanExpression:
        forward, backward = _COMPARISONS[type(node)]
        if isinstance(node.this, (exp.Column, exp.Dot)):
            name = self._column(node.this)
            return forward(name, self._value(node.expression, name))
        name = self._column(node.expression)
        return backward(name, self._value(node.this, name))

    def _like(self, node: Any) -> ice.BooleanExpression:
        name = self._column(node.this)
        pattern = self._value(node.expression, name)
        if not isinstance(pattern, str) or not pattern.endswith("%") or any(c in pattern[:-1] for c in "%_\\"):
            raise self._refuse(node)
        return _starts(name, pattern[:-1])

    def _column(self, node: Any) -> str:
        if not isinstance(node, (exp.Column, exp.Dot)):
            raise self._refuse(node)
        name = ".".join(part.name for part in node.parts)
        known = {n.lower(): n for n in self._schema.column_names}
        if name.lower() not in known:
            raise fail("dataset.where", f"there is no column `{name}`", hint=did_you_mean(name, known.values()))
        return known[name.lower()]

    def _value(self, node: Any, column: str) -> Any:
        kind = self._schema.find_field(column).field_type
        sign = 1
        if isinstance(node, exp.Neg):
            sign, node = -1, node.this
        if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):  # DATE '2026-01-01'
            node = node.this
        if isinstance(node, exp.Boolean):
            return bool(node.this)
        if not isinstance(node, exp.Literal):
            raise self._refuse(node)
        text = str(node.this)
        if not node.is_string:
            if text.isdigit():
                return sign * int(text)
            return sign * (Decimal(text) if str(kind).startswith("decimal") else float(text))
        if isinstance(kind, DateType):
            return text[:10]
        if isinstance(kind, (TimestampType, TimestamptzType)):
            moment = text.strip().replace(" ", "T")
            moment = moment if "T" in moment else f"{moment}T00:00:00"
            zoned = moment.endswith("Z") or "+" in moment or "-" in moment[11:]
            return moment + "+00:00" if isinstance(kind, TimestamptzType) and not zoned else moment
        return text

    def _refuse(self, node: Any) -> DataOSError:
        shown = node.sql(dialect="spark") if isinstance(node, exp.Expr) else str(node)
        return fail("dataset.where", f"`{shown[:100]}` cannot choose files in `{self._text[:200]}`", hint=_HINT)
