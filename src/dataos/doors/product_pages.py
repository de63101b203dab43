"""What the page of a product shows, decided for the caller (ch09 6.3, 6.7):
/api/v1/products/data/{version}/{name}/..."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.history import History
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.products import Badge, Card
from dataos.governance.principals import Principal
from dataos.kinds.product.pages import Pages
from dataos.kinds.product.verbs import Verbs, key_of


class AccessBody(BaseModel):
    """POST .../access-requests."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=4000)
    datasets: list[str] = Field(default=[], max_length=100, description="Addresses; all outputs if left out.")


class Asked(answers.Answer):
    """A request for access."""

    id: str = Field(description="Of the Grant request.")
    state: str
    datasets: list[str]
    told: list[str] = Field(description="Who has a notice in the inbox.")


class Link(answers.Answer):
    """A reference link."""

    title: str
    href: str


class Person(answers.Answer):
    """Who works on the product."""

    id: str
    name: str
    role: str


class Ref(answers.Answer):
    """What the product points at."""

    side: str = Field(description="input, output, bundle, member, lens, service or related")
    ref: str
    health: str = Field(description="ok, missing or failing")
    reason: str
    status: str
    runtime: str


class ProductPage(Card):
    """Header and references of a product."""

    purpose: str
    links: list[Link]
    sourceCodeUrl: str | None
    trackerUrl: str | None
    meta: dict[str, Any]
    people: list[Person]
    contractVersion: str | None
    documentation: str | None
    support: dict[str, str] | None
    related: list[str]
    generation: int
    created: str | None
    refs: list[Ref]
    tabs: list[str]
    consumedBy: list[str] = Field(description="Products that read its outputs.")


class Column(answers.Answer):
    """A column of a dataset."""

    name: str
    type: str
    description: str
    tags: list[str]


class InProduct(answers.Answer):
    """A product that has the dataset."""

    id: str
    title: str
    side: str


class Dataset(answers.Answer):
    """An input or output, as far as the caller may know it."""

    address: str | None = Field(description="null: policy hides it.")
    name: str
    description: str
    purpose: str
    source: str = Field(description="Type of its Depot.")
    owner: str
    tags: list[str]
    rows: int | None = Field(description="How many there are now; null: not known, or policy hides some.")
    rowsWritten: int | None = Field(description="How many the last run wrote.")
    writtenAt: str | None
    access: str = Field(description="Full Access, Restricted Access or No Access")
    columns: list[Column]
    products: list[InProduct]
    health: str


class RowFilter(answers.Answer):
    """Which rows are seen."""

    filter: str
    policy: str


class ColumnAccess(answers.Answer):
    """What is seen of a column."""

    column: str
    shown: str = Field(description="raw, masked or denied")
    masking: str | None = Field(description="Operator with its arguments.")
    policy: str | None


class Access(answers.Answer):
    """What policies leave the caller of a dataset."""

    label: str
    filters: list[RowFilter]
    columns: list[ColumnAccess]
    policies: list[str]
    masked: int


class Point(answers.Answer):
    """One run."""

    at: str | None
    percent: float | None
    checks: int


class Category(Badge):
    """A category of checks with its trend."""

    name: str
    trend: list[Point]
    adherence: float | None = Field(description="Passed of all over the last 10 runs, in percent.")
    runs: int


class Check(answers.Answer):
    """A check with its newest result."""

    dataset: str
    column: str | None
    check: str
    description: str
    category: str
    status: str
    at: str | None


class Declared(answers.Answer):
    """A check that the manifest declares."""

    dataset: str
    check: str
    description: str
    category: str


class Quality(answers.Answer):
    """Quality of a product."""

    categories: list[Category]
    checks: list[Check]
    declared: list[Declared]
    trend: list[Point]
    adherence: float | None
    runs: int


class ByUser(answers.Answer):
    """One user's statements."""

    user: str
    queries: int


class Usage(answers.Answer):
    """Who uses the product."""

    days: int
    users: int
    queries: int
    viewers: int
    byUser: list[ByUser] = Field(description="For those who work on the product only.")


