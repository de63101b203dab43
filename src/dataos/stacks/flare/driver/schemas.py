"""Types between the engine and Iceberg: names of both, which assignments are safe, which transforms fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataos.core.errors import fail
from dataos.stacks.flare.model import PartitionField

_SIMPLE = {
    "boolean": "boolean", "tinyint": "int", "smallint": "int", "int": "int", "bigint": "long", "float": "float",
    "double": "double", "date": "date", "timestamp": "timestamptz", "timestamp_ntz": "timestamp", "string": "string",
    "binary": "binary",
}  # fmt: skip
_SPARK = {
    "boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "timestamptz": "TIMESTAMP", "timestamp": "TIMESTAMP_NTZ", "string": "STRING", "binary": "BINARY", "uuid": "STRING",
}  # fmt: skip
_ORDER = ("tinyint", "smallint", "int", "bigint")
_TIMES = ("date", "timestamp", "timestamp_ntz")


def iceberg_fields(columns: Sequence[tuple[str, Any]], counter: list[int]) -> list[dict[str, Any]]:
    """Fields of a new table: top-level ids first, as the specification's examples number them."""
    start = counter[0]
    counter[0] += len(columns)
    return [
        {"id": start + n + 1, "name": name, "required": False, "type": iceberg_type(kind, counter)}
        for n, (name, kind) in enumerate(columns)
    ]


def iceberg_type(kind: Any, counter: list[int]) -> Any:
    """The Iceberg type of an engine type (JSON form). Raises DataOSError `flare.types` if it has none."""
    word = kind.typeName()
    simple = kind.simpleString()
    if word == "decimal":
        return f"decimal({kind.precision}, {kind.scale})"
    if word == "array":
        number = _next(counter)
        return {"type": "list", "element-id": number, "element": iceberg_type(kind.elementType, counter),
                "element-required": False}  # fmt: skip
    if word == "map":
        key, value = _next(counter), _next(counter)
        return {"type": "map", "key-id": key, "key": iceberg_type(kind.keyType, counter), "value-id": value,
                "value": iceberg_type(kind.valueType, counter), "value-required": False}  # fmt: skip
    if word == "struct":
        return {"type": "struct", "fields": iceberg_fields([(f.name, f.dataType) for f in kind.fields], counter)}
    if simple.startswith(("varchar", "char")):
        return "string"
    if simple in _SIMPLE:
        return _SIMPLE[simple]
    what = "NULL without a type" if word == "void" else f"of type {simple}"
    raise fail("flare.types", f"it is {what}, which an Iceberg table cannot hold")


def _next(counter: list[int]) -> int:
    counter[0] += 1
    return counter[0]


def text_of(kind: Any) -> str:
    """An Iceberg type for people."""
    if isinstance(kind, str):
        return kind.replace(" ", "")
    match kind["type"]:
        case "list":
            return f"list<{text_of(kind['element'])}>"
        case "map":
            return f"map<{text_of(kind['key'])},{text_of(kind['value'])}>"
        case _:
            return "struct<" + ",".join(f"{f['name']}:{text_of(f['type'])}" for f in kind["fields"]) + ">"


def spark_text(kind: Any) -> str:
    """An Iceberg type as the engine's SQL writes it."""
    if isinstance(kind, str):
        if kind.startswith("decimal"):
            return kind.replace(" ", "").upper()
        if kind.startswith("fixed"):
            return "BINARY"
        return _SPARK.get(kind, kind.upper())
    match kind["type"]:
        case "list":
            return f"ARRAY<{spark_text(kind['element'])}>"
        case "map":
            return f"MAP<{spark_text(kind['key'])}, {spark_text(kind['value'])}>"
        case _:
            return "STRUCT<" + ", ".join(f"`{f['name']}`: {spark_text(f['type'])}" for f in kind["fields"]) + ">"


def assignable(kind: Any, target: Any) -> str | None:
    """How a value gets into a column: "" as it is, a type to cast to, or None where that could lose something.

    Spark's rules of store assignment, less what may fail on a value: numbers widen, NULL goes anywhere.
    """
    word, simple = kind.typeName(), kind.simpleString()
    if word == "void":
        return spark_text(target)
    if not isinstance(target, str):
        if word not in ("array", "map", "struct"):
            return None
        return _nested(kind, target)
    if word in ("array", "map", "struct"):
        return None
    if target.startswith("decimal"):
        return _to_decimal(kind, target)
    if _SIMPLE.get(simple) == target:
        return spark_text(target) if simple in ("tinyint", "smallint") else ""
    if target == "long" and simple in _ORDER:
        return "BIGINT"
    if target == "float" and simple in ("tinyint", "smallint"):
        return "FLOAT"
    if target == "double" and (simple in ("tinyint", "smallint", "int", "float")):
        return "DOUBLE"
    if target == "string" and (simple in _SIMPLE or word == "decimal") and simple != "binary":
        return "STRING"
    if target in ("timestamptz", "timestamp") and simple in _TIMES:
        return _SPARK[target]
    return None


def _to_decimal(kind: Any, target: str) -> str | None:
    precision, scale = (int(p) for p in target[8:-1].split(","))
    if kind.typeName() == "decimal":
        fits = kind.scale <= scale and kind.precision - kind.scale <= precision - scale
        return None if not fits else ("" if (kind.precision, kind.scale) == (precision, scale) else spark_text(target))
    digits = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}.get(kind.simpleString())
    return spark_text(target) if digits is not None and digits <= precision - scale else None


def _nested(kind: Any, target: Any) -> str | None:
    match target["type"]:
        case "list":
            inner = [(kind.elementType, target["element"])] if kind.typeName() == "array" else None
        case "map":
            pair = [(kind.keyType, target["key"]), (kind.valueType, target["value"])]
            inner = pair if kind.typeName() == "map" else None
        case _:
            same = kind.typeName() == "struct" and [f.name.lower() for f in kind.fields] == [
                f["name"].lower() for f in target["fields"]
            ]
            pairs = zip(kind.fields, target["fields"], strict=True) if same else ()
            inner = [(a.dataType, b["type"]) for a, b in pairs] if same else None
    if inner is None:
        return None
    verdicts = [assignable(a, b) for a, b in inner]
    if None in verdicts:
        return None
    return spark_text(target) if any(verdicts) else ""


def can_transform(transform: str, kind: str) -> bool:
    """Whether a partition transform fits a column's type."""
    match transform:
        case "identity":
            return not kind.startswith(("array", "map", "struct"))
        case "hour":
            return kind in ("timestamp", "timestamp_ntz")
        case "bucket":
            return kind in (
                "int",
                "bigint",
                "string",
                "date",
                "timestamp",
                "timestamp_ntz",
                "binary",
            ) or kind.startswith("decimal")
        case _:
            return kind in _TIMES


def transform_text(field: PartitionField) -> str:
    """The transform in Iceberg's metadata."""
    return f"bucket[{field.buckets}]" if field.transform == "bucket" else field.transform
