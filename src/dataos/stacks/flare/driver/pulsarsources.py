"""Messages of Pulsar as a source of streams: a position is the id of the last message that was read.

What is kept goes by whole ledgers. That a ledger is gone does not tell whether all of it had been read, but where its
end was reached while it was there: a position moves on to the next ledger then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dataos.core import messageids
from dataos.core.errors import fail
from dataos.core.messageids import MessageId
from dataos.stacks.flare import positions
from dataos.stacks.flare.driver.pulsarmessages import PulsarDecoder
from dataos.stacks.flare.driver.readers import Readers, View
from dataos.stacks.flare.driver.streamsources import Rows, Slice, StreamSource, share


@dataclass(frozen=True)
class Stand:
    """What a partition keeps: its ledgers in order, and the last entry that may be read."""

    ledgers: tuple[messageids.Ledger, ...]
    last: MessageId | None

    @property
    def first(self) -> MessageId:
        """The place before all that is kept."""
        return MessageId(self.ledgers[0][0], -1) if self.ledgers else MessageId(-1, -1)

    @property
    def end(self) -> MessageId:
        """The place of the last entry."""
        return self.last if self.last is not None else self.first


class Entries(StreamSource):
    """Messages of a topic of Pulsar, by partition (-1: it has none) and message id."""

    def begin(self, kept: Rows) -> None:
        try:
            self._done = {int(p): MessageId.parse(i) for p, i in kept.get(self.entry.name, {}).items()}
        except ValueError as error:
            raise self._lost(f"its position cannot be read: {error}", "dataos runtime state --reset") from error
        self._most = self._number("maxOffsetsPerTrigger")
        self._most_bytes = self._number("maxBytesPerTrigger")
        self._strict = self._flag("failOnDataLoss", True)
        self._starts = self._ids("startingOffsets", "latest" if self.entry.stream is not False else "earliest")
        self._ends = self._ids("endingOffsets", "latest")

    _decoding: PulsarDecoder | None = None

    def _decoder(self) -> PulsarDecoder:
        """What reads values; the same for all batches, so that columns do not change under the stream."""
        if self._decoding is None:
            self._decoding = PulsarDecoder(self.entry, self._client, self._log.warning)
        return self._decoding

    def _ids(self, option: str, usual: str) -> str | dict[str, str | MessageId]:
        try:
            return positions.message_ids(self._options.get(option.lower(), usual))
        except ValueError as error:
            raise fail("flare.option", f"{self.entry.name}: `{option}`: {error}") from error

    def look(self) -> dict[int, Stand]:
        found: dict[int, Stand] = {}
        for number, kept in self._ask()["ledgers"].items():
            ledgers = tuple((int(a), int(b), int(c)) for a, b, c in kept["ledgers"])
            last = MessageId(*kept["last"]) if kept["last"] is not None else None
            found[int(number)] = Stand(ledgers, last)
        return found

    def cut(self, now: Any, limited: bool) -> Slice | None:
        found: dict[int, Stand] = now
        begins = {p: self._from(p, stand) for p, stand in found.items()}
        ends = {p: self._end(p, stand) for p, stand in found.items()}
        spans = {p: (begins[p], ends[p]) for p in found if not begins[p].covers(ends[p])}
        if limited:
            spans = self._limited(spans, found)
        after = {p: spans[p][1] if p in spans else begins[p] for p in found}
        if not spans and (self._done == after or not after):
            return None
        count = sum(messageids.count(found[p].ledgers, *s) for p, s in spans.items())
        told = f"{count} entries of {len(spans)} partitions" if spans else "nothing new, its place is kept"
        state = {str(p): place.text() for p, place in sorted(after.items())}

        def load(readers: Readers, keep: bool) -> View:
            return readers.entries(
                self.entry, {p: (a.text(), b.text()) for p, (a, b) in spans.items()}, self._decoder()
            )

        return Slice(told, {self.entry.name: state}, load, after)

    def _from(self, partition: int, stand: Stand) -> MessageId:
        """The place to read a partition after: where the last batch ended, else what the options say."""
        known = self._done.get(partition)
        if known is None:
            if self._done:  # it was added to the topic since
                return stand.first
            return self._placed(self._starts, "startingOffsets", partition, stand, True)
        held = [number for number, _, _ in stand.ledgers]
        if not held or known.ledger < held[0] or (known.ledger not in held and known.ledger > held[-1]):
            return self._gone(partition, known, stand) if known.ledger >= 0 else stand.first
        for (ledger, entries, _), following in pairwise(stand.ledgers):
            if ledger == known.ledger and known.batch < 0 and known.entry >= entries - 1:
                return self._moved(MessageId(following[0], -1), stand)
        return known

    def _moved(self, place: MessageId, stand: Stand) -> MessageId:
        """A place at the beginning of a ledger, past those that follow it and hold nothing."""
        for (ledger, entries, _), following in pairwise(stand.ledgers):
            if ledger == place.ledger and entries == 0:
                place = MessageId(following[0], -1)
        return place

    def _gone(self, partition: int, known: MessageId, stand: Stand) -> MessageId:
        where = f"partition {partition}" if partition >= 0 else "the topic"
        holds = f"ledgers {stand.ledgers[0][0]} to {stand.ledgers[-1][0]}" if stand.ledgers else "nothing"
        text = f"{where} holds {holds}, and what comes after {known.text()} may be gone with its ledger"
        if self._strict:
            raise self._lost(
                text,
                "set failOnDataLoss: false to go on with what is there, or begin anew: dataos runtime state --reset; "
                "give the topic's namespace a retention that is longer than the time between two batches",
            )
        self._log.warning(f"{self.entry.name}: {text} (failOnDataLoss: false)")
        return stand.first

    def _end(self, partition: int, stand: Stand) -> MessageId:
        """The last message to read; `endingOffsets` holds for a job that is no stream."""
        if self.entry.stream is not False or "endingoffsets" not in self._options:
            return stand.end
        wanted = self._placed(self._ends, "endingOffsets", partition, stand, False)
        return stand.end if wanted.covers(stand.end) else wanted

    def _placed(
        self, named: str | Mapping[str, str | MessageId], option: str, partition: int, stand: Stand, starts: bool
    ) -> MessageId:
        """The place of a partition that an option names: to read after (`starts`: the message of an id is read), or
        that of the last message to read."""
        found = named if isinstance(named, str) else self._of_topic(named, option, partition)
        if isinstance(found, str):
            return stand.first if found == "earliest" else stand.end
        if starts:
            found = (
                MessageId(found.ledger, found.entry, found.batch - 1)
                if found.batch > 0
                else MessageId(found.ledger, found.entry - 1)
            )
        return max(found, stand.first)

    def _of_topic(self, named: Mapping[str, str | MessageId], option: str, partition: int) -> str | MessageId:
        """What is said of a partition, or of all of its topic, by the whole name or the last part of it."""
        assert self.entry.address is not None  # noqa: S101 - topics have one
        topic = self.entry.address.dataset or ""
        own = f"{topic}-partition-{partition}" if partition >= 0 else topic
        said = {key.rpartition("/")[2]: value for key, value in named.items()}
        found = said.get(own, said.get(topic))
        if found is None:
            known = ", ".join(sorted(said))
            raise fail("flare.option", f"{self.entry.name}: `{option}` says nothing of {own} (but of {known})")
        if isinstance(found, MessageId) and own not in said:
            text = f"{self.entry.name}: `{option}` names one message id for all partitions of {topic}"
            raise fail("flare.option", text, hint=f"name one for each: {own}, ...")
        return found

    def _limited(
        self, spans: dict[int, tuple[MessageId, MessageId]], found: Mapping[int, Stand]
    ) -> dict[int, tuple[MessageId, MessageId]]:
        """No more entries than the options allow; of bytes by what an entry has in the mean."""
        counts = {p: messageids.count(found[p].ledgers, *s) for p, s in spans.items()}
        most = self._most
        if self._most_bytes is not None and spans:
            whole = sum(messageids.size(found[p].ledgers, *s) for p, s in spans.items())
            if whole > self._most_bytes:
                by_size = max(1, sum(counts.values()) * self._most_bytes // whole)
                most = by_size if most is None else min(most, by_size)
        if most is None:
            return spans
        some = share({p: (0, n) for p, n in counts.items()}, most)
        return {p: (spans[p][0], messageids.walk(found[p].ledgers, *spans[p], some[p][1])) for p in some}

    def advance(self, done: Slice) -> None:
        self._done = done.position

    def nothing(self) -> Slice | None:
        return Slice("no new message", {}, lambda readers, keep: readers.entries(self.entry, {}, self._decoder()))
