"""The block that every runnable shares: a Workflow's job spec, a Service, a Worker (ch03 1).

`read_runnable` turns it into one canonical `Runnable`, whose stackSpec was already read by its stack's own spec.py.
What is right but cannot run here yet is recorded with `Reading.later`: `validate` warns, apply refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import blocks, quantities, stack_references
from dataos.manifest.annotations import Shape, Words
from dataos.manifest.blocks import (
    COMPUTES as COMPUTES,
)
from dataos.manifest.blocks import (
    Amounts as Amounts,
)
from dataos.manifest.blocks import (
    Envs,
    PortNumber,
    SecretUse,
    TopologyNode,
)
from dataos.manifest.blocks import (
    Resources as Resources,
)
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled
from dataos.manifest.stack_references import Host
from dataos.manifest.stacks import Exposure, Use

LOG_LEVELS = ("INFO", "WARN", "DEBUG", "ERROR")
PERSISTENT = "/var/dataos/persistent_data"
_CONFIG_NAME = re.compile(r"[-._A-Za-z0-9]+(/[-._A-Za-z0-9]+)*")


class VolumeEntry(Spec):
    """`persistentVolume`, or one entry of `dataosVolumes` (ch03 1.4)."""

    name: Text
    """Name of the Volume."""
    directory: Text
    """Folder where it is mounted."""
    read_only: bool = False
    """It cannot be written."""
    sub_path: Text | None = None
    """Folder inside the Volume."""


class RunnableBlock(Spec):
    """The block as written."""

    title: Text = ""
    """Title for people."""
    description: Text = ""
    """What it does."""
    name: Text = ""
    """Has no effect; the name stands above."""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    """Tags of the job."""
    stack: Text
    """Stack that runs it: name[+flavour][:version], for instance `flare:7.0`."""
    compute: Text | None = None
    """Compute it runs on; `runnable-default` if left out."""
    log_level: Annotated[Text, Words(*LOG_LEVELS)] = "INFO"
    """How much is logged."""
    envs: Envs = spelled("env", default={})
    """Environment variables."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Old form of `dataosSecrets`: each key is delivered as a file."""
    dataos_secrets: tuple[SecretUse, ...] = spelled(default=(), lone=True)
    """Secrets that are delivered to the program."""
    resources: Resources = spelled("resource", default=Resources())
    """CPU and memory."""
    run_as_user: Text | None = None
    """Id of the user as whom it runs."""
    run_as_api_key: Text | None = None
    """API key to run with; it is sealed."""
    dry_run: bool = False
    """The program is told to write nothing."""
    stack_spec: dict[str, Any] = {}
    """What the stack shall do; its form depends on the stack."""
    tier: Text | None = None
    """Has no effect."""
    topology: tuple[TopologyNode, ...] = spelled(default=(), lone=True)
    """The data flow, for documentation."""
    time_limit: Text | None = spelled("timeout", default=None)
    """Longest run time: `90s`, `2h`."""
    configs: dict[str, Text | None] = spelled("config", default={})
    """Files below DATAOS_CONFIG_DIR: name to content."""
    temp_volume: Text | None = None
    """Size of scratch (`10Gi`), or the name of a Volume."""
    persistent_volume: VolumeEntry | None = None
    """One Volume."""
    dataos_volumes: tuple[VolumeEntry, ...] = spelled(default=(), lone=True)
    """Volumes."""
    metric_port: PortNumber | None = None
    """Port on which the program offers metrics."""

    def exposure(self) -> Exposure:
        """How others reach it: hosts with ports say so."""
        return Exposure()

    def copies(self) -> int:
        """How many of it run beside each other."""
        return 1


@dataclass(frozen=True)
class VolumeUse:
    """A Volume and where it is seen. `folder`: the folder inside the Volume."""

    name: str
    target: str
    folder: str
    read_only: bool = False


@dataclass(frozen=True)
class Runnable:
    """One runnable, canonical."""

    stack: str
    stack_version: str | None
    stack_spec: dict[str, Any]  # as written
    stack_model: Any  # the stack's own canonical model
    stack_path: Path  # of stackSpec
    compute: str
    log_level: str
    envs: dict[str, str]
    secrets: tuple[SecretUse, ...]
    cpu: float | None
    memory_bytes: int | None
    run_as_user: str | None
    dry_run: bool
    time_limit_s: float | None
    title: str = ""
    references: tuple[Reference, ...] = field(default=())
    stack_flavour: str | None = None
    configs: dict[str, str] = field(default_factory=dict[str, str])  # file name below DATAOS_CONFIG_DIR -> content
    scratch_bytes: int | None = None  # `tempVolume` as a size
    temp_volume: str | None = None  # `tempVolume` as a Volume
    volumes: tuple[VolumeUse, ...] = ()
    topology: tuple[TopologyNode, ...] = ()
    metric_port: int | None = None
    tags: tuple[str, ...] = ()
    description: str = ""
    secret_paths: tuple[Path, ...] = ()  # from the document's top, as written: values to seal


