"""One generation of a Resource: what it refers to, who may store it, and the transaction that does.

Everything here runs on the caller's open connection, so that one unit of work may hold one generation (`apply`), a
restored one (`rollback`), or a whole set (`apply --atomic`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Controller, Governing, Observable, Registering, Shared
from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, Uid, UserId
from dataos.depots.resolver import is_coming
from dataos.governance import objects, rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.governance.rules import UseCase
from dataos.governance.vault import Vault
from dataos.manifest import registry
from dataos.manifest.blocks import COMPUTES
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import SERVER_FIELDS, Manifest, read_manifest
from dataos.manifest.specs import Path, Reading, render
from dataos.store import tables, work

_r = tables.resources
_w = tables.workspaces

# Statements of every apply, built once: building one costs more than running it.
_INSERT = _r.insert()
_UPDATE = _r.update().where(_r.c.uid == sa.bindparam("of_uid")).returning(*_r.c)
_INSERT_GENERATION = tables.generations.insert()
_INSERT_REFERENCE = tables.references.insert()
_DELETE_REFERENCES = tables.references.delete().where(tables.references.c.uid == sa.bindparam("of_uid"))
_LIVING = sa.select(_r).where(_r.c.live_key.in_(sa.bindparam("keys", expanding=True)), _r.c.deleting_at.is_(None))
_WORKSPACE = sa.select(_w.c.layer).where(_w.c.name == sa.bindparam("workspace"))

USE_CASES = {
    "depot": rules.DEPOTS,
    "lakehouse": rules.DEPOTS,
    "cluster": UseCase("manage-cluster-in-user-workspaces", "Manage Clusters"),
    "data": rules.PRODUCTS,
    "workflow": UseCase("manage-workflow-in-user-workspaces", "Create and Update Resources in User Workspace"),
}
"""Which use case lets somebody store a kind, where it is not that of the other Resources."""


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
    mode: str = "apply"  # apply | create (must not exist) | update (must exist)
    expected_generation: int | None = None  # 0: must not exist
    principal: Principal | None = None  # None: the platform itself
    stacks: tuple[CustomStack, ...] = ()  # known besides those of the server: what else is in the same Bundle


@dataclass(frozen=True)
class ApplyResult:
    """What an apply did: created | updated | unchanged | re-run | valid."""

    action: str
    resource: dict[str, Any]
    warnings: tuple[Problem, ...]
    changes: tuple[dict[str, Any], ...] = ()
    members: tuple[dict[str, Any], ...] = ()  # of a plan: what would become of the Resources that it makes

    def to_json(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "action": self.action,
            "resource": self.resource,
            "changes": list(self.changes),
            **({"members": list(self.members)} if self.members else {}),
            "warnings": [w.to_json() for w in self.warnings],
        }


class Generations:
    """Stores generations with their references, sealed values, event and work."""

    def __init__(
        self, vault: Vault, identities: Identities, clock: Clock, ids: Ids, controllers: Mapping[str, Controller]
    ) -> None:
        self._vault = vault
        self._identities = identities
        self._clock = clock
        self._ids = ids
        self._controllers = controllers

    # --- checks -----------------------------------------------------------------------------------------------------

    def check_references(
        self,
        connection: sa.Connection,
        manifest: Manifest,
        pending: frozenset[ResourceKey] = frozenset(),
        principal: Principal | None = None,
    ) -> list[Problem]:
        """What the manifest refers to and is not there. `pending`: Resources of the same set, stored with it, and
        workspaces (type `workspace`) that are made before. `principal`: who is told of near names."""
        problems: list[Problem] = []
        if manifest.workspace is not None and ResourceKey("workspace", manifest.workspace) not in pending:
            missing = missing_workspace(connection, manifest.workspace)
            problems += [missing] if missing else []
        living = _living(connection, manifest)
        for reference in manifest.references:
            target = reference.target
            if not living[target] and not any(key in pending for key in _meant(target)):
                problems.append(_missing(connection, target, render(reference.path), principal))
        return problems

    def check_authority(self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest) -> None:
        """May the caller store this? Raises DataOSError `auth.forbidden` naming the use case."""
        principal = request.principal
        if principal is None:
            return
        what = f"apply {manifest.id}"
        rules.require_user(principal, what)
        row = records.find(connection, manifest.key)
        self._check_store(connection, principal, manifest, what, row)
        if isinstance(self._controllers.get(manifest.kind.type), Shared):
            return  # it acts for nobody, and depends on nothing that would have to be lent
        if row is not None and row.owner != principal.user_id:
            # what it does, it does as its owner
            rules.require(principal, f"{what}, which `{row.owner}` owns", rules.RUN_AS, objects.user(row.owner))
        owner = manifest.meta.owner
        if owner and owner != principal.user_id and self._identities.user_exists(connection, owner):
            rules.require(principal, f"make `{owner}` the owner of {manifest.id}", rules.RUN_AS, objects.user(owner))
        for found in _living(connection, manifest).values():
            if found:
                check_use(connection, principal, found[0])

    def _check_store(
        self,
        connection: sa.Connection,
        principal: Principal,
        manifest: Manifest,
        what: str,
        row: sa.Row[Any] | None,
    ) -> None:
        layer = manifest.layer
        if manifest.workspace is not None:
            layer = connection.execute(_WORKSPACE, {"workspace": manifest.workspace}).scalar() or layer
        layer = "system" if "system" in (layer, manifest.layer) else "user"
        verb = "create" if row is None else "update"
        controller = self._controllers.get(manifest.kind.type)
        case = replace(USE_CASES.get(manifest.kind.type, rules.MANAGE), predicates=(verb, f"{verb}_in"))
        owner = row.owner if row is not None else str(principal.user_id)
        thing = objects.resource(
            manifest.kind.type, manifest.meta.name, manifest.workspace, layer, owner, manifest.meta.tags
        )
        if isinstance(controller, Shared):
            editors = controller.editors(connection, row) if row is not None else frozenset[str]()
            mine = str(principal.user_id) if str(principal.user_id) in editors else ""
            rules.require_own(principal, mine, what, case, thing)
            controller.check_change(connection, principal, manifest, row)
        elif isinstance(controller, Governing):
            rules.require_own(principal, str(principal.user_id), what, case, thing)  # unless a policy denies it
            controller.check_authority(principal, manifest)
        else:
            rules.require(principal, what, case, thing)

    # --- storing ----------------------------------------------------------------------------------------------------

    def effective(
        self,
        connection: sa.Connection,
        request: ApplyRequest,
        manifest: Manifest,
        warnings: list[Problem],
        row: sa.Row[Any] | None,
    ) -> dict[str, Any]:
        """The document as it will be stored, before sealing: owner settled, version and workspace canonical. `row`: the
        living Resource, if there is one."""
        document = {k: copy.deepcopy(v) for k, v in request.document.items() if k not in SERVER_FIELDS}
        document["version"] = manifest.version
        document["type"] = manifest.kind.type
        if manifest.workspace is not None:
            document["workspace"] = manifest.workspace
        _without_automatic_tags(document, manifest)
        owner = manifest.meta.owner
        if not owner or not self._identities.user_exists(connection, owner):
            settled = str(row.owner) if row is not None and not owner else str(request.actor)
            if owner:
                notice = Problem(
                    "manifest.owner", f"owner `{owner}` is not known here; `{settled}` owns it", path="owner"
                )
                if notice not in warnings:
                    warnings.append(notice)
            document["owner"] = settled
        return document

    def digest(self, document: dict[str, Any]) -> str:
        """Keyed digest of a document with its secret values: equal for equal content."""
        return self._vault.digest(
            json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        )

    def store(
        self,
        connection: sa.Connection,
        request: ApplyRequest,
        manifest: Manifest,
        warnings: list[Problem],
        pending: frozenset[ResourceKey] = frozenset(),
    ) -> ApplyResult:
        """Store what was applied. Raises DataOSError; the caller's unit of work is then undone. `pending`: as in
        `check_references`, which is done again, inside the transaction that relies on it."""
        problems = self.check_references(connection, manifest, pending, request.principal)
        if problems:
            raise DataOSError(problems)
        self.check_authority(connection, request, manifest)
        row = records.find(connection, manifest.key)
        document = self.effective(connection, request, manifest, warnings, row)
        digest = self.digest(document)
        _check_expected(row, request, manifest)
        _check_writable(connection, row, request, manifest)
        if row is not None and request.parent_uid is not None and row.parent_uid is None:
            _adopt(connection, row, request, manifest)
        rerun = request.rerun and isinstance(self._controllers[manifest.kind.type], Observable)
        now = self._clock.now_us()
        if row is not None:
            old = records.manifest_of(connection, row.uid, row.generation)
            if old is not None and old.digest == digest:
                if rerun:
                    self.request_rerun(connection, row.uid, row.state, now)
                elif row.status in ("error", "failed"):  # whoever applies it again wants it to go on
                    work.wake(connection, f"resource:{row.uid}", now)
                return ApplyResult("re-run" if rerun else "unchanged", records.summary(row), tuple(warnings))
        uid = Uid(row.uid) if row is not None else self._ids.uid()
        if row is None:
            # a first row without content: `write` below fills it, so that generations may refer to it
            connection.execute(_INSERT, self._fresh(uid, manifest, request, now))
        sealed = self._seal(connection, manifest, document)
        stored = self.write(connection, uid, manifest, sealed, digest, request.actor, request.source)
        action = "created" if row is None else "updated"
        data = {"generation": stored.generation, "id": manifest.id}
        records.add_event(connection, now, uid, action, request.actor, data)
        if row is not None and rerun:
            self.request_rerun(connection, uid, row.state, now)
        return ApplyResult(action, records.summary(stored), tuple(warnings))

    def write(
        self,
        connection: sa.Connection,
        uid: str,
        manifest: Manifest,
        sealed: dict[str, Any],
        digest: str,
        actor: str,
        source: Mapping[str, Any] | None,
        cause: str | None = None,
    ) -> sa.Row[Any]:
        """Write the next generation of an existing row, with its references and work. Returns the row as it is then."""
        now = self._clock.now_us()
        generation = records.generation_of(connection, uid) + 1
        change = {
            "of_uid": uid,
            "version": manifest.version,
            "layer": manifest.layer,
            "owner": str(sealed.get("owner")),
            "tags": _tags(manifest),
            "generation": generation,
            "status": "pending",
            "stage": "building",
            "info": "",
            "updated_at": now,
        }
        row = connection.execute(_UPDATE, change).one()
        fresh = {
            "uid": uid,
            "generation": generation,
            "manifest": sealed,
            "digest": digest,
            "source": dict(source or {}),
            "applied_by": actor,
            "applied_at": now,
            "cause": cause,
        }
        connection.execute(_INSERT_GENERATION, fresh)
        controller = self._controllers.get(manifest.kind.type)
        if isinstance(controller, Registering):
            controller.stored(connection, manifest, uid, actor)
        self._store_references(connection, uid, manifest)
        work.wake(connection, f"resource:{uid}", now)
        return row

    def reseal(self, connection: sa.Connection, manifest: Manifest, stored: dict[str, Any]) -> dict[str, Any]:
        """A stored manifest whose old secret values become the newest ones. Raises `secret.not_found`."""
        document = copy.deepcopy(stored)
        section = document.get(manifest.section_key)
        for vault_id, entries in manifest.sealed_values().items():
            values: dict[str, str] = {}
            for key, path in entries.items():
                version = int(str(_get(section, path)).rpartition("#")[2])
                values[key] = self._vault.reveal(connection, vault_id, version)[key]
            fresh = self._vault.seal(connection, vault_id, values)
            for path in entries.values():
                _set(section, path, f"vault:{vault_id}#{fresh}")
        return document

    def reveal(self, connection: sa.Connection, manifest: Manifest, stored: dict[str, Any]) -> dict[str, Any]:
        """A stored manifest with its secret values in clear."""
        document = copy.deepcopy(stored)
        section = document.get(manifest.section_key)
        for vault_id, entries in manifest.sealed_values().items():
            for key, path in entries.items():
                version = int(str(_get(section, path)).rpartition("#")[2])
                _set(section, path, self._vault.reveal(connection, vault_id, version)[key])
        return document

    def request_rerun(self, connection: sa.Connection, uid: str, state: dict[str, Any], now: int) -> None:
        """Ask the controller for one more run: it sees a counter in its state, not an event."""
        wanted = {**state, "reruns": int(state.get("reruns", 0)) + 1}
        connection.execute(_r.update().where(_r.c.uid == uid).values(state=wanted, status="pending"))
        work.wake(connection, f"resource:{uid}", now)

    def _fresh(self, uid: Uid, manifest: Manifest, request: ApplyRequest, now: int) -> dict[str, Any]:
        return {
            "uid": uid,
            "live_key": records.live_key(manifest.key),
            "type": manifest.kind.type,
            "workspace": manifest.workspace,
            "name": manifest.meta.name,
            "version": manifest.version,
            "layer": manifest.layer,
            "owner": str(request.actor),
            "tags": [],
            "parent_uid": request.parent_uid,
            "generation": 0,
            "observed_generation": 0,
            "stamp": self._ids.stamp(),
            "status": "pending",
            "runtime": "",
            "stage": "building",
            "wanted": 0,
            "processed": 0,
            "info": "",
            "state": {},
            "created_at": now,
            "updated_at": now,
            "deleting_at": None,
            "deleted_at": None,
        }

    def _seal(self, connection: sa.Connection, manifest: Manifest, document: dict[str, Any]) -> dict[str, Any]:
        """Move secret values into the vault; the document keeps `vault:<id>#<version>`."""
        section = document.get(manifest.section_key)
        for vault_id, entries in manifest.sealed_values().items():
            values = {key: _as_text(section, path) for key, path in entries.items()}
            version = self._vault.seal(connection, vault_id, values)
            for path in entries.values():
                _set(section, path, f"vault:{vault_id}#{version}")
        return document

    def _store_references(self, connection: sa.Connection, uid: str, manifest: Manifest) -> None:
        connection.execute(_DELETE_REFERENCES, {"of_uid": uid})
        living = _living(connection, manifest)
        found: dict[str, str] = {}
        for reference in manifest.references:
            for target in living[reference.target][:1]:
                found.setdefault(target.live_key, render(reference.path))
        if found:
            rows = [{"uid": uid, "target": target, "path": path} for target, path in found.items()]
            connection.execute(_INSERT_REFERENCE, rows)


def check_use(connection: sa.Connection, principal: Principal, row: sa.Row[Any]) -> None:
    """May the principal let a Resource of his use this one? Raises DataOSError `auth.forbidden`."""
    action = f"use {row.type} `{row.name}` of `{row.owner}`"
    if "secret" in row.type:
        id_ = f"{row.name}_{row.workspace}" if row.workspace else row.name
        rules.require_own(principal, row.owner, action, rules.SECRETS, objects.secret(id_))
    else:
        rules.require_own(principal, row.owner, action, rules.READ, records.thing(connection, row))


def _living(connection: sa.Connection, manifest: Manifest) -> dict[ResourceKey, list[sa.Row[Any]]]:
    """For each target that a manifest refers to the Resources it may mean, the first meant first: those that live and
    are not on their way out."""
    targets = dict.fromkeys(reference.target for reference in manifest.references)
    keys = [records.live_key(key) for target in targets for key in _meant(target)]
    if not keys:
        return {}
    rows = connection.execute(_LIVING, {"keys": keys}).all()
    found = {row.live_key: row for row in rows}
    return {t: [found[k] for k in map(records.live_key, _meant(t)) if k in found] for t in targets}


def _meant(target: ResourceKey) -> list[ResourceKey]:
    """`?secret` is the workspace's Secret, else the Instance-Secret."""
    if target.type != "?secret":
        return [target]
    return [ResourceKey("secret", target.name, target.workspace), ResourceKey("instance-secret", target.name)]


