"""stackSpec -> Plan: addresses to real places, the engine, and the process that will work on them."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, Problem, fail
from dataos.depots import paths, tableformats
from dataos.depots.ports import DepotEntry, FileDepot, TablePartition, TableWriting
from dataos.depots.resolver import refuse_read_only
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.lakehouse import namespaces
from dataos.lakehouse.files import in_bucket
from dataos.lakehouse.views import AttemptView, TableRef
from dataos.manifest import depot_types, registry, specs
from dataos.manifest.specs import Reading, read_model, render
from dataos.processes.ports import Isolation, Launch, Mount
from dataos.stacks.flare import choosing, fileformats, outputs, positions
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare.blocks import OutputEntry
from dataos.stacks.flare.driver import job as jobs
from dataos.stacks.flare.model import FILES, FlareSpec, Input, Output
from dataos.workloads.ports import AttemptRequest, Handover, JobRequest, Placed, Plan, Rooms

_MODULE = "dataos.stacks.flare.driver"
_DEFAULT_MEMORY = 2 << 30
_FEW_FILES = 64
_LOADED = ("postgresql", "mysql", "sqlite")  # databases that the server loads rows into
_TOPICS = {"KAFKA": ("kafkajson", "kafkaavro"), "EVENTHUB": ("eventhub",), "PULSAR": ("pulsar",)}
"""Types whose datasets are topics -> the formats of their messages, the usual one first."""


class FlarePlanner:
    """Plans Flare jobs; knows depots, the lakehouse and Computes."""

    async def check(self, job: JobRequest, rooms: Rooms) -> list[Problem]:
        """Depots exist and can do what is asked, files are there, outputs go to a Lakehouse. Paths as in the port."""
        spec = _read(job)
        problems: list[Problem] = []
        for entry in spec.inputs:
            if entry.address is None:
                continue  # the query engine knows what its query names
            try:
                depot = await _depot(rooms, entry.address)
                source = _format(rooms, entry, entry.address, depot)
                if source in FILES and not _is_pattern(entry.address) and not entry.stream:
                    await _listed(rooms, depot, entry.address)
                _check_stream(spec, entry, depot)
                await _check_read(rooms, job, entry, depot)
                if source == "kafkaavro":
                    _registered(depot)
                if entry.format is None:  # else they were looked at with the manifest
                    for fault in positions.faults(source, entry.options):
                        if fault.fatal:
                            where = render((*entry.path, "options", fault.key))
                            problems.append(_prefixed(_fault(fault, where), job))
                if depot.type != "ICEBERG" and any(a.input == entry.name for a in spec.actions):
                    raise fail(
                        "flare.action",
                        f"`{entry.name}` is read from depot '{depot.name}' of type {depot.type}",
                        hint="actions maintain Iceberg tables of a Lakehouse",
                    )
            except DataOSError as error:
                problems += _at(error, job, entry.address_path)
        for entry in spec.inputs:
            if entry.schema_at is not None:
                try:
                    await _schema_file(rooms, entry.schema_at)
                except DataOSError as error:
                    problems += _at(error, job, (*entry.path, "schemaPath"))
        for output in spec.outputs:
            try:
                _target(rooms, output, await _depot(rooms, output.address), Handed(job.job))
                await rooms.access.check_writable(job.run_as, output.address)
            except DataOSError as error:
                problems += _at(error, job, output.address_path)
        if spec.streaming is not None and not problems and not await _streams(rooms, spec):
            text = "the job has `streaming`, and no input is read as a stream"
            hint = "set isStream: true on the input, or leave `streaming` out"
            where = render((*spec.root, *spec.streaming.path[len(spec.root) :]))
            problems.append(_prefixed(Problem("flare.streaming", text, hint=hint, path=where), job))
        try:
            problems += await self._check_engine(spec, job, rooms)
        except DataOSError as error:
            problems += [_prefixed(p, job) for p in error.problems]
        return problems

    async def place(self, output: Mapping[str, Any], name: str, rooms: Rooms) -> Placed:
        """As the port says. Raises DataOSError `flare.*`, `depot.*`, `stack.unsupported`."""
        reading = Reading()
        entry = read_model(OutputEntry, dict(output), reading, ())
        made = outputs.read(entry, reading, (), streams=True) if entry is not None else None
        if made is None:
            raise DataOSError(reading.problems)
        handed = Handed(name)
        target = _target(rooms, made, await _depot(rooms, made.address), handed)
        if not handed.overs:
            raise fail("flare.format", f"{made.address} is a table of a Lakehouse", hint="its catalog takes it")
        return Placed(asdict(target), handed.overs[0])

    async def _check_engine(self, spec: FlareSpec, job: JobRequest, rooms: Rooms) -> list[Problem]:
        choice = await choosing.choose(spec, job.compute, rooms.computes)
        if choice.spark is None or rooms.computes is None:
            return []
        local: list[tuple[str, str]] = []
        types: dict[str, str] = {}
        for path, address in spec.addresses:
            with contextlib.suppress(DataOSError):  # a depot that is not there was told of already
                depot = await rooms.depots.get(address.depot)
                types[address.depot] = depot.type
                if depot.type == "FILE" and tableformats.held_by(depot) is None:
                    local.append((render(path), str(address)))
                elif depot.type == "ICEBERG":
                    location = (await rooms.catalog.load_warehouse(warehouse(depot))).location
                    if location.startswith(("/", "file:")):
                        local.append((render(path), location.removeprefix("file://")))
        elsewhere = [o for o in spec.outputs if types.get(o.address.depot, "ICEBERG") != "ICEBERG"]
        found = choosing.check_reach(choice, elsewhere, rooms.computes.catalog_url, local)
        return [_prefixed(p, job) for p in found]

    async def advise(self, job: JobRequest, rooms: Rooms) -> list[Problem]:
        """Which engine runs the job, where that is not the usual one; and outputs that are not those of before."""
        spec = _read(job)
        notices = _rebound(spec, job)
        choice = await choosing.choose(spec, job.compute, rooms.computes)
        if choice.spark is None:
            return notices
        return [*notices, Problem("flare.engine_choice", f"job `{job.job}` {choice.told}", path=job.path)]

    async def plan(self, attempt: AttemptRequest, rooms: Rooms) -> Plan:
        """The launch of one attempt. Raises DataOSError `depot.*`, `flare.input`, `iceberg.*`."""
        job = attempt.job
        spec = _read(job)
        view = AttemptView(attempt.attempt_id)
        places = _Places()
        sources: dict[str, jobs.Source] = {}
        for entry in spec.inputs:
            try:
                if entry.address is not None:
                    await _check_read(rooms, job, entry, await _depot(rooms, entry.address))
                sources[entry.name] = await _source(rooms, view, job, entry, places)
            except DataOSError as error:
                raise DataOSError(_at(error, job, entry.address_path)) from error
            if entry.schema_at is not None:
                try:
                    file, is_here = await _schema_file(rooms, entry.schema_at)
                except DataOSError as error:
                    raise DataOSError(_at(error, job, (*entry.path, "schemaPath"))) from error
                sources[entry.name] = replace(sources[entry.name], schema=file)
                if is_here:
                    places.add_files([file])
        targets: list[jobs.Target] = []
        handed = Handed(f"{attempt.run_id}/{job.job}")
        for output in spec.outputs:
            target = _target(rooms, output, await _depot(rooms, output.address), handed)
            await rooms.access.check_writable(job.run_as, output.address)
            targets.append(target)
            if target.kind == "table":
                await _writable(rooms, view, target, places)
        for action in spec.actions:
            source = sources[action.input]
            if action.action is None or action.action.options is not None:  # files are written; else the server does it
                table = jobs.Target("table", source.warehouse, source.namespace, source.table)
                await _writable(rooms, view, table, places)
        choice = await choosing.choose(spec, job.compute, rooms.computes)
        cpu = job.cpu or spec.cpu
        memory = job.memory_bytes or spec.memory_bytes or _DEFAULT_MEMORY
        body = jobs.dump(
            job.stack_spec,
            sources,
            tuple(targets),
            {
                "workspace": job.workspace,
                "workflow": job.resource,
                "run": str(attempt.run_id),
                "user": str(job.run_as),
                "job": job.job,
                "attempt": str(attempt.attempt_id),
            },
            log_level=spec.log_level or job.log_level,
            threads=max(1, math.ceil(cpu)) if cpu else 0,
            memory_bytes=memory,
            state={k: v for k, v in attempt.state.items() if k in sources},
            engine_reason=choice.reason,
            **_spark_of(choice, rooms),
        )
        files = {f"config/{jobs.CONFIG_FILE}": body, f"secret/{jobs.TOKEN_FILE}": attempt.token.encode()}
        if choice.spark is not None and choice.spark.token is not None:
            files[f"secret/{jobs.SPARK_TOKEN_FILE}"] = choice.spark.token.reveal().encode()
        launch = Launch(
            argv=(sys.executable, "-m", _MODULE),
            isolation=Isolation.USER if spec.udfs or spec.program is not None else Isolation.PLATFORM,
            files=files,
            mounts=places.mounts(),
            cpu=cpu or 1.0,
            memory_bytes=memory,
            timeout_s=job.timeout_s,
            server_access=True,
            egress=(choice.spark.address.endpoint,) if choice.spark is not None else (),
            waits=True,
        )
        return Plan(
            launch,
            reads=tuple(_read_by(spec)),
            writes=tuple(str(o.address) for o in spec.outputs) + tuple(_maintained(spec)),
            rerunnable=True,
            deliveries=tuple(handed.overs),
            by_batch=any(s.stream for s in sources.values()),
        )


def _rebound(spec: FlareSpec, job: JobRequest) -> list[Problem]:
    """A job that writes elsewhere than it did: what it wrote before stays, and is not written any more (ch04 6.2)."""
    now = {str(o.address) for o in spec.outputs} | set(_maintained(spec))
    left = [address for address in job.wrote if address not in now]
    if not left or not spec.outputs:
        return []
    text = f"job `{job.job}` does not write {', '.join(left)} any more, which its last run did"
    hint = "what is there stays as it is; a job with another name would leave the old one to go on"
    return [Problem("flare.outputs_changed", text, hint=hint, path=f"{job.path}.{render(spec.outputs[0].path[:-1])}")]


def _spark_of(choice: choosing.Choice, rooms: Rooms) -> dict[str, str]:
    """What job.json says of the Spark that runs the job."""
    if choice.spark is None or rooms.computes is None:
        return {}
    return {"spark": str(choice.spark.address), "catalog": rooms.computes.catalog_url}


@dataclass
class Handed:
    """What the job will leave for the server to bring. `of` names the job in its run: the marks come from it."""

    of: str
    overs: list[Handover] = field(default_factory=list[Handover])

    def add(self, output: Output, form: str, table: TableWriting | None = None) -> jobs.Target:
        """One more folder of files of a format; of the rows of a table, which the server writes."""
        number = len(self.overs)
        mark = str(uuid.uuid5(uuid.NAMESPACE_URL, f"dataos:{self.of}/{number}"))
        folder = f"outputs/{number}"
        known = asdict(table) if table is not None else None
        self.overs.append(Handover(folder, str(output.address), output.mode, mark, known))
        return jobs.Target("files", folder=folder, mark=mark, format=form, whole=table is not None)


@dataclass
class _Places:
    """What the job may see of the disk: files to read, folders to read, folders to write."""

    files: dict[Path, None] = field(default_factory=dict[Path, None])
    read: dict[Path, None] = field(default_factory=dict[Path, None])
    write: dict[Path, None] = field(default_factory=dict[Path, None])

    def add_files(self, files: Sequence[str]) -> None:
        """Few files one by one; many through the folder that holds them all."""
        if len(files) <= _FEW_FILES:
            self.files.update(dict.fromkeys(Path(f) for f in files))
        else:
            self.files[Path(os.path.commonpath({os.path.dirname(f) for f in files}))] = None

    def mounts(self) -> tuple[Mount, ...]:
        """Outer folders first: what is mounted later lies on top, so a table that is only read stays read-only."""
        chosen: dict[Path, bool] = dict.fromkeys(self.files, False)
        chosen.update(dict.fromkeys(self.read, False))
        chosen.update(dict.fromkeys(self.write, True))
        ordered = sorted(chosen.items(), key=lambda item: len(item[0].parts))
        return tuple(Mount(path, str(path), writable) for path, writable in ordered)


def _read(job: JobRequest) -> FlareSpec:
    reading = Reading()
    spec = flare.read(dict(job.stack_spec), reading, ())
    if spec is None:
        raise DataOSError([_prefixed(p, job) for p in reading.problems])
    return spec


def _fault(fault: positions.Fault, where: str) -> Problem:
    return Problem("flare.option", fault.text, hint=fault.hint, path=where)


def _prefixed(problem: Problem, job: JobRequest) -> Problem:
    path = f"{job.path}.{problem.path}" if problem.path else job.path
    body = {**problem.to_json(), "path": path}
    return Problem.from_json(body)


def _at(error: DataOSError, job: JobRequest, path: specs.Path) -> list[Problem]:
    return [_prefixed(Problem.from_json({**p.to_json(), "path": render(path)}), job) for p in error.problems]


async def _depot(rooms: Rooms, address: Udl) -> DepotEntry:
    try:
        return await rooms.depots.get(address.depot)
    except DataOSError as error:
        if error.problem.code != "depot.not_found":
            raise
        known = [d.name for d in await rooms.depots.list()]
        raise fail(
            "depot.not_found",
            f"invalid resource dependency, not found: {address.depot}:depot",
            hint=names.did_you_mean(address.depot, known) or error.problem.hint,
            retry=error.problem.retry,
        ) from error


def _allowed(rooms: Rooms, depot: DepotEntry) -> tuple[str, ...]:
    """Formats that are read from a depot. Raises DataOSError `depot.unsupported` with the types that can be read."""
    if depot.type in depot_types.FILE_STORES:
        held = tableformats.held_by(depot)
        if held is None:
            return FILES
        if rooms.depots.tables_in(depot) is None:
            raise fail(
                "stack.unsupported",
                f"depot '{depot.name}' holds {held} tables in a store of type {depot.type}, which no engine here reads",
                hint="such tables are read from folders (FILE) and from S3; or read files: a depot without `format`",
            )
        return (held,)
    if depot.type == "ICEBERG":
        return ("iceberg",)
    if depot.type in _TOPICS:
        return _TOPICS[depot.type]
    if rooms.depots.engine_kind(depot) is not None:  # the query engine reads it in place
        return ("jdbc",)
    descriptor = registry.find_depot_type(depot.type)
    assert descriptor is not None  # noqa: S101 - it is registered
    raise DataOSError(depot_types.refusal(descriptor, "read", depot.name))


def _format(rooms: Rooms, entry: Input, address: Udl, depot: DepotEntry) -> str:
    """The format to read, of the input or of what its depot and file name imply."""
    allowed = _allowed(rooms, depot)
    if entry.format is not None:
        if entry.format not in allowed:
            raise fail(
                "flare.format",
                f"depot '{depot.name}' is of type {depot.type}: format `{entry.format}` cannot be read from it",
                hint="allowed: " + ", ".join(allowed) + "; the format may be left out"
                if depot.type not in depot_types.FILE_STORES
                else "allowed: " + ", ".join(allowed),
            )
        return entry.format
    if depot.type not in depot_types.FILE_STORES or tableformats.held_by(depot) is not None:
        return allowed[0]
    suffixes = [s.lstrip(".").lower() for s in PurePosixPath(address.dataset or "").suffixes]
    found = next((fileformats.SUFFIXES[s] for s in reversed(suffixes) if s in fileformats.SUFFIXES), None)
    found = found or _held(depot)
    if found is None:
        raise fail(
            "flare.format",
            f"input `{entry.name}` names no format, and {address} does not tell one",
            hint="add `format`: " + ", ".join(FILES),
        )
    return found


def _held(depot: DepotEntry) -> str | None:
    """The format of the files that a depot says it holds."""
    word = str(depot.location.get("format") or "").lower()
    return word if word in FILES else None


def _is_pattern(address: Udl) -> bool:
    return paths.is_pattern(address.dataset or "")


async def _listed(rooms: Rooms, depot: DepotEntry, address: Udl) -> tuple[str, ...]:
    """Absolute paths of the files that an address names; of an object store paths below the depot's root."""
    try:
        if depot.type == "FILE":
            adapter = cast("FileDepot", rooms.depots.adapter(depot))
            return tuple(await adapter.files(depot, address))
        return tuple(o.path for o in await rooms.depots.objects(address))
    except DataOSError as error:
        if error.problem.code != "depot.path":
            raise
        text = f"Path does not exist: {address}: {error.problem.message}"
        raise fail("depot.path", text, hint=error.problem.hint) from error


