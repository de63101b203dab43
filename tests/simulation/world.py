"""One simulation: the world of a seed, its steps one after the other, then calm, and the look at what is left."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Coroutine, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from dataos.core.clock import to_us
from dataos.core.errors import DataOSError
from dataos.core.ids import SeededIds
from simulation import rest, steps
from simulation.disk import Disk
from simulation.loop import Livelock, VirtualLoop
from simulation.machines import Machine
from simulation.model import CALL, UNSURE, Call, Model
from simulation.power import Power
from simulation.servers import Life
from simulation.steps import Step
from simulation.weather import Climate, Weather

TTL_S = 42.0
_REST_S = 3.0
_LONGEST_REST_S = 1800.0
_BUGS = {"look crashed", "controller crashed", "no handler for unit"}


@dataclass(frozen=True)
class Failure:
    """What did not hold. `rule` names the kind of it: reduction keeps to that."""

    seed: int
    rule: str
    text: str
    step: int
    trace: tuple[str, ...]
    steps: tuple[Step, ...] = ()


@contextmanager
def _logs_of(world: World) -> Iterator[None]:
    """Log lines go to the trace; those that tell of a bug are faults."""

    def keep(_logger: Any, level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        name = line.pop("event")
        error = line.pop("exc_info", None)
        world.trace("log", level, name, line, repr(error) if error else "")
        if name in _BUGS:
            where = traceback.format_exception(error)[-3:] if isinstance(error, BaseException) else ""
            world.fault("crash", f"{name}: {line} {''.join(where)}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


class World:
    """Everything of one seed."""

    def __init__(self, disk: Disk, seed: int, *, climate: Climate | None = None, keep_trace: bool = False) -> None:
        self.seed = seed
        self.climate = climate or Climate.of(random.Random(seed))
        self.disk = disk
        self.loop = VirtualLoop()
        self.ids = SeededIds(seed)
        self.weather = Weather(self.climate, random.Random(seed))
        self.epoch_us = to_us(datetime.fromisoformat(self.climate.start))
        self.ttl_s = TTL_S
        self.machines = {f"m{n}": Machine(self, f"m{n}") for n in range(self.climate.machines)}
        self.cut: set[str] = set()  # machines that were cut off from the store
        self.jumped_s = 0.0  # by all clocks, at most
        self.model = Model(self)
        self.power: Power | None = None  # about to go
        self.calls: list[Call] = []
        self.pending: dict[int, asyncio.Task[Any]] = {}
        self.step = 0
        self.faults: list[tuple[str, str]] = []
        self._keep_trace = keep_trace
        self.traced: list[str] = []
        disk.reset()

    # --- what its parts ask -----------------------------------------------------------------------------------------

    def true_us(self) -> int:
        """The true time, in microseconds since 1970."""
        return self.epoch_us + self.loop.now_us

    def fault(self, rule: str, text: str) -> None:
        """Something does not hold."""
        self.faults.append((rule, text))
        self.trace("FAULT", rule, text)

    def trace(self, *words: Any) -> None:
        """For whoever looks at a replay."""
        if self._keep_trace:
            self.traced.append(f"{self.loop.now_us / 1e6:12.6f}  " + " ".join(map(str, words)))

    def ring_all(self) -> None:
        """A commit rings all servers: each may hear of it late, twice or never."""
        for machine in self.machines.values():
            life = machine.life
            if life is not None:
                for delay in self.weather.rings():
                    self.loop.call_us(self.loop.now_us + round(delay * 1e6), life.rung)

    def new_life(self, machine: Machine) -> None:
        """A server starts."""
        Life(self, machine).start()

    # --- calls --------------------------------------------------------------------------------------------------------

    def life(self, number: int) -> Life | None:
        """A server that is up; the number chooses."""
        up = [m.life for m in self.machines.values() if m.life is not None and m.life.up]
        return up[number % len(up)] if up else None

    def call(self, life: Life, call: Call, work: Coroutine[Any, Any, Any]) -> None:
        """A client asks a server."""
        call.life = life.name
        self.calls.append(call)
        self.trace(call, "to", life.name)
        task = life.call(work, call=(CALL, call))
        self.pending[call.number] = task
        task.add_done_callback(lambda done: self._over(call, done), context=None)

    def _over(self, call: Call, task: asyncio.Task[Any]) -> None:
        self.pending.pop(call.number, None)
        if task.cancelled():
            call.outcome = "unsure"
        elif (error := task.exception()) is None:
            call.outcome, call.answer = "done", task.result()
        elif isinstance(error, DataOSError):
            call.error = error
            call.outcome = "unsure" if error.problem.code in UNSURE else "refused"
        else:
            call.outcome = "refused"
            self.fault("calls", f"{call} crashed: {type(error).__name__}: {error}")
        self.trace(f"call {call.number}", call.outcome, call.error or "")
        self.model.answered(call)

    # --- a simulation -------------------------------------------------------------------------------------------------

    @contextmanager
    def living(self) -> Iterator[None]:
        """From the start of all servers to the end of everything; faults are in `faults` afterwards."""
        with self.loop.running(), _logs_of(self):
            try:
                for machine in self.machines.values():
                    machine.begin_life()
                self.loop.advance(1.0)
                yield
            except Livelock as livelock:
                self.fault("livelock", str(livelock))
            finally:
                self._end()

    def run(self, plan: Sequence[Step]) -> Failure | None:
        """All of it. None if everything held."""
        with self.living():
            for number, step in enumerate(plan):
                self.step = number
                self.weather.begin(step.salt)
                self.trace("STEP", step)
                steps.perform(self, step)
                self.loop.advance(step.then_s)
                if self.faults:
                    break
            else:
                self.calm()
        if not self.faults:
            return None
        rule, text = self.faults[0]
        return Failure(self.seed, rule, text, self.step, tuple(self.traced), tuple(plan))

    def calm(self) -> None:
        """No faults any more: everything must come to what is wanted, and to rest."""
        self.weather.calm = True
        self.weather.store_away = self.weather.sources_away = False
        self.weather.cut_off.clear()
        self.weather.steals = 0
        self.weather.begin(self.seed)
        self.step = -1
        self.trace("CALM")
        if self.power is not None:
            self.power.fail()
        for machine in self.machines.values():
            if machine.life is not None and machine.life.stopping:
                self.loop.advance(1.0)
            life = machine.life
            if life is not None:
                life.frozen_until_us = min(life.frozen_until_us, self.loop.now_us)
                life._thaw()
            else:
                machine.begin_life()
            for process in machine.processes.values():
                attempt = self.model.runs.attempts.get(process.key)
                owned = attempt is not None and attempt.state in ("launching", "running")
                if process.alive and owned:  # others are nobody's: the server must end them
                    machine._later(0.5, lambda m=machine, p=process: m.end(p, "ok"))
        self.loop.advance(1.0)
        steps.resume_all(self)
        waited = 0.0
        while not self.faults and (open_ := rest.unrest(self)):
            if waited >= _LONGEST_REST_S:
                self.fault("rest", f"it does not come to rest: {open_[:6]}")
                return
            for machine in self.machines.values():  # a supervisor starts what ended
                machine.begin_life()
            steps.resume_all(self)
            if waited > _LONGEST_REST_S / 2:
                steps.delete_hopeless(self)
            self.loop.advance(_REST_S)
            waited += _REST_S
        if not self.faults:
            rest.look(self)

    def _end(self) -> None:
        """Nothing of it goes on: the next simulation begins without it."""
        for machine in self.machines.values():
            machine.gone = True
            if machine.life is not None:
                machine.life.kill()
        self.weather.calm = True
        self.loop.advance(200.0)  # the longest that somebody is stuck
        for problem in self.loop.problems:
            self.fault("loop", problem)
