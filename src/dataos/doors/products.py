"""Data products under /api/v1/products: lists, one product, apply and delete (ch09 6.7)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.resources import ApplyRequest, Resources
from dataos.core.errors import Problem, fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance.principals import Principal
from dataos.kinds.product import odcs, scaffold, writing
from dataos.kinds.product.columns import DatasetColumns
from dataos.kinds.product.listing import SORTS, Wanted
from dataos.kinds.product.pages import Pages
from dataos.kinds.product.verbs import Verbs, key_of

Many = Annotated[list[str] | None, Query(max_length=200)]


class ProductBody(BaseModel):
    """PUT or POST of a product."""

    model_config = ConfigDict(extra="forbid")
    document: dict[str, Any] = Field(description="The manifest, as JSON.")
    dryRun: bool = False
    expectedGeneration: int | None = Field(default=None, ge=0, le=2**31)


class DeprecateBody(BaseModel):
    """POST .../deprecate."""

    model_config = ConfigDict(extra="forbid")
    replacedBy: str | None = Field(default=None, max_length=200, description="data:<version>:<name>")
    retireOn: str | None = Field(default=None, max_length=20, description="The day on which it ends: 2031-01-31.")


class ScaffoldBody(BaseModel):
    """POST /api/v1/products/scaffold."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=100)
    kind: str = Field(default="source", description="source or consumer")
    table: str | None = Field(default=None, max_length=1000, description="dataos://depot:collection/dataset")


class OdcsBody(BaseModel):
    """POST /api/v1/products/from-odcs."""

    model_config = ConfigDict(extra="forbid")
    contract: dict[str, Any] = Field(description="An Open Data Contract Standard v3 document, as JSON.")


class Banner(answers.Answer):
    """What consumers must know of a product's end."""

    text: str
    retireOn: str | None
    replacedBy: str | None


class Badge(answers.Answer):
    """Newest results of a category of checks."""

    passed: int
    applied: int
    ok: bool
    at: str | None


class Card(answers.Answer):
    """A product in a list."""

    id: str = Field(description="data:VERSION:NAME")
    name: str
    version: str
    title: str
    description: str
    tiers: list[str]
    domains: list[str]
    useCases: list[str]
    tags: list[str] = Field(description="`Group.value` of other groups.")
    owner: str
    ownerName: str
    stage: str = Field(description="design, build, active, deprecated or retired")
    status: str = Field(description="active or pending")
    ports: list[str] = Field(description="lens, api, rest, postgres: those that are there.")
    quality: dict[str, Badge] = Field(description="By category; only those that have checks.")
    favorite: bool
    openedAt: str | None
    updated: str | None
    banner: Banner | None


class Cards(answers.Answer):
    """A page of products; `next` goes into `after`."""

    items: list[Card]
    next: str | None
    total: int


class FacetValue(answers.Answer):
    """One value of a filter group."""

    value: str
    title: str
    count: int


class Facet(answers.Answer):
    """A filter group; `id` is the parameter of the list."""

    id: str
    title: str
    values: list[FacetValue]


class StoredProduct(answers.Answer):
    """A product with its manifest."""

    id: str
    name: str
    version: str
    status: str
    owner: str
    generation: int
    tags: list[str]
    info: str
    manifest: dict[str, Any]


class DeletedProduct(answers.Answer):
    """How a deletion went."""

    result: str = Field(description="deleted, deleting or nothing")
    removed: list[str] = Field(description="With cascade: the Bundle and its members.")


class Consumer(answers.Answer):
    """A user of a product, by the query history."""

    user: str
    datasets: dict[str, int] = Field(description="Statements by dataset.")


class Deprecated(answers.Answer):
    """A product that is deprecated now."""

    action: str
    generation: int
    warnings: list[answers.Fault]
    consumers: list[Consumer] = Field(description="Who used it in the last 30 days; each has a notice in the inbox.")


class Files(answers.Answer):
    """Files of a new product: {path: text}."""

    files: dict[str, str]


class Document(answers.Answer):
    """A document, as JSON."""

    document: dict[str, Any]


class FromOdcs(answers.Answer):
    """A product manifest made of a data contract."""

    document: dict[str, Any]
    warnings: list[answers.Fault] = Field(description="What of the contract has no place in a product.")


def wanted(
    q: Annotated[str, Query(max_length=500, description="Words of name, title, text, use case, tier, owner.")] = "",
    tier: Many = None,
    domain: Many = None,
    usecase: Many = None,
    stage: Many = None,
    tag: Annotated[list[str] | None, Query(max_length=200, description="`Group.value`; all must be there.")] = None,
    owner: str | None = None,
    favorite: bool = False,
    recent: bool = False,
    deleted: bool = False,
    sort: Annotated[str, Query(description=f"One of: {', '.join(SORTS)}")] = "title",
) -> Wanted:
    """Filters of lists of products."""
    if sort not in SORTS:
        raise fail("request.invalid", f"sort `{sort[:40]}` is not known", hint=f"one of: {', '.join(SORTS)}")
    return Wanted(
        text=q,
        tiers=tuple(tier or ()),
        domains=tuple(domain or ()),
        use_cases=tuple(usecase or ()),
        tags=tuple(tag or ()),
        owner=owner,
        stages=tuple(stage or ()),
        favorite=favorite,
        recent=recent,
        deleted=deleted,
        sort=sort,
    )


