"""JSON Schemas of manifests for editors, made of the models that read them.

The open form takes what `validate` takes with a notice (old spellings, unknown keys); the strict form takes what
`validate --strict` takes. Both take a text with `$NAME` in it wherever a value stands: an editor sees the file before
variables are filled in. Keys are expected in the letter case of the documentation.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic.json_schema import JsonSchemaValue

from dataos.core import names
from dataos.core.errors import fail
from dataos.manifest import registry
from dataos.manifest.annotations import whole
from dataos.manifest.documents import SERVER_FIELDS, Meta
from dataos.manifest.model_schemas import VARIABLE, Build
from dataos.manifest.registry import KindDescriptor
from dataos.manifest.specs import Spec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema(type_: str | None = None, version: str | None = None, *, strict: bool = False) -> dict[str, Any]:
    """The schema of a kind in one version, in all of them (None), or of any manifest (both None).

    Raises DataOSError `kind.unknown`, `kind.version`.
    """
    build = Build(strict, _any_kind)
    if type_ is None:
        top = build.any_manifest()
        title = "A manifest"
    else:
        kind = registry.need_kind(type_)
        top = _document(kind, _versions(kind, version, strict), build)
        title = f"{kind.type} {version or ''}".rstrip()
    return {"$schema": DRAFT, "title": title, **top, "$defs": build.definitions()}


def depot_schema(type_: str, *, strict: bool = False) -> dict[str, Any]:
    """The schema of a depot type's location. Raises DataOSError `depot.type`."""
    found = registry.find_depot_type(type_)
    if found is None:
        known = registry.known_depot_types()
        hint = names.did_you_mean(type_.upper(), known) or "types: " + ", ".join(known)
        raise fail("depot.type", f"depot type `{type_}` is not known", hint=hint)
    return _of_model(registry.written_model(found.spec), f"location of a {found.name} depot", strict)


def stack_schema(name: str, *, strict: bool = False) -> dict[str, Any]:
    """The schema of a stack's stackSpec. Raises DataOSError `stack.unknown`."""
    found = registry.find_stack(name.split(":")[0].split("+")[0])
    if found is None:
        hint = names.did_you_mean(name, registry.known_stacks())
        raise fail("stack.unknown", f"stack `{name}` is not installed", hint=hint)
    return _of_model(registry.written_model(found.spec), f"stackSpec of {found.name}", strict)


# --- one document -----------------------------------------------------------------------------------------------------


def _versions(kind: KindDescriptor, version: str | None, strict: bool) -> tuple[str, ...]:
    if version is None:
        return tuple(v for v in kind.versions if not strict or v not in kind.superseded)
    if version not in kind.versions:
        raise fail(
            "kind.version",
            f"type {kind.type} has no version `{version}`",
            hint="versions: " + ", ".join(kind.versions),
        )
    return (version,)


def _document(kind: KindDescriptor, versions: tuple[str, ...], build: Build) -> JsonSchemaValue:
    """The mapping of a whole manifest."""
    section = _section(kind, build)
    keys = (f"{v}" for v in versions) if kind.versioned_section else (kind.type, *kind.sections)
    if build.strict:
        keys = (*keys,)[: len(versions) if kind.versioned_section else 1]
    module = sys.modules[registry.resolve(kind.spec).__module__]
    header = getattr(module, "Header", None)
    properties: dict[str, Any] = {**build.properties(Meta)}
    properties |= build.properties(header) if header is not None else {}
    properties |= {
        "name": {**properties["name"], "pattern": whole(rf"(?=.{{1,{kind.name_limit}}}$){kind.name_pattern}")},
        "type": _type(kind, build),
        "version": {"anyOf": [{"enum": [*versions]}, VARIABLE], "description": _about_versions(kind)},
        "layer": {**build.words(("user", "system"), ("users",), empty=True), "description": "user or system."},
    }
    for key in SERVER_FIELDS:
        properties[key] = {"description": "Added by the server; has no effect here."}
    found: list[str] = []
    for key in keys:
        properties[key] = section if not found else {**section, "deprecated": True}
        found.append(key)
    if not build.strict:
        capital = kind.type.capitalize()
        properties[capital] = {**section, "deprecated": True}
        found.append(capital)
        for key in kind.root_keys:
            properties.setdefault(key, {})
    schema: JsonSchemaValue = {
        "type": "object",
        "description": registry.about(kind.spec).splitlines()[0],
        "properties": properties,
        "required": ["name", "version", "type"],
    }
    if not kind.versioned_section:  # a product without one is a draft
        schema["anyOf"] = [{"required": [key]} for key in found]
    if build.strict:
        schema["additionalProperties"] = False
    if kind.instance_level and build.strict:
        properties.pop("workspace")
    return schema


def _any_kind(build: Build) -> JsonSchemaValue:
    kinds = [registry.need_kind(name) for name in registry.known_kinds()]
    for kind in kinds:
        build.define(f"manifest.{kind.type}", _document(kind, _versions(kind, None, build.strict), build))
    chosen = [
        {
            "if": {"properties": {"type": _type(kind, build)}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/manifest.{kind.type}"},
        }
        for kind in kinds
    ]
    words = [kind.type for kind in kinds]
    plural = [*(f"{word}s" for word in words), "policies", "product", "products"]
    return {
        "type": "object",
        "properties": {"type": {**build.words(words, plural), "description": "Type of the Resource."}},
        "required": ["type"],
        "allOf": chosen,
    }


def _section(kind: KindDescriptor, build: Build) -> JsonSchemaValue:
    reader = registry.resolve(kind.spec)
    model = registry.written_model(kind.spec)
    section = build.refer(model) if model is not None else {"type": "object"}
    extend = getattr(sys.modules[reader.__module__], "extend_schema", None)
    if extend is not None:
        section = build.finish(extend(section, build))
    if kind.versioned_section:
        section = {"type": "object", "properties": {"data": section}, "required": ["data"]}
    return section


def _type(kind: KindDescriptor, build: Build) -> JsonSchemaValue:
    also = {"policy": ("policies",), "data": ("product", "products")}.get(kind.type, (f"{kind.type}s",))
    return {**build.words((kind.type,), also), "description": "Type of the Resource."}


def _about_versions(kind: KindDescriptor) -> str:
    old = [f"{v} is read as {kind.superseded[v]}" for v in kind.versions if v in kind.superseded]
    return "Version of the manifest's form" + (f"; {', '.join(old)}" if old else "") + "."


def _of_model(model: type[Spec] | None, title: str, strict: bool) -> dict[str, Any]:
    build = Build(strict, _any_kind)
    top = build.refer(model) if model is not None else {"type": "object"}
    return {"$schema": DRAFT, "title": title, **top, "$defs": build.definitions()}
