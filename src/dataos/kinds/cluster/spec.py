"""What a Cluster manifest may say (ch06 5.2, 5.3): a named SQL endpoint, what it sees, and its engine.

The embedded engine serves one replica of Minerva (Trino dialect); the other forms are read in full and run later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field

from dataos.core.addresses import ResourceKey, Udl
from dataos.manifest import blocks, engines, schedules
from dataos.manifest.annotations import Words, needs, rules, when
from dataos.manifest.blocks import Resources, SecretUse, Sizes, Whole
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.engines import CatalogEntry, JupyterHub, Minerva, MountedDepot, Nats, Selector, Themis
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

ENGINES = ("minerva", "themis", "nats", "jupyterHub")


class ScalingCron(Spec):
    """A size from a time on, until another one begins."""

    cron: Text = spelled("corn")
    """When this size begins (five fields)."""
    timezone: Text = ""
    """Time zone of the expression."""
    replicas: Whole = Field(default=1, ge=0)
    """Replicas from then on."""
    resources: Resources | None = spelled("resource", default=None)
    """CPU and memory from then on."""


class Maintenance(Spec):
    """Restarts and sizes by the clock."""

    restart_cron: Text | None = spelled("restartCorn", default=None)
    """When it is restarted (five fields)."""
    timezone: Text = ""
    """Time zone of the expression."""
    scaling_crons: tuple[ScalingCron, ...] = spelled("scalingCorns", default=(), lone=True)
    """Sizes by the clock."""


_RULES = rules(*(when("type", engine, needs(engine)) for engine in ("nats", "jupyterHub")))


class ClusterSection(Spec, json_schema_extra=_RULES):
    """The section as written."""

    compute: Text = "query-default"
    """Compute it runs on."""
    type: Annotated[Text, Words(*ENGINES)] | None = None
    """Engine; by the section that is there if left out."""
    minerva: Minerva | None = None
    """SQL engine of the Trino dialect."""
    themis: Themis | None = None
    """SQL engine of Spark."""
    nats: Nats | None = None
    """Message cluster."""
    jupyter_hub: JupyterHub | None = None
    """Notebooks."""
    maintenance: Maintenance | None = None
    """Restarts and sizes by the clock."""
    dataos_secrets: tuple[SecretUse, ...] = spelled(default=(), lone=True)
    """Secrets of the engine."""
    run_as_api_key: Text | None = None
    """API key of the engine; it is sealed."""
    run_as_user: Text | None = spelled("runaAsUser", default=None)
    """User as whom the engine reads."""
    node_selector: dict[str, Text] = {}
    """Labels of the machines."""
    toleration: Text | None = spelled("tolerations", default=None)
    """Taint that is tolerated."""


@dataclass(frozen=True)
class Size:
    """Canonical scheduled size."""

    cron: str
    timezone: str
    replicas: int
    sizes: Sizes


@dataclass(frozen=True)
class ClusterSpec:
    """Canonical Cluster. `depots`: names of mounted Depots; None: every Depot (only the shipped `miniature`)."""

    engine: str
    depots: tuple[str, ...] | None
    memory_bytes: int | None
    cpu: float | None
    compute: str = "query-default"
    replicas: int = 1
    selector: Selector | None = None
    catalogs: tuple[CatalogEntry, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()  # of Minerva's coordinatorEnvs and workerEnvs, as written
    scaling: tuple[Size, ...] = ()
    restart: tuple[str, str] | None = None  # cron and zone
    model: Themis | Nats | JupyterHub | None = None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ClusterSpec with references to its Depots, Secrets and Compute."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(ClusterSection, _lifted(section, path, reading), reading, path)
    if spec is None:
        return None
    engine = _engine(spec, path, reading)
    restart, scaling = _maintenance(spec.maintenance, (*path, "maintenance"), reading)
    uses = [(u, (*path, "dataosSecrets", i)) for i, u in enumerate(spec.dataos_secrets)]
    references = [
        *blocks.compute_reference(spec.compute, (*path, "compute")),
        *blocks.secret_references(blocks.read_secret_uses(uses, reading), context.workspace),
    ]
    minerva, themis = spec.minerva or Minerva(), spec.themis or Themis()
    mounts: tuple[tuple[MountedDepot, Path], ...] = ()
    if engine in ("minerva", "themis"):
        own = minerva.depots if engine == "minerva" else themis.depots
        mounts = tuple((d, (*path, engine, "depots", i)) for i, d in enumerate(own))
    depots = [Reference(r.target, r.path) for r in _depots(mounts, reading)]
    references += [*depots, *_used_secrets(engine, minerva, mounts, context.workspace, path, reading)]
    sizes = blocks.read_sizes(minerva.resources, (*path, "minerva", "resources"), reading)
    model: Themis | Nats | JupyterHub | None = None
    selector: Selector | None = None
    match engine:
        case "minerva":
            selector = engines.check_minerva(minerva, (*path, "minerva"), reading)
        case "themis":
            model = engines.check_themis(themis, (*path, "themis"), reading)
            sizes = blocks.read_sizes(themis.resources, (*path, "themis", "resources"), reading)
        case "nats" if spec.nats is not None:
            model = engines.check_nats(spec.nats, (*path, "nats"), reading)
        case "jupyterHub" if spec.jupyter_hub is not None:
            model = engines.check_hub(spec.jupyter_hub, (*path, "jupyterHub"), reading)
        case _:
            pass
    sealed = _sealed(section, path, reading)
    _say_what_waits(spec, engine, minerva, mounts, path, reading)
    if engine is None or len(reading.problems) > before:
        return None
    everything = context.meta.name == "miniature" and context.workspace == "system" and not mounts
    canonical = ClusterSpec(
        engine=engine,
        depots=None if everything else tuple(sorted({r.target.name for r in depots})),
        memory_bytes=sizes.memory_limit,
        cpu=sizes.cpu_limit,
        compute=spec.compute,
        replicas=minerva.replicas,
        selector=selector,
        catalogs=minerva.catalogs,
        settings=tuple({k: v or "" for k, v in (minerva.coordinator_envs | minerva.worker_envs).items()}.items()),
        scaling=scaling,
        restart=restart,
        model=model,
    )
    return KindReading(canonical, tuple(references), sealed)


def _lifted(section: Any, path: Path, reading: Reading) -> Any:
    """`debug` and `depots` one level too high, `requests`/`limits` beside `resources` (ch06 5.3)."""
    if not isinstance(section, dict):
        return section
    whole = dict(cast("dict[str, Any]", section))
    home = next((k for k in whole if k.lower() in ("minerva", "themis")), None)
    if home is None and any(k.lower() in ("debug", "depots") for k in whole):
        home, whole["minerva"] = "minerva", {}
    if home is None or not isinstance(whole[home] or {}, dict):
        return whole
    block = dict(cast("dict[str, Any]", whole[home] or {}))
    for key in [k for k in whole if k.lower() in ("debug", "depots")]:
        if any(k.lower() == key.lower() for k in block):
            reading.error((*path, key), f"`{key}` is given twice", hint=f"keep the one below `{home}`")
            del whole[key]
        else:
            reading.warn((*path, key), f"`{key}` belongs below `{home}`", code="manifest.variant")
            block[key] = whole.pop(key)
    whole[home] = blocks.lift_sizes(block, (*path, home), reading)
    return whole


def _engine(spec: ClusterSection, path: Path, reading: Reading) -> str | None:
    there = [e for e in ENGINES if getattr(spec, engines.attribute(e)) is not None]
    if spec.type is None:
        if len(there) > 1:
            text = f"`{'`, `'.join(there)}` stand beside each other"
            reading.error(path, text, hint="say `type`, and keep the section of that type")
            return None
        return there[0] if there else "minerva"
    engine = one_of(spec.type, ENGINES, (*path, "type"), reading, "cluster type")
    for other in there if engine else ():
        if other != engine:
            text = f"section `{other}` has no place in a Cluster of type {engine}"
            reading.error((*path, other), text, hint=f"remove it, or write `type: {other}`")
    if engine in ("nats", "jupyterHub") and engine not in there:
        reading.error(path, f"section `{engine}` is missing", code="manifest.missing")
    return engine


def _maintenance(
    block: Maintenance | None, path: Path, reading: Reading
) -> tuple[tuple[str, str] | None, tuple[Size, ...]]:
    if block is None:
        return None, ()
    zone = schedules.timezone(block.timezone, (*path, "timezone"), reading)
    cron = block.restart_cron
    restart = schedules.cron(cron, (*path, "restartCron"), reading, (5,)) if cron is not None else None
    sizes: list[Size] = []
    for position, entry in enumerate(block.scaling_crons):
        where = (*path, "scalingCrons", position)
        when = schedules.cron(entry.cron, (*where, "cron"), reading, (5,))
        inside = schedules.timezone(entry.timezone, (*where, "timezone"), reading)
        size = blocks.read_sizes(entry.resources or Resources(), (*where, "resources"), reading)
        if when and inside:
            sizes.append(Size(when, inside, entry.replicas, size))
    return (restart, zone) if restart and zone else None, tuple(sizes)


def _depots(mounts: Iterable[tuple[MountedDepot, Path]], reading: Reading) -> Iterable[Reference]:
    for mounted, where in mounts:
        udl = reading.attempt((*where, "address"), lambda m=mounted: Udl.parse(m.address))
        if udl:
            yield Reference(ResourceKey("depot", udl.depot), (*where, "address"))


def _used_secrets(
    engine: str | None,
    minerva: Minerva,
    mounts: tuple[tuple[MountedDepot, Path], ...],
    workspace: str | None,
    path: Path,
    reading: Reading,
) -> tuple[Reference, ...]:
    written = [(entry, (*where, "secrets", i)) for m, where in mounts for i, entry in enumerate(m.secrets)]
    if engine == "minerva":
        own = (*path, "minerva")
        written += [(entry, (*own, "secrets", i)) for i, entry in enumerate(minerva.secrets)]
        for position, catalog in enumerate(minerva.catalogs):
            where = (*own, "catalogs", position, "secrets")
            written += [(entry, (*where, i)) for i, entry in enumerate(catalog.secrets)]
    return blocks.secret_references(blocks.read_secret_uses(written, reading), workspace)


def _sealed(section: Any, path: Path, reading: Reading) -> tuple[Path, ...]:
    options = (("runAsApiKey",), ("minerva", "runAsApiKey"), ("jupyterHub", "oidcConfig", "clientSecret"))
    found = [f for parts in options if (f := blocks.written_path(section, *parts))]
    if len(found) > 1 and found[0][-1] == found[1][-1]:
        reading.error((*path, *found[1]), "`runAsApiKey` is given twice", hint="keep the one below `cluster`")
    return tuple(found)


def _say_what_waits(
    spec: ClusterSection,
    engine: str | None,
    minerva: Minerva,
    mounts: tuple[tuple[MountedDepot, Path], ...],
    path: Path,
    reading: Reading,
) -> None:
    """What the embedded engine cannot do is `later`; what changes nothing here is a warning."""
    if engine not in (None, "minerva"):
        reading.later((*path, "type"), f"a Cluster of type `{engine}` cannot run yet")
    if minerva.catalogs:
        reading.later((*path, "minerva", "catalogs"), "catalogs without a Depot cannot be mounted yet")
    if spec.maintenance and (spec.maintenance.restart_cron or spec.maintenance.scaling_crons):
        reading.later((*path, "maintenance"), "`maintenance` cannot be done yet")
    if minerva.replicas != 1:
        text = f"{minerva.replicas} replicas cannot run yet"
        reading.later((*path, "minerva", "replicas"), text, hint="write 1; more come with a later version")
    idle: dict[str, Any] = {
        "dataosSecrets": spec.dataos_secrets,
        "nodeSelector": spec.node_selector,
        "toleration": spec.toleration,
        "runAsUser": spec.run_as_user,
        "runAsApiKey": spec.run_as_api_key,
    }
    idle |= {f"minerva.{k}": v for k, v in engines.idle(minerva).items()}
    for mounted, where in mounts:
        if mounted.properties:
            reading.warn((*where, "properties"), "connector properties have no effect on the embedded engine")
        if mounted.secrets:
            reading.warn((*where, "secrets"), "`secrets` has no effect: a Depot's own credentials are used")
    for key, value in idle.items():
        if value:
            shown = key.rpartition(".")[2]
            where = (*path, *key.split("."))
            reading.warn(where, f"`{shown}` is accepted and has no effect on the embedded engine yet")
