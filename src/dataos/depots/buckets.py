"""One bucket as whoever keeps tables in it wants it: whole small files, their names, one winner for each new name.

The calls block; they are made in worker threads. Content of large files goes by `client`, which is obstore's and
safe for all threads and loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from typing import BinaryIO, TypeVar

from dataos.core.errors import DataOSError
from dataos.depots import objectstores
from dataos.depots.ports import ObjectStoreConnection

T = TypeVar("T")

_AT_ONCE = 1000  # keys that S3 deletes by one request


class Bucket:
    """The bucket behind the depot `name`. Keys are whole ones.

    Every method raises DataOSError `depot.credentials`, `depot.no_such_database`, `depot.unreachable`, `depot.timeout`.
    """

    def __init__(self, name: str, connection: ObjectStoreConnection, timeout_s: float) -> None:
        self.name = name
        self.connection = connection
        self.client = objectstores.client(name, connection, timeout_s)
        self._timeout_s = timeout_s

    def read(self, key: str) -> bytes | None:
        """A whole object; None if it is not there."""

        def read() -> bytes | None:
            import obstore

            with suppress(FileNotFoundError):
                return bytes(obstore.get(self.client, key).bytes())
            return None

        return self._do(read)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless one of that key is there: then False."""
        return self._do(lambda: objectstores.create(self.client, key, content))

    def upload(self, key: str, content: BinaryIO) -> None:
        """Write an object of any size, in pieces; it shows once it is whole. One of that key is replaced."""

        def upload() -> None:
            import obstore

            content.seek(0)
            obstore.put(self.client, key, content)

        self._do(upload)

    def size(self, key: str) -> int | None:
        """Bytes of an object; None if it is not there."""

        def size() -> int | None:
            import obstore

            with suppress(FileNotFoundError):
                return int(obstore.head(self.client, key)["size"])
            return None

        return self._do(size)

    def walk(self, folder: str) -> Iterator[tuple[str, int, int]]:
        """All objects below a folder: key, time of the last change (UTC milliseconds), size in bytes."""
        import obstore

        found = iter(obstore.list(self.client, prefix=folder or None, chunk_size=_AT_ONCE))
        while (chunk := self._do(lambda: next(found, None))) is not None:
            for meta in chunk:
                changed = meta["last_modified"].astimezone(UTC)
                yield str(meta["path"]), int(changed.timestamp() * 1000), int(meta["size"])

    def delete(self, keys: Sequence[str]) -> None:
        """Take objects away. One that is gone already is no fault."""

        def delete(some: Sequence[str]) -> None:
            import obstore

            with suppress(FileNotFoundError):
                obstore.delete(self.client, list(some))

        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            self._do(lambda some=some: delete(some))

    def failure(self, error: Exception) -> DataOSError | None:
        """What obstore's error means; None if it is none of obstore's."""
        return objectstores.failure(self.name, self.connection, error, self._timeout_s)

    def _do(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except DataOSError:
            raise
        except Exception as error:
            found = self.failure(error)
            if found is None:
                raise
            raise found from None  # obstore's text shows requests and headers
