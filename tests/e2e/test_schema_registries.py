"""Topics whose messages a schema registry describes (`kafkaavro`): read by batch and as a stream, and written.

The brokers are librdkafka's own mock: they speak the protocol on loopback.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from e2e.test_pyflare import BEGIN, program
from support import registry as registries
from support import streams
from support.patience import deadline
from support.registry import Registry
from support.server import Installation, installation

DEPOT = """\
name: shop
version: v2alpha
type: depot
depot:
  type: KAFKA
  kafka: {{brokers: [{brokers}], schemaRegistryUrl: "{url}"}}
  connectionSecret:
    - acl: rw
      type: key-value-properties
      data: {{schema_registry_username: reader, schema_registry_password: {password}}}
"""
STORE = {"type": "record", "name": "shop.Store", "fields": [{"name": "city", "type": "string"}]}
FIRST = {
    "type": "record", "name": "Click",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "store", "type": ["null", STORE]},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
    ],
}  # fmt: skip
SECOND = {**FIRST, "fields": [*FIRST["fields"], {"name": "note", "type": ["null", "string"], "default": None}]}  # type: ignore[misc]
SQL = "SELECT value.id AS id, value.price AS price, value.store.city AS city, value.tags['a'] AS tag FROM clicks"


def password() -> str:
    return "s3cret-canary"


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with registries.running(("reader", password())) as made:
        yield made


@pytest.fixture(scope="module")
def producer() -> Producer:
    made = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    made.produce("x", b"x")
    made.flush(10)
    return made


@pytest.fixture(scope="module")
def brokers(producer: Producer) -> str:
    return ",".join(f"'{b.host}:{b.port}'" for b in producer.list_topics(timeout=10).brokers.values())


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Of the server: tests/engines runs the same tests on Apache Spark."""
    return {}


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, registry: Registry, brokers: str, environment: dict[str, str]
) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("registry"), env=environment) as installed:
        manifest = DEPOT.format(brokers=brokers, url=registry.url, password=password())
        installed.ok("apply", "-f", installed.write("depot.yaml", manifest))
        yield installed
        assert password() not in installed.server_log()


def click(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "price": Decimal("1.50") + number,
        "store": {"city": "Ulm"},
        "tags": {"a": f"t{number}"},
        **more,
    }


def send(producer: Producer, topic: str, *messages: bytes | None) -> None:
    for message in messages:
        producer.produce(topic, message, key=b"k", partition=0)
    assert producer.flush(10) == 0


def entry(topic: str, **more: Any) -> dict[str, Any]:
    options = {"startingOffsets": "earliest", **more.pop("options", {})}
    address = f"dataos://shop:default/{topic}"
    return {"name": "clicks", "dataset": address, "format": "KafkaAvro", "isStream": False, "options": options, **more}


def query(made: Installation, sql: str) -> list[dict[str, Any]]:
    return made.ok("query", sql, "-O", "json").json


def test_messages_of_several_schemas_are_read_by_the_newest(
    made: Installation, registry: Registry, producer: Producer
) -> None:
    """ch04 3.4, 3.5: values are what the registry's schema says; each message is resolved from its own."""
    first = registry.add("clicks-value", FIRST)
    send(producer, "clicks", *(registry.message(first, click(n)) for n in range(3)))
    second = registry.add("clicks-value", SECOND)
    send(producer, "clicks", registry.message(second, click(3, note="new", store=None)), None)
    sql = SQL.replace(" FROM", ", value.note AS note, CAST(key AS STRING) AS k FROM")
    done = streams.run(made, "avro-batch", [entry("clicks")], sql, [streams.table("clicks", saveMode="overwrite")])
    assert done["runtime"] == "succeeded", streams.log(made, "avro-batch")
    found = query(made, "SELECT id, price, city, tag, note, k FROM lakehouse.live.clicks ORDER BY id")
    assert [(r["id"], float(r["price"] or 0), r["city"], r["tag"], r["note"], r["k"]) for r in found] == [
        (0, 1.5, "Ulm", "t0", None, "k"), (1, 2.5, "Ulm", "t1", None, "k"), (2, 3.5, "Ulm", "t2", None, "k"),
        (3, 4.5, None, "t3", "new", "k"), (None, 0.0, None, None, None, "k"),
    ]  # fmt: skip
    before = registry.asked.count(f"/schemas/ids/{first}")
    assert streams.rerun(made, "avro-batch")["runtime"] == "succeeded"
    assert registry.asked.count(f"/schemas/ids/{first}") == before  # a schema never changes under its id
    by_id = streams.run(made, "avro-id", [entry("clicks", schemaId=first)], "SELECT value.* FROM clicks WHERE value IS NOT NULL", [streams.table("by_id")])  # fmt: skip
    assert by_id["runtime"] == "succeeded", streams.log(made, "avro-id")
    assert set(query(made, "SELECT * FROM lakehouse.live.by_id")[0]) - {"__metadata"} == {
        "id",
        "price",
        "store",
        "tags",
    }


