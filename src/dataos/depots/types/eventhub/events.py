"""Events of Event Hubs as they come through the Kafka endpoint, in the columns of the Event Hubs connector for Spark.

Source: the connector's guide (columns, what is written); Azure's page on events that cross protocols (headers that an
AMQP client made are in AMQP's encoding); AMQP 1.0, part 1 (constructors of primitive types).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataos.core.errors import fail
from dataos.depots.ports import ColumnDescription
from dataos.depots.types.kafka import messages

COLUMNS = (
    ColumnDescription("body", "binary", True),
    ColumnDescription("partition", "string", False),
    ColumnDescription("offset", "string", False),
    ColumnDescription("sequenceNumber", "long", False),
    ColumnDescription("enqueuedTime", "timestamp", False),
    ColumnDescription("publisher", "string", True),
    ColumnDescription("partitionKey", "string", True),
    ColumnDescription("properties", "map<string,string>", True),
    ColumnDescription("systemProperties", "map<string,string>", True),
)
_PARTS = ("body", "partitionid", "partitionkey", "properties")
_FIXED = {0x50: ">B", 0x51: ">b", 0x60: ">H", 0x61: ">h", 0x70: ">I", 0x71: ">i", 0x80: ">Q", 0x81: ">q", 0x72: ">f",
          0x82: ">d", 0x83: ">q"}  # fmt: skip
_TEXTS = {0xA1: 1, 0xB1: 4, 0xA3: 1, 0xB3: 4}  # strings and symbols: bytes that say how long they are


class Reading(messages.Reading):
    """Events of ranges of sequence numbers."""

    @staticmethod
    def columns(headers: bool) -> Any:
        """Columns of events; `headers` are always `properties`."""
        import pyarrow as pa

        texts = pa.map_(pa.string(), pa.string())
        kinds = {"binary": pa.binary(), "string": pa.string(), "long": pa.int64(), "map<string,string>": texts,
                 "timestamp": pa.timestamp("us", "UTC")}  # fmt: skip
        return pa.schema([pa.field(c.name, kinds[c.native_type]) for c in COLUMNS])

    def values(self, rows: Sequence[Any]) -> list[list[Any]]:
        """The values of each column."""
        stamps = [m.timestamp() for m in rows]
        return [
            [m.value() for m in rows],
            [str(m.partition()) for m in rows],
            [str(m.offset()) for m in rows],
            [m.offset() for m in rows],
            [at * 1000 if kind else None for kind, at in stamps],
            [None] * len(rows),
            [None if m.key() is None else m.key().decode("utf-8", "replace") for m in rows],
            [[(k, json.dumps(_property(v), ensure_ascii=False)) for k, v in m.headers() or ()] for m in rows],
            [[] for _ in rows],
        ]


def _property(value: bytes | None) -> Any:
    """A header's value: of a Kafka client its text, of an AMQP client what its encoding says, else signed bytes.

    Bytes that are UTF-8 are text: AMQP's small numbers that look like letters stay letters."""
    if value is None:
        return None
    code = value[0] if value else 0
    width = _TEXTS.get(code, 0)
    if width and len(value) > width and int.from_bytes(value[1 : 1 + width], "big") == len(value) - 1 - width:
        return value[1 + width :].decode("utf-8", "replace")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        pass
    form = _FIXED.get(code)
    if form is not None and len(value) == 1 + struct.calcsize(form):
        return struct.unpack(form, value[1:])[0]
    return [b - 256 if b > 127 else b for b in value]


def records(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What is sent for each row of Parquet files (`messages.records` with the connector's names): `body`,
    `partitionKey` or `partitionId`, `properties`. A frame that has no `body`, or more than these: each row is one JSON
    object. Raises DataOSError `depot.write`."""
    import pyarrow.parquet as pq

    for path in files:
        parquet = pq.ParquetFile(path)
        folded = {n.lower(): n for n in parquet.schema_arrow.names}
        own = "body" in folded and set(folded) <= set(_PARTS)
        for batch in parquet.iter_batches(2000):
            for row in batch.to_pylist():
                if own:
                    yield _record({k: row[n] for k, n in folded.items()})
                else:
                    yield {"value": messages.to_json(row)}


def _record(part: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"value": messages.to_bytes(part["body"], "body")}
    key, partition = part.get("partitionkey"), part.get("partitionid")
    if key is not None and partition is not None:
        text = "an event has a `partitionKey` or a `partitionId`, not both"
        raise fail("depot.write", text, hint="leave one of the columns out")
    if key is not None:
        record["key"] = messages.to_bytes(key, "partitionKey")
    if partition is not None:
        if not str(partition).isdigit():
            raise fail("depot.write", f"`partitionId` is the number of a partition, not `{str(partition)[:40]}`")
        record["partition"] = int(partition)
    properties = part.get("properties")
    if properties:
        pairs = properties.items() if isinstance(properties, dict) else properties
        record["headers"] = [(str(k), messages.to_bytes(v, "properties")) for k, v in pairs]
    return record
