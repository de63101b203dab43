"""Names and texts as standard SQL writes them, and with it DuckDB, PostgreSQL, SQLite and Trino."""

from __future__ import annotations


def quoted(*parts: str) -> str:
    """A name as a delimited identifier; several parts with dots between them."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: str) -> str:
    """A text as a literal."""
    return "'" + value.replace("'", "''") + "'"