def _without_automatic_tags(document: dict[str, Any], manifest: Manifest) -> None:
    """What `get -d` shows may be applied again: the tags that the platform adds are no part of the document."""
    automatic = set(records.automatic_tags(manifest.kind.type, manifest.meta.name, manifest.layer, manifest.workspace))
    key = next((k for k in document if k.lower() == "tags"), None)
    if key is None or automatic.isdisjoint(manifest.meta.tags):
        return
    own = [tag for tag in manifest.meta.tags if tag not in automatic]
    if own:
        document[key] = own
    else:
        del document[key]


def _missing(connection: sa.Connection, target: ResourceKey, path: str, principal: Principal | None) -> Problem:
    type_ = "secret" if target.type == "?secret" else target.type
    known = records.names_of(connection, type_, target.workspace, principal)
    if target.type == "?secret":
        known += records.names_of(connection, "instance-secret", principal=principal)
    where = f" in workspace {target.workspace}" if target.workspace else ""
    hint = names.did_you_mean(target.name, known)
    if target.type == "compute":
        return _missing_compute(target.name, path, hint)
    return Problem(
        "resource.dependency",
        f"invalid resource dependency, not found: {target.name}:{type_}{where}",
        hint=(hint + (" " if hint.endswith("?") else "; ") if hint else "")
        + "apply it first, or name it in the same folder with `apply -R`",
        path=path,
        retry=1.0 if type_ == "depot" and is_coming(connection, target.name) else None,
    )


