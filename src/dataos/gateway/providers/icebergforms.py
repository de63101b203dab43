"""Trino's spelling of tables and the Iceberg form of them: types, partitioning, sort orders, properties, both ways."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.gateway import types
from dataos.gateway.commands.model import ColumnDefinition
from dataos.gateway.relations import Column, Relation, ViewScan
from dataos.lakehouse import descriptions, namespaces
from dataos.lakehouse.operations import forms
from dataos.lakehouse.operations.partitioning import PartitionField

_PRIMITIVES = {
    exp.DType.BOOLEAN: "boolean",
    exp.DType.TINYINT: "int",
    exp.DType.SMALLINT: "int",
    exp.DType.INT: "int",
    exp.DType.BIGINT: "long",
    exp.DType.FLOAT: "float",
    exp.DType.DOUBLE: "double",
    exp.DType.VARCHAR: "string",
    exp.DType.CHAR: "string",
    exp.DType.TEXT: "string",
    exp.DType.VARBINARY: "binary",
    exp.DType.DATE: "date",
    exp.DType.TIME: "time",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamptz",
    exp.DType.UUID: "uuid",
}
_CALL = re.compile(
    r"\s*(?P<name>[A-Za-z]+)\s*\(\s*(?P<column>\"(?:[^\"]|\"\")+\"|[^,()\s]+)\s*(?:,\s*(?P<size>\d+)\s*)?\)\s*"
)
_TRANSFORMS = {
    **{w: w for w in ("year", "month", "day", "hour")},
    **{f"{w}s": w for w in ("year", "month", "day", "hour")},
}
_ORDER = re.compile(
    r"\s*(?P<column>\"(?:[^\"]|\"\")+\"|\S+)(?:\s+(?P<way>ASC|DESC))?(?:\s+NULLS\s+(?P<nulls>FIRST|LAST))?\s*",
    re.IGNORECASE,
)

TABLE_PROPERTIES: Mapping[str, tuple[str, str, str]] = {
    "format": ("varchar", "PARQUET", "File format for the table: PARQUET"),
    "format_version": ("integer", "2", "Iceberg table format version: 1, 2 or 3 (rows of 3 cannot be written by SQL)"),
    "location": ("varchar", "", "Folder of the table, below the Lakehouse's; chosen by the catalog if left out"),
    "partitioning": (
        "array(varchar)",
        "[]",
        "Partition transforms: day(ts), bucket(id, 16), truncate(name, 4), country",
    ),
    "sorted_by": ("array(varchar)", "[]", "Sort order of the table: id DESC NULLS LAST"),
    "compression_codec": ("varchar", "ZSTD", "Compression of data files: ZSTD, SNAPPY, GZIP, LZ4, NONE"),
    "extra_properties": ("map(varchar, varchar)", "{}", "Iceberg properties as they are: write.target-file-size-bytes"),
}
"""Properties of CREATE TABLE: type, default, what it says. A name with a dot is an Iceberg property."""


def type_json(kind: exp.DataType, counter: list[int]) -> Any:
    """A type as Iceberg's JSON; `counter` gives field ids. Raises DataOSError `query.type`."""
    base = kind.this
    if base in _PRIMITIVES:
        return _PRIMITIVES[base]
    if base is exp.DType.DECIMAL:
        precision, scale = types.digits(kind) or (types.MAX_DIGITS, 0)
        return f"decimal({precision}, {scale})"
    if base is exp.DType.ARRAY and kind.expressions:
        number = _next(counter)
        inner = type_json(kind.expressions[0], counter)
        return {"type": "list", "element-id": number, "element": inner, "element-required": False}
    if base is exp.DType.MAP and len(kind.expressions) == 2:
        first, second = _next(counter), _next(counter)
        key, value = (type_json(k, counter) for k in kind.expressions)
        return {"type": "map", "key-id": first, "key": key, "value-id": second, "value": value, "value-required": False}
    if base is exp.DType.STRUCT:
        return {"type": "struct", "fields": [_struct_field(part, counter) for part in kind.expressions]}
    raise fail(
        "query.type",
        f"Type not supported for a Lakehouse's tables: {kind.sql('trino').lower()}",
        hint="keep such values as varchar, or as bigint",
    )


