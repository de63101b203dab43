"""Processes of this machine: who is who, who descends from whom, how much memory they hold, and how to end them.

Used by the shim (which runs without site-packages) and by the server, so: standard library only, cheap to import.
A process is identified by (boot id, pid, start time): a pid alone may belong to somebody else by now. Where the
system has no /proc (macOS), identity rests on the lock that a shim holds on its claim, see `records.py`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

HAS_PROC = os.path.exists("/proc/self/stat")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DEAD = ("Z", "X", "x")


def boot_id() -> str:
    """Names this boot of the machine; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # Field 2 is the program's name and may hold anything, also `) `: fields are counted from its last bracket.
    return text[text.rindex(b")") + 2 :].decode("ascii", "replace").split()


def start_time(pid: int) -> int:
    """When the process began, in clock ticks since boot (field 22 of stat); 0 if it is gone, dead or unknown."""
    fields = _stat(pid)
    if fields is None or fields[0] in _DEAD:
        return 0
    return int(fields[19])


def is_same(pid: int, started: int, boot: str) -> bool:
    """True if the process that once was (boot, pid, started) is still alive."""
    return pid > 0 and started > 0 and boot == boot_id() and start_time(pid) == started


def children(pid: int) -> list[int]:
    """Direct children, also dead ones that nobody has waited for."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except FileNotFoundError:
        if os.path.exists("/proc/self/task") and not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
            return _children_by_scan(pid)  # a kernel built without CONFIG_PROC_CHILDREN
    except OSError:
        pass  # it ended under our eyes
    return found


def _children_by_scan(parent: int) -> list[int]:
    found: list[int] = []
    for pid in _all_pids():
        fields = _stat(pid)
        if fields is not None and int(fields[1]) == parent:
            found.append(pid)
    return found


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, parents first."""
    found: list[int] = []
    seen = {pid}
    queue = [pid]
    while queue:
        for child in children(queue.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                queue.append(child)
    return found


def memory_bytes(pids: Iterable[int], limit: int) -> int:
    """Memory held together by the processes.

    Resident sizes count shared pages once per process, so a sum over the limit is measured again by proportional
    sizes, which are right but dearer to ask for.
    """
    pids = list(pids)
    rough = sum(_resident(pid) for pid in pids)
    if rough <= limit or len(pids) < 2:
        return rough
    return sum(_proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _resident(pid)


def send(pid: int, number: int, *, group: bool = False) -> bool:
    """Signal a process or its group; False if there is none (any more) or it is not ours."""
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_until_gone(find: Callable[[], list[int]], *, within_s: float) -> bool:
    """Kill what `find` names again and again until it names nothing: a tree may fork while it is being killed."""
    deadline = time.monotonic() + within_s
    pause = 0.001
    while pids := find():
        for pid in pids:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True


def leftovers(mark: bytes, session: int, session_started: int, boot: str) -> list[int]:
    """Living processes that are provably of one job whose shim is gone.

    Proof is either the job's own folder in the environment that the process was started with (`mark`, a whole
    `NAME=value`), or membership in the job's session while the session's leader is still the recorded one.
    """
    leader_is_ours = is_same(session, session_started, boot)
    found: list[int] = []
    for pid in _all_pids():
        if pid == os.getpid():
            continue
        fields = _stat(pid)
        if fields is None or fields[0] in _DEAD:
            continue
        if (leader_is_ours and int(fields[3]) == session) or _has_mark(pid, mark):
            found.append(pid)
    return found


def _has_mark(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:
        return False
