"""What a manifest may say of a stream (ch04 3.13, 6.6), and how sources cut what is new into batches."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Reading
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare import streaming
from dataos.stacks.flare.driver import inputsources, streamsources
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.model import FlareSpec

CHECKPOINT = "dataos://lakehouse:sys/checkpoints/x?acl=rw"


def job(sql: str = "SELECT id FROM raw", block: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "raw", "dataset": "dataos://files:none/raw", "format": "csv", "isStream": True}],
        "steps": [{"sequence": [{"name": "made", "sql": sql}]}],
        "outputs": [{"name": "made", "dataset": "dataos://lakehouse:a/b?acl=rw"}],
        "streaming": {"checkpointLocation": CHECKPOINT} if block is None else block,
        **more,
    }


def read(data: dict[str, Any]) -> tuple[FlareSpec | None, Reading]:
    reading = Reading()
    return flare.read({"job": data}, reading, ()), reading


def good(data: dict[str, Any]) -> streaming.Streaming:
    spec, reading = read(data)
    assert spec is not None, reading.problems
    assert spec.streaming is not None
    return spec.streaming


def refused(data: dict[str, Any]) -> list[tuple[str, str]]:
    spec, reading = read(data)
    assert spec is None
    return [(p.code, p.path or "") for p in reading.problems]


@pytest.mark.parametrize(
    ("word", "trigger"),
    [
        ("ProcessingTime", "ProcessingTime"),
        ("processingtime", "ProcessingTime"),
        ("Once", "Once"),
        ("OneTime", "Once"),
        ("ONETIME", "Once"),
        ("availableNow", "AvailableNow"),
    ],
)
def test_triggers_in_all_their_spellings(word: str, trigger: str) -> None:
    block = {"triggerMode": word, "triggerDuration": "10 seconds", "checkpointLocation": "/x"}
    assert good(job(block=block)).trigger == trigger


def test_a_stream_that_ends_like_a_batch() -> None:
    assert good(job(block={"checkpointLocation": "/x", "batchMode": "true"})).trigger == "AvailableNow"
    assert good(job(block={"checkpointLocation": "/x"})).trigger is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 seconds", 10), ("600 seconds", 600), ("5 minutes", 300), ("1 minute", 60), ("500 milliseconds", 0.5),
     ("interval 2 hours", 7200), ("1m30s", 90), ("15", 15)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    block = {"triggerMode": "ProcessingTime", "triggerDuration": text, "checkpointLocation": "/x"}
    assert good(job(block=block)).interval_s == seconds


def test_the_most_specific_checkpoint_wins() -> None:
    data = job(block={"checkpointLocation": "/of/the/job"})
    assert good(data).checkpoint == "/of/the/job"
    data["outputs"][0]["checkpointLocation"] = "/of/the/output"
    assert good(data).checkpoint == "/of/the/output"
    data["outputs"][0]["options"] = {"checkpointLocation": "/of/its/options/"}
    assert good(data).checkpoint == "/of/its/options"
    assert good({**data, "streaming": {}}).checkpoint == "/of/its/options"


def test_an_access_is_no_part_of_a_checkpoint() -> None:
    assert good(job()).checkpoint == CHECKPOINT.partition("?")[0]


@pytest.mark.parametrize(
    ("block", "code", "key"),
    [
        ({}, "manifest.missing", "checkpointLocation"),
        ({"checkpointLocation": "dataos:////x"}, "manifest.address", "checkpointLocation"),
        ({"checkpointLocation": "/x", "triggerMode": "Sometimes"}, "flare.streaming", "triggerMode"),
        ({"checkpointLocation": "/x", "triggerMode": "ProcessingTime"}, "manifest.missing", "triggerDuration"),
        (
            {"checkpointLocation": "/x", "triggerMode": "ProcessingTime", "triggerDuration": "soon"},
            "flare.streaming",
            "triggerDuration",
        ),
        ({"checkpointLocation": "/x", "outputMode": "complete"}, "stack.unsupported", "outputMode"),
        ({"checkpointLocation": "/x", "outputMode": "some"}, "flare.streaming", "outputMode"),
        (
            {"checkpointLocation": "/x", "triggerMode": "Continuous", "forEachBatchMode": "true"},
            "flare.streaming",
            "forEachBatchMode",
        ),
    ],
)
def test_what_a_stream_cannot_be_is_refused_by_name(block: dict[str, Any], code: str, key: str) -> None:
    assert (code, f"job.streaming.{key}") in refused(job(block=block))


def test_a_stream_needs_an_input_that_is_one() -> None:
    data = job()
    data["inputs"][0]["isStream"] = False
    assert ("flare.streaming", "job.streaming") in refused(data)


def test_a_topic_is_a_stream_where_nothing_else_is_said() -> None:
    data = job()
    data["inputs"] = [{"name": "raw", "dataset": "dataos://shop:default/t", "format": "KafkaJSON"}]
    data["steps"][0]["sequence"][0]["sql"] = "SELECT value FROM raw"
    spec, _ = read(data)
    assert spec is not None
    assert spec.inputs[0].stream
    del data["streaming"]
    assert ("manifest.missing", "job.streaming.checkpointLocation") in refused(data)
    data["inputs"][0]["isStream"] = False
    spec, _ = read(data)
    assert spec is not None
    assert spec.streaming is None


STATEFUL = [
    "SELECT id, row_number() OVER (PARTITION BY id ORDER BY id) AS n FROM raw",
    "SELECT count(*) AS n FROM raw",
    "SELECT id, sum(x) AS n FROM raw GROUP BY id",
    "SELECT DISTINCT id FROM raw",
    "SELECT id FROM raw ORDER BY id",
    "SELECT id FROM raw LIMIT 3",
    "SELECT a.id FROM raw a JOIN raw b ON a.id = b.id",
    "SELECT id FROM raw UNION SELECT id FROM raw",
]


@pytest.mark.parametrize("sql", STATEFUL)
def test_what_needs_the_rows_of_other_batches_is_refused_with_its_place(sql: str) -> None:
    _, reading = read(job(sql))
    (first, *_) = reading.problems
    assert (first.code, first.path) == ("flare.stream_state", "job.steps[0].sequence[0].sql")
    assert first.line == 1
    assert "forEachBatchMode" in first.hint


@pytest.mark.parametrize("sql", STATEFUL)
def test_a_batch_by_itself_may_do_all_that(sql: str) -> None:
    assert good(job(sql, {"checkpointLocation": "/x", "forEachBatchMode": "true"})).for_each_batch


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT upper(id) AS id FROM raw WHERE id > 3",
        "SELECT raw.id, o.n FROM raw JOIN (SELECT id, count(*) AS n FROM fixed GROUP BY id) o ON raw.id = o.id",
        "SELECT id FROM raw UNION ALL SELECT id FROM raw",
        "SELECT id, explode(sequence(1, 3)) AS n FROM raw",
    ],
)
def test_what_a_row_can_tell_alone_passes(sql: str) -> None:
    data = job(sql)
    data["inputs"].append({"name": "fixed", "dataset": "dataos://lakehouse:a/fixed"})
    if "GROUP" in sql:  # of the other input, in a step of its own
        data["steps"] = [
            {"sequence": [{"name": "o", "sql": "SELECT id, count(*) AS n FROM fixed GROUP BY id"}]},
            {"sequence": [{"name": "made", "sql": "SELECT raw.id, o.n FROM raw JOIN o ON raw.id = o.id"}]},
        ]
    good(data)


def test_a_stream_appends_where_nothing_else_is_said() -> None:
    spec, _ = read(job())
    assert spec is not None
    assert spec.outputs[0].mode == "append"


def test_a_batch_says_that_a_checkpoint_has_no_effect() -> None:
    data = job()
    del data["streaming"], data["inputs"][0]["isStream"]
    data["outputs"][0]["checkpointLocation"] = "/x"
    spec, reading = read(data)
    assert spec is not None
    assert spec.streaming is None
    assert any("checkpointLocation" in w.message for w in reading.warnings)


# --- sources ----------------------------------------------------------------------------------------------------------


class Told:
    """A server that tells where a source stands."""

    def __init__(self) -> None:
        self.stand: dict[str, Any] = {}

    def json(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.stand


def source(entry: dict[str, Any], kind: Any, told: Told) -> Any:
    data = job("SELECT * FROM raw", {"checkpointLocation": "/x", "forEachBatchMode": True})
    data["inputs"] = [{"name": "raw", "isStream": True, **entry}]
    spec, reading = read(data)
    assert spec is not None, reading.problems
    client: Any = told
    return inputsources.make(spec.inputs[0], Source(kind, stream=True), client, Log(stream=io.StringIO()))


def topic(told: Told, **options: Any) -> Any:
    entry = {"dataset": "dataos://shop:default/t", "format": "kafkajson", "options": options}
    return source(entry, "messages", told)


def ranges_of(kept: dict[str, dict[str, str]], made: Any) -> dict[str, str]:
    return made.state["raw"] if made is not None else kept.get("raw", {})


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), min_size=1, max_size=8),
    st.integers(1, 30),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_offsets_are_read_once_whatever_is_lost(growth: list[list[int]], most: int, deaths: list[bool]) -> None:
    """Partitions grow and are added; batches are cut, published or lost: what is published covers each offset once."""
    told = Told()
    live = topic(told, startingOffsets="earliest", maxOffsetsPerTrigger=most)
    kept: dict[str, dict[str, str]] = {}
    live.begin(kept)
    ends: list[int] = []
    read: set[tuple[int, int]] = set()
    fate = iter(deaths)
    for grown in [*growth, *[[0]] * (60 + 8 * 200)]:
        ends += [0] * (len(grown) - len(ends))
        for partition, more in enumerate(grown):
            ends[partition] += more
        told.stand = {"partitions": {str(p): [0, end, None] for p, end in enumerate(ends)}}
        made = live.cut(live.look(), True)
        if made is None:
            continue
        before = {int(p): int(o) for p, o in kept.get("raw", {}).items()}
        fresh = {(int(p), o) for p, end in made.state["raw"].items() for o in range(before.get(int(p), 0), int(end))}
        assert len(fresh) <= most
        if next(fate, False):  # it dies before it is published
            live = topic(told, startingOffsets="earliest", maxOffsetsPerTrigger=most)
            live.begin(kept)
            continue
        assert not fresh & read
        read |= fresh
        kept = {**kept, **made.state}
        live.advance(made)
    assert {(p, o) for p, end in enumerate(ends) for o in range(end)} == read


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=80), st.integers(1, 20))
def test_files_are_read_once_in_order(found: list[tuple[int, int]], most: int) -> None:
    told = Told()
    entry = {"dataset": "dataos://files:none/t", "format": "csv", "options": {"maxFilesPerTrigger": most}}
    live = source(entry, "files", told)
    kept: dict[str, dict[str, str]] = {}
    live.begin(kept)
    there: dict[str, int] = {}
    read: list[str] = []
    for at, name in found:
        there.setdefault(f"/d/{name}", at)
        told.stand = {"files": [[p, 1, a] for p, a in there.items()]}
        made = live.cut(live.look(), True)
        if made is None:
            continue
        paths = _paths(made)
        assert 0 < len(paths) <= most
        read += paths
        kept = {**kept, **made.state}
        live = source(entry, "files", told)  # a new attempt knows what was kept, and no more
        live.begin(streamsources.rows_of(kept, "raw"))
    while (made := live.cut(live.look() if told.stand else [], True)) is not None:
        read += _paths(made)
        live.advance(made)
    assert sorted(read) == sorted(there)


def _paths(made: Any) -> list[str]:
    heard: list[Any] = []

    class Readers:
        def load(self, entry: Any, chosen: Source, keep: bool) -> None:
            heard.append(chosen.files)

    made.load(Readers(), False)
    return list(heard[0])


def test_many_files_are_remembered_in_parts() -> None:
    told = Told()
    live = source({"dataset": "dataos://files:none/t", "format": "csv"}, "files", told)
    live.begin({})
    told.stand = {"files": [[f"/d/{n:06}", 1, 5] for n in range(4500)]}
    made = live.cut(live.look(), True)
    assert [len(made.state[f"raw/{n}"]["seen"].split()) for n in range(3)] == [2000, 2000, 500]
    live.advance(made)
    told.stand["files"].append(["/d/new", 1, 6])
    second = live.cut(live.look(), True)
    assert set(second.state) == {"raw", "raw/2"}, "only the part that grew is written again"
    assert second.state["raw"]["files"] == "4501"


def test_offsets_that_are_gone() -> None:
    told = Told()
    told.stand = {"partitions": {"0": [15, 20, None]}}
    strict = topic(told)
    strict.begin({"raw": {"0": "10"}})
    with pytest.raises(DataOSError) as caught:
        strict.cut(strict.look(), True)
    assert caught.value.problem.code == "flare.stream_lost"
    lenient = topic(told, failOnDataLoss="false")
    lenient.begin({"raw": {"0": "10"}})
    assert lenient.cut(lenient.look(), True).state == {"raw": {"0": "20"}}


@pytest.mark.parametrize(
    ("text", "first"),
    [("earliest", 3), ("latest", 9), ('{"t": {"0": 5}}', 5), ('{"t": {"0": -2}}', 3), ('{"t": {"0": -1}}', 9)],
)
def test_where_a_stream_of_messages_begins(text: str, first: int) -> None:
    told = Told()
    told.stand = {"partitions": {"0": [3, 9, None]}}
    live = topic(told, startingOffsets=text)
    live.begin({})
    made = live.cut(live.look(), True)
    assert made.state == {"raw": {"0": "9"}}
    assert made.told.startswith("begins" if first == 9 else f"{9 - first} offsets")


def test_what_names_no_offset_is_refused() -> None:
    told = Told()
    told.stand = {"partitions": {"0": [3, 9, None]}}
    live = topic(told, startingOffsets="now")
    live.begin({})
    with pytest.raises(DataOSError) as caught:
        live.cut(live.look(), True)
    assert caught.value.problem.code == "flare.option"
