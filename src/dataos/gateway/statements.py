"""From text to one statement of a known kind, in Trino's dialect.

SELECT and its kin are parsed by SQLGlot, with one twist: names of functions are marked before parsing, so that
SQLGlot keeps them as written instead of turning them into its own classes (which lose names, argument order and
semantics). `dataos.gateway.functions` alone decides what a function means. SHOW, DESCRIBE and EXPLAIN have small
parsers here; everything else is refused by name. SQLGlot's opaque `Command` never passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from dataos.gateway import problems
from dataos.gateway.problems import Source
from dataos.gateway.tokens import Reader

_TRINO = Dialect.get_or_raise("trino")

MARK = "__dt_f_"
"""Prefix of a function's name in the tree: `Anonymous(this="__dt_f_abs")`."""

# Words before `(` that are syntax, types, or functions with a syntax of their own.
_SYNTAX_WORDS = """
ALL AND ANY ARRAY AS ASC BERNOULLI BETWEEN BIGINT BY CASE CAST CHAR CROSS CUBE CURRENT_TIME CURRENT_TIMESTAMP DATE
DECIMAL DEFINE DESC DISTINCT DOUBLE ELSE END EXCEPT EXISTS EXTRACT FETCH FILTER FIRST FOLLOWING FROM FULL GROUP HAVING
IF IN INNER INTERSECT INTERVAL IS JOIN LATERAL LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP MAP MATCH_RECOGNIZE MEASURES
NATURAL NEXT NORMALIZE NOT NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PATTERN PIVOT POSITION PRECEDING RANGE
RECURSIVE RIGHT ROLLUP ROW ROWS SELECT SETS SOME SUBSET SUBSTRING SYSTEM TABLE TABLESAMPLE THEN TIME TIMESTAMP TRIM
TRY_CAST UNION UNNEST UNPIVOT USING VALUES VARBINARY VARCHAR WHEN WHERE WINDOW WITH WITHIN
"""
_SYNTAX = frozenset(_SYNTAX_WORDS.split())


@dataclass(frozen=True)
class Select:
    """A query to run. `tree` is SQLGlot's, freshly parsed."""

    tree: exp.Query


@dataclass(frozen=True)
class ShowCatalogs:
    """SHOW CATALOGS [LIKE p]."""

    like: str | None = None


@dataclass(frozen=True)
class ShowSchemas:
    """SHOW SCHEMAS [FROM c] [LIKE p]."""

    catalog: str | None = None
    like: str | None = None


@dataclass(frozen=True)
class ShowTables:
    """SHOW TABLES [FROM s | c.s] [LIKE p]."""

    name: tuple[str, ...] = ()
    like: str | None = None


@dataclass(frozen=True)
class ShowColumns:
    """SHOW COLUMNS FROM t, DESCRIBE t."""

    name: tuple[str, ...]
    start: int
    like: str | None = None


@dataclass(frozen=True)
class ShowFunctions:
    """SHOW FUNCTIONS [LIKE p]."""

    like: str | None = None


Parsed = Select | ShowCatalogs | ShowSchemas | ShowTables | ShowColumns | ShowFunctions


def read(reader: Reader) -> Parsed:
    """A statement that reads, of its words. Raises DataOSError `query.syntax`, `query.unsupported`."""
    word = reader.word()
    if word == "SHOW":
        return _show(reader)
    if word in ("DESCRIBE", "DESC"):
        return _describe(reader)
    return Select(query(reader.rest(), reader.source))


