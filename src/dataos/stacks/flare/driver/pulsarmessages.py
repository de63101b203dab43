"""Values of Pulsar's messages, by the schema of their topic: read as columns, and made of rows (ch04 3.5).

Schemas come through the server; bytes are read and written here, the same for both engines. Source: Pulsar's schema
types (primitive ones are big-endian; AVRO is the bare binary, its schema's version stands beside the message); the
Pulsar connector for Spark (columns, and what becomes of rows).
"""

from __future__ import annotations

import datetime as dt
import io
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from dataos.client.api import Client
from dataos.core import messageids
from dataos.core.errors import fail
from dataos.core.messageids import SCHEMA_KEY
from dataos.stacks.flare.driver import jsonrecords
from dataos.stacks.flare.driver.avromessages import Decoder, Notice, Schemas
from dataos.stacks.flare.driver.formats import avro
from dataos.stacks.flare.model import Input, Output

_BATCH_ROWS = 2000
_VERSION = "__schemaVersion"
_KEY, _TIME, _PROPERTIES = "__key", "__eventtime", "__messageproperties"
_LEFT_OUT = ("__topic", "__messageid", "__publishtime", "__producer_name")
_RAW = ("BYTES", "NONE")
_DAY_MS = 86_400_000
_BROKEN = (ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, AttributeError)


def subject_of(address: Any) -> str:
    """How the server is asked for the schema of a topic: namespace/topic."""
    namespace = address.collection if address.collection not in (None, "", "none") else "default"
    return f"{namespace}/{address.dataset}"


class _Schemas(Schemas):
    """Schemas of one topic, by their version. Any of Pulsar's types."""

    def newest(self, subject: str) -> dict[str, Any]:
        """{id, type, schema} of the topic's newest."""
        return self._ask(subject=subject)

    def _ask(self, **more: Any) -> dict[str, Any]:
        body = {"address": self._address, "subject": self.subject, **more}
        found: dict[str, Any] = self._client.json("POST", "/api/v1/inputs/schema", body=body)
        return found

    subject = ""


class PulsarDecoder(Decoder):
    """Makes columns of the values of messages: the fields of a record (schema types AVRO and JSON), else `value`.

    One schema for all, the topic's newest when this began; each message of AVRO is resolved from the one that wrote it.
    """

    def __init__(self, entry: Input, client: Client, notice: Notice) -> None:
        super().__init__(entry, client, notice)
        assert entry.address is not None  # noqa: S101 - topics have one
        self._known = _Schemas(client, str(entry.address).partition("?")[0])
        self._known.subject = self._subject = subject_of(entry.address)
        self._schemas = self._known
        self._kind = ""
        self._change: Callable[[Any], Any] | None = None

    def schema(self, schema: Any) -> Any:
        """Columns of messages. Raises as `Schemas`."""
        return self._flat(super().schema(schema))

    def batch(self, batch: Any) -> Any:
        """The messages as rows. Raises as `Decoder.batch`."""
        import pyarrow as pa

        found = super().batch(batch)
        columns: list[Any] = []
        for number, field in enumerate(found.schema):
            if field.name == "value" and pa.types.is_struct(field.type):
                columns += found.column(number).flatten()
            elif field.name != _VERSION:
                columns.append(found.column(number))
        return pa.record_batch(columns, schema=self._flat(found.schema))

    def _flat(self, schema: Any) -> Any:
        import pyarrow as pa

        fields: list[Any] = []
        for field in schema:
            if field.name == "value" and pa.types.is_struct(field.type):
                fields += [field.type.field(n) for n in range(field.type.num_fields)]
            elif field.name != _VERSION:
                fields.append(field)
        return pa.schema(fields)

    def _learn(self) -> None:
        import pyarrow as pa

        found = self._known.newest(self._subject)
        self._kind = str(found["type"]).upper()
        if self._kind in ("AVRO", "JSON"):
            self._reader = self._known.parsed(found)
            self._type, self._adapt = avro.type_of(self._reader)
            if self._kind == "JSON":
                try:
                    self._change = jsonrecords.change_of(self._reader)
                except ValueError as error:
                    text = f"{self._entry.address}: the schema of the topic cannot be read: {error}"
                    raise fail("flare.schema_text", text) from error
            return
        self._type = pa.binary()
        primitives = _primitives()
        if self._kind in primitives:
            self._type, self._change = primitives[self._kind]
        elif self._kind not in _RAW:
            self._notice(f"{self._entry.name}: values of the schema type {self._kind} are left as bytes (`value`)")

    def _place(self, batch: Any, row: int) -> str:
        data = batch.column(batch.schema.get_field_index("__messageId"))[row].as_py()
        topic = batch.column(batch.schema.get_field_index("__topic"))[row].as_py()
        found = messageids.decode(data)
        return f"{topic} {found if isinstance(found, str) else found.text()}"

    def _decode(self, data: bytes, batch: Any, row: int) -> Any:
        if self._kind == "AVRO":
            version = batch.column(batch.schema.get_field_index(_VERSION))[row].as_py()
            if version is None:
                raise ValueError("it was sent without a schema, and the topic has one")
            return self._resolved(data, 0, version)
        if self._change is None:
            return data
        try:
            return self._change(jsonrecords.parse(data) if self._kind == "JSON" else data)
        except (ValueError, struct.error, OverflowError, RecursionError) as error:
            raise ValueError(f"it is not what the topic's schema ({self._kind}) says: {str(error)[:160]}") from None