async def _check_read(rooms: Rooms, job: JobRequest, entry: Input, depot: DepotEntry) -> None:
    """May the job's user read it in the way that the input asks for? What goes through the query engine shows what
    policies leave; everything else is read as it lies there. Raises DataOSError `auth.forbidden`, `flare.input`."""
    address = entry.address
    assert address is not None  # noqa: S101 - queries have none, and are asked of the gateway
    if entry.schema_at is not None:
        await rooms.access.check_readable(job.run_as, entry.schema_at)
    if not await _is_engines(rooms, entry, address, depot):
        await rooms.access.check_readable(job.run_as, address)
        return
    hiding = await rooms.access.hiding(job.run_as, address)
    needs = [k for k in entry.options if k.lower() in _WHOLE]
    needs += ["isStream"] if entry.stream else []
    if hiding and needs:
        raise fail(
            "flare.input",
            f"{address} cannot be read with {', '.join(needs)}: policies {', '.join(hiding)} hide parts of it from "
            f"user {job.run_as}",
            hint="leave these out; the input is then read through the gateway, as the policies leave it",
        )


_WHOLE = frozenset({"branch", "snapshot-id", "as-of-timestamp", "tag", "start-snapshot-id", "end-snapshot-id"})
"""Options that only a table read directly has."""