def router(
    pages: Pages, verbs: Verbs, resources: Resources, columns: DatasetColumns, authenticate: Authenticate
) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/api/v1/products", tags=["products"])
    user = users_only(authenticate, "work with data products")
    _lists(api, pages, user)
    _one(api, verbs, resources, user)
    _making(api, verbs, columns, user)
    return api


def poros(pages: Pages, authenticate: Authenticate) -> APIRouter:
    """The lists at their other address (ch09 6.7)."""
    api = APIRouter(prefix="/poros/api/v1/products", tags=["poros"])
    _lists(api, pages, users_only(authenticate, "work with data products"))
    return api


def _lists(api: APIRouter, pages: Pages, user: Authenticate) -> None:
    @api.get("", responses=answers.ok(Cards))
    async def listing(
        asked: Wanted = Depends(wanted),
        after: str | None = Query(default=None, max_length=100),
        limit: int = Query(default=60, ge=1, le=1000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Products that the caller may see. Values of tier, domain and use case are alternatives; groups add up."""
        return await pages.listing(principal, asked, after, limit)

    @api.get("/facets", responses=answers.ok(answers.Items[Facet]))
    async def facets(asked: Wanted = Depends(wanted), principal: Principal = Depends(user)) -> Any:
        """Filter groups with the number of products of each value."""
        return {"items": await pages.facets(principal, asked)}


def _one(api: APIRouter, verbs: Verbs, resources: Resources, user: Authenticate) -> None:
    async def stored(
        version: str, name: str, as_: str | None = Query(default=None, alias="as"), principal: Principal = Depends(user)
    ) -> Any:
        """The stored manifest; `as=v1beta`: as one of that version."""
        if as_ not in (None, "v1beta"):
            raise fail("request.invalid", f"`as={as_[:40]}` is not known", hint="as=v1beta")
        manifest, document = await verbs.find(principal, name, version)
        body = await resources.get(key_of(name))
        return {
            **{key: body[key] for key in ("id", "name", "version", "status", "owner", "generation", "tags")},
            "info": body["builder"]["info"],
            "manifest": writing.to_v1beta(manifest, document) if as_ else document,
        }

    async def apply(version: str, name: str, body: ProductBody, principal: Principal = Depends(user)) -> Any:
        """Create or update a product."""
        said = (body.document.get("type"), body.document.get("name"), body.document.get("version"))
        if said != ("data", name, version):
            hint = "type, name and version of the document are those of the address"
            raise fail("request.invalid", f"the document is not data:{version}:{name}", hint=hint)
        request = ApplyRequest(
            document=body.document,
            actor=principal.user_id,
            dry_run=body.dryRun,
            expected_generation=body.expectedGeneration,
            principal=principal,
        )
        return (await resources.apply(request)).to_json()

    async def create(version: str, name: str, body: ProductBody, principal: Principal = Depends(user)) -> Any:
        """As PUT."""
        return await apply(version, name, body, principal)

    async def delete(
        version: str, name: str, force: bool = False, cascade: bool = False, principal: Principal = Depends(user)
    ) -> Any:
        """Remove a product from the Hub at once; refused while something depends on it, unless forced. `cascade`: with
        its Bundle."""
        await verbs.find(principal, name, version)
        return await verbs.delete(principal, name, force=force, cascade=cascade)

    async def deprecate(version: str, name: str, body: DeprecateBody, principal: Principal = Depends(user)) -> Any:
        """Announce the end of a product to whoever used it in the last 30 days."""
        await verbs.find(principal, name, version)
        result, consumers = await verbs.deprecate(principal, name, body.replacedBy, body.retireOn)
        warnings = [w.to_json() for w in result.warnings]
        generation = result.resource["generation"]
        return {"action": result.action, "generation": generation, "warnings": warnings, "consumers": consumers}

    path = "/data/{version}/{name}"
    api.get(path, responses=answers.ok(StoredProduct))(stored)
    api.put(path, responses=answers.ok(answers.Applied))(apply)
    api.post(path, responses=answers.ok(answers.Applied))(create)
    api.delete(path, responses=answers.ok(DeletedProduct))(delete)
    api.post(f"{path}/deprecate", responses=answers.ok(Deprecated))(deprecate)


def _making(api: APIRouter, verbs: Verbs, columns: DatasetColumns, user: Authenticate) -> None:
    @api.post("/scaffold", responses=answers.ok(Files))
    async def scaffolded(body: ScaffoldBody, principal: Principal = Depends(user)) -> Any:
        """Files of a new product; with a table, of its real columns, as far as the caller may know them."""
        return {"files": await scaffold.files(body.name, body.kind, body.table, columns.seen_by(principal))}

    @api.post("/from-odcs", responses=answers.ok(FromOdcs))
    async def from_odcs(body: OdcsBody, principal: Principal = Depends(user)) -> Any:
        """A product manifest of an Open Data Contract Standard document; nothing is stored."""
        problems: list[Problem] = []
        document = odcs.read(body.contract, problems)
        return {"document": document, "warnings": [p.to_json() for p in problems]}

    @api.get("/data/{version}/{name}/odcs", responses=answers.ok(Document))
    async def to_odcs(version: str, name: str, principal: Principal = Depends(user)) -> Any:
        """The product as an Open Data Contract Standard document, with those columns that the caller may know."""
        manifest, document = await verbs.find(principal, name, version)
        return {"document": await odcs.write(manifest, document, columns.seen_by(principal))}
