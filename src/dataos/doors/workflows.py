"""What a Workflow's runs offer under /api/v1: verbs, history, logs of any run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from dataos.doors import resources
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.kinds.workflow.verbs import MAX_KEY, Asked, Verb, Verbs


class VerbBody(BaseModel):
    """POST .../runtime/{verb}."""

    model_config = ConfigDict(extra="forbid")
    fromFailed: bool = Field(
        default=False, description="re-run, run: take over what succeeded in the newest run, run the rest."
    )


def router(verbs: Verbs, authenticate: Callable[[Request], Awaitable[Principal]]) -> APIRouter:
    """Routes of runs."""
    api = APIRouter(prefix="/api/v1", tags=["workflows"])

    async def user(request: Request) -> Principal:
        principal = await authenticate(request)
        rules.require_user(principal, "work with Workflows")
        return principal

    @api.post("/resources/{type}/{name}/runtime/{verb}")
    @api.post("/workspaces/{workspace}/resources/{type}/{name}/runtime/{verb}")
    async def ask(
        type: str,
        name: str,
        verb: Verb,
        workspace: str | None = None,
        body: VerbBody | None = None,
        principal: Principal = Depends(user),
        idempotency_key: str | None = Header(default=None, max_length=MAX_KEY),
    ) -> dict[str, Any]:
        """Pause, resume, stop, re-run or run a Workflow: {verb, result: done | unchanged, resource, runs}."""
        asked = Asked(verb, principal, body.fromFailed if body else False, idempotency_key)
        return await verbs.ask(resources.key_of(type, name, workspace), asked)

    @api.get("/resources/{type}/{name}/runs")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}/runs")
    async def history(
        type: str,
        name: str,
        workspace: str | None = None,
        before: str | None = None,
        limit: int = Query(default=50, ge=1, le=1000),
        _: Principal = Depends(user),
    ) -> dict[str, Any]:
        """Runs, newest first; `next` goes into `before` for the next page."""
        return await verbs.history(resources.key_of(type, name, workspace), limit, before)

    @api.get("/resources/{type}/{name}/runs/{run}")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}/runs/{run}")
    async def one(
        type: str, name: str, run: str, workspace: str | None = None, _: Principal = Depends(user)
    ) -> dict[str, Any]:
        """One run with its nodes."""
        return await verbs.one(resources.key_of(type, name, workspace), run)

    @api.get("/resources/{type}/{name}/runs/{run}/log")
    @api.get("/workspaces/{workspace}/resources/{type}/{name}/runs/{run}/log")
    async def log(
        type: str,
        name: str,
        run: str,
        workspace: str | None = None,
        node: str | None = None,
        tail: int = Query(default=300, ge=-1, le=1_000_000_000),
        after: str | None = Query(default=None, description="JSON: {attempt id: byte offset}"),
        principal: Principal = Depends(user),
    ) -> dict[str, Any]:
        """Logs of one run: the last `tail` lines (-1: all), or what came after the given offsets."""
        key = resources.key_of(type, name, workspace)
        return await verbs.log(key, run, principal, node, tail, resources.offsets_of(after))

    return api
