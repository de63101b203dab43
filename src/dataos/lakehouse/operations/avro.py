"""Avro record schemas with Iceberg's extras, to and from Iceberg's schema JSON (ch06 3.3).

Extras are `field-id`, `element-id`, `key-id`, `value-id` and `adjust-to-utc`. Ids may be left out on the way in: the
catalog gives fresh ones anyhow. Optional parts are unions with null. PyIceberg's own conversion forgets that elements
and map values are optional, and takes fewer spellings. Source: Iceberg specification, appendix A.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from dataos.core.errors import DataOSError, Problem

_PRIMITIVES = {
    "boolean": "boolean",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "enum": "string",
    "bytes": "binary",
}
_LOGICAL = {
    ("int", "date"): "date",
    ("int", "time-millis"): "time",
    ("long", "time-micros"): "time",
    ("long", "local-timestamp-millis"): "timestamp",
    ("long", "local-timestamp-micros"): "timestamp",
    ("string", "uuid"): "uuid",
    ("fixed", "uuid"): "uuid",
}
_ZONED = ("timestamp-millis", "timestamp-micros")
MAX_PRECISION = 38
_DEEPEST = 30

Json = Any


def to_fields(schema: Json, path: str) -> list[dict[str, Any]]:
    """Fields of an Iceberg struct out of an Avro record. `path`: where it stands, for messages.

    Raises DataOSError with all problems (`dataset.schema`).
    """
    reader = _Reader()
    found = reader.record(schema, path, 0)
    if reader.problems:
        raise DataOSError(reader.problems)
    return found


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._given: set[int] = set()
        self._ids: Iterator[int] = itertools.count(1)

    def _refuse(self, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem("dataset.schema", message, hint=hint, path=path))

    def _id(self, given: Any, path: str) -> int:
        if isinstance(given, int) and not isinstance(given, bool):
            if given in self._given:
                self._refuse(path, f"field id {given} is given twice", "leave ids out and the catalog gives them")
            self._given.add(given)
            return given
        # ids that were left out lie above all that could have been given: they are replaced by the catalog
        return next(self._ids) + (1 << 30)

    def record(self, schema: Json, path: str, depth: int) -> list[dict[str, Any]]:
        if not isinstance(schema, dict) or schema.get("type") != "record":
            self._refuse(path, "an Avro record is needed here", '{"type": "record", "name": ..., "fields": [...]}')
            return []
        raw = cast("dict[str, Any]", schema).get("fields")
        if not isinstance(raw, list) or not raw:
            self._refuse(path, "the record has no fields")
            return []
        if depth > _DEEPEST:
            self._refuse(path, f"the schema is nested deeper than {_DEEPEST} levels")
            return []
        found: list[dict[str, Any]] = []
        names: set[str] = set()
        for number, entry in enumerate(cast("list[Any]", raw)):
            where = f"{path}.fields[{number}]"
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name:
                self._refuse(where, "a field needs a name")
                continue
            if name.lower() in names:
                self._refuse(where, f"field `{name}` is there twice", "names differ by more than letter case")
            names.add(name.lower())
            members = cast("dict[str, Any]", entry)
            kind, optional = self._union(members.get("type"), where)
            one: dict[str, Any] = {
                "id": self._id(members.get("field-id"), where),
                "name": name,
                "required": not optional,
                "type": self.kind(kind, where, depth),
            }
            if members.get("doc"):
                one["doc"] = str(members["doc"])
            found.append(one)
        return found

    def _union(self, kind: Json, path: str) -> tuple[Json, bool]:
        if not isinstance(kind, list):
            return kind, False
        members = cast("list[Any]", kind)
        real = [m for m in members if m != "null"]
        if len(real) != 1 or len(members) > 2:
            self._refuse(path, "a union may hold null and one type", '["null", "string"]')
            return "string", True
        return real[0], len(members) == 2

    def kind(self, kind: Json, path: str, depth: int) -> Any:
        """Iceberg type JSON."""
        while isinstance(kind, dict) and isinstance(cast("dict[str, Any]", kind).get("type"), (dict, list)):
            inner = cast("dict[str, Any]", kind)["type"]
            kind = next((k for k in inner if k != "null"), "null") if isinstance(inner, list) else inner
        if isinstance(kind, str):
            kind = {"type": kind}
        if not isinstance(kind, dict):
            self._refuse(path, "a type is a name or an object with `type`")
            return "string"
        members = cast("dict[str, Any]", kind)
        base, logical = members.get("type"), members.get("logicalType")
        match base:
            case "record":
                return {"type": "struct", "fields": self.record(members, path, depth + 1)}
            case "array" if logical == "map":
                return self._pairs(members, path, depth)
            case "array":
                inner, optional = self._union(members.get("items"), path)
                return {
                    "type": "list",
                    "element-id": self._id(members.get("element-id"), path),
                    "element": self.kind(inner, path, depth + 1),
                    "element-required": not optional,
                }
            case "map":
                inner, optional = self._union(members.get("values"), path)
                return self._map("string", members.get("key-id"), inner, members.get("value-id"), optional, path, depth)
            case _:
                return self._primitive(base, logical, members, path)

    def _pairs(self, members: dict[str, Any], path: str, depth: int) -> Any:
        entry = members.get("items")
        fields: Any = cast("dict[str, Any]", entry).get("fields") if isinstance(entry, dict) else None
        if not isinstance(fields, list) or len(cast("list[Any]", fields)) != 2:
            self._refuse(path, "a map in array form holds records of `key` and `value`")
            return "string"
        key, value = cast("list[dict[str, Any]]", fields)
        inner, optional = self._union(value.get("type"), path)
        return self._map(key.get("type"), key.get("field-id"), inner, value.get("field-id"), optional, path, depth)

    def _map(self, key: Json, key_id: Any, value: Json, value_id: Any, optional: bool, path: str, depth: int) -> Any:
        return {
            "type": "map",
            "key-id": self._id(key_id, path),
            "key": self.kind(key, path, depth + 1),
            "value-id": self._id(value_id, path),
            "value": self.kind(value, path, depth + 1),
            "value-required": not optional,
        }

    def _primitive(self, base: Any, logical: Any, members: Mapping[str, Any], path: str) -> str:
        if logical == "decimal" and base in ("bytes", "fixed"):
            precision, scale = members.get("precision"), members.get("scale", 0)
            if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision:
                self._refuse(path, "a decimal needs `precision` and `scale`, whole numbers")
                return "string"
            if not 1 <= precision <= MAX_PRECISION:
                self._refuse(path, f"decimal precision {precision} is not between 1 and {MAX_PRECISION}")
            return f"decimal({precision}, {scale})"
        if logical in _ZONED and base == "long":
            return "timestamptz" if members.get("adjust-to-utc") else "timestamp"
        if (base, logical) in _LOGICAL:
            return _LOGICAL[base, logical]
        if base == "fixed":
            size = members.get("size")
            if not isinstance(size, int) or size < 1:
                self._refuse(path, "fixed needs `size`, a number of bytes")
                return "fixed[1]"
            return f"fixed[{size}]"
        if base not in _PRIMITIVES:
            known = ", ".join([*_PRIMITIVES, "fixed", "record", "array", "map"])
            self._refuse(path, f"Avro type `{base}` is not known here", f"allowed: {known}")
            return "string"
        return _PRIMITIVES[base]  # a logical type that is not known means its base type (Avro specification)


# --- the other way ----------------------------------------------------------------------------------------------------

_PLAIN: dict[str, Any] = {
    **{name: name for name in ("boolean", "int", "long", "float", "double", "string")},
    "binary": "bytes",
    "unknown": "null",
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": False},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": True},
    "uuid": {"type": "fixed", "size": 16, "logicalType": "uuid", "name": "uuid_fixed"},
}


def to_record(fields: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """An Avro record with Iceberg's extras, of an Iceberg struct's fields."""
    listed: list[dict[str, Any]] = []
    for field in fields:
        kind = _avro(field["type"], f"r{field['id']}")
        one: dict[str, Any] = {"name": field["name"], "type": kind if field["required"] else _optional(kind)}
        if not field["required"]:
            one["default"] = None
        if field.get("doc"):
            one["doc"] = field["doc"]
        listed.append({**one, "field-id": field["id"]})
    return {"type": "record", "name": name, "fields": listed}


def _optional(kind: Any) -> Any:
    return "null" if kind == "null" else ["null", kind]


def _avro(kind: Any, name: str) -> Any:
    if isinstance(kind, str):
        return _avro_primitive(kind)
    members = cast("dict[str, Any]", kind)
    match members["type"]:
        case "struct":
            return to_record(members["fields"], name)
        case "list":
            inner = _avro(members["element"], f"r{members['element-id']}")
            items = inner if members["element-required"] else _optional(inner)
            return {"type": "array", "items": items, "element-id": members["element-id"]}
        case _:
            key = _avro(members["key"], f"r{members['key-id']}")
            inner = _avro(members["value"], f"r{members['value-id']}")
            value = inner if members["value-required"] else _optional(inner)
            if key == "string":
                return {"type": "map", "values": value, "key-id": members["key-id"], "value-id": members["value-id"]}
            entry = {
                "type": "record",
                "name": f"k{members['key-id']}_v{members['value-id']}",
                "fields": [
                    {"name": "key", "type": key, "field-id": members["key-id"]},
                    {"name": "value", "type": value, "field-id": members["value-id"]},
                ],
            }
            return {"type": "array", "logicalType": "map", "items": entry}


def _avro_primitive(kind: str) -> Any:
    if kind in _PLAIN:
        return _PLAIN[kind]
    head, _, rest = kind.replace(" ", "").partition("[" if kind.startswith("fixed") else "(")
    if head == "fixed":
        size = int(rest.rstrip("]"))
        return {"type": "fixed", "size": size, "name": f"fixed_{size}"}
    if head == "decimal":
        precision, scale = (int(part) for part in rest.rstrip(")").split(","))
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return {"type": "string", "iceberg-type": kind}  # types of later format versions: shown, not lost
