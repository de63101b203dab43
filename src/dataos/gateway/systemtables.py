"""System relations: `information_schema` of every catalog, and the catalog `system`. Views of our own over our own
catalog, of what this principal may know of; no engine's system tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.gateway import literals
from dataos.gateway.commands.ports import Statements
from dataos.gateway.providers import icebergforms
from dataos.gateway.qualifying import TableName
from dataos.gateway.relations import Column, HasViews, Relation, RelationProvider, RowsScan, Version, ViewScan
from dataos.governance.principals import Principal

SCHEMA = "information_schema"
SYSTEM = "system"
_MOST_BYTES = 8 << 20
_PASSED_BY = ("query.forbidden", "query.unknown_relation", "query.unsupported", "iceberg.", "depot.", "policy.filter")

_INFORMATION: dict[str, tuple[tuple[str, str], ...]] = {
    "schemata": (("catalog_name", "varchar"), ("schema_name", "varchar")),
    "tables": tuple((n, "varchar") for n in ("table_catalog", "table_schema", "table_name", "table_type")),
    "views": tuple((n, "varchar") for n in ("table_catalog", "table_schema", "table_name", "view_definition")),
    "columns": (
        ("table_catalog", "varchar"),
        ("table_schema", "varchar"),
        ("table_name", "varchar"),
        ("column_name", "varchar"),
        ("ordinal_position", "bigint"),
        ("column_default", "varchar"),
        ("is_nullable", "varchar"),
        ("data_type", "varchar"),
    ),
}
_PROPERTIES = tuple((n, "varchar") for n in ("catalog_name", "property_name", "default_value", "type", "description"))
_METADATA: dict[str, tuple[tuple[str, str], ...]] = {
    "catalogs": (("catalog_name", "varchar"), ("connector_id", "varchar")),
    "table_properties": _PROPERTIES,
    "schema_properties": _PROPERTIES,
    "column_properties": _PROPERTIES,
    "analyze_properties": _PROPERTIES,
}
_ANALYZE = {
    "columns": ("array(varchar)", "", "Columns to look at; figures are kept with the files and need no ANALYZE"),
    "partitions": ("array(array(varchar))", "", "Partitions to look at; as columns"),
}


async def information(names: Statements, catalog: str, provider: RelationProvider, table: str) -> Relation | None:
    """A table of a catalog's information_schema; None if there is none of that name.

    Raises DataOSError `query.unsupported` if it has more rows than can be told.
    """
    kind = table.lower()
    if kind not in _INFORMATION:
        return None
    rows: list[tuple[Any, ...]] = []
    for schema in await names.schemas(catalog, provider):
        if kind == "schemata":
            rows.append((catalog, schema))
            continue
        views = set(await provider.views(catalog, schema, names.principal) if isinstance(provider, HasViews) else ())
        for found in await names.tables(catalog, schema, provider):
            if kind == "tables":
                rows.append((catalog, schema, found, "VIEW" if found in views else "BASE TABLE"))
            elif kind == "columns" or found in views:
                rows += await _of_table(names, kind, catalog, schema, found)
    if kind == "schemata":
        rows.append((catalog, SCHEMA))
    return _relation(catalog, SCHEMA, kind, _INFORMATION[kind], rows)


async def _of_table(names: Statements, kind: str, catalog: str, schema: str, table: str) -> list[tuple[Any, ...]]:
    try:
        relation = await names.shown(TableName((catalog, schema, table), (None, None)))
    except DataOSError as error:
        if error.problem.code.startswith(_PASSED_BY):
            return []  # it went meanwhile, or cannot be described: others still can
        raise
    if kind == "views":
        scan = relation.scan
        return [(catalog, schema, table, scan.text)] if isinstance(scan, ViewScan) else []
    return [
        (catalog, schema, table, c.name.lower(), i, None, "YES" if c.nullable else "NO", c.type)
        for i, c in enumerate(relation.columns, 1)
    ]


class SystemProvider:
    """The catalog `system`: what catalogs there are, and the properties that statements may set."""

    of_all = True

    def __init__(self, catalogs: dict[str, bool]) -> None:
        """`catalogs`: mounted ones; can statements make tables in them?"""
        self._catalogs = catalogs

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        return ["metadata"]

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        return sorted(_METADATA) if schema.lower() == "metadata" else []

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        kind = table.lower()
        if schema.lower() != "metadata" or kind not in _METADATA:
            return None
        rows: list[tuple[Any, ...]] = []
        for name, writable in sorted(self._catalogs.items()):
            if kind == "catalogs":
                rows.append((name, name))
                continue
            known = {"table_properties": icebergforms.TABLE_PROPERTIES, "analyze_properties": _ANALYZE}.get(kind, {})
            rows += [(name, key, d, t, said) for key, (t, d, said) in known.items() if writable]
        return _relation(catalog, "metadata", kind, _METADATA[kind], rows)

    def forget(self, catalog: str) -> None:
        """Nothing is remembered."""


def _relation(
    catalog: str, schema: str, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]
) -> Relation:
    literal = literals.rows(tuple(columns), rows)
    if len(literal) > _MOST_BYTES:
        raise fail(
            "query.unsupported",
            f"{catalog}.{schema}.{table} has {len(rows):,} rows: too many to show by SQL",
            hint="SHOW TABLES and DESCRIBE tell of one schema or table",
        )
    shown = tuple(Column(name, type_) for name, type_ in columns)
    return Relation(catalog, schema, table, shown, RowsScan(literal, of_all=True))
