"""The column type that a database gets for each type of the engine: one table, for outputs of jobs and for SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dataos.depots.ports import EngineKind

_MOMENTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S")
_MOST_DIGITS = 6
"""Digits of a second that the databases keep."""
_MYSQL_VARCHAR = 16_383  # characters of four bytes that fit a row

_POSTGRESQL: Mapping[str, str] = {
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "SMALLINT",
    "UTINYINT": "SMALLINT",
    "SMALLINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "INTEGER": "INTEGER",
    "UINTEGER": "BIGINT",
    "BIGINT": "BIGINT",
    "UBIGINT": "NUMERIC(20,0)",
    "HUGEINT": "NUMERIC(38,0)",
    "UHUGEINT": "NUMERIC(38,0)",
    "FLOAT": "REAL",
    "DOUBLE": "DOUBLE PRECISION",
    "DECIMAL": "NUMERIC",
    "VARCHAR": "VARCHAR",
    "CHAR": "CHAR",
    "BLOB": "BYTEA",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_NS": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "UUID": "UUID",
    "JSON": "JSONB",
    "INTERVAL": "INTERVAL",
}
_MYSQL: Mapping[str, str] = {
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "TINYINT",
    "UTINYINT": "TINYINT UNSIGNED",
    "SMALLINT": "SMALLINT",
    "USMALLINT": "SMALLINT UNSIGNED",
    "INTEGER": "INTEGER",
    "UINTEGER": "INTEGER UNSIGNED",
    "BIGINT": "BIGINT",
    "UBIGINT": "BIGINT UNSIGNED",
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DECIMAL": "DECIMAL",
    "VARCHAR": "LONGTEXT",
    "CHAR": "CHAR",
    "BLOB": "LONGBLOB",
    "DATE": "DATE",
    "TIME": "TIME(6)",
    "UUID": "CHAR(36)",
    "JSON": "JSON",
    **dict.fromkeys(_MOMENTS, "DATETIME(6)"),
}
# SQLite keeps what is declared; the engine reads TIME as a timestamp, and takes any name with INT in it for integers.
_SQLITE: Mapping[str, str] = {
    **{name: name for name in _POSTGRESQL if name not in ("TIME", "INTERVAL", *_MOMENTS)},
    **dict.fromkeys(_MOMENTS, "TIMESTAMP"),
    "TIME": "VARCHAR",
}
_BY_KIND: Mapping[str, Mapping[str, str]] = {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "sqlite": _SQLITE}


def native(kind: EngineKind, engine_type: str) -> str | None:
    """The database's type for one in the engine's words (`DECIMAL(10,2)`, `TIMESTAMP(3)`, `INTEGER[]`); None if it has
    none for it."""
    text = engine_type.strip().upper()
    if text.endswith("[]"):
        inner = native(kind, text[:-2])
        return f"{inner}[]" if inner is not None and kind == "postgresql" and not inner.endswith("]") else None
    match = re.fullmatch(r"([A-Z_]+)\s*(?:\(([\d,\s]+)\))?((?: WITH TIME ZONE)?)", text)
    if match is None:
        return None
    name, numbers = match[1] + match[3], [int(n) for n in (match[2] or "").split(",") if n.strip()]
    made = _BY_KIND.get(kind, {}).get(name)
    return made if made is None or not numbers else _sized(kind, name, made, numbers)


def _sized(kind: EngineKind, name: str, made: str, numbers: list[int]) -> str | None:
    if name == "DECIMAL":
        return f"{made}({','.join(str(n) for n in numbers)})"
    if name in ("VARCHAR", "CHAR"):
        if kind == "mysql" and numbers[0] > (_MYSQL_VARCHAR if name == "VARCHAR" else 255):
            return "LONGTEXT"
        return f"{name}({numbers[0]})"
    if name in (*_MOMENTS, "TIME"):
        if numbers[0] > _MOST_DIGITS:
            return None
        if kind == "sqlite":
            return made
        word, _, rest = made.removesuffix("(6)").partition(" ")
        return f"{word}({numbers[0]})" + (f" {rest}" if rest else "")
    return made