B = TypeVar("B", bound=RunnableBlock)


def read_runnable(data: Any, reading: Reading, path: Path, workspace: str | None) -> Runnable | None:
    """Read the block of a Workflow's job at `path`. None after errors."""
    found = read_host(RunnableBlock, data, reading, path, workspace, "workflow")
    return found[1] if found else None


def read_host(
    model: type[B], data: Any, reading: Reading, path: Path, workspace: str | None, host: Host
) -> tuple[B, Runnable] | None:
    """Read a block with what its host adds to it (`model`): as written, and the Runnable. None after errors."""
    before = len(reading.problems), len(reading.warnings)
    lifted = stack_references.lift(blocks.lift_sizes(data, path, reading), path, reading)
    block = read_model(model, lifted.block, reading, path)
    if block is None:
        return None
    runnable = _canonical(block, data, lifted.section, reading, path, workspace, host)
    lifted.as_written(path, reading, before)
    return (block, runnable) if runnable is not None and len(reading.problems) == before[0] else None


def _canonical(
    block: RunnableBlock, written: Any, section: str, reading: Reading, path: Path, workspace: str | None, host: Host
) -> Runnable | None:
    stack = stack_references.choose_stack(block.stack, host, (*path, "stack"), reading)
    compute = block.compute
    if compute is None:
        reading.warn(path, "no compute named: `runnable-default` is used")
        compute = "runnable-default"
    level = one_of(block.log_level, LOG_LEVELS, (*path, "logLevel"), reading, "logLevel")
    secrets = _secrets(block, reading, path)
    sizes = blocks.read_sizes(block.resources, (*path, "resources"), reading)
    time_limit = quantities.duration(block.time_limit, (*path, "timeLimit"), reading)
    blocks.check_topology(block.topology, (*path, "topology"), reading)
    envs = blocks.read_envs(block.envs, (*path, "envs"), reading)
    configs = _configs(block.configs, reading, (*path, "configs"))
    scratch, temp_volume = _temp_volume(block.temp_volume, reading, (*path, "tempVolume"))
    volumes = _volumes(block, reading, path)
    if block.metric_port is not None and host == "workflow":
        reading.warn((*path, "metricPort"), "`metricPort` has no effect in a job: nothing asks it for metrics")
    if block.run_as_api_key is not None:
        where = (*path, "runAsApiKey")
        reading.later(where, "`runAsApiKey` cannot be used yet: every job gets a token of its own", hint=_RUN_AS)
    if stack is None or level is None:
        return None
    use = Use(
        host=host,
        path=path,
        workspace=workspace,
        flavour=stack.flavour,
        version=stack.version,
        envs=envs,
        secrets=tuple(use for use, _ in secrets),
        configs=configs,
        replicas=block.copies(),
        exposure=block.exposure(),
        metric_port=block.metric_port,
        section=section,
    )
    spec_model, bound = stack_references.read_spec(stack, block.stack_spec, use, reading)
    return Runnable(
        stack=stack.name,
        stack_version=stack.version,
        stack_spec=block.stack_spec,
        stack_model=spec_model,
        stack_path=use.stack_path,
        compute=compute,
        log_level=level,
        envs=envs,
        secrets=tuple(use for use, _ in secrets),
        # `resources` wins over what the stack's own sizing says (Flare's driver and executor)
        cpu=sizes.cpu if sizes.cpu is not None else getattr(spec_model, "cpu", None),
        memory_bytes=sizes.memory_bytes
        if sizes.memory_bytes is not None
        else getattr(spec_model, "memory_bytes", None),
        run_as_user=block.run_as_user,
        dry_run=block.dry_run,
        time_limit_s=time_limit,
        title=block.title,
        references=(
            *(Reference(ResourceKey("depot", u.depot), w) for w, u in getattr(spec_model, "addresses", ())),
            *bound,
            *blocks.secret_references(secrets, workspace),
            *blocks.compute_reference(compute, (*path, "compute")),
            *(Reference(ResourceKey("volume", v.name, workspace), w) for v, w in volumes),
            *([Reference(ResourceKey("volume", temp_volume, workspace), (*path, "tempVolume"))] if temp_volume else []),
        ),
        stack_flavour=stack.flavour,
        configs=configs,
        scratch_bytes=scratch,
        temp_volume=temp_volume,
        volumes=tuple(v for v, _ in volumes),
        topology=block.topology,
        metric_port=block.metric_port,
        tags=block.tags,
        description=block.description,
        secret_paths=tuple((*path, *p) for p in _sealed(written, section, spec_model)),
    )


