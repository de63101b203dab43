"""How long a try must wait, and whom wrong tokens slow down."""

from __future__ import annotations

import pytest

from dataos.core.clock import ManualClock
from dataos.governance.throttling import Counter, Strangers, Throttle, network


def test_waiting_begins_after_the_free_tries_grows_and_has_an_end():
    counter = Counter("k", 5, 900.0)
    assert [counter.wait_s(n) for n in (1, 4, 5, 6, 7, 14, 15, 1_000_000)] == [0, 0, 1, 2, 4, 512, 900, 900]


def test_three_counters_stand_for_a_try_and_tell_users_and_networks_apart():
    throttle = Throttle(ManualClock(), 5, 900.0)
    keys = lambda *of: [c.key for c in throttle.counters(*of)]  # noqa: E731
    assert len(set(keys("10.0.0.1", "ida"))) == 3
    assert keys("10.0.0.1", "ida") == keys("10.0.0.1", "IDA")
    assert keys("10.0.0.1") == keys("10.0.0.1", "ida")[:1]
    assert not set(keys("10.0.0.1", "ida")[:2]) & set(keys("10.0.0.2", "ida")[:2])
    assert keys("10.0.0.1", "ida")[2] == keys("10.0.0.2", "ida")[2]
    assert all("ida" not in key and "10.0" not in key for key in keys("10.0.0.1", "ida"))
    assert max(c.wait_s(10**6) for c in throttle.counters("10.0.0.1", "ida")[2:]) == 60.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("socket", "socket", True),
    ],
)
def test_what_counts_as_one_address(one, other, same):
    assert (network(one) == network(other)) is same


def test_wrong_tokens_are_counted_per_address_and_minute():
    clock = ManualClock()
    strangers = Strangers(clock, 3)
    assert [strangers.refused("10.0.0.1") for _ in range(3)] == [None] * 3
    refused = strangers.refused("10.0.0.1")
    assert refused is not None
    assert refused.problem.code == "login.too_many"
    assert 0 < refused.problem.retry <= 60
    assert strangers.refused("10.0.0.2") is None
    clock.advance(60)
    assert strangers.refused("10.0.0.1") is None


def test_a_flood_from_many_addresses_fills_no_memory():
    strangers = Strangers(ManualClock(), 3)
    for number in range(10_050):
        strangers.refused(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(strangers._seen) == 10_000
