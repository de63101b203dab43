"""What a depot type offers, and what it is given.

An adapter is stateless: each call gets the depot's entry and the credentials for the purpose at hand. It knows neither
the store nor the vault; the resolver (`dataos.depots.resolver`) hands both over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots.blocking import BlockingCalls

Acl = Literal["r", "rw"]


@dataclass(frozen=True)
class DepotEntry:
    """What the Depot controller registered. `location` is the JSON form of the type's model; it holds no credentials.

    `secrets` maps a purpose (`r`, `rw`) to vault ids, in the order of the manifest.
    """

    name: str
    uid: str
    type: str
    location: Mapping[str, Any]
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    generation: int = 1

    @property
    def read_only(self) -> bool:
        """True if the depot needs credentials and was given none for writing."""
        return bool(self.secrets.get("r")) and not self.secrets.get("rw")


@dataclass(frozen=True)
class ColumnDescription:
    """One column of a dataset. `native_type` is the source's own type text."""

    name: str
    native_type: str
    nullable: bool


class LakehouseListing(Protocol):
    """What the ICEBERG type needs of the lakehouse room, which stands one floor higher."""

    async def list_namespaces(self, warehouse: str) -> list[str]: ...

    async def list_tables(self, warehouse: str, namespace: str) -> list[str]: ...

    async def describe(self, warehouse: str, namespace: str, table: str) -> list[ColumnDescription]: ...

    async def location(self, warehouse: str, namespace: str | None, table: str | None) -> str: ...


@dataclass(frozen=True)
class AdapterContext:
    """What adapters may use. `allowed_paths` are absolute folders under which FILE depots must lie."""

    allowed_paths: tuple[Path, ...]
    connect_timeout_s: float
    lakehouse: LakehouseListing | None = None
    calls: BlockingCalls = field(default_factory=BlockingCalls)


class Adapter(Protocol):
    """One depot type. Listing methods return names in order; `describe` returns columns in the dataset's order.

    All may raise DataOSError `depot.unreachable`, `depot.timeout`, `depot.credentials`, `depot.no_such_database`,
    `depot.path` (missing or not allowed), `depot.dataset_not_found`, `depot.driver`, `depot.unsupported`.
    """

    def __init__(self, context: AdapterContext) -> None: ...

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        """Connect once and do the cheapest thing that proves it works."""
        ...

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]: ...

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]: ...

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]: ...

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        """The physical place, for messages and projections; never with credentials."""
        ...


class FileDepot(Protocol):
    """The ability of depots that hold plain files."""

    async def files(self, entry: DepotEntry, udl: Udl) -> list[str]:
        """The regular files that an address names: a file, a folder (its files, deep), or a glob. Whole paths, sorted;
        there may be hundreds of thousands."""
        ...

    async def file(self, entry: DepotEntry, udl: Udl, path: str) -> Path:
        """One of `files`, by its whole path. Raises DataOSError `depot.path` for a path that is none of them."""
        ...

    async def folder(self, entry: DepotEntry, udl: Udl) -> Path:
        """The folder below which everything is, and will be, that the address names: the nearest one that is there."""
        ...


@dataclass(frozen=True)
class Offsets:
    """Where one partition of a topic stands. `at`: the first message of a wanted moment or later, if one was given."""

    first: int
    """Of the oldest message that is kept."""
    next: int
    """Of the message that will come next."""
    at: int | None = None


@runtime_checkable
class MessageDepot(Protocol):
    """The ability of depots whose datasets are logs of messages, each partition numbered without end."""

    async def offsets(
        self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl, at_us: int | None = None
    ) -> dict[int, Offsets]:
        """Where each partition of a topic stands now. Raises DataOSError `depot.dataset_not_found`, and as `check`."""
        ...

    def messages(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        ranges: Mapping[int, tuple[int, int]],
        headers: bool,
    ) -> AsyncGenerator[bytes]:
        """Messages of some partitions, from the first offset to before the second, as an Arrow IPC stream: key, value,
        topic, partition, offset, timestamp, timestampType, and headers if wanted.

        Raises DataOSError `depot.messages_gone` where they are not kept any more, and as `check`."""
        ...


@dataclass(frozen=True)
class Ledgers:
    """What is kept of one partition whose messages lie in ledgers, which are closed and removed whole.

    `ledgers`: (id, entries, bytes), in order; of the open one what it holds by now. `last`: (ledger, entry) of the last
    entry that may be read; None: there is none."""

    ledgers: tuple[tuple[int, int, int], ...]
    last: tuple[int, int] | None


