"""References and tags of a product manifest (ch09 2.5, 2.6). `refType` is advice: the `ref` itself is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import ResourceKey, Udl
from dataos.manifest import locations, registry
from dataos.manifest.specs import Path, Reading

_DATASET_FORM = "expected `dataset:<depot>:<collection>:<dataset>` or `dataos://<depot>:<collection>/<dataset>`"


def _trim(text: str, path: Path, reading: Reading) -> str:
    trimmed = text.strip()
    if trimmed.endswith(".") and not trimmed.endswith(".."):
        reading.warn(path, f"`{trimmed}` is read without the point at its end", code="manifest.variant")
        trimmed = trimmed[:-1]
    return trimmed


def dataset(text: str, path: Path, reading: Reading, products: bool) -> tuple[Udl | None, str | None]:
    """The address of a dataset, or the id of a product (`products`: it may be one)."""
    ref = _trim(text, path, reading)
    if ref.startswith("data:") and products:
        return None, product(ref, path, reading)
    if ref.startswith("dataset:"):
        parts = ref.removeprefix("dataset:").split(":", 2)
        if len(parts) != 3 or not all(part.strip() for part in parts):
            read = ", ".join(f"`{p}`" for p in parts)
            reading.error(path, f"`{ref}` names no dataset: read {read}", code="manifest.address", hint=_DATASET_FORM)
            return None, None
        return Udl(parts[0].strip(), parts[1].strip(), parts[2].strip()), None
    if not ref.startswith("dataos://"):
        reading.error(path, f"`{ref[:80]}` names no dataset", code="manifest.address", hint=_DATASET_FORM)
        return None, None
    address = reading.attempt(path, lambda: Udl.parse(ref.partition("?")[0]))
    if address is not None and (address.collection is None or address.dataset is None):
        reading.error(path, f"`{ref}` names no dataset", code="manifest.address", hint=_DATASET_FORM)
        return None, None
    return address, None


def product(text: str, path: Path, reading: Reading) -> str | None:
    """`data:<version>:<name>`, checked."""
    ref = _trim(text, path, reading)
    match = re.fullmatch(r"data:(v[0-9a-z]+):(.+)", ref)
    if match is None or not names.matches(match[2], names.STD):
        reading.error(path, f"`{ref[:80]}` names no product", hint="expected `data:<version>:<name>`")
        return None
    return ref


def resource(text: str, kinds: tuple[str, ...], path: Path, reading: Reading) -> ResourceKey | None:
    """`TYPE:VERSION:NAME[:WORKSPACE]` of one of the kinds. A workspace is there exactly where the kind has them."""
    ref = _trim(text, path, reading)
    parts = ref.split(":")
    kind = registry.find_kind(kinds[0])
    in_workspace = kind is not None and not kind.instance_level
    form = f"`{kinds[0]}:<version>:<name>" + (":<workspace>`" if in_workspace else "`")
    if parts[0] not in kinds or len(parts) not in (3, 4) or not all(parts):
        reading.error(path, f"`{ref[:80]}` names no {kinds[0]}", hint=f"expected {form}")
        return None
    if in_workspace and len(parts) == 3:
        reading.error(path, f"`{ref}` lacks its workspace", hint=f"expected {form}")
        return None
    if kind is not None and parts[1] not in kind.versions:
        known = ", ".join(kind.versions)
        reading.warn(path, f"version `{parts[1]}` is not known for type {kinds[0]}", hint=f"versions: {known}")
    if len(parts) == 4 and not in_workspace:
        reading.warn(path, f"a {kinds[0]} has no workspace: `{parts[3]}` has no effect")
    return ResourceKey(kinds[0], parts[2], parts[3] if in_workspace else None)


def member(type_: str, name: str, workspace: str | None, path: Path, reading: Reading) -> ResourceKey:
    """A Resource by its parts (v1alpha)."""
    folded = registry.canonical_type(type_)
    kind = registry.find_kind(folded)
    if kind is None:
        hint = names.did_you_mean(folded, registry.known_kinds())
        reading.error((*path, "type"), f"unknown type `{type_}`", code="kind.unknown", hint=hint)
    elif not kind.instance_level and workspace is None:
        text = f"`workspace` is required for a {folded}"
        reading.error(path, text, code="manifest.missing")
    instance = kind is not None and kind.instance_level
    return ResourceKey(folded, name, None if instance else workspace)


def check_url(url: str, path: Path, reading: Reading) -> None:
    """A web address."""
    locations.check_url(url, ("http", "https"), path, reading)


def check_placeholders(data: Any, path: Path, reading: Reading) -> None:
    """`${{x}}` of a template that was not filled in."""
    if isinstance(data, dict):
        for key, value in cast("dict[str, Any]", data).items():
            check_placeholders(value, (*path, key), reading)
    elif isinstance(data, list):
        for position, value in enumerate(cast("list[Any]", data)):
            check_placeholders(value, (*path, position), reading)
    elif isinstance(data, str) and (match := re.search(r"\$\{\{.*?\}\}", data)):
        reading.error(path, f"the placeholder `{match[0]}` was not filled in", hint="write its value")


@dataclass(frozen=True)
class Tags:
    """What tags say to the Hub."""

    domains: tuple[str, ...]
    use_cases: tuple[str, ...]
    tiers: tuple[str, ...]
    custom: tuple[str, ...]


_GROUPS = {
    "DPDomain": "domains",
    "Domain": "domains",
    "DPUsecase": "use_cases",
    "DPTier": "tiers",
    "Tier": "tiers",
}


def read_tags(tags: Iterable[str], name: str, reading: Reading) -> Tags:
    """Sort tags by their group; the platform's own tags of another product are plain text, with a warning."""
    found: dict[str, list[str]] = {"domains": [], "use_cases": [], "tiers": [], "custom": []}
    for position, tag in enumerate(tags):
        group, point, value = tag.partition(".")
        if tag.startswith("dataos:product:data:") and tag != f"dataos:product:data:{name}":
            reading.warn(("tags", position), f"`{tag}` is the tag of another product; it is kept as plain text")
        elif point and value.strip():
            key = _GROUPS.get(group)
            found[key or "custom"].append(value if key else tag)
    return Tags(**{key: tuple(dict.fromkeys(values)) for key, values in found.items()})
