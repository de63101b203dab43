"""Collections and datasets of the Depot Service under /ds (ch02 1.10), over the functions of /api/v1.

Names are listed for every depot that can be listed; what changes a dataset goes to Lakehouses only, whose tables the
platform manages. The verbs are those of `dataos dataset`.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.datasets import DatasetDoor
from dataos.governance import objects, rules
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import Principal
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.listings import Listings
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.views import PUBLISHED, TableRef, View

_PLACE = "/depots/{depot}/collections"
_DATASET = _PLACE + "/{collection}/datasets/{dataset}"


class Result(answers.Answer):
    """The change is made (or was not needed)."""

    result: str


class DatasetResponse(answers.Observation):
    """A dataset; of a Lakehouse with its partition specs and properties, too."""

    depot: str
    collection: str
    dataset: str
    address: str


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldType(_Body):
    """A column's type."""

    type: str = Field(description="int, decimal, map, ...")
    precision: int | None = None
    scale: int | None = None


class NewField(FieldType):
    """A new column."""

    name: str
    keyType: str | None = None
    valueType: str | None = None


class NewName(_Body):
    """A column's new name."""

    name: str


class PartitionField(_Body):
    """One field of a partition spec."""

    index: int = 0
    type: str
    column: str
    name: str | None = None
    num_buckets: int | None = None

    def text(self) -> str:
        """As `dataset update-partition` takes it."""
        parts = [self.type, self.column, self.name or "", str(self.num_buckets) if self.num_buckets else ""]
        return ":".join(parts).rstrip(":")


_DONE = answers.ok(Result)


class _Calls:
    """What every route does first."""

    def __init__(self, depots: Depots, catalog: Catalog, datasets: Datasets, door: DatasetDoor) -> None:
        self.listings = Listings(catalog, door.sight)
        self.depots = depots
        self.catalog = catalog
        self.datasets = datasets
        self._door = door

    async def enter(self, principal: Principal, action: str, depot: str, collection: str, dataset: str) -> Any:
        """View and table. Raises DataOSError `dataset.depot` for depots that are no Lakehouse."""
        view, ref = await self._door.enter(principal, action, str(Udl(depot, collection, dataset)))
        return view, ref

    async def is_lakehouse(self, depot: str) -> bool:
        """True for the own depot of a Lakehouse."""
        return (await self.depots.get(depot)).type == "ICEBERG"


def router(
    depots: Depots, catalog: Catalog, datasets: Datasets, door: DatasetDoor, authenticate: Authenticate
) -> APIRouter:
    """Routes under /ds/api/v2 of collections and datasets."""
    api = APIRouter(prefix="/ds/api/v2", tags=["depot-datasets"])
    calls = _Calls(depots, catalog, datasets, door)
    user = users_only(authenticate, "work with datasets of Depots")

    async def looker(depot: str, principal: Principal = Depends(user)) -> Principal:
        """Looking into other sources than Lakehouses is an operator's."""
        if not await calls.is_lakehouse(depot):
            rules.require(principal, f"look into Depot `{depot}`", rules.DEPOTS)
        return principal

    _listing(api, calls, Depends(looker))
    _reads(api, calls, Depends(looker))
    _changes(api, calls, Depends(user))
    return api


def _listing(api: APIRouter, calls: _Calls, looker: Any) -> None:
    @api.get(_PLACE, responses=answers.ok(list[str]))
    async def collections(depot: str, principal: Principal = looker) -> Any:
        """Names of collections; of a Lakehouse those of which the caller may know."""
        entry = await calls.depots.get(depot)
        if entry.type == "ICEBERG":
            return await calls.listings.namespaces(principal, PUBLISHED, warehouse(entry))
        return await calls.depots.adapter(entry).list_collections(entry, await calls.depots.credentials(depot))

    @api.post(_PLACE + "/{collection}", responses=_DONE)
    async def create_collection(depot: str, collection: str, principal: Principal = looker) -> Any:
        """Make a collection of a Lakehouse."""
        rules.require(
            principal,
            f"make collection `{collection}`",
            rules.DATASETS,
            objects.dataset(DatasetName(depot, collection, "")),
        )
        entry = await calls.depots.get(depot)
        if entry.type != "ICEBERG":
            text = f"depot '{depot}' is of type {entry.type}: collections are made in Lakehouses"
            raise fail("dataset.depot", text, hint="make it in the source itself")
        await calls.catalog.ensure_namespace(PUBLISHED, warehouse(entry), collection)
        return {"result": "created"}

    @api.get(_PLACE + "/{collection}/datasets", responses=answers.ok(list[str]))
    async def listing(depot: str, collection: str, principal: Principal = looker) -> Any:
        """Names of datasets; of a Lakehouse those of which the caller may know."""
        entry = await calls.depots.get(depot)
        secret = await calls.depots.credentials(depot)
        found = await calls.depots.adapter(entry).list_datasets(entry, secret, collection)
        if entry.type != "ICEBERG":
            return found
        return await calls.listings.shown(principal, warehouse(entry), collection, found)


