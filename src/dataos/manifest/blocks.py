"""Blocks that several kinds share: sizes, uses of secrets, replicas and scaling, ports, Computes (ch03 1.1, 1.3, 3.1).

Each `read_...` turns a block as written into a frozen value, recording problems with their path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import quantities
from dataos.manifest.annotations import Words, needs, rules, when_true
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

COMPUTES = ("runnable-default", "query-default")
"""Computes that ship with every installation."""


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number; `true` is none."""

CONSUMPTIONS = ("envVars", "propFile", "file")

Count = Annotated[Whole, Field(ge=1)]
PortNumber = Annotated[Whole, Field(ge=1, le=65535)]
Percent = Annotated[Whole, Field(ge=0, le=100)]
Envs = dict[str, Text | None]


class Amounts(Spec):
    """Quantities of one bound."""

    cpu: Text | None = None
    """CPUs: `500m`, `0.5` or `2`."""
    memory: Text | None = None
    """Memory: `512Mi`, `2Gi`."""


class Resources(Spec):
    """requests and limits."""

    requests: Amounts = spelled("request", default=Amounts())
    """What it asks for at least."""
    limits: Amounts = spelled("limit", default=Amounts())
    """What it may use at most."""


@dataclass(frozen=True)
class Sizes:
    """What a process asks for at least, and may use at most. CPUs and bytes; None: not said."""

    cpu_request: float | None = None
    memory_request: int | None = None
    cpu_limit: float | None = None
    memory_limit: int | None = None

    @property
    def cpu(self) -> float | None:
        """The larger of both: a request above its limit raises the limit."""
        return max(filter(None, (self.cpu_request, self.cpu_limit)), default=None)

    @property
    def memory_bytes(self) -> int | None:
        """As `cpu`, in bytes."""
        return max(filter(None, (self.memory_request, self.memory_limit)), default=None)


def read_sizes(block: Resources, path: Path, reading: Reading) -> Sizes:
    """Parse a `resources` block at `path`. Known slips survive with a warning."""

    def bound(amounts: Amounts, key: str) -> tuple[float | None, int | None]:
        where = (*path, key)
        return (
            quantities.cpu(amounts.cpu, (*where, "cpu"), reading),
            quantities.memory(amounts.memory, (*where, "memory"), reading),
        )

    requests, limits = bound(block.requests, "requests"), bound(block.limits, "limits")
    for what, asked, most in zip(("cpu", "memory"), requests, limits, strict=True):
        if asked and most and asked > most:
            reading.warn(path, f"{what} request is larger than its limit; the limit is raised to it")
    return Sizes(*requests, *limits)


def lift_sizes(data: Any, path: Path, reading: Reading) -> Any:
    """`requests:`/`limits:` beside an empty `resources:` (bad indentation) are read as its content (ch06 5.3)."""
    if not isinstance(data, dict):
        return data
    block = cast("dict[str, Any]", data)
    stray = {k: v for k, v in block.items() if k.lower() in ("requests", "limits")}
    own = next((k for k in block if k.lower() in ("resources", "resource")), None)
    if not stray or (own is not None and block[own]):
        return block
    reading.warn(path, f"`{', '.join(stray)}` belong below `resources`: indent them", code="manifest.variant")
    return {k: v for k, v in block.items() if k not in stray and k != own} | {"resources": stray}


class SecretUse(Spec):
    """One entry of `dataosSecrets` (ch03 1.3)."""

    name: Text
    """Name of the Secret or Instance-Secret."""
    workspace: Text | None = None
    """Workspace of the Secret; this one's if left out."""
    key: Text | None = None
    """One key of the secret."""
    keys: tuple[Text, ...] = spelled(default=(), lone=True)
    """Keys of the secret."""
    all_keys: bool = spelled("allkeys", default=False)
    """All keys of the secret."""
    consumption_type: Annotated[Text, Words(*CONSUMPTIONS)] = "envVars"
    """How the values arrive: as variables, as one properties file, or as a file for each key."""


