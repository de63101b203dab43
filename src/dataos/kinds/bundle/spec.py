"""What a Bundle manifest may say (ch03 14): Resources that are deployed, ordered and removed as one.

Manifests inside are read by the same code as any other; what is wrong with one carries its path inside the Bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import blocks, schedules
from dataos.manifest.annotations import AnyManifest, Shape, Words, filled, one_needed, rules
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import Context, KindReading, Manifest, Reference, read_manifest
from dataos.manifest.sets import stacks_in
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, render, spelled, suggest

STATUSES = ("active", "pending", "failed", "error")
RUNTIMES = ("running", "succeeded", "failed", "pending", "aborted")
_COUNTED = re.compile(r"running:[0-9]{1,6}")
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+")


class CronEntry(Spec):
    """One entry of a schedule."""

    cron: Text
    """Five fields: minute hour day month weekday."""


class ScheduleBlock(Spec, json_schema_extra=rules(one_needed("create", "delete"), filled("create", "delete"))):
    """When the Bundle is brought up and torn down."""

    initial_state: Annotated[Text, Words("create", "delete")]
    """What it is before the first tick."""
    timezone: Text
    """Time zone of the expressions."""
    create: tuple[CronEntry, ...] = spelled(default=(), lone=True)
    """When its Resources are made."""
    delete: tuple[CronEntry, ...] = spelled(default=(), lone=True)
    """When its Resources are removed."""


class WorkspaceEntry(Spec):
    """A workspace that is made if it is missing."""

    name: Text
    """Name of the workspace."""
    description: Text = ""
    """What it is for."""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    """Tags of the workspace."""
    labels: dict[str, Text] = {}
    """Labels of the workspace."""
    layer: Annotated[Text, Words("user", "system")]
    """Layer of the workspace."""


class Wanted(Spec):
    """What a state must be. Values of both lists are alternatives."""

    is_: tuple[Text, ...] = spelled(default=(), lone=True, alias="is")
    contains: tuple[Text, ...] = spelled(default=(), lone=True)


class ConditionEntry(Spec):
    """One entry of `dependencyConditions`; a bare word means `is`."""

    resource_id: Text
    """Id of the Resource that is waited for."""
    status: Annotated[Any, Shape(Wanted, text=True, lone=True)] = None
    """STATUS to wait for."""
    runtime: Annotated[Any, Shape(Wanted, text=True, lone=True)] = None
    """RUNTIME to wait for."""


class ItemEntry(Spec, json_schema_extra=rules(one_needed("spec", "file"))):
    """One Resource of the Bundle."""

    id: Text = spelled("name")
    """Name inside the bundle."""
    workspace: Text | None = None
    """Workspace of the Resource."""
    spec: Annotated[Any, AnyManifest()] = None
    """The manifest."""
    file: Text | None = None
    """Path of the manifest, read by the client."""
    dependencies: tuple[Text, ...] = spelled("dependency", default=(), lone=True)
    """Ids that must be active before."""
    dependency_conditions: tuple[Annotated[Any, Shape(ConditionEntry)], ...] = spelled(
        "dependencyCondition", default=(), lone=True
    )
    """States that must be reached before."""


class BundleSection(Spec, json_schema_extra=rules(filled("resources"))):
    """The section as written."""

    schedule: ScheduleBlock | None = None
    """When it is brought up and torn down."""
    workspaces: tuple[WorkspaceEntry, ...] = spelled("workspace", default=(), lone=True)
    """Workspaces that are made if they are missing."""
    resources: tuple[ItemEntry, ...] = spelled("resource", lone=True)
    """The Resources."""
    properties: dict[str, Any] = {}
    """Free properties."""
    manage_as_user: Text | None = None
    """User on whose behalf it is managed."""


@dataclass(frozen=True)
class States:
    """Which states satisfy: one of `exact`, or one that holds one of `holding`. Both empty: any."""

    exact: tuple[str, ...] = ()
    holding: tuple[str, ...] = ()

    def matches(self, state: str) -> bool:
        """`running:2` asks for at least two; `running` takes any number (ch03 14.1)."""
        if not self.exact and not self.holding:
            return True
        return any(_same(wanted, state) for wanted in self.exact) or any(part in state for part in self.holding)


def _same(wanted: str, state: str) -> bool:
    word, _, count = wanted.partition(":")
    found, _, there = state.partition(":")
    if word != found or word != "running":
        return wanted == state
    return int(there if there.isdigit() else 0) >= int(count) if count else True


@dataclass(frozen=True)
class Condition:
    """What must hold of another item before this one is made."""

    on: str
    status: States
    runtime: States


@dataclass(frozen=True)
class Item:
    """One Resource: its manifest, and everything it waits for."""

    id: str
    manifest: Manifest
    document: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    position: int = 0  # in the list as written


@dataclass(frozen=True)
class Schedule:
    """Canonical schedule: cron expressions, read in `timezone`."""

    starts_absent: bool
    timezone: str
    create: tuple[str, ...]
    delete: tuple[str, ...]


@dataclass(frozen=True)
class BundleSpec:
    """Canonical Bundle. Items stand in an order in which each comes after what it waits for."""

    items: tuple[Item, ...]
    workspaces: tuple[WorkspaceEntry, ...]
    schedule: Schedule | None
    properties: dict[str, Any]
    manage_as_user: str | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical BundleSpec; references are those of its manifests that lead out of it."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(BundleSection, section, reading, path)
    if spec is None:
        return None
    schedule = _schedule(spec.schedule, (*path, "schedule"), reading)
    workspaces = _workspaces(spec.workspaces, (*path, "workspaces"), reading)
    where = (*path, "resources")
    if not spec.resources:
        reading.error(where, "`resources` needs at least one entry", code="manifest.missing")
    _check_ids(spec.resources, where, reading)
    known = [entry.id for entry in spec.resources]
    stacks = (*reading.stacks, *stacks_in(entry.spec for entry in spec.resources))
    manifests = [_manifest(entry, (*where, i), reading, stacks) for i, entry in enumerate(spec.resources)]
    conditions = [_conditions(entry, known, manifests, (*where, i), reading) for i, entry in enumerate(spec.resources)]
    _check_keys(manifests, where, reading)
    order = _order(known, conditions, where, reading)
    if len(reading.problems) > before:
        return None
    read_items = {
        entry.id: Item(entry.id, manifest, entry.spec, waits, position)
        for position, (entry, manifest, waits) in enumerate(zip(spec.resources, manifests, conditions, strict=True))
        if manifest is not None
    }
    canonical = BundleSpec(
        tuple(read_items[id_] for id_ in order), workspaces, schedule, dict(spec.properties), spec.manage_as_user
    )
    return KindReading(canonical, _outward(manifests, where), _sealed(section, manifests))


# --- parts ------------------------------------------------------------------------------------------------------------


def _schedule(block: ScheduleBlock | None, path: Path, reading: Reading) -> Schedule | None:
    if block is None:
        return None
    initial = one_of(block.initial_state, ("create", "delete"), (*path, "initialState"), reading, "initialState")
    zone = schedules.timezone(block.timezone, (*path, "timezone"), reading)
    lists: list[tuple[str, ...]] = []
    for key, entries in (("create", block.create), ("delete", block.delete)):
        found = [schedules.cron(e.cron, (*path, key, i, "cron"), reading, (5,)) for i, e in enumerate(entries)]
        lists.append(tuple(f for f in found if f))
    if not block.create and not block.delete:
        reading.error(path, "a schedule needs `create` or `delete` with a cron expression", code="manifest.missing")
    return Schedule(initial == "create", zone, *lists) if initial and zone else None


def _workspaces(entries: tuple[WorkspaceEntry, ...], path: Path, reading: Reading) -> tuple[WorkspaceEntry, ...]:
    found: list[WorkspaceEntry] = []
    for position, entry in enumerate(entries):
        where = (*path, position)
        if not names.matches(entry.name, names.DNS, names.MAX_WORKSPACE):
            rule = names.rule_text("workspace", entry.name, names.DNS, names.MAX_WORKSPACE)
            reading.error((*where, "name"), rule, code="manifest.name")
        if any(entry.name == other.name for other in found):
            reading.error((*where, "name"), f"workspace `{entry.name}` is named twice")
        layer = one_of(entry.layer, ("user", "system"), (*where, "layer"), reading, "layer")
        found.append(entry.model_copy(update={"layer": layer or entry.layer}))
    return tuple(found)


def _check_ids(entries: tuple[ItemEntry, ...], path: Path, reading: Reading) -> None:
    known = [entry.id for entry in entries]
    for position, id_ in enumerate(known):
        if not id_.strip():
            reading.error((*path, position, "id"), "an empty text is no id")
        elif known.index(id_) != position:
            reading.error((*path, position, "id"), f"id `{id_}` is used twice")


def _manifest(entry: ItemEntry, path: Path, reading: Reading, stacks: tuple[CustomStack, ...]) -> Manifest | None:
    if entry.file is not None:
        if entry.spec is not None:
            reading.error(path, "give either `spec` or `file`, not both")
        else:
            hint = "apply with `dataos apply -f`, which reads it, or put the manifest below `spec`"
            text = "files must be read by the client before they are sent"
            reading.error((*path, "file"), text, code="manifest.file", hint=hint)
        return None
    if entry.spec is None:
        reading.error(path, "`spec` or `file` is required", code="manifest.missing")
        return None
    inner = Reading(stacks=stacks)
    manifest = read_manifest(entry.spec, inner, entry.workspace)
    prefix = render((*path, "spec"))
    for found, kept in (
        (inner.problems, reading.problems),
        (inner.warnings, reading.warnings),
        (inner.unsupported, reading.unsupported),
    ):
        kept += [replace(p, path=_below(prefix, p.path)) for p in found]
    if manifest is not None and manifest.workspace is not None and not (entry.workspace or manifest.meta.workspace):
        text = f"`{manifest.meta.name}` names no workspace: `public` is used"
        reading.warn(path, text, code="manifest.workspace", hint="say `workspace:` beside `id`")
    return manifest


def _below(prefix: str, path: str | None) -> str:
    if not path:
        return prefix
    return prefix + path if path.startswith("[") else f"{prefix}.{path}"


def _conditions(
    entry: ItemEntry, known: list[str], manifests: list[Manifest | None], path: Path, reading: Reading
) -> tuple[Condition, ...]:
    """All that an item waits for: a dependency without a condition must be active; a condition implies a dependency."""
    found: list[Condition] = []
    for position, written in enumerate(entry.dependency_conditions):
        where = (*path, "dependencyConditions", position)
        block = read_model(ConditionEntry, written, reading, where)
        if block is None:
            continue
        if _is_known(block.resource_id, known, (*where, "resourceId"), reading):
            target = manifests[known.index(block.resource_id)]
            is_external = target is not None and target.kind.type == "resource"  # its Operator defines what it shows
            status = _states(block.status, STATUSES, (*where, "status"), reading, is_open=False)
            runtime = _states(block.runtime, RUNTIMES, (*where, "runtime"), reading, is_open=is_external)
            found.append(Condition(block.resource_id, status, runtime))
        if block.status is None and block.runtime is None:
            reading.error(where, "a condition needs `status` or `runtime`", code="manifest.missing")
    for position, id_ in enumerate(entry.dependencies):
        if _is_known(id_, known, (*path, "dependencies", position), reading) and id_ not in [c.on for c in found]:
            found.append(Condition(id_, States(("active",)), States()))
    return tuple(found)


def _is_known(id_: str, known: list[str], path: Path, reading: Reading) -> bool:
    if id_ not in known:
        hint = names.did_you_mean(id_, known)
        reading.error(path, f"`{id_}` is no id of this bundle", code="manifest.dag", hint=hint)
    return id_ in known


def _states(written: Any, allowed: tuple[str, ...], path: Path, reading: Reading, *, is_open: bool) -> States:
    if written is None:
        return States()
    if isinstance(written, (str, list)):
        reading.warn(path, f"`{path[-1]}` is read as `{path[-1]}: {{is: ...}}`", code="manifest.variant")
        written = {"is": written}
    block = read_model(Wanted, written, reading, path)
    if block is None:
        return States()
    if not block.is_ and not block.contains:
        reading.error(path, "`is` or `contains` is required", code="manifest.missing")
    exact = [w.strip() if is_open else w.strip().lower() for w in block.is_]
    for position, word in enumerate(exact):
        if is_open or word in allowed or (path[-1] == "runtime" and _COUNTED.fullmatch(word)):
            continue
        where = (*path, "is", position)
        if path[-1] == "runtime" and _DURATION.fullmatch(word):
            reading.error(
                where, f"`{word}` is a duration, not a state", hint="wait for a state, for instance succeeded"
            )
        else:
            more = ("running:N",) if path[-1] == "runtime" else ()
            reading.error(where, f"{path[-1]} `{word}` is not allowed", hint=suggest(word, (*allowed, *more)))
    for position, part in enumerate(block.contains):
        if not part.strip():
            reading.error((*path, "contains", position), "an empty text is part of every state")
    return States(tuple(exact), block.contains)


def _check_keys(manifests: Iterable[Manifest | None], path: Path, reading: Reading) -> None:
    seen: set[ResourceKey] = set()
    for position, manifest in enumerate(manifests):
        if manifest is None:
            continue
        if manifest.key in seen:
            text = f"{manifest.kind.type} `{manifest.meta.name}` stands in this bundle twice"
            reading.error((*path, position, "spec", "name"), text)
        seen.add(manifest.key)


def _order(known: list[str], conditions: list[tuple[Condition, ...]], path: Path, reading: Reading) -> tuple[str, ...]:
    graph = {id_: [c.on for c in waits] for id_, waits in zip(known, conditions, strict=True)}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle: list[str] = list(reversed(error.args[1]))
        where = (*path, known.index(cycle[0]), "dependencies")
        text = f"{cycle[0]} cannot proceed: its dependencies form a cycle {' -> '.join(cycle)}"
        reading.error(where, text, code="manifest.dag", hint="remove one of these dependencies")
        return ()


def _outward(manifests: list[Manifest | None], path: Path) -> tuple[Reference, ...]:
    own = {m.key for m in manifests if m}
    found: list[Reference] = []
    for position, manifest in enumerate(manifests):
        for reference in manifest.references if manifest else ():
            target = reference.target
            meant = {target}
            if target.type == "?secret":
                meant = {replace(target, type="secret"), ResourceKey("instance-secret", target.name)}
            if not meant & own:
                found.append(Reference(target, (*path, position, "spec", *reference.path)))
    return tuple(found)


def _sealed(section: Any, manifests: list[Manifest | None]) -> tuple[Path, ...]:
    """Secret values of the manifests inside, in the spelling of the document."""
    found: list[Path] = []
    for position, manifest in enumerate(manifests):
        at = _written(section, position)
        for inner in manifest.secret_paths if manifest else ():
            found.append((*at, manifest.section_key, *inner) if manifest else ())
    return tuple(found)


def _written(section: Any, position: int) -> Path:
    for key in ("resources", "resource"):
        for parts in ((key, position, "spec"), (key, "spec")):
            path = blocks.written_path(section, *parts)
            if path:
                return path
    return ()
