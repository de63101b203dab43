"""Datasets under /api/v1/datasets: one route per verb of `dataos dataset` (ch06 3.2), addresses as in manifests.

Thin: the lakehouse room does the work. A job's token opens its own run's view, as in the Iceberg protocol, and every
call asks the same hook as the protocol's routes; dropping is for operators.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, RootModel

from dataos.core.errors import fail
from dataos.depots.resolver import Depots
from dataos.doors import answers
from dataos.doors.answers import Answer
from dataos.doors.authentication import Authenticate
from dataos.doors.dataset_addresses import DatasetAddresses
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.lakehouse.access import Authorise, OpenSight, Sight, allow_all
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.views import PUBLISHED, AttemptView, TableRef, View

# --- what comes in ----------------------------------------------------------------------------------------------------


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: str = Field(description="dataos://depot:collection/dataset")


class CreateBody(_Body):
    """A dataset to make."""

    manifest: dict[str, Any] = Field(description="schema, iceberg.specs and iceberg.properties (ch06 3.3)")


class DropBody(_Body):
    """A dataset to drop."""

    purge: bool = Field(default=False, description="Delete its files too.")


class RegisterBody(_Body):
    """A table that is there already."""

    metadataLocation: str = Field(description="Its metadata file, below the Lakehouse's folder.")


class PropertiesBody(_Body):
    """Properties to set."""

    properties: dict[str, str] = Field(min_length=1)


class NamesBody(_Body):
    """Properties to unset."""

    names: list[str] = Field(min_length=1)


class FieldBody(_Body):
    """A column, or a field of a struct by its dotted name."""

    name: str


class TypedBody(FieldBody):
    """A column's new type."""

    datatype: str = Field(description="int, decimal, timestamp_with_zone, list<string>, ...")
    precision: int | None = Field(default=None, description="Of a decimal.")
    scale: int | None = Field(default=None, description="Of a decimal.")


class AddFieldBody(TypedBody):
    """A new column."""

    keyType: str | None = Field(default=None, description="Of a map.")
    valueType: str | None = Field(default=None, description="Of a map.")


class RenameFieldBody(FieldBody):
    """A column's new name."""

    newName: str


class NullableBody(FieldBody):
    """May a column hold nulls?"""

    nullable: bool


class PartitionBody(_Body):
    """A new partition spec."""

    partitions: list[str] = Field(description="type:column[:name[:buckets]], in hierarchy order")
    count: int | None = Field(default=None, description="Buckets of those that name none.")


class SnapshotBody(_Body):
    """A snapshot by its id."""

    id: str = Field(pattern=r"^\s*\d{1,19}\s*$")


class VersionBody(_Body):
    """A metadata file, or `latest`."""

    version: str


class ReferenceBody(_Body):
    """A branch or tag."""

    name: str


class CreateReferenceBody(ReferenceBody):
    """A branch or tag to make."""

    id: str | None = Field(default=None, pattern=r"^\s*\d{1,19}\s*$", description="Snapshot; main's if left out.")
    minSnapshotsToKeep: int | None = Field(default=None, ge=1, description="Of a branch, when snapshots expire.")
    maxSnapshotAgeMs: int | None = Field(default=None, ge=1, description="Of a branch, when snapshots expire.")
    maxRefAgeMs: int | None = Field(default=None, ge=1, description="When the branch or tag itself expires.")

    def retention(self) -> dict[str, int]:
        """As Iceberg spells it."""
        found = {
            "min-snapshots-to-keep": self.minSnapshotsToKeep,
            "max-snapshot-age-ms": self.maxSnapshotAgeMs,
            "max-ref-age-ms": self.maxRefAgeMs,
        }
        return {key: value for key, value in found.items() if value is not None}


class RenameReferenceBody(ReferenceBody):
    """A branch's or tag's new name."""

    newName: str


class TwoBranchesBody(_Body):
    """Two branches."""

    source: str
    target: str


# --- what goes out ----------------------------------------------------------------------------------------------------


class Done(Answer):
    """The change is made (or was not needed)."""

    result: str


class DroppedDataset(Answer):
    """A dropped dataset."""

    result: str
    purged: bool
    metadataLocation: str = Field(description="With this file `register` brings it back, unless it was purged.")


