"""Texts that the engine's parser has confirmed are known by all of what they are."""

from hypothesis import given
from hypothesis import strategies as st

from dataos.gateway.checking import Confirmed

TEXTS = st.lists(st.text("ab", max_size=3), min_size=1, max_size=4)


@given(TEXTS, TEXTS)
def test_no_text_stands_for_another(one, other):
    confirmed = Confirmed()
    confirmed.add(one)
    assert confirmed.has(one)
    assert confirmed.has(other) == (one == other)


def test_what_was_not_asked_for_longest_goes_first():
    confirmed = Confirmed(most=2)
    confirmed.add(["a"])
    confirmed.add(["b"])
    assert confirmed.has(["a"])
    confirmed.add(["c"])
    assert confirmed.has(["a"])
    assert not confirmed.has(["b"])
