"""The sections of query engines as manifests write them, and the rules inside each (ch06 5.2).

Clusters have them, and Lakehouses that bring an engine of their own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field

from dataos.manifest import blocks, quantities
from dataos.manifest.annotations import Shape, Words
from dataos.manifest.blocks import Count, Envs, Resources, SecretUse, Whole
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, spelled

LOG_LEVELS = ("INFO", "DEBUG", "ERROR", "WARN")
_SETTING = re.compile(r"CONF__[A-Za-z0-9_-]+__[A-Za-z0-9._-]+|JVM__opts|[A-Za-z_][A-Za-z0-9_]*")


class MountedDepot(Spec):
    """One Depot of a Cluster."""

    address: Text
    """Address of the Depot: `dataos://name?acl=r`."""
    properties: dict[str, Text] = {}
    """Properties of the connector."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Secrets of the connector."""


class CatalogEntry(Spec):
    """A source without a Depot."""

    name: Text
    """Name of the catalog."""
    type: Text
    """Connector, for instance `memory`."""
    properties: dict[str, Text] = {}
    """Properties of the connector."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Secrets of the connector."""


class Debug(Spec):
    """Log levels."""

    log_level: Annotated[Text, Words(*LOG_LEVELS)] = "INFO"
    """How much the Cluster logs."""
    trino_log_level: Annotated[Text, Words(*LOG_LEVELS)] = "INFO"
    """How much the engine logs."""


class SelectorBlock(Spec):
    """Which statements are routed here, as written."""

    users: tuple[Text, ...] = spelled("user", lone=True)
    """Globs of users whose statements come here."""
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    """Tags of users whose statements come here."""
    sources: tuple[Text, ...] = spelled("source", lone=True)
    """Globs of programs whose statements come here."""
    match: Annotated[Text, Words("any", "all", "")] | None = None
    """Whether one tag is enough."""
    priority: Whole | None = Field(default=None, ge=1, le=5000)
    """Of several Clusters that fit the smallest number wins."""


class Minerva(Spec):
    """The Minerva block."""

    replicas: Whole = Field(default=1, ge=0)
    """Workers of the engine."""
    resources: Resources = spelled("resource", default=Resources())
    """CPU and memory of each."""
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    """Secrets of the engine."""
    depots: tuple[MountedDepot, ...] = spelled("depot", default=(), lone=True)
    """Depots that statements can read."""
    catalogs: tuple[CatalogEntry, ...] = spelled("catalog", default=(), lone=True)
    """Sources without a Depot."""
    debug: Debug | None = None
    """Log levels."""
    coordinator_envs: Envs = {}
    """Settings of the engine: `CONF__config__<property>`."""
    worker_envs: Envs = {}
    """Settings of the workers."""
    override_default_envs: bool = True
    """false: these settings are merged with the defaults."""
    spill_over_volume: Text | None = None
    """Size of the disk for what does not fit into memory."""
    selector: SelectorBlock | None = None
    """Which statements come here."""
    match: Text | None = None
    """Old place of `selector.match`."""
    priority: Whole | None = Field(default=None, ge=1, le=5000)
    """Old place of `selector.priority`."""
    run_as_api_key: Text | None = None
    """API key of the engine; it is sealed."""
    run_as_user: Text | None = spelled("runaAsUser", default=None)
    """User as whom the engine reads."""


class Machine(Spec):
    """Spark's driver or executors, in either form."""

    memory: Text | None = None
    """Memory, for instance `2048M`."""
    cores: Whole | None = Field(default=None, ge=1)
    """CPUs."""
    resources: Resources | None = spelled("resource", default=None)
    """CPU and memory."""
    instance_count: Count = 1
    """How many."""
    max_instance_count: Count | None = None
    """How many at most."""


class Spark(Spec):
    """The `spark` block."""

    driver: Machine
    """Spark's driver."""
    executor: Machine
    """Spark's executors."""
    spark_conf: Any = None
    """Spark properties."""