def _sealed(data: Any, section: str, spec_model: Any) -> list[Path]:
    """Values to seal below the block, as written: the API key, and what the stack found in its stackSpec."""
    key = blocks.written_path(data, "runAsApiKey")
    secrets: tuple[Path, ...] = getattr(spec_model, "secret_paths", ())
    return [*([key] if key else []), *((section, *path) for path in secrets)]


_RUN_AS = "leave it out: a job runs as its owner; runAsUser names somebody else, with the use case run-as-user"


def _secrets(block: RunnableBlock, reading: Reading, path: Path) -> tuple[tuple[SecretUse, Path], ...]:
    uses = [(use, (*path, "dataosSecrets", i)) for i, use in enumerate(block.dataos_secrets)]
    older = [(entry, (*path, "secrets", i)) for i, entry in enumerate(block.secrets)]
    return (*blocks.read_secret_uses(uses, reading), *blocks.read_secret_uses(older, reading, "file"))


def _configs(configs: dict[str, Text | None], reading: Reading, path: Path) -> dict[str, str]:
    for name in configs:
        if not _CONFIG_NAME.fullmatch(name) or any(part in ("..", ".") for part in name.split("/")):
            hint = "a file name of letters, digits, `-`, `_` and `.`, without `..`"
            reading.error((*path, name), f"`{name}` is no name of a config file", hint=hint)
    folders = {str(parent) for name in configs for parent in PurePosixPath(name).parents}
    for name in folders.intersection(configs):
        reading.error((*path, name), f"`{name}` is the name of a file and of a folder")
    return {name: content or "" for name, content in configs.items()}


def _temp_volume(text: str | None, reading: Reading, path: Path) -> tuple[int | None, str | None]:
    """A size of scratch, or the name of a Volume (ch03 1.4 takes both)."""
    if text is None:
        return None, None
    if re.match(r"\s*[0-9]+(\.[0-9]+)?\s*([A-Za-z]{0,2})\s*$", text):
        size = quantities.memory(text, path, reading)
        if size is not None and size <= 0:
            reading.error(path, f"`{text}` is no size of scratch", hint="write 10Gi, or the name of a Volume")
        return size, None
    if not names.matches(text, names.STD):
        rule = names.rule_text("tempVolume", text, names.STD)
        reading.error(path, rule, code="manifest.name", hint="write a size as 10Gi, or the name of a Volume")
        return None, None
    reading.later(path, f"Volume `{text}` cannot be mounted yet", hint="write a size of scratch, for instance 10Gi")
    return None, text


def _volumes(block: RunnableBlock, reading: Reading, path: Path) -> tuple[tuple[VolumeUse, Path], ...]:
    entries = [(block.persistent_volume, (*path, "persistentVolume"))] if block.persistent_volume else []
    entries += [(entry, (*path, "dataosVolumes", i)) for i, entry in enumerate(block.dataos_volumes)]
    found: list[tuple[VolumeUse, Path]] = []
    targets: set[str] = set()
    for entry, where in entries:
        for key, text in (("directory", entry.directory), ("subPath", entry.sub_path or "-")):
            if not text.strip("/ ") or ".." in text.split("/"):
                reading.error((*where, key), f"`{text}` is no folder", hint="write a folder without `..`")
        if not names.matches(entry.name, names.STD):
            reading.error((*where, "name"), names.rule_text("name", entry.name, names.STD), code="manifest.name")
        absolute = entry.directory.startswith("/")
        target = entry.directory.rstrip("/") if absolute else f"{PERSISTENT}/{entry.directory.strip('/')}"
        if target in targets:
            reading.error((*where, "directory"), f"two volumes are mounted at {target}")
        targets.add(target)
        inside = "" if absolute else entry.directory.strip("/")
        folder = "/".join(part for part in (inside, (entry.sub_path or "").strip("/")) if part)
        found.append((VolumeUse(entry.name, target, folder, entry.read_only), (*where, "name")))
        reading.later(where, f"Volume `{entry.name}` cannot be mounted yet")
    return tuple(found)
