"""A stream: batches of a job, one after the other, each published with how far it has come (ch04 6.6).

The loop of one attempt. Before a batch it holds nothing; a batch reads slices of its inputs, does what a run does, and
asks the server to publish all of it with the new positions. What fails on the way is done again from the positions that
the server keeps: those are never more and never less than what is published.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataos.client.api import Client
from dataos.core.errors import DataOSError, Problem
from dataos.stacks.flare.driver import inputsources, problems, streamsources
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log, problem_lines
from dataos.stacks.flare.driver.streamsources import Slice, StreamSource
from dataos.stacks.flare.model import FlareSpec, Streaming

_POLL_S = 1.0
_COMMIT_S = 900.0
_PATIENCE_S = 600.0
_LAST_WAIT_S = 30.0
_TRIES = 3
_PASSING = (
    "server.",
    "wait.",
    "store.",
    "iceberg.conflict",
    "stream.out_of_order",
    "depot.unreachable",
    "depot.timeout",
)
_FINAL = ("iceberg.settled", "auth.", "flare.assertions_failed", "flare.stream_lost", "flare.stream_changed")

Work = Callable[[Mapping[str, Slice], str, int, Path], None]
"""Do all of a batch but publish it: its slices, the stream's id, its number, and a folder of its own."""


class Stream:
    """The stream of one attempt. `run` called once."""

    def __init__(
        self,
        spec: FlareSpec,
        streaming: Streaming,
        sources: Mapping[str, Source],
        client: Client,
        scratch: Path,
        log: Log,
        work: Work,
        published: Callable[[], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`published` hears of each batch."""
        self._streaming = streaming
        self._client = client
        self._scratch = scratch
        self._log = log
        self._work = work
        self._published = published
        self._pause = pause
        self._sources = [
            inputsources.make(i, sources[i.name], client, log) for i in spec.inputs if sources[i.name].stream
        ]
        self._stream, self._turn = "", 0
        self._number = 0
        self._stands = False  # at what the server keeps, and holds nothing

    def run(self) -> None:
        """Batches until the trigger says that it is enough. Raises DataOSError of a batch that cannot be done."""
        trigger = self._streaming.trigger
        self._log.info(
            f"a stream, trigger {trigger or 'none: batch after batch'}, checkpoint {self._streaming.checkpoint}"
        )
        upto: dict[str, Any] | None = None
        failed, since = 0, 0.0
        while True:
            began = time.monotonic()
            try:
                if not self._stands:
                    self._begin()
                if self._streaming.ends and upto is None:
                    upto = self._look()
                done = self._next(upto if upto is not None else self._look())
                failed = 0
            except DataOSError as error:
                failed += 1
                since = since if failed > 1 else time.monotonic()
                self._bear(error, failed, time.monotonic() - since)
                continue
            if self._streaming.ends and (not done or trigger == "Once"):
                self._log.info(f"no more batches: {self._number} in all")
                return
            if trigger in ("ProcessingTime", "Continuous"):
                self._pause(max(0.0, began + self._streaming.interval_s - time.monotonic()))
            elif not done:
                self._pause(_POLL_S)

    def _begin(self) -> None:
        """Hold nothing, and stand where the server says."""
        body = {"checkpoint": self._streaming.checkpoint}
        found: dict[str, Any] = self._client.json("POST", "/api/v1/stream/begin", body=body, timeout_s=_COMMIT_S)
        self._stream, self._turn, self._number = found["stream"], int(found["turn"]), int(found["batch"])
        for source in self._sources:
            source.begin(streamsources.rows_of(found["state"], source.entry.name))
        self._stands = True
        self._log.info(f"goes on after batch {self._number}" if self._number else "begins with batch 1")

    def _look(self) -> dict[str, Any]:
        return {s.entry.name: s.look() for s in self._sources}

    def _next(self, now: Mapping[str, Any]) -> bool:
        """One batch of what is new, if anything is. Raises DataOSError."""
        limited = self._streaming.trigger != "Once"
        slices: dict[str, Slice] = {}
        idle: list[StreamSource] = []
        for source in self._sources:
            found = source.cut(now[source.entry.name], limited)
            if found is None:
                idle.append(source)
            else:
                slices[source.entry.name] = found
        if not slices:
            return False
        for source in idle:
            empty = source.nothing()
            if empty is None:
                self._log.warning(f"{source.entry.name}: waits for its first file, which says what its columns are")
                return False
            slices[source.entry.name] = empty
        self._batch(slices)
        return True

    def _batch(self, slices: dict[str, Slice]) -> None:
        number = self._number + 1
        self._log.info(f"batch {number}: {'; '.join(f'{n}: {s.told}' for n, s in slices.items())}")
        began = time.monotonic()
        folder = self._scratch / f"batch-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            with self._log.hushed(number > 1):
                self._work(slices, self._stream, number, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        state = {name: row for s in slices.values() for name, row in s.state.items()}
        body = {"stream": self._stream, "turn": self._turn, "batch": number, "state": state}
        self._client.json("POST", "/api/v1/stream/commit", body=body, timeout_s=_COMMIT_S)
        self._number = number
        for source in self._sources:
            if slices[source.entry.name].state:
                source.advance(slices[source.entry.name])
        self._published()
        self._log.info(f"batch {number} is published ({time.monotonic() - began:.1f} s)")

    def _bear(self, error: DataOSError, failed: int, lasted_s: float) -> None:
        """Begin anew after a failure that may pass; raise the others, and those that last."""
        passing = all(p.code.startswith(_PASSING) or p.retry is not None for p in error.problems)
        self._stands = False  # what is published, only the server knows
        final = any(p.code.startswith(_FINAL) for p in error.problems)
        if final or (lasted_s > _PATIENCE_S if passing else failed >= _TRIES):
            raise error
        wait = min(_LAST_WAIT_S, 0.5 * 2 ** min(failed - 1, 8))
        for line in problem_lines(error.problems):
            self._log.warning(line)
        self._log.warning(f"batch {self._number + 1} was not published: it is done again in {wait:g} s")
        self._pause(wait)


def explained(error: Exception) -> DataOSError:
    """An error of a batch as a DataOSError."""
    if isinstance(error, DataOSError):
        return error
    code, message, _, hint = problems.explain(error, "run", ())
    return DataOSError(Problem(code, message, hint=hint))