class DatasetForm(Answer):
    """The YAML form of a dataset."""

    schema_: dict[str, Any] = Field(alias="schema")
    iceberg: dict[str, Any]


class PropertyMap(RootModel[dict[str, str]]):
    """Name -> value."""


class Snapshot(Answer):
    """One snapshot. Ids are texts: numbers of many languages do not hold them."""

    id: str
    parent: str | None
    timestamp: int = Field(description="Epoch milliseconds.")
    at: str
    operation: str | None
    summary: dict[str, str]
    references: list[str] = Field(description="Branches and tags that stand here.")


class Reference(Answer):
    """A branch or tag."""

    name: str
    type: str = Field(description="branch or tag")
    snapshot: str
    minSnapshotsToKeep: int | None = None
    maxSnapshotAgeMs: int | None = None
    maxRefAgeMs: int | None = None


class MetadataFile(Answer):
    """A version of a table's metadata."""

    version: str
    timestamp: int = Field(description="Epoch milliseconds.")
    file: str


class Moved(Answer):
    """How a branch or tag moved; null: it was, or is, not there."""

    name: str
    type: str
    old: str | None
    new: str | None


_DONE = answers.ok(Done)
_MOVED = answers.ok(Moved)
Address = Query(description="dataos://depot:collection/dataset")


class DatasetDoor:
    """What every route does first: who, which table, whether they may, through which view."""

    def __init__(self, depots: Depots, authorise: Authorise = allow_all, sight: Sight | None = None) -> None:
        self.addresses = DatasetAddresses(depots)
        self.sight = sight or OpenSight()
        self._authorise = authorise

    async def enter(self, principal: Principal, action: str, address: str) -> tuple[View, TableRef]:
        """View and table of a call. Raises DataOSError `auth.forbidden`, and as `DatasetAddresses`."""
        ref = await self.addresses.table(address)
        await self._authorise(principal, action, ref.warehouse, ref.namespace, ref.name)
        return view_of(principal), ref

    async def enter_collection(self, principal: Principal, address: str) -> tuple[View, str, str | None]:
        """View, warehouse and collection of a listing."""
        warehouse, collection = await self.addresses.collection(address)
        await self._authorise(principal, "list", warehouse, collection, None)
        return view_of(principal), warehouse, collection


def view_of(principal: Principal) -> View:
    """What a principal sees."""
    return AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED


def router(datasets: Datasets, door: DatasetDoor, authenticate: Authenticate) -> APIRouter:
    """Routes of the verbs."""
    api = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])
    _reads(api, datasets, door, authenticate)
    _changes(api, datasets, door, authenticate)
    _movements(api, datasets, door, authenticate)
    return api


def _reads(api: APIRouter, datasets: Datasets, door: DatasetDoor, authenticate: Authenticate) -> None:
    @api.get("/list", responses=answers.ok(answers.Items[str]))
    async def listing(
        address: str = Query(description="dataos://depot:collection"), principal: Principal = Depends(authenticate)
    ) -> Any:
        """Datasets of a collection; of a depot without one, all as collection/dataset."""
        view, warehouse, collection = await door.enter_collection(principal, address)
        found = await datasets.list(view, warehouse, collection)
        names = [(collection, one) if collection is not None else one.split("/", 1) for one in found]
        known = await door.sight.known(principal, warehouse, [(n[0], n[1]) for n in names])
        return {"items": [one for one, open_ in zip(found, known, strict=True) if open_]}

    @api.get("/get", responses=answers.ok(DatasetForm))
    async def get(address: str = Address, principal: Principal = Depends(authenticate)) -> Any:
        """Schema, partition specs and properties, in the form that `create` takes."""
        return await datasets.get(*await door.enter(principal, "table.read", address))

    @api.get("/properties", responses=answers.ok(PropertyMap))
    async def properties(address: str = Address, principal: Principal = Depends(authenticate)) -> Any:
        """A table's properties."""
        return await datasets.properties(*await door.enter(principal, "table.read", address))

    @api.get("/snapshots", responses=answers.ok(answers.Items[Snapshot]))
    async def snapshots(
        address: str = Address, branch: str | None = None, principal: Principal = Depends(authenticate)
    ) -> Any:
        """Snapshots, oldest first; of one branch or tag if it is named."""
        view, ref = await door.enter(principal, "table.read", address)
        return {"items": await datasets.snapshots(view, ref, branch)}

    @api.get("/metadata", responses=answers.ok(answers.Items[MetadataFile]))
    async def metadata(address: str = Address, principal: Principal = Depends(authenticate)) -> Any:
        """Metadata files, oldest first; the last is the current one."""
        return {"items": await datasets.metadata(*await door.enter(principal, "table.read", address))}

    @api.get("/list-branch", responses=answers.ok(answers.Items[Reference]))
    async def branches(address: str = Address, principal: Principal = Depends(authenticate)) -> Any:
        """Branches, `main` first."""
        found = await datasets.references(*await door.enter(principal, "table.read", address))
        return {"items": [r for r in found if r["type"] == "branch"]}

    @api.get("/list-tag", responses=answers.ok(answers.Items[Reference]))
    async def tags(address: str = Address, principal: Principal = Depends(authenticate)) -> Any:
        """Tags."""
        found = await datasets.references(*await door.enter(principal, "table.read", address))
        return {"items": [r for r in found if r["type"] == "tag"]}


