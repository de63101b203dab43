"""What bounds a running job: a memory group of the kernel where one can be made, and the size of its folders.

Used by the shim and, to clear up after a dead one, by the server: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import Any

from dataos.processes import trees

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_DEPTH = 256
_PREFIX = "dataos-"


class MemoryGroup:
    """A cgroup (version 2 or 1) that holds one job; the kernel enforces its memory limit."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._unified = os.path.exists(os.path.join(path, "memory.max"))

    @classmethod
    def make(cls, name: str, limit_bytes: int) -> MemoryGroup | None:
        """A new group below or beside our own, or None where the system does not let us: then memory is sampled."""
        for parent in _parents():
            path = os.path.join(parent, name)
            try:
                os.mkdir(path, 0o755)
            except OSError:
                continue
            group = cls(path)
            if group._limit(limit_bytes):
                return group
            group.remove()
        return None

    def _limit(self, limit_bytes: int) -> bool:
        if self._unified:
            self._put("memory.oom.group", "1")
            self._put("memory.swap.max", "0")
            return self._put("memory.max", str(limit_bytes))
        done = self._put("memory.limit_in_bytes", str(limit_bytes))
        self._put("memory.memsw.limit_in_bytes", str(limit_bytes))  # absent where swap is not accounted
        return done

    def _put(self, name: str, value: str) -> bool:
        try:
            fd = os.open(os.path.join(self.path, name), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, value.encode())
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def join(self) -> bool:
        """Move the calling process in; its later children are born inside."""
        return self._put("cgroup.procs", "0")

    def take(self, pid: int) -> bool:
        """Move another process in. What it holds already stays counted where it was."""
        return self._put("cgroup.procs", str(pid))

    def ran_out(self) -> bool:
        """True if the kernel killed something here for lack of memory."""
        name = "memory.events" if self._unified else "memory.oom_control"
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in self._lines(name))

    def members(self) -> list[int]:
        """Processes inside, dead ones left out."""
        return [pid for line in self._lines("cgroup.procs") if trees.start_time(pid := int(line))]

    def _lines(self, name: str) -> list[str]:
        try:
            with open(os.path.join(self.path, name), encoding="ascii") as file:
                return file.read().splitlines()
        except OSError:
            return []

    def remove(self) -> None:
        """Take the group away once it is empty; the kernel may need a moment after the last process."""
        for _ in range(20):
            try:
                os.rmdir(self.path)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
            else:
                return


def group_name() -> str:
    """Name of the calling shim's group; tells whose it is, so that one left by a dead shim can be swept."""
    return f"{_PREFIX}{os.getpid()}-{trees.start_time(os.getpid())}"


def sweep_groups() -> None:
    """Remove empty groups whose shim is dead. Those that still have processes stay: the kernel refuses."""
    for parent in _parents():
        for name in os.listdir(parent):
            pid, _, started = name.removeprefix(_PREFIX).partition("-")
            if not name.startswith(_PREFIX) or not (pid.isdigit() and started.isdigit()):
                continue
            if trees.start_time(int(pid)) != int(started):
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(parent, name))


def _parents() -> list[str]:
    """Folders where a group with a memory limit might be made, best first."""
    mounts: dict[str, str] = {}  # "2" or "memory" -> mount point
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            for line in file:
                _, point, kind, options = line.split(" ")[:4]
                if kind == "cgroup2":
                    mounts.setdefault("2", point)
                elif kind == "cgroup" and "memory" in options.split(","):
                    mounts.setdefault("memory", point)
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            own = [line.rstrip("\n").split(":", 2) for line in file]
    except (OSError, ValueError):
        return []
    found: list[str] = []
    for number, controllers, path in own:
        if number == "0" and "2" in mounts:
            # A group that has processes can't hand controllers to groups below it, so ours are made beside it.
            own_path = os.path.join(mounts["2"], path.lstrip("/"))
            found += [own_path, os.path.dirname(own_path)] if path != "/" else [own_path]
        elif "memory" in controllers.split(",") and "memory" in mounts:
            found.append(os.path.join(mounts["memory"], path.lstrip("/")))
    return [p for p in found if os.access(p, os.W_OK) and _has_memory(p)]


def _has_memory(parent: str) -> bool:
    if os.path.exists(os.path.join(parent, "memory.limit_in_bytes")):
        return True
    try:
        with open(os.path.join(parent, "cgroup.subtree_control"), encoding="ascii") as file:
            return "memory" in file.read().split()
    except OSError:
        return False


def folder_bytes(path: str, enough: int) -> int:
    """Disk space below a folder, counted until it is more than `enough`.

    The folder's owner is hostile: links are not followed, folders it made unreadable are opened up again, and a
    nesting so deep that it can't be walked counts as more than enough. Hard links are counted once each.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _folder_bytes(fd, enough, _DEPTH)
    finally:
        os.close(fd)


def _folder_bytes(fd: int, enough: int, depth: int) -> int:
    if depth == 0:
        return enough + 1
    total = 0
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                total += status.st_blocks * 512
                if stat.S_ISDIR(status.st_mode) and (below := _open_below(fd, entry.name)) is not None:
                    try:
                        total += _folder_bytes(below, enough - total, depth - 1)
                    finally:
                        os.close(below)
                if total > enough:
                    break
    except OSError:
        pass
    return total


def _open_below(parent: int, name: str) -> int | None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        if not trees.HAS_PROC:
            return None
    except OSError:
        return None
    try:
        # By descriptor, not by name: the name may have become a link to somebody else's folder.
        held = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{held}", 0o700)
        finally:
            os.close(held)
        return os.open(name, flags, dir_fd=parent)
    except OSError:
        return None


# --- a server's sign of life, where others would take its work over ---------------------------------------------------


def uptime_s() -> float:
    """Seconds since the machine started, with the time that it was suspended: for time limits of this machine."""
    return time.clock_gettime(_CLOCK)


def show_alive(path: str) -> None:
    """Write the sign of life: this machine's time since its start, which no change of the clock moves."""
    beside = f"{path}.new"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, repr(uptime_s()).encode())
    finally:
        os.close(fd)
    os.rename(beside, path)


def is_stale(alive: dict[str, Any] | None) -> bool:
    """Is the sign of life at `alive["path"]` older than `alive["within_s"]`? One that is missing is. None: none is
    asked for."""
    if not alive:
        return False
    try:
        with open(str(alive["path"]), "rb") as file:
            shown = float(file.read())
    except (OSError, ValueError):
        return True
    return uptime_s() - shown > float(alive["within_s"])
