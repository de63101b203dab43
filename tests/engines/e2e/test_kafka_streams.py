"""Topics of a real Kafka broker: looked at, read as streams and as batches, written, over kills and outages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from engines import running
from support import streams
from support.server import Installation, installation, wait_until

DEPOT = "name: shop\nversion: v2alpha\ntype: depot\ndepot:\n  type: KAFKA\n  kafka: {{brokers: ['{address}']}}\n"
SQL = "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id, CAST(key AS STRING) AS sender FROM clicks"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, kafka: running.Broker) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("kafka")) as installed:
        installed.ok("apply", "-f", installed.write("depot.yaml", DEPOT.format(address=kafka.address)))
        yield installed


def topic(name: str, **more: Any) -> dict[str, Any]:
    options = {"startingOffsets": "earliest", **more.pop("options", {})}
    address = f"dataos://shop:default/{name}?acl=rw"
    return {"name": "clicks", "dataset": address, "format": "kafkajson", "isStream": True, "options": options, **more}


def apply(made: Installation, name: str, *rest: Any, **job: Any) -> None:
    made.ok("apply", "-f", made.write(f"{name}.yaml", streams.workflow(name, *rest, **job)))


def numbers(*span: int) -> list[str]:
    return [str(i) for i in range(*span)]


@pytest.mark.acceptance("ch04-AS05")
def test_each_run_loads_the_messages_since_the_last_one(made: Installation, kafka: running.Broker) -> None:
    kafka.make("clicks", 3)
    kafka.send("clicks", numbers(100))
    job = {"streaming": streams.trigger(forEachBatchMode=True)}
    done = streams.run(
        made, "wf-clicks-stream", [topic("clicks")], SQL, [streams.table("clicks", saveMode="append")], **job
    )
    assert done["runtime"] == "succeeded", streams.log(made, "wf-clicks-stream")
    assert streams.ids(made, "clicks") == list(range(100))
    kafka.send("clicks", numbers(100, 150))
    assert streams.rerun(made, "wf-clicks-stream")["runtime"] == "succeeded"
    assert streams.ids(made, "clicks") == list(range(150))
    assert "50 offsets" in streams.log(made, "wf-clicks-stream")
    without = streams.workflow("wf-clicks-stream", [topic("clicks")], SQL, [streams.table("clicks")], streaming={})
    done = made.cli("apply", "-l", "-f", made.write("without.yaml", without))
    assert done.code == 1
    assert "checkpointLocation must be specified" in done.out + done.err
    assert "without.yaml:" in done.out + done.err


def test_depots_of_topics_are_tested_listed_and_sampled(made: Installation, kafka: running.Broker) -> None:
    """ch02-AS20, its first half"""
    kafka.make("looked-at", 2)
    kafka.send("looked-at", ['{"a": 1}', '{"a": 2}', '{"a": 3}'], headers=[("kind", b"test")])
    assert "the brokers list their topics" in made.ok("depot", "test", "shop").out
    assert "looked-at" in made.ok("depot", "ls", "dataos://shop:default").out
    assert "int (0 to 1)" in made.ok("depot", "ls", "dataos://shop:default/looked-at").out
    rows = made.ok("depot", "sample", "dataos://shop:default/looked-at", "--limit", "2", "-O", "json").json
    assert len(rows) == 2
    assert {r["value"] for r in rows} < {'{"a": 1}', '{"a": 2}', '{"a": 3}'}
    assert rows[0]["headers"] == [{"key": "kind", "value": "test"}]
    missing = made.cli("depot", "sample", "dataos://shop:default/no-such")
    assert missing.code == 1
    assert "has no topic 'no-such'" in missing.out + missing.err


def test_a_stream_outlives_the_broker_and_the_server(made: Installation, kafka: running.Broker) -> None:
    kafka.make("endless", 2)
    kafka.send("endless", numbers(10))
    apply(made, "endless", [topic("endless")], SQL, [streams.table("endless")], streaming=streams.trigger(None))
    wait_until(lambda: streams.ids(made, "endless") == list(range(10)), 60, "the first messages")
    kafka.stop()
    time.sleep(3)
    made.kill()
    time.sleep(1)
    made.up()
    kafka.start()
    kafka.send("endless", numbers(10, 20))
    wait_until(lambda: streams.ids(made, "endless") == list(range(20)), 90, "messages after the outage")
    (node,) = made.client().runtime("workflow", "endless", "public")["nodes"]
    assert [a["state"] for a in node["attempts"]] == ["running"]
    made.ok("runtime", "stop", "-t", "workflow", "-n", "endless", "-w", "public")
    assert streams.ended(made, "endless")["runtime"] == "aborted"
    assert streams.ids(made, "endless") == list(range(20))


def test_a_batch_job_reads_what_is_there_now(made: Installation, kafka: running.Broker) -> None:
    kafka.make("there", 2)
    kafka.send("there", numbers(20))
    for _ in range(2):
        done = streams.run(made, "now", [topic("there", isStream=False)], SQL, [streams.table("there")])
        assert done["runtime"] == "succeeded", streams.log(made, "now")
        assert streams.ids(made, "there") == list(range(20))


def test_rows_become_messages(made: Installation, kafka: running.Broker) -> None:
    kafka.make("out", 1)
    kafka.make("source", 1)
    kafka.send("source", numbers(3))
    own = (
        "SELECT CAST(value AS STRING) AS key, named_struct('n', CAST(CAST(value AS STRING) AS INT)) AS value, "
        "array(named_struct('key', 'kind', 'value', 'x')) AS headers FROM clicks"
    )
    output = {"name": "made", "dataset": "dataos://shop:default/out?acl=rw", "format": "kafkajson"}
    done = streams.run(made, "to-topic", [topic("source")], own, [output], streaming=streams.trigger())
    assert done["runtime"] == "succeeded", streams.log(made, "to-topic")
    found = kafka.read("out")
    assert sorted((m.key(), json.loads(m.value())["n"], m.headers()) for m in found) == [
        (str(i).encode(), i, [("kind", b"x")]) for i in range(3)
    ]
    kafka.make("rows", 1)
    whole = {**output, "dataset": "dataos://shop:default/rows?acl=rw"}
    done = streams.run(made, "whole", [topic("source", isStream=False)], SQL, [whole])
    assert done["runtime"] == "succeeded", streams.log(made, "whole")
    assert sorted(json.loads(m.value())["id"] for m in kafka.read("rows")) == [0, 1, 2]


def test_messages_that_are_gone_are_told_of(made: Installation, kafka: running.Broker) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    kafka.make("short", 1)
    kafka.send("short", numbers(10))
    done = streams.run(made, "short", [topic("short")], SQL, [streams.table("short")], streaming=streams.trigger())
    assert done["runtime"] == "succeeded", streams.log(made, "short")
    kafka.send("short", numbers(10, 20))
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for future in admin.delete_records([TopicPartition("short", 0, 15)]).values():
        future.result(20)
    assert streams.rerun(made, "short")["runtime"] == "failed"
    assert "partition 0: it holds offsets 15 to 20, and 10 would be next" in streams.log(made, "short")
    options = {"failOnDataLoss": "false"}
    done = streams.run(
        made, "short", [topic("short", options=options)], SQL, [streams.table("short")], streaming=streams.trigger()
    )
    assert done["runtime"] == "succeeded", streams.log(made, "short")
    assert streams.ids(made, "short") == [*range(10), *range(15, 20)]


def test_a_batch_takes_no_more_than_it_may(made: Installation, kafka: running.Broker) -> None:
    kafka.make("many", 3)
    kafka.send("many", numbers(100))
    limited = topic("many", options={"maxOffsetsPerTrigger": 30})
    done = streams.run(made, "many", [limited], SQL, [streams.table("many")], streaming=streams.trigger())
    assert done["runtime"] == "succeeded", streams.log(made, "many")
    assert streams.ids(made, "many") == list(range(100))
    assert int(streams.state(made, "many")["(stream)"]["batch"]) >= 4


def test_a_batch_read_outlives_a_restart_of_the_broker(made: Installation, kafka: running.Broker) -> None:
    """The broker goes while a job reads: it is waited for or the job is tried again, and no message comes twice."""
    many = 80_000
    kafka.make("broken-off", 2)
    kafka.send("broken-off", (f"{i:01000}" for i in range(many)), key="k")
    source = topic("broken-off") | {"isStream": False}
    sql = "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id FROM clicks"
    body = yaml.safe_load(streams.workflow("broken-off", [source], sql, [streams.table("broken", saveMode="append")]))
    body["workflow"]["dag"][0]["retry"] = {"count": 3, "strategy": "OnTransientError"}
    made.ok("apply", "-f", made.write("broken-off.yaml", json.dumps(body)))
    wait_until(lambda: "Loading clicks" in streams.log(made, "broken-off"), 60, "the job reads")
    kafka.stop()
    time.sleep(2)
    kafka.start()
    assert streams.ended(made, "broken-off")["runtime"] == "succeeded", streams.log(made, "broken-off")
    counts = "SELECT count(*) AS n, count(DISTINCT id) AS d, max(id) AS last FROM lakehouse.live.broken"
    assert made.ok("query", counts, "-O", "json").json == [{"n": many, "d": many, "last": many - 1}]