def _reads(api: APIRouter, calls: _Calls, looker: Any) -> None:
    async def shown(depot: str, collection: str, dataset: str, principal: Principal) -> dict[str, Any]:
        if await calls.is_lakehouse(depot):
            return await calls.datasets.get(*await calls.enter(principal, "table.read", depot, collection, dataset))
        entry = await calls.depots.get(depot)
        secret = await calls.depots.credentials(depot)
        columns = await calls.depots.adapter(entry).describe(entry, secret, collection, dataset)
        fields = [{"name": c.name, "type": c.native_type, "nullable": c.nullable} for c in columns]
        return {"schema": {"type": "source", "fields": fields}}

    @api.get(_DATASET, responses=answers.ok(DatasetResponse))
    async def get(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """A dataset: schema, and what its format tells."""
        address = str(Udl(depot, collection, dataset))
        head = {"depot": depot, "collection": collection, "dataset": dataset, "address": address}
        return {**head, **await shown(depot, collection, dataset, principal)}

    @api.get(_DATASET + "/schema", responses=answers.ok(dict[str, Any]))
    async def schema(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """The schema as JSON: of a Lakehouse in Avro's form, of others with the source's own types."""
        found = (await shown(depot, collection, dataset, principal))["schema"]
        return json.loads(found["avro"]) if isinstance(found.get("avro"), str) else found

    @api.get(_DATASET + "/stats", responses=answers.ok(dict[str, Any]))
    async def stats(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """Totals of the current snapshot, what each snapshot did, and the properties."""
        view, ref = await calls.enter(principal, "table.read", depot, collection, dataset)
        snapshots = await calls.datasets.snapshots(view, ref)
        current = next((s for s in snapshots if "main" in s["references"]), None)
        timeline = [{k: s[k] for k in ("id", "timestamp", "operation", "summary")} for s in snapshots]
        properties = await calls.datasets.properties(view, ref)
        return {"stats": current["summary"] if current else {}, "timeline": timeline, "properties": properties}

    @api.get(_DATASET + "/properties", responses=answers.ok(dict[str, str]))
    async def properties(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """A table's properties."""
        return await calls.datasets.properties(*await calls.enter(principal, "table.read", depot, collection, dataset))

    @api.get(_DATASET + "/metadata", responses=answers.ok(list[dict[str, Any]]))
    async def metadata(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """Versions of the metadata, oldest first."""
        found = await calls.datasets.metadata(*await calls.enter(principal, "table.read", depot, collection, dataset))
        return [{"version": m["version"], "timestamp": m["timestamp"]} for m in found]

    @api.get(_DATASET + "/snapshots", responses=answers.ok(list[dict[str, Any]]))
    async def snapshots(depot: str, collection: str, dataset: str, principal: Principal = looker) -> Any:
        """Snapshots, oldest first."""
        found = await calls.datasets.snapshots(*await calls.enter(principal, "table.read", depot, collection, dataset))
        return [{"snapshotId": s["id"], "timestamp": s["timestamp"]} for s in found]


def _changes(api: APIRouter, calls: _Calls, user: Any) -> None:
    datasets = calls.datasets

    async def writing(principal: Principal, depot: str, collection: str, dataset: str) -> tuple[View, TableRef]:
        return await calls.enter(principal, "table.write", depot, collection, dataset)

    @api.post(_DATASET, responses=_DONE)
    async def create(
        depot: str, collection: str, dataset: str, body: dict[str, Any] = Body(), principal: Principal = user
    ) -> Any:
        """Make a dataset of its manifest."""
        view, ref = await calls.enter(principal, "table.create", depot, collection, dataset)
        await datasets.create(view, ref, body)
        return {"result": "created"}

    @api.delete(_DATASET, responses=_DONE)
    async def drop(depot: str, collection: str, dataset: str, purge: bool = False, principal: Principal = user) -> Any:
        """Forget a dataset; with `purge` its files go too. For operators."""
        view, ref = await calls.enter(principal, "table.drop", depot, collection, dataset)
        await datasets.drop(view, ref, purge=purge)
        return {"result": "dropped"}

    @api.patch(_DATASET + "/properties", responses=_DONE)
    async def set_properties(
        depot: str, collection: str, dataset: str, body: dict[str, str] = Body(), principal: Principal = user
    ) -> Any:
        """Set properties."""
        await datasets.add_properties(*await writing(principal, depot, collection, dataset), body)
        return _done()

    @api.delete(_DATASET + "/properties", responses=_DONE)
    async def unset_properties(
        depot: str, collection: str, dataset: str, body: list[str] = Body(), principal: Principal = user
    ) -> Any:
        """Unset properties."""
        await datasets.remove_properties(*await writing(principal, depot, collection, dataset), body)
        return _done()

    @api.patch(_DATASET + "/metadata/{version}", responses=_DONE)
    async def set_metadata(depot: str, collection: str, dataset: str, version: str, principal: Principal = user) -> Any:
        """`latest` is always so."""
        await datasets.set_metadata(*await writing(principal, depot, collection, dataset), version)
        return _done()

    @api.patch(_DATASET + "/snapshots/{id}", responses=_DONE)
    async def set_snapshot(depot: str, collection: str, dataset: str, id: str, principal: Principal = user) -> Any:
        """Make any snapshot the current one."""
        if not id.isdigit() or int(id) >= 1 << 63:
            raise fail("dataset.not_found.snapshot", f"`{id[:40]}` is no id of a snapshot")
        await datasets.set_snapshot(*await writing(principal, depot, collection, dataset), int(id))
        return _done()

    @api.patch(_DATASET + "/partitions", responses=_DONE)
    async def partitions(
        depot: str, collection: str, dataset: str, body: list[PartitionField], principal: Principal = user
    ) -> Any:
        """Partition what is written from now on in another way."""
        texts = [field.text() for field in sorted(body, key=lambda f: f.index)]
        await datasets.update_partition(*await writing(principal, depot, collection, dataset), texts)
        return _done()

    @api.patch(_DATASET + "/fields", responses=_DONE)
    async def add_field(depot: str, collection: str, dataset: str, body: NewField, principal: Principal = user) -> Any:
        """Add an optional column."""
        view, ref = await writing(principal, depot, collection, dataset)
        await datasets.add_field(
            view,
            ref,
            body.name,
            body.type,
            precision=body.precision,
            scale=body.scale,
            key=body.keyType,
            value=body.valueType,
        )
        return _done()

    @api.delete(_DATASET + "/fields/{field}", responses=_DONE)
    async def drop_field(depot: str, collection: str, dataset: str, field: str, principal: Principal = user) -> Any:
        """Drop a column."""
        await datasets.drop_field(*await writing(principal, depot, collection, dataset), field)
        return _done()

    @api.patch(_DATASET + "/fields/{field}/rename", responses=_DONE)
    async def rename_field(
        depot: str, collection: str, dataset: str, field: str, body: NewName, principal: Principal = user
    ) -> Any:
        """Rename a column."""
        await datasets.rename_field(*await writing(principal, depot, collection, dataset), field, body.name)
        return _done()

    @api.patch(_DATASET + "/fields/{field}/update", responses=_DONE)
    async def update_field(
        depot: str, collection: str, dataset: str, field: str, body: FieldType, principal: Principal = user
    ) -> Any:
        """Widen a column's type."""
        view, ref = await writing(principal, depot, collection, dataset)
        await datasets.update_field(view, ref, field, body.type, precision=body.precision, scale=body.scale)
        return _done()

    @api.patch(_DATASET + "/fields/{field}/nullable/{nullable}", responses=_DONE)
    async def set_nullable(
        depot: str, collection: str, dataset: str, field: str, nullable: bool, principal: Principal = user
    ) -> Any:
        """Let a column hold nulls, or forbid it."""
        await datasets.set_nullable(*await writing(principal, depot, collection, dataset), field, nullable)
        return _done()


def _done() -> dict[str, str]:
    return {"result": "done"}
