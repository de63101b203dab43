"""A document as a Resource manifest: meta section, version migration, spec (ch01 3, 6.1).

`read_manifest` is the whole offline validation; CLI, `plan`, `apply` and the server call this same function.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import ResourceKey, resource_id
from dataos.core.errors import Problem
from dataos.manifest import registry
from dataos.manifest.registry import KindDescriptor
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, render, spelled

SERVER_FIELDS = ("generation", "uid", "created", "stamp", "status")
"""What `get -d` shows besides the manifest: accepted and ignored (ch01 3.2)."""

MASK = "****"
"""What stands for a secret value wherever a manifest is shown."""


class Meta(Spec):
    """The meta section (ch01 3.1), apart from the type-specific section."""

    name: Text
    """Name of the Resource, unique for its type and workspace."""
    version: Text
    """Version of the manifest's form (not a number of revisions)."""
    type: Text
    """Type of the Resource."""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    """Tags to find it by and for policies; automatic ones are added."""
    description: Text = spelled("Description", default="")
    """What it is for."""
    owner: Text = ""
    """Id of the user who owns it; whoever applies it if left out or unknown."""
    layer: Text = ""
    """user or system."""
    workspace: Text | None = None
    """Workspace; wins over `-w`. Instance-level types have none."""
    title: Text = ""
    """Title for people."""
    run_as_user: Text | None = None
    """Id of the user as whom it runs."""
    manage_as_user: Text | None = None
    """Id of the user on whose behalf it is managed."""


@dataclass(frozen=True)
class Reference:
    """What a manifest depends on: another Resource, and where it says so."""

    target: ResourceKey
    path: Path


@dataclass(frozen=True)
class Manifest:
    """A manifest that passed offline validation."""

    meta: Meta
    kind: KindDescriptor
    version: str  # canonical: superseded ones are migrated
    workspace: str | None  # None for instance-level types
    section_key: str  # as written
    spec: Any  # the kind's canonical model
    references: tuple[Reference, ...] = ()
    secret_paths: tuple[Path, ...] = ()  # below the section: values to seal
    unsupported: tuple[Problem, ...] = ()  # right, but refused at apply: this version cannot do it yet

    @property
    def key(self) -> ResourceKey:
        """Identity."""
        return ResourceKey(self.kind.type, self.meta.name, self.workspace)

    def sealed_values(self) -> dict[str, dict[str, Path]]:
        """Secret values by vault id: {vault id: {key: path below the section}}. A Resource has one vault id, or one
        for each element where its credentials stand in a list (`depot:old:0`)."""
        groups: dict[str, dict[str, Path]] = {}
        for path in self.secret_paths:
            # A section that is a list of one is written so by some: it is no list of credentials.
            position = next((f":{p}" for p in path[1:] if isinstance(p, int)), "")
            group = groups.setdefault(f"{self.key}{position}", {})
            key = str(path[-1])
            group[key if key not in group else render(path)] = path  # both sides of a Monitor may have a `dsn`
        return groups

    @property
    def id(self) -> str:
        """`TYPE:VERSION:NAME[:WORKSPACE]`."""
        return resource_id(self.kind.type, self.version, self.meta.name, self.workspace)

    @property
    def layer(self) -> str:
        """`user` or `system`."""
        if not self.meta.layer:
            return self.kind.default_layer
        return "system" if self.meta.layer.lower() == "system" else "user"


@dataclass(frozen=True)
class KindReading:
    """What a kind's `spec.py:read` returns besides problems: the canonical model and what it points at."""

    spec: Any
    references: tuple[Reference, ...] = ()
    secret_paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a kind's reader may know besides its section."""

    meta: Meta
    version: str
    workspace: str | None
    section: str  # the section's key as written
    root: dict[str, Any] = field(default_factory=dict[str, Any])  # the kind's `root_keys`, by their own spelling