@runtime_checkable
class LedgerDepot(Protocol):
    """The ability of depots whose datasets are logs of messages that are known by ledger and entry (Pulsar)."""

    async def ledgers(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl) -> dict[int, Ledgers]:
        """What each partition of a topic keeps now; -1 is that of a topic without partitions.

        Raises DataOSError `depot.dataset_not_found`, and as `check`."""
        ...

    def entries(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        spans: Mapping[int, tuple[str, str]],
    ) -> AsyncGenerator[bytes]:
        """Messages of some partitions, after the first id (`ledger:entry` or `ledger:entry:batch`) up to the second, as
        an Arrow IPC stream: value, __key, __topic, __messageId, __publishTime, __eventTime, __messageProperties,
        __producer_name, __schemaVersion.

        Raises as `ledgers`."""
        ...


@dataclass(frozen=True)
class MessageSchema:
    """A schema of a registry. `type`: AVRO, PROTOBUF, JSON; `references`: (name, subject, version) that it names."""

    id: int
    type: str
    schema: str
    references: tuple[tuple[str, str, int], ...] = ()


@runtime_checkable
class RegistryDepot(Protocol):
    """The ability of depots whose messages are written with schemas of a registry.

    Raises DataOSError `depot.no_registry`, `depot.schema_not_found`, `depot.schema_refused`, and as `check`."""

    async def schema_of(
        self, entry: DepotEntry, credentials: Mapping[str, str], number: int | None, subject: str, version: str
    ) -> MessageSchema:
        """The schema of an id, or (None) a version of a subject, which may be `latest`."""
        ...

    async def register_schema(
        self, entry: DepotEntry, credentials: Mapping[str, str], subject: str, schema: str
    ) -> int:
        """The id of an Avro schema under a subject, made where it is new."""
        ...

    def topic_of(self, udl: Udl, subject: str) -> Udl | None:
        """The topic whose messages a subject describes, `udl` if it is that one; None: the subject names none."""
        ...

    async def topics_of_schema(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        udl: Udl,
        number: int | None,
        subject: str,
        version: str,
    ) -> list[Udl]:
        """The topics whose messages a schema describes, by the names of its subjects; `udl` too where a schema of its
        messages refers to this version."""
        ...


WriteMode = Literal["overwrite", "append"]
Fence = Callable[[], Awaitable[None]]
"""Raises if the caller has lost the right to do this: awaited right before anything shows."""


TableFormat = Literal["iceberg", "delta"]
"""How tables lie in folders."""


@dataclass(frozen=True)
class TablePartition:
    """One level of a table's partitions. `transform`: identity, year, month, day, hour, or bucket (of `buckets`)."""

    column: str
    transform: str = "identity"
    name: str = ""
    buckets: int | None = None


