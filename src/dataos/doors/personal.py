"""What belongs to the caller: favourites, what was opened lately, notices. /api/v1/me/..."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.products import Cards
from dataos.governance.principals import Principal
from dataos.kinds.product.listing import Wanted
from dataos.kinds.product.pages import Pages
from dataos.kinds.product.verbs import Verbs


class ReadBody(BaseModel):
    """POST /api/v1/me/inbox/read."""

    model_config = ConfigDict(extra="forbid")
    id: str | None = Field(default=None, max_length=100, description="One notice; all if left out.")


class Notice(answers.Answer):
    """A notice for the caller."""

    id: str
    at: str | None
    kind: str = Field(description="product.deprecated, product.access")
    subject: str
    text: str
    data: dict[str, Any]
    readAt: str | None


class Marked(answers.Answer):
    """What was marked."""

    favorite: bool


class Read(answers.Answer):
    """How many notices were new."""

    read: int


def _check_kind(kind: str) -> None:
    if kind != "products":
        raise fail("resource.not_found", f"`{kind[:40]}` cannot be favourites", hint="kinds: products")


def router(pages: Pages, verbs: Verbs, authenticate: Authenticate) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/api/v1/me", tags=["me"])
    user = users_only(authenticate, "keep favourites and notices")

    @api.put("/favorites/{kind}/{id}", responses=answers.ok(Marked))
    async def star(kind: str, id: str, principal: Principal = Depends(user)) -> Any:
        """Star a product, by its name."""
        _check_kind(kind)
        await verbs.mark(principal, id, favorite=True)
        return {"favorite": True}

    @api.delete("/favorites/{kind}/{id}", responses=answers.ok(Marked))
    async def unstar(kind: str, id: str, principal: Principal = Depends(user)) -> Any:
        """Take the star away."""
        _check_kind(kind)
        await verbs.mark(principal, id, favorite=False)
        return {"favorite": False}

    @api.get("/recent", responses=answers.ok(Cards))
    async def recent(limit: int = Query(default=20, ge=1, le=200), principal: Principal = Depends(user)) -> Any:
        """Products that the caller opened, the newest first."""
        return await pages.listing(principal, Wanted(recent=True), None, limit)

    @api.get("/inbox", responses=answers.ok(answers.Items[Notice]))
    async def inbox(
        unread: bool = False, limit: int = Query(default=100, ge=1, le=1000), principal: Principal = Depends(user)
    ) -> Any:
        """Notices, the newest first."""
        return {"items": await verbs.notices(principal, unread, limit)}

    @api.post("/inbox/read", responses=answers.ok(Read))
    async def read(body: ReadBody, principal: Principal = Depends(user)) -> Any:
        """Mark notices as read."""
        return {"read": await verbs.read_notices(principal, body.id)}

    return api