def _missing_compute(name: str, path: str, near: str) -> Problem:
    """Most people mean a Compute that ships. The manifest of one of their own stands in the hint."""
    kind = registry.find_kind("compute")
    later = " (it can be applied with a later version)" if kind is None or kind.controller is None else ""
    own = f"name: {name}, version: v1, type: compute, compute: {{dataplane: hub, purpose: runnable, nodePool: "
    own += "{nodeSelector: {dataos.io/purpose: runnable}, tolerations: []}}"
    hint = f"these ship: {', '.join(COMPUTES)}; one of your own{later}: {{{own}}}, "
    hint += f"or `dataos develop generate -t compute -n {name}`"
    text = f"invalid resource dependency, not found: {name}:compute"
    return Problem("resource.dependency", text, hint=f"{near} {hint}" if near.endswith("?") else hint, path=path)


def missing_workspace(connection: sa.Connection, name: str) -> Problem | None:
    """The problem of a workspace that does not exist, with the command that makes it."""
    if connection.execute(_WORKSPACE, {"workspace": name}).first() is not None:
        return None
    known = list(connection.execute(sa.select(_w.c.name)).scalars())
    near = names.did_you_mean(name, known)
    return Problem(
        "resource.workspace",
        f"workspace `{name}` does not exist",
        hint=(f"{near} " if near else "") + f"make it with `dataos workspace create -n {name}`",
        path="workspace",
    )


