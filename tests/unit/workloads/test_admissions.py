"""The queue of one server: whose turn it is hears of it, nobody else; what nobody takes up is given on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from dataos.processes.admission import Admission, Decision, Demand
from dataos.workloads.admissions import Admissions

GIB = 1 << 30


class Queue:
    """Admissions of a machine with `cpus` CPUs, with its rings and a clock that the test moves."""

    def __init__(self, cpus: float) -> None:
        self.rung: list[str] = []
        self.now = 0.0
        self.all = Admissions(Admission(cpus, 64 * GIB), self.rung.append, lambda: self.now)

    def ask(self, name: str, since: int = 0) -> Decision:
        return asyncio.run(self.all.ask(Demand(name, "public", 1.0, GIB, since), f"job:{name}"))


def attempt(name: str) -> Any:
    return SimpleNamespace(id=name, run_id="r", cpu=1.0, memory_bytes=GIB, created_at=0)


def test_an_end_rings_only_those_whose_turn_it_is():
    queue = Queue(2)
    assert [queue.ask(f"j{n:03}", n).admit for n in range(300)] == [True, True] + [False] * 298
    assert queue.rung == []
    for n in range(2, 300):
        queue.all.release(f"j{n - 2:03}")
        assert queue.rung == [f"job:j{n:03}"]
        queue.rung.clear()
        assert queue.ask(f"j{n:03}", n).admit


def test_who_waits_hears_why_and_asks_again_less_often_the_longer_the_queue():
    queue = Queue(1)
    queue.ask("first")
    assert queue.ask("second", 1).reason == "waits for 1 CPU: 1 of 1 in use by run first"
    assert queue.ask("third", 2).reason.startswith("waits its turn behind second; ")
    assert queue.all.again_s == 1.0
    for n in range(198):
        queue.ask(f"j{n}", 3 + n)
    assert queue.all.again_s == 10.0


def test_a_granted_slot_that_nobody_takes_up_is_given_on():
    queue = Queue(1)
    queue.ask("first")
    queue.ask("second", 1)
    queue.ask("third", 2)
    queue.all.release("first")
    assert queue.rung == ["job:second"]
    for _ in range(4):  # the third goes on asking; the second never does (another server runs it)
        queue.now += 4
        granted = queue.ask("third", 2).admit
    assert granted


def test_a_granted_slot_is_kept_by_who_takes_it_up():
    queue = Queue(1)
    queue.ask("first")
    queue.ask("second", 1)
    queue.all.release("first")
    assert queue.ask("second", 1).admit
    queue.now += 1000
    assert not queue.ask("third", 2).admit


def test_who_goes_away_gives_the_slot_on():
    queue = Queue(1)
    queue.ask("first")
    queue.ask("second", 1)
    queue.ask("third", 2)
    queue.all.release("first")
    queue.all.forget("second")
    assert queue.rung == ["job:second", "job:third"]
    queue.all.forget("third")
    assert queue.ask("fourth", 3).admit


def test_open_attempts_found_in_the_store_hold_their_slots():
    queue = Queue(1)
    queue.all.holds(attempt("old"))
    assert not queue.ask("new").admit
    queue.all.release("old")
    assert queue.rung == ["job:new"]


def test_slots_of_attempts_that_others_took_over_are_free():
    queue = Queue(2)
    assert queue.ask("mine").admit
    assert queue.ask("theirs").admit
    assert not queue.ask("waiting").admit
    queue.all.retain({"mine"})
    assert queue.rung == ["job:waiting"]
    assert queue.ask("waiting").admit
    assert not queue.ask("next").admit


def test_a_slot_taken_for_an_attempt_that_has_ended_is_freed_at_the_second_look():
    queue = Queue(1)
    queue.all.holds(attempt("ended"))
    assert not queue.ask("next", 1).admit

    async def tidy(*open_: str) -> None:
        async def here() -> set[str]:
            return set(open_)

        await queue.all.tidy(here)

    asyncio.run(tidy())
    assert not queue.ask("next", 1).admit, "it may be about to begin"
    asyncio.run(tidy("ended"))
    asyncio.run(tidy())
    assert not queue.ask("next", 1).admit, "it was there in between"
    asyncio.run(tidy())
    assert queue.rung == ["job:next"]
    asyncio.run(tidy())
    asyncio.run(tidy())
    assert queue.all.counts == (1, 0), "a slot that was granted is not doubted before it is taken up"