class Availability(answers.Answer):
    """Share of statements that were answered."""

    percent: float | None
    queries: int


class Latency(answers.Answer):
    """Seconds that statements took."""

    p50_s: float | None
    p95_s: float | None


class Freshness(answers.Answer):
    """When an output was written last."""

    dataset: str
    writtenAt: str | None
    age_s: float | None


class Adherence(answers.Answer):
    """Checks that passed."""

    adherence: float | None


class Runs(answers.Answer):
    """Runs of the Workflows of the product."""

    succeeded: int
    failed: int
    percent: float | None
    lastAt: str | None
    lastState: str | None


class Target(answers.Answer):
    """A service level of the manifest."""

    name: str
    category: str
    target: float
    window_s: float | None
    dataset: str | None
    actual: float | None = Field(description="null: nothing was measured.")
    ok: bool | None


class Levels(answers.Answer):
    """Service levels."""

    days: int
    availability: Availability
    latency: Latency
    freshness: list[Freshness]
    quality: Adherence
    runs: Runs
    slos: list[Target]


class GraphNode(answers.Answer):
    """A product, a dataset or a Resource."""

    id: str
    kind: str
    title: str


class GraphEdge(answers.Answer):
    """What points where."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_: str = Field(alias="from")
    to: str
    kind: str


class Graph(answers.Answer):
    """A product among its neighbours."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


def router(pages: Pages, verbs: Verbs, history: History, authenticate: Authenticate) -> APIRouter:
    """The routes. `version` is what the caller saw; the newest generation answers."""
    api = APIRouter(prefix="/api/v1/products/data/{version}/{name}", tags=["products"])
    user = users_only(authenticate, "look at data products")

    @api.get("/page", responses=answers.ok(ProductPage))
    async def page(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """Header, people, stage, banner, references with their health, and which tabs there are."""
        found = await pages.page(principal, name)
        await verbs.mark(principal, name, opened=True)
        return found

    @api.get("/datasets", responses=answers.ok(answers.Items[Dataset]))
    async def datasets(
        version: str, name: str, side: Literal["input", "output"] = "output", principal: Principal = Depends(user)
    ) -> Any:
        """Inputs or outputs with columns, tags and access label."""
        return {"items": await pages.datasets(principal, name, side)}

    @api.get("/access", responses=answers.ok(Access))
    async def access(
        version: str,
        name: str,
        ref: str = Query(default="", max_length=4000, description="Address of a dataset of the product."),
        principal: Principal = Depends(user),
    ) -> Any:
        """Row filters and masked columns of a dataset, for the caller."""
        return await pages.access(principal, name, ref)

    @api.get("/quality", responses=answers.ok(Quality))
    async def quality(
        version: str,
        name: str,
        category: str | None = Query(default=None, max_length=40),
        principal: Principal = Depends(user),
    ) -> Any:
        """Checks with their newest results, trend and adherence; of one category, or of all."""
        return await pages.quality(principal, name, category)

    @api.get("/usage", responses=answers.ok(Usage))
    async def usage(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """Users and statements of the last 30 days."""
        return await pages.usage(principal, name)

    @api.get("/health", responses=answers.ok(Levels))
    async def health(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """Availability, latency, freshness, runs, and the service levels of the manifest."""
        return await pages.levels(principal, name)

    @api.get("/graph", responses=answers.ok(Graph))
    async def graph(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """What it reads, makes and consists of, and who reads it. Lineage of columns: /api/v1/lineage."""
        return await pages.graph(principal, name)

    @api.get("/versions", responses=answers.ok(answers.History))
    async def versions(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """Generations with what changed, newest first."""
        await verbs.find(principal, name)
        return await history.list(key_of(name))

    @api.post("/access-requests", responses=answers.ok(Asked))
    async def ask(version: str, name: str, body: AccessBody, principal: Principal = Depends(user)) -> Any:
        """Ask for access to datasets: a Grant request, and a notice for owner and developers."""
        return await verbs.ask(principal, name, body.reason, body.datasets)

    return api
