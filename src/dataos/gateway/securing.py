"""Step 4: what one principal may see of one relation, as a sub-query over its raw scan.

`SELECT <permitted columns, masked> FROM <raw scan at its snapshot> WHERE <filters on raw values>`. Whatever the
statement says about the relation, it says about this sub-query: a denied column has no name in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.dialects import DuckDB

from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.names import folded
from dataos.core.sqltext import quoted
from dataos.depots.rowwriting.facts import CTID
from dataos.engines.ports import EngineSession
from dataos.gateway import duckdb_types, sources, types
from dataos.gateway.relations import (
    FILE,
    POSITION,
    Column,
    DatabaseScan,
    Decision,
    DeltaScan,
    IcebergScan,
    Relation,
    RowsScan,
    ViewScan,
)
from dataos.governance import masking
from dataos.governance.exposure import AppliedFilter

_PLACES = {FILE: "filename", POSITION: "file_row_number"}
"""What the engine calls a row's file and its place in that."""


class NotMounted(DataOSError):
    """The engine does not reach a database that our catalog knows: it may have come back since the engine looked."""


@dataclass(frozen=True)
class Secured:
    """A secured relation. `sql` is its text in the engine's dialect; `raw` is what it alone may scan."""

    relation: Relation
    sql: str
    raw: tuple[str, ...]


def secure(relation: Relation, decision: Decision, session: EngineSession, cluster: str) -> Secured:
    """Build the sub-query: filters on raw values first, then masks, in what the principal may see.

    Raises DataOSError if the relation's database is not mounted in this engine now, `policy.filter` for a filter that
    cannot be applied."""
    source, raw, empty = _scan(relation, session, cluster)
    open_ = _names(relation, decision)
    places = _PLACES if isinstance(relation.scan, IcebergScan) else {}
    write = DuckDB().generator().generate  # a column after the other: of a thousand most are shown as they are
    shown = [
        f"{_projection(c, decision, empty, places, write)} AS {quoted(c.name.lower())}"
        for c in relation.columns
        if c.name.lower() in open_
    ]
    sql = f"SELECT {', '.join(shown) or 'NULL AS __dt_nothing'}"
    if source is not None:
        sql += f" FROM {write(source, copy=False)}"
    conditions = [exp.Paren(this=c) for f in decision.filters for c in _conditions(f, relation, decision)]
    if empty:
        conditions.append(exp.Paren(this=exp.false()))
    if conditions:
        sql += f" WHERE {write(exp.and_(*conditions, copy=False), copy=False)}"
    return Secured(relation, sql, raw)


def permitted(relation: Relation, decision: Decision) -> tuple[Column, ...]:
    """The columns that exist for this principal, in the relation's order, without parts that do not."""
    denied = decision.shape.denied
    if not denied:
        return relation.columns
    found: list[Column] = []
    for column in relation.columns:
        path = (column.name.lower(),)
        if path in denied:
            continue
        if any(d[0] == path[0] for d in denied):
            left = masking.remaining(types.shared(column.type), path, denied)
            if left is None:
                continue
            column = replace(column, type=types.text(left))
        found.append(column)
    return tuple(found)


def _names(relation: Relation, decision: Decision) -> frozenset[str]:
    return frozenset(c.name.lower() for c in permitted(relation, decision))


def visible(relations: Sequence[Relation], decisions: Sequence[Decision]) -> list[Relation]:
    """The relations as this principal knows them."""
    return [replace(r, columns=permitted(r, d)) for r, d in zip(relations, decisions, strict=True)]


def _projection(
    column: Column, decision: Decision, empty: bool, places: Mapping[str, str], write: Callable[..., str]
) -> str:
    name = column.name.lower()
    type_ = duckdb_types.shared(column.type)
    own = places.get(column.name, column.name)
    if not empty and type_.this not in masking.NESTED and decision.shape.masks((name,)) is None:
        return quoted(own)
    value: exp.Expr = exp.Column(this=exp.to_identifier(own, quoted=True))
    if empty:
        left = masking.remaining(type_, (name,), decision.shape.denied)
        value = exp.Cast(this=exp.Null(), to=(left if left is not None else type_).copy())
    elif not types.is_known(column.type) and decision.shape.masks((name,)) is not None:
        value = exp.Cast(this=exp.Null(), to=type_.copy())  # what it is is not known: no mask is known to fit
    else:
        value = masking.project(value, type_, (name,), decision.shape)
    return write(value, copy=False)


