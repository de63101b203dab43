"""Avro object container files, by fastavro. Types as Spark reads and writes them.

Source: Avro specification 1.11 (logical types); Spark's Avro guide (conversion tables).
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.driver.formats import model
from dataos.stacks.flare.driver.formats.model import BATCH_ROWS, Content, Options, Wanted, flag

_CODECS = {"none": "null", "gzip": "deflate", "snappy": "snappy", "zstd": "zstandard"}
_BROKEN = (
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
    zlib.error,
)  # garbage has absurd lengths
Adapt = Callable[[Any], Any]
"""What makes a value of fastavro one of Arrow's; None: it is one."""


def read(wanted: Wanted) -> Content:
    """Record by record. With `avroSchema` the files are read as that schema, by Avro's rules of resolution."""
    import fastavro
    import pyarrow as pa
    from fastavro.read import SchemaResolutionError

    given = _given(wanted.options)
    if "datetimerebasemode" in wanted.options:
        wanted.notice("`datetimeRebaseMode` has no effect: dates are read as they are written")
    opened: list[tuple[str, Any, Any]] = []
    for path in wanted.files:
        written = _written(path)
        target = given if given is not None else written
        if given is not None and flag(wanted.options, "positionalfieldmatching"):
            target = _by_position(given, written, path)
        opened.append((path, written, target))
    types: list[tuple[str, Any]] = []
    adapts: dict[str, dict[str, Adapt | None]] = {}
    for path, written, target in opened:
        body = target if given is not None else written
        try:
            fields, adapts[path] = _Types().record(body)
        except DataOSError as error:
            raise fail("flare.file", f"{path}: {error.problem.message}", hint=error.problem.hint) from error
        types.append((path, pa.schema(fields)))
    schema = model.same_schemas(types, flag(wanted.options, "mergeschema"))

    def rows(path: str, target: Any) -> Iterator[dict[str, Any]]:
        adapt = {k: f for k, f in adapts[path].items() if f is not None}
        number = 0
        try:
            with open(path, "rb") as file:
                for record in fastavro.reader(file, reader_schema=target if given is not None else None):
                    row = cast("dict[str, Any]", record)
                    for key, change in adapt.items():
                        row[key] = change(row[key])
                    number += 1
                    yield row
        except OSError as error:
            raise model.unreadable(path, error) from error
        except SchemaResolutionError as error:
            text = str(error)[:200]
            raise fail("flare.file", f"{path} does not go with `avroSchema`: {text}", hint="correct it") from error
        except _BROKEN as error:
            raise _damaged(path, error, number) from error

    def batches() -> Iterator[Any]:
        for path, _, target in opened:
            held: list[dict[str, Any]] = []
            for row in rows(path, target):
                held.append(row)
                if len(held) >= BATCH_ROWS:
                    yield _batch(path, held, schema)
                    held = []
            if held:
                yield _batch(path, held, schema)

    return Content(schema, batches())