def _struct_field(part: exp.Expr, counter: list[int]) -> dict[str, Any]:
    if not isinstance(part, exp.ColumnDef) or not isinstance(part.args.get("kind"), exp.DataType):
        raise fail("query.type", "fields of a row need names", hint="row(city varchar, zip bigint)")
    number = _next(counter)
    return {"id": number, "name": part.name, "required": False, "type": type_json(part.args["kind"], counter)}


def _next(counter: list[int]) -> int:
    counter[0] += 1
    return counter[0]


def fields(columns: Sequence[ColumnDefinition]) -> list[dict[str, Any]]:
    """The fields of a new table's struct. Raises DataOSError `query.type`."""
    counter = [len(columns)]
    made: list[dict[str, Any]] = []
    for number, column in enumerate(columns, 1):
        one: dict[str, Any] = {
            "id": number,
            "name": column.name,
            "required": not column.nullable,
            "type": type_json(column.type, counter),
        }
        if column.comment:
            one["doc"] = column.comment
        made.append(one)
    return made


@dataclass(frozen=True)
class Settings:
    """What properties of a statement come to. `location`: None lets the catalog choose; `removed`: set to DEFAULT."""

    properties: dict[str, str] = field(default_factory=dict[str, str])
    partitioning: list[PartitionField] | None = None
    sorted_by: list[tuple[str, bool, bool]] | None = None  # column, ascending, nulls first
    location: str | None = None
    format_version: int | None = None
    removed: tuple[str, ...] = ()


def settings(given: Mapping[str, Any]) -> Settings:
    """Raises DataOSError `query.property` for one that is not known, or has a wrong value."""
    made: dict[str, str] = {}
    removed: list[str] = []
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = key.lower()
        if "." in key:
            if value is None:
                removed.append(key)
            else:
                made[key] = _text(value)
            continue
        if name not in TABLE_PROPERTIES:
            raise fail(
                "query.property",
                f"Catalog table property '{key}' does not exist",
                hint=did_you_mean(name, TABLE_PROPERTIES)
                or f"known: {', '.join(TABLE_PROPERTIES)}, and Iceberg's own with a dot",
            )
        _take(name, value, made, removed, found)
    return Settings(
        made,
        found.get("partitioning"),
        found.get("sorted_by"),
        found.get("location"),
        found.get("version"),
        tuple(removed),
    )


