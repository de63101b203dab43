"""Job folders: written whole before they have their name, read without trusting what the job left in them, removed.

    <root>/<key>/ launch.json  config/ secret/ work/  etc/   written by the server, read-only for a sandboxed job
                  egress/                                    sockets of the shim's relay
                  out/ scratch/ tmp/                         written by the job
                  claimed.<n> shim.json exit.json log/       written by the shim
                  stop.json buried                           written by the server

Names that begin with a dot are folders in the making (`.new-`) or in the removing (`.old-`). Everything here blocks:
the runner calls it from its threads.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dataos.core.errors import fail
from dataos.processes import limits, records, relay, trees
from dataos.processes.ports import Phase, Usage

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_GIVEN = ("config", "secret", "work")
_MADE = ("out", "scratch", "tmp", "etc", relay.FOLDER)
_LOST = "its supervisor ended without leaving a record (killed, or the machine was restarted)"


@dataclass(frozen=True)
class Shim:
    """The supervisor of a job as its record names it."""

    pid: int
    start_time: int


@dataclass(frozen=True)
class State:
    """What the files of a job folder say. `shim` is set while one lives."""

    phase: Phase
    shim: Shim | None = None
    child_pid: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    exit_code: int | None = None
    reason: str = ""


def check_key(key: str) -> str:
    """The key itself. Raises DataOSError `process.key` if it can't name a folder."""
    if not _KEY.fullmatch(key):
        raise fail(
            "process.key",
            f"`{key[:80]}` cannot name a process",
            hint="up to 200 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        )
    return key


def begin(root: Path, etc: Mapping[str, str]) -> Path:
    """Make a folder that has no key yet, with what every job folder has. The caller's to delete, unless `write` names
    it."""
    beside = _new(root)
    for name in (*_GIVEN, *_MADE):
        (beside / name).mkdir(mode=0o700)
    for name, text in etc.items():
        _write_file(beside, PurePosixPath("etc", name), text.encode())
    return beside


def take(root: Path, begun: Path) -> Path:
    """Give a folder without a key another such name, by which nobody else knows it. Raises OSError if it is gone."""
    taken = root / _new_name()
    begun.rename(taken)
    return taken


def write(
    root: Path,
    key: str,
    launch: dict[str, Any],
    files: Mapping[str, bytes],
    etc: Mapping[str, str],
    checkpoint: Callable[[str], None],
    begun: Path | None = None,
) -> bool:
    """Make the folder with all its files in one step, of one that was begun if there is one. False, and nothing done,
    if the key has one already."""
    with _passing(begun or begin(root, etc)) as beside:
        for name, data in files.items():
            _write_file(beside, _given_path(name), data)
        checkpoint("processes.folder-half-written")
        records.write(str(beside), records.LAUNCH, {**launch, "boot_id": trees.boot_id()})
        return _appear(beside, root / key)


def forbid(root: Path, key: str, now_us: int) -> None:
    """Make the folder of a key that has none such that it counts as ended: nobody starts it any more."""
    ended = {"exit_code": None, "signal": None, "reason": "stopped", "started_at": None, "ended_at": now_us}
    with _passing(_new(root)) as beside:
        records.write(str(beside), records.EXIT, ended, sync=True)
        _appear(beside, root / key)


def _new(root: Path) -> Path:
    beside = root / _new_name()
    beside.mkdir(mode=0o700)
    return beside


def _new_name() -> str:
    return f".new-{os.getpid()}-{trees.start_time(os.getpid())}-{secrets.token_hex(8)}"


@contextmanager
def _passing(beside: Path) -> Generator[Path]:
    """A folder in the making; what is left of it goes."""
    try:
        yield beside
    finally:
        if beside.exists():
            delete(beside)


def _appear(beside: Path, folder: Path) -> bool:
    """Give a made folder its name. False if somebody was first."""
    try:
        beside.rename(folder)
    except OSError:
        # A folder is only ever replaced by rename if it is empty, and a job folder never is.
        if not folder.is_dir():
            raise
        return False
    return True


def _given_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or path.parts[0] not in _GIVEN:
        raise fail("process.start", f"file `{name}` must lie below `config/`, `secret/` or `work/`")
    return path


def _write_file(folder: Path, name: PurePosixPath, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)


def discard_stale(root: Path, key: str) -> None:
    """Take away a folder of an earlier boot that nobody ever claimed: power may have been lost before it was whole.

    Under a lock, so that of two servers that find it one can't take away what the other has just made anew.
    """
    with _exclusive(root):
        folder = str(root / key)
        launch = records.read(folder, records.LAUNCH)
        is_stale = launch is None or launch.get("boot_id") != trees.boot_id()
        is_forbidden = records.read(folder, records.STOP) is not None or records.read(folder, records.EXIT) is not None
        if os.path.isdir(folder) and is_stale and not is_forbidden and records.last_claim(folder) == 0:
            _set_aside(root, key)


@contextmanager
def _exclusive(root: Path) -> Generator[None]:
    fd = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def look(root: Path, key: str) -> State:
    """The state of a key as its files and the process list tell it now."""
    folder = str(root / key)
    ended = records.read(folder, records.EXIT)
    if ended is not None:
        return _ended(ended)
    try:
        number = records.last_claim(folder)
    except FileNotFoundError:
        return State(Phase.ABSENT)
    if number == 0:
        return State(Phase.ABSENT)
    shim = records.read(folder, records.SHIM)
    holder = shim or records.read(folder, f"{records.CLAIM}{number}")
    if holder is not None and records.is_alive(folder, holder, int(holder.get("claim", number))):
        child = holder.get("child_pid")
        return State(
            Phase.STARTING if child is None else Phase.RUNNING,
            Shim(int(holder["pid"]), int(holder["start_time"])),
            child_pid=child,
            started_at=holder.get("started_at"),
        )
    # It may have written its record and ended between the two looks.
    ended = records.read(folder, records.EXIT)
    if ended is not None:
        return _ended(ended)
    shim = records.read(folder, records.SHIM)
    if shim is None and holder is not None and holder.get("boot_id") == trees.boot_id():
        return State(Phase.ABSENT)  # that shim ran nothing: the next one may
    return State(Phase.LOST, started_at=(shim or {}).get("started_at"), reason=_LOST)


def _ended(record: dict[str, Any]) -> State:
    return State(
        Phase.EXITED,
        started_at=record["started_at"],
        ended_at=record["ended_at"],
        exit_code=record["exit_code"],
        reason=record["reason"],
    )


def bury(root: Path, key: str) -> None:
    """Kill what a dead shim may have left running, as far as it is provably of this job, and shred its secrets."""
    folder = str(root / key)
    if os.path.lexists(os.path.join(folder, records.BURIED)):
        return
    shim = records.read(folder, records.SHIM) or {}
    if shim.get("boot_id") == trees.boot_id() and trees.HAS_PROC:
        group = limits.MemoryGroup(str(shim["group"])) if shim.get("group") else None
        mark = os.fsencode(f"{records.OUT_VARIABLE}={os.path.join(folder, 'out')}")
        session = int(shim.get("child_pid") or 0)
        started = int(shim.get("child_start_time") or 0)

        def rest() -> list[int]:
            inside = group.members() if group is not None else []
            return [*inside, *trees.leftovers(mark, session, started, trees.boot_id())]

        trees.kill_until_gone(rest, within_s=10.0)
        if group is not None:
            group.remove()
    try:
        delete(Path(folder, "secret"))
        launch = records.read(folder, records.LAUNCH)
        if launch is not None:
            records.write(folder, records.LAUNCH, {**launch, "env": {}})
        records.write(folder, records.BURIED, {})
    except OSError:
        pass  # removed meanwhile, or the disk is full: the next look at the key tries again


def read_out(root: Path, key: str, name: str, limit_bytes: int) -> bytes | None:
    """A regular file in the job's out folder; None for anything else, also for what a link leads to."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
        raise fail("process.result", f"`{name}` is not a name inside the out folder")
    try:
        fd = _open_walk(root / key, ("out", *parts))
    except OSError:
        return None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return None
    with open(fd, "rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise fail(
            "process.result",
            f"the file `{name}` that the program left is {max(status.st_size, len(data))} bytes large, "
            f"{limit_bytes} are allowed",
        )
    return data


def _open_walk(folder: Path, parts: tuple[str, ...]) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    for index, part in enumerate(parts):
        kind = os.O_DIRECTORY if index < len(parts) - 1 else os.O_NONBLOCK  # a named pipe must not block us
        try:
            below = os.open(part, os.O_RDONLY | kind | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def keys(root: Path) -> list[str]:
    """All keys that have a folder."""
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def usage(root: Path, key: str) -> Usage:
    """Bytes on disk of a key's folder; none if it has none."""
    return Usage(_bytes(root / key / "log"), sum(_bytes(root / key / name) for name in (*_GIVEN, *_MADE)))


def _bytes(folder: Path) -> int:
    total = 0
    for current, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(current, name)).st_blocks * 512
            except OSError:
                continue
    return total


