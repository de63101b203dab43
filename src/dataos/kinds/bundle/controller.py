"""Bundle: Resources that are made, changed and removed as one, in the order of what they wait for (ch03 14).

Members are applied as the Bundle's owner, or as the user it is managed as, through the same verbs and with the same
checks as any Resource. What happened is read from the store at each look: a member that is there and is not wanted
goes, one that is wanted and not there comes, so that a server that died anywhere goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Made, Observed, ResourceView, kernel_object
from dataos.control.resources import ApplyRequest, Resources
from dataos.control.timers import wall_clock
from dataos.control.workspaces import Workspaces
from dataos.core.addresses import ResourceKey
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import UserId
from dataos.governance import objects, rules, standing
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.kinds.bundle import members, plan
from dataos.kinds.bundle.plan import Clocked, Seen
from dataos.kinds.bundle.spec import BundleSpec, Item
from dataos.manifest.documents import Manifest
from dataos.manifest.sets import stacks_in
from dataos.manifest.specs import render
from dataos.store.database import Store

_RETRY_S = 5.0
_LEAVING_S = 0.2


class BundleController:
    """The `bundle` kind."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        identities: Identities,
        resources: Resources,
        workspaces: Workspaces,
        checkpoint: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._identities = identities
        self._resources = resources
        self._workspaces = workspaces
        self._checkpoint = checkpoint

    # --- before it is stored ----------------------------------------------------------------------------------------

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Everything that a member's own apply would find, the right to act as its user and to make its workspaces."""
        spec: BundleSpec = manifest.spec
        user = _user(manifest, actor)
        try:
            principal = await self._store.read(self._acting, actor, user)
        except DataOSError as error:
            return [replace(p, path=render((manifest.section_key, "manageAsUser"))) for p in error.problems]
        pending, problems = await self._store.read(self._around, manifest, principal)
        requests = self._requests(spec, principal)
        for item in spec.items:
            where = render((manifest.section_key, "resources", item.position, "spec"))
            try:
                await self._resources.read(requests[item.id], pending, requests[item.id].stacks)
            except DataOSError as error:
                problems += [replace(p, path=f"{where}.{p.path}" if p.path else where) for p in error.problems]
        return problems

    def _acting(self, connection: sa.Connection, actor: str, user: str) -> Principal:
        """As whom members are applied. Raises `auth.forbidden`, `auth.disabled`, `user.not_found`."""
        if actor != user:
            mine = self._identities.principal(connection, actor)
            rules.require(mine, f"manage a Bundle as `{user}`", rules.RUN_AS, objects.user(user))
        principal = self._identities.principal(connection, user)
        if standing.is_disabled(connection, user):
            raise standing.disabled()
        return principal

    def _around(
        self, connection: sa.Connection, manifest: Manifest, principal: Principal
    ) -> tuple[frozenset[ResourceKey], list[Problem]]:
        """What will be there when a member is applied, and what is in the way."""
        spec: BundleSpec = manifest.spec
        problems: list[Problem] = []
        missing = members.missing_workspaces(connection, spec)
        for position, entry in enumerate(spec.workspaces):
            if entry.name not in missing:
                continue
            try:
                thing = objects.workspace(entry.name, entry.layer)
                rules.require(principal, f"create workspace `{entry.name}`", rules.WORKSPACES, thing)
            except DataOSError as error:
                where = render((manifest.section_key, "workspaces", position, "name"))
                problems += [replace(p, path=where) for p in error.problems]
        own = records.find(connection, manifest.key)
        for item in spec.items:
            where = render((manifest.section_key, "resources", item.position, "spec", "name"))
            why = members.conflict(connection, item.manifest.key, str(principal.user_id), own)
            if why:
                hint = "choose another name, or take it from where it is"
                problems.append(Problem("resource.conflict", why, hint=hint, path=where))
            if manifest.key in _keys(item):
                text = f"bundle `{manifest.meta.name}` cannot be part of itself"
                problems.append(Problem("manifest.dag", text, path=where))
        keys = {item.manifest.key for item in spec.items}
        return frozenset({*keys, *(ResourceKey("workspace", name) for name in missing)}), problems

    def _requests(self, spec: BundleSpec, principal: Principal, parent: str | None = None) -> dict[str, ApplyRequest]:
        stacks = stacks_in(item.document for item in spec.items)
        return {
            item.id: ApplyRequest(
                document=dict(item.document),
                actor=principal.user_id,
                workspace=item.manifest.workspace,
                parent_uid=parent,
                principal=principal,
                stacks=stacks,
            )
            for item in spec.items
        }

    async def advise(self, manifest: Manifest, actor: UserId, warnings: list[Problem]) -> list[Problem]:
        """Say which Resources that are there become members, and will go with the Bundle."""
        spec: BundleSpec = manifest.spec

        def look(connection: sa.Connection) -> list[Problem]:
            own = records.find(connection, manifest.key)
            found: list[Problem] = []
            for item in spec.items:
                row = records.find(connection, item.manifest.key)
                if row is not None and row.parent_uid is None and (own is None or row.uid != own.uid):
                    text = f"{item.manifest.id} exists already: it becomes part of the bundle, and is removed with it"
                    where = render((manifest.section_key, "resources", item.position))
                    found.append(Problem("bundle.adopted", text, path=where))
            return found

        return [*warnings, *await self._store.read(look)]

    async def foresee(self, manifest: Manifest, actor: UserId) -> list[dict[str, Any]]:
        """What would become of each member, and of those that are not in the Bundle any more."""
        spec: BundleSpec = manifest.spec
        principal = await self._store.read(self._acting, actor, _user(manifest, actor))
        pending, _ = await self._store.read(self._around, manifest, principal)
        requests = self._requests(spec, principal)
        found: list[dict[str, Any]] = []
        for item in spec.items:
            planned = await self._resources.plan(requests[item.id], pending, requests[item.id].stacks)
            found.append(planned.to_json())

        def going(connection: sa.Connection) -> list[dict[str, Any]]:
            own = records.find(connection, manifest.key)
            rows = members.dropped(connection, own.uid, spec) if own is not None else []
            return [{"action": "delete", "resource": records.summary(row), "changes": []} for row in rows]

        return [*found, *await self._store.read(going)]

    # --- making it so -----------------------------------------------------------------------------------------------

    async def reconcile(self, view: ResourceView) -> Observed:
        """Bring it up, or tear it down where its schedule says so."""
        spec: BundleSpec = view.manifest.spec
        state: dict[str, Any] = {k: v for k, v in view.state.items() if k != "schedule"}
        if spec.schedule is None:
            return await self._up(view, spec, state)
        at = plan.advance(spec.schedule, view.state.get("schedule"), self._clock.now_us())
        state["schedule"] = at.to_state()
        observed = await (self._up(view, spec, state) if at.up else self._down(view, state))
        ticks = [t for t in (at.soonest("create"), at.soonest("delete")) if t is not None]
        following = at.soonest("delete" if at.up else "create")
        runtime = f"next:{wall_clock(following, spec.schedule.timezone)}" if following is not None else ""
        if observed.again_s is not None:
            ticks.append(self._clock.now_us() + int(observed.again_s * 1e6))
        return replace(observed, runtime=runtime, again_s=None, again_at_us=min(ticks, default=None))

    async def _up(self, view: ResourceView, spec: BundleSpec, state: dict[str, Any]) -> Observed:
        principal = await self._store.read(self._acting, str(view.owner), _user(view.manifest, view.owner))
        await self._make_workspaces(view, spec, principal)
        leftover = await self._remove(view, spec, force=False)
        before: dict[str, Any] = state.get("items", {}) if state.get("generation") == view.generation else {}
        reruns = int(view.state.get("reruns", 0))
        again = state.get("again", 0) != reruns
        found = await self._store.read(members.seen, view.uid, spec)
        applied = frozenset(
            i
            for i, entry in before.items()
            if i in found and not found[i].leaving and entry.get("done") == found[i].uid
        )
        retried = [i.id for i in spec.items if again and i.id in found and found[i.id].runtime in ("failed", "aborted")]
        errors: dict[str, str] = {}
        while True:
            step = plan.plan_next(spec, found, applied)
            fresh = [item for item in step.ready if item.id not in errors]
            fresh += [item for item in spec.items if item.id in retried and item not in fresh]
            if not fresh:
                break
            clear = (await self._resources.in_clear(view.uid, view.generation)).spec
            requests = self._requests(clear, principal, str(view.uid))
            rerun = set(retried)
            retried = []
            rerun |= {i.id for i in fresh if again and await self._changes(requests[i.id])}
            results = await asyncio.gather(*(self._apply(requests[i.id], i.id in rerun) for i in fresh))
            errors |= {i.id: r for i, r in zip(fresh, results, strict=True) if r}
            found = await self._store.read(members.seen, view.uid, spec)
            applied |= {i.id for i in fresh if i.id in found and i.id not in errors}
        await self._store.write(lambda c: self._tie(c, view, spec, found))
        items = {i: {"done": found[i].uid} for i in applied if i in found}
        items |= {i: {**items.get(i, {}), "error": text[:500]} for i, text in errors.items()}
        items |= {i: {"waiting": text[:500]} for i, text in step.waiting.items()}
        status, info = plan.summarise(spec, found, errors, step)
        if leftover and status == "active":
            status, info = "pending", leftover
        if leftover.startswith("cannot"):
            status, info = "error", leftover
        ready = sum(1 for i in spec.items if i.id in found and found[i.id].settled and found[i.id].status == "active")
        again_s = _RETRY_S if errors or leftover.startswith("cannot") else _LEAVING_S if leftover else None
        state |= {"items": items, "generation": view.generation, "again": reruns}
        return Observed(
            status=status,
            stage="error" if status == "error" else "building",
            wanted=len(spec.items),
            processed=ready,
            info=info,
            state=state,
            again_s=again_s,
        )

    async def _changes(self, request: ApplyRequest) -> bool:
        """Is the member there with another text? What cannot be applied changes nothing: applying it says why."""
        try:
            return (await self._resources.plan(request)).action == "update"
        except DataOSError:
            return False

    async def _apply(self, request: ApplyRequest, rerun: bool) -> str:
        """What went wrong; empty if nothing did."""
        try:
            await self._resources.apply(replace(request, rerun=rerun))
        except DataOSError as error:
            return "; ".join(p.message for p in error.problems)
        self._checkpoint("bundle.member-applied")
        return ""

    def _tie(self, connection: sa.Connection, view: ResourceView, spec: BundleSpec, found: Mapping[str, Seen]) -> None:
        view.lease.check(connection)
        members.tie(connection, str(view.uid), spec, found, view.manifest.section_key)

    async def _make_workspaces(self, view: ResourceView, spec: BundleSpec, principal: Principal) -> None:
        missing = await self._store.read(members.missing_workspaces, spec)
        for entry in spec.workspaces:
            if entry.name in missing:
                await self._workspaces.create(
                    principal,
                    entry.name,
                    layer=entry.layer,
                    description=entry.description,
                    labels=entry.labels,
                    tags=[*entry.tags, f"{members.MADE_BY}{view.uid}"],
                )

    async def _down(self, view: ResourceView, state: dict[str, Any]) -> Observed:
        """Remove what the schedule does not want now; the Bundle itself stays."""
        leftover = await self._remove(view, None, force=False)
        kept = {k: v for k, v in state.items() if k not in ("items", "generation")}
        info = leftover or "torn down until the next create tick"
        refused = leftover.startswith("cannot")
        again = _RETRY_S if refused else _LEAVING_S if leftover else None
        status = "error" if refused else "pending" if leftover else "active"
        return Observed(status=status, wanted=0, processed=0, info=info, state=kept, again_s=again)

    async def _remove(self, view: ResourceView, spec: BundleSpec | None, *, force: bool) -> str:
        """Let members go that are not wanted, each after those that depend on it. What is left; empty: nothing."""
        going = await self._store.read(members.dropped, view.uid, spec)
        while going:
            free = await self._store.read(members.removable, going)
            gone: set[str] = set()
            for row in free:
                key = records.key_of(row)
                try:
                    result = await self._resources.delete(key, view.owner, force=force, wait_s=1.0, by=str(view.uid))
                except DataOSError as error:
                    return f"cannot remove {records.summary(row)['id']}: {error.problem.message}"
                if result != "deleting":
                    gone.add(row.uid)
            self._checkpoint("bundle.members-removed")
            if not gone:
                return "removing " + ", ".join(records.summary(row)["id"] for row in free)
            going = [row for row in going if row.uid not in gone]
        return ""

    async def delete(self, view: ResourceView) -> bool:
        """Members in reverse order, then the workspaces that were made for it and hold nothing else."""
        if await self._remove(view, None, force=True):
            return False
        for name in await self._store.read(members.made_workspaces, view.uid):
            await self._store.write(self._workspaces.forget_empty, name, str(view.owner))
        return True

    # --- what is shown ----------------------------------------------------------------------------------------------

    async def runtime(self, uid: str, manifest: Manifest) -> dict[str, Any]:
        """STATUS and RUNTIME of each member, and what the others wait for."""
        return await self._store.read(self._runtime, uid, manifest)

    @staticmethod
    def _runtime(connection: sa.Connection, uid: str, manifest: Manifest) -> dict[str, Any]:
        spec: BundleSpec = manifest.spec
        row = records.by_uid(connection, uid)
        state: dict[str, Any] = row.state if row is not None else {}
        found = members.seen(connection, uid, spec)
        items: dict[str, Any] = state.get("items", {})
        shown: list[dict[str, Any]] = []
        for item in spec.items:
            seen, entry = found.get(item.id), items.get(item.id, {})
            reason = (
                entry.get("error") or entry.get("waiting") or (seen.info if seen and seen.status != "active" else "")
            )
            shown.append(
                {
                    "id": item.id,
                    "resource": item.manifest.id,
                    "status": ("deleting" if seen.leaving else seen.status) if seen else "absent",
                    "runtime": seen.runtime if seen else "",
                    "dependencies": [c.on for c in item.conditions],
                    "reason": reason,
                }
            )
        schedule = None
        if spec.schedule is not None and "schedule" in state:
            at, zone = Clocked.of(state["schedule"]), spec.schedule.timezone
            ticks = {verb: at.soonest(verb) for verb in ("create", "delete")}
            schedule = {verb: wall_clock(t, zone) if t is not None else "" for verb, t in ticks.items()}
            schedule["state"] = "created" if at.up else "deleted"
        nothing: dict[str, Any] = {"jobs": [], "nodes": [], "run": None, "paused": None, "title": manifest.meta.title}
        return {**nothing, "schedule": schedule, "members": shown}

    async def log(
        self, uid: str, manifest: Manifest, node: str | None, tail: int, after: Mapping[str, int]
    ) -> dict[str, Any]:
        """A Bundle runs nothing itself. Raises `run.not_found` naming the members."""
        spec: BundleSpec = manifest.spec
        hint = "members: " + ", ".join(item.manifest.id for item in spec.items)
        raise fail("run.not_found", f"bundle `{manifest.meta.name}` runs nothing itself: its members do", hint=hint)

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """Its members."""
        kept = [
            kernel_object(r.name, r.workspace or "", r.type, records.summary(r)["id"], r.status)
            for r in records.children(connection, row.uid)
        ]
        return Made(running=tuple(kept))


def _user(manifest: Manifest, owner: str) -> UserId:
    spec: BundleSpec = manifest.spec
    return UserId(spec.manage_as_user or manifest.meta.manage_as_user or owner)


def _keys(item: Item) -> set[ResourceKey]:
    """Keys of a member and, where it is a Bundle, of all in it."""
    inner = item.manifest.spec
    nested = [k for i in inner.items for k in _keys(i)] if isinstance(inner, BundleSpec) else []
    return {item.manifest.key, *nested}
