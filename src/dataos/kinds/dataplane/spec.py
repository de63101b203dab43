"""What a Dataplane manifest may say: the chapters only name this type (ch01 2); `hub` is the one that ships.

Its section is a mapping that is kept as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dataos.manifest.annotations import free
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Reading, Spec, read_model


class DataplaneSection(Spec, json_schema_extra=free()):
    """The section as written: nothing is documented of it."""

    properties: dict[str, Any] = {}
    """Free properties."""


@dataclass(frozen=True)
class DataplaneSpec:
    """Canonical Dataplane."""

    properties: dict[str, Any]


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical DataplaneSpec."""
    if isinstance(section, dict):  # every key is a property: there is no list of them to compare with
        written = cast("dict[str, Any]", section)
        extra = written.get("properties")
        own = {k: v for k, v in written.items() if k != "properties"}
        section = {"properties": {**own, **cast("dict[str, Any]", extra)} if isinstance(extra, dict) else extra or own}
    spec = read_model(DataplaneSection, section, reading, (context.section,))
    return None if spec is None else KindReading(DataplaneSpec(dict(spec.properties)))
