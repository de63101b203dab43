"""`stack: name[+flavour][:version]`: which stack a workload means, and its stackSpec read by it (ch03 5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from dataos.manifest import custom_stacks, registry
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import Reference
from dataos.manifest.registry import StackDescriptor
from dataos.manifest.specs import Path, Reading, suggest
from dataos.manifest.stacks import Undescribed, Use, literal_credentials, warn_literals

Host = Literal["workflow", "service", "worker"]
"""What a stack runs under."""

_REFERENCE = re.compile(r"([A-Za-z0-9_-]+)(?:\+([A-Za-z0-9_-]+))?(?::([0-9]+(?:\.[0-9]+)*))?")
_CONFIGS = {"workflow": "workflowJobConfig", "service": "serviceConfig", "worker": "workerConfig"}
_TEMPLATES = re.compile(r"\$\{|\{\{")


@dataclass(frozen=True)
class Chosen:
    """The stack of a workload: one that is installed, or one that a document of the same set defines."""

    name: str
    flavour: str | None
    version: str | None  # as said
    descriptor: StackDescriptor | None
    custom: CustomStack | None = None

    @property
    def sections(self) -> tuple[str, ...]:
        """Keys below which its stackSpec may stand."""
        own = self.descriptor
        return ("stackSpec", own.name, *own.aliases) if own else ("stackSpec",)


def choose_stack(text: str, host: Host, path: Path, reading: Reading) -> Chosen | None:
    """The stack that a reference means, or None after a problem."""
    match = _REFERENCE.fullmatch(text.strip())
    if match is None:
        reading.error(path, f"`{text}` is no stack", hint="write name[+flavour][:version], for instance flare:7.0")
        return None
    name, flavour, version = match[1], match[2], match[3]
    descriptor = registry.find_stack(name)
    if descriptor is not None:
        chosen = _installed(descriptor, flavour, version, path, reading)
    elif any(s.name.lower() == name.lower() for s in reading.stacks):
        custom = custom_stacks.choose(reading.stacks, name, flavour, version, path, reading)
        chosen = Chosen(custom.name, custom.flavour, custom.version, None, custom) if custom else None
    else:
        known = [*registry.known_stacks(), *(s.name for s in reading.stacks)]
        hint = f"{suggest(name, known)}; `dataos develop stack versions` lists them. {_OWN}"
        reading.error(path, f"stack `{name}` is not installed", code="stack.unknown", hint=hint)
        return None
    hosts = descriptor.hosts if descriptor else chosen.custom.hosts if chosen and chosen.custom else ()
    if chosen is not None and host not in hosts:
        reading.error(
            path,
            f"stack {chosen.name} has no {_CONFIGS[host]}: it cannot run under a {host}",
            code="stack.host",
            hint=f"{chosen.name} runs under: {', '.join(hosts)}",
        )
        return None
    return chosen


_OWN = "One of your own is defined by a manifest of type stack in the same files (such a type cannot be applied yet)"


def read_spec(stack: Chosen, data: dict[str, Any], use: Use, reading: Reading) -> tuple[Any, tuple[Reference, ...]]:
    """The canonical stackSpec (None after problems) and what it refers to. What cannot run yet is recorded."""
    path = use.stack_path
    own = stack.descriptor
    if own is None:
        custom = cast("CustomStack", stack.custom)
        text = f"stack `{custom.reference}` of Stack `{custom.resource}` cannot run yet"
        reading.later((*use.path, "stack"), text, code="stack.unsupported")
        custom_stacks.check(custom, data, path, reading)
        secrets = tuple(literal_credentials(data, _TEMPLATES))
        warn_literals(secrets, path, reading, "write it into a secret and list that one below `dataosSecrets`")
        return Undescribed(data, secrets), ()
    if own.planner is None:
        reading.later((*use.path, "stack"), f"stack `{own.name}` cannot run yet", code="stack.unsupported")
    spec = registry.resolve(own.spec)(data, reading, path)
    if own.bind is None or spec is None:
        return spec, ()
    return spec, registry.resolve(own.bind)(spec, use, reading)


def _installed(
    descriptor: StackDescriptor, flavour: str | None, version: str | None, path: Path, reading: Reading
) -> Chosen | None:
    name = descriptor.name
    if flavour is None and len(descriptor.flavours) > 1:
        hint = "write " + " or ".join(f"{name}+{f}" for f in descriptor.flavours)
        reading.error(path, f"stack {name} has several flavours", hint=hint)
        return None
    if flavour is not None and flavour.lower() not in descriptor.flavours:
        allowed = suggest(flavour, descriptor.flavours) if descriptor.flavours else f"write {name}"
        reading.error(path, f"stack {name} has no flavour `{flavour}`", hint=allowed)
        return None
    if version and version not in descriptor.versions:
        newest = descriptor.versions[0]
        if not descriptor.any_version or _parts(version) > _parts(newest):
            hint = "versions: " + ", ".join(descriptor.versions)
            reading.error(path, f"stack {name} has no version {version}", code="stack.version", hint=hint)
            return None
        reading.warn(path, f"stack {name} has no version {version}: it is read as {newest}", code="manifest.variant")
    chosen = flavour.lower() if flavour else next(iter(descriptor.flavours), None)
    return Chosen(name, chosen, version, descriptor)


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


# --- misplaced keys ---------------------------------------------------------------------------------------------------


def lift(data: Any, path: Path, reading: Reading) -> Any:
    """A block with its stackSpec below `stackSpec`, and its topology beside it."""
    return _lift_topology(_lift_section(data, path, reading), path, reading)


def _lift_section(data: Any, path: Path, reading: Reading) -> Any:
    """`flare:` in place of `stackSpec:` (old manifests); a list in the place of the key that holds lists."""
    if not isinstance(data, dict):
        return data
    block = cast("dict[str, Any]", data)
    named = next((v for k, v in block.items() if k.lower() == "stack"), None)
    descriptor = registry.find_stack(re.split(r"[:+]", named)[0]) if isinstance(named, str) else None
    if descriptor is None:
        return block
    own = next((k for k in block if k.lower() == "stackspec"), None)
    for key in (descriptor.name, *descriptor.aliases) if own is None else ():
        if key in block:
            reading.warn((*path, key), f"`{key}` is read as `stackSpec`", code="manifest.variant")
            block = {("stackSpec" if k == key else k): v for k, v in block.items()}
            own = "stackSpec"
            break
    if own is not None and descriptor.list_key and isinstance(block[own], list):
        reading.warn((*path, own), f"a list is read as `{descriptor.list_key}` of it", code="manifest.variant")
        block = {**block, own: {descriptor.list_key: block[own]}}
    return block


def _lift_topology(data: Any, path: Path, reading: Reading) -> Any:
    """`topology` inside `stackSpec` belongs beside it (ch03 0.2)."""
    if not isinstance(data, dict):
        return data
    block = cast("dict[str, Any]", data)
    spec = block.get("stackSpec")
    if not isinstance(spec, dict) or "topology" not in spec or "topology" in block:
        return block
    reading.warn((*path, "stackSpec", "topology"), "`topology` belongs beside `stackSpec`", code="manifest.variant")
    inner = dict(cast("dict[str, Any]", spec))
    topology = inner.pop("topology")
    return {**block, "stackSpec": inner, "topology": topology}
