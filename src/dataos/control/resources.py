"""The verbs: plan, apply, delete, read. What is accepted here is durable when the call returns.

Order of an apply (architecture 3): read (the same code as the CLI's offline validation) -> existence of what it refers
to -> the caller's right -> the kind's own check -> one transaction that seals secret values, stores the generation, its
references and its event, and makes the unit due. Nothing is stored after a failed check; secret values leave the
manifest before that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from dataos.control import idempotency, records
from dataos.control.generations import (
    USE_CASES,
    ApplyRequest,
    ApplyResult,
    Generations,
    check_generation,
    missing_workspace,
    read_stored,
)
from dataos.control.ports import Adviser, Controller, Gathering, Governing, Made, Maker, Providing, Registering, Shared
from dataos.control.showing import diff, masked
from dataos.core import names
from dataos.core.addresses import ResourceKey, display_id
from dataos.core.bell import Bell
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids, UserId
from dataos.governance import rules
from dataos.governance.identities import Identities
from dataos.governance.policies import AccessObject
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.sets import stacks_in
from dataos.manifest.specs import Path, Reading
from dataos.store import tables, work
from dataos.store.database import Store

__all__ = ["ApplyRequest", "ApplyResult", "Resources"]

_r = tables.resources
_GONE_S = 10.0
_COMING_S = 10.0
_LOOK_S = 0.1
Guard = Callable[[Principal, ResourceKey], Awaitable[None]]
"""What else is asked before secret values of a Resource are shown. Raises DataOSError `auth.forbidden`."""
_Prepared = tuple[ApplyRequest, Manifest, list[Problem]]


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
        guard: Guard | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._guard = guard
        self._controllers = controllers
        self.generations = Generations(vault, identities, clock, ids, controllers)

    # --- reading and checking ---------------------------------------------------------------------------------------

    async def read(
        self,
        request: ApplyRequest,
        pending: frozenset[ResourceKey] = frozenset(),
        stacks: tuple[CustomStack, ...] = (),
    ) -> tuple[Manifest, list[Problem]]:
        """Validate as far as it goes without storing. Raises DataOSError with every problem found.

        `pending`: Resources that earlier documents of the same set make; what they would satisfy is no problem.
        `stacks`: those that documents of the set define.
        """
        reading = Reading(stacks=stacks)
        manifest = read_manifest(request.document, reading, request.workspace)
        if manifest is None:
            raise DataOSError(reading.problems)
        controller = self._controllers.get(manifest.kind.type)
        waited = 0.0
        problems = await self._check(request, manifest, pending)
        while problems and waited < _COMING_S and all(_is_coming(p) for p in problems):
            await asyncio.sleep(_LOOK_S)
            waited += _LOOK_S
            problems = await self._check(request, manifest, pending)
        if problems:
            raise DataOSError(_of(manifest, problems))
        warnings = reading.warnings
        if isinstance(controller, Adviser) and not manifest.unsupported:
            try:
                warnings = await controller.advise(manifest, request.actor, warnings)
            except DataOSError as error:  # nothing can be said yet of what a set makes
                if not all(_satisfied(p, pending) for p in error.problems):
                    raise
        return manifest, [*warnings, *manifest.unsupported]

    async def _check(self, request: ApplyRequest, manifest: Manifest, pending: frozenset[ResourceKey]) -> list[Problem]:
        problems = await self._store.read(self._check_stored, request, manifest, pending)
        controller = self._controllers.get(manifest.kind.type)
        if problems or controller is None or manifest.unsupported:
            return problems
        return [p for p in await controller.check(manifest, request.actor) if not _satisfied(p, pending)]

    def _check_stored(
        self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest, pending: frozenset[ResourceKey]
    ) -> list[Problem]:
        problems = self.generations.check_references(connection, manifest, pending, request.principal)
        if not problems:
            self.generations.check_authority(connection, request, manifest)
        return problems

    # --- apply ------------------------------------------------------------------------------------------------------

    async def plan(
        self,
        request: ApplyRequest,
        pending: frozenset[ResourceKey] = frozenset(),
        stacks: tuple[CustomStack, ...] = (),
    ) -> ApplyResult:
        """What `apply` would do, by the same code, with nothing stored."""
        manifest, warnings = await self.read(request, pending, stacks)
        planned = await self._store.read(self._plan, request, manifest, warnings)
        controller = self._controllers.get(manifest.kind.type)
        if not isinstance(controller, Gathering) or manifest.unsupported:
            return planned
        return replace(planned, members=tuple(await controller.foresee(manifest, request.actor)))

    def _plan(
        self, connection: sa.Connection, request: ApplyRequest, manifest: Manifest, warnings: list[Problem]
    ) -> ApplyResult:
        row = records.find(connection, manifest.key)
        document = self.generations.effective(connection, request, manifest, warnings, row)
        if row is None:
            action, changes = "create", []
        else:
            old = records.manifest_of(connection, row.uid, row.generation)
            same = old is not None and old.digest == self.generations.digest(document)
            action = "unchanged" if same else "update"
            changes = [] if same or old is None else diff(old.manifest, document, _secret_paths(manifest))
        shown = {
            "id": manifest.id,
            "name": manifest.meta.name,
            "type": manifest.kind.type,
            "version": manifest.version,
            "workspace": manifest.workspace,
            "generation": row.generation if row is not None else 0,
        }
        return ApplyResult(action, shown, tuple(warnings), tuple(changes))

    async def apply(self, request: ApplyRequest, *, key: str | None = None) -> ApplyResult:
        """Store a document durably. Raises DataOSError with all problems; then nothing was changed.

        `key`: an idempotency key of the caller; a repeated call with it gets the first answer and changes nothing.
        """
        (result,) = await self.apply_all([request], key=key)
        return result

    async def apply_all(self, requests: Sequence[ApplyRequest], *, key: str | None = None) -> list[ApplyResult]:
        """Store a set of documents in one transaction: all or none. Later ones may refer to earlier ones.

        Raises DataOSError with the problems of all documents.
        """
        call = idempotency.Call(key, self._digest(requests), requests[0].actor) if key and requests else None
        if call is not None:
            known = await self._store.read(idempotency.known, call)
            if known is not None:
                return [_from_json(r) for r in known["items"]]
        prepared = await self._prepare(requests)
        if any(r.dry_run for r in requests):
            planned = [await self._store.read(self._plan, *p) for p in prepared]
            return [replace(p, action="valid") for p in planned]
        try:
            results = await self._store.write(self._store_all, prepared, call)
        except DataOSError as error:
            if not any(p.code == "resource.conflict" for p in error.problems):
                raise
            for _, manifest, _ in prepared:  # one of them is on its way out: the new one waits a while for that
                await self._wait_until_gone(manifest.key, _GONE_S)
            results = await self._store.write(self._store_all, prepared, call)
        self._bell.ring()
        return results

    async def _prepare(self, requests: Sequence[ApplyRequest]) -> list[_Prepared]:
        prepared: list[_Prepared] = []
        problems: list[Problem] = []
        pending: frozenset[ResourceKey] = frozenset()
        stacks = (*stacks_in(r.document for r in requests), *(s for r in requests for s in r.stacks))
        for request in requests:
            try:
                manifest, warnings = await self.read(request, pending, stacks)
            except DataOSError as error:
                problems += error.problems
                continue
            if manifest.unsupported and not request.dry_run:  # a dry run says so with a warning, as `validate` does
                problems += _of(manifest, manifest.unsupported)
            pending |= self._made_by(manifest)
            prepared.append((request, manifest, warnings))
        if problems:
            raise DataOSError(problems)
        return prepared

    def _store_all(
        self, connection: sa.Connection, prepared: Sequence[_Prepared], call: idempotency.Call | None
    ) -> list[ApplyResult]:
        if call is not None:
            known = idempotency.known(connection, call)
            if known is not None:
                return [_from_json(r) for r in known["items"]]
        results: list[ApplyResult] = []
        pending = frozenset[ResourceKey]()
        for request, manifest, warnings in prepared:
            try:
                results.append(self.generations.store(connection, request, manifest, list(warnings), pending))
            except DataOSError as error:
                raise DataOSError(_of(manifest, error.problems)) from error
            pending |= self._made_by(manifest)
        if call is not None:
            answer = {"items": [r.to_json() for r in results]}
            idempotency.remember(connection, call, answer, self._clock.now_us())
        return results

    def _made_by(self, manifest: Manifest) -> frozenset[ResourceKey]:
        """The Resource of a manifest, and what will be made of it."""
        controller = self._controllers.get(manifest.kind.type)
        provided = controller.provides(manifest) if isinstance(controller, Providing) else ()
        return frozenset({manifest.key, *provided})

    def _digest(self, requests: Sequence[ApplyRequest]) -> str:
        asked = [[r.document, r.workspace, r.dry_run, r.rerun, r.mode, r.expected_generation] for r in requests]
        return self.generations.digest({"asked": json.loads(json.dumps(asked))})

    # --- delete -----------------------------------------------------------------------------------------------------

    async def delete(
        self,
        key: ResourceKey,
        actor: UserId,
        *,
        force: bool = False,
        wait_s: float = 10.0,
        principal: Principal | None = None,
        expected_generation: int | None = None,
        only_if: Callable[[sa.Connection], bool] | None = None,
        by: str | None = None,
    ) -> str:
        """Ask a Resource to go and wait a while for its clean-up: deleted | deleting | nothing.

        `only_if` is asked in the transaction that marks it: nothing happens if it says no. `by`: uid of the Resource
        that made it and removes it.

        Raises DataOSError `resource.in_use` naming the dependants, `resource.managed` for a child.
        """
        found = await self._store.write(
            self._mark_deleted, key, actor, force, principal, expected_generation, only_if, by
        )
        if not found:
            return "nothing"
        self._bell.ring()
        return "deleted" if await self._wait_until_gone(key, wait_s) else "deleting"

    def _mark_deleted(
        self,
        connection: sa.Connection,
        key: ResourceKey,
        actor: UserId,
        force: bool,
        principal: Principal | None,
        expected: int | None,
        only_if: Callable[[sa.Connection], bool] | None,
        by: str | None,
    ) -> bool:
        row = records.find(connection, key)
        if row is None or (only_if is not None and not only_if(connection)):
            return False
        shown = records.summary(row)["id"]
        controller = self._controllers.get(row.type)
        if principal is not None:
            case, owner = rules.DELETE, row.owner
            if isinstance(controller, Shared):
                case = replace(USE_CASES.get(row.type, rules.DELETE), predicates=rules.DELETE.predicates)
                mine = str(principal.user_id)
                owner = mine if mine in controller.editors(connection, row) else owner
            rules.require_own(principal, owner, f"delete {shown}", case, records.thing(connection, row))
            if isinstance(controller, Governing):
                controller.check_removal(principal, row)
        if row.deleting_at is not None:
            return True
        check_generation(shown, row.generation, expected)
        parent = records.by_uid(connection, row.parent_uid) if row.parent_uid not in (None, by) else None
        if parent is not None and not force and not records.gathers(parent):
            raise fail(
                "resource.managed",
                f"{display_id(row.type, row.version, row.name)} is managed by another Resource",
                hint="delete the Resource that made it",
            )
        going = records.family(connection, row)  # a Lakehouse takes its Depot along
        own = {by, *(r.uid for r in going)}
        found = {d.uid: d for r in going for d in records.dependents(connection, records.key_of(r))}
        holders = [d for d in found.values() if d.uid not in own]
        known = [f"'{records.summary(h)['id']}'" for h in holders]
        if isinstance(controller, Shared) and not force:
            known += controller.holders(connection, row)
        if known and not force:
            ids = ", ".join(known)
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
        records.add_event(connection, now, row.uid, "deleting", actor, {"force": force, "id": shown})
        if isinstance(controller, Registering):
            controller.removed(connection, row.uid, row.name, actor)
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

    async def in_clear(self, uid: str, generation: int) -> Manifest:
        """A stored manifest with its secret values, for a controller that applies parts of it. Raises DataOSError."""

        def read(connection: sa.Connection) -> Manifest:
            stored = records.manifest_of(connection, uid, generation)
            if stored is None:
                raise fail("resource.generation", f"generation {generation} of {uid} is not in the store")
            sealed = read_stored(stored.manifest)
            return read_stored(self.generations.reveal(connection, sealed, stored.manifest))

        return await self._store.read(read)

    # --- get --------------------------------------------------------------------------------------------------------

    async def get(self, key: ResourceKey, principal: Principal | None = None) -> dict[str, Any]:
        """A living Resource with its manifest (secret values masked). `principal` None: the platform itself.

        Raises DataOSError `resource.not_found`, `auth.forbidden`."""
        return await self._store.read(self._get, key, principal)

    def _get(self, connection: sa.Connection, key: ResourceKey, principal: Principal | None = None) -> dict[str, Any]:
        row = self._row(connection, key, principal)
        reports = True
        if principal is not None:
            about = records.thing(connection, row)
            rules.require_own(principal, row.owner, f"read {key.type} `{key.name}`", rules.READ, about)
            reports = records.may_read_reports(principal, row.owner, about)
        stored = records.manifest_of(connection, row.uid, row.generation)
        body = records.summary(row, reports=reports)
        body["manifest"] = masked(stored.manifest) if stored is not None else None
        controller = self._controllers.get(row.type)
        made = controller.made(connection, row) if isinstance(controller, Maker) else Made()
        body["cloudKernelResources"] = list(made.running)
        body["webServiceResources"] = list(made.kept)
        return body

    @staticmethod
    def _row(connection: sa.Connection, key: ResourceKey, principal: Principal | None) -> sa.Row[Any]:
        row = records.find(connection, key)
        if row is None:
            known = records.names_of(connection, key.type, key.workspace, principal)
            raise fail(
                "resource.not_found",
                f"no {key.type} `{key.name}`" + (f" in workspace {key.workspace}" if key.workspace else ""),
                hint=names.did_you_mean(key.name, known),
                type=key.type,
                name=key.name,
            )
        return row

    async def reveal(
        self, key: ResourceKey, principal: Principal, as_secret: AccessObject | None = None
    ) -> dict[str, Any]:
        """As `get`, with secret values in clear, written down. `as_secret`: whoever may read that secret may do it.

        Raises `auth.forbidden`."""
        if self._guard is not None:
            await self._guard(principal, key)
        return await self._store.write(self._reveal, key, principal, as_secret)

    def _reveal(
        self, connection: sa.Connection, key: ResourceKey, principal: Principal, as_secret: AccessObject | None
    ) -> dict[str, Any]:
        action = f"read the secret values of {key.type} `{key.name}`"
        case = rules.UNSANITIZE if as_secret is None else rules.SECRETS
        thing = as_secret or records.thing(connection, self._row(connection, key, principal))
        rules.require(principal, action, case, thing)
        body = self._get(connection, key)
        stored = records.manifest_of(connection, body["uid"], body["generation"])
        assert stored is not None  # noqa: S101 - `_get` read the same row in this transaction
        body["manifest"] = self.generations.reveal(connection, read_stored(stored.manifest), stored.manifest)
        data = {"id": body["id"], "generation": body["generation"]}
        records.add_event(connection, self._clock.now_us(), body["uid"], "revealed", principal.user_id, data)
        return body

    async def thing(self, key: ResourceKey, principal: Principal) -> AccessObject:
        """A living Resource as decisions know it. Raises DataOSError `resource.not_found`."""

        def read(connection: sa.Connection) -> AccessObject:
            return records.thing(connection, self._row(connection, key, principal))

        return await self._store.read(read)

    async def require_workspace(self, name: str) -> None:
        """Raises DataOSError `resource.workspace` if there is none of that name."""
        problem = await self._store.read(missing_workspace, name)
        if problem is not None:
            raise DataOSError(replace(problem, path=None))

    async def list(
        self,
        wanted: records.Filter,
        after: str | None = None,
        limit: int = 1000,
        principal: Principal | None = None,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of living Resources, of those that the principal may read; None: the platform itself."""

        def reports(row: sa.Row[Any], layers: Mapping[str, str]) -> bool:
            return records.may_read_reports(principal, row.owner, records.thing_of(row, layers))

        return await self._store.read(records.listing, wanted, after, limit, partial(records.shows, principal), reports)


def _of(manifest: Manifest, problems: Sequence[Problem]) -> list[Problem]:
    return [replace(p, type=manifest.kind.type, name=manifest.meta.name) for p in problems]


def _is_coming(problem: Problem) -> bool:
    """True of what is missing and may be there in a moment: the Depot of a Lakehouse that was just stored."""
    return problem.retry is not None and problem.code in ("resource.dependency", "depot.not_found")


def _satisfied(problem: Problem, pending: frozenset[ResourceKey]) -> bool:
    """True if a kind's check misses what an earlier document of the same set makes."""
    if problem.code not in ("resource.dependency", "depot.not_found", "secret.not_found"):
        return False
    marks = [m for k in pending for m in (f"{k.name}:{k.type}", f"'{k.name}'", f"`{k.name}`", f"'{k}'")]
    return any(mark in problem.message for mark in marks)


def _from_json(body: dict[str, Any]) -> ApplyResult:
    warnings = tuple(Problem.from_json(w) for w in body["warnings"])
    return ApplyResult(body["action"], body["resource"], warnings, tuple(body["changes"]))


def _secret_paths(manifest: Manifest) -> list[Path]:
    return [(manifest.section_key, *path) for path in manifest.secret_paths]