async def _is_engines(rooms: Rooms, entry: Input, address: Udl, depot: DepotEntry) -> bool:
    """Could it be read through the query engine?"""
    if depot.type == "ICEBERG":
        return True
    return _format(rooms, entry, address, depot) == "jdbc" or tableformats.held_by(depot) is not None


async def _source(rooms: Rooms, view: AttemptView, job: JobRequest, entry: Input, places: _Places) -> jobs.Source:
    address = entry.address
    if address is None:
        return jobs.Source("rate", stream=True) if entry.query is None else jobs.Source("query")
    depot = await _depot(rooms, address)
    kind = _format(rooms, entry, address, depot)
    if kind == "jdbc" or tableformats.held_by(depot) is not None:
        return jobs.Source("query")
    if depot.type in _TOPICS:
        if kind == "kafkaavro":
            _registered(depot)
        return jobs.Source("messages", format=kind, stream=entry.stream is not False)
    if entry.stream and depot.type in depot_types.FILE_STORES:
        return await _new_files(rooms, depot, address, kind, places)
    if depot.type == "FILE":
        files = await _listed(rooms, depot, address)
        places.add_files(files)
        place = await rooms.depots.resolve(address) if not _is_pattern(address) else ""
        return jobs.Source("files", place=place, format=kind, files=files)
    if depot.type in depot_types.FILE_STORES:
        root = await rooms.depots.resolve(Udl(address.depot))
        return jobs.Source("objects", place=root, format=kind, files=await _listed(rooms, depot, address))
    levels, table = _table(address)
    ref = TableRef(warehouse(depot), namespaces.join(levels), table)
    found = await rooms.catalog.locations(view, [ref])
    if ref not in found:
        raise fail(
            "flare.input",
            f"{address} does not exist",
            hint="the job that makes it must run before this one: name it in `dependencies`",
        )
    if await rooms.access.hiding(job.run_as, address):
        return jobs.Source("query")  # the gateway shows what the policies leave
    if not in_bucket(found[ref]):
        await rooms.catalog.refuse_links(ref.warehouse, found[ref])
        places.read[_local(found[ref])] = None
    return jobs.Source("table", warehouse=ref.warehouse, namespace=levels, table=table, stream=bool(entry.stream))


