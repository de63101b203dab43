"""Warehouses whose files lie in buckets: which one keeps a location, and the files there.

What opens a bucket is asked of the depots room again after some seconds, so that new keys hold without a restart. The
calls block; they are made in worker threads.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO, cast

import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail
from dataos.depots.buckets import Bucket
from dataos.depots.ports import ObjectStoreConnection
from dataos.lakehouse import rows
from dataos.lakehouse.files import SCHEME, contains
from dataos.store.database import Store

Connect = Callable[[sa.Connection, str], ObjectStoreConnection | None]
"""How to reach the bucket of a warehouse, by its name; None if a folder holds its files. Raises DataOSError `depot.*`,
`secret.*`."""

_LEAST_S = 1.0  # between two looks for locations that nobody keeps


@dataclass(frozen=True)
class Kept:
    """A warehouse in a bucket. `root` is its location."""

    warehouse: str
    root: str
    bucket: Bucket

    def key(self, location: str) -> str:
        """The object's key."""
        return location[len(SCHEME) :].partition("/")[2]


class Buckets:
    """All warehouses that lie in buckets."""

    def __init__(self, store: Store, connect: Connect, timeout_s: float, known_s: float = 10.0) -> None:
        """`known_s`: seconds for which it is not asked again how a bucket is opened."""
        self._store = store
        self._connect = connect
        self._timeout_s = timeout_s
        self._known_s = known_s
        self._lock = Lock()
        self._known: dict[str, Kept | DataOSError] = {}
        self._roots: dict[str, str] = {}
        self._until = 0.0

    def find(self, location: str) -> Kept:
        """The warehouse that keeps a location.

        Raises DataOSError `iceberg.not_found.warehouse` if none does, `depot.*` or `secret.*` if its bucket cannot be
        opened.
        """
        found = self._at(location, fresh=False) or self._at(location, fresh=True)
        if found is None:
            raise fail(
                "iceberg.not_found.warehouse",
                f"no Lakehouse keeps its tables at {location}",
                hint="a Lakehouse with this bucket, and relativePath if the place has one, makes it known",
            )
        if isinstance(found, DataOSError):
            raise found
        return found

    def of_bucket(self, bucket: str) -> list[str]:
        """Roots of the warehouses in a bucket."""
        self._refresh(fresh=False)
        return sorted(root for root in self._roots.values() if contains(f"{SCHEME}{bucket}", root))

    def _at(self, location: str, *, fresh: bool) -> Kept | DataOSError | None:
        self._refresh(fresh=fresh)
        with self._lock:
            name = next((name for name, root in self._roots.items() if contains(root, location)), None)
            return self._known.get(name) if name is not None else None

    def _refresh(self, *, fresh: bool) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._until and not (fresh and now > self._until - self._known_s + _LEAST_S):
                return
            self._roots, self._known = self._store.read_sync(self._look)
            self._until = now + self._known_s

    def _look(self, connection: sa.Connection) -> tuple[dict[str, str], dict[str, Kept | DataOSError]]:
        roots = rows.bucket_warehouses(connection)
        return roots, {name: self._open(connection, name, root) for name, root in roots.items()}

    def _open(self, connection: sa.Connection, name: str, root: str) -> Kept | DataOSError:
        try:
            reached = self._connect(connection, name)
            if reached is None:
                return fail("depot.not_found", f"depot '{name}' names no bucket, and its tables lie at {root}")
            before = self._known.get(name)
            if isinstance(before, Kept) and before.root == root and before.bucket.connection == reached:
                return before  # with its open connections
            return Kept(name, root, Bucket(name, reached, self._timeout_s))
        except DataOSError as error:
            return error


class BucketFiles:
    """Files in buckets, as the catalog wants them (`files.Files`). An object is whole and safe once it can be seen."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def read(self, location: str) -> bytes:
        kept = self._buckets.find(location)
        content = kept.bucket.read(kept.key(location))
        if content is None:
            raise fail(
                "iceberg.corrupt",
                f"{location} is not there",
                hint="restore the object from an older version of it, or register the table anew from an older "
                "metadata file",
            )
        return gzip.decompress(content) if ".gz." in location or location.endswith(".gz") else content

    def write_new(self, location: str, content: bytes) -> None:
        kept = self._buckets.find(location)
        key = kept.key(location)
        # a repeated request may meet what it wrote itself
        if not kept.bucket.create(key, content) and kept.bucket.read(key) != content:
            raise fail("iceberg.storage", f"cannot write {location}: an object of this key is there", retry=5.0)

    @contextmanager
    def grow(self, location: str) -> Generator[BinaryIO]:
        kept = self._buckets.find(location)
        with tempfile.TemporaryFile() as draft:
            yield cast("BinaryIO", draft)
            draft.seek(0)
            kept.bucket.upload(kept.key(location), cast("BinaryIO", draft))

    def exists(self, location: str) -> bool:
        kept = self._buckets.find(location)
        return kept.bucket.size(kept.key(location)) is not None

    def make_table(self, location: str) -> None:
        self._buckets.find(location)  # there are no folders; the bucket is one that we can open

    def delete(self, location: str, root: str | None = None) -> None:
        kept = self._buckets.find(location)
        kept.bucket.delete([kept.key(location)])

    def delete_folder(self, location: str, root: str | None = None) -> None:
        kept = self._buckets.find(location)
        kept.bucket.delete([key for key, _, _ in kept.bucket.walk(kept.key(location))])

    def walk(self, location: str, root: str) -> Iterator[tuple[str, int, int]]:
        kept = self._buckets.find(location)
        for key, changed_ms, size in kept.bucket.walk(kept.key(location)):
            yield kept.bucket.connection.location(key), changed_ms, size

    def refuse_links(self, location: str, root: str) -> None:
        """There are none."""

    def clear_links(self, folders: Iterable[str]) -> list[str]:
        return []

    def real(self, location: str) -> str:
        return location

    def secure(self, location: str, folder: str) -> None:
        if not contains(folder, location) or location.rstrip("/") == folder.rstrip("/"):
            raise fail(
                "iceberg.invalid",
                f"{location} does not lie in the folder of its table, {folder}",
                hint="a table may hold files of its own folder only: copy the data in",
            )
        if not self.exists(location):
            raise fail(
                "iceberg.invalid",
                f"the commit names {location}, which is not there",
                hint="the client must write a file before it commits it",
            )

    def secure_folders(self, locations: Iterable[str], folder: str) -> None:
        """There are none."""
