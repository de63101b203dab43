"""The views of a run: the steps' SQL and functions, what is known of each view, which is computed once and kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from dataos.core.errors import DataOSError, Problem
from dataos.stacks.flare import sql, udfs
from dataos.stacks.flare.driver import problems
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.output import Log, Result, table
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import FlareSpec, Output, Step, relative
from dataos.stacks.flare.quoting import quoted
from dataos.stacks.flare.stepfunctions import reading as stepfunctions
from dataos.stacks.flare.stepfunctions.model import Frame

Types = dict[str, dict[str, str | None]]
"""View in lower case -> column in lower case -> type."""


class Steps:
    """The views of one run, or of one batch of a stream."""

    def __init__(
        self,
        spec: FlareSpec,
        engine: Engine,
        kind: EngineName,
        now: datetime,
        own: udfs.Udfs,
        log: Log,
        result: Result,
    ) -> None:
        """`own`: the job's functions and how many arguments they take."""
        self._spec = spec
        self._engine = engine
        self._kind = kind
        self._now = now
        self._udfs = own
        self._log = log
        self._result = result
        self._kept: set[str] = set()  # views that are computed once
        self.columns: dict[str, tuple[str, ...]] = {}
        """View -> columns, in the order in which they were made."""
        self.checked: dict[str, sql.Checked] = {}
        """Views that SQL made."""
        self.types: Types = {}
        self.uses: Counter[str] = Counter()
        """How often each view will be computed."""

    def make(self) -> None:
        """Views of all steps, in order. Raises DataOSError with the step's place."""
        views = [i.name for i in self._spec.inputs]
        for step in self._spec.steps:
            checked = self.check(step.sql, views, self.types, self._udfs)
            if not checked.text:
                self._log.info(f"{step.name}: the statement has no effect here")
                continue
            self._log.info(f"calculating sequence {step.name}")
            with self._result.timed(f"step {step.name}"):
                self._make_step(step, checked)
            views.append(step.name)
            self.show(step.name)

    def _make_step(self, step: Step, checked: sql.Checked) -> None:
        """The view of a step: its SQL, then one view a function, of which the last has the step's name."""
        path = (*relative(step.path, self._spec.root), "sql")
        known = [c for v in checked.reads for c in self.columns[v]]
        names = [_between(step.name, n) for n in range(len(step.functions))] + [step.name]
        try:
            self._register(names[0], checked, explain=self._spec.explain and not step.functions)
        except Exception as error:
            raise problems.of_step(error, f"step {step.name}", step.sql, path, known) from error
        for number, (call, source, target) in enumerate(zip(step.functions, names[:-1], names[1:], strict=True), 1):
            try:
                frame = self._frame(source)
                text = stepfunctions.FUNCTIONS[call.name].render(call, frame, self._ask)
                made = self.check(text, [source], self.types, self._udfs)
                self._register(target, made, explain=self._spec.explain and target == step.name)
            except Exception as error:
                what = f"step {step.name}: function {number}, {call.name}"
                where = relative(call.path, self._spec.root)
                raise problems.of_function(error, what, where, self.columns[source]) from error
        if step.name in self._kept:
            try:
                self.keep(step.name)
            except Exception as error:
                raise problems.of_step(error, f"step {step.name}", step.sql, path, known) from error

    def _register(self, view: str, checked: sql.Checked, *, explain: bool) -> None:
        """Make a view of a checked statement, and remember what is known of it."""
        frame = self._engine.sql(checked.text)
        self.learn(view, frame)
        self.checked[view] = checked
        frame.createOrReplaceTempView(view)
        if explain:
            frame.explain(extended=True)

    def check(
        self, text: str, views: sql.Views, types: Types | None = None, own: udfs.Udfs | None = None
    ) -> sql.Checked:
        """A text as this run's engine gets it."""
        return sql.check(text, views, self._now, types, self._kind, own or {})

    def _frame(self, view: str) -> Frame:
        """A view as step functions see it. Raises DataOSError where two columns have one name."""
        columns = self.columns[view]
        folded = [c.lower() for c in columns]
        twice = sorted({c for c in columns if folded.count(c.lower()) > 1})
        if twice:
            raise DataOSError(
                Problem(
                    "flare.function",
                    f"the step's SQL answers several columns named {', '.join(twice)}",
                    hint="give each a name of its own with AS",
                )
            )
        types = self.types[view.lower()]
        return Frame(view, {c: types[c.lower()] or "string" for c in columns})

    def _ask(self, query: str) -> list[Any]:
        views = list(self.columns)
        return [row[0] for row in self._engine.run(self.check(query, views).text)]

    def learn(self, view: str, frame: Any) -> None:
        """Remember a view's columns and their types."""
        self.columns[view] = tuple(frame.columns)
        self.types[view.lower()] = {name.lower(): kind for name, kind in frame.dtypes}

    def keep(self, view: str) -> None:
        """Compute a view once, into scratch, and let its name mean the answer from now on."""
        frame = self._engine.sql(f"SELECT * FROM {quoted(view)}")
        typeless = [c for c, kind in frame.dtypes if kind == "void"]
        if typeless:
            frame = frame.selectExpr(
                *[f"CAST({quoted(c)} AS STRING) AS {quoted(c)}" if c in typeless else quoted(c) for c in frame.columns]
            )
        self._engine.keep(frame, f"step-{view}").createOrReplaceTempView(view)

    def plan_keeping(self) -> None:
        """Decide which views are computed once and kept: what answers anew each time, and what would be dear twice.

        `uses` counts how often a view would be computed: by sinks, and by later views as often as those are computed.
        """
        views = [i.name for i in self._spec.inputs]
        read: list[tuple[str, sql.Checked]] = []
        for step in self._spec.steps:
            checked = sql.check(step.sql, views, engine=self._kind, udfs=self._udfs)
            checked = _whole(step, checked, self._kind, self._udfs)
            if checked.text:
                read.append((step.name, checked))
                views.append(step.name)
        uses: Counter[str] = Counter(views if self._spec.preview_lines else ())
        for output in self._spec.outputs:
            uses[spelt(output.name, views)] += 1 + bool(output.assertions)
        if self._spec.assertions:
            uses[views[0]] += 1
        for name, checked in reversed(read):
            if checked.volatile or (checked.costly and uses[name] > 1):
                self._kept.add(name)
            for below in checked.reads:
                uses[below] += 1 if name in self._kept else uses[name]
        self.uses = uses

    def show(self, view: str) -> None:
        """Log the first rows of a view, where the job asks for that."""
        if not self._spec.preview_lines:
            return
        frame = self._engine.sql(f"SELECT * FROM {quoted(view)} LIMIT {self._spec.preview_lines + 1}")
        try:
            rows = frame.collect()
        except Exception as error:  # noqa: BLE001 - a preview must not decide about the run
            self._log.warning(f"{view}: no preview: {problems.first_line(str(error))}")
            return
        self._log.info(f"preview of {view}")
        self._log.block(table(frame.columns, [tuple(r) for r in rows[: self._spec.preview_lines]]))
        if len(rows) > self._spec.preview_lines:
            self._log.block(f"only showing top {self._spec.preview_lines} rows")

    def reads(self) -> dict[str, tuple[str, ...]]:
        """Views that views made by SQL read."""
        return {n: tuple(c.reads) for n, c in self.checked.items()}

    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Inputs with their columns."""
        return {n: c for n, c in self.columns.items() if n not in self.checked}

    def described(self, view: str) -> list[dict[str, str]]:
        """Columns of a view, as results tell them."""
        types = self.types[view.lower()]
        return [{"name": c, "type": types.get(c.lower()) or ""} for c in self.columns[view]]

    def blame(self, output: Output, error: Exception) -> DataOSError:
        """Which step an error of writing comes from: the first one that cannot be computed alone."""
        for step in self._spec.steps:
            checked = self.checked.get(step.name)
            if checked is None or not self._needed(output.name, step.name):
                continue
            try:
                self._engine.keep(self._engine.sql(f"SELECT * FROM {quoted(step.name)}"), f"blame-{step.name}")
            except Exception as found:  # noqa: BLE001 - that it fails is what we want to know
                known = [c for v in checked.reads for c in self.columns[v]]
                path = (*relative(step.path, self._spec.root), "sql")
                return problems.of_step(found, f"step {step.name}", step.sql, path, known)
        path = relative(output.path, self._spec.root)
        what = f"Failed to write {output.name} to output: {(output.format or 'iceberg').capitalize()} {output.address}"
        return problems.of_step(error, what, "", path, ())

    def _needed(self, view: str, step: str) -> bool:
        if view == step:
            return True
        checked = self.checked.get(view)
        return checked is not None and any(self._needed(r, step) for r in checked.reads)


_COSTLY_FUNCTIONS = frozenset(
    {"any_date", "any_timestamp", "drop_duplicates", "encode", "decode", "flatten", "flatten_outer", "format_date",
     "parse_as_json", "parse_html", "pivot", "split_url", "unfurl", "unpivot"}
)  # fmt: skip


def _between(step: str, number: int) -> str:
    """The name of the view before function `number` (from 0) of a step."""
    return f"{step}__{number}"


def _whole(step: Step, checked: sql.Checked, engine: EngineName, own: udfs.Udfs) -> sql.Checked:
    """What holds for a step with its functions: whether it answers anew at each look, whether it is dear."""
    volatile, costly = checked.volatile, checked.costly
    for call in step.functions:
        costly = costly or call.name in _COSTLY_FUNCTIONS
        volatile = volatile or call.name == "generate_uuid"
        if call.name == "set_variable":
            part = sql.check(f"SELECT {call.text('expression')}", [], engine=engine, udfs=own)
            volatile, costly = volatile or part.volatile, costly or part.costly
    return replace(checked, volatile=volatile, costly=costly)


def spelt(name: str, views: Any) -> str:
    """A view's name as it is spelt where it was made."""
    return next((v for v in views if v.lower() == name.lower()), name)