def _changes(api: APIRouter, datasets: Datasets, door: DatasetDoor, authenticate: Authenticate) -> None:
    user = Depends(authenticate)

    @api.post("/create", responses=_DONE)
    async def create(body: CreateBody, principal: Principal = user) -> Any:
        """Make a dataset of its manifest."""
        view, ref = await door.enter(principal, "table.create", body.address)
        await datasets.create(view, ref, body.manifest)
        return {"result": "created"}

    @api.post("/drop", responses=answers.ok(DroppedDataset))
    async def drop(body: DropBody, principal: Principal = user) -> Any:
        """Forget a dataset; with `purge` its files go too. For operators."""
        rules.require_user(principal, f"drop dataset {body.address}")
        done = await datasets.drop(*await door.enter(principal, "table.drop", body.address), purge=body.purge)
        return {"result": "dropped", "purged": done.purged, "metadataLocation": done.metadata_location}

    @api.post("/register", responses=_DONE)
    async def register(body: RegisterBody, principal: Principal = user) -> Any:
        """Take up a table by its metadata file, as one that was dropped without purge."""
        await datasets.register(*await door.enter(principal, "table.register", body.address), body.metadataLocation)
        return {"result": "registered"}

    @api.post("/add-properties", responses=_DONE)
    async def add_properties(body: PropertiesBody, principal: Principal = user) -> Any:
        """Set properties."""
        await datasets.add_properties(*await door.enter(principal, "table.write", body.address), body.properties)
        return _done()

    @api.post("/remove-properties", responses=_DONE)
    async def remove_properties(body: NamesBody, principal: Principal = user) -> Any:
        """Unset properties."""
        await datasets.remove_properties(*await door.enter(principal, "table.write", body.address), body.names)
        return _done()

    @api.post("/add-field", responses=_DONE)
    async def add_field(body: AddFieldBody, principal: Principal = user) -> Any:
        """Add an optional column; a dotted name adds inside a struct."""
        await datasets.add_field(
            *await door.enter(principal, "table.write", body.address),
            body.name,
            body.datatype,
            precision=body.precision,
            scale=body.scale,
            key=body.keyType,
            value=body.valueType,
        )
        return _done()

    @api.post("/drop-field", responses=_DONE)
    async def drop_field(body: FieldBody, principal: Principal = user) -> Any:
        """Drop a column or a field of a struct."""
        await datasets.drop_field(*await door.enter(principal, "table.write", body.address), body.name)
        return _done()

    @api.post("/rename-field", responses=_DONE)
    async def rename_field(body: RenameFieldBody, principal: Principal = user) -> Any:
        """Rename a column or a field of a struct."""
        await datasets.rename_field(*await door.enter(principal, "table.write", body.address), body.name, body.newName)
        return _done()

    @api.post("/update-field", responses=_DONE)
    async def update_field(body: TypedBody, principal: Principal = user) -> Any:
        """Widen a column's type."""
        view, ref = await door.enter(principal, "table.write", body.address)
        await datasets.update_field(view, ref, body.name, body.datatype, precision=body.precision, scale=body.scale)
        return _done()

    @api.post("/set-nullable", responses=_DONE)
    async def set_nullable(body: NullableBody, principal: Principal = user) -> Any:
        """Let a column hold nulls, or forbid it."""
        await datasets.set_nullable(*await door.enter(principal, "table.write", body.address), body.name, body.nullable)
        return _done()

    @api.post("/update-partition", responses=_DONE)
    async def update_partition(body: PartitionBody, principal: Principal = user) -> Any:
        """Partition what is written from now on in another way."""
        view, ref = await door.enter(principal, "table.write", body.address)
        await datasets.update_partition(view, ref, body.partitions, body.count)
        return _done()

    @api.post("/set-metadata", responses=_DONE)
    async def set_metadata(body: VersionBody, principal: Principal = user) -> Any:
        """`latest` is always so; other versions are refused by a REST catalog."""
        await datasets.set_metadata(*await door.enter(principal, "table.write", body.address), body.version)
        return _done()


