"""Step 2, between its halves: views are put in the place of their names, so that base tables alone are left.

A view's text is parsed and checked as every statement is. Its names are filled up with the catalog and schema that it
was made in. What it reads is decided for the session's user; where a definer lends the right to select, that is asked
of the definer anew each time, and filters and masks stay the user's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlglot import exp

from dataos.core.errors import DataOSError, fail
from dataos.gateway import problems, qualifying, shapes, statements, tokens
from dataos.gateway.problems import Source
from dataos.gateway.qualifying import BELOW, LENDER, SHOWN, TARGET, VIEW, TableName
from dataos.gateway.relations import Relation, ViewScan

_DEEPEST = 32


class Views(Protocol):
    """What is asked about names while views are expanded."""

    async def view(self, name: TableName) -> Relation | None:
        """The view of a name, None if it is none."""
        ...


Check = Callable[[Relation, str | None, TableName], Awaitable[bool]]
"""May the user select from a view? One that he may not know of stays in the query, to be refused in its turn with all
names. Raises DataOSError `query.forbidden` for a view that is closed to him. The text: who lends the right."""


async def expand(tree: exp.Query, source: Source, names: Views, check: Check, cluster: str) -> exp.Query:
    """The query without views. Raises DataOSError `query.view` for one that cannot be read, `query.forbidden`."""
    wrapper = exp.Paren(this=tree)
    await _expand(wrapper, source, names, check, cluster, ())
    result = wrapper.this
    assert isinstance(result, exp.Query)  # noqa: S101 - it was one, and its root is no table
    result.pop()
    return result


async def _expand(
    root: exp.Expr, source: Source, names: Views, check: Check, cluster: str, above: tuple[str, ...]
) -> None:
    for table in qualifying.base_tables(root):
        if table.meta.get(TARGET):
            continue
        name = qualifying.table_name(table, source)
        relation = await names.view(name)
        if relation is None:
            continue
        if not await check(relation, table.meta.get(LENDER), name):
            continue
        await _replace(table, relation, name, names, check, cluster, above)


async def _replace(
    table: exp.Table,
    relation: Relation,
    name: TableName,
    names: Views,
    check: Check,
    cluster: str,
    above: tuple[str, ...],
) -> None:
    scan = relation.scan
    assert isinstance(scan, ViewScan)  # noqa: S101 - `view` gives no other
    if name.version is not None:
        raise problems.at(name.place, "query.unsupported", f"{relation.full_name} is a view: it keeps no past versions")
    if scan.dialect != "trino":
        raise problems.at(
            name.place,
            "query.view",
            f"view {relation.full_name} has SQL in the dialect {scan.dialect} only",
            "CREATE OR REPLACE VIEW gives it SQL in Trino's",
        )
    if relation.udl in above or len(above) >= _DEEPEST:
        raise problems.at(name.place, "query.view", f"view {relation.full_name} reads itself, or views lie too deep")
    inner = _parsed(relation, scan, cluster)
    lender = scan.definer or table.meta.get(LENDER)
    for inside in qualifying.base_tables(inner):
        _fill(inside, scan)
        inside.meta[BELOW] = True
        if lender:
            inside.meta[LENDER] = lender
    await _expand(inner, Source(scan.text), names, check, cluster, (*above, relation.udl))
    for node in inner.walk():
        node.meta.pop("start", None)  # places are those of the statement, not of a view's text
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(relation.table.lower(), quoted=True))
    made = exp.Subquery(this=inner.this.pop(), alias=alias.copy())
    for key in ("sample", "joins"):
        if table.args.get(key):
            made.set(key, table.args[key])
    made.meta["dt_full"] = (relation.catalog.lower(), relation.schema.lower(), relation.table.lower())
    made.meta[VIEW] = True
    if not above:
        made.meta[SHOWN] = [column.name.lower() for column in relation.columns]
    table.replace(made)


def _parsed(relation: Relation, scan: ViewScan, cluster: str) -> exp.Paren:
    try:
        reader = tokens.prepare(scan.text)
        query = statements.query(reader.rest(), reader.source)
        return exp.Paren(this=shapes.check(query, reader.source, cluster))
    except DataOSError as error:
        raise fail(
            "query.view",
            f"view {relation.full_name} cannot be read: {error.problem.message}",
            hint="CREATE OR REPLACE VIEW it with a query that runs here",
        ) from error


def _fill(table: exp.Table, scan: ViewScan) -> None:
    """A name without catalog or schema means one of where the view was made."""
    if table.args.get("db") is None and scan.schema is not None:
        table.set("db", exp.to_identifier(scan.schema, quoted=True))
    if table.args.get("catalog") is None and scan.catalog is not None:
        table.set("catalog", exp.to_identifier(scan.catalog, quoted=True))
