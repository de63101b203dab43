"""The catalog `gateway`: statements and their audit as tables (ch06 5.6), each user's own, or all where policies let.

`public.query` is the query history, `public.query_audit` the audit's rows of statements. Rows are chosen here for the
principal who asks, by the rules of this very moment; a table of which a policy hides anything is closed as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import fail
from dataos.gateway import literals
from dataos.gateway.relations import Column, Relation, RowsScan, Version
from dataos.governance import objects, rules
from dataos.governance.decisions import DecisionPoint, Policies
from dataos.governance.exposure import DatasetName
from dataos.governance.policies import AccessObject
from dataos.governance.principals import Principal
from dataos.governance.rules import UseCase
from dataos.store import tables
from dataos.store.database import Store

CATALOG, SCHEMA = "gateway", "public"
MOST_ROWS = 10_000
MOST_BYTES = 6 << 20
"""Of a table's rows, written as text: the newest are shown as far as this goes."""
_q, _a = tables.query_history, tables.audit
_TABLES = 'array(row("catalog" varchar, "schema" varchar, "table" varchar, "policyname" varchar, "columns" varchar))'
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "query": (
        ("query_id", "varchar"),
        ("created_at", "bigint"),
        ("finished_at", "bigint"),
        ("user_id", "varchar"),
        ("cluster", "varchar"),
        ("source", "varchar"),
        ("dialect", "varchar"),
        ("query", "varchar"),
        ("state", "varchar"),
        ("error", "varchar"),
        ("row_count", "bigint"),
        ("bytes", "bigint"),
        ("timings", "map(varchar, double)"),
        ("plan", "varchar"),
    ),
    "query_audit": (
        ("query_id", "varchar"),
        ("created_at", "bigint"),
        ("user_id", "varchar"),
        ("allowed", "boolean"),
        ("policies", "array(varchar)"),
        ("tables", _TABLES),
    ),
}
_EVERYBODYS: dict[str, UseCase] = {"query": rules.QUERIES, "query_audit": rules.AUDIT}
"""What lets somebody see the rows of others."""

Row = tuple[Any, ...]


class HistoryProvider:
    """The catalog's tables. `of_all`: everybody may know that they are there."""

    of_all = True

    def __init__(self, store: Store, point: DecisionPoint) -> None:
        self._store = store
        self._point = point

    async def schemas(self, catalog: str, principal: Principal) -> list[str]:
        return [SCHEMA]

    async def tables(self, catalog: str, schema: str, principal: Principal) -> list[str]:
        return sorted(_COLUMNS) if schema.lower() == SCHEMA else []

    async def relation(
        self, catalog: str, schema: str, table: str, version: Version | None, principal: Principal
    ) -> Relation | None:
        """As `RelationProvider`. Raises DataOSError `query.forbidden` for a job, and where policies hide anything."""
        kind = table.lower()
        if schema.lower() != SCHEMA or kind not in _COLUMNS:
            return None
        if version is not None:
            raise fail("query.unsupported", f"{CATALOG}.{SCHEMA}.{kind} has no past states")
        literal = await self._store.read(self._literal, kind, principal)
        columns = tuple(Column(name, type_) for name, type_ in _COLUMNS[kind])
        return Relation(CATALOG, SCHEMA, kind, columns, RowsScan(literal, of_all=True))

    def forget(self, catalog: str) -> None:
        """Nothing is remembered."""

    def _literal(self, connection: sa.Connection, kind: str, principal: Principal) -> str:
        policies = self._point.now(connection)
        _check(policies, principal, kind)
        case = _EVERYBODYS[kind]
        everything = policies.decide(principal.subject_tags, case.predicates, case.thing).allowed
        user = None if everything else str(principal.user_id)
        return literals.joined(_fitting(literals.row(_COLUMNS[kind], row) for row in _READ[kind](connection, user)))


def _check(policies: Policies, principal: Principal, kind: str) -> None:
    """Raises DataOSError `query.forbidden` for a job's token, and where a policy denies or hides any of the table."""
    name = DatasetName(CATALOG, SCHEMA, kind)
    shown = f"{CATALOG}.{SCHEMA}.{kind}"
    if principal.attempt is not None:
        raise fail("query.forbidden", f"Access Denied: a job's token may not read {shown}", hint="use a user's token")
    tags = principal.subject_tags
    exposure = policies.exposure(tags, name)
    found = [applied.policy for applied in exposure.filters]
    things = [AccessObject(paths=objects.paths(name))]
    for column, _ in _COLUMNS[kind]:
        mask = exposure.mask((column,), {}) if exposure.has_masks else None
        found += [mask.policy] if mask is not None else []
        things.append(objects.column(name, (column,), ()))
    denials = (policies.access.denying(tags, objects.READ_TABLE, thing) for thing in things)
    found += [rule.name for rule in denials if rule is not None]
    if found:
        named = ", ".join(f"`{p}`" for p in dict.fromkeys(found))
        raise fail(
            "query.forbidden",
            f"Access Denied: Cannot select from table {shown}: policies deny or hide parts of it",
            hint=f"policy {named}; the table is open or closed as a whole",
        )


def _fitting(written: Iterable[str]) -> Iterator[str]:
    """The first rows, as many as a statement can carry."""
    size = 0
    for text in written:
        size += len(text)
        if size > MOST_BYTES:
            return
        yield text


def _queries(connection: sa.Connection, user: str | None) -> Iterator[Row]:
    query = sa.select(_q).order_by(_q.c.created_at.desc(), _q.c.id).limit(MOST_ROWS)
    for row in connection.execute(query if user is None else query.where(_q.c.user == user)):
        finished = row.finished_at // 1000 if row.finished_at is not None else None
        yield (
            *(row.id, row.created_at // 1000, finished, row.user, row.cluster, row.source, row.dialect, _text(row.sql)),
            *(row.state, row.error, row.rows, row.bytes, row.timings, row.plan and _text(row.plan)),
        )


def _text(sql: str) -> str:
    return sql.replace("\0", "\N{REPLACEMENT CHARACTER}")  # no engine reads what comes after it


def _audit(connection: sa.Connection, user: str | None) -> Iterator[Row]:
    query = sa.select(_a).where(_a.c.action == "query").order_by(_a.c.seq.desc()).limit(MOST_ROWS)
    for row in connection.execute(query if user is None else query.where(_a.c.actor == user)):
        told = [_told(table) for table in row.data.get("tables", ())]
        yield row.correlation, row.at // 1000, row.actor, row.allowed, list(row.policies), told


def _told(table: Mapping[str, Any]) -> Row:
    """A table of a statement: (catalog, schema, table, policies, what policies did to its columns as JSON)."""
    columns = [{"column": m["column"], "policy": m["policy"], "mask": m["mask"]} for m in table["masks"]]
    columns += [{"column": f["column"], "policy": f["policy"], "filter": f["filter"]} for f in table["filters"]]
    columns += [{"column": column, "denied": True} for column in table["denied"]]
    name = table["catalog"], table["schema"], table["table"]
    return *name, ", ".join(table["policies"]), json.dumps(columns, ensure_ascii=False)


_READ: dict[str, Callable[[sa.Connection, str | None], Iterator[Row]]] = {"query": _queries, "query_audit": _audit}
