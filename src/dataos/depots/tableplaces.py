"""Where a table in a folder is, how its libraries reach it, and the rows that are to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataos.depots.ports import ObjectStoreConnection, TableWriting, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

TRIES = 8
"""How often a commit is tried that another writer's overtakes."""

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Place:
    """Where a table is, and how its folder is written.

    `create` makes a file below the table's folder unless one of that name is there (False then); `replace` writes one
    anyway. `delta` and `iceberg` are the libraries' own words for the store and its credentials.
    """

    name: str  # for messages
    location: str  # a folder's path, or s3://bucket/key
    create: Callable[[str, bytes], bool] = field(repr=False)
    replace: Callable[[str, bytes], None] = field(repr=False)
    delta: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    iceberg: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class Writing:
    """Rows of Parquet files (all of one schema) that are to come into a table, and how.

    `fence` is called right before the commit: it raises if the right to write is lost.
    """

    place: Place
    files: Sequence[Path]
    mode: WriteMode
    mark: str
    table: TableWriting
    fence: Callable[[], None]

    def rows(self) -> pa.RecordBatchReader:
        """All of them, from the first one on, piece by piece."""
        return _rows(self.files)


def delta_options(store: ObjectStoreConnection) -> dict[str, str]:
    """delta-rs's words for a store. Commits are conditional writes."""
    options = {
        "aws_region": store.region or "us-east-1",
        "aws_access_key_id": store.credentials.get("access_key_id", ""),
        "aws_secret_access_key": store.credentials.get("secret_access_key", ""),
        "aws_session_token": store.credentials.get("session_token", ""),
        "aws_endpoint_url": store.endpoint or "",
        "aws_allow_http": str((store.endpoint or "").startswith("http://")).lower(),
        "aws_virtual_hosted_style_request": str(not store.path_style).lower(),
        "aws_skip_signature": str(not store.credentials).lower(),
        "aws_conditional_put": "etag",
    }
    return {key: value for key, value in options.items() if value}


def iceberg_options(store: ObjectStoreConnection) -> dict[str, str]:
    """PyIceberg's words for a store."""
    options = {
        "s3.region": store.region or "us-east-1",
        "s3.access-key-id": store.credentials.get("access_key_id", ""),
        "s3.secret-access-key": store.credentials.get("secret_access_key", ""),
        "s3.session-token": store.credentials.get("session_token", ""),
        "s3.endpoint": store.endpoint or "",
        "s3.force-virtual-addressing": str(not store.path_style).lower(),
        "s3.anonymous": str(not store.credentials).lower(),
    }
    return {key: value for key, value in options.items() if value}


def _rows(files: Sequence[Path]) -> pa.RecordBatchReader:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _plain(pq.read_schema(files[0]))

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with pq.ParquetFile(file) as opened:
                for batch in opened.iter_batches(_BATCH_ROWS):
                    if batch.num_rows:
                        yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _plain(schema: pa.Schema) -> pa.Schema:
    """Times in microseconds and no engine's remarks: what both formats hold."""
    import pyarrow as pa

    def plain(kind: pa.DataType) -> pa.DataType:
        return pa.timestamp("us", tz=kind.tz and "UTC") if pa.types.is_timestamp(kind) else kind

    return pa.schema([pa.field(f.name, plain(f.type), f.nullable) for f in schema])
