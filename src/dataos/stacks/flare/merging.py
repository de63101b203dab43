"""The clauses of a merge (ch04 3.11): `onClause` and `whenClause`, guarded as the SQL of a step is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from dataos.core.errors import DataOSError, Problem
from dataos.stacks.flare import parsing, rewriting, sql
from dataos.stacks.flare.engines import EngineName

_PAIRS = (("old", "new"), ("target", "source"))
"""Aliases of the table and of the frame: Flare's, and PyFlare's."""


@dataclass(frozen=True)
class Merge:
    """What to do with rows that match and with those that do not. Texts as the engine gets them.

    `stars`: some clause takes all columns of the frame, which must be the table's then.
    """

    on: str
    whens: str
    old: str
    new: str
    stars: bool


def check_on(text: str, now: datetime | None = None, engine: EngineName = EngineName.SAIL) -> str:
    """The join condition. Raises as `sql.check_condition`; positions count in `text`."""
    return sql.check_condition(text, (), now, engine).text


def check(on: str, when: str, now: datetime | None = None, engine: EngineName = EngineName.SAIL) -> Merge:
    """Both clauses. Raises DataOSError with codes of `sql.check` and `flare.merge`; positions count in `when`."""
    condition = check_on(on, now, engine)
    prefix = "MERGE INTO t AS old USING f AS new ON true WHEN "
    body = when.strip().rstrip(";").rstrip()
    lead = len(when) - len(when.lstrip())
    if body[:5].lower() == "when " or body[:5].lower() == "when\n":
        lead += 5
        body = body[5:]
    try:
        statements = parsing.parse(prefix + body)
    except DataOSError as error:
        raise DataOSError([sql.shifted(p, len(prefix) - lead) for p in error.problems]) from error
    whens = statements[0].args.get("whens") if len(statements) == 1 else None
    if not isinstance(whens, exp.Whens) or {k for k, v in statements[0].args.items() if v} - _MERGE_ARGS:
        raise DataOSError(Problem("flare.merge", f"`{when[:80]}` is no list of clauses", hint=_HINT))
    words = [t.text.upper() for t in parsing.DIALECT.tokenize(body)]
    if words.count("MATCHED") < len(whens.expressions):  # the parser would take `when then ...` for `when matched`
        raise DataOSError(Problem("flare.merge", "a clause says neither `matched` nor `not matched`", hint=_HINT))
    problems = sql.check_nodes(_inside(whens), prefix + body, engine)
    if problems:
        raise DataOSError([sql.shifted(p, len(prefix) - lead) for p in problems])
    if engine is EngineName.SPARK:
        rewriting.freeze(whens, now)
    elif impossible := rewriting.rewrite(whens, now):
        raise DataOSError([Problem(p.code, p.message, hint=p.hint) for p, _ in impossible])
    old, new = _aliases(parsing.expression(condition), whens)
    return Merge(condition, parsing.write(whens), old, new, whens.find(exp.Star) is not None)


_MERGE_ARGS = {"this", "using", "on", "whens"}
_HINT = "for instance `matched then update set * when not matched then insert *`"


def _inside(whens: exp.Whens) -> list[exp.Expr]:
    """The expressions of all clauses, their own structure checked. Raises DataOSError `flare.merge`."""
    found: list[exp.Expr] = []
    for when in whens.expressions:
        if condition := when.args.get("condition"):
            found.append(condition)
        then = when.args.get("then")
        if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
            continue
        if isinstance(then, exp.Update):
            for change in then.expressions:
                if isinstance(change, exp.Star):
                    continue
                if not isinstance(change, exp.EQ) or not isinstance(change.this, exp.Column):
                    raise _no_clause(then)
                found += [change.this, change.expression]
            continue
        if isinstance(then, exp.Insert):
            found += [part for part in (then.this, then.expression) if part and not isinstance(part, exp.Star)]
            continue
        raise _no_clause(when)
    return found


def _no_clause(node: exp.Expr) -> DataOSError:
    what = parsing.write(node)
    return DataOSError(Problem("flare.merge", f"`{what[:80]}` cannot stand in a merge", hint=_HINT))


def _aliases(condition: exp.Expr, whens: exp.Whens) -> tuple[str, str]:
    """Which words the clauses use for the table and the frame. Raises DataOSError `flare.merge` for others, or both."""
    used = {c.table.lower() for tree in (condition, whens) for c in tree.find_all(exp.Column) if c.table}
    for old, new in _PAIRS:
        if used <= {old, new}:
            return old, new
    known = {word for pair in _PAIRS for word in pair}
    strange = sorted(used - known)
    raise DataOSError(
        Problem(
            "flare.merge",
            f"a merge knows `old` and `new`, not {', '.join(f'`{w}`' for w in strange)}"
            if strange
            else "the clauses mix `old` and `new` with `target` and `source`",
            hint="`old` is the table, `new` the data: old.id = new.id",
        )
    )
