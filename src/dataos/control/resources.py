"""The verbs: plan, apply, delete, read. What is accepted here is durable when the call returns.

Order of an apply (architecture 3): read (the same code as the CLI's offline validation) -> existence of what it refers
to -> the kind's own check -> one transaction that seals secret values, stores the generation, its references and its
event, and makes the unit due. Nothing is stored after a failed check; secret values leave the manifest before that.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Controller, Observable
from dataos.core import names
from dataos.core.addresses import ResourceKey, display_id
from dataos.core.bell import Bell
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, Uid, UserId
from dataos.governance.identities import Identities
from dataos.governance.vault import Vault
from dataos.manifest.documents import MASK, SERVER_FIELDS, Manifest, read_manifest
from dataos.manifest.specs import Path, Reading, render
from dataos.store import tables, work
from dataos.store.database import Store

_r = tables.resources


@dataclass(frozen=True)
class ApplyRequest:
    """One document to apply. `source`: {file, lines} of the client's file, kept for errors of later runs."""

    document: dict[str, Any]
    actor: UserId
    workspace: str | None = None
    dry_run: bool = False
    rerun: bool = False
    source: Mapping[str, Any] | None = None
    parent_uid: str | None = None  # set by controllers that make children


@dataclass(frozen=True)
class ApplyResult:
    """What an apply did: created | updated | unchanged | valid."""

    action: str
    resource: dict[str, Any]
    warnings: tuple[Problem, ...]
    changes: tuple[dict[str, Any], ...] = ()


