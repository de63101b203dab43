"""What a Workflow's runs offer under /api/v1: verbs, history, logs of any run."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.idempotency import MAX_KEY
from dataos.doors import answers, resources
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance.principals import Principal
from dataos.kinds.workflow.memory import Memory
from dataos.kinds.workflow.verbs import Asked, Verb, Verbs


class VerbBody(BaseModel):
    """POST .../runtime/{verb}."""

    model_config = ConfigDict(extra="forbid")
    fromFailed: bool = Field(
        default=False, description="re-run, run: take over what succeeded in the newest run, run the rest."
    )


class StateBody(BaseModel):
    """PUT .../state."""

    model_config = ConfigDict(extra="forbid")
    job: str = Field(min_length=1, max_length=200)
    input: str = Field(min_length=1, max_length=200)
    state: dict[str, str] = Field(description="Values to set; others of that input stay.", min_length=1)


def router(verbs: Verbs, memory: Memory, authenticate: Authenticate) -> APIRouter:
    """Routes of runs."""
    api = APIRouter(prefix="/api/v1", tags=["workflows"])

    user = users_only(authenticate, "work with Workflows")

    @answers.scoped(api, "post", "/resources/{type}/{name}/runtime/{verb}", answers.Asked)
    async def ask(
        type: str,
        name: str,
        verb: Verb,
        workspace: str | None = None,
        body: VerbBody | None = None,
        principal: Principal = Depends(user),
        idempotency_key: str | None = Header(default=None, max_length=MAX_KEY),
    ) -> Any:
        """Pause, resume, stop, re-run or run a Workflow: {verb, result: done | unchanged, resource, runs}."""
        asked = Asked(verb, principal, body.fromFailed if body else False, idempotency_key)
        return await verbs.ask(resources.key_of(type, name, workspace), asked)

    @answers.scoped(api, "get", "/resources/{type}/{name}/runs", answers.Page[answers.Run])
    async def history(
        type: str,
        name: str,
        workspace: str | None = None,
        before: str | None = None,
        limit: int = Query(default=50, ge=1, le=1000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Runs, newest first; `next` goes into `before` for the next page."""
        return await verbs.history(resources.key_of(type, name, workspace), principal, limit, before)

    @answers.scoped(api, "get", "/resources/{type}/{name}/runs/{run}", answers.Observation)
    async def one(
        type: str, name: str, run: str, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """One run with its nodes; what its jobs reported is for who may read its logs."""
        return await verbs.one(resources.key_of(type, name, workspace), run, principal)

    @answers.scoped(api, "get", "/resources/{type}/{name}/runs/{run}/log", answers.Log)
    async def log(
        type: str,
        name: str,
        run: str,
        workspace: str | None = None,
        node: str | None = None,
        tail: int = Query(default=300, ge=-1, le=1_000_000_000),
        after: str | None = Query(default=None, description="JSON: {attempt id: byte offset}"),
        principal: Principal = Depends(user),
    ) -> Any:
        """Logs of one run: the last `tail` lines (-1: all), or what came after the given offsets."""
        key = resources.key_of(type, name, workspace)
        return await verbs.log(key, run, principal, node, tail, resources.offsets_of(after))

    @answers.scoped(api, "get", "/resources/{type}/{name}/state", answers.Items[answers.JobState])
    async def state(type: str, name: str, workspace: str | None = None, principal: Principal = Depends(user)) -> Any:
        """What jobs remember between runs: how far their incremental inputs have come."""
        return {"items": await memory.show(resources.key_of(type, name, workspace), principal)}

    @answers.scoped(api, "delete", "/resources/{type}/{name}/state", answers.Counted)
    async def reset(
        type: str,
        name: str,
        workspace: str | None = None,
        job: str | None = None,
        input: str | None = None,
        principal: Principal = Depends(user),
    ) -> Any:
        """Let all jobs, one job or one of its inputs begin anew with the next run."""
        return {"count": await memory.reset(resources.key_of(type, name, workspace), principal, job, input)}

    @answers.scoped(api, "put", "/resources/{type}/{name}/state", answers.JobState)
    async def change(
        type: str, name: str, body: StateBody, workspace: str | None = None, principal: Principal = Depends(user)
    ) -> Any:
        """Set how far an input has come: the next run begins there."""
        key = resources.key_of(type, name, workspace)
        merged = await memory.change(key, principal, body.job, body.input, body.state)
        return {"job": body.job, "input": body.input, "state": merged}

    return api
