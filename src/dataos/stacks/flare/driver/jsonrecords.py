"""Values of plain JSON, by the Avro schema that describes them: messages of Pulsar's schema type JSON.

That is JSON as object mappers write it, not Avro's own form of JSON: unions are not wrapped, bytes are base64, times
are numbers in the unit of their type, or texts in ISO 8601. What a record lacks is NULL, what it has besides is left
out.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import json
from collections.abc import Callable
from typing import Any, cast

Change = Callable[[Any], Any]
"""A value of JSON as one of Arrow's, for the type that `formats.avro.type_of` says. Raises ValueError."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INTEGERS = {"int": 31, "long": 63}


def parse(data: bytes) -> Any:
    """The value of a text. Raises ValueError."""
    return json.loads(data, parse_float=decimal.Decimal)


def change_of(schema: Any) -> Change:
    """What makes values of JSON those of a parsed schema. Raises ValueError for one that JSON does not tell apart."""
    return _Changes().of(schema)


def write(value: Any, schema: Any) -> bytes:
    """A row as JSON of a parsed schema, times in its unit. Raises ValueError where they do not go together."""
    body = _Written().of(schema, value)
    data = json.dumps(body, default=_plain, ensure_ascii=False).encode()
    change_of(schema)(parse(data))
    return data


class _Written:
    """What JSON has for values of Arrow; named types are known below where they stand."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def of(self, node: Any, value: Any) -> Any:
        if isinstance(node, str) and node in self._named:
            node = self._named[node]
        if isinstance(node, list):
            branches = [b for b in cast("list[Any]", node) if b != "null"]
            return self.of(branches[0], value) if len(branches) == 1 else value
        if not isinstance(node, dict):
            return value
        body = cast("dict[str, Any]", node)
        kind = body["type"]
        if isinstance(kind, dict | list):
            return self.of(kind, value)
        if "name" in body:
            self._named[str(body["name"])] = body
        if value is None:
            return None
        if kind == "record":
            fields = {str(f["name"]): f["type"] for f in body["fields"]}
            unknown = next((name for name in _typed(value, dict, "a struct") if name not in fields), None)
            if unknown is not None:
                raise ValueError(f"it has no field `{unknown}`")
            return {name: self.of(fields[name], part) for name, part in value.items()}
        if kind == "array":
            return [self.of(body["items"], part) for part in _typed(value, list, "an array")]
        if kind == "map":
            return {str(k): self.of(body["values"], part) for k, part in dict(value).items()}
        unit = _UNITS.get(str(body.get("logicalType")))
        if unit is not None and isinstance(value, dt.date):
            return _since(value) // unit
        return value


def _since(value: dt.date) -> dt.timedelta:
    if not isinstance(value, dt.datetime):
        return value - _EPOCH.date()
    return value - (_EPOCH if value.tzinfo is not None else _EPOCH.replace(tzinfo=None))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class _Changes:
    """Of one schema; named types are known below where they stand."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def of(self, node: Any) -> Change:
        if isinstance(node, list):
            branches = [b for b in cast("list[Any]", node) if b != "null"]
            if not branches:
                return lambda _: None
            if len(branches) > 1:
                raise ValueError("it has a union of several types, which plain JSON does not tell apart")
            return _or_null(self.of(branches[0]))
        if isinstance(node, dict):
            return self._complex(cast("dict[str, Any]", node))
        if node in self._named:
            return self._complex(self._named[node])
        return _or_null(_simple(str(node)))

    def _complex(self, body: dict[str, Any]) -> Change:
        kind = body["type"]
        if isinstance(kind, dict | list):
            return self.of(kind)
        if "name" in body:
            self._named[str(body["name"])] = body
        logical = _LOGICAL.get(str(body.get("logicalType")))
        if logical is not None:
            return _or_null(logical)
        match kind:
            case "record":
                fields = {str(f["name"]): self.of(f["type"]) for f in body["fields"]}
                return _or_null(lambda value: _record(fields, value))
            case "array":
                inner = self.of(body["items"])
                return _or_null(lambda value: [inner(v) for v in _typed(value, list, "a list")])
            case "map":
                inner = self.of(body["values"])
                return _or_null(lambda value: [(k, inner(v)) for k, v in _typed(value, dict, "an object").items()])
            case "enum":
                return _or_null(_simple("string"))
            case "fixed":
                return _or_null(_simple("bytes"))
            case _:
                return self.of(kind)