async def _new_files(rooms: Rooms, depot: DepotEntry, address: Udl, kind: str, places: _Places) -> jobs.Source:
    """Files that come while the job runs: it sees the whole folder."""
    if depot.type != "FILE":
        return jobs.Source("objects", place=await rooms.depots.resolve(Udl(address.depot)), format=kind, stream=True)
    folder = await cast("FileDepot", rooms.depots.adapter(depot)).folder(depot, address)
    places.read[folder] = None
    place = await rooms.depots.resolve(address) if not _is_pattern(address) else ""
    return jobs.Source("files", place=place, format=kind, stream=True)


def _registered(depot: DepotEntry) -> None:
    """Raises DataOSError `depot.no_registry` for a depot that names none."""
    if not depot.location.get("schemaRegistryUrl"):
        raise fail(
            "depot.no_registry",
            f"depot '{depot.name}' names no schema registry, which kafkaavro needs",
            hint="set `schemaRegistryUrl` in the Depot, beside `brokers`",
        )


def _check_stream(spec: FlareSpec, entry: Input, depot: DepotEntry) -> None:
    """Raises DataOSError `flare.streaming` where an input of a depot cannot be read as it says."""
    held = tableformats.held_by(depot) if depot.type in depot_types.FILE_STORES else None
    if entry.stream and (held or depot.type not in (*_TOPICS, *depot_types.FILE_STORES, "ICEBERG")):
        what = f"{held} tables without a catalog" if held else f"type {depot.type}"
        raise fail(
            "flare.streaming",
            f"depot '{depot.name}' of {what} cannot be read as a stream: it does not tell what is new",
            hint="leave `isStream` out, and read a window with `incremental`",
        )
    if spec.streaming is None and depot.type in _TOPICS and entry.stream is not False:
        raise fail(
            "flare.streaming",
            f"input `{entry.name}`: a topic is read as a stream, and the job has no `streaming`",
            hint="add `streaming` with triggerMode and checkpointLocation; or isStream: false to read what is there",
        )


