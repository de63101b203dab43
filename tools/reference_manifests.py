"""Pages of kinds, stacks and depot types, made of the models that read them."""

from __future__ import annotations

import re
import typing
from typing import Any

from pydantic import BaseModel

from dataos.cli.develop import sample
from dataos.manifest import depot_types, documents, registry, runnables
from dataos.manifest.annotations import Words
from dataos.manifest.depot_types import DepotTypeDescriptor
from dataos.manifest.model_schemas import field_docs
from dataos.manifest.registry import KindDescriptor, StackDescriptor
from dataos.manifest.specs import Spec

LATER = "It can be validated and planned; applying it comes with a later version ([roadmap](../../roadmap.md)).\n"
UNKNOWN = (
    "Keys may be spelled in any letter case; other accepted spellings are listed. Unknown keys close to a known one are "
    "errors, others warnings.\n"
)


def pages() -> dict[str, str]:
    """File name below docs/reference -> text."""
    made = {"manifests.md": _common()}
    for kind in registry.KINDS.values():
        made[f"kinds/{kind.type}.md"] = _kind(kind)
    for stack in registry.STACKS.values():
        made[f"stacks/{stack.name}.md"] = _stack(stack)
    for type_ in depot_types.DEPOT_TYPES.values():
        made[f"depots/{type_.name.lower()}.md"] = _depot(type_)
    return made


def _common() -> str:
    parts = [f"# Manifests\n\n{UNKNOWN}\n## Meta section\n", *table(documents.Meta)]
    parts.append("\n## Kinds\n\n| type | versions | level | can be applied |\n|---|---|---|---|\n")
    for kind in registry.KINDS.values():
        level, ready = _level(kind), "yes" if kind.controller else "later"
        parts.append(f"| [{kind.type}](kinds/{kind.type}.md) | {', '.join(kind.versions)} | {level} | {ready} |\n")
    parts.append("\n## Stacks\n\n| stack | versions | runs under | can run |\n|---|---|---|---|\n")
    for stack in registry.STACKS.values():
        hosts, ready = ", ".join(stack.hosts), "yes" if stack.planner else "later"
        parts.append(f"| [{stack.name}](stacks/{stack.name}.md) | {', '.join(stack.versions)} | {hosts} | {ready} |\n")
    words = list(depot_types.MEANINGS)
    parts.append(f"\n## Depot types\n\n| type | also | {' | '.join(words)} |\n|---|---{'|---' * len(words)}|\n")
    for found in depot_types.DEPOT_TYPES.values():
        can = found.abilities.to_json()
        shown = " | ".join("" if can[w] == "no" else can[w] for w in words)
        parts.append(f"| [{found.name}](depots/{found.name.lower()}.md) | {', '.join(found.aliases)} | {shown} |\n")
    parts += ["\n", *(f"- {word}: {meaning}\n" for word, meaning in depot_types.MEANINGS.items())]
    parts.append(
        "\n## What every job may say\n\nThe keys of `workflow.dag[].spec`, and of the sections of Services and Workers.\n"
    )
    return "".join([*parts, *table(runnables.RunnableBlock)])


def _level(kind: KindDescriptor) -> str:
    return "instance" if kind.instance_level else "workspace"


def _kind(kind: KindDescriptor) -> str:
    superseded = ", ".join(f"{old} (read as {new}, with a notice)" for old, new in kind.superseded.items())
    facts = [
        f"- Versions: {', '.join(kind.versions)}" + (f"; superseded: {superseded}" if superseded else ""),
        f"- Level: {_level(kind)}" + ("" if kind.instance_level else " (`workspace:`, or `-w`)"),
        f"- Name: `{kind.name_pattern}`, at most {kind.name_limit} characters",
    ]
    head = f"# {kind.type}\n\n{registry.about(kind.spec)}\n\n" + "\n".join(facts) + "\n"
    example = f"\n## Example\n\n`dataos develop generate -t {kind.type}` prints it.\n\n```yaml\n{sample(kind)}```\n"
    later = "" if kind.controller else f"\n{LATER}"
    keys = f"\n## Keys of the section `{kind.type}`\n\n{UNKNOWN}"
    return "".join([head, later, example, keys, *table(registry.written_model(kind.spec))])


