"""PREPARE and its kin, SET and RESET SESSION, USE, SET TIME ZONE, transactions: statements that change the session.

A statement inside of another one re-enters the way of a statement: `resolve` gives it in the other's place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataos.core.errors import Problem, fail
from dataos.core.names import did_you_mean
from dataos.engines.ports import EngineColumn
from dataos.gateway import problems, sessions, statements, types
from dataos.gateway.commands import model, parsing
from dataos.gateway.commands.ports import Outcome, Queries, Statements, done
from dataos.gateway.problems import Source
from dataos.gateway.qualifying import Qualified
from dataos.gateway.relations import Decision
from dataos.gateway.sessions import Session

_AUTOCOMMIT = Problem(
    "query.autocommit",
    "every statement is a transaction of its own: inside of START TRANSACTION statements read what is committed when "
    "they start, and those that write are refused",
    hint="leave the transaction out; a job's statements are published together",
)
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")
_SIZES = {"boolean": 1, "tinyint": 1, "smallint": 2, "integer": 4, "bigint": 8, "real": 4, "double": 8, "date": 4}


def resolve(parsed: parsing.Statement, source: Source, session: Session) -> tuple[parsing.Statement, Source]:
    """The statement that EXECUTE means, itself or inside of EXPLAIN; any other as it is.

    Raises DataOSError `query.prepared` (no such statement), `query.parameters`, and what parsing raises.
    """
    if isinstance(parsed, model.Explain):
        inner, found = resolve(parsed.inner, source, session)
        return replace(parsed, inner=inner), found
    if not isinstance(parsed, model.ExecutePrepared):
        return parsed, source
    text = parsed.text if parsed.text is not None else _prepared(session, parsed.name or "")
    inner, found = parsing.with_parameters(text, parsed.arguments)
    if isinstance(inner, (model.ExecutePrepared, model.Prepare, model.Deallocate)):
        raise problems.at((1, 1), "query.unsupported", "EXECUTE of PREPARE, EXECUTE or DEALLOCATE is not supported")
    return inner, found


def _prepared(session: Session, name: str) -> str:
    text = session.prepared.get(name)
    if text is None:
        raise fail(
            "query.prepared",
            f"Prepared statement not found: {name}",
            hint=did_you_mean(name, session.prepared) or "PREPARE name FROM statement; the session keeps it",
        )
    return text


async def run(
    command: model.SessionCommand, names: Statements, queries: Queries, query_id: str, session: Session
) -> Outcome:
    """Run one; the outcome holds the session as it is after it."""
    match command:
        case model.Prepare():
            parsing.parse(command.text)
            prepared = {**session.prepared, command.name: command.text.strip()}
            return _changed("PREPARE", replace(session, prepared=prepared))
        case model.Deallocate():
            _prepared(session, command.name)
            prepared = {k: v for k, v in session.prepared.items() if k != command.name}
            return _changed("DEALLOCATE", replace(session, prepared=prepared))
        case model.DescribePrepared():
            text = _prepared(session, command.name)
            return await (_output(text, names, queries, query_id) if command.output else _input(text))
        case model.SetSession():
            properties = {**session.properties, command.name: sessions.check(command.name, command.value)}
            return _changed("SET SESSION", replace(session, properties=properties))
        case model.ResetSession():
            if command.name not in sessions.PROPERTIES:
                sessions.check(command.name, "")
            properties = {k: v for k, v in session.properties.items() if k != command.name}
            return _changed("RESET SESSION", replace(session, properties=properties))
        case model.Use():
            return await _use(command, names, session)
        case model.SetTimeZone():
            return _time_zone(command, session)
        case model.Transaction():
            return _transaction(command, session)
        case model.ExecutePrepared():
            raise AssertionError("resolved before")


def _changed(kind: str, session: Session, warnings: Sequence[Problem] = ()) -> Outcome:
    return replace(done(kind), session=session, warnings=tuple(warnings))


async def _use(command: model.Use, names: Statements, session: Session) -> Outcome:
    place = names.source.place(command.name.start)
    wanted = command.name.parts[0] if len(command.name.parts) > 1 else names.default_catalog
    catalog, provider = names.catalog(wanted, place)
    known = await names.schemas(catalog, provider)
    schema = next((s for s in known if s.lower() == command.name.last.lower()), None)
    if schema is None:
        raise problems.at(
            place,
            "query.unknown_relation",
            f"Schema does not exist: {catalog}.{command.name.last}",
            did_you_mean(command.name.last.lower(), known),
        )
    return _changed("USE", replace(session, catalog=catalog, schema=schema))


def _time_zone(command: model.SetTimeZone, session: Session) -> Outcome:
    zone = command.zone
    offset = _OFFSET.fullmatch(zone or "")
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes > 14 * 60 or int(offset[3]) > 59:
            raise fail("query.invalid_argument", f"Invalid offset: {zone}", hint="at most 14 hours from UTC")
    elif zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise fail(
                "query.invalid_argument", f"Time zone not supported: {zone}", hint="as in Europe/Rome"
            ) from error
    told = Problem(
        "query.time_zone",
        "the time zone has no effect: this Cluster computes in UTC",
        hint="write the zone into the value, or shift it: ts + INTERVAL '2' HOUR",
    )
    return _changed("SET TIME ZONE", replace(session, time_zone=zone), [told])


def _transaction(command: model.Transaction, session: Session) -> Outcome:
    if command.verb == "START":
        if session.in_transaction:
            raise fail("query.transaction", "Nested transactions not supported", hint="COMMIT or ROLLBACK the first")
        return _changed("START TRANSACTION", replace(session, in_transaction=True), [_AUTOCOMMIT])
    if not session.in_transaction:
        raise fail("query.transaction", "No transaction in progress", hint="every statement commits by itself")
    return _changed(command.verb, replace(session, in_transaction=False))


def refuse_write_in_transaction(parsed: Any, session: Session) -> None:
    """Raise DataOSError `query.transaction` for a statement that could not be rolled back."""
    if session.in_transaction and isinstance(
        parsed, model.RowCommand | model.TableCommand | model.SchemaCommand | model.ViewCommand
    ):
        raise fail(
            "query.transaction",
            "Catalog only supports writes using autocommit: this statement could not be rolled back",
            hint="COMMIT first; every statement is a transaction of its own",
        )


# --- what a prepared statement takes and gives ------------------------------------------------------------------------


async def _input(text: str) -> Outcome:
    count = parsing.parameters(text)
    return Outcome(
        (("Position", "bigint"), ("Type", "varchar")), [(str(i), "unknown") for i in range(count)], "DESCRIBE INPUT"
    )


_OUTPUT = (
    ("Column Name", "varchar"),
    ("Catalog", "varchar"),
    ("Schema", "varchar"),
    ("Table", "varchar"),
    ("Type", "varchar"),
    ("Type Size", "bigint"),
    ("Aliased", "boolean"),
)


async def _output(text: str, names: Statements, queries: Queries, query_id: str) -> Outcome:
    parsed = parsing.with_any_values(text)
    if not isinstance(parsed, statements.Select):
        counts = isinstance(parsed, model.Insert | model.Update | model.Delete | model.Merge)
        rows = [("rows", "", "", "", "bigint", "8", "false")] if counts else []
        return Outcome(_OUTPUT, rows, "DESCRIBE OUTPUT")
    found: list[tuple[str | None, ...]] = []

    def check(qualified: Qualified, decided: Sequence[Decision]) -> None:
        del decided
        found[:] = [(name, *_origin(qualified, i)) for i, name in enumerate(qualified.names)]

    def wrap(sql: str, columns: Sequence[EngineColumn]) -> str:
        for i, column in enumerate(columns):
            type_ = types.from_duckdb(column.type)
            name, catalog, schema, table, aliased = found[i]
            size = _SIZES.get(type_.partition("(")[0], 0)
            found[i] = (name, catalog, schema, table, type_, str(size), aliased)
        return f"SELECT * FROM ({sql}) AS __dt_described LIMIT 0"

    async with queries.secured(parsed.tree, names, query_id, check, wrap):
        return Outcome(_OUTPUT, found, "DESCRIBE OUTPUT")


def _origin(qualified: Qualified, position: int) -> tuple[str, str, str, str]:
    """(catalog, schema, table, aliased) of an output column that is a table's column."""
    origin = qualified.origins[position]
    if origin is None:
        return "", "", "", "true"
    relation = qualified.relations[origin[0]]
    renamed = qualified.names[position].lower() != origin[1].lower()
    return relation.catalog, relation.schema, relation.table, str(renamed).lower()
