"""Where a stream's rows come from: what is new since the last batch, as bounded slices (ch04 6.6).

A source knows its position as the server keeps it (texts, by input), asks the server where the source stands, and makes
a slice of what lies between. Reading a slice again gives the same rows: a batch that is done again is the same batch.
"""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dataos.client.api import Client
from dataos.core.errors import fail
from dataos.stacks.flare.driver.avromessages import Decoder
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.readers import Readers, View
from dataos.stacks.flare.model import Input
from dataos.stacks.flare.streaming import duration

if TYPE_CHECKING:
    from dataos.stacks.flare.driver.output import Log

Rows = dict[str, dict[str, str]]
"""What the server keeps: input, or a part of it (`<input>/<number>`) -> name -> value."""

_NAMES_A_PART = 2000
_SHOWN = 5


@dataclass(frozen=True)
class Slice:
    """Rows of one input in one batch. `state`: what the server is to keep with the batch; `load` makes the view."""

    told: str
    state: Rows
    load: Callable[[Readers, bool], View]
    position: Any = field(repr=False, default=None)


class StreamSource(ABC):
    """One input that is a stream. Options in lower case."""

    def __init__(self, entry: Input, source: Source, client: Client, log: Log) -> None:
        self.entry = entry
        self.source = source
        self._client = client
        self._log = log
        self._options = {k.lower(): v for k, v in entry.options.items()}

    @abstractmethod
    def begin(self, kept: Rows) -> None:
        """Go on from a position that the server kept; empty: from the beginning."""

    @abstractmethod
    def look(self) -> Any:
        """Where the source stands now. Raises DataOSError as the server does."""

    @abstractmethod
    def cut(self, now: Any, limited: bool) -> Slice | None:
        """The next slice up to `now`, or None if nothing is new. `limited`: no more than the options allow a batch.
        Raises DataOSError `flare.stream_lost` where what comes next is not kept any more."""

    @abstractmethod
    def advance(self, done: Slice) -> None:
        """A batch with that slice is published."""

    @abstractmethod
    def nothing(self) -> Slice | None:
        """The view without rows, for a batch in which only other inputs have any; None: its columns are not known."""

    def _ask(self, **more: Any) -> dict[str, Any]:
        address = str(self.entry.address).partition("?")[0]
        body = {"address": address, **more}
        found: dict[str, Any] = self._client.json("POST", "/api/v1/inputs/position", body=body)
        return found

    def _number(self, name: str) -> int | None:
        """An option that is a count of 1 or more, or None. Raises DataOSError `flare.option`."""
        text = self._options.get(name.lower())
        if text is None:
            return None
        if not text.strip().isdigit() or int(text) < 1:
            raise fail("flare.option", f"{self.entry.name}: `{name}` is a number of 1 or more, not `{text}`")
        return int(text)

    def _flag(self, name: str, default: bool) -> bool:
        return self._options.get(name.lower(), str(default)).strip().lower() == "true"

    def _lost(self, what: str, hint: str) -> Exception:
        return fail("flare.stream_lost", f"{self.entry.name}: {what}", hint=hint)


