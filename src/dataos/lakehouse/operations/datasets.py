"""The verbs on one dataset (ch06 3.2), as plain functions of the room.

All see through a view and change a table by one `Catalog.commit` whose requirements say what was looked at: a commit of
somebody else in between is never overwritten; the change is planned again on the new state, or refused. Who may call
what is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataos.core.errors import fail
from dataos.lakehouse import namespaces, rows
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.operations import columns, forms, partitioning
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.operations.forms import DatasetForm
from dataos.lakehouse.views import CreateRequest, TableRef, View

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

    from dataos.lakehouse.operations.changes import Planned
    from dataos.lakehouse.operations.plans import Plans


@dataclass(frozen=True)
class Dropped:
    """A dropped table; `metadata_location` brings it back (`register`) unless it was purged."""

    ref: TableRef
    metadata_location: str
    purged: bool


class Datasets:
    """Operations on datasets over the catalog. Stateless."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changes = Changes(catalog)

    # --- making and finding -----------------------------------------------------------------------------------------

    async def create(self, view: View, ref: TableRef, manifest: Any) -> None:
        """Make a dataset of the manifest of ch06 3.3, and its collection if that is missing.

        Raises DataOSError `dataset.manifest`, `.schema`, `.partition` (all problems, each with its path),
        `iceberg.exists.table`, `iceberg.not_found.warehouse`.
        """
        form = forms.read(manifest)
        namespaces.check(ref.name, "table")
        await self._catalog.load_warehouse(ref.warehouse)
        if await self._catalog.table_exists(view, ref):
            raise fail("iceberg.exists.table", f"table `{ref}` exists already", hint="drop it first, or write into it")
        request = await self._catalog.work(self._request, ref, form)
        await self._catalog.ensure_namespace(view, ref.warehouse, ref.namespace)
        await self._catalog.create_table(view, request)

    def _request(self, ref: TableRef, form: DatasetForm) -> CreateRequest:
        schema = {"type": "struct", "schema-id": 0, "fields": form.fields}
        spec = self._changes.plans().spec_for(schema, form.partitions)
        return CreateRequest(ref, schema, partition_spec=spec, properties=form.properties)

    async def list(self, view: View, warehouse: str, namespace: str | None = None) -> list[str]:
        """Names of a collection's datasets; without one, of all, as `collection/dataset`."""
        if namespace is not None:
            return await self._catalog.list_tables(view, warehouse, namespace)
        found = await self._catalog.store.read(rows.names, view, warehouse, views=False)
        return [f"{one}/{name}" for one, name in found]

    async def get(self, view: View, ref: TableRef) -> dict[str, Any]:
        """The YAML form: schema, iceberg.specs, iceberg.properties."""
        return forms.write(await self._parsed(view, ref), ref.name)

    async def properties(self, view: View, ref: TableRef) -> dict[str, str]:
        """A table's own properties, by name."""
        metadata = await self._parsed(view, ref)
        return dict(sorted((metadata.get("properties") or {}).items()))

    async def drop(self, view: View, ref: TableRef, *, purge: bool = False) -> Dropped:
        """Forget a dataset; with `purge` its files go too (at once, unless a backup holds them for a while)."""
        here = await self._catalog.pointer(view, ref)
        await self._catalog.drop_table(view, ref, purge=purge)
        if purge:
            await self._catalog.collect_garbage()
        return Dropped(ref, here.metadata_location, purge)

    async def register(self, view: View, ref: TableRef, metadata_location: str) -> None:
        """Take up a table by a metadata file of the warehouse: one that was dropped without `purge`."""
        await self._catalog.ensure_namespace(view, ref.warehouse, ref.namespace)
        await self._catalog.register_table(view, ref, metadata_location)

    async def _parsed(self, view: View, ref: TableRef) -> dict[str, Any]:
        loaded = await self._catalog.load_table(view, ref)
        return await self._catalog.work(_parse, loaded.metadata)

    # --- changing ---------------------------------------------------------------------------------------------------

    async def add_properties(self, view: View, ref: TableRef, properties: Mapping[str, str]) -> None:
        """Set properties."""
        await self._change(view, ref, lambda plans, metadata: plans.changes.add_properties(metadata, properties))

    async def remove_properties(self, view: View, ref: TableRef, names: Sequence[str]) -> None:
        """Unset properties; one that is not there is an error."""
        await self._change(view, ref, lambda plans, metadata: plans.changes.remove_properties(metadata, names))

    async def add_field(
        self,
        view: View,
        ref: TableRef,
        name: str,
        datatype: str,
        *,
        precision: int | None = None,
        scale: int | None = None,
        key: str | None = None,
        value: str | None = None,
    ) -> None:
        """Add an optional column; a dotted name adds inside a struct."""
        kind = columns.parse(datatype, precision, scale, key, value)
        await self._change(view, ref, lambda plans, metadata: plans.changes.add_field(metadata, name, kind))

    async def drop_field(self, view: View, ref: TableRef, name: str) -> None:
        """Drop a column or a field of a struct."""
        await self._change(view, ref, lambda plans, metadata: plans.changes.drop_field(metadata, name))

    async def rename_field(self, view: View, ref: TableRef, name: str, new_name: str) -> None:
        """Rename a column or a field of a struct."""
        await self._change(view, ref, lambda plans, metadata: plans.changes.rename_field(metadata, name, new_name))

    async def update_field(
        self,
        view: View,
        ref: TableRef,
        name: str,
        datatype: str,
        *,
        precision: int | None = None,
        scale: int | None = None,
    ) -> None:
        """Widen a column's type."""

        def plan(plans: Plans, metadata: TableMetadata) -> Planned:
            kept = scale
            if precision is not None and scale is None:  # `-p 18` alone keeps the scale that is there
                kept = plans.scale_of(metadata, name)
            return plans.changes.update_field(metadata, name, columns.parse(datatype, precision, kept))

        await self._change(view, ref, plan)

    async def set_nullable(self, view: View, ref: TableRef, name: str, nullable: bool) -> None:
        """Let a column hold nulls, or forbid it where none is held."""
        await self._change(
            view, ref, lambda plans, metadata: plans.changes.set_nullable(metadata, name, nullable, plans.has_nulls)
        )

    async def update_partition(
        self, view: View, ref: TableRef, partitions: Sequence[str], count: int | None = None
    ) -> None:
        """A new partition spec for what is written from now on, of `type:column[:name[:buckets]]` texts."""
        fields = partitioning.parse_texts(partitions, count)
        await self._change(view, ref, lambda plans, metadata: plans.changes.update_partition(metadata, fields))

    # --- snapshots and references -----------------------------------------------------------------------------------

    async def snapshots(self, view: View, ref: TableRef, branch: str | None = None) -> list[dict[str, Any]]:
        """Snapshots, oldest first: id, parent, timestamp (ms), at, operation, summary, references."""
        return await self._look(view, ref, lambda plans, metadata: plans.references.list_snapshots(metadata, branch))

    async def references(self, view: View, ref: TableRef) -> list[dict[str, Any]]:
        """Branches and tags: name, type, snapshot, and how long they are kept."""
        return await self._look(view, ref, lambda plans, metadata: plans.references.list_references(metadata))

    async def metadata(self, view: View, ref: TableRef) -> list[dict[str, Any]]:
        """Metadata files, oldest first; the last is the current one."""
        location = (await self._catalog.pointer(view, ref)).metadata_location

        def read() -> list[dict[str, Any]]:
            return self._changes.plans().references.list_metadata(self._catalog.commits().load(location), location)

        return await self._catalog.work(read)

    async def set_metadata(self, view: View, ref: TableRef, version: str) -> None:
        """`latest` is always so. Raises DataOSError `dataset.metadata` for anything else: this is a REST catalog."""
        await self._catalog.pointer(view, ref)
        if version.strip().lower() != "latest":
            raise fail(
                "dataset.metadata",
                "set metadata operation is restricted to Hadoop Catalog and HIVE Metastore based depot, for given depot"
                f": {ref.warehouse}, icebergCatalogType: HADOOP and metastoreType: REST",
                hint="the catalog is always current; set-snapshot and rollback go back in time",
            )

    async def set_snapshot(self, view: View, ref: TableRef, snapshot_id: int) -> dict[str, Any]:
        """Make any snapshot the current one. Returns how `main` moved."""
        return await self._move(view, ref, lambda plans, metadata: plans.references.set_snapshot(metadata, snapshot_id))

    async def rollback(self, view: View, ref: TableRef, snapshot_id: int) -> dict[str, Any]:
        """Go back to an ancestor of the current snapshot. Returns how `main` moved."""
        return await self._move(view, ref, lambda plans, metadata: plans.references.rollback(metadata, snapshot_id))

    async def cherry_pick(self, view: View, ref: TableRef, snapshot_id: int) -> dict[str, Any]:
        """Apply one commit on `main`. Returns how `main` moved."""
        return await self._move(view, ref, lambda plans, metadata: plans.cherry_pick(metadata, snapshot_id))

    async def create_reference(
        self,
        view: View,
        ref: TableRef,
        name: str,
        kind: str = "branch",
        snapshot_id: int | None = None,
        retention: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """A branch or tag, at the current snapshot of `main` if none is named."""
        kept = dict(retention or {})
        return await self._move(
            view, ref, lambda plans, metadata: plans.references.create(metadata, name, kind, snapshot_id, kept)
        )

    async def rename_reference(
        self, view: View, ref: TableRef, name: str, new_name: str, kind: str = "branch"
    ) -> dict[str, Any]:
        """Rename a branch or tag."""
        return await self._move(
            view, ref, lambda plans, metadata: plans.references.rename(metadata, name, new_name, kind)
        )

    async def delete_reference(self, view: View, ref: TableRef, name: str, kind: str = "branch") -> dict[str, Any]:
        """Delete a branch or tag; snapshots stay until they expire."""
        return await self._move(view, ref, lambda plans, metadata: plans.references.delete(metadata, name, kind))

    async def replace_branch(self, view: View, ref: TableRef, source: str, target: str) -> dict[str, Any]:
        """`source` comes to stand where `target` stands."""
        return await self._move(
            view, ref, lambda plans, metadata: plans.references.replace_branch(metadata, source, target)
        )

    async def fast_forward(self, view: View, ref: TableRef, source: str, target: str) -> dict[str, Any]:
        """`target` advances to where `source` stands."""
        return await self._move(
            view, ref, lambda plans, metadata: plans.references.fast_forward(metadata, source, target)
        )

    async def _look(self, view: View, ref: TableRef, look: Callable[[Plans, TableMetadata], Any]) -> Any:
        return await self._changes.look(view, ref, look)

    async def _change(self, view: View, ref: TableRef, plan: Callable[[Plans, TableMetadata], Planned]) -> Planned:
        return await self._changes.change(view, ref, plan)

    async def _move(self, view: View, ref: TableRef, plan: Callable[[Plans, TableMetadata], Planned]) -> dict[str, Any]:
        moved: dict[str, Any] = (await self._change(view, ref, plan)).result.to_json()
        return moved


def _parse(metadata: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(metadata)
    return parsed
