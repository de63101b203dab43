"""INSERT, UPDATE, DELETE, MERGE, TRUNCATE: their clauses by small parsers, what is in them as one query.

Each expression stands in parentheses of our own in a SELECT list, so that nothing in it can change what is around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from dataos.core.errors import DataOSError
from dataos.gateway import problems, statements
from dataos.gateway.commands.model import Delete, Insert, Merge, MergeClause, Named, Truncate, Update
from dataos.gateway.tokens import Reader


def named(reader: Reader, most: int = 3) -> Named:
    """A name of up to so many parts."""
    parts, start = reader.name(most)
    return Named(parts, start)


def insert(reader: Reader) -> Insert:
    """INSERT INTO t [(c, ...)] query. Raises DataOSError `query.syntax`."""
    reader.expect("INSERT")
    reader.expect("INTO")
    table = named(reader)
    columns: tuple[str, ...] | None = None
    if reader.word() == "(" and reader.ahead() not in ("SELECT", "WITH", "VALUES", "TABLE", "("):
        columns = column_list(reader)
    return Insert(table, columns, statements.query(reader.rest(), reader.source))


def column_list(reader: Reader) -> tuple[str, ...]:
    """(a, b, ...)."""
    reader.expect("(")
    found = [reader.identifier()]
    while reader.accept(","):
        found.append(reader.identifier())
    reader.expect(")")
    _refuse_twice(reader, found)
    return tuple(found)


def _refuse_twice(reader: Reader, columns: Sequence[str]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.lower() in seen:
            raise problems.at(reader.place(), "query.syntax", f"column '{column}' is named more than once")
        seen.add(column.lower())


def delete(reader: Reader) -> Delete:
    """DELETE FROM t [WHERE p]."""
    reader.expect("DELETE")
    reader.expect("FROM")
    table = named(reader)
    where = _where(reader)
    return Delete(table, _select(reader, [], where))


def truncate(reader: Reader) -> Truncate:
    """TRUNCATE TABLE t."""
    reader.expect("TRUNCATE")
    reader.expect("TABLE")
    table = named(reader)
    reader.end()
    return Truncate(table)


def update(reader: Reader) -> Update:
    """UPDATE t SET c = e, ... [WHERE p]."""
    reader.expect("UPDATE")
    table = named(reader)
    reader.expect("SET")
    columns, values = _assignments(reader, "WHERE")
    where = _where(reader)
    return Update(table, tuple(columns), _select(reader, values, where))


def _assignments(reader: Reader, *until: str) -> tuple[list[str], list[list[Token]]]:
    columns: list[str] = []
    values: list[list[Token]] = []
    while True:
        columns.append(reader.identifier())
        reader.expect("=")
        values.append(reader.slice(",", *until))
        if not reader.accept(","):
            break
    _refuse_twice(reader, columns)
    return columns, values


def _where(reader: Reader) -> list[Token] | None:
    found = reader.slice(what="a condition") if reader.accept("WHERE") else None
    reader.end()
    return found


def merge(reader: Reader) -> Merge:
    """MERGE INTO t [[AS] a] USING s ON c WHEN ... ."""
    reader.expect("MERGE")
    reader.expect("INTO")
    table = named(reader)
    reader.accept("AS")
    alias = reader.identifier() if reader.word() != "USING" else table.parts[-1].lower()
    reader.expect("USING")
    source = reader.slice("ON", what="a table or a query in parentheses")
    reader.expect("ON")
    values: list[list[Token]] = [reader.slice("WHEN", what="a condition")]
    clauses: list[MergeClause] = []
    while reader.peek() is not None:
        clauses.append(_clause(reader, values))
    if not clauses:
        raise reader.wrong("'WHEN'")
    query = _select(reader, values, None, source)
    items = query.args.get("from_")
    head = items.this if isinstance(items, exp.From) else None
    if not isinstance(head, (exp.Table, exp.Subquery, exp.Values)) or query.args.get("joins") or head.args.get("joins"):
        place = reader.source.place(source[0].start)
        raise problems.at(place, "query.syntax", "MERGE takes one table, or one query in parentheses, after USING")
    return Merge(table, alias, tuple(clauses), query)


def _clause(reader: Reader, values: list[list[Token]]) -> MergeClause:
    token = reader.peek()
    start = token.start if token is not None else 0
    reader.expect("WHEN")
    matched = not reader.accept("NOT")
    reader.expect("MATCHED")
    condition = None
    if reader.accept("AND"):
        condition = _add(values, reader.slice("THEN", what="a condition"))
    reader.expect("THEN")
    made = MergeClause(matched, "", condition, None, (), start)
    if not matched:
        reader.expect("INSERT")
        columns = column_list(reader) if reader.word() == "(" else None
        reader.expect("VALUES")
        reader.expect("(")
        found = [_add(values, reader.slice(","))]
        while reader.accept(","):
            found.append(_add(values, reader.slice(",")))
        reader.expect(")")
        return replace(made, action="insert", columns=columns, values=tuple(found))
    if reader.accept("DELETE"):
        return replace(made, action="delete")
    reader.expect("UPDATE")
    reader.expect("SET")
    columns_, expressions = _assignments(reader, "WHEN")
    return replace(made, action="update", columns=tuple(columns_), values=tuple(_add(values, e) for e in expressions))


def _add(values: list[list[Token]], tokens: list[Token]) -> int:
    values.append(tokens)
    return len(values) - 1


def _select(
    reader: Reader, values: Sequence[Sequence[Token]], where: Sequence[Token] | None, source: Sequence[Token] = ()
) -> exp.Select:
    """SELECT (value), ... [FROM source] [WHERE (where)]."""
    near = reader.tokens[0]
    made: list[Token] = [_word(TokenType.SELECT, "SELECT", near)]
    for number, value in enumerate(values):
        if number:
            made.append(_word(TokenType.COMMA, ",", value[0]))
        made += parenthesised(value)
    if not values:
        made.append(_word(TokenType.NUMBER, "1", near))
    if source:
        made += [_word(TokenType.FROM, "FROM", source[0]), *source]
    if where is not None:
        made += [_word(TokenType.WHERE, "WHERE", where[0]), *parenthesised(where)]
    query = statements.query(made, reader.source)
    expected = {"expressions", *(["from_"] if source else []), *(["where"] if where is not None else [])}
    found = {key for key, value in query.args.items() if value}
    if not isinstance(query, exp.Select) or not found <= expected | {"joins"}:
        raise _malformed(reader, near)
    if len(query.expressions) != max(1, len(values)):
        raise _malformed(reader, near)
    return query


def _malformed(reader: Reader, near: Token) -> DataOSError:
    return problems.at(reader.source.place(near.start), "query.syntax", "the statement cannot be read as SQL")


def parenthesised(words: Sequence[Token], near: Token | None = None) -> list[Token]:
    """(words); with `near`, all of them stand where that word stands."""
    inside = list(words) if near is None else moved(words, near)
    return [_word(TokenType.L_PAREN, "(", inside[0]), *inside, _word(TokenType.R_PAREN, ")", inside[-1])]


def moved(words: Sequence[Token], near: Token) -> list[Token]:
    """Words that stand, for messages, where another one stands."""
    return [_word(w.token_type, w.text, near) for w in words]


def _word(kind: TokenType, text: str, near: Token) -> Token:
    return Token(kind, text, near.line, near.col, near.start, near.end, [])


def expression(query: exp.Select, position: int) -> exp.Expr:
    """One of the values of a statement's query."""
    return cast("exp.Expr", query.expressions[position])
