"""What a Depot manifest may say (ch02 1.3-1.7): either location section and any credential form under any version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.depots.types.jdbc.spec import FILES
from dataos.kinds.depot.credentials import InlineCredentials, InlineSecret, SecretReference, read_credentials
from dataos.manifest import blocks, registry
from dataos.manifest.annotations import ALSO, WORDS, Shape
from dataos.manifest.depot_types import DEPOT_TYPES, DepotTypeDescriptor
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, is_credential, read_model, spelled, suggest

if TYPE_CHECKING:
    from dataos.manifest.model_schemas import Build


class DepotSection(Spec):
    """The section as written; the location stands in `spec` or in a section named after the type."""

    type: Text
    """Kind of source; says which section holds its location."""
    description: Text = ""
    """What the source is."""
    external: bool = False
    """The source lies outside of this installation."""
    source: Text | None = None
    """Name under which scanned metadata is shown."""
    compute: Text | None = None
    """Compute for what runs beside the source."""
    secrets: tuple[Annotated[Any, Shape(SecretReference, text=True, other=InlineSecret)], ...] = spelled(
        "secret", "dataosSecrets", default=(), lone=True
    )
    """Secrets with the credentials; one with acl r at least."""
    connection_secret: tuple[InlineSecret, ...] = spelled("connectionSecrets", default=(), lone=True)
    """Credentials that stand here (better: a secret)."""
    spec: dict[str, Any] | None = spelled("specs", default=None)
    """Old place of the location."""
    hive_sync: bool = False
    """Has no effect."""
    name: Text | None = None
    """Has no effect; the name stands above."""
    owner: Text | None = None
    """Has no effect; the owner stands above."""
    run_as_user: Text | None = None
    """User as whom the source is read."""
    meta: dict[str, Text] = {}
    """Free metadata, for people and programs."""
    owners: tuple[Text, ...] = ()
    """Further owners, for people; rights are the owner's above."""
    archived: bool = False
    """It is not to be used any more (it still works)."""
    archival_message: Text | None = None
    """Why it is archived."""
    resources: blocks.Resources | None = None
    """Has no effect: a depot runs no process of its own."""


@dataclass(frozen=True)
class DepotSpec:
    """Canonical Depot."""

    type: str
    location: Any  # the depot type's own model
    location_data: dict[str, Any]
    secrets: tuple[SecretReference, ...]
    inline: tuple[InlineCredentials, ...]
    description: str
    external: bool
    source: str = ""  # the name under which scanned metadata is shown
    compute: str | None = None
    run_as_user: str | None = None


