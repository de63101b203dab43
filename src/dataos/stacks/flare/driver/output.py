"""What a job says: its log, and the result file that the server reads."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from dataos.core.errors import DataOSError, Problem

RESULT_FILE = "result.json"
_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class Log:
    """Plain lines, one event each; tables and plans as they are."""

    def __init__(self, level: str = "INFO", stream: TextIO | None = None) -> None:
        self._from = 1
        self._quiet = False
        self._stream = stream or sys.stdout
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Say less or more from now on."""
        self._from = _LEVELS.index(level) if level in _LEVELS else 1

    def debug(self, text: str) -> None:
        """For whoever looks into this program."""
        self._line("DEBUG", text)

    def info(self, text: str) -> None:
        """What happens."""
        self._line("DEBUG" if self._quiet else "INFO", text)

    def warning(self, text: str) -> None:
        """What the author should know."""
        self._line("WARN", text)

    def error(self, text: str) -> None:
        """Why it failed."""
        self._line("ERROR", text)

    @contextmanager
    def hushed(self, quiet: bool) -> Generator[None]:
        """Let what only happens once more count as DEBUG meanwhile."""
        before, self._quiet = self._quiet, quiet
        try:
            yield
        finally:
            self._quiet = before

    def block(self, text: str) -> None:
        """A table or a plan, without a time on each line."""
        if self._from > 1:
            return
        self._stream.write(text.rstrip("\n") + "\n")
        self._stream.flush()

    def _line(self, level: str, text: str) -> None:
        if _LEVELS.index(level) >= self._from:
            now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            self._stream.write(f"{now} {level:5} {text}\n")
            self._stream.flush()


@dataclass
class Result:
    """The shape of `JobResult` in the workloads room, and how long each part took."""

    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    assertions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    actions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    lineage: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    profile: dict[str, Any] | None = None
    sql: str = ""
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    warnings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    engine: dict[str, str] = field(default_factory=dict[str, str])
    state: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    durations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(self, error: DataOSError) -> None:
        """Keep the problems of a failure."""
        self.problems += [p.to_json() for p in error.problems]

    @contextmanager
    def timed(self, what: str) -> Any:
        """Measure a part of the job in seconds."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.durations.append({"what": what, "seconds": round(time.perf_counter() - started, 3)})

    def write(self, folder: Path) -> None:
        """Leave the result file, whole."""
        draft = folder / (RESULT_FILE + ".new")
        draft.write_text(json.dumps(vars(self), default=str))
        draft.replace(folder / RESULT_FILE)


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """Problems as log lines."""
    lines: list[str] = []
    for problem in problems:
        place = f" [{problem.path}" + (f", line {problem.line}" if problem.line else "") + "]" if problem.path else ""
        lines.append(f"{problem.message}{place}" + (f" ({problem.hint})" if problem.hint else ""))
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], width: int = 40) -> str:
    """An ASCII table."""
    cells = [[_cell(v, width) for v in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(head)]
    rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"

    def line(values: Sequence[str]) -> str:
        return "|" + "|".join(f" {v:<{w}} " for v, w in zip(values, widths, strict=True)) + "|"

    return "\n".join([rule, line(list(head)), rule, *[line(r) for r in cells], rule])


def _cell(value: Any, width: int) -> str:
    text = "NULL" if value is None else str(value).replace("\n", "\\n")
    return text if len(text) <= width else text[: width - 3] + "..."
