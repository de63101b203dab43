"""Pulsar: a collection is a namespace of the tenant, a dataset a topic. Its admin service tells what is there, its
client (pulsar-client) reads and sends."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar, cast
from urllib.parse import quote

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.core.messageids import MessageId
from dataos.depots import connections, databases, web
from dataos.depots.ports import (
    AdapterContext,
    ColumnDescription,
    Delivery,
    DepotEntry,
    Fence,
    Ledgers,
    MessageSchema,
)
from dataos.depots.types.pulsar import messages

T = TypeVar("T")

_SILENCE_S = 30.0
_SEND_S = 330.0
_AT_ONCE = 8
_NO_SCHEMA = MessageSchema(0, "BYTES", "")


class PulsarAdapter:
    """PULSAR depots. A secret logs in by `token` as a bearer, or by `username` and `password`."""

    extra = "pulsar"

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._get(entry, credentials, f"/admin/v2/namespaces/{self._tenant(entry)}", timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        path = f"/admin/v2/namespaces/{self._tenant(entry)}"
        found = await self._get(entry, credentials, path, self._timeout_s)
        return sorted(str(name).rpartition("/")[2] for name in found or [])

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        namespace = "default" if collection == "none" else collection
        place = f"/admin/v2/persistent/{self._tenant(entry)}/{_part(namespace)}"
        plain = await self._get(entry, credentials, place, self._timeout_s)
        parted = await self._get(entry, credentials, f"{place}/partitioned", self._timeout_s)
        topics = {str(t).rpartition("/")[2] for t in [*(plain or []), *(parted or [])]}
        return sorted({t.rpartition("-partition-")[0] or t if "-partition-" in t else t for t in topics})

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        known = await self.list_datasets(entry, credentials, collection)
        if dataset not in known:
            text = f"depot '{entry.name}' has no topic '{collection}/{dataset}' that its user may see"
            raise fail("depot.dataset_not_found", text, hint=names.did_you_mean(dataset, known))
        namespace = "default" if collection == "none" else collection
        found = await self.schema_of(entry, credentials, None, f"{namespace}/{dataset}", "latest")
        return [
            *_payload(found),
            ColumnDescription("__key", "string", True),
            ColumnDescription("__topic", "string", False),
            ColumnDescription("__messageId", "binary", False),
            ColumnDescription("__publishTime", "timestamp", False),
            ColumnDescription("__eventTime", "timestamp", True),
            ColumnDescription("__messageProperties", "map<string,string>", True),
            ColumnDescription("__producer_name", "string", True),
        ]

    # --- messages ---------------------------------------------------------------------------------------------------

    async def ledgers(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl) -> dict[int, Ledgers]:
        """See `LedgerDepot`."""
        topics = await self._topics(entry, credentials, udl)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def look(topic: str) -> Ledgers:
            async with gate:
                return await self._kept(entry, credentials, topic)

        found = await asyncio.gather(*(look(t) for t in topics.values()))
        return dict(zip(topics, found, strict=True))

    async def _kept(self, entry: DepotEntry, credentials: Mapping[str, str], topic: str) -> Ledgers:
        place = _path(topic)
        none: dict[int, Any] = {404: {}}  # a partition that nothing was sent to yet
        last = await self._get(entry, credentials, f"{place}/lastMessageId", self._timeout_s, none)
        stats = await self._get(entry, credentials, f"{place}/internalStats", self._timeout_s, none)
        ledgers = [
            (int(row["ledgerId"]), int(row["entries"]), int(row["size"])) for row in (stats or {}).get("ledgers") or ()
        ]
        if ledgers and not ledgers[-1][1]:  # the open one says so elsewhere
            ledgers[-1] = (ledgers[-1][0], int(stats["currentLedgerEntries"]), int(stats["currentLedgerSize"]))
        if not last or int(last["entryId"]) < 0 or int(last["ledgerId"]) < 0:
            return Ledgers(tuple(ledgers), None)
        return Ledgers(tuple(ledgers), (int(last["ledgerId"]), int(last["entryId"])))

    async def entries(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        spans: Mapping[int, tuple[str, str]],
    ) -> AsyncGenerator[bytes]:
        """See `LedgerDepot`."""
        topics = await self._topics(entry, credentials, udl) if spans else {}
        wanted: dict[int, tuple[MessageId, MessageId]] = {}
        for partition, (after, upto) in spans.items():
            if partition not in topics:
                raise fail("depot.dataset_not_found", f"{udl} has no partition {partition}", hint="was it made anew?")
            try:
                wanted[partition] = (MessageId.parse(after), MessageId.parse(upto))
            except ValueError as error:
                raise fail("request.invalid", f"spans: {error}", hint='as {"0": ["12:4", "12:9"]}') from None
        silence_s = max(_SILENCE_S, 2 * self._timeout_s)
        with ExitStack() as stack:

            def begin(pulsar: Any, client: Any) -> messages.Reading:
                return messages.Reading(pulsar, client, topics, wanted, silence_s)

            reading = await self._call(entry, credentials, stack, begin, self._timeout_s * 2, keep=True)
            try:
                while piece := await self._told(entry, reading.next, silence_s * 2):
                    yield piece
            finally:
                await self._calls.run(entry.name, reading.close, silence_s)

    async def schema_of(
        self, entry: DepotEntry, credentials: Mapping[str, str], number: int | None, subject: str, version: str
    ) -> MessageSchema:
        """See `RegistryDepot`; `subject` is namespace/topic. A topic without one has the type BYTES."""
        parts = subject.split("/")
        if len(parts) != 2:
            raise fail("request.invalid", f"`{subject[:80]}` names no topic", hint="subject: namespace/topic")
        place = f"/admin/v2/schemas/{self._tenant(entry)}/{'/'.join(_part(p) for p in parts)}/schema"
        if number is not None or version != "latest":
            place += f"/{number if number is not None else _part(version)}"
        none: dict[int, Any] = {404: {}}
        found = await self._get(entry, credentials, place, self._timeout_s, none)
        if found:
            return MessageSchema(int(found["version"]), str(found["type"]), str(found.get("data") or ""))
        if number is None:
            return _NO_SCHEMA
        raise fail(
            "depot.schema_not_found",
            f"depot '{entry.name}': the topic {subject} has no schema of version {number}",
            hint="it was deleted: read with mode: PERMISSIVE, or from a later message on",
        )

    async def register_schema(
        self, entry: DepotEntry, credentials: Mapping[str, str], subject: str, schema: str
    ) -> int:
        """See `RegistryDepot`. Raises DataOSError `depot.unsupported`: a schema comes with who sends the messages."""
        raise fail("depot.unsupported", f"depot '{entry.name}': a topic of Pulsar gets its schema with its messages")

    def topic_of(self, udl: Udl, subject: str) -> Udl | None:
        """See `RegistryDepot`; each topic has the subject namespace/topic."""
        namespace, slash, topic = subject.partition("/")
        if not (namespace and slash and topic):
            return None
        own = udl.collection if udl.collection not in (None, "", "none") else "default"
        return udl if (namespace, topic) == (own, udl.dataset) else Udl(udl.depot, namespace, topic)

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
        topic = self.topic_of(udl, subject)
        return [topic] if topic is not None else []

    async def deliver(
        self, entry: DepotEntry, credentials: Mapping[str, str], delivery: Delivery, fence: Fence
    ) -> None:
        """Send the rows that a job left (`TakesFiles`). At least once: what was sent before a crash is sent again.

        A topic that is not there is made, where the broker's own settings allow it."""
        topic = _topic(entry, delivery.udl)
        files = sorted(p for p in delivery.folder.rglob("*.parquet") if p.is_file())
        await fence()

        def send(pulsar: Any, client: Any) -> int:
            return messages.send(pulsar, client, topic, files)

        with ExitStack() as stack:
            await self._call(entry, credentials, stack, send, _SEND_S + self._timeout_s)

    async def _topics(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl) -> dict[int, str]:
        """Partition -> the whole name of its topic; -1 of a topic without partitions. Raises DataOSError
        `depot.dataset_not_found`."""
        topic = _topic(entry, udl)
        missing = fail(
            "depot.dataset_not_found",
            f"depot '{entry.name}' has no topic '{udl.dataset}' that its user may see",
            hint=f"dataos depot ls dataos://{entry.name}:{udl.collection or 'default'} lists those that are there",
        )
        found = await self._get(entry, credentials, f"{_path(topic)}/partitions", self._timeout_s, {404: missing})
        many = int((found or {}).get("partitions") or 0)
        return {n: f"{topic}-partition-{n}" for n in range(many)} if many else {-1: topic}

    async def _call(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        stack: ExitStack,
        call: Callable[[Any, Any], T],
        timeout_s: float,
        keep: bool = False,
    ) -> T:
        """A blocking call with the client's module and a client; its errors in our words. `stack`: holds files that the
        client reads; `keep`: the call's answer goes on using the client, and closes it."""

        def run() -> T:
            pulsar = databases.driver("pulsar", self.extra, entry)
            certificates = stack.enter_context(databases.certificate_file(credentials))
            settings = self.settings(entry, credentials, str(certificates) if certificates else None)
            token, login = settings.pop("token"), settings.pop("login")
            if token is not None:
                settings["authentication"] = pulsar.AuthenticationToken(token)
            elif login is not None:
                settings["authentication"] = pulsar.AuthenticationBasic(*login)
            quiet = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)  # it would write to standard output
            client = pulsar.Client(logger=quiet, **settings)
            done = False
            try:
                answer = call(pulsar, client)
                done = True
                return answer
            finally:
                if not (keep and done):
                    client.shutdown()

        return await self._told(entry, run, timeout_s)

    async def _told(self, entry: DepotEntry, run: Callable[[], T], timeout_s: float) -> T:
        """A blocking call in the depot's threads; the client's errors in our words."""

        def told() -> T:
            try:
                return run()
            except DataOSError:
                raise
            except Exception as error:  # noqa: BLE001 - its text names brokers and settings
                raise problem(entry, error, self._timeout_s) from None

        return await self._calls.run(entry.name, told, timeout_s)

    def settings(
        self, entry: DepotEntry, credentials: Mapping[str, str], certificates: str | None = None
    ) -> dict[str, Any]:
        """What the client is given, and how it logs in (`token`, or `login`: user and password). `certificates`: a file
        with the authorities to trust in place of the usual ones."""
        user, token = databases.pick(credentials, "username"), databases.pick(credentials, "token")
        listener = dict(entry.location.get("params") or {}).get("listenerName")
        return {
            "service_url": str(entry.location["serviceUrl"]),
            "operation_timeout_seconds": max(1, int(self._timeout_s * 2)),
            "connection_timeout_ms": max(1000, int(self._timeout_s * 1000)),
            "tls_validate_hostname": True,
            "tls_trust_certs_file_path": certificates,
            "listener_name": str(listener) if listener else None,
            "stats_interval_in_seconds": 0,
            "token": token,
            "login": None
            if token is not None or user is None
            else (user, databases.pick(credentials, "password") or ""),
        }

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        made = connections.connection(entry, udl)
        return f"{made['serviceUrl']} {made['topic'] or made['tenant']}"

    def _tenant(self, entry: DepotEntry) -> str:
        return _part(str(entry.location["tenant"]))

    async def _get(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        path: str,
        timeout_s: float,
        told: Mapping[int, Any] | None = None,
    ) -> Any:
        """What the admin service answers. `told`: for a status, what to raise, or what to take for the answer."""
        try:
            return await self._ask(entry, credentials, path, timeout_s, told or {})
        except _Answer as answer:
            return answer.body

    async def _ask(
        self, entry: DepotEntry, credentials: Mapping[str, str], path: str, timeout_s: float, told: Mapping[int, Any]
    ) -> Any:
        user, token = databases.pick(credentials, "username"), databases.pick(credentials, "token")
        return await web.get(
            entry,
            "Pulsar",
            [str(entry.location["adminUrl"])],
            path,
            timeout_s=timeout_s,
            login=(user, databases.pick(credentials, "password") or "") if user is not None else None,
            headers={"Authorization": f"Bearer {token}"} if token is not None else None,
            ca_pem=databases.pick(credentials, "ca_file"),
            told={k: v if isinstance(v, Exception) else _Answer(v) for k, v in told.items()},
        )


