"""Flare's maintenance actions: their options in every spelling (ch04 3.16). What does them: `driver/upkeep`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal, cast

from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


@dataclass(frozen=True)
class Options:
    """Of a rewrite. Sizes in bytes. `memory_bytes`: what sorting may take. `scratch`: where it spills."""

    strategy: Literal["binpack", "sort"] = "binpack"
    sort_order: str | None = None
    where: str | None = None
    target_bytes: int = 512 << 20
    max_group_bytes: int = 100 << 30
    rewrite_all: bool = False
    partial_progress: bool = False
    max_commits: int = 10
    memory_bytes: int = 1 << 30
    scratch: FilePath = FilePath("/tmp")  # noqa: S108 - callers say where


_CUT = {
    "olderThanMillis": "olderThanMillis",
    "expireOlderThan": "olderThanMillis",
    "olderThan": "olderThanMillis",
    "olderThanTimestamp": "olderThanTimestamp",
}
_NO_EFFECT = frozenset({"maxConcurrentDeletes", "streamDeleteResults", "useCaching", "cleanExpiredFiles"})
_PROPERTIES = {
    "target-file-size-bytes": "target_bytes",
    "max-file-group-size-bytes": "max_group_bytes",
    "rewrite-all": "rewrite_all",
    "partial-progress.enabled": "partial_progress",
    "partial-progress.max-commits": "max_commits",
}
_IGNORED_PROPERTIES = frozenset({"max-concurrent-file-group-rewrites"})
ALIASES = {"rewrite_manifests": "rewrite_manifest"}
ACTIONS = ("rewrite_dataset", "rewrite_manifest", "expire_snapshots", "remove_orphans")
DELETE = "delete_from_dataset"


@dataclass(frozen=True)
class Action:
    """One action, understood. `body`: what the server's route takes; `options`: of a rewrite."""

    name: str
    body: Mapping[str, Any]
    options: Options | None = None


@dataclass(frozen=True)
class Planned:
    """One entry of `actions`. `action` None: rows are deleted where the condition `delete_where` holds."""

    name: str
    input: str
    action: Action | None
    delete_where: str
    path: Path


class _Entry(Spec):
    name: Text
    input: Text | None = None
    options: dict[str, Any] | None = None
    delete_where: Text | None = None


def read(data: Any, reading: Reading, path: Path) -> tuple[Planned, ...]:
    """The list at `path`; faults land in `reading`."""
    if data is None:
        return ()
    listed = cast("list[Any]", data) if isinstance(data, list) else [data]
    found = [_read_one(item, reading, (*path, n)) for n, item in enumerate(listed)]
    return tuple(a for a in found if a is not None)


def _read_one(item: Any, reading: Reading, path: Path) -> Planned | None:
    entry = read_model(_Entry, item, reading, path)
    if entry is None:
        return None
    name = entry.name.strip().lower().replace("-", "_")
    name = {"deletefromdataset": DELETE, **ALIASES}.get(name, name)
    if entry.input is None:
        reading.error((*path, "input"), f"{name} names no `input`", hint="name an input", code="flare.action")
        return None
    if name == DELETE:
        if not (entry.delete_where or "").strip():
            reading.error(
                path,
                "delete_from_dataset has no `deleteWhere`",
                hint="for instance deleteWhere: \"target.order_date < date '2020-01-01'\"",
                code="flare.action",
            )
            return None
        return Planned(name, entry.input, None, entry.delete_where or "", path)
    try:
        return Planned(name, entry.input, parse(name, entry.options), "", path)
    except DataOSError as error:
        for problem in error.problems:
            where = (*path, "options" if name in ACTIONS else "name")
            reading.error(where, problem.message, code=problem.code, hint=problem.hint)
        return None


