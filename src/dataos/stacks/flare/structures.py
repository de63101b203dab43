"""Schemas that manifests give for what is read: Avro, Spark's JSON form and DDL, as one DDL text (ch04 3.7)."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.quoting import quoted

_AVRO = {
    "null": "VOID", "boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
    "bytes": "BINARY", "string": "STRING", "enum": "STRING", "fixed": "BINARY",
}  # fmt: skip
_LOGICAL = {
    "date": "DATE", "timestamp-millis": "TIMESTAMP", "timestamp-micros": "TIMESTAMP", "uuid": "STRING",
    "local-timestamp-millis": "TIMESTAMP_NTZ", "local-timestamp-micros": "TIMESTAMP_NTZ", "time-millis": "INT",
    "time-micros": "BIGINT",
}  # fmt: skip
_SPARK = {
    "boolean": "BOOLEAN", "byte": "TINYINT", "short": "SMALLINT", "integer": "INT", "int": "INT", "long": "BIGINT",
    "float": "FLOAT", "double": "DOUBLE", "string": "STRING", "binary": "BINARY", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamp_ntz": "TIMESTAMP_NTZ", "null": "VOID", "void": "VOID",
}  # fmt: skip


def ddl_of(text: str, kind: str | None) -> str:
    """The schema as DDL, `a INT, b STRUCT<c: STRING>`. `kind`: avro, spark, or None to tell from the text.

    Raises DataOSError `flare.schema_text` with what is wrong in it.
    """
    body = text.strip()
    if not body:
        raise fail("flare.schema_text", "the schema is empty")
    if body[0] not in '{["':
        return _checked(body)
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise fail("flare.schema_text", f"the schema is no JSON: {error}") from error
    if isinstance(parsed, dict) and cast("dict[str, Any]", parsed).get("type") == "struct":
        kind = "spark"  # whatever the manifest calls it
    elif isinstance(parsed, dict) and cast("dict[str, Any]", parsed).get("type") == "record":
        kind = "avro"
    if kind == "spark":
        made = _spark(parsed, "schema")
    else:
        made = _Avro().type_of(parsed, "schema")
    if not made.startswith("STRUCT<"):
        raise fail("flare.schema_text", f"the schema describes {made}, not a record with fields")
    return made[len("STRUCT<") : -1]


def fields_of(kind: str) -> list[str] | None:
    """Names of the fields of a struct type as the engine writes it; None for another type."""
    if not kind.lower().startswith("struct<"):
        return None
    try:
        built = exp.DataType.build(kind, dialect="spark")
    except (SqlglotError, ValueError):
        return None
    return [e.name for e in built.expressions]


def columns_of(ddl: str) -> list[tuple[str, str]]:
    """(name, type) of each column of a DDL text that `ddl_of` made."""
    built = exp.DataType.build(f"struct<{ddl}>", dialect="spark")
    return [(e.name, e.args["kind"].sql(dialect="spark")) for e in built.expressions]


def _checked(ddl: str) -> str:
    """DDL as it is, if it can be read: `a int, b struct<...>`, with or without STRUCT<...> around."""
    body = ddl.rstrip(";").strip()
    inner = body[7:-1] if body.lower().startswith("struct<") and body.endswith(">") else body
    written = f"struct<{_as_fields(inner)}>"
    try:
        built = exp.DataType.build(written, dialect="spark")
    except (SqlglotError, ValueError) as error:
        raise fail(
            "flare.schema_text",
            f"the schema cannot be read: {str(error).splitlines()[0][:200]}",
            hint="write DDL as in `customer_id STRING, zip INT`",
        ) from error
    if not built.expressions or any(not isinstance(e, exp.ColumnDef) for e in built.expressions):
        raise fail("flare.schema_text", f"`{ddl[:80]}` names no columns with types", hint="write `name TYPE, ...`")
    return ", ".join(f"{quoted(e.name)} {e.args['kind'].sql(dialect='spark')}" for e in built.expressions)


def _as_fields(text: str) -> str:
    """Column definitions as struct fields, without NOT NULL and comments, which say nothing about reading."""
    return re.sub(r"(?i)\s+not\s+null|\s+comment\s+'(?:[^'\\]|\\.)*'", "", text)


def _struct(fields: list[tuple[str, str]]) -> str:
    return "STRUCT<" + ", ".join(f"{quoted(n)}: {t}" for n, t in fields) + ">"


def _spark(node: Any, where: str) -> str:
    if isinstance(node, str):
        word = node.strip().lower()
        if word.startswith("decimal"):
            return word.upper() if "(" in word else "DECIMAL(10, 0)"
        if word in _SPARK:
            return _SPARK[word]
        raise fail("flare.schema_text", f"{where}: unknown type `{node}`", hint="known: " + ", ".join(_SPARK))
    if isinstance(node, dict):
        body = cast("dict[str, Any]", node)
        match body.get("type"):
            case "struct":
                return _struct([_field(f, where, _spark) for f in _list(body, "fields", where)])
            case "array":
                return f"ARRAY<{_spark(body.get('elementType'), where + '.element')}>"
            case "map":
                key, value = body.get("keyType"), body.get("valueType")
                return f"MAP<{_spark(key, where + '.key')}, {_spark(value, where + '.value')}>"
            case _:
                pass
    raise fail("flare.schema_text", f"{where}: not a type of Spark's JSON form", hint="a text, struct, array or map")


class _Avro:
    """One Avro schema: named types are known below where they stand."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}

    def type_of(self, node: Any, where: str) -> str:
        """DDL of a schema node. Raises DataOSError `flare.schema_text`."""
        if isinstance(node, str):
            known = _AVRO.get(node) or self._named.get(node.rsplit(".", 1)[-1])
            if known is None:
                raise fail("flare.schema_text", f"{where}: unknown Avro type `{node}`")
            return known
        if isinstance(node, list):
            options = [o for o in cast("list[Any]", node) if o != "null"]
            if len(options) == 1:
                return self.type_of(options[0], where)
            kinds = {self.type_of(o, where) for o in options}
            if kinds <= {"INT", "BIGINT"}:
                return "BIGINT"
            if kinds <= {"FLOAT", "DOUBLE"}:
                return "DOUBLE"
            if len(kinds) == 1:
                return kinds.pop()
            raise fail("flare.schema_text", f"{where}: a union of {', '.join(sorted(kinds))} has no one type here")
        if not isinstance(node, dict):
            raise fail("flare.schema_text", f"{where}: not an Avro schema")
        return self._complex(cast("dict[str, Any]", node), where)

    def _complex(self, body: dict[str, Any], where: str) -> str:
        kind, logical = body.get("type"), body.get("logicalType")
        if logical == "decimal":
            return f"DECIMAL({int(body.get('precision', 38))}, {int(body.get('scale', 0))})"
        if logical in _LOGICAL:
            return _LOGICAL[str(logical)]
        match kind:
            case "record":
                fields = [_field(f, where, self.type_of) for f in _list(body, "fields", where)]
                made = _struct(fields)
            case "array":
                made = f"ARRAY<{self.type_of(body.get('items'), where + '.items')}>"
            case "map":
                made = f"MAP<STRING, {self.type_of(body.get('values'), where + '.values')}>"
            case _:
                made = self.type_of(kind, where)
        if isinstance(body.get("name"), str):
            self._named[body["name"].rsplit(".", 1)[-1]] = made
        return made


def _list(body: dict[str, Any], key: str, where: str) -> list[Any]:
    found = body.get(key)
    if not isinstance(found, list):
        raise fail("flare.schema_text", f"{where}: `{key}` must be a list")
    return cast("list[Any]", found)


def _field(field: Any, where: str, type_of: Any) -> tuple[str, str]:
    if not isinstance(field, dict) or not isinstance(cast("dict[str, Any]", field).get("name"), str):
        raise fail("flare.schema_text", f"{where}: a field needs `name` and `type`")
    body = cast("dict[str, Any]", field)
    name = str(body["name"])
    try:
        return name, type_of(body.get("type"), f"{where}.{name}")
    except RecursionError as error:
        raise DataOSError(fail("flare.schema_text", f"{where}: the schema is nested too deeply").problem) from error