def test_a_schema_that_names_another(made: Installation, registry: Registry, producer: Producer) -> None:
    registry.add("stores", STORE)
    whole = registry.add("throwaway", {**FIRST, "name": "Whole"})
    body = {**FIRST, "name": "Named", "fields": [{**f, "type": ["null", "shop.Store"]} if f["name"] == "store" else f for f in FIRST["fields"]]}  # type: ignore[index]  # fmt: skip
    number = registry.add("named-value", body, references=[{"name": "shop.Store", "subject": "stores", "version": 1}])
    send(producer, "named", number.to_bytes(5, "big") + registry.message(whole, click(7))[5:])
    done = streams.run(made, "avro-named", [entry("named")], SQL, [streams.table("named")])
    assert done["runtime"] == "succeeded", streams.log(made, "avro-named")
    assert [(r["id"], r["city"]) for r in query(made, "SELECT id, city FROM lakehouse.live.named")] == [(7, "Ulm")]


def test_a_stream_goes_on_and_messages_that_are_none_are_left_out(
    made: Installation, registry: Registry, producer: Producer
) -> None:
    number = registry.add("shop-clicks", FIRST)
    send(producer, "live", registry.message(number, click(1)), b'{"id": 2}', registry.message(number, click(3))[:-2])
    job = {"streaming": streams.trigger(forEachBatchMode=True)}
    options = {"mode": "DROPMALFORMED"}
    inputs = [entry("live", isStream=True, schemaSubject="shop-clicks", options=options)]
    done = streams.run(made, "avro-live", inputs, SQL, [streams.table("live", saveMode="append")], **job)
    told = streams.log(made, "avro-live")
    assert done["runtime"] == "succeeded", told
    assert streams.ids(made, "live") == [1]
    assert "partition 0, offset 1: it is not in the form of a schema registry (it begins with 7b 22" in told
    assert "2 messages that cannot be read are left out (mode dropmalformed)" in told
    send(producer, "live", registry.message(number, click(4)))
    assert streams.rerun(made, "avro-live")["runtime"] == "succeeded"
    assert streams.ids(made, "live") == [1, 4]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x00\x00\x00\x27\x0fabc", "the schema registry of depot 'shop' has no schema with the id 9999"),
        (b"plain", "partition 0, offset 0: it is not in the form of a schema registry (it begins with 70 6c"),
        (b"", "it begins with nothing"),
    ],
)
def test_a_message_that_cannot_be_read_fails_the_job(
    made: Installation, registry: Registry, producer: Producer, message: bytes, said: str
) -> None:
    topic = f"bad{len(message)}"
    registry.add(f"{topic}-value", FIRST)
    send(producer, topic, message)
    done = streams.run(made, topic, [entry(topic)], SQL, [streams.table(topic)])
    told = streams.log(made, topic)
    assert done["runtime"] == "failed"
    assert said in told
    assert "DROPMALFORMED leaves such messages out" in told