async def _streams(rooms: Rooms, spec: FlareSpec) -> bool:
    """Is any input read as a stream, by its own word or its depot's type?"""
    for entry in spec.inputs:
        if entry.stream:
            return True
        if entry.stream is None and entry.address is not None and (await _depot(rooms, entry.address)).type in _TOPICS:
            return True
    return False


async def _schema_file(rooms: Rooms, address: Udl) -> tuple[str, bool]:
    """The file of a schema, and whether it is on this machine. Raises DataOSError `depot.*`, `flare.input`."""
    depot = await _depot(rooms, address)
    if depot.type not in depot_types.FILE_STORES:
        hint = "keep the schema in a depot of files, beside the manifest, or as `schemaString`"
        raise fail("flare.input", f"depot '{depot.name}' of type {depot.type} holds no files", hint=hint)
    files = await _listed(rooms, depot, address)
    if len(files) != 1:
        raise fail("flare.input", f"{address} names {len(files)} files", hint="a schema is one file")
    return files[0], depot.type == "FILE"


def _target(rooms: Rooms, output: Output, depot: DepotEntry, handed: Handed) -> jobs.Target:
    if depot.type in depot_types.FILE_STORES:
        return _files_target(output, depot, handed)
    if depot.type in _TOPICS:
        return _topic_target(output, depot, handed)
    if rooms.depots.engine_kind(depot) in _LOADED:
        return _rows_target(output, depot, handed)
    if depot.type != "ICEBERG":
        descriptor = registry.find_depot_type(depot.type)
        assert descriptor is not None  # noqa: S101 - it is registered
        raise DataOSError(depot_types.refusal(descriptor, "write", depot.name))
    if output.format not in (None, "iceberg"):
        raise fail(
            "flare.format",
            f"output `{output.name}`: depot '{depot.name}' is of a Lakehouse, which holds Iceberg tables, not "
            f"{output.format} files",
            hint="leave `format` out, or write to a depot of files",
        )
    levels, table = _table(output.address)
    namespaces.join(levels)
    namespaces.check(table, "table")
    return jobs.Target("table", warehouse(depot), levels, table, branch=output.branch)


