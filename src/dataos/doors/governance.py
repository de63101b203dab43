"""Tag-namespaces, roles, providers, use-cases and grants under /api/v1 and /heimdall (ch08 2, 4, 5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Body, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dataos.core.clock import Clock, to_us
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import artifacts, grants, identities, rules
from dataos.governance.globs import compile_glob
from dataos.governance.grants import Asked, GrantValue
from dataos.governance.principals import Principal
from dataos.store.database import Store

Kind = Literal["tag-namespaces", "roles", "providers", "use-cases"]
_KINDS = {"tag-namespaces": "tag-namespace", "roles": "role", "providers": "provider", "use-cases": "use-case"}


class Artifact(BaseModel):
    """A tag-namespace, role, provider or use-case; which keys it has follows from what it is."""

    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    shipped: bool = Field(description="Came with the installation: cannot be removed.")


class Variables(BaseModel):
    """One set of values of an atom's variables."""

    model_config = ConfigDict(extra="forbid")
    atom: str | None = Field(default=None, description="Null: every atom that has variables of these names.")
    variables: dict[str, str]


class GrantBody(BaseModel):
    """POST /api/v1/grants: a request, or a grant where the caller may approve it."""

    model_config = ConfigDict(extra="forbid")
    policy_use_case_id: str
    subjects: list[str] = Field(default=[], description="Tags of those who get it; nobody named: the caller.")
    values: dict[str, list[dict[str, str]]] = Field(default={}, description="Sets of variables, by atom.")
    notes: str = Field(default="", max_length=4000)
    approve: bool = False
    expires: AwareDatetime | None = Field(default=None, description="The grant ends then by itself.")


class ApprovalBody(BaseModel):
    """POST /api/v1/grants/{id}/approve."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=4000, description="Why, for who asked.")
    expires: AwareDatetime | None = Field(
        default=None, description="The grant ends then by itself, or when it was asked for if that is before."
    )


class RejectionBody(BaseModel):
    """POST /api/v1/grants/{id}/reject."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=4000, description="Why, for who asked.")


class Grant(answers.Answer):
    """A grant, or a request for one."""

    id: str
    state: str = Field(description="requested, approved or rejected")
    policy_use_case_id: str
    collection: str
    requester: str
    notes: str
    source: str
    grant_id: str | None
    creator: str
    decision: str | None = Field(description="Who decided.")
    decided: str | None
    reason: str = Field(description="Why it was decided so, as who decided says.")
    expires: str | None
    created: str
    subjects: list[str]
    values: list[Variables]


def router(store: Store, clock: Clock, ids: Ids, authenticate: Authenticate) -> APIRouter:
    """All routes of both forms."""
    api = APIRouter(tags=["governance"])
    user = users_only(authenticate, "work with policies")
    _artifacts(api, store, clock, user)
    _grants(api, store, clock, ids, user)
    return api


def _artifacts(api: APIRouter, store: Store, clock: Clock, user: Authenticate) -> None:
    @api.get("/api/v1/governance/{kind}", responses=answers.ok(answers.Page[Artifact]))
    async def listing(kind: Kind, principal: Principal = Depends(user)) -> Any:
        """All artifacts of a kind."""
        rules.require(principal, f"read {kind}", rules.READ_GOVERNANCE)
        return {"items": await store.read(artifacts.listing, _KINDS[kind]), "next": None}

    @api.post("/api/v1/governance/{kind}", responses=answers.ok(Artifact))
    async def create(kind: Kind, body: dict[str, Any] = Body(), principal: Principal = Depends(user)) -> Any:
        """Make an artifact. It is changed by deleting it and making it anew."""
        rules.require(principal, f"create {kind}", rules.GOVERNANCE)
        now = clock.now_us()
        return await store.write(artifacts.create, _KINDS[kind], body, principal.user_id, now)

    @api.get("/api/v1/governance/{kind}/{id}", responses=answers.ok(Artifact))
    async def get(kind: Kind, id: str, principal: Principal = Depends(user)) -> Any:
        """One artifact."""
        rules.require(principal, f"read {kind}", rules.READ_GOVERNANCE)
        return await store.read(artifacts.get, _KINDS[kind], id)

    @api.delete("/api/v1/governance/{kind}/{id}", responses=answers.ok(answers.Deleted))
    async def delete(kind: Kind, id: str, force: bool = False, principal: Principal = Depends(user)) -> Any:
        """Remove an artifact; one in use only with `force`: grants of a use-case then end with it."""
        rules.require(principal, f"delete {kind}", rules.GOVERNANCE)
        await store.write(_delete, _KINDS[kind], id, force, principal.user_id)
        return {"result": "deleted"}


def _delete(connection: sa.Connection, kind: str, id_: str, force: bool, actor: str) -> None:
    using = _USES[kind](connection, id_)
    if using and not force:
        shown = ", ".join(using[:5]) + (", ..." if len(using) > 5 else "")
        raise fail("governance.in_use", f"{kind} `{id_}` is in use: {shown}", hint="end that first, or use force")
    artifacts.delete(connection, kind, id_, actor)
    if kind == "use-case":
        for grant in using:
            grants.delete(connection, grant, actor)


