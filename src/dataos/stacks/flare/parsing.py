"""Spark SQL text to tree and back without a change of meaning. SQLGlot, held to the letter.

SQLGlot's Spark dialect turns known functions into its own nodes and writes them in its own way: `to_char(x, '999')`
comes back as a cast, `date_format(d, "'Y'")` with other letters. So functions are parsed as what they are written as:
every closing bracket carries SQLGlot's own mark for "leave this call alone", and names with a parser of their own are
hidden from it. What is left are calls by name, which the guard compares with its lists.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.tokenizer_core import TokenType

from dataos.core.errors import DataOSError, Problem
from dataos.stacks.flare.functions import words

DIALECT = Dialect.get_or_raise("spark")
MAX_SQL = 1 << 20

# Names with a parser of their own in SQLGlot, which are plain calls in Spark. CAST, EXTRACT, TRIM, SUBSTRING, POSITION
# and OVERLAY are left out: their brackets hold more than a list of arguments.
_SHIELDED = words(
    """
    ARG_MAX ARG_MIN ARGMAX ARGMIN MAX_BY MIN_BY CEIL CHAR CHR CONVERT DECODE FLOOR GAP_FILL INITCAP JSON_OBJECT
    JSON_OBJECTAGG JSON_TABLE LISTAGG MATCH NORMALIZE OPENJSON PERCENTILE PERCENTILE_APPROX APPROX_PERCENTILE SAFE_CAST
    STRING_AGG TRY_CONVERT WEIGHT_STRING XMLELEMENT XMLTABLE
    """
)
_SHIELD = "dataos__call__"
_LEAVE_ALONE = "sqlglot.anonymous"


def parse(text: str) -> list[exp.Expr]:
    """The statements of a text. Raises DataOSError `flare.sql_syntax` with line and column."""
    if len(text) > MAX_SQL:
        raise DataOSError(Problem("flare.sql_syntax", f"the SQL is longer than {MAX_SQL} characters"))
    try:
        tokens = DIALECT.tokenize(text)
        _shield(tokens)
        statements = DIALECT.parser(error_level=ErrorLevel.IMMEDIATE).parse(tokens, text)
    except ParseError as error:
        raise DataOSError([_syntax_problem(e) for e in error.errors] or [_no_sql(str(error))]) from error
    except TokenError as error:
        raise DataOSError(_no_sql(str(error))) from error
    except RecursionError as error:
        raise DataOSError(Problem("flare.sql_syntax", "the SQL is nested too deeply")) from error
    found = [s for s in statements if s is not None and not isinstance(s, exp.Semicolon)]
    for statement in found:
        _unshield(statement)
    return found


def write(tree: exp.Expr) -> str:
    """The text of a tree, as the engine gets it."""
    return tree.sql(dialect="spark", comments=False, normalize_functions=False)


def first_word(text: str) -> str:
    """The first word of a statement in upper case; empty if it cannot be read."""
    try:
        tokens = DIALECT.tokenize(text)
    except TokenError:
        return ""
    return tokens[0].text.upper() if tokens else ""


def expression(text: str) -> exp.Expr:
    """The tree of one expression that we wrote ourselves."""
    statement = parse(f"SELECT {text}")[0]
    return statement.expressions[0]


def place(node: exp.Expr | None, text: str) -> dict[str, Any]:
    """`line` and `column` (1-based) of a node in its text, from itself or the first child that knows."""
    if node is None:
        return {}
    for candidate in node.walk():
        start = candidate.meta.get("start") if candidate.meta else None
        if isinstance(start, int) and 0 <= start < max(1, len(text)):
            line = text.count("\n", 0, start)
            return {"line": line + 1, "column": start - (text.rfind("\n", 0, start) + 1) + 1}
    return {}


def _shield(tokens: list[Any]) -> None:
    for position, token in enumerate(tokens):
        if token.token_type == TokenType.R_PAREN:
            token.comments = [_LEAVE_ALONE]
        elif token.comments:
            token.comments = []
        if position + 1 == len(tokens) or tokens[position + 1].token_type != TokenType.L_PAREN:
            continue
        word = token.text.upper()
        if token.token_type == TokenType.WINDOW:
            token.token_type = TokenType.VAR  # the function window(); a WINDOW clause names its window first
        if word in _SHIELDED and token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING):
            token.text = _SHIELD + token.text
            token.token_type = TokenType.VAR


def _unshield(tree: exp.Expr) -> None:
    for node in tree.walk():
        if isinstance(node, exp.Anonymous | exp.Identifier) and isinstance(node.this, str):
            if node.this.startswith(_SHIELD):
                node.set("this", node.this[len(_SHIELD) :])
            if isinstance(node, exp.Anonymous) and node.comments:
                node.comments = None


def _syntax_problem(error: dict[str, Any]) -> Problem:
    token = str(error.get("highlight") or "").removeprefix(_SHIELD)
    near = f" at `{token[:40]}`" if token else " at the end of the text"
    what = str(error.get("description") or "not understood").replace(_SHIELD, "").split("<class")[0].strip()
    column = error.get("col")
    # SQLGlot counts to the token's last character
    start = max(1, int(column) - max(0, len(str(error.get("highlight") or "")) - 1)) if column else None
    return Problem("flare.sql_syntax", f"SQL syntax error{near}: {what}", line=error.get("line"), column=start)


def _no_sql(detail: str) -> Problem:
    return Problem("flare.sql_syntax", "the text is no SQL: " + detail.splitlines()[0][:200])
