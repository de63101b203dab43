"""Our own words for what goes wrong with a statement. Engine text never gets here.

Places are Trino's: `line L:C: text`, both 1-based, counted in the user's own text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from dataos.core.errors import DataOSError, Problem
from dataos.engines.ports import EngineFailure, FailureKind
from dataos.governance.principals import Principal


class Source:
    """The user's text, for places and for names as written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def place(self, start: int | None) -> tuple[int | None, int | None]:
        """(line, column) of a character offset."""
        if start is None or not 0 <= start <= len(self.text):
            return None, None
        return self.text.count("\n", 0, start) + 1, start - (self.text.rfind("\n", 0, start) + 1) + 1

    def of(self, node: exp.Expr | None) -> tuple[int | None, int | None]:
        """Where a node stands: the first place that anything in it has."""
        if node is None:
            return None, None
        starts = [inner.meta.get("start") for inner in node.walk()]
        known = [start for start in starts if isinstance(start, int)]
        return self.place(min(known)) if known else (None, None)

    def refuse(self, node: exp.Expr | None, code: str, message: str, hint: str = "", **more: Any) -> DataOSError:
        """An error at a node."""
        return at(self.of(node), code, message, hint, **more)


def at(place: tuple[int | None, int | None], code: str, message: str, hint: str = "", **more: Any) -> DataOSError:
    """An error at a place; the message starts with it, as Trino's do."""
    line, column = place
    if line is not None:
        message = f"line {line}:{column}: {message}"
    return DataOSError(Problem(code, message, hint=hint, line=line, column=column, **more))


def syntax(error: ParseError | TokenError, source: Source) -> DataOSError:
    """A parser's complaint in Trino's form."""
    details: list[dict[str, Any]] = getattr(error, "errors", None) or []
    if details:
        first = details[0]
        found = str(first.get("highlight") or "")
        line, column = first.get("line"), first.get("col")
        if isinstance(line, int) and isinstance(column, int):
            place = (line, max(1, column - max(0, len(found) - 1)))
            description = str(first.get("description") or "")
            # Where something is missing at the very end, SQLGlot points at the last token.
            lacking = description.startswith(("Required", "Expect")) and found not in ("", ")", ",")
            if lacking and source.text.rstrip(" \n\t;").endswith(found) and not first.get("end_context"):
                found, place = "<EOF>", source.place(len(source.text))
            what = f"mismatched input '{found}'" if found else "the statement ends too early"
            expecting = re.match(r"(?:Expecting|Expected) (\S+)", description)
            tail = f". Expecting: '{expecting[1].rstrip('.')}'" if expecting else ""
            return at(place, "query.syntax", what + tail, "look just before this place")
    return at((None, None), "query.syntax", "the statement cannot be read as SQL", "is a quote or parenthesis open?")


def unsupported(source: Source, node: exp.Expr | None, what: str, hint: str = "") -> DataOSError:
    """Something that Trino has, or that nobody has, and that this gateway does not run."""
    return source.refuse(node, "query.unsupported", f"{what} is not supported", hint)


_ERROR_WORDS = {
    "DIVISION_BY_ZERO": ("query.division_by_zero", "Division by zero", "guard it: NULLIF(x, 0), or TRY(...)"),
    "INVALID_SUBSCRIPT": (
        "query.invalid_argument",
        "Array subscript out of bounds, or key not present in map",
        "element_at gives NULL instead",
    ),
    "INVALID_ARGUMENT": ("query.invalid_argument", "A function got an argument that it does not take", ""),
}

