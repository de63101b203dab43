"""Worlds, one after the other or beside each other: statements, changes, and what the oracles say of them."""

from __future__ import annotations

import atexit
import contextlib
import gc
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

from dataos.governance import decisions
from dataos.governance.globs import compile_glob
from leaks import laundering, oracles, places, worlds, writes
from leaks.lab import Laboratory
from leaks.model import SOURCES, World
from leaks.oracles import Failure, Judge, Stage
from support import postgres
from support.pools import pool
from support.postgres import Postgres

GOVERNED = "governed statements"
PER_WORLD = 80
"""Statements in a world."""
_CHANGE_EVERY = 16
_WORLDS = 40
"""Worlds that one laboratory holds: its tables stay until it ends."""


@dataclass
class Progress:
    """What was done, by how many judgements of each oracle, and what failed."""

    done: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])

    @property
    def governed(self) -> int:
        """How many statements were asked under policies."""
        return self.counts[GOVERNED]

    def add(self, other: Progress) -> None:
        """Both together."""
        self.done += other.done
        self.counts += other.counts
        self.failures += other.failures


def numbered(world: World, number: int) -> random.Random:
    """What decides about one statement of a world."""
    return random.Random(f"{world.seed} {number}")


def history(seed: int, until: int, sources: Sequence[str] = SOURCES) -> World:
    """The world of a seed as its statement `until` finds it."""
    world = worlds.make(seed, sources)
    for number in range(until + 1):
        if _changes(number):
            world = worlds.change(world, numbered(world, -number)).world
    return world


def _changes(number: int) -> bool:
    return number > 0 and number % _CHANGE_EVERY == 0


class Runner:
    """Runs worlds in this process, whose tables lie in some `sources`."""

    def __init__(self, sources: Sequence[str] = SOURCES) -> None:
        self.sources = tuple(sources)
        self._lab: Laboratory | None = None
        self._staged = 0
        self._held = contextlib.ExitStack()
        self._server: Postgres | None = None

    def lab(self) -> Laboratory:
        """A laboratory that is not full."""
        if self._lab is None or self._staged >= _WORLDS:
            self._empty()
            if self._server is None and "postgresql" in self.sources:
                self._server = self._held.enter_context(postgres.running())
            self._lab, self._staged = Laboratory(self._server), 0
        self._staged += 1
        return self._lab

    def forget(self) -> None:
        """What was compiled of rules and patterns is compiled anew."""
        compile_glob.cache_clear()
        if self._lab is not None:
            self._lab.point._known = decisions.Policies(-1, {}, {})  # pyright: ignore[reportPrivateUsage]

    def close(self) -> None:
        """No more of it."""
        self._empty()
        self._held.close()
        self._server = None

    def _empty(self) -> None:
        if self._lab is not None:
            self._lab.close()
            self._lab = None

    def run(self, seed: int, count: int = PER_WORLD, only: int | None = None, *, keep_going: bool = True) -> Progress:
        """A world with so many statements; `only`: with this one alone, as it finds the world."""
        found = Progress()
        stage = Stage(self.lab(), worlds.make(seed, self.sources))
        judge, asked = Judge(stage), stage.lab.governed_asked
        try:
            for number in range(count):
                if _changes(number):
                    if only is None and (failure := self._look(stage, judge, number)) is not None:
                        found.failures.append(replace(failure, number=number))
                        if not keep_going:
                            break
                    stage.become(worlds.change(stage.world, numbered(stage.world, -number)).world)
                if only is not None and number != only:
                    continue
                failure = self._one(stage, judge, number)
                found.done += 1
                if failure is not None:
                    found.failures.append(replace(failure, number=number))
                    if not keep_going:
                        break
        finally:
            with contextlib.suppress(Exception):
                stage.close()
        judge.counts[GOVERNED] = stage.lab.governed_asked - asked
        found.counts += judge.counts
        return found

    def _look(self, stage: Stage, judge: Judge, number: int) -> Failure | None:
        """One of the users looks where something may be kept of what was asked."""
        judge.counts["places"] += 1
        users = stage.world.users
        user = users[number // _CHANGE_EVERY % len(users)].id
        return places.look(stage, user, random.Random(f"places {stage.world.seed} {number}"))

    def _one(self, stage: Stage, judge: Judge, number: int) -> Failure | None:
        draw = numbered(stage.world, number)
        user = draw.choice(stage.world.users).id
        if number % 23 == 11:
            judge.counts["TLP and NoREC"] += 1
            return oracles.partitions(stage, user, draw)
        if number % 40 == 17:
            judge.counts["metamorphism"] += 1
            return oracles.narrower(stage, user, draw)
        if number % 8 == 3 and stage.world.views:
            return judge.judge(user, oracles.whole(stage, user, draw.choice(stage.world.views)))
        if number % 13 == 5:
            judge.counts["laundering"] += 1
            return laundering.judge(stage, user, draw)
        if number % 11 == 7:
            judge.counts["writes"] += 1
            return writes.judge(stage, user, draw)
        return judge.judge(user, oracles.statement(stage, user, draw), interference=number % 2 == 0)


_runner: Runner | None = None


def lasting(sources: tuple[str, ...]) -> Runner:
    """The runner of this process of a pool, until it ends."""
    global _runner
    if _runner is None:
        _runner = Runner(sources)
        atexit.register(_runner.close)
        gc.freeze()
    return _runner


def _page(seed: int, keep_going: bool, sources: tuple[str, ...]) -> Progress:
    """A world, in a process of the pool."""
    return lasting(sources).run(seed, keep_going=keep_going)


def run(
    first: int, count: int, jobs: int, *, keep_going: bool = True, sources: Sequence[str] = SOURCES
) -> Iterator[Progress]:
    """Whole worlds from the seed `first` on, until so many governed statements were asked; yields after each world."""
    seeds, done = itertools.count(first), 0
    if jobs <= 1:
        runner = Runner(sources)
        try:
            while done < count:
                found = runner.run(next(seeds), keep_going=keep_going)
                done += found.governed
                yield found
        finally:
            runner.close()
        return
    with pool(jobs) as workers:
        running: set[Future[Progress]] = set()
        while running or done < count:
            while done < count and len(running) < 2 * jobs:
                running.add(workers.submit(_page, next(seeds), keep_going, tuple(sources)))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                found = future.result()
                done += found.governed
                yield found


def failing(runner: Runner, failure: Failure, world: World, sql: str) -> Failure | None:
    """Does the same oracle object to a statement in a world that holds nothing else?"""
    made = replace(failure.statement, sql=sql)
    stage = Stage(runner.lab(), world)
    try:
        if failure.oracle in ("TLP", "NoREC", "metamorphism") or failure.oracle.startswith(
            ("write", "places", "laundering")
        ):
            return None
        found = Judge(stage).judge(failure.user, made)
    finally:
        stage.close()
    same = found is not None and found.oracle == failure.oracle and _codes(found) == _codes(failure)
    return found if same else None


def _codes(failure: Failure) -> set[str]:
    """The codes that a failure speaks of: with others it is another one."""
    return set(re.findall(r"\b(?:query|policy)\.\w+", failure.text))


def all_failures(progress: Sequence[Progress]) -> list[Failure]:
    """Of all."""
    return [f for p in progress for f in p.failures]
