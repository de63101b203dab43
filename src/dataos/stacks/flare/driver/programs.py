"""A job that is a Python program: what PyFlare does in it (ch04 11), and what is told of it.

The program runs in this process, inside the job's sandbox. It reads the inputs and writes the outputs that the manifest
declares, with the run's token: what it saves appears with all else of the run, or not at all.
"""

from __future__ import annotations

import itertools
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.secrecy import Secret
from dataos.stacks.flare import querying
from dataos.stacks.flare.driver import checks, problems
from dataos.stacks.flare.driver.checks import Checker
from dataos.stacks.flare.driver.destinations import Destinations
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.job import Source, Target
from dataos.stacks.flare.driver.output import Log, Result
from dataos.stacks.flare.driver.readers import View
from dataos.stacks.flare.model import FlareSpec, Input, Output, relative

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Load = Callable[[Input, Source], View]
"""Make the view of an input, under the name that it has there."""
Window = Callable[[Input, str, View], None]
"""Let the view of an incremental input, whose own name is given, be its window only."""

_FILE = "program.py"
_current: Program | None = None


def current() -> Program | None:
    """The program that runs in this process; None: this is no job."""
    return _current


class Program:
    """The program of one run. `run` called once; the rest is what PyFlare calls meanwhile."""

    def __init__(
        self,
        spec: FlareSpec,
        sources: Mapping[str, Source],
        targets: tuple[Target, ...],
        engine: Engine,
        token: Secret,
        load: Load,
        window: Window,
        places: Destinations,
        now: datetime,
        log: Log,
        result: Result,
    ) -> None:
        self._spec = spec
        self._sources = sources
        self._targets = {str(o.address): t for o, t in zip(spec.outputs, targets, strict=True)}
        self._engine = engine
        self._token = token
        self._load = load
        self._window = window
        self._places = places
        self._now = now
        self._result = result
        self._count = itertools.count(1)
        self._loaded: dict[tuple[Any, ...], DataFrame] = {}
        self._reads: dict[str, None] = {}  # names of the inputs that were read so far
        self._saved: set[str] = set()
        self._failures: list[Problem] = []  # after which the run fails, whatever the program makes of them
        self.progress = log

    @property
    def session(self) -> SparkSession:
        """The engine's session."""
        return self._engine.session

    @property
    def depots(self) -> dict[str, str]:
        """Depots of what the job declares, with `r` or `rw`."""
        found = {i.address.depot: "r" for i in self._spec.inputs if i.address is not None}
        return {**found, **{o.address.depot: "rw" for o in self._spec.outputs}}

    def run(self, scratch: Path) -> None:
        """Run it to its end. Raises DataOSError of what failed in it, at its line."""
        global _current
        file = scratch / _FILE
        file.write_text(self._spec.program or "")
        arguments, sys.argv = sys.argv, [str(file)]
        _current = self
        failed: Problem | None = None
        try:
            with self._result.timed("program"):
                runpy.run_path(str(file), run_name="__main__")
        except SystemExit as error:
            if error.code not in (None, 0):
                failed = self._problem(f"the program ended with {error.code!r}", "0, or its end, is success")
        except Exception as error:  # noqa: BLE001 - the author's code
            failed = self._failed(error, file)
        finally:
            _current = None
            sys.argv = arguments
            sys.stdout.flush()
        if self._failures:
            raise DataOSError(self._failures)
        if failed is not None:
            raise DataOSError(failed)
        left = [o for o in self._spec.outputs if str(o.address) not in self._saved]
        if left:
            hint = "save it, if only without rows, or take it out of `outputs`"
            raise DataOSError(
                [self._problem(f"the program ended without saving {o.address} (`{o.name}`)", hint) for o in left]
            )

    # --- reading ----------------------------------------------------------------------------------------------------

    def load(self, name: str, form: str | None, options: Mapping[str, str]) -> DataFrame:
        """A dataset that the job declares, by its address or its name there.

        Raises DataOSError `flare.undeclared`, `flare.format`, or as the reader does.
        """
        entry = self._input(name)
        if entry is None:
            written = self._output(name)
            if written is None or self._target(written).kind != "table" or str(written.address) not in self._saved:
                raise self._undeclared(name, "inputs")
            return self._load_own(written)
        source = self._sources[entry.name]
        if form is not None and form != (source.format or self._implied(source)):
            known = source.format or self._implied(source)
            hint = "leave the format out, or change `format` in the manifest"
            raise fail("flare.format", f"{entry.source} is read as {known} in this job, not as {form}", hint=hint)
        key = (entry.name, tuple(sorted(options.items())))
        if key not in self._loaded or (source.kind == "table" and entry.increment is None):
            self._loaded[key] = self._read(entry, source, options)
        return self._loaded[key]

    def query(self, text: str, cluster: str | None) -> DataFrame:
        """The answer of a query (Trino dialect) over datasets that the job declares. Raises as `load`."""
        body = text.strip().rstrip(";")
        declared = {
            a: i.name for i in self._spec.inputs for a in ((_plain(i.address),) if i.address is not None else i.tables)
        }
        named = querying.tables(body)
        for address in named:
            if address not in declared:
                raise self._undeclared(address, "inputs")
        label = f"query_{next(self._count)}"
        entry = Input(label, None, body, cluster, None, {}, None, None, (), (), named)
        self._load(entry, Source("query"))
        self._reads.update(dict.fromkeys(declared[a] for a in named))
        return self.session.table(label)

    def _read(self, entry: Input, source: Source, options: Mapping[str, str]) -> DataFrame:
        label = f"dataset_{next(self._count)}"
        self.progress.info(f"Loading {entry.name} table...")
        with self._result.timed(f"input {entry.name}"):
            view = self._load(replace(entry, name=label, options={**entry.options, **options}), source)
            if entry.increment is not None:
                self._window(entry, label, view)
        frame = self.session.table(label)
        if entry.name not in self._reads:
            self._reads[entry.name] = None
            columns = [{"name": n, "type": t} for n, t in frame.dtypes]
            row: dict[str, Any] = {"name": entry.name, "address": entry.source, "columns": columns}
            if entry.query is not None:
                row["sources"] = list(entry.tables)
            self._result.inputs.append(row if view.rows is None else {**row, "rows": view.rows})
        return frame

    def _load_own(self, written: Output) -> DataFrame:
        """What this program saved into a table before."""
        target = self._target(written)
        label = f"dataset_{next(self._count)}"
        options = {"branch": target.branch} if target.branch else {}
        entry = Input(label, written.address, None, None, None, options, None, None, (), ())
        self._load(entry, Source("table", warehouse=target.warehouse, namespace=target.namespace, table=target.table))
        return self.session.table(label)

    # --- writing ----------------------------------------------------------------------------------------------------

    def save(
        self, name: str, frame: DataFrame, form: str | None, mode: str | None, said: Callable[[Udl, str], Output] | None
    ) -> None:
        """Write a frame to an output that the job declares, by its address or its name there. `mode` None: as the
        manifest says; `said`: (address, mode) -> what the call's own options make of it, None: it has none.

        Raises DataOSError `flare.undeclared`, `flare.format`, `flare.program`, and as writing does.
        """
        declared = self._output(name)
        if declared is None:
            raise self._undeclared(name, "outputs")
        target = self._target(declared)
        address = str(declared.address)
        self._check_call(declared, target, form, mode, said is not None)
        view = f"__save_{next(self._count)}"
        output = replace(declared, mode=mode or declared.mode, merge=None if mode == "append" else declared.merge)
        if said is not None:
            call = said(declared.address, output.mode)
            output = replace(
                output, options={**declared.options, **call.options}, branch=declared.branch, dynamic=call.dynamic,
                partitions=call.partitions or declared.partitions, merge=call.merge, sort=call.sort or declared.sort,
                properties={**declared.properties, **call.properties},
                compression=call.compression or declared.compression,
                evolution=declared.evolution if call.evolution == "strict" else call.evolution,
            )  # fmt: skip
        output = replace(output, name=view)
        frame.createOrReplaceTempView(view)
        self._assert(declared, view)
        ready = self._places.prepare(output, target)
        before = len(self._result.outputs)
        try:
            self._places.write(output, target, ready, list(self._reads), self._result)
        except Exception as error:
            what = f"Failed to write to output: {(declared.format or target.kind).capitalize()} {address}"
            found = problems.of_step(error, what, "", relative(declared.path, self._spec.root), ())
            self._failures += found.problems
            raise found from error
        self._saved.add(address)
        self._told(declared, before)

    def _check_call(self, output: Output, target: Target, form: str | None, mode: str | None, options: bool) -> None:
        """Raises DataOSError where the call and the manifest do not agree."""
        address = output.address
        if target.kind == "table":
            known = "iceberg"
        else:
            known = output.format or ("" if target.whole else target.format)
        if form is not None and known and form != known:
            hint = "leave the format out, or change `format` in the manifest"
            raise fail("flare.format", f"{address} is written as {known} in this job, not as {form}", hint=hint)
        if mode not in (None, "append", "overwrite"):
            raise fail("flare.program", f"mode `{mode}` is not allowed", hint="allowed: append, overwrite")
        if target.kind == "table":
            return
        if mode is not None and mode != output.mode:
            raise fail(
                "flare.program",
                f"{address} is written with `{output.mode}` in this job, not with `{mode}`",
                hint=f"set options.saveMode of the output `{output.name}` in the manifest",
            )
        if str(address) in self._saved:
            hint = "unite the frames before: first.unionByName(second)"
            raise fail("flare.program", f"{address} is no table of a Lakehouse, and is saved once", hint=hint)
        if options and target.whole:
            hint = f"write them as `options` of the output `{output.name}` in the manifest"
            raise fail("flare.program", f"{address} is written by the server, which does not hear options", hint=hint)

    def _assert(self, output: Output, view: str) -> None:
        if not output.assertions:
            return
        checker = Checker(self._engine, {output.name: view}, self._now, self._spec.root)
        path = relative((*output.path, "assertions"), self._spec.root)
        failed = checks.verdict(
            checker, self.progress, self._result, view, str(output.address), output.assertions, path, output.name
        )
        if failed is not None:
            self._failures.append(failed)
            raise DataOSError(failed)

    def _told(self, output: Output, before: int) -> None:
        """One row of the result an output, under its own name."""
        rows = self._result.outputs
        row: dict[str, Any] = {**rows.pop(), "name": output.name}
        earlier = next((r for r in rows[:before] if r["address"] == row["address"]), None)
        if earlier is not None:
            rows.remove(earlier)
            if row["operation"] == earlier["operation"] == "append":
                known: list[int | None] = [row["rows"], earlier["rows"]]
                row["rows"] = None if None in known else sum(n or 0 for n in known)
        rows.append(row)

    # --- what is declared -------------------------------------------------------------------------------------------

    def _input(self, name: str) -> Input | None:
        wanted = _plain_text(name)
        found = (i for i in self._spec.inputs if i.name == name or (i.address and _plain(i.address) == wanted))
        return next(found, None)

    def _output(self, name: str) -> Output | None:
        wanted = _plain_text(name)
        return next((o for o in self._spec.outputs if o.name == name or _plain(o.address) == wanted), None)

    def _target(self, output: Output) -> Target:
        return self._targets[str(output.address)]

    @staticmethod
    def _implied(source: Source) -> str:
        return {"table": "iceberg", "query": "jdbc", "messages": "kafkajson"}.get(source.kind, source.kind)

    def _undeclared(self, name: str, where: str) -> DataOSError:
        entries = self._spec.inputs if where == "inputs" else self._spec.outputs
        known = [*(e.name for e in entries), *(str(e.address) for e in entries if e.address is not None)]
        near = names.did_you_mean(name, known)
        text = f"{name} is not among the `{where}` of the job"
        listed = ", ".join(e.name for e in entries) or "none"
        return fail("flare.undeclared", text, hint=near or f"declare it in the manifest; declared: {listed}")

    # --- what fails -------------------------------------------------------------------------------------------------

    def _problem(self, text: str, hint: str = "", line: int | None = None) -> Problem:
        return Problem("flare.program", text, hint=hint, path="job.program", line=line)

    def _failed(self, error: Exception, file: Path) -> Problem:
        """What the author's code raised, at its line; its traceback goes into the log."""
        frames = [f for f in traceback.walk_tb(error.__traceback__) if f[0].f_code.co_filename == str(file)]
        line = frames[-1][1] if frames else None
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != str(file):
            trace = trace.tb_next
        told = "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
        self.progress.block(told.replace(self._token.reveal(), "***").replace(str(file), _FILE))
        where = f"the program, line {line}: " if line else "the program: "
        known = [p for p in getattr(error, "problems", ()) if isinstance(p, Problem)]
        if known:
            first = known[0]
            return replace(
                first, message=f"{where}{type(error).__name__}: {first.message}", path="job.program", line=line,
                column=None,
            )  # fmt: skip
        if type(error).__module__.startswith(("pyspark", "grpc")):
            code, message, _, hint = problems.explain(error, "program", ())
            return replace(self._problem(f"{where}{message}", hint, line), code=code)
        text = f"{type(error).__name__}: {problems.first_line(str(error))}".replace(self._token.reveal(), "***")
        hint = "modules that it imports must be installed with DataOS" if isinstance(error, ImportError) else ""
        return self._problem(f"{where}{text}", hint or "its traceback stands in the log", line)


def _plain(address: Udl) -> str:
    """An address without what it is for."""
    return str(Udl(address.depot, address.collection, (address.dataset or "").strip("/")))


def _plain_text(name: str) -> str | None:
    try:
        return _plain(Udl.parse(name)) if "://" in name else None
    except DataOSError:
        return None
