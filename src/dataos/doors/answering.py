"""Answers about policy, the audit, and the query history under /api/v1 (ch08 11.5, 15)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from dataos.core.clock import to_us
from dataos.core.errors import DataOSError, fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.gateway.journal import History
from dataos.gateway.policy_answers import PolicyAnswers
from dataos.governance import rules
from dataos.governance.audit import Audit
from dataos.governance.policies import Rule
from dataos.governance.principals import Principal
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.specs import Reading

JSON_LINES = "application/x-ndjson"


class ExplainBody(BaseModel):
    """POST /api/v1/policy/explain."""

    model_config = ConfigDict(extra="forbid")
    user: str | None = Field(default=None, description="About whom; the caller if left out.")
    predicate: str = Field(default="read", description="read, select, write, update, get, ...")
    object: str = Field(
        description="dataos://depot:collection/dataset[#column], an API path, or a tag.", max_length=4000
    )


class SimulateBody(BaseModel):
    """POST /api/v1/policy/simulate."""

    model_config = ConfigDict(extra="forbid")
    documents: list[dict[str, Any]] = Field(default=[], max_length=1000, description="Policies that would be applied.")
    delete: list[str] = Field(default=[], max_length=1000, description="Names of policies that would be deleted.")


class Matched(answers.Answer):
    """A rule that matches."""

    policy: str
    allow: bool
    layer: str
    origin: str = Field(description="policy, grant or shipped")
    subjects: list[list[str]]
    predicates: list[str]
    paths: list[str]
    tags: list[list[str]]


class Candidate(answers.Answer):
    """A mask that selects a column, whether it won or not."""

    policy: str
    priority: int
    layer: str


class SeenColumn(answers.Answer):
    """What a user sees of a column."""

    column: str
    tags: list[str]
    shown: str = Field(description="raw, masked or denied")
    mask: str | None
    policy: str | None
    candidates: list[Candidate]


class SeenRows(answers.Answer):
    """Which rows a user sees."""

    filter: str
    policy: str


class Explained(answers.Answer):
    """Why, or why not."""

    user: str
    predicate: str
    object: str
    allowed: bool
    decidedBy: list[str]
    matched: list[Matched]
    columns: list[SeenColumn]
    filters: list[SeenRows]


class InForce(answers.Answer):
    """A policy that decides now."""

    policy: str
    effect: str = Field(description="allow, deny, mask or filter")
    layer: str
    origin: str = Field(description="policy or shipped")
    description: str
    subjects: list[list[str]] = Field(description="Whom it concerns: who has all tags of one of these groups.")
    predicates: list[str] = Field(description="Of access policies.")
    paths: list[str] = Field(description="Addresses and API paths of its objects.")
    tags: list[list[str]] = Field(description="Of access policies: groups of tags of its objects.")
    priority: int | None = Field(description="Of data policies: the lower number wins.")
    columnTags: list[str] = Field(description="Of masks: tags of the columns.")
    columnNames: list[str] = Field(description="Of masks: names of the columns.")
    mask: str | None = Field(description="What is shown instead of `value`, as SQL.")
    filters: list[str] = Field(description="Rows that are shown, as SQL; all must hold.")


class ReachedDataset(answers.Answer):
    """A dataset of which a policy speaks."""

    dataset: str
    columns: list[str] = Field(description="Those that it masks, or filters by; of access policies none.")


class Reach(answers.Answer):
    """Whom and what a policy concerns now."""

    policy: str
    users: list[str]
    datasets: list[ReachedDataset] = Field(description="Of those that are known here; at most 500.")


class Effect(answers.Answer):
    """One difference that a change of policies makes to somebody who asked for it before."""

    user: str
    dataset: str
    statements: int = Field(description="How often it was asked.")
    what: str = Field(description="dataset, rows, or a column")
    before: str
    after: str


class Simulated(answers.Answer):
    """What a change of policies would do."""

    gains: list[Effect]
    loses: list[Effect]
    statements: int


class Uncovered(answers.Answer):
    """A tagged column that somebody sees in clear."""

    dataset: str
    column: str
    tags: list[str]
    inClear: list[str]


class Coverage(answers.Answer):
    """How tagged columns are protected."""

    uncovered: list[Uncovered]
    covered: int


class Viewer(answers.Answer):
    """What a user sees of one column."""

    user: str
    shown: str = Field(description="raw, masked, denied or no access")
    mask: str | None
    policy: str | None


class AuditRow(answers.Answer):
    """One decision."""

    seq: int
    at: str
    actor: str
    run_as: str
    action: str
    object: str
    allowed: bool
    policies: list[str]
    correlation: str
    data: dict[str, Any]
    digest: str


class Verified(answers.Answer):
    """Whether the audit is as it was written."""

    ok: bool
    rows: int
    broken: int | None
    reason: str
    removed: int = Field(description="Rows before these that went because they were old (setting keep.audit_days).")


class Asked(answers.Answer):
    """A statement."""

    id: str
    user: str
    cluster: str
    source: str
    dialect: str
    sql: str
    state: str = Field(description="queued, running, finished, failed or cancelled")
    reason: str = Field(description="Why it had to wait, if it had to.")
    error: str
    server: str = Field(description="Which ran it.")
    created: str
    createdUs: int
    finished: str | None
    timings: dict[str, float] = Field(description="Seconds since it came, by step.")
    rows: int | None
    bytes: int | None
    tables: list[dict[str, Any]]
    plan: str | None = Field(description="What EXPLAIN told of it when it ran; null where nothing was planned.")


def router(
    about: PolicyAnswers,
    audit: Audit,
    history: History,
    rule_of: Callable[[Manifest], Rule | None],
    authenticate: Authenticate,
) -> APIRouter:
    """The routes. `rule_of` makes the rule of a Policy manifest."""
    api = APIRouter(prefix="/api/v1", tags=["governance"])
    user = users_only(authenticate, "ask about policies")
    _policy(api, about, rule_of, user)
    _audit(api, audit, user)
    _queries(api, history, user)
    return api


def _policy(
    api: APIRouter, about: PolicyAnswers, rule_of: Callable[[Manifest], Rule | None], user: Authenticate
) -> None:
    @api.post("/policy/explain", responses=answers.ok(Explained))
    async def explain(body: ExplainBody, principal: Principal = Depends(user)) -> Any:
        """Which policies match, which one decides, and what is seen of each column."""
        whom = body.user or str(principal.user_id)
        if whom != principal.user_id:
            rules.require(principal, f"ask about the rights of user {whom}", rules.READ_GOVERNANCE)
        return await about.explain(whom, body.predicate, body.object)

    @api.post("/policy/simulate", responses=answers.ok(Simulated))
    async def simulate(body: SimulateBody, principal: Principal = Depends(user)) -> Any:
        """Who would gain and lose what, by the statements of the query history. Nothing is stored."""
        rules.require(principal, "simulate policies", rules.GOVERNANCE)
        changes: dict[str, Rule | None] = {f"policy:{name}": None for name in body.delete}
        for document in body.documents:
            reading = Reading()
            manifest = read_manifest(document, reading)
            if manifest is None:
                raise DataOSError(reading.problems)
            if manifest.kind.type != "policy":
                raise fail("request.invalid", f"{manifest.id} is no policy", hint="only policies are simulated")
            changes[f"policy:{manifest.meta.name}"] = rule_of(manifest)
        return await about.simulate(changes)

    @api.get("/policy/rules", responses=answers.ok(answers.Items[InForce]))
    async def in_force(
        whom: str | None = Query(default=None, alias="user", description="Only those that concern this user."),
        principal: Principal = Depends(user),
    ) -> Any:
        """Policies that decide now, each as what it says. Grants are not among them."""
        rules.require(principal, "read policies", rules.READ_GOVERNANCE)
        return {"items": await about.rules(whom)}

    @api.get("/policy/rules/{name}/reach", responses=answers.ok(Reach))
    async def reach(name: str, principal: Principal = Depends(user)) -> Any:
        """Which users a policy concerns, and which datasets and columns."""
        rules.require(principal, "read policies", rules.READ_GOVERNANCE)
        return await about.reach(name)

    @api.get("/policy/coverage", responses=answers.ok(Coverage))
    async def coverage(
        dataset: str | None = Query(default=None, description="One dataset; all if left out.", max_length=4000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Tagged columns that somebody other than operators sees in clear."""
        rules.require(principal, "look at the coverage of policies", rules.READ_GOVERNANCE)
        return await about.coverage(dataset)

    @api.get("/policy/viewers", responses=answers.ok(answers.Items[Viewer]))
    async def viewers(
        dataset: str = Query(max_length=4000),
        column: str = Query(max_length=1000),
        principal: Principal = Depends(user),
    ) -> Any:
        """What each user sees of one column."""
        rules.require(principal, "ask who sees a column", rules.READ_GOVERNANCE)
        return {"items": await about.viewers(dataset, column)}


