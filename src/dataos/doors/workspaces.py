"""Workspaces, events and upkeep under /api/v1."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.events import EventFilter, Events
from dataos.control.upkeep import Upkeep
from dataos.control.workspaces import Workspaces
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance.principals import Principal
from dataos.manifest import registry


class WorkspaceBody(BaseModel):
    """POST /api/v1/workspaces."""

    model_config = ConfigDict(extra="forbid")
    name: str
    layer: str = Field(default="user", description="user or system")
    description: str = ""
    labels: dict[str, str] = {}
    tags: list[str] = []


class GarbageBody(BaseModel):
    """POST /api/v1/maintenance/collect-garbage."""

    model_config = ConfigDict(extra="forbid")
    older_s: float = Field(default=168 * 3600.0, ge=0, description="Ended longer ago than that (seconds).")
    layer: str = Field(default="user", description="user or system")


def router(workspaces: Workspaces, events: Events, upkeep: Upkeep, authenticate: Authenticate) -> APIRouter:
    """Routes of workspaces, events and upkeep."""
    api = APIRouter(prefix="/api/v1", tags=["workspaces"])

    user = users_only(authenticate, "read workspaces")

    @api.get("/workspaces", responses=answers.ok(answers.Page[answers.Workspace]))
    async def listing(layer: str | None = None, _: Principal = Depends(user)) -> Any:
        """All workspaces."""
        return {"items": await workspaces.list(layer), "next": None}

    @api.post("/workspaces", responses=answers.ok(answers.Workspace))
    async def create(body: WorkspaceBody, principal: Principal = Depends(user)) -> Any:
        """Make a workspace."""
        return await workspaces.create(
            principal,
            body.name,
            layer=body.layer,
            description=body.description,
            labels=body.labels,
            tags=body.tags,
        )

    @api.get("/workspaces/{workspace}", responses=answers.ok(answers.Workspace))
    async def get(workspace: str, _: Principal = Depends(user)) -> Any:
        """One workspace."""
        return await workspaces.get(workspace)

    @api.delete("/workspaces/{workspace}", responses=answers.ok(answers.Deleted))
    async def delete(workspace: str, principal: Principal = Depends(user)) -> Any:
        """Remove an empty workspace. {result: deleted | nothing}."""
        return {"result": "deleted" if await workspaces.delete(principal, workspace) else "nothing"}

    @api.get("/events", responses=answers.ok(answers.Page[answers.Event]))
    async def happened(
        after: int | None = Query(default=None, ge=0, le=2**62, description="Sequence number; none: the newest."),
        limit: int = Query(default=100, ge=1, le=10_000),
        wait: float = Query(default=0.0, ge=0, le=30, description="Seconds to wait for the first one."),
        type: str | None = None,
        workspace: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        principal: Principal = Depends(user),
    ) -> Any:
        """What happened to what the caller may read, oldest first: {items, next}; `next` goes into `after`."""
        wanted = EventFilter(registry.canonical_type(type) if type else None, workspace, name, kind)
        if after is None:
            return await events.newest(wanted, limit, principal)
        return await events.page(wanted, after, limit, wait, principal)

    @api.post("/maintenance/collect-garbage", responses=answers.ok(answers.Removed))
    async def collect(body: GarbageBody, principal: Principal = Depends(user)) -> Any:
        """Delete one-shot Workflows that ended long ago."""
        return {"removed": await upkeep.collect_garbage(principal, body.older_s, body.layer)}

    return api
