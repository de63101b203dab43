"""Who runs and who waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.gateway.queueing import Place, Queue, QueueLimits


async def silent(_: str) -> None:
    """Nobody is told."""


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_waits_is_told_why_and_comes_next():
    async def scenario() -> None:
        told: list[str] = []

        async def tell(why: str) -> None:
            told.append(why)

        queue = Queue("miniature", QueueLimits(running=1, running_per_user=1))
        first = await queue.enter("alice", tell)
        mine = asyncio.create_task(queue.enter("alice", tell))
        others = asyncio.create_task(queue.enter("bob", tell))
        await turn()
        assert told == [
            "running statements of alice: 1, the most that may (query.running_per_user)",
            "running statements of this cluster: 1, the most that may (query.running)",
        ]
        first.leave()
        first.leave()
        await turn()
        assert (mine.done(), others.done()) == (True, False)
        mine.result().leave()
        await turn()
        assert others.done()

    run(scenario)


def test_who_asks_often_does_not_get_ahead():
    async def scenario() -> None:
        queue = Queue("miniature", QueueLimits(running=2, running_per_user=2))
        places = [await queue.enter("alice", silent) for _ in range(2)]
        waiting = [asyncio.create_task(queue.enter("alice", silent)) for _ in range(20)]
        await turn()
        bob = asyncio.create_task(queue.enter("bob", silent))
        await turn()
        places[0].leave()
        await turn()
        assert bob.done()
        assert not any(t.done() for t in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(scenario)


def test_a_full_queue_and_a_long_wait_are_refused():
    async def scenario() -> None:
        queue = Queue("miniature", QueueLimits(running=1, queued=1, queued_s=0.05))
        first = await queue.enter("alice", silent)
        second = asyncio.create_task(queue.enter("bob", silent))
        await turn()
        with pytest.raises(DataOSError) as full:
            await queue.enter("carol", silent)
        assert full.value.problem.code == "query.queue_full"
        with pytest.raises(DataOSError) as late:
            await second
        assert late.value.problem.code == "query.queue_timeout"
        assert "query.running" in late.value.problem.message
        first.leave()
        assert await queue.enter("carol", silent)

    run(scenario)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(["alice", "bob", "carol"])),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_places_are_never_lost_nor_given_twice(steps: list[tuple[str, Any]], running: int, per_user: int):
    async def scenario() -> None:
        queue = Queue("miniature", QueueLimits(running=running, running_per_user=per_user, queued=1000))
        tasks: list[asyncio.Task[Place]] = []
        users: dict[asyncio.Task[Place], str] = {}
        left: set[asyncio.Task[Place]] = set()

        def holding() -> list[asyncio.Task[Place]]:
            return [t for t in tasks if t.done() and not t.cancelled() and t not in left]

        for what, which in steps:
            if what == "enter":
                task = asyncio.create_task(queue.enter(which, silent))
                tasks.append(task)
                users[task] = which
            elif what == "leave" and (held := holding()):
                chosen = held[which % len(held)]
                left.add(chosen)
                chosen.result().leave()
            elif what == "cancel" and (open_ := [t for t in tasks if not t.done()]):
                open_[which % len(open_)].cancel()
            if which != 7:  # else two steps meet
                await turn()
            counts = Counter(users[t] for t in holding())
            assert counts.total() <= running
            assert all(n <= per_user for n in counts.values())
            if which != 7:
                able = [t for t in tasks if not t.done() and counts[users[t]] < per_user]
                assert not able or counts.total() == running, "somebody waits though there is a place"
        await turn()
        while rest := holding():
            for task in rest:
                left.add(task)
                task.result().leave()
            await turn()
        assert all(t.done() for t in tasks)

    run(scenario)
