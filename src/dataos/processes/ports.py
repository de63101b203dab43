"""What a place to run processes offers (architecture section 2: local, container, Kubernetes).

Level-triggered: a process is known by a key that the caller chose (an attempt id). After a restart of the server the
same key finds the same process; nothing about it is kept in memory only. Starting a key twice starts it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Isolation(StrEnum):
    """Whose code runs, hence what isolation it must have."""

    PLATFORM = "platform"  # our own program: sandboxed where possible, else a plain child
    USER = "user"  # somebody's code: sandboxed, or refused


class Phase(StrEnum):
    """What is known of a process."""

    ABSENT = "absent"  # never started under this key, or removed
    STARTING = "starting"  # its supervisor is up, the program not yet
    RUNNING = "running"
    EXITED = "exited"  # with an exit record on disk
    LOST = "lost"  # its supervisor died without a record (killed, machine restarted)


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine that the program may see at the same or another path."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Launch:
    """Everything needed to run one program once.

    `files` are written (0600) into the program's private folders before it starts; their names begin with `config/`,
    `secret/` or `work/` and appear below `DATAOS_CONFIG_DIR`, `DATAOS_SECRET_DIR` and `RUNNABLE_ARTIFACT_DIR`. The
    program writes its result into `DATAOS_OUT_DIR` and scratch into `DATAOS_TEMP_DIR` (also its TMPDIR and HOME).
    Where those folders are differs from place to place: `$(RUNNABLE_ARTIFACT_DIR)/main.py` in `argv` is filled in for
    these folder variables (only these: arguments are public, `env` is not). The program begins in `DATAOS_TEMP_DIR`.
    `server_access` makes the server's API reachable at the unix socket `DATAOS_SERVER_SOCKET`. `egress` are addresses
    (`host:port`) that the program may reach though its sandbox has no network: by unix sockets, which the variable
    `DATAOS_EGRESS` (JSON: address -> path) names; without a sandbox it has the network, and no such variable.
    `waits`: the program may be started before it has a job. Where the variable `DATAOS_WAITS` is set, it writes an
    empty line, does what takes long and needs nothing of a job, then reads its environment (one line, JSON) from
    standard input and goes on as if it had begun with that one; it ends where that line does not come.
    """

    argv: tuple[str, ...]
    isolation: Isolation
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    mounts: tuple[Mount, ...] = ()
    cpu: float = 1.0
    memory_bytes: int = 1 << 30
    timeout_s: float | None = None
    log_bytes: int = 64 << 20
    scratch_bytes: int = 20 << 30
    server_access: bool = True
    egress: tuple[str, ...] = ()
    waits: bool = False


@dataclass(frozen=True)
class Observation:
    """One look at a process. Times are UTC microseconds."""

    phase: Phase
    pid: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    exit_code: int | None = None  # 128 + signal where a signal ended it
    reason: str = (
        ""  # why the platform ended it: timeout | stopped | memory | scratch | orphaned, or why it could not start
    )


@dataclass(frozen=True)
class Usage:
    """Bytes on disk of a key: its log, and the rest (scratch, results, given files)."""

    log: int
    rest: int


START_WITHIN_S = 10.0
"""A start that was held up for longer (a slow disk, a suspended machine) is given up before its program begins: whoever
asked may have lost the right to it meanwhile."""


class ProcessRunner(Protocol):
    """A place to run programs."""

    async def start(self, key: str, launch: Launch) -> None:
        """Start the program once. Returns when its supervisor is up. A second call for the same key does nothing.

        Raises DataOSError `process.no_sandbox` (user code without a sandbox), `process.start` (cannot start, or not
        within `START_WITHIN_S`).
        """
        ...

    async def observe(self, key: str) -> Observation:
        """What is known of the key now."""
        ...

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(key)` on the event loop soon after a process ends. Only a wake-up: it may be missed."""
        ...

    async def adopt(self) -> list[str]:
        """After a restart: find the processes of an earlier server and watch them again. Returns their keys."""
        ...

    async def stop(self, key: str, grace_s: float) -> None:
        """Ask the program to end, kill its whole tree after the grace period. Returns at once; observe tells."""
        ...

    async def forbid(self, key: str) -> Observation:
        """See to it that a program that has not begun never begins under this key, not by a start that is under way
        either. Returns how the process is; one that runs is left running. Raises DataOSError `process.stop` where
        that cannot be written down.
        """
        ...

    async def read_out(self, key: str, name: str, limit_bytes: int = 16 << 20) -> bytes | None:
        """A file that the program left in its out folder (never through a link), or None. Raises DataOSError
        `process.result` beyond the limit."""
        ...

    def out_folder(self, key: str) -> Path:
        """Where the files are that the program left in its out folder. What is in it is not to be trusted."""
        ...

    async def read_log(self, key: str, *, offset: int = 0, limit_bytes: int = 1 << 20) -> tuple[bytes, int]:
        """Log text from a byte offset on, and the offset to go on from (equal if there is no more yet)."""
        ...

    async def remove(self, key: str) -> None:
        """Forget an ended key with its files; a running one is killed first."""
        ...

    async def keys(self) -> list[str]:
        """All keys that have files on this machine."""
        ...
