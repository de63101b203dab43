"""Runs programs on this machine: each under a shim that outlives the server, in a sandbox where there is one.

Called by the workloads' controllers through `ports.ProcessRunner`. Keeps nothing in memory that its files don't tell:
any number of servers on the same folder agree through `records`. Knows keys and programs, not runs or Resources.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.processes import folders, launching, limits, logfiles, prepared, records, spawning, trees, watches
from dataos.processes import shim as shim_program
from dataos.processes.ports import START_WITHIN_S, Launch, Observation, Phase, ProcessRunner, Usage

P = ParamSpec("P")
T = TypeVar("T")

_UP_WITHIN_S = 60.0
_GRACE_S = 10.0
_THREADS = 8
_PREPARE_AFTER_S = 0.1  # what has just begun comes first
_ALIVE = (Phase.STARTING, Phase.RUNNING)


def _no_checkpoint(_: str) -> None:
    pass


class LocalRunner(ProcessRunner):
    """A `ProcessRunner` for this machine. Belongs to one event loop; safe beside other runners on the same folder.

    `root` has one folder per key. `server_socket` lies in a folder that holds nothing but sockets: jobs with server
    access see that folder. `checkpoint(name)` is called between any two steps of a start, so that tests can end the
    process there. `alive`: a file and seconds; jobs end when the server's sign of life in it is older, because other
    servers take them over then. None: jobs outlive their server. `prepared_most`: how many programs may wait for
    their next job (`Launch.waits`), `prepared_s`: for how long.
    """

    def __init__(
        self,
        *,
        root: Path,
        server_socket: Path | None,
        sandbox: launching.Mode,
        trust_user_code: bool,
        clock: Clock,
        checkpoint: Callable[[str], None] = _no_checkpoint,
        alive: tuple[Path, float] | None = None,
        prepared_most: int = 0,
        prepared_s: float = 300.0,
    ) -> None:
        # One spelling for good: the folder's path is part of how leftovers of a dead shim are recognised.
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root.resolve()
        self._socket = server_socket.absolute() if server_socket else None
        if self._socket is not None:
            self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._checkpoint = checkpoint
        self._composer = launching.Composer(self._root, self._socket, sandbox, alive, trust_user_code=trust_user_code)
        self._listeners: list[Callable[[str], None]] = []
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches = watches.Watches(self._shim_ended)
        self._spawner = spawning.Spawner(self._root)
        self._prepared = prepared.Prepared(self._root, self._spawner, prepared_most, prepared_s)
        self._prepared_s = prepared_s
        self._again: dict[str, prepared.Form] = {}  # key -> what its program's next one would look like
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="processes")

    async def start(self, key: str, launch: Launch) -> None:
        """Start the program once. Returns when its supervisor is up. A second call for the same key does nothing.

        Raises DataOSError `process.no_sandbox`, `process.start`, `process.key`.
        """
        folders.check_key(key)
        async with self._lock(key):
            state = await self._run(self._start, key, launch, limits.uptime_s())
            self._watch(key, state)
        if key in self._again:
            asyncio.get_running_loop().call_later(_PREPARE_AFTER_S, self._prepare_next, key)

    async def observe(self, key: str) -> Observation:
        """What is known of the key now."""
        state = await self._run(folders.look, self._root, folders.check_key(key))
        self._watch(key, state)
        return Observation(
            state.phase,
            pid=state.child_pid,
            started_at=state.started_at,
            ended_at=state.ended_at,
            exit_code=state.exit_code,
            reason=state.reason,
        )

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(key)` on the event loop soon after a process ends. Only a wake-up: it may be missed."""
        self._listeners.append(listener)

    async def adopt(self) -> list[str]:
        """After a restart: find the processes of an earlier server and watch them again. Returns their keys."""
        await self._run(folders.sweep, self._root)
        found: list[str] = []
        for key in await self.keys():
            state = await self._run(folders.look, self._root, key)
            if state.phase in _ALIVE:
                self._watch(key, state)
                found.append(key)
            elif state.phase is Phase.LOST:
                await self._run(folders.bury, self._root, key)
        await self._run(limits.sweep_groups)
        return found

    async def stop(self, key: str, grace_s: float) -> None:
        """Ask the program to end, kill its whole tree after the grace period. Returns at once; observe tells."""
        await self._run(self._stop, folders.check_key(key), grace_s)

    async def forbid(self, key: str) -> Observation:
        """See to it that a program that has not begun never begins under this key, not by a start that is under way
        either. Returns how the process is; one that runs is left running. Raises DataOSError `process.stop` where
        that cannot be written down.
        """
        await self._run(self._forbid, folders.check_key(key))
        return await self.observe(key)

    async def read_out(self, key: str, name: str, limit_bytes: int = 16 << 20) -> bytes | None:
        """A file that the program left in its out folder (never through a link), or None. Raises DataOSError
        `process.result` beyond the limit or for a name outside the folder."""
        return await self._run(folders.read_out, self._root, folders.check_key(key), name, limit_bytes)

    def out_folder(self, key: str) -> Path:
        """Where the files are that the program left in its out folder. What is in it is not to be trusted."""
        return self._root / folders.check_key(key) / "out"

    async def read_log(self, key: str, *, offset: int = 0, limit_bytes: int = 1 << 20) -> tuple[bytes, int]:
        """Log text from a byte offset on, and the offset to go on from (equal if there is no more yet).

        Offsets count in everything the program ever wrote; a marker line stands where the middle was cut out.
        """
        folder = str(self._root / folders.check_key(key) / "log")
        return await self._run(logfiles.read_from, folder, offset, limit_bytes)

    async def remove(self, key: str) -> None:
        """Forget an ended key with its files; a running one is killed first. Raises DataOSError `process.stop` if the
        system can't end it."""
        folders.check_key(key)
        async with self._lock(key):
            await self._run(self._end_now, key)
            self._watches.remove(key)
            await self._run(folders.forget, self._root, key)

    async def keys(self) -> list[str]:
        """All keys that have files on this machine."""
        return await self._run(folders.keys, self._root)

    async def usage(self, key: str) -> Usage:
        """How much disk a key uses; walks its folder."""
        return await self._run(folders.usage, self._root, folders.check_key(key))

    async def shed(self, key: str, *, log: bool) -> None:
        """Remove the log of an ended key, or (false) everything but its log and records."""
        await self._run(folders.shed, self._root, folders.check_key(key), log=log)

    async def sandbox_warning(self) -> str:
        """Why the platform's own jobs run as plain processes here, for a warning at start; empty if they don't."""
        return await self._run(self._composer.warning)

    @property
    def prepared(self) -> int:
        """How many programs wait for a job."""
        return self._prepared.count

    async def close(self) -> None:
        """Stop watching. The processes go on; a later runner adopts them."""
        self._watches.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._prepared.close)
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._spawner.close)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

    def _lock(self, key: str) -> asyncio.Lock:
        # Only spares needless shims: that a program runs once is the claim's work, also between servers.
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    # --- starting -----------------------------------------------------------------------------------------------------

    def _start(self, key: str, launch: Launch, asked_s: float) -> folders.State:
        for _ in range(3):
            state = folders.look(self._root, key)
            if state.phase is not Phase.ABSENT:
                return state
            if (self._root / key).is_dir():
                folders.discard_stale(self._root, key)
            slot = None
            try:
                if not (self._root / key).is_dir():
                    is_ours, slot = self._write(key, launch)
                    self._checkpoint("processes.folder-written")
                    if not is_ours:
                        continue  # forbidden meanwhile, or somebody else starts it
                if limits.uptime_s() - asked_s > START_WITHIN_S:
                    raise fail(
                        "process.start",
                        f"cannot start {key}: its files took longer than {START_WITHIN_S:.0f} s",
                        retry=1.0,
                    )
                self._spawn(key, slot)
            finally:
                if slot is not None:
                    slot.end()
            self._checkpoint("processes.shim-up")
        # Three shims in a row claimed and died before they wrote a word.
        raise self._not_up(key, "its supervisor died while starting")

    def _write(self, key: str, launch: Launch) -> tuple[bool, prepared.Slot | None]:
        """Make the key's folder, of a prepared program's if one waits. False if it has one already."""
        composed = self._composer.compose(key, launch)
        slot = None
        if composed.form is not None and not self._prepared.is_off:
            self._again[key] = composed.form
            slot = self._prepared.take(composed.form)
        self._checkpoint("processes.folder-writing")
        try:
            begun = slot.folder if slot is not None else None
            made = folders.write(self._root, key, composed.record, launch.files, composed.etc, self._checkpoint, begun)
        except BaseException as error:
            if slot is not None:
                slot.end()
            if isinstance(error, OSError):
                raise fail("process.start", f"cannot write the files of {key}: {error.strerror}") from error
            raise
        return made, slot

    def _prepare_next(self, key: str) -> None:
        """Once a job has run for a moment, or has ended: its program's next job finds one that waits."""
        form = self._again.pop(key, None)
        if form is None or self._prepared.is_off:
            return
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._pool, self._prepared.prepare, form)
        done.add_done_callback(lambda _: loop.call_later(self._prepared_s, self._expire))

    def _expire(self) -> None:
        if not self._prepared.is_off:
            asyncio.get_running_loop().run_in_executor(self._pool, self._prepared.expire)

    def _spawn(self, key: str, slot: prepared.Slot | None) -> None:
        """Start a shim, or call the one that waits, and wait until it has claimed the folder or left it to another."""
        ready, told = os.pipe()
        try:
            try:
                if slot is not None:
                    slot.give(self._root / key, told)
                else:
                    self._spawner.spawn(str(self._root / key), told)
            except OSError as error:
                raise self._not_up(key, f"its supervisor cannot be started: {error.strerror or error}") from error
            finally:
                os.close(told)
            self._checkpoint("processes.shim-spawned")
            word = _first_word(ready)
        finally:
            os.close(ready)
        if word is not None and word.startswith(shim_program.UP):
            return
        if word == b"" and slot is not None:
            return  # it has ended with its program: another one is started
        if word is None:
            raise self._not_up(key, f"its supervisor was not up within {_UP_WITHIN_S:.0f} s")
        if word == b"" and folders.look(self._root, key).phase is Phase.ABSENT:
            raise self._not_up(key, "its supervisor ended while starting")

    def _not_up(self, key: str, what: str) -> Exception:
        try:
            said = (self._root / key / "shim.err").read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            said = []
        return fail("process.start", f"cannot start {key}: {what}" + (f" ({said[-1][:300]})" if said else ""))

    # --- watching and ending ------------------------------------------------------------------------------------------

    def _watch(self, key: str, state: folders.State) -> None:
        if state.shim is None or key in self._watches:
            return
        root = self._root
        self._watches.add(key, state.shim.pid, lambda: folders.look(root, key).shim == state.shim)

    def _shim_ended(self, key: str) -> None:
        task = asyncio.get_running_loop().create_task(self._settle(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, key: str) -> None:
        state = await self._run(folders.look, self._root, key)
        if state.phase is Phase.LOST:
            await self._run(folders.bury, self._root, key)
        self._prepare_next(key)
        for listener in self._listeners:
            # On its own turn of the loop: one that fails does not keep the others from being called.
            asyncio.get_running_loop().call_soon(listener, key)

    def _forbid(self, key: str) -> None:
        try:
            if not (self._root / key).is_dir():
                folders.forbid(self._root, key, self._clock.now_us())
            if folders.look(self._root, key).phase is Phase.ABSENT:  # its files are there: its shim will see this
                self._ask_to_stop(key, 0.0)
        except OSError as error:
            raise fail("process.stop", f"cannot forbid {key} to start: {error.strerror}", retry=1.0) from error

    def _ask_to_stop(self, key: str, grace_s: float) -> None:
        request = {"grace_s": max(grace_s, 0.0), "asked_at": self._clock.now_us()}
        records.write(str(self._root / key), records.STOP, request)

    def _stop(self, key: str, grace_s: float) -> None:
        state = folders.look(self._root, key)
        if state.phase in (Phase.EXITED, Phase.LOST):
            return
        try:
            self._ask_to_stop(key, grace_s)
        except FileNotFoundError:
            return
        # Looked at again: a shim that came up between the first look and the request may not have seen the request.
        self._signal(key, signal.SIGTERM)

    def _signal(self, key: str, number: int) -> None:
        """Signal the key's shim, never somebody who got its number."""
        shim = folders.look(self._root, key).shim
        if shim is None:
            return
        try:
            fd = os.pidfd_open(shim.pid)
        except AttributeError:
            trees.send(shim.pid, number)
            return
        except OSError:
            return
        try:
            if folders.look(self._root, key).shim == shim:
                signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)

    def _end_now(self, key: str) -> None:
        self._stop(key, 0.0)
        for number, within_s in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
            deadline = time.monotonic() + within_s
            while (state := folders.look(self._root, key)).phase in _ALIVE:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            else:
                break
            if number == signal.SIGTERM:
                self._signal(key, signal.SIGKILL)
        if state.phase in _ALIVE:
            raise fail("process.stop", f"{key} cannot be killed (process {state.child_pid})")
        if state.phase is Phase.LOST:
            folders.bury(self._root, key)


def _first_word(fd: int) -> bytes | None:
    """What a shim says; empty if it died silent, None if it said nothing in time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(_UP_WITHIN_S * 1000):
        return None
    return os.read(fd, 64)
