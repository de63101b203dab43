"""The native API of Resources under /api/v1."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from dataos.control import records
from dataos.control.ports import Controller, Observable
from dataos.control.resources import ApplyRequest, Resources
from dataos.control.units import Manifests
from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError, Problem, fail
from dataos.governance.principals import Principal
from dataos.governance.rules import require_operator
from dataos.manifest import registry
from dataos.store.database import Store


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
    source: Source | None = Field(default=None, description="Places for errors of later runs.")


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
    manifests: Manifests
    controllers: Mapping[str, Controller]


def router(rooms: ResourceRooms, authenticate: Callable[[Request], Awaitable[Principal]]) -> APIRouter:
    """Routes of Resources."""
    api = APIRouter(prefix="/api/v1", tags=["resources"])

    async def operator(request: Request) -> Principal:
        principal = await authenticate(request)
        require_operator(principal, "work with Resources")
        return principal

    @api.post("/apply")
    async def apply(body: ApplyBody, principal: Principal = Depends(operator)) -> dict[str, Any]:
        """Create or update one Resource. It is durable when this answers; work starts by itself."""
        result = await rooms.resources.apply(
            ApplyRequest(
                document=body.document,
                actor=principal.user_id,
                workspace=body.workspace,
                dry_run=body.dryRun,
                rerun=body.rerun,
                source=body.source.model_dump(mode="json") if body.source else None,
            )
        )
        return {
            "action": result.action,
            "resource": result.resource,
            "changes": list(result.changes),
            "warnings": [w.to_json() for w in result.warnings],
        }

    @api.post("/plan")
    async def plan(body: PlanBody, principal: Principal = Depends(operator)) -> dict[str, Any]:
        """What applying these documents in order would do; nothing is stored."""
        items = [await _plan_one(rooms, body, index, principal) for index in range(len(body.documents))]
        return {"items": items, "next": None}

    @api.get("/resources")
    async def listing(
        type: str | None = None,
        workspace: str | None = None,
        name: str | None = None,
        owner: str | None = None,
        version: str | None = None,
        after: str | None = None,
        limit: int = Query(default=1000, ge=1, le=10_000),
        principal: Principal = Depends(operator),
    ) -> dict[str, Any]:
        """Living Resources, ordered by type, workspace and name; `next` goes into `after` for the next page."""
        wanted = records.Filter(_listed_type(type) if type else None, workspace, name, owner, version)
        if workspace is not None:
            await rooms.resources.require_workspace(workspace)
        items, following = await rooms.resources.list(wanted, after, limit)
        return {"items": items, "next": following}

    @api.get("/resources/{type}/{name}")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}")
    async def get(type: str, name: str, workspace: str | None = None, _: Principal = Depends(operator)) -> Any:
        """One Resource with its manifest; secret values are masked."""
        return await rooms.resources.get(_key(type, name, workspace))

    @api.delete("/resources/{type}/{name}")
    @api.delete("/workspaces/{workspace}/resources/{type}/{name}")
    async def delete(
        type: str,
        name: str,
        workspace: str | None = None,
        force: bool = False,
        principal: Principal = Depends(operator),
    ) -> dict[str, Any]:
        """Delete; refused while something depends on it, unless forced. {result: deleted | deleting | nothing}."""
        key = _key(type, name, workspace)
        return {"result": await rooms.resources.delete(key, principal.user_id, force=force)}

    @api.get("/resources/{type}/{name}/runtime")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}/runtime")
    async def runtime(type: str, name: str, workspace: str | None = None, _: Principal = Depends(operator)) -> Any:
        """Jobs, newest run and nodes of a runnable."""
        body, observable, uid = await _runnable(rooms, _key(type, name, workspace))
        manifest = await rooms.manifests.get(uid, body["generation"])
        return {**body, **(await observable.runtime(uid, manifest)), "manifest": None}

    @api.get("/resources/{type}/{name}/log")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}/log")
    async def log(
        type: str,
        name: str,
        workspace: str | None = None,
        node: str | None = None,
        tail: int = Query(default=300, ge=-1, le=1_000_000_000),
        after: str | None = Query(default=None, description="JSON: {attempt id: byte offset}"),
        _: Principal = Depends(operator),
    ) -> Any:
        """Logs of the newest run: the last `tail` lines (-1: all), or what came after the given offsets."""
        body, observable, uid = await _runnable(rooms, _key(type, name, workspace))
        manifest = await rooms.manifests.get(uid, body["generation"])
        return await observable.log(uid, manifest, node, tail, _offsets(after))

    return api


async def _plan_one(rooms: ResourceRooms, body: PlanBody, index: int, principal: Principal) -> dict[str, Any]:
    request = ApplyRequest(document=body.documents[index], actor=principal.user_id, workspace=body.workspace)
    try:
        planned = await rooms.resources.plan(request)
    except DataOSError as error:
        remaining = [p for p in error.problems if not _satisfied_earlier(p, body.documents[:index])]
        if remaining:
            return {"action": "invalid", "resource": None, "changes": [], "errors": [p.to_json() for p in remaining]}
        document = body.documents[index]
        shown = {k: document.get(k) for k in ("name", "type", "version", "workspace")}
        return {"action": "create", "resource": shown, "changes": [], "errors": [], "warnings": []}
    return {
        "action": planned.action,
        "resource": planned.resource,
        "changes": list(planned.changes),
        "errors": [],
        "warnings": [w.to_json() for w in planned.warnings],
    }


def _satisfied_earlier(problem: Problem, earlier: list[dict[str, Any]]) -> bool:
    """True if a missing Resource is created by an earlier document of the same plan."""
    if problem.code not in ("resource.dependency", "depot.not_found", "secret.not_found"):
        return False
    return any(
        f"{d.get('name')}:{d.get('type')}" in problem.message
        or f"'{d.get('name')}'" in problem.message
        or f"`{d.get('name')}`" in problem.message
        for d in earlier
    )


def _listed_type(text: str) -> str:
    """The canonical type. Of one that is known but not served yet there is nothing to list."""
    canonical = registry.canonical_type(text)
    if registry.find_kind(canonical) is None and canonical not in registry.LATER_KINDS:
        known = registry.known_kinds()
        hint = names.did_you_mean(canonical, [*known, *registry.LATER_KINDS]) or "types: " + ", ".join(known)
        raise fail("kind.unknown", f"unknown type `{text}`", hint=hint)
    return canonical


def _key(type_: str, name: str, workspace: str | None) -> ResourceKey:
    canonical = registry.canonical_type(type_)
    kind = registry.find_kind(canonical)
    if kind is None:
        raise fail(
            "kind.unknown" if canonical not in registry.LATER_KINDS else "kind.unsupported",
            f"type `{type_}` is not served here",
            hint="types: " + ", ".join(registry.known_kinds()),
        )
    return ResourceKey(kind.type, name, None if kind.instance_level else workspace or "public")


async def _runnable(rooms: ResourceRooms, key: ResourceKey) -> tuple[dict[str, Any], Observable, str]:
    body = await rooms.resources.get(key)
    controller = rooms.controllers.get(key.type)
    if not isinstance(controller, Observable):
        raise fail("kind.no_runtime", f"type `{key.type}` has no runtime", type=key.type, name=key.name)
    return body, controller, body["uid"]


def _offsets(text: str | None) -> dict[str, int]:
    if not text:
        return {}
    try:
        body = json.loads(text)
        return {str(k): int(v) for k, v in cast("dict[str, Any]", body).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise fail("request.invalid", "`after` must be JSON: {attempt id: byte offset}") from error
