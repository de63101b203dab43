"""Messages that are known by the ledger in which they lie and their entry there (Pulsar): ids, and counting them.

A partition's ledgers follow each other in the order of their ids, each with entries 0, 1, 2...; an entry holds one
message, or a batch of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SCHEMA_KEY = b"dataos.pulsar.schema"
"""Of a Parquet file that holds messages: {"type": one of Pulsar's schema types, "schema": its definition}."""

Ledger = tuple[int, int, int]
"""(id, entries, bytes)"""


_FIELDS = {1: "ledger", 2: "entry", 3: "partition", 4: "batch"}  # of MessageIdData (protobuf)
_HIGHEST = (1 << 63) - 1


class MessageId(NamedTuple):
    """One message of a partition. `batch`: its place in an entry that holds several; -1: all of the entry.

    As the place that was read last, `entry` -1 means that nothing of the ledger was."""

    ledger: int
    entry: int
    batch: int = -1

    def text(self) -> str:
        """As it is kept and asked for: `ledger:entry`, or `ledger:entry:batch`."""
        return f"{self.ledger}:{self.entry}" + (f":{self.batch}" if self.batch >= 0 else "")

    @classmethod
    def parse(cls, text: str) -> MessageId:
        """What `text` made. Raises ValueError."""
        parts = [int(p) for p in text.split(":")]
        if len(parts) not in (2, 3):
            raise ValueError(f"`{text}` is no ledger:entry")
        return cls(*parts)

    def covers(self, other: MessageId) -> bool:
        """Is another message read, where this is the place that was read last?"""
        mine, its = (self.ledger, self.entry), (other.ledger, other.entry)
        return its < mine or (its == mine and (self.batch < 0 or 0 <= other.batch <= self.batch))


def count(ledgers: Sequence[Ledger], after: MessageId, upto: MessageId) -> int:
    """How many entries lie after one place, up to another; a batch that is half read counts as one."""
    return sum(high - low for _, low, high, _ in _parts(ledgers, after, upto))


def size(ledgers: Sequence[Ledger], after: MessageId, upto: MessageId) -> int:
    """How many bytes they have, by the mean of each ledger."""
    return sum((high - low) * mean for _, low, high, mean in _parts(ledgers, after, upto))


def walk(ledgers: Sequence[Ledger], after: MessageId, upto: MessageId, entries: int) -> MessageId:
    """The place that so many entries (1 or more) later is read last, `upto` at the most."""
    left = entries
    for ledger, low, high, _ in _parts(ledgers, after, upto):
        if left <= high - low:
            found = MessageId(ledger, low + left - 1)
            return upto if (found.ledger, found.entry) == (upto.ledger, upto.entry) else found
        left -= high - low
    return upto


def _parts(ledgers: Sequence[Ledger], after: MessageId, upto: MessageId) -> list[tuple[int, int, int, int]]:
    """(ledger, first entry, the one after the last, mean bytes) of each ledger between two places."""
    found: list[tuple[int, int, int, int]] = []
    for ledger, entries, length in ledgers:
        if not after.ledger <= ledger <= upto.ledger:
            continue
        low = 0
        if ledger == after.ledger:
            low = after.entry if after.batch >= 0 else after.entry + 1
        high = upto.entry + 1 if ledger == upto.ledger else entries
        if high > low:
            found.append((ledger, low, high, length // entries if entries else 0))
    return found


def decode(data: bytes) -> str | MessageId:
    """A message id out of the bytes that clients of Pulsar make of it; `earliest` and `latest` are ids too.

    Raises ValueError. Source: MessageIdData of Pulsar's protocol.
    """
    found = {"ledger": 0, "entry": 0, "batch": -1}
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        if key & 7 != 0:
            break  # what comes after the numbers says how large a batch is
        number, place = _varint(data, place)
        name = _FIELDS.get(key >> 3)
        if name is not None:
            found[name] = number - (1 << 64) if number > _HIGHEST else number
    if place == 0:
        raise ValueError("a message id has bytes")
    if found["ledger"] < 0:
        return "earliest"
    if found["ledger"] == _HIGHEST:
        return "latest"
    return MessageId(found["ledger"], found["entry"], found["batch"])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("the bytes are no message id")
        byte = data[place]
        number |= (byte & 0x7F) << shift
        shift += 7
        place += 1
        if not byte & 0x80:
            return number, place
