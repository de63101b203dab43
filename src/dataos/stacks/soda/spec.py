"""What a stackSpec of the stacks `soda` and `sodaworker` may say: quality checks and profiles of datasets (ch08 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dataos.core.addresses import Udl
from dataos.manifest import patterns
from dataos.manifest.annotations import Shape, Words, filled, free, one_needed, rules
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, one_of, read_model, spelled, suggest
from dataos.manifest.stacks import read_address
from dataos.stacks.soda.checks import Check, read_check

ENGINES = ("default", "minerva")
FAIL_ON = ("fail", "warn", "never")
_OWN_OPTIONS = {"engine": "engine", "clustername": "clusterName", "branchname": "branchName", "failon": "failOn"}


class FilterBlock(Spec):
    """Which rows all checks of an input look at."""

    name: Text = ""
    """What it is called."""
    where: Text
    """A condition in SQL."""


class ProfileBlock(Spec, json_schema_extra=rules(filled("columns"))):
    """`profile`: `col`, `"*"`, `include d*`, `exclude email`."""

    columns: tuple[Text, ...] = spelled("column", lone=True)
    """`"*"`, `id`, `include d*`, `exclude email`."""


class OptionsBlock(Spec, json_schema_extra=free()):
    """`options`; others than these go to the check engine."""

    engine: Annotated[Text, Words(*ENGINES)] | None = None
    """Of the source itself, or a cluster."""
    cluster_name: Text | None = None
    """Which cluster."""
    branch_name: Text | None = None
    """Branch of an Iceberg table."""
    fail_on: Annotated[Text, Words(*FAIL_ON)] | None = None
    """Whether checks that fail or warn fail the job."""


class InputEntry(Spec, json_schema_extra=rules(one_needed("checks", "profile"))):
    """One of `inputs`. `engine` stands here in old manifests."""

    dataset: Text
    """Address of the dataset."""
    checks: tuple[Any, ...] = spelled("check", default=(), lone=True)
    """Checks, each a text or one expression with its keys."""
    profile: ProfileBlock | None = None
    """Which columns are profiled."""
    options: Annotated[dict[str, Any], Shape(OptionsBlock)] = {}
    """Engine, cluster, branch, and properties of the source."""
    filter: FilterBlock | None = None
    """Which rows are looked at."""
    engine: Text | None = None
    """Belongs below `options`."""


class StackBlock(Spec, json_schema_extra=rules(filled("inputs"))):
    """The stackSpec as written."""

    inputs: tuple[InputEntry, ...] = spelled("input", lone=True)
    """Datasets with their checks."""


@dataclass(frozen=True)
class Profile:
    """Columns to profile; what `exclude` names is left out even if something else includes it."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Input:
    """One dataset with its checks. `properties`: of the check engine, as they are."""

    address: Udl
    checks: tuple[Check, ...]
    profile: Profile | None
    engine: str
    cluster: str | None
    branch: str
    fail_on: str
    properties: dict[str, str]
    filter: str | None


@dataclass(frozen=True)
class SodaSpec:
    """One scan."""

    inputs: tuple[Input, ...]
    addresses: tuple[tuple[Path, Udl], ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> SodaSpec | None:
    """Canonical SodaSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    if not block.inputs:
        reading.error((*path, "inputs"), "`inputs` needs at least one dataset", code="manifest.missing")
    found = [_input(entry, (*path, "inputs", i), reading) for i, entry in enumerate(block.inputs)]
    inputs = tuple(entry for entry in found if entry)
    if len(reading.problems) > before:
        return None
    return SodaSpec(inputs, tuple(((*path, "inputs", i, "dataset"), entry.address) for i, entry in enumerate(inputs)))


def _input(entry: InputEntry, path: Path, reading: Reading) -> Input | None:
    before = len(reading.problems)
    address = read_address(entry.dataset, (*path, "dataset"), reading)
    if not entry.checks and entry.profile is None:
        hint = "for instance checks: [row_count > 0]"
        reading.error(path, "`checks` or `profile` is required", code="manifest.missing", hint=hint)
    checks = [read_check(item, (*path, "checks", i), reading) for i, item in enumerate(entry.checks)]
    profile = _profile(entry.profile.columns, (*path, "profile", "columns"), reading) if entry.profile else None
    own, properties = _options(entry.options, (*path, "options"), reading)
    if entry.engine is not None:
        reading.warn((*path, "engine"), "`engine` is read as `options.engine`", code="manifest.variant")
        own.setdefault("engine", entry.engine)
    where = (*path, "options")
    engine = one_of(own.get("engine", "default"), ENGINES, (*where, "engine"), reading, "engine") or ""
    fail_on = one_of(own.get("failOn", "never"), FAIL_ON, (*where, "failOn"), reading, "failOn") or ""
    if engine == "minerva" and not own.get("clusterName"):
        hint = "for instance clusterName: miniature"
        reading.error(where, "`clusterName` is required with engine minerva", code="manifest.missing", hint=hint)
    if engine == "minerva" and address is not None and entry.dataset != entry.dataset.lower():
        reading.warn((*path, "dataset"), "names are in lower case on a cluster", hint=f"write {entry.dataset.lower()}")
    if entry.filter is not None and (fault := patterns.sql_fault(entry.filter.where)):
        reading.error((*path, "filter", "where"), f"the SQL {fault}")
    if address is None or len(reading.problems) > before:
        return None
    return Input(
        address=address,
        checks=tuple(check for check in checks if check),
        profile=profile,
        engine=engine,
        cluster=own.get("clusterName"),
        branch=own.get("branchName") or "main",
        fail_on=fail_on,
        properties=properties,
        filter=entry.filter.where if entry.filter else None,
    )


def _options(options: dict[str, Any], path: Path, reading: Reading) -> tuple[dict[str, str], dict[str, str]]:
    """Those that the stack knows by their own spelling, and the rest. A near miss of a known one is a problem."""
    own: dict[str, str] = {}
    rest: dict[str, str] = {}
    for key, value in options.items():
        if value is None:
            continue
        if isinstance(value, (dict, list)):
            reading.error((*path, key), f"option `{key}` is a text")
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        known = _OWN_OPTIONS.get(key.lower())
        if known is not None:
            if key != known:
                reading.warn((*path, key), f"`{key}` is read as `{known}`", code="manifest.variant")
            own[known] = text
            continue
        close = suggest(key, _OWN_OPTIONS.values())
        if close.startswith("did you mean"):
            reading.error((*path, key), f"unknown key `{key}`", code="manifest.unknown_key", hint=close)
        rest[key] = text
    return own, rest


def _profile(columns: tuple[str, ...], path: Path, reading: Reading) -> Profile:
    include: list[str] = []
    exclude: list[str] = []
    for position, text in enumerate(columns):
        verb, _, pattern = text.strip().partition(" ")
        if choose(verb, ("include", "exclude")) is None:
            verb, pattern = "include", text
        name = pattern.strip().strip("\"'")
        if not name or " " in name:
            hint = 'for instance id, "*", include d*, exclude email'
            reading.error((*path, position), f"`{text}` names no column", hint=hint)
        (exclude if verb.lower() == "exclude" else include).append(name)
    if not columns:
        reading.error(path, "`columns` needs at least one column", code="manifest.missing", hint='write ["*"]')
    elif not include:
        include.append("*")
    return Profile(tuple(include), tuple(exclude))