class Themis(Spec):
    """The Themis block."""

    resources: Resources = spelled("resource", default=Resources())
    """CPU and memory of the gateway."""
    envs: Envs = spelled("env", default={})
    """Environment variables."""
    themis_conf: dict[str, Any] = {}
    """Properties of the gateway."""
    spark: Spark | None = None
    """Spark's processes."""
    depots: tuple[MountedDepot, ...] = spelled("depot", default=(), lone=True)
    """Depots that statements can read."""


class Permissions(Spec):
    """What a role of a message cluster may do. `allow_responses` is spelled so by the engine."""

    publish: tuple[Text, ...] = spelled(default=(), lone=True)
    subscribe: tuple[Text, ...] = spelled(default=(), lone=True)
    allow_responses: bool = spelled("allow_responses", default=False)


class Role(Spec):
    """A role of a message cluster."""

    name: Text
    permissions: Permissions = Permissions()
    allow_responses: bool | None = spelled("allow_responses", default=None)


class Nats(Spec):
    """A message cluster."""

    replicas: Count = 1
    """Servers."""
    volume_type: Text
    """temp or persistent."""
    volume_size: Text
    """Size of each server's disk."""
    max_connections: Count = 1
    """Most connections."""
    roles: tuple[Role, ...] = spelled("role", default=(), lone=True)
    """Who may publish and subscribe to what."""


class HubIngress(Spec):
    """The public path of a notebook hub."""

    enabled: bool = True
    path: Text | None = None
    strip_path: bool = False
    no_authentication: bool = True
    app_detail_spec: Any = None
    api_detail_spec: Any = None


class Oidc(Spec):
    """The client of the sign-in service."""

    client_id: Text
    client_secret: Text = Field(repr=False)


class SingleUser(Spec):
    """What each user of a notebook hub gets."""

    volume_capacity: Text


class JupyterHub(Spec):
    """A notebook hub."""

    ingress: HubIngress = HubIngress()
    oidc_config: Oidc
    storage_class: Text
    single_user_config: SingleUser


@dataclass(frozen=True)
class Selector:
    """Canonical routing: a lower `priority` is preferred."""

    users: tuple[str, ...]
    tags: tuple[str, ...]
    sources: tuple[str, ...]
    match_all: bool
    priority: int


def attribute(engine: str) -> str:
    """The field of a section that holds the block of an engine."""
    return "jupyter_hub" if engine == "jupyterHub" else engine


def idle(minerva: Minerva) -> dict[str, Any]:
    """What has no effect on the embedded engine."""
    return {
        "selector": minerva.selector or minerva.priority or minerva.match,
        "coordinatorEnvs": minerva.coordinator_envs,
        "workerEnvs": minerva.worker_envs,
        "debug": minerva.debug,
        "secrets": minerva.secrets,
        "spillOverVolume": minerva.spill_over_volume,
        "runAsUser": minerva.run_as_user,
        "runAsApiKey": minerva.run_as_api_key,
    }


def check_minerva(block: Minerva, path: Path, reading: Reading) -> Selector | None:
    """The rules of a Minerva block; its routing, if it says something."""
    if block.debug is not None:
        one_of(block.debug.log_level, LOG_LEVELS, (*path, "debug", "logLevel"), reading, "logLevel")
        one_of(block.debug.trino_log_level, LOG_LEVELS, (*path, "debug", "trinoLogLevel"), reading, "trinoLogLevel")
    for key, envs in (("coordinatorEnvs", block.coordinator_envs), ("workerEnvs", block.worker_envs)):
        for name in envs:
            if not _SETTING.fullmatch(name):
                hint = "CONF__<file>__<key>, for instance CONF__config__query.max-memory"
                reading.error((*path, key, name), f"`{name}` is no setting of the engine", hint=hint)
    known = [c.name for c in block.catalogs]
    for position, name in enumerate(known):
        if known.index(name) != position:
            reading.error((*path, "catalogs", position, "name"), f"catalog `{name}` is named twice")
    selector = block.selector
    if selector is None and block.match is None and block.priority is None:
        return None
    for key in ("match", "priority"):
        if getattr(block, key) is not None:
            reading.warn((*path, key), f"`{key}` belongs below `selector`", code="manifest.variant")
    where = (*path, "selector") if selector else path
    match = (selector.match if selector else None) or block.match or "any"
    chosen = one_of(match, ("any", "all"), (*where, "match"), reading, "match")
    priority = (selector.priority if selector else None) or block.priority or 10
    users, sources = (selector.users, selector.sources) if selector else (("**",), ("**",))
    return Selector(users, selector.tags if selector else (), sources, chosen == "all", priority)


