"""Messages of Pulsar's topics as Arrow: read between two message ids, and written from what a job left.

Blocking, one client a call; the adapter runs each step in the depot's own threads. A reader's place in a batch is not
trusted: the broker gives whole entries, and what was read before is left out here.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataos.core.messageids import SCHEMA_KEY, MessageId
from dataos.depots.arrowpieces import ArrowPieces

_BATCH = 10_000
_BATCH_BYTES = 8 << 20
_QUEUE = 1000
_SEND_MS = 300_000


def schema() -> Any:
    """Columns of messages, as the connector for Spark names them; `__schemaVersion` is for those who decode values."""
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("value", pa.binary()),
            pa.field("__key", pa.string()),
            pa.field("__topic", pa.string()),
            pa.field("__messageId", pa.binary()),
            pa.field("__publishTime", time),
            pa.field("__eventTime", time),
            pa.field("__messageProperties", pa.map_(pa.string(), pa.string())),
            pa.field("__producer_name", pa.string()),
            pa.field("__schemaVersion", pa.int64()),
        ]
    )


class Reading:
    """Messages of spans. `next` gives pieces of an Arrow stream until it gives b""; `close` at the end."""

    def __init__(
        self,
        pulsar: Any,
        client: Any,
        topics: Mapping[int, str],
        spans: Mapping[int, tuple[MessageId, MessageId]],
        silence_s: float,
    ) -> None:
        """`topics`: whole names, by partition. `spans`: the id to begin after and the last one. `silence_s`: how long
        the broker may send nothing before that is an error."""
        self._pulsar = pulsar
        self._client = client
        self._topics = topics
        self._silence_ms = int(silence_s * 1000)
        self._left = [(p, *spans[p]) for p in sorted(spans)]
        self._reader: Any = None
        self._pieces = ArrowPieces(schema())

    def next(self) -> bytes:
        """The next piece of the stream. Raises what the client raises."""
        if self._pieces.is_ended:
            return b""
        rows = self._read()
        return self._pieces.take(self._columns(rows) if rows else None, last=not self._left)

    def close(self) -> None:
        """Let go of the brokers."""
        with suppress(Exception):  # what was read is read
            self._client.close()

    def _read(self) -> list[Any]:
        rows: list[Any] = []
        size = 0
        while self._left and len(rows) < _BATCH and size < _BATCH_BYTES:
            partition, after, upto = self._left[0]
            if self._reader is None:
                self._reader = self._open(partition, after)
            if not self._reader.has_message_available():
                self._finish()  # the last entry may hold marks only, which nobody is given
                continue
            message = self._reader.read_next(self._silence_ms)
            place = _place(message)
            if after.covers(place):
                continue
            if not upto.covers(place):
                self._finish()
                continue
            rows.append(message)
            size += len(message.data())
        return rows

    def _open(self, partition: int, after: MessageId) -> Any:
        entry = after.entry - 1 if after.batch >= 0 else after.entry
        start = self._pulsar.MessageId(partition, after.ledger, entry, -1)
        return self._client.create_reader(self._topics[partition], start, receiver_queue_size=_QUEUE)

    def _finish(self) -> None:
        self._reader.close()
        self._reader = None
        self._left.pop(0)

    def _columns(self, rows: Sequence[Any]) -> list[list[Any]]:
        columns: list[Any] = [
            [None if m.has_null_value() else m.data() for m in rows],
            [m.partition_key() or None for m in rows],
            [m.topic_name() for m in rows],
            [m.message_id().serialize() for m in rows],
            [m.publish_timestamp() * 1000 for m in rows],
            [m.event_timestamp() * 1000 or None for m in rows],
            [list(m.properties().items()) for m in rows],
            [m.producer_name() or None for m in rows],
            [_version(m) for m in rows],
        ]
        return columns


def _place(message: Any) -> MessageId:
    found = message.message_id()
    return MessageId(found.ledger_id(), found.entry_id(), found.batch_index())


def _version(message: Any) -> int | None:
    """Of the schema that a message was written with; None: it was written without one."""
    data = message.schema_version()
    data = data.encode("latin-1") if isinstance(data, str) else data
    return int.from_bytes(data, "big") if len(data) == 8 else None


# --- writing ----------------------------------------------------------------------------------------------------------


def written_schema(files: Sequence[Path]) -> tuple[str, Any]:
    """Pulsar's type and the definition of the schema that the values of files have (all the same)."""
    import pyarrow.parquet as pq

    for path in files:
        found = (pq.ParquetFile(path).schema_arrow.metadata or {}).get(SCHEMA_KEY)
        if found is not None:
            body: dict[str, Any] = json.loads(found)
            return str(body["type"]), body.get("schema")
    return "BYTES", None


def records(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What is sent for each row of Parquet files of `value`, `__key`, `__eventTime`, `__messageProperties`: {content,
    partition_key, event_timestamp, properties}, those that are there."""
    import pyarrow.parquet as pq

    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(2000):
            for row in batch.to_pylist():
                record: dict[str, Any] = {"content": row["value"]}
                if row.get("__key") is not None:
                    record["partition_key"] = row["__key"]
                if row.get("__eventTime") is not None:
                    record["event_timestamp"] = int(row["__eventTime"].timestamp() * 1000)
                if row.get("__messageProperties"):
                    record["properties"] = {k: v for k, v in row["__messageProperties"] if v is not None}
                yield record


def send(pulsar: Any, client: Any, topic: str, files: Sequence[Path]) -> int:
    """Send all rows; how many. Each is acknowledged when this returns. Raises what the client raises, for the first
    message that was refused."""
    failed: list[Any] = []
    sent = 0

    def heard(result: Any, _: Any) -> None:  # what this raises would end the process
        if result != pulsar.Result.Ok:
            failed.append(result)

    producer: Any = None
    for record in records(files):
        if producer is None:
            producer = client.create_producer(
                topic,
                schema=_schema(pulsar, *written_schema(files)),
                send_timeout_millis=_SEND_MS,
                batching_enabled=True,
                block_if_queue_full=True,
            )
        producer.send_async(callback=heard, **record)
        sent += 1
        if failed:
            break
    if producer is not None:
        with suppress(pulsar.PulsarException):  # it says less than what the messages heard
            producer.flush()
        producer.close()
    if failed:
        raise Refused(str(failed[0]))
    return sent


class Refused(Exception):
    """A message was refused; the text is the client's name of why."""


def _schema(pulsar: Any, kind: str, definition: Any) -> Any:
    """The producer's schema; values come to it as bytes."""
    kinds = importlib.import_module("_pulsar").SchemaType  # the client exports it nowhere else

    class Encoded(pulsar.schema.Schema):
        def __init__(self) -> None:
            super().__init__(bytes, getattr(kinds, kind), definition, kind)

        def encode(self, obj: bytes) -> bytes:
            return obj

        def decode(self, data: bytes) -> bytes:
            return data

    return Encoded()