def read_secret_uses(
    written: Iterable[tuple[Any, Path]], reading: Reading, consumption: str = "envVars"
) -> tuple[tuple[SecretUse, Path], ...]:
    """Uses with their paths. An entry is a `SecretUse`, a mapping of its fields, or a bare name (for `consumption`).

    Keeps every use that can be read; problems are recorded.
    """
    found: list[tuple[SecretUse, Path]] = []
    for entry, where in written:
        if isinstance(entry, str):
            use = SecretUse.model_validate({"name": entry, "consumptionType": consumption})
        elif isinstance(entry, SecretUse):
            use = entry
        else:
            use = read_model(SecretUse, entry, reading, where)
        if use is None:
            continue
        if not use.name.strip():
            reading.error((*where, "name"), "a secret needs a name", code="manifest.missing")
            continue
        kind = one_of(use.consumption_type, CONSUMPTIONS, (*where, "consumptionType"), reading, "consumptionType")
        if use.workspace is not None and not names.matches(use.workspace, names.DNS, names.MAX_WORKSPACE):
            rule = names.rule_text("workspace", use.workspace, names.DNS, names.MAX_WORKSPACE)
            reading.error((*where, "workspace"), rule, code="manifest.name")
        found.append((use.model_copy(update={"consumption_type": kind or use.consumption_type}), where))
    return tuple(found)


def secret_references(uses: Iterable[tuple[SecretUse, Path]], workspace: str | None) -> tuple[Reference, ...]:
    """What the uses point at. `workspace` None: an instance-level manifest, which knows Instance-Secrets only.

    Without a workspace of its own a use means the workspace's Secret or an Instance-Secret: the server knows.
    """

    def target(use: SecretUse) -> ResourceKey:
        if use.workspace:
            return ResourceKey("secret", use.name, use.workspace)
        return ResourceKey("?secret", use.name, workspace) if workspace else ResourceKey("instance-secret", use.name)

    return tuple(Reference(target(use), where) for use, where in uses)


def compute_reference(name: str, path: Path) -> tuple[Reference, ...]:
    """A Compute that does not ship is a Resource that must be there."""
    return () if name in COMPUTES else (Reference(ResourceKey("compute", name), path),)


class AutoScaling(Spec, json_schema_extra=rules(when_true("enabled", needs("maxReplicas")))):
    """`autoScaling` as written (ch03 3.1)."""

    enabled: bool = False
    """Replicas follow the use."""
    min_replicas: Count = 1
    """Fewest replicas."""
    max_replicas: Count | None = None
    """Most replicas; required where scaling is enabled."""
    target_memory_utilization_percentage: Percent | None = None
    """Mean memory use to aim at, in percent of what is asked for."""
    target_cpu_utilization_percentage: Percent | None = Field(default=None, alias="targetCPUUtilizationPercentage")
    """Mean CPU use to aim at, in percent of what is asked for."""


@dataclass(frozen=True)
class Scaling:
    """Replicas follow use: mean use over the last minute, in percent of what was asked for."""

    least: int
    most: int
    memory_percent: int | None
    cpu_percent: int | None


def read_scaling(block: AutoScaling | None, path: Path, reading: Reading) -> Scaling | None:
    """None where scaling is off, or after problems."""
    if block is None or not block.enabled:
        return None
    most = block.max_replicas
    if most is None:
        hint = "say how many replicas there may be"
        reading.error(path, "`maxReplicas` is required where scaling is enabled", code="manifest.missing", hint=hint)
        return None
    if most < block.min_replicas:
        reading.error((*path, "maxReplicas"), f"maxReplicas {most} is less than minReplicas {block.min_replicas}")
    cpu, memory = block.target_cpu_utilization_percentage, block.target_memory_utilization_percentage
    return Scaling(block.min_replicas, most, memory, 80 if cpu is None and memory is None else cpu)


class HighAvailability(Spec):
    """`highAvailabilityConfig`; `tags` and `replicas` stray into it in the wild."""

    level: Annotated[Text, Words("hostname", "zone", "region")]
    """What replicas are spread over."""
    mode: Annotated[Text, Words("preferred", "required")]
    """Whether spreading is wished for or demanded."""
    tags: Any = None
    replicas: Any = None


@dataclass(frozen=True)
class Spread:
    """Replicas apart from each other: on different hosts, zones or regions."""

    level: str
    required: bool


