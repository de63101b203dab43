"""Through whose eyes the catalog is seen, and the values that pass between its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataos.core.ids import AttemptId


@dataclass(frozen=True)
class Published:
    """What everybody sees."""


@dataclass(frozen=True)
class AttemptView:
    """What one job attempt sees: its own held commits over the published tables. Its commits are held."""

    attempt_id: AttemptId


View = Published | AttemptView

PUBLISHED = Published()


@dataclass(frozen=True, order=True)
class TableRef:
    """A table's name. `namespace` is the text form of `dataos.lakehouse.namespaces`."""

    warehouse: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.warehouse}.{self.namespace}.{self.name}"


@dataclass(frozen=True)
class Pointer:
    """Where a table stands: its identity, its folder, its current metadata file."""

    uuid: str
    location: str
    metadata_location: str


@dataclass(frozen=True)
class Change:
    """One name's move from `base` (what the view showed; None: nothing) to `new` (None: nothing any more).

    `grew` is False where the table behind `new` is not the one behind `base` (created, registered, renamed):
    then `origin` is the published metadata that `new` stands on, or None for a table made from nothing. `renamed`: the
    files behind `base` live on under another name.
    """

    ref: TableRef
    base: str | None
    new: Pointer | None
    appends_only: bool = False
    purge: bool = False
    grew: bool = True
    origin: str | None = None
    renamed: bool = False


@dataclass(frozen=True)
class CommitRequest:
    """What a client asks of one table: plain JSON of the REST protocol's requirements and updates."""

    ref: TableRef
    requirements: tuple[Mapping[str, Any], ...]
    updates: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class CreateRequest:
    """A table to make: plain JSON of the REST protocol. `location` None lets the catalog choose."""

    ref: TableRef
    schema: Mapping[str, Any]
    partition_spec: Mapping[str, Any] | None = None
    write_order: Mapping[str, Any] | None = None
    location: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Loaded:
    """A table's metadata as JSON text. `metadata_location` is None for a staged table, which has no file yet."""

    metadata_location: str | None
    metadata: bytes


@dataclass(frozen=True)
class PublishedTable:
    """One table that a publish changed; `metadata_location` is None if it was dropped."""

    ref: TableRef
    metadata_location: str | None

    def __str__(self) -> str:
        return f"dataos://{self.ref.warehouse}:{self.ref.namespace}/{self.ref.name}"
