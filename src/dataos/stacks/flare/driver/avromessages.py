"""Messages that a schema registry describes (format `kafkaavro`): a zero byte, the schema's id in four, Avro's binary.

Schemas come through the server, which knows the registry and its credentials; the bytes are read and written here, the
same for both engines. Source: Confluent's wire format; Avro specification 1.11 (schema resolution).
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataos.client.api import Client
from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.driver.formats import avro
from dataos.stacks.flare.model import Input, Output

_HEAD = struct.Struct(">bI")
_BATCH_ROWS = 2000
_PARTS = ("key", "value", "headers", "partition")
_BROKEN = (ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, AttributeError, MemoryError)

Notice = Callable[[str], None]


class Schemas:
    """Schemas of the registry of one topic, each asked for once."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._written: dict[int, Any] = {}

    def by_id(self, number: int) -> Any:
        """The parsed schema of an id. Raises DataOSError `flare.schema_text`, and as the server does."""
        if number not in self._written:
            self._written[number] = self.parsed(self._ask(id=number))
        return self._written[number]

    def of_subject(self, subject: str) -> Any:
        """The parsed newest schema of a subject. Raises as `by_id`."""
        return self.parsed(self._ask(subject=subject))

    def register(self, subject: str, schema: str) -> int:
        """The id of a schema under a subject, made where it is new. Raises as the server does."""
        body = {"address": self._address, "subject": subject, "schema": schema}
        found: dict[str, Any] = self._client.json("POST", "/api/v1/outputs/schema", body=body)
        return int(found["id"])

    def _ask(self, **more: Any) -> dict[str, Any]:
        body = {"address": self._address, **more}
        found: dict[str, Any] = self._client.json("POST", "/api/v1/inputs/schema", body=body)
        if found["type"] != "AVRO":
            text = f"{self._address}: the schema {found['id']} of its registry is {found['type']}, not AVRO"
            raise fail("flare.schema_text", text, hint="read it as `kafkajson`, and decode the value in a program")
        return found

    def parsed(self, found: Mapping[str, Any], named: dict[str, Any] | None = None) -> Any:
        """With the schemas that it names, which may name others."""
        from fastavro import parse_schema
        from fastavro.schema import SchemaParseException

        known: dict[str, Any] = {} if named is None else named
        for _, subject, version in found["references"]:
            self.parsed(self._ask(subject=subject, version=str(version)), known)
        try:
            return parse_schema(json.loads(found["schema"]), named_schemas=known)
        except (ValueError, TypeError, KeyError, SchemaParseException) as error:
            text = f"{self._address}: the schema {found['id']} of its registry is no Avro schema: {str(error)[:200]}"
            raise fail("flare.schema_text", text) from error


class Decoder:
    """Makes the `value` of messages what its schema says. One reader's schema for all: `schemaId`, else the newest of
    `schemaSubject` ([topic]-value where nothing is said); each message is resolved from the schema that wrote it."""

    def __init__(self, entry: Input, client: Client, notice: Notice) -> None:
        assert entry.address is not None  # noqa: S101 - topics have one
        self._entry = entry
        self._schemas = Schemas(client, str(entry.address).partition("?")[0])
        self._subject = entry.schema_subject or f"{entry.address.dataset}-value"
        self._notice = notice
        self._mode = {k.lower(): v for k, v in entry.options.items()}.get("mode", "failfast").strip().lower()
        if self._mode not in ("failfast", "dropmalformed", "permissive"):
            hint = "allowed: FAILFAST, DROPMALFORMED, PERMISSIVE"
            raise fail("flare.option", f"{entry.name}: `mode` is not {self._mode}", hint=hint)
        self._reader: Any = None
        self._type: Any = None
        self._adapt: avro.Adapt | None = None

    def schema(self, schema: Any) -> Any:
        """Columns of messages, with the value's own type. Raises as `Schemas`."""
        import pyarrow as pa

        if self._type is None:
            self._learn()
        place = schema.get_field_index("value")
        return schema.set(place, pa.field("value", self._type))

    def _learn(self) -> None:
        """Ask what values are. Raises as `Schemas`."""
        number = self._entry.schema_id
        self._reader = self._schemas.of_subject(self._subject) if number is None else self._schemas.by_id(number)
        self._type, self._adapt = avro.type_of(self._reader)

    def batch(self, batch: Any) -> Any:
        """The messages with their values decoded. Raises DataOSError `flare.message` for one that cannot be, where
        `mode` is FAILFAST."""
        import pyarrow as pa

        schema = Decoder.schema(self, batch.schema)
        values: list[Any] = []
        kept: list[int] = []
        faults = 0
        column = batch.column(schema.get_field_index("value"))
        for row, data in enumerate(column.to_pylist()):
            try:
                value = None if data is None else self._decode(data, batch, row)
            except ValueError as error:
                told = f"the message at {self._place(batch, row)}: {error}"
                if self._mode == "failfast":
                    raise fail(
                        "flare.message",
                        f"{self._entry.name}: {told}",
                        hint="set the option `mode`: DROPMALFORMED leaves such messages out, PERMISSIVE gives NULL",
                    ) from None
                faults += 1
                if faults == 1:
                    self._notice(f"{self._entry.name}: {told}")
                if self._mode == "dropmalformed":
                    continue
                value = None
            kept.append(row)
            values.append(value)
        if faults:
            done = "left out" if self._mode == "dropmalformed" else "NULL"
            self._notice(f"{self._entry.name}: {faults} messages that cannot be read are {done} (mode {self._mode})")
        if len(kept) < batch.num_rows:
            batch = batch.take(pa.array(kept, pa.int64()))
        columns = [pa.array(values, self._type) if f.name == "value" else batch.column(n) for n, f in enumerate(schema)]
        return pa.record_batch(columns, schema=schema)

    def _place(self, batch: Any, row: int) -> str:
        """Where a message lies."""
        return f"partition {_cell(batch, row, 'partition')}, offset {_cell(batch, row, 'offset')}"

    def _decode(self, data: bytes, batch: Any, row: int) -> Any:
        """The value of a row's message.

        Raises ValueError with what is wrong; DataOSError where the registry cannot be asked."""
        if len(data) < _HEAD.size or data[0] != 0:
            begins = data[:8].hex(" ") or "nothing"
            raise ValueError(f"it is not in the form of a schema registry (it begins with {begins})")
        return self._resolved(data, _HEAD.size, int(_HEAD.unpack_from(data)[1]))

    def _resolved(self, data: bytes, start: int, number: int) -> Any:
        """The record that begins there, written with the schema of a number, as the reader's. Raises as `_decode`."""
        from fastavro import schemaless_reader
        from fastavro.read import SchemaResolutionError

        try:
            written = self._schemas.by_id(number)
        except DataOSError as error:
            if error.problem.code != "depot.schema_not_found":
                raise
            raise ValueError(error.problem.message) from None
        stream = io.BytesIO(data[start:])
        try:
            value = schemaless_reader(stream, written, None if written == self._reader else self._reader)
        except SchemaResolutionError as error:
            text = f"it was written with schema {number}, which does not go with the one that it is read by"
            raise ValueError(f"{text}: {str(error)[:160]}") from None
        except _BROKEN as error:
            raise ValueError(
                f"it is not what schema {number} says: {str(error)[:160] or 'it ends too early'}"
            ) from None
        left = len(data) - start - stream.tell()
        if left:
            raise ValueError(f"it is not what schema {number} says: {left} bytes are left over")
        return self._adapt(value) if self._adapt is not None else value