def _movements(api: APIRouter, datasets: Datasets, door: DatasetDoor, authenticate: Authenticate) -> None:
    user = Depends(authenticate)

    @api.post("/set-snapshot", responses=_MOVED)
    async def set_snapshot(body: SnapshotBody, principal: Principal = user) -> Any:
        """Make any snapshot the current one."""
        return await datasets.set_snapshot(*await door.enter(principal, "table.write", body.address), _id(body.id))

    @api.post("/rollback", responses=_MOVED)
    async def rollback(body: SnapshotBody, principal: Principal = user) -> Any:
        """Go back to an ancestor of the current snapshot."""
        return await datasets.rollback(*await door.enter(principal, "table.write", body.address), _id(body.id))

    @api.post("/cherrypick-snapshot", responses=_MOVED)
    async def cherry_pick(body: SnapshotBody, principal: Principal = user) -> Any:
        """Apply one commit on main."""
        return await datasets.cherry_pick(*await door.enter(principal, "table.write", body.address), _id(body.id))

    @api.post("/replace-branch", responses=_MOVED)
    async def replace_branch(body: TwoBranchesBody, principal: Principal = user) -> Any:
        """`source` comes to stand where `target` stands."""
        view, ref = await door.enter(principal, "table.write", body.address)
        return await datasets.replace_branch(view, ref, body.source, body.target)

    @api.post("/fastforward-branch", responses=_MOVED)
    async def fast_forward(body: TwoBranchesBody, principal: Principal = user) -> Any:
        """`target` advances to where `source` stands."""
        view, ref = await door.enter(principal, "table.write", body.address)
        return await datasets.fast_forward(view, ref, body.source, body.target)

    for kind in ("branch", "tag"):
        _references(api, datasets, door, authenticate, kind)


def _references(api: APIRouter, datasets: Datasets, door: DatasetDoor, authenticate: Authenticate, kind: str) -> None:
    user = Depends(authenticate)

    @api.post(f"/create-{kind}", responses=_MOVED, name=f"create_{kind}")
    async def create(body: CreateReferenceBody, principal: Principal = user) -> Any:
        """At the current snapshot of main if none is named."""
        view, ref = await door.enter(principal, "table.write", body.address)
        where = _id(body.id) if body.id is not None else None
        return await datasets.create_reference(view, ref, body.name, kind, where, body.retention())

    @api.post(f"/rename-{kind}", responses=_MOVED, name=f"rename_{kind}")
    async def rename(body: RenameReferenceBody, principal: Principal = user) -> Any:
        """It stays where it is."""
        view, ref = await door.enter(principal, "table.write", body.address)
        return await datasets.rename_reference(view, ref, body.name, body.newName, kind)

    @api.post(f"/delete-{kind}", responses=_MOVED, name=f"delete_{kind}")
    async def delete(body: ReferenceBody, principal: Principal = user) -> Any:
        """Its snapshots stay until they expire."""
        view, ref = await door.enter(principal, "table.write", body.address)
        return await datasets.delete_reference(view, ref, body.name, kind)


def _done() -> dict[str, str]:
    return {"result": "done"}


def _id(text: str) -> int:
    number = int(text)
    if number >= 1 << 63:
        raise fail("dataset.not_found.snapshot", f"{text} is too large for the id of a snapshot")
    return number
