"""Users, tags, API keys and roles under /api/v1 (ch01 9)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import artifacts, rules, standing
from dataos.governance.principals import Principal
from dataos.governance.users import DEFAULT_KEY_S, Users
from dataos.store.database import Store


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserBody(_Body):
    """POST /api/v1/users."""

    id: str | None = Field(default=None, description="User id; made from the name if left out.")
    name: str
    type: str = Field(default="application", description="person or application")
    email: str | None = None
    tags: list[str] = []


class TagsBody(_Body):
    """Tags to give or take."""

    tags: list[str]


class KeyBody(_Body):
    """POST /api/v1/users/{id}/tokens."""

    name: str | None = None
    duration_s: float = Field(default=DEFAULT_KEY_S, gt=0, description="Seconds until it expires.")


class Allowed(answers.Answer):
    """A use case, and whether the caller may do what it stands for."""

    id: str
    name: str
    allowed: bool


def router(store: Store, users: Users, authenticate: Authenticate) -> APIRouter:
    """Routes of identities."""
    api = APIRouter(prefix="/api/v1", tags=["identities"])

    user = users_only(authenticate, "work with identities")

    @api.get("/me", responses=answers.ok(answers.User))
    async def me(principal: Principal = Depends(user)) -> Any:
        """Who the caller is."""
        return await store.read(users.get, principal.user_id)

    @api.get("/me/use-cases", responses=answers.ok(answers.Items[Allowed]))
    async def my_use_cases(principal: Principal = Depends(user)) -> Any:
        """What the caller may do, use case by use case: those that do not depend on which object it is done to. A hint
        for screens: each call decides for itself."""
        items = [{"id": case.id, "name": case.name, "allowed": rules.may(principal, case)} for case in rules.ASKED]
        return {"items": items}

    @api.get("/users", responses=answers.ok(answers.Page[answers.User]))
    async def listing(principal: Principal = Depends(user)) -> Any:
        """All users: who somebody is, is no secret."""
        return {"items": await store.read(users.list), "next": None}

    def check_tagging(principal: Principal, tags: list[str]) -> None:
        rules.require(principal, "tag users", rules.USER_TAGS)
        standing.check_tagging(principal, tags, manages_users=rules.may(principal, rules.USERS))

    @api.post("/users", responses=answers.ok(answers.User))
    async def create(body: UserBody, principal: Principal = Depends(user)) -> Any:
        """Make a person or an application."""
        rules.require(principal, "create users", rules.USERS)
        own = ("roles:id:user", f"users:id:{body.id}")
        standing.check_tagging(principal, [t for t in body.tags if t not in own], manages_users=True)
        return await store.write(
            users.create,
            principal.user_id,
            id=body.id,
            name=body.name,
            type=body.type,
            email=body.email,
            tags=body.tags,
        )

    @api.get("/users/{id}", responses=answers.ok(answers.User))
    async def get(id: str, principal: Principal = Depends(user)) -> Any:
        """One user."""
        return await store.read(users.get, id)

    @api.delete("/users/{id}", responses=answers.ok(answers.Deleted))
    async def delete(id: str, principal: Principal = Depends(user)) -> Any:
        """Remove a user who owns nothing, with its keys."""
        rules.require(principal, "delete users", rules.USERS)
        await store.write(users.delete, principal.user_id, id)
        return {"result": "deleted"}

    @api.put("/users/{id}/tags", responses=answers.ok(answers.Tags))
    async def add_tags(id: str, body: TagsBody, principal: Principal = Depends(user)) -> Any:
        """Give tags; roles are tags `roles:id:<role>`."""
        check_tagging(principal, body.tags)
        return {"id": id, "tags": await store.write(users.add_tags, principal.user_id, id, body.tags)}

    @api.post("/users/{id}/tags/remove", responses=answers.ok(answers.Tags))
    async def remove_tags(id: str, body: TagsBody, principal: Principal = Depends(user)) -> Any:
        """Take tags away."""
        check_tagging(principal, body.tags)
        return {"id": id, "tags": await store.write(users.remove_tags, principal.user_id, id, body.tags)}

    @api.get("/users/{id}/changes", responses=answers.ok(answers.Items[answers.IdentityChange]))
    async def user_changes(id: str, principal: Principal = Depends(user)) -> Any:
        """What happened to a user."""
        rules.require_own(principal, id, f"read the changes of user {id}", rules.USERS)
        return {"items": await store.read(users.changes, f"user:{id}")}

    @api.get("/users/{id}/tokens", responses=answers.ok(answers.Items[answers.Key]))
    async def keys(id: str, principal: Principal = Depends(user)) -> Any:
        """API keys of a user, without the keys themselves."""
        rules.require_own(principal, id, f"see the API keys of user {id}", rules.TOKENS)
        return {"items": await store.read(users.keys, id)}

    @api.post("/users/{id}/tokens", responses=answers.ok(answers.NewKey))
    async def create_key(id: str, body: KeyBody, principal: Principal = Depends(user)) -> Any:
        """A new API key; this answer is the only place where it is ever shown."""
        rules.require_own(principal, id, f"make API keys of user {id}", rules.TOKENS)
        standing.check_reach(principal, await store.read(users.get, id), f"make API keys of user {id}")
        return await store.write(users.create_key, principal.user_id, id, body.name, body.duration_s)

    @api.delete("/tokens/{name}", responses=answers.ok(answers.Deleted))
    async def delete_key(name: str, principal: Principal = Depends(user)) -> Any:
        """End an API key."""
        owner = await store.read(users.key_owner, name)
        rules.require_own(principal, owner, f"delete API key {name}", rules.TOKENS)
        await store.write(users.delete_key, principal.user_id, name)
        return {"result": "deleted"}

    @api.get("/roles", responses=answers.ok(answers.Page[answers.Role]))
    async def roles(principal: Principal = Depends(user)) -> Any:
        """All roles."""
        found = await store.read(artifacts.listing, "role")
        items = [{key: role[key] for key in ("id", "name", "description", "tag")} for role in found]
        return {"items": items, "next": None}

    @api.get("/roles/{id}/changes", responses=answers.ok(answers.Items[answers.IdentityChange]))
    async def role_changes(id: str, principal: Principal = Depends(user)) -> Any:
        """Who was given a role, or lost it."""
        rules.require(principal, "read the changes of roles", rules.USERS)
        known = await store.read(artifacts.roles)
        if id not in known:
            raise fail("role.not_found", f"no role `{id}`", hint="roles: " + ", ".join(known))
        return {"items": await store.read(users.changes, f"role:{id}")}

    return api
