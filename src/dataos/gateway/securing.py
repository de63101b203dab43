"""Step 4: what one principal may see of one relation, as a sub-query over its raw scan.

`SELECT <permitted columns, masked> FROM <raw scan at its snapshot> WHERE <filters on raw values>`. Whatever the
statement says about the relation, it says about this sub-query: a denied column has no name in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dataos.core.errors import DataOSError, Problem
from dataos.engines.ports import EngineSession
from dataos.gateway import duckdb_types, sources
from dataos.gateway.relations import Column, DatabaseScan, Decision, DeltaScan, IcebergScan, Relation, RowsScan


class NotMounted(DataOSError):
    """The engine does not reach a database that our catalog knows: it may have come back since the engine looked."""


@dataclass(frozen=True)
class Secured:
    """A secured relation. `sql` is its text in the engine's dialect; `raw` is what it alone may scan."""

    relation: Relation
    tree: exp.Select
    sql: str
    raw: tuple[str, ...]


def secure(relation: Relation, decision: Decision, session: EngineSession, cluster: str) -> Secured:
    """Build the sub-query. Raises DataOSError if the relation's database is not mounted in this engine now."""
    source, raw, empty = _scan(relation, session, cluster)
    select = exp.Select(
        expressions=[_projection(c, decision.masks, empty) for c in permitted(relation, decision)]
        or [exp.Alias(this=exp.Null(), alias=exp.to_identifier("__dt_nothing", quoted=True))]
    )
    if source is not None:
        select.set("from_", exp.From(this=source))
    conditions: list[exp.Expr] = [exp.Paren(this=exp.maybe_parse(f, dialect="duckdb")) for f in decision.filters]
    if empty:
        conditions.append(exp.false())
    if conditions:
        select.set("where", exp.Where(this=exp.and_(*conditions, copy=False)))
    return Secured(relation, select, select.sql("duckdb"), raw)


def permitted(relation: Relation, decision: Decision) -> list[Column]:
    """The columns that exist for this principal, in the relation's order."""
    if decision.columns is None:
        return list(relation.columns)
    return [c for c in relation.columns if c.name.lower() in decision.columns]


def visible(relations: Sequence[Relation], decisions: Sequence[Decision]) -> list[Relation]:
    """The relations as this principal knows them."""
    return [
        Relation(r.catalog, r.schema, r.table, tuple(permitted(r, d)), r.scan)
        for r, d in zip(relations, decisions, strict=True)
    ]


def _projection(column: Column, masks: Mapping[str, str], empty: bool) -> exp.Expr:
    name = column.name.lower()
    value: exp.Expr
    if empty:
        value = exp.Cast(this=exp.Null(), to=duckdb_types.of(column.type))
    elif name in masks:
        value = exp.maybe_parse(masks[name], dialect="duckdb")
    else:
        value = exp.Column(this=exp.to_identifier(column.name, quoted=True))
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def _scan(relation: Relation, session: EngineSession, cluster: str) -> tuple[exp.Expr | None, tuple[str, ...], bool]:
    scan = relation.scan
    if isinstance(scan, IcebergScan):
        if scan.snapshot_id is None:
            return None, (), True
        path = scan.metadata_location.removeprefix("file://")
        call = exp.Anonymous(
            this="iceberg_scan",
            expressions=[
                exp.Literal.string(path),
                exp.Kwarg(this=exp.Var(this="snapshot_from_id"), expression=exp.Literal.number(scan.snapshot_id)),
            ],
        )
        return exp.Table(this=call), (f"iceberg_scan:{path}:{scan.snapshot_id}",), False
    if isinstance(scan, DeltaScan):
        call = exp.Anonymous(this="delta_scan", expressions=[exp.Literal.string(scan.location)])
        return exp.Table(this=call), (f"delta_scan:{scan.location}",), False
    if isinstance(scan, RowsScan):
        return _rows(scan, relation.columns), (), False
    return _database_table(scan, relation.columns, session, cluster)


def _rows(scan: RowsScan, columns: Sequence[Column]) -> exp.Expr:
    """`(SELECT unnest("__dt_row") FROM (SELECT unnest(CAST('[...]' AS STRUCT(...)[])) AS "__dt_row"))`."""
    fields = [exp.ColumnDef(this=exp.to_identifier(c.name, quoted=True), kind=duckdb_types.of(c.type)) for c in columns]
    struct = exp.DataType(this=exp.DType.STRUCT, expressions=fields, nested=True)
    listed = exp.DataType(this=exp.DType.ARRAY, expressions=[struct], nested=True)
    row = exp.to_identifier("__dt_row", quoted=True)
    every = exp.Anonymous(this="unnest", expressions=[exp.Cast(this=exp.Literal.string(scan.literal), to=listed)])
    inner = exp.Select(expressions=[exp.Alias(this=every, alias=row)])
    outer = exp.Select(expressions=[exp.Anonymous(this="unnest", expressions=[exp.Column(this=row.copy())])])
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=_alias("__dt_rows"))))
    return exp.Subquery(this=outer, alias=_alias("__dt_read"))


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name, quoted=True))


def _database_table(
    scan: DatabaseScan, columns: Sequence[Column], session: EngineSession, cluster: str
) -> tuple[exp.Expr | None, tuple[str, ...], bool]:
    catalog = session.catalogs.get(scan.depot)
    if catalog is None:
        problem = session.unavailable.get(scan.depot)
        if problem is not None:
            raise NotMounted(problem)
        raise NotMounted(
            Problem(
                "engine.unavailable",
                f"depot '{scan.depot}' is not mounted on cluster '{cluster}' yet",
                hint="it is mounted soon after it is applied; repeat the statement",
                retry=2.0,
            )
        )
    table = exp.Table(
        this=exp.to_identifier(scan.table, quoted=True),
        db=exp.to_identifier(scan.schema, quoted=True),
        catalog=exp.to_identifier(catalog, quoted=True),
    )
    raw = (f"{catalog}.{scan.schema}.{scan.table}",)
    if not scan.reading:
        return table, raw, False
    # Filters and masks too see the columns so: what is said of texts must not be judged by the source's collation.
    forms = dict(scan.reading)
    read = [sources.read(column.name, forms.get(column.name, "")) for column in columns]
    inner = exp.Select(expressions=read)
    inner.set("from_", exp.From(this=table))
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("__dt_read", quoted=True))), raw, False
