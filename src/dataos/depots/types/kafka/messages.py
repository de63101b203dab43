"""Messages of topics as Arrow: read by partition and offset, and written from what a job left.

Blocking, one client a call; the adapter runs each step in the depot's own threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.depots.arrowpieces import ArrowPieces

_POLL_S = 1.0
_BATCH = 10_000
_BATCH_BYTES = 8 << 20
_NO_OFFSET = -1001
KEY_COLUMNS = ("key", "value", "headers", "topic", "partition", "timestamp")
"""Columns of a frame that mean a message's parts where there is a `value`; `topic` and `timestamp` are left out."""


def schema(headers: bool) -> Any:
    """Columns of messages, as Spark has them."""
    import pyarrow as pa

    fields: list[Any] = [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("timestamp", pa.timestamp("us", "UTC")),
        pa.field("timestampType", pa.int32()),
    ]
    if headers:
        pair = pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())])
        fields.append(pa.field("headers", pa.list_(pair)))
    return pa.schema(fields)


def offsets(
    kafka: Any, consumer: Any, topic: str, partitions: Sequence[int], at_us: int | None, timeout_s: float
) -> Any:
    """Partition -> (first, next, at the moment or None). Raises what the client raises."""
    found: dict[int, tuple[int, int, int | None]] = {}
    moments: dict[int, int] = {}
    if at_us is not None:
        asked = [kafka.TopicPartition(topic, p, max(0, at_us // 1000)) for p in partitions]
        moments = {t.partition: t.offset for t in consumer.offsets_for_times(asked, timeout=timeout_s)}
    for partition in partitions:
        first, after = consumer.get_watermark_offsets(kafka.TopicPartition(topic, partition), timeout=timeout_s)
        at = moments.get(partition)
        found[partition] = (first, after, None if at is None or at < 0 else at)
    return found


class Reading:
    """Messages of ranges of offsets. `next` gives pieces of an Arrow stream until it gives b"" ; `close` at the end."""

    def __init__(
        self, kafka: Any, settings: Mapping[str, Any], topic: str, ranges: Mapping[int, tuple[int, int]], headers: bool,
        silence_s: float,
    ) -> None:  # fmt: skip
        """`silence_s`: how long the brokers may send nothing before that is an error."""
        self._kafka = kafka
        self._topic = topic
        self._headers = headers
        self._silence_s = silence_s
        self._ends = {p: after for p, (first, after) in ranges.items() if after > first}
        self._left = set(self._ends)
        self._pieces = ArrowPieces(self.columns(headers))
        self._consumer: Any = None
        if self._left:
            self._consumer = kafka.Consumer(
                {
                    **settings,
                    "group.id": "dataos",  # no offset is ever committed under it
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",
                    "queued.max.messages.kbytes": 16384,
                }
            )
            begins = [kafka.TopicPartition(topic, p, ranges[p][0]) for p in sorted(self._left)]
            self._consumer.assign(begins)

    @staticmethod
    def columns(headers: bool) -> Any:
        """What a message is as a row."""
        return schema(headers)

    def values(self, rows: Sequence[Any]) -> list[list[Any]]:
        """The values of each column, of some messages."""
        stamps = [m.timestamp() for m in rows]
        columns: list[list[Any]] = [
            [m.key() for m in rows],
            [m.value() for m in rows],
            [m.topic() for m in rows],
            [m.partition() for m in rows],
            [m.offset() for m in rows],
            [at * 1000 if kind else None for kind, at in stamps],
            [max(0, kind - 1) for kind, _ in stamps],
        ]
        if self._headers:
            columns.append([[{"key": k, "value": v} for k, v in m.headers() or ()] or None for m in rows])
        return columns

    def next(self) -> bytes:
        """The next piece of the stream. Raises DataOSError `depot.messages_gone`, and what the client raises."""
        if self._pieces.is_ended:
            return b""
        rows = self._poll() if self._left else []
        return self._pieces.take(self.values(rows) if rows else None, last=not self._left)

    def close(self) -> None:
        """Let go of the brokers."""
        if self._consumer is not None:
            self._consumer.close()

    def _poll(self) -> list[Any]:
        rows: list[Any] = []
        size = 0
        heard = time.monotonic()
        while self._left and len(rows) < _BATCH and size < _BATCH_BYTES:
            message = self._consumer.poll(_POLL_S)
            if message is None:
                self._pass_gaps()
                if time.monotonic() - heard > self._silence_s:
                    raise TimeoutError("the brokers send nothing")
                if rows:
                    break
                continue
            heard = time.monotonic()
            partition = message.partition()
            if message.error() is not None:
                self._fault(message.error(), partition)
                continue
            if partition not in self._left:
                continue
            if message.offset() < self._ends[partition]:
                rows.append(message)
                size += len(message.value() or b"") + len(message.key() or b"")
            if message.offset() >= self._ends[partition] - 1:
                self._finish(partition)
        return rows

    def _fault(self, error: Any, partition: int) -> None:
        codes = self._kafka.KafkaError
        if error.code() == codes._PARTITION_EOF:
            self._finish(partition)  # the rest of the range are marks of transactions, or was compacted away
            return
        if error.code() in (codes._AUTO_OFFSET_RESET, codes.OFFSET_OUT_OF_RANGE):
            raise fail(
                "depot.messages_gone",
                f"topic '{self._topic}', partition {partition}: the messages that are asked for are not kept any more",
                hint="the topic's retention is shorter than the time between two batches",
            )
        raise self._kafka.KafkaException(error)

    def _pass_gaps(self) -> None:
        """A range may end with offsets that no message has: the position tells."""
        for place in self._consumer.position([self._kafka.TopicPartition(self._topic, p) for p in self._left]):
            if place.offset != _NO_OFFSET and place.offset >= self._ends[place.partition]:
                self._finish(place.partition)

    def _finish(self, partition: int) -> None:
        if partition in self._left:
            self._left.discard(partition)
            self._consumer.incremental_unassign([self._kafka.TopicPartition(self._topic, partition)])


def records(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What is sent for each row of Parquet files: {key, value, headers, partition}, those that are there.

    A frame with a `value` and nothing but parts of messages says them itself; of any other, each row is one JSON
    object. Raises DataOSError `depot.write` for a part of another type.
    """
    import pyarrow.parquet as pq

    for path in files:
        parquet = pq.ParquetFile(path)
        names = parquet.schema_arrow.names
        folded = {n.lower(): n for n in names}
        own = "value" in folded and set(folded) <= set(KEY_COLUMNS)
        for batch in parquet.iter_batches(2000):
            for row in batch.to_pylist():
                if not own:
                    yield {"value": to_json(row)}
                    continue
                part = {k: row[n] for k, n in folded.items()}
                record: dict[str, Any] = {
                    "value": to_bytes(part["value"], "value"),
                    "key": to_bytes(part.get("key"), "key"),
                }
                if part.get("partition") is not None:
                    record["partition"] = int(part["partition"])
                if part.get("headers"):
                    record["headers"] = [
                        (str(h["key"]), to_bytes(h["value"], "headers")) for h in _pairs(part["headers"])
                    ]
                yield record


def _pairs(headers: Any) -> list[Mapping[str, Any]]:
    """Headers written as structs of key and value, or as a map."""
    return [h if isinstance(h, dict) else {"key": h[0], "value": h[1]} for h in headers]


def to_json(value: Any) -> bytes:
    """A row as one JSON object."""
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def to_bytes(value: Any, what: str) -> bytes | None:
    """A value as a part of a message (`what`, for messages to people). Raises DataOSError `depot.write`."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict | list):
        return to_json(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value).encode()
    raise fail("depot.write", f"`{what}` of a message is {type(value).__name__}", hint="cast it to string or binary")


def _plain(value: Any) -> Any:
    """JSON has no form for it: as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def send(
    kafka: Any, settings: Mapping[str, Any], topic: str, made: Iterable[Mapping[str, Any]], timeout_s: float
) -> int:
    """Send messages, as `records` makes them; how many. Each is acknowledged by all replicas when this returns.

    Raises DataOSError `depot.write` (a message was refused), and what the client raises.
    """
    failed: list[Any] = []

    def heard(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error)

    producer = kafka.Producer({**settings, "enable.idempotence": True, "acks": "all", "linger.ms": 20})
    count = 0
    try:
        for record in made:
            while True:
                try:
                    producer.produce(topic, on_delivery=heard, **record)
                    break
                except BufferError:
                    producer.poll(0.5)
            producer.poll(0)
            count += 1
            if failed:
                break
        left = producer.flush(timeout_s)
    except DataOSError:
        producer.purge()
        raise
    if failed:
        raise kafka.KafkaException(failed[0])
    if left:
        raise TimeoutError(f"{left} messages were not acknowledged")
    return count
