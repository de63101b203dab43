"""What all writers ask of the views that they write, and what they tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError, Problem
from dataos.manifest.specs import Path, render
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.model import Output, relative
from dataos.stacks.flare.quoting import quoted


@dataclass(frozen=True)
class Written:
    """What one output did."""

    rows: int | None
    operation: str
    columns: list[dict[str, str]]
    created: bool


class Views:
    """Views of one engine, of a job whose stackSpec stands at `root`."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self._engine = engine
        self._root = root

    def columns(self, output: Output) -> list[tuple[str, Any]]:
        """Names and Spark types of the view's columns. Raises DataOSError where two have one name."""
        schema = self._engine.sql(f"SELECT * FROM {quoted(output.name)}").schema
        columns = [(f.name, f.dataType) for f in schema.fields]
        folded = [c.lower() for c, _ in columns]
        twice = sorted({c for c, _ in columns if folded.count(c.lower()) > 1})
        if twice:
            raise self.fault(
                output,
                "flare.types",
                f"`{output.name}` has several columns named {', '.join(twice)}",
                "give each a name of its own with AS",
            )
        return columns

    def find(self, wanted: str, columns: Sequence[tuple[str, Any]], path: Path, what: str) -> str:
        """A column as it is spelt. Raises DataOSError `flare.unknown_column` with near names."""
        found = next((c for c, _ in columns if c.lower() == wanted.strip("`").lower()), None)
        if found is None:
            raise self.problem(
                "flare.unknown_column",
                f"the {what} `{wanted}` does not exist",
                path,
                names.did_you_mean(wanted, [c for c, _ in columns]),
            )
        return found

    def fault(self, output: Output, code: str, message: str, hint: str) -> DataOSError:
        """What is wrong with an output, at its place in the manifest."""
        return self.problem(code, message, output.path, hint)

    def problem(self, code: str, message: str, path: Path, hint: str) -> DataOSError:
        """What is wrong at a place in the manifest."""
        return DataOSError(Problem(code, message, hint=hint, path=render(relative(path, self._root)) or None))
