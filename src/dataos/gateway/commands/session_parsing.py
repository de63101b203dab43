"""PREPARE and its kin, SET, RESET, USE, transactions, EXPLAIN, SHOW of more than names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot.tokenizer_core import TokenType

from dataos.gateway import problems, statements
from dataos.gateway.commands.constants import constant
from dataos.gateway.commands.model import (
    Command,
    Deallocate,
    DescribePrepared,
    ExecutePrepared,
    Explain,
    Prepare,
    ResetSession,
    SetSession,
    SetTimeZone,
    ShowCreate,
    ShowSession,
    ShowStats,
    Transaction,
    Use,
)
from dataos.gateway.commands.rows_parsing import named
from dataos.gateway.tokens import Reader

_LEVELS = (("READ", "UNCOMMITTED"), ("READ", "COMMITTED"), ("REPEATABLE", "READ"), ("SERIALIZABLE",))


def prepare(reader: Reader) -> Prepare:
    """PREPARE n FROM statement."""
    reader.expect("PREPARE")
    name = reader.identifier()
    reader.expect("FROM")
    if reader.word() in ("PREPARE", "EXECUTE", "DEALLOCATE"):
        raise problems.at(reader.place(), "query.unsupported", f"{reader.word()} cannot be prepared")
    text = reader.inner()
    reader.rest()
    return Prepare(name, text)


def execute(reader: Reader) -> ExecutePrepared:
    """EXECUTE n [USING ...], EXECUTE IMMEDIATE 'statement' [USING ...]."""
    reader.expect("EXECUTE")
    name = text = None
    if reader.accept("IMMEDIATE"):
        text = reader.text()
    else:
        name = reader.identifier()
    arguments: list[tuple[Any, ...]] = []
    if reader.accept("USING"):
        arguments.append(tuple(reader.slice(",", what="a value")))
        while reader.accept(","):
            arguments.append(tuple(reader.slice(",", what="a value")))
    reader.end()
    return ExecutePrepared(name, text, tuple(arguments))


def deallocate(reader: Reader) -> Deallocate:
    """DEALLOCATE PREPARE n."""
    reader.expect("DEALLOCATE")
    reader.expect("PREPARE")
    name = reader.identifier()
    reader.end()
    return Deallocate(name)


def describe(reader: Reader) -> Any:
    """DESCRIBE INPUT | OUTPUT n; DESCRIBE t."""
    if reader.ahead() in ("INPUT", "OUTPUT") and reader.ahead(2) not in ("", "."):
        reader.take()
        output = reader.word() == "OUTPUT"
        reader.take()
        name = reader.identifier()
        reader.end()
        return DescribePrepared(name, output)
    return statements.read(reader)


def set_(reader: Reader) -> Command:
    """SET SESSION, SET TIME ZONE. SET PATH, ROLE and SESSION AUTHORIZATION are refused by name."""
    reader.expect("SET")
    place = reader.place()
    if reader.sequence("TIME", "ZONE"):
        return _time_zone(reader)
    if reader.word() == "SESSION" and reader.ahead() == "AUTHORIZATION":
        raise problems.at(
            place, "query.unsupported", "SET SESSION AUTHORIZATION is not supported", "log in as that user"
        )
    if reader.word() in ("ROLE", "PATH"):
        hint = {
            "ROLE": "grants and tags decide what you may do: there are no roles to choose",
            "PATH": "there are no functions but those of SHOW FUNCTIONS; USE c.s sets where tables are looked for",
        }[reader.word()]
        raise problems.at(place, "query.unsupported", f"SET {reader.word()} is not supported", hint)
    reader.expect("SESSION")
    name = ".".join(reader.name(2)[0]).lower()
    reader.expect("=")
    value = constant(reader)
    reader.end()
    return SetSession(name, value)


def _time_zone(reader: Reader) -> SetTimeZone:
    if reader.accept("LOCAL"):
        reader.end()
        return SetTimeZone(None)
    if reader.accept("INTERVAL"):
        sign = "-" if reader.accept("-") else ""
        reader.accept("+")
        amount = reader.text()
        reader.expect("HOUR")
        if reader.accept("TO"):
            reader.expect("MINUTE")
        reader.end()
        hours, _, minutes = amount.lstrip("+-").partition(":")
        minus = (sign == "-") != amount.startswith("-")
        if not hours.isdigit() or not (minutes or "0").isdigit():
            raise problems.at((1, 1), "query.syntax", f"'{amount}' is no interval of hours")
        return SetTimeZone(f"{'-' if minus else '+'}{int(hours):02d}:{int(minutes or 0):02d}")
    zone = reader.text()
    reader.end()
    return SetTimeZone(zone)


def reset(reader: Reader) -> Command:
    """RESET SESSION name."""
    reader.expect("RESET")
    reader.expect("SESSION")
    if reader.word() == "AUTHORIZATION":
        raise problems.at(reader.place(), "query.unsupported", "RESET SESSION AUTHORIZATION is not supported")
    name = ".".join(reader.name(2)[0]).lower()
    reader.end()
    return ResetSession(name)


def use(reader: Reader) -> Use:
    """USE [c.]s."""
    reader.expect("USE")
    name = named(reader, 2)
    reader.end()
    return Use(name)


def transaction(reader: Reader) -> Transaction:
    """START TRANSACTION [modes], COMMIT [WORK], ROLLBACK [WORK]."""
    verb = reader.word()
    reader.take()
    if verb != "START":
        reader.accept("WORK")
        reader.end()
        return Transaction(verb)
    reader.expect("TRANSACTION")
    while reader.peek() is not None:
        if reader.sequence("ISOLATION", "LEVEL"):
            if not any(reader.sequence(*level) for level in _LEVELS):
                raise reader.wrong("'READ UNCOMMITTED' or 'READ COMMITTED' or 'REPEATABLE READ' or 'SERIALIZABLE'")
        elif reader.accept("READ"):
            reader.expect("ONLY", "WRITE")
        else:
            raise reader.wrong("'ISOLATION LEVEL' or 'READ ONLY' or 'READ WRITE'")
        if not reader.accept(","):
            break
    reader.end()
    return Transaction(verb)


def show(reader: Reader) -> Any:
    """SHOW CREATE ..., SHOW STATS FOR ..., SHOW SESSION; the rest is `statements`'."""
    if reader.ahead() == "CREATE":
        reader.take()
        reader.take()
        kind = reader.word().lower()
        reader.expect("TABLE", "VIEW", "SCHEMA")
        name = named(reader, 2 if kind == "schema" else 3)
        reader.end()
        return ShowCreate(kind, name)
    if reader.ahead() == "STATS":
        reader.take()
        reader.take()
        reader.expect("FOR")
        if reader.word() != "(":
            table = named(reader)
            reader.end()
            return ShowStats(table, None)
        words = reader.rest()
        return ShowStats(None, statements.query(words, reader.source))
    if reader.ahead() == "SESSION":
        reader.take()
        reader.take()
        like = reader.like()
        reader.end()
        return ShowSession(like)
    return statements.read(reader)


