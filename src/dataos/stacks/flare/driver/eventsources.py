"""Events of Event Hubs as a source of streams: topics of Kafka whose offsets are the events' sequence numbers.

Only where they begin and end is said otherwise (`eventhubs.startingposition` and its like).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataos.core.errors import fail
from dataos.stacks.flare import positions
from dataos.stacks.flare.driver.streamsources import Messages, Rows
from dataos.stacks.flare.positions import EventPosition


class Events(Messages):
    """Events of an event hub, by partition and sequence number."""

    def begin(self, kept: Rows) -> None:
        self._options = {k.removeprefix(positions.PREFIX): v for k, v in self._options.items()}
        super().begin(kept)
        self._most = self._number("maxEventsPerTrigger") or self._most
        if self._start not in ("latest", "earliest"):
            self._start = "earliest"  # `startingOffsets` is Kafka's
        self._begins = self._named_positions("startingPosition", False)
        self._ends = self._named_positions("endingPosition", True)
        self._at: dict[int, dict[int, int | None]] = {}

    def _named_positions(self, option: str, ends: bool) -> Mapping[int | None, EventPosition]:
        """Partition -> position; None: of all others."""
        found: dict[int | None, EventPosition] = {}
        one = self._parsed(option, lambda text: positions.event_position(text, ends))
        if one is not None:
            found[None] = one
        return found | (self._parsed(f"{option}s", lambda text: positions.event_positions(text, ends)) or {})

    def _parsed(self, option: str, parse: Callable[[str], Any]) -> Any:
        text = self._options.get(option.lower())
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise fail("flare.option", f"{self.entry.name}: `{positions.PREFIX}{option}`: {error}") from error

    def look(self) -> dict[int, list[int | None]]:
        found = {int(p): o for p, o in self._ask()["partitions"].items()}
        if not self._next:
            ends = self._ends if self.entry.stream is False else {}
            for at in {p.at_us for p in (*self._begins.values(), *ends.values()) if p.at_us is not None}:
                self._at[at] = {int(p): o[2] for p, o in self._ask(atUs=at)["partitions"].items()}
        return found

    def _wanted(self, partition: int, first: int, after: int, at: int | None) -> int:
        return self._placed(self._begins, self._start, partition, first, after)

    def _end(self, partition: int, stands: list[int | None]) -> int:
        first, after = int(stands[0] or 0), int(stands[1] or 0)
        if self.entry.stream is not False:
            return after
        return self._placed(self._ends, "latest", partition, first, after)

    def _placed(
        self, named: Mapping[int | None, EventPosition], usual: str, partition: int, first: int, after: int
    ) -> int:
        """The sequence number of a partition that its position means, within what it holds."""
        position = named.get(partition) or named.get(None) or EventPosition(usual)
        if position.at_us is not None:
            found = self._at.get(position.at_us, {}).get(partition)
            return after if found is None else max(first, min(found, after))
        if position.sequence is not None:
            return max(first, min(position.sequence, after))
        return first if position.word == "earliest" else after
