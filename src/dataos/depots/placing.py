"""Files put into a folder of this machine in one step, so that whoever reads it sees all of them or none.

What is to be seen is made whole in a hidden folder beside the target, then the two change places (`renameat2` with
RENAME_EXCHANGE; where a file system has none, by two renames). Files are linked, not copied, where that is possible.
Everything here blocks: `take` and `show` run in a thread.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import WriteMode

SUCCESS = "_SUCCESS"
"""The empty file that Spark leaves in a folder that is whole."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NEW = ".dataos-new-"
_OLD = ".dataos-old-"


def staged(folder: Path) -> list[str]:
    """Relative paths of the files that a job left, sorted. Raises DataOSError `depot.path` for anything that is neither
    a regular file nor a folder: a job's folder is not trusted."""
    found: list[str] = []

    def walk(place: Path, inner: str) -> None:
        with os.scandir(place) as entries:
            for item in entries:
                name = f"{inner}{item.name}"
                mode = item.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    walk(Path(item.path), f"{name}/")
                elif stat.S_ISREG(mode):
                    found.append(name)
                else:
                    raise fail("depot.path", f"the job left `{name}`, which is no plain file")

    walk(folder, "")
    return sorted(found)


def is_of(mark: str, path: str) -> bool:
    """Did a delivery of that mark bring the file? Its name says so."""
    return mark in path.rpartition("/")[2]


@contextmanager
def alone(target: Path) -> Generator[None]:
    """Hold the folder above the target for oneself: two deliveries to one place come one after the other."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def take(folder: Path, target: Path, mode: WriteMode, mark: str) -> Path:
    """Make the folder that will take the target's place, whole and synced. Returns it.

    Raises DataOSError `depot.path` if the target is a file, or there is no room or right to write.
    """
    if target.exists() and not target.is_dir():
        raise fail(
            "depot.path",
            f"{target} is a file: an output is a folder of files",
            hint="name another dataset, or move the file away",
        )
    made = target.with_name(f"{_NEW}{target.name}")
    try:
        _restore(target)
        if made.exists():
            shutil.rmtree(made)
        made.mkdir()
        if mode == "append" and target.is_dir():
            for inner in _files(target):
                if not is_of(mark, inner) and inner != SUCCESS:
                    _bring(target / inner, made / inner)
        for inner in staged(folder):
            _bring(folder / inner, made / inner, ours=True)
        (made / SUCCESS).touch()
        _sync(made)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise _refusal(target, error) from error
    return made


def show(made: Path, target: Path, mode: WriteMode, mark: str) -> None:
    """Let the made folder be the target, and take away what was there. Raises DataOSError `depot.path`."""
    try:
        if not target.exists():
            os.rename(made, target)
        else:
            before = made
            if not _exchange(made, target):
                before = target.with_name(f"{_OLD}{target.name}")
                os.rename(target, before)
                os.rename(made, target)
            if mode == "append":
                _late(before, target, mark)
            shutil.rmtree(before)
        _sync_folder(target.parent)
    except OSError as error:
        raise _refusal(target, error) from error


def _late(before: Path, target: Path, mark: str) -> None:
    """Files that somebody else put into the folder after it was looked through."""
    for inner in _files(before):
        if not is_of(mark, inner) and not os.path.lexists(target / inner):
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            os.rename(before / inner, target / inner)


def _restore(target: Path) -> None:
    """After a crash between two renames: what was moved away comes back."""
    before = target.with_name(f"{_OLD}{target.name}")
    if before.is_dir():
        if target.exists():
            shutil.rmtree(before)
        else:
            os.rename(before, target)


def _files(folder: Path) -> Iterator[str]:
    """Relative paths of everything below that is no folder; links are not followed."""
    for current, folders, files in os.walk(folder):
        inner = os.path.relpath(current, folder)
        links = [name for name in folders if os.path.islink(os.path.join(current, name))]
        for name in (*files, *links):
            yield name if inner == "." else f"{inner}/{name}"


def _bring(source: Path, target: Path, *, ours: bool = False) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target, follow_symlinks=False)
    if ours:
        target.chmod(0o666 & ~_umask())


def _umask() -> int:
    """The process's umask, which can only be asked by setting it."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration):
        return 0o022


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places at once. False where the system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _sync(folder: Path) -> None:
    for current, _, files in os.walk(folder, topdown=False):
        for name in files:
            path = os.path.join(current, name)
            if not os.path.islink(path):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        _sync_folder(Path(current))


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refusal(target: Path, error: OSError) -> DataOSError:
    return fail(
        "depot.path",
        f"cannot write to {target}: {error.strerror or error}",
        hint="the server's user needs the right to write there, and there must be room",
        retry=30.0 if error.errno in (errno.ENOSPC, errno.EDQUOT) else None,
    )