def _batch(path: str, rows: list[dict[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise fail("flare.file", f"{path}: a value does not have its type: {str(error)[:200]}") from error


def _written(path: str) -> Any:
    import fastavro

    try:
        with open(path, "rb") as file:
            schema = fastavro.reader(file).writer_schema
    except OSError as error:
        raise model.unreadable(path, error) from error
    except _BROKEN as error:
        raise _damaged(path, error, 0) from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise fail("flare.file", f"{path} holds no records", hint="rows are made of Avro records")
    return schema


def _damaged(path: str, error: Exception, rows: int) -> Exception:
    if Path(path).stat().st_size == 0:
        return fail("flare.file", f"{path} is empty", hint="write the file again")
    after = f" after {rows} rows" if rows else ""
    text = str(error).splitlines()[0][:160] if str(error) else "it ends too early"
    return fail("flare.file", f"{path} is no whole Avro file{after}: {text}", hint="write the file again")


def _given(options: Options) -> Any:
    import fastavro
    from fastavro.schema import SchemaParseException

    text = options.get("avroschema")
    if not text:
        return None
    try:
        return fastavro.parse_schema(json.loads(text))
    except (ValueError, TypeError, KeyError, SchemaParseException) as error:
        raise fail("flare.schema_text", f"`avroSchema` is no Avro schema: {str(error)[:200]}") from error


def _by_position(given: Any, written: Any, path: str) -> Any:
    """The given schema whose fields find those of the file by their place."""
    there, here = written["fields"], given["fields"]
    if len(there) < len(here):
        hint = "leave `positionalFieldMatching` out to match fields by name"
        raise fail("flare.file", f"{path} has {len(there)} fields, `avroSchema` names {len(here)}", hint=hint)
    named = [{**f, "aliases": [w["name"], *f.get("aliases", [])]} for f, w in zip(here, there, strict=False)]
    return {**given, "fields": named}


def type_of(schema: Any) -> tuple[Any, Adapt | None]:
    """The Arrow type of a parsed schema, and what makes a value of fastavro one of it. Raises DataOSError
    `flare.file`."""
    types = _Types()
    if isinstance(schema, dict):
        body = cast("dict[str, Any]", schema)
        for name, found in body.get("__named_schemas", {}).items():
            types.know(name, found)
    return types.type_of(schema)


def schema_of(kind: Any, name: str) -> tuple[Any, Adapt]:
    """The Avro schema of an Arrow type, whose records are named after `name`, and what makes its values Avro's.

    Raises DataOSError `flare.types`."""
    import pyarrow as pa

    namer = _Namer(_identifier(name).replace(".", "_"), "")
    if pa.types.is_struct(kind):
        body, changes = namer.record(pa.schema([kind.field(i) for i in range(kind.num_fields)]))
        return body, _fields({k: _or_null(f) for k, f in changes.items()})
    return namer.value(kind)


class _Types:
    """Arrow types of one Avro schema; named types are known below where they stand."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}
        self._open: list[str] = []

    def know(self, name: str, body: Any) -> None:
        """A named type that stands elsewhere."""
        self._named.setdefault(name.rsplit(".", 1)[-1], body)

    def record(self, body: Any) -> tuple[list[Any], dict[str, Adapt | None]]:
        """Fields of a record, and what adapts their values. Raises DataOSError `flare.file`."""
        import pyarrow as pa

        name = str(body.get("name", "")).rsplit(".", 1)[-1]
        if name in self._open:
            raise fail("flare.file", f"the record `{name}` holds itself, which no column can", hint="flatten it before")
        if not body["fields"]:
            raise fail("flare.file", f"the record `{name}` has no fields, which no column can be")
        self._open.append(name)
        self._named[name] = body
        fields: list[Any] = []
        adapts: dict[str, Adapt | None] = {}
        for field in body["fields"]:
            kind, adapts[field["name"]] = self.type_of(field["type"])
            fields.append(pa.field(field["name"], kind))
        self._open.pop()
        return fields, adapts

    def type_of(self, node: Any) -> tuple[Any, Adapt | None]:
        """The Arrow type of a schema node, and what adapts its values."""
        import pyarrow as pa

        if isinstance(node, list):
            return self._union(cast("list[Any]", node))
        if isinstance(node, dict):
            return self._complex(cast("dict[str, Any]", node))
        simple: dict[str, Any] = {
            "null": pa.null(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
            "double": pa.float64(), "bytes": pa.binary(), "string": pa.string(),
        }  # fmt: skip
        if node == "null":
            return pa.string(), None
        if node in simple:
            return simple[node], None
        found = self._named.get(str(node).rsplit(".", 1)[-1])
        if found is None:
            raise fail("flare.file", f"unknown Avro type `{node}`")
        return self._complex(found)

    def _complex(self, body: dict[str, Any]) -> tuple[Any, Adapt | None]:
        import pyarrow as pa

        kind = body["type"]
        if isinstance(kind, dict | list):
            return self.type_of(kind)
        if kind in ("enum", "fixed"):
            self._named[str(body.get("name", "")).rsplit(".", 1)[-1]] = body
        match body.get("logicalType"):
            case "decimal":
                return pa.decimal128(int(body["precision"]), int(body.get("scale", 0))), None
            case "date":
                return pa.date32(), None
            case "timestamp-millis" | "timestamp-micros":
                return pa.timestamp("us", tz="UTC"), None
            case "local-timestamp-millis" | "local-timestamp-micros":
                return pa.timestamp("us"), None
            case "time-millis":
                return pa.int32(), lambda v: None if v is None else _micros(v) // 1000
            case "time-micros":
                return pa.int64(), lambda v: None if v is None else _micros(v)
            case "uuid":
                return pa.string(), lambda v: str(v) if isinstance(v, uuid.UUID) else v
            case _:
                pass
        match kind:
            case "record":
                fields, adapts = self.record(body)
                changes = {k: f for k, f in adapts.items() if f is not None}
                return pa.struct(fields), _fields(changes) if changes else None
            case "array":
                inner, adapt = self.type_of(body["items"])
                return pa.list_(inner), _each(adapt) if adapt else None
            case "map":
                inner, adapt = self.type_of(body["values"])
                return pa.map_(pa.string(), inner), _pairs(adapt)
            case "enum":
                return pa.string(), None
            case "fixed":
                return pa.binary(), None
            case _:
                return self.type_of(kind)

    def _union(self, options: list[Any]) -> tuple[Any, Adapt | None]:
        import fastavro
        import pyarrow as pa

        branches = [o for o in options if o != "null"]
        if not branches:
            return pa.string(), None
        if len(branches) == 1:
            return self.type_of(branches[0])
        words = {b for b in branches if isinstance(b, str)}
        if len(words) == len(branches) and words <= {"int", "long"}:
            return pa.int64(), None
        if len(words) == len(branches) and words <= {"float", "double"}:
            return pa.float64(), None
        types = [self.type_of(b) for b in branches]
        parsed = [_validatable(b, self._named) for b in branches]

        def member(value: Any) -> Any:
            if value is None:
                return None
            found: dict[str, Any] = {f"member{n}": None for n in range(len(branches))}
            for number, (schema, (_, adapt)) in enumerate(zip(parsed, types, strict=True)):
                if fastavro.validate(value, schema, raise_errors=False):
                    found[f"member{number}"] = adapt(value) if adapt else value
                    break
            return found

        return pa.struct([pa.field(f"member{n}", kind) for n, (kind, _) in enumerate(types)]), member


def _validatable(branch: Any, named: dict[str, Any]) -> Any:
    return named.get(branch.rsplit(".", 1)[-1], branch) if isinstance(branch, str) else branch


def _micros(value: Any) -> int:
    if isinstance(value, dt.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return int(value)


def _fields(changes: dict[str, Adapt]) -> Adapt:
    def adapt(value: Any) -> Any:
        return None if value is None else {**value, **{k: f(value[k]) for k, f in changes.items()}}

    return adapt


def _each(change: Adapt) -> Adapt:
    return lambda value: None if value is None else [change(v) for v in value]


def _pairs(change: Adapt | None) -> Adapt:
    def adapt(value: Any) -> Any:
        return None if value is None else [(k, change(v) if change else v) for k, v in value.items()]

    return adapt


# --- writing ----------------------------------------------------------------------------------------------------------


def write(batches: Iterator[Any], schema: Any, target: Path, options: Options, codec: str) -> int:
    """One file. Every column may be NULL. Raises DataOSError `flare.types`, `flare.option`, `flare.schema_text`."""
    import fastavro

    namer = _Namer(options.get("recordname", "topLevelRecord"), options.get("recordnamespace", ""))
    own, shapes = namer.record(schema)
    body = _given(options) or fastavro.parse_schema(own)
    rows = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal rows
        for batch in batches:
            for row in batch.to_pylist():
                rows += 1
                for key, change in shapes.items():
                    row[key] = change(row[key])
                yield row

    try:
        with target.open("wb") as file:
            fastavro.writer(file, body, records(), codec=_CODECS[codec])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise fail("flare.types", f"row {rows} cannot be written as Avro: {str(error)[:200]}") from error
    return rows


class _Namer:
    """The Avro schema of Arrow columns, as Spark names its parts."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace

    def record(self, schema: Any) -> tuple[dict[str, Any], dict[str, Adapt]]:
        """The schema of rows, and what makes Arrow's values Avro's, by column."""
        body, changes = self._fields(list(schema), self._name, self._name)
        if self._namespace:
            body["namespace"] = self._namespace
        return body, changes

    def value(self, kind: Any) -> tuple[Any, Adapt]:
        """As `record`, of one value."""
        body, change = self._type(kind, self._name, self._name)
        return body, _or_null(change)

    def _fields(self, fields: list[Any], name: str, place: str) -> tuple[dict[str, Any], dict[str, Adapt]]:
        made: list[Any] = []
        changes: dict[str, Adapt] = {}
        for field in fields:
            kind, change = self._type(field.type, f"{place}.{field.name}", field.name)
            made.append({"name": field.name, "type": [kind, "null"]})
            if change is not None:
                changes[field.name] = change
        return {"type": "record", "name": name, "fields": made}, changes

    def _type(self, kind: Any, place: str, name: str) -> tuple[Any, Adapt | None]:
        import pyarrow as pa

        t = pa.types
        if t.is_boolean(kind):
            return "boolean", None
        if t.is_int64(kind):
            return "long", None
        if t.is_integer(kind):
            return "int", None
        if t.is_floating(kind):
            return ("double" if kind == pa.float64() else "float"), None
        if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
            return "string", None
        if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind):
            return "bytes", None
        if t.is_date(kind):
            return {"type": "int", "logicalType": "date"}, None
        if t.is_timestamp(kind):
            word = "timestamp-micros" if kind.tz else "local-timestamp-micros"
            return {"type": "long", "logicalType": word}, None
        if t.is_decimal(kind):
            size = (int(10**kind.precision).bit_length() + 8) // 8
            return {
                "type": "fixed", "name": _identifier(f"{place}.fixed"), "size": size, "logicalType": "decimal",
                "precision": kind.precision, "scale": kind.scale,
            }, None  # fmt: skip
        if t.is_list(kind) or t.is_large_list(kind):
            inner, change = self._type(kind.value_type, f"{place}.element", name)
            return {"type": "array", "items": [inner, "null"]}, _each_or_null(change)
        if t.is_map(kind):
            if not (t.is_string(kind.key_type) or t.is_large_string(kind.key_type)):
                hint = "cast the keys to string"
                raise fail("flare.types", f"column `{name}` is a map whose keys are no strings", hint=hint)
            inner, change = self._type(kind.item_type, f"{place}.value", name)
            adapt = _or_null(change)
            return {"type": "map", "values": [inner, "null"]}, (
                lambda v: None if v is None else {k: adapt(w) for k, w in v}
            )
        if t.is_struct(kind):
            inside = [kind.field(i) for i in range(kind.num_fields)]
            body, changes = self._fields(inside, _identifier(place), place)
            return body, _fields({k: _or_null(f) for k, f in changes.items()}) if changes else None
        raise fail("flare.types", f"column `{name}` is {kind}, which Avro cannot hold", hint="cast it")


def _or_null(change: Adapt | None) -> Adapt:
    return (lambda v: v) if change is None else (lambda v: None if v is None else change(v))


def _each_or_null(change: Adapt | None) -> Adapt | None:
    return None if change is None else (lambda v: None if v is None else [None if w is None else change(w) for w in v])


def _identifier(place: str) -> str:
    """A full name: parts of letters, digits and `_`."""
    parts = ["".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in p) for p in place.split(".")]
    return ".".join(f"_{p}" if p[:1].isdigit() or not p else p for p in parts)