def _conditions(applied: AppliedFilter, relation: Relation, decision: Decision) -> list[exp.Expr]:
    """Of each column that has the name, or had it: who renames a column does not get past the filter on it."""
    wanted = folded(applied.filter.column)
    past = dict(relation.past)
    columns = [
        c
        for c in relation.columns
        if folded(c.name) == wanted
        or any(len(p) == 1 and folded(p[0]) == wanted for p in past.get((c.name.lower(),), ()))
    ]
    if not columns:
        raise fail(
            "policy.filter",
            f"policy `{applied.policy}` cannot be applied to {relation.full_name}: it filters column "
            f"`{applied.filter.column}`, which is not there",
            hint="whom the policy concerns cannot read the dataset until the policy names another column or dataset",
        )
    return [masking.condition(applied, c.name, duckdb_types.of(c.type), decision.attributes) for c in columns]


def _scan(relation: Relation, session: EngineSession, cluster: str) -> tuple[exp.Expr | None, tuple[str, ...], bool]:
    scan = relation.scan
    if isinstance(scan, IcebergScan):
        if scan.snapshot_id is None:
            return None, (), True
        path = scan.metadata_location.removeprefix("file://")
        arguments: list[exp.Expr] = [exp.Literal.string(path)]
        if scan.past:  # else the metadata file pins its own snapshot, which has all columns of now
            number = exp.Literal.number(scan.snapshot_id)
            arguments.append(exp.Kwarg(this=exp.Var(this="snapshot_from_id"), expression=number))
        call = exp.Anonymous(this="iceberg_scan", expressions=arguments)
        return exp.Table(this=call), (f"iceberg_scan:{path}:{scan.snapshot_id}",), False
    if isinstance(scan, DeltaScan):
        call = exp.Anonymous(this="delta_scan", expressions=[exp.Literal.string(scan.location)])
        return exp.Table(this=call), (f"delta_scan:{scan.location}",), False
    if isinstance(scan, RowsScan):
        return _rows(scan, relation.columns), (), False
    if isinstance(scan, ViewScan):
        raise fail("query.internal", f"view {relation.full_name} was not put in its place", hint="report this")
    return _database_table(scan, relation.columns, session, cluster)


def _rows(scan: RowsScan, columns: Sequence[Column]) -> exp.Expr:
    """`(SELECT unnest("__dt_row") FROM (SELECT unnest(CAST(CAST('[...]' AS JSON) AS STRUCT(...)[])) AS "__dt_row"))`"""
    fields = [exp.ColumnDef(this=exp.to_identifier(c.name, quoted=True), kind=duckdb_types.of(c.type)) for c in columns]
    struct = exp.DataType(this=exp.DType.STRUCT, expressions=fields, nested=True)
    listed = exp.DataType(this=exp.DType.ARRAY, expressions=[struct], nested=True)
    row = exp.to_identifier("__dt_row", quoted=True)
    read = exp.Cast(this=exp.Literal.string(scan.literal), to=exp.DataType(this=exp.DType.JSON))
    every = exp.Anonymous(this="unnest", expressions=[exp.Cast(this=read, to=listed)])
    inner = exp.Select(expressions=[exp.Alias(this=every, alias=row)])
    outer = exp.Select(expressions=[exp.Anonymous(this="unnest", expressions=[exp.Column(this=row.copy())])])
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=_alias("__dt_rows"))))
    return exp.Subquery(this=outer, alias=_alias("__dt_read"))


def _alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name, quoted=True))


def _named(value: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


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
    table: exp.Expr = exp.Table(
        this=exp.to_identifier(scan.table, quoted=True),
        db=exp.to_identifier(scan.schema, quoted=True),
        catalog=exp.to_identifier(catalog, quoted=True),
    )
    raw = (f"{catalog}.{scan.schema}.{scan.table}",)
    own = [c for c in columns if c.name not in (FILE, POSITION)]
    if scan.identity is not None and scan.identity.own == CTID:
        table = sources.with_ctid(catalog, scan.schema, scan.table, [c.name for c in own])
    if not scan.reading and scan.identity is None:
        return table, raw, False
    # Filters and masks too see the columns so: what is said of texts must not be judged by the source's collation.
    forms = dict(scan.reading)
    read = [sources.read(column.name, forms.get(column.name, "")) for column in own]
    if scan.identity is not None:
        read += [_named(sources.row_name(scan.identity, own), FILE), _named(exp.Literal.number(0), POSITION)]
    inner = exp.Select(expressions=read)
    inner.set("from_", exp.From(this=table))
    return exp.Subquery(this=inner, alias=_alias("__dt_read")), raw, False
