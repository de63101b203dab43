"""What a stackSpec of the stack `flare` may say (ch04 2, 3, 19), and the one canonical form made of it.

All spellings of what is built are read here; what is not built yet is refused by name (`stack.unsupported`), never
ignored. `read` finds every fault at once, each with its path; faults inside SQL carry `line` and `column` of that text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest.specs import Path, Reading, one_of, read_model
from dataos.stacks.flare import (
    actions,
    assertions,
    incremental,
    outputs,
    positions,
    preflight,
    profiling,
    programs,
    querying,
    sinks,
    sql,
    streaming,
    structures,
    udfs,
)
from dataos.stacks.flare.blocks import (
    LATER_INPUT,
    LATER_STEP,
    NAME,
    InputEntry,
    SequenceEntry,
    StackBlock,
    refuse,
    text_of,
)
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import FlareSpec, Input, Output, Step
from dataos.stacks.flare.sizing import read_remote, read_sizing
from dataos.stacks.flare.stepfunctions import reading as stepfunctions

MODEL = StackBlock
_JOB_KEYS = (
    "inputs", "steps", "outputs", "assertions", "streaming", "profile", "actions", "udfs", "explain", "logLevel",
    "showPreviewLines", "variables", "program", "programFile",
)  # fmt: skip
_LEVELS = ("INFO", "WARN", "DEBUG", "ERROR")


def read(data: Any, reading: Reading, path: Path = ()) -> FlareSpec | None:
    """Canonical FlareSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, _lift(data, reading, path), reading, path)
    if block is None:
        return None
    if block.job is None:
        reading.error(path, "`job` is required", code="manifest.missing")
        return None
    job, where = block.job, (*path, "job")
    cpu, memory = read_sizing(block, reading, path)
    remote = read_remote(block, reading, path)
    level = one_of(job.log_level, _LEVELS, (*where, "logLevel"), reading, "logLevel") if job.log_level else None
    if block.configs:
        reading.warn((*path, "configs"), "`configs` has no effect on a Flare job")
    given = [_with_job_options(e, job.options, reading, (*where, "options")) for e in job.inputs]
    read_inputs = [_input(e, reading, (*where, "inputs", n)) for n, e in enumerate(given)]
    inputs = tuple(i for i in read_inputs if i)
    # what is faulty has a name all the same: who reads it is not at fault too
    faulty = [e.name for e, found in zip(job.inputs, read_inputs, strict=True) if found is None]
    own = udfs.read(job.udfs, reading, (*where, "udfs"))
    program = programs.read(job, reading, where)
    is_program = bool(job.program or job.program_file)
    steps = tuple(_steps(job.steps, reading, (*where, "steps"), faulty))
    entries = sinks.join(job.outputs, _sinks(job.steps, reading, (*where, "steps")), reading, (*where, "outputs"))
    live = [i for i in inputs if i.stream]
    has_block = job.streaming is not None
    stream, lines = streaming.read(job.streaming, [e for e, _ in entries], bool(live), reading, (*where, "streaming"))
    streams = has_block or bool(live)
    appends = streams or is_program
    written = tuple(o for o in (outputs.read(e, reading, place, appends) for e, place in entries) if o)
    checks = assertions.read(job.assertions, reading, (*where, "assertions"))
    profile = profiling.read(job.profile, reading, (*where, "profile"))
    upkeep = actions.read(job.actions, reading, (*where, "actions"))
    upkeep += _rewrite_dataset(job.rewrite_dataset, inputs, reading, (*where, "rewriteDataset"))
    if not job.inputs and not steps and not is_program:
        reading.error((*where, "inputs"), "the job reads nothing", hint="name an input", code="manifest.missing")
    elif not (job.outputs or job.assertions or upkeep or job.profile) and len(reading.problems) == before:
        reading.warn(where, "the job writes nothing and asserts nothing")
    views = _check_views(inputs, steps, faulty, udfs.arities(own, job.udfs), reading)
    if is_program:  # which makes the views of its outputs
        views = tuple(dict.fromkeys((*views, *(o.name for o in written))))
    _check_outputs(inputs, written, views, reading)
    if streams:
        keys = [k for k, found in (("profile", profile), ("actions", upkeep)) if found]
        streaming.check(stream, inputs, steps, views, keys, reading, where, udfs.arities(own, job.udfs))
    _check_assertions(inputs, written, checks, views, udfs.arities(own, job.udfs), reading)
    if profile is not None:
        _check_profile(profile, inputs, views, reading)
    upkeep = tuple(a for a in (_check_action(a, inputs, views, reading) for a in upkeep) if a)
    if len(reading.problems) > before:
        return None
    spec = FlareSpec(
        inputs=inputs,
        steps=steps,
        outputs=written,
        assertions=checks,
        actions=upkeep,
        explain=job.explain,
        preview_lines=max(0, job.show_preview_lines or lines or 0),
        keep_system_columns=text_of(job.variables.get("keepSystemColumns")).lower() == "true",
        write_system_columns=text_of(job.variables.get("writeSystemColumns")).lower() != "false",
        log_level=level,
        cpu=cpu,
        memory_bytes=memory,
        root=path,
        views=views,
        profile=profile,
        streaming=stream,
        udfs=own,
        program=program,
        spark_remote=remote,
    )
    reading.warnings += preflight.needs_spark(spec)
    return spec


