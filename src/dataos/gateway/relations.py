"""What a name in a statement may mean, and where its raw rows come from.

A provider answers for some depots: it tells schemas, tables and columns in Trino's types, and how an engine scans a
table. Providers register with the gateway; the gateway knows nothing else of lakehouse or databases. Lens joins
later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dataos.core.addresses import Udl
from dataos.core.errors import Problem
from dataos.depots.rowwriting.facts import Identity
from dataos.gateway import types
from dataos.governance import masking
from dataos.governance.exposure import AppliedFilter, AppliedMask, ColumnPath, DatasetName
from dataos.governance.principals import Principal

EVERYTHING = masking.Shape(frozenset(), lambda _: None)
"""All columns, nothing masked."""


@dataclass(frozen=True)
class Column:
    """A column. `name` is spelled as the source has it; `type` is Trino's type text, or `unknown`."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""


FILE, POSITION = "__dt_file", "__dt_pos"
"""Columns of the table that a statement changes, besides its own. No user can name them."""


@dataclass(frozen=True)
class IcebergScan:
    """Rows of an Iceberg table at one snapshot. `snapshot_id` None: the table has none, hence no rows. `past`: it
    was asked for, and is read with the columns of its time. `positions`: each row comes with its file and its place in
    that, as columns FILE and POSITION."""

    metadata_location: str
    snapshot_id: int | None
    location: str
    past: bool = False
    positions: bool = False


@dataclass(frozen=True)
class DeltaScan:
    """Rows of the Delta table in a folder, as it is when the engine looks."""

    location: str


@dataclass(frozen=True)
class DatabaseScan:
    """Rows of a table in a mounted database.

    `reading`: columns that are not taken as the engine reads them, with a form of `sources.READINGS`. `identity`: each
    row comes with what names it, as a JSON array of texts in column FILE (POSITION says nothing).
    """

    depot: str
    schema: str
    table: str
    reading: tuple[tuple[str, str], ...] = ()
    identity: Identity | None = None


@dataclass(frozen=True)
class ViewScan:
    """A view: a query that is put in its place, so that nothing ever scans it. `catalog` and `schema` are where its own
    names are looked for; `definer` lends the right to select, None: nobody does. `dialect` other than Trino's is not
    read."""

    text: str
    catalog: str | None
    schema: str | None
    definer: str | None = None
    dialect: str = "trino"
    comment: str | None = None
    security: str = "invoker"


@dataclass(frozen=True)
class RowsScan:
    """Rows that are known already: a metadata table. `literal` is a list of structs as JSON;
    `tells_of` are the columns of the table that it tells of. `of_all`: a system table, whose rows were chosen for this
    principal already, so that nothing more is decided about it."""

    literal: str
    tells_of: tuple[Column, ...] = ()
    of_all: bool = False


@dataclass(frozen=True)
class Relation:
    """A dataset as the catalog knows it now: columns that are not here do not exist."""

    catalog: str
    schema: str
    table: str
    columns: tuple[Column, ...]
    scan: IcebergScan | DeltaScan | DatabaseScan | RowsScan | ViewScan
    dataset: str | None = None
    """The dataset that policies know, where the table's name says more (`orders@audit`, `orders$files`)."""
    past: tuple[tuple[ColumnPath, tuple[ColumnPath, ...]], ...] = ()
    """Other names that columns, or parts of them, have or had: what policies say of those holds too."""

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


@runtime_checkable
class OfAll(Protocol):
    """A relation provider whose tables everybody may know of: their rows are chosen for each principal."""

    of_all: bool


@runtime_checkable
class HasViews(Protocol):
    """A relation provider that keeps views."""

    async def view(self, catalog: str, schema: str, table: str, principal: Principal) -> Relation | None:
        """The view of that name (its scan is a ViewScan), or None. A table of the name goes first."""
        ...

    async def views(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        """The names of a schema's views; `tables` holds them too."""
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
    """What a principal sees of one relation: whether any of it, which columns and parts, which values and rows.

    `policies`: the access rules that decided; `applied` fills with the masks as the relation is written.
    """

    allowed: bool = True
    shape: masking.Shape = EVERYTHING
    filters: tuple[AppliedFilter, ...] = ()
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    policies: tuple[str, ...] = ()
    applied: dict[ColumnPath, AppliedMask] = field(default_factory=dict[ColumnPath, AppliedMask])

    def masked(self, relation: Relation) -> frozenset[str]:
        """Columns in which anything is masked, in lower case."""
        return frozenset(
            column.name.lower()
            for column in relation.columns
            for path in masking.parts(types.shared(column.type), (column.name.lower(),))
            if self.shape.masks(path) is not None
        )

    def bites(self, relation: Relation) -> bool:
        """Does this principal see less than everything of the relation?"""
        if not self.allowed or self.filters or self.shape.denied:
            return True
        return bool(self.masked(relation))


@dataclass(frozen=True)
class WriteDecision:
    """May a principal do one thing to a relation or a name? `bites`: filters, masks or denied columns are in effect for
    this principal on the target. `missing`: the predicate that would be needed."""

    allowed: bool = True
    bites: bool = False
    policies: tuple[str, ...] = ()
    missing: str = ""


class Authority(Protocol):
    """The policy decision point, asked once a statement."""

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        """One decision a relation, in order. Raises DataOSError `policy.*`."""
        ...

    async def lend(self, principal: Principal, definer: str, relations: Sequence[Relation]) -> list[Decision]:
        """As `decide`, of what a definer's view reads: the definer lends the right to select, filters and masks are
        those of the principal, and what is denied to the principal by name stays denied."""
        ...

    async def may_read(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        """May the principal know of these datasets?"""
        ...

    async def check_cluster(self, principal: Principal, cluster: str) -> None:
        """Raises DataOSError `query.forbidden` if the principal may not run statements there."""
        ...

    async def decide_write(self, principal: Principal, target: Relation | str, action: str) -> WriteDecision:
        """`target`: a relation, or the full name of what is not there yet (catalog.schema[.table]). `action`: create,
        insert, update, delete, merge, truncate, alter, drop, rename, comment, procedure, analyze, create_schema,
        alter_schema, drop_schema, create_view, alter_view, drop_view."""
        ...