def _check_expected(row: sa.Row[Any] | None, request: ApplyRequest, manifest: Manifest) -> None:
    """The caller's idea of what is there: the verb's, and the generation it saw."""
    if request.mode == "create" and row is not None:
        raise fail(
            "resource.exists",
            f"{manifest.id} already exists",
            hint="`update` changes it, `apply` does either",
            type=manifest.kind.type,
            name=manifest.meta.name,
        )
    if request.mode == "update" and row is None:
        raise fail(
            "resource.not_found",
            f"{manifest.id} not found",
            hint="`create` makes it, `apply` does either",
            type=manifest.kind.type,
            name=manifest.meta.name,
        )
    check_generation(manifest.id, row.generation if row is not None else 0, request.expected_generation)


def check_generation(id_: str, found: int, expected: int | None) -> None:
    """The generation that the caller saw is the newest (0: there is none). Raises `resource.generation_conflict`."""
    if expected is None or expected == found:
        return
    state = f"is at generation {found}" if found else "does not exist"
    raise fail(
        "resource.generation_conflict",
        f"{id_} {state}, not at generation {expected}: somebody else changed it",
        hint=f"look at what changed (dataos history -i {id_}), then plan and apply again",
    )


def read_stored(stored: dict[str, Any]) -> Manifest:
    """A stored manifest as its kind reads it today. Raises DataOSError if this version cannot."""
    reading = Reading()
    manifest = read_manifest(stored, reading)
    if manifest is None:
        raise DataOSError(reading.problems)
    return manifest


