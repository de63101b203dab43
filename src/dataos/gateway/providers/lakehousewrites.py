"""Tables of a Lakehouse as statements write and define them: over the catalog's rooms, through the principal's view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.depots.rowwriting.facts import Clause, Identity
from dataos.gateway.commands.model import ColumnDefinition
from dataos.gateway.commands.ports import Batches, NewTable, NewView, Survivors
from dataos.gateway.providers import icebergforms
from dataos.gateway.providers.procedures import Procedures, Rewrites
from dataos.gateway.relations import Relation
from dataos.governance.principals import Principal
from dataos.lakehouse import namespaces
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.partitioning import PartitionField
from dataos.lakehouse.stored_views import StoredViews
from dataos.lakehouse.views import PUBLISHED, AttemptView, CreateRequest, TableRef, View
from dataos.lakehouse.writing.tablerows import Standing, TableRows

_VERSION = "2"


def view_of(principal: Principal) -> View:
    """What a principal sees: a job its own run's held commits."""
    return AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED


class LakehouseWrites:
    """One warehouse. A job's token writes into its run's view (run transactions)."""

    by_clause = False

    def __init__(self, catalog: Catalog, warehouse: str, rewrites: Rewrites | None = None) -> None:
        self._catalog = catalog
        self._warehouse = warehouse
        self._procedures = Procedures(catalog, rewrites)
        self._views = StoredViews(catalog)
        self._rows = TableRows(catalog)
        self._datasets = Datasets(catalog)
        self._changes = Changes(catalog)

    def _ref(self, relation: Relation) -> TableRef:
        return TableRef(self._warehouse, relation.schema, relation.table)

    # --- rows -------------------------------------------------------------------------------------------------------

    async def stand(self, principal: Principal, relation: Relation) -> Standing:
        return await self._rows.stand(view_of(principal), self._ref(relation))

    async def identity(self, principal: Principal, relation: Relation) -> Identity | None:
        return None  # by file and position

    async def append(self, principal: Principal, at: Standing, batches: Batches, columns: Sequence[str]) -> int:
        return await self._rows.append(view_of(principal), at, batches)

    async def change(
        self, principal: Principal, at: Standing, changes: Batches, clauses: Sequence[Clause], survivors: Survivors
    ) -> int:
        return await self._rows.change(view_of(principal), at, changes, survivors)

    async def empty(self, principal: Principal, at: Standing) -> int | None:
        return await self._rows.empty(view_of(principal), at)

    # --- tables -----------------------------------------------------------------------------------------------------

    async def create(self, principal: Principal, table: NewTable, batches: Batches | None) -> int:
        request = await self._catalog.work(self._request, table)
        return await self._rows.create(view_of(principal), request, batches)

    def _request(self, table: NewTable) -> CreateRequest:
        ref = TableRef(self._warehouse, table.schema, namespaces.check(table.table, "table"))
        found = icebergforms.settings(table.properties)
        schema = {"type": "struct", "schema-id": 0, "fields": icebergforms.fields(table.columns)}
        spec = self._changes.plans().spec_for(schema, _spelled(found.partitioning or [], table))
        names = {c.name.lower(): number for number, c in enumerate(table.columns, 1)}
        order = [_sort_field(names, *one) for one in found.sorted_by or []]
        properties = {"format-version": str(found.format_version or _VERSION), **found.properties}
        if table.comment:
            properties["comment"] = table.comment
        return CreateRequest(
            ref,
            schema,
            partition_spec=spec,
            write_order={"order-id": 1, "fields": order} if order else None,
            location=found.location,
            properties=properties,
        )

    async def drop(self, principal: Principal, relation: Relation) -> None:
        await self._datasets.drop(view_of(principal), self._ref(relation), purge=True)

    async def rename(self, principal: Principal, relation: Relation, schema: str, table: str) -> None:
        target = TableRef(self._warehouse, schema, table)
        await self._catalog.rename_table(view_of(principal), self._ref(relation), target)

    async def alter(self, principal: Principal, relation: Relation, action: str, details: Mapping[str, Any]) -> None:
        view, ref = view_of(principal), self._ref(relation)
        match action:
            case "add_column":
                column: ColumnDefinition = details["column"]
                if not column.nullable:
                    raise fail(
                        "query.unsupported",
                        f"column '{column.name}' cannot be added as NOT NULL: rows that are there have no value for it",
                        hint="add it without, fill it, then ALTER COLUMN ... SET NOT NULL",
                    )
                kind = icebergforms.type_json(column.type, [0])
                await self._change(view, ref, lambda plans, m: plans.changes.add_field(m, column.name, kind))
                if column.comment:
                    await self._document(view, ref, column.name, column.comment)
            case "drop_column":
                await self._datasets.drop_field(view, ref, details["column"])
            case "rename_column":
                await self._datasets.rename_field(view, ref, details["column"], details["name"])
            case "column_type":
                kind = icebergforms.type_json(details["type"], [0])
                await self._change(view, ref, lambda plans, m: plans.changes.update_field(m, details["column"], kind))
            case "column_nullable":
                await self._datasets.set_nullable(view, ref, details["column"], details["nullable"])
            case "properties":
                await self._set_properties(view, ref, details["properties"])
            case _:
                raise fail("query.unsupported", f"ALTER TABLE: {action.replace('_', ' ')} is not supported")

    async def _set_properties(self, view: View, ref: TableRef, given: Mapping[str, Any]) -> None:
        found = icebergforms.settings(given)
        if found.location is not None or "location" in given:
            raise fail("query.property", "a table's location cannot change", hint="CREATE TABLE ... AS SELECT")
        await self._change(view, ref, lambda plans, m: _properties_plan(plans, m, found))

    async def comment(self, principal: Principal, relation: Relation, column: str | None, text: str | None) -> None:
        view, ref = view_of(principal), self._ref(relation)
        if column is not None:
            await self._document(view, ref, column, text)
        elif text is not None:
            await self._datasets.add_properties(view, ref, {"comment": text})
        elif "comment" in await self._datasets.properties(view, ref):
            await self._datasets.remove_properties(view, ref, ["comment"])

    async def _document(self, view: View, ref: TableRef, column: str, text: str | None) -> None:
        await self._change(view, ref, lambda plans, m: plans.changes.document_field(m, column, text or ""))

    async def _change(self, view: View, ref: TableRef, plan: Callable[[Any, Any], Any]) -> None:
        await self._changes.change(view, ref, plan)

    async def describe(self, principal: Principal, relation: Relation) -> Mapping[str, Any]:
        loaded = await self._catalog.load_table(view_of(principal), self._ref(relation))
        return await self._catalog.work(icebergforms.describe, loaded.metadata)

    async def procedure(
        self, principal: Principal, relation: Relation, name: str, arguments: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        return await self._procedures.run(principal, self._ref(relation), relation.udl, name, arguments)

    # --- views ------------------------------------------------------------------------------------------------------

    async def create_view(self, principal: Principal, view: NewView, *, replace: bool) -> None:
        seen, ref = view_of(principal), TableRef(self._warehouse, view.schema, view.name)
        schema = {"type": "struct", "schema-id": 0, "fields": icebergforms.fields(view.columns)}
        version = {
            "version-id": 1,
            "timestamp-ms": self._catalog.clock.now_us() // 1000,
            "schema-id": 0,
            "summary": {"engine-name": "dataos"},
            "representations": [{"type": "sql", "sql": view.text, "dialect": "trino"}],
            "default-catalog": view.catalog,
            "default-namespace": list(namespaces.split(view.default_schema)) if view.default_schema else [],
        }
        said = {"comment": view.comment} if view.comment else {}
        properties = {"dataos.security": view.security, "dataos.owner": str(principal.user_id), **said}
        definer = str(principal.user_id) if view.security == "definer" else None
        if not replace:
            await self._views.create(seen, ref, schema, version, properties, definer=definer)
            return
        gone = [] if view.comment else ["comment"]
        updates: list[Mapping[str, Any]] = [
            {"action": "set-properties", "updates": {**properties, "replace.drop-dialect.allowed": "true"}},
            {"action": "remove-properties", "removals": gone},
            {"action": "add-schema", "schema": schema},
            {"action": "add-view-version", "view-version": {**version, "schema-id": -1}},
            {"action": "set-current-view-version", "view-version-id": -1},
        ]
        await self._views.replace(seen, ref, [], updates, definer=definer)

    async def drop_view(self, principal: Principal, relation: Relation) -> None:
        await self._views.drop(view_of(principal), self._ref(relation))

    async def rename_view(self, principal: Principal, relation: Relation, schema: str, name: str) -> None:
        target = TableRef(self._warehouse, schema, name)
        await self._views.rename(view_of(principal), self._ref(relation), target)

    async def comment_view(self, principal: Principal, relation: Relation, text: str | None) -> None:
        ref = self._ref(relation)
        update: Mapping[str, Any] = (
            {"action": "remove-properties", "removals": ["comment"]}
            if text is None
            else {"action": "set-properties", "updates": {"comment": text}}
        )
        await self._views.replace(view_of(principal), ref, [], [update], definer=await self._views.definer(ref))

    async def view(self, principal: Principal, catalog: str, schema: str, name: str) -> Relation | None:
        """A view as the gateway reads it; None if there is none."""
        found = await self._views.find(view_of(principal), self._warehouse, schema, name)
        if found is None:
            return None
        ref, metadata = found
        return icebergforms.view(catalog, ref.namespace, ref.name, metadata, await self._views.definer(ref))

    async def view_names(self, principal: Principal, schema: str) -> list[str]:
        """The views of a schema."""
        return await self._views.list(view_of(principal), self._warehouse, schema)

    # --- schemas ----------------------------------------------------------------------------------------------------

    async def create_schema(self, principal: Principal, schema: str, properties: Mapping[str, Any]) -> None:
        texts = {str(k): str(v) for k, v in properties.items() if v is not None}
        await self._catalog.create_namespace(view_of(principal), self._warehouse, schema, texts)

    async def rename_schema(self, principal: Principal, schema: str, name: str) -> None:
        await self._catalog.rename_namespace(view_of(principal), self._warehouse, schema, name)

    async def drop_schema(self, principal: Principal, schema: str, cascade: bool) -> None:
        view = view_of(principal)
        if cascade:
            for name in await self._views.list(view, self._warehouse, schema):
                await self._views.drop(view, TableRef(self._warehouse, schema, name))
            for name in await self._catalog.list_tables(view, self._warehouse, schema):
                await self._datasets.drop(view, TableRef(self._warehouse, schema, name), purge=True)
        await self._catalog.drop_namespace(view, self._warehouse, schema)


def _spelled(fields: Sequence[PartitionField], table: NewTable) -> list[PartitionField]:
    known = {c.name.lower(): c.name for c in table.columns}
    return [replace(f, column=known.get(f.column.lower(), f.column)) for f in fields]


def _properties_plan(plans: Any, metadata: Any, found: icebergforms.Settings) -> Any:
    """All properties of one SET PROPERTIES as one commit."""
    updates: list[Any] = []
    requirements: list[Any] = []
    if found.partitioning is not None:
        columns = {c.lower(): c for c in metadata.schema().column_names}
        fields = [replace(f, column=columns.get(f.column.lower(), f.column)) for f in found.partitioning]
        planned = plans.changes.update_partition(metadata, fields)
        updates += planned.updates
        requirements += planned.requirements
    if found.sorted_by is not None:
        columns = {f.name.lower(): f.field_id for f in metadata.schema().fields}
        order = [_sort_field(columns, *one) for one in found.sorted_by]
        updates += [
            {"action": "add-sort-order", "sort-order": {"order-id": 1 if order else 0, "fields": order}},
            {"action": "set-default-sort-order", "sort-order-id": -1},
        ]
        requirements.append({"type": "assert-current-schema-id", "current-schema-id": metadata.current_schema_id})
    if found.format_version is not None and found.format_version != metadata.format_version:
        updates.append({"action": "upgrade-format-version", "format-version": found.format_version})
    if found.properties:
        updates.append({"action": "set-properties", "updates": found.properties})
    removals = [name for name in found.removed if name in metadata.properties]
    if removals:
        updates.append({"action": "remove-properties", "removals": removals})
    return plans.changes.Planned(tuple(updates), tuple(requirements))


def _sort_field(names: Mapping[str, int], column: str, ascending: bool, nulls_first: bool) -> dict[str, Any]:
    number = names.get(column.lower())
    if number is None:
        raise unknown_column(column, names)
    return {
        "source-id": number,
        "transform": "identity",
        "direction": "asc" if ascending else "desc",
        "null-order": "nulls-first" if nulls_first else "nulls-last",
    }


def unknown_column(column: str, names: Mapping[str, int]) -> DataOSError:
    """A column that a property names and the table has not."""
    return fail("query.property", f"there is no column '{column}' to sort by", hint=f"columns: {', '.join(names)}")
