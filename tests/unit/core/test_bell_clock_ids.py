"""The small ports: bell, clock, ids."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from dataos.core.bell import Bell
from dataos.core.clock import ManualClock, from_us, rfc3339, to_us
from dataos.core.ids import RandomIds, SeededIds
from dataos.core.secrecy import Secret


def test_a_ring_before_the_wait_is_not_lost_and_counts_once():
    async def scenario():
        bell = Bell()
        bell.ring()
        bell.ring()
        return await bell.wait(1), await bell.wait(0.01)

    assert asyncio.run(scenario()) == (True, False)


def test_a_ring_from_another_thread_wakes_the_waiter():
    async def scenario():
        bell = Bell()
        asyncio.get_running_loop().call_later(0.01, lambda: threading.Thread(target=bell.ring).start())
        return await bell.wait(5)

    assert asyncio.run(scenario())


def test_times_are_microseconds_and_a_naive_time_is_refused():
    moment = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert from_us(to_us(moment)) == moment
    assert rfc3339(to_us(moment)) == "2030-01-02T03:04:05.678Z"
    with pytest.raises(ValueError, match="naive"):
        to_us(datetime(2030, 1, 1))


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock()
    before = clock.now_us()
    clock.advance(1.5)
    assert clock.now_us() - before == 1_500_000


def test_ids_have_their_forms_and_replay_from_a_seed():
    ids = RandomIds()
    assert len(ids.run_id()) == 12
    assert ids.stamp().startswith("-")
    assert len(ids.stamp()) == 5
    assert SeededIds(7).uid() == SeededIds(7).uid()
    assert SeededIds(7).run_id() != SeededIds(8).run_id()


def test_a_secret_never_shows_itself():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>20}"
    assert secret.reveal() == "hunter2"
