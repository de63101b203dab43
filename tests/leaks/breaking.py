"""`./dev leaks --mutants`: whatever way the enforcer is broken in, the suite must notice."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from leaks import mutants, mutants_beside
from leaks.oracles import Failure
from leaks.run import PER_WORLD, Runner

MUTANTS = {**mutants.MUTANTS, **mutants_beside.MUTANTS}
WITHIN = 12
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


def main(part: str, first: int, sources: Sequence[str]) -> int:
    """All whose name holds `part`; exit code 1 if one is not noticed."""
    runner, missed = Runner(sources), list[str]()
    try:
        for name in (n for n in MUTANTS if part in n):
            begun = time.monotonic()
            found = notice(runner, name, first)
            spent = time.monotonic() - begun
            if found is None:
                missed.append(name)
                print(f"NOT NOTICED {name} ({spent:.0f} s)", flush=True)
            else:
                place = f"world {found.world.seed}, statement {found.number}"
                print(f"{found.oracle:<16} {name} ({place}, {spent:.0f} s)", flush=True)
    finally:
        runner.close()
    print(f"{len(missed)} not noticed")
    return 1 if missed else 0