def _primitives() -> dict[str, tuple[Any, Callable[[bytes], Any]]]:
    """Pulsar's type -> Arrow's, and what reads it."""
    import pyarrow as pa

    def number(form: str) -> Callable[[bytes], Any]:
        return lambda data: struct.unpack(form, data)[0]

    def moment(data: bytes) -> dt.datetime:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=struct.unpack(">q", data)[0])

    return {
        "STRING": (pa.string(), lambda data: data.decode("utf-8")),
        "BOOLEAN": (pa.bool_(), lambda data: struct.unpack(">B", data)[0] != 0),
        "INT8": (pa.int8(), number(">b")),
        "INT16": (pa.int16(), number(">h")),
        "INT32": (pa.int32(), number(">i")),
        "INT64": (pa.int64(), number(">q")),
        "FLOAT": (pa.float32(), number(">f")),
        "DOUBLE": (pa.float64(), number(">d")),
        "DATE": (pa.date32(), lambda data: moment(data).date()),
        "TIMESTAMP": (pa.timestamp("us", "UTC"), moment),
        "TIME": (pa.int32(), lambda data: struct.unpack(">q", data)[0] % _DAY_MS),
    }


# --- writing ----------------------------------------------------------------------------------------------------------


def encode(folder: Path, output: Output, client: Client) -> None:
    """Let the Parquet files of a folder hold messages in place of rows: `value` (bytes), `__key`, `__eventTime`,
    `__messageProperties`, and what schema their values have.

    A lone `value` of text or bytes is sent as it is. Else a row (or a lone `value` that is a struct) is one record: in
    the topic's own schema where that has its columns, JSON where the topic has JSON, else Avro with the schema that the
    columns make. Raises DataOSError `flare.types`, and as the server does.
    """
    import pyarrow.parquet as pq

    schemas = _Schemas(client, str(output.address).partition("?")[0])
    subject = subject_of(output.address)
    made: _Values | None = None
    for path in sorted(folder.rglob("*.parquet")):
        whole = pq.ParquetFile(path)
        schema = whole.schema_arrow.remove_metadata()
        if made is None:
            made = _values(schema, schemas.newest(subject), schemas, output)
        _encode_file(path, whole, schema, made)


class _Values:
    """How rows become values. `column`: the one that holds them; None: all that are no parts of messages."""

    def __init__(self, column: str | None, kind: str, definition: Any, change: Callable[[Any], bytes | None]) -> None:
        self.column = column
        self.kind = kind
        self.definition = definition
        self.change = change


