"""What a Depot manifest may say (ch02 1.3-1.7): either location section and any credential form under any version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dataos.core.addresses import ResourceKey
from dataos.manifest import registry
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled, suggest


class SecretReference(Spec):
    """One entry of `secrets` (ch02 1.5)."""

    name: Text
    keys: tuple[Text, ...] = spelled(default=(), lone=True)
    key: Text | None = None
    all_keys: bool = spelled("allkeys", default=False)
    workspace: Text | None = None
    consumption_type: Text | None = None


class InlineSecret(Spec):
    """One entry of `connectionSecret` (v1)."""

    acl: Text
    type: Text = "key-value-properties"
    data: dict[str, Text | None] = spelled("values", default={})


class DepotSection(Spec):
    """The section as written; the location stands in `spec` or in a section named after the type."""

    type: Text
    description: Text = ""
    external: bool = False
    source: Text | None = None
    compute: Text | None = None
    secrets: tuple[SecretReference, ...] = spelled("secret", "dataosSecrets", default=(), lone=True)
    connection_secret: tuple[InlineSecret, ...] = spelled("connectionSecrets", default=(), lone=True)
    spec: dict[str, Any] | None = spelled("specs", default=None)
    hive_sync: bool = False
    name: Text | None = None
    owner: Text | None = None
    run_as_user: Text | None = None
    resources: Any = None


@dataclass(frozen=True)
class DepotSpec:
    """Canonical Depot."""

    type: str
    location: Any  # the depot type's own model
    location_data: dict[str, Any]
    secrets: tuple[SecretReference, ...]
    inline: tuple[InlineSecret, ...]
    description: str
    external: bool


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical DepotSpec with its references to Instance-Secrets; inline credentials are sealed."""
    path: Path = (context.section,)
    if not isinstance(section, dict):
        reading.error(path, "expected a mapping")
        return None
    data = dict(cast("dict[str, Any]", section))
    before = len(reading.problems)
    descriptor = _type(data, reading, path)
    if descriptor is None:
        return None
    location_key, location = _take_location(data, descriptor, reading, path)
    spec = read_model(DepotSection, data, reading, path)
    model = registry.resolve(descriptor.spec)(location, reading, (*path, location_key))
    if spec is None or model is None:
        return None
    for position, inline in enumerate(spec.connection_secret):
        one_of(inline.acl, ("r", "rw"), (*path, "connectionSecret", position, "acl"), reading, "acl")
    if spec.name is not None and spec.name != context.meta.name:
        reading.warn((*path, "name"), f"`{spec.name}` differs from the name above and has no effect")
    if descriptor.needs_secret and not spec.secrets and not spec.connection_secret:
        reading.error(
            path,
            "invalid depot, missing a secret reference with acl: r",
            code="depot.no_read_secret",
            hint="apply an Instance-Secret with acl: r and name it below `secrets`",
        )
    if len(reading.problems) > before:
        return None
    references = tuple(
        Reference(
            ResourceKey("secret", s.name, s.workspace) if s.workspace else ResourceKey("instance-secret", s.name),
            (*path, "secrets", position, "name"),
        )
        for position, s in enumerate(spec.secrets)
    )
    sealed = tuple(
        ("connectionSecret", position, "data", key)
        for position, inline in enumerate(spec.connection_secret)
        for key in inline.data
    )
    canonical = DepotSpec(
        type=descriptor.name,
        location=model,
        location_data=model.model_dump(mode="json", by_alias=True),
        secrets=spec.secrets,
        inline=spec.connection_secret,
        description=spec.description or context.meta.description,
        external=spec.external,
    )
    return KindReading(canonical, references, _written(cast("dict[str, Any]", section), sealed))


def _written(section: dict[str, Any], paths: tuple[tuple[str, int, str, str], ...]) -> tuple[Path, ...]:
    """The canonical paths of inline values, in the spelling that the manifest used."""
    found: list[Path] = []
    for _, position, _, key in paths:
        name = next(k for k in section if k.lower() in ("connectionsecret", "connectionsecrets"))
        entry = section[name][position] if isinstance(section[name], list) else section[name]
        inner = next(k for k in entry if k.lower() in ("data", "values"))
        prefix: Path = (name, position) if isinstance(section[name], list) else (name,)
        found.append((*prefix, inner, key))
    return tuple(found)


def _type(data: dict[str, Any], reading: Reading, path: Path) -> registry.DepotTypeDescriptor | None:
    written = next((v for k, v in data.items() if k.lower() == "type"), None)
    if not isinstance(written, str):
        reading.error(path, "`type` is required", code="manifest.missing", hint=_types())
        return None
    name = written
    if written.strip().upper() == "JDBC":
        location = _subprotocol(data)
        if location.lower() in ("postgresql", "postgres"):
            name = "POSTGRESQL"
    descriptor = registry.find_depot_type(name)
    if descriptor is None:
        reading.error(
            (*path, "type"),
            f"depot type `{written}` cannot be connected yet",
            code="depot.unsupported",
            hint=suggest(written, registry.known_depot_types()) + "; further types come with part 3 (docs/roadmap.md)",
        )
    return descriptor


def _subprotocol(data: dict[str, Any]) -> str:
    for value in data.values():
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value).get("subprotocol")
            if isinstance(found, str):
                return found
    return ""


def _types() -> str:
    return "types that can be connected: " + ", ".join(registry.known_depot_types())


def _take_location(
    data: dict[str, Any], descriptor: registry.DepotTypeDescriptor, reading: Reading, path: Path
) -> tuple[str, dict[str, Any]]:
    """Take the location out of `data`: the typed section, else `spec`."""
    for key in list(data):
        if key.lower() in descriptor.sections and isinstance(data[key], dict):
            location = cast("dict[str, Any]", data.pop(key))
            if "external" in location:
                data.setdefault("external", location.pop("external"))
                reading.warn((*path, key, "external"), "`external` belongs one level higher", code="manifest.variant")
            return key, location
    for key in list(data):
        if key.lower() in ("spec", "specs") and isinstance(data[key], dict):
            return key, cast("dict[str, Any]", data.pop(key))
    reading.error(
        path,
        f"the location is missing: a depot of type {descriptor.name} needs a section `{descriptor.sections[0]}`",
        code="manifest.missing",
    )
    return descriptor.sections[0], {}
