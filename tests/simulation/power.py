"""The power of a machine with SQLite goes: what was not on its disk yet is lost (docs/architecture.md, deferred writes).

A deferred write reaches the disk with the next write that waits for it. So what may be lost is all deferred writes since
the last such one: here from one write that waits until the next one would happen, or until some time has passed.
"""

from __future__ import annotations

import copy
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.machines import Machine
    from simulation.world import World

_LONGEST_S = 10.0


class Power:
    """About to go. Until then the world goes on, and what happens in its store will not have happened."""

    def __init__(self, world: World, machine: Machine, again_s: float | None) -> None:
        self._world, self._machine, self._again_s = world, machine, again_s
        self._context = copy_context()  # whoever's write it is that meets it, nothing of him goes on
        self._image: bytes | None = None
        self._then: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        self._commits: dict[int, int] = {}
        machine._later(world.weather.pick(_LONGEST_S), self._goes)

    def before_write(self) -> None:
        """A write that waits for the disk is about to happen: the power goes before it."""
        if self._image is not None:
            self.fail()

    def after_write(self) -> None:
        """A write that waits for the disk has happened: all until now is there."""
        world, model = self._world, self._world.model
        self._image = world.disk.image()
        known = [world, model, *world.machines.values(), *world.calls, *model.docs.values()]
        memo = {id(thing): thing for thing in known}
        runs = {name: value for name, value in vars(model.runs).items() if name != "started"}  # what ran, ran
        self._then = copy.deepcopy(({n: getattr(model, n) for n in ("resources", "living", "last_event")}, runs), memo)
        self._commits = {call.number: call.commits for call in world.calls}

    def _goes(self) -> None:
        if self._world.power is self:
            self.fail()

    def fail(self) -> None:
        """Now."""
        world, model = self._world, self._world.model
        world.power = None
        world.trace("the power goes on", self._machine.id)
        self._machine.reboot()
        if self._image is not None:
            for call in world.calls:
                if call.outcome == "done" and call.commits > self._commits.get(call.number, 0):
                    world.fault("power", f"{call} was answered, and what it wrote was not on the disk")
            world.disk.put_back(self._image)
            resources, runs = self._then
            vars(model).update(resources)
            vars(model.runs).update(runs)
        self._context.run(self._machine.supervise, self._again_s)
