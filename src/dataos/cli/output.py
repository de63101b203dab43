"""What the CLI prints: data on stdout, talk on stderr, nothing decorative off a terminal.

Progress lines follow the reference (ch01 8.1): `INFO[0000] 🛠 apply...` on a terminal,
`time="<RFC3339>" level=info msg="..."` elsewhere.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code

_START = time.monotonic()


class Output:
    """One per run. `icons` off with --no-icons or NO_COLOR; `fmt` is text, json or yaml."""

    def __init__(self, fmt: str = "table", icons: bool = True) -> None:
        self.fmt = fmt
        self._terminal = sys.stderr.isatty()
        self._icons = icons and not os.environ.get("NO_COLOR")

    @property
    def machine(self) -> bool:
        """True if stdout carries data for a program."""
        return self.fmt in ("json", "yaml")

    def talk(self, message: str, icon: str = "", level: str = "INFO") -> None:
        """A progress line."""
        text = f"{icon} {message}" if icon and self._icons else message
        if self._terminal:
            seconds = int(time.monotonic() - _START)
            print(f"{level}[{seconds:04d}] {text}", file=sys.stderr)
        else:
            names = {"INFO": "info", "WARN": "warning", "ERRO": "error"}
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            quoted = json.dumps(text, ensure_ascii=False)
            print(f'time="{now}" level={names.get(level, level.lower())} msg={quoted}', file=sys.stderr)

    def problem(self, problem: Problem, warning: bool = False) -> None:
        """One problem with its place and hint."""
        mark = "WARN" if warning else "⚠️ " if self._icons else "ERRO"
        if problem.code == "manifest.superseded" and self._icons:
            mark = "🚨"
        where = problem.where()
        path = f" ({problem.path})" if problem.path else ""
        print(f"{mark} {where + ': ' if where else ''}{problem.message}{path}", file=sys.stderr)
        if problem.hint:
            print(f"     {problem.hint}", file=sys.stderr)

    def data(self, value: Any) -> None:
        """Data for a program, in the asked format."""
        if self.fmt == "yaml":
            import yaml

            class Dumper(yaml.SafeDumper):
                """Texts of several lines (SQL) stay readable."""

            Dumper.add_representer(
                str,
                lambda dumper, text: dumper.represent_scalar(
                    "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
                ),
            )
            yaml.dump(value, sys.stdout, Dumper, sort_keys=False, allow_unicode=True)
        else:
            json.dump(value, sys.stdout, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
            sys.stdout.write("\n")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table for people: header, rule, left-aligned cells."""
        cells = [["" if c is None else str(c) for c in row] for row in rows]
        widths = [max(_width(h), *(_width(r[i]) for r in cells)) if cells else _width(h) for i, h in enumerate(headers)]
        line = lambda parts: "  " + " | ".join(p + " " * (w - _width(p)) for p, w in zip(parts, widths, strict=True))  # noqa: E731
        print(line([str(h) for h in headers]).rstrip())
        print("  " + "-|-".join("-" * w for w in widths))
        for row in cells:
            print(line(row).rstrip())


def write_csv(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """RFC 4180 on stdout."""
    writer = csv.writer(sys.stdout)
    writer.writerow(headers)
    writer.writerows(rows)


def _width(text: str) -> int:
    """Terminal cells of a text (wide characters count two)."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def exit_for(error: DataOSError) -> ExitCode:
    """The exit code of a failed command."""
    return exit_code(error.problem.code)
