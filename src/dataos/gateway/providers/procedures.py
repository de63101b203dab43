"""Procedures of a Lakehouse's tables: ALTER TABLE ... EXECUTE and CALL, over the operations on datasets."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from dataos.core.errors import DataOSError, fail
from dataos.core.names import did_you_mean
from dataos.governance.principals import Principal
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.operations import moments
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import PUBLISHED, AttemptView, TableRef

Told = list[tuple[str, str]]
_UNITS = {"B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40}


class Rewrites(Protocol):
    """Who rewrites data files: a program outside of the server."""

    async def rewrite(
        self, principal: Principal, ref: TableRef, address: str, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Rewrite a table's files and wait for it; the counts."""
        ...


class Procedures:
    """By name. `rewrites` None: there is nobody who rewrites files."""

    def __init__(self, catalog: Catalog, rewrites: Rewrites | None) -> None:
        self._catalog = catalog
        self._rewrites = rewrites
        self._upkeep = Upkeep(catalog)
        self._datasets = Datasets(catalog)
        self._known: dict[str, tuple[Callable[..., Awaitable[Told]], tuple[str, ...]]] = {
            "optimize": (self._optimize, ("file_size_threshold", "where", "sorted_by")),
            "optimize_manifests": (self._manifests, ()),
            "rewrite_manifests": (self._manifests, ()),
            "expire_snapshots": (self._expire, ("retention_threshold", "retain_last", "snapshot_ids")),
            "remove_orphan_files": (self._orphans, ("retention_threshold",)),
            "rollback_to_snapshot": (self._rollback, ("snapshot_id",)),
            "set_current_snapshot": (self._set_snapshot, ("snapshot_id",)),
            "cherrypick_snapshot": (self._cherry_pick, ("snapshot_id",)),
            "fast_forward": (self._fast_forward, ("branch", "to")),
        }

    async def run(
        self, principal: Principal, ref: TableRef, address: str, name: str, arguments: Mapping[str, Any]
    ) -> Told:
        """Run one; what it tells. Raises DataOSError `query.procedure`, and as the operation."""
        known = self._known.get(name.lower())
        if known is None:
            raise fail(
                "query.procedure",
                f"Table procedure '{name}' does not exist",
                hint=did_you_mean(name.lower(), self._known) or f"known: {', '.join(self._known)}",
            )
        run, allowed = known
        for key in arguments:
            if key not in allowed:
                raise fail(
                    "query.procedure",
                    f"Procedure {name} has no argument '{key}'",
                    hint=f"allowed: {', '.join(allowed) or 'none'}",
                )
        if principal.attempt is not None and name.lower() in ("optimize", "expire_snapshots", "remove_orphan_files"):
            raise fail(
                "query.unsupported",
                f"a job cannot {name.lower().replace('_', ' ')} by SQL: that could not be held back until it succeeds",
                hint="use the actions of Flare, or do it outside of a run with your own token",
            )
        return await run(principal, ref, address, **arguments)

    async def _optimize(
        self,
        principal: Principal,
        ref: TableRef,
        address: str,
        file_size_threshold: Any = "100MB",
        where: str | None = None,
        sorted_by: str | None = None,
    ) -> Told:
        if self._rewrites is None:
            raise fail("query.unsupported", "nothing on this cluster rewrites files", hint="dataos dataset compact")
        options: dict[str, Any] = {
            "strategy": "sort" if sorted_by else "binpack",
            "sort_order": sorted_by,
            "where": where,
            "target_bytes": _size(file_size_threshold),
            "max_group_bytes": 100 << 30,
            "rewrite_all": False,
            "partial_progress": False,
            "max_commits": 10,
        }
        done = await self._rewrites.rewrite(principal, ref, address, options)
        return [(key, str(value)) for key, value in done.items() if isinstance(value, int)]

    async def _manifests(self, principal: Principal, ref: TableRef, address: str) -> Told:
        view = AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED
        return _told(await self._upkeep.rewrite_manifests(view, ref))

    async def _expire(
        self,
        principal: Principal,
        ref: TableRef,
        address: str,
        retention_threshold: Any = None,
        retain_last: Any = None,
        snapshot_ids: Any = None,
    ) -> Told:
        done = await self._upkeep.expire_snapshots(
            ref,
            older_than_ms=self._before(retention_threshold),
            snapshot_ids=[_number("snapshot_ids", i) for i in snapshot_ids or []],
            retain_last=None if retain_last is None else max(1, _number("retain_last", retain_last)),
        )
        return _told(done.to_json(False))

    async def _orphans(
        self, principal: Principal, ref: TableRef, address: str, retention_threshold: Any = None
    ) -> Told:
        done = await self._upkeep.remove_orphans(ref, older_than_ms=self._before(retention_threshold))
        return _told(done.to_json(False))

    def _before(self, threshold: Any) -> int | None:
        """A retention (7d) or a moment as UTC milliseconds."""
        return None if threshold is None else moments.parse(str(threshold), self._catalog.clock.now_us() // 1000)

    async def _rollback(self, principal: Principal, ref: TableRef, address: str, snapshot_id: Any = None) -> Told:
        view = _view(principal)
        return _told(await self._datasets.rollback(view, ref, _number("snapshot_id", snapshot_id)))

    async def _set_snapshot(self, principal: Principal, ref: TableRef, address: str, snapshot_id: Any = None) -> Told:
        view = _view(principal)
        return _told(await self._datasets.set_snapshot(view, ref, _number("snapshot_id", snapshot_id)))

    async def _cherry_pick(self, principal: Principal, ref: TableRef, address: str, snapshot_id: Any = None) -> Told:
        view = _view(principal)
        return _told(await self._datasets.cherry_pick(view, ref, _number("snapshot_id", snapshot_id)))

    async def _fast_forward(
        self, principal: Principal, ref: TableRef, address: str, branch: Any = None, to: Any = None
    ) -> Told:
        if not isinstance(branch, str) or not isinstance(to, str):
            raise fail("query.procedure", "fast_forward needs two branches", hint="branch => 'main', to => 'stage'")
        return _told(await self._datasets.fast_forward(_view(principal), ref, to, branch))


def _view(principal: Principal) -> Any:
    return AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED


def _told(found: Mapping[str, Any]) -> Told:
    shown = {k: v for k, v in found.items() if not isinstance(v, bool)}
    return [(key, ", ".join(map(str, v)) if isinstance(v, list) else str(v)) for key, v in shown.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _number(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, value, "a whole number")
    return value


def _size(value: Any) -> int:
    """10MB, 1.5GB, or bytes."""
    if isinstance(value, int):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?[bB])\s*", str(value))
    if found is None:
        raise _wrong("file_size_threshold", value, "a size, as in '128MB'")
    return max(1 << 10, int(float(found[1]) * (1 << _UNITS[found[2].upper()])))


def _wrong(name: str, value: Any, allowed: str) -> DataOSError:
    return fail("query.procedure", f"Argument {name} of the procedure cannot be {value!r}", hint=f"it is {allowed}")