def _take(name: str, value: Any, made: dict[str, str], removed: list[str], found: dict[str, Any]) -> None:
    match name:
        case "format":
            if str(value or "PARQUET").upper() != "PARQUET":
                raise _wrong(name, value, "PARQUET is the only format that is written here")
        case "format_version":
            if value not in (None, 1, 2, 3):
                raise _wrong(name, value, "1, 2 or 3")
            found["version"] = value
        case "location":
            found["location"] = None if value is None else str(value)
        case "partitioning":
            found["partitioning"] = [_partition(t) for t in _texts(name, value)]
        case "sorted_by":
            found["sorted_by"] = [_sorting(t) for t in _texts(name, value)]
        case "compression_codec":
            if value is None:
                removed.append("write.parquet.compression-codec")
            elif str(value).upper() not in ("ZSTD", "SNAPPY", "GZIP", "LZ4", "NONE"):
                raise _wrong(name, value, "ZSTD, SNAPPY, GZIP, LZ4, NONE")
            else:
                made["write.parquet.compression-codec"] = str(value).lower().replace("none", "uncompressed")
        case _:
            if not isinstance(value, dict):
                raise _wrong(name, value, "MAP(ARRAY['write.target-file-size-bytes'], ARRAY['134217728'])")
            made.update({str(k): _text(v) for k, v in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):  # pyright: ignore[reportUnknownVariableType]
        raise _wrong(name, value, "ARRAY['...', '...']")
    return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _wrong(name: str, value: Any, allowed: str) -> DataOSError:
    return fail(
        "query.property", f"Invalid value for catalog table property '{name}': {value}", hint=f"allowed: {allowed}"
    )


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _partition(text: str) -> PartitionField:
    found = _CALL.fullmatch(text)
    if found is None:
        column = _bare(text.strip())
        if not column or "(" in column:
            raise _wrong("partitioning", text, "day(ts), bucket(id, 16), truncate(name, 4), or a column")
        return PartitionField(column, "identity", column)
    name, column, size = found["name"].lower(), _bare(found["column"]), found["size"]
    if name in _TRANSFORMS and size is None:
        return PartitionField(column, _TRANSFORMS[name], f"{column}_{_TRANSFORMS[name]}")
    if name in ("bucket", "truncate") and size is not None and int(size) > 0:
        return PartitionField(column, f"{name}[{int(size)}]", f"{column}_{'bucket' if name == 'bucket' else 'trunc'}")
    raise _wrong("partitioning", text, "year, month, day, hour (column), bucket (column, n), truncate (column, n)")


def _sorting(text: str) -> tuple[str, bool, bool]:
    found = _ORDER.fullmatch(text)
    if found is None:
        raise _wrong("sorted_by", text, "column [ASC | DESC] [NULLS FIRST | LAST]")
    ascending = (found["way"] or "ASC").upper() == "ASC"
    first = found["nulls"].upper() == "FIRST" if found["nulls"] else ascending
    return _bare(found["column"]), ascending, first


def partition_text(column: str, transform: str) -> str:
    """A partition field as Trino writes it."""
    sized = re.fullmatch(r"(bucket|truncate)\[(\d+)\]", transform)
    if transform == "identity":
        return column
    return f"{sized[1]}({column}, {sized[2]})" if sized else f"{transform}({column})"


def describe(content: bytes) -> dict[str, Any]:
    """Comment and properties of a table's metadata, as CREATE TABLE names them."""
    metadata: dict[str, Any] = json.loads(content)
    names = {number: name for name, number in forms.columns(forms.current_fields(metadata)).items()}
    properties = dict(metadata.get("properties") or {})
    found: dict[str, Any] = {"format": "PARQUET", "format_version": metadata["format-version"]}
    parts = [
        partition_text(names.get((p.get("source-ids") or [p["source-id"]])[0], "?"), p["transform"])
        for p in forms.current_spec(metadata)
        if p["transform"] != "void"
    ]
    if parts:
        found["partitioning"] = parts
    current = metadata.get("default-sort-order-id", 0)
    order = next((o["fields"] for o in metadata.get("sort-orders", []) if o["order-id"] == current), [])
    if order:
        found["sorted_by"] = [
            f"{names.get(o['source-id'], '?')} {o['direction'].upper()} {o['null-order'].replace('-', ' ').upper()}"
            for o in order
        ]
    found["location"] = metadata["location"]
    comment = properties.pop("comment", None)
    codec = properties.pop("write.parquet.compression-codec", None)
    if codec:
        found["compression_codec"] = codec.replace("uncompressed", "none").upper()
    if properties:
        found["extra_properties"] = dict(sorted(properties.items()))
    return {"comment": comment, "properties": found}


def view(catalog: str, schema: str, name: str, metadata: Mapping[str, Any], definer: str | None) -> Relation:
    """A view of the catalog, from its metadata. Trino's SQL goes before any other's."""
    version = next(v for v in metadata["versions"] if v["version-id"] == metadata["current-version-id"])
    texts = {str(r.get("dialect", "")).lower(): str(r.get("sql", "")) for r in version["representations"]}
    dialect = "trino" if "trino" in texts else next(iter(texts), "")
    number = version.get("schema-id", 0)
    columns: list[dict[str, Any]] = next((s["fields"] for s in metadata["schemas"] if s["schema-id"] == number), [])
    properties = metadata.get("properties") or {}
    levels = version.get("default-namespace") or []
    scan = ViewScan(
        texts.get(dialect, ""),
        version.get("default-catalog") or catalog,
        namespaces.join(levels) if levels else schema,
        definer,
        dialect,
        properties.get("comment"),
        "definer" if definer is not None else "invoker",
    )
    shown = tuple(
        Column(
            c["name"], types.from_iceberg(descriptions.type_text(c["type"])), not c.get("required"), c.get("doc", "")
        )
        for c in columns
    )
    return Relation(catalog, schema, name, shown, scan)
