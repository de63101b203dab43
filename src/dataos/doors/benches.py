"""Benches of the Workbench under /api/v1/benches: statements that are kept and shared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.gateway.benches import Bench, Benches, Sharing
from dataos.governance.principals import Principal

_NO_NUL = r"^[^\x00]*$"  # which no text of PostgreSQL may have
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_NUL)]
_Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=_NO_NUL)]


class BenchBody(BaseModel):
    """POST /api/v1/benches."""

    model_config = ConfigDict(extra="forbid")
    name: _Name
    sql: str = Field(description="Statements.", max_length=1 << 20, pattern=_NO_NUL)
    cluster: _Name | None = Field(default=None, description="The Cluster to ask; null: the default one.")
    sharing: Sharing = Field(default=Sharing.PRIVATE, description="Who reads it besides its owner.")
    tags: list[_Tag] = Field(default=[], max_length=100, description="Tags of users, with `sharing: tags`.")

    def bench(self) -> Bench:
        """As the gateway takes it. Raises DataOSError `request.invalid`."""
        if self.sharing == Sharing.TAGS and not self.tags:
            raise fail(
                "request.invalid",
                "a bench that is shared by tags needs some",
                hint="name tags of users, as roles:id:analyst",
                path="body.tags",
            )
        return Bench(self.name, self.sql, self.cluster, self.sharing, self.tags)


class ChangedBody(BenchBody):
    """PUT /api/v1/benches/{id}."""

    version: int = Field(ge=1, description="The version that was read.")


class _BenchFacts(answers.Answer):
    id: str
    owner: str
    name: str
    cluster: str | None
    sharing: Sharing
    tags: list[str]
    version: int
    created: str
    updated: str


class BenchSummary(_BenchFacts):
    """A bench without its text."""

    excerpt: str = Field(description="How its text begins.")


class BenchAnswer(_BenchFacts):
    """A bench."""

    sql: str


def router(benches: Benches, authenticate: Authenticate) -> APIRouter:
    """The routes. A bench holds text only: what it returns is decided for who runs it."""
    api = APIRouter(prefix="/api/v1/benches", tags=["benches"])
    user = users_only(authenticate, "keep statements")

    @api.get("", responses=answers.ok(answers.Items[BenchSummary]))
    async def listing(principal: Principal = Depends(user)) -> Any:
        """The caller's benches, and those that are shared with him, the newest change first."""
        return {"items": await benches.listing(principal)}

    @api.post("", responses=answers.ok(BenchAnswer))
    async def create(body: BenchBody, principal: Principal = Depends(user)) -> Any:
        """Keep statements under a name."""
        return await benches.create(principal, body.bench())

    @api.get("/{id}", responses=answers.ok(BenchAnswer))
    async def get(id: str, principal: Principal = Depends(user)) -> Any:
        """One bench."""
        return await benches.get(principal, id)

    @api.put("/{id}", responses=answers.ok(BenchAnswer))
    async def update(id: str, body: ChangedBody, principal: Principal = Depends(user)) -> Any:
        """Replace one's own. 409 where it was changed since `version` was read."""
        return await benches.update(principal, id, body.bench(), body.version)

    @api.delete("/{id}", responses=answers.ok(answers.Deleted))
    async def delete(id: str, principal: Principal = Depends(user)) -> Any:
        """Forget one's own; operators forget any that is shared with them."""
        await benches.delete(principal, id)
        return {"result": "deleted"}

    return api
