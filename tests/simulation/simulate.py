"""Many seeds, one after the other or beside each other; a failing one is reduced to the smallest list of its steps."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

import structlog

from dataos.control import reconciler
from simulation import steps
from simulation.disk import Disk
from simulation.steps import Step
from simulation.world import Failure, World
from support.pools import pool

POLL_S = 15.0
"""Virtual seconds: a poll only finds what rings lost, and each costs real time."""
_PAGE = 20


class Simulator:
    """Runs seeds in this process."""

    def __init__(self) -> None:
        reconciler.POLL_S = POLL_S
        self._disk = Disk()

    def run(self, seed: int, plan: Sequence[Step] | None = None, *, trace: bool = False) -> Failure | None:
        """One seed; `plan` instead of the seed's own steps."""
        world = World(self._disk, seed, keep_trace=trace)
        return world.run(plan if plan is not None else steps.plan(seed))

    def trace(self, seed: int, plan: Sequence[Step] | None = None) -> list[str]:
        """All that happened."""
        world = World(self._disk, seed, keep_trace=True)
        world.run(plan if plan is not None else steps.plan(seed))
        return world.traced

    def close(self) -> None:
        """No more of it."""
        self._disk.close()

    def reduce(self, failure: Failure, *, within_s: float = 120.0) -> tuple[Step, ...]:
        """The smallest list of steps found that still breaks the same rule: parts are left out, halves first."""
        kept = list(failure.steps)
        if failure.step >= 0:
            kept = kept[: failure.step + 1]
        size, until = max(1, len(kept) // 2), time.monotonic() + within_s
        while time.monotonic() < until:
            start, fewer = 0, False
            while start < len(kept) and time.monotonic() < until:
                rest = kept[:start] + kept[start + size :]
                found = self.run(failure.seed, rest) if rest else None
                if found is not None and found.rule == failure.rule:
                    kept, fewer = rest, True
                else:
                    start += size
            if size == 1 and not fewer:
                break
            size = max(1, size // 2)
        return tuple(kept)


_simulator: Simulator | None = None


def _page(seeds: range) -> list[Failure]:
    """In a process of the pool."""
    global _simulator
    if _simulator is None:
        structlog.configure(cache_logger_on_first_use=False)
        _simulator = Simulator()
        gc.freeze()
        gc.disable()
    found = [f for seed in seeds if (f := _simulator.run(seed)) is not None]
    gc.collect()
    return found


@dataclass
class Progress:
    """Seeds that are done, and those that failed."""

    done: int
    failures: list[Failure]


def simulate(first: int, count: int, jobs: int) -> Iterator[Progress]:
    """Run seeds `first` to `first + count - 1`; yields after each page."""
    pages = [range(s, min(s + _PAGE, first + count)) for s in range(first, first + count, _PAGE)]
    if jobs <= 1:
        for page in pages:
            yield Progress(len(page), _page(page))
        return
    with pool(jobs) as workers:
        running: dict[Future[list[Failure]], range] = {}
        todo = iter(pages)
        while True:
            while len(running) < 2 * jobs and (page := next(todo, None)) is not None:
                running[workers.submit(_page, page)] = page
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                page = running.pop(future)
                yield Progress(len(page), future.result())


def command(seed: int, only: Sequence[Step] | None = None) -> str:
    """What to type to see it again."""
    numbers = f" --only {','.join(str(s.number) for s in only)}" if only is not None else ""
    return f"./dev simulate --seed {seed} --n 1{numbers} --trace"


def main(argv: list[str] | None = None) -> int:
    """`./dev simulate`. Exit code 1 if a seed failed."""
    import argparse

    parser = argparse.ArgumentParser(prog="./dev simulate", description="Simulate the control plane, seed by seed.")
    parser.add_argument("--n", type=int, default=500, help="how many seeds (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="the first one (default 0)")
    parser.add_argument(
        "--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="processes beside each other"
    )
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    parser.add_argument("--only", help="numbers of the steps to keep, as a failure's report says")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    options = parser.parse_args(argv)
    if options.trace or options.only:
        return _replay(options.seed, options.n, options.only, trace=options.trace)
    done, failures, begun, said = 0, list[Failure](), time.monotonic(), 0.0
    for progress in simulate(options.seed, options.n, options.jobs):
        done += progress.done
        failures += progress.failures
        spent = time.monotonic() - begun
        for failure in progress.failures:
            print(f"seed {failure.seed}: {failure.rule}: {failure.text}", flush=True)
        if spent - said > 5:
            said = spent
            print(f"{done} of {options.n} seeds, {done / spent:.1f}/s, {len(failures)} failed", flush=True)
        if failures and not options.keep_going:
            break
    spent = time.monotonic() - begun
    print(f"{done} seeds from {options.seed} on in {spent:.1f} s: {len(failures)} failed", flush=True)
    for failure in failures[:3]:
        _report(failure)
    return 1 if failures else 0


def _report(failure: Failure) -> None:
    simulator = Simulator()
    kept = simulator.reduce(failure)
    print(f"\nseed {failure.seed}: {failure.rule}: {failure.text}")
    print(f"again: {command(failure.seed)}")
    print(f"with the fewest steps found ({len(kept)} of {len(failure.steps)}):")
    for step in kept:
        print(f"  {step}")
    print(command(failure.seed, kept))
    for line in simulator.trace(failure.seed, kept)[-60:]:
        print("  " + line[:400])


def _replay(first: int, count: int, only: str | None, *, trace: bool) -> int:
    simulator, code = Simulator(), 0
    for seed in range(first, first + count):
        plan = steps.plan(seed)
        if only:
            wanted = {int(part) for part in only.split(",")}
            plan = tuple(s for s in plan if s.number in wanted)
        failure = simulator.run(seed, plan, trace=trace)
        if trace and failure is not None:
            print("\n".join(failure.trace))
        elif trace:
            print("\n".join(simulator.trace(seed, plan)))
        if failure is not None:
            print(json.dumps({"seed": seed, "rule": failure.rule, "text": failure.text, "step": failure.step}))
            code = 1
        else:
            print(f"seed {seed}: everything held")
    return code


if __name__ == "__main__":
    sys.exit(main())
