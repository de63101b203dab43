"""What a Cluster manifest may say (ch06 5.2). This version runs Minerva (Trino dialect) on the embedded engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataos.core.addresses import ResourceKey, Udl
from dataos.manifest import quantities
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.runnables import COMPUTES, Resources
from dataos.manifest.specs import LowerText, Path, Reading, Spec, Text, read_model, spelled, suggest


class MountedDepot(Spec):
    """One Depot of a Cluster."""

    address: Text
    properties: dict[str, Text] = {}
    secrets: Any = None


class Minerva(Spec):
    """The Minerva block."""

    replicas: int = 1
    resources: Resources = spelled("resource", default=Resources())
    secrets: Any = None
    depots: tuple[MountedDepot, ...] = spelled(default=(), lone=True)
    catalogs: tuple[Any, ...] = ()
    debug: Any = None
    coordinator_envs: dict[str, Text] = {}
    worker_envs: dict[str, Text] = {}
    override_default_envs: bool = True
    spill_over_volume: Text | None = None
    selector: Any = None
    match: Text | None = None
    priority: int | None = None
    run_as_api_key: Text | None = None
    run_as_user: Text | None = None


class ClusterSection(Spec):
    """The section as written."""

    compute: Text = "query-default"
    type: LowerText | None = None
    minerva: Minerva | None = None
    themis: Any = None
    nats: Any = None
    jupyter_hub: Any = None
    maintenance: Any = None
    dataos_secrets: Any = None
    run_as_api_key: Text | None = None
    run_as_user: Text | None = spelled("runaAsUser", default=None)
    node_selector: Any = None
    toleration: Text | None = None
    debug: Any = None
    depots: tuple[MountedDepot, ...] = ()


@dataclass(frozen=True)
class ClusterSpec:
    """Canonical Cluster. `depots`: names of mounted Depots; None: every Depot (only the shipped `miniature`)."""

    engine: str
    depots: tuple[str, ...] | None
    memory_bytes: int | None
    cpu: float | None


_LATER = "it comes with a later version: see docs/roadmap.md"


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ClusterSpec with references to its Depots."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(ClusterSection, section, reading, path)
    if spec is None:
        return None
    engines = [e for e in ("minerva", "themis", "nats", "jupyterHub") if getattr(spec, _attribute(e)) is not None]
    engine = spec.type or (engines[0] if engines else "minerva")
    if engine != "minerva":
        reading.error(
            (*path, "type"),
            f"a Cluster of type `{engine}` is not supported yet",
            code="manifest.unsupported",
            hint=_LATER,
        )
        return None
    if spec.compute not in COMPUTES:
        reading.error(
            (*path, "compute"),
            f"invalid resource dependency, not found: {spec.compute}:compute",
            hint=suggest(spec.compute, COMPUTES),
        )
    minerva = spec.minerva or Minerva()
    _refuse_later(spec, minerva, reading, path)
    mounts = [(("minerva", "depots", i), d) for i, d in enumerate(minerva.depots)]
    mounts += [(("depots", i), d) for i, d in enumerate(spec.depots)]
    references: list[Reference] = []
    for where, mounted in mounts:
        udl = reading.attempt((*path, *where, "address"), lambda m=mounted: Udl.parse(m.address))
        if udl:
            references.append(Reference(ResourceKey("depot", udl.depot), (*path, *where, "address")))
    everything = context.meta.name == "miniature" and context.workspace == "system" and not mounts
    limits = minerva.resources.limits
    memory = quantities.memory(limits.memory, (*path, "minerva", "resources", "limits", "memory"), reading)
    cpu = quantities.cpu(limits.cpu, (*path, "minerva", "resources", "limits", "cpu"), reading)
    if len(reading.problems) > before:
        return None
    depots = None if everything else tuple(sorted({r.target.name for r in references}))
    return KindReading(ClusterSpec("minerva", depots, memory, cpu), tuple(references))


def _attribute(engine: str) -> str:
    return "jupyter_hub" if engine == "jupyterHub" else engine


def _refuse_later(spec: ClusterSection, minerva: Minerva, reading: Reading, path: Path) -> None:
    if minerva.catalogs:
        reading.error(
            (*path, "minerva", "catalogs"),
            "catalogs without a Depot are not supported yet",
            code="manifest.unsupported",
            hint=_LATER,
        )
    if spec.maintenance:
        reading.error(
            (*path, "maintenance"), "`maintenance` is not supported yet", code="manifest.unsupported", hint=_LATER
        )
    if minerva.replicas != 1:
        reading.error(
            (*path, "minerva", "replicas"),
            f"{minerva.replicas} replicas are not supported yet",
            code="manifest.unsupported",
            hint=f"write 1; {_LATER}",
        )
    for key in ("selector", "coordinatorEnvs", "workerEnvs", "debug"):
        attribute = {"coordinatorEnvs": "coordinator_envs", "workerEnvs": "worker_envs"}.get(key, key)
        if getattr(minerva, attribute):
            reading.warn((*path, "minerva", key), f"`{key}` is accepted and has no effect on the embedded engine yet")