def test_what_the_registry_does_not_have_or_give(
    made: Installation, registry: Registry, producer: Producer, brokers: str
) -> None:
    send(producer, "lost", b"x")
    streams.run(made, "lost", [entry("lost")], SQL, [streams.table("lost")])
    told = streams.log(made, "lost")
    assert "has no version latest of the subject 'lost-value'" in told
    registry.add("lost-value", 'syntax = "proto3";', "PROTOBUF")
    streams.run(made, "proto", [entry("lost")], SQL, [streams.table("lost")])
    assert "is PROTOBUF, not AVRO" in streams.log(made, "proto")
    registry.login = ("reader", "another")
    try:
        streams.run(made, "login", [entry("lost")], SQL, [streams.table("lost")])
    finally:
        registry.login = ("reader", password())
    told = streams.log(made, "login")
    assert "depot 'shop'" in told and password() not in told
    plain = DEPOT.format(brokers=brokers, url="http://x", password="p").replace(', schemaRegistryUrl: "http://x"', "")
    made.ok("apply", "-f", made.write("plain.yaml", plain.replace("name: shop", "name: plain")))
    manifest = streams.workflow(
        "none", [entry("lost", dataset="dataos://plain:default/lost")], SQL, [streams.table("lost")]
    )
    done = made.cli("apply", "-f", made.write("none.yaml", manifest))
    assert done.code == 1
    assert "depot 'plain' names no schema registry, which kafkaavro needs" in done.err


def test_rows_are_written_with_a_schema_of_their_own(
    made: Installation, registry: Registry, producer: Producer, brokers: str
) -> None:
    """ch04 3.5: format kafkaavro of an output. What is written is read again."""
    send(producer, "sink", b"0")
    number = registry.add("clicks2-value", FIRST)
    send(producer, "clicks2", *(registry.message(number, click(n)) for n in range(2)))
    target = {"name": "made", "dataset": "dataos://shop:default/sink?acl=rw", "format": "kafkaavro"}
    sql = "SELECT value.id AS id, value.price AS price, value.store AS store, value.tags AS tags FROM clicks"
    done = streams.run(made, "avro-out", [entry("clicks2")], sql, [target])
    assert done["runtime"] == "succeeded", streams.log(made, "avro-out")
    sent = [registry.value(v) for v in received(brokers, "sink", 3) if v != b"0"]
    assert sorted(v["id"] for v in sent) == [0, 1]
    assert sent[0]["store"] == {"city": "Ulm"}
    assert {Decimal(v["price"]) for v in sent} == {Decimal("1.50"), Decimal("2.50")}
    [schema] = registry.subjects["sink-value"]
    again = {**target, "options": {"schemaId": schema}}
    done = streams.run(
        made, "avro-key", [entry("clicks2")], "SELECT key, struct(value.*) AS value FROM clicks", [again]
    )
    assert done["runtime"] == "succeeded", streams.log(made, "avro-key")
    assert len([v for v in received(brokers, "sink", 5) if v[:5] == schema.to_bytes(5, "big")]) == 4
    done = streams.run(made, "avro-no", [entry("clicks2")], "SELECT value.id AS other FROM clicks", [target])
    assert done["runtime"] == "failed"
    assert "refuses the rows' schema for the subject 'sink-value'" in streams.log(made, "avro-no")


def test_a_program_outside_writes_messages(
    made: Installation, registry: Registry, producer: Producer, brokers: str
) -> None:
    for topic in ("outside", "outside-json"):
        send(producer, topic, b"0")
    done = program(
        made,
        BEGIN
        + """
spark = builder.with_depot("shop", "rw").build_session()
df = spark.sql("SELECT id, concat('c', id) AS city FROM VALUES (1), (2) AS t(id)")
save("dataos://shop:default/outside", df, "kafkaavro")
save("dataos://shop:default/outside-json", df.selectExpr("CAST(id AS STRING) AS key", "city AS value"), "kafkajson")
""",
    )
    assert done.code == 0, done.err
    sent = [v for v in received(brokers, "outside", 3) if v != b"0"]
    assert sorted(registry.value(v)["city"] for v in sent) == ["c1", "c2"]
    assert sorted(received(brokers, "outside-json", 3)) == [b"0", b"c1", b"c2"]