def extend_schema(section: dict[str, Any], build: Build) -> dict[str, Any]:
    """The section with what each type's location holds, below the keys under which it may stand."""
    chosen: list[dict[str, Any]] = []
    known = [found for name in registry.known_depot_types() if (found := registry.find_depot_type(name))]
    names_ = {WORDS: [found.name for found in known], ALSO: [alias for found in known for alias in found.aliases]}
    for descriptor in known:
        model = registry.written_model(descriptor.spec)
        if model is None:
            continue
        keys = (*dict.fromkeys((_section(descriptor), *descriptor.sections)), "spec", "specs")
        location = {"anyOf": [build.refer(model), {"type": "null"}]}
        needed = [key for key in _required(descriptor) if key not in ("name", "type", "owner")]
        there = [{"required": [key]} for key in (*keys, *needed)] if needed else []
        build.allow(DepotSection, keys)
        typed = {WORDS: [descriptor.name, *descriptor.aliases], ALSO: []}
        then = {"properties": dict.fromkeys(keys, location), **({"anyOf": there} if there else {})}
        chosen.append({"if": {"properties": {"type": typed}, "required": ["type"]}, "then": then})
    return {"allOf": [section, {"properties": {"type": names_}}, *chosen]}


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical DepotSpec with its references to Instance-Secrets; inline credentials are sealed."""
    path: Path = (context.section,)
    if not isinstance(section, dict):
        reading.error(path, "expected a mapping", hint="a depot section holds `type`, its location and its secrets")
        return None
    data = dict(cast("dict[str, Any]", section))
    before = len(reading.problems)
    descriptor = _type(data, reading, path)
    # A database that is one file of the server's machine has no login.
    free = descriptor is not None and descriptor.name == "JDBC" and _subprotocol(data).lower() in FILES
    credentials = read_credentials(
        data, context, replace(descriptor, needs_secret=False) if descriptor and free else descriptor, reading, path
    )
    if descriptor is None:
        return None
    if descriptor.adapter is None:
        reading.later(
            (*path, "type"),
            f"a depot of type {descriptor.name} cannot be connected yet",
            code="depot.unsupported",
            hint="its adapter comes with a later version: see docs/roadmap.md",
        )
    location_key, location = _take_location(data, descriptor, reading, path)
    model = None
    if location is not None:
        model = registry.resolve(descriptor.spec)(location, reading, (*path, location_key))
    _refuse_strays(data, reading, path)
    spec = read_model(DepotSection, data, reading, path)
    if spec is not None:
        _notices(spec, context, reading, path)
    if len(reading.problems) > before or spec is None or model is None:
        return None
    references = tuple(
        Reference(
            ResourceKey("secret", s.name, s.workspace) if s.workspace else ResourceKey("instance-secret", s.name), where
        )
        for s, where in credentials.references
    )
    if spec.compute:
        references += blocks.compute_reference(spec.compute, (*path, "compute"))
    canonical = DepotSpec(
        type=descriptor.name,
        location=model,
        location_data=model.model_dump(mode="json", by_alias=True),
        secrets=tuple(s for s, _ in credentials.references),
        inline=tuple(credentials.inline),
        description=spec.description or context.meta.description,
        external=spec.external,
        source=spec.source or context.meta.name,
        compute=spec.compute,
        run_as_user=spec.run_as_user or context.meta.run_as_user,
    )
    return KindReading(canonical, references, tuple(credentials.sealed))


def _refuse_strays(data: dict[str, Any], reading: Reading, path: Path) -> None:
    """Credentials below a key that is not known would be kept as they are, not sealed."""
    known = {(info.alias or name).lower() for name, info in DepotSection.model_fields.items()} | {"specs"}
    for key in [k for k in data if k.lower() not in known]:
        if blocks.paths_where(data[key], lambda at: any(_is_credential(part) for part in at)) or _is_credential(key):
            hint = "known for credentials: secrets, connectionSecret"
            reading.error(
                (*path, key), f"unknown key `{key}` holds credentials", code="manifest.unknown_key", hint=hint
            )
            del data[key]


def _is_credential(part: str | int) -> bool:
    name = str(part).lower()
    return is_credential(name) or name in ("data", "values", "username", "acl")


def _notices(spec: DepotSection, context: Context, reading: Reading, path: Path) -> None:
    """What is accepted and does nothing is said."""
    if spec.name is not None and spec.name != context.meta.name:
        reading.warn((*path, "name"), f"`{spec.name}` differs from the name above and has no effect")
    if spec.owner is not None and context.meta.owner and spec.owner != context.meta.owner:
        reading.warn((*path, "owner"), f"`{spec.owner}` differs from the owner above and has no effect")
    if spec.hive_sync:
        reading.warn((*path, "hiveSync"), "`hiveSync` has no effect: there is no Hive metastore to synchronise with")
    if spec.resources is not None:
        blocks.read_sizes(spec.resources, (*path, "resources"), reading)
        reading.warn((*path, "resources"), "`resources` has no effect: a depot runs no process of its own")
    if spec.compute is not None and not names.matches(spec.compute, names.STD):
        reading.error((*path, "compute"), names.rule_text("compute", spec.compute, names.STD), code="manifest.name")


def _type(data: dict[str, Any], reading: Reading, path: Path) -> DepotTypeDescriptor | None:
    key = next((k for k in data if k.lower() == "type"), None)
    written = data[key] if key is not None else None
    if not isinstance(written, str) or not written.strip():
        reading.error(
            path,
            "`type` is required",
            code="manifest.missing",
            hint="types: " + ", ".join(registry.known_depot_types()),
        )
        return None
    name = written
    if written.strip().upper() == "JDBC" and _subprotocol(data).lower() in ("postgresql", "postgres"):
        name = "POSTGRESQL"
    descriptor = registry.find_depot_type(name)
    if descriptor is None:
        reading.error(
            (*path, "type"),
            f"depot type `{written}` is not known",
            hint=suggest(written.upper(), registry.known_depot_types()),
        )
    elif name == written and written.strip().upper() != descriptor.name:
        reading.warn((*path, "type"), f"type `{written}` is read as `{descriptor.name}`", code="manifest.variant")
    return descriptor


def _subprotocol(data: dict[str, Any]) -> str:
    for block in (data, *data.values()):
        if isinstance(block, dict):
            for key, value in cast("dict[str, Any]", block).items():
                if key.lower() == "subprotocol" and isinstance(value, str):
                    return value.strip().removeprefix("jdbc:")
    return ""


def _take_location(
    data: dict[str, Any], descriptor: DepotTypeDescriptor, reading: Reading, path: Path
) -> tuple[str, dict[str, Any] | None]:
    """Take the location out of `data`: the typed section, else `spec`, else keys that stand beside an empty `spec`.

    None for the location after a problem.
    """
    canonical = _section(descriptor)
    typed = [k for k in data if k.lower() in (canonical, *descriptor.sections)]
    plain = [k for k in data if k.lower() in ("spec", "specs")]
    blocks_ = {k: data.pop(k) for k in (*typed, *plain)}
    foreign = _foreign_section(data, descriptor)
    if foreign is not None:
        owner, wrong = foreign
        data.pop(wrong)
        reading.error(
            (*path, wrong),
            f"section `{wrong}` is for depots of type {owner}; a depot of type {descriptor.name} has `{canonical}`",
            hint=f"`{canonical}` holds: " + ", ".join(_keys(descriptor)),
        )
        if not blocks_:
            return canonical, None
    filled = [key for key, location in blocks_.items() if location is not None]
    if len(filled) > 1:
        text = f"the location stands twice: in `{filled[0]}` and in `{filled[1]}`"
        reading.error((*path, filled[1]), text, hint=f"write it below `{canonical}`")
        return filled[1], None
    for key, location in blocks_.items():
        if location is None:
            continue
        if not isinstance(location, dict):
            reading.error((*path, key), f"`{key}` holds the location: expected a mapping")
            return key, None
        if typed and key in typed and key.lower() != canonical:
            reading.warn((*path, key), f"section `{key}` is read as `{canonical}`", code="manifest.variant")
        return key, _without_external(dict(cast("dict[str, Any]", location)), data, (*path, key), reading)
    return canonical, _beside(data, descriptor, bool(blocks_), reading, path)


def _without_external(location: dict[str, Any], data: dict[str, Any], path: Path, reading: Reading) -> dict[str, Any]:
    for key in [k for k in location if k.lower() == "external"]:
        reading.warn((*path, key), "`external` belongs one level higher", code="manifest.variant")
        value = location.pop(key)
        if not any(k.lower() == "external" for k in data):
            data["external"] = value
    return location


def _beside(
    data: dict[str, Any], descriptor: DepotTypeDescriptor, empty: bool, reading: Reading, path: Path
) -> dict[str, Any] | None:
    """Attributes directly below `depot`; a type that needs none may leave them out."""
    canonical = _section(descriptor)
    own = {info.alias or name for name, info in DepotSection.model_fields.items()}
    wanted = {k.lower() for k in _keys(descriptor)} - {k.lower() for k in own}
    found = {k: data.pop(k) for k in list(data) if k.lower() in wanted}
    if found:
        reading.warn(
            path,
            f"{', '.join(f'`{k}`' for k in found)} belong below `{canonical}`: indent them",
            code="manifest.variant",
        )
        return found
    if empty or not _required(descriptor):
        return {}  # the type's own reader says what is missing, key by key
    reading.error(
        path,
        f"the location is missing: a depot of type {descriptor.name} needs a section `{canonical}`",
        code="manifest.missing",
        hint=f"`{canonical}` holds: " + ", ".join(_keys(descriptor)),
    )
    return None


def _foreign_section(data: dict[str, Any], descriptor: DepotTypeDescriptor) -> tuple[str, str] | None:
    """A section of another type: (its type, its key)."""
    for key, value in data.items():
        for other in DEPOT_TYPES.values():
            if isinstance(value, dict) and other is not descriptor and key.lower() == _section(other):
                return other.name, key
    return None


def _section(descriptor: DepotTypeDescriptor) -> str:
    return descriptor.sections[0] if descriptor.sections else descriptor.name.lower()


def _model(descriptor: DepotTypeDescriptor) -> type[Spec] | None:
    return registry.written_model(descriptor.spec)


def _keys(descriptor: DepotTypeDescriptor) -> list[str]:
    model = _model(descriptor)
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def _required(descriptor: DepotTypeDescriptor) -> list[str]:
    model = _model(descriptor)
    if model is None:
        return ["?"]
    return [info.alias or name for name, info in model.model_fields.items() if info.is_required()]
