"""Routes of the reference over the functions of /api/v1: /poros (Resources) and /collated (reports).

Shapes are those of ch01 12; failures and authorisation are those of /api/v1. /heimdall has a module of its own.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Body, Depends, Query

from dataos.control import records
from dataos.control.resources import ApplyRequest
from dataos.control.workspaces import Workspaces
from dataos.core import addresses, details
from dataos.core.errors import DataOSError, Problem, fail
from dataos.doors import answers, resources
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.resources import ResourceRooms, key_of
from dataos.governance.principals import Principal
from dataos.manifest import registry

Manifest = dict[str, Any]
_MANIFEST = Body(description="The manifest, as JSON.")
_PAGE = 1000


class Detailed(answers.Observation):
    """A manifest with what the server adds: generation, uid, created, stamp, status (ch01 19.8)."""

    name: str
    version: str
    type: str
    generation: int
    uid: str
    created: str
    status: dict[str, Any]


class Valid(answers.Answer):
    """A manifest that could be applied."""

    valid: bool
    warnings: list[answers.Fault]


# --- /poros -----------------------------------------------------------------------------------------------------------


def poros(rooms: ResourceRooms, workspaces: Workspaces, authenticate: Authenticate) -> APIRouter:
    """The orchestrator: Resources by their place."""
    api = APIRouter(prefix="/poros/api/v1", tags=["poros"])

    user = users_only(authenticate, "work with Resources")

    @api.get("/workspaces", responses=answers.ok(answers.Page[answers.Workspace]))
    async def workspaces_list(_: Principal = Depends(user)) -> Any:
        """All workspaces."""
        return {"items": await workspaces.list(None), "next": None}

    @api.get("/workspaces/{workspace}", responses=answers.ok(answers.Workspace))
    async def workspace_get(workspace: str, _: Principal = Depends(user)) -> Any:
        """One workspace."""
        return await workspaces.get(workspace)

    @answers.scoped(api, "post", "/resources/validate", Valid)
    async def validate(
        document: Manifest = _MANIFEST, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """Check a manifest as an apply would, and store nothing."""
        request = _request(document, workspace, None, principal, "apply", dry_run=True)
        result = await rooms.resources.apply(request)
        return {"valid": True, "warnings": [w.to_json() for w in result.warnings]}

    @answers.scoped(api, "post", "/resources", Detailed)
    async def create(
        document: Manifest = _MANIFEST, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """Create a Resource; one that exists already is a conflict."""
        return await _store(rooms, _request(document, workspace, None, principal, "create"))

    @answers.scoped(api, "post", "/resources/{type}", Detailed)
    async def create_of_type(
        type: str,
        document: Manifest = _MANIFEST,
        workspace: str | None = None,
        principal: Principal = Depends(user),
    ) -> Any:
        """Create a Resource of this type; one that exists already is a conflict."""
        return await _store(rooms, _request(document, workspace, (type, None), principal, "create"))

    @answers.scoped(api, "get", "/resources/{type}", answers.Page[Detailed])
    async def list_of_type(
        type: str,
        workspace: str | None = None,
        after: str | None = None,
        limit: int = Query(default=100, ge=1, le=_PAGE),
        principal: Principal = Depends(user),
    ) -> Any:
        """Resources of a type, with their manifests; `next` goes into `after`."""
        kind = registry.need_kind(type)
        if workspace is not None:
            await rooms.resources.require_workspace(workspace)
        wanted = records.Filter(kind.type, None if kind.instance_level else workspace)
        items, following = await rooms.resources.list(wanted, after, limit, principal)
        return {"items": [await _shown(rooms, item) for item in items], "next": following}

    @answers.scoped(api, "get", "/resources/{type}/{name}", Detailed)
    async def get(type: str, name: str, workspace: str | None = None, principal: Principal = Depends(user)) -> Any:
        """One Resource; secret values are masked."""
        return details.detailed(await rooms.resources.get(key_of(type, name, workspace), principal))

    @answers.scoped(api, "put", "/resources/{type}/{name}", Detailed)
    async def update(
        type: str,
        name: str,
        document: Manifest = _MANIFEST,
        workspace: str | None = None,
        principal: Principal = Depends(user),
    ) -> Any:
        """Update a Resource; one that does not exist is not found."""
        return await _store(rooms, _request(document, workspace, (type, name), principal, "update"))

    @answers.scoped(api, "delete", "/resources/{type}/{name}", answers.Deleted)
    async def delete(
        type: str,
        name: str,
        workspace: str | None = None,
        force: bool = False,
        principal: Principal = Depends(user),
    ) -> Any:
        """Delete a Resource; refused while something depends on it, unless forced."""
        key = key_of(type, name, workspace)
        result = await rooms.resources.delete(key, principal.user_id, force=force, principal=principal)
        return {"result": result}

    @answers.scoped(api, "get", "/resources/{type}/{name}/log", answers.Log)
    async def log(
        type: str,
        name: str,
        workspace: str | None = None,
        node: str | None = None,
        tail: int = Query(default=300, ge=-1, le=1_000_000_000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Logs of the newest run: the last `tail` lines of each node (-1: all)."""
        return await resources.read_log(rooms, key_of(type, name, workspace), principal, node, tail)

    return api


