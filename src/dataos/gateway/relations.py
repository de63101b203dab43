"""What a name in a statement may mean, and where its raw rows come from.

A provider answers for some depots: it tells schemas, tables and columns in Trino's types, and how an engine scans a
table. Providers register with the gateway; the gateway knows nothing else of lakehouse or databases. Lens joins
later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dataos.core.addresses import Udl
from dataos.core.errors import Problem
from dataos.governance.principals import Principal


@dataclass(frozen=True)
class Column:
    """A column. `name` is spelled as the source has it; `type` is Trino's type text, or `unknown`."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""


@dataclass(frozen=True)
class IcebergScan:
    """Rows of an Iceberg table at one snapshot. `snapshot_id` None: the table has none, hence no rows."""

    metadata_location: str
    snapshot_id: int | None
    location: str


@dataclass(frozen=True)
class DeltaScan:
    """Rows of the Delta table in a folder, as it is when the engine looks."""

    location: str


@dataclass(frozen=True)
class DatabaseScan:
    """Rows of a table in a mounted database.

    `reading`: columns that are not taken as the engine reads them, with a form of `sources.READINGS`.
    """

    depot: str
    schema: str
    table: str
    reading: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RowsScan:
    """Rows that are known already: a metadata table. `literal` is a list of structs in the engine's text form."""

    literal: str


@dataclass(frozen=True)
class Relation:
    """A dataset as the catalog knows it now: columns that are not here do not exist."""

    catalog: str
    schema: str
    table: str
    columns: tuple[Column, ...]
    scan: IcebergScan | DeltaScan | DatabaseScan | RowsScan

    @property
    def udl(self) -> str:
        """The dataset's address."""
        return str(Udl(self.catalog, self.schema, self.table))

    @property
    def full_name(self) -> str:
        """`catalog.schema.table`, as messages show it."""
        return f"{self.catalog}.{self.schema}.{self.table}"


@dataclass(frozen=True)
class Version:
    """A past state that a statement asks for."""

    snapshot_id: int | None = None
    reference: str | None = None  # a branch or tag
    timestamp_us: int | None = None


class RelationProvider(Protocol):
    """Tables of some depots. Names are matched without regard to letter case; answers keep the source's spelling."""

    async def schemas(self, catalog: str, principal: Principal) -> list[str]: ...

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]: ...

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        """The dataset, or None if there is none of that name. Raises DataOSError if the source does not answer, or
        `query.unsupported` for a version that it cannot show."""
        ...

    def forget(self, catalog: str) -> None:
        """Drop remembered descriptions (a statement failed in a way that stale ones explain)."""
        ...


class Catalogs(Protocol):
    """Which depots a Cluster mounts, and who answers for each."""

    async def providers(self) -> Mapping[str, RelationProvider]:
        """Catalog name (= depot name) -> provider, for every mounted depot that can be queried."""
        ...

    async def why_not(self, catalog: str) -> Problem | None:
        """Why a depot of that name is no catalog, if its type is the reason."""
        ...


@dataclass(frozen=True)
class Decision:
    """What a principal sees of one relation. `columns` None: all. Filters and masks are engine SQL over raw columns.

    Filled by part 4; until then every principal sees everything.
    """

    columns: frozenset[str] | None = None
    filters: tuple[str, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict[str, str])
    policies: tuple[str, ...] = ()

    @property
    def bites(self) -> bool:
        """True if this principal sees less than everything."""
        return self.columns is not None or bool(self.filters) or bool(self.masks)


class Authority(Protocol):
    """The policy decision point, asked once a statement."""

    def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        """One decision a relation, in order."""
        ...


class AllowAll:
    """The authority before policies exist: an authenticated principal sees everything."""

    def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        return [Decision() for _ in relations]
