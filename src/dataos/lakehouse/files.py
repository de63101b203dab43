"""Where metadata files are read and written: the local disk, or buckets (`buckets`) beside it.

Paths of local tables are absolute and plain (no `file://`): all clients tried take that form. Writing is atomic and
durable: a metadata file is there as a whole, and on disk, before a pointer names it.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import shutil
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from dataos.core.durable import sync_folder
from dataos.core.errors import DataOSError, fail


class Files(Protocol):
    """What the catalog needs of a storage. All calls block; they are made in worker threads."""

    def read(self, location: str) -> bytes:
        """Raises DataOSError `iceberg.corrupt` if the file is missing or unreadable."""
        ...

    def write_new(self, location: str, content: bytes) -> None:
        """Write a file that does not exist, atomically and durably."""
        ...

    def grow(self, location: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """A file that does not exist, to be written bit by bit. Left by an error, it is not there; left otherwise, it
        is there as a whole, and on disk once it was secured. Raises DataOSError `iceberg.storage`."""
        ...

    def exists(self, location: str) -> bool:
        """Is there such a file?"""
        ...

    def make_table(self, location: str) -> None:
        """Make the folders that clients expect of a new table."""
        ...

    def delete(self, location: str) -> None:
        """Delete one file; a missing one is fine."""
        ...

    def delete_folder(self, location: str) -> None:
        """Delete a folder with all its files; a missing one is fine."""
        ...

    def walk(self, location: str) -> Iterator[tuple[str, int, int]]:
        """All files below a folder: path, time of the last change (UTC milliseconds), size in bytes."""
        ...

    def real(self, location: str) -> str:
        """One spelling for each file, however it was named."""
        ...

    def secure(self, location: str, folder: str) -> None:
        """Make sure that a client's file lies in `folder`, exists, and is on disk and not only in a cache.

        Raises DataOSError `iceberg.invalid`.
        """
        ...

    def secure_folders(self, locations: Iterable[str], folder: str) -> None:
        """Bring to disk that the files, secured before, are entries of their folders, up to and with `folder`."""
        ...


class LocalFiles:
    """The machine's own disk."""

    def read(self, location: str) -> bytes:
        try:
            content = Path(plain(location)).read_bytes()
        except OSError as error:
            raise fail(
                "iceberg.corrupt",
                f"table metadata {location} cannot be read: {error.strerror}",
                hint="restore the file from a backup, or register the table anew from an older metadata file",
            ) from error
        return gzip.decompress(content) if ".gz." in location or location.endswith(".gz") else content

    def write_new(self, location: str, content: bytes) -> None:
        path = Path(plain(location))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        try:
            with draft.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.link(draft, path)  # unlike rename, it fails where the name is taken
        except OSError as error:
            raise _unwritable(location, error) from error
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)

    @contextlib.contextmanager
    def grow(self, location: str) -> Generator[BinaryIO]:
        path = Path(plain(location))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as handle:
                yield handle
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _unwritable(location, error) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def exists(self, location: str) -> bool:
        return Path(plain(location)).is_file()

    def make_table(self, location: str) -> None:
        root = Path(plain(location))
        try:
            # DuckDB writes into these and does not make them
            (root / "data").mkdir(parents=True, exist_ok=True)
            (root / "metadata").mkdir(exist_ok=True)
        except OSError as error:
            raise fail(
                "iceberg.storage",
                f"cannot make the folder of a table, {location}: {error.strerror}",
                hint="look at free space and permissions of the warehouse folder",
                retry=5.0,
            ) from error
        for folder in (root, root.parent, root.parent.parent):
            sync_folder(folder)

    def delete(self, location: str) -> None:
        with contextlib.suppress(OSError):
            Path(plain(location)).unlink()

    def delete_folder(self, location: str) -> None:
        root = Path(plain(location))
        shutil.rmtree(root, ignore_errors=True)
        with contextlib.suppress(OSError):
            root.parent.rmdir()  # the namespace's folder, once its last table is gone

    def walk(self, location: str) -> Iterator[tuple[str, int, int]]:
        top = os.path.realpath(plain(location))
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):  # a writer's draft, renamed just now
                    found = os.lstat(path)
                    yield path, found.st_mtime_ns // 1_000_000, found.st_size

    def real(self, location: str) -> str:
        return os.path.realpath(plain(location))

    def secure(self, location: str, folder: str) -> None:
        real = os.path.realpath(plain(location))
        if not real.startswith(os.path.realpath(plain(folder)) + os.sep):
            raise fail(
                "iceberg.invalid",
                f"{location} does not lie in the folder of its table, {folder}",
                hint="a table may hold files of its own folder only: copy the data in",
            )
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a fifo must not block
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EISDIR, "it is not a file")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise fail(
                "iceberg.invalid",
                f"the commit names {location}, which cannot be opened: {error.strerror}",
                hint="the client must write a file before it commits it",
            ) from error

    def secure_folders(self, locations: Iterable[str], folder: str) -> None:
        top = Path(os.path.realpath(plain(folder)))
        found = {Path(os.path.realpath(plain(location))).parent for location in locations}
        for path in list(found):
            found |= {above for above in path.parents if above.is_relative_to(top)}
        for path in found:
            sync_folder(path)