def _request(
    document: Manifest,
    workspace: str | None,
    place: tuple[str, str | None] | None,
    principal: Principal,
    mode: str,
    *,
    dry_run: bool = False,
) -> ApplyRequest:
    """The request of a manifest at a place. Raises `request.invalid` where it says to belong elsewhere."""
    said = document.get("workspace")
    type_ = document.get("type")
    kind = registry.find_kind(registry.canonical_type(type_)) if isinstance(type_, str) else None
    problems: list[Problem] = []
    if workspace is not None and said not in (None, workspace):
        problems.append(_elsewhere("workspace", str(said), workspace))
    if workspace is None and kind is not None and not kind.instance_level:
        hint = "POST .../workspaces/{workspace}/resources"
        problems.append(
            Problem("request.invalid", f"type `{kind.type}` belongs to a workspace", hint=hint, path="path")
        )
    if place is not None:
        wanted = registry.need_kind(place[0]).type
        if kind is not None and kind.type != wanted:
            problems.append(_elsewhere("type", kind.type, wanted))
        if place[1] is not None and document.get("name") not in (None, place[1]):
            problems.append(_elsewhere("name", str(document.get("name")), place[1]))
    if problems:
        raise DataOSError(problems)
    return ApplyRequest(
        document=document, actor=principal.user_id, workspace=workspace, principal=principal, mode=mode, dry_run=dry_run
    )


def _elsewhere(what: str, said: str, place: str) -> Problem:
    text = f"the manifest's {what} is `{said}`, the path's `{place}`"
    return Problem("request.invalid", text, hint="make them equal", path=f"body.{what}")


async def _store(rooms: ResourceRooms, request: ApplyRequest) -> dict[str, Any]:
    result = await rooms.resources.apply(request)
    return await _shown(rooms, result.resource)


async def _shown(rooms: ResourceRooms, summary: dict[str, Any]) -> dict[str, Any]:
    key = addresses.ResourceKey(summary["type"], summary["name"], summary["workspace"])
    return details.detailed(await rooms.resources.get(key))


# --- /collated --------------------------------------------------------------------------------------------------------


class ReportObservation(answers.Answer):
    """One thing that was seen of a Resource."""

    type: str
    when: str
    value: str


class Report(answers.Answer):
    """What was seen of one Resource."""

    id: str
    observations: list[ReportObservation]


class ReportPage(answers.Answer):
    """Pages are counted from 1."""

    items: list[Report]
    page: int
    size: int
    total_pages: int
    total_records: int


def collated(rooms: ResourceRooms, authenticate: Authenticate) -> APIRouter:
    """Reports that Monitors look at: the state and the runtime of Resources."""
    api = APIRouter(prefix="/collated/api/v1/reports/resources", tags=["collated"])

    user = users_only(authenticate, "read reports")

    async def report(principal: Principal, id_: str, number: int, size: int, type_: str, field: str) -> dict[str, Any]:
        found = await _matching(rooms, principal, id_)
        shown = found[(number - 1) * size : number * size]
        items = [
            {"id": r["id"], "observations": [{"type": type_, "when": r["updated"], "value": r[field]}]} for r in shown
        ]
        pages = math.ceil(len(found) / size)
        return {"items": items, "page": number, "size": size, "total_pages": pages, "total_records": len(found)}

    which = Query(description="TYPE:VERSION:NAME[:WORKSPACE]; `%` stands for any text.", max_length=400)
    first = Query(default=1, ge=1, le=1_000_000)
    many = Query(default=20, ge=1, le=_PAGE)

    @api.get("/status", responses=answers.ok(ReportPage))
    async def status(id: str = which, page: int = first, size: int = many, principal: Principal = Depends(user)) -> Any:
        """STATUS of the Resources of an id."""
        return await report(principal, id, page, size, "state", "status")

    @api.get("/runtime", responses=answers.ok(ReportPage))
    async def runtime(
        id: str = which, page: int = first, size: int = many, principal: Principal = Depends(user)
    ) -> Any:
        """RUNTIME of the Resources of an id."""
        return await report(principal, id, page, size, "runtime", "runtime")

    return api


async def _matching(rooms: ResourceRooms, principal: Principal, text: str) -> list[dict[str, Any]]:
    """Living Resources of an id, which may hold `%`, that the caller may read. Raises `request.invalid`,
    `kind.unknown`."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in (3, 4) or not all(parts):
        hint = "TYPE:VERSION:NAME[:WORKSPACE], `%` for any text"
        raise fail("request.invalid", f"`{text}` is no id of a Resource", hint=hint, path="query.id")
    type_ = parts[0] if "%" in parts[0] else registry.need_kind(parts[0]).type
    plain = [None if "%" in p else p for p in (type_, *parts[1:], *[""] * (4 - len(parts)))]
    wanted = records.Filter(type=plain[0], version=plain[1], name=plain[2], workspace=plain[3] or None)
    pattern = ":".join((type_, *parts[1:]))
    pattern = "".join("*" if c == "%" else f"[{c}]" if c in "[*?" else c for c in pattern)
    found = [r async for r in _all(rooms, principal, wanted) if fnmatch.fnmatchcase(r["id"], pattern)]
    return found or await _deleted(rooms, principal, [type_, *parts[1:]])


async def _deleted(rooms: ResourceRooms, principal: Principal, parts: list[str]) -> list[dict[str, Any]]:
    """A Resource that is gone says so as long as its history is kept."""
    if any("%" in part for part in parts):
        return []
    key = key_of(parts[0], parts[2], parts[3] if len(parts) == 4 else None)
    try:
        history = await rooms.history.list(key, principal)
    except DataOSError as error:
        if error.problem.code not in ("resource.not_found", "auth.forbidden"):
            raise
        return []
    if history["state"] != "deleted" or not history["id"].startswith(":".join(parts[:3])):
        return []
    return [{"id": history["id"], "updated": history["deletedAt"], "status": "deleted", "runtime": ""}]


async def _all(rooms: ResourceRooms, principal: Principal, wanted: records.Filter) -> AsyncIterator[dict[str, Any]]:
    after: str | None = None
    while True:
        items, after = await rooms.resources.list(wanted, after, _PAGE, principal)
        for item in items:
            yield item
        if after is None:
            return