def shed(root: Path, key: str, *, log: bool) -> None:
    """Remove the log of an ended key, or everything but its log and records. Does nothing for one that runs."""
    if look(root, key).phase in (Phase.STARTING, Phase.RUNNING):
        return
    for name in ("log",) if log else (*_GIVEN, *_MADE):
        delete(root / key / name)


def forget(root: Path, key: str) -> None:
    """Remove a key's folder; a shim that comes late finds nothing to run."""
    aside = _set_aside(root, key)
    if aside is not None:
        delete(aside)


def _set_aside(root: Path, key: str) -> Path | None:
    aside = root / f".old-{secrets.token_hex(8)}"
    try:
        (root / key).rename(aside)
    except FileNotFoundError:
        return None
    return aside


def delete(path: Path) -> None:
    """Remove a folder tree, also one that a hostile job made unreadable or too deep to recurse into."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        # Both walk any depth and follow no links.
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(path)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--", str(path)], check=False, capture_output=True)


def leftovers(root: Path) -> list[Path]:
    """What servers that died left half made, and what is half removed (by one that lives, too)."""
    found: list[Path] = []
    for entry in os.scandir(root):
        if entry.name.startswith(".old-"):
            found.append(Path(entry.path))
        elif entry.name.startswith(".new-"):
            _, pid, started, _ = entry.name.split("-", 3)
            if trees.start_time(int(pid)) != int(started) or not trees.HAS_PROC:
                found.append(Path(entry.path))
    return found


def sweep(root: Path) -> None:
    """Remove what servers that died left half made or half removed."""
    for path in leftovers(root):
        delete(path)