def _values(schema: Any, topic: Mapping[str, Any], schemas: _Schemas, output: Output) -> _Values:
    import pyarrow as pa

    payload = [f for f in schema if f.name.lower() not in (_KEY, _TIME, _PROPERTIES, *_LEFT_OUT)]
    if not payload:
        text = f"output `{output.name}` has no column that would be a message's value"
        raise fail("flare.types", text, hint="select `value`, or columns that make a record")
    column, record = None, pa.struct(payload)
    if len(payload) == 1 and payload[0].name.lower() == "value":
        column, kind = payload[0].name, payload[0].type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _Values(column, "STRING", None, lambda value: None if value is None else value.encode())
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return _Values(column, "BYTES", None, lambda value: value)
        if not pa.types.is_struct(kind):
            text = f"output `{output.name}`: a message's `value` is no {kind}"
            raise fail("flare.types", text, hint="cast it to string or binary, or name the column otherwise")
        record = kind
    known = str(topic["type"]).upper()
    if known == "JSON":
        own = schemas.parsed({**topic, "references": []})
        return _Values(column, "JSON", json.loads(topic["schema"]), lambda value: _as_json(value, own))
    made, adapt = avro.schema_of(record, output.address.dataset or "value")
    definition = _optional(made)
    if known == "AVRO":
        definition = _evolved(json.loads(topic["schema"]), definition)
    written = schemas.parsed({**topic, "schema": json.dumps(definition), "references": []})
    return _Values(column, "AVRO", definition, lambda value: _as_avro(value, written, adapt))


def _optional(body: Any) -> Any:
    """A generated record whose columns may be added to a topic's schema: each is NULL where nothing is said."""
    fields = [{**f, "type": ["null", *(t for t in f["type"] if t != "null")], "default": None} for f in body["fields"]]
    return {**body, "fields": fields}


def _evolved(topic: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """The topic's schema, with the columns that it does not know at its end."""
    if topic.get("type") != "record":
        return made
    known = {str(f["name"]) for f in topic["fields"]}
    return {**topic, "fields": [*topic["fields"], *(f for f in made["fields"] if f["name"] not in known)]}


def _as_avro(value: Any, schema: Any, adapt: avro.Adapt) -> bytes | None:
    from fastavro import schemaless_writer

    if value is None:
        return None
    stream = io.BytesIO()
    try:
        schemaless_writer(stream, schema, adapt(value))
    except _BROKEN as error:
        raise _misfit(error) from None
    return stream.getvalue()


def _as_json(value: Any, schema: Any) -> bytes | None:
    try:
        return None if value is None else jsonrecords.write(value, schema)
    except _BROKEN as error:
        raise _misfit(error) from None


def _misfit(error: Exception) -> Exception:
    text = f"a row does not go with the schema of its topic: {str(error)[:200]}"
    return fail("flare.types", text, hint="cast its columns in a step")


def _encode_file(path: Path, whole: Any, schema: Any, made: _Values) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folded = {f.name.lower(): f.name for f in schema}
    parts = {
        "__key": (_KEY, pa.string(), _text),
        "__eventTime": (_TIME, pa.timestamp("us", "UTC"), _time),
        "__messageProperties": (_PROPERTIES, pa.map_(pa.string(), pa.string()), _pairs),
    }
    own = {name: (folded[key], kind, change) for name, (key, kind, change) in parts.items() if key in folded}
    skipped = {_KEY, _TIME, _PROPERTIES, *_LEFT_OUT}
    shape = pa.schema([pa.field("value", pa.binary()), *(pa.field(n, kind) for n, (_, kind, _) in own.items())])
    body = {"type": made.kind, "schema": made.definition}
    shape = shape.with_metadata({SCHEMA_KEY: json.dumps(body).encode()})
    target = path.with_name(f".{path.name}.new")
    with pq.ParquetWriter(target, shape, compression="snappy") as writer:
        for batch in whole.iter_batches(_BATCH_ROWS):
            rows = cast("list[dict[str, Any]]", batch.to_pylist())
            values = [
                made.change(
                    r[made.column]
                    if made.column is not None
                    else {k: v for k, v in r.items() if k.lower() not in skipped}
                )
                for r in rows
            ]
            columns = [pa.array(values, pa.binary())]
            columns += [pa.array([change(r[n]) for r in rows], kind) for n, kind, change in own.values()]
            writer.write_batch(pa.record_batch(columns, schema=shape))
    target.replace(path)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _time(value: Any) -> Any:
    """A time; a number is in milliseconds, as Pulsar has it."""
    if value is None or isinstance(value, dt.datetime):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=value)
    raise fail("flare.types", "`__eventTime` of a message is a timestamp", hint="cast it")


def _pairs(value: Any) -> Any:
    if value is None:
        return None
    pairs = value.items() if isinstance(value, dict) else value
    try:
        return [(str(k), _text(v)) for k, v in pairs]
    except (ValueError, TypeError):
        hint = "for instance map('kind', 'order')"
        raise fail("flare.types", "`__messageProperties` of a message is a map of texts", hint=hint) from None
