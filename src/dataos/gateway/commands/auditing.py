"""A catalog's writes with the audit before each of them: what cannot be written down is not done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from dataos.depots.rowwriting.facts import Clause, Identity
from dataos.gateway.commands.ports import Batches, NewTable, NewView, Standing, Survivors, TableWrites
from dataos.gateway.relations import Relation
from dataos.governance.principals import Principal

Intend = Callable[[str, str], Awaitable[None]]
"""Writes down that (an action) is about to be done to (a full name). Raises DataOSError `store.*`."""


class AuditedWrites:
    """`TableWrites` of one catalog. Every method that changes something raises DataOSError `store.*` besides, and has
    done nothing then. Rows are written to the table that was made to stand last."""

    def __init__(self, writes: TableWrites, catalog: str, intend: Intend) -> None:
        self._writes = writes
        self._catalog = catalog
        self._intend = intend
        self._standing = ""

    def _name(self, *parts: str) -> str:
        return ".".join((self._catalog, *parts))

    @property
    def by_clause(self) -> bool:
        return self._writes.by_clause

    async def identity(self, principal: Principal, relation: Relation) -> Identity | None:
        return await self._writes.identity(principal, relation)

    async def stand(self, principal: Principal, relation: Relation) -> Standing:
        self._standing = relation.full_name
        return await self._writes.stand(principal, relation)

    async def describe(self, principal: Principal, relation: Relation) -> Mapping[str, Any]:
        return await self._writes.describe(principal, relation)

    async def append(self, principal: Principal, at: Any, batches: Batches, columns: Sequence[str]) -> int:
        await self._intend("insert", self._standing)
        return await self._writes.append(principal, at, batches, columns)

    async def change(
        self, principal: Principal, at: Any, changes: Batches, clauses: Sequence[Clause], survivors: Survivors
    ) -> int:
        await self._intend("change", self._standing)
        return await self._writes.change(principal, at, changes, clauses, survivors)

    async def empty(self, principal: Principal, at: Any) -> int | None:
        await self._intend("truncate", self._standing)
        return await self._writes.empty(principal, at)

    async def create(self, principal: Principal, table: NewTable, batches: Batches | None) -> int:
        await self._intend("create", self._name(table.schema, table.table))
        return await self._writes.create(principal, table, batches)

    async def drop(self, principal: Principal, relation: Relation) -> None:
        await self._intend("drop", relation.full_name)
        await self._writes.drop(principal, relation)

    async def rename(self, principal: Principal, relation: Relation, schema: str, table: str) -> None:
        await self._intend(f"rename to {schema}.{table}", relation.full_name)
        await self._writes.rename(principal, relation, schema, table)

    async def alter(self, principal: Principal, relation: Relation, action: str, details: Mapping[str, Any]) -> None:
        await self._intend("alter", relation.full_name)
        await self._writes.alter(principal, relation, action, details)

    async def comment(self, principal: Principal, relation: Relation, column: str | None, text: str | None) -> None:
        await self._intend("comment", relation.full_name)
        await self._writes.comment(principal, relation, column, text)

    async def procedure(
        self, principal: Principal, relation: Relation, name: str, arguments: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        await self._intend(f"call {name}", relation.full_name)
        return await self._writes.procedure(principal, relation, name, arguments)

    async def create_view(self, principal: Principal, view: NewView, *, replace: bool) -> None:
        await self._intend("create view", self._name(view.schema, view.name))
        await self._writes.create_view(principal, view, replace=replace)

    async def drop_view(self, principal: Principal, relation: Relation) -> None:
        await self._intend("drop view", relation.full_name)
        await self._writes.drop_view(principal, relation)

    async def rename_view(self, principal: Principal, relation: Relation, schema: str, name: str) -> None:
        await self._intend(f"rename view to {schema}.{name}", relation.full_name)
        await self._writes.rename_view(principal, relation, schema, name)

    async def comment_view(self, principal: Principal, relation: Relation, text: str | None) -> None:
        await self._intend("comment on view", relation.full_name)
        await self._writes.comment_view(principal, relation, text)

    async def create_schema(self, principal: Principal, schema: str, properties: Mapping[str, Any]) -> None:
        await self._intend("create schema", self._name(schema))
        await self._writes.create_schema(principal, schema, properties)

    async def drop_schema(self, principal: Principal, schema: str, cascade: bool) -> None:
        await self._intend("drop schema cascade" if cascade else "drop schema", self._name(schema))
        await self._writes.drop_schema(principal, schema, cascade)

    async def rename_schema(self, principal: Principal, schema: str, name: str) -> None:
        await self._intend(f"rename schema to {name}", self._name(schema))
        await self._writes.rename_schema(principal, schema, name)