def _granted_atoms(connection: sa.Connection, provider: str) -> list[str]:
    found = artifacts.find(connection, "provider", provider)
    mine = {a["id"] for a in found["authorization_atoms"]} if found is not None else set[str]()
    cases = artifacts.listing(connection, "use-case")
    return [c["id"] for c in cases if mine & set(c["authorization_atoms"])]


_USES: dict[str, Callable[[sa.Connection, str], list[str]]] = {
    "use-case": grants.of_use_case,
    "provider": _granted_atoms,
    "tag-namespace": lambda connection, id_: identities.tags_in_namespace(connection, id_),
    "role": lambda connection, id_: identities.holders(connection, f"roles:id:{id_}"),
}


def _grants(api: APIRouter, store: Store, clock: Clock, ids: Ids, user: Authenticate) -> None:
    @api.get("/api/v1/grants", responses=answers.ok(answers.Page[Grant]))
    async def list_grants(
        state: Literal["requested", "approved", "rejected"] | None = None,
        subject: str | None = None,
        whom: str | None = Query(default=None, alias="user", description="Those for this user, by any of its tags."),
        principal: Principal = Depends(user),
    ) -> Any:
        """Grants and requests, the newest first; without the right to read policies only the caller's own."""
        found = await store.read(grants.listing, state, subject)
        if whom is not None:
            tags = await store.read(identities.tags_of, whom)
            found = [g for g in found if any(compile_glob(s).matches(t) for s in g["subjects"] for t in tags)]
        if not rules.may(principal, rules.READ_GOVERNANCE):
            found = [g for g in found if _concerns(principal, g)]
        return {"items": found, "next": None}

    @api.post("/api/v1/grants", responses=answers.ok(Grant))
    async def file_grant(body: GrantBody, principal: Principal = Depends(user)) -> Any:
        """Ask for a use-case, for oneself or others; with `approve` it is granted at once."""
        case = rules.GOVERNANCE if body.approve else rules.REQUEST_GRANTS
        rules.require(principal, f"{'approve' if body.approve else 'request'} grants", case)
        values = tuple(GrantValue(atom, tuple(one.items())) for atom, sets in body.values.items() for one in sets)
        expires = to_us(body.expires) if body.expires is not None else None
        subjects = tuple(body.subjects) or (f"users:id:{principal.user_id}",)
        asked = Asked(body.policy_use_case_id, subjects, values, str(principal.user_id), body.notes, expires_at=expires)
        id_ = str(ids.uid())

        def write(connection: sa.Connection) -> dict[str, Any]:
            now = clock.now_us()
            grants.file(connection, id_, asked, principal.user_id, now)
            if body.approve:
                grants.approve(connection, id_, principal.user_id, now)
            return grants.to_json(grants.get(connection, id_))

        return await store.write(write)

    @api.get("/api/v1/grants/{id}", responses=answers.ok(Grant))
    async def get_grant(id: str, principal: Principal = Depends(user)) -> Any:
        """One grant or request."""
        found = grants.to_json(await store.read(grants.get, id))
        if not _concerns(principal, found):
            rules.require(principal, f"read grant `{id}`", rules.READ_GOVERNANCE)
        return found

    @api.post("/api/v1/grants/{id}/approve", responses=answers.ok(Grant))
    async def approve_grant(id: str, body: ApprovalBody | None = None, principal: Principal = Depends(user)) -> Any:
        """Put a request in force."""
        said = body or ApprovalBody()
        expires = to_us(said.expires) if said.expires is not None else None
        return await decide(id, principal, partial(grants.approve, reason=said.reason, expires_at=expires), "approve")

    @api.post("/api/v1/grants/{id}/reject", responses=answers.ok(Grant))
    async def reject_grant(id: str, body: RejectionBody | None = None, principal: Principal = Depends(user)) -> Any:
        """Refuse a request."""
        said = body or RejectionBody()
        return await decide(id, principal, partial(grants.reject, reason=said.reason), "reject")

    async def decide(id_: str, principal: Principal, how: Callable[..., None], verb: str) -> dict[str, Any]:
        rules.require(principal, f"{verb} grants", rules.GOVERNANCE)

        def write(connection: sa.Connection) -> dict[str, Any]:
            how(connection, id_, principal.user_id, clock.now_us())
            return grants.to_json(grants.get(connection, id_))

        return await store.write(write)

    @api.delete("/api/v1/grants/{id}", responses=answers.ok(answers.Deleted))
    async def delete_grant(id: str, principal: Principal = Depends(user)) -> Any:
        """End a grant, or take a request back; who asked may do so too."""
        found = await store.read(grants.get, id)
        if found.requester != principal.user_id:
            rules.require(principal, "delete grants", rules.GOVERNANCE)
        await store.write(grants.delete, id, principal.user_id)
        return {"result": "deleted"}


def _concerns(principal: Principal, grant: dict[str, Any]) -> bool:
    own = {grant["requester"], grant["creator"]}
    return principal.user_id in own or bool(set(grant["subjects"]) & principal.subject_tags)