class PlacedFiles:
    """Each location's own storage: buckets for `s3://`, the machine's disk for the rest."""

    def __init__(self, buckets: Files) -> None:
        self._buckets = buckets
        self._local = LocalFiles()

    def _of(self, location: str) -> Files:
        return self._buckets if in_bucket(location) else self._local

    def read(self, location: str) -> bytes:
        return self._of(location).read(location)

    def write_new(self, location: str, content: bytes) -> None:
        self._of(location).write_new(location, content)

    def grow(self, location: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return self._of(location).grow(location)

    def exists(self, location: str) -> bool:
        return self._of(location).exists(location)

    def make_table(self, location: str) -> None:
        self._of(location).make_table(location)

    def delete(self, location: str) -> None:
        self._of(location).delete(location)

    def delete_folder(self, location: str) -> None:
        self._of(location).delete_folder(location)

    def walk(self, location: str) -> Iterator[tuple[str, int, int]]:
        return self._of(location).walk(location)

    def real(self, location: str) -> str:
        return self._of(location).real(location)

    def secure(self, location: str, folder: str) -> None:
        self._of(folder).secure(location, folder)

    def secure_folders(self, locations: Iterable[str], folder: str) -> None:
        self._of(folder).secure_folders(locations, folder)


SCHEME = "s3://"
"""Of all locations in buckets, whatever a manifest calls it: Iceberg's clients agree on this one."""


def in_bucket(location: str) -> bool:
    """True for the location of an object or of a folder of objects."""
    return location.startswith(SCHEME)


def plain(location: str) -> str:
    """Absolute local path of a location. Raises DataOSError `iceberg.unsupported` for another storage."""
    path = location
    for prefix in ("file://", "file:"):
        if location.startswith(prefix):
            path = location[len(prefix) :]
            break
    if not path.startswith("/"):
        raise fail(
            "iceberg.unsupported",
            f"{location} is not an absolute local path",
            hint="it is a path on the machine's disk that is wanted here",
        )
    return path


def contains(folder: str, location: str) -> bool:
    """True if `location` lies below `folder` (or is it), by text; paths after folding `.` and `..`.

    Keys of buckets are taken as they are: those with an empty part, `.` or `..` lie nowhere.
    """
    if in_bucket(folder) or in_bucket(location):
        outer, inner = folder.rstrip("/"), location.rstrip("/")
        if not in_bucket(outer) or any(part in ("", ".", "..") for part in inner[len(SCHEME) :].split("/")):
            return False
        return inner == outer or inner.startswith(f"{outer}/")
    outer = os.path.normpath(plain(folder))
    inner = os.path.normpath(plain(location))
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _unwritable(location: str, error: OSError) -> DataOSError:
    return fail(
        "iceberg.storage",
        f"cannot write {location}: {error.strerror}",
        hint="look at free space and permissions of the warehouse folder",
        retry=5.0,
    )
