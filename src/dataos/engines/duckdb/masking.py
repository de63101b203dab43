"""What masks need of an engine process beyond SQL: a keyed digest, and replacement by expressions with look-around.

The key stays in this process: it comes with the configuration, and no statement can read a macro's text.
"""

from __future__ import annotations

import hashlib
from typing import Any

import duckdb

REPLACE_LONGEST_S = 1.0
"""One value may take that long; where an expression runs away on one, NULL is shown."""
_BLOCK = 64
_SPECIAL: Any = "special"  # NULL may come back
_IN, _OUT = 0x36, 0x5C


def define(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Make `dt_keyed` (HMAC-SHA256, RFC 2104) and `dt_regex_replace` known. Before the configuration is locked."""
    inner, outer = _blob(key, _IN), _blob(key, _OUT)
    connection.execute(f"CREATE MACRO dt_keyed(v) AS sha256({outer} || unhex(sha256({inner} || encode(v))))")
    text: Any = "VARCHAR"  # the stub knows type objects only
    connection.create_function("dt_regex_replace", replace, [text, text, text], text, null_handling=_SPECIAL)


def replace(value: str | None, pattern: str, replacement: str) -> str | None:
    """Every match of a regular expression by a replacement (`\\1` for groups). NULL also where it takes too long: an
    error would tell of the value."""
    import regex  # only where such a mask is used

    try:
        return regex.sub(pattern, replacement, value, timeout=REPLACE_LONGEST_S) if value is not None else None
    except TimeoutError:
        return None


def _blob(key: bytes, pad: int) -> str:
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    padded = bytes(b ^ pad for b in key.ljust(_BLOCK, b"\0"))
    return "'" + "".join(f"\\x{b:02X}" for b in padded) + "'::BLOB"