def read_manifest(data: Any, reading: Reading, workspace: str | None = None) -> Manifest | None:
    """Validate a document offline. None if anything was wrong; all faults are in `reading`.

    `workspace` is what `-w` said (None: not said, `public` for workspace-level types).
    """
    if not isinstance(data, dict):
        reading.error((), "a manifest must be a mapping with name, version, type and a section named after the type")
        return None
    document = cast("dict[str, Any]", data)
    if not _is_storable(document, reading):
        return None
    kind, section_key = _kind_and_section(document, reading)
    before = len(reading.problems)
    root = _root(document, kind, section_key)
    meta_data = {k: v for k, v in document.items() if k not in (section_key, *SERVER_FIELDS) and k not in root.values()}
    if kind is None:  # the section of a type that is not known is no unknown key
        meta_data = {k: v for k, v in meta_data.items() if not isinstance(v, dict)} | {"type": "said above"}
    meta = read_model(Meta, meta_data, reading, ())
    if kind is None:
        return None
    if meta is None:
        _check_name(str(document.get("name") or ""), kind, reading)
        return None
    _check_name(meta.name, kind, reading)
    version = _check_version(meta, kind, reading)
    _check_layer(meta, reading)
    target = _workspace(meta, kind, workspace, reading)
    if section_key is None:
        reading.error(
            (),
            f"the section `{kind.type}` is missing",
            code="manifest.missing",
            hint=_stray(document, kind.type)
            or f"a manifest of type {kind.type} holds a key `{kind.type}:` with its spec",
        )
        return None
    if kind.controller is None:
        reading.later(("type",), f"type `{kind.type}` cannot be applied yet", code="kind.unsupported")
    context = Context(meta, version, target, section_key, {key: document[written] for key, written in root.items()})
    result = registry.resolve(kind.spec)(document.get(section_key), context, reading)
    if result is not None:
        _check_unmasked(document, section_key, result.secret_paths, reading)
    if result is None or len(reading.problems) > before:
        return None
    return Manifest(
        meta,
        kind,
        version,
        target,
        section_key,
        result.spec,
        result.references,
        result.secret_paths,
        tuple(reading.unsupported),
    )


def _check_unmasked(document: dict[str, Any], section: str, secret_paths: tuple[Path, ...], reading: Reading) -> None:
    """What `get -d` shows may be applied again, but not with a mask in the place of a secret value."""
    for path in secret_paths:
        value: Any = document[section]
        for part in path:
            value = value[part]
        if value == MASK:
            reading.error(
                (section, *path),
                f"`{MASK}` is what is shown in the place of a secret value, not the value",
                code="manifest.masked",
                hint="write the value itself, or $NAME and set the variable NAME",
            )


def _is_storable(document: dict[str, Any], reading: Reading) -> bool:
    """JSON from a program may hold what no store, file or answer can: half characters, numbers that are none, and
    nesting that exhausts whoever walks it."""
    before = len(reading.problems)

    def look(value: Any, path: Path) -> None:
        if len(path) > _MAX_DEPTH:
            reading.error(path[:3], f"nested deeper than {_MAX_DEPTH} levels", code="manifest.too_large")
        elif isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                look(key, path)
                look(inner, (*path, key))
        elif isinstance(value, list):
            for position, inner in enumerate(cast("list[Any]", value)):
                look(inner, (*path, position))
        elif isinstance(value, str) and not value.isascii() and _HALF_CHARACTER.search(value):
            clean = tuple(_HALF_CHARACTER.sub("?", p) if isinstance(p, str) else p for p in path)
            reading.error(clean, "the text holds half a character (an unpaired surrogate)", code="manifest.encoding")
        elif isinstance(value, float) and not math.isfinite(value):
            reading.error(path, f"{value} is no number that a manifest can hold")

    look(document, ())
    return len(reading.problems) == before