def check_themis(block: Themis, path: Path, reading: Reading) -> Themis:
    """The rules of a Themis block. Returns it with `sparkConf` as one mapping of texts."""
    blocks.read_envs(block.envs, (*path, "envs"), reading)
    if block.spark is None:
        return block
    where = (*path, "spark")
    for name, machine in (("driver", block.spark.driver), ("executor", block.spark.executor)):
        at = (*where, name)
        quantities.memory(machine.memory, (*at, "memory"), reading)
        blocks.read_sizes(machine.resources or Resources(), (*at, "resources"), reading)
        if machine.memory is None and machine.resources is None:
            hint = "write memory and cores, or resources"
            reading.error(at, f"the {name} needs a size", code="manifest.missing", hint=hint)
        if machine.max_instance_count is not None and machine.max_instance_count < machine.instance_count:
            text = f"maxInstanceCount {machine.max_instance_count} is less than instanceCount {machine.instance_count}"
            reading.error((*at, "maxInstanceCount"), text)
    conf = _spark_conf(block.spark.spark_conf, (*where, "sparkConf"), reading)
    return block.model_copy(update={"spark": block.spark.model_copy(update={"spark_conf": conf})})


def _spark_conf(written: Any, path: Path, reading: Reading) -> dict[str, str]:
    """A mapping, or a list of mappings, of Spark's keys."""
    if written is None:
        return {}
    parts = cast("list[Any]", written if isinstance(written, list) else [written])
    found: dict[str, str] = {}
    for part in parts:
        if not isinstance(part, dict):
            reading.error(path, "expected a mapping of Spark's keys", hint="spark.executor.memory: 4g")
            continue
        for key, value in cast("dict[str, Any]", part).items():
            if isinstance(value, (dict, list)) or value is None:
                reading.error((*path, key), "expected a text, a number or a boolean")
            else:
                found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def check_nats(block: Nats, path: Path, reading: Reading) -> Nats:
    """The rules of a message cluster. Returns it with `allow_responses` inside `permissions`."""
    quantities.memory(block.volume_size, (*path, "volumeSize"), reading)
    roles: list[Role] = []
    for position, role in enumerate(block.roles):
        if any(role.name == other.name for other in roles):
            reading.error((*path, "roles", position, "name"), f"role `{role.name}` is named twice")
        if role.allow_responses is not None:
            inner = role.permissions.model_copy(update={"allow_responses": role.allow_responses})
            role = role.model_copy(update={"permissions": inner, "allow_responses": None})
        roles.append(role)
    return block.model_copy(update={"roles": tuple(roles)})


def check_hub(block: JupyterHub, path: Path, reading: Reading) -> JupyterHub:
    """The rules of a notebook hub."""
    quantities.memory(block.single_user_config.volume_capacity, (*path, "singleUserConfig", "volumeCapacity"), reading)
    ingress = block.ingress
    if ingress.enabled and ingress.path is not None and not ingress.path.startswith("/"):
        reading.error((*path, "ingress", "path"), f"ingress path `{ingress.path}` does not begin with `/`")
    detail = ingress.app_detail_spec
    if isinstance(detail, str):
        try:
            json.loads(detail)
        except (ValueError, RecursionError) as error:
            reading.error((*path, "ingress", "appDetailSpec"), f"`ingress.appDetailSpec` is not JSON: {error}")
    return block
