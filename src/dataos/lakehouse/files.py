"""Where metadata files are read and written: the local disk, or buckets (`buckets`) beside it.

Paths of local tables are absolute and plain (no `file://`): all clients tried take that form. Writing is atomic and
durable: a metadata file is there as a whole, and on disk, before a pointer names it.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import shutil
import stat
import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from threading import Lock
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

    def delete(self, location: str, root: str | None = None) -> None:
        """Delete one file; a missing one is fine. With the warehouse's `root` no link below it is followed."""
        ...

    def delete_folder(self, location: str, root: str | None = None) -> None:
        """Delete a folder with all its files, as `delete`."""
        ...

    def walk(self, location: str, root: str) -> Iterator[tuple[str, int, int]]:
        """All files below a folder: path, time of the last change (UTC milliseconds), size in bytes. Links are not
        followed; raises DataOSError `iceberg.links` if one lies between the warehouse's `root` and the folder."""
        ...

    def refuse_links(self, location: str, root: str) -> None:
        """Raise DataOSError `iceberg.links` if a table's folder is reached by a link below its warehouse's root, or
        holds anything but files and folders."""
        ...

    def clear_links(self, folders: Iterable[str]) -> list[str]:
        """Remove all below some folders of this machine that is neither file nor folder; returns what was removed or
        cannot be looked into. A job's own code may have left it, and what it leads to may be anybody's."""
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

    def __init__(self) -> None:
        self._folders = _PlainFolders()

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

    def delete(self, location: str, root: str | None = None) -> None:
        with contextlib.suppress(OSError):
            if root is None:
                Path(plain(location)).unlink()
                return
            with _opened(root, os.path.dirname(plain(location))) as above:
                os.unlink(os.path.basename(location), dir_fd=above)

    def delete_folder(self, location: str, root: str | None = None) -> None:
        path = Path(folded(location))
        if root is None:
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError), _opened(root, str(path.parent)) as above:
                shutil.rmtree(path.name, ignore_errors=True, dir_fd=above)
        with contextlib.suppress(OSError):
            if root is None or str(path.parent) != folded(root):
                path.parent.rmdir()  # the namespace's folder, once its last table is gone

    def walk(self, location: str, root: str) -> Iterator[tuple[str, int, int]]:
        top = _real_below(location, root)
        for folder, _, names, descriptor in os.fwalk(top):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # a writer's draft, renamed just now
                    found = os.lstat(name, dir_fd=descriptor)
                    yield os.path.join(folder, name), found.st_mtime_ns // 1_000_000, found.st_size

    def refuse_links(self, location: str, root: str) -> None:
        top = _real_below(location, root)
        for path in self._folders.others(top):
            raise _linked(f"{path} is no plain file")

    def clear_links(self, folders: Iterable[str]) -> list[str]:
        removed: list[str] = []
        for folder in folders:
            if any(self._folders.others(folder)):
                removed += _cleared(folder)
        return removed

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

    def delete(self, location: str, root: str | None = None) -> None:
        self._of(location).delete(location, root)

    def delete_folder(self, location: str, root: str | None = None) -> None:
        self._of(location).delete_folder(location, root)

    def walk(self, location: str, root: str) -> Iterator[tuple[str, int, int]]:
        return self._of(location).walk(location, root)

    def refuse_links(self, location: str, root: str) -> None:
        self._of(location).refuse_links(location, root)

    def clear_links(self, folders: Iterable[str]) -> list[str]:
        return self._local.clear_links(folders)

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


_NO_NAME = re.compile(r"[\x00-\x1f\x7f*?\[\]{}\\%#]")  # engines take these as patterns, or as other spellings


