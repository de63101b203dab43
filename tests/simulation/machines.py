"""Machines with their processes: what outlives a server. Fakes of a process runner, of clocks and of depots' reach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core.clock import from_us
from dataos.core.errors import fail
from dataos.processes.ports import START_WITHIN_S, Launch, Observation, Phase, ProcessRunner
from dataos.server import sharing
from dataos.workloads.attempts import ORPHANED
from simulation.loop import OWNER

if TYPE_CHECKING:
    from simulation.servers import Life
    from simulation.world import World

LONGEST_WAIT_US = 205_000_000
"""For a store: before and after a unit of work (`Weather.latency`)."""


@dataclass
class Process:
    """One program. Times are the loop's, in microseconds."""

    key: str
    machine: Machine
    started_us: int
    timeout_s: float | None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    phase: Phase = Phase.RUNNING
    ended_us: int | None = None
    exit_code: int | None = None
    reason: str = ""
    result: bytes | None = None
    fate: str = ""

    @property
    def alive(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.RUNNING)


class Machine:
    """A computer with a clock of its own, a folder of processes, and at most one server."""

    def __init__(self, world: World, id_: str) -> None:
        self.world = world
        self.id = id_
        self.offset_us = 0  # of its clock
        self._set_back: list[tuple[int, int]] = []  # when, in the loop's time, and by how much
        self.processes: dict[str, Process] = {}
        self.late: set[str] = set()  # keys whose supervisor is not up yet
        self.forbidden: set[str] = set()  # keys that must not be started any more
        self.life: Life | None = None
        self.lives = 0
        self.gone = False  # never comes back

    # --- its clock (core.clock.Clock) -----------------------------------------------------------------------------

    def now_us(self) -> int:
        return self.world.true_us() + self.offset_us

    def now(self) -> datetime:
        return from_us(self.now_us())

    def jump(self, us: int) -> None:
        """Somebody sets its clock."""
        self.offset_us += us
        if us < 0:
            self._set_back.append((self.world.loop.now_us, -us))

    def lately_us(self) -> int:
        """The latest that its clock showed while somebody may have read it who writes only now."""
        since = self.world.loop.now_us - LONGEST_WAIT_US
        return self.now_us() + sum(us for at, us in self._set_back if at >= since)

    # --- its server -------------------------------------------------------------------------------------------------

    def begin_life(self) -> None:
        """Start a server, if none is there."""
        if self.life is None and not self.gone:
            self.world.new_life(self)

    def supervise(self, seconds: float | None) -> None:
        """Somebody starts the server again after a while, or nobody does."""
        if seconds is not None:
            self._later(seconds, self.begin_life)

    # --- its processes --------------------------------------------------------------------------------------------

    def start(self, key: str, launch: Launch) -> Process:
        """A program begins."""
        world = self.world
        process = Process(key, self, world.loop.now_us, launch.timeout_s, dict(launch.env))
        self.processes[key] = process
        world.model.process_started(process)
        world.trace("starts", key, "on", self.id)
        process.fate, after_s = world.weather.fate(key)
        if launch.timeout_s is not None and launch.timeout_s <= after_s:
            process.fate, after_s = "timeout", launch.timeout_s
        self._later(after_s, lambda: self.end(process, process.fate))
        return process

    def start_late(self, key: str, launch: Launch) -> None:
        """A program begins in a moment, unless it is told to stop before."""
        self.late.add(key)

        def begin() -> None:
            if key in self.late and not self.gone:
                self.late.discard(key)
                self.start(key, launch)

        self._later(self.world.weather.pick(3.0), begin)

    def end(self, process: Process, fate: str) -> None:
        """A program ends: `ok`, `fails`, `transient`, `lost` (without a record), `timeout`, `stopped`, `orphaned`."""
        if not process.alive:
            return
        process.fate = fate
        process.ended_us = self.world.loop.now_us
        if fate == "lost":
            process.phase = Phase.LOST
        else:
            process.phase = Phase.EXITED
            process.exit_code = {"ok": 0, "fails": 1, "transient": 1}.get(fate, 143)
            process.reason = {"timeout": "timeout", "stopped": "stopped", "orphaned": ORPHANED}.get(fate, "")
        if fate == "transient":
            problem = {"code": "depot.unreachable", "message": "the source did not answer", "retry": 1.0}
            process.result = json.dumps({"problems": [problem]}).encode()
        self.world.trace("ends", process.key, fate)
        life = self.life
        if life is not None:
            for delay in self.world.weather.rings():
                self._later(delay, lambda: life.heard_of(process.key))

    def reboot(self) -> None:
        """The power goes: nothing here goes on."""
        if self.life is not None:
            self.life.kill()
        self.late.clear()
        for process in self.processes.values():
            self.end(process, "lost")

    def sign_of_life_ends(self) -> None:
        """Supervisors end their programs when their server shows no life for a while (not on SQLite)."""
        if self.world.climate.alone:
            return
        seen = self.lives

        def look() -> None:
            life = self.life
            if self.lives == seen and (life is None or life.silent):
                for process in list(self.processes.values()):
                    self.end(process, "orphaned")

        self._later(sharing.ORPHAN_SHARE * self.world.ttl_s, look)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """On the machine itself: whatever becomes of its server."""
        token = OWNER.set(None)
        try:
            self.world.loop.call_us(self.world.loop.now_us + round(seconds * 1e6), action)
        finally:
            OWNER.reset(token)


