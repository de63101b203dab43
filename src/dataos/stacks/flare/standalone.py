"""A Workflow's Flare jobs on this machine, without a server for local files (ch04 10): `python -m` this, REQUEST.

The CLI's `develop start` makes the request. Jobs run one after the other in this process, with the driver of a server's
jobs; local outputs appear whole once their job has ended well. Addresses of a server are read and written as the user
of the CLI. After the last job a Python shell looks at its views.
"""

from __future__ import annotations

import code
import contextlib
import glob
import graphlib
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core import names, nestednulls
from dataos.core.errors import DataOSError, ExitCode, Problem, fail
from dataos.core.secrecy import Secret
from dataos.depots import placing
from dataos.manifest.specs import Reading, render
from dataos.stacks.flare import fileformats, localforms, preflight
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare.driver.job import Job, Source, Target
from dataos.stacks.flare.driver.output import Log, problem_lines
from dataos.stacks.flare.driver.reaching import Reach
from dataos.stacks.flare.driver.run import Run, utc_now
from dataos.stacks.flare.localforms import Places
from dataos.stacks.flare.model import FILES, FlareSpec, Input, Output

_STACK = "flare"


@dataclass(frozen=True)
class Request:
    """What to run. `why`: why there is no server, where there is none; `limit`: most rows of each input, 0: all."""

    document: Mapping[str, Any]
    folder: Path
    limit: int = 0
    explain: bool = False
    only: str = ""
    shell: bool = False
    server: Connection | None = None
    why: str = ""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Request:
        """From the JSON of the CLI."""
        server = body.get("server")
        found = None if server is None else Connection(server["url"], Secret(server["token"]), server["source"])
        return cls(
            document=body["document"],
            folder=Path(body["folder"]),
            limit=int(body.get("limit", 0)),
            explain=bool(body.get("explain")),
            only=str(body.get("only") or ""),
            shell=bool(body.get("shell")),
            server=found,
            why=str(body.get("why") or ""),
        )


@dataclass(frozen=True)
class Node:
    """One Flare job of the Workflow."""

    name: str
    stack_spec: Mapping[str, Any]
    path: str


