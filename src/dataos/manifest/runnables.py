"""The block that every runnable shares: a Workflow's job spec today, Services and Workers later (ch03 1.1).

`read_runnable` turns it into one canonical `Runnable`, whose stackSpec was already read by its stack's own spec.py.
What this version does not build is refused by name here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from dataos.core.addresses import ResourceKey
from dataos.manifest import quantities, registry
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled, suggest

COMPUTES = ("runnable-default", "query-default")
"""Computes that ship with every installation."""


class Amounts(Spec):
    """Quantities of one bound."""

    cpu: Text | None = None
    memory: Text | None = None


class Resources(Spec):
    """requests and limits."""

    requests: Amounts = spelled("request", default=Amounts())
    limits: Amounts = spelled("limit", default=Amounts())


class SecretUse(Spec):
    """One entry of `dataosSecrets` (ch03 1.3)."""

    name: Text
    workspace: Text | None = None
    key: Text | None = None
    keys: tuple[Text, ...] = spelled(default=(), lone=True)
    all_keys: bool = spelled("allkeys", default=False)
    consumption_type: Text = "envVars"


class RunnableBlock(Spec):
    """The block as written."""

    title: Text = ""
    description: Text = ""
    name: Text = ""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    stack: Text
    compute: Text | None = None
    log_level: Text = "INFO"
    envs: dict[str, Text] = spelled("env", default={})
    secrets: tuple[Any, ...] = spelled("secret", default=(), lone=True)
    dataos_secrets: tuple[SecretUse, ...] = spelled(default=(), lone=True)
    resources: Resources = spelled("resource", default=Resources())
    run_as_user: Text | None = None
    run_as_api_key: Text | None = None
    dry_run: bool = False
    stack_spec: dict[str, Any] = {}
    tier: Text | None = None
    topology: Any = None
    time_limit: Text | None = spelled("timeout", default=None)
    configs: Any = None
    temp_volume: Any = None
    persistent_volume: Any = None
    dataos_volumes: Any = None


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


def read_runnable(data: Any, reading: Reading, path: Path, workspace: str | None) -> Runnable | None:
    """Read the block at `path`. None after errors."""
    before = len(reading.problems)
    data = _lift_stack_section(data, reading, path)
    block = read_model(RunnableBlock, data, reading, path)
    if block is None:
        return None
    stack = _stack(block.stack, reading, (*path, "stack"))
    _refuse_later(block, reading, path)
    compute = block.compute
    if compute is None:
        reading.warn(path, "no compute named: `runnable-default` is used")
        compute = "runnable-default"
    elif compute not in COMPUTES:
        reading.error(
            (*path, "compute"),
            f"invalid resource dependency, not found: {compute}:compute",
            hint=suggest(compute, COMPUTES),
        )
    level = one_of(block.log_level, ("INFO", "WARN", "DEBUG", "ERROR"), (*path, "logLevel"), reading, "logLevel")
    secrets = _secrets(block, reading, path)
    requests = _amounts(block.resources.requests, reading, (*path, "resources", "requests"))
    limits = _amounts(block.resources.limits, reading, (*path, "resources", "limits"))
    for what, asked, most in (("cpu", requests[0], limits[0]), ("memory", requests[1], limits[1])):
        if asked and most and asked > most:
            reading.warn((*path, "resources"), f"{what} request is larger than its limit; the limit is raised to it")
    time_limit = quantities.duration(block.time_limit, (*path, "timeLimit"), reading)
    model = None
    if stack is not None:
        if stack[0].planner is None:
            reading.later((*path, "stack"), f"stack `{stack[0].name}` cannot run yet", code="stack.unsupported")
        model = registry.resolve(stack[0].spec)(block.stack_spec, reading, (*path, "stackSpec"))
    if stack is None or level is None or len(reading.problems) > before:
        return None
    return Runnable(
        stack=stack[0].name,
        stack_version=stack[1],
        stack_spec=block.stack_spec,
        stack_model=model,
        stack_path=(*path, "stackSpec"),
        compute=compute,
        log_level=level,
        envs=dict(block.envs),
        secrets=secrets,
        # `resources` wins over what the stack's own sizing says (Flare's driver and executor)
        cpu=max(filter(None, (requests[0], limits[0])), default=getattr(model, "cpu", None)),
        memory_bytes=max(filter(None, (requests[1], limits[1])), default=getattr(model, "memory_bytes", None)),
        run_as_user=block.run_as_user,
        dry_run=block.dry_run,
        time_limit_s=time_limit,
        title=block.title,
        references=_references(model, secrets, path, workspace),
    )


def _lift_stack_section(data: Any, reading: Reading, path: Path) -> Any:
    """`flare:` in place of `stackSpec:` (old manifests)."""
    if not isinstance(data, dict):
        return data
    block = cast("dict[str, Any]", data)
    if not isinstance(block.get("stack"), str) or any(k.lower() == "stackspec" for k in block):
        return block
    descriptor = registry.find_stack(re.split(r"[:+]", block["stack"])[0])
    for key in (descriptor.name, *descriptor.aliases) if descriptor else ():
        if key in block:
            reading.warn((*path, key), f"`{key}` is read as `stackSpec`", code="manifest.variant")
            return {("stackSpec" if k == key else k): v for k, v in block.items()}
    return block


def _stack(text: str, reading: Reading, path: Path) -> tuple[registry.StackDescriptor, str | None] | None:
    match = re.fullmatch(r"([A-Za-z0-9_-]+)(?:\+([A-Za-z0-9_-]+))?(?::([0-9]+(?:\.[0-9]+)*))?", text.strip())
    if match is None:
        reading.error(path, f"`{text}` is no stack", hint="write name[+flavour][:version], for instance flare:7.0")
        return None
    descriptor = registry.find_stack(match[1])
    if descriptor is None:
        reading.error(
            path,
            f"stack `{match[1]}` is not installed",
            code="stack.unknown",
            hint=suggest(match[1], registry.known_stacks()),
        )
        return None
    version = match[3]
    if version and version not in descriptor.versions and not descriptor.any_version:
        reading.error(
            path, f"stack {descriptor.name} has no version {version}", hint=suggest(version, descriptor.versions)
        )
        return None
    return descriptor, version


def _refuse_later(block: RunnableBlock, reading: Reading, path: Path) -> None:
    later = {
        "configs": block.configs,
        "tempVolume": block.temp_volume,
        "persistentVolume": block.persistent_volume,
        "dataosVolumes": block.dataos_volumes,
    }
    for key, value in later.items():
        if value:
            reading.error(
                (*path, key),
                f"`{key}` is not supported yet",
                code="manifest.unsupported",
                hint="it comes with a later version: see docs/roadmap.md",
            )
    if block.run_as_api_key:
        reading.error(
            (*path, "runAsApiKey"),
            "`runAsApiKey` is not supported: every job gets a token of its own",
            code="manifest.unsupported",
            hint="leave it out; to run as another user set runAsUser (part 2)",
        )


def _secrets(block: RunnableBlock, reading: Reading, path: Path) -> tuple[SecretUse, ...]:
    uses = list(block.dataos_secrets)
    for position, entry in enumerate(block.secrets):
        where = (*path, "secrets", position)
        if isinstance(entry, str):
            uses.append(SecretUse.model_validate({"name": entry, "consumptionType": "file"}))
        else:
            use = read_model(SecretUse, entry, reading, where)
            if use:
                uses.append(use)
    for use in uses:
        one_of(
            use.consumption_type, ("envVars", "propFile", "file"), (*path, "dataosSecrets"), reading, "consumptionType"
        )
    return tuple(uses)


def _amounts(amounts: Amounts, reading: Reading, path: Path) -> tuple[float | None, int | None]:
    return quantities.cpu(amounts.cpu, (*path, "cpu"), reading), quantities.memory(
        amounts.memory, (*path, "memory"), reading
    )


def _references(model: Any, secrets: tuple[SecretUse, ...], path: Path, workspace: str | None) -> tuple[Reference, ...]:
    found = [Reference(ResourceKey("depot", udl.depot), where) for where, udl in getattr(model, "addresses", ())]
    for position, use in enumerate(secrets):
        where = (*path, "dataosSecrets", position)
        # without a workspace either a Secret of the own workspace or an Instance-Secret may be meant: the server knows
        key = (
            ResourceKey("secret", use.name, use.workspace)
            if use.workspace
            else ResourceKey("?secret", use.name, workspace)
        )
        found.append(Reference(key, where))
    return tuple(found)