def _files_target(output: Output, depot: DepotEntry, handed: Handed) -> jobs.Target:
    held = tableformats.held_by(depot)
    form = output.format or held
    if form is None:
        raise fail(
            "flare.format",
            f"output `{output.name}` names no format, and depot '{depot.name}' of type {depot.type} takes files",
            hint="add `format`: " + ", ".join(FILES),
        )
    if held is not None and form != held:
        raise fail(
            "flare.format",
            f"output `{output.name}`: depot '{depot.name}' holds {held} tables (`format`), no {form}",
            hint="leave `format` out, or write to a depot without `format`",
        )
    refuse_read_only(depot)
    if form not in ("iceberg", "delta"):
        return handed.add(output, form)
    return _folder_table_target(output, depot, form, handed)


def _folder_table_target(output: Output, depot: DepotEntry, form: str, handed: Handed) -> jobs.Target:
    """A table in a folder: its rows are left as Parquet, and written by the server."""
    if depot.type not in tableformats.STORES:
        raise fail(
            "stack.unsupported",
            f"output `{output.name}`: {form} tables are not written to depots of type {depot.type}",
            hint="write them to a folder (FILE), to S3 or to a Lakehouse; or write files (`format: parquet`)",
        )
    _strict(output, depot)
    for said, what in ((output.merge, "`merge`"), (output.branch, "`branch`"), (output.dynamic, "`overwrite-mode`")):
        if said:
            raise fail(
                "stack.unsupported",
                f"output `{output.name}`: {what} is of Lakehouse tables, and depot '{depot.name}' is none",
                hint="leave it out, or write to a Lakehouse",
            )
    others = [p.transform for p in output.partitions if p.transform != "identity"]
    if form == "delta" and others:
        raise fail(
            "flare.partition",
            f"output `{output.name}`: Delta tables are partitioned by columns, not by `{others[0]}` of one",
            hint="make the column in a step, and partition by it (type: identity)",
        )
    table = TableWriting(
        "delta" if form == "delta" else "iceberg",
        tuple(TablePartition(p.column, p.transform, p.name or "", p.buckets) for p in output.partitions),
        output.properties,
    )
    return handed.add(output, "parquet", table)