class _Stream:
    """Standard output, with paths in place of pseudo addresses."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def write(self, text: str) -> int:
        """As a file."""
        return sys.stdout.write(self._places.told(text))

    def flush(self) -> None:
        """As a file."""
        sys.stdout.flush()


class Standalone:
    """Runs the jobs of a request."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._places = Places(request.folder)
        self._said = Log(stream=cast("TextIO", _Stream(self._places)))
        self._reach = Reach(Client(request.server)) if request.server is not None else None

    def run(self) -> bool:
        """All jobs, in the order of their dependencies. True if all went well."""
        try:
            found = jobs(self._request.document, self._said)
            if self._request.only:
                known = [n.name for n in found]
                if self._request.only not in known:
                    hint = names.did_you_mean(self._request.only, known) or "jobs: " + ", ".join(known)
                    raise fail("flare.job", f"there is no Flare job `{self._request.only}`", hint=hint)
                found = [n for n in found if n.name == self._request.only]
            planned = [(node, *self._read(node)) for node in found]
        except DataOSError as error:
            self._say(error.problems)
            return False
        for number, (node, body, spec) in enumerate(planned):
            if not self._job(node, body, spec, is_last=number == len(planned) - 1):
                return False
        return True

    def _say(self, problems: Any) -> None:
        for line in problem_lines(list(problems)):
            self._said.error(line)

    def _read(self, node: Node) -> tuple[Mapping[str, Any], FlareSpec]:
        """The job in its canonical form. Raises DataOSError with everything that is wrong in it."""
        reading = Reading()
        body = localforms.canonical(node.stack_spec, self._places, reading)
        spec = flare.read(body, reading, ())
        needs = preflight.needs_spark(spec) if spec is not None else []
        problems = [*reading.problems, *needs]
        if problems or spec is None:
            raise DataOSError([_placed(p, node) for p in problems])
        for warning in reading.warnings:
            if warning.code != "manifest.variant":
                self._said.warning(f"{node.name}: {warning.message}")
        if spec.actions:
            path = f"{node.path}.job.actions"
            hint = "run the Workflow on a server: dataos apply"
            raise DataOSError(Problem("stack.unsupported", "a local run maintains no tables", hint=hint, path=path))
        if spec.streaming is not None or any(i.stream for i in spec.inputs):
            self._said.warning(f"{node.name}: a stream is read once here: what there is now")
        if self._request.explain and not spec.explain:
            body = _explained(body)
        return body, spec

    def _job(self, node: Node, body: Mapping[str, Any], spec: FlareSpec, *, is_last: bool) -> bool:
        scratch = Path(tempfile.mkdtemp(prefix="dataos-run-"))
        out = scratch / "out"
        out.mkdir()
        run: Run | None = None
        try:
            sources = {i.name: self._source(i, node, scratch) for i in spec.inputs}
            targets = tuple(self._target(o, node, n) for n, o in enumerate(spec.outputs))
            run = Run(
                self._as_job(node, body, spec, sources, targets),
                self._request.server.url if self._request.server else "",
                scratch,
                out,
                self._said,
                utc_now,
                keep_engine=is_last and self._request.shell,
            )
            if not run.execute():
                return False
            for output, target in zip(spec.outputs, targets, strict=True):
                self._deliver(output, target, out)
            if run.engine is not None:
                _look(run)
        except DataOSError as error:
            self._say(_placed(p, node) if not p.path else p for p in error.problems)
            return False
        finally:
            if run is not None and run.engine is not None:
                with contextlib.suppress(Exception):
                    run.engine.close()
            shutil.rmtree(scratch, ignore_errors=True)
        return True

    def _as_job(
        self,
        node: Node,
        body: Mapping[str, Any],
        spec: FlareSpec,
        sources: dict[str, Source],
        targets: tuple[Target, ...],
    ) -> Job:
        identity = {
            "workspace": os.environ.get("DATAOS_WORKSPACE", "public"),
            "workflow": str(self._request.document.get("name", "")),
            "run": "local",
            "user": os.environ.get("DATAOS_RUN_AS_USER", ""),
            "job": node.name,
            "attempt": f"local-{uuid.uuid4()}",
        }
        server = self._request.server
        return Job(
            stack_spec=body,
            sources=sources,
            targets=targets,
            identity=identity,
            token=server.token if server is not None else Secret(""),
            server=server.url if server is not None else "",
            log_level=spec.log_level or "INFO",
            memory_bytes=0,
            limit=self._request.limit,
        )

    # --- places -----------------------------------------------------------------------------------------------------

    def _server(self, what: str) -> Reach:
        if self._reach is None:
            raise fail(
                "flare.local",
                f"{what} is on a server, and there is none: {self._request.why}",
                hint="log in (dataos login) or start one (dataos up), or name a local path in its place",
            )
        return self._reach

    def _source(self, entry: Input, node: Node, scratch: Path) -> Source:
        if entry.address is None:
            self._server(entry.source)
            return Source("query")
        place = self._places.find(entry.address)
        if place is None:
            return self._server(str(entry.address)).source(entry.address, entry.format)
        path = _path(node, entry.address_path)
        if place.table:
            return Source("files", place="", format="parquet", files=(_iceberg(place.path, scratch, entry.name, path),))
        suffixes = [s.lstrip(".").lower() for s in reversed(place.path.suffixes)]
        form = entry.format or next((fileformats.SUFFIXES[s] for s in suffixes if s in fileformats.SUFFIXES), None)
        if form not in FILES:
            what = f"format `{form}` is none of files" if form else f"{place.path} tells no format"
            raise fail("flare.format", what, hint="add `format`: " + ", ".join(FILES), path=path)
        files = tuple(sorted(str(f) for f in _files(place.path)))
        if not files:
            raise fail(
                "flare.input", f"Path does not exist: {place.path}", hint="-d names the folder of the data", path=path
            )
        root = str(place.path) if place.path.is_dir() else ""
        return Source("files", place=root, format=form, files=files)

    def _target(self, output: Output, node: Node, number: int) -> Target:
        place = self._places.find(output.address)
        if place is None:
            target = self._server(str(output.address)).target(output.address, output.format, output.branch)
            if target is None:
                raise fail(
                    "stack.unsupported",
                    f"{output.address}: a local run writes to tables of Lakehouses and to folders of this machine",
                    hint="give the output a local path, or let the Workflow run on the server",
                )
            return target
        if output.format not in FILES:
            what = f"`{output.format}` is none of files" if output.format else "it names no format"
            hint = "add `format`: " + ", ".join(FILES) + "; Iceberg tables are written to a Lakehouse: dataos://..."
            path = _path(node, output.path)
            raise fail("flare.format", f"output `{output.name}` goes to {place.path}, and {what}", hint=hint, path=path)
        return Target("files", folder=f"outputs/{number}", mark=str(uuid.uuid4()), format=output.format)

    def _deliver(self, output: Output, target: Target, out: Path) -> None:
        place = self._places.find(output.address)
        if place is None or target.kind != "files":
            return
        mode = "append" if output.mode == "append" else "overwrite"
        with placing.alone(place.path):
            placing.show(
                placing.take(out / target.folder, place.path, mode, target.mark), place.path, mode, target.mark
            )
        self._said.info(f"{place.path} is written")