def read_spread(block: HighAvailability | None, path: Path, reading: Reading) -> Spread | None:
    """None where nothing is said, or after problems."""
    if block is None:
        return None
    for key in ("tags", "replicas"):
        if getattr(block, key) is not None:
            reading.warn((*path, key), f"`{key}` has no effect inside `highAvailabilityConfig`")
    level = one_of(block.level, ("hostname", "zone", "region"), (*path, "level"), reading, "level")
    mode = one_of(block.mode, ("preferred", "required"), (*path, "mode"), reading, "mode")
    return Spread(level, mode == "required") if level and mode else None


class Port(Spec):
    """A named port. `targetPort`: where the program listens, if elsewhere."""

    name: Text
    """Name of the port, unique in its list."""
    service_port: PortNumber
    """Port on which others reach it."""
    target_port: PortNumber | None = None
    """Port on which the program listens; the same if left out."""


def check_ports(ports: Iterable[Port], taken: Mapping[int, str], path: Path, reading: Reading) -> None:
    """Names and numbers are used once. `taken`: numbers in use already, with who has them."""
    numbers, known = dict(taken), set[str]()
    for position, port in enumerate(ports):
        if port.name in known:
            reading.error((*path, position, "name"), f"port name `{port.name}` is used twice")
        if port.service_port in numbers:
            holder = numbers[port.service_port]
            reading.error((*path, position, "servicePort"), f"port {port.service_port} is used by {holder} already")
        known.add(port.name)
        numbers[port.service_port] = f"port `{port.name}`"


class TopologyNode(Spec):
    """One node of a documented data flow."""

    name: Text
    """Name of the node."""
    type: Text
    """Kind of the node: input, transformation, output."""
    doc: Text = ""
    """What happens there."""
    properties: dict[str, Any] = {}
    """Free properties."""
    dependencies: tuple[Text, ...] = spelled("dependency", default=(), lone=True)
    """Names of the nodes before it."""


def check_topology(nodes: tuple[TopologyNode, ...], path: Path, reading: Reading) -> None:
    """Names are used once, dependencies are names of nodes."""
    known = [node.name for node in nodes]
    for position, node in enumerate(nodes):
        where = (*path, position)
        if known.index(node.name) != position:
            reading.error((*where, "name"), f"topology name `{node.name}` is used twice")
        for missing in (d for d in node.dependencies if d not in known):
            reading.error(
                (*where, "dependencies"),
                f"`{missing}` is no node of this topology",
                hint=names.did_you_mean(missing, [k for k in known if k != node.name]),
            )


def read_envs(envs: Envs, path: Path, reading: Reading) -> dict[str, str]:
    """Variables; an empty value is an empty text."""
    for name in envs:
        if not re.fullmatch(r"[^=\0\s]+", name):
            reading.error((*path, name), f"`{name}` is no name of an environment variable")
        elif "\0" in (envs[name] or ""):
            reading.error((*path, name), "an environment variable cannot hold a zero character")
    return {name: value or "" for name, value in envs.items()}


def written_path(data: Any, *parts: str | int) -> Path | None:
    """The path of a value below `data` in the letter case in which it is written, or None if it is not there."""
    found: list[str | int] = []
    for part in parts:
        if isinstance(part, int):
            items = cast("list[Any]", data) if isinstance(data, list) else []
            if part >= len(items):
                return None
            key: str | int = part
            data = items[part]
        else:
            block = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
            options = [k for k in block if k == part] or [k for k in block if k.casefold() == part.casefold()]
            if not options:
                return None
            key, data = options[0], block[options[0]]
        found.append(key)
    return tuple(found) if data is not None else None


def paths_where(data: Any, pick: Callable[[Path], bool]) -> list[Path]:
    """Paths of all single values below `data` that `pick` takes, as written. Total, so that nothing stays unsealed."""
    found: list[Path] = []

    def look(value: Any, path: Path) -> None:
        if isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                look(inner, (*path, key))
        elif isinstance(value, list):
            for position, inner in enumerate(cast("list[Any]", value)):
                look(inner, (*path, position))
        elif value is not None and pick(path):
            found.append(path)

    look(data, ())
    return found