def _strict(output: Output, depot: DepotEntry) -> None:
    """Raises DataOSError where an output lets columns come and go, and no catalog of ours keeps its table."""
    if output.evolution != "strict":
        raise fail(
            "stack.unsupported",
            f"output `{output.name}`: `schemaEvolution: {output.evolution}` is of Lakehouse tables, and depot "
            f"'{depot.name}' is none",
            hint="leave it out, and select the columns in the last step",
        )


def _rows_target(output: Output, depot: DepotEntry, handed: Handed) -> jobs.Target:
    """A table of a database: its rows are left as Parquet, and loaded by the server."""
    _table(output.address)
    if output.format not in (None, "jdbc"):
        form = "Iceberg tables" if output.format == "iceberg" else f"{output.format} files"
        raise fail(
            "flare.format",
            f"output `{output.name}`: depot '{depot.name}' of type {depot.type} holds tables of a database, no {form}",
            hint="leave `format` out, or write `jdbc`; Iceberg tables go to the depot of a Lakehouse",
        )
    _strict(output, depot)
    if output.merge is not None or output.partitions:
        raise fail(
            "stack.unsupported",
            f"output `{output.name}`: `merge` and partitions are of Lakehouse tables",
            hint="leave them out, or write to a Lakehouse",
        )
    refuse_read_only(depot)
    return handed.add(output, "parquet")


def _topic_target(output: Output, depot: DepotEntry, handed: Handed) -> jobs.Target:
    """A topic: its rows are left as Parquet, and sent by the server."""
    _table(output.address)
    forms = _TOPICS[depot.type]
    if output.format not in (None, *forms):
        raise fail(
            "flare.format",
            f"output `{output.name}`: depot '{depot.name}' of type {depot.type} takes messages, no {output.format}",
            hint="leave `format` out, or write " + " or ".join(f"`{f}`" for f in forms),
        )
    if output.format == "kafkaavro":
        _registered(depot)
    if output.merge is not None:
        raise fail("stack.unsupported", f"output `{output.name}`: `merge` is of Lakehouse tables", hint="leave it out")
    refuse_read_only(depot)
    target = handed.add(output, "parquet")
    return replace(target, messages=output.format or forms[0])


def _read_by(spec: FlareSpec) -> list[str]:
    """Addresses of all inputs; of queries, those that they name."""
    found = [a for i in spec.inputs for a in (i.tables if i.address is None else (str(i.address),))]
    return list(dict.fromkeys(found))


def _maintained(spec: FlareSpec) -> list[str]:
    """Addresses of the tables that actions change."""
    known = {i.name: str(i.address) for i in spec.inputs}
    return list(dict.fromkeys(known[a.input] for a in spec.actions))


async def _writable(rooms: Rooms, view: AttemptView, target: jobs.Target, places: _Places) -> None:
    """The table's own folder; for a table that is not there yet the one in which the catalog makes the run's tables."""
    ref = TableRef(target.warehouse, namespaces.join(target.namespace), target.table)
    found = await rooms.catalog.locations(view, [ref])
    location = found.get(ref) or await rooms.catalog.run_folder(view, ref.warehouse, ref.namespace)
    if in_bucket(location):
        return
    path = _local(location)
    path.mkdir(parents=True, exist_ok=True)
    await rooms.catalog.refuse_links(ref.warehouse, location)
    places.read.pop(path, None)
    places.write[path] = None


def _table(address: Udl) -> tuple[tuple[str, ...], str]:
    dataset = address.dataset or ""
    if not address.collection or not dataset or "/" in dataset:
        raise fail(
            "manifest.address",
            f"Invalid dataset found: {address}",
            hint="a table's address reads dataos://[depot]:[collection]/[table]",
        )
    return tuple(address.collection.split(".")), dataset


def _local(location: str) -> Path:
    return Path(location.removeprefix("file://"))
