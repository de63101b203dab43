"""What a query engine offers the gateway.

An engine runs one SELECT at a time per stream, in its own dialect, and gives Arrow IPC bytes. It knows neither
principals nor policies nor our catalog; whoever calls it has secured the statement. Its error text shows values and
names, so it leaves this room only inside `EngineFailure`, which callers map to their own words and log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from dataos.core.errors import DataOSError, Problem


class FailureKind(StrEnum):
    """What an engine found, without its words."""

    SYNTAX = "syntax"
    BINDING = "binding"  # names or types that do not fit
    CONVERSION = "conversion"  # a value does not fit its type
    RANGE = "range"
    INPUT = "input"  # a function refused its argument, or `error('...')` of ours
    MEMORY = "memory"
    DISK = "disk"
    SOURCE = "source"  # a mounted database or file could not be read
    CANCELLED = "cancelled"
    REFUSED = "refused"  # the engine's own locks said no
    INTERNAL = "internal"


class EngineFailure(Exception):
    """The engine could not run a statement. `text` is the engine's own and must not reach callers of the platform."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.text = text


@dataclass(frozen=True)
class EngineColumn:
    """An output column; `type` is the engine's type text (`DECIMAL(10,2)`, `STRUCT(a INTEGER)`)."""

    name: str
    type: str


class ArrowStream(Protocol):
    """A running statement: its columns are known, its rows come as bytes of one Arrow IPC stream.

    Closing it early cancels the statement. Iterating may raise EngineFailure, or DataOSError `query.timeout` and
    `engine.unavailable`.
    """

    @property
    def columns(self) -> tuple[EngineColumn, ...]: ...

    @property
    def rows(self) -> int | None:
        """Rows sent, once the stream has ended."""
        ...

    @property
    def truncated(self) -> bool:
        """True if `max_rows` cut the result (known once the stream has ended)."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def at_end(self, call: Callable[[], None]) -> None:
        """Have the engine's end of it told, however it comes: at once, if it is over."""
        ...

    def stop(self, why: DataOSError) -> None:
        """End it: who reads it gets `why` in place of what is left."""
        ...

    async def aclose(self) -> None: ...


class EngineSession(Protocol):
    """One engine process held for one statement: names stay valid until `release`."""

    @property
    def generation(self) -> int:
        """Number of the process: what was learnt about one does not hold for the next."""
        ...

    @property
    def catalogs(self) -> Mapping[str, str]:
        """Mounted depot -> its catalog name in the engine (random, new at each start)."""
        ...

    @property
    def unavailable(self) -> Mapping[str, Problem]:
        """Depots that are to be mounted and could not be, with the reason."""
        ...

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's own parse trees of SELECT statements. Raises EngineFailure for text that it does not parse."""
        ...

    async def execute(self, sql: str, *, timeout_s: float, max_rows: int | None = None) -> ArrowStream:
        """Start a SELECT. Returns when the columns are known. `max_rows` cuts the result."""
        ...

    async def refresh(self) -> None:
        """Forget what the engine remembers of mounted databases' tables."""
        ...

    async def release(self) -> None: ...


class Engine(Protocol):
    """A running query engine (for the embedded one: a supervised process)."""

    @property
    def name(self) -> str: ...

    async def session(self) -> EngineSession:
        """Hold the engine for a statement. Raises DataOSError `engine.unavailable` with a retry hint."""
        ...

    async def remount(self) -> None:
        """Look now whether databases that could not be reached answer again, and mount them."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Mount:
    """A database that the engine shall attach read-only, under a name of the engine's choice.

    `probe` tells whether it can be reached now (DataOSError if not, with words for users); it is asked before the
    engine attaches and again while the depot is unavailable. The password never shows in repr.
    """

    depot: str
    kind: str  # postgresql, mysql, sqlite, duckdb
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    path: str = ""  # of sqlite and duckdb, which have nothing else
    probe: Callable[[], Awaitable[None]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Bucket:
    """A place in an S3 store that the engine may read: all below `location` (`s3://bucket/prefix`). Its secrets never
    show in repr. Without `key_id` requests are not signed."""

    location: str
    region: str
    endpoint: str = ""  # address with scheme; empty: AWS
    path_style: bool = False
    key_id: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)  # certificates to trust besides the system's


@dataclass(frozen=True)
class EngineOptions:
    """Limits of one engine process."""

    memory_mib: int = 2048
    threads: int | None = None
    spill_mib: int = 20_480
    max_statements: int = 128
    """The gateway's: one of a user may be several of them (`query.running` says how many of those run)."""
    drain_s: float = 60.0  # how long statements of an outgoing process may go on
    start_timeout_s: float = 30.0
    mask_key: str = field(default="", repr=False)
    """Key of keyed digests, in hex."""


@dataclass(frozen=True)
class Access:
    """What an engine may reach: folders of the machine and buckets (read), and databases."""

    folders: tuple[Path, ...] = ()
    mounts: tuple[Mount, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    delta: bool = False  # are there Delta tables?
