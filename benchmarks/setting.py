"""What all benchmarks share: an installation of their own, timings, memory, and the rows of the table."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.server import Installation  # noqa: E402


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    measured: str
    budget: str
    note: str = ""


@contextmanager
def fresh(start: bool = True, env: dict[str, str] | None = None) -> Generator[Installation]:
    """An installation in a folder of its own. `env`: settings of its server."""
    folder = Path(tempfile.mkdtemp(prefix="dataos-bench-"))
    made = Installation(folder, dict(env or {}))
    try:
        if start:
            made.up()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median(call: Callable[[], object], runs: int, warm: int = 1) -> float:
    """Median seconds over runs, after warm-up."""
    for _ in range(warm):
        call()
    return statistics.median(timed(call) for _ in range(runs))


def memory_mb(pids: list[int]) -> float:
    """Proportional memory of processes (MB): shared pages are counted once."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_s(pid: int) -> float:
    """CPU seconds (user and system) that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
