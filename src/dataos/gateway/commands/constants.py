"""Constants of properties and procedure arguments: texts, numbers, booleans, arrays, maps."""

from __future__ import annotations

import re
from typing import Any

from sqlglot.tokenizer_core import TokenType

from dataos.core import sqltext
from dataos.core.errors import fail
from dataos.gateway import problems
from dataos.gateway.tokens import Reader


def properties(reader: Reader) -> dict[str, Any]:
    """(name = constant, ...)."""
    reader.expect("(")
    found: dict[str, Any] = {}
    while True:
        place = reader.place()
        token = reader.peek()
        quoted = token is not None and token.token_type == TokenType.STRING
        key = reader.text() if quoted else ".".join(reader.name(32)[0])
        if key in found:
            raise problems.at(place, "query.syntax", f"property '{key}' is named more than once")
        reader.expect("=")
        if not reader.accept("DEFAULT"):
            found[key] = constant(reader)
        if not reader.accept(","):
            break
    reader.expect(")")
    return found


def constant(reader: Reader) -> Any:
    """A constant as Python's value. Raises DataOSError `query.syntax`."""
    token = reader.peek()
    if token is not None and token.token_type == TokenType.STRING:
        return reader.text()
    if reader.accept("NULL"):
        return None
    for word, value in (("TRUE", True), ("FALSE", False)):
        if reader.accept(word):
            return value
    if reader.accept("ARRAY"):
        return _items(reader)
    if reader.accept("MAP"):
        return _map(reader)
    if reader.word() in ("TIMESTAMP", "DATE", "DECIMAL"):
        reader.take()
        return reader.text()
    negative = reader.accept("-")
    token = reader.peek()
    if token is not None and token.token_type == TokenType.NUMBER:
        reader.take()
        return number(("-" if negative else "") + token.text)
    raise reader.wrong("a constant: 'text', 12, 1.5, true, NULL, ARRAY[...], MAP(ARRAY[...], ARRAY[...])")


def number(text: str) -> int | float:
    """12 or 1.5. Raises DataOSError `query.syntax`."""
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError as error:
        raise fail("query.syntax", f"'{text}' is no number") from error


def _items(reader: Reader) -> list[Any]:
    reader.expect("[")
    found: list[Any] = []
    while reader.word() != "]":
        found.append(constant(reader))
        if not reader.accept(","):
            break
    reader.expect("]")
    return found


def _map(reader: Reader) -> dict[str, Any]:
    reader.expect("(")
    keys = constant(reader)
    reader.expect(",")
    values = constant(reader)
    reader.expect(")")
    if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):  # pyright: ignore[reportUnknownArgumentType]
        raise problems.at(reader.place(), "query.syntax", "MAP takes two arrays of one length")
    return {str(k): v for k, v in zip(keys, values, strict=True)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def literal(value: Any) -> str:
    """A property's value as SQL."""
    if isinstance(value, str):
        return sqltext.literal(value)
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(literal(v) for v in value) + "]"  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        keys, values = list(value), list(value.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return f"MAP({literal(keys)}, {literal(values)})"
    return str(value).lower() if isinstance(value, bool) else str(value)