def explain(reader: Reader, inner: Callable[[str], Any]) -> Explain:
    """EXPLAIN [ANALYZE [VERBOSE]] [(TYPE t, FORMAT f)] statement. `inner` parses the statement's text."""
    reader.expect("EXPLAIN")
    analyze = reader.accept("ANALYZE")
    if analyze:
        reader.accept("VERBOSE")
    options = {"TYPE": "DISTRIBUTED", "FORMAT": "TEXT"}
    # `EXPLAIN (SELECT 1)` is a query in parentheses, `EXPLAIN (TYPE VALIDATE) ...` an option list.
    if not analyze and reader.word() == "(" and reader.ahead() in options:
        reader.take()
        while True:
            key = reader.word()
            reader.expect("TYPE", "FORMAT")
            options[key] = reader.take().text.upper()
            if not reader.accept(","):
                break
        reader.expect(")")
    if options["TYPE"] not in ("LOGICAL", "DISTRIBUTED", "VALIDATE", "IO", "POLICY") or options["FORMAT"] not in (
        "TEXT",
        "JSON",
    ):
        raise problems.at(
            (1, 1),
            "query.unsupported",
            f"EXPLAIN (TYPE {options['TYPE']}, FORMAT {options['FORMAT']}) is not supported",
            "types: LOGICAL, DISTRIBUTED, VALIDATE, IO; formats: TEXT, JSON",
        )
    if reader.peek() is None:
        raise reader.wrong("a query")
    return Explain(options["TYPE"], options["FORMAT"], analyze, inner(reader.inner()))


def placeholder(token: Any) -> bool:
    """Is a word a parameter, `?`?"""
    return token.token_type == TokenType.PLACEHOLDER
