"""Trino's types: reading them, arithmetic on them, and their names from an engine's.

Types inside the gateway are SQLGlot `DataType`s; None or UNKNOWN means that inference gave up, which must only ever
cost speed or exactness of a result's type, never correctness of access.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sqlglot import exp

from dataos.core.sqltext import quoted

INTEGERS = frozenset({exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT})
FLOATS = frozenset({exp.DType.FLOAT, exp.DType.DOUBLE})
STRINGS = frozenset({exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.TEXT})
_INTEGER_DIGITS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10, exp.DType.BIGINT: 19}
MAX_DIGITS = 38


@lru_cache(maxsize=8192)
def shared(text: str) -> exp.DataType:
    """As `data_type`, to be looked at only: it is everybody's. What goes into a tree is a copy of it."""
    try:
        return exp.DataType.build(text, dialect="trino")
    except Exception:  # noqa: BLE001 - SQLGlot raises several; an unreadable type is an unknown type
        return exp.DataType.build("unknown")


@lru_cache(maxsize=8192)
def is_known(text: str) -> bool:
    """Is it known what values of a type are?"""
    return kind(shared(text)) is not None


def data_type(text: str) -> exp.DataType:
    """A DataType of Trino's type text; `unknown` and unreadable texts give UNKNOWN."""
    return shared(text).copy()


def text(type_: exp.DataType) -> str:
    """Trino's text of a type; fields keep the letter case of their names."""
    if type_.this is exp.DType.STRUCT and type_.expressions:
        fields = [
            f"{_field_name(f.name)} {text(f.args['kind'])}" if isinstance(f, exp.ColumnDef) else text(f)
            for f in type_.expressions
        ]
        return f"row({', '.join(fields)})"
    if type_.this in (exp.DType.ARRAY, exp.DType.MAP) and type_.expressions:
        word = "array" if type_.this is exp.DType.ARRAY else "map"
        return f"{word}({', '.join(text(t) for t in type_.expressions)})"
    return type_.sql("trino").lower()


def kind(node: exp.Expr | exp.DataType | None) -> exp.DType | None:
    """The bare type of an expression (or of a type), None if unknown."""
    type_ = node if isinstance(node, exp.DataType) else (node.type if node is not None else None)
    if not isinstance(type_, exp.DataType) or type_.this in (exp.DType.UNKNOWN, exp.DType.NULL):
        return None
    return type_.this


def decimal(precision: int, scale: int) -> exp.DataType:
    """DECIMAL(p, s), with p cut to 38."""
    return data_type(f"decimal({max(1, min(MAX_DIGITS, precision))}, {min(scale, MAX_DIGITS)})")


def digits(type_: exp.DataType | None) -> tuple[int, int] | None:
    """(precision, scale) of a decimal or integer type, else None."""
    base = kind(type_) if type_ is not None else None
    if base in _INTEGER_DIGITS:
        return _INTEGER_DIGITS[base], 0
    if base is exp.DType.DECIMAL and type_ is not None and len(type_.expressions) == 2:
        numbers = [int(p.name) for p in type_.expressions]
        return numbers[0], numbers[1]
    if base is exp.DType.DECIMAL and type_ is not None and len(type_.expressions) == 1:
        return int(type_.expressions[0].name), 0
    return None


def arithmetic(operator: str, left: exp.DataType | None, right: exp.DataType | None) -> exp.DataType | None:
    """Result type of `+ - * / %` as ch06 7.2 gives it; None where it cannot be told."""
    a, b = kind(left) if left else None, kind(right) if right else None
    if a in FLOATS or b in FLOATS:
        return data_type("double" if exp.DType.DOUBLE in (a, b) or a not in FLOATS or b not in FLOATS else "real")
    if a in INTEGERS and b in INTEGERS:
        wider = max((a, b), key=lambda t: _INTEGER_DIGITS[t])
        return exp.DataType(this=wider, nested=False)
    x, y = digits(left), digits(right)
    if x is None or y is None or exp.DType.DECIMAL not in (a, b):
        return None
    (p, s), (q, t) = x, y
    if operator in "+-":
        return decimal(1 + max(s, t) + max(p - s, q - t), max(s, t))
    if operator == "*":
        return decimal(p + q, s + t)
    if operator == "/":
        return decimal(p + t + max(0, t - s), max(s, t))
    return decimal(min(p - s, q - t) + max(s, t), max(s, t))


def literal(text: str) -> exp.DataType:
    """Type of a number as written: 5 integer, 1.50 decimal(3, 2), 1e3 double."""
    if re.fullmatch(r"\d+", text):
        return data_type("integer" if int(text) < 2**31 else "bigint" if int(text) < 2**63 else "decimal(38, 0)")
    if re.fullmatch(r"\d*\.\d*", text):
        whole, _, fraction = text.partition(".")
        return decimal(len(whole.lstrip("0")) + len(fraction) or 1, len(fraction))
    return data_type("double")


_DUCKDB_NAMES = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "decimal(20,0)",
    "HUGEINT": "decimal(38,0)",
    "UHUGEINT": "decimal(38,0)",
    "FLOAT": "real",
    "DOUBLE": "double",
    "VARCHAR": "varchar",
    "BLOB": "varbinary",
    "DATE": "date",
    "TIME": "time(6)",
    "TIME WITH TIME ZONE": "time(6) with time zone",
    "TIMESTAMP": "timestamp(6)",
    "TIMESTAMP_S": "timestamp(0)",
    "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_NS": "timestamp(9)",
    "TIMESTAMP WITH TIME ZONE": "timestamp(6) with time zone",
    "INTERVAL": "interval day to second",
    "UUID": "uuid",
    "JSON": "json",
    '"NULL"': "unknown",
    "NULL": "unknown",
    "BIT": "varchar",
}