@pytest.fixture(scope="module")
def reader(made: Installation, producer: Producer, registry: Registry) -> Iterator[httpx.Client]:
    """Somebody who may read and write one topic, and read another; a third is not his."""
    for topic in ("mine", "shared", "canarysecret"):
        send(producer, topic, b"0")
    paths = {"reads": ["mine", "shared"], "writes": ["mine"]}
    headers = {"Authorization": f"Bearer {(made.home / 'keys' / 'admin.token').read_text().strip()}"}
    with httpx.Client(base_url=made.url, headers=headers, timeout=60) as op:
        user = {"id": "ria", "name": "ria", "type": "person", "tags": ["roles:id:data-dev"]}
        assert op.post("/api/v1/users", json=user).status_code == 200
        for name, topics in paths.items():
            block = {"subjects": {"tags": [["users:id:ria"]]}, "allow": True,
                     "predicates": ["read", "select"] if name == "reads" else ["update", "write"],
                     "objects": {"paths": [f"dataos://shop:default/{t}" for t in topics]}}  # fmt: skip
            policy = {"name": f"ria-{name}", "version": "v1", "type": "policy", "layer": "user",
                      "policy": {"access": block}}  # fmt: skip
            assert op.post("/api/v1/apply", json={"document": policy}).status_code == 200
        key = op.post("/api/v1/users/ria/tokens", json={}).json()["token"]
    with httpx.Client(base_url=made.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


def test_schemas_are_for_who_may_read_a_topic_of_theirs(
    made: Installation, registry: Registry, reader: httpx.Client
) -> None:
    def record(name: str, **more: Any) -> dict[str, Any]:
        return {"type": "record", "name": name, "fields": [{"name": "id", "type": more.get("of", "long")}]}

    own = registry.add("mine-value", record("Mine"))
    other = registry.add("shared-key", record("Shared"))
    by_record = registry.add("mine-acme.Click", record("Click"))
    secret = registry.add("canarysecret-value", record("Secret"))
    named = registry.add("acme.Canary", record("Named"))
    registry.add("parts", record("Old"))
    registry.add("parts", record("Part"))
    refers = registry.add(
        "mine-key", record("Whole", of="Part"), references=[{"name": "Part", "subject": "parts", "version": 2}]
    )

    def ask(address: str = "dataos://shop:default/mine", **body: Any) -> httpx.Response:
        return reader.post("/api/v1/inputs/schema", json={"address": address, **body})

    for body, number in (
        ({"subject": "mine-value"}, own), ({"id": own}, own), ({"id": other}, other), ({"id": by_record}, by_record),
        ({"subject": "shared-key"}, other), ({"subject": "mine-acme.Click"}, by_record), ({"id": refers}, refers),
        ({"subject": "parts", "version": "2"}, None),
    ):  # fmt: skip
        answer = ask(**body)
        assert answer.status_code == 200, answer.text
        assert number is None or answer.json()["id"] == number
    for body in (
        {"subject": "canarysecret-value"}, {"subject": "canarysecret-value", "version": "1"}, {"id": secret},
        {"id": named}, {"id": 9999}, {"subject": "acme.Canary"}, {"subject": ":.:canarysecret-value"},
        {"subject": "parts", "version": "1"}, {"subject": "parts"}, {"subject": ""},
    ):  # fmt: skip
        answer = ask(**body)
        assert answer.status_code == 403, f"{body}: {answer.text}"
        assert "Secret" not in answer.text and "Named" not in answer.text
    assert ask("dataos://shop:default/canarysecret", subject="canarysecret-value").status_code == 403


def test_schemas_are_registered_for_topics_that_one_may_write(
    made: Installation, registry: Registry, reader: httpx.Client
) -> None:
    text = '{"type": "record", "name": "New", "fields": [{"name": "id", "type": "long"}]}'

    def register(subject: str) -> int:
        body = {"address": "dataos://shop:default/mine", "subject": subject, "schema": text}
        return reader.post("/api/v1/outputs/schema", json=body).status_code

    assert register("mine-value") == 200
    assert register("mine-acme.New") == 200
    for subject in ("canarysecret-value", "shared-value", "acme.New", "anything", ":.:canarysecret-value"):
        assert register(subject) == 403, subject
        assert "New" not in json.dumps(registry.subjects.get(subject, []))
    assert "shared-value" not in registry.subjects


def received(brokers: str, topic: str, count: int) -> list[bytes]:
    """Values of a topic's messages."""
    consumer = Consumer(
        {"bootstrap.servers": brokers.replace("'", ""), "group.id": "test", "auto.offset.reset": "earliest"}
    )
    try:
        parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in parts])
        found: list[bytes] = []
        until = deadline(20)
        while len(found) < count and time.monotonic() < until:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append(message.value())
        return found
    finally:
        consumer.close()