class Resources:
    """The Resource store with its rules. One per server."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        identities: Identities,
        clock: Clock,
        ids: Ids,
        bell: Bell,
        controllers: Mapping[str, Controller],
    ) -> None:
        self._store = store
        self._vault = vault
        self._identities = identities
        self._clock = clock
        self._ids = ids
        self._bell = bell
        self._controllers = controllers

    # --- reading and checking ---------------------------------------------------------------------------------------

    async def read(self, request: ApplyRequest) -> tuple[Manifest, list[Problem]]:
        """Validate as far as it goes without storing. Raises DataOSError with every problem found."""
        reading = Reading()
        manifest = read_manifest(request.document, reading, request.workspace)
        if manifest is None:
            raise DataOSError(reading.problems)
        controller = self._controllers.get(manifest.kind.type)
        problems = await self._store.read(self._check_references, manifest)
        if not problems and controller is not None and not manifest.unsupported:
            problems = await controller.check(manifest, request.actor)
        if problems:
            raise DataOSError(replace(p, type=manifest.kind.type, name=manifest.meta.name) for p in problems)
        return manifest, [*reading.warnings, *manifest.unsupported]

    def _check_references(self, connection: sa.Connection, manifest: Manifest) -> list[Problem]:
        missing = _missing_workspace(connection, manifest.workspace) if manifest.workspace is not None else None
        problems = [replace(missing, path="workspace")] if missing else []
        for reference in manifest.references:
            if not self._candidates(connection, reference.target):
                problems.append(self._missing(connection, reference.target, render(reference.path)))
        return problems

    @staticmethod
    def _candidates(connection: sa.Connection, target: ResourceKey) -> list[ResourceKey]:
        """Living Resources a reference may mean; `?secret` is the workspace's Secret, else the Instance-Secret."""
        options = [target]
        if target.type == "?secret":
            options = [
                ResourceKey("secret", target.name, target.workspace),
                ResourceKey("instance-secret", target.name),
            ]
        found = [(key, records.find(connection, key)) for key in options]
        return [key for key, row in found if row is not None and row.deleting_at is None]

    @staticmethod
    def _missing(connection: sa.Connection, target: ResourceKey, path: str) -> Problem:
        type_ = "secret" if target.type == "?secret" else target.type
        known = records.names_of(connection, type_, target.workspace)
        if target.type == "?secret":
            known += records.names_of(connection, "instance-secret")
        where = f" in workspace {target.workspace}" if target.workspace else ""
        hint = names.did_you_mean(target.name, known)
        return Problem(
            "resource.dependency",
            f"invalid resource dependency, not found: {target.name}:{type_}{where}",
            hint=(hint + (" " if hint.endswith("?") else "; ") if hint else "")
            + "apply it first, or name it in the same folder with `apply -R`",
            path=path,
        )

    # --- apply ------------------------------------------------------------------------------------------------------

    async def plan(self, request: ApplyRequest) -> ApplyResult:
        """What `apply` would do, by the same code, with nothing stored."""
        manifest, warnings = await self.read(request)
        return await self._store.read(self._plan, request, manifest, warnings)

    def _plan(
        self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest, warnings: list[Problem]
    ) -> ApplyResult:
        document = self._effective(connection, request, manifest, warnings)
        row = records.find(connection, manifest.key)
        if row is None:
            action, changes = "create", []
        else:
            old = records.manifest_of(connection, row.uid, row.generation)
            same = old is not None and old.digest == self._digest(document)
            action = "unchanged" if same else "update"
            changes = [] if same or old is None else diff(old.manifest, document, _secret_paths(manifest))
        shown = {
            "id": manifest.id,
            "name": manifest.meta.name,
            "type": manifest.kind.type,
            "version": manifest.version,
            "workspace": manifest.workspace,
        }
        return ApplyResult(action, shown, tuple(warnings), tuple(changes))

    async def apply(self, request: ApplyRequest) -> ApplyResult:
        """Store a document durably. Raises DataOSError with all problems; then nothing was changed."""
        manifest, warnings = await self.read(request)
        if manifest.unsupported:
            raise DataOSError(
                replace(p, type=manifest.kind.type, name=manifest.meta.name) for p in manifest.unsupported
            )
        if request.dry_run:
            planned = await self._store.read(self._plan, request, manifest, warnings)
            return ApplyResult("valid", planned.resource, planned.warnings, planned.changes)
        await self._wait_until_gone(manifest.key, 10.0)
        result = await self._store.write(self._store_generation, request, manifest, warnings)
        self._bell.ring()
        return result

    def _store_generation(
        self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest, warnings: list[Problem]
    ) -> ApplyResult:
        problems = self._check_references(connection, manifest)  # again, inside the transaction that relies on it
        if problems:
            raise DataOSError(problems)
        document = self._effective(connection, request, manifest, warnings)
        digest = self._digest(document)
        row = records.find(connection, manifest.key)
        self._check_writable(row, request, manifest)
        now = self._clock.now_us()
        if row is not None:
            old = records.manifest_of(connection, row.uid, row.generation)
            if old is not None and old.digest == digest:
                if self._reruns(request, manifest):
                    self._request_rerun(connection, row.uid, row.state, now)
                return ApplyResult("unchanged", records.summary(row), tuple(warnings))
        uid = Uid(row.uid) if row is not None else self._ids.uid()
        generation = row.generation + 1 if row is not None else 1
        sealed = self._seal(connection, manifest, document)
        owner = str(document.get("owner"))
        values: dict[str, Any] = {
            "version": manifest.version,
            "layer": manifest.layer,
            "owner": owner,
            "tags": _tags(manifest),
            "generation": generation,
            "status": "pending",
            "stage": "building",
            "info": "",
            "updated_at": now,
        }
        if row is None:
            connection.execute(_r.insert().values(**self._fresh(uid, manifest, request, now), **values))
        else:
            connection.execute(_r.update().where(_r.c.uid == uid).values(**values))
        connection.execute(
            tables.generations.insert().values(
                uid=uid,
                generation=generation,
                manifest=sealed,
                digest=digest,
                source=dict(request.source or {}),
                applied_by=request.actor,
                applied_at=now,
            )
        )
        self._store_references(connection, uid, manifest)
        action = "created" if row is None else "updated"
        records.add_event(connection, now, uid, action, request.actor, {"generation": generation, "id": manifest.id})
        if row is not None and self._reruns(request, manifest):
            self._request_rerun(connection, uid, row.state, now)
        work.wake(connection, f"resource:{uid}", now)
        stored = records.by_uid(connection, uid)
        assert stored is not None  # noqa: S101 - written above, in this transaction
        return ApplyResult(action, records.summary(stored), tuple(warnings))

    def _check_writable(self, row: sa.Row[Any] | None, request: ApplyRequest, manifest: Manifest) -> None:
        if row is None:
            return
        if row.deleting_at is not None:
            raise fail(
                "resource.conflict",
                f"{manifest.id} is still being deleted",
                hint="repeat the apply in a moment",
                retry=1.0,
            )
        if row.parent_uid is not None and row.parent_uid != request.parent_uid:
            raise fail(
                "resource.managed",
                f"{manifest.id} is managed by another Resource and cannot be applied by itself",
                hint="change the Resource that made it",
            )

    def _fresh(self, uid: Uid, manifest: Manifest, request: ApplyRequest, now: int) -> dict[str, Any]:
        return {
            "uid": uid,
            "live_key": records.live_key(manifest.key),
            "type": manifest.kind.type,
            "workspace": manifest.workspace,
            "name": manifest.meta.name,
            "parent_uid": request.parent_uid,
            "observed_generation": 0,
            "stamp": self._ids.stamp(),
            "runtime": "",
            "wanted": 0,
            "processed": 0,
            "state": {},
            "created_at": now,
            "deleting_at": None,
            "deleted_at": None,
        }

    def _effective(
        self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest, warnings: list[Problem]
    ) -> dict[str, Any]:
        """The document as it will be stored, before sealing: owner settled, version and workspace canonical."""
        document = {k: copy.deepcopy(v) for k, v in request.document.items() if k not in SERVER_FIELDS}
        document["version"] = manifest.version
        document["type"] = manifest.kind.type
        if manifest.workspace is not None:
            document["workspace"] = manifest.workspace
        owner = manifest.meta.owner
        if not owner or not self._identities.user_exists(connection, owner):
            row = records.find(connection, manifest.key)
            settled = str(row.owner) if row is not None and not owner else str(request.actor)
            if owner:
                notice = Problem(
                    "manifest.owner", f"owner `{owner}` is not known here; `{settled}` owns it", path="owner"
                )
                if notice not in warnings:
                    warnings.append(notice)
            document["owner"] = settled
        return document

    def _digest(self, document: dict[str, Any]) -> str:
        return self._vault.digest(
            json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        )

    def _seal(self, connection: sa.Connection, manifest: Manifest, document: dict[str, Any]) -> dict[str, Any]:
        """Move secret values into the vault; the document keeps `vault:<id>#<version>`."""
        section = document[manifest.section_key]
        for vault_id, entries in manifest.sealed_values().items():
            values = {key: _as_text(section, path) for key, path in entries.items()}
            version = self._vault.seal(connection, vault_id, values)
            for path in entries.values():
                _set(section, path, f"vault:{vault_id}#{version}")
        return document

    def _store_references(self, connection: sa.Connection, uid: str, manifest: Manifest) -> None:
        connection.execute(tables.references.delete().where(tables.references.c.uid == uid))
        found: dict[str, str] = {}
        for reference in manifest.references:
            for key in self._candidates(connection, reference.target)[:1]:
                found.setdefault(records.live_key(key), render(reference.path))
        for target, path in found.items():
            connection.execute(tables.references.insert().values(uid=uid, target=target, path=path))

    def _reruns(self, request: ApplyRequest, manifest: Manifest) -> bool:
        return request.rerun and isinstance(self._controllers[manifest.kind.type], Observable)

    def _request_rerun(self, connection: sa.Connection, uid: str, state: dict[str, Any], now: int) -> None:
        """Ask the controller for one more run: it sees a counter in its state, not an event."""
        wanted = {**state, "reruns": int(state.get("reruns", 0)) + 1}
        connection.execute(_r.update().where(_r.c.uid == uid).values(state=wanted, status="pending"))
        work.wake(connection, f"resource:{uid}", now)

    # --- delete -----------------------------------------------------------------------------------------------------

    async def delete(self, key: ResourceKey, actor: UserId, *, force: bool = False, wait_s: float = 10.0) -> str:
        """Ask a Resource to go and wait a while for its clean-up: deleted | deleting | nothing.

        Raises DataOSError `resource.in_use` naming the dependants, `resource.managed` for a child.
        """
        found = await self._store.write(self._mark_deleted, key, actor, force)
        if not found:
            return "nothing"
        self._bell.ring()
        return "deleted" if await self._wait_until_gone(key, wait_s) else "deleting"

    def _mark_deleted(self, connection: sa.Connection, key: ResourceKey, actor: UserId, force: bool) -> bool:
        row = records.find(connection, key)
        if row is None:
            return False
        if row.deleting_at is not None:
            return True
        if row.parent_uid is not None and not force:
            raise fail(
                "resource.managed",
                f"{display_id(row.type, row.version, row.name)} is managed by another Resource",
                hint="delete the Resource that made it",
            )
        going = [key, *records.children(connection, row.uid)]  # a Lakehouse takes its Depot along
        holders = [d for k in going for d in records.dependents(connection, k) if row.uid not in (d.uid, d.parent_uid)]
        if holders and not force:
            ids = ", ".join(f"'{records.summary(h)['id']}'" for h in holders)
            what = "resource" if row.workspace else "instance resource"
            raise fail(
                "resource.in_use",
                f"failure deleting {what} : cannot delete resource, it is a dependency of {ids}",
                hint="delete what depends on it first, or use --force",
                type=row.type,
                name=row.name,
            )
        now = self._clock.now_us()
        connection.execute(_r.update().where(_r.c.uid == row.uid).values(deleting_at=now, updated_at=now))
        records.add_event(connection, now, row.uid, "deleting", actor, {"force": force})
        work.wake(connection, f"resource:{row.uid}", now)
        return True

    async def _wait_until_gone(self, key: ResourceKey, limit_s: float) -> bool:
        """Wait while a Resource of this key is on its way out. True when none is."""
        waited = 0.0
        while True:
            row = await self._store.read(records.find, key)
            if row is None or row.deleting_at is None:
                return row is None
            if waited >= limit_s:
                return False
            await asyncio.sleep(0.02)
            waited += 0.02

    # --- get --------------------------------------------------------------------------------------------------------

    async def get(self, key: ResourceKey) -> dict[str, Any]:
        """A living Resource with its manifest (secret values masked). Raises DataOSError `resource.not_found`."""
        return await self._store.read(self._get, key)

    def _get(self, connection: sa.Connection, key: ResourceKey) -> dict[str, Any]:
        row = records.find(connection, key)
        if row is None:
            known = records.names_of(connection, key.type, key.workspace)
            raise fail(
                "resource.not_found",
                f"no {key.type} `{key.name}`" + (f" in workspace {key.workspace}" if key.workspace else ""),
                hint=names.did_you_mean(key.name, known),
                type=key.type,
                name=key.name,
            )
        stored = records.manifest_of(connection, row.uid, row.generation)
        body = records.summary(row)
        body["manifest"] = masked(stored.manifest) if stored is not None else None
        return body

    async def require_workspace(self, name: str) -> None:
        """Raises DataOSError `resource.workspace` if there is none of that name."""
        problem = await self._store.read(_missing_workspace, name)
        if problem is not None:
            raise DataOSError(problem)

    async def list(
        self, wanted: records.Filter, after: str | None = None, limit: int = 1000
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of living Resources."""
        return await self._store.read(records.listing, wanted, after, limit)


def _missing_workspace(connection: sa.Connection, name: str) -> Problem | None:
    known = list(connection.execute(sa.select(tables.workspaces.c.name)).scalars())
    if name in known:
        return None
    return Problem("resource.workspace", f"workspace `{name}` does not exist", hint=names.did_you_mean(name, known))


def _secret_paths(manifest: Manifest) -> list[Path]:
    return [(manifest.section_key, *path) for path in manifest.secret_paths]


def _tags(manifest: Manifest) -> list[str]:
    automatic = records.automatic_tags(manifest.kind.type, manifest.layer, manifest.workspace)
    own = [t for t in dict.fromkeys(manifest.meta.tags) if t not in automatic]
    return [*own, *automatic]


def _get(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _as_text(data: Any, path: Path) -> str:
    value = _get(data, path)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _set(data: Any, path: Path, value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def masked(manifest: Any) -> Any:
    """The manifest with vault references shown as `****`."""
    if isinstance(manifest, dict):
        return {k: masked(v) for k, v in cast("dict[str, Any]", manifest).items()}
    if isinstance(manifest, list):
        return [masked(v) for v in cast("list[Any]", manifest)]
    if isinstance(manifest, str) and manifest.startswith("vault:") and "#" in manifest:
        return MASK
    return manifest


def diff(old: Any, new: Any, secret_paths: list[Path], path: Path = ()) -> list[dict[str, Any]]:
    """What differs between two manifests: [{path, from, to}], values of secrets never shown."""
    if path in secret_paths:
        return [] if old == new else [{"path": render(path), "from": "****", "to": "**** (may have changed)"}]
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        keys = list(dict.fromkeys([*before, *after]))
        return [c for k in keys for c in diff(before.get(k), after.get(k), secret_paths, (*path, k))]
    if isinstance(old, list) and isinstance(new, list) and len(cast("list[Any]", old)) == len(cast("list[Any]", new)):
        pairs = enumerate(zip(cast("list[Any]", old), cast("list[Any]", new), strict=True))
        return [c for i, (a, b) in pairs for c in diff(a, b, secret_paths, (*path, i))]
    return [] if old == new else [{"path": render(path), "from": masked(old), "to": masked(new)}]
