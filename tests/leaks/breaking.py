"""`./dev leaks --mutants`: whatever way the enforcer is broken in, the suite must notice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import as_completed

import pytest

from leaks import mutants, mutants_beside
from leaks.oracles import Failure
from leaks.run import PER_WORLD, Runner, lasting
from support.pools import pool

MUTANTS = {**mutants.MUTANTS, **mutants_beside.MUTANTS}
WITHIN = 24
"""Worlds in which each must be noticed."""


def notice(runner: Runner, name: str, first: int = 0, within: int = WITHIN) -> Failure | None:
    """The failure by which the suite notices a mutant, or None."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        runner.forget()
        try:
            for seed in range(first, first + within):
                found = runner.run(seed, PER_WORLD, keep_going=False)
                if found.failures:
                    return found.failures[0]
        finally:
            patch.undo()
            runner.forget()
    return None


def main(part: str, first: int, jobs: int, sources: Sequence[str]) -> int:
    """All whose name holds `part`, so many beside each other; exit code 1 if one is not noticed."""
    names = [n for n in MUTANTS if part in n]
    missed = 0
    with pool(jobs) as workers:
        for done in as_completed(workers.submit(_one, name, first, tuple(sources)) for name in names):
            line, noticed = done.result()
            missed += not noticed
            print(line, flush=True)
    print(f"{missed} of {len(names)} not noticed")
    return 1 if missed else 0


def _one(name: str, first: int, sources: tuple[str, ...]) -> tuple[str, bool]:
    """In a process of the pool: a line about a mutant, and whether it is noticed."""
    begun = time.monotonic()
    found = notice(lasting(sources), name, first)
    spent = time.monotonic() - begun
    if found is None:
        return f"NOT NOTICED {name} ({spent:.0f} s)", False
    return f"{found.oracle:<16} {name} (world {found.world.seed}, statement {found.number}, {spent:.0f} s)", True