def parse(name: str, options: Mapping[str, Any] | None) -> Action:
    """Raises DataOSError `flare.action` for what is unknown, doubled or of the wrong form, naming the value."""
    name = ALIASES.get(name, name)
    given = {k: v for k, v in (options or {}).items() if v is not None and k not in _NO_EFFECT}
    match name:
        case "rewrite_dataset":
            return Action(name, {}, _rewrite(given))
        case "rewrite_manifest":
            _nothing_left(name, given)
            return Action(name, {})
        case "expire_snapshots":
            return Action(name, _expire(given))
        case "remove_orphans":
            return Action(name, _orphans(given))
        case _:
            known = (*ACTIONS, DELETE)
            raise _refuse(f"`{name}` is no action", did_you_mean(name, known) or "allowed: " + ", ".join(known))


def _refuse(message: str, hint: str = "") -> DataOSError:
    return fail("flare.action", message, hint=hint)


def _nothing_left(name: str, given: Mapping[str, Any], known: tuple[str, ...] = ()) -> None:
    if given:
        key = next(iter(given))
        raise _refuse(f"{name} has no option `{key}`", did_you_mean(key, known) or "allowed: " + ", ".join(known))


def _cut_off(name: str, given: dict[str, Any]) -> dict[str, Any]:
    found = {key: given.pop(key) for key in _CUT if key in given}
    if len(found) > 1:
        texts = " and ".join(f"{key}: {value}" for key, value in found.items())
        raise _refuse(f"{name} takes one cut-off, and has {texts}", "leave one of them out")
    return {_CUT[key]: str(value) for key, value in found.items()}


def _expire(given: dict[str, Any]) -> dict[str, Any]:
    body = _cut_off("expire_snapshots", given)
    ids: Any = given.pop("snapshotIds", given.pop("expireSnapshotId", None))
    if ids is not None:
        listed = cast("list[Any]", ids if isinstance(ids, list) else [ids])
        body["snapshotIds"] = [str(i) for i in listed]
    if "retainLast" in given:
        body["retainLast"] = _number("retainLast", given.pop("retainLast"))
    _nothing_left("expire_snapshots", given, (*_CUT, "snapshotIds", "retainLast"))
    return body


def _orphans(given: dict[str, Any]) -> dict[str, Any]:
    body = _cut_off("remove_orphans", given)
    if "location" in given:
        body["location"] = str(given.pop("location"))
    if "dryRun" in given:
        body["dryRun"] = _truth("dryRun", given.pop("dryRun"))
    _nothing_left("remove_orphans", given, (*_CUT, "location", "dryRun"))
    return body


def _rewrite(given: dict[str, Any]) -> Options:
    strategy = str(given.pop("strategy", "binpack")).lower()
    if strategy not in ("binpack", "sort"):
        raise _refuse(f"strategy `{strategy}` is not known", "binpack or sort")
    order, where = given.pop("sortOrder", None), given.pop("where", None)
    properties: Any = given.pop("properties", None) or {}
    _nothing_left("rewrite_dataset", given, ("strategy", "sortOrder", "where", "properties"))
    if not isinstance(properties, Mapping):
        raise _refuse("properties of rewrite_dataset are a mapping")
    values: dict[str, Any] = {}
    for key, value in cast("Mapping[str, Any]", properties).items():
        if key in _IGNORED_PROPERTIES:
            continue
        if key not in _PROPERTIES:
            raise _refuse(f"rewrite_dataset has no property `{key}`", did_you_mean(key, _PROPERTIES))
        form = _truth if _PROPERTIES[key] in ("rewrite_all", "partial_progress") else _number
        values[_PROPERTIES[key]] = form(key, value)
    return Options(
        strategy="sort" if strategy == "sort" else "binpack",
        sort_order=str(order) if order is not None else None,
        where=str(where) if where is not None else None,
        **values,
    )


def _number(name: str, value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdigit() or int(text) < 1:
        raise _refuse(f"{name} is a whole number of at least 1, not `{value}`")
    return int(text)


def _truth(name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise _refuse(f"{name} is true or false, not `{value}`")
    return text == "true"
