"""What is known of a table whose rows are written, and what a statement does to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dataos.depots.ports import ColumnDescription

Action = Literal["delete", "update", "insert"]
CTID, ROWID = "ctid", "rowid"


@dataclass(frozen=True)
class Identity:
    """How the rows of a table are told apart: by the columns of a key that has no NULL, or by what the database itself
    calls a row (`own`: `ctid`, `rowid`)."""

    columns: tuple[str, ...] = ()
    own: str = ""

    @property
    def width(self) -> int:
        """How many values name a row."""
        return 1 if self.own else len(self.columns)


@dataclass(frozen=True)
class TableFacts:
    """A table as a transaction found it.

    `identity` None: its rows cannot be told apart. `telling`: it has unique or foreign keys or triggers, whose errors
    tell of rows that are there.
    """

    schema: str
    table: str
    columns: tuple[ColumnDescription, ...]
    identity: Identity | None
    telling: bool


@dataclass(frozen=True)
class Clause:
    """One thing that a statement does to some rows: `columns` get values, in this order; none for a delete."""

    action: Action
    columns: tuple[str, ...] = ()


def best_key(keys: Sequence[Sequence[str]], columns: Sequence[ColumnDescription]) -> tuple[str, ...] | None:
    """The first of the keys all of whose columns can be read and have no NULL."""
    usable = {c.name for c in columns if not c.nullable}
    return next((tuple(key) for key in keys if key and usable.issuperset(key)), None)
