"""The files by which a shim and any number of servers agree on one job: claim, state, stop request, exit record.

Shared by the shim and the server: standard library only. Every record appears whole (written beside its place, then
renamed or linked) and is never changed by a server. The order in which they appear is the protocol:

1. `launch.json` comes with the folder, which appears by one rename.
2. `claimed.<n>` is linked by a shim: the right to run. Linking fails if the name exists, so one shim wins.
3. `shim.json` is written before the program is forked: from here on it may have run.
4. `exit.json` is written and synced after the program and all its children are gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any

from dataos.processes import trees

LAUNCH = "launch.json"
PREPARED = "prepared.json"
CLAIM = "claimed."
SHIM = "shim.json"
STOP = "stop.json"
EXIT = "exit.json"
BURIED = "buried"
OUT_VARIABLE = "DATAOS_OUT_DIR"


def now_us() -> int:
    """UTC microseconds. The shim has no injected clock: it outlives the server that could inject one."""
    return time.time_ns() // 1000


def read(folder: str, name: str) -> dict[str, Any] | None:
    """A record, or None if it is not there or not whole."""
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write(folder: str, name: str, record: dict[str, Any], *, sync: bool = False) -> None:
    """Put a record in its place in one step; with `sync` it survives a loss of power from here on."""
    beside = os.path.join(folder, f".{name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(json.dumps(record).encode())
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.rename(beside, os.path.join(folder, name))
    except OSError:
        os.unlink(beside)
        raise
    if sync:
        sync_folder(folder)


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a loss of power."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def identity() -> dict[str, Any]:
    """Who the calling process is."""
    pid = os.getpid()
    return {"pid": pid, "start_time": trees.start_time(pid), "boot_id": trees.boot_id()}


def last_claim(folder: str) -> int:
    """Number of the newest claim, 0 if nobody claimed."""
    numbers = [name[len(CLAIM) :] for name in os.listdir(folder) if name.startswith(CLAIM)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def claim(folder: str) -> int | None:
    """Take the right to run the folder's program. Returns a file descriptor to keep open for life, or None.

    A claim whose holder died in this boot before it wrote `shim.json` ran nothing, so the next number may be taken.
    """
    me = identity()
    beside = os.path.join(folder, f".claim.{me['pid']}.{time.monotonic_ns()}")
    try:
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None  # the folder was removed meanwhile
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # before the name is seen: whoever sees it finds the lock held
        os.write(fd, json.dumps(me).encode())
        os.fsync(fd)
        while True:
            number = last_claim(folder)
            if number and not _is_void(folder, number):
                break
            try:
                # A link, not O_EXCL creation: the claim appears together with its holder's identity.
                os.link(beside, os.path.join(folder, f"{CLAIM}{number + 1}"))
            except FileExistsError:
                continue
            os.unlink(beside)
            # Durable before the program runs: after a loss of power nobody may think that it never did.
            sync_folder(folder)
            sync_folder(os.path.dirname(os.path.abspath(folder)))
            return fd
        os.unlink(beside)
    except FileNotFoundError:
        pass
    os.close(fd)
    return None


def _is_void(folder: str, number: int) -> bool:
    holder = read(folder, f"{CLAIM}{number}")
    if holder is None or is_alive(folder, holder, number) or holder.get("boot_id") != trees.boot_id():
        return False
    # Asked after the holder was seen dead: it can't write any more.
    return not any(os.path.lexists(os.path.join(folder, name)) for name in (SHIM, EXIT))


def is_alive(folder: str, holder: dict[str, Any], number: int) -> bool:
    """True if the shim that made a record still lives."""
    if trees.HAS_PROC:
        return trees.is_same(int(holder["pid"]), int(holder["start_time"]), str(holder["boot_id"]))
    try:
        fd = os.open(os.path.join(folder, f"{CLAIM}{number}"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
