"""Iceberg's Avro files, read and written value by value: nothing but what a caller changes differs afterwards.

PyIceberg's reader keeps only the fields it knows and its writer makes a file of its own; here the header (schema with
field ids, Iceberg's own entries) stays as it was written, unknown fields stay, and dates or decimals are never turned
into something that may not come back the same: logical types are ignored, raw values are copied.
Source: Avro specification 1.11, "Object Container Files".
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import fastavro

from dataos.core import durable
from dataos.core.errors import fail

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_META: dict[str, Any] = {"type": "map", "values": "bytes"}
_BLOCK_BYTES = 64 << 10
_BROKEN = (FileNotFoundError, ValueError, EOFError, KeyError, IndexError, TypeError, zlib.error)

Record = dict[str, Any]


def field_ids(path: Path) -> dict[str, int]:
    """The schema's top-level fields with Iceberg's ids; empty for a file that is no Avro file of records."""
    try:
        with path.open("rb") as file:
            schema = _header(file)[1]
    except (OSError, ValueError, EOFError, KeyError):
        return {}
    fields = cast("list[Any]", schema.get("fields", []))
    return {str(f["name"]): int(f["field-id"]) for f in fields if "field-id" in f}


def records(path: Path) -> list[Record]:
    """All records, with raw values. Raises DataOSError `iceberg.corrupt`."""
    try:
        return _read(path)[2]
    except _BROKEN as error:
        raise _corrupt(path, error) from error
    except OSError as error:
        raise unreadable(path, error) from error


def rewrite(path: Path, change: Callable[[Record], bool]) -> bool:
    """Let `change` edit each record in place (it says whether it did); replace the file atomically and durably if one
    changed. Raises DataOSError `iceberg.corrupt`, `iceberg.storage`."""
    try:
        meta, schema, found = _read(path)
    except _BROKEN as error:
        raise _corrupt(path, error) from error
    except OSError as error:
        raise unreadable(path, error) from error
    changed = [change(record) for record in found]
    if not any(changed):
        return False
    replace(path, _encode(meta, schema, found))
    return True


def replace(path: Path, content: bytes) -> None:
    """Put new content in the place of a file: whole, and on disk, before it has the name. Raises `iceberg.storage`."""
    try:
        durable.write(path, content, path.stat().st_mode & 0o777)
    except OSError as error:
        raise fail(
            "iceberg.storage",
            f"cannot write {path}: {error.strerror or error}",
            hint="free space or mend its permissions, then repeat the command: it goes on from there",
            retry=5.0,
        ) from error


def unreadable(path: Path, error: OSError) -> Exception:
    """The error of a disk or permission that failed: the file itself may be well."""
    return fail(
        "iceberg.storage",
        f"cannot read {path}: {error.strerror or error}",
        hint="mend the disk or the file's permissions, then repeat the command: it goes on from there",
        retry=5.0,
    )


def _corrupt(path: Path, error: Exception) -> Exception:
    return fail(
        "iceberg.corrupt",
        f"{path} cannot be read: {type(error).__name__}: {str(error)[:200]}",
        hint="restore the file from a backup",
    )


def _header(file: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The file's metadata and its schema without logical types; the file then stands after the sync marker."""
    if file.read(4) != _MAGIC:
        raise ValueError("it is no Avro file")
    meta = cast("dict[str, bytes]", fastavro.schemaless_reader(file, _META, None))
    if len(file.read(_SYNC_BYTES)) != _SYNC_BYTES:
        raise EOFError("it was cut off")
    schema = json.loads(meta["avro.schema"])
    if not isinstance(schema, dict):
        raise ValueError("it holds no records")
    return meta, cast("dict[str, Any]", _raw(schema))


def _raw(schema: Any) -> Any:
    if isinstance(schema, dict):
        known = cast("dict[str, Any]", schema)
        return {key: _raw(value) if key != "default" else value for key, value in known.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_raw(inner) for inner in cast("list[Any]", schema)]
    return schema


def _read(path: Path) -> tuple[dict[str, bytes], dict[str, Any], list[Record]]:
    with path.open("rb") as file:
        meta, schema = _header(file)
        file.seek(0)
        found: list[Record] = []
        parsed: Any = fastavro.parse_schema(schema)
        for block in fastavro.block_reader(file):
            content: Any = block.bytes_  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - missing in its stubs
            content.seek(0)
            found += [
                cast("Record", fastavro.schemaless_reader(content, parsed, None)) for _ in range(block.num_records)
            ]
    return meta, schema, found


def _encode(meta: dict[str, bytes], schema: dict[str, Any], found: list[Record]) -> bytes:
    codec = meta.get("avro.codec", b"null")
    if codec not in (b"null", b"deflate"):
        codec = b"deflate"  # every reader has it
    out = io.BytesIO()
    out.write(_MAGIC)
    fastavro.schemaless_writer(out, _META, {**meta, "avro.codec": codec})
    sync = os.urandom(_SYNC_BYTES)
    out.write(sync)
    parsed: Any = fastavro.parse_schema(schema)
    block, count = io.BytesIO(), 0

    def flush() -> None:
        nonlocal block, count
        if count:
            content = block.getvalue()
            if codec == b"deflate":
                squeezer = zlib.compressobj(wbits=-15)
                content = squeezer.compress(content) + squeezer.flush()
            fastavro.schemaless_writer(out, "long", count)
            fastavro.schemaless_writer(out, "long", len(content))
            out.write(content)
            out.write(sync)
        block, count = io.BytesIO(), 0

    for record in found:
        fastavro.schemaless_writer(block, parsed, record)
        count += 1
        if block.tell() >= _BLOCK_BYTES:
            flush()
    flush()
    return out.getvalue()