class SimulatedRunner(ProcessRunner):
    """What one life of a server sees of its machine's processes."""

    def __init__(self, machine: Machine, life: Life) -> None:
        self._machine = machine
        self._life = life
        self.listeners: list[Callable[[str], None]] = []

    async def _pause(self) -> None:
        self._life.live()
        await asyncio.sleep(self._machine.world.weather.latency())
        self._life.live()

    async def start(self, key: str, launch: Launch) -> None:
        asked = asyncio.get_running_loop().time()
        await self._pause()
        if asyncio.get_running_loop().time() - asked > START_WITHIN_S:
            raise fail("process.start", f"cannot start {key}: its files took too long (simulated)", retry=1.0)
        if key in self._machine.processes or key in self._machine.forbidden:
            return
        if key in self._machine.late:
            self._machine.late.discard(key)  # this supervisor is the first to claim it
        fault = self._machine.world.weather.start_fault()
        if fault == "refused":
            raise fail("process.start", f"cannot start {key}: no space left on device (simulated)")
        if fault == "late":  # its supervisor comes up when nobody waits for it any more
            self._machine.start_late(key, launch)
        else:
            self._machine.start(key, launch)
        if fault in ("slow", "late"):
            raise fail("process.start", f"cannot start {key}: its supervisor was not up within 60 s (simulated)")
        await self._pause()

    async def observe(self, key: str) -> Observation:
        await self._pause()
        process = self._machine.processes.get(key)
        if process is None:
            return Observation(Phase.ABSENT)
        world = self._machine.world
        wall = lambda us: None if us is None else us + world.epoch_us + self._machine.offset_us  # noqa: E731
        return Observation(
            process.phase,
            pid=1,
            started_at=wall(process.started_us),
            ended_at=wall(process.ended_us),
            exit_code=process.exit_code,
            reason=process.reason,
        )

    def on_change(self, listener: Callable[[str], None]) -> None:
        self.listeners.append(listener)

    async def adopt(self) -> list[str]:
        await self._pause()
        return sorted(p.key for p in self._machine.processes.values() if p.alive)

    async def stop(self, key: str, grace_s: float) -> None:
        await self._pause()
        self._machine.late.discard(key)
        process = self._machine.processes.get(key)
        if process is not None and process.alive:
            fate, after_s = self._machine.world.weather.stop_fate(grace_s)
            self._machine._later(after_s, lambda: self._machine.end(process, fate))

    async def forbid(self, key: str) -> Observation:
        await self._pause()
        self._machine.late.discard(key)
        self._machine.forbidden.add(key)
        return await self.observe(key)

    async def read_out(self, key: str, name: str, limit_bytes: int = 16 << 20) -> bytes | None:
        await self._pause()
        process = self._machine.processes.get(key)
        return process.result if process is not None else None

    def out_folder(self, key: str) -> Path:
        raise NotImplementedError  # its jobs deliver nothing

    async def read_log(self, key: str, *, offset: int = 0, limit_bytes: int = 1 << 20) -> tuple[bytes, int]:
        return b"", offset

    async def remove(self, key: str) -> None:
        await self._pause()
        process = self._machine.processes.pop(key, None)
        if process is not None and process.alive:
            self._machine.world.fault("processes", f"the files of {key} were removed while it ran")

    async def keys(self) -> list[str]:
        await self._pause()
        return sorted(self._machine.processes)


class SimulatedDepots:
    """Sources that answer, or not: the seed says."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def check(self, name: str, timeout_s: float | None = None) -> None:
        await asyncio.sleep(self._world.weather.latency())
        if not self._world.weather.source_answers():
            raise fail("depot.unreachable", f"depot {name} does not answer (simulated)", retry=1.0)

    async def check_entry(self, entry: Any, credentials: Any) -> None:
        return None
