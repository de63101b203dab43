"""Iceberg and Delta tables that lie in the folders of a depot, without a catalog: their state of this very moment."""

from __future__ import annotations

from dataos.core.clock import rfc3339
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import ColumnDescription, StoredTable
from dataos.gateway import types
from dataos.gateway.providers.listing import DepotListing
from dataos.gateway.relations import Column, DeltaScan, IcebergScan, Relation, Version
from dataos.governance.principals import Principal

_TYPES = {"iceberg": types.from_iceberg, "delta": types.from_delta}


class TableFolderProvider(DepotListing):
    """All of them. A schema is a folder, `none` the depot's own."""

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        folder, name = schema, table
        found = await self._find(catalog, folder, name)
        if found is None:
            names = await self.find(catalog, schema, table, principal)
            if names is None:
                return None
            folder, name = names
            found = await self._find(catalog, folder, name)
        if found is None:
            return None
        if found.format == "delta":
            if version is not None:
                raise fail(
                    "query.unsupported",
                    f"past versions of Delta tables are not read: {catalog}.{folder}.{name}",
                    hint="leave FOR VERSION out",
                )
            return Relation(catalog, folder, name, _columns(found, found.columns), DeltaScan(found.location))
        snapshot, columns = _at(found, version, f"{catalog}.{folder}.{name}")
        scan = IcebergScan(found.metadata, snapshot, found.location, past=version is not None)
        return Relation(catalog, folder, name, _columns(found, columns), scan)

    def forget(self, catalog: str) -> None:
        """Nothing is remembered."""

    async def _find(self, catalog: str, folder: str, name: str) -> StoredTable | None:
        try:
            return await self._depots.table(catalog, folder, name)
        except DataOSError as error:
            if error.problem.code in ("depot.dataset_not_found", "depot.path"):
                return None
            raise


def _columns(table: StoredTable, columns: tuple[ColumnDescription, ...]) -> tuple[Column, ...]:
    named = _TYPES[table.format]
    return tuple(Column(c.name, named(c.native_type), c.nullable) for c in columns)


def _at(table: StoredTable, version: Version | None, name: str) -> tuple[int | None, tuple[ColumnDescription, ...]]:
    """The snapshot that a version names, and its columns. Raises DataOSError `query.unknown_relation`."""
    if version is None:
        return table.snapshot_id, table.columns
    wanted, said = version.snapshot_id, f"snapshot {version.snapshot_id}"
    if version.reference is not None:
        wanted, said = table.references.get(version.reference), f"branch or tag `{version.reference}`"
    elif version.timestamp_us is not None:
        until = version.timestamp_us
        past = [s for s in table.snapshots if s.current and s.made_at_us <= until]
        wanted = max(past, key=lambda s: s.made_at_us).id if past else None
        said = f"snapshot as of {rfc3339(until)}"
    found = next((s for s in table.snapshots if s.id == wanted), None)
    if found is None:
        raise fail(
            "query.unknown_relation", f"table {name} has no {said}", hint="its metadata file names those that it has"
        )
    return found.id, found.columns
