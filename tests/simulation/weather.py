"""What a seed makes of the world: its climate (for all of it) and its weather (from moment to moment)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.servers import Life

STARTS = (
    "2030-01-01T00:00:00+00:00",
    "2028-02-28T23:50:00+00:00",  # a leap day comes
    "2030-03-31T00:40:00+00:00",  # Berlin's clocks go forward at 01:00
    "2030-10-27T00:10:00+00:00",  # and back at 01:00
    "2030-03-10T06:40:00+00:00",  # New York's clocks go forward at 07:00
    "2030-11-03T05:20:00+00:00",  # and back at 06:00
    "2030-04-06T14:40:00+00:00",  # Lord Howe's go back by half an hour at 15:00
    "2030-12-31T23:58:00+00:00",
)


@dataclass(frozen=True)
class Climate:
    """What holds for one seed."""

    alone: bool  # one server on SQLite; else several on one PostgreSQL
    machines: int
    start: str
    cpus: float
    store_faults: float  # per unit of work
    lost_rings: float
    start_faults: float
    crashes: float  # per checkpoint
    slow: float  # seconds, the longest usual wait for a store or a runner
    stuck: float  # share of such waits that are longer than a lease
    failing: float  # share of programs that fail

    @staticmethod
    def of(rng: random.Random) -> Climate:
        alone = rng.random() < 0.4
        return Climate(
            alone=alone,
            machines=1 if alone else rng.choice((1, 2, 2, 2, 3)),
            start=rng.choice(STARTS),
            cpus=rng.choice((1.0, 2.0, 4.0, 16.0)),
            store_faults=rng.choice((0.0, 0.0, 0.005, 0.02, 0.06)),
            lost_rings=rng.choice((0.0, 0.1, 0.5)),
            start_faults=rng.choice((0.0, 0.0, 0.1)),
            crashes=rng.choice((0.0, 0.0, 0.01)),
            slow=rng.choice((0.0, 0.002, 0.02, 0.3)),
            stuck=rng.choice((0.0, 0.0, 0.003)),
            failing=rng.choice((0.1, 0.3, 0.6)),
        )


class Weather:
    """Faults and delays, moment by moment. `calm`: no faults any more."""

    def __init__(self, climate: Climate, rng: random.Random) -> None:
        self._climate = climate
        self._rng = rng
        self.calm = False
        self.store_away = False
        self.sources_away = False
        self.scripted: dict[str, list[str]] = {}  # faults of units of work by their name, and of `start`; for scenarios
        self.waits: dict[str, list[float]] = {}  # how long units of work take, by their name; for scenarios
        self.steals = 0  # looks that will lose their lease before their next write
        self.cut_off: set[str] = set()  # machines that do not reach the store

    def begin(self, salt: int) -> None:
        """A step begins: what follows depends on it and not on how much happened before."""
        self._rng.seed(salt)

    def latency(self, name: str = "") -> float:
        """Seconds that a call of a store or a runner takes; `name`: of its unit of work."""
        if self.waits.get(name):
            return self.waits[name].pop(0)
        most = 0.001 if self.calm else self._climate.slow
        if not most:
            return 0.0
        if not self.calm and self._climate.stuck and self._rng.random() < self._climate.stuck:
            return 100.0 * self._rng.random()
        share = self._rng.random()
        return most * share * share

    def store_fault(self, life: Life, name: str, *, write: bool) -> str:
        """`before` or `after` the unit of work, `full`, `twice` (it was repeated), or nothing."""
        if self.scripted.get(name):
            return self.scripted[name].pop(0)
        if self.calm:
            return ""
        if self.store_away or life.machine.id in self.cut_off:
            return "before"
        rate = self._climate.store_faults
        if not rate or self._rng.random() >= rate:
            return ""
        if not write:
            return "before"
        return self._rng.choice(("before", "after", "after", "full", "twice", "twice"))

    def rings(self) -> tuple[float, ...]:
        """Delays of a wake-up: none if it is lost, two if it comes twice."""
        if not self.calm:
            if self._rng.random() < self._climate.lost_rings:
                return ()
            if self._rng.random() < 0.05:
                return (0.0, 0.2 * self._rng.random())
        return (self.latency(),)

    def crash(self) -> bool:
        """Does the server die at this checkpoint?"""
        return not self.calm and bool(self._climate.crashes) and self._rng.random() < self._climate.crashes

    def start_fault(self) -> str:
        """`refused`, `slow` (it starts, but the caller hears that it does not) or `late` (it starts after that)."""
        if self.scripted.get("start"):
            return self.scripted["start"].pop(0)
        if self.calm or not self._climate.start_faults or self._rng.random() >= self._climate.start_faults:
            return ""
        return self._rng.choice(("refused", "slow", "late"))

    def fate(self, key: str) -> tuple[str, float]:
        """How a program ends, and after how many seconds."""
        if self.calm:
            return "ok", 0.05
        share = self._rng.random()
        if share < self._climate.failing:
            fate = self._rng.choice(("fails", "fails", "fails", "transient", "lost"))
        else:
            fate = "ok"
        if self._rng.random() < 0.06:
            return fate, 3600.0 * 24  # it hangs
        return fate, self._rng.choice((0.0, 0.1, 0.5, 2.0, 10.0, 40.0)) * self._rng.random()

    def stop_fate(self, grace_s: float) -> tuple[str, float]:
        """How a program that is asked to stop ends: it may end well just before it hears of it."""
        fate = "ok" if not self.calm and self._rng.random() < 0.1 else "stopped"
        return fate, (0.01 if self.calm else min(grace_s, 10.0) * self._rng.random() ** 2)

    def source_answers(self) -> bool:
        """Does a depot's source answer?"""
        return self.calm or (not self.sources_away and self._rng.random() < 0.8)

    def pick(self, most: float) -> float:
        """A number up to `most`."""
        return most * self._rng.random()