class Files(StreamSource):
    """New files of a folder, a glob or an object store. A file is read once, whatever becomes of it later; its path is
    what it is known by. Order: time of change, then path."""

    def begin(self, kept: Rows) -> None:
        self._parts: list[list[str]] = []
        for number in range(len(kept)):
            part = kept.get(f"{self.entry.name}/{number}")
            if part is None:
                break
            self._parts.append(part["seen"].split())
        self._seen = {name for part in self._parts for name in part}
        own = kept.get(self.entry.name, {})
        self._latest = int(own.get("latest", "0"))
        self._one: tuple[str, ...] = ()
        self._most = self._number("maxFilesPerTrigger")
        age = self._options.get("maxfileage")
        self._age_us = int((duration(age) or 0) * 1e6) if age else None

    def look(self) -> list[tuple[int, str]]:
        found = [(int(at), str(path)) for path, _, at in self._ask()["files"]]
        self._one = tuple(path for _, path in found[:1])
        return sorted(found, reverse=self._flag("latestFirst", False))

    def cut(self, now: Any, limited: bool) -> Slice | None:
        files: list[tuple[int, str]] = now
        fresh = [(at, path) for at, path in files if _mark(path) not in self._seen]
        if self._age_us is not None:
            latest = max([self._latest, *(at for at, _ in fresh)])
            fresh = [(at, path) for at, path in fresh if at >= latest - self._age_us]
        if limited and self._most is not None:
            fresh = fresh[: self._most]
        if not fresh:
            return None
        paths = tuple(path for _, path in fresh)
        state, parts = self._state(paths, max([self._latest, *(at for at, _ in fresh)]))
        shown = ", ".join(path.rpartition("/")[2] for path in paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
        told = f"{len(paths)} new {'file' if len(paths) == 1 else 'files'} ({shown})"
        chosen = replace(self.source, files=paths, stream=False)
        position = (parts, int(state[self.entry.name]["latest"]))
        return Slice(told, state, lambda readers, keep: readers.load(self.entry, chosen, keep), position)

    def _state(self, paths: tuple[str, ...], latest: int) -> tuple[Rows, list[list[str]]]:
        """What is to be kept: the parts that grow, and the input's own line; and all parts."""
        parts = [*self._parts]
        changed: set[int] = set()
        for path in paths:
            if not parts or len(parts[-1]) >= _NAMES_A_PART:
                parts.append([])
            elif len(parts) - 1 not in changed:
                parts[-1] = [*parts[-1]]
            parts[-1].append(_mark(path))
            changed.add(len(parts) - 1)
        state: Rows = {f"{self.entry.name}/{n}": {"seen": " ".join(parts[n])} for n in changed}
        count = sum(len(p) for p in parts)
        state[self.entry.name] = {"files": str(count), "latest": str(latest)}
        return state, parts

    def advance(self, done: Slice) -> None:
        self._parts, self._latest = done.position
        self._seen = {name for part in self._parts for name in part}

    def nothing(self) -> Slice | None:
        if not self._one:
            return None
        chosen = replace(self.source, files=self._one, stream=False)
        return Slice("no new file", {}, lambda readers, keep: readers.emptied(self.entry, chosen, keep))


class Table(StreamSource):
    """What was appended to a Lakehouse table. The first batch is all that it holds."""

    def begin(self, kept: Rows) -> None:
        self._at = kept.get(self.entry.name, {}).get("snapshot")
        self._branch = self._options.get("branch", "main")

    def look(self) -> str | None:
        found = self._ask(branch=self._branch).get("table")
        return None if found is None else str(found)

    def cut(self, now: Any, limited: bool) -> Slice | None:
        if now is None or now == self._at:
            return None
        state = {self.entry.name: {"snapshot": str(now)}}
        since = int(self._at) if self._at is not None else None

        def load(readers: Readers, keep: bool) -> View:
            return readers.appended(self.entry, self.source, keep, since, int(now), self._options)

        told = f"snapshot {now}" if since is None else f"from snapshot {since} to {now}"
        return Slice(told, state, load, str(now))

    def advance(self, done: Slice) -> None:
        self._at = done.position

    def nothing(self) -> Slice | None:
        return Slice("nothing appended", {}, lambda readers, keep: readers.emptied(self.entry, self.source, keep))


class Messages(StreamSource):
    """Messages of a topic, by partition and offset."""

    def _decoder(self) -> Decoder | None:
        """What reads their values; the same for all batches, so that its schema does not change under the stream."""
        if self.source.format == "kafkaavro" and self._decoding is None:
            self._decoding = Decoder(self.entry, self._client, self._log.warning)
        return self._decoding

    _decoding: Decoder | None = None

    def begin(self, kept: Rows) -> None:
        self._next = {int(p): int(o) for p, o in kept.get(self.entry.name, {}).items()}
        self._most = self._number("maxOffsetsPerTrigger")
        self._strict = self._flag("failOnDataLoss", True)
        self._start = self._options.get("startingoffsets", "latest" if self.entry.stream is not False else "earliest")

    def look(self) -> dict[int, list[int | None]]:
        at = None
        stamp = self._options.get("startingtimestamp")
        if stamp is not None and not self._next:
            if not stamp.strip().isdigit():
                raise fail("flare.option", f"{self.entry.name}: `startingTimestamp` is in milliseconds, not `{stamp}`")
            at = int(stamp) * 1000
        return {int(p): o for p, o in self._ask(atUs=at)["partitions"].items()}

    def cut(self, now: Any, limited: bool) -> Slice | None:
        found: dict[int, list[int | None]] = now
        begins = {p: self._from(p, o) for p, o in found.items()}
        fresh = not self._next and any(begins[p] > int(o[0] or 0) for p, o in found.items())
        ends = {p: self._end(p, o) for p, o in found.items()}
        ranges = {p: (begins[p], ends[p]) for p in found if ends[p] > begins[p]}
        if limited and self._most is not None:
            ranges = share(ranges, self._most)
        if not ranges and not fresh:
            return None  # from `latest` on: where that was is kept even before anything comes
        state = {str(p): str(ranges[p][1] if p in ranges else begins[p]) for p in sorted(begins)}
        count = sum(b - a for a, b in ranges.values())
        told = f"{count} offsets of {len(ranges)} partitions" if ranges else "begins with what comes next"

        def load(readers: Readers, keep: bool) -> View:
            return readers.messages(self.entry, ranges, self._flag("includeHeaders", False), self._decoder())

        return Slice(told, {self.entry.name: state}, load, {int(p): int(o) for p, o in state.items()})

    def _from(self, partition: int, stands: list[int | None]) -> int:
        """The first offset to read of a partition: where the last batch ended, else what the options say."""
        first, after, at = int(stands[0] or 0), int(stands[1] or 0), stands[2]
        known = self._next.get(partition)
        if known is None:
            if self._next:  # it was added to the topic since
                return first
            return self._wanted(partition, first, after, at)
        if known < first or known > after:
            gone = f"partition {partition}: it holds offsets {first} to {after}, and {known} would be next"
            if self._strict:
                raise self._lost(
                    gone,
                    "set failOnDataLoss: false to go on with what is there, or begin anew: "
                    "dataos runtime state --reset",
                )
            self._log.warning(f"{self.entry.name}: {gone}: they are left out (failOnDataLoss: false)")
            return first
        return known

    def _end(self, partition: int, stands: list[int | None]) -> int:
        """The offset to read a partition up to; `endingOffsets` holds for a job that is no stream."""
        first, after = int(stands[0] or 0), int(stands[1] or 0)
        word = self._options.get("endingoffsets")
        if word is None or self.entry.stream is not False:
            return after
        return self._named("endingOffsets", word, partition, first, after)

    def _wanted(self, partition: int, first: int, after: int, at: int | None) -> int:
        if "startingtimestamp" in self._options:
            return after if at is None else at
        return self._named("startingOffsets", self._start, partition, first, after)

    def _named(self, option: str, text: str, partition: int, first: int, after: int) -> int:
        """The offset of a partition that an option names."""
        word = text.strip()
        if word.lower() in ("earliest", "latest"):
            return first if word.lower() == "earliest" else after
        try:
            topics: dict[str, dict[str, int]] = json.loads(word)
            offset = int(next(iter(topics.values()))[str(partition)])
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise fail(
                "flare.option",
                f'{self.entry.name}: `{option}` is earliest, latest, or {{"topic": {{"0": 12, ...}}}} with '
                f"every partition, not `{word[:100]}`",
            ) from error
        return {-2: first, -1: after}.get(offset, max(first, min(offset, after)))

    def advance(self, done: Slice) -> None:
        self._next = done.position

    def nothing(self) -> Slice | None:
        headers = self._flag("includeHeaders", False)
        return Slice(
            "no new message", {}, lambda readers, keep: readers.messages(self.entry, {}, headers, self._decoder())
        )


class Rate(StreamSource):
    """Rows made by the clock: `rate` so many a second, `rate-micro-batch` so many a batch. (timestamp, value)."""

    def begin(self, kept: Rows) -> None:
        own = kept.get(self.entry.name, {})
        now = int(time.time())
        self._start = int(own.get("start", now))
        self._next = int(own.get("next", "0"))
        self._by_batch = self.entry.format == "rate-micro-batch"
        self._rows = self._number("rowsPerBatch") if self._by_batch else self._number("rowsPerSecond")
        if self._by_batch and self._rows is None:
            raise fail("flare.option", f"{self.entry.name}: rate-micro-batch needs `rowsPerBatch`")
        if self._by_batch and "start" not in own:
            self._start = int(self._options.get("starttimestamp", "0")) // 1000

    def look(self) -> int:
        """Seconds since it began; by batch, the number of the next batch."""
        return self._next + 1 if self._by_batch else max(self._next, int(time.time()) - self._start)

    def cut(self, now: Any, limited: bool) -> Slice | None:
        if now <= self._next:
            return None
        upto = self._next + 1 if self._by_batch else int(now)
        many = self._rows or 1
        first, after = self._next * many, upto * many
        step_us = int(self._options.get("advancemillisperbatch", "1000")) * 1000 if self._by_batch else 1_000_000
        state = {self.entry.name: {"start": str(self._start), "next": str(upto)}}

        def load(readers: Readers, keep: bool) -> View:
            return readers.made(self.entry, first, after, self._start * 1_000_000, step_us, many, not self._by_batch)

        return Slice(f"{after - first} rows", state, load, upto)

    def advance(self, done: Slice) -> None:
        self._next = done.position

    def nothing(self) -> Slice | None:
        return Slice("no row", {}, lambda readers, keep: readers.made(self.entry, 0, 0, 0, 1, 1, True))


def rows_of(kept: Mapping[str, Mapping[str, str]], name: str) -> Rows:
    """The lines that belong to an input."""
    return {k: dict(v) for k, v in kept.items() if k == name or k.startswith(f"{name}/")}


def _mark(path: str) -> str:
    """What a file is remembered by: 60 bits of its path, as text."""
    return b64encode(hashlib.sha256(path.encode()).digest()[:9], b"-_").decode()


def share(ranges: Mapping[int, tuple[int, int]], most: int) -> dict[int, tuple[int, int]]:
    """So many offsets in all, shared by what each partition has; at least one of each that comes to more than none."""
    whole = sum(b - a for a, b in ranges.values())
    if whole <= most:
        return dict(ranges)
    left = most
    found: dict[int, tuple[int, int]] = {}
    for partition, (first, after) in sorted(ranges.items(), key=lambda i: i[1][1] - i[1][0]):
        some = min(after - first, max(1, most * (after - first) // whole), left)
        if some > 0:
            found[partition] = (first, first + some)
            left -= some
    return found
