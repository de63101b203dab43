"""Every answer is a function of what its reader may see; and the suite that says so notices when it is not."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from dataos.gateway import securing
from leaks import breaking, doors, main, oracles, reducer, run
from leaks.run import PER_WORLD, Progress, Runner
from support.server import installation

STATEMENTS = 640
"""Of the first worlds, each asked of more than one gateway; `./dev leaks --n N --seed S` goes on."""


def test_every_answer_is_a_function_of_what_may_be_seen(runner: Runner):
    total = Progress()
    for seed in range(STATEMENTS // PER_WORLD):
        total.add(runner.run(seed))
    assert not total.failures, "\n".join(f"{main.line(f)}: {main.again(f)}" for f in total.failures)
    assert total.governed >= 1000
    assert all(
        total.counts[o] for o in ("twin", "non-interference", "canaries", "metamorphism", "TLP and NoREC", "writes")
    )


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("filters are forgotten: the right arm of a set operation", 0),
        ("decisions are remembered over changes of policies", 0),
        ("a refusal spells a hidden table as it is", 0),
        ("the history shows the statements of all", 0),
        ("policies know the lakehouse only", 0),
    ],
)
def test_a_broken_enforcer_is_noticed(runner: Runner, name: str, world: int):
    """A slice; `./dev leaks --mutants` breaks it in every way that is known."""
    assert breaking.notice(runner, name, world, 8) is not None


def test_each_mutant_takes_the_place_of_what_it_breaks():
    """One that cannot be called as the original is would be noticed for that alone."""
    wrong: list[str] = []

    class Patch(pytest.MonkeyPatch):
        mutant = ""

        def setattr(self, target: Any, name: str, value: Any) -> None:
            original = getattr(target, name)
            if inspect.isfunction(original) and inspect.isfunction(value) and not _can_stand_for(value, original):
                wrong.append(f"{self.mutant}: {name}")
            super().setattr(target, name, value)

    for mutant, apply in breaking.MUTANTS.items():
        patch = Patch()
        patch.mutant = mutant
        apply(patch)
        patch.undo()
    assert wrong == []


def _can_stand_for(mutant: Any, original: Any) -> bool:
    """Does it take as many arguments by position?"""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes, needs = (list(inspect.signature(f).parameters.values()) for f in (mutant, original))
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in takes):
        return True
    return sum(p.kind in positional for p in takes) >= sum(p.kind in positional for p in needs)


def test_a_case_is_reduced_to_what_it_needs(runner: Runner):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(securing, "_conditions", lambda *_: [])  # no filter is applied anywhere
        runner.forget()
        failures = (f for seed in range(12) for f in runner.run(seed, 24).failures)
        found = next(f for f in failures if f.oracle == "twin" and len(f.world.rules) > 2 and not _reads_views(f))
        small = reducer.reduce(runner, found, within_s=600)
    runner.forget()
    assert small.oracle == found.oracle
    assert len(small.statement.sql) < len(found.statement.sql)
    assert len(small.world.rules) < len(found.world.rules)
    assert len(small.world.users) == 1


def _reads_views(failure: oracles.Failure) -> bool:
    """Views have owners, who are users too."""
    return not failure.statement.tables.isdisjoint(v.name for v in failure.world.views)


def test_a_seed_is_the_same_again():
    for seed in (3, 4):
        assert run.history(seed, 60) == run.history(seed, 60)
    world = run.history(5, 0)
    assert oracles.canaries(world)


def test_the_http_door_gives_the_answers_of_the_gateway(runner: Runner, tmp_path: Path):
    with installation(tmp_path) as made:
        made.up()
        server = doors.Server(made.url, (made.home / "keys" / "admin.token").read_text().strip())
        differing = list(doors.compare(server, runner.lab(), 7, 40))
        server.close()
    assert not differing, "\n".join(f"{f.text}: {f.statement.sql}" for f in differing)