def _record(fields: dict[str, Change], value: Any) -> dict[str, Any]:
    body = _typed(value, dict, "an object")
    found: dict[str, Any] = {}
    for name, change in fields.items():
        try:
            found[name] = change(body.get(name))
        except ValueError as error:
            raise ValueError(f"`{name}`: {error}") from None
    return found


def _or_null(change: Change) -> Change:
    return lambda value: None if value is None else change(value)


def _typed(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{str(value)[:60]!r} is not {what}")
    return value


def _simple(kind: str) -> Change:
    """Of a type that has no parts."""

    def number(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | decimal.Decimal) or value != int(value):
            raise ValueError(f"{str(value)[:60]!r} is not a whole number")
        if not -(1 << _INTEGERS[kind]) <= int(value) < 1 << _INTEGERS[kind]:
            raise ValueError(f"{value} is no {kind}")
        return int(value)

    def real(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal | str):
            raise ValueError(f"{str(value)[:60]!r} is not a number")
        return float(value)  # "NaN" and "Infinity" are texts in JSON

    def text(value: Any) -> str:
        return _typed(value, str, "a text")

    def data(value: Any) -> bytes:
        try:
            return base64.b64decode(_typed(value, str, "base64"), validate=True)
        except binascii.Error:
            raise ValueError(f"{str(value)[:60]!r} is not base64") from None

    def truth(value: Any) -> bool:
        return _typed(value, bool, "true or false")

    known: dict[str, Change] = {
        "int": number, "long": number, "float": real, "double": real, "string": text, "bytes": data, "boolean": truth,
        "null": lambda _: None,
    }  # fmt: skip
    if kind not in known:
        raise ValueError(f"it names the type `{kind}`, which it does not say")
    return known[kind]


def _moment(unit: dt.timedelta, zone: dt.tzinfo | None) -> Change:
    def change(value: Any) -> dt.datetime:
        if isinstance(value, int | decimal.Decimal) and not isinstance(value, bool):
            found = _EPOCH + int(value) * unit
        else:
            found = dt.datetime.fromisoformat(_typed(value, str, "a time"))
            found = found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
        return found if zone is not None else found.replace(tzinfo=None)

    return change


def _day(value: Any) -> dt.date:
    if isinstance(value, int) and not isinstance(value, bool):
        return _EPOCH.date() + dt.timedelta(days=value)
    return dt.date.fromisoformat(_typed(value, str, "a date"))


def _decimal(value: Any) -> decimal.Decimal:
    try:
        return decimal.Decimal(value if isinstance(value, int | decimal.Decimal) else _typed(value, str, "a number"))
    except decimal.InvalidOperation:
        raise ValueError(f"{str(value)[:60]!r} is not a number") from None


_MILLIS, _MICROS = dt.timedelta(milliseconds=1), dt.timedelta(microseconds=1)
_UNITS = {
    "date": dt.timedelta(days=1),
    "timestamp-millis": _MILLIS,
    "timestamp-micros": _MICROS,
    "local-timestamp-millis": _MILLIS,
    "local-timestamp-micros": _MICROS,
}
_LOGICAL: dict[str, Change] = {
    "date": _day,
    "timestamp-millis": _moment(_MILLIS, dt.UTC),
    "timestamp-micros": _moment(_MICROS, dt.UTC),
    "local-timestamp-millis": _moment(_MILLIS, None),
    "local-timestamp-micros": _moment(_MICROS, None),
    "time-millis": _simple("int"),
    "time-micros": _simple("long"),
    "decimal": _decimal,
    "uuid": _simple("string"),
}
