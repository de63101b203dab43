"""A Flare job in its one canonical form. Made by `spec.read`, used by the planner and the driver; no variants left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataos.core.addresses import Udl
from dataos.manifest.specs import Path
from dataos.stacks.flare import fileformats
from dataos.stacks.flare.actions import Planned
from dataos.stacks.flare.assertions import Assertion
from dataos.stacks.flare.incremental import Increment
from dataos.stacks.flare.profiling import Profile
from dataos.stacks.flare.stepfunctions.model import Call
from dataos.stacks.flare.tagging import ColumnTag
from dataos.stacks.flare.udfs import Udf

FILES = tuple(fileformats.FORMATS)
"""Formats of files."""

FORMATS = (*FILES, "iceberg", "delta", "jdbc", "kafkajson", "kafkaavro", "eventhub", "pulsar")
"""Formats that are built: files of folders and object stores, tables of a Lakehouse, tables of databases, topics."""


@dataclass(frozen=True)
class Input:
    """One view read from outside: what an address names, or the answer of a query.

    `format` None: what the depot's type (or the file's name) implies. `address` None: `query` (Trino dialect) is asked
    of `cluster` (None: the default one).
    """

    name: str
    address: Udl | None
    query: str | None
    cluster: str | None
    format: str | None
    options: Mapping[str, str]
    schema: str | None  # DDL that names and types the columns of files
    increment: Increment | None  # read a window only
    path: Path  # of the list item
    address_path: Path  # of the address or the query
    tables: tuple[str, ...] = ()  # addresses that the query names
    schema_at: Udl | None = None  # of a file that holds the schema, read at each run
    schema_kind: str | None = None  # avro, spark; None: what the text shows
    stream: bool | None = None  # read as a stream; None: as the depot's type implies
    schema_subject: str | None = None  # of kafkaavro: the registry's subject; None: [topic]-value
    schema_id: int | None = None  # of kafkaavro: the registry's schema, in place of the subject's newest

    @property
    def source(self) -> str:
        """What it reads, for messages and reports."""
        if self.address is not None:
            return str(self.address)
        return f"query of {self.name}" if self.query is not None else f"{self.format} {self.name}"


@dataclass(frozen=True)
class Step:
    """One view made by SQL. `sql` is empty for a step that does nothing here (CACHE TABLE and the like)."""

    name: str
    sql: str
    doc: str
    functions: tuple[Call, ...]  # applied to the answer of the SQL, in order
    path: Path  # of the list item; its SQL stands at `sql` below it


@dataclass(frozen=True)
class PartitionField:
    """One level of a partition spec. `transform`: identity, year, month, day, hour or bucket."""

    transform: str
    column: str
    name: str | None
    buckets: int | None
    path: Path


@dataclass(frozen=True)
class SortColumn:
    """One column to order written rows by."""

    name: str
    descending: bool
    path: Path


@dataclass(frozen=True)
class MergeClauses:
    """How rows of a view meet rows of the table, as written; `merging.check` makes statements of them."""

    on: str
    when: str
    path: Path


@dataclass(frozen=True)
class Output:
    """One view written to a Lakehouse table, or as files.

    `format` None: what the depot's type implies. `options` are the writer's of files, keys in lower case; `compression`
    the word of `compressionType`. `branch` of a Lakehouse table; empty: `main`.
    """

    name: str
    address: Udl
    format: str | None
    options: Mapping[str, str]
    compression: str | None
    branch: str
    mode: str  # overwrite | append
    dynamic: bool  # overwrite replaces only partitions that receive rows
    partitions: tuple[PartitionField, ...]
    merge: MergeClauses | None  # instead of append and overwrite
    sort_mode: str | None  # partition | global
    sort: tuple[SortColumn, ...]
    properties: Mapping[str, str]
    assertions: tuple[Assertion, ...]
    title: str
    description: str
    tags: tuple[str, ...]
    column_tags: tuple[ColumnTag, ...]
    path: Path
    address_path: Path
    evolution: str = "strict"  # of a table's columns: strict, add (new ones become columns), ignore (they are left out)


@dataclass(frozen=True)
class Streaming:
    """How a stream runs. `trigger` None: the next batch as soon as there is something new; `interval_s`: of
    ProcessingTime and Continuous; `checkpoint`: what its positions belong to."""

    trigger: str | None
    interval_s: float
    for_each_batch: bool
    checkpoint: str
    path: Path

    @property
    def ends(self) -> bool:
        """Does it end by itself?"""
        return self.trigger in ("AvailableNow", "Once")


@dataclass(frozen=True)
class FlareSpec:
    """One job. Lists keep the order of the manifest; paths are absolute in it."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    assertions: tuple[Assertion, ...]
    actions: tuple[Planned, ...]  # maintenance of tables among the inputs, after the outputs
    explain: bool
    preview_lines: int
    keep_system_columns: bool  # of what is read
    write_system_columns: bool  # `__metadata`, into Lakehouse tables
    log_level: str | None
    cpu: float | None  # of driver and executors together
    memory_bytes: int | None
    root: Path
    views: tuple[str, ...] = field(default=())
    profile: Profile | None = None  # of the first input
    streaming: Streaming | None = None  # it goes on reading
    udfs: tuple[Udf, ...] = ()  # functions of the author's, for the SQL of steps
    program: str | None = None  # Python of the author's in place of steps; it stands at `job.program`
    spark_remote: str | None = None  # `spark.remote` of sparkConf: the Spark Connect server that shall run the job

    @property
    def addresses(self) -> tuple[tuple[Path, Udl], ...]:
        """Every address with its path; `acl` says what it is for."""
        reads = tuple((i.address_path, i.address) for i in self.inputs if i.address is not None)
        reads += tuple(((*i.path, "schemaPath"), i.schema_at) for i in self.inputs if i.schema_at is not None)
        return reads + tuple((o.address_path, o.address) for o in self.outputs)


def relative(path: Path, root: Path) -> Path:
    """`path` below `root` (the path of stackSpec), as results report it."""
    return path[len(root) :] if path[: len(root)] == root else path
