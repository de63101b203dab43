"""The control plane under seeded faults: everything holds, and a seed is a seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dataos.control import reconciler
from dataos.control.timers import Timing, next_tick
from dataos.core.clock import to_us
from simulation import manifests, simulate, steps
from simulation.mutants import MUTANTS, SEEN
from simulation.simulate import Simulator
from simulation.test_scenarios import SEEN_HERE
from simulation.weather import STARTS

SEEDS = 60
WITHIN = 200
"""Seeds in which each mutant must be seen."""


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconciler, "POLL_S", reconciler.POLL_S)  # the simulator's own is taken back
    made = Simulator()
    yield made
    made.close()


@pytest.mark.timeout(1800)
def test_everything_holds():
    """The first seeds; `./dev simulate --n N --seed S` goes on."""
    failures = [f for progress in simulate.simulate(0, SEEDS, os.cpu_count() or 1) for f in progress.failures]
    assert not failures, "\n".join(f"{f.rule}: {f.text}: {simulate.command(f.seed)}" for f in failures)


def test_a_seed_is_the_same_again(simulator):
    for seed in (3, 4):
        assert simulator.trace(seed) == simulator.trace(seed)
        assert len(simulator.trace(seed)) > 50


def test_a_seed_does_not_depend_on_the_order_of_sets():
    texts = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "simulation", "--seed", "7", "--n", "1", "--trace"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(done.stdout)
    assert len(texts) == 1
    assert "everything held" in texts.pop()


def test_steps_that_stay_are_what_they_were():
    whole = steps.plan(5)
    assert steps.plan(5) == whole
    assert len(whole) == steps.STEPS
    assert [s.number for s in whole] == list(range(steps.STEPS))


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in SEEN_HERE])
def test_the_simulator_sees(name, simulator, monkeypatch):
    MUTANTS[name](monkeypatch)
    seeds = [SEEN.get(name, 0), *range(WITHIN)]
    assert any(simulator.run(seed) is not None for seed in seeds), "nothing was seen"


def test_a_failure_is_reduced_to_few_steps_that_still_fail(simulator, monkeypatch):
    MUTANTS["sealed values outlive their Resource"](monkeypatch)
    failure = next(f for f in map(simulator.run, range(WITHIN)) if f is not None)
    kept = simulator.reduce(failure)
    assert 1 <= len(kept) < 10
    again = simulator.run(failure.seed, kept)
    assert again is not None
    assert again.rule == failure.rule
    assert {s.number for s in kept} <= {s.number for s in failure.steps}


@pytest.mark.parametrize("cron", manifests.CRONS, ids=lambda c: f"{c.cron} {c.zone}")
def test_the_models_ticks_are_the_schedules_ticks(cron):
    """Two ways to reckon, beside each other: a wall-clock rule that both get wrong alike is another test's."""
    from datetime import datetime

    rng = random.Random(cron.cron)
    for start in STARTS:
        moment = to_us(datetime.fromisoformat(start)) + rng.randrange(3600) * 1_000_000
        for _ in range(8):
            tick = cron.next(moment)
            assert next_tick(Timing(cron.cron, cron.zone), moment) == tick
            moment = tick
