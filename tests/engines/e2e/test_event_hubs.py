"""Event Hubs by their Kafka endpoint: a Kafka broker that asks for the same login, read and written by jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engines import running
from engines.conftest import NAMESPACE_KEY
from support import streams
from support.server import Installation, installation

SECRET = """
name: hub-{acl}
version: v1
type: instance-secret
instance-secret:
  type: key-value-properties
  acl: {acl}
  data: {{eh_shared_access_key_name: root, eh_shared_access_key: k-canary=}}
---
"""
DEPOT = """
name: hub
version: v2alpha
type: depot
depot:
  type: EVENTHUB
  eventhub:
    endpoint: sb://{address}/
    params: {{security.protocol: SASL_PLAINTEXT}}
  secrets:
    - {{name: hub-r, allKeys: true}}
    - {{name: hub-rw, allKeys: true}}
"""
SQL = (
    "SELECT CAST(CAST(body AS STRING) AS BIGINT) AS id, partition, offset, sequenceNumber, enqueuedTime, publisher, "
    "partitionKey, properties['kind'] AS kind, size(systemProperties) AS system FROM events"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, event_hubs: running.Broker) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("hubs")) as installed:
        text = "".join(SECRET.format(acl=acl) for acl in ("r", "rw")) + DEPOT.format(address=event_hubs.address)
        installed.ok("apply", "-f", installed.write("depot.yaml", text))
        yield installed


def hub(name: str, **more: Any) -> dict[str, Any]:
    return {"name": "events", "dataset": f"dataos://hub:default/{name}", **more}


EARLIEST = {"eventhubs.startingposition": '{"offset":"-1","seqNo":-1,"enqueuedTime":null,"isInclusive":true}'}


def test_events_are_read_once_with_the_columns_of_the_connector(made: Installation, event_hubs: running.Broker) -> None:
    event_hubs.make("events", 2)
    event_hubs.send("events", (str(i) for i in range(20)), headers=[("kind", b"\xa1\x05order"), ("n", b"1")])
    job: Any = ("events", [hub("events", options=EARLIEST)], SQL, [streams.table("events")])
    done = streams.run(made, *job, streaming=streams.trigger(forEachBatchMode="true"))
    assert done["runtime"] == "succeeded", streams.log(made, "events")
    event_hubs.send("events", (str(i) for i in range(20, 25)))
    assert streams.rerun(made, "events")["runtime"] == "succeeded"
    assert streams.ids(made, "events") == list(range(25))
    sql = "SELECT * FROM lakehouse.live.events WHERE id IN (3, 22) ORDER BY id"
    first, last = made.ok("query", sql, "-O", "json").json
    assert first["partitionkey"] == "3"
    assert first["kind"] == '"order"'
    assert first["partition"] in ("0", "1")
    assert first["offset"] == str(first["sequencenumber"])
    assert first["publisher"] is None
    assert first["system"] == 0
    assert last["kind"] is None
    assert first["enqueuedtime"][:2] == "20"


def test_positions_bound_what_a_batch_reads(made: Installation, event_hubs: running.Broker) -> None:
    event_hubs.make("bounded", 1)
    event_hubs.send("bounded", (str(i) for i in range(10)))
    options = {
        "eventhubs.startingposition": '{"seqNo": 2, "isInclusive": false}',
        "eventhubs.endingposition": '{"seqNo": 6}',
        "eventhubs.consumergroup": "$Default",
    }
    entry = hub("bounded", isStream=False, format="Eventhub", options=options)
    done = streams.run(made, "bounded", [entry], SQL, [streams.table("bounded")])
    assert done["runtime"] == "succeeded", streams.log(made, "bounded")
    assert streams.ids(made, "bounded") == [3, 4, 5, 6]
    at = '{"enqueuedTime": "2020-01-01T00:00:00.000Z"}'
    entry = hub("bounded", isStream=False, options={"eventhubs.startingposition": at})
    assert streams.run(made, "bounded", [entry], SQL, [streams.table("bounded")])["runtime"] == "succeeded"
    assert streams.ids(made, "bounded") == list(range(10))
    entry = hub("bounded", isStream=False, options={"eventhubs.endingposition": at})
    assert streams.run(made, "bounded", [entry], SQL, [streams.table("bounded")])["runtime"] == "succeeded"
    assert streams.ids(made, "bounded") == []


def test_a_stream_without_a_position_begins_with_what_comes(made: Installation, event_hubs: running.Broker) -> None:
    event_hubs.make("later", 1)
    event_hubs.send("later", ["1", "2"])
    job: Any = ("later", [hub("later")], SQL, [streams.table("later")])
    assert streams.run(made, *job, streaming=streams.trigger())["runtime"] == "succeeded", streams.log(made, "later")
    event_hubs.send("later", ["3"])
    assert streams.rerun(made, "later")["runtime"] == "succeeded"
    assert streams.ids(made, "later") == [3]


def test_rows_become_events(made: Installation, event_hubs: running.Broker) -> None:
    for name in ("source", "parts", "rows"):
        event_hubs.make(name, 2)
    event_hubs.send("source", ["1", "2", "3"])
    own = (
        "SELECT body, concat('k', CAST(body AS STRING)) AS partitionKey, map('kind', 'copy') AS properties FROM events"
    )
    source = hub("source", isStream=False)
    target: dict[str, Any] = {"name": "made", "format": "Eventhub"}
    done = streams.run(made, "parts", [source], own, [{**target, "dataset": "dataos://hub:default/parts?acl=rw"}])
    assert done["runtime"] == "succeeded", streams.log(made, "parts")
    found = sorted((m.key(), m.value(), m.headers()) for m in event_hubs.read("parts"))
    assert found == [(f"k{i}".encode(), str(i).encode(), [("kind", b"copy")]) for i in (1, 2, 3)]
    rows = "SELECT CAST(CAST(body AS STRING) AS INT) AS id, partition FROM events"
    done = streams.run(made, "rows", [source], rows, [{**target, "dataset": "dataos://hub:default/rows?acl=rw"}])
    assert done["runtime"] == "succeeded", streams.log(made, "rows")
    assert sorted(json.loads(m.value())["id"] for m in event_hubs.read("rows")) == [1, 2, 3]


def test_the_depot_is_tested_listed_and_sampled(made: Installation, event_hubs: running.Broker) -> None:
    event_hubs.make("looked-at", 1)
    event_hubs.send("looked-at", ["one", "two"])
    assert "the namespace lists its event hubs" in made.ok("depot", "test", "hub").out
    assert "sequenceNumber" in made.ok("depot", "ls", "dataos://hub:default/looked-at").out
    (row,) = made.ok("depot", "sample", "dataos://hub:default/looked-at", "--limit", "1", "-O", "json").json
    assert (row["body"], row["sequenceNumber"]) == ("two", 1)
    assert NAMESPACE_KEY[1].endswith("=k-canary=")
    assert "canary" not in made.server_log()


def test_positions_that_say_nothing_are_refused_at_apply(made: Installation) -> None:
    wrong = hub("events", format="eventhub", options={"eventhubs.startingposition": '{"offset": "4294967296"}'})
    job = streams.workflow("wrong", [wrong], SQL, [streams.table("wrong")], streaming=streams.trigger())
    done = made.cli("apply", "-f", made.write("wrong.yaml", job))
    assert done.code == 1
    assert "AMQP" in done.out + done.err
    del wrong["format"]  # the depot says it
    job = streams.workflow("wrong", [wrong], SQL, [streams.table("wrong")], streaming=streams.trigger())
    done = made.cli("apply", "-f", made.write("wrong.yaml", job))
    assert done.code == 1
    assert "AMQP" in done.out + done.err
    assert "wrong.yaml:" in done.out + done.err
