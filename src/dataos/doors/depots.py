"""Depots as people look at them: what types can do, whether a depot can be reached, what is in it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from dataos.core.addresses import Udl
from dataos.core.clock import Clock, rfc3339
from dataos.depots import looking
from dataos.depots.resolver import Depots
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.manifest import registry


class DepotType(answers.Answer):
    """What a type of Depots can do here."""

    type: str
    aliases: list[str]
    abilities: dict[str, str] = Field(description="read, write, list, stream, query, scan: yes, later or no.")
    note: str
    extra: str | None = Field(description="The extra of the package that brings its driver.")


class Connection(answers.Answer):
    """One connection that was tried."""

    acl: str = Field(description="r or rw: whose credentials.")
    ok: bool
    proved: str
    problem: answers.Fault | None


class DepotTest(answers.Answer):
    """Whether a Depot can be reached now."""

    depot: str
    type: str
    checked: str
    ok: bool
    connections: list[Connection]


class Item(answers.Answer):
    """A collection, dataset, file or column; only its own keys are there."""

    name: str
    sizeBytes: int | None = None
    modified: str | None = None
    type: str | None = None
    nullable: bool | None = None


class Messages(answers.Answer):
    """Messages of a topic, bytes as text."""

    columns: list[answers.Column]
    rows: list[list[Any]]
    truncated: bool


class Listing(answers.Answer):
    """What is at an address."""

    kind: str = Field(description="collections, datasets, files or columns")
    items: list[Item]
    truncated: bool


def router(depots: Depots, clock: Clock, authenticate: Authenticate) -> APIRouter:
    """Routes under /api/v1."""
    api = APIRouter(prefix="/api/v1", tags=["depots"])
    user = users_only(authenticate, "look at types of Depots")

    async def operator(request: Request) -> Principal:
        principal = await authenticate(request)
        rules.require(principal, "look into Depots", rules.DEPOTS)
        return principal

    @api.get("/depot-types", responses=answers.ok(answers.Items[DepotType]))
    async def types(_: Principal = Depends(user)) -> Any:
        """The types of Depots, and what each can do."""
        found = (registry.find_depot_type(name) for name in registry.known_depot_types())
        return {"items": [descriptor.to_json() for descriptor in found if descriptor is not None]}

    @api.post("/depots/{name}/test", responses=answers.ok(DepotTest))
    async def test(name: str, _: Principal = Depends(operator)) -> Any:
        """Connect with the depot's credentials for reading and, where it has them, for writing. Changes nothing."""
        entry = await depots.get(name)
        tried = await looking.try_connections(depots, entry)
        shown = [
            {"acl": t.acl, "ok": t.problem is None, "proved": t.proved, "problem": t.problem and t.problem.to_json()}
            for t in tried
        ]
        checked = rfc3339(clock.now_us())
        ok = all(t.problem is None for t in tried)
        return {"depot": name, "type": entry.type, "checked": checked, "ok": ok, "connections": shown}

    @api.get("/depots/sample", responses=answers.ok(Messages))
    async def sample(
        address: str = Query(description="dataos://depot:collection/topic", max_length=4000),
        limit: int = Query(default=10, ge=1, le=10_000),
        _: Principal = Depends(operator),
    ) -> Any:
        """The newest messages of a topic, the newest last. What else can be sampled is asked of the query engine."""
        return await looking.newest_messages(depots, Udl.parse(address), limit)

    @api.get("/depots/ls", responses=answers.ok(Listing))
    async def ls(
        address: str = Query(description="dataos://depot[:collection[/dataset]]", max_length=4000),
        limit: int = Query(default=1000, ge=1, le=100_000),
        _: Principal = Depends(operator),
    ) -> Any:
        """Collections of a depot, datasets of a collection, or what a dataset holds: files, or columns."""
        return looking.to_json(await looking.look(depots, Udl.parse(address)), limit)

    return api