_MAX_DEPTH = 100
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def _kind_and_section(document: dict[str, Any], reading: Reading) -> tuple[KindDescriptor | None, str | None]:
    written = document.get("type")
    if not isinstance(written, str) or not written.strip():
        reading.error(
            ("type",) if "type" in document else (), "`type` is required", code="manifest.missing", hint=_types()
        )
        return None, None
    type_ = registry.canonical_type(written)
    kind = registry.find_kind(type_)
    if kind is None:
        reading.error(
            ("type",),
            f"unknown type `{written}`",
            code="kind.unknown",
            hint=names.did_you_mean(type_, registry.known_kinds()) or _types(),
        )
        return None, None
    if written != type_:
        reading.warn(("type",), f"type `{written}` is read as `{type_}`", code="manifest.variant")
    if kind.versioned_section:
        return kind, str(document.get("version") or kind.versions[0]).strip()
    if str(document.get("entity", "")).strip().lower() == "product":
        reading.error(("type",), f"a product has the type `data`, found `{written}`", hint="write `type: data`")
    for spelling in (type_, *kind.sections):
        exact = [k for k in document if k == spelling] or [k for k in document if k.lower() == spelling]
        if exact:
            if exact[0] != type_:
                reading.warn((exact[0],), f"section `{exact[0]}` is read as `{type_}`", code="manifest.variant")
            return kind, exact[0]
    return kind, None


def _root(document: dict[str, Any], kind: KindDescriptor | None, section_key: str | None) -> dict[str, str]:
    """Which keys of the document's top the kind reads itself: its spelling to the written one."""
    keys = {key.lower(): key for key in kind.root_keys} if kind else {}
    return {keys[k.lower()]: k for k in document if k != section_key and k.lower() in keys}


def _stray(document: dict[str, Any], section: str) -> str:
    """A known slip: the spec's keys stand at the top, beside the meta section (ch03 19)."""
    known = {(info.alias or name).lower() for name, info in Meta.model_fields.items()} | {*SERVER_FIELDS}
    stray = [f"`{key}`" for key in document if key.lower() not in known]
    return f"{', '.join(stray[:5])} at the top: should they stand below `{section}:`? Indent them" if stray else ""


def _types() -> str:
    kinds = [registry.find_kind(type_) for type_ in registry.known_kinds()]
    return "types that can be applied: " + ", ".join(kind.type for kind in kinds if kind and kind.controller)


def _check_name(name: str, kind: KindDescriptor, reading: Reading) -> None:
    if name and not names.matches(name, kind.name_pattern, kind.name_limit):
        reading.error(
            ("name",),
            names.rule_text("name", name, kind.name_pattern, kind.name_limit),
            code="manifest.name",
            hint="a depot or cluster name has no hyphen: it is a catalog in SQL"
            if kind.name_pattern == names.FLAT
            else "",
        )


def _check_version(meta: Meta, kind: KindDescriptor, reading: Reading) -> str:
    if meta.version in kind.superseded:
        newer = kind.superseded[meta.version]
        reading.warn(
            ("version",),
            f"{meta.version} has been replaced by versions {newer} for type {kind.type}",
            code="manifest.superseded",
            hint=f"please update as {meta.version} will be deprecated in the next release, "
            "and auto-migrate will be disabled",
        )
        return newer
    if meta.version not in kind.versions:
        reading.error(
            ("version",),
            f"version `{meta.version}` is not known for type {kind.type}",
            code="manifest.version",
            hint="accepted: " + ", ".join(kind.versions),
        )
    return meta.version


def _check_layer(meta: Meta, reading: Reading) -> None:
    if meta.layer.lower() not in ("", "user", "users", "system"):
        reading.error(("layer",), f"layer `{meta.layer}` is not allowed", hint="allowed: user, system")
    elif meta.layer.lower() == "users":
        reading.warn(("layer",), "layer `users` is read as `user`", code="manifest.variant")


def _workspace(meta: Meta, kind: KindDescriptor, flag: str | None, reading: Reading) -> str | None:
    if kind.instance_level:
        if meta.workspace:
            reading.warn(("workspace",), f"type {kind.type} is instance-level: `workspace` has no effect")
        return None
    if meta.workspace and not names.matches(meta.workspace, names.DNS, names.MAX_WORKSPACE):
        reading.error(
            ("workspace",),
            names.rule_text("workspace", meta.workspace, names.DNS, names.MAX_WORKSPACE),
            code="manifest.name",
        )
    if meta.workspace and flag and meta.workspace != flag:
        reading.warn(
            ("workspace",),
            f"the manifest's workspace `{meta.workspace}` wins over `-w {flag}`",
            code="manifest.workspace",
        )
    return meta.workspace or flag or "public"
