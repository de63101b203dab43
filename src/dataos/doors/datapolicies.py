"""Data policies under the reference's addresses: records, and the decision for the caller (ch08 5)."""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.records import Filter
from dataos.control.resources import ApplyRequest, Resources
from dataos.core.addresses import ResourceKey, Udl
from dataos.core.errors import fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import rules
from dataos.governance.principals import Principal

_PLACES = ("/gateway/api/v1/datapolicy", "/heimdall/dp/api/v1/policies")
_PAGE = 10_000


class DataPolicy(BaseModel):
    """The `data` section of a Policy, with its name."""

    model_config = ConfigDict(extra="allow")
    name: str
    type: str = Field(description="mask or filter")


class DataDecision(answers.Answer):
    """What policies leave of a dataset for the caller."""

    dataset: str = Field(description="depot.collection.dataset")
    user: str
    masks: dict[str, str] = Field(description="Column -> mask as SQL.")
    filter: list[str]


class Explains(Protocol):
    """Of `gateway.policy_answers`."""

    async def explain(self, user: str, predicate: str, object_: str) -> dict[str, Any]: ...


def router(resources: Resources, about: Explains, authenticate: Authenticate) -> APIRouter:
    """Routes under /gateway and /heimdall/dp."""
    api = APIRouter(tags=["governance"])
    user = users_only(authenticate, "work with data policies")
    _decisions(api, about, user)
    for number, place in enumerate(_PLACES):
        _records(api, place, resources, user, "" if number == 0 else "_heimdall")
    return api


def _decisions(api: APIRouter, about: Explains, user: Authenticate) -> None:
    place = f"{_PLACES[0]}/decision"

    @api.get(place, responses=answers.ok(DataDecision))
    async def decision(
        depot: str = Query(max_length=400),
        collection: str = Query(max_length=400),
        dataset: str = Query(max_length=2000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Masks and filters for the caller, as a statement of his would meet them."""
        return await _decide(about, principal, depot, collection, dataset)

    @api.get(place + "/{depot}/{collection}/{dataset}", responses=answers.ok(DataDecision))
    async def decision_of(depot: str, collection: str, dataset: str, principal: Principal = Depends(user)) -> Any:
        """As `decision`, with the dataset in the path."""
        return await _decide(about, principal, depot, collection, dataset)


async def _decide(about: Explains, principal: Principal, depot: str, collection: str, dataset: str) -> dict[str, Any]:
    found = await about.explain(str(principal.user_id), "read", str(Udl(depot, collection, dataset)))
    if not found["allowed"]:
        raise rules.forbidden(
            principal, f"read {depot}.{collection}.{dataset}", rules.READ_DATASETS, found["decidedBy"]
        )
    if not found["columns"]:
        raise fail("depot.dataset_not_found", f"no columns of {depot}.{collection}.{dataset} are known here")
    masked = [c for c in found["columns"] if c["mask"] is not None]
    return {
        "dataset": f"{depot}.{collection}.{dataset}",
        "user": found["user"],
        "masks": {c["column"]: c["mask"] for c in masked},
        "filter": [f["filter"] for f in found["filters"]],
    }


def _records(api: APIRouter, place: str, resources: Resources, user: Authenticate, suffix: str) -> None:
    @api.get(place, responses=answers.ok(answers.Items[DataPolicy]), name=f"data_policies{suffix}")
    async def listing(principal: Principal = Depends(user)) -> Any:
        """All data policies."""
        rules.require(principal, "read data policies", rules.READ_GOVERNANCE)
        items, _ = await resources.list(Filter(type="policy"), None, _PAGE)
        found = [_record(await resources.get(ResourceKey("policy", item["name"]))) for item in items]
        return {"items": [record for record in found if record is not None]}

    @api.put(place, responses=answers.ok(DataPolicy), name=f"put_data_policy{suffix}")
    async def put(body: dict[str, Any] = Body(), principal: Principal = Depends(user)) -> Any:
        """Make or change a data policy: its record is the `data` section of a Policy, with a name."""
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise fail("request.invalid", "a data policy needs a `name`", path="body.name")
        document = {"name": name, "version": "v1", "type": "policy", "layer": "user", "policy": {"data": body}}
        await resources.apply(ApplyRequest(document=document, actor=principal.user_id, principal=principal))
        return _record(await resources.get(ResourceKey("policy", name)))

    @api.get(place + "/{name}", responses=answers.ok(DataPolicy), name=f"data_policy{suffix}")
    async def get(name: str, principal: Principal = Depends(user)) -> Any:
        """One data policy."""
        rules.require(principal, "read data policies", rules.READ_GOVERNANCE)
        found = _record(await resources.get(ResourceKey("policy", name)))
        if found is None:
            raise fail("resource.not_found", f"policy `{name}` is an access policy", type="policy", name=name)
        return found

    @api.delete(place + "/{name}", responses=answers.ok(answers.Deleted), name=f"delete_data_policy{suffix}")
    async def delete(name: str, principal: Principal = Depends(user)) -> Any:
        """Delete a data policy."""
        result = await resources.delete(ResourceKey("policy", name), principal.user_id, principal=principal)
        if result == "nothing":
            raise fail("resource.not_found", f"no policy `{name}`", type="policy", name=name)
        return {"result": result}


def _record(body: dict[str, Any]) -> dict[str, Any] | None:
    manifest = body["manifest"] or {}
    section = next((v for k, v in manifest.items() if k.lower() == "policy"), {})
    data = next((v for k, v in section.items() if k.lower() == "data"), None)
    return {**data, "name": body["name"]} if data is not None else None