def query(words: list[Token], source: Source) -> exp.Query:
    """A query of a statement's words. Raises DataOSError `query.syntax`, `query.unsupported`."""
    first = words[0]
    if first.text.upper() not in ("SELECT", "WITH", "VALUES", "TABLE", "("):
        raise problems.at(
            source.place(first.start),
            "query.unsupported",
            f"the statement {first.text.upper()} is not supported",
            "supported: SELECT, WITH, VALUES, TABLE, EXPLAIN, SHOW CATALOGS, SHOW SCHEMAS, SHOW TABLES, SHOW COLUMNS, "
            "SHOW FUNCTIONS, DESCRIBE",
        )
    marked = _mark_functions(words)
    try:
        trees = _TRINO.parser().parse(marked, source.text)
    except (ParseError, TokenError) as error:
        raise problems.syntax(error, source) from error
    except RecursionError as error:
        raise problems.at((None, None), "query.unsupported", "the statement is nested too deeply") from error
    tree = trees[0] if len(trees) == 1 else None
    if isinstance(tree, exp.Values):
        around = {key: tree.args.pop(key) for key in ("order", "limit", "offset", "with_") if tree.args.get(key)}
        tree = exp.Select(expressions=[exp.Star()], from_=exp.From(this=tree), **around)
    if not isinstance(tree, exp.Query):
        raise problems.at(source.place(first.start), "query.unsupported", "this statement is not supported")
    for node in tree.walk():
        if isinstance(node, exp.Identifier) and isinstance(node.this, str) and node.this.startswith(MARK):
            if isinstance(node.parent, exp.Anonymous) and node.arg_key == "this":
                continue
            node.set("this", node.this[len(MARK) :])  # an alias before a column list looked like a function
    return tree


def _mark_functions(tokens: list[Token]) -> list[Token]:
    marked: list[Token] = []
    for before, token, following in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        opens = following is not None and following.token_type == TokenType.L_PAREN
        wordlike = token.text[:1].isalpha() or token.text[:1] == "_"
        literal = token.token_type in (TokenType.STRING, TokenType.NUMBER)
        word = token.text.upper()
        # FILTER is a clause behind a call, and a function elsewhere.
        clause = word in _SYNTAX and not (
            word == "FILTER" and (before is None or before.token_type != TokenType.R_PAREN)
        )
        if opens and wordlike and not literal and " " not in token.text and not clause:
            kind = TokenType.IDENTIFIER if token.token_type == TokenType.IDENTIFIER else TokenType.VAR
            token = Token(kind, MARK + token.text, token.line, token.col, token.start, token.end, token.comments)
        if _decimal_text(before, token):  # DECIMAL '1.20' is the literal 1.20
            marked.pop()
            exact = token.text if "." in token.text else token.text + "."
            token = Token(TokenType.NUMBER, exact, token.line, token.col, token.start, token.end, token.comments)
        marked.append(token)
    return marked


def _decimal_text(before: Token | None, token: Token) -> bool:
    return (
        before is not None
        and before.text.upper() == "DECIMAL"
        and token.token_type == TokenType.STRING
        and re.fullmatch(r"[0-9]+(\.[0-9]*)?", token.text) is not None
    )


def _show(reader: Reader) -> Parsed:
    reader.expect("SHOW")
    kind = reader.word()
    parsed: Parsed
    if reader.accept("CATALOGS"):
        parsed = ShowCatalogs(reader.like())
    elif reader.accept("SCHEMAS"):
        catalog = reader.name(1)[0][0] if reader.accept("FROM", "IN") else None
        parsed = ShowSchemas(catalog, reader.like())
    elif reader.accept("TABLES"):
        name = reader.name(2)[0] if reader.accept("FROM", "IN") else ()
        parsed = ShowTables(name, reader.like())
    elif reader.accept("COLUMNS"):
        reader.expect("FROM", "IN")
        name, start = reader.name(3)
        parsed = ShowColumns(name, start, reader.like())
    elif reader.accept("FUNCTIONS"):
        parsed = ShowFunctions(reader.like())
    else:
        token = reader.take()
        raise problems.at(
            reader.source.place(token.start),
            "query.unsupported",
            f"SHOW {kind} is not supported",
            "supported: SHOW CATALOGS, SCHEMAS, TABLES, COLUMNS, FUNCTIONS",
        )
    reader.end()
    return parsed


def _describe(reader: Reader) -> ShowColumns:
    reader.take()
    if reader.word() in ("INPUT", "OUTPUT"):
        raise problems.at((1, 1), "query.unsupported", f"DESCRIBE {reader.word()} is not supported")
    name, start = reader.name(3)
    reader.end()
    return ShowColumns(name, start)


def function_name(node: exp.Expr) -> str | None:
    """The name of a marked function call in lower case, or None."""
    if not isinstance(node, exp.Anonymous):
        return None
    name: Any = node.this
    text = cast("str", name.this if isinstance(name, exp.Identifier) else name)
    return text[len(MARK) :].lower() if text.startswith(MARK) else text.lower()