def from_duckdb(text: str) -> str:
    """Trino's name of a DuckDB type (`STRUCT(a INTEGER)[]` -> `array(row(a integer))`)."""
    text = text.strip()
    if text.endswith("]"):
        return f"array({from_duckdb(text[: text.rindex('[')])})"
    head, _, rest = text.partition("(")
    inner = rest[:-1] if rest.endswith(")") else rest
    head = head.strip()
    if head == "DECIMAL":
        return f"decimal({inner.replace(' ', '')})"
    if head == "MAP":
        return f"map({', '.join(from_duckdb(p) for p in _split(inner))})"
    if head == "STRUCT":
        fields = [_field(p) for p in _split(inner)]
        return f"row({', '.join(f'{n} {from_duckdb(t)}' if n else from_duckdb(t) for n, t in fields)})"
    if head == "ENUM":
        return "varchar"
    return _DUCKDB_NAMES.get(text, "varchar")


def _split(text: str) -> list[str]:
    parts, depth, quoted, start = list[str](), 0, False, 0
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _field(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        end = text.index('"', 1)
        while text[end + 1 : end + 2] == '"':
            end = text.index('"', end + 2)
        name = text[1:end].replace('""', '"')
        return (name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else text[: end + 1]), text[end + 1 :].strip()
    name, _, rest = text.partition(" ")
    unnamed = not rest or "(" in name or "[" in name or text in _DUCKDB_NAMES
    return ("", text) if unnamed else (name, rest)


_ICEBERG = {
    "boolean": "boolean",
    "int": "integer",
    "integer": "integer",
    "long": "bigint",
    "bigint": "bigint",
    "float": "real",
    "double": "double",
    "date": "date",
    "time": "time(6)",
    "timestamp": "timestamp(6)",
    "timestamptz": "timestamp(6) with time zone",
    "timestamp_ns": "timestamp(9)",
    "timestamptz_ns": "timestamp(9) with time zone",
    "string": "varchar",
    "uuid": "uuid",
    "binary": "varbinary",
}


def from_iceberg(text: str) -> str:
    """Trino's name of an Iceberg type in PyIceberg's spelling (`list<struct<1: a: optional int>>`)."""
    return _from_angles(text, _ICEBERG, "list", _iceberg_field)


def _iceberg_field(text: str) -> str:
    match = re.match(r"(?:\d+:\s*)?(?P<name>.+?):\s*(?:(?:optional|required)\s+)?(?P<type>.+)$", text, re.DOTALL)
    if match is None:
        return "unknown"
    return f"{_field_name(match['name'])} {from_iceberg(match['type'])}"


def _from_angles(text: str, simple: Mapping[str, str], array: str, field: Callable[[str], str]) -> str:
    """Trino's name of a type that is written with angle brackets. `array`: its word for lists; `field`: a part of a
    struct, as Trino writes it."""
    text = text.strip()
    if text in simple:
        return simple[text]
    if match := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", text):
        return f"decimal({match[1]},{match[2]})"
    if text.startswith("fixed"):  # Iceberg's only
        return "varbinary"
    head, _, rest = text.partition("<")
    parts = _split_angle(rest[:-1])
    if head == "struct":
        return f"row({', '.join(field(p) for p in parts)})"
    word = {array: "array", "map": "map"}.get(head)
    if word is None:
        return "unknown"
    return f"{word}({', '.join(_from_angles(p, simple, array, field) for p in parts)})"


def _split_angle(text: str) -> list[str]:
    parts, depth, start = list[str](), 0, 0
    for i, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


_DELTA = {
    "boolean": "boolean",
    "byte": "tinyint",
    "short": "smallint",
    "integer": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp(6) with time zone",
    "timestamp_ntz": "timestamp(6)",
    "string": "varchar",
    "binary": "varbinary",
}


def from_delta(text: str) -> str:
    """Trino's name of a Delta type (`array<struct<a:integer>>`). Source: Delta protocol, schema serialization."""
    return _from_angles(text, _DELTA, "array", _delta_field)


def _delta_field(text: str) -> str:
    name, _, type_ = text.partition(":")
    return f"{_field_name(name)} {from_delta(type_)}"


def _field_name(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted(name)


_POSTGRESQL = {
    "boolean": "boolean",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "real": "real",
    "double precision": "double",
    "numeric": "double",  # without precision: the engine reads it as DOUBLE
    "text": "varchar",
    "date": "date",
    "bytea": "varbinary",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "json",
    "interval": "interval day to second",
}


def from_postgresql(text: str) -> str:
    """Trino's name of what the engine makes of a PostgreSQL type (`numeric(10,2)`, `character varying(5)[]`)."""
    text = text.strip()
    if text.endswith("[]"):
        return f"array({from_postgresql(text[:-2])})"
    if text in _POSTGRESQL:
        return _POSTGRESQL[text]
    if match := re.fullmatch(r"numeric\((\d+),(-?\d+)\)", text):
        return f"decimal({match[1]},{match[2]})" if int(match[1]) <= MAX_DIGITS and int(match[2]) >= 0 else "double"
    if text.startswith("timestamp"):
        return "timestamp(6) with time zone" if text.endswith("with time zone") else "timestamp(6)"
    if text.startswith("time"):
        return "time(6) with time zone" if text.endswith("with time zone") else "time(6)"
    return "varchar"
