"""One run of a Flare job, in order: inputs, steps, assertions, outputs (ch04 6.1)."""

from __future__ import annotations

import platform
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataos
from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import batch_mark
from dataos.manifest.specs import Reading, render
from dataos.stacks.flare import incremental, querying, sql, tagging, udfs
from dataos.stacks.flare import spec as specs
from dataos.stacks.flare.actions import Planned
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver import lineage, problems, profiling, streamsources, userfunctions
from dataos.stacks.flare.driver.catalog import Catalog, Table
from dataos.stacks.flare.driver.checks import Checker, Measured
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine, table_name
from dataos.stacks.flare.driver.filewriters import FileWriters
from dataos.stacks.flare.driver.job import Job, Source
from dataos.stacks.flare.driver.output import Log, Result, problem_lines, table
from dataos.stacks.flare.driver.readers import Readers, View
from dataos.stacks.flare.driver.stream import Stream, explained
from dataos.stacks.flare.driver.streamsources import Slice
from dataos.stacks.flare.driver.writers import Stamp, Writers
from dataos.stacks.flare.engines import NEEDS_SPARK, EngineName
from dataos.stacks.flare.incremental import Increment, Key
from dataos.stacks.flare.model import FlareSpec, Input, Output, Step, Streaming, relative
from dataos.stacks.flare.quoting import quoted
from dataos.stacks.flare.stepfunctions import reading as stepfunctions
from dataos.stacks.flare.stepfunctions.model import Frame

_CSV_FAULTS = ("csv error", "malformed_record", "malformed records", "failed_read_file")
"""What stands in the engines' messages (Sail's, Spark's) where a CSV file is not as its first lines are."""

_TEXT_TWICE = 3
"""Reading text this often costs more than keeping it as Parquet (measured: a pass over CSV 2 s, over Parquet 0.3 s)."""


Types = dict[str, dict[str, str | None]]
"""View in lower case -> column in lower case -> type."""


@dataclass
class _State:
    """What is known of the views while a run goes on."""

    columns: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    checked: dict[str, sql.Checked] = field(default_factory=dict[str, sql.Checked])
    types: dict[str, dict[str, str | None]] = field(default_factory=dict[str, dict[str, str | None]])
    keep: set[str] = field(default_factory=set[str])
    uses: Counter[str] = field(default_factory=Counter[str])


