"""Where a stream of Pulsar stands, and what of a topic the next batch reads."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.stacks.flare.driver import inputsources
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.pulsarsources import Entries
from dataos.stacks.flare.driver.streamsources import Slice
from dataos.stacks.flare.model import Input


class Topic:
    """What the server says of a topic: by partition its ledgers [[id, entries, bytes]] and the last entry."""

    def __init__(self, **partitions: Any) -> None:
        self.partitions = {k.removeprefix("p").replace("none", "-1"): v for k, v in partitions.items()}

    def json(self, _: str, path: str, *, body: Any, **__: Any) -> Any:
        assert path == "/api/v1/inputs/position"
        assert body == {"address": "dataos://bus:default/t"}
        return {"ledgers": {p: {"ledgers": ledgers, "last": last} for p, (ledgers, last) in self.partitions.items()}}


def source(topic: Topic, stream: bool | None = None, said: io.StringIO | None = None, **options: str) -> Entries:
    entry = Input(
        "t", Udl.parse("dataos://bus:default/t"), None, None, "pulsar", options, None, None, (), (), stream=stream
    )
    client: Any = topic
    log = Log(stream=said or io.StringIO())
    made = inputsources.make(entry, Source("messages", format="pulsar", stream=True), client, log)
    assert isinstance(made, Entries)
    return made


def cut(made: Entries, kept: dict[str, str] | None = None, limited: bool = True) -> Slice | None:
    made.begin({"t": kept} if kept is not None else {})
    return made.cut(made.look(), limited)


def state(made: Entries, kept: dict[str, str] | None = None) -> dict[str, str]:
    found = cut(made, kept)
    assert found is not None
    return found.state["t"]


HELD = ([[3, 10, 1000], [5, 4, 400]], [5, 3])


def test_earliest_takes_all_and_latest_keeps_its_place() -> None:
    assert state(source(Topic(pnone=HELD), startingOffsets="earliest")) == {"-1": "5:3"}
    found = cut(source(Topic(pnone=HELD)))
    assert found is not None
    assert found.state["t"] == {"-1": "5:3"}
    assert found.told == "nothing new, its place is kept"
    assert cut(source(Topic(pnone=HELD)), {"-1": "5:3"}) is None


def test_a_batch_begins_where_the_last_one_ended() -> None:
    found = cut(source(Topic(pnone=HELD)), {"-1": "3:7"})
    assert found is not None
    assert found.told == "6 entries of 1 partitions"


def test_limits_share_entries_among_partitions() -> None:
    topic = Topic(p0=([[3, 30, 3000]], [3, 29]), p1=([[4, 10, 1000]], [4, 9]), p2=([[6, 0, 0]], None))
    made = source(topic, startingOffsets="earliest", maxOffsetsPerTrigger="8")
    assert state(made) == {"0": "3:5", "1": "4:1", "2": "6:-1"}
    assert state(made, {"0": "3:28", "1": "4:9", "2": "6:-1"}) == {"0": "3:29", "1": "4:9", "2": "6:-1"}
    assert state(source(topic, startingOffsets="earliest", maxBytesPerTrigger="800")) == {
        "0": "3:5", "1": "4:1", "2": "6:-1"
    }  # fmt: skip
    found = cut(source(topic, startingOffsets="earliest", maxOffsetsPerTrigger="8"), limited=False)
    assert found is not None
    assert found.told == "40 entries of 2 partitions"


def test_a_partition_that_was_added_is_read_from_its_beginning() -> None:
    topic = Topic(p0=([[3, 2, 20]], [3, 1]), p1=([[4, 2, 20]], [4, 1]))
    found = cut(source(topic), {"0": "3:1"})
    assert found is not None
    assert found.told == "2 entries of 1 partitions"
    assert found.state["t"] == {"0": "3:1", "1": "4:1"}


def test_a_place_moves_on_when_its_ledger_is_full() -> None:
    """So that what is removed later is known to have been read."""
    rolled = Topic(pnone=([[3, 10, 1000], [5, 0, 0], [8, 0, 0]], [3, 9]))
    assert state(source(rolled), {"-1": "3:9"}) == {"-1": "8:-1"}
    assert cut(source(rolled), {"-1": "8:-1"}) is None
    removed = Topic(pnone=([[8, 2, 20]], [8, 1]))
    assert state(source(removed), {"-1": "8:-1"}) == {"-1": "8:1"}
    half = Topic(pnone=([[3, 10, 1000], [5, 0, 0]], [3, 9]))
    assert state(source(half), {"-1": "3:9:2"}) == {"-1": "3:9"}


def test_what_may_be_lost_is_told() -> None:
    topic = Topic(pnone=([[8, 2, 20]], [8, 1]))
    with pytest.raises(DataOSError) as caught:
        cut(source(topic), {"-1": "3:9"})
    assert caught.value.problem.code == "flare.stream_lost"
    assert "ledgers 8 to 8" in caught.value.problem.message
    assert "retention" in caught.value.problem.hint
    said = io.StringIO()
    found = cut(source(topic, said=said, failOnDataLoss="false"), {"-1": "3:9"})
    assert found is not None
    assert found.told == "2 entries of 1 partitions"
    assert "may be gone" in said.getvalue()


def test_a_batch_reads_between_message_ids() -> None:
    """The first one is read, and the last one."""
    options = {"startingOffsets": '{"t": "3:8"}', "endingOffsets": '{"persistent://public/default/t": "5:0"}'}
    found = cut(source(Topic(pnone=HELD), stream=False, **options))
    assert found is not None
    assert found.told == "3 entries of 1 partitions"
    options = {"startingOffsets": '{"t": "3:8:-1:2"}', "endingOffsets": '{"t": "9:9"}'}
    spans = spans_of(source(Topic(pnone=HELD), stream=False, **options))
    assert spans == {-1: ("3:8:1", "5:3")}
    first = spans_of(source(Topic(pnone=HELD), stream=False, startingOffsets='{"t": "3:0:-1:0"}'))
    assert first == {-1: ("3:-1", "5:3")}


def spans_of(made: Entries) -> Any:
    found = cut(made)
    assert found is not None
    heard: list[Any] = []

    class Readers:
        def entries(self, _: Any, spans: Any, __: Any) -> Any:
            heard.append(spans)

    readers: Any = Readers()
    found.load(readers, True)
    return heard[0]


def test_ids_are_of_one_partition() -> None:
    topic = Topic(p0=HELD, p1=HELD)
    ids = {"t-partition-0": "3:5", "t-partition-1": "latest"}
    assert state(source(topic, startingOffsets=json.dumps(ids)))["1"] == "5:3"
    for wrong, said in (({"t": "3:5"}, "one message id for all partitions"), ({"u": "3:5"}, "says nothing of")):
        with pytest.raises(DataOSError, match=said):
            cut(source(topic, startingOffsets=json.dumps(wrong)))
    assert state(source(topic, startingOffsets='{"t": "earliest"}')) == {"0": "5:3", "1": "5:3"}


def test_a_topic_that_nothing_was_sent_to() -> None:
    empty = Topic(p0=([], None), p1=([[6, 0, 0]], None))
    assert state(source(empty, startingOffsets="earliest")) == {"0": "-1:-1", "1": "6:-1"}
    came = Topic(p0=([[9, 1, 10]], [9, 0]), p1=([[6, 0, 0]], None))
    found = cut(source(came), {"0": "-1:-1", "1": "6:-1"})
    assert found is not None
    assert found.told == "1 entries of 1 partitions"
