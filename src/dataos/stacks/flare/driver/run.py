"""One run of a Flare job, in order: inputs, steps, assertions, outputs (ch04 6.1)."""

from __future__ import annotations

import platform
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataos
from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.errors import DataOSError, Problem
from dataos.core.ids import batch_mark
from dataos.manifest.specs import Reading
from dataos.stacks.flare import querying, sql, udfs
from dataos.stacks.flare import spec as specs
from dataos.stacks.flare.driver import (
    checks,
    inputsources,
    lineage,
    maintaining,
    problems,
    profiling,
    userfunctions,
    windows,
)
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver.catalog import Catalog
from dataos.stacks.flare.driver.checks import Checker
from dataos.stacks.flare.driver.destinations import Destinations, Prepared
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.filewriters import FileWriters
from dataos.stacks.flare.driver.job import Job, Source
from dataos.stacks.flare.driver.output import Log, Result, problem_lines
from dataos.stacks.flare.driver.programs import Program
from dataos.stacks.flare.driver.readers import Readers, View
from dataos.stacks.flare.driver.steps import Steps, spelt
from dataos.stacks.flare.driver.stream import Stream, explained
from dataos.stacks.flare.driver.streamsources import Slice
from dataos.stacks.flare.driver.writers import Stamp, Writers
from dataos.stacks.flare.engines import NEEDS_SPARK, EngineName
from dataos.stacks.flare.incremental import Increment
from dataos.stacks.flare.model import FlareSpec, Input, Output, Streaming, relative
from dataos.stacks.flare.quoting import quoted

_CSV_FAULTS = ("csv error", "malformed_record", "malformed records", "failed_read_file")
"""What stands in the engines' messages (Sail's, Spark's) where a CSV file is not as its first lines are."""