def jobs(document: Mapping[str, Any], said: Log) -> list[Node]:
    """The Flare jobs of a Workflow, each after those that it depends on. Raises DataOSError `flare.local`."""
    section: Any = document.get("workflow")
    listed: Any = section.get("dag") if isinstance(section, dict) else None
    if not isinstance(listed, list) or not listed:
        hint = "a local run takes a Workflow: type: workflow, workflow: {dag: [...]}"
        raise fail("flare.local", f"the manifest holds no Workflow with jobs ({document.get('type')})", hint=hint)
    found: dict[str, Node] = {}
    after: dict[str, list[str]] = {}
    for number, entry in enumerate(cast("list[Any]", listed)):
        if not isinstance(entry, dict):
            raise fail("flare.local", "a job must be a mapping with name and spec", path=f"workflow.dag[{number}]")
        job = cast("dict[str, Any]", entry)
        spec = cast("dict[str, Any]", job["spec"] if isinstance(job.get("spec"), dict) else job)
        name = str(job.get("name") or f"job-{number}")
        wanted: Any = job.get("dependencies", job.get("dependency"))
        after[name] = [str(w) for w in (wanted if isinstance(wanted, list) else [wanted]) if w]  # type: ignore[misc]
        stack = str(spec.get("stack") or "")
        if stack.partition(":")[0].strip().lower() != _STACK:
            said.warning(f"job `{name}` is of the stack `{stack}` and is left out: a local run is of Flare jobs")
            continue
        key = next((k for k in spec if k.lower() in ("stackspec", "flare")), None)
        body = spec.get(key) if key else None
        if not isinstance(body, dict):
            raise fail("manifest.missing", f"job `{name}` has no stackSpec", path=f"workflow.dag[{number}].spec")
        found[name] = Node(name, cast("dict[str, Any]", body), f"workflow.dag[{number}].spec.{key}")
    if not found:
        raise fail("flare.local", "the Workflow has no Flare job", hint="a local run is of Flare jobs")
    try:
        order = list(graphlib.TopologicalSorter(after).static_order())
    except graphlib.CycleError as error:
        raise fail("manifest.dag", f"the jobs depend on each other in a circle: {' -> '.join(error.args[1])}") from None
    return [found[name] for name in order if name in found]