def _stack(stack: StackDescriptor) -> str:
    facts = [
        f"- Versions: {', '.join(stack.versions)}"
        + (f"; flavours: {', '.join(stack.flavours)}" if stack.flavours else ""),
        f"- Runs under: {', '.join(stack.hosts)}",
    ]
    if stack.aliases:
        facts.append(f"- Also called: {', '.join(f'`{a}`' for a in stack.aliases)}")
    if stack.opaque_paths:
        facts.append(f"- `$NAME` is left alone below: {', '.join(f'`{p}`' for p in stack.opaque_paths)}")
    head = f"# Stack {stack.name}\n\n{registry.about(stack.spec)}\n\n" + "\n".join(facts) + "\n"
    later = "" if stack.planner else f"\n{LATER}"
    model = registry.written_model(stack.spec)
    keys = f"\n## Keys of `stackSpec`\n\n{UNKNOWN}" if model is not None else ""
    return "".join([head, later, keys, *(table(model) if _is_model(model) else [])])


def _depot(found: DepotTypeDescriptor) -> str:
    can = found.abilities
    facts = [f"- It can: {', '.join(can.named()) or 'nothing yet'}" + (f" ({found.note})" if found.note else "")]
    if later := can.named(depot_types.LATER):
        facts.append(f"- Comes with a later version: {', '.join(later)}")
    if found.extra:
        facts.append(f"- Its driver: `pip install 'dataos[{found.extra}]'`")
    if found.aliases:
        facts.append(f"- Also called: {', '.join(f'`{a}`' for a in found.aliases)}")
    if found.sections:
        facts.append(f"- Its location stands in: {', '.join(f'`{s}`' for s in found.sections)}")
    ways = " or ".join(", ".join(f"`{key}`" for key in way) for way in found.credentials)
    if ways:
        facts.append(f"- Credentials: {ways}")
    if found.credential_options:
        facts.append(f"- Beside them: {', '.join(f'`{key}`' for key in found.credential_options)}")
    if not found.needs_secret:
        facts.append("- It can be reached without credentials.")
    head = f"# Depot type {found.name}\n\n{registry.about(found.spec)}\n\n" + "\n".join(facts) + "\n"
    later = "" if found.adapter else f"\n{LATER}"
    model = registry.written_model(found.spec)
    return "".join([head, later, "\n## Location\n", *(table(model) if _is_model(model) else [])])


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def table(model: type[Spec], prefix: str = "") -> list[str]:
    """The rows of a model's keys, inner models' below their own."""
    rows = list(_rows(model, prefix))
    return ["\n| key | type | default | also spelled | meaning |\n|---|---|---|---|---|\n", *rows] if rows else []


def _rows(model: type[Spec], prefix: str) -> typing.Iterator[str]:
    docs = field_docs(model)
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        variants = ", ".join(f"`{v}`" for v in typing.cast("list[str]", extra.get("variants", [])))
        inner = _inner(info.annotation)
        empty = inner is not None or info.default in (None, "")
        default = "required" if info.is_required() else "" if empty else f"`{plain(info.default)}`"
        yield f"| `{prefix}{info.alias}` | {_type(info.annotation)} | {default} | {variants} | {_meaning(docs.get(name, ''), info)} |\n"
        if inner is not None:
            many = typing.get_origin(info.annotation) in (tuple, list)
            yield from _rows(inner, f"{prefix}{info.alias}{'[]' if many else ''}.")


def _meaning(text: str | None, info: Any) -> str:
    words = next((m for m in _marks(info) if isinstance(m, Words)), None)
    listed = ", ".join(f"`{word}`" for word in words.allowed if word) if words else ""
    return " ".join(filter(None, ((text or "").replace("|", "\\|"), f"One of {listed}." if listed else "")))


def _marks(info: Any) -> list[Any]:
    return [*info.metadata, *(m for a in typing.get_args(info.annotation) for m in getattr(a, "__metadata__", ()))]


def _inner(annotation: Any) -> type[Spec] | None:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    return next(filter(None, map(_inner, typing.get_args(annotation))), None)


def _type(annotation: Any) -> str:
    text = str(annotation) if typing.get_origin(annotation) else getattr(annotation, "__name__", str(annotation))
    if "Spec" in text or _inner(annotation):
        return "list" if typing.get_origin(annotation) in (tuple, list) else "mapping"
    text = re.sub(r"typing\.Annotated\[(\w+), .*?\)\]", r"\1", text)
    text = text.replace("typing.", "").replace("NoneType", "null").replace(" | None", "")
    return {"str": "text", "bool": "boolean", "int": "whole number", "float": "number", "Any": "any"}.get(
        text,
        "list of text"
        if text.startswith("tuple[str")
        else "mapping"
        if text.startswith("dict")
        else "text"
        if "str" in text
        else "any",
    )


def plain(value: Any) -> str:
    """A default as it would be written."""
    return "[]" if value == () else str(value).lower() if isinstance(value, bool) or value is None else str(value)