def _adopt(connection: sa.Connection, row: sa.Row[Any], request: ApplyRequest, manifest: Manifest) -> None:
    """A Resource that stood by itself becomes one that another Resource keeps. Raises `resource.conflict`."""
    if row.owner != str(request.actor):
        raise fail(
            "resource.conflict",
            f"{manifest.id} exists already and belongs to `{row.owner}`, not to `{request.actor}`",
            hint="choose another name, or let its owner delete it",
        )
    connection.execute(_r.update().where(_r.c.uid == row.uid).values(parent_uid=request.parent_uid))


def _check_writable(
    connection: sa.Connection, row: sa.Row[Any] | None, request: ApplyRequest, manifest: Manifest
) -> None:
    if row is None:
        return
    if row.deleting_at is not None:
        raise fail(
            "resource.conflict",
            f"{manifest.id} is still being deleted",
            hint="repeat the apply in a moment",
            retry=1.0,
        )
    if row.parent_uid in (None, request.parent_uid):
        return
    parent = records.by_uid(connection, row.parent_uid)
    if parent is not None and request.parent_uid is not None:
        raise fail(
            "resource.conflict",
            f"{manifest.id} is part of {records.summary(parent)['id']} already",
            hint="a Resource has one place: take it out of one of them",
        )
    if not records.gathers(parent):
        raise fail(
            "resource.managed",
            f"{manifest.id} is managed by another Resource and cannot be applied by itself",
            hint="change the Resource that made it",
        )


def _tags(manifest: Manifest) -> list[str]:
    automatic = records.automatic_tags(manifest.kind.type, manifest.meta.name, manifest.layer, manifest.workspace)
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
