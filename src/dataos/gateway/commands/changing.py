"""UPDATE, DELETE, MERGE, TRUNCATE: a secured query tells which rows change and what they become.

The query runs once, over one snapshot: right sides are computed of the old row, and whatever a condition says of a row
holds for all of the statement. Where somebody else has changed the table meanwhile, all of it runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from dataos.depots.rowwriting.facts import Action, Clause, Identity
from dataos.engines.ports import EngineColumn
from dataos.gateway import functions, problems, types
from dataos.gateway.commands import targets, wrapping
from dataos.gateway.commands.model import Delete, Merge, MergeClause, Named, Truncate, Update
from dataos.gateway.commands.ports import Batches, Outcome, Queries, Standing, Statements, counted, done
from dataos.gateway.commands.rows_parsing import expression
from dataos.gateway.commands.targets import Target
from dataos.gateway.qualifying import TARGET, Qualified
from dataos.gateway.relations import FILE, POSITION, Column, DatabaseScan, Decision, IcebergScan, Relation
from dataos.gateway.statements import function_name

_DELETED, _UPDATED, _INSERTED = 1, 2, 3
_ACTIONS: Mapping[str, Action] = {"delete": "delete", "update": "update", "insert": "insert"}
_FILE, _POSITION = '"__dt_c0"', '"__dt_c1"'


async def truncate(command: Truncate, names: Statements, queries: Queries) -> Outcome:
    """Take all rows away. Raises DataOSError `query.forbidden`."""
    target = await targets.existing(command.table, names)
    targets.refuse_bitten(await targets.allow(queries, names, target.relation, "truncate"), target.relation, "truncate")
    async with targets.standing(target, names, unchanged=False) as at:
        await target.writes.empty(names.principal, at)
    return done("TRUNCATE TABLE")


async def delete(command: Delete, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Delete the rows of which the condition is true."""
    target = await _target(command.table, names, queries, "delete")
    query = command.query.copy()
    query.set("from_", exp.From(this=_table(command.table)))
    query.set("expressions", _places())

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        outputs = [_FILE, _POSITION, str(_DELETED), *(wrapping.missing(c) for c in target.relation.columns)]
        return wrapping.around(sql, len(columns), _as_changes(outputs, target.relation))

    return counted("DELETE", await _run(target, query, wrap, [Clause("delete")], names, queries, query_id))


