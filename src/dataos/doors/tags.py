"""Tags of datasets and columns: /api/v1/asset-tags, as the reference's catalog has it (ch08 5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.names import did_you_mean
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.gateway.authority import PolicyAuthority
from dataos.governance import rules
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import Principal
from dataos.metadata import sighting
from dataos.metadata.reading import Reading
from dataos.metadata.tagging import Asset, Tagging

_FQN = Query(alias="assetFqn", description="dataos://depot:collection/dataset[#column]", max_length=4000)


class TagBody(BaseModel):
    """PUT /api/v1/asset-tags."""

    model_config = ConfigDict(extra="ignore")
    assetFqn: str = Field(description="dataos://depot:collection/dataset[#column]", max_length=4000)
    tagFqn: str = Field(description="Group.Tag", max_length=400)
    assetType: str = Field(default="", description="column or dataset; follows from the address.")
    groupId: str = Field(default="", description="Has no effect.")


class BulkBody(BaseModel):
    """PUT /api/v1/asset-tags/bulk."""

    model_config = ConfigDict(extra="forbid")
    assign: list[TagBody] = Field(default=[], max_length=1000)
    remove: list[TagBody] = Field(default=[], max_length=1000)


class AssetTag(answers.Answer):
    """One tag of a dataset or column."""

    assetType: str
    assetFqn: str
    tagFqn: str
    groupId: str = Field(description="The tag's group.")
    source: str = Field(description="Who says so: user:<id>, job:<namespace>:<name>, suggested, inherited.")


class UsedTag(answers.Answer):
    """A tag, and how often it is given."""

    tag: str
    datasets: int = Field(description="That have it, or a column that has.")
    columns: int


class Tagged(answers.Answer):
    """Tags after a change."""

    items: list[AssetTag]
    warnings: list[answers.Fault] = Field(description="What was tagged and is not there.")


def router(
    tagging: Tagging,
    reading: Reading,
    authority: PolicyAuthority,
    columns: Callable[[Udl], Awaitable[Sequence[str]]],
    authenticate: Authenticate,
) -> APIRouter:
    """The routes. Everybody sees tags of what he may read; the owner of a dataset changes them, and who governs.
    `columns`: those of a dataset; raises where it is not there."""
    api = APIRouter(prefix="/api/v1", tags=["tags"])
    user = users_only(authenticate, "work with tags")

    @api.get("/asset-tags", responses=answers.ok(answers.Items[AssetTag]))
    async def get(asset: str = _FQN, principal: Principal = Depends(user)) -> Any:
        """Tags of a dataset with its columns, or of one column."""
        wanted = Asset.parse(asset)
        await check_read(principal, wanted)
        denied = (await reading.sight(principal, wanted.address)).denied
        found = await tagging.tags(wanted)
        return {"items": [_shown(wanted, one) for one in found if not (one["column"] and denied(one["column"]))]}

    @api.get("/asset-tags/used", responses=answers.ok(answers.Items[UsedTag]))
    async def used(principal: Principal = Depends(user)) -> Any:
        """Every tag that a dataset or column has. For whoever may read policies."""
        rules.require(principal, "list tags of datasets", rules.READ_GOVERNANCE)
        return {"items": await tagging.used()}

    @api.get("/asset-tags/uses", responses=answers.ok(answers.Items[AssetTag]))
    async def uses(tag: str = Query(alias="tagFqn", max_length=400), principal: Principal = Depends(user)) -> Any:
        """The datasets and columns that have a tag, each with who says so. For whoever may read policies."""
        rules.require(principal, "list where a tag is", rules.READ_GOVERNANCE)
        found = await tagging.uses(tag)
        return {"items": [_shown(asset, {"column": asset.column, "tag": t, "source": s}) for asset, t, s in found]}

    @api.put("/asset-tags", responses=answers.ok(Tagged))
    async def assign(body: TagBody, principal: Principal = Depends(user)) -> Any:
        """Give a tag."""
        wanted = Asset.parse(body.assetFqn)
        await check_change(principal, wanted)
        await tagging.assign(str(principal.user_id), wanted, body.tagFqn)
        return await tagged([wanted], [wanted])

    @api.put("/asset-tags/bulk", responses=answers.ok(Tagged))
    async def bulk(body: BulkBody, principal: Principal = Depends(user)) -> Any:
        """Give and take many tags."""
        given = [(Asset.parse(one.assetFqn), one.tagFqn) for one in body.assign]
        taken = [(Asset.parse(one.assetFqn), one.tagFqn) for one in body.remove]
        for asset in dict.fromkeys(a for a, _ in (*given, *taken)):
            await check_change(principal, asset)
        for asset, tag in given:
            await tagging.assign(str(principal.user_id), asset, tag)
        for asset, tag in taken:
            await tagging.remove(str(principal.user_id), asset, tag)
        return await tagged(dict.fromkeys(a for a, _ in (*given, *taken)), dict.fromkeys(a for a, _ in given))

    @api.delete("/asset-tags", responses=answers.ok(answers.Deleted))
    async def remove(
        asset: str = _FQN, tag: str = Query(alias="tagFqn", max_length=400), principal: Principal = Depends(user)
    ) -> Any:
        """Take a tag off, whoever gave it."""
        wanted = Asset.parse(asset)
        await check_change(principal, wanted)
        await tagging.remove(str(principal.user_id), wanted, tag)
        return {"result": "deleted"}

    async def tagged(assets: Iterable[Asset], given: Iterable[Asset]) -> dict[str, Any]:
        items = [_shown(asset, found) for asset in assets for found in await tagging.tags(asset)]
        assets_of: dict[str, list[Asset]] = {}
        for asset in given:
            assets_of.setdefault(asset.address, []).append(asset)
        missing = [problem for address, of in assets_of.items() for problem in await _missing(address, of, columns)]
        return {"items": items, "warnings": [problem.to_json() for problem in missing]}

    async def check_read(principal: Principal, asset: Asset) -> None:
        if sighting.governs(principal):
            return
        if not await authority.readable(principal, _name(asset)):
            raise rules.forbidden(principal, f"read tags of {asset.fqn}", rules.READ_DATASETS)

    async def check_change(principal: Principal, asset: Asset) -> None:
        """An owner from whom a policy hides anything of his dataset could show it to himself by untagging it."""
        if rules.may(principal, rules.GOVERNANCE):
            return
        name = _name(asset)
        owner = await reading.owner(asset.address)
        if owner != principal.user_id or not await authority.readable(principal, name):
            raise rules.forbidden(principal, f"change tags of {asset.fqn}", rules.GOVERNANCE)
        hiding = await authority.hiding(principal, name, None)
        if hiding:
            raise fail(
                "auth.forbidden",
                f"Forbidden: policies {', '.join(f'`{p}`' for p in hiding)} hide parts of {asset.address} from you",
                hint="whoever governs may change its tags",
            )

    return api


async def _missing(
    address: str, assets: Iterable[Asset], columns: Callable[[Udl], Awaitable[Sequence[str]]]
) -> list[Problem]:
    """What was tagged of a dataset may be yet to come; or its name is wrong, and then the tag masks nothing."""
    try:
        known = await columns(Udl.parse(address))
    except DataOSError:
        text = f"there is no dataset {address} now: the tag waits for one of exactly this name"
        return [Problem("metadata.tag_target", text, hint="names of datasets are told with their letter case")]
    lowered = [name.lower() for name in known]
    return [
        Problem(
            "metadata.tag_target",
            f"{address} has no column `{asset.column}` now: the tag waits for one",
            hint=did_you_mean(asset.column, known),
        )
        for asset in assets
        if known and asset.column and not any(f"{asset.column}.".startswith(f"{name}.") for name in lowered)
    ]


def _name(asset: Asset) -> DatasetName:
    return DatasetName.of(Udl.parse(asset.address))


def _shown(asset: Asset, found: dict[str, Any]) -> dict[str, Any]:
    column, tag = found["column"], found["tag"]
    return {
        "assetType": "column" if column else "dataset",
        "assetFqn": f"{asset.address}#{column}" if column else asset.address,
        "tagFqn": tag,
        "groupId": tag.partition(".")[0],
        "source": found["source"],
    }
