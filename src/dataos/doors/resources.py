"""The native API of Resources under /api/v1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Header, Query
from fastapi import Path as FromPath
from pydantic import BaseModel, ConfigDict, Field

from dataos.control import records
from dataos.control.history import History
from dataos.control.idempotency import MAX_KEY
from dataos.control.ports import Controller, Observable
from dataos.control.resources import ApplyRequest, Resources
from dataos.control.units import Manifests
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError, fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.manifest import registry
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.sets import stacks_in
from dataos.store.database import Store

Generation = Annotated[int, FromPath(ge=1, le=2**31)]


class Source(BaseModel):
    """Where a document stood on the client's side."""

    model_config = ConfigDict(extra="forbid")
    file: str | None = Field(default=None, description="The file, as the user named it.")
    lines: dict[str, tuple[int, int]] = Field(
        default={}, description="Line and column at which the text of a SQL scalar begins, by its path."
    )


class ApplyBody(BaseModel):
    """POST /api/v1/apply."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(description="The manifest, as JSON.")
    workspace: str | None = Field(default=None, description="What `-w` said; the manifest's own workspace wins.")
    dryRun: bool = Field(default=False, description="Validate as far as an apply would, and store nothing.")
    rerun: bool = Field(default=False, description="Run a runnable once more, also if nothing changed.")
    mode: Literal["apply", "create", "update"] = Field(
        default="apply", description="create: it must not exist yet; update: it must exist."
    )
    expectedGeneration: int | None = Field(
        default=None, ge=0, le=2**31, description="The generation the caller saw (0: none); another one is a conflict."
    )
    source: Source | None = Field(default=None, description="Places for errors of later runs.")


class ApplySetBody(BaseModel):
    """POST /api/v1/apply-set."""

    model_config = ConfigDict(extra="forbid")
    documents: list[ApplyBody] = Field(max_length=10_000, description="In the order in which they are stored.")


class RollbackBody(BaseModel):
    """POST .../rollback."""

    model_config = ConfigDict(extra="forbid")
    toGeneration: int | None = Field(default=None, ge=1, le=2**31, description="Default: the generation before.")
    expectedGeneration: int | None = Field(default=None, ge=1, le=2**31)


class PlanBody(BaseModel):
    """POST /api/v1/plan."""

    model_config = ConfigDict(extra="forbid")
    documents: list[dict[str, Any]]
    workspace: str | None = None


@dataclass(frozen=True)
class ResourceRooms:
    """What the routes call."""

    store: Store
    resources: Resources
    history: History
    manifests: Manifests
    controllers: Mapping[str, Controller]


def router(rooms: ResourceRooms, authenticate: Authenticate) -> APIRouter:
    """Routes of Resources."""
    api = APIRouter(prefix="/api/v1", tags=["resources"])

    user = users_only(authenticate, "work with Resources")

    @api.post("/apply", responses=answers.ok(answers.Applied))
    async def apply(
        body: ApplyBody,
        principal: Principal = Depends(user),
        idempotency_key: str | None = Header(default=None, max_length=MAX_KEY),
    ) -> Any:
        """Create or update one Resource. It is durable when this answers; work starts by itself."""
        result = await rooms.resources.apply(_request(body, principal), key=idempotency_key)
        return result.to_json()

    @api.post("/apply-set", responses=answers.ok(answers.Items[answers.Applied]))
    async def apply_set(
        body: ApplySetBody,
        principal: Principal = Depends(user),
        idempotency_key: str | None = Header(default=None, max_length=MAX_KEY),
    ) -> Any:
        """Create or update a set of Resources: all of them, or none."""
        requests = [_request(one, principal) for one in body.documents]
        results = await rooms.resources.apply_all(requests, key=idempotency_key)
        return {"items": [r.to_json() for r in results]}

    @api.post("/plan", responses=answers.ok(answers.Page[answers.PlanItem]))
    async def plan(body: PlanBody, principal: Principal = Depends(user)) -> Any:
        """What applying these documents in order would do; nothing is stored."""
        return {"items": await plan_documents(rooms, body.documents, body.workspace, principal), "next": None}

    @api.get("/resources", responses=answers.ok(answers.Page[answers.Summary]))
    async def listing(
        type: str | None = None,
        workspace: str | None = None,
        name: str | None = None,
        owner: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        mine: bool = Query(default=False, description="Only what the caller owns."),
        after: str | None = None,
        limit: int = Query(default=1000, ge=1, le=10_000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Living Resources, ordered by type, workspace and name; `next` goes into `after` for the next page."""
        wanted = records.Filter(
            registry.need_kind(type).type if type else None,
            workspace,
            name,
            principal.user_id if mine else owner,
            version,
            tag,
        )
        if workspace is not None:
            await rooms.resources.require_workspace(workspace)
        items, following = await rooms.resources.list(wanted, after, limit, principal)
        return {"items": items, "next": following}

    @answers.scoped(api, "get", "/resources/{type}/{name}", answers.Resource)
    async def get(
        type: str,
        name: str,
        workspace: str | None = None,
        unSanitize: bool = Query(default=False, description="Secret values in clear: operators only, written down."),
        principal: Principal = Depends(user),
    ) -> Any:
        """One Resource with its manifest; secret values are masked."""
        key = key_of(type, name, workspace)
        return await (rooms.resources.reveal(key, principal) if unSanitize else rooms.resources.get(key, principal))

    @answers.scoped(api, "delete", "/resources/{type}/{name}", answers.Deleted)
    async def delete(
        type: str,
        name: str,
        workspace: str | None = None,
        force: bool = False,
        expectedGeneration: int | None = Query(default=None, ge=1, le=2**31),
        principal: Principal = Depends(user),
    ) -> Any:
        """Delete; refused while something depends on it, unless forced. {result: deleted | deleting | nothing}."""
        key = key_of(type, name, workspace)
        result = await rooms.resources.delete(
            key, principal.user_id, force=force, principal=principal, expected_generation=expectedGeneration
        )
        return {"result": result}

    @answers.scoped(api, "get", "/resources/{type}/{name}/history", answers.History)
    async def history(type: str, name: str, workspace: str | None = None, principal: Principal = Depends(user)) -> Any:
        """Generations, newest first; also of a Resource deleted within the time it is kept."""
        return await rooms.history.list(key_of(type, name, workspace), principal)

    @answers.scoped(api, "get", "/resources/{type}/{name}/history/{generation}", answers.StoredGeneration)
    async def generation(
        type: str, name: str, generation: Generation, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """One generation's manifest; secret values are masked."""
        return await rooms.history.get(key_of(type, name, workspace), generation, principal)

    @answers.scoped(api, "post", "/resources/{type}/{name}/rollback", answers.RolledBack)
    async def rollback(
        type: str, name: str, body: RollbackBody, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """Store an old generation as the next one; brings a deleted Resource back."""
        key = key_of(type, name, workspace)
        return await rooms.history.rollback(key, body.toGeneration, principal, body.expectedGeneration)

    @answers.scoped(api, "get", "/resources/{type}/{name}/runtime", answers.Runtime)
    async def runtime(type: str, name: str, workspace: str | None = None, principal: Principal = Depends(user)) -> Any:
        """Jobs, newest run and nodes of a runnable."""
        body, observable, uid = await _runnable(rooms, key_of(type, name, workspace), principal)
        manifest = await rooms.manifests.get(uid, body["generation"])
        found = await observable.runtime(uid, manifest)
        about = await rooms.resources.thing(key_of(type, name, workspace), principal)
        if not records.may_read_reports(principal, body["owner"], about):
            found = records.without_reports(found)
        return {**body, **found, "manifest": None}

    @answers.scoped(api, "get", "/resources/{type}/{name}/log", answers.Log)
    async def log(
        type: str,
        name: str,
        workspace: str | None = None,
        node: str | None = None,
        tail: int = Query(default=300, ge=-1, le=1_000_000_000),
        after: str | None = Query(default=None, description="JSON: {attempt id: byte offset}"),
        principal: Principal = Depends(user),
    ) -> Any:
        """Logs of the newest run: the last `tail` lines (-1: all), or what came after the given offsets."""
        return await read_log(rooms, key_of(type, name, workspace), principal, node, tail, after)

    return api


def _request(body: ApplyBody, principal: Principal) -> ApplyRequest:
    return ApplyRequest(
        document=body.document,
        actor=principal.user_id,
        workspace=body.workspace,
        dry_run=body.dryRun,
        rerun=body.rerun,
        source=body.source.model_dump(mode="json") if body.source else None,
        mode=body.mode,
        expected_generation=body.expectedGeneration,
        principal=principal,
    )


async def plan_documents(
    rooms: ResourceRooms, documents: Sequence[Any], workspace: str | None, principal: Principal
) -> list[dict[str, Any]]:
    """What applying documents in order would do, one answer each; faults are part of it."""
    items: list[dict[str, Any]] = []
    pending: frozenset[ResourceKey] = frozenset()
    stacks = stacks_in(documents)
    for document in documents:
        items.append(await _plan_one(rooms, document, workspace, principal, pending, stacks))
        pending |= _planned(items[-1])
    return items


async def _plan_one(
    rooms: ResourceRooms,
    document: dict[str, Any],
    workspace: str | None,
    principal: Principal,
    pending: frozenset[ResourceKey],
    stacks: tuple[CustomStack, ...],
) -> dict[str, Any]:
    request = ApplyRequest(document=document, actor=principal.user_id, workspace=workspace, principal=principal)
    try:
        return {**(await rooms.resources.plan(request, pending, stacks)).to_json(), "errors": []}
    except DataOSError as error:
        errors = [p.to_json() for p in error.problems]
        return {"action": "invalid", "resource": None, "changes": [], "errors": errors, "warnings": []}


def _planned(item: dict[str, Any]) -> frozenset[ResourceKey]:
    found = item["resource"]
    return frozenset({ResourceKey(found["type"], found["name"], found["workspace"])} if found else ())


def key_of(type_: str, name: str, workspace: str | None) -> ResourceKey:
    """The Resource that a route names. Raises DataOSError `kind.unknown`."""
    kind = registry.need_kind(type_)
    return ResourceKey(kind.type, name, None if kind.instance_level else workspace or "public")


async def _runnable(
    rooms: ResourceRooms, key: ResourceKey, principal: Principal | None = None
) -> tuple[dict[str, Any], Observable, str]:
    body = await rooms.resources.get(key, principal)
    controller = rooms.controllers.get(key.type)
    if not isinstance(controller, Observable):
        raise fail("kind.no_runtime", f"type `{key.type}` has no runtime", type=key.type, name=key.name)
    return body, controller, body["uid"]


async def read_log(
    rooms: ResourceRooms, key: ResourceKey, principal: Principal, node: str | None, tail: int, after: str | None = None
) -> dict[str, Any]:
    """Logs of the newest run of a runnable. Raises `kind.no_runtime`, `auth.forbidden`, `run.not_found`."""
    about = await rooms.resources.thing(key, principal)
    body, observable, uid = await _runnable(rooms, key)
    rules.require_own(principal, body["owner"], f"read the logs of {body['id']}", rules.READ_LOG, about)
    manifest = await rooms.manifests.get(uid, body["generation"])
    return await observable.log(uid, manifest, node, tail, offsets_of(after))


def offsets_of(text: str | None) -> dict[str, int]:
    """`after` of a log route. Raises DataOSError `request.invalid`."""
    if not text:
        return {}
    try:
        body = json.loads(text)
        return {str(k): int(v) for k, v in cast("dict[str, Any]", body).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise fail("request.invalid", "`after` must be JSON: {attempt id: byte offset}") from error
