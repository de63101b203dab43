"""Topics of a real Pulsar: looked at, read as streams and as batches, written; ledgers that roll and go."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from engines.pulsarbroker import PulsarBroker
from support import streams
from support.server import Installation, installation, wait_until

DEPOT = """
name: bus
version: v2alpha
type: depot
depot:
  type: PULSAR
  pulsar: {{adminUrl: "{admin}", serviceUrl: "{service}", tenant: public}}
"""
SQL = "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id, __key AS sender FROM clicks"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pulsar: PulsarBroker) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("pulsar")) as installed:
        text = DEPOT.format(admin=pulsar.admin_url, service=pulsar.service_url)
        installed.ok("apply", "-f", installed.write("depot.yaml", text))
        yield installed


def topic(name: str, **more: Any) -> dict[str, Any]:
    options = {"startingOffsets": "earliest", **more.pop("options", {})}
    return {"name": "clicks", "dataset": f"dataos://bus:default/{name}", "options": options, **more}


def numbers(*span: int) -> list[str]:
    return [str(i) for i in range(*span)]


def succeeded(made: Installation, name: str, done: dict[str, Any]) -> None:
    assert done["runtime"] == "succeeded", streams.log(made, name)


def test_each_run_reads_what_is_new_and_only_that(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("clicks", numbers(25), batch=10)
    job: Any = ("clicks", [topic("clicks")], SQL, [streams.table("clicks")])
    succeeded(made, "clicks", streams.run(made, *job, streaming=streams.trigger()))
    assert "3 entries of 1 partitions" in streams.log(made, "clicks")
    pulsar.send("clicks", numbers(25, 30), batch=10)
    succeeded(made, "clicks", streams.rerun(made, "clicks"))
    assert streams.ids(made, "clicks") == list(range(30))
    place = streams.state(made, "clicks")["clicks"]["-1"]
    ledger, _, entry = place.partition(":")
    assert int(ledger) >= 0
    assert int(entry) >= 0
    succeeded(made, "clicks", streams.rerun(made, "clicks"))
    assert streams.ids(made, "clicks") == list(range(30))


def test_partitions_limits_and_a_new_partition(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.make("parted", 3)
    pulsar.send("parted", numbers(60), partition_key=lambda v: v)
    job: Any = ("parted", [topic("parted", options={"maxOffsetsPerTrigger": 20})], SQL, [streams.table("parted")])
    succeeded(made, "parted", streams.run(made, *job, streaming=streams.trigger()))
    assert streams.ids(made, "parted") == list(range(60))
    assert int(streams.state(made, "parted")["(stream)"]["batch"]) >= 3
    assert set(streams.state(made, "parted")["clicks"]) == {"0", "1", "2"}
    pulsar.ask("POST", "persistent/public/default/parted/partitions", 5)
    pulsar.send("parted", numbers(60, 90), partition_key=lambda v: v)
    succeeded(made, "parted", streams.rerun(made, "parted"))
    assert streams.ids(made, "parted") == list(range(90))


def test_parts_of_messages_are_columns(made: Installation, pulsar: PulsarBroker) -> None:
    at = 1_700_000_000_123
    pulsar.send("parts", ["7"], partition_key="k", properties={"kind": "test"}, event_timestamp=at)
    sql = (
        "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id, __key, __topic, __messageId, __publishTime, __eventTime, "
        "__messageProperties['kind'] AS kind, __producer_name FROM clicks"
    )
    done = streams.run(made, "parts", [topic("parts", isStream=False, format="pulsar")], sql, [streams.table("parts")])
    succeeded(made, "parts", done)
    sql = "SELECT __key, __topic, length(__messageId) AS size, __eventTime, kind FROM lakehouse.live.parts"
    (row,) = made.ok("query", sql, "-O", "json").json
    assert (row["__key"], row["__topic"], row["kind"]) == ("k", "persistent://public/default/parts", "test")
    assert row["size"] > 0
    assert row["__eventtime"].startswith("2023-11-14")


def test_records_of_a_schema_are_columns_and_versions_stand_together(made: Installation, pulsar: PulsarBroker) -> None:
    from pulsar.schema import AvroSchema, Integer, Record, String

    class Order(Record):
        id = Integer(required=True)
        product = String()

    class Order2(Record):
        id = Integer(required=True)
        product = String()
        note = String(default=None, required_default=True)

    Order2.__name__ = "Order"
    pulsar.send("orders", [Order(id=1, product="tea")], AvroSchema(Order))
    pulsar.send("orders", [Order2(id=2, product=None, note="late")], AvroSchema(Order2))
    assert "product" in made.ok("depot", "ls", "dataos://bus:default/orders").out
    sql = "SELECT id, product, note, __key FROM clicks"
    done = streams.run(made, "orders", [topic("orders", isStream=False)], sql, [streams.table("orders")])
    succeeded(made, "orders", done)
    rows = made.ok("query", "SELECT id, product, note FROM lakehouse.live.orders ORDER BY id", "-O", "json").json
    assert rows == [{"id": 1, "product": "tea", "note": None}, {"id": 2, "product": None, "note": "late"}]


def test_json_and_plain_types_and_broken_messages(made: Installation, pulsar: PulsarBroker) -> None:
    from pulsar.schema import Array, Integer, JsonSchema, Record, String, StringSchema

    class Basket(Record):
        id = Integer(required=True)
        things = Array(String())

    pulsar.send("baskets", [Basket(id=1, things=["tea", "milk"]), Basket(id=2, things=[])], JsonSchema(Basket))
    pulsar.send("baskets", ["no json"])  # without a schema the broker takes anything
    sql = "SELECT id, size(things) AS many FROM clicks"
    entry = topic("baskets", isStream=False)
    done = streams.run(made, "baskets", [entry], sql, [streams.table("baskets")])
    assert done["runtime"] == "failed"
    told = streams.log(made, "baskets")
    print(told)
    assert "the message at persistent://public/default/baskets " in told
    assert "is not what the topic's schema (JSON) says" in told
    entry["options"]["mode"] = "DROPMALFORMED"
    succeeded(made, "baskets", streams.run(made, "baskets", [entry], sql, [streams.table("baskets")]))
    rows = made.ok("query", "SELECT id, many FROM lakehouse.live.baskets ORDER BY id", "-O", "json").json
    assert rows == [{"id": 1, "many": 2}, {"id": 2, "many": 0}]
    out = {"name": "made", "dataset": "dataos://bus:default/baskets?acl=rw", "format": "pulsar"}
    more = "SELECT CAST(9 AS INT) AS id, array('jam') AS things FROM clicks LIMIT 1"
    succeeded(made, "more", streams.run(made, "more", [entry], more, [out]))
    assert json.loads(pulsar.read("baskets")[-1].data()) == {"id": 9, "things": ["jam"]}
    assert pulsar.ask("GET", "schemas/public/default/baskets/schema")["version"] == 0
    pulsar.send("words", ["4", "5"], StringSchema())
    sql = "SELECT CAST(value AS BIGINT) AS id FROM clicks WHERE value LIKE '_'"
    succeeded(
        made, "words", streams.run(made, "words", [topic("words", isStream=False)], sql, [streams.table("words")])
    )
    assert streams.ids(made, "words") == [4, 5]


def test_a_batch_is_bounded_by_message_ids(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("bounded", numbers(20), batch=5)
    found = {int(m.data()): m.message_id() for m in pulsar.read("bounded")}
    first, last = found[7], found[13]
    named = f"{last.ledger_id()}:{last.entry_id()}:-1:{last.batch_index()}"
    options = {
        "startingOffsets": json.dumps({"bounded": [b - 256 if b > 127 else b for b in first.serialize()]}),
        "endingOffsets": json.dumps({"persistent://public/default/bounded": named}),
    }
    entry = topic("bounded", isStream=False, options=options)
    succeeded(made, "bounded", streams.run(made, "bounded", [entry], SQL, [streams.table("bounded")]))
    assert streams.ids(made, "bounded") == list(range(7, 14))


def test_latest_keeps_its_place_before_anything_comes(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("later", numbers(5))
    job: Any = ("later", [topic("later", options={"startingOffsets": "latest"})], SQL, [streams.table("later")])
    succeeded(made, "later", streams.run(made, *job, streaming=streams.trigger()))
    pulsar.send("later", numbers(5, 8))
    succeeded(made, "later", streams.rerun(made, "later"))
    assert streams.ids(made, "later") == [5, 6, 7]


def test_ledgers_that_roll_are_followed_and_those_that_are_gone_are_told_of(
    made: Installation, pulsar: PulsarBroker
) -> None:
    pulsar.send("rolling", numbers(5))
    job: Any = ("rolling", [topic("rolling")], SQL, [streams.table("rolling")])
    succeeded(made, "rolling", streams.run(made, *job, streaming=streams.trigger()))
    pulsar.roll("rolling", remove=False)
    pulsar.send("rolling", numbers(5, 8))
    succeeded(made, "rolling", streams.rerun(made, "rolling"))
    assert streams.ids(made, "rolling") == list(range(8))
    pulsar.send("rolling", numbers(8, 10))
    pulsar.roll("rolling", remove=True)
    pulsar.send("rolling", numbers(10, 12))
    assert streams.rerun(made, "rolling")["runtime"] == "failed"
    assert "may be gone with its ledger" in streams.log(made, "rolling")
    entry = topic("rolling", options={"failOnDataLoss": "false"})
    done = streams.run(made, "rolling", [entry], SQL, [streams.table("rolling")], streaming=streams.trigger())
    succeeded(made, "rolling", done)
    assert streams.ids(made, "rolling") == [*range(8), 10, 11]


def test_rows_become_records_and_values_messages(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("source", numbers(1, 4))
    target: dict[str, Any] = {"name": "made", "format": "pulsar"}
    source = topic("source", isStream=False)
    sql = (
        "SELECT CAST(CAST(value AS STRING) AS INT) AS id, concat('row ', CAST(value AS STRING)) AS text, "
        "TIMESTAMP '2026-05-01 10:00:00' AS at, 'k' AS __key, map('kind', 'copy') AS __messageProperties, "
        "TIMESTAMP '2026-05-01 00:00:00' AS __eventTime FROM clicks"
    )
    out = {**target, "dataset": "dataos://bus:default/records?acl=rw"}
    succeeded(made, "records", streams.run(made, "records", [source], sql, [out]))
    schema = pulsar.ask("GET", "schemas/public/default/records/schema")
    assert schema["type"] == "AVRO"
    found = pulsar.read("records")
    assert sorted(m.partition_key() for m in found) == ["k"] * 3
    assert found[0].properties() == {"kind": "copy"}
    assert dt.datetime.fromtimestamp(found[0].event_timestamp() / 1000, dt.UTC).day in (30, 1)
    back = streams.run(
        made, "back", [topic("records", isStream=False)], "SELECT id, text, at FROM clicks", [streams.table("back")]
    )
    succeeded(made, "back", back)
    assert streams.ids(made, "back") == [1, 2, 3]
    more = sql.replace("AS text,", "AS text, 'x' AS extra,")  # a column more: the topic's schema gets it
    succeeded(made, "records", streams.run(made, "records", [source], more, [out]))
    assert "extra" in pulsar.ask("GET", "schemas/public/default/records/schema")["data"]
    other = sql.replace("AS INT) AS id", "AS STRING) AS id")
    assert streams.run(made, "records", [source], other, [out])["runtime"] == "failed"
    print(streams.log(made, "records"))
    assert "a row does not go with the schema of its topic" in streams.log(made, "records")
    plain = "SELECT CAST(value AS STRING) AS value, CAST(value AS STRING) AS __key FROM clicks"
    out = {"name": "made", "dataset": "dataos://bus:default/plain?acl=rw"}
    done = streams.run(made, "plain", [topic("source")], plain, [out], streaming=streams.trigger())
    succeeded(made, "plain", done)
    assert sorted((m.partition_key(), m.data()) for m in pulsar.read("plain")) == [
        (str(i), str(i).encode()) for i in (1, 2, 3)
    ]


def test_a_stream_outlives_the_broker_and_the_server(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("endless", numbers(10))
    text = streams.workflow(
        "endless", [topic("endless")], SQL, [streams.table("endless")], streaming=streams.trigger(None)
    )
    made.ok("apply", "-f", made.write("endless.yaml", text))
    wait_until(lambda: streams.ids(made, "endless") == list(range(10)), 60, "the first messages")
    pulsar.stop()
    made.kill()
    made.up()
    pulsar.start()
    pulsar.send("endless", numbers(10, 20))
    wait_until(lambda: streams.ids(made, "endless") == list(range(20)), 120, "messages after the outage")
    made.ok("runtime", "stop", "-t", "workflow", "-n", "endless", "-w", "public")
    assert streams.ended(made, "endless")["runtime"] == "aborted"
    assert streams.ids(made, "endless") == list(range(20))


def test_depots_of_topics_are_tested_listed_and_sampled(made: Installation, pulsar: PulsarBroker) -> None:
    pulsar.send("looked-at", ["one", "two", "three"], properties={"kind": "test"})
    assert "the admin service lists" in made.ok("depot", "test", "bus").out
    assert "looked-at" in made.ok("depot", "ls", "dataos://bus:default").out
    rows = made.ok("depot", "sample", "dataos://bus:default/looked-at", "--limit", "2", "-O", "json").json
    assert [r["value"] for r in rows] == ["two", "three"]
    assert rows[0]["__messageProperties"] == {"kind": "test"}
    assert int(rows[1]["__messageId"].split(":")[1]) == 2, "as startingOffsets takes it"
    missing = made.cli("depot", "sample", "dataos://bus:default/no-such")
    assert missing.code == 1
    assert "has no topic 'no-such'" in missing.out + missing.err
