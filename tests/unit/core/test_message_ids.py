"""Ids of messages that lie in ledgers, and counting what is between two of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core import messageids
from dataos.core.messageids import Ledger, MessageId

SIZES = st.lists(st.integers(0, 6), min_size=1, max_size=6)


def made(sizes: list[int]) -> list[Ledger]:
    return [(number * 3, size, size * 10) for number, size in enumerate(sizes)]


def entries(ledgers: list[Ledger]) -> list[MessageId]:
    return [MessageId(ledger, entry) for ledger, count, _ in ledgers for entry in range(count)]


@given(SIZES, st.data())
def test_what_is_counted_is_what_lies_between(sizes: list[int], data: st.DataObject) -> None:
    ledgers = made(sizes)
    places = [MessageId(ledger, -1) for ledger, _, _ in ledgers] + entries(ledgers)
    after = data.draw(st.sampled_from(places))
    upto = data.draw(st.sampled_from(places))
    between = [e for e in entries(ledgers) if not after.covers(e) and upto.covers(e)]
    assert messageids.count(ledgers, after, upto) == len(between)
    assert messageids.size(ledgers, after, upto) == 10 * len(between)
    for steps in range(1, len(between) + 1):
        assert messageids.walk(ledgers, after, upto, steps) == between[steps - 1]
    assert messageids.walk(ledgers, after, upto, len(between) + 1) == upto


@given(st.integers(0, 1 << 62), st.integers(-1, 1 << 62), st.integers(-1, 1000))
def test_ids_are_what_their_text_says(ledger: int, entry: int, batch: int) -> None:
    made = MessageId(ledger, entry, batch)
    assert MessageId.parse(made.text()) == made


@pytest.mark.parametrize("text", ["", "1", "1:2:3:4", "a:b", "1:"])
def test_other_texts_are_no_ids(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        MessageId.parse(text)


def test_a_batch_that_is_half_read_is_an_entry_to_read() -> None:
    ledgers = [(1, 3, 30)]
    half = MessageId(1, 1, 4)
    assert messageids.count(ledgers, half, MessageId(1, 2)) == 2
    assert not half.covers(MessageId(1, 1, 5))
    assert half.covers(MessageId(1, 1, 4))
    assert not half.covers(MessageId(1, 1))
    assert MessageId(1, 1).covers(MessageId(1, 1, 5))
    assert messageids.walk(ledgers, MessageId(1, 0), half, 1) == half
