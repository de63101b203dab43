"""Flare's maintenance actions (ch04 3.16): their options in every spelling, and what does them.

Rewriting is done here; everything else is asked of the server, which decides what files go. `delete_from_dataset` is
SQL for the engine and no business of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pyiceberg.table import Table

from dataos.client.api import Client
from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.stacks.flare.driver.upkeep import rewriting
from dataos.stacks.flare.driver.upkeep.rewriting import Options

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


@dataclass(frozen=True)
class Action:
    """One action, understood. `body`: what the server's route takes; `options`: of a rewrite."""

    name: str
    body: Mapping[str, Any]
    options: Options | None = None


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
            known = (*ACTIONS, "delete_from_dataset")
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


_ROUTES = {"rewrite_manifest": "rewrite-manifests", "expire_snapshots": "expire", "remove_orphans": "clean-orphans"}


def run(
    action: Action,
    address: str,
    table: Callable[[], Table],
    client: Client,
    say: Callable[[str], None],
    *,
    memory_bytes: int,
    scratch: Path,
) -> dict[str, Any]:
    """Do it; returns counts. `table` loads the table as the job sees it, which also lets the server serve the job.

    Raises DataOSError `dataset.*`, `iceberg.*` (`iceberg.conflict`: somebody changed what was rewritten), `auth.*`.
    """
    loaded = table()
    if action.options is None:
        body = {"address": address, **action.body}
        done: dict[str, Any] = client.json("POST", f"/api/v1/datasets/{_ROUTES[action.name]}", body=body)
        return done
    options = replace(action.options, memory_bytes=memory_bytes, scratch=scratch)
    return rewriting.rewrite(loaded, options, committer(address, client), say).to_json()


def committer(address: str, client: Client) -> rewriting.Commit:
    """The commit of rewritten files: the server makes it."""

    def commit(base: int, added: Any, removed: Any) -> dict[str, Any]:
        asked = {
            "address": address,
            "baseSnapshot": str(base),
            "added": [{"path": path, "specId": spec} for path, spec in added],
            "removed": list(removed),
        }
        done: dict[str, Any] = client.json("POST", "/api/v1/datasets/replace-files", body=asked)
        return done

    return commit