@dataclass(frozen=True)
class TableWriting:
    """That rows are written as a table, and what a table is like that is made for them."""

    format: TableFormat
    partitions: tuple[TablePartition, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Delivery:
    """Files that a job left in a folder, to be put where an address says, all together.

    `mark` names the delivery for good: doing it again, or doing another one of the same mark, changes nothing beside
    what the last one brought; of an append to a table, what the first one brought. File names hold it (`marked`).
    `table`: the rows of the files (Parquet) go into a table of that format.
    """

    folder: Path
    udl: Udl
    mode: WriteMode
    mark: str
    table: TableWriting | None = None


@runtime_checkable
class TakesFiles(Protocol):
    """The ability of depots that files can be delivered to: folders and object stores."""

    async def deliver(
        self, entry: DepotEntry, credentials: Mapping[str, str], delivery: Delivery, fence: Fence
    ) -> None:
        """Put the files below the folder of the address, in place of all that is there (overwrite) or beside it.

        Raises DataOSError `depot.path` (the place cannot be a folder, no room), `depot.credentials`,
        `depot.unreachable`, `depot.timeout`, and what `fence` raises.
        """
        ...


@dataclass(frozen=True)
class StoredObject:
    """One object of a store. `location` is its address in the store (`s3://bucket/key`), as engines take it;
    `key` is the whole key in the bucket, the depot's prefix included; `path` lies below that."""

    location: str
    key: str
    path: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class ObjectStoreConnection:
    """How to reach one bucket or container, for one purpose. Credentials never show in repr.

    `credentials` by kind: s3 `access_key_id`, `secret_access_key` (and `session_token`); azure `account_key`; gcs
    `service_account` (the JSON text of a key). Empty: none, requests are not signed.
    """

    kind: Literal["s3", "gcs", "azure"]
    bucket: str
    """Bucket, or container."""
    prefix: str = ""
    """Folder of the depot in it: without slashes at its ends, empty for the whole bucket."""
    scheme: str = "s3"
    """Of locations: s3, gs, abfss, wasbs."""
    region: str | None = None
    """None: none was said (S3: us-east-1)."""
    endpoint: str | None = None
    """Address with scheme of a store outside of the vendor's cloud, or None."""
    path_style: bool = False
    """S3: the bucket stands in the path instead of the host name."""
    account: str | None = None
    """Azure: the storage account."""
    host: str | None = None
    """Azure: `[account].[endpointSuffix]`, as locations name it."""
    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    ca_pem: str | None = field(default=None, repr=False)
    """Certificates (PEM) to trust besides the system's."""

    def location(self, key: str = "") -> str:
        """Address of a key: `s3://bucket/key`, `abfss://container@host/key`."""
        authority = self.bucket if self.host is None else f"{self.bucket}@{self.host}"
        return f"{self.scheme}://{authority}" + (f"/{key}" if key else "")


@runtime_checkable
class ObjectStoreDepot(Protocol):
    """The ability of depots that hold objects: S3, GCS, ABFSS, WASBS. What FileDepot is for folders."""

    def object_store(self, entry: DepotEntry, credentials: Mapping[str, str]) -> ObjectStoreConnection:
        """How engines reach the store. Raises DataOSError `depot.credentials`."""
        ...

    async def objects(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl) -> list[StoredObject]:
        """The objects that an address names: one object, a folder (all below it), or a glob (`*`, `?`, `[..]` within
        one part, `**` across). Sorted by key. Hidden names (`.x`, `_x`) and empty folder marks are left out.

        Raises DataOSError `depot.path` if nothing is there, naming the physical place.
        """
        ...

    def content(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl, path: str) -> AsyncGenerator[bytes]:
        """The content of one of the objects that the address names, by its path below the depot's root, as it is at
        the first request. Raises DataOSError `depot.path` for a path that the address does not name."""
        ...


@dataclass(frozen=True)
class TableSnapshot:
    """A state that an Iceberg table had. `current`: it was once the newest one (others were only on a branch)."""

    id: int
    made_at_us: int
    current: bool
    columns: tuple[ColumnDescription, ...]


@dataclass(frozen=True)
class StoredTable:
    """A table in a folder, as it is now. `location` is its folder, `metadata` its current metadata file (Iceberg)."""

    format: TableFormat
    location: str
    columns: tuple[ColumnDescription, ...]
    metadata: str = ""
    snapshot_id: int | None = None
    snapshots: tuple[TableSnapshot, ...] = ()
    references: Mapping[str, int] = field(default_factory=dict[str, int])
    """Branch or tag -> snapshot."""


@runtime_checkable
class HoldsTables(Protocol):
    """The ability of depots whose folders are tables (`format: ICEBERG` or `DELTA`)."""

    async def table(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> StoredTable:
        """Raises DataOSError `depot.dataset_not_found`, `depot.unsupported` (its metadata cannot be read)."""
        ...


EngineKind = Literal["postgresql", "mysql", "sqlite", "duckdb"]
"""What the embedded SQL engine can attach."""


@runtime_checkable
class Attachable(Protocol):
    """The ability of depots that the embedded SQL engine can attach."""

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """What it is to the engine; None if this depot (a JDBC subprotocol) cannot be attached."""
        ...

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection: ...


@dataclass(frozen=True)
class DatabaseConnection:
    """How to reach a database. `options` are driver parameters such as sslmode. The password never shows in repr.

    Of sqlite and duckdb only `path` is filled: the file, links followed. An empty `database` (mysql): all of them.
    """

    kind: EngineKind
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    path: str = ""


def required(udl: Udl) -> tuple[str, str]:
    """Collection and dataset of an address that must name a dataset. Raises DataOSError `manifest.address`."""
    if not udl.collection or not udl.dataset:
        raise fail(
            "manifest.address",
            f"Invalid dataset found: {udl}",
            hint="name a dataset: dataos://[depot]:[collection]/[dataset]",
        )
    return udl.collection, udl.dataset
