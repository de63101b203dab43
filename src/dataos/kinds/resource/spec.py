"""What a `resource` manifest may say (ch03 15): an object of an external platform, of an Operator's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


class ResourceSection(Spec):
    """The section as written."""

    operator: Text
    """Name of the Operator that manages it."""
    type: Text
    """Type of the object, as the Operator names it."""
    spec: dict[str, Any]
    """The object, in the form of its type."""


@dataclass(frozen=True)
class ResourceSpec:
    """Canonical external object. Whether the Operator serves `type` here, and its schema, the server knows."""

    operator: str
    type: str
    spec: dict[str, Any]


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ResourceSpec with a reference to its Operator."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(ResourceSection, section, reading, path)
    if spec is None:
        return None
    if not names.matches(spec.operator, names.STD):
        rule = names.rule_text("operator", spec.operator, names.STD)
        reading.error((*path, "operator"), rule, code="manifest.name")
    if not spec.type.strip():
        reading.error((*path, "type"), "an empty text is no type", hint="one of the Operator's `resources[].name`")
    if len(reading.problems) > before:
        return None
    target = Reference(ResourceKey("operator", spec.operator), (*path, "operator"))
    return KindReading(ResourceSpec(spec.operator, spec.type, dict(spec.spec)), (target,))
