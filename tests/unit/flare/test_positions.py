"""Where inputs of Event Hubs and Pulsar begin and end, as manifests say it (ch04 3.5)."""

from __future__ import annotations

import json
from typing import Any

import pulsar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.messageids import MessageId, decode
from dataos.manifest.specs import Reading
from dataos.stacks.flare import positions
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare.positions import EventPosition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("earliest", EventPosition("earliest")),
        ("Latest", EventPosition("latest")),
        ("@latest", EventPosition("latest")),
        ('{"offset":"-1","seqNo":-1,"enqueuedTime":null,"isInclusive":true}', EventPosition("earliest")),
        ('{"offset":"@latest","seqNo":-1,"enqueuedTime":null,"isInclusive":true}', EventPosition("latest")),
        ('{"seqNo":12,"isInclusive":true}', EventPosition(sequence=12)),
        ('{"offset":null,"seqNo":12,"enqueuedTime":null,"isInclusive":false}', EventPosition(sequence=13)),
        ('{"seqNo":0}', EventPosition(sequence=0)),
        ('{"enqueuedTime":"1970-01-01T00:00:01Z","seqNo":-1}', EventPosition(at_us=1_000_000)),
        ('{"enqueuedTime":"1970-01-01T01:00:00.000+01:00"}', EventPosition(at_us=0)),
        ('{"enqueuedTime":5}', EventPosition(at_us=5000)),
    ],
)
def test_positions_of_events(text: str, expected: EventPosition) -> None:
    assert positions.event_position(text) == expected


def test_an_end_is_the_first_event_that_is_not_read() -> None:
    assert positions.event_position('{"seqNo":12,"isInclusive":true}', ends=True) == EventPosition(sequence=13)
    assert positions.event_position('{"seqNo":12,"isInclusive":false}', ends=True) == EventPosition(sequence=12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12", "it is earliest, latest, or"),
        ("[]", "it is earliest, latest, or"),
        ("{}", "it names no place"),
        ('{"offset":"4294967296"}', "AMQP"),
        ('{"seqNo":true}', "seqNo is a number"),
        ('{"seqNo":"x"}', "seqNo is a number"),
        ('{"enqueuedTime":"yesterday"}', "enqueuedTime is a time"),
        ('{"sequence":1}', "it has no `sequence`"),
    ],
)
def test_other_positions_of_events_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        positions.event_position(text)


def test_positions_of_partitions() -> None:
    text = json.dumps({'{"ehName":"orders","partitionId":0}': {"seqNo": 3}, "1": '{"offset":"-1"}', "2": "latest"})
    assert positions.event_positions(text) == {
        0: EventPosition(sequence=3), 1: EventPosition("earliest"), 2: EventPosition("latest")
    }  # fmt: skip
    for wrong in ("[]", '{"a": "latest"}', '{"{}": "latest"}'):
        with pytest.raises(ValueError, match="it is"):
            positions.event_positions(wrong)


@given(st.integers(0, (1 << 63) - 2), st.integers(0, 1 << 62), st.integers(-1, 100), st.integers(-1, 5000))
def test_bytes_of_message_ids_are_what_the_client_makes(ledger: int, entry: int, partition: int, batch: int) -> None:
    made = pulsar.MessageId(partition, ledger, entry, batch).serialize()
    assert decode(made) == MessageId(ledger, entry, batch)
    signed = [b - 256 if b > 127 else b for b in made]
    assert positions.message_ids(json.dumps({"t": signed})) == {"t": MessageId(ledger, entry, batch)}


def test_the_ends_of_topics_are_ids_too() -> None:
    assert decode(pulsar.MessageId.earliest.serialize()) == "earliest"
    assert decode(pulsar.MessageId.latest.serialize()) == "latest"


@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_ids(data: bytes) -> None:
    try:
        found = decode(data)
    except ValueError:
        return
    assert found in ("earliest", "latest") or isinstance(found, MessageId)


def test_message_ids() -> None:
    assert positions.message_ids(" Earliest ") == "earliest"
    text = '{"a": "3:4", "b": "3:4:-1", "c": "3:4:0:7", "d": "latest"}'
    assert positions.message_ids(text) == {
        "a": MessageId(3, 4), "b": MessageId(3, 4), "c": MessageId(3, 4, 7), "d": "latest"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["now", "{}", "[1]", '{"a": "x"}', '{"a": [8, "x"]}', '{"a": [8]}', '{"a": []}', "12"])
def test_other_message_ids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        positions.message_ids(text)


def read(form: str, options: dict[str, Any]) -> Reading:
    reading = Reading()
    entry = {"name": "a", "dataset": "dataos://bus:default/t", "format": form, "isStream": False, "options": options}
    job = {"inputs": [entry], "outputs": [{"name": "a", "dataset": "dataos://lakehouse:a/b?acl=rw"}]}
    flare.read({"job": job}, reading, ())
    return reading


@pytest.mark.parametrize(
    ("form", "options", "fatal", "told"),
    [
        ("eventhub", {"eventhubs.startingposition": "x"}, True, "`eventhubs.startingposition`: it is earliest"),
        ("Eventhub", {"eventhubs.endingpositions": "x"}, True, "`eventhubs.endingpositions`"),
        ("eventhub", {"maxEventsPerTrigger": "many"}, True, "is a number of 1 or more"),
        ("eventhub", {"eventhubs.consumergroup": "$Default"}, False, "no consumer group is joined"),
        ("eventhub", {"eventhubs.prefetchCount": "5"}, False, "has no effect on events"),
        ("pulsar", {"startingOffsets": "now"}, True, "`startingOffsets`: it is earliest, latest"),
        ("PULSAR", {"startingTime": "5"}, True, "`startingTime` is not taken"),
        ("pulsar", {"maxBytesPerTrigger": "0"}, True, "is a number of 1 or more"),
        ("pulsar", {"mode": "lenient"}, True, "`mode` is not lenient"),
        ("pulsar", {"pulsar.client.authParams": "token:x"}, False, "the Depot says how it is reached"),
    ],
)
def test_options_are_checked_with_the_manifest(form: str, options: dict[str, Any], fatal: bool, told: str) -> None:
    reading = read(form, options)
    found = reading.problems if fatal else reading.warnings
    (problem,) = [p for p in found if told in p.message]
    assert "inputs[0].options" in (problem.path or "")
    assert bool(reading.problems) is fatal


def test_options_that_mean_something_pass_quietly() -> None:
    for form, options in (
        ("eventhub", {"eventhubs.startingposition": "earliest", "failOnDataLoss": "false"}),
        ("pulsar", {"startingOffsets": '{"t": "1:2"}', "endingOffsets": "latest", "mode": "permissive"}),
    ):
        reading = read(form, options)
        assert not reading.problems
        assert not reading.warnings