_TEXT_TWICE = 3
"""Reading text this often costs more than keeping it as Parquet (measured: a pass over CSV 2 s, over Parquet 0.3 s)."""


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
        self._steps: Steps | None = None
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
        return tuple(self._steps.columns) if self._steps is not None else ()

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
        steps = Steps(spec, engine, self._engine, self._now, self._udfs, self._log, self.result)
        self._steps = steps
        if spec.program is not None:
            places = self._places(spec, engine, catalog, converter, client, scratch)
            self._run_program(spec, engine, readers, places, steps, client, scratch)
            return
        try:
            self._load_inputs(spec, engine, steps, readers, client)
            steps.make()
            self._assert(spec, engine)
            self._profile(spec, engine, steps)
            self._write(spec, engine, steps, catalog, converter, client, scratch)
            self._maintain(spec, engine, catalog, client)
        except DataOSError as error:
            raise self._traced_to_input(spec, readers, error) from error

    def _run_program(
        self,
        spec: FlareSpec,
        engine: Engine,
        readers: Readers,
        places: Destinations,
        steps: Steps,
        client: Client,
        scratch: Path,
    ) -> None:
        """The author's program, in place of steps."""

        def load(entry: Input, source: Source) -> View:
            view = self._load(readers, client, entry, source, spec.keep_system_columns)
            return windows.few(engine, entry.name, view, self._job.limit) if self._job.limit else view

        def window(entry: Input, view: str, whole: View) -> None:
            assert entry.increment is not None  # noqa: S101 - that is when it is called
            self._window(engine, steps, entry.name, entry.increment, whole, view)

        Program(
            spec, self._job.sources, self._targets, engine, self._job.token, load, window, places, self._now,
            self._log, self.result,
        ).run(scratch)  # fmt: skip

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

    def _load(self, readers: Readers, client: Client, entry: Input, source: Source, keep_system_columns: bool) -> View:
        found = self._slices.get(entry.name)
        if found is None and source.kind == "messages":  # no stream: what is there now
            found = inputsources.whole(entry, source, client, self._log)
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

    def _load_inputs(self, spec: FlareSpec, engine: Engine, steps: Steps, readers: Readers, client: Client) -> None:
        steps.plan_keeping()
        failures: list[Problem] = []
        for entry in spec.inputs:
            self._log.info(f"Loading {entry.name} table...")
            path = relative(entry.path if entry.query is None else entry.address_path, spec.root)
            try:
                with self.result.timed(f"input {entry.name}"):
                    view = self._load(readers, client, entry, self._job.sources[entry.name], spec.keep_system_columns)
                    if self._job.limit:
                        view = windows.few(engine, entry.name, view, self._job.limit)
                    if entry.increment is not None:
                        view = self._window(engine, steps, entry.name, entry.increment, view)
                    if view.text and steps.uses[entry.name] >= _TEXT_TWICE:
                        steps.keep(entry.name)
            except Exception as error:  # noqa: BLE001 - all inputs are looked at: every fault in one go
                failures += problems.of_step(error, f"input {entry.name}", "", path, ()).problems
                continue
            steps.learn(entry.name, engine.sql(f"SELECT * FROM {quoted(entry.name)}"))
            row: dict[str, Any] = {"name": entry.name, "address": entry.source, "columns": steps.described(entry.name)}
            if entry.query is not None:
                row["sources"] = list(entry.tables)
            self.result.inputs.append(row if view.rows is None else {**row, "rows": view.rows})
            steps.show(entry.name)
        if failures:
            raise DataOSError(failures)

    def _window(
        self, engine: Engine, steps: Steps, name: str, increment: Increment, whole: View, view_name: str | None = None
    ) -> View:
        """Let the view of an input be its window. `view_name`: where it has not the input's name."""
        remembered = self._job.state.get(name, {})
        place = view_name or name
        view, state = windows.window(engine, steps.check, place, increment, whole, remembered, self._log.info)
        if state:
            self.result.state[name] = state
        return view

    # --- assertions -------------------------------------------------------------------------------------------------

    def _assert(self, spec: FlareSpec, engine: Engine) -> None:
        """Every assertion of the run, before anything is written. Raises with one problem for each dataset."""
        checker = Checker(engine, spec.views, self._now, spec.root, self._udfs)
        failures: list[Problem] = []
        groups: list[tuple[str, str, tuple[Any, ...], Any]] = []
        if spec.assertions:
            first = spec.inputs[0].name if spec.inputs else spec.steps[-1].name
            address = spec.inputs[0].source if spec.inputs else first
            groups.append((first, address, spec.assertions, spec.assertions[0].path[:-1]))
        for output in spec.outputs:
            if output.assertions:
                view = spelt(output.name, spec.views)
                groups.append((view, str(output.address), output.assertions, (*output.path, "assertions")))
        for view, address, assertions, path in groups:
            failed = checks.verdict(
                checker, self._log, self.result, view, address, assertions, relative(path, spec.root)
            )
            failures += [failed] if failed is not None else []
        if failures:
            raise DataOSError(failures)

    def _profile(self, spec: FlareSpec, engine: Engine, steps: Steps) -> None:
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
                steps.keep(view)
                measured = profiling.measure(engine, view, first.source, profile)
            self._log.info(
                f"profile of {first.source}: {measured['rows']} rows, {len(measured['labels'])} suggested tags"
            )
            self.result.profile = measured
        except Exception as error:
            raise problems.of_step(error, f"profile of {first.name}", "", path, steps.columns[first.name]) from error

    # --- outputs ----------------------------------------------------------------------------------------------------

    def _write(
        self,
        spec: FlareSpec,
        engine: Engine,
        steps: Steps,
        catalog: Catalog,
        converter: Converter,
        client: Client,
        scratch: Path,
    ) -> None:
        """All frames are compared with their tables first, then all are written."""
        places = self._places(spec, engine, catalog, converter, client, scratch)
        outputs = [_renamed(o, spelt(o.name, spec.views)) for o in spec.outputs]
        prepared: list[Prepared] = []
        failures: list[Problem] = []
        for output, target in zip(outputs, self._targets, strict=True):
            try:
                prepared.append(places.prepare(output, target))
            except DataOSError as error:
                failures += error.problems
        if failures:
            raise DataOSError(failures)
        for output, target, ready in zip(outputs, self._targets, prepared, strict=True):
            reads = lineage.below(output.name, steps.reads(), steps.inputs())
            try:
                places.write(output, target, ready, reads, self.result)
            except DataOSError:
                raise
            except Exception as error:
                raise steps.blame(output, error) from error
        with self.result.timed("lineage"):
            self._trace(outputs, spec, steps)

    def _places(
        self, spec: FlareSpec, engine: Engine, catalog: Catalog, converter: Converter, client: Client, scratch: Path
    ) -> Destinations:
        stamp = Stamp(self._job.identity.get("attempt", ""), self._number) if spec.write_system_columns else None
        tables = Writers(engine, catalog, self._log, spec.root, self._now, stamp)
        files = FileWriters(engine, converter, spec.root, self._out, scratch)
        return Destinations(tables, files, self._out, client, self._log)

    def _maintain(self, spec: FlareSpec, engine: Engine, catalog: Catalog, client: Client) -> None:
        """Actions on tables, in the manifest's order (ch04 6.8)."""
        for planned in spec.actions:
            entry = next(i for i in spec.inputs if i.name == planned.input)
            path = relative(planned.path, spec.root)
            self._log.info(f"{planned.name} of {entry.source}")
            try:
                with self.result.timed(f"{planned.name} {entry.name}"):
                    counts = maintaining.act(
                        planned, self._job, self._server, engine, catalog, client, entry, spec.views, self._now,
                        self._scratch, self._log,
                    )  # fmt: skip
            except Exception as error:
                raise problems.of_step(error, f"action {planned.name}", "", path, ()) from error
            told = ", ".join(f"{k} {v}" for k, v in counts.items() if isinstance(v, int | str))
            self._log.info(f"{planned.name} of {entry.source}: {told}")
            self.result.actions.append({"name": planned.name, "address": entry.source, "counts": counts})

    def _trace(self, outputs: list[Output], spec: FlareSpec, steps: Steps) -> None:
        queries = {i.name: querying.columns(i.query, steps.columns[i.name]) for i in spec.inputs if i.query is not None}
        texts = {n: c.text for n, c in steps.checked.items()}
        for view in dict.fromkeys(o.name for o in outputs):
            columns = steps.columns[view]
            traced = lineage.trace(view, columns, texts, steps.reads(), steps.inputs())
            self.result.lineage += lineage.through(traced, queries)


def _renamed(output: Output, name: str) -> Output:
    return output if output.name == name else replace(output, name=name)


def utc_now() -> datetime:
    """The clock of a real run."""
    return datetime.now(UTC)