_BY_KIND: dict[FailureKind, tuple[str, str, str]] = {
    FailureKind.CONVERSION: (
        "query.invalid_cast",
        "A value cannot be cast to the wanted type, or does not fit it",
        "TRY_CAST gives NULL instead",
    ),
    FailureKind.RANGE: ("query.out_of_range", "A numeric value is out of range", "cast to a wider type"),
    FailureKind.INPUT: ("query.invalid_argument", "A function got an argument that it does not take", ""),
    FailureKind.BINDING: (
        "query.type",
        "The types of an expression, function or operator do not go together",
        "look for comparisons and function arguments of different types; CAST one of them",
    ),
    FailureKind.MEMORY: (
        "query.memory",
        "The statement needs more memory than its cluster may use (engine.memory_mib)",
        "narrow it, aggregate earlier, or raise engine.memory_mib",
    ),
    FailureKind.DISK: (
        "query.spill",
        "The statement needs more disk for intermediate results than its cluster may use (engine.spill_mib)",
        "narrow it, aggregate earlier, or raise engine.spill_mib",
    ),
    FailureKind.SOURCE: (
        "depot.unreachable",
        "A source of the statement could not be read",
        "is the database running? The server's log holds its words",
    ),
    FailureKind.CANCELLED: ("query.cancelled", "The statement was cancelled", ""),
}


def from_engine(failure: EngineFailure, query_id: str) -> DataOSError:
    """A coded error without any of the engine's words. The caller logs those under the query id."""
    for word, (code, message, hint) in _ERROR_WORDS.items():
        if failure.kind is FailureKind.INPUT and word in failure.text:
            return DataOSError(Problem(code, message, hint=hint))
    if failure.kind is FailureKind.INPUT and "More than one row returned by a subquery" in failure.text:
        return DataOSError(Problem("query.invalid_argument", "Scalar sub-query has returned multiple rows"))
    if failure.kind is FailureKind.BINDING and "GROUP BY clause" in failure.text:
        return DataOSError(
            Problem(
                "query.group_by",
                "An expression must be an aggregate expression or appear in the GROUP BY clause",
                hint="add the column that is selected (or ordered by) to GROUP BY, or wrap it: max(x), arbitrary(x)",
            )
        )
    if failure.text.startswith("Not implemented") and "correlated" in failure.text:
        return DataOSError(
            Problem(
                "query.unsupported",
                "A sub-query, or LATERAL, names a column from outside of it under an outer join, which this engine "
                "cannot run",
                hint="compute the sub-query in a WITH relation with the column that it needs, and join that",
            )
        )
    if "Invalid type in column" in failure.text or "field format" in failure.text:
        return DataOSError(
            Problem(
                "query.invalid_cast",
                "A SQLite table holds a value that does not have its column's declared type",
                hint="SQLite lets any value in: correct the rows, or read the column through a view that CASTs it",
            )
        )
    known = _BY_KIND.get(failure.kind)
    if known is not None:
        passing = 5.0 if failure.kind is FailureKind.SOURCE else None
        return DataOSError(Problem(known[0], known[1], hint=known[2], retry=passing))
    return DataOSError(
        Problem(
            "query.internal",
            f"the statement could not be run as translated for this engine (query {query_id})",
            hint="this is a fault of the platform: the server's log holds the details under the query id",
        )
    )


def forbidden(place: tuple[int | None, int | None], principal: Principal, table: str) -> DataOSError:
    """One text for a table that is not there and for one that the principal may not read (ch08 3.2)."""
    body = json.dumps({"allow": False, "result": {"id": str(principal.user_id)}, "valid": True})
    return at(
        place,
        "query.forbidden",
        f"Access Denied: Cannot execute query: User is forbidden to access Table: {table}! It does not exist or is not "
        f'accessible. msg=Forbidden status: 403, body: {{"code":403,"message":{json.dumps(body)}}}',
        "ask for a grant of the use case `read-specific-dataset`, or have a policy allow `select` and `read` on its "
        "address",
    )


def withheld(place: tuple[int | None, int | None], table: str) -> DataOSError:
    """What tells of all rows and values of a table, of which policies hide some."""
    return at(
        place,
        "query.forbidden",
        f"Access Denied: {table} is withheld: policies hide rows or values of the table, and it would tell of them",
        "`EXPLAIN (TYPE POLICY) SELECT * FROM <table>` names the policies",
    )
