"""The guard of Flare SQL: what a step may say, and the text that the engine gets.

Used when a manifest is validated, when it is applied, and again in the job. A step may name declared inputs, earlier
steps and its own CTEs, nothing else; every node of the statement must be of a known class and every function on a list.
The engine never sees the author's text but what is written from the checked tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from dataos.core import names
from dataos.core.errors import DataOSError, Problem
from dataos.stacks.flare import functions, nodes, overflow, parsing, rewriting
from dataos.stacks.flare.engines import NEEDS_SPARK, ONLY_SPARK, EngineName, with_remedy
from dataos.stacks.flare.udfs import Arity, Udfs

_NOTHING = frozenset({"CACHE", "UNCACHE", "REFRESH", "ANALYZE"})
_QUERY = frozenset({"SELECT", "WITH", "FROM", "VALUES", "("})
_LOOK_AROUND = re.compile(r"\(\?(?:=|!|<=|<!)")
_REGEX_CALLS = functions.words(
    "rlike regexp regexp_like regexp_replace regexp_extract regexp_extract_all regexp_count regexp_instr "
    "regexp_substr split"
)

_ARRAYS = functions.words("array array_distinct array_sort collect_list collect_set filter sequence split transform")
"""Calls that answer arrays, as far as that matters here."""


_NO_UDFS: Udfs = {}

Views = Sequence[str] | Mapping[str, str]
"""Views that a statement may read: names, or what it calls them -> names."""


@dataclass(frozen=True)
class Checked:
    """A step that passed. `text` is what the engine gets; empty for a statement that means nothing here."""

    text: str
    reads: tuple[str, ...] = ()  # declared views, in their declared spelling
    volatile: bool = False  # answers anew at each look
    costly: bool = False  # more than scan, filter and project


def check(
    text: str,
    views: Views,
    now: datetime | None = None,
    types: Mapping[str, overflow.Columns] | None = None,
    engine: EngineName = EngineName.SAIL,
    udfs: Udfs = _NO_UDFS,
) -> Checked:
    """Check a step's statement against the views that exist when it runs, and write it for the engine.

    `views`: their names, or what the statement calls them -> their names.
    `now` freezes the clock functions (one instant for the whole run); `types` (view in lower case -> column in lower
    case -> type) makes integer arithmetic fail where it overflows; `udfs` are functions of the author's. Raises
    DataOSError with codes `flare.sql_syntax`, `flare.sql_refused`, `flare.unknown_view`, `flare.udf`,
    `flare.needs_spark` (of Sail alone); line and column count in `text`.
    """
    word = parsing.first_word(text)
    if word in _NOTHING:
        return _nothing(text, word)
    if word and word not in _QUERY:
        raise DataOSError(_no_query(text, word))
    statements = parsing.parse(text)
    if not statements:
        raise DataOSError(Problem("flare.sql_syntax", "the step has no SQL statement"))
    if len(statements) > 1:
        raise DataOSError(
            Problem(
                "flare.sql_refused",
                f"the step holds {len(statements)} statements",
                hint="write one SELECT; make a step of each",
                **parsing.place(statements[1], text),
            )
        )
    tree = statements[0]
    if not isinstance(tree, exp.Query | exp.Values):
        raise DataOSError(_no_query(text, word))
    return _checked(tree, text, views, now, types, engine, udfs)


def check_condition(
    text: str,
    views: Views,
    now: datetime | None = None,
    engine: EngineName = EngineName.SAIL,
    udfs: Udfs = _NO_UDFS,
) -> Checked:
    """Check a boolean expression (an assertion's `filter`). Raises as `check`; positions count in `text`."""
    prefix = "SELECT 1 WHERE "
    try:
        checked = check(prefix + text, views, now, engine=engine, udfs=udfs)
    except DataOSError as error:
        raise DataOSError([shifted(p, len(prefix)) for p in error.problems]) from error
    tree = parsing.parse(checked.text)[0]
    where = tree.args.get("where")
    if where is None or {k for k, v in tree.args.items() if v} - {"expressions", "where"}:
        raise DataOSError(Problem("flare.sql_refused", f"`{text[:80]}` is more than a condition"))
    return Checked(parsing.write(where.this), checked.reads, checked.volatile, checked.costly)


def check_nodes(parts: Sequence[exp.Expr], text: str, engine: EngineName = EngineName.SAIL) -> list[Problem]:
    """What is wrong in expressions that stand in another statement than a query, `text`; they read no view."""
    found = _Findings(text, {}, engine)
    for part in parts:
        found.visit(part, {})
    return found.problems


def shifted(problem: Problem, by: int) -> Problem:
    """A problem found in a text that has `by` characters more in front than the author's."""
    if problem.line != 1 or problem.column is None:
        return problem
    return Problem(problem.code, problem.message, hint=problem.hint, line=1, column=max(1, problem.column - by))


def _nothing(text: str, word: str) -> Checked:
    tokens = parsing.DIALECT.tokenize(text)
    words = [t.text.upper() for t in tokens]
    if ";" in words[:-1]:
        raise DataOSError(Problem("flare.sql_refused", "the step holds more than one statement"))
    if word == "CACHE" and ("AS" in words or "SELECT" in words):
        raise DataOSError(
            Problem(
                "flare.sql_refused",
                "`CACHE TABLE ... AS` is not used here",
                hint="write the SELECT: its view is named by the step",
            )
        )
    return Checked("")


def _no_query(text: str, word: str) -> Problem:
    start = len(text) - len(text.lstrip())
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return Problem(
        "flare.sql_refused",
        f"a step is a SELECT, not `{word}`",
        hint="outputs write tables; settings belong to sparkConf",
        line=line,
        column=column,
    )


def _checked(
    tree: exp.Expr,
    text: str,
    views: Views,
    now: datetime | None,
    types: Mapping[str, overflow.Columns] | None,
    engine: EngineName,
    udfs: Udfs,
) -> Checked:
    named = views.items() if isinstance(views, Mapping) else ((v, v) for v in views)
    found = _Findings(text, {known.lower(): view for known, view in named}, engine, udfs)
    try:
        found.visit(tree, {})
    except RecursionError as error:
        raise DataOSError(Problem("flare.sql_syntax", "the SQL is nested too deeply")) from error
    if found.problems:
        raise DataOSError(found.problems)
    costly = any(isinstance(n, nodes.COSTLY) for n in tree.walk()) or bool(
        found.calls & (functions.AGGREGATES | functions.GENERATORS | udfs.keys())
    )
    if engine is EngineName.SPARK:
        rewriting.freeze(tree, now)
        return Checked(
            parsing.write(tree), tuple(found.reads), volatile=bool(found.calls & functions.VOLATILE), costly=costly
        )
    problems = rewriting.rewrite(tree, now)
    if problems:
        raise DataOSError([Problem(p.code, p.message, hint=p.hint, **parsing.place(n, text)) for p, n in problems])
    if types is not None:
        named = rewriting.unnamed(tree)
        overflow.guard(tree, types)
        rewriting.keep_names(named)
    return Checked(
        parsing.write(tree), tuple(found.reads), volatile=bool(found.calls & functions.VOLATILE), costly=costly
    )


class _Findings:
    """One walk over a tree: every node accounted for, every table resolved in its scope."""

    def __init__(self, text: str, views: dict[str, str], engine: EngineName, udfs: Udfs = _NO_UDFS) -> None:
        self._text = text
        self._engine = engine
        self._udfs = udfs
        self._views = views
        self.problems: list[Problem] = []
        self.reads: dict[str, None] = {}
        self.calls: set[str] = set()

    def _refuse(self, node: exp.Expr, message: str, hint: str = "", code: str = "flare.sql_refused") -> None:
        self.problems.append(Problem(code, message, hint=hint, **parsing.place(node, self._text)))

    def _needs_spark(self, node: exp.Expr, what: str, hint: str = "") -> None:
        """Refuse on the embedded engine what Apache Spark does."""
        if self._engine is EngineName.SAIL:
            self._refuse(node, f"{what}: {ONLY_SPARK}", with_remedy(hint), NEEDS_SPARK)

    def visit(self, node: exp.Expr, scope: dict[str, str]) -> None:
        """Check a node and all below it. `scope`: CTE names in lower case -> as written."""
        if type(node) in nodes.ONLY_SPARK:
            self._needs_spark(node, nodes.ONLY_SPARK[type(node)])
        elif type(node) not in nodes.ALLOWED:
            self._refuse(node, f"`{_excerpt(node)}` is not allowed in a step", hint="a step is a plain SELECT")
            return
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            scope = self._ctes(with_, dict(scope))
        if isinstance(node, exp.Table):
            self._table(node, scope)
        elif isinstance(node, exp.Anonymous):
            self._call(node)
        elif isinstance(node, exp.Lateral):
            self._lateral(node)
        else:
            self._detail(node)
        for key, value in node.args.items():
            if key == "with_":
                continue
            if key == "this" and isinstance(node, exp.Table) and isinstance(value, exp.Anonymous):
                value = value.expressions  # a table function: its name was looked at
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, exp.Expr):
                    self.visit(child, scope)

    def _ctes(self, with_: exp.With, scope: dict[str, str]) -> dict[str, str]:
        if with_.args.get("recursive"):
            self._needs_spark(with_, "a recursive CTE")
            scope.update({c.alias.lower(): c.alias for c in with_.expressions})
        for cte in with_.expressions:
            extra = {k for k, v in cte.args.items() if v} - {"this", "alias"}
            if not isinstance(cte, exp.CTE) or extra:
                self._refuse(cte, f"`{_excerpt(cte)}` is not allowed in a step")
                continue
            self.visit(cte.this, scope)
            alias = cte.args["alias"]
            self.visit(alias, scope)
            scope[cte.alias.lower()] = cte.alias
        return scope

    def _table(self, node: exp.Table, scope: dict[str, str]) -> None:
        extra = {k for k, v in node.args.items() if v} - nodes.TABLE_ARGS
        if extra:
            self._refuse(
                node, f"`{_excerpt(node)}` is not allowed in a step", hint="name a view without further clauses"
            )
            return
        if isinstance(node.this, exp.Anonymous):
            name = node.this.name.lower()
            if name not in functions.TABLE_FUNCTIONS:
                self._refuse(
                    node,
                    f"the table function `{node.this.name}` may not be used",
                    hint="allowed: " + ", ".join(sorted(functions.TABLE_FUNCTIONS)),
                )
            return
        if node.args.get("db") or node.args.get("catalog") or not isinstance(node.this, exp.Identifier):
            self._refuse(
                node,
                f"`{_excerpt(node)}` is outside this job: a step may read its inputs and earlier steps only",
                hint="declare the dataset as an input and use its name",
            )
            return
        name = node.this.name
        if name.lower() in scope:
            rewriting.spell_table(node, scope[name.lower()])
        elif name.lower() in self._views:
            view = self._views[name.lower()]
            self.reads[view] = None
            rewriting.spell_table(node, view)
        else:
            self._refuse(
                node,
                f"there is no view `{name}`",
                hint=names.did_you_mean(name, self._views.values())
                or "a step may read inputs and earlier steps"
                + (": " + ", ".join(self._views.values()) if self._views else ""),
                code="flare.unknown_view",
            )

    def _call(self, node: exp.Anonymous) -> None:
        name = node.name.lower()
        if isinstance(node.this, str) and name in self._udfs:
            self._udf(node, self._udfs[name])
            return
        if not isinstance(node.this, str) or name not in functions.ALLOWED:
            self._unknown_call(node, name)
            return
        self.calls.add(name)
        if name == "hash" and any(a.name.lower() in _ARRAYS for a in node.expressions if isinstance(a, exp.Anonymous)):
            self._needs_spark(node, "hash() of an array")
        pattern = next((a for a in node.expressions[1:2] if isinstance(a, exp.Literal)), None)
        if name in _REGEX_CALLS and pattern is not None and _LOOK_AROUND.search(pattern.name):
            self._needs_spark(node, "a pattern with look-around")
        if name == "get_json_object" and pattern is not None and "[*]" in pattern.name:
            self._needs_spark(node, "get_json_object with `[*]`", "use from_json with a schema and transform()")
        if name == "conv" and len(node.expressions) == 3 and isinstance(node.expressions[2], exp.Neg):
            self._needs_spark(node, "conv() to a negative base")

    def _udf(self, node: exp.Anonymous, arity: Arity) -> None:
        self.calls.add(node.name.lower())
        given = len(node.expressions)
        if given < arity.least or (arity.most is not None and given > arity.most):
            self._refuse(node, f"the UDF `{node.name}` takes {arity}, not {given}", code="flare.udf")

    def _unknown_call(self, node: exp.Anonymous, name: str) -> None:
        if name in functions.NEEDS_SPARK:
            self.calls.add(name)
            self._needs_spark(node, f"`{name}`", functions.INSTEAD.get(name, ""))
        elif name in functions.REACHES_OUT:
            self._refuse(
                node,
                f"the function `{name}` reaches outside the job and may not be used",
                hint=functions.INSTEAD.get(name, ""),
            )
        else:
            near = names.did_you_mean(name, [*self._udfs, *functions.ALLOWED])
            self._refuse(node, f"there is no function `{name}` here", hint=near or "see the Flare page for the list")

    def _lateral(self, node: exp.Lateral) -> None:
        this = node.this
        if isinstance(this, exp.Subquery):
            return
        if not isinstance(this, exp.Anonymous) or this.name.lower() not in functions.GENERATORS:
            self._refuse(
                node, f"`{_excerpt(node)}` is not allowed in a step", hint="LATERAL VIEW takes explode() and its like"
            )

    def _detail(self, node: exp.Expr) -> None:
        """Classes whose members are not all alike."""
        if isinstance(node, exp.DataType) and not isinstance(node.this, exp.Interval) and node.this not in nodes.TYPES:
            self._refuse(node, f"the type `{_excerpt(node)}` cannot be used")
        elif isinstance(node, exp.RegexpLike) and _LOOK_AROUND.search(str(node.expression.name or "")):
            self._needs_spark(node, "a pattern with look-around")
        elif isinstance(node, exp.TableSample) and (node.args.get("size") or node.args.get("bucket_numerator")):
            self.calls.add("rand")
            self._needs_spark(node, "TABLESAMPLE by rows or buckets")
        elif isinstance(node, exp.TableSample):
            self.calls.add("rand")
        elif isinstance(node, exp.Pivot) and node.args.get("unpivot") and node.find(exp.PivotAlias):
            self._needs_spark(node, "UNPIVOT with aliases", "rename with CASE in the next step")
        elif isinstance(node, exp.Star) and (
            node.args.get("except_") or node.args.get("replace") or node.args.get("rename")
        ):
            if node.args.get("replace") or node.args.get("rename"):
                self._refuse(node, "`* REPLACE` is no Spark SQL", hint="list the columns")
            else:
                self._needs_spark(node, "`* EXCEPT`", "list the columns")
        elif isinstance(node, exp.Select):
            extra = {k for k, v in node.args.items() if v} - nodes.SELECT_ARGS
            if extra:
                self._refuse(node, f"`{', '.join(sorted(extra)).upper()}` is not allowed in a step")


def _excerpt(node: exp.Expr) -> str:
    try:
        text = parsing.write(node)
    except Exception:  # noqa: BLE001 - only for a message; a node we refuse may not even be writable
        text = type(node).__name__
    return text if len(text) <= 60 else text[:57] + "..."
