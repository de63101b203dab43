"""`stack: name[+flavour][:version]`: which stack a workload means, and its stackSpec read by it (ch03 5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from dataos.core.addresses import ResourceKey
from dataos.manifest import custom_stacks, registry
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import Reference
from dataos.manifest.registry import StackDescriptor
from dataos.manifest.specs import Path, Reading, render, suggest
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
    is_right: bool = True  # else a problem says what is wrong; its stackSpec can be read nevertheless


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
        warn_literals(data, secrets, path, reading, "write it into a secret and list that one below `dataosSecrets`")
        defined = ResourceKey("stack", custom.resource)
        return Undescribed(data, secrets), (Reference(defined, (*use.path, "stack")),)
    if own.planner is None:
        reading.later((*use.path, "stack"), f"stack `{own.name}` cannot run yet", code="stack.unsupported")
    spec = registry.resolve(own.spec)(data, reading, path)
    if own.bind is None or spec is None or not stack.is_right:
        return spec, ()
    return spec, registry.resolve(own.bind)(spec, use, reading)


def _installed(
    descriptor: StackDescriptor, flavour: str | None, version: str | None, path: Path, reading: Reading
) -> Chosen:
    name, before = descriptor.name, len(reading.problems)
    if flavour is None and len(descriptor.flavours) > 1:
        hint = "write " + " or ".join(f"{name}+{f}" for f in descriptor.flavours)
        reading.error(path, f"stack {name} has several flavours", hint=hint)
    if flavour is not None and flavour.lower() not in descriptor.flavours:
        allowed = suggest(flavour, descriptor.flavours) if descriptor.flavours else f"write {name}"
        reading.error(path, f"stack {name} has no flavour `{flavour}`", hint=allowed)
    if version and version not in descriptor.versions:
        newest = descriptor.versions[0]
        if not descriptor.any_version or _parts(version) > _parts(newest):
            hint = "versions: " + ", ".join(descriptor.versions)
            reading.error(path, f"stack {name} has no version {version}", code="stack.version", hint=hint)
        else:
            text = f"stack {name} has no version {version}: it is read as {newest}"
            reading.warn(path, text, code="manifest.variant")
    chosen = flavour.lower() if flavour else next(iter(descriptor.flavours), None)
    return Chosen(name, chosen, version, descriptor, is_right=len(reading.problems) == before)


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


# --- misplaced keys ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lifted:
    """A block with its stackSpec below `stackSpec` and its topology beside it. `section`: that key as written; `list`:
    the key that stands in the block for a list that the document holds in its place."""

    block: Any
    section: str = "stackSpec"
    list_key: str = ""

    def as_written(self, path: Path, reading: Reading, before: tuple[int, int]) -> None:
        """Paths of what was found since `before` (problems, warnings), in terms of the document."""
        if not self.list_key:
            return
        root = render((*path, self.section))
        for found, start in zip((reading.problems, reading.warnings), before, strict=True):
            for number in range(start, len(found)):
                inside = (found[number].path or "").removeprefix(f"{root}.{self.list_key}")
                if inside != found[number].path:
                    found[number] = replace(found[number], path=root + inside)


def lift(data: Any, path: Path, reading: Reading) -> Lifted:
    """Bring the keys of a block to their places."""
    if not isinstance(data, dict):
        return Lifted(data)
    block = cast("dict[str, Any]", data)
    named = next((v for k, v in block.items() if k.lower() == "stack"), None)
    descriptor = registry.find_stack(re.split(r"[:+]", named)[0]) if isinstance(named, str) else None
    own = next((k for k in block if k.lower() == "stackspec"), None)
    list_key = ""
    if descriptor is not None:
        if own is None:
            own = next((k for k in (descriptor.name, *descriptor.aliases) if k in block), None)
            if own is not None:  # `flare:` in old manifests
                reading.warn((*path, own), f"`{own}` is read as `stackSpec`", code="manifest.variant")
                block = {("stackSpec" if k == own else k): v for k, v in block.items()}
        key = "stackSpec" if "stackSpec" in block else own
        if key is not None and descriptor.list_key and isinstance(block.get(key), list):
            list_key = descriptor.list_key
            reading.warn((*path, own or key), f"a list is read as `{list_key}` of it", code="manifest.variant")
            block = {**block, key: {list_key: block[key]}}
    section = own or "stackSpec"
    return Lifted(_lift_topology(block, (*path, section), reading), section, list_key)


def _lift_topology(block: dict[str, Any], path: Path, reading: Reading) -> dict[str, Any]:
    """`topology` inside `stackSpec` belongs beside it (ch03 0.2)."""
    spec = block.get("stackSpec")
    if not isinstance(spec, dict) or "topology" not in spec or "topology" in block:
        return block
    reading.warn((*path, "topology"), "`topology` belongs beside `stackSpec`", code="manifest.variant")
    inner = dict(cast("dict[str, Any]", spec))
    topology = inner.pop("topology")
    return {**block, "stackSpec": inner, "topology": topology}