async def update(command: Update, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Change the rows of which the condition is true."""
    target = await _target(command.table, names, queries, "update")
    chosen = [targets.column(target.relation, name, names, command.table) for name in command.columns]
    places = {c.name: i for i, c in enumerate(chosen)}
    kept = [c for c in target.relation.columns if c.name not in places]
    query = command.query.copy()
    query.set("from_", exp.From(this=_table(command.table)))
    values = list(query.expressions)
    query.set("expressions", [*_places(), *values, *(_column(c.name) for c in kept)])

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        outputs = [_FILE, _POSITION, str(_code(target, 1, "update"))]
        for column in target.relation.columns:
            if column.name not in places:
                outputs.append(wrapping.value(2 + len(chosen) + kept.index(column)))
                continue
            at = 2 + places[column.name]
            _refuse_misfit(columns[at], column, values[places[column.name]], target.relation, command.table, names)
            outputs.append(wrapping.cast(wrapping.value(at), columns[at], column, exact=target.writes.by_clause))
        return wrapping.around(sql, len(columns), _as_changes(outputs, target.relation))

    clauses = [Clause("update", tuple(places))]
    return counted("UPDATE", await _run(target, query, wrap, clauses, names, queries, query_id))


async def merge(command: Merge, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Bring a source's rows into a table: for each pair of rows, or row without a partner, the first clause that holds.

    Raises DataOSError `iceberg.row_twice`, `depot.row_twice` (MERGE_TARGET_ROW_MULTIPLE_MATCHES).
    """
    target = await _target(command.table, names, queries, "merge")
    plan = _MergePlan(command, target, names)
    count = await _run(target, plan.query(), plan.wrap, plan.clauses(), names, queries, query_id)
    return counted("MERGE", count)


async def _target(name: Named, names: Statements, queries: Queries, action: str) -> Target:
    target = await targets.existing(name, names)
    targets.refuse_bitten(await targets.allow(queries, names, target.relation, action), target.relation, action)
    await targets.with_places(target.relation, target.writes, names.principal, names.source.place(name.start))
    return target


def _code(target: Target, number: int, action: str) -> int:
    """What the changes of one clause are marked with (see `TableWrites.by_clause`)."""
    return number if target.writes.by_clause else {"delete": _DELETED, "update": _UPDATED, "insert": _INSERTED}[action]


async def _run(
    target: Target,
    query: exp.Select,
    wrap: Callable[[str, Sequence[EngineColumn]], str],
    clauses: Sequence[Clause],
    names: Statements,
    queries: Queries,
    query_id: str,
) -> int:
    relation = target.relation
    standing: list[Standing] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        for found, decision in zip(qualified.relations, decided, strict=True):
            if not _is_target(found):
                continue
            if decision.bites(found):
                raise targets.refused(
                    relation, "change", "filters or masks are in effect for you on it, and only INSERT goes with them"
                )
            if _seen(found) != (standing[0].snapshot_id, standing[0].identity):
                raise targets.changed(relation)

    def survivors(files: Sequence[str]) -> Batches:
        return queries.raw(_survivors(relation, files), names, query_id)

    async with targets.standing(target, names, unchanged=True) as at:
        standing[:] = [at]
        async with queries.secured(query, names, query_id, check, wrap) as opened:
            await queries.derived(names, query_id, targets.address(relation), relation.columns, opened.qualified)
            return await target.writes.change(names.principal, at, opened.batches, clauses, survivors)


def _is_target(relation: Relation) -> bool:
    """Is it the table whose rows the statement changes?"""
    scan = relation.scan
    if isinstance(scan, DatabaseScan):
        return scan.identity is not None
    return isinstance(scan, IcebergScan) and scan.positions


def _seen(relation: Relation) -> tuple[int | None, Identity | None]:
    """As what it is read: at which snapshot, and by what its rows are named."""
    scan = relation.scan
    return (
        scan.snapshot_id if isinstance(scan, IcebergScan) else None,
        scan.identity if isinstance(scan, DatabaseScan) else None,
    )


def _survivors(relation: Relation, files: Sequence[str]) -> str:
    """All rows of some files of a table, with file and position."""
    scan = relation.scan
    assert isinstance(scan, IcebergScan)  # noqa: S101 - `with_places` has looked
    path = scan.metadata_location.removeprefix("file://")
    columns = ", ".join(exp.to_identifier(c.name, quoted=True).sql("duckdb") for c in relation.columns)
    spelled = sorted(
        {*files, *(f.removeprefix("file://") for f in files), *(f"file://{f}" for f in files if f[:1] == "/")}
    )
    listed = ", ".join(_literal(f) for f in spelled)
    return (
        f"SELECT {columns}, filename, file_row_number FROM iceberg_scan({_literal(path)}) WHERE filename IN ({listed})"
    )


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def _as_changes(outputs: Sequence[str], relation: Relation) -> list[str]:
    shown = [FILE, POSITION, "__dt_action", *(c.name for c in relation.columns)]
    return [wrapping.named(text, name) for text, name in zip(outputs, shown, strict=True)]


def _table(name: Named, alias: str | None = None) -> exp.Table:
    made = exp.Table(**targets.identifiers(name))
    if alias:
        made.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    made.meta[TARGET] = True
    return made


def _column(name: str, table: str | None = None) -> exp.Column:
    return exp.Column(
        this=exp.to_identifier(name.lower(), quoted=True),
        table=exp.to_identifier(table, quoted=True) if table else None,
    )


def _places() -> list[exp.Expr]:
    return [_column(FILE), _column(POSITION)]


def _refuse_misfit(
    have: EngineColumn, column: Column, value: exp.Expr, relation: Relation, table: Named, names: Statements
) -> None:
    if wrapping.fits(have, column) or wrapping.is_null(value):
        return
    raise names.source.refuse(
        value,
        "query.type",
        f"mismatched column types: column {column.name} of {relation.full_name} is {column.type}, the value is "
        f"{types.from_duckdb(have.type)}",
        f"CAST(... AS {column.type})",
    )


class _MergePlan:
    """The query of a MERGE, and what is made of its columns: file, position, clause, the old row, values."""

    def __init__(self, command: Merge, target: Target, names: Statements) -> None:
        self._command = command
        self._target = target
        self._relation = target.relation
        self._names = names
        self._assigned: list[tuple[MergeClause, dict[str, int]]] = []
        used: list[exp.Expr] = [expression(command.query, 0)]
        used += [expression(command.query, c.condition) for c in command.clauses if c.condition is not None]
        for node in used:
            self._refuse_random(node)
        count = 0
        for clause in command.clauses:
            columns = self._columns(clause)
            self._assigned.append((clause, {c.name: count + i for i, c in enumerate(columns)}))
            count += len(columns)

    def _refuse_random(self, node: exp.Expr) -> None:
        for call in node.find_all(exp.Anonymous):
            name = function_name(call) or ""
            if name in functions.NONDETERMINISTIC - {"now"}:
                raise self._names.source.refuse(
                    call,
                    "query.unsupported",
                    f"{name}() in a condition of MERGE is not supported",
                    "compute it in the source query, and compare the column",
                )

    def _columns(self, clause: MergeClause) -> list[Column]:
        place = self._names.source.place(clause.start)
        if clause.action == "delete":
            return []
        if clause.columns is None:
            columns = list(self._relation.columns)
        else:
            columns = [
                targets.column(self._relation, name, self._names, Named((name,), clause.start))
                for name in clause.columns
            ]
        if len(columns) != len(clause.values):
            raise problems.at(
                place,
                "query.type",
                f"MERGE clause names {len(columns)} columns ({', '.join(c.name for c in columns)}) and gives "
                f"{len(clause.values)} values",
            )
        return columns

    def query(self) -> exp.Select:
        """SELECT file, position, clause, old row, values FROM source LEFT JOIN target ON condition."""
        command = self._command
        alias = command.alias
        inserts = any(not c.matched for c in command.clauses)
        values: list[exp.Expr] = []
        for number, (clause, _) in enumerate(self._assigned, 1):
            for at in clause.values:
                value = expression(command.query, at).copy()
                if clause.action == "insert":
                    self._refuse_target(value)
                    value.meta["dt_insert"] = True
                chosen = exp.EQ(this=self._chosen(), expression=exp.Literal.number(number))
                values.append(exp.Case(ifs=[exp.If(this=chosen, true=value)]))
        old = [_column(c.name, alias) for c in self._relation.columns]
        join = exp.Join(this=_table(command.table, alias), on=expression(command.query, 0).copy())
        if inserts:
            join.set("side", "LEFT")
        source = command.query.args["from_"].copy()
        return exp.Select(
            expressions=[_column(FILE, alias), _column(POSITION, alias), self._chosen(), *old, *values],
            from_=source,
            joins=[join],
        )

    def _refuse_target(self, value: exp.Expr) -> None:
        for column in value.find_all(exp.Column):
            if column.table.lower() == self._command.alias.lower():
                raise self._names.source.refuse(
                    column,
                    "query.unknown_column",
                    f"Column '{column.table}.{column.name}' cannot be resolved: without a match there is no target row",
                )

    def _chosen(self) -> exp.Expr:
        """The number of the first clause that holds; 0 for none."""
        there = exp.Not(this=exp.Is(this=_column(FILE, self._command.alias), expression=exp.Null()))
        absent = exp.Is(this=_column(FILE, self._command.alias), expression=exp.Null())
        ifs: list[exp.Expr] = []
        for number, clause in enumerate(self._command.clauses, 1):
            holds: exp.Expr = there.copy() if clause.matched else absent.copy()
            if clause.condition is not None:
                holds = exp.And(this=holds, expression=expression(self._command.query, clause.condition).copy())
            ifs.append(exp.If(this=holds, true=exp.Literal.number(number)))
        return exp.Case(ifs=ifs, default=exp.Literal.number(0))

    def clauses(self) -> list[Clause]:
        """What each clause does to its rows."""
        return [Clause(_ACTIONS[clause.action], tuple(assigned)) for clause, assigned in self._assigned]

    def wrap(self, sql: str, columns: Sequence[EngineColumn]) -> str:
        """The changes, of the columns of `query`."""
        clause = wrapping.value(2)
        old = 3
        values = old + len(self._relation.columns)
        outputs = [_FILE, _POSITION]
        outputs.append(
            f"CASE {clause} "
            + " ".join(
                f"WHEN {n} THEN {_code(self._target, n, c.action)}" for n, (c, _) in enumerate(self._assigned, 1)
            )
            + " END"
        )
        for number, column in enumerate(self._relation.columns):
            ways: list[str] = []
            for n, (one, assigned) in enumerate(self._assigned, 1):
                if column.name in assigned:
                    at = values + assigned[column.name]
                    value = expression(self._command.query, one.values[list(assigned).index(column.name)])
                    _refuse_misfit(columns[at], column, value, self._relation, self._command.table, self._names)
                    ways.append(f"WHEN {n} THEN {wrapping.cast(wrapping.value(at), columns[at], column)}")
                elif one.action != "update":
                    ways.append(f"WHEN {n} THEN {wrapping.missing(column)}")
            keeps = wrapping.value(old + number)
            outputs.append(f"CASE {clause} {' '.join(ways)} ELSE {keeps} END" if ways else keeps)
        return wrapping.around(sql, len(columns), _as_changes(outputs, self._relation), f"{clause} > 0")