def addresses(spec: FlareSpec) -> list[tuple[Path, Udl, str]]:
    """(path, address, acl) of everything that the job reads or writes."""
    return [(path, udl, udl.acl) for path, udl in spec.addresses]


def _lift(data: Any, reading: Reading, path: Path) -> Any:
    """Keys of `job` found directly under stackSpec are moved into it (ch04 3.1)."""
    if not isinstance(data, dict):
        return data
    block = cast("dict[str, Any]", dict(data))
    folded = {k.lower(): k for k in _JOB_KEYS}
    found = [k for k in block if k.lower() in folded]
    if not found:
        return block
    job_key = next((k for k in block if k.lower() == "job"), "job")
    inner = block.get(job_key)
    job: dict[str, Any] = dict(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else {}
    for key in found:
        reading.warn((*path, key), f"`{key}` is read as `job.{folded[key.lower()]}`", code="manifest.variant")
        job.setdefault(folded[key.lower()], block.pop(key))
    block[job_key] = job
    return block


def _with_job_options(entry: InputEntry, options: Any, reading: Reading, path: Path) -> InputEntry:
    """A query that has no options of its own has those of the job (ch04 3.3)."""
    if not isinstance(options, dict) or not options or entry.query is None or entry.options:
        return entry
    reading.warn(path, f"`job.options` is read as the options of the input `{entry.name}`", code="manifest.variant")
    return entry.model_copy(update={"options": dict(cast("dict[str, Any]", options))})


def _input(entry: InputEntry, reading: Reading, path: Path) -> Input | None:
    before = len(reading.problems)
    _check_name(entry.name, "input", reading, (*path, "name"))
    if entry.query is not None and entry.dataset is not None:
        reading.error(path, "the input has both `dataset` and `query`", hint="keep one of them", code="flare.input")
    for key, what in LATER_INPUT.items():
        refuse(entry, key, what, reading, path)
    increment = incremental.read(entry.incremental, reading, (*path, "incremental"))
    address = _address(entry.dataset, reading, (*path, "dataset"))
    made = (entry.format or "").strip().lower() in streaming.RATES and entry.dataset is None and entry.query is None
    format_ = entry.format.strip().lower() if made and entry.format else None
    format_ = format_ or outputs.canonical_format(entry.format, reading, (*path, "format"))
    stream = streaming.read_input(entry, format_, made, reading, path)
    options = {k: text_of(v) for k, v in (entry.options or {}).items() if v is not None}
    for fault in positions.faults(format_ or "", options):
        where = (*path, "options", fault.key)
        if fault.fatal:
            reading.error(where, fault.text, hint=fault.hint, code="flare.option")
        else:
            reading.warn(where, fault.text)
    schema = _schema(entry, reading, path)
    schema_at = _schema_at(entry, reading, path)
    schema_id = _registry_keys(entry, format_, options, reading, path)
    query = _query(entry.query, reading, (*path, "query"))
    if entry.query is None and entry.dataset is None and not made and len(reading.problems) == before:
        reading.error(path, "`dataset` or `query` is required", code="manifest.missing")
    if (address is None and query is None and not made) or len(reading.problems) > before:
        return None
    if address is not None and address.acl == "rw":
        address = Udl(address.depot, address.collection, address.dataset, "r", address.options)
    cluster = options.get("cluster") if query is not None else None
    where = (*path, "dataset" if query is None else "query")
    named = querying.tables(query) if query is not None else ()
    return Input(
        entry.name, address, query, cluster, format_, options, schema, increment, path, where, named,
        schema_at=schema_at, schema_kind=_schema_kind(entry), stream=stream,
        schema_subject=(entry.schema_subject or "").strip() or None, schema_id=schema_id,
    )  # fmt: skip


def _registry_keys(
    entry: InputEntry, form: str | None, options: dict[str, str], reading: Reading, path: Path
) -> int | None:
    """`schemaId`, where it and its like have a meaning."""
    if form != "kafkaavro":
        for key, value in (("schemaSubject", entry.schema_subject), ("schemaId", entry.schema_id)):
            if value:
                reading.warn((*path, key), f"`{key}` has no effect but with the format kafkaavro")
        return None
    for key, value in (
        ("schemaString", entry.schema_string), ("schemaPath", entry.schema_path), ("schema", entry.schema_text),
    ):  # fmt: skip
        if value:
            hint = "leave it out; schemaSubject or schemaId name another schema of the registry"
            reading.warn((*path, key), f"`{key}` has no effect on kafkaavro: the registry has the schema; {hint}")
    mode = next((v for k, v in options.items() if k.lower() == "mode"), None)
    if mode is not None:
        one_of(mode, ("FAILFAST", "DROPMALFORMED", "PERMISSIVE"), (*path, "options", "mode"), reading, "mode")
    if not entry.schema_id:
        return None
    if not entry.schema_id.strip().isdigit():
        hint = "the number under which the registry knows the schema"
        reading.error((*path, "schemaId"), f"`{entry.schema_id}` is no id of a schema", hint=hint)
        return None
    if entry.schema_subject:
        reading.warn((*path, "schemaSubject"), "`schemaSubject` has no effect beside `schemaId`")
    return int(entry.schema_id)


_SCHEMA_TYPES = {"avro": "avro", "spark": "spark", "sparkjson": "spark", "sparkddl": "spark", "ddl": "spark"}


def _schema(entry: InputEntry, reading: Reading, path: Path) -> str | None:
    """The schema of an input as DDL, of whichever key holds it (ch04 3.7)."""
    kind = _schema_kind(entry)
    if entry.schema_type and entry.schema_type.strip() and kind is None:
        reading.error(
            (*path, "schemaType"),
            f"schemaType `{entry.schema_type}` is not allowed",
            hint="allowed: avro, spark, sparkJson",
            code="flare.schema_text",
        )
        return None
    if entry.schema_path and not entry.schema_string:
        if not entry.schema_path.startswith("dataos://"):
            reading.error(
                (*path, "schemaPath"),
                f"the schema file `{entry.schema_path}` was not put into the manifest",
                hint="apply with the dataos CLI, which reads it, or write the text as `schemaString`",
                code="flare.sql_file",
            )
        return None
    key = "schemaString" if entry.schema_string else "schema"
    text = entry.schema_string or entry.schema_text
    if not text:
        return None
    if isinstance(text, dict | list):
        text = json.dumps(text)
    return reading.attempt((*path, key), lambda: structures.ddl_of(str(text), kind or "avro"))


def _schema_kind(entry: InputEntry) -> str | None:
    return _SCHEMA_TYPES.get((entry.schema_type or "").strip().lower())


def _schema_at(entry: InputEntry, reading: Reading, path: Path) -> Udl | None:
    """The address of a file that holds the schema, if that is how it is given."""
    if entry.schema_string or not (entry.schema_path or "").startswith("dataos://"):
        return None
    address = _address(entry.schema_path, reading, (*path, "schemaPath"))
    return None if address is None else Udl(address.depot, address.collection, address.dataset, "r", address.options)


def _query(text: str | None, reading: Reading, path: Path) -> str | None:
    """A statement for the query engine (Trino dialect). Its form is checked here, what it names when it is asked."""
    if text is None:
        return None
    body = text.strip().rstrip(";").rstrip()
    try:
        found = sqlglot.parse(body, dialect="trino")
    except SqlglotError as error:
        first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        reading.error(
            path,
            f"SQL syntax error: {first.get('description') or str(error).splitlines()[0][:200]}",
            code="flare.sql_syntax",
            line=first.get("line"),
            column=first.get("col"),
        )
        return None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        reading.error(
            path,
            "an input's query is one SELECT",
            hint="jobs write with outputs, not in queries",
            code="flare.sql_refused",
        )
        return None
    return body


def _address(text: str | None, reading: Reading, path: Path) -> Udl | None:
    if text is None:
        return None
    if text.startswith("/"):
        reading.error(
            path,
            f"Invalid dataset found: {text}",
            code="manifest.address",
            hint="a path on a machine is no address: name a depot, as in dataos://depot:none/path",
        )
        return None
    udl = reading.attempt(path, lambda: Udl.parse(text))
    if udl is None:
        return None
    if not udl.collection or not (udl.dataset or "").strip("/"):
        reading.error(
            path,
            f"Invalid dataset found: {text}",
            code="manifest.address",
            hint="name the dataset: dataos://[depot]:[collection]/[dataset]",
        )
        return None
    return Udl(udl.depot, udl.collection, (udl.dataset or "").strip("/"), udl.acl, udl.options)


def _steps(blocks: Iterable[Any], reading: Reading, path: Path, faulty: list[str]) -> Iterable[Step]:
    """Steps that can be read; the names of others are put into `faulty`."""
    for number, block in enumerate(blocks):
        where = (*path, number)
        if block is None:
            reading.warn(where, "an empty step is skipped")
            continue
        if isinstance(block, str):
            reading.error(
                where,
                f"the step file `{block}` was not put into the manifest",
                hint="apply with the dataos CLI, which reads it, or write its content here",
                code="flare.sql_file",
            )
            continue
        if not isinstance(block, dict):
            reading.error(where, "a step must be a mapping with `sequence`")
            continue
        items = cast("dict[str, Any]", block)
        for key in items:
            if key.lower() not in ("sequence", "sink"):
                reading.warn((*where, key), f"unknown key `{key}` has no effect", code="manifest.unknown_key")
        key = next((k for k in items if k.lower() == "sequence"), "sequence")
        sequence = items.get(key)
        if not isinstance(sequence, list):
            reading.error((*where, "sequence"), "`sequence` must be a list of steps", code="manifest.invalid")
            continue
        for position, entry in enumerate(cast("list[Any]", sequence)):
            if entry is None:
                reading.warn((*where, "sequence", position), "an empty step is skipped")
                continue
            step = _step(entry, reading, (*where, "sequence", position))
            if step:
                yield step
            elif isinstance(entry, dict) and isinstance(name := cast("dict[str, Any]", entry).get("name"), str):
                faulty.append(name)


def _sinks(blocks: Iterable[Any], reading: Reading, path: Path) -> list[sinks.Sink]:
    found: list[sinks.Sink] = []
    for number, block in enumerate(blocks):
        for key, value in cast("dict[str, Any]", block).items() if isinstance(block, dict) else ():
            if key.lower() == "sink":
                found += sinks.read(value, reading, (*path, number, key))
    return found


def _step(data: Any, reading: Reading, path: Path) -> Step | None:
    before = len(reading.problems)
    entry = read_model(SequenceEntry, data, reading, path)
    if entry is None:
        return None
    _check_name(entry.name, "step", reading, (*path, "name"))
    for key, what in LATER_STEP.items():
        refuse(entry, key, what, reading, path)
    calls = stepfunctions.read(entry.functions, reading, (*path, "functions"))
    for command in entry.commands:
        word = text_of(command.get("name")).lower() if isinstance(command, dict) else text_of(command).lower()
        if word not in ("persist", "unpersist", "unpersisted"):
            reading.error((*path, "commands"), f"unknown command `{word}`", hint="allowed: persist, unpersist")
        else:
            reading.warn((*path, "commands"), f"`{word}` has no effect: the engine keeps what it needs twice")
    if entry.sql_file is not None and entry.sql is None:
        reading.error(
            (*path, "sqlFile"),
            f"the SQL file `{entry.sql_file}` was not put into the manifest",
            hint="apply with the dataos CLI, which reads it, or write the text as `sql`",
            code="flare.sql_file",
        )
    elif not (entry.sql or "").strip() and len(reading.problems) == before:
        reading.error(path, "the step has no `sql`", code="manifest.missing")
    if len(reading.problems) > before:
        return None
    return Step(entry.name, entry.sql or "", entry.doc, calls, path)


def _check_name(name: str, what: str, reading: Reading, path: Path) -> None:
    if not NAME.fullmatch(name):
        reading.error(
            path,
            f"`{name}` cannot name an {what}" if what == "input" else f"`{name}` cannot name a {what}",
            hint="letters, digits and `_`, beginning with a letter or `_`",
            code="flare.name",
        )


def _check_views(
    inputs: tuple[Input, ...], steps: tuple[Step, ...], faulty: list[str], own: udfs.Udfs, reading: Reading
) -> tuple[str, ...]:
    """Names that views have after all steps; SQL of each step is checked against those that exist by then.

    `faulty`: names of inputs and steps that could not be read; they count as views.
    """
    views: list[str] = []
    known: dict[str, Path] = {}

    def add(name: str, path: Path) -> None:
        if name.lower() in known:
            reading.error(
                (*path, "name"),
                f"`{name}` names two views",
                hint="views are told apart without regard to letter case: rename one",
                code="flare.duplicate_name",
            )
        else:
            known[name.lower()] = path
            views.append(name)

    for entry in inputs:
        add(entry.name, entry.path)
    views += [name for name in faulty if name.lower() not in known]
    for step in steps:
        checked = reading.attempt(
            (*step.path, "sql"), partial(sql.check, step.sql, views, engine=EngineName.SPARK, udfs=own)
        )
        if checked is None or checked.text:
            add(step.name, step.path)
    return tuple(views)


def _check_outputs(
    inputs: tuple[Input, ...], written: tuple[Output, ...], views: tuple[str, ...], reading: Reading
) -> None:
    known = {v.lower() for v in views}
    targets: dict[str, Output] = {}
    for output in written:
        if output.name.lower() not in known:
            reading.error(
                (*output.path, "name"),
                f"the output names no view: `{output.name}`",
                hint=names.did_you_mean(output.name, views) or "an output writes the view of an input or step",
                code="flare.unknown_view",
            )
        address = str(output.address).lower()
        if address in targets:
            reading.error(
                output.address_path,
                f"two outputs write {output.address}",
                hint="write it once; UNION the views in a step",
                code="flare.duplicate_name",
            )
        targets[address] = output
        if output.mode == "overwrite" and any(str(i.address).lower() == address for i in inputs):
            reading.warn(
                output.address_path,
                f"{output.address} is read and overwritten in one job: it reads the content of before",
            )


def _rewrite_dataset(data: Any, inputs: tuple[Input, ...], reading: Reading, path: Path) -> tuple[actions.Planned, ...]:
    """The old shortcut `rewriteDataset: {mode: full}`: compact the first input, all of it."""
    if not data or not inputs:
        return ()
    mode = (
        text_of(cast("dict[str, Any]", data).get("mode")).lower() if isinstance(data, dict) else text_of(data).lower()
    )
    if mode != "full":
        reading.error((*path, "mode"), f"mode `{mode}` is not allowed", hint="allowed: full", code="flare.action")
        return ()
    whole = actions.parse("rewrite_dataset", {"properties": {"rewrite-all": True}})
    return (actions.Planned("rewrite_dataset", inputs[0].name, whole, "", path),)


def _check_profile(
    profile: profiling.Profile, inputs: tuple[Input, ...], views: tuple[str, ...], reading: Reading
) -> None:
    """A profile is kept with a dataset: that of the first input (ch04 3.15)."""
    if not inputs or inputs[0].address is None:
        hint = "name a dataset as the first input"
        reading.error(
            profile.path, "the profile is of the first input, which names no dataset", hint=hint, code="flare.profile"
        )
    elif len(inputs) > 1:
        reading.warn(profile.path, f"the profile is of the first input, `{inputs[0].name}`")
    profiling.check(profile, views, reading)


def _check_action(
    action: actions.Planned, inputs: tuple[Input, ...], views: tuple[str, ...], reading: Reading
) -> actions.Planned | None:
    found = next((i for i in inputs if i.name.lower() == action.input.lower()), None)
    if found is None or found.address is None or found.format not in (None, "iceberg"):
        known = [i.name for i in inputs if i.address is not None]
        message = f"{action.name}: `{action.input}` is no Iceberg input"
        hint = names.did_you_mean(action.input, known) if found is None else "actions maintain tables of a Lakehouse"
        reading.error((*action.path, "input"), message, hint=hint, code="flare.action")
        return None
    if action.action is None:
        check = partial(sql.check_condition, action.delete_where, views, engine=EngineName.SPARK)
        reading.attempt((*action.path, "deleteWhere"), check)
    return replace(action, input=found.name)


def _check_assertions(
    inputs: tuple[Input, ...],
    written: tuple[Output, ...],
    checks: tuple[assertions.Assertion, ...],
    views: tuple[str, ...],
    own: udfs.Udfs,
    reading: Reading,
) -> None:
    if checks and len(inputs) > 1 and any(c.column for c in checks):
        reading.warn(
            checks[0].path[:-1], f"assertions on columns of the job are tests of the first input, `{inputs[0].name}`"
        )
    for check in (*checks, *(a for o in written for a in o.assertions)):
        for key, text, test in (("sql", check.sql, sql.check), ("filter", check.filter, sql.check_condition)):
            if text is not None:
                reading.attempt((*check.path, key), partial(test, text, views, engine=EngineName.SPARK, udfs=own))
