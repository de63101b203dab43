"""`./dev leaks`: run the suite, reduce what it finds, print it so that it can be seen again."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from leaks import breaking, doors, endpoints, reducer, run
from leaks.model import SOURCES, show
from leaks.oracles import Failure
from leaks.run import Progress, Runner
from support import postgres


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 if something leaked."""
    parser = argparse.ArgumentParser(prog="./dev leaks", description="Is every answer a function of what may be seen?")
    parser.add_argument(
        "--n", type=int, default=2000, help="how many governed statements at least, in whole worlds (default 2000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first world (default 0)")
    parser.add_argument(
        "--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="processes beside each other"
    )
    parser.add_argument(
        "--sources", default=",".join(available()), help="where tables may lie (default: all that can be had here)"
    )
    parser.add_argument("--only", type=int, help="this statement of the world alone")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    parser.add_argument(
        "--mutants", action="store_true", help="break the enforcer on purpose, in every way that is known"
    )
    parser.add_argument("--mutant", help="in the ways whose name holds this")
    parser.add_argument(
        "--url", help="compare the answers of a server's HTTP API with those of the suite's own gateway"
    )
    parser.add_argument(
        "--stage", action="store_true", help="print the world of --seed for another endpoint: statements, users, rules"
    )
    parser.add_argument(
        "--sql-endpoint",
        help="ask another endpoint, which holds that world, by PostgreSQL's protocol: postgresql://{user}@host/database",
    )
    parser.add_argument("--token", help="file with the token of an operator there")
    options = parser.parse_args(argv)
    options.sources = tuple(s for s in options.sources.split(",") if s)
    if unknown := set(options.sources) - set(SOURCES):
        parser.error(f"--sources names {', '.join(sorted(unknown))}; there are {', '.join(SOURCES)}")
    if options.mutants or options.mutant:
        return breaking.main(options.mutant or "", options.seed, options.jobs, options.sources)
    if options.stage:
        print(endpoints.staged(endpoints.plain(options.seed)))
        return 0
    if options.sql_endpoint:
        return endpoints.main(options.sql_endpoint, options.seed, options.n)
    if options.url:
        return doors.main(options.url, options.token, options.seed, options.n)
    if options.only is not None:
        return _again(options.seed, options.only, options.sources)
    return _many(options)


def available() -> tuple[str, ...]:
    """The sources that can be had on this machine: a PostgreSQL server may be missing."""
    return tuple(s for s in SOURCES if s != "postgresql" or postgres.installed() is not None)


def _many(options: argparse.Namespace) -> int:
    total, worlds, begun, said = Progress(), 0, time.monotonic(), 0.0
    pages = run.run(options.seed, options.n, options.jobs, keep_going=options.keep_going, sources=options.sources)
    for progress in pages:
        total.add(progress)
        worlds += 1
        spent = time.monotonic() - begun
        for failure in progress.failures:
            print(line(failure), flush=True)
        if spent - said > 10:
            said = spent
            print(
                f"{total.governed} of {options.n} governed, {worlds} worlds from {options.seed} on, "
                f"{total.governed / spent:.1f}/s, {len(total.failures)} failed",
                flush=True,
            )
        if total.failures and not options.keep_going:
            break
    spent = time.monotonic() - begun
    judged = ", ".join(f"{name} {count}" for name, count in sorted(total.counts.items()))
    print(
        f"{total.governed} governed statements ({total.done} and what they are compared with) of {worlds} worlds from "
        f"{options.seed} on in {spent:.0f} s: {len(total.failures)} failed"
    )
    print(f"judged: {judged}")
    for failure in total.failures[:3]:
        report(failure, options.sources)
    return 1 if total.failures else 0


def line(failure: Failure) -> str:
    """In one line."""
    return f"world {failure.world.seed}, statement {failure.number}: {failure.oracle}: {failure.text[:400]}"


def again(failure: Failure) -> str:
    """What to type to see it again."""
    return f"./dev leaks --seed {failure.world.seed} --only {failure.number}"


def report(failure: Failure, sources: Sequence[str]) -> None:
    """The smallest case found, as text."""
    runner = Runner(sources)
    try:
        small = reducer.reduce(runner, failure)
    finally:
        runner.close()
    print(
        f"\n{line(failure)}\nagain: {again(failure)}\nas {small.user}: {small.statement.sql}\n{small.oracle}: {small.text}"
    )
    print(show(small.world), flush=True)


def _again(seed: int, only: int, sources: Sequence[str]) -> int:
    runner = Runner(sources)
    try:
        found = runner.run(seed, only + 1, only)
    finally:
        runner.close()
    for failure in found.failures:
        report(failure, sources)
    if not found.failures:
        print(f"world {seed}, statement {only}: everything held")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
