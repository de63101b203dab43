"""The server's side of the embedded engine: starts its process, watches it, replaces it, talks to it.

A *generation* is one process with one fixed access (folders and databases: DuckDB's settings are locked at start).
Changed access starts a new generation; new statements go there, the old one is drained with a limit. A generation that
dies by itself is replaced; its statements fail cleanly. A database that cannot be reached is left out with its reason
and tried again later, which means a new generation when it answers.

Imports neither duckdb nor pyarrow: the server stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dataos.core import logs
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids
from dataos.engines.duckdb.client import Client, SocketClient
from dataos.engines.ports import Access, ArrowStream, EngineOptions, Mount

_log = logs.get(__name__)

_SOCKET_LIMIT = 90  # of about 104 bytes that a unix socket's path may have
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_RETRY_MOUNTS_S = (5.0, 10.0, 20.0, 40.0, 60.0)


@dataclass(eq=False)
class _Generation:
    number: int
    folder: Path
    process: asyncio.subprocess.Process
    client: Client
    access: Access
    catalogs: Mapping[str, str]
    unavailable: Mapping[str, Problem]
    slots: asyncio.Semaphore
    holders: int = 0
    retiring: bool = False
    suspect: bool = False  # a connection broke: is the process still there?
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def suspected(self) -> None:
        self.suspect = True


class DuckdbEngine:
    """One engine (one Cluster replica). Build, `start()`, a `session()` per statement, `close()`."""

    def __init__(
        self,
        name: str,
        *,
        run_folder: Path,
        spill_folder: Path,
        ids: Ids,
        options: EngineOptions = EngineOptions(),  # noqa: B008 - frozen
    ) -> None:
        self._name = name
        self._run_folder = run_folder
        self._spill_folder = spill_folder
        self._ids = ids
        self._options = options
        self._wanted = Access()
        self._generation: _Generation | None = None
        self._number = 0
        self._changing = asyncio.Lock()
        self._up = asyncio.Event()
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._why_down: Problem | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when the process died by itself, and when another took its place."""

    @property
    def name(self) -> str:
        """The Cluster's name, for messages."""
        return self._name

    @property
    def pid(self) -> int | None:
        """The process of the current generation."""
        return self._generation.process.pid if self._generation else None

    @property
    def why_down(self) -> str:
        """Why there is no process now; empty if there is one."""
        return self._why_down.message if self._why_down and self._generation is None else ""

    @property
    def unavailable(self) -> Mapping[str, Problem]:
        """Depots that are wanted and not mounted, with the reason."""
        return dict(self._generation.unavailable) if self._generation else {}

    async def start(self, access: Access | None = None) -> None:
        """Start the first process. Raises DataOSError `engine.unavailable` if it cannot start."""
        self._spill_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._spill_folder.iterdir():  # an earlier process may have been killed while spilling
            shutil.rmtree(left, ignore_errors=True)
        await self.apply(access or Access(), force=True)

    async def apply(self, access: Access, *, force: bool = False) -> None:
        """Make the engine reach exactly this; returns when a process with it takes statements."""
        async with self._changing:
            if not force and self._generation is not None and access == self._generation.access:
                return
            self._wanted = access
            await self._renew()

    async def remount(self) -> None:
        """Look now whether databases that could not be reached answer again; if one does, a new process mounts it."""
        async with self._changing:
            generation = self._generation
            if generation is None or not generation.unavailable:
                return
            missing = [m for m in generation.access.mounts if m.depot in generation.unavailable]
            if len(await _probe(missing)) < len(missing):
                with contextlib.suppress(DataOSError):
                    await self._renew()

    async def session(self) -> Session:
        """Hold the current process for one statement."""
        if self._generation is not None and self._generation.suspect:
            await self._look(self._generation)
        if self._generation is None and not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._up.wait()
        if self._generation is None:
            raise self._down()
        return Session(self, self._generation)

    async def close(self) -> None:
        """Stop the processes; statements in progress fail."""
        self._closed = True
        async with self._changing:
            generation, self._generation = self._generation, None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if generation is not None:
            generation.retiring = True
            await self._stop(generation)

    async def _look(self, generation: _Generation) -> None:
        """A broken connection is seen before the end of its process: do not send the next statement there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await generation.process.wait()
        generation.suspect = False
        if generation.process.returncode is not None and self._generation is generation:
            self._generation = None
            self._up.clear()

    def _down(self) -> DataOSError:
        why = f": {self._why_down.message}" if self._why_down else ""
        return fail(
            "engine.unavailable",
            f"the query engine of cluster '{self._name}' is not running{why}",
            hint="it is being restarted; repeat the statement",
            retry=2.0,
        )

    # --- generations ----------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Start a process for the wanted access and put it in place of the current one."""
        fresh = await self._launch(self._wanted)
        old, self._generation = self._generation, fresh
        self._why_down = None
        self._up.set()
        self._spawn(self._watch(fresh))
        if fresh.unavailable:
            self._spawn(self._retry_mounts(fresh))
        if old is not None:
            old.retiring = True
            self._spawn(self._drain(old))

    async def _launch(self, access: Access) -> _Generation:
        self._number += 1
        reasons = await _probe(access.mounts)
        present = [m for m in access.mounts if m.depot not in reasons]
        names = {m.depot: "c" + self._ids.token().encode().hex()[:40] for m in present}
        folder = self._fresh_folder()
        token = self._ids.token()
        spill = self._spill_folder / folder.name
        config = {
            "token": token,
            "memory_mib": self._options.memory_mib,
            "mask_key": self._options.mask_key,
            "threads": self._options.threads,
            "spill_folder": str(spill),
            "spill_mib": self._options.spill_mib,
            "folders": [str(f) for f in access.folders],
            "mounts": [_mount_json(m, names[m.depot]) for m in present],
            "buckets": [dataclasses.asdict(b) for b in access.buckets],
            "delta": access.delta,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "dataos.engines.duckdb.process",
            str(folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(folder)},
            cwd=folder,
        )
        self._spawn(_forward_output(self._name, process))
        try:
            answer = await self._handshake(process, config)
        except BaseException:
            await _end(process)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        failed: dict[str, str] = answer["failures"]
        depots = {catalog: depot for depot, catalog in names.items()}
        for catalog, text in failed.items():
            _log.warning("mount_failed", cluster=self._name, depot=depots[catalog], engine_text=text)
            reasons[depots[catalog]] = Problem(
                "depot.unreachable",
                f"depot '{depots[catalog]}' could not be mounted on cluster '{self._name}'",
                hint="it is tried again; look at the server's log for the driver's words",
                retry=5.0,
            )
        client = SocketClient(self._name, folder / "engine.sock", token)
        made = _Generation(
            number=self._number,
            folder=folder,
            process=process,
            client=client,
            access=access,
            catalogs={d: c for d, c in names.items() if c not in failed},
            unavailable=reasons,
            slots=asyncio.Semaphore(self._options.max_statements),
        )
        client.on_broken = made.suspected
        return made

    def _fresh_folder(self) -> Path:
        self._run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        short = len(os.fsencode(self._run_folder)) < _SOCKET_LIMIT - 24
        return Path(tempfile.mkdtemp(prefix="engine-", dir=self._run_folder if short else None))

    async def _handshake(self, process: asyncio.subprocess.Process, config: dict[str, Any]) -> dict[str, Any]:
        stdin = cast("asyncio.StreamWriter", process.stdin)
        stdout = cast("asyncio.StreamReader", process.stdout)
        try:
            async with asyncio.timeout(self._options.start_timeout_s):
                stdin.write(json.dumps(config).encode() + b"\n")
                await stdin.drain()
                line = await stdout.readline()
        except (TimeoutError, ConnectionError) as error:
            raise self._cannot_start("it did not get ready in time") from error
        answer: dict[str, Any] = json.loads(line) if line else {}
        if not answer.get("ready"):
            _log.error("engine_start_failed", cluster=self._name, engine_text=answer.get("failed", ""))
            raise self._cannot_start("the process ended while starting (see the server's log)")
        return answer

    def _cannot_start(self, why: str) -> DataOSError:
        return fail("engine.unavailable", f"the query engine of cluster '{self._name}' cannot start: {why}", retry=5.0)

    async def _watch(self, generation: _Generation) -> None:
        """Replace a process that died by itself."""
        code = await generation.process.wait()
        if generation.retiring or self._closed:
            return
        _log.error("engine_died", cluster=self._name, exit_code=code)
        self._why_down = Problem("engine.unavailable", f"its process ended unexpectedly (exit {code})")
        async with self._changing:
            if self._generation is generation:
                self._generation = None
                self._up.clear()
        self.on_change()
        await self._discard(generation)
        failures = 0
        while not self._closed:
            async with self._changing:
                if self._generation is not None:
                    return
                try:
                    await self._renew()
                    self.on_change()
                    return
                except DataOSError as error:
                    self._why_down = error.problem
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _retry_mounts(self, generation: _Generation) -> None:
        """While this generation serves, look whether a missing database answers; then start a new one."""
        rounds = 0
        while True:
            await asyncio.sleep(_RETRY_MOUNTS_S[min(rounds, len(_RETRY_MOUNTS_S) - 1)])
            rounds += 1
            if generation.retiring or self._generation is not generation:
                return
            await self.remount()

    async def _drain(self, generation: _Generation) -> None:
        if generation.holders:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.drain_s):
                    await generation.idle.wait()
        await self._stop(generation)

    async def _stop(self, generation: _Generation) -> None:
        await _end(generation.process)
        await self._discard(generation)

    async def _discard(self, generation: _Generation) -> None:
        await generation.client.aclose()
        shutil.rmtree(generation.folder, ignore_errors=True)
        shutil.rmtree(self._spill_folder / generation.folder.name, ignore_errors=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- for sessions ---------------------------------------------------------------------------------------------

    def hold(self, generation: _Generation) -> None:
        """Count a session in."""
        generation.holders += 1

    def let_go(self, generation: _Generation) -> None:
        """Count a session out."""
        generation.holders -= 1
        if generation.holders == 0:
            generation.idle.set()


class Session:
    """See `EngineSession`. Released by hand, or by the end of its stream."""

    def __init__(self, engine: DuckdbEngine, generation: _Generation) -> None:
        self._engine = engine
        self._generation = generation
        self._held = True
        engine.hold(generation)

    @property
    def catalogs(self) -> Mapping[str, str]:
        """Mounted depot -> catalog name in this process."""
        return self._generation.catalogs

    @property
    def unavailable(self) -> Mapping[str, Problem]:
        """Wanted depots that this process lacks."""
        return self._generation.unavailable

    @property
    def generation(self) -> int:
        """Number of the process."""
        return self._generation.number

    async def parse(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's own trees."""
        return await self._generation.client.parse(statements)

    async def refresh(self) -> None:
        """Forget remembered tables of mounted databases."""
        await self._generation.client.refresh()

    async def execute(self, sql: str, *, timeout_s: float, max_rows: int | None = None) -> ArrowStream:
        """Start a statement; its stream gives the slot back at its end. Raises DataOSError `engine.busy` if no slot is
        free within the time limit."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_s):
                await self._generation.slots.acquire()
        except TimeoutError as error:
            raise fail(
                "engine.busy",
                f"cluster '{self._engine.name}' is saturated: no place for this statement within {timeout_s:g} s",
                hint="repeat it later, or give the Cluster more resources",
                retry=5.0,
            ) from error
        free: Callable[[], None] = self._generation.slots.release
        return await self._generation.client.execute(
            sql, timeout_s=timeout_s, deadline=started + timeout_s, max_rows=max_rows, at_end=free
        )

    async def release(self) -> None:
        """Let the process go; a second call does nothing."""
        if self._held:
            self._held = False
            self._engine.let_go(self._generation)


async def _probe(mounts: Sequence[Mount]) -> dict[str, Problem]:
    """Which depots cannot be reached now, and why."""

    async def one(mount: Mount) -> tuple[str, Problem | None]:
        if mount.probe is None:
            return mount.depot, None
        try:
            await mount.probe()
        except DataOSError as error:
            return mount.depot, error.problem
        return mount.depot, None

    outcomes = await asyncio.gather(*(one(m) for m in mounts))
    return {depot: problem for depot, problem in outcomes if problem is not None}


def _mount_json(mount: Mount, catalog: str) -> dict[str, Any]:
    return {
        "catalog": catalog,
        "kind": mount.kind,
        "path": mount.path,
        "host": mount.host,
        "port": mount.port,
        "database": mount.database,
        "user": mount.user,
        "password": mount.password,
        "options": dict(mount.options),
    }


async def _forward_output(name: str, process: asyncio.subprocess.Process) -> None:
    """What the process writes to stderr goes to the server's log, at a low level: it may show values."""
    stderr = cast("asyncio.StreamReader", process.stderr)
    while line := await stderr.readline():
        _log.debug("engine_output", cluster=name, line=line.decode("utf-8", "replace").rstrip()[:2000])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()  # the leash
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