def _audit(api: APIRouter, audit: Audit, user: Authenticate) -> None:
    @api.get("/audit", responses=answers.ok(answers.Page[AuditRow]))
    async def list_audit(
        actor: str | None = None,
        action: str | None = Query(default=None, description="One, or with `*` at its end all that begin so."),
        allowed: bool | None = None,
        object: str | None = Query(default=None, max_length=4000, description="A part of it, in any letter case."),
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        after: int = Query(default=0, ge=0, le=2**62),
        before: int | None = Query(
            default=None, ge=0, le=2**62, description="Rows before this number, the newest first."
        ),
        limit: int = Query(default=1000, ge=1, le=10_000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Decisions, oldest first, or newest first with `before`; `next` goes into `after`, or into `before`. Without
        the right to read all of them only the caller's own."""
        if not rules.may(principal, rules.AUDIT):
            if actor not in (None, principal.user_id):
                rules.require(principal, f"read the audit of {actor}", rules.AUDIT)
            actor = str(principal.user_id)
        found = await audit.listing(
            actor=actor, action=action, allowed=allowed, object_=object, since=_moment(since), until=_moment(until),
            after=after, before=before, limit=limit,
        )  # fmt: skip
        return {"items": found, "next": found[-1]["seq"] if len(found) == limit else None}

    @api.get("/audit/verify", responses=answers.ok(Verified))
    async def verify(principal: Principal = Depends(user)) -> Any:
        """Is every row of the audit as it was written, and none missing?"""
        rules.require(principal, "verify the audit", rules.AUDIT)
        found = await audit.verify()
        return {
            "ok": found.broken is None,
            "rows": found.rows,
            "broken": found.broken,
            "reason": found.reason,
            "removed": found.removed,
        }

    @api.get(
        "/audit/export",
        response_class=StreamingResponse,
        responses={200: {"description": "One row a line", "content": {JSON_LINES: {"schema": {"type": "string"}}}}},
    )
    async def export(
        actor: str | None = None,
        action: str | None = None,
        allowed: bool | None = None,
        object: str | None = Query(default=None, max_length=4000),
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        after: int = Query(default=0, ge=0, le=2**62),
        principal: Principal = Depends(user),
    ) -> StreamingResponse:
        """All rows after a sequence number as JSON lines, or those of them that are wanted: as `GET /api/v1/audit`."""
        rules.require(principal, "export the audit", rules.AUDIT)

        async def lines() -> AsyncIterator[str]:
            last = after
            while found := await audit.listing(
                actor=actor, action=action, allowed=allowed, object_=object, since=_moment(since), until=_moment(until),
                after=last,
            ):  # fmt: skip
                last = found[-1]["seq"]
                yield "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in found)

        return StreamingResponse(lines(), media_type=JSON_LINES)


def _moment(at: datetime | None) -> int | None:
    return to_us(at) if at is not None else None


def _queries(api: APIRouter, history: History, user: Authenticate) -> None:
    @api.get("/queries", responses=answers.ok(answers.Page[Asked]))
    async def queries(
        user_id: str | None = Query(default=None, alias="user", description="Of one user; `*`: of all."),
        before: int | None = Query(default=None, ge=0, le=2**62, description="UTC microseconds: older ones."),
        limit: int = Query(default=100, ge=1, le=10_000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Statements, the newest first; `next` goes into `before`."""
        whom = user_id or str(principal.user_id)
        if whom != principal.user_id:
            rules.require(principal, "read statements of others", rules.QUERIES)
        found = await history.listing(None if whom == "*" else whom, before, limit)
        return {"items": found, "next": found[-1]["createdUs"] if len(found) == limit else None}

    @api.get("/queries/{id}", responses=answers.ok(Asked))
    async def query(id: str, principal: Principal = Depends(user)) -> Any:
        """One statement: plan of its tables under policy, timings, rows, bytes."""
        found = await history.get(id)
        if found is None or (found["user"] != principal.user_id and not rules.may(principal, rules.QUERIES)):
            raise fail("query.not_found", f"no statement `{id}`")
        return found