class Run:
    """A run of one job. Made once, `execute` called once."""

    def __init__(
        self,
        job: Job,
        server: str,
        scratch: Path,
        out: Path,
        log: Log,
        clock: Callable[[], datetime],
        *,
        keep_engine: bool = False,
    ) -> None:
        """`keep_engine`: after a run that went well `engine` is the caller's to look at and to close."""
        self._job = job
        self._server = server
        self._scratch = scratch
        self._out = out
        self._log = log
        self._clock = clock
        self._now = clock()
        self._slices: Mapping[str, Slice] = {}
        self._targets = job.targets
        self._number = 0  # of the batch, in a stream
        self._state = _State()
        self._udfs: udfs.Udfs = {}
        self._keep_engine = keep_engine
        self.engine: Engine | None = None
        self._engine = EngineName.SPARK if job.spark is not None else EngineName.SAIL
        self.result = Result()
        self.result.engine = {"name": self._engine, "address": str(job.spark or ""), "reason": job.engine_reason}

    def execute(self) -> bool:
        """Do it. True if all went well; either way `result` tells, and nothing is published here."""
        identity = self._identity()
        self._log.info(identity)
        try:
            self._execute(self._read_spec())
        except DataOSError as error:
            self.result.add(error)
        except Exception as error:  # noqa: BLE001 - the boundary of the run
            code, message, _, hint = problems.explain(error, "run", ())
            self.result.add(DataOSError(Problem(code, message, hint=hint)))
        if self.result.problems:
            found = [Problem.from_json(p) for p in self.result.problems]
            for line in problem_lines(found):
                self._log.error(line)
            self._log.error(f"=>Flare: Job finished with error {identity}")
            return False
        self._log.info("run complete")
        return True

    @property
    def views(self) -> tuple[str, ...]:
        """Names of all views that were made so far, in order."""
        return tuple(self._state.columns)

    def _identity(self) -> str:
        known = self._job.identity
        return "; ".join(
            (
                f"build version: {dataos.__version__}",
                f"workspace name: {known.get('workspace', '')}",
                f"workflow name: {known.get('workflow', '')}",
                f"workflow run id: {known.get('run', '')}",
                f"run as user: {known.get('user', '')}",
                f"job name: {known.get('job', '')}",
                f"job run id: {known.get('attempt', '')}",
            )
        )

    def _read_spec(self) -> FlareSpec:
        reading = Reading()
        spec = specs.read(self._job.stack_spec, reading, ())
        if spec is None:
            raise DataOSError(reading.problems)
        told_before = ("manifest.variant", NEEDS_SPARK)
        self.result.warnings = [w.to_json() for w in reading.warnings if w.code not in told_before]
        if spec.log_level:
            self._log.set_level(spec.log_level)
        self.result.sql = "\n".join(f"-- {s.name}\n{s.sql.strip().rstrip(';')};" for s in spec.steps if s.sql)
        self._log.debug(f"python {platform.python_version()}, {len(spec.inputs)} inputs, {len(spec.steps)} steps")
        return spec

    def _execute(self, spec: FlareSpec) -> None:
        place = f"Apache Spark at {self._job.spark}" if self._job.spark is not None else "the embedded engine"
        self._log.info(f"runs on {place}{': ' if self._job.engine_reason else ''}{self._job.engine_reason}")
        warehouses = [s.warehouse for s in self._job.sources.values() if s.warehouse]
        warehouses += [t.warehouse for t in self._job.targets if t.warehouse]
        with self.result.timed("start engine"):
            engine = engines.start(
                self._server,
                self._job.token,
                warehouses,
                threads=self._job.threads,
                memory_bytes=self._job.memory_bytes,
                scratch=self._scratch,
                spark=self._job.spark,
                spark_token=self._job.spark_token,
                catalog=self._job.catalog,
            )
        try:
            catalog = Catalog(self._server, self._job.token)
            client = Client(Connection(self._server, self._job.token, "the job's server"))
            self._udfs = udfs.arities(spec.udfs)
            userfunctions.register(engine.session, spec.udfs)
            if spec.streaming is not None and any(s.stream for s in self._job.sources.values()):
                self._stream(spec, spec.streaming, engine, catalog, client)
            else:
                self._once(spec, engine, catalog, client, self._scratch)
        except BaseException:
            with suppress(Exception):
                engine.close()
            raise
        if self._keep_engine:
            self.engine = engine
            return
        with suppress(Exception):
            engine.close()

    def _once(self, spec: FlareSpec, engine: Engine, catalog: Catalog, client: Client, scratch: Path) -> None:
        """All of the job, from its inputs to its outputs."""
        converter = Converter(scratch, self._job.threads, self._job.memory_bytes)
        readers = Readers(engine, catalog, client, converter, scratch, self._log)
        try:
            self._load_inputs(spec, engine, readers, client)
            self._make_steps(spec, engine)
            self._assert(spec, engine)
            self._profile(spec, engine)
            self._write(spec, engine, catalog, converter, scratch)
            self._maintain(spec, engine, client)
        except DataOSError as error:
            raise self._traced_to_input(spec, readers, error) from error

    # --- streams ----------------------------------------------------------------------------------------------------

    def _stream(self, spec: FlareSpec, streaming: Streaming, engine: Engine, catalog: Catalog, client: Client) -> None:
        """Batch after batch of the job (`driver.stream`)."""
        rows: Counter[str] = Counter()  # of the batches before, by output

        def work(slices: Mapping[str, Slice], stream: str, number: int, folder: Path) -> None:
            engine.begin_batch(folder)
            self._begin_batch(slices, stream, number)
            try:
                self._once(spec, engine, catalog, client, folder)
            except Exception as error:  # the stream decides whether it is done again
                raise explained(error) from error
            for output in self.result.outputs:
                output["rows"] = None if output["rows"] is None else output["rows"] + rows[output["address"]]
            self.result.write(self._out)  # the server reads it when it publishes the batch

        def published() -> None:
            rows.clear()
            rows.update({o["address"]: o["rows"] or 0 for o in self.result.outputs})

        sources = self._job.sources
        Stream(spec, streaming, sources, client, self._scratch, self._log, work, published).run()

    def _begin_batch(self, slices: Mapping[str, Slice], stream: str, number: int) -> None:
        """Forget the batch before, but what is told of all."""
        self._now = self._clock()
        self._number = number
        self._state = _State()
        self._slices = slices
        told = Result(sql=self.result.sql, warnings=self.result.warnings, engine=self.result.engine)
        vars(self.result).update(vars(told))
        files = [t for t in self._job.targets if t.kind == "files"]
        for target in files:
            shutil.rmtree(self._out / target.folder, ignore_errors=True)
        self._targets = tuple(
            replace(t, mark=batch_mark(stream, number, files.index(t))) if t.kind == "files" else t
            for t in self._job.targets
        )

    def _load(self, readers: Readers, client: Client, entry: Input, keep_system_columns: bool) -> View:
        source = self._job.sources[entry.name]
        found = self._slices.get(entry.name)
        if found is None and source.kind == "messages":  # no stream: what is there now
            found = streamsources.whole(entry, source, client, self._log)
        if found is not None:
            return found.load(readers, keep_system_columns)
        return readers.load(entry, source, keep_system_columns)

    # --- inputs and steps -------------------------------------------------------------------------------------------

    def _traced_to_input(self, spec: FlareSpec, readers: Readers, error: DataOSError) -> DataOSError:
        """The engine reads CSV while it computes, and names neither file nor the right line: find both."""
        if not any(sign in p.message.lower() for p in error.problems for sign in _CSV_FAULTS):
            return error
        found = readers.diagnose()
        if found is None:
            return error
        entry, cause = found
        return problems.of_step(cause, f"input {entry.name}", "", relative(entry.path, spec.root), ())

    def _load_inputs(self, spec: FlareSpec, engine: Engine, readers: Readers, client: Client) -> None:
        self._plan_keeping(spec)
        failures: list[Problem] = []
        for entry in spec.inputs:
            self._log.info(f"Loading {entry.name} table...")
            path = relative(entry.path if entry.query is None else entry.address_path, spec.root)
            try:
                with self.result.timed(f"input {entry.name}"):
                    view = self._load(readers, client, entry, spec.keep_system_columns)
                    if self._job.limit:
                        view = self._few(engine, entry.name, view)
                    if entry.increment is not None:
                        view = self._window(engine, entry.name, entry.increment, view)
                    if view.text and self._state.uses[entry.name] >= _TEXT_TWICE:
                        self._keep(engine, entry.name)
            except Exception as error:  # noqa: BLE001 - all inputs are looked at: every fault in one go
                failures += problems.of_step(error, f"input {entry.name}", "", path, ()).problems
                continue
            self._learn(entry.name, engine.sql(f"SELECT * FROM {quoted(entry.name)}"))
            row: dict[str, Any] = {"name": entry.name, "address": entry.source, "columns": self._columns(entry.name)}
            if entry.query is not None:
                row["sources"] = list(entry.tables)
            self.result.inputs.append(row if view.rows is None else {**row, "rows": view.rows})
            self._show(spec, engine, entry.name)
        if failures:
            raise DataOSError(failures)

    def _few(self, engine: Engine, name: str, whole: View) -> View:
        """Let the input's view be its first rows only."""
        raw = f"__all_{name}"
        engine.session.table(name).createOrReplaceTempView(raw)
        engine.sql(f"SELECT * FROM {quoted(raw)} LIMIT {self._job.limit}").createOrReplaceTempView(name)
        return View(name, whole.columns, None, whole.text)

    def _window(self, engine: Engine, name: str, increment: Increment, whole: View) -> View:
        """Let the input's view be its window only, and note what the next run is to begin with."""
        raw = f"__whole_{name}"
        engine.sql(f"SELECT * FROM {quoted(name)}").createOrReplaceTempView(raw)
        views = {increment.context: raw}
        remembered = self._job.state.get(name, {})
        values: dict[str, str] = {}
        for key in increment.keys:
            value = remembered.get(key.name)
            if value is None:
                value = self._first_cell(engine, key, views, values)
            values[key.name] = value
        told = ", ".join(f"{k} = {v}{' (remembered)' if k in remembered else ''}" for k, v in values.items())
        self._log.info(f"{name}: reads a window: {told or 'without keys'}")
        text = incremental.fill(increment.sql, values)
        frame = engine.sql(self._check(text, views).text)
        columns = tuple(frame.columns)
        frame.createOrReplaceTempView(name)
        if increment.state:
            self.result.state[name] = {k: values[v] for k, v in increment.state.items()}
        return View(name, columns, None, whole.text)

    def _first_cell(self, engine: Engine, key: Key, views: dict[str, str], values: dict[str, str]) -> str:
        found = engine.run(self._check(incremental.fill(key.sql, values), views).text)
        cell = found[0][0] if found and len(found[0]) else None
        if cell is None:
            raise fail(
                "flare.incremental",
                f"the SQL of the key `{key.name}` answers no value",
                hint="give it a first value: coalesce(..., 0)",
            )
        if isinstance(cell, datetime):
            return cell.isoformat(" ")
        return str(cell).lower() if isinstance(cell, bool) else str(cell)

    def _make_steps(self, spec: FlareSpec, engine: Engine) -> None:
        views = [i.name for i in spec.inputs]
        for step in spec.steps:
            checked = self._check(step.sql, views, self._state.types, self._udfs)
            if not checked.text:
                self._log.info(f"{step.name}: the statement has no effect here")
                continue
            self._log.info(f"calculating sequence {step.name}")
            with self.result.timed(f"step {step.name}"):
                self._make_step(spec, engine, step, checked)
            views.append(step.name)
            self._show(spec, engine, step.name)

    def _make_step(self, spec: FlareSpec, engine: Engine, step: Step, checked: sql.Checked) -> None:
        """The view of a step: its SQL, then one view a function, of which the last has the step's name."""
        path = (*relative(step.path, spec.root), "sql")
        known = [c for v in checked.reads for c in self._state.columns[v]]
        names = [_between(step.name, n) for n in range(len(step.functions))] + [step.name]
        try:
            self._register(engine, names[0], checked, explain=spec.explain and not step.functions)
        except Exception as error:
            raise problems.of_step(error, f"step {step.name}", step.sql, path, known) from error
        for number, (call, source, target) in enumerate(zip(step.functions, names[:-1], names[1:], strict=True), 1):
            try:
                frame = self._frame(source)
                text = stepfunctions.FUNCTIONS[call.name].render(call, frame, lambda q: self._ask(engine, q))
                made = self._check(text, [source], self._state.types, self._udfs)
                self._register(engine, target, made, explain=spec.explain and target == step.name)
            except Exception as error:
                what = f"step {step.name}: function {number}, {call.name}"
                where = relative(call.path, spec.root)
                raise problems.of_function(error, what, where, self._state.columns[source]) from error
        if step.name in self._state.keep:
            try:
                self._keep(engine, step.name)
            except Exception as error:
                raise problems.of_step(error, f"step {step.name}", step.sql, path, known) from error

    def _register(self, engine: Engine, view: str, checked: sql.Checked, *, explain: bool) -> None:
        """Make a view of a checked statement, and remember what is known of it."""
        frame = engine.sql(checked.text)
        self._learn(view, frame)
        self._state.checked[view] = checked
        frame.createOrReplaceTempView(view)
        if explain:
            frame.explain(extended=True)

    def _check(
        self, text: str, views: sql.Views, types: Types | None = None, own: udfs.Udfs | None = None
    ) -> sql.Checked:
        """A text as this run's engine gets it."""
        return sql.check(text, views, self._now, types, self._engine, own or {})

    def _frame(self, view: str) -> Frame:
        """A view as step functions see it. Raises DataOSError where two columns have one name."""
        columns = self._state.columns[view]
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
        types = self._state.types[view.lower()]
        return Frame(view, {c: types[c.lower()] or "string" for c in columns})

    def _ask(self, engine: Engine, query: str) -> list[Any]:
        views = list(self._state.columns)
        return [row[0] for row in engine.run(self._check(query, views).text)]

    def _learn(self, view: str, frame: Any) -> None:
        """Remember a view's columns and their types."""
        self._state.columns[view] = tuple(frame.columns)
        self._state.types[view.lower()] = {name.lower(): kind for name, kind in frame.dtypes}

    def _keep(self, engine: Engine, view: str) -> None:
        """Compute a view once, into scratch, and let its name mean the answer from now on."""
        frame = engine.sql(f"SELECT * FROM {quoted(view)}")
        typeless = [c for c, kind in frame.dtypes if kind == "void"]
        if typeless:
            frame = frame.selectExpr(
                *[f"CAST({quoted(c)} AS STRING) AS {quoted(c)}" if c in typeless else quoted(c) for c in frame.columns]
            )
        engine.keep(frame, f"step-{view}").createOrReplaceTempView(view)

    def _plan_keeping(self, spec: FlareSpec) -> None:
        """Decide which views are computed once and kept: what answers anew each time, and what would be dear twice.

        `uses` counts how often a view would be computed: by sinks, and by later views as often as those are computed.
        """
        views = [i.name for i in spec.inputs]
        read: list[tuple[str, sql.Checked]] = []
        for step in spec.steps:
            checked = sql.check(step.sql, views, engine=self._engine, udfs=self._udfs)
            checked = _whole(step, checked, self._engine, self._udfs)
            if checked.text:
                read.append((step.name, checked))
                views.append(step.name)
        uses: Counter[str] = Counter(views if spec.preview_lines else ())
        for output in spec.outputs:
            uses[_spelt(output.name, views)] += 1 + bool(output.assertions)
        if spec.assertions:
            uses[views[0]] += 1
        for name, checked in reversed(read):
            if checked.volatile or (checked.costly and uses[name] > 1):
                self._state.keep.add(name)
            for below in checked.reads:
                uses[below] += 1 if name in self._state.keep else uses[name]
        self._state.uses = uses

    def _show(self, spec: FlareSpec, engine: Engine, view: str) -> None:
        if not spec.preview_lines:
            return
        frame = engine.sql(f"SELECT * FROM {quoted(view)} LIMIT {spec.preview_lines + 1}")
        try:
            rows = frame.collect()
        except Exception as error:  # noqa: BLE001 - a preview must not decide about the run
            self._log.warning(f"{view}: no preview: {problems.first_line(str(error))}")
            return
        self._log.info(f"preview of {view}")
        self._log.block(table(frame.columns, [tuple(r) for r in rows[: spec.preview_lines]]))
        if len(rows) > spec.preview_lines:
            self._log.block(f"only showing top {spec.preview_lines} rows")

    # --- assertions -------------------------------------------------------------------------------------------------

    def _assert(self, spec: FlareSpec, engine: Engine) -> None:
        """Every assertion of the run, before anything is written. Raises with one problem for each dataset."""
        checker = Checker(engine, spec.views, self._now, spec.root)
        failures: list[Problem] = []
        groups: list[tuple[str, str, tuple[Any, ...], Any]] = []
        if spec.assertions:
            first = spec.inputs[0].name if spec.inputs else spec.steps[-1].name
            address = spec.inputs[0].source if spec.inputs else first
            groups.append((first, address, spec.assertions, spec.assertions[0].path[:-1]))
        for output in spec.outputs:
            if output.assertions:
                view = _spelt(output.name, spec.views)
                groups.append((view, str(output.address), output.assertions, (*output.path, "assertions")))
        for view, address, assertions, path in groups:
            with self.result.timed(f"assertions {view}"):
                measured = checker.measure(view, assertions)
            self.result.assertions += [{**m.row(), "address": address} for m in measured]
            self._log.info(f"assertion results of {address}")
            self._log.block(_assertion_table(measured))
            failed = [m for m in measured if not m.passed]
            if failed:
                failures.append(
                    Problem(
                        "flare.assertions_failed",
                        f"{len(failed)} out of {len(measured)} assertions failed for dataset {address}. "
                        "For more details, please look into the assertion results table in logs.",
                        hint="; ".join(_shown(m) for m in failed[:5]),
                        path=render(relative(path, spec.root)),
                    )
                )
        if failures:
            raise DataOSError(failures)

    def _profile(self, spec: FlareSpec, engine: Engine) -> None:
        """Statistics of the first input, of the rows that the filters leave."""
        profile = spec.profile
        if profile is None:
            return
        first = spec.inputs[0]
        path = relative(profile.path, spec.root)
        conditions = [f"({sql.check_condition(f, spec.views, self._now, engine.name).text})" for f in profile.filters]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        view = f"__profile_{first.name}"
        try:
            with self.result.timed(f"profile {first.name}"):
                engine.sql(f"SELECT * FROM {quoted(first.name)}{where}").createOrReplaceTempView(view)
                self._keep(engine, view)
                measured = profiling.measure(engine, view, first.source, profile)
            self._log.info(
                f"profile of {first.source}: {measured['rows']} rows, {len(measured['labels'])} suggested tags"
            )
            self.result.profile = measured
        except Exception as error:
            raise problems.of_step(
                error, f"profile of {first.name}", "", path, self._state.columns[first.name]
            ) from error

    # --- outputs ----------------------------------------------------------------------------------------------------

    def _write(self, spec: FlareSpec, engine: Engine, catalog: Catalog, converter: Converter, scratch: Path) -> None:
        """All frames are compared with their tables first, then all are written."""
        stamp = Stamp(self._job.identity.get("attempt", ""), self._number) if spec.write_system_columns else None
        tables = Writers(engine, catalog, self._log, spec.root, self._now, stamp)
        files = FileWriters(engine, converter, spec.root, self._out, scratch)
        outputs = [_renamed(o, _spelt(o.name, spec.views)) for o in spec.outputs]
        prepared: list[tuple[Table | None, list[str]]] = []
        failures: list[Problem] = []
        for output, target in zip(outputs, self._targets, strict=True):
            try:
                is_table = target.kind == "table"
                prepared.append(tables.prepare(output, target) if is_table else (None, files.prepare(output, target)))
            except DataOSError as error:
                failures += error.problems
        if failures:
            raise DataOSError(failures)
        for output, target, (existing, chosen) in zip(outputs, self._targets, prepared, strict=True):
            self._log.info(f"writing {output.name} to {output.address} ({output.mode})")
            try:
                with self.result.timed(f"output {output.name}"):
                    if target.kind == "table":
                        written = tables.write(output, target, existing, chosen)
                    else:
                        written = files.write(output, target, chosen)
            except DataOSError:
                raise
            except Exception as error:
                raise self._blame(spec, engine, output, error) from error
            rows = "rows unknown" if written.rows is None else f"{written.rows} rows"
            self._log.info(f"{output.address}: {rows}{', new table' if written.created else ''}")
            self.result.outputs.append(
                {
                    "name": output.name,
                    "address": str(output.address),
                    "rows": written.rows,
                    "operation": written.operation,
                    "columns": written.columns,
                    "title": output.title,
                    "description": output.description,
                    "tags": list(output.tags),
                    "columnTags": self._tags(output, written.columns),
                    "reads": lineage.below(output.name, self._reads(), self._inputs()),
                }
            )
        with self.result.timed("lineage"):
            self._trace(outputs, spec)

    def _tags(self, output: Output, columns: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Tags of the columns that were written."""
        found = tagging.resolve(output.column_tags, [c["name"] for c in columns])
        for name in found.unknown:
            self._log.warning(f"{output.address}: columnTags names the column `{name}`, which is not there")
        return [{"column": column, "tags": tags} for column, tags in found.tags.items()]

    def _maintain(self, spec: FlareSpec, engine: Engine, client: Client) -> None:
        """Actions on tables, in the manifest's order (ch04 6.8)."""
        for planned in spec.actions:
            entry = next(i for i in spec.inputs if i.name == planned.input)
            source = self._job.sources[entry.name]
            path = relative(planned.path, spec.root)
            self._log.info(f"{planned.name} of {entry.source}")
            try:
                with self.result.timed(f"{planned.name} {entry.name}"):
                    counts = self._act(planned, spec, engine, client, entry, source)
            except Exception as error:
                raise problems.of_step(error, f"action {planned.name}", "", path, ()) from error
            told = ", ".join(f"{k} {v}" for k, v in counts.items() if isinstance(v, int | str))
            self._log.info(f"{planned.name} of {entry.source}: {told}")
            self.result.actions.append({"name": planned.name, "address": entry.source, "counts": counts})

    def _act(
        self, planned: Planned, spec: FlareSpec, engine: Engine, client: Client, entry: Input, source: Source
    ) -> dict[str, Any]:
        if planned.action is None:
            condition = sql.check_condition(planned.delete_where, spec.views, self._now, engine.name).text
            name = table_name(source.warehouse, source.namespace, source.table)
            before = engine.run(f"SELECT count(1) FROM {name}")[0][0]
            engine.run(f"DELETE FROM {name} AS target WHERE {condition}")
            return {"rowsDeleted": before - engine.run(f"SELECT count(1) FROM {name}")[0][0]}
        from pyiceberg.catalog import load_catalog

        from dataos.stacks.flare.driver.upkeep import actions

        catalog = load_catalog(
            "dataos",
            type="rest",
            uri=f"{self._server}/iceberg",
            warehouse=source.warehouse,
            token=self._job.token.reveal(),
        )
        memory = (self._job.memory_bytes or 1 << 30) // 2
        return actions.run(
            planned.action,
            str(entry.address),
            lambda: catalog.load_table((*source.namespace, source.table)),
            client,
            self._log.info,
            memory_bytes=memory,
            scratch=self._scratch,
        )

    def _trace(self, outputs: list[Output], spec: FlareSpec) -> None:
        queries = {
            i.name: querying.columns(i.query, self._state.columns[i.name]) for i in spec.inputs if i.query is not None
        }
        steps = {n: c.text for n, c in self._state.checked.items()}
        for view in dict.fromkeys(o.name for o in outputs):
            columns = self._state.columns[view]
            traced = lineage.trace(view, columns, steps, self._reads(), self._inputs())
            self.result.lineage += lineage.through(traced, queries)

    def _reads(self) -> dict[str, tuple[str, ...]]:
        """Views that views made by SQL read."""
        return {n: tuple(c.reads) for n, c in self._state.checked.items()}

    def _inputs(self) -> dict[str, tuple[str, ...]]:
        """Inputs with their columns."""
        return {n: c for n, c in self._state.columns.items() if n not in self._state.checked}

    def _columns(self, view: str) -> list[dict[str, str]]:
        types = self._state.types[view.lower()]
        return [{"name": c, "type": types.get(c.lower()) or ""} for c in self._state.columns[view]]

    def _blame(self, spec: FlareSpec, engine: Engine, output: Output, error: Exception) -> DataOSError:
        """Which step an error of writing comes from: the first one that cannot be computed alone."""
        for step in spec.steps:
            checked = self._state.checked.get(step.name)
            if checked is None or not self._needed(output.name, step.name):
                continue
            try:
                engine.keep(engine.sql(f"SELECT * FROM {quoted(step.name)}"), f"blame-{step.name}")
            except Exception as found:  # noqa: BLE001 - that it fails is what we want to know
                known = [c for v in checked.reads for c in self._state.columns[v]]
                path = (*relative(step.path, spec.root), "sql")
                return problems.of_step(found, f"step {step.name}", step.sql, path, known)
        path = relative(output.path, spec.root)
        what = f"Failed to write {output.name} to output: {(output.format or 'iceberg').capitalize()} {output.address}"
        return problems.of_step(error, what, "", path, ())

    def _needed(self, view: str, step: str) -> bool:
        if view == step:
            return True
        checked = self._state.checked.get(view)
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


def _spelt(name: str, views: Any) -> str:
    return next((v for v in views if v.lower() == name.lower()), name)


def _renamed(output: Output, name: str) -> Output:
    return output if output.name == name else replace(output, name=name)


def _shown(measured: Measured) -> str:
    where = f"{measured.column}: " if measured.column else ""
    value = measured.note or f"is {measured.value:g}"
    return f"{where}{measured.test} ({value})"


def _assertion_table(measured: list[Measured]) -> str:
    rows = [
        (m.view, m.column or "(sql)", m.test, m.note if m.value is None else f"{m.value:g}",
         "passed" if m.passed else "FAILED")
        for m in measured
    ]  # fmt: skip
    return table(("dataset", "column", "test", "value", "result"), rows)


def utc_now() -> datetime:
    """The clock of a real run."""
    return datetime.now(UTC)
