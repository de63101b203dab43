"""All rows of a store as a text file, and back: the backup before an upgrade on PostgreSQL, and the way from SQLite.

One JSON value per line, gzipped: a header {format, revision, at}, then for each table {table, columns} followed by its
rows as arrays, at last {end: {table: rows}}, by which a file that was cut off is recognised. Bytes are {"b64": text}.
Tables are read from the database itself, not from our own list: the store may be at an earlier revision.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from dataos.core.errors import fail

FORMAT = 1
_BATCH = 500
_VERSION_TABLE = "alembic_version"


def write(connection: sa.Connection, file: Path, revision: str, at: str) -> dict[str, int]:
    """Write all rows as one snapshot shows them. The file appears whole (0600) or not at all. Returns rows by table."""
    beside = file.with_name(f".{file.name}.new")
    counts: dict[str, int] = {}
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as raw:
            with gzip.open(raw, "wt", encoding="utf-8") as out:
                _line(out, {"format": FORMAT, "revision": revision, "at": at})
                for table in _tables(connection):
                    _line(out, {"table": table.name, "columns": [c.name for c in table.columns]})
                    counts[table.name] = 0
                    for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns)):
                        _line(out, [_plain(value) for value in row])
                        counts[table.name] += 1
                _line(out, {"end": counts})
            raw.flush()
            os.fsync(raw.fileno())
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise fail(
            "store.backup",
            f"cannot write the backup {file}: {error.strerror or error}",
            hint="nothing was changed; make room there, and repeat",
        ) from error
    return counts


def revision_of(file: Path) -> str:
    """The schema revision that a dump was made at. Raises DataOSError `store.dump`."""
    for entry in _entries(file):
        return str(entry["revision"])
    raise AssertionError("unreachable")  # _entries yields the header or raises


def load(connection: sa.Connection, file: Path) -> dict[str, int]:
    """Insert a dump's rows into the empty tables of its own revision. Raises DataOSError `store.dump`."""
    tables = {table.name: table for table in _tables(connection)}
    counts: dict[str, int] = {}
    table, columns, rows = None, [], []
    end: dict[str, int] | None = None

    def flush() -> None:
        if table is not None and rows:
            connection.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in rows])
            counts[table.name] += len(rows)
            rows.clear()

    entries = _entries(file)
    next(entries)
    for entry in entries:
        if isinstance(entry, list):
            rows.append([_back(value) for value in cast("list[Any]", entry)])
            if len(rows) >= _BATCH:
                flush()
            continue
        flush()
        if "end" in entry:
            end = entry["end"]
            break
        table = tables.get(entry["table"])
        if table is None:
            raise _damaged(file, f"it holds a table that its revision does not have: {entry['table']}")
        if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar():
            raise fail(
                "store.dump",
                f"the store that {file} is to be loaded into is not empty (table {table.name})",
                hint="name an empty database",
            )
        columns = list(entry["columns"])
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                column.type = sa.JSON(none_as_null=True)  # an absent value, not the value `null`
        counts[table.name] = 0
    if end is None or end != counts:
        raise _damaged(file, "it was cut off")
    _restart_sequences(connection, tables.values())
    return counts


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """In an order in which rows may refer to those before."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != _VERSION_TABLE]


def _restart_sequences(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """PostgreSQL counts numbered rows beside the table, and loading does not move that counter."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key.columns:
            if not isinstance(column.type, sa.Integer) or column.autoincrement is not True:
                continue
            sequence = connection.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))).scalar()
            highest = connection.execute(sa.select(sa.func.max(column))).scalar()
            if sequence and highest:
                connection.execute(sa.select(sa.func.setval(sequence, highest)))


def _entries(file: Path) -> Iterator[Any]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for number, text in enumerate(lines):
                entry = json.loads(text)
                if number == 0 and (not isinstance(entry, dict) or entry.get("format") != FORMAT):
                    raise _damaged(file, f"it is no dump of format {FORMAT}")
                yield entry
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, why: str) -> Exception:
    return fail("store.dump", f"{file} cannot be loaded: {why}", hint="nothing was changed; use another backup")


def _line(out: Any, value: Any) -> None:
    out.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return {"b64": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, dict):
        return {"json": value}
    return value


def _back(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"]) if "b64" in value else value["json"]
    return value