def below(root: str, location: str, what: str) -> str:
    """The one spelling of a folder or file below a warehouse's root. No other spelling is ever kept, so that two
    locations can be compared as texts. Raises DataOSError `iceberg.invalid`, `iceberg.unsupported`."""
    text = location.rstrip("/")
    if not in_bucket(root):
        text = plain(text)
    head = root.rstrip("/") + "/"
    rest = text.removeprefix(head)
    if not text.startswith(head) or any(part in ("", ".", "..") for part in rest.split("/")) or _NO_NAME.search(rest):
        raise fail(
            "iceberg.invalid",
            f"{what} must lie below {root}, in a path without empty parts, `.`, `..` and characters of patterns; "
            f"got {location[:500]}",
            hint="leave the location out and the catalog chooses one",
        )
    return text


def folded(location: str) -> str:
    """A location to compare others with: what was kept before there was one spelling (`below`) may have another."""
    if in_bucket(location):
        return SCHEME + os.path.normpath("/" + location[len(SCHEME) :].lstrip("/"))[1:]
    return "/" + os.path.normpath(plain(location)).lstrip("/")


def _cleared(folder: str) -> list[str]:
    removed: list[str] = []
    waiting = [folder]
    while waiting:
        inner, others, _ = _look(waiting.pop(), remove=True)
        waiting += inner
        removed += others
    return removed


def _look(folder: str, *, remove: bool = False) -> tuple[list[str], list[str], int]:
    """Folders in a folder, what is neither folder nor file or cannot be looked into, and what tells that the folder
    has changed (0: not for sure)."""
    inner: list[str] = []
    others: list[str] = []
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return [], [], 0
    except OSError:  # it became a link meanwhile, or its owner shut it
        return [], [folder], 0
    try:
        changed = os.fstat(descriptor).st_ctime_ns
        sure = changed < time.time_ns() - _TICK_NS
        with os.scandir(descriptor) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    inner.append(path)
                elif not entry.is_file(follow_symlinks=False):
                    others.append(path)
                    if remove:
                        with contextlib.suppress(OSError):
                            os.unlink(entry.name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return inner, others, changed if sure else 0


_TICK_NS = 100_000_000  # file systems count time in ticks: who changes a folder twice in one is not seen
_KNOWN_FOLDERS = 20_000


class _PlainFolders:
    """Folders that held files and folders only since they were last changed: they are not looked through twice."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, list[str]]] = OrderedDict()
        self._lock = Lock()

    def others(self, top: str) -> Iterator[str]:
        """What is neither file nor folder below a folder."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            with contextlib.suppress(FileNotFoundError):
                known = self._known.get(folder)
                if known is not None and os.lstat(folder).st_ctime_ns == known[0]:
                    waiting += known[1]
                    continue
            inner, others, changed = _look(folder)
            yield from others
            waiting += inner
            if changed and not others:
                with self._lock:
                    self._known[folder] = (changed, inner)
                    if len(self._known) > _KNOWN_FOLDERS:
                        self._known.popitem(last=False)


def _real_below(location: str, root: str) -> str:
    """The real path of a folder, which is that of its root with the same parts behind."""
    text, top = folded(location), folded(root)
    if text != top and not text.startswith(top.rstrip("/") + "/"):
        raise fail("iceberg.invalid", f"{location} does not lie below {root}")
    expected = os.path.realpath(top) + text[len(top) :]
    if os.path.realpath(text) != expected:
        raise _linked(f"{location} is reached by a link")
    return expected


@contextlib.contextmanager
def _opened(root: str, folder: str) -> Generator[int]:
    """A folder at or below a root, by a way without links. Raises OSError."""
    top, text = folded(root), folded(folder)
    if text != top and not text.startswith(top.rstrip("/") + "/"):
        raise OSError(errno.EXDEV, "it does not lie below the root")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(top, flags)
    try:
        for part in filter(None, text[len(top) :].split("/")):
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _linked(found: str) -> DataOSError:
    return fail(
        "iceberg.links",
        f"{found}: a table's folder holds plain files and folders only",
        hint="what leads to files elsewhere is not followed: remove it, and copy the data in",
    )


def _unwritable(location: str, error: OSError) -> DataOSError:
    return fail(
        "iceberg.storage",
        f"cannot write {location}: {error.strerror}",
        hint="look at free space and permissions of the warehouse folder",
        retry=5.0,
    )
