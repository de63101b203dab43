"""The loop of a stream against a server that answers, fails and loses answers: triggers, and what is done again."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dataos.core.errors import DataOSError, fail
from dataos.manifest.specs import Reading
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.stream import Stream
from dataos.stacks.flare.driver.streamsources import Slice


class Enough(Exception):
    """The test has seen what it wanted."""


class Server:
    """Keeps a position and what was published with it, as `workloads.batches` does."""

    def __init__(self) -> None:
        self.batch = 0
        self.state: dict[str, dict[str, str]] = {}
        self.end = 0
        self.published: list[tuple[int, int]] = []
        self.begun = 0
        self.deaf = 0  # so many questions where the stream stands fail
        self.deaf_after = 0
        self.faults: list[str] = []  # of the next commits: "before", "after"

    def json(self, _: str, path: str, *, body: Mapping[str, Any], **__: Any) -> Any:
        if path.endswith("/position"):
            return {"partitions": {"0": [0, self.end, None]}}
        if path.endswith("/begin"):
            self.begun += 1
            if self.deaf:
                self.deaf -= 1
                raise fail("server.unreachable", "away")
            return {"stream": "s", "turn": self.begun, "batch": self.batch, "state": self.state}
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise fail("server.unreachable", "away")
        assert body["batch"] == self.batch + 1
        first = int(self.state.get("raw", {}).get("0", "0"))
        self.batch += 1
        self.state = {**self.state, **body["state"]}
        self.published.append((first, int(self.state["raw"]["0"])))
        if fault == "after":
            self.deaf = self.deaf_after
            raise fail("server.unreachable", "the answer was lost")
        return {"batch": self.batch}


class Play:
    """One stream of one topic, and a clock that only moves by pauses."""

    def __init__(self, folder: Path, server: Server, trigger: dict[str, Any], **options: Any) -> None:
        data = {
            "inputs": [
                {"name": "raw", "dataset": "dataos://shop:default/t", "format": "kafkajson",
                 "options": {"startingOffsets": "earliest", **options}},
            ],
            "outputs": [{"name": "raw", "dataset": "dataos://lakehouse:a/b?acl=rw"}],
            "streaming": {"checkpointLocation": "/x", **trigger},
        }  # fmt: skip
        reading = Reading()
        spec = flare.read({"job": data}, reading, ())
        assert spec is not None, reading.problems
        assert spec.streaming is not None
        self.pauses: list[float] = []
        self.work_fails: list[DataOSError] = []
        self.on_pause: list[Any] = []
        self.said = io.StringIO()
        client: Any = server
        sources = {"raw": Source("messages", stream=True)}
        log = Log(stream=self.said)
        self.stream = Stream(spec, spec.streaming, sources, client, folder, log, self._work, lambda: None, self._pause)

    def _work(self, slices: Mapping[str, Slice], stream: str, number: int, folder: Path) -> None:
        assert folder.is_dir()
        if self.work_fails:
            raise self.work_fails.pop(0)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self.on_pause:
            raise Enough
        self.on_pause.pop(0)()


def grow(server: Server, by: int) -> Any:
    def more() -> None:
        server.end += by

    return more


def nothing() -> None:
    pass


def test_available_now_takes_limited_batches_up_to_what_was_there(tmp_path: Path) -> None:
    server = Server()
    server.end = 25
    play = Play(tmp_path, server, {"triggerMode": "AvailableNow"}, maxOffsetsPerTrigger=10)
    play.stream.run()
    assert server.published == [(0, 10), (10, 20), (20, 25)]


def test_once_takes_all_in_one_batch(tmp_path: Path) -> None:
    server = Server()
    server.end = 25
    Play(tmp_path, server, {"triggerMode": "Once"}, maxOffsetsPerTrigger=10).stream.run()
    assert server.published == [(0, 25)]
    Play(tmp_path, server, {"triggerMode": "Once"}).stream.run()
    assert server.published == [(0, 25)], "nothing new, no batch"


def test_without_a_trigger_it_goes_on_at_once_and_polls_when_idle(tmp_path: Path) -> None:
    server = Server()
    server.end = 15
    play = Play(tmp_path, server, {}, maxOffsetsPerTrigger=10)
    play.on_pause = [grow(server, 5)]
    with pytest.raises(Enough):
        play.stream.run()
    assert server.published == [(0, 10), (10, 15), (15, 20)]
    assert play.pauses == [1.0, 1.0]


def test_processing_time_waits_for_its_tick_after_each_batch(tmp_path: Path) -> None:
    server = Server()
    server.end = 15
    play = Play(tmp_path, server, {"triggerMode": "ProcessingTime", "triggerDuration": "10 seconds"})
    play.on_pause = [grow(server, 5)]
    with pytest.raises(Enough):
        play.stream.run()
    assert server.published == [(0, 15), (15, 20)]
    assert all(9 < pause <= 10 for pause in play.pauses)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_commit_is_looked_at_again(tmp_path: Path, fault: str) -> None:
    server = Server()
    server.end = 15
    server.faults = [fault]
    play = Play(tmp_path, server, {"triggerMode": "AvailableNow"}, maxOffsetsPerTrigger=10)
    play.on_pause = [nothing] * 3
    play.stream.run()
    assert server.published == [(0, 10), (10, 15)], "each once, whether the answer or the question was lost"
    assert server.begun == 2


def test_it_does_nothing_before_it_knows_where_it_stands(tmp_path: Path) -> None:
    """The answer to a commit is lost, then the server is away, and meanwhile more has come."""
    server = Server()
    server.end = 10
    server.faults, server.deaf_after = ["after"], 2
    play = Play(tmp_path, server, {})
    play.on_pause = [grow(server, 3), nothing, nothing, nothing]
    with pytest.raises(Enough):
        play.stream.run()
    assert server.published == [(0, 10), (10, 13)]


def test_what_lasts_is_given_up_and_what_passes_is_not(tmp_path: Path) -> None:
    server = Server()
    server.end = 15
    play = Play(tmp_path, server, {"triggerMode": "AvailableNow"})
    play.on_pause = [nothing] * 20
    play.work_fails = [fail("flare.engine", "it fails") for _ in range(2)]
    play.stream.run()
    assert server.published == [(0, 15)]
    server.end = 20
    again = Play(tmp_path, server, {"triggerMode": "AvailableNow"})
    again.on_pause = [nothing] * 20
    again.work_fails = [fail("flare.engine", "it fails") for _ in range(3)]
    with pytest.raises(DataOSError) as caught:
        again.stream.run()
    assert caught.value.problem.code == "flare.engine"
    assert len(again.pauses) == 2
    third = Play(tmp_path, server, {"triggerMode": "AvailableNow"})
    third.on_pause = [nothing] * 20
    third.work_fails = [fail("depot.unreachable", "the source is away") for _ in range(12)]
    third.stream.run()
    assert server.published == [(0, 15), (15, 20)]
    assert third.pauses[:3] == [0.5, 1.0, 2.0]
    assert max(third.pauses) == 30.0


def test_an_attempt_that_has_ended_does_nothing_more(tmp_path: Path) -> None:
    server = Server()
    server.end = 15
    play = Play(tmp_path, server, {"triggerMode": "AvailableNow"})
    play.work_fails = [fail("iceberg.settled", "it has ended")]
    with pytest.raises(DataOSError) as caught:
        play.stream.run()
    assert caught.value.problem.code == "iceberg.settled"
    assert server.published == []
