"""Bring a client's updates into the form that PyIceberg applies: ids of schemas, specs and sort orders.

The protocol lets the catalog decide these ids: clients send ones that are taken, that equal an existing definition
under another id, or none at all. Source: TableMetadata.Builder of Iceberg's Java reference implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.sorting import SortOrder


def normalise(updates: Sequence[dict[str, Any]], base: TableMetadata | None) -> list[dict[str, Any]]:
    """Updates with ids that fit `base`; definitions that exist already are left out. Plain JSON in and out."""
    schemas = _Ids("schema-id", "schemas", _same_schema, 0)
    specs = _Ids("spec-id", "partition_specs", _same_spec, 0)
    orders = _Ids("order-id", "sort_orders", _same_order, 1)
    for kind in (schemas, specs, orders):
        kind.start(base)
    fields = _FieldIds(base)
    properties = set(base.properties) if base else set[str]()
    result: list[dict[str, Any]] = []
    for update in updates:
        match update.get("action"):
            case "add-schema":
                result += schemas.add(update, "schema")
            case "set-current-schema":
                result.append({**update, "schema-id": schemas.resolve(update.get("schema-id", -1))})
            case "add-spec":
                fields.fill(update["spec"])
                result += specs.add(update, "spec")
            case "set-default-spec":
                result.append({**update, "spec-id": specs.resolve(update.get("spec-id", -1))})
            case "add-sort-order":
                result += orders.add(update, "sort-order")
            case "set-default-sort-order":
                result.append({**update, "sort-order-id": orders.resolve(update.get("sort-order-id", -1))})
            case "set-properties":
                properties |= set(update.get("updates", {}))
                result.append(update)
            case "remove-properties":
                result.append({**update, "removals": [r for r in update.get("removals", []) if r in properties]})
            case _:
                result.append(update)
    return result


class _Ids:
    """One kind of definition: which ids are taken, and what a client's ids became."""

    def __init__(self, key: str, attribute: str, same: Callable[[Any, dict[str, Any]], bool], first: int) -> None:
        self._key = key
        self._attribute = attribute
        self._same = same
        self._first = first
        self._existing: list[tuple[int, Any]] = []
        self._added: list[tuple[int, dict[str, Any]]] = []
        self._renamed: dict[int, int] = {}
        self._last = -1

    def start(self, base: TableMetadata | None) -> None:
        field = self._key.replace("-", "_")
        if base is not None:
            self._existing = [(getattr(d, field), d) for d in getattr(base, self._attribute)]

    def add(self, update: dict[str, Any], body: str) -> list[dict[str, Any]]:
        """The update with its final id, or nothing if the definition is there already."""
        definition = dict(update[body])
        asked = definition.get(self._key)
        for number, existing in self._existing:
            if self._same(existing, definition):
                self._note(asked, number)
                return []
        taken = {n for n, _ in self._existing} | {n for n, _ in self._added}
        for number, added in self._added:
            if {**added, self._key: 0} == {**definition, self._key: 0}:
                self._note(asked, number)
                return []
        number = asked if isinstance(asked, int) and asked >= 0 and asked not in taken else None
        if self._first and not definition.get("fields"):
            number = 0  # the order of no order
        elif number is None or number < self._first:
            number = max([*taken, self._first - 1]) + 1
        definition[self._key] = number
        self._added.append((number, definition))
        self._note(asked, number)
        return [{**update, body: definition}]

    def _note(self, asked: Any, number: int) -> None:
        self._last = number
        if isinstance(asked, int):
            self._renamed[asked] = number

    def resolve(self, number: int) -> int:
        """The final id of one that a client speaks of; -1 stays where nothing was added, and is refused later."""
        return self._last if number == -1 else self._renamed.get(number, number)


class _FieldIds:
    """Partition field ids, where a client left them out: the one of the same field elsewhere, or the next."""

    def __init__(self, base: TableMetadata | None) -> None:
        self._next = max((base.last_partition_id or 999) if base else 999, 999) + 1
        self._known = (
            {(f.source_id, str(f.transform)): f.field_id for s in base.partition_specs for f in s.fields}
            if base
            else {}
        )

    def fill(self, spec: dict[str, Any]) -> None:
        for field in spec.get("fields", []):
            if field.get("field-id") is None:
                key = (field.get("source-id"), field.get("transform"))
                field["field-id"] = self._known.get(key, self._next)
            self._next = max(self._next, field["field-id"] + 1)


def _same_schema(existing: Schema, definition: dict[str, Any]) -> bool:
    return Schema.model_validate({**definition, "schema-id": existing.schema_id}) == existing


def _same_spec(existing: PartitionSpec, definition: dict[str, Any]) -> bool:
    return PartitionSpec.model_validate({**definition, "spec-id": existing.spec_id}) == existing


def _same_order(existing: SortOrder, definition: dict[str, Any]) -> bool:
    return SortOrder.model_validate({**definition, "order-id": existing.order_id}) == existing