def _cell(batch: Any, row: int, name: str) -> Any:
    return batch.column(batch.schema.get_field_index(name))[row].as_py()


def encode(folder: Path, output: Output, client: Client) -> None:
    """Let the Parquet files of a folder hold messages in a registry's form, in place of rows.

    A frame with a `value` and nothing but parts of messages says them; of any other each row is one record. The schema
    is that of `schemaId`, else one of the columns, registered under `schemaSubject` ([topic]-value where nothing is
    said). Raises DataOSError `flare.types`, and as the server does.
    """
    import pyarrow.parquet as pq

    schemas = Schemas(client, str(output.address).partition("?")[0])
    subject = output.options.get("schemasubject") or f"{output.address.dataset}-value"
    chosen: tuple[int, Any, avro.Adapt] | None = None
    for path in sorted(folder.rglob("*.parquet")):
        whole = pq.ParquetFile(path)
        schema = whole.schema_arrow.remove_metadata()
        own = _is_message(schema.names)
        value = schema.field(_named(schema.names, "value")).type if own else _record(schema)
        if chosen is None:
            chosen = _writer(schemas, subject, output, value)
        _encode_file(path, whole, own, *chosen)


def _is_message(columns: list[str]) -> bool:
    folded = {c.lower() for c in columns}
    return "value" in folded and folded <= {*_PARTS, "topic", "timestamp"}


def _named(columns: list[str], wanted: str) -> str:
    return next(c for c in columns if c.lower() == wanted)


def _record(schema: Any) -> Any:
    import pyarrow as pa

    return pa.struct(list(schema))


def _writer(schemas: Schemas, subject: str, output: Output, value: Any) -> tuple[int, Any, avro.Adapt]:
    """The id and the schema that rows are written with, and what makes Arrow's values Avro's."""
    import fastavro

    body, adapt = avro.schema_of(value, output.address.dataset or "value")
    number = output.options.get("schemaid")
    if number is not None:
        return int(number), schemas.by_id(int(number)), adapt
    return schemas.register(subject, json.dumps(body)), fastavro.parse_schema(body), adapt


def _encode_file(path: Path, whole: Any, own: bool, number: int, schema: Any, adapt: avro.Adapt) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    others = [f for f in whole.schema_arrow.remove_metadata() if own and f.name.lower() != "value"]
    target = path.with_name(f".{path.name}.new")
    shape = pa.schema([pa.field("value", pa.binary()), *others])
    with pq.ParquetWriter(target, shape, compression="snappy") as writer:
        for batch in whole.iter_batches(_BATCH_ROWS):
            rows = batch.to_pylist()
            name = _named(batch.schema.names, "value") if own else ""
            values = [_encoded(r[name] if own else r, number, schema, adapt) for r in rows]
            columns = [pa.array(values, pa.binary()), *(batch.column(f.name) for f in others)]
            writer.write_batch(pa.record_batch(columns, schema=shape))
    target.replace(path)


def _encoded(value: Any, number: int, schema: Any, adapt: avro.Adapt) -> bytes | None:
    from fastavro import schemaless_writer

    if value is None:
        return None
    stream = io.BytesIO(_HEAD.pack(0, number))
    stream.seek(_HEAD.size)
    try:
        schemaless_writer(stream, schema, adapt(value))
    except _BROKEN as error:
        text = f"a row does not go with schema {number}: {str(error)[:200]}"
        raise fail("flare.types", text, hint="cast its columns in a step, or leave `schemaId` out") from None
    return stream.getvalue()