def _placed(problem: Problem, node: Node) -> Problem:
    path = f"{node.path}.{problem.path}" if problem.path else node.path
    return Problem.from_json({**problem.to_json(), "path": path})


def _path(node: Node, path: Any) -> str:
    return f"{node.path}.{render(path)}"


def _explained(body: Mapping[str, Any]) -> dict[str, Any]:
    key = next((k for k in body if k.lower() == "job" and isinstance(body[k], dict)), None)
    return {**body, key: {**body[key], "explain": True}} if key else {**body, "explain": True}


def _files(path: Path) -> Iterator[Path]:
    """The files of a path: itself, those of a folder (deep), or of a pattern; hidden ones are left out."""
    if path.is_file():
        yield path
        return
    roots = [path] if path.is_dir() else [Path(p) for p in glob.glob(str(path), recursive=True)]
    for root in roots:
        for file in [root] if root.is_file() else root.rglob("*"):
            inner = file.relative_to(root).parts if file != root else (file.name,)
            if file.is_file() and not any(part.startswith((".", "_")) for part in inner):
                yield file


def _iceberg(folder: Path, scratch: Path, name: str, path: str) -> str:
    """The rows of an Iceberg table's folder, as Parquet in scratch."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import ArrowProjectionVisitor
    from pyiceberg.table import StaticTable

    metadata = sorted((folder / "metadata").glob("*.metadata.json"), key=lambda f: (f.stat().st_mtime_ns, f.name))
    if not metadata:
        raise fail(
            "flare.input", f"{folder} holds no Iceberg table", hint="warehousePath/schemaName/tableName", path=path
        )
    target = scratch / f"iceberg-{name}.parquet"
    nestednulls.keep(ArrowProjectionVisitor)
    try:
        reader = StaticTable.from_metadata(str(metadata[-1])).scan().to_arrow_batch_reader()
        with reader, pq.ParquetWriter(target, reader.schema, compression="snappy") as writer:
            for batch in reader:
                writer.write_batch(batch)
    except (OSError, ValueError) as error:
        raise fail(
            "flare.input", f"the Iceberg table {folder} cannot be read: {str(error)[:200]}", path=path
        ) from error
    return str(target)


class _Shell(code.InteractiveConsole):
    """Python, and the word `tables`."""

    def __init__(self, run: Run) -> None:
        assert run.engine is not None  # noqa: S101 - it was kept for this
        super().__init__({"spark": run.engine.session})
        self._views = run.views

    def push(self, line: str, *args: Any, **options: Any) -> bool:
        """One line. `tables` lists the views, `exit` and `quit` end."""
        word = line.strip().rstrip(";")
        if word == "tables":
            self.write("".join(f"{view}\n" for view in self._views))
            return False
        if word in ("exit", "quit", ":q", ":quit"):
            raise SystemExit
        return super().push(line, *args, **options)

    def write(self, data: str) -> None:
        """To standard output, where the answers are too."""
        sys.stdout.write(data)
        sys.stdout.flush()


def _look(run: Run) -> None:
    banner = 'tables: the views; spark.sql("SELECT ...").show(); spark.table("...").printSchema(); exit'
    with contextlib.suppress(SystemExit):
        _Shell(run).interact(banner=banner, exitmsg="")


def main() -> int:
    """Run the request of a file, which is read once and taken away: it may hold a key."""
    file = Path(sys.argv[1])
    try:
        request = Request.of(json.loads(file.read_text()))
    finally:
        file.unlink(missing_ok=True)
    try:
        return ExitCode.OK if Standalone(request).run() else ExitCode.FAILED
    except KeyboardInterrupt:
        Log().error("interrupted: what was not written whole is not there")
        return ExitCode.FAILED


if __name__ == "__main__":
    ended = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # as the driver of a server's jobs does: the engine's threads need no farewell
