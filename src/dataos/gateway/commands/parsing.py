"""From text to one statement of any kind that runs here. Everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sqlglot.tokenizer_core import Token

from dataos.gateway import problems, statements, tokens
from dataos.gateway.commands import rows_parsing, session_parsing, tables_parsing
from dataos.gateway.commands.model import Command
from dataos.gateway.problems import Source
from dataos.gateway.tokens import Reader

Statement = statements.Parsed | Command

_REMEMBERED_LENGTH = 8192
_READS = ("SELECT", "WITH", "VALUES", "TABLE", "(")


def parse(text: str) -> tuple[Statement, Source]:
    """One statement. Raises DataOSError `query.syntax`, `query.unsupported`."""
    reader = tokens.prepare(text)
    return read(reader), reader.source


def known(text: str) -> tuple[Statement, Source]:
    """As `parse`. A query that was read lately is not read again: its tree is everybody's, to be copied."""
    if len(text) > _REMEMBERED_LENGTH or not text.lstrip()[:6].upper().startswith(("SELECT", "WITH")):
        return parse(text)
    return _query(text)


@lru_cache(maxsize=1024)
def _query(text: str) -> tuple[Statement, Source]:
    return parse(text)


def read(reader: Reader) -> Statement:
    """As `parse`, of a statement's words."""
    word = reader.word()
    if word in _READS:
        return statements.read(reader)
    known = _PARSERS.get(word)
    if known is None:
        shown = reader.tokens[0].text.upper()
        raise problems.at(
            reader.place(),
            "query.unsupported",
            f"the statement {shown} is not supported",
            "supported: SELECT, WITH, VALUES, TABLE, " + ", ".join(sorted(_PARSERS)),
        )
    return known(reader)


def with_parameters(text: str, arguments: tuple[tuple[Token, ...], ...]) -> tuple[Statement, Source]:
    """A prepared statement with values in the place of its parameters. Raises DataOSError `query.parameters` where
    there are more or fewer, and as `parse`."""
    reader = tokens.prepare(text)
    wanted = sum(session_parsing.placeholder(t) for t in reader.tokens)
    if wanted != len(arguments):
        raise problems.at(
            (None, None),
            "query.parameters",
            f"Incorrect number of parameters: expected {wanted} but found {len(arguments)}",
        )
    given = iter(arguments)
    made: list[Token] = []
    for token in reader.tokens:
        if session_parsing.placeholder(token):
            value = next(given)
            made += rows_parsing.moved(value, token) if len(value) == 1 else rows_parsing.parenthesised(value, token)
        else:
            made.append(token)
    return read(Reader(made, reader.source)), reader.source


def with_any_values(text: str) -> Statement:
    """A prepared statement with a NULL for each parameter (1 where only a number may stand), to be looked at."""
    null, one = tokens.prepare("SELECT NULL, 1").tokens[1::2]
    reader = tokens.prepare(text)
    counting = ("LIMIT", "OFFSET", "FIRST", "NEXT")
    made = [
        rows_parsing.moved([one if tokens.word_of(before) in counting else null], token)[0]
        if session_parsing.placeholder(token)
        else token
        for before, token in zip([None, *reader.tokens], reader.tokens, strict=False)
    ]
    return read(Reader(made, reader.source))


def parameters(text: str) -> int:
    """How many parameters a statement has."""
    return sum(session_parsing.placeholder(t) for t in tokens.prepare(text).tokens)


def _explain(reader: Reader) -> Any:
    return session_parsing.explain(reader, lambda text: parse(text)[0])


_PARSERS: Mapping[str, Callable[[Reader], Any]] = {
    "ALTER": tables_parsing.alter,
    "ANALYZE": tables_parsing.analyze,
    "CALL": tables_parsing.call,
    "COMMENT": tables_parsing.comment,
    "COMMIT": session_parsing.transaction,
    "CREATE": tables_parsing.create,
    "DEALLOCATE": session_parsing.deallocate,
    "DELETE": rows_parsing.delete,
    "DESC": session_parsing.describe,
    "DESCRIBE": session_parsing.describe,
    "DROP": tables_parsing.drop,
    "EXECUTE": session_parsing.execute,
    "EXPLAIN": _explain,
    "INSERT": rows_parsing.insert,
    "MERGE": rows_parsing.merge,
    "PREPARE": session_parsing.prepare,
    "RESET": session_parsing.reset,
    "ROLLBACK": session_parsing.transaction,
    "SET": session_parsing.set_,
    "SHOW": session_parsing.show,
    "START": session_parsing.transaction,
    "TRUNCATE": rows_parsing.truncate,
    "UPDATE": rows_parsing.update,
    "USE": session_parsing.use,
}
