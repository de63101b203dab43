"""The page of what clients do with Iceberg tables of format version 3, of what the engine suite found."""

from __future__ import annotations

import json
from pathlib import Path

_HEAD = """# Iceberg format version 3, client by client

What the suite of heavy engines found with unmodified clients of the catalog. Tables have format version 2 unless
`format-version` says otherwise (a table property at CREATE, or an upgrade, which has no way back): take 3 where every
engine that you use says *yes*. *no*: the client refuses, and says so. Flare jobs read tables with deletion vectors on the
embedded engine too, by another reader; a merge into one is refused. Sail by itself does not read the vectors that
DuckDB wrote. The catalog keeps row numbers (`next-row-id`,
`first-row-id`), default values, nanosecond timestamps and deletion vectors, and refuses `variant` columns.

"""
_NAMES = {"pyiceberg": "PyIceberg", "duckdb": "DuckDB", "sail": "Sail", "spark": "Apache Spark", "trino": "Trino"}


def page(file: Path) -> str:
    """A row an ability, a column a client."""
    found: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8"))
    clients = [name for name in _NAMES if name in found]
    abilities = ("create", "append", "read", "read with deletion vectors", "delete rows")
    lines = [
        "| | " + " | ".join(_NAMES[c] for c in clients) + " |",
        "|---" * (len(clients) + 1) + "|",
        *("| " + " | ".join([a, *(found[c][a] for c in clients)]) + " |" for a in abilities),
    ]
    return _HEAD + "\n".join(lines) + "\n"
