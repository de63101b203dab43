"""What a Worker manifest may say (ch03 4): one stack that never ends, without ports, and its replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dataos.manifest import blocks
from dataos.manifest.blocks import AutoScaling, Count, HighAvailability, Scaling, Spread
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.runnables import Runnable, RunnableBlock, read_host
from dataos.manifest.specs import Path, Reading

_PORTS = ("serviceport", "serviceports", "ingress")


class WorkerSection(RunnableBlock):
    """The section as written: a runnable block and its replicas."""

    replicas: Count = 1
    """How many processes."""
    auto_scaling: AutoScaling | None = None
    """Replicas that follow the use."""
    high_availability_config: HighAvailability | None = None
    """How replicas are spread."""

    def copies(self) -> int:
        """Replicas, as many as there may be."""
        scaling = self.auto_scaling
        return max(self.replicas, scaling.max_replicas or 1) if scaling and scaling.enabled else self.replicas


@dataclass(frozen=True)
class WorkerSpec:
    """Canonical Worker: replicas are alike and do not know each other."""

    runnable: Runnable
    replicas: int
    scaling: Scaling | None
    spread: Spread | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical WorkerSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    if isinstance(section, dict):
        whole = cast("dict[str, Any]", section)
        section = {k: v for k, v in whole.items() if k.lower() not in _PORTS}
        for key in whole.keys() - section.keys():
            reading.error((*path, key), f"`{key}`: a worker has no ports; use a service", hint="type: service")
    found = read_host(WorkerSection, section, reading, path, context.workspace, "worker")
    if found is None:
        return None
    block, runnable = found
    scaling = blocks.read_scaling(block.auto_scaling, (*path, "autoScaling"), reading)
    if scaling and not scaling.least <= block.replicas <= scaling.most:
        text = f"replicas {block.replicas} lie outside of autoScaling's {scaling.least} to {scaling.most}"
        reading.warn((*path, "replicas"), f"{text}, which win")
    spread = blocks.read_spread(block.high_availability_config, (*path, "highAvailabilityConfig"), reading)
    if len(reading.problems) > before:
        return None
    spec = WorkerSpec(runnable, block.replicas, scaling, spread)
    return KindReading(spec, runnable.references, tuple(p[1:] for p in runnable.secret_paths))
