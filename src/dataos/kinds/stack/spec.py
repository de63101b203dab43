"""What a Stack manifest may say (ch03 5): how to run a kind of program, so that users fill in a `stackSpec` only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dataos.manifest import blocks, patterns, registry
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import Envs, Port
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.schemas import json_schema
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

RECONCILERS = (
    "stackManager",
    "LegacyStackManager",
    "alphaLegacyStackManager",
    "flareLegacyStackManager",
    "beaconLegacyStackManager",
)
PROJECTIONS = ("propFile", "envVars")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_CONDITION = re.compile(r"\s*[A-Za-z_][\w.\[\]-]*\s*(==|!=|in|notin|=|>|<)\s*\S.*")


class ImageAuth(Spec):
    """Which Secret pulls the image; looked for where the workload is."""

    image_pull_secret: Text = spelled("imagePullSecrets")


class Image(Spec):
    """`registry/repository/image:tag`."""

    registry: Text
    repository: Text
    image: Text
    tag: Text
    auth: ImageAuth | None = None


class ValueSchema(Spec):
    """The schema of `stackSpec`."""

    json_schema: Any


class Projection(Spec):
    """How secrets of depots come into the program."""

    type: Annotated[Text, Words(*PROJECTIONS)]
    """As one properties file, or as variables."""


class ResourceTemplate(Spec):
    """A custom object of an external operator in the place of a container."""

    resource_template: Text
    success_condition: Text
    failure_condition: Text


class HostConfig(Spec):
    """How the stack runs under one kind of host. An empty mapping: with the generic container."""

    config_file_template: Text | None = None
    container_resource_template: Text | None = spelled("conatinerResourceTemplate", default=None)


class JobConfig(HostConfig):
    """`workflowJobConfig`."""

    resource_template_config: ResourceTemplate | None = None


class WorkerConfig(HostConfig):
    """`workerConfig`."""

    resource_template: Text | None = None


class StackSection(Spec):
    """The section as written."""

    name: Text
    """Name of the stack."""
    flavor: Text | None = spelled("flavour", default=None)
    """Flavour, where there are several."""
    version: Text
    """Version, for instance "1.0"."""
    reconciler: Annotated[Text, Words(*RECONCILERS)]
    """What keeps its workloads running."""
    image: Image | None = None
    """Image of the program."""
    command: tuple[Text, ...] = spelled(default=(), lone=True)
    """Command of the container."""
    arguments: tuple[Text, ...] = spelled("argument", default=(), lone=True)
    """Arguments of the command."""
    environment_vars: Envs = spelled("envs", default={})
    """Environment variables."""
    ports: tuple[Port, ...] = spelled("port", default=(), lone=True)
    """Ports of the program."""
    stack_spec_value_schema: ValueSchema | None = None
    """JSON Schema of `stackSpec`."""
    data_os_address_jq_filters: tuple[Text, ...] = spelled(default=(), lone=True)
    """jq programs that find addresses in `stackSpec`."""
    secret_projection: Projection | None = None
    """How credentials of depots arrive."""
    workflow_job_config: JobConfig | None = None
    """How it runs as a job."""
    service_config: HostConfig | None = None
    """How it runs as a service."""
    worker_config: WorkerConfig | None = None
    """How it runs as a worker."""


@dataclass(frozen=True)
class StackSpec:
    """Canonical Stack. Its templates and filters are programs: `$X` in them is never filled in."""

    name: str
    flavour: str | None
    version: str
    image: str | None
    pull_secret: str | None
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    envs: dict[str, str]
    ports: tuple[Port, ...]
    schema: dict[str, Any] | bool | None  # None: any stackSpec is taken
    address_filters: tuple[str, ...]
    projection: Literal["propFile", "envVars"] | None
    job: JobConfig | None
    service: HostConfig | None
    worker: WorkerConfig | None

    def offers(self, resource: str) -> CustomStack:
        """What workloads may know of it. `resource`: the name of the Stack Resource."""
        configs = (("workflow", self.job), ("service", self.service), ("worker", self.worker))
        hosts = tuple(host for host, config in configs if config is not None)
        return CustomStack(self.name, self.flavour, self.version, hosts, self.schema, resource)


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical StackSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(StackSection, _with_empty_hosts(section), reading, path)
    if spec is None:
        return None
    _check_identity(spec, path, reading)
    schema = None
    if spec.stack_spec_value_schema is not None:
        where = (*path, "stackSpecValueSchema", "jsonSchema")
        schema = json_schema(spec.stack_spec_value_schema.json_schema, where, reading)
    projection = None
    if spec.secret_projection is not None:
        where = (*path, "secretProjection", "type")
        projection = one_of(spec.secret_projection.type, PROJECTIONS, where, reading, "secretProjection")
    for position, program in enumerate(spec.data_os_address_jq_filters):
        if fault := patterns.jq_fault(program):
            where = (*path, "dataOsAddressJqFilters", position)
            reading.error(where, f"filter `{program}` {fault}", hint=patterns.JQ_HINT)
    blocks.check_ports(spec.ports, {}, (*path, "ports"), reading)
    _check_hosts(spec, path, reading)
    envs = blocks.read_envs(spec.environment_vars, (*path, "environmentVars"), reading)
    if len(reading.problems) > before:
        return None
    image = spec.image
    canonical = StackSpec(
        name=spec.name,
        flavour=spec.flavor,
        version=spec.version,
        image=f"{image.registry}/{image.repository}/{image.image}:{image.tag}" if image else None,
        pull_secret=image.auth.image_pull_secret if image and image.auth else None,
        command=spec.command,
        arguments=spec.arguments,
        envs=envs,
        ports=spec.ports,
        schema=schema,
        address_filters=spec.data_os_address_jq_filters,
        projection="envVars" if projection == "envVars" else "propFile" if projection else None,
        job=spec.workflow_job_config,
        service=spec.service_config,
        worker=spec.worker_config,
    )
    return KindReading(canonical)


def _with_empty_hosts(section: Any) -> Any:
    """`serviceConfig:` with nothing behind it is present: presence is what makes the stack usable there."""
    if not isinstance(section, dict):
        return section
    hosts = ("workflowjobconfig", "serviceconfig", "workerconfig")
    return {k: {} if v is None and str(k).lower() in hosts else v for k, v in section.items()}


def _check_identity(spec: StackSection, path: Path, reading: Reading) -> None:
    if not _WORD.fullmatch(spec.name):
        reading.error((*path, "name"), f"stack name `{spec.name}` is not allowed", hint="letters, digits, `-` and `_`")
    if spec.flavor is not None and not _WORD.fullmatch(spec.flavor):
        reading.error((*path, "flavor"), f"flavor `{spec.flavor}` is not allowed", hint="letters, digits, `-` and `_`")
    if not _VERSION.fullmatch(spec.version):
        reading.error((*path, "version"), f"stack version `{spec.version}` is not allowed", hint='write "1.0"')
    one_of(spec.reconciler, RECONCILERS, (*path, "reconciler"), reading, "reconciler")
    own = registry.STACKS.get(spec.name.lower())
    if own is not None and own.planner is not None:
        reading.error((*path, "name"), f"stack {own.name} is built in and cannot be defined anew")


def _check_hosts(spec: StackSection, path: Path, reading: Reading) -> None:
    job, service, worker = spec.workflow_job_config, spec.service_config, spec.worker_config
    if job is None and service is None and worker is None:
        hint = "add `workflowJobConfig`, `serviceConfig` or `workerConfig`, even if empty"
        reading.warn(path, "no workload can use this stack", hint=hint)
    external = bool((job and job.resource_template_config) or (worker and worker.resource_template))
    if spec.image is None and not external:
        reading.error(path, "`image` is required: it is a container that runs", code="manifest.missing")
    for key, config in (("workflowJobConfig", job), ("serviceConfig", service), ("workerConfig", worker)):
        if config is not None:
            for field in ("configFileTemplate", "containerResourceTemplate"):
                text = (
                    config.config_file_template if field == "configFileTemplate" else config.container_resource_template
                )
                _check_template(text, (*path, key, field), reading)
    if job and job.resource_template_config:
        where = (*path, "workflowJobConfig", "resourceTemplateConfig")
        template = job.resource_template_config
        _check_template(template.resource_template, (*where, "resourceTemplate"), reading)
        for key, text in (
            ("successCondition", template.success_condition),
            ("failureCondition", template.failure_condition),
        ):
            if not all(_CONDITION.fullmatch(test) for test in text.split(",")):
                hint = "comma-joined tests, for instance `status.state == DONE,status.stage == STABLE`"
                reading.error((*where, key), f"`{text}` is no condition", hint=hint)
    if worker and worker.resource_template:
        _check_template(worker.resource_template, (*path, "workerConfig", "resourceTemplate"), reading)


def _check_template(text: str | None, path: Path, reading: Reading) -> None:
    """Braces of a Go template pair up, and so do its blocks."""
    if text is None:
        return
    bare = re.sub(r"`[^`]*`|\{\{-?\s*/\*.*?\*/\s*-?\}\}", "", text, flags=re.DOTALL)
    actions = re.findall(r"\{\{-?\s*(.*?)\s*-?\}\}", bare, flags=re.DOTALL)
    if bare.count("{{") != len(actions):
        reading.error(path, "the template has a `{{` without its `}}`")
        return
    words = [action.split(None, 1)[0] for action in actions if action]
    depth = 0
    for word in words:
        depth += (word in ("if", "range", "with", "define", "block")) - (word == "end")
        if depth < 0:
            break
    if depth:
        reading.error(path, "the template has an `if`, `range` or `with` without its `end`, or an `end` too many")