class _Answer(Exception):
    """A status that is an answer."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body


def _topic(entry: DepotEntry, udl: Udl) -> str:
    """The whole name of an address's topic. Raises DataOSError `manifest.address`."""
    if not udl.dataset:
        raise fail("manifest.address", f"{udl} names no topic", hint=f"dataos://{udl.depot}:[namespace]/[topic]")
    return str(connections.connection(entry, udl)["topic"])


def _path(topic: str) -> str:
    """Of a topic in the admin service."""
    domain, _, rest = topic.partition("://")
    return f"/admin/v2/{domain}/" + "/".join(_part(part) for part in rest.split("/", 2))


def _part(text: str) -> str:
    """One part of a path of the admin service. Raises DataOSError `depot.dataset_not_found` for one that leads
    elsewhere."""
    if text in ("", ".", ".."):
        raise fail(
            "depot.dataset_not_found", f"`{text}` names no namespace and no topic", hint="look with dataos depot ls"
        )
    return quote(text, safe="")


def _payload(schema: MessageSchema) -> list[ColumnDescription]:
    """Columns of a topic's values: the fields of its record, or `value`."""
    try:
        body: Any = json.loads(schema.schema) if schema.type in ("AVRO", "JSON") else None
    except ValueError:
        body = None
    if not isinstance(body, dict) or body.get("type") != "record":
        plain = "binary" if schema.type in ("BYTES", "NONE") else schema.type.lower()
        return [ColumnDescription("value", plain, True)]
    fields = cast("list[dict[str, Any]]", cast("dict[str, Any]", body)["fields"])
    return [ColumnDescription(str(f["name"]), _type_text(f["type"]), _optional(f["type"])) for f in fields]


