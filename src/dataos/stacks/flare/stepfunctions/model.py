"""What a step function is: a name with parameters, and how it becomes a SELECT over the frame it works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.manifest.specs import Path
from dataos.stacks.flare.quoting import quoted

Kind = Literal["text", "texts", "pairs", "whole"]
"""What a parameter holds: a text, a list of texts (or a lone one), a map of texts, a whole number."""

Ask = Callable[[str], list[Any]]
"""Runs a query of one column and answers its values: for functions whose columns depend on the data."""


@dataclass(frozen=True)
class Parameter:
    """One parameter. `names`: its spellings, the documented one first. `words`: the values that are allowed."""

    names: tuple[str, ...]
    kind: Kind = "text"
    required: bool = True
    words: Mapping[str, str] | None = None  # spelling in lower case -> canonical value

    @property
    def name(self) -> str:
        """Its documented spelling."""
        return self.names[0]


@dataclass(frozen=True)
class Call:
    """One entry of `functions`, read: arguments by the parameters' documented names."""

    name: str
    arguments: Mapping[str, Any]
    path: Path

    def text(self, parameter: str) -> str:
        """A text that must be there."""
        return str(self.arguments[parameter])

    def texts(self, parameter: str) -> tuple[str, ...]:
        """A list of texts; empty if it was left out."""
        return tuple(self.arguments.get(parameter) or ())

    def pairs(self, parameter: str) -> dict[str, str]:
        """A map of texts."""
        return dict(self.arguments.get(parameter) or {})


@dataclass(frozen=True)
class Frame:
    """What a function works on: a view, and its columns in order with their types as Spark SQL writes them."""

    view: str
    columns: Mapping[str, str]

    def find(self, wanted: str) -> str:
        """The column as it is spelt. Raises DataOSError `flare.unknown_column` with near names."""
        known = self.get(wanted)
        if known is None:
            raise unknown_column(wanted, list(self.columns))
        return known

    def get(self, wanted: str) -> str | None:
        """The column as it is spelt, or None."""
        folded = wanted.strip().strip("`").lower()
        return next((c for c in self.columns if c.lower() == folded), None)

    def is_text(self, column: str) -> bool:
        """Does the column hold texts?"""
        return self.columns[column].startswith(("string", "varchar", "char"))

    def text(self, column: str) -> str:
        """The column's value as a text."""
        return quoted(column) if self.is_text(column) else f"CAST({quoted(column)} AS STRING)"

    def select(self, changed: Mapping[str, str], added: Sequence[tuple[str, str]] = ()) -> str:
        """A SELECT of all columns, some with another expression, and of more columns: (name, expression).

        A column that is added under a name that is taken replaces the one that has it.
        """
        replaced = {c.lower(): e for c, e in changed.items()}
        fresh: list[tuple[str, str]] = []
        for name, expression in added:
            if self.get(name) is not None:
                replaced[name.lower()] = expression
            else:
                fresh.append((name, expression))
        chosen = [f"{replaced[c.lower()]} AS {quoted(c)}" if c.lower() in replaced else quoted(c) for c in self.columns]
        chosen += [f"{expression} AS {quoted(name)}" for name, expression in fresh]
        return f"SELECT {', '.join(chosen)} FROM {quoted(self.view)}"

    def rename(self, new: Mapping[str, str]) -> str:
        """A SELECT of all columns under other names. Raises DataOSError `flare.function` where two would be equal."""
        chosen = [(c, new.get(c, c)) for c in self.columns]
        folded = [n.lower() for _, n in chosen]
        twice = sorted({n for _, n in chosen if folded.count(n.lower()) > 1})
        if twice:
            made = ", ".join(f"`{c}`" for c, n in chosen if n.lower() == twice[0].lower())
            raise fail(
                "flare.function",
                f"{made} would all be named `{twice[0]}`",
                hint="rename or drop one of them first",
            )
        empty = next((c for c, n in chosen if not n), None)
        if empty is not None:
            raise fail("flare.function", f"`{empty}` would have no name left", hint="rename it first")
        text = ", ".join(quoted(c) if c == n else f"{quoted(c)} AS {quoted(n)}" for c, n in chosen)
        return f"SELECT {text} FROM {quoted(self.view)}"


Render = Callable[[Call, Frame, Ask], str]
"""The SELECT of a call over a frame. Raises DataOSError `flare.function`, `flare.unknown_column`."""


@dataclass(frozen=True)
class Function:
    """One step function."""

    render: Render
    parameters: tuple[Parameter, ...] = field(default=())


def text(*spellings: str, required: bool = True, words: Mapping[str, str] | None = None) -> Parameter:
    """A parameter that holds a text."""
    return Parameter(spellings, "text", required, words)


def texts(*spellings: str, required: bool = True) -> Parameter:
    """A parameter that holds a list of texts."""
    return Parameter(spellings, "texts", required)


def pairs(*spellings: str) -> Parameter:
    """A parameter that holds a map of texts."""
    return Parameter(spellings, "pairs")


def whole(*spellings: str) -> Parameter:
    """A parameter that holds a whole number."""
    return Parameter(spellings, "whole")


def unknown_column(wanted: str, known: Sequence[str]) -> DataOSError:
    """The error for a column that a frame does not have."""
    return fail("flare.unknown_column", f"there is no column `{wanted}`", hint=names.did_you_mean(wanted, known))
