"""Lakehouse: register its warehouse with the catalog and keep its child Depot (ch06 1.5).

Children get deterministic names, are applied through the same verbs as any Resource, and go with their parent. Storage
contents are never deleted: a Lakehouse that is applied again finds its tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.control.resources import ApplyRequest, Resources
from dataos.core.addresses import ResourceKey
from dataos.core.errors import Problem
from dataos.core.ids import UserId
from dataos.kinds.lakehouse.spec import LakehouseSpec
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import SCHEME
from dataos.manifest.blocks import SecretUse
from dataos.manifest.documents import Manifest
from dataos.manifest.specs import render
from dataos.store.database import Store


class LakehouseController:
    """The `lakehouse` kind."""

    def __init__(
        self, store: Store, catalog: Catalog, resources: Resources, home: Path, allowed_paths: tuple[Path, ...]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._resources = resources
        self._home = home
        self._allowed_paths = allowed_paths

    def root(self, spec: LakehouseSpec) -> Path:
        """The folder where the tables live, if no bucket holds them."""
        if spec.path is None:
            return self._home / "warehouse" / spec.depot
        path = Path(spec.path)
        return path if path.is_absolute() else (self._allowed_paths[0] / path)

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """An explicit path lies under an allowed one, a bucket's folder is no other Lakehouse's; the Depot's name is
        free or ours."""
        spec: LakehouseSpec = manifest.spec
        problems: list[Problem] = []
        where = (manifest.section_key, "iceberg", "storage")
        root = self.root(spec).resolve()
        if spec.path is not None and not any(root.is_relative_to(a) for a in self._allowed_paths):
            problems.append(
                Problem(
                    "depot.path",
                    f"{root} does not lie under an allowed folder",
                    hint="allowed: "
                    + ", ".join(str(a) for a in self._allowed_paths)
                    + " (setting storage.allowed_paths, or `dataos up --allow DIR`)",
                    path=render((*where, "file", "path")),
                )
            )
        if spec.place:
            problems += await self._store.read(self._check_bucket, manifest, spec)
        return problems + await self._store.read(self._check_depot, manifest, spec)

    def _check_bucket(self, connection: sa.Connection, manifest: Manifest, spec: LakehouseSpec) -> list[Problem]:
        other = self._catalog.overlapping_warehouse(connection, spec.depot, bucket_location(spec))
        if other is None:
            return []
        return [
            Problem(
                "resource.conflict",
                f"{bucket_location(spec)} holds the tables of Lakehouse depot `{other}`",
                hint="choose another bucket or relativePath: two Lakehouses cannot share files",
                path=render((manifest.section_key, "iceberg", "storage", "s3")),
            )
        ]

    @staticmethod
    def _check_depot(connection: sa.Connection, manifest: Manifest, spec: LakehouseSpec) -> list[Problem]:
        own = records.find(connection, manifest.key)
        depot = records.find(connection, ResourceKey("depot", spec.depot))
        if depot is None or (own is not None and depot.parent_uid == own.uid):
            return []
        return [
            Problem(
                "resource.conflict",
                f"a depot named `{spec.depot}` exists already",
                hint="choose another depotName",
                path=render((manifest.section_key, "iceberg", "storage", "depotName")),
            )
        ]

    def provides(self, manifest: Manifest) -> tuple[ResourceKey, ...]:
        """Its Depot."""
        return (ResourceKey("depot", manifest.spec.depot),)

    async def reconcile(self, view: ResourceView) -> Observed:
        """Folder, warehouse, child Depot."""
        spec: LakehouseSpec = view.manifest.spec
        root = bucket_location(spec)
        if not spec.place:
            folder = self.root(spec)
            folder.mkdir(parents=True, exist_ok=True)
            root = str(folder)
        await self._store.write(self._register, view, spec, root)
        previous = view.state.get("depot")
        if previous and previous != spec.depot:
            await self._resources.delete(ResourceKey("depot", previous), view.owner, force=True, wait_s=0)
        document = await self._store.read(_depot, view.manifest, spec)
        child = await self._resources.apply(ApplyRequest(document=document, actor=view.owner, parent_uid=view.uid))
        ready = child.resource["status"] == "active"
        state: dict[str, Any] = {**view.state, "depot": spec.depot}
        return Observed(
            status="active" if ready else "pending",
            wanted=2,
            processed=2 if ready else 1,
            info=f"tables at dataos://{spec.depot}",
            state=state,
            again_s=None if ready else 0.05,
        )

    def _register(self, connection: sa.Connection, view: ResourceView, spec: LakehouseSpec, root: str) -> None:
        view.lease.check(connection)
        self._catalog.register_warehouse(connection, spec.depot, view.uid, root)

    async def delete(self, view: ResourceView) -> bool:
        """The child Depot goes; the files and the catalog's pointers to them stay."""
        depot = view.state.get("depot") or view.manifest.spec.depot
        gone = await self._resources.delete(ResourceKey("depot", depot), view.owner, force=True, wait_s=0)
        return gone in ("nothing", "deleted")

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """A warehouse of the catalog, and the Depot of that name."""
        depot = str((row.state or {}).get("depot") or "")
        if not depot:  # it was not looked at yet
            return Made()
        return Made(
            kept=(
                service_record(depot, "iceberg", "warehouse", f"/iceberg/v1/config?warehouse={depot}"),
                service_record(depot, "poros", "depot", f"/api/v1/resources/depot/{depot}"),
            )
        )


def bucket_location(spec: LakehouseSpec) -> str:
    """Root of the tables in a bucket: `s3://bucket/folder`, however the manifest spells the scheme. Iceberg's clients
    agree on this one."""
    return "/".join(part for part in (f"{SCHEME}{spec.place.get('bucket')}", spec.place.get("relativePath")) if part)


def _depot(connection: sa.Connection, manifest: Manifest, spec: LakehouseSpec) -> dict[str, Any]:
    location: dict[str, Any] = {"warehouse": spec.depot}
    section: dict[str, Any] = {"type": "ICEBERG", "external": False, "iceberg": location}
    if spec.place:
        location["s3"] = spec.place
        section["secrets"] = [_secret(connection, use, manifest.workspace) for use in spec.secrets]
    return {
        "name": spec.depot,
        "version": "v2alpha",
        "type": "depot",
        "layer": manifest.layer,
        "description": f"storage of lakehouse {manifest.meta.name} ({manifest.workspace})",
        "depot": section,
    }


def _secret(connection: sa.Connection, use: SecretUse, workspace: str | None) -> dict[str, Any]:
    """A use of a secret as a depot has it: an Instance-Secret, else the Secret of the Lakehouse's workspace."""
    place = use.workspace
    if place is None and records.find(connection, ResourceKey("instance-secret", use.name)) is None:
        place = workspace
    return {"name": use.name, "allKeys": True, **({"workspace": place} if place else {})}
