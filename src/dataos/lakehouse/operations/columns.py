"""Column types as people write them on the command line, and what a type may become (ch06 3.4). No PyIceberg."""

from __future__ import annotations

import re
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.lakehouse.operations.avro import MAX_PRECISION

_NAMES = {
    "boolean": "boolean",
    "bool": "boolean",
    "int": "int",
    "integer": "int",
    "long": "long",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamp_without_zone": "timestamp",
    "timestamptz": "timestamptz",
    "timestamp_with_zone": "timestamptz",
    "string": "string",
    "uuid": "uuid",
    "binary": "binary",
}
KNOWN = (
    "boolean, int, long, float, double, decimal, date, time, timestamp_without_zone, timestamp_with_zone, string, uuid,"
    " fixed(L), binary, map, list<T>, struct<name: T, ...>"
)
_WIDER = {"int": ("long",), "float": ("double",)}
_WORD = re.compile(r"\s*([A-Za-z_]+)\s*")
_NUMBERS = re.compile(r"\s*[(\[]\s*(\d+)\s*(?:,\s*(\d+)\s*)?[)\]]\s*")
_FIELD_NAME = re.compile(r"\s*([^\s:<>,]+)\s*:")


def parse(
    text: str,
    precision: int | None = None,
    scale: int | None = None,
    key: str | None = None,
    value: str | None = None,
) -> Any:
    """Iceberg type JSON of `-t`, `-p`, `-s`, `-k`, `-v`. Ids inside are 0: the table gives them.

    Raises DataOSError `dataset.type`.
    """
    word = text.strip().lower()
    if word == "map":
        if key is None or value is None:
            raise _refuse(
                text, "a map needs the types of its keys and values", "-k string -v long, or map<string, long>"
            )
        return _map(parse(key), parse(value))
    if key is not None or value is not None:
        raise _refuse(text, "key and value types belong to a map", "-t map -k string -v long")
    if word in ("decimal", "numeric"):
        if precision is None:
            raise _refuse(text, "a decimal needs a precision", "-t decimal -p 12 -s 2")
        return _decimal(text, precision, 1 if scale is None else scale)
    if precision is not None or scale is not None:
        raise _refuse(text, "precision and scale belong to a decimal", "-t decimal -p 12 -s 2")
    reader = _Reader(text)
    found = reader.kind()
    reader.end()
    return found


def _refuse(text: str, message: str, hint: str) -> DataOSError:
    return fail("dataset.type", f"type `{text[:80]}`: {message}", hint=hint)


def _decimal(text: str, precision: int, scale: int) -> str:
    if not 1 <= precision <= MAX_PRECISION or not 0 <= scale <= precision:
        raise _refuse(
            text,
            f"decimal({precision}, {scale}) cannot be",
            f"precision is 1 to {MAX_PRECISION}, scale 0 to the precision",
        )
    return f"decimal({precision}, {scale})"


def _map(key: Any, value: Any) -> dict[str, Any]:
    return {"type": "map", "key-id": 0, "key": key, "value-id": 0, "value": value, "value-required": False}


class _Reader:
    """`map<string, list<decimal(10, 2)>>`, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def kind(self) -> Any:
        self._depth += 1
        if self._depth > 60:
            raise _refuse(self._text, "it is nested too deeply", "make it flatter")
        found = _WORD.match(self._text, self._at)
        if found is None:
            raise _refuse(self._text, "a type's name is missing", f"allowed: {KNOWN}")
        self._at = found.end()
        word = found[1].lower()
        match word:
            case "list" | "array":
                self._take("<")
                inner = self.kind()
                self._take(">")
                return {"type": "list", "element-id": 0, "element": inner, "element-required": False}
            case "map":
                self._take("<")
                key = self.kind()
                self._take(",")
                inner = self.kind()
                self._take(">")
                return _map(key, inner)
            case "struct":
                return self._struct()
            case "decimal" | "numeric":
                first, second = self._numbers("decimal(12, 2)")
                return _decimal(self._text, first, 0 if second is None else second)
            case "fixed":
                size, _ = self._numbers("fixed(16)")
                if size < 1:
                    raise _refuse(self._text, "fixed needs a length of at least 1", "fixed(16)")
                return f"fixed[{size}]"
            case _ if word in _NAMES:
                return _NAMES[word]
            case _:
                raise _refuse(self._text, f"`{word}` is not a type", did_you_mean(word, _NAMES) or f"allowed: {KNOWN}")

    def _struct(self) -> Any:
        self._take("<")
        fields: list[dict[str, Any]] = []
        while True:
            name = _FIELD_NAME.match(self._text, self._at)
            if name is None:
                raise _refuse(self._text, "a field of a struct reads `name: type`", "struct<city: string, zip: int>")
            self._at = name.end()
            if any(f["name"].lower() == name[1].lower() for f in fields):
                raise _refuse(self._text, f"field `{name[1]}` is there twice", "give each field its own name")
            fields.append({"id": 0, "name": name[1], "required": False, "type": self.kind()})
            if self._text[self._at :].lstrip().startswith(">"):
                self._take(">")
                return {"type": "struct", "fields": fields}
            self._take(",")

    def _numbers(self, example: str) -> tuple[int, int | None]:
        found = _NUMBERS.match(self._text, self._at)
        if found is None:
            raise _refuse(self._text, "numbers are missing", f"as in {example}")
        self._at = found.end()
        return int(found[1]), int(found[2]) if found[2] else None

    def _take(self, mark: str) -> None:
        rest = self._text[self._at :]
        if not rest.lstrip().startswith(mark):
            raise _refuse(self._text, f"`{mark}` is missing at position {self._at + 1}", "as in map<string, list<int>>")
        self._at += len(rest) - len(rest.lstrip()) + len(mark)

    def end(self) -> None:
        """Raise if something is left."""
        if self._text[self._at :].strip():
            raise _refuse(self._text, f"`{self._text[self._at :].strip()[:20]}` is too much", f"allowed: {KNOWN}")


def wider(kind: str) -> list[str]:
    """Types that a primitive type may become, as people write them."""
    if kind in _WIDER:
        return list(_WIDER[kind])
    if kind.startswith("decimal"):
        precision, scale = decimal_of(kind)
        return (
            [f"decimal(P, {scale}) with P from {precision + 1} to {MAX_PRECISION}"] if precision < MAX_PRECISION else []
        )
    return []


def can_become(old: str, new: str) -> bool:
    """True if the change only widens (or changes nothing)."""
    if old == new or new in _WIDER.get(old, ()):
        return True
    if old.startswith("decimal") and new.startswith("decimal"):
        (old_precision, old_scale), (new_precision, new_scale) = decimal_of(old), decimal_of(new)
        return old_scale == new_scale and old_precision <= new_precision <= MAX_PRECISION
    return False


def decimal_of(kind: str) -> tuple[int, int]:
    """`decimal(12, 2)` -> (12, 2)."""
    precision, scale = kind[len("decimal(") : -1].split(",")
    return int(precision), int(scale)
