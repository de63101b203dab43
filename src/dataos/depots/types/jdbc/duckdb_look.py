"""The program that looks into a DuckDB file: `python -m dataos.depots.types.jdbc.duckdb_look <file>`.

Prints one JSON object: `schemas`, `tables` ([schema, table]), `columns` ([schema, table, column, type, nullable]), or
`failed` (locked, version, other). The file is opened read-only, in a database that may reach nothing else.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb

from dataos.core.sqltext import literal

_OWN = "schema_name NOT IN ('information_schema', 'pg_catalog')"


def look(file: str) -> dict[str, Any]:
    """Schemas, tables and columns of a file."""
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "memory_limit": "256MiB",
        "threads": "1",
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        try:
            connection.execute(f"ATTACH {literal(file)} AS looked (READ_ONLY)")
        except duckdb.Error as error:
            return {"failed": _why(str(error))}
        connection.execute("SET enable_external_access = false")
        mine = "database_name = 'looked' AND NOT internal"
        schemas = connection.execute(
            f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'looked' AND {_OWN}"
        ).fetchall()
        tables = connection.execute(f"SELECT schema_name, table_name FROM duckdb_tables() WHERE {mine}").fetchall()
        columns = connection.execute(
            "SELECT c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable FROM duckdb_columns() c "
            f"JOIN (SELECT schema_name, table_name FROM duckdb_tables() WHERE {mine}) t "
            "USING (schema_name, table_name) WHERE c.database_name = 'looked' ORDER BY 1, 2, c.column_index"
        ).fetchall()
    return {"schemas": [s for (s,) in schemas], "tables": tables, "columns": columns}


def _why(text: str) -> str:
    if "lock" in text:
        return "locked"
    return "version" if "version number" in text or "storage version" in text else "other"


if __name__ == "__main__":
    json.dump(look(sys.argv[1]), sys.stdout)
