"""What a stackSpec of the stack `beacon` may say: an HTTP API over a managed PostgreSQL database (ch03 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model
from dataos.manifest.stacks import Use

PROXY = "PGRST_OPENAPI_SERVER_PROXY_URI"
"""The address that the OpenAPI document of `beacon+rest` prints; derived from the ingress where it is not set."""


class SourceBlock(Spec):
    """`source`: which Database."""

    type: Annotated[Text, Words("database")]
    """`database`."""
    name: Text
    """Name of the Database."""
    workspace: Text = "public"
    """Its workspace."""


class StackBlock(Spec):
    """The stackSpec as written."""

    source: SourceBlock
    """Which Database is served."""


@dataclass(frozen=True)
class BeaconSpec:
    """The Database whose tables, views and functions are served."""

    database: ResourceKey


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> BeaconSpec | None:
    """Canonical BeaconSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    source, where = block.source, (*path, "source")
    one_of(source.type, ("database",), (*where, "type"), reading, "type of source")
    if not names.matches(source.name, names.DATABASE):
        rule = names.rule_text("database", source.name, names.DATABASE)
        reading.error((*where, "name"), rule, code="manifest.name")
    if not names.matches(source.workspace, names.DNS, names.MAX_WORKSPACE):
        rule = names.rule_text("workspace", source.workspace, names.DNS, names.MAX_WORKSPACE)
        reading.error((*where, "workspace"), rule, code="manifest.name")
    if len(reading.problems) > before:
        return None
    return BeaconSpec(ResourceKey("database", source.name, source.workspace))


def bind(spec: BeaconSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """The database must be there; the address in the OpenAPI document must be one."""
    proxy = use.envs.get(PROXY)
    if proxy:
        locations.check_url(proxy, ("http", "https"), (*use.path, "envs", PROXY), reading)
        if use.flavour != "rest":
            reading.warn((*use.path, "envs", PROXY), f"{PROXY} has no effect with beacon+{use.flavour}")
    return (Reference(spec.database, (*use.stack_path, "source", "name")),)
