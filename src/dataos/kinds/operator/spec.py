"""What an Operator manifest may say (ch03 15): programs that manage an external platform's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dataos.core import names
from dataos.manifest import blocks
from dataos.manifest.annotations import Shape, Words, filled, rules
from dataos.manifest.blocks import Envs, PortNumber, SecretUse, Whole
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.schemas import json_schema
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

HOSTS = ("worker", "service")


class NatsCluster(Spec):
    """The message cluster that is made with the operator."""

    name: Text
    """Name of the message cluster."""
    compute: Text
    """Compute it runs on."""
    run_as_user: Text | None = None
    run_as_api_key: Text | None = None


class ComponentPort(Spec):
    """A port of a component."""

    name: Text
    service_port: PortNumber
    target_port: PortNumber


class Component(Spec):
    """One program of the operator."""

    name: Text
    """Name of the component."""
    type: Annotated[Text, Words(*HOSTS)]
    """How it runs."""
    compute: Text
    """Compute it runs on."""
    image: Text
    """Image of the program."""
    image_pull_secret: Text | None = None
    command: tuple[Text, ...] = spelled(default=(), lone=True)
    arguments: tuple[Text, ...] = spelled("argument", default=(), lone=True)
    replicas: Whole
    """How many processes."""
    run_as_user: Text | None = None
    run_as_api_key: Text | None = None
    environment_vars: Envs = spelled("envs", default={})
    dataos_secrets: tuple[SecretUse, ...] = spelled(default=(), lone=True)
    secrets: tuple[Annotated[Any, Shape(SecretUse, text=True)], ...] = spelled("secret", default=(), lone=True)
    ports: tuple[ComponentPort, ...] = spelled("port", default=(), lone=True)


class SpecSchema(Spec):
    """The JSON Schema of a type's `spec`."""

    json_schema: Any


class NatsCommand(Spec):
    """Where create, update and delete go."""

    stream: Text
    subject: Text


class NatsQuery(Spec):
    """Where questions about the status go, and where the answers come back."""

    subject: Text
    reply_subject: Text


class NatsApi(Spec):
    """How a type is asked."""

    command: NatsCommand
    query: NatsQuery


class TypeEntry(Spec):
    """One Resource type that the operator serves."""

    name: Text
    name_jq_filter: Text | None = None
    is_runnable: bool = False
    spec_schema: SpecSchema | None = None
    nats_api: NatsApi | None = None


class OperatorSection(Spec, json_schema_extra=rules(filled("components", "resources", "enabledWorkspaces"))):
    """The section as written."""

    nats_cluster_config: NatsCluster
    """The message cluster that is made with it."""
    components: tuple[Component, ...] = spelled("component", lone=True)
    """Its programs."""
    resources: tuple[TypeEntry, ...] = spelled("resource", lone=True)
    """Types that it serves."""
    enabled_workspaces: tuple[Text, ...] = spelled("enabledWorkspace", lone=True)
    """Workspaces where its types may be used."""
    nats_api: NatsApi | None = None
    """How types are asked that say nothing of their own."""


@dataclass(frozen=True)
class ServedType:
    """Canonical served type. `schema` None: any spec is taken."""

    name: str
    is_runnable: bool
    schema: dict[str, Any] | bool | None
    name_filter: str | None
    api: NatsApi


@dataclass(frozen=True)
class OperatorSpec:
    """Canonical Operator."""

    nats: NatsCluster
    components: tuple[Component, ...]
    types: tuple[ServedType, ...]
    workspaces: tuple[str, ...]


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical OperatorSpec with references to Computes and Instance-Secrets."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(OperatorSection, section, reading, path)
    if spec is None:
        return None
    nats = spec.nats_cluster_config
    references: list[Reference] = [*blocks.compute_reference(nats.compute, (*path, "natsClusterConfig", "compute"))]
    components: list[Component] = []
    for position, component in enumerate(spec.components):
        where = (*path, "components", position)
        components.append(_component(component, where, reading))
        references += blocks.compute_reference(component.compute, (*where, "compute"))
        uses = [(u, (*where, "dataosSecrets", i)) for i, u in enumerate(component.dataos_secrets)]
        older = [(u, (*where, "secrets", i)) for i, u in enumerate(component.secrets)]
        read_uses = (*blocks.read_secret_uses(uses, reading), *blocks.read_secret_uses(older, reading, "file"))
        references += blocks.secret_references(read_uses, None)
    types = [_type(e, spec.nats_api, (*path, "resources", i), reading) for i, e in enumerate(spec.resources)]
    _check_unique([c.name for c in spec.components], (*path, "components"), "component", reading)
    _check_unique([t.name for t in spec.resources], (*path, "resources"), "type", reading)
    for key, entries in (
        ("components", components),
        ("resources", types),
        ("enabledWorkspaces", spec.enabled_workspaces),
    ):
        if not entries:
            reading.error((*path, key), f"`{key}` needs at least one entry", code="manifest.missing")
    for position, name in enumerate(spec.enabled_workspaces):
        if not names.matches(name, names.DNS, names.MAX_WORKSPACE):
            rule = names.rule_text("workspace", name, names.DNS, names.MAX_WORKSPACE)
            reading.error((*path, "enabledWorkspaces", position), rule, code="manifest.name")
    if len(reading.problems) > before:
        return None
    served = tuple(t for t in types if t is not None)
    canonical = OperatorSpec(nats, tuple(components), served, tuple(dict.fromkeys(spec.enabled_workspaces)))
    return KindReading(canonical, tuple(references), _sealed(section, len(components)))


def _component(component: Component, path: Path, reading: Reading) -> Component:
    host = one_of(component.type, HOSTS, (*path, "type"), reading, "component type")
    if component.replicas < 1:
        reading.error((*path, "replicas"), f"a component needs at least 1 replica, found {component.replicas}")
    blocks.read_envs(component.environment_vars, (*path, "environmentVars"), reading)
    _check_unique([p.name for p in component.ports], (*path, "ports"), "port name", reading)
    return component.model_copy(update={"type": host or component.type})


def _type(entry: TypeEntry, shared: NatsApi | None, path: Path, reading: Reading) -> ServedType | None:
    schema = None
    if entry.spec_schema is not None:
        schema = json_schema(entry.spec_schema.json_schema, (*path, "specSchema", "jsonSchema"), reading)
    api = entry.nats_api or shared
    if api is None:
        hint = "command: {stream, subject}, query: {subject, replySubject}"
        reading.error(path, "`natsApi` is required", code="manifest.missing", hint=hint)
        return None
    return ServedType(entry.name, entry.is_runnable, schema, entry.name_jq_filter, api)


def _check_unique(used: list[str], path: Path, what: str, reading: Reading) -> None:
    for position, name in enumerate(used):
        if used.index(name) != position:
            reading.error((*path, position, "name"), f"{what} `{name}` is used twice")


def _sealed(section: Any, components: int) -> tuple[Path, ...]:
    key = "runAsApiKey"
    options = [blocks.written_path(section, "natsClusterConfig", key)]
    options += [blocks.written_path(section, "components", i, key) for i in range(components)]
    if components == 1:  # a lone component may stand without its list
        options.append(blocks.written_path(section, "components", key))
        options.append(blocks.written_path(section, "component", key))
    return tuple(path for path in options if path)