def _type_text(node: Any) -> str:
    if isinstance(node, list):
        return " or ".join(_type_text(n) for n in cast("list[Any]", node) if n != "null") or "null"
    if isinstance(node, dict):
        body = cast("dict[str, Any]", node)
        return str(body.get("logicalType") or _type_text(body.get("type")))
    return str(node)


def _optional(node: Any) -> bool:
    return isinstance(node, list) and "null" in node


def problem(entry: DepotEntry, error: Exception, timeout_s: float) -> DataOSError:
    """A clear Problem for an error of the client, by its name; its text is not repeated."""
    where = str(entry.location["serviceUrl"])
    name = f"{type(error).__name__} {error}" if isinstance(error, messages.Refused) else type(error).__name__
    if any(word in name for word in ("Authentication", "Authorization")):
        return databases.refused_login(entry, where)
    if "IncompatibleSchema" in name:
        return fail(
            "depot.schema_refused",
            f"depot '{entry.name}': the topic's schema does not go with that of the rows",
            hint="give the columns the types of that schema (dataos depot ls shows it), or change its compatibility",
        )
    if "TopicNotFound" in name:
        return fail(
            "depot.dataset_not_found",
            f"depot '{entry.name}' has no such topic, and its broker makes none by itself",
            hint="make it first; dataos depot ls lists those that are there",
        )
    if "MessageTooBig" in name or "TopicTerminated" in name:
        why = "a message is larger than its broker takes" if "TooBig" in name else "the topic is closed for good"
        return fail("depot.write", f"depot '{entry.name}': {why}")
    if any(word in name for word in ("ConnectError", "LookupError", "InvalidUrl", "NotConnected")):
        return databases.unreachable(entry, "Pulsar", where, str(error))
    return databases.too_slow(entry, where, timeout_s)
