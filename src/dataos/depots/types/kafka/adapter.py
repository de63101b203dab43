"""Kafka through confluent-kafka (librdkafka). One collection, `default`; a dataset is a topic with its partitions.

Event Hubs speak Kafka on port 9093 and are reached by the same client (see `types/eventhub`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.ports import (
    AdapterContext,
    ColumnDescription,
    Delivery,
    DepotEntry,
    Fence,
    MessageSchema,
    Offsets,
)
from dataos.depots.types.kafka import messages, registries
from dataos.depots.types.kafka.registries import Registries

T = TypeVar("T")

_SILENCE_S = 30.0
_SEND_S = 300.0

_REFUSED_KEYS = ("oauth", "ssl.keystore", "plugin.library", "ssl.engine", "interceptor", "enable.random", "test.")
"""Parameters that name libraries, or files of the server."""
_FILE_KEYS = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.crl.location")


class KafkaAdapter:
    """KAFKA depots."""

    extra = "kafka"
    reading = messages.Reading
    records = staticmethod(messages.records)

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls
        self._allowed = context.allowed_paths
        self._registries = Registries(context.connect_timeout_s)

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._topics(entry, credentials, timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return ["default"]

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        if collection not in ("default", "none"):
            return []
        return sorted(await self._topics(entry, credentials, self._timeout_s))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        """The columns of every message, and how many partitions the topic has."""
        topics = await self._topics(entry, credentials, self._timeout_s)
        if dataset not in topics:
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no topic '{dataset}' that its user may see",
                hint=names.did_you_mean(dataset, list(topics)),
            )
        return self._columns(topics[dataset] - 1)

    @staticmethod
    def _columns(last: int) -> list[ColumnDescription]:
        """Columns of the messages of a topic whose partitions are numbered up to `last`."""
        return [
            ColumnDescription("key", "binary", True),
            ColumnDescription("value", "binary", True),
            ColumnDescription("topic", "string", False),
            ColumnDescription("partition", f"int (0 to {last})" if last else "int (0)", False),
            ColumnDescription("offset", "long", False),
            ColumnDescription("timestamp", "timestamp", False),
        ]

    # --- messages ---------------------------------------------------------------------------------------------------

    async def offsets(
        self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl, at_us: int | None = None
    ) -> dict[int, Offsets]:
        """See `MessageDepot`."""
        topic = self._topic(udl)

        def ask(kafka: Any, settings: dict[str, Any]) -> dict[int, Offsets]:
            consumer = kafka.Consumer({**settings, "group.id": "dataos", "enable.auto.commit": False})
            try:
                partitions = self._partitions(kafka, entry, consumer, topic)
                found = messages.offsets(kafka, consumer, topic, partitions, at_us, self._timeout_s)
                return {p: Offsets(*o) for p, o in found.items()}
            finally:
                consumer.close()

        return await self._call(entry, credentials, ask, self._timeout_s * 6)

    async def messages(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        ranges: Mapping[int, tuple[int, int]],
        headers: bool,
    ) -> AsyncGenerator[bytes]:
        """See `MessageDepot`."""
        topic = self._topic(udl)
        silence_s = max(_SILENCE_S, 2 * self._timeout_s)

        def begin(kafka: Any, settings: dict[str, Any]) -> messages.Reading:
            return self.reading(kafka, settings, topic, ranges, headers, silence_s)

        reading = await self._call(entry, credentials, begin, self._timeout_s * 2)
        try:
            while piece := await self._call(entry, credentials, lambda *_: reading.next(), silence_s * 2):
                yield piece
        finally:
            await self._calls.run(entry.name, reading.close, silence_s)

    async def schema_of(
        self, entry: DepotEntry, credentials: Mapping[str, str], number: int | None, subject: str, version: str
    ) -> MessageSchema:
        """See `RegistryDepot`."""
        if number is not None:
            return await self._registries.by_id(entry, credentials, number)
        return await self._registries.of_subject(entry, credentials, subject, version)

    async def register_schema(
        self, entry: DepotEntry, credentials: Mapping[str, str], subject: str, schema: str
    ) -> int:
        """See `RegistryDepot`."""
        return await self._registries.register(entry, credentials, subject, schema)

    def topic_of(self, udl: Udl, subject: str) -> Udl | None:
        """See `RegistryDepot`."""
        topic = registries.topic_of(subject)
        if topic is None:
            return None
        return udl if topic == self._topic(udl) else Udl(udl.depot, udl.collection, topic)

    async def topics_of_schema(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        number: int | None,
        subject: str,
        version: str,
    ) -> list[Udl]:
        """See `RegistryDepot`."""
        known = [subject] if number is None else await self._registries.subjects_of(entry, credentials, number)
        found = [topic for one in known if (topic := self.topic_of(udl, one)) is not None]
        own = udl in found or number is not None
        if not own and await self._registries.refers(entry, credentials, self._topic(udl), subject, version):
            found.append(udl)
        return found

    async def deliver(
        self, entry: DepotEntry, credentials: Mapping[str, str], delivery: Delivery, fence: Fence
    ) -> None:
        """Send the rows that a job left (`TakesFiles`). At least once: what was sent before a crash is sent again."""
        topic = self._topic(delivery.udl)
        files = sorted(p for p in delivery.folder.rglob("*.parquet") if p.is_file())
        await fence()

        def send(kafka: Any, settings: dict[str, Any]) -> int:
            looking = kafka.Consumer({**settings, "group.id": "dataos"})  # a producer's look would make the topic
            try:
                self._partitions(kafka, entry, looking, topic)
            finally:
                looking.close()
            return messages.send(kafka, settings, topic, self.records(files), _SEND_S)

        await self._call(entry, credentials, send, _SEND_S + self._timeout_s)

    def _partitions(self, kafka: Any, entry: DepotEntry, client: Any, topic: str) -> list[int]:
        found = client.list_topics(topic, timeout=self._timeout_s).topics[topic]
        if found.error is not None:
            if found.error.code() != kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise kafka.KafkaException(found.error)
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no topic '{topic}' that its user may see",
                hint="make it first; dataos depot ls lists those that are there",
            )
        return sorted(found.partitions)

    @staticmethod
    def _topic(udl: Udl) -> str:
        if not udl.dataset:
            raise fail("manifest.address", f"{udl} names no topic", hint=f"dataos://{udl.depot}:default/[topic]")
        return udl.dataset

    async def _call(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        call: Callable[[Any, dict[str, Any]], T],
        timeout_s: float,
    ) -> T:
        """A blocking call with the client's module and its settings; its errors in our words."""

        def run() -> T:
            kafka = databases.driver("confluent_kafka", self.extra, entry)
            heard: list[Any] = []
            try:
                settings = self._all_settings(entry, credentials)
                return call(kafka, {**settings, "error_cb": heard.append, "log_level": 0})
            except DataOSError:
                raise
            except Exception as error:  # noqa: BLE001 - its text names brokers and settings
                raise problem(entry, ",".join(self.brokers(entry)), [*heard, error], self._timeout_s) from None

        return await self._calls.run(entry.name, run, timeout_s)

    def _all_settings(self, entry: DepotEntry, credentials: Mapping[str, str]) -> dict[str, Any]:
        """As `settings`, with the certificates of the secret, which the client takes as text."""
        made: dict[str, Any] = {**self.settings(entry, credentials)}
        authority = databases.pick(credentials, "ca_file")
        if authority is not None:
            made["ssl.ca.pem"] = authority
        made["socket.connection.setup.timeout.ms"] = max(1000, int(self._timeout_s * 1000))
        return made

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return f"kafka://{','.join(self.brokers(entry))}" + (f" topic {udl.dataset}" if udl.dataset else "")

    def brokers(self, entry: DepotEntry) -> list[str]:
        """Where the cluster is asked first."""
        return [str(b) for b in entry.location["brokers"]]

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str]) -> dict[str, str]:
        """librdkafka's settings, but certificates. Raises DataOSError `depot.credentials`, `depot.path`."""
        made = {"bootstrap.servers": ",".join(self.brokers(entry)), "client.id": "dataos"}
        for key, value in dict(entry.location.get("params") or {}).items():
            name = str(key).removeprefix("kafka.")
            if name.startswith(_REFUSED_KEYS) or name in made:
                continue
            if name in _FILE_KEYS:
                value = databases.allowed_file(entry, self._allowed, f"params.{key}", str(value))
            made[name] = str(value)
        user, password = databases.pick(credentials, "username"), databases.pick(credentials, "password")
        protocol = databases.pick(credentials, "security_protocol")
        if protocol or user:
            made["security.protocol"] = protocol or "SASL_SSL"
        if made.get("security.protocol", "").upper().startswith("SASL"):
            if user is None or password is None:
                key = "username" if user is None else "password"
                raise fail(
                    "depot.credentials",
                    f"the secret of depot '{entry.name}' lacks `{key}`, which {made['security.protocol']} needs",
                    hint="a Kafka secret has username, password, security_protocol and sasl_mechanism",
                )
            made["sasl.username"], made["sasl.password"] = user, password
            made["sasl.mechanism"] = databases.pick(credentials, "sasl_mechanism") or "PLAIN"
        return made

    async def _topics(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, int]:
        """Topic -> partitions, without Kafka's own."""

        def ask() -> dict[str, int]:
            kafka = databases.driver("confluent_kafka.admin", self.extra, entry)
            heard: list[Any] = []
            with databases.certificate_file(credentials) as certificates:
                settings: dict[str, Any] = {**self.settings(entry, credentials)}
                settings |= {"ssl.ca.location": str(certificates)} if certificates else {}
                settings |= {
                    "socket.timeout.ms": max(100, int(timeout_s * 1000)),
                    "socket.connection.setup.timeout.ms": max(1000, int(timeout_s * 1000)),
                    "error_cb": heard.append,
                    "log_level": 0,
                }
                try:
                    found = kafka.AdminClient(settings).list_topics(timeout=timeout_s)
                except Exception as error:  # noqa: BLE001 - its text names brokers and settings
                    raise problem(entry, ",".join(self.brokers(entry)), [*heard, error], timeout_s) from None
            topics = found.topics.items()
            return {name: len(t.partitions) for name, t in topics if not name.startswith("__") and t.error is None}

        return await self._calls.run(entry.name, ask, timeout_s * 2 + 1)


def problem(entry: DepotEntry, where: str, errors: list[Any], timeout_s: float) -> DataOSError:
    """A clear Problem for what librdkafka said, matched only."""
    text = " ".join(str(error) for error in errors).lower()
    if any(word in text for word in ("authentication", "sasl", "_auth", "authorization")):
        return databases.refused_login(entry, where)
    if "no such configuration property" in text or "invalid value" in text or "unsupported value" in text:
        return fail(
            "depot.unsupported",
            f"depot '{entry.name}': its `params` or its secret hold a setting that the client does not take",
            hint="params are librdkafka's settings, with or without the prefix `kafka.`",
        )
    if "refused" in text or "resolve" in text or "ssl" in text or "certificate" in text or "all brokers down" in text:
        return databases.unreachable(entry, "Kafka", where, text)
    return databases.too_slow(entry, where, timeout_s)
