"""Which kinds, stacks and depot types exist.

Built-ins stand in static tables below; third-party ones are entry points (`dataos.kinds`, `dataos.stacks`,
`dataos.depot_types`) and are scanned only when a name is not built in. A descriptor is frozen data: its `spec` is
loaded on first use, everything else is a dotted string, so that the CLI validates offline and imports no controller.
Nothing registers itself on import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from dataos.core import names
from dataos.core.errors import fail
from dataos.manifest.depot_types import DEPOT_TYPES, DepotTypeDescriptor


@dataclass(frozen=True)
class KindDescriptor:
    """One Resource type. `versions`: canonical first; `superseded` ones are migrated with a notice (ch01 2)."""

    type: str
    instance_level: bool
    versions: tuple[str, ...]
    spec: str  # "module:read": (document, reading) -> canonical spec
    controller: str | None = None  # "module:Controller"; None: cannot be applied yet
    superseded: Mapping[str, str] = field(default_factory=dict[str, str])
    name_pattern: str = names.STD
    name_limit: int = names.MAX_NAME
    default_layer: str = "user"
    sections: tuple[str, ...] = ()  # other spellings of the section key
    root_keys: tuple[str, ...] = ()  # keys of the document's top that the kind's reader takes (`Context.root`)
    gathers: bool = False  # what it makes are Resources of their own: they may be applied by themselves too
    versioned_section: bool = False  # the section is named after the version, and may be absent (a draft product)


@dataclass(frozen=True)
class StackDescriptor:
    """One Stack. `aliases` are old names (also section keys instead of stackSpec); the newest version stands first."""

    name: str
    spec: str  # "module:read": (stackSpec data, reading, path) -> canonical spec
    planner: str | None  # "module:Planner"; None: cannot run yet
    aliases: tuple[str, ...] = ()
    versions: tuple[str, ...] = ("1.0",)
    any_version: bool = True  # what is older than the newest, and not listed, runs as the newest
    flavours: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ("workflow", "service", "worker")  # what it can run under
    opaque_paths: tuple[str, ...] = ()  # last path parts under stackSpec where `$X` is never interpolated
    bind: str | None = None  # "module:bind": (canonical spec, `stacks.Use`, reading) -> references; checks of the rest
    list_key: str = ""  # a stackSpec that is a list is read as the value of this key
    brings_port: bool = False  # a Service needs no `servicePort`: the stack has its own


KINDS: dict[str, KindDescriptor] = {
    d.type: d
    for d in (
        KindDescriptor(
            "instance-secret",
            instance_level=True,
            versions=("v1", "v1beta", "v1alpha", "v2alpha"),
            spec="dataos.kinds.secret.spec:read",
            controller="dataos.kinds.secret.controller:SecretController",
            sections=("secret",),
        ),
        KindDescriptor(
            "secret",
            instance_level=False,
            versions=("v1", "v1beta1"),
            superseded={"v1beta1": "v1"},
            spec="dataos.kinds.secret.spec:read",
            controller="dataos.kinds.secret.controller:SecretController",
        ),
        KindDescriptor(
            "depot",
            instance_level=True,
            versions=("v2alpha", "v1", "v1beta1"),
            superseded={"v1beta1": "v1"},
            spec="dataos.kinds.depot.spec:read",
            controller="dataos.kinds.depot.controller:DepotController",
            name_pattern=names.FLAT,
            root_keys=("secrets", "dataosSecrets", "connectionSecret", "connectionSecrets"),
        ),
        KindDescriptor(
            "lakehouse",
            instance_level=False,
            versions=("v1alpha",),
            spec="dataos.kinds.lakehouse.spec:read",
            controller="dataos.kinds.lakehouse.controller:LakehouseController",
        ),
        KindDescriptor(
            "workflow",
            instance_level=False,
            versions=("v1", "v1beta", "v1beta1"),
            superseded={"v1beta": "v1", "v1beta1": "v1"},
            spec="dataos.kinds.workflow.spec:read",
            controller="dataos.kinds.workflow.controller:WorkflowController",
        ),
        KindDescriptor(
            "cluster",
            instance_level=False,
            versions=("v1", "v1beta1"),
            superseded={"v1beta1": "v1"},
            spec="dataos.kinds.cluster.spec:read",
            controller="dataos.kinds.cluster.controller:ClusterController",
            name_pattern=names.FLAT,
        ),
        KindDescriptor(
            "service",
            instance_level=False,
            versions=("v1", "v1beta1"),
            spec="dataos.kinds.service.spec:read",
            superseded={"v1beta1": "v1"},
        ),
        KindDescriptor(
            "worker",
            instance_level=False,
            versions=("v1beta", "v1"),
            spec="dataos.kinds.worker.spec:read",
        ),
        KindDescriptor(
            "database",
            instance_level=False,
            versions=("v1", "v1beta1"),
            spec="dataos.kinds.database.spec:read",
            superseded={"v1beta1": "v1"},
            name_pattern=names.DATABASE,
        ),
        KindDescriptor(
            "volume",
            instance_level=False,
            versions=("v1beta", "v1"),
            spec="dataos.kinds.volume.spec:read",
        ),
        KindDescriptor(
            "resource",
            instance_level=False,
            versions=("v1alpha", "v1beta"),
            spec="dataos.kinds.resource.spec:read",
        ),
        KindDescriptor(
            "compute",
            instance_level=True,
            versions=("v1", "v1beta"),
            spec="dataos.kinds.compute.spec:read",
            controller="dataos.kinds.compute.controller:ComputeController",
            default_layer="system",
        ),
        KindDescriptor(
            "dataplane",
            instance_level=True,
            versions=("v1", "v1beta", "v1alpha"),
            spec="dataos.kinds.dataplane.spec:read",
            default_layer="system",
        ),
        KindDescriptor(
            "operator",
            instance_level=True,
            versions=("v1alpha",),
            spec="dataos.kinds.operator.spec:read",
        ),
        KindDescriptor(
            "stack",
            instance_level=True,
            versions=("v1alpha", "v1beta", "v1"),
            spec="dataos.kinds.stack.spec:read",
        ),
        KindDescriptor(
            "bundle",
            instance_level=True,
            versions=("v1beta", "v1alpha", "v1"),
            spec="dataos.kinds.bundle.spec:read",
            controller="dataos.kinds.bundle.controller:BundleController",
            gathers=True,
        ),
        KindDescriptor(
            "policy",
            instance_level=True,
            versions=("v1", "v1beta1"),
            superseded={"v1beta1": "v1"},
            spec="dataos.kinds.policy.spec:read",
            controller="dataos.kinds.policy.controller:PolicyController",
        ),
        KindDescriptor(
            "grant",
            instance_level=True,
            versions=("v1alpha",),
            spec="dataos.kinds.grant.spec:read",
            controller="dataos.kinds.grant.controller:GrantController",
        ),
        KindDescriptor(
            "monitor",
            instance_level=False,
            versions=("v1alpha",),
            spec="dataos.kinds.monitor.spec:read",
        ),
        KindDescriptor(
            "pager",
            instance_level=False,
            versions=("v1alpha",),
            spec="dataos.kinds.pager.spec:read",
        ),
        KindDescriptor(
            "lens",
            instance_level=False,
            versions=("v1alpha", "v1beta"),
            spec="dataos.kinds.lens.spec:read",
            root_keys=("source", "repo", "api", "worker", "router", "iris", "metric", "metrics", "runAsApiKey"),
        ),
        KindDescriptor(
            "data",  # a product: `type: data`, the section is named after the version
            instance_level=True,
            versions=("v1beta", "v1alpha"),
            spec="dataos.kinds.product.spec:read",
            controller="dataos.kinds.product.controller:ProductController",
            root_keys=("entity", "purpose", "collaborators", "refs", "v1beta", "v1alpha"),
            versioned_section=True,
        ),
    )
}


def _later_stack(name: str, room: str, *hosts: str, **more: Any) -> StackDescriptor:
    """A stack that is read in full and cannot run yet. `room`: its folder below `dataos.stacks`."""
    return StackDescriptor(name, spec=f"dataos.stacks.{room}.spec:read", planner=None, hosts=hosts, **more)


def _bind(room: str) -> str:
    return f"dataos.stacks.{room}.spec:bind"


_PYTHON = ("python",)

STACKS: dict[str, StackDescriptor] = {
    d.name: d
    for d in (
        StackDescriptor(
            "flare",
            spec="dataos.stacks.flare.spec:read",
            planner="dataos.stacks.flare.plan:FlarePlanner",
            versions=("7.0", "6.0", "5.0", "4.0", "3.0", "2.0", "1.0"),
            hosts=("workflow",),
            opaque_paths=("sql", "sqlFile", "udfs", "incremental", "program"),
        ),
        _later_stack(
            "container", "container", "workflow", "service", "worker", aliases=("alpha",), bind=_bind("container")
        ),
        _later_stack("python3", "python3", "workflow", "service", "worker"),
        _later_stack("dataos-ctl", "dataos_ctl", "workflow", bind=_bind("dataos_ctl")),
        _later_stack(
            "beacon", "beacon", "service", flavours=("rest", "graphql"), bind=_bind("beacon"), brings_port=True
        ),
        _later_stack("steampipestack", "steampipe", "service", aliases=("steampipe",), bind=_bind("steampipe")),
        _later_stack(
            "bento",
            "bento",
            "workflow",
            "service",
            "worker",
            aliases=("benthos", "bento-worker"),
            versions=("4.0", "3.0", "1.0"),
            opaque_paths=("stackSpec", "bento", "benthos", "bento-worker"),
            bind=_bind("bento"),
        ),
        _later_stack(
            "flash",
            "flash",
            "service",
            versions=("2.0", "1.0"),
            flavours=_PYTHON,
            opaque_paths=("sql", "where", "init"),
            bind=_bind("flash"),
        ),
        _later_stack("lakesearch", "lakesearch", "service", versions=("6.0", "4.0", "1.0")),
        _later_stack("talos", "talos", "service", versions=("2.0", "1.0"), bind=_bind("talos")),
        _later_stack("stream-monitor", "stream_monitor", "worker", opaque_paths=("valueJqFilter",)),
        _later_stack(
            "soda",
            "soda",
            "workflow",
            "worker",
            versions=("2.0", "1.0"),
            flavours=_PYTHON,
            opaque_paths=("checks", "where"),
            list_key="inputs",
        ),
        _later_stack(
            "sodaworker", "soda", "worker", flavours=_PYTHON, opaque_paths=("checks", "where"), list_key="inputs"
        ),
        _later_stack("scanner", "scanner", "workflow", "worker", versions=("2.0", "1.0"), bind=_bind("scanner")),
        _later_stack("nilus", "nilus", "workflow", "service", versions=("3.0", "1.0"), bind=_bind("nilus")),
        _later_stack("dbt", "dbt", "workflow", flavours=_PYTHON),
        _later_stack("toolbox", "toolbox", "workflow"),
        _later_stack("dataos-resource", "dataos_resource", "workflow", flavours=("apply", "delete", "run")),
        _later_stack("fastfun", "fastfun", "worker", versions=("2.0", "1.0"), flavours=("alpha",)),
        _later_stack("pulsar-function", "fastfun", "worker", versions=("3.0",), flavours=("lakehouse-sink",)),
    )
}


def canonical_type(text: str) -> str:
    """Fold a spelling of a type (`Workflows`, ` Monitor `) to its name (ch01 2). Unknown text comes back folded."""
    folded = text.strip().lower()
    if folded in KINDS:
        return folded
    if folded.endswith("s") and folded[:-1] in KINDS:
        return folded[:-1]
    if folded in _TYPE_NAMES:
        return _TYPE_NAMES[folded]
    others = _third_party("dataos.kinds", KindDescriptor)
    return folded[:-1] if folded.endswith("s") and folded not in others and folded[:-1] in others else folded


_TYPE_NAMES = {"policies": "policy", "product": "data", "products": "data"}


def find_kind(type_: str) -> KindDescriptor | None:
    """The descriptor of a canonical type name, built in or third-party."""
    return KINDS.get(type_) or _third_party("dataos.kinds", KindDescriptor).get(type_)


def need_kind(text: str) -> KindDescriptor:
    """The kind of any spelling of a type. Raises DataOSError `kind.unknown` with near names."""
    canonical = canonical_type(text)
    kind = find_kind(canonical)
    if kind is None:
        hint = names.did_you_mean(canonical, known_kinds()) or "types: " + ", ".join(known_kinds())
        raise fail("kind.unknown", f"unknown type `{text}`", hint=hint)
    return kind


def find_stack(name: str) -> StackDescriptor | None:
    """The descriptor of a stack by name or old name."""
    folded = name.strip().lower()
    for table in (STACKS, _third_party("dataos.stacks", StackDescriptor)):
        for descriptor in table.values():
            if folded == descriptor.name or folded in descriptor.aliases:
                return descriptor
    return None


def find_depot_type(name: str) -> DepotTypeDescriptor | None:
    """The descriptor of a depot type, any letter case, by name or alias."""
    folded = name.strip().upper()
    for table in (DEPOT_TYPES, _third_party("dataos.depot_types", DepotTypeDescriptor)):
        for descriptor in table.values():
            if folded == descriptor.name or folded in descriptor.aliases:
                return descriptor
    return None


def third_party_kinds() -> list[KindDescriptor]:
    """Installed kinds that are not built in. A built-in type is never replaced."""
    return [kind for type_, kind in _third_party("dataos.kinds", KindDescriptor).items() if type_ not in KINDS]


def known_kinds() -> list[str]:
    """Type names that have a spec here."""
    return sorted({*KINDS, *_third_party("dataos.kinds", KindDescriptor)})


def known_stacks() -> list[str]:
    """Stack names that can be used here."""
    return sorted({*STACKS, *_third_party("dataos.stacks", StackDescriptor)})


def known_depot_types() -> list[str]:
    """Depot type names that can be used here."""
    return sorted({*DEPOT_TYPES, *_third_party("dataos.depot_types", DepotTypeDescriptor)})


@cache
def resolve(dotted: str) -> Callable[..., Any]:
    """Load `module:attribute`. Raises DataOSError `plugin.broken` naming it."""
    module, _, attribute = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise fail("plugin.broken", f"cannot load `{dotted}`: {error}") from error


def written_model(reader: str) -> Any:
    """The model of what a reader (`module:read`) is given, as written; None if its module names none.

    That is `MODEL` of the module, else its class named `...Section` (kinds) or `...Location` (depot types).
    """
    module = sys.modules[resolve(reader).__module__]
    found = getattr(module, "MODEL", None)
    if found is not None:
        return found
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__name__.endswith(("Section", "Location"))]
    return next((v for v in own if v.__module__ == module.__name__), own[0] if own else None)


def about(reader: str) -> str:
    """What a reader's module says it reads, without the places in the specification that it names."""
    return names.without_places((sys.modules[resolve(reader).__module__].__doc__ or "").strip())


@cache
def _third_party(group: str, wanted: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        descriptor = point.load()
        if not isinstance(descriptor, wanted):
            raise fail("plugin.broken", f"entry point {point.name} of {group} is no {wanted.__name__}")
        found[point.name] = descriptor
    return found
